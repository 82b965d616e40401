# What things cost. `make bench`: the parts of a request alone and, where ../shared/bench is, the whole beside its peers; ROUNDS=, SECONDS=
# and ONLY= choose less. `make bench-scale`: boards at ten thousand, a million and ten million accounts (tests/bench/scale.c), or SIZES=.

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(TEST_SUPPORT) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBRARIES) -lcmocka

.PHONY: bench bench-micro bench-peers bench-scale
bench: bench-micro
	@if [ -f ../shared/bench/run.py ]; then $(MAKE) --no-print-directory bench-peers; \
	else echo "bench: ../shared/bench is not there: the parts alone were measured"; fi

bench-micro: $(B)/bench/micro
	@tests/support/with_stores $<

# A stack of its own, so that nothing stays of the crowd that the harness brings.
BENCH_DIR := $(CURDIR)/$(B)/bench/run
BENCH_PORT := 18340
ROUNDS := 3
SECONDS := 4
bench-peers: all
	@status=0; \
	$(MAKE) --no-print-directory up PORT=$(BENCH_PORT) RUN_DIR=$(BENCH_DIR) || exit 1; \
	$(PYTHON) ../shared/bench/run.py --env $(BENCH_DIR)/env --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(ONLY),--only $(ONLY)) \
	    || status=$$?; \
	$(MAKE) --no-print-directory down RUN_DIR=$(BENCH_DIR); exit $$status

# As an operator would set it for that many people; the default is for small tests.
SCALE_SETTINGS := shared_buffers=2GB max_wal_size=8GB
bench-scale: $(B)/bench/scale
	@env STORES_SETTINGS="$(SCALE_SETTINGS)" tests/support/with_stores $< $(SIZES)
