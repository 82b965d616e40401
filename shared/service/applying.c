#include "service/applying.h"

#include "base/clock.h"
#include "base/metric.h"
#include "base/parse.h"
#include "io/json.h"
#include "service/events.h"
#include "service/payout.h"
#include "service/tx.h"
#include "store/event.h"

/* One transaction's work. Written anew when it is run again. */
struct batch {
	int64_t lane_wish; /* -1: any */
	size_t limit;
	int64_t lane;
	struct event_row *rows; /* those that are applied now, by id */
	size_t count;
	int64_t *ids; /* of accounts, ascending, each once */
	size_t id_count;
	struct event_account *accounts; /* by id */
	size_t account_count;
	struct payout payout;
	struct event_done *done; /* one per row */
	size_t rejected;
	bool none; /* no lane is free */
};

static int compare_i64(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left;
	int64_t b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* The oldest rows of a lane, with an account behind each. */
static enum status read_rows(struct tx *tx, struct batch *batch)
{
	enum status status = event_queue_oldest(tx, batch->lane, batch->limit, &batch->rows, &batch->count);
	struct event_person *missing = NULL;
	size_t count = 0;

	if (status != OK) {
		return status;
	}
	missing = arena_array(tx->ctx->arena, batch->count, sizeof(*missing));
	if (missing == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->rows[i].account_id == 0) {
			missing[count++] = batch->rows[i].person;
		}
	}
	if (count == 0) {
		return OK;
	}
	status = identities_ensure(tx, missing, count);
	return status == OK ? event_queue_oldest(tx, batch->lane, batch->limit, &batch->rows, &batch->count) : status;
}

/* The accounts of the rows, ascending, each once. */
static enum status collect_accounts(struct tx *tx, struct batch *batch)
{
	batch->ids = arena_array(tx->ctx->arena, batch->count, sizeof(*batch->ids));
	batch->id_count = 0;
	if (batch->ids == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < batch->count; i++) {
		batch->ids[i] = batch->rows[i].account_id;
	}
	qsort(batch->ids, batch->count, sizeof(*batch->ids), compare_i64);
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->ids[i] != 0 && (batch->id_count == 0 || batch->ids[batch->id_count - 1] != batch->ids[i])) {
			batch->ids[batch->id_count++] = batch->ids[i];
		}
	}
	return OK;
}

static struct event_account *find_account(const struct batch *batch, int64_t id)
{
	for (size_t low = 0, high = batch->account_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (batch->accounts[middle].id == id) {
			return &batch->accounts[middle];
		}
		if (batch->accounts[middle].id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

/*
 * Keeps the rows whose account is locked and still theirs. Of an identity that was moved meanwhile all rows wait for the next batch, so its
 * order stays.
 */
static enum status keep_settled(struct tx *tx, struct batch *batch)
{
	int64_t *ids = arena_array(tx->ctx->arena, batch->count, sizeof(*ids));
	int64_t *accounts = arena_array(tx->ctx->arena, batch->count, sizeof(*accounts));
	size_t kept = 0;

	if (ids == NULL || accounts == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < batch->count; i++) {
		ids[i] = batch->rows[i].id;
	}
	enum status status = event_accounts_now(tx, ids, batch->count, accounts);

	if (status != OK) {
		return status;
	}
	for (size_t i = 0; i < batch->count; i++) {
		if (accounts[i] != 0 && accounts[i] == batch->rows[i].account_id && find_account(batch, accounts[i]) != NULL) {
			batch->rows[kept++] = batch->rows[i];
		}
	}
	batch->count = kept;
	return OK;
}

static enum status lock_accounts(struct tx *tx, struct batch *batch)
{
	enum status status = collect_accounts(tx, batch);

	if (status == OK) {
		status = event_accounts_lock(tx, batch->ids, batch->id_count, batch->ids, &batch->id_count);
	}
	if (status != OK) {
		return status;
	}
	batch->account_count = batch->id_count;
	batch->accounts = arena_array(tx->ctx->arena, batch->account_count, sizeof(*batch->accounts));
	if (batch->accounts == NULL) {
		return TOO_LARGE;
	}
	status = event_balances(tx, batch->ids, batch->id_count, batch->accounts);
	return status == OK ? keep_settled(tx, batch) : status;
}

/* INVALID: a row that this program cannot read, because another version or another hand wrote it. */
static enum status read_event(struct arena *arena, const struct event_row *row, struct event *ret_event)
{
	struct event event = {.type = event_type_from_name(row->type), .at = row->at};
	const struct json *data = NULL;

	if (event.type == EVENT_UNSET) {
		return INVALID;
	}
	enum status status = json_read(arena, row->data, &data);

	if (status == OK) {
		status = events_read_queued(arena, data, &event);
	}
	if (status == OK) {
		*ret_event = event;
	}
	return status;
}

/* The chat of a message, as its bot told it; 0: of none. */
static int64_t chat_of(const struct event *event)
{
	int64_t chat = 0;

	if (event->type != EVENT_MESSAGE_SENT || parse_i64(event->values[EVENT_MESSAGE_CHAT].text, INT64_MIN, INT64_MAX, &chat) != OK) {
		return 0;
	}
	return chat;
}

static enum status apply_row(struct tx *tx, struct batch *batch, size_t i)
{
	const struct event_row *row = &batch->rows[i];
	struct event_account *account = find_account(batch, row->account_id);
	struct event event;
	enum status status = read_event(tx->ctx->arena, row, &event);

	if (status != OK || account == NULL) {
		return status != OK ? status : INTERNAL;
	}
	struct economy_turn turn = payout_turn(tx, &batch->payout, row->key, &account->state);
	int64_t seen = row->at < tx->ctx->now ? row->at : tx->ctx->now;
	struct str rejected = STR_ABSENT;

	status = economy_apply(&turn, &event, &rejected);
	if (status != OK) {
		return status;
	}
	batch->done[i] = (struct event_done){.id = row->id, .account_id = account->id, .rejected = rejected};
	if (str_present(rejected)) {
		batch->rejected++;
		return OK;
	}
	batch->payout.chat_id = chat_of(&event);
	account->changed = true;
	account->last_active = account->last_active > seen ? account->last_active : seen;
	return payout_take(tx, &batch->payout, account->id, row->source);
}

/* One by one, in memory; each sees what the one before left. */
static enum status decide(struct tx *tx, struct batch *batch)
{
	enum status status = payout_begin(tx, &batch->payout);

	batch->done = arena_array(tx->ctx->arena, batch->count, sizeof(*batch->done));
	batch->rejected = 0;
	if (batch->done == NULL) {
		return TOO_LARGE;
	}
	if (status == OK && batch->account_count > 0) {
		status = marks_read(tx, batch->payout.economy, &batch->payout.running, batch->ids, batch->account_count,
		                    &batch->accounts->state, sizeof(*batch->accounts));
	}
	for (size_t i = 0; i < batch->count && status == OK; i++) {
		status = apply_row(tx, batch, i);
	}
	return status;
}

static enum status write_back(struct tx *tx, struct batch *batch)
{
	size_t changed = 0;
	enum status status = OK;

	for (size_t i = 0; i < batch->account_count; i++) {
		if (batch->accounts[i].changed) {
			batch->accounts[changed++] = batch->accounts[i];
		}
	}
	if (changed > 0) {
		status = event_balances_set(tx, batch->accounts, changed);
	}
	if (status == OK) {
		status = payout_write(tx, &batch->payout);
	}
	return status == OK ? event_archive(tx, batch->done, batch->count) : status;
}

static enum status apply(struct tx *tx, void *arg)
{
	struct batch *batch = arg;
	enum status status = event_plan(tx, true);

	batch->count = 0;
	if (status == OK) {
		status = event_lane_take(tx, batch->lane_wish, &batch->lane);
	}
	batch->none = status == NOT_FOUND;
	if (status != OK) {
		return status == NOT_FOUND ? OK : status;
	}
	status = read_rows(tx, batch);
	if (status != OK || batch->count == 0) {
		return status;
	}
	status = lock_accounts(tx, batch);
	if (status != OK || batch->count == 0) {
		return status;
	}
	status = decide(tx, batch);
	return status == OK ? write_back(tx, batch) : status;
}

struct attempt {
	const struct applier *applier;
	int64_t attempts;
};

static enum status count_attempt(struct tx *tx, void *arg)
{
	struct attempt *attempt = arg;

	return event_attempt(tx, attempt->applier->poisoned, attempt->applier->reason, &attempt->attempts);
}

/* After so many failures an event stands aside; the index of the queue says the same. */
#define ATTEMPTS_MAX 5

static enum status settle_poisoned(struct ctx *ctx, struct applier *applier, struct applied *ret_applied)
{
	struct attempt attempt = {.applier = applier};
	enum status status = tx_run(ctx, count_attempt, &attempt);

	if (status == OK) {
		*ret_applied = (struct applied){.set_aside = attempt.attempts >= ATTEMPTS_MAX ? applier->poisoned : 0};
		*applier = (struct applier){0};
	}
	return status;
}

/* Whether it failed because of what is in it. All else passes, or is a defect that halving would not find. */
static bool is_poisoned(enum status status)
{
	return status == INVALID || status == CONFLICT || status == INTERNAL || status == TOO_LARGE;
}

static void narrow(struct applier *applier, const struct batch *batch, enum status status)
{
	if (batch->count == 1 && batch->limit == 1) {
		applier->poisoned = batch->rows[0].id;
		applier->reason = str_from_z(status_name(status));
		return;
	}
	applier->lane = batch->lane;
	applier->limit = batch->count > 1 ? batch->count / 2 : batch->limit > 1 ? batch->limit / 2 : 1;
}

enum status applying_turn(struct ctx *ctx, struct applier *applier, struct applied *ret_applied)
{
	bool narrowed = applier->limit != 0;
	struct batch batch = {.lane_wish = narrowed ? applier->lane : -1, .limit = narrowed ? applier->limit : APPLYING_BATCH};

	if (applier->poisoned != 0) {
		return settle_poisoned(ctx, applier, ret_applied);
	}
	enum status status = tx_run(ctx, apply, &batch);

	if (is_poisoned(status)) {
		narrow(applier, &batch, status);
		return status;
	}
	if (status != OK) {
		return status;
	}
	*applier = (struct applier){0};
	*ret_applied = (struct applied){.count = batch.count, .rejected = batch.rejected};
	metric_add(METRIC_EVENT_APPLIED, (int64_t)batch.count);
	metric_add(METRIC_EVENT_REJECTED, (int64_t)batch.rejected);
	return batch.none && !narrowed ? NOT_FOUND : OK;
}

/* In a transaction, for the plan: a kept one of an empty queue would look through all of a full one, once per lane. */
static enum status look(struct tx *tx, void *arg)
{
	struct applying_load *load = arg;
	int64_t oldest = 0;
	enum status status = event_plan(tx, true);

	if (status == OK) {
		status = event_oldest(tx, &oldest);
	}
	if (status == OK) {
		status = event_aside_count(tx, &load->aside);
	}
	if (status == OK) {
		status = event_accepted(tx, &load->accepted);
	}
	load->lag = oldest != 0 && oldest < tx->ctx->now ? tx->ctx->now - oldest : 0;
	return status;
}

bool applying_yields(const struct applying_load *before, const struct applying_load *now)
{
	int64_t passed = now->at - before->at;

	if (before->at == 0 || passed <= 0 || now->lag >= APPLYING_PATIENCE_US) {
		return false;
	}
	return (now->accepted - before->accepted) * SECOND_US / passed > APPLYING_AT_ONCE;
}

/* Of the time, when accepting goes first: one part in so many. */
#define YIELDING_PART 10
#define REST_MAX_US (2 * SECOND_US)

int64_t applying_rest(const struct applying_load *load, int64_t took)
{
	int64_t rest = took * (YIELDING_PART - 1);

	return !load->yields ? 0 : rest < REST_MAX_US ? rest : REST_MAX_US;
}

enum status applying_look(struct ctx *ctx, struct applying_load *load)
{
	struct applying_load now = {.at = clock_monotonic_us()};
	enum status status = tx_run(ctx, look, &now);

	if (status == OK) {
		now.yields = applying_yields(load, &now);
		*load = now;
	}
	return status;
}
