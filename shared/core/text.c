#include "core/text.h"

#include <assert.h>

struct message_row {
	struct str name;
	struct str templates[LANGUAGE_COUNT];
};

static const struct message_row message_rows[MESSAGE_COUNT] = {
	[MESSAGE_NONE] = {.name = STR_INIT("NONE")},
#define MESSAGE(id, russian, english) \
	[MSG_##id] = {.name = STR_INIT(#id), .templates = {[LANGUAGE_RU] = STR_INIT(russian), [LANGUAGE_EN] = STR_INIT(english)}},
#include "core/messages.def"
#undef MESSAGE
};

/* What a formatting run needs everywhere. */
struct formatting {
	struct buf *out;
	enum language language;
	const struct text_arg *args;
	size_t arg_count;
	const struct str *secrets;
	size_t secret_count;
	const struct text_style *style;
	bool in_code;
};

static void escape_nothing(struct buf *out, struct str s, bool in_code)
{
	(void)in_code;
	buf_add(out, s);
}

const struct text_style text_plain = {.escape = escape_nothing};

/* Source: Unicode CLDR, plural rules of ru and en for integers. */
size_t text_plural_form(enum language language, int64_t number)
{
	uint64_t n = number < 0 ? -(uint64_t)number : (uint64_t)number;

	if (language != LANGUAGE_RU) {
		return n == 1 ? 0 : 1;
	}
	if (n % 10 == 1 && n % 100 != 11) {
		return 0;
	}
	if (n % 10 >= 2 && n % 10 <= 4 && (n % 100 < 12 || n % 100 > 14)) {
		return 1;
	}
	return 2;
}

struct unit_words {
	int64_t seconds;
	const char *russian;
	const char *english;
};

static const struct unit_words duration_units[] = {
	{86400, "д", "d"},
	{3600, "ч", "h"},
	{60, "мин", "min"},
	{1, "с", "s"},
};

/* The largest two units that are not zero: "2 мин 5 с"; "0 с" for nothing. */
static void add_duration(struct buf *out, enum language language, int64_t seconds)
{
	int64_t rest = seconds < 0 ? 0 : seconds;
	int written = 0;

	for (size_t i = 0; i < ARRAY_LEN(duration_units) && written < 2; i++) {
		const struct unit_words *unit = &duration_units[i];
		int64_t count = rest / unit->seconds;

		if (count == 0 && !(unit->seconds == 1 && written == 0)) {
			continue;
		}
		rest -= count * unit->seconds;
		buf_printf(out, "%s%lld %s", written > 0 ? " " : "", (long long)count,
		           language == LANGUAGE_RU ? unit->russian : unit->english);
		written++;
	}
}

/* Civil date from days since 1970-01-01. Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
static void add_date(struct buf *out, enum language language, int64_t us)
{
	int64_t seconds = us / SECOND_US;
	int64_t z = seconds / 86400 + 719468;
	int64_t era = z / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	int day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
	int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
	int year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));

	if (language == LANGUAGE_RU) {
		buf_printf(out, "%02d.%02d.%04d", day, month, year);
	} else {
		buf_printf(out, "%04d-%02d-%02d", year, month, day);
	}
}

static void add_time(struct buf *out, enum language language, int64_t us)
{
	int64_t minutes = us / SECOND_US % 86400 / 60;

	add_date(out, language, us);
	buf_printf(out, " %02d:%02d UTC", (int)(minutes / 60), (int)(minutes % 60));
}

/* A true minus sign: a hyphen at the start of a line is a list to some. */
static void add_signed(struct buf *out, int64_t number)
{
	uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number;

	buf_printf(out, "%s%llu", number < 0 ? "\xE2\x88\x92" : "+", (unsigned long long)size);
}

static void add_escaped(const struct formatting *f, struct str s)
{
	if (s.len > 0) {
		f->style->escape(f->out, s, f->in_code);
	}
}

static void add_secret(const struct formatting *f, int64_t index)
{
	bool there = index >= 0 && (size_t)index < f->secret_count && str_present(f->secrets[index]);

	add_escaped(f, there ? f->secrets[index] : STR("······"));
}

/* The argument that a placeholder names; NULL when there are fewer. */
static const struct text_arg *arg_at(const struct formatting *f, size_t index)
{
	return f->args != NULL && index < f->arg_count ? &f->args[index] : NULL;
}

/* One level: a message that stands as an argument has none itself. NOLINTBEGIN(misc-no-recursion) */
static void add_arg(const struct formatting *f, const struct text_arg *arg)
{
	if (arg == NULL) {
		return;
	}
	switch (arg->kind) {
	case TEXT_ARG_INT:
		buf_add_i64(f->out, arg->number);
		break;
	case TEXT_ARG_STR:
		add_escaped(f, arg->string);
		break;
	case TEXT_ARG_MESSAGE:
		text_format(f->out, f->language, arg->message, NULL, 0, NULL, 0, f->style);
		break;
	case TEXT_ARG_DURATION:
		add_duration(f->out, f->language, arg->number);
		break;
	case TEXT_ARG_TIME:
		add_time(f->out, f->language, arg->number);
		break;
	case TEXT_ARG_SECRET:
		add_secret(f, arg->number);
		break;
	case TEXT_ARG_SIGNED:
		add_signed(f->out, arg->number);
		break;
	case TEXT_ARG_DATE:
		add_date(f->out, f->language, arg->number);
		break;
	case TEXT_ARG_WORDS:
		add_escaped(f, f->language == LANGUAGE_RU ? arg->string : arg->english);
		break;
	case TEXT_ARG_UNSET:
	case TEXT_ARG_COUNT:
		break;
	}
}

/* "{0}" or "{0|one|few|many}", the braces taken off already. */
static void add_placeholder(const struct formatting *f, struct str inside)
{
	struct str rest = inside;
	struct str number = str_split(&rest, '|');
	size_t index = number.len == 1 ? (size_t)(number.ptr[0] - '0') : SIZE_MAX;
	const struct text_arg *arg = arg_at(f, index);

	if (!str_present(rest)) {
		add_arg(f, arg);
		return;
	}
	size_t form = arg != NULL ? text_plural_form(f->language, arg->number) : 0;

	while (form-- > 0 && str_present(rest)) {
		(void)str_split(&rest, '|');
	}
	add_escaped(f, str_split(&rest, '|'));
}

struct tag_rule {
	struct str tag;
	size_t style_offset;
	int code; /* 1 opens, -1 closes a code span */
};

static const struct tag_rule tag_rules[] = {
	{STR_INIT("b"), offsetof(struct text_style, bold_open), 0},
	{STR_INIT("/b"), offsetof(struct text_style, bold_close), 0},
	{STR_INIT("i"), offsetof(struct text_style, italic_open), 0},
	{STR_INIT("/i"), offsetof(struct text_style, italic_close), 0},
	{STR_INIT("code"), offsetof(struct text_style, code_open), 1},
	{STR_INIT("/code"), offsetof(struct text_style, code_close), -1},
};

static void add_tag(struct formatting *f, struct str tag)
{
	for (size_t i = 0; i < ARRAY_LEN(tag_rules); i++) {
		if (str_eq(tag, tag_rules[i].tag)) {
			buf_add(f->out, *(const struct str *)((const char *)f->style + tag_rules[i].style_offset));
			f->in_code = tag_rules[i].code == 0 ? f->in_code : tag_rules[i].code > 0;
			return;
		}
	}
	assert(false && "a template holds an unknown tag"); /* the catalogue's test finds it first */
}

void text_format(struct buf *out, enum language language, enum message message, const struct text_arg *args,
                 size_t arg_count, const struct str *secrets, size_t secret_count, const struct text_style *style)
{
	struct formatting f = {.out = out, .language = language, .args = args, .arg_count = arg_count,
	                       .secrets = secrets, .secret_count = secret_count, .style = style};
	struct str text = message_template(language, message);
	size_t at = 0;

	while (at < text.len) {
		char byte = text.ptr[at];
		size_t end = at;

		if (byte == '{' || byte == '<') {
			size_t inside = str_find(str_cut(text, at + 1, text.len), byte == '{' ? '}' : '>');

			assert(inside != SIZE_MAX);
			if (byte == '{') {
				add_placeholder(&f, str_cut(text, at + 1, inside));
			} else {
				add_tag(&f, str_cut(text, at + 1, inside));
			}
			at += inside + 2;
			continue;
		}
		while (end < text.len && text.ptr[end] != '{' && text.ptr[end] != '<') {
			end++;
		}
		add_escaped(&f, str_cut(text, at, end - at));
		at = end;
	}
}
/* NOLINTEND(misc-no-recursion) */

#define BAR_CELLS 10

struct str text_bar(struct arena *arena, int64_t done, int64_t whole)
{
	struct buf out = buf_init(arena, BAR_CELLS * 3);
	int64_t full = done <= 0 ? 0 : BAR_CELLS;

	if (done > 0 && done < whole) {
		int64_t scale = whole > INT64_MAX / BAR_CELLS ? BAR_CELLS : 1;

		full = done / scale * BAR_CELLS / (whole / scale);
		full = full < 1 ? 1 : full;
	}
	for (int64_t i = 0; i < BAR_CELLS; i++) {
		buf_add(&out, i < full ? STR("▰") : STR("▱"));
	}
	return buf_str(&out);
}

struct str message_name(enum message message)
{
	return message_rows[message].name;
}

enum status message_from_name(struct str name, enum message *ret_message)
{
	for (int m = MESSAGE_NONE + 1; m < MESSAGE_COUNT; m++) {
		if (str_eq(name, message_rows[m].name)) {
			*ret_message = (enum message)m;
			return OK;
		}
	}
	return NOT_FOUND;
}

struct str message_template(enum language language, enum message message)
{
	return message_rows[message].templates[language];
}
