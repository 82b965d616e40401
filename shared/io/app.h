/*
 * app - the handles of one process, made by its main() and passed down in struct ctx.
 */
#ifndef TRIVET_IO_APP_H
#define TRIVET_IO_APP_H

#include "base/limit.h"
#include "base/snapshot.h"
#include "base/status.h"
#include "io/cache.h"
#include "io/config.h"
#include "io/group_commit.h"
#include "io/pg.h"

struct ctx;
struct activity_chats;
struct sightings;
struct app_clock; /* the development offset, shared by the threads */

/* What a program does beside its requests, on one thread for all (web/chores.h): every so often, and once more before it ends. */
struct chore {
	int64_t every_us;
	void (*run)(struct ctx *ctx, void *arg);
	void *arg;
};
#define APP_CHORES_MAX 4

struct app {
	struct config *config;           /* nobody changes it */
	struct pg_pool *pg;
	struct cache *cache;             /* NULL in programs that do not use Redis */
	struct group *events;            /* appends of messages; NULL where none are received */
	struct group *profiles;          /* lookups of profiles (service/profile.h); NULL where few ask for them */
	struct sightings *sightings;     /* who was seen (service/sighting.h), in its program's memory; NULL where nobody acts */
	unsigned char key_link[CRYPTO_KEY_BYTES]; /* keyed hashes of link codes */
	unsigned char key_seal[CRYPTO_KEY_BYTES]; /* sealed columns */
	struct activity_chats *chats;    /* which chats count (service/activity.h), in its program's memory; NULL where no messages come */
	struct snapshot_slot *catalogue; /* the economy's numbers as last read (service/catalogue.h) */
	const void *own;                 /* what its program alone keeps for its endpoints; set before it serves, its type is the program's */
	struct chore chores[APP_CHORES_MAX];
	size_t chore_count;
	struct limit_table *limits;      /* rates and flights of this process (base/limit.h) */
	struct app_clock *clock;         /* NULL but in development stacks */
};

struct app_options {
	enum config_program program;
	const char *name; /* "trivet-telegram" */
	const struct pg_statement *statements;
	size_t statement_count;
	bool with_cache;
	size_t events_statement; /* SIZE_MAX: none */
	int events_columns;
};

/*
 * app_open - settings, level of the log, crypto, json, pools, keys, metrics; in that order. SIGPIPE is ignored from then on. Before
 * threads.
 *
 * *ret_app is closed by app_close(); *ret_error lives in `arena`.
 * OK; else *ret_error is the one line to print: INVALID, TOO_LARGE, UNAVAILABLE (no random numbers, memory, threads or run directory).
 */
MUST_CHECK enum status app_open(struct arena *arena, const struct app_options *options, struct app **ret_app, struct str *ret_error);
void app_close(struct app *app);

/*
 * app_exit_status - of a program that ends with `status`: 0 stopped as asked, 2 settings are wrong (INVALID: only the operator can help, so
 * systemd does not start it again), 1 anything else.
 */
int app_exit_status(enum status status);

/* app_add_chore - before it serves; more than APP_CHORES_MAX is a defect: asserted. */
void app_add_chore(struct app *app, struct chore chore);

/*
 * app_now - wall clock in microseconds UTC plus, in development stacks, the seconds in $RUN_DIR/clock (at most 1 s stale).
 * Only for code that makes a ctx (layer 7, web): everything below has ctx->now.
 */
int64_t app_now(const struct app *app);

#endif
