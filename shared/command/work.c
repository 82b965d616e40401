/* What the functions of commands share: the transaction of a work, the read of an account. */
#include "command/handlers.h"
#include "service/sighting.h"
#include "service/tx.h"
#include "store/store.h"

static enum status run_step(struct tx *tx, void *arg, struct once_result *result)
{
	struct command_work *work = arg;
	struct contact actor = {0};
	enum status status = contact_resolve(tx, work->call->update, &actor);

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

struct member_arg {
	const struct person *actor;
	struct member *member;
};

static enum status read_member(struct tx *tx, void *arg)
{
	struct member_arg *a = arg;

	return member_read_by_identity(tx, a->actor->platform, a->actor->platform_id, a->member);
}

enum status command_member(struct command_call *call, struct member *ret_member)
{
	const struct person *actor = &call->update->actor;
	struct member member = {0};
	struct member_arg arg = {.actor = actor, .member = &member};
	enum status status = service_read(call->ctx, read_member, &arg);

	if (status == NOT_FOUND) {
		status = contact_ensure(call->ctx, call->update);
		if (status == OK) {
			status = service_read(call->ctx, read_member, &arg);
		}
	}
	if (status != OK) {
		return status;
	}
	const struct identity *seen = member_identity(&member, actor->platform);

	if (seen != NULL && contact_is_stale(actor, seen->username, seen->name, seen->language_hint, seen->last_seen, call->ctx->now)) {
		sighting_note(call->ctx, call->update);
	}
	call->ctx->language = language_choose(member.account.language, actor->language_hint);
	*ret_member = member;
	return OK;
}
