#include "core/account.h"

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
