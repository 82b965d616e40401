/*
 * json - strict reading and building of JSON; the only file that knows jansson.
 *
 * Every tree lives in the arena that is bound (json_bind_arena): nothing is freed one by one, the arena's limit
 * bounds the tree too (decisions.md 6). Reading rejects duplicate keys, trailing bytes, NUL in strings, bad UTF-8, more than
 * JSON_DEPTH_MAX levels of nesting. Getters are strict: an integer written 1.0 is not an integer, an id never goes through a double.
 */
#ifndef TRIVET_IO_JSON_H
#define TRIVET_IO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

/* One value of a tree; NULL is "not there". Borrowed from the arena. */
struct json;

/* Levels of nesting that json_read() takes. */
#define JSON_DEPTH_MAX 64

/* json_setup - once per process, before threads: allocators, hash seed. */
void json_setup(void);

/* json_bind_arena - trees of the fiber or thread that calls live in `arena` from now on; NULL unbinds (allocation then fails). */
void json_bind_arena(struct arena *arena);

/* json_read - parses an object or array; binds `arena` only meanwhile. OK, INVALID, TOO_LARGE (arena). */
MUST_CHECK enum status json_read(struct arena *arena, struct str text, const struct json **ret_value);

/* json_get - member of an object by name; NULL when `object` is NULL, no object, or lacks it, or the member is null. */
const struct json *json_get(const struct json *object, const char *name);

bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
bool json_is_string(const struct json *value);

size_t json_length(const struct json *array);                                /* 0 when no array */
const struct json *json_array_at(const struct json *array, size_t index);    /* NULL past the end */

/*
 * json_object_each - the entries of an object in the order of the text; *iterator starts as NULL.
 * Returns false at the end (or when no object).
 */
bool json_object_each(const struct json *object, void **iterator, struct str *ret_name, const struct json **ret_value);

/* Typed members. OK, NOT_FOUND (absent or null), INVALID (another type; out of range). */
MUST_CHECK enum status json_get_str(const struct json *object, const char *name, struct str *ret_value);
MUST_CHECK enum status json_get_i64(const struct json *object, const char *name, int64_t min, int64_t max, int64_t *ret_value);
MUST_CHECK enum status json_get_bool(const struct json *object, const char *name, bool *ret_value);
/* A platform id written as a string ("123"), as the contract and Discord have it. */
MUST_CHECK enum status json_get_id(const struct json *object, const char *name, int64_t *ret_id);

/* Values themselves. */
MUST_CHECK enum status json_as_str(const struct json *value, struct str *ret_value);
MUST_CHECK enum status json_as_i64(const struct json *value, int64_t *ret_value);

/*
 * Building. Every function takes and returns values of the bound arena; a NULL in gives NULL out, so one check at the
 * end (json_write answers absent) serves for all. A string with bad UTF-8 or NUL gives NULL, never a lost field.
 */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_null(void);
struct json *json_str(struct str value); /* absent gives null */
struct json *json_i64(int64_t value);
struct json *json_bool(bool value);
/* json_set - member `name` of `object`; returns object, or NULL when any part is NULL. Absent strings: json_set_str sets null. */
struct json *json_set(struct json *object, const char *name, struct json *value);
struct json *json_set_str(struct json *object, const char *name, struct str value);
struct json *json_set_i64(struct json *object, const char *name, int64_t value);
struct json *json_set_bool(struct json *object, const char *name, bool value);
/* json_set_id - a platform id as a string. */
struct json *json_set_id(struct json *object, const char *name, int64_t id);
struct json *json_append(struct json *array, struct json *value);
/* json_copy_of - of a tree that was read, to build on. */
struct json *json_copy_of(const struct json *value);

/*
 * The short names of four functions. They are macros because jansson exports functions so named: ours would take their
 * place inside jansson when the program is linked.
 */
#define json_object() json_new_object()
#define json_array() json_new_array()
#define json_null() json_new_null()
#define json_array_size(array) json_length(array)

/* json_write - compact text, UTF-8 as it is; absent when value is NULL or the arena failed. */
struct str json_write(struct arena *arena, const struct json *value);

/* json_write_lines - the same for people: a member a line. */
struct str json_write_lines(struct arena *arena, const struct json *value);

/* json_write_canonical - the same with sorted keys: two values are equal when this is. Tests and fuzzers compare by it. */
struct str json_write_canonical(struct arena *arena, const struct json *value);

#endif
