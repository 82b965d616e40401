/*
 * parse - strict readers of text: the whole string or nothing.
 *
 * No white space, no sign but one leading '-', where negative numbers exist, no leading '+', no exponent, no silent clipping. Nothing
 * here goes through a double (style.md, habit 11).
 */
#ifndef TRIVET_BASE_PARSE_H
#define TRIVET_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

/* parse_i64 - decimal, min..max inclusive; "-0" and leading zeros are refused. OK, INVALID (form), OVERFLOWN (range). */
MUST_CHECK enum status parse_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value);

/* parse_platform_id - 1..2^63-1, the form of ids on both platforms (contract.md, Shapes). OK, INVALID, OVERFLOWN. */
MUST_CHECK enum status parse_platform_id(struct str s, int64_t *ret_id);

/* parse_hex - exactly 2 * len hexadecimal digits of either case into ret_bytes[len]. OK, INVALID. */
MUST_CHECK enum status parse_hex(struct str s, unsigned char *ret_bytes, size_t len);

/* parse_bool - "true"/"yes"/"on"/"1" and "false"/"no"/"off"/"0", any case. OK, INVALID. */
MUST_CHECK enum status parse_bool(struct str s, bool *ret_value);

/*
 * parse_rfc3339 - "2026-11-20T13:24:14.123456Z" or with an offset, years 1970..9999; up to 9 fraction digits, those past
 * the sixth are dropped; leap second 60 is refused. ret_us: microseconds UTC. OK, INVALID. Source: RFC 3339, 5.6.
 */
MUST_CHECK enum status parse_rfc3339(struct str s, int64_t *ret_us);

/* format_rfc3339 - microseconds UTC as "2026-11-20T13:24:14.123456Z"; a whole second has no fraction. */
struct str format_rfc3339(struct arena *arena, int64_t us);

/*
 * format_rfc3339_into - the same into the caller's storage, for those who have no arena. Returns the length; NUL-terminated.
 */
#define FORMAT_RFC3339_BYTES 48
size_t format_rfc3339_into(char ret_text[FORMAT_RFC3339_BYTES], int64_t us);

/*
 * parse_query_value - the decoded value of `name` in a query string ("a=1&b=%20+"); "a" without '=' is an empty value.
 *
 * OK, NOT_FOUND, INVALID (bad escape, NUL, bad UTF-8, or the name comes twice), TOO_LARGE (arena).
 */
MUST_CHECK enum status parse_query_value(struct arena *arena, struct str query, struct str name, struct str *ret_value);

/* parse_is_address - whether a host is an IPv4 or IPv6 address in figures, so that no name has to be looked up. */
bool parse_is_address(const char *host);

#endif
