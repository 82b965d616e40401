/*
 * apikey_uses - what API keys are used for, by key, UTC day and route: counted in the program's memory, written every few seconds.
 *
 * Invariants
 * - A request costs no write. Counts are lost by kill -9 only, at most those of APIKEY_USES_PERIOD_US; a commit whose outcome nobody knows
 *   is written again, so then they may stand twice.
 * - The table never grows: where it is full, the request that finds it so writes it. Keys are read from the database before they are
 *   counted, so it does not fill while that is away.
 *
 * Life cycle: apikey_uses_new() once per process, before its threads; a chore of the program writes (web/chores.h).
 */
#ifndef TRIVET_SERVICE_APIKEY_USES_H
#define TRIVET_SERVICE_APIKEY_USES_H

#include "base/ctx.h"
#include "base/rawreq.h"

#define APIKEY_USES_PERIOD_US (5 * SECOND_US)
/* Of keys, routes and days within a period: a hundred keys that use ten routes each. About 64 KiB. */
#define APIKEY_USES_MAX 1024

struct apikey_uses;

/* apikey_uses_new - empty, in memory that outlives every request (the program's own arena). NULL: no memory. */
struct apikey_uses *apikey_uses_new(struct arena *arena);

/* One request. */
struct apikey_use {
	int64_t key_id;
	enum method method;
	const char *path; /* of the route: compared by its address, which stays */
	bool refused;     /* over the key's rate */
};

/* apikey_uses_count - at ctx->now; writes where there is no room, and then takes as long as a transaction. */
void apikey_uses_count(struct ctx *ctx, struct apikey_uses *uses, const struct apikey_use *use);

/*
 * apikey_uses_write - use case: adds all that was counted to api_key_usage, and notes when each key was used last.
 *
 * OK (also when there was nothing), TOO_LARGE (arena), statuses of tx_run(); on failure all is kept for the next call.
 */
MUST_CHECK enum status apikey_uses_write(struct ctx *ctx, struct apikey_uses *uses);

#endif
