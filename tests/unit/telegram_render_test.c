#include "platform_fixture.h"

#include "base/utf.h"

#define NO_PREVIEW "\"link_preview_options\":{\"is_disabled\":true}"
#define HTML "\"parse_mode\":\"HTML\"," NO_PREVIEW

static const struct update command = {
	.platform = PLATFORM_TELEGRAM,
	.kind = UPDATE_COMMAND,
	.actor = {.platform = PLATFORM_TELEGRAM, .platform_id = 42},
	.place = PLACE_PRIVATE,
	.chat_id = 42,
	.message_id = 9,
};

static const struct update group_command = {
	.platform = PLATFORM_TELEGRAM,
	.kind = UPDATE_COMMAND,
	.actor = {.platform = PLATFORM_TELEGRAM, .platform_id = 42},
	.place = PLACE_GROUP,
	.chat_id = -100,
	.message_id = 9,
};

static const struct update button = {
	.platform = PLATFORM_TELEGRAM,
	.kind = UPDATE_BUTTON,
	.actor = {.platform = PLATFORM_TELEGRAM, .platform_id = 42},
	.place = PLACE_PRIVATE,
	.chat_id = 42,
	.message_id = 9,
	.callback_id = STR_INIT("77"),
};

static struct str answer(struct fixture *f, const struct update *update, enum language language, const struct reply *reply)
{
	return telegram_ops.answer(f->arena, &f->config, update, language, reply);
}

static struct str member_of(struct fixture *f, struct str body, const char *name)
{
	const struct json *root = NULL;
	struct str value = STR_ABSENT;

	assert_int_equal(json_read(f->arena, body, &root), OK);
	assert_int_equal(json_get_str(root, name, &value), OK);
	return value;
}

static struct str text_of(struct fixture *f, struct str body)
{
	return member_of(f, body, "text");
}

static struct reply *says(struct fixture *f, struct str words)
{
	struct reply *reply = new_reply(f);

	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(words));
	return reply;
}

static struct reply *profile(struct fixture *f)
{
	struct reply *reply = new_reply(f);

	reply_line(reply, REPLY_TITLE, MSG_PROFILE_TITLE, (const struct text_arg[]){TEXT_STR(STR("<Ann> & \"Bob\""))}, 1);
	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(STR("F II")));
	reply_line(reply, REPLY_GAP, MESSAGE_NONE, NULL, 0);
	REPLY_SAY(reply, MSG_PROFILE_COINS, TEXT_INT(21));
	return reply;
}

static void renders_a_profile_in_both_languages(void **state)
{
	struct fixture *f = *state;

	assert_body(f, answer(f, &command, LANGUAGE_RU, profile(f)),
		"{\"method\":\"sendMessage\",\"chat_id\":42,"
		"\"text\":\"<b>&lt;Ann&gt; &amp; &quot;Bob&quot;</b>\\nРанг: <b>F II</b>\\n\\n"
		"Баланс: <b>21</b> монета\"," HTML "}");
	assert_body(f, answer(f, &command, LANGUAGE_EN, profile(f)),
		"{\"method\":\"sendMessage\",\"chat_id\":42,"
		"\"text\":\"<b>&lt;Ann&gt; &amp; &quot;Bob&quot;</b>\\nRank: <b>F II</b>\\n\\n"
		"Balance: <b>21</b> coins\"," HTML "}");
}

static void renders_a_code_and_its_link(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	int secret = reply_secret(reply, STR("ABC234"));
	const char *golden = "{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"<code>ABC234</code>\"," HTML ","
			     "\"reply_markup\":{\"inline_keyboard\":[[{\"text\":"
			     "\"Link Telegram\",\"url\":\"https://t.me/TrivetBot?start=link_ABC234\"}]]}}";

	reply->private = true;
	REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(secret));
	reply_link(reply, MSG_CODE_DEEP_LINK, STR("https://t.me/TrivetBot?start=link_{secret}"), secret);
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply), golden);
	/* The secret is over: neither the code nor a link that leads nowhere. */
	reply->secret_count = 0;
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply), "{\"method\":\"sendMessage\",\"chat_id\":42,"
								"\"text\":\"<code>······</code>\"," HTML "}");
}

static void renders_a_confirmation(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);

	reply_line(reply, REPLY_TITLE, MSG_CONFIRM_TITLE, NULL, 0);
	reply_button(reply, MSG_BUTTON_JOIN, STR("join:yes"), REPLY_STYLE_PRIMARY);
	reply_button(reply, MSG_BUTTON_CANCEL, STR("join:no"), REPLY_STYLE_UNSET);
	reply_button(reply, MSG_BUTTON_UNLINK, STR("unlink"), REPLY_STYLE_DANGER);
	assert_body(f, answer(f, &command, LANGUAGE_RU, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"<b>Объединить аккаунты?</b>\"," HTML ","
		"\"reply_markup\":{\"inline_keyboard\":["
		"[{\"text\":\"Да, объединить\",\"callback_data\":\"join:yes\",\"style\":\"primary\"},{\"text\":\"Отмена\","
		"\"callback_data\":\"join:no\"}],"
		"[{\"text\":\"Отвязать\",\"callback_data\":\"unlink\",\"style\":\"danger\"}]]}}");
}

static void words_of_both_languages_and_labels_with_an_argument(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);

	REPLY_SAY(reply, MSG_HISTORY_XP_OF, TEXT_DATE(0), TEXT_MESSAGE(MSG_KIND_BADGE), TEXT_WORDS(STR("<Богач>"), STR("<Rich>")),
	          TEXT_SIGNED(-5));
	reply_button_about(reply, MSG_BUTTON_NAME_KEEP, TEXT_STR(STR("<b>&Anna")), STR("a"), REPLY_STYLE_UNSET);
	assert_body(f, answer(f, &command, LANGUAGE_RU, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"01.01.1970 · Значок «&lt;Богач&gt;»: −5 XP\"," HTML ","
		"\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Оставить <b>&Anna\",\"callback_data\":\"a\"}]]}}");
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"1970-01-01 · Badge “&lt;Rich&gt;”: −5 XP\"," HTML ","
		"\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Keep <b>&Anna\",\"callback_data\":\"a\"}]]}}");
}

static void opens_web_apps_from_private_chats_only(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, STR("x"));

	reply->buttons[reply->button_count++] = (struct reply_button){
		.kind = REPLY_BUTTON_WEB_APP, .label = MSG_BUTTON_CANCEL, .target = STR("/?startapp=support_ticket_5"), .secret_index = -1};
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"x\"," HTML ","
		"\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Cancel\","
		"\"web_app\":{\"url\":\"https://app.example/?startapp=support_ticket_5\"}}]]}}");
	assert_body(f, answer(f, &group_command, LANGUAGE_EN, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":-100,\"text\":\"x\"," HTML ","
		"\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Cancel\","
		"\"url\":\"https://app.example/?startapp=support_ticket_5\"}]]},\"reply_parameters\":{\"message_id\":9,"
		"\"allow_sending_without_reply\":true}}");
	f->config.webapp_url = STR("");
	assert_body(f, answer(f, &command, LANGUAGE_EN, reply), "{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"x\"," HTML "}");
}

static void keeps_private_replies_out_of_groups(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, STR("mine"));
	struct update pressed = button;

	assert_body(f, answer(f, &group_command, LANGUAGE_EN, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":-100,\"text\":\"mine\"," HTML
		",\"reply_parameters\":{\"message_id\":9,\"allow_sending_without_reply\":true}}");
	reply->private = true;
	assert_body(f, answer(f, &group_command, LANGUAGE_EN, reply), "{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"mine\","
								      "" HTML "}");
	/* A button in a group: the notice is seen by the presser only; an edit would be seen by all. */
	pressed.place = PLACE_GROUP;
	pressed.chat_id = -100;
	reply->replace = true;
	assert_body(f, answer(f, &pressed, LANGUAGE_EN, reply), "{\"method\":\"answerCallbackQuery\",\"callback_query_id\":\"77\","
								"\"text\":\"mine\"}");
	reply_button(reply, MSG_BUTTON_CANCEL, STR("no"), REPLY_STYLE_UNSET);
	assert_body(f, answer(f, &pressed, LANGUAGE_EN, reply),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"mine\"," HTML
		",\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Cancel\",\"callback_data\":\"no\"}]]}}");
}

static void answers_buttons(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, STR("a<b"));
	struct update inline_button = button;

	assert_body(f, answer(f, &button, LANGUAGE_EN, NULL), "{\"method\":\"answerCallbackQuery\",\"callback_query_id\":\"77\"}");
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), "{\"method\":\"answerCallbackQuery\",\"callback_query_id\":\"77\","
							       "\"text\":\"a<b\"}");
	reply->replace = true;
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply),
		"{\"method\":\"editMessageText\",\"chat_id\":42,\"message_id\":9,\"text\":\"a&lt;b\"," HTML "}");
	/* Sent inline: there is no message of ours to change. */
	inline_button.chat_id = 0;
	inline_button.message_id = 0;
	assert_body(f, answer(f, &inline_button, LANGUAGE_EN, reply),
		"{\"method\":\"answerCallbackQuery\",\"callback_query_id\":\"77\",\"text\":\"a<b\"}");
	reply->silent = true;
	assert_body(f, answer(f, &button, LANGUAGE_EN, reply), "{\"method\":\"answerCallbackQuery\",\"callback_query_id\":\"77\"}");
}

static void shows_as_a_notice_only_what_may_vanish(void **state)
{
	struct fixture *f = *state;
	struct reply *two_lines = says(f, STR("a"));
	struct reply *with_secret = new_reply(f);
	struct reply *fits;
	struct reply *too_long;

	REPLY_SAY(two_lines, MSG_PLAIN, TEXT_STR(STR("b")));
	assert_body(f, answer(f, &button, LANGUAGE_EN, two_lines), "{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"a\\nb\","
								   "" HTML "}");
	assert_body(f, answer(f, &button, LANGUAGE_EN, says(f, STR("a\nb"))),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"a\\nb\"," HTML "}");
	(void)reply_secret(with_secret, STR("ABC234"));
	REPLY_SAY(with_secret, MSG_CODE_SHOW, TEXT_SECRET(0));
	assert_body(f, answer(f, &button, LANGUAGE_EN, with_secret),
		"{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"<code>ABC234</code>\"," HTML "}");
	/* 200 UTF-16 units fit, 201 do not: a frog is two. */
	fits = says(f, repeated(f, "\xF0\x9F\x90\xB8", 100));
	assert_str(member_of(f, answer(f, &button, LANGUAGE_EN, fits), "method"), "answerCallbackQuery");
	too_long = says(f, repeated(f, "\xF0\x9F\x90\xB8", 101));
	assert_str(member_of(f, answer(f, &button, LANGUAGE_EN, too_long), "method"), "sendMessage");
}

static void says_nothing_where_nothing_is_read(void **state)
{
	struct fixture *f = *state;
	static const enum update_kind kinds[] = {UPDATE_IGNORED, UPDATE_REACHABLE, UPDATE_UNREACHABLE, UPDATE_PING};
	struct reply *reply = says(f, STR("x"));
	struct update update = command;

	assert_false(str_present(answer(f, &command, LANGUAGE_EN, NULL)));
	assert_false(str_present(answer(f, &command, LANGUAGE_EN, new_reply(f))));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		update.kind = kinds[i];
		assert_false(str_present(answer(f, &update, LANGUAGE_EN, reply)));
	}
	reply->silent = true;
	assert_false(str_present(answer(f, &command, LANGUAGE_EN, reply)));
}

static void cuts_long_texts_at_a_line(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = says(f, repeated(f, "<", 4000));
	struct str text;

	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(repeated(f, "b", 80)));
	/* 4000 + 1 + 6 + 80: entities and tags do not count. */
	text = text_of(f, answer(f, &command, LANGUAGE_EN, reply));
	assert_int_equal(text.len, 4000 * 4 + 1 + 6 + 7 + 80);
	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(repeated(f, "c", 10)));
	text = text_of(f, answer(f, &command, LANGUAGE_EN, reply));
	assert_true(str_ends(text, STR("</b>\n\xE2\x80\xA6")));
	assert_int_equal(text.len, 4000 * 4 + 1 + 6 + 7 + 80 + 4);
}

static void cuts_words_where_one_line_is_too_long(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = new_reply(f);
	struct str text;

	REPLY_SAY(reply, MSG_PROFILE_RANK, TEXT_STR(repeated(f, "\xF0\x9F\x90\xB8", 3000)));
	text = text_of(f, answer(f, &command, LANGUAGE_EN, reply));
	assert_true(str_starts(text, STR("Rank: <b>\xF0\x9F\x90\xB8")));
	assert_true(str_ends(text, STR("\xF0\x9F\x90\xB8\xE2\x80\xA6</b>")));
	assert_true(utf_units16(text) <= 4096 + 7);
	assert_true(utf_units16(text) > 2000);
	/* Larger than any buffer. */
	reply = says(f, repeated(f, "&", 300000));
	text = text_of(f, answer(f, &command, LANGUAGE_EN, reply));
	assert_true(str_starts(text, STR("&amp;&amp;")) && str_ends(text, STR(";\xE2\x80\xA6")));
}

static void never_answers_half_a_body(void **state)
{
	struct fixture *f = *state;
	struct arena *small = arena_new(1500);
	struct reply *reply = profile(f);

	json_bind_arena(small);
	assert_false(str_present(telegram_ops.answer(small, &f->config, &command, LANGUAGE_EN, reply)));
	assert_true(arena_failed(small));
	json_bind_arena(f->arena);
	arena_free(small);
	/* Nor words that are no UTF-8. */
	assert_false(str_present(answer(f, &command, LANGUAGE_EN, says(f, STR("\xFF")))));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(renders_a_profile_in_both_languages),
		TEST(renders_a_code_and_its_link),
		TEST(renders_a_confirmation),
		TEST(words_of_both_languages_and_labels_with_an_argument),
		TEST(opens_web_apps_from_private_chats_only),
		TEST(keeps_private_replies_out_of_groups),
		TEST(answers_buttons),
		TEST(shows_as_a_notice_only_what_may_vanish),
		TEST(says_nothing_where_nothing_is_read),
		TEST(cuts_long_texts_at_a_line),
		TEST(cuts_words_where_one_line_is_too_long),
		TEST(never_answers_half_a_body),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
