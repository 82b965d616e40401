/* The common part of errands: pace, lease, turns. */
#include "errands.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "errand_list.h"

#define TURN_BUDGET_US (2 * SECOND_US)
/* While a call waits for room: a fifth of a second is how often there is some. */
#define LOOK_US (50 * 1000)
/* Calls of the bot count for all its chats; this is none of them. */
#define NO_CHAT 0

struct errands {
	struct worker *worker;
	struct http_batch *batch;
	struct pace *bot;
	struct pace *own;
	struct arena *arena; /* of one turn */
	struct errand_list *roles;
	struct errand_list *links;
	bool database_away;
};

static const struct pace_rules rules = {.all_count = ERRANDS_PER_SECOND, .all_window_us = SECOND_US};

struct errands *errands_new(struct worker *worker, struct http_batch *batch, struct pace *bot)
{
	struct errands *errands = calloc(1, sizeof *errands);
	if (errands == NULL) {
		return NULL;
	}
	*errands = (struct errands){
		.worker = worker, .batch = batch, .bot = bot, .own = pace_new(&rules), .arena = arena_new(WORKER_ARENA_LIMIT)};
	errands->roles = errand_list_new(errands, &role_errands);
	errands->links = errand_list_new(errands, &link_errands);
	if (errands->own == NULL || errands->arena == NULL || errands->roles == NULL || errands->links == NULL) {
		errands_free(errands);
		return NULL;
	}
	return errands;
}

void errands_free(struct errands *errands)
{
	if (errands == NULL) {
		return;
	}
	errand_list_free(errands->roles);
	errand_list_free(errands->links);
	arena_free(errands->arena);
	pace_free(errands->own);
	free(errands);
}

struct worker *errands_worker(const struct errands *errands)
{
	return errands->worker;
}

struct ctx errands_ctx(struct errands *errands)
{
	return worker_ctx(errands->worker, errands->arena, TURN_BUDGET_US);
}

struct delivery_owner errands_owner(const struct errands *errands)
{
	return (struct delivery_owner){PLATFORM_DISCORD, errands->worker->owner, clock_wall_us()};
}

bool errands_worked(struct errands *errands, const char *what, enum status status)
{
	if ((status != OK) != errands->database_away) {
		log_message(status == OK ? LOG_INFO : LOG_WARNING, status == OK ? "errands_back" : "errands_wait", "%s: %s", what,
		            status_name(status));
	}
	errands->database_away = status != OK;
	return status == OK;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------- */

int64_t errand_wait(const struct errand_flight *flight, int64_t mono)
{
	return pace_wait(flight->errands->own, flight->key, mono);
}

bool errand_may_call(const struct errand_flight *flight, int64_t mono)
{
	const struct errands *errands = flight->errands;
	return pace_room(errands->own, mono, false) > 0 && errand_wait(flight, mono) == 0 &&
	       (!flight->by_bot || pace_room(errands->bot, mono, false) > 0);
}

static void call_done(void *arg, const struct http_response *response)
{
	struct errand_flight *flight = arg;
	int64_t mono = clock_monotonic_us();
	bool heard = response->outcome == HTTP_ANSWERED;
	pace_end(flight->errands->own, heard, mono);
	if (flight->by_bot && heard) {
		pace_end(flight->errands->bot, true, mono);
	} else if (flight->by_bot) {
		pace_leave(flight->errands->bot);
	}
	flight->heard(flight->arg, response, mono);
}

enum status errand_call(struct errand_flight *flight, const struct http_request *request)
{
	enum status status = http_batch_add(flight->errands->batch, request, call_done, flight);
	if (status != OK) {
		return status;
	}
	int64_t mono = clock_monotonic_us();
	pace_start(flight->errands->own, flight->key, mono);
	if (flight->by_bot) {
		pace_start(flight->errands->bot, NO_CHAT, mono);
	}
	return OK;
}

void errand_hold(const struct errand_flight *flight, int64_t mono, int64_t us)
{
	pace_hold(flight->errands->own, flight->key, mono, us);
}

void errand_hold_bot(const struct errand_flight *flight, int64_t mono, int64_t us)
{
	pace_hold_all(flight->errands->bot, mono, us);
}

void errand_mind_bucket(const struct errand_flight *flight, int64_t mono, int64_t remaining, int64_t reset_us)
{
	if (remaining == 0 && reset_us > 0) {
		errand_hold(flight, mono, reset_us);
	}
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------- */

void errands_turn(struct errands *errands, bool held)
{
	errand_list_settle(errands->roles);
	errand_list_settle(errands->links);
	if (!held) {
		errand_list_drop(errands->roles);
		errand_list_drop(errands->links);
		return;
	}
	errand_list_claim(errands->roles);
	errand_list_claim(errands->links);
	/* Few and told at once: they go before the roles, whose sweep would take every call. */
	errand_list_start(errands->links);
	errand_list_start(errands->roles);
}

static size_t count(const struct errands *errands, enum errand_state state)
{
	return errand_list_count(errands->roles, state) + errand_list_count(errands->links, state);
}

int64_t errands_wake(const struct errands *errands, int64_t mono)
{
	int64_t roles_at = errand_list_due(errands->roles);
	int64_t links_at = errand_list_due(errands->links);
	int64_t at = roles_at < links_at ? roles_at : links_at;
	if (count(errands, ERRAND_DONE) > 0 && !errands->database_away) {
		return mono;
	}
	if (count(errands, ERRAND_WAITING) + count(errands, ERRAND_DONE) > 0) {
		at = at < mono + LOOK_US ? at : mono + LOOK_US;
	}
	return at > mono ? at : mono + LOOK_US;
}

size_t errands_flying(const struct errands *errands)
{
	return count(errands, ERRAND_FLYING);
}

void errands_drain(struct errands *errands)
{
	errand_list_settle(errands->roles);
	errand_list_drop(errands->roles);
	errand_list_settle(errands->links);
	errand_list_drop(errands->links);
}
