/* notify, the outbox and its leases against a real server: who may send what, and what is written about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/app.h"
#include "service/delivery.h"
#include "service/notify.h"
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
	struct delivery_owner other;
};

static int set_up(void **state)
{
	static struct fixture f;
	f.app = testdb_app(4);
	f.arena = arena_new((size_t)8 * 1024 * 1024);
	f.ctx = testdb_ctx(f.app, f.arena, NOW, 30);
	f.me = (struct delivery_owner){PLATFORM_TELEGRAM, ME, WALL};
	f.other = (struct delivery_owner){PLATFORM_TELEGRAM, OTHER, WALL};
	testdb_exec("TRUNCATE public.outbox, public.sender_lease, public.identity_reach, public.identity, public.account CASCADE");
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

/* ---- hands ------------------------------------------------------------------------------------------------------------------- */

static const struct str main_bot[] = {STR_INIT("main")};

static bool take_lease(struct fixture *f, const struct delivery_owner *owner)
{
	bool held = false;
	assert_int_equal(delivery_lease(&f->ctx, owner, main_bot, 1, &held), OK);
	return held;
}

static struct reply *make_reply(struct fixture *f, const char *words)
{
	struct reply *reply = reply_new(f->arena);
	assert_non_null(reply);
	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(str_from_z(words)));
	return reply;
}

static enum status add_step(struct tx *tx, void *arg)
{
	return notify_add(tx, arg);
}

static enum status add(struct fixture *f, struct notice notice)
{
	if (notice.platform == PLATFORM_UNSET) {
		notice.platform = PLATFORM_TELEGRAM;
		notice.bot = STR("main");
	}
	if (!str_present(notice.topic)) {
		notice.topic = STR("link");
	}
	if (notice.reply == NULL) {
		notice.reply = make_reply(f, "hello");
	}
	return tx_run(&f->ctx, add_step, &notice);
}

struct claimed {
	struct outbox_row *rows;
	size_t count;
};

static struct claimed claim_with(struct fixture *f, const struct delivery_owner *owner, struct outbox_wish wish)
{
	struct claimed claimed = {0};
	bool more = false;
	wish.bots[0] = STR("main");
	wish.bot_count = 1;
	wish.rooms[0] = wish.rooms[0] == 0 ? 100 : wish.rooms[0];
	wish.ordinary_rooms[0] = wish.ordinary_rooms[0] == 0 ? wish.rooms[0] : wish.ordinary_rooms[0];
	assert_int_equal(delivery_claim(&f->ctx, owner, &wish, &claimed.rows, &claimed.count, &more), OK);
	return claimed;
}

static struct claimed claim(struct fixture *f)
{
	return claim_with(f, &f->me, (struct outbox_wish){.may_open = true});
}

static struct outbox_outcome outcome_of(const struct outbox_row *row, enum outbox_status status)
{
	return (struct outbox_outcome){.id = row->id, .bot = row->bot, .status = status, .recipient = row->recipient};
}

static void settle(struct fixture *f, const struct delivery_owner *owner, struct outbox_outcome outcome)
{
	assert_int_equal(delivery_settle(&f->ctx, owner, &outcome, 1, NULL, 0), OK);
}

/* "1:sent 2:pending" in the order of ids, counted from 1. */
static const char *statuses(void)
{
	return testdb_text("SELECT string_agg(n || ':' || status, ' ' ORDER BY n)"
	                   " FROM (SELECT row_number() OVER (ORDER BY id) AS n, status FROM public.outbox) AS t");
}

/* An account with one identity; the bot may write to it as `can` says (an SQL value). Returns the account. */
static int64_t person(const char *platform, int64_t id, const char *bot, const char *can, const char *hint)
{
	return testdb_i64f(
		"WITH a AS (INSERT INTO public.account (created_at) VALUES (now()) RETURNING id),"
		" i AS (INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at, language_hint)"
		"       SELECT id, '%s', %lld, now(), now(), now(), '%s' FROM a RETURNING id, account_id),"
		" r AS (INSERT INTO public.identity_reach (identity_id, bot, can_message, changed_at) SELECT id, '%s', %s, now() FROM i)"
		" SELECT account_id FROM i",
		platform, (long long)id, hint, bot, can);
}

/* ---- notices ----------------------------------------------------------------------------------------------------------------- */

static void a_notice_becomes_a_row_with_patience_and_sealed_secrets(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = make_reply(f, "your code");
	(void)reply_secret(reply, STR("ABC234"));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .reply = reply, .expires_at = NOW + 180 * SECOND_US, .topic = STR("code")}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .topic = STR("ticket")}), OK);
	assert_string_equal(testdb_text("SELECT string_agg(topic || ' ' || extract(epoch FROM give_up_at - created_at)::bigint, ',' ORDER BY id)"
	                                " FROM public.outbox"),
	                    "code 86400,ticket 259200");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE sealed IS NOT NULL"), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE position('ABC234'::bytea IN body) > 0"
	                            " OR position('ABC234'::bytea IN sealed) > 0"), 0);
	assert_true(take_lease(f, &f->me));
	struct claimed claimed = claim(f);
	struct reply *read;
	assert_int_equal(claimed.count, 1);
	assert_int_equal(delivery_reply(&f->ctx, &claimed.rows[0], &read), OK);
	assert_int_equal(read->secret_count, 1);
	assert_true(str_eq(read->secrets[0], STR("ABC234")));
}

static void a_forged_seal_is_not_opened(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = make_reply(f, "your code");
	struct reply *read;
	(void)reply_secret(reply, STR("ABC234"));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .reply = reply}), OK);
	testdb_exec("UPDATE public.outbox SET sealed = set_byte(sealed, 45, get_byte(sealed, 45) # 1)");
	assert_true(take_lease(f, &f->me));
	struct claimed claimed = claim(f);
	assert_int_equal(delivery_reply(&f->ctx, &claimed.rows[0], &read), INVALID);
}

static void notices_that_cannot_be_are_refused(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(add(f, (struct notice){.recipient = 0}), INVALID);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .topic = STR("Bad Topic")}), INVALID);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .platform = PLATFORM_WEBSITE, .bot = STR("site")}), INVALID);
	assert_int_equal(add(f, (struct notice){.recipient = -5, .platform = PLATFORM_DISCORD, .bot = STR("discord")}), INVALID);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .platform = PLATFORM_TELEGRAM}), INVALID);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .expires_at = NOW}), OK); /* over already: nothing to say */
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox"), 0);
}

struct person_call {
	int64_t account;
	enum platform platform;
	struct str bot;
	const struct reply *reply;
};

static enum status person_step(struct tx *tx, void *arg)
{
	struct person_call *call = arg;
	return notify_person(tx, call->account, STR("link"), call->reply, call->platform, call->bot, 0);
}

static const char *told(struct fixture *f, int64_t account, enum platform platform, struct str bot)
{
	struct person_call call = {account, platform, bot, make_reply(f, "hello")};
	testdb_exec("TRUNCATE public.outbox");
	enum status status = tx_run(&f->ctx, person_step, &call);
	return status == OK ? testdb_text("SELECT platform || ' ' || bot || ' ' || recipient FROM public.outbox") : status_name(status);
}

static void a_person_is_written_to_where_he_may_be(void **state)
{
	struct fixture *f = *state;
	int64_t account = person("telegram", 5, "main", "true", "ru");
	testdb_exec("INSERT INTO public.identity_reach (identity_id, bot, can_message, changed_at)"
	            " SELECT id, 'quiz', true, now() + interval '1 hour' FROM public.identity");
	assert_string_equal(told(f, account, PLATFORM_TELEGRAM, STR("main")), "telegram main 5");
	assert_string_equal(told(f, account, PLATFORM_TELEGRAM, STR("quiz")), "telegram quiz 5");
	assert_string_equal(told(f, account, PLATFORM_DISCORD, STR("discord")), "telegram quiz 5");
	testdb_exec("UPDATE public.identity_reach SET can_message = false WHERE bot = 'quiz'");
	assert_string_equal(told(f, account, PLATFORM_TELEGRAM, STR("quiz")), "telegram main 5");
	assert_string_equal(told(f, account, PLATFORM_UNSET, STR_ABSENT), "telegram main 5");
	testdb_exec("UPDATE public.identity_reach SET can_message = NULL WHERE bot = 'main'");
	assert_string_equal(told(f, account, PLATFORM_UNSET, STR_ABSENT), "not_found"); /* Telegram needs a known yes */
}

static void discord_is_tried_when_nothing_is_known(void **state)
{
	struct fixture *f = *state;
	int64_t account = person("discord", 9, "discord", "NULL", "en-GB");
	assert_string_equal(told(f, account, PLATFORM_UNSET, STR_ABSENT), "discord discord 9");
	testdb_exec("DELETE FROM public.identity_reach");
	assert_string_equal(told(f, account, PLATFORM_UNSET, STR_ABSENT), "discord discord 9");
	assert_int_equal(testdb_i64("SELECT account_id FROM public.outbox"), account);
}

static void who_blocked_discord_is_not_tried(void **state)
{
	struct fixture *f = *state;
	int64_t account = person("discord", 9, "discord", "false", "en");
	assert_string_equal(told(f, account, PLATFORM_DISCORD, STR("discord")), "not_found");
}

/* ---- leases ------------------------------------------------------------------------------------------------------------------ */

static void of_two_workers_one_sends_until_its_lease_is_over(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_true(take_lease(f, &f->me));
	assert_false(take_lease(f, &f->other));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(claim_with(f, &f->other, (struct outbox_wish){.may_open = true}).count, 0);
	f->other.wall_now = WALL + DELIVERY_LEASE_US;
	assert_true(take_lease(f, &f->other));
	assert_int_equal(claim(f).count, 0); /* fenced, though it does not know yet */
	assert_int_equal(claim_with(f, &f->other, (struct outbox_wish){.may_open = true}).count, 1);
}

static void a_lease_given_back_is_free_at_once(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(delivery_release(&f->ctx, &f->other), OK);
	assert_false(take_lease(f, &f->other)); /* nobody gives another's back */
	assert_int_equal(delivery_release(&f->ctx, &f->me), OK);
	assert_true(take_lease(f, &f->other));
}

static void an_overdue_lease_of_our_own_claims_nothing(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	f->me.wall_now = WALL + DELIVERY_LEASE_US;
	assert_int_equal(claim(f).count, 0);
}

static void rows_of_a_dead_owner_are_uncertain_and_sent_once_more(void **state)
{
	struct fixture *f = *state;
	int64_t count = 0;
	assert_true(take_lease(f, &f->other));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	struct claimed theirs = claim_with(f, &f->other, (struct outbox_wish){.may_open = true, .rooms = {1}});
	assert_int_equal(theirs.count, 1);
	f->me.wall_now = WALL + DELIVERY_LEASE_US;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(delivery_recover(&f->ctx, &f->me, STR("main"), OUTBOX_UNCERTAIN, NULL, 0, &count), OK);
	assert_int_equal(count, 1);
	assert_string_equal(statuses(), "1:uncertain 2:pending");
	assert_int_equal(claim(f).count, 2);
}

static void recovering_leaves_what_is_in_our_own_hands(void **state)
{
	struct fixture *f = *state;
	int64_t count = 0;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	struct claimed claimed = claim(f);
	assert_int_equal(claimed.count, 2);
	assert_int_equal(delivery_recover(&f->ctx, &f->me, STR("main"), OUTBOX_PENDING, &claimed.rows[0].id, 1, &count), OK);
	assert_int_equal(count, 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE status = 'processing'"), 1);
}

/* ---- claiming ---------------------------------------------------------------------------------------------------------------- */

static void of_one_recipient_only_the_oldest_is_in_work(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	}
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	struct claimed claimed = claim(f);
	assert_int_equal(claimed.count, 2);
	assert_string_equal(statuses(), "1:processing 2:pending 3:pending 4:processing");
	assert_int_equal(claim(f).count, 0);
	settle(f, &f->me, outcome_of(&claimed.rows[claimed.rows[0].recipient == 5 ? 0 : 1], OUTBOX_SENT));
	assert_int_equal(claim(f).count, 1);
	assert_string_equal(statuses(), "1:sent 2:processing 3:pending 4:processing");
}

static void what_waits_after_a_try_holds_up_those_behind_it(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	struct claimed claimed = claim(f);
	struct outbox_outcome outcome = outcome_of(&claimed.rows[0], OUTBOX_PENDING);
	outcome.due_at = NOW + 10 * SECOND_US;
	outcome.attempt = true;
	outcome.error = STR("HTTP 500");
	settle(f, &f->me, outcome);
	assert_int_equal(claim(f).count, 0);
	f->ctx.now = NOW + 10 * SECOND_US;
	claimed = claim(f);
	assert_int_equal(claimed.count, 1);
	assert_int_equal(claimed.rows[0].id, outcome.id);
	assert_int_equal(claimed.rows[0].attempts, 1);
}

static void what_is_scheduled_for_later_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .due_at = NOW + HOUR_US}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(claim(f).count, 1);
	assert_string_equal(statuses(), "1:pending 2:processing");
}

static void what_falls_due_waits_for_what_is_in_work(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .due_at = NOW + MINUTE_US}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(claim(f).count, 1);
	f->ctx.now = NOW + MINUTE_US;
	assert_int_equal(claim(f).count, 0);
	assert_string_equal(statuses(), "1:pending 2:processing");
}

static void urgent_rows_come_first_and_wait_only_for_urgent_ones(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	assert_int_equal(claim_with(f, &f->me, (struct outbox_wish){.may_open = true, .rooms = {1}}).count, 1);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .urgent = true}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 5, .urgent = true}), OK);
	struct claimed claimed = claim_with(f, &f->me, (struct outbox_wish){.may_open = true, .rooms = {1}});
	assert_int_equal(claimed.count, 1);
	assert_true(claimed.rows[0].urgent);
	assert_string_equal(statuses(), "1:processing 2:pending 3:processing 4:pending");
	assert_int_equal(claim(f).count, 1);
	assert_string_equal(statuses(), "1:processing 2:processing 3:processing 4:pending");
}

static void recipients_that_must_wait_are_left_out(void **state)
{
	static const struct str bots[] = {STR_INIT("main"), STR_INIT("quiz")};
	static const int64_t recipients[] = {5, 6};
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK); /* it is quiz that must leave 6 alone */
	struct outbox_wish wish = {.may_open = true, .held_bots = bots, .held_recipients = recipients, .held_count = 2};
	struct claimed claimed = claim_with(f, &f->me, wish);
	assert_int_equal(claimed.count, 1);
	assert_int_equal(claimed.rows[0].recipient, 6);
}

static void no_more_are_claimed_than_there_is_room(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(add(f, (struct notice){.recipient = 10 + i, .urgent = i % 2 == 0}), OK);
	}
	assert_int_equal(claim_with(f, &f->me, (struct outbox_wish){.may_open = true, .rooms = {4}}).count, 4);
}

static void room_kept_for_urgent_rows_is_theirs_alone(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(add(f, (struct notice){.recipient = 10 + i}), OK);
	}
	assert_int_equal(claim_with(f, &f->me, (struct outbox_wish){.may_open = true, .rooms = {4}, .ordinary_rooms = {2}}).count, 2);
	assert_int_equal(add(f, (struct notice){.recipient = 20, .urgent = true}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 21, .urgent = true}), OK);
	struct claimed claimed = claim_with(f, &f->me, (struct outbox_wish){.may_open = true, .rooms = {4}, .ordinary_rooms = {1}});
	assert_int_equal(claimed.count, 2);
	assert_true(claimed.rows[0].urgent && claimed.rows[1].urgent);
}

/* A chat with a long backlog once cost every other chat seconds: its rows were looked at again and again. */
static void a_long_backlog_of_one_chat_hides_no_other(void **state)
{
	struct fixture *f = *state;
	bool more = false;
	struct claimed claimed;
	struct outbox_wish wish = {.may_open = true, .bots = {STR("main")}, .bot_count = 1, .rooms = {100}, .ordinary_rooms = {100}};
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	testdb_exec("INSERT INTO public.outbox (platform, bot, recipient, topic, body, created_at, due_at, give_up_at)"
	            " SELECT o.platform, o.bot, o.recipient, o.topic, o.body, o.created_at, o.due_at, o.give_up_at"
	            " FROM public.outbox o, generate_series(1, 2500)");
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	assert_int_equal(delivery_claim(&f->ctx, &f->me, &wish, &claimed.rows, &claimed.count, &more), OK);
	assert_int_equal(claimed.count, 1);
	assert_true(more);
	int64_t first = claimed.rows[0].id;
	claimed.count = 0;
	for (int turn = 0; turn < 3 && claimed.count == 0; turn++) {
		assert_int_equal(delivery_claim(&f->ctx, &f->me, &wish, &claimed.rows, &claimed.count, &more), OK);
	}
	assert_int_equal(claimed.count, 1);
	assert_int_equal(claimed.rows[0].recipient, 6);
	assert_int_equal(claim(f).count, 0);
	settle(f, &f->me, (struct outbox_outcome){.id = first, .bot = STR("main"), .status = OUTBOX_SENT, .recipient = 5});
	claimed = claim(f);
	assert_int_equal(claimed.count, 1); /* the next of the long ones came into sight, and only it */
	assert_true(claimed.rows[0].recipient == 5 && claimed.rows[0].id > first);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE behind"), 2499);
}

static void what_waited_behind_an_expired_row_goes_on(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .expires_at = NOW + MINUTE_US}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	testdb_exec("UPDATE public.outbox SET error = 'waiting', due_at = due_at + interval '10 minutes' WHERE expires_at IS NOT NULL");
	assert_int_equal(claim(f).count, 0);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE behind"), 1);
	f->ctx.now = NOW + MINUTE_US;
	assert_int_equal(delivery_sweep(&f->ctx, false), OK);
	assert_int_equal(claim(f).count, 1);
}

static void without_leave_to_open_channels_only_known_ones_are_claimed(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	(void)person("telegram", 5, "main", "true", "ru");
	testdb_exec("UPDATE public.identity_reach SET channel_id = 77");
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	struct claimed claimed = claim_with(f, &f->me, (struct outbox_wish){.may_open = false});
	assert_int_equal(claimed.count, 1);
	assert_int_equal(claimed.rows[0].channel_id, 77);
	assert_int_equal(claim(f).count, 1);
}

static void a_row_comes_with_the_words_to_choose_a_language_by(void **state)
{
	struct fixture *f = *state;
	int64_t account = person("telegram", 5, "main", "true", "ru");
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .account_id = account}), OK);
	testdb_exec("UPDATE public.account SET language = 'en'");
	struct claimed claimed = claim(f);
	assert_true(str_eq(claimed.rows[0].language, STR("en")));
	assert_true(str_eq(claimed.rows[0].language_hint, STR("ru")));
	assert_int_equal(language_choose(language_from_code(claimed.rows[0].language), claimed.rows[0].language_hint), LANGUAGE_EN);
}

/* ---- settling ---------------------------------------------------------------------------------------------------------------- */

static void what_is_sent_loses_its_secrets(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = make_reply(f, "your code");
	(void)reply_secret(reply, STR("ABC234"));
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5, .reply = reply}), OK);
	struct claimed claimed = claim(f);
	struct outbox_outcome outcome = outcome_of(&claimed.rows[0], OUTBOX_SENT);
	outcome.message_id = 99;
	settle(f, &f->me, outcome);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox"
	                            " WHERE status = 'sent' AND sealed IS NULL AND message_id = 99 AND done_at IS NOT NULL"), 1);
}

static void after_a_lost_lease_only_sent_is_written(void **state)
{
	struct fixture *f = *state;
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	struct claimed claimed = claim(f);
	f->other.wall_now = WALL + DELIVERY_LEASE_US;
	assert_true(take_lease(f, &f->other));
	settle(f, &f->me, outcome_of(&claimed.rows[0], OUTBOX_FAILED));
	settle(f, &f->me, outcome_of(&claimed.rows[1], OUTBOX_SENT));
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE status = 'processing'"), 1);
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE status = 'sent'"), 1);
}

static void lessons_are_kept(void **state)
{
	struct fixture *f = *state;
	(void)person("telegram", 5, "main", "true", "ru");
	(void)person("telegram", 6, "main", "true", "ru");
	assert_true(take_lease(f, &f->me));
	assert_int_equal(add(f, (struct notice){.recipient = -7}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = -7}), OK);
	struct claimed claimed = claim(f);
	struct outbox_outcome outcome = outcome_of(&claimed.rows[0], OUTBOX_SENT);
	outcome.recipient = -1007;
	struct delivery_lesson lessons[] = {
		{.bot = STR("main"), .recipient = 5, .unreachable = true},
		{.bot = STR("main"), .recipient = 6, .channel_id = 66},
		{.bot = STR("main"), .recipient = 404, .unreachable = true}, /* nobody that we know */
		{.bot = STR("main"), .recipient = -7, .moved_to = -1007},
	};
	assert_int_equal(delivery_settle(&f->ctx, &f->me, &outcome, 1, lessons, ARRAY_LEN(lessons)), OK);
	assert_string_equal(testdb_text("SELECT string_agg(i.platform_id || ' ' || r.can_message || ' ' || coalesce(r.channel_id, 0),"
	                                " ', ' ORDER BY i.platform_id)"
	                                " FROM public.identity_reach r JOIN public.identity i ON i.id = r.identity_id"),
	                    "5 false 0, 6 true 66");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE recipient = -1007"), 2);
}

static void what_expired_is_dropped_and_wiped_wherever_it_waits(void **state)
{
	struct fixture *f = *state;
	struct reply *reply = make_reply(f, "your code");
	(void)reply_secret(reply, STR("ABC234"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(add(f, (struct notice){.recipient = 5 + i, .reply = reply, .expires_at = NOW + 180 * SECOND_US}), OK);
	}
	assert_int_equal(add(f, (struct notice){.recipient = 8}), OK);
	testdb_exec("UPDATE public.outbox SET status = 'failed', error = 'HTTP 500' WHERE recipient = 6");
	assert_int_equal(delivery_sweep(&f->ctx, false), OK);
	assert_string_equal(statuses(), "1:pending 2:failed 3:pending");
	f->ctx.now = NOW + 180 * SECOND_US;
	assert_int_equal(delivery_sweep(&f->ctx, false), OK);
	assert_string_equal(statuses(), "1:permanent 2:failed 3:pending");
	assert_int_equal(testdb_i64("SELECT count(*) FROM public.outbox WHERE body IS NULL AND sealed IS NULL"), 2);
	assert_string_equal(testdb_text("SELECT string_agg(error, ',' ORDER BY id) FROM public.outbox"), "expired,HTTP 500");
}

static void what_outlives_its_patience_is_given_up(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6, .topic = STR("payment")}), OK);
	f->ctx.now = NOW + DAY_US;
	assert_int_equal(delivery_sweep(&f->ctx, true), OK);
	assert_string_equal(statuses(), "1:failed 2:pending");
	f->ctx.now = NOW + 3 * DAY_US;
	assert_int_equal(delivery_sweep(&f->ctx, true), OK);
	assert_string_equal(statuses(), "1:failed 2:failed");
}

/* ---- cleaning ---------------------------------------------------------------------------------------------------------------- */

static void old_rows_are_cleaned_and_young_ones_kept(void **state)
{
	struct fixture *f = *state;
	int64_t count = 0;
	testdb_exec("TRUNCATE public.inbox; INSERT INTO public.inbox (key, at, sealed, sealed_until) VALUES"
	            " ('old', to_timestamp(1800000000) - interval '3 days 1 second', NULL, NULL),"
	            " ('young', to_timestamp(1800000000) - interval '2 days', 'x', to_timestamp(1800000000)),"
	            " ('live', to_timestamp(1800000000), 'x', to_timestamp(1800000001))");
	assert_int_equal(delivery_clean(&f->ctx, STR("inbox"), SQL_CLEAN_INBOX, &count), OK);
	assert_int_equal(count, 1);
	assert_int_equal(delivery_clean(&f->ctx, STR("sealed"), SQL_CLEAN_SEALED, &count), OK);
	assert_string_equal(testdb_text("SELECT string_agg(key || (sealed IS NULL), ',' ORDER BY key) FROM public.inbox"), "livefalse,youngtrue");
	assert_int_equal(add(f, (struct notice){.recipient = 5}), OK);
	assert_int_equal(add(f, (struct notice){.recipient = 6}), OK);
	testdb_exec("UPDATE public.outbox SET status = 'sent', done_at = to_timestamp(1800000000) - interval '31 days' WHERE recipient = 5");
	assert_int_equal(delivery_clean(&f->ctx, STR("outbox"), SQL_CLEAN_OUTBOX, &count), OK);
	assert_int_equal(count, 1);
	assert_int_equal(testdb_i64("SELECT recipient FROM public.outbox"), 6);
}

static enum status hold_job(struct tx *tx, void *arg)
{
	bool *ret_ours = arg;
	enum status status = queue_job_lock(tx, STR("inbox"), ret_ours);
	/* Another session, as another worker has: it finds the job taken. */
	assert_int_equal(testdb_i64("SELECT pg_try_advisory_xact_lock(hashtext('trivet job inbox'))::int"), 0);
	return status;
}

static void a_job_is_run_by_one_worker_at_a_time(void **state)
{
	struct fixture *f = *state;
	bool ours = false;
	assert_int_equal(tx_run(&f->ctx, hold_job, &ours), OK);
	assert_true(ours);
	assert_int_equal(testdb_i64("SELECT pg_try_advisory_xact_lock(hashtext('trivet job inbox'))::int"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_notice_becomes_a_row_with_patience_and_sealed_secrets),
		TEST(a_forged_seal_is_not_opened),
		TEST(notices_that_cannot_be_are_refused),
		TEST(a_person_is_written_to_where_he_may_be),
		TEST(discord_is_tried_when_nothing_is_known),
		TEST(who_blocked_discord_is_not_tried),
		TEST(of_two_workers_one_sends_until_its_lease_is_over),
		TEST(a_lease_given_back_is_free_at_once),
		TEST(an_overdue_lease_of_our_own_claims_nothing),
		TEST(rows_of_a_dead_owner_are_uncertain_and_sent_once_more),
		TEST(recovering_leaves_what_is_in_our_own_hands),
		TEST(of_one_recipient_only_the_oldest_is_in_work),
		TEST(what_waits_after_a_try_holds_up_those_behind_it),
		TEST(what_is_scheduled_for_later_holds_up_nobody),
		TEST(what_falls_due_waits_for_what_is_in_work),
		TEST(urgent_rows_come_first_and_wait_only_for_urgent_ones),
		TEST(recipients_that_must_wait_are_left_out),
		TEST(no_more_are_claimed_than_there_is_room),
		TEST(room_kept_for_urgent_rows_is_theirs_alone),
		TEST(a_long_backlog_of_one_chat_hides_no_other),
		TEST(what_waited_behind_an_expired_row_goes_on),
		TEST(without_leave_to_open_channels_only_known_ones_are_claimed),
		TEST(a_row_comes_with_the_words_to_choose_a_language_by),
		TEST(what_is_sent_loses_its_secrets),
		TEST(after_a_lost_lease_only_sent_is_written),
		TEST(lessons_are_kept),
		TEST(what_expired_is_dropped_and_wiped_wherever_it_waits),
		TEST(what_outlives_its_patience_is_given_up),
		TEST(old_rows_are_cleaned_and_young_ones_kept),
		TEST(a_job_is_run_by_one_worker_at_a_time),
	};
	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
