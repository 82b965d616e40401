/*
 * columns - lists of structs as arrays of their members: one parameter per column, for unnest().
 */
#ifndef TRIVET_STORE_COLUMNS_H
#define TRIVET_STORE_COLUMNS_H

#include <stddef.h>

#include "io/pg.h"

/* Where a member stands in the structs of a list. */
struct column {
	size_t stride;
	size_t offset;
};

#define COLUMN(type, member) ((struct column){sizeof(struct type), offsetof(struct type, member)})

/* column_add_* - a parameter with that member of each of `count` structs; without memory pg_run() will refuse the parameters. */
void column_add_i64s(struct pg_params *params, const void *list, struct column column, size_t count);
void column_add_times(struct pg_params *params, const void *list, struct column column, size_t count);
void column_add_strs(struct pg_params *params, const void *list, struct column column, size_t count);
void column_add_bytes(struct pg_params *params, const void *list, struct column column, size_t count);
/* column_add_words - the words of an enum's member, which is as large as an int (asserted by the caller). */
void column_add_words(struct pg_params *params, const void *list, struct column column, size_t count, struct str (*word_of)(int value));

#endif
