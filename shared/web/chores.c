#include "web/chores.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/ctx.h"

#define CHORES_ARENA_LIMIT ((size_t)2 * 1024 * 1024)
#define CHORE_BUDGET_US (2 * SECOND_US)

struct chores {
	struct app *app;
	struct arena *arena;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t stop_asked;
	bool stopping;
};

static void run_chore(struct chores *chores, const struct chore *chore)
{
	struct ctx ctx = {.app = chores->app, .arena = chores->arena, .now = app_now(chores->app),
	                  .deadline = clock_monotonic_us() + CHORE_BUDGET_US, .request_id = STR("chore"), .language = LANGUAGE_EN};

	arena_reset(chores->arena);
	chore->run(&ctx, chore->arg);
}

/* Until `until` by the monotonic clock, or the stop. */
static bool wait_or_stop(struct chores *chores, int64_t until)
{
	struct timespec end = {.tv_sec = until / SECOND_US, .tv_nsec = until % SECOND_US * 1000};
	bool stopping = false;

	(void)pthread_mutex_lock(&chores->mutex);
	while (!chores->stopping && clock_monotonic_us() < until) {
		(void)pthread_cond_timedwait(&chores->stop_asked, &chores->mutex, &end);
	}
	stopping = chores->stopping;
	(void)pthread_mutex_unlock(&chores->mutex);
	return stopping;
}

static void *run(void *arg)
{
	struct chores *chores = arg;
	const struct app *app = chores->app;
	int64_t due[APP_CHORES_MAX] = {0};
	bool stopping = false;

	while (!stopping) {
		int64_t next = INT64_MAX;

		for (size_t i = 0; i < app->chore_count; i++) {
			if (clock_monotonic_us() >= due[i]) {
				run_chore(chores, &app->chores[i]);
				due[i] = clock_monotonic_us() + app->chores[i].every_us;
			}
			next = due[i] < next ? due[i] : next;
		}
		stopping = wait_or_stop(chores, next);
	}
	for (size_t i = 0; i < app->chore_count; i++) {
		run_chore(chores, &app->chores[i]);
	}
	return NULL;
}

/* A thread inherits the signals that are blocked where it is made. */
static bool start_without_signals(struct chores *chores)
{
	sigset_t all;
	sigset_t before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	bool started = pthread_create(&chores->thread, NULL, run, chores) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static void free_chores(struct chores *chores)
{
	(void)pthread_cond_destroy(&chores->stop_asked);
	(void)pthread_mutex_destroy(&chores->mutex);
	arena_free(chores->arena);
	free(chores);
}

enum status chores_start(struct app *app, struct chores **ret_chores)
{
	pthread_condattr_t monotonic;
	struct chores *chores = NULL;

	if (app->chore_count == 0) {
		*ret_chores = NULL;
		return OK;
	}
	chores = calloc(1, sizeof(*chores));
	if (chores == NULL) {
		return UNAVAILABLE;
	}
	chores->app = app;
	chores->arena = arena_new(CHORES_ARENA_LIMIT);
	(void)pthread_mutex_init(&chores->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&chores->stop_asked, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	if (chores->arena == NULL || !start_without_signals(chores)) {
		free_chores(chores);
		return UNAVAILABLE;
	}
	*ret_chores = chores;
	return OK;
}

void chores_stop(struct chores *chores)
{
	if (chores == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&chores->mutex);
	chores->stopping = true;
	(void)pthread_cond_signal(&chores->stop_asked);
	(void)pthread_mutex_unlock(&chores->mutex);
	(void)pthread_join(chores->thread, NULL);
	free_chores(chores);
}
