#include "store/event.h"

#include <stddef.h>

#include "store/balance.h"
#include "store/columns.h"

static struct str platform_word(int value)
{
	return platform_name((enum platform)value);
}

static struct str type_word(int value)
{
	return event_shape((enum event_type)value)->name;
}

static struct str kind_word(int value)
{
	return ledger_kind_name((enum ledger_kind)value);
}

_Static_assert(sizeof(enum platform) == sizeof(int) && sizeof(enum event_type) == sizeof(int) && sizeof(enum ledger_kind) == sizeof(int),
               "column_add_words reads enums as int");

enum status event_plan(struct tx *tx, bool afresh)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, afresh ? STR("force_custom_plan") : STR("auto"));
	return tx_query(tx, SQL_EVENT_PLAN, &params, NULL);
}

/* ---- accepting ---- */

enum status event_keys_find(struct tx *tx, const struct str *keys, size_t count, struct event_known **ret_known, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str_array(&params, keys, count);
	enum status status = tx_query(tx, SQL_EVENT_KEYS_FIND, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t found = (size_t)pg_row_count(rows);
	struct event_known *known = arena_array(tx->ctx->arena, found, sizeof(*known));

	if (known == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < found; i++) {
		known[i] = (struct event_known){.key = pg_str(rows, (int)i, 0), .content = pg_bytes(tx->ctx->arena, rows, (int)i, 1)};
	}
	*ret_known = known;
	*ret_count = found;
	return OK;
}

enum status event_keys_claim(struct tx *tx, bool recent, const struct event_claim *claims, size_t count, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	column_add_strs(&params, claims, COLUMN(event_claim, key), count);
	column_add_bytes(&params, claims, COLUMN(event_claim, content), count);
	column_add_times(&params, claims, COLUMN(event_claim, at), count);
	enum status status = tx_query(tx, recent ? SQL_EVENT_KEYS_CLAIM_RECENT : SQL_EVENT_KEYS_CLAIM, &params, &rows);

	if (status == OK) {
		*ret_count = (size_t)pg_affected(rows);
	}
	return status;
}

static void add_people(struct pg_params *params, const struct event_person *people, size_t count)
{
	column_add_words(params, people, COLUMN(event_person, platform), count, platform_word);
	column_add_i64s(params, people, COLUMN(event_person, platform_id), count);
}

/* Most lists name nobody new: then this one read is all. */
static enum status identities_missing(struct tx *tx, const struct event_person *people, size_t count, struct event_person **ret_missing,
                                      size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	add_people(&params, people, count);
	enum status status = tx_query(tx, SQL_IDENTITIES_MISSING, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t found = (size_t)pg_row_count(rows);
	struct event_person *missing = arena_array(tx->ctx->arena, found, sizeof(*missing));

	if (missing == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < found && status == OK; i++) {
		missing[i].platform_id = pg_i64(rows, (int)i, 1);
		status = platform_from_name(pg_str(rows, (int)i, 0), &missing[i].platform);
	}
	*ret_missing = missing;
	*ret_count = found;
	return status == OK ? OK : INTERNAL;
}

enum status identities_ensure(struct tx *tx, const struct event_person *people, size_t count)
{
	struct event_person *missing = NULL;
	size_t missing_count = 0;
	enum status status = identities_missing(tx, people, count, &missing, &missing_count);

	if (status != OK || missing_count == 0) {
		return status;
	}
	struct pg_params params = tx_params(tx);

	add_people(&params, missing, missing_count);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_IDENTITIES_CREATE, &params, NULL);
}

enum status event_queue_add(struct tx *tx, struct str source, const struct event_queued *events, size_t count)
{
	struct pg_params params = tx_params(tx);
	int64_t *lanes = arena_array(tx->ctx->arena, count, sizeof(*lanes));

	if (lanes == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		lanes[i] = event_lane(events[i].person.platform, events[i].person.platform_id);
	}
	pg_add_i64_array(&params, lanes, count);
	column_add_words(&params, events, COLUMN(event_queued, person.platform), count, platform_word);
	column_add_i64s(&params, events, COLUMN(event_queued, person.platform_id), count);
	column_add_words(&params, events, COLUMN(event_queued, type), count, type_word);
	column_add_strs(&params, events, COLUMN(event_queued, data), count);
	column_add_strs(&params, events, COLUMN(event_queued, key), count);
	column_add_times(&params, events, COLUMN(event_queued, at), count);
	pg_add_str(&params, source);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_EVENT_QUEUE_ADD, &params, NULL);
}

/* ---- applying ---- */

enum status event_lane_take(struct tx *tx, int64_t lane_wish, int64_t *ret_lane)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	if (lane_wish >= 0) {
		pg_add_i64(&params, lane_wish);
	} else {
		pg_add_null(&params);
	}
	enum status status = tx_query(tx, SQL_EVENT_LANE_TAKE, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_lane = pg_i64(rows, 0, 0);
	return OK;
}

enum status event_queue_oldest(struct tx *tx, int64_t lane, size_t limit, struct event_row **ret_rows, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, lane);
	pg_add_i64(&params, (int64_t)limit);
	enum status status = tx_query(tx, SQL_EVENT_QUEUE_OLDEST, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t count = (size_t)pg_row_count(rows);
	struct event_row *list = arena_array(tx->ctx->arena, count, sizeof(*list));

	if (list == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		list[i] = (struct event_row){
			.id = pg_i64(rows, row, 0),
			.person.platform_id = pg_i64(rows, row, 2),
			.source = pg_str(rows, row, 3),
			.type = pg_str(rows, row, 4),
			.data = pg_str(rows, row, 5),
			.key = pg_str(rows, row, 6),
			.at = pg_time(rows, row, 7),
			.account_id = pg_i64(rows, row, 8),
		};
		if (platform_from_name(pg_str(rows, row, 1), &list[i].person.platform) != OK) {
			return INTERNAL;
		}
	}
	*ret_rows = list;
	*ret_count = count;
	return OK;
}

enum status event_accounts_lock(struct tx *tx, const int64_t *ids, size_t count, int64_t *ret_ids, size_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64_array(&params, ids, count);
	enum status status = tx_query(tx, SQL_EVENT_ACCOUNTS_LOCK, &params, &rows);

	if (status != OK) {
		return status;
	}
	size_t locked = (size_t)pg_row_count(rows);

	if (locked > count) {
		return INTERNAL;
	}
	for (size_t i = 0; i < locked; i++) {
		ret_ids[i] = pg_i64(rows, (int)i, 0);
	}
	*ret_count = locked;
	return OK;
}

enum status event_accounts_now(struct tx *tx, const int64_t *ids, size_t count, int64_t *ret_accounts)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64_array(&params, ids, count);
	enum status status = tx_query(tx, SQL_EVENT_ACCOUNTS_NOW, &params, &rows);

	if (status != OK) {
		return status;
	}
	int row = 0;

	for (size_t i = 0; i < count; i++) {
		bool here = row < pg_row_count(rows) && pg_i64(rows, row, 0) == ids[i];

		ret_accounts[i] = here ? pg_i64(rows, row, 1) : 0;
		row += here ? 1 : 0;
	}
	return row == pg_row_count(rows) ? OK : INTERNAL;
}

enum status event_balances(struct tx *tx, const int64_t *ids, size_t count, struct event_account *ret_accounts)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64_array(&params, ids, count);
	enum status status = tx_query(tx, SQL_EVENT_BALANCES, &params, &rows);

	if (status != OK) {
		return status;
	}
	if ((size_t)pg_row_count(rows) != count) {
		return INTERNAL;
	}
	for (size_t i = 0; i < count; i++) {
		int row = (int)i;

		ret_accounts[i] = (struct event_account){
			.id = pg_i64(rows, row, 0), .last_active = pg_time(rows, row, 1), .state.balance = balance_read(rows, row, 2)};
	}
	return OK;
}

enum status event_balances_set(struct tx *tx, const struct event_account *accounts, size_t count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	column_add_i64s(&params, accounts, COLUMN(event_account, id), count);
	balance_add_arrays(&params, &accounts->state.balance, sizeof(*accounts), count);
	column_add_times(&params, accounts, COLUMN(event_account, last_active), count);
	enum status status = tx_query(tx, SQL_EVENT_BALANCES_SET, &params, &rows);

	if (status != OK) {
		return status;
	}
	return (size_t)pg_affected(rows) == count ? OK : INTERNAL;
}

enum status ledger_insert_many(struct tx *tx, const struct event_posting *postings, size_t count)
{
	struct pg_params params = tx_params(tx);

	column_add_i64s(&params, postings, COLUMN(event_posting, account_id), count);
	column_add_strs(&params, postings, COLUMN(event_posting, key), count);
	column_add_words(&params, postings, COLUMN(event_posting, kind), count, kind_word);
	column_add_strs(&params, postings, COLUMN(event_posting, source), count);
	column_add_i64s(&params, postings, COLUMN(event_posting, entry.xp), count);
	column_add_i64s(&params, postings, COLUMN(event_posting, entry.coins), count);
	column_add_i64s(&params, postings, COLUMN(event_posting, entry.xp_after), count);
	column_add_i64s(&params, postings, COLUMN(event_posting, entry.coins_after), count);
	column_add_strs(&params, postings, COLUMN(event_posting, reason), count);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_LEDGER_INSERT_MANY, &params, NULL);
}

enum status event_archive(struct tx *tx, const struct event_done *done, size_t count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	column_add_i64s(&params, done, COLUMN(event_done, id), count);
	column_add_i64s(&params, done, COLUMN(event_done, account_id), count);
	column_add_strs(&params, done, COLUMN(event_done, rejected), count);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_EVENT_ARCHIVE, &params, &rows);

	if (status != OK) {
		return status;
	}
	return (size_t)pg_affected(rows) == count ? OK : INTERNAL;
}

enum status event_attempt(struct tx *tx, int64_t id, struct str error, int64_t *ret_attempts)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, id);
	pg_add_str(&params, error);
	enum status status = tx_query(tx, SQL_EVENT_ATTEMPT, &params, &rows);

	if (status != OK) {
		return status;
	}
	*ret_attempts = pg_row_count(rows) == 1 ? pg_i64(rows, 0, 0) : 0;
	return OK;
}

enum status event_oldest(struct tx *tx, int64_t *ret_accepted_at)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_EVENT_OLDEST, &params, &rows);

	if (status == OK) {
		*ret_accepted_at = pg_row_count(rows) == 1 ? pg_time(rows, 0, 0) : 0;
	}
	return status;
}

enum status event_accepted(struct tx *tx, int64_t *ret_count)
{
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_EVENT_ACCEPTED, NULL, &rows);

	if (status == OK) {
		*ret_count = pg_i64(rows, 0, 0);
	}
	return status;
}

enum status event_aside_count(struct tx *tx, int64_t *ret_count)
{
	struct pg_params none = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_EVENT_ASIDE_COUNT, &none, &rows);

	if (status == OK) {
		*ret_count = pg_i64(rows, 0, 0);
	}
	return status;
}
