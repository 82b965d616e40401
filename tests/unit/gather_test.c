/* io/gather with work that needs no database: everybody gets his own or is told that he did not, and nobody is left waiting. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "io/gather.h"
#include "support/fibers.h"

#define THREADS 24 /* or as if: */
#define FIBERS 8   /* of two threads each, the others are threads of their own */
#define RUN_US (500 * 1000)

/* What the leader leaves: for each row its own number, read back from its text. */
struct numbers {
	long long list[GATHER_ROWS_MAX];
};

struct bench {
	struct gather *gather;
	atomic_int working; /* leaders at once */
	atomic_int batches;
	atomic_int many; /* of them: batches of more than one row */
};

struct person {
	struct bench *bench;
	pthread_t thread;
	bool alone; /* he has a thread, or is the first of its fibers */
	unsigned seed;
	int right;
	int wrong;
	int left; /* at his deadline */
	int64_t latest; /* how long after his deadline he was told */
};

/* xorshift32: each thread its own. */
static unsigned chance(unsigned *seed, unsigned below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

static bool odd(long long number)
{
	return number % 2 != 0;
}

/* Odd numbers are found, even ones are not. Takes about a millisecond, in which others come and go. */
static void look(void *owner, struct gather_batch *batch, int64_t deadline)
{
	struct bench *bench = owner;
	struct numbers *numbers = arena_alloc(batch->arena, sizeof(*numbers));

	(void)deadline;
	assert_int_equal(atomic_fetch_add(&bench->working, 1), 0);
	assert_non_null(numbers);
	for (size_t i = 0; i < batch->count; i++) {
		char text[32] = {0};

		memcpy(text, batch->rows[i].columns[0].ptr, batch->rows[i].columns[0].len);
		assert_int_equal(sscanf(text, "%lld", &numbers->list[i]), 1);
		batch->results[i] = odd(numbers->list[i]) ? OK : NOT_FOUND;
		batch->places[i] = (int)i;
	}
	fiber_sleep(clock_monotonic_us() + 1000);
	batch->answer = numbers;
	atomic_fetch_add(&bench->batches, 1);
	atomic_fetch_add(&bench->many, batch->count > 1 ? 1 : 0);
	atomic_fetch_sub(&bench->working, 1);
}

static void take(const struct gather_batch *batch, size_t index, void *arg)
{
	const struct numbers *numbers = batch->answer;

	*(long long *)arg = numbers->list[batch->places[index]];
}

static enum status bring(struct gather *gather, long long number, int64_t deadline, long long *ret_number)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lld", number);
	struct gather_row row = {.columns = {{text, (size_t)len}}};
	enum status status = gather_bring(gather, &row, deadline, take, ret_number);

	memset(text, '?', sizeof(text)); /* whoever still reads it reads nonsense */
	return status;
}

static void come_and_go(void *arg)
{
	struct person *person = arg;
	int64_t until = clock_monotonic_us() + RUN_US;

	for (long long i = 0; clock_monotonic_us() < until; i++) {
		/* From before his batch could begin to after it must have ended. */
		int64_t deadline = clock_monotonic_us() + 50 + (int64_t)chance(&person->seed, 5000);
		long long number = i * 1000 + (long long)(person->seed % 1000);
		long long got = -1;

		enum status status = bring(person->bench->gather, number, deadline, &got);
		int64_t late = clock_monotonic_us() - deadline;

		person->latest = late > person->latest ? late : person->latest;
		person->left += status == TIMED_OUT;
		person->right += status == (odd(number) ? OK : NOT_FOUND) && got == (odd(number) ? number : -1);
		person->wrong += status != TIMED_OUT && (status != (odd(number) ? OK : NOT_FOUND) || got != (odd(number) ? number : -1));
	}
}

static void *come_and_go_on_thread(void *arg)
{
	come_and_go(arg);
	return NULL;
}

/* So many from here on, in fibers of one thread. */
static void *come_and_go_in_fibers(void *arg)
{
	run_in_fibers(come_and_go, arg, FIBERS, sizeof(struct person), NULL);
	return NULL;
}

static void who_comes_and_goes_gets_his_own_or_nothing(size_t limit)
{
	struct bench bench = {.gather = NULL};
	struct person people[THREADS] = {0};
	long long got = 0;
	int right = 0;
	int left = 0;

	bench.gather = gather_new(&(struct gather_options){.columns = 1, .limit = limit, .work = look, .owner = &bench});
	assert_non_null(bench.gather);
	for (unsigned i = 0; i < THREADS; i++) {
		people[i] = (struct person){.bench = &bench, .seed = 7919 * (i + 1), .alone = i % FIBERS == 0 || i >= 2 * FIBERS};
	}
	for (unsigned i = 0; i < THREADS; i++) {
		void *(*run)(void *) = i < 2 * FIBERS ? come_and_go_in_fibers : come_and_go_on_thread;

		assert_true(!people[i].alone || pthread_create(&people[i].thread, NULL, run, &people[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_true(!people[i].alone || pthread_join(people[i].thread, NULL) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(people[i].wrong, 0);
		assert_true(people[i].latest < SECOND_US);
		right += people[i].right;
		left += people[i].left;
	}
	assert_true(right > 0 && left > 0 && atomic_load(&bench.batches) > 0);
	assert_true(limit == 1 || atomic_load(&bench.many) > 0);
	/* Nobody was left with a lead that he did not take. */
	assert_int_equal(bring(bench.gather, 7, clock_monotonic_us() + SECOND_US, &got), OK);
	assert_int_equal(got, 7);
	gather_free(bench.gather);
}

static void whole_batches(void **state)
{
	(void)state;
	who_comes_and_goes_gets_his_own_or_nothing(GATHER_ROWS_MAX);
}

static void small_batches_that_queue(void **state)
{
	(void)state;
	who_comes_and_goes_gets_his_own_or_nothing(3);
}

static void each_alone(void **state)
{
	(void)state;
	who_comes_and_goes_gets_his_own_or_nothing(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_batches),
		cmocka_unit_test(small_batches_that_queue),
		cmocka_unit_test(each_alone),
	};
	return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
