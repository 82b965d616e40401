#include "web/problem.h"

#include <assert.h>

#include "io/json.h"

#define RETRY_AFTER STR("1") /* seconds: the breaker probes every 200 ms, a turn comes within 250 ms */

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{422, "Unprocessable Content"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
};

static const struct {
	int status;
	bool retry;
	const char *type;
	const char *detail;
} failures[STATUS_COUNT] = {
	[INVALID] = {400, false, NULL, "the request breaks its documented form: correct it, asking again as it is will not help"},
	[NOT_FOUND] = {404, false, NULL, "there is no such thing, or it is not yours to see"},
	[CONFLICT] = {409, false, NULL, "it exists already, or its present state forbids this: read it and decide again"},
	[DENIED] = {403, false, NULL, "this is not allowed to you"},
	[TOO_LARGE] = {413, false, NULL, "the request is too large to be worked on: send less at once"},
	[TOO_MANY] = {429, true, NULL, "too many requests: wait as long as Retry-After says and ask again"},
	[INSUFFICIENT] = {409, false, "insufficient", "the balance is too small for this"},
	[OVERFLOWN] = {400, false, NULL, "a number would leave its range: send a smaller one"},
	[UNAVAILABLE] = {503, true, "try-later", "a part of the service is away and nothing was changed: ask again later"},
	[TIMED_OUT] = {503, true, "try-later", "no answer in time, and it is not known whether it took effect: repeat the same request"},
	[RETRY] = {503, true, "try-later", "others were changing the same thing and nothing was changed: ask again"},
	[INTERNAL] = {500, false, NULL, "a defect of this service: tell its operator the X-Request-Id"},
};

const char *status_phrase(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
		if (phrases[i].status == status) {
			return phrases[i].phrase;
		}
	}
	return "Status";
}

/* "code-unknown" as the title "Code unknown" (RFC 9457, 3.1.4: of the type, not of the occurrence). */
static struct str title_of(struct arena *arena, const char *type)
{
	struct buf title = buf_init(arena, 128);
	struct str rest = str_from_z(type);

	for (size_t i = 0; i < rest.len; i++) {
		bool raise = i == 0 && rest.ptr[i] >= 'a' && rest.ptr[i] <= 'z';

		buf_add_byte(&title, rest.ptr[i] == '-' ? ' ' : (char)(raise ? rest.ptr[i] - 'a' + 'A' : rest.ptr[i]));
	}
	return buf_str(&title);
}

void problem(struct route_call *call, int status, const char *type, const char *detail, const char *field)
{
	struct arena *arena = call->ctx->arena;
	struct json *body = json_object();

	assert(status >= 400 && status <= 599);
	if (type != NULL) {
		body = json_set(body, "type", json_str(str_printf(arena, "/problems/%s", type)));
		body = json_set(body, "title", json_str(title_of(arena, type)));
	} else {
		body = json_set(body, "type", json_str(STR("about:blank")));
		body = json_set(body, "title", json_str(str_from_z(status_phrase(status))));
	}
	body = json_set_i64(body, "status", status);
	body = json_set(body, "detail", json_str(str_from_z(detail)));
	if (field != NULL) {
		body = json_set(body, "field", json_str(str_from_z(field)));
	}
	call->response->status = status;
	call->response->content_type = STR("application/problem+json");
	call->response->body = json_write(arena, body);
	if (!str_present(call->response->body)) {
		call->response->failed = true;
	}
}

void problem_of_status(struct route_call *call, enum status status)
{
	assert(status > OK && status < STATUS_COUNT);
	problem(call, failures[status].status, failures[status].type, failures[status].detail, NULL);
	if (failures[status].retry) {
		response_header(call, STR("Retry-After"), RETRY_AFTER);
	}
}

void problem_last_resort(struct response *response, bool arena_failed)
{
	*response = (struct response){
		.status = arena_failed ? 413 : 500,
		.content_type = STR("application/problem+json"),
		.body = arena_failed
		                ? STR("{\"type\":\"about:blank\",\"title\":\"Content Too Large\",\"status\":413,"
		                      "\"detail\":\"the request needs more memory than one may have: send less at once\"}")
		                : STR("{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
		                      "\"detail\":\"a defect of this service: tell its operator the X-Request-Id\"}"),
	};
}

void response_json(struct route_call *call, struct str json)
{
	if (!str_present(json)) {
		call->response->failed = true;
		return;
	}
	call->response->content_type = STR("application/json");
	call->response->body = json;
}

/* RFC 9110, 5.6.2, as far as we use it. */
static bool is_token(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char byte = name.ptr[i];

		if (!(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && !(byte >= '0' && byte <= '9') && byte != '-') {
			return false;
		}
	}
	return name.len > 0;
}

/* A line break in a value would begin another header (response splitting). */
static bool is_field_value(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char byte = (unsigned char)value.ptr[i];

		if (byte < 0x20 || byte == 0x7f) {
			return false;
		}
	}
	return str_present(value);
}

void response_header(struct route_call *call, struct str name, struct str value)
{
	struct response *response = call->response;

	if (response->header_count == RESPONSE_HEADERS_MAX || !is_token(name) || !is_field_value(value)) {
		response->failed = true;
		return;
	}
	response->headers[response->header_count++] = (struct header){.name = name, .value = value};
}
