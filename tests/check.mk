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

# The kinds that a sanitizer build runs, each in spite of the others' failures, then their sum.
SANITIZED_KINDS := unit wire store
.PHONY: check-asan check-tsan
check-asan check-tsan: check-%:
	@for kind in $(SANITIZED_KINDS); do $(MAKE) --no-print-directory V=$* check-$$kind; done; \
	    tests/support/run_tests --log build/$*/log --sum $(SANITIZED_KINDS)
