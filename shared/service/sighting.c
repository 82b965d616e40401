#include "service/sighting.h"

#include "io/app.h"
#include "service/tx.h"

void sighting_note(struct ctx *ctx, const struct update *update)
{
	const struct person *actor = &update->actor;
	struct str platform = platform_name(actor->platform);
	struct group_commit_row row = {.columns = {
		str_printf(ctx->arena, STR_FMT ":%lld", STR_ARG(platform), (long long)actor->platform_id),
		actor->username,
		actor->name,
		actor->language_hint,
		update->bot,
		update->place == PLACE_PRIVATE ? STR("true") : STR("false"),
		str_printf(ctx->arena, "%lld", (long long)ctx->now),
	}};

	if (ctx->app->sightings != NULL && !arena_failed(ctx->arena)) {
		enum status ignored = group_commit_append(ctx->app->sightings, &row, ctx->deadline);

		(void)ignored;
	}
}

static enum status apply(struct tx *tx, void *arg)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, SIGHTING_PORTION);
	enum status status = tx_query(tx, SQL_SIGHTING_APPLY, &params, &rows);

	if (status == OK) {
		*(int64_t *)arg = pg_i64(rows, 0, 0);
	}
	return status;
}

enum status sighting_apply(struct ctx *ctx, int64_t *ret_count)
{
	int64_t count = 0;
	enum status status = tx_run(ctx, apply, &count);

	if (status == OK) {
		*ret_count = count;
	}
	return status;
}
