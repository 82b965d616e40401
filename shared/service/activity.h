/*
 * activity - messages of registered chats become events, durable before they are acknowledged; XP is the worker's concern.
 *
 * Only chats that staff registered count; elsewhere the bot says so once and counts nothing (domain.md, XP rates). A message is one event
 * by (platform, chat, message), however many bots report it and however often. It goes through group commit (decisions.md 19).
 */
#ifndef TRIVET_SERVICE_ACTIVITY_H
#define TRIVET_SERVICE_ACTIVITY_H

#include "core/reply.h"
#include "core/update.h"
#include "store/tx.h"

/* Columns of SQL_ACTIVITY_APPEND, for app_options. */
#define ACTIVITY_COLUMNS 8

/* Which chats count, as last read; shared by the threads of a process. At most so many are kept, about 200 KiB. */
struct activity_chats;
#define ACTIVITY_CHATS_MAX 8192
#define ACTIVITY_CHATS_FRESH_US (5 * SECOND_US)

/* activity_chats_new - empty, in memory that outlives every request (the program's own arena). NULL: no memory. */
struct activity_chats *activity_chats_new(struct arena *arena);

/*
 * activity_message - a message of a group was received.
 *
 * ret_reply   NULL, or what the bot says once where nothing counts
 * OK (committed, counted before, or of a chat that does not count), UNAVAILABLE, TIMED_OUT (the platform sends it again).
 */
MUST_CHECK enum status activity_message(struct ctx *ctx, const struct update *update, struct reply **ret_reply);

#endif
