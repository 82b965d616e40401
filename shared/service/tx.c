/* The only place that opens a transaction. */
#include "service/tx.h"

#include "base/clock.h"
#include "base/metric.h"
#include "io/app.h"

/* Why a transaction that failed is worth running once more. */
enum again {
	AGAIN_UNSET = 0, /* it is not */
	AGAIN_WHOLE,
	AGAIN_WITH_PARTITIONS,
	AGAIN_COUNT
};

/* Begins, runs, commits or rolls back on a connection that is held. */
static enum status run_on(struct tx *tx, enum status (*fn)(struct tx *tx, void *arg), void *arg)
{
	enum status status = pg_begin(tx->conn);
	if (status != OK) {
		return status;
	}
	status = fn(tx, arg);
	if (tx->committed) {
		return status;
	}
	if (status == OK && arena_failed(tx->ctx->arena)) {
		status = TOO_LARGE;
	}
	if (status == OK) {
		status = pg_commit(tx->conn);
	}
	if (status != OK) {
		pg_rollback(tx->conn);
	}
	return status;
}

static enum status attempt(struct ctx *ctx, enum status (*fn)(struct tx *tx, void *arg), void *arg, enum again *ret_again)
{
	struct tx tx = {.ctx = ctx, .counted = METRIC_COUNT};
	enum status status = pg_take(ctx->app->pg, ctx->deadline, &tx.conn);
	if (status != OK) {
		*ret_again = AGAIN_UNSET;
		return status;
	}
	status = run_on(&tx, fn, arg);
	if (status == OK && tx.counted != METRIC_COUNT) {
		metric_add(tx.counted, 1);
	}
	*ret_again = AGAIN_UNSET;
	if (status == RETRY) {
		*ret_again = AGAIN_WHOLE;
	} else if (status == NOT_FOUND && pg_missing_partition(tx.conn)) {
		*ret_again = AGAIN_WITH_PARTITIONS;
	}
	pg_give(tx.conn);
	return status;
}

static enum status make_partitions(struct tx *tx, void *arg UNUSED)
{
	struct pg_params params = tx_params(tx);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_MAKE_PARTITIONS, &params, NULL);
}

enum status tx_make_partitions(struct ctx *ctx)
{
	return tx_run(ctx, make_partitions, NULL);
}

enum status tx_run(struct ctx *ctx, enum status (*fn)(struct tx *tx, void *arg), void *arg)
{
	bool partitions_made = false;

	for (int run = 1;; run++) {
		enum again again;
		bool whole = !arena_failed(ctx->arena);
		size_t used = arena_used(ctx->arena);
		enum status status = attempt(ctx, fn, arg, &again);

		if (again == AGAIN_UNSET) {
			return status;
		}
		if (again == AGAIN_WITH_PARTITIONS && partitions_made) {
			return INTERNAL; /* the row's day is outside what make_partitions makes: whoever wrote it had to refuse it */
		}
		if (run == TX_RUNS || clock_monotonic_us() >= ctx->deadline) {
			return UNAVAILABLE; /* contention, which passes: the caller's words are "try again", not "run it again" */
		}
		metric_add(METRIC_DB_RETRY, 1);
		/* What this run made is given up: the next has as much memory as this one had. */
		if (whole) {
			arena_extend(ctx->arena, arena_used(ctx->arena) - used);
		}
		if (again == AGAIN_WITH_PARTITIONS) {
			enum again ignored;

			status = attempt(ctx, make_partitions, NULL, &ignored);
			if (status != OK) {
				return status;
			}
			partitions_made = true;
		}
	}
}

enum status service_read(struct ctx *ctx, enum status (*fn)(struct tx *tx, void *arg), void *arg)
{
	enum status status = UNAVAILABLE;
	for (int run = 0; run < 2; run++) {
		struct tx tx = {.ctx = ctx};
		status = pg_take(ctx->app->pg, ctx->deadline, &tx.conn);
		if (status != OK) {
			return status;
		}
		status = fn(&tx, arg);
		/* A dead plan, or a connection that was lost: a read has no effect, so it may be asked again. */
		bool again = status == RETRY || (pg_conn_broken(tx.conn) && status != OK);
		pg_give(tx.conn);
		if (!again) {
			break;
		}
		metric_add(METRIC_DB_RETRY, 1);
	}
	if (status == OK && arena_failed(ctx->arena)) {
		return TOO_LARGE;
	}
	return status == RETRY ? UNAVAILABLE : status;
}
