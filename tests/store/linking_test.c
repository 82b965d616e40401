/*
 * linking against real stores, over three platforms: chains of joinings and their undos, separations in between, codes and questions that
 * outlive what they were made for, and many at once. The totals of XP and coins never change, nobody gets back more than he brought.
 */
#include "service/linking.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limit.h"
#include "command/command.h"
#include "io/app.h"
#include "io/config.h"
#include "service/ledger.h"
#include "service/operator.h"
#include "service/tx.h"
#include "store/store.h"
#include "support/testdb.h"

#define NOW (INT64_C(1800000000) * SECOND_US)
#define CONNECTIONS 10
#define TELEGRAM PLATFORM_TELEGRAM
#define DISCORD PLATFORM_DISCORD
#define WEBSITE PLATFORM_WEBSITE

/* Everything that one thread of the test needs. */
struct scene {
	struct app *app;
	struct arena *arena;
	int64_t now;
	int64_t turns; /* makes keys unique */
};

static int setup(void **state)
{
	static struct scene scene;

	scene = (struct scene){.app = testdb_app(CONNECTIONS), .arena = arena_new(ARENA_REQUEST_LIMIT), .now = NOW};
	testdb_exec("TRUNCATE public.inbox, public.outbox, public.merge, public.link_confirmation, public.code_used, public.account_code,"
	            " public.account_family, public.event_key, public.ledger, public.audit_log, public.identity_reach, public.identity,"
	            " public.account_balance, public.account RESTART IDENTITY CASCADE");
	/* What is earned on the way would only blur the sums here: nobody is paid for a rank, a badge or a mission. */
	testdb_exec("UPDATE public.rank SET coins = 0; UPDATE public.badges SET xp = 0, coins = 0; UPDATE public.missions SET xp = 0, coins = 0");
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	arena_free(scene->arena);
	testdb_app_close(scene->app);
	return 0;
}

/* ---- one step in a transaction of its own --------------------------------------------------------------------------------------- */

struct call {
	enum status (*step)(struct tx *tx, struct call *call);
	int64_t a, b;       /* identities or accounts, as the step says */
	int64_t xp, coins;
	struct str key;
	struct str token;
	bool yes;
	struct link_code code;
	struct link_attempt attempt;
	struct link_result result;
	enum link_answer answer;
	enum link_undo_verdict undo;
	enum unlink_verdict unlink;
	struct identity left;
	int64_t merge_id;
	struct meanwhile *meanwhile; /* what another does between reading who asks and the step; NULL: nothing */
};

/* Another transaction, complete while this one is under way. A thread may hold one connection, so it has a thread of its own. */
struct meanwhile {
	struct scene scene;
	enum status (*step)(struct tx *tx, struct call *call);
	struct call call;
};

static enum status run_call(struct tx *tx, void *arg)
{
	struct call *call = arg;

	return call->step(tx, call);
}

static struct ctx ctx_of(struct scene *scene)
{
	return testdb_ctx(scene->app, scene->arena, scene->now, 5);
}

static enum status in_tx(struct scene *scene, enum status (*step)(struct tx *tx, struct call *call), struct call *call)
{
	struct ctx ctx = ctx_of(scene);

	call->step = step;
	return tx_run(&ctx, run_call, call);
}

static void *run_meanwhile(void *arg)
{
	struct meanwhile *meanwhile = arg;

	meanwhile->scene.arena = arena_new(ARENA_REQUEST_LIMIT);
	assert_int_equal(in_tx(&meanwhile->scene, meanwhile->step, &meanwhile->call), OK);
	arena_free(meanwhile->scene.arena);
	return NULL;
}

static void let_it_happen(struct call *call)
{
	pthread_t thread;

	if (call->meanwhile != NULL) {
		assert_int_equal(pthread_create(&thread, NULL, run_meanwhile, call->meanwhile), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		call->meanwhile = NULL;
	}
}

static enum status read_contact(struct tx *tx, int64_t identity_id, struct contact *contact)
{
	int64_t account_id = 0;
	enum status status = identity_account_now(tx, identity_id, &account_id);

	if (status == OK) {
		status = member_read(tx, account_id, &contact->member);
	}
	contact->identity = member_identity_by_id(&contact->member, identity_id);
	return status == OK && contact->identity == NULL ? RETRY : status; /* moved between the two reads */
}

static struct str bot_of(enum platform platform)
{
	return platform == DISCORD ? STR("discord") : STR("main");
}

static enum status issue_step(struct tx *tx, struct call *call)
{
	struct contact actor = {0};
	enum status status = read_contact(tx, call->a, &actor);

	let_it_happen(call);
	return status != OK ? status : linking_issue(tx, &actor, bot_of(actor.identity->platform), &call->code);
}

static enum status redeem_step(struct tx *tx, struct call *call)
{
	struct contact actor = {0};
	enum status status = read_contact(tx, call->b, &actor);

	return status != OK ? status : linking_redeem(tx, &actor, &call->attempt, &call->result);
}

static enum status answer_step(struct tx *tx, struct call *call)
{
	struct contact actor = {0};
	enum status status = read_contact(tx, call->b, &actor);

	return status != OK ? status : linking_answer(tx, &actor, call->token, call->yes, &call->answer, &call->result);
}

/* a: who asks; 0: staff */
static enum status undo_step(struct tx *tx, struct call *call)
{
	struct contact actor = {0};
	enum status status = call->a != 0 ? read_contact(tx, call->a, &actor) : OK;

	return status != OK ? status : linking_undo(tx, call->a != 0 ? &actor : NULL, call->merge_id, STR("test"), &call->undo);
}

/* a: who asks, 0: staff; b: who leaves */
static enum status unlink_step(struct tx *tx, struct call *call)
{
	struct contact actor = {0};
	int64_t account_id = 0;
	enum status status = call->a != 0 ? read_contact(tx, call->a, &actor) : identity_account_now(tx, call->b, &account_id);

	if (status != OK) {
		return status;
	}
	let_it_happen(call);
	account_id = call->a != 0 ? actor.member.account.id : account_id;
	return linking_unlink(tx, call->a != 0 ? &actor : NULL, account_id, call->b, STR("test"), &call->unlink, &call->left);
}

static enum status staff_join_step(struct tx *tx, struct call *call)
{
	enum status status = linking_merge_by_staff(tx, call->a, call->b, STR("test"), &call->result);

	call->merge_id = status == OK ? call->result.merge_id : call->merge_id;
	return status;
}

static enum status earn_step(struct tx *tx, struct call *call)
{
	struct member member = {0};
	enum status status = account_lock(tx, &call->a, 1);

	if (status == OK) {
		status = member_read(tx, call->a, &member);
	}
	if (status != OK) {
		return status;
	}
	return ledger_post(tx, &(struct posting){.account_id = call->a, .balance = &member.balance, .key = call->key, .kind = LEDGER_ADJUST,
		.source = STR("test"), .xp = call->xp, .coins = call->coins});
}

/* ---- people --------------------------------------------------------------------------------------------------------------------- */

/* An account without anybody, made `age` days ago. */
static int64_t new_account(int age)
{
	int64_t id = testdb_i64f("INSERT INTO public.account (created_at)"
	                         " VALUES (to_timestamp(1800000000) - make_interval(days => %d)) RETURNING id", age);

	(void)testdb_i64f("INSERT INTO public.account_balance (account_id) VALUES (%lld) RETURNING 1", (long long)id);
	return id;
}

/* An identity that is on the account for `age` days and can be written to. Its name is "p<platform>i<id>". */
static int64_t add_identity(int64_t account, enum platform platform, int age)
{
	bool site = platform == WEBSITE;
	int64_t serial = testdb_i64("SELECT coalesce(max(id), 0) + 1 FROM public.identity");
	int64_t id = testdb_i64f(
		"INSERT INTO public.identity (account_id, platform, platform_id, email, name, first_seen, last_seen, attached_at) SELECT %lld,"
		" '%.*s', CASE WHEN %s THEN NULL ELSE %lld END, CASE WHEN %s THEN 'p%lld@example.org' END, 'p%di%lld', t, t, t"
		" FROM (SELECT to_timestamp(1800000000) - make_interval(days => %d) AS t) x RETURNING id",
		(long long)account, STR_ARG(platform_name(platform)), site ? "true" : "false", (long long)(serial + 1000), site ? "true" : "false",
		(long long)serial, (int)platform, (long long)serial, age);

	if (!site) {
		(void)testdb_i64f("INSERT INTO public.identity_reach VALUES (%lld, '%.*s', true, NULL, now()) RETURNING 1", (long long)id,
		                  STR_ARG(bot_of(platform)));
	}
	return id;
}

static int64_t person(enum platform platform, int age)
{
	return add_identity(new_account(age), platform, age);
}

static int64_t account_of(int64_t identity)
{
	return testdb_i64f("SELECT account_id FROM public.identity WHERE id = %lld", (long long)identity);
}

static struct str fresh_key(struct scene *scene, const char *what)
{
	return str_printf(scene->arena, "%s:%p:%lld", what, (void *)scene, (long long)++scene->turns);
}

static void earn(struct scene *scene, int64_t identity, int64_t xp, int64_t coins)
{
	struct call call = {.a = account_of(identity), .xp = xp, .coins = coins, .key = fresh_key(scene, "earn")};

	assert_int_equal(in_tx(scene, earn_step, &call), OK);
}

static void assert_balance(int64_t identity, int64_t xp, int64_t coins)
{
	int64_t account = account_of(identity);

	assert_int_equal(testdb_i64f("SELECT xp FROM public.account_balance WHERE account_id = %lld", (long long)account), xp);
	assert_int_equal(testdb_i64f("SELECT coins FROM public.account_balance WHERE account_id = %lld", (long long)account), coins);
}

/* What must hold whatever people do. */
static void assert_sound(int64_t xp, int64_t coins)
{
	assert_int_equal(testdb_i64("SELECT sum(xp)::bigint FROM public.account_balance"), xp);
	assert_int_equal(testdb_i64("SELECT sum(coins)::bigint FROM public.account_balance"), coins);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance b LEFT JOIN (SELECT user_id, sum(xp) AS xp, sum(coins) AS coins"
	                            " FROM public.ledger GROUP BY user_id) l ON l.user_id = b.account_id"
	                            " WHERE b.xp <> coalesce(l.xp, 0) OR b.coins <> coalesce(l.coins, 0)"), 0);
	/* Every row goes on from the one before it (`trivet verify`, order). */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance b JOIN (SELECT user_id,"
	                            " sum(public.ledger_place(xp_after, coins_after)::numeric"
	                            " - public.ledger_place(xp_after - xp, coins_after - coins)) AS chain FROM public.ledger GROUP BY user_id) l"
	                            " ON l.user_id = b.account_id"
	                            " WHERE l.chain <> public.ledger_place(b.xp, b.coins)::numeric - public.ledger_place(0, 0)"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account a WHERE merged_into IS NULL"
	                            " AND NOT EXISTS (SELECT 1 FROM public.identity i WHERE i.account_id = a.id)"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity i JOIN public.account a ON a.id = i.account_id"
	                            " WHERE a.merged_into IS NOT NULL"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account a FULL JOIN public.account_family f ON f.account_id = a.id"
	                            " WHERE (a.merged_into IS NULL) <> (f.account_id IS NULL)"), 0);
	assert_int_equal(testdb_i64("WITH RECURSIVE up(id, at) AS (SELECT id, merged_into FROM public.account WHERE merged_into IS NOT NULL"
	                            " UNION ALL SELECT u.id, a.merged_into FROM up u JOIN public.account a ON a.id = u.at"
	                            " WHERE a.merged_into IS NOT NULL), root AS (SELECT u.id, u.at FROM up u JOIN public.account a ON a.id = u.at"
	                            " WHERE a.merged_into IS NULL) SELECT count(*) FROM public.account_family f"
	                            " LEFT JOIN root r ON r.id = f.account_id WHERE r.at IS DISTINCT FROM f.survivor_id"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance b JOIN public.account a ON a.id = b.account_id"
	                            " WHERE a.merged_into IS NOT NULL AND (b.xp <> 0 OR b.coins <> 0 OR b.messages_sent <> 0)"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_code c JOIN public.identity i ON i.id = c.identity_id"
	                            " WHERE i.account_id <> c.account_id"), 0);
}

/* ---- what people do ------------------------------------------------------------------------------------------------------------- */

static void look_up(struct scene *scene, struct call *call, int64_t identity, struct str typed)
{
	struct ctx ctx = ctx_of(scene);
	struct person actor = {.platform = TELEGRAM, .platform_id = identity + 1000};

	assert_int_equal(linking_look_up(&ctx, &actor, fresh_key(scene, "redeem"), typed, &call->attempt), OK);
}

static struct link_code issue(struct scene *scene, int64_t identity)
{
	struct call call = {.a = identity};
	struct ctx ctx = ctx_of(scene);

	assert_int_equal(in_tx(scene, issue_step, &call), OK);
	assert_int_equal(linking_publish(&ctx, TELEGRAM, &call.code, false), OK);
	return call.code;
}

static struct link_result redeem(struct scene *scene, int64_t identity, struct str typed)
{
	struct call call = {.b = identity};
	struct ctx ctx = ctx_of(scene);

	look_up(scene, &call, identity, typed);
	assert_int_equal(in_tx(scene, redeem_step, &call), OK);
	linking_settle(&ctx, &call.attempt, &call.result);
	return call.result;
}

static enum link_answer answer(struct scene *scene, int64_t identity, struct str token, bool yes, struct link_result *ret_result)
{
	struct call call = {.b = identity, .token = token, .yes = yes};

	assert_int_equal(in_tx(scene, answer_step, &call), OK);
	if (ret_result != NULL) {
		*ret_result = call.result;
	}
	return call.answer;
}

/* `issuer` issues, `redeemer` enters it and agrees when he is asked. The number of the joining. */
static int64_t join(struct scene *scene, int64_t issuer, int64_t redeemer)
{
	struct link_result result = redeem(scene, redeemer, issue(scene, issuer).code);

	if (result.outcome == LINK_NEEDS_CONFIRMATION) {
		assert_int_equal(answer(scene, redeemer, result.confirmation, true, &result), LINK_ANSWER_LINKED);
	}
	assert_int_equal(result.outcome, LINK_LINKED);
	assert_int_equal(account_of(issuer), account_of(redeemer));
	return result.merge_id;
}

static enum link_undo_verdict undo(struct scene *scene, int64_t actor, int64_t merge_id)
{
	struct call call = {.a = actor, .merge_id = merge_id};

	assert_int_equal(in_tx(scene, undo_step, &call), OK);
	return call.undo;
}

static enum unlink_verdict unlink_identity(struct scene *scene, int64_t actor, int64_t leaving)
{
	struct call call = {.a = actor, .b = leaving};

	assert_int_equal(in_tx(scene, unlink_step, &call), OK);
	return call.unlink;
}

static int64_t told(int64_t identity, const char *topic)
{
	return testdb_i64f("SELECT count(*) FROM public.outbox o JOIN public.identity i ON i.platform = o.platform AND i.platform_id = o.recipient"
	                   " WHERE i.id = %lld AND o.topic = '%s'", (long long)identity, topic);
}

/* ---- chains --------------------------------------------------------------------------------------------------------------------- */

/* A (telegram) takes B (discord) in; both become part of the older C (website). */
struct chain {
	int64_t a, b, c;
	int64_t inner, outer;
};

static struct chain make_chain(struct scene *scene, int64_t spent_before_outer)
{
	struct chain chain = {.a = person(TELEGRAM, 20), .b = person(DISCORD, 10), .c = person(WEBSITE, 30)};

	earn(scene, chain.a, 50, 50);
	earn(scene, chain.b, 100, 100);
	earn(scene, chain.c, 500, 500);
	chain.inner = join(scene, chain.a, chain.b);
	if (spent_before_outer != 0) {
		earn(scene, chain.a, 0, -spent_before_outer);
	}
	chain.outer = join(scene, chain.a, chain.c);
	assert_balance(chain.c, 650, 650 - spent_before_outer);
	return chain;
}

static void a_chain_is_undone_from_the_outside(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	assert_sound(650, 650);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_balance(chain.a, 150, 150);
	assert_balance(chain.b, 150, 150);
	assert_balance(chain.c, 500, 500);
	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	assert_balance(chain.a, 50, 50);
	assert_balance(chain.b, 100, 100);
	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_DONE);
	assert_sound(650, 650);
}

static int64_t streak_of(int64_t identity)
{
	return testdb_i64f("SELECT daily_streak FROM public.account_balance WHERE account_id = %lld", (long long)account_of(identity));
}

/* Or a stranger with whom somebody was joined by mistake would go on with his streak. */
static void an_undo_gives_back_the_streak_that_was_brought(void **state)
{
	struct scene *scene = *state;
	int64_t old = person(DISCORD, 20);
	int64_t young = person(TELEGRAM, 10);

	earn(scene, young, 1, 1);
	earn(scene, old, 1, 1);
	testdb_execf("UPDATE public.account_balance SET daily_streak = 29, last_daily = to_timestamp(%lld) WHERE account_id = %lld",
	             (long long)(NOW / SECOND_US - 3600), (long long)account_of(young));
	int64_t merge = join(scene, old, young);

	assert_int_equal(streak_of(old), 29);
	assert_int_equal(undo(scene, 0, merge), LINK_UNDO_ALLOWED);
	assert_int_equal(streak_of(young), 29);
	assert_int_equal(streak_of(old), 0);
}

/* Else a stranger's code would keep somebody from linking his own platforms for a day. */
static void who_undoes_a_joining_of_his_own_may_link_at_once(void **state)
{
	struct scene *scene = *state;
	int64_t stranger = person(DISCORD, 20);
	int64_t young = person(TELEGRAM, 10);
	int64_t own = person(DISCORD, 5);
	int64_t merge = join(scene, young, stranger);

	assert_int_equal(undo(scene, young, merge), LINK_UNDO_ALLOWED);
	(void)join(scene, young, own);
}

static void whom_the_others_send_away_waits(void **state)
{
	struct scene *scene = *state;
	int64_t old = person(DISCORD, 20);
	int64_t young = person(TELEGRAM, 10);
	int64_t other = person(DISCORD, 5);
	int64_t merge = join(scene, old, young);

	assert_int_equal(undo(scene, old, merge), LINK_UNDO_ALLOWED);
	assert_int_equal(redeem(scene, young, issue(scene, other).code).outcome, LINK_REFUSED_RECENT);
	(void)join(scene, old, young);
}

static void a_chain_is_undone_from_the_inside(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	assert_balance(chain.b, 100, 100);
	assert_balance(chain.c, 550, 550);
	assert_int_equal(account_of(chain.a), account_of(chain.c));
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_balance(chain.a, 50, 50);
	assert_balance(chain.c, 500, 500);
	assert_sound(650, 650);
}

/* What B brought and A spent before both became part of C is gone: it is not C's to give back. */
static void an_inner_undo_takes_nothing_of_a_third(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 120);

	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	assert_balance(chain.b, 100, 30);
	assert_balance(chain.c, 550, 500);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_balance(chain.a, 50, 0);
	assert_balance(chain.c, 500, 500);
	assert_sound(650, 530);
}

/* C spends what the two brought, B gets back what is left of his, and then C earns again: A gets no more than his own part. */
static void an_outer_undo_returns_no_more_than_the_loser_had(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	earn(scene, chain.c, 0, -620);
	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	assert_balance(chain.b, 100, 30);
	assert_balance(chain.c, 550, 0);
	earn(scene, chain.c, 0, 900);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_balance(chain.a, 50, 50);
	assert_balance(chain.c, 500, 850);
	assert_sound(650, 930);
}

/* B left the chain by an undo and joined C himself: what then is undone between A and C does not carry him away. */
static void who_came_back_by_himself_stays(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	int64_t own = join(scene, chain.c, chain.b);

	assert_balance(chain.c, 650, 650);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_balance(chain.a, 50, 50);
	assert_int_equal(account_of(chain.b), account_of(chain.c));
	assert_balance(chain.c, 600, 600);
	assert_int_equal(undo(scene, 0, own), LINK_UNDO_ALLOWED);
	assert_balance(chain.b, 100, 100);
	assert_sound(650, 650);
}

/* The same by /unlink: the data stayed, and the joining that once brought him has nothing to give back any more. */
static void an_unlink_ends_what_an_undo_could_take_along(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);

	earn(scene, a, 10, 10);
	earn(scene, b, 100, 100);
	int64_t first = join(scene, a, b);

	assert_int_equal(unlink_identity(scene, b, b), UNLINK_ALLOWED);
	assert_balance(b, 0, 0);
	earn(scene, b, 7, 7);
	int64_t second = join(scene, a, b);

	assert_balance(a, 117, 117);
	assert_int_equal(undo(scene, 0, first), LINK_UNDO_EMPTY);
	assert_int_equal(undo(scene, 0, second), LINK_UNDO_ALLOWED);
	assert_balance(b, 7, 7);
	assert_balance(a, 110, 110);
	assert_sound(117, 117);
}

/* "undo telegram:1001; merge discord:1002 with telegram:1001": what staff read of an account, the newest first. */
static const char *history_of(struct scene *scene, int64_t account)
{
	struct ctx ctx = ctx_of(scene);
	struct pg_params params = pg_params(scene->arena);
	struct pg_rows *rows = NULL;
	struct buf text = buf_init(scene->arena, 4096);

	pg_add_i64(&params, account);
	pg_add_i64(&params, 50);
	assert_int_equal(operator_report(&ctx, SQL_OPERATOR_HISTORY, &params, &rows), OK);
	for (int row = 0; row < pg_row_count(rows); row++) {
		buf_add(&text, row > 0 ? STR("; ") : STR(""));
		buf_add(&text, pg_str(rows, row, 1));
		buf_add(&text, STR(" "));
		buf_add(&text, pg_str(rows, row, 6));
		buf_add(&text, pg_is_null(rows, row, 7) ? STR("") : STR(" with "));
		buf_add(&text, pg_str(rows, row, 7));
	}
	return str_z(scene->arena, buf_str(&text));
}

/* An undo and an unlink take people out of what a joining can still give back, not out of what staff read of it. */
static void who_came_and_left_stays_in_the_history(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);
	int64_t first = testdb_i64f("SELECT loser_id FROM public.merge WHERE id = %lld", (long long)chain.outer);
	const char *a = "telegram:1001";
	const char *b = "discord:1002";
	const char *c = "website:p3@example.org";
	char inner[128];
	char outer[128];
	char wanted[1024];

	assert_true(chain.a == 1 && chain.b == 2 && chain.c == 3);
	(void)snprintf(inner, sizeof(inner), "merge {%s} with {%s}", b, a);
	(void)snprintf(outer, sizeof(outer), "merge {%s,%s} with {%s}", a, b, c);
	(void)snprintf(wanted, sizeof(wanted), "%s; %s", outer, inner);
	assert_string_equal(history_of(scene, account_of(chain.c)), wanted);
	assert_int_equal(unlink_identity(scene, chain.b, chain.b), UNLINK_ALLOWED);
	(void)snprintf(wanted, sizeof(wanted), "unlink {%s}; %s; %s", b, outer, inner);
	assert_string_equal(history_of(scene, account_of(chain.c)), wanted);
	(void)snprintf(wanted, sizeof(wanted), "unlink {%s}", b);
	assert_string_equal(history_of(scene, account_of(chain.b)), wanted);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	(void)snprintf(wanted, sizeof(wanted), "undo {%s}; unlink {%s}; %s", a, b, outer);
	assert_string_equal(history_of(scene, account_of(chain.c)), wanted);
	(void)snprintf(wanted, sizeof(wanted), "undo {%s}; %s; %s", a, outer, inner);
	assert_int_equal(account_of(chain.a), first);
	assert_string_equal(history_of(scene, first), wanted);
}

static void an_undo_names_all_who_went_back(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_string_equal(history_of(scene, account_of(chain.c)),
	                    "undo {telegram:1001,discord:1002}; merge {telegram:1001,discord:1002} with {website:p3@example.org}");
}

/* Joined before records had people in them: by the oldest of each side. */
static void an_old_record_names_the_oldest(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	testdb_exec("UPDATE public.audit_log SET before = before #- '{loser,identities}' #- '{survivor,identities}',"
	            " after = after - 'identities'");
	assert_string_equal(history_of(scene, account_of(chain.c)),
	                    "undo {discord:1002}; merge {telegram:1001} with {website:p3@example.org}; merge {discord:1002} with {telegram:1001}");
	/* An inner undo stays with the account of the joining, whoever held it by then. */
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.audit_log WHERE action = 'link_undo'"), 2);
	assert_string_equal(history_of(scene, account_of(chain.a)),
	                    "undo {telegram:1001}; undo {discord:1002}; merge {telegram:1001} with {website:p3@example.org};"
	                    " merge {discord:1002} with {telegram:1001}");
}

/* Tree: B into A, D's identity cannot (same platform); A with B against an account that has lost its own people. */
static void staff_detach_the_oldest_and_nobody_is_left_alone(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);

	assert_int_equal(unlink_identity(scene, chain.a, chain.c), UNLINK_OLDEST);
	assert_int_equal(unlink_identity(scene, 0, chain.c), UNLINK_ALLOWED);
	assert_balance(chain.c, 0, 0);
	assert_balance(chain.a, 650, 650);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_EMPTY); /* else C's account would be empty */
	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	assert_balance(chain.b, 100, 100);
	assert_int_equal(unlink_identity(scene, 0, chain.b), UNLINK_NOT_LINKED);
	assert_sound(650, 650);
}

/* The oldest of a side stays its oldest through a joining and its undo, whatever the numbers of the rows say. */
static void the_oldest_stays_the_oldest(void **state)
{
	struct scene *scene = *state;
	int64_t account = new_account(10);
	int64_t later = add_identity(account, WEBSITE, 2);
	int64_t oldest = add_identity(account, DISCORD, 9);
	int64_t other = person(TELEGRAM, 30);
	struct link_code code = {0};

	earn(scene, oldest, 5, 5);
	int64_t merge = join(scene, other, later);

	assert_int_equal(unlink_identity(scene, other, other), UNLINK_OLDEST);
	assert_int_equal(undo(scene, 0, merge), LINK_UNDO_ALLOWED);
	assert_int_equal(account_of(later), account_of(oldest));
	assert_int_equal(unlink_identity(scene, later, oldest), UNLINK_OLDEST);
	assert_int_equal(unlink_identity(scene, later, 0), UNLINK_ALLOWED);
	assert_balance(oldest, 5, 5);
	assert_balance(later, 0, 0);
	code = issue(scene, oldest);
	assert_int_equal(code.code.len, LINK_CODE_LENGTH);
	assert_sound(5, 5);
}

/* More than one change of the ledger may be: several orders of staff have made it. */
static void whatever_somebody_has_goes_and_returns(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);

	earn(scene, a, 1, 1);
	for (int i = 0; i < 3; i++) {
		earn(scene, b, LEDGER_DELTA_MAX, LEDGER_DELTA_MAX);
	}
	int64_t merge = join(scene, a, b);

	assert_balance(a, 3 * LEDGER_DELTA_MAX + 1, 3 * LEDGER_DELTA_MAX + 1);
	assert_int_equal(undo(scene, 0, merge), LINK_UNDO_ALLOWED);
	assert_balance(a, 1, 1);
	assert_balance(b, 3 * LEDGER_DELTA_MAX, 3 * LEDGER_DELTA_MAX);
	assert_sound(3 * LEDGER_DELTA_MAX + 1, 3 * LEDGER_DELTA_MAX + 1);
}

static void sums_of_periods_and_counters_go_and_return(void **state)
{
	struct scene *scene = *state;
	struct chain chain = make_chain(scene, 0);
	int64_t d = person(DISCORD, 1);

	(void)d;
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	testdb_exec("UPDATE public.economy_setting SET season_start = to_timestamp(1800000000) - interval '95 days'");
	/* of the season and week that will be running: others are over and count no more */
	testdb_exec("UPDATE public.account_balance SET season_no = 4, season_xp = 10, week_no = 2980, week_xp = 5, messages_sent = 7,"
	            " games_played = 3, games_won = 2");
	scene->now += LINK_MERGES_WINDOW_US; /* also past the limit of merges */
	chain.inner = join(scene, chain.a, chain.b);
	chain.outer = join(scene, chain.a, chain.c);
	assert_int_equal(testdb_i64f("SELECT messages_sent * 1000 + season_xp FROM public.account_balance WHERE account_id = %lld",
	                             (long long)account_of(chain.c)), 21030);
	assert_int_equal(undo(scene, 0, chain.inner), LINK_UNDO_ALLOWED);
	assert_int_equal(undo(scene, 0, chain.outer), LINK_UNDO_ALLOWED);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account_balance WHERE messages_sent = 7 AND season_xp = 10 AND week_xp = 5"
	                            " AND games_played = 3 AND games_won = 2"), 4);
}

/* ---- who may undo --------------------------------------------------------------------------------------------------------------- */

static void who_has_left_undoes_nothing(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);
	int64_t b2 = add_identity(account_of(b), WEBSITE, 5);

	earn(scene, a, 10, 10);
	earn(scene, b, 100, 100);
	int64_t merge = join(scene, a, b);

	assert_int_equal(unlink_identity(scene, 0, b), UNLINK_ALLOWED);
	assert_int_equal(undo(scene, b, merge), LINK_UNDO_EMPTY); /* the oldest of the loser's side, but no longer one of us */
	assert_balance(a, 110, 110);
	assert_int_equal(account_of(b2), account_of(a));
	assert_int_equal(unlink_identity(scene, 0, a), UNLINK_ALLOWED);
	assert_int_equal(undo(scene, a, merge), LINK_UNDO_EMPTY);
	assert_sound(110, 110);
}

static void strangers_learn_nothing_of_a_joining(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);
	int64_t stranger = person(TELEGRAM, 1);
	int64_t merge = join(scene, a, b);

	assert_int_equal(undo(scene, stranger, merge), LINK_UNDO_FOREIGN);
	assert_int_equal(undo(scene, stranger, merge + 1), LINK_UNDO_FOREIGN);
	assert_int_equal(undo(scene, b, merge), LINK_UNDO_FOREIGN); /* no history of his: the issuer's "Not me" alone */
	assert_int_equal(undo(scene, a, merge), LINK_UNDO_ALLOWED);
	assert_int_equal(undo(scene, stranger, merge), LINK_UNDO_FOREIGN); /* undone or not is none of his business either */
	assert_int_equal(undo(scene, a, merge), LINK_UNDO_DONE);
}

/* The message with "Not me" goes to whom of the issuer's people can be reached: whoever gets it may press it, nobody else. */
static void all_of_the_issuers_side_may_say_not_me(void **state)
{
	struct scene *scene = *state;
	int64_t site = person(WEBSITE, 20);
	int64_t telegram = add_identity(account_of(site), TELEGRAM, 10);
	int64_t redeemer = person(DISCORD, 5);
	int64_t merge = join(scene, site, redeemer);

	assert_int_equal(told(telegram, "link"), 1);
	assert_int_equal(told(redeemer, "link"), 0);
	assert_int_equal(undo(scene, redeemer, merge), LINK_UNDO_FOREIGN);
	assert_int_equal(undo(scene, telegram, merge), LINK_UNDO_ALLOWED);

	/* And when the issuer's account is the younger one. */
	int64_t young = person(WEBSITE, 3);
	int64_t young_too = add_identity(account_of(young), DISCORD, 2);
	int64_t old = person(TELEGRAM, 40);

	merge = join(scene, young, old);
	assert_int_equal(told(young_too, "link"), 1);
	assert_int_equal(told(old, "link"), 0);
	assert_int_equal(undo(scene, old, merge), LINK_UNDO_FOREIGN);
	scene->now += LINK_NOT_ME_US + 1;
	assert_int_equal(undo(scene, young_too, merge), LINK_UNDO_LATE);
	assert_sound(0, 0);
}

/* An issuer who cannot be reached is not told by the redeemer's bot. */
static void nobody_is_told_of_himself(void **state)
{
	struct scene *scene = *state;
	int64_t site = person(WEBSITE, 20);
	int64_t redeemer = person(TELEGRAM, 5);

	(void)join(scene, site, redeemer);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox"), 0);
}

static void staff_join_and_both_sides_are_told(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);
	struct call call = {.a = account_of(a), .b = account_of(b)};

	assert_int_equal(in_tx(scene, staff_join_step, &call), OK);
	assert_int_equal(call.result.outcome, LINK_LINKED);
	assert_int_equal(told(a, "link"), 1);
	assert_int_equal(told(b, "link"), 1);
	assert_int_equal(undo(scene, 0, call.merge_id), LINK_UNDO_ALLOWED);
	assert_int_equal(told(a, "unlink"), 1);
	assert_int_equal(told(b, "unlink"), 1);
	call = (struct call){.a = account_of(a), .b = 999};
	assert_int_equal(in_tx(scene, staff_join_step, &call), NOT_FOUND);
}

/* An undo ends the day in which a new identity may not do everything, for both sides. */
static void an_undo_takes_the_mark_of_the_new_one_back(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);
	int64_t merge = join(scene, a, b);

	assert_int_equal(testdb_i64("SELECT count(linked_at) FROM public.identity"), 2);
	assert_int_equal(undo(scene, 0, merge), LINK_UNDO_ALLOWED);
	assert_int_equal(testdb_i64("SELECT count(linked_at) FROM public.identity"), 0);
}

/* ---- codes and questions that outlive what they were made for --------------------------------------------------------------------- */

static void a_code_ends_with_a_separation(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);
	int64_t guest = person(WEBSITE, 1);
	int64_t merge = join(scene, a, b);
	struct link_code code = issue(scene, b);

	assert_int_equal(undo(scene, a, merge), LINK_UNDO_ALLOWED); /* "Not me": what b asked for opens a's account no more */
	assert_int_equal(redeem(scene, guest, code.code).outcome, LINK_UNKNOWN);
	(void)join(scene, a, b);
	code = issue(scene, b);
	assert_int_equal(unlink_identity(scene, a, b), UNLINK_ALLOWED);
	assert_int_equal(redeem(scene, guest, code.token).outcome, LINK_UNKNOWN);
	assert_int_equal(account_of(guest), testdb_i64f("SELECT max(id) FROM public.account WHERE id = %lld", (long long)account_of(guest)));
	assert_sound(0, 0);
}

static void a_code_is_of_an_account_that_lives(void **state)
{
	struct scene *scene = *state;
	int64_t older = person(DISCORD, 20);
	int64_t asking = person(TELEGRAM, 10);
	struct meanwhile joined = {.scene = *scene, .step = staff_join_step, .call = {.a = account_of(asking), .b = account_of(older)}};
	struct call call = {.a = asking, .meanwhile = &joined};

	assert_int_equal(in_tx(scene, issue_step, &call), OK);
	assert_int_equal(account_of(asking), account_of(older));
	assert_int_equal(testdb_i64("SELECT account_id FROM public.account_code"), account_of(older));
	assert_sound(0, 0);
}

/* The code was alive when it was read and was ended by who held the account: as if it had come a moment later. */
static void a_code_that_ends_before_the_lock_is_unknown(void **state)
{
	struct scene *scene = *state;
	int64_t issuer = person(TELEGRAM, 20);
	int64_t redeemer = person(DISCORD, 10);
	struct meanwhile entering = {.scene = *scene, .step = redeem_step, .call = {.b = redeemer}};
	pthread_t thread;

	look_up(scene, &entering.call, redeemer, issue(scene, issuer).code);
	testdb_exec("BEGIN; SELECT id FROM public.account FOR NO KEY UPDATE; DELETE FROM public.account_code");
	assert_int_equal(pthread_create(&thread, NULL, run_meanwhile, &entering), 0);
	usleep(150 * 1000);
	testdb_exec("COMMIT");
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(entering.call.result.outcome, LINK_UNKNOWN);
	assert_int_not_equal(account_of(issuer), account_of(redeemer));
}

static void who_has_left_meanwhile_unlinks_nobody(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = add_identity(account_of(a), DISCORD, 10);
	int64_t c = add_identity(account_of(a), WEBSITE, 5);
	struct meanwhile left = {.scene = *scene, .step = unlink_step, .call = {.a = a, .b = b}};
	struct call call = {.a = b, .b = c, .meanwhile = &left};

	assert_int_equal(in_tx(scene, unlink_step, &call), OK);
	assert_int_equal(call.unlink, UNLINK_NOT_LINKED); /* he stands alone now, and c is where it was */
	assert_int_equal(account_of(c), account_of(a));
	assert_int_not_equal(account_of(b), account_of(a));
}

/* What was asked was about these people. When the people of a side are others now, the yes is to nobody. */
static void a_yes_is_to_those_who_were_shown(void **state)
{
	struct scene *scene = *state;
	int64_t issuer = person(TELEGRAM, 20);
	int64_t redeemer = person(DISCORD, 10);
	int64_t third = person(WEBSITE, 30);
	struct link_result question = {0};

	earn(scene, redeemer, 9, 9);
	question = redeem(scene, redeemer, issue(scene, issuer).code);
	assert_int_equal(question.outcome, LINK_NEEDS_CONFIRMATION);
	scene->now += SECOND_US;
	(void)join(scene, issuer, third);
	assert_int_equal(answer(scene, redeemer, question.confirmation, true, NULL), LINK_ANSWER_CHANGED);
	assert_int_not_equal(account_of(redeemer), account_of(issuer));
	assert_int_equal(answer(scene, redeemer, question.confirmation, true, NULL), LINK_ANSWER_BEFORE);

	/* Unlinked since: the issuer is no longer on the account that was shown. */
	question = redeem(scene, redeemer, issue(scene, issuer).code);
	assert_int_equal(question.outcome, LINK_NEEDS_CONFIRMATION);
	scene->now += SECOND_US;
	assert_int_equal(unlink_identity(scene, third, issuer), UNLINK_ALLOWED);
	assert_int_equal(answer(scene, redeemer, question.confirmation, true, NULL), LINK_ANSWER_CHANGED);

	/* The redeemer himself has come to another account. */
	scene->now += LINK_RELINK_WAIT_US;
	question = redeem(scene, redeemer, issue(scene, issuer).code);
	assert_int_equal(question.outcome, LINK_NEEDS_CONFIRMATION);
	scene->now += SECOND_US;
	(void)join(scene, third, redeemer);
	assert_int_equal(answer(scene, redeemer, question.confirmation, true, NULL), LINK_ANSWER_CHANGED);

	/* Nothing happened: the yes counts. */
	int64_t newcomer = person(TELEGRAM, 1);
	question = redeem(scene, third, issue(scene, newcomer).code);
	assert_int_equal(answer(scene, newcomer, question.confirmation, true, NULL), LINK_ANSWER_FOREIGN);
	assert_int_equal(answer(scene, third, question.confirmation, true, NULL), LINK_ANSWER_LINKED);
	assert_sound(9, 9);
}

static void badges_of_ones_own_are_a_history(void **state)
{
	struct scene *scene = *state;
	int64_t collector = person(DISCORD, 1);
	int64_t copier = person(DISCORD, 1);

	testdb_exec("INSERT INTO public.badge_user_association (user_id, badge_id, earned_in_bot, earned_at, copied)"
	            " SELECT i.account_id, 1, 'x', '2025-01-01', i.id = (SELECT max(id) FROM public.identity) FROM public.identity i");
	struct link_result result = redeem(scene, collector, issue(scene, person(TELEGRAM, 20)).code);

	assert_int_equal(result.outcome, LINK_NEEDS_CONFIRMATION);
	/* A mark taken along is the other account's; there is nothing to lose here. */
	result = redeem(scene, copier, issue(scene, person(TELEGRAM, 20)).code);
	assert_int_equal(result.outcome, LINK_LINKED);
	assert_sound(0, 0);
}

static void three_merges_of_two_histories_whichever_side_one_was_on(void **state)
{
	struct scene *scene = *state;
	int64_t wanderer = person(DISCORD, 1);

	earn(scene, wanderer, 5, 5);
	for (int i = 0; i < LINK_MERGES_MAX; i++) {
		int64_t host = person(TELEGRAM, 20);

		earn(scene, host, 10, 10);
		int64_t merge = join(scene, host, wanderer); /* always the loser */

		assert_int_equal(undo(scene, 0, merge), LINK_UNDO_ALLOWED);
		scene->now += LINK_RELINK_WAIT_US;
	}
	int64_t host = person(TELEGRAM, 20);

	earn(scene, host, 10, 10);
	struct link_result result = redeem(scene, wanderer, issue(scene, host).code);

	assert_int_equal(result.outcome, LINK_REFUSED_MERGES);
	scene->now += LINK_MERGES_WINDOW_US;
	result = redeem(scene, wanderer, issue(scene, host).code);
	assert_int_equal(result.outcome, LINK_NEEDS_CONFIRMATION);
	assert_sound(45, 45);
}

static void only_wrong_codes_count_and_each_person_for_himself(void **state)
{
	struct scene *scene = *state;
	struct ctx ctx = ctx_of(scene);
	struct person alice = {.platform = WEBSITE, .email = STR("alice@example.org")};
	struct person bob = {.platform = WEBSITE, .email = STR("bob@example.org")};
	struct link_attempt attempt = {0};

	testdb_exec("INSERT INTO public.account (id, created_at) VALUES (7, to_timestamp(1700000000))");
	testdb_exec("INSERT INTO public.identity (account_id, platform, email, first_seen, last_seen, attached_at)"
	            " SELECT 7, 'website', 'bob@example.org', t, t, t FROM to_timestamp(1700000000) t");
	for (int i = 0; i < LINK_GUESSES; i++) {
		assert_int_equal(linking_look_up(&ctx, &alice, fresh_key(scene, "guess"), STR("AAAAAA"), &attempt), OK);
		assert_int_equal(attempt.refusal, LINK_OUTCOME_UNSET);
	}
	assert_int_equal(linking_look_up(&ctx, &alice, fresh_key(scene, "guess"), STR("AAAAAA"), &attempt), OK);
	assert_int_equal(attempt.refusal, LINK_ATTEMPTS);
	assert_int_equal(linking_look_up(&ctx, &bob, fresh_key(scene, "guess"), STR("AAAAAA"), &attempt), OK);
	assert_int_equal(attempt.refusal, LINK_OUTCOME_UNSET);

	/* Under a flood only those wait who have just come: bob is known. */
	for (int i = 0; i <= LINK_FLOOD_PER_MINUTE; i++) {
		int64_t wait_us = 0;

		assert_int_equal(cache_window_enter(scene->app->cache, ctx.deadline, STR("guess:all"), fresh_key(scene, "flood"), ctx.now,
		                                    MINUTE_US, INT64_MAX, &wait_us), OK);
	}
	assert_int_equal(linking_look_up(&ctx, &bob, fresh_key(scene, "guess"), STR("AAAAAA"), &attempt), OK);
	assert_int_equal(attempt.refusal, LINK_OUTCOME_UNSET);
	struct person carol = {.platform = WEBSITE, .email = STR("carol@example.org")};

	assert_int_equal(linking_look_up(&ctx, &carol, fresh_key(scene, "guess"), STR("AAAAAA"), &attempt), OK);
	assert_int_equal(attempt.refusal, LINK_FLOODED);
	assert_int_equal(cache_delete(scene->app->cache, ctx.deadline, STR("guess:all")), OK);
}

/* ---- locks ---------------------------------------------------------------------------------------------------------------------- */

struct seeing {
	const struct update *update;
	int64_t identity;
};

static enum status see(struct tx *tx, void *arg)
{
	const struct seeing *seeing = arg;
	struct contact contact = {0};
	enum status status = contact_resolve(tx, &seeing->update->actor, &contact);

	/* Nobody is shut out of the row before accounts are locked (decisions.md 11); another connection would wait here. */
	testdb_execf("SELECT id FROM public.identity WHERE id = %lld FOR UPDATE NOWAIT", (long long)seeing->identity);
	return status == OK ? contact_seen(tx, seeing->update, &contact) : status;
}

static void a_new_name_is_written_after_accounts_are_locked(void **state)
{
	struct scene *scene = *state;
	int64_t identity = person(TELEGRAM, 20);
	struct update update = {.platform = TELEGRAM,
	                        .bot = STR_INIT("quiz"),
	                        .place = PLACE_PRIVATE,
	                        .actor = {.platform = TELEGRAM, .platform_id = identity + 1000, .name = STR_INIT("New name")}};
	struct seeing seeing = {&update, identity};
	struct ctx ctx = ctx_of(scene);

	assert_int_equal(tx_run(&ctx, see, &seeing), OK);
	assert_string_equal(testdb_text("SELECT name FROM public.identity"), "New name");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity_reach WHERE bot = 'quiz' AND can_message"), 1);
}

static enum status language_step(struct tx *tx, struct call *call)
{
	bool both = false;

	return account_set_language(tx, call->a, LANGUAGE_RU, &both);
}

static void a_choice_is_not_written_to_an_account_that_is_gone(void **state)
{
	struct scene *scene = *state;
	int64_t a = person(TELEGRAM, 20);
	int64_t b = person(DISCORD, 10);
	struct call call = {.a = account_of(b)};

	(void)join(scene, a, b);
	assert_int_equal(in_tx(scene, language_step, &call), NOT_FOUND);
	call.a = account_of(b);
	assert_int_equal(in_tx(scene, language_step, &call), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account WHERE language = 'ru'"), 1);
}

static void a_farewell_makes_no_account(void **state)
{
	struct scene *scene = *state;
	struct update update = {.platform = TELEGRAM, .bot = STR_INIT("main"), .place = PLACE_PRIVATE,
	                        .actor = {.platform = TELEGRAM, .platform_id = 77, .name = STR_INIT("Somebody")}};
	struct ctx ctx = ctx_of(scene);

	assert_int_equal(contact_reach(&ctx, &update, false), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account"), 0);
	assert_int_equal(contact_reach(&ctx, &update, true), OK);
	assert_int_equal(contact_reach(&ctx, &update, false), OK);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.identity_reach WHERE NOT can_message"), 1);
}

static void say_lang(struct scene *scene, const char *key, enum message expected)
{
	struct update update = {.platform = TELEGRAM, .kind = UPDATE_COMMAND, .bot = STR_INIT("main"), .key = str_from_z(key),
	                        .place = PLACE_PRIVATE, .command = STR_INIT("lang"), .text = STR_INIT("ru"),
	                        .actor = {.platform = TELEGRAM, .platform_id = 77}};
	struct ctx ctx = ctx_of(scene);
	struct reply *reply = NULL;

	assert_int_equal(command_dispatch(&ctx, &update, &reply), OK);
	assert_int_equal(reply->lines[0].message, expected);
}

/* The platform that sends an update again never reads another answer, not even "too often". */
static void a_repeat_is_answered_however_often_one_has_come(void **state)
{
	struct scene *scene = *state;
	struct config config = {.commands_per_minute = 1};

	scene->app->config = &config;
	scene->app->limits = limit_table_new(64);
	assert_non_null(scene->app->limits);
	say_lang(scene, "telegram:main:1", MSG_LANG_SET);
	say_lang(scene, "telegram:main:2", MSG_TOO_OFTEN);
	say_lang(scene, "telegram:main:1", MSG_LANG_SET);
	limit_table_free(scene->app->limits);
}

/* ---- many at once --------------------------------------------------------------------------------------------------------------- */

#define STORM_THREADS 8
#define STORM_PEOPLE 12
#define CODES_MORE 5 /* most codes are refused */
#define STORM_US (4 * SECOND_US)
#define STORM_STEP_US (30 * MINUTE_US)

enum deed {
	DEED_CODE = 0,
	DEED_STAFF_JOIN,
	DEED_STAFF_UNDO,
	DEED_UNDO,
	DEED_UNLINK,
	DEED_STAFF_UNLINK,
	DEED_CHANGE,
	DEED_COUNT
};

struct storm {
	struct app *app;
	int64_t people[STORM_PEOPLE];
	int64_t until; /* monotonic */
	_Atomic int64_t now;
	_Atomic int64_t xp, coins;
	_Atomic int64_t done[DEED_COUNT]; /* those that changed something */
	_Atomic int64_t contended;
	_Atomic int64_t odd; /* statuses that contention does not explain */
};

/* One thread of it. */
struct gust {
	struct storm *storm;
	struct scene scene;
	unsigned seed;
	int number;
};

static size_t pick(struct gust *gust, size_t count)
{
	return (size_t)rand_r(&gust->seed) % count;
}

static enum platform platform_of(size_t who)
{
	return (enum platform)(1 + who % 3);
}

struct entering {
	struct call call;
	struct update update;
};

/* As a command does it: who acts, the step, what the platform shows of him. */
static enum status enter_step(struct tx *tx, void *arg)
{
	struct entering *entering = arg;
	struct call *call = &entering->call;
	struct contact actor = {0};
	enum status status = contact_resolve(tx, &entering->update.actor, &actor);

	if (status == OK) {
		status = linking_redeem(tx, &actor, &call->attempt, &call->result);
	}
	if (status == OK && call->result.outcome == LINK_NEEDS_CONFIRMATION) {
		status = linking_answer(tx, &actor, call->result.confirmation, true, &call->answer, &call->result);
	}
	return status == OK ? contact_seen(tx, &entering->update, &actor) : status;
}

/* One issues, another enters it, each with a new name, so that rows of identities are written too. */
static enum status storm_code(struct gust *gust, bool *ret_done)
{
	struct scene *scene = &gust->scene;
	size_t who = pick(gust, STORM_PEOPLE);
	struct ctx ctx = ctx_of(scene);
	struct entering entering = {.call = {.a = gust->storm->people[pick(gust, STORM_PEOPLE)]}};

	who -= platform_of(who) == WEBSITE ? 1 : 0; /* people of the website do not come by an update */
	enum status status = in_tx(scene, issue_step, &entering.call);

	if (status != OK) {
		return status == CONFLICT ? OK : status;
	}
	entering.update = (struct update){.platform = platform_of(who),
	                                  .bot = bot_of(platform_of(who)),
	                                  .place = PLACE_PRIVATE,
	                                  .actor = {.platform = platform_of(who),
	                                            .platform_id = gust->storm->people[who] + 1000,
	                                            .name = fresh_key(scene, "name")}};
	status = linking_look_up(&ctx, &entering.update.actor, fresh_key(scene, "redeem"), entering.call.code.code, &entering.call.attempt);
	if (status != OK) {
		return status;
	}
	entering.call.attempt.refusal = LINK_OUTCOME_UNSET;
	entering.call.attempt.known = true; /* what counts is decided in PostgreSQL */
	status = tx_run(&ctx, enter_step, &entering);
	*ret_done = status == OK && entering.call.result.outcome == LINK_LINKED;
	return status;
}

/* An account of somebody, a joining, an identity: as they stand at this moment, which may be over when the step runs. */
static enum status look_step(struct tx *tx, struct call *call)
{
	enum status status = identity_account_now(tx, call->a, &call->a);

	return status == OK && call->b != 0 ? identity_account_now(tx, call->b, &call->b) : status;
}

static enum status storm_staff_join(struct gust *gust, bool *ret_done)
{
	struct call call = {.a = gust->storm->people[pick(gust, STORM_PEOPLE)], .b = gust->storm->people[pick(gust, STORM_PEOPLE)]};
	enum status status = in_tx(&gust->scene, look_step, &call);

	if (status == OK) {
		status = in_tx(&gust->scene, staff_join_step, &call);
	}
	*ret_done = status == OK && call.result.outcome == LINK_LINKED;
	return status == NOT_FOUND ? OK : status; /* joined meanwhile */
}

static enum status newest_step(struct tx *tx, struct call *call)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = pg_query(tx->conn, tx->ctx->arena, "SELECT coalesce(max(id), 1) FROM public.merge", &params, &rows);

	if (status == OK) {
		call->merge_id = pg_i64(rows, 0, 0);
	}
	return status;
}

static enum status storm_undo(struct gust *gust, bool by_staff, bool *ret_done)
{
	struct call call = {.a = by_staff ? 0 : gust->storm->people[pick(gust, STORM_PEOPLE)]};
	enum status status = in_tx(&gust->scene, newest_step, &call);

	call.merge_id -= (int64_t)pick(gust, 12);
	if (status == OK && call.merge_id > 0) {
		status = in_tx(&gust->scene, undo_step, &call);
	}
	*ret_done = status == OK && call.undo == LINK_UNDO_ALLOWED;
	return status;
}

static enum status storm_unlink(struct gust *gust, bool by_staff, bool *ret_done)
{
	struct call call = {.b = gust->storm->people[pick(gust, STORM_PEOPLE)]};

	call.a = by_staff ? 0 : gust->storm->people[pick(gust, STORM_PEOPLE)];
	enum status status = in_tx(&gust->scene, unlink_step, &call);

	*ret_done = status == OK && call.unlink == UNLINK_ALLOWED;
	return status == NOT_FOUND && by_staff ? OK : status; /* joined meanwhile */
}

static enum status storm_change(struct gust *gust, bool *ret_done)
{
	bool spend = pick(gust, 2) == 0;
	struct call call = {.a = gust->storm->people[pick(gust, STORM_PEOPLE)], .key = fresh_key(&gust->scene, "change")};
	enum status status = in_tx(&gust->scene, look_step, &call);

	call.xp = 1 + (int64_t)pick(gust, 50);
	call.coins = (spend ? -1 : 1) * (1 + (int64_t)pick(gust, 90));
	if (status == OK) {
		status = in_tx(&gust->scene, earn_step, &call);
	}
	*ret_done = status == OK;
	if (*ret_done) {
		atomic_fetch_add(&gust->storm->xp, call.xp);
		atomic_fetch_add(&gust->storm->coins, call.coins);
	}
	return status == NOT_FOUND || status == INSUFFICIENT ? OK : status;
}

static enum status storm_deed(struct gust *gust, enum deed deed, bool *ret_done)
{
	switch (deed) {
	case DEED_CODE:
		return storm_code(gust, ret_done);
	case DEED_STAFF_JOIN:
		return storm_staff_join(gust, ret_done);
	case DEED_STAFF_UNDO:
	case DEED_UNDO:
		return storm_undo(gust, deed == DEED_STAFF_UNDO, ret_done);
	case DEED_UNLINK:
	case DEED_STAFF_UNLINK:
		return storm_unlink(gust, deed == DEED_STAFF_UNLINK, ret_done);
	case DEED_CHANGE:
		return storm_change(gust, ret_done);
	case DEED_COUNT:
		break;
	}
	return INTERNAL;
}

static void *blow(void *arg)
{
	struct gust *gust = arg;
	struct storm *storm = gust->storm;

	gust->scene = (struct scene){.app = storm->app, .arena = arena_new(ARENA_REQUEST_LIMIT), .turns = (int64_t)gust->number << 32};
	while (clock_monotonic_us() < storm->until) {
		size_t which = pick(gust, DEED_COUNT + CODES_MORE);
		enum deed deed = which < DEED_COUNT ? (enum deed)which : DEED_CODE;
		bool done = false;

		arena_reset(gust->scene.arena);
		gust->scene.now = atomic_fetch_add(&storm->now, STORM_STEP_US);
		enum status status = storm_deed(gust, deed, &done);

		atomic_fetch_add(&storm->done[deed], done ? 1 : 0);
		if (status == UNAVAILABLE || status == TIMED_OUT) {
			atomic_fetch_add(&storm->contended, 1);
		} else if (status != OK) {
			print_error("deed %d: %s\n", (int)deed, status_name(status));
			atomic_fetch_add(&storm->odd, 1);
		}
	}
	arena_free(gust->scene.arena);
	return NULL;
}

static void whatever_many_do_at_once_the_sums_stay(void **state)
{
	struct scene *scene = *state;
	struct storm storm = {.app = scene->app, .until = clock_monotonic_us() + STORM_US, .now = NOW};
	struct gust gusts[STORM_THREADS];
	pthread_t threads[STORM_THREADS];
	int64_t deadlocks = testdb_i64("SELECT deadlocks FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()");

	testdb_exec("SELECT public.make_day_partitions('ledger', (to_timestamp(1800000000) AT TIME ZONE 'UTC')::date, 0, 60)");
	for (size_t i = 0; i < STORM_PEOPLE; i++) {
		storm.people[i] = person(platform_of(i), (int)i + 1);
	}
	for (int i = 0; i < STORM_THREADS; i++) {
		gusts[i] = (struct gust){.storm = &storm, .seed = (unsigned)i + 1, .number = i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, blow, &gusts[i]), 0);
	}
	for (int i = 0; i < STORM_THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	for (int deed = 0; deed < DEED_COUNT; deed++) {
		print_message("deed %d: %lld\n", deed, (long long)storm.done[deed]);
	}
	print_message("contended: %lld\n", (long long)storm.contended);
	assert_true(storm.done[DEED_CODE] > 0 && storm.done[DEED_STAFF_UNDO] > 0 && storm.done[DEED_STAFF_UNLINK] > 0);
	assert_int_equal(storm.odd, 0);
	assert_sound(storm.xp, storm.coins);
	testdb_exec("SELECT pg_catalog.pg_stat_clear_snapshot()");
	assert_int_equal(testdb_i64("SELECT deadlocks FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()"), deadlocks);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_chain_is_undone_from_the_outside),
		TEST(an_undo_gives_back_the_streak_that_was_brought),
		TEST(who_undoes_a_joining_of_his_own_may_link_at_once),
		TEST(whom_the_others_send_away_waits),
		TEST(a_chain_is_undone_from_the_inside),
		TEST(an_inner_undo_takes_nothing_of_a_third),
		TEST(an_outer_undo_returns_no_more_than_the_loser_had),
		TEST(who_came_back_by_himself_stays),
		TEST(an_unlink_ends_what_an_undo_could_take_along),
		TEST(who_came_and_left_stays_in_the_history),
		TEST(an_undo_names_all_who_went_back),
		TEST(an_old_record_names_the_oldest),
		TEST(staff_detach_the_oldest_and_nobody_is_left_alone),
		TEST(the_oldest_stays_the_oldest),
		TEST(whatever_somebody_has_goes_and_returns),
		TEST(sums_of_periods_and_counters_go_and_return),
		TEST(who_has_left_undoes_nothing),
		TEST(strangers_learn_nothing_of_a_joining),
		TEST(all_of_the_issuers_side_may_say_not_me),
		TEST(nobody_is_told_of_himself),
		TEST(staff_join_and_both_sides_are_told),
		TEST(an_undo_takes_the_mark_of_the_new_one_back),
		TEST(a_code_ends_with_a_separation),
		TEST(a_code_is_of_an_account_that_lives),
		TEST(a_code_that_ends_before_the_lock_is_unknown),
		TEST(who_has_left_meanwhile_unlinks_nobody),
		TEST(a_yes_is_to_those_who_were_shown),
		TEST(badges_of_ones_own_are_a_history),
		TEST(three_merges_of_two_histories_whichever_side_one_was_on),
		TEST(only_wrong_codes_count_and_each_person_for_himself),
		TEST(a_new_name_is_written_after_accounts_are_locked),
		TEST(a_choice_is_not_written_to_an_account_that_is_gone),
		TEST(a_farewell_makes_no_account),
		TEST(a_repeat_is_answered_however_often_one_has_come),
		TEST(whatever_many_do_at_once_the_sums_stay),
	};

	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
