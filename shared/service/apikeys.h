/*
 * apikeys - who calls the service API.
 */
#ifndef TRIVET_SERVICE_APIKEYS_H
#define TRIVET_SERVICE_APIKEYS_H

#include "store/apikey.h"

/* How exactly last_used_at is kept. */
#define APIKEYS_USED_EVERY_US (5 * MINUTE_US)

/* Longer than any key that was ever made. */
#define APIKEYS_TOKEN_MAX 256

/*
 * apikeys_admit - use case: the key that a request shows.
 *
 * authorization   the header's value, "Bearer <key>"; the scheme in any case (RFC 9110, 11.1)
 * OK, DENIED (another scheme, an unknown or a revoked key), statuses of service_read().
 */
MUST_CHECK enum status apikeys_admit(struct ctx *ctx, struct str authorization, struct apikey *ret_key);

/* apikeys_has_scope - whether the key has a scope, which is one word. */
bool apikeys_has_scope(const struct apikey *key, struct str scope);

#endif
