/* trivet user show|merge|unmerge|unlink|adjust */
#include "base/parse.h"
#include "ctl.h"
#include "io/crypto.h"
#include "service/adjust.h"
#include "service/linking.h"
#include "service/operator.h"
#include "service/tx.h"

#define LEDGER_SHOWN 10
#define HISTORY_SHOWN 50
#define BY STR("operator")

static const struct ctl_column user_columns[] = {
	{"id", CTL_NUMBER},
	{"display_name", CTL_TEXT},
	{"language", CTL_TEXT},
	{"created_at", CTL_TIME},
	{"merged_into", CTL_NUMBER},
	{"merged_at", CTL_TIME},
	{"xp", CTL_NUMBER},
	{"coins", CTL_NUMBER},
	{"rank", CTL_TEXT},
	{"hidden", CTL_TRUTH},
	{NULL, CTL_KIND_UNSET},
};
static const struct ctl_column identity_columns[] = {
	{"platform", CTL_TEXT},
	{"id", CTL_TEXT},
	{"username", CTL_TEXT},
	{"name", CTL_TEXT},
	{"first_seen", CTL_TIME},
	{"last_seen", CTL_TIME},
	{"linked_at", CTL_TIME},
	{"reached_by", CTL_TEXT},
	{NULL, CTL_KIND_UNSET},
};
static const struct ctl_column history_columns[] = {
	{"at", CTL_TIME},
	{"event", CTL_TEXT},
	{"by", CTL_TEXT},
	{"merge", CTL_NUMBER},
	{"account", CTL_NUMBER},
	{"other", CTL_NUMBER},
	{"identities", CTL_WORDS},
	{"with", CTL_WORDS},
	{NULL, CTL_KIND_UNSET},
};
static const struct ctl_column ledger_columns[] = {
	{"at", CTL_TIME},
	{"account", CTL_NUMBER},
	{"kind", CTL_TEXT},
	{"source", CTL_TEXT},
	{"xp", CTL_NUMBER},
	{"coins", CTL_NUMBER},
	{"xp_after", CTL_NUMBER},
	{"coins_after", CTL_NUMBER},
	{"reason", CTL_TEXT},
	{NULL, CTL_KIND_UNSET},
};

static const struct ctl_column session_columns[] = {
	{"bot", CTL_TEXT},      {"version", CTL_NUMBER}, {"bytes", CTL_NUMBER}, {"updated_at", CTL_TIME},
	{"aside_at", CTL_TIME}, {NULL, CTL_KIND_UNSET},
};

/* ---- show -------------------------------------------------------------------------------------------------------------------- */

/* The lists below an account, in the order in which they are printed. `limit`: what the statement takes; 0: it takes none. */
static const struct part {
	const char *name;
	enum sql statement;
	int64_t limit;
	const struct ctl_column *columns;
	const char *shown[10];
} parts[] = {
	{"identities", SQL_OPERATOR_IDENTITIES, 0, identity_columns,
	 {"platform", "id", "username", "name", "first_seen", "last_seen", "linked_at", "reached_by", NULL}},
	{"history", SQL_OPERATOR_HISTORY, HISTORY_SHOWN, history_columns,
	 {"at", "event", "by", "merge", "account", "other", "identities", "with", NULL}},
	{"sessions", SQL_OPERATOR_SESSIONS, 0, session_columns, {"bot", "version", "bytes", "updated_at", "aside_at", NULL}},
	{"ledger", SQL_OPERATOR_LEDGER, LEDGER_SHOWN, ledger_columns,
	 {"at", "account", "kind", "source", "xp", "coins", "xp_after", "coins_after", "reason", NULL}},
};

static struct pg_params account_params(struct ctl *ctl, int64_t account, int64_t limit)
{
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_i64(&params, account);
	if (limit != 0) {
		pg_add_i64(&params, limit);
	}
	return params;
}

static enum ctl_exit print_parts(struct ctl *ctl, struct json *user, struct json *const *lists)
{
	if (ctl->json) {
		for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
			user = json_set(user, parts[i].name, lists[i]);
		}
		return ctl_object(ctl, user);
	}
	enum ctl_exit answer = ctl_object(ctl, user);
	for (size_t i = 0; i < ARRAY_LEN(parts) && answer == CTL_DONE; i++) {
		if (json_array_size(lists[i]) > 0) {
			ctl_print(STR("\n"));
			answer = ctl_list(ctl, parts[i].shown, lists[i]);
		}
	}
	return answer;
}

enum ctl_exit run_user_show(struct ctl *ctl)
{
	struct ctl_whom whom = {0};
	struct pg_rows *rows;
	struct json *lists[ARRAY_LEN(parts)] = {NULL};
	enum ctl_exit found = ctl_whom(ctl, ctl->words[0], false, &whom);
	if (found != CTL_DONE) {
		return found;
	}
	struct pg_params params = account_params(ctl, whom.account, 0);
	enum status status = operator_report(&ctl->ctx, SQL_OPERATOR_USER, &params, &rows);
	if (status == OK && pg_row_count(rows) == 0) {
		return ctl_fail(ctl, "nobody is known as " STR_FMT, STR_ARG(ctl->words[0]));
	}
	struct json *user = status == OK ? ctl_row(ctl, rows, 0, user_columns) : NULL;
	for (size_t i = 0; i < ARRAY_LEN(parts) && status == OK; i++) {
		params = account_params(ctl, whom.account, parts[i].limit);
		status = operator_report(&ctl->ctx, parts[i].statement, &params, &rows);
		lists[i] = status == OK ? ctl_rows(ctl, rows, parts[i].columns) : NULL;
	}
	return status == OK ? print_parts(ctl, user, lists) : ctl_status(ctl, "the account", status);
}

/* ---- merge, unmerge, unlink ---------------------------------------------------------------------------------------------------- */

struct merge_call {
	int64_t a;
	int64_t b;
	struct link_result result;
};

static enum status merge_step(struct tx *tx, void *arg)
{
	struct merge_call *call = arg;
	return linking_merge_by_staff(tx, call->a, call->b, BY, &call->result);
}

static enum ctl_exit tell_merge(struct ctl *ctl, const struct merge_call *call)
{
	switch (call->result.outcome) {
	case LINK_LINKED:
		return ctl_done(ctl, "joined; to take it back: trivet user unmerge %lld", (long long)call->result.merge_id);
	case LINK_REFUSED_OWN:
		return ctl_fail(ctl, "that is one account already");
	case LINK_REFUSED_PLATFORM:
		return ctl_fail(ctl, "both hold an identity on " STR_FMT ": unlink one of them first", STR_ARG(platform_title(call->result.platform)));
	case LINK_OUTCOME_UNSET:
	case LINK_NEEDS_CONFIRMATION:
	case LINK_UNKNOWN:
	case LINK_USED:
	case LINK_REFUSED_RECENT:
	case LINK_REFUSED_MERGES:
	case LINK_ATTEMPTS:
	case LINK_FLOODED:
	case LINK_AWAY:
	case LINK_OUTCOME_COUNT:
		break;
	}
	return ctl_fail(ctl, "these two cannot be joined now: see trivet user show");
}

enum ctl_exit run_user_merge(struct ctl *ctl)
{
	struct ctl_whom a = {0};
	struct ctl_whom b = {0};
	enum ctl_exit found = ctl_whom(ctl, ctl->words[0], false, &a);
	found = found == CTL_DONE ? ctl_whom(ctl, ctl->words[1], false, &b) : found;
	if (found != CTL_DONE) {
		return found;
	}
	if (a.account == b.account) {
		return ctl_fail(ctl, "that is one account already");
	}
	struct merge_call call = {.a = a.account, .b = b.account};
	enum status status = tx_run(&ctl->ctx, merge_step, &call);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "one of them is no living account: see trivet user show");
	}
	return status == OK ? tell_merge(ctl, &call) : ctl_status(ctl, "the accounts", status);
}

struct undo_call {
	int64_t merge_id;
	enum link_undo_verdict verdict;
};

static enum status undo_step(struct tx *tx, void *arg)
{
	struct undo_call *call = arg;
	return linking_undo(tx, NULL, call->merge_id, BY, &call->verdict);
}

enum ctl_exit run_user_unmerge(struct ctl *ctl)
{
	struct undo_call call = {0};
	if (parse_i64(ctl->words[0], 1, INT64_MAX, &call.merge_id) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no number of a merge: trivet user show lists them", STR_ARG(ctl->words[0]));
	}
	enum status status = tx_run(&ctl->ctx, undo_step, &call);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "there is no merge %lld: trivet user show lists them", (long long)call.merge_id);
	}
	if (status != OK) {
		return ctl_status(ctl, "the merge", status);
	}
	switch (call.verdict) {
	case LINK_UNDO_ALLOWED:
		return ctl_done(ctl, "undone: each side has what it brought, as far as it is left");
	case LINK_UNDO_DONE:
		return ctl_fail(ctl, "it was undone before");
	case LINK_UNDO_EMPTY:
		return ctl_fail(ctl, "nothing of the other side is on the account any more");
	case LINK_UNDO_UNSET:
	case LINK_UNDO_FOREIGN:
	case LINK_UNDO_LATE:
	case LINK_UNDO_COUNT:
		break;
	}
	return ctl_fail(ctl, "it cannot be undone any more: trivet user unlink separates");
}

struct unlink_call {
	struct ctl_whom whom;
	enum unlink_verdict verdict;
	struct identity left;
};

static enum status unlink_step(struct tx *tx, void *arg)
{
	struct unlink_call *call = arg;
	return linking_unlink(tx, NULL, call->whom.account, call->whom.identity, BY, &call->verdict, &call->left);
}

enum ctl_exit run_user_unlink(struct ctl *ctl)
{
	struct unlink_call call = {0};
	enum ctl_exit found = ctl_whom(ctl, ctl->words[0], true, &call.whom);
	if (found != CTL_DONE) {
		return found;
	}
	enum status status = tx_run(&ctl->ctx, unlink_step, &call);
	if (status != OK) {
		return ctl_status(ctl, "the identity", status);
	}
	if (call.verdict != UNLINK_ALLOWED) {
		return ctl_fail(ctl, "it is the only identity of its account: there is nothing to separate");
	}
	return ctl_done(ctl, STR_FMT " has an account of its own now", STR_ARG(ctl->words[0]));
}

/* ---- adjust -------------------------------------------------------------------------------------------------------------------- */

#define OWN_KEY_BYTES 16

/* A number of an option; 0 when it was not given. */
static enum ctl_exit take_change(struct ctl *ctl, const char *option, int64_t *ret_change)
{
	struct str text = ctl_value(ctl, option);
	if (str_present(text) && parse_i64(text, -ADJUST_MAX, ADJUST_MAX, ret_change) != OK) {
		return ctl_misused(ctl, "%s is a whole number from -2^53 to 2^53", option);
	}
	return CTL_DONE;
}

/* Without --key each call is an order of its own. */
static struct str key_of_order(struct ctl *ctl)
{
	unsigned char random[OWN_KEY_BYTES];
	if (ctl_given(ctl, "--key")) {
		return ctl_value(ctl, "--key");
	}
	crypto_random(random, sizeof random);
	return crypto_hex(ctl->ctx.arena, random, sizeof random);
}

static enum ctl_exit take_order(struct ctl *ctl, struct adjust_order *order)
{
	struct ctl_whom whom = {0};
	struct str detail = STR("is missing");
	enum ctl_exit taken = take_change(ctl, "--xp", &order->xp);
	taken = taken == CTL_DONE ? take_change(ctl, "--coins", &order->coins) : taken;
	if (taken != CTL_DONE) {
		return taken;
	}
	if (order->xp == 0 && order->coins == 0) {
		return ctl_misused(ctl, "nothing changes: say --xp or --coins");
	}
	order->reason = ctl_value(ctl, "--reason");
	if (!str_present(order->reason) || adjust_reason_check(ctl->ctx.arena, order->reason, &detail) != OK) {
		return ctl_misused(ctl, "--reason " STR_FMT ": people read it in their history", STR_ARG(detail));
	}
	order->key = key_of_order(ctl);
	if (!event_key_ok(order->key)) {
		return ctl_misused(ctl, "--key is 1 to %d printable ASCII characters", EVENT_KEY_MAX);
	}
	taken = ctl_whom(ctl, ctl->words[0], false, &whom);
	order->account_id = whom.account;
	order->platform = whom.platform; /* the same words under a key are a repeat, whatever account he is on by then */
	order->platform_id = whom.platform_id;
	return taken;
}

static enum ctl_exit tell_adjusted(struct ctl *ctl, const struct adjusted *adjusted)
{
	switch (adjusted->verdict) {
	case ADJUST_DONE:
	case ADJUST_REPEATED:
		return ctl_object(ctl, json_set_bool(adjust_json(ctl->ctx.arena, adjusted), "repeated", adjusted->verdict == ADJUST_REPEATED));
	case ADJUST_KEY_REUSED:
		return ctl_fail(ctl, "this key came before with another content; what differs: " STR_FMT, STR_ARG(adjusted->differs));
	case ADJUST_INSUFFICIENT:
		return ctl_fail(ctl, "there are %lld XP and %lld coins, and neither may go below zero", (long long)adjusted->xp_after,
		                (long long)adjusted->coins_after);
	case ADJUST_OVERFLOW:
		return ctl_fail(ctl, "a sum would leave 64 bits: there are %lld XP and %lld coins", (long long)adjusted->xp_after,
		                (long long)adjusted->coins_after);
	case ADJUST_NOBODY:
		return ctl_fail(ctl, STR_FMT " is no living account: see trivet user show", STR_ARG(ctl->words[0]));
	case ADJUST_OUT_OF_RANGE: /* take_order() takes none */
	case ADJUST_UNSET:
	case ADJUST_VERDICT_COUNT:
		break;
	}
	return ctl_status(ctl, "the account", INTERNAL);
}

enum ctl_exit run_user_adjust(struct ctl *ctl)
{
	struct adjust_order order = {.space = BY, .source = BY};
	struct adjusted adjusted;
	enum ctl_exit taken = take_order(ctl, &order);
	if (taken != CTL_DONE) {
		return taken;
	}
	enum status status = adjust(&ctl->ctx, &order, &adjusted);
	return status == OK ? tell_adjusted(ctl, &adjusted) : ctl_status(ctl, "the account", status);
}
