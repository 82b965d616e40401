/* etag: the conditional headers, whole or not at all. */
#include "web/etag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static enum status read_one(const char *value, struct etag_list *ret_list)
{
	const struct header header = {STR_INIT("IF_MATCH"), str_from_z(value)};
	const struct rawreq request = {.headers = &header, .header_count = 1};

	return etag_list_read(&request, STR("IF_MATCH"), ret_list);
}

static void test_a_header_that_did_not_come_is_not_given(void **state)
{
	const struct rawreq request = {0};
	struct etag_list list = {.given = true, .any = true, .count = 1};

	(void)state;
	assert_int_equal(etag_list_read(&request, STR("IF_MATCH"), &list), OK);
	assert_false(list.given || list.any || list.count > 0);
	assert_false(etag_list_has(&list, STR("17")));
}

static void test_lists(void **state)
{
	struct etag_list list;

	(void)state;
	assert_int_equal(read_one("\"17\"", &list), OK);
	assert_true(list.given && !list.any && list.count == 1 && !list.tags[0].weak && str_eq(list.tags[0].text, STR("17")));
	assert_int_equal(read_one(" \"a,b\" ,W/\"c\",\t\"\" ", &list), OK);
	assert_int_equal(list.count, 3);
	assert_true(str_eq(list.tags[0].text, STR("a,b")) && str_eq(list.tags[1].text, STR("c")) && list.tags[2].text.len == 0);
	assert_true(!list.tags[0].weak && list.tags[1].weak && !list.tags[2].weak);
	assert_true(etag_list_has(&list, STR("c")) && etag_list_has(&list, STR("a,b")) && !etag_list_has(&list, STR("b")));
	assert_int_equal(read_one(" * ", &list), OK);
	assert_true(list.given && list.any && list.count == 0 && etag_list_has(&list, STR("whatever")));
}

static void test_what_is_no_list_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "17", "\"17", "17\"", "\"17\" \"18\"", "\"17\",", ",\"17\"", "\"17\",,\"18\"",
	                                  "w/\"17\"", "W/17", "*, \"17\"", "**", "\"a b\"", "'17'", "\"17\"x", "\"1\x7f\"", "W/ \"17\""};
	struct etag_list list = {.count = 7};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_one(bad[i], &list) != INVALID) {
			fail_msg("taken: %s", bad[i]);
		}
	}
	assert_int_equal(list.count, 7);
}

static void test_a_list_has_an_end(void **state)
{
	char text[8 * (ETAG_LIST_MAX + 1)] = "\"0\"";
	struct etag_list list;

	(void)state;
	for (int i = 1; i < ETAG_LIST_MAX; i++) {
		size_t len = strlen(text);

		(void)snprintf(text + len, sizeof(text) - len, ",\"%d\"", i);
	}
	assert_int_equal(read_one(text, &list), OK);
	assert_int_equal(list.count, ETAG_LIST_MAX);
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"x\"");
	assert_int_equal(read_one(text, &list), INVALID);
}

static void test_a_doubled_header_is_refused(void **state)
{
	const struct header headers[] = {{STR_INIT("IF_MATCH"), STR_INIT("\"1\"")}, {STR_INIT("IF_MATCH"), STR_INIT("\"2\"")}};
	const struct rawreq request = {.headers = headers, .header_count = 2};
	struct etag_list list;

	(void)state;
	assert_int_equal(etag_list_read(&request, STR("IF_MATCH"), &list), INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_header_that_did_not_come_is_not_given), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_what_is_no_list_is_refused),              cmocka_unit_test(test_a_list_has_an_end),
		cmocka_unit_test(test_a_doubled_header_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
