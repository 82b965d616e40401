#include "service/operator.h"

#include "service/tx.h"
#include "store/store.h"

struct report_call {
	enum sql statement;
	const struct pg_params *params;
	struct pg_rows *rows;
};

static enum status report_step(struct tx *tx, void *arg)
{
	struct report_call *call = arg;
	return tx_query(tx, call->statement, call->params, &call->rows);
}

enum status operator_report(struct ctx *ctx, enum sql statement, const struct pg_params *params, struct pg_rows **ret_rows)
{
	struct report_call call = {statement, params, NULL};
	enum status status = service_read(ctx, report_step, &call);
	if (status == OK) {
		*ret_rows = call.rows;
	}
	return status;
}

struct change_call {
	const struct operator_change *change;
	int64_t count;
};

static enum status change_step(struct tx *tx, void *arg)
{
	struct change_call *call = arg;
	const struct operator_change *change = call->change;
	struct pg_rows *rows;
	enum status status = tx_query(tx, change->statement, change->params, &rows);
	if (status != OK) {
		return status;
	}
	call->count = pg_affected(rows);
	if (call->count == 0) {
		return change->may_be_none ? OK : NOT_FOUND;
	}
	struct audit audit = {
		.actor = STR("operator"), .action = str_from_z(change->action), .account_id = change->account_id, .after = change->after};
	return audit_insert(tx, &audit);
}

enum status operator_change(struct ctx *ctx, const struct operator_change *change, int64_t *ret_count)
{
	struct change_call call = {change, 0};
	enum status status = tx_run(ctx, change_step, &call);
	if (status == OK && ret_count != NULL) {
		*ret_count = call.count;
	}
	return status;
}
