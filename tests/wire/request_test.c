/*
 * From FastCGI parameters and body to values: every malformed request has its answer, and none reaches an endpoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/json.h"
#include "support/web_child.h"
#include "web/request.h"

/* Says what it was handed. */
static enum status run_tell(struct route_call *call)
{
	const struct rawreq *raw = call->request;
	struct json *told = json_object();
	struct str once = STR_ABSENT;

	told = json_set_i64(told, "body", (int64_t)raw->body.len);
	told = json_set_i64(told, "size", (int64_t)call->body_size);
	told = json_set_str(told, "once", str_from_z(status_name(rawreq_header_once(raw, STR("X_SECRET"), &once))));
	told = json_set_str(told, "query", raw->query);
	told = json_set_i64(told, "left_ms", (call->ctx->deadline - clock_monotonic_us()) / 1000);
	response_json(call, json_write(call->ctx->arena, told));
	return OK;
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/get", ROUTE_PUBLIC, .deadline_us = 2 * SECOND_US, .run = run_tell),
	ROUTE(METHOD_POST, "/post", ROUTE_PUBLIC, .body_limit = 1000, .deadline_us = 2 * SECOND_US, .run = run_tell),
	ROUTE(METHOD_POST, "/cut", ROUTE_PUBLIC, .body_limit = 1000, .body_cut = true, .deadline_us = 2 * SECOND_US, .run = run_tell),
	ROUTE(METHOD_POST, "/json", ROUTE_PUBLIC, .body_limit = 1000, .body_json = true, .deadline_us = 2 * SECOND_US, .run = run_tell),
	ROUTE(METHOD_POST, "/large", ROUTE_PUBLIC, .body_limit = 2000000, .deadline_us = 2 * SECOND_US, .run = run_tell),
};

static struct fastcgi_answer call(struct fastcgi_bytes *bytes)
{
	struct fastcgi_answer answer = web_here(routes, ARRAY_LEN(routes), bytes);

	fastcgi_free(bytes);
	return answer;
}

static void expect(struct fastcgi_bytes *bytes, int status, const char *part)
{
	struct fastcgi_answer answer = call(bytes);

	assert_int_equal(answer.status, status);
	assert_true(answer.closed);
	assert_non_null(strstr(answer.body, part));
	if (status >= 400) {
		assert_non_null(strstr(answer.head, "Content-Type: application/problem+json"));
	}
	fastcgi_answer_free(&answer);
}

/* A POST of `sent` bytes that announces `announced`. */
static struct fastcgi_bytes body_of(const char *path, long announced, size_t sent, bool whole)
{
	static char content[4096];
	struct fastcgi_bytes bytes = {0};

	memset(content, 'b', sizeof(content));
	fastcgi_simple(&bytes, "POST", path, announced);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, content, sent, whole);
	return bytes;
}

static void a_whole_body_arrives_whole(void **state)
{
	const size_t sizes[] = {0, 1, 7, 8, 9, 999, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct fastcgi_bytes bytes = body_of("/post", (long)sizes[i], sizes[i], true);
		char part[64];

		(void)snprintf(part, sizeof(part), "\"body\":%zu,\"size\":%zu,", sizes[i], sizes[i]);
		expect(&bytes, 200, part);
	}
}

/* A truncated body looks like EOF to libfcgi (pitfalls.md 2.1). */
static void a_body_of_another_length_is_refused(void **state)
{
	const struct {
		long announced;
		size_t sent;
		bool whole;
	} cases[] = {{10, 9, true},  {10, 0, true}, {10, 5, false}, {10, 10, false},
	             {10, 11, true}, {0, 1, true},  {-1, 1, true},  {1000, 1001, true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fastcgi_bytes bytes = body_of("/post", cases[i].announced, cases[i].sent, cases[i].whole);

		expect(&bytes, 400, "Content-Length");
	}
}

static void a_body_over_the_limit_is_413(void **state)
{
	struct fastcgi_bytes bytes = body_of("/post", 1001, 1001, true);

	(void)state;
	expect(&bytes, 413, "larger than this path takes");
	bytes = body_of("/post", 9000000000000000000, 10, true);
	expect(&bytes, 413, "larger than this path takes");
	bytes = (struct fastcgi_bytes){0};
	fastcgi_request(&bytes, "GET", "/get", "", "x");
	expect(&bytes, 413, "takes no body");
}

static void a_row_may_keep_the_head_of_a_large_body(void **state)
{
	struct fastcgi_bytes bytes = body_of("/cut", 4000, 4000, true);

	(void)state;
	expect(&bytes, 200, "\"body\":1000,\"size\":4000,");
	bytes = body_of("/cut", 1000, 1000, true);
	expect(&bytes, 200, "\"body\":1000,\"size\":1000,");
	bytes = body_of("/cut", 4000, 3999, true);
	expect(&bytes, 400, "Content-Length");
	bytes = body_of("/cut", 4000, 4001, true);
	expect(&bytes, 400, "Content-Length");
	bytes = body_of("/cut", 9000000000000000000, 10, true);
	expect(&bytes, 400, "Content-Length");
}

static void garbled_lengths_are_refused(void **state)
{
	const char *const lengths[] = {"-1", "+5", "5 ", "0x5", "5,5", "05", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct fastcgi_bytes bytes = {0};

		fastcgi_simple(&bytes, "POST", "/post", -1);
		fastcgi_param(&bytes, "CONTENT_LENGTH", lengths[i]);
		fastcgi_params_end(&bytes);
		fastcgi_stdin(&bytes, "12345", 5, true);
		expect(&bytes, 400, "Content-Length");
	}
}

static void an_aborted_request_reaches_nobody(void **state)
{
	struct fastcgi_bytes bytes = body_of("/post", 10, 5, false);

	(void)state;
	fastcgi_record(&bytes, FASTCGI_ABORT_REQUEST, "", 0);
	expect(&bytes, 400, "Content-Length");
}

static void json_paths_take_json_only(void **state)
{
	const char *const wrong[] = {"",
	                             "text/plain",
	                             "application/jsonp",
	                             "application/x-www-form-urlencoded",
	                             "multipart/form-data; application/json",
	                             "text/json",
	                             "application/json/x"};
	const char *const right[] = {"application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
	                             "application/json;charset=UTF-8"};
	struct fastcgi_bytes bytes = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		fastcgi_request(&bytes, "POST", "/json", wrong[i], "{}");
		expect(&bytes, 415, "application/json");
	}
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		fastcgi_request(&bytes, "POST", "/json", right[i], "{}");
		expect(&bytes, 200, "\"body\":2");
	}
	fastcgi_simple(&bytes, "POST", "/json", 0);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 415, "application/json");
}

/* nginx 1.22 hands over doubled headers as two parameters, and FCGX_GetParam would show the first only (pitfalls.md 0.4). */
static void doubled_headers_stay_two(void **state)
{
	struct fastcgi_bytes bytes = {0};

	(void)state;
	fastcgi_simple(&bytes, "GET", "/get", -1);
	fastcgi_param(&bytes, "HTTP_X_SECRET", "right");
	fastcgi_param(&bytes, "HTTP_X_OTHER", "x");
	fastcgi_param(&bytes, "HTTP_X_SECRET", "wrong");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 200, "\"once\":\"conflict\"");
	fastcgi_simple(&bytes, "GET", "/get", -1);
	fastcgi_param(&bytes, "HTTP_X_SECRET", "right");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 200, "\"once\":\"ok\"");
}

static void our_own_parameters_come_once(void **state)
{
	const char *const names[] = {"REQUEST_METHOD", "DOCUMENT_URI", "QUERY_STRING", "REMOTE_ADDR", "CONTENT_LENGTH"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct fastcgi_bytes bytes = {0};

		fastcgi_simple(&bytes, "GET", "/get", 0);
		fastcgi_param(&bytes, names[i], "/get");
		fastcgi_params_end(&bytes);
		fastcgi_stdin(&bytes, "", 0, true);
		expect(&bytes, 400, "came twice");
	}
}

static void headers_have_a_number(void **state)
{
	struct fastcgi_bytes bytes = {0};

	(void)state;
	fastcgi_simple(&bytes, "GET", "/get", -1);
	for (int i = 0; i < REQUEST_HEADERS_MAX; i++) {
		fastcgi_param(&bytes, "HTTP_X_MANY", "x");
	}
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 200, "\"once\":\"not_found\"");
	fastcgi_simple(&bytes, "GET", "/get", -1);
	for (int i = 0; i < REQUEST_HEADERS_MAX + 1; i++) {
		fastcgi_param(&bytes, "HTTP_X_MANY", "x");
	}
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 431, "too many headers");
}

static void paths_are_clean_text(void **state)
{
	const char *const wrong[] = {"", "get", "/ge\nt", "/get\r\nX: y", "/\x7f", "/\xff", "/\xc0\xaf", "/\xed\xa0\x80"};
	struct fastcgi_bytes bytes = {0};
	char longer[REQUEST_PATH_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		fastcgi_request(&bytes, "GET", wrong[i], "", "");
		expect(&bytes, 400, "\"detail\"");
	}
	memset(longer, 'a', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	fastcgi_request(&bytes, "GET", longer, "", "");
	expect(&bytes, 431, "path is too long");
	longer[sizeof(longer) - 2] = '\0';
	fastcgi_request(&bytes, "GET", longer, "", "");
	expect(&bytes, 404, "no such path");
}

/* Routing looks at one decoded path only; what the client wrote raw is not consulted. */
static void the_raw_uri_is_not_looked_at(void **state)
{
	struct fastcgi_bytes bytes = {0};

	(void)state;
	fastcgi_simple(&bytes, "GET", "/get", -1);
	fastcgi_param(&bytes, "REQUEST_URI", "/json");
	fastcgi_param(&bytes, "PATH_INFO", "/json");
	fastcgi_param(&bytes, "SCRIPT_NAME", "/json");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 200, "\"once\":\"not_found\"");
}

static void missing_parameters_are_refused(void **state)
{
	struct fastcgi_bytes bytes = {0};

	(void)state;
	fastcgi_begin(&bytes, FASTCGI_RESPONDER, 0);
	fastcgi_param(&bytes, "REQUEST_METHOD", "GET");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 400, "DOCUMENT_URI");
	fastcgi_begin(&bytes, FASTCGI_RESPONDER, 0);
	fastcgi_param(&bytes, "DOCUMENT_URI", "/get");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	expect(&bytes, 400, "REQUEST_METHOD");
}

/*
 * Found by fuzzing: FCGX_Accept_r answered success when the connection ended between two parameters, and the request was served
 * without those that were missing, which could have been the second of a doubled header.
 */
static void cut_parameters_are_no_request(void **state)
{
	struct fastcgi_bytes whole = {0};

	(void)state;
	fastcgi_simple(&whole, "GET", "/get", 0);
	fastcgi_param(&whole, "HTTP_X_SECRET", "a");
	fastcgi_param(&whole, "HTTP_X_SECRET", "b");
	for (size_t len = 0; len <= whole.len; len++) {
		const struct fastcgi_bytes cut = {.ptr = whole.ptr, .len = len};
		struct fastcgi_answer answer = web_here_cut(routes, ARRAY_LEN(routes), &cut);

		assert_int_equal(answer.status, 0);
		assert_true(answer.closed);
		fastcgi_answer_free(&answer);
	}
	fastcgi_free(&whole);
}

/* The same with a record in the middle that is none: nothing behind it counts. */
static void broken_records_end_the_request(void **state)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	(void)state;
	fastcgi_simple(&bytes, "GET", "/get", 0);
	fastcgi_add(&bytes, "\0\4\0\1\0\0\0\0", 8);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	answer = call(&bytes);
	assert_int_equal(answer.status, 0);
	fastcgi_answer_free(&answer);
	fastcgi_simple(&bytes, "POST", "/post", 4);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "ab", 2, false);
	fastcgi_record(&bytes, FASTCGI_STDOUT, "", 0);
	fastcgi_stdin(&bytes, "cd", 2, true);
	expect(&bytes, 400, "Content-Length");
}

static void other_roles_are_not_served(void **state)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	(void)state;
	fastcgi_begin(&bytes, FASTCGI_AUTHORIZER, 0);
	fastcgi_param(&bytes, "REQUEST_METHOD", "GET");
	fastcgi_param(&bytes, "DOCUMENT_URI", "/get");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	answer = call(&bytes);
	assert_int_equal(answer.status, 0);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------------------ */

/* left_ms as the endpoint saw it; -1 when the request was refused with 503 and Retry-After: 1. */
static int64_t left_ms(const char *sent)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	char value[32];
	long long left = -1;

	fastcgi_simple(&bytes, "GET", "/get", -1);
	if (sent != NULL) {
		fastcgi_param(&bytes, "TRIVET_SENT", sent);
	}
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	answer = call(&bytes);
	if (answer.status == 503) {
		assert_string_equal(fastcgi_header(&answer, "Retry-After", value, sizeof(value)), "1");
		assert_non_null(strstr(answer.body, "\"/problems/try-later\""));
	} else {
		const char *at = strstr(answer.body, "\"left_ms\":");

		assert_int_equal(answer.status, 200);
		assert_non_null(at);
		assert_int_equal(sscanf(at, "\"left_ms\":%lld", &left), 1);
	}
	fastcgi_answer_free(&answer);
	return left;
}

static int64_t left_after(int64_t ago_us)
{
	int64_t then = clock_wall_us() - ago_us;
	char sent[64];

	(void)snprintf(sent, sizeof(sent), "%lld.%03lld", (long long)(then / SECOND_US), (long long)(then % SECOND_US / 1000));
	return left_ms(sent);
}

static void deadlines_count_from_nginx(void **state)
{
	(void)state;
	assert_in_range(left_after(0), 1000, 2000);
	assert_in_range(left_after(1500 * 1000), 1, 501);
	/* Past it: refused before any work, the endpoint never sees it. */
	assert_int_equal(left_after(2001 * 1000), -1);
	assert_int_equal(left_after(3600 * SECOND_US), -1);
	/* A clock that was set back: never more than the route's time. */
	assert_in_range(left_after(-60 * SECOND_US), 1000, 2000);
}

static void without_a_time_deadlines_count_from_now(void **state)
{
	const char *const garbled[] = {"",       "x",     "1",       "1.",     "1.2",   "1.0000",          ".123",
	                               "-1.000", "1.00a", "1e9.000", "1.000 ", "0.000", "999999999999.000"};

	(void)state;
	assert_in_range(left_ms(NULL), 1000, 2000);
	for (size_t i = 0; i < ARRAY_LEN(garbled); i++) {
		assert_in_range(left_ms(garbled[i]), 1000, 2000);
	}
}

/* ---- request id ------------------------------------------------------------------------------------------------------------------ */

static void the_request_id_is_nginxs_or_ours(void **state)
{
	const char *const foreign[] = {"", "0123456789ABCDEF0123456789ABCDEF", "short", "0123456789abcdef0123456789abcdef0",
	                               "0123456789abcdef0123456789abcde\n"};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	char value[64];

	(void)state;
	fastcgi_simple(&bytes, "GET", "/get", -1);
	fastcgi_param(&bytes, "REQUEST_ID", "0123456789abcdef0123456789abcdef");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	answer = call(&bytes);
	assert_string_equal(fastcgi_header(&answer, "X-Request-Id", value, sizeof(value)), "0123456789abcdef0123456789abcdef");
	fastcgi_answer_free(&answer);
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		fastcgi_simple(&bytes, "GET", "/get", -1);
		fastcgi_param(&bytes, "REQUEST_ID", foreign[i]);
		fastcgi_param(&bytes, "HTTP_X_REQUEST_ID", "ffffffffffffffffffffffffffffffff");
		fastcgi_params_end(&bytes);
		fastcgi_stdin(&bytes, "", 0, true);
		answer = call(&bytes);
		assert_int_equal(strlen(fastcgi_header(&answer, "X-Request-Id", value, sizeof(value))), 32);
		assert_string_not_equal(value, "ffffffffffffffffffffffffffffffff");
		fastcgi_answer_free(&answer);
	}
}

/* Over a real connection: bodies that do not fit a socket's buffer, and a refused one that is sent to its end. */
static void large_bodies_pass(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	size_t size = 8 * 1024 * 1024;
	char *body = calloc(1, size);

	(void)state;
	assert_non_null(body);
	web_child_start(&child, routes, ARRAY_LEN(routes), 1, SECOND_US, -1);
	fastcgi_simple(&bytes, "POST", "/large", 2000000);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, body, 2000000, true);
	answer = fastcgi_call(child.path, &bytes);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body, "\"body\":2000000"));
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	fastcgi_simple(&bytes, "POST", "/large", (long)size);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, body, size, true);
	/* nginx sends the whole body before it reads: the refusal must be there all the same. */
	answer = fastcgi_call(child.path, &bytes);
	assert_int_equal(answer.status, 413);
	assert_int_equal(answer.ends, 1);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	free(body);
	assert_int_equal(web_child_stop(&child), 0);
}

static void addresses_of_this_host(void **state)
{
	const char *const here[] = {"127.0.0.1", "127.9.9.9", "::1"};
	const char *const elsewhere[] = {
		"",           "unix:",     "128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "127.0.0.1, 10.0.0.1",
		"127.0.0.1 ", "localhost", "127.1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(here); i++) {
		assert_true(request_is_loopback(str_from_z(here[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		assert_false(request_is_loopback(str_from_z(elsewhere[i])));
	}
	assert_false(request_is_loopback(STR_ABSENT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_body_arrives_whole),
		cmocka_unit_test(a_body_of_another_length_is_refused),
		cmocka_unit_test(a_body_over_the_limit_is_413),
		cmocka_unit_test(a_row_may_keep_the_head_of_a_large_body),
		cmocka_unit_test(garbled_lengths_are_refused),
		cmocka_unit_test(an_aborted_request_reaches_nobody),
		cmocka_unit_test(json_paths_take_json_only),
		cmocka_unit_test(doubled_headers_stay_two),
		cmocka_unit_test(our_own_parameters_come_once),
		cmocka_unit_test(headers_have_a_number),
		cmocka_unit_test(paths_are_clean_text),
		cmocka_unit_test(the_raw_uri_is_not_looked_at),
		cmocka_unit_test(missing_parameters_are_refused),
		cmocka_unit_test(cut_parameters_are_no_request),
		cmocka_unit_test(broken_records_end_the_request),
		cmocka_unit_test(other_roles_are_not_served),
		cmocka_unit_test(deadlines_count_from_nginx),
		cmocka_unit_test(without_a_time_deadlines_count_from_now),
		cmocka_unit_test(the_request_id_is_nginxs_or_ours),
		cmocka_unit_test(large_bodies_pass),
		cmocka_unit_test(addresses_of_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
