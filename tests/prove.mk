# Long proofs, a line of figures each; make check holds their short forms (tests/e2e/prove_test.py). They start a stack of their own.

PROVE := @cd tests/prove && $(PYTHON) -B

.PHONY: prove-linking prove-redeem prove-forged prove-term prove-kill
prove-linking: all
	$(PROVE) linking.py
prove-redeem: all
	$(PROVE) redeem.py
prove-forged: all
	$(PROVE) forged.py
prove-term: all
	$(PROVE) restarts.py term
prove-kill: all
	$(PROVE) restarts.py kill
