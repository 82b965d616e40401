#include "platform_fixture.h"

#define FROM \
	"\"from\":{\"id\":42,\"is_bot\":false,\"first_name\":\"Ann\",\"last_name\":\"Lee\"," \
	"\"username\":\"ann_lee\",\"language_code\":\"ru\"}"
#define PRIVATE "\"chat\":{\"id\":42,\"type\":\"private\",\"first_name\":\"Ann\"}"
#define GROUP "\"chat\":{\"id\":-1001234567890,\"type\":\"supergroup\",\"title\":\"The Community\"}"
#define MESSAGE_OF(rest) "{\"update_id\":7,\"message\":{\"message_id\":9,\"date\":1763644000," rest "}}"

static struct update read_body(struct fixture *f, const char *body)
{
	struct update update = {0};

	assert_int_equal(telegram_ops.read(f->arena, &f->config, TEST_BOT, str_from_z(body), &update), OK);
	assert_int_equal(update.platform, PLATFORM_TELEGRAM);
	return update;
}

static void reads_a_command_whole(void **state)
{
	struct update u = read_body(*state, MESSAGE_OF(FROM "," PRIVATE ",\"text\":\"/Code  abc 234 \",\"entities\":"
							    "[{\"offset\":0,\"length\":5,\"type\":\"bot_command\"}]"));

	assert_int_equal(u.kind, UPDATE_COMMAND);
	assert_int_equal(u.place, PLACE_PRIVATE);
	assert_str(u.bot, "main");
	assert_str(u.key, "telegram:main:7");
	assert_str(u.command, "code");
	assert_str(u.text, "abc 234");
	assert_int_equal(u.chat_id, 42);
	assert_int_equal(u.message_id, 9);
	assert_int_equal(u.sent_at, INT64_C(1763644000000000));
	assert_int_equal(u.actor.platform, PLATFORM_TELEGRAM);
	assert_int_equal(u.actor.platform_id, 42);
	assert_str(u.actor.name, "Ann Lee");
	assert_str(u.actor.username, "ann_lee");
	assert_str(u.actor.language_hint, "ru");
	assert_false(u.not_own_words);
}

static void keeps_start_payloads_in_text(void **state)
{
	struct update u = read_body(*state, MESSAGE_OF(FROM "," PRIVATE ",\"text\":\"/start link_AbC-_9\",\"entities\":"
							    "[{\"offset\":0,\"length\":6,\"type\":\"bot_command\"}]"));

	assert_str(u.command, "start");
	assert_str(u.text, "link_AbC-_9");
}

struct words_case {
	const char *name;
	const char *rest; /* of the message */
	enum update_kind kind;
	const char *command; /* NULL: absent */
	const char *text;
};

#define COMMAND_ENTITY(length) ",\"entities\":[{\"offset\":0,\"length\":" length ",\"type\":\"bot_command\"}]"

static const struct words_case words_cases[] = {
	{"no entities", PRIVATE ",\"text\":\"/profile\"", UPDATE_COMMAND, "profile", ""},
	{"empty entities", PRIVATE ",\"text\":\"/top week\",\"entities\":[]", UPDATE_COMMAND, "top", "week"},
	{"line feed after the command", PRIVATE ",\"text\":\"/ticket\\nhelp\"", UPDATE_COMMAND, "ticket", "help"},
	{"emoji and tag after the command", PRIVATE ",\"text\":\"/ticket \xF0\x9F\x98\x80 #x\",\"entities\":[{\"offset\":11,\"length\":2,"
						    "\"type\":\"hashtag\"},{\"offset\":0,\"length\":7,\"type\":\"bot_command\"}]",
		UPDATE_COMMAND, "ticket", "\xF0\x9F\x98\x80 #x"},
	{"command later", PRIVATE ",\"text\":\"see /help\",\"entities\":[{\"offset\":4,\"length\":5,"
				  "\"type\":\"bot_command\"}]",
		UPDATE_TEXT, NULL,
		"see /help"},
	{"slash that Telegram takes for none", PRIVATE ",\"text\":\"/x y@z.org\",\"entities\":[{\"offset\":3,\"length\":7,"
						       "\"type\":\"email\"}]",
		UPDATE_TEXT, NULL, "/x y@z.org"},
	{"entity past the end", PRIVATE ",\"text\":\"/help\"" COMMAND_ENTITY("99"), UPDATE_TEXT, NULL, "/help"},
	{"entity that splits a pair", PRIVATE ","
					      "\"text\":\"/\xF0\x9F\x98\x80\"" COMMAND_ENTITY("2"),
		UPDATE_TEXT, NULL, "/\xF0\x9F\x98\x80"},
	{"no name", PRIVATE ",\"text\":\"/ help\"", UPDATE_TEXT, NULL, "/ help"},
	{"letters of no command", PRIVATE ",\"text\":\"/\xD0\xBF\xD1\x80\"", UPDATE_TEXT, NULL, "/\xD0\xBF\xD1\x80"},
	{"our name", GROUP ",\"text\":\"/top@trivetbot xp\"" COMMAND_ENTITY("14"), UPDATE_COMMAND, "top", "xp"},
	{"another's name in a group", GROUP ",\"text\":\"/top@OtherBot\"" COMMAND_ENTITY("13"), UPDATE_IGNORED, NULL, NULL},
	{"another's name in private", PRIVATE ",\"text\":\"/top@OtherBot\"" COMMAND_ENTITY("13"), UPDATE_COMMAND, "top", ""},
	{"command in a group", GROUP ",\"text\":\"/top\"" COMMAND_ENTITY("4"), UPDATE_COMMAND, "top", ""},
	{"command in a caption", PRIVATE ",\"photo\":[],\"caption\":\"/ticket broken\",\"caption_entities\":[{\"offset\":0,\"length\":7,"
					 "\"type\":"
					 "\"bot_command\"}]",
		UPDATE_COMMAND, "ticket", "broken"},
	{"plain text", PRIVATE ",\"text\":\"  hello \"", UPDATE_TEXT, NULL, "hello"},
	{"caption", PRIVATE ",\"photo\":[],\"caption\":\"look\"", UPDATE_TEXT, NULL, "look"},
	{"photo alone in private", PRIVATE ",\"photo\":[]", UPDATE_IGNORED, NULL, NULL},
	{"text in a group", GROUP ",\"text\":\"hello all\"", UPDATE_MESSAGE, NULL, "hello all"},
	{"text in an old group", "\"chat\":{\"id\":-5,\"type\":\"group\"},\"text\":\"hi\"", UPDATE_MESSAGE, NULL, "hi"},
	{"sticker in a group", GROUP ",\"sticker\":{\"file_id\":\"x\"}", UPDATE_MESSAGE, NULL, ""},
	{"somebody joined", GROUP ",\"new_chat_members\":[{\"id\":42}]", UPDATE_IGNORED, NULL, NULL},
	{"payment", PRIVATE ",\"successful_payment\":{\"currency\":\"XTR\"}", UPDATE_IGNORED, NULL, NULL},
};

static void reads_words(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(words_cases); i++) {
		const struct words_case *c = &words_cases[i];
		struct str body = str_printf(f->arena, "{\"update_id\":7,\"message\":{\"message_id\":9,\"date\":1," FROM ",%s}}", c->rest);
		struct update u = read_body(f, str_z(f->arena, body));

		if (u.kind != c->kind) {
			fail_msg("%s: kind %d", c->name, (int)u.kind);
		}
		if (c->command != NULL) {
			assert_str(u.command, c->command);
		} else {
			assert_false(str_present(u.command));
		}
		if (c->text != NULL) {
			assert_str(u.text, c->text);
		}
	}
}

static void runs_no_forwarded_command(void **state)
{
	struct update u = read_body(*state, MESSAGE_OF(FROM "," PRIVATE ",\"text\":\"/start ref_X\","
							    "\"forward_origin\":{\"type\":\"user\"}"));

	assert_int_equal(u.kind, UPDATE_TEXT);
	assert_true(u.not_own_words);
	assert_false(str_present(u.command));
	u = read_body(*state, MESSAGE_OF(FROM "," GROUP ",\"text\":\"/top\",\"forward_date\":5"));
	assert_int_equal(u.kind, UPDATE_MESSAGE);
	assert_true(u.not_own_words);
}

static void ignores_what_no_person_said(void **state)
{
	static const char *const bodies[] = {
		"{\"update_id\":7}",
		"{\"update_id\":7,\"something_new\":{\"deep\":[1,{}]}}",
		"{\"update_id\":7,\"edited_message\":{\"message_id\":9,\"date\":1," FROM "," PRIVATE ",\"text\":\"/unlink\"}}",
		"{\"update_id\":7,\"channel_post\":{\"message_id\":9}}",
		"{\"update_id\":7,\"pre_checkout_query\":{\"id\":\"1\"}}",
		MESSAGE_OF(GROUP ",\"text\":\"/top\""),
		MESSAGE_OF(FROM ",\"chat\":{\"id\":-100,\"type\":\"channel\"},\"text\":\"/top\""),
		MESSAGE_OF(FROM ",\"chat\":{\"id\":-100,\"type\":\"planet\"},\"text\":\"/top\""),
		MESSAGE_OF("\"from\":{\"id\":43,\"is_bot\":true}," GROUP ",\"text\":\"/top\""),
		MESSAGE_OF("\"from\":{\"id\":777000,\"is_bot\":false}," GROUP ",\"text\":\"post\""),
		MESSAGE_OF(FROM "," GROUP ",\"text\":\"/code ABC234\",\"sender_chat\":{\"id\":-100,\"type\":\"channel\"}"),
		MESSAGE_OF(FROM "," GROUP ",\"text\":\"post\",\"is_automatic_forward\":true"),
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct update u = read_body(*state, bodies[i]);

		if (u.kind != UPDATE_IGNORED) {
			fail_msg("not ignored: %s", bodies[i]);
		}
		assert_str(u.key, "telegram:main:7");
		assert_false(str_present(u.command));
	}
}

static void refuses_what_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	static const char *const bodies[] = {
		"",
		"[]",
		"hello",
		"{\"update_id\":7",
		"{}",
		"{\"update_id\":\"7\"}",
		"{\"update_id\":7.0}",
		"{\"update_id\":-1}",
		"{\"update_id\":9223372036854775808}",
		"{\"update_id\":7,\"update_id\":8}",
		"{\"update_id\":7,\"message\":5}",
		"{\"update_id\":7,\"message\":{}}",
		"{\"update_id\":7,\"message\":{\"message_id\":9," FROM ",\"chat\":{\"id\":\"42\",\"type\":\"private\"}}}",
		"{\"update_id\":7,\"message\":{\"message_id\":9," FROM ",\"chat\":{\"id\":42}}}",
		"{\"update_id\":7,\"message\":{\"message_id\":9," FROM ",\"chat\":{\"id\":0,\"type\":\"private\"}}}",
		"{\"update_id\":7,\"message\":{" FROM "," PRIVATE ",\"text\":\"/top\"}}",
		"{\"update_id\":7,\"message\":{\"message_id\":9,\"date\":\"now\"," FROM "," PRIVATE ",\"text\":\"/top\"}}",
		"{\"update_id\":7,\"message\":{\"message_id\":9,\"date\":9223372036854775807," FROM "," PRIVATE ",\"text\":\"/top\"}}",
		MESSAGE_OF("\"from\":{\"id\":0}," PRIVATE),
		MESSAGE_OF("\"from\":{\"id\":4.2e1}," PRIVATE),
		MESSAGE_OF("\"from\":{\"id\":\"42\"}," PRIVATE),
		MESSAGE_OF("\"from\":\"42\"," PRIVATE),
		"{\"update_id\":7,\"callback_query\":{" FROM ",\"data\":\"x\"}}",
		"{\"update_id\":7,\"callback_query\":{\"id\":\"\"," FROM ",\"data\":\"x\"}}",
		"{\"update_id\":7,\"callback_query\":{\"id\":\"1\",\"data\":\"x\"}}",
		"{\"update_id\":7,\"callback_query\":{\"id\":\"1\"," FROM ",\"message\":{\"message_id\":9}}}",
		"{\"update_id\":7,\"my_chat_member\":{" FROM "}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct update u = {.kind = UPDATE_FORM};

		if (telegram_ops.read(f->arena, &f->config, TEST_BOT, str_from_z(bodies[i]), &u) != INVALID) {
			fail_msg("not refused: %s", bodies[i]);
		}
		assert_int_equal(u.kind, UPDATE_FORM); /* untouched */
	}
}

static void refuses_a_bot_that_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct update u;

	assert_int_equal(telegram_ops.read(f->arena, &f->config, STR("quiz"), STR("{\"update_id\":7}"), &u), INVALID);
}

static void says_when_the_arena_is_too_small(void **state)
{
	struct fixture *f = *state;
	struct update u;
	struct arena *small = arena_new(300);
	const char *body = MESSAGE_OF(FROM "," PRIVATE ",\"text\":\"/profile\"");

	json_bind_arena(small);
	assert_int_equal(telegram_ops.read(small, &f->config, TEST_BOT, str_from_z(body), &u), TOO_LARGE);
	json_bind_arena(f->arena);
	arena_free(small);
}

static void distrusts_names(void **state)
{
	struct fixture *f = *state;
	struct str hundred = repeated(f, "\xF0\x9F\x90\xB8", 100);
#define SHADY_NAMES "\",\"username\":\"a<b>\",\"language_code\":\"ru\\n\"}"
	struct str body = str_printf(f->arena,
		MESSAGE_OF("\"from\":{\"id\":42,\"first_name\":\"" STR_FMT SHADY_NAMES "," PRIVATE ",\"text\":\"hi\""), STR_ARG(hundred));
	struct update u = read_body(f, str_z(f->arena, body));

	assert_int_equal(u.actor.name.len, 64 * 4);
	assert_false(str_present(u.actor.username));
	assert_false(str_present(u.actor.language_hint));
	u = read_body(f, MESSAGE_OF("\"from\":{\"id\":42,\"first_name\":\"\\u202e\\u200b\",\"username\":5}," PRIVATE ",\"text\":\"hi\""));
	assert_false(str_present(u.actor.name));
	assert_false(str_present(u.actor.username));
	u = read_body(f, MESSAGE_OF("\"from\":{\"id\":42,\"first_name\":\"A\\u202enn\\n \"}," PRIVATE ",\"text\":\"hi\""));
	assert_str(u.actor.name, "Ann");
}

static void reads_a_button(void **state)
{
	struct update u = read_body(*state, "{\"update_id\":7,\"callback_query\":{\"id\":\"4382bfdwdsb323b2d9\"," FROM
					    ",\"message\":{\"message_id\":9,\"date\":0," GROUP "},\"data\":\"undo:5\"}}");

	assert_int_equal(u.kind, UPDATE_BUTTON);
	assert_int_equal(u.place, PLACE_GROUP);
	assert_int_equal(u.chat_id, INT64_C(-1001234567890));
	assert_int_equal(u.message_id, 9);
	assert_int_equal(u.sent_at, 0);
	assert_str(u.action, "undo:5");
	assert_str(u.callback_id, "4382bfdwdsb323b2d9");
	assert_int_equal(u.actor.platform_id, 42);
}

static void acknowledges_buttons_without_our_data(void **state)
{
	struct update u = read_body(*state, "{\"update_id\":7,\"callback_query\":{\"id\":\"1\"," FROM ",\"inline_message_id\":\"x\","
					    "\"game_short_name\":\"g\"}}");

	assert_int_equal(u.kind, UPDATE_BUTTON);
	assert_int_equal(u.place, PLACE_GROUP);
	assert_int_equal(u.chat_id, 0);
	assert_false(str_present(u.action));
	u = read_body(*state, "{\"update_id\":7,\"callback_query\":{\"id\":\"1\"," FROM ",\"message\":{\"message_id\":9," PRIVATE "},"
			      "\"data\":"
			      "\"12345678901234567890123456789012345678901234567890123456789012345\"}}");
	assert_int_equal(u.kind, UPDATE_BUTTON);
	assert_int_equal(u.place, PLACE_PRIVATE);
	assert_false(str_present(u.action));
}

static void knows_who_may_be_written_to(void **state)
{
#define MEMBERSHIP(chat, status) \
	"{\"update_id\":7,\"my_chat_member\":{" FROM "," chat ",\"date\":5,\"new_chat_member\":{\"status\":\"" status "\"}}}"
	struct update u = read_body(*state, MEMBERSHIP(PRIVATE, "kicked"));

	assert_int_equal(u.kind, UPDATE_UNREACHABLE);
	assert_int_equal(u.actor.platform_id, 42);
	assert_int_equal(u.sent_at, 5000000);
	assert_int_equal(read_body(*state, MEMBERSHIP(PRIVATE, "member")).kind, UPDATE_REACHABLE);
	assert_int_equal(read_body(*state, MEMBERSHIP(PRIVATE, "restricted")).kind, UPDATE_IGNORED);
	assert_int_equal(read_body(*state, MEMBERSHIP(GROUP, "kicked")).kind, UPDATE_IGNORED);
}

static void verifies_the_secret(void **state)
{
	struct fixture *f = *state;
	const struct str name = STR("X_TELEGRAM_BOT_API_SECRET_TOKEN");
	const struct header right[] = {{STR("HOST"), STR("x")}, {name, f->config.bots[0].secret.bytes}};
	const struct header doubled[] = {right[1], right[1]};
	static const char *const wrong[] = {
		"",
		"0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdef0",
		"0123456789ABCDEF0123456789ABCDEF",
	};
	struct rawreq request = {.headers = right, .header_count = 2};
	struct config_bot unarmed = f->config.bots[0];

	assert_int_equal(telegram_verify(&f->config.bots[0], &request), OK);
	request.header_count = 1;
	assert_int_equal(telegram_verify(&f->config.bots[0], &request), DENIED);
	request = (struct rawreq){.headers = doubled, .header_count = 2};
	assert_int_equal(telegram_verify(&f->config.bots[0], &request), DENIED);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct header header = {name, str_from_z(wrong[i])};

		request = (struct rawreq){.headers = &header, .header_count = 1};
		assert_int_equal(telegram_verify(&f->config.bots[0], &request), DENIED);
		/* A bot without a secret lets nobody in, not even who sends none (pitfalls.md 3b, fail-open). */
		unarmed.secret.bytes = STR("");
		assert_int_equal(telegram_verify(&unarmed, &request), DENIED);
	}
	assert_int_equal(telegram_verify(NULL, &request), DENIED);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(reads_a_command_whole),
		TEST(keeps_start_payloads_in_text),
		TEST(reads_words),
		TEST(runs_no_forwarded_command),
		TEST(ignores_what_no_person_said),
		TEST(refuses_what_cannot_be_read),
		TEST(refuses_a_bot_that_is_not_ours),
		TEST(says_when_the_arena_is_too_small),
		TEST(distrusts_names),
		TEST(reads_a_button),
		TEST(acknowledges_buttons_without_our_data),
		TEST(knows_who_may_be_written_to),
		TEST(verifies_the_secret),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
