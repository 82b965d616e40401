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

/* ---- Linked Roles ---- */

static void test_three_records_are_registered(void **state)
{
	struct fixture *f = *state;
	const struct json *list = NULL;

	assert_int_equal(json_read(f->arena, discord_linked_records(f->arena), &list), OK);
	assert_int_equal(json_length(list), 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const keys[] = {"rank", "xp", "days"};
		struct str key = STR_ABSENT;

		assert_int_equal(json_get_str(json_array_at(list, i), "key", &key), OK);
		assert_str(key, keys[i]);
	}
}

static void test_a_person_is_shown_as_himself(void **state)
{
	static const struct linked_profile profile = {STR_INIT("E II"), 5, 3500, 42};
	struct fixture *f = *state;
	struct http_request request;

	assert_int_equal(discord_linked_show(f->arena, &f->config, STR("a.b-c"), &profile, &request), OK);
	assert_string_equal(request.method, "PUT");
	assert_str(request.url, "https://discord.com/api/v10/users/@me/applications/845027738276462632/role-connection");
	assert_str(header_of(&request, "Authorization"), "Bearer a.b-c");
	assert_body(f, request.body, "{\"platform_name\": \"Trivet\", \"platform_username\": \"E II\","
	                             " \"metadata\": {\"rank\": \"5\", \"xp\": \"3500\", \"days\": \"42\"}}");
	assert_int_equal(discord_linked_show(f->arena, &f->config, STR("a\r\nb"), &profile, &request), INVALID);
}

static void test_a_refresh_is_a_form_without_the_bots_token(void **state)
{
	struct fixture *f = *state;
	struct http_request request;

	assert_int_equal(discord_linked_refresh(f->arena, &f->config, STR("r/1"), &request), INVALID); /* no client secret */
	f->config.discord_client_secret.bytes = STR("s&t=u");
	f->config.discord_client_id = STR("845027738276462632");
	assert_int_equal(discord_linked_refresh(f->arena, &f->config, STR("r/1"), &request), OK);
	assert_str(request.url, "https://discord.com/api/v10/oauth2/token");
	assert_str(request.body, "grant_type=refresh_token&refresh_token=r%2F1&client_id=845027738276462632&client_secret=s%26t%3Du");
	assert_str(header_of(&request, "Content-Type"), "application/x-www-form-urlencoded");
	assert_false(str_present(header_of(&request, "Authorization")));
}

static void test_answers_about_a_person_and_his_tokens(void **state)
{
	static const struct { int status; const char *body; enum linked_answer of_show; enum linked_answer of_refresh; } rows[] = {
		{200, "{}", LINKED_DONE, LINKED_FAILED}, /* no tokens in it */
		{200, "{\"access_token\": \"a\", \"refresh_token\": \"b\", \"expires_in\": 604800}", LINKED_DONE, LINKED_DONE},
		{200, "{\"access_token\": \"a\", \"refresh_token\": \"b\", \"expires_in\": 0}", LINKED_DONE, LINKED_FAILED},
		{200, "{\"access_token\": \"a b\", \"refresh_token\": \"b\", \"expires_in\": 604800}", LINKED_DONE, LINKED_FAILED},
		{401, CODE("0"), LINKED_TOKEN_REFUSED, LINKED_CLIENT_REFUSED},
		{401, "{\"error\": \"invalid_client\"}", LINKED_TOKEN_REFUSED, LINKED_CLIENT_REFUSED},
		{400, "{\"error\": \"invalid_grant\"}", LINKED_FAILED, LINKED_ENDED},
		{400, "{\"error\": \"invalid_request\"}", LINKED_FAILED, LINKED_FAILED},
		{403, CODE("50001"), LINKED_ENDED, LINKED_FAILED},
		{403, "error code: 1020", LINKED_FAILED, LINKED_FAILED},
		{429, "{\"message\": \"words\", \"retry_after\": 2, \"global\": false}", LINKED_WAIT, LINKED_WAIT},
		{503, "", LINKED_FAILED, LINKED_FAILED},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_response response = {.outcome = HTTP_ANSWERED, .status = rows[i].status, .body = str_from_z(rows[i].body)};

		assert_int_equal(discord_linked_show_result(f->arena, &response).answer, rows[i].of_show);
		assert_int_equal(discord_linked_refresh_result(f->arena, &response).answer, rows[i].of_refresh);
		response.outcome = HTTP_NO_ANSWER;
		assert_int_equal(discord_linked_show_result(f->arena, &response).answer, LINKED_UNHEARD);
		assert_int_equal(discord_linked_refresh_result(f->arena, &response).answer, LINKED_UNHEARD);
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_calls_are_as_documented),
		TEST(test_every_answer_has_a_meaning),
		TEST(test_a_member_is_read_whole_or_not_at_all),
		TEST(test_no_answer_says_nothing),
		TEST(test_three_records_are_registered),
		TEST(test_a_person_is_shown_as_himself),
		TEST(test_a_refresh_is_a_form_without_the_bots_token),
		TEST(test_answers_about_a_person_and_his_tokens),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
