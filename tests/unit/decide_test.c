/* What each answer of a platform means for the outbox row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "decide.h"

#define NOW (1000 * DAY_US)
#define CHAT 7

/* A row in its prime, and an answer; a test changes what it is about. */
struct fixture {
	struct outbox_row row;
	struct delivery_result result;
	struct decide_input input;
};

static struct fixture fixture(enum delivery delivery)
{
	return (struct fixture){
		.row = {.id = 3, .recipient = CHAT, .give_up_at = NOW + DAY_US},
		.result = {.delivery = delivery, .error = STR("said the platform"), .bucket_remaining = -1},
		.input = {.failures = 1, .now = NOW},
	};
}

static struct decision decide_on(struct fixture *f)
{
	f->input.row = &f->row;
	f->input.result = &f->result;
	return decide(&f->input);
}

static void assert_error(const struct decision *decision, const char *words)
{
	assert_true(str_eq(decision->outcome.error, str_from_z(words)));
}

static void sent(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_SENT);
	f.result.message_id = 55;
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_SENT);
	assert_int_equal(decision.outcome.message_id, 55);
	assert_int_equal(decision.outcome.id, 3);
	assert_false(str_present(decision.outcome.error));
	assert_true(decision.heard);
	assert_false(decision.again || decision.failed || decision.outcome.attempt);
}

static void a_refusal_counts_and_waits_longer_each_time(void **state)
{
	static const int64_t waits[] = {1, 2, 4, 8, 16, 32, 60};
	(void)state;
	for (int64_t i = 0; i < 7; i++) {
		struct fixture f = fixture(DELIVERY_FAILED);
		f.row.attempts = i;
		f.input.failures = i + 1;
		struct decision decision = decide_on(&f);
		assert_int_equal(decision.outcome.status, OUTBOX_PENDING);
		assert_int_equal(decision.outcome.due_at, NOW + waits[i] * SECOND_US);
		assert_int_equal(decision.hold_us, waits[i] * SECOND_US);
		assert_true(decision.outcome.attempt && decision.failed && decision.heard);
		assert_error(&decision, "said the platform");
	}
}

static void the_eighth_refusal_is_the_last(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_FAILED);
	f.row.attempts = 7;
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_FAILED);
	assert_true(decision.outcome.attempt);
}

static void no_connection_does_not_count_until_patience_is_over(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_NOT_SENT);
	f.row.attempts = 7;
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_PENDING);
	assert_false(decision.outcome.attempt || decision.heard);
	assert_true(decision.failed);
	f.row.give_up_at = NOW;
	assert_int_equal(decide_on(&f).outcome.status, OUTBOX_FAILED);
}

static void no_answer_is_uncertain_once_and_given_up_the_second_time(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_UNCERTAIN);
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_UNCERTAIN);
	assert_true(decision.outcome.doubt);
	assert_false(decision.outcome.attempt || decision.heard);
	f.row.doubts = 1;
	decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_FAILED);
	assert_error(&decision, "no answer twice: it may have arrived");
}

static void told_to_wait_does_not_count_and_holds_that_chat_only(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_WAIT);
	f.result.wait_us = 5 * SECOND_US;
	f.row.attempts = 7;
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_PENDING);
	assert_int_equal(decision.outcome.due_at, NOW + 5 * SECOND_US);
	assert_int_equal(decision.hold_us, 5 * SECOND_US);
	assert_int_equal(decision.hold_all_us, 0);
	assert_false(decision.outcome.attempt || decision.failed);
	assert_true(str_present(decision.outcome.error)); /* marks the row as tried: those behind it wait */
	f.result.global = true;
	assert_int_equal(decide_on(&f).hold_all_us, 5 * SECOND_US);
	f.result.wait_us = 0;
	assert_int_equal(decide_on(&f).hold_us, SECOND_US);
}

static void unreadable_markup_goes_again_as_plain_text_once(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_AS_PLAIN);
	struct decision decision = decide_on(&f);
	assert_true(decision.again && decision.outcome.plain);
	assert_false(decision.outcome.attempt);
	f.row.plain = true;
	decision = decide_on(&f);
	assert_false(decision.again);
	assert_true(decision.outcome.attempt);
	assert_int_equal(decision.outcome.status, OUTBOX_PENDING);
}

static void a_moved_chat_is_followed(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_MOVED);
	f.result.new_chat_id = -100;
	struct decision decision = decide_on(&f);
	assert_true(decision.again);
	assert_int_equal(decision.outcome.recipient, -100);
	assert_int_equal(decision.lesson.recipient, CHAT);
	assert_int_equal(decision.lesson.moved_to, -100);
	f.result.new_chat_id = CHAT; /* to where it is: nonsense */
	decision = decide_on(&f);
	assert_false(decision.again);
	assert_int_equal(decision.outcome.status, OUTBOX_PERMANENT);
}

static void a_direct_channel_is_learnt_and_used_at_once(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_CHANNEL_KNOWN);
	f.result.channel_id = 42;
	struct decision decision = decide_on(&f);
	assert_true(decision.again);
	assert_int_equal(decision.lesson.channel_id, 42);
	assert_int_equal(decision.lesson.recipient, CHAT);
}

static void a_platform_that_sends_us_round_in_a_circle_is_left(void **state)
{
	static const enum delivery circles[] = {DELIVERY_CHANNEL_KNOWN, DELIVERY_MOVED, DELIVERY_AS_PLAIN};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(circles); i++) {
		struct fixture f = fixture(circles[i]);
		f.result.new_chat_id = 8;
		f.result.channel_id = 9;
		f.input.repeats = DECIDE_REPEATS_MAX;
		struct decision decision = decide_on(&f);
		assert_false(decision.again);
		assert_int_equal(decision.outcome.status, OUTBOX_FAILED);
	}
}

static void a_block_is_permanent_and_learnt(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_UNREACHABLE);
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_PERMANENT);
	assert_true(decision.lesson.unreachable);
	assert_int_equal(decision.lesson.recipient, CHAT);
	assert_error(&decision, "said the platform");
}

static void what_will_never_be_accepted_is_permanent_but_says_nothing_of_the_person(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_PERMANENT);
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_PERMANENT);
	assert_int_equal(decision.lesson.recipient, 0);
}

static void a_refused_token_holds_the_whole_bot_and_does_not_count(void **state)
{
	(void)state;
	struct fixture f = fixture(DELIVERY_BOT_REFUSED);
	struct decision decision = decide_on(&f);
	assert_int_equal(decision.outcome.status, OUTBOX_PENDING);
	assert_false(decision.outcome.attempt || decision.failed);
	assert_true(decision.hold_all_us >= 10 * SECOND_US);
}

static void what_cannot_be_sent_is_wiped(void **state)
{
	(void)state;
	struct outbox_row row = {.id = 3, .recipient = CHAT};
	struct outbox_outcome outcome = decide_unsendable(&row, STR("expired"));
	assert_int_equal(outcome.status, OUTBOX_PERMANENT);
	assert_int_equal(outcome.recipient, CHAT);
	assert_true(outcome.wipe && str_eq(outcome.error, STR("expired")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sent),
		cmocka_unit_test(a_refusal_counts_and_waits_longer_each_time),
		cmocka_unit_test(the_eighth_refusal_is_the_last),
		cmocka_unit_test(no_connection_does_not_count_until_patience_is_over),
		cmocka_unit_test(no_answer_is_uncertain_once_and_given_up_the_second_time),
		cmocka_unit_test(told_to_wait_does_not_count_and_holds_that_chat_only),
		cmocka_unit_test(unreadable_markup_goes_again_as_plain_text_once),
		cmocka_unit_test(a_moved_chat_is_followed),
		cmocka_unit_test(a_direct_channel_is_learnt_and_used_at_once),
		cmocka_unit_test(a_platform_that_sends_us_round_in_a_circle_is_left),
		cmocka_unit_test(a_block_is_permanent_and_learnt),
		cmocka_unit_test(what_will_never_be_accepted_is_permanent_but_says_nothing_of_the_person),
		cmocka_unit_test(a_refused_token_holds_the_whole_bot_and_does_not_count),
		cmocka_unit_test(what_cannot_be_sent_is_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
