/* reply: what is encoded comes back; what is not ours is refused; secrets stay outside. */
#include "core/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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

static struct reply *sample(void)
{
	struct reply *reply = reply_new(arena);

	reply->private = true;
	reply->replace = true;
	reply->delete_message = true;
	reply->target_message = INT64_MIN;
	reply_line(reply, REPLY_TITLE, MSG_CODE_TITLE, NULL, 0);
	REPLY_SAY(reply, MSG_HELP_ROW, TEXT_STR(STR("a:b\0c\n7:")), TEXT_MESSAGE(MSG_MENU_HELP));
	REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_SECRET(0));
	REPLY_SAY(reply, MSG_PROFILE_COINS, TEXT_INT(INT64_MAX));
	reply_line(reply, REPLY_GAP, MESSAGE_NONE, NULL, 0);
	REPLY_SAY(reply, MSG_TOO_OFTEN, TEXT_DURATION(5));
	REPLY_SAY(reply, MSG_PLAIN, TEXT_TIME(-1));
	REPLY_SAY(reply, MSG_HELP_ROW, TEXT_WORDS(STR("Богач"), STR("Rich")), TEXT_SIGNED(-7), TEXT_DATE(9));
	reply_button(reply, MSG_BUTTON_CANCEL, STR("unlink_no"), REPLY_STYLE_DANGER);
	reply_button_about(reply, MSG_PLAIN, TEXT_WORDS(STR("да"), STR("yes")), STR("x"), REPLY_STYLE_UNSET);
	reply_link(reply, MSG_CODE_DEEP_LINK, STR("https://t.me/x?start={secret}"), 1);
	reply->form = (struct reply_form){.title = MSG_CODE_TITLE,
	                                  .label = MSG_ARG_CODE,
	                                  .action = STR_INIT("x:y"),
	                                  .field = STR_INIT("code"),
	                                  .max_points = 9,
	                                  .paragraph = true};
	(void)reply_secret(reply, STR("ABC234"));
	(void)reply_secret(reply, STR("f00d"));
	return reply;
}

static void assert_same_arg(const struct text_arg *a, const struct text_arg *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->message, b->message);
	assert_int_equal(str_present(a->string), str_present(b->string));
	assert_true(str_eq(a->string, b->string));
	assert_true(str_eq(a->english, b->english));
}

static void test_what_is_encoded_comes_back(void **state)
{
	struct reply *reply = sample();
	struct reply *back = NULL;

	(void)state;
	assert_int_equal(reply_decode(arena, reply_encode(arena, reply), &back), OK);
	assert_true(back->private && back->replace && back->delete_message && !back->silent);
	assert_int_equal(back->target_message, INT64_MIN);
	assert_int_equal(back->line_count, reply->line_count);
	for (size_t i = 0; i < reply->line_count; i++) {
		assert_int_equal(back->lines[i].kind, reply->lines[i].kind);
		assert_int_equal(back->lines[i].message, reply->lines[i].message);
		assert_int_equal(back->lines[i].arg_count, reply->lines[i].arg_count);
		for (size_t j = 0; j < reply->lines[i].arg_count; j++) {
			assert_same_arg(&back->lines[i].args[j], &reply->lines[i].args[j]);
		}
	}
	assert_int_equal(back->button_count, 3);
	assert_int_equal(back->buttons[0].style, REPLY_STYLE_DANGER);
	assert_int_equal(back->buttons[0].secret_index, -1);
	assert_same_arg(&back->buttons[1].arg, &reply->buttons[1].arg);
	assert_int_equal(back->buttons[2].arg.kind, TEXT_ARG_UNSET);
	assert_int_equal(back->buttons[2].secret_index, 1);
	assert_true(str_eq(back->buttons[2].target, STR("https://t.me/x?start={secret}")));
	assert_int_equal(back->form.max_points, 9);
	assert_true(back->form.paragraph);
	assert_true(str_eq(back->form.field, STR("code")));
}

static void test_secrets_are_not_part_of_the_encoding(void **state)
{
	struct str encoded = reply_encode(arena, sample());
	struct reply *back = NULL;

	(void)state;
	assert_null(memmem(encoded.ptr, encoded.len, "ABC234", 6));
	assert_null(memmem(encoded.ptr, encoded.len, "f00d", 4));
	assert_int_equal(reply_decode(arena, encoded, &back), OK);
	assert_int_equal(back->secret_count, 0);
}

static void test_every_cut_and_every_foreign_version_is_refused(void **state)
{
	struct str encoded = reply_encode(arena, sample());
	struct reply *back = NULL;
	char *copy = arena_alloc(arena, encoded.len + 1);

	(void)state;
	for (size_t len = 0; len < encoded.len; len++) {
		assert_int_equal(reply_decode(arena, str_cut(encoded, 0, len), &back), INVALID);
	}
	memcpy(copy, encoded.ptr, encoded.len);
	copy[encoded.len] = 'x';
	assert_int_equal(reply_decode(arena, (struct str){copy, encoded.len + 1}, &back), INVALID);
	copy[2] = '3'; /* "1:2" -> "1:3": a later version */
	assert_int_equal(reply_decode(arena, (struct str){copy, encoded.len}, &back), INVALID);
	assert_null(back);
}

static void test_counts_beyond_the_arrays_are_refused(void **state)
{
	struct reply *back = NULL;

	(void)state;
	/* version, five flags and numbers, then 41 lines */
	assert_int_equal(reply_decode(arena, STR("1:11:01:01:01:01:02:41"), &back), INVALID);
	assert_int_equal(reply_decode(arena, STR("1:11:01:01:01:01:02:-1"), &back), INVALID);
	assert_int_equal(reply_decode(arena, STR("99999999999:1"), &back), INVALID);
	assert_int_equal(reply_decode(arena, STR(""), &back), INVALID);
}

/* Rows that the release before wrote: the inbox keeps them 3 days, the outbox as long as it tries. */
static void test_version_1_is_read(void **state)
{
	struct reply *back = NULL;

	(void)state;
	assert_int_equal(reply_decode(arena, STR("1:11:11:01:01:01:01:11:212:PROFILE_RANK1:11:21:03:F I4:NONE"
	                                         "1:11:11:213:BUTTON_CANCEL9:unlink_no2:-14:NONE4:NONE-:-:1:01:0"), &back), OK);
	assert_int_equal(back->line_count, 1);
	assert_true(str_eq(back->lines[0].args[0].string, STR("F I")));
	assert_int_equal(back->button_count, 1);
	assert_int_equal(back->buttons[0].style, REPLY_STYLE_DANGER);
	assert_int_equal(back->buttons[0].arg.kind, TEXT_ARG_UNSET);
}

static void test_a_message_that_is_gone_is_a_line_less(void **state)
{
	struct reply *reply = reply_new(arena);
	struct reply *back = NULL;

	(void)state;
	reply_say(reply, MSG_UNLINK_CANCELLED, NULL, 0);
	reply_say(reply, MSG_UNDO_DONE, NULL, 0);
	struct str encoded = reply_encode(arena, reply);
	char *at = memmem(encoded.ptr, encoded.len, "UNLINK_CANCELLED", 16);

	assert_non_null(at);
	memcpy(at, "OF_OLDER_VERSION", 16);
	assert_int_equal(reply_decode(arena, encoded, &back), OK);
	assert_int_equal(back->line_count, 1);
	assert_int_equal(back->lines[0].message, MSG_UNDO_DONE);
}

static void test_lines_are_rendered_one_under_the_other(void **state)
{
	struct reply *reply = reply_new(arena);
	struct buf out = buf_init(arena, 256);

	(void)state;
	reply_line(reply, REPLY_TITLE, MSG_UNLINK_TITLE, NULL, 0);
	reply_line(reply, REPLY_GAP, MESSAGE_NONE, NULL, 0);
	reply_say(reply, MSG_UNLINK_CANCELLED, NULL, 0);
	reply_render_text(&out, LANGUAGE_EN, reply, &text_plain);
	assert_true(str_eq(buf_str(&out), STR("Unlink?\n\nNothing has changed.")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_encoded_comes_back),
		cmocka_unit_test(test_secrets_are_not_part_of_the_encoding),
		cmocka_unit_test(test_every_cut_and_every_foreign_version_is_refused),
		cmocka_unit_test(test_version_1_is_read),
		cmocka_unit_test(test_counts_beyond_the_arrays_are_refused),
		cmocka_unit_test(test_a_message_that_is_gone_is_a_line_less),
		cmocka_unit_test(test_lines_are_rendered_one_under_the_other),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
