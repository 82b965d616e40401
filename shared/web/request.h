/*
 * request - the parameters that nginx passes, as a struct rawreq; nothing here reads a descriptor.
 *
 * Parameters that are read (nginx/fastcgi.conf sets them): REQUEST_METHOD, DOCUMENT_URI, QUERY_STRING, CONTENT_TYPE,
 * CONTENT_LENGTH, REMOTE_ADDR, REQUEST_ID, TRIVET_SENT; each at most once. HTTP_* are the client's headers, each occurrence an
 * entry of its own (pitfalls.md 0.4). REQUEST_URI is never looked at: routes and access see one decoded, normalised path.
 */
#ifndef TRIVET_WEB_REQUEST_H
#define TRIVET_WEB_REQUEST_H

#include <stdint.h>

#include "base/rawreq.h"

#define REQUEST_HEADERS_MAX 100
#define REQUEST_PATH_MAX 2048
#define REQUEST_ID_LEN 32

struct request {
	struct rawreq raw; /* body still absent */
	uint64_t content_length; /* 0 when none was announced */
	int64_t sent; /* TRIVET_SENT, microseconds UTC: when nginx had the whole request; 0: not told */
	struct str request_id; /* 32 lower-case hexadecimal digits; absent: not told, or of another form */
};

/*
 * request_parse - reads parameters into values that live in the arena.
 *
 * params      "NAME=value" strings, NULL at the end; borrowed
 * ret_detail  on INVALID and TOO_LARGE of a client's doing: what is wrong and the remedy, a constant
 * OK, INVALID (a parameter missing, doubled or malformed; a path with control characters or bad UTF-8), TOO_LARGE (too many
 * headers, too long a path, arena).
 */
MUST_CHECK enum status request_parse(struct arena *arena, char *const *params, struct request *ret_request, const char **ret_detail);

/* request_is_json - whether a Content-Type names application/json, with or without parameters. */
bool request_is_json(struct str content_type);

/* request_is_loopback - whether REMOTE_ADDR is of this host; "unix:" is not: a front proxy may stand behind it. */
bool request_is_loopback(struct str remote_addr);

#endif
