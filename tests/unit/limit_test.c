/*
 * limit - rates and flights; every refusal, the exact borders, and what pressure does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/limit.h"

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1800000000) * SECOND)

static int open_table(void **state)
{
	*state = limit_table_new(1024);
	return *state == NULL ? -1 : 0;
}

static int close_table(void **state)
{
	limit_table_free(*state);
	return 0;
}

static void a_bucket_holds_a_minutes_worth(void **state)
{
	int64_t wait = -1;

	for (int i = 0; i < 20; i++) {
		assert_true(limit_rate_allow(*state, STR("a"), 20, NOW, &wait));
	}
	assert_int_equal(wait, -1);
	assert_false(limit_rate_allow(*state, STR("a"), 20, NOW, &wait));
	assert_int_equal(wait, 3 * SECOND);
}

static void a_refusal_costs_nothing_and_a_token_comes_back(void **state)
{
	int64_t wait = 0;

	for (int i = 0; i < 20; i++) {
		assert_true(limit_rate_allow(*state, STR("a"), 20, NOW, NULL));
	}
	for (int i = 0; i < 100; i++) {
		assert_false(limit_rate_allow(*state, STR("a"), 20, NOW, NULL));
	}
	assert_false(limit_rate_allow(*state, STR("a"), 20, NOW + 3 * SECOND - 1, &wait));
	assert_int_equal(wait, 1);
	assert_true(limit_rate_allow(*state, STR("a"), 20, NOW + 3 * SECOND, NULL));
	assert_false(limit_rate_allow(*state, STR("a"), 20, NOW + 3 * SECOND, NULL));
}

static void keys_do_not_touch_each_other(void **state)
{
	assert_true(limit_rate_allow(*state, STR("a"), 1, NOW, NULL));
	assert_false(limit_rate_allow(*state, STR("a"), 1, NOW, NULL));
	assert_true(limit_rate_allow(*state, STR("b"), 1, NOW, NULL));
	assert_true(limit_rate_allow(*state, STR("aa"), 1, NOW, NULL));
	assert_true(limit_rate_allow(*state, STR(""), 1, NOW, NULL));
	assert_true(limit_rate_allow(*state, STR("a\0"), 1, NOW, NULL));
}

static void a_clock_set_back_costs_at_most_a_minute(void **state)
{
	int64_t wait = 0;
	int64_t day_before = NOW - 86400 * SECOND;

	assert_true(limit_rate_allow(*state, STR("a"), 1, NOW, NULL));
	assert_false(limit_rate_allow(*state, STR("a"), 1, day_before, &wait));
	assert_in_range(wait, 1, 60 * SECOND);
	assert_false(limit_rate_allow(*state, STR("a"), 1, day_before + wait - 1, NULL));
	assert_true(limit_rate_allow(*state, STR("a"), 1, day_before + wait, NULL));
}

static void odd_rates_admit_their_number(void **state)
{
	int admitted = 0;

	while (limit_rate_allow(*state, STR("seven"), 7, NOW, NULL)) {
		admitted++;
	}
	assert_int_equal(admitted, 7);
	assert_true(limit_rate_allow(*state, STR("fast"), 60000000, NOW, NULL));
}

/* A flood of fresh keys may make the table forget; it must not refuse the fresh ones, nor grow. */
static void many_keys_are_let_in(void **state)
{
	char name[16];

	for (int i = 0; i < 20000; i++) {
		int len = snprintf(name, sizeof(name), "key-%d", i);

		assert_true(limit_rate_allow(*state, (struct str){name, (size_t)len}, 1, NOW, NULL));
	}
}

/* Whoever has used up most stays known while light users come and go. */
static void pressure_forgets_the_lightest_first(void **state)
{
	struct limit_table *small = limit_table_new(64);
	char name[16];

	(void)state;
	assert_non_null(small);
	while (limit_rate_allow(small, STR("heavy"), 60, NOW, NULL)) {
		continue;
	}
	for (int i = 0; i < 2000; i++) {
		int len = snprintf(name, sizeof(name), "light-%d", i);

		(void)limit_rate_allow(small, (struct str){name, (size_t)len}, 600, NOW, NULL);
	}
	assert_false(limit_rate_allow(small, STR("heavy"), 60, NOW, NULL));
	limit_table_free(small);
}

static void flights_stop_at_the_limit(void **state)
{
	for (int i = 0; i < 4; i++) {
		assert_int_equal(limit_flight_enter(*state, STR("t:1"), 4, 0), OK);
	}
	assert_int_equal(limit_flight_enter(*state, STR("t:1"), 4, 0), TOO_MANY);
	assert_int_equal(limit_flight_enter(*state, STR("t:2"), 4, 0), OK);
	limit_flight_leave(*state, STR("t:1"));
	assert_int_equal(limit_flight_enter(*state, STR("t:1"), 4, 0), OK);
	for (int i = 0; i < 4; i++) {
		limit_flight_leave(*state, STR("t:1"));
	}
	limit_flight_leave(*state, STR("t:2"));
}

static void the_next_waits_its_time_and_is_refused(void **state)
{
	assert_int_equal(limit_flight_enter(*state, STR("t:1"), 1, 0), OK);

	int64_t began = clock_monotonic_us();

	assert_int_equal(limit_flight_enter(*state, STR("t:1"), 1, 100000), TOO_MANY);
	assert_in_range(clock_monotonic_us() - began, 99000, 2 * SECOND);
	limit_flight_leave(*state, STR("t:1"));
}

static void a_full_set_refuses(void **state)
{
	struct limit_table *small = limit_table_new(64);
	bool inside[2000] = {false};
	int entered = 0;
	char name[16];

	(void)state;
	assert_non_null(small);
	for (int i = 0; i < 2000; i++) {
		int len = snprintf(name, sizeof(name), "%d", i);

		inside[i] = limit_flight_enter(small, (struct str){name, (size_t)len}, 1, 0) == OK;
		entered += inside[i];
	}
	assert_int_equal(entered, 64);
	for (int i = 0; i < 2000; i++) {
		int len = snprintf(name, sizeof(name), "%d", i);

		if (inside[i]) {
			limit_flight_leave(small, (struct str){name, (size_t)len});
		}
	}
	assert_int_equal(limit_flight_enter(small, STR("again"), 1, 0), OK);
	limit_flight_leave(small, STR("again"));
	limit_table_free(small);
}

struct crowd {
	struct limit_table *table;
	atomic_int inside;
	atomic_int most;
	atomic_int admitted;
};

static void *crowd_member(void *argument)
{
	struct crowd *crowd = argument;

	for (int i = 0; i < 50; i++) {
		if (limit_flight_enter(crowd->table, STR("one"), 4, 30 * SECOND) != OK) {
			continue;
		}
		int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
		int most = atomic_load(&crowd->most);

		while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside)) {
			continue;
		}
		(void)sched_yield();
		(void)atomic_fetch_sub(&crowd->inside, 1);
		(void)atomic_fetch_add(&crowd->admitted, 1);
		limit_flight_leave(crowd->table, STR("one"));
	}
	return NULL;
}

static void a_crowd_gets_in_four_at_a_time(void **state)
{
	struct crowd crowd = {.table = *state};
	pthread_t threads[12];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_in_range(atomic_load(&crowd.most), 1, 4);
	assert_int_equal(atomic_load(&crowd.admitted), 12 * 50);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_table, close_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bucket_holds_a_minutes_worth),
		TEST(a_refusal_costs_nothing_and_a_token_comes_back),
		TEST(keys_do_not_touch_each_other),
		TEST(a_clock_set_back_costs_at_most_a_minute),
		TEST(odd_rates_admit_their_number),
		TEST(many_keys_are_let_in),
		TEST(pressure_forgets_the_lightest_first),
		TEST(flights_stop_at_the_limit),
		TEST(the_next_waits_its_time_and_is_refused),
		TEST(a_full_set_refuses),
		TEST(a_crowd_gets_in_four_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
