/* Lookups of many, one statement for all that wait. */
#include "io/group_read.h"

#include <assert.h>

static void look_up(void *owner, struct gather_batch *batch, int64_t deadline)
{
	const struct group_lane *lane = owner;
	size_t order[GROUP_READ_ROWS_MAX];
	struct pg_rows *rows = NULL;
	enum status status = OK;

	for (size_t i = 0; i < batch->count; i++) {
		order[i] = i;
	}
	status = group_run(lane, batch, order, batch->count, deadline, &rows);
	for (size_t i = 0; i < batch->count; i++) {
		batch->results[i] = status == OK ? NOT_FOUND : UNAVAILABLE;
	}
	if (status != OK) {
		return;
	}
	batch->answer = rows;
	for (int row = 0; row < pg_row_count(rows); row++) {
		int64_t place = pg_i64(rows, row, lane->group->options.place_column);

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

enum status group_read_ask(struct group *group, const struct gather_row *key, int64_t deadline,
                           void (*take)(const struct pg_rows *rows, int row, void *arg), void *arg)
{
	return gather_bring(group_lane(group)->gather, key, deadline, take_row, &(struct taking){take, arg});
}

enum status group_read_open(struct pg_pool *pool, size_t statement, int columns, int place_column, size_t lanes, struct group **ret_group)
{
	return group_open(&(struct group_options){.pool = pool, .statement = statement, .columns = columns, .lanes = lanes,
	                                          .limit = GROUP_READ_ROWS_MAX, .work = look_up, .place_column = place_column}, ret_group);
}
