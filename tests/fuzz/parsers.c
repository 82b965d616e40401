/* Fuzzes the strict readers of values: each has an invariant that must hold for whatever it took. */
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/utf.h"
#include "core/bot.h"
#include "io/crypto.h"
#include "web/etag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One value has one spelling. */
static void numbers(struct arena *arena, struct str text)
{
	int64_t value = 0;
	if (parse_i64(text, INT64_MIN, INT64_MAX, &value) == OK) {
		assert(str_eq(str_printf(arena, "%" PRId64, value), text));
	}
	if (parse_platform_id(text, &value) == OK) {
		assert(value >= 1);
	}
	bool flag = false;
	assert(parse_bool(text, &flag) != OK || text.len <= 5);
	unsigned char bytes[16];
	if (parse_hex(text, bytes, sizeof(bytes)) == OK) {
		assert(str_eq_nocase(crypto_hex(arena, bytes, sizeof(bytes)), text));
	}
}

static void times(struct arena *arena, struct str text)
{
	int64_t us = 0;
	if (parse_rfc3339(text, &us) == OK) {
		int64_t again = -1;
		assert(parse_rfc3339(format_rfc3339(arena, us), &again) == OK);
		assert(again == us);
	}
	if (text.len >= sizeof(us)) {
		memcpy(&us, text.ptr, sizeof(us));
		assert(format_rfc3339(arena, us).len < FORMAT_RFC3339_BYTES);
	}
}

static void queries(struct arena *arena, struct str text)
{
	struct str query = text;
	struct str name = str_split(&query, '\n');
	struct str value = STR_ABSENT;
	if (parse_query_value(arena, query, name, &value) == OK) {
		assert(str_present(value) && utf_valid(value) && value.len <= query.len);
	}
}

static void texts(struct arena *arena, struct str text)
{
	size_t max = text.len > 0 ? (unsigned char)text.ptr[0] % 32 : 0;
	struct str shown = utf_display(arena, text, max);
	assert(str_present(shown) && utf_valid(shown) && utf_points(shown) <= max);
	/* Clean already: a second time changes nothing. */
	assert(str_eq(utf_display(arena, shown, max), shown));
	if (!utf_valid(text)) {
		return;
	}
	assert(utf_points(text) <= utf_units16(text) && utf_units16(text) <= text.len);
	struct str head = utf_clip_units16(text, max);
	assert(utf_valid(head) && utf_units16(head) <= max && utf_units16(head) + 2 > (max < utf_units16(text) ? max : 0));
	assert(utf_points(utf_clip_points(text, max)) == (max < utf_points(text) ? max : utf_points(text)));
	struct str part = STR_ABSENT;
	if (utf_from_units16(text, max, max / 2, &part) == OK) {
		assert(utf_valid(part) && utf_units16(part) == max / 2);
	}
}

static void conditions(struct str text)
{
	const struct header header = {STR_INIT("IF_MATCH"), text};
	const struct rawreq request = {.headers = &header, .header_count = 1};
	struct etag_list list = {0};

	if (etag_list_read(&request, STR("IF_MATCH"), &list) == OK) {
		assert(list.given && list.any == (list.count == 0) && list.count <= ETAG_LIST_MAX);
		for (size_t i = 0; i < list.count; i++) {
			assert(list.tags[i].text.ptr > text.ptr && list.tags[i].text.ptr + list.tags[i].text.len < text.ptr + text.len);
			assert(str_find(list.tags[i].text, '"') == SIZE_MAX && etag_list_has(&list, list.tags[i].text));
		}
	}
	/* "-9007199254740991.999999" is the longest. */
	assert(bot_score_check(text) != OK || text.len <= 24);
	assert(!bot_name_ok(text) || text.len <= BOT_NAME_MAX);
}

/* Only that it stays inside its line; log_end() would write it out. */
static void log_lines(struct str text)
{
	struct log_line line;
	log_begin(&line, LOG_ERROR, "fuzz");
	struct str rest = text;
	while (str_present(rest)) {
		log_str(&line, "k", str_split(&rest, '\n'));
		assert(line.len <= sizeof(line.text) - 7);
		assert(memchr(line.text, '\n', line.len) == NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct str text = {(const char *)data, size};
	assert(arena != NULL);
	numbers(arena, text);
	times(arena, text);
	queries(arena, text);
	texts(arena, text);
	conditions(text);
	log_lines(text);
	arena_free(arena);
	return 0;
}
