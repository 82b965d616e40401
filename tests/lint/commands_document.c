/*
 * commands_document - writes docs/COMMANDS.md from the command table: what people can type, and the policy of each row.
 *
 * A program of the house, not of the product: nothing at run time needs this text. `make docs` runs it, `make lint` compares.
 */
#include <stdio.h>

#include "command/command.h"
#include "core/text.h"

static const char *const place_words[COMMAND_PLACE_COUNT] = {
	[COMMAND_PLACE_UNSET] = "?",
	[COMMAND_ANYWHERE] = "in the open",
	[COMMAND_PRIVATELY] = "privately",
	[COMMAND_PRIVATE_KILLS] = "privately; a code typed in a group is killed",
};
static const char *const access_words[COMMAND_ACCESS_COUNT] = {[COMMAND_ACCESS_UNSET] = "?", [COMMAND_ANYONE] = "anyone"};
static const char *const effect_words[COMMAND_EFFECT_COUNT] = {
	[COMMAND_EFFECT_UNSET] = "?", [COMMAND_READ] = "reads", [COMMAND_ONCE] = "once"};
static const char *const rate_words[COMMAND_RATE_COUNT] = {
	[COMMAND_RATE_UNSET] = "?", [COMMAND_RATE_LIGHT] = "30 a minute", [COMMAND_RATE_HEAVY] = "10 a minute"};
static const char *const answer_words[COMMAND_ANSWER_COUNT] = {
	[COMMAND_ANSWER_UNSET] = "?", [COMMAND_AT_ONCE] = "at once", [COMMAND_DEFERRED] = "deferred"};

static void write_text(struct str text)
{
	(void)fwrite(text.ptr, 1, text.len, stdout);
}

static const char *platform_words(int platforms)
{
	return platforms == COMMAND_ON_CHATS ? "both" : platforms == COMMAND_ON_TELEGRAM ? "Telegram" : "Discord";
}

static void write_typed(const struct command *command)
{
	(void)printf("| /%s", command->name);
	for (size_t i = 0; i < command->arg_count; i++) {
		const struct command_arg *arg = &command->args[i];
		(void)printf(arg->required ? " %s" : " [%s]", arg->name);
	}
	(void)printf(" | ");
	write_text(message_template(LANGUAGE_EN, command->description));
	(void)printf(" | ");
	write_text(message_template(LANGUAGE_RU, command->description));
	(void)printf(" | %s | %s | %s | %s | %s | %s |\n", platform_words(command->platforms), place_words[command->place],
	             access_words[command->access], effect_words[command->effect], rate_words[command->rate], answer_words[command->answer]);
}

static void write_arguments(const struct command *table, size_t count)
{
	(void)printf("\n## Arguments\n\n| command | argument | must be given | what | accepted | longest | example |\n"
	             "|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < count; i++) {
		for (size_t a = 0; a < table[i].arg_count; a++) {
			const struct command_arg *arg = &table[i].args[a];
			(void)printf("| /%s | %s | %s | ", table[i].name, arg->name, arg->required ? "yes" : "no");
			/* A payload that only links carry has no words of its own. */
			write_text(arg->description == MSG_PLAIN ? STR("") : message_template(LANGUAGE_EN, arg->description));
			(void)printf(" | %s | %zu | %s |\n", arg->choices != NULL ? arg->choices : "text", arg->max_points, arg->example);
		}
	}
}

static void write_action(const struct command *command)
{
	(void)printf("| %s | %s | %s | %s | %s |\n", command->name, place_words[command->place], access_words[command->access],
	             effect_words[command->effect], rate_words[command->rate]);
}

static void write_kind(const struct command *table, size_t count, enum command_kind kind, void (*write_row)(const struct command *))
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].kind == kind) {
			write_row(&table[i]);
		}
	}
}

int main(void)
{
	size_t count = 0;
	const struct command *table = command_table(&count);

	(void)printf("# Commands\n\n<!-- Written by `make docs` from shared/command/commands.def: do not edit. -->\n\n"
	             "What people type to the bots, in the order of the menus. *Once*: however often the platform repeats an update, the\n"
	             "effect happens once and the same answer is given. *Privately*: only the person sees the answer on Discord; in a\n"
	             "Telegram group it is a pointer to the private chat.\n\n"
	             "| command | English menu | Russian menu | platforms | answered | who | effect | at most | answer |\n"
	             "|---|---|---|---|---|---|---|---|---|\n");
	write_kind(table, count, COMMAND_TYPED, write_typed);
	write_arguments(table, count);
	(void)printf("\n## Buttons and forms\n\nWhat a button or a form sends, as `name:argument`; nobody types these.\n\n"
	             "| action | answered | who | effect | at most |\n|---|---|---|---|---|\n");
	write_kind(table, count, COMMAND_ACTION, write_action);
	return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 1;
}
