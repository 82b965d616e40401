/*
 * seasons - the close of a season that is over: results, places, prizes, exactly once.
 *
 * A close is a row of `season` and as many transactions as it needs; each takes the row, does a portion, and notes how far it has come.
 * So any number of closers may be at it, one at a time, and whoever comes after a kill goes on where the last commit was.
 *
 * 1. It begins: waits for all who may still count something for the season (periods_running()), then its row is there, and whoever comes
 *    later counts for the next one. From now on nothing of it changes.
 * 2. It counts: balances that still hold the season's sums become results; those that moved on left theirs behind (season_keep()).
 * 3. It places and pays, from the highest result down. Hidden and erased people take no place; hidden ones took part all the same.
 * 4. closed_at is set.
 *
 * Source: docs/LEDGER.md, "Seasons".
 */
#ifndef TRIVET_SERVICE_SEASONS_H
#define TRIVET_SERVICE_SEASONS_H

#include "store/tx.h"

/* Accounts that are looked at in one transaction, when counting and when paying. */
#define SEASONS_COUNT_BATCH 2000
#define SEASONS_PAY_BATCH 200

enum season_step {
	SEASON_STEP_UNSET = 0, /* another closer is at it */
	SEASON_BEGUN,
	SEASON_COUNTING,
	SEASON_COUNTED,
	SEASON_PAYING,
	SEASON_CLOSED,
	SEASON_STEP_COUNT
};

struct season_turn {
	enum season_step step;
	int64_t no;
	int64_t participants; /* of a closed one: with any XP */
	int64_t placed;       /* who have a place */
};

/*
 * seasons_turn - use case: one portion of the earliest season that is over and not closed.
 *
 * OK          call again; at once unless another closer is at it
 * NOT_FOUND   no season is due
 * UNAVAILABLE, TIMED_OUT   the database is away or busy (who earns had to be waited for too long): call again later
 * others      a defect: nothing was changed, and it will not go on by itself
 */
MUST_CHECK enum status seasons_turn(struct ctx *ctx, struct season_turn *ret_turn);

/* What an operator asks about. */
struct season_now {
	int64_t no;        /* the earliest that is not closed */
	int64_t starts_at;
	int64_t ends_at;
	int64_t overdue;   /* microseconds since its end; 0: it is on */
};
/* seasons_now - use case, a read. */
MUST_CHECK enum status seasons_now(struct ctx *ctx, struct season_now *ret_now);

#endif
