#include "store/season.h"

#include "store/columns.h"

enum status season_hold(struct tx *tx, int64_t *ret_no)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_SEASON_HOLD, &params, &rows);

	if (status == OK) {
		*ret_no = pg_i64(rows, 0, 0);
	}
	return status;
}

enum status season_results_join(struct tx *tx, int64_t loser_id, int64_t survivor_id)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, loser_id);
	pg_add_i64(&params, survivor_id);
	return tx_query(tx, SQL_SEASON_RESULTS_JOIN, &params, NULL);
}

enum status season_take(struct tx *tx, struct season_row *ret_row)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_SEASON_TAKE, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_row = (struct season_row){
		.no = pg_i64(rows, 0, 0),
		.counted_to = pg_i64(rows, 0, 1),
		.counted = pg_bool(rows, 0, 2),
		.begun = !pg_is_null(rows, 0, 3),
		.xp = pg_i64(rows, 0, 3),
		.user_id = pg_i64(rows, 0, 4),
		.places = {.count = pg_i64(rows, 0, 5), .place = pg_i64(rows, 0, 6), .xp = pg_i64(rows, 0, 7)},
	};
	return OK;
}

enum status season_next(struct tx *tx, int64_t *ret_no, bool *ret_open)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_SEASON_NEXT, &params, &rows);

	if (status == OK) {
		*ret_no = pg_i64(rows, 0, 0);
		*ret_open = pg_bool(rows, 0, 1);
	}
	return status;
}

enum status season_begin(struct tx *tx, int64_t no, int64_t starts_at, int64_t ends_at, int64_t patience_ms)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, patience_ms);
	enum status status = tx_query(tx, SQL_SEASON_BEGIN_PATIENCE, &params, NULL);

	if (status == OK) {
		params = tx_params(tx);
		status = tx_query(tx, SQL_SEASON_BEGIN_ALONE, &params, NULL);
	}
	if (status != OK) {
		return status;
	}
	params = tx_params(tx);
	pg_add_i64(&params, no);
	pg_add_time(&params, starts_at);
	pg_add_time(&params, ends_at);
	return tx_query(tx, SQL_SEASON_BEGIN, &params, NULL);
}

/* ---- counting ---- */

static enum status last_of_window(struct tx *tx, const struct season_row *row, int64_t limit, int64_t *ret_last)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, row->counted_to);
	pg_add_i64(&params, limit);
	enum status status = tx_query(tx, SQL_SEASON_WINDOW, &params, &rows);

	if (status == OK) {
		*ret_last = pg_i64(rows, 0, 0);
	}
	return status;
}

static enum status run_window(struct tx *tx, enum sql id, const struct season_row *row, int64_t last)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->counted_to);
	pg_add_i64(&params, last);
	pg_add_i64(&params, row->no);
	return tx_query(tx, id, &params, NULL);
}

static enum status keep_window(struct tx *tx, const struct season_row *row, int64_t last)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->no);
	if (last > 0) {
		pg_add_i64(&params, last);
		return tx_query(tx, SQL_SEASON_COUNTED_TO, &params, NULL);
	}
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_SEASON_COUNTED, &params, NULL);
}

enum status season_count(struct tx *tx, const struct season_row *row, int64_t limit, int64_t *ret_last)
{
	int64_t last = 0;
	enum status status = last_of_window(tx, row, limit, &last);

	if (status == OK && last > 0) {
		status = run_window(tx, SQL_SEASON_WINDOW_LOCK, row, last);
		if (status == OK) {
			status = run_window(tx, SQL_SEASON_WINDOW_COUNT, row, last);
		}
	}
	if (status == OK) {
		status = keep_window(tx, row, last);
	}
	if (status == OK) {
		*ret_last = last;
	}
	return status;
}

/* ---- places ---- */

enum status season_prizes(struct tx *tx, struct season_prize **ret_prizes, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, SEASON_PRIZES_MAX);
	enum status status = tx_query(tx, SQL_SEASON_PRIZES, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct season_prize *prizes = arena_array(tx->ctx->arena, count, sizeof(*prizes));

	if (prizes == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		prizes[i] = (struct season_prize){.place_from = pg_i64(rows, row, 0), .place_to = pg_i64(rows, row, 1),
		                                  .coins = pg_i64(rows, row, 2), .badge = pg_str(rows, row, 3)};
	}
	*ret_prizes = prizes;
	*ret_count = count;
	return OK;
}

enum status season_results(struct tx *tx, const struct season_row *row, size_t limit, struct season_result **ret_results, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, row->no);
	pg_add_i64(&params, row->begun ? row->xp : INT64_MAX);
	pg_add_i64(&params, row->begun ? row->user_id : INT64_MAX);
	pg_add_i64(&params, (int64_t)limit);
	enum status status = tx_query(tx, SQL_SEASON_RESULTS, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct season_result *results = arena_array(tx->ctx->arena, count, sizeof(*results));

	if (results == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int at = (int)i;

		results[i] = (struct season_result){.user_id = pg_i64(rows, at, 0), .account_id = pg_i64(rows, at, 1), .xp = pg_i64(rows, at, 2),
		                                    .visible = pg_bool(rows, at, 3), .alive = pg_bool(rows, at, 4)};
	}
	*ret_results = results;
	*ret_count = count;
	return OK;
}

static enum status keep_places(struct tx *tx, int64_t no, const struct season_result *results, size_t count)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, no);
	column_add_i64s(&params, results, COLUMN(season_result, user_id), count);
	column_add_i64s(&params, results, COLUMN(season_result, place), count);
	return tx_query(tx, SQL_SEASON_PLACES, &params, NULL);
}

enum status season_placed(struct tx *tx, const struct season_row *row, const struct season_result *results, size_t count)
{
	struct pg_params params = tx_params(tx);
	enum status status = keep_places(tx, row->no, results, count);

	if (status != OK || count == 0) {
		return status;
	}
	pg_add_i64(&params, row->no);
	pg_add_i64(&params, results[count - 1].xp);
	pg_add_i64(&params, results[count - 1].user_id);
	pg_add_i64(&params, row->places.count);
	pg_add_i64(&params, row->places.place);
	pg_add_i64(&params, row->places.xp);
	pg_add_i64(&params, (int64_t)count);
	return tx_query(tx, SQL_SEASON_PLACED, &params, NULL);
}

enum status season_close(struct tx *tx, int64_t no, int64_t *ret_participants, int64_t *ret_placed)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, no);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_SEASON_CLOSE, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return CONFLICT;
	}
	*ret_participants = pg_i64(rows, 0, 0);
	*ret_placed = pg_i64(rows, 0, 1);
	return OK;
}
