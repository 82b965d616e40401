/*
 * notify - steps that put a message to a person into the outbox, committed with the change it tells of.
 *
 * The row holds an encoded neutral reply and, sealed, its secrets; the worker makes words of it in the recipient's language when it
 * sends (decisions.md 8, 9, 21). Nothing is sent here.
 */
#ifndef TRIVET_SERVICE_NOTIFY_H
#define TRIVET_SERVICE_NOTIFY_H

#include "core/platform_id.h"
#include "core/reply.h"
#include "store/tx.h"

/* Configured name of the one Discord bot. */
#define NOTIFY_BOT_DISCORD "discord"

struct notice {
	enum platform platform; /* PLATFORM_TELEGRAM or PLATFORM_DISCORD */
	struct str bot;         /* configured name; "discord" on Discord */
	int64_t account_id;     /* whose language it is written in; 0: nobody's (a group, a stranger) */
	int64_t recipient;      /* Telegram chat id (negative: a group), Discord user id */
	struct str topic;       /* [a-z_]{1,32}: link, unlink, code, merge, ticket, payment ...: for reports; decides the patience */
	const struct reply *reply;
	bool urgent;            /* before all others, within 200 ms: answers that a platform waits for */
	int64_t due_at;         /* microseconds UTC, not before this; 0: now */
	int64_t expires_at;     /* then it is dropped unsent and wiped (a code's own end); 0: never */
};

/*
 * notify_add - one outbox row.
 *
 * Tried for 24 h, topics ticket and payment for 72 h. A notice that has expired already is not written.
 * OK, INVALID (no recipient, a platform without messages, bad topic), TOO_LARGE (the reply does not fit), statuses of pg_run().
 */
MUST_CHECK enum status notify_add(struct tx *tx, const struct notice *notice);

/*
 * notify_person - the same to whoever owns an account, wherever he can be reached.
 *
 * By the platform and bot where the subject began when it may write to him, else by that platform's other bots, else by another
 * platform (domain.md, "Identity"). Telegram needs a known yes (/start, an unblock); Discord is also tried when nothing is known.
 *
 * prefer_platform   PLATFORM_UNSET: none preferred
 * prefer_bot        absent: none preferred
 * expires_at        as in struct notice
 * OK, NOT_FOUND (nobody to write to: the caller tells it elsewhere or lets it be), else as notify_add().
 */
MUST_CHECK enum status notify_person(struct tx *tx, int64_t account_id, struct str topic, const struct reply *reply,
                                     enum platform prefer_platform, struct str prefer_bot, int64_t expires_at);

/* One of many notices. */
struct person_notice {
	int64_t account_id;
	struct str topic;              /* rank (season goes with it), badge, mission, reminder: a person has a switch for each */
	enum platform prefer_platform; /* as for notify_person() */
	struct str prefer_bot;
	const void *about; /* for the writer */
};

/* Makes the words of one notice: neutral, without secrets; NULL when the arena failed. */
struct notice_writer {
	struct reply *(*write)(struct arena *arena, const void *context, const struct person_notice *notice);
	const void *context;
};

/*
 * notify_many - tells many people something, by two statements for all: those who want to hear of it and can be reached. Words are made for
 * them only.
 *
 * notices   their topics are none of those that are tried longer
 * OK, TOO_LARGE, statuses of pg_run().
 */
MUST_CHECK enum status notify_many(struct tx *tx, const struct person_notice *notices, size_t count, const struct notice_writer *writer);

/* Somebody reached a rank in a Telegram group. */
struct group_news {
	int64_t account_id;
	int64_t chat_id;
	struct str bot; /* that heard it */
	struct str rank;
};

/* notify_groups - says so in those groups that staff wanted told, of people who may be told of. OK, TOO_LARGE, statuses of pg_run(). */
MUST_CHECK enum status notify_groups(struct tx *tx, const struct group_news *news, size_t count);

#endif
