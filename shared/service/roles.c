#include "service/roles.h"

#include "base/limit.h"
#include "io/app.h"
#include "service/catalogue.h"
#include "service/notify.h"
#include "service/sighting.h"
#include "service/tx.h"

#define LOOKS_PER_MINUTE 1

struct claim_call {
	struct role_claim claim;
	struct roles_job *jobs;
	size_t count;
};

/* Nobody waits: the sweep goes on, and whom it marked is there to be claimed. */
static enum status claim_or_sweep(struct tx *tx, const struct role_claim *claim, struct role_person **people, size_t *count)
{
	int64_t marked = 0;
	enum status status = role_claim_people(tx, claim, people, count);

	if (status != OK || *count > 0) {
		return status;
	}
	status = role_sweep(tx, claim, ROLES_SWEEP_PORTION, tx->ctx->now + ROLES_SWEEP_PAUSE_US, &marked);
	return status == OK && marked > 0 ? role_claim_people(tx, claim, people, count) : status;
}

static size_t rules_of(const struct role_mapping *mappings, size_t count, int64_t guild_id, struct role_rule *rules)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		if (mappings[i].guild_id == guild_id) {
			rules[found++] = mappings[i].rule;
		}
	}
	return found;
}

static enum status fill_jobs(struct tx *tx, struct claim_call *call, const struct role_person *people)
{
	struct role_mapping *mappings = NULL;
	size_t mapping_count = 0;
	const struct economy *economy = NULL;
	enum status status = role_rules_read(tx, call->claim.refused_before, &mappings, &mapping_count);

	if (status == OK) {
		status = catalogue_get(tx, &economy);
	}
	for (size_t i = 0; i < call->count && status == OK; i++) {
		struct roles_job *job = &call->jobs[i];
		struct role_rule *rules = arena_array(tx->ctx->arena, mapping_count, sizeof(*rules));

		if (rules == NULL) {
			return TOO_LARGE;
		}
		job->person = people[i];
		job->rank = people[i].known ? &economy->ranks[rank_at(economy->ranks, economy->rank_count, people[i].xp)] : NULL;
		job->rules = rules;
		job->rule_count = rules_of(mappings, mapping_count, people[i].guild_id, rules);
	}
	return status;
}

static enum status claim_step(struct tx *tx, void *arg)
{
	struct claim_call *call = arg;
	struct role_person *people = NULL;
	enum status status = claim_or_sweep(tx, &call->claim, &people, &call->count);

	if (status != OK || call->count == 0) {
		return status;
	}
	call->jobs = arena_array(tx->ctx->arena, call->count, sizeof(*call->jobs));
	return call->jobs != NULL ? fill_jobs(tx, call, people) : TOO_LARGE;
}

enum status roles_claim(struct ctx *ctx, const struct delivery_owner *owner, const int64_t *in_work, size_t in_work_count, size_t room,
                        struct roles_job **ret_jobs, size_t *ret_count)
{
	struct claim_call call = {.claim = {.bot = STR(NOTIFY_BOT_DISCORD), .owner = owner->uuid, .wall_now = owner->wall_now, .in_work = in_work,
	                                    .in_work_count = in_work_count, .room = room, .refused_before = ctx->now - ROLES_REFUSED_US}};
	enum status status = tx_run(ctx, claim_step, &call);

	if (status == OK) {
		*ret_jobs = call.jobs;
		*ret_count = call.count;
	}
	return status;
}

struct settle_call {
	const struct role_outcome *outcome;
	struct roles_refusal *refusals;
	size_t count;
};

static enum status settle_step(struct tx *tx, void *arg)
{
	struct settle_call *call = arg;
	enum status status = role_outcome_write(tx, call->outcome);

	for (size_t i = 0; i < call->count && status == OK; i++) {
		struct roles_refusal *refusal = &call->refusals[i];

		status = role_refuse(tx, refusal->guild_id, refusal->role_id, refusal->why, &refusal->news);
	}
	return status;
}

enum status roles_settle(struct ctx *ctx, const struct role_outcome *outcome, struct roles_refusal *refusals, size_t count)
{
	struct settle_call call = {outcome, refusals, count};

	return tx_run(ctx, settle_step, &call);
}

/* ---- people who act ---- */

void roles_acted(struct ctx *ctx, const struct update *update)
{
	if (update->platform != PLATFORM_DISCORD || ctx->app->sightings == NULL) {
		return;
	}
	struct str key = str_printf(ctx->arena, "roles:%lld", (long long)update->actor.platform_id);

	if (limit_rate_allow(ctx->app->limits, key, LOOKS_PER_MINUTE, ctx->now, NULL)) {
		sighting_note(ctx, update);
	}
}
