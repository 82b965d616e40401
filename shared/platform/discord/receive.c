/*
 * From a signed body to a struct update: interactions and webhook events.
 *
 * Real payloads differ from the documents in small ways (numbers as strings, members missing), which are tolerated where the meaning
 * is clear. What we need must be there, else the body is INVALID.
 */
#include "platform/discord/discord.h"

#include "base/parse.h"
#include "io/crypto.h"

#define SIGNATURE_BYTES 64
#define TIMESTAMP_DIGITS_MAX 20
/* Our own rule; Discord documents no window (platforms.md 2.1). */
#define TIMESTAMP_AGE_MAX_S 300
/* Far beyond any date, and times a million still an int64. */
#define TIMESTAMP_MAX_S INT64_C(1000000000000)
/* A snowflake's upper bits are milliseconds since 2015. Source: "Snowflake IDs". */
#define SNOWFLAKE_EPOCH_MS INT64_C(1420070400000)
#define SNOWFLAKE_SHIFT 22
#define TOKEN_MAX 1024
#define USERNAME_MAX 32
#define LOCALE_MAX 35
#define NAME_MAX_BYTES 128
#define EVENT_WORD_MAX 64
/* A modal has at most five components. */
#define MODAL_COMPONENTS_MAX 5

enum interaction_type {
	INTERACTION_PING = 1,
	INTERACTION_COMMAND = 2,
	INTERACTION_COMPONENT = 3,
	INTERACTION_AUTOCOMPLETE = 4,
	INTERACTION_MODAL = 5
};

/* The only kind of application command that is typed. */
#define COMMAND_CHAT_INPUT 1
/* Option types 1 and 2 hold other options. We register none. */
#define OPTION_GROUP_MAX 2

#define CONTEXT_GUILD 0
#define CONTEXT_BOT_DM 1

enum status discord_verify(struct arena *arena, const unsigned char key[32], const struct rawreq *request, int64_t wall_now)
{
	unsigned char signature[SIGNATURE_BYTES];
	struct str hex;
	struct str timestamp;
	int64_t seconds;
	int64_t age;
	struct buf signed_bytes;

	if (rawreq_header_once(request, STR("X_SIGNATURE_ED25519"), &hex) != OK ||
		rawreq_header_once(request, STR("X_SIGNATURE_TIMESTAMP"), &timestamp) != OK) {
		return DENIED;
	}
	if (parse_hex(hex, signature, sizeof signature) != OK || timestamp.len > TIMESTAMP_DIGITS_MAX ||
		parse_i64(timestamp, 0, TIMESTAMP_MAX_S, &seconds) != OK) {
		return DENIED;
	}
	age = wall_now - seconds * SECOND_US;
	if (age > TIMESTAMP_AGE_MAX_S * SECOND_US || age < -TIMESTAMP_AGE_MAX_S * SECOND_US) {
		return DENIED;
	}
	signed_bytes = buf_init(arena, timestamp.len + request->body.len);
	buf_add(&signed_bytes, timestamp);
	buf_add(&signed_bytes, request->body);
	if (!str_present(buf_str(&signed_bytes))) {
		return TOO_LARGE;
	}
	return crypto_ed25519_verify(key, signature, buf_str(&signed_bytes));
}

/* An integer, also one written as a string: seen in real payloads (platforms.md 2.2). */
static enum status small_number(const struct json *object, const char *name, int64_t *ret_value)
{
	struct str digits;

	if (json_get_str(object, name, &digits) == OK) {
		return parse_i64(digits, 0, INT32_MAX, ret_value) == OK ? OK : INVALID;
	}
	return json_get_i64(object, name, 0, INT32_MAX, ret_value);
}

/* An id that may be missing, but not be malformed. */
static enum status optional_id(const struct json *object, const char *name, int64_t *ret_id)
{
	enum status status = json_get_id(object, name, ret_id);

	return status == NOT_FOUND ? OK : status;
}

static enum status read_user(struct arena *arena, const struct json *user, struct str locale, struct person *ret_person)
{
	int64_t id;
	struct str username = platform_member(user, "username");
	struct str name = platform_shown(arena, platform_member(user, "global_name"));

	if (json_get_id(user, "id", &id) != OK) {
		return INVALID;
	}
	*ret_person = (struct person){
		.platform = PLATFORM_DISCORD,
		.platform_id = id,
		.username = platform_shaped(username, USERNAME_MAX, "_."),
		.name = str_present(name) ? name : platform_shown(arena, username),
		.language_hint = platform_shaped(locale, LOCALE_MAX, "-"),
	};
	return OK;
}

/*
 * Others may read along unless it is known that they do not: the bot's own direct chat, or a button on a message that only the
 * person sees. Group direct chats (context 2) and whatever comes later are groups.
 */
static enum place read_place(const struct json *root)
{
	int64_t context;
	int64_t flags = 0;
	bool guild = json_get(root, "guild_id") != NULL || json_get(root, "member") != NULL;

	if (json_get_i64(json_get(root, "message"), "flags", 0, INT64_MAX, &flags) == OK && (flags & DISCORD_FLAG_EPHEMERAL) != 0) {
		return PLACE_PRIVATE;
	}
	if (small_number(root, "context", &context) == OK) {
		return context == CONTEXT_BOT_DM ? PLACE_PRIVATE : PLACE_GROUP;
	}
	return guild ? PLACE_GROUP : PLACE_PRIVATE;
}

static enum status add_option(struct update *update, struct str name, struct str value, bool focused)
{
	if (name.len == 0 || name.len > NAME_MAX_BYTES || update->option_count == UPDATE_OPTIONS_MAX) {
		return INVALID;
	}
	update->options[update->option_count++] = (struct update_option){.name = name, .value = value, .focused = focused};
	return OK;
}

/* Strings (ids too), integers and booleans as text; absent for a fraction, which none of our commands takes. */
static struct str option_value(struct arena *arena, const struct json *option)
{
	struct str text;
	int64_t number;
	bool flag;

	if (json_get_str(option, "value", &text) == OK) {
		return text;
	}
	if (json_get_i64(option, "value", INT64_MIN, INT64_MAX, &number) == OK) {
		return str_printf(arena, "%lld", (long long)number);
	}
	if (json_get_bool(option, "value", &flag) == OK) {
		return flag ? STR("true") : STR("false");
	}
	return STR_ABSENT;
}

static enum status read_options(struct arena *arena, const struct json *options, struct update *update)
{
	for (size_t i = 0; i < json_array_size(options); i++) {
		const struct json *option = json_array_at(options, i);
		struct str value = option_value(arena, option);
		int64_t type = 0;

		if (small_number(option, "type", &type) == OK && type > 0 && type <= OPTION_GROUP_MAX) {
			return INVALID;
		}
		if (!str_present(value)) {
			continue;
		}
		if (add_option(update, platform_member(option, "name"), value, platform_flag(option, "focused")) != OK) {
			return INVALID;
		}
	}
	return OK;
}

static enum status read_command(struct arena *arena, const struct json *data, enum update_kind kind, struct update *update)
{
	struct str name;
	int64_t type = COMMAND_CHAT_INPUT;
	enum status status = small_number(data, "type", &type);

	if (json_get_str(data, "name", &name) != OK || name.len == 0 || name.len > NAME_MAX_BYTES || status == INVALID) {
		return INVALID;
	}
	if (type != COMMAND_CHAT_INPUT) {
		return OK;
	}
	update->kind = kind;
	update->command = str_lower(arena, name);
	return read_options(arena, json_get(data, "options"), update);
}

/* What we wrote into custom_id; a longer one is not ours and stays absent. */
static enum status read_action(const struct json *data, enum update_kind kind, struct update *update)
{
	struct str custom_id;

	if (json_get_str(data, "custom_id", &custom_id) != OK) {
		return INVALID;
	}
	update->kind = kind;
	update->action = custom_id.len <= REPLY_ACTION_MAX ? custom_id : STR_ABSENT;
	return OK;
}

static enum status add_input(struct update *update, const struct json *input)
{
	int64_t type = 0;
	struct str value = platform_member(input, "value");

	if (small_number(input, "type", &type) != OK || type != DISCORD_TEXT_INPUT || !str_present(value)) {
		return OK;
	}
	return add_option(update, platform_member(input, "custom_id"), value, false);
}

/* A text input lies in a Label (18) or in the older ActionRow (1); both are in use (platforms.md 2.2). */
static enum status read_modal(const struct json *data, struct update *update)
{
	const struct json *components = json_get(data, "components");
	enum status status = read_action(data, UPDATE_FORM, update);

	if (json_array_size(components) > MODAL_COMPONENTS_MAX) {
		return INVALID;
	}
	for (size_t i = 0; i < json_array_size(components) && status == OK; i++) {
		const struct json *component = json_array_at(components, i);
		const struct json *row = json_get(component, "components");

		status = add_input(update, json_get(component, "component"));
		for (size_t j = 0; j < json_array_size(row) && status == OK; j++) {
			status = add_input(update, json_array_at(row, j));
		}
	}
	return status;
}

static enum status read_data(struct arena *arena, int64_t type, const struct json *data, struct update *update)
{
	switch (type) {
	case INTERACTION_COMMAND:
		return read_command(arena, data, UPDATE_COMMAND, update);
	case INTERACTION_AUTOCOMPLETE:
		return read_command(arena, data, UPDATE_AUTOCOMPLETE, update);
	case INTERACTION_COMPONENT:
		return read_action(data, UPDATE_BUTTON, update);
	case INTERACTION_MODAL:
		return read_modal(data, update);
	default:
		return OK;
	}
}

/* The members that every interaction has. A PING needs none of them. */
static enum status read_head(struct arena *arena, const struct config *config, const struct json *root, bool ping, struct update *update)
{
	int64_t id = 0;
	enum status id_status = json_get_id(root, "id", &id);
	enum status application_status = json_get_id(root, "application_id", &update->application_id);
	enum status token_status = json_get_str(root, "token", &update->interaction_token);
	struct str token = update->interaction_token;

	if (application_status == OK && update->application_id != config->discord_application_id) {
		return INVALID;
	}
	if (!ping && (id_status != OK || application_status != OK || token_status != OK || token.len == 0 || token.len > TOKEN_MAX)) {
		return INVALID;
	}
	update->key = str_printf(arena, "discord:%lld", (long long)id);
	update->sent_at = id > 0 ? ((id >> SNOWFLAKE_SHIFT) + SNOWFLAKE_EPOCH_MS) * 1000 : 0;
	return OK;
}

static enum status read_interaction(struct arena *arena, const struct json *root, int64_t type, struct update *update)
{
	const struct json *member = json_get(root, "member");
	const struct json *user = json_get(member != NULL ? member : root, "user");

	update->place = read_place(root);
	if (read_user(arena, user, platform_member(root, "locale"), &update->actor) != OK ||
		optional_id(root, "channel_id", &update->chat_id) != OK ||
		optional_id(json_get(root, "message"), "id", &update->message_id) != OK) {
		return INVALID;
	}
	if (platform_flag(user, "bot")) {
		return OK;
	}
	return read_data(arena, type, json_get(root, "data"), update);
}

enum status discord_read(struct arena *arena, const struct config *config, struct str bot, struct str body, struct update *ret_update)
{
	struct update update = {.platform = PLATFORM_DISCORD, .kind = UPDATE_IGNORED, .bot = bot};
	const struct json *root;
	int64_t type = 0;
	enum status status = json_read(arena, body, &root);

	if (status != OK) {
		return status;
	}
	if (small_number(root, "type", &type) != OK || type == 0) {
		return INVALID;
	}
	if (read_head(arena, config, root, type == INTERACTION_PING, &update) != OK) {
		return INVALID;
	}
	if (type == INTERACTION_PING) {
		update.kind = UPDATE_PING;
	} else if (read_interaction(arena, root, type, &update) != OK) {
		return INVALID;
	}
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_update = update;
	return OK;
}

/* The examples carry no zone: UTC (platforms.md 2.6). A time that cannot be read is no reason to refuse the event. */
static int64_t read_timestamp(struct arena *arena, struct str timestamp)
{
	int64_t us = 0;

	if (parse_rfc3339(timestamp, &us) != OK && parse_rfc3339(str_printf(arena, STR_FMT "Z", STR_ARG(timestamp)), &us) != OK) {
		return 0;
	}
	return us;
}

static enum status read_event(struct arena *arena, const struct json *event, struct update *update)
{
	const struct json *data = json_get(event, "data");
	const struct json *user = json_get(data, "user");
	struct str type = platform_shaped(platform_member(event, "type"), EVENT_WORD_MAX, "_");
	struct str timestamp = platform_shaped(platform_member(event, "timestamp"), EVENT_WORD_MAX, "-:.+");
	bool came = str_eq(type, STR("APPLICATION_AUTHORIZED"));
	int64_t id = 0;

	if (!str_present(type) || !str_present(timestamp) || optional_id(user != NULL ? user : data, "id", &id) != OK) {
		return INVALID;
	}
	update->key = str_printf(arena, "discord:event:" STR_FMT ":%lld:" STR_FMT, STR_ARG(type), (long long)id, STR_ARG(timestamp));
	update->sent_at = read_timestamp(arena, timestamp);
	if (!came && !str_eq(type, STR("APPLICATION_DEAUTHORIZED"))) {
		return OK;
	}
	update->kind = came ? UPDATE_REACHABLE : UPDATE_UNREACHABLE;
	update->place = PLACE_PRIVATE;
	return read_user(arena, user, STR_ABSENT, &update->actor);
}

enum status discord_read_event(struct arena *arena, struct str body, struct update *ret_update)
{
	struct update update = {.platform = PLATFORM_DISCORD, .kind = UPDATE_IGNORED, .bot = STR("discord")};
	const struct json *root;
	int64_t type;
	enum status status = json_read(arena, body, &root);

	if (status != OK) {
		return status;
	}
	if (json_get_i64(root, "type", 0, 1, &type) != OK || optional_id(root, "application_id", &update.application_id) != OK) {
		return INVALID;
	}
	if (type == 0) {
		update.kind = UPDATE_PING;
		update.key = STR("discord:event:ping");
	} else if (read_event(arena, json_get(root, "event"), &update) != OK) {
		return INVALID;
	}
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	*ret_update = update;
	return OK;
}
