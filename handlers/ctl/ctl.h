/*
 * ctl - the operator's command `trivet`: one table of subcommands, one way in for arguments, one way out for answers.
 *
 * What a subcommand takes (words, options, database) is in its row and is checked before it runs. Every answer is built as JSON first: with
 * --json it is printed as it is, else as a table or as `name: value` lines. Exit status: 0 done, 1 failed, 2 wrong usage.
 */
#ifndef TRIVET_CTL_H
#define TRIVET_CTL_H

#include <stdbool.h>

#include "base/ctx.h"
#include "core/platform_id.h"
#include "io/app.h"
#include "io/http_client.h"
#include "io/json.h"
#include "io/pg.h"
#include "sql.h"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2
};

enum ctl_need {
	CTL_NEED_UNSET = 0,
	CTL_NEED_NOTHING, /* runs without settings */
	CTL_NEED_APP,     /* settings and pools; connecting happens at first use */
	CTL_NEED_COUNT
};

#define CTL_WORDS_MAX 4
#define CTL_OPTIONS_MAX 8

/* An option of a subcommand. "--guild" with value, "--status" without. */
struct ctl_option {
	const char *name;
	bool value;
};

struct ctl {
	struct ctx ctx;
	struct app *app; /* NULL without CTL_NEED_APP */
	int64_t wall_now; /* microseconds UTC, without the development offset */
	bool json;
	const struct ctl_command *command;
	struct str words[CTL_WORDS_MAX]; /* what follows the subcommand, options taken out */
	size_t word_count;
	struct str values[CTL_OPTIONS_MAX]; /* by the index of the row's option; absent: not given */
};

struct ctl_command {
	const char *name;  /* "apikey" */
	const char *verb;  /* "new"; NULL: none */
	const char *usage; /* what follows name and verb */
	const char *summary;
	enum ctl_need needs;
	size_t words_min;
	size_t words_max;
	struct ctl_option options[CTL_OPTIONS_MAX];
	enum ctl_exit (*run)(struct ctl *ctl);
};

/* ctl_given - whether an option of the row was given; ctl_value - its value, absent when not given. Asserts that the row has it. */
bool ctl_given(const struct ctl *ctl, const char *option);
struct str ctl_value(const struct ctl *ctl, const char *option);

/* ctl_open - settings and pools into ctl->app; for rows that need nothing and try it themselves (doctor). *ret_error as of app_open(). */
MUST_CHECK enum status ctl_open(struct ctl *ctl, struct str *ret_error);

/* ---- answers ----------------------------------------------------------------------------------------------------------------- */

/* ctl_list - an array of objects as a table with these columns (names of members), or as JSON. Returns CTL_DONE. */
enum ctl_exit ctl_list(struct ctl *ctl, const char *const *columns, const struct json *array);

/* ctl_object - one object as lines `name: value`, or as JSON. Returns CTL_DONE. */
enum ctl_exit ctl_object(struct ctl *ctl, const struct json *object);

/* ctl_done - a sentence on standard output; with --json {"done": sentence}. Returns CTL_DONE. */
enum ctl_exit ctl_done(struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* ctl_fail - why it could not be done and the remedy, on standard error; with --json {"error": sentence} on standard output. Returns
 * CTL_FAILED. */
enum ctl_exit ctl_fail(struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* ctl_status - ctl_fail in the words of a status: what the store or platform said about `what`. */
enum ctl_exit ctl_status(struct ctl *ctl, const char *what, enum status status);

/* ctl_misused - ctl_fail for a word of the wrong form; prints the usage too. Returns CTL_USAGE. */
enum ctl_exit ctl_misused(struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* ctl_print - bytes on standard output as they are. */
void ctl_print(struct str text);

/* json_set_time - member as RFC 3339; 0 is null. */
struct json *json_set_time(struct arena *arena, struct json *object, const char *name, int64_t us);

/* ---- rows of reports --------------------------------------------------------------------------------------------------------- */

enum ctl_kind {
	CTL_KIND_UNSET = 0,
	CTL_TEXT,
	CTL_NUMBER,
	CTL_TRUTH,
	CTL_TIME,
	CTL_WORDS, /* an array of plain words, as PostgreSQL writes text[] */
	CTL_KIND_COUNT
};

/* A column of a report, in the order of its statement. */
struct ctl_column {
	const char *name;
	enum ctl_kind kind;
};

/* ctl_row - one row of a report as an object; ctl_rows - all as an array. NULL when the arena is out. */
struct json *ctl_row(struct ctl *ctl, const struct pg_rows *rows, int row, const struct ctl_column *columns);
struct json *ctl_rows(struct ctl *ctl, const struct pg_rows *rows, const struct ctl_column *columns);

/* ctl_report - runs a report and prints it as a list. */
enum ctl_exit ctl_report(struct ctl *ctl, enum sql statement, const struct pg_params *params, const struct ctl_column *columns);

/* ctl_person - "telegram:5", "discord:7" or "website:a@b.c" taken apart. Chats of Telegram may be negative. OK, INVALID. */
struct ctl_person {
	enum platform platform;
	int64_t id;       /* 0 on the website */
	struct str email; /* website only */
};
MUST_CHECK enum status ctl_person(struct str word, struct ctl_person *ret_person);

/* Whom a word names: an account's number (then identity is 0), or PLATFORM:ID. */
struct ctl_whom {
	int64_t account;
	int64_t identity;
	enum platform platform; /* as he was named; UNSET: by the account's number, or an address */
	int64_t platform_id;
};

/* ctl_whom - an account's number is taken as it is, unless identity_only. CTL_DONE; refusals are said here. */
enum ctl_exit ctl_whom(struct ctl *ctl, struct str word, bool identity_only, struct ctl_whom *ret_whom);

/* ---- talking to the platforms ------------------------------------------------------------------------------------------------ */

struct ctl_answer {
	bool answered;            /* the platform spoke */
	int status;               /* HTTP */
	const struct json *body;  /* NULL when it is no JSON */
	struct str words;         /* the platform's own description of an error, or ours when it did not answer */
};

/* ctl_telegram, ctl_discord - one call as a bot; the answer lives in ctx.arena. words never hold a URL or a token. */
struct ctl_answer ctl_telegram(struct ctl *ctl, struct str bot, const char *method, struct str body);
struct ctl_answer ctl_discord(struct ctl *ctl, const char *method, struct str path, struct str body);

/* ---- subcommands, a file per group ------------------------------------------------------------------------------------------- */

enum ctl_exit run_migrate(struct ctl *ctl);
enum ctl_exit run_migrate_check(struct ctl *ctl);
enum ctl_exit run_doctor(struct ctl *ctl);
enum ctl_exit run_config(struct ctl *ctl);
enum ctl_exit run_clock(struct ctl *ctl);
enum ctl_exit run_version(struct ctl *ctl);
enum ctl_exit run_webhook_set(struct ctl *ctl);
enum ctl_exit run_webhook_info(struct ctl *ctl);
enum ctl_exit run_webhook_delete(struct ctl *ctl);
enum ctl_exit run_commands_sync(struct ctl *ctl);
enum ctl_exit run_bot_list(struct ctl *ctl);
enum ctl_exit run_user_show(struct ctl *ctl);
enum ctl_exit run_user_merge(struct ctl *ctl);
enum ctl_exit run_user_unmerge(struct ctl *ctl);
enum ctl_exit run_user_unlink(struct ctl *ctl);
enum ctl_exit run_user_adjust(struct ctl *ctl);
enum ctl_exit run_outbox_list(struct ctl *ctl);
enum ctl_exit run_outbox_retry(struct ctl *ctl);
enum ctl_exit run_verify(struct ctl *ctl);
enum ctl_exit run_board_rebuild(struct ctl *ctl);
enum ctl_exit run_season_close(struct ctl *ctl);
enum ctl_exit run_season_list(struct ctl *ctl);
enum ctl_exit run_apikey_new(struct ctl *ctl);
enum ctl_exit run_apikey_list(struct ctl *ctl);
enum ctl_exit run_apikey_usage(struct ctl *ctl);
enum ctl_exit run_apikey_limit(struct ctl *ctl);
enum ctl_exit run_apikey_revoke(struct ctl *ctl);
enum ctl_exit run_badge_list(struct ctl *ctl);
enum ctl_exit run_badge_new(struct ctl *ctl);
enum ctl_exit run_badge_grant(struct ctl *ctl);
enum ctl_exit run_chat_add(struct ctl *ctl);
enum ctl_exit run_chat_list(struct ctl *ctl);
enum ctl_exit run_chat_ignore(struct ctl *ctl);
enum ctl_exit run_chat_multiply(struct ctl *ctl);
enum ctl_exit run_chat_announce(struct ctl *ctl);
enum ctl_exit run_role_map(struct ctl *ctl);
enum ctl_exit run_role_unmap(struct ctl *ctl);
enum ctl_exit run_role_list(struct ctl *ctl);

#endif
