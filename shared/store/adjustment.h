/*
 * adjustment - orders of XP and coins that were carried out, by their keys.
 */
#ifndef TRIVET_STORE_ADJUSTMENT_H
#define TRIVET_STORE_ADJUSTMENT_H

#include "store/tx.h"

struct adjustment {
	struct str key;
	int64_t account_id;
	struct str person; /* digests, for what differs between two orders of one key */
	struct str reason;
	int64_t xp;
	int64_t coins;
	int64_t xp_after; /* of the account, with all that followed */
	int64_t coins_after;
	int64_t at;
};

/* adjustment_find - OK, NOT_FOUND, statuses of pg_run(). */
MUST_CHECK enum status adjustment_find(struct tx *tx, struct str key, struct adjustment *ret_adjustment);

/* adjustment_insert - its `at` is ctx->now. OK, CONFLICT (the key is taken), statuses of pg_run(). */
MUST_CHECK enum status adjustment_insert(struct tx *tx, const struct adjustment *adjustment);

#endif
