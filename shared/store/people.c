#include "store/people.h"

/* Columns of people_by_identity. */
enum people_column {
	P_ID, P_CREATED_AT, P_LANGUAGE, P_DISPLAY_NAME, P_XP, P_COINS,
	P_MESSAGES, P_VOICE, P_PLAYED, P_WON, P_ACHIEVEMENTS, P_STREAK,
	P_RANK, P_RANK_NAME, P_RANK_XP, P_NEXT_NAME, P_NEXT_XP, P_BADGES,
	P_PLATFORM, P_PLATFORM_ID, P_EMAIL, P_USERNAME, P_NAME, P_HINT, P_IDENTITY
};

static struct unified read_account(const struct pg_rows *rows)
{
	return (struct unified){
		.member.account = {.id = pg_i64(rows, 0, P_ID),
	                           .created_at = pg_time(rows, 0, P_CREATED_AT),
	                           .language = language_from_code(pg_str(rows, 0, P_LANGUAGE)),
	                           .display_name = pg_str(rows, 0, P_DISPLAY_NAME)},
		.member.balance = {.xp = pg_i64(rows, 0, P_XP),
	                           .coins = pg_i64(rows, 0, P_COINS),
	                           .messages_sent = pg_i64(rows, 0, P_MESSAGES),
	                           .voice_seconds = pg_i64(rows, 0, P_VOICE),
	                           .games_played = pg_i64(rows, 0, P_PLAYED),
	                           .games_won = pg_i64(rows, 0, P_WON),
	                           .achievements = pg_i64(rows, 0, P_ACHIEVEMENTS),
	                           .daily_streak = pg_i64(rows, 0, P_STREAK)},
		.rank = {.id = pg_i64(rows, 0, P_RANK),
	                 .name = pg_str(rows, 0, P_RANK_NAME),
	                 .xp = pg_i64(rows, 0, P_RANK_XP),
	                 .next_name = pg_str(rows, 0, P_NEXT_NAME),
	                 .next_xp = pg_i64(rows, 0, P_NEXT_XP)},
		.badges = pg_str(rows, 0, P_BADGES),
	};
}

enum status people_read(struct tx *tx, enum platform platform, int64_t platform_id, struct unified *ret_unified)
{
	struct pg_params params = tx_params(tx);
	struct pg_rows *rows = NULL;

	pg_add_str(&params, platform_name(platform));
	pg_add_i64(&params, platform_id);
	enum status status = tx_query(tx, SQL_PEOPLE_BY_IDENTITY, &params, &rows);

	if (status != OK) {
		return status;
	}
	if (pg_row_count(rows) == 0) {
		return NOT_FOUND;
	}
	struct unified unified = read_account(rows);

	for (int row = 0; row < pg_row_count(rows); row++) {
		if (unified.member.identity_count == ACCOUNT_IDENTITIES_MAX) {
			return INTERNAL; /* the schema forbids it */
		}
		struct identity *identity = &unified.member.identities[unified.member.identity_count++];

		*identity = (struct identity){
			.id = pg_i64(rows, row, P_IDENTITY),
			.account_id = unified.member.account.id,
			.platform_id = pg_i64(rows, row, P_PLATFORM_ID),
			.email = pg_str(rows, row, P_EMAIL),
			.username = pg_str(rows, row, P_USERNAME),
			.name = pg_str(rows, row, P_NAME),
			.language_hint = pg_str(rows, row, P_HINT),
		};
		if (platform_from_name(pg_str(rows, row, P_PLATFORM), &identity->platform) != OK) {
			return INTERNAL;
		}
	}
	*ret_unified = unified;
	return OK;
}
