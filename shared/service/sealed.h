/*
 * sealed - the secrets of a reply as one sealed blob, the form of the `sealed` columns of inbox, outbox and job.
 *
 * Plain form, before sealing: for each secret its length as four bytes, most significant first, then its bytes. Sealed under
 * app->key_seal (decisions.md 9), so a copy of the database shows no live code.
 */
#ifndef TRIVET_SERVICE_SEALED_H
#define TRIVET_SERVICE_SEALED_H

#include "base/ctx.h"
#include "base/status.h"
#include "core/reply.h"

/*
 * sealed_make - the blob of reply->secrets; absent when the reply has none.
 *
 * OK, TOO_LARGE (arena).
 */
MUST_CHECK enum status sealed_make(const struct ctx *ctx, const struct reply *reply, struct str *ret_sealed);

/*
 * sealed_open - puts the secrets back beside the reply. An absent blob leaves the reply without secrets: they are rendered as
 * blanks, which is what a wiped row shall show.
 *
 * OK, INVALID (forged, of another key, or malformed), TOO_LARGE.
 */
MUST_CHECK enum status sealed_open(const struct ctx *ctx, struct str sealed, struct reply *reply);

/*
 * sealed_texts_make, sealed_texts_open - the same for secrets that are not a reply's: tokens.
 *
 * max   how many fit ret_texts, which may be written to also when it fails
 * make: OK, TOO_LARGE (arena, or more than a small column). open: OK, INVALID (likewise; more than max), TOO_LARGE.
 */
MUST_CHECK enum status sealed_texts_make(const struct ctx *ctx, const struct str *texts, size_t count, struct str *ret_sealed);
MUST_CHECK enum status sealed_texts_open(const struct ctx *ctx, struct str sealed, struct str *ret_texts, size_t max, size_t *ret_count);

#endif
