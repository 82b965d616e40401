/*
 * linked_roles - what Discord shows of people who let us (scope role_connections.write): their tokens, and what the worker tells.
 *
 * linked_role_grant_put() takes a consent; no endpoint calls it yet. Tokens stand sealed in the database, are opened only for the call
 * that needs them, and are wiped when the consent ends. A refreshed pair is written before it is used.
 */
#ifndef TRIVET_SERVICE_LINKED_ROLES_H
#define TRIVET_SERVICE_LINKED_ROLES_H

#include "service/delivery.h"
#include "store/linked_roles.h"

struct linked_tokens {
	struct str access;
	struct str refresh;
	int64_t expires_in_us; /* of the access token */
};

/*
 * linked_role_grant_put - step: a person of Discord consented, anew or for the first time. It is told at once.
 *
 * identity_id   his identity on Discord; the caller has proved that the tokens are that user's
 * OK, INVALID (a token is missing or longer than any of Discord's), TOO_LARGE, statuses of pg_run().
 */
MUST_CHECK enum status linked_role_grant_put(struct tx *tx, int64_t identity_id, const struct linked_tokens *tokens);

/* Somebody of whom Discord is to be told something. */
struct linked_job {
	struct linked_row row; /* sealed is not set */
	struct str access;
	struct str refresh;
	struct linked_values values;
	struct str rank_name;
};

/*
 * linked_roles_claim - at most `room` people who are due. What is not due yet after all, or cannot be opened, is written back at once.
 *
 * in_work    identities that are in work already
 * ret_jobs   live in ctx->arena; empty when the lease is not this owner's
 * Statuses of tx_run().
 */
MUST_CHECK enum status linked_roles_claim(struct ctx *ctx, const struct delivery_owner *owner, const int64_t *in_work, size_t in_work_count,
                                          size_t room, struct linked_job **ret_jobs, size_t *ret_count);

/*
 * linked_roles_renew - a refreshed pair, before it is used; sets what the job's row knows of it.
 *
 * OK, NOT_FOUND (others hold this person's tokens now: leave him), INVALID, statuses of tx_run().
 */
MUST_CHECK enum status linked_roles_renew(struct ctx *ctx, struct linked_job *job, const struct linked_tokens *tokens);

enum linked_end {
	LINKED_END_UNSET = 0,
	LINKED_SHOWN, /* Discord shows job->values */
	LINKED_LATER, /* not before due_at: why; attempt */
	LINKED_OVER,  /* the consent has ended: why */
	LINKED_END_COUNT
};

struct linked_outcome {
	enum linked_end end;
	int64_t due_at; /* LATER: microseconds UTC */
	struct str why; /* LATER, OVER: for the operator */
	bool attempt;   /* LATER: it counts as one */
};

/*
 * linked_roles_settle - use case: writes down what came of a job. An end whose tokens were renewed meanwhile is not written.
 *
 * Statuses of tx_run().
 */
MUST_CHECK enum status linked_roles_settle(struct ctx *ctx, const struct linked_job *job, const struct linked_outcome *outcome);

#endif
