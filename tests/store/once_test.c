/* service/once against a real server: one effect per key, the same reply to every repeat, secrets only while they live. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/metric.h"
#include "io/app.h"
#include "service/once.h"
#include "support/testdb.h"

#define NOW INT64_C(1763645054123456)

struct fixture {
	struct app *app;
	struct arena *arena;
};

static int setup(void **state)
{
	static struct fixture fixture;
	fixture.app = testdb_app(8);
	fixture.arena = arena_new(ARENA_REQUEST_LIMIT);
	*state = &fixture;
	testdb_exec("TRUNCATE public.inbox, public.effect");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	arena_free(fixture->arena);
	testdb_app_close(fixture->app);
	return 0;
}

static struct ctx ctx_at(const struct fixture *fixture, int64_t now)
{
	return testdb_ctx(fixture->app, fixture->arena, now, 3);
}

/* The work: leaves a row, takes a while, answers with its number and perhaps a secret. */
struct job {
	int64_t number;
	int64_t sleep_ms;
	const char *secret; /* NULL: none */
	int64_t sealed_until;
	enum status status;
	bool no_reply;
	int runs;
};

static enum status do_job(struct tx *tx, void *arg, struct once_result *result)
{
	struct job *job = arg;
	job->runs++;
	struct pg_params params = tx_params(tx);
	pg_add_i64(&params, job->number);
	enum status status = pg_query(tx->conn, tx->ctx->arena, "INSERT INTO public.effect VALUES ($1)", &params, NULL);
	if (status != OK) {
		return status;
	}
	usleep((useconds_t)(job->sleep_ms * 1000));
	if (job->no_reply) {
		return job->status;
	}
	struct reply *reply = reply_new(tx->ctx->arena);
	REPLY_SAY(reply, MSG_PLAIN, TEXT_INT(job->number));
	if (job->secret != NULL) {
		int index = reply_secret(reply, str_from_z(job->secret));
		REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(index));
		index = reply_secret(reply, STR("second \1\2\3"));
		REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(index));
		result->sealed_until = job->sealed_until;
	}
	result->reply = reply;
	return job->status;
}

static struct str words(struct arena *arena, const struct reply *reply)
{
	struct buf out = buf_init(arena, 4096);
	reply_render_text(&out, LANGUAGE_EN, reply, &text_plain);
	return buf_str(&out);
}

static void assert_words(struct arena *arena, const struct reply *reply, const char *expected)
{
	assert_string_equal(str_z(arena, words(arena, reply)), expected);
}

/* A repeated "/lang ru" was answered in the platform's language, with words that say the opposite. */
static void a_repeat_is_in_the_language_of_the_first(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = ctx_at(fixture, NOW);
	struct job job = {.number = 7};
	struct once_result result;
	ctx.language = LANGUAGE_RU;
	assert_int_equal(once(&ctx, STR("test:language"), do_job, &job, &result), OK);
	ctx.language = LANGUAGE_EN;
	assert_int_equal(once(&ctx, STR("test:language"), do_job, &job, &result), OK);
	assert_true(result.repeated);
	assert_int_equal(ctx.language, LANGUAGE_RU);
}

static void a_repeat_gets_the_stored_reply(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = ctx_at(fixture, NOW);
	struct job job = {.number = 5};
	struct once_result result;
	int64_t duplicates = metric_get(METRIC_UPDATE_DUPLICATE);
	assert_int_equal(once(&ctx, STR("telegram:main:1"), do_job, &job, &result), OK);
	assert_false(result.repeated);
	assert_words(fixture->arena, result.reply, "5");
	job.number = 6;
	ctx = ctx_at(fixture, NOW + 90 * DAY_US);
	assert_int_equal(once(&ctx, STR("telegram:main:1"), do_job, &job, &result), OK);
	assert_true(result.repeated);
	assert_words(fixture->arena, result.reply, "5");
	assert_int_equal(job.runs, 1);
	assert_int_equal(metric_get(METRIC_UPDATE_DUPLICATE), duplicates + 1);
	assert_int_equal(once(&ctx, STR("telegram:main:2"), do_job, &job, &result), OK);
	assert_false(result.repeated);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.effect"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.inbox WHERE at = '2025-11-20 13:24:14.123456+00'"), 1);
}

static void a_failure_stores_nothing_and_runs_afresh(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = ctx_at(fixture, NOW);
	struct once_result untouched = {.sealed_until = 42};
	struct once_result result = untouched;
	struct job job = {.number = 5, .status = INSUFFICIENT};
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), INSUFFICIENT);
	assert_memory_equal(&result, &untouched, sizeof(result));
	job = (struct job){.number = 5, .no_reply = true};
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), INTERNAL); /* OK without a reply is a defect */
	assert_int_equal(testdb_i64("SELECT (SELECT count(*) FROM public.inbox) + (SELECT count(*) FROM public.effect)"), 0);
	job = (struct job){.number = 5};
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), OK);
	assert_false(result.repeated);
}

static void secrets_come_back_while_they_live(void **state)
{
	const struct fixture *fixture = *state;
	struct job job = {.number = 5, .secret = "ABC234", .sealed_until = NOW + 10 * MINUTE_US};
	struct once_result result;
	struct ctx ctx = ctx_at(fixture, NOW);
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), OK);
	/* Not in clear anywhere in the row (decisions.md 9). */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.inbox WHERE position('ABC234'::bytea IN reply) > 0"
	                            " OR position('ABC234'::bytea IN sealed) > 0"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.inbox WHERE sealed IS NOT NULL"
	                            " AND sealed_until = '2025-11-20 13:34:14.123456+00'"), 1);
	ctx = ctx_at(fixture, NOW + 10 * MINUTE_US - 1);
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), OK);
	assert_true(result.repeated);
	assert_true(result.sealed_until == NOW + 10 * MINUTE_US);
	assert_int_equal(result.reply->secret_count, 2);
	assert_true(str_eq(result.reply->secrets[0], STR("ABC234")));
	assert_true(str_eq(result.reply->secrets[1], STR("second \1\2\3")));
	ctx = ctx_at(fixture, NOW + 10 * MINUTE_US);
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), OK);
	assert_int_equal(result.reply->secret_count, 0);
	assert_true(str_starts(words(fixture->arena, result.reply), STR("5\n")));
}

static void secrets_of_another_key_are_absent(void **state)
{
	const struct fixture *fixture = *state;
	struct job job = {.number = 5, .secret = "ABC234", .sealed_until = NOW + 10 * MINUTE_US};
	struct once_result result;
	struct ctx ctx = ctx_at(fixture, NOW);
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), OK);
	fixture->app->key_seal[0] ^= 1;
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), OK);
	assert_true(result.repeated);
	assert_int_equal(result.reply->secret_count, 0);
}

static void a_reply_that_cannot_be_read_is_told(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = ctx_at(fixture, NOW);
	struct job job = {.number = 5};
	struct once_result result;
	testdb_exec("INSERT INTO public.inbox (key, reply, at) VALUES ('k', '\\xff00', '2025-11-20 00:00:00+00')");
	assert_int_equal(once(&ctx, STR("k"), do_job, &job, &result), INTERNAL);
	assert_int_equal(job.runs, 0);
}

static void a_key_with_a_nul_byte_is_refused(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = ctx_at(fixture, NOW);
	struct job job = {.number = 5};
	struct once_result result;
	assert_int_equal(once(&ctx, (struct str){"a\0b", 3}, do_job, &job, &result), INVALID);
	assert_int_equal(job.runs, 0);
}

/* ---- repeats while the first is in work ---- */

struct caller {
	struct app *app;
	int64_t number;
	int64_t sleep_ms;
	double seconds;
	int failing; /* how many of the first runs fail */
	enum status status;
	bool repeated;
	char words[64];
};

static void *call_once(void *arg)
{
	struct caller *caller = arg;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(caller->app, arena, NOW, caller->seconds);
	struct job job = {.number = caller->number, .sleep_ms = caller->sleep_ms};
	struct once_result result;
	caller->status = once(&ctx, STR("same key"), do_job, &job, &result);
	if (caller->status == OK) {
		caller->repeated = result.repeated;
		snprintf(caller->words, sizeof(caller->words), STR_FMT, STR_ARG(words(arena, result.reply)));
	}
	arena_free(arena);
	return NULL;
}

static void parallel_repeats_have_one_effect_and_one_reply(void **state)
{
	enum { CALLERS = 8 };
	const struct fixture *fixture = *state;
	struct caller callers[CALLERS];
	pthread_t threads[CALLERS];
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.app = fixture->app, .number = 100 + i, .sleep_ms = 50, .seconds = 5};
		assert_int_equal(pthread_create(&threads[i], NULL, call_once, &callers[i]), 0);
	}
	int fresh = 0;
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].status, OK);
		assert_string_equal(callers[i].words, callers[0].words);
		fresh += callers[i].repeated ? 0 : 1;
	}
	assert_int_equal(fresh, 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.effect"), 1);
}

static void a_repeat_waits_longer_than_the_lock_timeout(void **state)
{
	const struct fixture *fixture = *state;
	struct caller first = {.app = fixture->app, .number = 1, .sleep_ms = 1300, .seconds = 5};
	struct caller second = {.app = fixture->app, .number = 2, .seconds = 5};
	struct caller hasty = {.app = fixture->app, .number = 3, .seconds = 0.3};
	pthread_t threads[3];
	pthread_create(&threads[0], NULL, call_once, &first);
	usleep(100 * 1000);
	pthread_create(&threads[1], NULL, call_once, &second);
	pthread_create(&threads[2], NULL, call_once, &hasty);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(first.status, OK);
	assert_int_equal(second.status, OK);
	assert_true(second.repeated);
	assert_string_equal(second.words, "1");
	assert_int_equal(hasty.status, TIMED_OUT);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.effect"), 1);
}

static int group_setup(void **state)
{
	int failed = testdb_setup(state);
	testdb_exec("CREATE TABLE public.effect (number bigint NOT NULL)");
	return failed;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_repeat_gets_the_stored_reply),
		TEST(a_repeat_is_in_the_language_of_the_first),
		TEST(a_failure_stores_nothing_and_runs_afresh),
		TEST(secrets_come_back_while_they_live),
		TEST(secrets_of_another_key_are_absent),
		TEST(a_reply_that_cannot_be_read_is_told),
		TEST(a_key_with_a_nul_byte_is_refused),
		TEST(parallel_repeats_have_one_effect_and_one_reply),
		TEST(a_repeat_waits_longer_than_the_lock_timeout),
	};
	return cmocka_run_group_tests(tests, group_setup, testdb_teardown);
}
