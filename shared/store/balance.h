/*
 * balance - struct balance as columns: one order for reading, for one row's parameters and for a list's arrays.
 *
 * Statements name the columns in the order of the struct (core/account.h), xp first; tests/store/economy_test.c proves that what is
 * written to each column comes back from it.
 */
#ifndef TRIVET_STORE_BALANCE_H
#define TRIVET_STORE_BALANCE_H

#include "core/account.h"
#include "io/pg.h"

#define BALANCE_COLUMNS 40
/* Those behind xp and coins, which only the ledger changes. */
#define BALANCE_FIRST_SUM 2

/* balance_read - BALANCE_COLUMNS columns of a row, from `column` on. */
struct balance balance_read(const struct pg_rows *rows, int row, int column);

/* balance_add - a parameter for each column from `first` on (0, or BALANCE_FIRST_SUM). */
void balance_add(struct pg_params *params, const struct balance *balance, size_t first);

/*
 * balance_add_arrays - an array for each column, of the balances that stand `stride` bytes apart.
 *
 * first   the balance of the list's first element
 */
void balance_add_arrays(struct pg_params *params, const struct balance *first, size_t stride, size_t count);

#endif
