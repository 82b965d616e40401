/* crypto: known answers (RFC 4231, RFC 8032, FIPS 180), Wycheproof's Ed25519 vectors, sealing, one spelling per value. */
#include "io/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/parse.h"
#include "io/json.h"

#define WYCHEPROOF "../shared/vectors/wycheproof-ed25519_test.json"
#define WYCHEPROOF_TESTS 151

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	json_setup();
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL || crypto_setup() != OK ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* The bytes that a row of hexadecimal digits stands for. */
static struct str unhex(const char *text)
{
	size_t len = strlen(text) / 2;
	unsigned char *bytes = arena_alloc(arena, len);
	assert_non_null(bytes);
	assert_int_equal(parse_hex(str_from_z(text), bytes, len), OK);
	return (struct str){(const char *)bytes, len};
}

static void check_hex(const unsigned char *bytes, size_t len, const char *expected)
{
	struct str text = crypto_hex(arena, bytes, len);
	assert_int_equal(text.len, strlen(expected));
	assert_memory_equal(text.ptr, expected, text.len);
}

static struct str repeated(int byte, size_t len)
{
	char *bytes = arena_alloc(arena, len);
	assert_non_null(bytes);
	memset(bytes, byte, len);
	return (struct str){bytes, len};
}

/* Source: FIPS 180-2, appendix B; the empty text is of NIST's CAVP. */
static void test_sha256(void **state)
{
	(void)state;
	unsigned char hash[CRYPTO_HASH_BYTES];
	crypto_sha256(STR_ABSENT, hash);
	check_hex(hash, sizeof(hash), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_sha256(STR("abc"), hash);
	check_hex(hash, sizeof(hash), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hash);
	check_hex(hash, sizeof(hash), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* Source: RFC 4231, 4.2 to 4.8 (4.6 is about truncation, which we do not do). */
static void test_hmac_sha256(void **state)
{
	(void)state;
	const struct {
		struct str key, data;
		const char *hash;
	} rows[] = {
		{repeated(0x0B, 20), STR("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{STR("Jefe"), STR("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{repeated(0xAA, 20), repeated(0xDD, 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{unhex("0102030405060708090a0b0c0d0e0f10111213141516171819"), repeated(0xCD, 50),
		 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
		{repeated(0xAA, 131), STR("Test Using Larger Than Block-Size Key - Hash Key First"),
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{repeated(0xAA, 131),
		 STR("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before "
		     "being used by the HMAC algorithm."),
		 "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned char hash[CRYPTO_HASH_BYTES];
		crypto_hmac_sha256(rows[i].key, rows[i].data, hash);
		check_hex(hash, sizeof(hash), rows[i].hash);
	}
}

static void test_derive(void **state)
{
	(void)state;
	struct secret master = {STR("0123456789abcdef0123456789abcdef")};
	unsigned char seal[CRYPTO_KEY_BYTES];
	unsigned char again[CRYPTO_KEY_BYTES];
	unsigned char code[CRYPTO_KEY_BYTES];
	crypto_derive(master, "seal", seal);
	crypto_derive(master, "seal", again);
	crypto_derive(master, "link-code", code);
	assert_memory_equal(seal, again, sizeof(seal));
	assert_memory_not_equal(seal, code, sizeof(seal));
	/* Sealed columns outlive programs: the derivation may never change. python3: hmac.new(master, b"seal", "sha256") */
	check_hex(seal, sizeof(seal), "fc79e427a9f8caa1e35072e073ed0c32480171be7e491fc4213b995167f12cd4");
}

static void test_equal(void **state)
{
	(void)state;
	assert_true(crypto_equal(STR("secret"), STR("secret")));
	assert_true(crypto_equal(STR(""), STR("")));
	assert_false(crypto_equal(STR("secret"), STR("secreT")));
	assert_false(crypto_equal(STR("secret"), STR("secre")));
	assert_false(crypto_equal(STR("secret"), STR("")));
	assert_false(crypto_equal(STR("a\0b"), STR("a\0c")));
}

static void test_random(void **state)
{
	(void)state;
	unsigned char one[32] = {0};
	unsigned char two[32] = {0};
	crypto_random(one, sizeof(one));
	crypto_random(two, sizeof(two));
	assert_memory_not_equal(one, two, sizeof(one));
	unsigned seen[7] = {0};
	for (int i = 0; i < 7000; i++) {
		unsigned value = crypto_random_below(7);
		assert_true(value < 7);
		seen[value]++;
	}
	/* 1000 expected of each; a fair die leaves 800..1200 less than once in a thousand million runs. */
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		assert_in_range(seen[i], 800, 1200);
	}
	assert_int_equal(crypto_random_below(1), 0);
}

static void test_base64url(void **state)
{
	(void)state;
	static const struct {
		struct str bytes, text;
	} rows[] = {
		{STR_INIT(""), STR_INIT("")},
		{STR_INIT("f"), STR_INIT("Zg")},
		{STR_INIT("fo"), STR_INIT("Zm8")},
		{STR_INIT("foo"), STR_INIT("Zm9v")},
		{STR_INIT("\xFB\xFF\xFE"), STR_INIT("-__-")},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str text = crypto_base64url(arena, (const unsigned char *)rows[i].bytes.ptr, rows[i].bytes.len);
		assert_true(str_eq(text, rows[i].text));
	}
}

static void test_keys(void **state)
{
	(void)state;
	/* RFC 8032, 7.1, test 1; then what no owner has: zero, identity, low order, not on the curve, mixed order. */
	assert_true(crypto_ed25519_key_ok((const unsigned char *)unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").ptr));
	static const char *const refused[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_false(crypto_ed25519_key_ok((const unsigned char *)unhex(refused[i]).ptr));
	}
}

/* Source: RFC 8032, 7.1, test 2. */
static void test_verify(void **state)
{
	(void)state;
	const unsigned char *key = (const unsigned char *)unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").ptr;
	struct str text = unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	                        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
	unsigned char signature[64];
	memcpy(signature, text.ptr, sizeof(signature));
	assert_int_equal(crypto_ed25519_verify(key, signature, STR("\x72")), OK);
	assert_int_equal(crypto_ed25519_verify(key, signature, STR("\x73")), DENIED);
	assert_int_equal(crypto_ed25519_verify(key, signature, STR("")), DENIED);
	assert_int_equal(crypto_ed25519_verify(key, signature, STR_ABSENT), DENIED);
	for (size_t i = 0; i < sizeof(signature); i++) {
		signature[i] ^= 1;
		assert_int_equal(crypto_ed25519_verify(key, signature, STR("\x72")), DENIED);
		signature[i] ^= 1;
	}
	/* A key and a signature of order 1 "verify" for every text where that is not looked for (OpenSSL does; pitfalls.md 2.7). */
	unsigned char identity[32] = {1};
	unsigned char forged[64] = {1};
	assert_int_equal(crypto_ed25519_verify(identity, forged, STR("anything")), DENIED);
}

static struct str read_vectors(struct arena *own)
{
	FILE *file = fopen(WYCHEPROOF, "rb");
	if (file == NULL) {
		return STR_ABSENT;
	}
	struct buf text = buf_init(own, (size_t)4 * 1024 * 1024);
	char piece[4096];
	for (size_t got = fread(piece, 1, sizeof(piece), file); got > 0; got = fread(piece, 1, sizeof(piece), file)) {
		buf_add(&text, (struct str){piece, got});
	}
	(void)fclose(file);
	return buf_str(&text);
}

/* What our programs do with a signature in hexadecimal: the wrong length never reaches the verification. */
static bool accepts(const unsigned char key[32], const struct json *test)
{
	struct str message_hex = STR_ABSENT;
	struct str signature_hex = STR_ABSENT;
	assert_int_equal(json_get_str(test, "msg", &message_hex), OK);
	assert_int_equal(json_get_str(test, "sig", &signature_hex), OK);
	unsigned char signature[64];
	if (parse_hex(signature_hex, signature, sizeof(signature)) != OK) {
		return false;
	}
	unsigned char message[1024];
	assert_true(message_hex.len / 2 <= sizeof(message));
	assert_int_equal(parse_hex(message_hex, message, message_hex.len / 2), OK);
	return crypto_ed25519_verify(key, signature, (struct str){(const char *)message, message_hex.len / 2}) == OK;
}

static void test_wycheproof(void **state)
{
	(void)state;
	struct arena *own = arena_new((size_t)32 * 1024 * 1024);
	struct str text = read_vectors(own);
	if (!str_present(text)) {
		arena_free(own);
		print_message("skip: no " WYCHEPROOF " here\n");
		skip();
	}
	const struct json *vectors = NULL;
	assert_int_equal(json_read(own, text, &vectors), OK);
	const struct json *groups = json_get(vectors, "testGroups");
	size_t judged = 0;
	for (size_t g = 0; g < json_array_size(groups); g++) {
		const struct json *group = json_array_at(groups, g);
		struct str key_hex = STR_ABSENT;
		unsigned char key[32];
		assert_int_equal(json_get_str(json_get(group, "publicKey"), "pk", &key_hex), OK);
		assert_int_equal(parse_hex(key_hex, key, sizeof(key)), OK);
		const struct json *tests = json_get(group, "tests");
		for (size_t t = 0; t < json_array_size(tests); t++) {
			const struct json *test = json_array_at(tests, t);
			struct str result = STR_ABSENT;
			int64_t id = 0;
			assert_int_equal(json_get_str(test, "result", &result), OK);
			assert_int_equal(json_get_i64(test, "tcId", 0, INT64_MAX, &id), OK);
			if (accepts(key, test) != str_eq(result, STR("valid"))) {
				fail_msg("vector %lld is " STR_FMT, (long long)id, STR_ARG(result));
			}
			judged++;
		}
	}
	assert_int_equal(judged, WYCHEPROOF_TESTS);
	arena_free(own);
}

static void test_seal(void **state)
{
	(void)state;
	unsigned char key[CRYPTO_KEY_BYTES] = {1, 2, 3};
	unsigned char other[CRYPTO_KEY_BYTES] = {1, 2, 4};
	static const struct str plains[] = {STR_INIT("CODE42"), STR_INIT(""), STR_INIT("a\0b\xFF")};
	for (size_t i = 0; i < ARRAY_LEN(plains); i++) {
		struct str sealed = crypto_seal(arena, key, plains[i]);
		assert_int_equal(sealed.len, plains[i].len + CRYPTO_SEAL_OVERHEAD);
		struct str plain = STR_ABSENT;
		assert_int_equal(crypto_open(arena, key, sealed, &plain), OK);
		assert_true(str_present(plain) && str_eq(plain, plains[i]));
		/* The same text never looks the same. */
		assert_false(str_eq(sealed, crypto_seal(arena, key, plains[i])));
	}
	struct str sealed = crypto_seal(arena, key, STR("CODE42"));
	assert_null(memmem(sealed.ptr, sealed.len, "CODE42", 6));
	struct str plain = STR_ABSENT;
	assert_int_equal(crypto_open(arena, other, sealed, &plain), DENIED);
	assert_int_equal(crypto_open(arena, key, STR(""), &plain), DENIED);
	assert_int_equal(crypto_open(arena, key, STR_ABSENT, &plain), DENIED);
	for (size_t len = 0; len < sealed.len; len++) {
		assert_int_equal(crypto_open(arena, key, str_cut(sealed, 0, len), &plain), DENIED);
	}
	char forged[64];
	memcpy(forged, sealed.ptr, sealed.len);
	for (size_t i = 0; i < sealed.len; i++) {
		forged[i] = (char)(forged[i] ^ 0x40);
		assert_int_equal(crypto_open(arena, key, (struct str){forged, sealed.len}, &plain), DENIED);
		forged[i] = (char)(forged[i] ^ 0x40);
	}
	assert_false(str_present(plain));
}

static void test_without_memory(void **state)
{
	(void)state;
	struct arena *small = arena_new(16);
	unsigned char key[CRYPTO_KEY_BYTES] = {0};
	struct str sealed = crypto_seal(arena, key, repeated('x', 100));
	struct str bytes = STR_ABSENT;
	assert_false(str_present(crypto_seal(small, key, STR("a"))));
	assert_int_equal(crypto_open(small, key, sealed, &bytes), TOO_LARGE);
	assert_false(str_present(crypto_hex(small, key, sizeof(key))));
	assert_false(str_present(crypto_base64url(small, key, sizeof(key))));
	assert_false(str_present(bytes));
	arena_free(small);
}

static void test_wipe(void **state)
{
	(void)state;
	char secret[] = "secret";
	static const char zero[sizeof(secret)] = {0};
	crypto_wipe(secret, sizeof(secret));
	assert_memory_equal(secret, zero, sizeof(secret));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),    cmocka_unit_test(test_hmac_sha256), cmocka_unit_test(test_derive),
		cmocka_unit_test(test_equal),     cmocka_unit_test(test_random),      cmocka_unit_test(test_base64url),
		cmocka_unit_test(test_keys),      cmocka_unit_test(test_verify),      cmocka_unit_test(test_wycheproof),
		cmocka_unit_test(test_seal),      cmocka_unit_test(test_without_memory), cmocka_unit_test(test_wipe),
	};
	return cmocka_run_group_tests_name("crypto", tests, set_up, tear_down);
}
