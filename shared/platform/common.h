/*
 * common - what both adapters do alike; private to shared/platform.
 *
 * The pieces know neither HTML nor markdown: a struct text_style brings those.
 */
#ifndef TRIVET_PLATFORM_COMMON_H
#define TRIVET_PLATFORM_COMMON_H

#include "core/reply.h"
#include "core/update.h"
#include "io/config.h"
#include "io/http_client.h"
#include "io/json.h"

/* Code points of a display name that we keep (pitfalls.md 3b, Unicode). */
#define PLATFORM_NAME_MAX 64
/* Code points of a platform's error words on an outbox row. */
#define PLATFORM_ERROR_MAX 200
/* How long the worker waits for one call. */
#define PLATFORM_TIMEOUT_MS 10000
/* After "too many": without a readable time; so that nobody spins; the longest that we obey, since no row lives longer than a few days. */
#define PLATFORM_WAIT_DEFAULT_US (5 * SECOND_US)
#define PLATFORM_WAIT_MIN_US (SECOND_US / 10)
#define PLATFORM_WAIT_MAX_US DAY_US

/* Reading */

/* platform_member - a string member; absent when it is missing or of another type: for what is only shown. */
struct str platform_member(const struct json *object, const char *name);

/* platform_flag - a boolean member; false when it is missing or of another type. */
bool platform_flag(const struct json *object, const char *name);

/* platform_shaped - s when it has 1..max bytes, all letters, digits or of `others`; else absent. */
struct str platform_shaped(struct str s, size_t max, const char *others);

/* platform_shown - a name fit to be shown, at most PLATFORM_NAME_MAX points; absent when nothing is left. */
struct str platform_shown(struct arena *arena, struct str name);

/* platform_has_words - whether the ASCII `words` occur in s, in any case. */
bool platform_has_words(struct str s, struct str words);

/*
 * platform_decimal_us - seconds as "12", "0.3" or "64.571" in microseconds; digits past the sixth round up, so that nobody
 * comes back too early. OK, INVALID (sign, exponent, no digit), OVERFLOWN (above PLATFORM_WAIT_MAX_US). Source: style.md, habit 11.
 */
MUST_CHECK enum status platform_decimal_us(struct str s, int64_t *ret_us);

/* platform_wait_us - the same for Retry-After: clamped to PLATFORM_WAIT_MIN_US..MAX_US, PLATFORM_WAIT_DEFAULT_US when unreadable. */
int64_t platform_wait_us(struct str seconds);

/* Rendering */

enum platform_unit {
	PLATFORM_UNIT_UNSET = 0,
	PLATFORM_UNITS16, /* UTF-16 units of the text without its markup: Telegram, "after entities parsing" */
	PLATFORM_POINTS, /* code points of the text with its markup: Discord */
	PLATFORM_UNIT_COUNT
};

struct platform_limit {
	enum platform_unit unit;
	size_t max;
};

/* platform_says - whether the reply has lines to show: false for NULL and silent. */
bool platform_says(const struct reply *reply);

/*
 * platform_text - the lines of a reply, at most `limit`.
 *
 * What is too long ends at a line's border with an ellipsis, so that no markup is torn; a first line too long alone has its foreign words
 * cut instead. Absent when the arena failed.
 */
struct str platform_text(struct arena *arena, enum language language, const struct reply *reply, const struct text_style *style,
	struct platform_limit limit);

/* platform_label - a message without arguments as plain text of at most max_points; platform_button_label that of a button. */
struct str platform_label(struct arena *arena, enum language language, enum message message, size_t max_points);
struct str platform_button_label(struct arena *arena, enum language language, const struct reply_button *button, size_t max_points);

/*
 * platform_button_url - the address behind a URL or web app button, its "{secret}" filled in.
 *
 * Absent when the button is an action, when its secret is gone (expired, wiped) or when there is no WEBAPP_URL: such a button is left out.
 */
struct str platform_button_url(struct arena *arena, const struct config *config, const struct reply *reply,
	const struct reply_button *button);

/* Sending */

/* platform_url - base (one ending slash is dropped) and path. */
struct str platform_url(struct arena *arena, struct str base, struct str path);

/* platform_header - adds a header to a request; more than HTTP_HEADERS_MAX is a defect: asserted. */
void platform_header(struct http_request *request, struct str name, struct str value);

/* platform_error - the platform's own words for the outbox row; "HTTP 502" when it has none or they hold an address. */
struct str platform_error(struct arena *arena, int http_status, struct str words);

#endif
