/*
 * cache - Redis: a pool of connections, each call with a deadline; the only files (cache*.c) that know hiredis.
 *
 * Fail closed: any error, timeout or unexpected reply destroys the connection and answers UNAVAILABLE; nothing that Redis says
 * is believed further than "this code exists" (decisions.md 10) and "this is a place on a public board". Never called with a
 * PostgreSQL connection held (asserted). Each question to Redis waits at most 250 ms (cache_window_enter() may ask twice), and none past
 * `deadline` (monotonic microseconds). One exception: a host's name in the URL is looked up without a deadline each time a connection is
 * made; an address or a socket's path needs no look-up. After a failure further calls fail at once for 200 ms, then one tries again.
 */
#ifndef TRIVET_IO_CACHE_H
#define TRIVET_IO_CACHE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct cache;

/* cache_open - redis://[user[:password]@]host:port/db or unix:///path?user=..&password=..&db=n; connects lazily. OK, INVALID,
 * UNAVAILABLE (no memory). */
MUST_CHECK enum status cache_open(struct str url, int connections, struct cache **ret_cache);
void cache_close(struct cache *cache);

/* cache_ready - PING. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_ready(struct cache *cache, int64_t deadline);

/* cache_get - OK, NOT_FOUND, UNAVAILABLE, TOO_LARGE (arena). */
MUST_CHECK enum status cache_get(struct cache *cache, struct arena *arena, int64_t deadline, struct str key, struct str *ret_value);

/* cache_set - SET key value PX ttl_ms. OK, UNAVAILABLE. ttl_ms >= 1. */
MUST_CHECK enum status cache_set(struct cache *cache, int64_t deadline, struct str key, struct str value, int64_t ttl_ms);

/* cache_delete - whether or not it existed. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_delete(struct cache *cache, int64_t deadline, struct str key);

/*
 * cache_window_enter - a sliding window counter: `member` counts once however often it enters (a repeated update).
 *
 * In one MULTI: drops members older than now - window, adds member at `now`, counts, reads the oldest.
 * If this call added the member and the count is then above `limit`, the member is taken out again, and the answer is TOO_MANY with
 * ret_wait_us, the time until the oldest leaves the window. A member that was in before stays: OK, whatever the count.
 * OK, TOO_MANY, UNAVAILABLE.
 */
MUST_CHECK enum status cache_window_enter(struct cache *cache, int64_t deadline, struct str key, struct str member, int64_t now,
                                          int64_t window_us, int64_t limit, int64_t *ret_wait_us);

/* cache_window_leave - takes `member` out: the attempt does not count after all. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_window_leave(struct cache *cache, int64_t deadline, struct str key, struct str member);

/* cache_window_count - members in the window. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_window_count(struct cache *cache, int64_t deadline, struct str key, int64_t now, int64_t window_us,
                                          int64_t *ret_count);

/* ---- boards: sorted sets of numbers ---- */

/* Above it a double has no longer every integer, and Redis would write an exponent: higher scores are this one. */
#define CACHE_SCORE_MAX (INT64_C(1) << 53)

/* A member with its score, 1..CACHE_SCORE_MAX; 0: not a member. */
struct cache_ranked {
	int64_t member;
	int64_t score;
};

/*
 * cache_ranked_page - members by falling score, the first at index 0.
 *
 * ready         the key that says whether the sets are to be believed: they are while it holds a number
 * from, count   count 1..1000
 * OK (fewer than count: the end), NOT_FOUND (they are not), UNAVAILABLE, TOO_LARGE (arena).
 */
MUST_CHECK enum status cache_ranked_page(struct cache *cache, struct arena *arena, int64_t deadline, struct str ready, struct str key,
                                         int64_t from, int64_t count, struct cache_ranked **ret_page, size_t *ret_count);

/* cache_ranked_find - a member's score and its index by falling score. OK, NOT_FOUND (no such member), UNAVAILABLE. */
MUST_CHECK enum status cache_ranked_find(struct cache *cache, int64_t deadline, struct str key, int64_t member, int64_t *ret_score,
                                         int64_t *ret_index);

/* cache_ranked_above - how many members have a higher score. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_ranked_above(struct cache *cache, int64_t deadline, struct str key, int64_t score, int64_t *ret_count);

/* What a sorted set shall hold of some members. */
struct cache_ranked_set {
	struct str key;
	int64_t ttl_ms; /* from now on; 0: for ever */
	const struct cache_ranked *members;
	size_t count;
};

/* A key that tells whether the writer still is the one: compared, and changed together with what is written. */
struct cache_fence {
	struct str key;
	struct str expected;
	struct str next;
};

/* cache_ranked_write - OK, CONFLICT (the fence says another thing than expected: nothing was written), UNAVAILABLE, TOO_LARGE (arena). */
MUST_CHECK enum status cache_ranked_write(struct cache *cache, struct arena *arena, int64_t deadline, const struct cache_fence *fence,
                                          const struct cache_ranked_set *sets, size_t count);

/* cache_ranked_restart - forgets the sets; from then on the fence's key says `next`. OK, UNAVAILABLE, TOO_LARGE (arena). */
MUST_CHECK enum status cache_ranked_restart(struct cache *cache, struct arena *arena, int64_t deadline, const struct cache_fence *fence,
                                            const struct cache_ranked_set *sets, size_t count);

#endif
