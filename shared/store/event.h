/*
 * event - keys, queue and archive of events (decisions.md 13 to 15). Each function serves a whole request or batch.
 *
 * Statuses are those of pg_run(), and what is named. Lists that are returned, and their strings, live in the transaction's arena
 * (tx->ctx->arena). Times are microseconds UTC.
 */
#ifndef TRIVET_STORE_EVENT_H
#define TRIVET_STORE_EVENT_H

#include "core/economy.h"
#include "store/tx.h"

/*
 * event_plan - has the transaction's statements planned for tables of any size.
 *
 * afresh   each time: for batches, which are worth it; else the kept plan, which goes by index too
 */
MUST_CHECK enum status event_plan(struct tx *tx, bool afresh);

/* ---- accepting ---- */

struct event_known {
	struct str key;
	struct str content;
};
/* event_keys_find - those of `keys` that are taken, in any order; a key can stand in both tables and come twice. */
MUST_CHECK enum status event_keys_find(struct tx *tx, const struct str *keys, size_t count, struct event_known **ret_known,
                                       size_t *ret_count);

/* A key to be taken. */
struct event_claim {
	struct str key;
	struct str content;
	int64_t at;
};
/* event_keys_claim - ret_count: how many of them were free. NOT_FOUND: a partition is missing (only `recent`). */
MUST_CHECK enum status event_keys_claim(struct tx *tx, bool recent, const struct event_claim *claims, size_t count, size_t *ret_count);

/* Somebody by the platform's own id; telegram or discord. */
struct event_person {
	enum platform platform;
	int64_t platform_id;
};
/* identities_ensure - accounts for those who have none; a person may stand in the list several times. */
MUST_CHECK enum status identities_ensure(struct tx *tx, const struct event_person *people, size_t count);

/* An event on its way into the queue. */
struct event_queued {
	struct event_person person;
	enum event_type type;
	struct str data; /* JSON */
	struct str key;
	int64_t at;
};
/* event_queue_add - in the order of the list. source: "api:<name of the key>". */
MUST_CHECK enum status event_queue_add(struct tx *tx, struct str source, const struct event_queued *events, size_t count);

/* ---- applying ---- */

/* event_lane_take - locks a lane with work until the transaction's end; lane_wish -1: any. OK, NOT_FOUND (none is free). */
MUST_CHECK enum status event_lane_take(struct tx *tx, int64_t lane_wish, int64_t *ret_lane);

/* A row of the queue. */
struct event_row {
	int64_t id;
	struct event_person person;
	struct str source;
	struct str type;
	struct str data;
	struct str key;
	int64_t at;
	int64_t account_id; /* 0: nobody yet */
};
/* event_queue_oldest - the oldest `limit` events of a lane that this transaction holds. */
MUST_CHECK enum status event_queue_oldest(struct tx *tx, int64_t lane, size_t limit, struct event_row **ret_rows, size_t *ret_count);

/* event_accounts_lock - locks in id order; ret_ids are those that are alive, ascending, at most `count`. */
MUST_CHECK enum status event_accounts_lock(struct tx *tx, const int64_t *ids, size_t count, int64_t *ret_ids, size_t *ret_count);

/* event_accounts_now - the account of each event (by ascending event id) as it is now; 0 for one that nobody is behind any more. */
MUST_CHECK enum status event_accounts_now(struct tx *tx, const int64_t *ids, size_t count, int64_t *ret_accounts);

/* An account while a batch is applied to it. */
struct event_account {
	int64_t id;
	struct economy_account state; /* event_balances() reads the balance; marks_read() (store/catalogue.h) its sets */
	int64_t last_active;          /* 0: leave it as it is */
	bool changed;
};
/* event_balances - of locked accounts, by ascending id. INTERNAL when one has none. */
MUST_CHECK enum status event_balances(struct tx *tx, const int64_t *ids, size_t count, struct event_account *ret_accounts);
/* event_balances_set - writes every column of the balances, and last_active where it is later. INTERNAL when an account has no balance. */
MUST_CHECK enum status event_balances_set(struct tx *tx, const struct event_account *accounts, size_t count);

/* A ledger row that an event made; the projection is event_balances_set()'s. */
struct event_posting {
	int64_t account_id;
	struct str key;
	struct str source;
	enum ledger_kind kind;
	struct str reason;
	struct ledger_entry entry;
};
/* ledger_insert_many - in the order of the list, at ctx->now. The caller claims the keys. */
MUST_CHECK enum status ledger_insert_many(struct tx *tx, const struct event_posting *postings, size_t count);

/* What became of a row of the queue. */
struct event_done {
	int64_t id;
	int64_t account_id;
	struct str rejected; /* absent: applied */
};
/* event_archive - from the queue into the archive. INTERNAL when one was not there. */
MUST_CHECK enum status event_archive(struct tx *tx, const struct event_done *done, size_t count);

/* event_attempt - one more try of this event has failed. ret_attempts: how many now; 0 when it is gone. */
MUST_CHECK enum status event_attempt(struct tx *tx, int64_t id, struct str error, int64_t *ret_attempts);

/* event_oldest - when the oldest waiting event was accepted; 0: none waits. */
MUST_CHECK enum status event_oldest(struct tx *tx, int64_t *ret_accepted_at);

/* event_accepted - how many were accepted ever, about; for a rate. */
MUST_CHECK enum status event_accepted(struct tx *tx, int64_t *ret_count);

/* event_aside_count - those that failed for the last time and wait for the operator. */
MUST_CHECK enum status event_aside_count(struct tx *tx, int64_t *ret_count);

#endif
