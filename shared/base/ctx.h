/*
 * ctx - what every use case is handed: whose memory, what time, until when.
 *
 * Made once per request (web) or job (layer 7); the clock is read there and nowhere below (decisions.md 22).
 */
#ifndef TRIVET_BASE_CTX_H
#define TRIVET_BASE_CTX_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct app; /* io/app.h: the handles of one process */

enum language {
	LANGUAGE_UNSET = 0,
	LANGUAGE_RU,
	LANGUAGE_EN,
	LANGUAGE_COUNT
};

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

/* seconds_to_wait - of a time that is left, microseconds from 0: whole seconds, rounded up, so that nobody is told to come too early. */
static inline int64_t seconds_to_wait(int64_t us)
{
	return (us + SECOND_US - 1) / SECOND_US;
}

struct ctx {
	struct app *app;
	struct arena *arena;
	int64_t now;           /* microseconds UTC; follows the development clock */
	int64_t deadline;      /* microseconds of the monotonic clock (clock_monotonic_us); every wait ends there */
	struct str request_id; /* for the log line */
	enum language language;
};

#endif
