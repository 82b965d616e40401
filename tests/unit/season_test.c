/* When seasons end, places in one, and what they earn. */
#include "core/season.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/catalogue.h"

static const struct season_prize prizes[] = {
	{1, 1, 1000, STR_INIT("season_champion")},
	{2, 3, 500, STR_INIT("season_top10")},
	{4, 10, 300, STR_INIT("season_top10")},
	{11, 50, 150, STR_INIT("season_top50")},
};

static void test_a_season_ends_where_the_next_begins(void **state)
{
	const struct economy_rates *rates = &default_economy.rates;

	(void)state;
	assert_int_equal(season_start(rates, 0), rates->season_start);
	for (int64_t no = 0; no < 5; no++) {
		int64_t end = season_start(rates, no + 1);

		assert_int_equal(end - season_start(rates, no), 30 * DAY_US);
		assert_false(season_is_over(rates, no, end - 1));
		assert_true(season_is_over(rates, no, end));
		/* What a moment counts for and which season is over never disagree. */
		assert_int_equal(economy_periods(&default_economy, end - 1).season_no, no);
		assert_int_equal(economy_periods(&default_economy, end).season_no, no + 1);
	}
	assert_false(season_is_over(rates, 0, rates->season_start - DAY_US));
}

static void test_places_are_one_more_than_the_number_of_higher_results(void **state)
{
	static const int64_t xp[] = {90, 90, 80, 70, 70, 70, 1};
	static const int64_t wanted[] = {1, 1, 3, 4, 4, 4, 7};
	struct season_places places = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(xp); i++) {
		assert_int_equal(season_place(&places, xp[i]), wanted[i]);
	}
	assert_int_equal(places.count, 7);
}

static void test_every_place_has_its_prize(void **state)
{
	static const struct {
		int64_t place;
		int64_t coins; /* 0: none */
	} rows[] = {{1, 1000}, {2, 500}, {3, 500}, {4, 300}, {10, 300}, {11, 150}, {50, 150}, {51, 0}, {1000000, 0}, {0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct season_prize *prize = season_prize(prizes, ARRAY_LEN(prizes), rows[i].place);

		assert_int_equal(prize != NULL ? prize->coins : 0, rows[i].coins);
	}
	assert_null(season_prize(NULL, 0, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_season_ends_where_the_next_begins),
		cmocka_unit_test(test_places_are_one_more_than_the_number_of_higher_results),
		cmocka_unit_test(test_every_place_has_its_prize),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
