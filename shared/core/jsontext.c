#include "core/jsontext.h"

#include <stdbool.h>

/* What is left to read. Every skip_ function steps over one thing, or answers false where it does not stand there. */
struct scan {
	const char *at;
	const char *end;
};

static bool next_is(const struct scan *scan, char byte)
{
	return scan->at < scan->end && *scan->at == byte;
}

static bool skip_byte(struct scan *scan, char byte)
{
	if (!next_is(scan, byte)) {
		return false;
	}
	scan->at++;
	return true;
}

/* RFC 8259, 2: only these four are white space. */
static void skip_space(struct scan *scan)
{
	while (next_is(scan, ' ') || next_is(scan, '\t') || next_is(scan, '\n') || next_is(scan, '\r')) {
		scan->at++;
	}
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_hex(char byte)
{
	return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool skip_digits(struct scan *scan)
{
	const char *from = scan->at;

	while (scan->at < scan->end && is_digit(*scan->at)) {
		scan->at++;
	}
	return scan->at > from;
}

/* After the backslash. */
static bool skip_escape(struct scan *scan)
{
	char byte = scan->at < scan->end ? *scan->at++ : '\0';

	if (byte != 'u') {
		return byte != '\0' && strchr("\"\\/bfnrt", byte) != NULL;
	}
	for (int i = 0; i < 4; i++) {
		if (scan->at == scan->end || !is_hex(*scan->at++)) {
			return false;
		}
	}
	return true;
}

/* Whether its bytes are UTF-8 is asked where the string is read. */
static bool skip_string(struct scan *scan)
{
	if (!skip_byte(scan, '"')) {
		return false;
	}
	while (scan->at < scan->end) {
		unsigned char byte = (unsigned char)*scan->at++;

		if (byte == '"') {
			return true;
		}
		if (byte < 0x20 || (byte == '\\' && !skip_escape(scan))) {
			return false;
		}
	}
	return false;
}

static bool skip_number(struct scan *scan)
{
	(void)skip_byte(scan, '-');
	if (!skip_byte(scan, '0') && !skip_digits(scan)) {
		return false;
	}
	if (skip_byte(scan, '.') && !skip_digits(scan)) {
		return false;
	}
	if (!skip_byte(scan, 'e') && !skip_byte(scan, 'E')) {
		return true;
	}
	if (!skip_byte(scan, '+')) {
		(void)skip_byte(scan, '-');
	}
	return skip_digits(scan);
}

static bool skip_word(struct scan *scan, struct str word)
{
	if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.ptr, word.len) != 0) {
		return false;
	}
	scan->at += word.len;
	return true;
}

/* Each level down raises `depth`, which skip_value() holds below JSONTEXT_DEPTH_MAX. NOLINTBEGIN(misc-no-recursion) */
static bool skip_value(struct scan *scan, int depth);

/* A name, its colon, and the space around them. */
static bool skip_name(struct scan *scan, struct str *ret_name)
{
	const char *from = scan->at + 1;

	if (!skip_string(scan)) {
		return false;
	}
	*ret_name = (struct str){from, (size_t)(scan->at - from) - 1};
	skip_space(scan);
	return skip_byte(scan, ':');
}

static bool skip_members(struct scan *scan, int depth)
{
	struct str name;

	skip_space(scan);
	if (skip_byte(scan, '}')) {
		return true;
	}
	do {
		skip_space(scan);
		if (!skip_name(scan, &name) || !skip_value(scan, depth)) {
			return false;
		}
	} while (skip_byte(scan, ','));
	return skip_byte(scan, '}');
}

static bool skip_elements(struct scan *scan, int depth)
{
	skip_space(scan);
	if (skip_byte(scan, ']')) {
		return true;
	}
	do {
		if (!skip_value(scan, depth)) {
			return false;
		}
	} while (skip_byte(scan, ','));
	return skip_byte(scan, ']');
}

/* With the space around it. */
static bool skip_value(struct scan *scan, int depth)
{
	bool ok = false;

	skip_space(scan);
	if (depth >= JSONTEXT_DEPTH_MAX) {
		return false;
	}
	if (skip_byte(scan, '{')) {
		ok = skip_members(scan, depth + 1);
	} else if (skip_byte(scan, '[')) {
		ok = skip_elements(scan, depth + 1);
	} else if (next_is(scan, '"')) {
		ok = skip_string(scan);
	} else {
		ok = skip_word(scan, STR("true")) || skip_word(scan, STR("false")) || skip_word(scan, STR("null")) || skip_number(scan);
	}
	skip_space(scan);
	return ok;
}
/* NOLINTEND(misc-no-recursion) */

static struct str without_space(const char *from, const char *to)
{
	return str_trim((struct str){from, (size_t)(to - from)});
}

/* The elements of the list that `list` is, which the grammar has passed already. */
static enum status slice(struct str list, size_t max, struct str *ret_items, size_t *ret_count)
{
	struct scan scan = {.at = list.ptr + 1, .end = list.ptr + list.len};
	size_t count = 0;

	skip_space(&scan);
	while (!next_is(&scan, ']')) {
		const char *from = scan.at;

		if (count == max) {
			return TOO_MANY;
		}
		if (!skip_value(&scan, 1)) {
			return INVALID;
		}
		ret_items[count++] = without_space(from, scan.at);
		(void)skip_byte(&scan, ',');
	}
	*ret_count = count;
	return OK;
}

/* Steps over the outermost object and what surrounds it, to the end, and hands each member to `take`, whose false stops it. */
static bool walk(struct str text, bool (*take)(const struct jsontext_member *member, void *arg), void *arg)
{
	struct scan scan = {.at = text.ptr, .end = text.ptr + text.len};
	struct jsontext_member member;

	skip_space(&scan);
	if (!skip_byte(&scan, '{')) {
		return false;
	}
	skip_space(&scan);
	if (!next_is(&scan, '}')) {
		do {
			skip_space(&scan);
			if (!skip_name(&scan, &member.name)) {
				return false;
			}
			const char *from = scan.at;

			if (!skip_value(&scan, 1)) {
				return false;
			}
			member.value = without_space(from, scan.at);
			if (!take(&member, arg)) {
				return false;
			}
		} while (skip_byte(&scan, ','));
	}
	if (!skip_byte(&scan, '}')) {
		return false;
	}
	skip_space(&scan);
	return scan.at == scan.end;
}

/* The members that are taken, as far as there is room for them. */
struct taking {
	struct jsontext_member *members;
	size_t max;
	size_t count;
};

static bool take_all(const struct jsontext_member *member, void *arg)
{
	struct taking *taking = arg;

	if (taking->count < taking->max) {
		taking->members[taking->count] = *member;
	}
	taking->count++;
	return true;
}

enum status jsontext_members(struct str text, size_t max, struct jsontext_member *ret_members, size_t *ret_count)
{
	struct taking taking = {.members = ret_members, .max = max};

	if (str_empty(text) || !walk(text, take_all, &taking)) {
		return INVALID;
	}
	if (taking.count > max) {
		return TOO_MANY;
	}
	*ret_count = taking.count;
	return OK;
}

/* The one member that is looked for; a second of its name stops the walk. */
static bool take_named(const struct jsontext_member *member, void *arg)
{
	struct jsontext_member *wanted = arg;

	if (!str_eq(member->name, wanted->name)) {
		return true;
	}
	if (str_present(wanted->value)) {
		return false;
	}
	wanted->value = member->value;
	return true;
}

enum status jsontext_items(struct str text, struct str member, size_t max, struct str *ret_items, size_t *ret_count)
{
	struct jsontext_member list = {.name = member};

	if (str_empty(text) || !walk(text, take_named, &list)) {
		return INVALID;
	}
	if (!str_starts(list.value, STR("["))) {
		return NOT_FOUND;
	}
	return slice(list.value, max, ret_items, ret_count);
}
