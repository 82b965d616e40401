/* Appends of many threads, one statement and one commit for all that wait. */
#include "io/group_commit.h"

#include <assert.h>
#include <pthread.h>

#include "base/clock.h"

/* What a batch's strings take at most: their bytes, and the arena's rounding of each. */
#define BATCH_ARENA (GROUP_COMMIT_BYTES_MAX + (size_t)GROUP_COMMIT_ROWS_MAX * GROUP_COMMIT_COLUMNS_MAX * 64)
/* Array literals escape, so they are up to twice the bytes. */
#define SCRATCH_ARENA ((size_t)4 * 1024 * 1024)

/* A caller of group_commit_append(); lives on its stack, linked while it waits. */
struct waiter {
	pthread_cond_t wake;
	int64_t deadline;
	bool leads; /* it was made the leader of its batch */
	struct waiter *next;
};

struct batch {
	struct arena *arena;
	struct group_commit_row rows[GROUP_COMMIT_ROWS_MAX];
	enum status results[GROUP_COMMIT_ROWS_MAX]; /* valid once done */
	size_t count;
	size_t bytes;
	bool done;
	struct waiter *waiters;
	struct batch *next;
};

struct group_commit {
	struct pg_conn *conn;  /* of the leader, like what is in scratch */
	struct arena *scratch;
	size_t statement;
	int columns;
	pthread_mutex_t lock;
	bool leading;         /* somebody runs a batch, or was asked to */
	struct batch *first;  /* batches that wait, oldest first; all but the last are full */
	struct batch *last;
	struct batch *spare;
};

/* ---- batches; the lock is held ---- */

static struct batch *batch_new(struct group_commit *group)
{
	struct batch *batch = group->spare;
	if (batch != NULL) {
		group->spare = batch->next;
		batch->next = NULL;
		return batch;
	}
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	batch->arena = arena_new(BATCH_ARENA);
	if (batch->arena == NULL) {
		free(batch);
		return NULL;
	}
	return batch;
}

static void batch_give(struct group_commit *group, struct batch *batch)
{
	arena_reset(batch->arena);
	batch->count = 0;
	batch->bytes = 0;
	batch->done = false;
	batch->waiters = NULL;
	batch->next = group->spare;
	group->spare = batch;
}

static size_t row_bytes(const struct group_commit *group, const struct group_commit_row *row)
{
	size_t bytes = 0;
	for (int i = 0; i < group->columns; i++) {
		if (row->columns[i].len > GROUP_COMMIT_BYTES_MAX) {
			return SIZE_MAX;
		}
		bytes += row->columns[i].len;
	}
	return bytes;
}

/* Copies the row into a batch. False: no memory. */
static bool batch_copy(const struct group_commit *group, struct batch *batch, const struct group_commit_row *row, size_t bytes)
{
	struct group_commit_row *copy = &batch->rows[batch->count];
	for (int i = 0; i < group->columns; i++) {
		copy->columns[i] = str_present(row->columns[i]) ? str_dup(batch->arena, row->columns[i]) : STR_ABSENT;
	}
	if (arena_failed(batch->arena)) {
		return false; /* an absent copy would be stored as NULL */
	}
	batch->count++;
	batch->bytes += bytes;
	return true;
}

/* Puts the row into the batch that is filling, a new one when that is full. NULL: no memory. */
static struct batch *join(struct group_commit *group, const struct group_commit_row *row, size_t bytes)
{
	struct batch *batch = group->last;
	if (batch != NULL && batch->count < GROUP_COMMIT_ROWS_MAX && batch->bytes + bytes <= GROUP_COMMIT_BYTES_MAX) {
		return batch_copy(group, batch, row, bytes) ? batch : NULL;
	}
	batch = batch_new(group);
	if (batch == NULL) {
		return NULL;
	}
	if (!batch_copy(group, batch, row, bytes)) {
		batch_give(group, batch);
		return NULL;
	}
	if (group->last != NULL) {
		group->last->next = batch;
	} else {
		group->first = batch;
	}
	group->last = batch;
	return batch;
}

static struct batch *take_first(struct group_commit *group)
{
	struct batch *batch = group->first;
	group->first = batch->next;
	if (group->first == NULL) {
		group->last = NULL;
	}
	batch->next = NULL;
	return batch;
}

/*
 * Gives the lead to who waits in the oldest batch: to the one with the latest deadline, so that the lead, which cannot be left in the
 * middle, keeps nobody past his own. A batch that everybody left is dropped: they were told that its outcome is unknown.
 */
static void pass_lead(struct group_commit *group)
{
	while (group->first != NULL && group->first->waiters == NULL) {
		batch_give(group, take_first(group));
	}
	if (group->first == NULL) {
		group->leading = false;
		return;
	}
	struct waiter *chosen = group->first->waiters;
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

/* ---- running a batch; the leader alone, without the lock ---- */

struct keyed {
	struct str key;
	size_t index;
};

static int compare_keys(const void *left, const void *right)
{
	const struct keyed *a = left;
	const struct keyed *b = right;
	size_t shorter = a->key.len < b->key.len ? a->key.len : b->key.len;
	int order = shorter > 0 ? memcmp(a->key.ptr, b->key.ptr, shorter) : 0;
	return order != 0 ? order : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

/* One statement for the rows `order[0..count)`. */
static enum status run_rows(struct group_commit *group, const struct batch *batch, const struct keyed *order, size_t count)
{
	struct str values[GROUP_COMMIT_ROWS_MAX];
	struct pg_params params = pg_params(group->scratch);
	for (int column = 0; column < group->columns; column++) {
		for (size_t i = 0; i < count; i++) {
			values[i] = batch->rows[order[i].index].columns[column];
		}
		pg_add_str_array(&params, values, count);
	}
	enum status status = pg_run(group->conn, group->scratch, group->statement, &params, NULL);
	arena_reset(group->scratch);
	return status;
}

static bool is_bad_row(enum status status)
{
	return status == INVALID || status == CONFLICT || status == NOT_FOUND;
}

/* Once more after a dead plan or a deadlock: the statement is a transaction of its own, so nothing of it was done. */
static enum status run_rows_twice(struct group_commit *group, const struct batch *batch, const struct keyed *order, size_t count,
                                  int64_t deadline)
{
	enum status status = RETRY;
	for (int run = 0; run < 2 && status == RETRY; run++) {
		status = pg_reserved_ready(group->conn, deadline);
		if (status == OK) {
			status = run_rows(group, batch, order, count);
		}
	}
	return status;
}

static void run_batch(struct group_commit *group, struct batch *batch, int64_t deadline)
{
	/* Sorted by key: two processes that append the same keys in opposite orders would deadlock (decisions.md 11). */
	struct keyed order[GROUP_COMMIT_ROWS_MAX];
	assert(batch->count >= 1);
	for (size_t i = 0; i < batch->count; i++) {
		order[i] = (struct keyed){batch->rows[i].columns[0], i};
	}
	qsort(order, batch->count, sizeof(order[0]), compare_keys);
	enum status status = run_rows_twice(group, batch, order, batch->count, deadline);
	bool one_by_one = is_bad_row(status) && batch->count > 1;
	for (size_t i = 0; i < batch->count; i++) {
		/* After any other failure the rest is not tried: the outcome is unknown, and a repeat is told apart by its key. */
		if (one_by_one && (i == 0 || status == OK || is_bad_row(status))) {
			status = run_rows_twice(group, batch, &order[i], 1, deadline);
		}
		batch->results[order[i].index] = status == OK ? OK : is_bad_row(status) ? INVALID : UNAVAILABLE;
	}
}

/* Takes the oldest batch, which is the caller's own, and commits it. Entered and left with the lock. */
static void lead(struct group_commit *group, struct batch *own, int64_t deadline)
{
	struct batch *batch = take_first(group);
	assert(batch == own);
	pthread_mutex_unlock(&group->lock);
	run_batch(group, batch, deadline);
	pthread_mutex_lock(&group->lock);
	batch->done = true;
	for (struct waiter *waiter = batch->waiters; waiter != NULL; waiter = waiter->next) {
		pthread_cond_signal(&waiter->wake);
	}
	pass_lead(group);
}

/* ---- the callers ---- */

static void cond_init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* Waits until the batch was committed, by another or, when it is the caller's turn, by himself. Locked. */
static enum status wait_for_commit(struct group_commit *group, struct batch *batch, size_t index, struct waiter *self)
{
	struct timespec end = {.tv_sec = self->deadline / 1000000, .tv_nsec = self->deadline % 1000000 * 1000};
	int expired = 0;
	while (!batch->done && !self->leads && expired == 0) {
		expired = pthread_cond_timedwait(&self->wake, &group->lock, &end);
	}
	remove_waiter(batch, self);
	if (batch->done) {
		return batch->results[index];
	}
	if (self->leads && expired == 0) {
		lead(group, batch, self->deadline);
		return batch->results[index];
	}
	if (self->leads) {
		pass_lead(group); /* chosen at the very moment of leaving: somebody else has to */
	}
	return TIMED_OUT;
}

enum status group_commit_append(struct group_commit *group, const struct group_commit_row *row, int64_t deadline)
{
	assert(!pg_holding());
	size_t bytes = row_bytes(group, row);
	if (bytes > GROUP_COMMIT_BYTES_MAX) {
		return TOO_LARGE;
	}
	for (int i = 0; i < group->columns; i++) {
		/* Known here already, and it would spoil the parameters of the whole batch. */
		if (str_find(row->columns[i], '\0') != SIZE_MAX) {
			return INVALID;
		}
	}
	if (clock_monotonic_us() >= deadline) {
		return TIMED_OUT;
	}
	struct waiter self = {.deadline = deadline};
	cond_init_monotonic(&self.wake);
	enum status status = UNAVAILABLE;
	pthread_mutex_lock(&group->lock);
	struct batch *batch = join(group, row, bytes);
	if (batch != NULL) {
		size_t index = batch->count - 1;
		/* The first to come leads at once; while somebody leads, rows gather. */
		self.leads = !group->leading;
		group->leading = true;
		add_waiter(batch, &self);
		status = wait_for_commit(group, batch, index, &self);
		if (batch->done && batch->waiters == NULL) {
			batch_give(group, batch);
		}
	}
	pthread_mutex_unlock(&group->lock);
	pthread_cond_destroy(&self.wake);
	return status;
}

/* ---- life ---- */

enum status group_commit_open(struct pg_pool *pool, size_t statement, int columns, struct group_commit **ret_group)
{
	assert(columns >= 1 && columns <= GROUP_COMMIT_COLUMNS_MAX);
	struct group_commit *group = calloc(1, sizeof(*group));
	if (group == NULL) {
		return UNAVAILABLE;
	}
	group->statement = statement;
	group->columns = columns;
	group->scratch = arena_new(SCRATCH_ARENA);
	group->conn = pg_reserve(pool);
	pthread_mutex_init(&group->lock, NULL);
	if (group->scratch == NULL || group->conn == NULL) {
		group_commit_close(group);
		return UNAVAILABLE;
	}
	*ret_group = group;
	return OK;
}

void group_commit_close(struct group_commit *group)
{
	if (group == NULL) {
		return;
	}
	assert(!group->leading && group->first == NULL);
	while (group->spare != NULL) {
		struct batch *batch = group->spare;
		group->spare = batch->next;
		arena_free(batch->arena);
		free(batch);
	}
	pg_release(group->conn);
	arena_free(group->scratch);
	pthread_mutex_destroy(&group->lock);
	free(group);
}
