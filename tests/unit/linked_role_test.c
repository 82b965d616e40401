/* linked_role: a rank at once, XP every five minutes, days once a day. */
#include "core/linked_role.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define JOINED (INT64_C(1700000000) * SECOND_US)
#define SHOWN (JOINED + 10 * DAY_US + HOUR_US)

static void test_days_are_full_ones(void **state)
{
	static const struct { int64_t now; int64_t days; int64_t next; } rows[] = {
		{JOINED - 5, 0, JOINED + DAY_US}, {JOINED, 0, JOINED + DAY_US}, {JOINED + DAY_US - 1, 0, JOINED + DAY_US},
		{JOINED + DAY_US, 1, JOINED + 2 * DAY_US}, {JOINED + 400 * DAY_US + 1, 400, JOINED + 401 * DAY_US},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(linked_role_days(JOINED, rows[i].now), rows[i].days);
		assert_int_equal(linked_role_next_day(JOINED, rows[i].now), rows[i].next);
	}
}

static void test_when_it_is_told(void **state)
{
	/* next 0: due. Shown at SHOWN were rank 4, XP 2250, 10 days. */
	static const struct { struct linked_values values; int64_t now; int64_t next; } rows[] = {
		{{4, 2250, 10}, SHOWN + 1, JOINED + 11 * DAY_US},
		{{4, 2251, 10}, SHOWN + 1, SHOWN + LINKED_ROLE_GAP_US},
		{{4, 2251, 10}, SHOWN + LINKED_ROLE_GAP_US - 1, SHOWN + LINKED_ROLE_GAP_US},
		{{4, 2251, 10}, SHOWN + LINKED_ROLE_GAP_US, 0},
		{{4, 2240, 10}, SHOWN + LINKED_ROLE_GAP_US, 0},
		{{5, 3500, 10}, SHOWN + 1, 0},
		{{3, 2000, 10}, SHOWN + 1, 0},
		{{4, 2250, 11}, JOINED + 11 * DAY_US, 0},
		{{4, 2251, 10}, SHOWN - HOUR_US, 0}, /* the clock was set back */
	};
	static const struct linked_shown shown = {.at = SHOWN, .values = {4, 2250, 10}};
	static const struct linked_shown never = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t next = 0;

		assert_true(linked_role_is_due(&rows[i].values, &shown, JOINED, rows[i].now, &next) == (rows[i].next == 0));
		assert_int_equal(next, rows[i].next);
		assert_true(linked_role_is_due(&rows[i].values, &never, JOINED, rows[i].now, &next));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_days_are_full_ones), cmocka_unit_test(test_when_it_is_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
