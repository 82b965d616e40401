/* The duty that works in who was seen, and how he is shown. */
#include "base/log.h"
#include "service/sighting.h"
#include "worker.h"

#define TURN_BUDGET_US (4 * SECOND_US)
#define IDLE_US (250 * 1000)
#define AWAY_US SECOND_US

void note_sightings(struct worker *worker)
{
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);

	if (arena == NULL) {
		log_message(LOG_ERROR, "sightings", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		struct ctx ctx = worker_ctx(worker, arena, TURN_BUDGET_US);
		int64_t count = 0;
		enum status status = sighting_apply(&ctx, &count);

		if (status != OK || count < SIGHTING_PORTION) {
			worker_sleep(worker, status == OK ? IDLE_US : AWAY_US);
		}
	}
	arena_free(arena);
}
