#include "io/crypto.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

_Static_assert(CRYPTO_HASH_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
_Static_assert(CRYPTO_HASH_BYTES == crypto_auth_hmacsha256_BYTES, "HMAC-SHA-256");
_Static_assert(CRYPTO_KEY_BYTES == crypto_secretbox_KEYBYTES, "secretbox");
_Static_assert(CRYPTO_SEAL_OVERHEAD == crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES, "secretbox");

static const unsigned char *bytes_of(struct str s)
{
	/* libsodium may not be handed NULL, even with length 0. */
	return (const unsigned char *)(s.ptr == NULL ? "" : s.ptr);
}

enum status crypto_setup(void)
{
	return sodium_init() < 0 ? UNAVAILABLE : OK;
}

void crypto_random(void *ret_bytes, size_t len)
{
	randombytes_buf(ret_bytes, len);
}

unsigned crypto_random_below(unsigned bound)
{
	assert(bound > 0);
	return randombytes_uniform(bound);
}

void crypto_sha256(struct str data, unsigned char ret_hash[CRYPTO_HASH_BYTES])
{
	/* Cannot fail, by its documentation; the result only mirrors the other functions. */
	(void)crypto_hash_sha256(ret_hash, bytes_of(data), data.len);
}

void crypto_hmac_sha256(struct str key, struct str data, unsigned char ret_hash[CRYPTO_HASH_BYTES])
{
	/* The one-shot function takes keys of 32 bytes only. */
	crypto_auth_hmacsha256_state state;
	(void)crypto_auth_hmacsha256_init(&state, bytes_of(key), key.len);
	(void)crypto_auth_hmacsha256_update(&state, bytes_of(data), data.len);
	(void)crypto_auth_hmacsha256_final(&state, ret_hash);
	sodium_memzero(&state, sizeof(state));
}

void crypto_derive(struct secret master, const char *purpose, unsigned char ret_key[CRYPTO_KEY_BYTES])
{
	crypto_hmac_sha256(master.bytes, str_from_z(purpose), ret_key);
}

bool crypto_equal(struct str a, struct str b)
{
	unsigned char hash_a[CRYPTO_HASH_BYTES];
	unsigned char hash_b[CRYPTO_HASH_BYTES];
	crypto_sha256(a, hash_a);
	crypto_sha256(b, hash_b);
	return sodium_memcmp(hash_a, hash_b, sizeof(hash_a)) == 0;
}

struct str crypto_hex(struct arena *arena, const unsigned char *bytes, size_t len)
{
	if (len > SIZE_MAX / 2 - 1) {
		return STR_ABSENT;
	}
	size_t room = len * 2 + 1;
	char *text = arena_alloc(arena, room);
	if (text == NULL) {
		return STR_ABSENT;
	}
	sodium_bin2hex(text, room, bytes, len);
	return (struct str){text, room - 1};
}

struct str crypto_base64url(struct arena *arena, const unsigned char *bytes, size_t len)
{
	if (len > SIZE_MAX / 2) {
		return STR_ABSENT;
	}
	size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = arena_alloc(arena, room);
	if (text == NULL) {
		return STR_ABSENT;
	}
	sodium_bin2base64(text, room, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return (struct str){text, room - 1};
}

bool crypto_ed25519_key_ok(const unsigned char key[32])
{
	return crypto_core_ed25519_is_valid_point(key) == 1;
}

enum status crypto_ed25519_verify(const unsigned char key[32], const unsigned char signature[64], struct str message)
{
	return crypto_sign_verify_detached(signature, bytes_of(message), message.len, key) == 0 ? OK : DENIED;
}

struct str crypto_seal(struct arena *arena, const unsigned char key[CRYPTO_KEY_BYTES], struct str plain)
{
	if (plain.len > SIZE_MAX - CRYPTO_SEAL_OVERHEAD) {
		return STR_ABSENT;
	}
	size_t len = plain.len + CRYPTO_SEAL_OVERHEAD;
	unsigned char *sealed = arena_alloc(arena, len);
	if (sealed == NULL) {
		return STR_ABSENT;
	}
	crypto_random(sealed, crypto_secretbox_NONCEBYTES);
	(void)crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, bytes_of(plain), plain.len, sealed, key);
	return (struct str){(const char *)sealed, len};
}

enum status crypto_open(struct arena *arena, const unsigned char key[CRYPTO_KEY_BYTES], struct str sealed, struct str *ret_plain)
{
	if (sealed.len < CRYPTO_SEAL_OVERHEAD) {
		return DENIED;
	}
	size_t len = sealed.len - CRYPTO_SEAL_OVERHEAD;
	unsigned char *plain = arena_alloc(arena, len);
	if (plain == NULL) {
		return TOO_LARGE;
	}
	const unsigned char *nonce = bytes_of(sealed);
	const unsigned char *box = nonce + crypto_secretbox_NONCEBYTES;
	if (crypto_secretbox_open_easy(plain, box, sealed.len - crypto_secretbox_NONCEBYTES, nonce, key) != 0) {
		return DENIED;
	}
	*ret_plain = (struct str){(const char *)plain, len};
	return OK;
}

void crypto_wipe(void *bytes, size_t len)
{
	sodium_memzero(bytes, len);
}
