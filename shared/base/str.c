#include "base/str.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What a buffer starts with; doubled from there. */
#define BUF_FIRST 256

static char lowered(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static char uppered(char byte)
{
	return byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (lowered(a.ptr[i]) != lowered(b.ptr[i])) {
			return false;
		}
	}
	return true;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_cut(s, 0, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(str_cut(s, s.len - suffix.len, suffix.len), suffix);
}

static bool is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.ptr[s.len - 1])) {
		s.len--;
	}
	return s;
}

size_t str_find(struct str s, char byte)
{
	if (s.len == 0) {
		return SIZE_MAX;
	}
	const char *at = memchr(s.ptr, byte, s.len);
	return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

struct str str_split(struct str *rest, char byte)
{
	struct str whole = *rest;
	size_t at = str_find(whole, byte);
	if (at == SIZE_MAX) {
		*rest = STR_ABSENT;
		return whole;
	}
	*rest = str_cut(whole, at + 1, SIZE_MAX);
	return str_cut(whole, 0, at);
}

/* A copy followed by a NUL byte; NULL when the arena failed. */
static char *copy_z(struct arena *arena, struct str s)
{
	if (s.len == SIZE_MAX) {
		return NULL;
	}
	char *copy = arena_alloc(arena, s.len + 1);
	if (copy != NULL && s.len > 0) {
		memcpy(copy, s.ptr, s.len);
	}
	return copy;
}

struct str str_dup(struct arena *arena, struct str s)
{
	if (s.ptr == NULL) {
		return STR_ABSENT;
	}
	char *copy = arena_alloc(arena, s.len);
	if (copy == NULL) {
		return STR_ABSENT;
	}
	if (s.len > 0) {
		memcpy(copy, s.ptr, s.len);
	}
	return (struct str){copy, s.len};
}

const char *str_z(struct arena *arena, struct str s)
{
	if (str_find(s, '\0') != SIZE_MAX) {
		return NULL;
	}
	return copy_z(arena, s);
}

static struct str mapped(struct arena *arena, struct str s, char (*map)(char byte))
{
	if (s.ptr == NULL) {
		return STR_ABSENT;
	}
	char *copy = arena_alloc(arena, s.len);
	if (copy == NULL) {
		return STR_ABSENT;
	}
	for (size_t i = 0; i < s.len; i++) {
		copy[i] = map(s.ptr[i]);
	}
	return (struct str){copy, s.len};
}

struct str str_lower(struct arena *arena, struct str s)
{
	return mapped(arena, s, lowered);
}

struct str str_upper(struct arena *arena, struct str s)
{
	return mapped(arena, s, uppered);
}

struct str str_of_i64(char room[STR_I64_BYTES], int64_t value)
{
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	size_t at = STR_I64_BYTES;
	do {
		room[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0) {
		room[--at] = '-';
	}
	return (struct str){room + at, STR_I64_BYTES - at};
}

struct str str_printf(struct arena *arena, const char *format, ...)
{
	char local[256]; /* nearly all fit, and are formatted once */
	va_list args;
	va_start(args, format);
	int needed = vsnprintf(local, sizeof(local), format, args);
	va_end(args);
	if (needed < 0) {
		return STR_ABSENT;
	}
	size_t room = (size_t)needed + 1;
	if (room <= sizeof(local)) {
		return str_dup(arena, (struct str){local, room - 1});
	}
	char *text = arena_alloc(arena, room);
	if (text == NULL) {
		return STR_ABSENT;
	}
	va_start(args, format);
	int written = vsnprintf(text, room, format, args);
	va_end(args);
	assert(written == needed);
	return (struct str){text, room - 1};
}

struct buf buf_init(struct arena *arena, size_t max)
{
	return (struct buf){.arena = arena, .max = max};
}

/* Makes room for `more` bytes; false, and the buffer failed, past the maximum or when the arena is out. */
static bool buf_room(struct buf *buf, size_t more)
{
	if (buf->failed || more > buf->max - buf->len) {
		buf->failed = true;
		return false;
	}
	if (more <= buf->cap - buf->len) {
		return true;
	}
	size_t cap = buf->cap == 0 ? BUF_FIRST : buf->cap;
	while (cap - buf->len < more) {
		cap = cap > buf->max / 2 ? buf->max : cap * 2;
	}
	char *grown = arena_alloc(buf->arena, cap);
	if (grown == NULL) {
		buf->failed = true;
		return false;
	}
	if (buf->len > 0) {
		memcpy(grown, buf->ptr, buf->len);
	}
	buf->ptr = grown;
	buf->cap = cap;
	return true;
}

void buf_add(struct buf *buf, struct str s)
{
	if (s.len > 0 && buf_room(buf, s.len)) {
		memcpy(buf->ptr + buf->len, s.ptr, s.len);
		buf->len += s.len;
	}
}

void buf_add_byte(struct buf *buf, char byte)
{
	if (buf_room(buf, 1)) {
		buf->ptr[buf->len++] = byte;
	}
}

void buf_add_i64(struct buf *buf, int64_t value)
{
	char room[STR_I64_BYTES];
	buf_add(buf, str_of_i64(room, value));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	char local[256];
	va_list args;
	va_start(args, format);
	int needed = vsnprintf(local, sizeof(local), format, args);
	va_end(args);
	if (needed < 0) {
		buf->failed = true;
		return;
	}
	size_t len = (size_t)needed;
	if (len < sizeof(local)) {
		buf_add(buf, (struct str){local, len});
		return;
	}
	if (len > buf->max) {
		buf->failed = true;
		return;
	}
	/* vsnprintf() ends what it writes with a NUL byte, which the maximum does not know: format aside, then add. */
	char *text = arena_alloc(buf->arena, len + 1);
	if (text == NULL) {
		buf->failed = true;
		return;
	}
	va_start(args, format);
	int written = vsnprintf(text, len + 1, format, args);
	va_end(args);
	assert(written == needed);
	buf_add(buf, (struct str){text, len});
}

struct str buf_str(const struct buf *buf)
{
	if (buf->failed) {
		return STR_ABSENT;
	}
	return buf->ptr == NULL ? STR("") : (struct str){buf->ptr, buf->len};
}
