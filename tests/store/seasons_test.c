/* The close of seasons in the database: an exact cut, places, prizes, each once, whoever closes and whenever it is interrupted. */
#include "service/seasons.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/reply.h"
#include "io/app.h"
#include "io/json.h"
#include "service/boards.h"
#include "service/daily.h"
#include "service/ledger.h"
#include "service/linking.h"
#include "service/seasons_pay.h"
#include "service/tx.h"
#include "store/season.h"
#include "store/store.h"
#include "support/people.h"
#include "support/testdb.h"

/* Season 0 begins 2025-11-01T00:00:00Z. */
#define START (INT64_C(1761955200) * SECOND_US)
#define SEASON_US (30 * DAY_US)
#define END (START + SEASON_US)
#define DURING (START + DAY_US)
#define AFTER (END + MINUTE_US)
#define THREADS 8

static struct app *app;
static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)64 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	people_forget();
	arena_free(arena);
	return 0;
}

/* ---- people ---- */

/* `count` more, each with an identity that Telegram's bot main may write to; their accounts are numbered from 1. */
static void people(const char *platform, int count)
{
	testdb_exec(str_z(arena, str_printf(arena, "WITH a AS (INSERT INTO public.account (created_at) SELECT to_timestamp(1762000000 + n)"
		" FROM generate_series(1, %d) n RETURNING id, created_at), b AS (INSERT INTO public.account_balance (account_id) SELECT id FROM a),"
		" i AS (INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)"
		" SELECT id, '%s', 1000 + id, created_at, created_at, created_at FROM a RETURNING id)"
		" INSERT INTO public.identity_reach (identity_id, bot, can_message, changed_at) SELECT id, 'main', true, to_timestamp(0) FROM i",
		count, platform)));
}

struct post {
	int64_t account;
	int64_t xp;
	int64_t coins;
	struct str key;
	bool fail; /* after all was written */
};

static enum status post_step(struct tx *tx, void *arg)
{
	const struct post *post = arg;
	struct member member = {0};
	enum status status = account_lock(tx, &post->account, 1);

	if (status == OK) {
		status = member_read(tx, post->account, &member);
	}
	struct posting posting = {.account_id = post->account, .balance = &member.balance, .key = post->key, .kind = LEDGER_XP_CHANGE,
	                          .source = STR("test"), .xp = post->xp, .coins = post->coins};

	if (status == OK) {
		status = ledger_post(tx, &posting);
	}
	return status == OK && post->fail ? INTERNAL : status;
}

static atomic_int posted;

static enum status earn_in(struct arena *own, int64_t account, int64_t xp, int64_t coins, int64_t at)
{
	struct ctx ctx = testdb_ctx(app, own, at, 10);
	struct post post = {.account = account, .xp = xp, .coins = coins, .key = str_printf(own, "test:%d", atomic_fetch_add(&posted, 1))};

	return tx_run(&ctx, post_step, &post);
}

static void earn(int64_t account, int64_t xp, int64_t coins, int64_t at)
{
	assert_int_equal(earn_in(arena, account, xp, coins, at), OK);
}

/* ---- closing ---- */

static enum status turn_at(int64_t at, struct season_turn *turn)
{
	struct ctx ctx = testdb_ctx(app, arena, at, 10);

	return seasons_turn(&ctx, turn);
}

/* One step, which must be this one. */
static void step(int64_t at, enum season_step wanted)
{
	struct season_turn turn = {0};

	assert_int_equal(turn_at(at, &turn), OK);
	assert_int_equal(turn.step, wanted);
}

/* How many seasons were closed until nothing is due. */
static int close_all(int64_t at)
{
	struct season_turn turn = {0};
	enum status status = OK;
	int closed = 0;

	while ((status = turn_at(at, &turn)) == OK) {
		assert_int_not_equal(turn.step, SEASON_STEP_UNSET); /* nobody else is at it */
		closed += turn.step == SEASON_CLOSED;
	}
	assert_int_equal(status, NOT_FOUND);
	return closed;
}

static const char *results(int64_t season)
{
	return testdb_text(str_z(arena, str_printf(arena, "SELECT string_agg(concat_ws(':', user_id, xp, coins, coalesce(place::text, '-')), ' '"
		" ORDER BY user_id) FROM public.season_result WHERE season_no = %lld", (long long)season)));
}

static const char *rewards(void)
{
	return testdb_text("SELECT string_agg(concat_ws(':', user_id, coins), ' ' ORDER BY user_id) FROM public.ledger"
	                   " WHERE kind = 'season_reward'");
}

static const char *badges(void)
{
	return testdb_text("SELECT string_agg(concat_ws(':', a.user_id, replace(b.code, 'season_', '')), ' ' ORDER BY a.user_id, b.code)"
	                   " FROM public.badge_user_association a JOIN public.badges b ON b.id = a.badge_id WHERE b.code LIKE 'season%'");
}

/* ---- the season's end ---- */

static void test_a_season_that_is_on_is_not_closed(void **state)
{
	struct season_turn turn = {0};

	(void)state;
	people("telegram", 1);
	earn(1, 10, 0, DURING);
	assert_int_equal(turn_at(END - 1, &turn), NOT_FOUND);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season"), 0);
	assert_int_equal(testdb_i64("SELECT season_xp FROM public.unified_users"), 10);
}

static void test_a_season_is_closed_once_and_keeps_its_history(void **state)
{
	struct season_turn turn = {0};

	(void)state;
	people("telegram", 4);
	earn(1, 100, 7, DURING);
	earn(2, 300, 0, DURING);
	earn(3, 200, 0, DURING);
	earn(4, 0, 50, DURING); /* coins alone are no part of it */
	step(END, SEASON_BEGUN);
	assert_int_equal(testdb_i64("SELECT sum(season_xp) FROM public.unified_users"), 0); /* of the new season */
	step(END, SEASON_COUNTING);
	step(END, SEASON_COUNTED);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season WHERE closed_at IS NULL"), 1);
	step(END, SEASON_PAYING);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season WHERE closed_at IS NULL"), 1);
	assert_int_equal(turn_at(END + SECOND_US, &turn), OK);
	assert_int_equal(turn.step, SEASON_CLOSED);
	assert_int_equal(turn.participants, 3);
	assert_int_equal(turn.placed, 3);
	assert_int_equal(turn_at(AFTER, &turn), NOT_FOUND);
	assert_string_equal(results(0), "1:100:7:3 2:300:0:1 3:200:0:2 4:0:50:-");
	assert_string_equal(rewards(), "1:500 2:1000 3:500");
	assert_string_equal(badges(), "1:participant 1:top10 2:champion 2:participant 3:participant 3:top10");
	assert_string_equal(testdb_text("SELECT concat_ws(' ', no, starts_at, ends_at, closed_at) FROM public.season"),
	                    "0 2025-11-01 00:00:00+00 2025-12-01 00:00:00+00 2025-12-01 00:00:01+00");
	assert_string_equal(testdb_text("SELECT concat_ws(' ', idempotency_key, source, reason) FROM public.ledger"
	                                " WHERE kind = 'season_reward' AND user_id = 2"), "season:0:2 season season 0, place 1");
	people_assert_verified();
}

static void test_a_balance_that_moves_on_leaves_its_sums_behind(void **state)
{
	(void)state;
	people("telegram", 3);
	earn(1, 100, 5, DURING);
	earn(2, 90, 0, DURING);
	earn(3, 80, 0, DURING);
	earn(1, 1000, 0, END);          /* before the close has begun */
	step(AFTER, SEASON_BEGUN);
	earn(2, 2000, 0, END + 1);      /* before it is counted */
	step(AFTER, SEASON_COUNTING);
	earn(3, 3000, 0, END + 2);      /* after */
	assert_int_equal(close_all(AFTER), 1);
	assert_string_equal(results(0), "1:100:5:1 2:90:0:2 3:80:0:3");
	/* What is paid for a season counts for the one that is on. */
	assert_string_equal(testdb_text("SELECT string_agg(season_no || ':' || season_xp, ' ' ORDER BY account_id) FROM public.account_balance"),
	                    "1:6100 1:3600 1:4600");
	people_assert_verified();
}

static void test_who_comes_too_late_counts_for_the_next_season(void **state)
{
	(void)state;
	people("telegram", 3);
	earn(1, 100, 0, DURING);
	step(END, SEASON_BEGUN);
	earn(1, 7, 0, END - 1); /* his clock is behind: he stood in the season, */
	earn(2, 8, 0, END - 1); /* had never been in it, */
	step(END, SEASON_COUNTING);
	people("telegram", 1); /* or is new */
	earn(4, 9, 0, END - 1);
	assert_int_equal(close_all(AFTER), 1);
	earn(3, 5, 0, END - 1);
	assert_string_equal(results(0), "1:100:0:1");
	assert_string_equal(testdb_text("SELECT string_agg(season_no || ':' || xp, ' ' ORDER BY account_id) FROM public.account_balance"),
	                    "1:5207 1:8 1:5 1:9");
	assert_int_equal(testdb_i64("SELECT season_xp FROM public.unified_users WHERE id = 2"), 8);
	people_assert_verified();
}

struct coming_back {
	int64_t account;
	struct daily_claimed claimed;
};

static enum status daily_step(struct tx *tx, void *arg)
{
	struct coming_back *back = arg;
	enum status status = account_lock(tx, &back->account, 1);

	return status == OK ? daily_claim(tx, back->account, STR("daily:1"), STR("telegram:main"), &back->claimed) : status;
}

static void test_a_daily_by_a_clock_that_is_seasons_behind_counts_for_the_one_that_is_on(void **state)
{
	struct ctx ctx = testdb_ctx(app, arena, DURING, 10);
	struct coming_back back = {.account = 1};
	int64_t later = END + SEASON_US + HOUR_US;

	(void)state;
	people("telegram", 1);
	assert_int_equal(close_all(later), 2);
	earn(1, 9, 0, later);
	assert_int_equal(tx_run(&ctx, daily_step, &back), OK);
	assert_int_equal(back.claimed.daily.xp, 50);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', season_no, season_xp, xp) FROM public.account_balance"), "2 59 59");
}

/* What an account leaves behind, it may come back to: nobody has closed either season yet. */
static void test_a_clock_that_jumps_over_seasons_and_back_loses_nothing(void **state)
{
	int64_t far = START + 2 * SEASON_US + HOUR_US;

	(void)state;
	people("telegram", 2);
	earn(1, 100, 3, DURING);
	earn(1, 7, 0, far);
	earn(1, 20, 1, DURING + 1);
	earn(1, 5, 0, far + 1);
	earn(2, 50, 0, DURING);
	earn(2, 1, 0, far);
	earn(2, 60, 0, DURING + 1); /* stands in the season when it is closed */
	step(far, SEASON_BEGUN);
	step(far, SEASON_COUNTING);
	earn(2, 2, 0, far + 2);
	assert_int_equal(close_all(far + SEASON_US), 3);
	assert_string_equal(results(0), "1:120:4:1 2:110:0:2");
	assert_string_equal(results(2), "1:12:0:1 2:3:0:2");
	people_assert_verified();
}

/* ---- a transaction that is under way when the close begins ---- */

struct slow {
	pthread_t thread;
	atomic_int stage; /* 1: has posted; 2: may commit */
	enum status status;
};

static enum status slow_step(struct tx *tx, void *arg)
{
	struct slow *slow = arg;
	struct person newcomer = {.platform = PLATFORM_TELEGRAM, .platform_id = 77};
	enum status status = identity_create(tx, &newcomer);
	int64_t account = 0;
	struct member member = {0};

	if (status == OK) {
		status = member_read_by_identity(tx, PLATFORM_TELEGRAM, 77, &member);
		account = member.account.id;
	}
	struct post post = {.account = account, .xp = 50, .key = STR("slow")};

	if (status == OK) {
		status = post_step(tx, &post);
	}
	atomic_store(&slow->stage, 1);
	while (atomic_load(&slow->stage) == 1) {
		(void)usleep(1000);
	}
	return status;
}

static void *slow_run(void *arg)
{
	struct slow *slow = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);
	struct ctx ctx = testdb_ctx(app, own, END - 1, 10);

	slow->status = tx_run(&ctx, slow_step, slow);
	arena_free(own);
	return NULL;
}

static void test_a_close_waits_for_those_who_still_count_for_it(void **state)
{
	struct slow slow = {.stage = 0};
	struct season_turn turn = {0};

	(void)state;
	people("telegram", 1);
	earn(1, 40, 0, DURING);
	assert_int_equal(pthread_create(&slow.thread, NULL, slow_run, &slow), 0);
	while (atomic_load(&slow.stage) == 0) {
		(void)usleep(1000);
	}
	/* Nobody sees the newcomer yet, but he counts. */
	assert_int_equal(turn_at(END, &turn), UNAVAILABLE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season"), 0);
	atomic_store(&slow.stage, 2);
	assert_int_equal(pthread_join(slow.thread, NULL), 0);
	assert_int_equal(slow.status, OK);
	assert_int_equal(close_all(END), 1);
	assert_string_equal(results(0), "1:40:0:2 2:50:0:1");
}

/* ---- places ---- */

static void test_ties_share_a_place_and_each_gets_its_whole_prize(void **state)
{
	(void)state;
	people("telegram", 54);
	for (int64_t i = 1; i <= 54; i++) {
		/* 1 and 2 share the first place, 50 to 53 the last that is rewarded; 54 is next */
		earn(i, i <= 2 ? 100 : i >= 50 && i <= 53 ? 50 : 100 - i, 0, DURING);
	}
	assert_int_equal(close_all(AFTER), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r JOIN (SELECT user_id, rank() OVER (ORDER BY xp DESC) AS place"
	                            " FROM public.season_result) w USING (user_id) WHERE r.place = w.place"), 54);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(':', place, people, coins), ' ' ORDER BY place) FROM (SELECT r.place,"
	                                " count(*) AS people, max(l.coins) AS coins FROM public.season_result r LEFT JOIN public.ledger l"
	                                " ON l.user_id = r.user_id AND l.kind = 'season_reward' WHERE r.place IN (1, 3, 4, 10, 11, 49, 50, 54)"
	                                " GROUP BY 1) s"), "1:2:1000 3:1:500 4:1:300 10:1:300 11:1:150 49:1:150 50:4:150 54:1");
	people_assert_verified();
}

/* A prize that the ledger cannot post would hold up the close for ever: the table takes none. */
static void test_a_prize_is_one_that_can_be_paid(void **state)
{
	static const char *const wrong[] = {"coins = 9007199254740993", "coins = -1", "place_to = 0", "place_from = 0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		testdb_exec(str_z(arena, str_printf(arena, "DO $$ BEGIN UPDATE public.season_reward SET %s WHERE place_from = 1; RAISE 'was taken';"
			" EXCEPTION WHEN check_violation THEN NULL; END $$", wrong[i])));
	}
}

static void test_hidden_and_erased_people_take_no_place(void **state)
{
	(void)state;
	people("telegram", 4);
	for (int64_t i = 1; i <= 4; i++) {
		earn(i, 500 - 100 * i, 0, DURING);
	}
	testdb_exec("UPDATE public.account SET hidden = true WHERE id = 1; UPDATE public.account SET erased_at = now() WHERE id = 3");
	assert_int_equal(close_all(AFTER), 1);
	assert_string_equal(results(0), "1:400:0:- 2:300:0:1 3:200:0:- 4:100:0:2");
	assert_string_equal(rewards(), "2:1000 4:500");
	assert_string_equal(badges(), "1:participant 2:champion 2:participant 4:participant 4:top10");
	assert_int_equal(testdb_i64("SELECT participants * 10 + placed FROM public.season"), 42);
	people_assert_verified();
}

static void test_portions_go_on_where_the_last_one_ended(void **state)
{
	(void)state;
	people("telegram", SEASONS_COUNT_BATCH + SEASONS_PAY_BATCH + 7);
	/* Ties over the portions' borders; every fifth is hidden. */
	testdb_exec("UPDATE public.account_balance SET xp = 1 + account_id / 3, season_no = 0, season_xp = 1 + account_id / 3;"
	            "INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, at)"
	            " SELECT account_id, 'made', 'adjust', 'test', xp, 0, xp, 0, to_timestamp(1762000000) FROM public.account_balance;"
	            "UPDATE public.account SET hidden = true WHERE id % 5 = 0");
	assert_int_equal(close_all(AFTER), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r LEFT JOIN (SELECT s.user_id, rank() OVER (ORDER BY s.xp DESC) AS"
	                            " place FROM public.season_result s JOIN public.account a ON a.id = s.user_id AND NOT a.hidden) w"
	                            " USING (user_id) WHERE r.place IS DISTINCT FROM w.place"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.badge_user_association a JOIN public.badges b ON b.id = a.badge_id"
	                            " WHERE b.code = 'season_participant'"), SEASONS_COUNT_BATCH + SEASONS_PAY_BATCH + 7);
	people_assert_verified();
}

/* ---- exactly once ---- */

struct paid_and_lost {
	struct season_row row;
	size_t count;
};

static enum status pay_and_fail(struct tx *tx, void *arg)
{
	struct paid_and_lost *lost = arg;
	enum status status = season_take(tx, &lost->row);

	if (status == OK) {
		status = seasons_pay(tx, &lost->row, &lost->count);
	}
	assert_int_equal(status, OK);
	return INTERNAL; /* killed before the commit */
}

static void test_a_closer_that_dies_leaves_a_whole_portion_or_none(void **state)
{
	struct ctx ctx = testdb_ctx(app, arena, AFTER, 10);
	struct paid_and_lost lost = {0};

	(void)state;
	people("telegram", SEASONS_PAY_BATCH + 20);
	testdb_exec("UPDATE public.account_balance SET xp = account_id, season_xp = account_id;"
	            "INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, at)"
	            " SELECT account_id, 'made', 'adjust', 'test', xp, 0, xp, 0, to_timestamp(1762000000) FROM public.account_balance");
	step(AFTER, SEASON_BEGUN);
	step(AFTER, SEASON_COUNTING);
	step(AFTER, SEASON_COUNTED);
	assert_int_equal(tx_run(&ctx, pay_and_fail, &lost), INTERNAL);
	assert_int_equal(lost.count, SEASONS_PAY_BATCH);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result WHERE place IS NOT NULL"), 0);
	step(AFTER, SEASON_PAYING);
	assert_int_equal(tx_run(&ctx, pay_and_fail, &lost), INTERNAL);
	assert_int_equal(lost.count, 20);
	assert_int_equal(close_all(AFTER), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r JOIN (SELECT user_id, rank() OVER (ORDER BY xp DESC) AS place"
	                            " FROM public.season_result) w USING (user_id) WHERE r.place = w.place"), SEASONS_PAY_BATCH + 20);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger WHERE kind = 'season_reward'"), 50);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE topic = 'season'"), 50);
	people_assert_verified();
}

/* A row that lost its place in the work, as after a restore of one table alone: the keys still say what was paid. */
static void test_the_keys_refuse_to_pay_a_result_twice(void **state)
{
	struct season_turn turn = {0};

	(void)state;
	people("telegram", 1);
	earn(1, 100, 0, DURING);
	assert_int_equal(close_all(AFTER), 1);
	testdb_exec("UPDATE public.season SET closed_at = NULL, placed_xp = NULL, placed_user = NULL, placed = 0, place = 0, place_xp = 0");
	assert_int_equal(turn_at(AFTER, &turn), CONFLICT);
	assert_string_equal(rewards(), "1:1000");
}

struct runner {
	pthread_t thread;
	int number;
	int closed;
	size_t refused;
};

static atomic_bool over;

/* Some clocks are behind the season's end, some past it. */
static void *earn_across_the_end(void *arg)
{
	struct runner *runner = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);

	for (int i = 0; i < 150; i++) {
		int64_t account = 1 + (runner->number * 7 + i * 13) % 400;
		int64_t at = END + ((i + runner->number) % 3 - 1) * SECOND_US;

		arena_reset(own);
		for (int tries = 0; earn_in(own, account, 1 + i % 5, 1, at) != OK; tries++) {
			runner->refused++; /* the close wanted to begin: the worker asks again, too */
			assert_true(tries < 100);
		}
	}
	arena_free(own);
	return NULL;
}

static void *close_again_and_again(void *arg)
{
	struct runner *runner = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);

	while (!atomic_load(&over)) {
		struct season_turn turn = {0};

		arena_reset(own);
		struct ctx ctx = testdb_ctx(app, own, END + SECOND_US, 10);
		enum status status = seasons_turn(&ctx, &turn);

		assert_true(status == OK || status == NOT_FOUND || status == UNAVAILABLE);
		runner->closed += status == OK && turn.step == SEASON_CLOSED;
		(void)usleep(2000);
	}
	arena_free(own);
	return NULL;
}

static void test_three_closers_and_five_who_earn_agree_on_every_point(void **state)
{
	struct runner runners[THREADS] = {0};
	int closed = 0;

	(void)state;
	people("telegram", 400);
	for (int64_t i = 1; i <= 200; i++) {
		earn(i, i % 17 + 1, 1, DURING);
	}
	atomic_store(&over, false);
	for (int i = 0; i < THREADS; i++) {
		runners[i].number = i;
		assert_int_equal(pthread_create(&runners[i].thread, NULL, i < 5 ? earn_across_the_end : close_again_and_again, &runners[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		if (i == 5) {
			int64_t until = clock_monotonic_us() + 20 * SECOND_US;

			while (testdb_i64("SELECT count(*) FROM public.season WHERE closed_at IS NOT NULL") == 0 && clock_monotonic_us() < until) {
				(void)usleep(10000);
			}
			atomic_store(&over, true);
		}
		assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
		closed += runners[i].closed;
	}
	assert_int_equal(closed, 1);
	/* Everything that was earned is in exactly one of the two seasons. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance b LEFT JOIN public.season_result r ON r.user_id = b.account_id"
	                            " LEFT JOIN (SELECT user_id, sum(xp) AS xp, sum(coins) AS coins FROM public.ledger GROUP BY 1) l"
	                            " ON l.user_id = b.account_id WHERE coalesce(l.xp, 0) <> coalesce(r.xp, 0) + CASE WHEN b.season_no = 1 THEN"
	                            " b.season_xp ELSE 0 END OR coalesce(l.coins, 0) <> coalesce(r.coins, 0) + CASE WHEN b.season_no = 1 THEN"
	                            " b.season_coins ELSE 0 END"), 0);
	/* Whatever was applied by a clock past the end is in the later one. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r JOIN (SELECT user_id, sum(xp) AS xp FROM public.ledger"
	                            " WHERE at < '2025-12-01' GROUP BY 1) l USING (user_id) WHERE r.xp > l.xp"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r JOIN (SELECT user_id, rank() OVER (ORDER BY xp DESC) AS place"
	                            " FROM public.season_result WHERE xp > 0) w USING (user_id) WHERE r.place IS DISTINCT FROM w.place"), 0);
	people_assert_verified();
}

static void test_a_worker_that_was_away_closes_one_season_after_the_other(void **state)
{
	int64_t late = START + 3 * SEASON_US + HOUR_US;

	(void)state;
	people("telegram", 3);
	earn(1, 100, 0, DURING);
	earn(2, 10, 0, DURING);
	earn(1, 50, 0, DURING + SEASON_US);
	earn(2, 60, 0, DURING + SEASON_US);
	earn(3, 5, 0, DURING + 2 * SEASON_US); /* has not been seen since */
	earn(1, 1, 0, late);
	assert_int_equal(close_all(late), 3);
	assert_string_equal(results(0), "1:100:0:1 2:10:0:2");
	assert_string_equal(results(1), "1:50:0:2 2:60:0:1");
	assert_string_equal(results(2), "3:5:0:1");
	assert_string_equal(testdb_text("SELECT string_agg(idempotency_key || ' ' || coins, ', ' ORDER BY id) FROM public.ledger"
	                                " WHERE kind = 'season_reward'"),
	                    "season:0:1 1000, season:0:2 500, season:1:2 1000, season:1:1 500, season:2:3 1000");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season WHERE closed_at IS NOT NULL"), 3);
	people_assert_verified();
}

/* ---- joining and parting ---- */

static int64_t merge(int64_t a, int64_t b, int64_t at)
{
	struct ctx ctx = testdb_ctx(app, arena, at, 10);
	struct people_pair pair = {.a = a, .b = b};

	assert_int_equal(tx_run(&ctx, people_join, &pair), OK);
	return pair.merge_id;
}

static void unmerge(int64_t merge_id, int64_t at)
{
	struct ctx ctx = testdb_ctx(app, arena, at, 10);
	struct people_pair pair = {.merge_id = merge_id};

	assert_int_equal(tx_run(&ctx, people_undo, &pair), OK);
	assert_int_equal(pair.undo, LINK_UNDO_ALLOWED);
}

/* Accounts 1 to 3 on Telegram, 4 to 6 on Discord, with 10, 20, 30, 40, 50, 60 XP. */
static void six(void)
{
	people("telegram", 3);
	people("discord", 3);
	for (int64_t i = 1; i <= 6; i++) {
		earn(i, 10 * i, i, DURING);
	}
}

static void test_who_joins_before_the_close_begins_is_one_participant(void **state)
{
	(void)state;
	six();
	merge(1, 4, DURING + 1);
	merge(2, 5, END);       /* both still stand in the season */
	earn(6, 1, 0, END);
	merge(3, 6, END + 1);   /* one has moved on */
	assert_int_equal(close_all(AFTER), 1);
	/* What a link pays (100 XP, 250 coins) was earned in the season by 1, after it by the others. */
	assert_string_equal(results(0), "1:150:255:1 2:70:7:3 3:90:9:2");
	assert_string_equal(rewards(), "1:1000 2:500 3:500");
	people_assert_verified();
}

/* The survivor's last event was applied by a clock a little ahead, the joining goes by one a little behind. */
static void test_a_joining_by_a_slow_clock_forgets_nobodys_season(void **state)
{
	(void)state;
	six();
	earn(1, 1, 0, END);
	merge(1, 4, END - 1);
	earn(6, 1, 0, END);
	merge(3, 6, END - 1);
	assert_int_equal(close_all(AFTER), 1);
	assert_string_equal(results(0), "1:50:5:2 2:20:2:4 3:90:9:1 5:50:5:2");
	people_assert_verified();
}

static void test_who_joins_later_has_both_places_and_both_prizes(void **state)
{
	(void)state;
	six();
	step(END, SEASON_BEGUN);
	merge(1, 4, END);       /* neither is counted */
	step(END, SEASON_COUNTING);
	merge(2, 5, END);       /* both are */
	assert_int_equal(close_all(AFTER), 1);
	merge(3, 6, AFTER);     /* all is over */
	assert_string_equal(results(0), "1:10:1:6 2:20:2:5 3:30:3:4 4:40:4:3 5:50:5:2 6:60:6:1");
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', idempotency_key, user_id, coins), ', ' ORDER BY idempotency_key)"
	                                " FROM public.ledger WHERE kind = 'season_reward'"),
	                    "season:0:1 1 300, season:0:2 2 300, season:0:3 3 300, season:0:4 1 500, season:0:5 2 500, season:0:6 6 1000");
	/* One person, one notice, of the better place. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE topic = 'season' AND account_id IN (1, 2)"), 2);
	people_assert_verified();
}

/* Pairs join and part, and earn; their clocks are behind the season's end, at it, past it. */
#define PAIRS 30
#define ROUNDS 160

static _Atomic int64_t joined[PAIRS + 1]; /* how a pair joined last */
static atomic_int rounds;                  /* of all together */

static void join_or_part(struct arena *own, int64_t pair, int64_t at)
{
	struct ctx ctx = testdb_ctx(app, own, at, 10);
	struct people_pair both = {.a = pair, .b = PAIRS + pair};
	enum status status = tx_run(&ctx, people_join, &both);

	if (status == NOT_FOUND) { /* they are one already */
		both.merge_id = atomic_load(&joined[pair]);
		status = both.merge_id != 0 ? tx_run(&ctx, people_undo, &both) : OK;
	} else if (status == OK) {
		atomic_store(&joined[pair], both.merge_id);
	}
	assert_true(status == OK || status == UNAVAILABLE);
}

static void *join_and_earn(void *arg)
{
	struct runner *runner = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);

	for (int i = 0; i < ROUNDS; i++) {
		int64_t pair = 1 + (runner->number * 11 + i * 7) % PAIRS;
		int64_t at = END + ((i / 4 + runner->number) % 3 - 1) * SECOND_US;

		arena_reset(own);
		(void)atomic_fetch_add(&rounds, 1);
		if (i % 4 == 3) {
			join_or_part(own, pair, at);
		} else {
			enum status status = earn_in(own, i % 4 == 2 ? PAIRS + pair : pair, 1 + i % 5, 1, at);

			assert_true(status == OK || status == NOT_FOUND || status == UNAVAILABLE); /* part of the other, or busy */
		}
	}
	arena_free(own);
	return NULL;
}

/* Some have gone on by then, some not, some joined in between. */
static void *close_in_the_middle(void *arg)
{
	while (atomic_load(&rounds) < 2 * ROUNDS) {
		(void)usleep(1000);
	}
	return close_again_and_again(arg);
}

/* Nothing is made or lost: results and the season that is on are together what was ever earned. */
static void assert_all_counted(void)
{
	assert_string_equal(testdb_text("SELECT concat_ws(' ', r.xp + b.xp - l.xp, r.coins + b.coins - l.coins) FROM"
	                                " (SELECT sum(xp) AS xp, sum(coins) AS coins FROM public.season_result) r,"
	                                " (SELECT sum(season_xp) AS xp, sum(season_coins) AS coins FROM public.account_balance"
	                                " WHERE season_no = 1) b,"
	                                " (SELECT sum(xp) AS xp, sum(coins) AS coins FROM public.ledger"
	                                " WHERE kind NOT IN ('merge', 'unmerge')) l"),
	                    "0 0");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance b LEFT JOIN (SELECT user_id, sum(xp) AS xp, sum(coins) AS coins"
	                            " FROM public.ledger GROUP BY user_id) l ON l.user_id = b.account_id"
	                            " WHERE b.xp <> coalesce(l.xp, 0) OR b.coins <> coalesce(l.coins, 0)"), 0);
}

static void test_who_joins_and_parts_beside_the_close_is_counted_and_paid_once(void **state)
{
	struct runner runners[THREADS] = {0};
	int closed = 0;

	(void)state;
	people("telegram", PAIRS);
	people("discord", PAIRS);
	for (int64_t i = 1; i <= 2 * PAIRS; i++) {
		earn(i, 10 * i, i, DURING);
		atomic_store(&joined[(i - 1) % PAIRS + 1], 0);
	}
	atomic_store(&over, false);
	atomic_store(&rounds, 0);
	for (int i = 0; i < THREADS; i++) {
		runners[i].number = i;
		assert_int_equal(pthread_create(&runners[i].thread, NULL, i < 5 ? join_and_earn : close_in_the_middle, &runners[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		atomic_store(&over, i >= 5);
		assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
		closed += runners[i].closed;
	}
	assert_int_equal(closed + close_all(AFTER), 1);
	assert_all_counted();
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r JOIN (SELECT user_id, rank() OVER (ORDER BY xp DESC) AS place"
	                            " FROM public.season_result WHERE xp > 0) w USING (user_id) WHERE r.place IS DISTINCT FROM w.place"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.season_result r FULL JOIN (SELECT idempotency_key, coins FROM public.ledger"
	                            " WHERE kind = 'season_reward') l ON l.idempotency_key = 'season:0:' || r.user_id LEFT JOIN"
	                            " public.season_reward w ON r.place BETWEEN w.place_from AND w.place_to"
	                            " WHERE l.coins IS DISTINCT FROM w.coins"), 0);
}

static void test_a_joining_that_is_undone_gives_back_only_the_season_that_is_on(void **state)
{
	int64_t early = 0;
	int64_t late = 0;

	(void)state;
	six();
	early = merge(1, 4, DURING + 1);
	late = merge(2, 5, DURING + 1);
	unmerge(early, DURING + 2);
	unmerge(late, END); /* what both earned stays with who held it when the season ended */
	assert_int_equal(close_all(AFTER), 1);
	assert_string_equal(results(0), "1:110:251:2 2:170:257:1 3:30:3:5 4:40:4:4 6:60:6:3");
	assert_int_equal(testdb_i64("SELECT season_xp FROM public.account_balance WHERE account_id = 5"), 0);
	people_assert_verified();
}

/* ---- telling ---- */

static const char *said(int64_t account, enum language language)
{
	struct reply *reply = NULL;
	const char *hex = testdb_text(str_z(arena, str_printf(arena, "SELECT string_agg(encode(body, 'hex'), ' ' ORDER BY id) FROM public.outbox"
		" WHERE topic = 'season' AND account_id = %lld", (long long)account)));
	struct buf out = buf_init(arena, 4096);
	char bytes[2048];
	size_t len = 0;

	for (; hex[2 * len] != '\0' && len < sizeof bytes; len++) {
		unsigned int byte = 0;

		assert_int_equal(sscanf(hex + 2 * len, "%2x", &byte), 1);
		bytes[len] = (char)byte;
	}
	assert_int_equal(reply_decode(arena, (struct str){bytes, len}, &reply), OK);
	for (size_t i = 0; i < reply->line_count; i++) {
		text_format(&out, language, reply->lines[i].message, reply->lines[i].args, reply->lines[i].arg_count, NULL, 0, &text_plain);
		buf_add(&out, STR("|"));
	}
	return str_z(arena, buf_str(&out));
}

static void test_winners_are_told_once_in_their_language(void **state)
{
	(void)state;
	people("telegram", 3);
	for (int64_t i = 1; i <= 3; i++) {
		earn(i, 10 * i, 0, DURING);
		earn(i, 10 * i, 0, DURING + SEASON_US);
	}
	testdb_exec("UPDATE public.account SET notify_rank = false WHERE id = 2; UPDATE public.account SET hidden = true WHERE id = 1");
	assert_int_equal(close_all(AFTER), 1);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', account_id, bot), ', ') FROM public.outbox WHERE topic = 'season'"),
	                    "3 main");
	assert_string_equal(said(3, LANGUAGE_RU),
	                    "🏆 Сезон 01.11.2025 – 30.11.2025 завершён: ваше место — 1!|Награда: 1000 монет.|🏅 Новый значок: Чемпион сезона|");
	assert_string_equal(said(3, LANGUAGE_EN),
	                    "🏆 The season of 2025-11-01 – 2025-11-30 is over: you took place 1!|Your reward: 1000 coins.|"
	                    "🏅 New badge: Season champion|");
	/* The next time he holds the badge already. */
	testdb_exec("DELETE FROM public.outbox");
	assert_int_equal(close_all(AFTER + SEASON_US), 1);
	assert_string_equal(said(3, LANGUAGE_EN),
	                    "🏆 The season of 2025-12-01 – 2025-12-30 is over: you took place 1!|Your reward: 1000 coins.|");
}

static void test_a_prize_that_does_not_fit_holds_up_nobody(void **state)
{
	(void)state;
	people("telegram", 2);
	earn(1, 20, 0, DURING);
	earn(2, 10, 0, DURING);
	testdb_exec("UPDATE public.account_balance SET coins = 9223372036854775800 WHERE account_id = 1");
	assert_int_equal(close_all(AFTER), 1);
	assert_string_equal(results(0), "1:20:0:1 2:10:0:2");
	assert_string_equal(rewards(), "2:500");
	assert_string_equal(badges(), "2:participant 2:top10"); /* their coins do not fit either */
	assert_string_equal(said(1, LANGUAGE_EN), "🏆 The season of 2025-11-01 – 2025-11-30 is over: you took place 1!|");
}

/* ---- boards and the operator ---- */

struct boards_season {
	struct board_season season;
};

static enum status board_step(struct tx *tx, void *arg)
{
	struct boards_season *at = arg;

	return board_season(tx, &at->season);
}

static int64_t board_at(int64_t at)
{
	struct boards_season season = {0};
	struct ctx ctx = testdb_ctx(app, arena, at, 10);

	assert_int_equal(service_read(&ctx, board_step, &season), OK);
	return season.season.number;
}

static void test_boards_show_the_season_that_is_counted_for(void **state)
{
	(void)state;
	assert_int_equal(board_at(END - 1), 0);
	assert_int_equal(board_at(END), 1);
	step(END, SEASON_BEGUN);
	assert_int_equal(board_at(END - 1), 1); /* a clock that is behind */
	assert_int_equal(board_at(END + SEASON_US), 2);
}

static void test_the_operator_sees_what_is_overdue(void **state)
{
	struct season_now now = {0};
	struct ctx ctx = testdb_ctx(app, arena, END - 1, 10);

	(void)state;
	assert_int_equal(seasons_now(&ctx, &now), OK);
	assert_true(now.no == 0 && now.starts_at == START && now.ends_at == END && now.overdue == 0);
	ctx.now = END + HOUR_US;
	assert_int_equal(seasons_now(&ctx, &now), OK);
	assert_true(now.no == 0 && now.overdue == HOUR_US);
	step(ctx.now, SEASON_BEGUN);
	assert_int_equal(seasons_now(&ctx, &now), OK);
	assert_true(now.no == 0 && now.overdue == HOUR_US); /* begun is not closed */
	assert_int_equal(close_all(ctx.now), 1);
	assert_int_equal(seasons_now(&ctx, &now), OK);
	assert_true(now.no == 1 && now.overdue == 0 && now.ends_at == END + SEASON_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_season_that_is_on_is_not_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_season_is_closed_once_and_keeps_its_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_balance_that_moves_on_leaves_its_sums_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_comes_too_late_counts_for_the_next_season, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_daily_by_a_clock_that_is_seasons_behind_counts_for_the_one_that_is_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_clock_that_jumps_over_seasons_and_back_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_close_waits_for_those_who_still_count_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ties_share_a_place_and_each_gets_its_whole_prize, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_prize_is_one_that_can_be_paid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hidden_and_erased_people_take_no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_portions_go_on_where_the_last_one_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_closer_that_dies_leaves_a_whole_portion_or_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_keys_refuse_to_pay_a_result_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_three_closers_and_five_who_earn_agree_on_every_point, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_worker_that_was_away_closes_one_season_after_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_joins_before_the_close_begins_is_one_participant, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_joining_by_a_slow_clock_forgets_nobodys_season, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_joins_later_has_both_places_and_both_prizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_joins_and_parts_beside_the_close_is_counted_and_paid_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_joining_that_is_undone_gives_back_only_the_season_that_is_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_winners_are_told_once_in_their_language, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_prize_that_does_not_fit_holds_up_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boards_show_the_season_that_is_counted_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_operator_sees_what_is_overdue, setup, teardown),
	};
	int failed = testdb_setup(NULL);

	json_setup();
	testdb_exec("UPDATE public.economy_setting SET season_start = '2025-11-01T00:00:00Z'");
	app = testdb_app(THREADS + 2);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return failed + testdb_teardown(NULL);
}
