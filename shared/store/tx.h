/*
 * tx - what a store function runs on: one connection, in a transaction or (reads only) outside one.
 *
 * Use cases take struct ctx and open the transaction (service/tx.h); steps and store functions take struct tx and never do.
 */
#ifndef TRIVET_STORE_TX_H
#define TRIVET_STORE_TX_H

#include "base/ctx.h"
#include "base/metric.h"
#include "io/pg.h"
#include "sql.h" /* generated: enum sql, one value per named block in store/sql/ */

struct tx {
	struct ctx *ctx;
	struct pg_conn *conn;
	bool committed; /* by tx_query_last() */
	enum metric counted; /* tx_count() */
};

/* tx_query - runs statement `id`; see pg_run() for the statuses. ret_rows may be NULL. */
MUST_CHECK enum status tx_query(struct tx *tx, enum sql id, const struct pg_params *params, struct pg_rows **ret_rows);

/*
 * tx_query_last - the transaction's last statement, which commits it; a round trip less than a commit by itself.
 *
 * What is on the arena by now stays there or nothing is committed: TOO_LARGE when it failed before. Else as pg_run_last().
 */
MUST_CHECK enum status tx_query_last(struct tx *tx, enum sql id, const struct pg_params *params);

/* tx_count - adds 1 to a counter once this transaction is committed; the last one asked for counts. */
void tx_count(struct tx *tx, enum metric metric);

/* tx_params - empty parameters in the request's arena. */
struct pg_params tx_params(struct tx *tx);

#endif
