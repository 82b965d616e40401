/*
 * fastcgi_client - raw FastCGI records for tests: well-formed when asked nicely, as broken as a test wants otherwise.
 *
 * A request is built into a byte buffer, sent over any connected stream socket, and its answer read to the end of the
 * connection. Source of the format: FastCGI Specification 1.0, sections 3 and 8.
 */
#ifndef TRIVET_TESTS_FASTCGI_CLIENT_H
#define TRIVET_TESTS_FASTCGI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FASTCGI_BEGIN_REQUEST 1
#define FASTCGI_ABORT_REQUEST 2
#define FASTCGI_END_REQUEST 3
#define FASTCGI_PARAMS 4
#define FASTCGI_STDIN 5
#define FASTCGI_STDOUT 6

#define FASTCGI_RESPONDER 1
#define FASTCGI_AUTHORIZER 2
#define FASTCGI_KEEP_CONN 1

struct fastcgi_bytes {
	char *ptr;
	size_t len;
	size_t cap;
};

/* Builders; the buffer starts as {0} and ends with fastcgi_free(). Lack of memory ends the test program. */
void fastcgi_add(struct fastcgi_bytes *bytes, const void *data, size_t len);
void fastcgi_record(struct fastcgi_bytes *bytes, int type, const void *content, size_t len);
void fastcgi_begin(struct fastcgi_bytes *bytes, int role, int flags);
void fastcgi_param(struct fastcgi_bytes *bytes, const char *name, const char *value);
void fastcgi_params_end(struct fastcgi_bytes *bytes);
/* The content in records of at most 64 KiB, then the end mark when `whole`. */
void fastcgi_stdin(struct fastcgi_bytes *bytes, const void *content, size_t len, bool whole);
void fastcgi_free(struct fastcgi_bytes *bytes);
/* Its peer wants to keep the connection; of a request that stands at the buffer's begin. */
void fastcgi_keep(struct fastcgi_bytes *bytes);

/*
 * fastcgi_simple - begin and parameters of a common request, still open for more parameters.
 *
 * body_len goes into CONTENT_LENGTH; negative leaves that out.
 */
void fastcgi_simple(struct fastcgi_bytes *bytes, const char *method, const char *path, long body_len);

/* The same, closed, with a body of the announced length. */
void fastcgi_request(struct fastcgi_bytes *bytes, const char *method, const char *path, const char *content_type, const char *body);

struct fastcgi_answer {
	int status; /* of the Status header; 0 when none came */
	int ends; /* END_REQUEST records seen */
	bool closed; /* the server closed the connection */
	char *head; /* header lines, NUL-terminated */
	char *body; /* NUL-terminated */
	size_t body_len;
};

/* Connects; -1 with errno. */
int fastcgi_connect(const char *path);
/* Sends all; false when the peer does not take it. */
bool fastcgi_send(int fd, const struct fastcgi_bytes *bytes);
/* Reads until the peer closes or timeout_ms pass without a byte; closes nothing. Give it to fastcgi_answer_free(). */
struct fastcgi_answer fastcgi_receive(int fd, int timeout_ms);
/* The same, but to the end of one answer: on a connection that is kept. */
struct fastcgi_answer fastcgi_receive_one(int fd, int timeout_ms);
void fastcgi_answer_free(struct fastcgi_answer *answer);
/* The value of a header, "" when it is missing; in a buffer of the answer's life. Case-sensitive name. */
const char *fastcgi_header(const struct fastcgi_answer *answer, const char *name, char *buffer, size_t size);

/* Connects, sends, receives (5 s), closes. */
struct fastcgi_answer fastcgi_call(const char *path, const struct fastcgi_bytes *bytes);

#endif
