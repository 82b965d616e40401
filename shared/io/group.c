#include "io/group.h"

#include <assert.h>
#include <stdlib.h>

#include "base/fiber.h"

/* Array literals escape, so they are up to twice the bytes. */
#define SCRATCH_ARENA (16 * GATHER_BYTES_MAX)

struct group_lane *group_lane(struct group *group)
{
	assert(!pg_holding());
	return &group->lanes[fiber_loop_number() % group->options.lanes];
}

static enum status run_once(const struct group_lane *lane, const struct gather_batch *batch, const size_t *order, size_t count,
                            struct pg_rows **ret_rows)
{
	const struct group_options *options = &lane->group->options;
	struct str values[GATHER_ROWS_MAX];
	struct pg_params params;

	arena_reset(lane->scratch);
	params = pg_params(lane->scratch);
	for (int column = 0; column < options->columns; column++) {
		for (size_t i = 0; i < count; i++) {
			values[i] = batch->rows[order[i]].columns[column];
		}
		pg_add_str_array(&params, values, count);
	}
	return pg_run(lane->conn, batch->arena, options->statement, &params, ret_rows);
}

enum status group_run(const struct group_lane *lane, const struct gather_batch *batch, const size_t *order, size_t count, int64_t deadline,
                      struct pg_rows **ret_rows)
{
	enum status status = RETRY;

	for (int run = 0; run < 2 && status == RETRY; run++) {
		status = pg_reserved_ready(lane->conn, deadline);
		if (status == OK) {
			status = run_once(lane, batch, order, count, ret_rows);
		}
	}
	return status;
}

static bool lane_init(struct group *group, struct group_lane *lane)
{
	const struct group_options *options = &group->options;

	lane->group = group;
	lane->scratch = arena_new(SCRATCH_ARENA);
	lane->conn = pg_reserve(options->pool);
	lane->gather = gather_new(&(struct gather_options){
		.columns = options->columns, .limit = options->limit, .work = options->work, .owner = lane});
	return lane->scratch != NULL && lane->conn != NULL && lane->gather != NULL;
}

enum status group_open(const struct group_options *options, struct group **ret_group)
{
	struct group *group = calloc(1, sizeof(*group) + options->lanes * sizeof(group->lanes[0]));

	assert(options->lanes >= 1 && options->limit <= GATHER_ROWS_MAX);
	if (group == NULL) {
		return UNAVAILABLE;
	}
	group->options = *options;
	for (size_t i = 0; i < options->lanes; i++) {
		if (!lane_init(group, &group->lanes[i])) {
			group_close(group);
			return UNAVAILABLE;
		}
	}
	*ret_group = group;
	return OK;
}

void group_close(struct group *group)
{
	if (group == NULL) {
		return;
	}
	for (size_t i = 0; i < group->options.lanes; i++) {
		gather_free(group->lanes[i].gather);
		pg_release(group->lanes[i].conn);
		arena_free(group->lanes[i].scratch);
	}
	free(group);
}
