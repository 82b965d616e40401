/*
 * aside - authentic updates that nobody could read: kept, so that they can be looked at, and acknowledged, because a platform that is
 * refused blocks that chat's queue for a day (decisions.md 26).
 */
#ifndef TRIVET_SERVICE_ASIDE_H
#define TRIVET_SERVICE_ASIDE_H

#include "core/platform_id.h"
#include "store/tx.h"

#define ASIDE_HEAD_MAX 4096 /* bytes that are kept of each */

struct aside {
	enum platform platform;
	struct str bot;
	const char *reason; /* "unreadable", "too large", "failed" */
	struct str body;    /* what was read of it */
	uint64_t size;      /* of the whole */
};

/* aside_keep - use case. Statuses of tx_run(). */
MUST_CHECK enum status aside_keep(struct ctx *ctx, const struct aside *aside);

#endif
