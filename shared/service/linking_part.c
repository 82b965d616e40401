/* One account becomes two: a joining is undone, or a platform is unlinked. */
#include "service/linking.h"

#include "service/catalogue.h"
#include "service/ledger.h"
#include "service/notify.h"
#include "store/bots.h"
#include "service/periods.h"
#include "store/catalogue.h"
#include "store/store.h"

/* The other way round than a merge: what was brought goes back, no more than is left. */
static enum status return_money(struct tx *tx, const struct link_merge *merge, const struct member *holder, const struct balance *part)
{
	struct member loser = {0};
	struct balance from = holder->balance;
	struct posting posting = {
		.account_id = holder->account.id,
		.balance = &from,
		.key = str_printf(tx->ctx->arena, "unmerge:%lld:out", (long long)merge->id),
		.kind = LEDGER_UNMERGE,
		.source = STR("link"),
		.xp = -part->xp,
		.coins = -part->coins,
	};
	enum status status = OK;

	if (part->xp == 0 && part->coins == 0) {
		return OK;
	}
	status = member_read(tx, merge->loser_id, &loser);
	if (status == OK) {
		status = ledger_post(tx, &posting);
	}
	if (status != OK) {
		return status;
	}
	posting.account_id = merge->loser_id;
	posting.balance = &loser.balance;
	posting.key = str_printf(tx->ctx->arena, "unmerge:%lld:in", (long long)merge->id);
	posting.xp = part->xp;
	posting.coins = part->coins;
	return ledger_post(tx, &posting);
}

static enum status return_sums(struct tx *tx, const struct link_merge *merge, const struct member *holder, const struct balance *part,
                               int64_t keep_us)
{
	struct balance left = holder->balance;
	struct balance given = *part;
	enum status status = marks_copy(tx, holder->account.id, merge->loser_id, &given.achievements);

	link_take_sums(&left, part);
	link_undo_runs(merge, keep_us, &left);
	if (status == OK) {
		status = balance_set_sums(tx, holder->account.id, &left);
	}
	return status != OK ? status : balance_set_sums(tx, merge->loser_id, &given);
}

/* Whether who asks is one of those who came with the joining, or of those who were there. Staff are neither. */
static bool is_actor(const struct contact *actor, const struct link_merge *merge, bool of_loser)
{
	bool moved = false;

	for (size_t i = 0; actor != NULL && i < merge->identity_count; i++) {
		moved = moved || merge->identity_ids[i] == actor->identity->id;
	}
	return actor != NULL && moved == of_loser;
}

static enum status carry_out_undo(struct tx *tx, const struct contact *actor, const struct link_merge *merge, const struct member *holder,
                                  struct str by)
{
	const struct economy *economy = NULL;
	enum status status = catalogue_get(tx, &economy);

	if (status != OK) {
		return status;
	}
	const int64_t keep_us = economy->rates.daily_keep_us;
	struct balance part = link_undo_return(merge, &holder->balance, keep_us);

	status = return_money(tx, merge, holder, &part);
	if (status == OK) {
		status = return_sums(tx, merge, holder, &part, keep_us);
	}
	if (status == OK) {
		status = code_drop(tx, holder->account.id); /* who asked for it may be the one who leaves */
	}
	if (status == OK) {
		/* Who says "not me", or whom staff free, has not left anybody; whom the others sent away waits as after an unlink. */
		status = merge_part(tx, merge, holder->account.id, is_actor(actor, merge, false));
	}
	if (status == OK) {
		status = bot_sessions_part(tx, holder->account.id, merge->loser_id);
	}
	if (status == OK) {
		status = merge_mark_undone(tx, merge, by);
	}
	if (status != OK) {
		return status;
	}
	return audit_insert(tx, &(struct audit){
		.actor = by,
		.action = STR("link_undo"),
		.account_id = holder->account.id,
		.before = str_printf(tx->ctx->arena, "{\"merge\":%lld}", (long long)merge->id),
		.after = str_printf(tx->ctx->arena, "{\"account\":%lld,\"xp\":%lld,\"coins\":%lld,\"identities\":" STR_FMT "}",
		                    (long long)merge->loser_id, (long long)part.xp, (long long)part.coins,
		                    STR_ARG(linking_record_numbers(tx->ctx->arena, merge->identity_ids, merge->identity_count))),
	});
}

/* Both sides learn of it; `about` is shown to the people of `account_id`. */
static enum status tell(struct tx *tx, int64_t account_id, enum message message, const struct identity *about)
{
	struct reply *reply = reply_new(tx->ctx->arena);
	enum status status = OK;

	if (reply == NULL) {
		return TOO_LARGE;
	}
	reply->private = true;
	REPLY_SAY(reply, message, TEXT_MESSAGE(platform_message(about->platform)), TEXT_STR(identity_label(tx->ctx->arena, about)));
	status = notify_person(tx, account_id, STR("unlink"), reply, PLATFORM_UNSET, STR_ABSENT, 0);
	return status == NOT_FOUND ? OK : status;
}

static const struct identity *first_moved(const struct link_merge *merge, const struct member *holder)
{
	for (size_t i = 0; i < merge->identity_count; i++) {
		const struct identity *identity = member_identity_by_id(holder, merge->identity_ids[i]);

		if (identity != NULL) {
			return identity;
		}
	}
	return NULL;
}

static const struct identity *first_staying(const struct link_merge *merge, const struct member *holder)
{
	for (size_t i = 0; i < holder->identity_count; i++) {
		bool moved = false;

		for (size_t j = 0; j < merge->identity_count; j++) {
			moved = moved || merge->identity_ids[j] == holder->identities[i].id;
		}
		if (!moved) {
			return &holder->identities[i];
		}
	}
	return NULL;
}

/* Whoever asked reads the reply; the message is for the other side. */
static enum status tell_both(struct tx *tx, const struct contact *actor, const struct link_merge *merge, const struct member *holder)
{
	const struct identity *left = first_moved(merge, holder);
	const struct identity *stayed = first_staying(merge, holder);
	enum status status = OK;

	if (left == NULL || stayed == NULL) {
		return INTERNAL; /* link_undo_decide refuses both */
	}
	if (!is_actor(actor, merge, false)) {
		status = tell(tx, holder->account.id, MSG_UNDO_TOLD, left);
	}
	if (status == OK && !is_actor(actor, merge, true)) {
		status = tell(tx, merge->loser_id, MSG_UNDO_TOLD, stayed);
	}
	return status;
}

/*
 * Locks the holder; nobody locks the loser, who does not live. Until the lock the holder is only a guess: a joining or another undo may
 * have moved the data.
 */
static enum status lock_holder(struct tx *tx, int64_t merge_id, struct link_merge *merge, struct member *holder)
{
	int64_t holder_id = 0;
	int64_t again = 0;
	enum status status = merge_read(tx, merge_id, merge, &holder_id);

	if (status == OK) {
		status = account_lock(tx, &holder_id, 1);
		status = status == NOT_FOUND ? RETRY : status;
	}
	if (status == OK) {
		status = merge_read(tx, merge_id, merge, &again);
	}
	if (status != OK) {
		return status;
	}
	status = again != holder_id ? RETRY : member_read(tx, holder_id, holder);
	return status == OK ? periods_begin(tx, (struct balance *const[]){&holder->balance}, 1) : status;
}

enum status linking_undo(struct tx *tx, const struct contact *actor, int64_t merge_id, struct str by, enum link_undo_verdict *ret_verdict)
{
	struct link_merge merge = {0};
	struct member holder = {0};
	enum link_undo_verdict verdict = LINK_UNDO_UNSET;
	enum status status = lock_holder(tx, merge_id, &merge, &holder);

	if (status == NOT_FOUND) {
		*ret_verdict = LINK_UNDO_FOREIGN; /* whether such a joining exists is nobody else's business */
		return OK;
	}
	if (status != OK) {
		return status;
	}
	verdict = link_undo_decide(&merge, &holder, actor != NULL ? actor->identity->id : 0, tx->ctx->now);
	if (verdict == LINK_UNDO_ALLOWED) {
		status = carry_out_undo(tx, actor, &merge, &holder, by);
		if (status == OK) {
			status = tell_both(tx, actor, &merge, &holder);
		}
	}
	if (status == OK) {
		*ret_verdict = verdict;
	}
	return status;
}

static enum status tell_unlinked(struct tx *tx, const struct contact *actor, const struct member *member, const struct identity *leaving,
                                 int64_t new_account_id)
{
	bool actor_leaves = actor != NULL && actor->identity->id == leaving->id;
	const struct identity *staying = leaving == &member->identities[0] ? &member->identities[1] : &member->identities[0];
	enum status status = OK;

	if (actor == NULL || actor_leaves) {
		status = tell(tx, member->account.id, MSG_UNLINK_TOLD, leaving);
	}
	if (status == OK && !actor_leaves) {
		status = tell(tx, new_account_id, MSG_UNLINK_TOLD, staying);
	}
	return status;
}

/* The data stay, the marks go along: what was paid once is not paid to the new account again. */
static enum status take_marks_along(struct tx *tx, const struct member *member, int64_t account_id)
{
	struct balance marks = link_marks(&member->balance);
	enum status status = marks_copy(tx, member->account.id, account_id, &marks.achievements);

	return status == OK ? balance_set_sums(tx, account_id, &marks) : status;
}

static enum status carry_out_unlink(struct tx *tx, const struct contact *actor, const struct member *member, const struct identity *leaving,
                                    struct str by)
{
	int64_t account_id = 0;
	enum status status = account_create_after(tx, member->account.id, &account_id);

	if (status == OK) {
		status = take_marks_along(tx, member, account_id);
	}
	if (status == OK) {
		status = code_drop(tx, member->account.id); /* who asked for it may be the one who leaves */
	}
	if (status == OK) {
		status = identity_detach(tx, leaving->id, account_id, member->account.id);
	}
	if (status == OK) {
		status = tell_unlinked(tx, actor, member, leaving, account_id);
	}
	if (status != OK) {
		return status;
	}
	return audit_insert(tx, &(struct audit){
		.actor = by,
		.action = STR("unlink"),
		.account_id = member->account.id,
		.after = str_printf(tx->ctx->arena, "{\"identity\":%lld,\"account\":%lld}", (long long)leaving->id, (long long)account_id),
	});
}

enum status linking_unlink(struct tx *tx, const struct contact *actor, int64_t account_id, int64_t identity_id, struct str by,
                           enum unlink_verdict *ret_verdict, struct identity *ret_left)
{
	struct member member = {0};
	const struct identity *leaving = NULL;
	enum unlink_verdict verdict = UNLINK_UNSET;
	enum status status = account_lock(tx, &account_id, 1);

	if (status == OK) {
		status = member_read(tx, account_id, &member);
	}
	if (status != OK) {
		return status == NOT_FOUND && actor != NULL ? RETRY : status;
	}
	if (actor != NULL && member_identity_by_id(&member, actor->identity->id) == NULL) {
		return RETRY; /* he has left between the read and the lock: the rest is not his to part */
	}
	verdict = unlink_decide(&member, identity_id, actor == NULL, &leaving);
	if (verdict == UNLINK_ALLOWED) {
		status = carry_out_unlink(tx, actor, &member, leaving, by);
	}
	if (status != OK) {
		return status;
	}
	*ret_verdict = verdict;
	if (verdict == UNLINK_ALLOWED) {
		*ret_left = *leaving;
	}
	return OK;
}
