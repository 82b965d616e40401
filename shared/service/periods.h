/*
 * periods - which day, week and season an account's sums count for now.
 */
#ifndef TRIVET_SERVICE_PERIODS_H
#define TRIVET_SERVICE_PERIODS_H

#include "core/economy.h"
#include "store/tx.h"

/*
 * periods_running - step: those of tx->ctx->now; but the season is never one whose close has begun, however late this transaction is.
 *
 * No close begins until this transaction has ended, so what it counts is seen by the close. To be asked for before sums are written, with
 * the accounts locked. Statuses of pg_run().
 */
MUST_CHECK enum status periods_running(struct tx *tx, const struct economy *economy, struct periods *ret_running);

/* periods_begin - step: brings locked balances that somebody is about to join or part to the running periods, as posting would. */
MUST_CHECK enum status periods_begin(struct tx *tx, struct balance *const *balances, size_t count);

#endif
