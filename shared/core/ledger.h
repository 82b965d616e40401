/*
 * ledger - the rules of XP and coins: one change decided at a time. Pure.
 *
 * Source: docs/LEDGER.md. int64 throughout; neither sum ever below zero; a change of zero is no change.
 */
#ifndef TRIVET_CORE_LEDGER_H
#define TRIVET_CORE_LEDGER_H

#include "core/account.h"

/* Larger than any sum that can be earned, small enough for JSON readers elsewhere. */
#define LEDGER_DELTA_MAX (INT64_C(1) << 53)

/* Why a row was written. Closed list: the contract's event types and our own. */
enum ledger_kind {
	LEDGER_UNSET = 0,
	LEDGER_XP_CHANGE,
	LEDGER_COINS_CHANGE,
	LEDGER_MESSAGE_SENT,
	LEDGER_VOICE_TIME,
	LEDGER_RANK_UP,           /* a rank's coins, once per person */
	LEDGER_BADGE,             /* once per person */
	LEDGER_MISSION_COMPLETED, /* once per person and period */
	LEDGER_DAILY,
	LEDGER_SEASON_REWARD,
	LEDGER_PROMO_REDEEMED,
	LEDGER_REFERRAL_QUALIFIED,
	LEDGER_PAYMENT,
	LEDGER_ADJUST,
	LEDGER_IMPORT,
	LEDGER_MERGE,
	LEDGER_UNMERGE,
	LEDGER_KIND_COUNT
};

/* ledger_kind_name - "xp_change" ...: the words of the table's column. */
struct str ledger_kind_name(enum ledger_kind kind);
/* ledger_kind_from_name - LEDGER_UNSET for a kind that this version does not know. */
enum ledger_kind ledger_kind_from_name(struct str name);

/* ledger_kind_earns - counts for boards of a period (positive rows, not adjust, import, merge, unmerge). */
bool ledger_kind_earns(enum ledger_kind kind);

struct ledger_entry {
	int64_t xp;
	int64_t coins;
	int64_t xp_after;
	int64_t coins_after;
};

/*
 * ledger_decide - one change of XP and coins.
 *
 * balance     as locked by the caller
 * xp, coins   the change; each within -LEDGER_DELTA_MAX..LEDGER_DELTA_MAX, not both 0
 * ret_entry   set only on OK
 *
 * OK, INVALID (zero or too large), INSUFFICIENT (a sum would go below zero), OVERFLOWN.
 */
MUST_CHECK enum status ledger_decide(const struct balance *balance, int64_t xp, int64_t coins, struct ledger_entry *ret_entry);

/*
 * ledger_move - likewise for what was earned before and only moves (merge, unmerge): however much it is.
 *
 * OK, INVALID (zero), INSUFFICIENT, OVERFLOWN.
 */
MUST_CHECK enum status ledger_move(const struct balance *balance, int64_t xp, int64_t coins, struct ledger_entry *ret_entry);

#endif
