/*
 * listen - the listening socket of a program: inherited from systemd (or the development supervisor), or made at a path.
 *
 * The protocol of sd_listen_fds(3) is spoken by hand: it is two environment variables and descriptor 3, and libsystemd
 * would load its compression libraries into every program for them.
 *
 * Every listener that is handed out is a listening unix stream socket, non-blocking, close-on-exec.
 */
#ifndef TRIVET_WEB_LISTEN_H
#define TRIVET_WEB_LISTEN_H

#include "base/status.h"
#include "base/str.h"

/* Connections that wait while a program starts again; systemd's units name the same figure. */
#define LISTEN_BACKLOG 1024

/*
 * listen_inherited - the socket that LISTEN_PID and LISTEN_FDS announce; takes both out of the environment.
 *
 * Call it before there are threads. The descriptor is the caller's; it must never be shut down (shutdown(2) would reach the
 * parent's copy too), only closed.
 * OK, NOT_FOUND (nothing announced, or to another process), INVALID (not exactly one, or not a listening unix stream socket).
 */
MUST_CHECK enum status listen_inherited(int *ret_fd);

/*
 * listen_path - makes a socket of mode 0660 at `path`, never wider, not even for a moment; replaces a dead one.
 *
 * Call it before there are threads (it sets the umask for a moment).
 * OK, INVALID (too long for a socket, has a NUL, or something that is no socket is there), CONFLICT (another process answers
 * there), UNAVAILABLE (the system refused).
 */
MUST_CHECK enum status listen_path(struct str path, int *ret_fd);

#endif
