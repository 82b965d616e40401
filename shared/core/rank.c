#include "core/rank.h"

#include <assert.h>

size_t rank_at(const struct rank *ranks, size_t count, int64_t xp)
{
	size_t low = 0;
	size_t high = count;

	assert(count > 0 && xp >= 0);
	/* ranks[low] is reached, ranks[high] is not. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (ranks[middle].xp <= xp) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}
