/* trivet-api - who may call which endpoint of the service API. */
#include "api.h"

#include "store/statements.h"
#include "web/program.h"

/* 1000 events of ordinary size and a good deal more. */
#define EVENTS_BODY_LIMIT ((size_t)2 * 1024 * 1024)
#define BODY_LIMIT ((size_t)16 * 1024)
#define EVENTS_DEADLINE_US (10 * SECOND_US)
#define DEADLINE_US (5 * SECOND_US)

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/v1/users/{platform}/{id}", ROUTE_API_KEY, .scope = "users", .deadline_us = DEADLINE_US, .verify = api_verify,
	      .run = get_user, .summary = "The unified profile of a person"),
	ROUTE(METHOD_POST, "/v1/users", ROUTE_API_KEY, .scope = "users", .body_limit = BODY_LIMIT, .body_json = true, .deadline_us = DEADLINE_US,
	      .verify = api_verify, .run = post_user, .summary = "The unified profile of a person, who is made when he is new"),
	ROUTE(METHOD_POST, "/v1/events", ROUTE_API_KEY, .scope = "events", .body_limit = EVENTS_BODY_LIMIT, .body_json = true,
	      .deadline_us = EVENTS_DEADLINE_US, .verify = api_verify, .run = post_events, .summary = "1 to 1000 events, each judged alone"),
	ROUTE(METHOD_GET, "/v1/leaderboard", ROUTE_API_KEY, .deadline_us = DEADLINE_US, .verify = api_verify, .run = get_board,
	      .summary = "Places by XP or coins, and somebody's own"),
};

int main(void)
{
	size_t count = 0;
	const struct pg_statement *statements = store_statements(&count);

	return program_run(&(struct app_options){.program = PROGRAM_API, .name = "trivet-api", .statements = statements, .statement_count = count,
	                                         .with_cache = true, .events_statement = SIZE_MAX},
	                   routes, ARRAY_LEN(routes), NULL);
}
