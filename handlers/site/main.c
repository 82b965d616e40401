/* trivet-site - what watches the house (GET /healthz, /readyz, /metrics), and what members read. */
#include "site.h"

#include "base/metric.h"
#include "io/json.h"
#include "store/statements.h"
#include "web/program.h"

#define DEADLINE_US (2 * SECOND_US) /* whoever watches asks every few seconds, and a late answer is a no */
#define MEMBER_DEADLINE_US (5 * SECOND_US)

/* The process is up and its loop turns. Touches no pool (decisions.md 2). */
static enum status show_health(struct route_call *call)
{
	response_json(call, json_write(call->ctx->arena, json_set_str(json_object(), "status", STR("up"))));
	return OK;
}

/* Whether requests can be served: not without PostgreSQL; without Redis all but the linking of accounts works. */
static enum status show_ready(struct route_call *call)
{
	struct ctx *ctx = call->ctx;
	struct json *degraded = json_array();
	struct json *body = json_object();

	if (pg_pool_ready(ctx->app->pg, ctx->deadline) != OK) {
		problem(call, 503, "try-later", "PostgreSQL does not answer: look at it and at DATABASE_URL", NULL);
		response_header(call, STR("Retry-After"), STR("1"));
		return UNAVAILABLE;
	}
	if (cache_ready(ctx->app->cache, ctx->deadline) != OK) {
		degraded = json_append(degraded, json_str(STR("redis")));
	}
	body = json_set_str(body, "status", STR("ready"));
	body = json_set(body, "degraded", degraded);
	response_json(call, json_write(ctx->arena, body));
	return OK;
}

static enum status show_metrics(struct route_call *call)
{
	call->response->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
	call->response->body = metric_render(call->ctx->arena, call->ctx->app->config->run_dir);
	return str_present(call->response->body) ? OK : TOO_LARGE;
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/healthz", ROUTE_PUBLIC, .deadline_us = DEADLINE_US, .run = show_health, .summary = "The process is up"),
	ROUTE(METHOD_GET, "/readyz", ROUTE_PUBLIC, .deadline_us = DEADLINE_US, .run = show_ready, .summary = "Requests can be served"),
	ROUTE(METHOD_GET, "/metrics", ROUTE_LOOPBACK, .deadline_us = DEADLINE_US, .run = show_metrics,
		.summary = "Prometheus text of every program of this host"),
	ROUTE(METHOD_GET, "/api/leaderboard", ROUTE_PUBLIC, .deadline_us = MEMBER_DEADLINE_US, .run = get_leaderboard,
		.summary = "Places by XP or coins: of all times, of the season, of the week"),
};

int main(void)
{
	size_t count = 0;
	const struct pg_statement *statements = store_statements(&count);

	const struct app_options options = {
		.program = PROGRAM_SITE,
		.name = "trivet-site",
		.statements = statements,
		.statement_count = count,
		.with_cache = true,
		.events_statement = SIZE_MAX,
	};

	return program_run(&options, routes, ARRAY_LEN(routes), NULL);
}
