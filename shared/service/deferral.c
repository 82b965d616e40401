#include "service/deferral.h"

#include "io/app.h"
#include "service/tx.h"

struct keep_arg {
	struct str key;
	struct str payload;
	struct str sealed;
};

static enum status put(struct tx *tx, void *arg)
{
	const struct keep_arg *keep = arg;
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, keep->key);
	pg_add_bytes(&params, keep->payload);
	pg_add_bytes(&params, keep->sealed);
	pg_add_time(&params, tx->ctx->now);
	pg_add_time(&params, tx->ctx->now + DEFERRAL_LIFE_US);
	return tx_query(tx, SQL_DEFERRAL_PUT, &params, NULL);
}

enum status deferral_keep(struct ctx *ctx, const struct update *update, struct str body)
{
	struct keep_arg arg = {
		.key = str_printf(ctx->arena, "command:" STR_FMT, STR_ARG(update->key)),
		.payload = str_printf(ctx->arena, STR_FMT " " STR_FMT, STR_ARG(platform_name(update->platform)), STR_ARG(update->bot)),
		.sealed = crypto_seal(ctx->arena, ctx->app->key_seal, body),
	};

	return arena_failed(ctx->arena) ? TOO_LARGE : tx_run(ctx, put, &arg);
}

struct take_arg {
	struct deferral deferral;
	struct str sealed;
	enum status found;
};

static enum status take(struct tx *tx, void *arg)
{
	struct take_arg *taken = arg;
	struct arena *arena = tx->ctx->arena;
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_time(&params, tx->ctx->now);
	pg_add_time(&params, tx->ctx->now + DEFERRAL_TURN_US);
	status = tx_query(tx, SQL_DEFERRAL_TAKE, &params, &rows);
	taken->found = status == OK && pg_row_count(rows) == 1 ? OK : NOT_FOUND;
	if (status != OK || taken->found != OK) {
		return status;
	}
	struct str bot = pg_bytes(arena, rows, 0, 1);
	struct str platform = str_split(&bot, ' ');

	taken->deferral = (struct deferral){
		.id = pg_i64(rows, 0, 0), .bot = bot, .attempts = pg_i64(rows, 0, 3), .expires_at = pg_time(rows, 0, 4)};
	taken->sealed = pg_bytes(arena, rows, 0, 2);
	return platform_from_name(platform, &taken->deferral.platform) == OK ? OK : INTERNAL;
}

enum status deferral_take(struct ctx *ctx, struct deferral *ret_deferral)
{
	struct take_arg arg = {.found = NOT_FOUND};
	enum status status = tx_run(ctx, take, &arg);

	if (status != OK || arg.found != OK) {
		return status != OK ? status : NOT_FOUND;
	}
	status = crypto_open(ctx->arena, ctx->app->key_seal, arg.sealed, &arg.deferral.body);
	if (status == DENIED) {
		enum status dropped = deferral_drop(ctx, arg.deferral.id);

		return dropped != OK ? dropped : INVALID;
	}
	if (status == OK) {
		*ret_deferral = arg.deferral;
	}
	return status;
}

static enum status drop(struct tx *tx, void *arg)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, *(const int64_t *)arg);
	return tx_query(tx, SQL_DEFERRAL_DROP, &params, NULL);
}

enum status deferral_drop(struct ctx *ctx, int64_t id)
{
	return tx_run(ctx, drop, &id);
}
