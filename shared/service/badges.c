#include "service/badges.h"

#include "service/ledger.h"
#include "service/people.h"
#include "service/tx.h"
#include "store/catalogue.h"
#include "store/store.h"

struct granting {
	const struct badge_order *order;
	struct badge_granted result;
};

static enum status record(struct tx *tx, const struct granting *granting, int64_t xp_before, int64_t coins_before)
{
	struct arena *arena = tx->ctx->arena;
	const struct badge_granted *result = &granting->result;
	struct audit audit = {
		.actor = granting->order->source,
		.action = STR("badge.grant"),
		.account_id = result->account_id,
		.before = str_printf(arena, "{\"xp\":%lld,\"coins\":%lld}", (long long)xp_before, (long long)coins_before),
		/* The code is one of the table's: it has nothing that JSON escapes. */
		.after = str_printf(arena, "{\"badge\":\"" STR_FMT "\",\"xp\":%lld,\"coins\":%lld}", STR_ARG(granting->order->code),
		                    (long long)result->xp_after, (long long)result->coins_after),
	};

	return audit_insert(tx, &audit);
}

/*
 * The key is of the account, its rows' of the badge too; the mark, written with them, refuses a second payment. NOT_FOUND goes up as it is:
 * tx_run() makes a partition that is missing.
 */
static enum status pay(struct tx *tx, struct granting *granting, struct member *member)
{
	struct balance before = member->balance;
	struct posting posting = {
		.account_id = member->account.id,
		.balance = &member->balance,
		.key = str_printf(tx->ctx->arena, "grant:%lld", (long long)member->account.id),
		.source = granting->order->source,
	};
	enum status status = ledger_grant(tx, &posting, granting->order->code);

	if (status == OVERFLOWN) {
		granting->result = (struct badge_granted){.verdict = BADGE_OVERFLOW};
		return OK;
	}
	if (status != OK) {
		return status;
	}
	granting->result = (struct badge_granted){
		.verdict = BADGE_GRANTED,
		.account_id = member->account.id,
		.xp = member->balance.xp - before.xp,
		.coins = member->balance.coins - before.coins,
		.xp_after = member->balance.xp,
		.coins_after = member->balance.coins,
		.at = tx->ctx->now,
	};
	return record(tx, granting, before.xp, before.coins);
}

static enum status give(struct tx *tx, struct granting *granting, struct member *member)
{
	int64_t since = 0;
	enum status status = badge_held_since(tx, member->account.id, granting->order->code, &since);

	if (status == NOT_FOUND) {
		granting->result = (struct badge_granted){.verdict = BADGE_UNKNOWN};
		return OK;
	}
	if (status != OK || since == 0) {
		return status == OK ? pay(tx, granting, member) : status;
	}
	granting->result = (struct badge_granted){
		.verdict = BADGE_HELD,
		.account_id = member->account.id,
		.xp_after = member->balance.xp,
		.coins_after = member->balance.coins,
		.at = since,
	};
	return OK;
}

static enum status run(struct tx *tx, void *arg)
{
	struct granting *granting = arg;
	const struct badge_order *order = granting->order;
	struct member member;
	enum status status = people_lock(tx, order->platform, order->platform_id, order->account_id, &member);

	if (status == NOT_FOUND) {
		granting->result = (struct badge_granted){.verdict = BADGE_NOBODY};
		return OK;
	}
	return status == OK ? give(tx, granting, &member) : status;
}

enum status badges_grant(struct ctx *ctx, const struct badge_order *order, struct badge_granted *ret_granted)
{
	struct granting granting = {.order = order};
	enum status status = tx_run(ctx, run, &granting);

	if (status == OK) {
		*ret_granted = granting.result;
	}
	return status;
}
