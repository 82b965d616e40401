/*
 * delivery - the use cases of the worker that sends the outbox (decisions.md 21); one transaction each.
 *
 * One process owns a (platform, bot) by a lease; only the owner claims rows, and only under a lease that lives does it write what
 * became of them. So of two workers one sends, and a row is never lost: what was in work when its owner died is sent once more.
 */
#ifndef TRIVET_SERVICE_DELIVERY_H
#define TRIVET_SERVICE_DELIVERY_H

#include "core/reply.h"
#include "store/queue.h"

/* A lease's life and how often it is renewed, real time. A dead owner is followed after the first at the latest. */
#define DELIVERY_LEASE_US (5 * SECOND_US)
#define DELIVERY_RENEW_US (SECOND_US + SECOND_US / 2)

/* Who asks, for which platform. */
struct delivery_owner {
	enum platform platform;
	struct str uuid;  /* of this process */
	int64_t wall_now; /* real time, microseconds UTC */
};

/* delivery_lease - takes or renews; ret_held[i] answers for bots[i] (at most QUEUE_BOTS_MAX). Statuses of tx_run(). */
MUST_CHECK enum status delivery_lease(struct ctx *ctx, const struct delivery_owner *owner, const struct str *bots, size_t count,
                                      bool *ret_held);

/* delivery_release - gives all leases of this owner back, so that another may go on at once. */
MUST_CHECK enum status delivery_release(struct ctx *ctx, const struct delivery_owner *owner);

/*
 * delivery_recover - rows of `bot` that are marked as in work but are not in `ours`.
 *
 * as     OUTBOX_UNCERTAIN after a takeover: their owner died, they may have been sent; OUTBOX_PENDING after a claim of our own whose commit
 *        was not heard of: no call was made for them
 */
MUST_CHECK enum status delivery_recover(struct ctx *ctx, const struct delivery_owner *owner, struct str bot, enum outbox_status as,
                                        const int64_t *ours, size_t count, int64_t *ret_count);

/*
 * delivery_claim - rows to be sent now, marked and committed; they live in ctx->arena. The wish's owner, platform and time are set here.
 *
 * ret_more   there may be more at once: rows were set behind others of their recipients, and what is due after them was not seen yet
 */
MUST_CHECK enum status delivery_claim(struct ctx *ctx, const struct delivery_owner *owner, struct outbox_wish *wish,
                                      struct outbox_row **ret_rows, size_t *ret_count, bool *ret_more);

/* What a call taught beside the row's own outcome. */
struct delivery_lesson {
	struct str bot;
	int64_t recipient;
	bool unreachable;   /* the person blocked us */
	int64_t channel_id; /* Discord: his direct channel; 0: nothing new */
	int64_t moved_to;   /* Telegram: the chat's new id; 0: it did not move */
};

/* delivery_settle - outcomes and lessons of a turn in one transaction. */
MUST_CHECK enum status delivery_settle(struct ctx *ctx, const struct delivery_owner *owner, const struct outbox_outcome *outcomes,
                                       size_t count, const struct delivery_lesson *lessons, size_t lesson_count);

/*
 * delivery_sweep - drops and wipes what expired (an index tells); deep: also looks through all that waits, gives up what outlived its
 * patience and counts the rest into the metrics.
 */
MUST_CHECK enum status delivery_sweep(struct ctx *ctx, bool deep);

/* delivery_reply - a row's reply with its secrets, in ctx->arena. OK, INVALID (not readable), TOO_LARGE. */
MUST_CHECK enum status delivery_reply(struct ctx *ctx, const struct outbox_row *row, struct reply **ret_reply);

/* What one cleaning transaction takes at most; more follows in the next, so that locks stay short. */
#define DELIVERY_CLEAN_PORTION 10000

/*
 * delivery_clean - one portion of a cleaning job, under its own lock: while another worker runs it this one does nothing.
 *
 * ret_count is how many rows went; below DELIVERY_CLEAN_PORTION nothing is left.
 */
MUST_CHECK enum status delivery_clean(struct ctx *ctx, struct str name, enum sql statement, int64_t *ret_count);

#endif
