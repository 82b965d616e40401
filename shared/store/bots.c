#include "store/bots.h"

static struct pg_params person_params(struct tx *tx, const struct bot_person *person)
{
	struct pg_params params = tx_params(tx);

	pg_add_str(&params, platform_name(person->platform));
	pg_add_i64(&params, person->platform_id);
	return params;
}

/* Columns of bot_sessions_read. */
enum { S_ACCOUNT, S_OWNER, S_SESSION, S_STATS, S_VERSION, S_UPDATED_AT, S_ASIDE_AT };

enum status bot_sessions_read(struct tx *tx, const struct bot_person *person, struct bot_session *ret_sessions, size_t max,
                              size_t *ret_count)
{
	struct pg_params params = person_params(tx, person);
	struct pg_rows *rows = NULL;
	size_t count = 0;

	pg_add_str(&params, person->bot);
	pg_add_i64(&params, (int64_t)max);
	enum status status = tx_query(tx, SQL_BOT_SESSIONS_READ, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	for (int row = 0; row < pg_row_count(rows) && !pg_is_null(rows, row, S_OWNER); row++) {
		ret_sessions[count++] = (struct bot_session){
			.owner_id = pg_i64(rows, row, S_OWNER),
			.session_data = pg_str(rows, row, S_SESSION),
			.stats_data = pg_str(rows, row, S_STATS),
			.version = pg_i64(rows, row, S_VERSION),
			.updated_at = pg_time(rows, row, S_UPDATED_AT),
			.aside_at = pg_time(rows, row, S_ASIDE_AT),
		};
	}
	*ret_count = count;
	return OK;
}

enum status bot_person_account(struct tx *tx, const struct bot_person *person, int64_t *ret_account)
{
	struct pg_params params = person_params(tx, person);
	struct pg_rows *rows = NULL;
	enum status status = tx_query(tx, SQL_BOT_PERSON, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	*ret_account = pg_i64(rows, 0, 0);
	return OK;
}

enum status bot_session_present(struct tx *tx, int64_t account, struct str bot, int64_t *ret_owner, int64_t *ret_version)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, account);
	pg_add_str(&params, bot);
	enum status status = tx_query(tx, SQL_BOT_SESSION_VERSION, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) > 1) {
		return INTERNAL; /* a joining left two */
	}
	bool none = pg_row_count(rows) == 0;

	*ret_owner = none ? 0 : pg_i64(rows, 0, 0);
	*ret_version = none ? 0 : pg_i64(rows, 0, 1);
	return OK;
}

enum status bot_session_insert(struct tx *tx, struct str bot, const struct bot_session *session)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, session->owner_id);
	pg_add_str(&params, bot);
	pg_add_str(&params, session->session_data);
	pg_add_str(&params, session->stats_data);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_BOT_SESSION_INSERT, &params, NULL);
}

enum status bot_session_update(struct tx *tx, struct str bot, const struct bot_session *session)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_i64(&params, session->owner_id);
	pg_add_str(&params, bot);
	pg_add_i64(&params, session->version);
	pg_add_str(&params, session->session_data);
	pg_add_str(&params, session->stats_data);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_BOT_SESSION_UPDATE, &params, &rows);

	return status == OK && pg_affected(rows) != 1 ? RETRY : status;
}

enum status bot_sessions_join(struct tx *tx, int64_t survivor)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, survivor);
	pg_add_time(&params, tx->ctx->now);
	return tx_query(tx, SQL_BOT_SESSIONS_JOIN, &params, NULL);
}

enum status bot_sessions_part(struct tx *tx, int64_t a, int64_t b)
{
	struct pg_params params = tx_params(tx);

	pg_add_i64(&params, a);
	pg_add_i64(&params, b);
	return tx_query(tx, SQL_BOT_SESSIONS_PART, &params, NULL);
}

/* What both statements begin with. */
static struct pg_params training_params(struct tx *tx, const struct bot_training *training)
{
	struct pg_params params = person_params(tx, &training->person);

	pg_add_str(&params, training->person.bot);
	pg_add_str(&params, training->kind);
	pg_add_str(&params, training->score);
	pg_add_str(&params, training->details);
	pg_add_time(&params, training->at);
	return params;
}

enum status training_insert(struct tx *tx, const struct bot_training *training, int64_t *ret_id)
{
	struct pg_params params = training_params(tx, training);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, training->source);
	pg_add_str(&params, training->key);
	pg_add_time(&params, tx->ctx->now);
	enum status status = tx_query(tx, SQL_TRAINING_INSERT, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return CONFLICT;
	}
	*ret_id = pg_i64(rows, 0, 0);
	return OK;
}

enum status training_compare(struct tx *tx, const struct bot_training *training, int64_t *ret_id, struct str *ret_differs)
{
	struct pg_params params = training_params(tx, training);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, training->key);
	enum status status = tx_query(tx, SQL_TRAINING_COMPARE, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return RETRY; /* taken by a transaction that was rolled back since */
	}
	*ret_id = pg_i64(rows, 0, 0);
	*ret_differs = pg_str(rows, 0, 1);
	return OK;
}
