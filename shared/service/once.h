/*
 * once - an effect happens once per idempotency key, and a repeat gets the same reply (decisions.md 7 to 9).
 *
 * In one transaction: claim the key in the inbox, do the work, store the encoded neutral reply (and its secrets, sealed until
 * `sealed_until`), commit. A repeat, also one that came while the first was in work, decodes the stored reply.
 * ctx->language at the end of the work is stored with it, and set again for a repeat: the same words.
 */
#ifndef TRIVET_SERVICE_ONCE_H
#define TRIVET_SERVICE_ONCE_H

#include "core/reply.h"
#include "store/tx.h"

struct once_result {
	struct reply *reply;
	int64_t sealed_until; /* set by the work when the reply has secrets; microseconds UTC */
	bool repeated;        /* set by once(): the reply was stored before */
};

/*
 * once - runs fn(tx, arg, result) under `key`, or answers what was stored.
 *
 * fn sets result->reply. When fn fails everything is rolled back and nothing is stored: the platform's next try runs it afresh. A refusal
 * that shall be repeated as it is (wrong code) is a reply with OK, not a failure.
 * Statuses of tx_run().
 */
MUST_CHECK enum status once(struct ctx *ctx, struct str key,
                            enum status (*fn)(struct tx *tx, void *arg, struct once_result *result), void *arg,
                            struct once_result *ret_result);

/* once_answered - whether `key` has a stored reply: what comes now is a repeat. Statuses of service_read(). */
MUST_CHECK enum status once_answered(struct ctx *ctx, struct str key, bool *ret_answered);

#endif
