#include "core/event.h"

#include <assert.h>

#include "base/parse.h"
#include "base/utf.h"

#define TEXT_MAX 64    /* names of games, chats, channels, badges */
#define REASON_MAX 255 /* a line for people */
#define MULTIPLIER_MAX 1000
#define GIVE_XP FIELD("give_xp", FLAG, false, 0, 1)

#define FIELD(n, k, r, lo, hi) {.name = (n), .kind = EVENT_FIELD_##k, .required = (r), .min = (lo), .max = (hi)}
#define CHANGE(n) \
	{ \
		.name = (n), .kind = EVENT_FIELD_INTEGER, .required = true, .not_zero = true, .min = -EVENT_CHANGE_MAX, \
		.max = EVENT_CHANGE_MAX \
	}

static const struct event_shape shapes[EVENT_TYPE_COUNT] = {
	[EVENT_XP_CHANGE] = {.name = STR_INIT("xp_change"), .field_count = 2, .fields = {
		[EVENT_CHANGE_AMOUNT] = CHANGE("xp"), [EVENT_CHANGE_REASON] = FIELD("reason", TEXT, true, 0, REASON_MAX)}},
	[EVENT_COINS_CHANGE] = {.name = STR_INIT("coins_change"), .field_count = 2, .fields = {
		[EVENT_CHANGE_AMOUNT] = CHANGE("coins"), [EVENT_CHANGE_REASON] = FIELD("reason", TEXT, true, 0, REASON_MAX)}},
	[EVENT_MESSAGE_SENT] = {.name = STR_INIT("message_sent"), .recent = true, .field_count = 2, .own_count = 3, .fields = {
		[EVENT_MESSAGE_LENGTH] = FIELD("length", INTEGER, true, 0, EVENT_LENGTH_MAX),
		[EVENT_MESSAGE_CHAT] = FIELD("chat", TEXT, false, 1, TEXT_MAX),
		[EVENT_MESSAGE_TEXT] = FIELD("h", INTEGER, false, 0, INT64_MAX),
		[EVENT_MESSAGE_MULTIPLIER] = FIELD("multiplier", INTEGER, false, 0, MULTIPLIER_MAX),
		[EVENT_MESSAGE_PAYS] = GIVE_XP}},
	[EVENT_VOICE_TIME] = {.name = STR_INIT("voice_time"), .recent = true, .field_count = 5, .own_count = 1, .fields = {
		[EVENT_VOICE_SECONDS] = FIELD("seconds", INTEGER, true, 1, EVENT_SECONDS_MAX),
		[EVENT_VOICE_MUTED] = FIELD("muted_seconds", INTEGER, false, 0, EVENT_SECONDS_MAX),
		[EVENT_VOICE_ALONE] = FIELD("alone_seconds", INTEGER, false, 0, EVENT_SECONDS_MAX),
		[EVENT_VOICE_CHANNEL] = FIELD("channel", TEXT, false, 1, TEXT_MAX),
		[EVENT_VOICE_SESSION] = FIELD("session", TEXT, false, 1, TEXT_MAX), [EVENT_VOICE_PAYS] = GIVE_XP}},
	[EVENT_GAME_PLAYED] = {.name = STR_INIT("game_played"), .recent = true, .field_count = 3, .own_count = 1, .fields = {
		[EVENT_GAME_NAME] = FIELD("game", TEXT, true, 1, TEXT_MAX), [EVENT_GAME_WON] = FIELD("won", FLAG, true, 0, 1),
		[EVENT_GAME_SCORE] = FIELD("score", INTEGER, false, -LEDGER_DELTA_MAX, LEDGER_DELTA_MAX),
		[EVENT_GAME_PAYS] = GIVE_XP}},
	[EVENT_ACHIEVEMENT_UNLOCK] = {.name = STR_INIT("achievement_unlock"), .field_count = 1, .fields = {
		[EVENT_BADGE_CODE] = FIELD("badge", TEXT, true, 1, TEXT_MAX)}},
};

const struct event_shape *event_shape(enum event_type type)
{
	assert(type > EVENT_UNSET && type < EVENT_TYPE_COUNT);
	return &shapes[type];
}

enum event_type event_type_from_name(struct str name)
{
	for (int t = EVENT_UNSET + 1; t < EVENT_TYPE_COUNT; t++) {
		if (str_eq(name, shapes[t].name)) {
			return (enum event_type)t;
		}
	}
	return str_eq(name, STR("xp_gain")) ? EVENT_XP_CHANGE : EVENT_UNSET;
}

/* C0, DEL and C1: in a reason or a name they can only be there to deceive a terminal or a reader. */
static bool has_control(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];

		if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0)) {
			return true;
		}
	}
	return false;
}

enum status event_value_check(struct arena *arena, const struct event_field *field, const struct event_value *value, struct str *ret_detail)
{
	bool text = field->kind == EVENT_FIELD_TEXT;
	int64_t size = text ? (int64_t)utf_points(value->text) : value->number;

	if (text && has_control(value->text)) {
		*ret_detail = STR("control characters are not taken in this text");
		return INVALID;
	}
	if (size < field->min || size > field->max) {
		*ret_detail = str_printf(arena, "must %s %lld to %lld", text ? "have from" : "be from", (long long)field->min,
		                         (long long)field->max);
		if (text && str_present(*ret_detail)) {
			*ret_detail = str_printf(arena, STR_FMT " characters", STR_ARG(*ret_detail));
		}
		return INVALID;
	}
	if (field->not_zero && value->number == 0) {
		*ret_detail = STR("a change of 0 changes nothing: leave the event out");
		return INVALID;
	}
	return OK;
}

enum status event_at_check(struct arena *arena, enum event_type type, int64_t at, int64_t now, struct str *ret_detail)
{
	int64_t back = event_shape(type)->recent ? EVENT_BACK_RECENT_US : EVENT_BACK_US;

	if (at > now + EVENT_AHEAD_US) {
		*ret_detail = str_printf(arena, "lies more than %lld s ahead of our clock, which says " STR_FMT,
		                         (long long)(EVENT_AHEAD_US / SECOND_US), STR_ARG(format_rfc3339(arena, now)));
		return INVALID;
	}
	if (at < now - back) {
		*ret_detail = str_printf(arena, "lies more than %lld days back, which is too late for " STR_FMT, (long long)(back / DAY_US),
		                         STR_ARG(event_shape(type)->name));
		return INVALID;
	}
	return OK;
}

bool event_key_ok(struct str key)
{
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7e) {
			return false;
		}
	}
	return key.len >= 1 && key.len <= EVENT_KEY_MAX;
}

/* The text has passed event_value_check(): of what JSON escapes only these two are left. */
static void add_quoted(struct buf *out, struct str text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, text.ptr[i]);
	}
	buf_add_byte(out, '"');
}

static void add_value(struct buf *out, const struct event_field *field, const struct event_value *value)
{
	switch (field->kind) {
	case EVENT_FIELD_INTEGER:
		buf_add_i64(out, value->number);
		break;
	case EVENT_FIELD_FLAG:
		buf_add(out, value->number != 0 ? STR("true") : STR("false"));
		break;
	case EVENT_FIELD_TEXT:
		add_quoted(out, value->text);
		break;
	case EVENT_FIELD_UNSET:
	case EVENT_FIELD_KIND_COUNT:
		assert(false);
	}
}

struct str event_data_text(struct arena *arena, const struct event *event)
{
	const struct event_shape *shape = event_shape(event->type);
	struct buf out = buf_init(arena, (size_t)EVENT_FIELDS_MAX * (REASON_MAX * 8 + 64));

	for (size_t i = 0; i < shape->field_count; i++) {
		if (event->values[i].present) {
			buf_add(&out, out.len == 0 ? STR("{\"") : STR(",\""));
			buf_add(&out, str_from_z(shape->fields[i].name));
			buf_add(&out, STR("\":"));
			add_value(&out, &shape->fields[i], &event->values[i]);
		}
	}
	/* Every shape has a required member, so the brace is open. */
	buf_add_byte(&out, '}');
	return buf_str(&out);
}

int64_t event_lane(enum platform platform, int64_t platform_id)
{
	/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): snowflakes differ in their upper bits, Telegram's ids in the lower. */
	uint64_t x = (uint64_t)platform_id + UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)platform;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((x ^ (x >> 31)) % EVENT_LANES);
}

bool event_pays(const struct event *event)
{
	const struct event_value *pays = NULL;

	if (event->type == EVENT_MESSAGE_SENT) {
		pays = &event->values[EVENT_MESSAGE_PAYS];
	} else if (event->type == EVENT_VOICE_TIME) {
		pays = &event->values[EVENT_VOICE_PAYS];
	} else if (event->type == EVENT_GAME_PLAYED) {
		pays = &event->values[EVENT_GAME_PAYS];
	}
	return pays == NULL || !pays->present || pays->number != 0;
}

int64_t event_text_number(struct str text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (str_empty(text)) {
		return 0;
	}
	for (size_t i = 0; i < text.len; i++) {
		hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
	}
	return (int64_t)(hash >> 1 | 1);
}
