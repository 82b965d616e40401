#include "base/baton.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/fiber.h"

/* Addresses of fibers are none of these. */
#define EMPTY ((uintptr_t)0)
#define POSTED ((uintptr_t)1)
#define THREAD ((uintptr_t)2)

void baton_init(struct baton *baton)
{
	atomic_init(&baton->state, EMPTY);
	(void)sem_init(&baton->wake, 0, 0);
}

void baton_done(struct baton *baton)
{
	(void)sem_destroy(&baton->wake);
}

/* False: it was posted already. */
static bool announce(struct baton *baton, uintptr_t waiter)
{
	uintptr_t expected = EMPTY;

	if (atomic_compare_exchange_strong(&baton->state, &expected, waiter)) {
		return true;
	}
	assert(expected == POSTED); /* one waits at a time */
	return false;
}

/* At the end of patience. False: somebody posts at this very moment. */
static bool withdraw(struct baton *baton, uintptr_t waiter)
{
	return atomic_compare_exchange_strong(&baton->state, &waiter, EMPTY);
}

/* What the poster did before is seen from here on; his writing of the state, too: the baton's storage may be used for something else. */
static bool take(struct baton *baton)
{
	uintptr_t state = atomic_exchange(&baton->state, EMPTY);

	assert(state == POSTED);
	(void)state;
	return true;
}

static bool sleep_until(struct baton *baton, int64_t until)
{
	struct timespec end = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};

	while (sem_clockwait(&baton->wake, CLOCK_MONOTONIC, &end) != 0) {
		if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool wait_in_thread(struct baton *baton, int64_t until)
{
	if (announce(baton, THREAD) && !sleep_until(baton, until)) {
		if (withdraw(baton, THREAD)) {
			return false;
		}
		(void)sleep_until(baton, BATON_NO_END);
	}
	return take(baton);
}

static bool wait_in_fiber(struct baton *baton, struct fiber *fiber, int fd, int64_t until)
{
	short ready = 0;

	if (announce(baton, (uintptr_t)fiber) && fiber_park(fd, POLLIN, until, &ready) != FIBER_RESUMED) {
		if (withdraw(baton, (uintptr_t)fiber)) {
			return false;
		}
		(void)fiber_park(-1, 0, BATON_NO_END, &ready);
	}
	return take(baton);
}

bool baton_wait(struct baton *baton, int64_t until)
{
	struct fiber *fiber = fiber_current();

	return fiber == NULL ? wait_in_thread(baton, until) : wait_in_fiber(baton, fiber, -1, until);
}

bool baton_wait_or_read(struct baton *baton, int fd)
{
	struct fiber *fiber = fiber_current();

	assert(fiber != NULL);
	return wait_in_fiber(baton, fiber, fd, BATON_NO_END);
}

void baton_post(struct baton *baton)
{
	uintptr_t waiter = atomic_exchange(&baton->state, POSTED);

	if (waiter == THREAD) {
		(void)sem_post(&baton->wake);
	} else if (waiter != EMPTY && waiter != POSTED) {
		fiber_resume((struct fiber *)waiter); /* NOLINT(performance-no-int-to-ptr) */
	}
}
