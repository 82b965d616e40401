/* daily: what each day of a streak pays, the boundaries of waiting and of keeping the streak, and what does not fit. */
#include "core/daily.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/catalogue.h"

#define NOW (INT64_C(1763645000) * SECOND_US) /* 2025-11-20T13:23:20Z */

static struct balance after_streak(int64_t streak, int64_t ago)
{
	return (struct balance){.daily_streak = streak, .last_daily = NOW - ago};
}

static void test_a_streak_pays_a_tenth_more_each_day_up_to_twice(void **state)
{
	static const struct {
		int64_t streak, xp, coins;
	} days[] = {{1, 50, 100}, {2, 55, 110}, {3, 60, 120}, {4, 65, 130}, {5, 70, 140}, {6, 75, 150},
	            {7, 80, 160}, {8, 85, 170}, {9, 90, 180}, {10, 95, 190}, {11, 100, 200}, {12, 100, 200}, {1000000, 100, 200}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		struct balance balance = after_streak(days[i].streak - 1, DAY_US);
		struct daily daily = {0};

		assert_int_equal(daily_decide(&default_economy.rates, &balance, NOW, &daily), OK);
		assert_int_equal(daily.streak, days[i].streak);
		assert_int_equal(daily.xp, days[i].xp);
		assert_int_equal(daily.coins, days[i].coins);
	}
}

static void test_a_fraction_is_left_out(void **state)
{
	struct economy_rates rates = default_economy.rates;
	struct balance balance = after_streak(2, DAY_US);
	struct daily daily = {0};

	(void)state;
	rates.daily_xp = 9;
	rates.daily_coins = 0;
	assert_int_equal(daily_decide(&rates, &balance, NOW, &daily), OK);
	assert_int_equal(daily.xp, 10); /* 10.8 */
	assert_int_equal(daily.coins, 0);
}

static void test_the_boundaries_of_waiting_and_of_the_streak(void **state)
{
	static const struct {
		int64_t ago;
		int64_t streak, wait_us;
	} cases[] = {
		{0, 0, 20 * HOUR_US},
		{1, 0, 20 * HOUR_US - 1},
		{20 * HOUR_US - 1, 0, 1},
		{20 * HOUR_US, 5, 0},
		{20 * HOUR_US + 1, 5, 0},
		{48 * HOUR_US - 1, 5, 0},
		{48 * HOUR_US, 5, 0},
		{48 * HOUR_US + 1, 1, 0},
		{400 * DAY_US, 1, 0},
		{-HOUR_US, 0, 21 * HOUR_US}, /* a clock that was set back */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct balance balance = after_streak(4, cases[i].ago);
		struct daily daily = {0};

		assert_int_equal(daily_decide(&default_economy.rates, &balance, NOW, &daily), OK);
		assert_int_equal(daily.streak, cases[i].streak);
		assert_int_equal(daily.wait_us, cases[i].wait_us);
	}
}

static void test_the_first_one_needs_no_wait(void **state)
{
	struct balance fresh = {0};
	struct daily daily = {0};

	(void)state;
	assert_int_equal(daily_decide(&default_economy.rates, &fresh, NOW, &daily), OK);
	assert_int_equal(daily.streak, 1);
	assert_int_equal(daily.xp, 50);
}

/* Who leaves an account takes the time of its last daily along, not its streak (core/link.h, link_marks). */
static void test_who_left_an_account_waits_and_begins_anew(void **state)
{
	struct balance left = after_streak(0, 20 * HOUR_US - 1);
	struct daily daily = {0};

	(void)state;
	assert_int_equal(daily_decide(&default_economy.rates, &left, NOW, &daily), OK);
	assert_int_equal(daily.wait_us, 1);
	assert_int_equal(daily_decide(&default_economy.rates, &left, NOW + 1, &daily), OK);
	assert_int_equal(daily.streak, 1);
}

static void test_what_does_not_fit_is_refused_and_changes_nothing(void **state)
{
	struct economy_rates rates = default_economy.rates;
	struct balance balance = after_streak(INT64_MAX, DAY_US);
	struct daily daily = {.streak = -1};
	struct periods running = economy_periods(&default_economy, NOW);

	(void)state;
	assert_int_equal(daily_decide(&rates, &balance, NOW, &daily), OVERFLOWN);
	balance.daily_streak = 1;
	rates.daily_xp = INT64_MAX / 11 + 1;
	assert_int_equal(daily_decide(&rates, &balance, NOW, &daily), OVERFLOWN);
	rates.daily_xp = 50;
	rates.daily_coins = INT64_MAX / 11 + 1;
	assert_int_equal(daily_decide(&rates, &balance, NOW, &daily), OVERFLOWN);
	assert_int_equal(daily.streak, -1);
	rates.daily_coins = INT64_MAX / 11;
	assert_int_equal(daily_decide(&rates, &balance, NOW, &daily), OK);
	balance.dailies = INT64_MAX;
	assert_int_equal(daily_count(&balance, &running, &daily, NOW), OVERFLOWN);
	assert_int_equal(balance.daily_streak, 1);
}

static void test_it_is_counted_in_the_running_day(void **state)
{
	struct periods running = economy_periods(&default_economy, NOW);
	struct daily daily = {.streak = 3};
	struct balance balance = {.day_no = running.day_no - 1, .day_dailies = 1, .day_games_played = 5, .dailies = 7};

	(void)state;
	assert_int_equal(daily_count(&balance, &running, &daily, NOW), OK);
	assert_int_equal(balance.day_no, running.day_no);
	assert_int_equal(balance.day_dailies, 1);
	assert_int_equal(balance.day_games_played, 0);
	assert_int_equal(balance.dailies, 8);
	assert_int_equal(balance.daily_streak, 3);
	assert_int_equal(balance.last_daily, NOW);
	assert_int_equal(daily_count(&balance, &running, &daily, NOW + 21 * HOUR_US), OK);
	assert_int_equal(balance.day_dailies, 2); /* the period is the caller's to say */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_streak_pays_a_tenth_more_each_day_up_to_twice),
		cmocka_unit_test(test_a_fraction_is_left_out),
		cmocka_unit_test(test_the_boundaries_of_waiting_and_of_the_streak),
		cmocka_unit_test(test_the_first_one_needs_no_wait),
		cmocka_unit_test(test_who_left_an_account_waits_and_begins_anew),
		cmocka_unit_test(test_what_does_not_fit_is_refused_and_changes_nothing),
		cmocka_unit_test(test_it_is_counted_in_the_running_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
