#include "store/shown.h"

#include "store/balance.h"
#include "store/columns.h"

struct viewer viewer_read(const struct pg_rows *rows, int row)
{
	return (struct viewer){
		.account_id = pg_i64(rows, row, 0),
		.language = language_from_code(pg_str(rows, row, 1)),
		.username = pg_str(rows, row, 2),
		.name = pg_str(rows, row, 3),
		.language_hint = pg_str(rows, row, 4),
		.last_seen = pg_time(rows, row, 5),
	};
}

/* limit   0: the statement takes none. OK, NOT_FOUND (no row: nobody). */
static enum status query_shown(struct tx *tx, enum sql id, enum platform platform, int64_t platform_id, int64_t limit,
                               struct pg_rows **ret_rows)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, platform_name(platform));
	pg_add_i64(&params, platform_id);
	if (limit > 0) {
		pg_add_i64(&params, limit);
	}
	enum status status = tx_query(tx, id, &params, ret_rows);

	return status == OK && pg_row_count(*ret_rows) == 0 ? NOT_FOUND : status;
}

enum status history_read(struct tx *tx, enum platform platform, int64_t platform_id, int64_t limit, struct history *ret_history)
{
	enum { COINS = VIEWER_COLUMNS, KIND, XP_CHANGE, COINS_CHANGE, REASON, AT, NAME_RU, NAME_EN };
	struct pg_rows *rows = NULL;
	enum status status = query_shown(tx, SQL_HISTORY_BY_IDENTITY, platform, platform_id, limit, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = pg_is_null(rows, 0, KIND) ? 0 : (size_t)pg_row_count(rows);
	struct history history = {.viewer = viewer_read(rows, 0), .coins = pg_i64(rows, 0, COINS), .count = count,
	                          .rows = arena_array(tx->ctx->arena, count, sizeof(*history.rows))};

	if (history.rows == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		history.rows[i] = (struct history_row){
			.kind = ledger_kind_from_name(pg_str(rows, row, KIND)),
			.xp = pg_i64(rows, row, XP_CHANGE),
			.coins = pg_i64(rows, row, COINS_CHANGE),
			.reason = pg_str(rows, row, REASON),
			.at = pg_time(rows, row, AT),
			.name_ru = pg_str(rows, row, NAME_RU),
			.name_en = pg_str(rows, row, NAME_EN),
		};
	}
	*ret_history = history;
	return OK;
}

enum status badge_states_read(struct tx *tx, enum platform platform, int64_t platform_id, struct badge_states *ret_states)
{
	enum { BALANCE = VIEWER_COLUMNS, NAME_RU = BALANCE + BALANCE_COLUMNS, NAME_EN, TEXT_RU, TEXT_EN, COUNTED, AT_LEAST, EARNED_AT };
	struct pg_rows *rows = NULL;
	enum status status = query_shown(tx, SQL_BADGES_BY_IDENTITY, platform, platform_id, ECONOMY_BADGES_MAX, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = pg_is_null(rows, 0, NAME_EN) ? 0 : (size_t)pg_row_count(rows);
	struct badge_states states = {.viewer = viewer_read(rows, 0), .balance = balance_read(rows, 0, BALANCE), .count = count,
	                              .rows = arena_array(tx->ctx->arena, count, sizeof(*states.rows))};

	if (states.rows == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		states.rows[i] = (struct badge_state){
			.name_ru = pg_str(rows, row, NAME_RU),
			.name_en = pg_str(rows, row, NAME_EN),
			.description_ru = pg_str(rows, row, TEXT_RU),
			.description_en = pg_str(rows, row, TEXT_EN),
			.counter = counter_from_name(pg_str(rows, row, COUNTED)),
			.at_least = pg_i64(rows, row, AT_LEAST),
			.earned_at = pg_time(rows, row, EARNED_AT),
		};
	}
	*ret_states = states;
	return OK;
}

/* ---- choices ---- */

static const struct str switch_names[NOTIFY_SWITCH_COUNT] = {
	[NOTIFY_SWITCH_UNSET] = STR_INIT("unset"),
	[NOTIFY_SWITCH_RANK] = STR_INIT("rank"),
	[NOTIFY_SWITCH_BADGES] = STR_INIT("badges"),
	[NOTIFY_SWITCH_MISSIONS] = STR_INIT("missions"),
	[NOTIFY_SWITCH_REMINDERS] = STR_INIT("reminders"),
};

struct str notify_switch_name(enum notify_switch which)
{
	return switch_names[which];
}

enum status notify_switch_from_name(struct str name, enum notify_switch *ret_which)
{
	for (int i = NOTIFY_SWITCH_UNSET + 1; i < NOTIFY_SWITCH_COUNT; i++) {
		if (str_eq(name, switch_names[i])) {
			*ret_which = (enum notify_switch)i;
			return OK;
		}
	}
	return NOT_FOUND;
}

/* In the order of the enum, from `column` on. */
static struct notify_switches read_switches(const struct pg_rows *rows, int column)
{
	struct notify_switches switches = {0};

	for (int i = NOTIFY_SWITCH_UNSET + 1; i < NOTIFY_SWITCH_COUNT; i++) {
		switches.on[i] = pg_bool(rows, 0, column + i - 1);
	}
	return switches;
}

enum status notify_switches_read(struct tx *tx, enum platform platform, int64_t platform_id, struct viewer *ret_viewer,
                                 struct notify_switches *ret_switches)
{
	struct pg_rows *rows = NULL;
	enum status status = query_shown(tx, SQL_NOTIFY_BY_IDENTITY, platform, platform_id, 0, &rows);

	if (status == OK) {
		*ret_viewer = viewer_read(rows, 0);
		*ret_switches = read_switches(rows, VIEWER_COLUMNS);
	}
	return status;
}

enum status notify_switch_set(struct tx *tx, int64_t account_id, enum notify_switch which, bool on, struct notify_switches *ret_switches)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account_id);
	pg_add_str(&params, notify_switch_name(which));
	pg_add_bool(&params, on);
	enum status status = tx_query(tx, SQL_NOTIFY_SET, &params, &rows);

	if (status == OK && pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	if (status == OK) {
		*ret_switches = read_switches(rows, 0);
	}
	return status;
}

enum status account_set_name(struct tx *tx, int64_t account_id, struct str name, bool *ret_both)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account_id);
	pg_add_str(&params, name);
	enum status status = tx_query(tx, SQL_ACCOUNT_SET_NAME, &params, &rows);

	if (status == OK && pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	if (status == OK) {
		*ret_both = pg_bool(rows, 0, 0);
	}
	return status;
}

/* ---- groups ---- */

enum status announce_where(struct tx *tx, const struct announce_wish *wishes, size_t count, struct announce_found **ret_found,
                           size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	column_add_i64s(&params, wishes, COLUMN(announce_wish, account_id), count);
	column_add_i64s(&params, wishes, COLUMN(announce_wish, chat_id), count);
	enum status status = tx_query(tx, SQL_ANNOUNCE_WHERE, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t found = (size_t)pg_row_count(rows);
	struct announce_found *list = arena_array(tx->ctx->arena, found, sizeof(*list));

	if (list == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < found; i++) {
		list[i] = (struct announce_found){.index = (size_t)pg_i64(rows, (int)i, 0) - 1, .name = pg_str(rows, (int)i, 1)};
	}
	*ret_found = list;
	*ret_count = found;
	return OK;
}
