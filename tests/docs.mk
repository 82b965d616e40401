# Documents that are written from tables of the program itself. `make docs` writes them anew, `make check-docs-config` fails when
# the committed ones have drifted.

CONFIG_DOCS := docs/CONFIG.md:markdown docs/trivet.conf.sample:sample

.PHONY: docs docs-config check-docs-config
docs: docs-config

docs-config: $(B)/trivet
	@$(foreach d,$(CONFIG_DOCS),$(B)/trivet config --document $(word 2,$(subst :, ,$(d))) > $(word 1,$(subst :, ,$(d))) &&) true

check-docs-config: $(B)/trivet
	@$(foreach d,$(CONFIG_DOCS),$(B)/trivet config --document $(word 2,$(subst :, ,$(d))) | \
	  diff -u $(word 1,$(subst :, ,$(d))) - || \
	  { echo "$(word 1,$(subst :, ,$(d))): differs from shared/io/config_table.c: run make docs"; exit 1; };) true
