/*
 * Permits: of many requests only so many begin at once, the others wait in the listener's queue; who waits for a store lets the next one
 * begin; a stop ends the threads that wait for a permit, and what they would have taken is left to the next process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/permit.h"
#include "support/web_child.h"

#define BEYOND 4 /* threads and requests above the number of permits */

enum mark {
	BEGUN = 0,
	RELEASED
};

static enum status hold(struct route_call *call)
{
	(void)atomic_fetch_add(&marks->count[BEGUN], 1);
	while (atomic_load(&marks->count[RELEASED]) == 0) {
		(void)usleep(1000);
	}
	response_json(call, STR("\"held\""));
	return OK;
}

static enum status run_wait(struct route_call *call)
{
	permit_leave();
	return hold(call);
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/compute", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = hold),
	ROUTE(METHOD_GET, "/wait", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = run_wait),
};

struct crowd {
	struct web_child child;
	int fds[128];
	int count;
};

static void await_begun(int wanted)
{
	for (int i = 0; i < 5000 && atomic_load(&marks->count[BEGUN]) < wanted; i++) {
		(void)usleep(1000);
	}
	assert_int_equal(atomic_load(&marks->count[BEGUN]), wanted);
}

/* Those of a sanitizer are among them. */
static int count_threads(pid_t pid)
{
	char path[64];
	int found = -2; /* . and .. */

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);

	DIR *tasks = opendir(path);

	assert_non_null(tasks);
	while (readdir(tasks) != NULL) {
		found++;
	}
	(void)closedir(tasks);
	return found;
}

/* When no more are being made. */
static int settled_threads(pid_t pid)
{
	int before = 0;
	int found = count_threads(pid);

	while (found != before) {
		before = found;
		(void)usleep(50 * 1000);
		found = count_threads(pid);
	}
	return found;
}

static void await_threads(pid_t pid, int wanted)
{
	for (int i = 0; i < 5000 && count_threads(pid) != wanted; i++) {
		(void)usleep(1000);
	}
	assert_int_equal(count_threads(pid), wanted);
}

static void begin(struct crowd *crowd, const char *path)
{
	struct fastcgi_bytes bytes = {0};

	*crowd = (struct crowd){.count = web_permits() + BEYOND};
	assert_in_range(crowd->count, 4 + BEYOND, ARRAY_LEN(crowd->fds));
	atomic_store(&marks->count[BEGUN], 0);
	atomic_store(&marks->count[RELEASED], 0);
	web_child_start(&crowd->child, routes, ARRAY_LEN(routes), crowd->count, 0, -1);
	fastcgi_request(&bytes, "GET", path, "", "");
	for (int i = 0; i < crowd->count; i++) {
		crowd->fds[i] = fastcgi_connect(crowd->child.path);
		assert_true(fastcgi_send(crowd->fds[i], &bytes));
	}
	fastcgi_free(&bytes);
}

/* Returns how many were answered. */
static int receive(struct crowd *crowd)
{
	int answered = 0;

	for (int i = 0; i < crowd->count; i++) {
		struct fastcgi_answer answer = fastcgi_receive(crowd->fds[i], 5000);

		answered += answer.status == 200 && strcmp(answer.body, "\"held\"") == 0;
		fastcgi_answer_free(&answer);
		(void)close(crowd->fds[i]);
	}
	return answered;
}

static void only_so_many_begin(void **state)
{
	struct crowd crowd;

	(void)state;
	begin(&crowd, "/compute");
	await_begun(web_permits());
	(void)usleep(50 * 1000); /* in which others would have begun */
	await_begun(web_permits());
	atomic_store(&marks->count[RELEASED], 1);
	assert_int_equal(receive(&crowd), crowd.count);
	assert_int_equal(web_child_stop(&crowd.child), 0);
}

static void who_waits_lets_the_next_begin(void **state)
{
	struct crowd crowd;

	(void)state;
	begin(&crowd, "/wait");
	await_begun(crowd.count);
	atomic_store(&marks->count[RELEASED], 1);
	assert_int_equal(receive(&crowd), crowd.count);
	assert_int_equal(web_child_stop(&crowd.child), 0);
}

static void who_connects_and_says_nothing_keeps_nobody_out(void **state)
{
	struct crowd crowd = {.count = web_permits() + BEYOND};
	struct fastcgi_bytes bytes = {0};

	(void)state;
	atomic_store(&marks->count[RELEASED], 1);
	web_child_start(&crowd.child, routes, ARRAY_LEN(routes), crowd.count, 0, -1);
	for (int i = 0; i < web_permits(); i++) {
		crowd.fds[i] = fastcgi_connect(crowd.child.path);
	}
	fastcgi_request(&bytes, "GET", "/compute", "", "");

	int64_t began = clock_monotonic_us();
	struct fastcgi_answer answer = fastcgi_call(crowd.child.path, &bytes);

	assert_int_equal(answer.status, 200);
	assert_in_range(clock_monotonic_us() - began, 0, WEB_IO_TIMEOUT_US / 2);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	for (int i = 0; i < web_permits(); i++) {
		(void)close(crowd.fds[i]);
	}
	assert_int_equal(web_child_stop(&crowd.child), 0);
}

static void a_stop_ends_who_waits_for_a_permit(void **state)
{
	struct crowd crowd;
	int status = -1;

	(void)state;
	begin(&crowd, "/compute");
	await_begun(web_permits());

	int threads = settled_threads(crowd.child.pid);

	assert_int_equal(kill(crowd.child.pid, SIGTERM), 0);
	await_threads(crowd.child.pid, threads - BEYOND);
	atomic_store(&marks->count[RELEASED], 1);
	assert_int_equal(receive(&crowd), web_permits());
	assert_true(web_child_wait(&crowd.child, 5000, &status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), OK);
	web_child_clean(&crowd.child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_so_many_begin),
		cmocka_unit_test(who_waits_lets_the_next_begin),
		cmocka_unit_test(who_connects_and_says_nothing_keeps_nobody_out),
		cmocka_unit_test(a_stop_ends_who_waits_for_a_permit),
	};

	return cmocka_run_group_tests(tests, web_marks_make, web_marks_drop);
}
