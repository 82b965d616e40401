#include "service/daily.h"

#include "service/catalogue.h"
#include "service/ledger.h"
#include "service/periods.h"
#include "store/event.h"

static enum status pay(struct tx *tx, const struct daily *daily, const struct posting *posting)
{
	/* Staff may have set both rates to nothing: the streak goes on all the same. */
	return daily->xp == 0 && daily->coins == 0 ? ledger_settle(tx, posting) : ledger_post(tx, posting);
}

/* It is due: counted, then paid. */
static enum status take(struct tx *tx, const struct economy *economy, const struct daily *daily, const struct posting *posting)
{
	struct periods running = {0};
	enum status status = periods_running(tx, economy, &running);

	if (status == OK) {
		status = daily_count(posting->balance, &running, daily, tx->ctx->now);
	}
	return status == OK ? pay(tx, daily, posting) : status;
}

enum status daily_claim(struct tx *tx, int64_t account_id, struct str key, struct str source, struct daily_claimed *ret_claimed)
{
	const struct economy *economy = NULL;
	struct event_account account = {0};
	struct daily_claimed claimed = {0};
	enum status status = catalogue_get(tx, &economy);

	if (status == OK) {
		status = event_balances(tx, &account_id, 1, &account);
	}
	if (status == OK) {
		status = daily_decide(&economy->rates, &account.state.balance, tx->ctx->now, &claimed.daily);
	}
	if (status != OK) {
		return status;
	}
	claimed.after = account.state.balance;
	claimed.again_us = economy->rates.daily_again_us;
	claimed.keep_us = economy->rates.daily_keep_us;
	if (claimed.daily.wait_us == 0) {
		struct posting posting = {.account_id = account_id, .balance = &claimed.after, .key = key, .kind = LEDGER_DAILY, .source = source,
		                          .xp = claimed.daily.xp, .coins = claimed.daily.coins};

		status = take(tx, economy, &claimed.daily, &posting);
	}
	if (status == OK) {
		claimed.badges = claimed.after.achievements - account.state.balance.achievements;
		*ret_claimed = claimed;
	}
	return status;
}
