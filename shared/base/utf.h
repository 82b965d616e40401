/*
 * utf - the three lengths of a text: bytes, code points, UTF-16 units.
 *
 * Telegram counts entity offsets and (by the safe reading) message lengths in UTF-16 units; XP counts code points;
 * databases count bytes. Source: platforms.md 1.5.
 */
#ifndef TRIVET_BASE_UTF_H
#define TRIVET_BASE_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* utf_valid - well-formed UTF-8 without NUL, surrogates or overlong forms (RFC 3629). */
bool utf_valid(struct str s);

/* utf_points - number of code points of a valid string. */
size_t utf_points(struct str s);

/* utf_units16 - number of UTF-16 units of a valid string. */
size_t utf_units16(struct str s);

/*
 * utf_from_units16 - the bytes of [offset, offset + length) given in UTF-16 units.
 *
 * OK, INVALID (past the end, or a border inside a surrogate pair).
 */
MUST_CHECK enum status utf_from_units16(struct str s, size_t offset, size_t length, struct str *ret_part);

/* utf_clip_points, utf_clip_units16 - the longest prefix of at most `max` that splits no code point. */
struct str utf_clip_points(struct str s, size_t max);
struct str utf_clip_units16(struct str s, size_t max);

/*
 * utf_display - a copy fit to be shown as a name: control characters, bidirectional overrides and zero-width
 * characters dropped, white space folded, at most max_points code points. May be empty. Joiners stay where they change the
 * picture: inside emoji and in scripts of joined letters. Source: pitfalls.md 3b, Unicode.
 */
struct str utf_display(struct arena *arena, struct str s, size_t max_points);

#endif
