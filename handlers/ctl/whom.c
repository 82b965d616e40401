/* Whom a word of the command line names. */
#include "base/parse.h"
#include "ctl.h"
#include "service/operator.h"

enum ctl_exit ctl_whom(struct ctl *ctl, struct str word, bool identity_only, struct ctl_whom *ret_whom)
{
	struct ctl_whom whom = {0};
	struct ctl_person person;
	struct pg_rows *rows;
	if (!identity_only && parse_i64(word, 1, INT64_MAX, &whom.account) == OK) {
		*ret_whom = whom;
		return CTL_DONE;
	}
	if (ctl_person(word, &person) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is not %sPLATFORM:ID (telegram:5, discord:7, website:a@b.c)", STR_ARG(word),
		                   identity_only ? "" : "an account's number or ");
	}
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, platform_name(person.platform));
	pg_add_i64(&params, person.id);
	pg_add_str(&params, str_present(person.email) ? str_lower(ctl->ctx.arena, person.email) : STR_ABSENT);
	enum status status = operator_report(&ctl->ctx, SQL_OPERATOR_ACCOUNT_OF, &params, &rows);
	if (status != OK) {
		return ctl_status(ctl, "the account", status);
	}
	if (pg_row_count(rows) == 0) {
		return ctl_fail(ctl, "nobody is known as " STR_FMT ": who writes to a bot once is, or who is named to POST /v1/users", STR_ARG(word));
	}
	whom = (struct ctl_whom){.account = pg_i64(rows, 0, 0), .identity = pg_i64(rows, 0, 1)};
	if (person.platform != PLATFORM_WEBSITE) {
		whom.platform = person.platform;
		whom.platform_id = person.id;
	}
	*ret_whom = whom;
	return CTL_DONE;
}
