/* io/cache against a real Redis: values, windows, and that every failure is closed. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "io/cache.h"
#include "io/pg.h"
#include "support/fibers.h"
#include "support/testdb.h"

struct fixture {
	struct cache *cache;
	struct arena *arena;
};

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_us() + ms * 1000;
}

static struct cache *open_cache(struct str url, int connections)
{
	struct cache *cache;
	assert_int_equal(cache_open(url, connections, &cache), OK);
	return cache;
}

static int setup(void **state)
{
	static struct fixture fixture;
	fixture.cache = open_cache(testdb_redis_url(), 2);
	fixture.arena = arena_new(ARENA_REQUEST_LIMIT);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	cache_close(fixture->cache);
	arena_free(fixture->arena);
	return 0;
}

static void urls_are_read_strictly(void **state UNUSED)
{
	static const char *const good[] = {
		"redis://127.0.0.1:6379/0", "redis://127.0.0.1", "redis://:p%40ss@[::1]:1/15", "redis://user:pass@localhost:65535/1",
		"redis://user@h",
		"unix:///run/redis.sock", "unix:///run/redis.sock?db=3&user=a&password=b%26", "unix:///with%20space?password=x",
	};
	static const char *const bad[] = {
		"", "redis://", "redis://:6379", "redis://h:0", "redis://h:65536", "redis://h:6379x", "redis://h/x", "redis://h/-1",
		"redis://h/1/2", "redis://h?db=1", "redis://h/0#x", "redis://@h", "redis://:@h", "redis://u:%zz@h", "redis://u:%00@h",
		"redis://[::1", "redis://[::1]6379", "rediss://h", "http://h", "unix://", "unix://relative", "unix:///s?db=x",
		"unix:///s?nonsense=1", "unix:///s?db", "unix:///s?user=a&user=b", "unix:///s?db=1&", "unix:///a%00b",
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct cache *cache = open_cache(str_from_z(good[i]), 1);
		cache_close(cache);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct cache *cache = NULL;
		assert_int_equal(cache_open(str_from_z(bad[i]), 1, &cache), INVALID);
		assert_null(cache);
	}
	struct cache *cache = NULL;
	assert_int_equal(cache_open(testdb_redis_url(), 0, &cache), INVALID);
	assert_int_equal(cache_open(testdb_redis_url(), 65, &cache), INVALID);
	cache_close(NULL);
}

static void a_value_is_set_read_and_deleted(void **state)
{
	struct fixture *fixture = *state;
	struct str key = {"k\0\r\n k", 6};
	struct str value = {"v\0\r\n$5 %s %b", 13};
	struct str read;
	assert_int_equal(cache_ready(fixture->cache, in_ms(1000)), OK);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), key, &read), NOT_FOUND);
	assert_int_equal(cache_set(fixture->cache, in_ms(1000), key, value, 60000), OK);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), key, &read), OK);
	assert_true(str_eq(read, value));
	assert_int_equal(cache_delete(fixture->cache, in_ms(1000), key), OK);
	assert_int_equal(cache_delete(fixture->cache, in_ms(1000), key), OK);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), key, &read), NOT_FOUND);
	assert_int_equal(cache_set(fixture->cache, in_ms(1000), key, STR(""), 1), OK);
	usleep(20 * 1000);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), key, &read), NOT_FOUND);
}

static void an_empty_value_is_not_a_missing_one(void **state)
{
	struct fixture *fixture = *state;
	struct str read;
	assert_int_equal(cache_set(fixture->cache, in_ms(1000), STR("empty"), STR(""), 60000), OK);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), STR("empty"), &read), OK);
	assert_true(str_present(read));
	assert_int_equal(read.len, 0);
}

static enum status enter(const struct fixture *fixture, const char *member, int64_t now, int64_t *ret_wait)
{
	return cache_window_enter(fixture->cache, in_ms(1000), STR("window"), str_from_z(member), now, 10 * SECOND_US, 3, ret_wait);
}

static int64_t entered(const struct fixture *fixture, int64_t now)
{
	int64_t count = -1;
	assert_int_equal(cache_window_count(fixture->cache, in_ms(1000), STR("window"), now, 10 * SECOND_US, &count), OK);
	return count;
}

static void a_window_takes_so_many_and_no_more(void **state)
{
	struct fixture *fixture = *state;
	const int64_t t = INT64_C(1763645054123456);
	int64_t wait = -1;
	assert_int_equal(entered(fixture, t), 0);
	assert_int_equal(enter(fixture, "a", t, &wait), OK);
	assert_int_equal(enter(fixture, "b", t + 1 * SECOND_US, &wait), OK);
	assert_int_equal(enter(fixture, "b", t + 2 * SECOND_US, &wait), OK); /* a repeat counts once */
	assert_int_equal(entered(fixture, t + 2 * SECOND_US), 2);
	assert_int_equal(enter(fixture, "c", t + 3 * SECOND_US, &wait), OK);
	assert_true(wait == -1); /* untouched so far */
	assert_int_equal(enter(fixture, "d", t + 4 * SECOND_US, &wait), TOO_MANY);
	assert_true(wait == 6 * SECOND_US); /* until "a" leaves */
	assert_int_equal(entered(fixture, t + 4 * SECOND_US), 3);
	/* Who is in is in, even where others stand beside it for the moment and the count is over the limit. */
	assert_int_equal(
		cache_window_enter(fixture->cache, in_ms(1000), STR("window"), STR("c"), t + 4 * SECOND_US, 10 * SECOND_US, 2, &wait),
		OK);
	/* "a" leaves ten seconds after it entered, "b" by its first time and not by its repeat. */
	assert_int_equal(enter(fixture, "d", t + 10 * SECOND_US - 1, &wait), TOO_MANY);
	assert_true(wait == 1);
	assert_int_equal(enter(fixture, "d", t + 10 * SECOND_US, &wait), OK);
	assert_int_equal(entered(fixture, t + 10 * SECOND_US), 3);
	assert_int_equal(entered(fixture, t + 11 * SECOND_US), 2);
	assert_int_equal(cache_window_leave(fixture->cache, in_ms(1000), STR("window"), STR("c")), OK);
	assert_int_equal(cache_window_leave(fixture->cache, in_ms(1000), STR("window"), STR("c")), OK);
	assert_int_equal(entered(fixture, t + 11 * SECOND_US), 1);
	assert_int_equal(enter(fixture, "e", t + 11 * SECOND_US, &wait), OK);
}

/* A reply that is an error, or of another type, destroys the connection and silences the cache for 200 ms; then it works again. */
static void an_unexpected_reply_is_a_failure(void **state)
{
	struct fixture *fixture = *state;
	int64_t wait;
	struct str read;
	assert_int_equal(cache_set(fixture->cache, in_ms(1000), STR("plain"), STR("x"), 60000), OK);
	assert_int_equal(cache_window_enter(fixture->cache, in_ms(1000), STR("plain"), STR("m"), 1, 1000, 1, &wait), UNAVAILABLE);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), STR("plain"), &read), UNAVAILABLE);
	usleep(210 * 1000);
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), STR("plain"), &read), OK);
}

static void a_wrong_password_is_unavailable(void **state UNUSED)
{
	char url[600];
	snprintf(url, sizeof(url), STR_FMT "&user=nobody&password=wrong", STR_ARG(testdb_redis_url()));
	struct cache *cache = open_cache(str_from_z(url), 1);
	assert_int_equal(cache_ready(cache, in_ms(1000)), UNAVAILABLE);
	cache_close(cache);
}

/* The user that production has: our keys and our commands, nothing else (pitfalls.md 2.4). */
static void an_acl_user_signs_in_on_every_connection(void **state)
{
	struct fixture *fixture = *state;
	struct str path = testdb_redis_url();
	path = str_cut(path, strlen("unix://"), str_find(path, '?') - strlen("unix://"));
	redisContext *redis = redisConnectUnix(str_z(fixture->arena, path));
	assert_int_equal(redis->err, 0);
	redisReply *reply = redisCommand(redis, "ACL SETUSER trivet reset on >p%%40ss ~link:* +ping +get +set +del +zadd +zrem +zcard"
	                                        " +zcount +zrange +zremrangebyscore +pexpire +multi +exec +select");
	assert_int_equal(reply->type, REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	char url[600];
	snprintf(url, sizeof(url), STR_FMT "&user=trivet&password=p%%2540ss", STR_ARG(testdb_redis_url()));
	struct cache *cache = open_cache(str_from_z(url), 1);
	int64_t wait;
	assert_int_equal(cache_set(cache, in_ms(1000), STR("link:1"), STR("x"), 60000), OK);
	assert_int_equal(cache_window_enter(cache, in_ms(1000), STR("link:w"), STR("m"), 1, SECOND_US, 1, &wait), OK);
	reply = redisCommand(redis, "CLIENT KILL USER trivet");
	freeReplyObject(reply);
	usleep(20 * 1000);
	assert_int_equal(cache_delete(cache, in_ms(1000), STR("link:1")), OK);
	assert_int_equal(cache_set(cache, in_ms(1000), STR("other:1"), STR("x"), 60000), UNAVAILABLE);
	cache_close(cache);
	reply = redisCommand(redis, "ACL DELUSER trivet");
	freeReplyObject(reply);
	redisFree(redis);
}

static void nobody_there_is_unavailable_at_once(void **state UNUSED)
{
	struct cache *cache = open_cache(STR("unix:///nonexistent/redis.sock"), 4);
	int64_t began = clock_monotonic_us();
	for (int i = 0; i < 100; i++) {
		assert_int_equal(cache_ready(cache, in_ms(1000)), UNAVAILABLE);
	}
	assert_in_range(clock_monotonic_us() - began, 0, 100 * 1000);
	cache_close(cache);
	cache = open_cache(STR("redis://127.0.0.1:1/0"), 1);
	assert_int_equal(cache_ready(cache, in_ms(1000)), UNAVAILABLE);
	cache_close(cache);
}

static void a_passed_deadline_asks_nothing(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(cache_ready(fixture->cache, in_ms(-1)), UNAVAILABLE);
	assert_int_equal(cache_ready(fixture->cache, in_ms(1000)), OK);
}

static void a_hung_redis_costs_250_ms_and_then_nothing(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(cache_set(fixture->cache, in_ms(1000), STR("before"), STR("old"), 60000), OK);
	kill(testdb_redis_pid(), SIGSTOP);
	int64_t began = clock_monotonic_us();
	enum status first = cache_set(fixture->cache, in_ms(5000), STR("before"), STR("new"), 60000);
	int64_t first_took = clock_monotonic_us() - began;
	began = clock_monotonic_us();
	enum status second = cache_ready(fixture->cache, in_ms(5000));
	int64_t second_took = clock_monotonic_us() - began;
	usleep(210 * 1000);
	began = clock_monotonic_us();
	enum status third = cache_ready(fixture->cache, in_ms(50));
	int64_t third_took = clock_monotonic_us() - began;
	kill(testdb_redis_pid(), SIGCONT);
	assert_int_equal(first, UNAVAILABLE);
	assert_in_range(first_took, 240 * 1000, 400 * 1000);
	assert_int_equal(second, UNAVAILABLE);
	assert_in_range(second_took, 0, 50 * 1000);
	assert_int_equal(third, UNAVAILABLE);
	assert_in_range(third_took, 45 * 1000, 200 * 1000);
	/* Back by itself; and the late answers of before are nobody's: their connections are gone. */
	usleep(210 * 1000);
	struct str read;
	assert_int_equal(cache_get(fixture->cache, fixture->arena, in_ms(1000), STR("no such key"), &read), NOT_FOUND);
}

/* A few milliseconds without an answer say nothing of Redis: the others go on asking it. */
static void who_is_in_a_hurry_switches_nothing_off(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(cache_ready(fixture->cache, in_ms(1000)), OK);
	kill(testdb_redis_pid(), SIGSTOP);
	enum status hurried = cache_ready(fixture->cache, in_ms(5));
	kill(testdb_redis_pid(), SIGCONT);
	assert_int_equal(hurried, UNAVAILABLE);
	assert_int_equal(cache_ready(fixture->cache, in_ms(1000)), OK);
}

/* Redis behind a stranger that answers one call with what it likes, then closes. */
struct stranger {
	int listener;
	const char *says;
};

static void *speak(void *arg)
{
	struct stranger *stranger = arg;
	int peer = accept(stranger->listener, NULL, NULL);
	char heard[512];
	if (peer >= 0 && read(peer, heard, sizeof(heard)) > 0) {
		ssize_t written = write(peer, stranger->says, strlen(stranger->says));
		assert_true(written >= 0);
		usleep(20 * 1000);
		close(peer);
	}
	return NULL;
}

static void assert_not_believed(const char *says)
{
	char path[] = "/tmp/trivet-cache-test-XXXXXX";
	assert_non_null(mkdtemp(path));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", path);
	struct stranger stranger = {.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .says = says};
	assert_int_equal(bind(stranger.listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(stranger.listener, 1), 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, speak, &stranger), 0);
	char url[256];
	snprintf(url, sizeof(url), "unix://%s", address.sun_path);
	struct cache *cache = open_cache(str_from_z(url), 1);
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct str value;
	assert_int_equal(cache_get(cache, arena, in_ms(1000), STR("k"), &value), UNAVAILABLE);
	pthread_join(thread, NULL);
	arena_free(arena);
	cache_close(cache);
	close(stranger.listener);
	unlink(address.sun_path);
	rmdir(path);
}

static void strange_replies_are_not_believed(void **state UNUSED)
{
	assert_not_believed("-NOPERM no\r\n");
	assert_not_believed(":1\r\n");
	assert_not_believed("+OK\r\n");
	assert_not_believed("*1\r\n$1\r\nx\r\n");
	assert_not_believed("HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_not_believed("$5\r\nab"); /* cut short */
	assert_not_believed("");
}

struct worker {
	struct cache *cache;
	int number;
	int failures;
};

static void read_own(void *arg)
{
	struct worker *worker = arg;
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	for (int i = 0; i < 50; i++) {
		char text[32];
		snprintf(text, sizeof(text), "%d:%d", worker->number, i);
		struct str own = str_from_z(text);
		struct str read;
		bool good = cache_set(worker->cache, in_ms(2000), own, own, 60000) == OK &&
		            cache_get(worker->cache, arena, in_ms(2000), own, &read) == OK && str_eq(read, own);
		worker->failures += good ? 0 : 1;
	}
	arena_free(arena);
}

static void *work(void *arg)
{
	read_own(arg);
	return NULL;
}

static void many_threads_each_read_their_own(void **state)
{
	enum { CLIENTS = 16 };
	struct fixture *fixture = *state;
	struct worker workers[CLIENTS];
	pthread_t threads[CLIENTS];
	for (int i = 0; i < CLIENTS; i++) {
		workers[i] = (struct worker){.cache = fixture->cache, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].failures, 0);
	}
}

static void many_fibers_each_read_their_own(void **state)
{
	enum { CLIENTS = 16 };
	struct fixture *fixture = *state;
	struct worker workers[CLIENTS];
	for (int i = 0; i < CLIENTS; i++) {
		workers[i] = (struct worker){.cache = fixture->cache, .number = i};
	}
	run_in_fibers(read_own, workers, CLIENTS, sizeof(workers[0]), NULL);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(workers[i].failures, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(urls_are_read_strictly),
		TEST(a_value_is_set_read_and_deleted),
		TEST(an_empty_value_is_not_a_missing_one),
		TEST(a_window_takes_so_many_and_no_more),
		TEST(an_unexpected_reply_is_a_failure),
		TEST(a_wrong_password_is_unavailable),
		TEST(an_acl_user_signs_in_on_every_connection),
		TEST(nobody_there_is_unavailable_at_once),
		TEST(a_passed_deadline_asks_nothing),
		TEST(a_hung_redis_costs_250_ms_and_then_nothing),
		TEST(who_is_in_a_hurry_switches_nothing_off),
		TEST(strange_replies_are_not_believed),
		TEST(many_threads_each_read_their_own),
		TEST(many_fibers_each_read_their_own),
	};
	return cmocka_run_group_tests(tests, testdb_setup, testdb_teardown);
}
