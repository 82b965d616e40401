/* service/sighting against a real server: who was seen is stored together, and what cannot be stored now comes again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/app.h"
#include "service/sighting.h"
#include "support/testdb.h"

#define NOW INT64_C(1763645054000000) /* 2025-11-20T13:24:14Z */

struct fixture {
	struct app *app;
	struct arena *kept;
	struct arena *arena;
};

static int setup(void **state)
{
	static struct fixture fixture;

	fixture.app = testdb_app(2);
	fixture.kept = arena_new(1024 * 1024);
	fixture.arena = arena_new(1024 * 1024);
	testdb_exec("TRUNCATE public.account, public.identity, public.account_balance CASCADE");
	testdb_exec("INSERT INTO public.account (id, created_at) SELECT n, '2025-11-20Z' FROM generate_series(1, 2000) n");
	testdb_exec("SELECT setval('public.account_id_seq', 2000)");
	testdb_exec("INSERT INTO public.identity (account_id, platform, platform_id, name, username, language_hint, first_seen, last_seen,"
	            " attached_at) SELECT n, 'telegram', n, 'Before', 'before', 'ru', '2025-11-20Z', '2025-11-20Z', '2025-11-20Z'"
	            " FROM generate_series(1, 2000) n");
	*state = &fixture;
	return sightings_begin(fixture.app, fixture.kept) == OK ? 0 : 1;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	testdb_app_close(fixture->app);
	arena_free(fixture->arena);
	arena_free(fixture->kept);
	return 0;
}

static struct update sight(int64_t id, const char *name)
{
	return (struct update){.bot = STR("main"), .place = PLACE_PRIVATE,
	                       .actor = {.platform = PLATFORM_TELEGRAM, .platform_id = id, .name = str_from_z(name), .username = STR_ABSENT,
	                                 .language_hint = STR_ABSENT}};
}

static void note(struct fixture *f, int64_t id, const char *name, int64_t at)
{
	struct ctx ctx = testdb_ctx(f->app, f->arena, at, 5);
	struct update update = sight(id, name);

	sighting_note(&ctx, &update);
}

static size_t store(struct fixture *f)
{
	struct ctx ctx;
	size_t count = 0;

	arena_reset(f->arena);
	ctx = testdb_ctx(f->app, f->arena, NOW, 5);
	assert_int_equal(sightings_store(&ctx, &count), OK);
	return count;
}

static void names_and_times_are_stored_together(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store(f), 0);
	note(f, 1, "Ann {\"\\,}", NOW);
	note(f, 1, "Anna", NOW + SECOND_US);
	note(f, 2, "Боб", NOW);
	assert_int_equal(store(f), 2);
	assert_string_equal(testdb_text("SELECT name FROM public.identity WHERE platform_id = 1"), "Anna");
	assert_string_equal(testdb_text("SELECT name FROM public.identity WHERE platform_id = 2"), "Боб");
	/* The name is gone that is no longer shown; the hint stays that was not told. */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE platform_id = 1 AND username IS NULL AND language_hint = 'ru'"),
	                 1);
	assert_int_equal(testdb_i64("SELECT extract(epoch FROM last_seen)::bigint FROM public.identity WHERE platform_id = 1"),
	                 NOW / SECOND_US + 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity_reach WHERE bot = 'main' AND can_message"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE name = 'Before'"), 1998);
	assert_int_equal(store(f), 0);
}

static void an_older_sight_changes_nothing(void **state)
{
	struct fixture *f = *state;

	note(f, 1, "Long ago", NOW - 30 * DAY_US);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE name = 'Before'"), 2000);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity_reach"), 0);
}

/* Who has only written in a group: seen before anything of him is applied, or a moment after. */
static void a_stranger_gets_an_account_with_his_name(void **state)
{
	struct fixture *f = *state;

	note(f, 5000000, "Stranger", NOW - SECOND_US);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity i JOIN public.account_balance b USING (account_id)"
	                            " WHERE i.platform_id = 5000000 AND i.name = 'Stranger'"), 1);
	testdb_exec("UPDATE public.identity SET name = NULL, last_seen = '2025-11-20T13:30Z' WHERE platform_id = 5000000");
	note(f, 5000000, "Stranger", NOW);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE platform_id = 5000000 AND name = 'Stranger'"
	                            " AND last_seen = '2025-11-20T13:30Z'"), 1);
}

static void what_is_not_new_is_not_written(void **state)
{
	struct fixture *f = *state;
	struct update update = sight(1, "Ann");

	update.place = PLACE_GROUP;
	for (int minute = 0; minute < 3; minute++) {
		struct ctx ctx = testdb_ctx(f->app, f->arena, NOW + minute * MINUTE_US, 5);

		sighting_note(&ctx, &update);
		(void)store(f);
		assert_int_equal(testdb_i64("SELECT extract(epoch FROM last_seen)::bigint FROM public.identity WHERE platform_id = 1"),
		                 NOW / SECOND_US);
	}
	note(f, 1, "Ann", NOW + HOUR_US + SECOND_US);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT extract(epoch FROM last_seen)::bigint FROM public.identity WHERE platform_id = 1"),
	                 (NOW + HOUR_US) / SECOND_US + 1);
}

static void note_all(struct fixture *f, int64_t count)
{
	for (int64_t id = 1; id <= count; id++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "Person %d", (int)id);
		note(f, id, name, NOW);
	}
}

/* More people than places: none is mixed up with another. */
static void who_finds_no_place_is_left_out(void **state)
{
	struct fixture *f = *state;

	note_all(f, 2000);
	size_t stored = store(f);

	assert_in_range(stored, SIGHTING_PLACES / 2, SIGHTING_PLACES);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE name = 'Person ' || platform_id"), (int64_t)stored);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE name = 'Before'"), 2000 - (int64_t)stored);
}

static void a_block_that_came_later_stands(void **state)
{
	struct fixture *f = *state;

	note(f, 1, "Ann", NOW);
	(void)store(f);
	testdb_exec("UPDATE public.identity_reach SET can_message = false, changed_at = '2025-11-20T14:00Z'");
	note(f, 1, "Ann", NOW + MINUTE_US);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity_reach WHERE can_message"), 0);
	note(f, 1, "Ann", NOW + HOUR_US);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity_reach WHERE can_message"), 1);
}

/* Nobody waits: linking and the like hold people for as long as a transaction lasts. */
static void who_is_held_by_another_is_left_to_his_next_sight(void **state)
{
	struct fixture *f = *state;

	testdb_exec("BEGIN; SELECT id FROM public.identity WHERE platform_id = 1 FOR UPDATE");
	note(f, 1, "Ann", NOW);
	note(f, 2, "Bob", NOW);
	assert_int_equal(store(f), 2);
	testdb_exec("COMMIT");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE platform_id = 1 AND name = 'Before'"), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE platform_id = 2 AND name = 'Bob'"), 1);
	note(f, 1, "Ann", NOW);
	(void)store(f);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity WHERE platform_id = 1 AND name = 'Ann'"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_and_times_are_stored_together),
		TEST(an_older_sight_changes_nothing),
		TEST(a_stranger_gets_an_account_with_his_name),
		TEST(what_is_not_new_is_not_written),
		TEST(who_finds_no_place_is_left_out),
		TEST(a_block_that_came_later_stands),
		TEST(who_is_held_by_another_is_left_to_his_next_sight),
	};
	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
