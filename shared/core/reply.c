#include "core/reply.h"

#include <assert.h>
#include <string.h>

#include "base/parse.h"

/*
 * The encoding, version 2. A field is "<length>:<bytes>"; a reply is the fields in the order of encode_reply(). Numbers are decimal.
 * Length prefixes rather than JSON: core has no I/O library, and foreign words need no escaping.
 */
#define REPLY_VERSION 2
#define REPLY_VERSION_OLDEST 1 /* without arguments of labels */

struct reply *reply_new(struct arena *arena)
{
	struct reply *reply = arena_alloc(arena, sizeof(*reply));

	if (reply != NULL) {
		reply->arena = arena;
	}
	return reply;
}

#define LINES_FIRST 8

/* The next line, empty; NULL: the arena is out. */
static struct reply_line *next_line(struct reply *reply)
{
	assert(reply->line_count < REPLY_LINES_MAX);
	if (reply->line_count == reply->line_room) {
		size_t room = reply->line_room == 0 ? LINES_FIRST : 2 * reply->line_room;
		struct reply_line *lines = arena_array(reply->arena, room, sizeof(*lines));

		if (lines == NULL) {
			return NULL;
		}
		if (reply->line_count > 0) {
			memcpy(lines, reply->lines, reply->line_count * sizeof(*lines));
		}
		reply->lines = lines;
		reply->line_room = room;
	}
	return &reply->lines[reply->line_count++];
}

void reply_line(struct reply *reply, enum reply_line_kind kind, enum message message, const struct text_arg *args, size_t arg_count)
{
	assert(arg_count <= TEXT_ARGS_MAX);
	struct text_arg *copy = arena_array(reply->arena, arg_count, sizeof(*copy));
	struct reply_line *line = copy != NULL ? next_line(reply) : NULL;

	if (line == NULL) {
		return;
	}
	for (size_t i = 0; i < arg_count; i++) {
		copy[i] = args[i];
	}
	*line = (struct reply_line){.kind = kind, .message = message, .args = copy, .arg_count = arg_count};
}

void reply_say(struct reply *reply, enum message message, const struct text_arg *args, size_t arg_count)
{
	reply_line(reply, REPLY_TEXT, message, args, arg_count);
}

static struct reply_button *next_button(struct reply *reply)
{
	assert(reply->button_count < REPLY_BUTTONS_MAX);
	return &reply->buttons[reply->button_count++];
}

void reply_button(struct reply *reply, enum message label, struct str action, enum reply_button_style style)
{
	assert(action.len <= REPLY_ACTION_MAX);
	*next_button(reply) = (struct reply_button){
		.kind = REPLY_BUTTON_ACTION, .style = style, .label = label, .target = action, .secret_index = -1};
}

void reply_button_about(struct reply *reply, enum message label, struct text_arg arg, struct str action, enum reply_button_style style)
{
	reply_button(reply, label, action, style);
	reply->buttons[reply->button_count - 1].arg = arg;
}

void reply_link(struct reply *reply, enum message label, struct str url, int secret_index)
{
	*next_button(reply) =
		(struct reply_button){.kind = REPLY_BUTTON_URL, .label = label, .target = url, .secret_index = secret_index};
}

int reply_secret(struct reply *reply, struct str secret)
{
	assert(reply->secret_count < REPLY_SECRETS_MAX);
	reply->secrets[reply->secret_count] = secret;
	return (int)reply->secret_count++;
}

static void put_str(struct buf *out, struct str s)
{
	if (!str_present(s)) {
		buf_add(out, STR("-:"));
		return;
	}
	buf_add_i64(out, (int64_t)s.len);
	buf_add_byte(out, ':');
	buf_add(out, s);
}

static void put_i64(struct buf *out, int64_t value)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%lld", (long long)value);

	put_str(out, (struct str){digits, (size_t)len});
}

static void put_arg(struct buf *out, const struct text_arg *arg)
{
	put_i64(out, arg->kind);
	put_i64(out, arg->number);
	put_str(out, arg->string);
	put_str(out, message_name(arg->message));
	if (arg->kind == TEXT_ARG_WORDS) {
		put_str(out, arg->english);
	}
}

static void put_line(struct buf *out, const struct reply_line *line)
{
	put_i64(out, line->kind);
	put_str(out, message_name(line->message));
	put_i64(out, (int64_t)line->arg_count);
	for (size_t i = 0; i < line->arg_count; i++) {
		put_arg(out, &line->args[i]);
	}
}

static void put_button(struct buf *out, const struct reply_button *button)
{
	put_i64(out, button->kind);
	put_i64(out, button->style);
	put_str(out, message_name(button->label));
	put_arg(out, &button->arg);
	put_str(out, button->target);
	put_i64(out, button->secret_index);
}

static void put_form(struct buf *out, const struct reply_form *form)
{
	put_str(out, message_name(form->title));
	put_str(out, message_name(form->label));
	put_str(out, form->action);
	put_str(out, form->field);
	put_i64(out, form->max_points);
	put_i64(out, form->paragraph);
}

struct str reply_encode(struct arena *arena, const struct reply *reply)
{
	struct buf out = buf_init(arena, REPLY_ENCODED_MAX);

	put_i64(&out, REPLY_VERSION);
	put_i64(&out, reply->private);
	put_i64(&out, reply->replace);
	put_i64(&out, reply->silent);
	put_i64(&out, reply->delete_message);
	put_i64(&out, reply->target_message);
	put_i64(&out, (int64_t)reply->line_count);
	for (size_t i = 0; i < reply->line_count; i++) {
		put_line(&out, &reply->lines[i]);
	}
	put_i64(&out, (int64_t)reply->button_count);
	for (size_t i = 0; i < reply->button_count; i++) {
		put_button(&out, &reply->buttons[i]);
	}
	put_form(&out, &reply->form);
	return arena_failed(arena) || arena_failed(reply->arena) ? STR_ABSENT : buf_str(&out);
}

/* Reads fields one after the other; the first bad one makes all later reads answer nothing. */
struct reader {
	struct str rest;
	int64_t version;
	bool bad;
};

static struct str get_str(struct reader *in)
{
	struct str rest = in->rest;
	struct str digits = str_split(&rest, ':');
	int64_t len = 0;

	if (in->bad || !str_present(rest)) {
		in->bad = true;
		return STR_ABSENT;
	}
	if (str_eq(digits, STR("-"))) {
		in->rest = rest;
		return STR_ABSENT;
	}
	if (parse_i64(digits, 0, REPLY_ENCODED_MAX, &len) != OK || (size_t)len > rest.len) {
		in->bad = true;
		return STR_ABSENT;
	}
	in->rest = str_cut(rest, (size_t)len, rest.len);
	return str_cut(rest, 0, (size_t)len);
}

static int64_t get_i64(struct reader *in, int64_t min, int64_t max)
{
	int64_t value = 0;

	if (parse_i64(get_str(in), min, max, &value) != OK) {
		in->bad = true;
	}
	return value;
}

/* MESSAGE_NONE for a name that this version no longer has. */
static enum message get_message(struct reader *in)
{
	enum message message = MESSAGE_NONE;
	struct str name = get_str(in);

	if (message_from_name(name, &message) != OK) {
		message = MESSAGE_NONE;
	}
	return message;
}

static void get_arg(struct reader *in, struct text_arg *arg)
{
	arg->kind = (enum text_arg_kind)get_i64(in, 0, TEXT_ARG_COUNT - 1);
	arg->number = get_i64(in, INT64_MIN, INT64_MAX);
	arg->string = get_str(in);
	arg->message = get_message(in);
	arg->english = arg->kind == TEXT_ARG_WORDS ? get_str(in) : STR_ABSENT;
}

static void get_line(struct reader *in, struct reply *reply)
{
	struct text_arg args[TEXT_ARGS_MAX] = {0};
	enum reply_line_kind kind = (enum reply_line_kind)get_i64(in, 0, REPLY_LINE_COUNT - 1);
	enum message message = get_message(in);
	size_t arg_count = (size_t)get_i64(in, 0, TEXT_ARGS_MAX);

	for (size_t i = 0; i < arg_count && !in->bad; i++) {
		get_arg(in, &args[i]);
	}
	if (message != MESSAGE_NONE || kind == REPLY_GAP) {
		reply_line(reply, kind, message, args, arg_count);
	}
}

static void get_button(struct reader *in, struct reply *reply)
{
	struct reply_button button = {0};

	button.kind = (enum reply_button_kind)get_i64(in, 0, REPLY_BUTTON_COUNT - 1);
	button.style = (enum reply_button_style)get_i64(in, 0, REPLY_STYLE_COUNT - 1);
	button.label = get_message(in);
	if (in->version > REPLY_VERSION_OLDEST) {
		get_arg(in, &button.arg);
	}
	button.target = get_str(in);
	button.secret_index = (int)get_i64(in, -1, REPLY_SECRETS_MAX - 1);
	if (button.label != MESSAGE_NONE) {
		reply->buttons[reply->button_count++] = button;
	}
}

static void get_form(struct reader *in, struct reply_form *form)
{
	form->title = get_message(in);
	form->label = get_message(in);
	form->action = get_str(in);
	form->field = get_str(in);
	form->max_points = get_i64(in, 0, 4000);
	form->paragraph = get_i64(in, 0, 1) != 0;
}

enum status reply_decode(struct arena *arena, struct str encoded, struct reply **ret_reply)
{
	struct reader in = {.rest = encoded};
	struct reply *reply = reply_new(arena);

	if (reply == NULL) {
		return TOO_LARGE;
	}
	in.version = get_i64(&in, REPLY_VERSION_OLDEST, REPLY_VERSION);
	if (in.bad) {
		return INVALID;
	}
	reply->private = get_i64(&in, 0, 1) != 0;
	reply->replace = get_i64(&in, 0, 1) != 0;
	reply->silent = get_i64(&in, 0, 1) != 0;
	reply->delete_message = get_i64(&in, 0, 1) != 0;
	reply->target_message = get_i64(&in, INT64_MIN, INT64_MAX);

	int64_t lines = get_i64(&in, 0, REPLY_LINES_MAX);

	for (int64_t i = 0; i < lines && !in.bad; i++) {
		get_line(&in, reply);
	}
	int64_t buttons = get_i64(&in, 0, REPLY_BUTTONS_MAX);

	for (int64_t i = 0; i < buttons && !in.bad; i++) {
		get_button(&in, reply);
	}
	get_form(&in, &reply->form);
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	if (in.bad || in.rest.len != 0) {
		return INVALID;
	}
	*ret_reply = reply;
	return OK;
}

static void render_line(struct buf *out, enum language language, const struct reply *reply, const struct reply_line *line,
                        const struct text_style *style)
{
	bool bold = line->kind == REPLY_TITLE;

	if (line->kind == REPLY_GAP) {
		return;
	}
	if (bold) {
		buf_add(out, style->bold_open);
	}
	text_format(out, language, line->message, line->args, line->arg_count, reply->secrets, reply->secret_count, style);
	if (bold) {
		buf_add(out, style->bold_close);
	}
}

void reply_render_text(struct buf *out, enum language language, const struct reply *reply, const struct text_style *style)
{
	for (size_t i = 0; i < reply->line_count; i++) {
		if (i > 0) {
			buf_add_byte(out, '\n');
		}
		render_line(out, language, reply, &reply->lines[i], style);
	}
}
