/* service/migration against a real server, and its reader of SQL without one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/app.h"
#include "service/migration.h"
#include "support/testdb.h"

#define NOW (INT64_C(1800000000) * SECOND_US) /* 2027-01-15 */

struct fixture {
	struct app *app;
	struct arena *arena;
	struct ctx ctx;
};

static int set_up(void **state)
{
	static struct fixture f;
	f.app = testdb_app(4);
	f.arena = arena_new((size_t)16 * 1024 * 1024);
	f.ctx = testdb_ctx(f.app, f.arena, NOW, 30);
	/* The template's schema without its history: as a new database, but for the tables that these tests do not make. */
	testdb_exec("DROP TABLE IF EXISTS public.schema_migrations; DROP TABLE IF EXISTS public.one; DROP TABLE IF EXISTS public.two");
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	arena_free(f->arena);
	testdb_app_close(f->app);
	return 0;
}

static const struct migration first[] = {
	{1, "one", "CREATE TABLE public.one (a bigint);\n"},
	{2, "two", "CREATE TABLE public.two (a bigint);\nINSERT INTO public.two VALUES (5);\n"},
};

static enum status apply(struct fixture *f, const struct migration *table, size_t count, struct migration_report *ret_report)
{
	return migration_apply(&f->ctx, table, count, ret_report);
}

static void what_is_pending_is_applied_once_with_its_row(void **state)
{
	struct fixture *f = *state;
	struct migration_report report;
	assert_int_equal(apply(f, first, 1, &report), OK);
	assert_int_equal(report.applied, 1);
	assert_int_equal(apply(f, first, 2, &report), OK);
	assert_int_equal(report.applied, 1);
	assert_int_equal(apply(f, first, 2, &report), OK);
	assert_int_equal(report.applied, 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.two"), 1);
	assert_string_equal(
		testdb_text("SELECT string_agg(version || name || length(checksum), ' ' ORDER BY version) FROM public.schema_migrations"),
		"1one64 2two64");
	assert_int_equal(testdb_i64("SELECT extract(epoch FROM min(applied_at))::bigint FROM public.schema_migrations"), NOW / SECOND_US);
	assert_int_equal(
		testdb_i64("SELECT count(*) FROM public.schema_migrations WHERE version = 1"
	                   " AND checksum = encode(sha256(convert_to(E'CREATE TABLE public.one (a bigint);\\n', 'UTF8')), 'hex')"),
		1);
}

static void partitions_are_made_for_the_clock_that_is_given(void **state)
{
	struct fixture *f = *state;
	struct migration_report report;
	f->ctx.now = NOW + 365 * DAY_US;
	assert_int_equal(apply(f, first, 1, &report), OK);
	assert_true(report.partitions > 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM pg_class WHERE relname = 'ledger_20280115'"), 1);
	assert_int_equal(apply(f, first, 1, &report), OK);
	assert_int_equal(report.partitions, 0);
}

static void a_failing_migration_leaves_nothing_behind(void **state)
{
	static const struct migration broken[] = {
		{1, "one", "CREATE TABLE public.one (a bigint);\n"},
		{2, "two", "CREATE TABLE public.two (a bigint);\nINSERT INTO public.nothing VALUES (5);\n"},
	};
	struct fixture *f = *state;
	struct migration_report report;
	assert_int_equal(apply(f, broken, 2, &report), INVALID);
	assert_int_equal(report.applied, 1);
	assert_non_null(strstr(str_z(f->arena, report.error), "0002_two failed and was undone"));
	assert_non_null(strstr(str_z(f->arena, report.error), "42P01"));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.schema_migrations"), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM pg_class WHERE relname = 'two'"), 0);
}

static void an_edited_file_is_refused_before_anything_runs(void **state)
{
	static const struct migration edited[] = {
		{1, "one", "CREATE TABLE public.one (a integer);\n"},
		{2, "two", "CREATE TABLE public.two (a bigint);\n"},
	};
	struct fixture *f = *state;
	struct migration_report report;
	struct migration_row *rows;
	size_t count;
	assert_int_equal(apply(f, first, 1, &report), OK);
	assert_int_equal(apply(f, edited, 2, &report), CONFLICT);
	assert_non_null(strstr(str_z(f->arena, report.error), "0001_one was edited"));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.schema_migrations"), 1);
	assert_int_equal(migration_status(&f->ctx, edited, 2, &rows, &count), OK);
	assert_int_equal(count, 2);
	assert_int_equal(rows[0].state, MIGRATION_EDITED);
	assert_int_equal(rows[1].state, MIGRATION_PENDING);
}

static void a_number_below_one_that_was_applied_is_refused(void **state)
{
	static const struct migration late[] = {{1, "one", "SELECT 1;\n"},
	                                        {2, "two", "CREATE TABLE public.two (a bigint);\nINSERT INTO public.two VALUES (5);\n"}};
	struct fixture *f = *state;
	struct migration_report report;
	assert_int_equal(apply(f, &first[1], 1, &report), OK);
	assert_int_equal(apply(f, late, 2, &report), CONFLICT);
	assert_non_null(strstr(str_z(f->arena, report.error), "only go forward"));
}

static void an_older_program_leaves_a_newer_schema_alone(void **state)
{
	struct fixture *f = *state;
	struct migration_report report;
	struct migration_row *rows;
	size_t count;
	assert_int_equal(apply(f, first, 2, &report), OK);
	assert_int_equal(apply(f, first, 1, &report), OK);
	assert_int_equal(report.applied, 0);
	assert_int_equal(migration_status(&f->ctx, first, 1, &rows, &count), OK);
	assert_int_equal(count, 2);
	assert_int_equal(rows[1].state, MIGRATION_UNKNOWN);
}

static void the_status_of_an_empty_database_is_all_pending(void **state)
{
	struct fixture *f = *state;
	struct migration_row *rows;
	size_t count;
	assert_int_equal(migration_status(&f->ctx, first, 2, &rows, &count), OK);
	assert_int_equal(count, 2);
	assert_int_equal(rows[0].state, MIGRATION_PENDING);
	assert_int_equal(rows[0].applied_at, 0);
}

static void *apply_in_thread(void *arg)
{
	static const struct migration slow[] = {{1, "one", "SELECT pg_catalog.pg_sleep(0.2); CREATE TABLE public.one (a bigint);\n"}};
	struct app *app = arg;
	struct arena *arena = arena_new((size_t)4 * 1024 * 1024);
	struct ctx ctx = testdb_ctx(app, arena, NOW, 30);
	struct migration_report report;
	enum status status = migration_apply(&ctx, slow, 1, &report);
	intptr_t result = status == OK ? (intptr_t)report.applied : -1;
	arena_free(arena);
	return (void *)result;
}

static void of_several_at_once_one_applies_and_the_others_wait(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[3];
	intptr_t sum = 0;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, apply_in_thread, f->app), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *applied;
		assert_int_equal(pthread_join(threads[i], &applied), 0);
		assert_true((intptr_t)applied >= 0);
		sum += (intptr_t)applied;
	}
	assert_int_equal(sum, 1);
}

/* ---- without a database ------------------------------------------------------------------------------------------------------ */

static bool harmful(const char *text)
{
	struct str statement;
	return migration_destructive(str_from_z(text), &statement);
}

static void destructive_statements_are_seen(void **state)
{
	static const char *const texts[] = {
		"DROP TABLE public.a;",
		"drop table if exists public.a",
		"CREATE TABLE a (b int); DROP SCHEMA s CASCADE;",
		"ALTER TABLE public.a DROP COLUMN b;",
		"ALTER TABLE public.a DROP b;",
		"ALTER TABLE public.a ADD COLUMN c int, DROP COLUMN b;",
		"ALTER TABLE public.a DROP \"b\";",
		"TRUNCATE public.a;",
		"DELETE FROM public.a;",
		"/* why not */ DELETE FROM public.a",
		"WITH x AS (DELETE FROM public.a RETURNING 1) SELECT 1;",
		"DO $$ BEGIN DROP TABLE public.a; END $$;",
		"DO $x$ BEGIN TRUNCATE public.a; END $x$;",
		"-- destructive:\nDROP TABLE public.a;",
		"-- destructive: of the other\nSELECT 1;\nDROP TABLE public.a;",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!harmful(texts[i])) {
			fail_msg("not seen: %s", texts[i]);
		}
	}
}

static void harmless_statements_are_let_through(void **state)
{
	static const char *const texts[] = {
		"",
		"-- destructive: nobody uses it any more\nDROP TABLE public.a;",
		"SELECT 1;\n-- destructive: replaced by b\nALTER TABLE public.a DROP COLUMN b;",
		"ALTER TABLE public.a DROP CONSTRAINT b;",
		"ALTER TABLE public.a ALTER COLUMN b DROP NOT NULL, ALTER COLUMN c DROP DEFAULT;",
		"DELETE FROM public.a WHERE b = 1;",
		"INSERT INTO public.a VALUES ('DROP TABLE x; DELETE FROM y');",
		"-- DROP TABLE public.a;\nSELECT 1;",
		"/* TRUNCATE a; */ SELECT 1;",
		"CREATE FUNCTION public.f() RETURNS void LANGUAGE sql AS $$ DELETE FROM public.a $$;",
		"CREATE TABLE public.a (b bigint REFERENCES public.c ON DELETE CASCADE);",
		"GRANT SELECT, TRUNCATE ON public.a TO b;",
		"DROP INDEX public.i;",
		"DROP FUNCTION public.f();",
		"SELECT $1, 'it''s; DROP TABLE x';",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (harmful(texts[i])) {
			fail_msg("refused: %s", texts[i]);
		}
	}
}

static void the_embedded_migrations_are_in_order(void **state)
{
	struct arena *arena = arena_new(65536);
	size_t count;
	struct str error = STR_ABSENT;
	(void)state;
	const struct migration *table = migration_table(&count);
	assert_true(count >= 4);
	assert_int_equal(migration_check(arena, table, count, &error), OK);
	arena_free(arena);
}

static void numbers_that_do_not_ascend_are_refused(void **state)
{
	static const struct migration doubled[] = {{1, "a", ""}, {1, "b", ""}};
	static const struct migration dropping[] = {{1, "a", "DROP TABLE public.x;"}};
	struct arena *arena = arena_new(65536);
	struct str error = STR_ABSENT;
	(void)state;
	assert_int_equal(migration_check(arena, doubled, 2, &error), INVALID);
	assert_non_null(strstr(str_z(arena, error), "0001_b"));
	assert_int_equal(migration_check(arena, dropping, 1, &error), INVALID);
	assert_non_null(strstr(str_z(arena, error), "-- destructive: why"));
	arena_free(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_is_pending_is_applied_once_with_its_row),
		TEST(partitions_are_made_for_the_clock_that_is_given),
		TEST(a_failing_migration_leaves_nothing_behind),
		TEST(an_edited_file_is_refused_before_anything_runs),
		TEST(a_number_below_one_that_was_applied_is_refused),
		TEST(an_older_program_leaves_a_newer_schema_alone),
		TEST(the_status_of_an_empty_database_is_all_pending),
		TEST(of_several_at_once_one_applies_and_the_others_wait),
		cmocka_unit_test(destructive_statements_are_seen),
		cmocka_unit_test(harmless_statements_are_let_through),
		cmocka_unit_test(the_embedded_migrations_are_in_order),
		cmocka_unit_test(numbers_that_do_not_ascend_are_refused),
	};
	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
