/* deferral: kept once, sealed, one worker's at a time; and a row says of itself that it is deferred. */
#include "service/deferral.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "command/command.h"
#include "io/app.h"
#include "support/testdb.h"

#define NOW (INT64_C(1800000000) * SECOND_US)

/* A table of this test's own: no command of the product is slow enough to be deferred yet. */
static enum status run_slow(struct command_call *call, struct reply **ret_reply)
{
	*ret_reply = reply_new(call->ctx->arena);
	reply_say(*ret_reply, MSG_WELCOME_TITLE, NULL, 0);
	return OK;
}

static const struct command rows[] = {
	{.name = "slow", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_CHATS, .place = COMMAND_PRIVATELY, .access = COMMAND_ANYONE,
	 .effect = COMMAND_READ, .rate = COMMAND_RATE_LIGHT, .answer = COMMAND_DEFERRED, .description = MSG_MENU_HELP, .run = run_slow},
	{.name = "open", .kind = COMMAND_TYPED, .platforms = COMMAND_ON_CHATS, .place = COMMAND_ANYWHERE, .access = COMMAND_ANYONE,
	 .effect = COMMAND_READ, .rate = COMMAND_RATE_LIGHT, .answer = COMMAND_AT_ONCE, .description = MSG_MENU_HELP, .run = run_slow},
};

const struct command *command_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(rows);
	return rows;
}

const struct command *command_find(enum platform platform, struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((rows[i].platforms & (1 << platform)) != 0 && str_eq(name, str_from_z(rows[i].name))) {
			return &rows[i];
		}
	}
	return NULL;
}

const struct command *command_find_action(struct str verb)
{
	(void)verb;
	return NULL;
}

static struct update asked(const char *command, const char *key)
{
	return (struct update){.platform = PLATFORM_DISCORD, .kind = UPDATE_COMMAND, .bot = STR_INIT("discord"), .key = str_from_z(key),
		.command = str_from_z(command), .actor = {.platform = PLATFORM_DISCORD, .platform_id = 5}};
}

static void test_the_row_says_whether_it_is_deferred_and_who_reads_the_answer(void **state)
{
	struct update slow = asked("slow", "k");
	struct update open = asked("open", "k");
	struct update unknown = asked("nosuch", "k");

	(void)state;
	assert_true(command_is_deferred(&slow));
	assert_true(command_answers_privately(&slow));
	assert_false(command_is_deferred(&open));
	assert_false(command_answers_privately(&open));
	assert_false(command_is_deferred(&unknown));
	assert_true(command_answers_privately(&unknown));
	slow.kind = UPDATE_AUTOCOMPLETE; /* cannot be deferred */
	assert_false(command_is_deferred(&slow));
}

static void test_it_is_kept_once_sealed_and_taken_by_one_at_a_time(void **state)
{
	struct app *app = testdb_app(2);
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, arena, NOW, 10);
	struct update update = asked("slow", "discord:1");
	struct deferral deferral = {0};

	(void)state;
	assert_int_equal(deferral_take(&ctx, &deferral), NOT_FOUND);
	assert_int_equal(deferral_keep(&ctx, &update, STR("{\"token\":\"very-secret\"}")), OK);
	assert_int_equal(deferral_keep(&ctx, &update, STR("{\"token\":\"very-secret\"}")), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM job"), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM job WHERE position('very-secret'::bytea IN payload || sealed) > 0"), 0);
	assert_int_equal(deferral_take(&ctx, &deferral), OK);
	assert_true(str_eq(deferral.body, STR("{\"token\":\"very-secret\"}")));
	assert_true(str_eq(deferral.bot, STR("discord")));
	assert_int_equal(deferral.platform, PLATFORM_DISCORD);
	assert_int_equal(deferral.attempts, 1);
	assert_int_equal(deferral.expires_at, NOW + DEFERRAL_LIFE_US);
	assert_int_equal(deferral_take(&ctx, &deferral), NOT_FOUND); /* somebody is at it */
	ctx.now += DEFERRAL_TURN_US;
	assert_int_equal(deferral_take(&ctx, &deferral), OK); /* he died */
	assert_int_equal(deferral.attempts, 2);
	assert_int_equal(deferral_drop(&ctx, deferral.id), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM job"), 0);
	arena_free(arena);
	testdb_app_close(app);
}

static void test_nobody_takes_it_a_sixth_time(void **state)
{
	struct app *app = testdb_app(2);
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, arena, NOW, 10);
	struct update update = asked("slow", "discord:2");
	struct deferral deferral = {0};

	(void)state;
	assert_int_equal(deferral_keep(&ctx, &update, STR("{}")), OK);
	for (int attempt = 1; attempt <= DEFERRAL_ATTEMPTS; attempt++) {
		assert_int_equal(deferral_take(&ctx, &deferral), OK);
		assert_int_equal(deferral.attempts, attempt);
		ctx.now += DEFERRAL_TURN_US;
	}
	assert_int_equal(deferral_take(&ctx, &deferral), NOT_FOUND);
	testdb_exec("DELETE FROM job");
	arena_free(arena);
	testdb_app_close(app);
}

static void test_what_was_sealed_under_another_key_is_dropped(void **state)
{
	struct app *app = testdb_app(2);
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, arena, NOW, 10);
	struct update update = asked("slow", "discord:3");
	struct deferral deferral = {0};

	(void)state;
	assert_int_equal(deferral_keep(&ctx, &update, STR("{}")), OK);
	testdb_exec("UPDATE job SET sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1)");
	assert_int_equal(deferral_take(&ctx, &deferral), INVALID);
	assert_int_equal(testdb_i64("SELECT count(*) FROM job"), 0);
	arena_free(arena);
	testdb_app_close(app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_row_says_whether_it_is_deferred_and_who_reads_the_answer),
		cmocka_unit_test(test_it_is_kept_once_sealed_and_taken_by_one_at_a_time),
		cmocka_unit_test(test_nobody_takes_it_a_sixth_time),
		cmocka_unit_test(test_what_was_sealed_under_another_key_is_dropped),
	};

	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
