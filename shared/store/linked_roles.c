#include "store/linked_roles.h"

enum status linked_role_put(struct tx *tx, int64_t identity_id, struct str sealed, int64_t expires_at)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, identity_id);
	pg_add_bytes(&params, sealed);
	pg_add_time(&params, expires_at);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_LINKED_ROLE_PUT, &params, NULL);
}

static struct linked_row read_row(struct arena *arena, const struct pg_rows *rows, int at)
{
	return (struct linked_row){
		.identity_id = pg_i64(rows, at, 0),
		.user_id = pg_i64(rows, at, 1),
		.sealed = pg_bytes(arena, rows, at, 2),
		.expires_at = pg_time(rows, at, 3),
		.generation = pg_i64(rows, at, 4),
		.version = pg_str(rows, at, 5),
		.attempts = pg_i64(rows, at, 6),
		.shown = {.at = pg_time(rows, at, 7),
		          .values = {.rank = pg_i64(rows, at, 8), .xp = pg_i64(rows, at, 9), .days = pg_i64(rows, at, 10)}},
		.xp = pg_i64(rows, at, 11),
		.joined_at = pg_time(rows, at, 12),
	};
}

enum status linked_role_claim(struct tx *tx, const struct role_claim *claim, struct linked_row **ret_rows, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, claim->bot);
	pg_add_str(&params, claim->owner);
	pg_add_time(&params, claim->wall_now);
	pg_add_time(&params, tx->ctx->now);
	pg_add_i64_array(&params, claim->in_work, claim->in_work_count);
	pg_add_i64(&params, (int64_t)claim->room);
	enum status status = tx_query(tx, SQL_LINKED_ROLE_CLAIM, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct linked_row *list = arena_array(tx->ctx->arena, count, sizeof(*list));

	if (list == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		list[i] = read_row(tx->ctx->arena, rows, (int)i);
	}
	*ret_rows = list;
	*ret_count = count;
	return OK;
}

enum status linked_role_tokens(struct tx *tx, int64_t identity_id, int64_t generation, struct str sealed, int64_t expires_at)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, identity_id);
	pg_add_i64(&params, generation);
	pg_add_bytes(&params, sealed);
	pg_add_time(&params, expires_at);
	enum status status = tx_query(tx, SQL_LINKED_ROLE_TOKENS, &params, &rows);

	return status == OK && pg_affected(rows) == 0 ? NOT_FOUND : status;
}

enum status linked_role_shown(struct tx *tx, const struct linked_row *row, const struct linked_values *values, int64_t due_at)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->identity_id);
	pg_add_str(&params, row->version);
	pg_add_time(&params, tx->ctx->now);
	pg_add_i64(&params, values->rank);
	pg_add_i64(&params, values->xp);
	pg_add_i64(&params, values->days);
	pg_add_time(&params, due_at);
	return tx_query(tx, SQL_LINKED_ROLE_SHOWN, &params, NULL);
}

enum status linked_role_later(struct tx *tx, const struct linked_row *row, int64_t due_at, struct str why, bool attempt)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->identity_id);
	pg_add_str(&params, row->version);
	pg_add_time(&params, due_at);
	pg_add_str(&params, why);
	pg_add_bool(&params, attempt);
	return tx_query(tx, SQL_LINKED_ROLE_LATER, &params, NULL);
}

enum status linked_role_end(struct tx *tx, const struct linked_row *row, struct str why)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->identity_id);
	pg_add_i64(&params, row->generation);
	pg_add_str(&params, why);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_LINKED_ROLE_END, &params, NULL);
}
