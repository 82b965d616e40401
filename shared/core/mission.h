/*
 * mission - how a person stands with a mission, and whether it may be claimed. Pure.
 *
 * Missions of a day or a week are claimed by the person while it runs; what was not is paid when it has ended. Those that are done once are
 * paid at completion. Source: docs/LEDGER.md, "Ranks, badges, missions".
 */
#ifndef TRIVET_CORE_MISSION_H
#define TRIVET_CORE_MISSION_H

#include "core/economy.h"

/* mission_period_from_name - "daily", "weekly"; all else is done once. */
enum balance_period mission_period_from_name(struct str name);

enum mission_state {
	MISSION_STATE_UNSET = 0,
	MISSION_OPEN,  /* not there yet */
	MISSION_READY, /* of a day or week, and reached: waits to be claimed */
	MISSION_PAID,  /* claimed, paid by itself, or a mark of what was paid on another account */
	MISSION_STATE_COUNT
};

/* A mission of one account, in the running period. */
struct mission_view {
	struct mission mission;
	int64_t period_no;
	int64_t progress; /* 0..goal */
	bool completed;   /* its row is there; READY without one: the goal was lowered, or the mission came after the deeds */
	enum mission_state state;
};

/* mission_ends_at - when the running day or week ends; 0 for one that is done once. */
int64_t mission_ends_at(enum balance_period period, int64_t now);

/* mission_judge - sets period_no, progress and state from `mission` and `completed`. paid: claimed, or a mark. */
void mission_judge(struct mission_view *view, const struct balance *balance, const struct periods *running, bool paid);

enum mission_verdict {
	MISSION_VERDICT_UNSET = 0,
	MISSION_CLAIMABLE,
	MISSION_UNKNOWN,     /* there is no such mission (any more) */
	MISSION_NOT_REACHED,
	MISSION_BEFORE,      /* it was claimed before */
	MISSION_OVER,        /* of a period that has ended: paid by itself then, if it was completed */
	MISSION_NOTHING,     /* all were asked for, and none waits */
	MISSION_FULL,        /* what it pays does not fit into the account's sums */
	MISSION_VERDICT_COUNT
};

/*
 * mission_decide - whether a mission may be claimed now.
 *
 * view        NULL: unknown
 * period_no   the period that is asked for; 0: the running one
 */
enum mission_verdict mission_decide(const struct mission_view *view, int64_t period_no);

#endif
