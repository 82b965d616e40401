/*
 * roles - the mirror of ranks to Discord roles: what the worker does, and for whom (docs/ARCHITECTURE.md, "Roles").
 *
 * Triggers mark a person in the transaction that moved his rank or his identity (migrations/0014); a command of his does too, and a sweep
 * goes through everybody. The owner of the bot's lease claims who is marked, asks Discord what he holds, gives and takes, and writes down
 * what came of it. A mark goes only when that is written and nobody renewed it meanwhile: a kill at any moment leaves it, and he is looked
 * at again.
 */
#ifndef TRIVET_SERVICE_ROLES_H
#define TRIVET_SERVICE_ROLES_H

#include "core/update.h"
#include "service/delivery.h"
#include "store/roles.h"

/* How long a refusal by Discord stands before it is put to the test again; `trivet role map` ends it at once. */
#define ROLES_REFUSED_US DAY_US
/* From the end of one sweep to the next, and how many people it marks at once. */
#define ROLES_SWEEP_PAUSE_US HOUR_US
#define ROLES_SWEEP_PORTION 20

/* Somebody whose roles are to be looked at. */
struct roles_job {
	struct role_person person;
	const struct rank *rank; /* NULL: he has no account */
	const struct role_rule *rules; /* of his server */
	size_t rule_count;
};

/*
 * roles_claim - at most `room` people, changes before the sweep; when nobody waits the sweep goes on.
 *
 * in_work   Discord users who are in work already
 * ret_jobs  live in ctx->arena; empty when the lease is not this owner's
 */
MUST_CHECK enum status roles_claim(struct ctx *ctx, const struct delivery_owner *owner, const int64_t *in_work, size_t in_work_count,
                                   size_t room, struct roles_job **ret_jobs, size_t *ret_count);

/* What Discord said of a role (role_id 0: of the whole server); why absent: it may be given and taken. */
struct roles_refusal {
	int64_t guild_id;
	int64_t role_id;
	struct str why;
	bool news; /* set by roles_settle(): to be told in the log, once */
};

/* roles_settle - what became of a person, with what was learnt of roles on the way, in one transaction. */
MUST_CHECK enum status roles_settle(struct ctx *ctx, const struct role_outcome *outcome, struct roles_refusal *refusals, size_t count);

/* ---- people who act ---- */

/*
 * roles_acted - somebody gave a command: on Discord he is looked at, at most once a minute. He is only noted (service/sighting.h); if that
 * is lost, the sweep finds him.
 */
void roles_acted(struct ctx *ctx, const struct update *update);

#endif
