#include "platform_fixture.h"

#include "base/utf.h"
#include "command/command.h"
#include "platform/discord/discord.h"

#define NOBODY "\"allowed_mentions\":{\"parse\":[]}"
#define BARE "\"components\":[]," NOBODY

static const struct update command = {
	.platform = PLATFORM_DISCORD,
	.kind = UPDATE_COMMAND,
	.place = PLACE_GROUP,
	.interaction_token = STR_INIT("t"),
};

static const struct update button = {
	.platform = PLATFORM_DISCORD,
	.kind = UPDATE_BUTTON,
	.place = PLACE_PRIVATE,
	.message_id = 5,
	.interaction_token = STR_INIT("t"),
};

static struct str answer(struct fixture *f, const struct update *update, enum language language, const struct reply *reply)
{
	return discord_ops.answer(f->arena, &f->config, update, language, reply);
}

static struct update kind_of(enum update_kind kind)
{
	struct update update = command;

	update.kind = kind;
	return update;
}

static struct reply *says(struct fixture *f, struct str words)
{
	struct reply *reply = new_reply(f);

	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(words));
	return reply;
}

static struct str content_of(struct fixture *f, struct str body)
{
	const struct json *root = NULL;
	struct str content = STR_ABSENT;

	assert_int_equal(json_read(f->arena, body, &root), OK);
	assert_int_equal(json_get_str(json_get(root, "data"), "content", &content), OK);
	return content;
}

static struct reply *profile(struct fixture *f)
{
	struct reply *reply = new_reply(f);

	reply_line(reply, REPLY_TITLE, MSG_PROFILE_TITLE, (const struct text_arg[]){TEXT_STR(STR("_Ann_ @everyone"))}, 1);
	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(STR("F II")));
	reply_line(reply, REPLY_GAP, MESSAGE_NONE, NULL, 0);
	REPLY_SAY(reply, MSG_PROFILE_COINS, TEXT_INT(22));
	return reply;
}

static void renders_a_profile_in_both_languages(void **state)
{
	struct fixture *f = *state;

	assert_body(f, answer(f, &command, LANGUAGE_RU, profile(f)),
		"{\"type\":4,\"data\":{\"content\":\"**\\\\_Ann\\\\_ \\\\@everyone**\\nРанг: **F II**\\n\\nБаланс: **22** монеты\","
		"" BARE "}}");
	assert_body(f, answer(f, &command, LANGUAGE_EN, profile(f)),
		"{\"type\":4,\"data\":{\"content\":\"**\\\\_Ann\\\\_ \\\\@everyone**\\nRank: **F II**\\n\\nBalance: **22** coins\","
		"" BARE "}}");
}

static void renders_a_code_for_its_owner_only(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	int secret = reply_secret(reply, STR("ABC234"));

	reply->private = true;
	REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(secret));
	reply_link(reply, MSG_CODE_DEEP_LINK, STR("https://t.me/TrivetBot?start=link_{secret}"), secret);
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply),
		"{\"type\":4,\"data\":{\"content\":\"`ABC234`\",\"flags\":64," NOBODY ",\"components\":[{\"type\":1,"
		"\"components\":[{\"type\":2,\"style\":5,"
		"\"label\":\"Link Telegram\",\"url\":\"https://t.me/TrivetBot?start=link_ABC234\"}]}]}}");
	reply->secret_count = 0;
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply), "{\"type\":4,\"data\":{\"content\":\"`······`\",\"flags\":64," BARE "}}");
}

static void renders_buttons_in_rows_of_five(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, STR("x"));

	reply_button(reply, MSG_BUTTON_JOIN, STR("a"), REPLY_STYLE_PRIMARY);
	reply_button(reply, MSG_BUTTON_CANCEL, STR("b"), REPLY_STYLE_UNSET);
	reply_button(reply, MSG_BUTTON_UNLINK, STR("c"), REPLY_STYLE_DANGER);
	reply_button(reply, MSG_BUTTON_NOT_ME, STR("d"), REPLY_STYLE_UNSET);
	reply_button(reply, MSG_BUTTON_LANG_RU, STR("e"), REPLY_STYLE_UNSET);
	reply->buttons[reply->button_count++] = (struct reply_button){
		.kind = REPLY_BUTTON_WEB_APP, .label = MSG_BUTTON_CANCEL, .target = STR("/?startapp=support_ticket_5"), .secret_index = -1};
	assert_body(f, answer(f, &command, LANGUAGE_RU, reply),
		"{\"type\":4,\"data\":{\"content\":\"x\"," NOBODY ",\"components\":[{\"type\":1,\"components\":["
		"{\"type\":2,\"style\":1,\"label\":\"Да, объединить\",\"custom_id\":\"a\"},{\"type\":2,\"style\":2,"
		"\"label\":\"Отмена\",\"custom_id\":\"b\"},"
		"{\"type\":2,\"style\":4,\"label\":\"Отвязать\",\"custom_id\":\"c\"},{\"type\":2,\"style\":2,\"label\":\"Это не я\","
		"\"custom_id\":\"d\"},"
		"{\"type\":2,\"style\":2,\"label\":\"Русский\",\"custom_id\":\"e\"}]},{\"type\":1,\"components\":[{\"type\":2,"
		"\"style\":5,\"label\":\"Отмена\","
		"\"url\":\"https://app.example/?startapp=support_ticket_5\"}]}]}}");
	f->config.webapp_url = STR_ABSENT;
	reply->button_count = 0;
	reply->buttons[0] = reply->buttons[5];
	reply->button_count = 1;
	assert_body(f, answer(f, &command, LANGUAGE_RU, reply), "{\"type\":4,\"data\":{\"content\":\"x\"," BARE "}}");
}

static void words_of_both_languages_and_labels_with_an_argument(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);

	REPLY_SAY(reply, MSG_BADGES_OPEN, TEXT_WORDS(STR("*Богач*"), STR("*Rich*")), TEXT_STR(text_bar(f->arena, 1, 2)), TEXT_INT(1), TEXT_INT(2));
	reply_button_about(reply, MSG_NOTIFY_ROW_ON, TEXT_WORDS(STR("*Богач*"), STR("*Rich*")), STR("a"), REPLY_STYLE_UNSET);
	reply_button_about(reply, MSG_NOTIFY_ROW_OFF, TEXT_MESSAGE(MSG_NOTIFY_RANK), STR("b"), REPLY_STYLE_UNSET);
	assert_body(f, answer(f, &command, LANGUAGE_RU, reply),
		"{\"type\":4,\"data\":{\"content\":\"▫️ **\\\\*Богач\\\\*** ▰▰▰▰▰▱▱▱▱▱ 1/2\"," NOBODY ",\"components\":[{\"type\":1,"
		"\"components\":[{\"type\":2,\"style\":2,\"label\":\"✅ *Богач*\",\"custom_id\":\"a\"},"
		"{\"type\":2,\"style\":2,\"label\":\"▫️ Новый ранг\",\"custom_id\":\"b\"}]}]}}");
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply),
		"{\"type\":4,\"data\":{\"content\":\"▫️ **\\\\*Rich\\\\*** ▰▰▰▰▰▱▱▱▱▱ 1/2\"," NOBODY ",\"components\":[{\"type\":1,"
		"\"components\":[{\"type\":2,\"style\":2,\"label\":\"✅ *Rich*\",\"custom_id\":\"a\"},"
		"{\"type\":2,\"style\":2,\"label\":\"▫️ New rank\",\"custom_id\":\"b\"}]}]}}");
}

/* As many commands as the contract has, as long as those of today: still one message, on the platform that has less room. */
static void holds_the_help_of_every_command(void **state)
{
	struct fixture *f = *state;
	size_t count = 0;
	const struct command *rows = command_table(&count);
	struct reply *reply = new_reply(f);

	reply_line(reply, REPLY_TITLE, MSG_HELP_TITLE, NULL, 0);
	for (size_t i = 0; reply->line_count < 29; i = (i + 1) % count) {
		if (rows[i].kind == COMMAND_TYPED) {
			REPLY_SAY(reply, MSG_HELP_ROW, TEXT_STR(str_from_z(rows[i].name)), TEXT_MESSAGE(rows[i].description));
		}
	}
	for (int language = LANGUAGE_UNSET + 1; language < LANGUAGE_COUNT; language++) {
		struct str content = content_of(f, answer(f, &command, (enum language)language, reply));

		assert_false(str_ends(content, STR("…")));
		assert_in_range(utf_points(content), 500, DISCORD_TEXT_MAX);
	}
}

static void answers_buttons(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, STR("x"));
	struct update in_the_open = button;

	assert_body(f, answer(f, &button, LANGUAGE_EN, NULL), "{\"type\":6}");
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), "{\"type\":4,\"data\":{\"content\":\"x\"," BARE "}}");
	reply->replace = true;
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), "{\"type\":7,\"data\":{\"content\":\"x\"," BARE "}}");
	reply->private = true;
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), "{\"type\":7,\"data\":{\"content\":\"x\"," BARE "}}");
	/* A message that others see is not changed into what they may not read. */
	in_the_open.place = PLACE_GROUP;
	assert_body(f, answer(f, &in_the_open, LANGUAGE_EN, reply), "{\"type\":4,\"data\":{\"content\":\"x\",\"flags\":64," BARE "}}");
	reply->silent = true;
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), "{\"type\":6}");
}

static void opens_a_form(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	const char *golden = "{\"type\":9,\"data\":{\"custom_id\":\"code\",\"title\":\"Your link code\",\"components\":[{\"type\":18,"
			     "\"label\":\"The six symbols of the code\","
			     "\"component\":{\"type\":4,\"custom_id\":\"code\",\"style\":1,\"max_length\":6,\"required\":true}}]}}";
	struct update form = kind_of(UPDATE_FORM);

	reply->form = (struct reply_form){
		.title = MSG_CODE_TITLE, .label = MSG_ARG_CODE, .action = STR("code"), .field = STR("code"), .max_points = 6};
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply), golden);
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), golden);
	/* A form cannot answer a form. */
	assert_body(f, answer(f, &form, LANGUAGE_EN, reply), "{\"type\":4,\"data\":{\"content\":\"✅\",\"flags\":64," BARE "}}");
	reply->form.paragraph = true;
	reply->form.max_points = 0;
	assert_body(f, answer(f, &command, LANGUAGE_RU, reply),
		"{\"type\":9,\"data\":{\"custom_id\":\"code\",\"title\":\"Код для привязки\",\"components\":[{\"type\":18,"
		"\"label\":\"Шесть символов кода\","
		"\"component\":{\"type\":4,\"custom_id\":\"code\",\"style\":2,\"max_length\":4000,\"required\":true}}]}}");
}

static void answers_forms(void **state)
{
	struct fixture *f = *state;
	struct update form = kind_of(UPDATE_FORM);
	struct reply *reply = says(f, STR("x"));

	reply->replace = true;
	assert_body(f, answer(f, &form, LANGUAGE_EN, reply), "{\"type\":4,\"data\":{\"content\":\"x\"," BARE "}}");
	assert_body(f, answer(f, &form, LANGUAGE_EN, NULL), "{\"type\":4,\"data\":{\"content\":\"✅\",\"flags\":64," BARE "}}");
	form.message_id = 5;
	assert_body(f, answer(f, &form, LANGUAGE_EN, reply), "{\"type\":7,\"data\":{\"content\":\"x\"," BARE "}}");
	assert_body(f, answer(f, &form, LANGUAGE_EN, NULL), "{\"type\":6}");
}

static void always_answers_an_interaction(void **state)
{
	struct fixture *f = *state;
	struct update ping = kind_of(UPDATE_PING);
	struct update completion = kind_of(UPDATE_AUTOCOMPLETE);
	struct update ignored = kind_of(UPDATE_IGNORED);
	struct update event = kind_of(UPDATE_REACHABLE);
	const char *done = "{\"type\":4,\"data\":{\"content\":\"✅\",\"flags\":64," BARE "}}";

	assert_body(f, answer(f, &ping, LANGUAGE_EN, NULL), "{\"type\":1}");
	assert_body(f, answer(f, &completion, LANGUAGE_EN, NULL), "{\"type\":8,\"data\":{\"choices\":[]}}");
	assert_body(f, answer(f, &command, LANGUAGE_EN, NULL), done);
	assert_body(f, answer(f, &command, LANGUAGE_EN, new_reply(f)), done);
	assert_body(f, answer(f, &ignored, LANGUAGE_EN, NULL),
		"{\"type\":4,\"data\":{\"content\":\"This command does not work here.\",\"flags\":64," BARE "}}");
	assert_false(str_present(answer(f, &event, LANGUAGE_EN, NULL)));
	/* An ignored webhook event has no token: 204 is its answer. */
	ignored.interaction_token = STR_ABSENT;
	assert_false(str_present(answer(f, &ignored, LANGUAGE_EN, NULL)));
}

static void defers(void **state)
{
	struct fixture *f = *state;

	assert_body(f, discord_deferred(f->arena, true), "{\"type\":5,\"data\":{\"flags\":64}}");
	assert_body(f, discord_deferred(f->arena, false), "{\"type\":5}");
}

static void escapes_all_markup(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *words;
		const char *shown;
	} cases[] = {
		{"*b* _i_ ~~s~~ ||x||", "\\*b\\* \\_i\\_ \\~\\~s\\~\\~ \\|\\|x\\|\\|"},
		{"`code` \\", "\\`code\\` \\\\"},
		{"> quote", "\\> quote"},
		{">>> quote\na > b", "\\>>> quote\na > b"},
		{"# title\n ## title\nissue #5", "\\# title\n \\## title\nissue #5"},
		{"- item\n-# small\nwell-known", "\\- item\n\\-# small\nwell-known"},
		{"+ item + more", "\\+ item + more"},
		{"* item", "\\* item"},
		{"1. item\n 23. item", "1\\. item\n 23\\. item"},
		{"10.5 or a.b", "10\\.5 or a.b"},
		{"x 10.5", "x 10.5"},
		{". first", ". first"},
		{"[text](https://evil.example)", "\\[text\\](https\\://evil.example)"},
		{"<@5> <#5> <t:1> <:x:5> @everyone @here", "\\<\\@5> \\<#5> \\<t\\:1> \\<\\:x\\:5> \\@everyone \\@here"},
		{":smile: x: y", "\\:smile: x: y"},
		{"x:", "x\\:"},
		{"Привет, frog 🐸!", "Привет, frog 🐸!"},
	};
	struct reply *reply = new_reply(f);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_str(content_of(f, answer(f, &command, LANGUAGE_EN, says(f, str_from_z(cases[i].words)))), cases[i].shown);
	}
	/* In a code span nothing is escaped, and nothing closes it early. */
	(void)reply_secret(reply, STR("a_`b`*@"));
	REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(0));
	assert_str(content_of(f, answer(f, &command, LANGUAGE_EN, reply)), "`a_ˋbˋ*@`");
}

static void cuts_long_texts(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, repeated(f, "я", 1000));
	struct str content;

	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(repeated(f, "b", 999)));
	assert_int_equal(utf_points(content_of(f, answer(f, &command, LANGUAGE_EN, reply))), 2000);
	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(STR("c")));
	content = content_of(f, answer(f, &command, LANGUAGE_EN, reply));
	assert_int_equal(utf_points(content), 1000 + 2);
	assert_true(str_ends(content, STR("я\n…")));
	/* The mark that something is missing needs its own room. */
	reply = says(f, repeated(f, "a", 1999));
	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(STR("b")));
	content = content_of(f, answer(f, &command, LANGUAGE_EN, reply));
	assert_true(utf_points(content) <= 2000);
	assert_true(str_ends(content, STR("a…")));
	/* Backslashes count on Discord. */
	content = content_of(f, answer(f, &command, LANGUAGE_EN, says(f, repeated(f, "*", 1001))));
	assert_int_equal(utf_points(content), 500 * 2 + 1);
	assert_true(str_ends(content, STR("\\*…")));
}

static void never_answers_half_a_body(void **state)
{
	struct fixture *f = *state;
	struct arena *small = arena_new(1500);
	struct reply *reply = profile(f);

	json_bind_arena(small);
	assert_false(str_present(discord_ops.answer(small, &f->config, &command, LANGUAGE_EN, reply)));
	assert_true(arena_failed(small));
	json_bind_arena(f->arena);
	arena_free(small);
	assert_false(str_present(answer(f, &command, LANGUAGE_EN, says(f, STR("\xFF")))));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(renders_a_profile_in_both_languages),
		TEST(renders_a_code_for_its_owner_only),
		TEST(renders_buttons_in_rows_of_five),
		TEST(words_of_both_languages_and_labels_with_an_argument),
		TEST(holds_the_help_of_every_command),
		TEST(answers_buttons),
		TEST(opens_a_form),
		TEST(answers_forms),
		TEST(always_answers_an_interaction),
		TEST(defers),
		TEST(escapes_all_markup),
		TEST(cuts_long_texts),
		TEST(never_answers_half_a_body),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
