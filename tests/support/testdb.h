/*
 * testdb - a migrated database and a Redis database of this test program's own.
 *
 * The stores come from the environment (TEST_DATABASE_URL, TEST_DATABASE_TEMPLATE, TEST_REDIS_URL), which tests/support/with_stores
 * sets; without them testdb_setup() says so and ends the program with status 1.
 *
 *     int main(void)
 *     {
 *             const struct CMUnitTest tests[] = {cmocka_unit_test(...)};
 *             return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
 *     }
 *
 * testdb_exec() and its like speak to the database on a connection of the test's own, beside the code under test; an error fails
 * the test.
 */
#ifndef TRIVET_TESTS_SUPPORT_TESTDB_H
#define TRIVET_TESTS_SUPPORT_TESTDB_H

#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/ctx.h"
#include "base/str.h"

/* testdb_setup, testdb_teardown - group fixtures of cmocka: make and drop the database. Partitions are not made in advance. */
int testdb_setup(void **state);
int testdb_teardown(void **state);

/* testdb_url, testdb_redis_url - of this program's database; live until the teardown. */
struct str testdb_url(void);
struct str testdb_redis_url(void);

/* testdb_exec - one or several statements. */
void testdb_exec(const char *sql);

/* testdb_i64 - the one value of the one row, as a number; NULL gives 0. */
int64_t testdb_i64(const char *sql);

/* testdb_execf, testdb_i64f - the same of a statement that is put together as by printf(). */
void testdb_execf(const char *format, ...) PRINTF_LIKE(1, 2);
int64_t testdb_i64f(const char *format, ...) PRINTF_LIKE(1, 2);

/* testdb_text - the one value of the one row; live until the next call; NULL gives "". */
const char *testdb_text(const char *sql);

/* testdb_server_pid - of the postmaster, for tests that stop it. */
pid_t testdb_server_pid(void);
pid_t testdb_redis_pid(void);

/* testdb_signal_server - sends a signal to the postmaster and all its children. */
void testdb_signal_server(int signal_number);

/*
 * testdb_app - what use cases need: the pool with all statements, Redis, fixed keys; no settings, no development clock.
 *
 * testdb_app_close() closes it. Tests of one program may make several.
 */
struct app *testdb_app(int connections);
void testdb_app_close(struct app *app);

/* testdb_ctx - a context at time `now` with `seconds` until its deadline. */
struct ctx testdb_ctx(struct app *app, struct arena *arena, int64_t now, double seconds);

#endif
