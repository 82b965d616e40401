/* json: the traps of pitfalls.md 2.5, each with its refusal; building; what an exhausted arena does. */
#include "io/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/texts.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	json_setup();
	arena = arena_new(ARENA_REQUEST_LIMIT);
	json_bind_arena(arena);
	return arena == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_bind_arena(NULL);
	arena_free(arena);
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	arena_reset(arena);
	return 0;
}

static const struct json *read_ok(const char *text)
{
	const struct json *value = NULL;
	assert_int_equal(json_read(arena, str_from_z(text), &value), OK);
	assert_non_null(value);
	return value;
}

static void test_refused_texts(void **state)
{
	(void)state;
	static const struct str refused[] = {
		STR_INIT(""), {NULL, 0}, STR_INIT(" "), STR_INIT("{"), STR_INIT("[1,]"), STR_INIT("{\"a\":1,}"), STR_INIT("{a:1}"),
		STR_INIT("nul"), STR_INIT("null"), STR_INIT("1"), STR_INIT("\"a\""), STR_INIT("{'a':1}"), STR_INIT("[NaN]"), STR_INIT("[Infinity]"),
		STR_INIT("[01]"), STR_INIT("[+1]"), STR_INIT("[.5]"), STR_INIT("[1.]"), STR_INIT("[0x10]"), STR_INIT("[1e999]"),
		/* the same name twice, also when one is spelled with an escape, also deep down */
		STR_INIT("{\"a\":1,\"a\":2}"), STR_INIT("{\"a\":1,\"\\u0061\":2}"), STR_INIT("[[{\"b\":{\"a\":1,\"a\":1}}]]"),
		/* integers that 64 bits cannot hold */
		STR_INIT("[9223372036854775808]"), STR_INIT("[-9223372036854775809]"), STR_INIT("[18446744073709551616]"),
		/* NUL, plain and escaped, in values and names */
		STR_INIT("[null\0]"), STR_INIT("[1\0,2]"), STR_INIT("[true\0]"),
		STR_INIT("[\"a\0b\"]"), STR_INIT("[\"\\u0000\"]"), STR_INIT("{\"\\u0000\":1}"), STR_INIT("{\"a\\u0000b\":1}"),
		/* lone surrogates, either half, and a wrong order */
		STR_INIT("[\"\\ud800\"]"), STR_INIT("[\"\\udc00\"]"), STR_INIT("[\"\\ud83dx\"]"), STR_INIT("[\"\\ude00\\ud83d\"]"),
		/* bad UTF-8: stray, overlong, surrogate, cut off */
		STR_INIT("[\"\xFF\"]"), STR_INIT("[\"\xC0\x80\"]"), STR_INIT("[\"\xED\xA0\x80\"]"), STR_INIT("[\"\xF0\x9F\x98\"]"),
		/* bytes after the end, a NUL among them; a byte order mark before the beginning */
		STR_INIT("{} x"), STR_INIT("{}{}"), STR_INIT("[]\0"), STR_INIT("{\"a\":1}\0{\"a\":2}"), STR_INIT("\xEF\xBB\xBF[]"),
		/* control characters and escapes that do not exist */
		STR_INIT("[\"\n\"]"), STR_INIT("[\"\\x41\"]"), STR_INIT("[\"\\u12G4\"]"), STR_INIT("[\""),
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct json *value = NULL;
		enum status status = json_read(arena, refused[i], &value);
		if (status != INVALID) {
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(refused[i]));
		}
		assert_null(value);
	}
	assert_false(arena_failed(arena));
}

static void test_depth(void **state)
{
	(void)state;
	char text[JSON_DEPTH_MAX * 2 + 2];
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	const struct json *value = NULL;
	assert_int_equal(json_read(arena, (struct str){text, (size_t)JSON_DEPTH_MAX * 2}, &value), OK);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_int_equal(json_read(arena, (struct str){text, (size_t)JSON_DEPTH_MAX * 2 + 2}, &value), INVALID);
	/* Brackets in strings are words, whatever was escaped before them. */
	struct buf words = buf_init(arena, 4096);
	buf_add(&words, STR("[\"\\\\\\\""));
	for (int i = 0; i < 200; i++) {
		buf_add(&words, STR("[{"));
	}
	buf_add(&words, STR("\"]"));
	assert_int_equal(json_read(arena, buf_str(&words), &value), OK);
	/* Many side by side are not deep. */
	struct buf flat = buf_init(arena, 4096);
	buf_add(&flat, STR("[[]"));
	for (int i = 0; i < 200; i++) {
		buf_add(&flat, STR(",[]"));
	}
	buf_add(&flat, STR("]"));
	assert_int_equal(json_read(arena, buf_str(&flat), &value), OK);
}

/* 1 MiB of it made 47 MiB of heap: the arena is what bounds the tree. */
static void test_a_tree_larger_than_its_text(void **state)
{
	(void)state;
	struct arena *body_arena = arena_new((size_t)8 * 1024 * 1024);
	size_t len = (size_t)4 * 1024 * 1024;
	char *text = arena_alloc(body_arena, len);
	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 1; i + 3 < len; i += 3) {
		memcpy(text + i, "[],", 3);
	}
	memcpy(text + len - 3, "[]]", 3);
	const struct json *value = NULL;
	assert_int_equal(json_read(arena, (struct str){text, len}, &value), TOO_LARGE);
	assert_null(value);
	assert_true(arena_failed(arena));
	/* It stays so until the reset, even for a text that would fit. */
	assert_int_equal(json_read(arena, STR("[]"), &value), TOO_LARGE);
	arena_reset(arena);
	assert_int_equal(json_read(arena, STR("[]"), &value), OK);
	arena_free(body_arena);
}

/* Whatever allocation is the one that fails: no crash, no half a tree. */
static void test_every_limit(void **state)
{
	(void)state;
	static const char text[] =
		"{\"a\":[1,-2.5,\"x\\u00e9\",true,null,{\"b\":{}}],\"long name of a member\":\"a long value, longer than the first\"}";
	bool fitted = false;
	for (size_t limit = 16; limit < 8192 && !fitted; limit += 16) {
		struct arena *small = arena_new(limit);
		const struct json *value = NULL;
		enum status status = json_read(small, str_from_z(text), &value);
		assert_true(status == OK || status == TOO_LARGE);
		assert_int_equal(value != NULL, status == OK);
		if (status == OK) {
			struct str written = json_write(small, value);
			assert_int_equal(str_present(written), !arena_failed(small));
			fitted = str_present(written);
		}
		arena_free(small);
	}
	assert_true(fitted);
}

/*
 * jansson does not look whether its token buffer could grow; where it could not, an assertion stopped the process. Found by
 * fuzzing: brackets that fill the arena, then a long word that is none of JSON's.
 */
static void test_a_long_word_at_the_end_of_memory(void **state)
{
	(void)state;
	char text[2000];
	memset(text, 'r', sizeof(text));
	text[0] = '[';
	/* Something after the word: jansson stumbled when it gave this byte back. */
	text[sizeof(text) - 1] = ']';
	for (size_t limit = 16; limit < 16384; limit += 16) {
		struct arena *small = arena_new(limit);
		const struct json *value = NULL;
		enum status status = json_read(small, (struct str){text, sizeof(text)}, &value);
		assert_int_equal(status, arena_failed(small) ? TOO_LARGE : INVALID);
		assert_null(value);
		arena_free(small);
	}
	/* The way out was for that reading only: building without memory answers NULL. */
	json_bind_arena(NULL);
	assert_null(json_object());
	json_bind_arena(arena);
}

static void test_integers(void **state)
{
	(void)state;
	const struct json *value =
		read_ok("{\"real\":1.0,\"exp\":1e3,\"max\":9223372036854775807,\"min\":-9223372036854775808,\"big\":1152921504606846977,"
	                "\"text\":\"1\",\"null\":null,\"seven\":7}");
	int64_t number = 4711;
	/* jansson would answer 0 for both, and lose the last bits of `big` as a double. */
	assert_int_equal(json_get_i64(value, "real", INT64_MIN, INT64_MAX, &number), INVALID);
	assert_int_equal(json_get_i64(value, "exp", INT64_MIN, INT64_MAX, &number), INVALID);
	assert_int_equal(json_get_i64(value, "text", INT64_MIN, INT64_MAX, &number), INVALID);
	assert_int_equal(json_get_i64(value, "null", INT64_MIN, INT64_MAX, &number), NOT_FOUND);
	assert_int_equal(json_get_i64(value, "none", INT64_MIN, INT64_MAX, &number), NOT_FOUND);
	assert_int_equal(json_get_i64(value, "seven", 8, 9, &number), INVALID);
	assert_int_equal(json_get_i64(value, "seven", 5, 6, &number), INVALID);
	assert_int_equal(number, 4711);
	assert_int_equal(json_get_i64(value, "seven", 7, 7, &number), OK);
	assert_int_equal(number, 7);
	assert_int_equal(json_get_i64(value, "max", INT64_MIN, INT64_MAX, &number), OK);
	assert_true(number == INT64_MAX);
	assert_int_equal(json_get_i64(value, "min", INT64_MIN, INT64_MAX, &number), OK);
	assert_true(number == INT64_MIN);
	assert_int_equal(json_get_i64(value, "big", INT64_MIN, INT64_MAX, &number), OK);
	assert_true(number == INT64_C(1152921504606846977));
}

static void test_members(void **state)
{
	(void)state;
	const struct json *value = read_ok("{\"s\":\"\\u044f\",\"b\":true,\"n\":null,\"o\":{\"x\":[1,null,\"y\"]},\"id\":\"123\",\"bad\":"
	                                   "\"0123\",\"num\":5,\"e\":\"\"}");
	struct str text = STR("untouched");
	bool flag = false;
	int64_t id = 0;
	assert_int_equal(json_get_str(value, "b", &text), INVALID);
	assert_int_equal(json_get_str(value, "n", &text), NOT_FOUND);
	assert_str(text, "untouched");
	assert_int_equal(json_get_str(value, "s", &text), OK);
	assert_str(text, "\xD1\x8F");
	assert_int_equal(json_get_str(value, "e", &text), OK);
	assert_true(str_present(text) && str_empty(text));
	assert_int_equal(json_get_bool(value, "num", &flag), INVALID);
	assert_int_equal(json_get_bool(value, "n", &flag), NOT_FOUND);
	assert_int_equal(json_get_bool(value, "b", &flag), OK);
	assert_true(flag);
	assert_int_equal(json_get_id(value, "id", &id), OK);
	assert_int_equal(id, 123);
	assert_int_equal(json_get_id(value, "bad", &id), INVALID);
	assert_int_equal(json_get_id(value, "num", &id), INVALID);
	assert_int_equal(json_get_id(value, "e", &id), INVALID);
	assert_int_equal(json_get_id(value, "none", &id), NOT_FOUND);
	assert_int_equal(id, 123);
	const struct json *array = json_get(json_get(value, "o"), "x");
	assert_true(json_is_array(array) && !json_is_object(array) && !json_is_string(array));
	assert_int_equal(json_array_size(array), 3);
	assert_int_equal(json_as_i64(json_array_at(array, 0), &id), OK);
	assert_int_equal(json_as_i64(json_array_at(array, 1), &id), NOT_FOUND);
	assert_int_equal(json_as_str(json_array_at(array, 2), &text), OK);
	assert_null(json_array_at(array, 3));
	assert_int_equal(json_as_str(json_array_at(array, 3), &text), NOT_FOUND);
	/* Of what is not there, or no object, every part is not there. */
	assert_null(json_get(NULL, "x"));
	assert_null(json_get(array, "x"));
	assert_int_equal(json_array_size(value), 0);
	assert_null(json_array_at(NULL, 0));
	assert_false(json_is_object(NULL));
}

static void test_each(void **state)
{
	(void)state;
	const struct json *value = read_ok("{\"z\":1,\"a\":null,\"m\":{}}");
	static const char *const names[] = {"z", "a", "m"};
	void *at = NULL;
	struct str name = STR_ABSENT;
	const struct json *member = NULL;
	size_t count = 0;
	while (json_object_each(value, &at, &name, &member)) {
		assert_str(name, names[count]);
		assert_non_null(member);
		count++;
	}
	assert_int_equal(count, 3);
	at = NULL;
	assert_false(json_object_each(read_ok("{}"), &at, &name, &member));
	assert_false(json_object_each(read_ok("[1]"), &at, &name, &member));
	assert_false(json_object_each(NULL, &at, &name, &member));
}

static void test_building(void **state)
{
	(void)state;
	struct json *object = json_object();
	object = json_set_i64(object, "n", INT64_MIN);
	object = json_set_bool(object, "b", false);
	object = json_set_id(object, "id", INT64_MAX);
	object = json_set_str(object, "s", STR("\xD1\x8F \"</script>\n"));
	object = json_set_str(object, "none", STR_ABSENT);
	object = json_set(object, "a", json_append(json_append(json_array(), json_str(STR("x"))), json_null()));
	assert_str(json_write(arena, object), "{\"n\":-9223372036854775808,\"b\":false,\"id\":\"9223372036854775807\","
	                                      "\"s\":\"\xD1\x8F \\\"</script>\\n\",\"none\":null,\"a\":[\"x\",null]}");
	/* A member set again has its last value. */
	assert_str(json_write(arena, json_set_i64(json_set_i64(json_object(), "a", 1), "a", 2)), "{\"a\":2}");
	assert_str(json_write(arena, json_str(STR("top"))), "\"top\"");
}

static void test_building_refused(void **state)
{
	(void)state;
	/* One bad part and the whole is nothing: never a field less. */
	assert_null(json_str(STR("\xFF")));
	assert_null(json_str(STR("a\0b")));
	assert_null(json_set_str(json_object(), "a", STR("\xED\xA0\x80")));
	assert_null(json_set(json_object(), "a", NULL));
	assert_null(json_set_i64(NULL, "a", 1));
	assert_null(json_set_i64(json_array(), "a", 1));
	assert_null(json_set_i64(json_object(), "\xFF", 1));
	assert_null(json_append(json_array(), NULL));
	assert_null(json_append(json_object(), json_null()));
	assert_false(str_present(json_write(arena, NULL)));
}

static void test_building_without_memory(void **state)
{
	(void)state;
	struct json *object = json_set_i64(json_object(), "a", 1);
	assert_non_null(object);
	json_bind_arena(NULL);
	assert_null(json_object());
	json_bind_arena(arena);
	assert_null(arena_alloc(arena, ARENA_REQUEST_LIMIT));
	assert_null(json_object());
	/* Whole, but of a request that failed elsewhere. */
	assert_false(str_present(json_write(arena, object)));
}

static void test_canonical(void **state)
{
	(void)state;
	struct str one = json_write_canonical(arena, read_ok("{ \"b\" : [1, {\"d\":1,\"c\":2}], \"a\" : \"\\u00e9\" }"));
	struct str two = json_write_canonical(arena, read_ok("{\"a\":\"\xC3\xA9\",\"b\":[1,{\"c\":2,\"d\":1}]}"));
	assert_str(one, "{\"a\":\"\xC3\xA9\",\"b\":[1,{\"c\":2,\"d\":1}]}");
	assert_true(str_eq(one, two));
	assert_false(str_eq(one, json_write_canonical(arena, read_ok("{\"a\":\"\xC3\xA9\",\"b\":[{\"c\":2,\"d\":1},1]}"))));
}

static void test_other_arena_stays_bound(void **state)
{
	(void)state;
	/* Reading into one arena does not change where the thread builds. */
	struct arena *other = arena_new(4096);
	const struct json *value = NULL;
	assert_int_equal(json_read(other, STR("[1]"), &value), OK);
	size_t used = arena_used(other);
	assert_non_null(json_object());
	assert_int_equal(arena_used(other), used);
	arena_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_refused_texts, fresh),
		cmocka_unit_test_setup(test_depth, fresh),
		cmocka_unit_test_setup(test_a_tree_larger_than_its_text, fresh),
		cmocka_unit_test_setup(test_every_limit, fresh),
		cmocka_unit_test_setup(test_a_long_word_at_the_end_of_memory, fresh),
		cmocka_unit_test_setup(test_integers, fresh),
		cmocka_unit_test_setup(test_members, fresh),
		cmocka_unit_test_setup(test_each, fresh),
		cmocka_unit_test_setup(test_building, fresh),
		cmocka_unit_test_setup(test_building_refused, fresh),
		cmocka_unit_test_setup(test_building_without_memory, fresh),
		cmocka_unit_test_setup(test_canonical, fresh),
		cmocka_unit_test_setup(test_other_arena_stays_bound, fresh),
	};
	return cmocka_run_group_tests_name("json", tests, set_up, tear_down);
}
