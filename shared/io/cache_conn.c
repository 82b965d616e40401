/* Connections to Redis: non-blocking, each wait ends at a deadline; who has one, and when none is asked for. */
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/metric.h"
#include "base/offload.h"
#include "base/parse.h"
#include "io/cache_internal.h"
#include "io/pg.h"

#define CALL_MAX_US (250 * 1000)
#define RETRY_US (200 * 1000)
/* Whose deadline is nearer than this has not waited long enough to know. */
#define PATIENCE_US (50 * 1000)
#define COMMANDS_MAX 8

/* ---- one connection ---- */

/* Errors and hang-ups are OK too: the next read or write tells. */
static enum status wait_for(const redisContext *context, short events, int64_t until)
{
	short ready = 0;
	return fiber_wait_fd(context->fd, events, until, &ready) == OK ? OK : UNAVAILABLE;
}

enum status cache_send_all(redisContext *context, int64_t until)
{
	for (;;) {
		int done = 0;
		if (redisBufferWrite(context, &done) != REDIS_OK) {
			return UNAVAILABLE;
		}
		if (done != 0) {
			return OK;
		}
		enum status status = wait_for(context, POLLOUT, until);
		if (status != OK) {
			return status;
		}
	}
}

/* The next reply; an error reply is a failure like any other. The caller frees it. */
enum status cache_read_reply(redisContext *context, int64_t until, redisReply **ret_reply)
{
	for (;;) {
		void *reply = NULL;
		if (redisGetReplyFromReader(context, &reply) != REDIS_OK) {
			return UNAVAILABLE;
		}
		if (reply != NULL) {
			redisReply *typed = reply;
			if (typed->type == REDIS_REPLY_ERROR) {
				freeReplyObject(typed);
				return UNAVAILABLE;
			}
			*ret_reply = typed;
			return OK;
		}
		enum status status = wait_for(context, POLLIN, until);
		if (status != OK) {
			return status;
		}
		if (redisBufferRead(context) != REDIS_OK) {
			return UNAVAILABLE;
		}
	}
}

/* Sends all commands at once and reads all replies; *ret_reply is the last one's. */
enum status cache_exchange(redisContext *context, int64_t until, const struct command *commands, size_t count, redisReply **ret_reply)
{
	assert(count >= 1 && count <= COMMANDS_MAX);
	for (size_t i = 0; i < count; i++) {
		/* hiredis wants an array that it might change. */
		const char *args[ARGS_MAX];
		memcpy(args, commands[i].args, sizeof(args));
		if (redisAppendCommandArgv(context, commands[i].count, args, commands[i].lengths) != REDIS_OK) {
			return UNAVAILABLE;
		}
	}
	enum status status = cache_send_all(context, until);
	redisReply *reply = NULL;
	for (size_t i = 0; i < count && status == OK; i++) {
		freeReplyObject(reply);
		reply = NULL;
		status = cache_read_reply(context, until, &reply);
	}
	if (status != OK) {
		freeReplyObject(reply);
		return status;
	}
	*ret_reply = reply;
	return OK;
}

void cache_link_close(struct link *link)
{
	if (link->context != NULL) {
		redisFree(link->context);
		link->context = NULL;
	}
}

/* AUTH and SELECT: a fresh connection has neither, which is why there is no reconnecting in place (pitfalls.md 2.4). */
static enum status sign_in(const struct cache *cache, redisContext *context, int64_t until)
{
	const struct place *place = &cache->place;
	struct command commands[2];
	size_t count = 0;
	char db[NUMBER_TEXT];
	if (str_present(place->password)) {
		commands[count] = command(STR("AUTH"));
		if (str_present(place->user)) {
			commands[count] = with(commands[count], place->user);
		}
		commands[count] = with(commands[count], place->password);
		count++;
	}
	if (place->db != 0) {
		commands[count++] = with(command(STR("SELECT")), number_text(db, "", place->db));
	}
	if (count == 0) {
		return OK;
	}
	redisReply *reply;
	enum status status = cache_exchange(context, until, commands, count, &reply);
	if (status == OK) {
		freeReplyObject(reply);
	}
	return status;
}

struct connecting {
	const struct place *place;
	redisContext *context;
};

/* A host's name is looked up here, which blocks and has no deadline; an address or a socket's path needs nobody. */
static void begin_connect(void *arg)
{
	struct connecting *connecting = arg;
	const struct place *place = connecting->place;
	connecting->context = place->socket_path != NULL ? redisConnectUnixNonBlock(place->socket_path)
	                                                 : redisConnectNonBlock(place->host, place->port);
}

static enum status link_connect(const struct cache *cache, struct link *link, int64_t until)
{
	struct connecting connecting = {.place = &cache->place};
	bool has_name = cache->place.host != NULL && !parse_is_address(cache->place.host);
	offload(has_name ? fiber_helpers() : NULL, begin_connect, &connecting);
	redisContext *context = connecting.context;
	if (context == NULL) {
		return UNAVAILABLE;
	}
	int error = 0;
	socklen_t size = sizeof(error);
	enum status status = context->err == 0 ? wait_for(context, POLLOUT, until) : UNAVAILABLE;
	if (status == OK && (getsockopt(context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)) {
		status = UNAVAILABLE;
	}
	if (status == OK) {
		status = sign_in(cache, context, until);
	}
	if (status != OK) {
		redisFree(context);
		return status;
	}
	link->context = context;
	return OK;
}

/* A free connection hears nothing unless Redis closes it. */
static bool link_stale(const struct link *link)
{
	struct pollfd socket = {.fd = link->context->fd, .events = POLLIN};
	return poll(&socket, 1, 0) != 0;
}

/* ---- the pool ---- */

static struct link *take_link(struct cache *cache, int64_t until)
{
	struct wait_entry waiter;
	pthread_mutex_lock(&cache->lock);
	struct link *link = cache->free;
	if (link != NULL) {
		cache->free = link->next;
	} else {
		wait_queue_join(&cache->waiters, &waiter);
		pthread_mutex_unlock(&cache->lock);
		(void)baton_wait(&waiter.wake, until);
		pthread_mutex_lock(&cache->lock);
		wait_queue_leave(&cache->waiters, &waiter);
		link = waiter.given;
	}
	pthread_mutex_unlock(&cache->lock);
	return link;
}

static void give_link(struct cache *cache, struct link *link)
{
	pthread_mutex_lock(&cache->lock);
	if (!wait_queue_give(&cache->waiters, link)) {
		link->next = cache->free;
		cache->free = link;
	}
	pthread_mutex_unlock(&cache->lock);
}

/* Whether a call may be made: always while all is well; after a failure one per RETRY_US, to see. */
static bool may_try(struct cache *cache, int64_t now)
{
	int_fast64_t retry_at = atomic_load(&cache->retry_at);
	if (retry_at == 0) {
		return true;
	}
	return now >= retry_at && atomic_compare_exchange_strong(&cache->retry_at, &retry_at, now + RETRY_US);
}

/* A connection that hears us: the one there is, or a fresh one. */
enum status cache_link_ready(const struct cache *cache, struct link *link, int64_t until)
{
	if (link->context != NULL && link_stale(link)) {
		cache_link_close(link);
	}
	return link->context != NULL ? OK : link_connect(cache, link, until);
}

/* A call failed. Where that says something of Redis the next ones are spared it; one that was in a hurry, or too large, says nothing. */
static enum status fail(struct cache *cache, enum status status, int64_t began, int64_t until)
{
	int64_t now = clock_monotonic_us();
	bool hurried = now >= until && until - began < PATIENCE_US;
	if (status != TOO_LARGE && !hurried) {
		atomic_store(&cache->retry_at, now + RETRY_US);
	}
	metric_add(METRIC_CACHE_UNAVAILABLE, 1);
	return UNAVAILABLE;
}

/* Runs a conversation on one connection, which is destroyed when anything went wrong. */
enum status cache_converse(struct cache *cache, int64_t deadline,
                           enum status (*speak)(struct cache *cache, struct link *link, int64_t until, void *arg), void *arg)
{
	assert(!pg_holding());
	int64_t now = clock_monotonic_us();
	if (now >= deadline || !may_try(cache, now)) {
		metric_add(METRIC_CACHE_UNAVAILABLE, 1);
		return UNAVAILABLE;
	}
	int64_t until = deadline < now + CALL_MAX_US ? deadline : now + CALL_MAX_US;
	struct link *link = take_link(cache, until);
	if (link == NULL) {
		return fail(cache, TIMED_OUT, now, until);
	}
	enum status status = speak(cache, link, until, arg);
	bool understood = status == OK || status == CONFLICT;
	if (!understood) {
		cache_link_close(link);
	}
	give_link(cache, link);
	if (!understood) {
		return fail(cache, status, now, until);
	}
	if (atomic_load_explicit(&cache->retry_at, memory_order_relaxed) != 0) {
		atomic_store(&cache->retry_at, 0);
	}
	return status;
}

struct plain_call {
	const struct command *commands;
	size_t count;
	bool (*accept)(const redisReply *reply);
	redisReply *reply;
};

/* `accept` judges the last reply: one that it does not know is a failure too, since nobody can tell what the connection will say next. */
static enum status speak_plainly(struct cache *cache, struct link *link, int64_t until, void *arg)
{
	struct plain_call *plain = arg;
	redisReply *reply = NULL;
	enum status status = cache_link_ready(cache, link, until);
	if (status == OK) {
		status = cache_exchange(link->context, until, plain->commands, plain->count, &reply);
	}
	if (status == OK && !plain->accept(reply)) {
		freeReplyObject(reply);
		status = UNAVAILABLE;
	}
	if (status == OK) {
		plain->reply = reply;
	}
	return status;
}

enum status cache_call(struct cache *cache, int64_t deadline, const struct command *commands, size_t count,
                       bool (*accept)(const redisReply *reply), redisReply **ret_reply)
{
	struct plain_call plain = {.commands = commands, .count = count, .accept = accept};
	enum status status = cache_converse(cache, deadline, speak_plainly, &plain);
	if (status == OK) {
		*ret_reply = plain.reply;
	}
	return status;
}

/* A call of one command whose reply is only judged. */
enum status cache_call_plain(struct cache *cache, int64_t deadline, struct command command, bool (*accept)(const redisReply *reply))
{
	redisReply *reply;
	enum status status = cache_call(cache, deadline, &command, 1, accept, &reply);
	if (status == OK) {
		freeReplyObject(reply);
	}
	return status;
}

enum status cache_call_count(struct cache *cache, int64_t deadline, struct command command, int64_t *ret_count)
{
	redisReply *reply;
	enum status status = cache_call(cache, deadline, &command, 1, is_integer, &reply);
	if (status != OK) {
		return status;
	}
	*ret_count = reply->integer;
	freeReplyObject(reply);
	return OK;
}
