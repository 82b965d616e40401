/* How fast a bot may speak: windows, bursts, groups, holds, silence, backoff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/ctx.h"
#include "pace.h"

#define NOW (1000 * SECOND_US)
#define MS INT64_C(1000)

static const struct pace_rules telegram = {
	.all_count = 30,
	.all_window_us = SECOND_US,
	.chat_every_us = SECOND_US,
	.chat_burst = 3,
	.group_count = 20,
	.group_window_us = MINUTE_US,
};

static int set_up(void **state)
{
	*state = pace_new(&telegram);
	return *state == NULL;
}

static int tear_down(void **state)
{
	pace_free(*state);
	return 0;
}

static void call(struct pace *pace, int64_t recipient, int64_t now)
{
	pace_start(pace, recipient, now);
	pace_end(pace, true, now);
}

static void no_window_of_a_second_holds_more_than_thirty(void **state)
{
	struct pace *pace = *state;
	for (int64_t i = 0; i < 30; i++) {
		assert_int_equal(pace_room(pace, NOW + i * MS, true), 30 - i);
		call(pace, 100 + i, NOW + i * MS);
	}
	assert_int_equal(pace_room(pace, NOW + 999 * MS, true), 0);
	assert_int_equal(pace_room(pace, NOW + 1000 * MS, true), 1);
	assert_int_equal(pace_room(pace, NOW + 1010 * MS, true), 11);
}

static void some_room_is_kept_for_urgent_calls_but_not_in_silence(void **state)
{
	static const struct pace_rules keeping = {.all_count = 5, .all_window_us = SECOND_US, .urgent_count = 2};
	struct pace *pace = pace_new(&keeping);
	(void)state;
	assert_int_equal(pace_room(pace, NOW, false), 3);
	assert_int_equal(pace_room(pace, NOW, true), 5);
	for (int i = 0; i < 4; i++) {
		pace_start(pace, i + 1, NOW);
	}
	assert_int_equal(pace_room(pace, NOW, false), 0);
	assert_int_equal(pace_room(pace, NOW, true), 1);
	for (int i = 0; i < 4; i++) {
		pace_end(pace, false, NOW);
	}
	assert_int_equal(pace_room(pace, NOW + 2 * SECOND_US, false), 1);
	pace_free(pace);
}

static void a_chat_takes_a_burst_of_three_then_one_a_second(void **state)
{
	struct pace *pace = *state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pace_wait(pace, 7, NOW), 0);
		call(pace, 7, NOW);
	}
	assert_int_equal(pace_wait(pace, 7, NOW), SECOND_US);
	assert_int_equal(pace_wait(pace, 8, NOW), 0);
	int64_t now = NOW;
	int sent = 0;
	for (; now < NOW + 10 * SECOND_US; now += 50 * MS) {
		if (pace_wait(pace, 7, now) == 0) {
			call(pace, 7, now);
			sent++;
		}
	}
	assert_in_range(sent, 9, 10);
}

static void a_group_takes_twenty_a_minute(void **state)
{
	struct pace *pace = *state;
	int sent = 0;
	for (int64_t now = NOW; now < NOW + 59 * SECOND_US; now += 100 * MS) {
		if (pace_wait(pace, -5, now) == 0) {
			call(pace, -5, now);
			sent++;
		}
	}
	assert_int_equal(sent, 20);
	assert_int_equal(pace_wait(pace, -5, NOW + MINUTE_US), 0);
}

static void those_who_must_wait_are_told_and_forgotten(void **state)
{
	struct pace *pace = *state;
	int64_t held[8];
	pace_hold(pace, 7, NOW, 2 * SECOND_US);
	pace_hold(pace, 8, NOW, SECOND_US);
	pace_hold(pace, 8, NOW, 10 * MS); /* a shorter hold does not end a longer one */
	call(pace, 9, NOW);
	assert_int_equal(pace_held(pace, NOW, held, 8), 2);
	assert_int_equal(pace_held(pace, NOW, held, 1), 1);
	assert_int_equal(pace_held(pace, NOW + SECOND_US, held, 8), 1);
	assert_int_equal(held[0], 7);
	assert_int_equal(pace_held(pace, NOW + 2 * SECOND_US, held, 8), 0);
	assert_int_equal(pace_wait(pace, 7, NOW), 0); /* forgotten: nothing is remembered of the past */
}

static void a_hold_of_all_leaves_no_room(void **state)
{
	struct pace *pace = *state;
	pace_hold_all(pace, NOW, SECOND_US);
	assert_int_equal(pace_room(pace, NOW, true), 0);
	assert_int_equal(pace_room(pace, NOW + SECOND_US, true), 30);
}

static void a_silent_platform_is_tried_with_one_message_at_a_time(void **state)
{
	struct pace *pace = *state;
	for (int i = 0; i < 3; i++) {
		pace_start(pace, 10 + i, NOW);
	}
	pace_end(pace, false, NOW);
	pace_end(pace, false, NOW);
	assert_true(pace_room(pace, NOW, true) > 1);
	pace_end(pace, false, NOW);
	assert_int_equal(pace_room(pace, NOW, true), 0);
	int64_t now = NOW + SECOND_US;
	assert_int_equal(pace_room(pace, now, true), 1);
	pace_start(pace, 20, now);
	assert_int_equal(pace_room(pace, now, true), 0);
	pace_end(pace, false, now);
	assert_int_equal(pace_room(pace, now + SECOND_US, true), 0); /* the pause grows */
	now += 2 * SECOND_US;
	assert_int_equal(pace_room(pace, now, true), 1);
	pace_start(pace, 21, now);
	pace_end(pace, true, now);
	assert_int_equal(pace_room(pace, now, true), 29);
}

static void calls_that_are_no_messages_make_nobody_silent(void **state)
{
	struct pace *pace = *state;
	for (int i = 0; i < 10; i++) {
		pace_start(pace, 0, NOW);
		pace_leave(pace);
	}
	assert_int_equal(pace_room(pace, NOW, true), 20); /* they count all the same */
	assert_int_equal(pace_room(pace, NOW + SECOND_US, true), 30);
}

/* Ten calls that hung together once made the first pause ten seconds long. */
static void calls_that_end_unheard_together_make_one_pause(void **state)
{
	struct pace *pace = *state;
	for (int i = 0; i < 10; i++) {
		pace_start(pace, 10 + i, NOW);
	}
	for (int i = 0; i < 10; i++) {
		pace_end(pace, false, NOW + i * MS);
	}
	assert_int_equal(pace_room(pace, NOW + SECOND_US + 10 * MS, true), 1);
}

static void silence_never_pauses_longer_than_ten_seconds(void **state)
{
	struct pace *pace = *state;
	int64_t now = NOW;
	for (int i = 0; i < 40; i++) {
		pace_start(pace, 30 + i, now);
		pace_end(pace, false, now);
		assert_int_equal(pace_room(pace, now, true), i < 2 ? 29 : 0);
		now += 10 * SECOND_US;
		assert_int_equal(pace_room(pace, now, true), i < 2 ? 30 : 1);
	}
}

static void failures_are_counted_per_recipient(void **state)
{
	struct pace *pace = *state;
	assert_int_equal(pace_failures(pace, 7), 0);
	pace_failed(pace, 7, NOW);
	pace_failed(pace, 7, NOW);
	pace_failed(pace, 8, NOW);
	assert_int_equal(pace_failures(pace, 7), 2);
	assert_int_equal(pace_failures(pace, 8), 1);
	pace_succeeded(pace, 7);
	assert_int_equal(pace_failures(pace, 7), 0);
}

static void backoff_doubles_to_a_minute_with_at_most_a_quarter_off(void **state)
{
	static const int64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};
	(void)state;
	for (int64_t i = 0; i < 8; i++) {
		assert_int_equal(pace_backoff(i + 1, 0), seconds[i] * SECOND_US);
		for (unsigned chance = 0; chance < 3000; chance += 37) {
			assert_in_range(pace_backoff(i + 1, chance), seconds[i] * SECOND_US * 3 / 4, seconds[i] * SECOND_US);
		}
	}
	assert_int_equal(pace_backoff(1000, 0), MINUTE_US);
}

static void more_chats_than_remembered_take_the_place_of_those_free_first(void **state)
{
	struct pace *pace = *state;
	pace_hold(pace, 1, NOW, HOUR_US);
	for (int64_t i = 0; i < PACE_CHATS_MAX + 10; i++) {
		pace_hold(pace, 100 + i, NOW, MINUTE_US);
	}
	assert_int_equal(pace_wait(pace, 1, NOW), HOUR_US);
	assert_int_equal(pace_wait(pace, 100 + PACE_CHATS_MAX + 9, NOW), MINUTE_US);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(no_window_of_a_second_holds_more_than_thirty),
		TEST(some_room_is_kept_for_urgent_calls_but_not_in_silence),
		TEST(a_chat_takes_a_burst_of_three_then_one_a_second),
		TEST(a_group_takes_twenty_a_minute),
		TEST(those_who_must_wait_are_told_and_forgotten),
		TEST(a_hold_of_all_leaves_no_room),
		TEST(a_silent_platform_is_tried_with_one_message_at_a_time),
		TEST(calls_that_are_no_messages_make_nobody_silent),
		TEST(calls_that_end_unheard_together_make_one_pause),
		TEST(silence_never_pauses_longer_than_ten_seconds),
		TEST(failures_are_counted_per_recipient),
		TEST(backoff_doubles_to_a_minute_with_at_most_a_quarter_off),
		TEST(more_chats_than_remembered_take_the_place_of_those_free_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
