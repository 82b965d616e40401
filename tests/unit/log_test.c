/* log: one line, one write, nothing foreign breaks out of its quotes. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int real_stderr;
static int ends[2];

/* From here on what is written to standard error can be read. */
static void capture(void)
{
	(void)fflush(stderr);
	assert_int_equal(pipe(ends), 0);
	real_stderr = dup(STDERR_FILENO);
	assert_true(real_stderr >= 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
}

/* All that was written, in `text`; a pipe keeps what write(2) brought in one piece. */
static struct str captured(char *text, size_t size)
{
	assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
	(void)close(real_stderr);
	(void)close(ends[1]);
	size_t len = 0;
	ssize_t got = 1;
	while (got > 0) {
		got = read(ends[0], text + len, size - len);
		len += got > 0 ? (size_t)got : 0;
	}
	(void)close(ends[0]);
	return (struct str){text, len};
}

static bool contains(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static int set_up(void **state)
{
	(void)state;
	log_set_level(LOG_INFO);
	return 0;
}

static void test_fields(void **state)
{
	(void)state;
	char text[4096];
	capture();
	struct log_line line;
	log_begin(&line, LOG_INFO, "request");
	log_str(&line, "route", STR("/api/me"));
	log_i64(&line, "status", 200);
	log_i64(&line, "delta", INT64_MIN);
	log_end(&line);
	struct str got = captured(text, sizeof(text));
	assert_true(str_starts(got, STR("level=info at=2")));
	assert_true(contains(got, "Z event=request route=/api/me status=200 delta=-9223372036854775808\n"));
	assert_int_equal(str_find(got, '\n'), got.len - 1);
}

static void test_foreign_bytes(void **state)
{
	(void)state;
	static const struct {
		struct str value;
		const char *shown;
	} rows[] = {
		{STR_INIT("plain"), " k=plain\n"},
		{STR_INIT(""), " k=\"\"\n"},
		{{NULL, 0}, " k=\"\"\n"},
		{STR_INIT("two words"), " k=\"two words\"\n"},
		{STR_INIT("a=b"), " k=\"a=b\"\n"},
		{STR_INIT("quote\"d"), " k=\"quote\\\"d\"\n"},
		{STR_INIT("back\\slash"), " k=\"back\\\\slash\"\n"},
		/* A forged second line, an escape sequence for the terminal, a byte that is no UTF-8, a NUL. */
		{STR_INIT("x\nlevel=error event=forged"), " k=\"x\\nlevel=error event=forged\"\n"},
		{STR_INIT("\r\x1B[2J"), " k=\"\\x0D\\x1B[2J\"\n"},
		{STR_INIT("\xFF\x80\x7F"), " k=\"\\xFF\\x80\\x7F\"\n"},
		{STR_INIT("a\0b"), " k=\"a\\x00b\"\n"},
		{STR_INIT("\xD1\x8F"), " k=\"\\xD1\\x8F\"\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[4096];
		capture();
		struct log_line line;
		log_begin(&line, LOG_WARNING, "e");
		log_str(&line, "k", rows[i].value);
		log_end(&line);
		struct str got = captured(text, sizeof(text));
		assert_true(str_ends(got, str_from_z(rows[i].shown)));
		assert_int_equal(str_find(got, '\n'), got.len - 1);
	}
}

static void test_too_long_is_cut_and_says_so(void **state)
{
	(void)state;
	char value[5000];
	for (int quoted = 0; quoted < 2; quoted++) {
		memset(value, 'x', sizeof(value));
		value[0] = quoted != 0 ? ' ' : 'x';
		char text[8192];
		capture();
		struct log_line line;
		log_begin(&line, LOG_ERROR, "e");
		log_str(&line, "k", (struct str){value, sizeof(value)});
		log_str(&line, "late", STR("dropped"));
		log_i64(&line, "later", 1);
		log_end(&line);
		struct str got = captured(text, sizeof(text));
		assert_true(got.len <= sizeof(line.text));
		assert_true(got.len > 2000);
		assert_true(str_ends(got, quoted != 0 ? STR("xx\" cut=1\n") : STR("xx cut=1\n")));
		assert_false(contains(got, "late"));
	}
}

/* Every length round the end: the closing quote and the mark must find their place. */
static void test_every_length_near_the_end(void **state)
{
	(void)state;
	char value[2100];
	memset(value, '"', sizeof(value));
	for (size_t len = 900; len < 1100; len++) {
		char text[8192];
		capture();
		struct log_line line;
		log_begin(&line, LOG_ERROR, "e");
		log_str(&line, "k", (struct str){value, len});
		log_str(&line, "l", STR("plain"));
		log_end(&line);
		struct str got = captured(text, sizeof(text));
		assert_true(got.len <= sizeof(line.text));
		assert_true(str_ends(got, STR(" l=plain\n")) || str_ends(got, STR(" cut=1\n")));
	}
}

static void test_level(void **state)
{
	(void)state;
	char text[4096];
	capture();
	log_message(LOG_DEBUG, "e", "unseen %d", 1);
	struct log_line line;
	log_begin(&line, LOG_DEBUG, "e");
	log_str(&line, "k", STR("v"));
	log_end(&line);
	assert_int_equal(captured(text, sizeof(text)).len, 0);
	log_set_level(LOG_DEBUG);
	capture();
	log_message(LOG_DEBUG, "e", "seen %d", 1);
	assert_true(contains(captured(text, sizeof(text)), "level=debug"));
}

static void test_message(void **state)
{
	(void)state;
	char text[8192];
	capture();
	log_message(LOG_ERROR, "start", "could not open %s: %d", "/x", 13);
	assert_true(contains(captured(text, sizeof(text)), " event=start message=\"could not open /x: 13\"\n"));
	capture();
	log_message(LOG_ERROR, "start", "%5000d", 1);
	assert_true(str_ends(captured(text, sizeof(text)), STR(" cut=1\n")));
}

/* Kept lines come out together, in their order; never half a line, and a warning brings all that waited before it. */
static void test_kept_lines(void **state)
{
	(void)state;
	static char text[65536];
	struct log_kept kept;
	capture();
	log_keep(&kept);
	log_flush(); /* nothing waits */
	log_message(LOG_INFO, "first", "a");
	assert_true(kept.len > 0);
	log_message(LOG_WARNING, "second", "b");
	assert_int_equal(kept.len, 0);
	for (int i = 0; i < 200; i++) {
		log_message(LOG_INFO, "many", "%d, with more words so that some fill the room", i);
		assert_true(kept.len > 0 && kept.text[kept.len - 1] == '\n');
	}
	log_flush();
	assert_int_equal(kept.len, 0);
	log_message(LOG_INFO, "before", "c");
	log_keep(NULL);
	log_message(LOG_INFO, "after", "d");
	struct str got = captured(text, sizeof(text));
	static const char *const events[] = {"event=first", "event=second", "event=many", "event=before", "event=after"};
	const char *at = got.ptr;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		at = memmem(at, (size_t)(got.ptr + got.len - at), events[i], strlen(events[i]));
		assert_non_null(at);
	}
	size_t lines = 0;
	for (size_t i = 0; i < got.len; i++) {
		lines += got.ptr[i] == '\n';
	}
	assert_int_equal(lines, 204);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_fields, set_up),
		cmocka_unit_test_setup(test_foreign_bytes, set_up),
		cmocka_unit_test_setup(test_too_long_is_cut_and_says_so, set_up),
		cmocka_unit_test_setup(test_every_length_near_the_end, set_up),
		cmocka_unit_test_setup(test_level, set_up),
		cmocka_unit_test_setup(test_message, set_up),
		cmocka_unit_test_setup(test_kept_lines, set_up),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
