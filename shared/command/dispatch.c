/* From an update to the function of its row: policy first, then arguments, then the work. */
#include "base/limit.h"
#include "base/metric.h"
#include "base/utf.h"
#include "command/handlers.h"
#include "io/app.h"
#include "service/activity.h"
#include "service/roles.h"

#define FLIGHTS_PER_PERSON 4
#define FLIGHT_WAIT_US (250 * 1000)
#define HEAVY_COSTS 3 /* a heavy command may come a third as often as a light one */

struct reply *command_reply(struct ctx *ctx, enum message message)
{
	struct reply *reply = reply_new(ctx->arena);

	if (reply != NULL) {
		reply->private = true;
		reply_say(reply, message, NULL, 0);
	}
	return reply;
}

static enum status say(struct command_call *call, enum message message, struct reply **ret_reply)
{
	*ret_reply = command_reply(call->ctx, message);
	return *ret_reply != NULL ? OK : TOO_LARGE;
}

struct str command_actor(const struct command_call *call)
{
	const struct person *actor = &call->update->actor;

	return str_printf(call->ctx->arena, STR_FMT ":%lld", STR_ARG(platform_name(actor->platform)), (long long)actor->platform_id);
}

/* ---- arguments ---- */

static bool is_choice(const char *choices, struct str value)
{
	struct str rest = str_from_z(choices);

	while (str_present(rest)) {
		if (str_eq_nocase(str_split(&rest, ' '), value)) {
			return true;
		}
	}
	return false;
}

/* A refusal that shows the remedy, or NULL when the argument is right. */
static struct reply *check_argument(struct command_call *call, const struct command_arg *arg, struct str value)
{
	struct reply *reply = reply_new(call->ctx->arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	if (str_empty(value)) {
		struct str example = str_printf(call->ctx->arena, "/%s %s", call->command->name, arg->example);

		if (!arg->required) {
			return NULL;
		}
		REPLY_SAY(reply, MSG_ARGUMENT_MISSING, TEXT_STR(str_from_z(arg->name)), TEXT_MESSAGE(arg->description), TEXT_STR(example));
		return reply;
	}
	if (utf_points(value) > arg->max_points) {
		REPLY_SAY(reply, MSG_ARGUMENT_LONG, TEXT_INT((int64_t)arg->max_points));
		return reply;
	}
	if (arg->choices != NULL && !is_choice(arg->choices, value)) {
		REPLY_SAY(reply, MSG_ARGUMENT_WRONG, TEXT_STR(value), TEXT_STR(str_from_z(arg->choices)));
		return reply;
	}
	return NULL;
}

/* Discord names its options; typed text gives the first argument but the last a word each, the last all that is left. */
static struct str take_argument(const struct update *update, const struct command_arg *arg, bool last, struct str *rest)
{
	struct str named = update_option_value(update, str_from_z(arg->name));

	if (str_present(named) || update->option_count > 0) {
		return str_trim(named);
	}
	if (last) {
		return str_trim(*rest);
	}
	*rest = str_trim(*rest);
	return str_split(rest, ' ');
}

static struct reply *read_arguments(struct command_call *call)
{
	const struct command *command = call->command;
	struct str rest = call->update->text;

	for (size_t i = 0; i < command->arg_count; i++) {
		struct str value = take_argument(call->update, &command->args[i], i + 1 == command->arg_count, &rest);
		struct reply *refusal = check_argument(call, &command->args[i], value);

		if (refusal != NULL) {
			return refusal;
		}
		call->args[i] = str_empty(value) ? STR_ABSENT : value;
	}
	return NULL;
}

/* ---- policy ---- */

enum status command_point_to_private(struct command_call *call, struct reply **ret_reply)
{
	const struct config_bot *bot = config_bot_by_name(call->ctx->app->config, call->update->bot);
	struct reply *reply = command_reply(call->ctx, MSG_GO_PRIVATE);

	if (reply == NULL) {
		return TOO_LARGE;
	}
	reply->private = false; /* it is for the group that the command was typed in */
	if (bot != NULL && !str_empty(bot->username)) {
		reply_link(reply, MSG_GO_PRIVATE_BUTTON, str_printf(call->ctx->arena, "https://t.me/" STR_FMT, STR_ARG(bot->username)), -1);
	}
	*ret_reply = reply;
	return OK;
}

static int per_minute(const struct ctx *ctx, enum command_rate rate)
{
	int light = (int)ctx->app->config->commands_per_minute;

	if (rate == COMMAND_RATE_HEAVY) {
		return light > HEAVY_COSTS ? light / HEAVY_COSTS : 1;
	}
	return light;
}

/* NULL: may go on. */
static struct reply *check_rate(struct command_call *call)
{
	enum command_rate rate = call->command->rate;
	struct str key = str_printf(call->ctx->arena, "%d:" STR_FMT, rate, STR_ARG(command_actor(call)));
	struct reply *reply = NULL;
	int64_t wait_us = 0;

	if (limit_rate_allow(call->ctx->app->limits, key, per_minute(call->ctx, rate), call->ctx->now, &wait_us)) {
		return NULL;
	}
	metric_add(METRIC_RATE_REFUSED, 1);
	reply = reply_new(call->ctx->arena);
	if (reply != NULL) {
		reply->private = true;
		REPLY_SAY(reply, MSG_TOO_OFTEN, TEXT_DURATION(seconds_to_wait(wait_us)));
	}
	return reply;
}

/* What is answered there is read by all of them; on Discord everybody can be answered alone. */
static bool others_read_along(const struct update *update)
{
	return update->platform == PLATFORM_TELEGRAM && update->place == PLACE_GROUP;
}

/* For what is said without a step: the person's own choice. While it cannot be read the platform's hint must do. */
static void use_own_language(struct command_call *call)
{
	struct member member = {0};

	if (command_member(call, &member) != OK) {
		call->ctx->language = language_choose(LANGUAGE_UNSET, call->update->actor.language_hint);
	}
}

static bool is_repeat(const struct command_call *call)
{
	bool answered = false;

	return call->command->effect == COMMAND_ONCE && once_answered(call->ctx, call->update->key, &answered) == OK && answered;
}

/* A private matter among others: nothing is run, but what should not have been typed there is made worthless. */
static enum status run_among_others(struct command_call *call, struct reply **ret_reply)
{
	if (call->command->place == COMMAND_PRIVATE_KILLS && read_arguments(call) == NULL) {
		return call->command->leaked(call, ret_reply);
	}
	return command_point_to_private(call, ret_reply);
}

static enum status run_row(struct command_call *call, struct reply **ret_reply)
{
	const struct command *command = call->command;
	bool among_others = others_read_along(call->update);
	struct reply *refusal = check_rate(call); /* asks no store: it protects them */

	if (refusal != NULL && is_repeat(call)) {
		refusal = NULL; /* the platform has not heard our answer: it gets the same one */
	}
	if (refusal == NULL && among_others && command->place != COMMAND_ANYWHERE) {
		return run_among_others(call, ret_reply);
	}
	if (refusal == NULL) {
		refusal = read_arguments(call);
		if (refusal != NULL) {
			use_own_language(call);
		}
	}
	if (refusal != NULL) {
		refusal->private = !among_others; /* said where it was asked: not everybody in a group can be written to */
		*ret_reply = refusal;
		return OK;
	}
	return arena_failed(call->ctx->arena) ? TOO_LARGE : command->run(call, ret_reply);
}

/* ---- by kind of update ---- */

static enum status run_command(struct command_call *call, struct reply **ret_reply)
{
	const struct update *update = call->update;

	call->command = command_find(update->platform, update->command);
	if (call->command != NULL) {
		return run_row(call, ret_reply);
	}
	if (update->platform == PLATFORM_TELEGRAM && update->place == PLACE_GROUP) {
		*ret_reply = NULL; /* in a group it is as likely another bot's command */
		return OK;
	}
	use_own_language(call);
	return say(call, MSG_UNKNOWN_COMMAND, ret_reply);
}

/* Whoever gives a command has his roles looked at: what was changed by hand is put back. */
static enum status after_command(struct command_call *call, enum status status)
{
	if (status == OK) {
		roles_acted(call->ctx, call->update);
	}
	return status;
}

static enum status run_action(struct command_call *call, struct reply **ret_reply)
{
	struct str rest = call->update->action;
	struct str verb = str_split(&rest, ':');

	call->command = command_find_action(verb);
	call->action_argument = rest;
	if (call->command != NULL) {
		return run_row(call, ret_reply);
	}
	use_own_language(call);
	return say(call, MSG_BUTTON_STALE, ret_reply);
}

static enum status run_update(struct command_call *call, struct reply **ret_reply)
{
	switch (call->update->kind) {
	case UPDATE_COMMAND:
		return after_command(call, run_command(call, ret_reply));
	case UPDATE_BUTTON:
	case UPDATE_FORM:
		return run_action(call, ret_reply);
	case UPDATE_TEXT:
		use_own_language(call);
		return say(call, MSG_PLAIN_TEXT_HINT, ret_reply);
	case UPDATE_REACHABLE:
		*ret_reply = NULL;
		return contact_reach(call->ctx, call->update, true);
	case UPDATE_UNREACHABLE:
		*ret_reply = NULL;
		return contact_reach(call->ctx, call->update, false);
	case UPDATE_MESSAGE:
		return activity_message(call->ctx, call->update, ret_reply);
	case UPDATE_UNSET:
	case UPDATE_IGNORED:
	case UPDATE_PING:
	case UPDATE_AUTOCOMPLETE:
	case UPDATE_COUNT:
		break;
	}
	*ret_reply = NULL;
	return OK;
}

static bool needs_nobody(enum update_kind kind)
{
	return kind == UPDATE_IGNORED || kind == UPDATE_PING || kind == UPDATE_AUTOCOMPLETE || kind == UPDATE_UNSET;
}

enum status command_dispatch(struct ctx *ctx, const struct update *update, struct reply **ret_reply)
{
	struct command_call call = {.ctx = ctx, .update = update};
	struct str flight;
	enum status status;

	ctx->language = language_choose(LANGUAGE_UNSET, update->actor.language_hint);
	if (needs_nobody(update->kind)) {
		*ret_reply = NULL;
		return OK;
	}
	flight = command_actor(&call);
	if (limit_flight_enter(ctx->app->limits, flight, FLIGHTS_PER_PERSON, FLIGHT_WAIT_US) != OK) {
		metric_add(METRIC_BUSY_REFUSED, 1);
		return TOO_MANY;
	}
	status = run_update(&call, ret_reply);
	limit_flight_leave(ctx->app->limits, flight);
	return status == OK && arena_failed(ctx->arena) ? TOO_LARGE : status;
}

struct reply *command_trouble(struct ctx *ctx, enum status status)
{
	return command_reply(ctx, status == TOO_MANY ? MSG_BUSY : MSG_COULD_NOT_CONFIRM);
}

bool command_answers_privately(const struct update *update)
{
	const struct command *row = command_find(update->platform, update->command);

	return row == NULL || row->place != COMMAND_ANYWHERE;
}

bool command_is_deferred(const struct update *update)
{
	const struct command *row = update->kind == UPDATE_COMMAND ? command_find(update->platform, update->command) : NULL;

	return row != NULL && row->answer == COMMAND_DEFERRED;
}
