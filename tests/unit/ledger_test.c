/* ledger: one change at a time, never below zero, never past the range. */
#include "core/ledger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_every_change_is_decided(void **state)
{
	static const struct { int64_t has_xp, has_coins, xp, coins; enum status status; int64_t xp_after, coins_after; } rows[] = {
		{0, 0, 1, 0, OK, 1, 0},
		{0, 0, 0, 1, OK, 0, 1},
		{5, 7, -5, -7, OK, 0, 0},
		{5, 7, -5, 3, OK, 0, 10},
		{5, 7, 0, 0, INVALID, 0, 0},
		{5, 7, -6, 0, INSUFFICIENT, 0, 0},
		{5, 7, 0, -8, INSUFFICIENT, 0, 0},
		{5, 7, 10, -8, INSUFFICIENT, 0, 0},
		{0, 0, LEDGER_DELTA_MAX, 0, OK, LEDGER_DELTA_MAX, 0},
		{0, 0, LEDGER_DELTA_MAX + 1, 0, INVALID, 0, 0},
		{0, 0, 0, -LEDGER_DELTA_MAX - 1, INVALID, 0, 0},
		{0, 0, INT64_MIN, 0, INVALID, 0, 0},
		{INT64_MAX, 0, 1, 0, OVERFLOWN, 0, 0},
		{INT64_MAX - 1, 0, 1, 0, OK, INT64_MAX, 0},
		{0, INT64_MAX, 0, 1, OVERFLOWN, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct balance balance = {.xp = rows[i].has_xp, .coins = rows[i].has_coins};
		struct ledger_entry entry = {.xp = 42};
		enum status status = ledger_decide(&balance, rows[i].xp, rows[i].coins, &entry);

		assert_int_equal(status, rows[i].status);
		if (status == OK) {
			assert_int_equal(entry.xp, rows[i].xp);
			assert_int_equal(entry.coins, rows[i].coins);
			assert_int_equal(entry.xp_after, rows[i].xp_after);
			assert_int_equal(entry.coins_after, rows[i].coins_after);
		} else {
			assert_int_equal(entry.xp, 42); /* untouched on failure */
		}
	}
}

static void test_what_was_earned_moves_however_much_it_is(void **state)
{
	struct balance balance = {.xp = 5, .coins = INT64_MAX};
	struct ledger_entry entry = {.xp = 42};

	(void)state;
	assert_int_equal(ledger_move(&balance, -5, -INT64_MAX, &entry), OK);
	assert_true(entry.xp_after == 0 && entry.coins_after == 0);
	assert_int_equal(ledger_move(&balance, 0, 0, &entry), INVALID);
	assert_int_equal(ledger_move(&balance, -6, 0, &entry), INSUFFICIENT);
	assert_int_equal(ledger_move(&balance, 0, 1, &entry), OVERFLOWN);
	assert_true(entry.xp == -5 && entry.coins == -INT64_MAX); /* untouched on failure */
}

static void test_moving_between_ones_own_accounts_earns_nothing(void **state)
{
	(void)state;
	assert_true(ledger_kind_earns(LEDGER_XP_CHANGE));
	assert_false(ledger_kind_earns(LEDGER_MERGE));
	assert_false(ledger_kind_earns(LEDGER_UNMERGE));
	assert_false(ledger_kind_earns(LEDGER_ADJUST));
	assert_int_equal(ledger_kind_from_name(STR("of a later version")), LEDGER_UNSET);
	assert_int_equal(ledger_kind_from_name(STR_ABSENT), LEDGER_UNSET);
	for (int kind = LEDGER_UNSET; kind < LEDGER_KIND_COUNT; kind++) {
		assert_false(str_empty(ledger_kind_name((enum ledger_kind)kind)));
		assert_int_equal(ledger_kind_from_name(ledger_kind_name((enum ledger_kind)kind)), kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_change_is_decided),
		cmocka_unit_test(test_what_was_earned_moves_however_much_it_is),
		cmocka_unit_test(test_moving_between_ones_own_accounts_earns_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
