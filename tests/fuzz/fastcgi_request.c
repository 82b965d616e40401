/*
 * fastcgi_request - one connection through exchange_run(): FastCGI records, parameters, body, routes, the answer.
 *
 * The first byte chooses. Even: the rest is a list of NAME\0VALUE\0 up to an empty name, then the body; it is sent as a well-formed
 * request, which fcgi_await() calls whole unless it is too long, and exactly one answer must come whose header lines are well-formed. Odd:
 * the rest is sent as it is, and at most one endpoint may run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/log.h"
#include "io/crypto.h"
#include "io/json.h"
#include "web/exchange.h"
#include "web/fcgi.h"

#define INPUT_MAX 16384 /* fits a socket's buffer with its framing */
#define LENGTH_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int runs;

static enum status run(struct route_call *call)
{
	const struct rawreq *raw = call->request;
	struct str value = STR_ABSENT;
	struct json *told = json_object();

	runs++;
	told = json_set_str(told, "param", call->params[0]);
	told = json_set_i64(told, "size", (int64_t)call->body_size);
	if (rawreq_header_once(raw, STR("X_TELL"), &value) == OK) {
		response_header(call, STR("X-Tell"), value);
	}
	response_json(call, json_write(call->ctx->arena, told));
	return OK;
}

static enum status verify(struct route_call *call)
{
	struct str secret = STR_ABSENT;

	return rawreq_header_once(call->request, STR("X_SECRET"), &secret) == OK ? OK : DENIED;
}

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/get/{a}", ROUTE_PUBLIC, .deadline_us = SECOND_US, .run = run),
	ROUTE(METHOD_POST, "/post/{a}/{b}", ROUTE_SIGNED, .body_limit = 64, .deadline_us = SECOND_US, .verify = verify, .run = run),
	ROUTE(METHOD_POST, "/cut", ROUTE_PUBLIC, .body_limit = 16, .body_cut = true, .deadline_us = SECOND_US, .run = run),
	ROUTE(METHOD_PUT, "/json", ROUTE_PUBLIC, .body_limit = 4096, .body_json = true, .deadline_us = SECOND_US, .run = run),
	ROUTE(METHOD_GET, "/local", ROUTE_LOOPBACK, .deadline_us = SECOND_US, .run = run),
};

struct wire {
	uint8_t bytes[INPUT_MAX * 4];
	size_t len;
};

static void add(struct wire *wire, const void *bytes, size_t len)
{
	if (len > 0) {
		memcpy(wire->bytes + wire->len, bytes, len);
		wire->len += len;
	}
}

static void add_record(struct wire *wire, int type, const void *content, size_t len)
{
	const uint8_t header[8] = {1, (uint8_t)type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len, 0, 0};

	add(wire, header, sizeof(header));
	add(wire, content, len);
}

/* A name or value up to its NUL, or to the input's end. */
static struct str take_word(const uint8_t **data, size_t *size)
{
	size_t len = strnlen((const char *)*data, *size);
	struct str word = {(const char *)*data, len};
	size_t taken = len < *size ? len + 1 : len;

	*data += taken;
	*size -= taken;
	return word;
}

static void add_param(struct wire *wire, struct str name, struct str value)
{
	const uint8_t lengths[8] = {0x80, 0, (uint8_t)(name.len >> 8),  (uint8_t)name.len,
	                            0x80, 0, (uint8_t)(value.len >> 8), (uint8_t)value.len};

	add_record(wire, 4, lengths, sizeof(lengths));
	add_record(wire, 4, name.ptr, name.len);
	add_record(wire, 4, value.ptr, value.len);
}

/* An empty record would end the parameters early: empty names and values are skipped. */
static void build(struct wire *wire, const uint8_t *data, size_t size)
{
	const uint8_t begin[8] = {0, 1, 1, 0, 0, 0, 0, 0};

	add_record(wire, 1, begin, sizeof(begin));
	while (size > 0) {
		struct str name = take_word(&data, &size);
		struct str value = STR_ABSENT;

		if (name.len == 0) {
			break;
		}
		value = take_word(&data, &size);
		/* One record's framing is 32 bytes: many tiny parameters must not outgrow the buffer. */
		if (value.len > 0 && wire->len + name.len + value.len + size + 128 < sizeof(wire->bytes)) {
			add_param(wire, name, value);
		}
	}
	add_record(wire, 4, "", 0);
	if (size > 0) {
		add_record(wire, 5, data, size);
	}
	add_record(wire, 5, "", 0);
}

/*
 * What libfcgi 2.4.2 is known to do wrong for whoever may write to the socket (mode 0660, nginx alone; pitfalls.md 2.1) is left out:
 * it allocates whatever a parameter's length asks for, up to 4 GiB, and aborts where that fails; and it forgets a few bytes for
 * each management record (request id 0) of a type that it does not know.
 */
static bool known_to_libfcgi(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 4 <= size; i++) {
		uint32_t length = (uint32_t)(data[i] & 0x7f) << 24 | (uint32_t)data[i + 1] << 16 | (uint32_t)data[i + 2] << 8 | data[i + 3];

		if ((data[i] & 0x80) != 0 && length > LENGTH_MAX) {
			return true;
		}
	}
	/* Wherever one might begin: what follows a broken record is for libfcgi to find. */
	for (size_t at = 0; at + 4 <= size; at++) {
		if (data[at] == 1 && data[at + 2] == 0 && data[at + 3] == 0 && data[at + 1] != 1 && data[at + 1] != 9) {
			return true;
		}
	}
	return false;
}

static void check_answer(int fd)
{
	static char bytes[1 << 16];
	size_t len = 0;
	ssize_t got = 0;
	int ends = 0;

	while (len < sizeof(bytes) && (got = recv(fd, bytes + len, sizeof(bytes) - len, 0)) > 0) {
		len += (size_t)got;
	}
	for (size_t at = 0; at + 8 <= len;) {
		const uint8_t *header = (const uint8_t *)bytes + at;
		size_t content = (size_t)header[4] << 8 | header[5];

		if (header[1] == 6 && content > 0 && at == 0 && strncmp(bytes + 8, "Status: ", 8) != 0) {
			abort();
		}
		ends += header[1] == 3;
		at += 8 + content + header[6];
	}
	if (ends != 1) {
		abort();
	}
}

static struct exchange_room *set_up(void)
{
	static struct config config = {.threads = 1};
	static struct app app = {.config = &config};
	static const struct web_options options = {
		.app = &app, .program = "fuzz", .routes = routes, .route_count = ARRAY_LEN(routes), .io_timeout_us = SECOND_US / 10};
	static struct exchange_room room;

	if (room.fcgi == NULL) {
		log_set_level(LOG_ERROR);
		json_setup();
		app.limits = limit_table_new(64);
		room = (struct exchange_room){.options = &options, .arena = arena_new(ARENA_REQUEST_LIMIT), .fcgi = fcgi_new()};
		if (crypto_setup() != OK || fcgi_setup() != OK || app.limits == NULL || room.arena == NULL || room.fcgi == NULL) {
			abort();
		}
		json_bind_arena(room.arena);
	}
	return &room;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire wire;
	struct exchange_room *room = set_up();
	bool formed = size > 0 && data[0] % 2 == 0;
	bool whole = false;
	int pair[2];

	if (size < 1 || size > INPUT_MAX || (!formed && known_to_libfcgi(data + 1, size - 1))) {
		return 0;
	}
	wire.len = 0;
	runs = 0;
	if (formed) {
		build(&wire, data + 1, size - 1);
	} else {
		add(&wire, data + 1, size - 1);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
	    send(pair[0], wire.bytes, wire.len, MSG_NOSIGNAL) != (ssize_t)wire.len || shutdown(pair[0], SHUT_WR) != 0) {
		abort();
	}
	whole = fcgi_await(pair[1], 0) == OK;
	exchange_run(room, pair[1]);
	if (runs > 1 || (formed && whole != (wire.len <= FCGI_WHOLE_MAX))) {
		abort();
	}
	if (formed) {
		check_answer(pair[0]);
	}
	(void)close(pair[0]);
	return 0;
}
