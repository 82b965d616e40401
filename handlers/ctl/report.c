/* Reports: rows of a named statement as JSON; trivet outbox list|retry, verify. */
#include "base/parse.h"
#include "ctl.h"
#include "service/operator.h"
#include "store/queue.h"

#define OUTBOX_SHOWN 50
#define OUTBOX_SHOWN_MAX 10000
#define DIFFERENCES_SHOWN 100
#define COLUMNS_MAX 16
#define VERIFY_US (10 * MINUTE_US)

/* "{a,b}" of text[]; our words need no quotes. */
static struct json *words_json(struct str text)
{
	struct json *array = json_array();
	struct str rest = text.len >= 2 ? str_cut(text, 1, text.len - 2) : STR_ABSENT;
	while (!str_empty(rest)) {
		array = json_append(array, json_str(str_split(&rest, ',')));
	}
	return array;
}

static struct json *set_column(struct ctl *ctl, struct json *object, const struct pg_rows *rows, int row, int at,
                               const struct ctl_column *column)
{
	if (pg_is_null(rows, row, at)) {
		return json_set(object, column->name, json_null());
	}
	switch (column->kind) {
	case CTL_NUMBER:
		return json_set_i64(object, column->name, pg_i64(rows, row, at));
	case CTL_TRUTH:
		return json_set_bool(object, column->name, pg_bool(rows, row, at));
	case CTL_TIME:
		return json_set_time(ctl->ctx.arena, object, column->name, pg_time(rows, row, at));
	case CTL_WORDS:
		return json_set(object, column->name, words_json(pg_str(rows, row, at)));
	case CTL_TEXT:
	case CTL_KIND_UNSET:
	case CTL_KIND_COUNT:
		break;
	}
	return json_set_str(object, column->name, pg_str(rows, row, at));
}

struct json *ctl_row(struct ctl *ctl, const struct pg_rows *rows, int row, const struct ctl_column *columns)
{
	struct json *object = json_object();
	for (int at = 0; columns[at].name != NULL; at++) {
		object = set_column(ctl, object, rows, row, at, &columns[at]);
	}
	return object;
}

struct json *ctl_rows(struct ctl *ctl, const struct pg_rows *rows, const struct ctl_column *columns)
{
	struct json *array = json_array();
	for (int row = 0; row < pg_row_count(rows); row++) {
		array = json_append(array, ctl_row(ctl, rows, row, columns));
	}
	return array;
}

enum ctl_exit ctl_report(struct ctl *ctl, enum sql statement, const struct pg_params *params, const struct ctl_column *columns)
{
	const char *names[COLUMNS_MAX + 1] = {NULL};
	struct pg_rows *rows;
	enum status status = operator_report(&ctl->ctx, statement, params, &rows);
	if (status != OK) {
		return ctl_status(ctl, "the report", status);
	}
	for (size_t i = 0; i < COLUMNS_MAX && columns[i].name != NULL; i++) {
		names[i] = columns[i].name;
	}
	return ctl_list(ctl, names, ctl_rows(ctl, rows, columns));
}

enum status ctl_person(struct str word, struct ctl_person *ret_person)
{
	struct ctl_person person = {0};
	struct str rest = word;
	struct str name = str_split(&rest, ':');
	if (platform_from_name(name, &person.platform) != OK || str_empty(rest)) {
		return INVALID;
	}
	if (person.platform == PLATFORM_WEBSITE) {
		person.email = rest;
	} else if (parse_i64(rest, INT64_MIN, INT64_MAX, &person.id) != OK || person.id == 0) {
		return INVALID;
	}
	*ret_person = person;
	return OK;
}

/* ---- outbox ------------------------------------------------------------------------------------------------------------------ */

/* Events that were rejected when it was their turn, and those that failed for the last time and stand in the queue. */
static enum ctl_exit list_events(struct ctl *ctl, int64_t limit)
{
	static const struct ctl_column columns[] = {
		{"id", CTL_NUMBER},       {"platform", CTL_TEXT},    {"platform_id", CTL_TEXT}, {"type", CTL_TEXT},        {"key", CTL_TEXT},
		{"accepted_at", CTL_TIME}, {"state", CTL_TEXT}, {"error", CTL_TEXT},       {NULL, CTL_KIND_UNSET},
	};
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_i64(&params, limit);
	return ctl_report(ctl, SQL_OPERATOR_EVENTS, &params, columns);
}

enum ctl_exit run_outbox_list(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"id", CTL_NUMBER},   {"platform", CTL_TEXT}, {"bot", CTL_TEXT},        {"recipient", CTL_TEXT},
		{"topic", CTL_TEXT},  {"status", CTL_TEXT},   {"attempts", CTL_NUMBER}, {"created_at", CTL_TIME},
		{"due_at", CTL_TIME}, {"done_at", CTL_TIME},  {"error", CTL_TEXT},      {NULL, CTL_KIND_UNSET},
	};
	struct str wanted = ctl_value(ctl, "--status");
	enum outbox_status known;
	int64_t limit = OUTBOX_SHOWN;
	if (str_present(wanted) && outbox_status_from_name(wanted, &known) != OK) {
		return ctl_misused(ctl, "a status is pending, processing, sent, uncertain, failed or permanent");
	}
	if (ctl_given(ctl, "--limit") && parse_i64(ctl_value(ctl, "--limit"), 1, OUTBOX_SHOWN_MAX, &limit) != OK) {
		return ctl_misused(ctl, "--limit is a number from 1 to %d", OUTBOX_SHOWN_MAX);
	}
	if (ctl_given(ctl, "--events")) {
		return str_present(wanted) ? ctl_misused(ctl, "--events or --status, not both") : list_events(ctl, limit);
	}
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, wanted);
	pg_add_i64(&params, limit);
	return ctl_report(ctl, SQL_OPERATOR_OUTBOX, &params, columns);
}

enum ctl_exit run_outbox_retry(struct ctl *ctl)
{
	bool all = ctl_given(ctl, "--all");
	int64_t id = 0;
	int64_t count = 0;
	if (all == (ctl->word_count == 1)) {
		return ctl_misused(ctl, "say which: ID, or --all");
	}
	if (!all && parse_i64(ctl->words[0], 1, INT64_MAX, &id) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no number of an outbox row", STR_ARG(ctl->words[0]));
	}
	struct pg_params params = pg_params(ctl->ctx.arena);
	if (all) {
		pg_add_null(&params);
	} else {
		pg_add_i64(&params, id);
	}
	pg_add_time(&params, ctl->ctx.now);
	struct operator_change change = {
		.statement = SQL_OPERATOR_OUTBOX_RETRY, .params = &params, .action = "outbox.retry", .may_be_none = all,
		.after = all ? STR("{\"id\":\"all\"}") : str_printf(ctl->ctx.arena, "{\"id\":%lld}", (long long)id),
	};
	enum status status = operator_change(&ctl->ctx, &change, &count);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "row %lld was not given up, has expired, or does not exist: see trivet outbox list", (long long)id);
	}
	return status == OK ? ctl_done(ctl, "%lld messages will be sent again", (long long)count) : ctl_status(ctl, "the outbox", status);
}

/* ---- verify ------------------------------------------------------------------------------------------------------------------ */

enum ctl_exit run_verify(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"account", CTL_NUMBER},   {"xp", CTL_NUMBER},           {"coins", CTL_NUMBER},
		{"ledger_xp", CTL_NUMBER}, {"ledger_coins", CTL_NUMBER}, {NULL, CTL_KIND_UNSET},
	};
	static const char *const names[] = {"account", "xp", "coins", "ledger_xp", "ledger_coins", NULL};
	struct pg_rows *accounts;
	struct pg_rows *differences;
	struct pg_params none = pg_params(ctl->ctx.arena);
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_i64(&params, DIFFERENCES_SHOWN);
	ctl->ctx.deadline += VERIFY_US;
	enum status status = operator_report(&ctl->ctx, SQL_OPERATOR_COUNT_ACCOUNTS, &none, &accounts);
	if (status == OK) {
		status = operator_report(&ctl->ctx, SQL_LEDGER_DIFFERENCES, &params, &differences);
	}
	if (status != OK) {
		return ctl_status(ctl, "the ledger", status);
	}
	int64_t count = pg_i64(accounts, 0, 0);
	int wrong = pg_row_count(differences);
	struct json *list = ctl_rows(ctl, differences, columns);
	if (ctl->json) {
		struct json *answer = json_set_i64(json_object(), "accounts", count);
		answer = json_set_i64(answer, "differences", wrong);
		enum ctl_exit printed = ctl_object(ctl, json_set(answer, "list", list));
		return printed == CTL_DONE && wrong > 0 ? CTL_FAILED : printed;
	}
	if (wrong > 0) {
		(void)ctl_list(ctl, names, list);
		return ctl_fail(ctl, "%lld accounts, %d%s balances differ from the ledger", (long long)count, wrong,
		                wrong == DIFFERENCES_SHOWN ? " or more" : "");
	}
	return ctl_done(ctl, "%lld accounts, 0 differences", (long long)count);
}
