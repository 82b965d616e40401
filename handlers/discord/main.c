/* trivet-discord - POST /discord/interactions and POST /discord/events */
#include "base/log.h"
#include "base/metric.h"
#include "command/command.h"
#include "platform/platform.h"
#include "service/deferral.h"
#include "service/profile.h"
#include "service/sighting.h"
#include "store/statements.h"
#include "web/program.h"

#define BODY_LIMIT ((size_t)1024 * 1024)
#define DEADLINE_US (2 * SECOND_US) /* Discord waits 3 s */

static enum status verify(struct route_call *call)
{
	struct ctx *ctx = call->ctx;
	enum status status = discord_verify(ctx->arena, ctx->app->config->discord_public_key, call->request, call->wall_now);

	if (status != OK) {
		metric_add(METRIC_SIGNATURE_REFUSED, 1);
	}
	return status;
}

/* The job is committed before "is thinking" goes out, so that somebody will answer (decisions.md 4). */
static enum status defer(struct route_call *call, const struct update *update)
{
	enum status status = deferral_keep(call->ctx, update, call->request->body);

	if (status == OK) {
		response_json(call, discord_deferred(call->ctx->arena, command_answers_privately(update)));
	}
	return status;
}

/* Discord does not ask again: whatever happens, the person reads a sentence. */
static enum status interact(struct route_call *call)
{
	struct ctx *ctx = call->ctx;
	struct update update = {0};
	struct reply *reply = NULL;
	enum status status = discord_ops.read(ctx->arena, ctx->app->config, STR("discord"), call->request->body, &update);

	if (status != OK) {
		problem(call, 400, NULL, "this is no interaction of this application: check DISCORD_APPLICATION_ID", NULL);
		return OK;
	}
	if (command_is_deferred(&update)) {
		status = defer(call, &update);
		if (status == OK) {
			return OK;
		}
	} else {
		status = command_dispatch(ctx, &update, &reply);
	}
	if (status != OK) {
		log_message(LOG_WARNING, "interaction_failed", "%s", status_name(status));
		reply = command_trouble(ctx, status);
	}
	response_json(call, discord_ops.answer(ctx->arena, ctx->app->config, &update, ctx->language, reply));
	return OK;
}

static enum status take_event(struct route_call *call)
{
	struct update update = {0};
	struct reply *reply = NULL;
	enum status status = discord_read_event(call->ctx->arena, call->request->body, &update);

	if (status != OK) {
		problem(call, 400, NULL, "this is no webhook event", NULL);
		return OK;
	}
	status = command_dispatch(call->ctx, &update, &reply);
	if (status == OK) {
		call->response->status = 204;
		call->response->content_type = STR("application/json");
	}
	return status;
}

static const struct route routes[] = {
	ROUTE(METHOD_POST, "/discord/interactions", ROUTE_SIGNED, .body_limit = BODY_LIMIT, .deadline_us = DEADLINE_US, .verify = verify,
	      .run = interact, .summary = "Discord interactions"),
	ROUTE(METHOD_POST, "/discord/events", ROUTE_SIGNED, .body_limit = BODY_LIMIT, .deadline_us = DEADLINE_US, .verify = verify,
	      .run = take_event, .summary = "Discord webhook events"),
};

static enum status ready(struct app *app, struct arena *arena, struct str *ret_error)
{
	enum status status = sightings_begin(app, arena);

	if (status == OK) {
		status = profiles_begin(app);
	}
	if (status != OK) {
		*ret_error = STR("could not start: out of memory");
	}
	return status;
}

int main(void)
{
	size_t count = 0;
	const struct pg_statement *statements = store_statements(&count);

	const struct app_options options = {
		.program = PROGRAM_DISCORD,
		.name = "trivet-discord",
		.statements = statements,
		.statement_count = count,
		.with_cache = true,
		.events_statement = SIZE_MAX,
	};

	return program_run(&options, routes, ARRAY_LEN(routes), ready);
}
