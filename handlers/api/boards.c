/* GET /v1/leaderboard: as the website's, and for a bot that asks for one of its people. */
#include "api.h"

#include "io/json.h"
#include "service/boards.h"

enum status get_board(struct route_call *call)
{
	struct board_fault fault = {0};
	struct board_wish wish;
	struct board_page page;
	enum status status = boards_wish(call->ctx->arena, call->request->query, true, &wish, &fault);

	if (status == INVALID) {
		problem(call, 400, NULL, fault.detail, fault.field);
	} else if (status == OK && wish.around && wish.platform == PLATFORM_UNSET) {
		problem(call, 400, NULL, "around=me needs platform and id, which say who that is", "platform");
		status = INVALID;
	}
	if (status != OK) {
		return status;
	}
	status = boards_read(call->ctx, &wish, &page);
	if (status == NOT_FOUND) {
		return api_user_unknown(call);
	}
	if (status == OK) {
		response_json(call, json_write(call->ctx->arena, boards_json(call->ctx->arena, &wish, &page)));
	}
	return status;
}
