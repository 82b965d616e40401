#include "store/roles.h"

enum status role_claim_people(struct tx *tx, const struct role_claim *claim, struct role_person **ret_people, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, claim->bot);
	pg_add_str(&params, claim->owner);
	pg_add_time(&params, claim->wall_now);
	pg_add_time(&params, tx->ctx->now);
	pg_add_i64_array(&params, claim->in_work, claim->in_work_count);
	pg_add_i64(&params, (int64_t)claim->room);
	pg_add_time(&params, claim->refused_before);
	enum status status = tx_query(tx, SQL_ROLE_CLAIM, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct role_person *people = arena_array(tx->ctx->arena, count, sizeof(*people));

	if (people == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		people[i] = (struct role_person){.guild_id = pg_i64(rows, row, 0), .user_id = pg_i64(rows, row, 1), .mark = pg_str(rows, row, 2),
		                                 .attempts = pg_i64(rows, row, 3), .known = !pg_is_null(rows, row, 4), .xp = pg_i64(rows, row, 4)};
	}
	*ret_people = people;
	*ret_count = count;
	return OK;
}

enum status role_rules_read(struct tx *tx, int64_t refused_before, struct role_mapping **ret_rules, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_time(&params, refused_before);
	enum status status = tx_query(tx, SQL_ROLE_RULES, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct role_mapping *rules = arena_array(tx->ctx->arena, count, sizeof(*rules));

	if (rules == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		rules[i] = (struct role_mapping){.guild_id = pg_i64(rows, row, 0),
		                                 .rule = {.role_id = pg_i64(rows, row, 1), .rank_id = pg_i64(rows, row, 2),
		                                          .letter = pg_str(rows, row, 3), .refused = pg_bool(rows, row, 4)}};
	}
	*ret_rules = rules;
	*ret_count = count;
	return OK;
}

enum status role_sweep(struct tx *tx, const struct role_claim *claim, size_t portion, int64_t next_round, int64_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, claim->owner);
	pg_add_time(&params, claim->wall_now);
	pg_add_time(&params, tx->ctx->now);
	pg_add_i64(&params, (int64_t)portion);
	pg_add_time(&params, next_round);
	pg_add_time(&params, claim->refused_before);
	pg_add_str(&params, claim->bot);
	enum status status = tx_query(tx, SQL_ROLE_SWEEP, &params, &rows);

	if (status == OK) {
		*ret_count = pg_affected(rows);
	}
	return status;
}

enum status role_outcome_write(struct tx *tx, const struct role_outcome *outcome)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, outcome->guild_id);
	pg_add_i64(&params, outcome->user_id);
	pg_add_str(&params, outcome->mark);
	if (outcome->done) {
		pg_add_i64_array(&params, outcome->wanted, outcome->wanted_count);
		pg_add_i64_array(&params, outcome->applied, outcome->applied_count);
		pg_add_bool(&params, outcome->absent);
		pg_add_time(&params, tx->ctx->now);
		return tx_query(tx, SQL_ROLE_SETTLE, &params, NULL);
	}
	pg_add_time(&params, outcome->due_at);
	pg_add_str(&params, outcome->error);
	pg_add_bool(&params, outcome->attempt);
	return tx_query(tx, SQL_ROLE_POSTPONE, &params, NULL);
}

enum status role_refuse(struct tx *tx, int64_t guild_id, int64_t role_id, struct str why, bool *ret_news)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, guild_id);
	if (role_id != 0) {
		pg_add_i64(&params, role_id);
	}
	pg_add_str(&params, why);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, role_id != 0 ? SQL_ROLE_REFUSE : SQL_ROLE_GUILD_REFUSE, &params, &rows);

	if (status == OK) {
		*ret_news = pg_row_count(rows) > 0 && pg_bool(rows, 0, 0);
	}
	return status;
}
