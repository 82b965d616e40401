/*
 * baton - wakes one who waits: a fiber is put aside until then (base/fiber.h), any other thread sleeps.
 *
 * One waits at a time; anybody posts, from any thread, before or after. Posting twice before a wait is posting once.
 *
 * Whoever posts does not touch the baton once the one who waits for it can go on: it may lie on his stack. A baton that a queue knows must
 * be taken off the queue before its storage ends, under the queue's lock; if somebody took it off before, his post has to be waited for.
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

/* baton_wait_or_read - in a fiber: until it is posted (true), or `fd` can be read and it is not. */
bool baton_wait_or_read(struct baton *baton, int fd);

void baton_post(struct baton *baton);

#endif
