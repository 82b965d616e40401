#include "service/sessions.h"

#include "core/bot.h"
#include "io/json.h"
#include "service/tx.h"
#include "store/store.h"

/* Of the largest document, whatever it is made of: an empty object of two bytes and a comma takes some 250 in a tree. */
#define DOCUMENT_TREE ((size_t)8 * 1024 * 1024)

struct reading {
	const struct bot_person *person;
	struct sessions sessions;
};

static enum status read(struct tx *tx, void *arg)
{
	struct reading *reading = arg;

	return bot_sessions_read(tx, reading->person, reading->sessions.list, SESSIONS_SHOWN, &reading->sessions.count);
}

enum status sessions_get(struct ctx *ctx, const struct bot_person *person, struct sessions *ret_sessions)
{
	struct reading reading = {.person = person};
	enum status status = service_read(ctx, read, &reading);

	if (status == OK) {
		*ret_sessions = reading.sessions;
	}
	return status;
}

struct changing {
	const struct session_change *change;
	struct reading reading;
	bool created;
};

/* version 0: there is none. */
static bool holds(const struct session_condition *condition, int64_t version)
{
	if ((condition->exists && version == 0) || (condition->absent && version != 0)) {
		return false;
	}
	for (size_t i = 0; i < condition->version_count; i++) {
		if (condition->versions[i] == version) {
			return true;
		}
	}
	return condition->versions == NULL;
}

/* The account of the person, locked: until then he may be joined to another, or part. */
static enum status lock_account(struct tx *tx, const struct bot_person *person, int64_t *ret_account)
{
	int64_t account = 0;
	int64_t again = 0;
	enum status status = bot_person_account(tx, person, &account);

	if (status != OK) {
		return status;
	}
	status = account_lock(tx, &account, 1);
	if (status == OK) {
		status = bot_person_account(tx, person, &again);
	}
	if (status == NOT_FOUND || (status == OK && again != account)) {
		return RETRY;
	}
	*ret_account = account;
	return status;
}

static enum status write(struct tx *tx, struct changing *changing, int64_t account)
{
	const struct session_change *change = changing->change;
	struct bot_session session = {.session_data = change->session_data, .stats_data = change->stats_data};
	enum status status = bot_session_present(tx, account, change->person.bot, &session.owner_id, &session.version);

	if (status != OK) {
		return status;
	}
	if (!holds(&change->condition, session.version)) {
		return CONFLICT;
	}
	changing->created = session.version == 0;
	if (changing->created) {
		session.owner_id = account;
		status = bot_session_insert(tx, change->person.bot, &session);
		return status == CONFLICT ? INTERNAL : status; /* the account is locked */
	}
	return bot_session_update(tx, change->person.bot, &session);
}

static enum status put(struct tx *tx, void *arg)
{
	struct changing *changing = arg;
	int64_t account = 0;
	enum status status = lock_account(tx, &changing->change->person, &account);

	if (status == OK) {
		status = write(tx, changing, account);
	}
	return status == OK ? read(tx, &changing->reading) : status;
}

enum status sessions_put(struct ctx *ctx, const struct session_change *change, struct sessions *ret_sessions, bool *ret_created)
{
	struct changing changing = {.change = change, .reading = {.person = &change->person}};
	enum status status = tx_run(ctx, put, &changing);

	if (status == OK) {
		*ret_sessions = changing.reading.sessions;
		*ret_created = changing.created;
	}
	return status;
}

enum status sessions_document(struct str text, size_t max)
{
	const struct json *tree = NULL;
	struct arena *scratch = NULL;
	enum status status = OK;

	if (text.len > max) {
		return TOO_LARGE;
	}
	scratch = arena_new(DOCUMENT_TREE);
	if (scratch == NULL) {
		return UNAVAILABLE;
	}
	status = json_read(scratch, text, &tree);
	if (status == OK && !json_is_object(tree)) {
		status = INVALID;
	}
	arena_free(scratch);
	return status;
}
