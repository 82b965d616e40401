/* Reports: rows of a named statement as JSON; trivet outbox list|retry. */
#include "base/parse.h"
#include "ctl.h"
#include "service/operator.h"
#include "store/queue.h"

#define OUTBOX_SHOWN 50
#define OUTBOX_SHOWN_MAX 10000
#define COLUMNS_MAX 16

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

/* Updates of platforms that nobody could read, or whose command fails: only their heads are kept, so there is nothing to run again. */
static enum ctl_exit list_updates(struct ctl *ctl, int64_t limit)
{
	static const struct ctl_column columns[] = {
		{"id", CTL_NUMBER},   {"platform", CTL_TEXT}, {"bot", CTL_TEXT},         {"at", CTL_TIME},
		{"reason", CTL_TEXT}, {"size", CTL_NUMBER},   {NULL, CTL_KIND_UNSET},
	};
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_i64(&params, limit);
	return ctl_report(ctl, SQL_OPERATOR_UPDATES_ASIDE, &params, columns);
}

static enum ctl_exit list_messages(struct ctl *ctl, struct str wanted, int64_t limit)
{
	static const struct ctl_column columns[] = {
		{"id", CTL_NUMBER},   {"platform", CTL_TEXT}, {"bot", CTL_TEXT},        {"recipient", CTL_TEXT},
		{"topic", CTL_TEXT},  {"status", CTL_TEXT},   {"attempts", CTL_NUMBER}, {"created_at", CTL_TIME},
		{"due_at", CTL_TIME}, {"done_at", CTL_TIME},  {"error", CTL_TEXT},      {NULL, CTL_KIND_UNSET},
	};
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, wanted);
	pg_add_i64(&params, limit);
	return ctl_report(ctl, SQL_OPERATOR_OUTBOX, &params, columns);
}

enum ctl_exit run_outbox_list(struct ctl *ctl)
{
	struct str wanted = ctl_value(ctl, "--status");
	bool events = ctl_given(ctl, "--events");
	bool updates = ctl_given(ctl, "--updates");
	enum outbox_status known;
	int64_t limit = OUTBOX_SHOWN;
	if (str_present(wanted) && outbox_status_from_name(wanted, &known) != OK) {
		return ctl_misused(ctl, "a status is pending, processing, sent, uncertain, failed or permanent");
	}
	if (ctl_given(ctl, "--limit") && parse_i64(ctl_value(ctl, "--limit"), 1, OUTBOX_SHOWN_MAX, &limit) != OK) {
		return ctl_misused(ctl, "--limit is a number from 1 to %d", OUTBOX_SHOWN_MAX);
	}
	if ((events ? 1 : 0) + (updates ? 1 : 0) + (str_present(wanted) ? 1 : 0) > 1) {
		return ctl_misused(ctl, "--events, --updates or --status: one of them");
	}
	if (events) {
		return list_events(ctl, limit);
	}
	return updates ? list_updates(ctl, limit) : list_messages(ctl, wanted, limit);
}

/* What is tried again, and how the answer calls it. */
struct retried {
	enum sql statement;
	const char *action;
	bool with_time;
	const char *gone; /* why a row was not found, after its number */
	const char *done; /* after the count */
};

static const struct retried retried_messages = {SQL_OPERATOR_OUTBOX_RETRY, "outbox.retry", true,
                                                "was not given up, has expired, or does not exist: see trivet outbox list",
                                                "messages will be sent again"};
static const struct retried retried_events = {SQL_OPERATOR_EVENTS_RETRY, "event.retry", false,
                                              "does not stand aside: see trivet outbox list --events",
                                              "events are back in their lanes"};

enum ctl_exit run_outbox_retry(struct ctl *ctl)
{
	const struct retried *what = ctl_given(ctl, "--events") ? &retried_events : &retried_messages;
	bool all = ctl_given(ctl, "--all");
	int64_t id = 0;
	int64_t count = 0;
	if (all == (ctl->word_count == 1)) {
		return ctl_misused(ctl, "say which: ID, or --all");
	}
	if (!all && parse_i64(ctl->words[0], 1, INT64_MAX, &id) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no number of a row", STR_ARG(ctl->words[0]));
	}
	struct pg_params params = pg_params(ctl->ctx.arena);
	if (all) {
		pg_add_null(&params);
	} else {
		pg_add_i64(&params, id);
	}
	if (what->with_time) {
		pg_add_time(&params, ctl->ctx.now);
	}
	struct operator_change change = {
		.statement = what->statement, .params = &params, .action = what->action, .may_be_none = all,
		.after = all ? STR("{\"id\":\"all\"}") : str_printf(ctl->ctx.arena, "{\"id\":%lld}", (long long)id),
	};
	enum status status = operator_change(&ctl->ctx, &change, &count);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "row %lld %s", (long long)id, what->gone);
	}
	return status == OK ? ctl_done(ctl, "%lld %s", (long long)count, what->done) : ctl_status(ctl, "the outbox", status);
}
