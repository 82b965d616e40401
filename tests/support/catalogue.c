#include "support/catalogue.h"

#include "base/ctx.h"

static const struct rank ranks[] = {
	{1, STR_INIT("F I"), 0, 0},
	{2, STR_INIT("F II"), 500, 50},
	{3, STR_INIT("F III"), 1250, 100},
	{4, STR_INIT("E I"), 2250, 150},
	{5, STR_INIT("E II"), 3500, 200},
	{6, STR_INIT("E III"), 5000, 300},
	{7, STR_INIT("D I"), 6750, 400},
	{8, STR_INIT("D II"), 8750, 500},
	{9, STR_INIT("D III"), 11000, 700},
	{10, STR_INIT("C I"), 13500, 900},
	{11, STR_INIT("C II"), 16250, 1200},
	{12, STR_INIT("C III"), 19250, 1500},
	{13, STR_INIT("B I"), 22500, 2000},
	{14, STR_INIT("B II"), 26000, 2500},
	{15, STR_INIT("B III"), 29750, 3000},
	{16, STR_INIT("A I"), 33750, 4000},
	{17, STR_INIT("A II"), 38000, 5000},
	{18, STR_INIT("A III"), 42500, 7000},
	{19, STR_INIT("S I"), 47250, 10000},
	{20, STR_INIT("S II"), 52250, 15000},
};

static const struct message_xp lengths[] = {{0, 0}, {10, 1}, {50, 2}, {100, 3}, {200, 4}, {500, 5}};

#define BADGE(number, name, what, least, x, c) \
	{.id = (number), .code = STR_INIT(name), .counter = COUNTER_##what, .at_least = (least), .xp = (x), .coins = (c)}

static const struct badge badges[] = {
	BADGE(1, "first_win", GAMES_WON, 1, 100, 50),
	BADGE(2, "winner_10", GAMES_WON, 10, 200, 100),
	BADGE(3, "winner_50", GAMES_WON, 50, 500, 300),
	BADGE(4, "winner_100", GAMES_WON, 100, 1000, 500),
	BADGE(5, "winner_500", GAMES_WON, 500, 5000, 2000),
	BADGE(6, "active_player", GAMES_PLAYED, 100, 300, 150),
	BADGE(7, "dedicated_player", GAMES_PLAYED, 500, 1000, 500),
	BADGE(8, "rich", COINS, 10000, 500, 1000),
	BADGE(9, "experienced", XP, 10000, 1000, 500),
	BADGE(10, "streak_3", DAILY_STREAK, 3, 150, 75),
	BADGE(11, "streak_7", DAILY_STREAK, 7, 500, 250),
	BADGE(12, "streak_30", DAILY_STREAK, 30, 2000, 1000),
	BADGE(13, "first_ticket", TICKETS_OPENED, 1, 50, 25),
	BADGE(14, "season_participant", UNSET, 0, 100, 50),
	BADGE(15, "season_top50", UNSET, 0, 500, 250),
	BADGE(16, "season_top10", UNSET, 0, 1500, 750),
	BADGE(17, "season_champion", UNSET, 0, 5000, 2500),
	BADGE(18, "linked", LINKS, 2, 100, 100),
};

#define MISSION(number, name, when, what, least, c) \
	{.id = (number), .code = STR_INIT(name), .period = BALANCE_##when, .counter = COUNTER_##what, .goal = (least), .coins = (c)}

static const struct mission missions[] = {
	MISSION(1, "daily_play_3", DAY, GAMES_PLAYED, 3, 50),
	MISSION(2, "daily_win_1", DAY, GAMES_WON, 1, 100),
	MISSION(3, "daily_return", DAY, DAILIES, 1, 10),
	MISSION(4, "weekly_play_20", WEEK, GAMES_PLAYED, 20, 500),
	MISSION(5, "weekly_win_10", WEEK, GAMES_WON, 10, 1000),
	MISSION(6, "weekly_row_5", WEEK, WINS_BEST, 5, 1500),
	MISSION(7, "once_play_1", EVER, GAMES_PLAYED, 1, 50),
	MISSION(8, "once_play_5", EVER, GAMES_PLAYED, 5, 100),
	MISSION(9, "once_win_1", EVER, GAMES_WON, 1, 75),
	MISSION(10, "once_row_3", EVER, WINS_BEST, 3, 200),
	MISSION(11, "once_play_10", EVER, GAMES_PLAYED, 10, 250),
	MISSION(12, "once_play_50", EVER, GAMES_PLAYED, 50, 1000),
	MISSION(13, "once_play_100", EVER, GAMES_PLAYED, 100, 2500),
	MISSION(14, "once_link", EVER, LINKS, 2, 150),
	MISSION(15, "once_profile", EVER, PROFILE_COMPLETE, 1, 150),
	MISSION(16, "once_promo", EVER, PROMOS_USED, 1, 150),
	MISSION(17, "once_referral", EVER, REFERRALS, 1, 200),
	MISSION(18, "once_win_25", EVER, GAMES_WON, 25, 2500),
	MISSION(19, "once_row_10", EVER, WINS_BEST, 10, 5000),
};

const struct economy default_economy = {
	.rates = {.message_gap_us = 30 * SECOND_US, .message_xp_day = 300, .voice_step = 300, .voice_xp_session = 50, .voice_xp_day = 150,
	          .daily_xp = 50, .daily_coins = 100, .daily_again_us = 20 * HOUR_US, .daily_keep_us = 48 * HOUR_US, .season_us = 30 * DAY_US,
	          .season_start = 20000 * DAY_US},
	.ranks = ranks, .rank_count = ARRAY_LEN(ranks),
	.lengths = lengths, .length_count = ARRAY_LEN(lengths),
	.badges = badges, .badge_count = ARRAY_LEN(badges),
	.missions = missions, .mission_count = ARRAY_LEN(missions),
};
