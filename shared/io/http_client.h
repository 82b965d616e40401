/*
 * http_client - outgoing HTTPS; the only file that knows libcurl.
 *
 * Hosts are those of the settings (Telegram's and Discord's API), redirects are not followed, no proxy, peers verified (plain HTTP only
 * to loopback). A response body is read to `max_body` and no further. URLs may hold a bot's token: never logged here, and error
 * texts are our own words (pitfalls.md 2.6).
 */
#ifndef TRIVET_IO_HTTP_CLIENT_H
#define TRIVET_IO_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define HTTP_HEADERS_MAX 8
#define HTTP_BODY_MAX ((size_t)1024 * 1024)

struct http_header {
	struct str name;
	struct str value;
};

struct http_request {
	const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
	struct str url;
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct str body; /* absent: none */
	int64_t timeout_ms;
};

enum http_outcome {
	HTTP_UNSET = 0,
	HTTP_ANSWERED,   /* status and body are set */
	HTTP_NOT_SENT,   /* no connection: the platform never saw it */
	HTTP_NO_ANSWER,  /* sent, but no (whole) answer came: it may have taken effect */
	HTTP_OUTCOME_COUNT
};

struct http_response {
	enum http_outcome outcome;
	int status;
	struct str body;
	/* Rate-limit headers as they came; absent when missing. */
	struct str retry_after;
	struct str ratelimit_remaining;
	struct str ratelimit_reset_after;
	struct str ratelimit_global;
	struct str content_type;
};

/* http_setup - once per process that calls others, before threads. Who does not call it is linked without libcurl. OK, UNAVAILABLE. */
MUST_CHECK enum status http_setup(void);

/* http_call - one blocking call. The response lives in the arena. OK (look at outcome), INVALID (URL), TOO_LARGE. */
MUST_CHECK enum status http_call(struct arena *arena, const struct http_request *request, struct http_response *ret_response);

/*
 * http_batch - many calls at once on one thread (curl_multi).
 *
 * done() is called from http_batch_run() for each finished call; the response's strings live until it returns.
 */
struct http_batch;
struct http_batch *http_batch_new(void);
void http_batch_free(struct http_batch *batch); /* unfinished calls are dropped without done() */

/* http_batch_add - starts one; request's strings are copied. OK, INVALID, TOO_LARGE. */
MUST_CHECK enum status http_batch_add(struct http_batch *batch, const struct http_request *request,
                                      void (*done)(void *arg, const struct http_response *response), void *arg);

/* http_batch_run - works until something finished, `wake_fd` became readable, or `wait_ms` passed; returns how many are in flight. */
size_t http_batch_run(struct http_batch *batch, int wake_fd, int64_t wait_ms);

#endif
