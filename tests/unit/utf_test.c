/* utf: validity, the three lengths, borders inside surrogate pairs, names fit to be shown. */
#include "base/utf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Latin, Cyrillic (2 bytes), a euro sign (3 bytes), a face (4 bytes, 2 units), a flag of two letters (8 bytes, 4 units). */
#define FACE "\xF0\x9F\x98\x80"
#define MIXED "a\xD1\x8F\xE2\x82\xAC" FACE "b"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void test_valid(void **state)
{
	(void)state;
	static const struct str good[] = {
		STR_INIT(""), STR_INIT(MIXED), STR_INIT("\x7F"), STR_INIT("\xC2\x80"), STR_INIT("\xDF\xBF"), STR_INIT("\xE0\xA0\x80"),
		STR_INIT("\xED\x9F\xBF"), STR_INIT("\xEE\x80\x80"), STR_INIT("\xEF\xBF\xBF"), STR_INIT("\xF0\x90\x80\x80"),
		STR_INIT("\xF4\x8F\xBF\xBF"),
	};
	static const struct str bad[] = {
		STR_INIT("\0"), STR_INIT("a\0b"), STR_INIT("\x80"), STR_INIT("\xBF"), STR_INIT("\xC0\x80"), STR_INIT("\xC1\xBF"),
		STR_INIT("\xC2"), STR_INIT("\xC2" "a"), STR_INIT("\xE0\x80\x80"), STR_INIT("\xE0\x9F\xBF"), STR_INIT("\xE2\x82"),
		STR_INIT("\xED\xA0\x80"), STR_INIT("\xED\xBF\xBF"), STR_INIT("\xF0\x80\x80\x80"), STR_INIT("\xF0\x8F\xBF\xBF"),
		STR_INIT("\xF0\x9F\x98"), STR_INIT("\xF4\x90\x80\x80"), STR_INIT("\xF5\x80\x80\x80"), STR_INIT("\xF8\x88\x80\x80\x80"),
		STR_INIT("\xFE"), STR_INIT("\xFF"),
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(utf_valid(good[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(utf_valid(bad[i]));
	}
}

static void test_lengths(void **state)
{
	(void)state;
	assert_int_equal(utf_points(STR("")), 0);
	assert_int_equal(utf_points(STR(MIXED)), 5);
	assert_int_equal(utf_units16(STR(MIXED)), 6);
	assert_int_equal(utf_units16(STR_ABSENT), 0);
	/* Not valid, but it must not run past the end. */
	assert_int_equal(utf_points(STR("\xF0\x9F")), 2);
}

static void test_from_units16(void **state)
{
	(void)state;
	static const struct {
		size_t offset, length;
		enum status status;
		struct str part;
	} rows[] = {
		{0, 6, OK, STR_INIT(MIXED)},
		{0, 0, OK, STR_INIT("")},
		{6, 0, OK, STR_INIT("")},
		{1, 2, OK, STR_INIT("\xD1\x8F\xE2\x82\xAC")},
		{3, 2, OK, STR_INIT(FACE)},
		{5, 1, OK, STR_INIT("b")},
		{4, 1, INVALID, {NULL, 0}}, /* begins inside the pair */
		{3, 1, INVALID, {NULL, 0}}, /* ends inside it */
		{2, 2, INVALID, {NULL, 0}},
		{7, 0, INVALID, {NULL, 0}},
		{0, 7, INVALID, {NULL, 0}},
		{5, SIZE_MAX, INVALID, {NULL, 0}},
		{SIZE_MAX, 1, INVALID, {NULL, 0}},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str part = STR_ABSENT;
		assert_int_equal(utf_from_units16(STR(MIXED), rows[i].offset, rows[i].length, &part), rows[i].status);
		assert_int_equal(str_present(part), rows[i].status == OK);
		assert_true(str_eq(part, rows[i].part));
	}
}

static void test_clip(void **state)
{
	(void)state;
	assert_true(str_eq(utf_clip_points(STR(MIXED), 4), STR("a\xD1\x8F\xE2\x82\xAC" FACE)));
	assert_true(str_eq(utf_clip_points(STR(MIXED), 0), STR("")));
	assert_true(str_eq(utf_clip_points(STR(MIXED), 99), STR(MIXED)));
	/* Four units would end in the middle of the face. */
	assert_true(str_eq(utf_clip_units16(STR(MIXED), 4), STR("a\xD1\x8F\xE2\x82\xAC")));
	assert_true(str_eq(utf_clip_units16(STR(MIXED), 5), STR("a\xD1\x8F\xE2\x82\xAC" FACE)));
}

#define ZWNJ "\xE2\x80\x8C"
#define ZWJ "\xE2\x80\x8D"
#define VS16 "\xEF\xB8\x8F"
#define FLAG "\xF0\x9F\x8F\xB3" VS16 ZWJ "\xF0\x9F\x8C\x88" /* a rainbow flag */

static void test_display(void **state)
{
	(void)state;
	static const struct {
		struct str text;
		size_t max;
		struct str shown;
	} rows[] = {
		{STR_INIT("Ann"), 10, STR_INIT("Ann")},
		{STR_INIT("  Ann \t\n Lee  "), 10, STR_INIT("Ann Lee")},
		{STR_INIT("A\xC2\xA0\xE2\x80\x83" "B\xE3\x80\x80"), 10, STR_INIT("A B")},
		{STR_INIT("A\x01\x1B[31mB\x7F"), 10, STR_INIT("A[31mB")},
		{STR_INIT("\xE2\x80\xAE" "evil\xE2\x81\xA6"), 10, STR_INIT("evil")},     /* override, isolate */
		{STR_INIT("a\xE2\x80\x8B\xE2\x80\x8D\xEF\xBB\xBF" "b"), 10, STR_INIT("ab")}, /* zero-width space, joiner, BOM */
		{STR_INIT("\xE3\x85\xA4\xE2\xA0\x80"), 10, STR_INIT("")},                /* Hangul filler, blank Braille */
		{STR_INIT("\xD1\x8F\xD1\x8F\xD1\x8F"), 2, STR_INIT("\xD1\x8F\xD1\x8F")},
		{STR_INIT("ab cd"), 3, STR_INIT("ab")}, /* no space is left at the end */
		{STR_INIT("ab cd"), 4, STR_INIT("ab c")},
		{STR_INIT(FACE FACE), 1, STR_INIT(FACE)},
		{STR_INIT("a\xFF\xC0" "b\0c"), 10, STR_INIT("abc")}, /* bad bytes go */
		{STR_INIT("\xEF\xBF\xBE" "a\xF0\x9F\xBF\xBF"), 10, STR_INIT("a")}, /* non-characters */
		{STR_INIT("a" FLAG FACE ZWJ FACE), 10, STR_INIT("a" FLAG FACE ZWJ FACE)},   /* several signs, one picture */
		{STR_INIT("\xD9\x85" ZWNJ "\xD8\xA7"), 10, STR_INIT("\xD9\x85" ZWNJ "\xD8\xA7")}, /* Persian */
		{STR_INIT(FACE ZWJ), 10, STR_INIT(FACE)},
		{STR_INIT(ZWJ FACE ZWJ ZWJ FACE ZWJ " " ZWJ FACE), 10, STR_INIT(FACE ZWJ FACE " " FACE)},
		{STR_INIT(FACE ZWJ FACE), 2, STR_INIT(FACE)},
		{STR_INIT(VS16 "a" VS16 FACE VS16 VS16), 10, STR_INIT("a" FACE VS16)},
		{STR_INIT("\xD1\x8F" ZWJ "\xD1\x8F"), 10, STR_INIT("\xD1\x8F\xD1\x8F")}, /* in Cyrillic it only hides */
		{STR_INIT("abc"), 0, STR_INIT("")},
		{{NULL, 0}, 10, STR_INIT("")},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str shown = utf_display(arena, rows[i].text, rows[i].max);
		assert_true(str_present(shown));
		assert_int_equal(shown.len, rows[i].shown.len);
		assert_true(str_eq(shown, rows[i].shown));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid), cmocka_unit_test(test_lengths), cmocka_unit_test(test_from_units16),
		cmocka_unit_test(test_clip),  cmocka_unit_test(test_display),
	};
	return cmocka_run_group_tests_name("utf", tests, set_up, tear_down);
}
