/* arena: limits, hooks, what a reset leaves; and that a sanitizer build sees one byte too many. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"

static void test_memory_is_zeroed_and_aligned(void **state)
{
	(void)state;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 300; size++) {
			unsigned char *memory = arena_alloc(arena, size);
			assert_non_null(memory);
			assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++) {
				assert_int_equal(memory[i], 0);
			}
			/* Dirty for the round after the reset. */
			memset(memory, 0xA5, size);
		}
		arena_reset(arena);
	}
	arena_free(arena);
}

static void test_size_zero_gives_unique_pointers(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1024);
	void *first = arena_alloc(arena, 0);
	void *second = arena_alloc(arena, 0);
	assert_non_null(first);
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	arena_free(arena);
}

static void test_limit_fails_until_reset(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1024);
	assert_non_null(arena_alloc(arena, 1000));
	assert_false(arena_failed(arena));
	assert_null(arena_alloc(arena, 100));
	assert_true(arena_failed(arena));
	/* Failed is failed: one small value more must not make half an answer look whole. */
	assert_null(arena_alloc(arena, 1));
	arena_reset(arena);
	assert_false(arena_failed(arena));
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_alloc(arena, 1024));
	assert_null(arena_alloc(arena, 0));
	arena_free(arena);
}

static void test_limit_counts_padding(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1024);
	size_t count = 0;
	while (arena_alloc(arena, 1) != NULL) {
		count++;
	}
	assert_int_equal(count, 1024 / alignof(max_align_t));
	arena_free(arena);
}

static void test_overflowing_sizes_are_refused(void **state)
{
	(void)state;
	struct arena *arena = arena_new(SIZE_MAX);
	assert_null(arena_array(arena, SIZE_MAX / 2, 3));
	assert_true(arena_failed(arena));
	arena_reset(arena);
	assert_null(arena_alloc(arena, SIZE_MAX));
	arena_reset(arena);
	assert_null(arena_alloc(arena, SIZE_MAX - 3));
	arena_reset(arena);
	assert_non_null(arena_array(arena, 10, 10));
	arena_free(arena);
}

static void test_many_and_large_allocations(void **state)
{
	(void)state;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	for (int round = 0; round < 3; round++) {
		char *large = arena_alloc(arena, 3 * 1024 * 1024);
		assert_non_null(large);
		memset(large, 1, 3 * 1024 * 1024);
		char *pieces[200];
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
			pieces[i] = arena_alloc(arena, 1000);
			assert_non_null(pieces[i]);
			memset(pieces[i], (int)i, 1000);
		}
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
			assert_int_equal((unsigned char)pieces[i][0], i);
			assert_int_equal((unsigned char)pieces[i][999], i);
		}
		arena_reset(arena);
	}
	arena_free(arena);
}

static char order[8];
static size_t order_len;

static void note(void *object)
{
	order[order_len++] = *(const char *)object;
}

static void test_hooks_run_newest_first_and_once(void **state)
{
	(void)state;
	order_len = 0;
	char names[] = "abc";
	struct arena *arena = arena_new(1024);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(arena_defer(arena, note, &names[i]), OK);
	}
	assert_int_equal(order_len, 0);
	arena_reset(arena);
	assert_int_equal(order_len, 3);
	assert_memory_equal(order, "cba", 3);
	arena_reset(arena);
	assert_int_equal(order_len, 3);
	assert_int_equal(arena_defer(arena, note, &names[0]), OK);
	arena_free(arena);
	assert_int_equal(order_len, 4);
}

static void test_refused_hook_has_run(void **state)
{
	(void)state;
	order_len = 0;
	char name = 'x';
	struct arena *arena = arena_new(8);
	assert_int_equal(arena_defer(arena, note, &name), TOO_LARGE);
	assert_int_equal(order_len, 1);
	arena_free(arena);
	assert_int_equal(order_len, 1);
}

static void test_a_full_arena_can_be_extended_until_its_reset(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1024);
	assert_null(arena_alloc(arena, 2048));
	arena_extend(arena, 1024);
	assert_false(arena_failed(arena));
	assert_non_null(arena_alloc(arena, 1024));
	assert_non_null(arena_alloc(arena, 1024));
	assert_null(arena_alloc(arena, 1));
	arena_reset(arena);
	assert_null(arena_alloc(arena, 2048));
	arena_free(arena);
}

static void test_free_of_nothing(void **state)
{
	(void)state;
	arena_free(NULL);
}

/* The reason for one malloc per allocation: inside a shared block AddressSanitizer sees nothing (style.md, habit 3). */
#ifdef __SANITIZE_ADDRESS__
static void test_sanitizer_sees_one_byte(void **state)
{
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(STDERR_FILENO);
		struct arena *arena = arena_new(1024);
		volatile char *memory = arena_alloc(arena, 5);
		memory[5] = 1;
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed_and_aligned),
		cmocka_unit_test(test_size_zero_gives_unique_pointers),
		cmocka_unit_test(test_limit_fails_until_reset),
		cmocka_unit_test(test_limit_counts_padding),
		cmocka_unit_test(test_overflowing_sizes_are_refused),
		cmocka_unit_test(test_many_and_large_allocations),
		cmocka_unit_test(test_hooks_run_newest_first_and_once),
		cmocka_unit_test(test_refused_hook_has_run),
		cmocka_unit_test(test_a_full_arena_can_be_extended_until_its_reset),
		cmocka_unit_test(test_free_of_nothing),
#ifdef __SANITIZE_ADDRESS__
		cmocka_unit_test(test_sanitizer_sees_one_byte),
#endif
	};
	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
