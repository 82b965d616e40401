/*
 * config_table - one row per setting: its name, field, form, default, who needs it. Only config*.c look at it.
 *
 * A new setting is a row here and a field in struct config; `make docs` writes it into the documents.
 */
#ifndef TRIVET_IO_CONFIG_TABLE_H
#define TRIVET_IO_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/config.h"

#define CONFIG_FILE "/etc/trivet/trivet.conf"
#define CONFIG_SETTINGS 22
#define CONFIG_BOT_NAME_MAX 32

struct setting {
	const char *key; /* in the environment and as a credential; in the file the same in lower case */
	size_t offset;   /* of its field in struct config */
	/* Whether `text` has the right form; then *ret_field is set. */
	bool (*read)(const struct setting *row, struct str text, void *ret_field);
	const char *fallback;
	int needed_by;
	bool secret;
	int64_t min, max;
	const char *form;   /* "<KEY> is not <form>"; NULL: a whole number from min to max */
	const char *remedy; /* what the operator does when it is missing or wrong */
	const char *what;   /* a sentence for the documents */
};

extern const struct setting config_settings[CONFIG_SETTINGS];

/* The three settings of a Telegram bot. */
enum bot_part {
	BOT_PART_TOKEN = 0,
	BOT_PART_SECRET,
	BOT_PART_USERNAME,
	BOT_PART_COUNT
};

struct bot_part_row {
	const char *suffix; /* of the environment's name */
	const char *key;    /* in [telegram.<bot>] */
	int needed_by; /* programs that do not start with a bot without it */
	bool secret;
	bool (*fits)(struct str text);
	const char *form;
	const char *remedy;
	const char *what;
};

extern const struct bot_part_row config_bot_parts[BOT_PART_COUNT];

/* config_is_bot_name - [a-z0-9_], 1 to 32 of them. */
bool config_is_bot_name(struct str name);

#endif
