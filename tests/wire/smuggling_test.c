/*
 * Request smuggling through FastCGI keep-alive (pitfalls.md 0.1): with FCGI_KEEP_CONN set and a body that the endpoint does not
 * want, libfcgi parses the rest of the body as records of a next request. A POST that was refused carried a forged one, with
 * any REMOTE_ADDR it liked, and that one was executed. Here it must never be, whatever the refusal and the alignment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "support/web_child.h"

static enum status run_credit(struct route_call *call)
{
	(void)atomic_fetch_add(&marks->count[0], 1);
	response_json(call, STR("{}"));
	return OK;
}

static enum status run_small(struct route_call *call)
{
	(void)atomic_fetch_add(&marks->count[1], 1);
	response_json(call, STR("{}"));
	return OK;
}

static enum status verify_nobody(struct route_call *call)
{
	(void)call;
	return DENIED;
}

static const struct route routes[] = {
	ROUTE(METHOD_POST, "/internal/credit", ROUTE_LOOPBACK, .body_limit = 1024, .deadline_us = SECOND_US, .run = run_credit),
	ROUTE(METHOD_POST, "/small", ROUTE_PUBLIC, .body_limit = 16, .deadline_us = SECOND_US, .run = run_small),
	ROUTE(METHOD_POST, "/cut", ROUTE_PUBLIC, .body_limit = 16, .body_cut = true, .deadline_us = SECOND_US, .run = run_small),
	ROUTE(METHOD_POST, "/json", ROUTE_PUBLIC, .body_limit = 100000, .body_json = true, .deadline_us = SECOND_US, .run = run_small),
	ROUTE(METHOD_POST, "/signed", ROUTE_SIGNED, .body_limit = 100000, .deadline_us = SECOND_US, .verify = verify_nobody,
              .run = run_small),
	ROUTE(METHOD_GET, "/get", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run_small),
};

static int open_server(void **state)
{
	static struct web_child child;

	if (web_marks_make(state) != 0) {
		return -1;
	}
	web_child_start(&child, routes, ARRAY_LEN(routes), 2, SECOND_US / 2, -1);
	*state = &child;
	return 0;
}

static int close_server(void **state)
{
	int status = web_child_stop(*state);

	return web_marks_drop(state) == 0 ? status : -1;
}

static void add_forged(struct fastcgi_bytes *bytes)
{
	fastcgi_begin(bytes, FASTCGI_RESPONDER, FASTCGI_KEEP_CONN);
	fastcgi_param(bytes, "REQUEST_METHOD", "POST");
	fastcgi_param(bytes, "DOCUMENT_URI", "/internal/credit");
	fastcgi_param(bytes, "REMOTE_ADDR", "127.0.0.1");
	fastcgi_param(bytes, "CONTENT_LENGTH", "0");
	fastcgi_params_end(bytes);
	fastcgi_stdin(bytes, "", 0, true);
}

/* The connection stands at a request's border: the next one is answered, as itself and alone. */
static void expect_next(int fd)
{
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	fastcgi_request(&bytes, "GET", "/get", "", "");
	assert_true(fastcgi_send(fd, &bytes));
	answer = fastcgi_receive(fd, 5000);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.ends, 1);
	assert_true(answer.closed); /* since it did not ask to keep it */
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
}

/* kept: the body was wanted and read, so the connection may serve another request; else it is closed. */
static void attack(struct web_child *child, const char *method, const char *path, size_t alignment, bool after_end, bool kept, int expected)
{
	struct fastcgi_bytes forged = {0};
	struct fastcgi_bytes body = {0};
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	char number[32];
	int before = atomic_load(&marks->count[0]);
	int fd = -1;

	add_forged(&forged);
	/* Long enough that libfcgi's 8 KiB buffer ends inside the body, at every alignment of the forged records to it. */
	for (size_t i = 0; i < 8192 + alignment; i++) {
		fastcgi_add(&body, "x", 1);
	}
	for (int i = 0; i < 20; i++) {
		fastcgi_add(&body, forged.ptr, forged.len);
	}
	fastcgi_begin(&bytes, FASTCGI_RESPONDER, FASTCGI_KEEP_CONN);
	fastcgi_param(&bytes, "REQUEST_METHOD", method);
	fastcgi_param(&bytes, "DOCUMENT_URI", path);
	fastcgi_param(&bytes, "REMOTE_ADDR", "203.0.113.9");
	(void)snprintf(number, sizeof(number), "%zu", after_end ? 0 : body.len);
	fastcgi_param(&bytes, "CONTENT_LENGTH", number);
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, body.ptr, after_end ? 0 : body.len, true);
	if (after_end) {
		fastcgi_add(&bytes, forged.ptr, forged.len);
	}
	fd = fastcgi_connect(child->path);
	assert_true(fastcgi_send(fd, &bytes));
	answer = kept ? fastcgi_receive_one(fd, 5000) : fastcgi_receive(fd, 5000);
	assert_int_equal(answer.status, expected);
	assert_int_equal(answer.ends, 1);
	assert_true(answer.closed || kept);
	fastcgi_answer_free(&answer);
	if (kept) {
		expect_next(fd);
	}
	assert_int_equal(atomic_load(&marks->count[0]), before);
	(void)close(fd);
	fastcgi_free(&forged);
	fastcgi_free(&body);
	fastcgi_free(&bytes);
}

/* The attack must be one: sent as a request of its own, the forged records reach the endpoint. */
static void the_forged_request_would_work(void **state)
{
	struct web_child *child = *state;
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	int before = atomic_load(&marks->count[0]);

	add_forged(&bytes);
	answer = fastcgi_call(child->path, &bytes);
	assert_int_equal(answer.status, 200);
	assert_int_equal(atomic_load(&marks->count[0]), before + 1);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
}

static void no_refusal_runs_what_the_body_carries(void **state)
{
	for (size_t alignment = 0; alignment < 16; alignment++) {
		attack(*state, "POST", "/internal/credit", alignment, false, false, 403);
		attack(*state, "POST", "/nowhere", alignment, false, false, 404);
		attack(*state, "PUT", "/small", alignment, false, false, 405);
		attack(*state, "POST", "/small", alignment, false, false, 413);
		attack(*state, "POST", "/json", alignment, false, true, 415);
		attack(*state, "POST", "/signed", alignment, false, true, 401);
		attack(*state, "POST", "/cut", alignment, false, true, 200);
	}
}

static void what_follows_a_request_is_not_a_request(void **state)
{
	attack(*state, "GET", "/get", 0, true, false, 200);
	attack(*state, "POST", "/nowhere", 0, true, false, 404);
}

/* A request of exactly so many bytes, asked to be kept; its last record, the end of the body, may have padding. */
static void add_request_of(struct fastcgi_bytes *bytes, size_t size, size_t padding)
{
	static char body[65536];
	char number[32];

	memset(body, 'x', sizeof(body));
	for (size_t len = size - 400; len < size && bytes->len != size; len++) {
		bytes->len = 0;
		fastcgi_begin(bytes, FASTCGI_RESPONDER, FASTCGI_KEEP_CONN);
		fastcgi_param(bytes, "REQUEST_METHOD", "POST");
		fastcgi_param(bytes, "DOCUMENT_URI", "/json");
		fastcgi_param(bytes, "REMOTE_ADDR", "203.0.113.9");
		fastcgi_param(bytes, "CONTENT_TYPE", "application/json");
		(void)snprintf(number, sizeof(number), "%zu", len);
		fastcgi_param(bytes, "CONTENT_LENGTH", number);
		fastcgi_params_end(bytes);
		fastcgi_stdin(bytes, body, len, true);
	}
	assert_int_equal(bytes->len, size);
	bytes->ptr[size - 8 + 6] = (char)(unsigned char)padding;
}

/*
 * Where what is looked at before reading ends, and where libfcgi's buffer of 8 KiB does: bytes behind the end mark were read as a next
 * request, in its padding too.
 */
static void what_hides_behind_the_end_mark_is_not_a_request(void **state)
{
	static const struct {
		size_t size;
		bool padded;
	} cases[] = {{8192, true}, {8184, true}, {16384, true}, {16384, false}, {16383, false}, {16385, false}, {12000, true}, {12000, false}};
	struct web_child *child = *state;
	int before = atomic_load(&marks->count[0]);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fastcgi_bytes forged = {0};
		struct fastcgi_bytes bytes = {0};
		struct fastcgi_answer answer;
		int fd = fastcgi_connect(child->path);

		add_forged(&forged);
		add_request_of(&bytes, cases[i].size, cases[i].padded ? forged.len : 0);
		fastcgi_add(&bytes, forged.ptr, forged.len);
		assert_true(fastcgi_send(fd, &bytes));
		answer = fastcgi_receive(fd, 5000);
		assert_int_equal(answer.ends, 1);
		assert_true(answer.closed);
		fastcgi_answer_free(&answer);
		(void)close(fd);
		fastcgi_free(&bytes);
		fastcgi_free(&forged);
	}
	assert_int_equal(atomic_load(&marks->count[0]), before);
}

/* The end mark of another request ends nothing; what does not begin as a responder's request is not kept either. */
static void an_end_mark_of_another_request_keeps_nothing(void **state)
{
	struct web_child *child = *state;
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;
	int fd = fastcgi_connect(child->path);

	fastcgi_request(&bytes, "GET", "/get", "", "");
	fastcgi_keep(&bytes);
	bytes.ptr[bytes.len - 8 + 3] = 2; /* the request's number in the last record */
	assert_true(fastcgi_send(fd, &bytes));
	answer = fastcgi_receive(fd, 5000);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	(void)close(fd);
	bytes.len = 0;
	fastcgi_begin(&bytes, FASTCGI_AUTHORIZER, FASTCGI_KEEP_CONN);
	fastcgi_param(&bytes, "REQUEST_METHOD", "GET");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "", 0, true);
	answer = fastcgi_call(child->path, &bytes);
	assert_int_equal(answer.status, 0);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
}

/* A stream that times out half read is closed too, with KEEP_CONN asked for. */
static void a_broken_body_ends_the_connection(void **state)
{
	struct web_child *child = *state;
	struct fastcgi_bytes bytes = {0};
	struct fastcgi_answer answer;

	fastcgi_begin(&bytes, FASTCGI_RESPONDER, FASTCGI_KEEP_CONN);
	fastcgi_param(&bytes, "REQUEST_METHOD", "POST");
	fastcgi_param(&bytes, "DOCUMENT_URI", "/json");
	fastcgi_param(&bytes, "CONTENT_TYPE", "application/json");
	fastcgi_param(&bytes, "CONTENT_LENGTH", "100");
	fastcgi_params_end(&bytes);
	fastcgi_stdin(&bytes, "{", 1, false);
	answer = fastcgi_call(child->path, &bytes);
	assert_int_equal(answer.status, 400);
	assert_true(answer.closed);
	fastcgi_answer_free(&answer);
	fastcgi_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_forged_request_would_work),
		cmocka_unit_test(no_refusal_runs_what_the_body_carries),
		cmocka_unit_test(what_follows_a_request_is_not_a_request),
		cmocka_unit_test(what_hides_behind_the_end_mark_is_not_a_request),
		cmocka_unit_test(an_end_mark_of_another_request_keeps_nothing),
		cmocka_unit_test(a_broken_body_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, open_server, close_server);
}
