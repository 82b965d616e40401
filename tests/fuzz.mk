# Fuzzing with libFuzzer and sanitizers: `make fuzz T=telegram_update S=600`, `make fuzz-smoke` (every target, 20 s each).
#
# tests/fuzz/corpus/<target> holds the seeds, and a case for each defect that was found. What a run finds beside them is kept in
# build/fuzz/corpus/<target> for the next run; an input that broke something in build/fuzz/found/<target>. A finding fails the make and
# says how to see it again; when mended, the input goes into the seeds.

S ?= 60
SMOKE_SECONDS := 20
FUZZ_BUILD := build/fuzz
# A request's arena is bounded by 4 MiB, so a gigabyte is a leak; no input needs 10 s.
FUZZ_LIMITS := -rss_limit_mb=1024 -timeout=10 -max_len=65536 -use_value_profile=1 -print_final_stats=1 -verbosity=0

.PHONY: fuzz fuzz-smoke fuzz-built $(FUZZ_TARGETS:%=fuzz-run-%)

fuzz-built: $(FUZZ_TARGETS:%=$(B)/fuzz/%)

fuzz:
	@$(if $(filter $(T),$(FUZZ_TARGETS)),true,echo "make fuzz T=<target> S=<seconds>: the targets are $(FUZZ_TARGETS)"; exit 2)
	+@$(MAKE) --no-print-directory V=fuzz $(FUZZ_BUILD)/fuzz/$(T)
	+@$(MAKE) --no-print-directory S=$(S) fuzz-run-$(T)

fuzz-smoke:
	+@$(MAKE) --no-print-directory $(AS_MANY_JOBS) V=fuzz fuzz-built
	+@$(MAKE) --no-print-directory --keep-going --output-sync=target $(AS_MANY_JOBS) S=$(SMOKE_SECONDS) \
	    $(FUZZ_TARGETS:%=fuzz-run-%)

$(FUZZ_TARGETS:%=fuzz-run-%): fuzz-run-%:
	@mkdir -p $(FUZZ_BUILD)/corpus/$* $(FUZZ_BUILD)/found/$* $(FUZZ_BUILD)/log
	@if ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
	    $(FUZZ_BUILD)/fuzz/$* $(FUZZ_LIMITS) -max_total_time=$(S) -artifact_prefix=$(FUZZ_BUILD)/found/$*/ \
	        $(FUZZ_BUILD)/corpus/$* $(wildcard tests/fuzz/corpus/$*) > $(FUZZ_BUILD)/log/$*.log 2>&1; then \
	    awk -v target=$* -v seconds=$(S) '/stat::number_of_executed_units/ { runs = $$2 } /stat::new_units_added/ { fresh = $$2 } \
	        END { printf "fuzz %s: nothing found in %d s, %d inputs, %d new for the corpus\n", target, seconds, runs, fresh }' \
	        $(FUZZ_BUILD)/log/$*.log; \
	else \
	    tail -n 60 $(FUZZ_BUILD)/log/$*.log; \
	    input=$$(sed -n 's/.*Test unit written to //p' $(FUZZ_BUILD)/log/$*.log | tail -n 1); \
	    echo "fuzz $*: FOUND; see it again with: $(FUZZ_BUILD)/fuzz/$* $$input"; \
	    echo "          when mended: cp $$input tests/fuzz/corpus/$*/<what it was>"; exit 1; \
	fi
