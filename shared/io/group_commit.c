/* Appends of many, one statement and one commit for all that wait. */
#include "io/group_commit.h"

#include <assert.h>
#include <stdlib.h>

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

/* By key: two processes that append the same keys in opposite orders would deadlock (decisions.md 11). */
static void sort(const struct gather_batch *batch, size_t order[GATHER_ROWS_MAX])
{
	struct keyed keys[GATHER_ROWS_MAX] = {0};

	for (size_t i = 0; i < batch->count; i++) {
		keys[i] = (struct keyed){batch->rows[i].columns[0], i};
	}
	qsort(keys, batch->count, sizeof(keys[0]), compare_keys);
	for (size_t i = 0; i < batch->count; i++) {
		order[i] = keys[i].index;
	}
}

static bool is_bad_row(enum status status)
{
	return status == INVALID || status == CONFLICT;
}

static enum status told(enum status status)
{
	if (status == OK || status == NOT_FOUND) {
		return status;
	}
	return is_bad_row(status) ? INVALID : UNAVAILABLE;
}

static void run_batch(void *owner, struct gather_batch *batch, int64_t deadline)
{
	const struct group_lane *lane = owner;
	size_t order[GATHER_ROWS_MAX];
	enum status status = OK;
	bool one_by_one = false;

	assert(batch->count >= 1);
	sort(batch, order);
	status = group_run(lane, batch, order, batch->count, deadline, NULL);
	one_by_one = is_bad_row(status) && batch->count > 1;
	for (size_t i = 0; i < batch->count; i++) {
		/* After any other failure the rest is not tried: the outcome is unknown, and a repeat is told apart by its key. */
		if (one_by_one && (i == 0 || status == OK || is_bad_row(status))) {
			status = group_run(lane, batch, &order[i], 1, deadline, NULL);
		}
		batch->results[order[i]] = told(status);
	}
}

enum status group_commit_append(struct group *group, const struct gather_row *row, int64_t deadline)
{
	return gather_bring(group_lane(group)->gather, row, deadline, NULL, NULL);
}

enum status group_commit_open(struct pg_pool *pool, size_t statement, int columns, size_t lanes, struct group **ret_group)
{
	return group_open(&(struct group_options){.pool = pool, .statement = statement, .columns = columns, .lanes = lanes,
	                                          .limit = GATHER_ROWS_MAX, .work = run_batch}, ret_group);
}
