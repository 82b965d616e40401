/* Orders of XP and coins: every verdict, and one key that many threads send at once. */
#include "service/adjust.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "io/app.h"
#include "io/json.h"
#include "service/people.h"
#include "support/testdb.h"

#define THREADS 8
#define ROUNDS 25
static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z */

static struct app *app;
static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)4 * 1024 * 1024);
	for (int64_t id = 1; id <= THREADS; id++) {
		struct ctx ctx = testdb_ctx(app, arena, now, 10);
		struct person person = {.platform = PLATFORM_TELEGRAM, .platform_id = id};
		struct unified unified;
		bool created = false;

		assert_int_equal(people_get_or_create(&ctx, &person, &unified, &created), OK);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testdb_exec("TRUNCATE public.event_key, public.ledger, public.outbox, public.audit_log, public.identity, public.account_balance,"
	            " public.account RESTART IDENTITY CASCADE");
	arena_free(arena);
	return 0;
}

static struct adjust_order order_of(int64_t id, const char *key, int64_t xp, int64_t coins)
{
	return (struct adjust_order){.platform = PLATFORM_TELEGRAM, .platform_id = id, .space = STR("api:7"), .key = str_from_z(key),
	                             .source = STR("api:quiz"), .reason = STR("test"), .xp = xp, .coins = coins};
}

static struct adjusted carry_out(const struct adjust_order *order)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct adjusted adjusted = {0};

	assert_int_equal(adjust(&ctx, order, &adjusted), OK);
	return adjusted;
}

static void test_every_verdict(void **state)
{
	const struct {
		int64_t id;
		const char *key;
		int64_t xp;
		int64_t coins;
		enum adjust_verdict verdict;
		int64_t xp_after;
		int64_t coins_after;
	} cases[] = {
		{1, "a", 10, 20, ADJUST_DONE, 10, 20},
		{1, "a", 10, 20, ADJUST_REPEATED, 10, 20},
		{1, "b", -10, -5, ADJUST_DONE, 0, 15},
		{1, "a", 10, 20, ADJUST_REPEATED, 10, 20}, /* as it was then */
		{1, "a", 10, 21, ADJUST_KEY_REUSED, 0, 0},
		{2, "a", 10, 20, ADJUST_KEY_REUSED, 0, 0},
		{99, "a", 10, 20, ADJUST_KEY_REUSED, 0, 0},
		{99, "c", 10, 20, ADJUST_NOBODY, 0, 0},
		{1, "c", -1, 0, ADJUST_INSUFFICIENT, 0, 15},
		{1, "c", 1, -16, ADJUST_INSUFFICIENT, 0, 15},
		{1, "c", 0, 0, ADJUST_OUT_OF_RANGE, 0, 0},
		{1, "c", ADJUST_MAX + 1, 0, ADJUST_OUT_OF_RANGE, 0, 0},
		{1, "c", 0, -ADJUST_MAX - 1, ADJUST_OUT_OF_RANGE, 0, 0},
		{1, "c", INT64_MIN, INT64_MAX, ADJUST_OUT_OF_RANGE, 0, 0},
		{1, "c", 0, -15, ADJUST_DONE, 0, 0}, /* no refusal took the key */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct adjust_order order = order_of(cases[i].id, cases[i].key, cases[i].xp, cases[i].coins);
		struct adjusted adjusted = carry_out(&order);

		assert_int_equal(adjusted.verdict, cases[i].verdict);
		assert_int_equal(adjusted.xp_after, cases[i].xp_after);
		assert_int_equal(adjusted.coins_after, cases[i].coins_after);
	}
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 3);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.audit_log"), 3);
	testdb_exec("UPDATE public.account_balance SET coins = 9223372036854775807 WHERE account_id = 1");
	assert_int_equal(carry_out(&(struct adjust_order){.account_id = 1, .space = STR("operator"), .key = STR("a"), .source = STR("operator"),
	                                                  .reason = STR("test"), .coins = 1}).verdict, ADJUST_OVERFLOW);
}

static void test_what_differs_is_named(void **state)
{
	struct adjust_order order = order_of(1, "a", 10, 20);
	struct adjusted adjusted = carry_out(&order);

	(void)state;
	order.reason = STR("other");
	order.platform_id = 2;
	adjusted = carry_out(&order);
	assert_true(str_eq(adjusted.differs, STR("platform_id, reason")));
	order = order_of(1, "a", 11, 21);
	adjusted = carry_out(&order);
	assert_true(str_eq(adjusted.differs, STR("xp, coins")));
	/* Another space has keys of its own. */
	order.space = STR("api:8");
	assert_int_equal(carry_out(&order).verdict, ADJUST_DONE);
	/* An account that is no more. */
	testdb_exec("UPDATE public.account SET merged_into = 2, merged_at = now() WHERE id = 3");
	assert_int_equal(carry_out(&(struct adjust_order){.account_id = 3, .space = STR("operator"), .key = STR("a"), .source = STR("operator"),
	                                                  .reason = STR("test"), .coins = 1}).verdict, ADJUST_NOBODY);
}

struct sender {
	pthread_t thread;
	int64_t id; /* of the person */
	int64_t coins;
	pthread_barrier_t *together; /* NULL: each at his own pace */
	bool refills;                /* gives back what a round took, before all begin the next */
	size_t verdicts[ADJUST_VERDICT_COUNT];
	size_t failed;
};

/* As programs do: what was too busy is sent again. */
static enum status send_until_told(struct arena *own, const struct adjust_order *order, struct adjusted *ret_adjusted)
{
	enum status status = UNAVAILABLE;

	for (int i = 0; i < 100 && (status == UNAVAILABLE || status == RETRY || status == TIMED_OUT); i++) {
		struct ctx ctx = testdb_ctx(app, own, now, 20);

		arena_reset(own);
		status = adjust(&ctx, order, ret_adjusted);
	}
	return status;
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	struct arena *own = arena_new((size_t)1024 * 1024);

	for (int round = 0; round < ROUNDS; round++) {
		char key[32];
		struct adjusted adjusted;
		struct adjust_order order = order_of(sender->id, key, 1, sender->coins);

		(void)snprintf(key, sizeof(key), "round %d", round);
		order.key = str_from_z(key);
		if (sender->together != NULL) {
			(void)pthread_barrier_wait(sender->together);
		}
		if (send_until_told(own, &order, &adjusted) == OK) {
			sender->verdicts[adjusted.verdict]++;
		} else {
			sender->failed++;
		}
		if (sender->together != NULL) {
			(void)pthread_barrier_wait(sender->together);
		}
		if (sender->refills) {
			char refill[32];

			(void)snprintf(refill, sizeof(refill), "refill %d", round);
			order = order_of(sender->id, refill, 0, -sender->coins);
			sender->failed += send_until_told(own, &order, &adjusted) != OK || adjusted.verdict != ADJUST_DONE;
		}
	}
	arena_free(own);
	return NULL;
}

/* Many threads send the same keys, for one person or each for another. */
static void race(bool one_person, int64_t coins, pthread_barrier_t *together, size_t *ret_verdicts)
{
	struct sender senders[THREADS];

	for (int i = 0; i < THREADS; i++) {
		senders[i] = (struct sender){.id = one_person ? 1 : i + 1, .coins = coins, .together = together,
		                             .refills = together != NULL && i == 0};
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
		assert_int_equal(senders[i].failed, 0);
		for (size_t v = 0; v < ADJUST_VERDICT_COUNT; v++) {
			ret_verdicts[v] += senders[i].verdicts[v];
		}
	}
	assert_int_equal(ret_verdicts[ADJUST_DONE], ROUNDS);
	assert_int_equal(testdb_i64("SELECT sum(xp) FROM public.account_balance"), ROUNDS);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger WHERE kind = 'adjust' AND xp = 1"), ROUNDS);
}

static void test_one_order_sent_by_many_is_carried_out_once(void **state)
{
	size_t verdicts[ADJUST_VERDICT_COUNT] = {0};

	(void)state;
	race(true, 1, NULL, verdicts);
	assert_int_equal(verdicts[ADJUST_REPEATED], (THREADS - 1) * ROUNDS);
}

/* Each round's order takes all there is: whoever waited for the first must hear of it, not of a shortage. */
static void test_a_repeat_in_flight_of_what_took_everything_is_no_shortage(void **state)
{
	size_t verdicts[ADJUST_VERDICT_COUNT] = {0};
	struct adjust_order first = order_of(1, "first", 0, 5);
	pthread_barrier_t together;

	(void)state;
	assert_int_equal(carry_out(&first).verdict, ADJUST_DONE);
	assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
	race(true, -5, &together, verdicts);
	(void)pthread_barrier_destroy(&together);
	assert_int_equal(verdicts[ADJUST_REPEATED], (THREADS - 1) * ROUNDS);
}

static void test_one_key_for_many_people_is_the_firsts(void **state)
{
	size_t verdicts[ADJUST_VERDICT_COUNT] = {0};

	(void)state;
	race(false, 1, NULL, verdicts);
	assert_int_equal(verdicts[ADJUST_KEY_REUSED], (THREADS - 1) * ROUNDS);
}

static int open_all(void **state)
{
	int failed = testdb_setup(state);

	app = failed == 0 ? testdb_app(THREADS) : NULL;
	return app == NULL ? -1 : 0;
}

static int close_all(void **state)
{
	testdb_app_close(app);
	return testdb_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_verdict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_differs_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_order_sent_by_many_is_carried_out_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_repeat_in_flight_of_what_took_everything_is_no_shortage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_key_for_many_people_is_the_firsts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
