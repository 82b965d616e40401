#include "service/ledger.h"

#include "io/crypto.h"
#include "service/payout.h"
#include "store/store.h"

/* What makes two postings under one key the same. */
static struct str posting_content(struct tx *tx, const struct posting *posting)
{
	unsigned char hash[CRYPTO_HASH_BYTES];
	struct str text = str_printf(tx->ctx->arena, "%lld %lld %lld " STR_FMT, (long long)posting->account_id, (long long)posting->xp,
	                             (long long)posting->coins, STR_ARG(ledger_kind_name(posting->kind)));

	crypto_sha256(text, hash);
	return str_dup(tx->ctx->arena, (struct str){(const char *)hash, sizeof hash});
}

/* Merging and its undoing: a row, XP and coins. */
static enum status move(struct tx *tx, const struct posting *posting)
{
	struct ledger_row row = {.account_id = posting->account_id, .key = posting->key, .kind = posting->kind,
	                         .source = posting->source, .reason = posting->reason};
	enum status status = ledger_move(posting->balance, posting->xp, posting->coins, &row.entry);

	if (status == OK) {
		status = event_key_claim(tx, posting->key, posting_content(tx, posting));
	}
	if (status == OK) {
		status = ledger_insert(tx, &row);
	}
	if (status != OK) {
		return status;
	}
	posting->balance->xp = row.entry.xp_after;
	posting->balance->coins = row.entry.coins_after;
	return OK;
}

/* One account's turn, as the worker takes many. */
struct single {
	struct payout payout;
	struct event_account account;
	struct economy_turn turn;
};

static enum status begin(struct tx *tx, const struct posting *posting, struct single *single)
{
	enum status status = payout_begin(tx, &single->payout);

	if (status != OK) {
		return status;
	}
	single->account = (struct event_account){.id = posting->account_id, .state.balance = *posting->balance, .changed = true};
	single->turn = payout_turn(tx, &single->payout, posting->key, &single->account.state);
	return marks_read(tx, single->payout.economy, &single->payout.running, &single->account.id, 1, &single->account.state,
	                  sizeof(single->account));
}

static enum status finish(struct tx *tx, const struct posting *posting, struct single *single)
{
	enum status status = payout_take(tx, &single->payout, posting->account_id, posting->source);

	if (status == OK) {
		status = event_balances_set(tx, &single->account, 1);
	}
	if (status == OK) {
		status = payout_write(tx, &single->payout);
	}
	if (status == OK) {
		*posting->balance = single->account.state.balance;
	}
	return status;
}

enum status ledger_post(struct tx *tx, const struct posting *posting)
{
	struct single single;
	enum status status = OK;

	if (posting->kind == LEDGER_MERGE || posting->kind == LEDGER_UNMERGE) {
		return move(tx, posting);
	}
	status = begin(tx, posting, &single);
	if (status == OK) {
		status = economy_post(&single.turn, posting->kind, posting->xp, posting->coins, posting->reason);
	}
	if (status == OK) {
		status = event_key_claim(tx, posting->key, posting_content(tx, posting));
	}
	return status == OK ? finish(tx, posting, &single) : status;
}

enum status ledger_settle(struct tx *tx, const struct posting *posting)
{
	struct single single;
	enum status status = begin(tx, posting, &single);

	if (status == OK) {
		status = economy_settle(&single.turn);
	}
	return status == OK ? finish(tx, posting, &single) : status;
}

enum status ledger_grant(struct tx *tx, const struct posting *posting, struct str badge)
{
	struct single single;
	enum status status = begin(tx, posting, &single);

	if (status != OK) {
		return status;
	}
	size_t index = economy_badge_by_code(single.payout.economy, badge);

	if (index == SIZE_MAX) {
		return NOT_FOUND;
	}
	status = economy_grant(&single.turn, index);
	return status == OK ? finish(tx, posting, &single) : status;
}
