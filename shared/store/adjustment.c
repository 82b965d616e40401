#include "store/adjustment.h"

/* Columns of adjustment_find. */
enum { A_ACCOUNT, A_PERSON, A_XP, A_COINS, A_REASON, A_XP_AFTER, A_COINS_AFTER, A_AT };

enum status adjustment_find(struct tx *tx, struct str key, struct adjustment *ret_adjustment)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, key);
	enum status status = tx_query(tx, SQL_ADJUSTMENT_FIND, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_adjustment = (struct adjustment){
		.key = key,
		.account_id = pg_i64(rows, 0, A_ACCOUNT),
		.person = pg_bytes(tx->ctx->arena, rows, 0, A_PERSON),
		.reason = pg_bytes(tx->ctx->arena, rows, 0, A_REASON),
		.xp = pg_i64(rows, 0, A_XP),
		.coins = pg_i64(rows, 0, A_COINS),
		.xp_after = pg_i64(rows, 0, A_XP_AFTER),
		.coins_after = pg_i64(rows, 0, A_COINS_AFTER),
		.at = pg_time(rows, 0, A_AT),
	};
	return OK;
}

enum status adjustment_insert(struct tx *tx, const struct adjustment *adjustment)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, adjustment->key);
	pg_add_i64(&params, adjustment->account_id);
	pg_add_bytes(&params, adjustment->person);
	pg_add_i64(&params, adjustment->xp);
	pg_add_i64(&params, adjustment->coins);
	pg_add_bytes(&params, adjustment->reason);
	pg_add_i64(&params, adjustment->xp_after);
	pg_add_i64(&params, adjustment->coins_after);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_ADJUSTMENT_INSERT, &params, NULL);
}
