#include "base/permit.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

struct permits {
	sem_t free;
};

/* Whose permit the thread holds. */
static _Thread_local struct permits *held;

struct permits *permits_new(int count)
{
	struct permits *permits = malloc(sizeof(*permits));

	assert(count >= 1);
	if (permits != NULL) {
		(void)sem_init(&permits->free, 0, (unsigned)count);
	}
	return permits;
}

void permits_free(struct permits *permits)
{
	if (permits == NULL) {
		return;
	}
	assert(held == NULL);
	(void)sem_destroy(&permits->free);
	free(permits);
}

void permit_take(struct permits *permits)
{
	assert(held == NULL || held == permits);
	if (held == permits) {
		return;
	}
	while (sem_wait(&permits->free) != 0) {
		assert(errno == EINTR);
	}
	held = permits;
}

void permit_leave(void)
{
	if (held != NULL) {
		(void)sem_post(&held->free);
		held = NULL;
	}
}

bool permit_held(void)
{
	return held != NULL;
}

void permits_lift(struct permits *permits, int threads)
{
	for (int i = 0; i < threads; i++) {
		(void)sem_post(&permits->free);
	}
}
