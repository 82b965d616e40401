#include "store/balance.h"

#include <stddef.h>
#include <string.h>

struct balance_column {
	bool time; /* timestamptz; else an integer */
	size_t offset;
};

static const struct balance_column columns[] = {
	{false, offsetof(struct balance, xp)},
	{false, offsetof(struct balance, coins)},
	{false, offsetof(struct balance, season_no)},
	{false, offsetof(struct balance, season_xp)},
	{false, offsetof(struct balance, season_coins)},
	{false, offsetof(struct balance, week_no)},
	{false, offsetof(struct balance, week_xp)},
	{false, offsetof(struct balance, week_coins)},
	{false, offsetof(struct balance, messages_sent)},
	{false, offsetof(struct balance, voice_seconds)},
	{false, offsetof(struct balance, games_played)},
	{false, offsetof(struct balance, games_won)},
	{false, offsetof(struct balance, achievements)},
	{false, offsetof(struct balance, daily_streak)},
	{true, offsetof(struct balance, last_daily)},
	{false, offsetof(struct balance, wins_in_row)},
	{false, offsetof(struct balance, wins_best)},
	{false, offsetof(struct balance, dailies)},
	{false, offsetof(struct balance, tickets_opened)},
	{false, offsetof(struct balance, promos_used)},
	{false, offsetof(struct balance, referrals)},
	{false, offsetof(struct balance, links)},
	{false, offsetof(struct balance, profile_complete)},
	{false, offsetof(struct balance, day_no)},
	{false, offsetof(struct balance, day_games_played)},
	{false, offsetof(struct balance, day_games_won)},
	{false, offsetof(struct balance, day_dailies)},
	{false, offsetof(struct balance, week_games_played)},
	{false, offsetof(struct balance, week_games_won)},
	{false, offsetof(struct balance, week_wins_in_row)},
	{false, offsetof(struct balance, week_wins_best)},
	{false, offsetof(struct balance, xp_day_no)},
	{false, offsetof(struct balance, day_message_xp)},
	{false, offsetof(struct balance, day_voice_xp)},
	{true, offsetof(struct balance, last_message_at)},
	{false, offsetof(struct balance, last_text)},
	{false, offsetof(struct balance, voice_rest)},
	{false, offsetof(struct balance, voice_session)},
	{false, offsetof(struct balance, voice_session_xp)},
	{false, offsetof(struct balance, rank_paid)},
};

_Static_assert(ARRAY_LEN(columns) == BALANCE_COLUMNS, "a row for each column");
_Static_assert(sizeof(struct balance) == BALANCE_COLUMNS * sizeof(int64_t), "a column for each member");

static int64_t value_of(const struct balance *balance, size_t column)
{
	int64_t value = 0;

	memcpy(&value, (const char *)balance + columns[column].offset, sizeof(value));
	return value;
}

struct balance balance_read(const struct pg_rows *rows, int row, int column)
{
	struct balance balance = {0};

	for (size_t i = 0; i < BALANCE_COLUMNS; i++) {
		int at = column + (int)i;
		int64_t value = columns[i].time ? pg_time(rows, row, at) : pg_i64(rows, row, at);

		memcpy((char *)&balance + columns[i].offset, &value, sizeof(value));
	}
	return balance;
}

void balance_add(struct pg_params *params, const struct balance *balance, size_t first)
{
	for (size_t i = first; i < BALANCE_COLUMNS; i++) {
		if (columns[i].time) {
			pg_add_time(params, value_of(balance, i));
		} else {
			pg_add_i64(params, value_of(balance, i));
		}
	}
}

void balance_add_arrays(struct pg_params *params, const struct balance *first, size_t stride, size_t count)
{
	int64_t *values = arena_array(params->arena, count, sizeof(*values));

	for (size_t i = 0; i < BALANCE_COLUMNS; i++) {
		if (values == NULL) {
			params->failed = true; /* pg_run() will refuse */
			pg_add_null(params);
			continue;
		}
		for (size_t row = 0; row < count; row++) {
			values[row] = value_of((const struct balance *)(const void *)((const char *)first + row * stride), i);
		}
		if (columns[i].time) {
			pg_add_time_array(params, values, count);
		} else {
			pg_add_i64_array(params, values, count);
		}
	}
}
