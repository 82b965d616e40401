/*
 * boards - places by XP or coins: of all times, of the season, of the week (decisions.md 17).
 *
 * Places live in sorted sets in Redis and nowhere else; balances live in PostgreSQL and are the truth. A trigger marks each account whose
 * balance or visibility changed, and one worker at a time, the keeper, carries what is marked over. Both stores count its turns: Redis the
 * last one that was written, PostgreSQL the last one whose marks were forgotten. A keeper that was overtaken by another finds the count
 * moved and writes nothing; a Redis that lost its memory, or went back to an older one, is behind, and the boards are made anew. Until then
 * nobody is told a place.
 *
 * A place is 1 + the number of higher values; equal values share it. Only values above 0 are on a board, and only of those who may be seen;
 * anybody may ask for the place that his own value has.
 */
#ifndef TRIVET_SERVICE_BOARDS_H
#define TRIVET_SERVICE_BOARDS_H

#include "store/boards.h"

struct json; /* io/json.h */

enum board_period {
	BOARD_PERIOD_UNSET = 0,
	BOARD_ALL,
	BOARD_SEASON,
	BOARD_WEEK,
	BOARD_PERIOD_COUNT
};

enum board_by {
	BOARD_BY_UNSET = 0,
	BOARD_XP,
	BOARD_COINS,
	BOARD_BY_COUNT
};

/* ---- reading ---- */

#define BOARDS_LIMIT 20
#define BOARDS_LIMIT_MAX 100
/* Of somebody's neighbours, on each side. */
#define BOARDS_AROUND 5

/* Which part of which board, and whose own place. */
struct board_wish {
	enum board_period period;
	enum board_by by;
	int64_t limit;
	int64_t from;           /* index of the first; what a cursor stands for */
	bool around;            /* instead: the neighbours of `platform_id` */
	enum platform platform; /* PLATFORM_UNSET: nobody's own */
	int64_t platform_id;
	const struct board_person *known; /* who that is, when the caller has read it; NULL: it is asked */
};

struct board_item {
	struct board_name name;
	int64_t place;
	int64_t value;
};

struct board_page {
	struct board_item *items;
	size_t count;
	int64_t next; /* index where the next page begins; 0: this is the last */
	bool has_me;
	struct board_item me;
};

/* What is wrong with a query: the parameter and the remedy, constants. */
struct board_fault {
	const char *field;
	const char *detail;
};

/*
 * boards_wish - the wish of a query: board, by, limit, cursor, around=me; and platform with id, where `people` may be asked for.
 *
 * around=me without platform and id is kept as it is: the caller knows who "me" is, or not.
 * OK, INVALID (*ret_fault says it), TOO_LARGE.
 */
MUST_CHECK enum status boards_wish(struct arena *arena, struct str query, bool people, struct board_wish *ret_wish,
                                   struct board_fault *ret_fault);

/*
 * boards_read - use case: a page, or somebody's neighbours, and his own place.
 *
 * OK, NOT_FOUND (nobody is behind the platform's id), UNAVAILABLE (also while the boards are made anew), statuses of service_read().
 */
MUST_CHECK enum status boards_read(struct ctx *ctx, const struct board_wish *wish, struct board_page *ret_page);

/*
 * boards_place - the place among all, by XP or coins, of somebody who was read already; nothing is asked of PostgreSQL.
 *
 * OK, UNAVAILABLE (also while the boards are made anew), TOO_LARGE.
 */
MUST_CHECK enum status boards_place(struct ctx *ctx, enum board_by by, int64_t account_id, const struct board_values *values,
                                    int64_t *ret_place);

/* boards_json - {"board", "by", "items", "next_cursor", "me"?} as a tree of the bound arena; NULL when it is out. */
struct json *boards_json(struct arena *arena, const struct board_wish *wish, const struct board_page *page);

/* ---- keeping ---- */

#define BOARDS_LEASE_US (5 * SECOND_US)
/* Accounts of one turn, and of one portion when all are read. */
#define BOARDS_BATCH 1000

/* What the keeper's thread remembers from turn to turn; starts as {.owner}. */
struct board_keeper {
	struct str owner;  /* a uuid of this process */
	int64_t until;     /* our lease, real time; 0: none */
	int64_t after;     /* where the next marks are looked for */
	bool building;     /* the boards are being made anew; the next two count then */
	int64_t build_turn;
	int64_t built;     /* the last account that was carried over */
};

struct board_kept {
	size_t count; /* accounts that were carried over */
	bool rebuilt; /* the boards are whole again */
	bool begun;   /* they were lost: making them anew has begun */
};

/*
 * boards_keep - use case, one turn: takes or renews the lease, carries one batch over, or one portion of a rebuild.
 *
 * wall_now   real time, microseconds UTC
 * OK          there may be more to do at once
 * NOT_FOUND   nothing to do now, or another worker keeps the boards
 * CONFLICT    another keeper came between: nothing was written; call again
 * statuses of tx_run(); UNAVAILABLE also without Redis
 */
MUST_CHECK enum status boards_keep(struct ctx *ctx, struct board_keeper *keeper, int64_t wall_now, struct board_kept *ret_kept);

/* boards_leave - gives the lease back. */
MUST_CHECK enum status boards_leave(struct ctx *ctx, struct board_keeper *keeper);

/* boards_rebuild - use case: has the keeper make the boards anew; they are once boards_state() tells a higher turn than ret_turn. */
MUST_CHECK enum status boards_rebuild(struct ctx *ctx, int64_t *ret_turn);

/* boards_state - ret_kept: whether a worker keeps the boards now. */
MUST_CHECK enum status boards_state(struct ctx *ctx, int64_t wall_now, int64_t *ret_turn, bool *ret_kept);

/* ---- keys: for boards*.c and their tests ---- */

/* The key that holds the last turn's number, or who is making the boards anew. */
#define BOARDS_READY STR("board:ready")

/* boards_key - "board:all:xp", "board:season:3:coins"; number 0 for BOARD_ALL. Absent when the arena failed. */
struct str boards_key(struct arena *arena, enum board_period period, int64_t number, enum board_by by);

/* boards_value - what a row is worth on a board of that number; 0 when its sums are of another period. */
int64_t boards_value(const struct board_values *values, enum board_period period, int64_t number, enum board_by by);

#endif
