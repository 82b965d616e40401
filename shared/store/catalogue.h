/*
 * catalogue - the economy's numbers from the database, and the marks of accounts: badges held, missions completed.
 */
#ifndef TRIVET_STORE_CATALOGUE_H
#define TRIVET_STORE_CATALOGUE_H

#include "core/economy.h"
#include "store/tx.h"

/*
 * catalogue_read - the whole of it, as it is committed now.
 *
 * owner   whose memory it is to live in; not necessarily the request's
 * OK, TOO_LARGE (memory), INTERNAL (no rates, no ranks, or the first rank is not at 0), statuses of pg_run().
 */
MUST_CHECK enum status catalogue_read(struct tx *tx, struct arena *owner, struct economy *ret_economy);

/*
 * marks_read - of locked accounts, into their sets; what is not in the catalogue is passed over.
 *
 * ids        ascending
 * accounts   of the first; the others stand `stride` bytes apart, in the order of ids
 */
MUST_CHECK enum status marks_read(struct tx *tx, const struct economy *economy, const struct periods *running, const int64_t *ids,
                                  size_t count, struct economy_account *accounts, size_t stride);

struct badge_gain {
	int64_t account_id;
	int64_t badge_id;
	struct str source;
};
/* badges_earn - CONFLICT when one is held already: a defect, since the accounts are locked. */
MUST_CHECK enum status badges_earn(struct tx *tx, const struct badge_gain *gains, size_t count);

struct mission_gain {
	int64_t account_id;
	int64_t mission_id;
	int64_t period_no; /* 0: once; paid at completion */
};
MUST_CHECK enum status missions_complete(struct tx *tx, const struct mission_gain *gains, size_t count);

/* badge_held_since - ret_since: 0 when the account does not hold it. OK, NOT_FOUND (there is no badge of this code). */
MUST_CHECK enum status badge_held_since(struct tx *tx, int64_t account_id, struct str code, int64_t *ret_since);

/* badges_own - whether it has a badge that it did not take along from another account. */
MUST_CHECK enum status badges_own(struct tx *tx, int64_t account_id, bool *ret_own);

/* marks_move - the loser's badges and missions become the survivor's. ret_badges: how many he has now. */
MUST_CHECK enum status marks_move(struct tx *tx, int64_t loser_id, int64_t survivor_id, int64_t *ret_badges);

/* marks_copy - `to` parts from `from`: it takes a copy of every mark along. ret_badges: how many it has now. */
MUST_CHECK enum status marks_copy(struct tx *tx, int64_t from, int64_t to, int64_t *ret_badges);

#endif
