/*
 * group_read - lookups of many by one statement each time (decisions.md 20).
 *
 * Keys that come while others are looked up are the next batch (gather.h, group.h). The statement takes its columns as arrays and answers
 * at most one row for each key, with the key's place among them, from 1, in a column of its own.
 *
 * It is a short way, not the only one: whoever is not answered OK or NOT_FOUND asks by himself.
 */
#ifndef TRIVET_IO_GROUP_READ_H
#define TRIVET_IO_GROUP_READ_H

#include "io/group.h"

#define GROUP_READ_ROWS_MAX 128

/*
 * group_read_open - statement: index in the pool's table, with `columns` array parameters.
 *
 * place_column   of the statement's answer
 * lanes          threads of fibers that ask, at least 1; each has a connection
 * Give it to group_close(). OK, UNAVAILABLE (no memory).
 */
MUST_CHECK enum status group_read_open(struct pg_pool *pool, size_t statement, int columns, int place_column, size_t lanes,
                                       struct group **ret_group);

/*
 * group_read_ask - looks one key up.
 *
 * take   called with the key's row when there is one; rows and their strings live no longer than the call
 * Never with a connection held (asserted).
 * OK, NOT_FOUND, UNAVAILABLE (also at the leader's deadline), TIMED_OUT (another leads longer); INVALID and TOO_LARGE of a key that no row
 * can have.
 */
MUST_CHECK enum status group_read_ask(struct group *group, const struct gather_row *key, int64_t deadline,
                                      void (*take)(const struct pg_rows *rows, int row, void *arg), void *arg);

#endif
