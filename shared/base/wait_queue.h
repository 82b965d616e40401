/*
 * wait_queue - those who wait for one of few things, in the order in which they came: connections of a pool.
 *
 * The owner has a lock of his own and holds it over every call. An entry lies on the stack of who waits: he joins, gives the lock up, waits
 * for the baton, takes the lock and leaves, unless he was taken off meanwhile. Whoever takes him off says what came of it in the entry and
 * posts his baton, still under the lock.
 */
#ifndef TRIVET_BASE_WAIT_QUEUE_H
#define TRIVET_BASE_WAIT_QUEUE_H

#include "base/baton.h"

struct wait_entry {
	struct baton wake;
	void *given;  /* what he waited for; NULL: nothing yet */
	bool refused; /* he need not wait any longer */
	struct wait_entry *next;
};

/* Empty when zeroed. */
struct wait_queue {
	struct wait_entry *first;
	struct wait_entry *last;
};

/* wait_queue_join - `entry` becomes the last; wait_queue_leave() ends it in every case. */
void wait_queue_join(struct wait_queue *queue, struct wait_entry *entry);

/* wait_queue_leave - the entry is no longer in the queue, whether it was or not, and nobody knows of it. */
void wait_queue_leave(struct wait_queue *queue, struct wait_entry *entry);

/* wait_queue_give - to who waited longest, who goes on. False: nobody waits. */
bool wait_queue_give(struct wait_queue *queue, void *thing);

/* wait_queue_refuse - sends everybody away. */
void wait_queue_refuse(struct wait_queue *queue);

#endif
