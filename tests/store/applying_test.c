/* Applying: in order per identity, each event exactly once, whatever fails in between; and what becomes of an event that always fails. */
#include "service/applying.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/economy.h"
#include "io/app.h"
#include "io/json.h"
#include "service/events.h"
#include "support/catalogue.h"
#include "support/people.h"
#include "support/random.h"
#include "support/testdb.h"

static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z */
#define AT "2025-11-20T13:24:14Z"
#define TURNS_MAX 10000

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

static void accept(const struct str *items, size_t count)
{
	struct arena *own = arena_new(ARENA_REQUEST_LIMIT);
	struct ctx ctx = testdb_ctx(app, own, now, 10);
	struct events_answer answer = {0};

	assert_int_equal(events_accept(&ctx, STR("api:test"), items, count, &answer), OK);
	assert_int_equal(answer.accepted, count);
	arena_free(own);
}

static struct str event_text(const char *platform, int64_t id, const char *type, const char *data, const char *key)
{
	return str_printf(arena, "{\"platform\":\"%s\",\"platform_id\":\"%lld\",\"type\":\"%s\",\"data\":%s,"
	                         "\"idempotency_key\":\"%s\",\"at\":\"" AT "\"}",
	                  platform, (long long)id, type, data, key);
}

/* Turns until there is nothing to do. Failures of batches are the applier's own affair. */
static size_t apply_all(struct app *with, size_t *ret_set_aside)
{
	struct arena *own = arena_new((size_t)16 * 1024 * 1024);
	struct applier applier = {0};
	size_t count = 0;

	for (int turn = 0; turn < TURNS_MAX; turn++) {
		arena_reset(own);
		struct ctx ctx = testdb_ctx(with, own, now, 10);
		struct applied applied = {0};
		enum status status = applying_turn(&ctx, &applier, &applied);

		count += applied.count;
		if (ret_set_aside != NULL) {
			*ret_set_aside += applied.set_aside != 0 ? 1 : 0;
		}
		if (status == NOT_FOUND) {
			arena_free(own);
			return count;
		}
	}
	fail_msg("it never ends");
	return 0;
}

static void test_events_become_balances_ledger_and_archive(void **state)
{
	struct str items[] = {
		event_text("telegram", 1, "xp_change", "{\"xp\":10,\"reason\":\"well done\"}", "a"),
		event_text("telegram", 1, "coins_change", "{\"coins\":5,\"reason\":\"\"}", "b"),
		event_text("telegram", 1, "xp_change", "{\"xp\":-11,\"reason\":\"too much\"}", "c"),
		event_text("telegram", 1, "xp_change", "{\"xp\":-10,\"reason\":\"just enough\"}", "d"),
		event_text("telegram", 1, "message_sent", "{\"length\":120,\"chat\":\"-100\"}", "e"),
		event_text("telegram", 1, "voice_time", "{\"seconds\":600,\"muted_seconds\":100,\"alone_seconds\":50}", "f"),
		event_text("telegram", 1, "game_played", "{\"game\":\"go\",\"won\":true,\"score\":-3}", "g"),
		event_text("telegram", 1, "game_played", "{\"game\":\"go\",\"won\":false}", "h"),
		event_text("telegram", 1, "achievement_unlock", "{\"badge\":\"first_win\"}", "i"),
		event_text("telegram", 1, "achievement_unlock", "{\"badge\":\"nosuch\"}", "j"),
	};

	(void)state;
	accept(items, ARRAY_LEN(items));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.cross_platform_events WHERE processed"), 0);
	assert_int_equal(apply_all(app, NULL), ARRAY_LEN(items));
	assert_string_equal(testdb_text("SELECT concat_ws(',', xp, coins, messages_sent, total_voice_time, games_played, games_won, achievements)"
	                                " FROM public.unified_users"), "104,180,1,450,2,1,1");
	/* first contact at `now`, so that nothing older counts as last seen */
	assert_string_equal(testdb_text("SELECT last_active AT TIME ZONE 'UTC' FROM public.unified_users"), "2025-11-20 13:24:24");
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', idempotency_key, kind, source, xp, coins, xp_after, coins_after, reason,"
	                                " at AT TIME ZONE 'UTC'), '; ' ORDER BY id) FROM public.ledger"),
	                    "a xp_change api:test 10 0 10 0 well done 2025-11-20 13:24:24; b coins_change api:test 0 5 10 5 2025-11-20 13:24:24; "
	                    "d xp_change api:test -10 0 0 5 just enough 2025-11-20 13:24:24; "
	                    "e message_sent api:test 3 0 3 5 2025-11-20 13:24:24; f voice_time api:test 1 0 4 5 2025-11-20 13:24:24; "
	                    "g:badge:first_win badge api:test 100 50 104 55 first_win 2025-11-20 13:24:24; "
	                    "g:mission:once_play_1 mission_completed api:test 0 50 104 105 once_play_1 2025-11-20 13:24:24; "
	                    "g:mission:once_win_1 mission_completed api:test 0 75 104 180 once_win_1 2025-11-20 13:24:24");
	assert_string_equal(testdb_text("SELECT string_agg(key || ':' || coalesce(rejected, 'ok'), ' ' ORDER BY id) FROM public.event"),
	                    "a:ok b:ok c:insufficient d:ok e:ok f:ok g:ok h:ok i:ok j:badge-unknown");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.cross_platform_events WHERE processed"), ARRAY_LEN(items));
	people_assert_verified();
	assert_int_equal(apply_all(app, NULL), 0);
}

static void test_people_without_an_account_get_one(void **state)
{
	(void)state;
	/* As a writer of the queue leaves it that makes no accounts. */
	testdb_exec("INSERT INTO public.event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at)"
	            " SELECT 46, 'discord', 7, 'telegram', 'message_sent', '{\"length\": 5}', 'k' || n, now(), now()"
	            " FROM generate_series(1, 2) AS n");
	assert_int_equal(apply_all(app, NULL), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.account"), 1);
	assert_int_equal(testdb_i64("SELECT messages_sent FROM public.unified_users WHERE discord_id = 7"), 2);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event e JOIN public.account a ON a.id = e.user_id"), 2);
}

static void test_events_go_to_the_survivor(void **state)
{
	struct str items[] = {
		event_text("telegram", 1, "xp_change", "{\"xp\":10,\"reason\":\"\"}", "a"),
		event_text("discord", 2, "xp_change", "{\"xp\":7,\"reason\":\"\"}", "b"),
	};

	(void)state;
	accept(items, 2);
	testdb_exec("WITH t AS (SELECT account_id FROM public.identity WHERE platform = 'telegram'), d AS ("
	            "UPDATE public.identity SET account_id = (SELECT account_id FROM t) WHERE platform = 'discord')"
	            "UPDATE public.account SET merged_into = (SELECT account_id FROM t), merged_at = now()"
	            " WHERE id <> (SELECT account_id FROM t)");
	assert_int_equal(apply_all(app, NULL), 2);
	assert_int_equal(testdb_i64("SELECT xp FROM public.unified_users"), 17);
	people_assert_verified();
}

struct turn {
	pthread_t thread;
	struct applied applied;
	enum status status;
};

static void *take_turn(void *arg)
{
	struct turn *turn = arg;
	struct arena *own = arena_new((size_t)16 * 1024 * 1024);
	struct ctx ctx = testdb_ctx(app, own, now, 10);
	struct applier applier = {0};

	turn->status = applying_turn(&ctx, &applier, &turn->applied);
	arena_free(own);
	return NULL;
}

/* The identity leaves between the batch's first look and its lock: its events wait for the next batch and reach the new account. */
static void test_events_of_an_identity_that_moves_meanwhile_wait(void **state)
{
	struct str items[] = {
		event_text("telegram", 1, "xp_change", "{\"xp\":10,\"reason\":\"\"}", "a"),
		event_text("telegram", 1, "xp_change", "{\"xp\":-10,\"reason\":\"\"}", "b"),
		event_text("discord", 2, "xp_change", "{\"xp\":1,\"reason\":\"\"}", "c"),
	};
	struct turn turn = {0};

	(void)state;
	testdb_exec("INSERT INTO public.account (id, created_at) VALUES (77, now()); INSERT INTO public.account_balance (account_id) VALUES (77);"
	            "INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)"
	            " VALUES (77, 'discord', 2, now(), now(), now())");
	accept(items, 3);
	/* Both accounts are of one batch, so that both are locked. */
	testdb_exec("UPDATE public.event_queue SET lane = 5");
	testdb_exec("BEGIN; SELECT id FROM public.account ORDER BY id FOR NO KEY UPDATE");
	assert_int_equal(pthread_create(&turn.thread, NULL, take_turn, &turn), 0);
	(void)usleep(200 * 1000); /* it waits for the account's lock now, for 500 ms at most */
	testdb_exec("UPDATE public.identity SET account_id = 77 WHERE platform = 'telegram'; COMMIT");
	assert_int_equal(pthread_join(turn.thread, NULL), 0);
	assert_int_equal(turn.status, OK);
	assert_int_equal(turn.applied.count, 1);
	assert_string_equal(testdb_text("SELECT string_agg(idempotency_key, ',') FROM public.ledger"), "c");
	assert_int_equal(apply_all(app, NULL), 2);
	assert_string_equal(testdb_text("SELECT string_agg(idempotency_key, ',' ORDER BY id) FROM public.ledger WHERE user_id = 77"), "c,a,b");
	people_assert_verified();
}

static void test_a_lane_that_another_worker_holds_is_left_to_it(void **state)
{
	struct str item = event_text("telegram", 1, "xp_change", "{\"xp\":10,\"reason\":\"\"}", "a");

	(void)state;
	accept(&item, 1);
	testdb_exec("BEGIN; SELECT lane FROM public.event_lane WHERE lane = (SELECT lane FROM public.event_queue) FOR UPDATE");
	assert_int_equal(apply_all(app, NULL), 0);
	testdb_exec("COMMIT");
	assert_int_equal(apply_all(app, NULL), 1);
}

static void test_the_lag_is_the_age_of_the_oldest(void **state)
{
	struct str item = event_text("telegram", 1, "xp_change", "{\"xp\":10,\"reason\":\"\"}", "a");
	struct ctx ctx = testdb_ctx(app, arena, now + 3 * SECOND_US, 5);
	struct applying_load load = {0};

	(void)state;
	assert_int_equal(applying_look(&ctx, &load), OK);
	assert_int_equal(load.lag, 0);
	int64_t accepted = load.accepted;

	accept(&item, 1);
	assert_int_equal(applying_look(&ctx, &load), OK);
	assert_int_equal(load.lag, 3 * SECOND_US);
	assert_int_equal(load.aside, 0);
	assert_int_equal(load.accepted - accepted, 1);
	assert_false(load.yields);
	testdb_exec("UPDATE public.event_queue SET attempts = 5");
	assert_int_equal(applying_look(&ctx, &load), OK);
	assert_int_equal(load.lag, 0);
	assert_int_equal(load.aside, 1);
}

/* Above what is promised accepting goes first, for as long as nobody waits too long. */
static void test_applying_yields_to_accepting(void **state)
{
	const struct applying_load before = {.at = 100, .accepted = 1000};
	const struct applying_load never = {0};
	struct applying_load seen = {.at = 100 + SECOND_US / 2, .accepted = 1000 + APPLYING_AT_ONCE / 2};

	(void)state;
	assert_false(applying_yields(&before, &seen));
	seen.accepted += 1;
	assert_true(applying_yields(&before, &seen));
	assert_false(applying_yields(&never, &seen));
	seen.lag = APPLYING_PATIENCE_US - 1;
	assert_true(applying_yields(&before, &seen));
	seen.lag = APPLYING_PATIENCE_US;
	assert_false(applying_yields(&before, &seen));
	seen.at = before.at;
	assert_false(applying_yields(&before, &seen));

	assert_int_equal(applying_rest(&seen, 1000), 0);
	seen.yields = true;
	assert_int_equal(applying_rest(&seen, 1000), 9000);
	assert_int_equal(applying_rest(&seen, 10 * SECOND_US), 2 * SECOND_US);
}

/* ---- events that fail ---- */

static void test_a_poisoned_event_stands_aside_and_the_others_go_on(void **state)
{
	enum { COUNT = 40 };
	struct str items[COUNT];
	size_t set_aside = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%02d", i);
		items[i] = event_text("telegram", 1, "xp_change", "{\"xp\":1,\"reason\":\"\"}", key);
	}
	accept(items, COUNT);
	testdb_exec("UPDATE public.event_queue SET type = 'of_the_future' WHERE key = 'k13'");
	testdb_exec("UPDATE public.event_queue SET data = '{\"xp\": 0, \"reason\": \"\"}' WHERE key = 'k27'");
	assert_int_equal(apply_all(app, &set_aside), COUNT - 2);
	assert_int_equal(set_aside, 2);
	assert_int_equal(testdb_i64("SELECT xp FROM public.unified_users"), COUNT - 2);
	assert_string_equal(testdb_text("SELECT string_agg(concat_ws(' ', key, attempts, error), ', ' ORDER BY id) FROM public.event_queue"),
	                    "k13 5 invalid, k27 5 invalid");
	/* In the order sent, around the two. */
	assert_string_equal(testdb_text("SELECT CASE WHEN array_agg(idempotency_key ORDER BY id) ="
	                                " array_agg(idempotency_key ORDER BY idempotency_key)"
	                                " THEN 'ordered' ELSE 'not' END FROM public.ledger"), "ordered");
	people_assert_verified();
	/* Mended and given back by the operator. */
	testdb_exec("UPDATE public.event_queue SET type = 'xp_change', data = '{\"xp\": 1, \"reason\": \"\"}', attempts = 0");
	assert_int_equal(apply_all(app, NULL), 2);
	assert_int_equal(testdb_i64("SELECT xp FROM public.unified_users"), COUNT);
}

static void test_a_batch_that_failed_half_way_leaves_nothing(void **state)
{
	struct str items[] = {
		event_text("telegram", 1, "xp_change", "{\"xp\":10,\"reason\":\"\"}", "a"),
		event_text("telegram", 1, "coins_change", "{\"coins\":3,\"reason\":\"\"}", "b"),
	};
	struct ctx ctx = testdb_ctx(app, arena, now, 5);
	struct applier applier = {0};
	struct applied applied = {0};

	(void)state;
	accept(items, 2);
	/* The last statement of the transaction fails, after balances and ledger were written. */
	testdb_exec("ALTER TABLE public.event ADD CONSTRAINT never CHECK (id < 0) NOT VALID");
	assert_int_equal(applying_turn(&ctx, &applier, &applied), INVALID);
	assert_int_equal(testdb_i64("SELECT coalesce(sum(xp + coins), 0) FROM public.account_balance"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.ledger"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue WHERE attempts = 0"), 2);
	testdb_exec("ALTER TABLE public.event DROP CONSTRAINT never");
	assert_int_equal(apply_all(app, NULL), 2);
	assert_int_equal(testdb_i64("SELECT sum(xp + coins) FROM public.account_balance"), 13);
	people_assert_verified();
}

/* ---- many at once ---- */

#define PEOPLE 50
#define SENDERS 4
#define APPLIERS 8
#define ROUNDS 6
#define PER_ROUND 100

static struct event random_event(uint64_t *seed)
{
	static const enum event_type types[] = {EVENT_XP_CHANGE, EVENT_COINS_CHANGE, EVENT_MESSAGE_SENT, EVENT_VOICE_TIME, EVENT_GAME_PLAYED};
	struct event event = {.type = types[random_next(seed) % ARRAY_LEN(types)], .at = now - 10 * SECOND_US};
	int64_t amount = (int64_t)(random_next(seed) % 1000) + 1;

	event.values[0] = (struct event_value){.present = true, .number = amount, .text = STR("go")};
	event.values[1] = (struct event_value){.present = true, .text = STR("r")};
	/* Nothing whose reward depends on the order: the longest messages, all of one time, of which one counts; games that are all won. */
	if (event.type == EVENT_VOICE_TIME || event.type == EVENT_MESSAGE_SENT) {
		event.values[1] = (struct event_value){0};
		event.values[0].number += event.type == EVENT_MESSAGE_SENT ? 500 : 0;
	} else if (event.type == EVENT_GAME_PLAYED) {
		event.values[1].number = 1;
	}
	return event;
}

struct sender {
	pthread_t thread;
	int number;
	struct { int person; struct event event; } told[ROUNDS * PER_ROUND];
	size_t sent;
	atomic_int *senders_left;
};

/*
 * Only additions, so that the sum does not depend on the order between the two identities of one account; what depends on the order is
 * proved by the rows themselves (assert_verified).
 */
static void *send(void *arg)
{
	struct sender *sender = arg;
	struct arena *own = arena_new((size_t)8 * 1024 * 1024);
	uint64_t seed = UINT64_C(88172645463325252) + (uint64_t)sender->number;

	for (int round = 0; round < ROUNDS; round++) {
		struct str items[PER_ROUND];
		struct events_answer answer = {0};

		arena_reset(own);
		struct ctx ctx = testdb_ctx(app, own, now, 10);

		for (int i = 0; i < PER_ROUND; i++) {
			int person = (int)(random_next(&seed) % PEOPLE);
			bool telegram = random_next(&seed) % 2 != 0;
			struct event event = random_event(&seed);

			sender->told[round * PER_ROUND + i].person = person;
			sender->told[round * PER_ROUND + i].event = event;
			items[i] = str_printf(own, "{\"platform\":\"%s\",\"platform_id\":\"%d\",\"type\":\"" STR_FMT "\",\"data\":" STR_FMT
			                           ",\"idempotency_key\":\"s%d-%d-%d\",\"at\":\"" AT "\"}", telegram ? "telegram" : "discord", person + 1,
			                      STR_ARG(event_shape(event.type)->name), STR_ARG(event_data_text(own, &event)), sender->number, round, i);
		}
		if (events_accept(&ctx, STR("api:test"), items, PER_ROUND, &answer) == OK) {
			sender->sent += answer.accepted;
		}
	}
	atomic_fetch_sub(sender->senders_left, 1);
	arena_free(own);
	return NULL;
}

struct applying {
	pthread_t thread;
	atomic_int *senders_left;
	size_t applied;
	size_t failures;
};

static void *apply_while_sent(void *arg)
{
	struct applying *applying = arg;
	struct arena *own = arena_new((size_t)16 * 1024 * 1024);
	struct applier applier = {0};
	bool done = false;

	while (!done) {
		/* Read before the turn: what was sent until then is seen by it, or is in another's hands. */
		bool last = atomic_load(applying->senders_left) == 0;

		arena_reset(own);
		struct ctx ctx = testdb_ctx(app, own, now, 10);
		struct applied applied = {0};
		enum status status = applying_turn(&ctx, &applier, &applied);

		applying->applied += applied.count;
		applying->failures += status != OK && status != NOT_FOUND ? 1 : 0;
		done = last && status == NOT_FOUND;
		if (status == NOT_FOUND) {
			(void)usleep(2000);
		}
	}
	arena_free(own);
	return NULL;
}

/* Two identities for each of 50 accounts. */
static void make_people(void)
{
	testdb_exec("INSERT INTO public.account (id, created_at) SELECT 1000 + n, now() FROM generate_series(1, 50) AS n;"
	            "INSERT INTO public.account_balance (account_id) SELECT 1000 + n FROM generate_series(1, 50) AS n;"
	            "INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)"
	            " SELECT 1000 + n, p::public.platform, n, now(), now(), now()"
	            " FROM generate_series(1, 50) AS n, (VALUES ('telegram'), ('discord')) AS v(p)");
}

/* All that was told of one person, one after the other, by the engine alone. */
static struct economy_account alone(const struct sender *senders, int person)
{
	struct economy_account account = {.balance.rank_paid = 1};
	struct economy_effects effects = {0};
	struct str rejected = STR_ABSENT;

	for (int i = 0; i < SENDERS; i++) {
		for (size_t j = 0; j < ARRAY_LEN(senders[i].told); j++) {
			economy_effects_begin(&effects, arena);
			struct economy_turn turn = {.economy = &default_economy, .running = economy_periods(&default_economy, now), .key = STR("k"),
			                            .account = &account, .effects = &effects};

			if (senders[i].told[j].person == person) {
				assert_int_equal(economy_apply(&turn, &senders[i].told[j].event, &rejected), OK);
				assert_false(str_present(rejected));
			}
		}
	}
	return account;
}

static void compare_with_oracle(const struct sender *senders)
{
	for (int person = 0; person < PEOPLE; person++) {
		struct balance sum = alone(senders, person).balance;
		struct str sql = str_printf(arena, "SELECT concat_ws(' ', xp, coins, messages_sent, voice_seconds, games_played, games_won,"
		                                   " wins_best, week_xp, achievements, rank_paid) FROM public.account_balance"
		                                   " WHERE account_id = %d", 1001 + person);
		struct str wanted = str_printf(arena, "%lld %lld %lld %lld %lld %lld %lld %lld %lld %lld", (long long)sum.xp, (long long)sum.coins,
		                               (long long)sum.messages_sent, (long long)sum.voice_seconds, (long long)sum.games_played,
		                               (long long)sum.games_won, (long long)sum.wins_best, (long long)sum.week_xp,
		                               (long long)sum.achievements, (long long)sum.rank_paid);

		assert_string_equal(testdb_text(str_z(arena, sql)), str_z(arena, wanted));
	}
	assert_int_equal(testdb_i64("SELECT sum(achievements) - (SELECT count(*) FROM public.badge_user_association)"
	                            " FROM public.account_balance"), 0);
}

static void test_eight_appliers_equal_the_oracle(void **state)
{
	static struct sender senders[SENDERS];
	struct applying appliers[APPLIERS];
	atomic_int senders_left = SENDERS;
	size_t sent = 0;
	size_t applied = 0;
	int64_t start = clock_monotonic_us();

	(void)state;
	make_people();
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){.number = i, .senders_left = &senders_left};
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send, &senders[i]), 0);
	}
	for (int i = 0; i < APPLIERS; i++) {
		appliers[i] = (struct applying){.senders_left = &senders_left};
		assert_int_equal(pthread_create(&appliers[i].thread, NULL, apply_while_sent, &appliers[i]), 0);
	}
	for (int i = 0; i < SENDERS; i++) {
		assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
		sent += senders[i].sent;
	}
	for (int i = 0; i < APPLIERS; i++) {
		assert_int_equal(pthread_join(appliers[i].thread, NULL), 0);
		applied += appliers[i].applied;
		assert_int_equal(appliers[i].failures, 0);
	}
	applied += apply_all(app, NULL);
	print_message("%zu events of %d accounts by %d appliers: %lld ms\n", applied, PEOPLE, APPLIERS,
	              (long long)(clock_monotonic_us() - start) / 1000);
	assert_int_equal(sent, SENDERS * ROUNDS * PER_ROUND);
	assert_int_equal(applied, sent);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event_queue"), 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.event WHERE rejected IS NULL"), sent);
	compare_with_oracle(senders);
	people_assert_verified();
	/* Per identity in the order in which its sender sent. */
	assert_int_equal(testdb_i64("WITH k AS (SELECT l.id, e.user_id, e.platform, split_part(e.key, '-', 1) AS sender,"
	                            " split_part(e.key, '-', 2)::int * 1000 + split_part(e.key, '-', 3)::int AS n"
	                            " FROM public.ledger l JOIN public.event e ON e.key = l.idempotency_key)"
	                            " SELECT count(*) FROM (SELECT n, lag(n) OVER w AS before FROM k"
	                            " WINDOW w AS (PARTITION BY user_id, platform, sender ORDER BY id)) s WHERE n < before"), 0);
}

/* A backlog: how fast it goes, and that a plan made for an empty queue does not spoil it. */
static void test_a_backlog_is_worked_off(void **state)
{
	enum { BACKLOG = 20000 };

	(void)state;
	apply_all(app, NULL);
	make_people();
	testdb_exec("INSERT INTO public.event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at)"
	            " SELECT n % 50, 'telegram', 1 + n % 50, 'api:test', 'xp_change', '{\"xp\": 1, \"reason\": \"\"}', 'b' || n, now(), now()"
	            " FROM generate_series(1, 20000) AS n");
	int64_t start = clock_monotonic_us();

	assert_int_equal(apply_all(app, NULL), BACKLOG);
	print_message("%d events by one applier: %lld ms\n", BACKLOG, (long long)(clock_monotonic_us() - start) / 1000);
	assert_int_equal(testdb_i64("SELECT sum(xp) FROM public.account_balance"), BACKLOG);
	people_assert_verified();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_events_become_balances_ledger_and_archive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_people_without_an_account_get_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_go_to_the_survivor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_of_an_identity_that_moves_meanwhile_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_lane_that_another_worker_holds_is_left_to_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_lag_is_the_age_of_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_applying_yields_to_accepting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_poisoned_event_stands_aside_and_the_others_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_batch_that_failed_half_way_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eight_appliers_equal_the_oracle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_backlog_is_worked_off, setup, teardown),
	};
	int failed = testdb_setup(NULL);

	json_setup();
	app = testdb_app(APPLIERS + SENDERS);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	testdb_app_close(app);
	return failed + testdb_teardown(NULL);
}
