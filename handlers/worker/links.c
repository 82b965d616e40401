/* Errands about Linked Roles: tell Discord, as the person, what it may show of him; refresh his tokens when they are over. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/utf.h"
#include "errands.h"
#include "io/crypto.h"
#include "io/json.h"
#include "platform/roles.h"
#include "service/linked_roles.h"

#define TASKS_MAX 2
#define TASK_ARENA_LIMIT ((size_t)512 * 1024)
#define POLL_US SECOND_US
#define POLL_BUSY_US (50 * 1000)
/* A token that is over so soon is refreshed before it is used. */
#define FRESH_US MINUTE_US
/* Answers that are neither yes nor the end; after that once a day. */
#define ATTEMPTS_MAX 8
#define UNHEARD_PAUSE_US (30 * SECOND_US)
/* A wrong client secret is a setting to be mended. */
#define CLIENT_PAUSE_US (10 * MINUTE_US)
#define ERROR_POINTS_MAX 200
/* Refreshing has one bucket for all; showing one for each person. No snowflake is as small. */
#define REFRESH_KEY 1

struct link_task {
	struct link_tasks *tasks;
	enum errand_state state;
	struct arena *arena; /* of this person, reset when it is written: tokens live nowhere else */
	struct linked_job job;
	struct errand_flight flight;
	bool refreshing; /* the call that waits or flies; else it shows */
	bool refreshed;
	bool renewing; /* done is not the end: new tokens are to be written before they are used */
	struct linked_tokens tokens;
	struct linked_outcome outcome;
};

struct link_tasks {
	struct errands *errands;
	struct link_task list[TASKS_MAX];
	int64_t due_at; /* monotonic */
	bool client_told; /* in the log, once */
};

/* ---- tasks ------------------------------------------------------------------------------------------------------------------- */

struct link_tasks *link_tasks_new(struct errands *errands)
{
	struct link_tasks *tasks = calloc(1, sizeof *tasks);
	bool ok = tasks != NULL;
	for (size_t i = 0; i < TASKS_MAX && ok; i++) {
		tasks->list[i].tasks = tasks;
		tasks->list[i].arena = arena_new(TASK_ARENA_LIMIT);
		ok = tasks->list[i].arena != NULL;
	}
	if (!ok) {
		link_tasks_free(tasks);
		return NULL;
	}
	tasks->errands = errands;
	return tasks;
}

void link_tasks_free(struct link_tasks *tasks)
{
	for (size_t i = 0; i < TASKS_MAX && tasks != NULL; i++) {
		arena_free(tasks->list[i].arena);
	}
	free(tasks);
}

size_t link_tasks_count(const struct link_tasks *tasks, enum errand_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		count += tasks->list[i].state == state ? 1 : 0;
	}
	return count;
}

int64_t link_tasks_due(const struct link_tasks *tasks)
{
	return tasks->due_at;
}

static struct app *app_of(const struct link_task *task)
{
	return errands_worker(task->tasks->errands)->app;
}

static void task_free(struct link_task *task)
{
	arena_reset(task->arena);
	*task = (struct link_task){.tasks = task->tasks, .arena = task->arena};
}

static void task_done(struct link_task *task, enum linked_end end, struct str why)
{
	task->outcome = (struct linked_outcome){.end = end, .why = str_dup(task->arena, utf_clip_points(why, ERROR_POINTS_MAX))};
	task->state = ERRAND_DONE;
}

static void task_later(struct link_task *task, int64_t us, struct str why, bool attempt)
{
	task_done(task, LINKED_LATER, why);
	task->outcome.due_at = app_now(app_of(task)) + us;
	task->outcome.attempt = attempt;
}

static void task_next(struct link_task *task, bool refreshing)
{
	task->refreshing = refreshing;
	task->flight.key = refreshing ? REFRESH_KEY : task->job.row.user_id;
	task->state = ERRAND_WAITING;
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------- */

static void failed(struct link_task *task, struct str why)
{
	int64_t attempts = task->job.row.attempts + 1;
	task_later(task, attempts < ATTEMPTS_MAX ? pace_backoff(attempts, crypto_random_below(1000)) : DAY_US, why, true);
}

static void client_refused(struct link_task *task, int64_t mono)
{
	errand_hold(&task->flight, mono, CLIENT_PAUSE_US);
	if (!task->tasks->client_told) {
		log_message(LOG_ERROR, "linked_client_refused", "Discord refuses DISCORD_APPLICATION_ID with DISCORD_CLIENT_SECRET: Linked Roles wait");
	}
	task->tasks->client_told = true;
	task_later(task, CLIENT_PAUSE_US, STR("DISCORD_CLIENT_SECRET is missing or refused"), false);
}

/* The new pair is written before it is used: a kill after that loses no consent. */
static void renewed(struct link_task *task, const struct linked_result *result)
{
	task->tasks->client_told = false;
	task->tokens = (struct linked_tokens){.access = str_dup(task->arena, result->access), .refresh = str_dup(task->arena, result->refresh),
	                                      .expires_in_us = result->expires_in_us};
	task->refreshed = true;
	task->renewing = true;
	task->state = ERRAND_DONE;
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
	json_bind_arena(task->arena);
	struct linked_result result = task->refreshing ? discord_linked_refresh_result(task->arena, response)
	                                               : discord_linked_show_result(task->arena, response);
	errand_mind_bucket(&task->flight, mono, result.bucket_remaining, result.bucket_reset_us);
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
		errand_hold(&task->flight, mono, result.wait_us);
		task->state = ERRAND_WAITING;
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
	const struct config *config = app_of(task)->config;
	const struct linked_job *job = &task->job;
	struct linked_profile profile = {job->rank_name, job->values.rank, job->values.xp, job->values.days};
	json_bind_arena(task->arena);
	return task->refreshing ? discord_linked_refresh(task->arena, config, job->refresh, request)
	                        : discord_linked_show(task->arena, config, job->access, &profile, request);
}

static void task_call(struct link_task *task)
{
	struct http_request request;
	enum status status = make_request(task, &request);
	if (status == INVALID && task->refreshing) {
		client_refused(task, clock_monotonic_us());
		return;
	}
	if (status == OK) {
		status = errand_call(&task->flight, &request);
	}
	if (status != OK) {
		failed(task, STR("the call could not be made"));
		return;
	}
	task->state = ERRAND_FLYING;
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------- */

static void task_take(struct link_task *task, const struct linked_job *job)
{
	task->job = *job;
	task->job.row.version = str_dup(task->arena, job->row.version);
	task->job.access = str_dup(task->arena, job->access);
	task->job.refresh = str_dup(task->arena, job->refresh);
	task->job.rank_name = str_dup(task->arena, job->rank_name);
	task->flight = (struct errand_flight){.errands = task->tasks->errands, .heard = heard, .arg = task};
	if (arena_failed(task->arena)) {
		task_free(task);
		return;
	}
	task_next(task, job->row.expires_at <= app_now(app_of(task)) + FRESH_US);
}

void link_tasks_claim(struct link_tasks *tasks)
{
	int64_t in_work[TASKS_MAX];
	size_t busy = 0;
	struct linked_job *jobs = NULL;
	size_t count = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		if (tasks->list[i].state != ERRAND_FREE) {
			in_work[busy++] = tasks->list[i].job.row.identity_id;
		}
	}
	tasks->due_at = clock_monotonic_us() + (busy == TASKS_MAX ? POLL_BUSY_US : POLL_US);
	if (busy == TASKS_MAX) {
		return;
	}
	struct ctx ctx = errands_ctx(tasks->errands);
	struct delivery_owner owner = errands_owner(tasks->errands);
	enum status status = linked_roles_claim(&ctx, &owner, in_work, busy, TASKS_MAX - busy, &jobs, &count);
	if (!errands_worked(tasks->errands, "looking for linked roles", status)) {
		return;
	}
	for (size_t i = 0, k = 0; i < TASKS_MAX && k < count; i++) {
		if (tasks->list[i].state == ERRAND_FREE) {
			task_take(&tasks->list[i], &jobs[k++]);
		}
	}
}

void link_tasks_start(struct link_tasks *tasks)
{
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct link_task *task = &tasks->list[i];
		int64_t mono = clock_monotonic_us();
		if (task->state != ERRAND_WAITING) {
			continue;
		}
		if (errand_wait(&task->flight, mono) > ERRAND_WAIT_MAX_US) {
			task_later(task, errand_wait(&task->flight, mono), STR("waiting for Discord"), false);
		} else if (errand_may_call(&task->flight, mono)) {
			task_call(task);
		}
	}
}

void link_tasks_drop(struct link_tasks *tasks)
{
	for (size_t i = 0; i < TASKS_MAX; i++) {
		if (tasks->list[i].state == ERRAND_WAITING) {
			task_free(&tasks->list[i]);
		}
	}
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
		task_free(task); /* others hold his tokens now */
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
		task_free(task);
	}
	return status;
}

void link_tasks_settle(struct link_tasks *tasks)
{
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct link_task *task = &tasks->list[i];
		if (task->state != ERRAND_DONE) {
			continue;
		}
		struct ctx ctx = errands_ctx(tasks->errands);
		enum status status = task->renewing ? settle_renewal(task, &ctx) : settle_outcome(task, &ctx);
		if (!errands_worked(tasks->errands, "writing what became of linked roles", status)) {
			return; /* written at the next turn */
		}
		tasks->due_at = 0;
	}
}
