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
	int64_t last_used_at;   /* 0: never */
};

/* apikey_find - by SHA-256; a revoked one is not found. OK, NOT_FOUND, statuses of pg_run(). */
MUST_CHECK enum status apikey_find(struct tx *tx, struct str hash, struct apikey *ret_key);

/* apikey_used - notes the use, unless that was done after `since`. */
MUST_CHECK enum status apikey_used(struct tx *tx, int64_t id, int64_t since);

#endif
