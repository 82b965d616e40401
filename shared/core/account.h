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

/*
 * What an account has and has done: every column of account_balance (migrations/0001, 0005) but last_active. All >= 0; times in
 * microseconds UTC, 0 = never. A sum of a period counts as 0 when its number is not the present one. Only int64_t: the store reads and
 * writes it by a table of columns in this order (store/balance.c).
 */
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
	int64_t achievements; /* badges held */
	int64_t daily_streak;
	int64_t last_daily;
	int64_t wins_in_row; /* the present run */
	int64_t wins_best;   /* the longest */
	int64_t dailies;
	int64_t tickets_opened;
	int64_t promos_used;
	int64_t referrals;        /* qualified */
	int64_t links;            /* platforms held at once, at most; 0: one */
	int64_t profile_complete; /* 1: name and language chosen, two identities */
	int64_t day_no;           /* of the day_ counters: when they were applied */
	int64_t day_games_played;
	int64_t day_games_won;
	int64_t day_dailies;
	int64_t week_games_played; /* of week_no, like the next three */
	int64_t week_games_won;
	int64_t week_wins_in_row;
	int64_t week_wins_best;
	int64_t xp_day_no; /* of the two caps: the latest day, by the events' own time */
	int64_t day_message_xp;
	int64_t day_voice_xp;
	int64_t last_message_at; /* the last message that gave XP, by its own time */
	int64_t last_text;       /* hash of the last text; 0: none */
	int64_t voice_rest;      /* seconds carried on to the next session */
	int64_t voice_session;   /* hash of the last named session; 0: none */
	int64_t voice_session_xp;
	int64_t rank_paid; /* the highest rank whose coins were paid */
};

/* How long a sum counts. */
enum balance_period {
	BALANCE_UNSET = 0,
	BALANCE_EVER,
	BALANCE_SEASON,
	BALANCE_WEEK,
	BALANCE_DAY,
	BALANCE_PERIOD_COUNT
};

/* A sum that a merge adds up and an undo gives back, besides XP and coins. */
struct balance_sum {
	size_t offset; /* of the int64_t in struct balance */
	enum balance_period period;
};

#define BALANCE_SUMS 17
/* In the order of the columns of public.merge. */
extern const struct balance_sum balance_sums[BALANCE_SUMS];

/* balance_sum, balance_sum_of - the place of a sum in a balance. */
int64_t *balance_sum(struct balance *balance, const struct balance_sum *sum);
int64_t balance_sum_of(const struct balance *balance, const struct balance_sum *sum);

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

/* member_is_complete - whether the profile is: language and name chosen, two identities (domain.md, Missions). */
bool member_is_complete(const struct member *member);

/* identity_label - what people call somebody: the name, else "@username", else the platform's number. Arena: for the last two. */
struct str identity_label(struct arena *arena, const struct identity *identity);

#endif
