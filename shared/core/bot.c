#include "core/bot.h"

#include "base/parse.h"

#define SCORE_MAX (INT64_C(1) << 53)
#define SCORE_PLACES 6

bool bot_name_ok(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';

		if (!plain) {
			return false;
		}
	}
	return name.len >= 1 && name.len <= BOT_NAME_MAX;
}

bool bot_key_allows(struct str bound, struct str bot)
{
	return str_present(bound) && (str_eq(bound, BOT_EVERY) || str_eq(bound, bot));
}

/* The digits after the point. */
static bool places_ok(struct str places)
{
	for (size_t i = 0; i < places.len; i++) {
		if (places.ptr[i] < '0' || places.ptr[i] > '9') {
			return false;
		}
	}
	return places.len >= 1 && places.len <= SCORE_PLACES;
}

enum status bot_score_check(struct str text)
{
	struct str rest = text;
	struct str whole = str_split(&rest, '.');
	int64_t value = 0;

	if (str_present(rest) && !places_ok(rest)) {
		return INVALID;
	}
	/* JSON has -0, and -0.5 begins with it; one below the limit leaves room for the places. */
	int64_t max = str_present(rest) ? SCORE_MAX - 1 : SCORE_MAX;
	bool zero = str_eq(whole, STR("-0"));

	return zero || parse_i64(whole, -max, max, &value) == OK ? OK : INVALID;
}
