/*
 * migration - brings the schema up to date: numbered, forward only (house.md, "SQL and migrations").
 *
 * Each migration runs in one transaction with its row in public.schema_migrations, under one advisory lock, so several programs
 * may try at once and each step happens once. A file that was edited after it had been applied is refused, as is a new file with a
 * number below one that was applied, and a destructive statement without a line `-- destructive: why`.
 */
#ifndef TRIVET_SERVICE_MIGRATION_H
#define TRIVET_SERVICE_MIGRATION_H

#include <stdbool.h>

#include "base/ctx.h"
#include "base/status.h"
#include "base/str.h"

struct migration {
	int version;      /* 1.. ascending */
	const char *name; /* [a-z0-9_]+ */
	const char *text; /* the whole file */
};

/* migration_table - the files of migrations/, embedded at build. */
const struct migration *migration_table(size_t *ret_count);

enum migration_state {
	MIGRATION_UNSET = 0,
	MIGRATION_APPLIED,
	MIGRATION_PENDING,
	MIGRATION_EDITED,  /* applied, and the file is another now */
	MIGRATION_UNKNOWN, /* applied by a newer version of the program */
	MIGRATION_STATE_COUNT
};

/* One line of `trivet migrate --status`. */
struct migration_row {
	int version;
	struct str name;
	enum migration_state state;
	int64_t applied_at; /* microseconds UTC; 0: not applied */
};

/* What a run did; lives in ctx->arena. error is set whenever the status is not OK: one line that says what and the remedy. */
struct migration_report {
	size_t applied;
	int64_t partitions; /* made for the days around ctx->now */
	struct str error;
};

/* migration_state_name - "applied", "pending", "edited", "unknown". */
struct str migration_state_name(enum migration_state state);

/*
 * migration_check - what can be said without a database: numbers ascend without doubles, no undeclared destructive statement.
 *
 * OK, INVALID (*ret_error says where), TOO_LARGE.
 */
MUST_CHECK enum status migration_check(struct arena *arena, const struct migration *table, size_t count, struct str *ret_error);

/*
 * migration_destructive - the first statement that drops or empties something (DROP TABLE, SCHEMA, DATABASE or COLUMN, TRUNCATE, DELETE
 * without WHERE) and has no comment line `-- destructive: why` between the end of the statement before it and its own end.
 *
 * Words inside comments, quotes and function bodies do not count; the body of DO is looked into.
 * Returns false when there is none; ret_statement is borrowed from text.
 */
bool migration_destructive(struct str text, struct str *ret_statement);

/*
 * migration_status - every migration that the table or the database knows, by version. Changes nothing, works on an empty database.
 *
 * OK, statuses of pg_query().
 */
MUST_CHECK enum status migration_status(struct ctx *ctx, const struct migration *table, size_t count,
                                        struct migration_row **ret_rows, size_t *ret_count);

/*
 * migration_apply - applies what is pending, then makes the partitions around ctx->now.
 *
 * ctx->deadline bounds the whole run; nothing inside has a shorter lock wait.
 * OK, INVALID (the table itself, or a migration's SQL), CONFLICT (an edited file, a number out of order), UNAVAILABLE, TIMED_OUT.
 */
MUST_CHECK enum status migration_apply(struct ctx *ctx, const struct migration *table, size_t count,
                                       struct migration_report *ret_report);

#endif
