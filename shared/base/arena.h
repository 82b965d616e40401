/*
 * arena - memory of one request.
 *
 * Everything that a request allocates comes from its own arena and is gone at the next arena_reset(). Foreign
 * objects (PGresult, json_t) hang on it by arena_defer() hooks, which run newest first at reset.
 *
 * An arena has a byte limit. Past it allocation answers NULL and the arena is *failed* until its reset: whoever commits
 * or answers asks arena_failed() once, so that half a value never leaves the process.
 *
 * In sanitizer builds every allocation has its own malloc, so that AddressSanitizer sees a one-byte overflow.
 * Not thread-safe: of one user at a time.
 */
#ifndef TRIVET_BASE_ARENA_H
#define TRIVET_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/status.h"

struct arena;

/* Of one request: body, parsed tree, rows, reply (decisions.md 6). */
#define ARENA_REQUEST_LIMIT ((size_t)4 * 1024 * 1024)
/* What an arena keeps over a reset; the rest goes back to the system. */
#define ARENA_KEPT ((size_t)64 * 1024)

/*
 * arena_new - an empty arena that hands out at most `limit` bytes between two resets.
 *
 * Returns NULL when the system has no memory. The caller owns it; give it to arena_free().
 */
struct arena *arena_new(size_t limit);

/*
 * arena_free - runs the hooks and returns all memory. arena_free(NULL) is fine.
 */
void arena_free(struct arena *arena);

/*
 * arena_reset - runs the hooks, newest first, forgets every allocation, shrinks to ARENA_KEPT, clears failed.
 */
void arena_reset(struct arena *arena);

/*
 * arena_alloc - `size` bytes, zeroed, aligned for any type; size 0 gives a valid unique pointer.
 *
 * Returns NULL when the limit is reached or the system has no memory; the arena is failed from then on.
 */
void *arena_alloc(struct arena *arena, size_t size);

/*
 * arena_array - `count` elements of `size` bytes each, zeroed; NULL also when the product overflows.
 */
void *arena_array(struct arena *arena, size_t count, size_t size);

/*
 * arena_defer - has fn(object) called at the next reset.
 *
 * On failure (TOO_LARGE) fn(object) has been called already: the object is the arena's in every case.
 */
MUST_CHECK enum status arena_defer(struct arena *arena, void (*fn)(void *object), void *object);

/*
 * arena_failed - whether an allocation was refused since the last reset.
 */
bool arena_failed(const struct arena *arena);

/*
 * arena_extend - adds `size` bytes to the limit until the next reset and clears the failure: room to keep the input, or to answer.
 *
 * Call it only after discarding everything that was allocated since the failure: arena_failed() no longer reports that a part is missing.
 */
void arena_extend(struct arena *arena, size_t size);

/*
 * arena_used - bytes handed out since the last reset.
 */
size_t arena_used(const struct arena *arena);

#endif
