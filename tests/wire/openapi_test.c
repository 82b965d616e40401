/* A route table as an OpenAPI document: what a row says stands in it, and what a row names must be there. */
#include "web/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "io/json.h"

static const char frame_text[] =
	"{\"openapi\": \"3.1.0\", \"components\": {\"schemas\": {\"Problem\": {}, \"Thing\": {}, \"Order\": {}}, \"headers\": {\"RetryAfter\": {},"
	" \"ETag\": {}}, \"parameters\": {\"path-id\": {}, \"Limit\": {}, \"Cursor\": {}}}}";

static enum status never(struct route_call *call)
{
	(void)call;
	return INTERNAL;
}

#define KEY(m, p, ...) ROUTE(m, p, ROUTE_API_KEY, .deadline_us = 1, .verify = never, .run = never, .summary = "Of a thing", __VA_ARGS__)

static const struct route routes[] = {
	KEY(METHOD_GET, "/v1/things/{id}", .scope = "things", .gives = "Thing", .parameters = "Limit Cursor", .headers = "ETag",
            .problems = "404:thing-unknown"),
	KEY(METHOD_POST, "/v1/orders", .body_limit = 10, .body_json = true, .takes = "Order", .gives = "Thing", .statuses = "200 201",
            .problems = "409:key-reused 409:insufficient 412"),
	KEY(METHOD_DELETE, "/v1/things/{id}", .statuses = "204"),
	ROUTE(METHOD_GET, "/v1/open-doc.json", ROUTE_PUBLIC, .deadline_us = 1, .run = never, .gives = "Thing"),
};

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	json_setup();
	arena = arena_new((size_t)4 * 1024 * 1024);
	json_bind_arena(arena);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	json_bind_arena(NULL);
	arena_free(arena);
	return 0;
}

static struct json *frame(void)
{
	const struct json *read = NULL;

	assert_int_equal(json_read(arena, str_from_z(frame_text), &read), OK);
	json_bind_arena(arena);
	return json_copy_of(read);
}

static const struct json *document(void)
{
	const struct json *read = NULL;
	struct str text = STR_ABSENT;
	struct str reason = STR_ABSENT;

	assert_int_equal(openapi_text(arena, routes, ARRAY_LEN(routes), frame(), &text, &reason), OK);
	assert_int_equal(json_read(arena, text, &read), OK);
	json_bind_arena(arena);
	return read;
}

/* A part as compact text. */
static void expect(const struct json *value, const char *text)
{
	struct str got = json_write(arena, value);

	assert_true(str_present(got));
	assert_string_equal(str_z(arena, got), text);
}

static const struct json *operation(const char *path, const char *method)
{
	return json_get(json_get(json_get(document(), "paths"), path), method);
}

static void rows_of_one_path_stand_under_it(void **state)
{
	const struct json *paths = json_get(document(), "paths");

	(void)state;
	assert_non_null(json_get(json_get(paths, "/v1/things/{id}"), "get"));
	assert_non_null(json_get(json_get(paths, "/v1/things/{id}"), "delete"));
	assert_null(json_get(json_get(paths, "/v1/things/{id}"), "post"));
	assert_non_null(json_get(paths, "/v1/open-doc.json"));
}

static void a_row_says_who_may_and_what_is_asked(void **state)
{
	const struct json *get = operation("/v1/things/{id}", "get");
	const struct json *post = operation("/v1/orders", "post");

	(void)state;
	expect(json_get(get, "operationId"), "\"getThingsId\"");
	expect(json_get(operation("/v1/open-doc.json", "get"), "operationId"), "\"getOpenDocJson\"");
	expect(json_get(get, "security"), "[{\"key\":[]}]");
	expect(json_get(operation("/v1/open-doc.json", "get"), "security"), "[]");
	expect(json_get(get, "description"), "\"Scope of the key: things.\"");
	expect(json_get(get, "parameters"), "[{\"$ref\":\"#/components/parameters/path-id\"},{\"$ref\":\"#/components/parameters/Limit\"},"
	                                    "{\"$ref\":\"#/components/parameters/Cursor\"}]");
	assert_null(json_get(post, "parameters"));
	assert_null(json_get(get, "requestBody"));
	expect(json_get(post, "requestBody"),
	       "{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Order\"}}}}");
}

static void expect_statuses(const struct json *one, const char *statuses)
{
	const struct json *value = NULL;
	struct buf names = buf_init(arena, 128);
	void *iterator = NULL;
	struct str name;

	while (json_object_each(json_get(one, "responses"), &iterator, &name, &value)) {
		buf_add(&names, names.len > 0 ? STR(" ") : STR(""));
		buf_add(&names, name);
	}
	assert_string_equal(str_z(arena, buf_str(&names)), statuses);
}

static void a_row_has_its_own_answers_and_everybodys(void **state)
{
	const struct json *post = operation("/v1/orders", "post");

	(void)state;
	expect_statuses(operation("/v1/things/{id}", "get"), "200 400 401 403 404 429 503");
	expect_statuses(post, "200 201 400 401 409 412 413 415 429 503");
	expect_statuses(operation("/v1/things/{id}", "delete"), "204 400 401 429 503");
	expect_statuses(operation("/v1/open-doc.json", "get"), "200 429 503");
	expect(json_get(json_get(operation("/v1/things/{id}", "delete"), "responses"), "204"), "{\"description\":\"No Content\"}");
	expect(json_get(json_get(json_get(operation("/v1/things/{id}", "get"), "responses"), "200"), "headers"),
	       "{\"ETag\":{\"$ref\":\"#/components/headers/ETag\"}}");
	assert_non_null(strstr(str_z(arena, json_write(arena, json_get(json_get(post, "responses"), "409"))),
	                       "\"enum\":[\"/problems/key-reused\",\"/problems/insufficient\",\"about:blank\"]"));
}

static void expect_refused(struct route route, const char *part)
{
	struct str text = STR_ABSENT;
	struct str reason = STR_ABSENT;

	assert_int_equal(openapi_text(arena, &route, 1, frame(), &text, &reason), INVALID);
	assert_non_null(strstr(str_z(arena, reason), part));
	assert_false(str_present(text));
}

static void what_a_row_names_must_be_there(void **state)
{
	(void)state;
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Other"), "components.schemas lacks \"Other\"");
	expect_refused((struct route)KEY(METHOD_POST, "/v1/x", .body_limit = 1, .takes = "Other", .gives = "Thing"), "lacks \"Other\"");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/{name}", .gives = "Thing"), "components.parameters lacks \"path-name\"");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Thing", .parameters = "Limit Other"), "lacks \"Other\"");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Thing", .headers = "Other"), "components.headers lacks \"Other\"");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Thing", .statuses = "299"), "\"299\" is no status of ours");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Thing", .problems = "user-unknown"), "is no status of ours");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Thing", .problems = "410:gone"), "does not know");
	expect_refused((struct route)KEY(METHOD_GET, "/v1/x", .gives = "Thing",
	                                 .problems = "409:a 409:b 409:c 409:d 409:e 409:f 409:g 409:h 409:i"), "has room for");
}

static void memory_that_is_short_is_said(void **state)
{
	struct arena *small = arena_new(4096);
	struct str text = STR_ABSENT;
	struct str reason = STR_ABSENT;

	(void)state;
	struct json *whole = frame();

	json_bind_arena(small);
	assert_int_equal(openapi_text(small, routes, ARRAY_LEN(routes), whole, &text, &reason), TOO_LARGE);
	json_bind_arena(arena);
	arena_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_of_one_path_stand_under_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_says_who_may_and_what_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_has_its_own_answers_and_everybodys, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_row_names_must_be_there, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_that_is_short_is_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
