/*
 * Registration with Discord: the body of the bulk overwrite, from the command table.
 */
#include "platform/discord/discord.h"

#include "command/command.h"

/* Source: "Application Command Option Type", "Interaction Context Types", "Application Integration Types". */
#define OPTION_STRING 3
#define COMMAND_CHAT_INPUT 1

/* English, with Russian beside it. */
static struct json *set_description(struct arena *arena, struct json *object, enum message message)
{
	struct str english = platform_label(arena, LANGUAGE_EN, message, DISCORD_DESCRIPTION_MAX);
	struct str russian = platform_label(arena, LANGUAGE_RU, message, DISCORD_DESCRIPTION_MAX);

	object = json_set_str(object, "description", english);
	return json_set(object, "description_localizations", json_set_str(json_object(), "ru", russian));
}

/* "ru en" as choices that are shown as they are typed. */
static struct json *choices_json(const char *words)
{
	struct str rest = str_from_z(words);
	struct json *choices = json_array();

	while (str_present(rest)) {
		struct str word = str_split(&rest, ' ');

		if (word.len > 0) {
			choices = json_append(choices, json_set_str(json_set_str(json_object(), "name", word), "value", word));
		}
	}
	return choices;
}

static struct json *option_json(struct arena *arena, const struct command_arg *arg)
{
	struct json *option = json_set_i64(json_object(), "type", OPTION_STRING);

	option = json_set_str(option, "name", str_from_z(arg->name));
	option = set_description(arena, option, arg->description);
	option = json_set_bool(option, "required", arg->required);
	if (arg->choices != NULL) {
		return json_set(option, "choices", choices_json(arg->choices));
	}
	return arg->max_points > 0 ? json_set_i64(option, "max_length", (int64_t)arg->max_points) : option;
}

/* Discord wants those that are required first. */
static struct json *options_json(struct arena *arena, const struct command *row)
{
	struct json *options = json_array();

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < row->arg_count; i++) {
			if (row->args[i].required == (pass == 0)) {
				options = json_append(options, option_json(arena, &row->args[i]));
			}
		}
	}
	return options;
}

static struct json *numbers_json(int64_t count)
{
	struct json *numbers = json_array();

	for (int64_t i = 0; i < count; i++) {
		numbers = json_append(numbers, json_i64(i));
	}
	return numbers;
}

static struct json *command_json(struct arena *arena, const struct command *row)
{
	struct json *command = json_set_i64(json_object(), "type", COMMAND_CHAT_INPUT);

	command = json_set_str(command, "name", str_from_z(row->name));
	command = set_description(arena, command, row->description);
	command = json_set(command, "options", options_json(arena, row));
	/* In servers, the bot's direct chat and other direct chats; installed to a server or to a person. */
	command = json_set(command, "contexts", numbers_json(3));
	return json_set(command, "integration_types", numbers_json(2));
}

struct str discord_commands(struct arena *arena)
{
	struct json *commands = json_array();
	size_t count = 0;
	const struct command *table = command_table(&count);

	for (size_t i = 0; i < count; i++) {
		const struct command *row = &table[i];

		if (row->kind == COMMAND_TYPED && (row->platforms & COMMAND_ON_DISCORD) != 0 && row->description != MESSAGE_NONE) {
			commands = json_append(commands, command_json(arena, row));
		}
	}
	return json_write(arena, commands);
}
