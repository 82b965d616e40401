#include "service/aside.h"

#include "base/metric.h"
#include "service/tx.h"

static enum status insert(struct tx *tx, void *arg)
{
	const struct aside *aside = arg;
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, platform_name(aside->platform));
	pg_add_str(&params, aside->bot);
	pg_add_time(&params, tx->ctx->now);
	pg_add_str(&params, str_from_z(aside->reason));
	pg_add_i64(&params, (int64_t)aside->size);
	pg_add_bytes(&params, str_cut(aside->body, 0, ASIDE_HEAD_MAX));
	return tx_query(tx, SQL_ASIDE_INSERT, &params, NULL);
}

enum status aside_keep(struct ctx *ctx, const struct aside *aside)
{
	struct aside copy = *aside;
	enum status status = tx_run(ctx, insert, &copy);

	if (status == OK) {
		metric_add(METRIC_UPDATE_SET_ASIDE, 1);
	}
	return status;
}
