/*
 * event - what programs report about people: the shapes of the contract and their limits. Pure. What an event does: core/economy.h.
 *
 * One table says what each type carries (contract.md, Shapes) and how old it may be (domain.md, Ledger). It is read when an event is
 * accepted and when it is applied, so that both see the same.
 */
#ifndef TRIVET_CORE_EVENT_H
#define TRIVET_CORE_EVENT_H

#include "core/ledger.h"

enum event_type {
	EVENT_UNSET = 0,
	EVENT_XP_CHANGE,
	EVENT_COINS_CHANGE,
	EVENT_MESSAGE_SENT,
	EVENT_VOICE_TIME,
	EVENT_GAME_PLAYED,
	EVENT_ACHIEVEMENT_UNLOCK,
	EVENT_TYPE_COUNT
};

enum event_field_kind {
	EVENT_FIELD_UNSET = 0,
	EVENT_FIELD_INTEGER,
	EVENT_FIELD_TEXT, /* no control characters */
	EVENT_FIELD_FLAG,
	EVENT_FIELD_KIND_COUNT
};

/* One member of an event's data. */
struct event_field {
	const char *name;
	enum event_field_kind kind;
	bool required;
	bool not_zero;
	int64_t min; /* of the number, or of the text's code points */
	int64_t max;
};

#define EVENT_FIELDS_MAX 6
#define EVENT_CHANGE_MAX INT64_C(1000000)
#define EVENT_SECONDS_MAX INT64_C(86400)
#define EVENT_LENGTH_MAX INT64_C(10000)

/* How far `at` may lie ahead of our clock: what clocks of two machines differ by. */
#define EVENT_AHEAD_US (60 * SECOND_US)
/* How far back: the time that keys of frequent events are kept, and a month for the others. */
#define EVENT_BACK_RECENT_US (7 * DAY_US)
#define EVENT_BACK_US (30 * DAY_US)

struct event_shape {
	struct str name;
	bool recent; /* frequent: its key is kept for EVENT_BACK_RECENT_US, not for ever (decisions.md 13) */
	struct event_field fields[EVENT_FIELDS_MAX];
	size_t field_count; /* of the contract */
	size_t own_count;   /* those behind them: only our own programs write them into the queue */
};

/* Where a type's fields stand in its shape. */
enum { EVENT_CHANGE_AMOUNT, EVENT_CHANGE_REASON };
enum {
	EVENT_MESSAGE_LENGTH,
	EVENT_MESSAGE_CHAT,
	EVENT_MESSAGE_TEXT,       /* own, "h": a number that tells the text from others; 0: not known */
	EVENT_MESSAGE_MULTIPLIER, /* own, "multiplier": of the chat, in percent */
	EVENT_MESSAGE_PAYS        /* own, "give_xp": false: counts, gives nothing */
};
enum { EVENT_VOICE_SECONDS, EVENT_VOICE_MUTED, EVENT_VOICE_ALONE, EVENT_VOICE_CHANNEL, EVENT_VOICE_SESSION, EVENT_VOICE_PAYS };
enum { EVENT_GAME_NAME, EVENT_GAME_WON, EVENT_GAME_SCORE, EVENT_GAME_PAYS };
enum { EVENT_BADGE_CODE };

/* event_shape - the row of a type, not EVENT_UNSET (asserted). */
const struct event_shape *event_shape(enum event_type type);

/* event_type_from_name - EVENT_UNSET for a type that programs may not send; "xp_gain" is xp_change. */
enum event_type event_type_from_name(struct str name);

struct event_value {
	bool present;
	int64_t number; /* of integers; 0 or 1 of flags */
	struct str text;
};

struct event {
	enum event_type type;
	int64_t at;                                  /* when it happened, microseconds UTC */
	struct event_value values[EVENT_FIELDS_MAX]; /* in the order of the shape's fields */
};

/* Why an event is refused: what a problem says, for one event. */
struct event_fault {
	const char *type; /* of a problem: "event-invalid", "key-reused" */
	struct str detail;
	struct str field; /* "at", "data.xp" */
};

/* The types of refusals. */
#define EVENT_FAULT_INVALID "event-invalid"
#define EVENT_FAULT_KEY_REUSED "key-reused"

/*
 * event_value_check - whether a present value keeps its field's limits.
 *
 * ret_detail   on INVALID: what is wrong, in the arena; absent when the arena failed
 * OK, INVALID.
 */
MUST_CHECK enum status event_value_check(struct arena *arena, const struct event_field *field, const struct event_value *value,
                                         struct str *ret_detail);

/* event_at_check - whether `at` is neither ahead nor too old for its type. OK, INVALID (ret_detail as above). */
MUST_CHECK enum status event_at_check(struct arena *arena, enum event_type type, int64_t at, int64_t now, struct str *ret_detail);

#define EVENT_KEY_MAX 200

/* event_key_ok - an idempotency key: 1..EVENT_KEY_MAX bytes of printable ASCII. */
bool event_key_ok(struct str key);

/*
 * event_data_text - an event's data as JSON with its members in the order of the shape: one content has one text, whatever the order and
 * the spelling it was sent in. Absent when the arena failed.
 */
struct str event_data_text(struct arena *arena, const struct event *event);

#define EVENT_LANES 64

/*
 * event_lane - which of the EVENT_LANES queues an identity's events go through. The same for ever: rows of one identity must never stand
 * in two lanes.
 */
int64_t event_lane(enum platform platform, int64_t platform_id);

/*
 * event_text_number - a number that tells a text from others (FNV-1a, 63 bits): for what must only be compared. 0: none at all, so that a
 * sticker between two copies is no other text.
 */
int64_t event_text_number(struct str text);

/*
 * event_pays - whether it may give anything: not one of a program that is only trusted to count ("give_xp": false).
 */
bool event_pays(const struct event *event);

#endif
