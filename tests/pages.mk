# The stand-ins' own tests with the judge's, and the pages in a headless Chromium before a whole stack (tests/browser/conftest.py).
# K= chooses by name.

.PHONY: check-fakes check-browser
check-fakes: deps-test
	@rm -f $(B)/log/fakes.total
	@env TOTAL=$(CURDIR)/$(B)/log/fakes.total $(PYTHON) -B -m pytest -q -p no:cacheprovider $(if $(K),-k '$(K)') tests/fakes tests/conformance
check-browser: deps-test
	$(call BUILD_ALL,$(V))
	@rm -f $(B)/log/browser.total
	@env V=$(V) TOTAL=$(CURDIR)/$(B)/log/browser.total $(PYTHON) -B -m pytest -q -p no:cacheprovider $(if $(K),-k '$(K)') tests/browser
