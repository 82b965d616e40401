/*
 * cache_internal - what cache.c (calls), cache_conn.c (connections, waiting, deadlines), cache_url.c (the URL) and cache_ranked.c (boards)
 * share. Included by them only.
 */
#ifndef TRIVET_IO_CACHE_INTERNAL_H
#define TRIVET_IO_CACHE_INTERNAL_H

#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/wait_queue.h"
#include "io/cache.h"

#define CACHE_CONNECTIONS_MAX 64
#define ARGS_MAX 8
#define NUMBER_TEXT 24

struct link {
	redisContext *context; /* NULL: not connected */
	struct link *next;
};

/* Where Redis is and who we are there; strings live in the cache's own arena. */
struct place {
	const char *socket_path; /* NULL: host and port */
	const char *host;
	int port;
	struct str user;     /* absent: the default user */
	struct str password; /* absent: no AUTH */
	int64_t db;
};

struct cache {
	struct arena *arena;
	struct place place;
	struct link links[CACHE_CONNECTIONS_MAX];
	/* 0: the last call succeeded; else the monotonic time before which no call is made. */
	atomic_int_fast64_t retry_at;
	pthread_mutex_t lock;
	struct link *free;
	struct wait_queue waiters; /* while none is free */
};

/*
 * cache_url_read - what the URL says, into a zeroed place; its strings live in the arena.
 *
 * OK; INVALID, TOO_LARGE: it is no such URL, or the arena has no room.
 */
MUST_CHECK enum status cache_url_read(struct arena *arena, struct str url, struct place *place);

/* ---- commands ---- */

/* Words are borrowed until the command was sent. */
struct command {
	int count;
	const char *args[ARGS_MAX];
	size_t lengths[ARGS_MAX];
};

static inline struct command command(struct str name)
{
	return (struct command){.count = 1, .args = {name.ptr}, .lengths = {name.len}};
}

static inline struct command with(struct command command, struct str arg)
{
	assert(command.count < ARGS_MAX);
	command.args[command.count] = arg.ptr != NULL ? arg.ptr : "";
	command.lengths[command.count] = arg.len;
	command.count++;
	return command;
}

/* A number's text lives in the caller's buffer until the command was sent. */
static inline struct str number_text(char text[NUMBER_TEXT], const char *prefix, int64_t number)
{
	int len = snprintf(text, NUMBER_TEXT, "%s%" PRId64, prefix, number);
	assert(len > 0 && len < NUMBER_TEXT);
	return (struct str){text, (size_t)len};
}

/* ---- one connection; after a failure its state is unknown, and cache_converse() closes it ---- */

/* cache_link_ready - a connection that hears us: the one there is, or a fresh one. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_link_ready(const struct cache *cache, struct link *link, int64_t until);

/* cache_link_close - drops the connection, if there is one. */
void cache_link_close(struct link *link);

/* cache_send_all - all that was appended. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_send_all(redisContext *context, int64_t until);

/* cache_read_reply - the next reply, which the caller frees. OK, UNAVAILABLE (also for an error reply). */
MUST_CHECK enum status cache_read_reply(redisContext *context, int64_t until, redisReply **ret_reply);

/*
 * cache_exchange - sends 1..8 commands at once and reads their replies.
 *
 * ret_reply   the last one's, which the caller frees
 * OK, UNAVAILABLE.
 */
MUST_CHECK enum status cache_exchange(redisContext *context, int64_t until, const struct command *commands, size_t count,
                                      redisReply **ret_reply);

/* ---- calls ---- */

/*
 * cache_converse - runs `speak` on one connection of the pool, which is closed when anything went wrong.
 *
 * speak   `until` is its deadline (monotonic us). OK and CONFLICT leave the connection in a known state; any other status closes it
 * OK, CONFLICT, UNAVAILABLE (all else).
 */
MUST_CHECK enum status cache_converse(struct cache *cache, int64_t deadline,
                                      enum status (*speak)(struct cache *cache, struct link *link, int64_t until, void *arg), void *arg);

/*
 * cache_call - one exchange.
 *
 * accept      judges the last reply; one that it does not know is a failure
 * ret_reply   the caller's to free
 * OK, UNAVAILABLE.
 */
MUST_CHECK enum status cache_call(struct cache *cache, int64_t deadline, const struct command *commands, size_t count,
                                  bool (*accept)(const redisReply *reply), redisReply **ret_reply);

/* cache_call_plain - a call of one command whose reply is only judged. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_call_plain(struct cache *cache, int64_t deadline, struct command command,
                                        bool (*accept)(const redisReply *reply));

/* cache_call_count - a call of one command that answers a number. OK, UNAVAILABLE. */
MUST_CHECK enum status cache_call_count(struct cache *cache, int64_t deadline, struct command command, int64_t *ret_count);

/* ---- replies ---- */

static inline bool is_integer(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0;
}

static inline bool is_string_or_nil(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL;
}

static inline struct str reply_text(const redisReply *reply)
{
	return (struct str){reply->str, (size_t)reply->len};
}

#endif
