# Tests. Each kind ends with a line `N passed, N failed, N skipped`; outputs are kept in build/<V>/log/<kind>/.
#
# Variants by V=: `make check-store V=asan`. One program: `make build/release/tests/store/pg_test`, then
# `tests/support/with_stores build/release/tests/store/pg_test`.

RUN_TESTS := tests/support/run_tests --log $(B)/log
# A total of an earlier run must not stand in for one that broke off.
forget_total = @rm -f $(B)/log/$(1).total

.PHONY: check-unit check-wire check-store
check-unit: $(UNIT_TESTS)
	$(call forget_total,unit)
	@$(RUN_TESTS) --kind unit $^
check-wire: $(WIRE_TESTS)
	$(call forget_total,wire)
	@$(RUN_TESTS) --kind wire $^
# One private PostgreSQL and Redis for all programs; each makes a database of its own (tests/support/testdb.h).
check-store: $(STORE_TESTS)
	$(call forget_total,store)
	@tests/support/with_stores $(RUN_TESTS) --kind store $^

# ---- several kinds ----------------------------------------------------------------------------------------------------------------
# Each kind runs in spite of the others' failures; the last line is their sum, and a kind that did not run to its end is a failure in it.
# Everything is built first: what does not build is told again by its kind.

# As many as there are processors, unless the caller said how many.
AS_MANY_JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

KINDS := unit wire store docs fakes e2e browser
SANITIZED_KINDS := unit wire store e2e
RUN_KINDS = @rm -f $(2:%=build/$(1)/log/%.total); \
	$(MAKE) --no-print-directory --keep-going $(AS_MANY_JOBS) V=$(1) all tests-built; \
	for kind in $(2); do $(MAKE) --no-print-directory V=$(1) check-$$kind; done; \
	tests/support/run_tests --log build/$(1)/log --sum $(2)

.PHONY: check check-asan check-tsan
check: deps-test
	+$(call RUN_KINDS,$(V),$(KINDS))
check-asan check-tsan: check-%: deps-test
	+$(call RUN_KINDS,$*,$(SANITIZED_KINDS))

# ---- coverage ----------------------------------------------------------------------------------------------------------------------
# What unit, wire, store and end-to-end tests reach of the programs: a summary, and build/cov/html/index.html line by line. Failing tests
# do not hold it up: they still show what they reached. The stack runs as another user (contract.md 1), who must write the counters too.

COVERED_KINDS := unit wire store e2e
.PHONY: cov
cov: deps-test
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	+@$(MAKE) --no-print-directory $(AS_MANY_JOBS) V=cov all tests-built
	@chmod -R a+rwX build/cov/obj
	-@for kind in $(COVERED_KINDS); do (umask 0; $(MAKE) --no-print-directory V=cov check-$$kind) || echo "cov: $$kind failed"; done
	@mkdir -p build/cov/html
	@gcovr --root . --object-directory build/cov/obj --filter 'shared/' --filter 'handlers/' --exclude-throw-branches \
	    --gcov-ignore-parse-errors --html-details build/cov/html/index.html --print-summary
