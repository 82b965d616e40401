#include "service/periods.h"

#include "service/catalogue.h"
#include "store/season.h"

enum status periods_running(struct tx *tx, const struct economy *economy, struct periods *ret_running)
{
	struct periods running = economy_periods(economy, tx->ctx->now);
	int64_t earliest = 0;
	enum status status = season_hold(tx, &earliest);

	if (status == OK) {
		running.season_no = running.season_no > earliest ? running.season_no : earliest;
		*ret_running = running;
	}
	return status;
}

enum status periods_begin(struct tx *tx, struct balance *const *balances, size_t count)
{
	const struct economy *economy = NULL;
	struct periods running = {0};
	enum status status = catalogue_get(tx, &economy);

	if (status == OK) {
		status = periods_running(tx, economy, &running);
	}
	for (size_t i = 0; status == OK && i < count; i++) {
		economy_begin_periods(balances[i], &running);
	}
	return status;
}
