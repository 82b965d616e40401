/*
 * bot - the bots that share one base (domain.md, Many bots on one base): names, and limits of what they keep and report.
 */
#ifndef TRIVET_CORE_BOT_H
#define TRIVET_CORE_BOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/str.h"

#define BOT_NAME_MAX 64

/* The binding of an API key that may act for every bot; no bot can be named so. */
#define BOT_EVERY STR("*")

/* Each document of a session, bytes of its text: far more than a dialogue's state, and two of them fit any buffer on their way. */
#define BOT_DATA_MAX ((size_t)64 * 1024)

/* Details of one training, bytes: as of an event. */
#define BOT_DETAILS_MAX ((size_t)16 * 1024)

/* Characters of a training's kind. */
#define BOT_KIND_MAX 64

/* bot_name_ok - 1 to BOT_NAME_MAX of [A-Za-z0-9_.-]: needs no quotes anywhere. */
bool bot_name_ok(struct str name);

/*
 * bot_key_allows - whether a key that is bound to `bound` may act for `bot`: bound to it, or to BOT_EVERY. Bound to none (absent): for no
 * bot.
 */
bool bot_key_allows(struct str bound, struct str bot);

/*
 * bot_score_check - whether a JSON number is a score: at most 2^53 either way, at most 6 decimal places, no exponent. Looks at the text, so
 * no digit is lost. OK, INVALID.
 */
MUST_CHECK enum status bot_score_check(struct str text);

#endif
