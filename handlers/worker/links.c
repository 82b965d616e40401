/* Errands about Linked Roles: tell Discord, as the person, what it may show of him; refresh his tokens when they are over. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "errand_list.h"
#include "io/crypto.h"
#include "io/json.h"
#include "platform/roles.h"
#include "service/linked_roles.h"

#define TASKS_MAX 2
#define TASK_ARENA_LIMIT ((size_t)512 * 1024)
#define POLL_US SECOND_US
/* A token that is over so soon is refreshed before it is used. */
#define FRESH_US MINUTE_US
/* Answers that are neither yes nor the end; after that once a day. */
#define ATTEMPTS_MAX 8
#define UNHEARD_PAUSE_US (30 * SECOND_US)
/* A wrong client secret is a setting to be mended. */
#define CLIENT_PAUSE_US (10 * MINUTE_US)
/* Refreshing has one bucket for all; showing one for each person. No snowflake is as small. */
#define REFRESH_KEY 1

struct link_task {
	struct errand errand; /* its arena is where the tokens live, and nowhere else */
	struct linked_job job; /* our own copy */
	bool refreshing; /* the call that waits or flies; else it shows */
	bool refreshed;
	bool renewing; /* done is not the end: new tokens are to be written before they are used */
	struct linked_tokens tokens;
	struct linked_outcome outcome;
};

/* ---- tasks ------------------------------------------------------------------------------------------------------------------- */

static struct link_task *task_of(struct errand *errand)
{
	return (struct link_task *)errand;
}

static void task_done(struct link_task *task, enum linked_end end, struct str why)
{
	task->outcome = (struct linked_outcome){.end = end, .why = errand_why(&task->errand, why)};
	task->errand.state = ERRAND_DONE;
}

static void task_later(struct link_task *task, int64_t us, struct str why, bool attempt)
{
	task_done(task, LINKED_LATER, why);
	task->outcome.due_at = app_now(errand_app(&task->errand)) + us;
	task->outcome.attempt = attempt;
}

static void task_next(struct link_task *task, bool refreshing)
{
	task->refreshing = refreshing;
	task->errand.flight.key = refreshing ? REFRESH_KEY : task->job.row.user_id;
	task->errand.state = ERRAND_WAITING;
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------- */

static void failed(struct link_task *task, struct str why)
{
	int64_t attempts = task->job.row.attempts + 1;
	task_later(task, attempts < ATTEMPTS_MAX ? pace_backoff(attempts, crypto_random_below(1000)) : DAY_US, why, true);
}

static void client_refused(struct link_task *task, int64_t mono)
{
	errand_hold(&task->errand.flight, mono, CLIENT_PAUSE_US);
	if (errand_list_note_refused(task->errand.list, true)) {
		log_message(LOG_ERROR, "linked_client_refused", "Discord refuses DISCORD_APPLICATION_ID with DISCORD_CLIENT_SECRET: Linked Roles wait");
	}
	task_later(task, CLIENT_PAUSE_US, STR("DISCORD_CLIENT_SECRET is missing or refused"), false);
}

/* The new pair is written before it is used: a kill after that loses no consent. */
static void renewed(struct link_task *task, const struct linked_result *result)
{
	(void)errand_list_note_refused(task->errand.list, false);
	task->tokens = (struct linked_tokens){.access = str_dup(task->errand.arena, result->access),
	                                      .refresh = str_dup(task->errand.arena, result->refresh),
	                                      .expires_in_us = result->expires_in_us};
	task->refreshed = true;
	task->renewing = true;
	task->errand.state = ERRAND_DONE;
}

static void done(struct link_task *task, const struct linked_result *result)
{
	if (task->refreshing) {
		renewed(task, result);
		return;
	}
	metric_add(METRIC_LINKED_SHOWN, 1);
	task_done(task, LINKED_SHOWN, STR_ABSENT);
}

static void token_refused(struct link_task *task)
{
	if (task->refreshed) {
		task_done(task, LINKED_OVER, STR("refused with a new token"));
	} else {
		task_next(task, true);
	}
}

static void heard(void *arg, const struct http_response *response, int64_t mono)
{
	struct link_task *task = arg;
	json_bind_arena(task->errand.arena);
	struct linked_result result = task->refreshing ? discord_linked_refresh_result(task->errand.arena, response)
	                                               : discord_linked_show_result(task->errand.arena, response);
	errand_mind_bucket(&task->errand.flight, mono, result.bucket_remaining, result.bucket_reset_us);
	switch (result.answer) {
	case LINKED_DONE:
		done(task, &result);
		break;
	case LINKED_TOKEN_REFUSED:
		token_refused(task);
		break;
	case LINKED_ENDED:
		task_done(task, LINKED_OVER, result.error);
		break;
	case LINKED_CLIENT_REFUSED:
		client_refused(task, mono);
		break;
	case LINKED_WAIT:
		errand_hold(&task->errand.flight, mono, result.wait_us);
		task->errand.state = ERRAND_WAITING;
		break;
	case LINKED_UNHEARD:
		task_later(task, UNHEARD_PAUSE_US, STR("no answer"), false);
		break;
	case LINKED_FAILED:
	case LINKED_ANSWER_UNSET:
	case LINKED_ANSWER_COUNT:
		failed(task, result.error);
		break;
	}
}

static enum status make_request(struct link_task *task, struct http_request *request)
{
	const struct config *config = errand_app(&task->errand)->config;
	const struct linked_job *job = &task->job;
	struct linked_profile profile = {job->rank_name, job->values.rank, job->values.xp, job->values.days};
	json_bind_arena(task->errand.arena);
	return task->refreshing ? discord_linked_refresh(task->errand.arena, config, job->refresh, request)
	                        : discord_linked_show(task->errand.arena, config, job->access, &profile, request);
}

static void call(struct errand *errand)
{
	struct link_task *task = task_of(errand);
	struct http_request request;
	enum status status = make_request(task, &request);
	if (status == INVALID && task->refreshing) {
		client_refused(task, clock_monotonic_us());
		return;
	}
	if (status == OK) {
		status = errand_call(&task->errand.flight, &request);
	}
	if (status != OK) {
		failed(task, STR("the call could not be made"));
		return;
	}
	task->errand.state = ERRAND_FLYING;
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------- */

static void task_take(struct link_task *task, const struct linked_job *job)
{
	task->errand.who = job->row.identity_id;
	task->job = *job;
	task->job.row.version = str_dup(task->errand.arena, job->row.version);
	task->job.access = str_dup(task->errand.arena, job->access);
	task->job.refresh = str_dup(task->errand.arena, job->refresh);
	task->job.rank_name = str_dup(task->errand.arena, job->rank_name);
	if (arena_failed(task->errand.arena)) {
		errand_clear(&task->errand);
		return;
	}
	task_next(task, job->row.expires_at <= app_now(errand_app(&task->errand)) + FRESH_US);
}

static enum status claim(struct errand_list *list, struct ctx *ctx, const struct errand_room *room, size_t *ret_count)
{
	struct linked_job *jobs = NULL;
	size_t count = 0;
	enum status status = linked_roles_claim(ctx, &room->owner, room->in_work, room->in_work_count, room->room, &jobs, &count);
	if (status != OK) {
		return status;
	}
	for (size_t i = 0; i < count && errand_list_vacant(list) != NULL; i++) {
		task_take(task_of(errand_list_vacant(list)), &jobs[i]);
	}
	*ret_count = count;
	return OK;
}

static void postpone(struct errand *errand, int64_t us)
{
	task_later(task_of(errand), us, STR("waiting for Discord"), false);
}

/* Also without the lease: the pair that it replaces is worth nothing any more. */
static enum status settle_renewal(struct link_task *task, struct ctx *ctx)
{
	enum status status = linked_roles_renew(ctx, &task->job, &task->tokens);
	if (status == OK) {
		task->job.access = task->tokens.access;
		task->job.refresh = task->tokens.refresh;
		task->renewing = false;
		task_next(task, false);
	} else if (status == NOT_FOUND || status == INVALID) {
		errand_clear(&task->errand); /* others hold his tokens now */
		return OK;
	}
	return status;
}

static enum status settle_outcome(struct link_task *task, struct ctx *ctx)
{
	enum status status = linked_roles_settle(ctx, &task->job, &task->outcome);
	if (status == OK) {
		if (task->outcome.end == LINKED_OVER) {
			log_message(LOG_INFO, "linked_role_over", "identity %lld: " STR_FMT, (long long)task->job.row.identity_id,
			            STR_ARG(task->outcome.why));
		}
		errand_clear(&task->errand);
	}
	return status;
}

static enum status settle(struct errand *errand, struct ctx *ctx)
{
	struct link_task *task = task_of(errand);
	return task->renewing ? settle_renewal(task, ctx) : settle_outcome(task, ctx);
}

const struct errand_kind link_errands = {
	.task_size = sizeof(struct link_task),
	.tasks_max = TASKS_MAX,
	.arena_limit = TASK_ARENA_LIMIT,
	.poll_us = POLL_US,
	.looking = "looking for linked roles",
	.writing = "writing what became of linked roles",
	.claim = claim,
	.call = call,
	.heard = heard,
	.postpone = postpone,
	.settle = settle,
};
