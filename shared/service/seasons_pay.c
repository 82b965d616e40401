#include "service/seasons_pay.h"

#include <stdlib.h>

#include "core/reply.h"
#include "io/crypto.h"
#include "service/notify.h"
#include "service/payout.h"
#include "service/seasons.h"
#include "store/store.h"

#define SOURCE STR("season")

struct paying {
	struct season_row row;
	struct season_prize *prizes;
	size_t prize_count;
	struct season_result *results;
	size_t count;
	int64_t *ids; /* of accounts that live, ascending, each once; locked */
	size_t id_count;
	struct event_account *accounts; /* by id */
	struct payout payout;
	struct str *keys; /* of results that lead to something */
	struct str *contents;
	size_t key_count;
	struct person_notice *notices;
	size_t notice_count;
};

/* What one result has come to. */
struct gain {
	int64_t place;
	int64_t coins;
	const struct season_prize *prize; /* NULL: none */
	const struct badge *badge;        /* of the prize, when it is new to him */
};

static int compare_i64(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left;
	int64_t b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* ---- who ---- */

static enum status collect(struct tx *tx, struct paying *paying)
{
	size_t count = 0;

	paying->ids = arena_array(tx->ctx->arena, paying->count, sizeof(*paying->ids));
	if (paying->ids == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < paying->count; i++) {
		if (paying->results[i].alive) {
			paying->ids[count++] = paying->results[i].account_id;
		}
	}
	qsort(paying->ids, count, sizeof(*paying->ids), compare_i64);
	paying->id_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || paying->ids[i] != paying->ids[i - 1]) {
			paying->ids[paying->id_count++] = paying->ids[i];
		}
	}
	return OK;
}

static struct event_account *find_account(const struct paying *paying, int64_t id)
{
	const int64_t *at = paying->id_count > 0 ? bsearch(&id, paying->ids, paying->id_count, sizeof(id), compare_i64) : NULL;

	return at != NULL ? &paying->accounts[at - paying->ids] : NULL;
}

/* The results again under the locks of their people: who was joined, parted or hidden in between is as he is now. */
static enum status lock(struct tx *tx, struct paying *paying)
{
	size_t wanted = 0;
	enum status status = collect(tx, paying);

	wanted = paying->id_count;
	if (status == OK) {
		status = event_accounts_lock(tx, paying->ids, wanted, paying->ids, &paying->id_count);
	}
	if (status == OK && paying->id_count == wanted) {
		status = season_results(tx, &paying->row, SEASONS_PAY_BATCH, &paying->results, &paying->count);
	}
	if (status != OK || paying->id_count != wanted) {
		return status != OK ? status : RETRY;
	}
	paying->accounts = arena_array(tx->ctx->arena, paying->id_count, sizeof(*paying->accounts));
	if (paying->accounts == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < paying->count; i++) {
		if (paying->results[i].alive && find_account(paying, paying->results[i].account_id) == NULL) {
			return RETRY;
		}
	}
	return event_balances(tx, paying->ids, paying->id_count, paying->accounts);
}

/* ---- what ---- */

/* A part that does not fit into the account is left out, the rest stands. */
static enum status unless_overflown(enum status status)
{
	return status == OVERFLOWN ? OK : status;
}

/* ret_new: the badge, when it was not held. */
static enum status grant(const struct economy_turn *turn, struct str code, const struct badge **ret_new)
{
	size_t index = str_empty(code) ? SIZE_MAX : economy_badge_by_code(turn->economy, code);
	bool held = index != SIZE_MAX && economy_has(&turn->account->badges, index);
	enum status status = OK;

	if (index == SIZE_MAX || held) {
		return OK; /* staff may have taken the badge away; nobody earns one twice */
	}
	status = unless_overflown(economy_grant(turn, index));
	if (status == OK && economy_has(&turn->account->badges, index)) {
		*ret_new = &turn->economy->badges[index];
	}
	return status;
}

static enum status give(struct tx *tx, const struct economy_turn *turn, const struct paying *paying, const struct season_result *result,
                        struct gain *gain)
{
	const struct season_prize *prize = result->place > 0 ? season_prize(paying->prizes, paying->prize_count, result->place) : NULL;
	const struct badge *participant = NULL;
	enum status status = OK;

	gain->place = result->place;
	gain->prize = prize;
	if (prize != NULL && prize->coins > 0) {
		struct str reason = str_printf(tx->ctx->arena, "season %lld, place %lld", (long long)paying->row.no, (long long)result->place);

		status = economy_post(turn, LEDGER_SEASON_REWARD, 0, prize->coins, reason);
		gain->coins = status == OK ? prize->coins : 0;
		status = unless_overflown(status);
	}
	if (status == OK && prize != NULL) {
		status = grant(turn, prize->badge, &gain->badge);
	}
	return status == OK ? grant(turn, SEASON_BADGE_PARTICIPANT, &participant) : status;
}

/* The key of a result, with what it was paid for. */
static void keep_key(struct tx *tx, struct paying *paying, struct str key, const struct season_result *result, const struct gain *gain)
{
	unsigned char hash[CRYPTO_HASH_BYTES];
	struct str text = str_printf(tx->ctx->arena, "%lld %lld %lld", (long long)result->account_id, (long long)result->place,
	                             (long long)gain->coins);

	crypto_sha256(text, hash);
	paying->keys[paying->key_count] = key;
	paying->contents[paying->key_count] = str_dup(tx->ctx->arena, (struct str){(const char *)hash, sizeof hash});
	paying->key_count++;
}

/* One each: of two results of one person the first, which is the higher. */
static enum status keep_winner(struct tx *tx, struct paying *paying, int64_t account_id, const struct gain *gain)
{
	struct gain *kept = NULL;

	for (size_t i = 0; i < paying->notice_count; i++) {
		if (paying->notices[i].account_id == account_id) {
			return OK;
		}
	}
	kept = arena_alloc(tx->ctx->arena, sizeof(*kept));
	if (kept == NULL) {
		return TOO_LARGE;
	}
	*kept = *gain;
	paying->notices[paying->notice_count++] = (struct person_notice){.account_id = account_id, .topic = SOURCE, .about = kept};
	return OK;
}

static enum status pay_one(struct tx *tx, struct paying *paying, const struct season_result *result)
{
	struct event_account *account = find_account(paying, result->account_id);
	struct payout *payout = &paying->payout;
	size_t before = payout->posting_count + payout->badge_count + payout->mission_count;
	struct str key = str_printf(tx->ctx->arena, "season:%lld:%lld", (long long)paying->row.no, (long long)result->user_id);
	struct gain gain = {0};

	if (account == NULL || !str_present(key)) {
		return account == NULL ? INTERNAL : TOO_LARGE;
	}
	struct economy_turn turn = payout_turn(tx, payout, key, &account->state);
	enum status status = give(tx, &turn, paying, result, &gain);

	if (status == OK) {
		status = payout_take(tx, payout, account->id, SOURCE);
	}
	if (status == OK && payout->posting_count + payout->badge_count + payout->mission_count > before) {
		account->changed = true;
		keep_key(tx, paying, key, result, &gain);
	}
	return status == OK && gain.prize != NULL ? keep_winner(tx, paying, account->id, &gain) : status;
}

static enum status decide(struct tx *tx, struct paying *paying)
{
	struct arena *arena = tx->ctx->arena;
	enum status status = payout_begin(tx, &paying->payout);

	paying->keys = arena_array(arena, paying->count, sizeof(*paying->keys));
	paying->contents = arena_array(arena, paying->count, sizeof(*paying->contents));
	paying->notices = arena_array(arena, paying->count, sizeof(*paying->notices));
	if (paying->keys == NULL || paying->contents == NULL || paying->notices == NULL) {
		return TOO_LARGE;
	}
	if (status == OK && paying->id_count > 0) {
		status = marks_read(tx, paying->payout.economy, &paying->payout.running, paying->ids, paying->id_count,
		                    &paying->accounts->state, sizeof(*paying->accounts));
	}
	for (size_t i = 0; i < paying->count && status == OK; i++) {
		struct season_result *result = &paying->results[i];

		result->place = result->visible && result->alive ? season_place(&paying->row.places, result->xp) : 0;
		status = result->alive ? pay_one(tx, paying, result) : OK;
	}
	return status;
}

/* ---- writing ---- */

static struct reply *write_notice(struct arena *arena, const void *context, const struct person_notice *notice)
{
	const struct paying *paying = context;
	const struct economy_rates *rates = &paying->payout.economy->rates;
	const struct gain *gain = notice->about;
	struct reply *reply = reply_new(arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	REPLY_SAY(reply, MSG_SEASON_PLACE, TEXT_DATE(season_start(rates, paying->row.no)), TEXT_DATE(season_start(rates, paying->row.no + 1) - 1),
	          TEXT_INT(gain->place));
	if (gain->coins > 0) {
		REPLY_SAY(reply, MSG_RANK_REWARD, TEXT_INT(gain->coins));
	}
	if (gain->badge != NULL) {
		REPLY_SAY(reply, MSG_BADGE_EARNED, TEXT_WORDS(gain->badge->name_ru, gain->badge->name_en));
	}
	return reply;
}

static enum status tell(struct tx *tx, const struct paying *paying)
{
	struct notice_writer writer = {write_notice, paying};

	return paying->notice_count > 0 ? notify_many(tx, paying->notices, paying->notice_count, &writer) : OK;
}

static enum status write_back(struct tx *tx, struct paying *paying)
{
	size_t changed = 0;
	enum status status = OK;

	for (size_t i = 0; i < paying->id_count; i++) {
		if (paying->accounts[i].changed) {
			paying->accounts[changed++] = paying->accounts[i];
		}
	}
	if (paying->key_count > 0) {
		status = event_keys_claim_own(tx, paying->keys, paying->contents, paying->key_count);
	}
	if (status == OK && changed > 0) {
		status = event_balances_set(tx, paying->accounts, changed);
	}
	if (status == OK) {
		status = payout_write(tx, &paying->payout);
	}
	if (status == OK) {
		status = tell(tx, paying);
	}
	return status == OK ? season_placed(tx, &paying->row, paying->results, paying->count) : status;
}

enum status seasons_pay(struct tx *tx, const struct season_row *row, size_t *ret_count)
{
	struct paying paying = {.row = *row};
	enum status status = season_results(tx, row, SEASONS_PAY_BATCH, &paying.results, &paying.count);

	if (status != OK || paying.count == 0) {
		*ret_count = 0;
		return status;
	}
	status = season_prizes(tx, &paying.prizes, &paying.prize_count);
	if (status == OK) {
		status = lock(tx, &paying);
	}
	if (status == OK) {
		status = decide(tx, &paying);
	}
	if (status == OK) {
		status = write_back(tx, &paying);
	}
	if (status == OK) {
		*ret_count = paying.count;
	}
	return status;
}
