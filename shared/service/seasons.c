/* The close of seasons, step by step. What is paid stands in seasons_pay.c. */
#include "service/seasons.h"

#include "base/metric.h"
#include "service/catalogue.h"
#include "service/seasons_pay.h"
#include "service/tx.h"
#include "store/event.h"
#include "store/season.h"

/* Who earns waits behind us for at most so long, and we for him; then another try, later. */
#define PATIENCE_MS 200

static enum status begin(struct tx *tx, const struct economy *economy, struct season_turn *turn)
{
	const struct economy_rates *rates = &economy->rates;
	int64_t no = 0;
	bool open = false;
	enum status status = season_next(tx, &no, &open);

	if (status != OK || open) {
		return status; /* another closer has it: nothing to do but to wait */
	}
	if (!season_is_over(rates, no, tx->ctx->now)) {
		return NOT_FOUND;
	}
	*turn = (struct season_turn){.step = SEASON_BEGUN, .no = no};
	return season_begin(tx, no, season_start(rates, no), season_start(rates, no + 1), PATIENCE_MS);
}

static enum status count(struct tx *tx, const struct season_row *row, struct season_turn *turn)
{
	int64_t last = 0;
	enum status status = season_count(tx, row, SEASONS_COUNT_BATCH, &last);

	*turn = (struct season_turn){.step = last > 0 ? SEASON_COUNTING : SEASON_COUNTED, .no = row->no};
	return status;
}

static enum status pay(struct tx *tx, const struct season_row *row, struct season_turn *turn)
{
	size_t paid = 0;
	enum status status = seasons_pay(tx, row, &paid);

	*turn = (struct season_turn){.step = SEASON_PAYING, .no = row->no};
	if (status == OK && paid == 0) {
		turn->step = SEASON_CLOSED;
		status = season_close(tx, row->no, &turn->participants, &turn->placed);
	}
	return status;
}

static enum status turn_step(struct tx *tx, void *arg)
{
	struct season_turn *turn = arg;
	const struct economy *economy = NULL;
	struct season_row row = {0};
	enum status status = catalogue_get(tx, &economy); /* first: reading it anew must not hold up anybody */

	*turn = (struct season_turn){0};
	if (status == OK) {
		status = event_plan(tx, true);
	}
	if (status != OK) {
		return status;
	}
	status = season_take(tx, &row);
	if (status == NOT_FOUND) {
		return begin(tx, economy, turn);
	}
	if (status != OK) {
		return status;
	}
	return row.counted ? pay(tx, &row, turn) : count(tx, &row, turn);
}

enum status seasons_turn(struct ctx *ctx, struct season_turn *ret_turn)
{
	struct season_turn turn = {0};
	enum status status = tx_run(ctx, turn_step, &turn);

	if (status == OK) {
		metric_add(METRIC_SEASON_CLOSED, turn.step == SEASON_CLOSED ? 1 : 0);
		*ret_turn = turn;
	}
	return status;
}

static enum status now_step(struct tx *tx, void *arg)
{
	struct season_now *now = arg;
	const struct economy *economy = NULL;
	bool open = false;
	enum status status = catalogue_get(tx, &economy);

	if (status == OK) {
		status = season_next(tx, &now->no, &open);
	}
	if (status != OK) {
		return status;
	}
	now->no -= open ? 1 : 0;
	now->starts_at = season_start(&economy->rates, now->no);
	now->ends_at = season_start(&economy->rates, now->no + 1);
	now->overdue = tx->ctx->now > now->ends_at ? tx->ctx->now - now->ends_at : 0;
	return OK;
}

enum status seasons_now(struct ctx *ctx, struct season_now *ret_now)
{
	struct season_now now = {0};
	enum status status = tx_run(ctx, now_step, &now);

	if (status == OK) {
		*ret_now = now;
	}
	return status;
}
