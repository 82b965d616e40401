/* trivet season close|list */
#include <poll.h>

#include "base/clock.h"
#include "base/parse.h"
#include "ctl.h"
#include "service/seasons.h"

/* Of one portion; the whole may take as long as it takes. */
#define TURN_US (10 * SECOND_US)
#define TURN_ARENA_LIMIT ((size_t)16 * 1024 * 1024)
/* Another closer has the portion. */
#define LOOK_MS 50
/* Stores that are away, or people who earn without a pause: so many tries in a row. */
#define TRIES_MAX 50
#define TRY_AGAIN_MS 200
#define SHOWN 50
#define SHOWN_MAX 1000

static struct json *closed_json(struct ctl *ctl, struct json *closed, const struct season_turn *turn)
{
	struct json *row = json_set_i64(json_object(), "season", turn->no);

	row = json_set_i64(row, "participants", turn->participants);
	row = json_set_i64(row, "placed", turn->placed);
	return json_append(closed, json_set_time(ctl->ctx.arena, row, "closed_at", app_now(ctl->app)));
}

/*
 * Portion by portion, beside workers that may be at it too, until nothing is due. What a worker closed meanwhile is not in the list: it is
 * closed all the same. ret_seen: a close went on.
 */
static enum status close_all(struct ctl *ctl, struct arena *arena, struct json **closed, bool *ret_seen)
{
	enum status status = OK;

	for (int tries = 0; tries < TRIES_MAX && status != NOT_FOUND;) {
		struct ctx ctx = ctl->ctx;
		struct season_turn turn = {0};

		arena_reset(arena);
		ctx.arena = arena;
		ctx.now = app_now(ctl->app);
		ctx.deadline = clock_monotonic_us() + TURN_US;
		status = seasons_turn(&ctx, &turn);
		*ret_seen = *ret_seen || status == OK;
		if (status == OK && turn.step == SEASON_CLOSED) {
			*closed = closed_json(ctl, *closed, &turn);
		} else if (status == OK && turn.step == SEASON_STEP_UNSET) {
			(void)poll(NULL, 0, LOOK_MS);
		} else if (status == UNAVAILABLE || status == TIMED_OUT) {
			(void)poll(NULL, 0, TRY_AGAIN_MS);
		} else if (status != OK && status != NOT_FOUND) {
			break;
		}
		tries = status == OK ? 0 : tries + 1;
	}
	return status == NOT_FOUND ? OK : status;
}

static enum ctl_exit say_nothing_due(struct ctl *ctl, bool seen)
{
	struct season_now now = {0};
	enum status status = OK;

	ctl->ctx.deadline = clock_monotonic_us() + TURN_US;
	ctl->ctx.now = app_now(ctl->app);
	status = seasons_now(&ctl->ctx, &now);
	if (status != OK) {
		return ctl_status(ctl, "the season", status);
	}
	struct str until = format_rfc3339(ctl->ctx.arena, now.ends_at);

	return ctl_done(ctl, "%s: season %lld runs until " STR_FMT, seen ? "a worker has closed what was due" : "no season is due",
	                (long long)now.no, STR_ARG(until));
}

enum ctl_exit run_season_close(struct ctl *ctl)
{
	static const char *const columns[] = {"season", "participants", "placed", "closed_at", NULL};
	struct arena *arena = arena_new(TURN_ARENA_LIMIT);
	struct json *closed = json_array();
	bool seen = false;

	if (arena == NULL) {
		return ctl_fail(ctl, "out of memory");
	}
	enum status status = close_all(ctl, arena, &closed, &seen);

	arena_free(arena);
	if (status != OK) {
		return ctl_status(ctl, "the season", status);
	}
	return json_array_size(closed) > 0 ? ctl_list(ctl, columns, closed) : say_nothing_due(ctl, seen);
}

enum ctl_exit run_season_list(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"season", CTL_NUMBER}, {"starts_at", CTL_TIME}, {"ends_at", CTL_TIME},      {"closed_at", CTL_TIME},    {"participants", CTL_NUMBER},
		{"placed", CTL_NUMBER}, {"winners", CTL_NUMBER}, {"winners_xp", CTL_NUMBER}, {NULL, CTL_KIND_UNSET},
	};
	struct pg_params params = pg_params(ctl->ctx.arena);
	struct str wanted = ctl_value(ctl, "--limit");
	int64_t limit = SHOWN;

	if (str_present(wanted) && parse_i64(wanted, 1, SHOWN_MAX, &limit) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no number from 1 to %d", STR_ARG(wanted), SHOWN_MAX);
	}
	pg_add_i64(&params, limit);
	return ctl_report(ctl, SQL_SEASON_LIST, &params, columns);
}
