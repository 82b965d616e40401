/*
 * reply - what we answer, before any platform, language or escaping: message ids and arguments.
 *
 * A command makes one; the adapter of the platform renders it. It has one encoding (reply_encode), which inbox and outbox rows
 * store, so that a repeated update gets the same answer and the worker renders in the recipient's language (decisions.md 8).
 *
 * Secrets (codes, sign-in links) are not part of the encoding: arguments of kind TEXT_ARG_SECRET and buttons with a
 * secret_index name them by index, the strings travel beside the reply, sealed (decisions.md 9).
 */
#ifndef TRIVET_CORE_REPLY_H
#define TRIVET_CORE_REPLY_H

#include <stdbool.h>

#include "core/text.h"

#define REPLY_LINES_MAX 40 /* /help has one per command of the contract, and a title */
#define REPLY_BUTTONS_MAX 12
#define REPLY_SECRETS_MAX 2
#define REPLY_ACTION_MAX 64 /* bytes; Telegram's callback_data, the smaller of the two */
#define REPLY_ENCODED_MAX 16384

enum reply_line_kind {
	REPLY_LINE_UNSET = 0,
	REPLY_TITLE, /* bold */
	REPLY_TEXT,
	REPLY_GAP, /* an empty line */
	REPLY_LINE_COUNT
};

struct reply_line {
	enum reply_line_kind kind;
	enum message message;
	const struct text_arg *args;
	size_t arg_count; /* at most TEXT_ARGS_MAX */
};

enum reply_button_kind {
	REPLY_BUTTON_UNSET = 0,
	REPLY_BUTTON_ACTION,  /* target: "verb:argument", at most REPLY_ACTION_MAX bytes; comes back as update.action */
	REPLY_BUTTON_URL,     /* target: https URL of our own form */
	REPLY_BUTTON_WEB_APP, /* target: path and query below WEBAPP_URL; a URL button where there are no web apps */
	REPLY_BUTTON_COUNT
};

enum reply_button_style {
	REPLY_STYLE_UNSET = 0, /* neutral */
	REPLY_STYLE_PRIMARY,
	REPLY_STYLE_DANGER,
	REPLY_STYLE_COUNT
};

struct reply_button {
	enum reply_button_kind kind;
	enum reply_button_style style;
	enum message label;
	struct text_arg arg;  /* of the label; UNSET: it has none */
	struct str target;    /* a URL target may hold one "{secret}", replaced by secrets[secret_index] when rendered */
	int secret_index;     /* -1: none */
};

/* An input of a modal form (Discord); Telegram has none and is never given one. */
struct reply_form {
	enum message title;
	enum message label;
	struct str action; /* comes back with the form */
	struct str field;  /* name of the one text field; absent: the reply is not a form */
	int64_t max_points;
	bool paragraph;
};

struct reply {
	struct arena *arena; /* that it was made in: lines and arguments grow there */
	bool private;        /* others may not read it: ephemeral on Discord, private chat on Telegram */
	bool replace;        /* answers a button by changing the message that held it, without its buttons */
	bool silent;         /* nothing is shown: acknowledged only (no lines) */
	bool delete_message; /* outbox only: delete message `target_message` in the recipient chat instead of sending */
	int64_t target_message;
	struct reply_line *lines;
	size_t line_count; /* at most REPLY_LINES_MAX */
	size_t line_room;
	struct reply_button buttons[REPLY_BUTTONS_MAX];
	size_t button_count;
	struct reply_form form;
	/* Beside the encoding: */
	struct str secrets[REPLY_SECRETS_MAX];
	size_t secret_count;
};

/* reply_new - empty, in the arena; NULL when it failed. */
struct reply *reply_new(struct arena *arena);

/*
 * reply_say - appends a line of kind REPLY_TEXT; variants for the others. Arguments are copied as values, their strings
 * stay borrowed. More than REPLY_LINES_MAX lines or TEXT_ARGS_MAX arguments is a defect: asserted. When the arena is out, the line is
 * lost and the arena has failed, which whoever encodes or answers asks.
 */
void reply_say(struct reply *reply, enum message message, const struct text_arg *args, size_t arg_count);
void reply_line(struct reply *reply, enum reply_line_kind kind, enum message message, const struct text_arg *args, size_t arg_count);
#define REPLY_SAY(reply, message, ...) \
	reply_say((reply), (message), (const struct text_arg[]){__VA_ARGS__}, \
	          sizeof((const struct text_arg[]){__VA_ARGS__}) / sizeof(struct text_arg))

/*
 * reply_button - appends an action button; reply_button_about one whose label has an argument {0}; reply_link a URL button. target is
 * borrowed.
 */
void reply_button(struct reply *reply, enum message label, struct str action, enum reply_button_style style);
void reply_button_about(struct reply *reply, enum message label, struct text_arg arg, struct str action, enum reply_button_style style);
void reply_link(struct reply *reply, enum message label, struct str url, int secret_index);

/* reply_secret - adds a secret string and returns its index for TEXT_SECRET() or reply_link(). */
int reply_secret(struct reply *reply, struct str secret);

/*
 * reply_encode - the reply without its secrets, as bytes of the one format (version 2: length-prefixed fields, message
 * names instead of numbers). Absent when the arena failed or it is larger than REPLY_ENCODED_MAX.
 */
struct str reply_encode(struct arena *arena, const struct reply *reply);

/*
 * reply_decode - back to a value whose strings are borrowed from `encoded`.
 *
 * OK, TOO_LARGE (arena), INVALID (not ours, or of a later version; version 1, whose labels had no argument, is read). A message name
 * that this version no longer has becomes a line less.
 */
MUST_CHECK enum status reply_decode(struct arena *arena, struct str encoded, struct reply **ret_reply);

/*
 * reply_render_text - all lines, joined by newlines, in one language and style. Shared by the adapters.
 * Clipped never: a text over the platform's limit is the adapter's concern.
 */
void reply_render_text(struct buf *out, enum language language, const struct reply *reply, const struct text_style *style);

#endif
