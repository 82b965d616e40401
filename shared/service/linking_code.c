/* Codes: made, made known to Redis, looked up, settled. */
#include "service/linking.h"

#include "base/metric.h"
#include "io/app.h"
#include "service/tx.h"
#include "store/store.h"

#define GUESS_ALL_KEY "guess:all"
#define GUESS_ALL_WINDOW_US MINUTE_US

/* What both stores know of a code: HMAC-SHA-256 under a key of its own, so that a copy of either shows no live code. */
static struct str code_hash(struct ctx *ctx, struct str typed)
{
	unsigned char hash[CRYPTO_HASH_BYTES];
	struct str code = link_code_normalise(ctx->arena, typed);

	crypto_hmac_sha256((struct str){(const char *)ctx->app->key_link, sizeof ctx->app->key_link}, code, hash);
	return str_dup(ctx->arena, (struct str){(const char *)hash, sizeof hash});
}

static struct str cache_key(struct ctx *ctx, struct str hash)
{
	return str_printf(ctx->arena, "link:" STR_FMT, STR_ARG(crypto_hex(ctx->arena, (const unsigned char *)hash.ptr, hash.len)));
}

static struct str random_code(struct arena *arena)
{
	char code[LINK_CODE_LENGTH];

	for (size_t i = 0; i < sizeof code; i++) {
		code[i] = LINK_CODE_ALPHABET[crypto_random_below(LINK_CODE_SYMBOLS)];
	}
	return str_dup(arena, (struct str){code, sizeof code});
}

static struct str random_token(struct arena *arena)
{
	unsigned char bytes[LINK_TOKEN_BYTES];

	crypto_random(bytes, sizeof bytes);
	return crypto_hex(arena, bytes, sizeof bytes);
}

enum status linking_issue(struct tx *tx, const struct contact *actor, struct str bot, struct link_code *ret_code)
{
	struct ctx *ctx = tx->ctx;
	struct link_code code = {
		.code = random_code(ctx->arena), .token = random_token(ctx->arena), .expires_at = ctx->now + LINK_CODE_LIFE_US};
	enum status status = OK;

	if (actor->member.identity_count == ACCOUNT_IDENTITIES_MAX) {
		return CONFLICT;
	}
	status = contact_lock(tx, actor); /* a code is of an account that lives */
	if (status != OK) {
		return status;
	}
	status = code_put(tx, &(struct code_row){
		.account_id = actor->member.account.id,
		.code_hash = code_hash(ctx, code.code),
		.token_hash = code_hash(ctx, code.token),
		.identity_id = actor->identity->id,
		.bot = bot,
		.expires_at = code.expires_at,
	});
	if (status != OK) {
		/* 887 million codes under a unique index: two alive at once are drawn again by the whole transaction. */
		return status == CONFLICT ? RETRY : status;
	}
	*ret_code = code;
	return OK;
}

static enum status still_named(struct tx *tx, void *arg)
{
	return code_is_named(tx, *(const struct str *)arg);
}

enum status linking_publish(struct ctx *ctx, enum platform platform, const struct link_code *code, bool repeated)
{
	struct str hash = code_hash(ctx, code->code);
	int64_t left_ms = (code->expires_at - ctx->now) / 1000;
	struct str value = str_printf(ctx->arena, STR_FMT " %lld", STR_ARG(platform_name(platform)), (long long)code->expires_at);
	enum status status = OK;

	if (left_ms < 1 || !str_present(code->code)) {
		return OK;
	}
	if (repeated) {
		status = service_read(ctx, still_named, &hash);
		if (status != OK) {
			return status == NOT_FOUND ? OK : status;
		}
	}
	status = cache_set(ctx->app->cache, ctx->deadline, cache_key(ctx, hash), value, left_ms);
	if (status != OK) {
		return status;
	}
	return cache_set(ctx->app->cache, ctx->deadline, cache_key(ctx, code_hash(ctx, code->token)), value, left_ms);
}

struct before_arg {
	const struct person *actor;
	struct str key;
	struct redeem_before before;
};

static enum status read_before(struct tx *tx, void *arg)
{
	struct before_arg *a = arg;

	return redeem_before(tx, a->key, a->actor, &a->before);
}

/* Too many wrong codes of all people: those who have just come must wait (domain.md, Attempts). */
static enum link_outcome check_flood(struct ctx *ctx, int64_t first_seen)
{
	int64_t wrong = 0;

	if (first_seen != 0 && ctx->now - first_seen >= LINK_FLOOD_NEW_US) {
		return LINK_OUTCOME_UNSET;
	}
	if (cache_window_count(ctx->app->cache, ctx->deadline, STR(GUESS_ALL_KEY), ctx->now, GUESS_ALL_WINDOW_US, &wrong) != OK) {
		return LINK_AWAY;
	}
	if (wrong <= LINK_FLOOD_PER_MINUTE) {
		return LINK_OUTCOME_UNSET;
	}
	metric_add(METRIC_CODE_FLOOD, 1);
	return LINK_FLOODED;
}

static void ask_cache(struct ctx *ctx, struct link_attempt *attempt)
{
	struct str value = STR_ABSENT;
	enum status status = cache_window_enter(ctx->app->cache, ctx->deadline, attempt->guess_key, attempt->key, ctx->now,
	                                        LINK_GUESS_WINDOW_US, LINK_GUESSES, &attempt->wait_us);

	if (status != OK) {
		attempt->refusal = status == TOO_MANY ? LINK_ATTEMPTS : LINK_AWAY;
		return;
	}
	attempt->entered = true;
	status = cache_get(ctx->app->cache, ctx->arena, ctx->deadline, cache_key(ctx, attempt->hash), &value);
	attempt->known = status == OK;
	if (status != OK && status != NOT_FOUND) {
		attempt->refusal = LINK_AWAY;
	}
}

/* Each person's own. On the website people are known by their addresses, of which Redis gets a hash. */
static struct str guess_key(struct ctx *ctx, const struct person *actor)
{
	struct str name = platform_name(actor->platform);
	unsigned char hash[CRYPTO_HASH_BYTES];

	if (actor->platform != PLATFORM_WEBSITE) {
		return str_printf(ctx->arena, "guess:" STR_FMT ":%lld", STR_ARG(name), (long long)actor->platform_id);
	}
	crypto_hmac_sha256((struct str){(const char *)ctx->app->key_link, sizeof ctx->app->key_link}, actor->email, hash);
	return str_printf(ctx->arena, "guess:" STR_FMT ":" STR_FMT, STR_ARG(name), STR_ARG(crypto_hex(ctx->arena, hash, sizeof hash)));
}

enum status linking_look_up(struct ctx *ctx, const struct person *actor, struct str key, struct str typed, struct link_attempt *ret_attempt)
{
	struct before_arg arg = {.actor = actor, .key = key};
	struct link_attempt attempt = {.key = key, .hash = code_hash(ctx, typed)};
	enum status status = service_read(ctx, read_before, &arg);

	if (status != OK) {
		return status;
	}
	attempt.guess_key = guess_key(ctx, actor);
	if (arena_failed(ctx->arena)) {
		return TOO_LARGE; /* before Redis is asked under half a key */
	}
	if (!arg.before.answered) { /* a repeat is answered from the inbox: nothing is asked or counted */
		attempt.refusal = check_flood(ctx, arg.before.first_seen);
		if (attempt.refusal == LINK_OUTCOME_UNSET) {
			ask_cache(ctx, &attempt);
		}
	}
	*ret_attempt = attempt;
	return OK;
}

/* Redis may have gone away meanwhile. Nothing depends on it: what is left there ends by its own time. */
static void ignore(enum status status)
{
	(void)status;
}

void linking_settle(struct ctx *ctx, const struct link_attempt *attempt, const struct link_result *result)
{
	struct cache *cache = ctx->app->cache;
	int64_t wait_us = 0;

	if (result->outcome == LINK_UNKNOWN) {
		metric_add(METRIC_CODE_WRONG, 1);
		ignore(cache_window_enter(cache, ctx->deadline, STR(GUESS_ALL_KEY), attempt->key, ctx->now, GUESS_ALL_WINDOW_US,
		                          INT64_MAX, &wait_us));
	} else if (attempt->entered) {
		ignore(cache_window_leave(cache, ctx->deadline, attempt->guess_key, attempt->key));
	}
	if (str_present(result->used_code_hash)) {
		ignore(cache_delete(cache, ctx->deadline, cache_key(ctx, result->used_code_hash)));
		ignore(cache_delete(cache, ctx->deadline, cache_key(ctx, result->used_token_hash)));
	}
}

enum status linking_kill(struct tx *tx, struct str typed)
{
	struct code_row row = {0};
	enum status status = code_find(tx, code_hash(tx->ctx, typed), &row);

	if (status != OK) {
		return status == NOT_FOUND ? OK : status;
	}
	return code_drop(tx, row.account_id);
}
