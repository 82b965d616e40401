/*
 * permit - how many threads of a program compute at once.
 *
 * A thread that waits for a store costs no processor, so a program has many more threads than there are processors; when they all compute
 * (signatures are verified), each is interrupted in the middle of its request for the turns of all others, and the longest answers take
 * many times the middling one. So a request begins with a permit, which its thread gives up at its first wait: few begin at once, the
 * others stay in the listener's queue, in their order. Who comes back from a wait needs none, he is about to end.
 *
 * Thread-safe. What waits for others calls permit_leave() before it does (io/pg, io/cache, io/gather, io/http_client, base/limit, and the
 * accept loop for who connects and says nothing). To forget it costs throughput, nothing else, as long as no wait ends only by what another
 * request begins.
 */
#ifndef TRIVET_BASE_PERMIT_H
#define TRIVET_BASE_PERMIT_H

#include <stdbool.h>

struct permits;

/* permits_new - `count` of them, at least 1. Returns NULL when the system has no memory. */
struct permits *permits_new(int count);

/* permits_free - nobody may hold one or wait for one. permits_free(NULL) is fine. */
void permits_free(struct permits *permits);

/* permit_take - waits for a permit; who holds one keeps it. */
void permit_take(struct permits *permits);

/* permit_leave - gives up what the calling thread holds; one that holds none (other programs' threads never do) does nothing. */
void permit_leave(void);

/* permit_held - whether the calling thread holds one. */
bool permit_held(void);

/* permits_lift - from now on nobody waits: one more permit for each of `threads`. */
void permits_lift(struct permits *permits, int threads);

#endif
