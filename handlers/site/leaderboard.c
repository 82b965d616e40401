/* GET /api/leaderboard: the same for everybody, so that nginx may keep an answer for a second. */
#include "io/json.h"
#include "service/boards.h"
#include "site.h"

enum status get_leaderboard(struct route_call *call)
{
	struct board_fault fault = {0};
	struct board_wish wish;
	struct board_page page;
	enum status status = boards_wish(call->ctx->arena, call->request->query, false, &wish, &fault);

	if (status == INVALID) {
		problem(call, 400, NULL, fault.detail, fault.field);
	} else if (status == OK && wish.around) {
		problem(call, 401, NULL, "around=me is for members: sign in first", "around");
		status = DENIED;
	}
	if (status == OK) {
		status = boards_read(call->ctx, &wish, &page);
	}
	if (status == OK) {
		response_json(call, json_write(call->ctx->arena, boards_json(call->ctx->arena, &wish, &page)));
	}
	return status;
}
