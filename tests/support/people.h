/*
 * people - accounts for tests of the economy: made, read, joined, checked and forgotten.
 */
#ifndef TRIVET_TESTS_SUPPORT_PEOPLE_H
#define TRIVET_TESTS_SUPPORT_PEOPLE_H

#include <stdint.h>

#include "service/linking.h"

/* people_add - an account with one identity, first seen `age` days before 2025-11-20T13:24:24Z; the older survives a joining. */
int64_t people_add(const char *platform, int platform_id, int age);

/* people_balance - a column of public.account_balance, or what is computed of some. */
int64_t people_balance(const char *column, int64_t account);

/* people_account - the account that an identity is on now. */
int64_t people_account(const char *platform, int platform_id);

/* Two who join and part, by staff. */
struct people_pair {
	int64_t a, b; /* accounts, given */
	int64_t merge_id;
	struct link_result result;
	enum link_undo_verdict undo;
	enum unlink_verdict unlink;
	struct identity left; /* who parted */
};

/*
 * Steps for tx_run() with a struct people_pair; each sets what it learns. people_join - b joins a. people_undo - takes merge_id back.
 * people_unlink - somebody of a parts from it. Statuses of service/linking.h.
 */
MUST_CHECK enum status people_join(struct tx *tx, void *pair);
MUST_CHECK enum status people_undo(struct tx *tx, void *pair);
MUST_CHECK enum status people_unlink(struct tx *tx, void *pair);

/*
 * people_assert_verified - the projection is the sum of the ledger, every row continues the one before, badges are counted, and nobody was
 * paid twice for anything.
 */
void people_assert_verified(void);

/* people_forget - everybody, and all that they did, earned and were told. */
void people_forget(void);

#endif
