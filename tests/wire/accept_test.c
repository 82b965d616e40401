/*
 * The accept loop: losers of a race, silent and broken peers, shortages, the listening socket. A test per trap of libfcgi's own
 * loop (pitfalls.md 2.1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/web_child.h"
#include "web/listen.h"

#define MS INT64_C(1000)

static enum status run_hello(struct route_call *call)
{
	response_json(call, STR("{\"hello\":true}"));
	return OK;
}

static enum status run_big(struct route_call *call)
{
	size_t size = 1000000;
	char *body = arena_alloc(call->ctx->arena, size);

	if (body == NULL) {
		return TOO_LARGE;
	}
	memset(body, 'a', size);
	response_json(call, (struct str){body, size});
	return OK;
}

/* Counts descriptors that a child of ours would inherit, the request's own connection among them. */
static enum status run_descriptors(struct route_call *call)
{
	int leaky = 0;

	for (int fd = 3; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);

		leaky += flags >= 0 && (flags & FD_CLOEXEC) == 0;
	}
	response_json(call, str_printf(call->ctx->arena, "%d", leaky));
	return OK;
}

#define SCARCE 40

/* Takes every descriptor, that of the request which began this too, and gives them back after 500 ms. */
static void *hold_descriptors(void *argument)
{
	int fds[SCARCE];

	(void)argument;
	memset(fds, -1, sizeof(fds));
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < SCARCE; i++) {
			if (fds[i] < 0) {
				fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			}
		}
		(void)usleep(10 * 1000);
	}
	for (int i = 0; i < SCARCE; i++) {
		if (fds[i] >= 0) {
			(void)close(fds[i]);
		}
	}
	return NULL;
}

/* For half a second whoever connects cannot be accepted (EMFILE). */
static enum status run_exhaust(struct route_call *call)
{
	const struct rlimit few = {.rlim_cur = 30, .rlim_max = 30};
	pthread_t thread;

	(void)setrlimit(RLIMIT_NOFILE, &few);
	if (pthread_create(&thread, NULL, hold_descriptors, NULL) != 0) {
		return INTERNAL;
	}
	(void)pthread_detach(thread);
	response_json(call, STR("{}"));
	return OK;
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/hello", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_hello),
	ROUTE(METHOD_GET, "/big", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_big),
	ROUTE(METHOD_GET, "/descriptors", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_descriptors),
	ROUTE(METHOD_POST, "/exhaust", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_exhaust),
};

static void start(struct web_child *child, int requests)
{
	web_child_start(child, routes, ARRAY_LEN(routes), requests, 200 * MS, -1);
}

static void stop(struct web_child *child)
{
	assert_int_equal(web_child_stop(child), 0);
}

static int status_of(const struct web_child *child, const char *method, const char *path)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	int status = 0;

	fastcgi_request(&bytes, method, path, "", "");
	answer = fastcgi_call(child->path, &bytes);
	status = answer.status;
	assert_true(status == 0 || (answer.ends == 1 && answer.closed));
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	return status;
}

static void a_request_is_answered(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	char value[64];

	(void)state;
	start(&child, 1);
	fastcgi_request(&bytes, "GET", "/hello", "", "");
	answer = fastcgi_call(child.path, &bytes);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"hello\":true}");
	assert_string_equal(fastcgi_header(&answer, "Content-Type", value, sizeof(value)), "application/json");
	assert_string_equal(fastcgi_header(&answer, "Content-Length", value, sizeof(value)), "14");
	assert_string_equal(fastcgi_header(&answer, "Cache-Control", value, sizeof(value)), "no-store");
	assert_int_equal(strlen(fastcgi_header(&answer, "X-Request-Id", value, sizeof(value))), 32);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	stop(&child);
}

struct client {
	const struct web_child *child;
	int answered;
};

static void *call_often(void *argument)
{
	struct client *client = argument;

	for (int i = 0; i < 25; i++) {
		client->answered += status_of(client->child, "GET", "/hello") == 200;
	}
	return NULL;
}

/* Eight threads race for each connection; whoever gets EAGAIN goes on (libfcgi's usual loop would have ended). */
static void losers_of_the_race_go_on(void **state)
{
	struct web_child child = {0};
	struct client clients[16];
	pthread_t threads[16];
	int answered = 0;

	(void)state;
	start(&child, 8);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		clients[i] = (struct client){.child = &child};
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &clients[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		answered += clients[i].answered;
	}
	assert_int_equal(answered, 16 * 25);
	stop(&child);
}

/* Connections that say nothing, say half a header, or leave at once: each may cost a seat its timeout, no more. */
static void silent_peers_hold_nobody_for_long(void **state)
{
	const struct {
		const char *bytes;
		size_t len;
	} cases[] = {{"", 0},
	             {"\1\1\0", 3},
	             {"\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0", 16},
	             {"\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\1\0\50\0\0\4", 25}};
	struct web_child child = {0};
	int fds[ARRAY_LEN(cases)];

	(void)state;
	start(&child, 2);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct fastcgi_bytes bytes = {.ptr = (char *)(uintptr_t)cases[i].bytes, .len = cases[i].len};

		fds[i] = fastcgi_connect(child.path);
		assert_true(fds[i] >= 0);
		assert_true(fastcgi_send(fds[i], &bytes));
	}

	int64_t began = clock_monotonic_us();

	assert_int_equal(status_of(&child, "GET", "/hello"), 200);
	/* Four silent ones in two seats: two timeouts each, and libfcgi's wait at close. */
	assert_in_range(clock_monotonic_us() - began, 0, 2 * SECOND_US);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)close(fds[i]);
	}
	stop(&child);
}

static void peers_that_leave_are_survived(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};

	(void)state;
	start(&child, 2);
	fastcgi_request(&bytes, "GET", "/big", "", "");
	for (int i = 0; i < 10; i++) {
		int fd = fastcgi_connect(child.path);

		assert_true(fd >= 0);
		assert_true(fastcgi_send(fd, &bytes));
		/* Gone before the answer: libfcgi's own SIGPIPE handler or none would do, SIG_DFL would end the program. */
		(void)close(fd);
	}
	for (int i = 0; i < 10; i++) {
		(void)close(fastcgi_connect(child.path));
	}
	fastcgi_free(&bytes);
	assert_int_equal(status_of(&child, "GET", "/hello"), 200);
	stop(&child);
}

/* A peer that does not read its answer holds a seat for the timeout only. */
static void a_peer_that_does_not_read_is_given_up(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};
	int fd = -1;

	(void)state;
	start(&child, 1);
	fastcgi_request(&bytes, "GET", "/big", "", "");
	fd = fastcgi_connect(child.path);
	assert_true(fastcgi_send(fd, &bytes));

	int64_t began = clock_monotonic_us();

	assert_int_equal(status_of(&child, "GET", "/hello"), 200);
	assert_in_range(clock_monotonic_us() - began, 0, 3 * SECOND_US);
	(void)close(fd);
	fastcgi_free(&bytes);
	stop(&child);
}

/* accept4 fails with EMFILE: wait and go on (libfcgi's loop ended there), and do not spin. */
static void a_shortage_of_descriptors_passes(void **state)
{
	struct web_child child = {0};
	int64_t began = 0;

	(void)state;
	start(&child, 2);
	began = clock_monotonic_us();
	assert_int_equal(status_of(&child, "POST", "/exhaust"), 200);
	(void)usleep(100 * 1000);
	assert_int_equal(status_of(&child, "GET", "/hello"), 200);
	/* Not before the descriptors came back: else this test would show nothing. */
	assert_in_range(clock_monotonic_us() - began, 400 * MS, 4 * SECOND_US);
	assert_int_equal(status_of(&child, "GET", "/hello"), 200);
	stop(&child);
}

static void no_descriptor_is_left_to_a_child(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	(void)state;
	/* What the test itself had open is inherited by the fork: mark it first. */
	for (int fd = 3; fd < 256; fd++) {
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	start(&child, 1);
	fastcgi_request(&bytes, "GET", "/descriptors", "", "");
	answer = fastcgi_call(child.path, &bytes);
	assert_string_equal(answer.body, "0");
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	stop(&child);
}

/* ---- the listening socket ----------------------------------------------------------------------------------------------------- */

static void make_path(struct web_child *child)
{
	(void)snprintf(child->directory, sizeof(child->directory), "/tmp/trivet-wire-XXXXXX");
	assert_non_null(mkdtemp(child->directory));
	(void)snprintf(child->path, sizeof(child->path), "%s/program.sock", child->directory);
}

static void the_socket_has_mode_0660_whatever_the_umask(void **state)
{
	struct web_child child = {0};
	struct stat found;
	mode_t before = umask(0);
	int fd = -1;

	(void)state;
	make_path(&child);
	assert_int_equal(listen_path(str_from_z(child.path), &fd), OK);
	assert_int_equal(umask(before), 0);
	assert_int_equal(stat(child.path, &found), 0);
	assert_int_equal(found.st_mode & 07777, 0660);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
	web_child_clean(&child);
}

static void a_dead_socket_is_replaced_a_living_one_not(void **state)
{
	struct web_child child = {0};
	int first = -1;
	int second = -1;

	(void)state;
	make_path(&child);
	assert_int_equal(listen_path(str_from_z(child.path), &first), OK);
	assert_int_equal(listen_path(str_from_z(child.path), &second), CONFLICT);
	assert_int_equal(second, -1);
	(void)close(first);
	assert_int_equal(listen_path(str_from_z(child.path), &second), OK);
	(void)close(second);
	web_child_clean(&child);
}

static void what_is_no_socket_stays(void **state)
{
	struct web_child child = {0};
	char long_path[200];
	int fd = -1;

	(void)state;
	make_path(&child);
	fd = open(child.path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "data", 4), 4);
	(void)close(fd);
	assert_int_equal(listen_path(str_from_z(child.path), &fd), INVALID);
	assert_int_equal(access(child.path, F_OK), 0);
	memset(long_path, 'a', sizeof(long_path));
	assert_int_equal(listen_path((struct str){long_path, sizeof(long_path)}, &fd), INVALID);
	assert_int_equal(listen_path(STR("/tmp/a\0b"), &fd), INVALID);
	assert_int_equal(listen_path(STR_ABSENT, &fd), INVALID);
	assert_int_equal(listen_path(STR("/nowhere/at/all.sock"), &fd), UNAVAILABLE);
	web_child_clean(&child);
}

/* In a child of its own, because descriptor 3 and the environment are the process's. */
static int inherited_status(int fd, const char *pid, const char *count)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		char own[32];
		int got = -1;

		(void)snprintf(own, sizeof(own), "%d", (int)getpid());
		if (fd != 3) {
			(void)dup2(fd, 3);
		}
		(void)setenv("LISTEN_PID", pid != NULL ? pid : own, 1);
		(void)setenv("LISTEN_FDS", count, 1);
		status = (int)listen_inherited(&got);
		if (getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL) {
			_exit(100);
		}
		if (status == OK && (got != 3 || !(fcntl(3, F_GETFD) & FD_CLOEXEC) || !(fcntl(3, F_GETFL) & O_NONBLOCK))) {
			_exit(101);
		}
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void an_inherited_socket_is_checked(void **state)
{
	struct web_child child = {0};
	int listener = -1;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int plain = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	make_path(&child);
	assert_int_equal(listen_path(str_from_z(child.path), &listener), OK);
	assert_int_equal(inherited_status(listener, NULL, "1"), OK);
	assert_int_equal(inherited_status(listener, "1", "1"), NOT_FOUND);
	assert_int_equal(inherited_status(listener, "", "1"), NOT_FOUND);
	assert_int_equal(inherited_status(listener, NULL, "2"), INVALID);
	assert_int_equal(inherited_status(listener, NULL, "0"), INVALID);
	assert_int_equal(inherited_status(listener, NULL, "one"), INVALID);
	assert_int_equal(inherited_status(file, NULL, "1"), INVALID);
	assert_int_equal(inherited_status(plain, NULL, "1"), INVALID);
	assert_int_equal(listen(tcp, 1), 0);
	assert_int_equal(inherited_status(tcp, NULL, "1"), INVALID);
	(void)close(listener);
	(void)close(file);
	(void)close(plain);
	(void)close(tcp);
	web_child_clean(&child);
}

/* web_serve() itself: what it refuses to start with. In a child: it changes the signal handling of its process. */
static int serve_status(struct str path, int64_t threads, int64_t requests, const struct route *table, size_t count)
{
	int status = 0;
	pid_t child = 0;

	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		struct config config;
		struct app app;
		const struct web_options options = {.app = &app, .program = "test", .routes = table, .route_count = count};

		(void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		web_child_app(&app, &config);
		config.listen = path;
		config.threads = threads;
		config.requests = requests;
		_exit((int)web_serve(&options));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_server_that_cannot_serve_says_so(void **state)
{
	const struct route wrong[] = {{.method = METHOD_GET, .path = "/x", .deadline_us = 1, .run = run_hello}};
	struct web_child child = {0};
	int fd = -1;

	(void)state;
	assert_int_equal(serve_status(STR_ABSENT, 2, 8, routes, ARRAY_LEN(routes)), INVALID);
	assert_int_equal(serve_status(STR("/nowhere/at/all.sock"), 2, 8, routes, ARRAY_LEN(routes)), UNAVAILABLE);
	make_path(&child);
	assert_int_equal(serve_status(str_from_z(child.path), -1, 8, routes, ARRAY_LEN(routes)), INVALID);
	assert_int_equal(serve_status(str_from_z(child.path), 2, 0, routes, ARRAY_LEN(routes)), INVALID);
	assert_int_equal(serve_status(str_from_z(child.path), 2, WEB_REQUESTS_MAX + 1, routes, ARRAY_LEN(routes)), INVALID);
	assert_int_equal(serve_status(str_from_z(child.path), CONFIG_THREADS_MAX + 1, 8, routes, ARRAY_LEN(routes)), INVALID);
	assert_int_equal(serve_status(str_from_z(child.path), 2, 8, wrong, ARRAY_LEN(wrong)), INVALID);
	assert_int_equal(listen_path(str_from_z(child.path), &fd), OK);
	assert_int_equal(serve_status(str_from_z(child.path), 2, 8, routes, ARRAY_LEN(routes)), CONFLICT);
	(void)close(fd);
	web_child_clean(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered),
		cmocka_unit_test(losers_of_the_race_go_on),
		cmocka_unit_test(silent_peers_hold_nobody_for_long),
		cmocka_unit_test(peers_that_leave_are_survived),
		cmocka_unit_test(a_peer_that_does_not_read_is_given_up),
		cmocka_unit_test(a_shortage_of_descriptors_passes),
		cmocka_unit_test(no_descriptor_is_left_to_a_child),
		cmocka_unit_test(the_socket_has_mode_0660_whatever_the_umask),
		cmocka_unit_test(a_dead_socket_is_replaced_a_living_one_not),
		cmocka_unit_test(what_is_no_socket_stays),
		cmocka_unit_test(an_inherited_socket_is_checked),
		cmocka_unit_test(a_server_that_cannot_serve_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
