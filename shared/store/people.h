/*
 * people - the unified profile: everything that other programs may see of a person, by one SELECT.
 */
#ifndef TRIVET_STORE_PEOPLE_H
#define TRIVET_STORE_PEOPLE_H

#include "core/account.h"
#include "store/tx.h"

struct rank_now {
	int64_t id;
	struct str name;
	int64_t xp; /* from which it is held */
	struct str next_name; /* absent at the top */
	int64_t next_xp;
};

struct unified {
	struct member member; /* of its identities only the members below are read: id, platform, platform_id, email, username, name, hint */
	struct rank_now rank;
	struct str badges; /* codes, the first earned first, separated by commas; absent: none */
};

/* people_read - the person behind a platform's id. OK, NOT_FOUND. */
MUST_CHECK enum status people_read(struct tx *tx, enum platform platform, int64_t platform_id, struct unified *ret_unified);

#endif
