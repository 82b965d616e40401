/* What keeps the tables bounded: keys go when nobody may send them again, old days are folded and sealed, the proof sees every change. */
#include "service/upkeep.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/parse.h"
#include "core/event.h"
#include "io/app.h"
#include "io/json.h"
#include "service/applying.h"
#include "service/events.h"
#include "service/tx.h"
#include "support/testdb.h"

static const int64_t today = INT64_C(1763596800) * SECOND_US; /* 2025-11-20T00:00:00Z */
#define STEPS_MAX 400
#define CONNECTIONS 8

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
	testdb_exec("TRUNCATE public.event_queue, public.event_key, public.event_key_recent, public.event, public.ledger, public.identity_reach,"
	            " public.identity, public.account_balance, public.account, public.ledger_seal, public.ledger_checkpoint, public.event_thinned"
	            " CASCADE");
	testdb_exec("DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN"
	            " ('public.ledger'::regclass, 'public.event'::regclass, 'public.event_key_recent'::regclass) AND inhrelid IN"
	            " (SELECT oid FROM pg_class WHERE relkind = 'r') LOOP EXECUTE format('DROP TABLE %s', p); END LOOP; END $$");
	arena_free(arena);
	return 0;
}

/* All that is due at `at`, as the worker does it; returns how many steps did something. */
static size_t tidy(enum sql statement, int64_t at)
{
	struct arena *own = arena_new((size_t)1024 * 1024);
	struct str done = STR_ABSENT;
	size_t count = 0;

	for (int i = 0; i < STEPS_MAX; i++) {
		struct ctx ctx = testdb_ctx(app, own, at, 60);

		assert_int_equal(upkeep_step(&ctx, statement, &done), OK);
		if (!str_present(done)) {
			break;
		}
		count++;
	}
	arena_free(own);
	return count;
}

/* ---- keys ---- */

static struct events_result send_message(const char *key, int64_t at, int64_t now)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 5);
	struct events_answer answer = {0};
	struct str item = str_printf(arena, "{\"platform\":\"telegram\",\"platform_id\":\"7\",\"type\":\"message_sent\","
	                             "\"data\":{\"length\":5},"
	                             "\"idempotency_key\":\"%s\",\"at\":\"" STR_FMT "\"}", key, STR_ARG(format_rfc3339(arena, at)));

	assert_int_equal(events_accept(&ctx, STR("api:test"), &item, 1, &answer), OK);
	assert_int_equal(answer.count, 1);
	return answer.results[0];
}

/* An hour at a time from its first sending until its key is gone: never is it taken twice. */
static void walk_past_the_window(const char *key, int64_t at)
{
	bool rejected = false;
	char sql[160];

	assert_int_equal(send_message(key, at, at).verdict, EVENTS_ACCEPTED);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM public.event_key_recent WHERE key = '%s'", key);
	for (int64_t now = at + 6 * DAY_US; testdb_i64(sql) > 0; now += HOUR_US) {
		assert_true(now < at + 11 * DAY_US);
		(void)tidy(SQL_UPKEEP_DROP_KEYS, now);
		enum events_verdict verdict = send_message(key, at, now).verdict;

		assert_int_equal(verdict, now - at <= EVENT_BACK_RECENT_US ? EVENTS_DUPLICATE : EVENTS_REJECTED);
		rejected = rejected || verdict == EVENTS_REJECTED;
	}
	/* A day was left between the last moment at which it could come and the end of its key. */
	assert_true(rejected);
	assert_int_equal(send_message(key, at, at + 10 * DAY_US).verdict, EVENTS_REJECTED);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 1);
	testdb_exec("DELETE FROM public.event_queue");
}

static void test_no_key_goes_before_its_event_is_too_old(void **state)
{
	(void)state;
	walk_past_the_window("first-of-a-day", today);
	walk_past_the_window("last-of-a-day", today + 20 * DAY_US - 1);
	/* To the microsecond. */
	assert_int_equal(send_message("edge", today + 30 * DAY_US, today + 30 * DAY_US).verdict, EVENTS_ACCEPTED);
	(void)tidy(SQL_UPKEEP_DROP_KEYS, today + 30 * DAY_US + EVENT_BACK_RECENT_US);
	assert_int_equal(send_message("edge", today + 30 * DAY_US, today + 30 * DAY_US + EVENT_BACK_RECENT_US).verdict, EVENTS_DUPLICATE);
	assert_int_equal(send_message("edge", today + 30 * DAY_US, today + 30 * DAY_US + EVENT_BACK_RECENT_US + 1).verdict, EVENTS_REJECTED);
	/* Days that were dropped are not made again. */
	assert_true(tidy(SQL_UPKEEP_DROP_KEYS, today + 38 * DAY_US) > 0);
	testdb_exec("SELECT public.make_partitions('2025-12-28')");
	assert_int_equal(tidy(SQL_UPKEEP_DROP_KEYS, today + 38 * DAY_US), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.day_partitions('event_key_recent') WHERE day < '2025-12-20'"), 0);
}

/* ---- folding ---- */

/*
 * Three accounts. The first: messages and voice, a game's badge among them, over two days and today; the second: one message; the third:
 * nothing of what is folded.
 */
static void fill_ledger(void)
{
	testdb_exec("SELECT public.make_partitions('2025-11-20');"
	            "INSERT INTO public.account (id, created_at) SELECT g, '2025-11-01' FROM generate_series(101, 103) g;"
	            "INSERT INTO public.account_balance (account_id, xp, coins, last_active) VALUES"
	            " (101, 36, 50, '2025-11-20'), (102, 3, 0, '2025-11-20'),"
	            " (103, 7, 0, '2025-11-20');"
	            "INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, reason, at) VALUES"
	            " (101, 'a', 'message_sent', 'telegram:main', 1, 0, 1, 0, NULL, '2025-11-10 00:00:00+00'),"
	            " (101, 'b', 'voice_time', 'api:x', 10, 0, 11, 0, NULL, '2025-11-10 05:00:00+00'),"
	            " (101, 'b:badge:y', 'badge', 'api:x', 5, 50, 16, 50, 'y', '2025-11-10 05:00:00+00'),"
	            " (101, 'c', 'message_sent', 'telegram:main', 2, 0, 18, 50, NULL, '2025-11-10 23:59:59.999999+00'),"
	            " (101, 'd', 'message_sent', 'telegram:quiz', 3, 0, 21, 50, NULL, '2025-11-11 00:00:00+00'),"
	            " (101, 'e', 'message_sent', 'telegram:main', 5, 0, 26, 50, NULL, '2025-11-11 00:00:00+00'),"
	            " (101, 'f', 'message_sent', 'telegram:main', 10, 0, 36, 50, NULL, '2025-11-20 10:00:00+00'),"
	            " (102, 'g', 'message_sent', 'telegram:main', 3, 0, 3, 0, NULL, '2025-11-10 12:00:00+00'),"
	            " (103, 'h', 'xp_change', 'api:x', 7, 0, 7, 0, 'well done', '2025-11-10 12:00:00+00');");
}

/* What is wrong, as "account:what" and days; "" when all is right. */
static const char *prove(bool quick, int64_t at)
{
	static char words[512];
	struct ctx ctx = testdb_ctx(app, arena, at, 60);
	struct upkeep_proof proof = {0};
	size_t len = 0;

	words[0] = '\0';
	assert_int_equal(upkeep_prove(&ctx, quick, 10, &proof), OK);
	for (int i = 0; i < pg_row_count(proof.differences); i++) {
		len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%lld:" STR_FMT, len == 0 ? "" : " ",
		                        (long long)pg_i64(proof.differences, i, 0), STR_ARG(pg_str(proof.differences, i, 5)));
	}
	assert_int_equal(proof.days == NULL, quick);
	for (int i = 0; proof.days != NULL && i < pg_row_count(proof.days); i++) {
		len += (size_t)snprintf(words + len, sizeof(words) - len, "%s" STR_FMT, len == 0 ? "" : " ", STR_ARG(pg_str(proof.days, i, 0)));
	}
	return words;
}

static const char ledger_text[] =
	"SELECT string_agg(concat_ws(' ', user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, reason,"
	" to_char(at AT TIME ZONE 'UTC', 'DD HH24:MI:SS'), sealed), '; ' ORDER BY id) FROM public.ledger";

static void test_a_day_is_folded_when_it_is_35_days_old(void **state)
{
	(void)state;
	fill_ledger();
	/* The 10th is 35 days old in the course of December 15th: it is whole 35 days back on the 16th. */
	(void)tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US - 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger WHERE sealed IS NOT NULL"), 0);
	assert_int_equal(tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US), 1);
	assert_string_equal(
		testdb_text(ledger_text),
		"101 b voice_time api:x 10 0 11 0 10 05:00:00 1; 101 b:badge:y badge api:x 5 50 16 50 y 10 05:00:00 1;"
		" 101 fold:message_sent:101:20251110 message_sent telegram:main 3 0 18 50 10 23:59:59 2;"
		" 101 d message_sent telegram:quiz 3 0 21 50 11 00:00:00; 101 e message_sent telegram:main 5 0 26 50 11 00:00:00;"
		" 101 f message_sent telegram:main 10 0 36 50 20 10:00:00; 102 g message_sent telegram:main 3 0 3 0 10 12:00:00 1;"
		" 103 h xp_change api:x 7 0 7 0 well done 10 12:00:00 1");
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', account_id, xp, coins), '; ' ORDER BY 1) FROM public.ledger_checkpoint"),
	                    "101 18 50; 102 3 0; 103 7 0");
	assert_string_equal(prove(false, today), "");
	assert_string_equal(prove(true, today), "");
	/* The next day alone: of two bots. Balances of before are where they were; what is done is not done again. */
	assert_int_equal(tidy(SQL_UPKEEP_FOLD_LEDGER, today + 27 * DAY_US), 1);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', idempotency_key, source, xp, xp_after, sealed) FROM public.ledger"
	                                " WHERE at >= '2025-11-11 00:00:00+00' AND at < '2025-11-12 00:00:00+00'"),
	                    "fold:message_sent:101:20251111 several 8 26 2");
	assert_int_equal(tidy(SQL_UPKEEP_FOLD_LEDGER, today + 27 * DAY_US), 0);
	assert_string_equal(prove(false, today), "");
	assert_string_equal(prove(true, today), "");
}

static void test_a_row_that_comes_late_is_counted_and_folded_once(void **state)
{
	(void)state;
	fill_ledger();
	(void)tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US);
	/* The development clock was set back. */
	testdb_exec("INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, at) VALUES"
	            " (101, 'late', 'message_sent', 'telegram:main', 4, 0, 40, 50, '2025-11-10 13:00:00+00');"
	            "UPDATE public.account_balance SET xp = 40 WHERE account_id = 101");
	assert_string_equal(prove(false, today), "");
	assert_string_equal(prove(true, today), "");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger_seal WHERE reopened"), 1);
	assert_int_equal(tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US), 1);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', xp, xp_after, sealed) FROM public.ledger WHERE user_id = 101"
	                                " AND kind = 'message_sent' AND at < '2025-11-11 00:00:00+00'"), "7 40 3");
	assert_int_equal(testdb_i64("SELECT xp FROM public.ledger_checkpoint WHERE account_id = 101"), 22);
	assert_string_equal(prove(false, today), "");
	assert_string_equal(prove(true, today), "");
}

static void test_the_ledger_takes_no_change_and_no_removal(void **state)
{
	(void)state;
	fill_ledger();
	testdb_exec("DO $$ BEGIN UPDATE public.ledger SET xp = xp + 1; RAISE 'taken'; EXCEPTION WHEN restrict_violation THEN NULL; END $$;"
	            "DO $$ BEGIN DELETE FROM public.ledger; RAISE 'taken'; EXCEPTION WHEN restrict_violation THEN NULL; END $$");
	(void)tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US);
	testdb_exec("DO $$ BEGIN DELETE FROM public.ledger WHERE sealed IS NOT NULL; RAISE 'taken';"
	            " EXCEPTION WHEN restrict_violation THEN NULL; END $$");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 8);
}

/* A change behind our back, what the whole proof says of it, and what the quick one does, which does not read sealed days. */
struct tampering {
	const char *change;
	const char *whole;
	const char *quick;
};

static void test_the_proof_sees_every_change(void **state)
{
	static const struct tampering changes[] = {
		{"UPDATE public.ledger SET xp = xp + 1 WHERE idempotency_key = 'f'", "101:balance", "101:balance"},
		{"UPDATE public.ledger SET xp_after = xp_after + 1 WHERE idempotency_key = 'e'", "101:order", "101:order"},
		{"UPDATE public.ledger SET xp = xp + 1 WHERE idempotency_key = 'd'; UPDATE public.ledger SET xp = xp - 1 WHERE idempotency_key = 'e'",
		 "101:order", "101:order"},
		{"DELETE FROM public.ledger WHERE idempotency_key = 'f'", "101:balance", "101:balance"},
		{"UPDATE public.ledger SET xp = xp + 1 WHERE idempotency_key = 'g'", "102:checkpoint 2025-11-10", ""},
		{"UPDATE public.ledger SET xp_after = xp_after + 1 WHERE idempotency_key = 'g'", "2025-11-10", ""},
		{"UPDATE public.ledger SET reason = 'badly done' WHERE idempotency_key = 'h'", "2025-11-10", ""},
		{"DELETE FROM public.ledger WHERE idempotency_key = 'h'", "103:checkpoint 2025-11-10", ""},
		{"UPDATE public.ledger SET sealed = NULL WHERE idempotency_key = 'h'", "103:checkpoint 2025-11-10", ""},
		{"UPDATE public.ledger_checkpoint SET xp = xp + 1 WHERE account_id = 102", "102:checkpoint", "102:balance"},
		{"UPDATE public.ledger_checkpoint SET chain = chain + 1 WHERE account_id = 102", "102:order", "102:order"},
		{"DELETE FROM public.ledger_checkpoint WHERE account_id = 103", "103:checkpoint", "103:balance"},
		{"INSERT INTO public.ledger_checkpoint VALUES (999, 0, 0, 0)", "999:no balance", "999:no balance"},
		{"UPDATE public.ledger_seal SET row_count = row_count + 1 WHERE day = '2025-11-10'", "2025-11-10", ""},
		{"DELETE FROM public.ledger_seal WHERE day = '2025-11-10'", "2025-11-10", ""},
		{"UPDATE public.account_balance SET coins = coins + 1 WHERE account_id = 101", "101:balance", "101:balance"},
		{"UPDATE public.account_balance SET xp = 0 WHERE account_id = 103", "103:balance", "103:balance"},
		{"DELETE FROM public.account_balance WHERE account_id = 102", "102:no balance", "102:no balance"},
		{"UPDATE public.ledger SET xp = 9223372036854775807 WHERE idempotency_key IN ('e', 'f')", "101:balance", "101:balance"},
	};

	(void)state;
	fill_ledger();
	(void)tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US);
	testdb_exec("CREATE TABLE public.keep_l AS SELECT * FROM public.ledger; "
	            "CREATE TABLE public.keep_b AS SELECT * FROM public.account_balance;"
	            "CREATE TABLE public.keep_c AS SELECT * FROM public.ledger_checkpoint; "
	            "CREATE TABLE public.keep_s AS SELECT * FROM public.ledger_seal");
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		/* As somebody does it who may do everything. */
		testdb_exec("SET session_replication_role = replica");
		testdb_exec(changes[i].change);
		testdb_exec("SET session_replication_role = DEFAULT");
		print_message("%s\n", changes[i].change);
		assert_string_equal(prove(false, today), changes[i].whole);
		assert_string_equal(prove(true, today), changes[i].quick);
		testdb_exec("SET session_replication_role = replica; DELETE FROM public.ledger; DELETE FROM public.account_balance;"
		            "DELETE FROM public.ledger_checkpoint; DELETE FROM public.ledger_seal;"
		            "INSERT INTO public.ledger OVERRIDING SYSTEM VALUE SELECT * FROM public.keep_l; "
		            "INSERT INTO public.account_balance SELECT * FROM public.keep_b;"
		            "INSERT INTO public.ledger_checkpoint SELECT * FROM public.keep_c; "
		            "INSERT INTO public.ledger_seal SELECT * FROM public.keep_s;"
		            "SET session_replication_role = DEFAULT");
		assert_string_equal(prove(false, today), "");
	}
	testdb_exec("DROP TABLE public.keep_l, public.keep_b, public.keep_c, public.keep_s");
}

/* ---- the archive, and months ---- */

static void test_the_archive_keeps_what_lives_on(void **state)
{
	(void)state;
	testdb_exec("SELECT public.make_partitions('2025-11-20');"
	            "INSERT INTO public.event (id, user_id, platform, type, data, key, at, accepted_at, applied_at, rejected)"
	            " SELECT g, 5, 'telegram', (ARRAY['message_sent', 'voice_time', 'game_played', 'xp_change'])[1 + g % 4], '{}', g::text,"
	            "  '2025-11-10', '2025-11-10', timestamptz '2025-11-10 00:00:00+00' + (g / 8) * interval '1 day',"
	            "  CASE g WHEN 3 THEN 'insufficient' END"
	            " FROM generate_series(0, 23) g");
	/* The 11th has messages only. */
	testdb_exec("DELETE FROM public.event WHERE applied_at = '2025-11-11 00:00:00+00' AND type NOT IN ('message_sent', 'voice_time')");
	(void)tidy(SQL_UPKEEP_THIN_EVENTS, today + 26 * DAY_US - 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event"), 20);
	(void)tidy(SQL_UPKEEP_THIN_EVENTS, today + 27 * DAY_US);
	assert_string_equal(testdb_text("SELECT string_agg(id || ' ' || type, ',' ORDER BY id) FROM public.event"
	                                " WHERE applied_at < '2025-11-12 00:00:00+00'"),
	                    "2 game_played,3 xp_change,6 game_played,7 xp_change");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event"), 12); /* the 12th is whole */
	assert_string_equal(testdb_text("SELECT coalesce(to_regclass('public.event_20251111')::text, 'gone')"
	                                " || coalesce(to_regclass('public.event_20251110')::text, 'gone')"),
	                    "goneevent_20251110");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.cross_platform_events WHERE processed AND user_id = 5"), 12);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event WHERE rejected = 'insufficient'"), 1);
}

static void test_days_become_months(void **state)
{
	(void)state;
	fill_ledger();
	testdb_exec("INSERT INTO public.event (id, user_id, platform, type, data, key, at, accepted_at, applied_at) VALUES"
	            " (1, 5, 'telegram', 'xp_change', '{}', 'x', '2025-11-10', '2025-11-10', '2025-11-10')");
	/* The last day of November is older than 35 days on January 5th. */
	for (int day = 45; day <= 46; day++) {
		int64_t at = today + day * DAY_US;

		(void)tidy(SQL_UPKEEP_FOLD_LEDGER, at);
		(void)tidy(SQL_UPKEEP_THIN_EVENTS, at);
		assert_int_equal(tidy(SQL_UPKEEP_JOIN_LEDGER, at), 1);
		assert_int_equal(tidy(SQL_UPKEEP_JOIN_EVENTS, at), day == 46 ? 1 : 0);
	}
	assert_string_equal(testdb_text("SELECT string_agg(inhrelid::regclass::text, ',' ORDER BY 1) FROM pg_inherits"
	                                " WHERE inhparent = 'public.ledger'::regclass"),
	                    "ledger_202510,ledger_202511");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 7);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_202511"), 1);
	assert_string_equal(prove(false, today), "");
	assert_string_equal(prove(true, today), "");
	/* A clock set back: the month takes what comes, and its days are not made again. */
	testdb_exec("SELECT public.make_partitions('2025-11-20')");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.day_partitions('ledger') WHERE day < '2025-12-01'"), 0);
	testdb_exec("INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, at) VALUES"
	            " (101, 'late', 'message_sent', 'telegram:main', 4, 0, 40, 50, '2025-11-20 13:00:00+00');"
	            "UPDATE public.account_balance SET xp = 40 WHERE account_id = 101");
	assert_string_equal(prove(false, today), "");
	assert_string_equal(prove(true, today), "");
}

/* ---- several at once, and ends in the middle ---- */

static void *tidy_until_done(void *arg)
{
	atomic_size_t *done = arg;
	struct arena *own = arena_new((size_t)1024 * 1024);

	for (int idle = 0; idle < 50;) {
		struct ctx ctx = testdb_ctx(app, own, today + 40 * DAY_US, 60);
		struct str what = STR_ABSENT;

		if (upkeep_step(&ctx, SQL_UPKEEP_FOLD_LEDGER, &what) != OK) {
			break;
		}
		idle = str_present(what) ? 0 : idle + 1;
		(void)atomic_fetch_add(done, str_present(what) ? 1 : 0);
		arena_reset(own);
	}
	arena_free(own);
	return NULL;
}

static void test_of_several_workers_one_folds(void **state)
{
	pthread_t threads[4];
	atomic_size_t done = 0;

	(void)state;
	fill_ledger();
	size_t due = (size_t)testdb_i64("SELECT count(*) FROM public.day_partitions('ledger') WHERE day < '2025-11-25'");

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, tidy_until_done, &done), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		(void)pthread_join(threads[i], NULL);
	}
	assert_int_equal(atomic_load(&done), due);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger_seal"), due);
	assert_string_equal(prove(false, today), "");
}

struct one_step {
	pthread_t thread;
	enum status status;
};

static void *fold_once(void *arg)
{
	struct one_step *step = arg;
	struct arena *own = arena_new((size_t)1024 * 1024);
	struct ctx ctx = testdb_ctx(app, own, today + 26 * DAY_US, 60);
	struct str done = STR_ABSENT;

	step->status = upkeep_step(&ctx, SQL_UPKEEP_FOLD_LEDGER, &done);
	arena_free(own);
	return NULL;
}

/* The table is held by a reader, so the step has done all but its last: then its session is killed. */
static void test_a_step_that_is_killed_has_changed_nothing(void **state)
{
	struct one_step step = {0};
	char before[1024];

	(void)state;
	fill_ledger();
	while (tidy(SQL_UPKEEP_FOLD_LEDGER, today + 25 * DAY_US) > 0) {
		/* so that the 10th is next */
	}
	snprintf(before, sizeof(before), "%s", testdb_text(ledger_text));
	testdb_exec("BEGIN; LOCK TABLE public.ledger IN ACCESS SHARE MODE");
	assert_int_equal(pthread_create(&step.thread, NULL, fold_once, &step), 0);
	int64_t waiting = 0;

	for (int look = 0; look < 1000 && waiting == 0; look++) {
		/* A transaction sees its first look at the sessions again and again. */
		testdb_exec("SELECT pg_stat_clear_snapshot()");
		waiting = testdb_i64("SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('PgSleep', 'relation')"
		                     " AND query LIKE '%fold_ledger%' AND pid <> pg_backend_pid()");
		usleep(10000);
	}
	assert_int_equal(waiting, 1);
	assert_int_equal(testdb_i64("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%fold_ledger%'"
	                            " AND pid <> pg_backend_pid()"), 1);
	(void)pthread_join(step.thread, NULL);
	assert_int_not_equal(step.status, OK);
	testdb_exec("COMMIT");
	assert_string_equal(testdb_text(ledger_text), before);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger_checkpoint"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM pg_class WHERE relname LIKE '%new%' AND relkind = 'r'"), 0);
	assert_string_equal(prove(false, today), "");
	assert_int_equal(tidy(SQL_UPKEEP_FOLD_LEDGER, today + 26 * DAY_US), 1);
	assert_string_equal(prove(false, today), "");
}

/* ---- beside the hot path ---- */

#define WRITERS 3

struct writer {
	pthread_t thread;
	int number;
	atomic_bool *stop;
	size_t requests;
	size_t failures;
	int64_t longest;
};

/* Sends events and applies them. The sessions' lock_timeout is 500 ms: who would wait longer fails, so failures are counted, not times. */
static void *send_and_apply(void *arg)
{
	struct writer *writer = arg;
	struct arena *own = arena_new((size_t)16 * 1024 * 1024);
	struct applier applier = {0};

	for (int i = 0; !atomic_load(writer->stop); i++) {
		arena_reset(own);
		struct ctx ctx = testdb_ctx(app, own, today, 30);
		struct events_answer answer = {0};
		struct applied applied = {0};
		int64_t start = clock_monotonic_us();
		struct str item = str_printf(own, "{\"platform\":\"telegram\",\"platform_id\":\"%d\",\"type\":\"message_sent\","
		                             "\"data\":{\"length\":60},"
		                             "\"idempotency_key\":\"w%d-%d\",\"at\":\"2025-11-19T23:59:59Z\"}", writer->number + 1, writer->number, i);

		writer->failures += events_accept(&ctx, STR("api:test"), &item, 1, &answer) != OK ? 1 : 0;
		int64_t took = clock_monotonic_us() - start;

		writer->longest = took > writer->longest ? took : writer->longest;
		enum status status = applying_turn(&ctx, &applier, &applied);

		writer->failures += status != OK && status != NOT_FOUND ? 1 : 0;
		writer->requests++;
	}
	arena_free(own);
	return NULL;
}

static void test_who_writes_never_waits_500_ms(void **state)
{
	struct writer writers[WRITERS] = {0};
	atomic_bool stop = false;
	size_t steps = 0;
	size_t requests = 0;
	int64_t longest = 0;

	(void)state;
	fill_ledger();
	testdb_exec("INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, at)"
	            " SELECT 103, 'n' || g, 'message_sent', 's', 1, 0, 7 + g, 0, timestamptz '2025-10-22 00:00:00+00' + g * interval '0.5 second'"
	            " FROM generate_series(1, 100000) g; UPDATE public.account_balance SET xp = 100007 WHERE account_id = 103");
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.number = i, .stop = &stop};
		assert_int_equal(pthread_create(&writers[i].thread, NULL, send_and_apply, &writers[i]), 0);
	}
	/* What is done in a week, at once. The writers' own day, the 20th, is not among it. */
	steps += tidy(SQL_UPKEEP_FOLD_LEDGER, today + 13 * DAY_US);
	steps += tidy(SQL_UPKEEP_THIN_EVENTS, today + 13 * DAY_US);
	steps += tidy(SQL_UPKEEP_DROP_KEYS, today + 8 * DAY_US);
	steps += tidy(SQL_UPKEEP_DROP_GONE, today);
	atomic_store(&stop, true);
	for (int i = 0; i < WRITERS; i++) {
		(void)pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].failures, 0);
		requests += writers[i].requests;
		longest = writers[i].longest > longest ? writers[i].longest : longest;
	}
	print_message("%zu partitions, %zu requests beside, the longest %lld ms\n", steps, requests, (long long)longest / 1000);
	assert_true(steps > 30);
	assert_true(requests > steps);
	assert_string_equal(prove(false, today), "");
}

/* ---- what the operator is told ---- */

static const char *faults(const char *day)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT string_agg(concat_ws(' ', parent, fault, detail), '; ' ORDER BY 1)"
	                          " FROM public.partition_faults('%s')", day);
	return testdb_text(sql);
}

static void test_missing_and_late_partitions_are_told(void **state)
{
	(void)state;
	testdb_exec("SELECT public.make_partitions('2025-11-20')");
	assert_string_equal(faults("2025-11-20"), "");
	assert_string_equal(faults("2025-11-21"), "");
	assert_string_equal(faults("2025-11-22"), "event_key_recent missing 2025-11-24");
	(void)tidy(SQL_UPKEEP_DROP_KEYS, today + 7 * DAY_US);
	testdb_exec("SELECT public.make_partitions('2025-11-27')");
	assert_string_equal(faults("2025-11-27"), "");
	assert_string_equal(faults("2025-11-28"), "event late 2025-10-21; ledger late 2025-10-21");
	(void)tidy(SQL_UPKEEP_FOLD_LEDGER, today + 8 * DAY_US);
	(void)tidy(SQL_UPKEEP_THIN_EVENTS, today + 8 * DAY_US);
	assert_string_equal(faults("2025-11-28"), "");
	testdb_exec("CREATE TABLE public.stray PARTITION OF public.event DEFAULT");
	assert_string_equal(faults("2025-11-28"), "event default stray");
}

static enum status read_troubles(struct tx *tx, void *arg)
{
	struct pg_params params = tx_params(tx);

	pg_add_time(&params, today);
	return tx_query(tx, SQL_UPKEEP_TROUBLES, &params, arg);
}

/* With PostgreSQL's own setting a deadlock looks like a wait to us: doctor says so. */
static void test_a_deadlock_timeout_that_is_too_long_is_told(void **state)
{
	static const char *const settings[] = {"499ms", "500ms", "1s"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		struct pg_rows *rows = NULL;

		testdb_execf("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET deadlock_timeout = ''%s''', current_database()); END $$",
		             settings[i]);
		struct app *fresh = testdb_app(1);
		struct ctx ctx = testdb_ctx(fresh, arena, today, 5);

		assert_int_equal(service_read(&ctx, read_troubles, &rows), OK);
		assert_int_equal(pg_bool(rows, 0, 3), i == 0);
		testdb_app_close(fresh);
	}
	testdb_exec("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET deadlock_timeout', current_database()); END $$");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_key_goes_before_its_event_is_too_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_day_is_folded_when_it_is_35_days_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_row_that_comes_late_is_counted_and_folded_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_ledger_takes_no_change_and_no_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_proof_sees_every_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_archive_keeps_what_lives_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_days_become_months, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_several_workers_one_folds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_step_that_is_killed_has_changed_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_writes_never_waits_500_ms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_and_late_partitions_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_deadlock_timeout_that_is_too_long_is_told, setup, teardown),
	};
	if (testdb_setup(NULL) != 0) {
		return 1;
	}
	json_setup();
	app = testdb_app(CONNECTIONS);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return testdb_teardown(NULL) != 0 ? 1 : failed;
}
