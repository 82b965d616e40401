/*
 * What bots keep of people and report of them, against a real PostgreSQL: exact texts, versions that name one thing for ever, and accounts
 * that are joined, undone and parted meanwhile.
 */
#include "service/sessions.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/app.h"
#include "io/json.h"
#include "service/delivery.h"
#include "service/linking.h"
#include "service/trainings.h"
#include "service/tx.h"
#include "store/store.h"
#include "support/testdb.h"

#define NOW (INT64_C(1800000000) * SECOND_US)
#define THREADS 8
#define QUIZ STR("quiz")

static struct app *app;
static struct arena *arena;
static int64_t now;

static int setup(void **state)
{
	(void)state;
	app = testdb_app(THREADS + 2);
	arena = arena_new((size_t)64 * 1024 * 1024);
	now = NOW;
	testdb_exec("TRUNCATE public.bot_session, public.training_history, public.outbox, public.merge, public.account_family,"
	            " public.event_key, public.ledger, public.audit_log, public.identity, public.account_balance, public.account"
	            " RESTART IDENTITY CASCADE");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	testdb_app_close(app);
	return 0;
}

/* ---- people and what is done with their accounts ---- */

/* An account of one identity; the older one survives. */
static struct bot_person person(enum platform platform, int64_t id, int age)
{
	struct str sql = str_printf(arena,
		"WITH a AS (INSERT INTO public.account (created_at) VALUES (to_timestamp(1800000000) - make_interval(days => %d)) RETURNING id),"
		" b AS (INSERT INTO public.account_balance (account_id) SELECT id FROM a)"
		" INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)"
		" SELECT id, '" STR_FMT "', %lld, t, t, t FROM a, (SELECT to_timestamp(1800000000) - make_interval(days => %d) AS t) x RETURNING 1",
		age, STR_ARG(platform_name(platform)), (long long)id, age);

	(void)testdb_i64(str_z(arena, sql));
	return (struct bot_person){.platform = platform, .platform_id = id, .bot = QUIZ};
}

static int64_t column_of(const struct bot_person *who, const char *column)
{
	struct str sql = str_printf(arena, "SELECT %s FROM public.identity WHERE platform = '" STR_FMT "' AND platform_id = %lld", column,
	                            STR_ARG(platform_name(who->platform)), (long long)who->platform_id);

	return testdb_i64(str_z(arena, sql));
}

struct step {
	int64_t a;
	int64_t b;
	int64_t merge_id;
	struct link_result result;
	enum link_undo_verdict undo;
	enum unlink_verdict unlink;
	struct identity left;
};

static enum status join_step(struct tx *tx, void *arg)
{
	struct step *step = arg;

	enum status status = linking_merge_by_staff(tx, step->a, step->b, STR("test"), &step->result);

	step->merge_id = status == OK ? step->result.merge_id : step->merge_id;
	return status;
}

static enum status undo_step(struct tx *tx, void *arg)
{
	struct step *step = arg;

	return linking_undo(tx, NULL, step->merge_id, STR("test"), &step->undo);
}

static enum status unlink_step(struct tx *tx, void *arg)
{
	struct step *step = arg;

	return linking_unlink(tx, NULL, step->a, step->b, STR("test"), &step->unlink, &step->left);
}

/* The number of the joining; 0 when it is refused. */
static int64_t join(const struct bot_person *a, const struct bot_person *b)
{
	struct step step = {.a = column_of(a, "account_id"), .b = column_of(b, "account_id")};
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	assert_int_equal(tx_run(&ctx, join_step, &step), OK);
	return step.result.outcome == LINK_LINKED ? step.merge_id : 0;
}

static bool undo(int64_t merge_id)
{
	struct step step = {.merge_id = merge_id};
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	assert_int_equal(tx_run(&ctx, undo_step, &step), OK);
	return step.undo == LINK_UNDO_ALLOWED;
}

static bool unlink_one(const struct bot_person *who)
{
	struct step step = {.a = column_of(who, "account_id"), .b = column_of(who, "id")};
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	assert_int_equal(tx_run(&ctx, unlink_step, &step), OK);
	return step.unlink == UNLINK_ALLOWED;
}

/* ---- sessions ---- */

static enum status get(const struct bot_person *who, struct sessions *sessions)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	return sessions_get(&ctx, who, sessions);
}

/* A change on a condition; session_data only. */
static enum status put(const struct bot_person *who, struct session_condition condition, const char *data, int64_t *ret_version)
{
	const struct session_change change = {.person = *who, .condition = condition, .session_data = str_from_z(data)};
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct sessions sessions = {0};
	bool created = false;
	enum status status = sessions_put(&ctx, &change, &sessions, &created);

	if (status == OK) {
		assert_int_equal(created, condition.absent);
		assert_true(sessions.count > 0 && str_eq(sessions.list[0].session_data, str_from_z(data)));
		*ret_version = sessions.list[0].version;
	}
	return status;
}

static int64_t begin(const struct bot_person *who, const char *data)
{
	int64_t version = 0;

	now += SECOND_US;
	assert_int_equal(put(who, (struct session_condition){.absent = true}, data, &version), OK);
	return version;
}

static int64_t change(const struct bot_person *who, int64_t from, const char *data)
{
	int64_t version = 0;

	now += SECOND_US;
	assert_int_equal(put(who, (struct session_condition){.exists = true, .versions = &from, .version_count = 1}, data, &version), OK);
	return version;
}

/* "present | aside, the newest first" of session_data; "" when there is none. */
static const char *shown(const struct bot_person *who)
{
	struct sessions sessions = {0};
	struct buf text = buf_init(arena, 1024 * 1024);

	assert_int_equal(get(who, &sessions), OK);
	for (size_t i = 0; i < sessions.count; i++) {
		buf_add(&text, i > 0 ? STR(" | ") : STR(""));
		buf_add(&text, sessions.list[i].session_data);
		assert_int_equal(sessions.list[i].aside_at == 0, i == 0);
	}
	return str_z(arena, buf_str(&text));
}

static void test_nobody_and_nothing_are_told_apart(void **state)
{
	const struct bot_person stranger = {PLATFORM_TELEGRAM, 1, QUIZ};
	const struct bot_person known = person(PLATFORM_TELEGRAM, 2, 1);
	struct sessions sessions;
	int64_t version = 0;

	(void)state;
	assert_int_equal(get(&stranger, &sessions), NOT_FOUND);
	assert_int_equal(put(&stranger, (struct session_condition){.absent = true}, "{}", &version), NOT_FOUND);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity"), 1);
	assert_int_equal(get(&known, &sessions), OK);
	assert_int_equal(sessions.count, 0);
}

static void test_what_is_written_comes_back_as_it_was(void **state)
{
	const char *text = "{ \"b\" : 9007199254740993, \"a\":[1.10, 1e2,-0.0, 0.1000000000000000055511151231257827],\n\"\\u00e9\":\"\xc3\xa9\"}";
	const struct bot_person who = person(PLATFORM_TELEGRAM, 1, 1);
	const struct bot_person other = {.platform = who.platform, .platform_id = who.platform_id, .bot = STR("spin_bot")};
	const struct session_change more = {.person = who, .condition = {.exists = true}, .stats_data = STR("{\"n\":1}")};
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct sessions sessions;
	bool created = true;

	(void)state;
	(void)begin(&who, text);
	assert_string_equal(shown(&who), text);
	assert_string_equal(shown(&other), ""); /* every bot has its own */
	assert_int_equal(sessions_put(&ctx, &more, &sessions, &created), OK);
	assert_false(created);
	assert_true(str_eq(sessions.list[0].stats_data, STR("{\"n\":1}")));
	assert_true(str_eq(sessions.list[0].session_data, str_from_z(text))); /* left out: stays */
	assert_int_equal(testdb_i64("SELECT (session_data ->> 'b')::bigint FROM public.bot_sessions WHERE bot_name = 'quiz'"), 9007199254740993);
}

static void test_documents_have_limits(void **state)
{
	static const char *const bad[] = {"[]", "null", "7", "{\"a\":1,\"a\":2}", "{\"a\":9223372036854775808}", "{\"a\":1e999}",
	                                  "{\"a\":\"\\u0000\"}", "{", "", "{\"a\":\"\xff\"}", "{} {}", "{\"a\":NaN}"};
	size_t max = (size_t)64 * 1024;
	char *text = arena_alloc(arena, max + 1);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sessions_document(str_from_z(bad[i]), max) != INVALID) {
			fail_msg("taken: %s", bad[i]);
		}
	}
	/* The tree of this text is the largest for its length, and it is taken up to the last byte. */
	memcpy(text, "{\"a\":[", 6);
	for (size_t i = 6; i + 3 < max; i += 3) {
		memcpy(text + i, "{},", 3);
	}
	memcpy(text + max - 4, " 1]}", 4);
	while (memcmp(text + max - 5, ",", 1) != 0 && memcmp(text + max - 5, " ", 1) != 0) {
		text[max - 5] = ' ';
	}
	assert_int_equal(sessions_document((struct str){text, max}, max), OK);
	assert_int_equal(sessions_document((struct str){text, max}, max - 1), TOO_LARGE);
	memset(text, '[', 70);
	memset(text + 70, ']', 70);
	struct str deep = str_printf(arena, "{\"a\":%.*s%.*s}", 63, text, 63, text + 70);

	assert_int_equal(sessions_document(deep, max), OK);
	deep = str_printf(arena, "{\"a\":%.*s%.*s}", 64, text, 64, text + 70);
	assert_int_equal(sessions_document(deep, max), INVALID);
}

static void test_what_the_database_could_not_show_is_not_kept(void **state)
{
	const struct bot_person who = person(PLATFORM_TELEGRAM, 1, 1);
	int64_t version = 0;

	(void)state;
	assert_int_equal(put(&who, (struct session_condition){.absent = true}, "{\"a\":1e-100000}", &version), INVALID);
	assert_string_equal(shown(&who), "");
	(void)begin(&who, "{\"a\":1e308}");
	assert_int_equal(testdb_i64("SELECT length(session_data ->> 'a') FROM public.bot_sessions"), 309);
}

static void test_who_has_not_seen_it_does_not_change_it(void **state)
{
	const struct bot_person who = person(PLATFORM_TELEGRAM, 1, 1);
	int64_t any = 0;

	(void)state;
	assert_int_equal(put(&who, (struct session_condition){.exists = true}, "{}", &any), CONFLICT);
	int64_t first = begin(&who, "{\"n\":1}");

	assert_int_equal(put(&who, (struct session_condition){.absent = true}, "{\"n\":0}", &any), CONFLICT);
	int64_t second = change(&who, first, "{\"n\":2}");

	assert_true(second > first);
	const int64_t stale[] = {first, second + 1, 1};

	for (size_t count = 0; count <= 3; count++) {
		const struct session_condition condition = {.exists = true, .versions = stale, .version_count = count};

		assert_int_equal(put(&who, condition, "{\"n\":0}", &any), CONFLICT);
	}
	assert_string_equal(shown(&who), "{\"n\":2}");
	const int64_t seen[] = {first, second};

	assert_int_equal(put(&who, (struct session_condition){.exists = true, .versions = seen, .version_count = 2}, "{\"n\":3}", &any), OK);
	assert_int_equal(put(&who, (struct session_condition){.exists = true}, "{\"n\":4}", &any), OK);
	assert_string_equal(shown(&who), "{\"n\":4}");
}

/* ---- many at once ---- */

struct racer {
	pthread_t thread;
	const struct bot_person *who;
	struct session_condition condition;
	int number;
	enum status status;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct arena *own = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, own, now, 20);
	const struct session_change wanted = {.person = *racer->who, .condition = racer->condition,
	                                      .session_data = str_printf(own, "{\"by\":%d}", racer->number)};
	struct sessions sessions;
	bool created = false;

	racer->status = sessions_put(&ctx, &wanted, &sessions, &created);
	arena_free(own);
	return NULL;
}

/* Returns the number of the one who won; fails unless it is exactly one. */
static int run_race(const struct bot_person *who, struct session_condition condition)
{
	struct racer racers[THREADS];
	int winner = -1;

	for (int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){.who = who, .condition = condition, .number = i};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
		if (racers[i].status == OK) {
			assert_int_equal(winner, -1);
			winner = i;
		} else {
			assert_int_equal(racers[i].status, CONFLICT);
		}
	}
	assert_int_not_equal(winner, -1);
	return winner;
}

static void test_of_many_with_one_version_exactly_one_wins(void **state)
{
	const struct bot_person who = person(PLATFORM_TELEGRAM, 1, 1);
	int winner = run_race(&who, (struct session_condition){.absent = true});
	char expected[32];

	(void)state;
	for (int round = 0; round < 25; round++) {
		struct sessions sessions;

		(void)snprintf(expected, sizeof(expected), "{\"by\":%d}", winner);
		assert_string_equal(shown(&who), expected);
		assert_int_equal(get(&who, &sessions), OK);
		winner = run_race(&who, (struct session_condition){.exists = true, .versions = &sessions.list[0].version, .version_count = 1});
	}
}

/* ---- accounts are joined and part ---- */

static void test_of_two_sessions_the_later_update_stays(void **state)
{
	const struct bot_person old = person(PLATFORM_TELEGRAM, 1, 9);
	const struct bot_person young = person(PLATFORM_DISCORD, 1, 1);
	const struct bot_person late = person(PLATFORM_TELEGRAM, 2, 9);
	const struct bot_person early = person(PLATFORM_DISCORD, 2, 1);
	int64_t any = 0;

	(void)state;
	int64_t of_old = begin(&old, "{\"old\":1}");
	int64_t of_young = begin(&young, "{\"young\":1}");
	int64_t merge_id = join(&old, &young);

	assert_string_equal(shown(&old), "{\"young\":1} | {\"old\":1}");
	assert_string_equal(shown(&young), shown(&old));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.bot_sessions"), 1);
	assert_int_equal(testdb_i64("SELECT user_id FROM public.bot_sessions"), column_of(&old, "account_id"));
	/* What either side had seen is stale. */
	assert_int_equal(put(&old, (struct session_condition){.exists = true, .versions = &of_old, .version_count = 1}, "{}", &any), CONFLICT);
	assert_int_equal(put(&young, (struct session_condition){.exists = true, .versions = &of_young, .version_count = 1}, "{}", &any), CONFLICT);
	/* The loser's stays when it is the later one, and the survivor's when that is. */
	(void)begin(&early, "{\"early\":1}");
	(void)begin(&late, "{\"late\":1}");
	(void)join(&late, &early);
	assert_string_equal(shown(&early), "{\"late\":1} | {\"early\":1}");
	/* Undone: each has what it brought, with what was done with it since. */
	struct sessions sessions;

	assert_int_equal(get(&old, &sessions), OK);
	(void)change(&old, sessions.list[0].version, "{\"young\":2}");
	assert_true(undo(merge_id));
	assert_string_equal(shown(&old), "{\"old\":1}");
	assert_string_equal(shown(&young), "{\"young\":2}");
}

static void test_one_session_goes_along_and_comes_back(void **state)
{
	const struct bot_person old = person(PLATFORM_TELEGRAM, 1, 9);
	const struct bot_person young = person(PLATFORM_DISCORD, 1, 1);
	struct sessions sessions;

	(void)state;
	(void)begin(&young, "{\"young\":1}");
	int64_t merge_id = join(&old, &young);

	assert_string_equal(shown(&old), "{\"young\":1}");
	assert_int_equal(get(&old, &sessions), OK);
	(void)change(&old, sessions.list[0].version, "{\"young\":2}");
	assert_true(undo(merge_id));
	assert_string_equal(shown(&old), "");
	assert_string_equal(shown(&young), "{\"young\":2}");
	/* The data stay with the account, whoever leaves it. */
	(void)join(&old, &young);
	assert_true(unlink_one(&young));
	assert_string_equal(shown(&young), "");
	assert_string_equal(shown(&old), "{\"young\":2}");
	(void)begin(&young, "{\"new\":1}");
	assert_string_equal(shown(&old), "{\"young\":2}");
}

static void test_a_chain_of_joinings_comes_apart_in_any_order(void **state)
{
	for (int first = 0; first < 2; first++) {
		const struct bot_person a = person(PLATFORM_TELEGRAM, 1 + first, 9);
		const struct bot_person b = person(PLATFORM_DISCORD, 1 + first, 5);
		int64_t merges[2];

		(void)begin(&a, "{\"a\":1}");
		(void)begin(&b, "{\"b\":1}");
		merges[0] = join(&a, &b);
		/* A third, older than both, into which they go: on the platform that the two do not hold. */
		(void)testdb_i64(str_z(arena, str_printf(arena,
			"WITH n AS (INSERT INTO public.account (created_at) VALUES (to_timestamp(1700000000)) RETURNING id), s AS (INSERT INTO"
			" public.account_balance (account_id) SELECT id FROM n) INSERT INTO public.identity (account_id, platform, email, first_seen, last_seen,"
			" attached_at) SELECT id, 'website', 'c%d@example.org', t, t, t FROM n, (SELECT to_timestamp(1700000000) AS t) x RETURNING 1", first)));
		int64_t site = testdb_i64("SELECT max(id) FROM public.account");

		testdb_exec(str_z(arena, str_printf(arena, "INSERT INTO public.bot_session (user_id, bot_name, session_data, stats_data, updated_at)"
		                                           " VALUES (%lld, 'quiz', '{\"c\":1}', '{}', to_timestamp(1800000000))", (long long)site)));
		struct step step = {.a = site, .b = column_of(&a, "account_id")};
		struct ctx ctx = testdb_ctx(app, arena, now += SECOND_US, 10);

		assert_int_equal(tx_run(&ctx, join_step, &step), OK);
		merges[1] = step.merge_id;
		assert_string_equal(shown(&a), "{\"b\":1} | {\"c\":1} | {\"a\":1}");
		assert_string_equal(shown(&b), shown(&a));
		now += SECOND_US;
		assert_true(undo(merges[first]));
		assert_string_equal(shown(&b), first == 0 ? "{\"b\":1}" : "{\"b\":1} | {\"a\":1}");
		/* Of those that were set aside the later update stands in. */
		assert_string_equal(shown(&a), first == 0 ? "{\"a\":1} | {\"c\":1}" : shown(&b));
		assert_true(undo(merges[1 - first]));
		assert_string_equal(shown(&a), "{\"a\":1}");
		assert_string_equal(shown(&b), "{\"b\":1}");
	}
	(void)state;
}

static void clean(void)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	int64_t count = 0;

	assert_int_equal(delivery_clean(&ctx, STR("bot_sessions"), SQL_CLEAN_BOT_SESSIONS, &count), OK);
}

static void test_what_was_set_aside_is_kept_for_30_days(void **state)
{
	const struct bot_person old = person(PLATFORM_TELEGRAM, 1, 9);
	const struct bot_person young = person(PLATFORM_DISCORD, 1, 1);
	struct sessions before;
	struct sessions after;

	(void)state;
	(void)begin(&old, "{\"old\":1}");
	(void)begin(&young, "{\"young\":1}");
	int64_t merge_id = join(&old, &young);

	now += SESSIONS_KEPT_US - SECOND_US;
	clean();
	assert_string_equal(shown(&old), "{\"young\":1} | {\"old\":1}");
	assert_int_equal(get(&old, &before), OK);
	now += SECOND_US;
	clean();
	assert_string_equal(shown(&old), "{\"young\":1}");
	assert_int_equal(get(&old, &after), OK);
	assert_true(after.list[0].version > before.list[0].version); /* another answer has another version */
	clean();
	assert_int_equal(get(&old, &before), OK);
	assert_int_equal(after.list[0].version, before.list[0].version);
	/* Staff may undo so late: what is gone is gone. */
	assert_true(undo(merge_id));
	assert_string_equal(shown(&old), "");
	assert_string_equal(shown(&young), "{\"young\":1}");
}

/* Random changes, joinings, undos, partings: a version that was seen on a path names one answer of that path for ever. */
/* What each reads under which version; whatever differs from before is marked. */
static void remember_answers(const struct bot_person *people, int count)
{
	for (int i = 0; i < count; i++) {
		struct sessions sessions;

		assert_int_equal(get(&people[i], &sessions), OK);
		if (sessions.count > 0) {
			testdb_exec(str_z(arena, str_printf(arena,
				"INSERT INTO public.seen VALUES (%d, %lld, '%s') ON CONFLICT (path, version) DO UPDATE"
				" SET answer = CASE WHEN seen.answer = excluded.answer THEN seen.answer ELSE 'two answers' END",
				i, (long long)sessions.list[0].version, shown(&people[i]))));
		}
	}
}

static void test_a_version_never_names_two_answers(void **state)
{
	struct bot_person people[4];
	int64_t merges[64] = {0};
	size_t merge_count = 0;
	unsigned turn = 12345;
	int changed = 0;
	int joined = 0;

	(void)state;
	testdb_exec("CREATE TABLE public.seen (path integer, version bigint, answer text, PRIMARY KEY (path, version))");
	for (int i = 0; i < 4; i++) {
		people[i] = person(i % 2 == 0 ? PLATFORM_TELEGRAM : PLATFORM_DISCORD, 1 + i, 9 - i);
	}
	for (int round = 0; round < 400; round++) {
		turn = turn * 1103515245 + 12345;
		const struct bot_person *who = &people[turn >> 16 & 3];
		unsigned what = turn >> 20 & 7;
		struct sessions sessions;
		int64_t version = 0;

		now += 26 * HOUR_US / 10;
		assert_int_equal(get(who, &sessions), OK);
		if (what < 4) {
			const struct session_condition condition = {.exists = sessions.count > 0, .absent = sessions.count == 0};

			assert_int_equal(put(who, condition, str_z(arena, str_printf(arena, "{\"n\":%d}", round)), &version), OK);
			changed++;
		} else if (what == 4 && merge_count < 64) {
			const struct bot_person *other = &people[turn >> 24 & 3];

			if (column_of(who, "account_id") != column_of(other, "account_id")) {
				int64_t merge_id = join(who, other);

				merges[merge_count] = merge_id;
				merge_count += merge_id != 0;
				joined += merge_id != 0;
			}
		} else if (what == 5 && merge_count > 0) {
			(void)undo(merges[(turn >> 24) % merge_count]);
		} else if (what == 6) {
			(void)unlink_one(who);
		} else {
			clean();
		}
		remember_answers(people, 4);
		assert_int_equal(testdb_i64("SELECT count(*) FROM public.seen WHERE answer = 'two answers'"), 0);
		/* One present session per person and bot, whatever happened. */
		assert_int_equal(testdb_i64("SELECT count(*) FROM (SELECT 1 FROM public.bot_session s LEFT JOIN public.account_family f"
		                            " ON f.account_id = s.user_id GROUP BY coalesce(f.survivor_id, s.user_id), s.bot_name"
		                            " HAVING count(*) FILTER (WHERE aside_at IS NULL) <> 1) d"), 0);
	}
	assert_true(changed > 100 && joined > 10);
	testdb_exec("DROP TABLE public.seen");
}

struct writer {
	pthread_t thread;
	struct bot_person who;
	atomic_bool *stop;
	_Atomic int64_t last; /* the last number whose writing was confirmed */
};

/* Goes on from what it reads, whatever becomes of the account. */
static void *write_on(void *arg)
{
	struct writer *writer = arg;
	struct arena *own = arena_new(ARENA_REQUEST_LIMIT);

	for (int64_t n = 1; !atomic_load(writer->stop); n++) {
		arena_reset(own);
		struct ctx ctx = testdb_ctx(app, own, now + n, 20);
		struct sessions sessions = {0};
		bool created = false;
		enum status status = sessions_get(&ctx, &writer->who, &sessions);
		const struct session_change next = {
			.person = writer->who,
			.condition = {.exists = true, .versions = &sessions.list[0].version, .version_count = 1},
			.session_data = str_printf(own, "{\"who\":%lld,\"n\":%lld}", (long long)writer->who.platform_id, (long long)n)};

		status = status == OK ? sessions_put(&ctx, &next, &sessions, &created) : status;
		if (status == OK) {
			atomic_store(&writer->last, n);
		} else {
			assert_true(status == CONFLICT || status == UNAVAILABLE || status == RETRY);
		}
	}
	arena_free(own);
	return NULL;
}

static void test_joining_loses_nothing_that_is_being_written(void **state)
{
	struct bot_person a = person(PLATFORM_TELEGRAM, 1, 9);
	struct bot_person b = person(PLATFORM_DISCORD, 2, 1);
	atomic_bool stop = false;
	struct writer writers[2] = {{.who = a, .stop = &stop}, {.who = b, .stop = &stop}};

	(void)state;
	(void)begin(&a, "{}");
	(void)begin(&b, "{}");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
	}
	/* Both are at it before the first joining: on a busy machine one would come late for all of them. */
	for (int i = 0; i < 2; i++) {
		for (int ms = 0; ms < 20000 && atomic_load(&writers[i].last) == 0; ms++) {
			(void)usleep(1000);
		}
		assert_true(atomic_load(&writers[i].last) > 0);
	}
	for (int round = 0; round < 10; round++) {
		int64_t merge_id = join(&a, &b);

		assert_int_equal(testdb_i64("SELECT count(*) FROM public.bot_sessions"), 1);
		assert_true(undo(merge_id));
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
	}
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.bot_session"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.bot_session WHERE aside_at IS NOT NULL"), 0);
}

/* Between reading whose he is and locking that account somebody parts from it: what he sends then is his own, not theirs. */
static void test_who_parts_meanwhile_writes_for_himself(void **state)
{
	const struct bot_person stays = person(PLATFORM_TELEGRAM, 1, 9);
	const struct bot_person leaves = person(PLATFORM_DISCORD, 2, 5);
	const struct bot_person home = person(PLATFORM_TELEGRAM, 3, 1);

	(void)state;
	(void)join(&stays, &leaves);
	struct racer racer = {.who = &leaves, .condition = {.absent = true}, .number = 7};
	struct str hold = str_printf(arena, "BEGIN; SELECT 1 FROM public.account WHERE id = %lld FOR NO KEY UPDATE",
	                             (long long)column_of(&stays, "account_id"));
	struct str part = str_printf(arena, "UPDATE public.identity SET account_id = %lld WHERE platform = 'discord' AND platform_id = 2; COMMIT",
	                             (long long)column_of(&home, "account_id"));

	testdb_exec(str_z(arena, hold));
	assert_int_equal(pthread_create(&racer.thread, NULL, race, &racer), 0);
	while (testdb_i64("SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted") == 0) {
		sched_yield();
	}
	testdb_exec(str_z(arena, part));
	assert_int_equal(pthread_join(racer.thread, NULL), 0);
	assert_int_equal(racer.status, OK);
	assert_string_equal(shown(&stays), "");
	assert_string_equal(shown(&home), "{\"by\":7}");
}

/* ---- trainings ---- */

static enum status add(const struct bot_training *training, int64_t *ret_id, bool *ret_repeated, struct str *ret_differs)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	return trainings_add(&ctx, training, ret_id, ret_repeated, ret_differs);
}

static struct bot_training training_of(int64_t id, const char *key)
{
	return (struct bot_training){.person = {PLATFORM_TELEGRAM, id, QUIZ}, .kind = STR("spin"), .score = STR("87.50"),
	                             .details = STR("{\"a\":1.0,\"b\":[9007199254740993]}"), .at = now - HOUR_US, .source = STR("api:test"),
	                             .key = str_from_z(key)};
}

static void test_a_training_is_kept_once(void **state)
{
	struct bot_training training = training_of(5, "one");
	struct str differs = STR_ABSENT;
	bool repeated = true;
	int64_t first = 0;
	int64_t again = 0;

	(void)state;
	assert_int_equal(add(&training, &first, &repeated, &differs), OK);
	assert_false(repeated);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.unified_users WHERE telegram_id = 5"), 1); /* his first contact */
	training.details = STR("{\"b\":[9007199254740993], \"a\":1}"); /* the same in other words */
	training.score = STR("87.5");
	training.source = STR("api:other");
	assert_int_equal(add(&training, &again, &repeated, &differs), OK);
	assert_true(repeated && again == first);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.training_history"), 1);
	training.person.bot = STR("spin_bot"); /* another bot's keys are its own */
	assert_int_equal(add(&training, &again, &repeated, &differs), OK);
	assert_false(repeated || again == first);
}

static void test_a_key_stands_for_one_training(void **state)
{
	struct bot_training training = training_of(5, "one");
	struct str differs = STR_ABSENT;
	bool repeated = false;
	int64_t id = 0;

	(void)state;
	assert_int_equal(add(&training, &id, &repeated, &differs), OK);
	const struct {
		struct bot_training other;
		const char *differs;
	} cases[] = {
		{.other = training_of(6, "one"), .differs = "platform_id"},
		{.other = training_of(5, "one"), .differs = "kind"},
		{.other = training_of(5, "one"), .differs = "score, details"},
		{.other = training_of(5, "one"), .differs = "score"},
		{.other = training_of(5, "one"), .differs = "at"},
		{.other = training_of(5, "one"), .differs = "platform"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bot_training other = cases[i].other;

		other.kind = i == 1 ? STR("quiz") : other.kind;
		other.score = i == 2 ? STR("88") : i == 3 ? STR_ABSENT : other.score;
		other.details = i == 2 ? STR("{\"a\":1.0,\"b\":[9007199254740992]}") : other.details;
		other.at += i == 4 ? 1 : 0;
		other.person.platform = i == 5 ? PLATFORM_DISCORD : other.person.platform;
		assert_int_equal(add(&other, &id, &repeated, &differs), CONFLICT);
		assert_string_equal(str_z(arena, differs), cases[i].differs);
	}
	/* Who was named in a refused report is not made by it. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity"), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.training_history"), 1);
}

struct reporter {
	pthread_t thread;
	enum status status;
	bool repeated;
	int64_t id;
};

static void *report(void *arg)
{
	struct reporter *reporter = arg;
	struct arena *own = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, own, now, 20);
	const struct bot_training training = training_of(77, "at once");
	struct str differs = STR_ABSENT;

	reporter->status = trainings_add(&ctx, &training, &reporter->id, &reporter->repeated, &differs);
	arena_free(own);
	return NULL;
}

static void test_of_many_at_once_one_is_kept(void **state)
{
	struct reporter reporters[THREADS] = {{0}};
	int kept = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&reporters[i].thread, NULL, report, &reporters[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(reporters[i].thread, NULL), 0);
		assert_int_equal(reporters[i].status, OK);
		assert_int_equal(reporters[i].id, reporters[0].id);
		kept += reporters[i].repeated ? 0 : 1;
	}
	assert_int_equal(kept, 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account"), 1);
}

static void test_trainings_follow_the_family(void **state)
{
	const struct bot_person old = person(PLATFORM_DISCORD, 5, 9);
	struct bot_training training = training_of(5, "one");
	struct str differs = STR_ABSENT;
	bool repeated = false;
	int64_t id = 0;

	(void)state;
	assert_int_equal(add(&training, &id, &repeated, &differs), OK);
	const struct bot_person young = training.person;
	int64_t own = column_of(&young, "account_id");

	(void)join(&old, &young);
	assert_int_equal(testdb_i64("SELECT user_id FROM public.training_history"), own); /* history is not rewritten */
	assert_int_equal(
		testdb_i64("SELECT f.survivor_id FROM public.training_history t JOIN public.account_family f ON f.account_id = t.user_id"),
		column_of(&old, "account_id"));
	training.key = STR("two");
	assert_int_equal(add(&training, &id, &repeated, &differs), OK);
	assert_int_equal(testdb_i64("SELECT user_id FROM public.training_history ORDER BY id DESC LIMIT 1"), column_of(&old, "account_id"));
	training.key = STR("one"); /* still the same training, whoever it counts for now */
	assert_int_equal(add(&training, &id, &repeated, &differs), OK);
	assert_true(repeated);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_and_nothing_are_told_apart),
		TEST(test_what_is_written_comes_back_as_it_was),
		TEST(test_documents_have_limits),
		TEST(test_what_the_database_could_not_show_is_not_kept),
		TEST(test_who_has_not_seen_it_does_not_change_it),
		TEST(test_of_many_with_one_version_exactly_one_wins),
		TEST(test_of_two_sessions_the_later_update_stays),
		TEST(test_one_session_goes_along_and_comes_back),
		TEST(test_a_chain_of_joinings_comes_apart_in_any_order),
		TEST(test_what_was_set_aside_is_kept_for_30_days),
		TEST(test_a_version_never_names_two_answers),
		TEST(test_joining_loses_nothing_that_is_being_written),
		TEST(test_who_parts_meanwhile_writes_for_himself),
		TEST(test_a_training_is_kept_once),
		TEST(test_a_key_stands_for_one_training),
		TEST(test_of_many_at_once_one_is_kept),
		TEST(test_trainings_follow_the_family),
	};

	json_setup();
	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
