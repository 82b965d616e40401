/* The duty that applies events. Several threads and several workers may do it at once (decisions.md 14). */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "service/applying.h"
#include "worker.h"

/* One batch; far above what it takes, far below what a stopping worker may wait. */
#define BATCH_BUDGET_US (4 * SECOND_US)
#define IDLE_US (100 * 1000)
/* The database is away: nobody is served by asking more often. */
#define AWAY_US (500 * 1000)
/* Before a batch that failed is tried in parts: a defect that fails everything shall not count all attempts of all events in a moment. */
#define FAILED_US (50 * 1000)
#define LOOK_EVERY_US (SECOND_US / 2)

static void tell(enum status status, const struct applied *applied)
{
	if (applied->set_aside != 0) {
		log_message(LOG_ERROR, "event_set_aside", "event %lld failed for the last time: see `trivet outbox list --events`",
		            (long long)applied->set_aside);
	} else if (applied->count > 0) {
		log_message(LOG_DEBUG, "events", "%zu applied, %zu of them rejected", applied->count, applied->rejected);
	} else if (status != OK && status != NOT_FOUND) {
		log_message(LOG_WARNING, "events", "%s", status_name(status));
	}
}

/* How long to wait before the next turn. */
static int64_t pause_after(enum status status, const struct applied *applied)
{
	if (status == OK) {
		/* Nothing applied, but not idle: what stood first is moving between accounts, or an attempt was counted. */
		return applied->count > 0 ? 0 : IDLE_US;
	}
	if (status == NOT_FOUND) {
		return IDLE_US;
	}
	return status == UNAVAILABLE || status == TIMED_OUT ? AWAY_US : FAILED_US;
}

/* The gauges of this process; any thread may set it. */
static void look(struct worker *worker, struct arena *arena, struct applying_load *load)
{
	struct ctx ctx = worker_ctx(worker, arena, BATCH_BUDGET_US);

	if (applying_look(&ctx, load) == OK) {
		metric_set(METRIC_EVENT_LAG_MS, load->lag / 1000);
		metric_set(METRIC_EVENT_ASIDE, load->aside);
	}
}

void apply_events(struct worker *worker)
{
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);
	struct applier applier = {0};
	struct applying_load load = {0};

	if (arena == NULL) {
		log_message(LOG_ERROR, "events", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		int64_t start = clock_monotonic_us();
		struct ctx ctx = worker_ctx(worker, arena, BATCH_BUDGET_US);
		struct applied applied = {0};
		enum status status = applying_turn(&ctx, &applier, &applied);
		int64_t pause = pause_after(status, &applied);
		int64_t rest = applying_rest(&load, clock_monotonic_us() - start);

		tell(status, &applied);
		if (clock_monotonic_us() - load.at >= LOOK_EVERY_US) {
			look(worker, arena, &load);
		}
		pause = pause > rest ? pause : rest;
		if (pause > 0) {
			worker_sleep(worker, pause);
		}
	}
	arena_free(arena);
}
