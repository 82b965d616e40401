/*
 * gather - fibers or threads that bring work of one kind at the same time have it done together: one of them leads, the others wait.
 *
 * The first caller leads at once, after the fibers of its thread that are ready that moment have joined its batch. A caller that brings a
 * row while a batch is worked on joins the next batch; the leader, when done, hands the lead to one of its callers. There is no timer, so
 * no delay when idle. A row is copied when it is brought: a caller that leaves at its deadline leaves nothing that a leader still reads.
 *
 * group_commit.h makes durable appends of it, group_read.h lookups.
 */
#ifndef TRIVET_IO_GATHER_H
#define TRIVET_IO_GATHER_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define GATHER_ROWS_MAX 256
#define GATHER_BYTES_MAX ((size_t)256 * 1024)
#define GATHER_COLUMNS_MAX 16

/* What each brings: text form of each column; absent = NULL. */
struct gather_row {
	struct str columns[GATHER_COLUMNS_MAX];
};

/* What a leader is given, and what he leaves for the others. */
struct gather_batch {
	struct arena *arena; /* holds the rows' strings; what is answered may hang on it, too */
	struct gather_row rows[GATHER_ROWS_MAX];
	size_t count;
	enum status results[GATHER_ROWS_MAX]; /* one for each row */
	const void *answer;                   /* of all together */
	int places[GATHER_ROWS_MAX];          /* where in it each row's own is */
};

struct gather_options {
	int columns;  /* 1..GATHER_COLUMNS_MAX */
	size_t limit; /* rows of a batch, 1..GATHER_ROWS_MAX */
	/* What a leader does, without a lock: sets every result by the deadline of his own. */
	void (*work)(void *owner, struct gather_batch *batch, int64_t deadline);
	void *owner;
};

struct gather;

/* gather_new - NULL when the system has no memory. gather_free - nobody may be inside (asserted); gather_free(NULL) is fine. */
struct gather *gather_new(const struct gather_options *options);
void gather_free(struct gather *gather);

/*
 * gather_bring - returns when the row's batch was worked on.
 *
 * take   called when the result is OK, while the batch still lives: to copy what it needs; NULL: nothing
 * The row's result; INVALID (a NUL byte: known here already, and it would spoil the whole batch), TOO_LARGE, TIMED_OUT (what becomes of the
 * row is not known), UNAVAILABLE (no memory).
 */
MUST_CHECK enum status gather_bring(struct gather *gather, const struct gather_row *row, int64_t deadline,
                                    void (*take)(const struct gather_batch *batch, size_t index, void *arg), void *arg);

#endif
