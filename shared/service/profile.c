#include "service/profile.h"

#include "base/utf.h"
#include "service/economy.h"
#include "store/store.h"

enum status profile_settle(struct tx *tx, int64_t account_id, struct str source)
{
	struct member member = {0};
	enum status status = account_lock(tx, &account_id, 1);

	if (status == OK) {
		status = member_read(tx, account_id, &member);
	}
	if (status != OK) {
		return status == NOT_FOUND ? RETRY : status;
	}
	if (member.balance.profile_complete != 0 || !member_is_complete(&member)) {
		return OK;
	}
	member.balance.profile_complete = 1;
	return ledger_settle(tx, &(struct posting){
		.account_id = account_id,
		.balance = &member.balance,
		.key = str_printf(tx->ctx->arena, "profile:%lld", (long long)account_id),
		.source = source,
	});
}

enum status profile_choose_language(struct tx *tx, int64_t account_id, enum language language, struct str source)
{
	enum status status = account_set_language(tx, account_id, language);

	if (status == OK) {
		status = profile_settle(tx, account_id, source);
	}
	return status == NOT_FOUND ? RETRY : status;
}

enum status profile_choose_name(struct tx *tx, int64_t account_id, struct str name, struct str source, struct str *ret_name)
{
	struct str shown = utf_display(tx->ctx->arena, name, PROFILE_NAME_MAX);

	if (str_empty(shown)) {
		return INVALID;
	}
	enum status status = account_set_name(tx, account_id, shown);

	if (status == OK) {
		status = profile_settle(tx, account_id, source);
	}
	if (status == OK) {
		*ret_name = shown;
	}
	return status == NOT_FOUND ? RETRY : status;
}
