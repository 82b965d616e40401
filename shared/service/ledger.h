/*
 * ledger - XP and coins: the steps through which they change (decisions.md 12), with the ranks, badges and missions that follow.
 *
 * The caller holds the account's lock and has read its balance under it. A step writes the whole balance, so a caller who moves counters
 * (a daily, a ticket, a link) does it in `balance` before.
 */
#ifndef TRIVET_SERVICE_LEDGER_H
#define TRIVET_SERVICE_LEDGER_H

#include "core/economy.h"
#include "store/tx.h"

/* One change of XP and coins. */
struct posting {
	int64_t account_id;
	struct balance *balance; /* as read under the account's lock; updated on OK */
	struct str key;          /* idempotency key, unique for ever */
	enum ledger_kind kind;
	struct str source;       /* who says so: "telegram", "api:<key name>", "link" ... */
	struct str reason;       /* absent: none */
	int64_t xp;
	int64_t coins;
};

/*
 * ledger_post - step: decides, claims the key, writes the row, what follows from it, and the balance; tells of a new rank.
 *
 * Rows of kind merge and unmerge only move what was earned: nothing follows from them (ledger_settle() does it after a merge), and of the
 * balance only XP and coins are written.
 * OK, CONFLICT (the key is taken: done before or reused), INVALID, INSUFFICIENT, OVERFLOWN (ledger_decide), statuses of pg_run().
 */
MUST_CHECK enum status ledger_post(struct tx *tx, const struct posting *posting);

/*
 * ledger_settle - step: writes the balance, whose counters the caller has moved, and pays what they lead to. kind, xp, coins and reason of
 * the posting are not used; the key is not claimed, rows carry it with a suffix.
 *
 * After a merge: a rank, badge or mission that either side had is not paid again (their marks are united first); one that only both
 * together reach is paid once, here.
 * OK, OVERFLOWN, statuses of pg_run().
 */
MUST_CHECK enum status ledger_settle(struct tx *tx, const struct posting *posting);

/*
 * ledger_grant - step: gives a badge with its reward, unless it is held; otherwise like ledger_settle().
 *
 * NOT_FOUND: there is no badge of this code.
 */
MUST_CHECK enum status ledger_grant(struct tx *tx, const struct posting *posting, struct str badge);

#endif
