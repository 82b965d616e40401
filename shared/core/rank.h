/*
 * rank - where an account stands. A rank follows from XP; it is never set.
 */
#ifndef TRIVET_CORE_RANK_H
#define TRIVET_CORE_RANK_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct rank {
	int64_t id;
	struct str name;
	int64_t xp;    /* from which on it is held */
	int64_t coins; /* paid once per person, when it is first reached */
};

/*
 * rank_at - the rank that `xp` has reached: the index of the last one whose xp is not above it.
 *
 * ranks   by ascending xp and id, the first at 0; at least one
 */
size_t rank_at(const struct rank *ranks, size_t count, int64_t xp);

#endif
