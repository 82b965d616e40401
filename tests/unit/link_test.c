/* link: who may join whom, what an undo gives back, which identity leaves. */
#include "core/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW (INT64_C(1800000000) * SECOND_US)

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* An account of `id` with one identity of the same number, made `age` microseconds ago. */
static struct member somebody(int64_t id, enum platform platform, int64_t age)
{
	struct member member = {.account = {.id = id, .created_at = NOW - age}, .identity_count = 1};

	member.identities[0] =
		(struct identity){.id = id, .account_id = id, .platform = platform, .platform_id = id, .attached_at = NOW - age};
	return member;
}

static void add_identity(struct member *member, int64_t id, enum platform platform)
{
	member->identities[member->identity_count++] = (struct identity){.id = id, .account_id = member->account.id, .platform = platform};
}

static struct link_decision decide(const struct member *issuer, const struct member *redeemer)
{
	struct link_side a = {.member = issuer};
	struct link_side b = {.member = redeemer};

	return link_decide(&a, &b, NOW, false, false);
}

static void test_a_profile_is_complete_with_name_language_and_two_platforms(void **state)
{
	struct member member = somebody(1, PLATFORM_TELEGRAM, DAY_US);

	(void)state;
	member.account.display_name = STR("Anna");
	member.account.language = LANGUAGE_EN;
	assert_false(member_is_complete(&member));
	add_identity(&member, 2, PLATFORM_DISCORD);
	assert_true(member_is_complete(&member));
	member.account.language = LANGUAGE_UNSET;
	assert_false(member_is_complete(&member));
	member.account.language = LANGUAGE_RU;
	member.account.display_name = STR("");
	assert_false(member_is_complete(&member));
	member.account.display_name = STR_ABSENT;
	assert_false(member_is_complete(&member));
}

static void test_codes_are_read_as_people_type_them(void **state)
{
	(void)state;
	assert_true(str_eq(link_code_normalise(arena, STR("abc234")), STR("ABC234")));
	assert_true(str_eq(link_code_normalise(arena, STR(" AB-C 2-34 ")), STR("ABC234")));
	assert_true(str_eq(link_code_normalise(arena, STR("")), STR("")));
	assert_true(str_eq(link_code_normalise(arena, STR(" - - ")), STR("")));
	assert_true(str_eq(link_code_normalise(arena, STR("АВС234")), STR("АВС234"))); /* Cyrillic: matches no code */
	char *endless = arena_alloc(arena, 5000);

	memset(endless, 'A', 5000);
	assert_int_equal(link_code_normalise(arena, (struct str){endless, 5000}).len, 64);
}

static void test_the_alphabet_has_no_look_alikes(void **state)
{
	(void)state;
	assert_int_equal(strlen(LINK_CODE_ALPHABET), LINK_CODE_SYMBOLS);
	for (const char *symbol = "ILO01"; *symbol != '\0'; symbol++) {
		assert_null(strchr(LINK_CODE_ALPHABET, *symbol));
	}
}

static void test_two_empty_accounts_join_at_once_and_the_older_survives(void **state)
{
	struct member older = somebody(9, PLATFORM_TELEGRAM, 2 * DAY_US);
	struct member younger = somebody(3, PLATFORM_DISCORD, DAY_US);

	(void)state;
	assert_int_equal(decide(&older, &younger).verdict, LINK_JOIN);
	assert_true(decide(&older, &younger).issuer_survives);
	assert_false(decide(&younger, &older).issuer_survives);
	assert_int_equal(decide(&older, &younger).histories, 0);
	younger.account.created_at = older.account.created_at; /* same instant: the lower id */
	assert_false(decide(&older, &younger).issuer_survives);
}

static void test_only_the_redeemers_history_asks(void **state)
{
	struct member issuer = somebody(1, PLATFORM_TELEGRAM, DAY_US);
	struct member redeemer = somebody(2, PLATFORM_DISCORD, DAY_US);

	(void)state;
	issuer.balance.xp = 5;
	assert_int_equal(decide(&issuer, &redeemer).verdict, LINK_JOIN);
	assert_int_equal(decide(&issuer, &redeemer).histories, 1);
	redeemer.balance.coins = 1;
	assert_int_equal(decide(&issuer, &redeemer).verdict, LINK_CONFIRM);
	assert_int_equal(decide(&issuer, &redeemer).histories, 2);
	issuer.balance.xp = 0;
	assert_int_equal(decide(&issuer, &redeemer).verdict, LINK_CONFIRM);

	struct link_side a = {.member = &issuer};
	struct link_side b = {.member = &redeemer};

	assert_int_equal(link_decide(&a, &b, NOW, true, false).verdict, LINK_JOIN);
	redeemer.balance.coins = 0;
	b.has_other_history = true;
	assert_int_equal(link_decide(&a, &b, NOW, false, false).verdict, LINK_CONFIRM);
}

static void test_ones_own_code_and_shared_platforms_are_refused(void **state)
{
	struct member a = somebody(1, PLATFORM_TELEGRAM, DAY_US);
	struct member b = somebody(2, PLATFORM_TELEGRAM, DAY_US);
	struct member c = somebody(3, PLATFORM_DISCORD, DAY_US);

	(void)state;
	assert_int_equal(decide(&a, &a).verdict, LINK_OWN);
	assert_int_equal(decide(&a, &b).verdict, LINK_SAME_PLATFORM);
	assert_int_equal(decide(&a, &b).platform, PLATFORM_TELEGRAM);
	add_identity(&c, 30, PLATFORM_WEBSITE);
	add_identity(&a, 10, PLATFORM_WEBSITE);
	assert_int_equal(decide(&c, &a).verdict, LINK_SAME_PLATFORM);
	assert_int_equal(decide(&c, &a).platform, PLATFORM_WEBSITE);
}

static void test_a_detached_identity_waits_a_day_for_all_but_the_account_it_left(void **state)
{
	struct member left = somebody(1, PLATFORM_TELEGRAM, 2 * DAY_US);
	struct member other = somebody(2, PLATFORM_TELEGRAM, 2 * DAY_US);
	struct member detached = somebody(3, PLATFORM_DISCORD, HOUR_US);

	(void)state;
	detached.identities[0].detached_from = 1;
	detached.identities[0].detached_at = NOW - HOUR_US;
	assert_int_equal(decide(&left, &detached).verdict, LINK_JOIN);
	assert_int_equal(decide(&other, &detached).verdict, LINK_RECENTLY_UNLINKED);
	assert_int_equal(decide(&other, &detached).wait_us, 23 * HOUR_US);
	assert_int_equal(decide(&detached, &other).verdict, LINK_RECENTLY_UNLINKED);
	detached.identities[0].detached_at = NOW - DAY_US;
	assert_int_equal(decide(&other, &detached).verdict, LINK_JOIN);
}

static void test_three_merges_of_two_histories_are_enough(void **state)
{
	struct member a = somebody(1, PLATFORM_TELEGRAM, DAY_US);
	struct member b = somebody(2, PLATFORM_DISCORD, DAY_US);
	struct link_side issuer = {.member = &a, .recent_merges = LINK_MERGES_MAX};
	struct link_side redeemer = {.member = &b};

	(void)state;
	a.balance.xp = 1;
	assert_int_equal(link_decide(&issuer, &redeemer, NOW, true, false).verdict, LINK_JOIN); /* one history only */
	b.balance.xp = 1;
	assert_int_equal(link_decide(&issuer, &redeemer, NOW, true, false).verdict, LINK_TOO_MANY_MERGES);
	assert_int_equal(link_decide(&issuer, &redeemer, NOW, false, true).verdict, LINK_JOIN); /* staff */
	issuer.recent_merges = LINK_MERGES_MAX - 1;
	redeemer.recent_merges = LINK_MERGES_MAX;
	assert_int_equal(link_decide(&issuer, &redeemer, NOW, true, false).verdict, LINK_TOO_MANY_MERGES);
	redeemer.recent_merges = LINK_MERGES_MAX - 1;
	assert_int_equal(link_decide(&issuer, &redeemer, NOW, true, false).verdict, LINK_JOIN);
}

/* 1 (Telegram, oldest of the survivor) joined by 2 (Discord), who issued; both with a history. */
static struct link_merge joined(void)
{
	return (struct link_merge){.id = 7,
	                           .survivor_id = 1,
	                           .loser_id = 2,
	                           .issuer_identity_id = 2,
	                           .redeemer_identity_id = 1,
	                           .survivor_oldest_id = 1,
	                           .loser_oldest_id = 2,
	                           .identity_ids = {2},
	                           .identity_count = 1,
	                           .histories = 2,
	                           .at = NOW - HOUR_US};
}

static struct member holder_of_both(void)
{
	struct member member = somebody(1, PLATFORM_TELEGRAM, DAY_US);

	add_identity(&member, 2, PLATFORM_DISCORD);
	return member;
}

static void test_who_may_undo_and_until_when(void **state)
{
	struct link_merge merge = joined();
	struct member holder = holder_of_both();

	(void)state;
	assert_int_equal(link_undo_decide(&merge, &holder, 2, NOW), LINK_UNDO_ALLOWED);
	assert_int_equal(link_undo_decide(&merge, &holder, 1, NOW), LINK_UNDO_ALLOWED);
	assert_int_equal(link_undo_decide(&merge, &holder, 3, NOW), LINK_UNDO_FOREIGN);
	assert_int_equal(link_undo_decide(&merge, &holder, 0, NOW + 900 * DAY_US), LINK_UNDO_ALLOWED); /* staff */
	assert_int_equal(link_undo_decide(&merge, &holder, 1, merge.at + LINK_UNDO_US), LINK_UNDO_ALLOWED);
	assert_int_equal(link_undo_decide(&merge, &holder, 1, merge.at + LINK_UNDO_US + 1), LINK_UNDO_LATE);
	merge.histories = 1; /* then only the issuer, for a day */
	assert_int_equal(link_undo_decide(&merge, &holder, 1, NOW), LINK_UNDO_FOREIGN);
	assert_int_equal(link_undo_decide(&merge, &holder, 2, merge.at + LINK_NOT_ME_US), LINK_UNDO_ALLOWED);
	assert_int_equal(link_undo_decide(&merge, &holder, 2, merge.at + LINK_NOT_ME_US + 1), LINK_UNDO_LATE);
	merge.undone_at = NOW;
	assert_int_equal(link_undo_decide(&merge, &holder, 2, NOW), LINK_UNDO_DONE);
	assert_int_equal(link_undo_decide(&merge, &holder, 3, NOW), LINK_UNDO_FOREIGN);
}

static void test_the_issuers_whole_side_may_say_not_me(void **state)
{
	struct link_merge merge = joined();
	struct member holder = holder_of_both();

	(void)state;
	merge.histories = 0;
	add_identity(&holder, 4, PLATFORM_WEBSITE);
	assert_int_equal(link_undo_decide(&merge, &holder, 4, NOW), LINK_UNDO_FOREIGN); /* was with the redeemer */
	merge.identity_ids[merge.identity_count++] = 4;
	assert_int_equal(link_undo_decide(&merge, &holder, 4, NOW), LINK_UNDO_ALLOWED); /* came with the issuer */
	merge.issuer_identity_id = 1;
	assert_int_equal(link_undo_decide(&merge, &holder, 4, NOW), LINK_UNDO_FOREIGN);
	assert_int_equal(link_undo_decide(&merge, &holder, 1, NOW), LINK_UNDO_ALLOWED);
	merge.identity_count = 1;
	holder.identities[2].attached_at = merge.at + 1; /* joined later, by another code */
	assert_int_equal(link_undo_decide(&merge, &holder, 4, NOW), LINK_UNDO_FOREIGN);
	holder.identities[2].attached_at = merge.at - 1;
	assert_int_equal(link_undo_decide(&merge, &holder, 4, NOW), LINK_UNDO_ALLOWED);
	merge.issuer_identity_id = 0; /* by staff */
	assert_int_equal(link_undo_decide(&merge, &holder, 4, NOW), LINK_UNDO_FOREIGN);
	assert_int_equal(link_undo_decide(&merge, &holder, 0, NOW), LINK_UNDO_ALLOWED);
}

static void test_an_undo_needs_something_to_take_and_somebody_to_stay(void **state)
{
	struct link_merge merge = joined();
	struct member alone = somebody(1, PLATFORM_TELEGRAM, DAY_US);
	struct member only_moved = somebody(2, PLATFORM_DISCORD, DAY_US);

	(void)state;
	assert_int_equal(link_undo_decide(&merge, &alone, 2, NOW), LINK_UNDO_EMPTY);
	assert_int_equal(link_undo_decide(&merge, &alone, 0, NOW), LINK_UNDO_EMPTY);
	assert_int_equal(link_undo_decide(&merge, &only_moved, 2, NOW), LINK_UNDO_EMPTY);
}

#define KEEP (2 * DAY_US)

static void check_runs(const struct link_merge *merge, struct balance holder, int64_t part_streak, int64_t part_wins, int64_t left_streak,
                       int64_t left_wins)
{
	struct balance part = link_undo_return(merge, &holder, KEEP);

	link_undo_runs(merge, KEEP, &holder);
	assert_int_equal(part.daily_streak, part_streak);
	assert_int_equal(part.wins_in_row, part_wins);
	assert_int_equal(holder.daily_streak, left_streak);
	assert_int_equal(holder.wins_in_row, left_wins);
}

static void test_an_undo_gives_each_side_its_own_runs(void **state)
{
	struct link_merge merge = joined();
	struct balance holder = {.daily_streak = 29, .last_daily = 100 * DAY_US, .wins_in_row = 7};

	(void)state;
	check_runs(&merge, holder, 0, 0, 29, 7); /* joined before it was written down */
	merge.runs_known = true;
	merge.brought_runs = (struct link_runs){.streak = 29, .last_daily = 100 * DAY_US, .wins = 2};
	merge.kept_runs = (struct link_runs){.streak = 4, .last_daily = 99 * DAY_US, .wins = 7};
	check_runs(&merge, holder, 29, 2, 4, 7);
	/* What came on top since is the holder's. */
	holder.daily_streak = 30;
	holder.last_daily = 101 * DAY_US;
	holder.wins_in_row = 9;
	check_runs(&merge, holder, 29, 2, 5, 9);
	/* What broke since and began anew is his, too; and what was over by then does not live again. */
	holder.daily_streak = 1;
	holder.last_daily = 104 * DAY_US;
	holder.wins_in_row = 1;
	check_runs(&merge, holder, 0, 2, 1, 1);
	merge.kept_runs = (struct link_runs){0};
	holder = (struct balance){.daily_streak = 29, .last_daily = 100 * DAY_US, .wins_in_row = 2};
	check_runs(&merge, holder, 29, 2, 0, 0);
}

static void test_an_undo_gives_back_what_was_brought_and_no_more_than_is_left(void **state)
{
	struct link_merge merge = joined();
	struct balance holder = {.xp = 100, .coins = 30, .season_no = 2, .season_xp = 50, .week_no = 9, .week_xp = 7, .messages_sent = 5};
	struct balance part = {0};

	(void)state;
	merge.brought =
		(struct balance){.xp = 60, .coins = 40, .season_no = 2, .season_xp = 60, .week_no = 8, .week_xp = 7, .messages_sent = 3};
	part = link_undo_return(&merge, &holder, KEEP);
	assert_int_equal(part.xp, 60);
	assert_int_equal(part.coins, 30);
	assert_int_equal(part.season_xp, 50);
	assert_int_equal(part.week_xp, 0); /* another week: worth nothing now */
	assert_int_equal(part.messages_sent, 3);
	link_take_sums(&holder, &part);
	assert_int_equal(holder.season_xp, 0);
	assert_int_equal(holder.week_xp, 7);
	assert_int_equal(holder.messages_sent, 2);
}

static void test_sums_join_within_one_period_and_the_later_streak_wins(void **state)
{
	struct balance into = {.season_no = 2,
	                       .season_xp = 5,
	                       .week_no = 9,
	                       .week_xp = 1,
	                       .week_coins = 2,
	                       .games_won = 1,
	                       .last_daily = 10,
	                       .daily_streak = 3};
	struct balance from = {.season_no = 2,
	                       .season_xp = 7,
	                       .week_no = 10,
	                       .week_xp = 4,
	                       .week_coins = 6,
	                       .games_won = 2,
	                       .last_daily = 20,
	                       .daily_streak = 1};

	(void)state;
	assert_int_equal(link_join_sums(&into, &from), OK);
	assert_int_equal(into.season_xp, 12);
	assert_int_equal(into.week_no, 10);
	assert_int_equal(into.week_xp, 4);
	assert_int_equal(into.week_coins, 6);
	assert_int_equal(into.games_won, 3);
	assert_int_equal(into.last_daily, 20);
	assert_int_equal(into.daily_streak, 1);
	from.week_no = 9; /* older than what is there now */
	from.week_xp = 100;
	from.last_daily = 5;
	from.daily_streak = 30;
	assert_int_equal(link_join_sums(&into, &from), OK);
	assert_int_equal(into.week_xp, 4);
	assert_int_equal(into.daily_streak, 1);
}

static void test_a_sum_that_does_not_fit_is_refused(void **state)
{
	static const struct balance full = {.messages_sent = INT64_MAX - 1, .week_no = 9, .week_xp = INT64_MAX};
	struct balance into = full;

	(void)state;
	assert_int_equal(link_join_sums(&into, &(struct balance){.messages_sent = 1, .week_no = 8, .week_xp = 1}), OK);
	assert_int_equal(into.messages_sent, INT64_MAX);
	assert_int_equal(into.week_xp, INT64_MAX); /* the other's week is over */
	into = full;
	assert_int_equal(link_join_sums(&into, &(struct balance){.messages_sent = 2}), OVERFLOWN);
	into = full;
	assert_int_equal(link_join_sums(&into, &(struct balance){.week_no = 9, .week_xp = 1}), OVERFLOWN);
	/* What the question shows. */
	assert_int_equal(link_shown_sum(40, 2), 42);
	assert_int_equal(link_shown_sum(INT64_MAX - 1, 1), INT64_MAX);
	assert_int_equal(link_shown_sum(INT64_MAX, 1), INT64_MAX);
	assert_int_equal(link_shown_sum(INT64_MAX, INT64_MAX), INT64_MAX);
}

static void test_badges_are_a_history(void **state)
{
	struct member issuer = somebody(1, PLATFORM_TELEGRAM, DAY_US);
	struct member redeemer = somebody(2, PLATFORM_DISCORD, DAY_US);
	struct link_side sides[2] = {{.member = &issuer}, {.member = &redeemer, .has_other_history = true}};
	struct link_decision decision = link_decide(&sides[0], &sides[1], NOW, false, false);

	(void)state;
	assert_int_equal(decision.verdict, LINK_CONFIRM);
	assert_int_equal(decision.histories, 1);
}

static void test_which_identity_leaves(void **state)
{
	struct member one = somebody(1, PLATFORM_TELEGRAM, DAY_US);
	struct member two = holder_of_both();
	struct member three = holder_of_both();
	const struct identity *leaving = NULL;

	(void)state;
	add_identity(&three, 3, PLATFORM_WEBSITE);
	assert_int_equal(unlink_decide(&one, 0, false, &leaving), UNLINK_NOT_LINKED);
	assert_int_equal(unlink_decide(&one, 1, true, &leaving), UNLINK_NOT_LINKED); /* the last one is erasure's work */
	assert_null(leaving);
	assert_int_equal(unlink_decide(&two, 0, false, &leaving), UNLINK_ALLOWED);
	assert_int_equal(leaving->id, 2);
	assert_int_equal(unlink_decide(&three, 0, false, &leaving), UNLINK_ASK);
	assert_int_equal(unlink_decide(&three, 3, false, &leaving), UNLINK_ALLOWED);
	assert_int_equal(leaving->id, 3);
	assert_int_equal(unlink_decide(&three, 1, false, &leaving), UNLINK_OLDEST);
	assert_int_equal(unlink_decide(&three, 1, true, &leaving), UNLINK_ALLOWED);
	assert_int_equal(leaving->id, 1);
	assert_int_equal(unlink_decide(&three, 4, true, &leaving), UNLINK_FOREIGN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_profile_is_complete_with_name_language_and_two_platforms),
		cmocka_unit_test(test_codes_are_read_as_people_type_them),
		cmocka_unit_test(test_the_alphabet_has_no_look_alikes),
		cmocka_unit_test(test_two_empty_accounts_join_at_once_and_the_older_survives),
		cmocka_unit_test(test_only_the_redeemers_history_asks),
		cmocka_unit_test(test_ones_own_code_and_shared_platforms_are_refused),
		cmocka_unit_test(test_a_detached_identity_waits_a_day_for_all_but_the_account_it_left),
		cmocka_unit_test(test_three_merges_of_two_histories_are_enough),
		cmocka_unit_test(test_who_may_undo_and_until_when),
		cmocka_unit_test(test_the_issuers_whole_side_may_say_not_me),
		cmocka_unit_test(test_an_undo_needs_something_to_take_and_somebody_to_stay),
		cmocka_unit_test(test_an_undo_gives_back_what_was_brought_and_no_more_than_is_left),
		cmocka_unit_test(test_an_undo_gives_each_side_its_own_runs),
		cmocka_unit_test(test_sums_join_within_one_period_and_the_later_streak_wins),
		cmocka_unit_test(test_a_sum_that_does_not_fit_is_refused),
		cmocka_unit_test(test_badges_are_a_history),
		cmocka_unit_test(test_which_identity_leaves),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
