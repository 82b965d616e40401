/*
 * store - SQL and row <-> value. Every function runs on the struct tx that it is given and opens nothing.
 *
 * Statuses are those of pg_run(); NOT_FOUND also means "no such row". Statements stand by name in the files of store/sql. Times are
 * ctx->now: no SQL reads a clock.
 */
#ifndef TRIVET_STORE_STORE_H
#define TRIVET_STORE_STORE_H

#include "core/account.h"
#include "core/ledger.h"
#include "core/link.h"
#include "core/rank.h"
#include "store/shown.h"
#include "store/tx.h"

/* ---- identity.c ---- */

/* member_read_by_identity - the whole account behind a platform id. OK, NOT_FOUND. */
MUST_CHECK enum status member_read_by_identity(struct tx *tx, enum platform platform, int64_t platform_id, struct member *ret_member);
/* member_read - the account by id, alive or not. OK, NOT_FOUND. */
MUST_CHECK enum status member_read(struct tx *tx, int64_t account_id, struct member *ret_member);

/* What /profile and /rank show, by one SELECT; and where the XP stand among the ranks (service/profile.h). */
struct profile {
	struct viewer viewer;
	struct str display_name;
	bool hidden;
	int64_t xp;
	int64_t coins;
	struct str platforms; /* "telegram,discord", the longest first */
	const struct rank *rank;
	const struct rank *next_rank; /* NULL at the top */
};
/* profile_take - of one row of SQL_PROFILES_BY_IDENTITY; strings are borrowed from it, and there are no ranks yet. */
#define PROFILE_PLACE_COLUMN (VIEWER_COLUMNS + 5)
void profile_take(const struct pg_rows *rows, int row, struct profile *ret_profile);
/* profile_read - by the platform's id, one SELECT; without ranks. OK, NOT_FOUND. */
MUST_CHECK enum status profile_read(struct tx *tx, enum platform platform, int64_t platform_id, struct profile *ret_profile);

/* identity_create - a person's first contact: account, balance, identity. OK; RETRY when another made it at the same instant. */
MUST_CHECK enum status identity_create(struct tx *tx, const struct person *person);
/* identity_touch - name, username, hint and last seen, as the platform shows them now. */
MUST_CHECK enum status identity_touch(struct tx *tx, int64_t identity_id, const struct person *person);
/* identity_reach_set - whether `bot` may write to the person first. */
MUST_CHECK enum status identity_reach_set(struct tx *tx, int64_t identity_id, struct str bot, bool can_message);
/* identity_reach_get - OK, NOT_FOUND (not known). */
MUST_CHECK enum status identity_reach_get(struct tx *tx, int64_t identity_id, struct str bot, bool *ret_can_message);
/* identity_account_now - the account that an identity is on now. OK, NOT_FOUND. */
MUST_CHECK enum status identity_account_now(struct tx *tx, int64_t identity_id, int64_t *ret_account_id);

/* account_lock - FOR NO KEY UPDATE in id order. OK; NOT_FOUND when one of them is merged, erased or unknown. */
MUST_CHECK enum status account_lock(struct tx *tx, const int64_t *ids, size_t count);
/*
 * account_set_language - and holds the account locked, as account_lock().
 *
 * ret_both   a name is chosen, too
 * OK, NOT_FOUND (the account became part of another).
 */
MUST_CHECK enum status account_set_language(struct tx *tx, int64_t account_id, enum language language, bool *ret_both);
/* account_create_after - a new account for an identity that leaves `account_id`: same language and visibility, no balance. */
MUST_CHECK enum status account_create_after(struct tx *tx, int64_t account_id, int64_t *ret_account_id);
/* balance_set_sums - every column but XP and coins, which only the ledger changes. The account is locked. */
MUST_CHECK enum status balance_set_sums(struct tx *tx, int64_t account_id, const struct balance *balance);

/* What staff or a program did, for the record. */
struct audit {
	struct str actor;   /* "operator", "discord:5" */
	struct str action;
	int64_t account_id; /* 0: none */
	struct str before;  /* JSON; absent = none */
	struct str after;
	struct str reason;
};
/* audit_insert - at ctx->now. */
MUST_CHECK enum status audit_insert(struct tx *tx, const struct audit *audit);

/* ---- ledger.c ---- */

struct ledger_row {
	int64_t account_id;
	struct str key;
	enum ledger_kind kind;
	struct str source;
	struct str reason;
	struct ledger_entry entry;
};
/* ledger_insert - the row and the projection, in one statement. */
MUST_CHECK enum status ledger_insert(struct tx *tx, const struct ledger_row *row);
/* event_key_claim - the key of a posting, for ever. OK, CONFLICT (taken before). */
MUST_CHECK enum status event_key_claim(struct tx *tx, struct str key, struct str content);
/* event_keys_claim_own - the same for many, each key once. */
MUST_CHECK enum status event_keys_claim_own(struct tx *tx, const struct str *keys, const struct str *contents, size_t count);

/* ---- link.c ---- */

struct code_row {
	int64_t account_id;
	struct str code_hash;
	struct str token_hash;
	int64_t identity_id;
	struct str bot;
	int64_t expires_at;
};
/* code_put - the account's newest code; the one before is forgotten. */
MUST_CHECK enum status code_put(struct tx *tx, const struct code_row *row);
/* code_is_named - whether this hash still is its account's newest and lives. OK, NOT_FOUND. */
MUST_CHECK enum status code_is_named(struct tx *tx, struct str code_hash);
/* code_find - the account's newest code by the hash of either form, also when it has expired. OK, NOT_FOUND. */
MUST_CHECK enum status code_find(struct tx *tx, struct str hash, struct code_row *ret_row);
/* code_drop - the account has no code from now on, whether or not it had one. */
MUST_CHECK enum status code_drop(struct tx *tx, int64_t account_id);
/* code_use - the tombstones of both forms. OK, CONFLICT (used before). code_unuse takes them back in the same transaction. */
MUST_CHECK enum status code_use(struct tx *tx, const struct code_row *row);
MUST_CHECK enum status code_unuse(struct tx *tx, const struct code_row *row);
/* code_is_used - a tombstone that has not ended. OK, NOT_FOUND. */
MUST_CHECK enum status code_is_used(struct tx *tx, struct str hash);

/* What is known of an attempt before its transaction. */
struct redeem_before {
	bool answered;      /* this update has a stored reply */
	int64_t first_seen; /* of the person; 0 = never */
};
/* redeem_before - one SELECT. key: of the update. */
MUST_CHECK enum status redeem_before(struct tx *tx, struct str key, const struct person *person, struct redeem_before *ret_before);

struct confirmation {
	struct str token;
	int64_t issuer_identity_id; /* these two were shown to each other, with the accounts that they were on at created_at */
	int64_t redeemer_identity_id;
	struct str issuer_bot;
	int64_t created_at;
	int64_t expires_at;
	struct str answer; /* absent: open */
};
/* confirmation_put - a new open question, made at ctx->now. CONFLICT: the token is taken, or there is no such identity. */
MUST_CHECK enum status confirmation_put(struct tx *tx, const struct confirmation *confirmation);
/* confirmation_take - locked until the transaction's end. OK, NOT_FOUND. */
MUST_CHECK enum status confirmation_take(struct tx *tx, struct str token, struct confirmation *ret_confirmation);
/* confirmation_answer - writes the answer to a question that confirmation_take() has locked. */
MUST_CHECK enum status confirmation_answer(struct tx *tx, struct str token, bool accepted);

/* merges_recent - how many joinings of two histories the account, or one that became part of it, went through after `since` (us UTC). */
MUST_CHECK enum status merges_recent(struct tx *tx, int64_t account_id, int64_t since, int64_t *ret_count);
/* merge_move - identities, family, pointer: the loser becomes part of the survivor. merge->identity_ids: all of the loser's, oldest
 * first. */
MUST_CHECK enum status merge_move(struct tx *tx, const struct link_merge *merge);
/* merge_insert - the record of a joining, at ctx->now. ret_id: its number, for merge_read() and undoing. */
MUST_CHECK enum status merge_insert(struct tx *tx, const struct link_merge *merge, int64_t *ret_id);
/*
 * merge_read - ret_holder: the account that holds the joined data now. ret_merge->brought is what of it was still there each time a later
 * joining carried it on. OK, NOT_FOUND.
 */
MUST_CHECK enum status merge_read(struct tx *tx, int64_t merge_id, struct link_merge *ret_merge, int64_t *ret_holder);
/*
 * merge_part - the reverse of merge_move: the loser lives again with those of its identities that are still at `holder`, in their order.
 *
 * wait   they may join another account than the holder only after LINK_RELINK_WAIT_US
 */
MUST_CHECK enum status merge_part(struct tx *tx, const struct link_merge *merge, int64_t holder, bool wait);
/* merge_mark_undone - and later joinings that carried it on have neither its sums to give back nor its identities to take along. */
MUST_CHECK enum status merge_mark_undone(struct tx *tx, const struct link_merge *merge, struct str by);
/* identity_detach - moves one identity to `to_account`; the joinings that it came by no longer count it. */
MUST_CHECK enum status identity_detach(struct tx *tx, int64_t identity_id, int64_t to_account, int64_t from_account);

#endif
