# Long proofs, a line of figures each; make check holds their short forms (tests/e2e/prove_test.py). They start a stack of their own.

# PROVE_ARGS: smaller ones, as `make prove-events PROVE_ARGS="--events 20000 --kills 20"`; see the head of each file.
PROVE := @cd tests/prove && $(PYTHON) -B

.PHONY: prove-linking prove-redeem prove-forged prove-term prove-kill prove-events prove-messages prove-lag
prove-linking: all
	$(PROVE) linking.py
prove-redeem: all
	$(PROVE) redeem.py
prove-forged: all
	$(PROVE) forged.py
prove-term: all
	$(PROVE) restarts.py term $(PROVE_ARGS)
prove-kill: all
	$(PROVE) restarts.py kill $(PROVE_ARGS)
prove-events: all
	$(PROVE) events.py $(PROVE_ARGS)
prove-messages: all
	$(PROVE) messages.py $(PROVE_ARGS)
prove-lag: all
	$(PROVE) lag.py $(PROVE_ARGS)
