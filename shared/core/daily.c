#include "core/daily.h"

/* A streak pays a tenth more each day, up to twice the base. */
#define PARTS 10
#define GROWING_DAYS 10

/* floor(base x (1 + min(n - 1, 10) / 10)), without fractions. */
static bool reward(int64_t base, int64_t streak, int64_t *ret_sum)
{
	int64_t more = streak - 1 < GROWING_DAYS ? streak - 1 : GROWING_DAYS;
	int64_t product = 0;

	if (__builtin_mul_overflow(base, PARTS + more, &product)) {
		return false;
	}
	*ret_sum = product / PARTS;
	return true;
}

enum status daily_decide(const struct economy_rates *rates, const struct balance *balance, int64_t now, struct daily *ret_daily)
{
	int64_t since = now - balance->last_daily;
	struct daily daily = {.streak = 1};

	if (balance->last_daily != 0 && since < rates->daily_again_us) {
		*ret_daily = (struct daily){.wait_us = rates->daily_again_us - since};
		return OK;
	}
	if (balance->last_daily != 0 && since <= rates->daily_keep_us &&
	    __builtin_add_overflow(balance->daily_streak, 1, &daily.streak)) {
		return OVERFLOWN;
	}
	if (!reward(rates->daily_xp, daily.streak, &daily.xp) || !reward(rates->daily_coins, daily.streak, &daily.coins)) {
		return OVERFLOWN;
	}
	*ret_daily = daily;
	return OK;
}

enum status daily_count(struct balance *balance, const struct periods *running, const struct daily *daily, int64_t now)
{
	struct balance after = *balance;

	economy_begin_periods(&after, running);
	if (__builtin_add_overflow(after.dailies, 1, &after.dailies) || __builtin_add_overflow(after.day_dailies, 1, &after.day_dailies)) {
		return OVERFLOWN;
	}
	after.daily_streak = daily->streak;
	after.last_daily = now;
	*balance = after;
	return OK;
}
