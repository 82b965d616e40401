/*
 * log - one structured line on standard error; called by programs (layer 7) and web; by service and io only for what no caller can be told
 * of: work that nobody waits for, a store that went away or came back.
 *
 * logfmt: `level=info at=2026-11-20T13:24:14.1Z event=request route=... status=200`. Foreign bytes are escaped: a value
 * with anything but printable ASCII, or with a quote, backslash, equals sign or space, is quoted and escaped (\n, \xHH). Never a
 * secret, never a URL that holds a token (pitfalls.md 2.6).
 */
#ifndef TRIVET_BASE_LOG_H
#define TRIVET_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum log_level {
	LOG_DEBUG = 0,
	LOG_INFO,
	LOG_WARNING,
	LOG_ERROR
};

/* log_set_level - once at start, before threads; lines below it are not written. */
void log_set_level(enum log_level level);

/* One line under construction, on the caller's stack. */
struct log_line {
	char text[2048];
	size_t len;
	enum log_level level;
	bool cut; /* something did not fit; later fields are dropped */
};

void log_begin(struct log_line *line, enum log_level level, const char *event);
void log_str(struct log_line *line, const char *key, struct str value);
void log_i64(struct log_line *line, const char *key, int64_t value);
/* log_end - writes the line with a single write(2), or keeps it (log_keep()); a line that did not fit ends in " cut=1". */
void log_end(struct log_line *line);

/*
 * Lines that wait to be written with others: a system call for each line is dear where thousands of requests a second are told of. No more
 * than a pipe takes in one piece (PIPE_BUF), so that lines of threads and programs do not mix.
 */
struct log_kept {
	char text[4096];
	size_t len;
};

/*
 * log_keep - from now on the calling thread's lines wait in `kept`, which is its own, until there is no more room or log_flush(); but a
 * warning or an error writes them all at once. NULL: what waits is written, and each line by itself again.
 */
void log_keep(struct log_kept *kept);

/* log_flush - writes what waits. Loops of fibers do so before they may sleep (base/fiber). */
void log_flush(void);

/* log_message - begin, one `message` value formatted, end. */
void log_message(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
