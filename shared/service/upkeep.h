/*
 * upkeep - what keeps the tables bounded, and the proof that the ledger still adds up (decisions.md 13; docs/LEDGER.md, "Folding").
 *
 * A step is one transaction about one partition: killed in the middle it changes nothing, and the next run begins it again. Of several
 * workers one does the step. It may work for minutes, but waits for a lock 100 ms at most at a time: who writes never waits longer for it.
 */
#ifndef TRIVET_SERVICE_UPKEEP_H
#define TRIVET_SERVICE_UPKEEP_H

#include "store/tx.h"

/* The longest step: a day of the ledger at fifty million events. */
#define UPKEEP_BUDGET_US (10 * MINUTE_US)

/*
 * upkeep_step - the oldest thing that one of the upkeep_ statements finds due by ctx->now.
 *
 * ret_done   the partition it was done to; absent: nothing is due, or another worker is at it
 * Statuses of tx_run(); UNAVAILABLE also when a table was never free.
 */
MUST_CHECK enum status upkeep_step(struct ctx *ctx, enum sql statement, struct str *ret_done);

/* What a proof found. Rows are of the statements ledger_differences and ledger_seal_differences, in ctx->arena. */
struct upkeep_proof {
	int64_t accounts;
	struct pg_rows *differences; /* account, xp, coins, what its rows say of both, what is wrong */
	struct pg_rows *days;        /* sealed days that are not as they were sealed; NULL when not looked at */
	int64_t sealed_days;
	struct str sealed_until; /* the last sealed day; absent: none */
};

/*
 * upkeep_prove - adds up the ledger: checkpoints and open rows against balances; unless `quick` also every sealed day against its seal, and
 * the checkpoints against their rows.
 *
 * limit   of rows in each list
 * Statuses of tx_run(). The deadline must leave time: a whole ledger is read.
 */
MUST_CHECK enum status upkeep_prove(struct ctx *ctx, bool quick, int64_t limit, struct upkeep_proof *ret_proof);

#endif
