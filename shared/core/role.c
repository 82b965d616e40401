#include "core/role.h"

bool role_stands_for(const struct role_rule *rule, const struct rank *rank)
{
	if (rank == NULL) {
		return false;
	}
	if (rule->rank_id != 0) {
		return rule->rank_id == rank->id;
	}
	struct str name = rank->name;

	return str_present(rule->letter) && str_eq(str_split(&name, ' '), rule->letter);
}

bool role_holds(const int64_t *held, size_t count, int64_t role_id)
{
	for (size_t i = 0; i < count; i++) {
		if (held[i] == role_id) {
			return true;
		}
	}
	return false;
}

static size_t add_steps(const struct role_rule *rules, size_t rule_count, const struct rank *rank, const int64_t *held, size_t held_count,
                        bool give, struct role_step *steps)
{
	size_t count = 0;

	for (size_t i = 0; i < rule_count; i++) {
		bool holds = role_holds(held, held_count, rules[i].role_id);

		if (!rules[i].refused && role_stands_for(&rules[i], rank) == give && holds != give) {
			steps[count++] = (struct role_step){.role_id = rules[i].role_id, .give = give};
		}
	}
	return count;
}

size_t role_diff(const struct role_rule *rules, size_t rule_count, const struct rank *rank, const int64_t *held, size_t held_count,
                 struct role_step *ret_steps)
{
	size_t given = add_steps(rules, rule_count, rank, held, held_count, true, ret_steps);

	return given + add_steps(rules, rule_count, rank, held, held_count, false, ret_steps + given);
}
