/*
 * Outgoing calls to the Bot API, and what its answers mean. Facts: platforms.md 1.5; the rules of counting: domain.md, Notifications.
 */
#include "platform/telegram/telegram.h"

#include "base/parse.h"

#define HTTP_OK 200
#define HTTP_BAD_REQUEST 400
#define HTTP_UNAUTHORIZED 401
#define HTTP_FORBIDDEN 403
#define HTTP_NOT_FOUND 404
#define HTTP_TOO_MANY 429

enum status telegram_call(struct arena *arena, const struct config *config, struct str bot_name, const char *method, struct str body,
	struct http_request *ret_request)
{
	const struct config_bot *bot = config_bot_by_name(config, bot_name);
	struct http_request request = {.method = "POST", .body = body, .timeout_ms = PLATFORM_TIMEOUT_MS};
	struct str path;

	if (bot == NULL || str_empty(bot->token.bytes)) {
		return INVALID;
	}
	path = str_printf(arena, "/bot" STR_FMT "/%s", STR_ARG(bot->token.bytes), method);
	request.url = platform_url(arena, config->telegram_api_url, path);
	if (str_present(body)) {
		platform_header(&request, STR("Content-Type"), STR("application/json"));
	}
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_request = request;
	return OK;
}

enum status telegram_send_request(struct arena *arena, const struct outgoing *outgoing, struct http_request *ret_request)
{
	const struct reply *reply = outgoing->reply;
	const char *method = reply->delete_message ? "deleteMessage" : "sendMessage";
	struct json *parameters;
	struct str body;

	if (reply->delete_message) {
		parameters = telegram_delete(outgoing->recipient, reply->target_message);
	} else {
		parameters = telegram_message(arena, outgoing->config, outgoing->recipient, outgoing->language, reply, outgoing->plain);
	}
	body = json_write(arena, parameters);
	if (!str_present(body)) {
		return arena_failed(arena) ? TOO_LARGE : INVALID;
	}
	return telegram_call(arena, outgoing->config, outgoing->bot, method, body, ret_request);
}

/* What a 400 says in its description. The first fitting row decides; none: it counts and is tried again. */
static const struct {
	struct str words;
	bool only_delete; /* the row is about deleteMessage: gone is what we wanted */
	enum delivery delivery;
} refusals[] = {
	{STR_INIT("message to delete not found"), true, DELIVERY_SENT},
	{STR_INIT("message can't be deleted"), true, DELIVERY_SENT},
	{STR_INIT("message identifier is not specified"), true, DELIVERY_SENT},
	{STR_INIT("can't parse entities"), false, DELIVERY_AS_PLAIN},
	{STR_INIT("chat not found"), false, DELIVERY_PERMANENT},
	{STR_INIT("message is too long"), false, DELIVERY_PERMANENT},
	{STR_INIT("message text is empty"), false, DELIVERY_PERMANENT},
};

static enum delivery refusal(const struct outgoing *outgoing, struct str description)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if ((!refusals[i].only_delete || outgoing->reply->delete_message) && platform_has_words(description, refusals[i].words)) {
			/* Plain text that "cannot be parsed" would go round for ever. */
			return refusals[i].delivery == DELIVERY_AS_PLAIN && outgoing->plain ? DELIVERY_PERMANENT : refusals[i].delivery;
		}
	}
	return DELIVERY_FAILED;
}

/* retry_after of the body, else of the header. */
static int64_t wait_of(const struct json *parameters, const struct http_response *response)
{
	int64_t seconds;

	if (json_get_i64(parameters, "retry_after", 0, PLATFORM_WAIT_MAX_US / SECOND_US, &seconds) == OK) {
		return seconds > 0 ? seconds * SECOND_US : PLATFORM_WAIT_MIN_US;
	}
	return platform_wait_us(response->retry_after);
}

static void read_refusal(const struct outgoing *outgoing, const struct http_response *response, const struct json *body,
	struct delivery_result *result)
{
	const struct json *parameters = json_get(body, "parameters");

	switch (response->status) {
	case HTTP_BAD_REQUEST:
		if (json_get_i64(parameters, "migrate_to_chat_id", INT64_MIN, INT64_MAX, &result->new_chat_id) == OK) {
			result->delivery = DELIVERY_MOVED;
			return;
		}
		result->delivery = refusal(outgoing, platform_member(body, "description"));
		return;
	case HTTP_UNAUTHORIZED:
	case HTTP_NOT_FOUND:
		/* A wrong token makes a wrong path too. */
		result->delivery = DELIVERY_BOT_REFUSED;
		return;
	case HTTP_FORBIDDEN:
		result->delivery = DELIVERY_UNREACHABLE;
		return;
	case HTTP_TOO_MANY:
		result->delivery = DELIVERY_WAIT;
		result->wait_us = wait_of(parameters, response);
		return;
	default:
		result->delivery = DELIVERY_FAILED;
		return;
	}
}

struct delivery_result telegram_send_result(struct arena *arena, const struct outgoing *outgoing, const struct http_response *response)
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
	if (response->status == HTTP_OK) {
		/* Without "ok" somebody else answered, a proxy perhaps: it may have arrived. */
		result.delivery = platform_flag(body, "ok") ? DELIVERY_SENT : DELIVERY_UNCERTAIN;
		if (json_get_i64(json_get(body, "result"), "message_id", 0, INT64_MAX, &result.message_id) != OK) {
			result.message_id = 0;
		}
		return result;
	}
	read_refusal(outgoing, response, body, &result);
	if (result.delivery != DELIVERY_SENT) {
		result.error = platform_error(arena, response->status, platform_member(body, "description"));
	}
	return result;
}

const struct platform_ops telegram_ops = {
	.platform = PLATFORM_TELEGRAM,
	.read = telegram_read,
	.answer = telegram_answer,
	.send_request = telegram_send_request,
	.send_result = telegram_send_result,
};
