#include "base/utf.h"

#include <assert.h>
#include <string.h>

#define BEYOND_BMP 0x10000

/*
 * Reads one code point at the front of a non-empty string; answers its length in bytes, or 0 when it is malformed.
 * Source: RFC 3629, 4; the Unicode Standard, table 3-7.
 */
static size_t decode(struct str s, uint32_t *ret_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, BEYOND_BMP};
	assert(s.ptr != NULL);
	unsigned char first = (unsigned char)s.ptr[0];
	if (first < 0x80) {
		*ret_point = first;
		return 1;
	}
	size_t len = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
	if (first < 0xC2 || first > 0xF4 || s.len < len) {
		return 0;
	}
	uint32_t point = first & (0xFFU >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)s.ptr[i];
		if ((next & 0xC0) != 0x80) {
			return 0;
		}
		point = point << 6 | (next & 0x3FU);
	}
	bool surrogate = point >= 0xD800 && point <= 0xDFFF;
	if (point < smallest[len] || point > 0x10FFFF || surrogate) {
		return 0;
	}
	*ret_point = point;
	return len;
}

/* The same for strings that are valid by contract: should one not be, a stray byte counts as one code point. */
static size_t step(struct str s, uint32_t *ret_point)
{
	size_t len = decode(s, ret_point);
	if (len == 0) {
		*ret_point = 0xFFFD;
		return 1;
	}
	return len;
}

bool utf_valid(struct str s)
{
	while (s.len > 0) {
		uint32_t point = 0;
		size_t len = decode(s, &point);
		if (len == 0 || point == 0) {
			return false;
		}
		s = str_cut(s, len, SIZE_MAX);
	}
	return true;
}

static size_t units_of(uint32_t point)
{
	return point >= BEYOND_BMP ? 2 : 1;
}

static size_t one(uint32_t point)
{
	(void)point;
	return 1;
}

static size_t measure(struct str s, size_t (*weigh)(uint32_t point))
{
	size_t total = 0;
	while (s.len > 0) {
		uint32_t point = 0;
		size_t len = step(s, &point);
		total += weigh(point);
		s = str_cut(s, len, SIZE_MAX);
	}
	return total;
}

size_t utf_points(struct str s)
{
	return measure(s, one);
}

size_t utf_units16(struct str s)
{
	return measure(s, units_of);
}

/* The longest prefix that weighs at most `max` and splits no code point. */
static struct str clip(struct str s, size_t max, size_t (*weigh)(uint32_t point))
{
	size_t at = 0;
	while (at < s.len) {
		uint32_t point = 0;
		size_t len = step(str_cut(s, at, SIZE_MAX), &point);
		size_t weight = weigh(point);
		if (weight > max) {
			break;
		}
		max -= weight;
		at += len;
	}
	return str_cut(s, 0, at);
}

struct str utf_clip_points(struct str s, size_t max)
{
	return clip(s, max, one);
}

struct str utf_clip_units16(struct str s, size_t max)
{
	return clip(s, max, units_of);
}

enum status utf_from_units16(struct str s, size_t offset, size_t length, struct str *ret_part)
{
	/* A prefix that weighs less than was asked ends the text, or the border splits a pair. */
	struct str before = utf_clip_units16(s, offset);
	if (utf_units16(before) != offset) {
		return INVALID;
	}
	struct str rest = str_cut(s, before.len, SIZE_MAX);
	struct str part = utf_clip_units16(rest, length);
	if (utf_units16(part) != length) {
		return INVALID;
	}
	*ret_part = part;
	return OK;
}

struct range {
	uint32_t first, last;
};

/* White space of Unicode (property White_Space). Source: PropList.txt. */
static const struct range spaces[] = {
	{0x09, 0x0D}, {0x20, 0x20}, {0x85, 0x85}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
	{0x205F, 0x205F}, {0x3000, 0x3000},
};

/*
 * What has no picture of its own or changes the order of its neighbours: controls, bidirectional marks and overrides,
 * zero-width and ignorable characters, blank fillers, variation selectors, tags, non-characters.
 * Source: DerivedCoreProperties.txt, Default_Ignorable_Code_Point; UAX #9, 2.
 */
static const struct range invisibles[] = {
	{0x00, 0x1F}, {0x7F, 0x9F}, {0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F},
	{0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x2800, 0x2800}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
	{0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

static bool within(const struct range *ranges, size_t count, uint32_t point)
{
	for (size_t i = 0; i < count; i++) {
		if (point >= ranges[i].first && point <= ranges[i].last) {
			return true;
		}
	}
	return false;
}

#define ZERO_WIDTH_NON_JOINER 0x200C
#define ZERO_WIDTH_JOINER 0x200D
#define EMOJI_PRESENTATION 0xFE0F

/*
 * Where a joiner changes the picture: scripts written in joined forms (Arabic and its kin, those of India) and emoji. Not Latin,
 * Cyrillic or Greek, where it would only make one name look like another. Source: UAX #31, 2.3; UTS #51, 1.4.
 */
static const struct range joined[] = {
	{0x0600, 0x08FF}, {0x0900, 0x0DFF}, {0x2190, 0x2BFF}, {0x1F000, 0x1FAFF},
};

/* Whether the joiner `point` after `before` is part of a picture; `rest` is what follows it. */
static bool joins(uint32_t before, uint32_t point, struct str rest)
{
	uint32_t after = 0;
	if (point == EMOJI_PRESENTATION) {
		return before >= 0x2190 && within(joined, ARRAY_LEN(joined), before);
	}
	if ((point != ZERO_WIDTH_JOINER && point != ZERO_WIDTH_NON_JOINER) || decode(rest, &after) == 0) {
		return false;
	}
	return (before == EMOJI_PRESENTATION || within(joined, ARRAY_LEN(joined), before)) && within(joined, ARRAY_LEN(joined), after);
}

struct str utf_display(struct arena *arena, struct str s, size_t max_points)
{
	struct buf shown = buf_init(arena, s.len);
	size_t points = 0;
	uint32_t before = 0; /* the last one shown; 0 at the start and after a space */
	bool gap = false;
	while (s.len > 0 && points < max_points) {
		uint32_t point = 0;
		size_t len = decode(s, &point);
		struct str bytes = str_cut(s, 0, len);
		s = str_cut(s, len == 0 ? 1 : len, SIZE_MAX);
		if (len != 0 && within(spaces, ARRAY_LEN(spaces), point)) {
			gap = points > 0;
			before = 0;
			continue;
		}
		bool invisible = len == 0 || within(invisibles, ARRAY_LEN(invisibles), point) || (point & 0xFFFE) == 0xFFFE;
		if (invisible && (len == 0 || !joins(before, point, s))) {
			continue;
		}
		/* A joiner at the end would join nothing. */
		if (invisible && point != EMOJI_PRESENTATION && points + 2 > max_points) {
			break;
		}
		/* The space is written together with what follows it, so that none is left at the end. */
		if (gap && points + 2 > max_points) {
			break;
		}
		if (gap) {
			buf_add_byte(&shown, ' ');
			points++;
			gap = false;
		}
		buf_add(&shown, bytes);
		points++;
		before = point;
	}
	return buf_str(&shown);
}
