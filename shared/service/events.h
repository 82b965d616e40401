/*
 * events - accepting what programs report: each event judged alone, stored once, queued for the worker (decisions.md 13, 14).
 *
 * An idempotency key names one content for ever (for seven days from `at` where events are frequent). The same key with the same content
 * is a duplicate, with another one it is refused with what differs; within one request too.
 */
#ifndef TRIVET_SERVICE_EVENTS_H
#define TRIVET_SERVICE_EVENTS_H

#include "core/event.h"
#include "store/tx.h"

struct json; /* io/json.h */

/* Of one request. */
#define EVENTS_MAX 1000
/* Text of one event: several times what the largest good one needs; a longer one is refused unread. */
#define EVENTS_TEXT_MAX ((size_t)16 * 1024)

enum events_verdict {
	EVENTS_UNSET = 0,
	EVENTS_ACCEPTED,
	EVENTS_DUPLICATE,
	EVENTS_REJECTED,
	EVENTS_VERDICT_COUNT
};

struct events_result {
	struct str key; /* as sent; absent when it was no string */
	enum events_verdict verdict;
	struct event_fault fault; /* of a rejected one */
};

struct events_answer {
	struct events_result *results; /* in the order sent */
	size_t count;
	size_t accepted;
	size_t duplicates;
	size_t rejected;
};

/*
 * events_accept - judges, stores and queues; commits before it answers.
 *
 * source      who reports, for the ledger: "api:<name of the key>"
 * items       1..EVENTS_MAX texts, each of one JSON value (core/jsontext.h)
 * ret_answer  lives in ctx->arena
 * OK (even if all are rejected), INVALID (count), statuses of tx_run().
 */
MUST_CHECK enum status events_accept(struct ctx *ctx, struct str source, const struct str *items, size_t count,
                                     struct events_answer *ret_answer);

/* events_accept_counting - the same of a program that is only trusted to count: messages, voice and games move counters and pay nothing. */
MUST_CHECK enum status events_accept_counting(struct ctx *ctx, struct str source, const struct str *items, size_t count,
                                              struct events_answer *ret_answer);

/*
 * events_read_data - the members of an event's data by its type's shape; strings are borrowed from the tree.
 *
 * event       type is set; values are filled
 * ret_fault   on INVALID; in `arena`
 * OK, INVALID (a member is missing, unknown, of another type or outside its limits).
 */
MUST_CHECK enum status events_read_data(struct arena *arena, const struct json *data, struct event *event, struct event_fault *ret_fault);

/* events_read_queued - the same of a row of the queue, where our own programs have added what no other may send (core/event.h). */
MUST_CHECK enum status events_read_queued(struct arena *arena, const struct json *data, struct event *event);

#endif
