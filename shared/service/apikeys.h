/*
 * apikeys - who calls the service API.
 */
#ifndef TRIVET_SERVICE_APIKEYS_H
#define TRIVET_SERVICE_APIKEYS_H

#include "store/apikey.h"

/* Longer than any key that was ever made. */
#define APIKEYS_TOKEN_MAX 256

/*
 * apikeys_admit - use case: the key that a request shows.
 *
 * authorization   the header's value, "Bearer <key>"; the scheme in any case (RFC 9110, 11.1)
 * OK, DENIED (another scheme, an unknown or a revoked key), statuses of service_read().
 */
MUST_CHECK enum status apikeys_admit(struct ctx *ctx, struct str authorization, struct apikey *ret_key);

/*
 * apikeys_in_time - whether this request is within the key's rate, of which it takes its part; in this process.
 *
 * ret_wait_us   set when it is not: how long until one is
 */
bool apikeys_in_time(struct ctx *ctx, const struct apikey *key, int64_t *ret_wait_us);

/* apikeys_has_scope - whether the key has a scope, which is one word. */
bool apikeys_has_scope(const struct apikey *key, struct str scope);

#endif
