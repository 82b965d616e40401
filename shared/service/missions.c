#include "service/missions.h"

#include "service/ledger.h"
#include "service/tx.h"
#include "store/event.h"
#include "store/queue.h"

/* Which day and week run; seasons have no missions. */
static struct periods running_at(int64_t now)
{
	return (struct periods){.day_no = counter_day(now), .week_no = counter_week(now)};
}

enum status missions_list(struct tx *tx, int64_t account_id, struct mission_list *ret_list)
{
	struct periods running = running_at(tx->ctx->now);
	struct mission_list list = {0};
	enum status status = missions_of(tx, account_id, &running, &list.views, &list.count, &list.balance);

	if (status == OK) {
		*ret_list = list;
	}
	return status;
}

struct read_arg {
	int64_t account_id;
	struct mission_list list;
};

static enum status read_list(struct tx *tx, void *arg)
{
	struct read_arg *reading = arg;

	return missions_list(tx, reading->account_id, &reading->list);
}

enum status missions_read(struct ctx *ctx, int64_t account_id, struct mission_list *ret_list)
{
	struct read_arg reading = {.account_id = account_id};
	enum status status = service_read(ctx, read_list, &reading);

	if (status == OK) {
		*ret_list = reading.list;
	}
	return status;
}

/* ---- paying ---- */

/* One mission of one account, whose balance was read under its lock. */
static enum status pay(struct tx *tx, const struct mission_due *due, struct balance *balance, struct str source)
{
	struct posting posting = {
		.account_id = due->account_id,
		.balance = balance,
		.key = str_printf(tx->ctx->arena, "mission:%lld:%lld:%lld", (long long)due->account_id, (long long)due->mission_id,
		                  (long long)due->period_no),
		.kind = LEDGER_MISSION_COMPLETED,
		.source = source,
		.reason = due->code,
		.xp = due->xp,
		.coins = due->coins,
	};

	return due->xp == 0 && due->coins == 0 ? OK : ledger_post(tx, &posting);
}

/* Refused before anything of it was written: it need not hold up the others. */
static bool is_unpayable(enum status status)
{
	return status == OVERFLOWN || status == CONFLICT;
}

/* ---- claiming ---- */

/* The goal is reached, but nothing has happened since that would have noticed: staff lowered it, or made the mission after the deeds. */
static bool has_unnoticed(const struct mission_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->views[i].state == MISSION_READY && !list->views[i].completed) {
			return true;
		}
	}
	return false;
}

static enum status look(struct tx *tx, const struct mission_claim *claim, struct mission_list *ret_list)
{
	enum status status = missions_list(tx, claim->account_id, ret_list);

	if (status != OK || !has_unnoticed(ret_list)) {
		return status;
	}
	struct posting posting = {
		.account_id = claim->account_id,
		.balance = &ret_list->balance,
		.key = str_printf(tx->ctx->arena, "missions:%lld:%lld", (long long)claim->account_id, (long long)tx->ctx->now),
		.source = claim->source,
	};

	status = ledger_settle(tx, &posting);
	if (status == OVERFLOWN) {
		return OK; /* nothing was written */
	}
	return status == OK ? missions_list(tx, claim->account_id, ret_list) : status;
}

static const struct mission_view *find_view(const struct mission_list *list, int64_t mission_id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->views[i].mission.id == mission_id) {
			return &list->views[i];
		}
	}
	return NULL;
}

static bool is_wanted(const struct mission_claim *claim, const struct mission_view *view)
{
	bool chosen = claim->mission_id == 0 || claim->mission_id == view->mission.id;

	return chosen && view->completed && mission_decide(view, claim->period_no) == MISSION_CLAIMABLE;
}

static enum status pay_wanted(struct tx *tx, const struct mission_claim *claim, struct mission_claimed *claimed)
{
	struct mission_list *list = &claimed->list;
	struct mission_due *due = arena_array(tx->ctx->arena, list->count, sizeof(*due));
	enum status status = due != NULL ? OK : TOO_LARGE;

	for (size_t i = 0; i < list->count && status == OK; i++) {
		const struct mission_view *view = &list->views[i];
		struct mission_due next = {.account_id = claim->account_id, .mission_id = view->mission.id, .period_no = view->period_no,
		                           .code = view->mission.code, .xp = view->mission.xp, .coins = view->mission.coins};

		if (!is_wanted(claim, view)) {
			continue;
		}
		status = pay(tx, &next, &list->balance, claim->source);
		if (status == OK) {
			due[claimed->count++] = next;
			claimed->xp += next.xp;
			claimed->coins += next.coins;
		} else if (is_unpayable(status)) {
			claimed->verdict = MISSION_FULL;
			status = OK;
		}
	}
	return status == OK && claimed->count > 0 ? missions_mark_claimed(tx, due, claimed->count) : status;
}

/* Why nothing was paid. */
static enum mission_verdict refusal(const struct mission_claim *claim, const struct mission_list *list)
{
	if (claim->mission_id == 0) {
		return MISSION_NOTHING;
	}
	enum mission_verdict verdict = mission_decide(find_view(list, claim->mission_id), claim->period_no);

	return verdict == MISSION_CLAIMABLE ? MISSION_NOT_REACHED : verdict; /* what staff changed is not known everywhere yet */
}

enum status missions_claim(struct tx *tx, const struct mission_claim *claim, struct mission_claimed *ret_claimed)
{
	struct mission_claimed claimed = {.verdict = MISSION_CLAIMABLE};
	enum status status = look(tx, claim, &claimed.list);

	if (status == OK) {
		status = pay_wanted(tx, claim, &claimed);
	}
	if (status == OK && claimed.count == 0 && claimed.verdict == MISSION_CLAIMABLE) {
		claimed.verdict = refusal(claim, &claimed.list);
	} else if (status == OK && claimed.count > 0) {
		claimed.verdict = MISSION_CLAIMABLE;
		status = missions_list(tx, claim->account_id, &claimed.list);
	}
	if (status == OK) {
		*ret_claimed = claimed;
	}
	return status;
}

/* ---- the end of a period ---- */

struct portion {
	const struct missions_payer *payer;
	struct mission_due *due;
	size_t due_count;
	struct event_account *accounts; /* locked, by id */
	size_t account_count;
	size_t paid; /* the first ones of `due`, once they were paid */
	size_t stuck;
};

static enum status lock_accounts(struct tx *tx, struct portion *portion)
{
	int64_t *ids = arena_array(tx->ctx->arena, portion->due_count, sizeof(*ids));

	if (ids == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < portion->due_count; i++) {
		ids[i] = portion->due[i].account_id;
	}
	enum status status = event_accounts_lock(tx, ids, portion->due_count, ids, &portion->account_count);

	portion->accounts = arena_array(tx->ctx->arena, portion->account_count, sizeof(*portion->accounts));
	if (status != OK || portion->accounts == NULL) {
		return status != OK ? status : TOO_LARGE;
	}
	return event_balances(tx, ids, portion->account_count, portion->accounts);
}

/* NULL: it became part of another meanwhile, and its missions that one's: the next portion finds them there. */
static struct event_account *find_account(const struct portion *portion, int64_t id)
{
	for (size_t i = 0; i < portion->account_count; i++) {
		if (portion->accounts[i].id == id) {
			return &portion->accounts[i];
		}
	}
	return NULL;
}

static enum status pay_due(struct tx *tx, struct portion *portion)
{
	enum status status = OK;

	portion->paid = 0;
	portion->stuck = 0;
	for (size_t i = 0; i < portion->due_count && status == OK; i++) {
		struct mission_due due = portion->due[i];
		struct event_account *account = find_account(portion, due.account_id);

		if (account == NULL) {
			continue;
		}
		status = pay(tx, &due, &account->state.balance, STR("missions"));
		if (status == OK) {
			portion->due[portion->paid++] = due;
		} else if (is_unpayable(status)) {
			portion->stuck++;
			status = OK;
		}
	}
	return status == OK && portion->paid > 0 ? missions_mark_claimed(tx, portion->due, portion->paid) : status;
}

static enum status pay_portion(struct tx *tx, void *arg)
{
	struct portion *portion = arg;
	struct periods running = running_at(tx->ctx->now);
	bool ours = false;
	enum status status = queue_job_lock(tx, STR("missions"), &ours);

	*portion = (struct portion){.payer = portion->payer};
	if (status != OK || !ours) {
		return status;
	}
	status = missions_due(tx, &running, &portion->payer->last, MISSIONS_PORTION, &portion->due, &portion->due_count);
	if (status == OK && portion->due_count > 0) {
		status = lock_accounts(tx, portion);
		status = status == OK ? pay_due(tx, portion) : status;
	}
	return status;
}

enum status missions_pay(struct ctx *ctx, struct missions_payer *payer, struct missions_paid *ret_paid)
{
	struct portion portion = {.payer = payer};
	enum status status = tx_run(ctx, pay_portion, &portion);

	if (status == OK) {
		*ret_paid = (struct missions_paid){.count = portion.paid, .stuck = portion.stuck, .more = portion.due_count == MISSIONS_PORTION};
		payer->last = ret_paid->more ? portion.due[MISSIONS_PORTION - 1] : (struct mission_due){0};
		payer->last.code = STR_ABSENT; /* of the turn's memory */
	}
	return status;
}
