/*
 * limit - counts per key in process memory: a rate (token bucket) and a number of things in flight.
 *
 * Invariants
 * - Fixed size: a table never grows, whatever keys come. Keys are kept as a keyed hash (SipHash-2-4, seeded per table), so
 *   nobody can choose keys that fall together; two keys of one hash (once in 2^64) share a count.
 * - Under pressure of many keys a rate forgets whoever is closest to a full bucket: it errs by letting in. A flight never
 *   forgets: where all places of a set are taken it refuses.
 * - Thread-safe. Time of rates is passed in; flights wait by the monotonic clock.
 *
 * Life cycle: limit_table_new() once per process, limit_table_free() after its threads are gone.
 */
#ifndef TRIVET_BASE_LIMIT_H
#define TRIVET_BASE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

struct limit_table;

/*
 * limit_table_new - room for about `slots` rates and as many flights (rounded up to a power of two, at least 64).
 *
 * Returns NULL when the system has no memory.
 */
struct limit_table *limit_table_new(size_t slots);

/* limit_table_free - nothing may be in flight. limit_table_free(NULL) is fine. */
void limit_table_free(struct limit_table *table);

/*
 * limit_rate_allow - takes one token of `key`; a bucket holds `per_minute` tokens and refills at that rate.
 *
 * key           who and what, e.g. "start:telegram:42"; one key always comes with the same per_minute
 * per_minute    1..60,000,000
 * now_us        microseconds; may be the development clock: a step back costs nobody more than a minute
 * ret_wait_us   set only when the answer is false: how long until a token is there, 1..60 s; may be NULL
 */
bool limit_rate_allow(struct limit_table *table, struct str key, int per_minute, int64_t now_us, int64_t *ret_wait_us);

/*
 * limit_flight_enter - one more of `key` in flight, at most `limit`; waits up to wait_us for a place.
 *
 * OK (pair it with limit_flight_leave()), TOO_MANY.
 */
MUST_CHECK enum status limit_flight_enter(struct limit_table *table, struct str key, int limit, int64_t wait_us);

/* limit_flight_leave - one less; only after an OK of limit_flight_enter() with this key (asserted). */
void limit_flight_leave(struct limit_table *table, struct str key);

#endif
