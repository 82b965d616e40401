/*
 * permit - so many hold one at once and no more; who gives his up lets the next one in; the end lets everybody in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/permit.h"

#define PERMITS 3
#define THREADS 8

struct crowd {
	struct permits *permits;
	atomic_int inside;  /* took one and did not give it up yet */
	atomic_int entered;
	atomic_int go_on;   /* so many may give theirs up */
};

static void wait_until(atomic_int *value, int wanted)
{
	for (int i = 0; i < 5000 && atomic_load(value) < wanted; i++) {
		(void)usleep(1000);
	}
	assert_int_equal(atomic_load(value), wanted);
}

static void *crowd_member(void *argument)
{
	struct crowd *crowd = argument;

	permit_take(crowd->permits);
	permit_take(crowd->permits); /* keeps the one he has */
	assert(permit_held());
	(void)atomic_fetch_add(&crowd->inside, 1);
	int mine = atomic_fetch_add(&crowd->entered, 1);

	while (atomic_load(&crowd->go_on) <= mine) {
		(void)usleep(500);
	}
	(void)atomic_fetch_sub(&crowd->inside, 1);
	permit_leave();
	permit_leave(); /* has none */
	assert(!permit_held());
	return NULL;
}

static void begin(struct crowd *crowd, pthread_t *threads)
{
	*crowd = (struct crowd){.permits = permits_new(PERMITS)};
	assert_non_null(crowd->permits);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, crowd), 0);
	}
	wait_until(&crowd->entered, PERMITS);
}

static void end(struct crowd *crowd, const pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(atomic_load(&crowd->entered), THREADS);
	permits_free(crowd->permits);
}

static void so_many_hold_one_at_once(void **state)
{
	struct crowd crowd;
	pthread_t threads[THREADS];

	(void)state;
	begin(&crowd, threads);
	(void)usleep(30 * 1000); /* in which a fourth would have come */
	assert_int_equal(atomic_load(&crowd.entered), PERMITS);
	for (int left = 1; left <= THREADS - PERMITS; left++) {
		atomic_store(&crowd.go_on, left);
		wait_until(&crowd.entered, PERMITS + left);
		assert_in_range(atomic_load(&crowd.inside), 0, PERMITS);
	}
	atomic_store(&crowd.go_on, THREADS);
	end(&crowd, threads);
}

static void at_the_end_nobody_waits(void **state)
{
	struct crowd crowd;
	pthread_t threads[THREADS];

	(void)state;
	begin(&crowd, threads);
	permits_lift(crowd.permits, THREADS);
	wait_until(&crowd.entered, THREADS);
	atomic_store(&crowd.go_on, THREADS);
	end(&crowd, threads);
}

static void who_holds_none_may_leave(void **state)
{
	(void)state;
	permit_leave();
	permits_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_hold_one_at_once),
		cmocka_unit_test(at_the_end_nobody_waits),
		cmocka_unit_test(who_holds_none_may_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
