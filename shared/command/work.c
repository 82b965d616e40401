/* What the functions of commands share: the transaction of a work, the read of an account. */
#include "base/utf.h"
#include "command/handlers.h"
#include "service/profile.h"
#include "service/sighting.h"
#include "service/tx.h"
#include "store/store.h"

static enum status run_step(struct tx *tx, void *arg, struct once_result *result)
{
	struct command_work *work = arg;
	struct contact actor = {0};
	enum status status = contact_resolve(tx, &work->call->update->actor, &actor);

	if (status == OK) {
		status = work->step(tx, work, &actor, result);
	}
	return status != OK ? status : contact_seen(tx, work->call->update, &actor);
}

enum status command_once(struct command_work *work, struct once_result *ret_result)
{
	return once(work->call->ctx, work->call->update->key, run_step, work, ret_result);
}

enum status command_answer_once(struct command_call *call,
                                enum status (*step)(struct tx *tx, struct command_work *work, struct contact *actor,
                                                    struct once_result *result),
                                void *arg, struct reply **ret_reply)
{
	struct command_work work = {.call = call, .step = step, .arg = arg};
	struct once_result result = {0};
	enum status status = command_once(&work, &result);

	if (status == OK) {
		*ret_reply = result.reply;
	}
	return status;
}

/* What a read found out about who reads. */
static void note_viewer(struct command_call *call, const struct viewer *viewer)
{
	const struct person *actor = &call->update->actor;

	if (contact_is_stale(actor, viewer->username, viewer->name, viewer->language_hint, viewer->last_seen, call->ctx->now)) {
		sighting_note(call->ctx, call->update);
	}
	call->ctx->language = language_choose(viewer->language, actor->language_hint);
}

/* A use case that reads something of the acting person by his platform id. */
struct reading {
	enum status (*run)(struct ctx *ctx, void *arg);
	void *arg;
	const struct viewer *viewer; /* filled by it */
};

/* Who is not known yet is made, and asks again. */
static enum status read_or_meet(struct command_call *call, const struct reading *reading)
{
	enum status status = reading->run(call->ctx, reading->arg);

	if (status == NOT_FOUND) {
		status = contact_ensure(call->ctx, call->update);
		status = status == OK ? reading->run(call->ctx, reading->arg) : status;
	}
	if (status == OK) {
		note_viewer(call, reading->viewer);
	}
	return status;
}

struct select {
	enum status (*read)(struct tx *tx, void *arg);
	void *arg;
};

static enum status run_select(struct ctx *ctx, void *arg)
{
	const struct select *select = arg;

	return service_read(ctx, select->read, select->arg);
}

enum status command_read(struct command_call *call, enum status (*read)(struct tx *tx, void *arg), void *arg, const struct viewer *viewer)
{
	struct select select = {read, arg};

	return read_or_meet(call, &(struct reading){run_select, &select, viewer});
}

struct profile_arg {
	const struct person *actor;
	struct profile *profile;
};

static enum status get_profile(struct ctx *ctx, void *arg)
{
	struct profile_arg *a = arg;

	return profile_get(ctx, a->actor, a->profile);
}

enum status command_profile(struct command_call *call, struct profile *ret_profile)
{
	struct profile profile = {0};
	struct profile_arg arg = {&call->update->actor, &profile};
	enum status status = read_or_meet(call, &(struct reading){get_profile, &arg, &profile.viewer});

	if (status == OK) {
		*ret_profile = profile;
	}
	return status;
}

struct member_arg {
	const struct person *actor;
	struct member *member;
	struct viewer viewer;
};

static enum status read_member(struct tx *tx, void *arg)
{
	struct member_arg *a = arg;
	enum status status = member_read_by_identity(tx, a->actor->platform, a->actor->platform_id, a->member);

	if (status == OK) {
		const struct identity *seen = member_identity(a->member, a->actor->platform);

		if (seen == NULL) {
			return INTERNAL; /* it was found by this very identity */
		}
		a->viewer = (struct viewer){.account_id = a->member->account.id, .language = a->member->account.language, .username = seen->username,
			.name = seen->name, .language_hint = seen->language_hint, .last_seen = seen->last_seen};
	}
	return status;
}

enum status command_member(struct command_call *call, struct member *ret_member)
{
	struct member member = {0};
	struct member_arg arg = {.actor = &call->update->actor, .member = &member};
	enum status status = command_read(call, read_member, &arg, &arg.viewer);

	if (status == OK) {
		*ret_member = member;
	}
	return status;
}

/* Of a name among other words. */
#define NAME_POINTS_MAX 64

struct str command_name(struct command_call *call, struct str display_name)
{
	const struct person *actor = &call->update->actor;
	struct str name = !str_empty(display_name) ? display_name : actor->name;

	if (str_empty(name)) {
		return str_printf(call->ctx->arena, "%lld", (long long)actor->platform_id);
	}
	return utf_clip_points(name, NAME_POINTS_MAX);
}

struct str command_source(const struct command_call *call)
{
	const struct update *update = call->update;

	return str_printf(call->ctx->arena, STR_FMT ":" STR_FMT, STR_ARG(platform_name(update->platform)), STR_ARG(update->bot));
}

void command_add_pages(struct arena *arena, struct reply *reply, const char *verb, int64_t page, int64_t pages)
{
	if (pages > 1) {
		REPLY_SAY(reply, MSG_PAGE_OF, TEXT_INT(page), TEXT_INT(pages));
	}
	if (page > 1) {
		reply_button(reply, MSG_BUTTON_BACK, str_printf(arena, "%s:%lld", verb, (long long)page - 1), REPLY_STYLE_UNSET);
	}
	if (page < pages) {
		reply_button(reply, MSG_BUTTON_NEXT, str_printf(arena, "%s:%lld", verb, (long long)page + 1), REPLY_STYLE_UNSET);
	}
}

void command_say_gain(struct reply *reply, int64_t xp, int64_t coins)
{
	if (xp != 0 && coins != 0) {
		REPLY_SAY(reply, MSG_GAIN_BOTH, TEXT_INT(xp), TEXT_INT(coins));
	} else if (xp != 0 || coins != 0) {
		REPLY_SAY(reply, xp != 0 ? MSG_GAIN_XP : MSG_GAIN_COINS, TEXT_INT(xp != 0 ? xp : coins));
	} else {
		reply_say(reply, MSG_GAIN_DONE, NULL, 0);
	}
}
