# The development stack and what is installed. Settings: PORT, RUN_DIR, WORKERS, TELEGRAM_API_URL, DISCORD_API_URL (tests/dev/stack.py),
# DESTDIR, PREFIX (install).

STACK := env V=$(V) $(PYTHON) -B tests/dev/stack.py
# Packages first, in a make of their own: what is built may depend on headers that were not there yet.
BUILD_ALL = +@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)) V=$(1) all

.PHONY: deps deps-test run up down
deps:
	@sh tests/dev/packages.sh build
deps-test:
	@sh tests/dev/packages.sh test

up: deps
	$(call BUILD_ALL,$(V))
	@$(STACK) up
run: deps
	$(call BUILD_ALL,$(V))
	@$(STACK) run
down:
	@$(STACK) down

# End-to-end tests: whole stacks of the build V, with real PostgreSQL, Redis and nginx (tests/e2e/conftest.py). K= chooses by name.
.PHONY: check-e2e
check-e2e: deps-test
	$(call BUILD_ALL,$(V))
	@rm -f $(B)/log/e2e.total
	@env V=$(V) TOTAL=$(B)/log/e2e.total $(PYTHON) -B -m pytest -q $(if $(K),-k '$(K)') tests/e2e

# ---- installation ----------------------------------------------------------------------------------------------------------------
# The programs come from the variant `dist`, which has no development clock. Units are written for PREFIX=/usr.

PREFIX ?= /usr
SYSCONFDIR ?= /etc
INSTALLED := build/dist
LIBEXEC := $(DESTDIR)$(PREFIX)/libexec/trivet
SHARE := $(DESTDIR)$(PREFIX)/share/trivet
UNITS := $(DESTDIR)$(PREFIX)/lib/systemd/system
WITH_PREFIX := sed -e 's,/usr/libexec/trivet,$(PREFIX)/libexec/trivet,g' -e 's,/usr/share/trivet,$(PREFIX)/share/trivet,g'
MAN_PAGES := $(wildcard docs/*.1 docs/*.5 docs/*.8)

.PHONY: install deb
install:
	$(call BUILD_ALL,dist)
	@install -d $(LIBEXEC) $(SHARE)/nginx $(SHARE)/migrations $(UNITS)/trivet-.service.d $(DESTDIR)$(PREFIX)/bin \
	            $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d $(DESTDIR)$(SYSCONFDIR)/trivet
	@for p in $(filter-out trivet,$(foreach d,$(PROGRAM_DIRS),$(call program_name,$(d)))); do \
	    install -m 755 $(INSTALLED)/$$p $(LIBEXEC)/$$p || exit 1; done
	@$(if $(filter ctl,$(PROGRAM_DIRS)),install -m 755 $(INSTALLED)/trivet $(DESTDIR)$(PREFIX)/bin/trivet)
	@install -m 644 migrations/*.sql $(SHARE)/migrations/
	@for f in $(wildcard nginx/*.conf); do $(WITH_PREFIX) $$f > $(SHARE)/$$f && chmod 644 $(SHARE)/$$f || exit 1; done
	@find nginx/www -type f ! -name '.*' | while read -r f; do install -D -m 644 "$$f" "$(SHARE)/$$f" || exit 1; done
	@for f in $(notdir $(wildcard systemd/*.service systemd/*.socket systemd/*.target)) trivet-.service.d/hardening.conf; do \
	    $(WITH_PREFIX) systemd/$$f > $(UNITS)/$$f && chmod 644 $(UNITS)/$$f || exit 1; done
	@install -m 644 systemd/sysusers.d/trivet.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/trivet.conf
	@install -m 644 systemd/tmpfiles.d/trivet.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/trivet.conf
	@for f in $(MAN_PAGES); do install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$${f##*/} || exit 1; done

deb:
	+@MAKE="$(MAKE)" sh systemd/deb/build.sh $(VERSION)
