/* /daily and missions in the database: paid once whoever asks at once, refusals, and what is paid when a day or week has ended. */
#include "service/missions.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "io/app.h"
#include "io/json.h"
#include "service/daily.h"
#include "service/linking.h"
#include "service/tx.h"
#include "store/store.h"
#include "support/people.h"
#include "support/testdb.h"

static const int64_t now = INT64_C(1763645064) * SECOND_US; /* Thursday 2025-11-20T13:24:24Z: day 20412, week 2916 */
#define TODAY 20412
#define THIS_WEEK 2916
#define THREADS 5

/* Of the default catalogue. */
enum {
	PLAY_3 = 1, /* daily, 50 coins */
	WIN_1 = 2,  /* daily, 100 coins */
	RETURN = 3, /* daily, 10 coins */
	PLAY_20 = 4 /* weekly, 500 coins */
};

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
	testdb_exec("UPDATE public.missions SET active = true; UPDATE public.missions SET goal = 3, coins = 50 WHERE id = 1;"
	            "UPDATE public.missions SET period = 'once' WHERE id = 7");
	testdb_exec("UPDATE public.economy_setting SET daily_xp = 50, daily_coins = 100");
	arena_free(arena);
	return 0;
}

/* As the economy leaves it when the goal of a day's or week's mission is reached. */
static void complete(int64_t account, int mission, int period_no)
{
	testdb_execf("INSERT INTO public.mission_progress (user_id, mission_id, period_no, completed_at) VALUES (%lld, %d, %d,"
	             " to_timestamp(1763645000))", (long long)account, mission, period_no);
}

static int64_t unclaimed(void)
{
	return testdb_i64("SELECT count(*) FROM public.mission_progress WHERE claimed_at IS NULL AND NOT copied");
}

/* ---- claiming ---- */

struct claiming {
	struct mission_claim claim;
	struct mission_claimed claimed;
};

static enum status claim_step(struct tx *tx, void *arg)
{
	struct claiming *claiming = arg;
	enum status status = account_lock(tx, &claiming->claim.account_id, 1);

	return status == OK ? missions_claim(tx, &claiming->claim, &claiming->claimed) : status;
}

static struct mission_claimed claim(int64_t account, int64_t mission, int64_t period_no)
{
	struct claiming claiming = {.claim = {account, mission, period_no, STR("telegram:main")}};
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	assert_int_equal(tx_run(&ctx, claim_step, &claiming), OK);
	return claiming.claimed;
}

static void test_a_claim_pays_once(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	complete(account, WIN_1, TODAY);
	struct mission_claimed first = claim(account, WIN_1, TODAY);

	assert_int_equal(first.verdict, MISSION_CLAIMABLE);
	assert_int_equal(first.coins, 100);
	assert_int_equal(first.xp, 0);
	assert_int_equal(people_balance("coins", account), 100);
	assert_int_equal(first.list.balance.coins, 100);
	assert_int_equal(first.list.count, 19);
	assert_int_equal(first.list.views[1].state, MISSION_PAID);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', kind, reason, source, coins, idempotency_key) FROM public.ledger"),
	                    "mission_completed daily_win_1 telegram:main 100 mission:1:2:20412");
	assert_int_equal(claim(account, WIN_1, TODAY).verdict, MISSION_BEFORE);
	assert_int_equal(claim(account, WIN_1, 0).verdict, MISSION_BEFORE);
	assert_int_equal(people_balance("coins", account), 100);
	assert_int_equal(unclaimed(), 0);
	people_assert_verified();
}

static void test_each_refusal_is_told_apart_and_pays_nothing(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	complete(account, WIN_1, TODAY - 1);
	complete(account, PLAY_20, THIS_WEEK - 1);
	testdb_exec("UPDATE public.account_balance SET games_played = 1, day_no = 20412, day_games_played = 2");
	testdb_execf("INSERT INTO public.mission_progress VALUES (%lld, 7, 0, now(), now(), false), (%lld, 3, %d, now(), NULL, true)",
	             (long long)account, (long long)account, TODAY);
	assert_int_equal(claim(account, 77, 0).verdict, MISSION_UNKNOWN);
	assert_int_equal(claim(account, PLAY_3, 0).verdict, MISSION_NOT_REACHED);
	assert_int_equal(claim(account, WIN_1, TODAY).verdict, MISSION_NOT_REACHED);
	assert_int_equal(claim(account, WIN_1, TODAY - 1).verdict, MISSION_OVER);
	assert_int_equal(claim(account, PLAY_20, THIS_WEEK - 1).verdict, MISSION_OVER);
	assert_int_equal(claim(account, 7, 0).verdict, MISSION_BEFORE);       /* done once: paid at completion */
	assert_int_equal(claim(account, 8, 0).verdict, MISSION_NOT_REACHED);
	assert_int_equal(claim(account, RETURN, 0).verdict, MISSION_BEFORE);  /* a mark that was taken along */
	assert_int_equal(claim(account, 0, 0).verdict, MISSION_NOTHING);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 0);
	assert_int_equal(unclaimed(), 2);
}

static void test_all_that_wait_are_claimed_together(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	complete(account, PLAY_3, TODAY);
	complete(account, WIN_1, TODAY);
	complete(account, PLAY_20, THIS_WEEK);
	complete(account, RETURN, TODAY - 1); /* the worker's */
	struct mission_claimed all = claim(account, 0, 0);

	assert_int_equal(all.verdict, MISSION_CLAIMABLE);
	assert_int_equal(all.count, 3);
	assert_int_equal(all.coins, 650);
	assert_int_equal(people_balance("coins", account), 650);
	assert_int_equal(unclaimed(), 1);
	assert_int_equal(claim(account, 0, 0).verdict, MISSION_NOTHING);
	people_assert_verified();
}

static void test_what_was_ended_by_staff_is_still_paid(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	complete(account, WIN_1, TODAY);
	testdb_exec("UPDATE public.missions SET active = false WHERE id = 2");
	assert_int_equal(claim(account, WIN_1, 0).coins, 100);
	assert_int_equal(claim(account, WIN_1, 0).verdict, MISSION_UNKNOWN); /* it is seen no more */
}

static void test_a_goal_that_was_lowered_behind_the_deeds_can_be_claimed(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	testdb_exec("UPDATE public.account_balance SET day_no = 20412, day_games_played = 3, games_played = 3");
	assert_int_equal(claim(account, PLAY_3, 0).coins, 50);
	assert_int_equal(claim(account, PLAY_3, 0).verdict, MISSION_BEFORE);
	assert_int_equal(people_balance("coins", account), 100); /* the first game's mission was noticed with it */
	people_assert_verified();
}

static void test_what_was_done_once_can_be_done_each_day_when_staff_make_it_so(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct claiming claiming = {.claim = {account, 7, 0, STR("telegram:main")}};
	struct ctx ctx = testdb_ctx(app, arena, now + HOUR_US, 10); /* what was read of the catalogue before is no longer fresh */

	(void)state;
	testdb_execf("INSERT INTO public.mission_progress VALUES (%lld, 7, 0, now(), now(), false)", (long long)account);
	testdb_exec("UPDATE public.account_balance SET day_no = 20412, day_games_played = 1, games_played = 1;"
	            "UPDATE public.missions SET period = 'daily' WHERE id = 7");
	assert_int_equal(tx_run(&ctx, claim_step, &claiming), OK);
	assert_int_equal(claiming.claimed.verdict, MISSION_CLAIMABLE);
	assert_int_equal(claiming.claimed.coins, 50);
	assert_int_equal(people_balance("coins", account), 50);
	people_assert_verified();
}

static void test_a_reward_of_nothing_is_claimed_without_a_row(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	testdb_exec("UPDATE public.missions SET coins = 0 WHERE id = 1");
	complete(account, PLAY_3, TODAY);
	assert_int_equal(claim(account, PLAY_3, 0).verdict, MISSION_CLAIMABLE);
	assert_int_equal(claim(account, PLAY_3, 0).verdict, MISSION_BEFORE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 0);
}

static void test_what_does_not_fit_stays_to_be_claimed_and_holds_up_nothing(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	testdb_exec("INSERT INTO public.badge_user_association SELECT 1, id, 'test', now() FROM public.badges WHERE code = 'rich'");
	testdb_exec("UPDATE public.account_balance SET achievements = 1, coins = 9223372036854775807 - 60");
	complete(account, PLAY_3, TODAY);
	complete(account, WIN_1, TODAY);
	assert_int_equal(claim(account, WIN_1, 0).verdict, MISSION_FULL);
	assert_int_equal(unclaimed(), 2);
	assert_int_equal(claim(account, 0, 0).coins, 50);
	assert_int_equal(unclaimed(), 1);
}

struct racer {
	pthread_t thread;
	int64_t account;
	struct mission_claimed claimed;
	struct missions_paid paid;
	struct daily_claimed daily;
	int number;
	enum status status;
};

static void race(struct racer *racers, size_t count, void *(*run)(void *))
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pthread_create(&racers[i].thread, NULL, run, &racers[i]), 0);
	}
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
	}
}

static void *claim_in_a_race(void *arg)
{
	struct racer *racer = arg;
	struct claiming claiming = {.claim = {racer->account, WIN_1, TODAY, STR("telegram:main")}};
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);
	struct ctx ctx = testdb_ctx(app, own, now, 10);

	racer->status = tx_run(&ctx, claim_step, &claiming);
	racer->claimed = claiming.claimed;
	arena_free(own);
	return NULL;
}

static void test_five_claims_at_once_pay_once(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		int64_t account = people_add("telegram", round + 1, 1);
		struct racer racers[THREADS] = {0};
		size_t paid = 0;
		size_t before = 0;

		complete(account, WIN_1, TODAY);
		for (size_t i = 0; i < THREADS; i++) {
			racers[i].account = account;
		}
		race(racers, THREADS, claim_in_a_race);
		for (size_t i = 0; i < THREADS; i++) {
			assert_int_equal(racers[i].status, OK);
			paid += racers[i].claimed.verdict == MISSION_CLAIMABLE ? 1 : 0;
			before += racers[i].claimed.verdict == MISSION_BEFORE ? 1 : 0;
		}
		assert_int_equal(paid, 1);
		assert_int_equal(before, THREADS - 1);
		assert_int_equal(people_balance("coins", account), 100);
	}
	people_assert_verified();
}

/* ---- the end of a period ---- */

static struct missions_paid pay_at(struct missions_payer *payer, int64_t at)
{
	struct missions_paid paid = {0};
	struct ctx ctx = testdb_ctx(app, arena, at, 10);

	assert_int_equal(missions_pay(&ctx, payer, &paid), OK);
	return paid;
}

static void test_a_day_and_a_week_are_paid_when_they_have_ended(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	int64_t midnight = counter_day_start(TODAY + 1);
	int64_t monday = counter_week_start(THIS_WEEK + 1);
	struct missions_payer payer = {0};

	(void)state;
	complete(account, WIN_1, TODAY);
	complete(account, PLAY_20, THIS_WEEK);
	complete(account, PLAY_20, THIS_WEEK + 1); /* by a program whose clock is ahead */
	assert_int_equal(pay_at(&payer, midnight - 1).count, 0);
	assert_int_equal(pay_at(&payer, midnight).count, 1);
	assert_int_equal(people_balance("coins", account), 100);
	assert_int_equal(pay_at(&payer, monday - 1).count, 0);
	assert_int_equal(pay_at(&payer, monday).count, 1);
	assert_int_equal(people_balance("coins", account), 600);
	assert_int_equal(pay_at(&payer, monday + DAY_US).count, 0);
	assert_int_equal(unclaimed(), 1);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', kind, reason, source, coins), ', ' ORDER BY id) FROM public.ledger"),
	                    "mission_completed daily_win_1 missions 100, mission_completed weekly_play_20 missions 500");
	people_assert_verified();
}

static void test_a_worker_that_was_down_pays_when_it_is_back(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct missions_payer payer = {0};

	(void)state;
	for (int day = 0; day < 3; day++) {
		complete(account, PLAY_3, TODAY - day);
		complete(account, RETURN, TODAY - day);
	}
	assert_int_equal(pay_at(&payer, now + 3 * DAY_US).count, 6);
	assert_int_equal(people_balance("coins", account), 180);
	assert_int_equal(unclaimed(), 0);
	people_assert_verified();
}

static void test_what_staff_change_of_a_mission_takes_no_reward_away(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct missions_payer payer = {0};

	(void)state;
	complete(account, WIN_1, TODAY);
	complete(account, PLAY_20, THIS_WEEK);
	testdb_exec("UPDATE public.missions SET active = false, period = 'weekly' WHERE id = 2");
	testdb_exec("UPDATE public.missions SET period = 'daily' WHERE id = 4");
	assert_int_equal(pay_at(&payer, now).count, 0);
	assert_int_equal(pay_at(&payer, now + DAY_US).count, 1);
	assert_int_equal(pay_at(&payer, now + 7 * DAY_US).count, 1);
	testdb_exec("UPDATE public.missions SET period = 'daily' WHERE id = 2; UPDATE public.missions SET period = 'weekly' WHERE id = 4");
	assert_int_equal(people_balance("coins", account), 600);
}

static void test_what_was_claimed_taken_along_or_done_once_is_not_paid_again(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct missions_payer payer = {0};

	(void)state;
	complete(account, WIN_1, TODAY);
	(void)claim(account, WIN_1, 0);
	testdb_execf("INSERT INTO public.mission_progress VALUES (%lld, 1, %d, now(), NULL, true), (%lld, 7, 0, now(), now(), false)",
	             (long long)account, TODAY, (long long)account);
	assert_int_equal(pay_at(&payer, now + 8 * DAY_US).count, 0);
	assert_int_equal(people_balance("coins", account), 100);
}

static void *pay_in_a_race(void *arg)
{
	struct racer *racer = arg;
	struct arena *own = arena_new((size_t)16 * 1024 * 1024);
	struct missions_payer payer = {0};

	for (int turn = 0; turn < 60 && racer->status == OK; turn++) {
		struct ctx ctx = testdb_ctx(app, own, now + DAY_US, 10);
		struct missions_paid paid = {0};

		racer->status = missions_pay(&ctx, &payer, &paid);
		racer->paid.count += paid.count;
		arena_reset(own);
	}
	arena_free(own);
	return NULL;
}

/* Claims one account after the other, by a clock that is behind. */
static void *claim_many(void *arg)
{
	struct racer *racer = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);

	for (int64_t account = 300; account >= 1 && racer->status == OK; account--) {
		struct claiming claiming = {.claim = {account, WIN_1, TODAY, STR("telegram:main")}};
		struct ctx ctx = testdb_ctx(app, own, now, 10);

		do {
			racer->status = tx_run(&ctx, claim_step, &claiming);
		} while (racer->status == UNAVAILABLE); /* 500 ms were not enough to get the lock */
		racer->paid.count += claiming.claimed.count;
		arena_reset(own);
	}
	arena_free(own);
	return NULL;
}

static void *work_or_claim(void *arg)
{
	struct racer *racer = arg;

	return racer->number < 3 ? pay_in_a_race(arg) : claim_many(arg);
}

static void test_workers_and_claims_together_pay_each_once(void **state)
{
	struct racer racers[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	size_t sum = 0;

	(void)state;
	for (int i = 1; i <= 300; i++) {
		assert_int_equal(people_add("telegram", i, 1), i);
	}
	testdb_exec("INSERT INTO public.mission_progress (user_id, mission_id, period_no, completed_at)"
	            " SELECT id, m, 20412, now() FROM public.account, generate_series(1, 2) AS m");
	race(racers, 4, work_or_claim);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(racers[i].status, OK);
		sum += racers[i].paid.count;
	}
	assert_int_equal(sum, 600);
	assert_int_equal(unclaimed(), 0);
	assert_int_equal(testdb_i64("SELECT sum(coins)::bigint FROM public.account_balance"), 300 * 150);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 600);
	people_assert_verified();
}

static void test_what_cannot_be_paid_holds_up_nobody_and_is_tried_again(void **state)
{
	struct missions_payer payer = {0};
	struct missions_paid paid = {0};

	(void)state;
	for (int i = 1; i <= MISSIONS_PORTION + 1; i++) {
		(void)people_add("telegram", i, 1);
	}
	testdb_exec("UPDATE public.account_balance SET coins = 9223372036854775807 WHERE account_id <= 100");
	testdb_exec("INSERT INTO public.mission_progress (user_id, mission_id, period_no, completed_at)"
	            " SELECT id, 2, 20411, now() FROM public.account");
	paid = pay_at(&payer, now);
	assert_int_equal(paid.count, 0);
	assert_int_equal(paid.stuck, MISSIONS_PORTION);
	assert_true(paid.more);
	paid = pay_at(&payer, now);
	assert_int_equal(paid.count, 1);
	assert_false(paid.more);
	testdb_exec("UPDATE public.account_balance SET coins = 0 WHERE account_id <= 100");
	paid = pay_at(&payer, now);
	assert_int_equal(paid.count, MISSIONS_PORTION);
	assert_int_equal(unclaimed(), 0);
	people_assert_verified();
}

/* ---- people who join and part ---- */

static void in_tx(enum status (*step)(struct tx *, void *), struct people_pair *pair)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	assert_int_equal(tx_run(&ctx, step, pair), OK);
}

static void test_missions_of_an_account_that_was_joined_pay_the_survivor(void **state)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 2), .b = people_add("discord", 2, 1)};
	struct missions_payer payer = {0};

	(void)state;
	complete(pair.b, WIN_1, TODAY);
	complete(pair.b, PLAY_3, TODAY);
	complete(pair.a, PLAY_3, TODAY);
	in_tx(people_join, &pair);
	int64_t before = people_balance("coins", pair.a);

	assert_int_equal(claim(pair.a, WIN_1, 0).coins, 100);
	assert_int_equal(pay_at(&payer, now + DAY_US).count, 1);
	assert_int_equal(people_balance("coins", pair.a) - before, 150);
	assert_int_equal(people_balance("coins", pair.b), 0);
	people_assert_verified();
}

static struct people_pair linked_and_parted(void)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 2), .b = people_add("discord", 2, 1)};

	in_tx(people_join, &pair);
	return pair;
}

static void test_who_leaves_has_nothing_to_claim_a_second_time(void **state)
{
	struct people_pair pair = linked_and_parted();
	struct missions_payer payer = {0};

	(void)state;
	complete(pair.a, WIN_1, TODAY);
	/* By a program whose clock is ahead: of tomorrow, of next week. What is over is no matter of his. */
	complete(pair.a, PLAY_3, TODAY + 1);
	complete(pair.a, PLAY_20, THIS_WEEK + 1);
	complete(pair.a, RETURN, TODAY - 1);
	int64_t before = testdb_i64("SELECT sum(coins)::bigint FROM public.account_balance");

	in_tx(people_unlink, &pair);
	int64_t left = people_account("discord", 2);

	assert_int_not_equal(left, pair.a);
	assert_int_equal(claim(left, WIN_1, 0).verdict, MISSION_BEFORE);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(':', mission_id, period_no), ' ' ORDER BY mission_id)"
	                                " FROM public.mission_progress WHERE copied AND period_no > 0"), "1:20413 2:20412 4:2917");
	assert_int_equal(claim(pair.a, WIN_1, 0).coins, 100);
	assert_int_equal(pay_at(&payer, now + 15 * DAY_US).count, 3);
	assert_int_equal(testdb_i64("SELECT sum(coins)::bigint FROM public.account_balance") - before, 100 + 50 + 500 + 10);
	people_assert_verified();
}

/* ---- /daily ---- */

struct coming_back {
	int64_t account;
	struct str key;
	struct daily_claimed claimed;
};

static enum status daily_step(struct tx *tx, void *arg)
{
	struct coming_back *back = arg;
	enum status status = account_lock(tx, &back->account, 1);

	return status == OK ? daily_claim(tx, back->account, back->key, STR("telegram:main"), &back->claimed) : status;
}

static enum status come_back(int64_t account, int64_t at, struct daily_claimed *ret_claimed)
{
	struct coming_back back = {.account = account, .key = str_printf(arena, "daily:%lld:%lld", (long long)account, (long long)at)};
	struct ctx ctx = testdb_ctx(app, arena, at, 10);
	enum status status = tx_run(&ctx, daily_step, &back);

	*ret_claimed = back.claimed;
	return status;
}

static void test_three_days_in_a_row_bring_the_badge_and_missions(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct daily_claimed claimed = {0};

	(void)state;
	for (int day = 0; day < 3; day++) {
		assert_int_equal(come_back(account, now + day * DAY_US, &claimed), OK);
		assert_int_equal(claimed.daily.wait_us, 0);
		assert_int_equal(claimed.daily.streak, day + 1);
		assert_int_equal(claimed.badges, day == 2 ? 1 : 0);
	}
	assert_int_equal(claimed.after.xp, 50 + 55 + 60 + 150);
	assert_int_equal(people_balance("xp", account), 50 + 55 + 60 + 150);
	assert_int_equal(people_balance("coins", account), 100 + 110 + 120 + 75);
	assert_int_equal(people_balance("dailies", account), 3);
	assert_int_equal(people_balance("day_dailies", account), 1);
	assert_int_equal(people_balance("daily_streak", account), 3);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', kind, reason, xp, coins), ', ' ORDER BY id) FROM public.ledger"),
	                    "daily 50 100, daily 55 110, daily 60 120, badge streak_3 150 75");
	assert_int_equal(testdb_i64f("SELECT count(*) FROM public.mission_progress WHERE mission_id = %d AND claimed_at IS NULL", RETURN), 3);
	people_assert_verified();
}

static void test_too_early_changes_nothing(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct daily_claimed claimed = {0};

	(void)state;
	assert_int_equal(come_back(account, now, &claimed), OK);
	assert_int_equal(come_back(account, now + 20 * HOUR_US - 1, &claimed), OK);
	assert_int_equal(claimed.daily.wait_us, 1);
	assert_int_equal(people_balance("xp", account), 50);
	assert_int_equal(come_back(account, now + 20 * HOUR_US, &claimed), OK);
	assert_int_equal(claimed.daily.streak, 2);
	assert_int_equal(come_back(account, now + (20 + 48) * HOUR_US + 1, &claimed), OK);
	assert_int_equal(claimed.daily.streak, 1);
	assert_int_equal(people_balance("daily_streak", account), 1);
	people_assert_verified();
}

static void test_rates_are_the_databases(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct daily_claimed claimed = {0};

	(void)state;
	testdb_exec("UPDATE public.economy_setting SET daily_xp = 0, daily_coins = 0");
	/* An hour later: what was read of the catalogue before is no longer fresh. */
	assert_int_equal(come_back(account, now + HOUR_US, &claimed), OK);
	assert_int_equal(claimed.daily.streak, 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 0);
	assert_int_equal(people_balance("dailies", account), 1);
	testdb_exec("UPDATE public.economy_setting SET daily_xp = 7, daily_coins = 0");
	assert_int_equal(come_back(account, now + 26 * HOUR_US, &claimed), OK);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', kind, xp, coins) FROM public.ledger"), "daily 7 0");
}

static void test_a_sum_that_does_not_fit_is_refused_whole(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct daily_claimed claimed = {0};

	(void)state;
	testdb_exec("UPDATE public.account_balance SET coins = 9223372036854775807");
	assert_int_equal(come_back(account, now + 2 * HOUR_US, &claimed), OVERFLOWN);
	assert_int_equal(people_balance("dailies", account), 0);
}

static void *daily_in_a_race(void *arg)
{
	struct racer *racer = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);
	struct ctx ctx = testdb_ctx(app, own, now, 10);
	struct coming_back back = {.account = racer->account, .key = str_printf(own, "daily:%d", racer->number)};

	racer->status = tx_run(&ctx, daily_step, &back);
	racer->daily = back.claimed;
	arena_free(own);
	return NULL;
}

static void test_two_platforms_at_the_same_instant_are_one_daily(void **state)
{
	struct people_pair pair = linked_and_parted();
	struct racer racers[THREADS] = {0};
	int64_t before = people_balance("xp", pair.a);
	size_t paid = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){.account = pair.a, .number = i};
	}
	race(racers, THREADS, daily_in_a_race);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(racers[i].status, OK);
		paid += racers[i].daily.daily.wait_us == 0 ? 1 : 0;
	}
	assert_int_equal(paid, 1);
	assert_int_equal(people_balance("dailies", pair.a), 1);
	assert_int_equal(people_balance("xp", pair.a) - before, 50);
	people_assert_verified();
}

static void test_who_leaves_takes_the_last_daily_along_and_brings_it_back(void **state)
{
	struct people_pair pair = linked_and_parted();
	struct daily_claimed claimed = {0};

	(void)state;
	assert_int_equal(come_back(pair.a, now, &claimed), OK);
	assert_int_equal(come_back(pair.a, now + DAY_US, &claimed), OK);
	in_tx(people_unlink, &pair);
	int64_t left = people_account("discord", 2);

	assert_int_equal(come_back(left, now + DAY_US + HOUR_US, &claimed), OK);
	assert_int_equal(claimed.daily.wait_us, 19 * HOUR_US);
	assert_int_equal(people_balance("xp", left), 0);
	/* Alone again he begins a streak of his own; the data stayed where they were. */
	assert_int_equal(come_back(left, now + DAY_US + 20 * HOUR_US, &claimed), OK);
	assert_int_equal(claimed.daily.streak, 1);
	pair.b = left;
	in_tx(people_join, &pair);
	assert_int_equal(people_balance("daily_streak", pair.a), 1); /* the later last_daily comes with its streak */
	assert_int_equal(come_back(pair.a, now + 2 * DAY_US + 15 * HOUR_US, &claimed), OK);
	assert_int_equal(claimed.daily.wait_us, HOUR_US);
	people_assert_verified();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_claim_pays_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_refusal_is_told_apart_and_pays_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_that_wait_are_claimed_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_ended_by_staff_is_still_paid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_goal_that_was_lowered_behind_the_deeds_can_be_claimed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_done_once_can_be_done_each_day_when_staff_make_it_so, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_reward_of_nothing_is_claimed_without_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_does_not_fit_stays_to_be_claimed_and_holds_up_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_five_claims_at_once_pay_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_day_and_a_week_are_paid_when_they_have_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_worker_that_was_down_pays_when_it_is_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_staff_change_of_a_mission_takes_no_reward_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_claimed_taken_along_or_done_once_is_not_paid_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_workers_and_claims_together_pay_each_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_paid_holds_up_nobody_and_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missions_of_an_account_that_was_joined_pay_the_survivor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_leaves_has_nothing_to_claim_a_second_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_three_days_in_a_row_bring_the_badge_and_missions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_early_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_platforms_at_the_same_instant_are_one_daily, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_leaves_takes_the_last_daily_along_and_brings_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_sum_that_does_not_fit_is_refused_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rates_are_the_databases, setup, teardown),
	};
	int failed = testdb_setup(NULL);

	json_setup();
	app = testdb_app(THREADS + 2);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return failed + testdb_teardown(NULL);
}
