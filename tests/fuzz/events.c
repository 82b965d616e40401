/*
 * A body of POST /v1/events: slicing agrees with reading, and data that is accepted has one text, which reads back as itself.
 */
#include <assert.h>
#include <stdint.h>

#include "core/jsontext.h"
#include "io/json.h"
#include "service/events.h"

#define ITEMS_MAX 64

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_setup();
	return 0;
}

/* Accepted data, written and read again as the worker does it. */
static void check_data(struct arena *arena, const struct json *data, enum event_type type)
{
	struct event event = {.type = type};
	struct event again = {.type = type};
	struct event_fault fault = {0};
	const struct json *tree = NULL;
	enum status status = events_read_data(arena, data, &event, &fault);

	assert(status == OK || status == INVALID);
	if (status != OK) {
		assert(arena_failed(arena) || (str_present(fault.detail) && str_starts(fault.field, STR("data"))));
		return;
	}
	struct str text = event_data_text(arena, &event);

	if (!str_present(text) || json_read(arena, text, &tree) == TOO_LARGE) {
		assert(arena_failed(arena));
		return;
	}
	status = events_read_data(arena, tree, &again, &fault);
	assert(status == OK);
	struct str twice = event_data_text(arena, &again);

	assert(!str_present(twice) || str_eq(text, twice));
}

/* What our reader takes as a whole, the slices are its elements. The reverse does not hold: the grammar is wider than the reader. */
static void check_against_reader(struct arena *arena, struct str text, const struct str *items, size_t count, enum status sliced)
{
	const struct json *whole = NULL;

	if (json_read(arena, text, &whole) != OK || !json_is_object(whole)) {
		return;
	}
	const struct json *list = json_get(whole, "events");

	assert(sliced != INVALID);
	if (sliced != OK) {
		return; /* the list may be there under a name spelled with escapes */
	}
	assert(json_is_array(list) && json_length(list) == count);
	for (size_t i = 0; i < count; i++) {
		const struct json *item = NULL;
		struct str one = json_write_canonical(arena, json_array_at(list, i));

		/* The reader takes objects and lists; what else an element may be, it refuses. */
		if (json_read(arena, items[i], &item) == OK) {
			struct str other = json_write_canonical(arena, item);

			assert(!str_present(one) || !str_present(other) || str_eq(one, other));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};
	struct str items[ITEMS_MAX];
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	size_t count = 0;

	assert(arena != NULL);
	enum status status = jsontext_items(text, STR("events"), ITEMS_MAX, items, &count);

	assert(status == OK || status == INVALID || status == NOT_FOUND || status == TOO_MANY);
	json_bind_arena(arena);
	const char *end = text.ptr;

	for (size_t i = 0; status == OK && i < count; i++) {
		const struct json *item = NULL;

		assert(items[i].len > 0 && items[i].ptr >= end && items[i].ptr + items[i].len <= text.ptr + text.len);
		end = items[i].ptr + items[i].len;
		if (json_read(arena, items[i], &item) == OK) {
			for (int type = EVENT_UNSET + 1; type < EVENT_TYPE_COUNT; type++) {
				check_data(arena, item, (enum event_type)type);
				check_data(arena, json_get(item, "data"), (enum event_type)type);
			}
		}
	}
	check_against_reader(arena, text, items, count, status);
	json_bind_arena(NULL);
	arena_free(arena);
	return 0;
}
