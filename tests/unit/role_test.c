/* role: which mapped roles a rank stands for, and the steps from what is held to what shall be. */
#include "core/role.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define RULES 6

/* Roles 1 to 6: E I, E II, the letter E, the letter D, F I, E II once more. */
static const struct role_rule rules[RULES] = {
	{.role_id = 1, .rank_id = 4}, {.role_id = 2, .rank_id = 5}, {.role_id = 3, .letter = STR_INIT("E")},
	{.role_id = 4, .letter = STR_INIT("D")}, {.role_id = 5, .rank_id = 1}, {.role_id = 6, .rank_id = 5},
};
static const struct rank f_1 = {.id = 1, .name = STR_INIT("F I")};
static const struct rank e_1 = {.id = 4, .name = STR_INIT("E I")};
static const struct rank e_2 = {.id = 5, .name = STR_INIT("E II")};
static const struct rank d_3 = {.id = 9, .name = STR_INIT("D III")};
static const struct rank elder = {.id = 21, .name = STR_INIT("Elder")};

static void test_every_difference_is_a_step(void **state)
{
	/* Steps as signed ids: 3 gives it, -3 takes it. 99 is a role of somebody else. */
	static const struct { const struct rank *rank; int64_t held[4]; size_t held_count; int64_t steps[RULES]; } rows[] = {
		{&e_1, {0}, 0, {1, 3}},
		{&e_1, {1, 3}, 2, {0}},
		{&e_1, {1, 3, 99}, 3, {0}},
		{&e_2, {1, 3}, 2, {2, 6, -1}},
		{&e_2, {99, 2}, 2, {3, 6}},
		{&d_3, {2, 3, 6}, 3, {4, -2, -3, -6}},
		{&f_1, {4}, 1, {5, -4}},
		{&elder, {3}, 1, {-3}}, /* a name that begins with the letter is not of it */
		{NULL, {1, 5, 99}, 3, {-1, -5}}, /* no account: nothing of ours */
		{NULL, {99}, 1, {0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct role_step steps[RULES] = {{0}};
		size_t count = role_diff(rules, RULES, rows[i].rank, rows[i].held, rows[i].held_count, steps);

		for (size_t k = 0; k < RULES; k++) {
			int64_t step = k < count ? (steps[k].give ? steps[k].role_id : -steps[k].role_id) : 0;

			assert_int_equal(step, rows[i].steps[k]);
		}
	}
}

static void test_a_refused_role_is_left_alone_either_way(void **state)
{
	struct role_rule own[] = {{.role_id = 1, .rank_id = 4, .refused = true}, {.role_id = 2, .rank_id = 5}};
	const int64_t held[] = {1, 2};
	struct role_step steps[2];

	(void)state;
	assert_int_equal(role_diff(own, 2, &e_1, NULL, 0, steps), 0);
	assert_int_equal(role_diff(own, 2, &e_2, held, 2, steps), 0);
	assert_int_equal(role_diff(own, 2, &e_1, held, 2, steps), 1);
	assert_int_equal(steps[0].role_id, 2);
	assert_false(steps[0].give);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_difference_is_a_step),
		cmocka_unit_test(test_a_refused_role_is_left_alone_either_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
