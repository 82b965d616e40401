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

/* What waits, and how fast more comes. */
struct applying_load {
	int64_t at;       /* when it was looked at, monotonic; 0: never */
	int64_t lag;      /* the age of the oldest waiting event, microseconds; 0: none waits */
	int64_t aside;    /* events that failed for the last time */
	int64_t accepted; /* ever */
	bool yields;      /* accepting goes first: see applying_rest() */
};

/* applying_look - looks anew; *load is what was seen the last time, or {0}. Statuses of tx_run(). */
MUST_CHECK enum status applying_look(struct ctx *ctx, struct applying_load *load);

/*
 * Events a second up to which they are applied at once: a fifth above what is promised (within 1 s at 5,000). When more are accepted that
 * goes first, and applying takes but a small part of the machine, until fewer come or the oldest has waited so long.
 */
#define APPLYING_AT_ONCE 6000
#define APPLYING_PATIENCE_US (10 * SECOND_US)

/* applying_yields - whether accepting goes first, `now` compared with what was seen `before`. Pure. */
bool applying_yields(const struct applying_load *before, const struct applying_load *now);

/* applying_rest - how long to rest after a batch that took so long, microseconds: 0 unless accepting goes first. Pure. */
int64_t applying_rest(const struct applying_load *load, int64_t took);

#endif
