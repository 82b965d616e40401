/*
 * season - what the close of seasons reads and writes (store/sql/season.sql, migrations/0011).
 *
 * A season's row is there from the moment its close begins. One closer at a time has it locked, for one transaction's portion of the work.
 * Statuses are those of pg_run(), and what is named. Lists that are returned live in the transaction's arena.
 */
#ifndef TRIVET_STORE_SEASON_H
#define TRIVET_STORE_SEASON_H

#include "core/season.h"
#include "store/tx.h"

/*
 * season_hold - the earliest season that may still be counted for, and holds off the beginning of a close until the transaction's end.
 */
MUST_CHECK enum status season_hold(struct tx *tx, int64_t *ret_no);

/* season_results_join - results of seasons that no close has begun for move from one account to another and add up. */
MUST_CHECK enum status season_results_join(struct tx *tx, int64_t loser_id, int64_t survivor_id);

/* A close that goes on. */
struct season_row {
	int64_t no;
	int64_t counted_to; /* accounts up to this one are counted */
	bool counted;       /* all are */
	bool begun;         /* results were looked at, down to the next two */
	int64_t xp;
	int64_t user_id;
	struct season_places places;
};
/* season_take - locked until the transaction's end. OK, NOT_FOUND (none goes on, or another closer has it). */
MUST_CHECK enum status season_take(struct tx *tx, struct season_row *ret_row);

/* season_next - the season to close next; ret_open: a close goes on, it is of the one before that. */
MUST_CHECK enum status season_next(struct tx *tx, int64_t *ret_no, bool *ret_open);

/*
 * season_begin - from the commit on nothing counts for this season.
 *
 * Waits at most `patience_ms` for transactions that may still count something, and they for it.
 * OK (another may have begun it just before), UNAVAILABLE (they took longer).
 */
MUST_CHECK enum status season_begin(struct tx *tx, int64_t no, int64_t starts_at, int64_t ends_at, int64_t patience_ms);

/* season_count - the results of the next `limit` accounts. ret_last: of them; 0: there are no more, and the season is counted. */
MUST_CHECK enum status season_count(struct tx *tx, const struct season_row *row, int64_t limit, int64_t *ret_last);

/* season_prizes - by place. More than these are not read. */
#define SEASON_PRIZES_MAX 64
MUST_CHECK enum status season_prizes(struct tx *tx, struct season_prize **ret_prizes, size_t *ret_count);

struct season_result {
	int64_t user_id;    /* whose result it is */
	int64_t account_id; /* who he is now: himself, or whom he became part of */
	int64_t xp;
	bool visible;
	bool alive;    /* not erased */
	int64_t place; /* 0: none */
};
/* season_results - the next ones from the top down. */
MUST_CHECK enum status season_results(struct tx *tx, const struct season_row *row, size_t limit, struct season_result **ret_results,
                                      size_t *ret_count);

/* season_placed - keeps the places of these, and how far the close has come with them. */
MUST_CHECK enum status season_placed(struct tx *tx, const struct season_row *row, const struct season_result *results, size_t count);

/* season_close - the end of it. CONFLICT: it was closed before. */
MUST_CHECK enum status season_close(struct tx *tx, int64_t no, int64_t *ret_participants, int64_t *ret_placed);

#endif
