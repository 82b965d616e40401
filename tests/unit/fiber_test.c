/*
 * base/fiber, base/baton, base/offload: who waits is put aside and goes on once, whoever wakes him; threads without fibers wait by the same
 * calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/baton.h"
#include "base/clock.h"
#include "base/ctx.h"
#include "base/fiber.h"
#include "base/offload.h"
#include "support/fibers.h"

#define MS INT64_C(1000)

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_us() + ms * MS;
}

/* ---- turns ---- */

struct speaker {
	char *said;
	char letter;
};

static void speak(void *arg)
{
	struct speaker *speaker = arg;

	for (int i = 0; i < 3; i++) {
		speaker->said[strlen(speaker->said)] = speaker->letter;
		fiber_yield();
	}
}

static void who_yields_lets_all_others_go_first(void **state)
{
	char said[16] = "";
	struct speaker speakers[] = {{said, 'a'}, {said, 'b'}, {said, 'c'}};

	(void)state;
	fiber_yield(); /* nobody here: goes on */
	run_in_fibers(speak, speakers, ARRAY_LEN(speakers), sizeof(speakers[0]), NULL);
	assert_string_equal(said, "abcabcabc");
}

static void keep_own(void *arg)
{
	int *mine = arg;

	assert_null(*fiber_own(FIBER_SLOT_PG));
	*fiber_own(FIBER_SLOT_PG) = mine;
	fiber_yield();
	assert_ptr_equal(*fiber_own(FIBER_SLOT_PG), mine);
	assert_null(*fiber_own(FIBER_SLOT_JSON));
	*mine = 1;
}

static void each_keeps_what_is_his(void **state)
{
	int done[2] = {0};

	(void)state;
	*fiber_own(FIBER_SLOT_PG) = done;
	run_in_fibers(keep_own, done, ARRAY_LEN(done), sizeof(done[0]), NULL);
	assert_ptr_equal(*fiber_own(FIBER_SLOT_PG), done);
	*fiber_own(FIBER_SLOT_PG) = NULL;
	assert_int_equal(done[0] + done[1], 2);
}

/* ---- descriptors and time ---- */

static void wait_for_descriptors(void *arg)
{
	int64_t began = clock_monotonic_us();
	int ends[2];
	short ready = 0;
	char byte = 0;

	(void)arg;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fiber_wait_fd(ends[0], POLLIN, in_ms(30), &ready), TIMED_OUT);
	assert_true(clock_monotonic_us() - began >= 30 * MS);
	assert_int_equal(fiber_wait_fd(ends[0], POLLIN, 0, &ready), TIMED_OUT);
	assert_int_equal(ready, 0); /* untouched */
	assert_int_equal(fiber_wait_fd(ends[1], POLLOUT, in_ms(5000), &ready), OK);
	assert_int_equal(ready, POLLOUT);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(fiber_wait_fd(ends[0], POLLIN, in_ms(5000), &ready), OK);
	assert_int_equal(ready, POLLIN);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(ends[1]);
	assert_int_equal(fiber_wait_fd(ends[0], POLLIN, in_ms(5000), &ready), OK);
	assert_true((ready & POLLHUP) != 0);
	(void)close(ends[0]);
	assert_int_equal(fiber_wait_fd(ends[0], POLLIN, in_ms(5000), &ready), OK); /* the next read tells */
	assert_true((ready & (POLLERR | POLLNVAL)) != 0);
	began = clock_monotonic_us();
	fiber_sleep(in_ms(20));
	assert_in_range(clock_monotonic_us() - began, 20 * MS, 5000 * MS);
}

static void descriptors_are_waited_for_until_the_deadline(void **state)
{
	(void)state;
	wait_for_descriptors(NULL);
	run_in_fibers(wait_for_descriptors, NULL, 1, 0, NULL);
}

struct sleeper {
	int64_t ms;
	int *order;
	int *count;
};

static void sleep_once(void *arg)
{
	struct sleeper *sleeper = arg;

	fiber_sleep(in_ms(sleeper->ms));
	sleeper->order[(*sleeper->count)++] = (int)sleeper->ms;
}

static void sleepers_wake_in_the_order_of_their_times(void **state)
{
	int order[4] = {0};
	int count = 0;
	struct sleeper sleepers[] = {{90, order, &count}, {10, order, &count}, {60, order, &count}, {30, order, &count}};
	int64_t began = clock_monotonic_us();

	(void)state;
	run_in_fibers(sleep_once, sleepers, ARRAY_LEN(sleepers), sizeof(sleepers[0]), NULL);
	assert_true(clock_monotonic_us() - began < 180 * MS); /* beside each other */
	assert_int_equal(order[0], 10);
	assert_int_equal(order[1], 30);
	assert_int_equal(order[2], 60);
	assert_int_equal(order[3], 90);
}

/* ---- batons ---- */

static void wait_for_batons(void *arg)
{
	struct baton baton;
	int64_t began = clock_monotonic_us();

	(void)arg;
	baton_init(&baton);
	assert_false(baton_wait(&baton, in_ms(20)));
	assert_true(clock_monotonic_us() - began >= 20 * MS);
	baton_post(&baton);
	baton_post(&baton);
	assert_true(baton_wait(&baton, 0)); /* before: at once, even with no time left */
	assert_false(baton_wait(&baton, in_ms(1))); /* once */
	baton_done(&baton);
}

static void a_baton_is_posted_before_or_after(void **state)
{
	(void)state;
	wait_for_batons(NULL);
	run_in_fibers(wait_for_batons, NULL, 1, 0, NULL);
}

#define ROUNDS 20000

/* A ball between two: each waits for his and posts the other's. */
struct player {
	struct baton *mine;
	struct baton *other;
	bool fiber;
	atomic_int *hits;
};

static void play(void *arg)
{
	struct player *player = arg;

	for (int i = 0; i < ROUNDS; i++) {
		assert_true(baton_wait(player->mine, in_ms(20000)));
		(void)atomic_fetch_add(player->hits, 1);
		baton_post(player->other);
	}
}

static void *play_on_thread(void *arg)
{
	struct player *player = arg;

	if (player->fiber) {
		run_in_fibers(play, player, 1, 0, NULL);
	} else {
		play(player);
	}
	return NULL;
}

static void play_match(bool first_fiber, bool second_fiber)
{
	struct baton batons[2];
	atomic_int hits = 0;
	struct player players[] = {{&batons[0], &batons[1], first_fiber, &hits}, {&batons[1], &batons[0], second_fiber, &hits}};
	pthread_t threads[2];

	baton_init(&batons[0]);
	baton_init(&batons[1]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, play_on_thread, &players[i]), 0);
	}
	baton_post(&batons[0]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(atomic_load(&hits), 2 * ROUNDS);
	baton_done(&batons[0]);
	baton_done(&batons[1]);
}

static void threads_and_fibers_wake_each_other(void **state)
{
	(void)state;
	play_match(false, false);
	play_match(false, true);
	play_match(true, true);
}

static void two_fibers_of_one_thread_wake_each_other(void **state)
{
	struct baton batons[2];
	atomic_int hits = 0;
	struct player players[] = {{&batons[0], &batons[1], true, &hits}, {&batons[1], &batons[0], true, &hits}};

	(void)state;
	baton_init(&batons[0]);
	baton_init(&batons[1]);
	baton_post(&batons[0]);
	run_in_fibers(play, players, ARRAY_LEN(players), sizeof(players[0]), NULL);
	assert_int_equal(atomic_load(&hits), 2 * ROUNDS);
	baton_done(&batons[0]);
	baton_done(&batons[1]);
}

/* Waits so shortly that the post comes at any moment of it: before, at the end, and after. */
struct catcher {
	struct baton baton;
	atomic_int posted;
	atomic_int caught;
	atomic_bool over;
};

static void catch_posts(void *arg)
{
	struct catcher *catcher = arg;

	while (!atomic_load(&catcher->over)) {
		if (baton_wait(&catcher->baton, clock_monotonic_us() + 60)) {
			(void)atomic_fetch_add(&catcher->caught, 1);
		}
		/* A wake-up that was meant for the baton must not end this. */
		int64_t began = clock_monotonic_us();

		fiber_sleep(began + 30);
		assert_true(clock_monotonic_us() - began >= 30);
	}
}

static void *catch_on_thread(void *arg)
{
	run_in_fibers(catch_posts, arg, 1, 0, NULL);
	return NULL;
}

static void a_post_at_the_deadline_is_neither_lost_nor_doubled(void **state)
{
	struct catcher catcher = {.posted = 0};
	int64_t until = in_ms(700);
	pthread_t thread;

	(void)state;
	baton_init(&catcher.baton);
	assert_int_equal(pthread_create(&thread, NULL, catch_on_thread, &catcher), 0);
	while (clock_monotonic_us() < until) {
		int posted = atomic_fetch_add(&catcher.posted, 1) + 1;

		baton_post(&catcher.baton);
		while (atomic_load(&catcher.caught) < posted) {
			assert_true(clock_monotonic_us() < until + 10 * SECOND_US);
		}
	}
	atomic_store(&catcher.over, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&catcher.caught), atomic_load(&catcher.posted));
	assert_true(atomic_load(&catcher.caught) > 100);
	baton_done(&catcher.baton);
}

static void wait_for_either(void *arg)
{
	struct baton *baton = arg;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_false(baton_wait_or_read(baton, ends[0]));
	baton_post(baton);
	assert_true(baton_wait_or_read(baton, ends[0]));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void a_descriptor_or_a_baton(void **state)
{
	struct baton baton;

	(void)state;
	baton_init(&baton);
	run_in_fibers(wait_for_either, &baton, 1, 0, NULL);
	baton_done(&baton);
}

/* ---- helpers ---- */

struct work {
	struct helpers *helpers;
	pthread_t thread;
	atomic_int *running;
	atomic_int *most;
	int *order;
	int *count;
	int number;
};

static void note_most(struct work *work)
{
	int now = atomic_fetch_add(work->running, 1) + 1;
	int most = atomic_load(work->most);

	while (now > most && !atomic_compare_exchange_weak(work->most, &most, now)) {
		continue;
	}
}

static void block(void *arg)
{
	struct work *work = arg;

	work->thread = pthread_self();
	note_most(work);
	(void)usleep(30 * 1000);
	(void)atomic_fetch_sub(work->running, 1);
}

static void send_away(void *arg)
{
	struct work *work = arg;

	offload(work->helpers, block, work);
	work->order[(*work->count)++] = work->number;
}

static void what_blocks_is_done_elsewhere_meanwhile(void **state)
{
	struct helpers *helpers = helpers_new(3, FIBERS_STACK);
	atomic_int running = 0;
	atomic_int most = 0;
	int order[7] = {0};
	int count = 0;
	struct work work[7];
	int64_t began = clock_monotonic_us();

	(void)state;
	assert_non_null(helpers);
	for (int i = 0; i < 7; i++) {
		work[i] = (struct work){.helpers = helpers, .running = &running, .most = &most, .order = order, .count = &count, .number = i};
	}
	run_in_fibers(send_away, work, ARRAY_LEN(work), sizeof(work[0]), helpers);
	assert_int_equal(count, 7);
	assert_int_equal(atomic_load(&most), 3);
	/* Three rounds of 30 ms, not seven. */
	assert_in_range(clock_monotonic_us() - began, 90 * MS, 209 * MS);
	for (int i = 0; i < 7; i++) {
		assert_false(pthread_equal(work[i].thread, pthread_self()));
	}
	helpers_free(helpers);
}

static void without_helpers_it_is_done_here(void **state)
{
	atomic_int running = 0;
	atomic_int most = 0;
	int order[2] = {0};
	int count = 0;
	struct work work = {.running = &running, .most = &most, .order = order, .count = &count};

	(void)state;
	send_away(&work);
	assert_true(pthread_equal(work.thread, pthread_self()));
	run_in_fibers(send_away, &work, 1, 0, NULL);
	assert_true(pthread_equal(work.thread, pthread_self()));
	assert_int_equal(count, 2);
}

/* ---- stacks ---- */

#ifndef TRIVET_SANITIZE
static int fall(int depth)
{
	volatile char room[1024];

	room[0] = (char)depth;
	return depth > 1000000 ? room[0] : fall(depth + 1) + room[0];
}

static void fall_deep(void *arg)
{
	*(int *)arg = fall(0);
}

static void a_stack_that_is_too_small_ends_the_process(void **state)
{
	int status = 0;
	int result = 0;
	pid_t child = 0;

	(void)state;
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		run_in_fibers(fall_deep, &result, 1, 0, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_yields_lets_all_others_go_first),
		cmocka_unit_test(each_keeps_what_is_his),
		cmocka_unit_test(descriptors_are_waited_for_until_the_deadline),
		cmocka_unit_test(sleepers_wake_in_the_order_of_their_times),
		cmocka_unit_test(a_baton_is_posted_before_or_after),
		cmocka_unit_test(threads_and_fibers_wake_each_other),
		cmocka_unit_test(two_fibers_of_one_thread_wake_each_other),
		cmocka_unit_test(a_post_at_the_deadline_is_neither_lost_nor_doubled),
		cmocka_unit_test(a_descriptor_or_a_baton),
		cmocka_unit_test(what_blocks_is_done_elsewhere_meanwhile),
		cmocka_unit_test(without_helpers_it_is_done_here),
#ifndef TRIVET_SANITIZE
		cmocka_unit_test(a_stack_that_is_too_small_ends_the_process),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
