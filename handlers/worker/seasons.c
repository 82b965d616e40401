/* The duty that closes seasons. Any number of workers may be at it: one portion at a time is one worker's. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "service/seasons.h"
#include "worker.h"

#define TURN_BUDGET_US (4 * SECOND_US)
#define IDLE_US SECOND_US
/* Another worker has the portion; or who earns had to be waited for. */
#define BUSY_US (200 * 1000)
/* A defect does not go away by asking: it stands in the log, and in trivet doctor an hour later. */
#define BROKEN_US (30 * SECOND_US)
#define MEASURE_EVERY_US (10 * SECOND_US)

static void tell(enum status status, const struct season_turn *turn)
{
	if (status != OK && status != NOT_FOUND) {
		log_message(LOG_WARNING, "season", "the close could not go on: %s", status_name(status));
	} else if (turn->step == SEASON_BEGUN) {
		log_message(LOG_INFO, "season", "the close of season %lld begins", (long long)turn->no);
	} else if (turn->step == SEASON_CLOSED) {
		log_message(LOG_INFO, "season", "season %lld is closed: %lld took part, %lld have a place", (long long)turn->no,
		            (long long)turn->participants, (long long)turn->placed);
	}
}

static int64_t pause_after(enum status status, const struct season_turn *turn)
{
	if (status == OK) {
		return turn->step == SEASON_STEP_UNSET ? BUSY_US : 0;
	}
	if (status == NOT_FOUND) {
		return IDLE_US;
	}
	return status == UNAVAILABLE || status == TIMED_OUT ? BUSY_US : BROKEN_US;
}

/* The gauge of this process. */
static void measure(struct worker *worker, struct arena *arena)
{
	struct ctx ctx = worker_ctx(worker, arena, TURN_BUDGET_US);
	struct season_now now = {0};

	if (seasons_now(&ctx, &now) == OK) {
		metric_set(METRIC_SEASON_OVERDUE_S, now.overdue / SECOND_US);
	}
}

void close_seasons(struct worker *worker)
{
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);
	int64_t measured = 0;

	if (arena == NULL) {
		log_message(LOG_ERROR, "season", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		struct ctx ctx = worker_ctx(worker, arena, TURN_BUDGET_US);
		struct season_turn turn = {0};
		enum status status = seasons_turn(&ctx, &turn);
		int64_t pause = pause_after(status, &turn);

		tell(status, &turn);
		if (clock_monotonic_us() - measured >= MEASURE_EVERY_US) {
			measure(worker, arena);
			measured = clock_monotonic_us();
		}
		if (pause > 0) {
			worker_sleep(worker, pause);
		}
	}
	arena_free(arena);
}
