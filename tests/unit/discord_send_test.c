#include "platform_fixture.h"

#include "command/command.h"
#include "platform/common.h"

/* A table of our own, so that the real one may change. */
static const struct command rows[] = {
	{.name = "code",
		.kind = COMMAND_TYPED,
		.platforms = COMMAND_ON_CHATS,
		.description = MSG_MENU_CODE,
		.args = {{.name = "lang", .description = MSG_ARG_LANG, .choices = "ru en"},
			{.name = "code", .description = MSG_ARG_CODE, .required = true, .max_points = 32}},
		.arg_count = 2},
	{.name = "only_telegram", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_TELEGRAM, .description = MSG_MENU_LANG},
	{.name = "press", .kind = COMMAND_ACTION, .platforms = COMMAND_ON_CHATS},
	{.name = "help", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_DISCORD, .description = MSG_MENU_HELP},
};

const struct command *command_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(rows);
	return rows;
}

static struct outgoing outgoing_of(struct fixture *f, struct reply *reply)
{
	return (struct outgoing){.config = &f->config,
		.bot = STR("discord"),
		.recipient = INT64_C(53908232506183680),
		.channel_id = INT64_C(645027906669510667),
		.language = LANGUAGE_EN,
		.reply = reply,
		.nonce = 5};
}

static struct reply *rank_reply(struct fixture *f)
{
	struct reply *reply = new_reply(f);

	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(STR("S")));
	return reply;
}

static void opens_the_direct_channel_first(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_request request;

	outgoing.channel_id = 0;
	assert_int_equal(discord_ops.send_request(f->arena, &outgoing, &request), OK);
	assert_string_equal(request.method, "POST");
	assert_str(request.url, "https://discord.com/api/v10/users/@me/channels");
	assert_body(f, request.body, "{\"recipient_id\":\"53908232506183680\"}");
	assert_str(header_of(&request, "Authorization"), "Bot discord-token");
	assert_str(header_of(&request, "Content-Type"), "application/json");
	assert_str(header_of(&request, "User-Agent"), "DiscordBot (https://trivet.example, " TRIVET_VERSION ")");
	assert_true(request.timeout_ms > 0);
}

static void makes_a_send_request(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_request request;

	assert_int_equal(discord_ops.send_request(f->arena, &outgoing, &request), OK);
	assert_string_equal(request.method, "POST");
	assert_str(request.url, "https://discord.com/api/v10/channels/645027906669510667/messages");
	assert_body(f, request.body,
		"{\"content\":\"Rank: **S**\",\"components\":[],\"allowed_mentions\":{\"parse\":[]},\"nonce\":\"5\","
		"\"enforce_nonce\":true}");
}

static void makes_a_delete_request(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	struct outgoing outgoing = outgoing_of(f, reply);
	struct http_request request;

	reply->delete_message = true;
	reply->target_message = 31;
	assert_int_equal(discord_ops.send_request(f->arena, &outgoing, &request), OK);
	assert_string_equal(request.method, "DELETE");
	assert_str(request.url, "https://discord.com/api/v10/channels/645027906669510667/messages/31");
	assert_false(str_present(request.body));
	assert_false(str_present(header_of(&request, "Content-Type")));
}

static void refuses_to_send_without_a_token_or_good_words(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	struct outgoing outgoing = outgoing_of(f, reply);
	struct http_request request;

	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(STR("\xFF")));
	assert_int_equal(discord_ops.send_request(f->arena, &outgoing, &request), INVALID);
	outgoing.reply = rank_reply(f);
	f->config.discord_bot_token.bytes = STR_ABSENT;
	assert_int_equal(discord_ops.send_request(f->arena, &outgoing, &request), INVALID);
}

static void edits_a_deferred_answer(void **state)
{
	struct fixture *f = *state;
	struct update update = {.interaction_token = STR("aW50ZXJhY3Rpb246-_x")};
	struct http_request request;
	static const char *const tokens[] = {"", "a/b", "a?b", "a b", "a#b", "a%2Fb"};

	assert_int_equal(discord_edit(f->arena, &f->config, &update, LANGUAGE_EN, rank_reply(f), &request), OK);
	assert_string_equal(request.method, "PATCH");
	assert_str(request.url, "https://discord.com/api/v10/webhooks/845027738276462632/aW50ZXJhY3Rpb246-_x/messages/@original");
	assert_body(f, request.body, "{\"content\":\"Rank: **S**\",\"components\":[],\"allowed_mentions\":{\"parse\":[]}}");
	assert_false(str_present(header_of(&request, "Authorization")));
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		update.interaction_token = str_from_z(tokens[i]);
		assert_int_equal(discord_edit(f->arena, &f->config, &update, LANGUAGE_EN, rank_reply(f), &request), INVALID);
	}
}

struct result_case {
	int status;
	const char *body;
	const char *retry_after; /* header; NULL: none */
	enum delivery delivery;
	int64_t wait_us;
	bool global;
	const char *error; /* NULL: none */
};

#define CODE(code, words) "{\"message\":\"" words "\",\"code\":" code "}"

static const struct result_case result_cases[] = {
	{200, "{\"id\":\"77\",\"channel_id\":\"5\"}", NULL, DELIVERY_SENT, 0, false, NULL},
	{201, "{\"id\":\"77\"}", NULL, DELIVERY_SENT, 0, false, NULL},
	{200, "<html>", NULL, DELIVERY_UNCERTAIN, 0, false, NULL},
	{403, CODE("50007", "Cannot send messages to this user"), NULL, DELIVERY_UNREACHABLE, 0, false,
		"Cannot send messages to this user"},
	{403, CODE("50278", "No mutual guilds"), NULL, DELIVERY_UNREACHABLE, 0, false, "No mutual guilds"},
	{403, CODE("50001", "Missing Access"), NULL, DELIVERY_FAILED, 0, false, "Missing Access"},
	{403, "error code: 1010", NULL, DELIVERY_NOT_SENT, 0, false, "HTTP 403"},
	{400, CODE("40003", "Too fast"), NULL, DELIVERY_WAIT, 60000000, false, "Too fast"},
	{400, CODE("50035", "Invalid Form Body"), NULL, DELIVERY_PERMANENT, 0, false, "Invalid Form Body"},
	{400, CODE("0", "Bad"), NULL, DELIVERY_FAILED, 0, false, "Bad"},
	{401, CODE("0", "401: Unauthorized"), NULL, DELIVERY_BOT_REFUSED, 0, false, "401: Unauthorized"},
	{401, CODE("50027", "Invalid Webhook Token"), NULL, DELIVERY_PERMANENT, 0, false, "Invalid Webhook Token"},
	{404, CODE("10003", "Unknown Channel"), NULL, DELIVERY_PERMANENT, 0, false, "Unknown Channel"},
	{404, CODE("10008", "Unknown Message"), NULL, DELIVERY_PERMANENT, 0, false, "Unknown Message"},
	{404, CODE("10015", "Unknown Webhook"), NULL, DELIVERY_PERMANENT, 0, false, "Unknown Webhook"},
	{404, "", NULL, DELIVERY_FAILED, 0, false, "HTTP 404"},
	{500, "", NULL, DELIVERY_FAILED, 0, false, "HTTP 500"},
	{520, "<html>https://cloudflare", NULL, DELIVERY_FAILED, 0, false, "HTTP 520"},
	{429, "{\"message\":\"You are being rate limited.\",\"retry_after\": 64.57,\"global\":false}", "65", DELIVERY_WAIT, 64570000, false,
		"You are being rate limited."},
	{429, "{\"message\":\"say \\\"retry_after\\\": 9\",\"retry_after\":0.3,\"global\":true}", NULL, DELIVERY_WAIT, 300000, true,
		"say \"retry_after\": 9"},
	{429, "{\"retry_after\":1337}", NULL, DELIVERY_WAIT, 1337000000, false, "HTTP 429"},
	{429, "{\"retry_after\":\"soon\"}", "2", DELIVERY_WAIT, 2000000, false, "HTTP 429"},
	{429, "{}", NULL, DELIVERY_WAIT, PLATFORM_WAIT_DEFAULT_US, false, "HTTP 429"},
	{429, "error code: 1015", "3600", DELIVERY_WAIT, 3600000000, true, "HTTP 429"},
	{429, "{\"retry_after\":0}", NULL, DELIVERY_WAIT, PLATFORM_WAIT_MIN_US, false, "HTTP 429"},
	{429, "{\"retry_after\":99999999999999999999.5}", NULL, DELIVERY_WAIT, PLATFORM_WAIT_MAX_US, false, "HTTP 429"},
};

static struct delivery_result result_of(struct fixture *f, const struct outgoing *outgoing, int status, const char *body,
	const char *retry_after)
{
	struct http_response response = {
		.outcome = HTTP_ANSWERED, .status = status, .body = str_from_z(body), .retry_after = str_from_z(retry_after)};

	return discord_ops.send_result(f->arena, outgoing, &response);
}

static void reads_results(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));

	for (size_t i = 0; i < ARRAY_LEN(result_cases); i++) {
		const struct result_case *c = &result_cases[i];
		struct delivery_result result = result_of(f, &outgoing, c->status, c->body, c->retry_after);

		if (result.delivery != c->delivery || result.wait_us != c->wait_us || result.global != c->global) {
			fail_msg("%d %s: delivery %d, wait %lld,"
				 " global %d",
				c->status, c->body, (int)result.delivery, (long long)result.wait_us, result.global);
		}
		if (c->error != NULL) {
			assert_str(result.error, c->error);
		} else {
			assert_false(str_present(result.error));
		}
		assert_int_equal(result.message_id, i < 2 ? 77 : 0);
	}
}

static void learns_the_direct_channel(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct delivery_result result;

	outgoing.channel_id = 0;
	result = result_of(f, &outgoing, 200, "{\"id\":\"319674150115610528\",\"type\":1}", NULL);
	assert_int_equal(result.delivery, DELIVERY_CHANNEL_KNOWN);
	assert_int_equal(result.channel_id, INT64_C(319674150115610528));
	assert_int_equal(result.message_id, 0);
	assert_int_equal(result_of(f, &outgoing, 200, "{}", NULL).delivery, DELIVERY_FAILED);
	assert_int_equal(result_of(f, &outgoing, 400, CODE("50033", "Invalid Recipient(s)"), NULL).delivery, DELIVERY_PERMANENT);
}

static void takes_gone_for_deleted(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	struct outgoing outgoing = outgoing_of(f, reply);

	reply->delete_message = true;
	assert_int_equal(result_of(f, &outgoing, 204, "", NULL).delivery, DELIVERY_SENT);
	assert_int_equal(result_of(f, &outgoing, 404, CODE("10008", "Unknown Message"), NULL).delivery, DELIVERY_SENT);
	assert_int_equal(result_of(f, &outgoing, 404, CODE("10003", "Unknown Channel"), NULL).delivery, DELIVERY_PERMANENT);
}

static void reads_buckets(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_response response = {.outcome = HTTP_ANSWERED,
		.status = 200,
		.body = STR("{\"id\":\"77\"}"),
		.ratelimit_remaining = STR("0"),
		.ratelimit_reset_after = STR("0.291")};
	struct delivery_result result = discord_ops.send_result(f->arena, &outgoing, &response);

	assert_int_equal(result.bucket_remaining, 0);
	assert_int_equal(result.bucket_reset_us, 291000);
	response.ratelimit_remaining = STR("-3");
	response.ratelimit_reset_after = STR("1e9");
	result = discord_ops.send_result(f->arena, &outgoing, &response);
	assert_int_equal(result.bucket_remaining, -1);
	assert_int_equal(result.bucket_reset_us, 0);
	response.status = 429;
	response.body = STR("{\"retry_after\":1}");
	response.ratelimit_global = STR("true");
	assert_true(discord_ops.send_result(f->arena, &outgoing, &response).global);
}

static void tells_silence_from_no_connection(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_response response = {.outcome = HTTP_NOT_SENT};

	assert_int_equal(discord_ops.send_result(f->arena, &outgoing, &response).delivery, DELIVERY_NOT_SENT);
	response.outcome = HTTP_NO_ANSWER;
	assert_int_equal(discord_ops.send_result(f->arena, &outgoing, &response).delivery, DELIVERY_UNCERTAIN);
}

static void registers_commands(void **state)
{
	struct fixture *f = *state;

	assert_body(f, discord_commands(f->arena),
		"[{\"type\":1,\"name\":\"code\",\"description\":\"Enter a code from your other platform\","
		"\"description_localizations\":{\"ru\":"
		"\"Ввести код с другой платформы\"},\"options\":[{\"type\":3,\"name\":\"code\","
		"\"description\":\"The six symbols of the code\","
		"\"description_localizations\":{\"ru\":\"Шесть символов кода\"},\"required\":true,\"max_length\":32},{\"type\":3,"
		"\"name\":\"lang\","
		"\"description\":\"ru or en\",\"description_localizations\":{\"ru\":\"ru или en\"},\"required\":false,"
		"\"choices\":[{\"name\":\"ru\",\"value\":\"ru\"},"
		"{\"name\":\"en\",\"value\":\"en\"}]}],\"contexts\":[0,1,2],\"integration_types\":[0,1]},"
		"{\"type\":1,\"name\":\"help\",\"description\":\"What the bot can do\","
		"\"description_localizations\":{\"ru\":\"Что умеет бот\"},\"options\":[],"
		"\"contexts\":[0,1,2],\"integration_types\":[0,1]}]");
}

static void calls_paths(void **state)
{
	struct fixture *f = *state;
	struct http_request request;

	assert_int_equal(discord_call(f->arena, &f->config, "GET", STR("/applications/@me"), STR_ABSENT, &request), OK);
	assert_string_equal(request.method, "GET");
	assert_str(request.url, "https://discord.com/api/v10/applications/@me");
	assert_str(header_of(&request, "Authorization"), "Bot discord-token");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(opens_the_direct_channel_first),
		TEST(makes_a_send_request),
		TEST(makes_a_delete_request),
		TEST(refuses_to_send_without_a_token_or_good_words),
		TEST(edits_a_deferred_answer),
		TEST(reads_results),
		TEST(learns_the_direct_channel),
		TEST(takes_gone_for_deleted),
		TEST(reads_buckets),
		TEST(tells_silence_from_no_connection),
		TEST(registers_commands),
		TEST(calls_paths),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
