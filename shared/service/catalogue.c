#include "service/catalogue.h"

#include "io/app.h"
#include "service/tx.h"
#include "store/catalogue.h"

/* 256 badges and missions with long names take a tenth of it. */
#define CATALOGUE_LIMIT ((size_t)1024 * 1024)

static enum status renew(struct tx *tx, struct snapshot_slot *slot, const struct economy **ret_economy)
{
	struct arena *owner = arena_new(CATALOGUE_LIMIT);
	struct economy *economy = owner != NULL ? arena_alloc(owner, sizeof(*economy)) : NULL;
	enum status status = economy != NULL ? catalogue_read(tx, owner, economy) : TOO_LARGE;

	if (status != OK) {
		arena_free(owner);
		return status;
	}
	status = snapshot_put(slot, tx->ctx->arena, owner, economy, tx->ctx->now);
	if (status == OK) {
		*ret_economy = economy;
	}
	return status;
}

/* NULL: none that may be used, or it is this caller's turn to renew it. */
static const struct economy *known(struct ctx *ctx)
{
	return snapshot_take(ctx->app->catalogue, ctx->arena, ctx->now, CATALOGUE_FRESH_US);
}

static enum status look(struct tx *tx, void *arg)
{
	return renew(tx, tx->ctx->app->catalogue, arg);
}

enum status catalogue_look(struct ctx *ctx, const struct economy **ret_economy)
{
	const struct economy *economy = known(ctx);
	enum status status = economy != NULL ? OK : service_read(ctx, look, &economy);

	if (status == OK) {
		*ret_economy = economy;
	}
	return status;
}

enum status catalogue_get(struct tx *tx, const struct economy **ret_economy)
{
	const struct economy *economy = known(tx->ctx);
	enum status status = economy != NULL ? OK : renew(tx, tx->ctx->app->catalogue, &economy);

	if (status == OK) {
		*ret_economy = economy;
	}
	return status;
}
