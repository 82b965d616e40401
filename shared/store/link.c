#include "store/store.h"

enum status code_put(struct tx *tx, const struct code_row *row)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, row->account_id);
	pg_add_bytes(&params, row->code_hash);
	pg_add_bytes(&params, row->token_hash);
	pg_add_i64(&params, row->identity_id);
	pg_add_str(&params, row->bot);
	pg_add_time(&params, row->expires_at);
	return tx_query(tx, SQL_CODE_PUT, &params, NULL);
}

/* Whether a statement finds a row for (hash, now). */
static enum status hash_lives(struct tx *tx, enum sql id, struct str hash)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_bytes(&params, hash);
	pg_add_time(&params, tx->ctx->now);
	status = tx_query(tx, id, &params, &rows);
	if (status != OK) {
		return status;
	}
	return pg_row_count(rows) > 0 ? OK : NOT_FOUND;
}

enum status code_is_named(struct tx *tx, struct str code_hash)
{
	return hash_lives(tx, SQL_CODE_NAMED, code_hash);
}

enum status code_is_used(struct tx *tx, struct str hash)
{
	return hash_lives(tx, SQL_CODE_IS_USED, hash);
}

enum status code_find(struct tx *tx, struct str hash, struct code_row *ret_row)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_bytes(&params, hash);
	status = tx_query(tx, SQL_CODE_FIND, &params, &rows);
	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_row = (struct code_row){
		.account_id = pg_i64(rows, 0, 0),
		.code_hash = pg_bytes(tx->ctx->arena, rows, 0, 1),
		.token_hash = pg_bytes(tx->ctx->arena, rows, 0, 2),
		.identity_id = pg_i64(rows, 0, 3),
		.bot = pg_str(rows, 0, 4),
		.expires_at = pg_time(rows, 0, 5),
	};
	return OK;
}

enum status code_drop(struct tx *tx, int64_t account_id)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, account_id);
	return tx_query(tx, SQL_CODE_DROP, &params, NULL);
}

enum status code_use(struct tx *tx, const struct code_row *row)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_bytes(&params, row->code_hash);
	pg_add_bytes(&params, row->token_hash);
	pg_add_i64(&params, row->account_id);
	pg_add_time(&params, row->expires_at);
	status = tx_query(tx, SQL_CODE_USE, &params, &rows);
	if (status != OK) {
		return status;
	}
	return pg_affected(rows) == 2 ? OK : CONFLICT;
}

enum status code_unuse(struct tx *tx, const struct code_row *row)
{
	struct pg_params params = tx_params(tx);

	pg_add_bytes(&params, row->code_hash);
	pg_add_bytes(&params, row->token_hash);
	return tx_query(tx, SQL_CODE_UNUSE, &params, NULL);
}

enum status redeem_before(struct tx *tx, struct str key, const struct person *person, struct redeem_before *ret_before)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_str(&params, key);
	pg_add_str(&params, platform_name(person->platform));
	pg_add_i64(&params, person->platform_id);
	pg_add_str(&params, person->email);
	status = tx_query(tx, SQL_REDEEM_BEFORE, &params, &rows);
	if (status != OK) {
		return status;
	}
	*ret_before = (struct redeem_before){.answered = pg_bool(rows, 0, 0), .first_seen = pg_time(rows, 0, 1)};
	return OK;
}

enum status confirmation_put(struct tx *tx, const struct confirmation *confirmation)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, confirmation->token);
	pg_add_i64(&params, confirmation->issuer_identity_id);
	pg_add_i64(&params, confirmation->redeemer_identity_id);
	pg_add_str(&params, confirmation->issuer_bot);
	pg_add_time(&params, tx->ctx->now);
	pg_add_time(&params, confirmation->expires_at);
	return tx_query(tx, SQL_CONFIRMATION_PUT, &params, NULL);
}

enum status confirmation_take(struct tx *tx, struct str token, struct confirmation *ret_confirmation)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_str(&params, token);
	status = tx_query(tx, SQL_CONFIRMATION_TAKE, &params, &rows);
	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_confirmation = (struct confirmation){
		.token = token,
		.issuer_identity_id = pg_i64(rows, 0, 0),
		.redeemer_identity_id = pg_i64(rows, 0, 1),
		.issuer_bot = pg_str(rows, 0, 2),
		.created_at = pg_time(rows, 0, 3),
		.expires_at = pg_time(rows, 0, 4),
		.answer = pg_str(rows, 0, 5),
	};
	return OK;
}

enum status confirmation_answer(struct tx *tx, struct str token, bool accepted)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, token);
	pg_add_str(&params, accepted ? STR("accepted") : STR("declined"));
	return tx_query(tx, SQL_CONFIRMATION_ANSWER, &params, NULL);
}

enum status merges_recent(struct tx *tx, int64_t account_id, int64_t since, int64_t *ret_count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64(&params, account_id);
	pg_add_time(&params, since);
	status = tx_query(tx, SQL_MERGES_RECENT, &params, &rows);
	if (status != OK) {
		return status;
	}
	*ret_count = pg_i64(rows, 0, 0);
	return OK;
}

/* A statement over (a, b) and, when wanted, the time. */
static enum status run_pair(struct tx *tx, enum sql id, int64_t a, int64_t b, bool with_time)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, a);
	pg_add_i64(&params, b);
	if (with_time) {
		pg_add_time(&params, tx->ctx->now);
	}
	return tx_query(tx, id, &params, NULL);
}

static enum status move_identities(struct tx *tx, const struct link_merge *merge)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, merge->loser_id);
	pg_add_i64(&params, merge->survivor_id);
	pg_add_time(&params, tx->ctx->now);
	pg_add_i64_array(&params, merge->identity_ids, merge->identity_count);
	return tx_query(tx, SQL_IDENTITIES_MOVE, &params, NULL);
}

enum status merge_move(struct tx *tx, const struct link_merge *merge)
{
	struct pg_params params = tx_params(tx);
	enum status status = move_identities(tx, merge);

	if (status == OK) {
		status = run_pair(tx, SQL_FAMILY_JOIN, merge->survivor_id, merge->loser_id, false);
	}
	if (status == OK) {
		status = run_pair(tx, SQL_ACCOUNT_HIDE_IF, merge->survivor_id, merge->loser_id, false);
	}
	if (status == OK) {
		status = run_pair(tx, SQL_ACCOUNT_MARK_MERGED, merge->survivor_id, merge->loser_id, true);
	}
	if (status != OK) {
		return status;
	}
	pg_add_i64(&params, merge->survivor_id);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_IDENTITIES_LINKED, &params, NULL);
}

static void add_optional_id(struct pg_params *params, int64_t id)
{
	if (id != 0) {
		pg_add_i64(params, id);
	} else {
		pg_add_null(params);
	}
}

/* In the order of balance_sums[]: the statement names the columns so. */
static void add_sums(struct pg_params *params, const struct balance *balance)
{
	for (size_t i = 0; i < BALANCE_SUMS; i++) {
		pg_add_i64(params, balance_sum_of(balance, &balance_sums[i]));
	}
}

static void add_runs(struct pg_params *params, const struct link_runs *runs)
{
	pg_add_i64(params, runs->streak);
	if (runs->last_daily == 0) {
		pg_add_null(params);
	} else {
		pg_add_time(params, runs->last_daily);
	}
	pg_add_i64(params, runs->wins);
}

enum status merge_insert(struct tx *tx, const struct link_merge *merge, int64_t *ret_id)
{
	struct pg_params params = tx_params(tx);
	const struct balance *brought = &merge->brought;
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64(&params, merge->survivor_id);
	pg_add_i64(&params, merge->loser_id);
	add_optional_id(&params, merge->issuer_identity_id);
	add_optional_id(&params, merge->redeemer_identity_id);
	pg_add_i64(&params, merge->survivor_oldest_id);
	pg_add_i64(&params, merge->loser_oldest_id);
	pg_add_i64_array(&params, merge->identity_ids, merge->identity_count);
	pg_add_i64(&params, merge->histories);
	pg_add_i64(&params, brought->xp);
	pg_add_i64(&params, brought->coins);
	pg_add_i64(&params, brought->season_no);
	pg_add_i64(&params, brought->week_no);
	pg_add_i64(&params, brought->day_no);
	add_sums(&params, brought);
	pg_add_time(&params, tx->ctx->now);
	add_runs(&params, &merge->brought_runs);
	add_runs(&params, &merge->kept_runs);
	status = tx_query(tx, SQL_MERGE_INSERT, &params, &rows);
	if (status != OK) {
		return status;
	}
	*ret_id = pg_i64(rows, 0, 0);
	return OK;
}

/* Columns of merge_get. */
enum merge_column {
	G_ID, G_SURVIVOR, G_LOSER, G_ISSUER, G_REDEEMER, G_SURVIVOR_OLDEST, G_LOSER_OLDEST, G_IDENTITY_FIRST, G_IDENTITY_SECOND, G_IDENTITY_THIRD,
	G_HISTORIES, G_SEASON_NO, G_WEEK_NO, G_DAY_NO, G_AT, G_UNDONE_AT, G_HOLDER, G_BROUGHT_RUNS, G_KEPT_RUNS = G_BROUGHT_RUNS + 3,
	G_XP = G_KEPT_RUNS + 3, G_COINS, G_SUMS /* BALANCE_SUMS of them */
};

/* Three columns: streak, last /daily, wins. */
static struct link_runs read_runs(const struct pg_rows *rows, int column)
{
	return (struct link_runs){
		.streak = pg_i64(rows, 0, column), .last_daily = pg_time(rows, 0, column + 1), .wins = pg_i64(rows, 0, column + 2)};
}

static void read_merge(const struct pg_rows *rows, struct link_merge *merge)
{
	*merge = (struct link_merge){
		.id = pg_i64(rows, 0, G_ID),
		.survivor_id = pg_i64(rows, 0, G_SURVIVOR),
		.loser_id = pg_i64(rows, 0, G_LOSER),
		.issuer_identity_id = pg_i64(rows, 0, G_ISSUER),
		.redeemer_identity_id = pg_i64(rows, 0, G_REDEEMER),
		.survivor_oldest_id = pg_i64(rows, 0, G_SURVIVOR_OLDEST),
		.loser_oldest_id = pg_i64(rows, 0, G_LOSER_OLDEST),
		.histories = (int)pg_i64(rows, 0, G_HISTORIES),
		.brought = {.xp = pg_i64(rows, 0, G_XP), .coins = pg_i64(rows, 0, G_COINS), .season_no = pg_i64(rows, 0, G_SEASON_NO),
		            .week_no = pg_i64(rows, 0, G_WEEK_NO), .day_no = pg_i64(rows, 0, G_DAY_NO)},
		.runs_known = !pg_is_null(rows, 0, G_KEPT_RUNS),
		.at = pg_time(rows, 0, G_AT),
		.undone_at = pg_time(rows, 0, G_UNDONE_AT),
	};
	if (merge->runs_known) {
		merge->brought_runs = read_runs(rows, G_BROUGHT_RUNS);
		merge->kept_runs = read_runs(rows, G_KEPT_RUNS);
	}
	for (size_t i = 0; i < BALANCE_SUMS; i++) {
		*balance_sum(&merge->brought, &balance_sums[i]) = pg_i64(rows, 0, G_SUMS + (int)i);
	}
	for (int column = G_IDENTITY_FIRST; column <= G_IDENTITY_THIRD && !pg_is_null(rows, 0, column); column++) {
		merge->identity_ids[merge->identity_count++] = pg_i64(rows, 0, column);
	}
}

enum status merge_read(struct tx *tx, int64_t merge_id, struct link_merge *ret_merge, int64_t *ret_holder)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64(&params, merge_id);
	status = tx_query(tx, SQL_MERGE_GET, &params, &rows);
	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	read_merge(rows, ret_merge);
	*ret_holder = pg_i64(rows, 0, G_HOLDER);
	return OK;
}

static enum status run_one(struct tx *tx, enum sql id, int64_t value)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, value);
	return tx_query(tx, id, &params, NULL);
}

enum status merge_part(struct tx *tx, const struct link_merge *merge, int64_t holder, bool wait)
{
	struct pg_params params = tx_params(tx);
	enum status status = run_one(tx, SQL_ACCOUNT_MARK_ALIVE, merge->loser_id);

	if (status == OK) {
		status = run_one(tx, SQL_FAMILY_LEAVE, merge->loser_id);
	}
	if (status == OK) {
		status = run_one(tx, SQL_FAMILY_RETURN, merge->loser_id);
	}
	if (status == OK) {
		status = run_pair(tx, SQL_IDENTITIES_UNLINKED, holder, merge->id, false);
	}
	if (status != OK) {
		return status;
	}
	pg_add_i64(&params, holder);
	pg_add_i64(&params, merge->loser_id);
	pg_add_i64_array(&params, merge->identity_ids, merge->identity_count);
	pg_add_time(&params, tx->ctx->now);
	pg_add_bool(&params, wait);
	return tx_query(tx, SQL_IDENTITIES_RETURN, &params, NULL);
}

enum status merge_mark_undone(struct tx *tx, const struct link_merge *merge, struct str by)
{
	struct pg_params params = tx_params(tx);
	enum status status = run_one(tx, SQL_MERGE_REDUCE, merge->id);

	if (status != OK) {
		return status;
	}
	pg_add_i64(&params, merge->id);
	pg_add_time(&params, tx->ctx->now);
	pg_add_str(&params, by);
	return tx_query(tx, SQL_MERGE_MARK_UNDONE, &params, NULL);
}

enum status identity_detach(struct tx *tx, int64_t identity_id, int64_t to_account, int64_t from_account)
{
	struct pg_params params = tx_params(tx);
	enum status status = OK;

	pg_add_i64(&params, identity_id);
	pg_add_i64(&params, to_account);
	pg_add_i64(&params, from_account);
	pg_add_time(&params, tx->ctx->now);
	status = tx_query(tx, SQL_IDENTITY_DETACH, &params, NULL);
	return status != OK ? status : run_pair(tx, SQL_MERGE_FORGET_IDENTITY, identity_id, from_account, false);
}
