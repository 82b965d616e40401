/*
 * roles - the mapping of Discord roles, and people whose roles are to be looked at (store/sql/roles.sql, migrations/0014).
 *
 * Statuses are those of pg_run(), and what is named. Lists that are returned live in the transaction's arena.
 */
#ifndef TRIVET_STORE_ROLES_H
#define TRIVET_STORE_ROLES_H

#include "core/role.h"
#include "store/tx.h"

/* A rule and its server; in the order of servers and roles. */
struct role_mapping {
	int64_t guild_id;
	struct role_rule rule;
};

/* Who sends for the bot, what he has in work, and since when a refusal counts no more. */
struct role_claim {
	struct str bot;
	struct str owner;
	int64_t wall_now;
	const int64_t *in_work; /* Discord users */
	size_t in_work_count;
	size_t room;
	int64_t refused_before;
};

struct role_person {
	int64_t guild_id;
	int64_t user_id;
	struct str mark;
	int64_t attempts;
	bool known; /* has an account; else xp is 0 */
	int64_t xp;
};

/*
 * role_claim_people - at most claim->room people who are marked and due, changes before the sweep. None when the lease of claim->bot is not
 * claim->owner's. Nothing is written: claim->in_work keeps them from being claimed twice.
 */
MUST_CHECK enum status role_claim_people(struct tx *tx, const struct role_claim *claim, struct role_person **ret_people, size_t *ret_count);
/* role_rules_read - all mappings; a rule is `refused` when Discord refused it after `refused_before` (microseconds UTC). */
MUST_CHECK enum status role_rules_read(struct tx *tx, int64_t refused_before, struct role_mapping **ret_rules, size_t *ret_count);

/* role_sweep - marks the next people of one server; next_round: when the one after this begins. ret_count: how many were marked. */
MUST_CHECK enum status role_sweep(struct tx *tx, const struct role_claim *claim, size_t portion, int64_t next_round, int64_t *ret_count);

/* What became of one. */
struct role_outcome {
	int64_t guild_id;
	int64_t user_id;
	struct str mark;
	bool done; /* wanted, applied and absent are set; else error, due_at (0: not before something changes) and attempt */
	const int64_t *wanted;
	size_t wanted_count;
	const int64_t *applied;
	size_t applied_count;
	bool absent;
	int64_t due_at;
	struct str error;
	bool attempt;
};

/* role_outcome_write - ends the mark when done, else sets when to try again. Nothing when the person was marked anew since the claim. */
MUST_CHECK enum status role_outcome_write(struct tx *tx, const struct role_outcome *outcome);

/*
 * role_refuse - why a role cannot be given or taken; role_id 0: of the whole server; why absent: it can.
 *
 * ret_news   whether that was not known; false of a role that is not mapped any more
 */
MUST_CHECK enum status role_refuse(struct tx *tx, int64_t guild_id, int64_t role_id, struct str why, bool *ret_news);

#endif
