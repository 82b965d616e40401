#include "service/sealed.h"

#include "io/app.h"
#include "io/crypto.h"

#define LENGTH_BYTES 4

/* A code or a sign-in link is far below this; the blob stays a small column. */
#define SECRETS_BYTES_MAX ((size_t)4096)

static void add_length(struct buf *buf, size_t len)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		buf_add_byte(buf, (char)((len >> shift) & 0xff));
	}
}

enum status sealed_texts_make(const struct ctx *ctx, const struct str *texts, size_t count, struct str *ret_sealed)
{
	struct buf plain = buf_init(ctx->arena, SECRETS_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		add_length(&plain, texts[i].len);
		buf_add(&plain, texts[i]);
	}
	if (!str_present(buf_str(&plain))) {
		return TOO_LARGE;
	}
	struct str sealed = crypto_seal(ctx->arena, ctx->app->key_seal, buf_str(&plain));
	crypto_wipe(plain.ptr, plain.len);
	if (!str_present(sealed)) {
		return TOO_LARGE;
	}
	*ret_sealed = sealed;
	return OK;
}

enum status sealed_make(const struct ctx *ctx, const struct reply *reply, struct str *ret_sealed)
{
	if (reply->secret_count == 0) {
		*ret_sealed = STR_ABSENT;
		return OK;
	}
	return sealed_texts_make(ctx, reply->secrets, reply->secret_count, ret_sealed);
}

static enum status take_secret(struct str *rest, struct str *ret_secret)
{
	if (rest->len < LENGTH_BYTES) {
		return INVALID;
	}
	size_t len = 0;
	for (size_t i = 0; i < LENGTH_BYTES; i++) {
		len = len << 8 | (unsigned char)rest->ptr[i];
	}
	if (len > rest->len - LENGTH_BYTES) {
		return INVALID;
	}
	*ret_secret = str_cut(*rest, LENGTH_BYTES, len);
	*rest = str_cut(*rest, LENGTH_BYTES + len, rest->len);
	return OK;
}

enum status sealed_texts_open(const struct ctx *ctx, struct str sealed, struct str *ret_texts, size_t max, size_t *ret_count)
{
	struct str rest;
	enum status status = crypto_open(ctx->arena, ctx->app->key_seal, sealed, &rest);
	if (status != OK) {
		return status == DENIED ? INVALID : status;
	}
	size_t count = 0;
	while (rest.len > 0) {
		if (count == max || take_secret(&rest, &ret_texts[count]) != OK) {
			return INVALID;
		}
		count++;
	}
	*ret_count = count;
	return OK;
}

enum status sealed_open(const struct ctx *ctx, struct str sealed, struct reply *reply)
{
	if (!str_present(sealed)) {
		return OK;
	}
	struct str secrets[REPLY_SECRETS_MAX];
	size_t count = 0;
	enum status status = sealed_texts_open(ctx, sealed, secrets, REPLY_SECRETS_MAX, &count);
	if (status != OK) {
		return status;
	}
	for (size_t i = 0; i < count; i++) {
		reply->secrets[i] = secrets[i];
	}
	reply->secret_count = count;
	return OK;
}
