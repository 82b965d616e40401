#include <inttypes.h>

#include "io/config.h"
#include "io/config_table.h"

/* More than the documents will ever be. */
#define DOCUMENT_MAX ((size_t)256 * 1024)

static const struct {
	int program;
	const char *name;
} program_names[] = {
	{PROGRAM_TELEGRAM, "trivet-telegram"}, {PROGRAM_DISCORD, "trivet-discord"}, {PROGRAM_SITE, "trivet-site"},
	{PROGRAM_DESK, "trivet-desk"},         {PROGRAM_API, "trivet-api"},         {PROGRAM_WORKER, "trivet-worker"},
	{PROGRAM_CTL, "trivet"},
};

static void add_programs(struct buf *out, int programs)
{
	if (programs == PROGRAM_ALL) {
		buf_add(out, STR("all"));
		return;
	}
	const char *between = "";
	for (size_t i = 0; i < ARRAY_LEN(program_names); i++) {
		if ((programs & program_names[i].program) != 0) {
			buf_printf(out, "%s%s", between, program_names[i].name);
			between = ", ";
		}
	}
}

/* What a value has to be, in the words of the error line. */
static void add_form(struct buf *out, const struct setting *row)
{
	if (row->form != NULL) {
		buf_add(out, str_from_z(row->form));
	} else {
		buf_printf(out, "a whole number from %" PRId64 " to %" PRId64, row->min, row->max);
	}
}

struct str config_document_markdown(struct arena *arena)
{
	struct buf out = buf_init(arena, DOCUMENT_MAX);
	buf_add(&out, STR("# Settings\n\n"
	                  "<!-- Written by `make docs` from the table in shared/io/config_table.c: do not edit. -->\n\n"
	                  "A program looks in four places; the later one wins: its defaults, the file `" CONFIG_FILE "`\n"
	                  "(or the one that `TRIVET_CONF` names), systemd credentials (a file named by the key in\n"
	                  "`$CREDENTIALS_DIRECTORY`; one newline at its end is dropped), the environment. In the file the keys\n"
	                  "stand in lower case under `[trivet]`, one `key = value` a line, nothing quoted. An empty value counts\n"
	                  "as not given. A setting that is missing where it is needed, or has a wrong form, stops the program at\n"
	                  "start with one line `KEY: what is wrong: remedy`; the value of a secret is never shown.\n\n"
	                  "| key | form | default | needed by | secret | what |\n|---|---|---|---|---|---|\n"));
	for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
		const struct setting *row = &config_settings[i];
		buf_printf(&out, "| `%s` | ", row->key);
		add_form(&out, row);
		buf_printf(&out, " | %s%s%s | ", row->fallback == NULL ? "" : "`", row->fallback == NULL ? "" : row->fallback,
		           row->fallback == NULL ? "" : "`");
		add_programs(&out, row->needed_by);
		buf_printf(&out, " | %s | %s |\n", row->secret ? "yes" : "", row->what);
	}
	buf_add(&out, STR("\n## Telegram bots\n\n"
	                  "Each bot has a section `[telegram.<bot>]`; its name (a-z, 0-9, underscore; at most 32) is the last\n"
	                  "part of its webhook's path. In the environment and among the credentials the bot `main` is spelled\n"
	                  "as below, any other with its name in front (`QUIZ_BOT_TOKEN` is the token of `quiz`). trivet-telegram\n"
	                  "needs at least one bot.\n\n| key | in the file | form | needed by | secret | what |\n|---|---|---|---|---|---|\n"));
	for (size_t i = 0; i < BOT_PART_COUNT; i++) {
		buf_printf(&out, "| `%s` | `%s` | %s | ", config_bot_parts[i].suffix, config_bot_parts[i].key, config_bot_parts[i].form);
		add_programs(&out, config_bot_parts[i].needed_by);
		buf_printf(&out, " | %s | %s |\n", config_bot_parts[i].secret ? "yes" : "", config_bot_parts[i].what);
	}
	return buf_str(&out);
}

static void add_lower(struct buf *out, const char *key)
{
	for (const char *at = key; *at != '\0'; at++) {
		buf_add_byte(out, *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at);
	}
}

struct str config_document_sample(struct arena *arena)
{
	struct buf out = buf_init(arena, DOCUMENT_MAX);
	buf_add(&out, STR("# Settings of Trivet: copy to " CONFIG_FILE ", take away the '#' where needed.\n"
	                  "# Written by `make docs` from the table in shared/io/config_table.c: do not edit. All is explained in "
	                  "docs/CONFIG.md.\n"
	                  "# Secrets are better kept as systemd credentials than here.\n\n[trivet]\n"));
	for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
		const struct setting *row = &config_settings[i];
		buf_printf(&out, "\n# %s\n# Form: ", row->what);
		add_form(&out, row);
		if (row->needed_by != 0) {
			buf_add(&out, STR(". Needed by: "));
			add_programs(&out, row->needed_by);
		}
		buf_add(&out, STR(".\n#"));
		add_lower(&out, row->key);
		buf_printf(&out, " =%s%s\n", row->fallback == NULL ? "" : " ", row->fallback == NULL ? "" : row->fallback);
	}
	buf_add(&out, STR("\n# One section per Telegram bot; \"main\" is the last part of its webhook's path.\n#[telegram.main]\n"));
	for (size_t i = 0; i < BOT_PART_COUNT; i++) {
		buf_printf(&out, "\n# %s\n# Form: %s.\n#%s =\n", config_bot_parts[i].what, config_bot_parts[i].form,
		           config_bot_parts[i].key);
	}
	return buf_str(&out);
}
