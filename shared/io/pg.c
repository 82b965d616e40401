/* The pool of PostgreSQL connections: who waits for one, when nobody should, and who finds out that the server is back. */
#include "io/pg.h"

#include <assert.h>
#include <signal.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/parse.h"
#include "io/crypto.h"
#include "io/pg_internal.h"

#define CONNECTIONS_MAX 64
#define TIMEOUTS_TO_OPEN 2
#define RETRY_CONNECT_US (200 * 1000)
#define PROBE_PAUSE_US (200 * 1000)
/* Longer than the pause: a connection to a server that just woke up on a busy machine takes its time, and is worth waiting for. */
#define PROBE_DEADLINE_US (500 * 1000)
#define PROBE_STACK ((size_t)512 * 1024)

bool pg_holding(void)
{
	return *fiber_own(FIBER_SLOT_PG) != NULL;
}

/* NULL: none any more. */
static void note_held(struct pg_conn *conn)
{
	*fiber_own(FIBER_SLOT_PG) = conn;
}

/* ---- waiting ---- */

static void cond_init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

static struct timespec at_monotonic(int64_t us)
{
	return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* How many are held for so long that they wait for something else than a processor: a lock, say. Locked. */
static size_t count_stuck(const struct pg_pool *pool, int64_t now)
{
	size_t stuck = 0;
	for (size_t i = 0; i < pool->size; i++) {
		stuck += pool->conns[i].held_since != 0 && now - pool->conns[i].held_since >= PG_GROW_AFTER_US;
	}
	return stuck;
}

/*
 * Takes a free connection that can be used now: a live one, else one that may try to connect. Locked.
 *
 * Each connection costs the server a process that plans its statements anew, and those beyond what the processors serve only share them: it
 * is made when one of those that are ready is stuck.
 */
static struct pg_conn *pop_usable(struct pg_pool *pool, int64_t now)
{
	struct pg_conn *conn = pool->live;
	if (conn != NULL) {
		pool->live = conn->next;
		conn->held_since = now;
		return conn;
	}
	conn = pool->dead;
	if (conn == NULL || (pool->refusing && now < pool->connect_not_before)) {
		return NULL;
	}
	if (pool->opened >= pool->ready && pool->opened - count_stuck(pool, now) >= pool->ready) {
		return NULL;
	}
	/* While the server refuses, one tries and the others are told no. */
	pool->connect_not_before = now + RETRY_CONNECT_US;
	pool->dead = conn->next;
	pool->opened++;
	conn->held_since = now;
	return conn;
}

/* Hands free connections to those who waited longest. Locked. */
static void serve_waiters(struct pg_pool *pool)
{
	int64_t now = clock_monotonic_us();
	while (pool->waiters.first != NULL) {
		struct pg_conn *conn = pop_usable(pool, now);
		if (conn == NULL) {
			return;
		}
		(void)wait_queue_give(&pool->waiters, conn);
	}
}

static bool breaker_open(struct pg_pool *pool)
{
	return atomic_load_explicit(&pool->open, memory_order_relaxed);
}

static uint64_t answers_so_far(struct pg_pool *pool)
{
	return atomic_load_explicit(&pool->answers, memory_order_relaxed);
}

/*
 * Queues until a connection is given, `until` has passed or the breaker opened. Locked, but not while it waits.
 *
 * Returns NULL: none; then *ret_silent says whether the server answered nobody all the time, which was not short.
 */
static struct pg_conn *wait_turn(struct pg_pool *pool, int64_t until, bool *ret_silent)
{
	uint64_t answers = answers_so_far(pool);
	int64_t began = clock_monotonic_us();
	int64_t now = began;
	struct pg_conn *conn = NULL;
	struct wait_entry waiter;
	if (breaker_open(pool)) {
		*ret_silent = false;
		return NULL; /* who opened it has told those who waited, and this one was not among them */
	}
	wait_queue_join(&pool->waiters, &waiter);
	while (conn == NULL && !waiter.refused && now < until) {
		pthread_mutex_unlock(&pool->lock);
		(void)baton_wait(&waiter.wake, until < now + PG_GROW_AFTER_US ? until : now + PG_GROW_AFTER_US);
		pthread_mutex_lock(&pool->lock);
		now = clock_monotonic_us();
		conn = waiter.given != NULL || waiter.refused ? waiter.given : pop_usable(pool, now);
	}
	wait_queue_leave(&pool->waiters, &waiter);
	*ret_silent = conn == NULL && !waiter.refused && answers == answers_so_far(pool) && now - began >= PG_PATIENCE_US;
	return conn;
}

/* ---- the breaker ---- */

static void close_breaker(struct pg_pool *pool)
{
	if (atomic_exchange(&pool->open, false)) {
		log_message(LOG_INFO, "database_back", "PostgreSQL answers again");
	}
}

void pg_pool_answered(struct pg_conn *conn)
{
	struct pg_pool *pool = conn->pool;
	atomic_fetch_add_explicit(&pool->answers, 1, memory_order_relaxed);
	if (atomic_load_explicit(&pool->timeouts, memory_order_relaxed) != 0) {
		atomic_store_explicit(&pool->timeouts, 0, memory_order_relaxed);
	}
	if (breaker_open(pool)) {
		close_breaker(pool);
	}
	conn->generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
}

void pg_pool_timed_out(struct pg_pool *pool)
{
	if (atomic_fetch_add(&pool->timeouts, 1) + 1 < TIMEOUTS_TO_OPEN || breaker_open(pool)) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	atomic_store(&pool->open, true);
	/* Idle connections may be as dead as those that timed out (a failover, a firewall that forgot them): none is used again. */
	atomic_fetch_add(&pool->generation, 1);
	wait_queue_refuse(&pool->waiters);
	pthread_cond_signal(&pool->probe_wake);
	pthread_mutex_unlock(&pool->lock);
	log_message(LOG_WARNING, "database_silent", "PostgreSQL answers nobody: calls are refused until it does");
}

/* Whether a new connection is made and answers; it is closed again. */
static bool probe_once(struct pg_pool *pool)
{
	struct pg_conn conn = {.pool = pool, .deadline = clock_monotonic_us() + PROBE_DEADLINE_US};
	bool back = pg_conn_connect(&conn) == OK; /* asks for the durability settings: a query of its own */
	pg_conn_close(&conn);
	return back;
}

static void *probe_main(void *arg)
{
	struct pg_pool *pool = arg;
	pthread_mutex_lock(&pool->lock);
	while (!pool->closing) {
		if (!breaker_open(pool)) {
			pthread_cond_wait(&pool->probe_wake, &pool->lock);
			continue;
		}
		pthread_mutex_unlock(&pool->lock);
		bool back = probe_once(pool);
		pthread_mutex_lock(&pool->lock);
		if (back) {
			atomic_store(&pool->timeouts, 0);
			close_breaker(pool);
			pool->refusing = false;
		} else if (!pool->closing) {
			struct timespec end = at_monotonic(clock_monotonic_us() + PROBE_PAUSE_US);
			(void)pthread_cond_timedwait(&pool->probe_wake, &pool->lock, &end);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* ---- taking and giving ---- */

/* Puts a connection that its holder is done with into its list and looks who waits. */
static void put_back(struct pg_pool *pool, struct pg_conn *conn)
{
	pthread_mutex_lock(&pool->lock);
	bool live = conn->link != NULL;
	if (live != conn->counted) {
		pool->connected = live ? pool->connected + 1 : pool->connected - 1;
		conn->counted = live;
	}
	struct pg_conn **list = live ? &pool->live : &pool->dead;
	pool->opened -= live ? 0 : 1;
	conn->held_since = 0;
	conn->next = *list;
	*list = conn;
	if (pool->connected == 0 && pool->refusing) {
		wait_queue_refuse(&pool->waiters);
	} else {
		serve_waiters(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Notes how connecting went. */
static void note_connect(struct pg_pool *pool, struct pg_conn *conn, enum status status)
{
	pthread_mutex_lock(&pool->lock);
	if (status == OK) {
		pool->refusing = false;
		if (!conn->counted && !conn->reserved) {
			conn->counted = true;
			pool->connected++;
		}
	} else {
		memcpy(pool->error, conn->error, sizeof(pool->error));
		/* Who ran out of time was in a hurry, or the server is silent: the breaker heard of that. It was not refused. */
		if (status != TIMED_OUT) {
			if (!pool->refusing) {
				log_message(LOG_WARNING, "database_refuses", "no connection to PostgreSQL: %s", pool->error);
			}
			pool->refusing = true;
			pool->connect_not_before = clock_monotonic_us() + RETRY_CONNECT_US;
		}
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Makes sure that there is a link that can be trusted. Statuses of pg_conn_connect(). */
static enum status make_ready(struct pg_pool *pool, struct pg_conn *conn, int64_t deadline)
{
	conn->deadline = deadline;
	if (conn->link != NULL && (conn->broken || pg_conn_stale(conn))) {
		pg_conn_close(conn);
	}
	if (conn->link != NULL) {
		return OK;
	}
	enum status status = pg_conn_connect(conn);
	note_connect(pool, conn, status);
	return status;
}

/* A slot of the pool, maybe without a link. OK, UNAVAILABLE, TIMED_OUT. */
static enum status obtain(struct pg_pool *pool, int64_t deadline, struct pg_conn **ret_conn)
{
	int64_t now = clock_monotonic_us();
	if (now >= deadline) {
		return TIMED_OUT;
	}
	if (breaker_open(pool)) {
		return UNAVAILABLE;
	}
	int64_t until = deadline < now + PG_WAIT_FOR_CONNECTION_US ? deadline : now + PG_WAIT_FOR_CONNECTION_US;
	bool silent = false;
	pthread_mutex_lock(&pool->lock);
	struct pg_conn *conn = pool->waiters.first == NULL ? pop_usable(pool, now) : NULL;
	if (conn == NULL && (pool->connected > 0 || !pool->refusing || now >= pool->connect_not_before)) {
		conn = wait_turn(pool, until, &silent);
	}
	pthread_mutex_unlock(&pool->lock);
	if (conn != NULL) {
		*ret_conn = conn;
		return OK;
	}
	/* All connections are held, and none of their holders heard anything all that time. */
	if (silent) {
		pg_pool_timed_out(pool);
	}
	return clock_monotonic_us() >= deadline ? TIMED_OUT : UNAVAILABLE;
}

enum status pg_take(struct pg_pool *pool, int64_t deadline, struct pg_conn **ret_conn)
{
	assert(!pg_holding());
	struct pg_conn *conn = NULL;
	enum status status = obtain(pool, deadline, &conn);
	if (status == OK) {
		status = make_ready(pool, conn, deadline);
		if (status != OK) {
			put_back(pool, conn);
		}
	}
	if (status != OK) {
		metric_add(METRIC_DB_UNAVAILABLE, 1);
		return status;
	}
	conn->missing_partition = false;
	conn->error[0] = '\0';
	conn->sqlstate[0] = '\0';
	note_held(conn);
	*ret_conn = conn;
	return OK;
}

void pg_give(struct pg_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	assert(pg_holding());
	note_held(NULL);
	if (conn->broken || (conn->link != NULL && PQtransactionStatus(conn->link) != PQTRANS_IDLE)) {
		pg_conn_close(conn);
	}
	conn->begin_due = false;
	put_back(conn->pool, conn);
}

void pg_pool_warm(struct pg_pool *pool, int64_t deadline)
{
	struct pg_conn *taken = NULL;
	struct pg_conn *conn = NULL;
	enum status status = OK;
	for (size_t i = 0; i < pool->ready && status == OK && obtain(pool, deadline, &conn) == OK; i++) {
		status = make_ready(pool, conn, deadline);
		/* Held until all are there: what is given back would be handed out again. */
		conn->next = taken;
		taken = conn;
	}
	while (taken != NULL) {
		conn = taken;
		taken = conn->next;
		put_back(pool, conn);
	}
}

/* ---- connections outside the pool ---- */

struct pg_conn *pg_reserve(struct pg_pool *pool)
{
	struct pg_conn *conn = calloc(1, sizeof(*conn));
	uint64_t *prepared = calloc(pool->prepared_words, sizeof(*prepared));
	if (conn == NULL || prepared == NULL) {
		free(conn);
		free(prepared);
		return NULL;
	}
	conn->pool = pool;
	conn->prepared = prepared;
	conn->reserved = true;
	return conn;
}

void pg_release(struct pg_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	pg_conn_close(conn);
	free(conn->prepared);
	free(conn);
}

enum status pg_reserved_ready(struct pg_conn *conn, int64_t deadline)
{
	struct pg_pool *pool = conn->pool;
	int64_t now = clock_monotonic_us();
	if (now >= deadline) {
		return TIMED_OUT;
	}
	if (conn->link != NULL && PQtransactionStatus(conn->link) != PQTRANS_IDLE) {
		conn->broken = true;
	}
	pthread_mutex_lock(&pool->lock);
	bool refused = conn->link == NULL && pool->refusing && now < pool->connect_not_before;
	pthread_mutex_unlock(&pool->lock);
	enum status status = refused || breaker_open(pool) ? UNAVAILABLE : make_ready(pool, conn, deadline);
	if (status != OK) {
		metric_add(METRIC_DB_UNAVAILABLE, 1);
	}
	return status;
}

/* ---- the pool's life ---- */

enum status pg_pool_ready(struct pg_pool *pool, int64_t deadline)
{
	struct pg_conn *conn;
	enum status status = pg_take(pool, deadline, &conn);
	if (status != OK) {
		return UNAVAILABLE;
	}
	status = pg_script(conn, "SELECT 1");
	pg_give(conn);
	return status == OK ? OK : UNAVAILABLE;
}

struct str pg_pool_error(struct pg_pool *pool, struct arena *arena)
{
	pthread_mutex_lock(&pool->lock);
	struct str error = pool->error[0] != '\0' ? str_dup(arena, str_from_z(pool->error)) : STR_ABSENT;
	pthread_mutex_unlock(&pool->lock);
	return error;
}

/* A host as libpq takes it: a socket's directory, an address, or a name. */
static bool is_name(struct str host)
{
	char text[256];
	if (host.len >= sizeof(text)) {
		return true;
	}
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	return host.len > 0 && text[0] != '/' && text[0] != '@' && !parse_is_address(text);
}

/* Of several hosts one name is enough. */
static bool has_names(const PQconninfoOption *options)
{
	struct str hosts = STR_ABSENT;
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
		if (option->val != NULL && strcmp(option->keyword, "hostaddr") == 0) {
			return false;
		}
		if (option->val != NULL && strcmp(option->keyword, "host") == 0) {
			hosts = str_from_z(option->val);
		}
	}
	while (str_present(hosts)) {
		if (is_name(str_split(&hosts, ','))) {
			return true;
		}
	}
	return false;
}

/* What libpq would take is wider ("host=..."): the contract says a URL. */
static bool read_url(struct pg_pool *pool)
{
	struct str text = str_from_z(pool->url);
	if (!str_starts(text, STR("postgresql://")) && !str_starts(text, STR("postgres://"))) {
		return false;
	}
	PQconninfoOption *parsed = PQconninfoParse(pool->url, NULL);
	pool->has_names = parsed != NULL && has_names(parsed);
	PQconninfoFree(parsed);
	return parsed != NULL;
}

/* Not strndup(): its argument would have to end in NUL for strict checkers, and a struct str need not. */
static char *copy_text(struct str text)
{
	char *copy = malloc(text.len + 1);
	if (copy != NULL) {
		memcpy(copy, text.ptr, text.len);
		copy[text.len] = '\0';
	}
	return copy;
}

static bool start_probe(struct pg_pool *pool)
{
	/* Signals are for the program's own thread (house.md, "Stop"): this one takes none. */
	sigset_t all;
	sigset_t before;
	pthread_attr_t attributes;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PROBE_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&pool->probe, &attributes, probe_main, pool) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return started;
}

static void pool_free(struct pg_pool *pool)
{
	for (size_t i = 0; i < pool->size; i++) {
		pg_conn_close(&pool->conns[i]);
		free(pool->conns[i].prepared);
	}
	free(pool->conns);
	free(pool->application_name);
	if (pool->url != NULL) {
		crypto_wipe(pool->url, strlen(pool->url)); /* it may hold a password */
		free(pool->url);
	}
	free(pool);
}

static enum status make_slots(struct pg_pool *pool, int connections)
{
	pool->conns = calloc((size_t)connections, sizeof(*pool->conns));
	if (pool->conns == NULL) {
		return UNAVAILABLE;
	}
	for (pool->size = 0; pool->size < (size_t)connections; pool->size++) {
		struct pg_conn *conn = &pool->conns[pool->size];
		conn->pool = pool;
		conn->prepared = calloc(pool->prepared_words, sizeof(*conn->prepared));
		if (conn->prepared == NULL) {
			return UNAVAILABLE;
		}
		conn->next = pool->dead;
		pool->dead = conn;
	}
	return OK;
}

enum status pg_pool_open(const struct pg_pool_options *options, struct pg_pool **ret_pool)
{
	if (options->connections < 1 || options->connections > CONNECTIONS_MAX || str_empty(options->url) ||
	    str_find(options->url, '\0') != SIZE_MAX) {
		return INVALID;
	}
	struct pg_pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL) {
		return UNAVAILABLE;
	}
	enum status status = UNAVAILABLE;
	pool->url = copy_text(options->url);
	pool->application_name = strdup(options->application_name);
	pool->ready = (size_t)(options->ready > 0 && options->ready < options->connections ? options->ready : options->connections);
	pool->statements = options->statements;
	pool->statement_count = options->statement_count;
	pool->prepared_words = options->statement_count / 64 + 1;
	if (pool->url == NULL || pool->application_name == NULL) {
		goto out;
	}
	if (!read_url(pool)) {
		status = INVALID;
		goto out;
	}
	status = make_slots(pool, options->connections);
	if (status != OK) {
		goto out;
	}
	pthread_mutex_init(&pool->lock, NULL);
	cond_init_monotonic(&pool->probe_wake);
	if (!start_probe(pool)) {
		pthread_cond_destroy(&pool->probe_wake);
		pthread_mutex_destroy(&pool->lock);
		status = UNAVAILABLE;
	}
out:
	if (status != OK) {
		pool_free(pool);
		return status;
	}
	*ret_pool = pool;
	return OK;
}

void pg_pool_close(struct pg_pool *pool)
{
	if (pool == NULL) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	assert(pool->waiters.first == NULL);
	pool->closing = true;
	pthread_cond_signal(&pool->probe_wake);
	pthread_mutex_unlock(&pool->lock);
	pthread_join(pool->probe, NULL);
	pthread_cond_destroy(&pool->probe_wake);
	pthread_mutex_destroy(&pool->lock);
	pool_free(pool);
}
