/* Linked Roles: registration, showing a person's values as that person, refreshing his tokens. */
#include "platform/roles.h"

#include "base/parse.h"
#include "platform/discord/discord.h"

/* Source: Discord's documents, "Application Role Connection Metadata Type": INTEGER_GREATER_THAN_OR_EQUAL. */
#define TYPE_AT_LEAST 2
#define RECORD_NAME_MAX 100
#define RECORD_DESCRIPTION_MAX 200
#define PLATFORM_SHOWN "Trivet"
#define FORM_MAX ((size_t)8192)
#define TOKEN_MAX 512
#define TOKEN_LETTERS "-_.~+/="

#define HTTP_UNAUTHORIZED 401
#define HTTP_FORBIDDEN 403
#define HTTP_TOO_MANY 429

/* Discord keeps at most five. */
static const struct {
	const char *key;
	enum message name;
	enum message description;
} records[] = {
	{"rank", MSG_LINKED_RANK, MSG_LINKED_RANK_HELP},
	{"xp", MSG_LINKED_XP, MSG_LINKED_XP_HELP},
	{"days", MSG_LINKED_DAYS, MSG_LINKED_DAYS_HELP},
};

/* English, with Russian beside it. */
static struct json *set_words(struct arena *arena, struct json *record, const char *name, const char *localizations, enum message message,
	size_t max)
{
	struct json *russian = json_set_str(json_object(), "ru", platform_label(arena, LANGUAGE_RU, message, max));

	record = json_set_str(record, name, platform_label(arena, LANGUAGE_EN, message, max));
	return json_set(record, localizations, russian);
}

struct str discord_linked_records(struct arena *arena)
{
	struct json *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct json *record = json_set_i64(json_object(), "type", TYPE_AT_LEAST);

		record = json_set_str(record, "key", str_from_z(records[i].key));
		record = set_words(arena, record, "name", "name_localizations", records[i].name, RECORD_NAME_MAX);
		record = set_words(arena, record, "description", "description_localizations", records[i].description, RECORD_DESCRIPTION_MAX);
		list = json_append(list, record);
	}
	return json_write(arena, list);
}

enum status discord_linked_show(struct arena *arena, const struct config *config, struct str access, const struct linked_profile *profile,
	struct http_request *ret_request)
{
	const int64_t values[ARRAY_LEN(records)] = {profile->rank, profile->xp, profile->days};
	struct str token = platform_shaped(access, TOKEN_MAX, TOKEN_LETTERS);
	struct str path = str_printf(arena, "/users/@me/applications/%lld/role-connection", (long long)config->discord_application_id);
	struct json *metadata = json_object();

	if (!str_present(token)) {
		return INVALID;
	}
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		metadata = json_set_str(metadata, records[i].key, str_printf(arena, "%lld", (long long)values[i]));
	}
	struct json *body = json_set_str(json_object(), "platform_name", STR(PLATFORM_SHOWN));

	body = json_set(json_set_str(body, "platform_username", profile->rank_name), "metadata", metadata);
	struct http_request request = discord_request(arena, config, "PUT", path, json_write(arena, body));

	platform_header(&request, STR("Authorization"), str_printf(arena, "Bearer " STR_FMT, STR_ARG(token)));
	if (!str_present(request.body) || arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_request = request;
	return OK;
}

/* application/x-www-form-urlencoded. */
static void add_field(struct buf *form, const char *name, struct str value)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_add(form, form->len > 0 ? STR("&") : STR(""));
	buf_add(form, str_from_z(name));
	buf_add_byte(form, '=');
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';

		if (plain) {
			buf_add_byte(form, (char)c);
		} else {
			buf_add_byte(form, '%');
			buf_add_byte(form, digits[c >> 4]);
			buf_add_byte(form, digits[c & 15]);
		}
	}
}

enum status discord_linked_refresh(struct arena *arena, const struct config *config, struct str refresh, struct http_request *ret_request)
{
	struct http_request request = discord_request(arena, config, "POST", STR("/oauth2/token"), STR_ABSENT);
	struct buf form = buf_init(arena, FORM_MAX);

	if (str_empty(config->discord_client_secret.bytes)) {
		return INVALID;
	}
	add_field(&form, "grant_type", STR("refresh_token"));
	add_field(&form, "refresh_token", refresh);
	add_field(&form, "client_id", config->discord_client_id);
	add_field(&form, "client_secret", config->discord_client_secret.bytes);
	request.body = buf_str(&form);
	platform_header(&request, STR("Content-Type"), STR("application/x-www-form-urlencoded"));
	if (!str_present(request.body) || arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_request = request;
	return OK;
}

/* What both have in common; answer UNSET: the status is not one of these. */
static struct linked_result read_common(struct arena *arena, const struct http_response *response, const struct json **ret_body)
{
	struct linked_result result = {.answer = LINKED_UNHEARD, .bucket_remaining = -1};
	bool global = false;

	*ret_body = NULL;
	if (response->outcome != HTTP_ANSWERED) {
		return result;
	}
	result.answer = LINKED_ANSWER_UNSET;
	if (json_read(arena, response->body, ret_body) != OK) {
		*ret_body = NULL;
	}
	discord_read_bucket(response, &result.bucket_remaining, &result.bucket_reset_us);
	if (response->status == HTTP_TOO_MANY) {
		result.answer = LINKED_WAIT;
		result.wait_us = discord_read_wait(response, *ret_body, &global);
	} else if (response->status < 200 || response->status >= 300) {
		result.error = platform_error(arena, response->status, platform_member(*ret_body, "message"));
	}
	return result;
}

static bool is_success(const struct http_response *response)
{
	return response->status >= 200 && response->status < 300;
}

struct linked_result discord_linked_show_result(struct arena *arena, const struct http_response *response)
{
	const struct json *body = NULL;
	struct linked_result result = read_common(arena, response, &body);

	if (result.answer != LINKED_ANSWER_UNSET) {
		return result;
	}
	if (is_success(response)) {
		result.answer = LINKED_DONE;
	} else if (response->status == HTTP_UNAUTHORIZED) {
		result.answer = LINKED_TOKEN_REFUSED;
	} else {
		/* A 403 without JSON is Cloudflare's and says nothing about the person. */
		result.answer = response->status == HTTP_FORBIDDEN && body != NULL ? LINKED_ENDED : LINKED_FAILED;
	}
	return result;
}

static bool read_tokens(const struct json *body, struct linked_result *result)
{
	int64_t seconds = 0;

	result->access = platform_shaped(platform_member(body, "access_token"), TOKEN_MAX, TOKEN_LETTERS);
	result->refresh = platform_shaped(platform_member(body, "refresh_token"), TOKEN_MAX, TOKEN_LETTERS);
	if (!str_present(result->access) || !str_present(result->refresh) || json_get_i64(body, "expires_in", 1, INT32_MAX, &seconds) != OK) {
		return false;
	}
	result->expires_in_us = seconds * SECOND_US;
	return true;
}

/* Errors of OAuth2 are told by a word. Source: RFC 6749, 5.2. */
struct linked_result discord_linked_refresh_result(struct arena *arena, const struct http_response *response)
{
	const struct json *body = NULL;
	struct linked_result result = read_common(arena, response, &body);
	struct str error = platform_member(body, "error");

	if (result.answer != LINKED_ANSWER_UNSET) {
		return result;
	}
	if (is_success(response)) {
		result.answer = read_tokens(body, &result) ? LINKED_DONE : LINKED_FAILED;
	} else if (str_eq(error, STR("invalid_grant"))) {
		result.answer = LINKED_ENDED;
	} else if (response->status == HTTP_UNAUTHORIZED || str_eq(error, STR("invalid_client")) || str_eq(error, STR("unauthorized_client"))) {
		result.answer = LINKED_CLIENT_REFUSED;
	} else {
		result.answer = LINKED_FAILED;
	}
	if (str_present(error) && str_present(result.error)) {
		result.error = platform_error(arena, response->status, error);
	}
	return result;
}
