/*
 * worker - one thread of a program: a loop of fibers, one of which accepts; each of the others serves a request, then the next.
 *
 * A connection that nginx keeps (fcgi.h) holds no fiber between its requests.
 */
#ifndef TRIVET_WEB_WORKER_H
#define TRIVET_WEB_WORKER_H

#include <stddef.h>

#include "base/offload.h"
#include "base/status.h"
#include "web/web.h"

struct worker;

struct worker_options {
	const struct web_options *web;
	struct helpers *helpers; /* for requests and answers that dawdle */
	struct helpers *lookups; /* for what io needs (fiber_helpers()) */
	int listener; /* non-blocking; borrowed, and shared with other workers */
	size_t seats; /* requests at once, those that wait for a store included */
	size_t stack_bytes;
	size_t number; /* its place among all */
	struct worker *const *all; /* those of the program, itself among them: a new connection goes to the least busy one */
	size_t count;
	/* Called by a worker that finds the listener unusable; on its thread. It accepts no more then. */
	void (*broken)(void *arg);
	void *arg;
};

/* worker_new - all are made before the first is started. NULL: no memory or descriptors. */
struct worker *worker_new(const struct worker_options *options);

/* worker_start - on a thread of its own. OK, UNAVAILABLE (no thread). */
MUST_CHECK enum status worker_start(struct worker *worker);

/* worker_stop - asks it to accept no more; from any thread. */
void worker_stop(struct worker *worker);

/* worker_join - waits until all it has in hand is answered. After worker_stop(); one that was never started is ended here. */
void worker_join(struct worker *worker);

/* worker_free - when all were joined. worker_free(NULL) is fine. */
void worker_free(struct worker *worker);

#endif
