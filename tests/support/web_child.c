#include "support/web_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "io/json.h"
#include "web/exchange.h"

void web_child_app(struct app *app, struct config *config)
{
	*config = (struct config){.threads = 2, .requests = 2};
	*app = (struct app){.config = config, .limits = limit_table_new(64)};
	assert_non_null(app->limits);
}

static void run(const struct web_child *child, const struct route *routes, size_t route_count, int requests, int64_t io_timeout_us,
	int inherited)
{
	struct config config;
	struct app app;
	const struct web_options options = {
		.app = &app, .program = "test", .routes = routes, .route_count = route_count, .io_timeout_us = io_timeout_us};
	char pid[32];

	/* A test that fails leaves no server behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_set_level(LOG_ERROR);
	web_child_app(&app, &config);
	config.listen = str_from_z(child->path);
	config.requests = requests;
	config.threads = requests > 1 ? 2 : 1;
	json_setup();
	if (inherited >= 0) {
		if (inherited != 3) {
			(void)dup2(inherited, 3);
			(void)close(inherited);
		}
		(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
		(void)setenv("LISTEN_PID", pid, 1);
		(void)setenv("LISTEN_FDS", "1", 1);
	}
	/* _exit: what the test program had buffered is not ours to write. */
	_exit((int)web_serve(&options));
}

void web_child_start(struct web_child *child, const struct route *routes, size_t route_count, int requests, int64_t io_timeout_us,
	int inherited)
{
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;
	int fd = -1;

	if (child->directory[0] == '\0') {
		(void)snprintf(child->directory, sizeof(child->directory), "/tmp/trivet-wire-XXXXXX");
		assert_non_null(mkdtemp(child->directory));
		(void)snprintf(child->path, sizeof(child->path), "%s/program.sock", child->directory);
	}
	(void)fflush(NULL);
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (child->pid == 0) {
		run(child, routes, route_count, requests, io_timeout_us, inherited);
	}
	while (fd < 0 && clock_monotonic_us() < until) {
		fd = fastcgi_connect(child->path);
		if (fd < 0) {
			(void)usleep(2000);
		}
	}
	assert_true(fd >= 0);
	(void)close(fd);
}

bool web_child_wait(struct web_child *child, int timeout_ms, int *ret_wait_status)
{
	int64_t until = clock_monotonic_us() + timeout_ms * INT64_C(1000);

	while (waitpid(child->pid, ret_wait_status, WNOHANG) == 0) {
		if (clock_monotonic_us() > until) {
			return false;
		}
		(void)usleep(1000);
	}
	child->pid = -1;
	return true;
}

void web_child_clean(struct web_child *child)
{
	(void)unlink(child->path);
	(void)rmdir(child->directory);
	child->directory[0] = '\0';
}

int web_child_stop(struct web_child *child)
{
	int status = -1;

	if (child->pid > 0) {
		(void)kill(child->pid, SIGTERM);
		if (!web_child_wait(child, 10000, &status)) {
			(void)kill(child->pid, SIGKILL);
			(void)waitpid(child->pid, &status, 0);
		}
	}
	web_child_clean(child);
	return status;
}

static struct fastcgi_answer exchange_here(const struct route *routes, size_t route_count, const struct fastcgi_bytes *request, bool cut)
{
	struct config config;
	struct app app;
	const struct web_options options = {
		.app = &app, .program = "test", .routes = routes, .route_count = route_count, .io_timeout_us = SECOND_US / 5};
	struct exchange_room room = {
		.options = &options, .arena = arena_new(ARENA_REQUEST_LIMIT), .fcgi = fcgi_new()};
	struct fastcgi_answer answer;
	int pair[2];

	log_set_level(LOG_ERROR);
	web_child_app(&app, &config);
	json_setup();
	assert_int_equal(fcgi_setup(), OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(fastcgi_send(pair[0], request));
	assert_true(!cut || shutdown(pair[0], SHUT_WR) == 0);
	json_bind_arena(room.arena);
	exchange_run(&room, pair[1]);
	json_bind_arena(NULL);
	answer = fastcgi_receive(pair[0], 0);
	(void)close(pair[0]);
	arena_free(room.arena);
	fcgi_free(room.fcgi);
	limit_table_free(app.limits);
	return answer;
}

struct fastcgi_answer web_here(const struct route *routes, size_t route_count, const struct fastcgi_bytes *request)
{
	return exchange_here(routes, route_count, request, false);
}

struct fastcgi_answer web_here_cut(const struct route *routes, size_t route_count, const struct fastcgi_bytes *request)
{
	return exchange_here(routes, route_count, request, true);
}

struct web_marks *marks;

int web_marks_make(void **state)
{
	(void)state;
	marks = mmap(NULL, sizeof(*marks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return marks != MAP_FAILED ? 0 : -1;
}

int web_marks_drop(void **state)
{
	(void)state;
	return munmap(marks, sizeof(*marks));
}
