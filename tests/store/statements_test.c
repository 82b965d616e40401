/* Every named SQL block is prepared against the migrated schema: a column that is not there is found here, not by a person. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/app.h"
#include "store/statements.h"
#include "support/testdb.h"

static bool fits(struct pg_conn *conn, const struct pg_statement *statement)
{
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct str text = str_printf(arena, "PREPARE block AS %s; DEALLOCATE block", statement->sql);
	bool fitting = pg_script(conn, str_z(arena, text)) == OK;

	if (!fitting) {
		print_error("%s: " STR_FMT "\n", statement->name, STR_ARG(pg_error(conn)));
	}
	arena_free(arena);
	return fitting;
}

static void test_every_block_fits_the_schema(void **state)
{
	struct app *app = testdb_app(1);
	struct pg_conn *conn = NULL;
	size_t count = 0;
	const struct pg_statement *statements = store_statements(&count);
	size_t fitting = 0;

	(void)state;
	assert_int_equal(pg_take(app->pg, clock_monotonic_us() + 20 * SECOND_US, &conn), OK);
	assert_true(count > 30);
	for (size_t i = 0; i < count; i++) {
		fitting += fits(conn, &statements[i]) ? 1 : 0;
	}
	assert_int_equal(fitting, count);
	assert_false(fits(conn, &(struct pg_statement){"wrong", "SELECT nothing FROM public.account", 0}));
	pg_give(conn);
	testdb_app_close(app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_block_fits_the_schema)};

	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
