#include "store/balance.h"
#include "store/store.h"

/* Columns of member_by_identity and member_by_account. */
enum member_column {
	M_ID, M_CREATED_AT, M_LANGUAGE, M_DISPLAY_NAME, M_HIDDEN, M_MERGED_INTO,
	M_BALANCE,
	M_IDENTITY = M_BALANCE + BALANCE_COLUMNS, M_PLATFORM, M_PLATFORM_ID, M_EMAIL, M_USERNAME, M_NAME, M_HINT,
	M_FIRST_SEEN, M_LAST_SEEN, M_ATTACHED_AT, M_LINKED_AT, M_DETACHED_FROM, M_DETACHED_AT
};

static void read_account(const struct pg_rows *rows, struct account *account, struct balance *balance)
{
	*account = (struct account){
		.id = pg_i64(rows, 0, M_ID),
		.created_at = pg_time(rows, 0, M_CREATED_AT),
		.language = language_from_code(pg_str(rows, 0, M_LANGUAGE)),
		.display_name = pg_str(rows, 0, M_DISPLAY_NAME),
		.hidden = pg_bool(rows, 0, M_HIDDEN),
		.merged_into = pg_i64(rows, 0, M_MERGED_INTO),
	};
	*balance = balance_read(rows, 0, M_BALANCE);
}

static enum status read_identity(const struct pg_rows *rows, int row, struct identity *identity)
{
	*identity = (struct identity){
		.id = pg_i64(rows, row, M_IDENTITY),
		.account_id = pg_i64(rows, row, M_ID),
		.platform_id = pg_i64(rows, row, M_PLATFORM_ID),
		.email = pg_str(rows, row, M_EMAIL),
		.username = pg_str(rows, row, M_USERNAME),
		.name = pg_str(rows, row, M_NAME),
		.language_hint = pg_str(rows, row, M_HINT),
		.first_seen = pg_time(rows, row, M_FIRST_SEEN),
		.last_seen = pg_time(rows, row, M_LAST_SEEN),
		.attached_at = pg_time(rows, row, M_ATTACHED_AT),
		.linked_at = pg_time(rows, row, M_LINKED_AT),
		.detached_from = pg_i64(rows, row, M_DETACHED_FROM),
		.detached_at = pg_time(rows, row, M_DETACHED_AT),
	};
	return platform_from_name(pg_str(rows, row, M_PLATFORM), &identity->platform);
}

static enum status read_member(const struct pg_rows *rows, struct member *ret_member)
{
	struct member member = {0};

	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	read_account(rows, &member.account, &member.balance);
	for (int row = 0; row < pg_row_count(rows) && !pg_is_null(rows, row, M_IDENTITY); row++) {
		if (member.identity_count == ACCOUNT_IDENTITIES_MAX || read_identity(rows, row, &member.identities[row]) != OK) {
			return INTERNAL; /* the schema forbids both */
		}
		member.identity_count++;
	}
	*ret_member = member;
	return OK;
}

enum status member_read_by_identity(struct tx *tx, enum platform platform, int64_t platform_id, struct member *ret_member)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_str(&params, platform_name(platform));
	pg_add_i64(&params, platform_id);
	status = tx_query(tx, SQL_MEMBER_BY_IDENTITY, &params, &rows);
	return status != OK ? status : read_member(rows, ret_member);
}

enum status member_read(struct tx *tx, int64_t account_id, struct member *ret_member)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64(&params, account_id);
	status = tx_query(tx, SQL_MEMBER_BY_ACCOUNT, &params, &rows);
	return status != OK ? status : read_member(rows, ret_member);
}

void profile_take(const struct pg_rows *rows, int row, struct profile *ret_profile)
{
	*ret_profile = (struct profile){
		.viewer = viewer_read(rows, row),
		.display_name = pg_str(rows, row, VIEWER_COLUMNS),
		.xp = pg_i64(rows, row, VIEWER_COLUMNS + 1),
		.coins = pg_i64(rows, row, VIEWER_COLUMNS + 2),
		.platforms = pg_str(rows, row, VIEWER_COLUMNS + 3),
		.hidden = pg_bool(rows, row, VIEWER_COLUMNS + 4),
	};
}

enum status profile_read(struct tx *tx, enum platform platform, int64_t platform_id, struct profile *ret_profile)
{
	struct pg_params params = tx_params(tx);
	struct str name = platform_name(platform);
	struct pg_rows *rows = NULL;

	pg_add_str_array(&params, &name, 1);
	pg_add_i64_array(&params, &platform_id, 1);
	enum status status = tx_query(tx, SQL_PROFILES_BY_IDENTITY, &params, &rows);

	if (status == OK && pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	if (status == OK) {
		profile_take(rows, 0, ret_profile);
	}
	return status;
}

enum status identity_create(struct tx *tx, const struct person *person)
{
	struct pg_params params = tx_params(tx);
	enum status status = OK;

	pg_add_str(&params, platform_name(person->platform));
	if (person->platform == PLATFORM_WEBSITE) {
		pg_add_null(&params);
	} else {
		pg_add_i64(&params, person->platform_id);
	}
	pg_add_str(&params, person->email);
	pg_add_str(&params, person->username);
	pg_add_str(&params, person->name);
	pg_add_str(&params, person->language_hint);
	pg_add_time(&params, tx->ctx->now);
	status = tx_query(tx, SQL_IDENTITY_CREATE, &params, NULL);
	return status == CONFLICT ? RETRY : status;
}

enum status identity_touch(struct tx *tx, int64_t identity_id, const struct person *person)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, identity_id);
	pg_add_str(&params, person->username);
	pg_add_str(&params, person->name);
	pg_add_str(&params, person->language_hint);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_IDENTITY_TOUCH, &params, NULL);
}

enum status identity_reach_set(struct tx *tx, int64_t identity_id, struct str bot, bool can_message)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, identity_id);
	pg_add_str(&params, bot);
	pg_add_bool(&params, can_message);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_IDENTITY_REACH_SET, &params, NULL);
}

enum status identity_reach_get(struct tx *tx, int64_t identity_id, struct str bot, bool *ret_can_message)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64(&params, identity_id);
	pg_add_str(&params, bot);
	status = tx_query(tx, SQL_IDENTITY_REACH_GET, &params, &rows);
	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_can_message = pg_bool(rows, 0, 0);
	return OK;
}

/* The one number that a statement answers. */
static enum status query_i64(struct tx *tx, enum sql id, const struct pg_params *params, int64_t *ret_value)
{
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, id, params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_value = pg_i64(rows, 0, 0);
	return OK;
}

enum status identity_account_now(struct tx *tx, int64_t identity_id, int64_t *ret_account_id)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, identity_id);
	return query_i64(tx, SQL_IDENTITY_ACCOUNT, &params, ret_account_id);
}

enum status account_lock(struct tx *tx, const int64_t *ids, size_t count)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64_array(&params, ids, count);
	status = tx_query(tx, SQL_ACCOUNT_LOCK, &params, &rows);
	if (status != OK) {
		return status;
	}
	return (size_t)pg_row_count(rows) == count ? OK : NOT_FOUND;
}

enum status account_set_language(struct tx *tx, int64_t account_id, enum language language, bool *ret_both)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;
	enum status status = OK;

	pg_add_i64(&params, account_id);
	pg_add_str(&params, language_code(language));
	status = tx_query(tx, SQL_ACCOUNT_SET_LANGUAGE, &params, &rows);
	if (status == OK && pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	if (status == OK) {
		*ret_both = pg_bool(rows, 0, 0);
	}
	return status;
}

enum status account_create_after(struct tx *tx, int64_t account_id, int64_t *ret_account_id)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, account_id);
	pg_add_time(&params, tx->ctx->now);
	return query_i64(tx, SQL_ACCOUNT_CREATE, &params, ret_account_id);
}

enum status balance_set_sums(struct tx *tx, int64_t account_id, const struct balance *balance)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, account_id);
	balance_add(&params, balance, BALANCE_FIRST_SUM);
	return tx_query(tx, SQL_BALANCE_SET_SUMS, &params, NULL);
}

enum status audit_insert(struct tx *tx, const struct audit *audit)
{
	struct pg_params params = tx_params(tx);

	pg_add_time(&params, tx->ctx->now);
	pg_add_str(&params, audit->actor);
	pg_add_str(&params, audit->action);
	if (audit->account_id != 0) {
		pg_add_i64(&params, audit->account_id);
	} else {
		pg_add_null(&params);
	}
	pg_add_str(&params, audit->before);
	pg_add_str(&params, audit->after);
	pg_add_str(&params, audit->reason);
	return tx_query(tx, SQL_AUDIT_INSERT, &params, NULL);
}
