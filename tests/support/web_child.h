/*
 * web_child - the real web_serve() in a process of its own, on a socket in a fresh directory; and one exchange in this one.
 */
#ifndef TRIVET_TESTS_WEB_CHILD_H
#define TRIVET_TESTS_WEB_CHILD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "support/fastcgi_client.h"
#include "web/web.h"

/* Memory that child and test share: endpoints count there. */
struct web_marks {
	atomic_int count[8];
};

struct web_child {
	pid_t pid;
	char directory[64];
	char path[96];
};

/* The app of tests: settings and nothing pooled. */
void web_child_app(struct app *app, struct config *config);

/*
 * web_child_start - forks a server of these routes and waits until it answers a connection; asserts that it does.
 *
 * requests     at once; two threads, one for one
 * inherited    a listening socket to hand over as LISTEN_FDS says, or -1: it makes its own at child->path
 */
void web_child_start(struct web_child *child, const struct route *routes, size_t route_count, int requests, int64_t io_timeout_us,
	int inherited);

/* web_child_stop - SIGTERM, waits; returns the wait status. Removes directory and socket. */
int web_child_stop(struct web_child *child);

/* web_child_wait - waits up to timeout_ms for its end; false: still there. */
bool web_child_wait(struct web_child *child, int timeout_ms, int *ret_wait_status);

/* web_child_clean - removes socket and directory. */
void web_child_clean(struct web_child *child);

/*
 * web_here - one request through exchange_run() in this very thread, over a socketpair: small requests only (the answer and
 * the request must fit into the socket's buffers). For what needs no process of its own, and for the leak checker.
 */
struct fastcgi_answer web_here(const struct route *routes, size_t route_count, const struct fastcgi_bytes *request);
/* The same from a peer that sends no more after it. */
struct fastcgi_answer web_here_cut(const struct route *routes, size_t route_count, const struct fastcgi_bytes *request);

/* The marks of a test program, all 0: set-up and tear-down of its group. Made before any child, which then shares them. */
extern struct web_marks *marks;
int web_marks_make(void **state);
int web_marks_drop(void **state);

#endif
