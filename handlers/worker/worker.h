/*
 * worker - the program that has no socket: sends notices, runs schedules; any number may run (decisions.md 14, 21).
 *
 * One thread per duty (main.c, duties[]); a new duty is a row there and a function that returns soon after worker->stopping is set.
 */
#ifndef TRIVET_WORKER_H
#define TRIVET_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/ctx.h"
#include "io/app.h"

/* After SIGTERM what is in flight may take so long. */
#define WORKER_DRAIN_US (5 * SECOND_US)

/* Room for one turn of a duty. */
#define WORKER_ARENA_LIMIT ((size_t)16 * 1024 * 1024)

struct worker {
	struct app *app;
	struct str owner; /* a uuid of this process, for leases */
	int stop_fd;      /* readable from the moment of SIGTERM on */
	atomic_bool stopping;
};

/* worker_ctx - a fresh turn: resets the arena and reads the clock. */
struct ctx worker_ctx(struct worker *worker, struct arena *arena, int64_t budget_us);

/* worker_sleep - until `us` have passed or the worker stops. */
void worker_sleep(struct worker *worker, int64_t us);

/* Duties; each runs on its own thread until the worker stops. */
void send_telegram(struct worker *worker); /* sender.c */
void send_discord(struct worker *worker);
void run_schedule(struct worker *worker); /* schedule.c */
void run_upkeep(struct worker *worker);   /* schedule.c */
void apply_events(struct worker *worker); /* events.c */
void run_deferred(struct worker *worker); /* deferred.c */
void keep_boards(struct worker *worker);  /* boards.c */
void pay_missions(struct worker *worker);   /* missions.c */
void close_seasons(struct worker *worker);  /* seasons.c */

#endif
