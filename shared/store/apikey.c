#include "store/apikey.h"

#include "store/columns.h"

/* Columns of apikey_find. */
enum { K_ID, K_NAME, K_SCOPES, K_BOT, K_PLATFORM, K_TRUST, K_IN_FLIGHT, K_PER_MINUTE };

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
		.per_minute = (int)pg_i64(rows, 0, K_PER_MINUTE), /* NULL: 0 */
	};
	return OK;
}

enum status apikey_usage_add(struct tx *tx, const struct apikey_usage *rows, size_t count)
{
	struct pg_params params = tx_params(tx);

	column_add_i64s(&params, rows, COLUMN(apikey_usage, key_id), count);
	column_add_times(&params, rows, COLUMN(apikey_usage, last_at), count);
	enum status status = tx_query(tx, SQL_APIKEY_LAST_USED, &params, NULL);

	if (status == OK) {
		column_add_strs(&params, rows, COLUMN(apikey_usage, route), count);
		column_add_i64s(&params, rows, COLUMN(apikey_usage, requests), count);
		column_add_i64s(&params, rows, COLUMN(apikey_usage, refused), count);
		status = tx_query(tx, SQL_APIKEY_USAGE_ADD, &params, NULL);
	}
	return status;
}
