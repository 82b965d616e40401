/* Outgoing HTTPS by libcurl. */
#include "io/http_client.h"

#include <assert.h>
#include <curl/curl.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/offload.h"

#define CONNECT_TIMEOUT_MS 3000
/* Idle connections are not reused after this: a server that closes one while we write to it leaves the outcome unknown. */
#define IDLE_MAX_S 15
#define CONNECTIONS_PER_HOST 32
#define URL_MAX 4096
/* Of one call in a batch: its request and its response while it grows. */
#define CALL_ARENA ((size_t)4 * 1024 * 1024)
#define REQUEST_BODY_MAX HTTP_BODY_MAX

struct call {
	CURL *easy;
	CURLU *url;
	struct curl_slist *headers;
	struct arena *arena;
	struct buf body;
	struct str unsent; /* of the request's body */
	struct http_response response;
	CURLcode code; /* of a single call */
	/* Of a batch only. */
	void (*done)(void *arg, const struct http_response *response);
	void *arg;
	struct call *next;
};

enum status http_setup(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? OK : UNAVAILABLE;
}

/*
 * Gives the body piece by piece, once: there is no way back to its beginning. With CURLOPT_POSTFIELDS libcurl would by itself send a
 * request again when a kept connection closes without an answer, and a message would arrive twice without anybody knowing.
 */
static size_t give_body(char *to, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	struct str piece = str_cut(call->unsent, 0, size * count);
	if (piece.len > 0) {
		memcpy(to, piece.ptr, piece.len);
	}
	call->unsent = str_cut(call->unsent, piece.len, call->unsent.len);
	return piece.len;
}

/* ---- what comes back ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	buf_add(&call->body, (struct str){bytes, size * count});
	/* Anything but the count stops the transfer: a body over its limit is not read on. */
	return call->body.failed ? 0 : size * count;
}

static const struct {
	struct str name;
	size_t offset;
} wanted_headers[] = {
	{STR_INIT("retry-after"), offsetof(struct http_response, retry_after)},
	{STR_INIT("x-ratelimit-remaining"), offsetof(struct http_response, ratelimit_remaining)},
	{STR_INIT("x-ratelimit-reset-after"), offsetof(struct http_response, ratelimit_reset_after)},
	{STR_INIT("x-ratelimit-global"), offsetof(struct http_response, ratelimit_global)},
	{STR_INIT("content-type"), offsetof(struct http_response, content_type)},
};

static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	struct str value = {bytes, size * count};
	struct str name = str_split(&value, ':');
	if (str_present(value)) {
		for (size_t i = 0; i < ARRAY_LEN(wanted_headers); i++) {
			if (str_eq_nocase(name, wanted_headers[i].name)) {
				struct str kept = str_dup(call->arena, str_trim(value));
				memcpy((char *)&call->response + wanted_headers[i].offset, &kept, sizeof(kept));
			}
		}
	}
	return size * count;
}

/* Reads the outcome off a finished transfer. */
static void conclude(struct call *call, CURLcode code)
{
	struct http_response *response = &call->response;
	if (code == CURLE_OK) {
		long status = 0;
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		response->status = (int)status;
		response->body = call->body.len > 0 ? buf_str(&call->body) : STR("");
		response->outcome = HTTP_ANSWERED;
		return;
	}
	/* Not a byte of the request went out: whatever failed, failed before. */
	long sent = 0;
	curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
	*response = (struct http_response){.outcome = sent > 0 ? HTTP_NO_ANSWER : HTTP_NOT_SENT};
}

/* ---- what goes out ---- */

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c < ' ' || c == 0x7f) {
			return true;
		}
	}
	return false;
}

/* One part of a parsed URL is one of two words; the part's memory is freed. */
static bool url_part_is(CURLU *url, CURLUPart part, const char *const *words, size_t count)
{
	char *text = NULL;
	bool found = false;
	if (curl_url_get(url, part, &text, 0) == CURLUE_OK) {
		for (size_t i = 0; i < count; i++) {
			found = found || strcmp(text, words[i]) == 0;
		}
	}
	curl_free(text);
	return found;
}

/* "scheme://host": libcurl would forgive missing and surplus slashes and take the path's first word for the host. */
static bool has_host(struct str url)
{
	size_t colon = str_find(url, ':');
	struct str rest = colon != SIZE_MAX ? str_cut(url, colon, url.len) : STR_ABSENT;
	return str_starts(rest, STR("://")) && rest.len > 3 && rest.ptr[3] != '/';
}

/* https to anywhere, http to loopback; no user in it. The parsed form goes to libcurl, so nobody reads the text a second time. */
static enum status set_url(struct call *call, struct str text)
{
	static const char *const https[] = {"https"};
	static const char *const http[] = {"http"};
	static const char *const loopback[] = {"127.0.0.1", "localhost", "[::1]"};
	if (text.len > URL_MAX || has_control(text) || str_find(text, ' ') != SIZE_MAX || !has_host(text)) {
		return INVALID;
	}
	const char *z = str_z(call->arena, text);
	call->url = z != NULL ? curl_url() : NULL;
	if (call->url == NULL) {
		return TOO_LARGE;
	}
	char *user = NULL;
	if (curl_url_set(call->url, CURLUPART_URL, z, 0) != CURLUE_OK || curl_url_get(call->url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
		curl_free(user);
		return INVALID;
	}
	bool secure = url_part_is(call->url, CURLUPART_SCHEME, https, ARRAY_LEN(https));
	bool local = url_part_is(call->url, CURLUPART_SCHEME, http, ARRAY_LEN(http)) &&
	             url_part_is(call->url, CURLUPART_HOST, loopback, ARRAY_LEN(loopback));
	if (!secure && !local) {
		return INVALID;
	}
	curl_easy_setopt(call->easy, CURLOPT_CURLU, call->url);
	curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http");
	return OK;
}

static bool add_header_line(struct call *call, const char *line)
{
	struct curl_slist *longer = line != NULL ? curl_slist_append(call->headers, line) : NULL;
	if (longer == NULL) {
		return false;
	}
	call->headers = longer;
	return true;
}

static enum status set_headers(struct call *call, const struct http_request *request)
{
	bool typed = false;
	if (request->header_count > HTTP_HEADERS_MAX) {
		return INVALID;
	}
	for (size_t i = 0; i < request->header_count; i++) {
		struct str name = request->headers[i].name;
		struct str value = request->headers[i].value;
		/* A line break in either would be a header, or a request, of somebody else's. */
		bool odd_name = str_empty(name) || has_control(name) || str_find(name, ':') != SIZE_MAX || str_find(name, ' ') != SIZE_MAX;
		if (odd_name || has_control(value)) {
			return INVALID;
		}
		typed = typed || str_eq_nocase(name, STR("Content-Type"));
		/* libcurl drops "Name:" without a value; "Name;" is its way to send an empty one. */
		struct str line = value.len > 0 ? str_printf(call->arena, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(value))
		                                : str_printf(call->arena, STR_FMT ";", STR_ARG(name));
		if (!add_header_line(call, str_present(line) ? str_z(call->arena, line) : NULL)) {
			return TOO_LARGE;
		}
	}
	/* No guess at the type of a body, no waiting for 100-continue. */
	if ((!typed && !add_header_line(call, "Content-Type:")) || !add_header_line(call, "Expect:")) {
		return TOO_LARGE;
	}
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	return OK;
}

static enum status set_method(struct call *call, const struct http_request *request)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
	size_t known = 0;
	while (known < ARRAY_LEN(methods) && strcmp(methods[known], request->method) != 0) {
		known++;
	}
	bool get = known == 0;
	if (known == ARRAY_LEN(methods) || (get && str_present(request->body))) {
		return INVALID;
	}
	if (request->body.len > REQUEST_BODY_MAX) {
		return TOO_LARGE;
	}
	if (get) {
		curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L);
		return OK;
	}
	bool bodyless = known == ARRAY_LEN(methods) - 1 && !str_present(request->body);
	if (!bodyless) {
		call->unsent = request->body.len > 0 ? request->body : STR("");
		curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(call->easy, CURLOPT_READDATA, call);
	}
	curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, methods[known]);
	return OK;
}

static void set_rules(struct call *call, int64_t timeout_ms)
{
	CURL *easy = call->easy;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS));
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	/* The environment's proxy variables are not ours to obey: a header could have set them (httpoxy). */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)HTTP_BODY_MAX);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "trivet/" TRIVET_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
}

static void call_done(struct call *call)
{
	curl_easy_cleanup(call->easy);
	curl_url_cleanup(call->url);
	curl_slist_free_all(call->headers);
}

/* Readies a transfer in the caller's storage; request's strings stay borrowed. call_done() in every case. OK, INVALID, TOO_LARGE. */
static enum status call_init(struct call *call, struct arena *arena, const struct http_request *request)
{
	*call = (struct call){.arena = arena, .body = buf_init(arena, HTTP_BODY_MAX), .easy = curl_easy_init()};
	if (call->easy == NULL) {
		return TOO_LARGE;
	}
	if (request->timeout_ms < 1 || request->timeout_ms > INT32_MAX) {
		return INVALID;
	}
	set_rules(call, request->timeout_ms);
	enum status status = set_url(call, request->url);
	if (status == OK) {
		status = set_method(call, request);
	}
	return status == OK ? set_headers(call, request) : status;
}

static void perform(void *arg)
{
	struct call *call = arg;

	call->code = curl_easy_perform(call->easy);
}

enum status http_call(struct arena *arena, const struct http_request *request, struct http_response *ret_response)
{
	struct call call;
	enum status status = call_init(&call, arena, request);
	if (status == OK) {
		offload(fiber_helpers(), perform, &call);
		if (call.body.failed || call.code == CURLE_FILESIZE_EXCEEDED) {
			status = TOO_LARGE;
		} else {
			conclude(&call, call.code);
			*ret_response = call.response;
		}
	}
	call_done(&call);
	return status;
}

/* ---- many at once ---- */

struct http_batch {
	CURLM *multi;
	struct call *calls;
	size_t count;
};

struct http_batch *http_batch_new(void)
{
	struct http_batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	batch->multi = curl_multi_init();
	if (batch->multi == NULL) {
		free(batch);
		return NULL;
	}
	curl_multi_setopt(batch->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_PER_HOST);
	return batch;
}

static void call_free(struct call *call)
{
	struct arena *arena = call->arena;
	call_done(call);
	arena_free(arena); /* which holds the call too */
}

void http_batch_free(struct http_batch *batch)
{
	if (batch == NULL) {
		return;
	}
	while (batch->calls != NULL) {
		struct call *call = batch->calls;
		batch->calls = call->next;
		curl_multi_remove_handle(batch->multi, call->easy);
		call_free(call);
	}
	curl_multi_cleanup(batch->multi);
	free(batch);
}

enum status http_batch_add(struct http_batch *batch, const struct http_request *request,
                           void (*done)(void *arg, const struct http_response *response), void *arg)
{
	struct arena *arena = arena_new(CALL_ARENA);
	struct call *call = arena != NULL ? arena_alloc(arena, sizeof(*call)) : NULL;
	if (call == NULL) {
		arena_free(arena);
		return TOO_LARGE;
	}
	call->arena = arena;
	/* URL, method and headers are copied by what they are turned into; of the body libcurl only borrows. */
	struct http_request own = *request;
	if (str_present(request->body) && request->body.len <= REQUEST_BODY_MAX) {
		own.body = str_dup(arena, request->body);
	}
	enum status status = arena_failed(arena) ? TOO_LARGE : call_init(call, arena, &own);
	if (status == OK && curl_multi_add_handle(batch->multi, call->easy) != CURLM_OK) {
		status = TOO_LARGE;
	}
	if (status != OK) {
		call_free(call);
		return status;
	}
	call->done = done;
	call->arg = arg;
	call->next = batch->calls;
	batch->calls = call;
	batch->count++;
	return OK;
}

static void forget(struct http_batch *batch, const struct call *call)
{
	struct call **at = &batch->calls;
	while (*at != call) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = call->next;
	batch->count--;
}

/* Tells of every transfer that has ended; done() may add new ones. Returns whether there was any. */
static bool tell_finished(struct http_batch *batch)
{
	bool any = false;
	for (;;) {
		int left;
		CURLMsg *message = curl_multi_info_read(batch->multi, &left);
		if (message == NULL) {
			return any;
		}
		struct call *call = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		curl_multi_remove_handle(batch->multi, call->easy);
		forget(batch, call);
		conclude(call, code);
		call->done(call->arg, &call->response);
		call_free(call);
		any = true;
	}
}

size_t http_batch_run(struct http_batch *batch, int wake_fd, int64_t wait_ms)
{
	int64_t end = clock_monotonic_us() + wait_ms * 1000;
	for (;;) {
		int running;
		(void)curl_multi_perform(batch->multi, &running);
		int64_t left_us = end - clock_monotonic_us();
		if (tell_finished(batch) || left_us <= 0) {
			return batch->count;
		}
		struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
		int left_ms = (int)((left_us + 999) / 1000);
		CURLMcode code = curl_multi_poll(batch->multi, &wake, wake_fd >= 0 ? 1 : 0, left_ms, NULL);
		if (code != CURLM_OK || (wake_fd >= 0 && wake.revents != 0)) {
			(void)curl_multi_perform(batch->multi, &running);
			(void)tell_finished(batch);
			return batch->count;
		}
	}
}
