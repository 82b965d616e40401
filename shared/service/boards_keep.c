/*
 * Keeping boards. A turn is: a read of marks and balances, one fenced write to Redis, a transaction that forgets the marks. What a kill
 * between any two of them leaves behind is done again by the next keeper with the balances as they are then.
 */
#include "base/parse.h"
#include "core/counter.h"
#include "io/app.h"
#include "service/boards.h"
#include "service/tx.h"

/* Renewed when less than half is left. */
#define RENEW_BELOW_US (BOARDS_LEASE_US / 2)
/* How long a period's boards outlive their last change, beside the period itself. */
#define GRACE_US (7 * DAY_US)
#define WEEK_US (7 * DAY_US)

/* Clocks of programs differ by a second, so a balance may be a period ahead of the keeper, and behind while the last events are applied. */
#define NEAR 1
#define PERIODS (1 + 2 * (1 + 2 * NEAR)) /* all; season and week: before, on, after */
#define SETS_MAX ((size_t)(PERIODS * 2))

struct keeping {
	struct ctx *ctx;
	struct board_keeper *keeper;
	int64_t wall_now;
	int64_t turn; /* as PostgreSQL has it */
	struct board_season season;
	struct board_row *rows;
	size_t count;
};

/* ---- what is read ---- */

static enum status take_step(struct tx *tx, void *arg)
{
	struct keeping *keeping = arg;

	return board_keeper_take(tx, keeping->keeper->owner, keeping->wall_now, keeping->wall_now + BOARDS_LEASE_US);
}

/* The lease, renewed in time. OK, NOT_FOUND (another's). */
static enum status hold(struct keeping *keeping)
{
	struct board_keeper *keeper = keeping->keeper;

	if (keeper->until - keeping->wall_now > RENEW_BELOW_US) {
		return OK;
	}
	enum status status = tx_run(keeping->ctx, take_step, keeping);

	if (status == OK) {
		keeper->until = keeping->wall_now + BOARDS_LEASE_US;
	} else {
		keeper->building = keeper->building && status != NOT_FOUND;
		keeper->until = 0;
	}
	return status;
}

static enum status read_common(struct tx *tx, struct keeping *keeping)
{
	enum status status = board_keeper_turn(tx, keeping->keeper->owner, keeping->wall_now, &keeping->turn);

	return status == OK ? board_season(tx, &keeping->season) : status;
}

static enum status read_marked(struct tx *tx, void *arg)
{
	struct keeping *keeping = arg;
	enum status status = read_common(tx, keeping);

	return status == OK ? board_dirty_read(tx, keeping->keeper->after, BOARDS_BATCH, &keeping->rows, &keeping->count) : status;
}

static enum status read_portion(struct tx *tx, void *arg)
{
	struct keeping *keeping = arg;
	enum status status = read_common(tx, keeping);

	return status == OK ? board_balances_read(tx, keeping->keeper->built, BOARDS_BATCH, &keeping->rows, &keeping->count) : status;
}

/* ---- what is written ---- */

struct period {
	enum board_period period;
	int64_t number;
	int64_t ttl_ms;
};

static size_t periods_now(const struct keeping *keeping, struct period ret_periods[PERIODS])
{
	int64_t week = counter_week(keeping->ctx->now);
	int64_t season_ttl = ((1 + NEAR) * keeping->season.days * DAY_US + GRACE_US) / 1000;
	int64_t week_ttl = ((1 + NEAR) * WEEK_US + GRACE_US) / 1000;
	size_t count = 0;

	ret_periods[count++] = (struct period){BOARD_ALL, 0, 0};
	for (int64_t i = -NEAR; i <= NEAR; i++) {
		ret_periods[count++] = (struct period){BOARD_SEASON, keeping->season.number + i, season_ttl};
		ret_periods[count++] = (struct period){BOARD_WEEK, week + i, week_ttl};
	}
	return count;
}

/* What one set shall hold of these rows. Sets that are made anew hold nobody yet, so that nobody needs to be taken out. */
static enum status make_set(struct keeping *keeping, const struct period *period, enum board_by by, struct cache_ranked_set *ret_set)
{
	struct arena *arena = keeping->ctx->arena;
	struct cache_ranked *members = arena_array(arena, keeping->count, sizeof(*members));
	struct str key = boards_key(arena, period->period, period->number, by);
	size_t count = 0;

	if (members == NULL || !str_present(key)) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < keeping->count; i++) {
		const struct board_row *row = &keeping->rows[i];
		int64_t value = row->visible ? boards_value(&row->values, period->period, period->number, by) : 0;

		if (value > 0 || !keeping->keeper->building) {
			members[count++] = (struct cache_ranked){row->account_id, value};
		}
	}
	*ret_set = (struct cache_ranked_set){key, period->ttl_ms, members, count};
	return OK;
}

/* All sets of now. */
static enum status make_sets(struct keeping *keeping, struct cache_ranked_set ret_sets[SETS_MAX], size_t *ret_count)
{
	struct period periods[PERIODS];
	size_t period_count = periods_now(keeping, periods);
	enum status status = OK;
	size_t count = 0;

	for (size_t p = 0; p < period_count && status == OK; p++) {
		for (int by = BOARD_XP; by < BOARD_BY_COUNT && status == OK; by++) {
			status = make_set(keeping, &periods[p], (enum board_by)by, &ret_sets[count++]);
		}
	}
	if (status == OK) {
		*ret_count = count;
	}
	return status;
}

static struct str turn_text(struct keeping *keeping, int64_t turn)
{
	return str_printf(keeping->ctx->arena, "%lld", (long long)turn);
}

/* Who is making the boards anew, since which turn: no number, so that readers wait. */
static struct str building_text(struct keeping *keeping)
{
	return str_printf(keeping->ctx->arena, "building " STR_FMT " %lld", STR_ARG(keeping->keeper->owner),
	                  (long long)keeping->keeper->build_turn);
}

/* Writes the rows while `expected` stands in Redis, and `next` with them. */
static enum status write_rows(struct keeping *keeping, struct str expected, struct str next)
{
	struct ctx *ctx = keeping->ctx;
	struct cache_fence fence = {BOARDS_READY, expected, next};
	struct cache_ranked_set sets[SETS_MAX];
	size_t count = 0;
	enum status status = make_sets(keeping, sets, &count);

	if (status == OK && (!str_present(expected) || !str_present(next))) {
		status = TOO_LARGE;
	}
	return status == OK ? cache_ranked_write(ctx->app->cache, ctx->arena, ctx->deadline, &fence, sets, count) : status;
}

/* ---- turns ---- */

struct turned {
	struct keeping *keeping;
	int64_t next;
	bool forget; /* the marks of the rows too */
};

static enum status turned_step(struct tx *tx, void *arg)
{
	const struct turned *turned = arg;
	struct keeping *keeping = turned->keeping;
	enum status status = board_keeper_turned(tx, keeping->keeper->owner, keeping->turn, turned->next);

	return status == OK && turned->forget ? board_dirty_forget(tx, keeping->rows, keeping->count) : status;
}

static enum status turn_to(struct keeping *keeping, int64_t next, bool forget)
{
	struct turned turned = {keeping, next, forget};

	return tx_run(keeping->ctx, turned_step, &turned);
}

/* Forgets all boards of now; portions follow, turn by turn. */
static enum status begin_building(struct keeping *keeping, struct board_kept *kept)
{
	struct ctx *ctx = keeping->ctx;
	struct board_keeper *keeper = keeping->keeper;
	struct cache_ranked_set sets[SETS_MAX];
	size_t count = 0;

	keeper->build_turn = keeping->turn;
	keeping->count = 0;
	struct cache_fence fence = {BOARDS_READY, STR_ABSENT, building_text(keeping)};
	enum status status = make_sets(keeping, sets, &count);

	if (status == OK && !str_present(fence.next)) {
		status = TOO_LARGE;
	}
	if (status == OK) {
		status = cache_ranked_restart(ctx->app->cache, ctx->arena, ctx->deadline, &fence, sets, count);
	}
	if (status == OK) {
		keeper->building = true;
		keeper->built = 0;
		kept->begun = true;
	}
	return status;
}

/* One portion of everybody. Marks that are set meanwhile wait until the boards are whole. */
static enum status build(struct keeping *keeping, struct board_kept *kept)
{
	struct board_keeper *keeper = keeping->keeper;
	enum status status = tx_run(keeping->ctx, read_portion, keeping);

	if (status == OK && keeping->turn != keeper->build_turn) {
		status = CONFLICT; /* somebody wants them anew from the beginning */
	}
	if (status == OK) {
		bool last = keeping->count < BOARDS_BATCH;
		struct str now = building_text(keeping);

		status = write_rows(keeping, now, last ? turn_text(keeping, keeping->turn + 1) : now);
		if (status == OK) {
			keeper->built = last ? 0 : keeping->rows[keeping->count - 1].account_id;
			keeper->building = !last;
			kept->count = keeping->count;
			kept->rebuilt = last;
			/* A turn that PostgreSQL does not learn of now is seen at the next one. */
			status = last ? turn_to(keeping, keeping->turn + 1, false) : OK;
		}
	}
	if (status == CONFLICT) {
		keeper->building = false;
	}
	return status;
}

/* The last turn that Redis knows; -1: none, or somebody's building that nobody will end. */
static enum status last_turn(struct keeping *keeping, int64_t *ret_turn)
{
	struct ctx *ctx = keeping->ctx;
	struct str text = STR_ABSENT;
	enum status status = cache_get(ctx->app->cache, ctx->arena, ctx->deadline, BOARDS_READY, &text);

	if (status != OK && status != NOT_FOUND) {
		return status;
	}
	if (status == NOT_FOUND || parse_i64(text, 0, INT64_MAX - 1, ret_turn) != OK) {
		*ret_turn = -1;
	}
	return OK;
}

/* One batch of marked accounts. */
static enum status carry(struct keeping *keeping, struct board_kept *kept)
{
	struct board_keeper *keeper = keeping->keeper;
	int64_t written = 0;
	enum status status = tx_run(keeping->ctx, read_marked, keeping);

	if (status == OK) {
		status = last_turn(keeping, &written);
	}
	if (status != OK) {
		return status;
	}
	if (written < keeping->turn) {
		return begin_building(keeping, kept);
	}
	if (written > keeping->turn) {
		/* The last keeper wrote and could not say so; what it wrote is still marked. */
		return turn_to(keeping, written, false);
	}
	bool from_the_first = keeper->after == 0;
	keeper->after = keeping->count < BOARDS_BATCH ? 0 : keeping->rows[keeping->count - 1].account_id;
	if (keeping->count == 0) {
		return from_the_first ? NOT_FOUND : OK;
	}
	status = write_rows(keeping, turn_text(keeping, written), turn_text(keeping, written + 1));
	if (status == OK) {
		status = turn_to(keeping, written + 1, true);
	}
	if (status == OK) {
		kept->count = keeping->count;
	}
	return status;
}

enum status boards_keep(struct ctx *ctx, struct board_keeper *keeper, int64_t wall_now, struct board_kept *ret_kept)
{
	struct keeping keeping = {.ctx = ctx, .keeper = keeper, .wall_now = wall_now};
	struct board_kept kept = {0};
	enum status status = hold(&keeping);

	if (status == OK) {
		status = keeper->building ? build(&keeping, &kept) : carry(&keeping, &kept);
	}
	if (status == OK) {
		*ret_kept = kept;
	}
	return status;
}

static enum status release_step(struct tx *tx, void *arg)
{
	const struct board_keeper *keeper = arg;

	return board_keeper_release(tx, keeper->owner);
}

enum status boards_leave(struct ctx *ctx, struct board_keeper *keeper)
{
	keeper->until = 0;
	keeper->building = false;
	return tx_run(ctx, release_step, keeper);
}

/* ---- the operator ---- */

static enum status again_step(struct tx *tx, void *arg)
{
	return board_keeper_again(tx, arg);
}

enum status boards_rebuild(struct ctx *ctx, int64_t *ret_turn)
{
	int64_t turn = 0;
	enum status status = tx_run(ctx, again_step, &turn);

	if (status == OK) {
		*ret_turn = turn;
	}
	return status;
}

struct state_call {
	int64_t wall_now;
	int64_t turn;
	bool kept;
};

static enum status state_step(struct tx *tx, void *arg)
{
	struct state_call *call = arg;

	return board_keeper_state(tx, call->wall_now, &call->turn, &call->kept);
}

enum status boards_state(struct ctx *ctx, int64_t wall_now, int64_t *ret_turn, bool *ret_kept)
{
	struct state_call call = {.wall_now = wall_now};
	enum status status = service_read(ctx, state_step, &call);

	if (status == OK) {
		*ret_turn = call.turn;
		*ret_kept = call.kept;
	}
	return status;
}
