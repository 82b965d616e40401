/*
 * baton - wakes one waiter: a fiber is put aside until then (base/fiber.h), any other thread sleeps.
 *
 * There is one waiter at a time. Any thread may post, before the wait or during it. Two posts before a wait count as one.
 *
 * A baton may lie on its waiter's stack: baton_post() does not touch it once the waiter can go on. A waiter whose baton is known to a queue
 * takes it off the queue, under the queue's lock, before the baton's storage ends. If another thread took it off first, a post of that
 * thread is still to come, and the waiter must wait for it.
 */
#ifndef TRIVET_BASE_BATON_H
#define TRIVET_BASE_BATON_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BATON_NO_END INT64_MAX

struct baton {
	_Atomic uintptr_t state; /* empty, posted, a thread, or the address of a fiber that waits */
	sem_t wake;              /* of a thread */
};

void baton_init(struct baton *baton);
void baton_done(struct baton *baton);

/*
 * baton_wait - until it is posted or `until` (monotonic us; BATON_NO_END) has passed. It is empty again when true.
 */
bool baton_wait(struct baton *baton, int64_t until);

/* baton_wait_or_read - in a fiber: waits until the baton is posted (true) or `fd` can be read (false). */
bool baton_wait_or_read(struct baton *baton, int fd);

void baton_post(struct baton *baton);

#endif
