/*
 * guard - one identity cannot empty the pool: at most so many requests of it are in flight in one program (decisions.md 3).
 *
 * Called by endpoint code once the identity is known and before anything pooled is taken. Commands from chats are counted by
 * command_dispatch(), in the same table of the process (app->limits).
 */
#ifndef TRIVET_WEB_GUARD_H
#define TRIVET_WEB_GUARD_H

#include "web/route.h"

/* Of one person; an API key has its own figure in its row. */
#define GUARD_LIMIT 4
#define GUARD_WAIT_US (250 * 1000)

/*
 * guard_enter - one more request of `key` in flight, until this request's arena is reset; nothing needs to be called to leave.
 *
 * key      platform and id ("telegram:42"), or a session or API key's id; any bytes
 * limit    GUARD_LIMIT, or the key's own
 * Waits up to GUARD_WAIT_US for a turn, never past the request's deadline.
 * OK, TOO_MANY (counted as METRIC_BUSY_REFUSED; HTTP says 429 with Retry-After: 1, Discord "busy, try again"), TOO_LARGE (arena).
 */
MUST_CHECK enum status guard_enter(struct route_call *call, struct str key, int limit);

#endif
