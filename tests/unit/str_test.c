/* str: borrowed strings, copies, the growing buffer; and the names of statuses. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "support/texts.h"

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

static void test_absent_and_empty(void **state)
{
	(void)state;
	assert_false(str_present(STR_ABSENT));
	assert_true(str_empty(STR_ABSENT));
	assert_true(str_present(STR("")));
	assert_true(str_empty(STR("")));
	assert_false(str_empty(STR("a")));
	assert_false(str_present(str_from_z(NULL)));
	assert_str(str_from_z("abc"), "abc");
}

static void test_equality(void **state)
{
	(void)state;
	assert_true(str_eq(STR("abc"), STR("abc")));
	assert_false(str_eq(STR("abc"), STR("abd")));
	assert_false(str_eq(STR("abc"), STR("ab")));
	assert_true(str_eq(STR_ABSENT, STR_ABSENT));
	assert_false(str_eq(STR_ABSENT, STR("a")));
	/* The whole length counts, past a NUL byte too. */
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_true(str_eq_nocase(STR("X-Token"), STR("x-tOKEN")));
	assert_false(str_eq_nocase(STR("a["), STR("a{")));
	assert_false(str_eq_nocase(STR("ab"), STR("abc")));
}

static void test_starts_and_ends(void **state)
{
	(void)state;
	assert_true(str_starts(STR("ref_12"), STR("ref_")));
	assert_true(str_starts(STR("a"), STR("")));
	assert_false(str_starts(STR("re"), STR("ref_")));
	assert_true(str_ends(STR("a.json"), STR(".json")));
	assert_false(str_ends(STR("json"), STR(".json")));
	assert_false(str_starts(STR_ABSENT, STR("a")));
}

static void test_cut_is_clipped(void **state)
{
	(void)state;
	assert_str(str_cut(STR("hello"), 1, 3), "ell");
	assert_str(str_cut(STR("hello"), 4, 9), "o");
	assert_str(str_cut(STR("hello"), 5, 1), "");
	assert_str(str_cut(STR("hello"), 9, 1), "");
	assert_str(str_cut(STR("hello"), 1, SIZE_MAX), "ello");
	assert_false(str_present(str_cut(STR_ABSENT, 0, 1)));
}

static void test_trim_and_find(void **state)
{
	(void)state;
	assert_str(str_trim(STR(" \t\r\n\v\fa b\n ")), "a b");
	assert_str(str_trim(STR(" \n")), "");
	assert_int_equal(str_find(STR("a=b=c"), '='), 1);
	assert_int_equal(str_find(STR("abc"), '='), SIZE_MAX);
	assert_int_equal(str_find(STR_ABSENT, '='), SIZE_MAX);
}

static void test_split(void **state)
{
	(void)state;
	struct str rest = STR("a,,b,");
	assert_str(str_split(&rest, ','), "a");
	assert_str(str_split(&rest, ','), "");
	assert_str(str_split(&rest, ','), "b");
	assert_true(str_present(rest));
	assert_str(str_split(&rest, ','), "");
	assert_false(str_present(rest));
	assert_false(str_present(str_split(&rest, ',')));
	rest = STR("");
	assert_str(str_split(&rest, ','), "");
	assert_false(str_present(rest));
}

static void test_copies(void **state)
{
	(void)state;
	const char source[] = "Hello";
	struct str copy = str_dup(arena, str_from_z(source));
	assert_str(copy, "Hello");
	assert_ptr_not_equal(copy.ptr, source);
	assert_false(str_present(str_dup(arena, STR_ABSENT)));
	assert_str(str_dup(arena, STR("")), "");
	assert_string_equal(str_z(arena, STR("abc")), "abc");
	/* A NUL inside would cut the text where a C library reads it. */
	assert_null(str_z(arena, STR("a\0b")));
	assert_str(str_lower(arena, STR("AbZ[{1")), "abz[{1");
	assert_str(str_upper(arena, STR("aBz[{1")), "ABZ[{1");
	assert_str(str_printf(arena, "%d-%s", 7, "x"), "7-x");
	assert_str(str_printf(arena, STR_FMT "|" STR_FMT, STR_ARG(STR("ab")), STR_ARG(STR_ABSENT)), "ab|");
}

static void test_failed_arena_gives_absent(void **state)
{
	(void)state;
	struct arena *small = arena_new(16);
	assert_false(str_present(str_dup(small, STR("12345678901234567"))));
	assert_true(arena_failed(small));
	assert_false(str_present(str_dup(small, STR("a"))));
	assert_false(str_present(str_lower(small, STR("a"))));
	assert_false(str_present(str_printf(small, "a")));
	assert_null(str_z(small, STR("a")));
	struct buf buf = buf_init(small, 100);
	buf_add(&buf, STR("a"));
	assert_true(buf.failed);
	assert_false(str_present(buf_str(&buf)));
	arena_free(small);
}

static void test_buffer_grows(void **state)
{
	(void)state;
	struct buf buf = buf_init(arena, 100000);
	assert_str(buf_str(&buf), "");
	for (int i = 0; i < 1000; i++) {
		buf_add(&buf, STR("ab"));
		buf_add_byte(&buf, 'c');
		buf_add_i64(&buf, -i);
		buf_printf(&buf, "%s;", "d");
	}
	struct str text = buf_str(&buf);
	assert_true(str_starts(text, STR("abc0d;abc-1d;")));
	assert_true(str_ends(text, STR("abc-999d;")));
	struct buf extremes = buf_init(arena, 100);
	buf_add_i64(&extremes, INT64_MIN);
	buf_add_i64(&extremes, INT64_MAX);
	assert_str(buf_str(&extremes), "-92233720368547758089223372036854775807");
}

static void test_buffer_has_a_maximum(void **state)
{
	(void)state;
	struct buf buf = buf_init(arena, 5);
	buf_add(&buf, STR("12345"));
	assert_str(buf_str(&buf), "12345");
	buf_add_byte(&buf, '6');
	assert_true(buf.failed);
	assert_false(str_present(buf_str(&buf)));
	/* What would still fit comes too late. */
	buf_add(&buf, STR(""));
	assert_false(str_present(buf_str(&buf)));
}

static void test_buffer_formats_long_text(void **state)
{
	(void)state;
	struct buf exact = buf_init(arena, 300);
	buf_printf(&exact, "%300d", 1);
	assert_int_equal(buf_str(&exact).len, 300);
	struct buf over = buf_init(arena, 300);
	buf_printf(&over, "%301d", 1);
	assert_false(str_present(buf_str(&over)));
}

static void test_every_status_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < STATUS_COUNT; i++) {
		assert_string_not_equal(status_name((enum status)i), "unknown");
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(status_name((enum status)i), status_name((enum status)j));
		}
	}
	assert_string_equal(status_name(OK), "ok");
	assert_string_equal(status_name(TOO_LARGE), "too_large");
	assert_string_equal(status_name(STATUS_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent_and_empty),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_starts_and_ends),
		cmocka_unit_test(test_cut_is_clipped),
		cmocka_unit_test(test_trim_and_find),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_failed_arena_gives_absent),
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_buffer_has_a_maximum),
		cmocka_unit_test(test_buffer_formats_long_text),
		cmocka_unit_test(test_every_status_has_a_name),
	};
	return cmocka_run_group_tests_name("str", tests, set_up, tear_down);
}
