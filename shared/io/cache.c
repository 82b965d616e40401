/* Redis: a pool of non-blocking connections; every wait ends at a deadline. */
#include "io/cache.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/metric.h"
#include "base/offload.h"
#include "base/parse.h"
#include "base/wait_queue.h"
#include "io/crypto.h"
#include "io/pg.h"

#define CALL_MAX_US (250 * 1000)
#define RETRY_US (200 * 1000)
/* Whose deadline is nearer than this has not waited long enough to know. */
#define PATIENCE_US (50 * 1000)
#define CONNECTIONS_MAX 64
#define DB_MAX 65535
#define PORT_DEFAULT 6379
#define ARGS_MAX 8
#define COMMANDS_MAX 8
#define NUMBER_TEXT 24
#define URL_ARENA ((size_t)16 * 1024)
/* A window's key outlives its last member by this, so that clocks need not agree to the millisecond. */
#define WINDOW_SLACK_MS 1000

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
	struct link links[CONNECTIONS_MAX];
	/* 0: the last call succeeded; else the monotonic time before which no call is made. */
	atomic_int_fast64_t retry_at;
	pthread_mutex_t lock;
	struct link *free;
	struct wait_queue waiters; /* while none is free */
};

/* ---- the URL ---- */

/* Undoes percent-encoding of a user, a password or a path. OK, INVALID (bad escape, NUL), TOO_LARGE. */
static enum status decode(struct arena *arena, struct str text, struct str *ret_decoded)
{
	char *out = arena_alloc(arena, text.len + 1);
	if (out == NULL) {
		return TOO_LARGE;
	}
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (byte == '%') {
			if (text.len - i < 3 || parse_hex(str_cut(text, i + 1, 2), &byte, 1) != OK) {
				return INVALID;
			}
			i += 2;
		}
		if (byte == '\0') {
			return INVALID;
		}
		out[len++] = (char)byte;
	}
	*ret_decoded = (struct str){out, len};
	return OK;
}

/* "user:password", "user", ":password". */
static enum status read_user(struct arena *arena, struct str text, struct place *place)
{
	struct str user = str_split(&text, ':');
	enum status status = OK;
	if (user.len > 0) {
		status = decode(arena, user, &place->user);
	}
	place->password = STR(""); /* AUTH <user> "" is how a user without a password signs in */
	if (status == OK && str_present(text)) {
		status = decode(arena, text, &place->password);
	}
	return status == OK && str_empty(place->user) && str_empty(place->password) ? INVALID : status;
}

/* "host", "host:port", "[::1]:port". */
static enum status read_host(struct arena *arena, struct str text, struct place *place)
{
	struct str host;
	if (str_starts(text, STR("["))) {
		text = str_cut(text, 1, text.len);
		host = str_split(&text, ']');
		if (!str_present(text) || (text.len > 0 && text.ptr[0] != ':')) {
			return INVALID;
		}
		text = text.len > 0 ? str_cut(text, 1, text.len) : STR_ABSENT;
	} else {
		host = str_split(&text, ':');
	}
	int64_t port = PORT_DEFAULT;
	if (str_empty(host) || (str_present(text) && parse_i64(text, 1, 65535, &port) != OK)) {
		return INVALID;
	}
	place->host = str_z(arena, host);
	place->port = (int)port;
	return place->host != NULL ? OK : INVALID;
}

static enum status read_tcp_url(struct arena *arena, struct str rest, struct place *place)
{
	if (str_find(rest, '?') != SIZE_MAX || str_find(rest, '#') != SIZE_MAX) {
		return INVALID;
	}
	struct str authority = str_split(&rest, '/');
	size_t at = str_find(authority, '@');
	if (at != SIZE_MAX) {
		enum status status = read_user(arena, str_cut(authority, 0, at), place);
		if (status != OK) {
			return status;
		}
		authority = str_cut(authority, at + 1, authority.len);
	}
	if (!str_empty(rest) && parse_i64(rest, 0, DB_MAX, &place->db) != OK) {
		return INVALID;
	}
	return read_host(arena, authority, place);
}

static enum status read_unix_url(struct arena *arena, struct str rest, struct place *place)
{
	struct str path = str_split(&rest, '?');
	struct str decoded;
	enum status status = decode(arena, path, &decoded);
	if (status != OK) {
		return status;
	}
	place->socket_path = str_z(arena, decoded);
	if (place->socket_path == NULL || place->socket_path[0] != '/') {
		return INVALID;
	}
	/* Parameters as they stand: a name that is unknown or stands twice is a mistake that would otherwise stay unseen. */
	while (str_present(rest)) {
		struct str value = str_split(&rest, '&');
		struct str name = str_split(&value, '=');
		if (!str_present(value)) {
			return INVALID;
		}
		if (str_eq(name, STR("user")) && !str_present(place->user)) {
			status = decode(arena, value, &place->user);
		} else if (str_eq(name, STR("password")) && !str_present(place->password)) {
			status = decode(arena, value, &place->password);
		} else if (str_eq(name, STR("db"))) {
			status = parse_i64(value, 0, DB_MAX, &place->db);
		} else {
			status = INVALID;
		}
		if (status != OK) {
			return INVALID;
		}
	}
	if (str_present(place->user) && !str_present(place->password)) {
		place->password = STR("");
	}
	return OK;
}

static enum status read_url(struct arena *arena, struct str url, struct place *place)
{
	static const struct str tcp = STR_INIT("redis://");
	static const struct str local = STR_INIT("unix://");
	if (str_starts(url, tcp)) {
		return read_tcp_url(arena, str_cut(url, tcp.len, url.len), place);
	}
	if (str_starts(url, local)) {
		return read_unix_url(arena, str_cut(url, local.len, url.len), place);
	}
	return INVALID;
}

/* ---- one connection ---- */

struct command {
	int count;
	const char *args[ARGS_MAX];
	size_t lengths[ARGS_MAX];
};

static struct command command(struct str name)
{
	return (struct command){.count = 1, .args = {name.ptr}, .lengths = {name.len}};
}

static struct command with(struct command command, struct str arg)
{
	assert(command.count < ARGS_MAX);
	command.args[command.count] = arg.ptr != NULL ? arg.ptr : "";
	command.lengths[command.count] = arg.len;
	command.count++;
	return command;
}

/* A number's text lives in the caller's buffer until the command was sent. */
static struct str number_text(char text[NUMBER_TEXT], const char *prefix, int64_t number)
{
	int len = snprintf(text, NUMBER_TEXT, "%s%" PRId64, prefix, number);
	assert(len > 0 && len < NUMBER_TEXT);
	return (struct str){text, (size_t)len};
}

/* Errors and hang-ups are OK too: the next read or write tells. */
static enum status wait_for(const redisContext *context, short events, int64_t until)
{
	short ready = 0;
	return fiber_wait_fd(context->fd, events, until, &ready) == OK ? OK : UNAVAILABLE;
}

static enum status send_all(redisContext *context, int64_t until)
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
static enum status read_reply(redisContext *context, int64_t until, redisReply **ret_reply)
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
static enum status exchange(redisContext *context, int64_t until, const struct command *commands, size_t count, redisReply **ret_reply)
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
	enum status status = send_all(context, until);
	redisReply *reply = NULL;
	for (size_t i = 0; i < count && status == OK; i++) {
		freeReplyObject(reply);
		reply = NULL;
		status = read_reply(context, until, &reply);
	}
	if (status != OK) {
		freeReplyObject(reply);
		return status;
	}
	*ret_reply = reply;
	return OK;
}

static void link_close(struct link *link)
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
	enum status status = exchange(context, until, commands, count, &reply);
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
static enum status link_ready(const struct cache *cache, struct link *link, int64_t until)
{
	if (link->context != NULL && link_stale(link)) {
		link_close(link);
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

/* What is said on a connection: its statuses but OK and CONFLICT leave the connection in a state that nobody knows. */
typedef enum status (*conversation)(struct cache *cache, struct link *link, int64_t until, void *arg);

/* Runs a conversation on one connection, which is destroyed when anything went wrong. */
static enum status converse(struct cache *cache, int64_t deadline, conversation speak, void *arg)
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
		link_close(link);
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
	enum status status = link_ready(cache, link, until);
	if (status == OK) {
		status = exchange(link->context, until, plain->commands, plain->count, &reply);
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

static enum status call(struct cache *cache, int64_t deadline, const struct command *commands, size_t count,
                        bool (*accept)(const redisReply *reply), redisReply **ret_reply)
{
	struct plain_call plain = {.commands = commands, .count = count, .accept = accept};
	enum status status = converse(cache, deadline, speak_plainly, &plain);
	if (status == OK) {
		*ret_reply = plain.reply;
	}
	return status;
}

/* A call of one command whose reply is only judged. */
static enum status call_plain(struct cache *cache, int64_t deadline, struct command command, bool (*accept)(const redisReply *reply))
{
	redisReply *reply;
	enum status status = call(cache, deadline, &command, 1, accept, &reply);
	if (status == OK) {
		freeReplyObject(reply);
	}
	return status;
}

static bool is_status(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STATUS;
}

static bool is_integer(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0;
}

static bool is_string_or_nil(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL;
}

static struct str reply_text(const redisReply *reply)
{
	return (struct str){reply->str, (size_t)reply->len};
}

enum status cache_ready(struct cache *cache, int64_t deadline)
{
	return call_plain(cache, deadline, command(STR("PING")), is_status);
}

enum status cache_get(struct cache *cache, struct arena *arena, int64_t deadline, struct str key, struct str *ret_value)
{
	struct command get = with(command(STR("GET")), key);
	redisReply *reply;
	enum status status = call(cache, deadline, &get, 1, is_string_or_nil, &reply);
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
	return call_plain(cache, deadline, set, is_status);
}

enum status cache_delete(struct cache *cache, int64_t deadline, struct str key)
{
	return call_plain(cache, deadline, with(command(STR("DEL")), key), is_integer);
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
	enum status status = call(cache, deadline, commands, ARRAY_LEN(commands), is_enter_reply, &reply);
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
	return call_plain(cache, deadline, with(with(command(STR("ZREM")), key), member), is_integer);
}

enum status cache_window_count(struct cache *cache, int64_t deadline, struct str key, int64_t now, int64_t window_us, int64_t *ret_count)
{
	char past[NUMBER_TEXT];
	struct command count = with(with(with(command(STR("ZCOUNT")), key), number_text(past, "(", now - window_us)), STR("+inf"));
	redisReply *reply;
	enum status status = call(cache, deadline, &count, 1, is_integer, &reply);
	if (status != OK) {
		return status;
	}
	*ret_count = reply->integer;
	freeReplyObject(reply);
	return OK;
}

/* ---- boards ---- */

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
	enum status status = call(cache, deadline, commands, ARRAY_LEN(commands), is_page_reply, &reply);
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
	enum status status = call(cache, deadline, commands, ARRAY_LEN(commands), is_find_reply, &reply);
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
	redisReply *reply;
	enum status status = call(cache, deadline, &count, 1, is_integer, &reply);
	if (status != OK) {
		return status;
	}
	*ret_count = reply->integer;
	freeReplyObject(reply);
	return OK;
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
	enum status status = exchange(context, until, commands, ARRAY_LEN(commands), &reply);
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
	status = exchange(context, until, &unwatch, 1, &reply);
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
	enum status status = send_all(context, until);
	for (size_t i = 0; i < commands && status == OK; i++) {
		redisReply *reply;
		status = read_reply(context, until, &reply);
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
	enum status status = link_ready(cache, link, until);
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
	enum status status = converse(cache, deadline, speak_fenced, &write);
	return write.arena_failed ? TOO_LARGE : status;
}

struct restart {
	struct wide forget;
	const struct cache_fence *fence;
};

static enum status speak_restart(struct cache *cache, struct link *link, int64_t until, void *arg)
{
	struct restart *restart = arg;
	enum status status = link_ready(cache, link, until);
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
	return converse(cache, deadline, speak_restart, &restart);
}

/* ---- life ---- */

enum status cache_open(struct str url, int connections, struct cache **ret_cache)
{
	if (connections < 1 || connections > CONNECTIONS_MAX) {
		return INVALID;
	}
	struct cache *cache = calloc(1, sizeof(*cache));
	struct arena *arena = arena_new(URL_ARENA);
	enum status status = cache != NULL && arena != NULL ? read_url(arena, url, &cache->place) : UNAVAILABLE;
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
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		link_close(&cache->links[i]);
	}
	pthread_mutex_destroy(&cache->lock);
	arena_free(cache->arena);
	free(cache);
}
