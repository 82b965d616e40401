/*
 * missions - what a person has to do, claims, and the payment of what was not claimed when its day or week has ended.
 *
 * Missions are completed by the economy (core/economy.h), which also pays those that are done once. Here the others are paid, each once per
 * person and period: by his claim while the period runs, else by the worker when it has ended. Both hold the account's lock, and both leave
 * the row claimed in the transaction that pays.
 */
#ifndef TRIVET_SERVICE_MISSIONS_H
#define TRIVET_SERVICE_MISSIONS_H

#include "core/mission.h"
#include "store/missions.h"

struct mission_list {
	struct mission_view *views; /* of the day, of the week, once */
	size_t count;
	struct balance balance; /* of the same instant */
};

/* missions_list - step: one SELECT. Statuses of pg_run(). */
MUST_CHECK enum status missions_list(struct tx *tx, int64_t account_id, struct mission_list *ret_list);

/* missions_read - use case: the same outside a transaction. Statuses of service_read(). */
MUST_CHECK enum status missions_read(struct ctx *ctx, int64_t account_id, struct mission_list *ret_list);

/* ---- claiming ---- */

struct mission_claim {
	int64_t account_id; /* locked by the caller */
	int64_t mission_id; /* 0: all that wait */
	int64_t period_no;  /* of the button that was pressed; 0: the running one */
	struct str source;  /* who says so: "telegram:main" */
};

struct mission_claimed {
	enum mission_verdict verdict; /* CLAIMABLE: done */
	size_t count;
	int64_t xp;
	int64_t coins;
	struct mission_list list; /* as it is now */
};

/*
 * missions_claim - step: pays what the person may claim; every refusal is a verdict with OK.
 *
 * OK, RETRY, statuses of pg_run().
 */
MUST_CHECK enum status missions_claim(struct tx *tx, const struct mission_claim *claim, struct mission_claimed *ret_claimed);

/* ---- the end of a period ---- */

/* Missions of one transaction. */
#define MISSIONS_PORTION 100

/* Where one thread is; starts as {0}. */
struct missions_payer {
	struct mission_due last; /* what cannot be paid is passed over until all else is done */
};

struct missions_paid {
	size_t count;
	size_t stuck; /* that cannot be paid: a sum would not fit; they are tried again in the next round */
	bool more;    /* call again at once */
};

/*
 * missions_pay - the worker's turn: pays a portion of what was completed in days and weeks that have ended. Any number of workers may call
 * it; one of them works at a time. Statuses of tx_run().
 */
MUST_CHECK enum status missions_pay(struct ctx *ctx, struct missions_payer *payer, struct missions_paid *ret_paid);

#endif
