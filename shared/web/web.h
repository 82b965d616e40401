/*
 * web - FastCGI programs: the accept loop, the route table, guards, answers; only shared/web knows libfcgi.
 *
 * Life of a request: accept (own epoll set per thread, decisions.md 1) - parameters and body read whole - one exact route on
 * the normalised path - method, access, CSRF, rate, size - the endpoint - response - one log line and metrics - arena reset.
 * Policy is a column of the route's row and is applied before any endpoint code; a row without access does not compile.
 */
#ifndef TRIVET_WEB_WEB_H
#define TRIVET_WEB_WEB_H

#include "base/ctx.h"
#include "base/rawreq.h"
#include "io/app.h"

#define RESPONSE_HEADERS_MAX 6

struct response {
	int status;              /* 200 when left 0 */
	struct str content_type; /* absent: none (empty bodies) */
	struct str body;
	struct header headers[RESPONSE_HEADERS_MAX];
	size_t header_count;
};

enum route_access {
	ROUTE_ACCESS_UNSET = 0, /* refused at compile time: ROUTES_CHECK */
	ROUTE_PUBLIC,           /* anyone; the endpoint needs nobody */
	ROUTE_SIGNED,           /* a platform's webhook: the endpoint's `verify` proves the sender over the raw bytes */
	ROUTE_API_KEY,          /* Authorization: Bearer; with `scope` */
	ROUTE_LOOPBACK,         /* REMOTE_ADDR is loopback */
	ROUTE_ACCESS_COUNT
};

/* One route's segments: "/v1/users/{platform}/{id}". A {name} matches one segment without '/'. */
#define ROUTE_PARAMS_MAX 3

struct route_call {
	struct ctx *ctx;
	const struct rawreq *request;
	const struct route *route;
	struct str params[ROUTE_PARAMS_MAX]; /* decoded, in the order of the path */
	int64_t wall_now;                    /* real time, for signatures */
	const void *identity;                /* what verify proved; its type is the program's */
	struct response *response;
};

struct route {
	enum method method;
	const char *path;
	enum route_access access;
	const char *scope;      /* ROUTE_API_KEY: which; NULL: any key */
	size_t body_limit;      /* bytes; 0: no body is taken */
	bool body_json;         /* content type must be application/json, else 415 */
	int64_t deadline_us;    /* from nginx's receipt (decisions.md 4) */
	/* Proves who sends, over the raw bytes, before run: sets call->identity. OK, DENIED (401), NOT_FOUND (404), UNAVAILABLE (503). NULL for PUBLIC and LOOPBACK. */
	enum status (*verify)(struct route_call *call);
	/* Fills call->response. Any failure becomes problem+json by web_problem_of(). */
	enum status (*run)(struct route_call *call);
	const char *summary;    /* for docs/openapi.json */
};

/* A compile-time check for a routes[] row list is impossible on values at run time only: every row goes through this macro. */
#define ROUTE(m, p, a, ...) {.method = (m), .path = (p), .access = (a) + 0 * sizeof(char[(a) == ROUTE_ACCESS_UNSET ? -1 : 1]), __VA_ARGS__}

/*
 * problem - fills the response with application/problem+json (RFC 9457).
 *
 * type      last part of the type URI ("code-unknown"); NULL: about:blank
 * detail    what is wrong and the remedy, English; no foreign bytes unless escaped by JSON
 * field     the member of the request that is wrong; NULL when none
 */
void problem(struct route_call *call, int status, const char *type, const char *detail, const char *field);

/* response_json - a JSON body with status 200 (or what is set); absent text becomes 500. */
void response_json(struct route_call *call, struct str json);
void response_header(struct route_call *call, struct str name, struct str value);

struct web_options {
	struct app *app;
	const char *program;          /* "trivet-telegram", for log and metrics */
	const struct route *routes;
	size_t route_count;
	/* Answer for a request that is past its deadline, or that no thread could serve: 503 problem by default. */
};

/*
 * web_serve - accepts on the inherited descriptor (LISTEN_FDS, LISTEN_PID) or on app->config->listen with app->config->threads threads until
 * SIGTERM or SIGINT; finishes what is in hand, then returns.
 *
 * Installs the signal handling of the process (pitfalls.md 2.1); call it from main's thread, once.
 * OK (stopped as asked), INVALID (no descriptor and no path), UNAVAILABLE (cannot listen).
 */
MUST_CHECK enum status web_serve(const struct web_options *options);

#endif
