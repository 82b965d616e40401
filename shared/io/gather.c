#include "io/gather.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

/* What a batch's strings take at most: their bytes, and the arena's rounding of each; and the handles of an answer. */
#define BATCH_ARENA (GATHER_BYTES_MAX + (size_t)GATHER_ROWS_MAX * GATHER_COLUMNS_MAX * 64)

/* A caller of gather_bring(); lives on its stack, linked while it waits. */
struct waiter {
	pthread_cond_t wake;
	int64_t deadline;
	bool leads; /* it was made the leader of its batch */
	struct waiter *next;
};

struct batch {
	struct gather_batch shown;
	size_t bytes;
	bool done;
	struct waiter *waiters; /* until each has taken what is his */
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
	batch->done = false;
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
	chosen->leads = true;
	pthread_cond_signal(&chosen->wake);
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

/* ---- the callers ---- */

/* Takes the oldest batch, which is the caller's own, and works on it. Entered and left with the lock. */
static void lead(struct gather *gather, struct batch *own, int64_t deadline)
{
	struct batch *batch = take_first(gather);

	assert(batch == own && batch->shown.count >= 1);
	pthread_mutex_unlock(&gather->lock);
	gather->options.work(gather->options.owner, &batch->shown, deadline);
	pthread_mutex_lock(&gather->lock);
	batch->done = true;
	for (struct waiter *waiter = batch->waiters; waiter != NULL; waiter = waiter->next) {
		pthread_cond_signal(&waiter->wake);
	}
	pass_lead(gather);
}

/* Waits until the batch was worked on, by another or, when it is the caller's turn, by himself. False: he leaves. Locked. */
static bool wait_for_work(struct gather *gather, struct batch *batch, struct waiter *self)
{
	struct timespec end = {.tv_sec = self->deadline / 1000000, .tv_nsec = self->deadline % 1000000 * 1000};
	int expired = 0;

	while (!batch->done && !self->leads && expired == 0) {
		expired = pthread_cond_timedwait(&self->wake, &gather->lock, &end);
	}
	if (!batch->done && self->leads && expired == 0) {
		lead(gather, batch, self->deadline);
	}
	return batch->done;
}

static void cond_init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
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

/* The batch is freed by the last who has taken what is his. Locked. */
static void leave(struct gather *gather, struct batch *batch, const struct waiter *self)
{
	remove_waiter(batch, self);
	if (batch->done && batch->waiters == NULL) {
		batch_give(gather, batch);
	} else if (!batch->done && self->leads) {
		pass_lead(gather); /* chosen at the very moment of leaving: somebody else has to */
	}
}

enum status gather_bring(struct gather *gather, const struct gather_row *row, int64_t deadline,
                         void (*take)(const struct gather_batch *batch, size_t index, void *arg), void *arg)
{
	struct waiter self = {.deadline = deadline};
	size_t bytes = 0;
	enum status status = measure(gather, row, &bytes);

	if (status != OK || clock_monotonic_us() >= deadline) {
		return status != OK ? status : TIMED_OUT;
	}
	cond_init_monotonic(&self.wake);
	status = UNAVAILABLE;
	pthread_mutex_lock(&gather->lock);
	struct batch *batch = join(gather, row, bytes);

	if (batch != NULL) {
		size_t index = batch->shown.count - 1;

		/* The first to come leads at once; while somebody leads, rows gather. */
		self.leads = !gather->leading;
		gather->leading = true;
		add_waiter(batch, &self);
		status = wait_for_work(gather, batch, &self) ? batch->shown.results[index] : TIMED_OUT;
		if (status == OK && take != NULL) {
			pthread_mutex_unlock(&gather->lock);
			take(&batch->shown, index, arg);
			pthread_mutex_lock(&gather->lock);
		}
		leave(gather, batch, &self);
	}
	pthread_mutex_unlock(&gather->lock);
	pthread_cond_destroy(&self.wake);
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
