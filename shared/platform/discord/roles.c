/* Roles of servers: what a member holds, giving and taking. */
#include "platform/roles.h"

#include "base/parse.h"
#include "platform/discord/discord.h"

/* Discord lets a server have 250; more is no answer to our question. */
#define MEMBER_ROLES_MAX 512

#define HTTP_UNAUTHORIZED 401
#define HTTP_FORBIDDEN 403
#define HTTP_TOO_MANY 429

enum status discord_role_request(struct arena *arena, const struct config *config, const struct role_call *call,
	struct http_request *ret_request)
{
	static const char *const methods[ROLE_ACT_COUNT] = {[ROLE_LOOK] = "GET", [ROLE_GIVE] = "PUT", [ROLE_TAKE] = "DELETE"};
	struct str path = str_printf(arena, "/guilds/%lld/members/%lld", (long long)call->guild_id, (long long)call->user_id);

	if (call->act != ROLE_LOOK) {
		path = str_printf(arena, STR_FMT "/roles/%lld", STR_ARG(path), (long long)call->role_id);
	}
	enum status status = discord_call(arena, config, methods[call->act], path, STR_ABSENT, ret_request);

	if (status == OK && call->act != ROLE_LOOK) {
		platform_header(ret_request, STR("X-Audit-Log-Reason"), STR("Trivet: rank")); /* what the server's moderators read */
	}
	return status;
}

/* What a JSON error code says of a look, and of giving or taking. Source: Discord's documents, "JSON Error Codes". */
static const struct {
	int64_t code;
	enum role_answer of_look;
	enum role_answer of_change;
} codes[] = {
	{10004, ROLE_GUILD_REFUSED, ROLE_GUILD_REFUSED}, /* unknown guild */
	{10007, ROLE_NO_MEMBER, ROLE_NO_MEMBER}, /* unknown member */
	{10011, ROLE_FAILED, ROLE_REFUSED}, /* unknown role */
	{10013, ROLE_NO_MEMBER, ROLE_NO_MEMBER}, /* unknown user */
	{50001, ROLE_GUILD_REFUSED, ROLE_REFUSED}, /* missing access */
	{50013, ROLE_GUILD_REFUSED, ROLE_REFUSED}, /* missing permissions: no Manage Roles, or the role stands above the bot's */
	{50028, ROLE_FAILED, ROLE_REFUSED}, /* invalid role: managed by another integration, or @everyone */
};

static enum role_answer by_code(const struct role_call *call, const struct http_response *response, const struct json *body)
{
	int64_t code = 0;

	if (json_get_i64(body, "code", 0, INT64_MAX, &code) == OK) {
		for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
			if (codes[i].code == code) {
				return call->act == ROLE_LOOK ? codes[i].of_look : codes[i].of_change;
			}
		}
	}
	if (response->status == HTTP_UNAUTHORIZED) {
		return ROLE_BOT_REFUSED;
	}
	/* A 403 without JSON is Cloudflare's: it says nothing about this role. One with an unknown code is about it. */
	if (response->status == HTTP_FORBIDDEN && body != NULL) {
		return call->act == ROLE_LOOK ? ROLE_GUILD_REFUSED : ROLE_REFUSED;
	}
	return ROLE_FAILED;
}

static enum role_answer read_member(struct arena *arena, const struct json *body, struct role_result *result)
{
	const struct json *list = json_get(body, "roles");
	size_t count = json_length(list);
	int64_t *roles = arena_array(arena, count, sizeof(*roles));

	if (!json_is_array(list) || count > MEMBER_ROLES_MAX || roles == NULL) {
		return ROLE_FAILED;
	}
	for (size_t i = 0; i < count; i++) {
		struct str text = STR_ABSENT;

		if (json_as_str(json_array_at(list, i), &text) != OK || parse_platform_id(text, &roles[i]) != OK) {
			return ROLE_FAILED;
		}
	}
	result->roles = roles;
	result->role_count = count;
	return ROLE_DONE;
}

struct role_result discord_role_result(struct arena *arena, const struct role_call *call, const struct http_response *response)
{
	struct role_result result = {.answer = ROLE_UNHEARD, .bucket_remaining = -1};
	const struct json *body = NULL;

	if (response->outcome != HTTP_ANSWERED) {
		return result;
	}
	if (json_read(arena, response->body, &body) != OK) {
		body = NULL;
	}
	discord_read_bucket(response, &result.bucket_remaining, &result.bucket_reset_us);
	if (response->status >= 200 && response->status < 300) {
		result.answer = call->act == ROLE_LOOK ? read_member(arena, body, &result) : ROLE_DONE;
	} else if (response->status == HTTP_TOO_MANY) {
		result.answer = ROLE_WAIT;
		result.wait_us = discord_read_wait(response, body, &result.global);
	} else {
		result.answer = by_code(call, response, body);
	}
	if (result.answer != ROLE_DONE) {
		result.error = platform_error(arena, response->status, platform_member(body, "message"));
	}
	return result;
}
