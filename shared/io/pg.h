/*
 * pg - PostgreSQL: connections, prepared statements, deadlines; the only files (pg*.c) that know libpq.
 *
 * Invariants
 * - Nothing here names a table: statements come as a table of (name, SQL) when the pool opens and are prepared by name on a
 *   connection's first use of each.
 * - A connection that failed or timed out is destroyed, never reused (pitfalls.md 0.8).
 * - No call waits past the deadline it was given, and none longer than PG_WAIT_FOR_CONNECTION_US for a free connection: a caller who comes
 *   with many others waits for them, but keeps time for his own statements. One exception: a host's name in the URL is looked up without a
 *   deadline each time a connection is made. An address or a socket's directory needs no look-up.
 * - Two timeouts in a row, of statements or of waits for a connection, without an answer to anybody in between, open the breaker: calls
 *   fail within 1 ms with UNAVAILABLE until the probe thread succeeds or somebody is answered after all. The probe has 500 ms for an
 *   attempt and rests 200 ms after one that failed.
 * - After a refused connection one call per 200 ms tries again. While the pool has no connection left, the other calls fail at once; while
 *   it has some, they queue for those. A reserved connection never queues: it fails at once, or is itself the one that tries.
 * - fsync, synchronous_commit and full_page_writes are on, or no connection is made (UNAVAILABLE, pg_pool_error() says why).
 * - Every session pins search_path to pg_catalog (statements are schema-qualified) and TimeZone to UTC.
 */
#ifndef TRIVET_IO_PG_H
#define TRIVET_IO_PG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct pg_pool;
struct pg_conn;

struct pg_statement {
	const char *name; /* prepared name, [a-z_0-9]+ */
	const char *sql;  /* one statement, parameters $1.. with casts where the type is not plain */
	int param_count;
};

#define PG_PARAMS_MAX 48
#define PG_WAIT_FOR_CONNECTION_US (1500 * 1000)
#define PG_GROW_AFTER_US (250 * 1000)

/* One parameter in text form; absent string = NULL. */
struct pg_params {
	struct arena *arena;
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	int formats[PG_PARAMS_MAX];
	int count;
	bool failed; /* NUL byte in a text, too many, arena out: pg_run answers INVALID */
};

struct pg_params pg_params(struct arena *arena);
void pg_add_i64(struct pg_params *params, int64_t value);
void pg_add_str(struct pg_params *params, struct str value);   /* absent: NULL */
void pg_add_bytes(struct pg_params *params, struct str value); /* bytea, binary form; absent: NULL */
void pg_add_bool(struct pg_params *params, bool value);
void pg_add_null(struct pg_params *params);
void pg_add_time(struct pg_params *params, int64_t us);         /* timestamptz from microseconds UTC; 0: NULL */
/* Arrays for unnest(): one literal each. */
void pg_add_i64_array(struct pg_params *params, const int64_t *values, size_t count);
void pg_add_str_array(struct pg_params *params, const struct str *values, size_t count); /* absent element: NULL */
void pg_add_time_array(struct pg_params *params, const int64_t *values, size_t count);
void pg_add_bytes_array(struct pg_params *params, const struct str *values, size_t count); /* bytea[] */

/* Rows of one statement; hang on the arena given to pg_run(), strings are borrowed until its reset. */
struct pg_rows;
int pg_row_count(const struct pg_rows *rows);
int64_t pg_affected(const struct pg_rows *rows); /* rows inserted, updated, deleted; 0 for others */
bool pg_is_null(const struct pg_rows *rows, int row, int column);
/* The getters assert that the column has such a value: statements are ours, so a mismatch is a defect, not input. */
int64_t pg_i64(const struct pg_rows *rows, int row, int column);      /* NULL: 0 */
bool pg_bool(const struct pg_rows *rows, int row, int column);        /* NULL: false */
struct str pg_str(const struct pg_rows *rows, int row, int column);   /* NULL: absent */
struct str pg_bytes(struct arena *arena, const struct pg_rows *rows, int row, int column); /* bytea, decoded */
int64_t pg_time(const struct pg_rows *rows, int row, int column);     /* timestamptz as microseconds UTC; NULL: 0 */

struct pg_pool_options {
	struct str url;
	int connections;      /* 1..64, at most */
	int ready;            /* so many at first; another for each that is held for over PG_GROW_AFTER_US. 0: all */
	const struct pg_statement *statements;
	size_t statement_count;
	const char *application_name;
};

/*
 * pg_pool_open - makes the pool; connects lazily, so PostgreSQL may be away at start.
 *
 * OK, INVALID (malformed URL), UNAVAILABLE (no thread for the probe).
 */
MUST_CHECK enum status pg_pool_open(const struct pg_pool_options *options, struct pg_pool **ret_pool);
void pg_pool_close(struct pg_pool *pool);

/*
 * pg_pool_warm - connects as many of the pool's connections as shall be ready, as far as the deadline (monotonic us) and the server allow.
 *
 * Before a program serves: what waited in the backlog while it was not there comes all at once, and shall not queue for connections that
 * are only being made. A server that is away is no failure here.
 */
void pg_pool_warm(struct pg_pool *pool, int64_t deadline);

/* pg_pool_ready - a trivial query succeeds within the deadline. OK, UNAVAILABLE. For /readyz. */
MUST_CHECK enum status pg_pool_ready(struct pg_pool *pool, int64_t deadline);

/*
 * pg_take - a connection for the fiber or thread that calls, until pg_give(). It holds one at most (asserted): one pooled thing at a
 * time (decisions.md 3).
 *
 * deadline    monotonic microseconds; also of all that is asked on the connection until pg_give()
 * OK, UNAVAILABLE (none free in time, breaker open, cannot connect), TIMED_OUT (deadline reached).
 */
MUST_CHECK enum status pg_take(struct pg_pool *pool, int64_t deadline, struct pg_conn **ret_conn);

/* pg_give - back to the pool; destroyed when broken or inside a transaction. pg_give(NULL) is fine. */
void pg_give(struct pg_conn *conn);

/* pg_holding - whether the fiber or thread that calls holds a connection; cache and group assert that it does not. */
bool pg_holding(void);

/* pg_pool_error - why the last connection could not be made, for the log only; absent when none failed. */
struct str pg_pool_error(struct pg_pool *pool, struct arena *arena);

/*
 * pg_reserve - a connection outside the pool, for a caller that must never queue for one (group_commit, group_read); it is
 * connected by pg_reserved_ready().
 *
 * It is for one statement by arrays, which is planned once, whatever their length, and reads tables by their indexes.
 * Returns NULL when the system has no memory. pg_release() closes it. It does not count for pg_holding().
 */
struct pg_conn *pg_reserve(struct pg_pool *pool);
void pg_release(struct pg_conn *conn);

/* pg_reserved_ready - before each use: sets the deadline, connects if need be. Statuses of pg_take(). */
MUST_CHECK enum status pg_reserved_ready(struct pg_conn *conn, int64_t deadline);

/*
 * pg_run - one prepared statement by its index in the pool's table.
 *
 * ret_rows may be NULL when rows do not matter.
 * OK
 * CONFLICT     23505 unique, 23503 foreign key, 23P01 exclusion
 * INVALID      class 22, 23514, 23502, and bad parameters
 * RETRY        40001, 40P01; the transaction is dead, run it whole again
 *              also 0A000 "cached plan must not change" and 26000: the connection is broken, and pg_conn_broken() says so
 * NOT_FOUND    23514 from the server's function ExecFindPartition: no partition takes the row. Make partitions, run again
 * UNAVAILABLE  08xxx, 57P0x, 53xxx, 25006, connection lost before anything could be committed; 55P03 lock timeout
 * TIMED_OUT    57014, our own deadline, or connection lost: outcome unknown when the statement was COMMIT or ran outside a transaction
 * TOO_LARGE    the arena cannot take the rows
 * INTERNAL     class 42 and all else
 */
MUST_CHECK enum status pg_run(struct pg_conn *conn, struct arena *arena, size_t statement, const struct pg_params *params,
                              struct pg_rows **ret_rows);

/*
 * pg_run_last - the same, and the transaction that it is in is committed when it succeeds; both in one message.
 *
 * It gives no rows: what could fail after the commit would be told as a failure. OK means committed. Otherwise pg_rollback() as after
 * pg_run(); a lost connection leaves the outcome unknown (TIMED_OUT).
 */
MUST_CHECK enum status pg_run_last(struct pg_conn *conn, size_t statement, const struct pg_params *params);

/* Transactions, only for service/tx.c, worker queues and migrations. */

/*
 * pg_begin - begins a READ COMMITTED transaction; BEGIN goes out with the first statement. Not inside a transaction (asserted).
 *
 * OK, TIMED_OUT (the deadline has passed, or had broken the connection), UNAVAILABLE (the connection is broken). The server is not asked.
 */
MUST_CHECK enum status pg_begin(struct pg_conn *conn);

/*
 * pg_commit - ends the transaction; OK means committed. Without a statement since pg_begin() nothing is asked of the server.
 *
 * OK
 * TIMED_OUT    no answer, or the connection was lost: the outcome is unknown. Also when the deadline had passed or had broken the
 *              connection before: then COMMIT was not sent
 * UNAVAILABLE  the connection was broken before: nothing is committed
 * INTERNAL     the transaction had failed before: it is rolled back
 * others       of pg_run(), for what is checked at COMMIT: it is rolled back
 */
MUST_CHECK enum status pg_commit(struct pg_conn *conn);

/* pg_rollback - ends the transaction, if there is one; a failure breaks the connection. Keeps pg_error() and pg_missing_partition(). */
void pg_rollback(struct pg_conn *conn);
bool pg_in_transaction(const struct pg_conn *conn);
bool pg_conn_broken(const struct pg_conn *conn);

/*
 * pg_missing_partition - whether the NOT_FOUND of a statement meant that; a store function has other reasons to say NOT_FOUND.
 *
 * pg_rollback() keeps it; pg_take(), pg_begin() and the next error that pg_run() names forget it.
 */
bool pg_missing_partition(const struct pg_conn *conn);

/* pg_error - primary message and SQLSTATE of the last failure, for the log only; borrowed until the next call. */
struct str pg_error(const struct pg_conn *conn);
struct str pg_sqlstate(const struct pg_conn *conn);

/*
 * pg_script - several statements of one text (a migration), outside the prepared table; within the current transaction if
 * there is one. Never with foreign words in it. Statuses of pg_run().
 */
MUST_CHECK enum status pg_script(struct pg_conn *conn, const char *sql);

/*
 * pg_query - one statement that is not in the table, for the operator's reports and migrations; parameters as in pg_run().
 */
MUST_CHECK enum status pg_query(struct pg_conn *conn, struct arena *arena, const char *sql, const struct pg_params *params,
                                struct pg_rows **ret_rows);

#endif
