/*
 * daily - the reward for coming back, paid through the ledger; badges of streaks and the mission of the day follow in the same transaction.
 */
#ifndef TRIVET_SERVICE_DAILY_H
#define TRIVET_SERVICE_DAILY_H

#include "core/daily.h"
#include "store/tx.h"

struct daily_claimed {
	struct daily daily;   /* wait_us > 0: too early, nothing was done */
	struct balance after; /* as it is now */
	int64_t badges;       /* that came with it */
	int64_t again_us;     /* how soon, and how late the next one may be claimed with the streak kept */
	int64_t keep_us;
};

/*
 * daily_claim - step: pays what is due now to an account that the caller has locked.
 *
 * key      idempotency key, unique for ever: one per asking
 * source   who says so: "telegram:main"
 * OK (look at daily.wait_us), CONFLICT (the key is taken: paid by this asking before), OVERFLOWN, statuses of pg_run().
 */
MUST_CHECK enum status daily_claim(struct tx *tx, int64_t account_id, struct str key, struct str source, struct daily_claimed *ret_claimed);

#endif
