#include "pace.h"

#include <assert.h>
#include <stdlib.h>

#include "base/ctx.h"

#define BACKOFF_MAX_US (60 * SECOND_US)
/* So many unheard calls in a row are no accident of one of them. */
#define SILENT_AFTER 3
/* A platform that is back shall not wait a minute for us. */
#define SILENT_PAUSE_MAX_US (10 * SECOND_US)
/* How long a row of failures is remembered after its last. */
#define FAILURES_KEPT_US (10 * MINUTE_US)

struct chat {
	int64_t recipient;
	int64_t hold_until;
	int64_t paid_until; /* the time up to which its calls are used up (a leaky bucket by time) */
	int64_t failures;
	int64_t failed_at;
	int64_t times[PACE_GROUP_MAX]; /* of a group: its last calls, a ring */
	size_t next;
};

struct pace {
	struct pace_rules rules;
	int64_t times[PACE_ALL_MAX]; /* the last calls of all, a ring; INT64_MIN: none */
	size_t next;
	int64_t hold_until;
	int64_t silent; /* unheard calls in a row */
	int64_t pauses; /* made for that since the last heard one */
	size_t flying;
	size_t chat_count;
	struct chat chats[PACE_CHATS_MAX]; /* dense, in no order */
};

struct pace *pace_new(const struct pace_rules *rules)
{
	assert(rules->all_count >= 1 && rules->all_count <= PACE_ALL_MAX);
	assert(rules->urgent_count >= 0 && rules->urgent_count < rules->all_count);
	assert(rules->group_count >= 0 && rules->group_count <= PACE_GROUP_MAX);
	struct pace *pace = calloc(1, sizeof *pace);
	if (pace == NULL) {
		return NULL;
	}
	pace->rules = *rules;
	for (size_t i = 0; i < PACE_ALL_MAX; i++) {
		pace->times[i] = INT64_MIN;
	}
	return pace;
}

void pace_free(struct pace *pace)
{
	free(pace);
}

size_t pace_room(const struct pace *pace, int64_t now, bool urgent)
{
	if (now < pace->hold_until) {
		return 0;
	}
	size_t room = 0;
	for (int64_t i = 0; i < pace->rules.all_count; i++) {
		room += pace->times[i] == INT64_MIN || now - pace->times[i] >= pace->rules.all_window_us ? 1 : 0;
	}
	if (pace->silent >= SILENT_AFTER) {
		return pace->flying == 0 && room > 0 ? 1 : 0;
	}
	size_t kept = urgent ? 0 : (size_t)pace->rules.urgent_count;
	return room > kept ? room - kept : 0;
}

/* Index of a chat, or PACE_CHATS_MAX. */
static size_t find(const struct pace *pace, int64_t recipient)
{
	for (size_t i = 0; i < pace->chat_count; i++) {
		if (pace->chats[i].recipient == recipient) {
			return i;
		}
	}
	return PACE_CHATS_MAX;
}

/* When the rules let the next call to a chat begin. */
static int64_t free_at(const struct pace *pace, const struct chat *chat)
{
	const struct pace_rules *rules = &pace->rules;
	int64_t at = chat->hold_until;
	int64_t bucket = chat->paid_until - (rules->chat_burst - 1) * rules->chat_every_us;
	at = rules->chat_every_us > 0 && bucket > at ? bucket : at;
	if (chat->recipient < 0 && rules->group_count > 0 && chat->times[chat->next] != INT64_MIN) {
		int64_t oldest = chat->times[chat->next] + rules->group_window_us;
		at = oldest > at ? oldest : at;
	}
	return at;
}

/* Whether forgetting a chat would loosen a rule. */
static bool remembered(const struct pace *pace, const struct chat *chat, int64_t now)
{
	bool called = false;
	for (int64_t i = 0; chat->recipient < 0 && i < pace->rules.group_count; i++) {
		called |= chat->times[i] != INT64_MIN && now - chat->times[i] < pace->rules.group_window_us;
	}
	return called || chat->hold_until > now || chat->paid_until > now ||
	       (chat->failures > 0 && now - chat->failed_at < FAILURES_KEPT_US);
}

static void forget_idle(struct pace *pace, int64_t now)
{
	for (size_t i = 0; i < pace->chat_count;) {
		if (remembered(pace, &pace->chats[i], now)) {
			i++;
		} else {
			pace->chats[i] = pace->chats[--pace->chat_count];
		}
	}
}

static struct chat *find_or_add(struct pace *pace, int64_t recipient, int64_t now)
{
	size_t at = find(pace, recipient);
	if (at < PACE_CHATS_MAX) {
		return &pace->chats[at];
	}
	struct chat *chat;
	if (pace->chat_count == PACE_CHATS_MAX) {
		forget_idle(pace, now);
	}
	if (pace->chat_count < PACE_CHATS_MAX) {
		chat = &pace->chats[pace->chat_count++];
	} else {
		chat = &pace->chats[0];
		for (size_t i = 1; i < pace->chat_count; i++) {
			chat = free_at(pace, &pace->chats[i]) < free_at(pace, chat) ? &pace->chats[i] : chat;
		}
	}
	*chat = (struct chat){.recipient = recipient};
	for (size_t i = 0; i < PACE_GROUP_MAX; i++) {
		chat->times[i] = INT64_MIN;
	}
	return chat;
}

int64_t pace_wait(const struct pace *pace, int64_t recipient, int64_t now)
{
	size_t chat = find(pace, recipient);
	int64_t at = chat == PACE_CHATS_MAX ? 0 : free_at(pace, &pace->chats[chat]);
	return at > now ? at - now : 0;
}

size_t pace_held(struct pace *pace, int64_t now, int64_t *ret_recipients, size_t max)
{
	size_t held = 0;
	forget_idle(pace, now);
	for (size_t i = 0; i < pace->chat_count && held < max; i++) {
		if (free_at(pace, &pace->chats[i]) > now) {
			ret_recipients[held++] = pace->chats[i].recipient;
		}
	}
	return held;
}

void pace_start(struct pace *pace, int64_t recipient, int64_t now)
{
	struct chat *chat = find_or_add(pace, recipient, now);
	pace->times[pace->next] = now;
	pace->next = (pace->next + 1) % (size_t)pace->rules.all_count;
	pace->flying++;
	chat->paid_until = (chat->paid_until > now ? chat->paid_until : now) + pace->rules.chat_every_us;
	if (recipient < 0 && pace->rules.group_count > 0) {
		chat->times[chat->next] = now;
		chat->next = (chat->next + 1) % (size_t)pace->rules.group_count;
	}
}

void pace_leave(struct pace *pace)
{
	assert(pace->flying > 0);
	pace->flying--;
}

void pace_end(struct pace *pace, bool heard, int64_t now)
{
	pace_leave(pace);
	pace->silent = heard ? 0 : pace->silent + 1;
	pace->pauses = heard ? 0 : pace->pauses;
	/* Many calls that end unheard together are one sign of silence, so they lengthen the pause once. */
	if (pace->silent >= SILENT_AFTER && now >= pace->hold_until) {
		int64_t pause = pace_backoff(++pace->pauses, 0);
		pace_hold_all(pace, now, pause < SILENT_PAUSE_MAX_US ? pause : SILENT_PAUSE_MAX_US);
	}
}

void pace_hold(struct pace *pace, int64_t recipient, int64_t now, int64_t us)
{
	struct chat *chat = find_or_add(pace, recipient, now);
	chat->hold_until = now + us > chat->hold_until ? now + us : chat->hold_until;
}

void pace_hold_all(struct pace *pace, int64_t now, int64_t us)
{
	pace->hold_until = now + us > pace->hold_until ? now + us : pace->hold_until;
}

int64_t pace_failures(const struct pace *pace, int64_t recipient)
{
	size_t at = find(pace, recipient);
	return at == PACE_CHATS_MAX ? 0 : pace->chats[at].failures;
}

void pace_failed(struct pace *pace, int64_t recipient, int64_t now)
{
	struct chat *chat = find_or_add(pace, recipient, now);
	chat->failed_at = now;
	chat->failures++;
}

void pace_succeeded(struct pace *pace, int64_t recipient)
{
	size_t at = find(pace, recipient);
	if (at < PACE_CHATS_MAX) {
		pace->chats[at].failures = 0;
	}
}

int64_t pace_backoff(int64_t failures, unsigned chance)
{
	assert(failures >= 1);
	int64_t wait = failures > 6 ? BACKOFF_MAX_US : SECOND_US << (failures - 1);
	wait = wait < BACKOFF_MAX_US ? wait : BACKOFF_MAX_US;
	return wait - wait / 4000 * (int64_t)(chance % 1000);
}
