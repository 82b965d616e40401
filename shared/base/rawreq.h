/*
 * rawreq - an HTTP request as values, before anything in it is believed.
 *
 * Lives below web and platform, so that an adapter verifies signatures over the very bytes without knowing FastCGI.
 * All strings are borrowed from the request's arena.
 */
#ifndef TRIVET_BASE_RAWREQ_H
#define TRIVET_BASE_RAWREQ_H

#include "base/str.h"

enum method {
	METHOD_UNSET = 0,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OTHER,
	METHOD_COUNT
};

struct header {
	struct str name; /* as CGI names it: "X_TELEGRAM_BOT_API_SECRET_TOKEN", without HTTP_ */
	struct str value;
};

struct rawreq {
	enum method method;
	struct str path;  /* decoded and normalised by nginx; what routes and access look at */
	struct str query; /* raw, without '?' */
	struct str content_type;
	struct str remote_addr; /* REMOTE_ADDR only; no forwarded header is read */
	const struct header *headers;
	size_t header_count;
	struct str body; /* read to its end, length checked */
};

/*
 * rawreq_header_once - the value of a header that must come exactly once; name in CGI form.
 *
 * OK, NOT_FOUND (missing), CONFLICT (doubled: nginx 1.22 hands over both; pitfalls.md 0.4).
 */
MUST_CHECK enum status rawreq_header_once(const struct rawreq *request, struct str name, struct str *ret_value);

/* method_name - "GET"; "OTHER" for what no route accepts. */
const char *method_name(enum method method);

#endif
