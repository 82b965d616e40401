/* Consents to Linked Roles: who is due, whose tokens they are, what is left of one that ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/app.h"
#include "service/linked_roles.h"
#include "service/tx.h"
#include "support/testdb.h"

#define NOW (INT64_C(1800000000) * SECOND_US)
#define WALL (INT64_C(1750000000) * SECOND_US)
#define ME STR("00000000-0000-4000-8000-000000000001")
#define OTHER STR("00000000-0000-4000-8000-000000000002")

struct fixture {
	struct app *app;
	struct arena *arena;
	struct ctx ctx;
	struct delivery_owner me;
	int64_t account;
	int64_t identity;
};

/* Discord's user 5, E I, ten days and an hour with us. */
static int set_up(void **state)
{
	static struct fixture f;
	static const struct str bot[] = {STR_INIT("discord")};
	bool held = false;

	f.app = testdb_app(2);
	f.arena = arena_new((size_t)8 * 1024 * 1024);
	f.ctx = testdb_ctx(f.app, f.arena, NOW, 30);
	f.me = (struct delivery_owner){PLATFORM_DISCORD, ME, WALL};
	testdb_exec("TRUNCATE public.sender_lease, public.linked_role, public.identity, public.account_balance, public.account CASCADE");
	f.account = testdb_i64("WITH a AS (INSERT INTO public.account (created_at)"
	                       "           VALUES (to_timestamp(1800000000) - interval '10 days 1 hour') RETURNING id)"
	                       "INSERT INTO public.account_balance (account_id, xp) SELECT id, 2250 FROM a RETURNING account_id");
	f.identity = testdb_i64("INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)"
	                        " SELECT id, 'discord', 5, now(), now(), now() FROM public.account RETURNING id");
	assert_int_equal(delivery_lease(&f.ctx, &f.me, bot, 1, &held), OK);
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

struct put_call {
	int64_t identity;
	struct linked_tokens tokens;
};

static enum status put_step(struct tx *tx, void *arg)
{
	struct put_call *call = arg;

	return linked_role_grant_put(tx, call->identity, &call->tokens);
}

static enum status put(struct fixture *f, struct str access, struct str refresh)
{
	struct put_call call = {f->identity, {access, refresh, DAY_US}};

	return tx_run(&f->ctx, put_step, &call);
}

static struct linked_job *claim_as(struct fixture *f, const struct delivery_owner *owner)
{
	struct linked_job *jobs = NULL;
	size_t count = 0;

	assert_int_equal(linked_roles_claim(&f->ctx, owner, NULL, 0, 10, &jobs, &count), OK);
	return count == 1 ? jobs : NULL;
}

static struct linked_job *claim(struct fixture *f)
{
	return claim_as(f, &f->me);
}

static void settle(struct fixture *f, const struct linked_job *job, struct linked_outcome outcome)
{
	assert_int_equal(linked_roles_settle(&f->ctx, job, &outcome), OK);
}

static void set_xp(int64_t xp)
{
	testdb_execf("UPDATE public.account_balance SET xp = %lld", (long long)xp);
}

static void assert_text(struct str actual, const char *expected)
{
	assert_true(str_eq(actual, str_from_z(expected)));
}

/* ---- tests ---- */

static void a_consent_is_due_at_once_and_opens_for_the_owner_only(void **state)
{
	struct fixture *f = *state;
	struct delivery_owner other = {PLATFORM_DISCORD, OTHER, WALL};

	assert_int_equal(put(f, STR("the-access"), STR("the-refresh")), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.linked_role WHERE position('the-' in encode(sealed, 'escape')) > 0"), 0);
	assert_null(claim_as(f, &other));
	struct linked_job *job = claim(f);

	assert_non_null(job);
	assert_text(job->access, "the-access");
	assert_text(job->refresh, "the-refresh");
	assert_text(job->rank_name, "E I");
	assert_int_equal(job->values.rank, 4);
	assert_int_equal(job->values.xp, 2250);
	assert_int_equal(job->values.days, 10);
	assert_int_equal(job->row.expires_at, NOW + DAY_US);
	assert_int_equal(put(f, STR(""), STR("r")), INVALID);
	assert_int_equal(put(f, STR("a"), STR_ABSENT), INVALID);
}

static void what_is_shown_is_due_again_by_rank_xp_or_day(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, STR("a"), STR("r")), OK);
	settle(f, claim(f), (struct linked_outcome){.end = LINKED_SHOWN});
	assert_null(claim(f));
	set_xp(2260);
	assert_null(claim(f));
	f->ctx.now = NOW + LINKED_ROLE_GAP_US;
	assert_non_null(claim(f));
	set_xp(2250); /* back again: there is nothing to tell */
	assert_null(claim(f));
	set_xp(3500);
	assert_int_equal(claim(f)->values.rank, 5);
	settle(f, claim(f), (struct linked_outcome){.end = LINKED_SHOWN});
	f->ctx.now = NOW + 23 * HOUR_US - 1;
	assert_null(claim(f));
	f->ctx.now = NOW + 23 * HOUR_US;
	assert_int_equal(claim(f)->values.days, 11);
}

static void what_changes_while_it_is_told_is_told_too(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, STR("a"), STR("r")), OK);
	struct linked_job *job = claim(f);

	set_xp(3500);
	settle(f, job, (struct linked_outcome){.end = LINKED_SHOWN});
	assert_int_equal(claim(f)->values.rank, 5);
}

static void another_account_behind_the_identity_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, STR("a"), STR("r")), OK);
	settle(f, claim(f), (struct linked_outcome){.end = LINKED_SHOWN});
	testdb_exec("WITH a AS (INSERT INTO public.account (created_at) VALUES (to_timestamp(1800000000)) RETURNING id),"
	            " b AS (INSERT INTO public.account_balance (account_id) SELECT id FROM a)"
	            "UPDATE public.identity SET account_id = (SELECT id FROM a)");
	assert_int_equal(claim(f)->values.rank, 1);
}

static void a_failure_waits_and_is_counted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, STR("a"), STR("r")), OK);
	settle(f, claim(f), (struct linked_outcome){.end = LINKED_LATER, .due_at = NOW + MINUTE_US, .why = STR("HTTP 503"), .attempt = true});
	assert_null(claim(f));
	f->ctx.now = NOW + MINUTE_US;
	assert_int_equal(claim(f)->row.attempts, 1);
	settle(f, claim(f), (struct linked_outcome){.end = LINKED_SHOWN});
	assert_int_equal(testdb_i64("SELECT attempts FROM public.linked_role WHERE error IS NULL"), 0);
}

static void renewed_tokens_replace_those_that_were_read_and_no_others(void **state)
{
	struct fixture *f = *state;
	const struct linked_tokens fresh = {STR("a2"), STR("r2"), 7 * DAY_US};

	assert_int_equal(put(f, STR("a1"), STR("r1")), OK);
	struct linked_job *slow = claim(f);
	struct linked_job *job = claim(f);

	assert_int_equal(linked_roles_renew(&f->ctx, job, &fresh), OK);
	assert_text(claim(f)->refresh, "r2");
	assert_int_equal(claim(f)->row.expires_at, NOW + 7 * DAY_US);
	/* Who still holds the old pair is told invalid_grant; that is no end. */
	assert_int_equal(linked_roles_renew(&f->ctx, slow, &(struct linked_tokens){STR("x"), STR("y"), DAY_US}), NOT_FOUND);
	settle(f, slow, (struct linked_outcome){.end = LINKED_OVER, .why = STR("invalid_grant")});
	assert_text(claim(f)->refresh, "r2");
	settle(f, job, (struct linked_outcome){.end = LINKED_OVER, .why = STR("invalid_grant")});
	assert_null(claim(f));
	assert_string_equal(testdb_text("SELECT ended || ' ' || (sealed IS NULL) || ' ' || (expires_at IS NULL) FROM public.linked_role"),
	                    "invalid_grant true true");
	assert_int_equal(linked_roles_renew(&f->ctx, job, &fresh), NOT_FOUND); /* an end is an end */
	assert_int_equal(put(f, STR("a3"), STR("r3")), OK);
	assert_text(claim(f)->refresh, "r3");
}

static void tokens_under_another_key_end_the_consent(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, STR("a"), STR("r")), OK);
	f->app->key_seal[0] ^= 1;
	assert_null(claim(f));
	f->app->key_seal[0] ^= 1;
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.linked_role WHERE sealed IS NULL AND ended LIKE '%TRIVET_KEY%'"), 1);
}

static void an_identity_that_goes_takes_its_consent_along(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, STR("a"), STR("r")), OK);
	testdb_exec("DELETE FROM public.identity");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.linked_role"), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_consent_is_due_at_once_and_opens_for_the_owner_only),
		TEST(what_is_shown_is_due_again_by_rank_xp_or_day),
		TEST(what_changes_while_it_is_told_is_told_too),
		TEST(another_account_behind_the_identity_is_told_at_once),
		TEST(a_failure_waits_and_is_counted),
		TEST(renewed_tokens_replace_those_that_were_read_and_no_others),
		TEST(tokens_under_another_key_end_the_consent),
		TEST(an_identity_that_goes_takes_its_consent_along),
	};

	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
