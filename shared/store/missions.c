#include "store/missions.h"

#include "store/balance.h"
#include "store/columns.h"

/* Columns of missions_of. */
enum view_column {
	V_ID, V_CODE, V_NAME_RU, V_NAME, V_PERIOD, V_COUNTER, V_GOAL, V_XP, V_COINS, V_COMPLETED, V_PAID, V_BALANCE
};

static struct mission read_mission(const struct pg_rows *rows, int row)
{
	return (struct mission){
		.id = pg_i64(rows, row, V_ID),
		.code = pg_str(rows, row, V_CODE),
		.name_ru = pg_str(rows, row, V_NAME_RU),
		.name_en = pg_str(rows, row, V_NAME),
		.period = mission_period_from_name(pg_str(rows, row, V_PERIOD)),
		.counter = counter_from_name(pg_str(rows, row, V_COUNTER)),
		.goal = pg_i64(rows, row, V_GOAL),
		.xp = pg_i64(rows, row, V_XP),
		.coins = pg_i64(rows, row, V_COINS),
	};
}

enum status missions_of(struct tx *tx, int64_t account_id, const struct periods *running, struct mission_view **ret_views,
                        size_t *ret_count, struct balance *ret_balance)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account_id);
	pg_add_i64(&params, running->day_no);
	pg_add_i64(&params, running->week_no);
	pg_add_i64(&params, ECONOMY_MISSIONS_MAX);
	enum status status = tx_query(tx, SQL_MISSIONS_OF, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct mission_view *views = arena_array(tx->ctx->arena, count, sizeof(*views));
	struct balance balance = count > 0 ? balance_read(rows, 0, V_BALANCE) : (struct balance){0};

	if (views == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		views[i] = (struct mission_view){.mission = read_mission(rows, row), .completed = pg_bool(rows, row, V_COMPLETED)};
		mission_judge(&views[i], &balance, running, pg_bool(rows, row, V_PAID));
	}
	*ret_views = views;
	*ret_count = count;
	*ret_balance = balance;
	return OK;
}

static enum status plan_due(struct tx *tx)
{
	struct pg_params params = tx_params(tx);

	return tx_query(tx, SQL_MISSIONS_DUE_PLAN, &params, NULL);
}

/* A place in the order of the index. */
static void add_place(struct pg_params *params, const struct mission_due *due)
{
	pg_add_i64(params, due->period_no);
	pg_add_i64(params, due->account_id);
	pg_add_i64(params, due->mission_id);
}

enum status missions_due(struct tx *tx, const struct periods *running, const struct mission_due *after, size_t limit,
                         struct mission_due **ret_due, size_t *ret_count)
{
	/* Days since 1970 are seven times as many as weeks: no day has so low a number, and no week that any clock believes in so high a one. */
	struct mission_due first_day = {.period_no = 2 * running->week_no};
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = plan_due(tx);

	if (status != OK) {
		return status;
	}
	pg_add_i64(&params, running->day_no);
	pg_add_i64(&params, running->week_no);
	add_place(&params, after);
	add_place(&params, after->period_no > first_day.period_no ? after : &first_day);
	pg_add_i64(&params, (int64_t)limit);
	status = tx_query(tx, SQL_MISSIONS_DUE, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct mission_due *due = arena_array(tx->ctx->arena, count, sizeof(*due));

	if (due == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		due[i] = (struct mission_due){.account_id = pg_i64(rows, row, 0), .mission_id = pg_i64(rows, row, 1), .period_no = pg_i64(rows, row, 2),
		                              .code = pg_str(rows, row, 3), .xp = pg_i64(rows, row, 4), .coins = pg_i64(rows, row, 5)};
	}
	*ret_due = due;
	*ret_count = count;
	return OK;
}

enum status missions_mark_claimed(struct tx *tx, const struct mission_due *due, size_t count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	column_add_i64s(&params, due, COLUMN(mission_due, account_id), count);
	column_add_i64s(&params, due, COLUMN(mission_due, mission_id), count);
	column_add_i64s(&params, due, COLUMN(mission_due, period_no), count);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_MISSIONS_MARK_CLAIMED, &params, &rows);

	if (status != OK) {
		return status;
	}
	return pg_affected(rows) == (int64_t)count ? OK : RETRY;
}
