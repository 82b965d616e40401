/* The duty that keeps the boards. One worker at a time holds its lease; the others ask again every second. */
#include "base/clock.h"
#include "base/log.h"
#include "service/boards.h"
#include "worker.h"

#define TURN_BUDGET_US (2 * SECOND_US)
#define IDLE_US (100 * 1000)
/* Another worker keeps them, or a store is away. */
#define AWAY_US SECOND_US

static void tell(enum status status, const struct board_kept *kept)
{
	if (kept->begun) {
		log_message(LOG_WARNING, "boards", "the store of places has lost them: making them anew from the balances");
	} else if (kept->rebuilt) {
		log_message(LOG_INFO, "boards", "made anew");
	} else if (status != OK && status != NOT_FOUND) {
		log_message(LOG_WARNING, "boards", "%s", status_name(status));
	} else if (kept->count > 0) {
		log_message(LOG_DEBUG, "boards", "%zu accounts carried over", kept->count);
	}
}

static int64_t pause_after(enum status status, const struct board_keeper *keeper)
{
	if (status == OK) {
		return 0;
	}
	if (status == CONFLICT || (status == NOT_FOUND && keeper->until != 0)) {
		return IDLE_US;
	}
	return AWAY_US;
}

void keep_boards(struct worker *worker)
{
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);
	struct board_keeper keeper = {.owner = worker->owner};

	if (arena == NULL) {
		log_message(LOG_ERROR, "boards", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		struct ctx ctx = worker_ctx(worker, arena, TURN_BUDGET_US);
		struct board_kept kept = {0};
		enum status status = boards_keep(&ctx, &keeper, clock_wall_us(), &kept);
		int64_t pause = pause_after(status, &keeper);

		tell(status, &kept);
		if (pause > 0) {
			worker_sleep(worker, pause);
		}
	}
	if (keeper.until != 0) {
		struct ctx ctx = worker_ctx(worker, arena, TURN_BUDGET_US);

		tell(boards_leave(&ctx, &keeper), &(struct board_kept){0}); /* not given back, it runs out in 5 s */
	}
	arena_free(arena);
}
