/* rawreq: a header that must come exactly once. */
#include "base/rawreq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static const struct header headers[] = {
	{STR_INIT("HOST"), STR_INIT("example.org")},
	{STR_INIT("X_TELEGRAM_BOT_API_SECRET_TOKEN"), STR_INIT("good")},
	{STR_INIT("X_SIGNATURE_ED25519"), STR_INIT("first")},
	{STR_INIT("X_SIGNATURE_ED25519"), STR_INIT("second")},
	{STR_INIT("X_EMPTY"), STR_INIT("")},
};
static const struct rawreq request = {.method = METHOD_POST, .headers = headers, .header_count = ARRAY_LEN(headers)};

static void test_once(void **state)
{
	(void)state;
	struct str value = STR_ABSENT;
	assert_int_equal(rawreq_header_once(&request, STR("X_TELEGRAM_BOT_API_SECRET_TOKEN"), &value), OK);
	assert_true(str_eq(value, STR("good")));
	assert_int_equal(rawreq_header_once(&request, STR("X_EMPTY"), &value), OK);
	assert_true(str_present(value) && str_empty(value));
}

static void test_refused(void **state)
{
	(void)state;
	struct str value = STR("untouched");
	/* nginx 1.22 hands over both; believing the first lets a forger put his in front. */
	assert_int_equal(rawreq_header_once(&request, STR("X_SIGNATURE_ED25519"), &value), CONFLICT);
	assert_int_equal(rawreq_header_once(&request, STR("X_MISSING"), &value), NOT_FOUND);
	assert_int_equal(rawreq_header_once(&request, STR("X_TELEGRAM_BOT_API_SECRET"), &value), NOT_FOUND);
	assert_true(str_eq(value, STR("untouched")));
	struct rawreq bare = {0};
	assert_int_equal(rawreq_header_once(&bare, STR("HOST"), &value), NOT_FOUND);
}

static void test_method_names(void **state)
{
	(void)state;
	assert_string_equal(method_name(METHOD_GET), "GET");
	assert_string_equal(method_name(METHOD_HEAD), "HEAD");
	assert_string_equal(method_name(METHOD_POST), "POST");
	assert_string_equal(method_name(METHOD_PUT), "PUT");
	assert_string_equal(method_name(METHOD_PATCH), "PATCH");
	assert_string_equal(method_name(METHOD_DELETE), "DELETE");
	assert_string_equal(method_name(METHOD_OTHER), "OTHER");
	assert_string_equal(method_name(METHOD_UNSET), "OTHER");
}

static void test_clocks(void **state)
{
	(void)state;
	int64_t before = clock_monotonic_us();
	assert_true(clock_monotonic_us() >= before);
	/* 2020-01-01, in microseconds and not in seconds. */
	assert_true(clock_wall_us() > INT64_C(1577836800000000));
	assert_true(clock_wall_us() < INT64_C(253402300799999999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_method_names), cmocka_unit_test(test_clocks),
	};
	return cmocka_run_group_tests_name("rawreq", tests, NULL, NULL);
}
