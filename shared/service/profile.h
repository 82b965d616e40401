/*
 * profile - how people stand, as they see it; what they say of themselves: language and name; what a whole profile is worth.
 *
 * A profile is complete when its owner has chosen a language and a name and is known on two platforms (domain.md, Missions). Whoever
 * changes one of the three pays for it, once; a joining does so itself (linking_join.c).
 */
#ifndef TRIVET_SERVICE_PROFILE_H
#define TRIVET_SERVICE_PROFILE_H

#include "core/account.h"
#include "store/store.h"

/* ---- reading ---- */

/* profiles_begin - has profiles of several people read together (app->profiles). OK, UNAVAILABLE (no memory). */
MUST_CHECK enum status profiles_begin(struct app *app);

/* profile_get - use case: by the platform's id, together with whoever asks at the same time. OK, NOT_FOUND, statuses of service_read(). */
MUST_CHECK enum status profile_get(struct ctx *ctx, const struct person *person, struct profile *ret_profile);

/* ---- steps ---- */

/* How long a name may be that somebody chooses. */
#define PROFILE_NAME_MAX 32

/*
 * profile_choose_language, profile_choose_name - and what follows from it.
 *
 * name     as typed
 * source   who says so, for the ledger: "telegram:main"
 * OK, RETRY (the account became part of another meanwhile), INVALID (nothing in the name can be shown), statuses of ledger_settle().
 */
MUST_CHECK enum status profile_choose_language(struct tx *tx, int64_t account_id, enum language language, struct str source);
MUST_CHECK enum status profile_choose_name(struct tx *tx, int64_t account_id, struct str name, struct str source, struct str *ret_name);

#endif
