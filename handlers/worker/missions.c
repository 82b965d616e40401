/* The duty that pays missions which nobody claimed in their day or week. One worker at a time takes a portion. */
#include "base/log.h"
#include "service/missions.h"
#include "worker.h"

#define TURN_BUDGET_US (4 * SECOND_US)
/* How long after midnight people may find their reward; a look costs two descents of an index. */
#define IDLE_US (5 * SECOND_US)
#define AWAY_US SECOND_US

/* A round is all portions up to a pause; what cannot be paid is told once, and again when it is more or less. */
static void tell(enum status status, size_t paid, size_t stuck, size_t *told)
{
	if (status != OK) {
		log_message(LOG_WARNING, "missions", "%s", status_name(status));
		return;
	}
	if (paid > 0) {
		log_message(LOG_INFO, "missions", "%zu that were not claimed in their time are paid", paid);
	}
	if (stuck != *told) {
		log_message(LOG_WARNING, "missions", "%zu cannot be paid: their accounts cannot hold more", stuck);
		*told = stuck;
	}
}

void pay_missions(struct worker *worker)
{
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);
	struct missions_payer payer = {0};
	size_t paid = 0;
	size_t stuck = 0;
	size_t told = 0;

	if (arena == NULL) {
		log_message(LOG_ERROR, "missions", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		struct ctx ctx = worker_ctx(worker, arena, TURN_BUDGET_US);
		struct missions_paid turn = {0};
		enum status status = missions_pay(&ctx, &payer, &turn);

		paid += turn.count;
		stuck += turn.stuck;
		if (status == OK && turn.more) {
			continue;
		}
		tell(status, paid, stuck, &told);
		paid = 0;
		stuck = 0;
		worker_sleep(worker, status == OK ? IDLE_US : AWAY_US);
	}
	arena_free(arena);
}
