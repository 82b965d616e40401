/*
 * group_commit - durable appends of many in one transaction each time (house.md; decisions.md 19).
 *
 * Rows that come while a batch is committing are the next batch (gather.h, group.h). One multi-row INSERT .. ON CONFLICT DO NOTHING per
 * batch; every caller answers only after the commit of its own batch.
 *
 * The statement takes its columns as arrays ($1 = array of the first column ...), sorted by the row's key.
 * After SQLSTATE class 22 or 23 the batch runs again row by row, so that one bad row is one caller's error; after any other
 * failure every caller gets UNAVAILABLE (outcome unknown: a repeat is de-duplicated by its key).
 */
#ifndef TRIVET_IO_GROUP_COMMIT_H
#define TRIVET_IO_GROUP_COMMIT_H

#include "io/group.h"

/*
 * group_commit_open - statement: index in the pool's table, with `columns` array parameters (text[] casts are the SQL's).
 *
 * lanes   threads of fibers that append, at least 1; each has a connection
 * Give it to group_close(). OK, UNAVAILABLE (no memory).
 */
MUST_CHECK enum status group_commit_open(struct pg_pool *pool, size_t statement, int columns, size_t lanes, struct group **ret_group);

/*
 * group_commit_append - returns when the row's batch has committed. The row is copied: the caller may leave at its deadline. Its first
 * column is the key that the batch is sorted by.
 *
 * Never with a connection held (asserted).
 * OK, INVALID (this row alone breaks a rule), NOT_FOUND (there is no partition for a row of the batch, of which nothing was stored: make
 * it and append again), UNAVAILABLE (outcome unknown), TIMED_OUT (deadline, outcome unknown), TOO_LARGE.
 */
MUST_CHECK enum status group_commit_append(struct group *group, const struct gather_row *row, int64_t deadline);

#endif
