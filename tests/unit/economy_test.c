/* economy: what one event leads to - ranks, badges, missions, XP rates, caps, periods - and a random comparison with a simple oracle. */
#include "core/economy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/catalogue.h"
#include "support/random.h"

#define NOW (INT64_C(1763645000) * SECOND_US) /* 2025-11-20T13:23:20Z */

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new((size_t)64 * 1024 * 1024);
	return arena == NULL;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* One account, and the effects of its last turn. */
struct scene {
	struct economy_account account;
	struct economy_effects effects;
	int64_t now;
	struct str rejected;
};

static struct scene fresh(void)
{
	return (struct scene){.account.balance.rank_paid = 1, .now = NOW};
}

static struct economy_turn turn_of(struct scene *scene)
{
	economy_effects_begin(&scene->effects, arena);
	return (struct economy_turn){.economy = &default_economy, .running = economy_periods(&default_economy, scene->now), .key = STR("k"),
	                             .account = &scene->account, .effects = &scene->effects};
}

static void apply(struct scene *scene, const struct event *event)
{
	struct economy_turn turn = turn_of(scene);

	scene->rejected = STR("not set");
	assert_int_equal(economy_apply(&turn, event, &scene->rejected), OK);
}

static void give_xp(struct scene *scene, int64_t xp)
{
	struct event event = {.type = EVENT_XP_CHANGE, .at = scene->now, .values = {{true, xp, STR_ABSENT}, {true, 0, STR("why")}}};

	apply(scene, &event);
}

static void give_coins(struct scene *scene, int64_t coins)
{
	struct event event = {.type = EVENT_COINS_CHANGE, .at = scene->now, .values = {{true, coins, STR_ABSENT}, {true, 0, STR("why")}}};

	apply(scene, &event);
}

static void play(struct scene *scene, bool won)
{
	struct event event = {.type = EVENT_GAME_PLAYED, .at = scene->now, .values = {{true, 0, STR("go")}, {true, won, STR_ABSENT}}};

	apply(scene, &event);
}

/* XP that a message gives. */
static int64_t say(struct scene *scene, int64_t length, int64_t at)
{
	struct event event = {.type = EVENT_MESSAGE_SENT, .at = at, .values = {[EVENT_MESSAGE_LENGTH] = {true, length, STR_ABSENT}}};
	int64_t before = scene->account.balance.xp;

	apply(scene, &event);
	assert_false(str_present(scene->rejected));
	return scene->account.balance.xp - before;
}

static int64_t talk(struct scene *scene, int64_t seconds, int64_t at, const char *session)
{
	struct event event = {.type = EVENT_VOICE_TIME, .at = at, .values = {[EVENT_VOICE_SECONDS] = {true, seconds, STR_ABSENT},
	                      [EVENT_VOICE_SESSION] = {session != NULL, 0, str_from_z(session)}}};
	int64_t before = scene->account.balance.xp;

	apply(scene, &event);
	return scene->account.balance.xp - before;
}

static bool has_row(const struct scene *scene, const char *key)
{
	for (size_t i = 0; i < scene->effects.row_count; i++) {
		if (str_eq(scene->effects.rows[i].key, str_from_z(key))) {
			return true;
		}
	}
	return false;
}

static bool holds(const struct scene *scene, const char *badge)
{
	return economy_has(&scene->account.badges, economy_badge_by_code(&default_economy, str_from_z(badge)));
}

static bool done(const struct scene *scene, const char *mission)
{
	for (size_t i = 0; i < default_economy.mission_count; i++) {
		if (str_eq(default_economy.missions[i].code, str_from_z(mission))) {
			return economy_has(&scene->account.missions, i);
		}
	}
	fail_msg("no mission %s", mission);
	return false;
}

/* ---- ranks ---- */

static void test_every_threshold_is_exact_and_paid_once(void **state)
{
	(void)state;
	for (size_t i = 1; i < default_economy.rank_count; i++) {
		const struct rank *rank = &default_economy.ranks[i];
		struct scene scene = fresh();

		/* Nothing else may give XP here: the badge for 10,000 XP and that for 10,000 coins are held. */
		economy_put(&scene.account.badges, economy_badge_by_code(&default_economy, STR("experienced")));
		economy_put(&scene.account.badges, economy_badge_by_code(&default_economy, STR("rich")));
		give_xp(&scene, rank->xp - 1);
		int64_t coins = scene.account.balance.coins;

		assert_int_equal(rank_at(default_economy.ranks, default_economy.rank_count, rank->xp - 1), i - 1);
		assert_int_equal(scene.account.balance.rank_paid, rank->id - 1);
		give_xp(&scene, 1);
		assert_int_equal(rank_at(default_economy.ranks, default_economy.rank_count, rank->xp), i);
		assert_int_equal(scene.account.balance.rank_paid, rank->id);
		assert_int_equal(scene.account.balance.coins, coins + rank->coins);
		assert_int_equal(scene.effects.rank_before, rank->id - 1);
		assert_int_equal(scene.effects.rank_reached, rank->id);
		assert_int_equal(scene.effects.row_count, 2);
		assert_int_equal(scene.effects.rows[1].kind, LEDGER_RANK_UP);
		give_xp(&scene, 1);
		assert_int_equal(rank_at(default_economy.ranks, default_economy.rank_count, rank->xp + 1), i);
		assert_int_equal(scene.account.balance.coins, coins + rank->coins);
		assert_int_equal(scene.effects.rank_reached, 0);
		/* Lost and reached again: nothing more. */
		give_xp(&scene, -2);
		give_xp(&scene, 2);
		assert_int_equal(scene.account.balance.coins, coins + rank->coins);
		assert_int_equal(scene.effects.row_count, 1);
	}
	assert_int_equal(rank_at(default_economy.ranks, default_economy.rank_count, INT64_MAX), default_economy.rank_count - 1);
	assert_int_equal(rank_at(default_economy.ranks, default_economy.rank_count, 0), 0);
}

/* The example of the rules. */
static void test_the_whole_way_at_once(void **state)
{
	struct scene scene = fresh();

	(void)state;
	give_xp(&scene, 52250);
	assert_int_equal(scene.account.balance.xp, 53750);
	assert_int_equal(scene.account.balance.coins, 56000);
	assert_int_equal(scene.effects.row_count, 1 + 19 + 2);
	assert_int_equal(scene.effects.rank_before, 1);
	assert_int_equal(scene.effects.rank_reached, 20);
	assert_int_equal(scene.effects.rank_coins, 54500);
	assert_int_equal(scene.account.balance.achievements, 2);
	assert_true(has_row(&scene, "k") && has_row(&scene, "k:rank:2") && has_row(&scene, "k:rank:20"));
	assert_true(has_row(&scene, "k:badge:rich") && has_row(&scene, "k:badge:experienced") && !has_row(&scene, "k:rank:1"));
	give_xp(&scene, 1);
	assert_int_equal(scene.effects.row_count, 1);
}

static void test_rows_continue_each_other(void **state)
{
	struct scene scene = fresh();
	int64_t xp = 0;
	int64_t coins = 0;

	(void)state;
	give_xp(&scene, 30000);
	for (size_t i = 0; i < scene.effects.row_count; i++) {
		const struct ledger_entry *entry = &scene.effects.rows[i].entry;

		xp += entry->xp;
		coins += entry->coins;
		assert_int_equal(entry->xp_after, xp);
		assert_int_equal(entry->coins_after, coins);
	}
	assert_int_equal(xp, scene.account.balance.xp);
	assert_int_equal(coins, scene.account.balance.coins);
}

/* ---- refusals ---- */

static void test_a_refused_event_changes_nothing(void **state)
{
	static const struct { enum event_type type; int64_t amount, xp, coins; struct str rejected; } rows[] = {
		{EVENT_XP_CHANGE, -11, 10, 20, STR_INIT("insufficient")},
		{EVENT_COINS_CHANGE, -21, 10, 20, STR_INIT("insufficient")},
		{EVENT_XP_CHANGE, 1, INT64_MAX, 20, STR_INIT("overflow")},
		/* 600 XP fit, the coins of the rank do not. */
		{EVENT_XP_CHANGE, 600, 0, INT64_MAX - 10, STR_INIT("overflow")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene scene = fresh();
		struct event event = {.type = rows[i].type, .at = NOW, .values = {{true, rows[i].amount, STR_ABSENT}, {true, 0, STR("")}}};

		scene.account.balance.xp = rows[i].xp;
		scene.account.balance.coins = rows[i].coins;
		struct economy_account before = scene.account;

		apply(&scene, &event);
		assert_true(str_eq(scene.rejected, rows[i].rejected));
		assert_memory_equal(&scene.account, &before, sizeof(before));
		assert_int_equal(scene.effects.row_count, 0);
		assert_int_equal(scene.effects.rank_reached, 0);
	}
}

static void test_counters_do_not_overflow(void **state)
{
	struct scene scene = fresh();
	struct event message = {.type = EVENT_MESSAGE_SENT, .at = NOW, .values = {{true, 10, STR_ABSENT}}};
	struct event voice = {.type = EVENT_VOICE_TIME, .at = NOW, .values = {{true, 6, STR_ABSENT}}};

	(void)state;
	scene.account.balance.messages_sent = INT64_MAX;
	scene.account.balance.voice_seconds = INT64_MAX - 5;
	scene.account.balance.games_played = INT64_MAX;
	apply(&scene, &message);
	assert_true(str_eq(scene.rejected, STR("overflow")));
	apply(&scene, &voice);
	assert_true(str_eq(scene.rejected, STR("overflow")));
	play(&scene, true);
	assert_true(str_eq(scene.rejected, STR("overflow")));
	assert_int_equal(scene.account.balance.messages_sent, INT64_MAX);
	assert_int_equal(scene.account.balance.voice_seconds, INT64_MAX - 5);
	assert_int_equal(scene.account.balance.games_won, 0);
	assert_int_equal(scene.account.balance.xp, 0);
}

static void test_postings_are_refused_as_the_ledger_says(void **state)
{
	struct scene scene = fresh();
	struct economy_turn turn = turn_of(&scene);

	(void)state;
	assert_int_equal(economy_post(&turn, LEDGER_ADJUST, 0, 0, STR_ABSENT), INVALID);
	assert_int_equal(economy_post(&turn, LEDGER_ADJUST, -1, 0, STR_ABSENT), INSUFFICIENT);
	assert_int_equal(economy_post(&turn, LEDGER_ADJUST, LEDGER_DELTA_MAX + 1, 0, STR_ABSENT), INVALID);
	assert_int_equal(scene.effects.row_count, 0);
}

/* ---- messages ---- */

static void test_messages_give_xp_by_length(void **state)
{
	static const struct { int64_t length, xp; } rows[] = {{0, 0}, {9, 0}, {10, 1}, {49, 1}, {50, 2}, {99, 2}, {100, 3}, {199, 3}, {200, 4},
	                                                      {499, 4}, {500, 5}, {10000, 5}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene scene = fresh();

		assert_int_equal(say(&scene, rows[i].length, NOW), rows[i].xp);
		assert_int_equal(scene.account.balance.messages_sent, 1);
		assert_int_equal(scene.effects.row_count, rows[i].xp > 0 ? 1 : 0);
	}
}

static void test_one_message_counts_in_thirty_seconds_by_its_own_time(void **state)
{
	struct scene scene = fresh();

	(void)state;
	assert_int_equal(say(&scene, 5, NOW), 0);
	assert_int_equal(say(&scene, 10, NOW + SECOND_US), 1); /* what gave nothing starts no gap */
	assert_int_equal(say(&scene, 10, NOW + 31 * SECOND_US - 1), 0);
	assert_int_equal(say(&scene, 10, NOW + 31 * SECOND_US), 1);
	assert_int_equal(say(&scene, 10, NOW - 3600 * SECOND_US), 0); /* sent earlier, arrived late */
	assert_int_equal(scene.account.balance.messages_sent, 5);
}

static void test_messages_of_a_day_are_capped(void **state)
{
	struct scene scene = fresh();
	int64_t midnight = (NOW / DAY_US + 1) * DAY_US;
	int64_t sum = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		sum += say(&scene, 500, NOW + i * MINUTE_US);
	}
	assert_int_equal(sum, 300);
	assert_int_equal(say(&scene, 500, midnight - SECOND_US), 0);
	assert_int_equal(say(&scene, 500, midnight), 5);
	/* The cap cuts what does not fit. */
	scene.account.balance.day_message_xp = 298;
	assert_int_equal(say(&scene, 500, midnight + HOUR_US), 2);
	/* Two accounts that became one may have joined to more than the cap. */
	scene.account.balance.day_message_xp = 420;
	assert_int_equal(say(&scene, 500, midnight + 2 * HOUR_US), 0);
}

static int64_t say_more(struct scene *scene, int64_t at, int64_t text, int64_t percent, bool pays)
{
	struct event event = {.type = EVENT_MESSAGE_SENT, .at = at, .values = {
		[EVENT_MESSAGE_LENGTH] = {true, 500, STR_ABSENT}, [EVENT_MESSAGE_TEXT] = {true, text, STR_ABSENT},
		[EVENT_MESSAGE_MULTIPLIER] = {true, percent, STR_ABSENT}, [EVENT_MESSAGE_PAYS] = {true, pays, STR_ABSENT}}};
	int64_t before = scene->account.balance.xp;

	apply(scene, &event);
	return scene->account.balance.xp - before;
}

static void test_repeats_multipliers_and_counting_only(void **state)
{
	struct scene scene = fresh();
	int64_t at = NOW;

	(void)state;
	assert_int_equal(say_more(&scene, at, 7, 100, true), 5);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 7, 100, true), 0);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 8, 100, true), 5);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 7, 250, true), 12);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 8, 0, true), 0);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 9, 1000, true), 50);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 10, 100, false), 0);
	assert_int_equal(say_more(&scene, at += MINUTE_US, 11, 100, true), 5);
	assert_int_equal(scene.account.balance.messages_sent, 8);
}

/* ---- voice ---- */

static void test_voice_gives_xp_for_full_steps_and_keeps_the_rest(void **state)
{
	struct scene scene = fresh();
	struct event event = {.type = EVENT_VOICE_TIME, .at = NOW, .values = {[EVENT_VOICE_SECONDS] = {true, 1000, STR_ABSENT},
	                      [EVENT_VOICE_MUTED] = {true, 300, STR_ABSENT}, [EVENT_VOICE_ALONE] = {true, 200, STR_ABSENT}}};

	(void)state;
	assert_int_equal(talk(&scene, 299, NOW, NULL), 0);
	assert_int_equal(talk(&scene, 1, NOW, NULL), 1);
	assert_int_equal(talk(&scene, 450, NOW, NULL), 1);
	assert_int_equal(talk(&scene, 450, NOW, NULL), 2);
	assert_int_equal(scene.account.balance.voice_seconds, 1200);
	apply(&scene, &event);
	assert_int_equal(scene.account.balance.xp, 5);
	assert_int_equal(scene.account.balance.voice_seconds, 1700);
	event.values[EVENT_VOICE_MUTED].number = 900;
	apply(&scene, &event); /* muted and alone together are longer than it was: nothing was heard */
	assert_int_equal(scene.account.balance.voice_seconds, 1700);
}

static void test_voice_is_capped_by_session_and_day(void **state)
{
	struct scene scene = fresh();
	int64_t midnight = (NOW / DAY_US + 1) * DAY_US;

	(void)state;
	assert_int_equal(talk(&scene, 86400, NOW, NULL), 50);
	assert_int_equal(talk(&scene, 10000, NOW, "a"), 33);
	assert_int_equal(talk(&scene, 10000, NOW, "a"), 17); /* the same session goes on */
	assert_int_equal(talk(&scene, 10000, NOW, "a"), 0);
	assert_int_equal(talk(&scene, 10000, NOW, "b"), 33);
	assert_int_equal(talk(&scene, 10000, NOW, "c"), 17); /* 150 of the day */
	assert_int_equal(talk(&scene, 86400, NOW, NULL), 0);
	assert_int_equal(talk(&scene, 3000, midnight, NULL), 10);
	/* Yesterday's session that arrives now counts for today: no more than a day's cap within a day. */
	assert_int_equal(talk(&scene, 3000, NOW, NULL), 10);
	assert_int_equal(scene.account.balance.day_voice_xp, 20);
}

/* ---- games, badges, missions ---- */

static void test_games_move_runs_badges_and_missions(void **state)
{
	struct scene scene = fresh();

	(void)state;
	play(&scene, true);
	assert_true(holds(&scene, "first_win"));
	assert_true(has_row(&scene, "k:badge:first_win") && has_row(&scene, "k:mission:once_play_1") && has_row(&scene, "k:mission:once_win_1"));
	assert_int_equal(scene.account.balance.xp, 100);
	assert_int_equal(scene.account.balance.coins, 50 + 50 + 75);
	assert_true(done(&scene, "daily_win_1"));
	assert_false(has_row(&scene, "k:mission:daily_win_1")); /* claimed by the person */
	play(&scene, true);
	play(&scene, true);
	assert_true(done(&scene, "once_row_3") && done(&scene, "daily_play_3"));
	play(&scene, false);
	assert_int_equal(scene.account.balance.wins_in_row, 0);
	assert_int_equal(scene.account.balance.wins_best, 3);
	for (int i = 0; i < 4; i++) {
		play(&scene, true);
	}
	assert_false(done(&scene, "weekly_row_5"));
	scene.now += 7 * DAY_US; /* another week: the run of a week begins anew, the run of all time goes on */
	economy_begin_periods(&scene.account.balance, &(struct periods){.week_no = counter_week(scene.now), .day_no = counter_day(scene.now)});
	scene.account.missions = (struct economy_set){0}; /* as the store would read them */
	play(&scene, true);
	assert_int_equal(scene.account.balance.wins_in_row, 5);
	assert_int_equal(scene.account.balance.week_wins_best, 1);
	assert_int_equal(scene.account.balance.week_games_played, 1);
	assert_int_equal(scene.account.balance.day_games_played, 1);
	assert_false(done(&scene, "weekly_row_5"));
}

static void test_a_program_that_may_only_count_pays_nothing(void **state)
{
	struct scene scene = fresh();
	struct event event = {.type = EVENT_GAME_PLAYED, .at = NOW, .values = {[EVENT_GAME_NAME] = {true, 0, STR("go")},
	                      [EVENT_GAME_WON] = {true, 1, STR_ABSENT}, [EVENT_GAME_PAYS] = {true, 0, STR_ABSENT}}};

	(void)state;
	apply(&scene, &event);
	assert_int_equal(scene.account.balance.games_won, 1);
	assert_int_equal(scene.account.balance.xp + scene.account.balance.coins, 0);
	assert_int_equal(scene.effects.row_count, 0);
}

static void test_badges_are_granted_once(void **state)
{
	struct scene scene = fresh();
	struct event event = {.type = EVENT_ACHIEVEMENT_UNLOCK, .at = NOW, .values = {{true, 0, STR("season_champion")}}};

	(void)state;
	apply(&scene, &event);
	assert_false(str_present(scene.rejected));
	assert_int_equal(scene.account.balance.achievements, 1);
	assert_int_equal(scene.account.balance.xp, 5000);
	apply(&scene, &event);
	assert_int_equal(scene.account.balance.achievements, 1);
	assert_int_equal(scene.account.balance.xp, 5000);
	assert_int_equal(scene.effects.row_count, 0);
	event.values[0].text = STR("nosuch");
	apply(&scene, &event);
	assert_true(str_eq(scene.rejected, STR("badge-unknown")));
}

static void test_settling_pays_what_counters_lead_to(void **state)
{
	struct scene scene = fresh();
	struct economy_turn turn = turn_of(&scene);

	(void)state;
	scene.account.balance.links = 2;
	scene.account.balance.daily_streak = 7;
	assert_int_equal(economy_settle(&turn), OK);
	assert_true(holds(&scene, "linked") && holds(&scene, "streak_3") && holds(&scene, "streak_7") && !holds(&scene, "streak_30"));
	assert_true(done(&scene, "once_link"));
	/* 750 XP reach a rank, whose coins are paid too. */
	assert_int_equal(scene.account.balance.xp, 100 + 150 + 500);
	assert_int_equal(scene.account.balance.coins, 100 + 75 + 250 + 150 + 50);
	turn = turn_of(&scene);
	assert_int_equal(economy_settle(&turn), OK);
	assert_int_equal(scene.effects.row_count, 0);
}

/* ---- periods ---- */

static void test_periods_have_numbers(void **state)
{
	struct periods periods = economy_periods(&default_economy, NOW);
	int64_t monday = INT64_C(1763337600) * SECOND_US; /* 2025-11-17, a Monday */

	(void)state;
	assert_int_equal(periods.day_no, 20412);
	assert_int_equal(periods.season_no, (20412 - 20000) / 30);
	assert_int_equal(counter_week(monday), counter_week(monday + 7 * DAY_US - 1));
	assert_int_equal(counter_week(monday - 1), counter_week(monday) - 1);
	assert_int_equal(economy_periods(&default_economy, 20000 * DAY_US).season_no, 0);
	assert_int_equal(economy_periods(&default_economy, 20030 * DAY_US - 1).season_no, 0);
	assert_int_equal(economy_periods(&default_economy, 20030 * DAY_US).season_no, 1);
}

static void test_sums_of_periods_hold_what_was_earned(void **state)
{
	struct scene scene = fresh();
	struct economy_turn turn;

	(void)state;
	give_xp(&scene, 100);
	give_xp(&scene, -30);
	give_coins(&scene, 40);
	give_coins(&scene, -40);
	assert_int_equal(scene.account.balance.week_xp, 100);
	assert_int_equal(scene.account.balance.season_xp, 100);
	assert_int_equal(scene.account.balance.week_coins, 40);
	turn = turn_of(&scene);
	assert_int_equal(economy_post(&turn, LEDGER_ADJUST, 50, 5, STR("staff")), OK);
	assert_int_equal(scene.account.balance.week_xp, 100);
	assert_int_equal(scene.account.balance.xp, 120);
	scene.now += 7 * DAY_US;
	give_xp(&scene, 5);
	assert_int_equal(scene.account.balance.week_xp, 5);
	/* The slower of two workers at midnight throws nothing away. */
	scene.now -= 7 * DAY_US;
	give_xp(&scene, 5);
	assert_int_equal(scene.account.balance.week_xp, 10);
}

/* ---- against an oracle ---- */

/* What the rules say, as simply as can be: no sets, no increments; looked up anew each time. */
struct oracle {
	int64_t xp, coins, played, won, row, best;
	bool badges[32], missions[32];
	int64_t ranks_paid;
};

static int64_t oracle_counter(const struct oracle *o, enum counter counter)
{
	int64_t achievements = 0;

	for (size_t i = 0; i < 32; i++) {
		achievements += o->badges[i] ? 1 : 0;
	}
	return counter == COUNTER_XP ? o->xp : counter == COUNTER_COINS ? o->coins : counter == COUNTER_GAMES_PLAYED ? o->played :
	       counter == COUNTER_GAMES_WON ? o->won : counter == COUNTER_WINS_BEST ? o->best : counter == COUNTER_ACHIEVEMENTS ? achievements : 0;
}

static void oracle_follow(struct oracle *o)
{
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < default_economy.badge_count; i++) {
			const struct badge *b = &default_economy.badges[i];

			if (!o->badges[i] && b->counter != COUNTER_UNSET && oracle_counter(o, b->counter) >= b->at_least) {
				o->badges[i] = true;
				o->xp += b->xp;
				o->coins += b->coins;
			}
		}
		for (size_t i = 0; i < default_economy.mission_count; i++) {
			const struct mission *m = &default_economy.missions[i];

			if (!o->missions[i] && m->period == BALANCE_EVER && oracle_counter(o, m->counter) >= m->goal) {
				o->missions[i] = true;
				o->coins += m->coins;
			}
		}
		for (size_t i = 0; i < default_economy.rank_count; i++) {
			if (o->xp >= default_economy.ranks[i].xp && o->ranks_paid < (int64_t)i) {
				o->ranks_paid = (int64_t)i;
				o->coins += default_economy.ranks[i].coins;
			}
		}
	}
}

static void random_step(struct scene *scene, struct oracle *o, uint64_t *seed)
{
	uint64_t what = random_next(seed) % 4;
	int64_t amount = (int64_t)(random_next(seed) % 3000) - 900;

	if (what == 0 && amount != 0 && o->xp + amount >= 0) {
		give_xp(scene, amount);
		o->xp += amount;
	} else if (what == 1 && amount != 0 && o->coins + amount >= 0) {
		give_coins(scene, amount);
		o->coins += amount;
	} else {
		bool won = random_next(seed) % 3 != 0;

		play(scene, won);
		o->played++;
		o->won += won;
		o->row = won ? o->row + 1 : 0;
		o->best = o->row > o->best ? o->row : o->best;
	}
	oracle_follow(o);
}

static void test_random_lives_equal_the_oracle(void **state)
{
	uint64_t seed = UINT64_C(88172645463325252);

	(void)state;
	for (int life = 0; life < 60; life++) {
		struct scene scene = fresh();
		struct oracle oracle = {0};

		for (int step = 0; step < 150; step++) {
			random_step(&scene, &oracle, &seed);
			assert_int_equal(scene.account.balance.xp, oracle.xp);
			assert_int_equal(scene.account.balance.coins, oracle.coins);
		}
		for (size_t i = 0; i < default_economy.badge_count; i++) {
			assert_int_equal(economy_has(&scene.account.badges, i), oracle.badges[i]);
		}
		assert_int_equal(scene.account.balance.rank_paid, oracle.ranks_paid + 1);
		assert_int_equal(scene.account.balance.achievements, oracle_counter(&oracle, COUNTER_ACHIEVEMENTS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_threshold_is_exact_and_paid_once),
		cmocka_unit_test(test_the_whole_way_at_once),
		cmocka_unit_test(test_rows_continue_each_other),
		cmocka_unit_test(test_a_refused_event_changes_nothing),
		cmocka_unit_test(test_counters_do_not_overflow),
		cmocka_unit_test(test_postings_are_refused_as_the_ledger_says),
		cmocka_unit_test(test_messages_give_xp_by_length),
		cmocka_unit_test(test_one_message_counts_in_thirty_seconds_by_its_own_time),
		cmocka_unit_test(test_messages_of_a_day_are_capped),
		cmocka_unit_test(test_repeats_multipliers_and_counting_only),
		cmocka_unit_test(test_voice_gives_xp_for_full_steps_and_keeps_the_rest),
		cmocka_unit_test(test_voice_is_capped_by_session_and_day),
		cmocka_unit_test(test_games_move_runs_badges_and_missions),
		cmocka_unit_test(test_a_program_that_may_only_count_pays_nothing),
		cmocka_unit_test(test_badges_are_granted_once),
		cmocka_unit_test(test_settling_pays_what_counters_lead_to),
		cmocka_unit_test(test_periods_have_numbers),
		cmocka_unit_test(test_sums_of_periods_hold_what_was_earned),
		cmocka_unit_test(test_random_lives_equal_the_oracle),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
