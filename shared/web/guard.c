#include "web/guard.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/metric.h"
#include "io/app.h"

struct pass {
	struct limit_table *limits;
	struct str key;
};

static void leave(void *object)
{
	struct pass *pass = object;

	limit_flight_leave(pass->limits, pass->key);
}

enum status guard_enter(struct route_call *call, struct str key, int limit)
{
	struct arena *arena = call->ctx->arena;
	int64_t left = call->ctx->deadline - clock_monotonic_us();
	struct pass *pass = arena_alloc(arena, sizeof(*pass));
	enum status status = OK;

	if (pass == NULL) {
		return TOO_LARGE;
	}
	*pass = (struct pass){.limits = call->ctx->app->limits, .key = str_dup(arena, key)};
	if (!str_present(pass->key)) {
		return TOO_LARGE;
	}
	status = limit_flight_enter(pass->limits, pass->key, limit, left < GUARD_WAIT_US ? left : GUARD_WAIT_US);
	if (status != OK) {
		metric_add(METRIC_BUSY_REFUSED, 1);
		return status;
	}
	return arena_defer(arena, leave, pass);
}
