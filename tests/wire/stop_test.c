/*
 * Stopping: SIGTERM does not end libfcgi's own threaded loop (pitfalls.md 0.3). Ours ends within a second with every thread
 * idle, answers what is in hand first, and leaves the socket to the next process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "support/web_child.h"
#include "web/listen.h"

static enum status run_slow(struct route_call *call)
{
	(void)atomic_fetch_add(&marks->count[0], 1);
	fiber_sleep(clock_monotonic_us() + 400 * 1000);
	response_json(call, STR("\"slow\""));
	return OK;
}

static enum status run_pid(struct route_call *call)
{
	response_json(call, str_printf(call->ctx->arena, "%d", (int)getpid()));
	return OK;
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/slow", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = run_slow),
	ROUTE(METHOD_GET, "/pid", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = run_pid),
};

static void ends_on(int number)
{
	struct web_child child = {0};
	int status = -1;

	web_child_start(&child, routes, ARRAY_LEN(routes), 8, 0, -1);
	(void)usleep(50 * 1000); /* all eight seats empty */

	int64_t began = clock_monotonic_us();

	assert_int_equal(kill(child.pid, number), 0);
	assert_true(web_child_wait(&child, 5000, &status));
	assert_in_range(clock_monotonic_us() - began, 0, SECOND_US);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), OK);
	/* It made the socket, so it took it away. */
	assert_int_not_equal(access(child.path, F_OK), 0);
	web_child_clean(&child);
}

static void eight_idle_seats_end_within_a_second(void **state)
{
	(void)state;
	ends_on(SIGTERM);
	ends_on(SIGINT);
}

static void signals_of_no_meaning_here_do_not_end_it(void **state)
{
	const int ignored[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD, SIGWINCH};
	struct web_child child = {0};
	int status = -1;

	(void)state;
	web_child_start(&child, routes, ARRAY_LEN(routes), 2, 0, -1);
	(void)usleep(50 * 1000);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
		assert_int_equal(kill(child.pid, ignored[i]), 0);
	}
	assert_false(web_child_wait(&child, 200, &status));
	assert_int_equal(web_child_stop(&child), 0);
}

static void the_request_in_hand_is_answered(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answers[3];
	int fds[3];
	int status = -1;

	(void)state;
	atomic_store(&marks->count[0], 0);
	web_child_start(&child, routes, ARRAY_LEN(routes), 4, 0, -1);
	fastcgi_request(&bytes, "GET", "/slow", "", "");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = fastcgi_connect(child.path);
		assert_true(fastcgi_send(fds[i], &bytes));
	}
	for (int i = 0; i < 5000 && atomic_load(&marks->count[0]) < 3; i++) {
		(void)usleep(1000);
	}
	assert_int_equal(atomic_load(&marks->count[0]), 3);
	assert_int_equal(kill(child.pid, SIGTERM), 0);
	/* A second one changes nothing. */
	assert_int_equal(kill(child.pid, SIGTERM), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		answers[i] = fastcgi_receive(fds[i], 5000);
		assert_int_equal(answers[i].status, 200);
		assert_string_equal(answers[i].body, "\"slow\"");
		assert_int_equal(answers[i].ends, 1);
		fastcgi_answer_free(&answers[i]);
		(void)close(fds[i]);
	}
	assert_true(web_child_wait(&child, 5000, &status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), OK);
	fastcgi_free(&bytes);
	web_child_clean(&child);
}

/*
 * The parent holds the socket, as systemd does: a stop must not shut it down, and who connects while nobody serves waits for the
 * next process instead of being refused.
 */
static void the_inherited_socket_survives(void **state)
{
	struct web_child first = {0};
	struct web_child second = {0};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	char pid[32];
	int status = -1;
	int listener = -1;
	int fd = -1;

	(void)state;
	(void)snprintf(first.directory, sizeof(first.directory), "/tmp/trivet-wire-XXXXXX");
	assert_non_null(mkdtemp(first.directory));
	(void)snprintf(first.path, sizeof(first.path), "%s/program.sock", first.directory);
	assert_int_equal(listen_path(str_from_z(first.path), &listener), OK);
	second = first;
	web_child_start(&first, routes, ARRAY_LEN(routes), 4, 0, listener);
	(void)usleep(50 * 1000);
	assert_int_equal(kill(first.pid, SIGTERM), 0);
	assert_true(web_child_wait(&first, 5000, &status));
	assert_int_equal(status, 0);
	assert_int_equal(access(first.path, F_OK), 0);

	fastcgi_request(&bytes, "GET", "/pid", "", "");
	fd = fastcgi_connect(first.path);
	assert_true(fd >= 0);
	assert_true(fastcgi_send(fd, &bytes));
	web_child_start(&second, routes, ARRAY_LEN(routes), 4, 0, listener);
	answer = fastcgi_receive(fd, 5000);
	(void)snprintf(pid, sizeof(pid), "%d", (int)second.pid);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, pid);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	(void)close(fd);
	assert_int_equal(web_child_stop(&second), 0);
	(void)close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_idle_seats_end_within_a_second),
		cmocka_unit_test(signals_of_no_meaning_here_do_not_end_it),
		cmocka_unit_test(the_request_in_hand_is_answered),
		cmocka_unit_test(the_inherited_socket_survives),
	};

	return cmocka_run_group_tests(tests, web_marks_make, web_marks_drop);
}
