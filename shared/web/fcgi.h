/*
 * fcgi - one FastCGI request on one accepted connection; the only file that knows libfcgi 2.4.2.
 *
 * Invariants
 * - Bytes that follow a request are never taken for another one (pitfalls.md 0.1). A connection is kept for the next request only when the
 *   peer asks for it (FCGI_KEEP_CONN), its request lay there whole by the lengths of its records with nothing behind it, its body was
 *   wanted and read to its end, and the answer got out whole. Else it is closed.
 * - The connection is accepted by us and handed to libfcgi, which never calls accept(2): so the descriptor is close-on-exec
 *   and is non-blocking or has its timeouts before libfcgi reads the first byte (it has none of its own), EMFILE and its like are
 *   seen by our loop, and libfcgi's wait of up to 2 s for a first byte does not happen.
 * - Request bodies that were read to their end are closed without libfcgi's shutdown-and-wait; others are drained first, up to
 *   a bound, so that nginx gets to read the answer.
 *
 * Life cycle: fcgi_setup() once per process before threads; fcgi_new() for each that are served at once, then fcgi_begin() ..
 * fcgi_end() for each connection, fcgi_free().
 */
#ifndef TRIVET_WEB_FCGI_H
#define TRIVET_WEB_FCGI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

struct fcgi;

/* What fcgi_end() reads and throws away of a body that nobody wanted: nginx's largest body and a little. */
#define FCGI_DRAIN_MAX ((size_t)9 * 1024 * 1024)

/*
 * fcgi_setup - FCGX_Init, and then our signal dispositions: libfcgi replaces those of SIGPIPE, SIGTERM and SIGUSR1, an ignored
 * one too. SIGPIPE, SIGUSR1, SIGUSR2 and SIGHUP are ignored afterwards, SIGTERM and SIGINT have their defaults.
 *
 * OK, UNAVAILABLE.
 */
MUST_CHECK enum status fcgi_setup(void);

/* fcgi_new - what one request needs, after another; NULL when there is no memory. Give it to fcgi_free() (NULL is fine). */
struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *fcgi);

/* A request that is longer is not looked at whole; and so much of an answer fits into the socket's buffer. */
#define FCGI_WHOLE_MAX ((size_t)16 * 1024)
#define FCGI_ANSWER_MAX ((size_t)64 * 1024)

/*
 * fcgi_await - waits for the first bytes and says whether the whole request lies there, so that reading it blocks nobody; it is not read
 * yet.
 *
 * fd      an accepted stream socket, non-blocking
 * until   monotonic us, for its first bytes; 0: they are not waited for
 * OK, TOO_LARGE (there is more to come, or more or less than one plain request: reading it may have to wait), NOT_FOUND (nothing came yet),
 * INVALID (closed or broken). The descriptor stays the caller's.
 */
MUST_CHECK enum status fcgi_await(int fd, int64_t until);

/* fcgi_set_blocking - each single read and write of the connection may wait so long. OK, UNAVAILABLE. */
MUST_CHECK enum status fcgi_set_blocking(int fd, int64_t timeout_us);

/*
 * fcgi_begin - reads the request's beginning and parameters from a connection.
 *
 * fd      an accepted stream socket; it is taken, on failure too
 * whole   fcgi_await() said OK of it; else it is a blocking one (fcgi_set_blocking())
 * OK (then call fcgi_end()), INVALID (closed, silent or broken before the parameters' end, or not a responder's request).
 */
MUST_CHECK enum status fcgi_begin(struct fcgi *fcgi, int fd, bool whole);

/* fcgi_fd - the connection, until fcgi_end(). */
int fcgi_fd(const struct fcgi *fcgi);

/* fcgi_params - "NAME=value" strings, NULL at the end, in the order sent, doubles included; borrowed until fcgi_end(). */
char *const *fcgi_params(const struct fcgi *fcgi);

/*
 * fcgi_read - up to `size` bytes of the body; fewer mean its end.
 *
 * OK, INVALID (the stream broke or timed out before its end mark: what was read is not the whole body).
 */
MUST_CHECK enum status fcgi_read(struct fcgi *fcgi, char *buffer, size_t size, size_t *ret_len);

/* fcgi_write - a part of the answer. OK, UNAVAILABLE (the peer is gone or does not read). */
MUST_CHECK enum status fcgi_write(struct fcgi *fcgi, struct str bytes);

/*
 * fcgi_end - sends what is buffered, drains what was not read, closes.
 *
 * ret_kept   whether it was not closed and is the caller's again, at a request's border; NULL: it is always closed. Only for a request that
 *            fcgi_await() said OK of.
 * OK, UNAVAILABLE (the answer did not get out).
 */
MUST_CHECK enum status fcgi_end(struct fcgi *fcgi, bool *ret_kept);

#endif
