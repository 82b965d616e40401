/*
 * deferral - a command that would outlast the platform's patience: kept, acknowledged, run by the worker (decisions.md 4).
 *
 * Whether one is deferred is a column of its row, decided before anything runs. What is kept is the platform's own body, sealed, since it
 * holds the token that answers it. Running it twice is harmless: a command with an effect happens once under its update's key.
 */
#ifndef TRIVET_SERVICE_DEFERRAL_H
#define TRIVET_SERVICE_DEFERRAL_H

#include "core/update.h"
#include "store/tx.h"

/* Discord's token ends 15 min after the interaction; Telegram gets a message of its own. */
#define DEFERRAL_LIFE_US (15 * MINUTE_US)
/* A worker that died in the middle is followed by another after so long. */
#define DEFERRAL_TURN_US (30 * SECOND_US)
#define DEFERRAL_ATTEMPTS 5

struct deferral {
	int64_t id;
	enum platform platform;
	struct str bot;
	struct str body;  /* as the platform sent it */
	int64_t attempts; /* this one included; after DEFERRAL_ATTEMPTS nobody takes it again */
	int64_t expires_at;
};

/* deferral_keep - use case: kept once per update, however often it comes. Statuses of tx_run(). */
MUST_CHECK enum status deferral_keep(struct ctx *ctx, const struct update *update, struct str body);

/*
 * deferral_take - use case: the oldest that is due is this caller's for DEFERRAL_TURN_US.
 *
 * OK, NOT_FOUND (none), INVALID (it cannot be opened: another key; it is dropped), statuses of tx_run().
 */
MUST_CHECK enum status deferral_take(struct ctx *ctx, struct deferral *ret_deferral);

/* deferral_drop - use case: it was answered, or nobody can be answered any more. */
MUST_CHECK enum status deferral_drop(struct ctx *ctx, int64_t id);

#endif
