/* The table: commands.def as rows. */
#include "command/handlers.h"

/* A row without policy does not compile, nor one whose access is a kind that run_row() does not ask for: so far all are anyone's. */
#define COMMAND(name, platforms, place, access, effect, rate, answer, menu, args, run, leaked) \
	_Static_assert((platforms) != 0 && (place) != COMMAND_PLACE_UNSET && (access) == COMMAND_ANYONE && \
	               (effect) != COMMAND_EFFECT_UNSET && (rate) != COMMAND_RATE_UNSET && (answer) != COMMAND_ANSWER_UNSET && \
	               (menu) != MESSAGE_NONE, "a column of command " #name " is unset or not enforced");
#define ACTION(name, place, access, effect, rate, run) \
	_Static_assert((place) != COMMAND_PLACE_UNSET && (access) == COMMAND_ANYONE && (effect) != COMMAND_EFFECT_UNSET && \
	               (rate) != COMMAND_RATE_UNSET, "a column of action " #name " is unset or not enforced");
#include "command/commands.def"
#undef COMMAND
#undef ACTION

#define NO_ARGS .arg_count = 0
#define ARGS(count, ...) .arg_count = (count), .args = {__VA_ARGS__}

static const struct command table[] = {
#define COMMAND(n, on, where, who, what, often, when, menu, arguments, function, leak) \
	{.name = #n, .kind = COMMAND_TYPED, .platforms = (on), .place = (where), .access = (who), .effect = (what), .rate = (often), \
	 .answer = (when), .description = (menu), arguments, .run = (function), .leaked = (leak)},
#define ACTION(n, where, who, what, often, function) \
	{.name = #n, .kind = COMMAND_ACTION, .platforms = COMMAND_ON_CHATS, .place = (where), .access = (who), .effect = (what), \
	 .rate = (often), .answer = COMMAND_AT_ONCE, .run = (function)},
#include "command/commands.def"
#undef COMMAND
#undef ACTION
};

const struct command *command_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(table);
	return table;
}

static const struct command *find(enum command_kind kind, struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].kind == kind && str_eq(name, str_from_z(table[i].name))) {
			return &table[i];
		}
	}
	return NULL;
}

const struct command *command_find(enum platform platform, struct str name)
{
	const struct command *row = find(COMMAND_TYPED, name);

	return row != NULL && (row->platforms & (1 << platform)) != 0 ? row : NULL;
}

const struct command *command_find_action(struct str verb)
{
	return find(COMMAND_ACTION, verb);
}
