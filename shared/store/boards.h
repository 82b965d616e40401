/*
 * boards - what the boards are made of, and the marks of what they still have to learn (store/sql/boards.sql, decisions.md 17).
 *
 * A mark is set by a trigger of the table, in the transaction that changes a balance or who may be seen. Leases run by real time.
 * Statuses are those of pg_run(), and what is named. Lists that are returned live in the transaction's arena.
 */
#ifndef TRIVET_STORE_BOARDS_H
#define TRIVET_STORE_BOARDS_H

#include "core/platform_id.h"
#include "store/tx.h"

/* What an account has; the sums of a period count while its number is the one that is on. */
struct board_values {
	int64_t xp;
	int64_t coins;
	int64_t season_no;
	int64_t season_xp;
	int64_t season_coins;
	int64_t week_no;
	int64_t week_xp;
	int64_t week_coins;
};

/* A row for the keeper. */
struct board_row {
	int64_t account_id;
	struct str version; /* of its mark; absent where all are read */
	bool visible;
	struct board_values values;
};

/* How somebody is shown beside his place. */
struct board_name {
	int64_t account_id;
	struct str display_name; /* absent: no platform told one */
	struct str rank;
};

struct board_person {
	struct board_name name;
	bool hidden;
	struct board_values values;
};

struct board_season {
	int64_t number; /* from 0, as economy_periods() counts */
	int64_t days;   /* how long each is */
};

/* board_season - the season of tx->ctx->now. */
MUST_CHECK enum status board_season(struct tx *tx, struct board_season *ret_season);

/* board_person - who is behind a platform's id. OK, NOT_FOUND. */
MUST_CHECK enum status board_person(struct tx *tx, enum platform platform, int64_t platform_id, struct board_person *ret_person);

/* board_names - of those of `ids` who may be seen, in any order; ret_names has room for `count`. */
MUST_CHECK enum status board_names(struct tx *tx, const int64_t *ids, size_t count, struct board_name *ret_names, size_t *ret_count);

/* board_keeper_take - the lease, when it is free, over or ours. OK, NOT_FOUND (another's). board_keeper_release gives it back. */
MUST_CHECK enum status board_keeper_take(struct tx *tx, struct str owner, int64_t wall_now, int64_t until);
MUST_CHECK enum status board_keeper_release(struct tx *tx, struct str owner);

/* board_keeper_turn - OK, NOT_FOUND (the lease is not ours). */
MUST_CHECK enum status board_keeper_turn(struct tx *tx, struct str owner, int64_t wall_now, int64_t *ret_turn);

/* board_keeper_turned - OK, CONFLICT (not ours, or another turn). */
MUST_CHECK enum status board_keeper_turned(struct tx *tx, struct str owner, int64_t turn, int64_t next);

/* board_keeper_again - has the boards made anew. ret_turn: once the turn is higher, they were. */
MUST_CHECK enum status board_keeper_again(struct tx *tx, int64_t *ret_turn);

/* board_keeper_state - the turn, and whether a worker holds the lease. */
MUST_CHECK enum status board_keeper_state(struct tx *tx, int64_t wall_now, int64_t *ret_turn, bool *ret_kept);

/* board_dirty_read - the next marked accounts after `after`; board_balances_read - all accounts likewise. */
MUST_CHECK enum status board_dirty_read(struct tx *tx, int64_t after, size_t limit, struct board_row **ret_rows, size_t *ret_count);
MUST_CHECK enum status board_balances_read(struct tx *tx, int64_t after, size_t limit, struct board_row **ret_rows, size_t *ret_count);

/* board_dirty_forget - the marks of these rows, but those that were renewed. */
MUST_CHECK enum status board_dirty_forget(struct tx *tx, const struct board_row *rows, size_t count);

#endif
