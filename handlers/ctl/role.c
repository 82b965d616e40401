/* trivet role map|unmap|list: which Discord roles stand for which ranks. */
#include "base/parse.h"
#include "ctl.h"
#include "service/operator.h"

/* A role of a server. */
struct ctl_role {
	int64_t guild_id;
	int64_t role_id;
};

static enum ctl_exit take_role(struct ctl *ctl, struct ctl_role *ret_role)
{
	struct ctl_role role = {.guild_id = ctl->app->config->discord_guild_id};
	if (parse_platform_id(ctl->words[0], &role.role_id) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no id of a role: in Discord, developer mode on, Copy Role ID", STR_ARG(ctl->words[0]));
	}
	if (ctl_given(ctl, "--guild") && parse_platform_id(ctl_value(ctl, "--guild"), &role.guild_id) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no id of a server", STR_ARG(ctl_value(ctl, "--guild")));
	}
	if (role.guild_id == 0) {
		return ctl_misused(ctl, "of which server? Say --guild ID, or set DISCORD_GUILD_ID");
	}
	if (role.role_id == role.guild_id) {
		return ctl_misused(ctl, "this is @everyone, which nobody can give or take");
	}
	*ret_role = role;
	return CTL_DONE;
}

static struct pg_params role_params(struct ctl *ctl, const struct ctl_role *role)
{
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_i64(&params, role->guild_id);
	pg_add_i64(&params, role->role_id);
	return params;
}

static struct str role_json(struct ctl *ctl, const struct ctl_role *role, struct str rank)
{
	struct json *object = json_set_id(json_object(), "guild", role->guild_id);
	return json_write(ctl->ctx.arena, json_set_str(json_set_id(object, "role", role->role_id), "rank", rank));
}

enum ctl_exit run_role_map(struct ctl *ctl)
{
	struct ctl_role role = {0};
	enum ctl_exit taken = take_role(ctl, &role);
	if (taken != CTL_DONE) {
		return taken;
	}
	struct pg_params params = role_params(ctl, &role);
	pg_add_str(&params, str_trim(ctl->words[1]));
	pg_add_time(&params, ctl->ctx.now);
	struct operator_change change = {.statement = SQL_OPERATOR_ROLE_MAP, .params = &params, .action = "role.map",
	                                 .after = role_json(ctl, &role, ctl->words[1])};
	enum status status = operator_change(&ctl->ctx, &change, NULL);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "there is no rank and no letter \"" STR_FMT "\": F to S, or a rank such as \"E II\"", STR_ARG(ctl->words[1]));
	}
	return status == OK ? ctl_done(ctl, "the role " STR_FMT " goes to " STR_FMT " from now on; the worker looks at everybody",
	                               STR_ARG(ctl->words[0]), STR_ARG(ctl->words[1]))
	                    : ctl_status(ctl, "the role", status);
}

enum ctl_exit run_role_unmap(struct ctl *ctl)
{
	struct ctl_role role = {0};
	enum ctl_exit taken = take_role(ctl, &role);
	if (taken != CTL_DONE) {
		return taken;
	}
	struct pg_params params = role_params(ctl, &role);
	struct operator_change change = {.statement = SQL_OPERATOR_ROLE_UNMAP, .params = &params, .action = "role.unmap",
	                                 .after = role_json(ctl, &role, STR_ABSENT)};
	enum status status = operator_change(&ctl->ctx, &change, NULL);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "the role " STR_FMT " is not mapped on this server: see trivet role list", STR_ARG(ctl->words[0]));
	}
	return status == OK ? ctl_done(ctl, "the role " STR_FMT " is left alone from now on; who holds it keeps it", STR_ARG(ctl->words[0]))
	                    : ctl_status(ctl, "the role", status);
}

enum ctl_exit run_role_list(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"guild", CTL_TEXT},     {"role", CTL_TEXT},    {"rank", CTL_TEXT},        {"held", CTL_NUMBER},
		{"missing", CTL_NUMBER}, {"refused", CTL_TEXT}, {"refused_at", CTL_TIME}, {NULL, CTL_KIND_UNSET},
	};
	struct pg_params none = pg_params(ctl->ctx.arena);
	return ctl_report(ctl, SQL_OPERATOR_ROLE_LIST, &none, columns);
}
