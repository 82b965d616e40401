#include "store/boards.h"

/* Columns from `first` on, in the order of struct board_values. */
static struct board_values read_values(const struct pg_rows *rows, int row, int first)
{
	return (struct board_values){
		.xp = pg_i64(rows, row, first),
		.coins = pg_i64(rows, row, first + 1),
		.season_no = pg_i64(rows, row, first + 2),
		.season_xp = pg_i64(rows, row, first + 3),
		.season_coins = pg_i64(rows, row, first + 4),
		.week_no = pg_i64(rows, row, first + 5),
		.week_xp = pg_i64(rows, row, first + 6),
		.week_coins = pg_i64(rows, row, first + 7),
	};
}

static struct board_name read_name(const struct pg_rows *rows, int row)
{
	return (struct board_name){
		.account_id = pg_i64(rows, row, 0), .display_name = pg_str(rows, row, 1), .rank = pg_str(rows, row, 2)};
}

enum status board_season(struct tx *tx, struct board_season *ret_season)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_BOARD_SEASON, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) != 1) {
		return INTERNAL; /* the migration made the row */
	}
	*ret_season = (struct board_season){.number = pg_i64(rows, 0, 0), .days = pg_i64(rows, 0, 1)};
	return OK;
}

enum status board_person(struct tx *tx, enum platform platform, int64_t platform_id, struct board_person *ret_person)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, platform_name(platform));
	pg_add_i64(&params, platform_id);
	enum status status = tx_query(tx, SQL_BOARD_PERSON, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_person = (struct board_person){.name = read_name(rows, 0), .hidden = pg_bool(rows, 0, 3), .values = read_values(rows, 0, 4)};
	return OK;
}

enum status board_names(struct tx *tx, const int64_t *ids, size_t count, struct board_name *ret_names, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64_array(&params, ids, count);
	enum status status = tx_query(tx, SQL_BOARD_NAMES, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t found = (size_t)pg_row_count(rows);

	if (found > count) {
		return INTERNAL;
	}
	for (size_t i = 0; i < found; i++) {
		ret_names[i] = read_name(rows, (int)i);
	}
	*ret_count = found;
	return OK;
}

/* ---- the keeper ---- */

enum status board_keeper_take(struct tx *tx, struct str owner, int64_t wall_now, int64_t until)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, owner);
	pg_add_time(&params, wall_now);
	pg_add_time(&params, until);
	enum status status = tx_query(tx, SQL_BOARD_KEEPER_TAKE, &params, &rows);

	return status == OK && pg_affected(rows) == 0 ? NOT_FOUND : status;
}

enum status board_keeper_release(struct tx *tx, struct str owner)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, owner);
	return tx_query(tx, SQL_BOARD_KEEPER_RELEASE, &params, NULL);
}

enum status board_keeper_turn(struct tx *tx, struct str owner, int64_t wall_now, int64_t *ret_turn)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, owner);
	pg_add_time(&params, wall_now);
	enum status status = tx_query(tx, SQL_BOARD_KEEPER_TURN, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_turn = pg_i64(rows, 0, 0);
	return OK;
}

enum status board_keeper_turned(struct tx *tx, struct str owner, int64_t turn, int64_t next)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, owner);
	pg_add_i64(&params, turn);
	pg_add_i64(&params, next);
	enum status status = tx_query(tx, SQL_BOARD_KEEPER_TURNED, &params, &rows);

	return status == OK && pg_affected(rows) == 0 ? CONFLICT : status;
}

enum status board_keeper_again(struct tx *tx, int64_t *ret_turn)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_BOARD_KEEPER_AGAIN, &params, &rows);

	if (status == OK) {
		*ret_turn = pg_i64(rows, 0, 0);
	}
	return status;
}

enum status board_keeper_state(struct tx *tx, int64_t wall_now, int64_t *ret_turn, bool *ret_kept)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_time(&params, wall_now);
	enum status status = tx_query(tx, SQL_BOARD_KEEPER_STATE, &params, &rows);

	if (status == OK) {
		*ret_turn = pg_i64(rows, 0, 0);
		*ret_kept = pg_bool(rows, 0, 1);
	}
	return status;
}

/* ---- marks ---- */

/* Columns of board_dirty_read and board_balances_read. */
enum row_column { R_ACCOUNT, R_VERSION, R_VISIBLE, R_VALUES };

static enum status read_rows(struct tx *tx, enum sql statement, int64_t after, size_t limit, struct board_row **ret_rows, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, after);
	pg_add_i64(&params, (int64_t)limit);
	enum status status = tx_query(tx, statement, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct board_row *read = arena_array(tx->ctx->arena, count, sizeof(*read));

	if (read == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		read[i] = (struct board_row){
			.account_id = pg_i64(rows, row, R_ACCOUNT),
			.version = pg_str(rows, row, R_VERSION),
			.visible = pg_bool(rows, row, R_VISIBLE),
			.values = read_values(rows, row, R_VALUES),
		};
	}
	*ret_rows = read;
	*ret_count = count;
	return OK;
}

enum status board_dirty_read(struct tx *tx, int64_t after, size_t limit, struct board_row **ret_rows, size_t *ret_count)
{
	return read_rows(tx, SQL_BOARD_DIRTY_READ, after, limit, ret_rows, ret_count);
}

enum status board_balances_read(struct tx *tx, int64_t after, size_t limit, struct board_row **ret_rows, size_t *ret_count)
{
	return read_rows(tx, SQL_BOARD_BALANCES_READ, after, limit, ret_rows, ret_count);
}

enum status board_dirty_forget(struct tx *tx, const struct board_row *rows, size_t count)
{
	struct pg_params params = tx_params(tx);
	int64_t *ids = arena_array(tx->ctx->arena, count, sizeof(*ids));
	struct str *versions = arena_array(tx->ctx->arena, count, sizeof(*versions));

	if (ids == NULL || versions == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		ids[i] = rows[i].account_id;
		versions[i] = rows[i].version;
	}
	pg_add_i64_array(&params, ids, count);
	pg_add_str_array(&params, versions, count);
	return tx_query(tx, SQL_BOARD_DIRTY_FORGET, &params, NULL);
}
