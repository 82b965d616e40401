/*
 * shown - what members read of their economy, each by one SELECT (store/sql/shown.sql); and what they choose about it.
 *
 * The reads answer NOT_FOUND when nobody is behind the platform's id.
 */
#ifndef TRIVET_STORE_SHOWN_H
#define TRIVET_STORE_SHOWN_H

#include "core/economy.h"
#include "core/ledger.h"
#include "store/tx.h"

/* Who reads: his account, and his identity as stored, to see whether it changed. */
struct viewer {
	int64_t account_id;
	enum language language; /* own choice */
	struct str username;
	struct str name;
	struct str language_hint;
	int64_t last_seen;
};

/* viewer_read - the first VIEWER_COLUMNS columns of a row. */
#define VIEWER_COLUMNS 6
struct viewer viewer_read(const struct pg_rows *rows, int row);

/* One row of the ledger as its owner reads it. */
struct history_row {
	enum ledger_kind kind; /* LEDGER_UNSET: of a later version */
	int64_t xp;
	int64_t coins;
	struct str reason;  /* absent: none */
	struct str name_ru; /* of the badge or mission that paid; absent: it is neither, or was taken from the catalogue */
	struct str name_en;
	int64_t at;
};

struct history {
	struct viewer viewer;
	int64_t coins;
	struct history_row *rows; /* the newest first */
	size_t count;
};

/* history_read - the last `limit` rows of all accounts that became one. */
MUST_CHECK enum status history_read(struct tx *tx, enum platform platform, int64_t platform_id, int64_t limit, struct history *ret_history);

/* A badge and how far somebody is with it. */
struct badge_state {
	struct str name_ru, name_en;
	struct str description_ru, description_en;
	enum counter counter; /* COUNTER_UNSET: only granted */
	int64_t at_least;
	int64_t earned_at; /* 0: not yet */
};

struct badge_states {
	struct viewer viewer;
	struct balance balance;
	struct badge_state *rows; /* held ones first, the newest in front; the others in the catalogue's order */
	size_t count;
};

MUST_CHECK enum status badge_states_read(struct tx *tx, enum platform platform, int64_t platform_id, struct badge_states *ret_states);

/* Which notices somebody wants (domain.md, Identity). */
enum notify_switch {
	NOTIFY_SWITCH_UNSET = 0,
	NOTIFY_SWITCH_RANK,
	NOTIFY_SWITCH_BADGES,
	NOTIFY_SWITCH_MISSIONS,
	NOTIFY_SWITCH_REMINDERS,
	NOTIFY_SWITCH_COUNT
};

struct notify_switches {
	bool on[NOTIFY_SWITCH_COUNT];
};

/* notify_switch_name - "rank" ...: the words of PATCH /api/me and of buttons; notify_switch_from_name: OK, NOT_FOUND. */
struct str notify_switch_name(enum notify_switch which);
MUST_CHECK enum status notify_switch_from_name(struct str name, enum notify_switch *ret_which);

MUST_CHECK enum status notify_switches_read(struct tx *tx, enum platform platform, int64_t platform_id, struct viewer *ret_viewer,
                                            struct notify_switches *ret_switches);
/* notify_switch_set - OK, NOT_FOUND (the account became part of another). */
MUST_CHECK enum status notify_switch_set(struct tx *tx, int64_t account_id, enum notify_switch which, bool on,
                                         struct notify_switches *ret_switches);

/*
 * account_set_name - and holds the account locked, as account_lock().
 *
 * name       1..64 code points, as it shall be shown
 * ret_both   a language is chosen, too
 * OK, NOT_FOUND (the account became part of another).
 */
MUST_CHECK enum status account_set_name(struct tx *tx, int64_t account_id, struct str name, bool *ret_both);

/* Somebody who may be told of in the group where it happened. */
struct announce_wish {
	int64_t account_id;
	int64_t chat_id; /* Telegram */
};

struct announce_found {
	size_t index;    /* of the wish */
	struct str name; /* absent: no platform told one */
};

/* announce_where - of these, whom their groups are told of; in the order of the wishes. */
MUST_CHECK enum status announce_where(struct tx *tx, const struct announce_wish *wishes, size_t count, struct announce_found **ret_found,
                                      size_t *ret_count);

#endif
