# Boards at ten thousand, a million and ten million accounts (tests/bench/scale.c). SIZES= chooses others.

$(B)/bench/scale: $(B)/obj/tests/bench/scale.o $(TEST_SUPPORT) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBRARIES) -lcmocka

# As an operator would set it for that many people; the default is for small tests.
SCALE_SETTINGS := shared_buffers=2GB max_wal_size=8GB
.PHONY: bench-scale
bench-scale: $(B)/bench/scale
	@env STORES_SETTINGS="$(SCALE_SETTINGS)" tests/support/with_stores $< $(SIZES)
