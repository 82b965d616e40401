/*
 * account - the values that rules about people work on. Plain values: rows as read, strings borrowed from the request's arena.
 */
#ifndef TRIVET_CORE_ACCOUNT_H
#define TRIVET_CORE_ACCOUNT_H

#include "core/platform_id.h"

/* One identity as the database holds it (migrations/0001). Times in microseconds UTC, 0 = never. */
struct identity {
	int64_t id;
	int64_t account_id;
	enum platform platform;
	int64_t platform_id; /* 0 for the website */
	struct str email;
	struct str username;
	struct str name;
	struct str language_hint;
	int64_t first_seen;
	int64_t last_seen;
	int64_t attached_at;
	int64_t linked_at;
	int64_t detached_from; /* account; 0 = never detached */
	int64_t detached_at;
};

struct account {
	int64_t id;
	int64_t created_at;
	enum language language; /* own choice; UNSET = none */
	struct str display_name;
	bool hidden;
	int64_t merged_into; /* 0 = alive */
};

/* Sums of an account; what merging adds up. All >= 0. */
struct balance {
	int64_t xp;
	int64_t coins;
	int64_t season_no;
	int64_t season_xp;
	int64_t season_coins;
	int64_t week_no;
	int64_t week_xp;
	int64_t week_coins;
	int64_t messages_sent;
	int64_t voice_seconds;
	int64_t games_played;
	int64_t games_won;
	int64_t achievements;
	int64_t daily_streak;
	int64_t last_daily;
};

/* An account has at most one identity per platform. */
#define ACCOUNT_IDENTITIES_MAX (PLATFORM_COUNT - 1)

/* One side of a joining, or an account as a whole. */
struct member {
	struct account account;
	struct balance balance;
	struct identity identities[ACCOUNT_IDENTITIES_MAX]; /* the longest on the account first */
	size_t identity_count;
};

/* account_older - the one that survives a merge: created first, then the lower id (domain.md, Merging). */
bool account_older(const struct account *a, const struct account *b);

/* member_identity - by platform; NULL when the account has none there. */
const struct identity *member_identity(const struct member *member, enum platform platform);

/* member_identity_by_id - NULL when that identity is not on this account. */
const struct identity *member_identity_by_id(const struct member *member, int64_t identity_id);

/* identity_label - what people call somebody: the name, else "@username", else the platform's number. Arena: for the last two. */
struct str identity_label(struct arena *arena, const struct identity *identity);

#endif
