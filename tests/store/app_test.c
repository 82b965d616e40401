/* io/app: what a process is made of, and what it says when it cannot be. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/app.h"
#include "store/statements.h"
#include "support/testdb.h"

struct fixture {
	struct arena *arena;
	char run_dir[64];
};

static int setup(void **state)
{
	static struct fixture fixture;
	snprintf(fixture.run_dir, sizeof(fixture.run_dir), "/tmp/trivet-app-test-XXXXXX");
	assert_non_null(mkdtemp(fixture.run_dir));
	fixture.arena = arena_new(ARENA_REQUEST_LIMIT);
	*state = &fixture;
	assert_int_equal(setenv("DATABASE_URL", testdb_url().ptr, 1), 0);
	assert_int_equal(setenv("REDIS_URL", testdb_redis_url().ptr, 1), 0);
	assert_int_equal(setenv("TRIVET_KEY", "0123456789abcdef0123456789abcdef", 1), 0);
	assert_int_equal(setenv("RUN_DIR", fixture.run_dir, 1), 0);
	/* An empty settings file of our own, lest the machine's is read. */
	struct str conf = str_printf(fixture.arena, "%s/trivet.conf", fixture.run_dir);
	FILE *file = fopen(str_z(fixture.arena, conf), "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(setenv("TRIVET_CONF", str_z(fixture.arena, conf), 1), 0);
#ifdef TRIVET_DEVELOPMENT
	assert_int_equal(setenv("DEVELOPMENT", "yes", 1), 0);
#endif
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	struct str command = str_printf(fixture->arena, "rm -r %s", fixture->run_dir);
	assert_int_equal(system(str_z(fixture->arena, command)), 0);
	arena_free(fixture->arena);
	return 0;
}

static enum status open_app(const struct fixture *fixture, struct app **ret_app, struct str *ret_error)
{
	struct app_options options = {.program = PROGRAM_API, .name = "trivet-test", .with_cache = true, .events_statement = SIZE_MAX};
	options.statements = store_statements(&options.statement_count);
	return app_open(fixture->arena, &options, ret_app, ret_error);
}

static struct app *must_open(const struct fixture *fixture)
{
	struct app *app = NULL;
	struct str error = STR_ABSENT;
	enum status status = open_app(fixture, &app, &error);
	if (status != OK) {
		fail_msg("%s: " STR_FMT, status_name(status), STR_ARG(error));
	}
	return app;
}

static void it_has_working_stores_and_keys_of_its_own(void **state)
{
	struct app *app = must_open(*state);
	int64_t deadline = clock_monotonic_us() + SECOND_US;
	assert_int_equal(pg_pool_ready(app->pg, deadline), OK);
	assert_int_equal(cache_ready(app->cache, deadline), OK);
	assert_null(app->events);
	static const unsigned char zeros[CRYPTO_KEY_BYTES];
	assert_memory_not_equal(app->key_link, app->key_seal, CRYPTO_KEY_BYTES);
	assert_memory_not_equal(app->key_link, zeros, CRYPTO_KEY_BYTES);
	assert_memory_not_equal(app->key_seal, zeros, CRYPTO_KEY_BYTES);
	app_close(app);
	app_close(NULL);
}

static void assert_told(const struct fixture *fixture, const char *key, const char *value)
{
	struct app *app = NULL;
	struct str error = STR_ABSENT;
	assert_int_equal(setenv(key, value, 1), 0);
	assert_int_equal(open_app(fixture, &app, &error), INVALID);
	assert_null(app);
	assert_true(str_starts(error, str_from_z(key)));
	assert_true(str_find(error, '\n') == SIZE_MAX);
}

static void a_setting_that_cannot_be_used_is_named_in_one_line(void **state)
{
	assert_told(*state, "REDIS_URL", "redis://h:99999/0");
	assert_told(*state, "DATABASE_URL", "postgresql:///x?nonsense=secretword");
}

static void write_clock(const struct fixture *fixture, const char *text)
{
	struct str path = str_printf(fixture->arena, "%s/clock", fixture->run_dir);
	FILE *file = fopen(str_z(fixture->arena, path), "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Until the clock shows this offset, at most the second that the contract allows. */
static bool shows_offset(const struct app *app, int64_t seconds)
{
	int64_t end = clock_monotonic_us() + SECOND_US;
	while (clock_monotonic_us() < end) {
		int64_t ahead = app_now(app) - clock_wall_us();
		if (ahead > (seconds * 10 - 1) * SECOND_US / 10 && ahead < (seconds * 10 + 1) * SECOND_US / 10) {
			return true;
		}
		usleep(10 * 1000);
	}
	return false;
}

static void the_development_clock_follows_its_file(void **state)
{
	const struct fixture *fixture = *state;
	struct app *app = must_open(fixture);
	assert_true(shows_offset(app, 0));
#ifdef TRIVET_DEVELOPMENT
	write_clock(fixture, "86400\n");
	assert_true(shows_offset(app, 86400));
	write_clock(fixture, "-3600");
	assert_true(shows_offset(app, -3600));
	static const char *const nonsense[] = {"", "1e3", "86400 86400", "999999999999999999", "tomorrow"};
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		write_clock(fixture, "5");
		assert_true(shows_offset(app, 5));
		write_clock(fixture, nonsense[i]);
		assert_true(shows_offset(app, 0));
	}
#else
	write_clock(fixture, "86400\n");
	usleep(400 * 1000);
	assert_true(shows_offset(app, 0));
#endif
	app_close(app);
}

#ifdef TRIVET_DEVELOPMENT

static void *ask_clock(void *app)
{
	int64_t *ahead = malloc(sizeof(*ahead));

	if (ahead != NULL) {
		*ahead = app_now(app) - clock_wall_us();
	}
	return ahead;
}

/*
 * A program that had been idle gave what it had last read to whoever came while another thread read anew: a code made at once after
 * the clock was set had expired for the program that was to redeem it. The file is a pipe here: the reader is held as long as we like.
 */
static void nobody_sees_the_old_clock_while_another_reads_anew(void **state)
{
	const struct fixture *fixture = *state;
	struct app *app = must_open(fixture);
	const char *path = str_z(fixture->arena, str_printf(fixture->arena, "%s/clock", fixture->run_dir));
	pthread_t askers[2];

	write_clock(fixture, "0");
	assert_true(shows_offset(app, 0));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	usleep(300 * 1000); /* what was read is too old now */
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		assert_int_equal(pthread_create(&askers[i], NULL, ask_clock, app), 0);
	}
	usleep(50 * 1000); /* both have asked */
	write_clock(fixture, "86400");
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		void *ahead = NULL;

		assert_int_equal(pthread_join(askers[i], &ahead), 0);
		assert_non_null(ahead);
		assert_true(*(int64_t *)ahead > INT64_C(86399) * SECOND_US);
		free(ahead);
	}
	assert_int_equal(unlink(path), 0);
	app_close(app);
}

#endif

static void a_production_stack_has_no_development_clock(void **state)
{
	const struct fixture *fixture = *state;
	assert_int_equal(setenv("DEVELOPMENT", "no", 1), 0);
	write_clock(fixture, "86400\n");
	struct app *app = must_open(fixture);
	assert_null(app->clock);
	assert_true(shows_offset(app, 0));
	app_close(app);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_has_working_stores_and_keys_of_its_own),
		TEST(a_setting_that_cannot_be_used_is_named_in_one_line),
		TEST(the_development_clock_follows_its_file),
#ifdef TRIVET_DEVELOPMENT
		TEST(nobody_sees_the_old_clock_while_another_reads_anew),
#endif
		TEST(a_production_stack_has_no_development_clock),
	};
	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
