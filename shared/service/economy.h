/*
 * economy - XP and coins: the one step through which they change (decisions.md 12).
 */
#ifndef TRIVET_SERVICE_ECONOMY_H
#define TRIVET_SERVICE_ECONOMY_H

#include "core/ledger.h"
#include "store/tx.h"

/* One change of XP and coins. */
struct posting {
	int64_t account_id;
	struct balance *balance; /* as read under the account's lock; updated on OK */
	struct str key;          /* idempotency key, unique for ever */
	enum ledger_kind kind;
	struct str source;       /* who says so: "telegram", "api:<key name>", "link" ... */
	struct str reason;       /* absent: none */
	int64_t xp;
	int64_t coins;
};

/*
 * ledger_post - step: decides, claims the key, writes the row and the projection. The caller holds the account's lock.
 *
 * OK, CONFLICT (the key is taken: done before or reused), INVALID, INSUFFICIENT, OVERFLOWN (ledger_decide), statuses of pg_run().
 */
MUST_CHECK enum status ledger_post(struct tx *tx, const struct posting *posting);

#endif
