/*
 * exchange - the life of one request, from an accepted connection to its log line.
 *
 * Takes any connected stream socket, so that tests and fuzzers drive the real thing over a socketpair.
 */
#ifndef TRIVET_WEB_EXCHANGE_H
#define TRIVET_WEB_EXCHANGE_H

#include "web/fcgi.h"
#include "web/web.h"

/* What one thread has for its requests. */
struct exchange_room {
	const struct web_options *options;
	struct arena *arena; /* bound to json; reset at the end of each exchange */
	struct fcgi *fcgi;
};

/*
 * exchange_run - reads one request, decides, answers, closes, logs, counts, resets the arena.
 *
 * fd    an accepted, blocking stream socket; it is taken
 * A connection that breaks before its parameters' end leaves no trace but its closing.
 */
void exchange_run(const struct exchange_room *room, int fd);

#endif
