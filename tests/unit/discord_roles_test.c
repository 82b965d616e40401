/* Discord's calls about roles: what is asked, and what each answer means. */
#include "platform_fixture.h"

#include "platform/roles.h"

#define CODE(code) "{\"message\": \"words\", \"code\": " code "}"

static struct role_result answer(struct arena *arena, enum role_act act, int status, const char *body)
{
	struct role_call call = {.act = act, .guild_id = 1, .user_id = 2, .role_id = 3};
	struct http_response response = {.outcome = HTTP_ANSWERED, .status = status, .body = str_from_z(body)};

	return discord_role_result(arena, &call, &response);
}

static struct str header_of(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (str_eq(request->headers[i].name, str_from_z(name))) {
			return request->headers[i].value;
		}
	}
	return STR_ABSENT;
}

static void test_calls_are_as_documented(void **state)
{
	static const struct { enum role_act act; const char *method; const char *url; bool reason; } rows[] = {
		{ROLE_LOOK, "GET", "https://discord.com/api/v10/guilds/1/members/2", false},
		{ROLE_GIVE, "PUT", "https://discord.com/api/v10/guilds/1/members/2/roles/3", true},
		{ROLE_TAKE, "DELETE", "https://discord.com/api/v10/guilds/1/members/2/roles/3", true},
	};
	struct fixture *f = *state;
	struct http_request request;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct role_call call = {.act = rows[i].act, .guild_id = 1, .user_id = 2, .role_id = 3};

		assert_int_equal(discord_role_request(f->arena, &f->config, &call, &request), OK);
		assert_string_equal(request.method, rows[i].method);
		assert_str(request.url, rows[i].url);
		assert_false(str_present(request.body));
		assert_str(header_of(&request, "Authorization"), "Bot discord-token");
		assert_true(str_present(header_of(&request, "X-Audit-Log-Reason")) == rows[i].reason);
	}
	f->config.discord_bot_token.bytes = STR("");
	assert_int_equal(discord_role_request(f->arena, &f->config, &(struct role_call){.act = ROLE_LOOK}, &request), INVALID);
}

static void test_every_answer_has_a_meaning(void **state)
{
	static const struct { int status; const char *body; enum role_answer of_look; enum role_answer of_change; } rows[] = {
		{403, CODE("50013"), ROLE_GUILD_REFUSED, ROLE_REFUSED},
		{403, CODE("50001"), ROLE_GUILD_REFUSED, ROLE_REFUSED},
		{403, CODE("0"), ROLE_GUILD_REFUSED, ROLE_REFUSED},
		{403, "error code: 1020", ROLE_FAILED, ROLE_FAILED}, /* Cloudflare's: about neither */
		{404, CODE("10011"), ROLE_FAILED, ROLE_REFUSED},
		{404, CODE("10007"), ROLE_NO_MEMBER, ROLE_NO_MEMBER},
		{404, CODE("10013"), ROLE_NO_MEMBER, ROLE_NO_MEMBER},
		{404, CODE("10004"), ROLE_GUILD_REFUSED, ROLE_GUILD_REFUSED},
		{400, CODE("50028"), ROLE_FAILED, ROLE_REFUSED},
		{401, CODE("0"), ROLE_BOT_REFUSED, ROLE_BOT_REFUSED},
		{500, "", ROLE_FAILED, ROLE_FAILED},
		{429, "{\"message\": \"words\", \"retry_after\": 1.5, \"global\": false}", ROLE_WAIT, ROLE_WAIT},
	};
	struct fixture *f = *state;
	struct arena *arena = f->arena;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(answer(arena, ROLE_LOOK, rows[i].status, rows[i].body).answer, rows[i].of_look);
		assert_int_equal(answer(arena, ROLE_GIVE, rows[i].status, rows[i].body).answer, rows[i].of_change);
		assert_int_equal(answer(arena, ROLE_TAKE, rows[i].status, rows[i].body).answer, rows[i].of_change);
	}
	struct role_result waits = answer(arena, ROLE_GIVE, rows[ARRAY_LEN(rows) - 1].status, rows[ARRAY_LEN(rows) - 1].body);

	assert_int_equal(waits.wait_us, 1500000);
	assert_false(waits.global);
	assert_true(answer(arena, ROLE_GIVE, 429, "error code: 1015").global);
	assert_int_equal(answer(arena, ROLE_GIVE, 204, "").answer, ROLE_DONE);
}

static void test_a_member_is_read_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct arena *arena = f->arena;
	struct role_result result = answer(arena, ROLE_LOOK, 200, "{\"roles\": [\"41771983423143936\", \"7\"]}");

	assert_int_equal(result.answer, ROLE_DONE);
	assert_int_equal(result.role_count, 2);
	assert_int_equal(result.roles[0], INT64_C(41771983423143936));
	assert_int_equal(answer(arena, ROLE_LOOK, 200, "{\"roles\": []}").answer, ROLE_DONE);
	assert_int_equal(answer(arena, ROLE_LOOK, 200, "{\"roles\": [7]}").answer, ROLE_FAILED);
	assert_int_equal(answer(arena, ROLE_LOOK, 200, "{\"roles\": [\"x\"]}").answer, ROLE_FAILED);
	assert_int_equal(answer(arena, ROLE_LOOK, 200, "{}").answer, ROLE_FAILED);
	assert_int_equal(answer(arena, ROLE_LOOK, 200, "").answer, ROLE_FAILED);
}

static void test_no_answer_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct role_call call = {.act = ROLE_GIVE};
	struct http_response response = {.outcome = HTTP_NO_ANSWER};

	assert_int_equal(discord_role_result(f->arena, &call, &response).answer, ROLE_UNHEARD);
	response.outcome = HTTP_NOT_SENT;
	assert_int_equal(discord_role_result(f->arena, &call, &response).answer, ROLE_UNHEARD);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_calls_are_as_documented),
		TEST(test_every_answer_has_a_meaning),
		TEST(test_a_member_is_read_whole_or_not_at_all),
		TEST(test_no_answer_says_nothing),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
