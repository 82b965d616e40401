/*
 * Fibers serve requests: on one thread as many wait as there are seats, and the rest in the listener's queue; who dawdles on the way in or
 * out holds up nobody else; a stop answers what is in hand and leaves the queue to the next process. A connection is kept when nothing
 * about it is in doubt, and holds nobody up while it rests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "support/web_child.h"
#include "web/fcgi.h"

#define CROWD 40
#define QUEUE 100 /* of those that come while all seats are taken; more than may be accepted to wait for one */
#define SCARCE 64 /* descriptors */
#define LONG_WHILE (20 * SECOND_US) /* as a timeout of connections: no test waits for it */

enum mark {
	BEGUN = 0,
	RELEASED
};

static enum status run_wait(struct route_call *call)
{
	(void)atomic_fetch_add(&marks->count[BEGUN], 1);
	while (atomic_load(&marks->count[RELEASED]) == 0) {
		fiber_sleep(clock_monotonic_us() + 1000);
	}
	response_json(call, STR("\"waited\""));
	return OK;
}

static enum status run_length(struct route_call *call)
{
	response_json(call, str_printf(call->ctx->arena, "%zu", call->request->body.len));
	return OK;
}

static enum status run_big(struct route_call *call)
{
	size_t size = 1000000;
	char *body = arena_alloc(call->ctx->arena, size);

	if (body == NULL) {
		return TOO_LARGE;
	}
	memset(body, '7', size);
	response_json(call, (struct str){body, size});
	return OK;
}

static enum status run_thread(struct route_call *call)
{
	response_json(call, str_printf(call->ctx->arena, "%zu", fiber_loop_number()));
	return OK;
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/thread", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = run_thread),
	ROUTE(METHOD_GET, "/wait", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = run_wait),
	ROUTE(METHOD_POST, "/length", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .body_limit = 1000000, .run = run_length),
	ROUTE(METHOD_GET, "/big", ROUTE_PUBLIC, .deadline_us = 5 * SECOND_US, .run = run_big),
};

static void start(struct web_child *child, int requests)
{
	atomic_store(&marks->count[BEGUN], 0);
	atomic_store(&marks->count[RELEASED], 0);
	web_child_start(child, routes, ARRAY_LEN(routes), requests, LONG_WHILE, -1);
}

static void await_begun(int wanted)
{
	for (int i = 0; i < 5000 && atomic_load(&marks->count[BEGUN]) < wanted; i++) {
		(void)usleep(1000);
	}
	assert_int_equal(atomic_load(&marks->count[BEGUN]), wanted);
}

static int send_request(const struct web_child *child, const char *method, const char *path, const char *body)
{
	struct fastcgi_bytes bytes = {0};
	int fd = fastcgi_connect(child->path);

	assert_true(fd >= 0);
	fastcgi_request(&bytes, method, path, "", body);
	assert_true(fastcgi_send(fd, &bytes));
	fastcgi_free(&bytes);
	return fd;
}

static void expect(int fd, const char *body)
{
	struct fastcgi_answer answer = fastcgi_receive(fd, 5000);

	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, body);
	fastcgi_answer_free(&answer);
	(void)close(fd);
}

/* Answered at once, whatever the others do. */
static void expect_quick(const struct web_child *child)
{
	int64_t began = clock_monotonic_us();

	expect(send_request(child, "POST", "/length", "12345"), "5");
	assert_in_range(clock_monotonic_us() - began, 0, SECOND_US);
}

static void who_waits_holds_up_nobody(void **state)
{
	struct web_child child = {0};
	int fds[CROWD];

	(void)state;
	start(&child, CROWD + 2);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = send_request(&child, "GET", "/wait", "");
	}
	await_begun(CROWD);
	expect_quick(&child);
	atomic_store(&marks->count[RELEASED], 1);
	for (int i = 0; i < CROWD; i++) {
		expect(fds[i], "\"waited\"");
	}
	assert_int_equal(web_child_stop(&child), 0);
}

static void more_than_there_are_seats_wait_in_the_queue(void **state)
{
	struct web_child child = {0};
	int fds[CROWD];

	(void)state;
	start(&child, CROWD / 2);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = send_request(&child, "GET", "/wait", "");
	}
	await_begun(CROWD / 2);
	(void)usleep(50 * 1000); /* in which others would have begun */
	await_begun(CROWD / 2);
	atomic_store(&marks->count[RELEASED], 1);
	for (int i = 0; i < CROWD; i++) {
		expect(fds[i], "\"waited\"");
	}
	assert_int_equal(web_child_stop(&child), 0);
}

static void who_says_nothing_holds_up_nobody(void **state)
{
	struct web_child child = {0};
	int fds[CROWD];

	(void)state;
	start(&child, CROWD + 2);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = fastcgi_connect(child.path);
		assert_true(fds[i] >= 0);
	}
	expect_quick(&child);
	for (int i = 0; i < CROWD; i++) {
		(void)close(fds[i]);
	}
	assert_int_equal(web_child_stop(&child), 0);
}

/* In two parts, the first of which is shorter or longer than what is looked at before reading. */
static void dawdle(size_t size, size_t first)
{
	struct web_child child = {0};
	struct fastcgi_bytes whole = {0};
	struct fastcgi_bytes part = {0};
	char *body = malloc(size + 1);
	char wanted[32];
	int fds[8];

	assert_non_null(body);
	memset(body, 'x', size);
	body[size] = '\0';
	start(&child, 16);
	fastcgi_request(&whole, "POST", "/length", "", body);
	assert_true(first < whole.len);
	part = (struct fastcgi_bytes){.ptr = whole.ptr, .len = first};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = fastcgi_connect(child.path);
		assert_true(fds[i] >= 0);
		assert_true(fastcgi_send(fds[i], &part));
	}
	(void)usleep(20 * 1000);
	expect_quick(&child);
	part = (struct fastcgi_bytes){.ptr = whole.ptr + first, .len = whole.len - first};
	(void)snprintf(wanted, sizeof(wanted), "%zu", size);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_true(fastcgi_send(fds[i], &part));
		expect(fds[i], wanted);
	}
	fastcgi_free(&whole);
	free(body);
	assert_int_equal(web_child_stop(&child), 0);
}

static void who_dawdles_with_his_request_holds_up_nobody(void **state)
{
	(void)state;
	dawdle(100, 3);
	dawdle(100, 40);
	dawdle(FCGI_WHOLE_MAX * 2, FCGI_WHOLE_MAX / 2);
	dawdle(FCGI_WHOLE_MAX * 4, FCGI_WHOLE_MAX * 2);
}

/* Of every length around the border: whole, or not. */
static void requests_of_any_length_are_read(void **state)
{
	struct web_child child = {0};
	static char body[FCGI_WHOLE_MAX * 6 + 1];

	(void)state;
	start(&child, 4);
	for (size_t size = FCGI_WHOLE_MAX - 1200; size < FCGI_WHOLE_MAX + 400; size += 7) {
		char wanted[32];

		memset(body, 'x', size);
		body[size] = '\0';
		(void)snprintf(wanted, sizeof(wanted), "%zu", size);
		expect(send_request(&child, "POST", "/length", body), wanted);
	}
	memset(body, 'x', sizeof(body) - 1);
	expect(send_request(&child, "POST", "/length", body), "98304");
	expect(send_request(&child, "POST", "/length", ""), "0");
	assert_int_equal(web_child_stop(&child), 0);
}

static void who_does_not_read_his_answer_holds_up_nobody(void **state)
{
	struct web_child child = {0};
	struct fastcgi_answer answer;
	int fds[8];

	(void)state;
	start(&child, 16);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = send_request(&child, "GET", "/big", "");
	}
	(void)usleep(20 * 1000);
	expect_quick(&child);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		answer = fastcgi_receive(fds[i], 5000);
		assert_int_equal(answer.status, 200);
		assert_int_equal(strlen(answer.body), 1000000);
		fastcgi_answer_free(&answer);
		(void)close(fds[i]);
	}
	assert_int_equal(web_child_stop(&child), 0);
}

/* What was accepted is answered; what waits in the backlog is left to the next process. */
static void a_stop_answers_what_is_in_hand(void **state)
{
	struct web_child child = {0};
	int fds[CROWD + QUEUE];
	int status = -1;
	int answered = 0;

	(void)state;
	start(&child, CROWD);
	/* One after the other: start() has knocked, and all seats are shared out evenly only when that connection is gone. */
	for (int i = 0; i < CROWD; i++) {
		fds[i] = send_request(&child, "GET", "/wait", "");
		await_begun(i + 1);
	}
	for (int i = CROWD; i < CROWD + QUEUE; i++) {
		fds[i] = send_request(&child, "GET", "/wait", "");
	}
	(void)usleep(50 * 1000); /* in which others would have begun */
	await_begun(CROWD);
	assert_int_equal(kill(child.pid, SIGTERM), 0);
	assert_false(web_child_wait(&child, 100, &status));
	atomic_store(&marks->count[RELEASED], 1);
	for (int i = 0; i < CROWD + QUEUE; i++) {
		struct fastcgi_answer answer = fastcgi_receive(fds[i], 5000);

		assert_true(answer.status == 200 || (i >= CROWD && answer.status == 0));
		answered += answer.status == 200;
		fastcgi_answer_free(&answer);
		(void)close(fds[i]);
	}
	assert_true(web_child_wait(&child, 5000, &status));
	assert_int_equal(status, 0);
	assert_int_equal(atomic_load(&marks->count[BEGUN]), answered);
	assert_in_range(answered, CROWD, CROWD + QUEUE / 2);
	web_child_clean(&child);
}

/* ---- connections that are kept ---- */

static void send_kept(int fd, const char *method, const char *path, const char *body)
{
	struct fastcgi_bytes bytes = {0};

	fastcgi_request(&bytes, method, path, "", body);
	fastcgi_keep(&bytes);
	assert_true(fastcgi_send(fd, &bytes));
	fastcgi_free(&bytes);
}

static void expect_kept(int fd, const char *body)
{
	struct fastcgi_answer answer = fastcgi_receive_one(fd, 5000);

	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.ends, 1);
	assert_string_equal(answer.body, body);
	assert_false(answer.closed);
	fastcgi_answer_free(&answer);
}

static void expect_closed(int fd)
{
	struct fastcgi_answer answer = fastcgi_receive(fd, 5000);

	assert_int_equal(answer.status, 0);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	(void)close(fd);
}

static void a_kept_connection_serves_one_request_after_the_other(void **state)
{
	struct web_child child = {0};
	int fd = -1;

	(void)state;
	start(&child, 4);
	fd = fastcgi_connect(child.path);
	for (int i = 0; i < 50; i++) {
		send_kept(fd, "POST", "/length", "1234567");
		expect_kept(fd, "7");
		(void)usleep(i < 45 ? 0 : 20 * 1000); /* at once, and when it rests */
	}
	send_kept(fd, "GET", "/nowhere", "");

	struct fastcgi_answer answer = fastcgi_receive_one(fd, 5000);

	assert_int_equal(answer.status, 404);
	fastcgi_answer_free(&answer);
	send_kept(fd, "POST", "/length", "");
	expect_kept(fd, "0");
	(void)close(fd);
	expect_quick(&child);
	assert_int_equal(web_child_stop(&child), 0);
}

/* More than there are seats; and they are spread over both threads, so that others find theirs free. */
static void a_connection_that_rests_needs_no_seat(void **state)
{
	struct web_child child = {0};
	int fds[CROWD];

	(void)state;
	start(&child, 4);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = fastcgi_connect(child.path);
		send_kept(fds[i], "POST", "/length", "12");
		expect_kept(fds[i], "2");
	}
	expect_quick(&child);
	for (int i = 0; i < CROWD; i++) {
		send_kept(fds[i], "POST", "/length", "123");
	}
	for (int i = 0; i < CROWD; i++) {
		expect_kept(fds[i], "3");
		(void)close(fds[i]);
	}
	assert_int_equal(web_child_stop(&child), 0);
}

/* Only a request that came whole and was read whole, and nothing behind it. */
static void a_connection_in_doubt_is_closed(void **state)
{
	struct web_child child = {0};
	static char body[FCGI_WHOLE_MAX * 2];
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	int fd = -1;

	(void)state;
	start(&child, 4);
	memset(body, 'x', sizeof(body) - 1);
	fd = fastcgi_connect(child.path);
	send_kept(fd, "POST", "/length", body); /* not at once */
	expect(fd, "32767");
	fd = fastcgi_connect(child.path);
	send_kept(fd, "POST", "/nowhere", "a body that nobody wants");
	answer = fastcgi_receive(fd, 5000);
	assert_int_equal(answer.status, 404);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	(void)close(fd);
	fd = fastcgi_connect(child.path);
	fastcgi_request(&bytes, "POST", "/length", "", "12");
	fastcgi_keep(&bytes);
	fastcgi_request(&bytes, "POST", "/length", "", "1234"); /* behind it */
	assert_true(fastcgi_send(fd, &bytes));
	answer = fastcgi_receive(fd, 5000);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.ends, 1);
	assert_string_equal(answer.body, "2");
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	(void)close(fd);
	fastcgi_free(&bytes);
	fd = fastcgi_connect(child.path);
	send_kept(fd, "GET", "/big", ""); /* the answer is written by a helper */
	answer = fastcgi_receive(fd, 5000);
	assert_int_equal(answer.body_len, 1000000);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	(void)close(fd);
	assert_int_equal(web_child_stop(&child), 0);
}

/* A part of a request on a connection that was kept, and then the rest. */
static void who_dawdles_on_a_kept_connection_holds_up_nobody(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};
	int fd = -1;

	(void)state;
	start(&child, 2);
	fd = fastcgi_connect(child.path);
	send_kept(fd, "POST", "/length", "1");
	expect_kept(fd, "1");
	fastcgi_request(&bytes, "POST", "/length", "", "12345");
	fastcgi_keep(&bytes);
	assert_true(fastcgi_send(fd, &(struct fastcgi_bytes){.ptr = bytes.ptr, .len = 30}));
	(void)usleep(20 * 1000);
	expect_quick(&child);
	assert_true(fastcgi_send(fd, &(struct fastcgi_bytes){.ptr = bytes.ptr + 30, .len = bytes.len - 30}));
	expect(fd, "5");
	fastcgi_free(&bytes);
	assert_int_equal(web_child_stop(&child), 0);
}

/* The next request of a connection, while the first is in hand: it is served then, though nothing more comes. */
static void who_asks_again_before_his_answer_gets_both(void **state)
{
	struct web_child child = {0};
	int fd = -1;

	(void)state;
	start(&child, 4);
	fd = fastcgi_connect(child.path);
	send_kept(fd, "POST", "/length", "1"); /* from now on it is watched */
	expect_kept(fd, "1");
	send_kept(fd, "GET", "/wait", "");
	await_begun(1);
	send_kept(fd, "POST", "/length", "12345");
	(void)usleep(20 * 1000);
	atomic_store(&marks->count[RELEASED], 1);

	struct fastcgi_answer answer = fastcgi_receive_one(fd, 5000);

	assert_int_equal(answer.status, 200);
	if (answer.ends == 1) { /* both may have come together */
		fastcgi_answer_free(&answer);
		answer = fastcgi_receive_one(fd, 5000);
	}
	assert_non_null(strstr(answer.body, "5"));
	fastcgi_answer_free(&answer);
	(void)close(fd);
	assert_int_equal(web_child_stop(&child), 0);
}

/* One thread has all hands full with connections that it keeps; whoever comes anew is the other's. */
static void keep_one_thread_busy(char busy)
{
	struct web_child child = {0};
	int fds[CROWD];
	char thread[CROWD];
	int on_busy = 0;

	start(&child, 4);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = fastcgi_connect(child.path);
		send_kept(fds[i], "GET", "/thread", "");

		struct fastcgi_answer answer = fastcgi_receive_one(fds[i], 5000);

		thread[i] = answer.body[0];
		on_busy += thread[i] == busy;
		fastcgi_answer_free(&answer);
	}
	assert_in_range(on_busy, CROWD / 4, CROWD - CROWD / 4); /* more than its seats, and than may wait for one */
	for (int i = 0; i < CROWD; i++) {
		if (thread[i] == busy) {
			send_kept(fds[i], "GET", "/wait", "");
		}
	}
	await_begun(2);
	(void)usleep(50 * 1000);
	expect_quick(&child);
	expect_quick(&child);
	atomic_store(&marks->count[RELEASED], 1);
	for (int i = 0; i < CROWD; i++) {
		if (thread[i] == busy) {
			expect_kept(fds[i], "\"waited\"");
		}
		(void)close(fds[i]);
	}
	assert_int_equal(web_child_stop(&child), 0);
}

static void who_comes_anew_goes_to_the_idle_thread(void **state)
{
	(void)state;
	keep_one_thread_busy('0');
	keep_one_thread_busy('1');
}

/* Resting connections are what a shortage of descriptors takes first. */
static void a_shortage_of_descriptors_ends_those_that_rest(void **state)
{
	struct web_child child = {0};
	struct rlimit before;
	struct rlimit few;
	int fds[SCARCE];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = SCARCE, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	start(&child, 8);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < SCARCE; i++) {
		fds[i] = fastcgi_connect(child.path);
		send_kept(fds[i], "POST", "/length", "12");
		expect_kept(fds[i], "2");
	}
	expect_quick(&child);
	for (int i = 0; i < SCARCE; i++) {
		(void)close(fds[i]);
	}
	assert_int_equal(web_child_stop(&child), 0);
}

/* What rests is closed at once, what is in hand after its answer. */
static void a_stop_closes_kept_connections(void **state)
{
	struct web_child child = {0};
	int status = -1;
	int resting = -1;
	int working = -1;

	(void)state;
	start(&child, 4);
	resting = fastcgi_connect(child.path);
	send_kept(resting, "POST", "/length", "1");
	expect_kept(resting, "1");
	working = fastcgi_connect(child.path);
	send_kept(working, "GET", "/wait", "");
	await_begun(1);
	assert_int_equal(kill(child.pid, SIGTERM), 0);
	expect_closed(resting);
	atomic_store(&marks->count[RELEASED], 1);
	expect(working, "\"waited\"");
	assert_true(web_child_wait(&child, 5000, &status));
	assert_int_equal(status, 0);
	web_child_clean(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_holds_up_nobody),
		cmocka_unit_test(more_than_there_are_seats_wait_in_the_queue),
		cmocka_unit_test(who_says_nothing_holds_up_nobody),
		cmocka_unit_test(who_dawdles_with_his_request_holds_up_nobody),
		cmocka_unit_test(requests_of_any_length_are_read),
		cmocka_unit_test(who_does_not_read_his_answer_holds_up_nobody),
		cmocka_unit_test(a_stop_answers_what_is_in_hand),
		cmocka_unit_test(a_kept_connection_serves_one_request_after_the_other),
		cmocka_unit_test(a_connection_that_rests_needs_no_seat),
		cmocka_unit_test(a_connection_in_doubt_is_closed),
		cmocka_unit_test(who_dawdles_on_a_kept_connection_holds_up_nobody),
		cmocka_unit_test(who_asks_again_before_his_answer_gets_both),
		cmocka_unit_test(who_comes_anew_goes_to_the_idle_thread),
		cmocka_unit_test(a_shortage_of_descriptors_ends_those_that_rest),
		cmocka_unit_test(a_stop_closes_kept_connections),
	};

	return cmocka_run_group_tests(tests, web_marks_make, web_marks_drop);
}
