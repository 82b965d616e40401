#include "platform_fixture.h"

#include "command/command.h"
#include "platform/common.h"

/* A table of our own, so that the real one may change. */
static const struct command rows[] = {
	{.name = "profile", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_CHATS, .description = MSG_MENU_LANG},
	{.name = "only_discord", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_DISCORD, .description = MSG_MENU_LANG},
	{.name = "press", .kind = COMMAND_ACTION, .platforms = COMMAND_ON_CHATS},
	{.name = "start", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_TELEGRAM, .description = MSG_MENU_START},
};

const struct command *command_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(rows);
	return rows;
}

static struct outgoing outgoing_of(struct fixture *f, struct reply *reply)
{
	return (struct outgoing){
		.config = &f->config, .bot = TEST_BOT, .recipient = 42, .language = LANGUAGE_EN, .reply = reply, .nonce = 5};
}

static struct reply *rank_reply(struct fixture *f)
{
	struct reply *reply = new_reply(f);

	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(STR("<S>")));
	return reply;
}

static void makes_a_send_request(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_request request;

	f->config.telegram_api_url = STR("http://127.0.0.1:9/");
	assert_int_equal(telegram_ops.send_request(f->arena, &outgoing, &request), OK);
	assert_string_equal(request.method, "POST");
	assert_str(request.url, "http://127.0.0.1:9/bot123456:token/sendMessage");
	assert_int_equal(request.header_count, 1);
	assert_str(request.headers[0].name, "Content-Type");
	assert_str(request.headers[0].value, "application/json");
	assert_true(request.timeout_ms > 0);
	assert_body(f, request.body, "{\"chat_id\":42,\"text\":\"Rank: <b>&lt;S&gt;</b>\",\"parse_mode\":\"HTML\","
				     "\"link_preview_options\":{\"is_disabled\":true}}");
	outgoing.plain = true;
	outgoing.language = LANGUAGE_RU;
	assert_int_equal(telegram_ops.send_request(f->arena, &outgoing, &request), OK);
	assert_body(f, request.body, "{\"chat_id\":42,\"text\":\"Ранг: <S>\",\"link_preview_options\":{\"is_disabled\":true}}");
}

static void makes_a_delete_request(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	struct outgoing outgoing = outgoing_of(f, reply);
	struct http_request request;

	reply->delete_message = true;
	reply->target_message = 31;
	outgoing.recipient = -100;
	assert_int_equal(telegram_ops.send_request(f->arena, &outgoing, &request), OK);
	assert_str(request.url, "https://api.telegram.org/bot123456:token/deleteMessage");
	assert_body(f, request.body, "{\"chat_id\":-100,\"message_id\":31}");
}

static void refuses_to_send_without_bot_or_words(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_request request;

	outgoing.bot = STR("quiz");
	assert_int_equal(telegram_ops.send_request(f->arena, &outgoing, &request), INVALID);
	outgoing = outgoing_of(f, new_reply(f));
	assert_int_equal(telegram_ops.send_request(f->arena, &outgoing, &request), INVALID);
	outgoing = outgoing_of(f, rank_reply(f));
	f->config.bots[0].token.bytes = STR("");
	assert_int_equal(telegram_ops.send_request(f->arena, &outgoing, &request), INVALID);
}

struct result_case {
	int status;
	const char *body;
	const char *retry_after; /* header; NULL: none */
	enum delivery delivery;
	int64_t wait_us;
	const char *error; /* NULL: none */
};

#define REFUSED(words) "{\"ok\":false,\"error_code\":400,\"description\":\"" words "\"}"

static const struct result_case result_cases[] = {
	{200, "{\"ok\":true,\"result\":{\"message_id\":77}}", NULL, DELIVERY_SENT, 0, NULL},
	{200, "<html>hello</html>", NULL, DELIVERY_UNCERTAIN, 0, NULL},
	{200, "", NULL, DELIVERY_UNCERTAIN, 0, NULL},
	{400, REFUSED("Bad Request: can't parse entities: Unsupported start tag"), NULL, DELIVERY_AS_PLAIN, 0,
		"Bad Request: can't parse entities: Unsupported start tag"},
	{400, REFUSED("Bad Request: chat not found"), NULL, DELIVERY_PERMANENT, 0, "Bad Request: chat not found"},
	{400, REFUSED("Bad Request: message is too long"), NULL, DELIVERY_PERMANENT, 0, "Bad Request: message is too long"},
	{400, REFUSED("Bad Request: message to delete not found"), NULL, DELIVERY_FAILED, 0, "Bad Request: message to delete not found"},
	{400, REFUSED("Bad Request: something new"), NULL, DELIVERY_FAILED, 0, "Bad Request: something new"},
	{400, "not json", NULL, DELIVERY_FAILED, 0, "HTTP 400"},
	{401, REFUSED("Unauthorized"), NULL, DELIVERY_BOT_REFUSED, 0, "Unauthorized"},
	{404, REFUSED("Not Found"), NULL, DELIVERY_BOT_REFUSED, 0, "Not Found"},
	{403, REFUSED("Forbidden: bot was blocked by the user"), NULL, DELIVERY_UNREACHABLE, 0, "Forbidden: bot was blocked by the user"},
	{403, REFUSED("Forbidden: user is deactivated"), NULL, DELIVERY_UNREACHABLE, 0, "Forbidden: user is deactivated"},
	{409, REFUSED("Conflict"), NULL, DELIVERY_FAILED, 0, "Conflict"},
	{500, "", NULL, DELIVERY_FAILED, 0, "HTTP 500"},
	{502, "{\"description\":\"see https://api.telegram.org/bot1:x\"}", NULL, DELIVERY_FAILED, 0, "HTTP 502"},
	{302, "", NULL, DELIVERY_FAILED, 0, "HTTP 302"},
	{429, "{\"ok\":false,\"description\":\"Too Many Requests: retry after 7\","
	      "\"parameters\":{\"retry_after\":7}}",
		"9", DELIVERY_WAIT, 7000000,
		"Too Many Requests: retry after 7"},
	{429, "busy", "9", DELIVERY_WAIT, 9000000, "HTTP 429"},
	{429, "busy", NULL, DELIVERY_WAIT, PLATFORM_WAIT_DEFAULT_US, "HTTP 429"},
	{429, "{\"parameters\":{\"retry_after\":0}}", NULL, DELIVERY_WAIT, PLATFORM_WAIT_MIN_US, "HTTP 429"},
	{429, "{\"parameters\":{\"retry_after\":9999999999}}", "99999999999999999999", DELIVERY_WAIT, PLATFORM_WAIT_MAX_US, "HTTP 429"},
};

static struct delivery_result result_of(struct fixture *f, const struct outgoing *outgoing, int status, const char *body,
	const char *retry_after)
{
	struct http_response response = {
		.outcome = HTTP_ANSWERED, .status = status, .body = str_from_z(body), .retry_after = str_from_z(retry_after)};

	return telegram_ops.send_result(f->arena, outgoing, &response);
}

static void reads_results(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));

	for (size_t i = 0; i < ARRAY_LEN(result_cases); i++) {
		const struct result_case *c = &result_cases[i];
		struct delivery_result result = result_of(f, &outgoing, c->status, c->body, c->retry_after);

		if (result.delivery != c->delivery || result.wait_us != c->wait_us) {
			fail_msg("%d %s: delivery %d, wait %lld", c->status, c->body, (int)result.delivery, (long long)result.wait_us);
		}
		if (c->error != NULL) {
			assert_str(result.error, c->error);
		} else {
			assert_false(str_present(result.error));
		}
		assert_int_equal(result.message_id, i == 0 ? 77 : 0);
		assert_int_equal(result.bucket_remaining, -1);
	}
}

static void follows_a_group_that_moved(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct delivery_result result = result_of(f, &outgoing, 400, "{\"ok\":false,"
								     "\"description\":\"Bad Request: group chat was upgraded to a "
								     "supergroup chat\","
								     "\"parameters\":{\"migrate_to_chat_id\":-1002233445566}}",
		NULL);

	assert_int_equal(result.delivery, DELIVERY_MOVED);
	assert_int_equal(result.new_chat_id, INT64_C(-1002233445566));
}

static void takes_gone_for_deleted(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	struct outgoing outgoing = outgoing_of(f, reply);

	reply->delete_message = true;
	assert_int_equal(result_of(f, &outgoing, 400, REFUSED("Bad Request: message to delete not found"), NULL).delivery, DELIVERY_SENT);
	assert_int_equal(result_of(f, &outgoing, 400, REFUSED("Bad Request: message can't be deleted"), NULL).delivery, DELIVERY_SENT);
	assert_int_equal(result_of(f, &outgoing, 200, "{\"ok\":true,\"result\":true}", NULL).delivery, DELIVERY_SENT);
}

static void sends_as_plain_once_only(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));

	outgoing.plain = true;
	assert_int_equal(result_of(f, &outgoing, 400, REFUSED("Bad Request: can't parse entities"), NULL).delivery, DELIVERY_PERMANENT);
}

static void tells_silence_from_no_connection(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct http_response response = {.outcome = HTTP_NOT_SENT};

	assert_int_equal(telegram_ops.send_result(f->arena, &outgoing, &response).delivery, DELIVERY_NOT_SENT);
	response.outcome = HTTP_NO_ANSWER;
	assert_int_equal(telegram_ops.send_result(f->arena, &outgoing, &response).delivery, DELIVERY_UNCERTAIN);
}

static void clips_error_words(void **state)
{
	struct fixture *f = *state;
	struct outgoing outgoing = outgoing_of(f, rank_reply(f));
	struct str body = str_printf(f->arena, "{\"description\":\"" STR_FMT "\"}", STR_ARG(repeated(f, "x", 300)));

	assert_int_equal(result_of(f, &outgoing, 400, str_z(f->arena, body), NULL).error.len, 200);
}

static void calls_methods(void **state)
{
	struct fixture *f = *state;
	struct http_request request;

	assert_int_equal(telegram_call(f->arena, &f->config, TEST_BOT, "getMe", STR_ABSENT, &request), OK);
	assert_str(request.url, "https://api.telegram.org/bot123456:token/getMe");
	assert_false(str_present(request.body));
	assert_int_equal(request.header_count, 0);
	assert_int_equal(telegram_call(f->arena, &f->config, STR("quiz"), "getMe", STR_ABSENT, &request), INVALID);
}

static void registers_commands(void **state)
{
	struct fixture *f = *state;

	assert_body(f, telegram_commands(f->arena, LANGUAGE_UNSET),
		"{\"commands\":[{\"command\":\"profile\",\"description\":\"Language of the answers\"},{\"command\":\"start\","
		"\"description\":\"Start\"}]}");
	assert_body(f, telegram_commands(f->arena, LANGUAGE_RU),
		"{\"language_code\":\"ru\",\"commands\":[{\"command\":\"profile\",\"description\":\"Язык ответов\"},"
		"{\"command\":\"start\",\"description\":\"Начать\"}]}");
}

static void reads_decimals_without_doubles(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum status status;
		int64_t us;
	} cases[] = {
		{"0", OK, 0},
		{"64.57", OK, 64570000},
		{"0.3", OK, 300000},
		{"1337", OK, 1337000000},
		{"0.0000001", OK, 1},
		{"0.1000000", OK, 100000},
		{"86400", OK, 86400000000},
		{"86401", OVERFLOWN, 0},
		{"99999999999999999999", OVERFLOWN, 0},
		{"", INVALID, 0},
		{".5", INVALID, 0},
		{"5.", INVALID, 0},
		{"-1", INVALID, 0},
		{"1e3", INVALID, 0},
		{"1.5s", INVALID, 0},
		{"1,5", INVALID, 0},
		{" 1", INVALID, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = 0;

		if (platform_decimal_us(str_from_z(cases[i].text), &us) != cases[i].status || us != cases[i].us) {
			fail_msg("%s: %lld", cases[i].text, (long long)us);
		}
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(makes_a_send_request),
		TEST(makes_a_delete_request),
		TEST(refuses_to_send_without_bot_or_words),
		TEST(reads_results),
		TEST(follows_a_group_that_moved),
		TEST(takes_gone_for_deleted),
		TEST(sends_as_plain_once_only),
		TEST(tells_silence_from_no_connection),
		TEST(clips_error_words),
		TEST(calls_methods),
		TEST(registers_commands),
		TEST(reads_decimals_without_doubles),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
