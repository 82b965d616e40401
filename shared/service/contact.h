/*
 * contact - who acts: the account behind a platform's person, made at first contact.
 */
#ifndef TRIVET_SERVICE_CONTACT_H
#define TRIVET_SERVICE_CONTACT_H

#include "core/account.h"
#include "core/update.h"
#include "store/tx.h"

/* The acting person in a transaction. */
struct contact {
	struct member member;
	const struct identity *identity; /* his, inside member; valid as long as this struct is not copied */
	bool first;                      /* this was the first contact */
	struct str through;              /* for the record, who speaks for him: "api:bridge"; absent: nobody */
};

/*
 * contact_resolve - step: reads the account, makes it when there is none. Writes nothing about somebody who is known: accounts are locked
 * before anything else (decisions.md 11), so what the platform shows of him is written last, by contact_seen().
 *
 * The account is only read: a step that changes it locks it and looks again.
 * Sets ctx->language to his own choice, else the platform's hint.
 * OK, RETRY (made by another transaction at the same instant), statuses of pg_run().
 */
MUST_CHECK enum status contact_resolve(struct tx *tx, const struct person *actor, struct contact *ret_contact);

/*
 * contact_lock - step: locks the actor's account, before anything of it is changed.
 *
 * OK, RETRY (he is on another account since he was read), statuses of pg_run().
 */
MUST_CHECK enum status contact_lock(struct tx *tx, const struct contact *contact);

/*
 * contact_seen - step, the last of a transaction: name and last seen when they differ or are older than 1 h. An update from a private chat
 * also shows that its bot may write to him.
 */
MUST_CHECK enum status contact_seen(struct tx *tx, const struct update *update, const struct contact *contact);

/* contact_ensure - use case: both in a transaction of their own, for reads that found nobody or something old. */
MUST_CHECK enum status contact_ensure(struct ctx *ctx, const struct update *update);

/* contact_reach - use case: the person (un)blocked the bot or (de)authorised the application. A farewell makes no account. */
MUST_CHECK enum status contact_reach(struct ctx *ctx, const struct update *update, bool can_message);

/*
 * contact_is_stale - whether what is stored differs from what the platform shows, or was seen more than an hour ago.
 */
bool contact_is_stale(const struct person *shown, struct str username, struct str name, struct str hint, int64_t last_seen, int64_t now);

#endif
