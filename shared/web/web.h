/*
 * web - FastCGI programs: the accept loop, the route table, guards, answers. This is the umbrella that endpoints include.
 *
 *   listen.h   the socket, inherited or made            request.h  parameters as values
 *   fcgi.h     one request on one connection (libfcgi)  route.h    the table, what an endpoint is handed
 *   guard.h    so many in flight per identity           problem.h  problem+json, JSON, headers
 *   exchange.h the life of one request
 *
 * Life of a request: accept (worker.h: few threads, a fiber for each request) - parameters - one exact route on the normalised path -
 * method - deadline - access by address, size - body read whole - verify - content type - the endpoint - the answer - connection kept
 * (fcgi.h) or closed - one log line and metrics - arena reset.
 */
#ifndef TRIVET_WEB_WEB_H
#define TRIVET_WEB_WEB_H

#include "io/app.h"
#include "web/guard.h"
#include "web/problem.h"
#include "web/route.h"

/* Of each read and write on nginx's connection; the request lies there whole before it is passed on. */
#define WEB_IO_TIMEOUT_US (3 * SECOND_US)
#define WEB_REQUESTS_MAX 4096

struct web_options {
	struct app *app; /* config->listen, ->threads (0: one per processor) and ->requests; handed to the endpoints in ctx */
	const char *program; /* "trivet-telegram", for log and metrics */
	const struct route *routes;
	size_t route_count;
	int64_t io_timeout_us; /* 0: WEB_IO_TIMEOUT_US */
};

/*
 * web_serve - accepts on the inherited descriptor (LISTEN_FDS, LISTEN_PID) or on app->config->listen, up to app->config->requests
 * at once, until SIGTERM or SIGINT; finishes what is in hand, then returns. Connections that wait in the backlog are left to the
 * next process that inherits the socket.
 *
 * Installs the signal handling of the process (pitfalls.md 2.1): signals are blocked in all threads that are made from here on,
 * and stay so after the return; call it from main's thread, once, before other threads that must not see signals. A thread
 * that main made earlier must have blocked them itself.
 * OK (stopped as asked), INVALID (a row of the table is wrong, no descriptor and no path, number of threads), CONFLICT (another
 * process listens at the path), UNAVAILABLE (cannot listen, or cannot go on listening). Each failure is logged with its remedy.
 */
MUST_CHECK enum status web_serve(const struct web_options *options);

#endif
