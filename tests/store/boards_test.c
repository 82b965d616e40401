/* Boards: what is marked is carried over, places are exact, a store that was lost is made anew, and no keeper overtakes another. */
#include "service/boards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "core/economy.h"
#include "io/app.h"
#include "io/json.h"
#include "service/tx.h"
#include "support/testdb.h"

/* 2025-11-20T13:24:24Z, a Thursday of ISO week 47; the schema of tests counts seasons from 2025-01-01. */
static const int64_t now = INT64_C(1763645064) * SECOND_US;
#define WEEK 2916
#define SEASON 10
#define PEOPLE 1000

static struct app *app;
static struct arena *arena;
static struct board_keeper keeper;

static struct ctx fresh_ctx(void)
{
	arena_reset(arena);
	return testdb_ctx(app, arena, now, 10);
}

/* A command to Redis beside the code under test. */
static long long redis(const char *format, ...)
{
	struct str url = testdb_redis_url();
	struct str path = str_cut(url, sizeof("unix://") - 1, url.len);
	struct str query = path;
	path = str_split(&query, '?');
	struct str db = query;
	(void)str_split(&db, '=');
	struct arena *own = arena_new(4096);
	redisContext *context = redisConnectUnix(str_z(own, path));
	freeReplyObject(redisCommand(context, "SELECT %b", db.ptr, db.len));
	va_list args;
	va_start(args, format);
	redisReply *reply = redisvCommand(context, format, args);
	va_end(args);
	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	long long number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	freeReplyObject(reply);
	redisFree(context);
	arena_free(own);
	return number;
}

static enum status turn(struct board_keeper *who, int64_t wall, struct board_kept *ret_kept)
{
	struct ctx ctx = fresh_ctx();

	return boards_keep(&ctx, who, wall, ret_kept);
}

/* Turns until there is nothing to do; ret_rebuilt may be NULL. */
static size_t keep_all(struct board_keeper *who, int64_t wall, bool *ret_rebuilt)
{
	size_t count = 0;

	for (int i = 0; i < 100; i++) {
		struct board_kept kept = {0};
		enum status status = turn(who, wall, &kept);

		count += kept.count;
		if (ret_rebuilt != NULL) {
			*ret_rebuilt = *ret_rebuilt || kept.rebuilt;
		}
		if (status == NOT_FOUND) {
			return count;
		}
		assert_int_equal(status, OK);
	}
	fail_msg("it never ends");
	return 0;
}

static struct str owner_a = STR_INIT("00000000-0000-4000-8000-00000000000a");
static struct str owner_b = STR_INIT("00000000-0000-4000-8000-00000000000b");

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)16 * 1024 * 1024);
	keeper = (struct board_keeper){.owner = owner_a};
	testdb_exec("UPDATE public.board_keeper SET owner = NULL, expires_at = '-infinity'");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testdb_exec("TRUNCATE public.identity, public.account_balance, public.account, public.board_dirty CASCADE");
	redis("FLUSHDB");
	arena_free(arena);
	return 0;
}

/* Accounts 1 to `count` with XP 10, 10, 20, 20, 30, 30 ..., one coin each; the first half of this season and week. */
static void make_people(int count)
{
	testdb_execf(
		"INSERT INTO public.account (id, created_at) SELECT n, now() FROM generate_series(1, %d) AS n;"
		"INSERT INTO public.account_balance (account_id, xp, coins, season_no, season_xp, season_coins, week_no, week_xp, week_coins)"
		" SELECT n, (n + 1) / 2 * 10, 1, CASE WHEN n <= %d / 2 THEN %d ELSE %d END, n, 2 * n, CASE WHEN n <= %d / 2 THEN %d ELSE %d END,"
		" 3 * n, 4 * n FROM generate_series(1, %d) AS n;"
		"INSERT INTO public.identity (account_id, platform, platform_id, name, first_seen, last_seen, attached_at)"
		" SELECT n, 'telegram', n, 'Person ' || n, now(), now(), now() FROM generate_series(1, %d) AS n",
		count, count, SEASON, SEASON - 5, count, WEEK, WEEK - 5, count, count);
}

static enum status read_board(struct board_wish wish, struct board_page *ret_page)
{
	struct ctx ctx = fresh_ctx();

	wish.period = wish.period == BOARD_PERIOD_UNSET ? BOARD_ALL : wish.period;
	wish.by = wish.by == BOARD_BY_UNSET ? BOARD_XP : wish.by;
	wish.limit = wish.limit == 0 ? BOARDS_LIMIT : wish.limit;
	return boards_read(&ctx, &wish, ret_page);
}

/* "place:account:value ..." of a page. */
static const char *said(struct board_wish wish)
{
	struct board_page page;
	struct buf text;

	assert_int_equal(read_board(wish, &page), OK);
	text = buf_init(arena, 4096);
	for (size_t i = 0; i < page.count; i++) {
		buf_printf(&text, "%s%lld:%lld:%lld", i > 0 ? " " : "", (long long)page.items[i].place, (long long)page.items[i].name.account_id,
		           (long long)page.items[i].value);
	}
	if (page.has_me) {
		buf_printf(&text, " me %lld:%lld", (long long)page.me.place, (long long)page.me.value);
	}
	if (page.next > 0) {
		buf_printf(&text, " next %lld", (long long)page.next);
	}
	return str_z(arena, buf_str(&text));
}

struct season_at {
	struct board_season season;
};

static enum status season_step(struct tx *tx, void *arg)
{
	struct season_at *at = arg;

	return board_season(tx, &at->season);
}

static void test_periods_are_those_of_the_balances(void **state)
{
	(void)state;
	struct economy economy = {.rates = {.season_us = 30 * DAY_US, .season_start = INT64_C(1735689600) * SECOND_US}};
	static const int64_t days[] = {-400, -1, 0, 29, 30, 59, 60, 323};
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		struct ctx ctx = fresh_ctx();
		struct season_at at = {0};

		ctx.now = economy.rates.season_start + days[i] * DAY_US + DAY_US / 2;
		assert_int_equal(service_read(&ctx, season_step, &at), OK);
		assert_int_equal(at.season.days, 30);
		assert_int_equal(at.season.number, economy_periods(&economy, ctx.now).season_no);
	}
	assert_int_equal(economy_periods(&economy, now).season_no, SEASON);
	assert_int_equal(economy_periods(&economy, now).week_no, WEEK);
	assert_int_equal(testdb_i64("SELECT (date_trunc('week', timestamptz '2025-11-20 13:24:24+00', 'UTC')::date - date '1969-12-29') / 7"),
	                 WEEK);
}

static void test_nothing_is_told_before_the_boards_are_made(void **state)
{
	struct board_page page;

	(void)state;
	make_people(4);
	assert_int_equal(read_board((struct board_wish){0}, &page), UNAVAILABLE);
	assert_int_equal(read_board((struct board_wish){.around = true, .platform = PLATFORM_TELEGRAM, .platform_id = 1}, &page), UNAVAILABLE);
	bool rebuilt = false;
	keep_all(&keeper, now, &rebuilt);
	assert_true(rebuilt);
	assert_string_equal(said((struct board_wish){0}), "1:4:20 1:3:20 3:2:10 3:1:10");
}

static enum status place_of(int64_t account_id, int64_t xp, int64_t *ret_place)
{
	struct ctx ctx = fresh_ctx();

	return boards_place(&ctx, BOARD_XP, account_id, &(struct board_values){.xp = xp}, ret_place);
}

static void test_a_place_alone_is_that_of_the_board(void **state)
{
	int64_t place = 42;

	(void)state;
	make_people(4);
	assert_int_equal(place_of(4, 20, &place), UNAVAILABLE);
	assert_int_equal(place, 42);
	keep_all(&keeper, now, NULL);
	static const struct { int64_t account, xp, place; } rows[] = {
		{4, 20, 1}, {3, 20, 1}, {1, 10, 3},
		{1, 999, 3},  /* what the board says of somebody counts before a balance that is ahead of it */
		{99, 15, 3},  /* not listed: the place that he would have */
		{99, 0, 5},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(place_of(rows[i].account, rows[i].xp, &place), OK);
		assert_int_equal(place, rows[i].place);
	}
}

static void test_each_board_shows_its_period(void **state)
{
	(void)state;
	make_people(4);
	keep_all(&keeper, now, NULL);
	assert_string_equal(said((struct board_wish){.by = BOARD_COINS}), "1:4:1 1:3:1 1:2:1 1:1:1");
	assert_string_equal(said((struct board_wish){.period = BOARD_SEASON}), "1:2:2 2:1:1");
	assert_string_equal(said((struct board_wish){.period = BOARD_SEASON, .by = BOARD_COINS}), "1:2:4 2:1:2");
	assert_string_equal(said((struct board_wish){.period = BOARD_WEEK}), "1:2:6 2:1:3");
	assert_string_equal(said((struct board_wish){.period = BOARD_WEEK, .by = BOARD_COINS}), "1:2:8 2:1:4");
	assert_true(redis("PTTL board:week:%d:xp", WEEK) > 7 * 86400 * 1000LL);
	assert_int_equal(redis("PTTL board:all:xp"), -1);
	/* one whose clock is a moment ahead has begun the next week */
	testdb_exec("UPDATE public.account_balance SET week_no = week_no + 1, week_xp = 9 WHERE account_id = 2");
	keep_all(&keeper, now, NULL);
	assert_string_equal(said((struct board_wish){.period = BOARD_WEEK}), "1:1:3");
	assert_int_equal(redis("ZCARD board:week:%d:xp", WEEK + 1), 1);
}

static void test_changes_are_carried_over_and_forgotten(void **state)
{
	(void)state;
	make_people(4);
	keep_all(&keeper, now, NULL);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.board_dirty"), 0);
	testdb_exec("UPDATE public.account_balance SET messages_sent = 5"); /* changes no place */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.board_dirty"), 0);
	testdb_exec("UPDATE public.account_balance SET xp = 25 WHERE account_id = 1");
	testdb_exec("UPDATE public.account_balance SET xp = 0 WHERE account_id = 2");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.board_dirty"), 2);
	assert_int_equal(keep_all(&keeper, now, NULL), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.board_dirty"), 0);
	assert_string_equal(said((struct board_wish){0}), "1:1:25 2:4:20 2:3:20");
	/* beyond what a double counts by ones */
	testdb_exec("UPDATE public.account_balance SET xp = 9223372036854775807 WHERE account_id = 4");
	keep_all(&keeper, now, NULL);
	assert_string_equal(said((struct board_wish){.limit = 1}), "1:4:9007199254740992 next 1");
}

static void test_hidden_joined_and_erased_people_have_no_place(void **state)
{
	static const char *const gone[] = {"hidden = true", "merged_into = 1, merged_at = now()", "erased_at = now()"};

	(void)state;
	make_people(4);
	keep_all(&keeper, now, NULL);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
		testdb_execf("UPDATE public.account SET %s WHERE id = 4", gone[i]);
		/* not shown from the same moment on, before the keeper knows */
		assert_string_equal(said((struct board_wish){.limit = 2}), "1:3:20 next 2");
		assert_int_equal(keep_all(&keeper, now, NULL), 1);
		assert_string_equal(said((struct board_wish){0}), "1:3:20 2:2:10 2:1:10");
		/* the place that he would have */
		assert_string_equal(said((struct board_wish){.limit = 1, .platform = PLATFORM_TELEGRAM, .platform_id = 4}), "1:3:20 me 1:20 next 1");
		testdb_exec("UPDATE public.account SET hidden = false, merged_into = NULL, merged_at = NULL, erased_at = NULL WHERE id = 4");
		assert_int_equal(keep_all(&keeper, now, NULL), 1);
		assert_string_equal(said((struct board_wish){.limit = 2}), "1:4:20 1:3:20 next 2");
	}
}

static void test_pages_follow_each_other(void **state)
{
	(void)state;
	make_people(5); /* 10 10 20 20 30 */
	keep_all(&keeper, now, NULL);
	assert_string_equal(said((struct board_wish){.limit = 2}), "1:5:30 2:4:20 next 2");
	assert_string_equal(said((struct board_wish){.limit = 2, .from = 2}), "2:3:20 4:2:10 next 4");
	assert_string_equal(said((struct board_wish){.limit = 2, .from = 4}), "4:1:10");
	assert_string_equal(said((struct board_wish){.limit = 2, .from = 6}), "");
}

static void test_neighbours(void **state)
{
	struct board_wish wish = {.around = true, .platform = PLATFORM_TELEGRAM, .platform_id = 10};
	struct board_page page;

	(void)state;
	make_people(20);
	testdb_exec("UPDATE public.account_balance SET xp = account_id * 10");
	keep_all(&keeper, now, NULL);
	assert_string_equal(said(wish), "6:15:150 7:14:140 8:13:130 9:12:120 10:11:110 11:10:100 "
	                                "12:9:90 13:8:80 14:7:70 15:6:60 16:5:50 me 11:100");
	wish.platform_id = 20;
	assert_string_equal(said(wish), "1:20:200 2:19:190 3:18:180 4:17:170 5:16:160 6:15:150 me 1:200");
	wish.platform_id = 1;
	assert_string_equal(said(wish), "15:6:60 16:5:50 17:4:40 18:3:30 19:2:20 20:1:10 me 20:10");
	/* hidden: he sees himself where he would stand, others do not see him */
	testdb_exec("UPDATE public.account SET hidden = true WHERE id = 10");
	keep_all(&keeper, now, NULL);
	wish.platform_id = 10;
	assert_string_equal(said(wish), "6:15:150 7:14:140 8:13:130 9:12:120 10:11:110 11:10:100 "
	                                "11:9:90 12:8:80 13:7:70 14:6:60 15:5:50 me 11:100");
	/* nothing yet: behind everybody */
	testdb_exec("UPDATE public.account_balance SET xp = 0 WHERE account_id = 1");
	keep_all(&keeper, now, NULL);
	wish.platform_id = 1;
	assert_string_equal(said(wish), "14:6:60 15:5:50 16:4:40 17:3:30 18:2:20 19:1:0 me 19:0");
	wish.platform_id = 999;
	assert_int_equal(read_board(wish, &page), NOT_FOUND);
}

static void test_names(void **state)
{
	struct board_page page;

	(void)state;
	make_people(3);
	testdb_exec("UPDATE public.account_balance SET xp = 600 - account_id");
	testdb_exec("UPDATE public.account SET display_name = 'Own name' WHERE id = 1");
	testdb_exec("UPDATE public.identity SET name = NULL WHERE account_id = 3");
	testdb_exec("INSERT INTO public.identity (account_id, platform, email, first_seen, last_seen, attached_at)"
	            " VALUES (3, 'website', 'secret@example.org', now(), now(), now())");
	keep_all(&keeper, now, NULL);
	assert_int_equal(read_board((struct board_wish){.limit = 3}, &page), OK);
	assert_string_equal(str_z(arena, page.items[0].name.display_name), "Own name");
	assert_string_equal(str_z(arena, page.items[1].name.display_name), "Person 2");
	json_bind_arena(arena);
	struct board_wish wish = {.period = BOARD_ALL, .by = BOARD_XP};
	assert_string_equal(str_z(arena, json_write(arena, boards_json(arena, &wish, &page))),
	                    "{\"board\":\"all\",\"by\":\"xp\",\"items\":["
	                    "{\"place\":1,\"display_name\":\"Own name\",\"rank\":\"F II\",\"value\":599},"
	                    "{\"place\":2,\"display_name\":\"Person 2\",\"rank\":\"F II\",\"value\":598},"
	                    "{\"place\":3,\"display_name\":\"Player 3\",\"rank\":\"F II\",\"value\":597}],\"next_cursor\":null}");
	json_bind_arena(NULL);
}

/* Every board equals what PostgreSQL counts. */
static void assert_places_are_exact(void)
{
	for (int id = 1; id <= PEOPLE + 500; id += 97) {
		char sql[300];
		struct board_page page;

		assert_int_equal(read_board((struct board_wish){.limit = 1, .platform = PLATFORM_TELEGRAM, .platform_id = id}, &page), OK);
		snprintf(sql, sizeof(sql),
		         "SELECT 1 + count(*) FROM public.account_balance b JOIN public.account a ON a.id = b.account_id AND NOT a.hidden"
		         " WHERE b.xp > (SELECT xp FROM public.account_balance WHERE account_id = %d)", id);
		assert_int_equal(page.me.place, testdb_i64(sql));
	}
}

static void test_a_store_that_was_lost_is_made_anew(void **state)
{
	bool rebuilt = false;

	(void)state;
	make_people(PEOPLE + 500); /* two portions */
	keep_all(&keeper, now, NULL);
	assert_places_are_exact();
	redis("FLUSHDB");
	assert_int_equal(keep_all(&keeper, now, &rebuilt), PEOPLE + 500);
	assert_true(rebuilt);
	assert_places_are_exact();
	/* went back to an older memory */
	rebuilt = false;
	redis("SET board:ready 1");
	redis("ZADD board:all:xp 77777777 5");
	keep_all(&keeper, now, &rebuilt);
	assert_true(rebuilt);
	assert_places_are_exact();
	/* by the operator, and with somebody on it whom nobody knows */
	struct ctx ctx = fresh_ctx();
	int64_t asked = 0;
	int64_t seen = 0;
	bool kept = false;
	redis("ZADD board:all:xp 77777777 987654321");
	assert_int_equal(boards_rebuild(&ctx, &asked), OK);
	keep_all(&keeper, now, NULL);
	assert_int_equal(boards_state(&ctx, now, &seen, &kept), OK);
	assert_true(kept && seen > asked);
	assert_places_are_exact();
}

static void test_a_store_that_is_lost_while_it_is_made_is_begun_again(void **state)
{
	struct board_kept kept = {0};
	bool rebuilt = false;

	(void)state;
	make_people(PEOPLE + 500);
	assert_int_equal(turn(&keeper, now, &kept), OK);
	assert_true(kept.begun);
	assert_int_equal(turn(&keeper, now, &kept), OK); /* the first portion */
	assert_int_equal(kept.count, BOARDS_BATCH);
	redis("FLUSHDB");
	assert_int_equal(turn(&keeper, now, &kept), CONFLICT);
	keep_all(&keeper, now, &rebuilt);
	assert_true(rebuilt);
	assert_places_are_exact();
	/* what changes between two portions is not lost */
	redis("FLUSHDB");
	assert_int_equal(turn(&keeper, now, &kept), OK);
	assert_int_equal(turn(&keeper, now, &kept), OK);
	testdb_exec("UPDATE public.account_balance SET xp = 1000000 WHERE account_id IN (1, 98, 1456)");
	keep_all(&keeper, now, NULL);
	assert_places_are_exact();
}

static void test_one_keeper_at_a_time(void **state)
{
	struct board_keeper other = {.owner = owner_b};
	struct board_kept kept;
	struct ctx ctx;

	(void)state;
	make_people(2);
	keep_all(&keeper, now, NULL);
	assert_int_equal(turn(&other, now + SECOND_US, &kept), NOT_FOUND);
	assert_int_equal(other.until, 0);
	/* it died: its lease runs out */
	testdb_exec("UPDATE public.account_balance SET xp = 50 WHERE account_id = 1");
	assert_int_equal(keep_all(&other, now + BOARDS_LEASE_US, NULL), 1);
	assert_int_equal(turn(&keeper, now + BOARDS_LEASE_US, &kept), NOT_FOUND);
	assert_string_equal(said((struct board_wish){0}), "1:1:50 2:2:10");
	/* it left: its lease is free at once */
	ctx = fresh_ctx();
	assert_int_equal(boards_leave(&ctx, &other), OK);
	assert_int_equal(turn(&keeper, now + BOARDS_LEASE_US, &kept), NOT_FOUND);
	assert_int_not_equal(keeper.until, 0);
}

/* The other keeper wrote newer values while this one slept between its read and its write: its older ones are refused. */
static void test_a_keeper_that_was_overtaken_writes_nothing(void **state)
{
	struct cache_ranked old = {1, 10};
	struct cache_ranked_set set = {STR("board:all:xp"), 0, &old, 1};
	struct cache_fence fence = {BOARDS_READY, STR_ABSENT, STR_ABSENT};
	struct ctx ctx;
	struct board_kept kept = {0};

	(void)state;
	make_people(2);
	keep_all(&keeper, now, NULL);
	char before[32];
	snprintf(before, sizeof(before), "%s", testdb_text("SELECT turn FROM public.board_keeper"));
	testdb_exec("UPDATE public.account_balance SET xp = 50 WHERE account_id = 1");
	keep_all(&keeper, now, NULL);
	ctx = fresh_ctx();
	fence.expected = str_from_z(before);
	fence.next = STR("999");
	assert_int_equal(cache_ranked_write(app->cache, arena, ctx.deadline, &fence, &set, 1), CONFLICT);
	/* the connection is as good as before: nothing is watched any more */
	redis("SET board:ready %s", testdb_text("SELECT turn FROM public.board_keeper"));
	assert_string_equal(said((struct board_wish){0}), "1:1:50 2:2:10");
	for (int i = 0; i < 4; i++) {
		testdb_exec("UPDATE public.account_balance SET xp = xp + 1 WHERE account_id = 1");
		assert_int_equal(turn(&keeper, now, &kept), OK);
	}
	/* killed after its write: the next turn takes the count over and carries the marks once more */
	testdb_exec("UPDATE public.account_balance SET xp = 70 WHERE account_id = 2");
	testdb_exec("UPDATE public.board_keeper SET turn = turn - 1");
	assert_int_equal(turn(&keeper, now, &kept), OK);
	assert_int_equal(keep_all(&keeper, now, NULL), 1);
	assert_string_equal(said((struct board_wish){0}), "1:2:70 2:1:54");
}

static enum status change_between(struct tx *tx, void *arg)
{
	(void)arg;
	struct board_row *rows = NULL;
	size_t count = 0;
	enum status status = board_dirty_read(tx, 0, 10, &rows, &count);

	assert_int_equal(count, 2);
	testdb_exec("UPDATE public.account_balance SET xp = 77 WHERE account_id = 2");
	return status == OK ? board_dirty_forget(tx, rows, count) : status;
}

static void test_a_mark_that_was_renewed_stays(void **state)
{
	struct ctx ctx;

	(void)state;
	make_people(2);
	ctx = fresh_ctx();
	assert_int_equal(tx_run(&ctx, change_between, NULL), OK);
	assert_int_equal(testdb_i64("SELECT account_id FROM public.board_dirty"), 2);
}

/* Somebody else's value under one of our keys: nothing is told, nothing is forgotten, and a rebuild puts it right. */
static void test_a_board_that_is_none_loses_no_mark(void **state)
{
	struct board_page page;
	struct board_kept kept = {0};
	struct ctx ctx;
	int64_t asked = 0;

	(void)state;
	make_people(2);
	keep_all(&keeper, now, NULL);
	redis("SET board:all:xp nonsense");
	assert_int_equal(read_board((struct board_wish){0}, &page), UNAVAILABLE);
	testdb_exec("UPDATE public.account_balance SET xp = 50 WHERE account_id = 1");
	(void)usleep(250 * 1000); /* after a failure no call is made for 200 ms */
	assert_int_equal(turn(&keeper, now, &kept), UNAVAILABLE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.board_dirty"), 1);
	(void)usleep(250 * 1000);
	ctx = fresh_ctx();
	assert_int_equal(boards_rebuild(&ctx, &asked), OK);
	keep_all(&keeper, now, NULL);
	assert_string_equal(said((struct board_wish){0}), "1:1:50 2:2:10");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.board_dirty"), 0);
}

static void test_queries(void **state)
{
	static const struct {
		const char *query;
		bool people;
		const char *field; /* NULL: good */
	} rows[] = {
		{"", false, NULL}, {"board=week&by=coins&limit=100&cursor=100", false, NULL}, {"around=me", false, NULL},
		{"unknown=1", false, NULL}, {"platform=telegram&id=5&around=me", true, NULL}, {"platform=matrix", false, NULL},
		{"board=", false, "board"}, {"board=year", false, "board"}, {"board=all&board=all", false, "board"}, {"board=ALL", false, "board"},
		{"by=level", false, "by"}, {"by=%zz", false, "by"}, {"limit=0", false, "limit"}, {"limit=101", false, "limit"},
		{"limit=-1", false, "limit"},
		{"limit=5.0", false, "limit"}, {"limit=", false, "limit"}, {"limit=99999999999999999999", false, "limit"},
		{"cursor=0", false, "cursor"}, {"cursor=-5", false, "cursor"}, {"cursor=x", false, "cursor"},
		{"cursor=9223372036854775807", false, "cursor"},
		{"around=you", false, "around"}, {"around=", false, "around"}, {"around=me&cursor=5", false, "cursor"},
		{"platform=telegram", true, "id"}, {"id=5", true, "platform"}, {"platform=website&id=5", true, "platform"},
		{"platform=telegram&id=0", true, "id"}, {"platform=telegram&id=9223372036854775808", true, "id"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct board_wish wish = {0};
		struct board_fault fault = {0};
		enum status status = boards_wish(arena, str_from_z(rows[i].query), rows[i].people, &wish, &fault);

		if (rows[i].field == NULL) {
			assert_int_equal(status, OK);
		} else {
			assert_int_equal(status, INVALID);
			assert_string_equal(fault.field, rows[i].field);
		}
	}
}

static int group_setup(void **state)
{
	int answer = testdb_setup(state);

	json_setup();
	app = testdb_app(4);
	redis("FLUSHDB");
	return answer;
}

static int group_teardown(void **state)
{
	testdb_app_close(app);
	return testdb_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_periods_are_those_of_the_balances, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_told_before_the_boards_are_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_place_alone_is_that_of_the_board, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_board_shows_its_period, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_are_carried_over_and_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hidden_joined_and_erased_people_have_no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages_follow_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_store_that_was_lost_is_made_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_store_that_is_lost_while_it_is_made_is_begun_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_keeper_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_keeper_that_was_overtaken_writes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_mark_that_was_renewed_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_board_that_is_none_loses_no_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queries, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
