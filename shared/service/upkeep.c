#include "service/upkeep.h"

#include "service/tx.h"
#include "store/queue.h"

struct step_call {
	enum sql statement;
	struct str done;
};

static enum status step(struct tx *tx, void *arg)
{
	struct step_call *call = arg;
	struct pg_params params = tx_params(tx);
	struct pg_params none = tx_params(tx);
	struct pg_rows *rows = NULL;
	bool ours = false;

	call->done = STR_ABSENT;
	pg_add_time(&params, tx->ctx->now);
	/* One lock for all steps: two of them may be about one table. */
	enum status status = queue_job_lock(tx, STR("upkeep"), &ours);

	if (status != OK || !ours) {
		return status;
	}
	status = tx_query(tx, SQL_UPKEEP_PATIENCE, &none, NULL);
	if (status == OK) {
		status = tx_query(tx, SQL_UPKEEP_LIGHT, &none, NULL);
	}
	if (status == OK) {
		status = tx_query(tx, call->statement, &params, &rows);
	}
	if (status == OK) {
		call->done = pg_str(rows, 0, 0);
	}
	return status;
}

enum status upkeep_step(struct ctx *ctx, enum sql statement, struct str *ret_done)
{
	struct step_call call = {.statement = statement};
	enum status status = tx_run(ctx, step, &call);

	if (status == OK) {
		*ret_done = call.done;
	}
	return status;
}

struct prove_call {
	bool quick;
	int64_t limit;
	struct upkeep_proof proof;
};

static enum status count_accounts(struct tx *tx, int64_t *ret_count)
{
	struct pg_params none = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_OPERATOR_COUNT_ACCOUNTS, &none, &rows);

	if (status == OK) {
		*ret_count = pg_i64(rows, 0, 0);
	}
	return status;
}

static enum status compare_balances(struct tx *tx, struct prove_call *call)
{
	struct pg_params none = tx_params(tx);
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_LEDGER_OPEN_FROM, &none, &rows);

	if (status != OK) {
		return status;
	}
	call->proof.sealed_until = pg_str(rows, 0, 1);
	call->proof.sealed_days = pg_i64(rows, 0, 2);
	pg_add_i64(&params, call->limit);
	pg_add_str(&params, call->quick ? pg_str(rows, 0, 0) : STR_ABSENT);
	return tx_query(tx, SQL_LEDGER_DIFFERENCES, &params, &call->proof.differences);
}

static enum status prove(struct tx *tx, void *arg)
{
	struct prove_call *call = arg;
	struct pg_params none = tx_params(tx);
	struct pg_params params = tx_params(tx);
	enum status status = tx_query(tx, SQL_UPKEEP_PATIENCE, &none, NULL);

	pg_add_i64(&params, call->limit);
	if (status == OK) {
		status = count_accounts(tx, &call->proof.accounts);
	}
	if (status == OK) {
		status = compare_balances(tx, call);
	}
	if (status == OK && !call->quick) {
		status = tx_query(tx, SQL_LEDGER_SEAL_DIFFERENCES, &params, &call->proof.days);
	}
	return status;
}

enum status upkeep_prove(struct ctx *ctx, bool quick, int64_t limit, struct upkeep_proof *ret_proof)
{
	struct prove_call call = {.quick = quick, .limit = limit};
	enum status status = tx_run(ctx, prove, &call);

	if (status == OK) {
		*ret_proof = call.proof;
	}
	return status;
}
