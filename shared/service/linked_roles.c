#include "service/linked_roles.h"

#include "service/catalogue.h"
#include "service/notify.h"
#include "service/sealed.h"
#include "service/tx.h"

/* Discord's are some 30 characters. */
#define TOKEN_MAX 512
#define TOKENS 2

static enum status seal_tokens(struct ctx *ctx, const struct linked_tokens *tokens, struct str *ret_sealed)
{
	const struct str texts[TOKENS] = {tokens->access, tokens->refresh};

	for (size_t i = 0; i < TOKENS; i++) {
		if (str_empty(texts[i]) || texts[i].len > TOKEN_MAX) {
			return INVALID;
		}
	}
	return sealed_texts_make(ctx, texts, TOKENS, ret_sealed);
}

enum status linked_role_grant_put(struct tx *tx, int64_t identity_id, const struct linked_tokens *tokens)
{
	struct str sealed = STR_ABSENT;
	enum status status = seal_tokens(tx->ctx, tokens, &sealed);

	return status == OK ? linked_role_put(tx, identity_id, sealed, tx->ctx->now + tokens->expires_in_us) : status;
}

/* ---- the worker ---- */

struct claim_call {
	struct role_claim claim;
	struct linked_job *jobs;
	size_t count;
};

static void fill_job(struct linked_job *job, const struct economy *economy, const struct linked_row *row, int64_t now)
{
	const struct rank *rank = &economy->ranks[rank_at(economy->ranks, economy->rank_count, row->xp)];

	*job = (struct linked_job){
		.row = *row,
		.values = {.rank = rank->id, .xp = row->xp, .days = linked_role_days(row->joined_at, now)},
		.rank_name = rank->name,
	};
	job->row.sealed = STR_ABSENT;
}

/* OK: it is a job. NOT_FOUND: it was written back. */
static enum status take_row(struct tx *tx, const struct economy *economy, const struct linked_row *row, struct linked_job *ret_job)
{
	struct str texts[TOKENS] = {STR_ABSENT, STR_ABSENT};
	size_t count = 0;
	int64_t due_at = 0;
	enum status status = OK;

	fill_job(ret_job, economy, row, tx->ctx->now);
	if (!linked_role_is_due(&ret_job->values, &row->shown, row->joined_at, tx->ctx->now, &due_at)) {
		status = linked_role_later(tx, row, due_at, STR_ABSENT, false);
		return status == OK ? NOT_FOUND : status;
	}
	status = sealed_texts_open(tx->ctx, row->sealed, texts, TOKENS, &count);
	if (status == INVALID || (status == OK && count != TOKENS)) {
		status = linked_role_end(tx, row, STR("the tokens cannot be opened: TRIVET_KEY is another one"));
		return status == OK ? NOT_FOUND : status;
	}
	ret_job->access = texts[0];
	ret_job->refresh = texts[1];
	return status;
}

static enum status claim_step(struct tx *tx, void *arg)
{
	struct claim_call *call = arg;
	struct linked_row *rows = NULL;
	size_t row_count = 0;
	const struct economy *economy = NULL;
	enum status status = linked_role_claim(tx, &call->claim, &rows, &row_count);

	call->count = 0;
	if (status != OK || row_count == 0) {
		return status;
	}
	call->jobs = arena_array(tx->ctx->arena, row_count, sizeof(*call->jobs));
	status = call->jobs != NULL ? catalogue_get(tx, &economy) : TOO_LARGE;
	for (size_t i = 0; i < row_count && status == OK; i++) {
		status = take_row(tx, economy, &rows[i], &call->jobs[call->count]);
		call->count += status == OK ? 1 : 0;
		status = status == NOT_FOUND ? OK : status;
	}
	return status;
}

enum status linked_roles_claim(struct ctx *ctx, const struct delivery_owner *owner, const int64_t *in_work, size_t in_work_count,
                               size_t room, struct linked_job **ret_jobs, size_t *ret_count)
{
	struct claim_call call = {.claim = {.bot = STR(NOTIFY_BOT_DISCORD), .owner = owner->uuid, .wall_now = owner->wall_now, .in_work = in_work,
	                                    .in_work_count = in_work_count, .room = room}};
	enum status status = tx_run(ctx, claim_step, &call);

	if (status == OK) {
		*ret_jobs = call.jobs;
		*ret_count = call.count;
	}
	return status;
}

struct renew_call {
	const struct linked_job *job;
	struct str sealed;
	int64_t expires_at;
};

static enum status renew_step(struct tx *tx, void *arg)
{
	const struct renew_call *call = arg;

	return linked_role_tokens(tx, call->job->row.identity_id, call->job->row.generation, call->sealed, call->expires_at);
}

enum status linked_roles_renew(struct ctx *ctx, struct linked_job *job, const struct linked_tokens *tokens)
{
	struct renew_call call = {.job = job, .expires_at = ctx->now + tokens->expires_in_us};
	enum status status = seal_tokens(ctx, tokens, &call.sealed);

	if (status == OK) {
		status = tx_run(ctx, renew_step, &call);
	}
	if (status == OK) {
		job->row.generation++;
		job->row.expires_at = call.expires_at;
	}
	return status;
}

struct settle_call {
	const struct linked_job *job;
	const struct linked_outcome *outcome;
};

static enum status settle_step(struct tx *tx, void *arg)
{
	const struct settle_call *call = arg;
	const struct linked_row *row = &call->job->row;
	const struct linked_outcome *outcome = call->outcome;

	switch (outcome->end) {
	case LINKED_SHOWN:
		return linked_role_shown(tx, row, &call->job->values, linked_role_next_day(row->joined_at, tx->ctx->now));
	case LINKED_LATER:
		return linked_role_later(tx, row, outcome->due_at, outcome->why, outcome->attempt);
	case LINKED_OVER:
		return linked_role_end(tx, row, outcome->why);
	case LINKED_END_UNSET:
	case LINKED_END_COUNT:
		break;
	}
	return INTERNAL;
}

enum status linked_roles_settle(struct ctx *ctx, const struct linked_job *job, const struct linked_outcome *outcome)
{
	struct settle_call call = {job, outcome};

	return tx_run(ctx, settle_step, &call);
}
