/*
 * Fuzzes json_read(): what it takes survives being written and read again; a small arena never gives half a tree; the members of what it
 * takes are those that are found in the text.
 */
#include <assert.h>
#include <stdint.h>

#include "base/utf.h"
#include "core/jsontext.h"
#include "io/json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_setup();
	return 0;
}

/* Visits every value as the adapters do; answers how many there are. */
static size_t walk(const struct json *value, size_t depth)
{
	assert(depth <= JSON_DEPTH_MAX);
	size_t count = 1;
	struct str text = STR_ABSENT;
	int64_t number = 0;
	enum status as_str = json_as_str(value, &text);
	enum status as_i64 = json_as_i64(value, &number);
	assert(as_str != OK || (as_i64 != OK && utf_valid(text)));
	for (size_t i = 0; i < json_array_size(value); i++) {
		count += walk(json_array_at(value, i), depth + 1);
	}
	void *at = NULL;
	struct str name = STR_ABSENT;
	const struct json *member = NULL;
	while (json_object_each(value, &at, &name, &member)) {
		assert(utf_valid(name));
		count += walk(member, depth + 1);
	}
	return count;
}

static void check_round_trip(struct arena *arena, struct str text)
{
	const struct json *value = NULL;
	enum status status = json_read(arena, text, &value);
	assert(status == OK || status == INVALID || status == TOO_LARGE);
	assert((status == TOO_LARGE) == arena_failed(arena));
	if (status != OK) {
		return;
	}
	size_t count = walk(value, 0);
	struct str once = json_write_canonical(arena, value);
	if (!str_present(once)) {
		assert(arena_failed(arena));
		return;
	}
	const struct json *again = NULL;
	status = json_read(arena, once, &again);
	assert(status == OK || status == TOO_LARGE);
	if (status == OK) {
		assert(walk(again, 0) == count);
		struct str twice = json_write_canonical(arena, again);
		assert(!str_present(twice) || str_eq(once, twice));
	}
}

#define MEMBERS_MAX 64

/* The text of a member, read by itself, is the member that was read with the whole. */
static void check_member(struct arena *arena, struct str text, const struct json *member)
{
	const struct json *alone = NULL;

	if (!json_is_object(member) && !json_is_array(member)) {
		return;
	}
	enum status status = json_read(arena, text, &alone);

	assert(status == OK || status == TOO_LARGE);
	if (status == OK) {
		struct str one = json_write_canonical(arena, alone);
		struct str other = json_write_canonical(arena, member);

		assert(!str_present(one) || !str_present(other) || str_eq(one, other));
	}
}

static void check_members(struct arena *arena, struct str text)
{
	struct jsontext_member members[MEMBERS_MAX];
	const struct json *value = NULL;
	const struct json *member = NULL;
	struct str name = STR_ABSENT;
	void *at = NULL;
	size_t count = 0;
	enum status found = jsontext_members(text, MEMBERS_MAX, members, &count);

	if (json_read(arena, text, &value) != OK || !json_is_object(value)) {
		return;
	}
	assert(found == OK || found == TOO_MANY);
	for (size_t i = 0; found == OK && i < count; i++) {
		assert(json_object_each(value, &at, &name, &member));
		check_member(arena, members[i].value, member);
	}
	assert(found != OK || !json_object_each(value, &at, &name, &member));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};
	/* Whole, and with so little that some allocation on the way fails. */
	const size_t limits[] = {ARENA_REQUEST_LIMIT, size == 0 ? 64 : 64 + (size_t)data[size / 2] * 16};
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct arena *arena = arena_new(limits[i]);
		assert(arena != NULL);
		check_round_trip(arena, text);
		arena_reset(arena);
		check_members(arena, text);
		arena_free(arena);
	}
	return 0;
}
