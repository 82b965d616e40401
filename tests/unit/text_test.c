/* text: the catalogue is whole in both languages, plural forms are right, foreign words are escaped. */
#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/platform_id.h"

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct str formatted(enum language language, enum message message, const struct text_arg *args, size_t count,
                            const struct text_style *style)
{
	struct buf out = buf_init(arena, 4096);

	text_format(&out, language, message, args, count, NULL, 0, style);
	return buf_str(&out);
}

static void assert_text(struct str text, const char *expected)
{
	if (!str_eq(text, str_from_z(expected))) {
		fail_msg("expected \"%s\", got \"" STR_FMT "\"", expected, STR_ARG(text));
	}
}

static void test_plural_forms_of_russian_and_english(void **state)
{
	static const struct { int64_t n; size_t ru, en; } rows[] = {
		{0, 2, 1}, {1, 0, 0}, {2, 1, 1}, {4, 1, 1}, {5, 2, 1}, {10, 2, 1}, {11, 2, 1}, {12, 2, 1}, {14, 2, 1}, {15, 2, 1}, {21, 0, 1},
		{22, 1, 1}, {25, 2, 1}, {100, 2, 1}, {101, 0, 1}, {102, 1, 1}, {111, 2, 1}, {112, 2, 1}, {114, 2, 1}, {121, 0, 1}, {1001, 0, 1},
		{1011, 2, 1}, {-1, 0, 0}, {-3, 1, 1}, {INT64_MIN, 2, 1}, {INT64_MAX, 2, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(text_plural_form(LANGUAGE_RU, rows[i].n), rows[i].ru);
		assert_int_equal(text_plural_form(LANGUAGE_EN, rows[i].n), rows[i].en);
	}
}

static void test_coins_are_counted_in_both_languages(void **state)
{
	(void)state;
	assert_text(formatted(LANGUAGE_RU, MSG_PROFILE_COINS, (struct text_arg[]){TEXT_INT(1)}, 1, &text_plain), "Баланс: 1 монета");
	assert_text(formatted(LANGUAGE_RU, MSG_PROFILE_COINS, (struct text_arg[]){TEXT_INT(2)}, 1, &text_plain), "Баланс: 2 монеты");
	assert_text(formatted(LANGUAGE_RU, MSG_PROFILE_COINS, (struct text_arg[]){TEXT_INT(5)}, 1, &text_plain), "Баланс: 5 монет");
	assert_text(formatted(LANGUAGE_EN, MSG_PROFILE_COINS, (struct text_arg[]){TEXT_INT(1)}, 1, &text_plain), "Balance: 1 coin");
	assert_text(formatted(LANGUAGE_EN, MSG_PROFILE_COINS, (struct text_arg[]){TEXT_INT(5)}, 1, &text_plain), "Balance: 5 coins");
}

static void test_durations_and_times(void **state)
{
	static const struct { int64_t seconds; const char *ru, *en; } rows[] = {
		{0, "0 с", "0 s"}, {1, "1 с", "1 s"}, {60, "1 мин", "1 min"}, {125, "2 мин 5 с", "2 min 5 s"}, {3600, "1 ч", "1 h"},
		{3605, "1 ч 5 с", "1 h 5 s"}, {90061, "1 д 1 ч", "1 d 1 h"}, {-5, "0 с", "0 s"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct text_arg arg[] = {TEXT_DURATION(rows[i].seconds)};

		assert_text(formatted(LANGUAGE_RU, MSG_PLAIN, arg, 1, &text_plain), rows[i].ru);
		assert_text(formatted(LANGUAGE_EN, MSG_PLAIN, arg, 1, &text_plain), rows[i].en);
	}
	struct text_arg leap[] = {TEXT_TIME(INT64_C(1709208059) * SECOND_US)}; /* 2024-02-29 12:00:59 UTC */

	assert_text(formatted(LANGUAGE_RU, MSG_PLAIN, leap, 1, &text_plain), "29.02.2024 12:00 UTC");
	assert_text(formatted(LANGUAGE_EN, MSG_PLAIN, leap, 1, &text_plain), "2024-02-29 12:00 UTC");
}

static void test_signed_numbers_dates_and_words_of_both_languages(void **state)
{
	(void)state;
	assert_text(formatted(LANGUAGE_EN, MSG_PLAIN, (struct text_arg[]){TEXT_SIGNED(5)}, 1, &text_plain), "+5");
	assert_text(formatted(LANGUAGE_EN, MSG_PLAIN, (struct text_arg[]){TEXT_SIGNED(0)}, 1, &text_plain), "+0");
	assert_text(formatted(LANGUAGE_RU, MSG_PLAIN, (struct text_arg[]){TEXT_SIGNED(INT64_MIN)}, 1, &text_plain), "−9223372036854775808");
	struct text_arg leap[] = {TEXT_DATE(INT64_C(1709208059) * SECOND_US)};

	assert_text(formatted(LANGUAGE_RU, MSG_PLAIN, leap, 1, &text_plain), "29.02.2024");
	assert_text(formatted(LANGUAGE_EN, MSG_PLAIN, leap, 1, &text_plain), "2024-02-29");
	struct text_arg words[] = {TEXT_WORDS(STR("Богач"), STR("Rich"))};

	assert_text(formatted(LANGUAGE_RU, MSG_PLAIN, words, 1, &text_plain), "Богач");
	assert_text(formatted(LANGUAGE_EN, MSG_PLAIN, words, 1, &text_plain), "Rich");
}

static void test_a_bar_is_full_only_when_it_is_done(void **state)
{
	static const struct { int64_t done, whole; const char *bar; } rows[] = {
		{0, 500, "▱▱▱▱▱▱▱▱▱▱"}, {-3, 500, "▱▱▱▱▱▱▱▱▱▱"}, {1, 500, "▰▱▱▱▱▱▱▱▱▱"}, {250, 500, "▰▰▰▰▰▱▱▱▱▱"}, {499, 500, "▰▰▰▰▰▰▰▰▰▱"},
		{500, 500, "▰▰▰▰▰▰▰▰▰▰"}, {501, 500, "▰▰▰▰▰▰▰▰▰▰"}, {5, 19, "▰▰▱▱▱▱▱▱▱▱"}, {1, 3, "▰▰▰▱▱▱▱▱▱▱"},
		{INT64_MAX / 2, INT64_MAX, "▰▰▰▰▰▱▱▱▱▱"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_text(text_bar(arena, rows[i].done, rows[i].whole), rows[i].bar);
	}
}

static void mark_escapes(struct buf *out, struct str s, bool in_code)
{
	buf_printf(out, in_code ? "[" STR_FMT "]" : "(" STR_FMT ")", STR_ARG(s));
}

static void test_words_and_arguments_pass_the_escape_and_tags_do_not(void **state)
{
	static const struct text_style marking = {.bold_open = STR_INIT("B"),
	                                          .bold_close = STR_INIT("/B"),
	                                          .code_open = STR_INIT("C"),
	                                          .code_close = STR_INIT("/C"),
	                                          .escape = mark_escapes};

	(void)state;
	assert_text(formatted(LANGUAGE_EN, MSG_PROFILE_RANK, (struct text_arg[]){TEXT_STR(STR("<b>{0}"))}, 1, &marking), "(Rank: )B(<b>{0})/B");
	assert_text(formatted(LANGUAGE_EN, MSG_CODE_SHOW, (struct text_arg[]){TEXT_SECRET(0)}, 1, &marking), "C[······]/C");
}

static void test_a_secret_is_shown_only_when_it_is_there(void **state)
{
	struct str secrets[] = {STR_INIT("ABC234")};
	struct buf out = buf_init(arena, 64);

	(void)state;
	text_format(&out, LANGUAGE_RU, MSG_CODE_SHOW, (struct text_arg[]){TEXT_SECRET(0)}, 1, secrets, 1, &text_plain);
	assert_text(buf_str(&out), "ABC234");
}

/* Which arguments a template names: bit n for {n}; and the number of forms of each plural. */
static unsigned template_args(struct str text, size_t forms)
{
	unsigned seen = 0;
	struct str rest = text;

	while (str_find(rest, '{') != SIZE_MAX) {
		rest = str_cut(rest, str_find(rest, '{') + 1, rest.len);
		struct str inside = str_cut(rest, 0, str_find(rest, '}'));
		size_t bars = 0;

		assert_true(inside.len >= 1 && inside.ptr[0] >= '0' && inside.ptr[0] < '0' + TEXT_ARGS_MAX);
		for (size_t i = 0; i < inside.len; i++) {
			bars += inside.ptr[i] == '|' ? 1 : 0;
		}
		if (bars != 0 && bars != forms) {
			fail_msg("%zu plural forms instead of %zu in \"" STR_FMT "\"", bars, forms, STR_ARG(text));
		}
		seen |= 1U << (inside.ptr[0] - '0');
	}
	return seen;
}

static void assert_tags_are_closed(struct str text)
{
	int depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '<') {
			depth += text.ptr[i + 1] == '/' ? -1 : 1;
			assert_in_range(depth, 0, 2);
		}
	}
	assert_int_equal(depth, 0);
}

static void test_both_languages_say_the_same(void **state)
{
	(void)state;
	for (int m = MESSAGE_NONE + 1; m < MESSAGE_COUNT; m++) {
		struct str ru = message_template(LANGUAGE_RU, (enum message)m);
		struct str en = message_template(LANGUAGE_EN, (enum message)m);

		assert_false(str_empty(ru));
		assert_false(str_empty(en));
		if (template_args(ru, 3) != template_args(en, 2)) {
			fail_msg("%s: the languages use different arguments", message_name((enum message)m).ptr);
		}
		assert_tags_are_closed(ru);
		assert_tags_are_closed(en);
	}
}

static void test_names_lead_back_to_messages(void **state)
{
	enum message message = MESSAGE_NONE;

	(void)state;
	for (int m = MESSAGE_NONE + 1; m < MESSAGE_COUNT; m++) {
		assert_int_equal(message_from_name(message_name((enum message)m), &message), OK);
		assert_int_equal(message, m);
	}
	assert_int_equal(message_from_name(STR("NO_SUCH_MESSAGE"), &message), NOT_FOUND);
	assert_int_equal(message_from_name(STR("NONE"), &message), NOT_FOUND);
}

static void test_language_follows_the_choice_then_the_hint(void **state)
{
	(void)state;
	assert_int_equal(language_choose(LANGUAGE_EN, STR("ru")), LANGUAGE_EN);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR("ru")), LANGUAGE_RU);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR("ru-RU")), LANGUAGE_RU);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR("en-GB")), LANGUAGE_EN);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR("uk")), LANGUAGE_EN);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR("rus")), LANGUAGE_EN);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR("r")), LANGUAGE_EN);
	assert_int_equal(language_choose(LANGUAGE_UNSET, STR_ABSENT), LANGUAGE_EN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plural_forms_of_russian_and_english),
		cmocka_unit_test(test_coins_are_counted_in_both_languages),
		cmocka_unit_test(test_durations_and_times),
		cmocka_unit_test(test_signed_numbers_dates_and_words_of_both_languages),
		cmocka_unit_test(test_a_bar_is_full_only_when_it_is_done),
		cmocka_unit_test(test_words_and_arguments_pass_the_escape_and_tags_do_not),
		cmocka_unit_test(test_a_secret_is_shown_only_when_it_is_there),
		cmocka_unit_test(test_both_languages_say_the_same),
		cmocka_unit_test(test_names_lead_back_to_messages),
		cmocka_unit_test(test_language_follows_the_choice_then_the_hint),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
