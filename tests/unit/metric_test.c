/* metric: counting from threads, files of living and dead processes, the Prometheus text. */
#include "base/metric.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/trivet-metric-XXXXXX";
static struct arena *arena;

static struct str run_dir(void)
{
	return str_from_z(directory);
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL || mkdtemp(directory) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/metrics", directory);
	DIR *files = opendir(path);
	if (files != NULL) {
		for (const struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) {
			(void)unlinkat(dirfd(files), entry->d_name, 0);
		}
		(void)closedir(files);
	}
	(void)rmdir(path);
	arena_free(arena);
	return rmdir(directory);
}

/* Whether a line of the text is exactly this. */
static void check_line(struct str text, const char *expected)
{
	struct str rest = text;
	while (str_present(rest)) {
		if (str_eq(str_split(&rest, '\n'), str_from_z(expected))) {
			return;
		}
	}
	fail_msg("no line \"%s\" in:\n" STR_FMT, expected, STR_ARG(text));
}

static bool contains(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static size_t count_files(void)
{
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/metrics", directory);
	DIR *files = opendir(path);
	size_t count = 0;
	if (files == NULL) {
		return 0;
	}
	for (const struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) {
		count += entry->d_name[0] != '.' ? 1 : 0;
	}
	(void)closedir(files);
	return count;
}

static void *count_up(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10000; i++) {
		metric_add(METRIC_DB_RETRY, 1);
		metric_route(1, "GET", "/api/me", 200, 1500);
	}
	return NULL;
}

static void test_in_memory(void **state)
{
	(void)state;
	/* Before metric_open(), as in a program that reports why it did not start. */
	metric_add(METRIC_DB_UNAVAILABLE, 2);
	assert_int_equal(metric_get(METRIC_DB_UNAVAILABLE), 2);
	assert_int_equal(metric_open(STR_ABSENT, "unit-test"), OK);
	metric_add(METRIC_DB_UNAVAILABLE, 3);
	metric_set(METRIC_OUTBOX_PENDING, 7);
	struct str text = metric_render(arena, STR_ABSENT);
	check_line(text, "trivet_db_unavailable_total{program=\"unit-test\"} 5");
	check_line(text, "trivet_outbox_pending{program=\"unit-test\"} 7");
	check_line(text, "# TYPE trivet_db_unavailable_total counter");
	check_line(text, "# TYPE trivet_outbox_pending gauge");
	assert_true(str_ends(text, STR("\n")));
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(metric_open(STR("/nonexistent/trivet"), "unit-test"), UNAVAILABLE);
	assert_int_equal(metric_open(run_dir(), "a-name-that-is-longer-than-31-bytes"), INVALID);
	char path[600];
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	assert_int_equal(metric_open((struct str){path, sizeof(path)}, "unit-test"), UNAVAILABLE);
	/* Still counting where it was. */
	metric_add(METRIC_CODE_WRONG, 1);
	assert_int_equal(metric_get(METRIC_CODE_WRONG), 1);
}

static void test_threads_lose_nothing(void **state)
{
	(void)state;
	assert_int_equal(metric_open(run_dir(), "unit-test"), OK);
	/* What was counted before came along. */
	assert_int_equal(metric_get(METRIC_DB_UNAVAILABLE), 5);
	pthread_t threads[4];
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	struct str text = metric_render(arena, run_dir());
	check_line(text, "trivet_db_retry_total{program=\"unit-test\"} 40000");
	check_line(text, "trivet_requests_total{program=\"unit-test\",route=\"GET /api/me\",status=\"200\"} 40000");
	check_line(text, "trivet_request_duration_seconds_bucket{program=\"unit-test\",route=\"GET /api/me\",le=\"0.001\"} 0");
	check_line(text, "trivet_request_duration_seconds_bucket{program=\"unit-test\",route=\"GET /api/me\",le=\"0.002\"} 40000");
	check_line(text, "trivet_request_duration_seconds_bucket{program=\"unit-test\",route=\"GET /api/me\",le=\"2.500\"} 40000");
	check_line(text, "trivet_request_duration_seconds_bucket{program=\"unit-test\",route=\"GET /api/me\",le=\"+Inf\"} 40000");
	check_line(text, "trivet_request_duration_seconds_sum{program=\"unit-test\",route=\"GET /api/me\"} 60.000000");
	check_line(text, "trivet_request_duration_seconds_count{program=\"unit-test\",route=\"GET /api/me\"} 40000");
}

static void test_routes(void **state)
{
	(void)state;
	metric_route(2, "POST", "/x \"q\"\n", 418, 3000000);
	metric_route(METRIC_ROUTES - 1, "the", "last", 503, 1);
	/* Out of the table: not counted, and nothing else is hit. */
	metric_route(METRIC_ROUTES, "all", "beyond", 200, 1);
	metric_route(5, "a", "route whose name is a good deal longer than the table can hold", 404, 0);
	struct str text = metric_render(arena, run_dir());
	check_line(text, "trivet_requests_total{program=\"unit-test\",route=\"POST /x \\\"q\\\" \",status=\"other\"} 1");
	check_line(text, "trivet_request_duration_seconds_bucket{program=\"unit-test\",route=\"POST /x \\\"q\\\" \",le=\"2.500\"} 0");
	check_line(text, "trivet_request_duration_seconds_bucket{program=\"unit-test\",route=\"POST /x \\\"q\\\" \",le=\"+Inf\"} 1");
	check_line(text, "trivet_requests_total{program=\"unit-test\",route=\"the last\",status=\"503\"} 1");
	check_line(text, "trivet_requests_total{program=\"unit-test\",route=\"a route whose name is a good deal longer than "
	                 "t\",status=\"404\"} 1");
	assert_false(contains(text, "beyond"));
}

/* A process of its own that counts, says so through the pipe, and lives until it is killed. */
static pid_t start(const char *program, int64_t retries, int64_t pending)
{
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char name[600];
		(void)snprintf(name, sizeof(name), "%s", directory);
		/* Gone with this program, whatever a failed assertion leaves behind. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		bool opened = metric_open(str_from_z(name), program) == OK;
		metric_set(METRIC_DB_RETRY, retries);
		metric_set(METRIC_OUTBOX_PENDING, pending);
		metric_route(0, "POST", "/telegram", 200, 10);
		char said = opened ? 'y' : 'n';
		if (write(ready[1], &said, 1) == 1) {
			(void)pause();
		}
		_exit(1);
	}
	char said = 'n';
	assert_int_equal(read(ready[0], &said, 1), 1);
	assert_int_equal(said, 'y');
	(void)close(ready[0]);
	(void)close(ready[1]);
	return child;
}

static void stop(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_processes(void **state)
{
	(void)state;
	pid_t one = start("trivet-worker", 10, 5);
	pid_t two = start("trivet-worker", 1, 8);
	pid_t other = start("trivet-site", 4, 0);
	assert_int_equal(count_files(), 3);
	struct str text = metric_render(arena, run_dir());
	/* Counters add up; the outbox has 8 rows and not 13. */
	check_line(text, "trivet_db_retry_total{program=\"trivet-worker\"} 11");
	check_line(text, "trivet_outbox_pending{program=\"trivet-worker\"} 8");
	check_line(text, "trivet_requests_total{program=\"trivet-worker\",route=\"POST /telegram\",status=\"200\"} 2");
	check_line(text, "trivet_db_retry_total{program=\"trivet-site\"} 4");
	/* We have no file yet, and are printed all the same. */
	check_line(text, "trivet_db_unavailable_total{program=\"unit-test\"} 5");
	/* Killed: its file goes with the next look, the other's stays. */
	stop(two);
	text = metric_render(arena, run_dir());
	check_line(text, "trivet_db_retry_total{program=\"trivet-worker\"} 10");
	assert_int_equal(count_files(), 2);
	stop(one);
	stop(other);
	text = metric_render(arena, run_dir());
	assert_false(contains(text, "trivet-worker"));
	assert_int_equal(count_files(), 0);
}

static void test_strange_files(void **state)
{
	(void)state;
	char path[700];
	(void)snprintf(path, sizeof(path), "%s/metrics/strange.1", directory);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file, "not a table");
	(void)fclose(file);
	/* Nobody holds its lock, so it is one that a dead process left. */
	assert_true(str_present(metric_render(arena, run_dir())));
	assert_int_equal(count_files(), 1);
	assert_true(str_present(metric_render(arena, STR("/nonexistent"))));
}

static void test_arena_too_small(void **state)
{
	(void)state;
	struct arena *small = arena_new(4096);
	assert_false(str_present(metric_render(small, run_dir())));
	arena_free(small);
}

int main(void)
{
	/* In this order: the process opens its file once, in the fourth; its children open theirs before that. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_memory), cmocka_unit_test(test_refused),       cmocka_unit_test(test_processes),
		cmocka_unit_test(test_threads_lose_nothing), cmocka_unit_test(test_routes), cmocka_unit_test(test_strange_files),
		cmocka_unit_test(test_arena_too_small),
	};
	return cmocka_run_group_tests_name("metric", tests, set_up, tear_down);
}
