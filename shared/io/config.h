/*
 * config - the settings of one process: file, environment, credentials; the only file that knows libinih.
 *
 * Order, later wins: default, /etc/trivet/trivet.conf (or the file that TRIVET_CONF names), systemd credentials
 * ($CREDENTIALS_DIRECTORY/<KEY>), environment. An empty value counts as not given. A missing or malformed one stops the program at start
 * with one line that names key, value (never of a secret) and remedy (contract.md 2).
 *
 * Each setting is one row of the table in config_table.c; docs/CONFIG.md and docs/trivet.conf.sample are generated from it.
 */
#ifndef TRIVET_IO_CONFIG_H
#define TRIVET_IO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"
#include "base/str.h"
#include "io/crypto.h"

/* Which programs need a setting: one fails to start without it. A malformed one stops every program that finds it. */
enum config_program {
	PROGRAM_TELEGRAM = 1 << 0,
	PROGRAM_DISCORD = 1 << 1,
	PROGRAM_SITE = 1 << 2,
	PROGRAM_DESK = 1 << 3,
	PROGRAM_API = 1 << 4,
	PROGRAM_WORKER = 1 << 5,
	PROGRAM_CTL = 1 << 6
};
#define PROGRAM_ALL ((1 << 7) - 1)

/* A Telegram bot: the settings BOT_TOKEN, BOT_SECRET, BOT_USERNAME are bot "main"; others have a section [telegram.<bot>]
 * or the variables <BOT>_BOT_TOKEN, <BOT>_BOT_SECRET, <BOT>_BOT_USERNAME. */
#define CONFIG_BOTS_MAX 32
struct config_bot {
	struct str name; /* [a-z0-9_]{1,32}, the last part of its webhook's path */
	/* A program that does not need one of these may not have it: secrets are given to who uses them (config_table.c). */
	struct secret token;
	struct secret secret; /* 32..256 of A-Z a-z 0-9 _ - */
	struct str username;  /* without '@' */
};

#define CONFIG_THREADS_MAX 64

struct config {
	struct secret database_url;
	struct secret redis_url;
	struct secret master_key; /* TRIVET_KEY: 32..256 bytes; all other keys are derived from it */
	struct str base_url;      /* without an ending slash */
	struct str webapp_url;    /* without an ending slash */
	struct str telegram_api_url;
	struct str discord_api_url;
	unsigned char discord_public_key[32];
	struct secret discord_bot_token;
	int64_t discord_application_id;
	struct str discord_client_id;
	struct secret discord_client_secret;
	int64_t discord_guild_id; /* 0: commands are registered globally */
	struct str run_dir;       /* metrics, development clock */
	struct str listen;        /* socket path, when no descriptor is inherited */
	int64_t threads;          /* of requests, 0..CONFIG_THREADS_MAX; config_threads() */
	int64_t requests;         /* at once */
	int64_t pg_connections;
	int64_t redis_connections;
	int64_t commands_per_minute; /* of one person; heavy ones a third (shared/command) */
	enum log_level log_level;
	bool development; /* loopback stack: clock offset */
	struct config_bot bots[CONFIG_BOTS_MAX];
	size_t bot_count;
};

/*
 * config_load - reads all settings that `program` needs; everything lives until config_close().
 *
 * ret_error (only on INVALID): one line `KEY: what is wrong: remedy`, never a secret's value; lives in `arena`.
 * OK, INVALID, TOO_LARGE.
 */
MUST_CHECK enum status config_load(struct arena *arena, enum config_program program, struct config **ret_config, struct str *ret_error);

/* config_threads - how many threads serve requests: as THREADS says, or one per processor and at least 2. */
size_t config_threads(const struct config *config);

/* config_close - wipes the secrets and frees. */
void config_close(struct config *config);

/* config_bot_by_name - by name; NULL when it is not configured. */
const struct config_bot *config_bot_by_name(const struct config *config, struct str name);

/* config_print - `KEY=value` lines of all settings with their source, secrets as "(set)"; for `trivet config`. */
struct str config_print(struct arena *arena, const struct config *config);

/* config_document - docs/CONFIG.md and the sample file, from the table. */
struct str config_document_markdown(struct arena *arena);
struct str config_document_sample(struct arena *arena);

#endif
