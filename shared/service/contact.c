#include "service/contact.h"

#include "service/tx.h"
#include "store/store.h"

#define CONTACT_SEEN_EVERY_US HOUR_US

bool contact_is_stale(const struct person *shown, struct str username, struct str name, struct str hint, int64_t last_seen, int64_t now)
{
	bool hint_differs = str_present(shown->language_hint) && !str_eq(shown->language_hint, hint);

	return now - last_seen > CONTACT_SEEN_EVERY_US || !str_eq(shown->username, username) || !str_eq(shown->name, name) || hint_differs;
}

static enum status read_or_create(struct tx *tx, const struct person *actor, struct contact *contact)
{
	enum status status = member_read_by_identity(tx, actor->platform, actor->platform_id, &contact->member);

	if (status != NOT_FOUND) {
		return status;
	}
	status = identity_create(tx, actor);
	if (status != OK) {
		return status;
	}
	contact->first = true;
	return member_read_by_identity(tx, actor->platform, actor->platform_id, &contact->member);
}

enum status contact_resolve(struct tx *tx, const struct person *actor, struct contact *ret_contact)
{
	struct contact contact = {0};
	enum status status = read_or_create(tx, actor, &contact);

	if (status != OK) {
		return status;
	}
	if (member_identity(&contact.member, actor->platform) == NULL) {
		return INTERNAL;
	}
	tx->ctx->language = language_choose(contact.member.account.language, actor->language_hint);
	*ret_contact = contact;
	ret_contact->identity = member_identity(&ret_contact->member, actor->platform);
	return OK;
}

enum status contact_lock(struct tx *tx, const struct contact *contact)
{
	int64_t account_id = 0;
	enum status status = account_lock(tx, &contact->member.account.id, 1);

	if (status == OK) {
		status = identity_account_now(tx, contact->identity->id, &account_id);
	}
	if (status != OK) {
		return status == NOT_FOUND ? RETRY : status;
	}
	return account_id == contact->member.account.id ? OK : RETRY;
}

enum status contact_seen(struct tx *tx, const struct update *update, const struct contact *contact)
{
	const struct person *actor = &update->actor;
	const struct identity *identity = contact->identity;
	bool stale =
		contact_is_stale(actor, identity->username, identity->name, identity->language_hint, identity->last_seen, tx->ctx->now);
	enum status status = OK;

	if (stale && !contact->first) {
		status = identity_touch(tx, identity->id, actor);
	}
	if (status == OK && update->place == PLACE_PRIVATE && (stale || contact->first)) {
		status = identity_reach_set(tx, identity->id, update->bot, true);
	}
	return status;
}

static enum status ensure(struct tx *tx, void *arg)
{
	const struct update *update = arg;
	struct contact contact = {0};
	enum status status = contact_resolve(tx, &update->actor, &contact);

	return status != OK ? status : contact_seen(tx, update, &contact);
}

enum status contact_ensure(struct ctx *ctx, const struct update *update)
{
	struct update copy = *update;

	return tx_run(ctx, ensure, &copy);
}

struct reach_arg {
	const struct update *update;
	bool can_message;
};

static enum status set_reach(struct tx *tx, void *arg)
{
	const struct reach_arg *reach = arg;
	struct contact contact = {0};
	const struct person *actor = &reach->update->actor;
	enum status status = OK;

	if (!reach->can_message) {
		status = member_read_by_identity(tx, actor->platform, actor->platform_id, &contact.member);
		if (status != OK) {
			return status == NOT_FOUND ? OK : status; /* who goes without ever having come is nobody */
		}
	}
	status = contact_resolve(tx, actor, &contact);
	if (status == OK) {
		status = contact_seen(tx, reach->update, &contact);
	}
	if (status != OK) {
		return status;
	}
	return identity_reach_set(tx, contact.identity->id, reach->update->bot, reach->can_message);
}

enum status contact_reach(struct ctx *ctx, const struct update *update, bool can_message)
{
	struct reach_arg arg = {.update = update, .can_message = can_message};

	return tx_run(ctx, set_reach, &arg);
}
