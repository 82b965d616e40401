/* trivet - the operator's command. The table of subcommands, and how a command line becomes a call of a row. */
#include <assert.h>

#include "base/clock.h"
#include "ctl.h"
#include "io/http_client.h"
#include "store/statements.h"

/* Above a request's: a report of 10,000 rows is read whole. */
#define CTL_ARENA_LIMIT ((size_t)64 * 1024 * 1024)
#define CTL_DEADLINE_US (30 * SECOND_US)

/* Every row says what it needs; `trivet` without words prints this table. */
static const struct ctl_command commands[] = {
	{"migrate", "check", "", "check the built-in migrations without a database", CTL_NEED_NOTHING, 0, 0, {{0}}, run_migrate_check},
	{"migrate", NULL, "[--status]", "bring the database up to date", CTL_NEED_APP, 0, 0, {{"--status", false}}, run_migrate},
	{"doctor", NULL, "", "check settings, stores and platforms, a line each", CTL_NEED_NOTHING, 0, 0, {{0}}, run_doctor},
	{"config", NULL, "[--check | --document markdown|sample]", "print or check the settings", CTL_NEED_NOTHING, 0, 0,
	 {{"--check", false}, {"--document", true}}, run_config},
	{"webhook", "set", "BOT", "point a bot's webhook at this installation; BOT may be discord", CTL_NEED_APP, 1, 1, {{0}}, run_webhook_set},
	{"webhook", "info", "BOT", "what the platform knows of a bot's webhook", CTL_NEED_APP, 1, 1, {{0}}, run_webhook_info},
	{"webhook", "delete", "BOT", "take a bot's webhook away", CTL_NEED_APP, 1, 1, {{0}}, run_webhook_delete},
	{"commands", "sync", "[--guild ID | --global] [--dry-run]", "register the commands on both platforms", CTL_NEED_APP, 0, 0,
	 {{"--guild", true}, {"--global", false}, {"--dry-run", false}}, run_commands_sync},
	{"bot", "list", "", "the configured bots", CTL_NEED_APP, 0, 0, {{0}}, run_bot_list},
	{"user", "show", "PLATFORM:ID | ACCOUNT", "an account, its identities, who came and left, its last ledger rows",
	 CTL_NEED_APP, 1, 1, {{0}}, run_user_show},
	{"user", "merge", "WHO WHO", "join two accounts (each PLATFORM:ID or ACCOUNT); the older survives",
	 CTL_NEED_APP, 2, 2, {{0}}, run_user_merge},
	{"user", "unmerge", "MERGE", "undo a joining; trivet user show lists them", CTL_NEED_APP, 1, 1, {{0}}, run_user_unmerge},
	{"user", "unlink", "PLATFORM:ID", "give an identity an account of its own", CTL_NEED_APP, 1, 1, {{0}}, run_user_unlink},
	{"user", "adjust", "WHO [--xp N] [--coins N] --reason TEXT [--key KEY]", "give or take XP and coins (WHO: PLATFORM:ID or ACCOUNT)",
	 CTL_NEED_APP, 1, 1, {{"--xp", true}, {"--coins", true}, {"--reason", true}, {"--key", true}}, run_user_adjust},
	{"badge", "list", "", "the badges: how each is earned, what it pays, how many hold it", CTL_NEED_APP, 0, 0, {{0}}, run_badge_list},
	{"badge", "new",
	 "CODE --name-en TEXT --name-ru TEXT --about-en TEXT --about-ru TEXT [--xp N] [--coins N] [--when \"COUNTER >= N\"]",
	 "make a badge, earned by a counter or else granted", CTL_NEED_APP, 1, 1,
	 {{"--name-en", true}, {"--name-ru", true}, {"--about-en", true}, {"--about-ru", true}, {"--xp", true}, {"--coins", true},
	  {"--when", true}}, run_badge_new},
	{"badge", "grant", "CODE WHO", "give a badge and what it pays, once per person (WHO: PLATFORM:ID or ACCOUNT)",
	 CTL_NEED_APP, 2, 2, {{0}}, run_badge_grant},
	{"chat", "add", "PLATFORM:ID [--title TEXT]", "let a chat give activity", CTL_NEED_APP, 1, 1, {{"--title", true}}, run_chat_add},
	{"chat", "list", "", "the chats that are known", CTL_NEED_APP, 0, 0, {{0}}, run_chat_list},
	{"chat", "ignore", "PLATFORM:ID", "let a chat give no activity", CTL_NEED_APP, 1, 1, {{0}}, run_chat_ignore},
	{"chat", "announce", "PLATFORM:ID on|off [--language ru|en]", "tell a group of its members' new ranks", CTL_NEED_APP, 2, 2,
	 {{"--language", true}}, run_chat_announce},
	{"chat", "multiply", "PLATFORM:ID PERCENT", "weigh a chat's activity, 0 to 1000 percent", CTL_NEED_APP, 2, 2, {{0}}, run_chat_multiply},
	{"role", "map", "ROLE RANK [--guild ID]", "give a Discord role to who has a rank (\"E II\"), or any rank of a letter (E)",
	 CTL_NEED_APP, 2, 2, {{"--guild", true}}, run_role_map},
	{"role", "unmap", "ROLE [--guild ID]", "leave a Discord role alone; who holds it keeps it", CTL_NEED_APP, 1, 1, {{"--guild", true}},
	 run_role_unmap},
	{"role", "list", "", "the mapped roles, how many hold them, and what Discord refuses", CTL_NEED_APP, 0, 0, {{0}}, run_role_list},
	{"clock", NULL, "[+N | -N | N]", "show or set the development clock's offset in seconds", CTL_NEED_APP, 0, 1, {{0}}, run_clock},
	{"apikey", "new",
	 "NAME [--scope A,B,..] [--bot BOT] [--platform PLATFORM] [--trust full|counters] [--per-minute N|none] [--in-flight N]",
	 "make an API key; it is shown once", CTL_NEED_APP, 1, 1,
	 {{"--scope", true}, {"--bot", true}, {"--platform", true}, {"--trust", true}, {"--per-minute", true}, {"--in-flight", true}},
	 run_apikey_new},
	{"apikey", "list", "", "the API keys, without the keys, and how much they are used", CTL_NEED_APP, 0, 0, {{0}}, run_apikey_list},
	{"apikey", "usage", "NAME", "requests of a key by day and route, 30 days", CTL_NEED_APP, 1, 1, {{0}}, run_apikey_usage},
	{"apikey", "limit", "NAME [--per-minute N|none] [--in-flight N]", "change a key's limits", CTL_NEED_APP, 1, 1,
	 {{"--per-minute", true}, {"--in-flight", true}}, run_apikey_limit},
	{"apikey", "revoke", "NAME", "end an API key at once", CTL_NEED_APP, 1, 1, {{0}}, run_apikey_revoke},
	{"outbox", "list", "[--status STATUS | --events | --updates] [--limit N]",
	 "messages to people, never their words; or events that failed; or updates that could not be worked", CTL_NEED_APP, 0, 0,
	 {{"--status", true}, {"--limit", true}, {"--events", false}, {"--updates", false}}, run_outbox_list},
	{"outbox", "retry", "[--events] ID | --all", "send again what was given up; or apply events that stand aside", CTL_NEED_APP, 0, 1,
	 {{"--all", false}, {"--events", false}}, run_outbox_retry},
	{"board", "rebuild", "", "make the leaderboards anew from the balances and wait until they are whole", CTL_NEED_APP, 0, 0, {{0}},
	 run_board_rebuild},
	{"season", "close", "", "close the seasons that are over, unless a worker does, and wait until they are", CTL_NEED_APP, 0, 0, {{0}},
	 run_season_close},
	{"season", "list", "[--limit N]", "the seasons that are over, and what came of them", CTL_NEED_APP, 0, 0,
	 {{"--limit", true}}, run_season_list},
	{"verify", NULL, "[--quick]", "prove that the ledger adds up to every balance", CTL_NEED_APP, 0, 0, {{"--quick", false}}, run_verify},
	{"version", NULL, "", "print the version", CTL_NEED_NOTHING, 0, 0, {{0}}, run_version},
};

enum ctl_exit run_version(struct ctl *ctl)
{
	return ctl_object(ctl, json_set_str(json_object(), "version", STR(TRIVET_VERSION)));
}

static size_t option_index(const struct ctl_command *command, struct str name)
{
	for (size_t i = 0; i < CTL_OPTIONS_MAX && command->options[i].name != NULL; i++) {
		if (str_eq(name, str_from_z(command->options[i].name))) {
			return i;
		}
	}
	return SIZE_MAX;
}

bool ctl_given(const struct ctl *ctl, const char *option)
{
	return str_present(ctl_value(ctl, option));
}

struct str ctl_value(const struct ctl *ctl, const char *option)
{
	size_t index = option_index(ctl->command, str_from_z(option));
	assert(index != SIZE_MAX);
	return ctl->values[index];
}

static enum ctl_exit print_usage(FILE *to, enum ctl_exit answer)
{
	(void)fputs("usage: trivet COMMAND [--json]\n\n", to);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const char *verb = commands[i].verb;
		(void)fprintf(to, "  %s%s%s %s\n      %s\n", commands[i].name, verb != NULL ? " " : "", verb != NULL ? verb : "", commands[i].usage,
		              commands[i].summary);
	}
	return answer;
}

/* The row of the first words; *ret_used is how many they were. A row with a verb stands before the same name without one. */
static const struct ctl_command *find_command(const struct str *words, size_t count, size_t *ret_used)
{
	for (size_t i = 0; i < ARRAY_LEN(commands) && count > 0; i++) {
		const struct ctl_command *c = &commands[i];
		bool named = str_eq(words[0], str_from_z(c->name));
		if (named && (c->verb == NULL || (count > 1 && str_eq(words[1], str_from_z(c->verb))))) {
			*ret_used = c->verb == NULL ? 1 : 2;
			return c;
		}
	}
	return NULL;
}

/* "-5" is a word (a clock offset); every other leading dash is an option. */
static bool is_option(struct str arg)
{
	return arg.len > 1 && arg.ptr[0] == '-' && !(arg.ptr[1] >= '0' && arg.ptr[1] <= '9');
}

/* One option at args[*at], with its value when it takes one. */
static enum ctl_exit take_option(struct ctl *ctl, const struct str *args, size_t count, size_t *at)
{
	struct str value = args[*at];
	struct str name = str_split(&value, '=');
	size_t index = option_index(ctl->command, name);
	if (index == SIZE_MAX) {
		return ctl_misused(ctl, "there is no option " STR_FMT " here", STR_ARG(name));
	}
	bool takes = ctl->command->options[index].value;
	if (!takes && str_present(value)) {
		return ctl_misused(ctl, STR_FMT " takes no value", STR_ARG(name));
	}
	if (takes && !str_present(value)) {
		if (*at + 1 >= count) {
			return ctl_misused(ctl, STR_FMT " needs a value", STR_ARG(name));
		}
		value = args[++*at];
	}
	if (str_present(ctl->values[index])) {
		return ctl_misused(ctl, STR_FMT " stands twice", STR_ARG(name));
	}
	ctl->values[index] = takes ? value : STR("yes");
	return CTL_DONE;
}

static enum ctl_exit take_arguments(struct ctl *ctl, const struct str *args, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_option(args[i])) {
			enum ctl_exit taken = take_option(ctl, args, count, &i);
			if (taken != CTL_DONE) {
				return taken;
			}
		} else if (ctl->word_count == ctl->command->words_max) {
			return ctl_misused(ctl, "\"" STR_FMT "\" is one word too many", STR_ARG(args[i]));
		} else {
			ctl->words[ctl->word_count++] = args[i];
		}
	}
	return ctl->word_count < ctl->command->words_min ? ctl_misused(ctl, "a word is missing") : CTL_DONE;
}

enum status ctl_open(struct ctl *ctl, struct str *ret_error)
{
	struct app_options options = {.program = PROGRAM_CTL, .name = "trivet", .with_cache = false, .events_statement = SIZE_MAX};
	struct str error = STR("could not start");
	options.statements = store_statements(&options.statement_count);
	if (http_setup() != OK) {
		*ret_error = STR("could not start: libcurl cannot be initialised");
		return UNAVAILABLE;
	}
	enum status status = app_open(ctl->ctx.arena, &options, &ctl->app, &error);
	if (status != OK) {
		*ret_error = error;
		return status;
	}
	ctl->ctx.app = ctl->app;
	ctl->ctx.now = app_now(ctl->app);
	return OK;
}

static enum ctl_exit dispatch(struct ctl *ctl, const struct str *args, size_t count)
{
	size_t used = 0;
	ctl->command = find_command(args, count, &used);
	if (ctl->command == NULL) {
		return print_usage(stderr, CTL_USAGE);
	}
	enum ctl_exit answer = take_arguments(ctl, args + used, count - used);
	struct str error;
	if (answer == CTL_DONE && ctl->command->needs == CTL_NEED_APP && ctl_open(ctl, &error) != OK) {
		answer = ctl_fail(ctl, STR_FMT, STR_ARG(error));
	}
	if (answer == CTL_DONE) {
		ctl->ctx.deadline = clock_monotonic_us() + CTL_DEADLINE_US;
		answer = ctl->command->run(ctl);
	}
	if (ctl->app != NULL) {
		app_close(ctl->app);
	}
	return answer;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.wall_now = clock_wall_us(), .ctx = {.arena = arena_new(CTL_ARENA_LIMIT), .now = clock_wall_us()}};
	struct str *args = ctl.ctx.arena == NULL ? NULL : arena_array(ctl.ctx.arena, (size_t)argc, sizeof *args);
	if (args == NULL) {
		(void)fputs("trivet: out of memory\n", stderr);
		return CTL_FAILED;
	}

	size_t count = 0;
	for (int i = 1; i < argc; i++) {
		struct str arg = str_from_z(argv[i]);
		if (str_eq(arg, STR("--help")) || str_eq(arg, STR("help"))) {
			arena_free(ctl.ctx.arena);
			return (int)print_usage(stdout, CTL_DONE);
		}
		if (str_eq(arg, STR("--json"))) {
			ctl.json = true;
		} else {
			args[count++] = arg;
		}
	}
	json_setup();
	json_bind_arena(ctl.ctx.arena);
	enum ctl_exit answer = dispatch(&ctl, args, count);
	if (fflush(stdout) != 0 && answer == CTL_DONE) {
		answer = CTL_FAILED;
	}
	json_bind_arena(NULL);
	arena_free(ctl.ctx.arena);
	return (int)answer;
}
