#include "base/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

struct snapshot {
	atomic_int holders; /* the slot is one while it is the newest */
	struct arena *owner;
	const void *value;
	int64_t made_at;
	bool renewed; /* somebody was told that it is too old */
};

struct snapshot_slot {
	pthread_mutex_t mutex;
	struct snapshot *newest; /* NULL: none yet */
};

struct snapshot_slot *snapshot_slot_new(void)
{
	struct snapshot_slot *slot = calloc(1, sizeof(*slot));

	if (slot != NULL && pthread_mutex_init(&slot->mutex, NULL) != 0) {
		free(slot);
		return NULL;
	}
	return slot;
}

static void let_go(void *object)
{
	struct snapshot *snapshot = object;

	if (snapshot != NULL && atomic_fetch_sub(&snapshot->holders, 1) == 1) {
		arena_free(snapshot->owner);
		free(snapshot);
	}
}

void snapshot_slot_free(struct snapshot_slot *slot)
{
	if (slot == NULL) {
		return;
	}
	let_go(slot->newest);
	(void)pthread_mutex_destroy(&slot->mutex);
	free(slot);
}

/* Locked. */
static bool may_be_used(struct snapshot *snapshot, int64_t now, int64_t fresh_us)
{
	int64_t age = now - snapshot->made_at;

	if (age >= -fresh_us && age <= fresh_us) {
		return true;
	}
	if (age > 0 && age <= 2 * fresh_us && snapshot->renewed) {
		return true;
	}
	snapshot->renewed = true;
	return false;
}

const void *snapshot_take(struct snapshot_slot *slot, struct arena *arena, int64_t now, int64_t fresh_us)
{
	struct snapshot *snapshot = NULL;

	(void)pthread_mutex_lock(&slot->mutex);
	if (slot->newest != NULL && may_be_used(slot->newest, now, fresh_us)) {
		snapshot = slot->newest;
		atomic_fetch_add(&snapshot->holders, 1);
	}
	(void)pthread_mutex_unlock(&slot->mutex);
	if (snapshot == NULL) {
		return NULL;
	}
	return arena_defer(arena, let_go, snapshot) == OK ? snapshot->value : NULL;
}

enum status snapshot_put(struct snapshot_slot *slot, struct arena *arena, struct arena *owner, const void *value, int64_t now)
{
	struct snapshot *snapshot = malloc(sizeof(*snapshot));
	struct snapshot *before = NULL;

	if (snapshot == NULL) {
		arena_free(owner);
		return TOO_LARGE;
	}
	*snapshot = (struct snapshot){.holders = 2, .owner = owner, .value = value, .made_at = now};
	(void)pthread_mutex_lock(&slot->mutex);
	before = slot->newest;
	slot->newest = snapshot;
	(void)pthread_mutex_unlock(&slot->mutex);
	let_go(before);
	return arena_defer(arena, let_go, snapshot);
}
