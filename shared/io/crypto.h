/*
 * crypto - random, hashes, signatures, sealing; the only file that knows libsodium.
 */
#ifndef TRIVET_IO_CRYPTO_H
#define TRIVET_IO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define CRYPTO_HASH_BYTES 32
#define CRYPTO_KEY_BYTES 32
#define CRYPTO_SEAL_OVERHEAD 40 /* nonce 24, authenticator 16 */

/* A secret from the settings: no %s by accident, compared in constant time, wiped when the settings close. */
struct secret {
	struct str bytes;
};

/* crypto_setup - once per process. UNAVAILABLE when the system has no random numbers. */
MUST_CHECK enum status crypto_setup(void);

/* crypto_random - `len` bytes of the system's CSPRNG. The only source of randomness in the tree (ASVS 11.5.1). */
void crypto_random(void *ret_bytes, size_t len);

/* crypto_random_below - uniform in 0..bound-1; bound 1..2^32-1. */
unsigned crypto_random_below(unsigned bound);

/* crypto_sha256 - of all bytes. */
void crypto_sha256(struct str data, unsigned char ret_hash[CRYPTO_HASH_BYTES]);

/* crypto_hmac_sha256 - any key length. */
void crypto_hmac_sha256(struct str key, struct str data, unsigned char ret_hash[CRYPTO_HASH_BYTES]);

/*
 * crypto_derive - a key for one purpose from the installation's master secret: HMAC-SHA-256(master, purpose).
 *
 * Purposes in use: "link-code", "seal", "marks"; a new use takes a new word.
 */
void crypto_derive(struct secret master, const char *purpose, unsigned char ret_key[CRYPTO_KEY_BYTES]);

/* crypto_equal - constant time in the content; different lengths are unequal (compared by their hashes). */
bool crypto_equal(struct str a, struct str b);

/* crypto_hex - lower-case hexadecimal in the arena. */
struct str crypto_hex(struct arena *arena, const unsigned char *bytes, size_t len);

/* crypto_base64url - without padding, in the arena. */
struct str crypto_base64url(struct arena *arena, const unsigned char *bytes, size_t len);

/* crypto_ed25519_key_ok - 32 bytes that are a point of the main subgroup: refuses all-zero and low-order keys. */
bool crypto_ed25519_key_ok(const unsigned char key[32]);

/*
 * crypto_ed25519_verify - OK, DENIED. Strict: S < L, no small-order points (libsodium; pitfalls.md 2.7).
 */
MUST_CHECK enum status crypto_ed25519_verify(const unsigned char key[32], const unsigned char signature[64], struct str message);

/* crypto_seal / crypto_open - crypto_secretbox with a random nonce in front. open: OK, DENIED (forged or another key), TOO_LARGE. */
struct str crypto_seal(struct arena *arena, const unsigned char key[CRYPTO_KEY_BYTES], struct str plain);
MUST_CHECK enum status crypto_open(struct arena *arena, const unsigned char key[CRYPTO_KEY_BYTES], struct str sealed,
                                   struct str *ret_plain);

/* crypto_wipe - zeroes memory in a way the compiler keeps. */
void crypto_wipe(void *bytes, size_t len);

#endif
