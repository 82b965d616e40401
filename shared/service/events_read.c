/* From an event's JSON to its values. */
#include "service/events_read.h"

#include "base/parse.h"
#include "io/crypto.h"
#include "io/json.h"

static enum status fault(struct event_fault *ret_fault, struct str field, struct str detail)
{
	*ret_fault = (struct event_fault){.type = EVENT_FAULT_INVALID, .detail = detail, .field = field};
	return INVALID;
}

/* What a member of the wrong type is told. */
static struct str wanted(const struct event_field *field)
{
	static const struct str words[EVENT_FIELD_KIND_COUNT] = {
		[EVENT_FIELD_INTEGER] = STR_INIT("must be an integer, written without fraction or exponent"),
		[EVENT_FIELD_TEXT] = STR_INIT("must be a string"),
		[EVENT_FIELD_FLAG] = STR_INIT("must be true or false"),
	};

	return words[field->kind];
}

/* OK, NOT_FOUND (left out, or null), INVALID (another type). */
static enum status read_value(const struct json *data, const struct event_field *field, struct event_value *ret_value)
{
	struct event_value value = {.present = true};
	enum status status = INTERNAL;
	bool flag = false;

	switch (field->kind) {
	case EVENT_FIELD_INTEGER:
		status = json_get_i64(data, field->name, INT64_MIN, INT64_MAX, &value.number);
		break;
	case EVENT_FIELD_TEXT:
		status = json_get_str(data, field->name, &value.text);
		break;
	case EVENT_FIELD_FLAG:
		status = json_get_bool(data, field->name, &flag);
		value.number = flag ? 1 : 0;
		break;
	case EVENT_FIELD_UNSET:
	case EVENT_FIELD_KIND_COUNT:
		break;
	}
	if (status == OK) {
		*ret_value = value;
	}
	return status;
}

static bool knows(const struct event_shape *shape, size_t fields, struct str name)
{
	for (size_t i = 0; i < fields; i++) {
		if (str_eq(name, str_from_z(shape->fields[i].name))) {
			return true;
		}
	}
	return false;
}

/* A misspelt member would otherwise be lost without a word. */
static enum status refuse_unknown(struct arena *arena, const struct json *data, const struct event_shape *shape, size_t fields,
                                  struct event_fault *ret_fault)
{
	const struct json *value = NULL;
	void *iterator = NULL;
	struct str name;

	while (json_object_each(data, &iterator, &name, &value)) {
		if (!knows(shape, fields, name)) {
			struct str shown = str_cut(name, 0, EVENT_KEY_MAX);

			/* The cut must not leave half a character in the answer. */
			while (shown.len < name.len && shown.len > 0 && ((unsigned char)shown.ptr[shown.len] & 0xc0) == 0x80) {
				shown.len--;
			}
			return fault(ret_fault, str_printf(arena, "data." STR_FMT, STR_ARG(shown)),
			             STR("events of this type have no such member"));
		}
	}
	return OK;
}

static enum status read_field(struct arena *arena, const struct json *data, const struct event_field *field, struct event_value *value,
                              struct event_fault *ret_fault)
{
	struct str detail = STR_ABSENT;
	enum status status = read_value(data, field, value);

	if (status == NOT_FOUND && !field->required) {
		return OK;
	}
	if (status == NOT_FOUND) {
		detail = STR("is missing");
	} else if (status != OK) {
		detail = wanted(field);
	} else {
		status = event_value_check(arena, field, value, &detail);
	}
	return status == OK ? OK : fault(ret_fault, str_printf(arena, "data.%s", field->name), detail);
}

/* The first `fields` of the shape. */
static enum status read_data(struct arena *arena, const struct json *data, size_t fields, struct event *event,
                             struct event_fault *ret_fault)
{
	const struct event_shape *shape = event_shape(event->type);
	enum status status = OK;

	if (!json_is_object(data)) {
		return fault(ret_fault, STR("data"), STR("must be an object"));
	}
	for (size_t i = 0; i < fields && status == OK; i++) {
		status = read_field(arena, data, &shape->fields[i], &event->values[i], ret_fault);
	}
	return status == OK ? refuse_unknown(arena, data, shape, fields, ret_fault) : status;
}

enum status events_read_data(struct arena *arena, const struct json *data, struct event *event, struct event_fault *ret_fault)
{
	return read_data(arena, data, event_shape(event->type)->field_count, event, ret_fault);
}

enum status events_read_queued(struct arena *arena, const struct json *data, struct event *event)
{
	const struct event_shape *shape = event_shape(event->type);
	struct event_fault unused = {0};

	return read_data(arena, data, shape->field_count + shape->own_count, event, &unused);
}

static enum status read_key(const struct json *object, struct incoming *incoming)
{
	enum status status = json_get_str(object, "idempotency_key", &incoming->key);

	if (status != OK || !event_key_ok(incoming->key)) {
		return fault(&incoming->fault, STR("idempotency_key"), STR("must be a string of 1 to 200 printable ASCII characters"));
	}
	return OK;
}

static enum status read_person(const struct json *object, struct incoming *incoming)
{
	struct str name = STR_ABSENT;
	struct event_person *person = &incoming->person;

	if (json_get_str(object, "platform", &name) != OK || platform_from_name(name, &person->platform) != OK ||
	    person->platform == PLATFORM_WEBSITE) {
		return fault(&incoming->fault, STR("platform"), STR("must be \"telegram\" or \"discord\""));
	}
	if (json_get_id(object, "platform_id", &person->platform_id) != OK) {
		return fault(&incoming->fault, STR("platform_id"),
		             STR("must be an integer from 1 to 9223372036854775807, written as a string"));
	}
	return OK;
}

static enum status read_type(const struct json *object, struct incoming *incoming)
{
	struct str name = STR_ABSENT;

	if (json_get_str(object, "type", &name) == OK) {
		incoming->event.type = event_type_from_name(name);
	}
	if (incoming->event.type == EVENT_UNSET) {
		return fault(&incoming->fault, STR("type"),
		             STR("must be xp_change, coins_change, message_sent, voice_time, game_played or achievement_unlock"));
	}
	return OK;
}

static enum status read_at(struct arena *arena, const struct json *object, int64_t now, struct incoming *incoming)
{
	struct str text = STR_ABSENT;
	struct str detail = STR_ABSENT;

	if (json_get_str(object, "at", &text) != OK || parse_rfc3339(text, &incoming->event.at) != OK) {
		return fault(&incoming->fault, STR("at"), STR("must be a time as RFC 3339 has it, like 2026-11-20T13:24:14Z"));
	}
	if (event_at_check(arena, incoming->event.type, incoming->event.at, now, &detail) != OK) {
		return fault(&incoming->fault, STR("at"), detail);
	}
	return OK;
}

/* The parts of struct content: what is compared when a key comes again. */
static void digest(struct str text, unsigned char *ret_bytes, size_t len)
{
	unsigned char hash[CRYPTO_HASH_BYTES];

	crypto_sha256(text, hash);
	memcpy(ret_bytes, hash, len);
}

static enum status make_content(struct arena *arena, struct incoming *incoming)
{
	const struct event_shape *shape = event_shape(incoming->event.type);
	struct content *content = arena_alloc(arena, sizeof(*content));
	struct str person = str_printf(arena, STR_FMT " %lld", STR_ARG(platform_name(incoming->person.platform)),
	                               (long long)incoming->person.platform_id);

	incoming->data = event_data_text(arena, &incoming->event);
	if (content == NULL || !str_present(person) || !str_present(incoming->data)) {
		return TOO_LARGE;
	}
	digest(person, content->person, sizeof(content->person));
	digest(shape->name, content->type, sizeof(content->type));
	digest(incoming->data, content->data, sizeof(content->data));
	for (size_t i = 0; i < sizeof(content->at); i++) {
		content->at[i] = (unsigned char)((uint64_t)incoming->event.at >> (8 * (sizeof(content->at) - 1 - i)));
	}
	incoming->content = (struct str){(const char *)content, sizeof(*content)};
	return OK;
}

/* The checks in the order in which people want to hear of them. */
static enum status read_members(struct ctx *ctx, const struct json *object, struct incoming *incoming)
{
	enum status status = read_key(object, incoming);

	if (status == OK) {
		status = read_person(object, incoming);
	}
	if (status == OK) {
		status = read_type(object, incoming);
	}
	if (status == OK) {
		status = read_at(ctx->arena, object, ctx->now, incoming);
	}
	if (status == OK) {
		status = events_read_data(ctx->arena, json_get(object, "data"), &incoming->event, &incoming->fault);
	}
	return status;
}

enum status incoming_read(struct ctx *ctx, struct arena *scratch, struct str text, struct incoming *ret_incoming)
{
	struct incoming incoming = {0};
	const struct json *object = NULL;
	enum status status = OK;

	arena_reset(scratch);
	if (text.len > EVENTS_TEXT_MAX) {
		status = fault(&incoming.fault, STR_ABSENT, STR("is longer than 16 KiB"));
	} else if (json_read(scratch, text, &object) != OK || !json_is_object(object)) {
		status = fault(&incoming.fault, STR_ABSENT,
		               STR("must be an object, with numbers that fit 64 bits and strings without U+0000"));
	} else {
		status = read_members(ctx, object, &incoming);
	}
	if (status == OK) {
		status = make_content(ctx->arena, &incoming);
	}
	if (status != OK && status != INVALID) {
		return status;
	}
	incoming.rejected = status == INVALID;
	/* What stays must not live in the scratch. */
	incoming.key = str_present(incoming.key) ? str_dup(ctx->arena, incoming.key) : STR_ABSENT;
	*ret_incoming = incoming;
	return arena_failed(ctx->arena) ? TOO_LARGE : OK;
}

struct str content_difference(struct arena *arena, struct str a, struct str b)
{
	struct content one;
	struct content other;
	struct buf names = buf_init(arena, 64);

	if (a.len != sizeof(one) || b.len != sizeof(other)) {
		return STR("type");
	}
	memcpy(&one, a.ptr, sizeof(one));
	memcpy(&other, b.ptr, sizeof(other));
	if (memcmp(one.person, other.person, sizeof(one.person)) != 0) {
		buf_add(&names, STR("platform_id"));
	}
	if (memcmp(one.type, other.type, sizeof(one.type)) != 0) {
		buf_add(&names, names.len > 0 ? STR(", type") : STR("type"));
	}
	if (memcmp(one.at, other.at, sizeof(one.at)) != 0) {
		buf_add(&names, names.len > 0 ? STR(", at") : STR("at"));
	}
	if (memcmp(one.data, other.data, sizeof(one.data)) != 0) {
		buf_add(&names, names.len > 0 ? STR(", data") : STR("data"));
	}
	return buf_str(&names);
}
