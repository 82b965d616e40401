#include "core/ledger.h"

struct ledger_kind_row {
	struct str name;
	bool earns;
};

static const struct ledger_kind_row kinds[LEDGER_KIND_COUNT] = {
	[LEDGER_UNSET] = {STR_INIT("unset"), false},
	[LEDGER_XP_CHANGE] = {STR_INIT("xp_change"), true},
	[LEDGER_COINS_CHANGE] = {STR_INIT("coins_change"), true},
	[LEDGER_MESSAGE_SENT] = {STR_INIT("message_sent"), true},
	[LEDGER_VOICE_TIME] = {STR_INIT("voice_time"), true},
	[LEDGER_RANK_UP] = {STR_INIT("rank_up"), true},
	[LEDGER_BADGE] = {STR_INIT("badge"), true},
	[LEDGER_MISSION_COMPLETED] = {STR_INIT("mission_completed"), true},
	[LEDGER_DAILY] = {STR_INIT("daily"), true},
	[LEDGER_SEASON_REWARD] = {STR_INIT("season_reward"), true},
	[LEDGER_PROMO_REDEEMED] = {STR_INIT("promo_redeemed"), true},
	[LEDGER_REFERRAL_QUALIFIED] = {STR_INIT("referral_qualified"), true},
	[LEDGER_PAYMENT] = {STR_INIT("payment"), true},
	[LEDGER_ADJUST] = {STR_INIT("adjust"), false},
	[LEDGER_IMPORT] = {STR_INIT("import"), false},
	[LEDGER_MERGE] = {STR_INIT("merge"), false},
	[LEDGER_UNMERGE] = {STR_INIT("unmerge"), false},
};

struct str ledger_kind_name(enum ledger_kind kind)
{
	return kinds[kind].name;
}

enum ledger_kind ledger_kind_from_name(struct str name)
{
	for (int kind = LEDGER_UNSET + 1; kind < LEDGER_KIND_COUNT; kind++) {
		if (str_eq(name, kinds[kind].name)) {
			return (enum ledger_kind)kind;
		}
	}
	return LEDGER_UNSET;
}

bool ledger_kind_earns(enum ledger_kind kind)
{
	return kinds[kind].earns;
}

static bool delta_in_range(int64_t delta)
{
	return delta >= -LEDGER_DELTA_MAX && delta <= LEDGER_DELTA_MAX;
}

enum status ledger_decide(const struct balance *balance, int64_t xp, int64_t coins, struct ledger_entry *ret_entry)
{
	return delta_in_range(xp) && delta_in_range(coins) ? ledger_move(balance, xp, coins, ret_entry) : INVALID;
}

enum status ledger_move(const struct balance *balance, int64_t xp, int64_t coins, struct ledger_entry *ret_entry)
{
	struct ledger_entry entry = {.xp = xp, .coins = coins};

	if (xp == 0 && coins == 0) {
		return INVALID;
	}
	if (__builtin_add_overflow(balance->xp, xp, &entry.xp_after) || __builtin_add_overflow(balance->coins, coins, &entry.coins_after)) {
		return OVERFLOWN;
	}
	if (entry.xp_after < 0 || entry.coins_after < 0) {
		return INSUFFICIENT;
	}
	*ret_entry = entry;
	return OK;
}
