/* An effect happens once per key, and a repeat gets the stored reply. */
#include "service/once.h"

#include "base/metric.h"
#include "core/platform_id.h"
#include "service/sealed.h"
#include "service/tx.h"

struct once_call {
	struct str key;
	enum status (*fn)(struct tx *tx, void *arg, struct once_result *result);
	void *arg;
	struct once_result *result;
	bool in_work; /* the claim waited for another transaction with this key until the lock timeout */
};

/* The last of the transaction. */
static enum status store_reply(struct tx *tx, const struct once_call *call)
{
	const struct reply *reply = call->result->reply;
	struct arena *arena = tx->ctx->arena;
	if (reply == NULL) {
		return INTERNAL;
	}
	struct str encoded = reply_encode(arena, reply);
	if (!str_present(encoded)) {
		return TOO_LARGE;
	}
	bool seal = call->result->sealed_until > tx->ctx->now;
	struct str sealed = STR_ABSENT;
	enum status status = seal ? sealed_make(tx->ctx, reply, &sealed) : OK;
	if (status != OK) {
		return status;
	}
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, call->key);
	pg_add_bytes(&params, encoded);
	pg_add_bytes(&params, sealed);
	pg_add_time(&params, str_present(sealed) ? call->result->sealed_until : 0);
	bool said = tx->ctx->language != LANGUAGE_UNSET;
	pg_add_str(&params, said ? language_code(tx->ctx->language) : STR_ABSENT);
	return tx_query_last(tx, SQL_INBOX_STORE, &params); /* to the row of claim_and_run() */
}

/* Puts the secrets back beside the reply while they live; afterwards they are absent and rendered as such. */
static enum status open_secrets(struct tx *tx, struct str sealed, int64_t sealed_until, struct reply *reply)
{
	if (sealed_until <= tx->ctx->now) {
		return OK;
	}
	enum status status = sealed_open(tx->ctx, sealed, reply);
	/* Sealed under a key that was changed since: the code is lost, the words are not. */
	return status == INVALID ? OK : status;
}

static enum status load_reply(struct tx *tx, const struct once_call *call)
{
	struct arena *arena = tx->ctx->arena;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, call->key);
	struct pg_rows *rows;
	enum status status = tx_query(tx, SQL_INBOX_GET, &params, &rows);
	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) != 1 || pg_is_null(rows, 0, 0)) {
		/* Removed between the two statements, by a cleaner that no repeat can outlive: the next try runs it afresh. */
		return UNAVAILABLE;
	}
	struct reply *reply;
	status = reply_decode(arena, pg_bytes(arena, rows, 0, 0), &reply);
	if (status != OK) {
		return arena_failed(arena) ? TOO_LARGE : INTERNAL;
	}
	int64_t sealed_until = pg_time(rows, 0, 2);
	status = open_secrets(tx, pg_bytes(arena, rows, 0, 1), sealed_until, reply);
	if (status != OK) {
		return status;
	}
	/* The words shall be the first answer's, whatever the person has chosen since. */
	enum language language = language_from_code(pg_str(rows, 0, 3));
	tx->ctx->language = language != LANGUAGE_UNSET ? language : tx->ctx->language;
	*call->result = (struct once_result){.reply = reply, .sealed_until = sealed_until, .repeated = true};
	return OK;
}

static enum status claim_and_run(struct tx *tx, void *arg)
{
	struct once_call *call = arg;
	*call->result = (struct once_result){.reply = NULL};
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, call->key);
	pg_add_time(&params, tx->ctx->now);
	struct pg_rows *rows;
	enum status status = tx_query(tx, SQL_INBOX_CLAIM, &params, &rows);
	if (status != OK) {
		call->in_work = str_eq(pg_sqlstate(tx->conn), STR("55P03"));
		return status;
	}
	if (pg_affected(rows) == 0) {
		return load_reply(tx, call);
	}
	status = call->fn(tx, call->arg, call->result);
	return status == OK ? store_reply(tx, call) : status;
}

enum status once(struct ctx *ctx, struct str key, enum status (*fn)(struct tx *tx, void *arg, struct once_result *result), void *arg,
                 struct once_result *ret_result)
{
	struct once_result result = {.reply = NULL};
	struct once_call call = {.key = key, .fn = fn, .arg = arg, .result = &result};
	enum status status = UNAVAILABLE;
	/*
	 * A repeat that comes while the first is in work waits on the inbox's index, 500 ms at a time (lock_timeout). Its end is the
	 * deadline: pg_take() refuses to begin past it.
	 */
	do {
		call.in_work = false;
		status = tx_run(ctx, claim_and_run, &call);
	} while (status == UNAVAILABLE && call.in_work);
	if (status == OK) {
		metric_add(METRIC_UPDATE_DUPLICATE, result.repeated ? 1 : 0);
		*ret_result = result;
	}
	return status;
}

struct answered_arg {
	struct str key;
	bool answered;
};

static enum status look_for_reply(struct tx *tx, void *arg)
{
	struct answered_arg *looking = arg;
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, looking->key);
	enum status status = tx_query(tx, SQL_INBOX_GET, &params, &rows);

	looking->answered = status == OK && pg_row_count(rows) == 1 && !pg_is_null(rows, 0, 0);
	return status;
}

enum status once_answered(struct ctx *ctx, struct str key, bool *ret_answered)
{
	struct answered_arg looking = {.key = key};
	enum status status = service_read(ctx, look_for_reply, &looking);

	if (status == OK) {
		*ret_answered = looking.answered;
	}
	return status;
}
