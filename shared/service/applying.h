/*
 * applying - the worker's use case: what was accepted becomes balances, ledger rows and archive (decisions.md 14, 15).
 *
 * One call is one transaction over a lane's oldest events, in their order. Any number of threads and processes may call it at once: a
 * lane is in one hand at a time, and accounts are locked. An event that makes its batch fail is found by halving; its failed attempts are
 * counted, and after five it is set aside (trivet outbox) so that its lane goes on.
 */
#ifndef TRIVET_SERVICE_APPLYING_H
#define TRIVET_SERVICE_APPLYING_H

#include "store/tx.h"

/* Events of one transaction. */
#define APPLYING_BATCH 500

/* What one thread remembers from turn to turn; starts as {0}. */
struct applier {
	size_t limit;      /* of the next batch; 0: APPLYING_BATCH */
	int64_t lane;      /* while limit is set: where the batch failed */
	int64_t poisoned;  /* the event that failed alone; 0: none */
	struct str reason; /* why, a constant */
};

struct applied {
	size_t count;      /* events that left the queue */
	size_t rejected;   /* of them: changed nothing */
	int64_t set_aside; /* the event that failed for the last time; 0: none */
};

/*
 * applying_turn - applies one batch, or counts the attempt of an event that failed alone.
 *
 * OK            there may be more to do at once
 * NOT_FOUND     nothing to do now
 * INVALID, CONFLICT, INTERNAL, TOO_LARGE   a batch failed because of what is in it: call again, the applier knows how to go on
 * UNAVAILABLE, TIMED_OUT   the database is away or busy: call again later; an outcome that is not known shows itself then
 */
MUST_CHECK enum status applying_turn(struct ctx *ctx, struct applier *applier, struct applied *ret_applied);

/* applying_lag - the age of the oldest waiting event, microseconds (0: none waits), and how many stand aside. */
MUST_CHECK enum status applying_lag(struct ctx *ctx, int64_t *ret_lag, int64_t *ret_aside);

#endif
