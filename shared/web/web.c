#include "web/web.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/offload.h"
#include "web/fcgi.h"
#include "web/listen.h"
#include "web/worker.h"

/* Of each request. Parsing nests at most 64 levels and nothing big lies on a stack; sanitizers put red zones between all of it. */
#ifdef TRIVET_SANITIZE
#define STACK_BYTES ((size_t)4 * 1024 * 1024)
#else
#define STACK_BYTES ((size_t)512 * 1024)
#endif
/* Threads for peers who dawdle; and for names that are looked up, which those may need. */
#define HELPERS 32
#define LOOKUPS 8

struct server {
	const struct web_options *options;
	int listener;
	bool own_path; /* we made the socket, so we remove it */
	atomic_bool broken; /* the listener is unusable: stop and say so */
	struct helpers *helpers;
	struct helpers *lookups;
	struct worker *workers[CONFIG_THREADS_MAX];
	size_t count;
};

static void listener_broken(void *arg)
{
	struct server *server = arg;

	if (!atomic_exchange(&server->broken, true)) {
		log_message(LOG_ERROR, "accept_broken", "the listening socket is unusable: the program ends, to be started again");
		(void)kill(getpid(), SIGTERM);
	}
}

static void wait_for_signal(void)
{
	sigset_t wanted;
	int number = 0;

	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGTERM);
	(void)sigaddset(&wanted, SIGINT);
	while (sigwait(&wanted, &number) != 0) {
		continue;
	}
}

static enum status make_workers(struct server *server, size_t count)
{
	const struct config *config = server->options->app->config;
	struct worker_options options = {
		.web = server->options,
		.helpers = server->helpers,
		.lookups = server->lookups,
		.listener = server->listener,
		.seats = ((size_t)config->requests + count - 1) / count,
		.stack_bytes = STACK_BYTES,
		.all = server->workers,
		.count = count,
		.broken = listener_broken,
		.arg = server,
	};

	for (server->count = 0; server->count < count; server->count++) {
		options.number = server->count;
		server->workers[server->count] = worker_new(&options);
		if (server->workers[server->count] == NULL) {
			return UNAVAILABLE;
		}
	}
	return OK;
}

static enum status start_workers(struct server *server)
{
	enum status status = OK;

	for (size_t i = 0; i < server->count && status == OK; i++) {
		status = worker_start(server->workers[i]);
	}
	return status;
}

static void end_workers(struct server *server)
{
	for (size_t i = 0; i < server->count; i++) {
		worker_stop(server->workers[i]);
	}
	for (size_t i = 0; i < server->count; i++) {
		worker_join(server->workers[i]);
	}
	for (size_t i = 0; i < server->count; i++) {
		worker_free(server->workers[i]);
	}
}

static enum status serve(struct server *server)
{
	size_t threads = config_threads(server->options->app->config);
	enum status status = UNAVAILABLE;

	server->helpers = helpers_new(HELPERS, STACK_BYTES);
	server->lookups = helpers_new(LOOKUPS, STACK_BYTES);
	if (server->helpers != NULL && server->lookups != NULL) {
		status = make_workers(server, threads);
	}
	if (status == OK) {
		status = start_workers(server);
	}
	if (status == OK) {
		log_message(LOG_INFO, "serving", "%s: %zu threads, %lld requests at once", server->options->program, threads,
		            (long long)server->options->app->config->requests);
		wait_for_signal();
	} else {
		log_message(LOG_ERROR, "start_failed", "cannot start %zu threads: lower THREADS or raise TasksMax, LimitNOFILE and MemoryMax",
		            threads);
	}
	end_workers(server);
	helpers_free(server->helpers);
	helpers_free(server->lookups);
	return atomic_load(&server->broken) ? UNAVAILABLE : status;
}

/* ---- start and stop ---------------------------------------------------------------------------------------------------------- */

/* All but what a fault of our own raises: those must end the process where they happen. */
static bool block_signals(void)
{
	sigset_t blocked;

	(void)sigfillset(&blocked);
	(void)sigdelset(&blocked, SIGSEGV);
	(void)sigdelset(&blocked, SIGBUS);
	(void)sigdelset(&blocked, SIGFPE);
	(void)sigdelset(&blocked, SIGILL);
	(void)sigdelset(&blocked, SIGABRT);
	(void)sigdelset(&blocked, SIGTRAP);
	(void)sigdelset(&blocked, SIGSYS);
	return pthread_sigmask(SIG_BLOCK, &blocked, NULL) == 0;
}

static enum status check_options(const struct web_options *options)
{
	const struct config *config = options->app->config;
	const char *reason = NULL;
	size_t row = 0;

	if (routes_check(options->routes, options->route_count, &row, &reason) != OK) {
		const char *path = row < options->route_count ? options->routes[row].path : NULL;

		log_message(LOG_ERROR, "route_wrong", "row %zu (%s): %s", row, path != NULL ? path : "no path", reason);
		return INVALID;
	}
	if (config->threads < 0 || config->threads > CONFIG_THREADS_MAX || config->requests < 1 || config->requests > WEB_REQUESTS_MAX) {
		log_message(LOG_ERROR, "start_failed", "THREADS is %lld, REQUESTS %lld: set at most %d and 1 to %d", (long long)config->threads,
		            (long long)config->requests, CONFIG_THREADS_MAX, WEB_REQUESTS_MAX);
		return INVALID;
	}
	return OK;
}

static enum status open_listener(struct server *server)
{
	struct str path = server->options->app->config->listen;
	enum status status = listen_inherited(&server->listener);

	if (status == INVALID) {
		log_message(LOG_ERROR, "listen_failed", "LISTEN_FDS must pass exactly one listening unix stream socket, as descriptor 3");
	}
	if (status != NOT_FOUND) {
		return status;
	}
	if (str_empty(path)) {
		log_message(LOG_ERROR, "listen_failed",
		            "no socket was inherited and LISTEN names no path: start the .socket unit, or set LISTEN");
		return INVALID;
	}
	status = listen_path(path, &server->listener);
	if (status != OK) {
		log_message(LOG_ERROR, "listen_failed",
		            "cannot listen at " STR_FMT " (%s): is another one running, may this user write there?", STR_ARG(path),
		            status_name(status));
		return status;
	}
	server->own_path = true;
	return OK;
}

static void close_listener(struct server *server)
{
	struct str path = server->options->app->config->listen;
	char name[256];

	if (server->listener < 0) {
		return;
	}
	/* Closed, never shut down: systemd and the next process hold the same socket. */
	(void)close(server->listener);
	if (server->own_path && path.len < sizeof(name)) {
		memcpy(name, path.ptr, path.len);
		name[path.len] = '\0';
		(void)unlink(name);
	}
}

enum status web_serve(const struct web_options *options)
{
	struct server server = {.options = options, .listener = -1};
	enum status status = check_options(options);

	if (status != OK) {
		return status;
	}
	/* Blocked before libfcgi's handlers exist for a moment. */
	if (!block_signals() || fcgi_setup() != OK) {
		log_message(LOG_ERROR, "start_failed", "cannot set up signals or libfcgi");
		return UNAVAILABLE;
	}
	/* Threads allocate little beside their arenas: two heaps instead of eight per core keep the process small (decisions.md 6). */
	(void)mallopt(M_ARENA_MAX, 2);
	status = open_listener(&server);
	if (status != OK) {
		return status;
	}
	status = serve(&server);
	close_listener(&server);
	return status;
}
