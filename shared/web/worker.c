#include "web/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/baton.h"
#include "base/clock.h"
#include "base/fiber.h"
#include "base/log.h"
#include "web/exchange.h"

#define BACK_OFF_US (50 * 1000) /* without descriptors or memory: others finish meanwhile */
#define WARN_EVERY_US SECOND_US
#define BURST 16 /* accepted before those that were go on, and while there is no seat */

/* One of nginx's. It has a seat while a request of it is served, waits for one, or is idle. */
struct connection {
	struct fiber_watch watch; /* first */
	struct worker *worker;
	int fd;
	bool watched; /* it was kept once */
	bool idle;
	bool rung; /* something came while it was not idle */
	struct connection *before; /* among the idle ones */
	struct connection *next;   /* among them too, or those that wait for a seat, or were handed over */
};

/* Where a request is served: a fiber and what it needs. */
struct seat {
	struct worker *worker;
	struct exchange_room room;
	struct baton taken;            /* `connection` was set */
	struct connection *connection; /* NULL: the fiber shall end */
	struct seat *next;             /* among all of the worker's */
	struct seat *free;             /* among the free ones */
};

struct worker {
	struct worker_options options;
	pthread_t thread;
	bool started;
	struct fiber_loop *loop;
	struct baton wake; /* of the accepting fiber: a stop, a connection that was handed over, a seat that it waits for */
	atomic_bool stopping;
	atomic_size_t busy;        /* connections that have a seat or wait for one */
	atomic_size_t connections; /* those that rest, too */

	/* Of the worker's thread. */
	struct seat *seats;
	struct seat *free; /* the last one used first: its memory is warm */
	size_t seat_count;
	bool needs_seat;           /* the accepting fiber wants to know when one is given up */
	bool full;                 /* and has told the others */
	struct connection *idle;   /* those that rest, the last one first */
	struct connection *oldest;
	struct connection *first;  /* those that wait for a seat, oldest first */
	struct connection *last;
	size_t waiting;
	int64_t warned; /* when a shortage was last logged */

	/* Connections that other workers accepted. */
	pthread_mutex_t lock;
	struct connection *handed;
	bool closed; /* no more are taken */
};

static void warn(struct worker *worker, int error)
{
	int64_t now = clock_monotonic_us();

	if (worker->warned == 0 || now - worker->warned >= WARN_EVERY_US) {
		worker->warned = now;
		log_message(LOG_WARNING, "accept_shortage", "cannot accept (errno %d): raise LimitNOFILE or MemoryMax, or lower REQUESTS", error);
	}
}

/* ---- connections --------------------------------------------------------------------------------------------------------------- */

static void connection_ready(struct fiber_watch *watch);

/* NULL: no memory; the descriptor stays the caller's then. */
static struct connection *connection_new(int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection != NULL) {
		connection->watch.ready = connection_ready;
		connection->fd = fd;
	}
	return connection;
}

static void connection_gone(struct connection *connection)
{
	(void)atomic_fetch_sub(&connection->worker->connections, 1);
	free(connection);
}

static void connection_close(struct connection *connection)
{
	(void)close(connection->fd);
	connection_gone(connection);
}

static void idle_add(struct connection *connection)
{
	struct worker *worker = connection->worker;

	connection->idle = true;
	connection->before = NULL;
	connection->next = worker->idle;
	if (worker->idle != NULL) {
		worker->idle->before = connection;
	} else {
		worker->oldest = connection;
	}
	worker->idle = connection;
}

static void idle_remove(struct connection *connection)
{
	connection->idle = false;
	if (connection->before != NULL) {
		connection->before->next = connection->next;
	} else {
		connection->worker->idle = connection->next;
	}
	if (connection->next != NULL) {
		connection->next->before = connection->before;
	} else {
		connection->worker->oldest = connection->before;
	}
}

/* It was kept: until the next request comes, it needs no seat. */
static void rest(struct connection *connection)
{
	(void)atomic_fetch_sub(&connection->worker->busy, 1);
	if (atomic_load(&connection->worker->stopping)) {
		connection_close(connection);
		return;
	}
	if (!connection->watched) {
		connection->watched = fiber_watch(connection->worker->loop, &connection->watch, connection->fd) == OK;
	}
	if (connection->watched) {
		idle_add(connection);
	} else {
		connection_close(connection);
	}
}

/* ---- seats --------------------------------------------------------------------------------------------------------------------- */

/* The requests of a connection that come one right after the other. */
static void serve(struct seat *seat, struct connection *connection)
{
	enum exchange_end end = EXCHANGE_KEPT;

	do {
		connection->rung = false;
		end = exchange_run_in_fiber(&seat->room, connection->fd, !connection->watched);
	} while (end == EXCHANGE_KEPT && connection->rung);
	if (end == EXCHANGE_CLOSED) {
		(void)atomic_fetch_sub(&connection->worker->busy, 1);
		connection_gone(connection);
	} else {
		rest(connection);
	}
}

static struct connection *take_waiting(struct worker *worker)
{
	struct connection *connection = worker->first;

	if (connection != NULL) {
		worker->first = connection->next;
		worker->last = worker->first != NULL ? worker->last : NULL;
		worker->waiting--;
	}
	if (worker->needs_seat) {
		baton_post(&worker->wake);
	}
	return connection;
}

static void sit(void *arg)
{
	struct seat *seat = arg;
	struct worker *worker = seat->worker;

	while (baton_wait(&seat->taken, BATON_NO_END) && seat->connection != NULL) {
		for (struct connection *connection = seat->connection; connection != NULL; connection = take_waiting(worker)) {
			serve(seat, connection);
		}
		seat->free = worker->free;
		worker->free = seat;
	}
}

static void seat_done(struct seat *seat)
{
	baton_done(&seat->taken);
	fcgi_free(seat->room.fcgi);
	arena_free(seat->room.arena);
	free(seat);
}

/* One more, free. False: no memory. */
static bool add_seat(struct worker *worker)
{
	struct seat *seat = calloc(1, sizeof(*seat));

	if (seat == NULL) {
		return false;
	}
	seat->worker = worker;
	seat->room = (struct exchange_room){
		.options = worker->options.web,
		.arena = arena_new(ARENA_REQUEST_LIMIT),
		.fcgi = fcgi_new(),
		.helpers = worker->options.helpers,
	};
	baton_init(&seat->taken);
	if (seat->room.arena == NULL || seat->room.fcgi == NULL || fiber_start(worker->loop, sit, seat) != OK) {
		seat_done(seat);
		return false;
	}
	seat->next = worker->seats;
	worker->seats = seat;
	seat->free = worker->free;
	worker->free = seat;
	worker->seat_count++;
	return true;
}

/* To the free seat at hand; NULL: its fiber ends. */
static void take_seat(struct worker *worker, struct connection *connection)
{
	struct seat *seat = worker->free;

	worker->free = seat->free;
	seat->connection = connection;
	baton_post(&seat->taken);
}

/* Something came, and the connection was counted as busy: a seat for it, when there is one. */
static void arrive(struct connection *connection)
{
	struct worker *worker = connection->worker;

	if (worker->free != NULL || (worker->seat_count < worker->options.seats && add_seat(worker))) {
		take_seat(worker, connection);
		return;
	}
	if (worker->seat_count == 0) {
		warn(worker, ENOMEM);
		(void)atomic_fetch_sub(&worker->busy, 1);
		connection_close(connection);
		return;
	}
	connection->next = NULL;
	if (worker->last != NULL) {
		worker->last->next = connection;
	} else {
		worker->first = connection;
	}
	worker->last = connection;
	worker->waiting++;
}

static void connection_ready(struct fiber_watch *watch)
{
	struct connection *connection = (struct connection *)(void *)watch;

	if (connection->idle) {
		idle_remove(connection);
		(void)atomic_fetch_add(&connection->worker->busy, 1);
		arrive(connection);
	} else {
		connection->rung = true;
	}
}

/* ---- accepting ----------------------------------------------------------------------------------------------------------------- */

/* A connection that is kept will be busy again: it counts, and twice while it is. */
static size_t load_of(struct worker *worker)
{
	return atomic_load(&worker->connections) + atomic_load(&worker->busy);
}

static struct worker *least_busy(struct worker *self)
{
	struct worker *found = self;
	size_t least = load_of(self);

	for (size_t i = 0; i < self->options.count; i++) {
		size_t load = load_of(self->options.all[i]);

		if (load < least) {
			found = self->options.all[i];
			least = load;
		}
	}
	return found;
}

/* False: he is about to end. */
static bool hand_over(struct worker *other, struct connection *connection)
{
	bool taken = false;

	(void)pthread_mutex_lock(&other->lock);
	taken = !other->closed;
	if (taken) {
		connection->worker = other;
		connection->next = other->handed;
		other->handed = connection;
		(void)atomic_fetch_add(&other->connections, 1);
		(void)atomic_fetch_add(&other->busy, 1);
	}
	(void)pthread_mutex_unlock(&other->lock);
	if (taken) {
		baton_post(&other->wake);
	}
	return taken;
}

static void take_handed(struct worker *worker)
{
	struct connection *handed = NULL;

	(void)pthread_mutex_lock(&worker->lock);
	handed = worker->handed;
	worker->handed = NULL;
	worker->closed = atomic_load(&worker->stopping);
	(void)pthread_mutex_unlock(&worker->lock);
	while (handed != NULL) {
		struct connection *connection = handed;

		handed = connection->next;
		arrive(connection);
	}
}

static void welcome(struct worker *worker, int fd)
{
	struct connection *connection = connection_new(fd);
	struct worker *other = least_busy(worker);

	if (connection == NULL) {
		warn(worker, ENOMEM);
		(void)close(fd);
		return;
	}
	if (other != worker && hand_over(other, connection)) {
		return;
	}
	connection->worker = worker;
	(void)atomic_fetch_add(&worker->connections, 1);
	(void)atomic_fetch_add(&worker->busy, 1);
	arrive(connection);
}

static void accept_failed(struct worker *worker, int error)
{
	switch (error) {
	case EAGAIN: /* nobody came */
		(void)baton_wait_or_read(&worker->wake, worker->options.listener);
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
		atomic_store(&worker->stopping, true);
		worker->options.broken(worker->options.arg);
		return;
	}
	/*
	 * EMFILE, ENFILE, ENOBUFS, ENOMEM, and whatever a kernel may add. What rests longest is given up for who comes; nginx makes another when
	 * it needs one. Else it passes by itself; until then connections wait in the backlog, not in a spinning thread.
	 */
	warn(worker, error);
	if (worker->oldest != NULL) {
		struct connection *oldest = worker->oldest;

		idle_remove(oldest);
		connection_close(oldest);
		return;
	}
	(void)baton_wait(&worker->wake, clock_monotonic_us() + BACK_OFF_US);
}

/* Of all that waits in the backlog only so much is taken as has a seat, or soon will. */
static void wait_for_room(struct worker *worker)
{
	/* Of those who wait for the listener the kernel may have woken this one alone. Told once, or two that are full would wake each other. */
	for (size_t i = 0; i < worker->options.count && !worker->full; i++) {
		if (worker->options.all[i] != worker) {
			baton_post(&worker->options.all[i]->wake);
		}
	}
	worker->full = true;
	take_handed(worker);
	worker->needs_seat = true;
	(void)baton_wait(&worker->wake, BATON_NO_END);
	worker->needs_seat = false;
}

static void accept_connections(void *arg)
{
	struct worker *worker = arg;
	int burst = 0;

	/* Whatever woke it, a stop is looked for before it waits again: several posts may have been one. */
	while (!atomic_load(&worker->stopping)) {
		if (worker->waiting >= BURST) {
			wait_for_room(worker);
			continue;
		}
		worker->full = false;
		int fd = accept4(worker->options.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		int error = errno;

		if (fd >= 0) {
			welcome(worker, fd);
		}
		take_handed(worker);
		if (fd < 0) {
			accept_failed(worker, error);
		}
		burst = fd >= 0 ? burst + 1 : 0;
		if (burst == BURST) {
			burst = 0;
			fiber_yield();
		}
	}
	take_handed(worker);
	for (struct connection *connection = worker->idle, *next = NULL; connection != NULL; connection = next) {
		next = connection->next;
		connection_close(connection);
	}
	worker->idle = NULL;
	/* Those in hand end when they are answered. */
	worker->needs_seat = true;
	for (size_t left = worker->seat_count; left > 0; left--) {
		while (worker->free == NULL) {
			(void)baton_wait(&worker->wake, BATON_NO_END);
		}
		take_seat(worker, NULL);
	}
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */

static void *run(void *arg)
{
	struct worker *worker = arg;
	struct log_kept lines;

	log_keep(&lines);
	fiber_loop_run(worker->loop);
	log_keep(NULL);
	return NULL;
}

struct worker *worker_new(const struct worker_options *options)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL) {
		return NULL;
	}
	worker->options = *options;
	baton_init(&worker->wake);
	(void)pthread_mutex_init(&worker->lock, NULL);
	worker->loop = fiber_loop_new(options->number, options->stack_bytes, options->lookups);
	if (worker->loop == NULL || fiber_start(worker->loop, accept_connections, worker) != OK) {
		fiber_loop_free(worker->loop);
		worker->loop = NULL;
		worker_free(worker);
		return NULL;
	}
	return worker;
}

enum status worker_start(struct worker *worker)
{
	worker->started = pthread_create(&worker->thread, NULL, run, worker) == 0;
	return worker->started ? OK : UNAVAILABLE;
}

void worker_stop(struct worker *worker)
{
	atomic_store(&worker->stopping, true);
	baton_post(&worker->wake);
}

void worker_join(struct worker *worker)
{
	if (worker->started) {
		(void)pthread_join(worker->thread, NULL);
	} else {
		fiber_loop_run(worker->loop); /* to its end, which is near */
	}
}

void worker_free(struct worker *worker)
{
	if (worker == NULL) {
		return;
	}
	while (worker->seats != NULL) {
		struct seat *seat = worker->seats;

		worker->seats = seat->next;
		seat_done(seat);
	}
	fiber_loop_free(worker->loop);
	(void)pthread_mutex_destroy(&worker->lock);
	baton_done(&worker->wake);
	free(worker);
}
