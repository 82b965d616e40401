#include "service/delivery.h"

#include "base/metric.h"
#include "service/sealed.h"
#include "service/tx.h"

struct lease_call {
	const struct delivery_owner *owner;
	const struct str *bots;
	size_t count;
	bool *held;
};

static enum status lease_step(struct tx *tx, void *arg)
{
	struct lease_call *call = arg;
	const struct delivery_owner *owner = call->owner;
	return lease_take(tx, owner->platform, call->bots, call->count, owner->uuid, owner->wall_now, owner->wall_now + DELIVERY_LEASE_US,
	                  call->held);
}

enum status delivery_lease(struct ctx *ctx, const struct delivery_owner *owner, const struct str *bots, size_t count, bool *ret_held)
{
	bool held[QUEUE_BOTS_MAX] = {false};
	struct lease_call call = {owner, bots, count, held};
	enum status status = tx_run(ctx, lease_step, &call);
	for (size_t i = 0; i < count && status == OK; i++) {
		ret_held[i] = held[i];
	}
	return status;
}

static enum status release_step(struct tx *tx, void *arg)
{
	const struct delivery_owner *owner = arg;
	return lease_release(tx, owner->platform, owner->uuid);
}

enum status delivery_release(struct ctx *ctx, const struct delivery_owner *owner)
{
	struct delivery_owner copy = *owner;
	return tx_run(ctx, release_step, &copy);
}

struct recover_call {
	const struct delivery_owner *owner;
	struct str bot;
	enum outbox_status as;
	const int64_t *ours;
	size_t count;
	int64_t recovered;
};

static enum status recover_step(struct tx *tx, void *arg)
{
	struct recover_call *call = arg;
	return outbox_recover(tx, call->owner->platform, call->bot, call->as, call->ours, call->count, &call->recovered);
}

enum status delivery_recover(struct ctx *ctx, const struct delivery_owner *owner, struct str bot, enum outbox_status as,
                             const int64_t *ours, size_t count, int64_t *ret_count)
{
	struct recover_call call = {owner, bot, as, ours, count, 0};
	enum status status = tx_run(ctx, recover_step, &call);
	if (status == OK) {
		*ret_count = call.recovered;
	}
	return status;
}

struct claim_call {
	const struct outbox_wish *wish;
	struct outbox_row *rows;
	size_t count;
	int64_t parked;
};

static enum status claim_step(struct tx *tx, void *arg)
{
	struct claim_call *call = arg;
	return outbox_claim(tx, call->wish, &call->rows, &call->count, &call->parked);
}

enum status delivery_claim(struct ctx *ctx, const struct delivery_owner *owner, struct outbox_wish *wish, struct outbox_row **ret_rows,
                           size_t *ret_count, bool *ret_more)
{
	wish->platform = owner->platform;
	wish->owner = owner->uuid;
	wish->wall_now = owner->wall_now;
	struct claim_call call = {wish, NULL, 0, 0};
	enum status status = tx_run(ctx, claim_step, &call);
	if (status == OK) {
		*ret_rows = call.rows;
		*ret_count = call.count;
		*ret_more = call.parked > 0;
	}
	return status;
}

struct settle_call {
	const struct delivery_owner *owner;
	const struct outbox_outcome *outcomes;
	size_t count;
	const struct delivery_lesson *lessons;
	size_t lesson_count;
};

static enum status learn(struct tx *tx, enum platform platform, const struct delivery_lesson *lesson)
{
	enum status status = OK;
	if (lesson->unreachable || lesson->channel_id != 0) {
		bool reachable = !lesson->unreachable;
		status = reach_set(tx, platform, lesson->recipient, lesson->bot, lesson->unreachable ? &reachable : NULL,
		                   lesson->channel_id);
	}
	if (status == OK && lesson->moved_to != 0) {
		status = outbox_move(tx, platform, lesson->bot, lesson->recipient, lesson->moved_to);
	}
	return status;
}

/* After a row is done, and after a chat has moved, the next of its recipient comes into sight. */
static enum status bring_ahead(struct tx *tx, const struct settle_call *call)
{
	struct str *bots = arena_array(tx->ctx->arena, call->count, sizeof *bots);
	int64_t *recipients = arena_array(tx->ctx->arena, call->count, sizeof *recipients);
	if (bots == NULL || recipients == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < call->count; i++) {
		bots[i] = call->outcomes[i].bot;
		recipients[i] = call->outcomes[i].recipient;
	}
	return outbox_ahead(tx, call->owner->platform, bots, recipients, call->count);
}

static enum status settle_step(struct tx *tx, void *arg)
{
	struct settle_call *call = arg;
	enum status status = outbox_settle(tx, call->outcomes, call->count, call->owner->uuid, call->owner->wall_now);
	for (size_t i = 0; i < call->lesson_count && status == OK; i++) {
		status = learn(tx, call->owner->platform, &call->lessons[i]);
	}
	return status == OK ? bring_ahead(tx, call) : status;
}

enum status delivery_settle(struct ctx *ctx, const struct delivery_owner *owner, const struct outbox_outcome *outcomes, size_t count,
                            const struct delivery_lesson *lessons, size_t lesson_count)
{
	struct settle_call call = {owner, outcomes, count, lessons, lesson_count};
	return tx_run(ctx, settle_step, &call);
}

static enum status expire_step(struct tx *tx, void *arg)
{
	int64_t expired = 0;
	(void)arg;
	enum status status = outbox_expire(tx, &expired);
	return status == OK && expired > 0 ? outbox_ahead_all(tx) : status;
}

static enum status deep_step(struct tx *tx, void *arg)
{
	enum status status = expire_step(tx, NULL);
	if (status == OK) {
		status = outbox_give_up(tx);
	}
	if (status == OK) {
		status = outbox_ahead_all(tx);
	}
	return status == OK ? outbox_waiting(tx, arg) : status;
}

enum status delivery_sweep(struct ctx *ctx, bool deep)
{
	int64_t waiting = 0;
	enum status status = tx_run(ctx, deep ? deep_step : expire_step, &waiting);
	if (status == OK && deep) {
		metric_set(METRIC_OUTBOX_PENDING, waiting);
	}
	return status;
}

enum status delivery_reply(struct ctx *ctx, const struct outbox_row *row, struct reply **ret_reply)
{
	struct reply *reply;
	enum status status = reply_decode(ctx->arena, row->body, &reply);
	if (status == OK) {
		status = sealed_open(ctx, row->sealed, reply);
	}
	if (status == OK) {
		*ret_reply = reply;
	}
	return status;
}

struct clean_call {
	struct str name;
	enum sql statement;
	int64_t count;
};

static enum status clean_step(struct tx *tx, void *arg)
{
	struct clean_call *call = arg;
	bool ours = false;
	call->count = 0;
	enum status status = queue_job_lock(tx, call->name, &ours);
	return status == OK && ours ? queue_clean(tx, call->statement, &call->count) : status;
}

enum status delivery_clean(struct ctx *ctx, struct str name, enum sql statement, int64_t *ret_count)
{
	struct clean_call call = {name, statement, 0};
	enum status status = tx_run(ctx, clean_step, &call);
	if (status == OK) {
		*ret_count = call.count;
	}
	return status;
}
