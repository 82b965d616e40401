/* What is done from time to time. A job is a row here and one use-case call; several workers may run it at once without harm. */
#include "base/log.h"
#include "service/delivery.h"
#include "worker.h"

#define LOOK_US SECOND_US
#define JOB_BUDGET_US MINUTE_US
#define AGAIN_AFTER_FAILURE_US MINUTE_US

struct job {
	const char *name;
	int64_t period_us; /* of our time: the development clock moves it on */
	enum sql statement; /* of delivery_clean() */
};

/* Only what keeps the house in order; events and deferred commands are duties of their own (main.c). */
static const struct job jobs[] = {
	{"partitions", 6 * HOUR_US, SQL_MAKE_PARTITIONS},
	{"inbox", HOUR_US, SQL_CLEAN_INBOX},
	{"sealed", 10 * SECOND_US, SQL_CLEAN_SEALED},
	{"outbox", HOUR_US, SQL_CLEAN_OUTBOX},
	{"code_used", 10 * MINUTE_US, SQL_CLEAN_CODE_USED},
	{"account_code", HOUR_US, SQL_CLEAN_ACCOUNT_CODE},
	{"jobs", HOUR_US, SQL_CLEAN_JOBS},
	{"confirmations", HOUR_US, SQL_CLEAN_CONFIRMATIONS},
	{"update_aside", HOUR_US, SQL_CLEAN_ASIDE},
	{"bot_sessions", HOUR_US, SQL_CLEAN_BOT_SESSIONS},
	{"api_key_usage", 6 * HOUR_US, SQL_CLEAN_API_KEY_USAGE},
};

/* All portions of one job. Returns whether it was done. */
static bool run_job(struct worker *worker, struct arena *arena, const struct job *job)
{
	enum status status;
	int64_t count = 0;
	int64_t sum = 0;
	do {
		struct ctx ctx = worker_ctx(worker, arena, JOB_BUDGET_US);
		status = delivery_clean(&ctx, str_from_z(job->name), job->statement, &count);
		sum += status == OK ? count : 0;
	} while (status == OK && count >= DELIVERY_CLEAN_PORTION && !atomic_load(&worker->stopping));
	if (status != OK || sum > 0) {
		log_message(status == OK ? LOG_DEBUG : LOG_WARNING, "job", "%s: %s, %lld rows", job->name, status_name(status),
		            (long long)sum);
	}
	return status == OK;
}

void run_schedule(struct worker *worker)
{
	int64_t next[ARRAY_LEN(jobs)] = {0};
	int64_t last = 0;
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);
	if (arena == NULL) {
		log_message(LOG_ERROR, "schedule", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		int64_t now = app_now(worker->app);
		for (size_t i = 0; i < ARRAY_LEN(jobs) && !atomic_load(&worker->stopping); i++) {
			/* A clock that was set back makes everything due: better once too often than not for a day. */
			if (now >= next[i] || now < last) {
				next[i] = now + (run_job(worker, arena, &jobs[i]) ? jobs[i].period_us : AGAIN_AFTER_FAILURE_US);
			}
		}
		last = now;
		worker_sleep(worker, LOOK_US);
	}
	arena_free(arena);
}
