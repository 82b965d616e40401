#include "store/columns.h"

#include <string.h>

static const void *cell(const void *list, struct column column, size_t i)
{
	return (const char *)list + i * column.stride + column.offset;
}

static int64_t *gather_i64(struct pg_params *params, const void *list, struct column column, size_t count)
{
	int64_t *values = arena_array(params->arena, count, sizeof(*values));

	for (size_t i = 0; values != NULL && i < count; i++) {
		memcpy(&values[i], cell(list, column, i), sizeof(values[i]));
	}
	return values;
}

static struct str *gather_str(struct pg_params *params, const void *list, struct column column, size_t count)
{
	struct str *values = arena_array(params->arena, count, sizeof(*values));

	for (size_t i = 0; values != NULL && i < count; i++) {
		memcpy(&values[i], cell(list, column, i), sizeof(values[i]));
	}
	return values;
}

/* The column could not be made: pg_run() will refuse. */
static void add_lost(struct pg_params *params)
{
	params->failed = true;
	pg_add_null(params);
}

void column_add_i64s(struct pg_params *params, const void *list, struct column column, size_t count)
{
	const int64_t *values = gather_i64(params, list, column, count);

	if (values == NULL) {
		add_lost(params);
		return;
	}
	pg_add_i64_array(params, values, count);
}

void column_add_times(struct pg_params *params, const void *list, struct column column, size_t count)
{
	const int64_t *values = gather_i64(params, list, column, count);

	if (values == NULL) {
		add_lost(params);
		return;
	}
	pg_add_time_array(params, values, count);
}

void column_add_strs(struct pg_params *params, const void *list, struct column column, size_t count)
{
	const struct str *values = gather_str(params, list, column, count);

	if (values == NULL) {
		add_lost(params);
		return;
	}
	pg_add_str_array(params, values, count);
}

void column_add_bytes(struct pg_params *params, const void *list, struct column column, size_t count)
{
	const struct str *values = gather_str(params, list, column, count);

	if (values == NULL) {
		add_lost(params);
		return;
	}
	pg_add_bytes_array(params, values, count);
}

/* The words of an enum's column. */
void column_add_words(struct pg_params *params, const void *list, struct column column, size_t count, struct str (*word_of)(int value))
{
	struct str *words = arena_array(params->arena, count, sizeof(*words));

	if (words == NULL) {
		add_lost(params);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int value = 0;

		memcpy(&value, cell(list, column, i), sizeof(value));
		words[i] = word_of(value);
	}
	pg_add_str_array(params, words, count);
}
