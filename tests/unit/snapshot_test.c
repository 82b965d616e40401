/* snapshot: who took or put one keeps it, whatever others put meanwhile. */
#include "base/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)

/* A value in an arena of its own. */
static struct arena *value_of(int number, const int **ret_value)
{
	struct arena *owner = arena_new(4096);
	int *value = arena_alloc(owner, sizeof(*value));

	*value = number;
	*ret_value = value;
	return owner;
}

static void put(struct snapshot_slot *slot, struct arena *arena, int number, int64_t now)
{
	const int *value = NULL;
	struct arena *owner = value_of(number, &value);

	assert_int_equal(snapshot_put(slot, arena, owner, value, now), OK);
}

static void test_a_fresh_one_is_taken_and_a_stale_one_is_not(void **state)
{
	struct snapshot_slot *slot = snapshot_slot_new();
	struct arena *arena = arena_new(4096);

	(void)state;
	assert_null(snapshot_take(slot, arena, 0, SECOND));
	put(slot, arena, 7, 10 * SECOND);
	const int *taken = snapshot_take(slot, arena, 11 * SECOND, SECOND);

	assert_non_null(taken);
	assert_int_equal(*taken, 7);
	assert_null(snapshot_take(slot, arena, 11 * SECOND + 1, SECOND));
	assert_null(snapshot_take(slot, arena, 9 * SECOND - 1, SECOND)); /* a clock that was set back */
	arena_free(arena);
	snapshot_slot_free(slot);
}

/* One renews, the others go on with it for as long again; whoever comes later renews it too. */
static void test_one_is_told_to_renew(void **state)
{
	struct snapshot_slot *slot = snapshot_slot_new();
	struct arena *arena = arena_new(4096);

	(void)state;
	put(slot, arena, 7, 10 * SECOND);
	assert_null(snapshot_take(slot, arena, 11 * SECOND + 1, SECOND));
	assert_non_null(snapshot_take(slot, arena, 11 * SECOND + 1, SECOND));
	assert_non_null(snapshot_take(slot, arena, 12 * SECOND, SECOND));
	assert_null(snapshot_take(slot, arena, 12 * SECOND + 1, SECOND));
	assert_null(snapshot_take(slot, arena, 12 * SECOND + 1, SECOND));
	assert_non_null(snapshot_take(slot, arena, 11 * SECOND, SECOND));
	put(slot, arena, 8, 13 * SECOND);
	assert_int_equal(*(const int *)snapshot_take(slot, arena, 14 * SECOND, SECOND), 8);
	assert_null(snapshot_take(slot, arena, 15 * SECOND, SECOND));
	arena_free(arena);
	snapshot_slot_free(slot);
}

/* A catalogue was read again by two threads whose clocks differed: the one that had put first was told that there was none. */
static void test_who_put_it_holds_it_though_another_put_a_newer_one(void **state)
{
	struct snapshot_slot *slot = snapshot_slot_new();
	struct arena *mine = arena_new(4096);
	struct arena *other = arena_new(4096);
	const int *value = NULL;
	struct arena *owner = value_of(1, &value);

	(void)state;
	assert_int_equal(snapshot_put(slot, mine, owner, value, SECOND), OK);
	put(slot, other, 2, 100 * SECOND);
	arena_reset(other);
	assert_int_equal(*value, 1); /* AddressSanitizer would see it freed */
	arena_free(mine);
	arena_free(other);
	snapshot_slot_free(slot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fresh_one_is_taken_and_a_stale_one_is_not),
		cmocka_unit_test(test_one_is_told_to_renew),
		cmocka_unit_test(test_who_put_it_holds_it_though_another_put_a_newer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
