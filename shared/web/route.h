/*
 * route - the table of a program's endpoints, and what an endpoint is handed.
 *
 * Policy is a column of the row and is applied before any endpoint code. A row is written with ROUTE(), which does not compile
 * without an access; what no macro can see (a signed row without verify, two rows of one path) routes_check() refuses at start.
 */
#ifndef TRIVET_WEB_ROUTE_H
#define TRIVET_WEB_ROUTE_H

#include "base/ctx.h"
#include "base/metric.h"
#include "base/rawreq.h"

#define RESPONSE_HEADERS_MAX 6

struct response {
	int status; /* 200 when left 0 */
	struct str content_type; /* absent: none (empty bodies) */
	struct str body;
	struct header headers[RESPONSE_HEADERS_MAX];
	size_t header_count;
	bool failed; /* a header that cannot be sent: the answer becomes a 500 */
};

enum route_access {
	ROUTE_ACCESS_UNSET = 0, /* does not compile: ROUTE() */
	ROUTE_PUBLIC, /* anyone; the endpoint needs nobody */
	ROUTE_SIGNED, /* a platform's webhook: the row's `verify` proves the sender over the raw bytes */
	ROUTE_API_KEY, /* Authorization: Bearer; the row's `verify` looks it up; with `scope` */
	ROUTE_LOOPBACK, /* REMOTE_ADDR is of this host */
	ROUTE_ACCESS_COUNT
};

/* One route's segments: "/v1/users/{platform}/{id}". A {name} matches one segment, not empty, without '/'. */
#define ROUTE_PARAMS_MAX 3

struct route;

struct route_call {
	struct ctx *ctx;
	const struct rawreq *request;
	const struct route *route;
	struct str params[ROUTE_PARAMS_MAX]; /* decoded, in the order of the path */
	uint64_t body_size; /* as sent; larger than request->body.len only on a row with body_cut */
	int64_t wall_now; /* real time, microseconds UTC, for signatures */
	const void *identity; /* what verify proved; its type is the program's */
	struct response *response;
};

struct route {
	enum method method; /* a GET row answers HEAD too */
	const char *path;
	enum route_access access;
	const char *scope; /* ROUTE_API_KEY: which; NULL: any key */
	size_t body_limit; /* bytes; 0: no body is taken. Beyond it 413 */
	bool body_cut; /* beyond it the first body_limit bytes are handed on instead of 413: see body_size */
	bool body_json; /* content type must be application/json, else 415 */
	int64_t deadline_us; /* from nginx's receipt (decisions.md 4) */
	/*
	 * Proves who sends, over the raw bytes, before run: sets call->identity. DENIED becomes 401, any other failure what
	 * problem_of_status() says. For SIGNED and API_KEY, and only for them.
	 */
	enum status (*verify)(struct route_call *call);
	/* Fills call->response. A failure becomes problem_of_status(), unless problem() was called already. */
	enum status (*run)(struct route_call *call);
	/*
	 * What docs/openapi.json says of the row (web/openapi.h). The words are names of the document's components; key rows have a summary, an
	 * answer, and a body's schema exactly where they take a body.
	 */
	const char *summary;
	const char *takes;      /* schema of the body */
	const char *gives;      /* schema of the answer; NULL: it is empty, and then statuses say so */
	const char *statuses;   /* of success: "200 201"; NULL: 200 */
	const char *parameters; /* of query and header: "Limit Cursor"; those of the path are "path-<name>" by themselves */
	const char *headers;    /* that a successful answer carries: "ETag" */
	const char *problems;   /* beside those of every row: "404:user-unknown 409:insufficient 409:key-reused 412" */
};

/* A row. The third argument has no default, and ROUTE_ACCESS_UNSET does not compile. */
#define ROUTE(m, p, a, ...) \
	{ \
		.method = (m), .path = (p), .access = (enum route_access)((size_t)(a) + 0 * sizeof(struct { \
	_Static_assert((a) != ROUTE_ACCESS_UNSET, "this route says not who may call it"); char unused; })), __VA_ARGS__ \
	}

/* The metrics' last route is that of requests which match none. */
#define ROUTES_MAX (METRIC_ROUTES - 1)

/*
 * routes_check - whether a table keeps its rules: method, path and run set; verify exactly where access needs one; scope only
 * with a key; a deadline; at most ROUTE_PARAMS_MAX parameters; body_json and body_cut only with a body; key rows with the schemas of
 * what they take and give; no row twice.
 *
 * ret_row     the first row that breaks one, ret_reason why
 * OK, INVALID, TOO_LARGE (more than ROUTES_MAX rows).
 */
MUST_CHECK enum status routes_check(const struct route *routes, size_t count, size_t *ret_row, const char **ret_reason);

/*
 * route_find - the row of a method and path. Rows without {names} go first, then the order of the table.
 *
 * ret_params  ROUTE_PARAMS_MAX entries, borrowed from path; those the row does not have are absent
 * OK, NOT_FOUND (no row has this path), CONFLICT (rows have it, but with other methods).
 */
MUST_CHECK enum status route_find(const struct route *routes, size_t count, enum method method, struct str path, size_t *ret_row,
	struct str *ret_params);

/* route_allow - the value of Allow for a path: "GET, HEAD, POST"; absent when the arena failed. */
struct str route_allow(struct arena *arena, const struct route *routes, size_t count, struct str path);

#endif
