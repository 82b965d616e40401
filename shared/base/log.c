#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"

#define MESSAGE_MAX 1024

/* What log_end() may still need: the closing quote, this, and the newline. */
static const struct str cut_mark = STR_INIT(" cut=1");
#define TAIL_BYTES 8

/* The named exception to "no mutable globals": set once at start, before threads. */
static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_DEBUG:
		return "debug";
	case LOG_INFO:
		return "info";
	case LOG_WARNING:
		return "warning";
	case LOG_ERROR:
		return "error";
	}
	return "error";
}

/* Bytes that fields may still take. A closing quote can stand one past the border, in the tail. */
static size_t room_left(const struct log_line *line)
{
	size_t border = sizeof(line->text) - TAIL_BYTES;
	return line->len < border ? border - line->len : 0;
}

/* Adds all of `s`, or nothing and marks the line as cut. */
static bool add(struct log_line *line, struct str s)
{
	if (line->cut || s.len > room_left(line)) {
		line->cut = true;
		return false;
	}
	if (s.len > 0) {
		memcpy(line->text + line->len, s.ptr, s.len);
		line->len += s.len;
	}
	return true;
}

/* ` key=`, unless the value could not even begin. */
static void add_key(struct log_line *line, const char *key)
{
	add(line, STR(" "));
	add(line, str_from_z(key));
	add(line, STR("="));
}

static bool is_plain(char byte)
{
	return byte > ' ' && byte < 0x7F && byte != '"' && byte != '\\' && byte != '=';
}

static bool needs_quotes(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (!is_plain(value.ptr[i])) {
			return true;
		}
	}
	return value.len == 0;
}

/* One byte as it stands between quotes: nothing in it can end the value, the line or reach a terminal. */
static struct str escape(char byte, char room[8])
{
	int written;
	if (byte == '"' || byte == '\\') {
		written = snprintf(room, 8, "\\%c", byte);
	} else if (byte == '\n') {
		written = snprintf(room, 8, "\\n");
	} else if (byte < ' ' || byte >= 0x7F) {
		written = snprintf(room, 8, "\\x%02X", (unsigned)(unsigned char)byte);
	} else {
		written = snprintf(room, 8, "%c", byte);
	}
	return (struct str){room, (size_t)written};
}

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
	line->len = 0;
	line->level = level;
	line->cut = false;
	if (level < threshold) {
		return;
	}
	char at[FORMAT_RFC3339_BYTES];
	size_t at_len = format_rfc3339_into(at, clock_wall_us());
	add(line, STR("level="));
	add(line, str_from_z(level_name(level)));
	add(line, STR(" at="));
	add(line, (struct str){at, at_len});
	log_str(line, "event", str_from_z(event));
}

void log_str(struct log_line *line, const char *key, struct str value)
{
	if (line->level < threshold) {
		return;
	}
	add_key(line, key);
	if (!needs_quotes(value)) {
		/* A long plain value is cut like a quoted one, at the last byte that fits. */
		size_t room = room_left(line);
		add(line, str_cut(value, 0, room));
		line->cut = line->cut || value.len > room;
		return;
	}
	if (!add(line, STR("\""))) {
		return;
	}
	char escaped[8];
	for (size_t i = 0; i < value.len && add(line, escape(value.ptr[i], escaped)); i++) {
	}
	/* Fits always: TAIL_BYTES holds a place for it. */
	line->text[line->len++] = '"';
}

void log_i64(struct log_line *line, const char *key, int64_t value)
{
	if (line->level < threshold) {
		return;
	}
	char room[STR_I64_BYTES];
	add_key(line, key);
	add(line, str_of_i64(room, value));
}

/* Lines that wait; each thread's own, a named exception to "no globals". */
static _Thread_local struct log_kept *waiting;

/* Where the log itself is broken there is nobody left to tell. */
static void write_text(const char *text, size_t len)
{
	ssize_t written = write(STDERR_FILENO, text, len);
	(void)written;
}

void log_flush(void)
{
	if (waiting != NULL && waiting->len > 0) {
		write_text(waiting->text, waiting->len);
		waiting->len = 0;
	}
}

void log_keep(struct log_kept *kept)
{
	log_flush();
	waiting = kept;
	if (kept != NULL) {
		kept->len = 0;
	}
}

void log_end(struct log_line *line)
{
	if (line->level < threshold) {
		return;
	}
	if (line->cut) {
		memcpy(line->text + line->len, cut_mark.ptr, cut_mark.len);
		line->len += cut_mark.len;
	}
	line->text[line->len++] = '\n';
	if (waiting == NULL) {
		write_text(line->text, line->len); /* one call, so that lines of threads do not mix */
		return;
	}
	if (waiting->len + line->len > sizeof(waiting->text)) {
		log_flush();
	}
	memcpy(waiting->text + waiting->len, line->text, line->len);
	waiting->len += line->len;
	if (line->level >= LOG_WARNING) {
		log_flush();
	}
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
	if (level < threshold) {
		return;
	}
	char text[MESSAGE_MAX];
	va_list args;
	va_start(args, format);
	int needed = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	struct log_line line;
	log_begin(&line, level, event);
	if (needed >= 0) {
		size_t len = (size_t)needed < sizeof(text) ? (size_t)needed : sizeof(text) - 1;
		log_str(&line, "message", (struct str){text, len});
		line.cut = line.cut || (size_t)needed > len;
	}
	log_end(&line);
}
