/*
 * adjust - a change of XP and coins that somebody orders: a program by POST /v1/users/{platform}/{id}/adjust, the operator by
 * `trivet user adjust`.
 *
 * Invariants
 * - An order has a key, unique in its space for ever: the same key with the same content is carried out once and answered alike each time,
 *   with other content it is refused. Spaces do not see each other's keys.
 * - The account is named as the order names it, so that a repeat is one, whatever was joined or parted meanwhile.
 * - A row of kind adjust: it moves the balance and what follows from it (ranks, badges, missions), not the boards of a period.
 */
#ifndef TRIVET_SERVICE_ADJUST_H
#define TRIVET_SERVICE_ADJUST_H

#include "core/event.h"
#include "store/tx.h"

/* What one order may change, either way: the ledger's own limit. */
#define ADJUST_MAX LEDGER_DELTA_MAX

struct adjust_order {
	enum platform platform; /* UNSET: account_id says whom */
	int64_t platform_id;
	int64_t account_id;
	struct str space;  /* whose keys: "api:7", "operator"; without a colon at its end */
	struct str key;    /* event_key_ok() */
	struct str source; /* of the ledger row, and the audit log's actor: "api:quiz", "operator" */
	struct str reason; /* adjust_reason_check() */
	int64_t xp;
	int64_t coins;
};

enum adjust_verdict {
	ADJUST_UNSET = 0,
	ADJUST_DONE,
	ADJUST_REPEATED,   /* done before: the same figures as then */
	ADJUST_KEY_REUSED, /* `differs` names what */
	ADJUST_OUT_OF_RANGE, /* both are 0, or one is beyond ADJUST_MAX */
	ADJUST_INSUFFICIENT, /* `account` tells which sum would go below zero */
	ADJUST_OVERFLOW,     /* a sum would leave 64 bits */
	ADJUST_NOBODY,       /* there is no such living account */
	ADJUST_VERDICT_COUNT
};

struct adjusted {
	enum adjust_verdict verdict;
	int64_t account_id; /* of DONE, REPEATED */
	int64_t xp;         /* the change */
	int64_t coins;
	int64_t xp_after; /* DONE, REPEATED: with all that followed; INSUFFICIENT, OVERFLOW: what is held now */
	int64_t coins_after;
	int64_t at;
	struct str differs; /* "platform_id, coins" */
};

/*
 * adjust - use case: one transaction with its row in audit_log.
 *
 * Statuses of tx_run(); a refusal is a verdict, not a failure.
 */
MUST_CHECK enum status adjust(struct ctx *ctx, const struct adjust_order *order, struct adjusted *ret_adjusted);

/* adjust_reason_check - 1 to 255 characters without control characters. OK, INVALID (ret_detail says why). */
MUST_CHECK enum status adjust_reason_check(struct arena *arena, struct str reason, struct str *ret_detail);

/* adjust_json - what both callers answer of DONE and REPEATED, the same for both; NULL when the arena is out. */
struct json *adjust_json(struct arena *arena, const struct adjusted *adjusted);

#endif
