/* service/tx against a real server: what is committed, what is rolled back, what runs once more. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "io/app.h"
#include "service/tx.h"
#include "support/testdb.h"

#define NOW INT64_C(1763645054123456) /* 2025-11-20 */

struct fixture {
	struct app *app;
	struct arena *arena;
};

static int setup(void **state)
{
	static struct fixture fixture;
	fixture.app = testdb_app(2);
	fixture.arena = arena_new(ARENA_REQUEST_LIMIT);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	testdb_exec("TRUNCATE public.note; DROP TABLE IF EXISTS public.changing");
	arena_free(fixture->arena);
	testdb_app_close(fixture->app);
	return 0;
}

static struct ctx ctx_of(const struct fixture *fixture)
{
	return testdb_ctx(fixture->app, fixture->arena, NOW, 3);
}

/* What the function of a test does on each of its runs. */
struct script {
	const char *sql[TX_RUNS + 1];    /* of run 0, 1, ... */
	enum status answer[TX_RUNS + 1]; /* after its statement succeeded */
	bool fill_arena;
	bool swallow;             /* answers OK whatever the statement said */
	int runs;
};

static enum status play(struct tx *tx, void *arg)
{
	struct script *script = arg;
	int run = script->runs++;
	assert_in_range(run, 0, TX_RUNS);
	enum status status = OK;
	if (script->sql[run] != NULL) {
		status = pg_query(tx->conn, tx->ctx->arena, script->sql[run], NULL, NULL);
	}
	if (script->fill_arena) {
		assert_null(arena_alloc(tx->ctx->arena, ARENA_REQUEST_LIMIT + 1));
	}
	if (script->swallow) {
		return OK;
	}
	return status == OK ? script->answer[run] : status;
}

static int64_t notes(void)
{
	return testdb_i64("SELECT count(*) FROM public.note");
}

static void ok_commits(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {"INSERT INTO public.note VALUES (1)"}};
	assert_int_equal(tx_run(&ctx, play, &script), OK);
	assert_int_equal(script.runs, 1);
	assert_int_equal(notes(), 1);
	assert_false(pg_holding());
}

static void any_failure_rolls_back(void **state)
{
	struct ctx ctx = ctx_of(*state);
	for (int status = 1; status < STATUS_COUNT; status++) {
		if (status == RETRY) {
			continue;
		}
		struct script script = {.sql = {"INSERT INTO public.note VALUES (1)"}, .answer = {(enum status)status}};
		assert_int_equal(tx_run(&ctx, play, &script), status);
		assert_int_equal(script.runs, 1); /* NOT_FOUND too, which is not always a missing partition */
		assert_int_equal(notes(), 0);
		assert_false(pg_holding());
	}
}

static void a_failed_arena_rolls_back(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {"INSERT INTO public.note VALUES (1)"}, .fill_arena = true};
	assert_int_equal(tx_run(&ctx, play, &script), TOO_LARGE);
	assert_int_equal(notes(), 0);
}

static void an_overlooked_error_does_not_commit(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {"INSERT INTO public.note VALUES (NULL)"}, .swallow = true};
	assert_int_equal(tx_run(&ctx, play, &script), INTERNAL);
	assert_int_equal(notes(), 0);
}

static void retry_runs_the_whole_once_more(void **state)
{
	struct ctx ctx = ctx_of(*state);
	int64_t retries = metric_get(METRIC_DB_RETRY);
	struct script script = {.sql = {"INSERT INTO public.note VALUES (1)", "INSERT INTO public.note VALUES (2)"}, .answer = {RETRY, OK}};
	assert_int_equal(tx_run(&ctx, play, &script), OK);
	assert_int_equal(script.runs, 2);
	assert_int_equal(testdb_i64("SELECT sum(id) FROM public.note"), 2);
	assert_int_equal(metric_get(METRIC_DB_RETRY), retries + 1);
}

static void contention_passes_or_is_unavailable(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script passes = {.answer = {RETRY, RETRY, RETRY, OK}};
	assert_int_equal(tx_run(&ctx, play, &passes), OK);
	assert_int_equal(passes.runs, TX_RUNS);
	struct script stays = {.answer = {RETRY, RETRY, RETRY, RETRY, OK}};
	assert_int_equal(tx_run(&ctx, play, &stays), UNAVAILABLE);
	assert_int_equal(stays.runs, TX_RUNS);
}

/* Locks two rows; the second when the other thread has its first. */
struct crossing {
	struct app *app;
	pthread_t thread;
	pthread_barrier_t *both;
	const char *first;
	const char *second;
	int runs;
	enum status status;
};

static enum status cross(struct tx *tx, void *arg)
{
	struct crossing *crossing = arg;
	struct pg_params none = pg_params(tx->ctx->arena);
	if (crossing->runs > 0) {
		usleep(100000); /* the other has been woken, and has the row */
	}
	enum status status = pg_query(tx->conn, tx->ctx->arena, crossing->first, &none, NULL);
	if (crossing->runs++ == 0) {
		(void)pthread_barrier_wait(crossing->both);
	}
	return status == OK ? pg_query(tx->conn, tx->ctx->arena, crossing->second, &none, NULL) : status;
}

static void *cross_in_tx(void *arg)
{
	struct crossing *crossing = arg;
	struct arena *own = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(crossing->app, own, NOW, 5);
	crossing->status = tx_run(&ctx, cross, crossing);
	arena_free(own);
	return NULL;
}

/* Sessions wait 500 ms for a lock; the server looks for deadlocks before that (deadlock_timeout), so one is told as what it is. */
static void a_deadlock_is_run_once_more(void **state)
{
	struct fixture *fixture = *state;
	pthread_barrier_t both;
	const char *rows[] = {"UPDATE public.note SET id = id + 10 WHERE unique_late = 1",
	                      "UPDATE public.note SET id = id + 10 WHERE unique_late = 2"};
	struct crossing ways[2] = {{.app = fixture->app, .both = &both, .first = rows[0], .second = rows[1]},
	                           {.app = fixture->app, .both = &both, .first = rows[1], .second = rows[0]}};
	int64_t retries = metric_get(METRIC_DB_RETRY);
	testdb_exec("INSERT INTO public.note VALUES (1, 1), (2, 2)");
	assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&ways[i].thread, NULL, cross_in_tx, &ways[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		(void)pthread_join(ways[i].thread, NULL);
		assert_int_equal(ways[i].status, OK);
	}
	pthread_barrier_destroy(&both);
	assert_int_equal(ways[0].runs + ways[1].runs, 3);
	assert_int_equal(metric_get(METRIC_DB_RETRY), retries + 1);
	assert_int_equal(testdb_i64("SELECT sum(id) FROM public.note"), 43);
}

/* A thousand events with long keys took most of what a request may have: run once more, they were refused as too large. */
static enum status use_most(struct tx *tx, void *arg)
{
	assert_non_null(arena_alloc(tx->ctx->arena, ARENA_REQUEST_LIMIT / 4 * 3));
	return play(tx, arg);
}

static void each_run_has_the_memory_of_the_first(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {NULL, NULL, NULL, "INSERT INTO public.note VALUES (1)"}, .answer = {RETRY, RETRY, RETRY, OK}};
	assert_int_equal(tx_run(&ctx, use_most, &script), OK);
	assert_int_equal(notes(), 1);
	assert_null(arena_alloc(ctx.arena, ARENA_REQUEST_LIMIT / 4 + 1)); /* and no more than that */
}

static void what_was_half_before_the_first_run_is_half_in_the_next(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {NULL, "INSERT INTO public.note VALUES (1)"}, .answer = {RETRY, OK}};
	assert_null(arena_alloc(ctx.arena, ARENA_REQUEST_LIMIT + 1));
	assert_int_equal(tx_run(&ctx, play, &script), TOO_LARGE);
	assert_int_equal(notes(), 0);
}

static enum status outlast(struct tx *tx, void *arg)
{
	tx->ctx->deadline = clock_monotonic_us();
	return play(tx, arg);
}

static void nothing_is_run_again_after_the_deadline(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.answer = {RETRY, OK}};
	assert_int_equal(tx_run(&ctx, outlast, &script), UNAVAILABLE);
	assert_int_equal(script.runs, 1);
}

static void a_deferred_constraint_fails_at_the_commit(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {"INSERT INTO public.note (id, unique_late) VALUES (1, 1), (2, 1)"}};
	assert_int_equal(tx_run(&ctx, play, &script), CONFLICT);
	assert_int_equal(notes(), 0);
}

static void a_missing_partition_is_made_and_the_whole_runs_once_more(void **state)
{
	struct ctx ctx = ctx_of(*state);
	const char *insert = "INSERT INTO public.event_key_recent (key, content, at) VALUES ('k', '', '2025-11-19 12:00:00+00')";
	assert_int_equal(testdb_i64("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.ledger'::regclass"), 0);
	struct script script = {.sql = {insert, insert, insert}};
	assert_int_equal(tx_run(&ctx, play, &script), OK);
	assert_int_equal(script.runs, 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_key_recent"), 1);
	/* From 30 days back to 7 ahead of ctx->now, whatever the server's clock says. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.ledger'::regclass"), 38);
	assert_int_equal(testdb_i64("SELECT count(*) FROM pg_class WHERE relname IN ('ledger_20251021', 'ledger_20251127')"), 2);
	script = (struct script){
		.sql = {"INSERT INTO public.event_key_recent (key, content, at) VALUES ('l', '', '2025-11-20 12:00:00+00')"}};
	assert_int_equal(tx_run(&ctx, play, &script), OK);
	assert_int_equal(script.runs, 1);
}

static void a_day_that_is_never_made_is_a_defect(void **state)
{
	struct ctx ctx = ctx_of(*state);
	const char *insert = "INSERT INTO public.event_key_recent (key, content, at) VALUES ('k', '', '2001-01-01 00:00:00+00')";
	struct script script = {.sql = {insert, insert, insert}};
	assert_int_equal(tx_run(&ctx, play, &script), INTERNAL);
	assert_int_equal(script.runs, 2);
}

static void the_deadline_ends_a_transaction(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = testdb_ctx(fixture->app, fixture->arena, NOW, 0.2);
	struct script script = {.sql = {"INSERT INTO public.note SELECT 1 FROM pg_sleep(3)"}};
	assert_int_equal(tx_run(&ctx, play, &script), TIMED_OUT);
	assert_int_equal(script.runs, 1);
	assert_int_equal(tx_run(&ctx, play, &script), TIMED_OUT); /* not even begun */
	assert_int_equal(script.runs, 1);
	usleep(700 * 1000);
	assert_int_equal(notes(), 0);
}

static void a_connection_lost_inside_is_unavailable_and_one_at_the_commit_is_unknown(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct script script = {.sql = {"SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)"}};
	assert_int_equal(tx_run(&ctx, play, &script), UNAVAILABLE);
	assert_int_equal(script.runs, 1);
	/* A constraint trigger that runs at COMMIT kills its own session: the answer never comes. */
	script = (struct script){.sql = {"INSERT INTO public.note (id, die) VALUES (7, true)"}};
	assert_int_equal(tx_run(&ctx, play, &script), TIMED_OUT);
	assert_int_equal(notes(), 0);
}

/* ---- reads ---- */

struct read_script {
	bool kill;
	int runs;
	int64_t value;
};

static enum status read_changing(struct tx *tx, void *arg)
{
	struct read_script *script = arg;
	script->runs++;
	assert_false(pg_in_transaction(tx->conn));
	if (script->kill && script->runs == 1) {
		return pg_query(tx->conn, tx->ctx->arena, "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)", NULL, NULL);
	}
	struct pg_rows *rows;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, STR("no such key"));
	enum status status = tx_query(tx, SQL_INBOX_GET, &params, &rows);
	if (status == OK) {
		script->value = pg_row_count(rows);
	}
	return status;
}

static void a_read_has_no_transaction(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct read_script script = {.value = -1};
	assert_int_equal(service_read(&ctx, read_changing, &script), OK);
	assert_int_equal(script.runs, 1);
	assert_int_equal(script.value, 0);
	assert_false(pg_holding());
}

static void a_read_survives_a_changed_table(void **state)
{
	const struct fixture *fixture = *state;
	struct ctx ctx = testdb_ctx(fixture->app, fixture->arena, NOW, 3);
	struct read_script script = {.value = -1};
	assert_int_equal(service_read(&ctx, read_changing, &script), OK);
	testdb_exec("ALTER TABLE public.inbox ALTER COLUMN sealed TYPE text USING NULL");
	script.runs = 0;
	assert_int_equal(service_read(&ctx, read_changing, &script), OK);
	assert_int_equal(script.runs, 2);
	testdb_exec("ALTER TABLE public.inbox ALTER COLUMN sealed TYPE bytea USING NULL");
}

static void a_read_survives_a_lost_connection(void **state)
{
	struct ctx ctx = ctx_of(*state);
	struct read_script script = {.kill = true, .value = -1};
	assert_int_equal(service_read(&ctx, read_changing, &script), OK);
	assert_int_equal(script.runs, 2);
	assert_int_equal(script.value, 0);
}

static int group_setup(void **state)
{
	int failed = testdb_setup(state);
	testdb_exec("CREATE TABLE public.note (id bigint NOT NULL, unique_late bigint UNIQUE DEFERRABLE INITIALLY DEFERRED, die boolean);"
	            "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
	            " IF NEW.die THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF; RETURN NEW; END $$;"
	            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON public.note DEFERRABLE INITIALLY DEFERRED"
	            " FOR EACH ROW EXECUTE FUNCTION public.die()");
	return failed;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ok_commits),
		TEST(any_failure_rolls_back),
		TEST(a_failed_arena_rolls_back),
		TEST(an_overlooked_error_does_not_commit),
		TEST(retry_runs_the_whole_once_more),
		TEST(contention_passes_or_is_unavailable),
		TEST(a_deadlock_is_run_once_more),
		TEST(each_run_has_the_memory_of_the_first),
		TEST(what_was_half_before_the_first_run_is_half_in_the_next),
		TEST(nothing_is_run_again_after_the_deadline),
		TEST(a_deferred_constraint_fails_at_the_commit),
		TEST(a_missing_partition_is_made_and_the_whole_runs_once_more),
		TEST(a_day_that_is_never_made_is_a_defect),
		TEST(the_deadline_ends_a_transaction),
		TEST(a_connection_lost_inside_is_unavailable_and_one_at_the_commit_is_unknown),
		TEST(a_read_has_no_transaction),
		TEST(a_read_survives_a_changed_table),
		TEST(a_read_survives_a_lost_connection),
	};
	return cmocka_run_group_tests(tests, group_setup, testdb_teardown);
}
