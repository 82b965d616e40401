/*
 * Outgoing REST calls, and what Discord's answers mean. Facts: platforms.md 2.5; the rules of counting: domain.md, Notifications.
 */
#include "platform/discord/discord.h"

#include "base/parse.h"

#define HTTP_NO_CONTENT 204
#define HTTP_BAD_REQUEST 400
#define HTTP_UNAUTHORIZED 401
#define HTTP_FORBIDDEN 403
#define HTTP_TOO_MANY 429

/* 40003, "you are opening direct messages too fast", tells no time. */
#define OPENING_TOO_FAST_WAIT_US (60 * SECOND_US)

/* "DiscordBot ($url, $version)", else Cloudflare may refuse. Source: Discord's documents, "User Agent". */
static void set_user_agent(struct arena *arena, const struct config *config, struct http_request *request)
{
	struct str home = str_empty(config->base_url) ? STR("https://localhost") : config->base_url;

	platform_header(request, STR("User-Agent"), str_printf(arena, "DiscordBot (" STR_FMT ", " TRIVET_VERSION ")", STR_ARG(home)));
}

struct http_request discord_request(struct arena *arena, const struct config *config, const char *method, struct str path, struct str body)
{
	struct http_request request = {.method = method, .body = body, .timeout_ms = PLATFORM_TIMEOUT_MS};

	request.url = platform_url(arena, config->discord_api_url, path);
	set_user_agent(arena, config, &request);
	if (str_present(body)) {
		platform_header(&request, STR("Content-Type"), STR("application/json"));
	}
	return request;
}

enum status discord_call(struct arena *arena, const struct config *config, const char *method, struct str path, struct str body,
	struct http_request *ret_request)
{
	struct http_request request;
	struct str token = config->discord_bot_token.bytes;

	if (str_empty(token)) {
		return INVALID;
	}
	request = discord_request(arena, config, method, path, body);
	platform_header(&request, STR("Authorization"), str_printf(arena, "Bot " STR_FMT, STR_ARG(token)));
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_request = request;
	return OK;
}

/* The outbox row's id as nonce: Discord drops a second message with it for a few minutes, so that "uncertain" can be sent again. */
static struct str message_body(struct arena *arena, const struct outgoing *outgoing)
{
	struct json *message = discord_message(arena, outgoing->config, outgoing->language, outgoing->reply);

	if (outgoing->nonce > 0) {
		message = json_set_str(message, "nonce", str_printf(arena, "%lld", (long long)outgoing->nonce));
		message = json_set_bool(message, "enforce_nonce", true);
	}
	return json_write(arena, message);
}

enum status discord_send_request(struct arena *arena, const struct outgoing *outgoing, struct http_request *ret_request)
{
	const struct config *config = outgoing->config;
	struct str body;
	struct str path;

	if (outgoing->channel_id == 0) {
		body = json_write(arena, json_set_id(json_object(), "recipient_id", outgoing->recipient));
		return str_present(body) ? discord_call(arena, config, "POST", STR("/users/@me/channels"), body, ret_request) : TOO_LARGE;
	}
	if (outgoing->reply->delete_message) {
		path = str_printf(arena, "/channels/%lld/messages/%lld", (long long)outgoing->channel_id,
			(long long)outgoing->reply->target_message);
		return discord_call(arena, config, "DELETE", path, STR_ABSENT, ret_request);
	}
	body = message_body(arena, outgoing);
	path = str_printf(arena, "/channels/%lld/messages", (long long)outgoing->channel_id);
	if (!str_present(body)) {
		return arena_failed(arena) ? TOO_LARGE : INVALID;
	}
	return discord_call(arena, config, "POST", path, body, ret_request);
}

enum status discord_edit(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply, struct http_request *ret_request)
{
	struct http_request request;
	struct str token = platform_shaped(update->interaction_token, update->interaction_token.len, "-_.~=");
	struct str body = json_write(arena, discord_message(arena, config, language, reply));
	int64_t application_id = config->discord_application_id;
	struct str path;

	/* The token becomes part of a path: nothing but its own letters. */
	if (!str_present(token)) {
		return INVALID;
	}
	path = str_printf(arena, "/webhooks/%lld/" STR_FMT "/messages/@original", (long long)application_id, STR_ARG(token));
	request = discord_request(arena, config, "PATCH", path, body);
	if (!str_present(body) || arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_request = request;
	return OK;
}

/* What a JSON error code says, whatever its HTTP status. Source: Discord's documents, "JSON Error Codes". */
static const struct {
	int64_t code;
	enum delivery delivery;
} codes[] = {
	{10003, DELIVERY_PERMANENT}, /* unknown channel */
	{10008, DELIVERY_PERMANENT}, /* unknown message */
	{10013, DELIVERY_PERMANENT}, /* unknown user */
	{10015, DELIVERY_PERMANENT}, /* unknown webhook: the interaction is over */
	{10062, DELIVERY_PERMANENT}, /* unknown interaction: too late */
	{40003, DELIVERY_WAIT}, /* opening direct messages too fast */
	{50006, DELIVERY_PERMANENT}, /* empty message */
	{50007, DELIVERY_UNREACHABLE}, /* cannot send messages to this user */
	{50027, DELIVERY_PERMANENT}, /* invalid webhook token: the interaction's 15 minutes are over; its 401 is not about the bot */
	{50033, DELIVERY_PERMANENT}, /* invalid recipients */
	{50035, DELIVERY_PERMANENT}, /* invalid form body */
	{50278, DELIVERY_UNREACHABLE}, /* no server in common */
};

/*
 * The literal of "retry_after": a decimal fraction, which must not pass through a double. jansson keeps no literals, so the text is
 * looked at; it has been parsed before, so the name is followed by a colon and a value.
 */
static struct str retry_literal(struct str body)
{
	struct str name = STR("\"retry_after\"");
	size_t at = 0;
	size_t end;

	while (at + name.len <= body.len && !str_eq(str_cut(body, at, name.len), name)) {
		at++;
	}
	at += name.len;
	while (at < body.len && strchr(" \t\r\n:", body.ptr[at]) != NULL) {
		at++;
	}
	end = at;
	while (end < body.len && strchr("0123456789.", body.ptr[end]) != NULL) {
		end++;
	}
	return str_cut(body, at, end > at ? end - at : 0);
}

/* Cloudflare's 429 has no JSON and means our whole address; Discord's says how far it reaches. */
int64_t discord_read_wait(const struct http_response *response, const struct json *body, bool *ret_global)
{
	int64_t us;
	struct str literal = json_get(body, "retry_after") != NULL ? retry_literal(response->body) : STR_ABSENT;

	*ret_global = body == NULL || platform_flag(body, "global") || str_eq_nocase(response->ratelimit_global, STR("true"));
	return platform_wait_us(platform_decimal_us(literal, &us) == INVALID ? response->retry_after : literal);
}

static enum delivery by_status(int http_status, bool has_body)
{
	if (http_status == HTTP_UNAUTHORIZED) {
		return DELIVERY_BOT_REFUSED;
	}
	/* A 403 without JSON is Cloudflare's: it says nothing about this message. */
	return http_status == HTTP_FORBIDDEN && !has_body ? DELIVERY_NOT_SENT : DELIVERY_FAILED;
}

static void read_refusal(const struct outgoing *outgoing, const struct http_response *response, const struct json *body,
	struct delivery_result *result)
{
	int64_t code = 0;

	if (response->status == HTTP_TOO_MANY) {
		result->delivery = DELIVERY_WAIT;
		result->wait_us = discord_read_wait(response, body, &result->global);
		return;
	}
	if (json_get_i64(body, "code", 0, INT64_MAX, &code) != OK) {
		code = 0;
	}
	result->delivery = by_status(response->status, body != NULL);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].code == code) {
			result->delivery = codes[i].delivery;
		}
	}
	if (result->delivery == DELIVERY_WAIT) {
		result->wait_us = OPENING_TOO_FAST_WAIT_US;
	}
	/* Gone is what we wanted. */
	if (code == 10008 && outgoing->reply->delete_message) {
		result->delivery = DELIVERY_SENT;
	}
}

static void read_success(const struct outgoing *outgoing, const struct http_response *response, const struct json *body,
	struct delivery_result *result)
{
	int64_t id = 0;
	bool told = json_get_id(body, "id", &id) == OK;

	if (outgoing->channel_id == 0) {
		result->delivery = told ? DELIVERY_CHANNEL_KNOWN : DELIVERY_FAILED;
		result->channel_id = id;
		return;
	}
	/* Without an id somebody else answered, a proxy perhaps: it may have arrived. */
	result->delivery = told || response->status == HTTP_NO_CONTENT ? DELIVERY_SENT : DELIVERY_UNCERTAIN;
	result->message_id = id;
}

void discord_read_bucket(const struct http_response *response, int64_t *ret_remaining, int64_t *ret_reset_us)
{
	if (parse_i64(response->ratelimit_remaining, 0, INT32_MAX, ret_remaining) != OK) {
		*ret_remaining = -1;
	}
	if (platform_decimal_us(response->ratelimit_reset_after, ret_reset_us) != OK) {
		*ret_reset_us = 0;
	}
}

struct delivery_result discord_send_result(struct arena *arena, const struct outgoing *outgoing, const struct http_response *response)
{
	struct delivery_result result = {.delivery = DELIVERY_UNCERTAIN, .bucket_remaining = -1};
	const struct json *body = NULL;

	if (response->outcome != HTTP_ANSWERED) {
		result.delivery = response->outcome == HTTP_NOT_SENT ? DELIVERY_NOT_SENT : DELIVERY_UNCERTAIN;
		return result;
	}
	if (json_read(arena, response->body, &body) != OK) {
		body = NULL;
	}
	discord_read_bucket(response, &result.bucket_remaining, &result.bucket_reset_us);
	if (response->status >= 200 && response->status < 300) {
		read_success(outgoing, response, body, &result);
		return result;
	}
	read_refusal(outgoing, response, body, &result);
	if (result.delivery != DELIVERY_SENT) {
		result.error = platform_error(arena, response->status, platform_member(body, "message"));
	}
	return result;
}

const struct platform_ops discord_ops = {
	.platform = PLATFORM_DISCORD,
	.read = discord_read,
	.answer = discord_answer,
	.send_request = discord_send_request,
	.send_result = discord_send_result,
};
