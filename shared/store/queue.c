#include "store/queue.h"

#include "store/columns.h"

#include <assert.h>

/* Rows that one claim looks at per bot. More of one recipient's backlog take more claims, each short. */
#define LOOK_ROWS 1000

static const struct str status_names[OUTBOX_STATUS_COUNT] = {
	[OUTBOX_UNSET] = STR_INIT(""),
	[OUTBOX_PENDING] = STR_INIT("pending"),
	[OUTBOX_PROCESSING] = STR_INIT("processing"),
	[OUTBOX_SENT] = STR_INIT("sent"),
	[OUTBOX_UNCERTAIN] = STR_INIT("uncertain"),
	[OUTBOX_FAILED] = STR_INIT("failed"),
	[OUTBOX_PERMANENT] = STR_INIT("permanent"),
};

struct str outbox_status_name(enum outbox_status status)
{
	assert(status > OUTBOX_UNSET && status < OUTBOX_STATUS_COUNT);
	return status_names[status];
}

enum status outbox_status_from_name(struct str name, enum outbox_status *ret_status)
{
	for (int i = OUTBOX_PENDING; i < OUTBOX_STATUS_COUNT; i++) {
		if (str_eq(name, status_names[i])) {
			*ret_status = (enum outbox_status)i;
			return OK;
		}
	}
	return NOT_FOUND;
}

static void add_id_or_null(struct pg_params *params, int64_t id)
{
	if (id == 0) {
		pg_add_null(params);
	} else {
		pg_add_i64(params, id);
	}
}

enum status outbox_add(struct tx *tx, const struct outbox_new *row)
{
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(row->platform));
	pg_add_str(&params, row->bot);
	add_id_or_null(&params, row->account_id);
	pg_add_i64(&params, row->recipient);
	pg_add_bool(&params, row->urgent);
	pg_add_str(&params, row->topic);
	pg_add_bytes(&params, row->body);
	pg_add_bytes(&params, row->sealed);
	pg_add_time(&params, row->created_at);
	pg_add_time(&params, row->due_at);
	pg_add_time(&params, row->expires_at);
	pg_add_time(&params, row->give_up_at);
	return tx_query(tx, SQL_OUTBOX_ADD, &params, NULL);
}

enum status outbox_reach(struct tx *tx, int64_t account_id, enum platform platform, struct str bot, struct str discord_bot,
                         struct outbox_reach *ret_reach)
{
	struct pg_rows *rows;
	struct outbox_reach reach = {0};
	struct pg_params params = tx_params(tx);
	pg_add_i64(&params, account_id);
	pg_add_str(&params, platform == PLATFORM_UNSET ? STR("") : platform_name(platform));
	pg_add_str(&params, str_present(bot) ? bot : STR(""));
	pg_add_str(&params, discord_bot);
	enum status status = tx_query(tx, SQL_OUTBOX_REACH, &params, &rows);
	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	status = platform_from_name(pg_str(rows, 0, 0), &reach.platform);
	if (status != OK) {
		return INTERNAL;
	}
	reach.bot = pg_str(rows, 0, 1);
	reach.recipient = pg_i64(rows, 0, 2);
	*ret_reach = reach;
	return OK;
}

static struct str platform_word(int platform)
{
	return platform == PLATFORM_UNSET ? STR("") : platform_name((enum platform)platform);
}

_Static_assert(sizeof(enum platform) == sizeof(int), "column_add_words reads enums as int");

enum status outbox_reach_many(struct tx *tx, const struct outbox_listener *wishes, size_t count, struct str discord_bot,
                              struct outbox_found **ret_found, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	column_add_i64s(&params, wishes, COLUMN(outbox_listener, account_id), count);
	column_add_words(&params, wishes, COLUMN(outbox_listener, platform), count, platform_word);
	column_add_strs(&params, wishes, COLUMN(outbox_listener, bot), count);
	pg_add_str(&params, discord_bot);
	column_add_strs(&params, wishes, COLUMN(outbox_listener, topic), count);
	enum status status = tx_query(tx, SQL_OUTBOX_REACH_MANY, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t found = (size_t)pg_row_count(rows);
	struct outbox_found *list = arena_array(tx->ctx->arena, found, sizeof(*list));

	if (list == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < found; i++) {
		list[i] = (struct outbox_found){.index = (size_t)pg_i64(rows, (int)i, 0) - 1,
		                                .reach = {.bot = pg_str(rows, (int)i, 2), .recipient = pg_i64(rows, (int)i, 3)}};
		if (platform_from_name(pg_str(rows, (int)i, 1), &list[i].reach.platform) != OK) {
			return INTERNAL;
		}
	}
	*ret_found = list;
	*ret_count = found;
	return OK;
}

enum status outbox_add_many(struct tx *tx, const struct outbox_new *rows, size_t count, int64_t give_up_at)
{
	struct pg_params params = tx_params(tx);

	column_add_words(&params, rows, COLUMN(outbox_new, platform), count, platform_word);
	column_add_strs(&params, rows, COLUMN(outbox_new, bot), count);
	column_add_i64s(&params, rows, COLUMN(outbox_new, account_id), count);
	column_add_i64s(&params, rows, COLUMN(outbox_new, recipient), count);
	column_add_bytes(&params, rows, COLUMN(outbox_new, body), count);
	column_add_strs(&params, rows, COLUMN(outbox_new, topic), count);
	pg_add_time(&params, tx->ctx->now);
	pg_add_time(&params, give_up_at);
	return tx_query(tx, SQL_OUTBOX_ADD_MANY, &params, NULL);
}

/* ---- leases ------------------------------------------------------------------------------------------------------------------ */

enum status lease_take(struct tx *tx, enum platform platform, const struct str *bots, size_t count, struct str owner, int64_t wall_now,
                       int64_t until, bool *ret_held)
{
	assert(count <= QUEUE_BOTS_MAX);
	struct pg_rows *rows;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(platform));
	pg_add_str_array(&params, bots, count);
	pg_add_str(&params, owner);
	pg_add_time(&params, wall_now);
	pg_add_time(&params, until);
	enum status status = tx_query(tx, SQL_LEASE_TAKE, &params, &rows);
	if (status != OK) {
		return status;
	}
	for (size_t i = 0; i < count; i++) {
		ret_held[i] = false;
		for (int row = 0; row < pg_row_count(rows); row++) {
			ret_held[i] = ret_held[i] || str_eq(bots[i], pg_str(rows, row, 0));
		}
	}
	return OK;
}

enum status lease_release(struct tx *tx, enum platform platform, struct str owner)
{
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(platform));
	pg_add_str(&params, owner);
	return tx_query(tx, SQL_LEASE_RELEASE, &params, NULL);
}

/* ---- the sender's rows ------------------------------------------------------------------------------------------------------- */

enum status outbox_recover(struct tx *tx, enum platform platform, struct str bot, enum outbox_status status, const int64_t *ours,
                           size_t count, int64_t *ret_count)
{
	struct pg_rows *rows;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(platform));
	pg_add_str(&params, bot);
	pg_add_i64_array(&params, ours, count);
	pg_add_str(&params, outbox_status_name(status));
	enum status ran = tx_query(tx, SQL_OUTBOX_RECOVER, &params, &rows);
	if (ran == OK && ret_count != NULL) {
		*ret_count = pg_affected(rows);
	}
	return ran;
}

static struct outbox_row read_row(struct arena *arena, const struct pg_rows *rows, int at)
{
	return (struct outbox_row){
		.id = pg_i64(rows, at, 1),
		.bot = pg_str(rows, at, 2),
		.recipient = pg_i64(rows, at, 3),
		.urgent = pg_bool(rows, at, 4),
		.body = pg_bytes(arena, rows, at, 5),
		.sealed = pg_bytes(arena, rows, at, 6),
		.attempts = pg_i64(rows, at, 7),
		.doubts = pg_i64(rows, at, 8),
		.plain = pg_bool(rows, at, 9),
		.expires_at = pg_time(rows, at, 10),
		.give_up_at = pg_time(rows, at, 11),
		.language = pg_str(rows, at, 12),
		.language_hint = pg_str(rows, at, 13),
		.channel_id = pg_i64(rows, at, 14),
	};
}

/* Whether there is anything to claim; if so, the claim is planned afresh. */
static enum status look_ahead(struct tx *tx, const struct outbox_wish *wish, bool *ret_waits)
{
	struct pg_rows *rows = NULL;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(wish->platform));
	pg_add_str_array(&params, wish->bots, wish->bot_count);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_OUTBOX_CLAIM_FRESH, &params, &rows);
	if (status == OK) {
		*ret_waits = pg_bool(rows, 0, 0);
	}
	return status;
}

enum status outbox_claim(struct tx *tx, const struct outbox_wish *wish, struct outbox_row **ret_rows, size_t *ret_count,
                         int64_t *ret_parked)
{
	bool waits = false;
	enum status status = look_ahead(tx, wish, &waits);
	if (status == OK && !waits) {
		*ret_rows = NULL;
		*ret_count = 0;
		*ret_parked = 0;
	}
	if (status != OK || !waits) {
		return status;
	}
	struct pg_rows *rows;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(wish->platform));
	pg_add_str_array(&params, wish->bots, wish->bot_count);
	pg_add_i64_array(&params, wish->rooms, wish->bot_count);
	pg_add_str_array(&params, wish->held_bots, wish->held_count);
	pg_add_i64_array(&params, wish->held_recipients, wish->held_count);
	pg_add_bool(&params, wish->may_open);
	pg_add_str(&params, wish->owner);
	pg_add_time(&params, wish->wall_now);
	pg_add_time(&params, tx->ctx->now);
	pg_add_i64(&params, LOOK_ROWS);
	pg_add_i64_array(&params, wish->ordinary_rooms, wish->bot_count);
	status = tx_query(tx, SQL_OUTBOX_CLAIM, &params, &rows);
	if (status != OK) {
		return status;
	}
	int count = pg_is_null(rows, 0, 1) ? 0 : pg_row_count(rows);
	struct outbox_row *claimed = arena_array(tx->ctx->arena, (size_t)count, sizeof *claimed);
	if (claimed == NULL) {
		return TOO_LARGE;
	}
	for (int i = 0; i < count; i++) {
		claimed[i] = read_row(tx->ctx->arena, rows, i);
	}
	*ret_rows = claimed;
	*ret_count = (size_t)count;
	*ret_parked = pg_i64(rows, 0, 0);
	return OK;
}

/* The columns of outbox_settle, one array each. */
struct columns {
	int64_t *ids, *attempts, *doubts, *due, *plain, *recipients, *messages, *wipe;
	struct str *statuses, *errors;
};

static bool columns_alloc(struct arena *arena, size_t count, struct columns *columns)
{
	int64_t **numbers[] = {&columns->ids, &columns->attempts, &columns->doubts, &columns->due,
	                       &columns->plain, &columns->recipients, &columns->messages, &columns->wipe};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		*numbers[i] = arena_array(arena, count, sizeof(int64_t));
	}
	columns->statuses = arena_array(arena, count, sizeof(struct str));
	columns->errors = arena_array(arena, count, sizeof(struct str));
	return !arena_failed(arena);
}

enum status outbox_settle(struct tx *tx, const struct outbox_outcome *outcomes, size_t count, struct str owner, int64_t wall_now)
{
	struct columns c;
	if (!columns_alloc(tx->ctx->arena, count, &c)) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		c.ids[i] = outcomes[i].id;
		c.statuses[i] = outbox_status_name(outcomes[i].status);
		c.attempts[i] = outcomes[i].attempt ? 1 : 0;
		c.doubts[i] = outcomes[i].doubt ? 1 : 0;
		c.due[i] = outcomes[i].due_at;
		c.plain[i] = outcomes[i].plain ? 1 : 0;
		c.recipients[i] = outcomes[i].recipient;
		c.messages[i] = outcomes[i].message_id;
		c.errors[i] = outcomes[i].error;
		c.wipe[i] = outcomes[i].wipe ? 1 : 0;
	}
	struct pg_params params = tx_params(tx);
	pg_add_i64_array(&params, c.ids, count);
	pg_add_str_array(&params, c.statuses, count);
	pg_add_i64_array(&params, c.attempts, count);
	pg_add_i64_array(&params, c.doubts, count);
	pg_add_time_array(&params, c.due, count);
	pg_add_i64_array(&params, c.plain, count);
	pg_add_i64_array(&params, c.recipients, count);
	pg_add_i64_array(&params, c.messages, count);
	pg_add_str_array(&params, c.errors, count);
	pg_add_i64_array(&params, c.wipe, count);
	pg_add_time(&params, tx->ctx->now);
	pg_add_str(&params, owner);
	pg_add_time(&params, wall_now);
	return tx_query(tx, SQL_OUTBOX_SETTLE, &params, NULL);
}

enum status outbox_ahead(struct tx *tx, enum platform platform, const struct str *bots, const int64_t *recipients, size_t count)
{
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(platform));
	pg_add_str_array(&params, bots, count);
	pg_add_i64_array(&params, recipients, count);
	return tx_query(tx, SQL_OUTBOX_AHEAD, &params, NULL);
}

enum status outbox_ahead_all(struct tx *tx)
{
	struct pg_params none = tx_params(tx);
	return tx_query(tx, SQL_OUTBOX_AHEAD_ALL, &none, NULL);
}

enum status outbox_move(struct tx *tx, enum platform platform, struct str bot, int64_t from, int64_t to)
{
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(platform));
	pg_add_str(&params, bot);
	pg_add_i64(&params, from);
	pg_add_i64(&params, to);
	return tx_query(tx, SQL_OUTBOX_MOVE, &params, NULL);
}

enum status reach_set(struct tx *tx, enum platform platform, int64_t recipient, struct str bot, const bool *can_message, int64_t channel_id)
{
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, platform_name(platform));
	pg_add_i64(&params, recipient);
	pg_add_str(&params, bot);
	if (can_message != NULL) {
		pg_add_bool(&params, *can_message);
	} else {
		pg_add_null(&params);
	}
	add_id_or_null(&params, channel_id);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_REACH_SET, &params, NULL);
}

static enum status run_at_now(struct tx *tx, enum sql statement, struct pg_rows **ret_rows)
{
	struct pg_params params = tx_params(tx);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, statement, &params, ret_rows);
}

enum status outbox_expire(struct tx *tx, int64_t *ret_count)
{
	struct pg_rows *rows;
	enum status status = run_at_now(tx, SQL_OUTBOX_EXPIRE, &rows);
	if (status == OK) {
		*ret_count = pg_affected(rows);
	}
	return status;
}

enum status outbox_give_up(struct tx *tx)
{
	return run_at_now(tx, SQL_OUTBOX_GIVE_UP, NULL);
}

enum status outbox_waiting(struct tx *tx, int64_t *ret_count)
{
	struct pg_rows *rows;
	struct pg_params none = tx_params(tx);
	enum status status = tx_query(tx, SQL_OUTBOX_WAITING, &none, &rows);
	if (status == OK) {
		*ret_count = pg_i64(rows, 0, 0);
	}
	return status;
}

/* ---- cleaning ---------------------------------------------------------------------------------------------------------------- */

enum status queue_job_lock(struct tx *tx, struct str name, bool *ret_ours)
{
	struct pg_rows *rows;
	struct pg_params params = tx_params(tx);
	pg_add_str(&params, name);
	enum status status = tx_query(tx, SQL_JOB_LOCK, &params, &rows);
	if (status == OK) {
		*ret_ours = pg_bool(rows, 0, 0);
	}
	return status;
}

enum status queue_clean(struct tx *tx, enum sql statement, int64_t *ret_count)
{
	struct pg_rows *rows;
	enum status status = run_at_now(tx, statement, &rows);
	if (status == OK) {
		*ret_count = pg_affected(rows);
	}
	return status;
}
