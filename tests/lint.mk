# What must hold before a change is taken, beside the tests. `make lint` runs every step, tells all findings, ends with statistics.
#
# Each step is a target of its own (make lint-tidy). What a step made is kept under build/lint, so a second run looks only at what changed.
# The builds of lint have folders of their own: an object of an ordinary build, made without -Werror, would hide its warning.

LINT := build/lint
LINT_STEPS := lint-format lint-layers lint-sql lint-scripts lint-openapi lint-gcc lint-clang lint-link lint-docs lint-headers \
              lint-cppcheck lint-analyzer lint-tidy

# As many jobs as processors, unless the caller said how many; every step runs even when another failed.
.PHONY: lint $(LINT_STEPS)
lint: deps-test
	@status=0; \
	$(MAKE) --no-print-directory --keep-going --output-sync=target $(AS_MANY_JOBS) $(LINT_STEPS) || status=1; \
	tests/lint/statistics || status=1; \
	if [ $$status -eq 0 ]; then echo "lint: nothing found"; else echo "lint: FAILED: see above"; fi; exit $$status

# ---- compilers -------------------------------------------------------------------------------------------------------------------

IN_VARIANT = +@$(MAKE) --no-print-directory WERROR=-Werror
GCC_BUILD := V=release B=$(LINT)/gcc
CLANG_BUILD := V=clang B=$(LINT)/clang
ANALYZER_BUILD := V=release B=$(LINT)/analyzer CFLAGS=-fanalyzer

FUZZ_OBJECTS := $(FUZZ_TARGETS:%=$(B)/obj/tests/fuzz/%.o)
PRODUCT_SOURCES := $(foreach l,$(LAYERS),$(LAYER_SRC_$(l))) $(wildcard handlers/*/*.c)
TEST_SOURCES := $(wildcard tests/*/*.c)
.PHONY: all-objects product-objects
product-objects: $(PRODUCT_SOURCES:%.c=$(B)/obj/%.o)
all-objects: product-objects $(TEST_SOURCES:%.c=$(B)/obj/%.o)

lint-gcc:
	$(IN_VARIANT) $(GCC_BUILD) all tests-built all-objects
lint-clang:
	$(IN_VARIANT) $(CLANG_BUILD) all-objects
lint-analyzer:
	$(IN_VARIANT) $(ANALYZER_BUILD) product-objects

# Every header compiles alone, with both compilers. The list of what it includes makes it stale when one of those changes.
HEADERS := $(wildcard shared/*/*.h shared/*/*/*.h handlers/*/*.h tests/*/*.h)
HEADER_CHECKS := $(HEADERS:%=$(LINT)/headers/%.checked)
lint-headers: $(HEADER_CHECKS)
# Types and tables that only an includer uses are no fault of a header.
$(LINT)/headers/%.checked: % | $(GENERATED)
	@mkdir -p $(@D)
	@for compiler in gcc clang; do \
	    $$compiler -x c -fsyntax-only $(CPPFLAGS) -Itests $(filter-out -g,$(BASE_CFLAGS)) -Werror -Wno-unused -DTRIVET_DEVELOPMENT \
	        -MMD -MP -MF $@.d -MT $@ -include $< /dev/null || exit 1; done
	@touch $@
-include $(wildcard $(addsuffix .d,$(HEADER_CHECKS)))

# ---- layers ----------------------------------------------------------------------------------------------------------------------

# What a layer may see: all after it in LAYERS, but no sibling. The platforms and web stand side by side.
BESIDE_web := telegram discord platform
BESIDE_telegram := discord
after = $(if $(filter $(1),$(firstword $(2))),$(wordlist 2,$(words $(2)),$(2)),$(call after,$(1),$(wordlist 2,$(words $(2)),$(2))))
$(foreach l,$(LAYERS),$(eval BELOW_$(l) := $(filter-out $(BESIDE_$(l)),$(call after,$(l),$(LAYERS)))))
COMMA := ,
EMPTY :=

lint-layers:
	@tests/lint/check_layers --self-test
	@tests/lint/check_layers $(foreach l,$(LAYERS),$(l)=$(LAYER_DIR_$(l)):$(subst $(EMPTY) ,$(COMMA),$(strip $(BELOW_$(l)))))

# Each archive alone and whole against those below it: an upward call is an undefined symbol here, while an ordinary program links, since
# the members of an archive are taken only when needed (decisions.md 23). A program without a beginning, as the objects are not for -shared.
# Libraries only from io up: base and core call none.
LINKED := $(LAYERS:%=$(B)/linked/%)
.PHONY: layers-linked
layers-linked: $(LINKED)
define LINKED_RULE
$(B)/linked/$(1): $(B)/lib$(1).a $(BELOW_$(1):%=$(B)/lib%.a)
	@mkdir -p $$(@D)
	@$$(CC) $$(BASE_LDFLAGS) -pie -nostartfiles -Wl,--entry=0 -Wl,--no-undefined -o $$@ \
	    -Wl,--whole-archive $(B)/lib$(1).a -Wl,--no-whole-archive $(BELOW_$(1):%=$(B)/lib%.a) \
	    $(if $(filter io,$(1) $(BELOW_$(1))),$(filter-out $(if $(filter-out web,$(1)),-lfcgi),$(LIBRARIES)))
endef
$(foreach l,$(LAYERS),$(eval $(call LINKED_RULE,$(l))))
lint-link: lint-gcc
	$(IN_VARIANT) $(GCC_BUILD) layers-linked

# ---- clang-tidy, cppcheck ------------------------------------------------------------------------------------------------------------

# One stamp per file, stale with its object: when a header that it includes changes, it is looked at again.
TIDIED := $(patsubst %.c,$(B)/obj/%.tidied,$(PRODUCT_SOURCES) $(TEST_SOURCES))
.PHONY: tidied
tidied: $(TIDIED)
$(B)/obj/tests/%.tidied: CPPFLAGS += -Itests -Ihandlers/worker
$(B)/obj/%.tidied: $(B)/obj/%.o .clang-tidy tests/.clang-tidy
	@clang-tidy --quiet $*.c -- $(filter-out -Werror,$(ALL_CFLAGS)) 2>$@.log || { cat $@.log; exit 1; }
	@touch $@
lint-tidy: lint-clang
	$(IN_VARIANT) $(CLANG_BUILD) tidied

lint-cppcheck: | $(GENERATED)
	@mkdir -p $(LINT)/cppcheck
	@cppcheck --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --quiet --std=c11 --platform=unix64 -j$(shell nproc) \
	    --cppcheck-build-dir=$(LINT)/cppcheck --suppressions-list=tests/lint/cppcheck.txt $(filter -D% -I%,$(CPPFLAGS)) -DTRIVET_DEVELOPMENT \
	    -Itests -Ihandlers/worker --include=shared/base/banned.h $(PRODUCT_SOURCES) $(TEST_SOURCES)

# ---- texts -----------------------------------------------------------------------------------------------------------------------

lint-format:
	@tests/lint/check_format --self-test
	@tests/lint/check_format
lint-sql:
	@tests/lint/check_sql --self-test
	@tests/lint/check_sql
lint-scripts:
	@tests/lint/check_scripts
# That it is what the routes say is check-docs-openapi's.
lint-openapi:
	@tests/lint/check_openapi $(LINT)/openapi

# ---- documents that are written from tables ----------------------------------------------------------------------------------------

$(B)/commands_document: $(B)/obj/tests/lint/commands_document.o $(ARCHIVES)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBRARIES)

.PHONY: docs-commands docs-openapi check-docs-commands check-docs-openapi check-docs-manual check-docs-examples check-docs
docs: docs-commands docs-openapi
docs-openapi: $(B)/trivet-api
	@$< --openapi > docs/openapi.json
check-docs-openapi: $(B)/trivet-api
	@$< --openapi | diff -u docs/openapi.json - || \
	  { echo "docs/openapi.json: differs from the routes of handlers/api/main.c: run make docs"; exit 1; }
docs-commands: $(B)/commands_document
	@$< > docs/COMMANDS.md
check-docs-commands: $(B)/commands_document
	@$< | diff -u docs/COMMANDS.md - || { echo "docs/COMMANDS.md: differs from shared/command/commands.def: run make docs"; exit 1; }
check-docs-manual: $(B)/trivet
	@tests/lint/check_manual $<
check-docs-examples:
	@tests/lint/check_examples

# A kind of tests as others are (tests/check.mk): a document that drifted is a failed test.
DOCS_CHECKS := check-docs-config check-docs-commands check-docs-openapi check-docs-manual check-docs-examples
check-docs:
	$(call forget_total,docs)
	@mkdir -p $(B)/log; passed=0; failed=0; \
	for one in $(DOCS_CHECKS); do \
	    if $(MAKE) --no-print-directory $$one; then passed=$$((passed + 1)); else failed=$$((failed + 1)); fi; \
	done; \
	echo "$$passed $$failed 0" > $(B)/log/docs.total; echo "docs: $$passed passed, $$failed failed, 0 skipped"; [ $$failed -eq 0 ]
lint-docs: lint-gcc
	$(IN_VARIANT) $(GCC_BUILD) check-docs
