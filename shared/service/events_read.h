/*
 * events_read - one event as it was sent, as values; only for events.c.
 */
#ifndef TRIVET_SERVICE_EVENTS_READ_H
#define TRIVET_SERVICE_EVENTS_READ_H

#include "service/events.h"
#include "store/event.h"

/*
 * What a key stands for: enough of a digest of each part to say which one differs. Stored as it is; nothing in it can be read back.
 */
struct content {
	unsigned char person[8]; /* of "telegram 42" */
	unsigned char type[4];
	unsigned char at[8]; /* microseconds UTC, big-endian */
	unsigned char data[16];
};
_Static_assert(sizeof(struct content) == 36, "stored: has no padding");

/* An event on its way through events_accept(). */
struct incoming {
	struct str key;
	struct event_person person;
	struct event event; /* its texts are not kept: `data` has them */
	struct str data;
	struct str content; /* the bytes of a struct content */
	bool rejected;
	struct event_fault fault;
};

/*
 * incoming_read - one event from its text.
 *
 * scratch   reset first; holds the tree only until the return
 * OK (also when it is rejected), TOO_LARGE (ctx->arena).
 */
MUST_CHECK enum status incoming_read(struct ctx *ctx, struct arena *scratch, struct str text, struct incoming *ret_incoming);

/* content_difference - which members differ between two contents: "at, data"; absent when the arena failed. */
struct str content_difference(struct arena *arena, struct str a, struct str b);

#endif
