/*
 * role - which Discord roles a rank is shown by, and what is to be done so that a person holds them. Pure.
 *
 * A mapped role stands for one rank, or for all ranks of a letter ("E": E I, E II, E III). A person holds those that stand for his rank and
 * none of the other mapped ones; roles that are not mapped are nobody's business here.
 */
#ifndef TRIVET_CORE_ROLE_H
#define TRIVET_CORE_ROLE_H

#include <stdbool.h>

#include "core/rank.h"

struct role_rule {
	int64_t role_id;
	int64_t rank_id;   /* 0: by letter */
	struct str letter; /* absent: by rank */
	bool refused;      /* Discord does not let us: neither given nor taken for now */
};

struct role_step {
	int64_t role_id;
	bool give; /* else take */
};

/* role_stands_for - whether a role is for people of this rank. rank NULL: a person without an account. */
bool role_stands_for(const struct role_rule *rule, const struct rank *rank);

/* role_holds - whether `role_id` is among those held. */
bool role_holds(const int64_t *held, size_t count, int64_t role_id);

/*
 * role_diff - what is missing is given first, then what is too much is taken: nobody stands without a role in between.
 *
 * rules       of one server, each role once
 * held        what Discord says that he holds, mapped or not
 * ret_steps   room for rule_count
 * Returns how many. Refused roles have no step.
 */
size_t role_diff(const struct role_rule *rules, size_t rule_count, const struct rank *rank, const int64_t *held, size_t held_count,
                 struct role_step *ret_steps);

#endif
