#include "core/economy.h"

#include <assert.h>
#include <string.h>

#define ROWS_FIRST 8

/* ---- the catalogue ---- */

size_t economy_badge_by_id(const struct economy *economy, int64_t id)
{
	size_t low = 0;

	for (size_t high = economy->badge_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (economy->badges[middle].id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < economy->badge_count && economy->badges[low].id == id ? low : SIZE_MAX;
}

size_t economy_mission_by_id(const struct economy *economy, int64_t id)
{
	size_t low = 0;

	for (size_t high = economy->mission_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (economy->missions[middle].id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < economy->mission_count && economy->missions[low].id == id ? low : SIZE_MAX;
}

size_t economy_badge_by_code(const struct economy *economy, struct str code)
{
	for (size_t i = 0; i < economy->badge_count; i++) {
		if (str_eq(economy->badges[i].code, code)) {
			return i;
		}
	}
	return SIZE_MAX;
}

struct periods economy_periods(const struct economy *economy, int64_t now)
{
	const struct economy_rates *rates = &economy->rates;

	assert(rates->season_us > 0);
	return (struct periods){
		.season_no = now > rates->season_start ? (now - rates->season_start) / rates->season_us : 0,
		.week_no = counter_week(now),
		.day_no = counter_day(now),
	};
}

int64_t economy_period_no(const struct mission *mission, const struct periods *running)
{
	switch (mission->period) {
	case BALANCE_DAY:
		return running->day_no;
	case BALANCE_WEEK:
		return running->week_no;
	case BALANCE_EVER:
	case BALANCE_SEASON:
	case BALANCE_UNSET:
	case BALANCE_PERIOD_COUNT:
		break;
	}
	return 0;
}

bool economy_has(const struct economy_set *set, size_t index)
{
	assert(index < ECONOMY_BADGES_MAX);
	return (set->words[index / 64] >> (index % 64) & 1) != 0;
}

void economy_put(struct economy_set *set, size_t index)
{
	assert(index < ECONOMY_BADGES_MAX);
	set->words[index / 64] |= UINT64_C(1) << (index % 64);
}

/* ---- one change ---- */

void economy_effects_begin(struct economy_effects *effects, struct arena *arena)
{
	*effects = (struct economy_effects){.arena = arena, .rows = effects->rows, .row_room = effects->row_room};
}

static enum status add_row(struct economy_effects *effects, const struct economy_row *row)
{
	if (effects->row_count == effects->row_room) {
		size_t room = effects->row_room == 0 ? ROWS_FIRST : 2 * effects->row_room;
		struct economy_row *rows = arena_array(effects->arena, room, sizeof(*rows));

		if (rows == NULL) {
			return TOO_LARGE;
		}
		if (effects->row_count > 0) {
			memcpy(rows, effects->rows, effects->row_count * sizeof(*rows));
		}
		effects->rows = rows;
		effects->row_room = room;
	}
	effects->rows[effects->row_count++] = *row;
	return str_present(row->key) ? OK : TOO_LARGE;
}

/*
 * A period that is over counts no more. Of two workers at midnight the slower one may meet the next period already: that one stays.
 */
static bool is_over(int64_t stored, int64_t running)
{
	return stored != running && stored != running + 1;
}

void economy_begin_periods(struct balance *balance, const struct periods *running)
{
	if (is_over(balance->season_no, running->season_no)) {
		balance->season_no = running->season_no;
		balance->season_xp = 0;
		balance->season_coins = 0;
	}
	if (is_over(balance->week_no, running->week_no)) {
		balance->week_no = running->week_no;
		balance->week_xp = 0;
		balance->week_coins = 0;
		balance->week_games_played = 0;
		balance->week_games_won = 0;
		balance->week_wins_in_row = 0;
		balance->week_wins_best = 0;
	}
	if (is_over(balance->day_no, running->day_no)) {
		balance->day_no = running->day_no;
		balance->day_games_played = 0;
		balance->day_games_won = 0;
		balance->day_dailies = 0;
	}
}

/* Boards of a period count what was earned; spending does not lower them. */
static void add_to_periods(struct balance *balance, const struct ledger_entry *entry)
{
	if (entry->xp > 0) {
		balance->season_xp += entry->xp;
		balance->week_xp += entry->xp;
	}
	if (entry->coins > 0) {
		balance->season_coins += entry->coins;
		balance->week_coins += entry->coins;
	}
}

static enum status change(const struct economy_turn *turn, const struct economy_row *template)
{
	struct balance *balance = &turn->account->balance;
	struct economy_row row = *template;
	enum status status = ledger_decide(balance, template->entry.xp, template->entry.coins, &row.entry);

	if (status != OK) {
		return status;
	}
	balance->xp = row.entry.xp_after;
	balance->coins = row.entry.coins_after;
	if (ledger_kind_earns(row.kind)) {
		add_to_periods(balance, &row.entry);
	}
	return add_row(turn->effects, &row);
}

/* ---- what follows ---- */

static enum status pay(const struct economy_turn *turn, enum ledger_kind kind, const char *what, struct str name, int64_t xp, int64_t coins)
{
	struct economy_row row = {.kind = kind, .reason = name, .entry = {.xp = xp, .coins = coins}};

	if (xp == 0 && coins == 0) {
		return OK;
	}
	row.key = str_printf(turn->effects->arena, STR_FMT ":%s:" STR_FMT, STR_ARG(turn->key), what, STR_ARG(name));
	return change(turn, &row);
}

static enum status pay_rank(const struct economy_turn *turn, const struct rank *rank)
{
	struct economy_row row = {.kind = LEDGER_RANK_UP, .reason = rank->name, .entry = {.coins = rank->coins}};

	turn->account->balance.rank_paid = rank->id;
	turn->effects->rank_reached = rank->id;
	turn->effects->rank_coins += rank->coins;
	if (rank->coins == 0) {
		return OK;
	}
	row.key = str_printf(turn->effects->arena, STR_FMT ":rank:%lld", STR_ARG(turn->key), (long long)rank->id);
	return change(turn, &row);
}

/* Every rank on the way is paid, each once. */
static enum status pay_ranks(const struct economy_turn *turn, bool *changed)
{
	const struct economy *economy = turn->economy;
	const struct balance *balance = &turn->account->balance;
	size_t reached = rank_at(economy->ranks, economy->rank_count, balance->xp);
	enum status status = OK;

	if (economy->ranks[reached].id <= balance->rank_paid) {
		return OK;
	}
	*changed = true;
	for (size_t i = 0; i <= reached && status == OK; i++) {
		if (economy->ranks[i].id > balance->rank_paid) {
			status = pay_rank(turn, &economy->ranks[i]);
		}
	}
	return status;
}

static enum status earn_badge(const struct economy_turn *turn, size_t index)
{
	const struct badge *badge = &turn->economy->badges[index];

	economy_put(&turn->account->badges, index);
	economy_put(&turn->effects->badges, index);
	turn->account->balance.achievements++;
	return pay(turn, LEDGER_BADGE, "badge", badge->code, badge->xp, badge->coins);
}

static enum status earn_badges(const struct economy_turn *turn, bool *changed)
{
	enum status status = OK;

	for (size_t i = 0; i < turn->economy->badge_count && status == OK; i++) {
		const struct badge *badge = &turn->economy->badges[i];

		if (badge->counter != COUNTER_UNSET && !economy_has(&turn->account->badges, i) &&
		    counter_value(&turn->account->balance, badge->counter, BALANCE_EVER, &turn->running) >= badge->at_least) {
			*changed = true;
			status = earn_badge(turn, i);
		}
	}
	return status;
}

static enum status complete_mission(const struct economy_turn *turn, size_t index)
{
	const struct mission *mission = &turn->economy->missions[index];

	economy_put(&turn->account->missions, index);
	economy_put(&turn->effects->missions, index);
	if (mission->period != BALANCE_EVER) {
		return OK;
	}
	return pay(turn, LEDGER_MISSION_COMPLETED, "mission", mission->code, mission->xp, mission->coins);
}

static enum status complete_missions(const struct economy_turn *turn, bool *changed)
{
	enum status status = OK;

	for (size_t i = 0; i < turn->economy->mission_count && status == OK; i++) {
		const struct mission *mission = &turn->economy->missions[i];

		if (mission->counter != COUNTER_UNSET && !economy_has(&turn->account->missions, i) &&
		    counter_value(&turn->account->balance, mission->counter, mission->period, &turn->running) >= mission->goal) {
			*changed = true;
			status = complete_mission(turn, i);
		}
	}
	return status;
}

/* Until nothing follows any more. Each round but the last takes a rank, a badge or a mission that is never taken again. */
static enum status settle(const struct economy_turn *turn)
{
	enum status status = OK;
	bool changed = true;

	while (changed && status == OK) {
		changed = false;
		status = pay_ranks(turn, &changed);
		if (status == OK) {
			status = earn_badges(turn, &changed);
		}
		if (status == OK) {
			status = complete_missions(turn, &changed);
		}
	}
	return status;
}

/* ---- from outside ---- */

/* What a turn began with: it is all or nothing. */
struct before {
	struct economy_account account;
	struct economy_effects effects;
};

static struct before begin(const struct economy_turn *turn)
{
	const struct economy *economy = turn->economy;
	struct before before = {.account = *turn->account, .effects = *turn->effects};

	assert(economy->rank_count > 0 && str_present(turn->key));
	economy_begin_periods(&turn->account->balance, &turn->running);
	if (turn->effects->rank_before == 0) {
		turn->effects->rank_before = economy->ranks[rank_at(economy->ranks, economy->rank_count, turn->account->balance.xp)].id;
	}
	return before;
}

static enum status end(const struct economy_turn *turn, const struct before *before, enum status status)
{
	if (status != OK) {
		*turn->account = before->account;
		*turn->effects = before->effects;
	}
	return status;
}

enum status economy_post(const struct economy_turn *turn, enum ledger_kind kind, int64_t xp, int64_t coins, struct str reason)
{
	struct before before = begin(turn);
	struct economy_row row = {.kind = kind, .key = turn->key, .reason = reason, .entry = {.xp = xp, .coins = coins}};
	bool moves = kind == LEDGER_MERGE || kind == LEDGER_UNMERGE;
	enum status status = change(turn, &row);

	if (status == OK && !moves) {
		status = settle(turn);
	}
	return end(turn, &before, status);
}

enum status economy_settle(const struct economy_turn *turn)
{
	struct before before = begin(turn);

	return end(turn, &before, settle(turn));
}

enum status economy_grant(const struct economy_turn *turn, size_t badge)
{
	struct before before = begin(turn);
	enum status status = OK;

	assert(badge < turn->economy->badge_count);
	if (!economy_has(&turn->account->badges, badge)) {
		status = earn_badge(turn, badge);
	}
	if (status == OK) {
		status = settle(turn);
	}
	return end(turn, &before, status);
}
