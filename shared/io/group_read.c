#include "io/group_read.h"

#include <assert.h>
#include <stdlib.h>

#define SCRATCH_ARENA ((size_t)1024 * 1024)

struct group_read {
	struct gather *gather;
	struct pg_conn *conn; /* of the leader, like what is in scratch */
	struct arena *scratch;
	size_t statement;
	int columns;
	int place_column;
};

static enum status run_statement(struct group_read *group, struct gather_batch *batch, struct pg_rows **ret_rows)
{
	struct str values[GROUP_READ_ROWS_MAX];
	struct pg_params params;

	arena_reset(group->scratch);
	params = pg_params(group->scratch);
	for (int column = 0; column < group->columns; column++) {
		for (size_t i = 0; i < batch->count; i++) {
			values[i] = batch->rows[i].columns[column];
		}
		pg_add_str_array(&params, values, batch->count);
	}
	return pg_run(group->conn, batch->arena, group->statement, &params, ret_rows);
}

/* Once more after a dead plan. */
static enum status run_statement_twice(struct group_read *group, struct gather_batch *batch, int64_t deadline, struct pg_rows **ret_rows)
{
	enum status status = RETRY;

	for (int run = 0; run < 2 && status == RETRY; run++) {
		status = pg_reserved_ready(group->conn, deadline);
		if (status == OK) {
			status = run_statement(group, batch, ret_rows);
		}
	}
	return status;
}

static void look_up(void *owner, struct gather_batch *batch, int64_t deadline)
{
	struct group_read *group = owner;
	struct pg_rows *rows = NULL;
	enum status status = run_statement_twice(group, batch, deadline, &rows);

	for (size_t i = 0; i < batch->count; i++) {
		batch->results[i] = status == OK ? NOT_FOUND : UNAVAILABLE;
	}
	if (status != OK) {
		return;
	}
	batch->answer = rows;
	for (int row = 0; row < pg_row_count(rows); row++) {
		int64_t place = pg_i64(rows, row, group->place_column);

		assert(place >= 1 && place <= (int64_t)batch->count && batch->results[place - 1] == NOT_FOUND);
		batch->results[place - 1] = OK;
		batch->places[place - 1] = row;
	}
}

struct taking {
	void (*take)(const struct pg_rows *rows, int row, void *arg);
	void *arg;
};

static void take_row(const struct gather_batch *batch, size_t index, void *arg)
{
	const struct taking *taking = arg;

	taking->take(batch->answer, batch->places[index], taking->arg);
}

enum status group_read_ask(struct group_read *group, const struct gather_row *key, int64_t deadline,
                           void (*take)(const struct pg_rows *rows, int row, void *arg), void *arg)
{
	struct taking taking = {take, arg};

	assert(!pg_holding());
	return gather_bring(group->gather, key, deadline, take_row, &taking);
}

enum status group_read_open(struct pg_pool *pool, size_t statement, int columns, int place_column, struct group_read **ret_group)
{
	struct group_read *group = calloc(1, sizeof(*group));

	if (group == NULL) {
		return UNAVAILABLE;
	}
	group->statement = statement;
	group->columns = columns;
	group->place_column = place_column;
	group->scratch = arena_new(SCRATCH_ARENA);
	group->conn = pg_reserve(pool);
	group->gather = gather_new(&(struct gather_options){.columns = columns, .limit = GROUP_READ_ROWS_MAX, .work = look_up, .owner = group});
	if (group->scratch == NULL || group->conn == NULL || group->gather == NULL) {
		group_read_close(group);
		return UNAVAILABLE;
	}
	*ret_group = group;
	return OK;
}

void group_read_close(struct group_read *group)
{
	if (group == NULL) {
		return;
	}
	gather_free(group->gather);
	pg_release(group->conn);
	arena_free(group->scratch);
	free(group);
}
