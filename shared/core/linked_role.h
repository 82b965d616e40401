/*
 * linked_role - what Discord shows of a person who let us (Linked Roles), and when it is told anew. Pure.
 *
 * A new rank is told at once, XP at most every LINKED_ROLE_GAP_US, days once a day.
 */
#ifndef TRIVET_CORE_LINKED_ROLE_H
#define TRIVET_CORE_LINKED_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"

/* Between two tellings of the same rank. The trigger's mark (migrations/0014) comes no later. */
#define LINKED_ROLE_GAP_US (5 * MINUTE_US)

struct linked_values {
	int64_t rank; /* its id: 1 to 20 */
	int64_t xp;
	int64_t days; /* full ones since joining */
};

/* What was told last; at 0: nothing yet. */
struct linked_shown {
	int64_t at;
	struct linked_values values;
};

/* linked_role_days - full days since joining; 0 before it. linked_role_next_day - when the next one is full. */
int64_t linked_role_days(int64_t joined_at, int64_t now);
int64_t linked_role_next_day(int64_t joined_at, int64_t now);

/* linked_role_is_due - whether the values are to be told now; else *ret_at is when to ask again, unless they change before. */
bool linked_role_is_due(const struct linked_values *values, const struct linked_shown *shown, int64_t joined_at, int64_t now,
                        int64_t *ret_at);

#endif
