#include "io/gather.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/baton.h"
#include "base/clock.h"
#include "base/fiber.h"

/* What a batch's strings take at most: their bytes, and the arena's rounding of each; and the handles of an answer. */
#define BATCH_ARENA (GATHER_BYTES_MAX + (size_t)GATHER_ROWS_MAX * GATHER_COLUMNS_MAX * 64)

enum turn {
	TURN_WAITS = 0,
	TURN_LEADS, /* he works on his batch */
	TURN_DONE,  /* it was worked on */
	TURN_COUNT
};

/*
 * A caller of gather_bring(); lives on its stack. Each wakes by a baton of his own and needs no lock then: threads that
 * wake at once would only queue for it.
 */
struct waiter {
	struct baton wake; /* posted once, when the turn is no longer TURN_WAITS */
	int64_t deadline;
	/* Changed under the lock: a waiter who leaves and a leader who counts waiters agree. lead() only repeats TURN_DONE without it. */
	_Atomic enum turn turn;
	struct waiter *next;
};

struct batch {
	struct gather_batch shown;
	size_t bytes;
	struct waiter *waiters; /* until it is worked on */
	atomic_size_t holders;  /* then: who still has to take what is his */
	struct batch *next;
};

struct gather {
	struct gather_options options;
	pthread_mutex_t lock;
	bool leading;         /* somebody works on a batch, or was asked to */
	struct batch *first;  /* batches that wait, oldest first; all but the last are full */
	struct batch *last;
	struct batch *spare;
};

/* ---- batches; the lock is held ---- */

static struct batch *batch_new(struct gather *gather)
{
	struct batch *batch = gather->spare;

	if (batch != NULL) {
		gather->spare = batch->next;
		batch->next = NULL;
		return batch;
	}
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	batch->shown.arena = arena_new(BATCH_ARENA);
	if (batch->shown.arena == NULL) {
		free(batch);
		return NULL;
	}
	return batch;
}

static void batch_give(struct gather *gather, struct batch *batch)
{
	arena_reset(batch->shown.arena);
	batch->shown.count = 0;
	batch->shown.answer = NULL;
	batch->bytes = 0;
	batch->waiters = NULL;
	batch->next = gather->spare;
	gather->spare = batch;
}

/* Copies the row into a batch. False: no memory. */
static bool batch_copy(const struct gather *gather, struct batch *batch, const struct gather_row *row, size_t bytes)
{
	struct gather_row *copy = &batch->shown.rows[batch->shown.count];

	for (int i = 0; i < gather->options.columns; i++) {
		copy->columns[i] = str_present(row->columns[i]) ? str_dup(batch->shown.arena, row->columns[i]) : STR_ABSENT;
	}
	if (arena_failed(batch->shown.arena)) {
		return false; /* an absent copy would be stored as NULL */
	}
	batch->shown.count++;
	batch->bytes += bytes;
	return true;
}

/* Puts the row into the batch that is filling, a new one when that is full. NULL: no memory. */
static struct batch *join(struct gather *gather, const struct gather_row *row, size_t bytes)
{
	struct batch *batch = gather->last;

	if (batch != NULL && batch->shown.count < gather->options.limit && batch->bytes + bytes <= GATHER_BYTES_MAX) {
		return batch_copy(gather, batch, row, bytes) ? batch : NULL;
	}
	batch = batch_new(gather);
	if (batch == NULL) {
		return NULL;
	}
	if (!batch_copy(gather, batch, row, bytes)) {
		batch_give(gather, batch);
		return NULL;
	}
	if (gather->last != NULL) {
		gather->last->next = batch;
	} else {
		gather->first = batch;
	}
	gather->last = batch;
	return batch;
}

static struct batch *take_first(struct gather *gather)
{
	struct batch *batch = gather->first;

	gather->first = batch->next;
	if (gather->first == NULL) {
		gather->last = NULL;
	}
	batch->next = NULL;
	return batch;
}

static void add_waiter(struct batch *batch, struct waiter *waiter)
{
	waiter->next = batch->waiters;
	batch->waiters = waiter;
}

static void remove_waiter(struct batch *batch, const struct waiter *waiter)
{
	struct waiter **at = &batch->waiters;

	while (*at != waiter) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = waiter->next;
}

/*
 * Gives the lead to who waits in the oldest batch: to the one with the latest deadline, so that the lead, which cannot be left in the
 * middle, keeps nobody past his own. A batch that everybody left is dropped: they were told that its outcome is unknown.
 */
static void pass_lead(struct gather *gather)
{
	while (gather->first != NULL && gather->first->waiters == NULL) {
		batch_give(gather, take_first(gather));
	}
	if (gather->first == NULL) {
		gather->leading = false;
		return;
	}
	struct waiter *chosen = gather->first->waiters;

	for (struct waiter *waiter = chosen->next; waiter != NULL; waiter = waiter->next) {
		chosen = waiter->deadline > chosen->deadline ? waiter : chosen;
	}
	remove_waiter(gather->first, chosen);
	chosen->turn = TURN_LEADS;
	baton_post(&chosen->wake);
}

/* ---- the callers ---- */

/* Of a batch that was worked on: everybody may take what is his, without the lock, and who led it, too. Locked. */
static struct waiter *release(struct batch *batch)
{
	struct waiter *released = batch->waiters;
	size_t holders = 1;

	for (struct waiter *waiter = released; waiter != NULL; waiter = waiter->next) {
		waiter->turn = TURN_DONE;
		holders++;
	}
	batch->waiters = NULL;
	atomic_store(&batch->holders, holders);
	return released;
}

/* Works on the oldest batch, which is the caller's own. Fibers of his thread that are ready may join it before. */
static void lead(struct gather *gather, struct batch *own, int64_t deadline)
{
	fiber_yield();
	pthread_mutex_lock(&gather->lock);
	struct batch *batch = take_first(gather);

	pthread_mutex_unlock(&gather->lock);
	assert(batch == own && batch->shown.count >= 1);
	gather->options.work(gather->options.owner, &batch->shown, deadline);
	pthread_mutex_lock(&gather->lock);
	struct waiter *released = release(batch);

	pass_lead(gather);
	pthread_mutex_unlock(&gather->lock);
	while (released != NULL) {
		struct waiter *next = released->next;

		/* No change: release() has set it under the lock. The repetition is for a thread checker that does not know sem_clockwait: it
		 * sees by it that all which was done to the waiter came before he went on. Once woken he may be gone. */
		released->turn = TURN_DONE;
		baton_post(&released->wake);
		released = next;
	}
}

/* Until he is woken. At his deadline he leaves, unless his turn has come at that very moment. False: he left. */
static bool wait_for_turn(struct gather *gather, struct batch *batch, struct waiter *self)
{
	if (baton_wait(&self->wake, self->deadline)) {
		return true;
	}
	pthread_mutex_lock(&gather->lock);
	enum turn turn = self->turn;

	if (turn == TURN_WAITS) {
		remove_waiter(batch, self);
	} else if (turn == TURN_LEADS) {
		pass_lead(gather); /* to somebody who still has time */
	}
	pthread_mutex_unlock(&gather->lock);
	if (turn == TURN_DONE) {
		(void)baton_wait(&self->wake, BATON_NO_END); /* who calls him still holds him: he may not be gone before */
	}
	return turn == TURN_DONE;
}

/* The batch is free for others once the last has taken what is his. */
static void let_go(struct gather *gather, struct batch *batch)
{
	if (atomic_fetch_sub(&batch->holders, 1) == 1) {
		pthread_mutex_lock(&gather->lock);
		batch_give(gather, batch);
		pthread_mutex_unlock(&gather->lock);
	}
}

/* Joins a batch. The first to come leads at once; while somebody leads, rows gather. NULL: no memory. */
static struct batch *enter(struct gather *gather, const struct gather_row *row, size_t bytes, struct waiter *self, size_t *ret_index,
                           bool *ret_leads)
{
	bool leads = false;

	pthread_mutex_lock(&gather->lock);
	struct batch *batch = join(gather, row, bytes);

	if (batch != NULL) {
		*ret_index = batch->shown.count - 1;
		leads = !gather->leading;
		gather->leading = true;
		if (!leads) {
			add_waiter(batch, self);
		}
	}
	pthread_mutex_unlock(&gather->lock);
	*ret_leads = leads;
	return batch;
}

/* OK, INVALID, TOO_LARGE. */
static enum status measure(const struct gather *gather, const struct gather_row *row, size_t *ret_bytes)
{
	size_t bytes = 0;

	for (int i = 0; i < gather->options.columns; i++) {
		if (row->columns[i].len > GATHER_BYTES_MAX) {
			return TOO_LARGE;
		}
		if (str_find(row->columns[i], '\0') != SIZE_MAX) {
			return INVALID;
		}
		bytes += row->columns[i].len;
	}
	*ret_bytes = bytes;
	return bytes <= GATHER_BYTES_MAX ? OK : TOO_LARGE;
}

enum status gather_bring(struct gather *gather, const struct gather_row *row, int64_t deadline,
                         void (*take)(const struct gather_batch *batch, size_t index, void *arg), void *arg)
{
	struct waiter self = {.deadline = deadline};
	struct batch *batch = NULL;
	size_t bytes = 0;
	size_t index = 0;
	bool leads = false;
	enum status status = measure(gather, row, &bytes);

	if (status != OK || clock_monotonic_us() >= deadline) {
		return status != OK ? status : TIMED_OUT;
	}
	baton_init(&self.wake);
	batch = enter(gather, row, bytes, &self, &index, &leads);
	if (batch == NULL) {
		status = UNAVAILABLE;
		goto out;
	}
	if (!leads && !wait_for_turn(gather, batch, &self)) {
		status = TIMED_OUT;
		goto out;
	}
	if (leads || self.turn == TURN_LEADS) {
		lead(gather, batch, deadline);
	}
	status = batch->shown.results[index];
	if (status == OK && take != NULL) {
		take(&batch->shown, index, arg);
	}
	let_go(gather, batch);
out:
	baton_done(&self.wake);
	return status;
}

/* ---- life ---- */

struct gather *gather_new(const struct gather_options *options)
{
	struct gather *gather = calloc(1, sizeof(*gather));

	assert(options->columns >= 1 && options->columns <= GATHER_COLUMNS_MAX && options->limit >= 1 && options->limit <= GATHER_ROWS_MAX);
	if (gather != NULL) {
		gather->options = *options;
		pthread_mutex_init(&gather->lock, NULL);
	}
	return gather;
}

void gather_free(struct gather *gather)
{
	if (gather == NULL) {
		return;
	}
	assert(!gather->leading && gather->first == NULL);
	while (gather->spare != NULL) {
		struct batch *batch = gather->spare;

		gather->spare = batch->next;
		arena_free(batch->shown.arena);
		free(batch);
	}
	pthread_mutex_destroy(&gather->lock);
	free(gather);
}
