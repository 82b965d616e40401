/*
 * sighting - that a person was seen, and how the platform shows him now, when all he did was read (decisions.md 7).
 *
 * A command that only reads writes nothing to identity. When the name changed, or he was last seen more than an hour ago, it notes that in
 * identity_seen through group commit; the worker works it in, hundreds at a time.
 */
#ifndef TRIVET_SERVICE_SIGHTING_H
#define TRIVET_SERVICE_SIGHTING_H

#include "core/update.h"
#include "store/tx.h"

/* Columns of SQL_SIGHTING_APPEND, for app_options. */
#define SIGHTING_COLUMNS 7
/* People of one turn of the worker. */
#define SIGHTING_PORTION 500

/*
 * sighting_note - durable when it returns; a failure loses nothing that the next sight would not bring again, so it is told to nobody.
 */
void sighting_note(struct ctx *ctx, const struct update *update);

/* sighting_apply - the worker's turn. ret_count: how many; SIGHTING_PORTION: there may be more. Statuses of tx_run(). */
MUST_CHECK enum status sighting_apply(struct ctx *ctx, int64_t *ret_count);

#endif
