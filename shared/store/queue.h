/*
 * queue - rows of the outbox, of the sender's leases, and the worker's cleaning (store/sql/queue.sql).
 *
 * All run inside the caller's transaction. Times of leases are real time, all others follow the development clock; all in microseconds UTC.
 * Statuses are those of pg_run(), and what is named. Lists that are returned live in the transaction's arena.
 */
#ifndef TRIVET_STORE_QUEUE_H
#define TRIVET_STORE_QUEUE_H

#include "core/platform_id.h"
#include "store/tx.h"

enum outbox_status {
	OUTBOX_UNSET = 0,
	OUTBOX_PENDING,
	OUTBOX_PROCESSING, /* its call is about to be made, or is under way */
	OUTBOX_SENT,
	OUTBOX_UNCERTAIN, /* sent, but nobody heard the answer: once more */
	OUTBOX_FAILED,    /* given up */
	OUTBOX_PERMANENT, /* will never be accepted, or expired */
	OUTBOX_STATUS_COUNT
};

/* outbox_status_name - "pending" ...: the words of the database. outbox_status_from_name: OK, NOT_FOUND. */
struct str outbox_status_name(enum outbox_status status);
MUST_CHECK enum status outbox_status_from_name(struct str name, enum outbox_status *ret_status);

/* A new row. */
struct outbox_new {
	enum platform platform;
	struct str bot;
	int64_t account_id; /* 0: none */
	int64_t recipient;
	bool urgent;
	struct str topic;
	struct str body;   /* reply_encode() */
	struct str sealed; /* absent: no secrets */
	int64_t created_at, due_at;
	int64_t expires_at; /* 0: never */
	int64_t give_up_at;
};

/* outbox_add - stores the row as pending. */
MUST_CHECK enum status outbox_add(struct tx *tx, const struct outbox_new *row);

/* Where a person can be written to. */
struct outbox_reach {
	enum platform platform;
	struct str bot;
	int64_t recipient;
};

/*
 * outbox_reach - the best way to an account: the preferred bot, else its platform, else another.
 *
 * platform       PLATFORM_UNSET: none preferred
 * bot            absent: none preferred
 * discord_bot    the name to use where no Discord row is known yet
 * OK, NOT_FOUND, statuses of pg_run().
 */
MUST_CHECK enum status outbox_reach(struct tx *tx, int64_t account_id, enum platform platform, struct str bot, struct str discord_bot,
                                    struct outbox_reach *ret_reach);

/* One of many to whom something is to be told, and how he is best told. */
struct outbox_listener {
	int64_t account_id;
	enum platform platform; /* PLATFORM_UNSET: none preferred */
	struct str bot;         /* absent: none preferred */
	struct str topic;       /* rank, season, badge, mission, reminder: those who switched it off are left out */
};

struct outbox_found {
	size_t index; /* of the wish */
	struct outbox_reach reach;
};

/* outbox_reach_many - of those who want to hear of it: who can be reached, and where; in the order of the wishes. */
MUST_CHECK enum status outbox_reach_many(struct tx *tx, const struct outbox_listener *wishes, size_t count, struct str discord_bot,
                                         struct outbox_found **ret_found, size_t *ret_count);

/* outbox_add_many - plain rows, in one statement: of each only platform, bot, account, recipient, topic and body count. */
MUST_CHECK enum status outbox_add_many(struct tx *tx, const struct outbox_new *rows, size_t count, int64_t give_up_at);

/* ---- the sender -------------------------------------------------------------------------------------------------------------- */

#define QUEUE_BOTS_MAX 32

/*
 * lease_take - takes or renews what is free, ours or over; ret_held[i] says whether bots[i] is ours until `until`.
 */
MUST_CHECK enum status lease_take(struct tx *tx, enum platform platform, const struct str *bots, size_t count, struct str owner,
                                  int64_t wall_now, int64_t until, bool *ret_held);
/* lease_release - gives back every lease of `owner` on this platform. */
MUST_CHECK enum status lease_release(struct tx *tx, enum platform platform, struct str owner);

/*
 * outbox_recover - rows of a bot in work that are not in `ours` become `status`. ret_count may be NULL.
 */
MUST_CHECK enum status outbox_recover(struct tx *tx, enum platform platform, struct str bot, enum outbox_status status, const int64_t *ours,
                                      size_t count, int64_t *ret_count);

/* A bot's share of a claim, and who has to wait. */
struct outbox_wish {
	enum platform platform;
	struct str bots[QUEUE_BOTS_MAX];
	int64_t rooms[QUEUE_BOTS_MAX];          /* for urgent rows and others together */
	int64_t ordinary_rooms[QUEUE_BOTS_MAX]; /* not above rooms: for others, and urgent ones in front of them */
	size_t bot_count;
	const struct str *held_bots; /* with held_recipients: pairs that must wait */
	const int64_t *held_recipients;
	size_t held_count;
	bool may_open; /* also those whose direct channel is not known */
	struct str owner;
	int64_t wall_now;
};

/* A claimed row; strings are borrowed from the transaction's arena. */
struct outbox_row {
	int64_t id;
	struct str bot;
	int64_t recipient;
	bool urgent;
	struct str body;
	struct str sealed;
	int64_t attempts;
	int64_t doubts;
	bool plain;
	int64_t expires_at;
	int64_t give_up_at;
	struct str language;      /* the person's own choice; absent: none */
	struct str language_hint; /* the platform's; absent: none */
	int64_t channel_id;       /* Discord: the direct channel; 0: not known */
};

/*
 * outbox_claim - the rows of the wish, marked as in work.
 *
 * ret_parked   rows that were set behind older ones of their recipients: when above 0 there may be more to find at once
 */
MUST_CHECK enum status outbox_claim(struct tx *tx, const struct outbox_wish *wish, struct outbox_row **ret_rows, size_t *ret_count,
                                    int64_t *ret_parked);

/* What became of a row. */
struct outbox_outcome {
	int64_t id;
	struct str bot;
	enum outbox_status status;
	bool attempt;       /* counts as one */
	bool doubt;         /* nobody heard the answer */
	int64_t due_at;     /* not before; 0: as it was */
	bool plain;
	int64_t recipient;
	int64_t message_id; /* 0: not told */
	struct str error;   /* absent: none */
	bool wipe;          /* the words go too */
};

/* outbox_settle - writes outcomes; those of a lost lease are left out, unless they say sent. Then outbox_ahead() for their recipients. */
MUST_CHECK enum status outbox_settle(struct tx *tx, const struct outbox_outcome *outcomes, size_t count, struct str owner,
                                     int64_t wall_now);

/* outbox_ahead - the next rows of these recipients come into sight of outbox_claim() again; outbox_ahead_all - of all. */
MUST_CHECK enum status outbox_ahead(struct tx *tx, enum platform platform, const struct str *bots, const int64_t *recipients, size_t count);
MUST_CHECK enum status outbox_ahead_all(struct tx *tx);

/*
 * outbox_move - a Telegram group became another: rows that wait for it (pending, uncertain) go to the new one.
 *
 * from, to   the platform's numbers of the chats
 */
MUST_CHECK enum status outbox_move(struct tx *tx, enum platform platform, struct str bot, int64_t from, int64_t to);

/* reach_set - what is known now about writing to somebody: can_message (NULL: as it was), channel_id (0: as it was). No identity:
 * nothing. */
MUST_CHECK enum status reach_set(struct tx *tx, enum platform platform, int64_t recipient, struct str bot, const bool *can_message,
                                 int64_t channel_id);

/* outbox_expire - what expired by ctx->now is dropped and wiped; outbox_give_up - what outlived its patience is failed. */
MUST_CHECK enum status outbox_expire(struct tx *tx, int64_t *ret_count);
MUST_CHECK enum status outbox_give_up(struct tx *tx);

/* outbox_waiting - rows that are not done. */
MUST_CHECK enum status outbox_waiting(struct tx *tx, int64_t *ret_count);

/* ---- cleaning ---------------------------------------------------------------------------------------------------------------- */

/* queue_job_lock - whether this transaction is the one that runs job `name` now. */
MUST_CHECK enum status queue_job_lock(struct tx *tx, struct str name, bool *ret_ours);

/* queue_clean - one cleaning statement whose only parameter is ctx->now; ret_count is how many rows it took. */
MUST_CHECK enum status queue_clean(struct tx *tx, enum sql statement, int64_t *ret_count);

#endif
