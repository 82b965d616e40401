#include "service/adjust.h"

#include "base/parse.h"
#include "io/crypto.h"
#include "io/json.h"
#include "service/ledger.h"
#include "service/people.h"
#include "service/tx.h"
#include "store/adjustment.h"
#include "store/store.h"

#define DIGEST_BYTES 16
#define REASON_MAX 255 /* a line for people, as of events */

struct adjusting {
	const struct adjust_order *order;
	struct adjustment row; /* what will stand under the key */
	struct adjusted result;
};

static struct str digest(struct arena *arena, struct str text)
{
	unsigned char hash[CRYPTO_HASH_BYTES];

	crypto_sha256(text, hash);
	return str_dup(arena, (struct str){(const char *)hash, DIGEST_BYTES});
}

static struct str person_text(struct arena *arena, const struct adjust_order *order)
{
	if (order->platform == PLATFORM_UNSET) {
		return str_printf(arena, "account %lld", (long long)order->account_id);
	}
	return str_printf(arena, STR_FMT " %lld", STR_ARG(platform_name(order->platform)), (long long)order->platform_id);
}

/* ---- the key ---- */

static struct str differences(struct arena *arena, const struct adjustment *before, const struct adjustment *now)
{
	const struct {
		struct str name;
		bool differs;
	} parts[] = {
		{STR_INIT("platform_id"), !str_eq(before->person, now->person)},
		{STR_INIT("xp"), before->xp != now->xp},
		{STR_INIT("coins"), before->coins != now->coins},
		{STR_INIT("reason"), !str_eq(before->reason, now->reason)},
	};
	struct buf names = buf_init(arena, 64);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].differs) {
			buf_add(&names, names.len > 0 ? STR(", ") : STR(""));
			buf_add(&names, parts[i].name);
		}
	}
	return buf_str(&names);
}

/* OK: the key came before, and the result says what of it. NOT_FOUND: it is free. */
static enum status look_up_key(struct tx *tx, struct adjusting *adjusting)
{
	struct adjustment before;
	enum status status = adjustment_find(tx, adjusting->row.key, &before);

	if (status != OK) {
		return status;
	}
	struct str differs = differences(tx->ctx->arena, &before, &adjusting->row);

	if (str_empty(differs)) {
		adjusting->result = (struct adjusted){.verdict = ADJUST_REPEATED, .account_id = before.account_id, .xp = before.xp,
		                                      .coins = before.coins, .xp_after = before.xp_after, .coins_after = before.coins_after,
		                                      .at = before.at};
	} else {
		adjusting->result = (struct adjusted){.verdict = ADJUST_KEY_REUSED, .differs = differs};
	}
	return OK;
}

/* ---- the change ---- */

static struct str sums_json(struct arena *arena, const struct balance *balance)
{
	return str_printf(arena, "{\"xp\":%lld,\"coins\":%lld}", (long long)balance->xp, (long long)balance->coins);
}

static enum status record(struct tx *tx, struct adjusting *adjusting, int64_t account_id, struct str before, const struct balance *after)
{
	const struct adjust_order *order = adjusting->order;
	struct audit audit = {.actor = order->source, .action = STR("user.adjust"), .account_id = account_id, .before = before,
	                      .after = sums_json(tx->ctx->arena, after), .reason = order->reason};

	adjusting->row.account_id = account_id;
	adjusting->row.xp_after = after->xp;
	adjusting->row.coins_after = after->coins;
	enum status status = adjustment_insert(tx, &adjusting->row);

	return status == OK ? audit_insert(tx, &audit) : status;
}

static enum status carry_out(struct tx *tx, struct adjusting *adjusting, struct member *member)
{
	const struct adjust_order *order = adjusting->order;
	struct balance *balance = &member->balance;
	struct str before = sums_json(tx->ctx->arena, balance);
	struct posting posting = {.account_id = member->account.id, .balance = balance, .key = adjusting->row.key, .kind = LEDGER_ADJUST,
	                          .source = order->source, .reason = order->reason, .xp = order->xp, .coins = order->coins};
	enum status status = ledger_post(tx, &posting);

	if (status == OK) {
		status = record(tx, adjusting, member->account.id, before, balance);
	}
	if (status == INSUFFICIENT || status == OVERFLOWN) {
		adjusting->result = (struct adjusted){.verdict = status == INSUFFICIENT ? ADJUST_INSUFFICIENT : ADJUST_OVERFLOW,
		                                      .xp_after = balance->xp, .coins_after = balance->coins};
		return OK;
	}
	if (status != OK) {
		/* Another account's order took the key a moment ago: the next run finds it. */
		return status == CONFLICT ? RETRY : status;
	}
	adjusting->result = (struct adjusted){.verdict = ADJUST_DONE, .account_id = member->account.id, .xp = order->xp, .coins = order->coins,
	                                      .xp_after = balance->xp, .coins_after = balance->coins, .at = tx->ctx->now};
	return OK;
}

/*
 * The key is looked up before the account, so that a repeat is answered even when the person is gone, and again under the lock, since the
 * first may have been in work: what it used up must not make its repeat insufficient.
 */
static enum status run(struct tx *tx, void *arg)
{
	struct adjusting *adjusting = arg;
	struct member member;
	enum status status = look_up_key(tx, adjusting);

	if (status != NOT_FOUND) {
		return status;
	}
	status = people_lock(tx, adjusting->order->platform, adjusting->order->platform_id, adjusting->order->account_id, &member);
	if (status == NOT_FOUND) {
		adjusting->result = (struct adjusted){.verdict = ADJUST_NOBODY};
		return OK;
	}
	if (status != OK) {
		return status;
	}
	status = look_up_key(tx, adjusting);
	return status == NOT_FOUND ? carry_out(tx, adjusting, &member) : status;
}

static bool in_range(int64_t change)
{
	return change >= -ADJUST_MAX && change <= ADJUST_MAX;
}

enum status adjust(struct ctx *ctx, const struct adjust_order *order, struct adjusted *ret_adjusted)
{
	struct adjusting adjusting = {.order = order, .row = {.xp = order->xp, .coins = order->coins}};
	enum status status = OK;

	if ((order->xp == 0 && order->coins == 0) || !in_range(order->xp) || !in_range(order->coins)) {
		*ret_adjusted = (struct adjusted){.verdict = ADJUST_OUT_OF_RANGE};
		return OK;
	}
	adjusting.row.key = str_printf(ctx->arena, "adjust:" STR_FMT ":" STR_FMT, STR_ARG(order->space), STR_ARG(order->key));
	adjusting.row.person = digest(ctx->arena, person_text(ctx->arena, order));
	adjusting.row.reason = digest(ctx->arena, order->reason);
	if (arena_failed(ctx->arena)) {
		return TOO_LARGE;
	}
	status = tx_run(ctx, run, &adjusting);
	if (status == OK) {
		*ret_adjusted = adjusting.result;
	}
	return status;
}

enum status adjust_reason_check(struct arena *arena, struct str reason, struct str *ret_detail)
{
	static const struct event_field field = {.name = "reason", .kind = EVENT_FIELD_TEXT, .required = true, .min = 1, .max = REASON_MAX};

	return event_value_check(arena, &field, &(struct event_value){.present = true, .text = reason}, ret_detail);
}

struct json *adjust_json(struct arena *arena, const struct adjusted *adjusted)
{
	struct json *change = json_set_i64(json_set_i64(json_object(), "xp", adjusted->xp), "coins", adjusted->coins);
	struct json *json = json_set_i64(json_object(), "id", adjusted->account_id);

	json = json_set_i64(json, "xp", adjusted->xp_after);
	json = json_set_i64(json, "coins", adjusted->coins_after);
	json = json_set(json, "changed", change);
	return json_set_str(json, "at", format_rfc3339(arena, adjusted->at));
}
