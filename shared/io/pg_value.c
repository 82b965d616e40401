/* Parameters and rows of PostgreSQL: values <-> text. */
#include "io/pg.h"

#include <assert.h>
#include <inttypes.h>

#include "base/ctx.h"
#include "base/parse.h"
#include "io/pg_internal.h"

/* The first microsecond of the year 10000: what timestamptz prints with five digits, and nothing of ours has. */
#define TIME_END_US (INT64_C(253402300800) * SECOND_US)
#define I64_TEXT_MAX 21
#define FORMAT_TEXT 0
#define FORMAT_BINARY 1

struct pg_params pg_params(struct arena *arena)
{
	return (struct pg_params){.arena = arena};
}

static void add(struct pg_params *params, const char *value, int length, int format)
{
	if (params->count == PG_PARAMS_MAX) {
		params->failed = true;
		return;
	}
	params->values[params->count] = value;
	params->lengths[params->count] = length;
	params->formats[params->count] = format;
	params->count++;
}

/* Adds text that was just made; NULL says that making it failed, never SQL NULL. */
static void add_made(struct pg_params *params, const char *text)
{
	params->failed = params->failed || text == NULL;
	add(params, text, 0, FORMAT_TEXT);
}

/* Writes `value` in decimal without a terminator and returns how many bytes that took; `out` has I64_TEXT_MAX. */
static size_t write_i64(char *out, int64_t value)
{
	char reversed[I64_TEXT_MAX];
	size_t digits = 0;
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do {
		reversed[digits++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	size_t len = 0;
	if (value < 0) {
		out[len++] = '-';
	}
	while (digits > 0) {
		out[len++] = reversed[--digits];
	}
	return len;
}

void pg_add_i64(struct pg_params *params, int64_t value)
{
	char *text = arena_alloc(params->arena, I64_TEXT_MAX + 1);
	if (text != NULL) {
		text[write_i64(text, value)] = '\0';
	}
	add_made(params, text);
}

void pg_add_str(struct pg_params *params, struct str value)
{
	if (!str_present(value)) {
		pg_add_null(params);
		return;
	}
	/* libpq takes C strings: a NUL byte would cut the value silently, so str_z refuses it. */
	add_made(params, str_z(params->arena, value));
}

void pg_add_bytes(struct pg_params *params, struct str value)
{
	if (value.len > INT32_MAX) {
		params->failed = true;
	}
	add(params, value.ptr, (int)value.len, FORMAT_BINARY);
}

void pg_add_bool(struct pg_params *params, bool value)
{
	add(params, value ? "t" : "f", 0, FORMAT_TEXT);
}

void pg_add_null(struct pg_params *params)
{
	add(params, NULL, 0, FORMAT_TEXT);
}

static bool time_in_range(int64_t us)
{
	return us >= 0 && us < TIME_END_US;
}

void pg_add_time(struct pg_params *params, int64_t us)
{
	if (us == 0) {
		pg_add_null(params);
		return;
	}
	if (!time_in_range(us)) {
		params->failed = true;
	}
	/* Text serves timestamptz and date alike, whatever type the statement infers for its parameter. */
	add_made(params, params->failed ? NULL : str_z(params->arena, format_rfc3339(params->arena, us)));
}

/* An array literal under construction; `at` never passes the size that was reckoned for it. */
struct literal {
	char *text;
	size_t at;
	size_t size;
};

static bool literal_begin(struct literal *literal, struct arena *arena, size_t content_size)
{
	literal->size = content_size + 3; /* braces and the end */
	literal->text = arena_alloc(arena, literal->size);
	literal->at = 0;
	if (literal->text == NULL) {
		return false;
	}
	literal->text[literal->at++] = '{';
	return true;
}

static void literal_separate(struct literal *literal)
{
	if (literal->at > 1) {
		literal->text[literal->at++] = ',';
	}
}

static void literal_put(struct literal *literal, struct str s)
{
	assert(literal->at + s.len < literal->size);
	if (s.len > 0) {
		memcpy(literal->text + literal->at, s.ptr, s.len);
		literal->at += s.len;
	}
}

static const char *literal_end(struct literal *literal)
{
	assert(literal->at + 2 <= literal->size);
	literal->text[literal->at++] = '}';
	return literal->text;
}

void pg_add_i64_array(struct pg_params *params, const int64_t *values, size_t count)
{
	struct literal literal;
	if (count > SIZE_MAX / (I64_TEXT_MAX + 1) - 1 || !literal_begin(&literal, params->arena, count * (I64_TEXT_MAX + 1))) {
		params->failed = true;
		pg_add_null(params);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		literal_separate(&literal);
		literal.at += write_i64(literal.text + literal.at, values[i]);
	}
	add_made(params, literal_end(&literal));
}

/* Bytes that the array literal of these strings can take at most: everything escaped, quotes, comma. */
static size_t quoted_size(const struct str *values, size_t count, size_t per_byte)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++) {
		if (values[i].len > ARENA_REQUEST_LIMIT) {
			return SIZE_MAX / 2;
		}
		size += values[i].len * per_byte + 8; /* NULL or quotes, \\x, comma */
	}
	return size;
}

static void put_quoted(struct literal *literal, struct str s)
{
	literal->text[literal->at++] = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\') {
			literal->text[literal->at++] = '\\';
		}
		literal->text[literal->at++] = s.ptr[i];
	}
	literal->text[literal->at++] = '"';
}

void pg_add_str_array(struct pg_params *params, const struct str *values, size_t count)
{
	struct literal literal;
	if (!literal_begin(&literal, params->arena, quoted_size(values, count, 2))) {
		params->failed = true;
		pg_add_null(params);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		literal_separate(&literal);
		if (!str_present(values[i])) {
			literal_put(&literal, STR("NULL"));
		} else {
			params->failed = params->failed || str_find(values[i], '\0') != SIZE_MAX;
			put_quoted(&literal, values[i]);
		}
	}
	add_made(params, literal_end(&literal));
}

void pg_add_time_array(struct pg_params *params, const int64_t *values, size_t count)
{
	struct str *texts = arena_array(params->arena, count, sizeof(*texts));
	if (texts == NULL) {
		params->failed = true;
		pg_add_null(params);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		params->failed = params->failed || !time_in_range(values[i]);
		texts[i] = values[i] > 0 && time_in_range(values[i]) ? format_rfc3339(params->arena, values[i]) : STR_ABSENT;
	}
	pg_add_str_array(params, texts, count);
}

static void put_hex(struct literal *literal, struct str bytes)
{
	static const char digits[] = "0123456789abcdef";
	literal_put(literal, STR("\"\\\\x"));
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char byte = (unsigned char)bytes.ptr[i];
		literal->text[literal->at++] = digits[byte >> 4];
		literal->text[literal->at++] = digits[byte & 15];
	}
	literal->text[literal->at++] = '"';
}

void pg_add_bytes_array(struct pg_params *params, const struct str *values, size_t count)
{
	struct literal literal;
	if (!literal_begin(&literal, params->arena, quoted_size(values, count, 2))) {
		params->failed = true;
		pg_add_null(params);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		literal_separate(&literal);
		if (!str_present(values[i])) {
			literal_put(&literal, STR("NULL"));
		} else {
			put_hex(&literal, values[i]);
		}
	}
	add_made(params, literal_end(&literal));
}

/* ---- rows ---- */

static void clear_result(void *result)
{
	PQclear(result);
}

enum status pg_rows_take(struct arena *arena, PGresult *result, struct pg_rows **ret_rows)
{
	enum status status = arena_defer(arena, clear_result, result);
	if (status != OK) {
		return status;
	}
	struct pg_rows *rows = arena_alloc(arena, sizeof(*rows));
	if (rows == NULL) {
		return TOO_LARGE;
	}
	rows->result = result;
	*ret_rows = rows;
	return OK;
}

int pg_row_count(const struct pg_rows *rows)
{
	return PQntuples(rows->result);
}

int64_t pg_affected(const struct pg_rows *rows)
{
	struct str text = str_from_z(PQcmdTuples(rows->result));
	int64_t affected = 0;
	bool counts = !str_starts(str_from_z(PQcmdStatus(rows->result)), STR("SELECT"));
	if (counts && text.len > 0) {
		enum status status = parse_i64(text, 0, INT64_MAX, &affected);
		assert(status == OK);
	}
	return affected;
}

static struct str cell(const struct pg_rows *rows, int row, int column)
{
	assert(row >= 0 && row < PQntuples(rows->result) && column >= 0 && column < PQnfields(rows->result));
	if (PQgetisnull(rows->result, row, column)) {
		return STR_ABSENT;
	}
	return (struct str){PQgetvalue(rows->result, row, column), (size_t)PQgetlength(rows->result, row, column)};
}

bool pg_is_null(const struct pg_rows *rows, int row, int column)
{
	return !str_present(cell(rows, row, column));
}

int64_t pg_i64(const struct pg_rows *rows, int row, int column)
{
	struct str text = cell(rows, row, column);
	int64_t value = 0;
	if (str_present(text)) {
		enum status status = parse_i64(text, INT64_MIN, INT64_MAX, &value);
		assert(status == OK);
	}
	return value;
}

bool pg_bool(const struct pg_rows *rows, int row, int column)
{
	struct str text = cell(rows, row, column);
	assert(!str_present(text) || str_eq(text, STR("t")) || str_eq(text, STR("f")));
	return str_eq(text, STR("t"));
}

struct str pg_str(const struct pg_rows *rows, int row, int column)
{
	return cell(rows, row, column);
}

struct str pg_bytes(struct arena *arena, const struct pg_rows *rows, int row, int column)
{
	struct str text = cell(rows, row, column);
	if (!str_present(text)) {
		return STR_ABSENT;
	}
	assert(str_starts(text, STR("\\x")) && text.len % 2 == 0);
	size_t len = text.len / 2 - 1;
	unsigned char *bytes = arena_alloc(arena, len);
	if (bytes == NULL) {
		return STR_ABSENT;
	}
	enum status status = parse_hex(str_cut(text, 2, text.len - 2), bytes, len);
	assert(status == OK);
	return (struct str){(const char *)bytes, len};
}

/* Reads `digits` decimal digits at *at and steps over them. */
static int64_t read_digits(struct str text, size_t *at, size_t digits)
{
	int64_t value = 0;
	assert(*at + digits <= text.len);
	for (size_t i = 0; i < digits; i++) {
		char c = text.ptr[(*at)++];
		assert(c >= '0' && c <= '9');
		value = value * 10 + (c - '0');
	}
	return value;
}

static void read_byte(struct str text, size_t *at, char byte)
{
	assert(*at < text.len && text.ptr[*at] == byte);
	(*at)++;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; Howard Hinnant, "chrono-compatible low-level date algorithms". */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

int64_t pg_time(const struct pg_rows *rows, int row, int column)
{
	struct str text = cell(rows, row, column);
	if (!str_present(text)) {
		return 0;
	}
	/* "2026-11-20 13:24:14.123456+00": the session pins TimeZone UTC and DateStyle ISO; trailing zeros are cut by the server. */
	size_t at = 0;
	int64_t year = read_digits(text, &at, 4);
	read_byte(text, &at, '-');
	int64_t month = read_digits(text, &at, 2);
	read_byte(text, &at, '-');
	int64_t day = read_digits(text, &at, 2);
	read_byte(text, &at, ' ');
	int64_t hour = read_digits(text, &at, 2);
	read_byte(text, &at, ':');
	int64_t minute = read_digits(text, &at, 2);
	read_byte(text, &at, ':');
	int64_t second = read_digits(text, &at, 2);
	int64_t fraction = 0;
	if (at < text.len && text.ptr[at] == '.') {
		size_t digits = 0;
		for (at++; at < text.len && text.ptr[at] != '+'; digits++) {
			fraction = fraction * 10 + read_digits(text, &at, 1);
		}
		assert(digits >= 1 && digits <= 6);
		for (; digits < 6; digits++) {
			fraction *= 10;
		}
	}
	assert(str_eq(str_cut(text, at, SIZE_MAX), STR("+00")));
	return days_from_civil(year, month, day) * DAY_US + hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
}
