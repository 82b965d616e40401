#include "web/web.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/permit.h"
#include "io/json.h"
#include "web/exchange.h"
#include "web/listen.h"

/* Parsing nests at most 64 levels and nothing big lies on a stack; sanitizers put red zones between all of it. */
#ifdef TRIVET_SANITIZE
#define STACK_BYTES ((size_t)4 * 1024 * 1024)
#else
#define STACK_BYTES ((size_t)512 * 1024)
#endif
#define PERMITS_MIN 4
#define PERMITS_MAX 64
#define SILENCE_MS 20 /* nginx sends at once */
#define BACK_OFF_MS 50 /* without descriptors or memory: others finish meanwhile */
#define WARN_EVERY_US SECOND_US

struct server {
	const struct web_options *options;
	int listener;
	bool own_path; /* we made the socket, so we remove it */
	int stop_event;
	struct permits *permits; /* to begin a request */
	atomic_bool stopping;
	atomic_bool broken; /* the listener is unusable: stop and say so */
};

struct worker {
	struct server *server;
	pthread_t thread;
	bool started;
	int epoll;
	struct arena *arena;
	struct fcgi *fcgi;
	int64_t warned; /* when it last logged a shortage */
};

/* ---- one thread -------------------------------------------------------------------------------------------------------------- */

static void raise_stop(struct server *server)
{
	const uint64_t one = 1;

	atomic_store(&server->stopping, true);
	permits_lift(server->permits, WEB_THREADS_MAX);
	/* Never read, so it stays readable for every thread; it cannot overflow. */
	while (write(server->stop_event, &one, sizeof(one)) < 0 && errno == EINTR) {
		continue;
	}
}

static void wait_for_work(const struct worker *worker)
{
	struct epoll_event events[2];

	(void)epoll_wait(worker->epoll, events, (int)ARRAY_LEN(events), -1);
}

/* A shortage passes by itself; until then the connection waits in the backlog, not in a spinning thread. */
static void back_off(struct worker *worker, int error)
{
	struct pollfd stop = {.fd = worker->server->stop_event, .events = POLLIN};
	int64_t now = clock_monotonic_us();

	if (worker->warned == 0 || now - worker->warned >= WARN_EVERY_US) {
		worker->warned = now;
		log_message(LOG_WARNING, "accept_shortage", "cannot accept (errno %d): raise LimitNOFILE or lower THREADS", error);
	}
	permit_leave();
	(void)poll(&stop, 1, BACK_OFF_MS);
}

static void accept_failed(struct worker *worker, int error)
{
	struct server *server = worker->server;

	switch (error) {
	case EAGAIN: /* Nobody came. Who waits here keeps his permit: those who have none are not woken for nothing. */
		wait_for_work(worker);
		return;
	case EINTR:
	case ECONNABORTED: /* he went away while he waited */
	case EPERM:
	case EPROTO:
		return;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		if (!atomic_exchange(&server->broken, true)) {
			log_message(LOG_ERROR, "accept_broken",
			            "the listening socket is unusable (errno %d): the program ends, to be started again", error);
			(void)kill(getpid(), SIGTERM);
		}
		raise_stop(server);
		return;
	}
	back_off(worker, error); /* EMFILE, ENFILE, ENOBUFS, ENOMEM, and whatever a kernel may add */
}

/* Who connects and says nothing holds a thread, but keeps nobody else from beginning. */
static void expect_request(int fd)
{
	struct pollfd peer = {.fd = fd, .events = POLLIN};

	if (poll(&peer, 1, SILENCE_MS) <= 0) {
		permit_leave();
	}
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct server *server = worker->server;
	const struct exchange_room room = {
		.options = server->options,
		.arena = worker->arena,
		.fcgi = worker->fcgi,
	};

	json_bind_arena(worker->arena);
	for (;;) {
		permit_take(server->permits);
		if (atomic_load(&server->stopping)) {
			break;
		}
		int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			expect_request(fd);
			exchange_run(&room, fd);
		} else {
			accept_failed(worker, errno);
		}
	}
	permit_leave();
	json_bind_arena(NULL);
	return NULL;
}

/* ---- threads ----------------------------------------------------------------------------------------------------------------- */

static bool watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data = {.fd = fd}};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool worker_start(struct worker *worker, struct server *server, const pthread_attr_t *attributes)
{
	*worker = (struct worker){.server = server, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	worker->arena = arena_new(ARENA_REQUEST_LIMIT);
	worker->fcgi = fcgi_new();
	if (worker->epoll < 0 || worker->arena == NULL || worker->fcgi == NULL ||
		!watch(worker->epoll, server->listener, EPOLLIN | EPOLLEXCLUSIVE) || !watch(worker->epoll, server->stop_event, EPOLLIN)) {
		return false;
	}
	worker->started = pthread_create(&worker->thread, attributes, work, worker) == 0;
	return worker->started;
}

static void worker_done(struct worker *worker)
{
	if (worker->started) {
		(void)pthread_join(worker->thread, NULL);
	}
	if (worker->epoll >= 0) {
		(void)close(worker->epoll);
	}
	fcgi_free(worker->fcgi);
	arena_free(worker->arena);
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

static enum status serve(struct server *server)
{
	size_t count = (size_t)server->options->app->config->threads;
	struct worker *workers = calloc(count, sizeof(*workers));
	pthread_attr_t attributes;
	size_t made = 0;
	bool all = true;

	if (workers == NULL || pthread_attr_init(&attributes) != 0) {
		free(workers);
		return UNAVAILABLE;
	}
	all = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0;
	while (made < count && all) {
		all = worker_start(&workers[made], server, &attributes);
		made++;
	}
	(void)pthread_attr_destroy(&attributes);
	if (all) {
		log_message(LOG_INFO, "serving", "%s: %zu threads", server->options->program, count);
		wait_for_signal();
	} else {
		log_message(LOG_ERROR, "start_failed", "cannot start %zu threads: lower THREADS or raise TasksMax and MemoryMax", count);
	}
	raise_stop(server);
	for (size_t i = 0; i < made; i++) {
		worker_done(&workers[i]);
	}
	free(workers);
	return all && !atomic_load(&server->broken) ? OK : UNAVAILABLE;
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

int web_permits(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (processors * 2 <= PERMITS_MIN) {
		return PERMITS_MIN;
	}
	return processors * 2 < PERMITS_MAX ? (int)processors * 2 : PERMITS_MAX;
}

static enum status check_options(const struct web_options *options)
{
	int64_t threads = options->app->config->threads;
	const char *reason = NULL;
	size_t row = 0;

	if (routes_check(options->routes, options->route_count, &row, &reason) != OK) {
		const char *path = row < options->route_count ? options->routes[row].path : NULL;

		log_message(LOG_ERROR, "route_wrong", "row %zu (%s): %s", row, path != NULL ? path : "no path", reason);
		return INVALID;
	}
	if (threads < 1 || threads > WEB_THREADS_MAX) {
		log_message(LOG_ERROR, "start_failed", "THREADS is %lld: set 1 to %d", (long long)threads, WEB_THREADS_MAX);
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
	struct server server = {.options = options, .listener = -1, .stop_event = -1};
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
	server.stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server.permits = permits_new(web_permits());
	if (server.stop_event >= 0 && server.permits != NULL) {
		status = serve(&server);
	} else {
		log_message(LOG_ERROR, "start_failed", "no descriptors or memory to start with: raise LimitNOFILE and MemoryMax");
		status = UNAVAILABLE;
	}
	permits_free(server.permits);
	if (server.stop_event >= 0) {
		(void)close(server.stop_event);
	}
	close_listener(&server);
	return status;
}
