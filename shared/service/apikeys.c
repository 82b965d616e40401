#include "service/apikeys.h"

#include "io/app.h"
#include "io/crypto.h"
#include "service/tx.h"

#define SCHEME STR("Bearer ")

struct search {
	struct str hash;
	struct apikey key;
};

static enum status find(struct tx *tx, void *arg)
{
	struct search *search = arg;

	return apikey_find(tx, search->hash, &search->key);
}

/* A key has 256 random bits, so its hash may be looked up by an index: who can guess a key needs no timing. */
static bool read_token(struct str authorization, struct str *ret_token)
{
	if (!str_eq_nocase(str_cut(authorization, 0, SCHEME.len), SCHEME)) {
		return false;
	}
	*ret_token = str_cut(authorization, SCHEME.len, authorization.len);
	return ret_token->len > 0 && ret_token->len <= APIKEYS_TOKEN_MAX;
}

enum status apikeys_admit(struct ctx *ctx, struct str authorization, struct apikey *ret_key)
{
	unsigned char hash[CRYPTO_HASH_BYTES];
	struct search search = {.hash = {(const char *)hash, sizeof(hash)}};
	struct str token = STR_ABSENT;

	if (!read_token(authorization, &token)) {
		return DENIED;
	}
	crypto_sha256(token, hash);
	enum status status = service_read(ctx, find, &search);

	if (status != OK) {
		return status == NOT_FOUND ? DENIED : status;
	}
	*ret_key = search.key;
	return OK;
}

bool apikeys_in_time(struct ctx *ctx, const struct apikey *key, int64_t *ret_wait_us)
{
	struct str name = str_printf(ctx->arena, "apikey:rate:%lld:%d", (long long)key->id, key->per_minute);

	return key->per_minute == 0 || !str_present(name) ||
	       limit_rate_allow(ctx->app->limits, name, key->per_minute, ctx->now, ret_wait_us);
}

bool apikeys_has_scope(const struct apikey *key, struct str scope)
{
	struct str rest = key->scopes;

	while (str_present(rest)) {
		if (str_eq(str_split(&rest, ' '), scope)) {
			return true;
		}
	}
	return false;
}
