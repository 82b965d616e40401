/* /start, /help, /profile */
#include "command/cmd_link.h"
#include "command/handlers.h"
#include "service/tx.h"
#include "store/store.h"

/* ---- /start ---- */

static enum status welcome(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct reply *reply = reply_new(tx->ctx->arena);

	(void)work;
	if (reply == NULL) {
		return TOO_LARGE;
	}
	reply->private = true;
	reply_line(reply, REPLY_TITLE, MSG_WELCOME_TITLE, NULL, 0);
	reply_say(reply, MSG_WELCOME_TEXT, NULL, 0);
	if (actor->member.identity_count == 1) {
		reply_say(reply, MSG_WELCOME_LINK, NULL, 0);
	}
	reply_say(reply, MSG_PLAIN_TEXT_HINT, NULL, 0);
	result->reply = reply;
	return identity_reach_set(tx, actor->identity->id, work->call->update->bot, true);
}

enum status cmd_start(struct command_call *call, struct reply **ret_reply)
{
	struct str payload = call->args[0];

	if (str_starts(payload, STR(LINK_PAYLOAD))) {
		return cmd_redeem(call, str_cut(payload, strlen(LINK_PAYLOAD), payload.len), ret_reply);
	}
	return command_answer_once(call, welcome, NULL, ret_reply);
}

/* In a group: a link's token is a code like any other. */
enum status cmd_start_leaked(struct command_call *call, struct reply **ret_reply)
{
	struct str payload = call->args[0];

	if (str_starts(payload, STR(LINK_PAYLOAD))) {
		return cmd_kill(call, str_cut(payload, strlen(LINK_PAYLOAD), payload.len), ret_reply);
	}
	return command_point_to_private(call, ret_reply);
}

/* ---- /help ---- */

enum {
#define COMMAND(name, ...) TYPED_##name,
#define ACTION(...)
#include "command/commands.def"
#undef COMMAND
#undef ACTION
	TYPED_COMMANDS
};
_Static_assert(1 + TYPED_COMMANDS <= REPLY_LINES_MAX, "/help prints a title and a line per command");

enum status cmd_help(struct command_call *call, struct reply **ret_reply)
{
	struct member member = {0};
	size_t count = 0;
	const struct command *rows = command_table(&count);
	enum status status = command_member(call, &member);
	struct reply *reply = reply_new(call->ctx->arena);

	if (status != OK || reply == NULL) {
		return status != OK ? status : TOO_LARGE;
	}
	reply_line(reply, REPLY_TITLE, MSG_HELP_TITLE, NULL, 0);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].kind == COMMAND_TYPED && (rows[i].platforms & (1 << call->update->platform)) != 0) {
			REPLY_SAY(reply, MSG_HELP_ROW, TEXT_STR(str_from_z(rows[i].name)), TEXT_MESSAGE(rows[i].description));
		}
	}
	*ret_reply = reply;
	return OK;
}

/* ---- /profile ---- */

/* "Telegram, Discord" of "telegram,discord". */
static struct str platform_titles(const struct ctx *ctx, struct str names)
{
	struct buf out = buf_init(ctx->arena, 128);
	struct str rest = names;

	while (str_present(rest)) {
		enum platform platform = PLATFORM_UNSET;

		if (platform_from_name(str_split(&rest, ','), &platform) == OK) {
			buf_add(&out, out.len > 0 ? STR(", ") : STR(""));
			buf_add(&out, message_template(ctx->language, platform_message(platform)));
		}
	}
	return buf_str(&out);
}

static struct reply *profile_reply(struct command_call *call, const struct profile *profile)
{
	struct ctx *ctx = call->ctx;
	struct reply *reply = reply_new(ctx->arena);

	if (reply == NULL) {
		return NULL;
	}
	reply_line(reply, REPLY_TITLE, MSG_PROFILE_TITLE, (struct text_arg[]){TEXT_STR(command_name(call, profile->display_name))}, 1);
	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(profile->rank->name));
	REPLY_SAY(reply, MSG_PROFILE_XP, TEXT_INT(profile->xp));
	if (profile->next_rank != NULL) {
		REPLY_SAY(reply, MSG_PROFILE_NEXT, TEXT_STR(profile->next_rank->name), TEXT_INT(profile->next_rank->xp - profile->xp));
	}
	REPLY_SAY(reply, MSG_PROFILE_COINS, TEXT_INT(profile->coins));
	REPLY_SAY(reply, MSG_PROFILE_PLATFORMS, TEXT_STR(platform_titles(ctx, profile->platforms)));
	return reply;
}

enum status cmd_profile(struct command_call *call, struct reply **ret_reply)
{
	struct profile profile = {0};
	enum status status = command_profile(call, &profile);

	if (status != OK) {
		return status;
	}
	*ret_reply = profile_reply(call, &profile);
	return *ret_reply != NULL ? OK : TOO_LARGE;
}
