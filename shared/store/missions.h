/*
 * missions - what a person can see of them, what he has claimed, and what is to be paid when a period has ended.
 *
 * Statuses are those of pg_run(), and what is named. Lists that are returned live in the transaction's arena.
 */
#ifndef TRIVET_STORE_MISSIONS_H
#define TRIVET_STORE_MISSIONS_H

#include "core/mission.h"
#include "store/tx.h"

/*
 * missions_of - by one SELECT: those of the day, of the week, once; at most ECONOMY_MISSIONS_MAX.
 *
 * ret_balance   of the same instant; {0} when there is no mission at all
 */
MUST_CHECK enum status missions_of(struct tx *tx, int64_t account_id, const struct periods *running, struct mission_view **ret_views,
                                   size_t *ret_count, struct balance *ret_balance);

/* A completed mission that was not claimed. */
struct mission_due {
	int64_t account_id;
	int64_t mission_id;
	int64_t period_no;
	struct str code;
	int64_t xp;
	int64_t coins;
};

/*
 * missions_due - of periods that have ended, the oldest first: at most `limit` behind *after ({0}: from the start). In a transaction, whose
 * later statements are planned for indexes too.
 */
MUST_CHECK enum status missions_due(struct tx *tx, const struct periods *running, const struct mission_due *after, size_t limit,
                                    struct mission_due **ret_due, size_t *ret_count);

/* missions_mark_claimed - of locked accounts. RETRY when one of them was claimed or moved before the locks. */
MUST_CHECK enum status missions_mark_claimed(struct tx *tx, const struct mission_due *due, size_t count);

#endif
