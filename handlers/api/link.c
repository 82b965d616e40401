/*
 * Linking for bots that are not ours: POST /v1/link/code, /v1/link/redeem, /v1/link/confirm. The same use cases as /getcode and /code
 * (service/linking.h), without an inbox: a program says by itself what it means by sending again.
 */
#include "service/linking.h"

#include "api.h"
#include "base/parse.h"
#include "core/bot.h"
#include "io/json.h"
#include "service/people.h"
#include "service/tx.h"

/* New people wait while wrong codes pour in, which are counted by the minute. */
#define FLOOD_WAIT_US MINUTE_US

/* ---- who asks ---- */

/* One request: whom it is about, what it says, and the step that it comes to. */
struct link_work {
	struct person person;
	struct str bot;     /* by which the issuer is told first */
	struct str through; /* for the record */
	enum status (*step)(struct tx *tx, const struct contact *actor, struct link_work *work);
	struct link_code code;
	struct link_attempt attempt;
	struct str confirmation;
	bool accept;
	enum link_answer answer;
	struct link_result result;
};

/* Which bots are ours is not asked: one that never wrote to him is not found among those that may, and then another of these is. */
static struct str bot_of(const struct apikey *key)
{
	return str_present(key->bot) && !str_eq(key->bot, BOT_EVERY) ? key->bot : STR("");
}

/* A key speaks for the people of one platform, or who holds it could link anybody to anybody; only make up's speaks for all. */
static enum status check_platform(struct route_call *call, enum platform platform)
{
	const struct apikey *key = call->identity;

	if (key->platform == PLATFORM_UNSET || key->platform == platform) {
		return OK;
	}
	problem(call, 403, "other-platform",
	        "this key links people of another platform: ask the operator for one of this (trivet apikey new --scope link --platform)",
	        "platform");
	return DENIED;
}

/* ret_body   for what else the path takes */
static enum status read_work(struct route_call *call, struct link_work *work, const struct json **ret_body)
{
	const struct apikey *key = call->identity;
	enum status status = api_read_body(call, ret_body);

	if (status == OK) {
		status = api_read_person(call, *ret_body, &work->person);
	}
	if (status == OK) {
		status = check_platform(call, work->person.platform);
	}
	if (status == OK) {
		work->person = people_shown(call->ctx->arena, &work->person);
		work->bot = bot_of(key);
		work->through = str_printf(call->ctx->arena, "api:" STR_FMT, STR_ARG(key->name));
	}
	return status;
}

static enum status read_text(struct route_call *call, const struct json *body, const char *member, struct str *ret_text)
{
	if (json_get_str(body, member, ret_text) != OK || str_empty(*ret_text)) {
		problem(call, 400, NULL, "must be a string, and not empty", member);
		return INVALID;
	}
	return OK;
}

static enum status run_step(struct tx *tx, void *arg)
{
	struct link_work *work = arg;
	struct contact actor = {0};
	enum status status = contact_resolve(tx, &work->person, &actor);

	if (status != OK) {
		return status;
	}
	actor.through = work->through;
	status = work->step(tx, &actor, work);
	return status == OK ? people_seen(tx, actor.identity, &work->person) : status;
}

/* ---- what is answered ---- */

/* What a result refuses, and the remedy. `field` where one member of the body is at fault. */
struct link_refusal {
	int status;
	const char *type;
	const char *field;
	const char *detail;
};

static const struct link_refusal outcomes[LINK_OUTCOME_COUNT] = {
	[LINK_UNKNOWN] = {404, "code-unknown", "code",
	                  "this code is unknown or expired: one ends after the expires_in it came with, or with a newer one; get a new one on the "
	                  "other platform"},
	[LINK_USED] = {409, "code-used", "code", "this code is already used: get a new one on the other platform"},
	[LINK_REFUSED_OWN] = {409, "code-own", NULL,
	                      "the code is of this very account: get one on a platform that is not linked with it yet"},
	[LINK_REFUSED_PLATFORM] = {409, "same-platform", NULL,
	                           "both accounts hold an identity of one platform, and such are never joined: unlink it on one side first"},
	[LINK_REFUSED_RECENT] = {409, "recently-unlinked", NULL,
	                         "after an unlink another account may be linked only some time later; the one that was left, at once"},
	[LINK_REFUSED_MERGES] = {409, "too-many-merges", NULL,
	                         "one of the accounts was joined with others too often lately: wait some weeks, or ask the staff"},
	[LINK_ATTEMPTS] = {429, "too-many-attempts", NULL,
	                   "too many wrong codes of this person: nothing is looked up until Retry-After is over"},
	[LINK_FLOODED] = {503, "try-later", NULL,
	                  "too many wrong codes are coming in, and this person is new: ask again when Retry-After is over"},
	[LINK_AWAY] = {503, "try-later", NULL, "codes cannot be looked up at the moment, and nothing was linked: ask again later"},
};

static const struct link_refusal answers[LINK_ANSWER_COUNT] = {
	[LINK_ANSWER_FOREIGN] = {404, "confirmation-unknown", "confirmation",
	                         "this person was asked no such question: redeem a code first, and send the confirmation that it gave"},
	[LINK_ANSWER_BEFORE] = {409, "confirmation-answered", "confirmation",
	                        "this question is answered already: another joining needs another code"},
	[LINK_ANSWER_EXPIRED] = {409, "confirmation-expired", "confirmation",
	                         "this question was open for its expires_in and nothing was changed: redeem a new code"},
	[LINK_ANSWER_CHANGED] = {409, "confirmation-changed", "confirmation",
	                         "the accounts are not those that were shown any more, and nothing was changed: redeem a new code"},
};

/* wait_us   0: the detail says all */
static enum status refuse(struct route_call *call, const struct link_refusal *refusal, int64_t wait_us)
{
	struct arena *arena = call->ctx->arena;
	const char *detail = refusal->detail;
	int64_t seconds = seconds_to_wait(wait_us);

	if (refusal->status == 0) {
		return INTERNAL;
	}
	if (seconds > 0) {
		detail = str_z(arena, str_printf(arena, "%s (%lld s)", refusal->detail, (long long)seconds));
	}
	problem(call, refusal->status, refusal->type, detail != NULL ? detail : refusal->detail, refusal->field);
	if (refusal->status == 429 || refusal->status == 503) {
		response_header(call, STR("Retry-After"), str_printf(arena, "%lld", (long long)(seconds > 0 ? seconds : 1)));
	}
	return INVALID;
}

static enum status refuse_outcome(struct route_call *call, const struct link_result *result)
{
	return refuse(call, &outcomes[result->outcome], result->outcome == LINK_FLOODED ? FLOOD_WAIT_US : result->wait_us);
}

static struct json *status_json(const char *status)
{
	return json_set_str(json_object(), "status", str_from_z(status));
}

static struct json *other_json(struct arena *arena, const struct identity *other)
{
	struct json *json = json_set_str(json_object(), "platform", platform_name(other->platform));

	json = json_set_str(json, "name", identity_label(arena, other));
	return json_set_str(json, "first_seen", format_rfc3339(arena, other->first_seen));
}

static struct json *sums_json(int64_t xp, int64_t coins)
{
	return json_set_i64(json_set_i64(json_object(), "xp", xp), "coins", coins);
}

static struct json *question_json(struct ctx *ctx, const struct link_result *result)
{
	const struct balance *mine = &result->mine;
	const struct balance *theirs = &result->theirs;
	struct json *json = json_set_str(status_json("needs_confirmation"), "confirmation", result->confirmation);

	json = json_set_i64(json, "expires_in", (result->confirm_until - ctx->now) / SECOND_US);
	json = json_set(json, "mine", sums_json(mine->xp, mine->coins));
	json = json_set(json, "theirs", sums_json(theirs->xp, theirs->coins));
	return json_set(json, "result", sums_json(link_shown_sum(mine->xp, theirs->xp), link_shown_sum(mine->coins, theirs->coins)));
}

/* Linked, or to be asked; anything else is refused. */
static enum status answer_outcome(struct route_call *call, const struct link_result *result)
{
	struct arena *arena = call->ctx->arena;
	struct json *json = NULL;

	if (result->outcome == LINK_LINKED) {
		json = status_json("linked");
	} else if (result->outcome == LINK_NEEDS_CONFIRMATION) {
		json = question_json(call->ctx, result);
	} else {
		return refuse_outcome(call, result);
	}
	response_json(call, json_write(arena, json_set(json, "with", other_json(arena, &result->other))));
	return OK;
}

/* ---- POST /v1/link/code ---- */

static enum status issue(struct tx *tx, const struct contact *actor, struct link_work *work)
{
	return linking_issue(tx, actor, work->bot, &work->code);
}

static void answer_code(struct route_call *call, const struct link_code *code)
{
	struct json *json = json_set_str(json_object(), "code", code->code);

	json = json_set_i64(json, "expires_in", (code->expires_at - call->ctx->now) / SECOND_US);
	response_json(call, json_write(call->ctx->arena, json));
}

enum status post_link_code(struct route_call *call)
{
	struct link_work work = {.step = issue};
	const struct json *body = NULL;
	enum status status = read_work(call, &work, &body);

	if (status != OK) {
		return status;
	}
	status = tx_run(call->ctx, run_step, &work);
	if (status == CONFLICT) {
		problem(call, 409, "nothing-to-link", "every platform is linked with this account already: a code would be of no use", NULL);
	}
	if (status == OK) {
		status = linking_publish(call->ctx, work.person.platform, &work.code, false);
		status = status == UNAVAILABLE ? refuse(call, &outcomes[LINK_AWAY], 0) : status;
	}
	if (status == OK) {
		answer_code(call, &work.code);
	}
	return status;
}

/* ---- POST /v1/link/redeem ---- */

static enum status redeem(struct tx *tx, const struct contact *actor, struct link_work *work)
{
	return linking_redeem(tx, actor, &work->attempt, &work->result);
}

/* By the request's number, which nobody outside chooses: the same one twice would be one attempt. */
static enum status look_up(struct route_call *call, struct link_work *work, struct str typed)
{
	struct str key = str_printf(call->ctx->arena, "api:" STR_FMT, STR_ARG(call->ctx->request_id));

	return str_present(key) ? linking_look_up(call->ctx, &work->person, key, typed, &work->attempt) : TOO_LARGE;
}

enum status post_link_redeem(struct route_call *call)
{
	struct link_work work = {.step = redeem};
	const struct json *body = NULL;
	struct str typed = STR_ABSENT;
	enum status status = read_work(call, &work, &body);

	if (status == OK) {
		status = read_text(call, body, "code", &typed);
	}
	if (status == OK) {
		status = look_up(call, &work, typed);
	}
	if (status != OK) {
		return status;
	}
	status = tx_run(call->ctx, run_step, &work);
	if (status != OK) {
		work.result = (struct link_result){0}; /* told nobody anything: the attempt does not count */
	}
	linking_settle(call->ctx, &work.attempt, &work.result);
	return status == OK ? answer_outcome(call, &work.result) : status;
}

/* ---- POST /v1/link/confirm ---- */

static enum status answer_question(struct tx *tx, const struct contact *actor, struct link_work *work)
{
	return linking_answer(tx, actor, work->confirmation, work->accept, &work->answer, &work->result);
}

static enum status read_answer(struct route_call *call, const struct json *body, struct link_work *work)
{
	enum status status = read_text(call, body, "confirmation", &work->confirmation);

	if (status == OK && json_get_bool(body, "accept", &work->accept) != OK) {
		problem(call, 400, NULL, "must be true or false: what the person said", "accept");
		status = INVALID;
	}
	return status;
}

static enum status tell_answer(struct route_call *call, const struct link_work *work)
{
	switch (work->answer) {
	case LINK_ANSWER_LINKED:
	case LINK_ANSWER_REFUSED:
		return answer_outcome(call, &work->result);
	case LINK_ANSWER_DECLINED:
		response_json(call, json_write(call->ctx->arena, status_json("declined")));
		return OK;
	case LINK_ANSWER_FOREIGN:
	case LINK_ANSWER_BEFORE:
	case LINK_ANSWER_EXPIRED:
	case LINK_ANSWER_CHANGED:
		return refuse(call, &answers[work->answer], 0);
	case LINK_ANSWER_UNSET:
	case LINK_ANSWER_COUNT:
		break;
	}
	return INTERNAL;
}

enum status post_link_confirm(struct route_call *call)
{
	struct link_work work = {.step = answer_question};
	const struct json *body = NULL;
	enum status status = read_work(call, &work, &body);

	if (status == OK) {
		status = read_answer(call, body, &work);
	}
	if (status == OK) {
		status = tx_run(call->ctx, run_step, &work);
	}
	return status == OK ? tell_answer(call, &work) : status;
}
