/* The economy in the database: the catalogue, every column of a balance, postings exactly once, and marks that no link or unlink sheds. */
#include "service/ledger.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "io/app.h"
#include "io/json.h"
#include "service/applying.h"
#include "service/catalogue.h"
#include "service/events.h"
#include "service/linking.h"
#include "service/tx.h"
#include "store/balance.h"
#include "store/event.h"
#include "store/store.h"
#include "support/catalogue.h"
#include "support/people.h"
#include "support/testdb.h"

static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z */
#define AT "2025-11-20T13:24:14Z"
#define THREADS 8

static struct app *app;
static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new((size_t)16 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	people_forget();
	arena_free(arena);
	return 0;
}

/* ---- one posting in a transaction of its own ---- */

struct call {
	int64_t account;
	struct str key;
	enum ledger_kind kind;
	int64_t xp;
	int64_t coins;
	const char *badge;
	bool settle;
	int64_t tickets; /* moved before */
};

static enum status post(struct tx *tx, void *arg)
{
	const struct call *call = arg;
	struct member member = {0};
	enum status status = account_lock(tx, &call->account, 1);

	if (status == OK) {
		status = member_read(tx, call->account, &member);
	}
	if (status != OK) {
		return status;
	}
	member.balance.tickets_opened += call->tickets;
	struct posting posting = {.account_id = call->account, .balance = &member.balance, .key = call->key, .kind = call->kind,
	                          .source = STR("test"), .xp = call->xp, .coins = call->coins};

	status = call->badge != NULL ? ledger_grant(tx, &posting, str_from_z(call->badge))
	                             : call->settle ? ledger_settle(tx, &posting) : ledger_post(tx, &posting);
	if (status == OK) {
		struct member after = {0};

		/* What the caller is left with is what is stored. */
		status = member_read(tx, call->account, &after);
		assert_memory_equal(&after.balance, &member.balance, sizeof(after.balance));
	}
	return status;
}

static enum status run(struct call call)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	return tx_run(&ctx, post, &call);
}

/* ---- the catalogue ---- */

static enum status get_catalogue(struct tx *tx, void *arg)
{
	return catalogue_get(tx, arg);
}

static const struct economy *catalogue_at(int64_t at)
{
	const struct economy *economy = NULL;
	struct ctx ctx = testdb_ctx(app, arena, at, 10);

	assert_int_equal(tx_run(&ctx, get_catalogue, &economy), OK);
	return economy;
}

static void test_the_migration_holds_the_numbers_of_the_rules(void **state)
{
	const struct economy *got = catalogue_at(now);
	const struct economy *wanted = &default_economy;
	struct economy_rates rates = got->rates;

	(void)state;
	rates.season_start = wanted->rates.season_start;
	assert_memory_equal(&rates, &wanted->rates, sizeof(rates));
	assert_int_equal(got->rank_count, wanted->rank_count);
	for (size_t i = 0; i < wanted->rank_count; i++) {
		assert_true(got->ranks[i].id == wanted->ranks[i].id && str_eq(got->ranks[i].name, wanted->ranks[i].name));
		assert_true(got->ranks[i].xp == wanted->ranks[i].xp && got->ranks[i].coins == wanted->ranks[i].coins);
	}
	assert_int_equal(got->length_count, wanted->length_count);
	assert_memory_equal(got->lengths, wanted->lengths, wanted->length_count * sizeof(*wanted->lengths));
	assert_int_equal(got->badge_count, 18);
	for (size_t i = 0; i < 18; i++) {
		const struct badge *a = &got->badges[i];
		const struct badge *b = &wanted->badges[i];

		assert_true(a->id == b->id && str_eq(a->code, b->code) && a->counter == b->counter && a->at_least == b->at_least);
		assert_true(a->xp == b->xp && a->coins == b->coins && !str_empty(a->name_ru) && !str_empty(a->name_en));
	}
	assert_int_equal(got->mission_count, 19);
	for (size_t i = 0; i < 19; i++) {
		const struct mission *a = &got->missions[i];
		const struct mission *b = &wanted->missions[i];

		assert_true(a->id == b->id && str_eq(a->code, b->code) && a->counter == b->counter && a->goal == b->goal);
		assert_true(a->xp == b->xp && a->coins == b->coins && a->period == b->period && !str_empty(a->name_ru));
	}
}

static void test_a_change_by_staff_is_seen_in_ten_seconds(void **state)
{
	const struct economy *before = catalogue_at(now + HOUR_US);

	(void)state;
	testdb_exec("UPDATE public.rank SET coins = 51 WHERE id = 2");
	assert_ptr_equal(catalogue_at(now + HOUR_US + CATALOGUE_FRESH_US), before);
	assert_int_equal(catalogue_at(now + HOUR_US + CATALOGUE_FRESH_US + 1)->ranks[1].coins, 51);
	assert_int_equal(before->ranks[1].coins, 50); /* who holds it is not disturbed */
	testdb_exec("UPDATE public.rank SET coins = 50 WHERE id = 2");
	assert_int_equal(catalogue_at(now)->ranks[1].coins, 50); /* a clock that was set back */
}

/* ---- balances ---- */

static enum status write_and_read(struct tx *tx, void *arg)
{
	struct event_account account = {.id = *(int64_t *)arg, .changed = true};
	struct event_account back = {0};
	struct member member = {0};

	for (size_t i = 0; i < BALANCE_COLUMNS; i++) {
		int64_t value = 1000 + (int64_t)i;

		memcpy((char *)&account.state.balance + i * sizeof(value), &value, sizeof(value));
	}
	enum status status = event_balances_set(tx, &account, 1);

	if (status == OK) {
		status = event_balances(tx, &account.id, 1, &back);
	}
	if (status == OK) {
		status = member_read(tx, account.id, &member);
	}
	assert_memory_equal(&back.state.balance, &account.state.balance, sizeof(back.state.balance));
	assert_memory_equal(&member.balance, &account.state.balance, sizeof(member.balance));
	return status;
}

static void test_every_column_of_a_balance_has_its_place(void **state)
{
	int64_t account = people_add("telegram", 1, 1);
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct balance first = {0};

	(void)state;
	assert_int_equal(tx_run(&ctx, write_and_read, &account), OK);
	assert_int_equal(people_balance("xp", account), 1000);
	assert_int_equal(people_balance("rank_paid", account), 1000 + BALANCE_COLUMNS - 1);
	assert_int_equal(people_balance("wins_in_row", account), 1000 + (int64_t)(offsetof(struct balance, wins_in_row) / sizeof(first.xp)));
	assert_int_equal(people_balance("day_voice_xp", account), 1000 + (int64_t)(offsetof(struct balance, day_voice_xp) / sizeof(first.xp)));
	assert_int_equal(people_balance("(extract(epoch FROM last_message_at) * 1000000)::bigint", account),
	                 1000 + (int64_t)(offsetof(struct balance, last_message_at) / sizeof(first.xp)));
}

/* ---- events and postings ---- */

static void test_the_example_of_the_rules_end_to_end(void **state)
{
	struct str item = STR("{\"platform\":\"telegram\",\"platform_id\":\"1\",\"type\":\"xp_change\",\"data\":{\"xp\":52250,\"reason\":\"r\"},"
	                      "\"idempotency_key\":\"k\",\"at\":\"" AT "\"}");
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct events_answer answer = {0};
	struct applier applier = {0};
	struct applied applied = {0};

	(void)state;
	assert_int_equal(events_accept(&ctx, STR("api:test"), &item, 1, &answer), OK);
	assert_int_equal(applying_turn(&ctx, &applier, &applied), OK);
	assert_int_equal(applied.count, 1);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', xp, coins, rank_id, achievements) FROM public.unified_users"), "53750 56000 20 2");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger WHERE kind = 'rank_up'"), 19);
	assert_string_equal(testdb_text("SELECT string_agg(b.code, ' ' ORDER BY b.code) FROM public.badge_user_association a"
	                                " JOIN public.badges b ON b.id = a.badge_id WHERE a.earned_in_bot = 'api:test'"), "experienced rich");
	people_assert_verified();
}

static struct str event_text(const char *type, const char *data, const char *key)
{
	return str_printf(arena, "{\"platform\":\"telegram\",\"platform_id\":\"1\",\"type\":\"%s\",\"data\":%s,\"idempotency_key\":\"%s\","
	                         "\"at\":\"" AT "\"}", type, data, key);
}

static void test_a_program_that_may_only_count_gives_nothing(void **state)
{
	struct str items[] = {event_text("message_sent", "{\"length\":500}", "m"), event_text("voice_time", "{\"seconds\":6000}", "v"),
	                      event_text("game_played", "{\"game\":\"go\",\"won\":true}", "g")};
	struct str claimed = event_text("message_sent", "{\"length\":500,\"give_xp\":true}", "c");
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct events_answer answer = {0};
	struct applier applier = {0};
	struct applied applied = {0};

	(void)state;
	assert_int_equal(events_accept_counting(&ctx, STR("api:test"), items, 3, &answer), OK);
	assert_int_equal(answer.accepted, 3);
	/* What we add is no part of what the key stands for, and no program may add it. */
	assert_int_equal(events_accept(&ctx, STR("api:test"), items, 3, &answer), OK);
	assert_int_equal(answer.duplicates, 3);
	assert_int_equal(events_accept(&ctx, STR("api:test"), &claimed, 1, &answer), OK);
	assert_int_equal(answer.rejected, 1);
	assert_int_equal(applying_turn(&ctx, &applier, &applied), OK);
	assert_string_equal(testdb_text("SELECT concat_ws(' ', xp, coins, messages_sent, total_voice_time, games_won) FROM public.unified_users"),
	                    "0 0 1 6000 1");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 0);
}

static void test_postings_pay_what_follows_and_only_once(void **state)
{
	int64_t account = people_add("telegram", 1, 1);

	(void)state;
	assert_int_equal(run((struct call){.account = account, .key = STR("a"), .kind = LEDGER_ADJUST, .xp = 500}), OK);
	assert_int_equal(people_balance("coins", account), 50);
	assert_int_equal(people_balance("week_xp", account), 0); /* adjust does not earn, its rank's coins do */
	assert_int_equal(people_balance("week_coins", account), 50);
	assert_int_equal(run((struct call){.account = account, .key = STR("a"), .kind = LEDGER_ADJUST, .xp = 500}), CONFLICT);
	assert_int_equal(people_balance("xp", account), 500);
	assert_int_equal(run((struct call){.account = account, .key = STR("b"), .kind = LEDGER_ADJUST, .xp = -501}), INSUFFICIENT);
	assert_int_equal(run((struct call){.account = account, .key = STR("c"), .kind = LEDGER_ADJUST}), INVALID);
	assert_int_equal(run((struct call){.account = account, .key = STR("d"), .settle = true, .tickets = 1}), OK);
	assert_int_equal(people_balance("tickets_opened", account), 1);
	assert_int_equal(people_balance("xp", account), 550);
	assert_int_equal(run((struct call){.account = account, .key = STR("e"), .badge = "season_top10"}), OK);
	assert_int_equal(run((struct call){.account = account, .key = STR("f"), .badge = "season_top10"}), OK);
	assert_int_equal(people_balance("xp", account), 2050);
	assert_int_equal(run((struct call){.account = account, .key = STR("g"), .badge = "nosuch"}), NOT_FOUND);
	people_assert_verified();
}

struct poster {
	pthread_t thread;
	int number;
	int64_t account;
	size_t done;
	size_t before;
};

/* Half of the keys are the thread's own, half are everybody's. */
static void *post_many(void *arg)
{
	struct poster *poster = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);

	for (int i = 0; i < 50; i++) {
		arena_reset(own);
		struct ctx ctx = testdb_ctx(app, own, now, 10);
		struct call call = {.account = poster->account, .kind = LEDGER_ADJUST, .xp = 40, .key = i % 2 == 0
			? str_printf(own, "own:%d:%d", poster->number, i) : str_printf(own, "all:%d", i)};
		enum status status = tx_run(&ctx, post, &call);

		/* One of eight may wait past the lock's 500 ms on a busy machine: nothing is done then, and he asks again. */
		for (int tries = 0; status == UNAVAILABLE && tries < 20; tries++) {
			ctx = testdb_ctx(app, own, now, 10);
			status = tx_run(&ctx, post, &call);
		}
		poster->done += status == OK ? 1 : 0;
		poster->before += status == CONFLICT ? 1 : 0;
	}
	arena_free(own);
	return NULL;
}

static void test_eight_threads_post_to_one_account_each_key_once(void **state)
{
	struct poster posters[THREADS];
	int64_t account = people_add("telegram", 1, 1);
	size_t done = 0;
	size_t before = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){.number = i, .account = account};
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
		done += posters[i].done;
		before += posters[i].before;
	}
	assert_int_equal(done, THREADS * 25 + 25);
	assert_int_equal(before, (THREADS - 1) * 25);
	assert_int_equal(people_balance("xp", account), 225 * 40); /* 9,000: D II, whose coins and those below are 1,700 */
	assert_int_equal(people_balance("coins", account), 50 + 100 + 150 + 200 + 300 + 400 + 500);
	people_assert_verified();
}

/* ---- notices ---- */

static void test_a_jump_over_ranks_is_one_notice_to_who_wants_it(void **state)
{
	int64_t a = people_add("discord", 1, 3);
	int64_t b = people_add("discord", 2, 2);
	int64_t c = people_add("telegram", 3, 1); /* has never written to a bot: cannot be reached */

	(void)state;
	testdb_exec("UPDATE public.account SET notify_rank = false WHERE id = 2");
	assert_int_equal(run((struct call){.account = a, .key = STR("a"), .kind = LEDGER_XP_CHANGE, .xp = 3600}), OK);
	assert_int_equal(run((struct call){.account = b, .key = STR("b"), .kind = LEDGER_XP_CHANGE, .xp = 3600}), OK);
	assert_int_equal(run((struct call){.account = c, .key = STR("c"), .kind = LEDGER_XP_CHANGE, .xp = 3600}), OK);
	assert_int_equal(run((struct call){.account = a, .key = STR("d"), .kind = LEDGER_XP_CHANGE, .xp = 1}), OK);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', platform, bot, account_id, recipient, topic, status), ', ')"
	                                " FROM public.outbox"), "discord discord 1 1 rank pending");
	assert_true(testdb_i64("SELECT position('E II'::bytea IN body) FROM public.outbox") > 0);
	assert_true(testdb_i64("SELECT position('RANK_REWARD'::bytea IN body) FROM public.outbox") > 0);
}

static void test_ranks_of_a_batch_are_told_by_the_bot_where_it_began(void **state)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);
	struct applier applier = {0};
	struct applied applied = {0};

	(void)state;
	(void)people_add("telegram", 1, 1);
	(void)people_add("telegram", 2, 1);
	testdb_exec("INSERT INTO public.identity_reach (identity_id, bot, can_message, changed_at)"
	            " SELECT i.id, b.bot, true, now() FROM public.identity i, (VALUES ('main'), ('quiz')) AS b(bot)");
	/* Four batches' worth of ranks in one: told once, with the sum. */
	testdb_exec("INSERT INTO public.event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at)"
	            " SELECT 5, 'telegram', 1 + n % 2, 'telegram:quiz', 'xp_change', '{\"xp\": 600, \"reason\": \"\"}', 'n' || n, now(), now()"
	            " FROM generate_series(1, 8) AS n");
	assert_int_equal(applying_turn(&ctx, &applier, &applied), OK);
	assert_int_equal(applied.count, 8);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', bot, recipient, position('E I'::bytea IN body) > 0), ', '"
		" ORDER BY recipient)"
	                                " FROM public.outbox"), "quiz 1 t, quiz 2 t");
	people_assert_verified();
}

/* ---- marks ---- */

static void in_tx(enum status (*step)(struct tx *, void *), struct people_pair *pair)
{
	struct ctx ctx = testdb_ctx(app, arena, now, 10);

	assert_int_equal(tx_run(&ctx, step, pair), OK);
}

static int64_t total(const char *column)
{
	return testdb_i64f("SELECT sum(%s)::bigint FROM public.account_balance", column);
}

static void test_a_link_pays_its_badge_and_mission_once_for_ever(void **state)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 2), .b = people_add("discord", 2, 1)};

	(void)state;
	in_tx(people_join, &pair);
	assert_int_equal(pair.result.outcome, LINK_LINKED);
	assert_int_equal(people_balance("xp", pair.a), 100);
	assert_int_equal(people_balance("coins", pair.a), 250);
	assert_int_equal(people_balance("links", pair.a), 2);
	assert_string_equal(testdb_text("SELECT string_agg(kind || ' ' || reason, ', ' ORDER BY id) FROM public.ledger"),
	                    "badge linked, mission_completed once_link");
	for (int turn = 0; turn < 3; turn++) {
		struct people_pair again = {.a = pair.a};

		in_tx(people_unlink, &again);
		assert_int_equal(again.unlink, UNLINK_ALLOWED);
		again.b = people_account("discord", 2);
		assert_int_not_equal(again.b, pair.a);
		assert_int_equal(people_balance("xp + coins", again.b), 0);
		assert_int_equal(people_balance("achievements", again.b), 1);
		in_tx(people_join, &again);
		assert_int_equal(again.result.outcome, LINK_LINKED);
		assert_int_equal(total("xp"), 100);
		assert_int_equal(total("coins"), 250);
		people_assert_verified();
	}
	/* The new account of the detached one is paid nothing for a link with somebody new either. */
	struct people_pair third = {.a = pair.a};

	in_tx(people_unlink, &third);
	testdb_exec("UPDATE public.identity SET detached_at = detached_at - interval '2 days' WHERE detached_at IS NOT NULL");
	third.a = people_account("discord", 2);
	third.b = people_add("telegram", 3, 0);
	in_tx(people_join, &third);
	assert_int_equal(third.result.outcome, LINK_LINKED);
	assert_int_equal(total("xp"), 100);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.badge_user_association WHERE copied"), 1);
	people_assert_verified();
}

static void test_ranks_are_paid_once_over_merges_and_undos(void **state)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 2), .b = people_add("discord", 2, 1)};

	(void)state;
	assert_int_equal(run((struct call){.account = pair.a, .key = STR("a"), .kind = LEDGER_XP_CHANGE, .xp = 1200}), OK);
	assert_int_equal(run((struct call){.account = pair.b, .key = STR("b"), .kind = LEDGER_XP_CHANGE, .xp = 700}), OK);
	assert_int_equal(total("coins"), 50 + 50); /* F II, each when it was his own */
	in_tx(people_join, &pair);
	/* Together 1,900 and the badge's 100: F III is new to both. Nothing that either had is paid again. */
	assert_int_equal(people_balance("xp", pair.a), 2000);
	assert_int_equal(people_balance("coins", pair.a), 100 + 100 + 100 + 150);
	assert_int_equal(people_balance("rank_paid", pair.a), 3);
	int64_t xp = total("xp");
	int64_t coins = total("coins");

	in_tx(people_undo, &pair);
	assert_int_equal(pair.undo, LINK_UNDO_ALLOWED);
	assert_int_equal(total("xp"), xp);
	assert_int_equal(total("coins"), coins);
	assert_int_equal(people_balance("rank_paid", pair.b), 3);
	assert_int_equal(people_balance("achievements", pair.b), 1);
	assert_int_equal(people_balance("xp", pair.b), 700);
	/* The loser reaches F III by himself: it was paid. */
	assert_int_equal(run((struct call){.account = pair.b, .key = STR("c"), .kind = LEDGER_XP_CHANGE, .xp = 600}), OK);
	assert_int_equal(total("coins"), coins);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger WHERE kind = 'rank_up'"), 3);
}

static void test_the_longer_run_and_every_cap_outlive_a_merge(void **state)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 2), .b = people_add("discord", 2, 1)};

	(void)state;
	testdb_exec("UPDATE public.account_balance SET wins_best = 4, wins_in_row = 1, xp_day_no = 20412, day_message_xp = 200,"
	            " last_message_at = to_timestamp(1763645000), last_text = 7, games_played = 5 WHERE account_id = 1");
	testdb_exec("UPDATE public.account_balance SET wins_best = 3, wins_in_row = 3, xp_day_no = 20412, day_message_xp = 150,"
	            " last_message_at = to_timestamp(1763645060), last_text = 9, games_played = 2 WHERE account_id = 2");
	in_tx(people_join, &pair);
	assert_int_equal(people_balance("wins_best", pair.a), 4);
	assert_int_equal(people_balance("wins_in_row", pair.a), 3);
	assert_int_equal(people_balance("day_message_xp", pair.a), 350);
	assert_int_equal(people_balance("last_text", pair.a), 9);
	assert_int_equal(people_balance("games_played", pair.a), 7);
	struct people_pair leave = {.a = pair.a};

	in_tx(people_unlink, &leave);
	int64_t left = people_account("discord", 2);

	assert_int_equal(people_balance("day_message_xp", left), 350);
	assert_int_equal(people_balance("last_text", left), 9);
	assert_int_equal(people_balance("extract(epoch FROM last_message_at)::bigint", left), 1763645060);
	assert_int_equal(people_balance("games_played + wins_best", left), 0);
}

static void test_missions_unite_and_are_claimed_once(void **state)
{
	struct people_pair pair = {.a = people_add("telegram", 1, 2), .b = people_add("discord", 2, 1)};

	(void)state;
	testdb_exec("INSERT INTO public.mission_progress (user_id, mission_id, period_no, completed_at, claimed_at) VALUES"
	            " (1, 1, 20412, to_timestamp(1763645000), NULL), (1, 7, 0, to_timestamp(1763645000), to_timestamp(1763645000)),"
	            " (2, 1, 20412, to_timestamp(1763645000), to_timestamp(1763645001)), (2, 2, 20412, to_timestamp(1763645000), NULL),"
	            " (1, 3, 20411, to_timestamp(1763545000), NULL)");
	in_tx(people_join, &pair);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', mission_id, claimed_at IS NOT NULL), ', ' ORDER BY mission_id)"
	                                " FROM public.mission_progress WHERE user_id = 1 AND mission_id < 14"), "1 t, 2 f, 3 f, 7 t");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.mission_progress WHERE user_id = 2"), 0);
	in_tx(people_undo, &pair);
	/* What runs and what is done once, as marks: there is nothing to claim on the other side. */
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', mission_id, copied), ', ' ORDER BY mission_id)"
	                                " FROM public.mission_progress WHERE user_id = 2 AND mission_id < 14"), "1 t, 2 t, 7 t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_migration_holds_the_numbers_of_the_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_change_by_staff_is_seen_in_ten_seconds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_column_of_a_balance_has_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_example_of_the_rules_end_to_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_program_that_may_only_count_gives_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_postings_pay_what_follows_and_only_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eight_threads_post_to_one_account_each_key_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_jump_over_ranks_is_one_notice_to_who_wants_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranks_of_a_batch_are_told_by_the_bot_where_it_began, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_pays_its_badge_and_mission_once_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranks_are_paid_once_over_merges_and_undos, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_longer_run_and_every_cap_outlive_a_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missions_unite_and_are_claimed_once, setup, teardown),
	};
	int failed = testdb_setup(NULL);

	json_setup();
	app = testdb_app(THREADS + 2);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return failed + testdb_teardown(NULL);
}
