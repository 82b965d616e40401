/* What is done from time to time. A job is a row here and one use-case call; several workers may run it at once without harm. */
#include "base/log.h"
#include "service/delivery.h"
#include "service/upkeep.h"
#include "worker.h"

#define LOOK_US SECOND_US
#define JOB_BUDGET_US MINUTE_US
#define AGAIN_AFTER_FAILURE_US MINUTE_US

struct job {
	const char *name;
	int64_t period_us; /* of our time: the development clock moves it on */
	enum sql statement; /* of delivery_clean() or upkeep_step() */
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

/* On a thread of their own: a step may take minutes, and codes must be wiped at their end. Days are folded, then joined to months. */
static const struct job upkeep_jobs[] = {
	{"drop_keys", HOUR_US, SQL_UPKEEP_DROP_KEYS},
	{"fold_ledger", HOUR_US, SQL_UPKEEP_FOLD_LEDGER},
	{"thin_events", HOUR_US, SQL_UPKEEP_THIN_EVENTS},
	{"join_ledger", HOUR_US, SQL_UPKEEP_JOIN_LEDGER},
	{"join_events", HOUR_US, SQL_UPKEEP_JOIN_EVENTS},
	{"drop_gone", HOUR_US, SQL_UPKEEP_DROP_GONE},
};

/* All portions of a cleaning. Returns whether it was done. */
static bool clean(struct worker *worker, struct arena *arena, const struct job *job)
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

/* All partitions that are due, oldest first. */
static bool tidy(struct worker *worker, struct arena *arena, const struct job *job)
{
	enum status status;
	struct str done = STR_ABSENT;
	do {
		struct ctx ctx = worker_ctx(worker, arena, UPKEEP_BUDGET_US);
		status = upkeep_step(&ctx, job->statement, &done);
		if (status != OK || str_present(done)) {
			log_message(status == OK ? LOG_INFO : LOG_WARNING, "upkeep", "%s: %s " STR_FMT, job->name, status_name(status),
			            STR_ARG(status == OK ? done : STR("")));
		}
	} while (status == OK && str_present(done) && !atomic_load(&worker->stopping));
	return status == OK;
}

#define JOBS_MAX 16
_Static_assert(ARRAY_LEN(jobs) <= JOBS_MAX && ARRAY_LEN(upkeep_jobs) <= JOBS_MAX, "run_jobs() has room for every job");

static void run_jobs(struct worker *worker, const struct job *table, size_t count,
                     bool (*run)(struct worker *worker, struct arena *arena, const struct job *job))
{
	int64_t next[JOBS_MAX] = {0};
	int64_t last = 0;
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);
	if (arena == NULL) {
		log_message(LOG_ERROR, "schedule", "no memory");
		return;
	}
	while (!atomic_load(&worker->stopping)) {
		int64_t now = app_now(worker->app);
		for (size_t i = 0; i < count && !atomic_load(&worker->stopping); i++) {
			/* A clock that was set back makes everything due: better once too often than not for a day. */
			if (now >= next[i] || now < last) {
				next[i] = now + (run(worker, arena, &table[i]) ? table[i].period_us : AGAIN_AFTER_FAILURE_US);
			}
		}
		last = now;
		worker_sleep(worker, LOOK_US);
	}
	arena_free(arena);
}

void run_schedule(struct worker *worker)
{
	run_jobs(worker, jobs, ARRAY_LEN(jobs), clean);
}

void run_upkeep(struct worker *worker)
{
	run_jobs(worker, upkeep_jobs, ARRAY_LEN(upkeep_jobs), tidy);
}
