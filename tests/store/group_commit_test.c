/* io/group_commit against a real server: every row once, one bad row is one caller's error. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/group_commit.h"
#include "support/testdb.h"

enum { APPEND, STATEMENT_COUNT };

static const struct pg_statement statements[STATEMENT_COUNT] = {
	[APPEND] = {"append",
	            "INSERT INTO public.appended (key, number, note)"
	            " SELECT k, n::bigint, t FROM unnest($1::text[], $2::text[], $3::text[]) AS u (k, n, t) ON CONFLICT (key) DO NOTHING", 3},
};

static const char schema[] = "CREATE TABLE public.appended (key text PRIMARY KEY, number bigint NOT NULL CHECK (number >= 0), note text)";

struct fixture {
	struct pg_pool *pool;
	struct group *group;
};

static int setup(void **state)
{
	static struct fixture fixture;
	struct pg_pool_options options = {
		.url = testdb_url(),
		.connections = 2,
		.statements = statements,
		.statement_count = STATEMENT_COUNT,
		.application_name = "group_commit_test",
	};
	assert_int_equal(pg_pool_open(&options, &fixture.pool), OK);
	assert_int_equal(group_commit_open(fixture.pool, APPEND, 3, 1, &fixture.group), OK);
	testdb_exec("TRUNCATE public.appended");
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	group_close(fixture->group);
	pg_pool_close(fixture->pool);
	return 0;
}

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_us() + ms * 1000;
}

static enum status append(struct group *group, const char *key, const char *number, const char *note, int64_t deadline)
{
	/* What the row was made of is gone when the call returns, like an arena that is reset: the group has its own copy by then. */
	char *key_copy = strdup(key);
	assert_non_null(key_copy);
	struct gather_row row = {.columns = {str_from_z(key_copy), str_from_z(number), str_from_z(note)}};
	enum status status = group_commit_append(group, &row, deadline);
	memset(key_copy, '!', strlen(key_copy));
	free(key_copy);
	return status;
}

static void a_row_is_there_when_the_call_returns(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(append(fixture->group, "a", "7", "x\"y\\z,{}", in_ms(2000)), OK);
	assert_int_equal(testdb_i64("SELECT number FROM public.appended WHERE key = 'a'"), 7);
	assert_string_equal(testdb_text("SELECT note FROM public.appended WHERE key = 'a'"), "x\"y\\z,{}");
	/* A repeat is not an error, and changes nothing. */
	assert_int_equal(append(fixture->group, "a", "8", NULL, in_ms(2000)), OK);
	assert_int_equal(append(fixture->group, "b", "8", NULL, in_ms(2000)), OK);
	assert_int_equal(testdb_i64("SELECT number FROM public.appended WHERE key = 'a'"), 7);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended WHERE note IS NULL"), 1);
}

struct worker {
	struct group *group;
	int number;
	int rows;
	int poison_every; /* 0: never */
	int64_t patience_ms;
	bool repeat; /* like a platform that was told 503 */
	int results[STATUS_COUNT];
	int unexpected;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	for (int i = 0; i < worker->rows; i++) {
		char key[64];
		bool poisoned = worker->poison_every != 0 && i % worker->poison_every == 0;
		snprintf(key, sizeof(key), "%s:%d:%d", poisoned ? "bad" : "good", worker->number, i);
		enum status status = append(worker->group, key, poisoned ? (i % 2 == 0 ? "-1" : "x") : "1", "n", in_ms(worker->patience_ms));
		worker->results[status]++;
		for (int again = 0; worker->repeat && status == UNAVAILABLE && again < 1000; again++) {
			usleep(10 * 1000);
			status = append(worker->group, key, "1", "n", in_ms(worker->patience_ms));
			worker->results[status]++;
		}
		worker->unexpected += status != (poisoned ? INVALID : OK);
	}
	return NULL;
}

/* Runs `count` like workers and adds their results into *total. */
static void run_workers(struct worker *total, int count)
{
	struct worker workers[64];
	pthread_t threads[64];
	for (int i = 0; i < count; i++) {
		workers[i] = *total;
		workers[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		total->unexpected += workers[i].unexpected;
		for (int status = 0; status < STATUS_COUNT; status++) {
			total->results[status] += workers[i].results[status];
		}
	}
}

static void many_threads_append_every_row_once(void **state)
{
	struct fixture *fixture = *state;
	struct worker total = {.group = fixture->group, .rows = 200, .patience_ms = 10000};
	run_workers(&total, 32);
	assert_int_equal(total.unexpected, 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended"), 32 * 200);
	/* That it is a *group* commit: far fewer transactions than rows, and no fewer than one thread's rows. */
	int64_t commits = testdb_i64("SELECT count(DISTINCT xmin::text) FROM public.appended");
	print_message("6400 rows in %d transactions\n", (int)commits);
	assert_in_range(commits, 200, 3200);
}

static void a_poisoned_row_fails_its_caller_only(void **state)
{
	struct fixture *fixture = *state;
	struct worker total = {.group = fixture->group, .rows = 30, .poison_every = 10, .patience_ms = 10000};
	run_workers(&total, 16);
	assert_int_equal(total.unexpected, 0);
	assert_int_equal(total.results[INVALID], 16 * 3);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended"), 16 * 27);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended WHERE key LIKE 'bad%'"), 0);
}

static void the_same_key_from_many_is_stored_once(void **state)
{
	struct fixture *fixture = *state;
	struct worker total = {.group = fixture->group, .rows = 20, .patience_ms = 10000};
	run_workers(&total, 8);
	run_workers(&total, 8);
	assert_int_equal(total.unexpected, 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended"), 8 * 20);
}

static void what_cannot_be_sent_is_refused_before_it_joins(void **state)
{
	struct fixture *fixture = *state;
	struct gather_row row = {.columns = {STR("k"), STR("1"), {"a\0b", 3}}};
	assert_int_equal(group_commit_append(fixture->group, &row, in_ms(1000)), INVALID);
	char *large = calloc(1, GATHER_BYTES_MAX + 1);
	assert_non_null(large);
	memset(large, 'x', GATHER_BYTES_MAX);
	row.columns[2] = (struct str){large, GATHER_BYTES_MAX};
	assert_int_equal(group_commit_append(fixture->group, &row, in_ms(1000)), TOO_LARGE);
	row.columns[2] = (struct str){large, GATHER_BYTES_MAX - 2};
	assert_int_equal(group_commit_append(fixture->group, &row, in_ms(2000)), OK);
	free(large);
	assert_int_equal(append(fixture->group, "late", "1", NULL, in_ms(-1)), TIMED_OUT);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended"), 1);
}

static void batches_are_cut_at_their_byte_limit(void **state)
{
	struct fixture *fixture = *state;
	/* While one waits for the lock, rows of 100 KiB gather: more than one batch holds. */
	struct worker total = {.group = fixture->group, .rows = 3, .patience_ms = 10000};
	char *note = calloc(1, 100 * 1024 + 1);
	assert_non_null(note);
	memset(note, '\\', 100 * 1024); /* the worst case of escaping */
	for (int i = 0; i < 4; i++) {
		char key[32];
		snprintf(key, sizeof(key), "large:%d", i);
		assert_int_equal(append(fixture->group, key, "1", note, in_ms(5000)), OK);
	}
	run_workers(&total, 32);
	free(note);
	assert_int_equal(total.unexpected, 0);
	assert_int_equal(testdb_i64("SELECT sum(length(note)) FROM public.appended WHERE key LIKE 'large%'"), 4 * 100 * 1024);
}

/* The statement waits for this lock until lock_timeout; who waits behind it leaves at his own deadline. */
static void a_caller_leaves_at_its_deadline(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(append(fixture->group, "warm", "1", NULL, in_ms(2000)), OK);
	testdb_exec("BEGIN; LOCK TABLE public.appended IN EXCLUSIVE MODE");
	struct worker leader = {.group = fixture->group, .number = 1, .rows = 1, .patience_ms = 5000};
	struct worker hasty = {.group = fixture->group, .number = 2, .rows = 1, .patience_ms = 100};
	struct worker patient = {.group = fixture->group, .number = 3, .rows = 1, .patience_ms = 5000};
	pthread_t threads[3];
	pthread_create(&threads[0], NULL, work, &leader);
	usleep(50 * 1000);
	int64_t began = clock_monotonic_us();
	pthread_create(&threads[1], NULL, work, &hasty);
	pthread_create(&threads[2], NULL, work, &patient);
	pthread_join(threads[1], NULL);
	int64_t took = clock_monotonic_us() - began;
	assert_in_range(took, 90 * 1000, 350 * 1000);
	assert_int_equal(hasty.results[TIMED_OUT], 1);
	pthread_join(threads[0], NULL);
	testdb_exec("COMMIT");
	pthread_join(threads[2], NULL);
	/* The lock timeout is nobody's fault: unknown to the leader's batch; the next one found the lock free. */
	assert_int_equal(leader.results[UNAVAILABLE], 1);
	assert_int_equal(patient.results[OK], 1);
	/* Who left had joined the batch of who stayed: its row was copied, and is there as it was. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended WHERE key = 'good:2:0'"), 1);
	assert_int_equal(append(fixture->group, "after", "1", NULL, in_ms(2000)), OK);
}

static void a_batch_that_everybody_left_is_dropped(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(append(fixture->group, "warm", "1", NULL, in_ms(2000)), OK);
	testdb_exec("BEGIN; LOCK TABLE public.appended IN EXCLUSIVE MODE");
	struct worker leader = {.group = fixture->group, .number = 1, .rows = 1, .patience_ms = 300};
	struct worker hasty = {.group = fixture->group, .number = 2, .rows = 1, .patience_ms = 50};
	pthread_t threads[2];
	pthread_create(&threads[0], NULL, work, &leader);
	usleep(50 * 1000);
	pthread_create(&threads[1], NULL, work, &hasty);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	testdb_exec("COMMIT");
	assert_int_equal(leader.results[UNAVAILABLE], 1);
	assert_int_equal(hasty.results[TIMED_OUT], 1);
	assert_int_equal(append(fixture->group, "after", "1", NULL, in_ms(2000)), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended WHERE key = 'good:2:0'"), 0);
}

static void a_killed_connection_leaves_the_outcome_unknown_and_the_next_works(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(append(fixture->group, "warm", "1", NULL, in_ms(2000)), OK);
	testdb_exec("BEGIN; LOCK TABLE public.appended IN EXCLUSIVE MODE");
	struct worker worker = {.group = fixture->group, .number = 1, .rows = 1, .patience_ms = 5000};
	pthread_t thread;
	pthread_create(&thread, NULL, work, &worker);
	usleep(100 * 1000);
	testdb_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'group_commit_test'");
	pthread_join(thread, NULL);
	testdb_exec("ROLLBACK");
	assert_int_equal(worker.results[UNAVAILABLE], 1);
	assert_int_equal(append(fixture->group, "after", "1", NULL, in_ms(2000)), OK);
}

static void connections_killed_under_load_lose_and_double_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct worker workers[16];
	pthread_t threads[16];
	for (int i = 0; i < 16; i++) {
		workers[i] = (struct worker){.group = fixture->group, .number = i, .rows = 400, .patience_ms = 10000, .repeat = true};
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < 40; i++) { /* from the start on: a fast machine is through in no time */
		usleep(4 * 1000);
		testdb_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'group_commit_test'");
	}
	int unknown = 0;
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].unexpected, 0);
		unknown += workers[i].results[UNAVAILABLE];
	}
	print_message("%d calls were told that the outcome is unknown\n", unknown);
	assert_true(unknown > 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.appended"), 16 * 400);
}

static void a_changed_table_is_run_once_more(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(append(fixture->group, "a", "1", NULL, in_ms(2000)), OK);
	testdb_exec("ALTER TABLE public.appended ALTER COLUMN number TYPE numeric");
	assert_int_equal(append(fixture->group, "b", "1", NULL, in_ms(2000)), OK);
	testdb_exec("ALTER TABLE public.appended ALTER COLUMN number TYPE bigint");
	assert_int_equal(append(fixture->group, "c", "1", NULL, in_ms(2000)), OK);
}

static int group_setup(void **state)
{
	int failed = testdb_setup(state);
	testdb_exec(schema);
	return failed;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_row_is_there_when_the_call_returns),
		TEST(many_threads_append_every_row_once),
		TEST(a_poisoned_row_fails_its_caller_only),
		TEST(the_same_key_from_many_is_stored_once),
		TEST(what_cannot_be_sent_is_refused_before_it_joins),
		TEST(batches_are_cut_at_their_byte_limit),
		TEST(a_caller_leaves_at_its_deadline),
		TEST(a_batch_that_everybody_left_is_dropped),
		TEST(a_killed_connection_leaves_the_outcome_unknown_and_the_next_works),
		TEST(connections_killed_under_load_lose_and_double_nothing),
		TEST(a_changed_table_is_run_once_more),
	};
	return cmocka_run_group_tests(tests, group_setup, testdb_teardown);
}
