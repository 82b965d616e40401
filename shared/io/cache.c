/* Redis: values that expire, sliding windows, and the pool's life. */
#include "io/cache.h"

#include "base/parse.h"
#include "io/cache_internal.h"

#define URL_ARENA ((size_t)16 * 1024)
/* A window's key outlives its last member by this, so that clocks need not agree to the millisecond. */
#define WINDOW_SLACK_MS 1000

/* ---- values ---- */

static bool is_status(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STATUS;
}

enum status cache_ready(struct cache *cache, int64_t deadline)
{
	return cache_call_plain(cache, deadline, command(STR("PING")), is_status);
}

enum status cache_get(struct cache *cache, struct arena *arena, int64_t deadline, struct str key, struct str *ret_value)
{
	struct command get = with(command(STR("GET")), key);
	redisReply *reply;
	enum status status = cache_call(cache, deadline, &get, 1, is_string_or_nil, &reply);
	if (status != OK) {
		return status;
	}
	if (reply->type == REDIS_REPLY_NIL) {
		status = NOT_FOUND;
	} else {
		struct str value = str_dup(arena, reply_text(reply));
		status = str_present(value) ? OK : TOO_LARGE;
		if (status == OK) {
			*ret_value = value;
		}
	}
	freeReplyObject(reply);
	return status;
}

enum status cache_set(struct cache *cache, int64_t deadline, struct str key, struct str value, int64_t ttl_ms)
{
	assert(ttl_ms >= 1);
	char ttl[NUMBER_TEXT];
	struct command set = with(with(with(with(command(STR("SET")), key), value), STR("PX")), number_text(ttl, "", ttl_ms));
	return cache_call_plain(cache, deadline, set, is_status);
}

enum status cache_delete(struct cache *cache, int64_t deadline, struct str key)
{
	return cache_call_plain(cache, deadline, with(command(STR("DEL")), key), is_integer);
}

/* ---- sliding windows ---- */

/* What EXEC of cache_window_enter() answers, by position. */
enum enter_reply {
	ENTER_DROPPED = 0,
	ENTER_ADDED,
	ENTER_COUNT,
	ENTER_OLDEST,
	ENTER_EXPIRE,
	ENTER_REPLY_COUNT
};

static bool is_enter_reply(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != ENTER_REPLY_COUNT) {
		return false;
	}
	for (size_t i = 0; i < ENTER_REPLY_COUNT; i++) {
		if (i != ENTER_OLDEST && !is_integer(reply->element[i])) {
			return false;
		}
	}
	const redisReply *oldest = reply->element[ENTER_OLDEST];
	int64_t score;
	return oldest->type == REDIS_REPLY_ARRAY && oldest->elements == 2 && oldest->element[1]->type == REDIS_REPLY_STRING &&
	       parse_i64(reply_text(oldest->element[1]), INT64_MIN, INT64_MAX, &score) == OK;
}

enum status cache_window_enter(struct cache *cache, int64_t deadline, struct str key, struct str member, int64_t now, int64_t window_us,
                               int64_t limit, int64_t *ret_wait_us)
{
	char past[NUMBER_TEXT];
	char score[NUMBER_TEXT];
	char ttl[NUMBER_TEXT];
	number_text(past, "", now - window_us);
	/* NX: a member that enters again keeps its first time. Scores are doubles; microseconds fit their 53 bits until the year 2255. */
	const struct command commands[] = {
		command(STR("MULTI")),
		with(with(with(command(STR("ZREMRANGEBYSCORE")), key), STR("-inf")), str_from_z(past)),
		with(with(with(with(command(STR("ZADD")), key), STR("NX")), number_text(score, "", now)), member),
		with(command(STR("ZCARD")), key),
		with(with(with(with(command(STR("ZRANGE")), key), STR("0")), STR("0")), STR("WITHSCORES")),
		with(with(command(STR("PEXPIRE")), key), number_text(ttl, "", window_us / 1000 + WINDOW_SLACK_MS)),
		command(STR("EXEC")),
	};
	redisReply *reply;
	enum status status = cache_call(cache, deadline, commands, ARRAY_LEN(commands), is_enter_reply, &reply);
	if (status != OK) {
		return status;
	}
	bool added = reply->element[ENTER_ADDED]->integer == 1;
	int64_t count = reply->element[ENTER_COUNT]->integer;
	int64_t oldest = now;
	enum status parsed = parse_i64(reply_text(reply->element[ENTER_OLDEST]->element[1]), INT64_MIN, INT64_MAX, &oldest);
	assert(parsed == OK); /* is_enter_reply() saw it */
	freeReplyObject(reply);
	/* One that was in already has its place, whoever knocks beside it. */
	if (!added || count <= limit) {
		return OK;
	}
	status = cache_window_leave(cache, deadline, key, member);
	if (status != OK) {
		return status;
	}
	int64_t wait = oldest + window_us - now;
	*ret_wait_us = wait > 0 ? wait : 1;
	return TOO_MANY;
}

enum status cache_window_leave(struct cache *cache, int64_t deadline, struct str key, struct str member)
{
	return cache_call_plain(cache, deadline, with(with(command(STR("ZREM")), key), member), is_integer);
}

enum status cache_window_count(struct cache *cache, int64_t deadline, struct str key, int64_t now, int64_t window_us, int64_t *ret_count)
{
	char past[NUMBER_TEXT];
	struct command count = with(with(with(command(STR("ZCOUNT")), key), number_text(past, "(", now - window_us)), STR("+inf"));
	return cache_call_count(cache, deadline, count, ret_count);
}

/* ---- life ---- */

enum status cache_open(struct str url, int connections, struct cache **ret_cache)
{
	if (connections < 1 || connections > CACHE_CONNECTIONS_MAX) {
		return INVALID;
	}
	struct cache *cache = calloc(1, sizeof(*cache));
	struct arena *arena = arena_new(URL_ARENA);
	enum status status = cache != NULL && arena != NULL ? cache_url_read(arena, url, &cache->place) : UNAVAILABLE;
	if (status != OK) {
		arena_free(arena);
		free(cache);
		return status == UNAVAILABLE ? UNAVAILABLE : INVALID;
	}
	cache->arena = arena;
	for (int i = 0; i < connections; i++) {
		cache->links[i].next = cache->free;
		cache->free = &cache->links[i];
	}
	pthread_mutex_init(&cache->lock, NULL);
	*ret_cache = cache;
	return OK;
}

void cache_close(struct cache *cache)
{
	if (cache == NULL) {
		return;
	}
	for (size_t i = 0; i < CACHE_CONNECTIONS_MAX; i++) {
		cache_link_close(&cache->links[i]);
	}
	pthread_mutex_destroy(&cache->lock);
	arena_free(cache->arena);
	free(cache);
}
