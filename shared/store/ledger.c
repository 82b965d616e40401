#include "store/store.h"

enum status ledger_insert(struct tx *tx, const struct ledger_row *row)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->account_id);
	pg_add_str(&params, row->key);
	pg_add_str(&params, ledger_kind_name(row->kind));
	pg_add_i64(&params, row->entry.xp);
	pg_add_i64(&params, row->entry.coins);
	pg_add_i64(&params, row->entry.xp_after);
	pg_add_i64(&params, row->entry.coins_after);
	pg_add_str(&params, row->source);
	pg_add_str(&params, row->reason);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_LEDGER_INSERT, &params, NULL);
}

enum status event_key_claim(struct tx *tx, struct str key, struct str content)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_str(&params, key);
	pg_add_bytes(&params, content);
	pg_add_time(&params, tx->ctx->now);
	status = tx_query(tx, SQL_EVENT_KEY_CLAIM, &params, &rows);
	if (status != OK) {
		return status;
	}
	return pg_affected(rows) == 1 ? OK : CONFLICT;
}

enum status event_keys_claim_own(struct tx *tx, const struct str *keys, const struct str *contents, size_t count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str_array(&params, keys, count);
	pg_add_bytes_array(&params, contents, count);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_EVENT_KEYS_CLAIM_OWN, &params, &rows);

	if (status != OK) {
		return status;
	}
	return pg_affected(rows) == (int64_t)count ? OK : CONFLICT;
}
