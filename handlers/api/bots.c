/* What other bots keep and report: GET and PUT /v1/sessions/{bot}/{platform}/{id}, POST /v1/trainings. */
#include "api.h"

#include "base/parse.h"
#include "core/bot.h"
#include "core/event.h"
#include "core/jsontext.h"
#include "io/json.h"
#include "service/sessions.h"
#include "service/trainings.h"
#include "web/etag.h"

/* Of a body: more than there are names, so that who misspelt one is told so. */
#define MEMBERS_MAX 16

/* ---- which bot ---- */

static enum status check_bot_name(struct route_call *call, struct str bot)
{
	if (!bot_name_ok(bot)) {
		problem(call, 404, "bot-unknown", "no bot has such a name: 1 to 64 letters, digits and _ . -", "bot");
		return NOT_FOUND;
	}
	return OK;
}

static enum status refuse_bot(struct route_call *call)
{
	problem(call, 403, "other-bot", "this key is not bound to that bot: ask the operator for one that is (trivet apikey new --bot)", "bot");
	return DENIED;
}

/* The person and bot of a path; sessions are only for keys that are bound to the bot. */
static enum status read_target(struct route_call *call, struct bot_person *ret_person)
{
	const struct apikey *key = call->identity;
	struct bot_person person = {.bot = call->params[0]};
	enum status status = check_bot_name(call, person.bot);

	if (status == OK && !bot_key_allows(key->bot, person.bot)) {
		status = refuse_bot(call);
	}
	if (status == OK) {
		status = api_path_person(call, call->params + 1, &person.platform, &person.platform_id);
	}
	if (status == OK) {
		*ret_person = person;
	}
	return status;
}

/* ---- answering a session ---- */

/* The documents go out as the text that they came in: no number is read on the way. */
static void add_documents(struct buf *text, struct arena *arena, const struct bot_session *session)
{
	buf_add(text, STR("\"session_data\":"));
	buf_add(text, session->session_data);
	buf_add(text, STR(",\"stats_data\":"));
	buf_add(text, session->stats_data);
	buf_printf(text, ",\"updated_at\":\"" STR_FMT "\"", STR_ARG(format_rfc3339(arena, session->updated_at)));
}

static void add_merged(struct buf *text, struct arena *arena, const struct bot_session *session)
{
	buf_add_byte(text, '{');
	add_documents(text, arena, session);
	buf_printf(text, ",\"merged_at\":\"" STR_FMT "\",\"expires_at\":\"" STR_FMT "\"}", STR_ARG(format_rfc3339(arena, session->aside_at)),
	           STR_ARG(format_rfc3339(arena, session->aside_at + SESSIONS_KEPT_US)));
}

static struct str session_text(struct arena *arena, struct str bot, const struct sessions *sessions)
{
	struct buf text = buf_init(arena, ARENA_REQUEST_LIMIT);

	buf_printf(&text, "{\"bot\":\"" STR_FMT "\",\"version\":%lld,", STR_ARG(bot), (long long)sessions->list[0].version);
	add_documents(&text, arena, &sessions->list[0]);
	buf_add(&text, STR(",\"merged_data\":"));
	if (sessions->count > 1) {
		add_merged(&text, arena, &sessions->list[1]);
	} else {
		buf_add(&text, STR("null"));
	}
	buf_add(&text, STR(",\"merged_earlier\":["));
	for (size_t i = 2; i < sessions->count; i++) {
		buf_add(&text, i > 2 ? STR(",") : STR(""));
		add_merged(&text, arena, &sessions->list[i]);
	}
	buf_add(&text, STR("]}"));
	return buf_str(&text);
}

static struct str version_text(struct arena *arena, const struct sessions *sessions)
{
	return str_printf(arena, "%lld", (long long)sessions->list[0].version);
}

static void answer_session(struct route_call *call, struct str bot, const struct sessions *sessions)
{
	struct arena *arena = call->ctx->arena;

	response_header(call, STR("ETag"), str_printf(arena, "\"" STR_FMT "\"", STR_ARG(version_text(arena, sessions))));
	if (call->response->status != 304) {
		response_json(call, session_text(arena, bot, sessions));
	}
}

/* ---- reading a session ---- */

/* A header of conditions, or what is wrong with it. */
static enum status read_tags(struct route_call *call, struct str name, const char *field, struct etag_list *ret_list)
{
	if (etag_list_read(call->request, name, ret_list) != OK) {
		problem(call, 400, NULL, "must be * or a list of at most 16 entity tags in double quotes, in one header", field);
		return INVALID;
	}
	return OK;
}

enum status get_session(struct route_call *call)
{
	struct bot_person person = {0};
	struct sessions sessions;
	struct etag_list known;
	enum status status = read_target(call, &person);

	if (status == OK) {
		status = read_tags(call, STR("IF_NONE_MATCH"), "If-None-Match", &known);
	}
	if (status != OK) {
		return status;
	}
	status = sessions_get(call->ctx, &person, &sessions);
	if (status != OK) {
		return status == NOT_FOUND ? api_user_unknown(call) : status;
	}
	if (sessions.count == 0) {
		problem(call, 404, "session-unknown", "this bot keeps nothing of this person yet: PUT with If-None-Match: * begins it", NULL);
		return NOT_FOUND;
	}
	if (etag_list_has(&known, version_text(call->ctx->arena, &sessions))) {
		call->response->status = 304;
	}
	answer_session(call, person.bot, &sessions);
	return OK;
}

/* ---- changing a session ---- */

/* Strong comparison (RFC 9110, 13.1.1): a weak tag is nobody's version, and neither is what we never gave out. */
static enum status read_versions(struct route_call *call, const struct etag_list *list, struct session_condition *condition)
{
	int64_t *versions = arena_array(call->ctx->arena, list->count, sizeof(*versions));
	size_t count = 0;

	if (versions == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (!list->tags[i].weak && parse_i64(list->tags[i].text, 1, INT64_MAX, &versions[count]) == OK) {
			count++;
		}
	}
	condition->versions = versions;
	condition->version_count = count;
	return OK;
}

/* Nobody changes what he has not seen. */
static enum status read_condition(struct route_call *call, struct session_condition *ret_condition)
{
	struct session_condition condition = {0};
	struct etag_list match;
	struct etag_list none_match;
	enum status status = read_tags(call, STR("IF_MATCH"), "If-Match", &match);

	if (status == OK) {
		status = read_tags(call, STR("IF_NONE_MATCH"), "If-None-Match", &none_match);
	}
	if (status != OK) {
		return status;
	}
	if (none_match.given && !none_match.any) {
		problem(call, 400, NULL, "of a PUT it can only be *: this bot keeps nothing of this person yet", "If-None-Match");
		return INVALID;
	}
	if (!match.given && !none_match.given) {
		problem(call, 428, "precondition-required", "send If-Match with the ETag that you have read, or If-None-Match: * to begin a session",
		        NULL);
		return INVALID;
	}
	condition.exists = match.given;
	condition.absent = none_match.given;
	if (match.given && !match.any) {
		status = read_versions(call, &match, &condition);
	}
	*ret_condition = condition;
	return status;
}

static enum status check_document(struct route_call *call, struct str text, size_t max, const char *field)
{
	enum status status = sessions_document(text, max);
	struct str size = str_printf(call->ctx->arena, "must be at most %zu bytes of JSON", max);
	const char *too_large = str_z(call->ctx->arena, size);

	if (status == INVALID) {
		problem(call, 400, NULL, "must be a JSON object of at most 64 levels, each member once, integers within 64 bits, without U+0000", field);
	} else if (status == TOO_LARGE && too_large != NULL) {
		problem(call, 413, NULL, too_large, field);
	}
	return status;
}

/* One of the two; null is left out. */
static enum status take_document(struct route_call *call, struct str text, const char *name, struct str *document)
{
	if (str_present(*document)) {
		problem(call, 400, NULL, "must not come twice", name);
		return INVALID;
	}
	*document = text;
	return str_eq(text, STR("null")) ? OK : check_document(call, text, BOT_DATA_MAX, name);
}

static struct str null_is_absent(struct str text)
{
	return str_eq(text, STR("null")) ? STR_ABSENT : text;
}

static enum status read_documents(struct route_call *call, struct session_change *change)
{
	struct jsontext_member members[MEMBERS_MAX];
	size_t count = 0;
	enum status status = jsontext_members(call->request->body, MEMBERS_MAX, members, &count);
	bool known = status == OK;

	for (size_t i = 0; i < count && known && status == OK; i++) {
		if (str_eq(members[i].name, STR("session_data"))) {
			status = take_document(call, members[i].value, "session_data", &change->session_data);
		} else if (str_eq(members[i].name, STR("stats_data"))) {
			status = take_document(call, members[i].value, "stats_data", &change->stats_data);
		} else {
			known = false;
		}
	}
	if (known && status != OK) {
		return status;
	}
	change->session_data = null_is_absent(change->session_data);
	change->stats_data = null_is_absent(change->stats_data);
	if (!known || (!str_present(change->session_data) && !str_present(change->stats_data))) {
		problem(call, 400, NULL, "the body must be a JSON object with session_data, stats_data or both, and nothing else", NULL);
		return INVALID;
	}
	return OK;
}

static enum status refuse_change(struct route_call *call, enum status status, const struct session_change *change)
{
	if (status == NOT_FOUND) {
		return api_user_unknown(call);
	}
	if (status == INVALID) {
		problem(call, 400, NULL, "a number in it has more digits than the database keeps", NULL);
	} else if (status == CONFLICT && change->condition.exists) {
		problem(call, 412, "session-changed", "it is not what you have read any more: GET it and decide again", NULL);
	} else if (status == CONFLICT) {
		problem(call, 412, "session-exists", "this bot keeps something of this person already: GET it, then PUT with If-Match", NULL);
	}
	return status;
}

enum status put_session(struct route_call *call)
{
	struct session_change change = {0};
	struct sessions sessions;
	bool created = false;
	enum status status = read_target(call, &change.person);

	if (status == OK) {
		status = read_condition(call, &change.condition);
	}
	if (status == OK) {
		status = read_documents(call, &change);
	}
	if (status != OK) {
		return status;
	}
	status = sessions_put(call->ctx, &change, &sessions, &created);
	if (status != OK) {
		return refuse_change(call, status, &change);
	}
	call->response->status = created ? 201 : 200;
	answer_session(call, change.person.bot, &sessions);
	return OK;
}

/* ---- trainings ---- */

static const struct str training_members[] = {
	STR_INIT("platform"), STR_INIT("platform_id"), STR_INIT("bot"),     STR_INIT("bot_name"),        STR_INIT("kind"),
	STR_INIT("score"),    STR_INIT("details"),     STR_INIT("at"),      STR_INIT("idempotency_key"),
};

static bool is_training_member(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(training_members); i++) {
		if (str_eq(name, training_members[i])) {
			return true;
		}
	}
	return false;
}

/* Score and details as they are written; api_read_body() has passed the whole. */
static enum status read_texts(struct route_call *call, struct str *ret_score, struct str *ret_details)
{
	struct jsontext_member members[MEMBERS_MAX];
	struct str score = STR_ABSENT;
	struct str details = STR_ABSENT;
	size_t count = 0;
	bool known = jsontext_members(call->request->body, MEMBERS_MAX, members, &count) == OK;

	for (size_t i = 0; i < count && known; i++) {
		known = is_training_member(members[i].name);
		score = str_eq(members[i].name, STR("score")) ? members[i].value : score;
		details = str_eq(members[i].name, STR("details")) ? members[i].value : details;
	}
	if (!known) {
		problem(call, 400, NULL,
		        "a training has platform, platform_id, bot, kind, score, details, at and idempotency_key, and nothing else", NULL);
		return INVALID;
	}
	*ret_score = null_is_absent(score);
	*ret_details = null_is_absent(details);
	return OK;
}

/* Named in the body, by either word; else the one that the key is bound to. */
static enum status read_bot(struct route_call *call, const struct json *body, struct str *ret_bot)
{
	const struct apikey *key = call->identity;
	struct str bot = STR_ABSENT;
	enum status status = json_get_str(body, "bot", &bot);

	if (status == NOT_FOUND) {
		status = json_get_str(body, "bot_name", &bot);
	}
	if (status == NOT_FOUND && str_present(key->bot) && !str_eq(key->bot, BOT_EVERY)) {
		*ret_bot = key->bot;
		return OK;
	}
	if (status != OK) {
		problem(call, 400, NULL, "must be the bot's name: this key is bound to no single one", "bot");
		return INVALID;
	}
	status = check_bot_name(call, bot);
	if (status == OK && str_present(key->bot) && !bot_key_allows(key->bot, bot)) {
		status = refuse_bot(call);
	}
	*ret_bot = bot;
	return status;
}

static enum status read_kind(struct route_call *call, const struct json *body, struct str *ret_kind)
{
	static const struct event_field field = {.name = "kind", .kind = EVENT_FIELD_TEXT, .required = true, .min = 1, .max = BOT_KIND_MAX};
	struct event_value value = {.present = true};
	struct str detail = STR("must be a string");
	enum status status = json_get_str(body, field.name, &value.text);

	if (status == OK) {
		status = event_value_check(call->ctx->arena, &field, &value, &detail);
	}
	if (status != OK) {
		const char *words = str_z(call->ctx->arena, detail);

		problem(call, 400, NULL, words != NULL ? words : "must be a string", field.name);
		return INVALID;
	}
	*ret_kind = value.text;
	return OK;
}

static enum status read_at(struct route_call *call, const struct json *body, int64_t *ret_at)
{
	struct str text = STR_ABSENT;
	int64_t at = 0;

	if (json_get_str(body, "at", &text) != OK || parse_rfc3339(text, &at) != OK) {
		problem(call, 400, NULL, "must be a time as RFC 3339 has it, like 2026-11-20T13:24:14Z", "at");
		return INVALID;
	}
	if (at > call->ctx->now + EVENT_AHEAD_US || at < call->ctx->now - EVENT_BACK_US) {
		problem(call, 400, NULL, "must be at most 60 s ahead of our clock and at most 30 days back", "at");
		return INVALID;
	}
	*ret_at = at;
	return OK;
}

static enum status read_key(struct route_call *call, const struct json *body, struct str *ret_key)
{
	if (json_get_str(body, "idempotency_key", ret_key) != OK || !event_key_ok(*ret_key)) {
		problem(call, 400, NULL, "must be a string of 1 to 200 printable ASCII characters", "idempotency_key");
		return INVALID;
	}
	return OK;
}

static enum status read_result(struct route_call *call, struct bot_training *training)
{
	enum status status = read_texts(call, &training->score, &training->details);

	if (status != OK) {
		return status;
	}
	if (str_present(training->score) && bot_score_check(training->score) != OK) {
		problem(call, 400, NULL, "must be a number within 2^53 either way, with at most 6 decimal places and no exponent", "score");
		return INVALID;
	}
	if (!str_present(training->details)) {
		training->details = STR("{}");
		return OK;
	}
	return check_document(call, training->details, BOT_DETAILS_MAX, "details");
}

static enum status read_training(struct route_call *call, struct bot_training *training)
{
	const struct json *body = NULL;
	enum status status = api_read_body(call, &body);

	if (status == OK) {
		status = api_body_person(call, body, &training->person.platform, &training->person.platform_id);
	}
	if (status == OK) {
		status = read_bot(call, body, &training->person.bot);
	}
	if (status == OK) {
		status = read_kind(call, body, &training->kind);
	}
	if (status == OK) {
		status = read_at(call, body, &training->at);
	}
	if (status == OK) {
		status = read_key(call, body, &training->key);
	}
	return status == OK ? read_result(call, training) : status;
}

static enum status refuse_training(struct route_call *call, enum status status, struct str differs)
{
	struct str reused =
		str_printf(call->ctx->arena, "this bot has used this key for another training; what differs: " STR_FMT, STR_ARG(differs));
	const char *words = str_z(call->ctx->arena, reused);

	if (status == CONFLICT && words != NULL) {
		problem(call, 409, "key-reused", words, "idempotency_key");
	} else if (status == INVALID) {
		problem(call, 400, NULL, "a number in it has more digits than the database keeps", "details");
	}
	return status;
}

enum status post_training(struct route_call *call)
{
	const struct apikey *key = call->identity;
	struct bot_training training = {.source = str_printf(call->ctx->arena, "api:" STR_FMT, STR_ARG(key->name))};
	struct str differs = STR_ABSENT;
	struct json *answer = json_object();
	bool repeated = false;
	int64_t id = 0;
	enum status status = read_training(call, &training);

	if (status != OK) {
		return status;
	}
	status = trainings_add(call->ctx, &training, &id, &repeated, &differs);
	if (status != OK) {
		return refuse_training(call, status, differs);
	}
	answer = json_set_i64(answer, "id", id);
	answer = json_set_str(answer, "bot", training.person.bot);
	answer = json_set_str(answer, "idempotency_key", training.key);
	answer = json_set_str(answer, "status", repeated ? STR("duplicate") : STR("accepted"));
	call->response->status = repeated ? 200 : 201;
	response_json(call, json_write(call->ctx->arena, answer));
	return OK;
}
