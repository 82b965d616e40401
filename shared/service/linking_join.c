/* Two accounts become one: by a code, by the redeemer's yes, by staff. */
#include "service/linking.h"

#include "io/crypto.h"
#include "service/ledger.h"
#include "service/notify.h"
#include "store/bots.h"
#include "service/periods.h"
#include "store/catalogue.h"
#include "store/season.h"
#include "store/store.h"

#define CONFIRMATION_BYTES 16

/* Both sides of a joining, read under their locks. */
struct sides {
	struct member issuer;
	struct member redeemer;
	struct link_decision decision;
};

struct joining {
	int64_t issuer_id;
	int64_t redeemer_id;
	int64_t issuer_identity_id;   /* 0: by staff */
	int64_t redeemer_identity_id; /* 0: by staff */
	struct str issuer_bot;
	bool confirmed;
	bool by_staff;
};

static const enum link_outcome outcome_of[LINK_VERDICT_COUNT] = {
	[LINK_JOIN] = LINK_LINKED,
	[LINK_CONFIRM] = LINK_NEEDS_CONFIRMATION,
	[LINK_OWN] = LINK_REFUSED_OWN,
	[LINK_SAME_PLATFORM] = LINK_REFUSED_PLATFORM,
	[LINK_RECENTLY_UNLINKED] = LINK_REFUSED_RECENT,
	[LINK_TOO_MANY_MERGES] = LINK_REFUSED_MERGES,
};

/* Locks both accounts in id order and reads them again: between the first look and the lock they may have changed. */
static enum status lock_sides(struct tx *tx, const struct joining *joining, struct sides *sides)
{
	int64_t ids[2] = {joining->issuer_id, joining->redeemer_id};
	size_t count = ids[0] == ids[1] ? 1 : 2;
	enum status status = account_lock(tx, ids, count);

	if (status == NOT_FOUND && !joining->by_staff) {
		return RETRY; /* merged away meanwhile; staff named it by its number, and is told so */
	}
	if (status == OK) {
		status = member_read(tx, joining->issuer_id, &sides->issuer);
	}
	if (status == OK) {
		status = member_read(tx, joining->redeemer_id, &sides->redeemer);
	}
	if (status == OK) {
		status = periods_begin(tx, (struct balance *const[]){&sides->issuer.balance, &sides->redeemer.balance}, 2);
	}
	if (status != OK || joining->by_staff) {
		return status;
	}
	if (member_identity_by_id(&sides->redeemer, joining->redeemer_identity_id) == NULL) {
		return RETRY;
	}
	return OK;
}

static enum status decide(struct tx *tx, const struct joining *joining, struct sides *sides)
{
	int64_t since = tx->ctx->now - LINK_MERGES_WINDOW_US;
	struct link_side issuer = {.member = &sides->issuer};
	struct link_side redeemer = {.member = &sides->redeemer};
	enum status status = merges_recent(tx, joining->issuer_id, since, &issuer.recent_merges);

	if (status == OK) {
		status = merges_recent(tx, joining->redeemer_id, since, &redeemer.recent_merges);
	}
	if (status == OK) {
		status = badges_own(tx, joining->issuer_id, &issuer.has_other_history);
	}
	if (status == OK) {
		status = badges_own(tx, joining->redeemer_id, &redeemer.has_other_history);
	}
	if (status != OK) {
		return status;
	}
	sides->decision = link_decide(&issuer, &redeemer, tx->ctx->now, joining->confirmed, joining->by_staff);
	return OK;
}

/* -X on the loser and +X on the survivor: merging never rewrites history (decisions.md 18). */
static enum status move_money(struct tx *tx, int64_t merge_id, const struct member *loser, const struct member *survivor)
{
	struct balance from = loser->balance;
	struct balance into = survivor->balance;
	struct posting posting = {
		.account_id = loser->account.id,
		.balance = &from,
		.key = str_printf(tx->ctx->arena, "merge:%lld:out", (long long)merge_id),
		.kind = LEDGER_MERGE,
		.source = STR("link"),
		.xp = -from.xp,
		.coins = -from.coins,
	};
	enum status status = OK;

	if (from.xp == 0 && from.coins == 0) {
		return OK;
	}
	status = ledger_post(tx, &posting);
	if (status != OK) {
		return status;
	}
	posting.account_id = survivor->account.id;
	posting.balance = &into;
	posting.key = str_printf(tx->ctx->arena, "merge:%lld:in", (long long)merge_id);
	posting.xp = loser->balance.xp;
	posting.coins = loser->balance.coins;
	return ledger_post(tx, &posting);
}

/* What both have done is one person's now, and what only both together have reached is paid: the second platform's badge, a rank. */
static enum status move_sums(struct tx *tx, int64_t merge_id, const struct member *loser, const struct member *survivor)
{
	struct balance sums = survivor->balance;
	struct balance none = {.rank_paid = loser->balance.rank_paid};
	int64_t platforms = (int64_t)(survivor->identity_count + loser->identity_count);
	struct posting posting = {
		.account_id = survivor->account.id,
		.balance = &sums,
		.key = str_printf(tx->ctx->arena, "merge:%lld", (long long)merge_id),
		.source = STR("link"),
	};
	enum status status = link_join_sums(&sums, &loser->balance);

	if (status != OK) {
		return status;
	}
	sums.xp += loser->balance.xp; /* as move_money() has written them, which has also seen that they fit */
	sums.coins += loser->balance.coins;
	none.season_no = sums.season_no; /* by a clock ahead of ours the survivor may have gone on: what the loser leaves behind is kept too */
	sums.links = platforms > sums.links ? platforms : sums.links;
	if (str_present(survivor->account.display_name) && survivor->account.language != LANGUAGE_UNSET) {
		sums.profile_complete = 1;
	}
	status = marks_move(tx, loser->account.id, survivor->account.id, &sums.achievements);
	if (status == OK) {
		status = balance_set_sums(tx, loser->account.id, &none);
	}
	if (status == OK) {
		status = ledger_settle(tx, &posting);
	}
	/* Both stand in one season now; what they had in one that is over, and whose close has not begun, is one person's too. */
	return status == OK ? season_results_join(tx, loser->account.id, survivor->account.id) : status;
}

static const struct member *survivor_of(const struct sides *sides)
{
	return sides->decision.issuer_survives ? &sides->issuer : &sides->redeemer;
}

static const struct member *loser_of(const struct sides *sides)
{
	return sides->decision.issuer_survives ? &sides->redeemer : &sides->issuer;
}

/* Writes down what is about to be joined. */
static enum status write_merge(struct tx *tx, const struct joining *joining, const struct sides *sides, struct link_merge *ret_merge)
{
	const struct member *survivor = survivor_of(sides);
	const struct member *loser = loser_of(sides);
	struct link_merge merge = {
		.survivor_id = survivor->account.id,
		.loser_id = loser->account.id,
		.issuer_identity_id = joining->issuer_identity_id,
		.redeemer_identity_id = joining->redeemer_identity_id,
		.histories = sides->decision.histories,
		.brought = loser->balance,
		.brought_runs = link_runs_of(&loser->balance),
		.kept_runs = link_runs_of(&survivor->balance),
	};

	if (survivor->identity_count == 0 || loser->identity_count == 0) {
		return INTERNAL; /* an account that lives has an identity */
	}
	merge.survivor_oldest_id = survivor->identities[0].id;
	merge.loser_oldest_id = loser->identities[0].id;
	for (size_t i = 0; i < loser->identity_count; i++) {
		merge.identity_ids[merge.identity_count++] = loser->identities[i].id;
	}
	enum status status = merge_insert(tx, &merge, &merge.id);

	if (status == OK) {
		*ret_merge = merge;
	}
	return status;
}

/* All that a joining does to the two accounts, in one transaction. */
static enum status join(struct tx *tx, const struct link_merge *merge, const struct sides *sides)
{
	enum status status = code_drop(tx, merge->loser_id);

	if (status == OK) {
		status = merge_move(tx, merge);
	}
	if (status == OK) {
		status = bot_sessions_join(tx, merge->survivor_id);
	}
	if (status == OK) {
		status = move_money(tx, merge->id, loser_of(sides), survivor_of(sides));
	}
	return status == OK ? move_sums(tx, merge->id, loser_of(sides), survivor_of(sides)) : status;
}

struct str linking_record_numbers(struct arena *arena, const int64_t *ids, size_t count)
{
	struct str list = STR("");

	for (size_t i = 0; i < count; i++) {
		list = str_printf(arena, STR_FMT "%s%lld", STR_ARG(list), i > 0 ? "," : "", (long long)ids[i]);
	}
	return str_printf(arena, "[" STR_FMT "]", STR_ARG(list));
}

static struct str side_json(struct arena *arena, const struct member *side)
{
	int64_t ids[ACCOUNT_IDENTITIES_MAX];

	for (size_t i = 0; i < side->identity_count; i++) {
		ids[i] = side->identities[i].id;
	}
	struct str numbers = linking_record_numbers(arena, ids, side->identity_count);

	return str_printf(arena, "{\"id\":%lld,\"xp\":%lld,\"coins\":%lld,\"identities\":" STR_FMT "}", (long long)side->account.id,
	                  (long long)side->balance.xp, (long long)side->balance.coins, STR_ARG(numbers));
}

static enum status record(struct tx *tx, const struct sides *sides, struct str by, int64_t merge_id)
{
	struct arena *arena = tx->ctx->arena;
	struct str survivor = side_json(arena, survivor_of(sides));
	struct str loser = side_json(arena, loser_of(sides));

	return audit_insert(tx, &(struct audit){
		.actor = by,
		.action = STR("link"),
		.account_id = survivor_of(sides)->account.id,
		.before = str_printf(arena, "{\"survivor\":" STR_FMT ",\"loser\":" STR_FMT "}", STR_ARG(survivor), STR_ARG(loser)),
		.after = str_printf(arena, "{\"merge\":%lld}", (long long)merge_id),
	});
}

void linking_say_undo(struct arena *arena, struct reply *reply, const struct link_result *result)
{
	const struct identity *keeper = &result->keeper;

	if (!result->may_undo) {
		REPLY_SAY(reply, MSG_LINK_HOW_TO_UNLINK, TEXT_MESSAGE(platform_message(keeper->platform)), TEXT_STR(identity_label(arena, keeper)));
		return;
	}
	REPLY_SAY(reply, MSG_LINK_HOW_TO_UNDO, TEXT_INT(LINK_UNDO_US / DAY_US));
	reply_button(reply, MSG_BUTTON_UNDO, str_printf(arena, "link_undo:%lld", (long long)result->merge_id), REPLY_STYLE_UNSET);
}

static struct reply *joined_reply(struct arena *arena, const struct identity *about)
{
	struct reply *reply = reply_new(arena);

	if (reply != NULL) {
		reply->private = true;
		REPLY_SAY(reply, MSG_LINK_TOLD, TEXT_MESSAGE(platform_message(about->platform)), TEXT_STR(identity_label(arena, about)));
	}
	return reply;
}

/* The issuer learns who joined him, with "Not me". */
static enum status tell_issuer(struct tx *tx, const struct joining *joining, const struct sides *sides, int64_t merge_id)
{
	struct arena *arena = tx->ctx->arena;
	const struct identity *issuer = member_identity_by_id(&sides->issuer, joining->issuer_identity_id);
	const struct identity *redeemer = member_identity_by_id(&sides->redeemer, joining->redeemer_identity_id);

	if (issuer == NULL || redeemer == NULL) {
		return INTERNAL; /* a code and a question end when who asked for them leaves the account */
	}
	struct reply *reply = joined_reply(arena, redeemer);

	if (reply == NULL) {
		return TOO_LARGE;
	}
	REPLY_SAY(reply, MSG_LINK_NOT_ME_HINT, TEXT_INT(LINK_NOT_ME_US / HOUR_US));
	reply_button(reply, MSG_BUTTON_NOT_ME, str_printf(arena, "link_undo:%lld", (long long)merge_id), REPLY_STYLE_DANGER);
	return notify_person(tx, sides->issuer.account.id, STR("link"), reply, issuer->platform, joining->issuer_bot,
	                     tx->ctx->now + LINK_NOT_ME_US);
}

/* Joined by staff: nobody has read a reply, so each side learns of the other. */
static enum status tell_side(struct tx *tx, const struct member *side, const struct member *other, const struct link_result *result)
{
	struct reply *reply = joined_reply(tx->ctx->arena, &other->identities[0]);
	struct link_result shown = *result;

	if (reply == NULL) {
		return TOO_LARGE;
	}
	shown.may_undo = result->may_undo && side->identity_count == 1; /* of several, the one that is reached need not be the oldest */
	linking_say_undo(tx->ctx->arena, reply, &shown);
	return notify_person(tx, side->account.id, STR("link"), reply, PLATFORM_UNSET, STR_ABSENT, 0);
}

/*
 * Before the identities move: then only a side's own people can be chosen to be told, and nobody reads of himself. Who cannot be reached is
 * not told, and the link stands all the same.
 */
static enum status tell_joined(struct tx *tx, const struct joining *joining, const struct sides *sides, const struct link_result *result)
{
	enum status status = OK;

	if (!joining->by_staff) {
		status = tell_issuer(tx, joining, sides, result->merge_id);
		return status == NOT_FOUND ? OK : status;
	}
	status = tell_side(tx, &sides->issuer, &sides->redeemer, result);
	if (status == OK || status == NOT_FOUND) {
		status = tell_side(tx, &sides->redeemer, &sides->issuer, result);
	}
	return status == NOT_FOUND ? OK : status;
}

/*
 * For the record: the program that speaks for him, else himself. On the website by the identity's number: a record outlives the person, an
 * address must not.
 */
static struct str actor_of(struct tx *tx, const struct contact *actor)
{
	const struct identity *identity = actor->identity;

	if (str_present(actor->through)) {
		return actor->through;
	}
	int64_t number = identity->platform == PLATFORM_WEBSITE ? identity->id : identity->platform_id;

	return str_printf(tx->ctx->arena, STR_FMT ":%lld", STR_ARG(platform_name(identity->platform)), (long long)number);
}

/* The identity that the other side is named by: the one that asked for the code, else the oldest. */
static const struct identity *issuer_face(const struct sides *sides, int64_t identity_id)
{
	const struct identity *face = member_identity_by_id(&sides->issuer, identity_id);

	return face != NULL ? face : &sides->issuer.identities[0];
}

/* Two histories: the oldest of either side may undo it. */
static bool reader_may_undo(const struct joining *joining, const struct sides *sides)
{
	return sides->decision.histories == 2 && (joining->by_staff || joining->redeemer_identity_id == sides->redeemer.identities[0].id);
}

static enum status join_and_tell(struct tx *tx, const struct joining *joining, const struct sides *sides, struct str by,
                                 struct link_result *result)
{
	struct link_merge merge = {0};
	enum status status = write_merge(tx, joining, sides, &merge);

	if (status != OK) {
		return status;
	}
	result->merge_id = merge.id;
	result->may_undo = reader_may_undo(joining, sides);
	result->keeper = survivor_of(sides)->identities[0];
	status = tell_joined(tx, joining, sides, result);
	if (status == OK) {
		status = join(tx, &merge, sides);
	}
	if (status == OK) {
		status = record(tx, sides, by, merge.id);
	}
	if (status == OK) {
		tx_count(tx, METRIC_LINK_DONE);
	}
	return status;
}

static enum status ask(struct tx *tx, const struct joining *joining, const struct sides *sides, struct link_result *result)
{
	unsigned char bytes[CONFIRMATION_BYTES];
	struct confirmation confirmation = {
		.issuer_identity_id = joining->issuer_identity_id,
		.redeemer_identity_id = joining->redeemer_identity_id,
		.issuer_bot = joining->issuer_bot,
		.expires_at = tx->ctx->now + LINK_CONFIRM_LIFE_US,
	};

	crypto_random(bytes, sizeof bytes);
	confirmation.token = crypto_base64url(tx->ctx->arena, bytes, sizeof bytes);
	result->confirmation = confirmation.token;
	result->confirm_until = confirmation.expires_at;
	result->mine = sides->redeemer.balance;
	result->theirs = sides->issuer.balance;
	return confirmation_put(tx, &confirmation);
}

/* Does what was decided; a refusal is a result. */
static enum status carry_out(struct tx *tx, const struct joining *joining, const struct sides *sides, struct str by,
                             struct link_result *result)
{
	result->outcome = outcome_of[sides->decision.verdict];
	result->wait_us = sides->decision.wait_us;
	result->platform = sides->decision.platform;
	result->other = *issuer_face(sides, joining->issuer_identity_id);
	if (result->outcome == LINK_LINKED) {
		return join_and_tell(tx, joining, sides, by, result);
	}
	return result->outcome == LINK_NEEDS_CONFIRMATION ? ask(tx, joining, sides, result) : OK;
}

/* The code is taken first (one-use keys come before accounts in the order of locks) and given back when another rule refuses. */
static enum status redeem_code(struct tx *tx, const struct contact *actor, const struct code_row *code, struct link_result *result)
{
	struct joining joining = {
		.issuer_id = code->account_id,
		.redeemer_id = actor->member.account.id,
		.issuer_identity_id = code->identity_id,
		.redeemer_identity_id = actor->identity->id,
		.issuer_bot = code->bot,
	};
	struct sides sides = {0};
	enum status status = code_use(tx, code);

	if (status == CONFLICT) {
		result->outcome = LINK_USED;
		return OK;
	}
	if (status == OK) {
		status = lock_sides(tx, &joining, &sides);
	}
	if (status == OK) {
		/* It was read before the locks: a separation or a newer code may have ended it since. */
		status = code_is_named(tx, code->code_hash);
		status = status == NOT_FOUND ? RETRY : status;
	}
	if (status == OK) {
		status = decide(tx, &joining, &sides);
	}
	if (status == OK) {
		status = carry_out(tx, &joining, &sides, actor_of(tx, actor), result);
	}
	if (status != OK) {
		return status;
	}
	if (result->outcome != LINK_LINKED && result->outcome != LINK_NEEDS_CONFIRMATION) {
		return code_unuse(tx, code);
	}
	result->used_code_hash = code->code_hash;
	result->used_token_hash = code->token_hash;
	return code_drop(tx, code->account_id);
}

enum status linking_redeem(struct tx *tx, const struct contact *actor, const struct link_attempt *attempt, struct link_result *ret_result)
{
	struct link_result result = {.outcome = attempt->refusal, .wait_us = attempt->wait_us};
	struct code_row code = {0};
	enum status status = OK;

	if (result.outcome != LINK_OUTCOME_UNSET) {
		*ret_result = result;
		return OK;
	}
	status = code_find(tx, attempt->hash, &code);
	if (status == OK && attempt->known && code.expires_at > tx->ctx->now) {
		status = redeem_code(tx, actor, &code, &result);
	} else if (status == OK || status == NOT_FOUND) {
		status = code_is_used(tx, attempt->hash);
		result.outcome = status == OK ? LINK_USED : LINK_UNKNOWN;
		status = status == NOT_FOUND ? OK : status;
	}
	if (status == OK) {
		*ret_result = result;
	}
	return status;
}

static enum link_answer check_question(const struct confirmation *question, const struct contact *actor, int64_t now)
{
	if (question->redeemer_identity_id != actor->identity->id) {
		return LINK_ANSWER_FOREIGN;
	}
	if (str_present(question->answer)) {
		return LINK_ANSWER_BEFORE;
	}
	return question->expires_at <= now ? LINK_ANSWER_EXPIRED : LINK_ANSWER_UNSET;
}

/* Whether somebody came to a side after it was shown, or who stood for it came to another account. */
static bool has_changed(const struct member *side, int64_t identity_id, int64_t since)
{
	bool changed = member_identity_by_id(side, identity_id) == NULL;

	for (size_t i = 0; i < side->identity_count; i++) {
		changed = changed || side->identities[i].attached_at > since;
	}
	return changed;
}

/* result->outcome stays unset when the sides are not those that were shown. */
static enum status accept_question(struct tx *tx, const struct contact *actor, const struct confirmation *question,
                                   struct link_result *result)
{
	struct joining joining = {
		.redeemer_id = actor->member.account.id,
		.issuer_identity_id = question->issuer_identity_id,
		.redeemer_identity_id = actor->identity->id,
		.issuer_bot = question->issuer_bot,
		.confirmed = true,
	};
	struct sides sides = {0};
	enum status status = identity_account_now(tx, question->issuer_identity_id, &joining.issuer_id);

	if (status == OK) {
		status = lock_sides(tx, &joining, &sides);
	}
	if (status == OK && (has_changed(&sides.issuer, question->issuer_identity_id, question->created_at) ||
	                     has_changed(&sides.redeemer, question->redeemer_identity_id, question->created_at))) {
		return OK;
	}
	if (status == OK) {
		status = decide(tx, &joining, &sides);
	}
	return status != OK ? status : carry_out(tx, &joining, &sides, actor_of(tx, actor), result);
}

/* What a yes came to. */
static const enum link_answer answer_of[LINK_OUTCOME_COUNT] = {
	[LINK_OUTCOME_UNSET] = LINK_ANSWER_CHANGED,
	[LINK_LINKED] = LINK_ANSWER_LINKED,
	[LINK_REFUSED_OWN] = LINK_ANSWER_REFUSED,
	[LINK_REFUSED_PLATFORM] = LINK_ANSWER_REFUSED,
	[LINK_REFUSED_RECENT] = LINK_ANSWER_REFUSED,
	[LINK_REFUSED_MERGES] = LINK_ANSWER_REFUSED,
};

enum status linking_answer(struct tx *tx, const struct contact *actor, struct str token, bool accept, enum link_answer *ret_answer,
                           struct link_result *ret_result)
{
	struct confirmation question = {0};
	struct link_result result = {0};
	enum link_answer answer = LINK_ANSWER_DECLINED;
	enum status status = confirmation_take(tx, token, &question);

	if (status == NOT_FOUND) {
		*ret_answer = LINK_ANSWER_FOREIGN;
		return OK;
	}
	if (status != OK) {
		return status;
	}
	if (check_question(&question, actor, tx->ctx->now) != LINK_ANSWER_UNSET) {
		*ret_answer = check_question(&question, actor, tx->ctx->now);
		return OK;
	}
	status = confirmation_answer(tx, token, accept);
	if (status == OK && accept) {
		status = accept_question(tx, actor, &question, &result);
		answer = answer_of[result.outcome];
	}
	if (status == OK) {
		*ret_answer = answer;
		*ret_result = result;
	}
	return status;
}

enum status linking_merge_by_staff(struct tx *tx, int64_t a, int64_t b, struct str by, struct link_result *ret_result)
{
	struct joining joining = {.issuer_id = a, .redeemer_id = b, .confirmed = true, .by_staff = true};
	struct sides sides = {0};
	struct link_result result = {0};
	enum status status = lock_sides(tx, &joining, &sides);

	if (status == OK) {
		status = decide(tx, &joining, &sides);
	}
	if (status == OK) {
		status = carry_out(tx, &joining, &sides, by, &result);
	}
	if (status == OK) {
		*ret_result = result;
	}
	return status;
}
