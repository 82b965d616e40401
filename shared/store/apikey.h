/*
 * apikey - keys of the service API as a request finds them.
 */
#ifndef TRIVET_STORE_APIKEY_H
#define TRIVET_STORE_APIKEY_H

#include "core/platform_id.h"
#include "store/tx.h"

struct apikey {
	int64_t id;
	struct str name;
	struct str scopes;      /* separated by single spaces */
	struct str bot;         /* bound to this bot, or BOT_EVERY (core/bot.h); absent: to none */
	enum platform platform; /* bound to this platform; UNSET: to none */
	bool counters_only;     /* its events give no XP (domain.md, XP rates) */
	int in_flight;          /* requests at once, 1..1024 */
	int per_minute;         /* requests; 0: as many as come */
};

/* apikey_find - by SHA-256; a revoked one is not found. OK, NOT_FOUND, statuses of pg_run(). */
MUST_CHECK enum status apikey_find(struct tx *tx, struct str hash, struct apikey *ret_key);

/* Requests of one key and route within one UTC day, which is that of last_at. */
struct apikey_usage {
	int64_t key_id;
	struct str route; /* "POST /v1/events" */
	int64_t last_at;
	int64_t requests;
	int64_t refused;
};

/* apikey_usage_add - adds to what stands there; the rows by ascending key_id. Notes when each key was used last. */
MUST_CHECK enum status apikey_usage_add(struct tx *tx, const struct apikey_usage *rows, size_t count);

#endif
