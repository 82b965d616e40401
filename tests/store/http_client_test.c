/* io/http_client against a server of a few lines: what arrives, what is refused, what is known after a failure. */
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/http_client.h"

/* One thread on a loopback port. Each connection: reads one request (head and Content-Length), then says its words and closes. */
struct server {
	int listener;
	int port;
	pthread_t thread;
	const char *says;   /* NULL: closes without a word */
	size_t says_len;    /* 0: strlen(says) */
	int64_t wait_ms;    /* before it speaks */
	bool deaf;          /* never reads */
	int connections;    /* how many it serves */
	char heard[8192];   /* the last request */
};

static size_t body_length(const char *head)
{
	const char *field = strcasestr(head, "\r\nContent-Length: ");
	unsigned length = 0;
	return field != NULL && sscanf(field + 18, "%u", &length) == 1 ? length : 0;
}

static void hear(struct server *server, int peer)
{
	size_t len = 0;
	memset(server->heard, 0, sizeof(server->heard));
	while (len < sizeof(server->heard) - 1) {
		const char *end = strstr(server->heard, "\r\n\r\n");
		if (end != NULL && len >= (size_t)(end + 4 - server->heard) + body_length(server->heard)) {
			return;
		}
		ssize_t got = read(peer, server->heard + len, sizeof(server->heard) - 1 - len);
		if (got <= 0) {
			return;
		}
		len += (size_t)got;
	}
}

static void *serve(void *arg)
{
	struct server *server = arg;
	for (int i = 0; i < server->connections; i++) {
		int peer = accept(server->listener, NULL, NULL);
		if (peer < 0) {
			return NULL;
		}
		if (!server->deaf) {
			hear(server, peer);
		}
		usleep((useconds_t)(server->wait_ms * 1000));
		if (server->says != NULL) {
			size_t left = server->says_len != 0 ? server->says_len : strlen(server->says);
			const char *at = server->says;
			while (left > 0) {
				ssize_t sent = send(peer, at, left, MSG_NOSIGNAL);
				if (sent <= 0) {
					break;
				}
				at += sent;
				left -= (size_t)sent;
			}
		}
		shutdown(peer, SHUT_WR);
		close(peer);
	}
	return NULL;
}

static void server_start(struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	server->connections = server->connections == 0 ? 1 : server->connections;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 64), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
}

static struct http_request request_to(struct arena *arena, const struct server *server, const char *method, const char *path)
{
	return (struct http_request){
		.method = method,
		.url = str_printf(arena, "http://127.0.0.1:%d%s", server->port, path),
		.timeout_ms = 2000,
	};
}

static int setup(void **state)
{
	*state = arena_new(ARENA_REQUEST_LIMIT);
	return http_setup() == OK ? 0 : 1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const char ok_answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";

static void a_request_arrives_as_it_was_meant(void **state)
{
	struct arena *arena = *state;
	struct server server = {.says = ok_answer};
	server_start(&server);
	struct http_request request = request_to(arena, &server, "POST", "/bot1:token/sendMessage?x=%20y");
	request.body = STR("{\"text\":\"\\u0000\"}");
	request.headers[0] = (struct http_header){STR("Content-Type"), STR("application/json")};
	request.headers[1] = (struct http_header){STR("Authorization"), STR("Bot abc")};
	request.headers[2] = (struct http_header){STR("X-Empty"), STR("")};
	request.header_count = 3;
	struct http_response response;
	assert_int_equal(http_call(arena, &request, &response), OK);
	server_stop(&server);
	assert_int_equal(response.outcome, HTTP_ANSWERED);
	assert_int_equal(response.status, 200);
	assert_true(str_eq(response.body, STR("{\"ok\":true}")));
	assert_true(str_eq(response.content_type, STR("application/json")));
	assert_false(str_present(response.retry_after));
	assert_non_null(strstr(server.heard, "POST /bot1:token/sendMessage?x=%20y HTTP/1.1\r\n"));
	assert_non_null(strstr(server.heard, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(server.heard, "\r\nAuthorization: Bot abc\r\n"));
	assert_non_null(strstr(server.heard, "\r\nX-Empty:\r\n"));
	assert_non_null(strstr(server.heard, "\r\nUser-Agent: trivet/"));
	assert_non_null(strstr(server.heard, "\r\n\r\n{\"text\":\"\\u0000\"}"));
	assert_null(strstr(server.heard, "Expect:"));
	assert_null(strstr(server.heard, "Accept-Encoding:"));
}

static void every_method_is_sent_by_its_name(void **state)
{
	struct arena *arena = *state;
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		for (int with_body = 0; with_body <= (i == 0 ? 0 : 1); with_body++) {
			struct server server = {.says = "HTTP/1.1 204 No Content\r\n\r\n"};
			server_start(&server);
			struct http_request request = request_to(arena, &server, methods[i], "/x");
			request.body = with_body != 0 ? STR("body") : STR_ABSENT;
			struct http_response response;
			assert_int_equal(http_call(arena, &request, &response), OK);
			server_stop(&server);
			assert_int_equal(response.status, 204);
			assert_int_equal(response.body.len, 0);
			assert_true(str_present(response.body));
			assert_true(strncmp(server.heard, methods[i], strlen(methods[i])) == 0 && server.heard[strlen(methods[i])] == ' ');
			assert_int_equal(body_length(server.heard), with_body != 0 ? 4 : 0);
			assert_null(strstr(server.heard, "Content-Type:")); /* nothing is guessed */
		}
	}
}

static void rate_limit_headers_are_kept(void **state)
{
	struct arena *arena = *state;
	struct server server = {
		.says = "HTTP/1.1 429 Too Many Requests\r\nretry-after:  1.5 \r\nX-RateLimit-Bucket: abcd\r\nx-ratelimit-remaining: 0\r\n"
		        "X-RATELIMIT-RESET-AFTER: 1.500\r\nX-RateLimit-Scope: shared\r\nX-RateLimit-Global: true\r\n"
		        "Content-Length: 0\r\n\r\n",
	};
	server_start(&server);
	struct http_request request = request_to(arena, &server, "GET", "/");
	struct http_response response;
	assert_int_equal(http_call(arena, &request, &response), OK);
	server_stop(&server);
	assert_int_equal(response.status, 429);
	assert_true(str_eq(response.retry_after, STR("1.5")));
	assert_true(str_eq(response.ratelimit_remaining, STR("0")));
	assert_true(str_eq(response.ratelimit_reset_after, STR("1.500")));
	assert_true(str_eq(response.ratelimit_global, STR("true")));
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
	struct arena *arena = *state;
	struct server target = {.says = ok_answer};
	server_start(&target);
	struct server server = {0};
	struct str words =
		str_printf(arena, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n", target.port);
	server.says = str_z(arena, words);
	server_start(&server);
	struct http_request request = request_to(arena, &server, "GET", "/");
	struct http_response response;
	assert_int_equal(http_call(arena, &request, &response), OK);
	server_stop(&server);
	server_stop(&target);
	assert_int_equal(response.status, 302);
	assert_int_equal(target.heard[0], '\0');
}

static void environment_proxies_are_not_obeyed(void **state)
{
	struct arena *arena = *state;
	struct server server = {.says = ok_answer};
	server_start(&server);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	struct http_request request = request_to(arena, &server, "GET", "/");
	struct http_response response;
	enum status status = http_call(arena, &request, &response);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	server_stop(&server);
	assert_int_equal(status, OK);
	assert_int_equal(response.outcome, HTTP_ANSWERED);
}

static void urls_that_we_would_never_call_are_refused(void **state)
{
	struct arena *arena = *state;
	static const char *const urls[] = {
		"",
		"127.0.0.1/x",
		"/x",
		"http://example.com/",
		"http://127.0.0.2/",
		"http://[::2]/",
		"http://localhost.example.com/",
		"ftp://127.0.0.1/x",
		"file:///etc/passwd",
		"gopher://127.0.0.1/x",
		"https://",
		"https:///x",
		"https://user@127.0.0.1/",
		"https://u:p@h/",
		"http://127.0.0.1:99999/",
		"https://h/a b",
		"https://h/a\r\nHost: x",
		"https://h/a\tb",
		"https://h\\@127.0.0.1/",
	};
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct http_request request = {.method = "GET", .url = str_from_z(urls[i]), .timeout_ms = 300};
		struct http_response response;
		if (http_call(arena, &request, &response) != INVALID) {
			fail_msg("%s was not refused", urls[i]);
		}
	}
	struct http_request request = {.method = "GET", .url = {"https://h/\0x", 12}, .timeout_ms = 300};
	struct http_response response;
	assert_int_equal(http_call(arena, &request, &response), INVALID);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
	struct arena *arena = *state;
	struct http_response response;
	const struct http_request good = {.method = "POST", .url = STR("http://127.0.0.1:1/"), .timeout_ms = 300};
	struct http_request request = good;
	request.method = "TRACE";
	assert_int_equal(http_call(arena, &request, &response), INVALID);
	request = good;
	request.method = "GET";
	request.body = STR("x");
	assert_int_equal(http_call(arena, &request, &response), INVALID);
	request = good;
	request.timeout_ms = 0;
	assert_int_equal(http_call(arena, &request, &response), INVALID);
	request = good;
	request.header_count = HTTP_HEADERS_MAX + 1;
	assert_int_equal(http_call(arena, &request, &response), INVALID);
	static const struct http_header bad[] = {
		{STR_INIT(""), STR_INIT("x")},       {STR_INIT("A B"), STR_INIT("x")},          {STR_INIT("A:"), STR_INIT("x")},
		{STR_INIT("A\r\nB"), STR_INIT("x")}, {STR_INIT("A"), STR_INIT("x\r\nEvil: 1")}, {STR_INIT("A"), STR_INIT("x\ny")},
		{STR_INIT("A"), {"x\0y", 3}},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		request = good;
		request.headers[0] = bad[i];
		request.header_count = 1;
		assert_int_equal(http_call(arena, &request, &response), INVALID);
	}
}

static struct str large_answer(struct arena *arena, size_t body, bool with_length)
{
	struct str head = with_length ? str_printf(arena, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body)
	                              : STR("HTTP/1.0 200 OK\r\n\r\n");
	char *text = arena_alloc(arena, head.len + body);
	assert_non_null(text);
	memcpy(text, head.ptr, head.len);
	memset(text + head.len, 'x', body);
	return (struct str){text, head.len + body};
}

static void a_body_is_read_to_its_limit_and_no_further(void **state UNUSED)
{
	for (int with_length = 0; with_length < 2; with_length++) {
		for (size_t over = 0; over < 2; over++) {
			struct arena *server_arena = arena_new(4 * HTTP_BODY_MAX);
			struct arena *arena = arena_new(8 * HTTP_BODY_MAX);
			struct str answer = large_answer(server_arena, HTTP_BODY_MAX + over, with_length != 0);
			struct server server = {.says = answer.ptr, .says_len = answer.len};
			server_start(&server);
			struct http_request request = request_to(server_arena, &server, "GET", "/");
			struct http_response response;
			enum status status = http_call(arena, &request, &response);
			server_stop(&server);
			assert_int_equal(status, over == 0 ? OK : TOO_LARGE);
			if (status == OK) {
				assert_int_equal(response.body.len, HTTP_BODY_MAX);
			}
			arena_free(arena);
			arena_free(server_arena);
		}
	}
}

/* ---- what is known after a failure ---- */

static enum http_outcome outcome_of(struct arena *arena, struct server *server, const char *scheme, int64_t timeout_ms)
{
	server_start(server);
	struct http_request request = request_to(arena, server, "POST", "/");
	request.url = str_printf(arena, "%s://127.0.0.1:%d/", scheme, server->port);
	request.body = STR("x");
	request.timeout_ms = timeout_ms;
	struct http_response response = {.outcome = HTTP_UNSET};
	assert_int_equal(http_call(arena, &request, &response), OK);
	server_stop(server);
	assert_int_equal(response.status, response.outcome == HTTP_ANSWERED ? response.status : 0);
	return response.outcome;
}

static void what_was_never_sent_is_told_apart(void **state)
{
	struct arena *arena = *state;
	/* Nobody listens. */
	struct http_request request = {.method = "POST", .url = STR("http://127.0.0.1:1/"), .body = STR("x"), .timeout_ms = 1000};
	struct http_response response;
	assert_int_equal(http_call(arena, &request, &response), OK);
	assert_int_equal(response.outcome, HTTP_NOT_SENT);
	/* No such host; .invalid never resolves (RFC 6761). */
	request.url = STR("https://trivet.invalid/");
	assert_int_equal(http_call(arena, &request, &response), OK);
	assert_int_equal(response.outcome, HTTP_NOT_SENT);
	/* Not TLS, and a TLS handshake that never ends. */
	struct server plain = {.says = "HTTP/1.1 200 OK\r\n\r\n", .deaf = true};
	assert_int_equal(outcome_of(arena, &plain, "https", 1000), HTTP_NOT_SENT);
	struct server silent = {.deaf = true, .wait_ms = 400};
	assert_int_equal(outcome_of(arena, &silent, "https", 200), HTTP_NOT_SENT);
}

static void what_was_sent_without_a_whole_answer_is_uncertain(void **state)
{
	struct arena *arena = *state;
	struct server mute = {0};
	assert_int_equal(outcome_of(arena, &mute, "http", 1000), HTTP_NO_ANSWER);
	struct server slow = {.says = ok_answer, .wait_ms = 400};
	int64_t began = clock_monotonic_us();
	assert_int_equal(outcome_of(arena, &slow, "http", 150), HTTP_NO_ANSWER);
	assert_in_range(clock_monotonic_us() - began, 140 * 1000, 1000 * 1000);
	struct server cut = {.says = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"};
	assert_int_equal(outcome_of(arena, &cut, "http", 1000), HTTP_NO_ANSWER);
	struct server garbage = {.says = "\1\2\3 what?\r\n\r\n"};
	assert_int_equal(outcome_of(arena, &garbage, "http", 1000), HTTP_NO_ANSWER);
	struct server good = {.says = ok_answer};
	assert_int_equal(outcome_of(arena, &good, "http", 1000), HTTP_ANSWERED);
}

/* A real TLS server whose certificate nobody vouches for. */
static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
	struct arena *arena = *state;
	char folder[] = "/tmp/trivet-http-test-XXXXXX";
	assert_non_null(mkdtemp(folder));
	int port = 20000 + (int)getpid() % 20000;
	struct str script = str_printf(arena,
	                               "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 2"
	                               " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 >log 2>&1 &&"
	                               " exec openssl s_server -accept 127.0.0.1:%d -key k -cert c -www >>log 2>&1 </dev/null",
	                               folder, port);
	char *const command[] = {(char[]){"sh"}, (char[]){"-c"}, strndup(script.ptr, script.len), NULL};
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		execv("/bin/sh", command);
		_exit(127);
	}
	free(command[2]);
	struct http_request request = {.method = "GET", .url = str_printf(arena, "https://127.0.0.1:%d/", port), .timeout_ms = 2000};
	struct http_response response = {.outcome = HTTP_UNSET};
	/* Up when it can be connected to. */
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	bool up = false;
	for (int i = 0; i < 200 && !up; i++) {
		int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		up = connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0;
		close(probe);
		usleep(up ? 0 : 20 * 1000);
	}
	enum status status = http_call(arena, &request, &response);
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
	struct str rm = str_printf(arena, "%s/", folder);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"k", "c", "log"};
		unlink(str_z(arena, str_printf(arena, STR_FMT "%s", STR_ARG(rm), names[i])));
	}
	rmdir(folder);
	assert_true(up);
	assert_int_equal(status, OK);
	assert_int_equal(response.outcome, HTTP_NOT_SENT);
}

/* ---- many at once ---- */

struct tally {
	int answered;
	int not_sent;
	int no_answer;
	struct http_batch *batch; /* when set, the first answer adds another request */
	struct http_request next;
};

static void count_outcome(void *arg, const struct http_response *response)
{
	struct tally *tally = arg;
	tally->answered += response->outcome == HTTP_ANSWERED && response->status == 200 && str_eq(response->body, STR("{\"ok\":true}"));
	tally->not_sent += response->outcome == HTTP_NOT_SENT;
	tally->no_answer += response->outcome == HTTP_NO_ANSWER;
	if (tally->batch != NULL) {
		struct http_batch *batch = tally->batch;
		tally->batch = NULL;
		assert_int_equal(http_batch_add(batch, &tally->next, count_outcome, tally), OK);
	}
}

static void a_batch_runs_many_at_once(void **state)
{
	struct arena *arena = *state;
	enum { CALLS = 20 };
	struct server servers[CALLS];
	struct tally tally = {0};
	struct http_batch *batch = http_batch_new();
	assert_non_null(batch);
	for (int i = 0; i < CALLS; i++) {
		servers[i] = (struct server){.says = ok_answer, .wait_ms = 100};
		server_start(&servers[i]);
		char body[] = "copied";
		struct http_request request = request_to(arena, &servers[i], "POST", "/");
		request.body = str_from_z(body);
		assert_int_equal(http_batch_add(batch, &request, count_outcome, &tally), OK);
		memset(body, '!', sizeof(body) - 1);
	}
	int64_t began = clock_monotonic_us();
	for (int i = 0; i < 200 && http_batch_run(batch, -1, 100) > 0; i++) {
	}
	/* One after the other they would take 2 s. */
	assert_in_range(clock_monotonic_us() - began, 90 * 1000, 1500 * 1000);
	assert_int_equal(tally.answered, CALLS);
	for (int i = 0; i < CALLS; i++) {
		server_stop(&servers[i]);
		assert_non_null(strstr(servers[i].heard, "\r\n\r\ncopied"));
	}
	http_batch_free(batch);
}

static void a_batch_tells_outcomes_and_may_grow_from_done(void **state)
{
	struct arena *arena = *state;
	struct server good = {.says = ok_answer};
	struct server mute = {0};
	server_start(&good);
	server_start(&mute);
	struct http_batch *batch = http_batch_new();
	struct tally tally = {.batch = batch, .next = request_to(arena, &good, "GET", "/")};
	struct http_request nobody = {.method = "GET", .url = STR("http://127.0.0.1:1/"), .timeout_ms = 1000};
	struct http_request unanswered = request_to(arena, &mute, "GET", "/");
	struct http_request bad = {.method = "GET", .url = STR("http://example.com/"), .timeout_ms = 1000};
	assert_int_equal(http_batch_add(batch, &nobody, count_outcome, &tally), OK);
	assert_int_equal(http_batch_add(batch, &unanswered, count_outcome, &tally), OK);
	assert_int_equal(http_batch_add(batch, &bad, count_outcome, &tally), INVALID);
	for (int i = 0; i < 50 && http_batch_run(batch, -1, 100) > 0; i++) {
	}
	assert_int_equal(tally.not_sent, 1);
	assert_int_equal(tally.no_answer, 1);
	assert_int_equal(tally.answered, 1);
	server_stop(&good);
	server_stop(&mute);
	http_batch_free(batch);
}

static void *wake_later(void *arg)
{
	uint64_t one = 1;
	usleep(50 * 1000);
	ssize_t written = write(*(int *)arg, &one, sizeof(one));
	assert_int_equal(written, sizeof(one));
	return NULL;
}

static void a_batch_waits_for_its_descriptor_or_its_time(void **state)
{
	struct arena *arena = *state;
	struct http_batch *batch = http_batch_new();
	int fd = eventfd(0, EFD_CLOEXEC);
	int64_t began = clock_monotonic_us();
	assert_int_equal(http_batch_run(batch, fd, 80), 0);
	assert_in_range(clock_monotonic_us() - began, 75 * 1000, 300 * 1000);
	/* With a call in flight that will not be answered. */
	struct server silent = {.says = ok_answer, .wait_ms = 600};
	server_start(&silent);
	struct tally tally = {0};
	struct http_request request = request_to(arena, &silent, "GET", "/");
	assert_int_equal(http_batch_add(batch, &request, count_outcome, &tally), OK);
	pthread_t thread;
	began = clock_monotonic_us();
	assert_int_equal(pthread_create(&thread, NULL, wake_later, &fd), 0);
	assert_int_equal(http_batch_run(batch, fd, 5000), 1);
	assert_in_range(clock_monotonic_us() - began, 40 * 1000, 400 * 1000);
	pthread_join(thread, NULL);
	http_batch_free(batch); /* drops the call without telling */
	assert_int_equal(tally.answered + tally.not_sent + tally.no_answer, 0);
	server_stop(&silent);
	close(fd);
	http_batch_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_request_arrives_as_it_was_meant),
		TEST(every_method_is_sent_by_its_name),
		TEST(rate_limit_headers_are_kept),
		TEST(a_redirect_is_an_answer_and_not_followed),
		TEST(environment_proxies_are_not_obeyed),
		TEST(urls_that_we_would_never_call_are_refused),
		TEST(requests_that_make_no_sense_are_refused),
		TEST(a_body_is_read_to_its_limit_and_no_further),
		TEST(what_was_never_sent_is_told_apart),
		TEST(what_was_sent_without_a_whole_answer_is_uncertain),
		TEST(a_certificate_that_nobody_vouches_for_is_refused),
		TEST(a_batch_runs_many_at_once),
		TEST(a_batch_tells_outcomes_and_may_grow_from_done),
		TEST(a_batch_waits_for_its_descriptor_or_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
