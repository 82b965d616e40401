/* mission: how a person stands with a mission, when it may be claimed, and when its period ends. */
#include "core/mission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW (INT64_C(1763645000) * SECOND_US) /* Thursday 2025-11-20T13:23:20Z: day 20412, week 2916 */

static const struct periods running = {.day_no = 20412, .week_no = 2916};

static struct mission_view judged(enum balance_period period, int64_t played, bool completed, bool paid)
{
	struct mission_view view = {.mission = {.id = 1, .period = period, .counter = COUNTER_GAMES_PLAYED, .goal = 3}, .completed = completed};
	struct balance balance = {.day_no = 20412, .week_no = 2916, .games_played = played, .day_games_played = played,
	                          .week_games_played = played};

	mission_judge(&view, &balance, &running, paid);
	return view;
}

static void test_how_a_person_stands(void **state)
{
	static const struct {
		enum balance_period period;
		int64_t played;
		bool completed, paid;
		enum mission_state state;
		int64_t progress, period_no;
		enum mission_verdict verdict;
	} cases[] = {
		{BALANCE_DAY, 0, false, false, MISSION_OPEN, 0, 20412, MISSION_NOT_REACHED},
		{BALANCE_DAY, 2, false, false, MISSION_OPEN, 2, 20412, MISSION_NOT_REACHED},
		{BALANCE_DAY, 3, true, false, MISSION_READY, 3, 20412, MISSION_CLAIMABLE},
		{BALANCE_DAY, 9, true, false, MISSION_READY, 3, 20412, MISSION_CLAIMABLE},
		{BALANCE_DAY, 3, false, false, MISSION_READY, 3, 20412, MISSION_CLAIMABLE}, /* nothing has noticed it yet */
		{BALANCE_DAY, 3, true, true, MISSION_PAID, 3, 20412, MISSION_BEFORE},
		{BALANCE_DAY, 0, true, true, MISSION_PAID, 3, 20412, MISSION_BEFORE}, /* a mark that was taken along */
		{BALANCE_WEEK, 2, false, false, MISSION_OPEN, 2, 2916, MISSION_NOT_REACHED},
		{BALANCE_WEEK, 3, true, false, MISSION_READY, 3, 2916, MISSION_CLAIMABLE},
		{BALANCE_EVER, 2, false, false, MISSION_OPEN, 2, 0, MISSION_NOT_REACHED},
		{BALANCE_EVER, 5, false, false, MISSION_OPEN, 3, 0, MISSION_NOT_REACHED}, /* it pays itself */
		{BALANCE_EVER, 3, true, true, MISSION_PAID, 3, 0, MISSION_BEFORE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mission_view view = judged(cases[i].period, cases[i].played, cases[i].completed, cases[i].paid);

		assert_int_equal(view.state, cases[i].state);
		assert_int_equal(view.progress, cases[i].progress);
		assert_int_equal(view.period_no, cases[i].period_no);
		assert_int_equal(mission_decide(&view, 0), cases[i].verdict);
		assert_int_equal(mission_decide(&view, cases[i].period_no), cases[i].verdict);
	}
}

static void test_what_was_done_yesterday_does_not_count_today(void **state)
{
	struct mission_view view = {.mission = {.period = BALANCE_DAY, .counter = COUNTER_GAMES_PLAYED, .goal = 3}};
	struct balance balance = {.day_no = 20411, .day_games_played = 5};

	(void)state;
	mission_judge(&view, &balance, &running, false);
	assert_int_equal(view.progress, 0);
	assert_int_equal(view.state, MISSION_OPEN);
}

static void test_a_period_that_is_not_the_running_one_is_over(void **state)
{
	struct mission_view ready = judged(BALANCE_DAY, 3, true, false);
	struct mission_view paid = judged(BALANCE_DAY, 3, true, true);

	(void)state;
	assert_int_equal(mission_decide(&ready, 20411), MISSION_OVER);
	assert_int_equal(mission_decide(&paid, 20411), MISSION_OVER);
	assert_int_equal(mission_decide(&ready, 20413), MISSION_OVER);
	assert_int_equal(mission_decide(NULL, 0), MISSION_UNKNOWN);
}

static void test_days_end_at_midnight_and_weeks_on_monday(void **state)
{
	int64_t midnight = INT64_C(1763683200) * SECOND_US; /* 2025-11-21T00:00Z */
	int64_t monday = INT64_C(1763942400) * SECOND_US;   /* 2025-11-24T00:00Z */

	(void)state;
	assert_int_equal(mission_ends_at(BALANCE_DAY, NOW), midnight);
	assert_int_equal(mission_ends_at(BALANCE_DAY, midnight - 1), midnight);
	assert_int_equal(mission_ends_at(BALANCE_DAY, midnight), midnight + DAY_US);
	assert_int_equal(mission_ends_at(BALANCE_WEEK, NOW), monday);
	assert_int_equal(mission_ends_at(BALANCE_WEEK, monday - 1), monday);
	assert_int_equal(mission_ends_at(BALANCE_WEEK, monday), monday + 7 * DAY_US);
	assert_int_equal(mission_ends_at(BALANCE_EVER, NOW), 0);
	assert_int_equal(counter_week(monday), 2917);
	assert_int_equal(counter_week_start(2917), monday);
	assert_int_equal(counter_day_start(counter_day(NOW)), midnight - DAY_US);
}

static void test_words_of_periods(void **state)
{
	(void)state;
	assert_int_equal(mission_period_from_name(STR("daily")), BALANCE_DAY);
	assert_int_equal(mission_period_from_name(STR("weekly")), BALANCE_WEEK);
	assert_int_equal(mission_period_from_name(STR("once")), BALANCE_EVER);
}

static void test_a_counter_is_known_by_its_name(void **state)
{
	(void)state;
	for (int c = COUNTER_UNSET + 1; c < COUNTER_COUNT; c++) {
		assert_int_equal(counter_from_name(counter_name((enum counter)c)), c);
	}
	assert_int_equal(counter_from_name(STR("goals")), COUNTER_UNSET);
	assert_int_equal(counter_from_name(STR("")), COUNTER_UNSET);
	assert_int_equal(counter_from_name(STR_ABSENT), COUNTER_UNSET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_counter_is_known_by_its_name),
		cmocka_unit_test(test_how_a_person_stands),
		cmocka_unit_test(test_what_was_done_yesterday_does_not_count_today),
		cmocka_unit_test(test_a_period_that_is_not_the_running_one_is_over),
		cmocka_unit_test(test_days_end_at_midnight_and_weeks_on_monday),
		cmocka_unit_test(test_words_of_periods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
