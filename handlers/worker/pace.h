/*
 * pace - how fast one bot may speak: over all, per chat, per group, and whom it must leave alone for now.
 *
 * The owner of a bot's lease keeps one; nobody else sends for that bot, so its memory is the limiter (decisions.md 21). No clock in here:
 * the caller says what time it is (microseconds of the monotonic clock, never going back).
 *
 * A bot whose last calls got no answer at all is *silent*: it is tried with one message at a time, with growing pauses, until one is
 * heard.
 */
#ifndef TRIVET_WORKER_PACE_H
#define TRIVET_WORKER_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chats remembered at once. One more takes the place of whoever is free first: its rows in the database wait by themselves. */
#define PACE_CHATS_MAX 8192
#define PACE_ALL_MAX 50
#define PACE_GROUP_MAX 20

struct pace_rules {
	int64_t all_count; /* calls in any all_window_us, at most PACE_ALL_MAX */
	int64_t all_window_us;
	int64_t urgent_count;  /* of all_count, kept free for urgent calls: one that comes in the middle of a backlog leaves at once */
	int64_t chat_every_us; /* one call each, in the long run; 0: no such rule */
	int64_t chat_burst;    /* so many at once */
	int64_t group_count;   /* in any group_window_us, at most PACE_GROUP_MAX; recipients below zero are groups */
	int64_t group_window_us;
};

struct pace;

/* pace_new - nothing said yet. NULL: no memory. */
struct pace *pace_new(const struct pace_rules *rules);
void pace_free(struct pace *pace);

/* pace_room - how many calls may start now, over all; when they are urgent, or when they are not. */
size_t pace_room(const struct pace *pace, int64_t now, bool urgent);

/* pace_wait - how long `recipient` must wait; 0: he may be written to now. */
int64_t pace_wait(const struct pace *pace, int64_t recipient, int64_t now);

/* pace_held - those who must wait now, at most `max`, into ret_recipients; forgets whom no rule remembers. Returns how many. */
size_t pace_held(struct pace *pace, int64_t now, int64_t *ret_recipients, size_t max);

/*
 * pace_start - a call to `recipient` begins; pace_end - it is over; heard: the platform answered, whatever it said. pace_leave - it is
 * over, unheard, and was no message: that says nothing about messages.
 */
void pace_start(struct pace *pace, int64_t recipient, int64_t now);
void pace_end(struct pace *pace, bool heard, int64_t now);
void pace_leave(struct pace *pace);

/* pace_hold - nothing to `recipient` for `us`; pace_hold_all - nothing to anybody. A shorter hold does not end a longer one. */
void pace_hold(struct pace *pace, int64_t recipient, int64_t now, int64_t us);
void pace_hold_all(struct pace *pace, int64_t now, int64_t us);

/* pace_failures - failures of `recipient` in a row; pace_failed counts one more; pace_succeeded ends the row. */
int64_t pace_failures(const struct pace *pace, int64_t recipient);
void pace_failed(struct pace *pace, int64_t recipient, int64_t now);
void pace_succeeded(struct pace *pace, int64_t recipient);

/* pace_backoff - 1, 2, 4 .. 60 s after the n-th failure in a row, up to a quarter less by `chance` (any number). */
int64_t pace_backoff(int64_t failures, unsigned chance);

#endif
