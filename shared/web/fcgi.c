#include "web/fcgi.h"

#include <assert.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct fcgi {
	FCGX_Request request;
	bool ended; /* the body's end mark was read */
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

static bool set_timeouts(int fd, int64_t timeout_us)
{
	struct timeval timeout = {.tv_sec = timeout_us / 1000000, .tv_usec = timeout_us % 1000000};

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0;
}

enum status fcgi_begin(struct fcgi *fcgi, int fd, int64_t timeout_us)
{
	if (!set_timeouts(fd, timeout_us)) {
		(void)close(fd);
		return INVALID;
	}
	/*
	 * FCGX_Accept_r takes a descriptor that is in ipcFd already, but begins with FCGX_Finish_r, which closes it unless
	 * keepConnection is set (decisions.md 1). When this connection turns out broken it closes it and would accept the next
	 * one: there is no listener -1, so it returns.
	 */
	(void)FCGX_InitRequest(&fcgi->request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	fcgi->request.ipcFd = fd;
	fcgi->request.keepConnection = 1;
	fcgi->ended = false;
	if (FCGX_Accept_r(&fcgi->request) != 0) {
		return INVALID;
	}
	/* From here on the peer's wish to keep the connection is void. */
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

static void drain(struct fcgi *fcgi)
{
	char scrap[8192];
	size_t len = 0;

	for (size_t total = 0; !fcgi->ended && total < FCGI_DRAIN_MAX; total += len) {
		if (fcgi_read(fcgi, scrap, sizeof(scrap), &len) != OK) {
			return;
		}
	}
}

enum status fcgi_end(struct fcgi *fcgi)
{
	enum status status = OK;

	drain(fcgi);
	/* Both closed here for their results; FCGX_Finish_r closes them once more, which does nothing. */
	if (FCGX_FClose(fcgi->request.err) != 0 || FCGX_FClose(fcgi->request.out) != 0) {
		status = UNAVAILABLE;
	}
	/*
	 * A unix socket with nothing unread may be closed at once: what we wrote stays readable. Then libfcgi need not wait for
	 * the peer to close first (FCGX_Detach only says so to its close).
	 */
	if (fcgi->ended) {
		(void)FCGX_Detach(&fcgi->request);
	}
	fcgi->request.keepConnection = 0;
	FCGX_Finish_r(&fcgi->request);
	assert(fcgi->request.ipcFd == -1);
	return status;
}
