#include "core/counter.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/ctx.h"

/* 1970-01-01 was a Thursday: week 0 began three days earlier. */
#define DAYS_BEFORE_THURSDAY 3
#define DAYS_OF_WEEK 7

struct counter_row {
	struct str name;
	size_t ever;
	size_t week; /* 0: not kept; no counter stands first in the struct but XP, whose week is elsewhere */
	size_t day;
};

#define AT(member) offsetof(struct balance, member)

static const struct counter_row counters[COUNTER_COUNT] = {
	[COUNTER_XP] = {STR_INIT("xp"), AT(xp), AT(week_xp), 0},
	[COUNTER_COINS] = {STR_INIT("coins"), AT(coins), AT(week_coins), 0},
	[COUNTER_MESSAGES_SENT] = {STR_INIT("messages_sent"), AT(messages_sent), 0, 0},
	[COUNTER_VOICE_SECONDS] = {STR_INIT("voice_seconds"), AT(voice_seconds), 0, 0},
	[COUNTER_GAMES_PLAYED] = {STR_INIT("games_played"), AT(games_played), AT(week_games_played), AT(day_games_played)},
	[COUNTER_GAMES_WON] = {STR_INIT("games_won"), AT(games_won), AT(week_games_won), AT(day_games_won)},
	[COUNTER_WINS_BEST] = {STR_INIT("wins_best"), AT(wins_best), AT(week_wins_best), 0},
	[COUNTER_ACHIEVEMENTS] = {STR_INIT("achievements"), AT(achievements), 0, 0},
	[COUNTER_DAILIES] = {STR_INIT("dailies"), AT(dailies), 0, AT(day_dailies)},
	[COUNTER_DAILY_STREAK] = {STR_INIT("daily_streak"), AT(daily_streak), 0, 0},
	[COUNTER_TICKETS_OPENED] = {STR_INIT("tickets_opened"), AT(tickets_opened), 0, 0},
	[COUNTER_PROMOS_USED] = {STR_INIT("promos_used"), AT(promos_used), 0, 0},
	[COUNTER_REFERRALS] = {STR_INIT("referrals"), AT(referrals), 0, 0},
	[COUNTER_LINKS] = {STR_INIT("links"), AT(links), 0, 0},
	[COUNTER_PROFILE_COMPLETE] = {STR_INIT("profile_complete"), AT(profile_complete), 0, 0},
};

enum counter counter_from_name(struct str name)
{
	for (int c = COUNTER_UNSET + 1; c < COUNTER_COUNT; c++) {
		if (str_eq(name, counters[c].name)) {
			return (enum counter)c;
		}
	}
	return COUNTER_UNSET;
}

struct str counter_name(enum counter counter)
{
	assert(counter > COUNTER_UNSET && counter < COUNTER_COUNT);
	return counters[counter].name;
}

static int64_t value_at(const struct balance *balance, size_t offset)
{
	int64_t value = 0;

	memcpy(&value, (const char *)balance + offset, sizeof(value));
	return value;
}

int64_t counter_value(const struct balance *balance, enum counter counter, enum balance_period period, const struct periods *running)
{
	const struct counter_row *row = &counters[counter];

	if (counter == COUNTER_UNSET) {
		return 0;
	}
	if (period == BALANCE_EVER) {
		return value_at(balance, row->ever);
	}
	if (period == BALANCE_WEEK && row->week != 0 && balance->week_no == running->week_no) {
		return value_at(balance, row->week);
	}
	if (period == BALANCE_DAY && row->day != 0 && balance->day_no == running->day_no) {
		return value_at(balance, row->day);
	}
	return 0;
}

int64_t counter_day(int64_t at)
{
	return at / DAY_US;
}

int64_t counter_week(int64_t at)
{
	return (counter_day(at) + DAYS_BEFORE_THURSDAY) / DAYS_OF_WEEK;
}

int64_t counter_day_start(int64_t day_no)
{
	return day_no * DAY_US;
}

int64_t counter_week_start(int64_t week_no)
{
	return (week_no * DAYS_OF_WEEK - DAYS_BEFORE_THURSDAY) * DAY_US;
}
