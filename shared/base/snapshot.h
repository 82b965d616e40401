/*
 * snapshot - one immutable value that the threads of a process share and renew now and then.
 *
 * A reader holds what he took until his arena's reset; a newer value does not disturb him. The value lives in an arena of its own, which
 * the slot frees when nobody holds it any more.
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
 * Who first finds it too old is told so, to renew it; the others may use it for as long again meanwhile, so that not all renew it at once.
 *
 * arena   holds it until its reset
 * NULL: none, too old, or the arena failed.
 */
const void *snapshot_take(struct snapshot_slot *slot, struct arena *arena, int64_t now, int64_t fresh_us);

/*
 * snapshot_put - a new value, made at `now`, in memory of `owner`, which is the slot's from then on, whatever the status.
 *
 * arena   holds it too until its reset, like snapshot_take(): another thread may put a newer one at any moment
 * OK, TOO_LARGE (no memory, or the arena failed).
 */
MUST_CHECK enum status snapshot_put(struct snapshot_slot *slot, struct arena *arena, struct arena *owner, const void *value, int64_t now);

#endif
