/* How answers are printed: JSON as it is, or for people. */
#include <stdarg.h>

#include "base/parse.h"
#include "base/utf.h"
#include "ctl.h"

#define COLUMNS_MAX 16
/* A cell wider than this is cut on screens; --json has it whole. */
#define CELL_POINTS_MAX 60
#define SENTENCE_MAX 2048

void ctl_print(struct str text)
{
	if (text.len > 0) {
		(void)fwrite(text.ptr, 1, text.len, stdout);
	}
}

struct json *json_set_time(struct arena *arena, struct json *object, const char *name, int64_t us)
{
	return json_set_str(object, name, us == 0 ? STR_ABSENT : format_rfc3339(arena, us));
}

static enum ctl_exit print_json(struct ctl *ctl, const struct json *value)
{
	struct str text = json_write(ctl->ctx.arena, value);
	if (!str_present(text)) {
		(void)fputs("trivet: the answer is too large to print\n", stderr);
		return CTL_FAILED;
	}
	ctl_print(text);
	ctl_print(STR("\n"));
	return CTL_DONE;
}

/* A member as words for a cell; control characters of foreign names are dropped, so that a terminal shows text only. */
static struct str cell(struct ctl *ctl, const struct json *object, const char *name)
{
	struct arena *arena = ctl->ctx.arena;
	struct str text;
	int64_t number;
	bool truth;
	if (json_get(object, name) == NULL) {
		return STR("-");
	}
	if (json_get_i64(object, name, INT64_MIN, INT64_MAX, &number) == OK) {
		return str_printf(arena, "%lld", (long long)number);
	}
	if (json_get_bool(object, name, &truth) == OK) {
		return truth ? STR("yes") : STR("no");
	}
	if (json_get_str(object, name, &text) == OK) {
		return utf_display(arena, text, SENTENCE_MAX);
	}
	const struct json *value = json_get(object, name);
	if (json_is_array(value) && json_array_size(value) > 0 && json_is_string(json_array_at(value, 0))) {
		struct buf words = buf_init(arena, SENTENCE_MAX);
		for (size_t i = 0; i < json_array_size(value); i++) {
			buf_add(&words, i == 0 ? STR("") : STR(","));
			buf_add(&words, json_as_str(json_array_at(value, i), &text) == OK ? text : STR("?"));
		}
		return buf_str(&words);
	}
	return json_write(arena, value);
}

static void print_padded(struct str text, size_t width, bool last)
{
	struct str shown = last ? text : utf_clip_points(text, width);
	ctl_print(shown);
	for (size_t points = utf_points(shown); !last && points < width + 2; points++) {
		ctl_print(STR(" "));
	}
}

static size_t width_of(struct ctl *ctl, const char *column, const struct json *array)
{
	size_t width = utf_points(str_from_z(column));
	for (size_t i = 0; i < json_array_size(array); i++) {
		size_t points = utf_points(cell(ctl, json_array_at(array, i), column));
		width = points > width ? points : width;
	}
	return width < CELL_POINTS_MAX ? width : CELL_POINTS_MAX;
}

enum ctl_exit ctl_list(struct ctl *ctl, const char *const *columns, const struct json *array)
{
	if (ctl->json || array == NULL) {
		return print_json(ctl, array);
	}
	size_t widths[COLUMNS_MAX];
	size_t count = 0;
	for (; count < COLUMNS_MAX && columns[count] != NULL; count++) {
		widths[count] = width_of(ctl, columns[count], array);
	}
	for (size_t c = 0; c < count; c++) {
		print_padded(str_from_z(columns[c]), widths[c], c + 1 == count);
	}
	ctl_print(STR("\n"));
	for (size_t i = 0; i < json_array_size(array); i++) {
		for (size_t c = 0; c < count; c++) {
			print_padded(cell(ctl, json_array_at(array, i), columns[c]), widths[c], c + 1 == count);
		}
		ctl_print(STR("\n"));
	}
	return CTL_DONE;
}

enum ctl_exit ctl_object(struct ctl *ctl, const struct json *object)
{
	if (ctl->json || object == NULL) {
		return print_json(ctl, object);
	}
	void *iterator = NULL;
	struct str name;
	const struct json *value;
	while (json_object_each(object, &iterator, &name, &value)) {
		const char *key = str_z(ctl->ctx.arena, name);
		ctl_print(name);
		ctl_print(STR(": "));
		ctl_print(key == NULL ? STR("?") : cell(ctl, object, key));
		ctl_print(STR("\n"));
	}
	return CTL_DONE;
}

PRINTF_LIKE(2, 0) static struct str sentence(struct ctl *ctl, const char *format, va_list args)
{
	char text[SENTENCE_MAX];
	(void)vsnprintf(text, sizeof text, format, args);
	struct str said = str_dup(ctl->ctx.arena, str_from_z(text));
	return str_present(said) ? said : STR("out of memory");
}

enum ctl_exit ctl_done(struct ctl *ctl, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str said = sentence(ctl, format, args);
	va_end(args);
	if (ctl->json) {
		return print_json(ctl, json_set_str(json_object(), "done", said));
	}
	ctl_print(said);
	ctl_print(STR("\n"));
	return CTL_DONE;
}

static void complain(struct ctl *ctl, struct str said)
{
	if (ctl->json) {
		(void)print_json(ctl, json_set_str(json_object(), "error", said));
		return;
	}
	(void)fprintf(stderr, "trivet: " STR_FMT "\n", STR_ARG(said));
}

enum ctl_exit ctl_fail(struct ctl *ctl, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	complain(ctl, sentence(ctl, format, args));
	va_end(args);
	return CTL_FAILED;
}

enum ctl_exit ctl_misused(struct ctl *ctl, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	complain(ctl, sentence(ctl, format, args));
	va_end(args);
	if (!ctl->json) {
		const char *verb = ctl->command->verb;
		(void)fprintf(stderr, "usage: trivet %s%s%s %s\n", ctl->command->name, verb != NULL ? " " : "", verb != NULL ? verb : "",
		              ctl->command->usage);
	}
	return CTL_USAGE;
}

enum ctl_exit ctl_status(struct ctl *ctl, const char *what, enum status status)
{
	static const char *const words[STATUS_COUNT] = {
		[INVALID] = "the value is not of the right form",
		[NOT_FOUND] = "there is no such thing",
		[CONFLICT] = "it exists already, or something still refers to it",
		[TOO_LARGE] = "the answer is too large",
		[UNAVAILABLE] = "PostgreSQL is away or refuses: is it running, is DATABASE_URL right, has `trivet migrate` been run?",
		[TIMED_OUT] = "no answer in time: whether it was done is not known; look before you repeat it",
		[RETRY] = "it collided with other work: run it again",
		[INTERNAL] = "the database refused the statement: has `trivet migrate` been run with this version?",
	};
	return ctl_fail(ctl, "%s: %s", what, words[status] != NULL ? words[status] : status_name(status));
}
