/*
 * pg_internal - what pg.c (pool and breaker), pg_conn.c (one connection) and pg_value.c (values) share. Included by them only.
 */
#ifndef TRIVET_IO_PG_INTERNAL_H
#define TRIVET_IO_PG_INTERNAL_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/wait_queue.h"
#include "io/pg.h"

#define PG_ERROR_MAX 256
#define PG_SQLSTATE_LEN 5
/* A deadline that passed after less says more about the deadline than about the server. */
#define PG_PATIENCE_US (50 * 1000)

struct pg_rows {
	PGresult *result;
};

struct pg_conn {
	struct pg_pool *pool;
	PGconn *link;         /* NULL: not connected */
	uint64_t *prepared;   /* bit per statement of the table; NULL on the probe's own connection */
	int64_t deadline;
	uint64_t generation;  /* of the pool when the server last said something on the link */
	uint64_t answers;     /* of the pool when the question in flight was asked */
	int64_t asked_at;
	bool begin_due;       /* BEGIN was asked for and goes out together with the first statement */
	bool in_doubt;        /* the question in flight may commit something */
	bool broken;          /* never to be used again */
	bool missing_partition;
	bool counted;         /* in pool->connected */
	int64_t held_since;   /* monotonic us; 0: in one of the pool's lists, or reserved. With the pool's lock */
	bool reserved;        /* not one of pool->conns */
	bool timed_out;       /* what broke it was our own deadline */
	char sqlstate[PG_SQLSTATE_LEN + 1];
	char error[PG_ERROR_MAX];
	struct pg_conn *next; /* in one of the pool's free lists */
};

struct pg_pool {
	/* Fixed once open. */
	char *url;
	char *application_name;
	bool has_names; /* a host of the URL has to be looked up */
	const struct pg_statement *statements;
	size_t statement_count;
	size_t prepared_words;
	struct pg_conn *conns;
	size_t size;
	size_t ready; /* of conns: so many may be connected without having waited */
	pthread_t probe;

	/* Without the lock. */
	atomic_bool open;            /* the breaker: calls are refused */
	atomic_int timeouts;         /* in a row */
	atomic_uint_fast64_t answers; /* of any kind that the server gave; unchanged over a wait = it says nothing to anybody */
	atomic_uint_fast64_t generation;

	pthread_mutex_t lock;
	struct pg_conn *live; /* free and connected, the last used first */
	struct pg_conn *dead; /* free, not connected */
	struct wait_queue waiters;
	size_t connected;           /* of conns, free or held */
	size_t opened;              /* of conns: all but the dead ones */
	bool refusing;              /* the last connection attempt failed */
	int64_t connect_not_before; /* while refusing: when the next one may try */
	bool closing;
	pthread_cond_t probe_wake;
	char error[PG_ERROR_MAX];
};

/*
 * pg_conn_connect - a new link within conn->deadline: session pinned, durability checked.
 *
 * OK, UNAVAILABLE, TIMED_OUT; on failure there is no link.
 */
MUST_CHECK enum status pg_conn_connect(struct pg_conn *conn);

/* pg_conn_close - drops the link, if any; the slot can connect again. */
void pg_conn_close(struct pg_conn *conn);

/* pg_conn_stale - whether a free connection cannot be trusted: the server said something unasked, or the breaker opened since. */
bool pg_conn_stale(const struct pg_conn *conn);

/*
 * pg_pool_answered, pg_pool_timed_out - what the breaker lives on; the latter when somebody heard nothing until his deadline.
 *
 * An answer closes it, and the connection that heard it is as good as one made since.
 */
void pg_pool_answered(struct pg_conn *conn);
void pg_pool_timed_out(struct pg_pool *pool);

/* pg_rows_take - the rows now belong to the arena. OK, TOO_LARGE; the result is cleared in every case that it is not kept. */
MUST_CHECK enum status pg_rows_take(struct arena *arena, PGresult *result, struct pg_rows **ret_rows);

#endif
