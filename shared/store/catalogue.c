#include "store/catalogue.h"

#include <stddef.h>

#include "core/mission.h"
#include "store/columns.h"

#define HUNDRED_YEARS_DAYS 36500

static enum status read_limited(struct tx *tx, enum sql id, int64_t limit, struct pg_rows **ret_rows)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, limit);
	return tx_query(tx, id, &params, ret_rows);
}

static enum status read_rates(struct tx *tx, struct economy_rates *ret_rates)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_CATALOGUE_RATES, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) != 1 || pg_i64(rows, 0, 9) > HUNDRED_YEARS_DAYS) {
		return INTERNAL;
	}
	*ret_rates = (struct economy_rates){
		.message_gap_us = pg_i64(rows, 0, 0) * SECOND_US,
		.message_xp_day = pg_i64(rows, 0, 1),
		.voice_step = pg_i64(rows, 0, 2),
		.voice_xp_session = pg_i64(rows, 0, 3),
		.voice_xp_day = pg_i64(rows, 0, 4),
		.daily_xp = pg_i64(rows, 0, 5),
		.daily_coins = pg_i64(rows, 0, 6),
		.daily_again_us = pg_i64(rows, 0, 7) * SECOND_US,
		.daily_keep_us = pg_i64(rows, 0, 8) * SECOND_US,
		.season_us = pg_i64(rows, 0, 9) * DAY_US,
		.season_start = pg_time(rows, 0, 10),
	};
	return OK;
}

static enum status read_ranks(struct tx *tx, struct arena *owner, struct economy *economy)
{
	struct pg_rows *rows = NULL;
	enum status status = read_limited(tx, SQL_CATALOGUE_RANKS, ECONOMY_RANKS_MAX, &rows);
	struct rank *ranks = NULL;

	if (status != OK) {
		return status;
	}
	economy->rank_count = (size_t)pg_row_count(rows);
	ranks = arena_array(owner, economy->rank_count, sizeof(*ranks));
	if (ranks == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < economy->rank_count; i++) {
		int row = (int)i;

		ranks[i] = (struct rank){.id = pg_i64(rows, row, 0), .name = str_dup(owner, pg_str(rows, row, 1)), .xp = pg_i64(rows, row, 2),
		                         .coins = pg_i64(rows, row, 3)};
	}
	economy->ranks = ranks;
	return economy->rank_count > 0 && ranks[0].xp == 0 ? OK : INTERNAL;
}

static enum status read_lengths(struct tx *tx, struct arena *owner, struct economy *economy)
{
	struct pg_rows *rows = NULL;
	enum status status = read_limited(tx, SQL_CATALOGUE_LENGTHS, ECONOMY_LENGTHS_MAX, &rows);
	struct message_xp *lengths = NULL;

	if (status != OK) {
		return status;
	}
	economy->length_count = (size_t)pg_row_count(rows);
	lengths = arena_array(owner, economy->length_count, sizeof(*lengths));
	if (lengths == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < economy->length_count; i++) {
		lengths[i] = (struct message_xp){.length = pg_i64(rows, (int)i, 0), .xp = pg_i64(rows, (int)i, 1)};
	}
	economy->lengths = lengths;
	return OK;
}

static enum status read_badges(struct tx *tx, struct arena *owner, struct economy *economy)
{
	struct pg_rows *rows = NULL;
	enum status status = read_limited(tx, SQL_CATALOGUE_BADGES, ECONOMY_BADGES_MAX, &rows);
	struct badge *badges = NULL;

	if (status != OK) {
		return status;
	}
	economy->badge_count = (size_t)pg_row_count(rows);
	badges = arena_array(owner, economy->badge_count, sizeof(*badges));
	if (badges == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < economy->badge_count; i++) {
		int row = (int)i;

		badges[i] = (struct badge){
			.id = pg_i64(rows, row, 0),
			.code = str_dup(owner, pg_str(rows, row, 1)),
			.name_ru = str_dup(owner, pg_str(rows, row, 2)),
			.name_en = str_dup(owner, pg_str(rows, row, 3)),
			.counter = counter_from_name(pg_str(rows, row, 4)),
			.at_least = pg_i64(rows, row, 5),
			.xp = pg_i64(rows, row, 6),
			.coins = pg_i64(rows, row, 7),
		};
	}
	economy->badges = badges;
	return OK;
}

static enum status read_missions(struct tx *tx, struct arena *owner, struct economy *economy)
{
	struct pg_rows *rows = NULL;
	enum status status = read_limited(tx, SQL_CATALOGUE_MISSIONS, ECONOMY_MISSIONS_MAX, &rows);
	struct mission *missions = NULL;

	if (status != OK) {
		return status;
	}
	economy->mission_count = (size_t)pg_row_count(rows);
	missions = arena_array(owner, economy->mission_count, sizeof(*missions));
	if (missions == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < economy->mission_count; i++) {
		int row = (int)i;

		missions[i] = (struct mission){
			.id = pg_i64(rows, row, 0),
			.code = str_dup(owner, pg_str(rows, row, 1)),
			.name_ru = str_dup(owner, pg_str(rows, row, 2)),
			.name_en = str_dup(owner, pg_str(rows, row, 3)),
			.counter = counter_from_name(pg_str(rows, row, 4)),
			.goal = pg_i64(rows, row, 5),
			.xp = pg_i64(rows, row, 6),
			.coins = pg_i64(rows, row, 7),
			.period = mission_period_from_name(pg_str(rows, row, 8)),
		};
	}
	economy->missions = missions;
	return OK;
}

enum status catalogue_read(struct tx *tx, struct arena *owner, struct economy *ret_economy)
{
	struct economy economy = {0};
	enum status status = read_rates(tx, &economy.rates);

	if (status == OK) {
		status = read_ranks(tx, owner, &economy);
	}
	if (status == OK) {
		status = read_lengths(tx, owner, &economy);
	}
	if (status == OK) {
		status = read_badges(tx, owner, &economy);
	}
	if (status == OK) {
		status = read_missions(tx, owner, &economy);
	}
	if (status == OK && arena_failed(owner)) {
		status = TOO_LARGE;
	}
	if (status == OK) {
		*ret_economy = economy;
	}
	return status;
}

/* ---- marks ---- */

static struct economy_account *account_at(struct economy_account *first, size_t stride, size_t i)
{
	return (struct economy_account *)(void *)((char *)first + i * stride);
}

static void put_badge(const struct pg_rows *rows, int row, const struct economy *economy, struct economy_account *account)
{
	size_t index = economy_badge_by_id(economy, pg_i64(rows, row, 1));

	if (index != SIZE_MAX) {
		economy_put(&account->badges, index);
	}
}

/* Staff may make one of a day out of one that was done once: what was completed as another kind is no mark of this one. */
static void put_mission(const struct pg_rows *rows, int row, const struct economy *economy, const struct periods *running,
                        struct economy_account *account)
{
	size_t index = economy_mission_by_id(economy, pg_i64(rows, row, 1));

	if (index != SIZE_MAX && economy_period_no(&economy->missions[index], running) == pg_i64(rows, row, 2)) {
		economy_put(&account->missions, index);
	}
}

/* Rows of (account, badge), or of (account, mission, period); both lists by account. running: NULL for badges. */
static void fill_sets(const struct pg_rows *rows, const struct economy *economy, const struct periods *running, const int64_t *ids,
                      size_t count, struct economy_account *accounts, size_t stride)
{
	size_t at = 0;

	for (int row = 0; row < pg_row_count(rows); row++) {
		while (at < count && ids[at] < pg_i64(rows, row, 0)) {
			at++;
		}
		if (at == count || ids[at] != pg_i64(rows, row, 0)) {
			continue;
		}
		if (running == NULL) {
			put_badge(rows, row, economy, account_at(accounts, stride, at));
		} else {
			put_mission(rows, row, economy, running, account_at(accounts, stride, at));
		}
	}
}

enum status marks_read(struct tx *tx, const struct economy *economy, const struct periods *running, const int64_t *ids, size_t count,
                       struct economy_account *accounts, size_t stride)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64_array(&params, ids, count);
	enum status status = tx_query(tx, SQL_BADGES_HELD, &params, &rows);

	if (status != OK) {
		return status;
	}
	fill_sets(rows, economy, NULL, ids, count, accounts, stride);
	params = tx_params(tx);
	pg_add_i64_array(&params, ids, count);
	pg_add_i64(&params, running->day_no);
	pg_add_i64(&params, running->week_no);
	status = tx_query(tx, SQL_MISSIONS_COMPLETED, &params, &rows);
	if (status == OK) {
		fill_sets(rows, economy, running, ids, count, accounts, stride);
	}
	return status;
}

enum status badges_earn(struct tx *tx, const struct badge_gain *gains, size_t count)
{
	struct pg_params params = tx_params(tx);

	column_add_i64s(&params, gains, COLUMN(badge_gain, account_id), count);
	column_add_i64s(&params, gains, COLUMN(badge_gain, badge_id), count);
	column_add_strs(&params, gains, COLUMN(badge_gain, source), count);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_BADGES_EARN, &params, NULL);
}

enum status missions_complete(struct tx *tx, const struct mission_gain *gains, size_t count)
{
	struct pg_params params = tx_params(tx);

	column_add_i64s(&params, gains, COLUMN(mission_gain, account_id), count);
	column_add_i64s(&params, gains, COLUMN(mission_gain, mission_id), count);
	column_add_i64s(&params, gains, COLUMN(mission_gain, period_no), count);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_MISSIONS_COMPLETE, &params, NULL);
}

static enum status count_badges(struct tx *tx, int64_t account_id, int64_t *ret_badges)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account_id);
	enum status status = tx_query(tx, SQL_BADGES_COUNT, &params, &rows);

	if (status == OK) {
		*ret_badges = pg_i64(rows, 0, 0);
	}
	return status;
}

static enum status run_pair(struct tx *tx, enum sql id, int64_t from, int64_t to)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, from);
	pg_add_i64(&params, to);
	return tx_query(tx, id, &params, NULL);
}

enum status marks_move(struct tx *tx, int64_t loser_id, int64_t survivor_id, int64_t *ret_badges)
{
	enum status status = run_pair(tx, SQL_BADGES_MOVE, loser_id, survivor_id);

	if (status == OK) {
		status = run_pair(tx, SQL_MISSIONS_MOVE, loser_id, survivor_id);
	}
	return status == OK ? count_badges(tx, survivor_id, ret_badges) : status;
}

enum status marks_copy(struct tx *tx, int64_t from, int64_t to, int64_t *ret_badges)
{
	struct pg_params params = tx_params(tx);
	enum status status = run_pair(tx, SQL_BADGES_COPY, from, to);

	if (status != OK) {
		return status;
	}
	pg_add_i64(&params, from);
	pg_add_i64(&params, to);
	pg_add_i64(&params, counter_day(tx->ctx->now));
	pg_add_i64(&params, counter_week(tx->ctx->now));
	status = tx_query(tx, SQL_MISSIONS_COPY, &params, NULL);
	return status == OK ? count_badges(tx, to, ret_badges) : status;
}

enum status badge_held_since(struct tx *tx, int64_t account_id, struct str code, int64_t *ret_since)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account_id);
	pg_add_str(&params, code);
	enum status status = tx_query(tx, SQL_BADGE_BY_CODE, &params, &rows);

	if (status == OK && pg_row_count(rows) == 0) {
		status = NOT_FOUND;
	}
	if (status == OK) {
		*ret_since = pg_time(rows, 0, 1);
	}
	return status;
}

enum status badges_own(struct tx *tx, int64_t account_id, bool *ret_own)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account_id);
	enum status status = tx_query(tx, SQL_BADGES_OWN, &params, &rows);

	if (status == OK) {
		*ret_own = pg_bool(rows, 0, 0);
	}
	return status;
}
