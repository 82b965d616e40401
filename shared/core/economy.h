/*
 * economy - what people earn: events and postings become ledger rows, ranks, badges and missions. Pure.
 *
 * One event, or one posting, is applied to one account at a time. What it leads to is settled with it, to the end: XP may reach a
 * rank, whose coins may earn a badge, whose XP may reach another rank. Every rank, badge and mission is paid once per person (per
 * period), so this ends.
 *
 * The numbers (ranks, badges, missions, rates) are the catalogue's, read from the database; what a counter means is core/counter's.
 * Source: docs/LEDGER.md.
 */
#ifndef TRIVET_CORE_ECONOMY_H
#define TRIVET_CORE_ECONOMY_H

#include "core/counter.h"
#include "core/event.h"
#include "core/ledger.h"
#include "core/rank.h"

/* ---- the catalogue ---- */

/* More rows than these are not read; staff are told when they make one. */
#define ECONOMY_RANKS_MAX 100
#define ECONOMY_BADGES_MAX 256
#define ECONOMY_MISSIONS_MAX 256
#define ECONOMY_LENGTHS_MAX 32

struct badge {
	int64_t id;
	struct str code;
	struct str name_ru;
	struct str name_en;
	enum counter counter; /* COUNTER_UNSET: only granted */
	int64_t at_least;
	int64_t xp;
	int64_t coins;
};

struct mission {
	int64_t id;
	struct str code;
	struct str name_ru;
	struct str name_en;
	enum balance_period period; /* BALANCE_DAY, BALANCE_WEEK; BALANCE_EVER: once */
	enum counter counter;
	int64_t goal;
	int64_t xp;
	int64_t coins;
};

/* XP of a message from this length on. */
struct message_xp {
	int64_t length;
	int64_t xp;
};

struct economy_rates {
	int64_t message_gap_us;   /* between two messages that give XP */
	int64_t message_xp_day;   /* at most, by messages */
	int64_t voice_step;       /* seconds for 1 XP */
	int64_t voice_xp_session; /* at most */
	int64_t voice_xp_day;
	int64_t daily_xp;
	int64_t daily_coins;
	int64_t daily_again_us;
	int64_t daily_keep_us;
	int64_t season_us;        /* how long a season lasts */
	int64_t season_start;     /* of season 0 */
};

/* Immutable once read; the lists are ordered, so that an index names the same row as long as the catalogue lives. */
struct economy {
	struct economy_rates rates;
	const struct rank *ranks; /* by xp; at least one, from 0 */
	size_t rank_count;
	const struct message_xp *lengths; /* by length */
	size_t length_count;
	const struct badge *badges; /* by id */
	size_t badge_count;
	const struct mission *missions; /* by id; active ones */
	size_t mission_count;
};

/* economy_badge_by_id, economy_mission_by_id - the index; SIZE_MAX: not in the catalogue. */
size_t economy_badge_by_id(const struct economy *economy, int64_t id);
size_t economy_mission_by_id(const struct economy *economy, int64_t id);
/* economy_badge_by_code - likewise. */
size_t economy_badge_by_code(const struct economy *economy, struct str code);

/* economy_periods - the season, week and day of an instant. */
struct periods economy_periods(const struct economy *economy, int64_t now);

/* economy_period_no - the number that a mission's progress is kept under; 0 for one that is done once. */
int64_t economy_period_no(const struct mission *mission, const struct periods *running);

/* ---- one account ---- */

/* Indexes of badges or missions. */
struct economy_set {
	uint64_t words[ECONOMY_BADGES_MAX / 64];
};
_Static_assert(ECONOMY_MISSIONS_MAX <= ECONOMY_BADGES_MAX, "one set for both");

bool economy_has(const struct economy_set *set, size_t index);
void economy_put(struct economy_set *set, size_t index);

/* What is known of it, as read under its lock. */
struct economy_account {
	struct balance balance;
	struct economy_set badges;   /* held */
	struct economy_set missions; /* completed: ever, or in the running period */
};

/*
 * economy_begin_periods - sums of periods that are over become those of the running ones, at 0. For who moves a day's or week's counter
 * himself before he posts or settles.
 */
void economy_begin_periods(struct balance *balance, const struct periods *running);

/* ---- what happened ---- */

/* A row of the ledger. The key of what was asked for is the caller's; what follows from it has a suffix: ":rank:5", ":badge:rich". */
struct economy_row {
	enum ledger_kind kind;
	struct str key;
	struct str reason; /* absent: none; of a rank its name, of badges and missions the code */
	struct ledger_entry entry;
};

struct economy_effects {
	struct arena *arena;
	struct economy_row *rows; /* in the order of writing */
	size_t row_count;
	size_t row_room;
	struct economy_set badges;   /* earned now */
	struct economy_set missions; /* completed now; those done once are paid, the others are claimed or paid at their period's end */
	int64_t rank_before;         /* ids; where XP stood, and the highest rank first reached */
	int64_t rank_reached;        /* 0: none */
	int64_t rank_coins;          /* paid for all ranks together */
};

/* economy_effects_begin - nothing yet; the room for rows stays. arena: for keys and rows. */
void economy_effects_begin(struct economy_effects *effects, struct arena *arena);

/* One thing that happens to one account. */
struct economy_turn {
	const struct economy *economy;
	struct periods running;
	struct str key; /* of the event or posting */
	struct economy_account *account;
	struct economy_effects *effects; /* begun by the caller; added to */
};

/*
 * economy_post - a change of XP and coins, and what it leads to.
 *
 * kind        merge and unmerge move what was earned before; whether their sums reach a rank is settled by economy_settle() afterwards
 * reason      absent: none
 * OK, INVALID, INSUFFICIENT, OVERFLOWN (ledger_decide, also of a reward), TOO_LARGE (arena); nothing has changed unless OK.
 */
MUST_CHECK enum status economy_post(const struct economy_turn *turn, enum ledger_kind kind, int64_t xp, int64_t coins, struct str reason);

/*
 * economy_settle - what the account's counters lead to, after the caller moved some of them.
 *
 * After a merge: ranks that neither side was paid for are paid once, badges and missions that neither had are earned.
 * OK, OVERFLOWN, TOO_LARGE; nothing has changed unless OK.
 */
MUST_CHECK enum status economy_settle(const struct economy_turn *turn);

/* economy_grant - gives a badge by its index, with its reward, unless it is held. Statuses of economy_settle(). */
MUST_CHECK enum status economy_grant(const struct economy_turn *turn, size_t badge);

/*
 * economy_apply - one event (earning.c).
 *
 * Message: XP by length, none within the gap after the last that gave some (by the messages' own times: an older one that arrives late
 * gives none), none for a repeat of the text before, the chat's multiplier, at most so much a day. Voice: XP for full steps, the remainder
 * carried on, at most so much per session and day. The day of both caps is the event's own; one that arrives after a later day had begun
 * counts for that. Games, weeks, seasons and missions go by when they are applied. An event of a program that may only count moves
 * counters; nothing is paid with it.
 *
 * ret_rejected   absent: applied; else "insufficient", "overflow", "badge-unknown", and nothing has changed
 * OK, TOO_LARGE (arena).
 */
MUST_CHECK enum status economy_apply(const struct economy_turn *turn, const struct event *event, struct str *ret_rejected);

#endif
