#include "core/account.h"

#include <stddef.h>
#include <string.h>

#define SUM(member, p) {offsetof(struct balance, member), (p)}

const struct balance_sum balance_sums[BALANCE_SUMS] = {
	SUM(season_xp, BALANCE_SEASON),
	SUM(season_coins, BALANCE_SEASON),
	SUM(week_xp, BALANCE_WEEK),
	SUM(week_coins, BALANCE_WEEK),
	SUM(messages_sent, BALANCE_EVER),
	SUM(voice_seconds, BALANCE_EVER),
	SUM(games_played, BALANCE_EVER),
	SUM(games_won, BALANCE_EVER),
	SUM(dailies, BALANCE_EVER),
	SUM(tickets_opened, BALANCE_EVER),
	SUM(promos_used, BALANCE_EVER),
	SUM(referrals, BALANCE_EVER),
	SUM(day_games_played, BALANCE_DAY),
	SUM(day_games_won, BALANCE_DAY),
	SUM(day_dailies, BALANCE_DAY),
	SUM(week_games_played, BALANCE_WEEK),
	SUM(week_games_won, BALANCE_WEEK),
};

int64_t *balance_sum(struct balance *balance, const struct balance_sum *sum)
{
	return (int64_t *)(void *)((char *)balance + sum->offset);
}

int64_t balance_sum_of(const struct balance *balance, const struct balance_sum *sum)
{
	int64_t value = 0;

	memcpy(&value, (const char *)balance + sum->offset, sizeof(value));
	return value;
}

bool account_older(const struct account *a, const struct account *b)
{
	return a->created_at != b->created_at ? a->created_at < b->created_at : a->id < b->id;
}

const struct identity *member_identity(const struct member *member, enum platform platform)
{
	for (size_t i = 0; i < member->identity_count; i++) {
		if (member->identities[i].platform == platform) {
			return &member->identities[i];
		}
	}
	return NULL;
}

const struct identity *member_identity_by_id(const struct member *member, int64_t identity_id)
{
	for (size_t i = 0; i < member->identity_count; i++) {
		if (member->identities[i].id == identity_id) {
			return &member->identities[i];
		}
	}
	return NULL;
}

bool member_is_complete(const struct member *member)
{
	return !str_empty(member->account.display_name) && member->account.language != LANGUAGE_UNSET && member->identity_count >= 2;
}

struct str identity_label(struct arena *arena, const struct identity *identity)
{
	if (!str_empty(identity->name)) {
		return identity->name;
	}
	if (!str_empty(identity->username)) {
		return str_printf(arena, "@" STR_FMT, STR_ARG(identity->username));
	}
	if (!str_empty(identity->email)) {
		return identity->email;
	}
	return str_printf(arena, "%lld", (long long)identity->platform_id);
}
