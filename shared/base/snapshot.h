/*
 * snapshot - one immutable value that the threads of a process share and renew now and then.
 *
 * A reader's arena holds the value that was taken until the arena's reset, also when a newer value was put meanwhile. Each value lives in
 * an arena of its own, which is freed when neither the slot nor a reader holds it any more.
 */
#ifndef TRIVET_BASE_SNAPSHOT_H
#define TRIVET_BASE_SNAPSHOT_H

#include "base/arena.h"

struct snapshot_slot;

/* snapshot_slot_new - empty. NULL: no memory. snapshot_slot_free(NULL) is fine; nobody may hold a value then. */
struct snapshot_slot *snapshot_slot_new(void);
void snapshot_slot_free(struct snapshot_slot *slot);

/*
 * snapshot_take - the value, unless it is older than `fresh_us`, or newer than `now` by more (a clock that was set back).
 *
 * The first reader after `fresh_us` gets NULL and shall renew the value. From then on the other readers get the old value for up to
 * `fresh_us` more, so that not all of them renew it at once.
 *
 * arena   holds it until its reset
 * NULL: none, too old, or the arena failed.
 */
const void *snapshot_take(struct snapshot_slot *slot, struct arena *arena, int64_t now, int64_t fresh_us);

/*
 * snapshot_put - puts a new value, made at `now`. It lives in `owner`, which belongs to the slot from then on, whatever the status.
 *
 * arena   holds the value until its reset, as after snapshot_take(): another thread may put a newer one at any moment
 * OK, TOO_LARGE (no memory, or the arena failed).
 */
MUST_CHECK enum status snapshot_put(struct snapshot_slot *slot, struct arena *arena, struct arena *owner, const void *value, int64_t now);

#endif
