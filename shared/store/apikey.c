#include "store/apikey.h"

/* Columns of apikey_find. */
enum { K_ID, K_NAME, K_SCOPES, K_BOT, K_PLATFORM, K_TRUST, K_IN_FLIGHT, K_LAST_USED };

enum status apikey_find(struct tx *tx, struct str hash, struct apikey *ret_key)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum platform platform = PLATFORM_UNSET;

	pg_add_bytes(&params, hash);
	enum status status = tx_query(tx, SQL_APIKEY_FIND, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	if (!pg_is_null(rows, 0, K_PLATFORM) && platform_from_name(pg_str(rows, 0, K_PLATFORM), &platform) != OK) {
		return INTERNAL;
	}
	*ret_key = (struct apikey){
		.id = pg_i64(rows, 0, K_ID),
		.name = pg_str(rows, 0, K_NAME),
		.scopes = pg_str(rows, 0, K_SCOPES),
		.bot = pg_str(rows, 0, K_BOT),
		.platform = platform,
		.counters_only = str_eq(pg_str(rows, 0, K_TRUST), STR("counters")),
		.in_flight = (int)pg_i64(rows, 0, K_IN_FLIGHT),
		.last_used_at = pg_time(rows, 0, K_LAST_USED),
	};
	return OK;
}

enum status apikey_used(struct tx *tx, int64_t id, int64_t since)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, id);
	pg_add_time(&params, tx->ctx->now);
	pg_add_time(&params, since);
	return tx_query(tx, SQL_APIKEY_USED, &params, NULL);
}
