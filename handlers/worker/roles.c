/* Errands about roles: look at what a person holds, give what is missing, take what is too much, write it down. */
#include "base/log.h"
#include "base/metric.h"
#include "errand_list.h"
#include "io/crypto.h"
#include "io/json.h"
#include "platform/roles.h"

/* At five calls a second and an answer in 200 ms one is busy; the rest is for slow answers. */
#define TASKS_MAX 4
#define TASK_ARENA_LIMIT ((size_t)2 * 1024 * 1024)
#define POLL_US (500 * 1000)
/* Answers that are neither yes nor a reason; after that a person waits for the next change or the sweep. */
#define ATTEMPTS_MAX 8
/* Nobody heard: looking again says whether it took effect. */
#define UNHEARD_PAUSE_US (5 * SECOND_US)
/* As of messages: a refused token is a setting to be mended (decide.c). */
#define TOKEN_PAUSE_US (30 * SECOND_US)

struct role_task {
	struct errand errand;
	struct roles_job job; /* our own copy */
	struct rank rank;     /* what job.rank points to */
	struct role_call call;
	struct role_step *steps;
	size_t step_count;
	size_t step_at; /* the step that `call` is about, unless it is the look */
	int64_t *wanted; /* of all these arrays the room is rule_count, of refusals one more */
	int64_t *applied;
	struct roles_refusal *refusals;
	size_t refusal_count;
	struct role_outcome outcome;
};

/* ---- tasks ------------------------------------------------------------------------------------------------------------------- */

static struct role_task *task_of(struct errand *errand)
{
	return (struct role_task *)errand;
}

static void task_done(struct role_task *task, struct role_outcome outcome)
{
	task->outcome = outcome;
	task->outcome.guild_id = task->job.person.guild_id;
	task->outcome.user_id = task->job.person.user_id;
	task->outcome.mark = task->job.person.mark;
	task->outcome.error = errand_why(&task->errand, outcome.error);
	task->errand.state = ERRAND_DONE;
}

/* Once more after a while, or (us 0) when something changes. */
static void task_postpone(struct role_task *task, int64_t us, struct str error, bool attempt)
{
	int64_t now = app_now(errand_app(&task->errand));
	task_done(task, (struct role_outcome){.due_at = us > 0 ? now + us : 0, .error = error, .attempt = attempt});
}

static void learn(struct role_task *task, int64_t role_id, struct str why)
{
	task->refusals[task->refusal_count++] = (struct roles_refusal){
		.guild_id = task->job.person.guild_id, .role_id = role_id, .why = errand_why(&task->errand, why)};
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------- */

/* A look and a change have buckets of their own for each server. */
static int64_t bucket_of(const struct role_call *call)
{
	return call->act == ROLE_LOOK ? ~call->guild_id : call->guild_id;
}

static void task_next(struct role_task *task, enum role_act act, int64_t role_id)
{
	task->call.act = act;
	task->call.role_id = role_id;
	task->errand.flight.key = bucket_of(&task->call);
	task->errand.state = ERRAND_WAITING;
}

/* The next step, or the end. Steps of roles that were refused meanwhile have lost their role. */
static void go_on(struct role_task *task)
{
	while (task->step_at < task->step_count && task->steps[task->step_at].role_id == 0) {
		task->step_at++;
	}
	if (task->step_at < task->step_count) {
		const struct role_step *step = &task->steps[task->step_at];
		task_next(task, step->give ? ROLE_GIVE : ROLE_TAKE, step->role_id);
		return;
	}
	task->outcome.applied = task->applied;
	task->outcome.wanted = task->wanted;
	task->outcome.done = true;
	task_done(task, task->outcome);
}

/* What he is to hold; and of the mapped roles those that he holds. */
static void looked(struct role_task *task, const struct role_result *result)
{
	const struct roles_job *job = &task->job;
	for (size_t i = 0; i < job->rule_count; i++) {
		const struct role_rule *rule = &job->rules[i];
		if (role_stands_for(rule, job->rank)) {
			task->wanted[task->outcome.wanted_count++] = rule->role_id;
		}
		if (role_holds(result->roles, result->role_count, rule->role_id)) {
			task->applied[task->outcome.applied_count++] = rule->role_id;
		}
	}
	learn(task, 0, STR_ABSENT);
	task->step_count = role_diff(job->rules, job->rule_count, job->rank, result->roles, result->role_count, task->steps);
	go_on(task);
}

static void stepped(struct role_task *task)
{
	const struct role_step *step = &task->steps[task->step_at++];
	size_t kept = 0;
	if (step->give) {
		task->applied[task->outcome.applied_count++] = step->role_id;
	} else {
		for (size_t i = 0; i < task->outcome.applied_count; i++) {
			if (task->applied[i] != step->role_id) {
				task->applied[kept++] = task->applied[i];
			}
		}
		task->outcome.applied_count = kept;
	}
	metric_add(METRIC_ROLE_CHANGED, 1);
	learn(task, step->role_id, STR_ABSENT);
	go_on(task);
}

/* Nobody else asks for this role now. */
static void refused(struct role_task *task, struct str why)
{
	int64_t role_id = task->call.role_id;
	learn(task, role_id, why);
	for (size_t i = 0; errand_list_at(task->errand.list, i) != NULL; i++) {
		struct role_task *other = task_of(errand_list_at(task->errand.list, i));
		bool same = other->errand.state != ERRAND_FREE && other->call.guild_id == task->call.guild_id;
		for (size_t k = other->step_at; same && k < other->step_count; k++) {
			if (other->steps[k].role_id == role_id && (other->errand.state != ERRAND_FLYING || k > other->step_at)) {
				other->steps[k].role_id = 0;
			}
		}
		if (same && other->errand.state == ERRAND_WAITING && other->call.role_id == role_id && other->call.act != ROLE_LOOK) {
			go_on(other);
		}
	}
	task->step_at++;
	go_on(task);
}

/* Of the others of this server those that have not begun are left: their marks stay. */
static void guild_refused(struct role_task *task, struct str why)
{
	learn(task, 0, why);
	for (size_t i = 0; errand_list_at(task->errand.list, i) != NULL; i++) {
		struct role_task *other = task_of(errand_list_at(task->errand.list, i));
		if (other->errand.state == ERRAND_WAITING && other->call.guild_id == task->call.guild_id) {
			errand_clear(&other->errand);
		}
	}
	task_postpone(task, SECOND_US, why, false);
}

static void failed(struct role_task *task, struct str why)
{
	bool last = task->job.person.attempts + 1 >= ATTEMPTS_MAX;
	task_postpone(task, last ? 0 : pace_backoff(task->job.person.attempts + 1, crypto_random_below(1000)), why, true);
}

static void told_to_wait(struct role_task *task, const struct role_result *result, int64_t mono)
{
	errand_hold(&task->errand.flight, mono, result->wait_us);
	if (result->global) {
		errand_hold_bot(&task->errand.flight, mono, result->wait_us);
	}
	task->errand.state = ERRAND_WAITING;
}

static void token_refused(struct role_task *task, int64_t mono)
{
	errand_hold_bot(&task->errand.flight, mono, TOKEN_PAUSE_US);
	log_message(LOG_ERROR, "bot_refused", "the token of bot discord is refused: see trivet doctor");
	task_postpone(task, TOKEN_PAUSE_US, STR("401: the bot's token was refused"), false);
}

static void heard(void *arg, const struct http_response *response, int64_t mono)
{
	struct role_task *task = arg;
	json_bind_arena(task->errand.arena);
	struct role_result result = discord_role_result(task->errand.arena, &task->call, response);
	errand_mind_bucket(&task->errand.flight, mono, result.bucket_remaining, result.bucket_reset_us);
	switch (result.answer) {
	case ROLE_DONE:
		if (task->call.act == ROLE_LOOK) {
			looked(task, &result);
		} else {
			stepped(task);
		}
		break;
	case ROLE_NO_MEMBER:
		task_done(task, (struct role_outcome){.done = true, .absent = true});
		break;
	case ROLE_REFUSED:
		refused(task, result.error);
		break;
	case ROLE_GUILD_REFUSED:
		guild_refused(task, result.error);
		break;
	case ROLE_WAIT:
		told_to_wait(task, &result, mono);
		break;
	case ROLE_UNHEARD:
		task_postpone(task, UNHEARD_PAUSE_US, STR("no answer"), false);
		break;
	case ROLE_BOT_REFUSED:
		token_refused(task, mono);
		break;
	case ROLE_FAILED:
	case ROLE_ANSWER_UNSET:
	case ROLE_ANSWER_COUNT:
		failed(task, result.error);
		break;
	}
}

static void call(struct errand *errand)
{
	struct role_task *task = task_of(errand);
	struct http_request request;
	json_bind_arena(task->errand.arena);
	enum status status = discord_role_request(task->errand.arena, errand_app(&task->errand)->config, &task->call, &request);
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

/* Our own copy of what the turn's arena holds, and room for what comes of it. */
static bool copy_job(struct role_task *task, const struct roles_job *job)
{
	struct role_rule *rules = arena_array(task->errand.arena, job->rule_count, sizeof *rules);
	for (size_t i = 0; i < job->rule_count && rules != NULL; i++) {
		rules[i] = job->rules[i];
		rules[i].letter = str_dup(task->errand.arena, job->rules[i].letter);
	}
	task->job = *job;
	task->job.rules = rules;
	task->job.person.mark = str_dup(task->errand.arena, job->person.mark);
	if (job->rank != NULL) {
		task->rank = *job->rank;
		task->rank.name = str_dup(task->errand.arena, job->rank->name);
		task->job.rank = &task->rank;
	}
	task->steps = arena_array(task->errand.arena, job->rule_count, sizeof *task->steps);
	task->wanted = arena_array(task->errand.arena, job->rule_count, sizeof *task->wanted);
	task->applied = arena_array(task->errand.arena, job->rule_count, sizeof *task->applied);
	task->refusals = arena_array(task->errand.arena, job->rule_count + 1, sizeof *task->refusals);
	return !arena_failed(task->errand.arena);
}

static void task_take(struct role_task *task, const struct roles_job *job)
{
	if (!copy_job(task, job)) {
		errand_clear(&task->errand);
		return;
	}
	task->call = (struct role_call){.guild_id = job->person.guild_id, .user_id = job->person.user_id};
	task->errand.who = job->person.user_id;
	task_next(task, ROLE_LOOK, 0);
}

static enum status claim(struct errand_list *list, struct ctx *ctx, const struct errand_room *room, size_t *ret_count)
{
	struct roles_job *jobs = NULL;
	size_t count = 0;
	enum status status = roles_claim(ctx, &room->owner, room->in_work, room->in_work_count, room->room, &jobs, &count);
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
	task_postpone(task_of(errand), us, STR("429: told to wait"), false);
}

static void tell(const struct roles_refusal *refusal)
{
	long long guild = (long long)refusal->guild_id;
	long long role = (long long)refusal->role_id;
	if (!refusal->news) {
		return;
	}
	if (!str_present(refusal->why)) {
		log_message(LOG_INFO, "role_accepted", "server %lld, role %lld: works again", guild, role);
	} else if (role == 0) {
		log_message(LOG_ERROR, "role_refused", "server %lld: " STR_FMT ": see trivet role list", guild, STR_ARG(refusal->why));
	} else {
		log_message(LOG_ERROR, "role_refused", "server %lld, role %lld: " STR_FMT ": see trivet role list", guild, role,
		            STR_ARG(refusal->why));
	}
}

static enum status settle(struct errand *errand, struct ctx *ctx)
{
	struct role_task *task = task_of(errand);
	enum status status = roles_settle(ctx, &task->outcome, task->refusals, task->refusal_count);
	if (status != OK) {
		return status;
	}
	for (size_t i = 0; i < task->refusal_count; i++) {
		tell(&task->refusals[i]);
	}
	errand_clear(errand);
	return OK;
}

const struct errand_kind role_errands = {
	.task_size = sizeof(struct role_task),
	.tasks_max = TASKS_MAX,
	.arena_limit = TASK_ARENA_LIMIT,
	.poll_us = POLL_US,
	.looks_on = true, /* of a sweep */
	.by_bot = true,
	.looking = "looking for roles to change",
	.writing = "writing what became of roles",
	.claim = claim,
	.call = call,
	.heard = heard,
	.postpone = postpone,
	.settle = settle,
};
