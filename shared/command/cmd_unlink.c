/* /unlink and its dialogue */
#include "base/parse.h"
#include "command/handlers.h"
#include "service/linking.h"
#include "store/store.h"

static struct text_arg titled(const struct identity *identity)
{
	return TEXT_MESSAGE(platform_message(identity->platform));
}

/* "This one leaves, the data stay with that one": nothing is done before the button. */
static struct reply *ask_reply(struct ctx *ctx, const struct member *member, const struct identity *leaving)
{
	struct reply *reply = reply_new(ctx->arena);
	const struct identity *staying = &member->identities[0];

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	reply_line(reply, REPLY_TITLE, MSG_UNLINK_TITLE, NULL, 0);
	REPLY_SAY(reply, MSG_UNLINK_LEAVES, titled(leaving), TEXT_STR(identity_label(ctx->arena, leaving)));
	REPLY_SAY(reply, MSG_UNLINK_STAYS, titled(staying), TEXT_STR(identity_label(ctx->arena, staying)));
	reply_button(reply, MSG_BUTTON_UNLINK, str_printf(ctx->arena, "unlink_yes:%lld", (long long)leaving->id), REPLY_STYLE_DANGER);
	reply_button(reply, MSG_BUTTON_CANCEL, STR("unlink_no"), REPLY_STYLE_UNSET);
	return reply;
}

static struct reply *pick_reply(struct ctx *ctx, const struct member *member)
{
	struct reply *reply = command_reply(ctx, MSG_UNLINK_PICK);

	for (size_t i = 1; reply != NULL && i < member->identity_count; i++) { /* the first one stays: its data are the account's */
		const struct identity *identity = &member->identities[i];

		reply_button(reply, platform_message(identity->platform),
		             str_printf(ctx->arena, "unlink_pick:%lld", (long long)identity->id), REPLY_STYLE_UNSET);
	}
	if (reply != NULL) {
		reply_button(reply, MSG_BUTTON_CANCEL, STR("unlink_no"), REPLY_STYLE_UNSET);
	}
	return reply;
}

static const enum message refusal_words[UNLINK_COUNT] = {
	[UNLINK_NOT_LINKED] = MSG_UNLINK_NOT_LINKED,
	[UNLINK_OLDEST] = MSG_UNLINK_OLDEST,
	[UNLINK_FOREIGN] = MSG_UNLINK_GONE,
};

static enum status ask(struct command_call *call, int64_t identity_id, struct reply **ret_reply)
{
	struct member member = {0};
	const struct identity *leaving = NULL;
	enum unlink_verdict verdict = UNLINK_UNSET;
	enum status status = command_member(call, &member);

	if (status != OK) {
		return status;
	}
	verdict = unlink_decide(&member, identity_id, false, &leaving);
	if (verdict == UNLINK_ALLOWED) {
		*ret_reply = ask_reply(call->ctx, &member, leaving);
	} else if (verdict == UNLINK_ASK) {
		*ret_reply = pick_reply(call->ctx, &member);
	} else {
		*ret_reply = command_reply(call->ctx, refusal_words[verdict]);
	}
	return *ret_reply != NULL ? OK : TOO_LARGE;
}

enum status cmd_unlink(struct command_call *call, struct reply **ret_reply)
{
	return ask(call, 0, ret_reply);
}

static enum status replaced(enum status status, struct reply *reply)
{
	if (status == OK && reply != NULL) {
		reply->replace = true;
	}
	return status;
}

enum status cmd_unlink_pick(struct command_call *call, struct reply **ret_reply)
{
	int64_t identity_id = 0;

	if (parse_i64(call->action_argument, 1, INT64_MAX, &identity_id) != OK) {
		*ret_reply = command_reply(call->ctx, MSG_BUTTON_STALE);
		return *ret_reply != NULL ? OK : TOO_LARGE;
	}
	enum status status = ask(call, identity_id, ret_reply);

	return replaced(status, status == OK ? *ret_reply : NULL);
}

enum status cmd_unlink_no(struct command_call *call, struct reply **ret_reply)
{
	struct member member = {0};
	enum status status = command_member(call, &member); /* for the language */

	if (status != OK) {
		return status;
	}
	*ret_reply = command_reply(call->ctx, MSG_UNLINK_CANCELLED);
	return *ret_reply != NULL ? replaced(OK, *ret_reply) : TOO_LARGE;
}

static enum status carry_out(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct reply *reply = reply_new(tx->ctx->arena);
	enum unlink_verdict verdict = UNLINK_FOREIGN;
	struct identity left = {0};
	int64_t identity_id = 0;
	enum status status = OK;

	if (parse_i64(work->call->action_argument, 1, INT64_MAX, &identity_id) == OK) {
		status = linking_unlink(tx, actor, actor->member.account.id, identity_id, command_actor(work->call), &verdict, &left);
	}
	if (status != OK) {
		return status;
	}
	if (reply == NULL) {
		return TOO_LARGE;
	}
	reply->private = true;
	reply->replace = true;
	if (verdict == UNLINK_ALLOWED) {
		REPLY_SAY(reply, MSG_UNLINK_DONE, titled(&left));
	} else {
		reply_say(reply, refusal_words[verdict], NULL, 0);
	}
	result->reply = reply;
	return OK;
}

enum status cmd_unlink_yes(struct command_call *call, struct reply **ret_reply)
{
	return command_answer_once(call, carry_out, NULL, ret_reply);
}
