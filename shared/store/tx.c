/* What a store function runs on. */
#include "store/tx.h"

struct pg_params tx_params(struct tx *tx)
{
	return pg_params(tx->ctx->arena);
}

enum status tx_query(struct tx *tx, enum sql id, const struct pg_params *params, struct pg_rows **ret_rows)
{
	return pg_run(tx->conn, tx->ctx->arena, (size_t)id, params, ret_rows);
}

enum status tx_query_last(struct tx *tx, enum sql id, const struct pg_params *params)
{
	if (arena_failed(tx->ctx->arena)) {
		return TOO_LARGE;
	}
	enum status status = pg_run_last(tx->conn, (size_t)id, params);
	tx->committed = status == OK;
	return status;
}

void tx_count(struct tx *tx, enum metric metric)
{
	tx->counted = metric;
}
