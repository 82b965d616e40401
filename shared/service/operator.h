/*
 * operator - reports and changes of the operator's command, each a named statement of store/sql/operator.sql.
 *
 * A change is one transaction with its row in audit_log, actor "operator".
 */
#ifndef TRIVET_SERVICE_OPERATOR_H
#define TRIVET_SERVICE_OPERATOR_H

#include "store/tx.h"

/* operator_report - the rows of one SELECT; params from pg_params(ctx->arena). Statuses of service_read(). */
MUST_CHECK enum status operator_report(struct ctx *ctx, enum sql statement, const struct pg_params *params, struct pg_rows **ret_rows);

struct operator_change {
	enum sql statement;
	const struct pg_params *params;
	const char *action;     /* "apikey.new": what audit_log says */
	int64_t account_id;     /* 0: about no account */
	struct str after;       /* JSON of what it is now, without secrets; absent: none */
	bool may_be_none;       /* no row changed is fine (then nothing is written to audit_log) */
};

/*
 * operator_change - runs the statement and writes who did what.
 *
 * ret_count   rows changed; may be NULL
 * OK, NOT_FOUND (no row changed, and one had to be), CONFLICT, INVALID, statuses of tx_run().
 */
MUST_CHECK enum status operator_change(struct ctx *ctx, const struct operator_change *change, int64_t *ret_count);

#endif
