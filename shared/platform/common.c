#include "platform/common.h"

#include <assert.h>

#include "base/utf.h"

/* Larger than any text that fits: 4096 characters, each an entity of six bytes, and the tags. */
#define TEXT_BYTES_MAX ((size_t)32 * 1024)
#define ELLIPSIS "\xE2\x80\xA6"
/* A line feed and the ellipsis; one point and one UTF-16 unit each. */
#define CUT_MARK "\n" ELLIPSIS
#define CUT_MARK_LEN 2

static const struct str secret_place = STR_INIT("{secret}");

struct str platform_member(const struct json *object, const char *name)
{
	struct str value = STR_ABSENT;

	return json_get_str(object, name, &value) == OK ? value : STR_ABSENT;
}

bool platform_flag(const struct json *object, const char *name)
{
	bool value = false;

	return json_get_bool(object, name, &value) == OK && value;
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

struct str platform_shaped(struct str s, size_t max, const char *others)
{
	if (s.len == 0 || s.len > max) {
		return STR_ABSENT;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter_or_digit(s.ptr[i]) && (s.ptr[i] == '\0' || strchr(others, s.ptr[i]) == NULL)) {
			return STR_ABSENT;
		}
	}
	return s;
}

struct str platform_shown(struct arena *arena, struct str name)
{
	struct str shown = utf_display(arena, name, PLATFORM_NAME_MAX);

	return str_empty(shown) ? STR_ABSENT : shown;
}

bool platform_has_words(struct str s, struct str words)
{
	for (size_t i = 0; i + words.len <= s.len; i++) {
		if (str_eq_nocase(str_cut(s, i, words.len), words)) {
			return true;
		}
	}
	return false;
}

enum status platform_decimal_us(struct str s, int64_t *ret_us)
{
	int64_t us = 0;
	int64_t unit = SECOND_US;
	size_t at = 0;
	bool rest = false;

	for (; at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9'; at++) {
		us = us * 10 + (s.ptr[at] - '0') * SECOND_US;
		if (us > PLATFORM_WAIT_MAX_US) {
			return OVERFLOWN;
		}
	}
	if (at == 0) {
		return INVALID;
	}
	if (at < s.len && (s.ptr[at++] != '.' || at == s.len)) {
		return INVALID;
	}
	for (; at < s.len; at++) {
		if (s.ptr[at] < '0' || s.ptr[at] > '9') {
			return INVALID;
		}
		unit /= 10;
		us += (s.ptr[at] - '0') * unit;
		rest = rest || (unit == 0 && s.ptr[at] != '0');
	}
	*ret_us = us + (rest ? 1 : 0);
	return OK;
}

int64_t platform_wait_us(struct str seconds)
{
	int64_t us = PLATFORM_WAIT_DEFAULT_US;

	if (platform_decimal_us(seconds, &us) == OVERFLOWN) {
		return PLATFORM_WAIT_MAX_US;
	}
	return us < PLATFORM_WAIT_MIN_US ? PLATFORM_WAIT_MIN_US : us;
}

bool platform_says(const struct reply *reply)
{
	return reply != NULL && !reply->silent && reply->line_count > 0;
}

static struct str render(struct arena *arena, enum language language, const struct reply *reply, const struct text_style *style)
{
	struct buf out = buf_init(arena, TEXT_BYTES_MAX);

	reply_render_text(&out, language, reply, style);
	return buf_str(&out);
}

/* SIZE_MAX when it cannot be rendered at all: that never fits either. */
static size_t length(struct arena *arena, enum language language, const struct reply *reply, const struct text_style *style,
	struct platform_limit limit)
{
	struct str text = render(arena, language, reply, limit.unit == PLATFORM_UNITS16 ? &text_plain : style);

	if (!str_present(text)) {
		return SIZE_MAX;
	}
	return limit.unit == PLATFORM_UNITS16 ? utf_units16(text) : utf_points(text);
}

/* How many whole lines fit together with the mark that something is missing. Each line is measured once. */
static size_t lines_that_fit(struct arena *arena, enum language language, const struct reply *reply, const struct text_style *style,
	struct platform_limit limit)
{
	struct reply one = *reply;
	size_t used = 0;

	one.line_count = 1;
	for (size_t i = 0; i < reply->line_count; i++) {
		one.lines = &reply->lines[i];
		size_t len = length(arena, language, &one, style, limit);

		if (len == SIZE_MAX || used + len + CUT_MARK_LEN > limit.max) {
			return i;
		}
		used += len + 1;
	}
	return reply->line_count;
}

static struct str clipped(struct arena *arena, struct str whole, size_t cap)
{
	struct str part = utf_clip_points(whole, cap);

	return part.len < whole.len ? str_printf(arena, STR_FMT ELLIPSIS, STR_ARG(part)) : whole;
}

/* The first line alone, its foreign words halved until it fits; the template itself always does. */
static struct str cut_words(struct arena *arena, enum language language, const struct reply *reply, const struct text_style *style,
	struct platform_limit limit)
{
	const struct reply_line *whole = &reply->lines[0];
	struct text_arg args[TEXT_ARGS_MAX] = {0};
	struct reply_line line = *whole;
	struct reply one = *reply;

	line.args = args;
	one.lines = &line;
	one.line_count = 1;
	for (size_t cap = limit.max / 2; cap > 0; cap /= 2) {
		for (size_t i = 0; i < whole->arg_count; i++) {
			args[i] = whole->args[i];
			args[i].string = clipped(arena, whole->args[i].string, cap);
			args[i].english = clipped(arena, whole->args[i].english, cap);
		}
		if (length(arena, language, &one, style, limit) <= limit.max) {
			break;
		}
	}
	return render(arena, language, &one, style);
}

struct str platform_text(struct arena *arena, enum language language, const struct reply *reply, const struct text_style *style,
	struct platform_limit limit)
{
	struct reply shorter;
	struct str text;

	if (length(arena, language, reply, style, limit) <= limit.max) {
		return render(arena, language, reply, style);
	}
	shorter = *reply;
	shorter.line_count = lines_that_fit(arena, language, reply, style, limit);
	if (shorter.line_count == 0) {
		return cut_words(arena, language, reply, style, limit);
	}
	text = render(arena, language, &shorter, style);
	return str_present(text) ? str_printf(arena, STR_FMT CUT_MARK, STR_ARG(text)) : STR_ABSENT;
}

static struct str label(struct arena *arena, enum language language, enum message message, const struct text_arg *args, size_t arg_count,
	size_t max_points)
{
	struct buf out = buf_init(arena, TEXT_BYTES_MAX);

	text_format(&out, language, message, args, arg_count, NULL, 0, &text_plain);
	return utf_clip_points(buf_str(&out), max_points);
}

struct str platform_label(struct arena *arena, enum language language, enum message message, size_t max_points)
{
	return label(arena, language, message, NULL, 0, max_points);
}

struct str platform_button_label(struct arena *arena, enum language language, const struct reply_button *button, size_t max_points)
{
	return label(arena, language, button->label, &button->arg, button->arg.kind != TEXT_ARG_UNSET ? 1 : 0, max_points);
}

static struct str fill_secret(struct arena *arena, const struct reply *reply, const struct reply_button *button)
{
	struct str before = button->target;
	size_t at = 0;

	if (button->secret_index < 0) {
		return button->target;
	}
	if ((size_t)button->secret_index >= reply->secret_count || str_empty(reply->secrets[button->secret_index])) {
		return STR_ABSENT;
	}
	while (at + secret_place.len <= before.len && !str_eq(str_cut(before, at, secret_place.len), secret_place)) {
		at++;
	}
	if (at + secret_place.len > before.len) {
		return button->target;
	}
	return str_printf(arena, STR_FMT STR_FMT STR_FMT, STR_ARG(str_cut(before, 0, at)), STR_ARG(reply->secrets[button->secret_index]),
		STR_ARG(str_cut(before, at + secret_place.len, before.len)));
}

struct str platform_button_url(struct arena *arena, const struct config *config, const struct reply *reply,
	const struct reply_button *button)
{
	struct str target = fill_secret(arena, reply, button);

	if (str_empty(target) || button->kind == REPLY_BUTTON_ACTION) {
		return STR_ABSENT;
	}
	if (button->kind == REPLY_BUTTON_URL) {
		return target;
	}
	return str_empty(config->webapp_url) ? STR_ABSENT : platform_url(arena, config->webapp_url, target);
}

struct str platform_url(struct arena *arena, struct str base, struct str path)
{
	struct str start = str_ends(base, STR("/")) ? str_cut(base, 0, base.len - 1) : base;

	return str_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(start), str_starts(path, STR("/")) ? "" : "/", STR_ARG(path));
}

void platform_header(struct http_request *request, struct str name, struct str value)
{
	assert(request->header_count < HTTP_HEADERS_MAX);
	request->headers[request->header_count++] = (struct http_header){.name = name, .value = value};
}

struct str platform_error(struct arena *arena, int http_status, struct str words)
{
	struct str shown = str_empty(words) ? STR_ABSENT : utf_display(arena, words, PLATFORM_ERROR_MAX);

	if (str_empty(shown) || platform_has_words(shown, STR("://"))) {
		return str_printf(arena, "HTTP %d", http_status);
	}
	return shown;
}
