/* Boards in Redis: sorted sets of numbers, read by place and written behind a fence. */
#include <limits.h>

#include "base/parse.h"
#include "io/cache_internal.h"

#define RANKED_PAGE_MAX 1000

/* A score as Redis writes it: never with an exponent, since none is above CACHE_SCORE_MAX. */
static bool read_score(const redisReply *reply, int64_t *ret_score)
{
	return reply->type == REDIS_REPLY_STRING && parse_i64(reply_text(reply), INT64_MIN, INT64_MAX, ret_score) == OK;
}

/* [ready or nil, [member, score, ...]] */
static bool is_page_reply(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || !is_string_or_nil(reply->element[0])) {
		return false;
	}
	const redisReply *page = reply->element[1];
	if (page->type != REDIS_REPLY_ARRAY || page->elements % 2 != 0) {
		return false;
	}
	int64_t number;
	for (size_t i = 0; i < page->elements; i++) {
		if (!read_score(page->element[i], &number)) {
			return false;
		}
	}
	return true;
}

enum status cache_ranked_page(struct cache *cache, struct arena *arena, int64_t deadline, struct str ready, struct str key, int64_t from,
                              int64_t count, struct cache_ranked **ret_page, size_t *ret_count)
{
	assert(from >= 0 && count >= 1 && count <= RANKED_PAGE_MAX);
	char first[NUMBER_TEXT];
	char last[NUMBER_TEXT];
	const struct command commands[] = {
		command(STR("MULTI")),
		with(command(STR("GET")), ready),
		with(with(with(with(command(STR("ZREVRANGE")), key), number_text(first, "", from)), number_text(last, "", from + count - 1)),
		     STR("WITHSCORES")),
		command(STR("EXEC")),
	};
	redisReply *reply;
	enum status status = cache_call(cache, deadline, commands, ARRAY_LEN(commands), is_page_reply, &reply);
	if (status != OK) {
		return status;
	}
	const redisReply *rows = reply->element[1];
	int64_t turn;
	size_t found = rows->elements / 2;
	struct cache_ranked *page = arena_array(arena, found, sizeof(*page));
	if (page == NULL) {
		status = TOO_LARGE;
	} else if (!read_score(reply->element[0], &turn)) {
		status = NOT_FOUND; /* nothing, or the name of who is making them */
	} else {
		for (size_t i = 0; i < found; i++) {
			bool good = read_score(rows->element[2 * i], &page[i].member) && read_score(rows->element[2 * i + 1], &page[i].score);
			assert(good); /* is_page_reply() saw it */
		}
		*ret_page = page;
		*ret_count = found;
	}
	freeReplyObject(reply);
	return status;
}

/* [score or nil, index or nil] */
static bool is_find_reply(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
		return false;
	}
	const redisReply *index = reply->element[1];
	if (index->type == REDIS_REPLY_NIL) {
		return reply->element[0]->type == REDIS_REPLY_NIL;
	}
	int64_t score;
	return is_integer(index) && read_score(reply->element[0], &score);
}

enum status cache_ranked_find(struct cache *cache, int64_t deadline, struct str key, int64_t member, int64_t *ret_score, int64_t *ret_index)
{
	char text[NUMBER_TEXT];
	struct str name = number_text(text, "", member);
	const struct command commands[] = {
		command(STR("MULTI")),
		with(with(command(STR("ZSCORE")), key), name),
		with(with(command(STR("ZREVRANK")), key), name),
		command(STR("EXEC")),
	};
	redisReply *reply;
	enum status status = cache_call(cache, deadline, commands, ARRAY_LEN(commands), is_find_reply, &reply);
	if (status != OK) {
		return status;
	}
	if (reply->element[1]->type == REDIS_REPLY_NIL) {
		status = NOT_FOUND;
	} else {
		bool good = read_score(reply->element[0], ret_score);
		assert(good); /* is_find_reply() saw it */
		*ret_index = reply->element[1]->integer;
	}
	freeReplyObject(reply);
	return status;
}

enum status cache_ranked_above(struct cache *cache, int64_t deadline, struct str key, int64_t score, int64_t *ret_count)
{
	char above[NUMBER_TEXT];
	struct command count = with(with(with(command(STR("ZCOUNT")), key), number_text(above, "(", score)), STR("+inf"));
	return cache_call_count(cache, deadline, count, ret_count);
}

/* A command of many words, in an arena. */
struct wide {
	struct arena *arena;
	const char **args;
	size_t *lengths;
	int count;
	int max;
};

static bool wide_init(struct wide *wide, struct arena *arena, size_t max)
{
	assert(max <= INT_MAX);
	*wide = (struct wide){.arena = arena, .max = (int)max};
	wide->args = arena_array(arena, max, sizeof(*wide->args));
	wide->lengths = arena_array(arena, max, sizeof(*wide->lengths));
	return wide->args != NULL && wide->lengths != NULL;
}

static void wide_add(struct wide *wide, struct str word)
{
	assert(wide->count < wide->max);
	wide->args[wide->count] = word.ptr;
	wide->lengths[wide->count] = word.len;
	wide->count++;
}

static enum status wide_append(redisContext *context, struct wide *wide)
{
	return redisAppendCommandArgv(context, wide->count, wide->args, wide->lengths) == REDIS_OK ? OK : UNAVAILABLE;
}

static enum status append(redisContext *context, struct command command)
{
	return redisAppendCommandArgv(context, command.count, command.args, command.lengths) == REDIS_OK ? OK : UNAVAILABLE;
}

/* ZADD of those with a score, ZREM of those without; counts the commands that were put into the buffer. */
static enum status append_set(redisContext *context, struct arena *arena, const struct cache_ranked_set *set, size_t *commands)
{
	struct wide add;
	struct wide rem;
	char ttl[NUMBER_TEXT];
	char *texts = arena_array(arena, set->count, (size_t)2 * NUMBER_TEXT);
	if (texts == NULL || !wide_init(&add, arena, 2 + 2 * set->count) || !wide_init(&rem, arena, 2 + set->count)) {
		return TOO_LARGE;
	}
	wide_add(&add, STR("ZADD"));
	wide_add(&add, set->key);
	wide_add(&rem, STR("ZREM"));
	wide_add(&rem, set->key);
	int heads = add.count;
	for (size_t i = 0; i < set->count; i++) {
		int64_t score = set->members[i].score < CACHE_SCORE_MAX ? set->members[i].score : CACHE_SCORE_MAX;
		if (score > 0) {
			wide_add(&add, number_text(texts, "", score));
		}
		wide_add(score > 0 ? &add : &rem, number_text(texts + NUMBER_TEXT, "", set->members[i].member));
		texts += (size_t)2 * NUMBER_TEXT;
	}
	enum status status = OK;
	if (add.count > heads) {
		status = wide_append(context, &add);
		*commands += 1;
	}
	if (status == OK && add.count > heads && set->ttl_ms > 0) {
		status = append(context, with(with(command(STR("PEXPIRE")), set->key), number_text(ttl, "", set->ttl_ms)));
		*commands += 1;
	}
	if (status == OK && rem.count > heads) {
		status = wide_append(context, &rem);
		*commands += 1;
	}
	return status;
}

struct fenced_write {
	struct arena *arena;
	const struct cache_fence *fence;
	const struct cache_ranked_set *sets;
	size_t count;
	bool arena_failed;
};

/* Whether the fence says what is expected; from here on EXEC fails when that changes. */
static enum status watch_fence(redisContext *context, int64_t until, const struct cache_fence *fence)
{
	const struct command commands[] = {with(command(STR("WATCH")), fence->key), with(command(STR("GET")), fence->key)};
	redisReply *reply;
	enum status status = cache_exchange(context, until, commands, ARRAY_LEN(commands), &reply);
	if (status != OK) {
		return status;
	}
	bool good = is_string_or_nil(reply);
	bool ours = reply->type == REDIS_REPLY_STRING && str_eq(reply_text(reply), fence->expected);
	freeReplyObject(reply);
	if (!good || ours) {
		return good ? OK : UNAVAILABLE;
	}
	/* Else the next EXEC on this connection would pay for it. */
	const struct command unwatch = command(STR("UNWATCH"));
	status = cache_exchange(context, until, &unwatch, 1, &reply);
	if (status == OK) {
		freeReplyObject(reply);
	}
	return status == OK ? CONFLICT : status;
}

/* EXEC's answer: nil when the fence moved; a command that failed inside shows as an element. */
static enum status judge_exec(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_NIL) {
		return CONFLICT;
	}
	if (reply->type != REDIS_REPLY_ARRAY) {
		return UNAVAILABLE;
	}
	for (size_t i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type == REDIS_REPLY_ERROR) {
			return UNAVAILABLE;
		}
	}
	return OK;
}

/* Sends what was appended and reads that many replies; the last is EXEC's. */
static enum status finish_exec(redisContext *context, int64_t until, size_t commands)
{
	enum status status = cache_send_all(context, until);
	for (size_t i = 0; i < commands && status == OK; i++) {
		redisReply *reply;
		status = cache_read_reply(context, until, &reply);
		if (status == OK) {
			status = i + 1 == commands ? judge_exec(reply) : OK;
			freeReplyObject(reply);
		}
	}
	return status;
}

static enum status speak_fenced(struct cache *cache, struct link *link, int64_t until, void *arg)
{
	struct fenced_write *write = arg;
	const struct cache_fence *fence = write->fence;
	size_t commands = 3; /* MULTI, the fence, EXEC */
	enum status status = cache_link_ready(cache, link, until);
	if (status == OK) {
		status = watch_fence(link->context, until, fence);
	}
	if (status == OK) {
		status = append(link->context, command(STR("MULTI")));
	}
	for (size_t i = 0; i < write->count && status == OK; i++) {
		status = append_set(link->context, write->arena, &write->sets[i], &commands);
	}
	if (status == OK) {
		status = append(link->context, with(with(command(STR("SET")), fence->key), fence->next));
	}
	if (status == OK) {
		status = append(link->context, command(STR("EXEC")));
	}
	write->arena_failed = status == TOO_LARGE;
	return status == OK ? finish_exec(link->context, until, commands) : status;
}

enum status cache_ranked_write(struct cache *cache, struct arena *arena, int64_t deadline, const struct cache_fence *fence,
                               const struct cache_ranked_set *sets, size_t count)
{
	struct fenced_write write = {.arena = arena, .fence = fence, .sets = sets, .count = count};
	enum status status = cache_converse(cache, deadline, speak_fenced, &write);
	return write.arena_failed ? TOO_LARGE : status;
}

struct restart {
	struct wide forget;
	const struct cache_fence *fence;
};

static enum status speak_restart(struct cache *cache, struct link *link, int64_t until, void *arg)
{
	struct restart *restart = arg;
	enum status status = cache_link_ready(cache, link, until);
	if (status == OK) {
		status = append(link->context, command(STR("MULTI")));
	}
	if (status == OK) {
		status = wide_append(link->context, &restart->forget);
	}
	if (status == OK) {
		status = append(link->context, with(with(command(STR("SET")), restart->fence->key), restart->fence->next));
	}
	if (status == OK) {
		status = append(link->context, command(STR("EXEC")));
	}
	return status == OK ? finish_exec(link->context, until, 4) : status;
}

enum status cache_ranked_restart(struct cache *cache, struct arena *arena, int64_t deadline, const struct cache_fence *fence,
                                 const struct cache_ranked_set *sets, size_t count)
{
	struct restart restart = {.fence = fence};
	if (!wide_init(&restart.forget, arena, 1 + count)) {
		return TOO_LARGE;
	}
	/* UNLINK: a set of millions is freed beside, not while everybody waits. */
	wide_add(&restart.forget, STR("UNLINK"));
	for (size_t i = 0; i < count; i++) {
		wide_add(&restart.forget, sets[i].key);
	}
	return cache_converse(cache, deadline, speak_restart, &restart);
}
