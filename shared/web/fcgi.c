#include "web/fcgi.h"

#include <assert.h>
#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fiber.h"

struct fcgi {
	FCGX_Request request;
	bool wanted; /* the peer wants to keep the connection */
	bool ended;  /* the body's end mark was read */
};

static bool set_disposition(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	return sigaction(number, &action, NULL) == 0;
}

enum status fcgi_setup(void)
{
	/* How long libfcgi's close waits for the peer, each time it is idle; its own 2 s would hold a thread. */
	if (setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "250", 1) != 0 || FCGX_Init() != 0) {
		return UNAVAILABLE;
	}
	if (!set_disposition(SIGPIPE, SIG_IGN) || !set_disposition(SIGUSR1, SIG_IGN) || !set_disposition(SIGUSR2, SIG_IGN) ||
		!set_disposition(SIGHUP, SIG_IGN) || !set_disposition(SIGTERM, SIG_DFL) || !set_disposition(SIGINT, SIG_DFL)) {
		return UNAVAILABLE;
	}
	return OK;
}

struct fcgi *fcgi_new(void)
{
	return calloc(1, sizeof(struct fcgi));
}

void fcgi_free(struct fcgi *fcgi)
{
	free(fcgi);
}

/* A record's header, as far as it matters here. */
struct record {
	int type;
	int request;
	size_t content;
	size_t padding;
};

/* False: the bytes end before. */
static bool next_record(const unsigned char *bytes, size_t len, size_t *at, struct record *ret_record)
{
	FCGI_Header header;

	if (len - *at < FCGI_HEADER_LEN) {
		return false;
	}
	memcpy(&header, bytes + *at, sizeof(header));
	*ret_record = (struct record){
		.type = header.type,
		.request = header.requestIdB1 << 8 | header.requestIdB0,
		.content = (size_t)header.contentLengthB1 << 8 | header.contentLengthB0,
		.padding = header.paddingLength,
	};
	if (len - *at < FCGI_HEADER_LEN + ret_record->content + ret_record->padding) {
		return false;
	}
	*at += FCGI_HEADER_LEN + ret_record->content + ret_record->padding;
	return true;
}

/*
 * Whether the bytes are one responder's request and nothing else. It ends with the end mark of its body, without padding: libfcgi may leave
 * that unread, and whatever is unread would be the beginning of a next request.
 */
static bool is_whole(const unsigned char *bytes, size_t len)
{
	struct record first = {0};
	struct record record = {0};
	FCGI_BeginRequestBody begin;
	size_t at = 0;

	if (!next_record(bytes, len, &at, &first) || first.type != FCGI_BEGIN_REQUEST || first.content != sizeof(begin)) {
		return false;
	}
	memcpy(&begin, bytes + FCGI_HEADER_LEN, sizeof(begin));
	if ((begin.roleB1 << 8 | begin.roleB0) != FCGI_RESPONDER) {
		return false;
	}
	while (next_record(bytes, len, &at, &record) && record.request == first.request) {
		if (record.type == FCGI_STDIN && record.content == 0) {
			return record.padding == 0 && at == len;
		}
	}
	return false;
}

enum status fcgi_await(int fd, int64_t until)
{
	unsigned char bytes[FCGI_WHOLE_MAX + 1]; /* one more: what fills it has more to come */
	short ready = 0;

	for (;;) {
		ssize_t len = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

		if (len > 0) {
			return (size_t)len <= FCGI_WHOLE_MAX && is_whole(bytes, (size_t)len) ? OK : TOO_LARGE;
		}
		if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
			return INVALID;
		}
		if (until == 0 || fiber_wait_fd(fd, POLLIN, until, &ready) != OK) {
			return NOT_FOUND;
		}
	}
}

enum status fcgi_set_blocking(int fd, int64_t timeout_us)
{
	struct timeval timeout = {.tv_sec = timeout_us / 1000000, .tv_usec = timeout_us % 1000000};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0) {
		return UNAVAILABLE;
	}
	return OK;
}

int fcgi_fd(const struct fcgi *fcgi)
{
	return fcgi->request.ipcFd;
}

enum status fcgi_begin(struct fcgi *fcgi, int fd, bool whole)
{
	/*
	 * FCGX_Accept_r takes a descriptor that is in ipcFd already, but begins with FCGX_Finish_r, which closes it unless
	 * keepConnection is set (decisions.md 1). When this connection turns out broken it closes it and would accept the next
	 * one: there is no listener -1, so it returns.
	 */
	(void)FCGX_InitRequest(&fcgi->request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	fcgi->request.ipcFd = fd;
	fcgi->request.keepConnection = 1;
	fcgi->ended = false;
	if (whole) {
		(void)FCGX_Detach(&fcgi->request); /* wherever it is closed, nobody is waited for */
	}
	if (FCGX_Accept_r(&fcgi->request) != 0) {
		return INVALID;
	}
	/* Whether it is kept is decided at the end, and not by libfcgi. */
	fcgi->wanted = fcgi->request.keepConnection != 0;
	fcgi->request.keepConnection = 0;

	const char *role = FCGX_GetParam("FCGI_ROLE", fcgi->request.envp);

	/* A stream that breaks between two parameters is a success to FCGX_Accept_r, with those that had come (found by fuzzing). */
	if (FCGX_GetError(fcgi->request.in) != 0 || role == NULL || strcmp(role, "RESPONDER") != 0) {
		FCGX_Free(&fcgi->request, 1);
		return INVALID;
	}
	return OK;
}

char *const *fcgi_params(const struct fcgi *fcgi)
{
	return fcgi->request.envp;
}

enum status fcgi_read(struct fcgi *fcgi, char *buffer, size_t size, size_t *ret_len)
{
	size_t len = 0;

	/* FCGX_GetStr would go on behind an error, at whatever it takes for the next record. */
	if (FCGX_GetError(fcgi->request.in) != 0) {
		return INVALID;
	}
	while (len < size && !fcgi->ended) {
		size_t wanted = size - len < 1 << 20 ? size - len : 1 << 20;
		int got = FCGX_GetStr(buffer + len, (int)wanted, fcgi->request.in);

		if (FCGX_GetError(fcgi->request.in) != 0 || got < 0) {
			return INVALID;
		}
		len += (size_t)got;
		fcgi->ended = (size_t)got < wanted;
	}
	*ret_len = len;
	return OK;
}

enum status fcgi_write(struct fcgi *fcgi, struct str bytes)
{
	while (bytes.len > 0) {
		struct str part = str_cut(bytes, 0, 1 << 20);

		if (FCGX_PutStr(part.ptr, (int)part.len, fcgi->request.out) != (int)part.len) {
			return UNAVAILABLE;
		}
		bytes = str_cut(bytes, part.len, bytes.len);
	}
	return OK;
}

/* Returns how much there was. */
static size_t drain(struct fcgi *fcgi)
{
	char scrap[8192];
	size_t total = 0;
	size_t len = 0;

	while (!fcgi->ended && total < FCGI_DRAIN_MAX && fcgi_read(fcgi, scrap, sizeof(scrap), &len) == OK) {
		total += len;
	}
	return total;
}

enum status fcgi_end(struct fcgi *fcgi, bool *ret_kept)
{
	enum status status = OK;
	size_t unread = drain(fcgi);
	bool kept = false;

	/* Both closed here for their results; FCGX_Finish_r closes them once more, which does nothing. */
	if (FCGX_FClose(fcgi->request.err) != 0 || FCGX_FClose(fcgi->request.out) != 0) {
		status = UNAVAILABLE;
	}
	kept = ret_kept != NULL && fcgi->wanted && fcgi->ended && unread == 0 && status == OK && FCGX_GetError(fcgi->request.in) == 0;
	/*
	 * A unix socket with nothing unread may be closed at once: what we wrote stays readable. Then libfcgi need not wait for
	 * the peer to close first (FCGX_Detach only says so to its close).
	 */
	if (fcgi->ended && !kept) {
		(void)FCGX_Detach(&fcgi->request);
	}
	fcgi->request.keepConnection = kept;
	FCGX_Finish_r(&fcgi->request);
	assert(kept == (fcgi->request.ipcFd >= 0));
	fcgi->request.ipcFd = -1;
	if (ret_kept != NULL) {
		*ret_kept = kept;
	}
	return status;
}
