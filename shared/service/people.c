#include "service/people.h"

#include "base/parse.h"
#include "base/utf.h"
#include "io/json.h"
#include "service/tx.h"
#include "store/store.h"

struct wanted {
	enum platform platform;
	int64_t platform_id;
	struct unified unified;
};

static enum status read(struct tx *tx, void *arg)
{
	struct wanted *wanted = arg;

	return people_read(tx, wanted->platform, wanted->platform_id, &wanted->unified);
}

enum status people_get(struct ctx *ctx, enum platform platform, int64_t platform_id, struct unified *ret_unified)
{
	struct wanted wanted = {.platform = platform, .platform_id = platform_id};
	enum status status = service_read(ctx, read, &wanted);

	if (status == OK) {
		*ret_unified = wanted.unified;
	}
	return status;
}

/* ---- as programs show them ---- */

/* As a name is shown; absent when nothing of it is left. */
static struct str cleaned(struct arena *arena, struct str name)
{
	struct str clean = str_present(name) ? utf_display(arena, name, PEOPLE_NAME_MAX) : STR_ABSENT;

	return str_empty(clean) ? STR_ABSENT : clean;
}

struct person people_shown(struct arena *arena, const struct person *person)
{
	struct person shown = *person;
	bool marked = str_starts(person->username, STR("@"));

	shown.username = cleaned(arena, marked ? str_cut(person->username, 1, person->username.len) : person->username);
	shown.name = cleaned(arena, person->name);
	return shown;
}

/* An absent name says nothing about the one that is stored. */
static struct str given_or(struct str given, struct str stored)
{
	return str_present(given) ? given : stored;
}

enum status people_seen(struct tx *tx, const struct identity *identity, const struct person *shown)
{
	struct person now = *shown;

	now.username = given_or(shown->username, identity->username);
	now.name = given_or(shown->name, identity->name);
	if (str_eq(now.username, identity->username) && str_eq(now.name, identity->name)) {
		return OK;
	}
	return identity_touch(tx, identity->id, &now);
}

struct meeting {
	struct person person;
	struct unified unified;
	bool created;
};

static enum status refresh(struct tx *tx, struct meeting *meeting)
{
	struct identity *identity = NULL;

	for (size_t i = 0; i < meeting->unified.member.identity_count; i++) {
		if (meeting->unified.member.identities[i].platform == meeting->person.platform) {
			identity = &meeting->unified.member.identities[i];
		}
	}
	if (identity == NULL) {
		return INTERNAL;
	}
	enum status status = people_seen(tx, identity, &meeting->person);

	identity->username = given_or(meeting->person.username, identity->username);
	identity->name = given_or(meeting->person.name, identity->name);
	return status;
}

static enum status meet(struct tx *tx, void *arg)
{
	struct meeting *meeting = arg;
	enum status status = people_read(tx, meeting->person.platform, meeting->person.platform_id, &meeting->unified);

	meeting->created = false;
	if (status == OK) {
		return refresh(tx, meeting);
	}
	if (status != NOT_FOUND) {
		return status;
	}
	status = identity_create(tx, &meeting->person);
	if (status != OK) {
		return status;
	}
	meeting->created = true;
	return people_read(tx, meeting->person.platform, meeting->person.platform_id, &meeting->unified);
}

enum status people_get_or_create(struct ctx *ctx, const struct person *person, struct unified *ret_unified, bool *ret_created)
{
	struct meeting meeting = {.person = people_shown(ctx->arena, person)};
	enum status status = tx_run(ctx, meet, &meeting);

	if (status == OK) {
		*ret_unified = meeting.unified;
		*ret_created = meeting.created;
	}
	return status;
}

/* ---- under the lock ---- */

static enum status read_member(struct tx *tx, enum platform platform, int64_t platform_id, int64_t account_id, struct member *ret_member)
{
	return platform == PLATFORM_UNSET ? member_read(tx, account_id, ret_member)
	                                  : member_read_by_identity(tx, platform, platform_id, ret_member);
}

/* Read, locked, and read again: a joining may have moved the person between the two. */
enum status people_lock(struct tx *tx, enum platform platform, int64_t platform_id, int64_t account_id, struct member *ret_member)
{
	struct member before;
	struct member member;
	enum status status = read_member(tx, platform, platform_id, account_id, &before);

	if (status == OK) {
		status = account_lock(tx, &before.account.id, 1);
		/* An identity's account lives: it has just been joined to another. */
		status = status == NOT_FOUND && platform != PLATFORM_UNSET ? RETRY : status;
	}
	if (status == OK) {
		status = read_member(tx, platform, platform_id, account_id, &member);
	}
	if (status != OK) {
		return status;
	}
	if (member.account.id != before.account.id) {
		return RETRY;
	}
	*ret_member = member;
	return OK;
}

/* ---- as JSON ---- */

static struct json *rank_json(const struct rank_now *rank)
{
	struct json *json = json_object();
	bool top = !str_present(rank->next_name);

	json = json_set_i64(json, "id", rank->id);
	json = json_set_str(json, "name", rank->name);
	json = json_set_i64(json, "xp", rank->xp);
	json = json_set_str(json, "next_name", rank->next_name);
	return json_set(json, "next_xp", top ? json_null() : json_i64(rank->next_xp));
}

static struct json *identity_json(const struct identity *identity)
{
	struct json *json = json_object();

	if (identity == NULL) {
		return json_null();
	}
	if (identity->platform == PLATFORM_WEBSITE) {
		return json_set_str(json, "email", identity->email);
	}
	json = json_set_id(json, "id", identity->platform_id);
	json = json_set_str(json, "username", identity->username);
	return json_set_str(json, "name", identity->name);
}

static struct json *identities_json(const struct member *member)
{
	struct json *json = json_object();

	json = json_set(json, "telegram", identity_json(member_identity(member, PLATFORM_TELEGRAM)));
	json = json_set(json, "discord", identity_json(member_identity(member, PLATFORM_DISCORD)));
	return json_set(json, "website", identity_json(member_identity(member, PLATFORM_WEBSITE)));
}

static struct json *counters_json(const struct balance *balance)
{
	struct json *json = json_object();

	json = json_set_i64(json, "messages_sent", balance->messages_sent);
	json = json_set_i64(json, "voice_seconds", balance->voice_seconds);
	json = json_set_i64(json, "games_played", balance->games_played);
	json = json_set_i64(json, "games_won", balance->games_won);
	json = json_set_i64(json, "achievements", balance->achievements);
	return json_set_i64(json, "daily_streak", balance->daily_streak);
}

/* The person's own, else what Telegram shows, else Discord: as in the view unified_users. */
static struct str shown_name(const struct member *member)
{
	const struct identity *telegram = member_identity(member, PLATFORM_TELEGRAM);
	const struct identity *discord = member_identity(member, PLATFORM_DISCORD);

	if (str_present(member->account.display_name)) {
		return member->account.display_name;
	}
	if (telegram != NULL && str_present(telegram->name)) {
		return telegram->name;
	}
	return discord != NULL ? discord->name : STR_ABSENT;
}

static enum language shown_language(const struct member *member)
{
	struct str hint = STR_ABSENT;

	for (size_t i = 0; i < member->identity_count && !str_present(hint); i++) {
		hint = member->identities[i].language_hint;
	}
	return language_choose(member->account.language, hint);
}

static struct json *badges_json(struct str codes)
{
	struct json *json = json_array();

	while (str_present(codes)) {
		json = json_append(json, json_str(str_split(&codes, ',')));
	}
	return json;
}

struct json *people_json(struct arena *arena, const struct unified *unified)
{
	const struct member *member = &unified->member;
	struct json *json = json_object();

	json = json_set_i64(json, "id", member->account.id);
	json = json_set_i64(json, "xp", member->balance.xp);
	json = json_set_i64(json, "coins", member->balance.coins);
	json = json_set(json, "rank", rank_json(&unified->rank));
	json = json_set(json, "identities", identities_json(member));
	json = json_set_str(json, "display_name", shown_name(member));
	json = json_set_str(json, "language", language_code(shown_language(member)));
	json = json_set(json, "badges", badges_json(unified->badges));
	json = json_set(json, "counters", counters_json(&member->balance));
	return json_set_str(json, "created_at", format_rfc3339(arena, member->account.created_at));
}
