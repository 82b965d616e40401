/* What the endpoints of the service API read and answer. */
#include "api.h"

#include "base/metric.h"
#include "base/parse.h"
#include "core/jsontext.h"
#include "io/json.h"
#include "service/events.h"
#include "service/people.h"

/* ---- access ---- */

static enum status refuse_scope(struct route_call *call)
{
	struct str detail =
		str_printf(call->ctx->arena, "this key lacks the scope %s: ask the operator for one that has it", call->route->scope);
	const char *text = str_z(call->ctx->arena, detail);

	problem(call, 403, "no-scope", text != NULL ? text : "this key lacks the scope that this path needs", NULL);
	return DENIED;
}

static enum status refuse_rate(struct route_call *call, const struct apikey *key, int64_t wait_us)
{
	struct str detail = str_printf(call->ctx->arena, "this key may send %d requests a minute: wait as long as Retry-After says",
	                               key->per_minute);
	const char *text = str_z(call->ctx->arena, detail);

	metric_add(METRIC_RATE_REFUSED, 1);
	problem(call, 429, NULL, text != NULL ? text : "this key sends too many requests a minute", NULL);
	response_header(call, STR("Retry-After"), str_printf(call->ctx->arena, "%lld", (long long)seconds_to_wait(wait_us)));
	return TOO_MANY;
}

/* Counted whatever becomes of it, refusals too. */
static enum status take_turn(struct route_call *call, const struct apikey *key)
{
	const struct api *api = call->ctx->app->own;
	int64_t wait_us = 0;
	bool in_time = apikeys_in_time(call->ctx, key, &wait_us);

	apikey_uses_count(call->ctx, api->uses, &(struct apikey_use){
		.key_id = key->id, .method = call->route->method, .path = call->route->path, .refused = !in_time});
	return in_time ? OK : refuse_rate(call, key, wait_us);
}

enum status api_verify(struct route_call *call)
{
	struct str authorization = STR_ABSENT;
	struct apikey *key = arena_alloc(call->ctx->arena, sizeof(*key));
	enum status status = rawreq_header_once(call->request, STR("AUTHORIZATION"), &authorization);

	if (key == NULL) {
		return TOO_LARGE;
	}
	status = status == OK ? apikeys_admit(call->ctx, authorization, key) : DENIED;
	if (status == DENIED) {
		metric_add(METRIC_SIGNATURE_REFUSED, 1);
	}
	if (status != OK) {
		return status;
	}
	status = take_turn(call, key);
	if (status != OK) {
		return status;
	}
	if (call->route->scope != NULL && !apikeys_has_scope(key, str_from_z(call->route->scope))) {
		return refuse_scope(call);
	}
	struct str flight = str_printf(call->ctx->arena, "apikey:%lld", (long long)key->id);

	if (!str_present(flight)) {
		return TOO_LARGE;
	}
	call->identity = key;
	return guard_enter(call, flight, key->in_flight);
}

/* ---- people ---- */

/* Website identities are e-mail addresses, which their owners prove: programs neither ask by them nor make them. */
enum status api_read_platform(struct route_call *call, struct str name, enum platform *ret_platform)
{
	if (platform_from_name(name, ret_platform) != OK || *ret_platform == PLATFORM_WEBSITE) {
		problem(call, 400, NULL, "the platform must be telegram or discord", "platform");
		return INVALID;
	}
	return OK;
}

enum status api_path_person(struct route_call *call, const struct str *params, enum platform *ret_platform, int64_t *ret_id)
{
	enum platform platform = PLATFORM_UNSET;

	if (api_read_platform(call, params[0], &platform) != OK) {
		return INVALID;
	}
	if (parse_platform_id(params[1], ret_id) != OK) {
		problem(call, 400, NULL, "the platform's id must be an integer from 1 to 9223372036854775807", "id");
		return INVALID;
	}
	*ret_platform = platform;
	return OK;
}

enum status api_body_person(struct route_call *call, const struct json *body, enum platform *ret_platform, int64_t *ret_id)
{
	enum platform platform = PLATFORM_UNSET;
	struct str name = STR_ABSENT;
	bool named = json_get_str(body, "platform", &name) == OK;

	if (api_read_platform(call, named ? name : STR_ABSENT, &platform) != OK) {
		return INVALID;
	}
	if (json_get_id(body, "platform_id", ret_id) != OK) {
		problem(call, 400, NULL, "must be an integer from 1 to 9223372036854775807, written as a string", "platform_id");
		return INVALID;
	}
	*ret_platform = platform;
	return OK;
}

enum status api_user_unknown(struct route_call *call)
{
	problem(call, 404, "user-unknown", "nobody with this id has been here yet: POST /v1/users makes the account", NULL);
	return NOT_FOUND;
}

static enum status answer_person(struct route_call *call, const struct unified *unified)
{
	response_json(call, json_write(call->ctx->arena, people_json(call->ctx->arena, unified)));
	return OK;
}

enum status get_user(struct route_call *call)
{
	enum platform platform = PLATFORM_UNSET;
	struct unified unified;
	int64_t id = 0;

	enum status status = api_path_person(call, call->params, &platform, &id);

	if (status == OK) {
		status = people_get(call->ctx, platform, id, &unified);
		status = status == NOT_FOUND ? api_user_unknown(call) : status;
	}
	return status == OK ? answer_person(call, &unified) : status;
}

/* A name that is left out, or null, says nothing. */
static enum status read_name(struct route_call *call, const struct json *body, const char *member, struct str *ret_name)
{
	if (json_get_str(body, member, ret_name) == INVALID) {
		problem(call, 400, NULL, "must be a string, or be left out", member);
		return INVALID;
	}
	return OK;
}

enum status api_read_body(struct route_call *call, const struct json **ret_body)
{
	enum status status = json_read(call->ctx->arena, call->request->body, ret_body);

	if (status == INVALID || (status == OK && !json_is_object(*ret_body))) {
		problem(call, 400, NULL, "the body must be a JSON object, each member once, numbers within 64 bits", NULL);
		return INVALID;
	}
	return status;
}

enum status api_read_person(struct route_call *call, const struct json *body, struct person *ret_person)
{
	struct person person = {0};
	enum status status = api_body_person(call, body, &person.platform, &person.platform_id);

	if (status == OK) {
		status = read_name(call, body, "username", &person.username);
	}
	if (status == OK) {
		status = read_name(call, body, "name", &person.name);
	}
	if (status == OK) {
		*ret_person = person;
	}
	return status;
}

enum status post_user(struct route_call *call)
{
	const struct json *body = NULL;
	struct person person;
	struct unified unified;
	bool created = false;
	enum status status = api_read_body(call, &body);

	if (status == OK) {
		status = api_read_person(call, body, &person);
	}
	if (status == OK) {
		status = people_get_or_create(call->ctx, &person, &unified, &created);
	}
	if (status != OK) {
		return status;
	}
	call->response->status = created ? 201 : 200;
	return answer_person(call, &unified);
}

/* ---- events ---- */

static const struct str verdict_words[EVENTS_VERDICT_COUNT] = {
	[EVENTS_UNSET] = STR_INIT("unset"),
	[EVENTS_ACCEPTED] = STR_INIT("accepted"),
	[EVENTS_DUPLICATE] = STR_INIT("duplicate"),
	[EVENTS_REJECTED] = STR_INIT("rejected"),
};

static struct json *fault_json(struct arena *arena, const struct event_fault *fault)
{
	struct json *json = json_object();

	json = json_set_str(json, "type", str_printf(arena, "/problems/%s", fault->type));
	json = json_set_str(json, "detail", fault->detail);
	return str_present(fault->field) ? json_set_str(json, "field", fault->field) : json;
}

static struct json *result_json(struct arena *arena, const struct events_result *result)
{
	struct json *json = json_object();

	json = json_set_str(json, "idempotency_key", result->key);
	json = json_set_str(json, "status", verdict_words[result->verdict]);
	return result->verdict == EVENTS_REJECTED ? json_set(json, "error", fault_json(arena, &result->fault)) : json;
}

/*
 * Written piece by piece, each tree in a scratch of its own: a tree of 1000 results at once would take as much memory as the whole request
 * may have. Absent when the arena is out.
 */
static struct str answer_text(struct ctx *ctx, struct arena *scratch, const struct events_answer *answer)
{
	struct buf text = buf_init(ctx->arena, ARENA_REQUEST_LIMIT);

	buf_printf(&text, "{\"accepted\":%zu,\"duplicates\":%zu,\"rejected\":%zu,\"results\":[", answer->accepted, answer->duplicates,
	           answer->rejected);
	for (size_t i = 0; i < answer->count; i++) {
		arena_reset(scratch);
		struct str piece = json_write(scratch, result_json(scratch, &answer->results[i]));

		if (!str_present(piece)) {
			return STR_ABSENT;
		}
		if (i > 0) {
			buf_add_byte(&text, ',');
		}
		buf_add(&text, piece);
	}
	buf_add(&text, STR("]}"));
	return buf_str(&text);
}

/* One result: its key, a detail, and jsontext's own needs. */
#define RESULT_ARENA ((size_t)256 * 1024)

/* At most, while it grows: keys as they were sent, and beside each its verdict or what is wrong. */
static size_t answer_memory(size_t body, size_t count)
{
	return 4 * (body + count * 512);
}

static enum status answer_events(struct route_call *call, const struct events_answer *answer)
{
	struct arena *scratch = arena_new(RESULT_ARENA);

	if (scratch == NULL) {
		return UNAVAILABLE;
	}
	/* They are committed: a request that took all its memory to be read and stored must not be told that it is too large. */
	arena_extend(call->ctx->arena, answer_memory(call->request->body.len, answer->count));
	json_bind_arena(scratch);
	struct str text = answer_text(call->ctx, scratch, answer);

	json_bind_arena(call->ctx->arena);
	arena_free(scratch);
	response_json(call, text);
	return OK;
}

static enum status read_items(struct route_call *call, struct str **ret_items, size_t *ret_count)
{
	struct str *items = arena_array(call->ctx->arena, EVENTS_MAX, sizeof(*items));

	if (items == NULL) {
		return TOO_LARGE;
	}
	enum status status = jsontext_items(call->request->body, STR("events"), EVENTS_MAX, items, ret_count);

	if (status == INVALID) {
		problem(call, 400, NULL, "the body must be a JSON object with one member \"events\"", NULL);
	} else if (status == TOO_MANY || (status == OK && *ret_count == 0)) {
		problem(call, 400, NULL, "send from 1 to 1000 events at once", "events");
		status = INVALID;
	} else if (status == NOT_FOUND) {
		problem(call, 400, NULL, "must be a list of events", "events");
	}
	*ret_items = items;
	return status;
}

enum status post_events(struct route_call *call)
{
	const struct apikey *key = call->identity;
	struct events_answer answer;
	struct str *items = NULL;
	size_t count = 0;
	enum status status = read_items(call, &items, &count);

	if (status != OK) {
		return status;
	}
	struct str source = str_printf(call->ctx->arena, "api:" STR_FMT, STR_ARG(key->name));

	if (!str_present(source)) {
		return TOO_LARGE;
	}
	status = key->counters_only ? events_accept_counting(call->ctx, source, items, count, &answer)
	                            : events_accept(call->ctx, source, items, count, &answer);
	return status == OK ? answer_events(call, &answer) : status;
}
