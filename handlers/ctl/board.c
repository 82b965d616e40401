/* trivet board rebuild */
#include <poll.h>

#include "base/clock.h"
#include "ctl.h"
#include "service/boards.h"

#define LOOK_MS 200
/* Of one look; the whole may take as long as it takes. */
#define LOOK_DEADLINE_US (10 * SECOND_US)
/* A worker that was just started, or whose colleague just died, has the lease by then. */
#define KEEPER_PATIENCE_US (2 * BOARDS_LEASE_US)

/* Waits for the keeper's word; gives up only when no worker keeps the boards. */
enum ctl_exit run_board_rebuild(struct ctl *ctl)
{
	int64_t asked = 0;
	int64_t turn = 0;
	int64_t seen = clock_monotonic_us();
	bool kept = false;
	enum status status = boards_rebuild(&ctl->ctx, &asked);

	while (status == OK && turn <= asked) {
		int64_t now = clock_monotonic_us();

		ctl->ctx.deadline = now + LOOK_DEADLINE_US;
		status = boards_state(&ctl->ctx, clock_wall_us(), &turn, &kept);
		seen = kept ? now : seen;
		if (status == OK && now - seen > KEEPER_PATIENCE_US) {
			return ctl_fail(ctl, "no worker keeps the boards: start trivet-worker, which will make them anew at once");
		}
		if (status == OK && turn <= asked) {
			(void)poll(NULL, 0, LOOK_MS);
		}
	}
	return status == OK ? ctl_done(ctl, "the leaderboards are made anew") : ctl_status(ctl, "the leaderboards", status);
}
