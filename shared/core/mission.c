#include "core/mission.h"

enum balance_period mission_period_from_name(struct str name)
{
	if (str_eq(name, STR("daily"))) {
		return BALANCE_DAY;
	}
	return str_eq(name, STR("weekly")) ? BALANCE_WEEK : BALANCE_EVER;
}

int64_t mission_ends_at(enum balance_period period, int64_t now)
{
	switch (period) {
	case BALANCE_DAY:
		return counter_day_start(counter_day(now) + 1);
	case BALANCE_WEEK:
		return counter_week_start(counter_week(now) + 1);
	case BALANCE_EVER:
	case BALANCE_SEASON:
	case BALANCE_UNSET:
	case BALANCE_PERIOD_COUNT:
		break;
	}
	return 0;
}

static enum mission_state state_of(const struct mission_view *view, int64_t reached, bool paid)
{
	if (paid) {
		return MISSION_PAID;
	}
	if (view->mission.period == BALANCE_EVER) {
		return MISSION_OPEN; /* it is paid when it is completed */
	}
	return view->completed || reached >= view->mission.goal ? MISSION_READY : MISSION_OPEN;
}

void mission_judge(struct mission_view *view, const struct balance *balance, const struct periods *running, bool paid)
{
	const struct mission *mission = &view->mission;
	int64_t reached = counter_value(balance, mission->counter, mission->period, running);

	view->period_no = economy_period_no(mission, running);
	view->state = state_of(view, reached, paid);
	/* A mark may have come without the deeds, and coins can be spent again. */
	view->progress = view->state == MISSION_OPEN && reached < mission->goal ? reached : mission->goal;
}

static const enum mission_verdict verdicts[MISSION_STATE_COUNT] = {
	[MISSION_STATE_UNSET] = MISSION_UNKNOWN,
	[MISSION_OPEN] = MISSION_NOT_REACHED,
	[MISSION_READY] = MISSION_CLAIMABLE,
	[MISSION_PAID] = MISSION_BEFORE,
};

enum mission_verdict mission_decide(const struct mission_view *view, int64_t period_no)
{
	if (view == NULL) {
		return MISSION_UNKNOWN;
	}
	return period_no != 0 && period_no != view->period_no ? MISSION_OVER : verdicts[view->state];
}
