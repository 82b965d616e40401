#include "io/json.h"

/* Ours are macros of these names; jansson declares functions. */
#undef json_object
#undef json_array
#undef json_null
#undef json_array_size

#include <setjmp.h>

#include <jansson.h>

/* jansson's are macros over json_t; ours are functions. */
#undef json_is_object
#undef json_is_array
#undef json_is_string

#include "base/fiber.h"
#include "base/parse.h"
#include "base/utf.h"

/* Where jansson's memory comes from: its allocators take no context (decisions.md 6). */
static struct arena *bound(void)
{
	return *fiber_own(FIBER_SLOT_JSON);
}

/*
 * Where allocate() leaves to when the arena refuses while jansson reads; NULL else. jansson 2.14 does not look whether its token
 * buffer could grow and then stops the whole process by an assertion (load.c, lex_unget_unsave): a body that fills the arena and
 * ends in a long word would do it. Jumping out is safe, since all that jansson holds is in the arena.
 */
static _Thread_local jmp_buf *way_out;

static void *allocate(size_t size)
{
	void *memory = bound() == NULL ? NULL : arena_alloc(bound(), size);
	if (memory == NULL && way_out != NULL) {
		longjmp(*way_out, 1);
	}
	return memory;
}

static void keep(void *memory)
{
	/* Everything goes at once, with the arena. */
	(void)memory;
}

void json_setup(void)
{
	json_set_alloc_funcs(allocate, keep);
	/* From the system's random numbers: names chosen to collide must not be computable (CVE-2013-6401). */
	json_object_seed(0);
}

void json_bind_arena(struct arena *arena)
{
	*fiber_own(FIBER_SLOT_JSON) = arena;
}

/* The same pointer under its two names. jansson asks for mutable values even where it only reads. */
static json_t *inner(const struct json *value)
{
	return (json_t *)(uintptr_t)value;
}

static const struct json *outer(const json_t *value)
{
	return (const struct json *)value;
}

static struct json *made(json_t *value)
{
	return (struct json *)value;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------- */

/*
 * Whether the text nests at most JSON_DEPTH_MAX deep. jansson's own limit is 2048 and fixed when it was built, and its
 * recursion has to fit a fiber's stack.
 */
static bool depth_ok(struct str text)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		char byte = text.ptr[i];
		if (in_string) {
			if (byte == '\\') {
				i++;
			}
			in_string = byte != '"';
		} else if (byte == '"') {
			in_string = true;
		} else if (byte == '[' || byte == '{') {
			depth++;
			if (depth > JSON_DEPTH_MAX) {
				return false;
			}
		} else if ((byte == ']' || byte == '}') && depth > 0) {
			depth--;
		}
	}
	return true;
}

/* NULL when the text is wrong or the bound arena refused. */
static json_t *load(struct str text)
{
	jmp_buf here;
	if (setjmp(here) != 0) {
		way_out = NULL;
		return NULL;
	}
	way_out = &here;
	json_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
	way_out = NULL;
	return value;
}

enum status json_read(struct arena *arena, struct str text, const struct json **ret_value)
{
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	/* jansson 2.14 passes over a NUL that follows a literal or a number: "[null\0]" would be "[null]". JSON has none anywhere. */
	if (str_empty(text) || memchr(text.ptr, 0, text.len) != NULL || !depth_ok(text)) {
		return INVALID;
	}
	struct arena *before = bound();
	json_bind_arena(arena);
	json_t *value = load(text);
	json_bind_arena(before);
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	if (value == NULL) {
		return INVALID;
	}
	*ret_value = outer(value);
	return OK;
}

bool json_is_object(const struct json *value)
{
	return value != NULL && json_typeof(inner(value)) == JSON_OBJECT;
}

bool json_is_array(const struct json *value)
{
	return value != NULL && json_typeof(inner(value)) == JSON_ARRAY;
}

bool json_is_string(const struct json *value)
{
	return value != NULL && json_typeof(inner(value)) == JSON_STRING;
}

static bool is_null(const struct json *value)
{
	return value == NULL || json_typeof(inner(value)) == JSON_NULL;
}

const struct json *json_get(const struct json *object, const char *name)
{
	if (!json_is_object(object)) {
		return NULL;
	}
	const struct json *value = outer(json_object_get(inner(object), name));
	return is_null(value) ? NULL : value;
}

size_t json_length(const struct json *array)
{
	return json_is_array(array) ? json_array_size(inner(array)) : 0;
}

const struct json *json_array_at(const struct json *array, size_t index)
{
	return json_is_array(array) ? outer(json_array_get(inner(array), index)) : NULL;
}

bool json_object_each(const struct json *object, void **iterator, struct str *ret_name, const struct json **ret_value)
{
	if (!json_is_object(object)) {
		return false;
	}
	void *next = *iterator == NULL ? json_object_iter(inner(object)) : json_object_iter_next(inner(object), *iterator);
	if (next == NULL) {
		return false;
	}
	*iterator = next;
	*ret_name = (struct str){json_object_iter_key(next), json_object_iter_key_len(next)};
	*ret_value = outer(json_object_iter_value(next));
	return true;
}

enum status json_as_str(const struct json *value, struct str *ret_value)
{
	if (is_null(value)) {
		return NOT_FOUND;
	}
	if (!json_is_string(value)) {
		return INVALID;
	}
	*ret_value = (struct str){json_string_value(inner(value)), json_string_length(inner(value))};
	return OK;
}

enum status json_as_i64(const struct json *value, int64_t *ret_value)
{
	if (is_null(value)) {
		return NOT_FOUND;
	}
	/* 1.0 is a real to jansson, of which json_integer_value() would silently make 0. */
	if (json_typeof(inner(value)) != JSON_INTEGER) {
		return INVALID;
	}
	*ret_value = json_integer_value(inner(value));
	return OK;
}

enum status json_get_str(const struct json *object, const char *name, struct str *ret_value)
{
	return json_as_str(json_get(object, name), ret_value);
}

enum status json_get_i64(const struct json *object, const char *name, int64_t min, int64_t max, int64_t *ret_value)
{
	int64_t value = 0;
	enum status status = json_as_i64(json_get(object, name), &value);
	if (status != OK) {
		return status;
	}
	if (value < min || value > max) {
		return INVALID;
	}
	*ret_value = value;
	return OK;
}

enum status json_get_bool(const struct json *object, const char *name, bool *ret_value)
{
	const struct json *value = json_get(object, name);
	if (value == NULL) {
		return NOT_FOUND;
	}
	json_type type = json_typeof(inner(value));
	if (type != JSON_TRUE && type != JSON_FALSE) {
		return INVALID;
	}
	*ret_value = type == JSON_TRUE;
	return OK;
}

enum status json_get_id(const struct json *object, const char *name, int64_t *ret_id)
{
	struct str text = STR_ABSENT;
	enum status status = json_get_str(object, name, &text);
	if (status != OK) {
		return status;
	}
	return parse_platform_id(text, ret_id) == OK ? OK : INVALID;
}

/* ---- building ------------------------------------------------------------------------------------------------------------------ */

struct json *json_new_object(void)
{
	return made(json_object());
}

struct json *json_new_array(void)
{
	return made(json_array());
}

struct json *json_new_null(void)
{
	return made(json_null());
}

struct json *json_str(struct str value)
{
	if (!str_present(value)) {
		return json_new_null();
	}
	return utf_valid(value) ? made(json_stringn_nocheck(value.ptr, value.len)) : NULL;
}

struct json *json_i64(int64_t value)
{
	return made(json_integer(value));
}

struct json *json_bool(bool value)
{
	return made(json_boolean(value));
}

struct json *json_set(struct json *object, const char *name, struct json *value)
{
	if (!json_is_object(object) || value == NULL) {
		return NULL;
	}
	return json_object_set_new(inner(object), name, inner(value)) == 0 ? object : NULL;
}

struct json *json_set_str(struct json *object, const char *name, struct str value)
{
	return json_set(object, name, json_str(value));
}

struct json *json_set_i64(struct json *object, const char *name, int64_t value)
{
	return json_set(object, name, json_i64(value));
}

struct json *json_set_bool(struct json *object, const char *name, bool value)
{
	return json_set(object, name, json_bool(value));
}

struct json *json_set_id(struct json *object, const char *name, int64_t id)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lld", (long long)id);
	return json_set_str(object, name, (struct str){text, (size_t)len});
}

struct json *json_append(struct json *array, struct json *value)
{
	if (!json_is_array(array) || value == NULL) {
		return NULL;
	}
	return json_array_append_new(inner(array), inner(value)) == 0 ? array : NULL;
}

struct json *json_copy_of(const struct json *value)
{
	return value == NULL ? NULL : made(json_deep_copy(inner(value)));
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------- */

static int take_piece(const char *piece, size_t len, void *data)
{
	struct buf *text = data;
	buf_add(text, (struct str){piece, len});
	return text->failed ? -1 : 0;
}

static struct str written(struct arena *arena, const struct json *value, size_t flags)
{
	/* A tree whose arena failed may lack a part, even where nobody noticed a NULL on the way. */
	if (value == NULL || arena_failed(arena) || (bound() != NULL && arena_failed(bound()))) {
		return STR_ABSENT;
	}
	struct buf text = buf_init(arena, ARENA_REQUEST_LIMIT);
	struct arena *before = bound();
	json_bind_arena(arena);
	int result = json_dump_callback(inner(value), take_piece, &text, flags | JSON_ENCODE_ANY);
	json_bind_arena(before);
	return result == 0 && !arena_failed(arena) ? buf_str(&text) : STR_ABSENT;
}

struct str json_write(struct arena *arena, const struct json *value)
{
	return written(arena, value, JSON_COMPACT);
}

struct str json_write_lines(struct arena *arena, const struct json *value)
{
	return written(arena, value, JSON_INDENT(1));
}

struct str json_write_canonical(struct arena *arena, const struct json *value)
{
	return written(arena, value, JSON_COMPACT | JSON_SORT_KEYS);
}
