/*
 * Registration with Telegram: the menu of commands, from the command table.
 */
#include "platform/telegram/telegram.h"

#include "command/command.h"

/* Source: platforms.md 1.5. */
#define DESCRIPTION_MAX 256

struct str telegram_commands(struct arena *arena, enum language language)
{
	enum language spoken = language == LANGUAGE_UNSET ? LANGUAGE_EN : language;
	struct json *commands = json_array();
	struct json *body = json_object();
	size_t count = 0;
	const struct command *table = command_table(&count);

	for (size_t i = 0; i < count; i++) {
		const struct command *row = &table[i];

		if (row->kind != COMMAND_TYPED || (row->platforms & COMMAND_ON_TELEGRAM) == 0 || row->description == MESSAGE_NONE) {
			continue;
		}
		struct json *command = json_set_str(json_object(), "command", str_from_z(row->name));
		struct str description = platform_label(arena, spoken, row->description, DESCRIPTION_MAX);

		commands = json_append(commands, json_set_str(command, "description", description));
	}
	body = json_set(body, "commands", commands);
	if (language != LANGUAGE_UNSET) {
		body = json_set_str(body, "language_code", language_code(language));
	}
	return json_write(arena, body);
}
