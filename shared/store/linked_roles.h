/*
 * linked_roles - rows of linked_role (store/sql/linked_roles.sql, migrations/0014).
 *
 * Statuses are those of pg_run(), and what is named. Lists that are returned live in the transaction's arena.
 */
#ifndef TRIVET_STORE_LINKED_ROLES_H
#define TRIVET_STORE_LINKED_ROLES_H

#include "core/linked_role.h"
#include "store/roles.h"

struct linked_row {
	int64_t identity_id;
	int64_t user_id; /* of Discord */
	struct str sealed;
	int64_t expires_at; /* of the access token */
	int64_t generation; /* of the tokens */
	struct str version; /* of what is to be shown */
	int64_t attempts;
	struct linked_shown shown;
	int64_t xp;
	int64_t joined_at;
};

/*
 * linked_role_put - the tokens of a consent; what was shown before is forgotten, and the person is due at once.
 *
 * sealed       both tokens, sealed by the service
 * expires_at   of the access token, microseconds UTC
 * CONFLICT: there is no such identity.
 */
MUST_CHECK enum status linked_role_put(struct tx *tx, int64_t identity_id, struct str sealed, int64_t expires_at);

/* linked_role_claim - what is due; claim->in_work are identities. */
MUST_CHECK enum status linked_role_claim(struct tx *tx, const struct role_claim *claim, struct linked_row **ret_rows, size_t *ret_count);

/* linked_role_tokens - renewed tokens. NOT_FOUND: those of `generation` are not in use any more. */
MUST_CHECK enum status linked_role_tokens(struct tx *tx, int64_t identity_id, int64_t generation, struct str sealed, int64_t expires_at);

/* linked_role_shown - what Discord shows from ctx->now on; due_at: when to look again. */
MUST_CHECK enum status linked_role_shown(struct tx *tx, const struct linked_row *row, const struct linked_values *values, int64_t due_at);

/* linked_role_later - nothing before due_at; why absent: all is well. */
MUST_CHECK enum status linked_role_later(struct tx *tx, const struct linked_row *row, int64_t due_at, struct str why, bool attempt);

/* linked_role_end - the consent is over; its tokens are wiped, unless they were renewed meanwhile. */
MUST_CHECK enum status linked_role_end(struct tx *tx, const struct linked_row *row, struct str why);

#endif
