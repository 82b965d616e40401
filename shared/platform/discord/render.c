/*
 * From a neutral reply to interaction responses and messages. Escaping for Discord happens here and nowhere else. Every body that
 * carries words says that nobody is mentioned (pitfalls.md 3b, mention injection).
 */
#include "platform/discord/discord.h"

#include <assert.h>

#define BUTTONS_PER_ROW 5

/* Source: "Interaction Callback Type". */
enum callback_type {
	CALLBACK_PONG = 1,
	CALLBACK_MESSAGE = 4,
	CALLBACK_DEFERRED_MESSAGE = 5,
	CALLBACK_DEFERRED_UPDATE = 6,
	CALLBACK_UPDATE_MESSAGE = 7,
	CALLBACK_AUTOCOMPLETE = 8,
	CALLBACK_MODAL = 9
};

/* Source: "Button Styles". */
enum button_style {
	BUTTON_PRIMARY = 1,
	BUTTON_SECONDARY = 2,
	BUTTON_DANGER = 4,
	BUTTON_LINK = 5
};

/* Source: "Text Input Styles". */
enum input_style {
	INPUT_SHORT = 1,
	INPUT_PARAGRAPH = 2
};

/* Whether nothing but spaces, and before them digits if `digits`, stands between the last line feed and the end of `out`. */
static bool at_line_start(const struct buf *out, bool digits)
{
	size_t at = out->failed ? 0 : out->len;
	size_t end = at;

	while (digits && at > 0 && out->ptr[at - 1] >= '0' && out->ptr[at - 1] <= '9') {
		at--;
	}
	if (digits && at == end) {
		return false;
	}
	while (at > 0 && out->ptr[at - 1] == ' ') {
		at--;
	}
	return at == 0 || out->ptr[at - 1] == '\n';
}

/*
 * Where a character can begin markup, a mention, an emoji or a link. With '[' and '<' escaped everywhere, '(' and '>' inside a line are
 * harmless. Source: Discord's "Markdown Text 101" and the rules of its parser.
 */
static bool begins_markup(const struct buf *out, struct str s, size_t at)
{
	switch (s.ptr[at]) {
	case '\\':
	case '*':
	case '_':
	case '~':
	case '`':
	case '|':
	case '[':
	case ']':
	case '<':
	case '@':
		return true;
	case '#':
	case '-':
	case '+':
	case '>':
		return at_line_start(out, false);
	case '.':
		return at_line_start(out, true);
	case ':':
		/* ":name:" and "http://"; at the end of s it is not known what follows. */
		return at + 1 == s.len || (s.ptr[at + 1] != ' ' && s.ptr[at + 1] != '\n');
	default:
		return false;
	}
}

/*
 * Discord drops a backslash before any character that is no letter, digit or space. In a code span nothing can be escaped: only the
 * backtick matters and becomes its look-alike.
 */
static void escape_markdown(struct buf *out, struct str s, bool in_code)
{
	for (size_t i = 0; i < s.len; i++) {
		if (in_code && s.ptr[i] == '`') {
			buf_add(out, STR("\xCB\x8B"));
			continue;
		}
		if (!in_code && begins_markup(out, s, i)) {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, s.ptr[i]);
	}
}

const struct text_style discord_style = {
	.bold_open = STR_INIT("**"),
	.bold_close = STR_INIT("**"),
	.italic_open = STR_INIT("*"),
	.italic_close = STR_INIT("*"),
	.code_open = STR_INIT("`"),
	.code_close = STR_INIT("`"),
	.escape = escape_markdown,
};

static int64_t style_of(const struct reply_button *button)
{
	if (button->kind != REPLY_BUTTON_ACTION) {
		return BUTTON_LINK;
	}
	switch (button->style) {
	case REPLY_STYLE_PRIMARY:
		return BUTTON_PRIMARY;
	case REPLY_STYLE_DANGER:
		return BUTTON_DANGER;
	case REPLY_STYLE_UNSET:
	case REPLY_STYLE_COUNT:
		break;
	}
	return BUTTON_SECONDARY;
}

/* Sets *ret_left_out when the button's address is gone: then there is no button, and NULL is no failure. */
static struct json *button_json(struct arena *arena, const struct config *config, enum language language, const struct reply *reply,
	const struct reply_button *from, bool *ret_left_out)
{
	bool action = from->kind == REPLY_BUTTON_ACTION;
	struct str target = action ? from->target : platform_button_url(arena, config, reply, from);
	struct str label = platform_button_label(arena, language, from, DISCORD_LABEL_MAX);
	struct json *button = json_set_i64(json_object(), "type", DISCORD_BUTTON);

	*ret_left_out = str_empty(target) || str_empty(label) || target.len > DISCORD_URL_MAX;
	button = json_set_i64(button, "style", style_of(from));
	button = json_set_str(button, "label", label);
	return json_set_str(button, action ? "custom_id" : "url", target);
}

static struct json *row_json(struct json *buttons)
{
	return json_set(json_set_i64(json_object(), "type", DISCORD_ACTION_ROW), "components", buttons);
}

static struct json *components_json(struct arena *arena, const struct config *config, enum language language, const struct reply *reply)
{
	struct json *rows = json_array();
	struct json *buttons = NULL;
	size_t in_row = 0;

	for (size_t i = 0; i < reply->button_count; i++) {
		bool left_out = false;
		struct json *button = button_json(arena, config, language, reply, &reply->buttons[i], &left_out);

		if (left_out) {
			continue;
		}
		if (in_row == 0) {
			buttons = json_array();
		}
		buttons = json_append(buttons, button);
		in_row++;
		if (in_row == BUTTONS_PER_ROW) {
			rows = json_append(rows, row_json(buttons));
			in_row = 0;
		}
	}
	return in_row > 0 ? json_append(rows, row_json(buttons)) : rows;
}

static struct json *message_json(struct str content, struct json *components)
{
	struct json *nobody = json_set(json_object(), "parse", json_array());
	struct json *message = json_set_str(json_object(), "content", content);

	return json_set(json_set(message, "components", components), "allowed_mentions", nobody);
}

struct json *discord_message(struct arena *arena, const struct config *config, enum language language, const struct reply *reply)
{
	static const struct platform_limit limit = {PLATFORM_POINTS, DISCORD_TEXT_MAX};
	struct str content;

	if (!platform_says(reply)) {
		return message_json(STR("\xE2\x9C\x85"), json_array());
	}
	content = platform_text(arena, language, reply, &discord_style, limit);
	if (!str_present(content)) {
		return NULL;
	}
	return message_json(str_empty(content) ? STR("\xE2\x9C\x85") : content, components_json(arena, config, language, reply));
}

static struct str callback(struct arena *arena, enum callback_type type, struct json *data)
{
	return json_write(arena, json_set(json_set_i64(json_object(), "type", type), "data", data));
}

static struct str callback_bare(struct arena *arena, enum callback_type type)
{
	return json_write(arena, json_set_i64(json_object(), "type", type));
}

/* A new message; one that says nothing is for its person only. */
static struct str say(struct arena *arena, const struct config *config, enum language language, const struct reply *reply)
{
	struct json *message = discord_message(arena, config, language, reply);

	if (!platform_says(reply) || reply->private) {
		message = json_set_i64(message, "flags", DISCORD_FLAG_EPHEMERAL);
	}
	return callback(arena, CALLBACK_MESSAGE, message);
}

static struct str open_modal(struct arena *arena, enum language language, const struct reply_form *form)
{
	int64_t max = form->max_points > 0 && form->max_points < DISCORD_INPUT_MAX ? form->max_points : DISCORD_INPUT_MAX;
	struct json *input = json_set_i64(json_object(), "type", DISCORD_TEXT_INPUT);
	struct json *label = json_set_i64(json_object(), "type", DISCORD_LABEL);
	struct json *modal = json_set_str(json_object(), "custom_id", form->action);

	input = json_set_str(input, "custom_id", form->field);
	input = json_set_i64(input, "style", form->paragraph ? INPUT_PARAGRAPH : INPUT_SHORT);
	input = json_set_i64(input, "max_length", max);
	input = json_set_bool(input, "required", true);
	label = json_set_str(label, "label", platform_label(arena, language, form->label, DISCORD_MODAL_TITLE_MAX));
	label = json_set(label, "component", input);
	modal = json_set_str(modal, "title", platform_label(arena, language, form->title, DISCORD_MODAL_TITLE_MAX));
	modal = json_set(modal, "components", json_append(json_array(), label));
	return callback(arena, CALLBACK_MODAL, modal);
}

static bool is_form(const struct reply *reply)
{
	return reply != NULL && str_present(reply->form.field);
}

/*
 * An answer to a press on a message, or to a form that such a press opened. What others must not read never replaces a message that
 * they see: it is said to the person alone.
 */
static struct str answer_message(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply)
{
	if (!platform_says(reply)) {
		return callback_bare(arena, CALLBACK_DEFERRED_UPDATE);
	}
	if (reply->replace && !(reply->private && update->place == PLACE_GROUP)) {
		return callback(arena, CALLBACK_UPDATE_MESSAGE, discord_message(arena, config, language, reply));
	}
	return say(arena, config, language, reply);
}

static struct str not_ours(struct arena *arena, const struct config *config, enum language language)
{
	struct reply *reply = reply_new(arena);

	if (reply == NULL) {
		return STR_ABSENT;
	}
	reply->private = true;
	reply_say(reply, MSG_NOT_OURS, NULL, 0);
	return say(arena, config, language, reply);
}

struct str discord_answer(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply)
{
	switch (update->kind) {
	case UPDATE_PING:
		return callback_bare(arena, CALLBACK_PONG);
	case UPDATE_AUTOCOMPLETE:
		return callback(arena, CALLBACK_AUTOCOMPLETE, json_set(json_object(), "choices", json_array()));
	case UPDATE_COMMAND:
		return is_form(reply) ? open_modal(arena, language, &reply->form) : say(arena, config, language, reply);
	case UPDATE_BUTTON:
		return is_form(reply) ? open_modal(arena, language, &reply->form) : answer_message(arena, config, update, language, reply);
	case UPDATE_FORM:
		/* A form cannot answer a form; without a message there is nothing to change. */
		if (update->message_id == 0) {
			return say(arena, config, language, reply);
		}
		return answer_message(arena, config, update, language, reply);
	case UPDATE_IGNORED:
		/* An interaction is always answered, else the person reads that the application failed. */
		return str_present(update->interaction_token) ? not_ours(arena, config, language) : STR_ABSENT;
	case UPDATE_UNSET:
	case UPDATE_TEXT:
	case UPDATE_MESSAGE:
	case UPDATE_REACHABLE:
	case UPDATE_UNREACHABLE:
	case UPDATE_COUNT:
		break;
	}
	return STR_ABSENT;
}

struct str discord_deferred(struct arena *arena, bool ephemeral)
{
	if (!ephemeral) {
		return callback_bare(arena, CALLBACK_DEFERRED_MESSAGE);
	}
	return callback(arena, CALLBACK_DEFERRED_MESSAGE, json_set_i64(json_object(), "flags", DISCORD_FLAG_EPHEMERAL));
}
