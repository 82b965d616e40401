#include "service/notify.h"

#include <assert.h>

#include "base/utf.h"
#include "service/sealed.h"
#include "store/queue.h"
#include "store/shown.h"

/* What a person waits for is tried longer than a mere notice (domain.md, "Notifications"). */
#define PATIENCE_US (24 * HOUR_US)
#define PATIENCE_LONG_US (72 * HOUR_US)

#define TOPIC_MAX 32

static const struct str long_topics[] = {STR_INIT("ticket"), STR_INIT("payment")};

static bool topic_ok(struct str topic)
{
	for (size_t i = 0; i < topic.len; i++) {
		char c = topic.ptr[i];
		if (c != '_' && (c < 'a' || c > 'z')) {
			return false;
		}
	}
	return topic.len >= 1 && topic.len <= TOPIC_MAX;
}

static int64_t patience(struct str topic)
{
	for (size_t i = 0; i < ARRAY_LEN(long_topics); i++) {
		if (str_eq(topic, long_topics[i])) {
			return PATIENCE_LONG_US;
		}
	}
	return PATIENCE_US;
}

enum status notify_add(struct tx *tx, const struct notice *notice)
{
	int64_t now = tx->ctx->now;
	bool writable = notice->platform == PLATFORM_TELEGRAM || (notice->platform == PLATFORM_DISCORD && notice->recipient > 0);
	if (!writable || notice->recipient == 0 || str_empty(notice->bot) || !topic_ok(notice->topic)) {
		return INVALID;
	}
	if (notice->expires_at != 0 && notice->expires_at <= now) {
		return OK;
	}
	int64_t due = notice->due_at > now ? notice->due_at : now;
	struct outbox_new row = {
		.platform = notice->platform,
		.bot = notice->bot,
		.account_id = notice->account_id,
		.recipient = notice->recipient,
		.urgent = notice->urgent,
		.topic = notice->topic,
		.body = reply_encode(tx->ctx->arena, notice->reply),
		.created_at = now,
		.due_at = due,
		.expires_at = notice->expires_at,
		.give_up_at = due + patience(notice->topic),
	};
	if (!str_present(row.body)) {
		return TOO_LARGE;
	}
	enum status status = sealed_make(tx->ctx, notice->reply, &row.sealed);
	return status == OK ? outbox_add(tx, &row) : status;
}

enum status notify_person(struct tx *tx, int64_t account_id, struct str topic, const struct reply *reply, enum platform prefer_platform,
                          struct str prefer_bot, int64_t expires_at)
{
	struct outbox_reach reach;
	enum status status = outbox_reach(tx, account_id, prefer_platform, prefer_bot, STR(NOTIFY_BOT_DISCORD), &reach);
	if (status != OK) {
		return status;
	}
	struct notice notice = {
		.platform = reach.platform,
		.bot = reach.bot,
		.account_id = account_id,
		.recipient = reach.recipient,
		.topic = topic,
		.reply = reply,
		.expires_at = expires_at,
	};
	return notify_add(tx, &notice);
}

static enum status fill_rows(struct tx *tx, const struct person_notice *notices, const struct notice_writer *writer,
                             const struct outbox_found *found, size_t found_count, struct outbox_new *rows)
{
	struct arena *arena = tx->ctx->arena;
	for (size_t i = 0; i < found_count; i++) {
		const struct person_notice *notice = &notices[found[i].index];
		struct reply *reply = writer->write(arena, writer->context, notice);
		if (reply == NULL) {
			return TOO_LARGE;
		}
		rows[i] = (struct outbox_new){.platform = found[i].reach.platform, .bot = found[i].reach.bot, .account_id = notice->account_id,
			.recipient = found[i].reach.recipient, .topic = notice->topic, .body = reply_encode(arena, reply)};
		if (!str_present(rows[i].body)) {
			return TOO_LARGE;
		}
	}
	return OK;
}

enum status notify_many(struct tx *tx, const struct person_notice *notices, size_t count, const struct notice_writer *writer)
{
	struct outbox_listener *wishes = arena_array(tx->ctx->arena, count, sizeof(*wishes));
	struct outbox_found *found = NULL;
	size_t found_count = 0;
	if (wishes == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		assert(topic_ok(notices[i].topic) && patience(notices[i].topic) == PATIENCE_US);
		wishes[i] = (struct outbox_listener){.account_id = notices[i].account_id, .platform = notices[i].prefer_platform,
			.bot = notices[i].prefer_bot, .topic = notices[i].topic};
	}
	enum status status = outbox_reach_many(tx, wishes, count, STR(NOTIFY_BOT_DISCORD), &found, &found_count);
	if (status != OK || found_count == 0) {
		return status;
	}
	struct outbox_new *rows = arena_array(tx->ctx->arena, found_count, sizeof(*rows));
	if (rows == NULL) {
		return TOO_LARGE;
	}
	status = fill_rows(tx, notices, writer, found, found_count, rows);
	return status == OK ? outbox_add_many(tx, rows, found_count, tx->ctx->now + PATIENCE_US) : status;
}

/* A name on a line of a group's chat. */
#define NAME_POINTS_MAX 32

static enum status announcement(struct tx *tx, const struct group_news *news, struct str name, struct outbox_new *row)
{
	struct reply *reply = reply_new(tx->ctx->arena);
	if (reply == NULL) {
		return TOO_LARGE;
	}
	if (str_empty(name)) {
		REPLY_SAY(reply, MSG_RANK_ANNOUNCED_NAMELESS, TEXT_STR(news->rank));
	} else {
		REPLY_SAY(reply, MSG_RANK_ANNOUNCED, TEXT_STR(utf_clip_points(name, NAME_POINTS_MAX)), TEXT_STR(news->rank));
	}
	*row = (struct outbox_new){.platform = PLATFORM_TELEGRAM, .bot = news->bot, .recipient = news->chat_id, .topic = STR("announce"),
		.body = reply_encode(tx->ctx->arena, reply)};
	return str_present(row->body) ? OK : TOO_LARGE;
}

enum status notify_groups(struct tx *tx, const struct group_news *news, size_t count)
{
	struct announce_wish *wishes = arena_array(tx->ctx->arena, count, sizeof(*wishes));
	struct announce_found *found = NULL;
	size_t found_count = 0;
	if (wishes == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		wishes[i] = (struct announce_wish){.account_id = news[i].account_id, .chat_id = news[i].chat_id};
	}
	enum status status = announce_where(tx, wishes, count, &found, &found_count);
	if (status != OK || found_count == 0) {
		return status;
	}
	struct outbox_new *rows = arena_array(tx->ctx->arena, found_count, sizeof(*rows));
	if (rows == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < found_count && status == OK; i++) {
		status = announcement(tx, &news[found[i].index], found[i].name, &rows[i]);
	}
	return status == OK ? outbox_add_many(tx, rows, found_count, tx->ctx->now + PATIENCE_US) : status;
}
