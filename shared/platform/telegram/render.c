/*
 * From a neutral reply to Bot API parameters. Escaping for Telegram happens here and nowhere else; the answer in a webhook's
 * response is executable (pitfalls.md 0.6), so its method is always one of the constants below.
 */
#include "platform/telegram/telegram.h"

#include "base/utf.h"

/* Buttons beside each other: a confirmation's two stand in one row. */
#define BUTTONS_PER_ROW 2

static struct str entity_of(char byte)
{
	switch (byte) {
	case '<':
		return STR("&lt;");
	case '>':
		return STR("&gt;");
	case '&':
		return STR("&amp;");
	case '"':
		return STR("&quot;");
	}
	return STR_ABSENT;
}

static void escape_html(struct buf *out, struct str s, bool in_code)
{
	size_t done = 0;

	(void)in_code;
	for (size_t i = 0; i < s.len; i++) {
		struct str entity = entity_of(s.ptr[i]);

		if (!str_empty(entity)) {
			buf_add(out, str_cut(s, done, i - done));
			buf_add(out, entity);
			done = i + 1;
		}
	}
	buf_add(out, str_cut(s, done, s.len));
}

const struct text_style telegram_style = {
	.bold_open = STR_INIT("<b>"),
	.bold_close = STR_INIT("</b>"),
	.italic_open = STR_INIT("<i>"),
	.italic_close = STR_INIT("</i>"),
	.code_open = STR_INIT("<code>"),
	.code_close = STR_INIT("</code>"),
	.escape = escape_html,
};

static const struct platform_limit text_limit = {PLATFORM_UNITS16, TELEGRAM_TEXT_MAX};

static struct json *set_style(struct json *button, enum reply_button_style style)
{
	switch (style) {
	case REPLY_STYLE_PRIMARY:
		return json_set_str(button, "style", STR("primary"));
	case REPLY_STYLE_DANGER:
		return json_set_str(button, "style", STR("danger"));
	case REPLY_STYLE_UNSET:
	case REPLY_STYLE_COUNT:
		break;
	}
	return button;
}

/* Sets *ret_left_out when the button's address is gone: then there is no button, and NULL is no failure. */
static struct json *button_json(struct arena *arena, const struct config *config, int64_t chat_id, enum language language,
	const struct reply *reply, const struct reply_button *from, bool *ret_left_out)
{
	struct str label = platform_button_label(arena, language, from, TELEGRAM_LABEL_MAX);
	struct json *button = json_set_str(json_object(), "text", label);
	struct str url = platform_button_url(arena, config, reply, from);

	*ret_left_out = str_empty(label) || from->target.len == 0;
	switch (from->kind) {
	case REPLY_BUTTON_ACTION:
		button = json_set_str(button, "callback_data", from->target);
		break;
	case REPLY_BUTTON_URL:
		*ret_left_out = *ret_left_out || str_empty(url) || url.len > TELEGRAM_URL_MAX;
		button = json_set_str(button, "url", url);
		break;
	case REPLY_BUTTON_WEB_APP:
		*ret_left_out = *ret_left_out || str_empty(url) || url.len > TELEGRAM_URL_MAX;
		/* Telegram opens web apps from private chats only; elsewhere the same page is a link. */
		if (chat_id > 0) {
			button = json_set(button, "web_app", json_set_str(json_object(), "url", url));
		} else {
			button = json_set_str(button, "url", url);
		}
		break;
	case REPLY_BUTTON_UNSET:
	case REPLY_BUTTON_COUNT:
		*ret_left_out = true;
		break;
	}
	return set_style(button, from->style);
}

/* The inline keyboard's rows; an empty array when the reply has no buttons. */
static struct json *keyboard(struct arena *arena, const struct config *config, int64_t chat_id, enum language language,
	const struct reply *reply)
{
	struct json *rows = json_array();
	struct json *row = NULL;
	size_t in_row = 0;

	for (size_t i = 0; i < reply->button_count; i++) {
		bool left_out = false;
		struct json *button = button_json(arena, config, chat_id, language, reply, &reply->buttons[i], &left_out);

		if (left_out) {
			continue;
		}
		if (in_row == 0) {
			row = json_array();
		}
		row = json_append(row, button);
		in_row++;
		if (in_row == BUTTONS_PER_ROW) {
			rows = json_append(rows, row);
			in_row = 0;
		}
	}
	return in_row > 0 ? json_append(rows, row) : rows;
}

static struct json *set_words(struct arena *arena, struct json *message, enum language language, const struct reply *reply, bool plain)
{
	struct str text = platform_text(arena, language, reply, plain ? &text_plain : &telegram_style, text_limit);

	if (str_empty(text)) {
		return NULL;
	}
	message = json_set_str(message, "text", text);
	if (!plain) {
		message = json_set_str(message, "parse_mode", STR("HTML"));
	}
	return json_set(message, "link_preview_options", json_set_bool(json_object(), "is_disabled", true));
}

static struct json *set_keyboard(struct arena *arena, const struct config *config, struct json *message, int64_t chat_id,
	enum language language, const struct reply *reply)
{
	struct json *rows = keyboard(arena, config, chat_id, language, reply);

	if (rows != NULL && json_array_size(rows) == 0) {
		return message;
	}
	return json_set(message, "reply_markup", json_set(json_object(), "inline_keyboard", rows));
}

struct json *telegram_message(struct arena *arena, const struct config *config, int64_t chat_id, enum language language,
	const struct reply *reply, bool plain)
{
	struct json *message = json_set_i64(json_object(), "chat_id", chat_id);

	message = set_words(arena, message, language, reply, plain);
	return set_keyboard(arena, config, message, chat_id, language, reply);
}

struct json *telegram_delete(int64_t chat_id, int64_t message_id)
{
	return json_set_i64(json_set_i64(json_object(), "chat_id", chat_id), "message_id", message_id);
}

static struct str as_call(struct arena *arena, const char *method, struct json *parameters)
{
	return json_write(arena, json_set_str(parameters, "method", str_from_z(method)));
}

static struct str acknowledge(struct arena *arena, const struct update *update)
{
	return as_call(arena, "answerCallbackQuery", json_set_str(json_object(), "callback_query_id", update->callback_id));
}

/* Where the reply may be read: a private one never goes into a group (platform.h). */
static int64_t chat_of(const struct update *update, const struct reply *reply)
{
	bool aside = update->chat_id == 0 || (reply->private && update->place == PLACE_GROUP);

	return aside ? update->actor.platform_id : update->chat_id;
}

static struct str send_message(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply)
{
	int64_t chat_id = chat_of(update, reply);
	struct json *message = telegram_message(arena, config, chat_id, language, reply, false);

	/* In a group it shall be seen whom we answer. */
	if (update->kind == UPDATE_COMMAND && update->place == PLACE_GROUP && chat_id == update->chat_id) {
		struct json *to = json_set_i64(json_object(), "message_id", update->message_id);

		message = json_set(message, "reply_parameters", json_set_bool(to, "allow_sending_without_reply", true));
	}
	return as_call(arena, "sendMessage", message);
}

static struct str edit_message(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply)
{
	struct json *message = telegram_delete(update->chat_id, update->message_id);

	message = set_words(arena, message, language, reply, false);
	return as_call(arena, "editMessageText", set_keyboard(arena, config, message, update->chat_id, language, reply));
}

/*
 * A line that fits the notice over the chat, which only the presser sees. Absent: too long, more than a line, has buttons or
 * a secret (a notice vanishes: a code must stay).
 */
static struct str as_notice(struct arena *arena, enum language language, const struct reply *reply)
{
	const struct platform_limit no_limit = {PLATFORM_UNITS16, SIZE_MAX};
	struct str text;

	if (reply->line_count != 1 || reply->button_count > 0 || reply->secret_count > 0) {
		return STR_ABSENT;
	}
	text = platform_text(arena, language, reply, &text_plain, no_limit);
	return utf_units16(text) > TELEGRAM_NOTICE_MAX || str_find(text, '\n') != SIZE_MAX ? STR_ABSENT : text;
}

/*
 * Only one call fits a response, so the one that shows the result is chosen; after an edit or a message the button's spinner ends by the
 * client's own clock.
 */
static struct str answer_button(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply)
{
	struct str notice = as_notice(arena, language, reply);
	bool would_leak = reply->private && update->place == PLACE_GROUP;
	struct json *call;

	if (reply->replace && update->message_id != 0 && update->chat_id != 0 && !would_leak) {
		return edit_message(arena, config, update, language, reply);
	}
	if (!str_present(notice)) {
		return send_message(arena, config, update, language, reply);
	}
	call = json_set_str(json_object(), "callback_query_id", update->callback_id);
	return as_call(arena, "answerCallbackQuery", json_set_str(call, "text", notice));
}

struct str telegram_answer(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply)
{
	bool says = platform_says(reply);

	switch (update->kind) {
	case UPDATE_COMMAND:
	case UPDATE_TEXT:
	case UPDATE_MESSAGE: /* a chat that does not count is told once */
		return says ? send_message(arena, config, update, language, reply) : STR_ABSENT;
	case UPDATE_BUTTON:
		return says ? answer_button(arena, config, update, language, reply) : acknowledge(arena, update);
	case UPDATE_UNSET:
	case UPDATE_IGNORED:
	case UPDATE_PING:
	case UPDATE_FORM:
	case UPDATE_AUTOCOMPLETE:
	case UPDATE_REACHABLE:
	case UPDATE_UNREACHABLE:
	case UPDATE_COUNT:
		break;
	}
	return STR_ABSENT;
}
