#!/bin/sh
# Installs the Debian packages that Trivet needs; does nothing, and asks for no right, when all are there.
#
# usage: packages.sh build|test|list-build|list-test
#
# build   what `make run` needs: compiler, libraries, nginx, Redis, PostgreSQL 15, Python for the development stack
# test    that and what `make check` and `make lint` need
#
# A shell script, since Python may be among what is missing. Debian's own services are neither started nor left enabled:
# the stack runs private ones.
set -eu

BUILD="gcc make libc6-dev binutils pkgconf libfcgi-dev libpq-dev libjansson-dev libcurl4-openssl-dev libhiredis-dev libsodium-dev
libinih-dev nginx redis-server postgresql-15 postgresql-client-15 python3 python3-nacl python3-psycopg2 openssl"
TEST="libcmocka-dev clang clang-tidy cppcheck shellcheck python3-pyflakes python3-pytest python3-redis python3-requests python3-jsonschema
python3-aiohttp python3-selenium python3-hypothesis chromium chromium-driver gcovr wrk systemd dpkg-dev curl"
# For the linter of docs/openapi.json. A Node from elsewhere brings its npm, and Debian's would not go beside it.
command -v node >/dev/null && command -v npm >/dev/null || TEST="$TEST nodejs npm"
POLICY=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
SERVICES="nginx redis-server postgresql"

usage() {
	sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

fail() {
	echo "packages: $1" >&2
	exit 1
}

# The packages of a list that are not installed, in its order.
missing() {
	# shellcheck disable=SC2016 # dpkg-query's own variables
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p')
	for package in "$@"; do
		printf '%s\n' "$installed" | grep -qxF "$package" || printf '%s ' "$package"
	done
}

# As root. policy-rc.d is the only way that dpkg's maintainer scripts offer to say "install, do not start"; one that stands is left.
install_as_root() {
	if [ ! -e "$POLICY" ]; then
		trap 'rm -f "$POLICY"' EXIT
		trap 'exit 1' HUP INT TERM
		printf '#!/bin/sh\nexit 101\n' >"$POLICY"
		chmod 755 "$POLICY"
	fi
	before=$(enabled_services)
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 --no-install-recommends install "$@"
	for service in $(enabled_services); do
		case " $before " in
		*" $service "*) ;; # was the machine's own before
		*) systemctl --quiet disable "$service" || true ;;
		esac
	done
}

# Those of our services that the machine would start by itself.
enabled_services() {
	[ -d /run/systemd/system ] || return 0
	for service in $SERVICES; do
		if systemctl --quiet is-enabled "$service" 2>/dev/null; then
			printf '%s ' "$service"
		fi
	done
}

case "${1-}" in
build) set -- $BUILD ;;
test) set -- $BUILD $TEST ;;
list-build) echo $BUILD && exit 0 ;;
list-test) echo $BUILD $TEST && exit 0 ;;
install)
	shift
	install_as_root "$@"
	exit 0
	;;
*) usage ;;
esac

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || fail "there is no apt-get here: Debian 12 is expected; else install the like of: $*"
lacking=$(missing "$@")
[ -n "$lacking" ] || exit 0
echo "installing $lacking"
if [ "$(id -u)" -eq 0 ]; then
	sh "$0" install $lacking || fail "apt-get could not install $lacking: see its words above"
elif command -v sudo >/dev/null; then
	sudo sh "$0" install $lacking || fail "sudo apt-get could not install $lacking: see its words above"
else
	fail "only root can install what is missing: apt-get install $lacking"
fi
still=$(missing $lacking)
[ -z "$still" ] || fail "apt-get ended well but these are not installed: $still"
