/*
 * The route table: matching, 404 and 405, what a table may not say, and that a row without access does not compile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "support/web_child.h"

static enum status run_echo(struct route_call *call)
{
	struct json *body = json_object();

	body = json_set_str(body, "route", str_from_z(call->route->path));
	for (size_t i = 0; i < ROUTE_PARAMS_MAX && str_present(call->params[i]); i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "p%zu", i);
		body = json_set_str(body, name, call->params[i]);
	}
	response_json(call, json_write(call->ctx->arena, body));
	return OK;
}

static enum status run_nothing(struct route_call *call)
{
	call->response->status = 204;
	call->response->body = STR("must not be sent");
	return OK;
}

static enum status verify_all(struct route_call *call)
{
	(void)call;
	return OK;
}

#define ROW(m, p) ROUTE(m, p, ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_echo)

static const struct route routes[] = {
	ROW(METHOD_GET, "/v1/tickets/{id}"),
	ROW(METHOD_GET, "/v1/tickets/export"),
	ROW(METHOD_GET, "/v1/users/{platform}/{id}"),
	ROW(METHOD_POST, "/v1/users/{platform}/{id}/adjust"),
	ROW(METHOD_PUT, "/v1/sessions/{bot}/{platform}/{id}"),
	ROW(METHOD_GET, "/v1/sessions/{bot}/{platform}/{id}"),
	ROW(METHOD_DELETE, "/v1/tickets/{id}"),
	ROW(METHOD_GET, "/"),
	ROUTE(METHOD_POST, "/nothing", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_nothing),
};

static struct fastcgi_answer ask(const char *method, const char *path)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	fastcgi_request(&bytes, method, path, "", "");
	answer = web_here(routes, ARRAY_LEN(routes), &bytes);
	fastcgi_free(&bytes);
	return answer;
}

static void expect_body(const char *method, const char *path, const char *body)
{
	struct fastcgi_answer answer = ask(method, path);

	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, body);
	fastcgi_answer_free(&answer);
}

static void expect_status(const char *method, const char *path, int status, const char *allow)
{
	struct fastcgi_answer answer = ask(method, path);
	char value[128];

	assert_int_equal(answer.status, status);
	assert_string_equal(fastcgi_header(&answer, "Allow", value, sizeof(value)), allow);
	assert_string_equal(fastcgi_header(&answer, "Content-Type", value, sizeof(value)), "application/problem+json");
	fastcgi_answer_free(&answer);
}

static void paths_match_by_segment(void **state)
{
	(void)state;
	expect_body("GET", "/", "{\"route\":\"/\"}");
	expect_body("GET", "/v1/users/telegram/42", "{\"route\":\"/v1/users/{platform}/{id}\",\"p0\":\"telegram\",\"p1\":\"42\"}");
	expect_body("POST", "/v1/users/telegram/42/adjust",
		"{\"route\":\"/v1/users/{platform}/{id}/adjust\",\"p0\":\"telegram\",\"p1\":\"42\"}");
	expect_body("PUT", "/v1/sessions/quiz/discord/7",
		"{\"route\":\"/v1/sessions/{bot}/{platform}/{id}\",\"p0\":\"quiz\",\"p1\":\"discord\",\"p2\":\"7\"}");
	/* nginx has decoded already: what looks escaped here is literally so. */
	expect_body("GET", "/v1/tickets/%31", "{\"route\":\"/v1/tickets/{id}\",\"p0\":\"%31\"}");
	expect_body("GET", "/v1/tickets/\xd1\x8f", "{\"route\":\"/v1/tickets/{id}\",\"p0\":\"\xd1\x8f\"}");
}

static void literal_rows_go_before_parameters(void **state)
{
	(void)state;
	expect_body("GET", "/v1/tickets/export", "{\"route\":\"/v1/tickets/export\"}");
	expect_body("DELETE", "/v1/tickets/export", "{\"route\":\"/v1/tickets/{id}\",\"p0\":\"export\"}");
}

static void unknown_paths_are_404(void **state)
{
	const char *const paths[] = {"/v1",
	                             "/v1/tickets",
	                             "/v1/tickets/",
	                             "/v1/tickets/1/",
	                             "/v1/tickets/1/2",
	                             "/v1/users//42",
	                             "/v1/users/telegram/",
	                             "/v1/tickets//",
	                             "//",
	                             "/V1/tickets/1",
	                             "/v1/tickets/1/..",
	                             "/v1/users/telegram/42/adjust/x",
	                             "/{id}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		expect_status("GET", paths[i], 404, "");
	}
}

static void known_paths_with_other_methods_are_405(void **state)
{
	(void)state;
	expect_status("POST", "/v1/tickets/1", 405, "GET, HEAD, DELETE");
	expect_status("PUT", "/v1/users/telegram/42", 405, "GET, HEAD");
	expect_status("GET", "/v1/users/telegram/42/adjust", 405, "POST");
	expect_status("HEAD", "/v1/users/telegram/42/adjust", 405, "POST");
	expect_status("PATCH", "/v1/sessions/a/b/c", 405, "GET, HEAD, PUT");
	expect_status("TRACE", "/", 405, "GET, HEAD");
	expect_status("get", "/", 405, "GET, HEAD");
}

static void head_has_the_headers_of_get_and_no_body(void **state)
{
	struct fastcgi_answer answer = ask("HEAD", "/");
	char value[32];

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body_len, 0);
	assert_string_equal(fastcgi_header(&answer, "Content-Length", value, sizeof(value)), "13");
	assert_string_equal(fastcgi_header(&answer, "Content-Type", value, sizeof(value)), "application/json");
	fastcgi_answer_free(&answer);
}

static void an_empty_answer_has_no_body(void **state)
{
	struct fastcgi_answer answer = ask("POST", "/nothing");
	char value[32];

	(void)state;
	assert_int_equal(answer.status, 204);
	assert_int_equal(answer.body_len, 0);
	assert_string_equal(fastcgi_header(&answer, "Content-Length", value, sizeof(value)), "");
	fastcgi_answer_free(&answer);
}

/* ---- what a table may not say ------------------------------------------------------------------------------------------------- */

static void expect_fault(struct route route, const char *part)
{
	const struct route table[] = {routes[0], route};
	const char *reason = NULL;
	size_t row = 99;

	assert_int_equal(routes_check(table, 2, &row, &reason), INVALID);
	assert_int_equal(row, 1);
	assert_non_null(strstr(reason, part));
}

#define FAULT(change, part) \
	do { \
		bad = good; \
		change; \
		expect_fault(bad, part); \
	} while (0)

static void a_wrong_table_does_not_start(void **state)
{
	struct route good =
		ROUTE(METHOD_POST, "/x/{a}", ROUTE_SIGNED, .body_limit = 10, .deadline_us = 1, .verify = verify_all, .run = run_echo);
	const char *reason = NULL;
	size_t row = 99;
	struct route bad;

	(void)state;
	assert_int_equal(routes_check(routes, ARRAY_LEN(routes), &row, &reason), OK);
	assert_int_equal(routes_check(&good, 1, &row, &reason), OK);
	assert_int_equal(row, 99);

	FAULT(bad.method = METHOD_UNSET, "method");
	FAULT(bad.method = METHOD_OTHER, "method");
	FAULT(bad.path = NULL, "path");
	FAULT(bad.path = "x", "path");
	FAULT(bad.path = "", "path");
	FAULT(bad.path = "/{a}/{b}/{c}/{d}", "path");
	FAULT(bad.path = "/a{b}", "path");
	FAULT(bad.path = "/{}", "path");
	FAULT(bad.path = "/{a}{b}", "path");
	FAULT(bad.access = ROUTE_ACCESS_UNSET, "access");
	FAULT(bad.access = ROUTE_ACCESS_COUNT, "access");
	FAULT(bad.verify = NULL, "verify");
	FAULT(bad.access = ROUTE_PUBLIC, "verify");
	FAULT(bad.scope = "events", "scope");
	FAULT(bad.run = NULL, "run");
	FAULT(bad.deadline_us = 0, "deadline");
	FAULT((bad.body_limit = 0, bad.body_json = true), "body_limit");
	FAULT((bad.body_limit = 0, bad.body_cut = true), "body_limit");
	FAULT(bad.body_limit = ARENA_REQUEST_LIMIT, "body_limit");
	FAULT((bad.method = METHOD_GET, bad.path = "/v1/tickets/{id}"), "already");
}

static void a_row_that_says_too_little_for_the_document_does_not_start(void **state)
{
	struct route good = ROUTE(METHOD_POST, "/key", ROUTE_API_KEY, .body_limit = 10, .deadline_us = 1, .verify = verify_all, .run = run_echo,
	                           .summary = "s", .takes = "A", .gives = "B");
	const char *reason = NULL;
	size_t row = 99;
	struct route bad;

	(void)state;
	assert_int_equal(routes_check(&good, 1, &row, &reason), OK);
	FAULT(bad.summary = NULL, "summary");
	FAULT(bad.takes = NULL, "takes");
	FAULT(bad.body_limit = 0, "takes");
	FAULT(bad.gives = NULL, "answer");
}
#undef FAULT

static void a_table_fits_the_metrics(void **state)
{
	static struct route many[ROUTES_MAX + 1];
	const char *reason = NULL;
	size_t row = 0;

	(void)state;
	assert_int_equal(routes_check(many, ARRAY_LEN(many), &row, &reason), TOO_LARGE);
	assert_non_null(strstr(reason, "METRIC_ROUTES"));
}

/* The compiler is asked, because that is where such a row must end. */
static void a_row_without_access_does_not_compile(void **state)
{
	const struct {
		const char *row;
		bool compiles;
	} cases[] = {
		{"ROUTE(METHOD_GET, \"/x\", ROUTE_PUBLIC, .run = run)", true},
		{"ROUTE(METHOD_GET, \"/x\", ROUTE_ACCESS_UNSET, .run = run)", false},
		{"ROUTE(METHOD_GET, \"/x\", 0, .run = run)", false},
		{"ROUTE(METHOD_GET, \"/x\", .run = run)", false},
		{"ROUTE(METHOD_GET, \"/x\")", false},
	};
	char command[1024];

	(void)state;
	if (system("command -v cc >/dev/null && test -f shared/web/route.h") != 0) {
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(command, sizeof(command),
		               "printf '%%s\\n' '#include \"web/route.h\"' 'enum status run(struct route_call *call);' 'const struct "
		               "route routes[] = {%s};' |"
		               " cc -std=c17 -Werror -D_GNU_SOURCE -Ishared -fsyntax-only -x c - 2>/dev/null",
		               cases[i].row);
		assert_int_equal(system(command) == 0, cases[i].compiles);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_match_by_segment),
		cmocka_unit_test(literal_rows_go_before_parameters),
		cmocka_unit_test(unknown_paths_are_404),
		cmocka_unit_test(known_paths_with_other_methods_are_405),
		cmocka_unit_test(head_has_the_headers_of_get_and_no_body),
		cmocka_unit_test(an_empty_answer_has_no_body),
		cmocka_unit_test(a_wrong_table_does_not_start),
		cmocka_unit_test(a_row_that_says_too_little_for_the_document_does_not_start),
		cmocka_unit_test(a_table_fits_the_metrics),
		cmocka_unit_test(a_row_without_access_does_not_compile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
