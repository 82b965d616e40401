/* What keys were used for: added up in memory by many threads, written whole, kept when it cannot be written. */
#include "service/apikey_uses.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/app.h"
#include "support/testdb.h"

#define THREADS 8
#define EACH 5000
static const int64_t noon = INT64_C(1763640000) * SECOND_US; /* 2025-11-20T12:00:00Z */

static struct app *app;
static struct arena *arena;
static struct apikey_uses *uses;
static const char users_path[] = "/v1/users/{platform}/{id}";
static const char events_path[] = "/v1/events";

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)4 * 1024 * 1024);
	uses = apikey_uses_new(arena);
	testdb_exec("TRUNCATE public.api_key_usage, public.api_key RESTART IDENTITY");
	testdb_exec("INSERT INTO public.api_key (name, hash, scopes, created_at) SELECT 'key ' || i, i::text::bytea, '{}', now()"
	            " FROM generate_series(1, 2000) i");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void count(int64_t now, int64_t key, const char *path, bool refused)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	apikey_uses_count(&ctx, uses, &(struct apikey_use){.key_id = key, .method = METHOD_GET, .path = path, .refused = refused});
}

static enum status write_uses(void)
{
	struct ctx ctx = testdb_ctx(app, arena, noon, 10);

	return apikey_uses_write(&ctx, uses);
}

static void test_uses_are_added_by_key_day_and_route(void **state)
{
	(void)state;
	for (int turn = 1; turn <= 2; turn++) {
		count(noon, 1, users_path, false);
		count(noon, 1, users_path, true);
		count(noon, 1, events_path, false);
		count(noon + DAY_US, 1, users_path, false);
		count(noon, 2, users_path, false);
		assert_int_equal(write_uses(), OK);
		assert_int_equal(testdb_i64("SELECT count(*) FROM public.api_key_usage"), 4);
		assert_int_equal(testdb_i64("SELECT sum(requests) FROM public.api_key_usage"), 5 * turn);
		assert_int_equal(testdb_i64("SELECT requests * 10 + refused FROM public.api_key_usage WHERE api_key_id = 1"
		                            " AND route = 'GET /v1/users/{platform}/{id}' AND day = '2025-11-20'"), 21 * turn);
	}
	assert_string_equal(testdb_text("SELECT (last_used_at AT TIME ZONE 'UTC')::text FROM public.api_key WHERE id = 1"), "2025-11-21 12:00:00");
	/* What is written is not written again; a use of before does not set the clock back. */
	count(noon, 1, users_path, false);
	assert_int_equal(write_uses(), OK);
	assert_int_equal(write_uses(), OK);
	assert_int_equal(testdb_i64("SELECT sum(requests) FROM public.api_key_usage"), 11);
	assert_string_equal(testdb_text("SELECT (last_used_at AT TIME ZONE 'UTC')::text FROM public.api_key WHERE id = 1"), "2025-11-21 12:00:00");
}

static void *count_many(void *arg)
{
	struct arena *own = arena_new((size_t)1024 * 1024);
	struct ctx ctx = testdb_ctx(app, own, noon, 30);

	for (int i = 0; i < EACH; i++) {
		apikey_uses_count(&ctx, uses, &(struct apikey_use){
			.key_id = 1 + i % 3, .method = METHOD_GET, .path = i % 2 == 0 ? users_path : events_path});
		if (i % 1000 == 999 && apikey_uses_write(&ctx, uses) != OK) {
			*(bool *)arg = true;
		}
	}
	arena_free(own);
	return NULL;
}

static void test_no_request_of_many_threads_is_lost_or_doubled(void **state)
{
	pthread_t threads[THREADS];
	bool failed[THREADS] = {false};

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, &failed[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_false(failed[i]);
	}
	assert_int_equal(write_uses(), OK);
	assert_int_equal(testdb_i64("SELECT sum(requests) FROM public.api_key_usage"), THREADS * EACH);
}

static void test_a_full_table_is_written_by_who_finds_it_full(void **state)
{
	(void)state;
	for (int64_t key = 1; key <= 2000; key++) {
		count(noon, key, users_path, false);
	}
	assert_int_equal(testdb_i64("SELECT sum(requests) FROM public.api_key_usage"), 2 * (APIKEY_USES_MAX / 4 * 3));
	assert_int_equal(write_uses(), OK);
	assert_int_equal(testdb_i64("SELECT sum(requests) FROM public.api_key_usage"), 2000);
}

static void test_what_cannot_be_written_is_kept(void **state)
{
	(void)state;
	count(noon, 1, users_path, false);
	testdb_exec("ALTER TABLE public.api_key_usage RENAME TO elsewhere");
	assert_int_not_equal(write_uses(), OK);
	count(noon, 1, users_path, false);
	assert_int_not_equal(write_uses(), OK);
	testdb_exec("ALTER TABLE public.elsewhere RENAME TO api_key_usage");
	assert_int_equal(write_uses(), OK);
	assert_int_equal(testdb_i64("SELECT requests FROM public.api_key_usage"), 2);
}

static void test_a_key_that_is_gone_holds_up_no_other(void **state)
{
	(void)state;
	count(noon, 1, users_path, false);
	count(noon, 2, users_path, false);
	testdb_exec("DELETE FROM public.api_key WHERE id = 1");
	assert_int_equal(write_uses(), OK);
	assert_int_equal(testdb_i64("SELECT sum(api_key_id) FROM public.api_key_usage"), 2);
}

static int open_all(void **state)
{
	int failed = testdb_setup(state);

	app = failed == 0 ? testdb_app(4) : NULL;
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
		cmocka_unit_test_setup_teardown(test_uses_are_added_by_key_day_and_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_request_of_many_threads_is_lost_or_doubled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_table_is_written_by_who_finds_it_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_written_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_key_that_is_gone_holds_up_no_other, setup, teardown),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
