/*
 * sessions - what a bot keeps of a person (domain.md, Many bots on one base): two documents of its own, which no other bot sees.
 *
 * Whoever changes one says which version he has seen, and two who have seen the same change it one after the other: the second is refused.
 * No version is used twice, whatever happens to accounts: one that was seen before two sessions were joined or parted is stale after it.
 */
#ifndef TRIVET_SERVICE_SESSIONS_H
#define TRIVET_SERVICE_SESSIONS_H

#include "store/bots.h"

/* The present session and the newest that joinings have set aside: two joinings make one person of three, more come from linking again. */
#define SESSIONS_SHOWN 5

/* How long those are kept: what the worker's statement clean_bot_sessions says. */
#define SESSIONS_KEPT_US (30 * DAY_US)

struct sessions {
	struct bot_session list[SESSIONS_SHOWN]; /* the present one first, then the newest set aside */
	size_t count;                            /* 0: none */
};

/* sessions_get - use case: one SELECT. OK (also with none), NOT_FOUND (nobody is known by this id), statuses of service_read(). */
MUST_CHECK enum status sessions_get(struct ctx *ctx, const struct bot_person *person, struct sessions *ret_sessions);

/* What must hold of the present session for a change. */
struct session_condition {
	bool exists; /* there must be one, of whatever version */
	bool absent; /* there must be none */
	const int64_t *versions; /* it must be one of these; NULL: any that the two flags leave */
	size_t version_count;
};

struct session_change {
	struct bot_person person;
	struct session_condition condition;
	struct str session_data; /* a JSON object's text, at most BOT_DATA_MAX; absent: stays as it is, {} in a new one */
	struct str stats_data;
};

/*
 * sessions_put - use case: makes or changes the session, and reads it again.
 *
 * ret_created   there was none
 * OK, NOT_FOUND (nobody is known by this id), CONFLICT (the condition does not hold), INVALID (a number that PostgreSQL cannot hold),
 * statuses of tx_run().
 */
MUST_CHECK enum status sessions_put(struct ctx *ctx, const struct session_change *change, struct sessions *ret_sessions, bool *ret_created);

/*
 * sessions_document - whether a text is a document that a session or a training may keep.
 *
 * OK, INVALID (no object; a member twice; a number outside 64 bits or a double's range; U+0000; more than JSON_DEPTH_MAX levels),
 * TOO_LARGE (more than max bytes), UNAVAILABLE (no memory).
 */
MUST_CHECK enum status sessions_document(struct str text, size_t max);

#endif
