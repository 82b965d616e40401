/* Who is marked to have his roles looked at, who may work on him, and what stays of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limit.h"
#include "io/app.h"
#include "service/roles.h"
#include "service/sighting.h"
#include "service/tx.h"
#include "support/testdb.h"

#define NOW (INT64_C(1800000000) * SECOND_US)
#define WALL (INT64_C(1750000000) * SECOND_US)
#define ME STR("00000000-0000-4000-8000-000000000001")
#define OTHER STR("00000000-0000-4000-8000-000000000002")
#define ROOM 10

struct fixture {
	struct app *app;
	struct arena *arena;
	struct ctx ctx;
	struct delivery_owner me;
	struct delivery_owner other;
};

/* Server 1: role 11 for E I, 12 for the letter E, 13 for F I. ME has the lease. */
static int set_up(void **state)
{
	static struct fixture f;
	static const struct str bot[] = {STR_INIT("discord")};
	bool held = false;

	f.app = testdb_app(2);
	f.arena = arena_new((size_t)8 * 1024 * 1024);
	f.ctx = testdb_ctx(f.app, f.arena, NOW, 30);
	f.me = (struct delivery_owner){PLATFORM_DISCORD, ME, WALL};
	f.other = (struct delivery_owner){PLATFORM_DISCORD, OTHER, WALL};
	testdb_exec("TRUNCATE public.sender_lease, public.role_map, public.role_guild, public.role_member, public.linked_role,"
	            " public.identity, public.account_balance, public.account CASCADE;"
	            "INSERT INTO public.role_guild (guild_id, sweep_at) VALUES (1, 'infinity');"
	            "INSERT INTO public.role_map (guild_id, role_id, rank_id, letter, changed_at)"
	            " VALUES (1, 11, 4, NULL, now()), (1, 12, NULL, 'E', now()), (1, 13, 1, NULL, now())");
	assert_int_equal(delivery_lease(&f.ctx, &f.me, bot, 1, &held), OK);
	assert_true(held);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	testdb_app_close(f->app);
	return 0;
}

/* ---- hands ---- */

/* An account with one identity. Returns the account. */
static int64_t person(const char *platform, int64_t id, int64_t xp)
{
	return testdb_i64f(
		"WITH a AS (INSERT INTO public.account (created_at) VALUES (now()) RETURNING id),"
		" b AS (INSERT INTO public.account_balance (account_id, xp) SELECT id, %lld FROM a)"
		"INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)"
		" SELECT id, '%s', %lld, now(), now(), now() FROM a RETURNING account_id",
		(long long)xp, platform, (long long)id);
}

static void set_xp(int64_t account, int64_t xp)
{
	testdb_execf("UPDATE public.account_balance SET xp = %lld WHERE account_id = %lld", (long long)xp, (long long)account);
}

static void forget_marks(void)
{
	testdb_exec("UPDATE public.role_member SET mark = NULL");
}

static const char *marked(void)
{
	return testdb_text("SELECT string_agg(user_id::text, ' ' ORDER BY user_id) FROM public.role_member WHERE mark IS NOT NULL");
}

struct claimed {
	struct roles_job *jobs;
	size_t count;
};

static struct claimed claim(struct fixture *f, const struct delivery_owner *owner, const int64_t *in_work, size_t in_work_count)
{
	struct claimed claimed = {0};

	assert_int_equal(roles_claim(&f->ctx, owner, in_work, in_work_count, ROOM, &claimed.jobs, &claimed.count), OK);
	return claimed;
}

static struct role_outcome outcome_of(const struct roles_job *job)
{
	return (struct role_outcome){.guild_id = job->person.guild_id, .user_id = job->person.user_id, .mark = job->person.mark};
}

static void settle(struct fixture *f, struct role_outcome outcome)
{
	assert_int_equal(roles_settle(&f->ctx, &outcome, NULL, 0), OK);
}

/* ---- who is marked ---- */

static void a_threshold_that_is_passed_marks_up_and_down_and_nothing_else_does(void **state)
{
	int64_t account = person("discord", 5, 0);
	int64_t stranger = person("telegram", 6, 0);
	static const struct { int64_t xp; const char *marks; } rows[] = {
		{499, ""}, {500, "5"}, {501, ""}, {1249, ""}, {53750, "5"}, {52250, ""}, {52249, "5"}, {500, "5"}, {499, "5"}, {0, ""},
	};

	(void)state;
	forget_marks();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		set_xp(account, rows[i].xp);
		set_xp(stranger, rows[i].xp);
		assert_string_equal(marked(), rows[i].marks);
		forget_marks();
	}
	testdb_exec("UPDATE public.account_balance SET coins = coins + 5");
	assert_string_equal(marked(), "");
}

static void a_new_person_a_move_to_another_account_and_an_erasure_mark(void **state)
{
	int64_t account = person("telegram", 7, 0);

	(void)state;
	(void)person("discord", 5, 0);
	assert_string_equal(marked(), "5");
	forget_marks();
	testdb_exec("UPDATE public.identity SET name = 'x', account_id = account_id");
	assert_string_equal(marked(), "");
	testdb_execf("UPDATE public.identity SET account_id = %lld WHERE platform = 'discord'", (long long)account);
	assert_string_equal(marked(), "5");
	forget_marks();
	testdb_exec("DELETE FROM public.identity WHERE platform = 'discord'");
	assert_string_equal(marked(), "5");
}

static void without_a_mapping_nobody_is_marked(void **state)
{
	(void)state;
	testdb_exec("DELETE FROM public.role_map; DELETE FROM public.role_guild");
	set_xp(person("discord", 5, 0), 5000);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.role_member"), 0);
}

static void who_was_seen_to_act_is_marked(void **state)
{
	struct fixture *f = *state;
	struct update update = {.platform = PLATFORM_DISCORD, .bot = STR("discord"), .actor = {.platform = PLATFORM_DISCORD, .platform_id = 5}};
	size_t count = 0;

	(void)person("discord", 5, 0);
	(void)person("telegram", 6, 0);
	forget_marks();
	f->app->limits = limit_table_new(64);
	roles_acted(&f->ctx, &update); /* a program that notes nobody */
	assert_int_equal(sightings_begin(f->app, f->arena), OK);
	roles_acted(&f->ctx, &update);
	update.platform = update.actor.platform = PLATFORM_TELEGRAM;
	update.actor.platform_id = 6;
	roles_acted(&f->ctx, &update);
	assert_int_equal(sightings_store(&f->ctx, &count), OK);
	assert_int_equal(count, 1);
	assert_string_equal(marked(), "5");
	forget_marks();
	update.platform = update.actor.platform = PLATFORM_DISCORD;
	update.actor.platform_id = 5;
	roles_acted(&f->ctx, &update); /* within the minute */
	assert_int_equal(sightings_store(&f->ctx, &count), OK);
	assert_int_equal(count, 0);
	limit_table_free(f->app->limits);
	f->app->limits = NULL;
}

/* ---- who works on him ---- */

static void the_owner_of_the_lease_gets_rank_and_rules(void **state)
{
	struct fixture *f = *state;
	const int64_t in_work[] = {5};

	(void)person("discord", 5, 2250);
	assert_int_equal(claim(f, &f->other, NULL, 0).count, 0);
	assert_int_equal(claim(f, &f->me, in_work, 1).count, 0);
	struct claimed claimed = claim(f, &f->me, NULL, 0);

	assert_int_equal(claimed.count, 1);
	assert_int_equal(claimed.jobs[0].rank->id, 4);
	assert_int_equal(claimed.jobs[0].rule_count, 3);
	assert_true(role_stands_for(&claimed.jobs[0].rules[0], claimed.jobs[0].rank));
	assert_true(role_stands_for(&claimed.jobs[0].rules[1], claimed.jobs[0].rank));
	assert_false(role_stands_for(&claimed.jobs[0].rules[2], claimed.jobs[0].rank));
	testdb_exec("UPDATE public.sender_lease SET expires_at = to_timestamp(1750000000)"); /* over at this very moment */
	assert_int_equal(claim(f, &f->me, NULL, 0).count, 0);
}

static void who_has_no_account_has_no_rank(void **state)
{
	struct fixture *f = *state;

	(void)person("discord", 5, 2250);
	testdb_exec("DELETE FROM public.identity");
	struct claimed claimed = claim(f, &f->me, NULL, 0);

	assert_int_equal(claimed.count, 1);
	assert_null(claimed.jobs[0].rank);
}

static void what_is_done_is_written_and_a_newer_mark_stays(void **state)
{
	struct fixture *f = *state;
	const int64_t held[] = {11, 12};
	int64_t account = person("discord", 5, 2250);
	struct claimed claimed = claim(f, &f->me, NULL, 0);
	struct role_outcome outcome = outcome_of(&claimed.jobs[0]);

	outcome.done = true;
	outcome.wanted = held;
	outcome.wanted_count = 2;
	outcome.applied = held;
	outcome.applied_count = 1;
	settle(f, outcome);
	assert_string_equal(marked(), "");
	assert_string_equal(testdb_text("SELECT wanted::text || applied::text || absent FROM public.role_member"), "{11,12}{11}false");

	set_xp(account, 0);
	claimed = claim(f, &f->me, NULL, 0);
	set_xp(account, 2250); /* meanwhile */
	outcome.mark = claimed.jobs[0].person.mark;
	outcome.applied_count = 0;
	settle(f, outcome);
	assert_string_equal(marked(), "5");
	assert_string_equal(testdb_text("SELECT applied::text FROM public.role_member"), "{11}");
}

static void what_was_not_done_comes_again_at_its_time_or_is_given_up(void **state)
{
	struct fixture *f = *state;

	(void)person("discord", 5, 0);
	struct claimed claimed = claim(f, &f->me, NULL, 0);
	struct role_outcome outcome = outcome_of(&claimed.jobs[0]);

	outcome.due_at = NOW + 10 * SECOND_US;
	outcome.error = STR("HTTP 500");
	outcome.attempt = true;
	settle(f, outcome);
	assert_int_equal(claim(f, &f->me, NULL, 0).count, 0);
	f->ctx.now = NOW + 10 * SECOND_US;
	claimed = claim(f, &f->me, NULL, 0);
	assert_int_equal(claimed.count, 1);
	assert_int_equal(claimed.jobs[0].person.attempts, 1);
	outcome = outcome_of(&claimed.jobs[0]);
	outcome.error = STR("HTTP 500");
	settle(f, outcome);
	assert_string_equal(marked(), "");
	assert_string_equal(testdb_text("SELECT error FROM public.role_member"), "HTTP 500");
}

/* ---- refusals ---- */

static void a_refusal_is_news_once_and_stands_for_a_day(void **state)
{
	struct fixture *f = *state;

	(void)person("discord", 5, 2250);
	struct claimed claimed = claim(f, &f->me, NULL, 0);
	struct role_outcome outcome = outcome_of(&claimed.jobs[0]);
	struct roles_refusal refusal = {.guild_id = 1, .role_id = 11, .why = STR("Missing Permissions")};
	struct roles_refusal accepted = {.guild_id = 1, .role_id = 11, .why = STR_ABSENT};

	outcome.due_at = NOW;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(roles_settle(&f->ctx, &outcome, &refusal, 1), OK);
		assert_true(refusal.news == (i == 0));
	}
	assert_true(claim(f, &f->me, NULL, 0).jobs[0].rules[0].refused);
	f->ctx.now = NOW + ROLES_REFUSED_US;
	assert_false(claim(f, &f->me, NULL, 0).jobs[0].rules[0].refused);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(roles_settle(&f->ctx, &outcome, &accepted, 1), OK);
		assert_true(accepted.news == (i == 0));
	}
}

static void a_server_that_refuses_is_left_alone_for_a_day(void **state)
{
	struct fixture *f = *state;

	(void)person("discord", 5, 0);
	struct claimed claimed = claim(f, &f->me, NULL, 0);
	struct role_outcome outcome = outcome_of(&claimed.jobs[0]);
	struct roles_refusal refusal = {.guild_id = 1, .why = STR("Missing Access")};

	outcome.due_at = NOW;
	assert_int_equal(roles_settle(&f->ctx, &outcome, &refusal, 1), OK);
	assert_true(refusal.news);
	assert_int_equal(claim(f, &f->me, NULL, 0).count, 0);
	f->ctx.now = NOW + ROLES_REFUSED_US;
	assert_int_equal(claim(f, &f->me, NULL, 0).count, 1);
}

/* ---- the sweep ---- */

static void the_sweep_goes_through_everybody_behind_those_who_changed(void **state)
{
	struct fixture *f = *state;
	const int64_t people = ROLES_SWEEP_PORTION + 5;

	for (int64_t id = 1; id <= people; id++) {
		(void)person("discord", id, 0);
	}
	forget_marks();
	testdb_exec("UPDATE public.role_guild SET sweep_at = '-infinity'");
	assert_int_equal(claim(f, &f->me, NULL, 0).count, ROOM);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.role_member WHERE mark IS NOT NULL AND sweep"), ROLES_SWEEP_PORTION);
	assert_int_equal(testdb_i64("SELECT swept_to FROM public.role_guild"), ROLES_SWEEP_PORTION);

	testdb_exec("UPDATE public.account_balance SET xp = 500"
	            " WHERE account_id = (SELECT account_id FROM public.identity WHERE platform_id = 20)");
	assert_int_equal(claim(f, &f->me, NULL, 0).jobs[0].person.user_id, 20); /* changed: before all others */
	forget_marks();
	assert_int_equal(claim(f, &f->me, NULL, 0).count, 5);
	assert_int_equal(testdb_i64("SELECT swept_to FROM public.role_guild"), 0);
	forget_marks();
	assert_int_equal(claim(f, &f->me, NULL, 0).count, 0); /* not before an hour is over */
	f->ctx.now = NOW + ROLES_SWEEP_PAUSE_US;
	assert_int_equal(claim(f, &f->other, NULL, 0).count, 0);
	assert_int_equal(claim(f, &f->me, NULL, 0).count, ROOM);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_threshold_that_is_passed_marks_up_and_down_and_nothing_else_does),
		TEST(a_new_person_a_move_to_another_account_and_an_erasure_mark),
		TEST(without_a_mapping_nobody_is_marked),
		TEST(who_was_seen_to_act_is_marked),
		TEST(the_owner_of_the_lease_gets_rank_and_rules),
		TEST(who_has_no_account_has_no_rank),
		TEST(what_is_done_is_written_and_a_newer_mark_stays),
		TEST(what_was_not_done_comes_again_at_its_time_or_is_given_up),
		TEST(a_refusal_is_news_once_and_stands_for_a_day),
		TEST(a_server_that_refuses_is_left_alone_for_a_day),
		TEST(the_sweep_goes_through_everybody_behind_those_who_changed),
	};

	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
