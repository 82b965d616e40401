/*
 * tx - the only place that opens a transaction.
 *
 * tx_run() begins READ COMMITTED, calls `fn`, commits when it answers OK, else rolls back. On RETRY (40001, 40P01), on a dead
 * prepared plan and on a missing partition (made first) the whole is run again, before the request's deadline and TX_RUNS times at most:
 * `fn` must keep nothing from an earlier run outside the transaction, and has as much of the arena as the first. A failed arena rolls back:
 * half a value never commits.
 */
#ifndef TRIVET_SERVICE_TX_H
#define TRIVET_SERVICE_TX_H

#include "store/tx.h"

/* Where few people link to each other all at once, an account may change hands under one request more than once. */
#define TX_RUNS 4

/*
 * tx_run - one use case's transaction.
 *
 * OK (committed), whatever `fn` failed with (rolled back), UNAVAILABLE, TIMED_OUT (outcome of the commit unknown: the idempotency key tells
 * at the next try).
 */
MUST_CHECK enum status tx_run(struct ctx *ctx, enum status (*fn)(struct tx *tx, void *arg), void *arg);

/*
 * tx_make_partitions - use case: makes the partitions around ctx->now. For a caller that appends outside a transaction and met a day
 * without one: the worker, which makes them beforehand, may have been away for days. Statuses of tx_run().
 */
MUST_CHECK enum status tx_make_partitions(struct ctx *ctx);

/*
 * service_read - one read without a transaction: `fn` runs exactly one SELECT (one statement is one snapshot).
 */
MUST_CHECK enum status service_read(struct ctx *ctx, enum status (*fn)(struct tx *tx, void *arg), void *arg);

#endif
