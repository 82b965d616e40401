/* event: shapes and limits; jsontext: where the elements of a list are. */
#include "core/event.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/jsontext.h"

#define NOW (INT64_C(1763645000) * SECOND_US)

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void test_types_have_their_names(void **state)
{
	static const struct { struct str name; enum event_type type; } rows[] = {
		{STR_INIT("xp_change"), EVENT_XP_CHANGE},     {STR_INIT("xp_gain"), EVENT_XP_CHANGE},
		{STR_INIT("coins_change"), EVENT_COINS_CHANGE}, {STR_INIT("message_sent"), EVENT_MESSAGE_SENT},
		{STR_INIT("voice_time"), EVENT_VOICE_TIME},   {STR_INIT("game_played"), EVENT_GAME_PLAYED},
		{STR_INIT("achievement_unlock"), EVENT_ACHIEVEMENT_UNLOCK},
		/* Ours alone (domain.md, Ledger): no program may send them. */
		{STR_INIT("merge"), EVENT_UNSET},             {STR_INIT("daily"), EVENT_UNSET},
		{STR_INIT("rank_up"), EVENT_UNSET},           {STR_INIT("identity_seen"), EVENT_UNSET},
		{STR_INIT(""), EVENT_UNSET},                  {STR_INIT("XP_CHANGE"), EVENT_UNSET},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(event_type_from_name(rows[i].name), rows[i].type);
	}
	assert_int_equal(event_type_from_name(STR_ABSENT), EVENT_UNSET);
}

static const struct event_field *field_of(enum event_type type, const char *name)
{
	const struct event_shape *shape = event_shape(type);

	for (size_t i = 0; i < shape->field_count; i++) {
		if (strcmp(shape->fields[i].name, name) == 0) {
			return &shape->fields[i];
		}
	}
	fail_msg("no field %s", name);
	return NULL;
}

static void test_numbers_keep_their_limits(void **state)
{
	static const struct { enum event_type type; const char *name; int64_t number; enum status status; } rows[] = {
		{EVENT_XP_CHANGE, "xp", 1, OK},                  {EVENT_XP_CHANGE, "xp", -1, OK},
		{EVENT_XP_CHANGE, "xp", 0, INVALID},             {EVENT_XP_CHANGE, "xp", 1000000, OK},
		{EVENT_XP_CHANGE, "xp", 1000001, INVALID},       {EVENT_XP_CHANGE, "xp", -1000000, OK},
		{EVENT_XP_CHANGE, "xp", -1000001, INVALID},      {EVENT_XP_CHANGE, "xp", INT64_MIN, INVALID},
		{EVENT_COINS_CHANGE, "coins", 0, INVALID},       {EVENT_COINS_CHANGE, "coins", -1000000, OK},
		{EVENT_COINS_CHANGE, "coins", INT64_MAX, INVALID},
		{EVENT_MESSAGE_SENT, "length", 0, OK},           {EVENT_MESSAGE_SENT, "length", 10000, OK},
		{EVENT_MESSAGE_SENT, "length", 10001, INVALID},  {EVENT_MESSAGE_SENT, "length", -1, INVALID},
		{EVENT_VOICE_TIME, "seconds", 0, INVALID},       {EVENT_VOICE_TIME, "seconds", 1, OK},
		{EVENT_VOICE_TIME, "seconds", 86400, OK},        {EVENT_VOICE_TIME, "seconds", 86401, INVALID},
		{EVENT_VOICE_TIME, "muted_seconds", 0, OK},      {EVENT_VOICE_TIME, "muted_seconds", -1, INVALID},
		{EVENT_GAME_PLAYED, "score", 0, OK},             {EVENT_GAME_PLAYED, "score", INT64_MAX, INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event_value value = {.present = true, .number = rows[i].number};
		struct str detail = STR_ABSENT;

		assert_int_equal(event_value_check(arena, field_of(rows[i].type, rows[i].name), &value, &detail), rows[i].status);
		assert_int_equal(str_present(detail), rows[i].status != OK);
	}
}

static enum status check_text(enum event_type type, const char *name, struct str text)
{
	struct event_value value = {.present = true, .text = text};
	struct str detail = STR_ABSENT;
	enum status status = event_value_check(arena, field_of(type, name), &value, &detail);

	assert_int_equal(str_present(detail), status != OK);
	return status;
}

static void test_texts_keep_their_limits(void **state)
{
	static char longest[256 * 2];

	(void)state;
	for (size_t i = 0; i < sizeof(longest); i += 2) { /* a letter of two bytes: the limit counts characters */
		longest[i] = '\xd0';
		longest[i + 1] = '\xb6';
	}
	assert_int_equal(check_text(EVENT_XP_CHANGE, "reason", (struct str){longest, 2 * 255}), OK);
	assert_int_equal(check_text(EVENT_XP_CHANGE, "reason", (struct str){longest, 2 * 256}), INVALID);
	assert_int_equal(check_text(EVENT_XP_CHANGE, "reason", STR("")), OK);
	assert_int_equal(check_text(EVENT_GAME_PLAYED, "game", STR("")), INVALID);
	assert_int_equal(check_text(EVENT_GAME_PLAYED, "game", STR("chess")), OK);
	assert_int_equal(check_text(EVENT_GAME_PLAYED, "game", STR("a\nb")), INVALID);
	assert_int_equal(check_text(EVENT_GAME_PLAYED, "game", STR("a\x7f")), INVALID);
	assert_int_equal(check_text(EVENT_GAME_PLAYED, "game", STR("a\xc2\x9b")), INVALID);
	assert_int_equal(check_text(EVENT_GAME_PLAYED, "game", STR("a\xc2\xa0")), OK);
}

static void test_at_has_a_window(void **state)
{
	static const struct { enum event_type type; int64_t ago; enum status status; } rows[] = {
		{EVENT_XP_CHANGE, 0, OK},
		{EVENT_XP_CHANGE, -60 * SECOND_US, OK},
		{EVENT_XP_CHANGE, -60 * SECOND_US - 1, INVALID},
		{EVENT_XP_CHANGE, 30 * DAY_US, OK},
		{EVENT_XP_CHANGE, 30 * DAY_US + 1, INVALID},
		{EVENT_COINS_CHANGE, 30 * DAY_US, OK},
		{EVENT_ACHIEVEMENT_UNLOCK, 30 * DAY_US, OK},
		{EVENT_MESSAGE_SENT, 7 * DAY_US, OK},
		{EVENT_MESSAGE_SENT, 7 * DAY_US + 1, INVALID},
		{EVENT_VOICE_TIME, 7 * DAY_US + 1, INVALID},
		{EVENT_GAME_PLAYED, 7 * DAY_US + 1, INVALID},
		{EVENT_GAME_PLAYED, -60 * SECOND_US - 1, INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str detail = STR_ABSENT;

		assert_int_equal(event_at_check(arena, rows[i].type, NOW - rows[i].ago, NOW, &detail), rows[i].status);
		assert_int_equal(str_present(detail), rows[i].status != OK);
	}
}

static void test_keys_are_printable_and_short(void **state)
{
	static char longest[EVENT_KEY_MAX + 1];

	(void)state;
	memset(longest, 'k', sizeof(longest));
	assert_true(event_key_ok((struct str){longest, EVENT_KEY_MAX}));
	assert_false(event_key_ok((struct str){longest, EVENT_KEY_MAX + 1}));
	assert_true(event_key_ok(STR("a b:{}~!")));
	assert_false(event_key_ok(STR("")));
	assert_false(event_key_ok(STR_ABSENT));
	assert_false(event_key_ok(STR("a\tb")));
	assert_false(event_key_ok(STR("a\x7f")));
	assert_false(event_key_ok(STR("\xd0\xb6")));
	assert_false(event_key_ok(((struct str){"a\0b", 3})));
}

static void test_data_has_one_text(void **state)
{
	struct event event = {.type = EVENT_XP_CHANGE, .values = {{true, -5, STR_ABSENT}, {true, 0, STR("say \"hi\\\"")}}};
	struct str text = event_data_text(arena, &event);

	(void)state;
	assert_true(str_eq(text, STR("{\"xp\":-5,\"reason\":\"say \\\"hi\\\\\\\"\"}")));
	event = (struct event){.type = EVENT_VOICE_TIME, .values = {{true, 7, STR_ABSENT}, {0}, {true, 0, STR_ABSENT}}};
	assert_true(str_eq(event_data_text(arena, &event), STR("{\"seconds\":7,\"alone_seconds\":0}")));
	event = (struct event){.type = EVENT_GAME_PLAYED, .values = {{true, 0, STR("go")}, {true, 1, STR_ABSENT}}};
	assert_true(str_eq(event_data_text(arena, &event), STR("{\"game\":\"go\",\"won\":true}")));
}

static void test_lanes_are_fixed_and_spread(void **state)
{
	int count[EVENT_LANES] = {0};

	(void)state;
	for (int64_t id = 1; id <= 6400; id++) {
		int64_t lane = event_lane(PLATFORM_DISCORD, id << 22); /* snowflakes of one instant differ above the 22nd bit */

		assert_in_range(lane, 0, EVENT_LANES - 1);
		count[lane]++;
	}
	for (int i = 0; i < EVENT_LANES; i++) {
		assert_in_range(count[i], 50, 160);
	}
	/* Rows that wait in a lane must be found there by a later version too. */
	assert_int_equal(event_lane(PLATFORM_TELEGRAM, 1), 1);
	assert_int_equal(event_lane(PLATFORM_TELEGRAM, INT64_MAX), 39);
	assert_int_equal(event_lane(PLATFORM_DISCORD, 1), 39);
}

static void test_only_own_programs_say_that_nothing_is_paid(void **state)
{
	struct event event = {.type = EVENT_MESSAGE_SENT};

	(void)state;
	assert_true(event_pays(&event));
	event.values[EVENT_MESSAGE_PAYS] = (struct event_value){.present = true, .number = 1};
	assert_true(event_pays(&event));
	event.values[EVENT_MESSAGE_PAYS].number = 0;
	assert_false(event_pays(&event));
	event.type = EVENT_XP_CHANGE; /* what stands in that place is not the flag there */
	assert_true(event_pays(&event));
	/* Behind those that programs may send, so that none of them can. */
	assert_int_equal(event_shape(EVENT_MESSAGE_SENT)->field_count, EVENT_MESSAGE_TEXT);
	assert_int_equal(event_shape(EVENT_VOICE_TIME)->field_count, EVENT_VOICE_PAYS);
	assert_int_equal(event_shape(EVENT_GAME_PLAYED)->field_count, EVENT_GAME_PAYS);
}

static void test_lists_are_found_in_text(void **state)
{
	struct str items[4];
	size_t count = 0;

	(void)state;
	assert_int_equal(jsontext_items(STR(" {\"a\" : [1, {\"events\":[7]}], \"events\" : [ {\"x\":\"],}\\\"\"} ,2e+5, [ ] ,\"\\u00e9\"] } "),
	                                STR("events"), 4, items, &count), OK);
	assert_int_equal(count, 4);
	assert_true(str_eq(items[0], STR("{\"x\":\"],}\\\"\"}")));
	assert_true(str_eq(items[1], STR("2e+5")));
	assert_true(str_eq(items[2], STR("[ ]")));
	assert_true(str_eq(items[3], STR("\"\\u00e9\"")));
	assert_int_equal(jsontext_items(STR("{\"events\":[]}"), STR("events"), 4, items, &count), OK);
	assert_int_equal(count, 0);
	assert_int_equal(jsontext_items(STR("{\"events\":[1,2,3,4,5]}"), STR("events"), 4, items, &count), TOO_MANY);
	assert_int_equal(jsontext_items(STR("{\"event\":[1]}"), STR("events"), 4, items, &count), NOT_FOUND);
	assert_int_equal(jsontext_items(STR("{}"), STR("events"), 4, items, &count), NOT_FOUND);
	assert_int_equal(jsontext_items(STR("{\"events\":{}}"), STR("events"), 4, items, &count), NOT_FOUND);
	/* What our reader refuses in one element is still JSON. */
	assert_int_equal(
		jsontext_items(STR("{\"events\":[99999999999999999999,\"\\u0000\",{\"a\":1,\"a\":2}]}"), STR("events"), 4, items, &count),
		OK);
	assert_int_equal(count, 3);
}

static void test_what_is_no_json_is_refused_whole(void **state)
{
	static const char *const texts[] = {
		"", " ", "[]", "7", "\"events\"", "{", "{\"events\":[1}", "{\"events\":[1,]}", "{\"events\":[,1]}", "{\"events\":[1 2]}",
		"{\"events\":[1]} x", "{\"events\":[1]}}", "{\"events\":[tru]}", "{\"events\":[01]}", "{\"events\":[1.]}", "{\"events\":[.5]}",
		"{\"events\":[1e]}", "{\"events\":[+1]}", "{\"events\":[-]}", "{\"events\":[NaN]}", "{\"events\":[\"a]}", "{\"events\":[\"\\x\"]}",
		"{\"events\":[\"\\u12g4\"]}", "{\"events\":[\"\\u12", "{\"events\":[\"\n\"]}", "{events:[1]}", "{'events':[1]}", "{\"events\":[1],}",
		"{\"events\":[1],\"events\":[2]}", "{\"events\" [1]}", "{\"events\":}", "\xef\xbb\xbf{\"events\":[1]}", "{\"a\":\"\\",
	};
	struct str items[4];
	char deep[2 * JSONTEXT_DEPTH_MAX];
	size_t count = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (jsontext_items(str_from_z(texts[i]), STR("events"), 4, items, &count) != INVALID) {
			fail_msg("taken: %s", texts[i]);
		}
	}
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	assert_int_equal(jsontext_items((struct str){deep, sizeof(deep)}, STR("a"), 4, items, &count), INVALID);
	assert_int_equal(jsontext_items(STR_ABSENT, STR("a"), 4, items, &count), INVALID);
	assert_int_equal(count, 42);
}

static void test_members_are_found_in_text(void **state)
{
	static const char *const bad[] = {"", "[]", "7", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}}", "{\"a\":1 \"b\":2}",
	                                  "{\"a\":01}", "{} {}"};
	struct jsontext_member members[3];
	size_t count = 42;

	(void)state;
	assert_int_equal(jsontext_members(STR(" { \"a\" : 1.10 ,\"b\":{ \"a\":[ 2] } , \"a\":\"\\u0061}\" } "), 3, members, &count), OK);
	assert_int_equal(count, 3);
	assert_true(str_eq(members[0].name, STR("a")) && str_eq(members[0].value, STR("1.10")));
	assert_true(str_eq(members[1].name, STR("b")) && str_eq(members[1].value, STR("{ \"a\":[ 2] }")));
	assert_true(str_eq(members[2].name, STR("a")) && str_eq(members[2].value, STR("\"\\u0061}\"")));
	assert_int_equal(jsontext_members(STR("{}"), 3, members, &count), OK);
	assert_int_equal(count, 0);
	assert_int_equal(jsontext_members(STR("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"), 3, members, &count), TOO_MANY);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (jsontext_members(str_from_z(bad[i]), 3, members, &count) != INVALID) {
			fail_msg("taken: %s", bad[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_have_their_names),
		cmocka_unit_test(test_numbers_keep_their_limits),
		cmocka_unit_test(test_texts_keep_their_limits),
		cmocka_unit_test(test_at_has_a_window),
		cmocka_unit_test(test_keys_are_printable_and_short),
		cmocka_unit_test(test_data_has_one_text),
		cmocka_unit_test(test_lanes_are_fixed_and_spread),
		cmocka_unit_test(test_only_own_programs_say_that_nothing_is_paid),
		cmocka_unit_test(test_lists_are_found_in_text),
		cmocka_unit_test(test_members_are_found_in_text),
		cmocka_unit_test(test_what_is_no_json_is_refused_whole),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
