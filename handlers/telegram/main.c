/* trivet-telegram - the webhooks of every Telegram bot: POST /telegram/<bot> */
#include "base/log.h"
#include "base/metric.h"
#include "command/command.h"
#include "platform/platform.h"
#include "service/activity.h"
#include "service/aside.h"
#include "service/deferral.h"
#include "service/profile.h"
#include "service/sighting.h"
#include "store/statements.h"
#include "web/program.h"

#define BODY_LIMIT ((size_t)1024 * 1024)
#define DEADLINE_US (2 * SECOND_US)
/* For writing down what used up the request's memory; its head is the largest part. */
#define ASIDE_MEMORY (4 * (size_t)ASIDE_HEAD_MAX + (size_t)64 * 1024)

/* Which bot it is for is in the path, who sends it in the secret header (decisions.md: an unknown bot is 404, no proof is 401). */
static enum status verify(struct route_call *call)
{
	const struct config_bot *bot = config_bot_by_name(call->ctx->app->config, call->params[0]);
	enum status status = OK;

	if (bot == NULL) {
		return NOT_FOUND;
	}
	status = telegram_verify(bot, call->request);
	if (status != OK) {
		metric_add(METRIC_SIGNATURE_REFUSED, 1);
		return status;
	}
	call->identity = bot;
	return OK;
}

/* Acknowledged all the same: anything else would block this chat's queue (decisions.md 26). */
static enum status set_aside(struct route_call *call, const char *reason)
{
	const struct config_bot *bot = call->identity;

	log_message(LOG_WARNING, "update_set_aside", "bot " STR_FMT ": %s, %llu bytes", STR_ARG(bot->name), reason,
	            (unsigned long long)call->body_size);
	arena_extend(call->ctx->arena, ASIDE_MEMORY);
	return aside_keep(call->ctx, &(struct aside){
		.platform = PLATFORM_TELEGRAM, .bot = bot->name, .reason = reason, .body = call->request->body, .size = call->body_size});
}

/* Whether Telegram's next try can go better. What cannot is set aside. */
static bool may_come_again(enum status status)
{
	return status == UNAVAILABLE || status == TIMED_OUT || status == RETRY || status == TOO_MANY;
}

static void answer(struct route_call *call, const struct update *update, const struct reply *reply)
{
	struct ctx *ctx = call->ctx;
	struct str body = telegram_ops.answer(ctx->arena, ctx->app->config, update, ctx->language, reply);

	if (!str_empty(body)) {
		response_json(call, body);
	}
}

static enum status receive(struct route_call *call)
{
	struct ctx *ctx = call->ctx;
	const struct config_bot *bot = call->identity;
	struct update update = {0};
	struct reply *reply = NULL;
	enum status status = OK;

	if (call->body_size > call->request->body.len) {
		return set_aside(call, "too large");
	}
	if (telegram_ops.read(ctx->arena, ctx->app->config, bot->name, call->request->body, &update) != OK) {
		return set_aside(call, "unreadable");
	}
	status = command_is_deferred(&update) ? deferral_keep(ctx, &update, call->request->body) : command_dispatch(ctx, &update, &reply);
	if (status == OK) {
		answer(call, &update, reply);
		return OK;
	}
	return may_come_again(status) ? status : set_aside(call, "failed");
}

static const struct route routes[] = {
	ROUTE(METHOD_POST, "/telegram/{bot}", ROUTE_SIGNED, .body_limit = BODY_LIMIT, .body_cut = true, .deadline_us = DEADLINE_US,
	      .verify = verify, .run = receive, .summary = "Webhook of a Telegram bot"),
};

static enum status ready(struct app *app, struct arena *arena, struct str *ret_error)
{
	app->chats = activity_chats_new(arena);
	if (app->chats == NULL || sightings_begin(app, arena) != OK || profiles_begin(app) != OK) {
		*ret_error = STR("could not start: out of memory");
		return UNAVAILABLE;
	}
	return OK;
}

int main(void)
{
	size_t count = 0;
	const struct pg_statement *statements = store_statements(&count);

	const struct app_options options = {
		.program = PROGRAM_TELEGRAM,
		.name = "trivet-telegram",
		.statements = statements,
		.statement_count = count,
		.with_cache = true,
		.events_statement = SQL_ACTIVITY_APPEND,
		.events_columns = ACTIVITY_COLUMNS,
	};

	return program_run(&options, routes, ARRAY_LEN(routes), ready);
}
