/*
 * From a webhook's bytes to a struct update.
 *
 * Three releases of the Bot API came in ten weeks, so unknown members and unknown kinds are normal: they are acknowledged and
 * ignored. What we do use must have its documented form, else the body is INVALID and set aside by the handler.
 */
#include "platform/telegram/telegram.h"

#include "base/utf.h"
#include "io/crypto.h"

/* Telegram's service account; forwards the posts of a linked channel into its group. */
#define TELEGRAM_SERVICE_USER 777000
/* Largest time that fits microseconds; 9999-12-31. */
#define DATE_MAX INT64_C(253402300799)
#define COMMAND_NAME_MAX 32
#define USERNAME_MAX 32
#define LANGUAGE_TAG_MAX 35
#define CALLBACK_ID_MAX 128

struct reading {
	struct arena *arena;
	const struct config_bot *bot;
	struct update *update;
};

enum status telegram_verify(const struct config_bot *bot, const struct rawreq *request)
{
	struct str secret;

	if (bot == NULL || str_empty(bot->secret.bytes)) {
		return DENIED;
	}
	if (rawreq_header_once(request, STR("X_TELEGRAM_BOT_API_SECRET_TOKEN"), &secret) != OK) {
		return DENIED;
	}
	return crypto_equal(secret, bot->secret.bytes) ? OK : DENIED;
}

static enum status read_actor(struct arena *arena, const struct json *from, struct person *ret_person)
{
	int64_t id;
	struct str first = platform_member(from, "first_name");
	struct str last = platform_member(from, "last_name");
	struct str name = first;

	if (json_get_i64(from, "id", 1, INT64_MAX, &id) != OK) {
		return INVALID;
	}
	if (!str_empty(last)) {
		name = str_printf(arena, STR_FMT " " STR_FMT, STR_ARG(first), STR_ARG(last));
	}
	*ret_person = (struct person){
		.platform = PLATFORM_TELEGRAM,
		.platform_id = id,
		.username = platform_shaped(platform_member(from, "username"), USERNAME_MAX, "_"),
		.name = platform_shown(arena, name),
		.language_hint = platform_shaped(platform_member(from, "language_code"), LANGUAGE_TAG_MAX, "-"),
	};
	return OK;
}

/* ret_place stays unset for channels and kinds of chat to come: nobody acts there. */
static enum status read_chat(const struct json *chat, int64_t *ret_chat_id, enum place *ret_place)
{
	static const struct {
		struct str type;
		enum place place;
	} places[] = {
		{STR_INIT("private"), PLACE_PRIVATE},
		{STR_INIT("group"), PLACE_GROUP},
		{STR_INIT("supergroup"), PLACE_GROUP},
	};
	struct str type;
	int64_t id;

	if (json_get_i64(chat, "id", INT64_MIN, INT64_MAX, &id) != OK || id == 0 || json_get_str(chat, "type", &type) != OK) {
		return INVALID;
	}
	*ret_chat_id = id;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (str_eq(type, places[i].type)) {
			*ret_place = places[i].place;
		}
	}
	return OK;
}

/* Date 0 is an inaccessible message; a missing one is no reason to refuse. */
static enum status read_date(const struct json *object, int64_t *ret_us)
{
	int64_t seconds;
	enum status status = json_get_i64(object, "date", 0, DATE_MAX, &seconds);

	if (status == OK) {
		*ret_us = seconds * SECOND_US;
	}
	return status == NOT_FOUND ? OK : status;
}

/* Sent in the name of a chat, or by a machine: nobody's words and nobody's command (domain.md, XP rates; pitfalls.md 3b). */
static bool has_no_person(const struct json *message, const struct person *actor)
{
	return platform_flag(json_get(message, "from"), "is_bot") || json_get(message, "sender_chat") != NULL ||
	       platform_flag(message, "is_automatic_forward") || actor->platform_id == TELEGRAM_SERVICE_USER;
}

/* forward_origin since Bot API 7.0; the others are its forerunners. */
static bool is_forwarded(const struct json *message)
{
	static const char *const marks[] = {"forward_origin", "forward_date", "forward_from", "forward_from_chat", "forward_sender_name"};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (json_get(message, marks[i]) != NULL) {
			return true;
		}
	}
	return false;
}

/* A person's message, as opposed to "X joined the group" and the like, which carry none of these. */
static bool has_content(const struct json *message)
{
	static const char *const contents[] = {
		"text",
		"caption",
		"animation",
		"audio",
		"document",
		"paid_media",
		"photo",
		"sticker",
		"story",
		"video",
		"voice",
		"contact",
		"video_note",
		"dice",
		"game",
		"location",
		"poll",
		"venue",
		"checklist",
		"rich_message",
	};

	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		if (json_get(message, contents[i]) != NULL) {
			return true;
		}
	}
	return false;
}

/*
 * The "/command@bot" at the start of a text. Entities are Telegram's own word for what is a command; a text without any is judged by
 * its slash. Offsets and lengths are UTF-16 units.
 */
static bool find_command(struct str text, const struct json *entities, struct str *ret_token)
{
	size_t end = 0;

	if (!str_starts(text, STR("/"))) {
		return false;
	}
	for (size_t i = 0; i < json_array_size(entities); i++) {
		const struct json *entity = json_array_at(entities, i);
		int64_t offset;
		int64_t length;

		if (str_eq(platform_member(entity, "type"), STR("bot_command")) && json_get_i64(entity, "offset", 0, 0, &offset) == OK &&
			json_get_i64(entity, "length", 2, INT32_MAX, &length) == OK) {
			return utf_from_units16(text, 0, (size_t)length, ret_token) == OK;
		}
	}
	if (json_array_size(entities) > 0) {
		return false;
	}
	while (end < text.len && !strchr(" \t\r\n\v\f", text.ptr[end])) {
		end++;
	}
	*ret_token = str_cut(text, 0, end);
	return true;
}

enum token_kind {
	TOKEN_UNSET = 0,
	TOKEN_TEXT, /* no form of a command: words like any other */
	TOKEN_OURS,
	TOKEN_OTHER, /* meant for another bot */
	TOKEN_COUNT
};

static enum token_kind read_token(const struct reading *r, struct str token, struct str *ret_name)
{
	struct str addressee = str_cut(token, 1, token.len);
	struct str name = platform_shaped(str_split(&addressee, '@'), COMMAND_NAME_MAX, "_");

	if (!str_present(name)) {
		return TOKEN_TEXT;
	}
	*ret_name = str_lower(r->arena, name);
	return str_present(addressee) && !str_eq_nocase(addressee, r->bot->username) ? TOKEN_OTHER : TOKEN_OURS;
}

/* Words that are no command: a text in private, a message that may count in a group. */
static void take_words(struct update *update, struct str text, bool content)
{
	update->text = str_present(text) ? text : STR("");
	if (update->place == PLACE_GROUP) {
		update->kind = content ? UPDATE_MESSAGE : UPDATE_IGNORED;
	} else {
		update->kind = str_empty(text) ? UPDATE_IGNORED : UPDATE_TEXT;
	}
}

static void read_words(struct reading *r, const struct json *message)
{
	struct update *update = r->update;
	bool caption = json_get(message, "text") == NULL;
	struct str text = platform_member(message, caption ? "caption" : "text");
	const struct json *entities = json_get(message, caption ? "caption_entities" : "entities");
	struct str token = STR_ABSENT;
	struct str name = STR_ABSENT;
	enum token_kind kind = TOKEN_TEXT;

	/* Another's command that somebody passes on runs nothing (pitfalls.md 3b). */
	if (!update->not_own_words && find_command(text, entities, &token)) {
		kind = read_token(r, token, &name);
	}
	/* In a private chat there is no other bot: the name after '@' is a slip. */
	if (kind == TOKEN_OTHER && update->place == PLACE_GROUP) {
		return;
	}
	if (kind == TOKEN_TEXT) {
		take_words(update, str_trim(text), has_content(message));
		return;
	}
	update->kind = UPDATE_COMMAND;
	update->command = name;
	update->text = str_trim(str_cut(text, token.len, text.len));
}

static enum status read_message(struct reading *r, const struct json *message)
{
	struct update *update = r->update;
	const struct json *from = json_get(message, "from");

	if (read_chat(json_get(message, "chat"), &update->chat_id, &update->place) != OK ||
		json_get_i64(message, "message_id", 0, INT64_MAX, &update->message_id) != OK ||
		read_date(message, &update->sent_at) != OK) {
		return INVALID;
	}
	if (from == NULL || update->place == PLACE_UNSET) {
		return OK;
	}
	if (read_actor(r->arena, from, &update->actor) != OK) {
		return INVALID;
	}
	if (has_no_person(message, &update->actor)) {
		return OK;
	}
	update->not_own_words = is_forwarded(message);
	read_words(r, message);
	return OK;
}

/*
 * A pressed button. Without a message (one sent inline) or in a channel others may read along, so the place is a group: the safe
 * reading. Without data (a game) there is no action, but the press must be acknowledged.
 */
static enum status read_callback(struct reading *r, const struct json *query)
{
	struct update *update = r->update;
	const struct json *from = json_get(query, "from");
	const struct json *message = json_get(query, "message");
	struct str id;

	if (json_get_str(query, "id", &id) != OK || id.len == 0 || id.len > CALLBACK_ID_MAX ||
		read_actor(r->arena, from, &update->actor) != OK) {
		return INVALID;
	}
	if (message != NULL && (read_chat(json_get(message, "chat"), &update->chat_id, &update->place) != OK ||
				       json_get_i64(message, "message_id", 0, INT64_MAX, &update->message_id) != OK)) {
		return INVALID;
	}
	if (update->place == PLACE_UNSET) {
		update->place = PLACE_GROUP;
	}
	update->callback_id = id;
	update->action = platform_member(query, "data");
	if (update->action.len > REPLY_ACTION_MAX) {
		update->action = STR_ABSENT;
	}
	update->kind = platform_flag(from, "is_bot") ? UPDATE_IGNORED : UPDATE_BUTTON;
	return OK;
}

/* In a private chat: the person blocked or unblocked the bot. Elsewhere it is about the bot's own membership. */
static enum status read_membership(struct reading *r, const struct json *change)
{
	struct update *update = r->update;
	struct str status = platform_member(json_get(change, "new_chat_member"), "status");

	if (read_chat(json_get(change, "chat"), &update->chat_id, &update->place) != OK || read_date(change, &update->sent_at) != OK) {
		return INVALID;
	}
	if (update->place != PLACE_PRIVATE) {
		return OK;
	}
	if (read_actor(r->arena, json_get(change, "from"), &update->actor) != OK) {
		return INVALID;
	}
	if (str_eq(status, STR("kicked"))) {
		update->kind = UPDATE_UNREACHABLE;
	} else if (str_eq(status, STR("member"))) {
		update->kind = UPDATE_REACHABLE;
	}
	return OK;
}

/* The kinds that we use; all others (edited_message among them) are ignored. */
static const struct {
	const char *name;
	enum status (*read)(struct reading *r, const struct json *value);
} kinds[] = {
	{"message", read_message},
	{"callback_query", read_callback},
	{"my_chat_member", read_membership},
};

enum status telegram_read(struct arena *arena, const struct config *config, struct str bot, struct str body, struct update *ret_update)
{
	struct update update = {.platform = PLATFORM_TELEGRAM, .kind = UPDATE_IGNORED, .bot = bot};
	struct reading reading = {.arena = arena, .bot = config_bot_by_name(config, bot), .update = &update};
	const struct json *root;
	int64_t update_id;
	enum status status = json_read(arena, body, &root);

	if (status != OK) {
		return status;
	}
	if (reading.bot == NULL || json_get_i64(root, "update_id", 0, INT64_MAX, &update_id) != OK) {
		return INVALID;
	}
	update.key = str_printf(arena, "telegram:" STR_FMT ":%lld", STR_ARG(bot), (long long)update_id);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct json *value = json_get(root, kinds[i].name);

		if (value != NULL && (!json_is_object(value) || kinds[i].read(&reading, value) != OK)) {
			return INVALID;
		}
		if (value != NULL) {
			break;
		}
	}
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_update = update;
	return OK;
}
