/*
 * statements - every named block of the files in store/sql, in the order of enum sql, for the pool to prepare.
 */
#ifndef TRIVET_STORE_STATEMENTS_H
#define TRIVET_STORE_STATEMENTS_H

#include <stddef.h>

#include "io/pg.h"

/* store_statements - the table that app_open() takes; index it by enum sql. */
const struct pg_statement *store_statements(size_t *ret_count);

#endif
