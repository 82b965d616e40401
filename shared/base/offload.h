/*
 * offload - helper threads that do for fibers what would block: a look-up of a host's name, a transfer of libcurl's, a slow peer.
 *
 * Helpers are started when they are needed and stay. When all are busy a caller waits for one without a deadline. So there are two sets:
 * work that may itself wait for a helper (a whole request) never runs on the set that it waits for (fiber_helpers()).
 */
#ifndef TRIVET_BASE_OFFLOAD_H
#define TRIVET_BASE_OFFLOAD_H

#include <stddef.h>

struct helpers;

/*
 * helpers_new - at most `count` threads, at least 1, with stacks of so many bytes.
 *
 * Their signals are those that are blocked in the thread that needed it first. Returns NULL when the system has no memory.
 */
struct helpers *helpers_new(size_t count, size_t stack_bytes);

/* helpers_free - nobody may wait for one (asserted); ends the threads. helpers_free(NULL) is fine. */
void helpers_free(struct helpers *helpers);

/*
 * offload - runs fn(arg) on a helper's thread while the calling fiber is aside; returns when it is done.
 *
 * On a thread without fibers, without helpers (NULL), and when not even one thread can be started, it runs where it was called.
 */
void offload(struct helpers *helpers, void (*fn)(void *arg), void *arg);

#endif
