/* The duty that runs commands which were deferred, and answers them. */
#include "base/log.h"
#include "command/command.h"
#include "io/http_client.h"
#include "io/json.h"
#include "platform/platform.h"
#include "service/deferral.h"
#include "service/notify.h"
#include "service/tx.h"
#include "worker.h"

#define COMMAND_BUDGET_US (20 * SECOND_US)
#define IDLE_US (100 * 1000)
#define AWAY_US (500 * 1000)

/* One deferred command in work. */
struct deferred {
	struct ctx *ctx;
	const struct deferral *deferral;
	struct update update;
	struct reply *reply;
};

/* Discord: the answer "is thinking" is edited. Whether it arrived decides whether it is done. */
static bool edit(struct deferred *work)
{
	struct ctx *ctx = work->ctx;
	struct http_request request = {0};
	struct http_response response = {0};
	struct outgoing outgoing = {
		.config = ctx->app->config, .bot = work->update.bot, .recipient = work->update.actor.platform_id, .channel_id = 1};

	if (discord_edit(ctx->arena, ctx->app->config, &work->update, ctx->language, work->reply, &request) != OK ||
	    http_call(ctx->arena, &request, &response) != OK) {
		return true; /* cannot be said at all: no later try would say it */
	}
	enum delivery delivery = discord_ops.send_result(ctx->arena, &outgoing, &response).delivery;

	return delivery == DELIVERY_SENT || delivery == DELIVERY_PERMANENT || delivery == DELIVERY_UNREACHABLE;
}

static enum status add_notice(struct tx *tx, void *arg)
{
	const struct deferred *work = arg;

	return notify_add(tx, &(struct notice){
		.platform = PLATFORM_TELEGRAM, .bot = work->update.bot, .recipient = work->update.chat_id, .topic = STR("command"),
		.reply = work->reply, .urgent = true, .expires_at = work->deferral->expires_at});
}

/* Telegram has nothing to edit: the answer is a message, by the outbox. A repeated turn may send it twice; nothing else is done twice. */
static bool answer(struct deferred *work)
{
	if (work->reply == NULL || work->reply->silent) {
		return true;
	}
	return work->update.platform == PLATFORM_DISCORD ? edit(work) : tx_run(work->ctx, add_notice, work) == OK;
}

static const struct platform_ops *ops_of(enum platform platform)
{
	return platform == PLATFORM_DISCORD ? &discord_ops : &telegram_ops;
}

/* Whether it is over, one way or the other. */
static bool run_one(struct ctx *ctx, const struct deferral *deferral)
{
	struct deferred work = {.ctx = ctx, .deferral = deferral};
	bool last = deferral->attempts >= DEFERRAL_ATTEMPTS;

	if (deferral->expires_at <= ctx->now ||
	    ops_of(deferral->platform)->read(ctx->arena, ctx->app->config, deferral->bot, deferral->body, &work.update) != OK) {
		return true;
	}
	enum status status = command_dispatch(ctx, &work.update, &work.reply);

	if (status != OK) {
		log_message(LOG_WARNING, "deferred_failed", "%s, attempt %lld", status_name(status), (long long)deferral->attempts);
		work.reply = last ? command_trouble(ctx, status) : NULL;
	}
	return (status == OK || last) && (answer(&work) || last);
}

void run_deferred(struct worker *worker)
{
	struct arena *arena = arena_new(WORKER_ARENA_LIMIT);

	if (arena == NULL) {
		log_message(LOG_ERROR, "deferred", "no memory");
		return;
	}
	json_bind_arena(arena);
	while (!atomic_load(&worker->stopping)) {
		struct ctx ctx = worker_ctx(worker, arena, COMMAND_BUDGET_US);
		struct deferral deferral = {0};
		enum status status = deferral_take(&ctx, &deferral);

		if (status == OK && run_one(&ctx, &deferral)) {
			status = deferral_drop(&ctx, deferral.id);
		}
		if (status != OK) {
			worker_sleep(worker, status == NOT_FOUND ? IDLE_US : AWAY_US);
		}
	}
	json_bind_arena(NULL);
	arena_free(arena);
}
