/*
 * counter - what badges and missions count, by name. The database holds the conditions; here is what a name means.
 */
#ifndef TRIVET_CORE_COUNTER_H
#define TRIVET_CORE_COUNTER_H

#include "core/account.h"

enum counter {
	COUNTER_UNSET = 0, /* no condition, or a name that this program does not know: never reached */
	COUNTER_XP,
	COUNTER_COINS,
	COUNTER_MESSAGES_SENT,
	COUNTER_VOICE_SECONDS,
	COUNTER_GAMES_PLAYED,
	COUNTER_GAMES_WON,
	COUNTER_WINS_BEST,
	COUNTER_ACHIEVEMENTS,
	COUNTER_DAILIES,
	COUNTER_DAILY_STREAK,
	COUNTER_TICKETS_OPENED,
	COUNTER_PROMOS_USED,
	COUNTER_REFERRALS,
	COUNTER_LINKS,
	COUNTER_PROFILE_COMPLETE,
	COUNTER_COUNT
};

/* counter_from_name - "games_won" ...; COUNTER_UNSET for what is not known. */
enum counter counter_from_name(struct str name);

/* counter_name - the same the other way round; COUNTER_UNSET has none (asserted). */
struct str counter_name(enum counter counter);

/* Which periods are running: seasons from the economy's start, weeks (ISO, UTC) and days from 1970. */
struct periods {
	int64_t season_no;
	int64_t week_no;
	int64_t day_no;
};

/*
 * counter_value - how far a counter stands.
 *
 * period    BALANCE_EVER, BALANCE_WEEK or BALANCE_DAY: within the running one, else 0
 * 0 for a counter that is not kept for such a period.
 */
int64_t counter_value(const struct balance *balance, enum counter counter, enum balance_period period, const struct periods *running);

/* counter_day, counter_week - the number of the day, of the week that an instant lies in. */
int64_t counter_day(int64_t at);
int64_t counter_week(int64_t at);

/* counter_day_start, counter_week_start - the instant that it begins at. */
int64_t counter_day_start(int64_t day_no);
int64_t counter_week_start(int64_t week_no);

#endif
