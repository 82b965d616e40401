/*
 * exchange - the life of one request, from an accepted connection to its log line.
 *
 * Takes any connected stream socket, so that tests and fuzzers drive the real thing over a socketpair.
 */
#ifndef TRIVET_WEB_EXCHANGE_H
#define TRIVET_WEB_EXCHANGE_H

#include "base/offload.h"
#include "web/fcgi.h"
#include "web/web.h"

/* What one request needs, and the next one after it. */
struct exchange_room {
	const struct web_options *options;
	struct arena *arena; /* bound to json meanwhile; reset at the end of each exchange */
	struct fcgi *fcgi;
	struct helpers *helpers; /* in a fiber: for what does not come or go at once */
};

enum exchange_end {
	EXCHANGE_CLOSED = 0, /* the connection is gone */
	EXCHANGE_KEPT,       /* it is the caller's, for the next request */
	EXCHANGE_SILENT      /* the same, and nothing had come yet */
};

/*
 * exchange_run - reads one request, decides, answers, closes, logs, counts, resets the arena. For threads and fuzzers.
 *
 * fd    an accepted stream socket; it is taken
 * A connection that breaks before its parameters' end leaves no trace but its closing.
 */
void exchange_run(const struct exchange_room *room, int fd);

/*
 * exchange_run_in_fiber - the same, and the connection may be kept (fcgi.h).
 *
 * fd       a non-blocking one; taken when it is closed
 * waits    whether the first bytes are waited for
 * What is not there whole at once is served by a helper (base/offload.h), an answer that does not fit at once is written by one; such a
 * connection is closed.
 */
enum exchange_end exchange_run_in_fiber(const struct exchange_room *room, int fd, bool waits);

#endif
