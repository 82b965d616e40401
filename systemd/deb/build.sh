#!/bin/sh
# Packs what `make install` installs as build/deb/trivet_<version>_<architecture>.deb; without debhelper, so nothing more is needed
# than dpkg-dev. usage: build.sh VERSION (from the root of the tree, by `make deb`)
set -eu

version=$1
here=$(dirname "$0")
out=build/deb
root=$out/root
architecture=$(dpkg --print-architecture)

rm -rf "$out"
mkdir -p "$root/DEBIAN" "$out/debian"
"${MAKE:-make}" --no-print-directory install DESTDIR="$root" PREFIX=/usr

# dpkg-shlibdeps reads a source package's control file; this is the least that it takes.
printf 'Source: trivet\n\nPackage: trivet\nArchitecture: any\n' >"$out/debian/control"
# shellcheck disable=SC2046 # our own file names, and several words are meant
libraries=$(cd "$out" && dpkg-shlibdeps -O $(find root/usr/bin root/usr/libexec -type f) | sed -n 's/^shlibs:Depends=//p')
[ -n "$libraries" ] || { echo "deb: dpkg-shlibdeps found no library: were the programs built?" >&2; exit 1; }

{
	cat <<-CONTROL
	Package: trivet
	Version: $version
	Architecture: $architecture
	Maintainer: Trivet <trivet@localhost>
	Installed-Size: $(du -k -s "$root/usr" | cut -f1)
	Depends: $libraries, nginx, systemd (>= 252)
	Recommends: postgresql (>= 15), redis-server
	Section: web
	Priority: optional
	Description: one account for a community on Telegram, Discord and a website
	 FastCGI programs behind nginx with PostgreSQL and Redis: one account, one ledger
	 of experience and coins, ranks, linking by code, on all three.
	CONTROL
} >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
	install -m 755 "$here/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
dpkg-deb --root-owner-group --build "$root" "$out/trivet_${version}_$architecture.deb"
