#include "service/economy.h"

#include "io/crypto.h"
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

enum status ledger_post(struct tx *tx, const struct posting *posting)
{
	struct ledger_row row = {.account_id = posting->account_id, .key = posting->key, .kind = posting->kind,
	                         .source = posting->source, .reason = posting->reason};
	enum status status = ledger_decide(posting->balance, posting->xp, posting->coins, &row.entry);

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
