/*
 * text - the catalogue of all words that people read, and the one formatter.
 *
 * messages.def holds a row per message: id, Russian, English. A template has
 *     {0} {1} ...            an argument, escaped for its place
 *     {0|монета|монеты|монет} the plural form that fits the integer argument 0 (the number itself is written by {0});
 *                            Russian takes three forms (1, 2-4, 5), English two; source: Unicode CLDR plural rules
 *     <b>..</b> <i>..</i> <code>..</code>   emphasis, rendered per platform; templates only, arguments are always escaped
 * A row that lacks a language does not compile. tests/unit/text_test.c checks that both languages use the same
 * arguments and that every plural has the right number of forms.
 */
#ifndef TRIVET_CORE_TEXT_H
#define TRIVET_CORE_TEXT_H

#include <stdint.h>

#include "base/ctx.h"
#include "base/status.h"
#include "base/str.h"

enum message {
	MESSAGE_NONE = 0,
#define MESSAGE(id, russian, english) MSG_##id,
#include "core/messages.def"
#undef MESSAGE
	MESSAGE_COUNT
};

enum text_arg_kind {
	TEXT_ARG_UNSET = 0,
	TEXT_ARG_INT,      /* decimal, with no grouping */
	TEXT_ARG_STR,      /* foreign words: escaped */
	TEXT_ARG_MESSAGE,  /* another message without arguments, in the same language */
	TEXT_ARG_DURATION, /* whole seconds, as "2 мин 5 с" / "2 min 5 s" (largest two units) */
	TEXT_ARG_TIME,     /* microseconds UTC, as "20.11.2026 13:24 UTC" / "2026-11-20 13:24 UTC" */
	TEXT_ARG_SECRET,   /* the n-th sealed string of the reply (reply.h); absent renders as "······" */
	TEXT_ARG_SIGNED,   /* decimal, its sign always shown: "+5", "−5" */
	TEXT_ARG_DATE,     /* microseconds UTC, as "20.11.2026" / "2026-11-20" */
	TEXT_ARG_WORDS,    /* words of the database, kept in both languages (a badge's name): escaped */
	TEXT_ARG_COUNT
};

struct text_arg {
	enum text_arg_kind kind;
	int64_t number;       /* INT, DURATION, TIME, SECRET (index), SIGNED, DATE */
	struct str string;    /* STR; WORDS: the Russian ones */
	struct str english;   /* WORDS */
	enum message message; /* MESSAGE */
};

#define TEXT_INT(n) ((struct text_arg){.kind = TEXT_ARG_INT, .number = (n)})
#define TEXT_STR(s) ((struct text_arg){.kind = TEXT_ARG_STR, .string = (s)})
#define TEXT_MESSAGE(m) ((struct text_arg){.kind = TEXT_ARG_MESSAGE, .message = (m)})
#define TEXT_DURATION(seconds) ((struct text_arg){.kind = TEXT_ARG_DURATION, .number = (seconds)})
#define TEXT_TIME(us) ((struct text_arg){.kind = TEXT_ARG_TIME, .number = (us)})
#define TEXT_SIGNED(n) ((struct text_arg){.kind = TEXT_ARG_SIGNED, .number = (n)})
#define TEXT_DATE(us) ((struct text_arg){.kind = TEXT_ARG_DATE, .number = (us)})
#define TEXT_WORDS(ru, en) ((struct text_arg){.kind = TEXT_ARG_WORDS, .string = (ru), .english = (en)})
#define TEXT_SECRET(index) ((struct text_arg){.kind = TEXT_ARG_SECRET, .number = (index)})

#define TEXT_ARGS_MAX 8

/* How one platform writes emphasis and escapes foreign words. A platform has one; text_plain is for logs and tests. */
struct text_style {
	struct str bold_open, bold_close;
	struct str italic_open, italic_close;
	struct str code_open, code_close;
	/* Appends `s` so that the platform shows exactly its characters. `in_code`: inside <code>. */
	void (*escape)(struct buf *out, struct str s, bool in_code);
};

extern const struct text_style text_plain;

/*
 * text_format - appends `message` in `language`.
 *
 * Template words go through style->escape too, so a template may hold any character. A missing argument is INTERNAL's
 * cousin: it is caught by the unit test of the catalogue and renders as nothing.
 * secrets, secret_count: for TEXT_ARG_SECRET.
 */
void text_format(struct buf *out, enum language language, enum message message, const struct text_arg *args,
                 size_t arg_count, const struct str *secrets, size_t secret_count, const struct text_style *style);

/* text_plural_form - 0-based index of the form: Russian 0 (1, 21), 1 (2-4, 22), 2 (0, 5-20); English 0 (1), 1. */
size_t text_plural_form(enum language language, int64_t number);

/*
 * text_bar - how far something is, for a line of text: "▰▰▰▱▱▱▱▱▱▱". Full only when it is done, and not empty once begun.
 *
 * done, whole   done <= 0: empty; done >= whole: full
 * Absent when the arena failed.
 */
struct str text_bar(struct arena *arena, int64_t done, int64_t whole);

/* message_name - "LINK_DONE"; what stored replies hold, so that numbers may change between versions. */
struct str message_name(enum message message);
MUST_CHECK enum status message_from_name(struct str name, enum message *ret_message);

/* message_template - the raw template, for the catalogue's test and generated documents. */
struct str message_template(enum language language, enum message message);

#endif
