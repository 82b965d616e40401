#include "service/activity.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/utf.h"
#include "core/event.h"
#include "io/app.h"
#include "service/sighting.h"
#include "service/tx.h"

#define MULTIPLIER_NONE 100 /* percent */

/* No program can send it in a key of its own: those are ASCII (core/event.h, event_key_ok). */
#define KEY_MARK "\xc2\xa7"

struct chat {
	enum platform platform;
	int64_t chat_id;
	bool registered;
	int64_t multiplier; /* percent */
};

struct activity_chats {
	pthread_mutex_t mutex;
	int64_t read_at; /* monotonic; 0: never */
	bool reading;    /* one thread at a time asks the database */
	bool cut;        /* there are more than fit: an unknown chat is no news */
	size_t count;
	struct chat rows[ACTIVITY_CHATS_MAX]; /* ascending */
};

struct activity_chats *activity_chats_new(struct arena *arena)
{
	struct activity_chats *chats = arena_alloc(arena, sizeof(*chats));

	if (chats != NULL) {
		(void)pthread_mutex_init(&chats->mutex, NULL);
	}
	return chats;
}

static int compare_chats(const void *left, const void *right)
{
	const struct chat *a = left;
	const struct chat *b = right;

	if (a->platform != b->platform) {
		return a->platform < b->platform ? -1 : 1;
	}
	return (a->chat_id > b->chat_id) - (a->chat_id < b->chat_id);
}

static enum status read_chats(struct tx *tx, void *arg)
{
	struct pg_params params = tx_params(tx);

	return tx_query(tx, SQL_ACTIVITY_CHATS, &params, arg);
}

static void keep_chats(struct activity_chats *chats, const struct pg_rows *rows)
{
	int count = pg_row_count(rows);

	chats->cut = count > ACTIVITY_CHATS_MAX;
	chats->count = 0;
	for (int row = 0; row < count && chats->count < ACTIVITY_CHATS_MAX; row++) {
		struct chat *chat = &chats->rows[chats->count];

		if (platform_from_name(pg_str(rows, row, 0), &chat->platform) == OK) {
			chat->chat_id = pg_i64(rows, row, 1);
			chat->registered = pg_bool(rows, row, 2);
			chat->multiplier = pg_i64(rows, row, 3);
			chats->count++;
		}
	}
	qsort(chats->rows, chats->count, sizeof(chats->rows[0]), compare_chats);
	chats->read_at = clock_monotonic_us();
}

/* Whether this thread is the one that reads them now. */
static bool claim_reading(struct activity_chats *chats)
{
	bool mine = false;

	(void)pthread_mutex_lock(&chats->mutex);
	/* For the first time everybody reads: without the list nobody can be answered. */
	if (chats->read_at == 0 || (!chats->reading && clock_monotonic_us() - chats->read_at > ACTIVITY_CHATS_FRESH_US)) {
		chats->reading = true;
		mine = true;
	}
	(void)pthread_mutex_unlock(&chats->mutex);
	return mine;
}

static enum status refresh(struct ctx *ctx, struct activity_chats *chats)
{
	struct pg_rows *rows = NULL;
	enum status status = OK;

	if (!claim_reading(chats)) {
		return OK;
	}
	status = service_read(ctx, read_chats, &rows);
	(void)pthread_mutex_lock(&chats->mutex);
	if (status == OK) {
		keep_chats(chats, rows);
	}
	chats->reading = false;
	(void)pthread_mutex_unlock(&chats->mutex);
	return status;
}

enum standing {
	STANDING_UNSET = 0,
	STANDING_COUNTS,
	STANDING_SILENT,  /* ignored by staff, or told already */
	STANDING_UNKNOWN, /* nobody has told it yet */
	STANDING_UNREAD,  /* the database has not answered since the start */
	STANDING_COUNT
};

/* ret_multiplier: of a chat that is known */
static enum standing look_up(struct activity_chats *chats, const struct update *update, int64_t *ret_multiplier)
{
	struct chat wanted = {.platform = update->platform, .chat_id = update->chat_id};
	enum standing standing = STANDING_UNREAD;

	(void)pthread_mutex_lock(&chats->mutex);
	if (chats->read_at != 0) {
		const struct chat *chat = bsearch(&wanted, chats->rows, chats->count, sizeof(chats->rows[0]), compare_chats);

		standing = chat != NULL ? (chat->registered ? STANDING_COUNTS : STANDING_SILENT) : STANDING_UNKNOWN;
		*ret_multiplier = chat != NULL ? chat->multiplier : MULTIPLIER_NONE;
	}
	(void)pthread_mutex_unlock(&chats->mutex);
	return standing;
}

/* Beside what any program may say: which text it was, for repeats; what the chat makes of it; that others' words give nothing. */
static struct str event_data(struct arena *arena, const struct update *update, int64_t multiplier)
{
	struct str text = str_trim(update->text);
	size_t length = utf_points(text);
	struct str weight = multiplier != MULTIPLIER_NONE ? str_printf(arena, ",\"multiplier\":%lld", (long long)multiplier) : STR("");

	return str_printf(arena, "{\"length\":%zu,\"chat\":\"%lld\",\"h\":%lld" STR_FMT "%s}",
	                  length < (size_t)EVENT_LENGTH_MAX ? length : (size_t)EVENT_LENGTH_MAX, (long long)update->chat_id,
	                  (long long)event_text_number(text), STR_ARG(weight), update->not_own_words ? ",\"give_xp\":false" : "");
}

static struct str number(struct arena *arena, int64_t value)
{
	return str_printf(arena, "%lld", (long long)value);
}

static enum status append(struct ctx *ctx, const struct update *update, int64_t multiplier)
{
	struct arena *arena = ctx->arena;
	int64_t at = update->sent_at != 0 ? update->sent_at : ctx->now;
	struct str platform = platform_name(update->platform);
	struct gather_row row = {.columns = {
		str_printf(arena, KEY_MARK STR_FMT ":%lld:%lld", STR_ARG(platform), (long long)update->chat_id, (long long)update->message_id),
		number(arena, event_lane(update->platform, update->actor.platform_id)),
		platform,
		number(arena, update->actor.platform_id),
		str_printf(arena, STR_FMT ":" STR_FMT, STR_ARG(platform), STR_ARG(update->bot)),
		event_data(arena, update, multiplier),
		number(arena, at),
		number(arena, ctx->now),
	}};
	enum status status = OK;

	if (ctx->now - at > EVENT_BACK_RECENT_US || at - ctx->now > EVENT_AHEAD_US) {
		return OK; /* its key is not kept any more: counted before, or too late to count */
	}
	if (arena_failed(arena)) {
		return TOO_LARGE;
	}
	status = group_commit_append(ctx->app->events, &row, ctx->deadline);
	if (status == NOT_FOUND) {
		status = tx_make_partitions(ctx);
		status = status == OK ? group_commit_append(ctx->app->events, &row, ctx->deadline) : status;
	}
	if (status == OK) {
		metric_add(METRIC_EVENT_ACCEPTED, 1);
	}
	return status;
}

struct tell_arg {
	const struct update *update;
	bool first;
};

static enum status claim_telling(struct tx *tx, void *arg)
{
	struct tell_arg *tell = arg;
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, platform_name(tell->update->platform));
	pg_add_i64(&params, tell->update->chat_id);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_ACTIVITY_TELL_CHAT, &params, &rows);

	tell->first = status == OK && pg_affected(rows) == 1;
	return status;
}

/* The bot says once that nothing counts here; the chat's row is what makes it once. */
static enum status tell(struct ctx *ctx, const struct update *update, struct reply **ret_reply)
{
	struct tell_arg arg = {.update = update};
	struct reply *reply = NULL;
	enum status status = tx_run(ctx, claim_telling, &arg);

	if (status != OK || !arg.first) {
		return status;
	}
	reply = reply_new(ctx->arena);
	if (reply == NULL) {
		return TOO_LARGE;
	}
	REPLY_SAY(reply, MSG_CHAT_NOT_REGISTERED, TEXT_INT(update->chat_id));
	*ret_reply = reply;
	return OK;
}

enum status activity_message(struct ctx *ctx, const struct update *update, struct reply **ret_reply)
{
	struct activity_chats *chats = ctx->app->chats;
	struct reply *reply = NULL;
	int64_t multiplier = MULTIPLIER_NONE;
	enum status status = refresh(ctx, chats);

	switch (look_up(chats, update, &multiplier)) {
	case STANDING_COUNTS: /* also when the list could not be read again just now: it stands for a while */
		status = append(ctx, update, multiplier);
		if (status == OK) {
			sighting_note(ctx, update);
		}
		break;
	case STANDING_SILENT:
		status = OK;
		break;
	case STANDING_UNKNOWN:
		status = status == OK ? tell(ctx, update, &reply) : status;
		break;
	case STANDING_UNREAD:
		status = status == OK ? UNAVAILABLE : status;
		break;
	case STANDING_UNSET:
	case STANDING_COUNT:
		status = INTERNAL;
		break;
	}
	if (status == OK) {
		*ret_reply = reply;
	}
	return status;
}
