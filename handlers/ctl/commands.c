/* trivet commands sync: the one command table, registered on both platforms. */
#include "base/parse.h"
#include "ctl.h"
#include "platform/platform.h"
#include "platform/roles.h"

#define BODY_MAX ((size_t)512 * 1024)
#define TYPE_ENTRY_POINT 4 /* made by Discord when Activities are on; a bulk overwrite without it takes it away (platforms.md 2.4) */
#define CODE_MISSING_ACCESS 50001
#define HTTP_OK 200
#define HTTP_FORBIDDEN 403

/* Lines of the report: where, what, whether it was done. */
struct sync {
	struct ctl *ctl;
	struct json *lines;
	bool failed;
};

static void report(struct sync *sync, struct str where, bool done, struct str words)
{
	struct json *line = json_set_str(json_object(), "where", where);
	line = json_set_bool(line, "done", done);
	sync->lines = json_append(sync->lines, json_set_str(line, "words", words));
	sync->failed = sync->failed || !done;
}

/* ---- Telegram ---------------------------------------------------------------------------------------------------------------- */

static void sync_telegram(struct sync *sync, const struct config_bot *bot, bool dry)
{
	static const enum language lists[] = {LANGUAGE_UNSET, LANGUAGE_RU, LANGUAGE_EN};
	struct arena *arena = sync->ctl->ctx.arena;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct str name = lists[i] == LANGUAGE_UNSET ? STR("default") : language_code(lists[i]);
		struct str where = str_printf(arena, "telegram " STR_FMT ", list " STR_FMT, STR_ARG(bot->name), STR_ARG(name));
		struct str body = telegram_commands(arena, lists[i]);
		if (dry || !str_present(body)) {
			report(sync, where, str_present(body), body);
			continue;
		}
		struct ctl_answer answer = ctl_telegram(sync->ctl, bot->name, "setMyCommands", body);
		bool ok = false;
		bool done = answer.answered && json_get_bool(answer.body, "ok", &ok) == OK && ok;
		report(sync, where, done, done ? STR("registered") : answer.words);
	}
}

/* ---- Discord ----------------------------------------------------------------------------------------------------------------- */

static bool listed(struct str name, const char *const *names)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		if (str_eq(name, str_from_z(names[i]))) {
			return true;
		}
	}
	return false;
}

/* The object as text, with only (keep) or without (!keep) the members that are named. */
static void add_members(struct buf *out, struct arena *arena, const struct json *object, const char *const *names, bool keep)
{
	void *iterator = NULL;
	struct str name;
	const struct json *value;
	bool first = true;
	buf_add_byte(out, '{');
	while (json_object_each(object, &iterator, &name, &value)) {
		if (listed(name, names) != keep) {
			continue;
		}
		buf_add(out, first ? STR("") : STR(","));
		buf_add(out, json_write(arena, json_str(name)));
		buf_add_byte(out, ':');
		buf_add(out, json_write(arena, value));
		first = false;
	}
	buf_add_byte(out, '}');
}

/* Our commands, and in front of them the entry point of `existing` when there is one; a guild's commands have no contexts. */
static struct str overwrite_body(struct arena *arena, bool guild, const struct json *existing)
{
	static const char *const global_only[] = {"contexts", "integration_types", NULL};
	/* ApplicationCommandUpdateRequest; an answer has more. */
	static const char *const writable[] = {"id", "type", "name", "name_localizations", "description", "description_localizations", "options",
	                                       "default_member_permissions", "dm_permission", "contexts", "integration_types", "handler", NULL};
	static const char *const nothing[] = {NULL};
	const struct json *ours;
	struct buf out = buf_init(arena, BODY_MAX);
	struct str text = discord_commands(arena);
	if (!str_present(text) || json_read(arena, text, &ours) != OK) {
		return STR_ABSENT;
	}
	buf_add_byte(&out, '[');
	bool first = true;
	for (size_t i = 0; i < json_array_size(existing); i++) {
		const struct json *command = json_array_at(existing, i);
		int64_t type;
		if (json_get_i64(command, "type", 0, INT64_MAX, &type) == OK && type == TYPE_ENTRY_POINT) {
			add_members(&out, arena, command, writable, true);
			first = false;
		}
	}
	for (size_t i = 0; i < json_array_size(ours); i++) {
		buf_add(&out, first ? STR("") : STR(","));
		add_members(&out, arena, json_array_at(ours, i), guild ? global_only : nothing, false);
		first = false;
	}
	buf_add_byte(&out, ']');
	return buf_str(&out);
}

static struct str commands_path(struct sync *sync, int64_t guild)
{
	int64_t application = sync->ctl->app->config->discord_application_id;
	if (guild == 0) {
		return str_printf(sync->ctl->ctx.arena, "/applications/%lld/commands", (long long)application);
	}
	return str_printf(sync->ctl->ctx.arena, "/applications/%lld/guilds/%lld/commands", (long long)application, (long long)guild);
}

static bool missing_access(const struct ctl_answer *answer)
{
	int64_t code;
	return answer->status == HTTP_FORBIDDEN && json_get_i64(answer->body, "code", 0, INT64_MAX, &code) == OK && code == CODE_MISSING_ACCESS;
}

/* One scope: a look at what is there, then the overwrite. Returns false when a guild refuses us and the global list shall be tried. */
static bool sync_scope(struct sync *sync, int64_t guild, bool dry)
{
	struct ctl *ctl = sync->ctl;
	struct arena *arena = ctl->ctx.arena;
	struct str path = commands_path(sync, guild);
	struct str where = guild == 0 ? STR("discord, everywhere") : str_printf(arena, "discord, server %lld", (long long)guild);
	struct ctl_answer answer = {0};
	if (!dry) {
		answer = ctl_discord(ctl, "GET", path, STR_ABSENT);
	}
	if (!dry && answer.status == HTTP_OK) {
		answer = ctl_discord(ctl, "PUT", path, overwrite_body(arena, guild != 0, answer.body));
	}
	if (dry) {
		struct str body = overwrite_body(arena, guild != 0, NULL);
		report(sync, where, str_present(body), body);
		return true;
	}
	if (guild != 0 && missing_access(&answer)) {
		report(sync, where, true, STR("Missing Access (403, 50001): the application is not in that server, or was added without the scope "
		                              "applications.commands: invite it again with that scope. Registering everywhere instead"));
		return false;
	}
	bool done = answer.status == HTTP_OK;
	struct str said = guild == 0 ? STR("registered; Discord may take up to an hour to show them everywhere")
	                             : STR("registered; shown at once");
	report(sync, where, done, done ? said : answer.words);
	return true;
}

/* What Linked Roles may ask of a person: rank, XP, days. */
static void sync_linked_roles(struct sync *sync, bool dry)
{
	struct ctl *ctl = sync->ctl;
	struct str where = STR("discord, linked roles");
	struct str body = discord_linked_records(ctl->ctx.arena);
	if (dry || !str_present(body)) {
		report(sync, where, str_present(body), body);
		return;
	}
	struct str path = str_printf(ctl->ctx.arena, "/applications/%lld/role-connections/metadata",
	                             (long long)ctl->app->config->discord_application_id);
	struct ctl_answer answer = ctl_discord(ctl, "PUT", path, body);
	report(sync, where, answer.status == HTTP_OK, answer.status == HTTP_OK ? STR("registered") : answer.words);
}

enum ctl_exit run_commands_sync(struct ctl *ctl)
{
	static const char *const columns[] = {"where", "done", "words", NULL};
	const struct config *config = ctl->app->config;
	struct sync sync = {.ctl = ctl, .lines = json_array()};
	bool dry = ctl_given(ctl, "--dry-run");
	int64_t guild = ctl_given(ctl, "--global") ? 0 : config->discord_guild_id;
	if (ctl_given(ctl, "--guild") && ctl_given(ctl, "--global")) {
		return ctl_misused(ctl, "--guild or --global, not both");
	}
	if (ctl_given(ctl, "--guild") && parse_platform_id(ctl_value(ctl, "--guild"), &guild) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no id of a server", STR_ARG(ctl_value(ctl, "--guild")));
	}
	for (size_t i = 0; i < config->bot_count; i++) {
		sync_telegram(&sync, &config->bots[i], dry);
	}
	if (config->discord_application_id != 0 && !str_empty(config->discord_bot_token.bytes)) {
		if (!sync_scope(&sync, guild, dry)) {
			(void)sync_scope(&sync, 0, dry);
		}
		sync_linked_roles(&sync, dry);
	}
	enum ctl_exit printed = ctl_list(ctl, columns, sync.lines);
	return printed == CTL_DONE && sync.failed ? CTL_FAILED : printed;
}
