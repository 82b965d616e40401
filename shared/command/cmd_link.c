/* /getcode, /code, /checklink and the dialogues of linking */
#include "command/cmd_link.h"

#include "base/parse.h"
#include "command/handlers.h"
#include "io/app.h"
#include "service/linking.h"
#include "service/notify.h"
#include "service/tx.h"
#include "store/store.h"

/* ---- /getcode ---- */

/* Secrets of the reply of /getcode, in this order; what a repeated update publishes again. */
enum code_secret {
	CODE_SECRET_CODE = 0,
	CODE_SECRET_TOKEN,
	CODE_SECRET_COUNT
};

static struct reply *code_reply(struct command_call *call, const struct link_code *code)
{
	const struct config_bot *bot = config_bot_by_name(call->ctx->app->config, STR("main"));
	struct reply *reply = reply_new(call->ctx->arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	(void)reply_secret(reply, code->code);
	(void)reply_secret(reply, code->token);
	reply_line(reply, REPLY_TITLE, MSG_CODE_TITLE, NULL, 0);
	REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(CODE_SECRET_CODE));
	REPLY_SAY(reply, MSG_CODE_HOW, TEXT_DURATION(LINK_CODE_LIFE_US / SECOND_US));
	reply_say(reply, MSG_CODE_WARNING, NULL, 0);
	if (call->update->platform != PLATFORM_TELEGRAM && bot != NULL && !str_empty(bot->username)) {
		reply_link(reply, MSG_CODE_DEEP_LINK,
		           str_printf(call->ctx->arena, "https://t.me/" STR_FMT "?start=" LINK_PAYLOAD "{secret}", STR_ARG(bot->username)),
		           CODE_SECRET_TOKEN);
	}
	return reply;
}

/* On a Discord server the code also goes to the person's direct messages, when he can be written to. */
static enum status send_directly(struct tx *tx, struct command_work *work, const struct contact *actor, const struct once_result *result)
{
	const struct update *update = work->call->update;
	bool can_message = true;
	enum status status = OK;

	if (update->platform != PLATFORM_DISCORD || update->place == PLACE_PRIVATE) {
		return OK;
	}
	status = identity_reach_get(tx, actor->identity->id, update->bot, &can_message);
	if ((status != OK && status != NOT_FOUND) || !can_message) {
		return status;
	}
	return notify_add(tx, &(struct notice){
		.platform = update->platform,
		.bot = update->bot,
		.account_id = actor->member.account.id,
		.recipient = update->actor.platform_id,
		.topic = STR("code"),
		.reply = result->reply,
		.urgent = true,
		.expires_at = result->sealed_until,
	});
}

static enum status issue(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct link_code code = {0};
	enum status status = linking_issue(tx, actor, work->call->update->bot, &code);

	if (status == CONFLICT) {
		result->reply = command_reply(tx->ctx, MSG_CODE_NOTHING_LEFT);
		return result->reply != NULL ? OK : TOO_LARGE;
	}
	if (status != OK) {
		return status;
	}
	result->reply = code_reply(work->call, &code);
	result->sealed_until = code.expires_at;
	return result->reply != NULL ? send_directly(tx, work, actor, result) : TOO_LARGE;
}

enum status cmd_getcode(struct command_call *call, struct reply **ret_reply)
{
	struct command_work work = {.call = call, .step = issue};
	struct once_result result = {0};
	struct link_code code = {0};
	enum status status = command_once(&work, &result);

	if (status != OK) {
		return status;
	}
	if (result.reply->secret_count == CODE_SECRET_COUNT) {
		code.code = result.reply->secrets[CODE_SECRET_CODE];
		code.token = result.reply->secrets[CODE_SECRET_TOKEN];
		code.expires_at = result.sealed_until;
		status = linking_publish(call->ctx, call->update->platform, &code, result.repeated);
	}
	if (status == OK) {
		*ret_reply = result.reply;
	}
	return status;
}

/* ---- /code ---- */

static void say_linked(struct ctx *ctx, struct reply *reply, const struct link_result *result)
{
	REPLY_SAY(reply, MSG_LINK_DONE, TEXT_MESSAGE(platform_message(result->other.platform)),
	          TEXT_STR(identity_label(ctx->arena, &result->other)));
	linking_say_undo(ctx->arena, reply, result);
}

static void say_question(struct ctx *ctx, struct reply *reply, const struct link_result *result)
{
	const struct balance *mine = &result->mine;
	const struct balance *theirs = &result->theirs;

	reply_line(reply, REPLY_TITLE, MSG_CONFIRM_TITLE, NULL, 0);
	REPLY_SAY(reply, MSG_CONFIRM_OTHER, TEXT_MESSAGE(platform_message(result->other.platform)),
	          TEXT_STR(identity_label(ctx->arena, &result->other)), TEXT_TIME(result->other.first_seen));
	REPLY_SAY(reply, MSG_CONFIRM_MINE, TEXT_INT(mine->xp), TEXT_INT(mine->coins));
	REPLY_SAY(reply, MSG_CONFIRM_THEIRS, TEXT_INT(theirs->xp), TEXT_INT(theirs->coins));
	REPLY_SAY(reply, MSG_CONFIRM_RESULT, TEXT_INT(link_shown_sum(mine->xp, theirs->xp)),
	          TEXT_INT(link_shown_sum(mine->coins, theirs->coins)));
	reply_say(reply, MSG_CONFIRM_WARNING, NULL, 0);
	REPLY_SAY(reply, MSG_CONFIRM_LIFE, TEXT_DURATION(LINK_CONFIRM_LIFE_US / SECOND_US));
	reply_button(reply, MSG_BUTTON_JOIN, str_printf(ctx->arena, "link_yes:" STR_FMT, STR_ARG(result->confirmation)),
	             REPLY_STYLE_PRIMARY);
	reply_button(reply, MSG_BUTTON_CANCEL, str_printf(ctx->arena, "link_no:" STR_FMT, STR_ARG(result->confirmation)),
	             REPLY_STYLE_UNSET);
}

static void say_outcome(struct ctx *ctx, struct reply *reply, const struct link_result *result)
{
	int64_t wait = seconds_to_wait(result->wait_us);

	switch (result->outcome) {
	case LINK_LINKED:
		say_linked(ctx, reply, result);
		break;
	case LINK_NEEDS_CONFIRMATION:
		say_question(ctx, reply, result);
		break;
	case LINK_UNKNOWN:
		reply_say(reply, MSG_LINK_CODE_UNKNOWN, NULL, 0);
		break;
	case LINK_USED:
		reply_say(reply, MSG_LINK_CODE_USED, NULL, 0);
		break;
	case LINK_REFUSED_OWN:
		reply_say(reply, MSG_LINK_CODE_OWN, NULL, 0);
		break;
	case LINK_REFUSED_PLATFORM:
		REPLY_SAY(reply, MSG_LINK_SAME_PLATFORM, TEXT_MESSAGE(platform_message(result->platform)));
		break;
	case LINK_REFUSED_RECENT:
		REPLY_SAY(reply, MSG_LINK_RECENTLY_UNLINKED, TEXT_DURATION(wait));
		break;
	case LINK_REFUSED_MERGES:
		REPLY_SAY(reply, MSG_LINK_TOO_MANY_MERGES, TEXT_INT(LINK_MERGES_MAX));
		break;
	case LINK_ATTEMPTS:
		REPLY_SAY(reply, MSG_LINK_TOO_MANY_ATTEMPTS, TEXT_DURATION(wait), TEXT_INT(wait));
		break;
	case LINK_FLOODED:
		reply_say(reply, MSG_LINK_FLOOD, NULL, 0);
		break;
	case LINK_AWAY:
	case LINK_OUTCOME_UNSET:
	case LINK_OUTCOME_COUNT:
		reply_say(reply, MSG_LINK_TRY_LATER, NULL, 0);
		break;
	}
}

static struct reply *outcome_reply(struct ctx *ctx, const struct link_result *result)
{
	struct reply *reply = reply_new(ctx->arena);

	if (reply != NULL) {
		reply->private = true;
		say_outcome(ctx, reply, result);
	}
	return reply;
}

struct redeem_work {
	struct link_attempt attempt;
	struct link_result result;
};

static enum status redeem(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct redeem_work *redeeming = work->arg;
	enum status status = linking_redeem(tx, actor, &redeeming->attempt, &redeeming->result);

	if (status != OK) {
		return status;
	}
	result->reply = outcome_reply(tx->ctx, &redeeming->result);
	return result->reply != NULL ? OK : TOO_LARGE;
}

enum status cmd_redeem(struct command_call *call, struct str typed, struct reply **ret_reply)
{
	struct redeem_work redeeming = {0};
	struct command_work work = {.call = call, .step = redeem, .arg = &redeeming};
	struct once_result result = {0};
	enum status status = linking_look_up(call->ctx, &call->update->actor, call->update->key, typed, &redeeming.attempt);

	if (status == OK) {
		status = command_once(&work, &result);
	}
	if (status != OK) {
		return status;
	}
	if (!result.repeated) {
		linking_settle(call->ctx, &redeeming.attempt, &redeeming.result);
	}
	*ret_reply = result.reply;
	return OK;
}

enum status cmd_code(struct command_call *call, struct reply **ret_reply)
{
	return cmd_redeem(call, call->args[0], ret_reply);
}

/* Typed (work->arg) in a group: everybody has read it. It works no more, and the message goes where the bot may delete it. */
static enum status kill_code(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	const struct update *update = work->call->update;
	struct reply *deletion = reply_new(tx->ctx->arena);
	enum status status = linking_kill(tx, *(const struct str *)work->arg);

	(void)actor;
	result->reply = command_reply(tx->ctx, MSG_LINK_IN_GROUP);
	if (status != OK) {
		return status;
	}
	if (result->reply == NULL || deletion == NULL) {
		return TOO_LARGE;
	}
	result->reply->private = false; /* the group reads why the message went */
	deletion->delete_message = true;
	deletion->target_message = update->message_id;
	return notify_add(tx, &(struct notice){.platform = update->platform,
	                                       .bot = update->bot,
	                                       .recipient = update->chat_id,
	                                       .topic = STR("code"),
	                                       .reply = deletion,
	                                       .urgent = true});
}

enum status cmd_kill(struct command_call *call, struct str typed, struct reply **ret_reply)
{
	return command_answer_once(call, kill_code, &typed, ret_reply);
}

enum status cmd_code_leaked(struct command_call *call, struct reply **ret_reply)
{
	return cmd_kill(call, call->args[0], ret_reply);
}

/* ---- the dialogue ---- */

static const enum message answer_words[LINK_ANSWER_COUNT] = {
	[LINK_ANSWER_DECLINED] = MSG_CONFIRM_DECLINED,
	[LINK_ANSWER_FOREIGN] = MSG_NOT_YOUR_BUTTON,
	[LINK_ANSWER_BEFORE] = MSG_CONFIRM_ANSWERED,
	[LINK_ANSWER_EXPIRED] = MSG_CONFIRM_EXPIRED,
	[LINK_ANSWER_CHANGED] = MSG_CONFIRM_CHANGED,
};

/* work->arg: whether the answer is yes. */
static enum status answer_question(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	const bool *accept = work->arg;
	enum link_answer answer = LINK_ANSWER_UNSET;
	struct link_result linked = {0};
	enum status status = linking_answer(tx, actor, work->call->action_argument, *accept, &answer, &linked);

	if (status != OK) {
		return status;
	}
	result->reply = answer == LINK_ANSWER_LINKED || answer == LINK_ANSWER_REFUSED ? outcome_reply(tx->ctx, &linked)
	                                                                             : command_reply(tx->ctx, answer_words[answer]);
	if (result->reply == NULL) {
		return TOO_LARGE;
	}
	/* A question of somebody else stays as it is. */
	result->reply->replace = answer != LINK_ANSWER_FOREIGN;
	return OK;
}

static enum status run_answer(struct command_call *call, bool accept, struct reply **ret_reply)
{
	return command_answer_once(call, answer_question, &accept, ret_reply);
}

enum status cmd_link_yes(struct command_call *call, struct reply **ret_reply)
{
	return run_answer(call, true, ret_reply);
}

enum status cmd_link_no(struct command_call *call, struct reply **ret_reply)
{
	return run_answer(call, false, ret_reply);
}

/* ---- "Not me" ---- */

static const enum message undo_words[LINK_UNDO_COUNT] = {
	[LINK_UNDO_ALLOWED] = MSG_UNDO_DONE,
	[LINK_UNDO_DONE] = MSG_UNDO_ALREADY,
	[LINK_UNDO_FOREIGN] = MSG_UNDO_FOREIGN,
	[LINK_UNDO_LATE] = MSG_UNDO_LATE,
	[LINK_UNDO_EMPTY] = MSG_UNDO_EMPTY,
};

static enum status undo(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	enum link_undo_verdict verdict = LINK_UNDO_FOREIGN;
	int64_t merge_id = 0;
	enum status status = OK;

	if (parse_i64(work->call->action_argument, 1, INT64_MAX, &merge_id) == OK) {
		status = linking_undo(tx, actor, merge_id, command_actor(work->call), &verdict);
	}
	if (status != OK) {
		return status;
	}
	result->reply = command_reply(tx->ctx, undo_words[verdict]);
	if (result->reply == NULL) {
		return TOO_LARGE;
	}
	result->reply->replace = verdict != LINK_UNDO_FOREIGN;
	return OK;
}

enum status cmd_link_undo(struct command_call *call, struct reply **ret_reply)
{
	return command_answer_once(call, undo, NULL, ret_reply);
}

/* ---- /checklink ---- */

enum status cmd_checklink(struct command_call *call, struct reply **ret_reply)
{
	struct arena *arena = call->ctx->arena;
	struct member member = {0};
	enum status status = command_member(call, &member);
	struct reply *reply = reply_new(arena);

	if (status != OK || reply == NULL) {
		return status != OK ? status : TOO_LARGE;
	}
	reply->private = true;
	reply_line(reply, REPLY_TITLE, MSG_CHECKLINK_TITLE, NULL, 0);
	for (int p = PLATFORM_UNSET + 1; p < PLATFORM_COUNT; p++) {
		const struct identity *identity = member_identity(&member, (enum platform)p);

		if (identity != NULL) {
			REPLY_SAY(reply, MSG_CHECKLINK_ROW, TEXT_MESSAGE(platform_message((enum platform)p)), TEXT_STR(identity_label(arena, identity)));
		} else {
			REPLY_SAY(reply, MSG_CHECKLINK_NOT, TEXT_MESSAGE(platform_message((enum platform)p)));
		}
	}
	if (member.identity_count < ACCOUNT_IDENTITIES_MAX) {
		reply_say(reply, MSG_CHECKLINK_HINT, NULL, 0);
	}
	*ret_reply = reply;
	return OK;
}
