/*
 * badges - giving one by hand.
 *
 * Invariants
 * - A badge is given and paid once per person. What says so is the mark: it goes along with an identity that leaves and is united when
 *   accounts join, so neither parting nor joining makes it due again.
 * - The mark, its reward, the ranks and badges that this leads to, the notices and the row in audit_log are one transaction.
 * - The row of the ledger is of kind badge: it counts for the boards of season and week, as if the badge had been earned.
 */
#ifndef TRIVET_SERVICE_BADGES_H
#define TRIVET_SERVICE_BADGES_H

#include "core/platform_id.h"
#include "store/tx.h"

struct badge_order {
	enum platform platform; /* UNSET: account_id says whom */
	int64_t platform_id;
	int64_t account_id;
	struct str code;
	struct str source; /* of the ledger's rows and of the mark, and the audit log's actor: "operator" */
};

enum badge_verdict {
	BADGE_VERDICT_UNSET = 0,
	BADGE_GRANTED,
	BADGE_HELD,     /* before: nothing has changed */
	BADGE_UNKNOWN,  /* there is none of this code */
	BADGE_NOBODY,   /* there is no such living account */
	BADGE_OVERFLOW, /* a sum would leave 64 bits: nothing has changed */
	BADGE_VERDICT_COUNT
};

struct badge_granted {
	enum badge_verdict verdict;
	int64_t account_id; /* this and all below: of GRANTED and HELD */
	int64_t xp;         /* the change, with all that followed; 0 when it was held */
	int64_t coins;
	int64_t xp_after;
	int64_t coins_after;
	int64_t at; /* since when it is held */
};

/*
 * badges_grant - use case: one transaction, with its row in audit_log when something changed.
 *
 * NOT_FOUND (this process has read the catalogue before the badge was made: CATALOGUE_FRESH_US), statuses of tx_run(); a refusal is a
 * verdict, not a failure.
 */
MUST_CHECK enum status badges_grant(struct ctx *ctx, const struct badge_order *order, struct badge_granted *ret_granted);

#endif
