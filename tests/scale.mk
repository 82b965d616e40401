# Boards at ten thousand, a million and ten million accounts (tests/bench/scale.c). SIZES= chooses others.

$(B)/bench/scale: $(B)/obj/tests/bench/scale.o $(TEST_SUPPORT) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBRARIES) -lcmocka

.PHONY: bench-scale
bench-scale: $(B)/bench/scale
	@tests/support/with_stores $< $(SIZES)
