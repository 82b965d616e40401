#include "core/linked_role.h"

int64_t linked_role_days(int64_t joined_at, int64_t now)
{
	return now > joined_at ? (now - joined_at) / DAY_US : 0;
}

int64_t linked_role_next_day(int64_t joined_at, int64_t now)
{
	return joined_at + (linked_role_days(joined_at, now) + 1) * DAY_US;
}

bool linked_role_is_due(const struct linked_values *values, const struct linked_shown *shown, int64_t joined_at, int64_t now,
                        int64_t *ret_at)
{
	if (shown->at == 0 || shown->values.rank != values->rank) {
		return true;
	}
	if (shown->values.xp == values->xp && shown->values.days == values->days) {
		*ret_at = linked_role_next_day(joined_at, now);
		return false;
	}
	/* A time ahead of us is of a clock that was set back. */
	if (shown->at > now || now - shown->at >= LINKED_ROLE_GAP_US) {
		return true;
	}
	*ret_at = shown->at + LINKED_ROLE_GAP_US;
	return false;
}
