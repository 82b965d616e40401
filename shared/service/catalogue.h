/*
 * catalogue - the economy's numbers, shared by the threads of a process and read anew every few seconds.
 */
#ifndef TRIVET_SERVICE_CATALOGUE_H
#define TRIVET_SERVICE_CATALOGUE_H

#include "core/economy.h"
#include "store/tx.h"

/* How long a change by staff may take to be seen everywhere. */
#define CATALOGUE_FRESH_US (10 * SECOND_US)

/*
 * catalogue_get - step: the catalogue, valid until ctx->arena is reset.
 *
 * Whoever changes the catalogue must not call this in the same transaction: others would see what may be rolled back.
 * OK, TOO_LARGE, INTERNAL (the tables lack what every installation has), statuses of pg_run().
 */
MUST_CHECK enum status catalogue_get(struct tx *tx, const struct economy **ret_economy);

/* catalogue_look - use case: the same outside a transaction. Statuses of catalogue_get() and service_read(). */
MUST_CHECK enum status catalogue_look(struct ctx *ctx, const struct economy **ret_economy);

#endif
