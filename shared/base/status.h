/*
 * status - what a function that can fail says. OK is 0, all else is a failure.
 *
 * The caller must look at it. A failure leaves every ret_ argument untouched. Only the value travels upward: words for
 * the user are message ids chosen where the failure is understood, words for the log are added by the program.
 */
#ifndef TRIVET_BASE_STATUS_H
#define TRIVET_BASE_STATUS_H

#include "base/attr.h"

enum status {
	OK = 0,
	INVALID,      /* the input breaks its documented form; asking again with the same input is useless */
	NOT_FOUND,    /* there is no such thing, or the asker may not know of it */
	CONFLICT,     /* it exists already, or another state forbids it */
	DENIED,       /* who asks may not do this, or could not prove who he is */
	TOO_LARGE,    /* over a named limit: body, tree, arena, batch */
	TOO_MANY,     /* over a rate or a count; may be asked again later */
	INSUFFICIENT, /* a balance would go below zero */
	OVERFLOWN,    /* a number would leave its range */
	UNAVAILABLE,  /* a store or a platform is away or refuses; nothing was changed */
	TIMED_OUT,    /* no answer before the deadline; whether it took effect is not known */
	RETRY,        /* serialization failure or deadlock: run the whole transaction again */
	INTERNAL,     /* our own defect; logged with its place */
	STATUS_COUNT
};

/*
 * status_name - the lower-case name of a status for logs and metrics ("ok", "not_found"); never NULL.
 */
const char *status_name(enum status status);

#endif
