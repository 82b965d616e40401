/*
 * decide - what the platform's answer means for an outbox row (domain.md, "Notifications"). Pure: values in, a decision out.
 */
#ifndef TRIVET_WORKER_DECIDE_H
#define TRIVET_WORKER_DECIDE_H

#include "platform/platform.h"
#include "service/delivery.h"

/* Answers about this message (4xx but 429, 5xx) after which it is given up. */
#define DECIDE_ATTEMPTS_MAX 8
/* Calls that lead straight to the next: the direct channel, markup, a moved chat. More is a platform that plays ping-pong. */
#define DECIDE_REPEATS_MAX 4

struct decide_input {
	const struct outbox_row *row;
	const struct delivery_result *result;
	int64_t failures; /* of this recipient in a row, counting this one if it is one; at least 1 */
	int64_t repeats;  /* calls made for this row in this turn, before this one */
	unsigned chance;  /* for the jitter */
	int64_t now;      /* our time */
};

struct decision {
	bool again;          /* at once, with what outcome and lesson have changed; else the outcome is final for this turn */
	bool heard;          /* the platform answered at all */
	bool failed;         /* one more failure of this recipient; else his row of failures ends when `heard` */
	int64_t hold_us;     /* nothing more to this recipient */
	int64_t hold_all_us; /* nothing more by this bot */
	struct outbox_outcome outcome; /* error is borrowed from the result */
	struct delivery_lesson lesson; /* bot is not set */
};

struct decision decide(const struct decide_input *input);

/* decide_unsendable - of a row that is not even tried: expired, or not readable. */
struct outbox_outcome decide_unsendable(const struct outbox_row *row, struct str why);

#endif
