/*
 * bots - what bots keep of people (sessions), and the trainings they report. Statuses are those of pg_run() and what is named here.
 *
 * A row stays with the account that had it first; a person has those of all accounts that became his (account_family). Per bot one of them
 * is the present one, the others were set aside by joinings.
 */
#ifndef TRIVET_STORE_BOTS_H
#define TRIVET_STORE_BOTS_H

#include "core/platform_id.h"
#include "store/tx.h"

/* Whose session, of which bot. */
struct bot_person {
	enum platform platform;
	int64_t platform_id;
	struct str bot;
};

struct bot_session {
	int64_t owner_id;        /* the account of the row */
	struct str session_data; /* JSON, the text as it was written */
	struct str stats_data;
	int64_t version;
	int64_t updated_at;
	int64_t aside_at;        /* 0: the present one */
};

/*
 * bot_sessions_read - by one SELECT: the present one first, then those set aside, the newest first; at most `max`.
 *
 * OK (ret_count 0: this bot keeps nothing of him), NOT_FOUND (nobody is known by this id).
 */
MUST_CHECK enum status bot_sessions_read(struct tx *tx, const struct bot_person *person, struct bot_session *ret_sessions, size_t max,
                                         size_t *ret_count);

/* bot_person_account - OK, NOT_FOUND. */
MUST_CHECK enum status bot_person_account(struct tx *tx, const struct bot_person *person, int64_t *ret_account);

/* bot_session_present - ret_version 0: there is none. Its account is locked. */
MUST_CHECK enum status bot_session_present(struct tx *tx, int64_t account, struct str bot, int64_t *ret_owner, int64_t *ret_version);

/* bot_session_insert - session->owner_id; an absent document is {}. INVALID: PostgreSQL cannot hold a number of it. */
MUST_CHECK enum status bot_session_insert(struct tx *tx, struct str bot, const struct bot_session *session);

/* bot_session_update - an absent document stays; session->version is the one before. RETRY: the row has another by now. */
MUST_CHECK enum status bot_session_update(struct tx *tx, struct str bot, const struct bot_session *session);

/* bot_sessions_join - `survivor` has taken another into its family; both were locked. */
MUST_CHECK enum status bot_sessions_join(struct tx *tx, int64_t survivor);

/* bot_sessions_part - `a` and `b` were one family and are two again. */
MUST_CHECK enum status bot_sessions_part(struct tx *tx, int64_t a, int64_t b);

struct bot_training {
	struct bot_person person;
	struct str kind;
	struct str score;   /* a number's text; absent: none */
	struct str details; /* JSON */
	int64_t at;
	struct str source;
	struct str key;
};
/* training_insert - the person is there. OK, CONFLICT (the bot has used this key), INVALID (numbers that PostgreSQL cannot hold). */
MUST_CHECK enum status training_insert(struct tx *tx, const struct bot_training *training, int64_t *ret_id);

/* training_compare - the training of a key that is taken. ret_differs: names of what is another now; empty: it is the same. */
MUST_CHECK enum status training_compare(struct tx *tx, const struct bot_training *training, int64_t *ret_id, struct str *ret_differs);

#endif
