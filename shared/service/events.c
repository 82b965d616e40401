/* Accepting events: one transaction for a request, a handful of statements whatever its size. */
#include "service/events.h"

#include <assert.h>

#include "base/metric.h"
#include "service/events_read.h"
#include "service/tx.h"

/* What one event's tree may take; beyond it that event is refused. */
#define SCRATCH_LIMIT ((size_t)1024 * 1024)

/* The events of one request that have one key, the first sent first. */
struct key_group {
	struct str key;
	size_t first; /* in accepting->by_key */
	size_t count;
	struct str content; /* what the key stands for; absent: it is free */
};

/* A request. What a run of the transaction finds out is written anew by the next run. */
struct accepting {
	struct str source;
	bool counts_only; /* its frequent events are queued with "give_xp": false */
	struct incoming *events;
	struct events_result *results;
	size_t count;
	size_t *by_key; /* indexes of the readable ones, by key, then in the order sent */
	size_t by_key_count;
	struct key_group *groups;
	size_t group_count;
	size_t fresh_count;
};

static int compare_str(struct str a, struct str b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_keys(const void *left, const void *right, void *arg)
{
	const struct incoming *events = arg;
	size_t a = *(const size_t *)left;
	size_t b = *(const size_t *)right;
	int order = compare_str(events[a].key, events[b].key);

	return order != 0 ? order : (a > b) - (a < b);
}

/* Sorted by key once, for judging, for finding and for the order of the inserts (decisions.md 11). */
static void make_groups(struct accepting *accepting)
{
	for (size_t i = 0; i < accepting->count; i++) {
		if (!accepting->events[i].rejected) {
			accepting->by_key[accepting->by_key_count++] = i;
		}
	}
	qsort_r(accepting->by_key, accepting->by_key_count, sizeof(*accepting->by_key), compare_keys, accepting->events);
	assert(accepting->groups != NULL);
	for (size_t i = 0; i < accepting->by_key_count; i++) {
		struct str key = accepting->events[accepting->by_key[i]].key;
		struct key_group *last = accepting->group_count > 0 ? &accepting->groups[accepting->group_count - 1] : NULL;

		if (last != NULL && str_eq(last->key, key)) {
			last->count++;
		} else {
			accepting->groups[accepting->group_count++] = (struct key_group){.key = key, .first = i, .count = 1};
		}
	}
}

static int compare_group(const void *key, const void *group)
{
	return compare_str(*(const struct str *)key, ((const struct key_group *)group)->key);
}

/* Which keys are taken, and by what. */
static enum status find_keys(struct tx *tx, struct accepting *accepting)
{
	struct str *keys = arena_array(tx->ctx->arena, accepting->group_count, sizeof(*keys));
	struct event_known *known = NULL;
	size_t known_count = 0;

	if (keys == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < accepting->group_count; i++) {
		keys[i] = accepting->groups[i].key;
		accepting->groups[i].content = STR_ABSENT;
	}
	enum status status = event_keys_find(tx, keys, accepting->group_count, &known, &known_count);

	for (size_t i = 0; status == OK && i < known_count; i++) {
		struct key_group *group = bsearch(&known[i].key, accepting->groups, accepting->group_count, sizeof(*group), compare_group);

		if (group == NULL) {
			return INTERNAL;
		}
		group->content = known[i].content;
	}
	return status;
}

static void refuse_reuse(struct arena *arena, struct events_result *result, struct str before, struct str now)
{
	result->verdict = EVENTS_REJECTED;
	result->fault = (struct event_fault){
		.type = EVENT_FAULT_KEY_REUSED,
		.field = STR("idempotency_key"),
		.detail = str_printf(arena, "this key came before with another content; what differs: " STR_FMT,
		                     STR_ARG(content_difference(arena, before, now))),
	};
}

/* The first event of a free key takes it; all others are measured by what the key stands for. */
static void judge_group(struct arena *arena, struct accepting *accepting, const struct key_group *group)
{
	struct str content = group->content;

	for (size_t i = group->first; i < group->first + group->count; i++) {
		const struct incoming *event = &accepting->events[accepting->by_key[i]];
		struct events_result *result = &accepting->results[accepting->by_key[i]];

		*result = (struct events_result){.key = event->key};
		if (!str_present(content)) {
			content = event->content;
			result->verdict = EVENTS_ACCEPTED;
			accepting->fresh_count++;
		} else if (str_eq(content, event->content)) {
			result->verdict = EVENTS_DUPLICATE;
		} else {
			refuse_reuse(arena, result, content, event->content);
		}
	}
}

/* The keys of the accepted ones, by key. Fewer taken than free a moment ago: another request has just committed some of them. */
static enum status claim_keys(struct tx *tx, const struct accepting *accepting, bool recent)
{
	struct event_claim *claims = arena_array(tx->ctx->arena, accepting->fresh_count, sizeof(*claims));
	size_t count = 0;
	size_t taken = 0;

	if (claims == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < accepting->by_key_count; i++) {
		const struct incoming *event = &accepting->events[accepting->by_key[i]];

		if (accepting->results[accepting->by_key[i]].verdict == EVENTS_ACCEPTED && event_shape(event->event.type)->recent == recent) {
			claims[count++] = (struct event_claim){.key = event->key, .content = event->content, .at = event->event.at};
		}
	}
	if (count == 0) {
		return OK;
	}
	enum status status = event_keys_claim(tx, recent, claims, count, &taken);

	if (status != OK) {
		return status;
	}
	return taken == count ? OK : RETRY;
}

/* What the queue holds of an event. The key stands for what was sent, without our own addition. */
static struct str queued_data(struct arena *arena, const struct accepting *accepting, const struct incoming *event)
{
	if (!accepting->counts_only || !event_shape(event->event.type)->recent) {
		return event->data;
	}
	/* Every shape has a required member, so something stands before the brace. */
	return str_printf(arena, STR_FMT ",\"give_xp\":false}", STR_ARG(str_cut(event->data, 0, event->data.len - 1)));
}

/* The accepted ones in the order sent. */
static struct event_queued *accepted_ones(struct arena *arena, const struct accepting *accepting)
{
	struct event_queued *queued = arena_array(arena, accepting->fresh_count, sizeof(*queued));
	size_t count = 0;

	for (size_t i = 0; queued != NULL && i < accepting->count; i++) {
		const struct incoming *event = &accepting->events[i];

		if (accepting->results[i].verdict == EVENTS_ACCEPTED) {
			queued[count++] = (struct event_queued){
				.person = event->person, .type = event->event.type, .data = queued_data(arena, accepting, event), .key = event->key,
				.at = event->event.at};
		}
	}
	return queued;
}

static enum status ensure_people(struct tx *tx, const struct event_queued *queued, size_t count)
{
	struct event_person *people = arena_array(tx->ctx->arena, count, sizeof(*people));

	if (people == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		people[i] = queued[i].person;
	}
	return identities_ensure(tx, people, count);
}

static enum status accept(struct tx *tx, void *arg)
{
	struct accepting *accepting = arg;
	enum status status = event_plan(tx, false);

	if (status == OK) {
		status = find_keys(tx, accepting);
	}
	if (status != OK) {
		return status;
	}
	accepting->fresh_count = 0;
	for (size_t i = 0; i < accepting->group_count; i++) {
		judge_group(tx->ctx->arena, accepting, &accepting->groups[i]);
	}
	if (accepting->fresh_count == 0) {
		return OK;
	}
	const struct event_queued *queued = accepted_ones(tx->ctx->arena, accepting);

	if (queued == NULL) {
		return TOO_LARGE;
	}
	/* People before keys, as in every path that makes both: one order, no deadlock. */
	status = ensure_people(tx, queued, accepting->fresh_count);
	if (status == OK) {
		status = claim_keys(tx, accepting, true);
	}
	if (status == OK) {
		status = claim_keys(tx, accepting, false);
	}
	return status == OK ? event_queue_add(tx, accepting->source, queued, accepting->fresh_count) : status;
}

static enum status read_all(struct ctx *ctx, const struct str *items, struct accepting *accepting)
{
	struct arena *scratch = arena_new(SCRATCH_LIMIT);
	enum status status = scratch == NULL ? UNAVAILABLE : OK;

	for (size_t i = 0; i < accepting->count && status == OK; i++) {
		status = incoming_read(ctx, scratch, items[i], &accepting->events[i]);
		accepting->results[i] = (struct events_result){
			.key = accepting->events[i].key, .verdict = EVENTS_REJECTED, .fault = accepting->events[i].fault};
	}
	arena_free(scratch);
	return status;
}

static void sum_up(const struct accepting *accepting, struct events_answer *ret_answer)
{
	struct events_answer answer = {.results = accepting->results, .count = accepting->count};

	for (size_t i = 0; i < answer.count; i++) {
		answer.accepted += answer.results[i].verdict == EVENTS_ACCEPTED ? 1 : 0;
		answer.duplicates += answer.results[i].verdict == EVENTS_DUPLICATE ? 1 : 0;
		answer.rejected += answer.results[i].verdict == EVENTS_REJECTED ? 1 : 0;
	}
	*ret_answer = answer;
}

static enum status accept_all(struct ctx *ctx, struct str source, bool counts_only, const struct str *items, size_t count,
                              struct events_answer *ret_answer)
{
	struct accepting accepting = {.source = source, .counts_only = counts_only, .count = count};
	enum status status = OK;

	if (count == 0 || count > EVENTS_MAX) {
		return INVALID;
	}
	accepting.events = arena_array(ctx->arena, count, sizeof(*accepting.events));
	accepting.results = arena_array(ctx->arena, count, sizeof(*accepting.results));
	accepting.by_key = arena_array(ctx->arena, count, sizeof(*accepting.by_key));
	accepting.groups = arena_array(ctx->arena, count, sizeof(*accepting.groups));
	if (accepting.events == NULL || accepting.results == NULL || accepting.by_key == NULL || accepting.groups == NULL) {
		return TOO_LARGE;
	}
	status = read_all(ctx, items, &accepting);
	if (status != OK) {
		return status;
	}
	make_groups(&accepting);
	if (accepting.group_count > 0) {
		status = tx_run(ctx, accept, &accepting);
	}
	if (status != OK) {
		return status;
	}
	sum_up(&accepting, ret_answer);
	metric_add(METRIC_EVENT_ACCEPTED, (int64_t)ret_answer->accepted);
	return OK;
}

enum status events_accept(struct ctx *ctx, struct str source, const struct str *items, size_t count, struct events_answer *ret_answer)
{
	return accept_all(ctx, source, false, items, count, ret_answer);
}

enum status events_accept_counting(struct ctx *ctx, struct str source, const struct str *items, size_t count,
                                   struct events_answer *ret_answer)
{
	return accept_all(ctx, source, true, items, count, ret_answer);
}
