#include "base/parse.h"

#include <arpa/inet.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf.h"

#define DAY_SECONDS 86400
/* 9999-12-31T23:59:59.999999Z, the last moment that RFC 3339 can write. */
#define LAST_US INT64_C(253402300799999999)

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* A non-empty row of digits without a leading zero. */
static bool is_plain_number(struct str digits)
{
	if (digits.len == 0 || (digits.ptr[0] == '0' && digits.len > 1)) {
		return false;
	}
	for (size_t i = 0; i < digits.len; i++) {
		if (!is_digit(digits.ptr[i])) {
			return false;
		}
	}
	return true;
}

enum status parse_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value)
{
	bool negative = s.len > 0 && s.ptr[0] == '-' && min < 0;
	struct str digits = negative ? str_cut(s, 1, SIZE_MAX) : s;
	if (!is_plain_number(digits) || (negative && digits.ptr[0] == '0')) {
		return INVALID;
	}
	int64_t value = 0;
	for (size_t i = 0; i < digits.len; i++) {
		/* Summed on the negative side where it belongs, since -2^63 has no positive twin. */
		int64_t digit = negative ? -(digits.ptr[i] - '0') : digits.ptr[i] - '0';
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)) {
			return OVERFLOWN;
		}
	}
	if (value < min || value > max) {
		return OVERFLOWN;
	}
	*ret_value = value;
	return OK;
}

enum status parse_platform_id(struct str s, int64_t *ret_id)
{
	return parse_i64(s, 1, INT64_MAX, ret_id);
}

/* 0..15, or -1 for what is no hexadecimal digit. */
static int hex_value(char byte)
{
	if (is_digit(byte)) {
		return byte - '0';
	}
	if (byte >= 'a' && byte <= 'f') {
		return byte - 'a' + 10;
	}
	if (byte >= 'A' && byte <= 'F') {
		return byte - 'A' + 10;
	}
	return -1;
}

enum status parse_hex(struct str s, unsigned char *ret_bytes, size_t len)
{
	if (s.len % 2 != 0 || s.len / 2 != len) {
		return INVALID;
	}
	/* Looked at whole before the first byte is written: a failure leaves the output untouched. */
	for (size_t i = 0; i < s.len; i++) {
		if (hex_value(s.ptr[i]) < 0) {
			return INVALID;
		}
	}
	for (size_t i = 0; i < len; i++) {
		ret_bytes[i] = (unsigned char)(hex_value(s.ptr[2 * i]) * 16 + hex_value(s.ptr[2 * i + 1]));
	}
	return OK;
}

enum status parse_bool(struct str s, bool *ret_value)
{
	static const struct {
		struct str word;
		bool value;
	} words[] = {
		{STR_INIT("true"), true}, {STR_INIT("yes"), true}, {STR_INIT("on"), true}, {STR_INIT("1"), true},
		{STR_INIT("false"), false}, {STR_INIT("no"), false}, {STR_INIT("off"), false}, {STR_INIT("0"), false},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq_nocase(s, words[i].word)) {
			*ret_value = words[i].value;
			return OK;
		}
	}
	return INVALID;
}

/* ---- time ---------------------------------------------------------------------------------------------------------------------- */

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. Source: Hinnant, chrono-compatible date algorithms. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

/* The inverse. */
static void date_from_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;
	*ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	*ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	*ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static int64_t days_in_month(int64_t year, int64_t month)
{
	static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes exactly `count` digits off the front. */
static bool take_digits(struct str *s, size_t count, int64_t *ret_value)
{
	if (s->len < count) {
		return false;
	}
	int64_t value = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_digit(s->ptr[i])) {
			return false;
		}
		value = value * 10 + (s->ptr[i] - '0');
	}
	*s = str_cut(*s, count, SIZE_MAX);
	*ret_value = value;
	return true;
}

/* Takes one byte off the front that is `a` or `b`. */
static bool take_byte(struct str *s, char a, char b)
{
	if (s->len == 0 || (s->ptr[0] != a && s->ptr[0] != b)) {
		return false;
	}
	*s = str_cut(*s, 1, SIZE_MAX);
	return true;
}

/* "2026-11-20" as seconds since 1970. */
static bool take_date(struct str *s, int64_t *ret_seconds)
{
	int64_t year = 0;
	int64_t month = 0;
	int64_t day = 0;
	if (!take_digits(s, 4, &year) || !take_byte(s, '-', '-') || !take_digits(s, 2, &month) || !take_byte(s, '-', '-') ||
	    !take_digits(s, 2, &day)) {
		return false;
	}
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
		return false;
	}
	*ret_seconds = days_from_date(year, month, day) * DAY_SECONDS;
	return true;
}

/* "13:24" as seconds. */
static bool take_minutes(struct str *s, int64_t *ret_seconds)
{
	int64_t hour = 0;
	int64_t minute = 0;
	if (!take_digits(s, 2, &hour) || !take_byte(s, ':', ':') || !take_digits(s, 2, &minute) || hour > 23 || minute > 59) {
		return false;
	}
	*ret_seconds = hour * 3600 + minute * 60;
	return true;
}

/* Nothing, or ".123456789": one to nine digits, as microseconds. */
static bool take_fraction(struct str *s, int64_t *ret_us)
{
	*ret_us = 0;
	if (!take_byte(s, '.', '.')) {
		return true;
	}
	size_t count = 0;
	while (count < s->len && is_digit(s->ptr[count])) {
		count++;
	}
	int64_t value = 0;
	if (count == 0 || count > 9 || !take_digits(s, count, &value)) {
		return false;
	}
	for (; count < 6; count++) {
		value *= 10;
	}
	for (; count > 6; count--) {
		value /= 10;
	}
	*ret_us = value;
	return true;
}

/* "Z" or "+03:00", to the end of the string. */
static bool take_offset(struct str *s, int64_t *ret_seconds)
{
	*ret_seconds = 0;
	if (take_byte(s, 'Z', 'z')) {
		return s->len == 0;
	}
	bool west = s->len > 0 && s->ptr[0] == '-';
	int64_t seconds = 0;
	if (!take_byte(s, '+', '-') || !take_minutes(s, &seconds)) {
		return false;
	}
	*ret_seconds = west ? -seconds : seconds;
	return s->len == 0;
}

enum status parse_rfc3339(struct str s, int64_t *ret_us)
{
	int64_t date = 0;
	int64_t minutes = 0;
	int64_t second = 0;
	int64_t fraction = 0;
	int64_t offset = 0;
	if (!take_date(&s, &date) || !take_byte(&s, 'T', 't') || !take_minutes(&s, &minutes) || !take_byte(&s, ':', ':') ||
	    !take_digits(&s, 2, &second) || second > 59 || !take_fraction(&s, &fraction) || !take_offset(&s, &offset)) {
		return INVALID;
	}
	int64_t us = (date + minutes + second - offset) * 1000000 + fraction;
	/* An offset can still carry it over either end. */
	if (us < 0 || us > LAST_US) {
		return INVALID;
	}
	*ret_us = us;
	return OK;
}

struct field {
	int value;
	int digits;
	char follows;
};

static char *put_field(char *at, struct field field)
{
	for (int i = field.digits - 1; i >= 0; i--) {
		at[i] = (char)('0' + field.value % 10);
		field.value /= 10;
	}
	at[field.digits] = field.follows;
	return at + field.digits + 1;
}

size_t format_rfc3339_into(char ret_text[FORMAT_RFC3339_BYTES], int64_t us)
{
	int64_t second = us / 1000000;
	int64_t fraction = us % 1000000;
	if (fraction < 0) {
		fraction += 1000000;
		second--;
	}
	int64_t day = second / DAY_SECONDS;
	int64_t rest = second % DAY_SECONDS;
	if (rest < 0) {
		rest += DAY_SECONDS;
		day--;
	}
	int64_t year = 0;
	int64_t month = 0;
	int64_t date = 0;
	date_from_days(day, &year, &month, &date);
	const struct field fields[] = {
		{(int)month, 2, '-'}, {(int)date, 2, 'T'}, {(int)(rest / 3600), 2, ':'}, {(int)(rest / 60 % 60), 2, ':'},
		{(int)(rest % 60), 2, fraction != 0 ? '.' : 'Z'}, {(int)fraction, 6, 'Z'},
	};
	/* Of any size, and never more digits than there is room for; the rest by hand: every line of the log has such a time. */
	int year_len = snprintf(ret_text, FORMAT_RFC3339_BYTES, "%04" PRId64 "-", year);
	char *end = ret_text + year_len;
	for (size_t i = 0; i < (fraction != 0 ? 6 : 5); i++) {
		end = put_field(end, fields[i]);
	}
	*end = '\0';
	return (size_t)(end - ret_text);
}

struct str format_rfc3339(struct arena *arena, int64_t us)
{
	char text[FORMAT_RFC3339_BYTES];
	size_t len = format_rfc3339_into(text, us);
	return str_dup(arena, (struct str){text, len});
}

/* ---- query strings --------------------------------------------------------------------------------------------------------------- */

/* Undoes %XX and '+'. INVALID (bad escape, NUL, bad UTF-8), TOO_LARGE (arena). */
static enum status unescape(struct arena *arena, struct str text, struct str *ret_plain)
{
	char *plain = arena_alloc(arena, text.len);
	if (plain == NULL) {
		return TOO_LARGE;
	}
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++) {
		char byte = text.ptr[i] == '+' ? ' ' : text.ptr[i];
		if (byte == '%') {
			unsigned char decoded = 0;
			if (parse_hex(str_cut(text, i + 1, 2), &decoded, 1) != OK) {
				return INVALID;
			}
			memcpy(&byte, &decoded, 1);
			i += 2;
		}
		plain[len++] = byte;
	}
	struct str result = {plain, len};
	if (!utf_valid(result)) {
		return INVALID;
	}
	*ret_plain = result;
	return OK;
}

enum status parse_query_value(struct arena *arena, struct str query, struct str name, struct str *ret_value)
{
	struct str found = STR_ABSENT;
	while (str_present(query)) {
		struct str value = str_split(&query, '&');
		struct str key = str_split(&value, '=');
		enum status status = unescape(arena, key, &key);
		if (status != OK) {
			return status;
		}
		if (!str_eq(key, name)) {
			continue;
		}
		if (str_present(found)) {
			return INVALID;
		}
		/* "a" without '=' is an empty value, as browsers read it. */
		status = unescape(arena, value, &found);
		if (status != OK) {
			return status;
		}
	}
	if (!str_present(found)) {
		return NOT_FOUND;
	}
	*ret_value = found;
	return OK;
}

/* ---- addresses ------------------------------------------------------------------------------------------------------------------ */

bool parse_is_address(const char *host)
{
	struct in6_addr room; /* the larger of the two */
	return inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1;
}
