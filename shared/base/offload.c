#include "base/offload.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/baton.h"
#include "base/fiber.h"

/* Lives on its fiber's stack. */
struct job {
	void (*fn)(void *arg);
	void *arg;
	struct baton done;
	struct job *next;
};

struct helpers {
	size_t stack_bytes;
	size_t most;

	pthread_mutex_t lock;
	pthread_cond_t wake; /* a job, or the end */
	size_t started;
	size_t idle;   /* those that were woken and have not looked yet are among them */
	size_t queued; /* jobs that nobody took yet */
	struct job *first;
	struct job *last;
	bool ending;
	pthread_t threads[];
};

static struct job *take_first(struct helpers *helpers)
{
	struct job *job = helpers->first;

	helpers->first = job->next;
	if (helpers->first == NULL) {
		helpers->last = NULL;
	}
	helpers->queued--;
	return job;
}

static void *help(void *argument)
{
	struct helpers *helpers = argument;

	(void)pthread_mutex_lock(&helpers->lock);
	while (helpers->first != NULL || !helpers->ending) {
		if (helpers->first == NULL) {
			helpers->idle++;
			(void)pthread_cond_wait(&helpers->wake, &helpers->lock);
			helpers->idle--;
			continue;
		}
		struct job *job = take_first(helpers);

		(void)pthread_mutex_unlock(&helpers->lock);
		job->fn(job->arg);
		baton_post(&job->done);
		(void)pthread_mutex_lock(&helpers->lock);
	}
	(void)pthread_mutex_unlock(&helpers->lock);
	return NULL;
}

/* One more thread, unless there are enough. Locked. */
static void start_thread(struct helpers *helpers)
{
	pthread_attr_t attributes;

	if (helpers->started == helpers->most || pthread_attr_init(&attributes) != 0) {
		return;
	}
	if (pthread_attr_setstacksize(&attributes, helpers->stack_bytes) == 0 &&
		pthread_create(&helpers->threads[helpers->started], &attributes, help, helpers) == 0) {
		helpers->started++;
	}
	(void)pthread_attr_destroy(&attributes);
}

/* False: nobody would ever take it. */
static bool hand_over(struct helpers *helpers, struct job *job)
{
	bool handed = false;

	(void)pthread_mutex_lock(&helpers->lock);
	if (helpers->queued >= helpers->idle) {
		start_thread(helpers);
	}
	handed = helpers->started > 0;
	if (handed) {
		if (helpers->last != NULL) {
			helpers->last->next = job;
		} else {
			helpers->first = job;
		}
		helpers->last = job;
		helpers->queued++;
		(void)pthread_cond_signal(&helpers->wake);
	}
	(void)pthread_mutex_unlock(&helpers->lock);
	return handed;
}

void offload(struct helpers *helpers, void (*fn)(void *arg), void *arg)
{
	struct job job = {.fn = fn, .arg = arg};

	if (helpers == NULL || fiber_current() == NULL) {
		fn(arg);
		return;
	}
	baton_init(&job.done);
	if (hand_over(helpers, &job)) {
		(void)baton_wait(&job.done, BATON_NO_END);
	} else {
		fn(arg);
	}
	baton_done(&job.done);
}

struct helpers *helpers_new(size_t count, size_t stack_bytes)
{
	struct helpers *helpers = calloc(1, sizeof(*helpers) + count * sizeof(helpers->threads[0]));

	assert(count >= 1);
	if (helpers == NULL) {
		return NULL;
	}
	helpers->most = count;
	helpers->stack_bytes = stack_bytes;
	(void)pthread_mutex_init(&helpers->lock, NULL);
	(void)pthread_cond_init(&helpers->wake, NULL);
	return helpers;
}

void helpers_free(struct helpers *helpers)
{
	if (helpers == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&helpers->lock);
	assert(helpers->first == NULL);
	helpers->ending = true;
	(void)pthread_cond_broadcast(&helpers->wake);
	(void)pthread_mutex_unlock(&helpers->lock);
	for (size_t i = 0; i < helpers->started; i++) {
		(void)pthread_join(helpers->threads[i], NULL);
	}
	(void)pthread_cond_destroy(&helpers->wake);
	(void)pthread_mutex_destroy(&helpers->lock);
	free(helpers);
}
