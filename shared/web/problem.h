/*
 * problem - filling the response: problem+json (RFC 9457), JSON, headers.
 *
 * Nothing here fails: what cannot be built or sent turns the whole answer into a constant 500.
 */
#ifndef TRIVET_WEB_PROBLEM_H
#define TRIVET_WEB_PROBLEM_H

#include "web/route.h"

/*
 * problem - fills the response with application/problem+json; headers that were set before are kept.
 *
 * status    400..599
 * type      last part of the type URI "/problems/<type>" ("code-unknown"); NULL: about:blank
 * detail    what is wrong and the remedy, English; may hold foreign text (JSON escapes it), bad UTF-8 makes it a 500
 * field     the member of the request that is wrong; NULL when none
 */
void problem(struct route_call *call, int status, const char *type, const char *detail, const char *field);

/*
 * problem_of_status - the answer to a failure that nobody understood better; OK is not a failure (asserted).
 *
 * INVALID, OVERFLOWN 400; DENIED 403; NOT_FOUND 404; CONFLICT, INSUFFICIENT 409; TOO_LARGE 413; TOO_MANY 429 and UNAVAILABLE,
 * TIMED_OUT, RETRY 503, these with Retry-After: 1; INTERNAL 500.
 */
void problem_of_status(struct route_call *call, enum status status);

/* problem_last_resort - a constant 500 (or 413 when the request's arena is used up) that needs no memory; drops all headers. */
void problem_last_resort(struct response *response, bool arena_failed);

/* response_json - a JSON body with status 200 (or what is set); an absent text becomes the 500. */
void response_json(struct route_call *call, struct str json);

/* response_header - one more header; a seventh, a name that is no token or a value with control characters: the 500. */
void response_header(struct route_call *call, struct str name, struct str value);

/* status_phrase - "Not Found"; "Status" for a number that we do not use. */
const char *status_phrase(int status);

#endif
