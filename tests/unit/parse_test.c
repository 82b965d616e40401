/* parse: the whole string or nothing. */
#include "base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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

static void test_i64(void **state)
{
	(void)state;
	static const struct {
		struct str text;
		int64_t min, max;
		enum status status;
		int64_t value;
	} rows[] = {
		{STR_INIT("0"), -5, 5, OK, 0},
		{STR_INIT("5"), -5, 5, OK, 5},
		{STR_INIT("-5"), -5, 5, OK, -5},
		{STR_INIT("6"), -5, 5, OVERFLOWN, 0},
		{STR_INIT("-6"), -5, 5, OVERFLOWN, 0},
		{STR_INIT("9223372036854775807"), INT64_MIN, INT64_MAX, OK, INT64_MAX},
		{STR_INIT("-9223372036854775808"), INT64_MIN, INT64_MAX, OK, INT64_MIN},
		{STR_INIT("9223372036854775808"), INT64_MIN, INT64_MAX, OVERFLOWN, 0},
		{STR_INIT("-9223372036854775809"), INT64_MIN, INT64_MAX, OVERFLOWN, 0},
		{STR_INIT("99999999999999999999999999"), INT64_MIN, INT64_MAX, OVERFLOWN, 0},
		{STR_INIT(""), INT64_MIN, INT64_MAX, INVALID, 0},
		{{NULL, 0}, INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("-"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("-0"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("--1"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("+1"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("01"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("-01"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT(" 1"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("1 "), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("1\n"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("1\0"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("1.0"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("1e3"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("0x10"), INT64_MIN, INT64_MAX, INVALID, 0},
		{STR_INIT("99999999999999999999999999x"), INT64_MIN, INT64_MAX, INVALID, 0},
		/* Where no negative number exists, a sign is a wrong form. */
		{STR_INIT("-1"), 0, 5, INVALID, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t value = 4711;
		assert_int_equal(parse_i64(rows[i].text, rows[i].min, rows[i].max, &value), rows[i].status);
		assert_int_equal(value, rows[i].status == OK ? rows[i].value : 4711);
	}
}

static void test_platform_id(void **state)
{
	(void)state;
	int64_t id = 0;
	/* Beyond 2^53, where a double would lose the last bits. */
	assert_int_equal(parse_platform_id(STR("1152921504606846977"), &id), OK);
	assert_true(id == INT64_C(1152921504606846977));
	assert_int_equal(parse_platform_id(STR("9223372036854775807"), &id), OK);
	assert_int_equal(parse_platform_id(STR("0"), &id), OVERFLOWN);
	assert_int_equal(parse_platform_id(STR("9223372036854775808"), &id), OVERFLOWN);
	assert_int_equal(parse_platform_id(STR("-1"), &id), INVALID);
	assert_int_equal(parse_platform_id(STR(""), &id), INVALID);
	assert_true(id == INT64_MAX);
}

static void test_hex(void **state)
{
	(void)state;
	unsigned char bytes[3] = {9, 9, 9};
	assert_int_equal(parse_hex(STR("00fFA7"), bytes, 3), OK);
	assert_memory_equal(bytes, "\x00\xFF\xA7", 3);
	static const struct str refused[] = {
		STR_INIT("00fFA"), STR_INIT("00fFA70"), STR_INIT("00fFA7a0"), STR_INIT(""), STR_INIT("00fFAg"), STR_INIT("00 FA7"),
		STR_INIT("0x00fF"), STR_INIT("00fF\0"), STR_INIT("\xFF" "0fFA7"),
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_int_equal(parse_hex(refused[i], bytes, 3), INVALID);
		assert_memory_equal(bytes, "\x00\xFF\xA7", 3);
	}
	assert_int_equal(parse_hex(STR(""), bytes, 0), OK);
}

static void test_bool(void **state)
{
	(void)state;
	bool value = false;
	assert_int_equal(parse_bool(STR("Yes"), &value), OK);
	assert_true(value);
	assert_int_equal(parse_bool(STR("OFF"), &value), OK);
	assert_false(value);
	assert_int_equal(parse_bool(STR("1"), &value), OK);
	assert_true(value);
	static const struct str refused[] = {STR_INIT(""), STR_INIT("y"), STR_INIT("2"), STR_INIT("true "), STR_INIT("tru")};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_int_equal(parse_bool(refused[i], &value), INVALID);
		assert_true(value);
	}
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		struct str text;
		int64_t us;
	} rows[] = {
		{STR_INIT("1970-01-01T00:00:00Z"), 0},
		{STR_INIT("2026-11-20T13:24:14.123456Z"), INT64_C(1795181054123456)},
		{STR_INIT("2026-11-20t13:24:14.123456z"), INT64_C(1795181054123456)},
		{STR_INIT("2026-11-20T16:24:14.123456+03:00"), INT64_C(1795181054123456)},
		{STR_INIT("2026-11-20T07:54:14.123456-05:30"), INT64_C(1795181054123456)},
		{STR_INIT("2026-11-20T13:24:14.1234567Z"), INT64_C(1795181054123456)},
		{STR_INIT("2026-11-20T13:24:14.123456789Z"), INT64_C(1795181054123456)},
		{STR_INIT("2026-11-20T13:24:14.1Z"), INT64_C(1795181054100000)},
		{STR_INIT("2000-02-29T00:00:00Z"), INT64_C(951782400000000)},
		{STR_INIT("2024-02-29T23:59:59Z"), INT64_C(1709251199000000)},
		{STR_INIT("9999-12-31T23:59:59.999999Z"), INT64_C(253402300799999999)},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us = -1;
		assert_int_equal(parse_rfc3339(rows[i].text, &us), OK);
		assert_true(us == rows[i].us);
	}
}

static void test_time_refused(void **state)
{
	(void)state;
	static const char *const refused[] = {
		"",
		"2026",
		"2026-11-20",
		"2026-11-20T13:24:14",
		"2026-11-20 13:24:14Z",
		"2026-11-20T13:24Z",
		"2026-11-20T24:00:00Z",
		"2026-11-20T13:60:00Z",
		"2026-11-20T23:59:60Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-11-00T00:00:00Z",
		"2026-11-31T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"2026-11-20T13:24:14.Z",
		"2026-11-20T13:24:14.1234567890Z",
		"2026-11-20T13:24:14,1Z",
		"2026-11-20T13:24:14Z ",
		" 2026-11-20T13:24:14Z",
		"2026-11-20T13:24:14+0300",
		"2026-11-20T13:24:14+03",
		"2026-11-20T13:24:14+24:00",
		"2026-11-20T13:24:14+03:60",
		"2026-11-20T13:24:14+03:00x",
		"2026-11-20T13:24:14ZZ",
		"+026-11-20T13:24:14Z",
		"2026-1-20T13:24:14Z",
		"12026-11-20T13:24:14Z",
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int64_t us = 4711;
		if (parse_rfc3339(str_from_z(refused[i]), &us) != INVALID) {
			fail_msg("%s was taken", refused[i]);
		}
		assert_int_equal(us, 4711);
	}
}

static void check_format(int64_t us, const char *expected)
{
	struct str text = format_rfc3339(arena, us);
	assert_int_equal(text.len, strlen(expected));
	assert_memory_equal(text.ptr, expected, text.len);
}

static void test_time_written(void **state)
{
	(void)state;
	check_format(0, "1970-01-01T00:00:00Z");
	check_format(INT64_C(1795181054123456), "2026-11-20T13:24:14.123456Z");
	check_format(INT64_C(1795181054000001), "2026-11-20T13:24:14.000001Z");
	check_format(-1, "1969-12-31T23:59:59.999999Z");
	check_format(INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z");
	/* Out of every calendar, but the storage must hold it. */
	assert_true(format_rfc3339(arena, INT64_MAX).len < FORMAT_RFC3339_BYTES);
	assert_true(format_rfc3339(arena, INT64_MIN).len < FORMAT_RFC3339_BYTES);
	/* A day of every month of 400 years there and back. */
	for (int64_t day = 0; day < 146097; day += 13) {
		int64_t us = day * INT64_C(86400000000) + 1;
		int64_t back = -1;
		assert_int_equal(parse_rfc3339(format_rfc3339(arena, us), &back), OK);
		assert_true(back == us);
	}
	arena_reset(arena);
}

static void test_query(void **state)
{
	(void)state;
	static const struct {
		struct str query, name;
		enum status status;
		struct str value;
	} rows[] = {
		{STR_INIT("a=1&b=2"), STR_INIT("b"), OK, STR_INIT("2")},
		{STR_INIT("a=1&b=2"), STR_INIT("c"), NOT_FOUND, {NULL, 0}},
		{STR_INIT(""), STR_INIT("a"), NOT_FOUND, {NULL, 0}},
		{{NULL, 0}, STR_INIT("a"), NOT_FOUND, {NULL, 0}},
		{STR_INIT("a=x+y%20z%2b"), STR_INIT("a"), OK, STR_INIT("x y z+")},
		{STR_INIT("a=%D1%8F"), STR_INIT("a"), OK, STR_INIT("\xD1\x8F")},
		{STR_INIT("a=1=2"), STR_INIT("a"), OK, STR_INIT("1=2")},
		{STR_INIT("a"), STR_INIT("a"), OK, STR_INIT("")},
		{STR_INIT("a="), STR_INIT("a"), OK, STR_INIT("")},
		{STR_INIT("&&a=1&"), STR_INIT("a"), OK, STR_INIT("1")},
		{STR_INIT("%61=1"), STR_INIT("a"), OK, STR_INIT("1")},
		{STR_INIT("a=1&a=1"), STR_INIT("a"), INVALID, {NULL, 0}},
		/* Two spellings of one name are still twice. */
		{STR_INIT("a=1&%61=2"), STR_INIT("a"), INVALID, {NULL, 0}},
		{STR_INIT("a=%"), STR_INIT("a"), INVALID, {NULL, 0}},
		{STR_INIT("a=%2"), STR_INIT("a"), INVALID, {NULL, 0}},
		{STR_INIT("a=%zz"), STR_INIT("a"), INVALID, {NULL, 0}},
		{STR_INIT("a=%00"), STR_INIT("a"), INVALID, {NULL, 0}},
		{STR_INIT("a=%ff"), STR_INIT("a"), INVALID, {NULL, 0}},
		{STR_INIT("a=1&%=2"), STR_INIT("a"), INVALID, {NULL, 0}},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str value = STR_ABSENT;
		assert_int_equal(parse_query_value(arena, rows[i].query, rows[i].name, &value), rows[i].status);
		assert_true(str_eq(value, rows[i].value));
		assert_int_equal(str_present(value), rows[i].status == OK);
	}
	struct arena *small = arena_new(16);
	struct str value = STR_ABSENT;
	assert_int_equal(parse_query_value(small, STR("a=12345678901234567890"), STR("a"), &value), TOO_LARGE);
	arena_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_i64),          cmocka_unit_test(test_platform_id), cmocka_unit_test(test_hex),
		cmocka_unit_test(test_bool),         cmocka_unit_test(test_time),        cmocka_unit_test(test_time_refused),
		cmocka_unit_test(test_time_written), cmocka_unit_test(test_query),
	};
	return cmocka_run_group_tests_name("parse", tests, set_up, tear_down);
}
