/*
 * season - when seasons begin and end, places in one that is over, and what places earn. Pure. Source: docs/LEDGER.md, "Seasons".
 */
#ifndef TRIVET_CORE_SEASON_H
#define TRIVET_CORE_SEASON_H

#include "core/economy.h"

/* Everybody with any XP of a season gets it. */
#define SEASON_BADGE_PARTICIPANT STR("season_participant")

/* season_start - of season `no`, from 0; season_start(no + 1) is its end. Microseconds UTC. */
int64_t season_start(const struct economy_rates *rates, int64_t no);

/* season_is_over - whether season `no` has ended at `now`. */
bool season_is_over(const struct economy_rates *rates, int64_t no, int64_t now);

/* A row of season_reward. */
struct season_prize {
	int64_t place_from;
	int64_t place_to;
	int64_t coins;    /* 0: none */
	struct str badge; /* absent: none */
};

/* season_prize - of a place; NULL: none. Who shares a place shares nothing else: each gets its whole prize. */
const struct season_prize *season_prize(const struct season_prize *prizes, size_t count, int64_t place);

/* How far places have been given, from the highest result down; starts as {0}. */
struct season_places {
	int64_t count; /* who has one */
	int64_t place; /* the last that was given, and for how much */
	int64_t xp;
};

/*
 * season_place - the place of the next result: 1 + the number of higher ones that have a place. Equal results share it.
 *
 * xp   above 0, not above the one before
 */
int64_t season_place(struct season_places *places, int64_t xp);

#endif
