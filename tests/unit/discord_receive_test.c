#include "platform_fixture.h"

#include <sodium.h>

#define ID "\"id\":\"175928847299117063\""
#define HEAD ID ",\"application_id\":\"845027738276462632\",\"token\":\"tok_en-1\",\"version\":1"
#define USER "{\"id\":\"53908232506183680\",\"username\":\"mason.x\",\"global_name\":\"Mason\",\"avatar\":null,\"discriminator\":\"0\"}"
#define GUILD \
	"\"guild_id\":\"290926798626357999\",\"channel_id\":\"645027906669510667\",\"context\":0,\"locale\":\"ru\"," \
	"\"member\":{\"user\":" USER "}"
#define DIRECT "\"channel_id\":\"645027906669510667\",\"context\":1,\"locale\":\"en-GB\",\"user\":" USER

static enum status try_body(struct fixture *f, const char *body, struct update *ret_update)
{
	return discord_ops.read(f->arena, &f->config, STR("discord"), str_from_z(body), ret_update);
}

static struct update read_body(struct fixture *f, const char *body)
{
	struct update update = {0};

	if (try_body(f, body, &update) != OK) {
		fail_msg("refused: %s", body);
	}
	assert_int_equal(update.platform, PLATFORM_DISCORD);
	return update;
}

static void reads_a_ping(void **state)
{
	assert_int_equal(read_body(*state, "{\"type\":1}").kind, UPDATE_PING);
	assert_int_equal(read_body(*state, "{\"type\":1," HEAD ",\"entitlements\":[],"
					   "\"user\":{\"id\":\"643945264868098049\"}}")
				 .kind,
		UPDATE_PING);
}

static void reads_a_command_whole(void **state)
{
	struct update u = read_body(*state, "{\"type\":2," HEAD "," GUILD ",\"data\":{\"id\":\"1\",\"name\":\"Code\",\"type\":1,"
					    "\"options\":["
					    "{\"name\":\"code\",\"type\":3,\"value\":\"ABC 234\"},{\"name\":\"n\",\"type\":\"4\","
					    "\"value\":-5},"
					    "{\"name\":\"b\",\"type\":5,\"value\":true},{\"name\":\"r\",\"type\":10,\"value\":1.5}]}}");

	assert_int_equal(u.kind, UPDATE_COMMAND);
	assert_int_equal(u.place, PLACE_GROUP);
	assert_str(u.key, "discord:175928847299117063");
	assert_str(u.command, "code");
	assert_int_equal(u.option_count, 3);
	assert_str(update_option_value(&u, STR("code")), "ABC 234");
	assert_str(update_option_value(&u, STR("n")), "-5");
	assert_str(update_option_value(&u, STR("b")), "true");
	assert_int_equal(u.actor.platform, PLATFORM_DISCORD);
	assert_int_equal(u.actor.platform_id, INT64_C(53908232506183680));
	assert_str(u.actor.username, "mason.x");
	assert_str(u.actor.name, "Mason");
	assert_str(u.actor.language_hint, "ru");
	assert_int_equal(u.chat_id, INT64_C(645027906669510667));
	assert_str(u.interaction_token, "tok_en-1");
	assert_int_equal(u.application_id, TEST_APPLICATION);
	/* The example of the documents, "Snowflake IDs". */
	assert_int_equal(u.sent_at, INT64_C(1462015105796000));
}

static void tells_private_from_open_places(void **state)
{
#define PLACED(members) "{\"type\":2," HEAD ",\"data\":{\"name\":\"top\"}," members "}"
	assert_int_equal(read_body(*state, PLACED(DIRECT)).place, PLACE_PRIVATE);
	assert_int_equal(read_body(*state, PLACED("\"context\":2,\"user\":" USER)).place, PLACE_GROUP);
	assert_int_equal(read_body(*state, PLACED("\"context\":9,\"user\":" USER)).place, PLACE_GROUP);
	assert_int_equal(read_body(*state, PLACED("\"user\":" USER)).place, PLACE_PRIVATE);
	assert_int_equal(read_body(*state, PLACED("\"guild_id\":\"5\",\"member\":{\"user\":" USER "}")).place, PLACE_GROUP);
	/* On a message that only the person sees, nobody reads along. */
	assert_int_equal(read_body(*state, "{\"type\":3," HEAD "," GUILD ",\"message\":{\"id\":\"5\",\"flags\":64},"
					   "\"data\":{\"custom_id\":\"x\"}}")
				 .place,
		PLACE_PRIVATE);
	assert_int_equal(read_body(*state, "{\"type\":3," HEAD "," GUILD ",\"message\":{\"id\":\"5\",\"flags\":4},"
					   "\"data\":{\"custom_id\":\"x\"}}")
				 .place,
		PLACE_GROUP);
}

static void ignores_bots_and_commands_that_are_not_typed(void **state)
{
	static const char *const bodies[] = {
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"Report\",\"type\":2,\"target_id\":\"5\"}}",
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"Report\",\"type\":\"3\"}}",
		"{\"type\":2," HEAD ",\"user\":{\"id\":\"5\",\"username\":\"b\",\"bot\":true},\"data\":{\"name\":\"top\"}}",
		"{\"type\":77," HEAD "," DIRECT ",\"data\":{}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct update u = read_body(*state, bodies[i]);

		assert_int_equal(u.kind, UPDATE_IGNORED);
		assert_true(str_present(u.interaction_token));
	}
}

static void reads_buttons_forms_and_completions(void **state)
{
	struct update u = read_body(*state, "{\"type\":3," HEAD "," GUILD ",\"message\":{\"id\":\"99\"},"
					    "\"data\":{\"custom_id\":\"undo:5\",\"component_type\":2}}");

	assert_int_equal(u.kind, UPDATE_BUTTON);
	assert_str(u.action, "undo:5");
	assert_int_equal(u.message_id, 99);

	u = read_body(*state, "{\"type\":5," HEAD "," DIRECT ",\"data\":{\"custom_id\":\"ticket:new\",\"components\":["
			      "{\"type\":18,\"id\":1,\"component\":{\"type\":4,\"id\":2,\"custom_id\":\"text\",\"value\":\"help\\nme\"}},"
			      "{\"type\":\"1\",\"components\":[{\"type\":\"4\",\"custom_id\":\"old\",\"value\":\"\"}]},"
			      "{\"type\":18,\"component\":{\"type\":3,\"custom_id\":\"pick\",\"values\":[\"a\"]}},{\"type\":10}]}}");
	assert_int_equal(u.kind, UPDATE_FORM);
	assert_str(u.action, "ticket:new");
	assert_int_equal(u.message_id, 0);
	assert_int_equal(u.option_count, 2);
	assert_str(update_option_value(&u, STR("text")), "help\nme");
	assert_str(update_option_value(&u, STR("old")), "");

	u = read_body(*state, "{\"type\":4," HEAD "," DIRECT ",\"data\":{\"name\":\"top\",\"options\":[{\"name\":\"board\",\"type\":3,"
			      "\"value\":\"we\",\"focused\":true}]}}");
	assert_int_equal(u.kind, UPDATE_AUTOCOMPLETE);
	assert_str(u.command, "top");
	assert_true(u.options[0].focused);

	/* Longer than anything that we write: not ours. */
	u = read_body(*state, "{\"type\":3," HEAD "," DIRECT ","
			      "\"data\":{\"custom_id\":\"12345678901234567890123456789012345678901234567890123456789012345\"}}");
	assert_int_equal(u.kind, UPDATE_BUTTON);
	assert_false(str_present(u.action));
}

static void refuses_what_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"{\"type\":0}",
		"{\"type\":\"x\"}",
		"{\"type\":1.0}",
		"{\"type\":1,\"type\":1}",
		"{\"type\":1,\"application_id\":\"5\"}",
		"{\"type\":2}",
		"{\"type\":2," ID ",\"application_id\":\"5\",\"token\":\"t\"," DIRECT ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," ID ",\"application_id\":845027738276462632,\"token\":\"t\"," DIRECT ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," ID ",\"token\":\"t\"," DIRECT ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," ID ",\"application_id\":\"845027738276462632\"," DIRECT ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," ID ",\"application_id\":\"845027738276462632\",\"token\":\"\"," DIRECT ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":2,\"id\":\"-5\",\"application_id\":\"845027738276462632\",\"token\":\"t\"," DIRECT ","
		"\"data\":{\"name\":\"top\"}}",
		"{\"type\":2,\"id\":\"9223372036854775808\",\"application_id\":\"845027738276462632\",\"token\":\"t\"," DIRECT ","
		"\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," HEAD ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," HEAD ",\"user\":{\"id\":53908232506183680},\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," HEAD ",\"user\":{\"id\":\"0\"},\"data\":{\"name\":\"top\"}}",
		"{\"type\":2," HEAD "," DIRECT "}",
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"\"}}",
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"top\",\"type\":[]}}",
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"top\",\"options\":[{\"name\":\"sub\",\"type\":1,\"options\":[]}]}}",
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"top\",\"options\":[{\"type\":3,\"value\":\"x\"}]}}",
		"{\"type\":2," HEAD "," DIRECT ",\"data\":{\"name\":\"top\",\"options\":[{\"name\":\"a\",\"value\":1},{\"name\":\"b\","
		"\"value\":1},{\"name\":\"c\","
		"\"value\":1},{\"name\":\"d\",\"value\":1},{\"name\":\"e\",\"value\":1},{\"name\":\"f\",\"value\":1},{\"name\":\"g\","
		"\"value\":1},{\"name\":\"h\","
		"\"value\":1},{\"name\":\"i\",\"value\":1}]}}",
		"{\"type\":2," HEAD ",\"channel_id\":\"x\",\"user\":" USER ",\"data\":{\"name\":\"top\"}}",
		"{\"type\":3," HEAD "," DIRECT ",\"data\":{}}",
		"{\"type\":5," HEAD "," DIRECT ",\"data\":{\"custom_id\":5}}",
		"{\"type\":5," HEAD "," DIRECT ",\"data\":{\"custom_id\":\"x\",\"components\":[{},{},{},{},{},{}]}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct update u = {.kind = UPDATE_TEXT};

		if (try_body(f, bodies[i], &u) != INVALID) {
			fail_msg("not refused: %s", bodies[i]);
		}
		assert_int_equal(u.kind, UPDATE_TEXT); /* untouched */
	}
}

static void distrusts_names(void **state)
{
	struct update u = read_body(*state, "{\"type\":2," HEAD ",\"locale\":\"ru'\",\"user\":{\"id\":\"5\",\"username\":\"a b@\\u202e\","
					    "\"global_name\":\"\\u200b\"},"
					    "\"data\":{\"name\":\"top\"}}");

	assert_false(str_present(u.actor.username));
	assert_str(u.actor.name, "a b@");
	assert_false(str_present(u.actor.language_hint));
}

static void says_when_the_arena_is_too_small(void **state)
{
	struct fixture *f = *state;
	struct arena *small = arena_new(400);
	struct update u;

	json_bind_arena(small);
	assert_int_equal(discord_ops.read(small, &f->config, STR("discord"), STR("{\"type\":2," HEAD "," GUILD ","
										 "\"data\":{\"name\":\"top\"}}"),
				 &u),
		TOO_LARGE);
	json_bind_arena(f->arena);
	arena_free(small);
}

static void reads_events(void **state)
{
	struct fixture *f = *state;
	struct update u;
#define EVENT(type, data) \
	"{\"version\":1,\"application_id\":\"5\",\"type\":1,\"event\":{\"type\":\"" type "\"," \
	"\"timestamp\":\"2024-10-18T14:42:53.064834\",\"data\":" data "}}"

	assert_int_equal(discord_read_event(f->arena, STR("{\"version\":1,\"application_id\":\"5\",\"type\":0}"), &u), OK);
	assert_int_equal(u.kind, UPDATE_PING);
	assert_int_equal(discord_read_event(f->arena, STR(EVENT("APPLICATION_AUTHORIZED", "{\"integration_type\":1,\"scopes\":[],"
											  "\"user\":" USER "}")),
				 &u),
		OK);
	assert_int_equal(u.kind, UPDATE_REACHABLE);
	assert_str(u.key, "discord:event:APPLICATION_AUTHORIZED:53908232506183680:2024-10-18T14:42:53.064834");
	assert_int_equal(u.sent_at, INT64_C(1729262573064834));
	assert_int_equal(u.actor.platform_id, INT64_C(53908232506183680));
	assert_int_equal(u.place, PLACE_PRIVATE);
	assert_int_equal(discord_read_event(f->arena, STR(EVENT("APPLICATION_DEAUTHORIZED", "{\"user\":" USER "}")), &u), OK);
	assert_int_equal(u.kind, UPDATE_UNREACHABLE);
	assert_int_equal(discord_read_event(f->arena, STR(EVENT("ENTITLEMENT_CREATE", "{\"id\":\"8\"}")), &u), OK);
	assert_int_equal(u.kind, UPDATE_IGNORED);
	assert_str(u.key, "discord:event:ENTITLEMENT_CREATE:8:2024-10-18T14:42:53.064834");
}

static void refuses_events_that_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	static const char *const bodies[] = {
		"{}",
		"{\"type\":2}",
		"{\"type\":1}",
		"{\"type\":1,\"event\":{\"type\":\"X Y\",\"timestamp\":\"2024-10-18T14:42:53\"}}",
		"{\"type\":1,\"event\":{\"type\":\"APPLICATION_AUTHORIZED\",\"data\":{\"user\":" USER "}}}",
		EVENT("APPLICATION_AUTHORIZED", "{}"),
		EVENT("APPLICATION_DEAUTHORIZED", "{\"user\":{\"id\":5}}"),
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct update u;

		if (discord_read_event(f->arena, str_from_z(bodies[i]), &u) != INVALID) {
			fail_msg("not refused: %s", bodies[i]);
		}
	}
}

/* ---- signatures ---- */

#define NOW_S INT64_C(1763644000)

struct proof {
	unsigned char key[crypto_sign_PUBLICKEYBYTES];
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	char hex[2 * crypto_sign_BYTES + 1];
	struct header headers[3];
	struct rawreq request;
};

static void sign(struct proof *p, const char *timestamp, const char *body)
{
	static const unsigned char seed[crypto_sign_SEEDBYTES] = {7};
	unsigned char signature[crypto_sign_BYTES];
	char text[512];
	int len = snprintf(text, sizeof text, "%s%s", timestamp, body);

	assert_true(sodium_init() >= 0);
	assert_int_equal(crypto_sign_seed_keypair(p->key, p->secret, seed), 0);
	assert_int_equal(crypto_sign_detached(signature, NULL, (const unsigned char *)text, (unsigned long long)len, p->secret), 0);
	sodium_bin2hex(p->hex, sizeof p->hex, signature, sizeof signature);
	p->headers[0] = (struct header){STR("X_SIGNATURE_ED25519"), str_from_z(p->hex)};
	p->headers[1] = (struct header){STR("X_SIGNATURE_TIMESTAMP"), str_from_z(timestamp)};
	p->headers[2] = (struct header){STR("HOST"), STR("x")};
	p->request = (struct rawreq){.headers = p->headers, .header_count = 3, .body = str_from_z(body)};
}

static enum status verify_at(struct fixture *f, const struct proof *p, int64_t now_s)
{
	return discord_verify(f->arena, p->key, &p->request, now_s * SECOND_US);
}

static void verifies_signatures(void **state)
{
	struct fixture *f = *state;
	struct proof p;

	sign(&p, "1763644000", "{\"type\":1}");
	assert_int_equal(verify_at(f, &p, NOW_S), OK);
	assert_int_equal(verify_at(f, &p, NOW_S + 300), OK);
	assert_int_equal(verify_at(f, &p, NOW_S - 300), OK);
	assert_int_equal(verify_at(f, &p, NOW_S + 301), DENIED);
	assert_int_equal(verify_at(f, &p, NOW_S - 301), DENIED);
	p.request.body = STR("{\"type\":2}");
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	/* The border between timestamp and body is not signed: moving it must not help. */
	sign(&p, "1763644000", "{\"type\":1}");
	p.headers[1].value = STR("176364400");
	p.request.body = STR("0{\"type\":1}");
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	sign(&p, "1763644000", "{\"type\":1}");
	p.key[0] ^= 1;
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
}

static void refuses_malformed_proofs(void **state)
{
	struct fixture *f = *state;
	static const char *const timestamps[] = {
		"",
		"now",
		"1763644000.0",
		"+1763644000",
		" 1763644000",
		"-1",
		"01763644000",
		"176364400000000000000",
		"9223372036854775807",
	};
	struct proof p;

	for (size_t i = 0; i < ARRAY_LEN(timestamps); i++) {
		sign(&p, timestamps[i], "x");
		assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	}
	sign(&p, "1763644000", "x");
	p.request.header_count = 1; /* no timestamp */
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	p.request.headers = p.headers + 1; /* no signature */
	p.request.header_count = 2;
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	sign(&p, "1763644000", "x");
	p.headers[2] = p.headers[0];
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	p.headers[2] = p.headers[1];
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	sign(&p, "1763644000", "x");
	p.headers[0].value.len = 126;
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
	sign(&p, "1763644000", "x");
	p.hex[0] = 'g';
	assert_int_equal(verify_at(f, &p, NOW_S), DENIED);
}

static void says_when_a_signed_body_does_not_fit(void **state)
{
	struct fixture *f = *state;
	struct arena *small = arena_new(16);
	struct proof p;

	sign(&p, "1763644000", "{\"type\":1,\"some\":\"more\"}");
	assert_int_equal(discord_verify(small, p.key, &p.request, NOW_S * SECOND_US), TOO_LARGE);
	arena_free(small);
	assert_int_equal(verify_at(f, &p, NOW_S), OK);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(reads_a_ping),
		TEST(reads_a_command_whole),
		TEST(tells_private_from_open_places),
		TEST(ignores_bots_and_commands_that_are_not_typed),
		TEST(reads_buttons_forms_and_completions),
		TEST(refuses_what_cannot_be_read),
		TEST(distrusts_names),
		TEST(says_when_the_arena_is_too_small),
		TEST(reads_events),
		TEST(refuses_events_that_cannot_be_read),
		TEST(verifies_signatures),
		TEST(refuses_malformed_proofs),
		TEST(says_when_a_signed_body_does_not_fit),
	};

	return cmocka_run_group_tests(tests, fixture_group, NULL);
}
