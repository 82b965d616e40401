# Trivet. One non-recursive makefile; `make help` lists the targets of people.
#
# Variants live side by side under build/<variant>/: release (default), asan, tsan, fuzz, cov, dist (what is installed: without
# the development clock). Choose with V=asan.

V ?= release
CC := gcc
PYTHON := /usr/bin/python3
B := build/$(V)
G := build/gen
VERSION := 0.1.0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# ---- flags ------------------------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla -Wundef \
            -Wswitch-enum -Wpointer-arith -Wcast-qual -Wwrite-strings
CPPFLAGS += -D_GNU_SOURCE -DTRIVET_VERSION='"$(VERSION)"' -Ishared -I$(G) -include shared/base/banned.h
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -fno-plt
BASE_CFLAGS := -std=c17 -g -pthread -fno-strict-aliasing $(WARNINGS) $(WERROR)
BASE_LDFLAGS := -pthread -Wl,--as-needed

ifeq ($(V),release)
  VARIANT_CFLAGS := -O2 -D_FORTIFY_SOURCE=2 $(HARDENING) -DTRIVET_DEVELOPMENT
  VARIANT_LDFLAGS := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
else ifeq ($(V),dist)
  VARIANT_CFLAGS := -O2 -D_FORTIFY_SOURCE=2 $(HARDENING)
  VARIANT_LDFLAGS := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
else ifeq ($(V),asan)
  VARIANT_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
                    -DTRIVET_DEVELOPMENT -DTRIVET_SANITIZE
  VARIANT_LDFLAGS := -fsanitize=address,undefined
else ifeq ($(V),tsan)
  VARIANT_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=thread -DTRIVET_DEVELOPMENT -DTRIVET_SANITIZE
  VARIANT_LDFLAGS := -fsanitize=thread
else ifeq ($(V),fuzz)
  CC := clang
  VARIANT_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all \
                    -DTRIVET_DEVELOPMENT -DTRIVET_SANITIZE
  VARIANT_LDFLAGS := -fsanitize=address,undefined
else ifeq ($(V),cov)
  VARIANT_CFLAGS := -O0 --coverage -DTRIVET_DEVELOPMENT
  VARIANT_LDFLAGS := --coverage
else ifeq ($(V),clang)
  CC := clang
  VARIANT_CFLAGS := -O2 -DTRIVET_DEVELOPMENT
  VARIANT_LDFLAGS :=
else
  $(error V=$(V): there is release, dist, asan, tsan, fuzz, cov, clang)
endif
ALL_CFLAGS = $(CPPFLAGS) $(BASE_CFLAGS) $(VARIANT_CFLAGS) $(CFLAGS) $(FILE_CFLAGS)
ALL_LDFLAGS = $(BASE_LDFLAGS) $(VARIANT_LDFLAGS) $(LDFLAGS)
LIBRARIES := -lpq -ljansson -lcurl -lhiredis -lsodium -linih -lfcgi
CPPFLAGS += -isystem /usr/include/postgresql

# ---- layers, lowest last in link order; a layer sees only those after it ------------------------------------------------------------

LAYERS := web telegram discord platform command service store io core base
LAYER_DIR_web := shared/web
LAYER_DIR_telegram := shared/platform/telegram
LAYER_DIR_discord := shared/platform/discord
LAYER_DIR_platform := shared/platform
LAYER_DIR_command := shared/command
LAYER_DIR_service := shared/service
LAYER_DIR_store := shared/store
LAYER_DIR_io := shared/io
LAYER_DIR_core := shared/core
LAYER_DIR_base := shared/base

define LAYER_RULES
LAYER_SRC_$(1) := $$(wildcard $$(LAYER_DIR_$(1))/*.c)
LAYER_OBJ_$(1) := $$(LAYER_SRC_$(1):%.c=$(B)/obj/%.o)
$(B)/lib$(1).a: $$(LAYER_OBJ_$(1))
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call LAYER_RULES,$(l))))
ARCHIVES := $(foreach l,$(LAYERS),$(if $(LAYER_SRC_$(l)),$(B)/lib$(l).a))

# ---- programs: a folder each under handlers/ -------------------------------------------------------------------------------------

PROGRAM_DIRS := $(patsubst handlers/%/main.c,%,$(wildcard handlers/*/main.c))
program_name = $(if $(filter ctl,$(1)),trivet,trivet-$(1))
PROGRAMS := $(foreach p,$(PROGRAM_DIRS),$(B)/$(call program_name,$(p)))

.PHONY: all
all: $(PROGRAMS)

define PROGRAM_RULES
$(B)/$(call program_name,$(1)): $$(patsubst %.c,$(B)/obj/%.o,$$(wildcard handlers/$(1)/*.c)) $(ARCHIVES)
	@echo "  LINK  $$@"
	@$$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) $(ARCHIVES) $(LIBRARIES)
endef
$(foreach p,$(PROGRAM_DIRS),$(eval $(call PROGRAM_RULES,$(p))))

# ---- generated: SQL blocks, migrations -------------------------------------------------------------------------------------------

GENERATED := $(G)/sql.h $(G)/sql_table.h $(G)/migrations_table.h $(G)/openapi_frame.h
SQL_FILES := $(sort $(wildcard shared/store/sql/*.sql))
MIGRATION_FILES := $(sort $(wildcard migrations/*.sql))

$(G)/sql.h $(G)/sql_table.h &: $(SQL_FILES) shared/store/sql/embed.awk
	@mkdir -p $(G)
	@awk -v what=enum -f shared/store/sql/embed.awk $(SQL_FILES) > $(G)/sql.h
	@awk -v what=table -f shared/store/sql/embed.awk $(SQL_FILES) > $(G)/sql_table.h

$(G)/migrations_table.h: $(MIGRATION_FILES) migrations/embed.awk
	@mkdir -p $(G)
	@awk -f migrations/embed.awk $(MIGRATION_FILES) > $@

$(G)/openapi_frame.h: handlers/api/openapi.json handlers/api/embed.awk
	@mkdir -p $(G)
	@awk -f handlers/api/embed.awk $< > $@

# It changes stacks, which the longjmp of _FORTIFY_SOURCE takes for a mistake.
$(B)/obj/shared/base/fiber.o: FILE_CFLAGS := -U_FORTIFY_SOURCE

$(B)/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# ---- tests: every .c under unit, wire, store is a program of cmocka ----------------------------------------------------------------

test_programs = $(patsubst tests/$(1)/%.c,$(B)/tests/$(1)/%,$(wildcard tests/$(1)/*_test.c))
UNIT_TESTS := $(call test_programs,unit)
WIRE_TESTS := $(call test_programs,wire)
STORE_TESTS := $(call test_programs,store)
TEST_SUPPORT := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/support/*.c))

$(B)/tests/%_test: $(B)/obj/tests/%_test.o $(TEST_SUPPORT) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBRARIES) -lcmocka
$(B)/obj/tests/%.o: CPPFLAGS += -Itests

.PHONY: tests-built
tests-built: $(UNIT_TESTS) $(WIRE_TESTS) $(STORE_TESTS)

# ---- fuzzing: every tests/fuzz/<target>.c -------------------------------------------------------------------------------------------

FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBRARIES)

# ---- help -------------------------------------------------------------------------------------------------------------------------

.PHONY: help
help:
	@echo 'make all            the programs, under build/release/ (V=asan, tsan, fuzz, cov or dist: another variant)'
	@echo 'make tests-built    the unit, wire and store tests, without running them'
	@echo 'make run, up, down  a development stack: in the foreground; in the background; its end'
	@echo 'make check          all tests; check-unit, check-wire, check-store, check-e2e (K=name), check-browser: one kind'
	@echo 'make check-asan     the C and end-to-end tests with AddressSanitizer; check-tsan: with ThreadSanitizer'
	@echo 'make cov            what the tests reach, in build/cov/html'
	@echo 'make lint           what must hold beside the tests; lint-format, lint-layers ...: one step'
	@echo 'make fuzz           T=target S=seconds: one fuzzer; fuzz-smoke: each for 20 s'
	@echo 'make bench          what things cost; bench-scale: boards of up to ten million accounts'
	@echo 'make docs           writes the generated documents anew'
	@echo 'make deps           the packages that a build needs; deps-test: those of the tests'
	@echo 'make install        DESTDIR= PREFIX=; deb: a Debian package'
	@echo 'make clean          removes build/'

# ---- the rest of the house --------------------------------------------------------------------------------------------------------

include $(sort $(wildcard tests/*.mk))

.PHONY: clean
clean:
	rm -rf build

.SECONDARY:
