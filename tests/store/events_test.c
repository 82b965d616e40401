/* Accepting: each event judged alone, a key stands for one content, what is new is queued in the order sent. And who may send: API keys. */
#include "service/events.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/parse.h"
#include "io/app.h"
#include "io/json.h"
#include "service/apikeys.h"
#include "service/people.h"
#include "support/testdb.h"

static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z */
#define AT "2025-11-20T13:24:14Z"
#define CONNECTIONS 8

static struct app *app;
static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testdb_exec("TRUNCATE public.event_queue, public.event_key, public.event_key_recent, public.event, public.ledger, public.identity_reach,"
	            " public.identity, public.account_balance, public.account, public.api_key CASCADE");
	arena_free(arena);
	return 0;
}

static struct events_answer must_accept(const struct str *items, size_t count)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 5);
	struct events_answer answer = {0};

	assert_int_equal(events_accept(&ctx, STR("api:test"), items, count, &answer), OK);
	assert_int_equal(answer.count, count);
	return answer;
}

static struct events_answer must_accept_one(const char *item)
{
	struct str text = str_from_z(item);

	return must_accept(&text, 1);
}

static struct str message(const char *id, const char *key, const char *at, int length)
{
	return str_printf(arena, "{\"platform\":\"telegram\",\"platform_id\":\"%s\",\"type\":\"message_sent\",\"data\":{\"length\":%d},"
	                         "\"idempotency_key\":\"%s\",\"at\":\"%s\"}", id, length, key, at);
}

static struct str change(const char *id, const char *key, int64_t xp)
{
	return str_printf(arena, "{\"platform\":\"discord\",\"platform_id\":\"%s\",\"type\":\"xp_change\",\"data\":{\"xp\":%lld,\"reason\":\"r\"},"
	                         "\"idempotency_key\":\"%s\",\"at\":\"" AT "\"}", id, (long long)xp, key);
}

static void test_new_events_are_queued_in_the_order_sent(void **state)
{
	struct str items[] = {message("42", "z", AT, 5), change("42", "a", 7), message("42", "m", AT, 6)};
	struct events_answer answer = must_accept(items, 3);

	(void)state;
	assert_int_equal(answer.accepted, 3);
	assert_true(str_eq(answer.results[0].key, STR("z")));
	assert_string_equal(testdb_text("SELECT string_agg(key, ',' ORDER BY id) FROM public.event_queue"), "z,a,m");
	assert_string_equal(testdb_text("SELECT type || source || data::text || platform || platform_id FROM public.event_queue WHERE key = 'a'"),
	                    "xp_changeapi:test{\"xp\": 7, \"reason\": \"r\"}discord42");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_key_recent"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_key"), 1);
	/* telegram 42 and discord 42 are two people; both have everything that an account has. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.unified_users"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.cross_platform_events WHERE NOT processed AND user_id IS NOT NULL"), 3);
}

static void test_a_repeat_is_a_duplicate(void **state)
{
	struct str items[] = {message("42", "k1", AT, 5), change("43", "k2", 7)};
	struct events_answer answer = must_accept(items, 2);

	(void)state;
	answer = must_accept(items, 2);
	assert_int_equal(answer.duplicates, 2);
	assert_int_equal(answer.results[1].verdict, EVENTS_DUPLICATE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 2);
	/* Spelled otherwise, the same: order, escapes, the offset of the time, null for what is left out. */
	answer = must_accept_one(
		"{\"at\":\"2025-11-20T14:24:14.000+01:00\",\"idempotency_key\":\"\\u006b1\",\"data\":{\"chat\":null,\"length\":5},"
		"\"type\":\"message_sent\",\"platform_id\":\"42\",\"platform\":\"telegram\",\"note\":1}");
	assert_int_equal(answer.duplicates, 1);
	/* xp_gain is read as xp_change. */
	answer = must_accept_one("{\"platform\":\"discord\",\"platform_id\":\"43\",\"type\":\"xp_gain\",\"data\":{\"reason\":\"r\",\"xp\":7},"
	                         "\"idempotency_key\":\"k2\",\"at\":\"" AT "\"}");
	assert_int_equal(answer.duplicates, 1);
}

static void assert_reused(struct str item, const char *differs)
{
	struct events_answer answer = must_accept(&item, 1);
	struct str detail = answer.results[0].fault.detail;

	assert_int_equal(answer.rejected, 1);
	assert_string_equal(answer.results[0].fault.type, "key-reused");
	if (!str_ends(detail, str_printf(arena, ": %s", differs))) {
		fail_msg("not \"%s\": " STR_FMT, differs, STR_ARG(detail));
	}
}

static void test_a_key_with_another_content_is_refused_and_says_what_differs(void **state)
{
	struct str items[] = {message("42", "k1", AT, 5), change("42", "k2", 7)};
	struct events_answer answer = must_accept(items, 2);

	(void)state;
	assert_int_equal(answer.accepted, 2);
	assert_reused(message("42", "k1", AT, 6), "data");
	assert_reused(message("43", "k1", AT, 5), "platform_id");
	assert_reused(message("42", "k1", "2025-11-20T13:24:15Z", 5), "at");
	/* Another day is another partition, another type another table. */
	assert_reused(message("42", "k1", "2025-11-18T13:24:14Z", 6), "at, data");
	assert_reused(change("42", "k1", 7), "platform_id, type, data");
	assert_reused(message("42", "k2", AT, 5), "platform_id, type, data");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity"), 2); /* a refused event makes nobody */
}

static void test_keys_that_come_twice_in_one_request(void **state)
{
	struct str items[] = {
		message("42", "k", AT, 0x5),   message("42", "k", AT, 5), message("42", "k", AT, 6),
		message("42", "k", AT, 99999), message("42", "k", AT, 5),
	};
	struct events_answer answer = must_accept(items, 5);

	(void)state;
	assert_int_equal(answer.results[0].verdict, EVENTS_ACCEPTED);
	assert_int_equal(answer.results[1].verdict, EVENTS_DUPLICATE);
	assert_string_equal(answer.results[2].fault.type, "key-reused");
	assert_string_equal(answer.results[3].fault.type, "event-invalid");
	assert_int_equal(answer.results[4].verdict, EVENTS_DUPLICATE);
	/* An invalid one takes no key; against a stored key each is measured by what is stored, not by its neighbour. */
	struct str again[] = {message("42", "k", AT, 6), message("42", "k", AT, 5)};

	answer = must_accept(again, 2);
	assert_string_equal(answer.results[0].fault.type, "key-reused");
	assert_int_equal(answer.results[1].verdict, EVENTS_DUPLICATE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 1);
}

static void test_keys_of_our_own_postings_cannot_be_taken(void **state)
{
	struct str item = change("42", "merge:1:out", 7);

	(void)state;
	testdb_exec("INSERT INTO public.event_key (key, content, at) VALUES ('merge:2:out', '\\x00', now())");
	assert_int_equal(must_accept(&item, 1).accepted, 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_key WHERE key = 'merge:1:out'"), 0);
	item = change("42", "merge:2:out", 7);
	assert_int_equal(must_accept(&item, 1).accepted, 1);
}

#define EVENT(platform, id, type, data, key, at) \
	"{\"platform\":" platform ",\"platform_id\":" id ",\"type\":" type ",\"data\":" data ",\"idempotency_key\":" key ",\"at\":" at "}"
#define XP(data) EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", data, "\"k\"", "\"" AT "\"")

static void test_bad_events_name_what_is_wrong(void **state)
{
	static const struct { const char *text; const char *field; } rows[] = {
		{"7", ""},
		{"[]", ""},
		{"{\"a\":1,\"a\":2}", ""},
		{XP("{\"xp\":99999999999999999999,\"reason\":\"\"}"), ""},
		{XP("{\"xp\":1,\"reason\":\"\\u0000\"}"), ""},
		{XP("{\"xp\":1,\"reason\":\"\xff\"}"), ""},
		{"{}", "idempotency_key"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "\"\"", "\"" AT "\""), "idempotency_key"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "7", "\"" AT "\""), "idempotency_key"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "\"a\\nb\"", "\"" AT "\""), "idempotency_key"},
		{EVENT("\"website\"", "\"1\"", "\"xp_change\"", "{}", "\"k\"", "\"" AT "\""), "platform"},
		{EVENT("\"matrix\"", "\"1\"", "\"xp_change\"", "{}", "\"k\"", "\"" AT "\""), "platform"},
		{EVENT("\"telegram\"", "1", "\"xp_change\"", "{}", "\"k\"", "\"" AT "\""), "platform_id"},
		{EVENT("\"telegram\"", "\"0\"", "\"xp_change\"", "{}", "\"k\"", "\"" AT "\""), "platform_id"},
		{EVENT("\"telegram\"", "\"-1\"", "\"xp_change\"", "{}", "\"k\"", "\"" AT "\""), "platform_id"},
		{EVENT("\"telegram\"", "\"9223372036854775808\"", "\"xp_change\"", "{}", "\"k\"", "\"" AT "\""), "platform_id"},
		{EVENT("\"telegram\"", "\"1\"", "\"merge\"", "{}", "\"k\"", "\"" AT "\""), "type"},
		{EVENT("\"telegram\"", "\"1\"", "null", "{}", "\"k\"", "\"" AT "\""), "type"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "\"k\"", "\"yesterday\""), "at"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "\"k\"", "1763645054"), "at"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "\"k\"", "\"2025-11-20T13:26:00Z\""), "at"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "{}", "\"k\"", "\"2025-10-20T13:00:00Z\""), "at"},
		{EVENT("\"telegram\"", "\"1\"", "\"message_sent\"", "{}", "\"k\"", "\"2025-11-12T13:00:00Z\""), "at"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "[]", "\"k\"", "\"" AT "\""), "data"},
		{EVENT("\"telegram\"", "\"1\"", "\"xp_change\"", "null", "\"k\"", "\"" AT "\""), "data"},
		{XP("{\"reason\":\"r\"}"), "data.xp"},
		{XP("{\"xp\":\"5\",\"reason\":\"r\"}"), "data.xp"},
		{XP("{\"xp\":5.0,\"reason\":\"r\"}"), "data.xp"},
		{XP("{\"xp\":1e3,\"reason\":\"r\"}"), "data.xp"},
		{XP("{\"xp\":0,\"reason\":\"r\"}"), "data.xp"},
		{XP("{\"xp\":1000001,\"reason\":\"r\"}"), "data.xp"},
		{XP("{\"xp\":5}"), "data.reason"},
		{XP("{\"xp\":5,\"reason\":7}"), "data.reason"},
		{XP("{\"xp\":5,\"reason\":\"r\",\"coins\":5}"), "data.coins"},
		{EVENT("\"telegram\"", "\"1\"", "\"game_played\"", "{\"game\":\"go\",\"won\":1}", "\"k\"", "\"" AT "\""), "data.won"},
		{EVENT("\"telegram\"", "\"1\"", "\"voice_time\"", "{\"seconds\":86401}", "\"k\"", "\"" AT "\""), "data.seconds"},
		{EVENT("\"telegram\"", "\"1\"", "\"message_sent\"", "{\"length\":-1}", "\"k\"", "\"" AT "\""), "data.length"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str items[] = {str_from_z(rows[i].text), message("42", "good", AT, 5)};
		struct events_answer answer = must_accept(items, 2);

		if (answer.results[0].verdict != EVENTS_REJECTED || !str_eq(answer.results[0].fault.field, str_from_z(rows[i].field))) {
			fail_msg("%s: field " STR_FMT ", " STR_FMT, rows[i].text, STR_ARG(answer.results[0].fault.field),
			         STR_ARG(answer.results[0].fault.detail));
		}
		assert_string_equal(answer.results[0].fault.type, "event-invalid");
		assert_true(str_present(answer.results[0].fault.detail));
		/* One bad event never spoils the others. */
		assert_int_equal(answer.results[1].verdict, i == 0 ? EVENTS_ACCEPTED : EVENTS_DUPLICATE);
	}
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 1);
}

static void test_an_endless_event_is_refused_alone(void **state)
{
	struct buf text = buf_init(arena, 64 * 1024);

	(void)state;
	buf_add(&text, STR("{\"data\":["));
	while (text.len < EVENTS_TEXT_MAX + 1) {
		buf_add(&text, STR("[],"));
	}
	buf_add(&text, STR("[]]}"));
	struct str items[] = {buf_str(&text), message("42", "good", AT, 5)};
	struct events_answer answer = must_accept(items, 2);

	assert_int_equal(answer.results[0].verdict, EVENTS_REJECTED);
	assert_int_equal(answer.results[1].verdict, EVENTS_ACCEPTED);
}

static void test_a_request_has_its_number_of_events(void **state)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 5);
	struct str *items = arena_array(arena, EVENTS_MAX + 1, sizeof(*items));
	struct events_answer answer;

	(void)state;
	for (size_t i = 0; i < EVENTS_MAX + 1; i++) {
		items[i] = STR("7");
	}
	assert_int_equal(events_accept(&ctx, STR("api:test"), items, 0, &answer), INVALID);
	assert_int_equal(events_accept(&ctx, STR("api:test"), items, EVENTS_MAX + 1, &answer), INVALID);
	assert_int_equal(events_accept(&ctx, STR("api:test"), items, EVENTS_MAX, &answer), OK);
	assert_int_equal(answer.rejected, EVENTS_MAX);
}

/* How often prepared statements have run in the one session of a pool; the first look prepares nothing. */
static int64_t statements_run(struct app *single)
{
	struct pg_params none = pg_params(arena);
	struct pg_conn *conn = NULL;
	struct pg_rows *rows = NULL;

	assert_int_equal(pg_take(single->pg, clock_monotonic_us() + 5 * SECOND_US, &conn), OK);
	assert_int_equal(pg_query(conn, arena, "SELECT coalesce(sum(generic_plans + custom_plans), 0)::bigint"
	                                      " FROM pg_catalog.pg_prepared_statements", &none, &rows), OK);
	int64_t count = pg_i64(rows, 0, 0);

	pg_give(conn);
	return count;
}

static int64_t statements_for(struct app *single, int64_t first, size_t count)
{
	struct ctx ctx = testdb_ctx(single, arena, now, 30);
	struct str *items = arena_array(arena, count, sizeof(*items));
	struct events_answer answer = {0};
	int64_t before = statements_run(single);

	for (size_t i = 0; i < count; i++) {
		items[i] = message(str_z(arena, str_printf(arena, "%lld", (long long)first + (long long)i)),
		                   str_z(arena, str_printf(arena, "s%lld", (long long)first + (long long)i)), AT, 5);
	}
	assert_int_equal(events_accept(&ctx, STR("api:test"), items, count, &answer), OK);
	assert_int_equal(answer.accepted, count);
	return statements_run(single) - before;
}

/* What makes it quick, whatever else this machine does: as many statements for five hundred as for one. */
static void test_the_number_of_statements_does_not_grow(void **state)
{
	struct app *single = testdb_app(1);
	int64_t one = statements_for(single, 1, 1);

	(void)state;
	assert_in_range(one, 1, 10);
	assert_int_equal(statements_for(single, 1000, 500), one);
	testdb_app_close(single);
}

/* Both ways are measured in the same moment: a busy machine is slow at both. */
static int64_t time_of(struct str *items, size_t count, size_t at_once)
{
	int64_t start = clock_monotonic_us();

	for (size_t i = 0; i < count; i += at_once) {
		arena_reset(arena);
		assert_int_equal(must_accept(items + i, at_once).accepted, at_once);
	}
	return clock_monotonic_us() - start;
}

static void make_items(struct arena *texts, struct str *items, int64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		long long number = (long long)first + (long long)i;

		items[i] = str_printf(texts, "{\"platform\":\"discord\",\"platform_id\":\"%lld\",\"type\":\"%s\",\"data\":%s,"
		                             "\"idempotency_key\":\"%090d-%lld\",\"at\":\"" AT "\"}", number,
		                      i % 2 != 0 ? "message_sent" : "coins_change",
		                      i % 2 != 0 ? "{\"length\":5}" : "{\"coins\":5,\"reason\":\"0123456789012345678901234567890123456789"
		                      "012345678901234567890123456789012345678901234567890123456789\"}", 0, number);
	}
}

#define ALONE 50

/* Keys and reasons of 100 bytes, a new person each: far from the smallest request, and it fits a request's memory. */
static void test_a_thousand_events_at_once_are_cheap(void **state)
{
	struct arena *texts = arena_new(8 * 1024 * 1024);
	struct str *items = arena_array(texts, EVENTS_MAX, sizeof(*items));
	int64_t alone = 0;
	int64_t together = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		make_items(texts, items, 10000 * (round + 1), ALONE);
		alone += time_of(items, ALONE, 1);
		make_items(texts, items, 10000 * (round + 1) + 5000, EVENTS_MAX);
		together += time_of(items, EVENTS_MAX, EVENTS_MAX);
	}
	print_message("1000 events of 1000 new people: %lld ms, %zu KiB; one by one %lld ms\n", (long long)together / 3000,
	              arena_used(arena) / 1024, (long long)alone / 3000 * EVENTS_MAX / ALONE);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 3 * (EVENTS_MAX + ALONE));
	assert_true(together < alone * EVENTS_MAX / ALONE / 4);
	arena_free(texts);
}

/* ---- several at once ---- */

#define REPEATERS 5

struct repeater {
	pthread_t thread;
	struct str *items;
	size_t count;
	size_t accepted;
	size_t duplicates;
	enum status status;
};

static void *repeat(void *arg)
{
	struct repeater *repeater = arg;
	struct arena *own = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, own, now, 10);
	struct events_answer answer = {0};

	repeater->status = events_accept(&ctx, STR("api:test"), repeater->items, repeater->count, &answer);
	repeater->accepted = answer.accepted;
	repeater->duplicates = answer.duplicates;
	arena_free(own);
	return NULL;
}

static void test_parallel_repeats_count_once(void **state)
{
	enum { COUNT = 100 };
	struct str items[COUNT];
	struct str reversed[COUNT];
	struct repeater repeaters[REPEATERS];
	size_t accepted = 0;
	size_t duplicates = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		char key[16];
		char id[16];

		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)snprintf(id, sizeof(id), "%d", 1 + i % 7);
		items[i] = i % 2 != 0 ? message(id, key, AT, i) : change(id, key, 1 + i);
		reversed[COUNT - 1 - i] = items[i];
	}
	for (size_t i = 0; i < REPEATERS; i++) {
		repeaters[i] = (struct repeater){.items = i % 2 != 0 ? reversed : items, .count = COUNT};
		assert_int_equal(pthread_create(&repeaters[i].thread, NULL, repeat, &repeaters[i]), 0);
	}
	for (size_t i = 0; i < REPEATERS; i++) {
		assert_int_equal(pthread_join(repeaters[i].thread, NULL), 0);
		assert_int_equal(repeaters[i].status, OK);
		accepted += repeaters[i].accepted;
		duplicates += repeaters[i].duplicates;
	}
	assert_int_equal(accepted, COUNT);
	assert_int_equal(duplicates, (REPEATERS - 1) * COUNT);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), COUNT);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account"), 14);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance"), 14);
}

/* ---- keys of programs ---- */

static enum status admit(const char *header, int64_t at, struct apikey *ret_key)
{
	struct ctx ctx = testdb_ctx(app, arena, at, 5);

	return apikeys_admit(&ctx, str_from_z(header), ret_key);
}

static void test_an_api_key_is_found_by_its_hash(void **state)
{
	struct apikey key = {0};

	(void)state;
	testdb_exec("INSERT INTO public.api_key (name, hash, scopes, platform, trust, in_flight, created_at) VALUES"
	            " ('one', sha256('secret'), '{users,events}', 'discord', 'counters', 7, now()),"
	            " ('gone', sha256('revoked'), '{users}', NULL, 'full', 64, now())");
	testdb_exec("UPDATE public.api_key SET revoked_at = now() WHERE name = 'gone'");
	assert_int_equal(admit("Bearer secret", now, &key), OK);
	assert_true(str_eq(key.name, STR("one")));
	assert_int_equal(key.in_flight, 7);
	assert_int_equal(key.platform, PLATFORM_DISCORD);
	assert_true(key.counters_only);
	assert_true(apikeys_has_scope(&key, STR("events")));
	assert_true(apikeys_has_scope(&key, STR("users")));
	assert_false(apikeys_has_scope(&key, STR("user")));
	assert_false(apikeys_has_scope(&key, STR("ledger")));
	assert_false(apikeys_has_scope(&key, STR("users events")));
	assert_int_equal(admit("bearer secret", now, &key), OK);
	assert_int_equal(admit("Bearer revoked", now, &key), DENIED);
	assert_int_equal(admit("Bearer secre", now, &key), DENIED);
	assert_int_equal(admit("Bearer  secret", now, &key), DENIED);
	assert_int_equal(admit("Bearer ", now, &key), DENIED);
	assert_int_equal(admit("Bearer", now, &key), DENIED);
	assert_int_equal(admit("Basic secret", now, &key), DENIED);
	assert_int_equal(admit("secret", now, &key), DENIED);
	assert_int_equal(admit("", now, &key), DENIED);
}

static void test_a_key_has_a_rate_of_its_own_and_its_use_writes_nothing(void **state)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 5);
	struct apikey slow = {0};
	struct apikey other = {0};
	struct apikey free = {0};
	int64_t wait = 0;

	(void)state;
	app->limits = limit_table_new(64);
	testdb_exec("INSERT INTO public.api_key (name, hash, scopes, created_at, per_minute) VALUES ('slow', sha256('slow'), '{}', now(), 2),"
	            " ('other', sha256('other'), '{}', now(), DEFAULT), ('free', sha256('free'), '{}', now(), NULL)");
	assert_int_equal(admit("Bearer slow", now, &slow), OK);
	assert_int_equal(admit("Bearer other", now, &other), OK);
	assert_int_equal(admit("Bearer free", now, &free), OK);
	assert_int_equal(slow.per_minute, 2);
	assert_int_equal(other.per_minute, 6000);
	assert_int_equal(free.per_minute, 0);
	assert_true(apikeys_in_time(&ctx, &slow, &wait));
	assert_true(apikeys_in_time(&ctx, &slow, &wait));
	assert_false(apikeys_in_time(&ctx, &slow, &wait));
	assert_true(wait > 29 * SECOND_US && wait <= 30 * SECOND_US);
	assert_true(apikeys_in_time(&ctx, &other, &wait));
	ctx.now += wait;
	assert_true(apikeys_in_time(&ctx, &slow, &wait));
	for (int i = 0; i < 10000; i++) {
		assert_true(apikeys_in_time(&ctx, &free, &wait));
	}
	assert_int_equal(testdb_i64("SELECT count(last_used_at) FROM public.api_key"), 0);
	limit_table_free(app->limits);
	app->limits = NULL;
}

/* ---- people ---- */

static void test_a_person_is_made_once_and_shown(void **state)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 5);
	struct person person = {.platform = PLATFORM_TELEGRAM, .platform_id = 42, .username = STR("@ann"), .name = STR(" Ann\x01 ")};
	struct unified unified;
	bool created = false;

	(void)state;
	assert_int_equal(people_get(&ctx, PLATFORM_TELEGRAM, 42, &unified), NOT_FOUND);
	assert_int_equal(people_get_or_create(&ctx, &person, &unified, &created), OK);
	assert_true(created);
	person.username = STR_ABSENT;
	person.name = STR("Anna");
	assert_int_equal(people_get_or_create(&ctx, &person, &unified, &created), OK);
	assert_false(created);
	testdb_exec("UPDATE public.account_balance SET xp = 500, coins = 7, games_won = 3");
	assert_int_equal(people_get(&ctx, PLATFORM_TELEGRAM, 42, &unified), OK);
	json_bind_arena(arena);
	struct str text = json_write(arena, people_json(arena, &unified));
	struct str wanted = str_printf(arena, "{\"id\":%lld,\"xp\":500,\"coins\":7,\"rank\":{\"id\":2,\"name\":\"F II\",\"xp\":500,"
		"\"next_name\":\"F III\",\"next_xp\":1250},\"identities\":{\"telegram\":{\"id\":\"42\",\"username\":\"ann\",\"name\":\"Anna\"},"
		"\"discord\":null,\"website\":null},\"display_name\":\"Anna\",\"language\":\"en\",\"badges\":[],\"counters\":{\"messages_sent\":0,"
		"\"voice_seconds\":0,\"games_played\":0,\"games_won\":3,\"achievements\":0,\"daily_streak\":0},"
		"\"created_at\":\"2025-11-20T13:24:24Z\"}", (long long)unified.member.account.id);

	assert_string_equal(str_z(arena, text), str_z(arena, wanted));
	testdb_exec("UPDATE public.account_balance SET xp = 52250");
	assert_int_equal(people_get(&ctx, PLATFORM_TELEGRAM, 42, &unified), OK);
	text = json_write(arena, people_json(arena, &unified));
	assert_non_null(strstr(str_z(arena, text), "\"rank\":{\"id\":20,\"name\":\"S II\",\"xp\":52250,\"next_name\":null,\"next_xp\":null}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new_events_are_queued_in_the_order_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_repeat_is_a_duplicate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_key_with_another_content_is_refused_and_says_what_differs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_that_come_twice_in_one_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_of_our_own_postings_cannot_be_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_events_name_what_is_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_endless_event_is_refused_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_request_has_its_number_of_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_number_of_statements_does_not_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_thousand_events_at_once_are_cheap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parallel_repeats_count_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_api_key_is_found_by_its_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_key_has_a_rate_of_its_own_and_its_use_writes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_person_is_made_once_and_shown, setup, teardown),
	};
	int failed = testdb_setup(NULL);

	json_setup();
	app = testdb_app(CONNECTIONS);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return failed + testdb_teardown(NULL);
}
