/* Appends of many threads, one statement and one commit for all that wait. */
#include "io/group_commit.h"

#include <assert.h>
#include <stdlib.h>

/* Array literals escape, so they are up to twice the bytes. */
#define SCRATCH_ARENA ((size_t)4 * 1024 * 1024)

struct group_commit {
	struct gather *gather;
	struct pg_conn *conn; /* of the leader, like what is in scratch */
	struct arena *scratch;
	size_t statement;
	int columns;
};

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
static enum status run_rows(struct group_commit *group, const struct gather_batch *batch, const struct keyed *order, size_t count)
{
	struct str values[GATHER_ROWS_MAX];
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
static enum status run_rows_twice(struct group_commit *group, const struct gather_batch *batch, const struct keyed *order, size_t count,
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

static void run_batch(void *owner, struct gather_batch *batch, int64_t deadline)
{
	struct group_commit *group = owner;
	/* Sorted by key: two processes that append the same keys in opposite orders would deadlock (decisions.md 11). */
	struct keyed order[GATHER_ROWS_MAX];
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

enum status group_commit_append(struct group_commit *group, const struct gather_row *row, int64_t deadline)
{
	assert(!pg_holding());
	return gather_bring(group->gather, row, deadline, NULL, NULL);
}

enum status group_commit_open(struct pg_pool *pool, size_t statement, int columns, struct group_commit **ret_group)
{
	struct group_commit *group = calloc(1, sizeof(*group));

	if (group == NULL) {
		return UNAVAILABLE;
	}
	group->statement = statement;
	group->columns = columns;
	group->scratch = arena_new(SCRATCH_ARENA);
	group->conn = pg_reserve(pool);
	group->gather = gather_new(&(struct gather_options){.columns = columns, .limit = GATHER_ROWS_MAX, .work = run_batch, .owner = group});
	if (group->scratch == NULL || group->conn == NULL || group->gather == NULL) {
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
	gather_free(group->gather);
	pg_release(group->conn);
	arena_free(group->scratch);
	free(group);
}
