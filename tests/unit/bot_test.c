/* bot: names, what a key's binding allows, scores by their text. */
#include "core/bot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_names_need_no_quotes_anywhere(void **state)
{
	static const char *const good[] = {"quiz", "spin_bot", "A", "v1.2-beta", "...", "0"};
	static const char *const bad[] = {"", " ", "a b", "*", "a/b", "a*", "\xc3\xa9", "a\n", "a'b", "a\"b", "{bot}"};
	char longest[BOT_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(bot_name_ok(str_from_z(good[i])));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(bot_name_ok(str_from_z(bad[i])));
	}
	memset(longest, 'x', sizeof(longest));
	assert_true(bot_name_ok((struct str){longest, BOT_NAME_MAX}));
	assert_false(bot_name_ok((struct str){longest, BOT_NAME_MAX + 1}));
	assert_false(bot_name_ok(STR_ABSENT));
}

static void test_a_key_acts_for_its_bot_and_one_that_is_bound_to_none_for_no_bot(void **state)
{
	(void)state;
	assert_true(bot_key_allows(STR("quiz"), STR("quiz")));
	assert_true(bot_key_allows(BOT_EVERY, STR("quiz")));
	assert_false(bot_key_allows(STR("quiz"), STR("quiz2")));
	assert_false(bot_key_allows(STR("quiz"), STR("Quiz")));
	assert_false(bot_key_allows(STR("quiz"), BOT_EVERY));
	assert_false(bot_key_allows(STR_ABSENT, STR("quiz")));
	assert_false(bot_key_allows(STR(""), STR("quiz")));
}

static void test_a_score_keeps_every_digit(void **state)
{
	static const char *const good[] = {"0", "-0", "7", "-7", "87.5", "0.000001", "-0.5", "1.0", "100", "12345678.9", "9007199254740992",
	                                   "-9007199254740992", "9007199254740991.999999"};
	static const char *const bad[] = {"", "1e2", "1E2", "1.0000001", "1.", ".5", "+1", "01", "9007199254740993", "9007199254740992.0",
	                                  "\"5\"", "1.5e3", "true", "-", "1.2.3", "1.-2", "0x10", "1 ", "-9007199254740993"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (bot_score_check(str_from_z(good[i])) != OK) {
			fail_msg("refused: %s", good[i]);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (bot_score_check(str_from_z(bad[i])) == OK) {
			fail_msg("taken: %s", bad[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_need_no_quotes_anywhere),
		cmocka_unit_test(test_a_key_acts_for_its_bot_and_one_that_is_bound_to_none_for_no_bot),
		cmocka_unit_test(test_a_score_keeps_every_digit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
