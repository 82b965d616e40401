/*
 * people - the unified profile as other programs and the website see it, and what a program shows of a person.
 */
#ifndef TRIVET_SERVICE_PEOPLE_H
#define TRIVET_SERVICE_PEOPLE_H

#include "store/people.h"

struct json; /* io/json.h */

/* Longest name and username that are kept, code points. */
#define PEOPLE_NAME_MAX 64

/* people_get - use case: one SELECT. OK, NOT_FOUND, statuses of service_read(). */
MUST_CHECK enum status people_get(struct ctx *ctx, enum platform platform, int64_t platform_id, struct unified *ret_unified);

/*
 * people_get_or_create - use case: the same, after the first contact where there was none.
 *
 * person        telegram or discord; its names are taken as they are and cleaned here; an absent one leaves the stored one
 * ret_created   whether this call made the account
 * Statuses of tx_run().
 */
MUST_CHECK enum status people_get_or_create(struct ctx *ctx, const struct person *person, struct unified *ret_unified, bool *ret_created);

/*
 * people_shown - a person as a program shows him: names cleaned as they will be kept, no @ before the username; what is left out, or has
 * nothing worth showing, is absent. The names live in the arena.
 */
struct person people_shown(struct arena *arena, const struct person *person);

/*
 * people_seen - step, the last of a transaction as contact_seen() is: writes those names of people_shown() that differ.
 */
MUST_CHECK enum status people_seen(struct tx *tx, const struct identity *identity, const struct person *shown);

/*
 * people_lock - step: the whole account of a person, as it is under its lock.
 *
 * platform   UNSET: account_id says whose it is, else platform_id
 * OK, NOT_FOUND (there is no such living account), RETRY (it was joined to another meanwhile), statuses of pg_run().
 */
MUST_CHECK enum status people_lock(struct tx *tx, enum platform platform, int64_t platform_id, int64_t account_id,
                                   struct member *ret_member);

/*
 * people_json - the unified profile (contract.md, Shapes) as a tree of the bound arena; NULL when it is out.
 */
struct json *people_json(struct arena *arena, const struct unified *unified);

#endif
