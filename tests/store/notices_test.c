/* What people and groups are told of what was earned, what they read of it, and what they choose: in the database. */
#include "service/notify.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "io/app.h"
#include "io/json.h"
#include "service/applying.h"
#include "service/profile.h"
#include "service/tx.h"
#include "store/shown.h"
#include "support/people.h"
#include "support/testdb.h"

static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z */
#define NOW_SQL "to_timestamp(1763645064)"
#define GROUP "-1001"
#define OTHER_GROUP "-1002"

static struct app *app;
static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)16 * 1024 * 1024);
	testdb_exec("INSERT INTO public.chat (platform, chat_id, state, changed_at, announce) VALUES"
	            " ('telegram', " GROUP ", 'registered', " NOW_SQL ", true), ('telegram', " OTHER_GROUP ", 'registered', " NOW_SQL ", true)");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	people_forget();
	testdb_exec("TRUNCATE public.chat");
	testdb_exec("DELETE FROM public.badges WHERE code LIKE 'test%'");
	arena_free(arena);
	return 0;
}

/* Account `number` with as much XP and everything switched on, on Telegram, where bot main may write to him. */
static void person(int number, int xp)
{
	testdb_execf(
		"INSERT INTO public.account (id, created_at, notify_badges, notify_missions) VALUES (%d, " NOW_SQL ", true, true);"
		"INSERT INTO public.account_balance (account_id, xp, rank_paid) VALUES (%d, %d, 1);"
		"INSERT INTO public.identity (id, account_id, platform, platform_id, name, first_seen, last_seen, attached_at)"
		" VALUES (%d, %d, 'telegram', %d, 'Person %d', " NOW_SQL ", " NOW_SQL ", " NOW_SQL ");"
		"INSERT INTO public.identity_reach (identity_id, bot, can_message, changed_at) VALUES (%d, 'main', true, " NOW_SQL ")",
		number, number, xp, number, number, number, number, number);
}

/* An event of person 1, in the order of calls. */
static void queue(const char *source, const char *type, const char *data, int seconds)
{
	testdb_execf(
		"INSERT INTO public.event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at)"
		" SELECT 5, 'telegram', 1, '%s', '%s', '%s', 'k' || count(*), " NOW_SQL " + make_interval(secs => %d), " NOW_SQL
		" FROM public.event_queue", source, type, data, seconds);
}

static void message(const char *source, const char *chat, int seconds)
{
	char data[200];

	snprintf(data, sizeof(data), "{\"length\": 600, \"chat\": \"%s\", \"h\": %d}", chat, 1000 + seconds);
	queue(source, "message_sent", data, seconds);
}

static void apply(void)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct applier applier = {0};
	struct applied applied = {0};

	assert_int_equal(applying_turn(&ctx, &applier, &applied), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 0);
}

/* "topic recipient words, ..." of what waits to be sent. */
static const char *outbox(const char *words)
{
	char sql[400];

	snprintf(sql, sizeof(sql), "SELECT coalesce(string_agg(concat_ws(' ', topic, recipient, position('%s'::bytea IN body) > 0), ', '"
	                           " ORDER BY id), '') FROM public.outbox", words);
	return testdb_text(sql);
}

/* ---- groups ---- */

static void test_a_group_hears_of_the_rank_that_was_reached_there_once_in_a_batch(void **state)
{
	(void)state;
	person(1, 497);
	message("telegram:main", GROUP, 0);                                           /* 502: F II */
	queue("api:test", "xp_change", "{\"xp\": 747, \"reason\": \"r\"}", 1);        /* 1249 */
	message("telegram:quiz", OTHER_GROUP, 60);                                    /* F III */
	apply();
	assert_string_equal(outbox("F III"), "rank 1 t, announce " OTHER_GROUP " t");
	assert_string_equal(testdb_text("SELECT concat_ws(' ', bot, account_id IS NULL, position('Person 1'::bytea IN body) > 0)"
	                                " FROM public.outbox WHERE topic = 'announce'"), "quiz t t");
}

/* The rank that counts came by a program, or in the bot's private chat. */
static void test_a_rank_that_was_reached_elsewhere_is_told_in_no_group(void **state)
{
	static const char *const sources[] = {"api:test", "telegram:main"};

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		person(1, 497);
		message("telegram:main", GROUP, 0);
		queue(sources[i], "xp_change", "{\"xp\": 2000, \"reason\": \"r\"}", 1);
		apply();
		assert_string_equal(outbox("E I"), "rank 1 t");
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void test_what_a_program_says_of_a_chat_is_announced_by_nobody(void **state)
{
	(void)state;
	person(1, 497);
	message("api:test", GROUP, 0);
	apply();
	assert_string_equal(outbox("F II"), "rank 1 t");
}

static void test_groups_and_people_who_want_nothing_are_left_alone(void **state)
{
	static const char *const quiet[] = {
		"UPDATE public.chat SET announce = false", "UPDATE public.chat SET state = 'ignored'", "UPDATE public.account SET hidden = true",
		"DELETE FROM public.chat",
	};

	for (size_t i = 0; i < ARRAY_LEN(quiet); i++) {
		person(1, 497);
		testdb_exec(quiet[i]);
		message("telegram:main", GROUP, 0);
		apply();
		assert_string_equal(outbox("F II"), "rank 1 t");
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
	person(1, 497);
	testdb_exec("UPDATE public.account SET notify_rank = false");
	message("telegram:main", GROUP, 0);
	apply();
	assert_string_equal(outbox("F II"), "");
}

/* ---- people ---- */

static void test_each_switch_silences_its_own_notices(void **state)
{
	static const struct { const char *off, *told; } rows[] = {
		{"notify_rank = true", "rank 1 f, badge 1 t, mission 1 f"},
		{"notify_rank = false", "badge 1 t, mission 1 f"},
		{"notify_badges = false", "rank 1 f, mission 1 f"},
		{"notify_missions = false", "rank 1 f, badge 1 t"},
		{"notify_rank = false, notify_badges = false, notify_missions = false", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		person(1, 450);
		testdb_execf("UPDATE public.account SET %s", rows[i].off);
		queue("telegram:main", "game_played", "{\"game\": \"go\", \"won\": true}", 0); /* first_win gives 100: F II */
		apply();
		assert_string_equal(outbox("BADGE_EARNED"), rows[i].told);
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void test_many_at_once_are_one_notice_that_names_ten(void **state)
{
	(void)state;
	/* Both the names and how many more: lines are 2 for each, and a last one. */
	testdb_exec("INSERT INTO public.badges (code, name, name_ru, description, description_ru, criteria, xp)"
	            " SELECT 'test' || n, 'Test ' || n, 'Проба ' || n, 'd', 'd', '{\"counter\": \"games_played\", \"at_least\": 1}', 1"
	            " FROM generate_series(1, 14) AS n");
	person(1, 0);
	queue("telegram:main", "game_played", "{\"game\": \"go\", \"won\": false}", 0);
	struct ctx ctx = testdb_ctx(app, arena, now + DAY_US, 10); /* the catalogue is read anew */
	struct applier applier = {0};
	struct applied applied = {0};

	assert_int_equal(applying_turn(&ctx, &applier, &applied), OK);
	assert_string_equal(testdb_text("SELECT string_agg(topic, ' ' ORDER BY topic) FROM public.outbox"), "badge mission");
	assert_string_equal(testdb_text("SELECT concat_ws(' ', position('7:Test 10'::bytea IN body) > 0, position('7:Test 11'::bytea IN body) > 0,"
	                                " position('BADGES_MORE'::bytea IN body) > 0) FROM public.outbox WHERE topic = 'badge'"), "t f t");
}

/* ---- what is read ---- */

struct read_call {
	int64_t platform_id;
	int64_t limit;
	struct history history;
	struct badge_states badges;
	struct viewer viewer;
	struct notify_switches switches;
};

static enum status read_history(struct tx *tx, void *arg)
{
	struct read_call *call = arg;

	return history_read(tx, PLATFORM_TELEGRAM, call->platform_id, call->limit, &call->history);
}

static enum status read_badges(struct tx *tx, void *arg)
{
	struct read_call *call = arg;

	return badge_states_read(tx, PLATFORM_TELEGRAM, call->platform_id, &call->badges);
}

static enum status read_switches(struct tx *tx, void *arg)
{
	struct read_call *call = arg;

	return notify_switches_read(tx, PLATFORM_TELEGRAM, call->platform_id, &call->viewer, &call->switches);
}

static enum status read_as(enum status (*fn)(struct tx *tx, void *arg), struct read_call *call)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	return service_read(&ctx, fn, call);
}

static void test_nobody_reads_nothing(void **state)
{
	struct read_call call = {.platform_id = 404, .limit = 5};

	(void)state;
	assert_int_equal(read_as(read_history, &call), NOT_FOUND);
	assert_int_equal(read_as(read_badges, &call), NOT_FOUND);
	assert_int_equal(read_as(read_switches, &call), NOT_FOUND);
	person(1, 0);
	call.platform_id = 1;
	assert_int_equal(read_as(read_history, &call), OK);
	assert_int_equal(call.history.count, 0);
	assert_int_equal(call.history.viewer.account_id, 1);
	assert_true(str_eq(call.history.viewer.name, STR("Person 1")) && call.history.viewer.last_seen == now);
}

/* As many rows as are asked for, of everybody who became this person and of nobody else, the newest first. */
static void test_history_is_that_of_all_who_became_one(void **state)
{
	struct read_call call = {.platform_id = 1, .limit = 5};

	(void)state;
	person(1, 0);
	person(2, 0);
	person(3, 0);
	testdb_exec("INSERT INTO public.account_family (account_id, survivor_id) VALUES (2, 1)");
	testdb_exec("SELECT public.make_partitions((" NOW_SQL ")::date)");
	testdb_exec("INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, reason, at)"
	            " SELECT 1 + n % 3, 'h' || n, CASE n WHEN 12 THEN 'of_later' WHEN 10 THEN 'badge' ELSE 'xp_change' END, 's', n, 0, n, 0,"
	            " CASE n WHEN 10 THEN 'rich' ELSE 'r' END, " NOW_SQL " - make_interval(secs => 13 - n) FROM generate_series(1, 13) AS n");
	assert_int_equal(read_as(read_history, &call), OK);
	assert_int_equal(call.history.count, 5);
	static const int64_t wanted[] = {13, 12, 10, 9, 7};

	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(call.history.rows[i].xp, wanted[i]);
	}
	assert_int_equal(call.history.rows[1].kind, LEDGER_UNSET);
	assert_true(str_eq(call.history.rows[2].name_en, STR("Rich")) && str_eq(call.history.rows[2].name_ru, STR("Богач")));
	assert_false(str_present(call.history.rows[3].name_en));
}

static void test_badges_that_are_held_come_first_the_newest_in_front(void **state)
{
	struct read_call call = {.platform_id = 1};

	(void)state;
	person(1, 42);
	testdb_exec("INSERT INTO public.badge_user_association (user_id, badge_id, earned_in_bot, earned_at) VALUES"
	            " (1, 3, 'x', " NOW_SQL "), (1, 9, 'x', " NOW_SQL " + interval '1 s')");
	assert_int_equal(read_as(read_badges, &call), OK);
	assert_int_equal(call.badges.count, 18);
	assert_true(str_eq(call.badges.rows[0].name_en, STR("Experienced")) && call.badges.rows[0].earned_at == now + SECOND_US);
	assert_true(str_eq(call.badges.rows[1].name_en, STR("Champion")) && str_eq(call.badges.rows[2].name_en, STR("First win")));
	assert_int_equal(call.badges.rows[2].counter, COUNTER_GAMES_WON);
	assert_int_equal(call.badges.rows[2].earned_at, 0);
	assert_int_equal(call.badges.balance.xp, 42);
}

/* ---- what is chosen ---- */

struct name_call {
	int64_t account_id;
	struct str name;
	struct str shown;
};

static enum status choose_name(struct tx *tx, void *arg)
{
	struct name_call *call = arg;

	return profile_choose_name(tx, call->account_id, call->name, STR("telegram:main"), &call->shown);
}

static enum status choose_language(struct tx *tx, void *arg)
{
	struct name_call *call = arg;

	return profile_choose_language(tx, call->account_id, LANGUAGE_RU, STR("telegram:main"));
}

static enum status choose(enum status (*fn)(struct tx *tx, void *arg), struct name_call *call)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	return tx_run(&ctx, fn, call);
}

static void test_a_profile_is_paid_when_its_last_part_comes(void **state)
{
	struct name_call call = {.account_id = 1, .name = STR(" Anna\n Maria ")};

	(void)state;
	person(1, 0);
	assert_int_equal(choose(choose_name, &call), OK);
	assert_true(str_eq(call.shown, STR("Anna Maria")));
	assert_int_equal(choose(choose_language, &call), OK);
	assert_int_equal(testdb_i64("SELECT profile_complete FROM public.account_balance"), 0); /* one identity */
	testdb_exec("INSERT INTO public.identity (id, account_id, platform, platform_id, first_seen, last_seen, attached_at)"
	            " VALUES (2, 1, 'discord', 7, " NOW_SQL ", " NOW_SQL ", " NOW_SQL ")");
	assert_int_equal(choose(choose_language, &call), OK);
	assert_int_equal(choose(choose_language, &call), OK);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', b.profile_complete, b.coins, l.kind, l.reason, l.source, l.idempotency_key)"
	                                " FROM public.account_balance b, public.ledger l"), "1 150 mission_completed once_profile telegram:main"
	                    " profile:1:mission:once_profile");
}

static void test_names_that_show_nothing_and_accounts_that_are_gone_are_refused(void **state)
{
	struct name_call call = {.account_id = 1, .name = STR("\xE2\x80\x8B \xE2\x80\xAE")};

	(void)state;
	person(1, 0);
	person(2, 0);
	assert_int_equal(choose(choose_name, &call), INVALID);
	testdb_exec("UPDATE public.account SET merged_into = 2, merged_at = " NOW_SQL " WHERE id = 1");
	call.name = STR("Anna");
	assert_int_equal(choose(choose_name, &call), UNAVAILABLE); /* tried again, and there is no other account to be found for it here */
	assert_int_equal(choose(choose_language, &call), UNAVAILABLE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account WHERE display_name IS NOT NULL"), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_group_hears_of_the_rank_that_was_reached_there_once_in_a_batch),
		TEST(test_a_rank_that_was_reached_elsewhere_is_told_in_no_group),
		TEST(test_what_a_program_says_of_a_chat_is_announced_by_nobody),
		TEST(test_groups_and_people_who_want_nothing_are_left_alone),
		TEST(test_each_switch_silences_its_own_notices),
		TEST(test_many_at_once_are_one_notice_that_names_ten),
		TEST(test_nobody_reads_nothing),
		TEST(test_history_is_that_of_all_who_became_one),
		TEST(test_badges_that_are_held_come_first_the_newest_in_front),
		TEST(test_a_profile_is_paid_when_its_last_part_comes),
		TEST(test_names_that_show_nothing_and_accounts_that_are_gone_are_refused),
	};
	int failed = testdb_setup(NULL);

	json_setup();
	app = testdb_app(2);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return failed + testdb_teardown(NULL);
}
