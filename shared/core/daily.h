/*
 * daily - the reward for coming back: what it pays today, and how long to wait for the next. Pure.
 *
 * Source: docs/LEDGER.md, "XP rates". The numbers are the catalogue's (struct economy_rates).
 */
#ifndef TRIVET_CORE_DAILY_H
#define TRIVET_CORE_DAILY_H

#include "core/economy.h"

struct daily {
	int64_t streak;  /* with this one; from 1 */
	int64_t xp;
	int64_t coins;
	int64_t wait_us; /* > 0: too early by so much, and all else is 0 */
};

/*
 * daily_decide - the next daily of an account.
 *
 * Day n of a streak pays floor(base x (1 + min(n - 1, 10) / 10)). It may be claimed again `daily_again_us` after the last one; the streak
 * goes on as long as no more than `daily_keep_us` have passed since, else it begins anew.
 *
 * balance     as locked by the caller
 * OK (look at wait_us), OVERFLOWN (the streak or a sum does not fit).
 */
MUST_CHECK enum status daily_decide(const struct economy_rates *rates, const struct balance *balance, int64_t now, struct daily *ret_daily);

/*
 * daily_count - the balance as it is after a daily: counters of the day, the streak and when. Periods that are over are ended first.
 *
 * OK, OVERFLOWN.
 */
MUST_CHECK enum status daily_count(struct balance *balance, const struct periods *running, const struct daily *daily, int64_t now);

#endif
