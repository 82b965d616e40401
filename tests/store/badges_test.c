/* Badges given by hand: every verdict, once per person through joinings and partings, and one that many give at once. */
#include "service/badges.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/app.h"
#include "service/tx.h"
#include "support/people.h"
#include "support/testdb.h"

#define GIVERS 8
#define ROUNDS 20
static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z */

static struct app *app;
static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)16 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	people_forget();
	testdb_exec("TRUNCATE public.audit_log");
	arena_free(arena);
	return 0;
}

static struct badge_granted grant(int64_t account, const char *code)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct badge_order order = {.account_id = account, .code = str_from_z(code), .source = STR("operator")};
	struct badge_granted granted = {0};

	assert_int_equal(badges_grant(&ctx, &order, &granted), OK);
	return granted;
}

static enum status in_tx(enum status (*step)(struct tx *tx, void *arg), void *arg)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	return tx_run(&ctx, step, arg);
}

static void test_every_verdict(void **state)
{
	int64_t account = people_add("telegram", 1, 10);
	int64_t gone = people_add("discord", 2, 9);
	const struct {
		int64_t account;
		const char *code;
		enum badge_verdict verdict;
		int64_t xp, coins; /* the change */
		int64_t xp_after, coins_after;
	} cases[] = {
		{account, "first_win", BADGE_GRANTED, 100, 50, 100, 50},
		{account, "first_win", BADGE_HELD, 0, 0, 100, 50},
		{account, "no_such", BADGE_UNKNOWN, 0, 0, 0, 0},
		{account, "", BADGE_UNKNOWN, 0, 0, 0, 0},
		{account + 1000, "first_win", BADGE_NOBODY, 0, 0, 0, 0},
		{gone, "first_win", BADGE_NOBODY, 0, 0, 0, 0},
		{account, "season_champion", BADGE_GRANTED, 5000, 3300, 5100, 3350}, /* F II to E III pay 800 */
	};

	(void)state;
	testdb_execf("UPDATE public.account SET erased_at = now() WHERE id = %lld", (long long)gone);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct badge_granted granted = grant(cases[i].account, cases[i].code);

		assert_int_equal(granted.verdict, cases[i].verdict);
		assert_int_equal(granted.xp, cases[i].xp);
		assert_int_equal(granted.coins, cases[i].coins);
		assert_int_equal(granted.xp_after, cases[i].xp_after);
		assert_int_equal(granted.coins_after, cases[i].coins_after);
	}
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.audit_log WHERE action = 'badge.grant'"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.badge_user_association WHERE earned_in_bot = 'operator'"), 2);
	people_assert_verified();
}

static void test_what_would_not_fit_changes_nothing(void **state)
{
	int64_t account = people_add("telegram", 1, 10);

	(void)state;
	testdb_execf("UPDATE public.account_balance SET coins = 9223372036854775807 WHERE account_id = %lld", (long long)account);
	assert_int_equal(grant(account, "first_win").verdict, BADGE_OVERFLOW);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.badge_user_association"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.audit_log"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 0);
	assert_int_equal(people_balance("xp", account), 0);
}

static void test_the_mark_goes_wherever_the_person_goes(void **state)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 10), .b = people_add("discord", 2, 9)};

	(void)state;
	assert_int_equal(grant(pair.b, "season_top10").verdict, BADGE_GRANTED);
	assert_int_equal(in_tx(people_join, &pair), OK);
	assert_int_equal(grant(pair.a, "season_top10").verdict, BADGE_HELD); /* the loser's is the survivor's */
	assert_int_equal(grant(pair.a, "season_top50").verdict, BADGE_GRANTED);
	assert_int_equal(in_tx(people_undo, &pair), OK);
	assert_int_equal(grant(pair.b, "season_top10").verdict, BADGE_HELD);
	assert_int_equal(grant(pair.b, "season_top50").verdict, BADGE_HELD); /* given while both were one */
	assert_int_equal(in_tx(people_join, &pair), OK);
	assert_int_equal(in_tx(people_unlink, &pair), OK);
	assert_int_equal(grant(people_account("discord", 2), "season_top10").verdict, BADGE_HELD);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger WHERE kind = 'badge' AND reason LIKE 'season%'"), 2);
	people_assert_verified();
}

struct giver {
	pthread_t thread;
	int64_t accounts[ROUNDS];
	size_t granted;
	size_t failed;
};

static void *give_all(void *arg)
{
	struct giver *giver = arg;
	struct arena *own = arena_new((size_t)1024 * 1024);

	for (int i = 0; i < ROUNDS; i++) {
		struct ctx ctx = testdb_ctx(app, own, now, 20);
		struct badge_order order = {.account_id = giver->accounts[i], .code = STR("first_win"), .source = STR("operator")};
		struct badge_granted granted = {0};

		giver->failed += badges_grant(&ctx, &order, &granted) != OK;
		giver->granted += granted.verdict == BADGE_GRANTED;
		arena_reset(own);
	}
	arena_free(own);
	return NULL;
}

static void test_many_give_it_and_it_is_paid_once(void **state)
{
	struct giver givers[GIVERS] = {0};
	size_t granted = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		givers[0].accounts[i] = people_add("telegram", i + 1, 10);
	}
	for (int i = 0; i < GIVERS; i++) {
		for (int j = 0; j < ROUNDS; j++) {
			givers[i].accounts[j] = givers[0].accounts[j];
		}
		assert_int_equal(pthread_create(&givers[i].thread, NULL, give_all, &givers[i]), 0);
	}
	for (int i = 0; i < GIVERS; i++) {
		assert_int_equal(pthread_join(givers[i].thread, NULL), 0);
		assert_int_equal(givers[i].failed, 0);
		granted += givers[i].granted;
	}
	assert_int_equal(granted, ROUNDS);
	assert_int_equal(testdb_i64("SELECT sum(xp) FROM public.account_balance"), ROUNDS * 100);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.audit_log WHERE action = 'badge.grant'"), ROUNDS);
	people_assert_verified();
}

static int open_all(void **state)
{
	int failed = testdb_setup(state);

	app = failed == 0 ? testdb_app(GIVERS) : NULL;
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
		cmocka_unit_test_setup_teardown(test_what_would_not_fit_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_mark_goes_wherever_the_person_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_give_it_and_it_is_paid_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
