/*
 * group - one statement for the rows of many who come at the same time; what group_commit.h and group_read.h share.
 *
 * Each thread of fibers has a lane: a gathering (gather.h) and a connection of its own, so that one thread's batch is made while the
 * server works on another's. Threads without fibers share the first lane.
 */
#ifndef TRIVET_IO_GROUP_H
#define TRIVET_IO_GROUP_H

#include "io/gather.h"
#include "io/pg.h"

struct group;

struct group_lane {
	const struct group *group;
	struct gather *gather;
	struct pg_conn *conn; /* only the leader of the lane uses it, and scratch */
	struct arena *scratch;
};

struct group_options {
	struct pg_pool *pool;
	size_t statement; /* index in the pool's table, with `columns` array parameters */
	int columns;
	size_t lanes; /* threads of fibers */
	size_t limit; /* rows of a batch */
	/* Sets the results of a batch, by group_run(). `owner` is the lane. */
	void (*work)(void *owner, struct gather_batch *batch, int64_t deadline);
	int place_column; /* group_read's */
};

struct group {
	struct group_options options;
	struct group_lane lanes[];
};

/* group_open - OK, UNAVAILABLE (no memory). group_close(NULL) is fine. */
MUST_CHECK enum status group_open(const struct group_options *options, struct group **ret_group);
void group_close(struct group *group);

/* group_lane - the caller's, who holds no connection (asserted). */
struct group_lane *group_lane(struct group *group);

/*
 * group_run - the statement with the batch's rows `order[0..count)`; once more after a dead plan or a deadlock: it is a transaction of its
 * own, so nothing of it was done.
 *
 * ret_rows   of the batch's arena; may be NULL
 * Statuses of pg_run().
 */
MUST_CHECK enum status group_run(const struct group_lane *lane, const struct gather_batch *batch, const size_t *order, size_t count,
                                 int64_t deadline, struct pg_rows **ret_rows);

#endif
