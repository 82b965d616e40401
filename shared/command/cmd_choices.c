/* /lang, /name, /notify: what people choose */
#include "command/handlers.h"
#include "service/profile.h"
#include "service/tx.h"
#include "store/store.h"

/* ---- /lang ---- */

/* work->arg: the chosen code; absent: show what is set. */
static enum status set_language(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	const struct str *code = work->arg;
	enum language chosen = language_from_code(*code);
	enum status status = OK;

	if (chosen != LANGUAGE_UNSET) {
		status = profile_choose_language(tx, actor->member.account.id, chosen, command_source(work->call));
		tx->ctx->language = chosen;
	}
	result->reply = command_reply(tx->ctx, chosen != LANGUAGE_UNSET ? MSG_LANG_SET : MSG_LANG_NOW);
	if (result->reply == NULL) {
		return TOO_LARGE;
	}
	if (chosen == LANGUAGE_UNSET) {
		reply_button(result->reply, MSG_BUTTON_LANG_RU, STR("lang_set:ru"), REPLY_STYLE_UNSET);
		reply_button(result->reply, MSG_BUTTON_LANG_EN, STR("lang_set:en"), REPLY_STYLE_UNSET);
	}
	result->reply->replace = chosen != LANGUAGE_UNSET && work->call->update->kind == UPDATE_BUTTON;
	return status;
}

enum status cmd_lang(struct command_call *call, struct reply **ret_reply)
{
	return command_answer_once(call, set_language, &call->args[0], ret_reply);
}

enum status cmd_lang_set(struct command_call *call, struct reply **ret_reply)
{
	return command_answer_once(call, set_language, &call->action_argument, ret_reply);
}

/* ---- /name ---- */

/* What he is called, and how to change it; without a name of his own, the platform's is one press away. */
static enum status show_name(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct str chosen = actor->member.account.display_name;
	struct str shown = command_name(work->call, chosen);
	struct reply *reply = reply_new(tx->ctx->arena);

	if (reply == NULL) {
		return TOO_LARGE;
	}
	reply->private = true;
	REPLY_SAY(reply, str_present(chosen) ? MSG_NAME_NOW : MSG_NAME_NONE, TEXT_STR(shown));
	reply_say(reply, MSG_NAME_HOW, NULL, 0);
	if (!str_present(chosen) && !str_empty(work->call->update->actor.name)) {
		reply_button_about(reply, MSG_BUTTON_NAME_KEEP, TEXT_STR(shown), STR("name_keep"), REPLY_STYLE_PRIMARY);
	}
	result->reply = reply;
	return OK;
}

/* work->arg: the name as typed. A name that cannot be shown is a refusal that is repeated as it is. */
static enum status set_name(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	const struct str *typed = work->arg;
	struct str name = STR_ABSENT;
	enum status status = profile_choose_name(tx, actor->member.account.id, *typed, command_source(work->call), &name);

	if (status != OK && status != INVALID) {
		return status;
	}
	result->reply = reply_new(tx->ctx->arena);
	if (result->reply == NULL) {
		return TOO_LARGE;
	}
	result->reply->private = true;
	result->reply->replace = status == OK && work->call->update->kind == UPDATE_BUTTON;
	if (status == OK) {
		REPLY_SAY(result->reply, MSG_NAME_SET, TEXT_STR(name));
	} else {
		reply_say(result->reply, MSG_NAME_EMPTY, NULL, 0);
	}
	return OK;
}

enum status cmd_name(struct command_call *call, struct reply **ret_reply)
{
	return command_answer_once(call, str_present(call->args[0]) ? set_name : show_name, &call->args[0], ret_reply);
}

/* As the platform shows him now. */
enum status cmd_name_keep(struct command_call *call, struct reply **ret_reply)
{
	struct str name = call->update->actor.name;

	return command_answer_once(call, set_name, &name, ret_reply);
}

/* ---- /notify ---- */

static const enum message switch_words[NOTIFY_SWITCH_COUNT] = {
	[NOTIFY_SWITCH_UNSET] = MESSAGE_NONE,
	[NOTIFY_SWITCH_RANK] = MSG_NOTIFY_RANK,
	[NOTIFY_SWITCH_BADGES] = MSG_NOTIFY_BADGES,
	[NOTIFY_SWITCH_MISSIONS] = MSG_NOTIFY_MISSIONS,
	[NOTIFY_SWITCH_REMINDERS] = MSG_NOTIFY_REMINDERS,
};

/* A button names what it will do, not what is: two presses of one message do the same. */
static struct reply *notify_reply(struct command_call *call, const struct notify_switches *switches)
{
	struct arena *arena = call->ctx->arena;
	struct reply *reply = reply_new(arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	reply->replace = call->update->kind == UPDATE_BUTTON;
	reply_line(reply, REPLY_TITLE, MSG_NOTIFY_TITLE, NULL, 0);
	for (int i = NOTIFY_SWITCH_UNSET + 1; i < NOTIFY_SWITCH_COUNT; i++) {
		enum message row = switches->on[i] ? MSG_NOTIFY_ROW_ON : MSG_NOTIFY_ROW_OFF;
		struct str action = str_printf(arena, "notify_set:" STR_FMT ":%s", STR_ARG(notify_switch_name((enum notify_switch)i)),
		                               switches->on[i] ? "off" : "on");

		REPLY_SAY(reply, row, TEXT_MESSAGE(switch_words[i]));
		reply_button_about(reply, row, TEXT_MESSAGE(switch_words[i]), action, REPLY_STYLE_UNSET);
	}
	reply_say(reply, MSG_NOTIFY_HOW, NULL, 0);
	return reply;
}

struct notify_arg {
	const struct person *actor;
	struct viewer viewer;
	struct notify_switches switches;
};

static enum status read_switches(struct tx *tx, void *arg)
{
	struct notify_arg *a = arg;

	return notify_switches_read(tx, a->actor->platform, a->actor->platform_id, &a->viewer, &a->switches);
}

enum status cmd_notify(struct command_call *call, struct reply **ret_reply)
{
	struct notify_arg arg = {.actor = &call->update->actor};
	enum status status = command_read(call, read_switches, &arg, &arg.viewer);

	if (status != OK) {
		return status;
	}
	*ret_reply = notify_reply(call, &arg.switches);
	return *ret_reply != NULL ? OK : TOO_LARGE;
}

struct switch_choice {
	enum notify_switch which;
	bool on;
};

static enum status set_switch(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	const struct switch_choice *choice = work->arg;
	struct notify_switches switches = {0};
	enum status status = notify_switch_set(tx, actor->member.account.id, choice->which, choice->on, &switches);

	if (status != OK) {
		return status == NOT_FOUND ? RETRY : status; /* joined since he was read */
	}
	result->reply = notify_reply(work->call, &switches);
	return result->reply != NULL ? OK : TOO_LARGE;
}

enum status cmd_notify_set(struct command_call *call, struct reply **ret_reply)
{
	struct str state = call->action_argument;
	struct str name = str_split(&state, ':');
	struct switch_choice choice = {.on = str_eq(state, STR("on"))};

	if (notify_switch_from_name(name, &choice.which) != OK || !(choice.on || str_eq(state, STR("off")))) {
		*ret_reply = command_reply(call->ctx, MSG_BUTTON_STALE);
		return *ret_reply != NULL ? OK : TOO_LARGE;
	}
	return command_answer_once(call, set_switch, &choice, ret_reply);
}
