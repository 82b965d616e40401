/*
 * people - accounts for tests of the economy: made, checked and forgotten.
 */
#ifndef TRIVET_TESTS_SUPPORT_PEOPLE_H
#define TRIVET_TESTS_SUPPORT_PEOPLE_H

#include <stdint.h>

/* people_add - an account with one identity, first seen `age` days before 2025-11-20T13:24:24Z; the older survives a joining. */
int64_t people_add(const char *platform, int platform_id, int age);

/*
 * people_assert_verified - the projection is the sum of the ledger, every row continues the one before, badges are counted, and nobody was
 * paid twice for anything.
 */
void people_assert_verified(void);

/* people_forget - everybody, and all that they did, earned and were told. */
void people_forget(void);

#endif
