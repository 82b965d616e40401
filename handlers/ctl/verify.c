/* trivet verify: the ledger proves itself. */
#include "ctl.h"
#include "service/upkeep.h"

#define DIFFERENCES_SHOWN 100
#define VERIFY_US (10 * MINUTE_US)

static const struct ctl_column account_columns[] = {
	{"account", CTL_NUMBER},   {"xp", CTL_NUMBER},           {"coins", CTL_NUMBER},
	{"ledger_xp", CTL_NUMBER}, {"ledger_coins", CTL_NUMBER}, {"wrong", CTL_TEXT},  {NULL, CTL_KIND_UNSET},
};
static const struct ctl_column day_columns[] = {
	{"day", CTL_TEXT}, {"sealed_rows", CTL_NUMBER}, {"rows", CTL_NUMBER}, {NULL, CTL_KIND_UNSET},
};

static enum ctl_exit print_all(struct ctl *ctl, const struct upkeep_proof *proof, struct json *accounts, struct json *days, bool wrong)
{
	struct json *answer = json_set_i64(json_object(), "accounts", proof->accounts);
	answer = json_set_i64(answer, "differences", pg_row_count(proof->differences));
	answer = json_set(answer, "list", accounts);
	answer = json_set_i64(answer, "sealed_days", proof->sealed_days);
	answer = json_set(answer, "sealed_until", str_present(proof->sealed_until) ? json_str(proof->sealed_until) : json_null());
	answer = json_set(answer, "days", days);
	enum ctl_exit printed = ctl_object(ctl, answer);
	return printed == CTL_DONE && wrong ? CTL_FAILED : printed;
}

static enum ctl_exit print_wrong(struct ctl *ctl, const struct upkeep_proof *proof, const struct json *accounts, const struct json *days)
{
	static const char *const account_names[] = {"account", "xp", "coins", "ledger_xp", "ledger_coins", "wrong", NULL};
	static const char *const day_names[] = {"day", "sealed_rows", "rows", NULL};
	int differences = pg_row_count(proof->differences);
	int changed = proof->days != NULL ? pg_row_count(proof->days) : 0;
	if (differences > 0) {
		(void)ctl_list(ctl, account_names, accounts);
	}
	if (changed > 0) {
		(void)ctl_list(ctl, day_names, days);
	}
	return ctl_fail(ctl, "%lld accounts, %d%s balances differ from the ledger, %d sealed days are not as they were sealed",
	                (long long)proof->accounts, differences, differences == DIFFERENCES_SHOWN ? " or more" : "", changed);
}

enum ctl_exit run_verify(struct ctl *ctl)
{
	struct upkeep_proof proof = {0};
	bool quick = ctl_given(ctl, "--quick");
	ctl->ctx.deadline += VERIFY_US;
	enum status status = upkeep_prove(&ctl->ctx, quick, DIFFERENCES_SHOWN, &proof);
	if (status != OK) {
		return ctl_status(ctl, "the ledger", status);
	}
	bool wrong = pg_row_count(proof.differences) > 0 || (proof.days != NULL && pg_row_count(proof.days) > 0);
	struct json *accounts = ctl_rows(ctl, proof.differences, account_columns);
	struct json *days = proof.days != NULL ? ctl_rows(ctl, proof.days, day_columns) : json_array();
	if (ctl->json) {
		return print_all(ctl, &proof, accounts, days, wrong);
	}
	if (wrong) {
		return print_wrong(ctl, &proof, accounts, days);
	}
	return ctl_done(ctl, "%lld accounts, 0 differences", (long long)proof.accounts);
}
