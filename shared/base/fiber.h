/*
 * fiber - many requests on few threads: each runs on a stack of its own and is put aside where it would wait.
 *
 * With a thread for each request every wait costs a sleep and a wake-up, which is half of what a short request costs at all, and those
 * that compute interrupt each other. A fiber that waits costs a change of stacks; the others of its thread go on meanwhile, and what they
 * ask for comes together (io/gather).
 *
 * Code does not know what it runs in: fiber_wait_fd() and batons (base/baton.h) put a fiber aside and let a thread sleep; offload()
 * (base/offload.h) is for what would block without them.
 *
 * Invariants
 * - A fiber stays on the thread of its loop, and nothing but the calls named here puts it aside.
 * - No mutex is held over a call that may put a fiber aside: another fiber of its thread that wants it would never let it go on.
 * - What a thread keeps for itself (_Thread_local) and lives over such a call is fiber_own(): each fiber has its own.
 *
 * Life cycle: fiber_loop_new(), fiber_start() for the first fibers, fiber_loop_run() on the thread that is to be theirs, fiber_loop_free().
 */
#ifndef TRIVET_BASE_FIBER_H
#define TRIVET_BASE_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/status.h"

struct fiber;
struct fiber_loop;
struct helpers;

/* ---- waiting; on any thread ---- */

/*
 * fiber_wait_fd - until a descriptor can be read or written.
 *
 * events      poll(2)'s POLLIN, POLLOUT
 * until       monotonic us
 * ret_ready   what it can do; POLLERR and POLLHUP too: the next read or write tells
 * OK, TIMED_OUT.
 */
MUST_CHECK enum status fiber_wait_fd(int fd, short events, int64_t until, short *ret_ready);

/* fiber_sleep - until then (monotonic us). */
void fiber_sleep(int64_t until);

/* fiber_yield - lets all others of this thread go first that can; a thread without fibers goes on at once. */
void fiber_yield(void);

/* What code keeps for whoever runs it; NULL at first. The slots are named here so that they are counted when built. */
enum fiber_slot {
	FIBER_SLOT_PG = 0, /* io/pg: whether a connection is held */
	FIBER_SLOT_JSON,   /* io/json: the arena that jansson's memory comes from */
	FIBER_SLOT_COUNT
};

/* fiber_own - the slot of the fiber that runs, or of the thread when it runs none. */
void **fiber_own(enum fiber_slot slot);

/*
 * fiber_helpers - for what waits for nobody of this program: names that are looked up, transfers. Of the loop whose fiber runs; NULL when
 * it has none, and on a thread without.
 */
struct helpers *fiber_helpers(void);

/* fiber_loop_number - of the loop whose fiber runs; 0 on a thread without. */
size_t fiber_loop_number(void);

/* ---- loops ---- */

/*
 * fiber_loop_new - stack_bytes of each fiber: of its own use and all it calls; a page that nobody may touch lies below.
 *
 * number    which of the program's loops it is, from 0
 * helpers   what fiber_helpers() answers; NULL: what they are needed for blocks the loop
 * Returns NULL when the system has no descriptors or memory.
 */
struct fiber_loop *fiber_loop_new(size_t number, size_t stack_bytes, struct helpers *helpers);

/* fiber_loop_free - no fiber may live (asserted). fiber_loop_free(NULL) is fine. */
void fiber_loop_free(struct fiber_loop *loop);

/*
 * fiber_start - a fiber that will run fn(arg), and ends with it.
 *
 * From the loop's thread, or before it runs. OK, UNAVAILABLE (no memory).
 */
MUST_CHECK enum status fiber_start(struct fiber_loop *loop, void (*fn)(void *arg), void *arg);

/* fiber_loop_run - until all fibers have ended. */
void fiber_loop_run(struct fiber_loop *loop);

/* Somebody to be told whenever there is something new to read; lives in the caller's storage, until its descriptor is closed. */
struct fiber_watch {
	void (*ready)(struct fiber_watch *watch); /* on the loop's thread, in no fiber: it must not wait */
};

/*
 * fiber_watch - from the loop's thread. What lies there already counts as new; so does the end of the stream. Until the descriptor is
 * closed nobody of this loop waits for it by fiber_wait_fd().
 *
 * OK, UNAVAILABLE (no memory).
 */
MUST_CHECK enum status fiber_watch(struct fiber_loop *loop, struct fiber_watch *watch, int fd);

/* ---- for base/baton and base/offload ---- */

enum fiber_wake {
	FIBER_RESUMED = 0, /* by fiber_resume() */
	FIBER_READY,       /* the descriptor */
	FIBER_EXPIRED
};

/* fiber_current - the fiber that calls; NULL on a thread without. */
struct fiber *fiber_current(void);

/*
 * fiber_park - puts the calling fiber aside until one of these happens.
 *
 * fd   -1: none; else as fiber_wait_fd(), and *ret_ready is set on FIBER_READY only
 */
enum fiber_wake fiber_park(int fd, short events, int64_t until, short *ret_ready);

/* fiber_resume - ends the present or the next fiber_park() of a fiber, once; from any thread. */
void fiber_resume(struct fiber *fiber);

#endif
