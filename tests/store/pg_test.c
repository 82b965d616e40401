/* io/pg against a real server: values, statuses, deadlines, the queue, the breaker. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/offload.h"
#include "io/pg.h"
#include "support/fibers.h"
#include "support/texts.h"
#include "support/testdb.h"

enum {
	VALUES,
	ARRAYS,
	SLEEP,
	INSERT_THING,
	BACKEND,
	UPDATE_THING,
	READ_THING,
	ALL_THINGS,
	LOCKED_THING,
	INSERT_PART,
	NO_SUCH_TABLE,
	CAST_TEXT,
	KILL_SELF,
	FIND_THINGS,
	TIMES_PLANNED,
	STATEMENT_COUNT
};

static const struct pg_statement statements[STATEMENT_COUNT] = {
	[VALUES] = {"values", "SELECT $1::bigint, $2::text, $3::bytea, $4::timestamptz, $5::boolean", 5},
	[ARRAYS] = {"arrays", "SELECT a, b, c, d FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::bytea[]) AS u (a, b, c, d)", 4},
	[SLEEP] = {"sleep", "SELECT pg_sleep($1::bigint / 1000.0)", 1},
	[INSERT_THING] = {"insert_thing", "INSERT INTO public.thing (id, parent, small, span) VALUES ($1, $2, $3, $4::text::int4range)", 4},
	[BACKEND] = {"backend", "SELECT pg_backend_pid()", 0},
	[UPDATE_THING] = {"update_thing", "UPDATE public.thing SET small = small + 1 WHERE id = $1", 1},
	[READ_THING] = {"read_thing", "SELECT small FROM public.thing WHERE id = $1", 1},
	[ALL_THINGS] = {"all_things", "SELECT * FROM public.changing", 0},
	[LOCKED_THING] = {"locked_thing", "SELECT 1 FROM public.thing WHERE id = $1 FOR UPDATE", 1},
	[INSERT_PART] = {"insert_part", "INSERT INTO public.parted (at) VALUES ($1)", 1},
	[NO_SUCH_TABLE] = {"no_such_table", "SELECT 1 FROM public.nothing", 0},
	[CAST_TEXT] = {"cast_text", "SELECT $1::text::bigint", 1},
	[KILL_SELF] = {"kill_self", "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)", 0},
	[FIND_THINGS] = {"find_things", "SELECT t.small FROM unnest($1::bigint[]) AS w (id) JOIN public.thing t ON t.id = w.id", 1},
	[TIMES_PLANNED] = {"times_planned", "SELECT custom_plans FROM pg_prepared_statements WHERE name = 'find_things'", 0},
};

static const char schema[] =
	"CREATE TABLE public.thing (id bigint PRIMARY KEY, parent bigint REFERENCES public.thing (id), small bigint NOT NULL CHECK (small < 100),"
	" span int4range, EXCLUDE USING gist (span WITH &&));"
	"CREATE TABLE public.parted (at timestamptz NOT NULL) PARTITION BY RANGE (at);"
	"CREATE TABLE public.changing (a bigint);"
	"INSERT INTO public.thing VALUES (1, NULL, 1), (2, NULL, 2);";

struct fixture {
	struct pg_pool *pool;
	struct arena *arena;
};

static struct pg_pool *open_growing_pool(int connections, int ready)
{
	struct pg_pool_options options = {
		.url = testdb_url(),
		.connections = connections,
		.ready = ready,
		.statements = statements,
		.statement_count = STATEMENT_COUNT,
		.application_name = "pg_test",
	};
	struct pg_pool *pool;
	assert_int_equal(pg_pool_open(&options, &pool), OK);
	return pool;
}

static struct pg_pool *open_pool(int connections)
{
	return open_growing_pool(connections, connections);
}

static int setup(void **state)
{
	static struct fixture fixture;
	fixture.pool = open_pool(2);
	fixture.arena = arena_new(ARENA_REQUEST_LIMIT);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	arena_free(fixture->arena);
	pg_pool_close(fixture->pool);
	return 0;
}

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_us() + ms * 1000;
}

static struct pg_conn *take(struct pg_pool *pool)
{
	struct pg_conn *conn;
	assert_int_equal(pg_take(pool, in_ms(5000), &conn), OK);
	return conn;
}

/* For a connection whose statements shall meet a deadline; one was given back before, so that none has to be made. */
static struct pg_conn *take_until(struct pg_pool *pool, int64_t deadline)
{
	struct pg_conn *conn;
	assert_int_equal(pg_take(pool, deadline, &conn), OK);
	return conn;
}

/* A statement with one number. */
static enum status run_i64(struct pg_conn *conn, struct arena *arena, size_t statement, int64_t value)
{
	struct pg_params params = pg_params(arena);
	pg_add_i64(&params, value);
	return pg_run(conn, arena, statement, &params, NULL);
}

static enum status insert_thing(struct pg_conn *conn, struct arena *arena, int64_t id, int64_t parent, int64_t small, const char *span)
{
	struct pg_params params = pg_params(arena);
	pg_add_i64(&params, id);
	if (parent != 0) {
		pg_add_i64(&params, parent);
	} else {
		pg_add_null(&params);
	}
	pg_add_i64(&params, small);
	pg_add_str(&params, str_from_z(span));
	return pg_run(conn, arena, INSERT_THING, &params, NULL);
}

static int64_t backend_of(struct pg_conn *conn, struct arena *arena)
{
	struct pg_rows *rows;
	assert_int_equal(pg_run(conn, arena, BACKEND, NULL, &rows), OK);
	return pg_i64(rows, 0, 0);
}

/* ---- values ---- */

static void round_trip(const struct fixture *fixture, struct pg_conn *conn, int64_t number, struct str text, struct str bytes, int64_t us,
                       bool truth)
{
	struct pg_params params = pg_params(fixture->arena);
	pg_add_i64(&params, number);
	pg_add_str(&params, text);
	pg_add_bytes(&params, bytes);
	pg_add_time(&params, us);
	pg_add_bool(&params, truth);
	struct pg_rows *rows;
	assert_int_equal(pg_run(conn, fixture->arena, VALUES, &params, &rows), OK);
	assert_int_equal(pg_row_count(rows), 1);
	assert_int_equal(pg_affected(rows), 0);
	assert_true(pg_i64(rows, 0, 0) == number);
	assert_int_equal(pg_is_null(rows, 0, 1), !str_present(text));
	assert_true(str_eq(pg_str(rows, 0, 1), text));
	assert_int_equal(str_present(pg_str(rows, 0, 1)), str_present(text));
	struct str back = pg_bytes(fixture->arena, rows, 0, 2);
	assert_int_equal(str_present(back), str_present(bytes));
	assert_true(str_eq(back, bytes));
	assert_true(pg_time(rows, 0, 3) == us);
	assert_int_equal(pg_bool(rows, 0, 4), truth);
}

static void values_come_back_as_they_went(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	static const char all_bytes[] = "\0\1\x7f\x80\xff'\"\\";
	struct str bytes = {all_bytes, sizeof(all_bytes)};
	round_trip(fixture, conn, INT64_MAX, STR("Привет, \"мир\"\\ '; --"), bytes, INT64_C(1763645054123456), true);
	round_trip(fixture, conn, INT64_MIN, STR(""), STR(""), 1, false);
	round_trip(fixture, conn, 0, STR_ABSENT, STR_ABSENT, 0, false);
	/* Fractions lose trailing zeros, leap days and the last microsecond of all. */
	round_trip(fixture, conn, -1, STR("x"), STR("x"), INT64_C(1582934400500000), true);
	round_trip(fixture, conn, -1, STR("x"), STR("x"), INT64_C(951782400000000), true);
	round_trip(fixture, conn, -1, STR("x"), STR("x"), INT64_C(253402300799999999), true);
	pg_give(conn);
}

static void arrays_come_back_as_they_went(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	const int64_t numbers[] = {INT64_MIN, 0, INT64_MAX, 7};
	const struct str texts[] = {STR_INIT("a\"b\\c,{}"), {NULL, 0}, STR_INIT(""), STR_INIT("NULL")};
	const int64_t times[] = {INT64_C(1763645054123456), 0, 1, INT64_C(951782400000000)};
	const struct str bytes[] = {{"\0\xff\\\"", 4}, {NULL, 0}, STR_INIT(""), STR_INIT("abc")};
	struct pg_params params = pg_params(fixture->arena);
	pg_add_i64_array(&params, numbers, 4);
	pg_add_str_array(&params, texts, 4);
	pg_add_time_array(&params, times, 4);
	pg_add_bytes_array(&params, bytes, 4);
	struct pg_rows *rows;
	assert_int_equal(pg_run(conn, fixture->arena, ARRAYS, &params, &rows), OK);
	assert_int_equal(pg_row_count(rows), 4);
	for (int i = 0; i < 4; i++) {
		assert_true(pg_i64(rows, i, 0) == numbers[i]);
		assert_int_equal(pg_is_null(rows, i, 1), !str_present(texts[i]));
		assert_true(str_eq(pg_str(rows, i, 1), texts[i]));
		assert_true(pg_time(rows, i, 2) == times[i]);
		assert_int_equal(pg_is_null(rows, i, 3), !str_present(bytes[i]));
		assert_true(str_eq(pg_bytes(fixture->arena, rows, i, 3), bytes[i]));
	}
	struct pg_params empty = pg_params(fixture->arena);
	pg_add_i64_array(&empty, NULL, 0);
	pg_add_str_array(&empty, NULL, 0);
	pg_add_time_array(&empty, NULL, 0);
	pg_add_bytes_array(&empty, NULL, 0);
	assert_int_equal(pg_run(conn, fixture->arena, ARRAYS, &empty, &rows), OK);
	assert_int_equal(pg_row_count(rows), 0);
	pg_give(conn);
}

static void assert_refused(const struct fixture *fixture, struct pg_conn *conn, const struct pg_params *params)
{
	assert_true(params->failed);
	assert_int_equal(pg_query(conn, fixture->arena, "SELECT 1", params, NULL), INVALID);
	assert_int_equal(pg_run(conn, fixture->arena, CAST_TEXT, params, NULL), INVALID);
	assert_false(pg_conn_broken(conn));
}

static void parameters_that_would_be_cut_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	struct str cut = {"a\0b", 3};
	struct pg_params params = pg_params(fixture->arena);
	pg_add_str(&params, cut);
	assert_refused(fixture, conn, &params);
	params = pg_params(fixture->arena);
	pg_add_str_array(&params, &cut, 1);
	assert_refused(fixture, conn, &params);
	params = pg_params(fixture->arena);
	pg_add_time(&params, -1);
	assert_refused(fixture, conn, &params);
	params = pg_params(fixture->arena);
	pg_add_time(&params, INT64_C(253402300800000000));
	assert_refused(fixture, conn, &params);
	params = pg_params(fixture->arena);
	for (int i = 0; i <= PG_PARAMS_MAX; i++) {
		pg_add_bool(&params, true);
	}
	assert_refused(fixture, conn, &params);
	pg_give(conn);
}

static void rows_that_do_not_fit_the_arena_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	struct arena *small = arena_new(1);
	struct pg_rows *rows;
	assert_int_equal(pg_run(conn, small, BACKEND, NULL, &rows), TOO_LARGE);
	arena_free(small);
	assert_true(backend_of(conn, fixture->arena) > 0);
	pg_give(conn);
}

/* ---- statuses ---- */

static void constraints_are_conflicts_or_invalid(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	struct arena *arena = fixture->arena;
	assert_int_equal(insert_thing(conn, arena, 10, 1, 5, "[1,5)"), OK);
	assert_int_equal(insert_thing(conn, arena, 10, 1, 5, NULL), CONFLICT);
	assert_str(pg_sqlstate(conn), "23505");
	assert_true(pg_error(conn).len > 0);
	assert_int_equal(insert_thing(conn, arena, 11, 999, 5, NULL), CONFLICT);
	assert_str(pg_sqlstate(conn), "23503");
	assert_int_equal(insert_thing(conn, arena, 11, 1, 5, "[4,9)"), CONFLICT);
	assert_str(pg_sqlstate(conn), "23P01");
	assert_int_equal(insert_thing(conn, arena, 11, 1, 100, NULL), INVALID);
	assert_str(pg_sqlstate(conn), "23514");
	assert_false(pg_missing_partition(conn));
	struct pg_params params = pg_params(arena);
	pg_add_str(&params, STR("12x"));
	assert_int_equal(pg_run(conn, arena, CAST_TEXT, &params, NULL), INVALID);
	assert_str(pg_sqlstate(conn), "22P02");
	params = pg_params(arena);
	pg_add_str(&params, STR("9223372036854775808"));
	assert_int_equal(pg_run(conn, arena, CAST_TEXT, &params, NULL), INVALID);
	params = pg_params(arena);
	pg_add_str(&params, STR("\xff\xfe"));
	assert_int_equal(pg_run(conn, arena, CAST_TEXT, &params, NULL), INVALID);
	assert_str(pg_sqlstate(conn), "22021");
	assert_int_equal(pg_run(conn, arena, NO_SUCH_TABLE, NULL, NULL), INTERNAL);
	assert_false(pg_conn_broken(conn));
	assert_int_equal(pg_query(conn, arena, "DELETE FROM public.thing WHERE id >= 10", NULL, NULL), OK);
	pg_give(conn);
}

static void a_missing_partition_is_told_apart(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	struct pg_params params = pg_params(fixture->arena);
	pg_add_time(&params, INT64_C(1763645054123456));
	assert_int_equal(pg_run(conn, fixture->arena, INSERT_PART, &params, NULL), NOT_FOUND);
	assert_true(pg_missing_partition(conn));
	assert_int_equal(pg_begin(conn), OK);
	assert_false(pg_missing_partition(conn));
	pg_rollback(conn);
	pg_give(conn);
}

static void affected_rows_are_counted(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	struct pg_rows *rows;
	assert_int_equal(pg_query(conn, fixture->arena, "UPDATE public.thing SET small = small WHERE id <= 2", NULL, &rows), OK);
	assert_int_equal(pg_affected(rows), 2);
	assert_int_equal(pg_query(conn, fixture->arena, "INSERT INTO public.thing VALUES (1, NULL, 1) ON CONFLICT DO NOTHING", NULL, &rows), OK);
	assert_int_equal(pg_affected(rows), 0);
	pg_give(conn);
}

static void *lock_two_then_one(void *arg UNUSED)
{
	testdb_exec("UPDATE public.thing SET small = small WHERE id = 1; COMMIT");
	return NULL;
}

static void a_deadlock_is_retry(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	/* Only the side that waits longer than its deadlock_timeout looks for one: this one never does, so ours is the victim. */
	testdb_exec("SET deadlock_timeout = '60s'; BEGIN; UPDATE public.thing SET small = small WHERE id = 2");
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(run_i64(conn, fixture->arena, UPDATE_THING, 1), OK);
	pthread_t other;
	assert_int_equal(pthread_create(&other, NULL, lock_two_then_one, NULL), 0);
	usleep(50 * 1000);
	assert_int_equal(run_i64(conn, fixture->arena, UPDATE_THING, 2), RETRY);
	assert_str(pg_sqlstate(conn), "40P01");
	pg_rollback(conn);
	assert_str(pg_sqlstate(conn), "40P01"); /* the reason survives the rollback */
	pthread_join(other, NULL);
	assert_false(pg_conn_broken(conn));
	pg_give(conn);
	testdb_exec("RESET deadlock_timeout");
}

static void a_serialization_failure_is_retry(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(pg_script(conn, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"), OK);
	assert_int_equal(run_i64(conn, fixture->arena, READ_THING, 1), OK);
	testdb_exec("UPDATE public.thing SET small = small WHERE id = 1");
	assert_int_equal(run_i64(conn, fixture->arena, UPDATE_THING, 1), RETRY);
	assert_str(pg_sqlstate(conn), "40001");
	pg_rollback(conn);
	pg_give(conn);
}

static void a_lock_that_is_not_given_is_unavailable(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	testdb_exec("BEGIN; UPDATE public.thing SET small = small WHERE id = 1");
	int64_t began = clock_monotonic_us();
	assert_int_equal(run_i64(conn, fixture->arena, LOCKED_THING, 1), UNAVAILABLE);
	assert_str(pg_sqlstate(conn), "55P03");
	assert_in_range(clock_monotonic_us() - began, 450 * 1000, 1500 * 1000);
	testdb_exec("ROLLBACK");
	assert_false(pg_conn_broken(conn));
	pg_give(conn);
}

static void a_dead_plan_is_retry_on_another_connection(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	int64_t backend = backend_of(conn, fixture->arena);
	assert_int_equal(pg_run(conn, fixture->arena, ALL_THINGS, NULL, NULL), OK);
	testdb_exec("ALTER TABLE public.changing ADD COLUMN b bigint");
	assert_int_equal(pg_run(conn, fixture->arena, ALL_THINGS, NULL, NULL), RETRY);
	assert_str(pg_sqlstate(conn), "0A000");
	assert_true(pg_conn_broken(conn));
	pg_give(conn);
	conn = take(fixture->pool);
	assert_int_not_equal(backend_of(conn, fixture->arena), backend);
	assert_int_equal(pg_run(conn, fixture->arena, ALL_THINGS, NULL, NULL), OK);
	/* 26000: somebody (a pooler) forgot what was prepared. */
	assert_int_equal(pg_script(conn, "DEALLOCATE ALL"), OK);
	assert_int_equal(pg_run(conn, fixture->arena, ALL_THINGS, NULL, NULL), RETRY);
	assert_true(pg_conn_broken(conn));
	pg_give(conn);
}

static void another_use_of_0a000_is_a_defect(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(pg_query(conn, fixture->arena, "SELECT (1, 2)::public.thing < ROW(1)", NULL, NULL), INTERNAL);
	assert_int_equal(pg_query(conn, fixture->arena, "CREATE TABLE pg_catalog.x PARTITION OF public.parted DEFAULT", NULL, NULL), INTERNAL);
	assert_false(pg_conn_broken(conn));
	pg_give(conn);
}

static void copy_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(pg_script(conn, "COPY public.thing TO STDOUT"), INTERNAL);
	assert_true(pg_conn_broken(conn));
	pg_give(conn);
	conn = take(fixture->pool);
	assert_true(backend_of(conn, fixture->arena) > 0);
	pg_give(conn);
}

/* ---- transactions ---- */

static void a_failed_transaction_does_not_commit(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(pg_begin(conn), OK);
	assert_true(pg_in_transaction(conn));
	assert_int_equal(insert_thing(conn, fixture->arena, 20, 0, 5, NULL), OK);
	assert_int_equal(insert_thing(conn, fixture->arena, 20, 0, 5, NULL), CONFLICT);
	/* The server answers this COMMIT with success. */
	assert_int_equal(pg_commit(conn), INTERNAL);
	assert_false(pg_in_transaction(conn));
	pg_give(conn);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 20"), 0);
}

static enum status update_last(struct pg_conn *conn, struct arena *arena, int64_t id)
{
	struct pg_params params = pg_params(arena);

	pg_add_i64(&params, id);
	return pg_run_last(conn, UPDATE_THING, &params);
}

/* 99 and one more is what the CHECK refuses: what was done before in that transaction is not there then, either. */
static void the_last_statement_commits_or_nothing_is_there(void **state)
{
	struct fixture *fixture = *state;
	struct arena *arena = fixture->arena;
	struct pg_conn *conn = take(fixture->pool);

	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(insert_thing(conn, arena, 9021, 0, 5, NULL), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 9021"), 0);
	assert_int_equal(update_last(conn, arena, 9021), OK); /* prepared in the same message */
	assert_false(pg_in_transaction(conn));
	assert_int_equal(testdb_i64("SELECT small FROM public.thing WHERE id = 9021"), 6);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(insert_thing(conn, arena, 9022, 0, 99, NULL), OK);
	assert_int_equal(update_last(conn, arena, 9022), INVALID);
	pg_rollback(conn);
	assert_false(pg_in_transaction(conn));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 9022"), 0);
	/* Alone: BEGIN, statement and COMMIT are one message, and the connection is still good. */
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(update_last(conn, arena, 9021), OK);
	assert_int_equal(testdb_i64("SELECT small FROM public.thing WHERE id = 9021"), 7);
	/* A status that somebody overlooked. */
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(insert_thing(conn, arena, 9021, 0, 5, NULL), CONFLICT);
	assert_int_equal(update_last(conn, arena, 9021), INTERNAL);
	pg_rollback(conn);
	pg_give(conn);
	assert_int_equal(testdb_i64("SELECT small FROM public.thing WHERE id = 9021"), 7);
}

/* BEGIN goes out with the first statement: whatever that says, there is one transaction, and it is over when it is said to be. */
static void a_transaction_begins_with_its_first_statement(void **state)
{
	struct fixture *fixture = *state;
	struct arena *arena = fixture->arena;
	struct pg_conn *conn = take(fixture->pool);
	int64_t backend = backend_of(conn, arena);
	assert_int_equal(run_i64(conn, arena, UPDATE_THING, 999), OK); /* prepared from here on */
	/* Rolled back, committed. */
	assert_int_equal(pg_begin(conn), OK);
	assert_true(pg_in_transaction(conn));
	assert_int_equal(insert_thing(conn, arena, 30, 0, 5, NULL), OK);
	pg_rollback(conn);
	assert_false(pg_in_transaction(conn));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 30"), 0);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(insert_thing(conn, arena, 30, 0, 5, NULL), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 30"), 0);
	assert_int_equal(pg_commit(conn), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 30"), 1);
	/* The first statement fails: by the server, before it is sent, because it cannot be prepared. */
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(insert_thing(conn, arena, 30, 0, 5, NULL), CONFLICT);
	assert_str(pg_sqlstate(conn), "23505");
	assert_true(pg_in_transaction(conn));
	assert_int_equal(pg_commit(conn), INTERNAL);
	assert_int_equal(pg_begin(conn), OK);
	struct pg_params cut = pg_params(arena);
	pg_add_str(&cut, (struct str){"\0", 1});
	assert_int_equal(pg_run(conn, arena, CAST_TEXT, &cut, NULL), INVALID);
	assert_int_equal(pg_run(conn, arena, NO_SUCH_TABLE, NULL, NULL), INTERNAL);
	pg_rollback(conn);
	/* Nothing at all, and what does not go out together: text of its own. */
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(pg_commit(conn), OK);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(pg_query(conn, arena, "DELETE FROM public.thing WHERE id = 30", NULL, NULL), OK);
	pg_rollback(conn);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(pg_script(conn, "DELETE FROM public.thing WHERE id = 30; SELECT 1"), OK);
	pg_rollback(conn);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 30"), 1);
	assert_int_equal(backend_of(conn, arena), backend);
	/* Given back before anything was asked. */
	assert_int_equal(pg_begin(conn), OK);
	pg_give(conn);
	conn = take(fixture->pool);
	assert_false(pg_in_transaction(conn));
	assert_int_equal(pg_query(conn, arena, "DELETE FROM public.thing WHERE id = 30", NULL, NULL), OK);
	pg_give(conn);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 30"), 0);
}

static void a_first_statement_may_end_its_connection(void **state)
{
	struct fixture *fixture = *state;
	struct arena *arena = fixture->arena;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(run_i64(conn, arena, SLEEP, 0), OK);
	pg_give(conn);
	conn = take_until(fixture->pool, in_ms(100));
	int64_t began = clock_monotonic_us();
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(run_i64(conn, arena, SLEEP, 3000), TIMED_OUT);
	assert_in_range(clock_monotonic_us() - began, 90 * 1000, 400 * 1000);
	assert_true(pg_conn_broken(conn));
	pg_rollback(conn);
	pg_give(conn);
	conn = take(fixture->pool);
	testdb_exec("ALTER TABLE public.changing DROP COLUMN IF EXISTS c");
	assert_int_equal(pg_run(conn, arena, ALL_THINGS, NULL, NULL), OK);
	testdb_exec("ALTER TABLE public.changing ADD COLUMN c bigint");
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(pg_run(conn, arena, ALL_THINGS, NULL, NULL), RETRY);
	assert_true(pg_conn_broken(conn));
	pg_give(conn);
	/* Killed while it is prepared and sent with BEGIN: nothing can have been committed. */
	conn = take(fixture->pool);
	assert_int_equal(run_i64(conn, arena, SLEEP, 0), OK);
	int64_t backend = backend_of(conn, arena);
	assert_int_equal(pg_begin(conn), OK);
	testdb_execf("SELECT pg_terminate_backend(%d)", (int)backend);
	usleep(50 * 1000);
	assert_int_equal(run_i64(conn, arena, SLEEP, 0), UNAVAILABLE);
	assert_true(pg_conn_broken(conn));
	pg_give(conn);
}

static void a_connection_given_back_inside_a_transaction_is_destroyed(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	int64_t backend = backend_of(conn, fixture->arena);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(insert_thing(conn, fixture->arena, 21, 0, 5, NULL), OK);
	pg_give(conn);
	conn = take(fixture->pool);
	assert_int_not_equal(backend_of(conn, fixture->arena), backend);
	assert_false(pg_in_transaction(conn));
	pg_give(conn);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.thing WHERE id = 21"), 0);
}

static void a_lost_connection_is_in_doubt_only_where_it_can_commit(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(pg_begin(conn), OK);
	assert_int_equal(pg_run(conn, fixture->arena, KILL_SELF, NULL, NULL), UNAVAILABLE);
	assert_str(pg_sqlstate(conn), "57P01");
	assert_true(pg_conn_broken(conn));
	assert_int_equal(pg_run(conn, fixture->arena, BACKEND, NULL, NULL), UNAVAILABLE);
	pg_rollback(conn);
	pg_give(conn);
	conn = take(fixture->pool);
	assert_int_equal(pg_run(conn, fixture->arena, KILL_SELF, NULL, NULL), TIMED_OUT);
	pg_give(conn);
}

static void a_connection_that_died_idle_is_replaced_unseen(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	int64_t backend = backend_of(conn, fixture->arena);
	pg_give(conn);
	testdb_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_test'");
	usleep(50 * 1000);
	conn = take(fixture->pool);
	assert_int_not_equal(backend_of(conn, fixture->arena), backend);
	pg_give(conn);
}

/* ---- the session ---- */

static void a_session_pins_its_settings(void **state)
{
	struct fixture *fixture = *state;
	const char *name = testdb_text("SELECT current_database()");
	testdb_execf(
		"ALTER DATABASE %s SET timezone = 'Asia/Tokyo'; ALTER DATABASE %s SET datestyle = 'German'; "
		"ALTER DATABASE %s SET bytea_output = 'escape'; ALTER DATABASE %s SET search_path = 'public'", name, name, name, name);
	struct pg_pool *pool = open_pool(1);
	struct pg_conn *conn = take(pool);
	round_trip(fixture, conn, 1, STR("x"), STR("a\1b"), INT64_C(1763645054123456), true);
	struct pg_rows *rows;
	static const char settings[] = "SELECT current_setting('search_path'), current_setting('lock_timeout'),"
	                               " current_setting('idle_in_transaction_session_timeout'), current_setting('application_name')";
	assert_int_equal(pg_query(conn, fixture->arena, settings, NULL, &rows), OK);
	assert_str(pg_str(rows, 0, 0), "pg_catalog");
	assert_str(pg_str(rows, 0, 1), "500ms");
	assert_str(pg_str(rows, 0, 2), "10s");
	assert_str(pg_str(rows, 0, 3), "pg_test");
	pg_give(conn);
	pg_pool_close(pool);
	testdb_execf("ALTER DATABASE %s RESET ALL", testdb_text("SELECT current_database()"));
}

static void a_server_that_would_lose_commits_is_refused(void **state)
{
	struct fixture *fixture = *state;
	testdb_execf("ALTER DATABASE %s SET synchronous_commit = off", testdb_text("SELECT current_database()"));
	struct pg_pool *pool = open_pool(1);
	struct pg_conn *conn;
	assert_int_equal(pg_take(pool, in_ms(1000), &conn), UNAVAILABLE);
	assert_false(pg_holding());
	assert_true(str_find(pg_pool_error(pool, fixture->arena), ':') != SIZE_MAX);
	assert_int_equal(pg_pool_ready(pool, in_ms(1000)), UNAVAILABLE);
	pg_pool_close(pool);
	testdb_execf("ALTER DATABASE %s RESET ALL", testdb_text("SELECT current_database()"));
}

static void a_malformed_url_is_invalid(void **state UNUSED)
{
	static const char *const urls[] = {"", "host=/tmp", "mysql://x/y", "postgresql://[::1/x", "postgresql:///x?nonsense=1"};
	struct pg_pool *pool = NULL;
	struct pg_pool_options options = {.connections = 1, .statements = statements, .statement_count = STATEMENT_COUNT};
	options.application_name = "pg_test";
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		options.url = str_from_z(urls[i]);
		assert_int_equal(pg_pool_open(&options, &pool), INVALID);
		assert_null(pool);
	}
	options.url = testdb_url();
	options.connections = 0;
	assert_int_equal(pg_pool_open(&options, &pool), INVALID);
	options.connections = 65;
	assert_int_equal(pg_pool_open(&options, &pool), INVALID);
}

/* ---- deadlines and the queue ---- */

static void a_statement_past_its_deadline_ends_with_its_connection(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	int64_t backend = backend_of(conn, fixture->arena);
	pg_give(conn);
	conn = take_until(fixture->pool, in_ms(150));
	int64_t began = clock_monotonic_us();
	assert_int_equal(run_i64(conn, fixture->arena, SLEEP, 4000), TIMED_OUT);
	assert_in_range(clock_monotonic_us() - began, 140 * 1000, 400 * 1000);
	assert_true(pg_conn_broken(conn));
	assert_int_equal(pg_run(conn, fixture->arena, BACKEND, NULL, NULL), TIMED_OUT);
	pg_give(conn);
	/* One alone does not open the breaker. */
	conn = take(fixture->pool);
	assert_int_not_equal(backend_of(conn, fixture->arena), backend);
	pg_give(conn);
	/* The server stops the statement by itself, since nobody waits for it (client_connection_check_interval). */
	char sql[128];
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", (int)backend);
	for (int i = 0; i < 30 && testdb_i64(sql) != 0; i++) {
		usleep(50 * 1000);
	}
	assert_int_equal(testdb_i64(sql), 0);
}

static void a_statement_that_the_server_cancels_leaves_the_connection(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *conn = take(fixture->pool);
	assert_int_equal(pg_script(conn, "SET statement_timeout = '50ms'"), OK);
	assert_int_equal(run_i64(conn, fixture->arena, SLEEP, 4000), TIMED_OUT);
	assert_str(pg_sqlstate(conn), "57014");
	assert_false(pg_conn_broken(conn));
	assert_int_equal(pg_script(conn, "RESET statement_timeout"), OK);
	pg_give(conn);
}

static void a_passed_deadline_asks_nothing(void **state)
{
	struct fixture *fixture = *state;
	pg_give(take(fixture->pool));
	struct pg_conn *conn = take_until(fixture->pool, in_ms(50));
	usleep(60 * 1000);
	assert_int_equal(pg_run(conn, fixture->arena, BACKEND, NULL, NULL), TIMED_OUT);
	assert_false(pg_conn_broken(conn));
	pg_give(conn);
	assert_int_equal(pg_take(fixture->pool, in_ms(-1), &conn), TIMED_OUT);
	assert_false(pg_holding());
}

/* A thread that takes a connection and notes when it got it. */
struct taker {
	struct pg_pool *pool;
	int64_t patience_ms;
	atomic_int *order;
	int place;
	enum status status;
	int64_t waited_us;
};

static void *take_and_give(void *arg)
{
	struct taker *taker = arg;
	struct pg_conn *conn;
	int64_t began = clock_monotonic_us();
	taker->status = pg_take(taker->pool, in_ms(taker->patience_ms), &conn);
	taker->waited_us = clock_monotonic_us() - began;
	if (taker->status == OK) {
		taker->place = atomic_fetch_add(taker->order, 1);
		pg_give(conn);
	}
	return NULL;
}

static void waiting_ends_by_itself_or_at_the_deadline(void **state UNUSED)
{
	struct pg_pool *pool = open_pool(1);
	struct pg_conn *conn = take(pool);
	assert_true(pg_holding());
	atomic_int order = 0;
	struct taker patient = {.pool = pool, .patience_ms = 5000, .order = &order};
	struct taker hasty = {.pool = pool, .patience_ms = 30, .order = &order};
	pthread_t threads[2];
	pthread_create(&threads[0], NULL, take_and_give, &patient);
	pthread_create(&threads[1], NULL, take_and_give, &hasty);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(patient.status, UNAVAILABLE);
	assert_in_range(patient.waited_us, PG_WAIT_FOR_CONNECTION_US - 50 * 1000, PG_WAIT_FOR_CONNECTION_US + 300 * 1000);
	assert_int_equal(hasty.status, TIMED_OUT);
	assert_in_range(hasty.waited_us, 25 * 1000, 200 * 1000);
	pg_give(conn);
	assert_false(pg_holding());
	pg_give(NULL);
	pg_pool_close(pool);
}

/* The connection is held all the time, but the server answers: those who wait have patience, and not for ever. */
static void waiting_goes_on_while_others_are_answered(void **state)
{
	struct fixture *fixture = *state;
	struct pg_pool *pool = open_pool(1);
	struct pg_conn *conn = take(pool);
	atomic_int order = 0;
	struct taker patient = {.pool = pool, .patience_ms = 5000, .order = &order};
	struct taker late = {.pool = pool, .patience_ms = 5000, .order = &order};
	pthread_t threads[2];
	int64_t began = clock_monotonic_us();

	pthread_create(&threads[0], NULL, take_and_give, &patient);
	while (clock_monotonic_us() < began + 600 * 1000) {
		assert_int_equal(run_i64(conn, fixture->arena, SLEEP, 10), OK);
	}
	pg_give(conn);
	pthread_join(threads[0], NULL);
	assert_int_equal(patient.status, OK);
	assert_in_range(patient.waited_us, 550 * 1000, 900 * 1000);
	conn = take(pool);
	began = clock_monotonic_us();
	pthread_create(&threads[1], NULL, take_and_give, &late);
	while (clock_monotonic_us() < began + PG_WAIT_FOR_CONNECTION_US + 500 * 1000) {
		assert_int_equal(run_i64(conn, fixture->arena, SLEEP, 10), OK);
	}
	pthread_join(threads[1], NULL);
	assert_int_equal(late.status, UNAVAILABLE);
	assert_in_range(late.waited_us, PG_WAIT_FOR_CONNECTION_US - 50 * 1000, PG_WAIT_FOR_CONNECTION_US + 300 * 1000);
	pg_give(conn);
	pg_pool_close(pool);
}

/* The server answered a moment ago: two whose time is over at once are no sign that it is silent. */
static void who_runs_out_of_time_soon_after_an_answer_opens_no_breaker(void **state)
{
	struct fixture *fixture = *state;
	struct pg_pool *pool = open_pool(1);
	struct pg_conn *conn = take(pool);
	atomic_int order = 0;
	struct taker takers[2];
	pthread_t threads[2];
	int64_t began = clock_monotonic_us();

	for (int i = 0; i < 2; i++) {
		takers[i] = (struct taker){.pool = pool, .patience_ms = 325, .order = &order};
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
	}
	while (clock_monotonic_us() < began + 200 * 1000) {
		assert_int_equal(run_i64(conn, fixture->arena, SLEEP, 30), OK);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(takers[i].status, TIMED_OUT);
	}
	assert_int_equal(run_i64(conn, fixture->arena, SLEEP, 1), OK);
	pg_give(conn);
	int64_t backend = backend_of(conn = take(pool), fixture->arena); /* no breaker refuses, and the connection is the same */
	pg_give(conn);
	conn = take(pool);
	assert_int_equal(backend_of(conn, fixture->arena), backend);
	pg_give(conn);
	pg_pool_close(pool);
}

/* Four threads queue one after the other behind a held connection; whether they were served in that order. */
static bool served_in_order(struct pg_pool *pool)
{
	enum { TAKERS = 4 };
	struct pg_conn *conn = take(pool);
	atomic_int order = 0;
	struct taker takers[TAKERS];
	pthread_t threads[TAKERS];
	for (int i = 0; i < TAKERS; i++) {
		takers[i] = (struct taker){.pool = pool, .patience_ms = 5000, .order = &order, .place = -1};
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
		usleep(30 * 1000);
	}
	pg_give(conn);
	bool in_order = true;
	for (int i = 0; i < TAKERS; i++) {
		pthread_join(threads[i], NULL);
		in_order = in_order && takers[i].place == i;
	}
	return in_order;
}

static void connections_go_to_who_waited_longest(void **state UNUSED)
{
	struct pg_pool *pool = open_pool(1);
	/* A busy machine may start a later thread first, or keep one from its place for long: not three times. */
	bool in_order = false;
	for (int i = 0; i < 3 && !in_order; i++) {
		in_order = served_in_order(pool);
	}
	assert_true(in_order);
	pg_pool_close(pool);
}

struct worker {
	struct pg_pool *pool;
	int rounds; /* 0: until it is told to stop */
	atomic_bool stop;
	int failures;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	for (int i = 0; worker->rounds > 0 ? i < worker->rounds : !atomic_load(&worker->stop); i++) {
		struct pg_conn *conn;
		if (pg_take(worker->pool, in_ms(2000), &conn) != OK) {
			worker->failures++;
			continue;
		}
		if (pg_begin(conn) != OK || run_i64(conn, arena, READ_THING, 1) != OK || pg_commit(conn) != OK) {
			worker->failures++;
		}
		pg_give(conn);
		arena_reset(arena);
	}
	arena_free(arena);
	return NULL;
}

static void a_healthy_server_refuses_nobody(void **state UNUSED)
{
	enum { CLIENTS = 64, ROUNDS = 40 };
	struct pg_pool *pool = open_pool(8);
	struct worker workers[CLIENTS];
	pthread_t threads[CLIENTS];
	for (int i = 0; i < CLIENTS; i++) {
		workers[i] = (struct worker){.pool = pool, .rounds = ROUNDS};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	int failures = 0;
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(threads[i], NULL);
		failures += workers[i].failures;
	}
	assert_int_equal(failures, 0);
	assert_in_range(testdb_i64("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_test'"), 1, 10);
	pg_pool_close(pool);
}

/* ---- the breaker ---- */

static void a_refused_connection_is_not_hammered(void **state)
{
	struct fixture *fixture = *state;
	struct pg_pool_options options = {
		.url = STR("postgresql:///x?host=/nonexistent&user=nobody"),
		.connections = 4,
		.statements = statements,
		.statement_count = STATEMENT_COUNT,
		.application_name = "pg_test",
	};
	struct pg_pool *pool;
	assert_int_equal(pg_pool_open(&options, &pool), OK);
	assert_false(str_present(pg_pool_error(pool, fixture->arena)));
	struct pg_conn *conn;
	assert_int_equal(pg_take(pool, in_ms(1000), &conn), UNAVAILABLE);
	assert_true(str_present(pg_pool_error(pool, fixture->arena)));
	int64_t began = clock_monotonic_us();
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pg_take(pool, in_ms(1000), &conn), UNAVAILABLE);
	}
	assert_in_range(clock_monotonic_us() - began, 0, 100 * 1000);
	pg_pool_close(pool);
}

/* Asks once with 150 ms of patience. */
static enum status ask(struct pg_pool *pool, struct arena *arena)
{
	struct pg_conn *conn;
	enum status status = pg_take(pool, in_ms(150), &conn);
	if (status != OK) {
		return status;
	}
	status = pg_run(conn, arena, BACKEND, NULL, NULL);
	pg_give(conn);
	return status;
}

static void a_hung_server_opens_the_breaker_and_closes_it_when_it_is_back(void **state)
{
	struct fixture *fixture = *state;
	struct arena *arena = fixture->arena;
	assert_int_equal(ask(fixture->pool, arena), OK);
	testdb_signal_server(SIGSTOP);
	/* The first two each wait for their deadline; nothing asserts before the server runs again, lest a failure leave it stopped. */
	enum status first = ask(fixture->pool, arena);
	enum status second = ask(fixture->pool, arena);
	int slow = 0;
	enum status refused = UNAVAILABLE;
	for (int i = 0; i < 50; i++) {
		int64_t began = clock_monotonic_us();
		enum status status = ask(fixture->pool, arena);
		slow += clock_monotonic_us() - began > 1000;
		refused = status == UNAVAILABLE ? refused : status;
		usleep(10 * 1000);
	}
	testdb_signal_server(SIGCONT);
	int64_t began = clock_monotonic_us();
	enum status back = ask(fixture->pool, arena);
	while (back != OK && clock_monotonic_us() - began < SECOND_US) {
		usleep(5 * 1000);
		back = ask(fixture->pool, arena);
	}
	int64_t took = clock_monotonic_us() - began;
	assert_int_equal(first, TIMED_OUT);
	assert_int_equal(second, TIMED_OUT);
	assert_int_equal(refused, UNAVAILABLE);
	print_message("%d of 50 refusals took over 1 ms, back after %d ms\n", slow, (int)(took / 1000));
	assert_in_range(slow, 0, 5); /* a busy machine may put a thread aside for longer than that */
	assert_int_equal(back, OK);
	assert_int_equal(pg_pool_ready(fixture->pool, in_ms(1000)), OK);
}

/* A taker in a thread of its own, since this one holds a connection. */
static void take_late(struct taker *late)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, take_and_give, late), 0);
	pthread_join(thread, NULL);
}

static void the_breaker_sends_waiters_away(void **state UNUSED)
{
	enum { EARLY = 3, CLIENTS = 8 };
	struct pg_pool *pool = open_pool(2);
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	assert_int_equal(ask(pool, arena), OK);
	atomic_int order = 0;
	struct taker takers[CLIENTS];
	pthread_t threads[CLIENTS];
	testdb_signal_server(SIGSTOP);
	/*
	 * One connection is held, the first taker hangs while it makes the other. The next two queue in vain, hear nothing, and
	 * that opens the breaker; those who came later are sent away then, before their own time is over.
	 */
	struct pg_conn *conn;
	enum status held = pg_take(pool, in_ms(5000), &conn);
	for (int i = 0; i < CLIENTS; i++) {
		usleep(i == EARLY ? 150 * 1000 : 0);
		takers[i] = (struct taker){.pool = pool, .patience_ms = 3000, .order = &order};
		pthread_create(&threads[i], NULL, take_and_give, &takers[i]);
	}
	usleep(PG_WAIT_FOR_CONNECTION_US + 100 * 1000);
	struct taker late = {.pool = pool, .patience_ms = 3000, .order = &order};
	take_late(&late);
	testdb_signal_server(SIGCONT);
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(held, OK);
	pg_give(conn);
	int refused = 0;
	int early = 0;
	for (int i = 0; i < CLIENTS; i++) {
		refused += takers[i].status == UNAVAILABLE;
		early += i >= EARLY && takers[i].waited_us < PG_WAIT_FOR_CONNECTION_US - 100 * 1000;
	}
	assert_int_equal(refused, CLIENTS - 1);
	assert_true(early >= CLIENTS - EARLY - 1); /* one may have been put aside by a busy machine */
	assert_int_equal(late.status, UNAVAILABLE);
	assert_in_range(late.waited_us, 0, 50 * 1000);
	for (int i = 0; i < 200 && ask(pool, arena) != OK; i++) {
		usleep(5 * 1000);
	}
	assert_int_equal(ask(pool, arena), OK);
	arena_free(arena);
	pg_pool_close(pool);
}

static void *wake_server(void *arg UNUSED)
{
	usleep(PG_WAIT_FOR_CONNECTION_US + 300 * 1000);
	testdb_signal_server(SIGCONT);
	return NULL;
}

/* The answer to a question that was in flight says as much as a probe's, and its connection is as good as one made anew. */
static void an_answer_closes_the_breaker_and_keeps_its_connection(void **state)
{
	enum { WAITERS = 3, WAKER = WAITERS };
	struct fixture *fixture = *state;
	struct pg_pool *pool = open_pool(1);
	struct pg_conn *conn = take(pool);
	int64_t backend = backend_of(conn, fixture->arena);
	atomic_int order = 0;
	struct taker takers[WAITERS];
	pthread_t threads[WAITERS + 1];

	testdb_signal_server(SIGSTOP);
	for (int i = 0; i < WAITERS; i++) {
		takers[i] = (struct taker){.pool = pool, .patience_ms = 5000, .order = &order};
		pthread_create(&threads[i], NULL, take_and_give, &takers[i]);
	}
	pthread_create(&threads[WAKER], NULL, wake_server, NULL);
	enum status answered = run_i64(conn, fixture->arena, SLEEP, 1);
	pg_give(conn);
	enum status taken = pg_take(pool, in_ms(1000), &conn);
	for (int i = 0; i <= WAITERS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(answered, OK);
	assert_int_equal(takers[0].status, UNAVAILABLE); /* the server was silent through his wait */
	assert_int_equal(taken, OK);
	assert_int_equal(backend_of(conn, fixture->arena), backend);
	pg_give(conn);
	pg_pool_close(pool);
}

/* Asks for three seconds of sleep until a deadline that is the same for all. */
struct sleeper {
	struct pg_pool *pool;
	int64_t deadline;
	enum status taken;
	enum status slept;
};

static void *sleep_too_long(void *arg)
{
	struct sleeper *sleeper = arg;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct pg_conn *conn;
	sleeper->taken = pg_take(sleeper->pool, sleeper->deadline, &conn);
	if (sleeper->taken == OK) {
		sleeper->slept = run_i64(conn, arena, SLEEP, 3000);
		pg_give(conn);
	}
	arena_free(arena);
	return NULL;
}

static void slow_statements_beside_answered_ones_open_nothing(void **state UNUSED)
{
	enum { SLEEPERS = 4, ROUNDS = 4 };
	/* Deadlines pass four at a time, but the server answers another all the while. */
	struct pg_pool *pool = open_pool(SLEEPERS + 1);
	struct worker worker = {.pool = pool};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, work, &worker), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct sleeper sleepers[SLEEPERS];
		pthread_t threads[SLEEPERS];
		int64_t deadline = in_ms(500); /* each opens a connection first: those of the last round are gone */
		for (int i = 0; i < SLEEPERS; i++) {
			sleepers[i] = (struct sleeper){.pool = pool, .deadline = deadline};
			assert_int_equal(pthread_create(&threads[i], NULL, sleep_too_long, &sleepers[i]), 0);
		}
		for (int i = 0; i < SLEEPERS; i++) {
			pthread_join(threads[i], NULL);
			assert_int_equal(sleepers[i].taken, OK);
			assert_int_equal(sleepers[i].slept, TIMED_OUT);
		}
	}
	atomic_store(&worker.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(worker.failures, 0);
	pg_pool_close(pool);
}

/* ---- connections outside the pool ---- */

static void a_reserved_connection_stands_beside_the_pool(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *own = pg_reserve(fixture->pool);
	assert_non_null(own);
	assert_int_equal(pg_reserved_ready(own, in_ms(-1)), TIMED_OUT);
	assert_int_equal(pg_reserved_ready(own, in_ms(1000)), OK);
	assert_false(pg_holding());
	int64_t backend = backend_of(own, fixture->arena);
	assert_int_equal(pg_reserved_ready(own, in_ms(1000)), OK);
	assert_int_equal(backend_of(own, fixture->arena), backend);
	assert_int_equal(pg_run(own, fixture->arena, KILL_SELF, NULL, NULL), TIMED_OUT);
	assert_int_equal(pg_reserved_ready(own, in_ms(1000)), OK);
	assert_int_not_equal(backend_of(own, fixture->arena), backend);
	pg_release(own);
	pg_release(NULL);
}

/* The server reckons with ten rows of an array it does not know yet, so that it would plan a statement for one row each time anew. */
static void a_reserved_connection_plans_its_statement_once(void **state)
{
	struct fixture *fixture = *state;
	struct pg_conn *own = pg_reserve(fixture->pool);
	struct pg_rows *rows = NULL;

	assert_non_null(own);
	assert_int_equal(pg_reserved_ready(own, in_ms(2000)), OK);
	for (int i = 0; i < 20; i++) {
		struct pg_params params = pg_params(fixture->arena);

		pg_add_i64_array(&params, (const int64_t[]){1}, 1);
		assert_int_equal(pg_run(own, fixture->arena, FIND_THINGS, &params, &rows), OK);
		assert_int_equal(pg_row_count(rows), 1);
	}
	assert_int_equal(pg_run(own, fixture->arena, TIMES_PLANNED, NULL, &rows), OK);
	assert_int_equal(pg_i64(rows, 0, 0), 0);
	pg_release(own);
}

/* ---- fibers ---- */

enum { FIBERS = 12, NAP_MS = 40 };

struct napper {
	struct pg_pool *pool;
	enum status status;
};

static void nap_and_read(void *arg)
{
	struct napper *napper = arg;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct pg_conn *conn = NULL;

	assert_false(pg_holding());
	napper->status = pg_take(napper->pool, in_ms(5000), &conn);
	if (napper->status == OK) {
		assert_true(pg_holding());
		napper->status = run_i64(conn, arena, SLEEP, NAP_MS);
		assert_true(pg_holding());
		pg_give(conn);
	}
	assert_false(pg_holding());
	arena_free(arena);
}

static void nap_past_the_deadline(void *arg)
{
	struct napper *napper = arg;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct pg_conn *conn = take_until(napper->pool, in_ms(NAP_MS));

	napper->status = run_i64(conn, arena, SLEEP, 2000);
	assert_true(pg_conn_broken(conn));
	pg_give(conn);
	arena_free(arena);
}

/* All on one thread: while one waits for the server the others ask it, and who finds no free connection has the next one. */
static void fibers_share_connections(void **state UNUSED)
{
	struct helpers *helpers = helpers_new(2, FIBERS_STACK);
	struct pg_pool *pool = open_pool(4);
	struct napper nappers[FIBERS];
	int64_t began = clock_monotonic_us();

	for (int i = 0; i < FIBERS; i++) {
		nappers[i] = (struct napper){.pool = pool, .status = INTERNAL};
	}
	run_in_fibers(nap_and_read, nappers, FIBERS, sizeof(nappers[0]), helpers);
	for (int i = 0; i < FIBERS; i++) {
		assert_int_equal(nappers[i].status, OK);
	}
	/* Three at a time after the other, beside connecting; one after the other would be 480 ms and more. */
	assert_in_range(clock_monotonic_us() - began, 3 * NAP_MS * 1000, 400 * 1000);
	began = clock_monotonic_us();
	run_in_fibers(nap_past_the_deadline, nappers, 1, sizeof(nappers[0]), helpers);
	assert_int_equal(nappers[0].status, TIMED_OUT);
	assert_in_range(clock_monotonic_us() - began, NAP_MS * 1000, 1000 * 1000);
	pg_pool_close(pool);
	helpers_free(helpers);
}

static void block_a_while(void *arg UNUSED)
{
	(void)usleep(600 * 1000);
}

/* Either keeps the only helper busy, or wants to connect. */
static void block_or_take(void *arg)
{
	struct napper *napper = arg;
	struct pg_conn *conn = NULL;

	if (napper->pool == NULL) {
		offload(fiber_helpers(), block_a_while, NULL);
		return;
	}
	napper->status = pg_take(napper->pool, in_ms(300), &conn);
	pg_give(conn);
}

/* Nobody's name is looked up, so nobody is needed for it: who connects does not wait for helpers that are busy with something else. */
static void connecting_needs_no_helper(void **state UNUSED)
{
	struct helpers *helpers = helpers_new(1, FIBERS_STACK);
	struct pg_pool *pool = open_pool(2);
	struct napper nappers[] = {{.pool = NULL}, {.pool = pool, .status = INTERNAL}, {.pool = pool, .status = INTERNAL}};

	run_in_fibers(block_or_take, nappers, ARRAY_LEN(nappers), sizeof(nappers[0]), helpers);
	assert_int_equal(nappers[1].status, OK);
	assert_int_equal(nappers[2].status, OK);
	pg_pool_close(pool);
	helpers_free(helpers);
}

static int group_setup(void **state)
{
	int failed = testdb_setup(state);
	testdb_exec(schema);
	return failed;
}

static void test_a_warm_pool_has_what_shall_be_ready(void **state)
{
	(void)state;
	const char *connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_test' AND datname = current_database()";
	int64_t before = testdb_i64(connected);
	struct pg_pool *pool = open_growing_pool(8, 5);
	pg_pool_warm(pool, in_ms(5000));
	assert_int_equal(testdb_i64(connected) - before, 5);
	int64_t started = clock_monotonic_us();
	pg_pool_warm(pool, in_ms(5000)); /* nothing left to do, and nobody is waited for */
	assert_true(clock_monotonic_us() - started < PG_WAIT_FOR_CONNECTION_US);
	assert_int_equal(testdb_i64(connected) - before, 5);
	pg_pool_close(pool);
}

/* Takes four connections as if each were another thread's and gives them back; one of them may take PG_GROW_AFTER_US. */
static void take_four(struct pg_pool *pool, size_t slow)
{
	struct pg_conn *held[4] = {NULL};

	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		int64_t started = clock_monotonic_us();
		assert_int_equal(pg_take(pool, in_ms(5000), &held[i]), OK);
		*fiber_own(FIBER_SLOT_PG) = NULL;
		assert_int_equal(clock_monotonic_us() - started >= PG_GROW_AFTER_US, i == slow);
	}
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		*fiber_own(FIBER_SLOT_PG) = held[i];
		pg_give(held[i]);
	}
}

static void test_a_pool_grows_when_what_it_has_is_held_for_long(void **state)
{
	struct pg_pool *pool = open_growing_pool(4, 2);

	(void)state;
	pg_pool_warm(pool, in_ms(5000));
	take_four(pool, 2); /* by then the first two are stuck, so the fourth need not wait either */
	take_four(pool, 4); /* nobody: once made they stay */
	pg_pool_close(pool);
}

/* Under load half a second was too short for warming; what a program refused in its first 200 ms because of that was not the server's
 * doing. */
static void test_warming_that_runs_out_of_time_refuses_nobody(void **state)
{
	struct pg_pool *pool = open_pool(2);
	struct pg_conn *own = pg_reserve(pool);
	struct pg_conn *conn = NULL;

	(void)state;
	assert_non_null(own);
	pg_pool_warm(pool, in_ms(1));
	assert_int_equal(pg_reserved_ready(own, in_ms(2000)), OK);
	pg_release(own);
	assert_int_equal(pg_take(pool, in_ms(2000), &conn), OK);
	pg_give(conn);
	pg_pool_close(pool);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_warm_pool_has_what_shall_be_ready),
		TEST(test_a_pool_grows_when_what_it_has_is_held_for_long),
		TEST(test_warming_that_runs_out_of_time_refuses_nobody),
		TEST(values_come_back_as_they_went),
		TEST(arrays_come_back_as_they_went),
		TEST(parameters_that_would_be_cut_are_refused),
		TEST(rows_that_do_not_fit_the_arena_are_refused),
		TEST(constraints_are_conflicts_or_invalid),
		TEST(a_missing_partition_is_told_apart),
		TEST(affected_rows_are_counted),
		TEST(a_deadlock_is_retry),
		TEST(a_serialization_failure_is_retry),
		TEST(a_lock_that_is_not_given_is_unavailable),
		TEST(a_dead_plan_is_retry_on_another_connection),
		TEST(another_use_of_0a000_is_a_defect),
		TEST(copy_is_refused),
		TEST(a_failed_transaction_does_not_commit),
		TEST(the_last_statement_commits_or_nothing_is_there),
		TEST(a_transaction_begins_with_its_first_statement),
		TEST(a_first_statement_may_end_its_connection),
		TEST(a_connection_given_back_inside_a_transaction_is_destroyed),
		TEST(a_lost_connection_is_in_doubt_only_where_it_can_commit),
		TEST(a_connection_that_died_idle_is_replaced_unseen),
		TEST(a_session_pins_its_settings),
		TEST(a_server_that_would_lose_commits_is_refused),
		TEST(a_malformed_url_is_invalid),
		TEST(a_statement_past_its_deadline_ends_with_its_connection),
		TEST(a_statement_that_the_server_cancels_leaves_the_connection),
		TEST(a_passed_deadline_asks_nothing),
		TEST(waiting_ends_by_itself_or_at_the_deadline),
		TEST(waiting_goes_on_while_others_are_answered),
		TEST(who_runs_out_of_time_soon_after_an_answer_opens_no_breaker),
		TEST(connections_go_to_who_waited_longest),
		TEST(a_healthy_server_refuses_nobody),
		TEST(a_refused_connection_is_not_hammered),
		TEST(a_hung_server_opens_the_breaker_and_closes_it_when_it_is_back),
		TEST(the_breaker_sends_waiters_away),
		TEST(an_answer_closes_the_breaker_and_keeps_its_connection),
		TEST(slow_statements_beside_answered_ones_open_nothing),
		TEST(a_reserved_connection_stands_beside_the_pool),
		TEST(a_reserved_connection_plans_its_statement_once),
		TEST(fibers_share_connections),
		TEST(connecting_needs_no_helper),
	};
	return cmocka_run_group_tests(tests, group_setup, testdb_teardown);
}
