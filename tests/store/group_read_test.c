/* io/group_read against a real server: everyone gets his own row, whoever asked with him, and trouble is told to all. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/group_read.h"
#include "support/testdb.h"

enum { LOOK_UP, STATEMENT_COUNT };

static const struct pg_statement statements[STATEMENT_COUNT] = {
	[LOOK_UP] = {"look_up",
	             "SELECT n.name, w.place FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS w(id, suffix, place)"
	             " CROSS JOIN LATERAL (SELECT name || coalesce(w.suffix, '') AS name FROM public.named WHERE id = w.id OFFSET 0) n", 2},
};

#define PLACE_COLUMN 1
#define PEOPLE 1000

struct fixture {
	struct pg_pool *pool;
	struct group *group;
};

static int setup(void **state)
{
	static struct fixture fixture;
	struct pg_pool_options options = {.url = testdb_url(), .connections = 2, .statements = statements, .statement_count = STATEMENT_COUNT,
	                                  .application_name = "group_read_test"};

	assert_int_equal(pg_pool_open(&options, &fixture.pool), OK);
	assert_int_equal(group_read_open(fixture.pool, LOOK_UP, 2, PLACE_COLUMN, 1, &fixture.group), OK);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	group_close(fixture->group);
	pg_pool_close(fixture->pool);
	return 0;
}

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_us() + ms * 1000;
}

struct answer {
	char name[64];
};

static void take(const struct pg_rows *rows, int row, void *arg)
{
	struct answer *answer = arg;

	(void)snprintf(answer->name, sizeof(answer->name), STR_FMT, STR_ARG(pg_str(rows, row, 0)));
}

static enum status ask(struct group *group, int64_t id, const char *suffix, int64_t deadline, struct answer *ret_answer)
{
	char number[32];

	(void)snprintf(number, sizeof(number), "%lld", (long long)id);
	struct gather_row key = {.columns = {str_from_z(number), suffix != NULL ? str_from_z(suffix) : STR_ABSENT}};
	return group_read_ask(group, &key, deadline, take, ret_answer);
}

static void one_key_gets_its_row_or_none(void **state)
{
	struct fixture *f = *state;
	struct answer answer = {"untouched"};

	assert_int_equal(ask(f->group, PEOPLE + 1, NULL, in_ms(2000), &answer), NOT_FOUND);
	assert_string_equal(answer.name, "untouched");
	assert_int_equal(ask(f->group, 7, NULL, in_ms(2000), &answer), OK);
	assert_string_equal(answer.name, "name 7");
	assert_int_equal(ask(f->group, 8, " {\"quoted\",}", in_ms(2000), &answer), OK);
	assert_string_equal(answer.name, "name 8 {\"quoted\",}");
}

struct asker {
	struct group *group;
	int number;
	int wrong;
	int asked;
	int64_t until;
};

/* Every third asks for somebody who is not there. */
static void *keep_asking(void *arg)
{
	struct asker *asker = arg;

	for (int i = 0; clock_monotonic_us() < asker->until; i++) {
		int64_t id = 1 + (asker->number * 31 + i * 7) % PEOPLE + (i % 3 == 2 ? PEOPLE : 0);
		struct answer answer = {""};
		char right[64];
		enum status status = ask(asker->group, id, NULL, in_ms(5000), &answer);

		(void)snprintf(right, sizeof(right), "name %d", (int)id);
		asker->wrong += id > PEOPLE ? status != NOT_FOUND : status != OK || strcmp(answer.name, right) != 0;
		asker->asked++;
	}
	return NULL;
}

static void many_at_once_get_their_own(void **state)
{
	enum { ASKERS = 80 }; /* more than a batch holds */
	struct fixture *f = *state;
	struct asker askers[ASKERS];
	pthread_t threads[ASKERS];
	int asked = 0;

	for (int i = 0; i < ASKERS; i++) {
		askers[i] = (struct asker){.group = f->group, .number = i, .until = in_ms(700)};
		assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &askers[i]), 0);
	}
	for (int i = 0; i < ASKERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(askers[i].wrong, 0);
		asked += askers[i].asked;
	}
	assert_true(asked > ASKERS);
}

static void a_lost_connection_is_told_and_made_anew(void **state)
{
	struct fixture *f = *state;
	struct answer answer = {""};

	assert_int_equal(ask(f->group, 7, NULL, in_ms(2000), &answer), OK);
	assert_int_equal(testdb_i64("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
	                            " WHERE application_name = 'group_read_test'"), 1);
	/* Whether it is seen before or while it is used. */
	enum status status = ask(f->group, 7, NULL, in_ms(2000), &answer);
	assert_true(status == OK || status == UNAVAILABLE);
	assert_int_equal(ask(f->group, 8, NULL, in_ms(2000), &answer), OK);
	assert_string_equal(answer.name, "name 8");
}

static void a_hung_server_costs_each_his_own_deadline(void **state)
{
	struct fixture *f = *state;
	struct answer answer = {""};
	int64_t start = 0;

	assert_int_equal(ask(f->group, 7, NULL, in_ms(2000), &answer), OK);
	testdb_exec("BEGIN; LOCK TABLE public.named IN ACCESS EXCLUSIVE MODE");
	start = clock_monotonic_us();
	assert_int_equal(ask(f->group, 7, NULL, in_ms(200), &answer), UNAVAILABLE);
	assert_true(clock_monotonic_us() - start < 450 * 1000);
	testdb_exec("ROLLBACK");
	assert_int_equal(ask(f->group, 7, NULL, in_ms(2000), &answer), OK);
}

static void a_key_that_no_row_can_have_is_refused_alone(void **state)
{
	struct fixture *f = *state;
	struct answer answer = {""};
	struct gather_row key = {.columns = {STR("7"), {"a\0b", 3}}};

	assert_int_equal(group_read_ask(f->group, &key, in_ms(2000), take, &answer), INVALID);
	assert_int_equal(ask(f->group, 7, NULL, clock_monotonic_us() - 1, &answer), TIMED_OUT);
}

static int make_people(void **state)
{
	int status = testdb_setup(state);

	testdb_exec("CREATE TABLE public.named (id bigint PRIMARY KEY, name text NOT NULL);"
	            " INSERT INTO public.named SELECT n, 'name ' || n FROM generate_series(1, 1000) n");
	return status;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_key_gets_its_row_or_none),
		TEST(many_at_once_get_their_own),
		TEST(a_lost_connection_is_told_and_made_anew),
		TEST(a_hung_server_costs_each_his_own_deadline),
		TEST(a_key_that_no_row_can_have_is_refused_alone),
	};
	return cmocka_run_group_tests(tests, make_people, testdb_teardown);
}
