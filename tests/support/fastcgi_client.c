#include "support/fastcgi_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fastcgi_add(struct fastcgi_bytes *bytes, const void *data, size_t len)
{
	if (len == 0) {
		return;
	}
	if (bytes->cap - bytes->len < len) {
		bytes->cap = (bytes->len + len) * 2;
		bytes->ptr = realloc(bytes->ptr, bytes->cap);
		if (bytes->ptr == NULL) {
			abort();
		}
	}
	memcpy(bytes->ptr + bytes->len, data, len);
	bytes->len += len;
}

void fastcgi_record(struct fastcgi_bytes *bytes, int type, const void *content, size_t len)
{
	const unsigned char header[8] = {1, (unsigned char)type, 0, 1, (unsigned char)(len >> 8), (unsigned char)len, 0, 0};

	fastcgi_add(bytes, header, sizeof(header));
	fastcgi_add(bytes, content, len);
}

void fastcgi_begin(struct fastcgi_bytes *bytes, int role, int flags)
{
	const unsigned char body[8] = {0, (unsigned char)role, (unsigned char)flags, 0, 0, 0, 0, 0};

	fastcgi_record(bytes, FASTCGI_BEGIN_REQUEST, body, sizeof(body));
}

static void add_length(struct fastcgi_bytes *bytes, size_t len)
{
	const unsigned char longer[4] = {(unsigned char)(len >> 24 | 0x80), (unsigned char)(len >> 16), (unsigned char)(len >> 8),
		(unsigned char)len};

	if (len < 128) {
		fastcgi_add(bytes, &longer[3], 1);
	} else {
		fastcgi_add(bytes, longer, sizeof(longer));
	}
}

void fastcgi_param(struct fastcgi_bytes *bytes, const char *name, const char *value)
{
	struct fastcgi_bytes pair = {0};

	add_length(&pair, strlen(name));
	add_length(&pair, strlen(value));
	fastcgi_add(&pair, name, strlen(name));
	fastcgi_add(&pair, value, strlen(value));
	fastcgi_record(bytes, FASTCGI_PARAMS, pair.ptr, pair.len);
	fastcgi_free(&pair);
}

void fastcgi_params_end(struct fastcgi_bytes *bytes)
{
	fastcgi_record(bytes, FASTCGI_PARAMS, "", 0);
}

void fastcgi_stdin(struct fastcgi_bytes *bytes, const void *content, size_t len, bool whole)
{
	const char *from = content;

	while (len > 0) {
		size_t part = len < 65535 ? len : 65535;

		fastcgi_record(bytes, FASTCGI_STDIN, from, part);
		from += part;
		len -= part;
	}
	if (whole) {
		fastcgi_record(bytes, FASTCGI_STDIN, "", 0);
	}
}

void fastcgi_free(struct fastcgi_bytes *bytes)
{
	free(bytes->ptr);
	*bytes = (struct fastcgi_bytes){0};
}

void fastcgi_keep(struct fastcgi_bytes *bytes)
{
	/* Of the first record the third byte of its content. */
	bytes->ptr[8 + 2] |= FASTCGI_KEEP_CONN;
}

void fastcgi_simple(struct fastcgi_bytes *bytes, const char *method, const char *path, long body_len)
{
	char number[32];

	fastcgi_begin(bytes, FASTCGI_RESPONDER, 0);
	fastcgi_param(bytes, "REQUEST_METHOD", method);
	fastcgi_param(bytes, "DOCUMENT_URI", path);
	fastcgi_param(bytes, "QUERY_STRING", "");
	fastcgi_param(bytes, "REMOTE_ADDR", "127.0.0.1");
	if (body_len >= 0) {
		(void)snprintf(number, sizeof(number), "%ld", body_len);
		fastcgi_param(bytes, "CONTENT_LENGTH", number);
	}
}

void fastcgi_request(struct fastcgi_bytes *bytes, const char *method, const char *path, const char *content_type, const char *body)
{
	fastcgi_simple(bytes, method, path, (long)strlen(body));
	fastcgi_param(bytes, "CONTENT_TYPE", content_type);
	fastcgi_params_end(bytes);
	fastcgi_stdin(bytes, body, strlen(body), true);
}

int fastcgi_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

bool fastcgi_send(int fd, const struct fastcgi_bytes *bytes)
{
	for (size_t sent = 0; sent < bytes->len;) {
		ssize_t part = send(fd, bytes->ptr + sent, bytes->len - sent, MSG_NOSIGNAL);

		if (part <= 0) {
			return false;
		}
		sent += (size_t)part;
	}
	return true;
}

static void take_records(const struct fastcgi_bytes *raw, struct fastcgi_bytes *out, struct fastcgi_answer *answer)
{
	const unsigned char *bytes = (const unsigned char *)raw->ptr;
	size_t at = 0;

	while (raw->len - at >= 8) {
		size_t len = (size_t)bytes[at + 4] << 8 | bytes[at + 5];
		size_t padding = bytes[at + 6];

		if (raw->len - at - 8 < len + padding) {
			return;
		}
		if (bytes[at + 1] == FASTCGI_STDOUT) {
			fastcgi_add(out, bytes + at + 8, len);
		}
		answer->ends += bytes[at + 1] == FASTCGI_END_REQUEST;
		at += 8 + len + padding;
	}
}

/* How many answers ended in what came. */
static int count_ends(const struct fastcgi_bytes *raw)
{
	struct fastcgi_answer answer = {0};
	struct fastcgi_bytes out = {0};

	take_records(raw, &out, &answer);
	fastcgi_free(&out);
	return answer.ends;
}

/* Everything until the peer closes, or with `one` until an answer's end, as raw bytes; whether he closed. */
static bool read_all(int fd, int timeout_ms, bool one, struct fastcgi_bytes *raw)
{
	char part[4096];

	while (!one || count_ends(raw) == 0) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};

		if (poll(&readable, 1, timeout_ms) <= 0) {
			return false;
		}

		ssize_t got = recv(fd, part, sizeof(part), 0);

		if (got <= 0) {
			return got == 0 || errno == ECONNRESET;
		}
		fastcgi_add(raw, part, (size_t)got);
	}
	return false;
}

static struct fastcgi_answer receive(int fd, int timeout_ms, bool one)
{
	struct fastcgi_answer answer = {0};
	struct fastcgi_bytes raw = {0};
	struct fastcgi_bytes out = {0};
	char *blank = NULL;
	char number[4] = "";

	answer.closed = read_all(fd, timeout_ms, one, &raw);
	take_records(&raw, &out, &answer);
	fastcgi_free(&raw);
	fastcgi_add(&out, "", 1);
	blank = strstr(out.ptr, "\r\n\r\n");
	answer.head = out.ptr;
	answer.body = out.ptr + out.len - 1;
	if (blank != NULL) {
		blank[2] = '\0';
		answer.body = blank + 4;
	}
	answer.body_len = (size_t)(out.ptr + out.len - 1 - answer.body);
	if (strncmp(out.ptr, "Status: ", 8) == 0) {
		memcpy(number, out.ptr + 8, 3);
		answer.status = (number[0] - '0') * 100 + (number[1] - '0') * 10 + (number[2] - '0');
	}
	return answer;
}

struct fastcgi_answer fastcgi_receive(int fd, int timeout_ms)
{
	return receive(fd, timeout_ms, false);
}

struct fastcgi_answer fastcgi_receive_one(int fd, int timeout_ms)
{
	return receive(fd, timeout_ms, true);
}

void fastcgi_answer_free(struct fastcgi_answer *answer)
{
	free(answer->head);
	*answer = (struct fastcgi_answer){0};
}

const char *fastcgi_header(const struct fastcgi_answer *answer, const char *name, char *buffer, size_t size)
{
	char start[128];
	const char *found = NULL;
	size_t len = 0;

	(void)snprintf(start, sizeof(start), "\r\n%s: ", name);
	buffer[0] = '\0';
	found = strstr(answer->head, start);
	if (found != NULL) {
		found += strlen(start);
		len = strcspn(found, "\r");
		(void)snprintf(buffer, size, "%.*s", (int)len, found);
	}
	return buffer;
}

struct fastcgi_answer fastcgi_call(const char *path, const struct fastcgi_bytes *bytes)
{
	struct fastcgi_answer answer = {0};
	int fd = fastcgi_connect(path);

	if (fd < 0) {
		answer.head = calloc(1, 1);
		answer.body = answer.head;
		return answer;
	}
	(void)fastcgi_send(fd, bytes);
	answer = fastcgi_receive(fd, 5000);
	(void)close(fd);
	return answer;
}
