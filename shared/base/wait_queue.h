/*
 * wait_queue - those who wait for one of few things, in the order in which they came: connections of a pool.
 *
 * The owner of the queue has a lock and holds it over every call. An entry lies on the stack of the thread or fiber that waits: it joins,
 * gives the lock up, waits for the baton, takes the lock and leaves, whether it was taken off the queue meanwhile or not. Whoever takes an
 * entry off says in it what came of the wait and posts its baton, still under the lock.
 */
#ifndef TRIVET_BASE_WAIT_QUEUE_H
#define TRIVET_BASE_WAIT_QUEUE_H

#include "base/baton.h"

struct wait_entry {
	struct baton wake;
	void *given;  /* what was waited for; NULL: nothing yet */
	bool refused; /* nothing will be given */
	struct wait_entry *next;
};

/* Empty when zeroed. */
struct wait_queue {
	struct wait_entry *first;
	struct wait_entry *last;
};

/* wait_queue_join - `entry` becomes the last; wait_queue_leave() ends it in every case. */
void wait_queue_join(struct wait_queue *queue, struct wait_entry *entry);

/* wait_queue_leave - takes the entry off the queue if it is still in it, and ends its baton. Its storage may end then. */
void wait_queue_leave(struct wait_queue *queue, struct wait_entry *entry);

/* wait_queue_give - hands `thing` to the first entry, takes it off and wakes it. False: the queue is empty. */
bool wait_queue_give(struct wait_queue *queue, void *thing);

/* wait_queue_refuse - takes every entry off the queue as refused, and wakes it. */
void wait_queue_refuse(struct wait_queue *queue);

#endif
