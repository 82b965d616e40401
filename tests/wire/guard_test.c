/*
 * Access, verification, failures as problems, requests in flight, and answers that must not leave as they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "io/json.h"
#include "support/web_child.h"

/* Marks: 0 endpoints run, 1 in hold, 2 the most in hold. */

static enum status run_count(struct route_call *call)
{
	(void)atomic_fetch_add(&marks->count[0], 1);
	response_json(call, call->identity != NULL ? STR("\"known\"") : STR("\"unknown\""));
	return OK;
}

/* What the query asks for: the number of a status. */
static enum status asked_status(const struct route_call *call)
{
	return call->request->query.len == 1 ? (enum status)(call->request->query.ptr[0] - 'a') : INTERNAL;
}

static enum status verify_asked(struct route_call *call)
{
	static const int somebody = 1;
	enum status status = asked_status(call);

	if (status == OK) {
		call->identity = &somebody;
	}
	return status;
}

static enum status verify_own_words(struct route_call *call)
{
	problem(call, 403, "second-factor-required", "enter the code of your authenticator first", NULL);
	return DENIED;
}

static enum status run_asked(struct route_call *call)
{
	return asked_status(call);
}

static enum status run_own_words(struct route_call *call)
{
	problem(call, 404, "code-unknown", "there is no such code: ask for a new one, \"é\"", "code");
	return NOT_FOUND;
}

static enum status run_own_words_ok(struct route_call *call)
{
	problem(call, 409, NULL, "no", NULL);
	return OK;
}

static enum status run_bad_utf8(struct route_call *call)
{
	problem(call, 400, NULL, "\xff", NULL);
	return OK;
}

static enum status run_no_text(struct route_call *call)
{
	response_json(call, STR_ABSENT);
	return OK;
}

static enum status run_header(struct route_call *call)
{
	static const struct header headers[] = {
		{STR_INIT("X-Good"), STR_INIT("a b;c=\"d\"")},
		{STR_INIT("X-Bad"), STR_INIT("a\r\nSet-Cookie: stolen=1")},
		{STR_INIT("X-Bad"), STR_INIT("a\nb")},
		{STR_INIT("X-Bad"), STR_INIT("a\0b")},
		{STR_INIT("X Bad"), STR_INIT("a")},
		{STR_INIT("X-Bad: a\r\nY"), STR_INIT("a")},
		{STR_INIT(""), STR_INIT("a")},
		{STR_INIT("X-Bad"), {NULL, 0}},
	};
	const struct header *header = &headers[call->request->query.ptr[0] - '0'];

	response_json(call, STR("\"sent\""));
	response_header(call, header->name, header->value);
	return OK;
}

static enum status run_seven_headers(struct route_call *call)
{
	response_json(call, STR("\"sent\""));
	for (int i = 0; i < 7; i++) {
		response_header(call, STR("X-Many"), STR("x"));
	}
	return OK;
}

static enum status run_cached(struct route_call *call)
{
	response_json(call, STR("1"));
	response_header(call, STR("Cache-Control"), STR("max-age=1"));
	return OK;
}

/* Uses up the arena and pretends that nothing happened. */
static enum status run_glutton(struct route_call *call)
{
	response_json(call, STR("\"half a value\""));
	while (arena_alloc(call->ctx->arena, 1 << 16) != NULL) {
		continue;
	}
	return OK;
}

static enum status run_hold(struct route_call *call)
{
	enum status status = guard_enter(call, call->request->query, GUARD_LIMIT);

	if (status != OK) {
		return status;
	}
	int inside = atomic_fetch_add(&marks->count[1], 1) + 1;
	int most = atomic_load(&marks->count[2]);

	while (inside > most && !atomic_compare_exchange_weak(&marks->count[2], &most, inside)) {
		continue;
	}
	fiber_sleep(clock_monotonic_us() + 600 * 1000);
	(void)atomic_fetch_sub(&marks->count[1], 1);
	response_json(call, STR("\"held\""));
	return OK;
}

/* Two guards at once, and no word when done: the arena's reset gives both back. */
static enum status run_quick(struct route_call *call)
{
	enum status status = guard_enter(call, call->request->query, 1);

	if (status == OK) {
		status = guard_enter(call, STR("another"), 1);
	}
	if (status == OK) {
		response_json(call, STR("1"));
	}
	return status;
}

#define D .deadline_us = 5 * SECOND_US
#define KEY_WORDS .summary = "for a key", .gives = "Word"

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/local", ROUTE_LOOPBACK, D, .run = run_count),
	ROUTE(METHOD_POST, "/signed", ROUTE_SIGNED, .body_limit = 100, D, .verify = verify_asked, .run = run_count),
	ROUTE(METHOD_GET, "/key", ROUTE_API_KEY, .scope = "users", D, .verify = verify_asked, .run = run_count, KEY_WORDS),
	ROUTE(METHOD_POST, "/key-json", ROUTE_API_KEY, .body_limit = 100, .body_json = true, D, .verify = verify_asked, .run = run_count,
	      .takes = "Word", KEY_WORDS),
	ROUTE(METHOD_GET, "/second", ROUTE_API_KEY, D, .verify = verify_own_words, .run = run_count, KEY_WORDS),
	ROUTE(METHOD_GET, "/asked", ROUTE_PUBLIC, D, .run = run_asked),
	ROUTE(METHOD_GET, "/own", ROUTE_PUBLIC, D, .run = run_own_words),
	ROUTE(METHOD_GET, "/own-ok", ROUTE_PUBLIC, D, .run = run_own_words_ok),
	ROUTE(METHOD_GET, "/bad-utf8", ROUTE_PUBLIC, D, .run = run_bad_utf8),
	ROUTE(METHOD_GET, "/no-text", ROUTE_PUBLIC, D, .run = run_no_text),
	ROUTE(METHOD_GET, "/header", ROUTE_PUBLIC, D, .run = run_header),
	ROUTE(METHOD_GET, "/seven", ROUTE_PUBLIC, D, .run = run_seven_headers),
	ROUTE(METHOD_GET, "/cached", ROUTE_PUBLIC, D, .run = run_cached),
	ROUTE(METHOD_GET, "/glutton", ROUTE_PUBLIC, D, .run = run_glutton),
	ROUTE(METHOD_GET, "/hold", ROUTE_PUBLIC, D, .run = run_hold),
	ROUTE(METHOD_GET, "/quick", ROUTE_PUBLIC, D, .run = run_quick),
};

static void build(struct fastcgi_bytes *bytes, const char *method, const char *path, const char *query, const char *address)
{
	fastcgi_begin(bytes, FASTCGI_RESPONDER, 0);
	fastcgi_param(bytes, "REQUEST_METHOD", method);
	fastcgi_param(bytes, "DOCUMENT_URI", path);
	fastcgi_param(bytes, "QUERY_STRING", query);
	fastcgi_param(bytes, "REMOTE_ADDR", address);
	fastcgi_params_end(bytes);
	fastcgi_stdin(bytes, "", 0, true);
}

static struct fastcgi_answer ask(const char *method, const char *path, const char *query)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	build(&bytes, method, path, query, "203.0.113.9");
	answer = web_here(routes, ARRAY_LEN(routes), &bytes);
	fastcgi_free(&bytes);
	return answer;
}

static void expect(const char *method, const char *path, const char *query, int status, const char *part)
{
	struct fastcgi_answer answer = ask(method, path, query);

	assert_int_equal(answer.status, status);
	assert_non_null(strstr(answer.body, part));
	if (status >= 400) {
		assert_non_null(strstr(answer.head, "Content-Type: application/problem+json\r\n"));
	}
	fastcgi_answer_free(&answer);
}

static const char *letter(enum status status)
{
	static const char *const letters[STATUS_COUNT] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"};

	return letters[status];
}

static void loopback_rows_answer_this_host_only(void **state)
{
	const char *const elsewhere[] = {"203.0.113.9", "", "unix:", "10.0.0.1", "::ffff:127.0.0.1x"};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	int before = atomic_load(&marks->count[0]);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		build(&bytes, "GET", "/local", "", elsewhere[i]);
		answer = web_here(routes, ARRAY_LEN(routes), &bytes);
		assert_int_equal(answer.status, 403);
		fastcgi_answer_free(&answer);
		fastcgi_free(&bytes);
	}
	assert_int_equal(atomic_load(&marks->count[0]), before);
	build(&bytes, "GET", "/local", "", "127.0.0.1");
	answer = web_here(routes, ARRAY_LEN(routes), &bytes);
	assert_int_equal(answer.status, 200);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
}

/* A header says who the client is: nobody asks it. */
static void forwarded_headers_do_not_make_a_host_local(void **state)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	(void)state;
	fastcgi_begin(&bytes, FASTCGI_RESPONDER, 0);
	fastcgi_param(&bytes, "REQUEST_METHOD", "GET");
	fastcgi_param(&bytes, "DOCUMENT_URI", "/local");
	fastcgi_param(&bytes, "REMOTE_ADDR", "203.0.113.9");
	fastcgi_param(&bytes, "HTTP_X_FORWARDED_FOR", "127.0.0.1");
	fastcgi_param(&bytes, "HTTP_X_REAL_IP", "127.0.0.1");
	fastcgi_param(&bytes, "HTTP_REMOTE_ADDR", "127.0.0.1");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	answer = web_here(routes, ARRAY_LEN(routes), &bytes);
	assert_int_equal(answer.status, 403);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
}

static void nothing_runs_before_verify_says_ok(void **state)
{
	const struct {
		enum status status;
		int http;
	} cases[] = {{DENIED, 401}, {NOT_FOUND, 404}, {UNAVAILABLE, 503}, {INVALID, 400}, {TOO_MANY, 429}, {INTERNAL, 500}};
	int before = atomic_load(&marks->count[0]);
	struct fastcgi_answer answer;
	char value[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		expect("POST", "/signed", letter(cases[i].status), cases[i].http, "\"title\"");
		expect("GET", "/key", letter(cases[i].status), cases[i].http, "\"title\"");
	}
	expect("GET", "/second", "", 403, "/problems/second-factor-required");
	assert_int_equal(atomic_load(&marks->count[0]), before);
	expect("POST", "/signed", letter(OK), 200, "\"known\"");
	expect("GET", "/key", letter(OK), 200, "\"known\"");
	answer = ask("GET", "/key", letter(DENIED));
	assert_string_equal(fastcgi_header(&answer, "WWW-Authenticate", value, sizeof(value)), "Bearer");
	fastcgi_answer_free(&answer);
	answer = ask("POST", "/signed", letter(DENIED));
	assert_string_equal(fastcgi_header(&answer, "WWW-Authenticate", value, sizeof(value)), "");
	fastcgi_answer_free(&answer);
}

static void every_failure_has_its_problem(void **state)
{
	const struct {
		enum status status;
		int http;
		const char *retry;
		const char *part;
	} cases[] = {
		{INVALID, 400, "", "\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"},
		{NOT_FOUND, 404, "", "\"title\":\"Not Found\",\"status\":404,"},
		{CONFLICT, 409, "", "\"title\":\"Conflict\",\"status\":409,"},
		{DENIED, 403, "", "\"title\":\"Forbidden\",\"status\":403,"},
		{TOO_LARGE, 413, "", "\"status\":413,"},
		{TOO_MANY, 429, "1", "\"title\":\"Too Many Requests\",\"status\":429,"},
		{INSUFFICIENT, 409, "", "\"type\":\"/problems/insufficient\",\"title\":\"Insufficient\",\"status\":409,"},
		{OVERFLOWN, 400, "", "\"status\":400,"},
		{UNAVAILABLE, 503, "1", "\"type\":\"/problems/try-later\",\"title\":\"Try later\",\"status\":503,"},
		{TIMED_OUT, 503, "1", "not known whether it took effect"},
		{RETRY, 503, "1", "\"/problems/try-later\""},
		{INTERNAL, 500, "", "\"status\":500,"},
	};
	char value[32];

	(void)state;
	assert_int_equal(ARRAY_LEN(cases), STATUS_COUNT - 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fastcgi_answer answer = ask("GET", "/asked", letter(cases[i].status));

		assert_int_equal(answer.status, cases[i].http);
		assert_string_equal(fastcgi_header(&answer, "Retry-After", value, sizeof(value)), cases[i].retry);
		assert_non_null(strstr(answer.body, cases[i].part));
		assert_non_null(strstr(answer.body, "\"detail\":\""));
		fastcgi_answer_free(&answer);
	}
}

static void an_endpoints_own_words_stand(void **state)
{
	(void)state;
	expect("GET", "/own", "", 404, "\"type\":\"/problems/code-unknown\",\"title\":\"Code unknown\",\"status\":404,");
	expect("GET", "/own", "", 404, "ask for a new one, \\\"\xc3\xa9\\\"\",\"field\":\"code\"}");
	expect("GET", "/own-ok", "", 409, "\"detail\":\"no\"}");
}

static void what_cannot_be_said_is_a_500(void **state)
{
	(void)state;
	expect("GET", "/bad-utf8", "", 500, "Internal Server Error");
	expect("GET", "/no-text", "", 500, "Internal Server Error");
	expect("GET", "/seven", "", 500, "Internal Server Error");
}

static void headers_cannot_be_split(void **state)
{
	(void)state;
	expect("GET", "/header", "0", 200, "\"sent\"");
	for (char bad = '1'; bad <= '7'; bad++) {
		struct fastcgi_answer answer = ask("GET", "/header", (const char[]){bad, '\0'});

		assert_int_equal(answer.status, 500);
		assert_null(strstr(answer.head, "Set-Cookie"));
		assert_null(strstr(answer.head, "Bad"));
		fastcgi_answer_free(&answer);
	}
}

static void half_a_value_never_leaves(void **state)
{
	(void)state;
	expect("GET", "/glutton", "", 413, "needs more memory than one may have");
}

static void an_endpoint_may_set_its_own_caching(void **state)
{
	struct fastcgi_answer answer = ask("GET", "/cached", "");
	char value[32];

	(void)state;
	assert_string_equal(fastcgi_header(&answer, "Cache-Control", value, sizeof(value)), "max-age=1");
	assert_null(strstr(answer.head, "no-store"));
	fastcgi_answer_free(&answer);
}

/* ---- in flight --------------------------------------------------------------------------------------------------------------- */

struct holder {
	const char *path;
	const char *key;
	int status;
	int64_t took;
	bool retry_after;
};

static void *hold(void *argument)
{
	struct holder *holder = argument;
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	int64_t began = clock_monotonic_us();

	build(&bytes, "GET", "/hold", holder->key, "203.0.113.9");
	answer = fastcgi_call(holder->path, &bytes);
	holder->status = answer.status;
	holder->took = clock_monotonic_us() - began;
	holder->retry_after = strstr(answer.head, "Retry-After: 1\r\n") != NULL;
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
	return NULL;
}

static void one_identity_has_four_in_flight(void **state)
{
	struct web_child child = {0};
	struct holder holders[8];
	pthread_t threads[8];
	int served = 0;

	(void)state;
	web_child_start(&child, routes, ARRAY_LEN(routes), 12, 0, -1);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		/* Six of one, and two of another whom that must not touch. */
		holders[i] = (struct holder){.path = child.path, .key = i < 6 ? "telegram:1" : "telegram:2"};
		assert_int_equal(pthread_create(&threads[i], NULL, hold, &holders[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (i >= 6) {
			assert_int_equal(holders[i].status, 200);
		} else if (holders[i].status == 200) {
			served++;
		} else {
			assert_int_equal(holders[i].status, 429);
			assert_true(holders[i].retry_after);
			assert_in_range(holders[i].took, 240000, 590000);
		}
	}
	assert_int_equal(served, 4);
	assert_in_range(atomic_load(&marks->count[2]), 4, 6);

	struct holder later = {.path = child.path, .key = "telegram:1"};

	(void)hold(&later);
	assert_int_equal(later.status, 200);
	assert_int_equal(web_child_stop(&child), 0);
}

static void guards_are_given_back_by_themselves(void **state)
{
	struct web_child child = {0};
	struct fastcgi_bytes bytes = {0};

	(void)state;
	web_child_start(&child, routes, ARRAY_LEN(routes), 1, 0, -1);
	build(&bytes, "GET", "/quick", "telegram:1", "203.0.113.9");
	for (int i = 0; i < 5; i++) {
		struct fastcgi_answer answer = fastcgi_call(child.path, &bytes);

		assert_int_equal(answer.status, 200);
		fastcgi_answer_free(&answer);
	}
	fastcgi_free(&bytes);
	/* The second of one request's own guards on one key: refused, and the first is given back all the same. */
	build(&bytes, "GET", "/quick", "another", "203.0.113.9");
	for (int i = 0; i < 2; i++) {
		struct fastcgi_answer answer = fastcgi_call(child.path, &bytes);

		assert_int_equal(answer.status, 429);
		fastcgi_answer_free(&answer);
	}
	fastcgi_free(&bytes);
	assert_int_equal(web_child_stop(&child), 0);
}

/* Who does not show a key must not learn what the path takes. */
static void a_key_is_asked_for_before_the_type_of_the_body(void **state)
{
	(void)state;
	expect("POST", "/key-json", letter(DENIED), 401, "Unauthorized");
	expect("POST", "/key-json", letter(TOO_MANY), 429, "Too Many Requests");
	expect("POST", "/key-json", letter(OK), 415, "application/json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_rows_answer_this_host_only),
		cmocka_unit_test(forwarded_headers_do_not_make_a_host_local),
		cmocka_unit_test(nothing_runs_before_verify_says_ok),
		cmocka_unit_test(every_failure_has_its_problem),
		cmocka_unit_test(an_endpoints_own_words_stand),
		cmocka_unit_test(what_cannot_be_said_is_a_500),
		cmocka_unit_test(headers_cannot_be_split),
		cmocka_unit_test(half_a_value_never_leaves),
		cmocka_unit_test(an_endpoint_may_set_its_own_caching),
		cmocka_unit_test(one_identity_has_four_in_flight),
		cmocka_unit_test(a_key_is_asked_for_before_the_type_of_the_body),
		cmocka_unit_test(guards_are_given_back_by_themselves),
	};

	return cmocka_run_group_tests(tests, web_marks_make, web_marks_drop);
}
