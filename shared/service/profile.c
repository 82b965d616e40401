#include "service/profile.h"

#include "base/utf.h"
#include "io/app.h"
#include "io/group_read.h"
#include "service/catalogue.h"
#include "service/ledger.h"
#include "service/tx.h"

/* ---- reading ---- */

/* Parameters of SQL_PROFILES_BY_IDENTITY. */
#define PROFILE_KEYS 2

enum status profiles_begin(struct app *app)
{
	return group_read_open(app->pg, SQL_PROFILES_BY_IDENTITY, PROFILE_KEYS, PROFILE_PLACE_COLUMN, config_threads(app->config),
	                       &app->profiles);
}

struct wanted {
	struct arena *arena;
	const struct person *person;
	struct profile profile;
};

static enum status read_alone(struct tx *tx, void *arg)
{
	struct wanted *wanted = arg;

	return profile_read(tx, wanted->person->platform, wanted->person->platform_id, &wanted->profile);
}

/* What was read for all lives no longer than the call. */
static void take_copy(const struct pg_rows *rows, int row, void *arg)
{
	struct wanted *wanted = arg;
	struct profile *profile = &wanted->profile;

	profile_take(rows, row, profile);
	struct str *texts[] = {&profile->viewer.username, &profile->viewer.name, &profile->viewer.language_hint, &profile->display_name,
	                       &profile->platforms};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		*texts[i] = str_present(*texts[i]) ? str_dup(wanted->arena, *texts[i]) : STR_ABSENT;
	}
}

static enum status find_rank(struct ctx *ctx, struct profile *profile)
{
	const struct economy *economy = NULL;
	enum status status = catalogue_look(ctx, &economy);

	if (status == OK) {
		size_t place = rank_at(economy->ranks, economy->rank_count, profile->xp);

		profile->rank = &economy->ranks[place];
		profile->next_rank = place + 1 < economy->rank_count ? &economy->ranks[place + 1] : NULL;
	}
	return status;
}

enum status profile_get(struct ctx *ctx, const struct person *person, struct profile *ret_profile)
{
	struct wanted wanted = {.arena = ctx->arena, .person = person};
	enum status status = UNAVAILABLE;

	if (ctx->app->profiles != NULL) {
		const struct gather_row key = {
			.columns = {platform_name(person->platform), str_printf(ctx->arena, "%lld", (long long)person->platform_id)}};

		status = group_read_ask(ctx->app->profiles, &key, ctx->deadline, take_copy, &wanted);
	}
	/* The common connection is in trouble, or still to be made: each for himself. */
	if (status != OK && status != NOT_FOUND) {
		status = service_read(ctx, read_alone, &wanted);
	}
	if (status == OK) {
		status = find_rank(ctx, &wanted.profile);
	}
	if (status == OK && arena_failed(ctx->arena)) {
		status = TOO_LARGE;
	}
	if (status == OK) {
		*ret_profile = wanted.profile;
	}
	return status;
}

/* ---- steps ---- */

/* Pays for a profile that is complete, once. The account is locked. */
static enum status settle(struct tx *tx, int64_t account_id, struct str source)
{
	struct member member = {0};
	enum status status = member_read(tx, account_id, &member);

	if (status != OK) {
		return status;
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
	bool both = false;
	enum status status = account_set_language(tx, account_id, language, &both);

	if (status == OK && both) {
		status = settle(tx, account_id, source);
	}
	return status == NOT_FOUND ? RETRY : status;
}

enum status profile_choose_name(struct tx *tx, int64_t account_id, struct str name, struct str source, struct str *ret_name)
{
	struct str shown = utf_display(tx->ctx->arena, name, PROFILE_NAME_MAX);

	if (str_empty(shown)) {
		return INVALID;
	}
	bool both = false;
	enum status status = account_set_name(tx, account_id, shown, &both);

	if (status == OK && both) {
		status = settle(tx, account_id, source);
	}
	if (status == OK) {
		*ret_name = shown;
	}
	return status == NOT_FOUND ? RETRY : status;
}
