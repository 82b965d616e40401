/*
 * str - strings as values, and the one growing buffer.
 *
 * A struct str is borrowed bytes with a length: never assumed to end in NUL, may hold any byte. {NULL, 0} is "absent";
 * an empty string has a non-NULL pointer. Strings become NUL-terminated only at the edge of a library (str_z).
 */
#ifndef TRIVET_BASE_STR_H
#define TRIVET_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/attr.h"

struct str {
	const char *ptr;
	size_t len;
};

/* A literal as a struct str, in expressions and in static initialisers. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_INIT(literal) {(literal), sizeof(literal) - 1}
#define STR_ABSENT ((struct str){NULL, 0})

/* For printf-like functions: STR_FMT in the format, STR_ARG(s) in the arguments. */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr != NULL ? (s).ptr : ""

/* The smallest ones are inline: parsers and renderers call them for every word. */

/* str_from_z - borrows a NUL-terminated string; NULL gives absent. */
static inline struct str str_from_z(const char *z)
{
	return (struct str){z, z == NULL ? 0 : strlen(z)};
}

/* str_present - not absent (an empty string is present). */
static inline bool str_present(struct str s)
{
	return s.ptr != NULL;
}

/* str_empty - absent or of length 0. */
static inline bool str_empty(struct str s)
{
	return s.len == 0;
}

/* str_eq - same length and bytes; NOT constant-time, never for secrets. */
static inline bool str_eq(struct str a, struct str b)
{
	/* The length comes first: memcmp() may not be handed the NULL of an absent string. */
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* str_eq_nocase - the same over ASCII letters of either case. */
bool str_eq_nocase(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* str_cut - the part [from, from + len) of s, clipped to s. */
static inline struct str str_cut(struct str s, size_t from, size_t len)
{
	if (s.ptr == NULL) {
		return STR_ABSENT;
	}
	if (from > s.len) {
		from = s.len;
	}
	return (struct str){s.ptr + from, len < s.len - from ? len : s.len - from};
}

/* str_trim - without white space (space, tab, CR, LF, VT, FF) at both ends. */
struct str str_trim(struct str s);

/* str_find - offset of the first `byte` in s, or SIZE_MAX. */
size_t str_find(struct str s, char byte);

/*
 * str_split - takes the part before the first `byte` off *rest and leaves what follows.
 *
 * *rest becomes absent when no separator is left: loop `while (str_present(rest))`.
 */
struct str str_split(struct str *rest, char byte);

/* str_dup - a copy in the arena; absent when the arena failed. */
struct str str_dup(struct arena *arena, struct str s);

/* str_z - a NUL-terminated copy in the arena; NULL when the arena failed or s holds a NUL byte. */
const char *str_z(struct arena *arena, struct str s);

/* str_lower - a copy with ASCII letters lowered. str_upper likewise. */
struct str str_lower(struct arena *arena, struct str s);
struct str str_upper(struct arena *arena, struct str s);

/* str_of_i64 - the digits of a number, in `room`. */
#define STR_I64_BYTES 20
struct str str_of_i64(char room[STR_I64_BYTES], int64_t value);

/* str_printf - formats into the arena; absent when the arena failed. */
struct str str_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * buf - a growing byte buffer in an arena with a maximum.
 *
 * Past `max`, or when the arena is out, it becomes failed: what is added later is dropped, buf_str() answers absent.
 * One check at the end serves for all additions.
 */
struct buf {
	char *ptr;
	size_t len;
	size_t cap;
	size_t max;
	struct arena *arena;
	bool failed;
};

struct buf buf_init(struct arena *arena, size_t max);
void buf_add(struct buf *buf, struct str s);
void buf_add_byte(struct buf *buf, char byte);
void buf_add_i64(struct buf *buf, int64_t value);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* buf_str - what was written, borrowed until the next addition; absent when failed. */
struct str buf_str(const struct buf *buf);

#endif
