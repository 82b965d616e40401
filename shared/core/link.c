#include "core/link.h"

#include <assert.h>

#define CODE_KEPT_BYTES 64

struct str link_code_normalise(struct arena *arena, struct str typed)
{
	struct buf out = buf_init(arena, CODE_KEPT_BYTES);

	for (size_t i = 0; i < typed.len && out.len < CODE_KEPT_BYTES; i++) {
		char byte = typed.ptr[i];

		if (byte == ' ' || byte == '-') {
			continue;
		}
		buf_add_byte(&out, byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte);
	}
	return out.len == 0 ? STR("") : buf_str(&out);
}

bool link_has_history(const struct link_side *side)
{
	return side->member->balance.xp > 0 || side->member->balance.coins > 0 || side->has_other_history;
}

int64_t link_shown_sum(int64_t mine, int64_t theirs)
{
	int64_t sum = 0;

	if (__builtin_add_overflow(mine, theirs, &sum)) {
		return mine < 0 ? INT64_MIN : INT64_MAX;
	}
	return sum;
}

static enum platform shared_platform(const struct member *a, const struct member *b)
{
	for (size_t i = 0; i < a->identity_count; i++) {
		if (member_identity(b, a->identities[i].platform) != NULL) {
			return a->identities[i].platform;
		}
	}
	return PLATFORM_UNSET;
}

/* How long an identity of `mover` must still wait before it may join `other`; 0 = not at all. */
static int64_t relink_wait(const struct member *mover, const struct member *other, int64_t now)
{
	int64_t wait = 0;

	for (size_t i = 0; i < mover->identity_count; i++) {
		const struct identity *identity = &mover->identities[i];
		int64_t left = identity->detached_at + LINK_RELINK_WAIT_US - now;

		if (identity->detached_from != 0 && identity->detached_from != other->account.id && left > wait) {
			wait = left;
		}
	}
	return wait;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct link_decision link_decide(const struct link_side *issuer, const struct link_side *redeemer, int64_t now, bool confirmed,
                                 bool by_staff)
{
	struct link_decision decision = {.verdict = LINK_JOIN};
	bool redeemer_history = link_has_history(redeemer);

	if (issuer->member->account.id == redeemer->member->account.id) {
		decision.verdict = LINK_OWN;
		return decision;
	}
	decision.platform = shared_platform(issuer->member, redeemer->member);
	if (decision.platform != PLATFORM_UNSET) {
		decision.verdict = LINK_SAME_PLATFORM;
		return decision;
	}
	decision.wait_us = larger(relink_wait(issuer->member, redeemer->member, now), relink_wait(redeemer->member, issuer->member, now));
	if (decision.wait_us > 0 && !by_staff) {
		decision.verdict = LINK_RECENTLY_UNLINKED;
		return decision;
	}
	decision.issuer_survives = account_older(&issuer->member->account, &redeemer->member->account);
	decision.histories = (link_has_history(issuer) ? 1 : 0) + (redeemer_history ? 1 : 0);
	if (decision.histories == 2 && !by_staff && larger(issuer->recent_merges, redeemer->recent_merges) >= LINK_MERGES_MAX) {
		decision.verdict = LINK_TOO_MANY_MERGES;
		return decision;
	}
	if (redeemer_history && !confirmed && !by_staff) {
		decision.verdict = LINK_CONFIRM;
	}
	return decision;
}

static bool moved(const struct link_merge *merge, int64_t identity_id)
{
	for (size_t i = 0; i < merge->identity_count; i++) {
		if (merge->identity_ids[i] == identity_id) {
			return true;
		}
	}
	return false;
}

/* Came with the issuer: all that moved, if he did; else all that were there before. NULL: not on the account any more. */
static bool on_issuers_side(const struct link_merge *merge, int64_t identity_id, const struct identity *on_holder)
{
	if (merge->issuer_identity_id == 0) {
		return false; /* joined by staff */
	}
	if (moved(merge, merge->issuer_identity_id)) {
		return moved(merge, identity_id);
	}
	return on_holder != NULL && !moved(merge, identity_id) && on_holder->attached_at <= merge->at;
}

static bool is_oldest(const struct link_merge *merge, int64_t identity_id)
{
	return identity_id == merge->survivor_oldest_id || identity_id == merge->loser_oldest_id;
}

static int64_t undo_life(const struct link_merge *merge, int64_t identity_id)
{
	return merge->histories == 2 && is_oldest(merge, identity_id) ? LINK_UNDO_US : LINK_NOT_ME_US;
}

/* UNSET: he may, as far as it depends on him. */
static enum link_undo_verdict check_actor(const struct link_merge *merge, const struct member *holder, int64_t identity_id, int64_t now)
{
	const struct identity *on_holder = member_identity_by_id(holder, identity_id);
	bool issuer = identity_id == merge->issuer_identity_id || on_issuers_side(merge, identity_id, on_holder);

	if (!issuer && !(merge->histories == 2 && is_oldest(merge, identity_id))) {
		return LINK_UNDO_FOREIGN; /* first of all: strangers learn nothing about a joining */
	}
	if (merge->undone_at != 0) {
		return LINK_UNDO_DONE;
	}
	if (on_holder == NULL) {
		return LINK_UNDO_EMPTY; /* he has left: it is no business of his any more */
	}
	return now - merge->at > undo_life(merge, identity_id) ? LINK_UNDO_LATE : LINK_UNDO_UNSET;
}

enum link_undo_verdict link_undo_decide(const struct link_merge *merge, const struct member *holder, int64_t identity_id, int64_t now)
{
	enum link_undo_verdict verdict = identity_id != 0 ? check_actor(merge, holder, identity_id, now) : LINK_UNDO_UNSET;
	size_t leaving = 0;

	if (verdict != LINK_UNDO_UNSET) {
		return verdict;
	}
	if (merge->undone_at != 0) {
		return LINK_UNDO_DONE;
	}
	for (size_t i = 0; i < holder->identity_count; i++) {
		leaving += moved(merge, holder->identities[i].id) ? 1 : 0;
	}
	/* Nobody is left without an identity: that is erasure's work alone. */
	return leaving > 0 && leaving < holder->identity_count ? LINK_UNDO_ALLOWED : LINK_UNDO_EMPTY;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The number of the period that a sum of `balance` belongs to; those of all time have one. */
static int64_t *period_no(struct balance *balance, enum balance_period period)
{
	switch (period) {
	case BALANCE_SEASON:
		return &balance->season_no;
	case BALANCE_WEEK:
		return &balance->week_no;
	case BALANCE_DAY:
		return &balance->day_no;
	case BALANCE_EVER:
	case BALANCE_UNSET:
	case BALANCE_PERIOD_COUNT:
		break;
	}
	return NULL;
}

static bool same_period(struct balance a, struct balance b, enum balance_period period)
{
	const int64_t *no = period_no(&a, period);

	return no == NULL || *no == *period_no(&b, period);
}

struct balance link_marks(const struct balance *balance)
{
	return (struct balance){
		.last_daily = balance->last_daily,
		.links = balance->links,
		.profile_complete = balance->profile_complete,
		.xp_day_no = balance->xp_day_no,
		.day_message_xp = balance->day_message_xp,
		.day_voice_xp = balance->day_voice_xp,
		.last_message_at = balance->last_message_at,
		.last_text = balance->last_text,
		.voice_session = balance->voice_session,
		.voice_session_xp = balance->voice_session_xp,
		.rank_paid = balance->rank_paid,
	};
}

struct link_runs link_runs_of(const struct balance *balance)
{
	return (struct link_runs){.streak = balance->daily_streak, .last_daily = balance->last_daily, .wins = balance->wins_in_row};
}

/* A streak as it is worth something beside the last /daily of the holder, which both keep: else an old one would live again. */
static int64_t streak_alive(const struct link_runs *runs, const struct balance *holder, int64_t keep_us)
{
	return holder->last_daily - runs->last_daily <= keep_us ? runs->streak : 0;
}

struct balance link_undo_return(const struct link_merge *merge, const struct balance *holder, int64_t keep_us)
{
	const struct balance *brought = &merge->brought;
	struct balance part = link_marks(holder);

	assert(brought->xp >= 0 && brought->coins >= 0);
	if (merge->runs_known) {
		part.daily_streak = streak_alive(&merge->brought_runs, holder, keep_us);
		part.wins_in_row = merge->brought_runs.wins;
	}
	part.xp = smaller(brought->xp, holder->xp);
	part.coins = smaller(brought->coins, holder->coins);
	part.season_no = holder->season_no;
	part.week_no = holder->week_no;
	part.day_no = holder->day_no;
	for (size_t i = 0; i < BALANCE_SUMS; i++) {
		const struct balance_sum *sum = &balance_sums[i];

		if (same_period(*brought, *holder, sum->period)) {
			*balance_sum(&part, sum) = smaller(balance_sum_of(brought, sum), balance_sum_of(holder, sum));
		}
	}
	return part;
}

/* Sums of a period that is over are worth nothing: the account moves on to the later one. */
static void move_on(struct balance *into, const struct balance *from)
{
	struct balance later = *from;

	for (int p = BALANCE_SEASON; p < BALANCE_PERIOD_COUNT; p++) {
		int64_t *no = period_no(into, (enum balance_period)p);
		int64_t wanted = *period_no(&later, (enum balance_period)p);

		if (wanted <= *no) {
			continue;
		}
		*no = wanted;
		for (size_t i = 0; i < BALANCE_SUMS; i++) {
			if ((int)balance_sums[i].period == p) {
				*balance_sum(into, &balance_sums[i]) = 0;
			}
		}
		if (p == BALANCE_WEEK) {
			into->week_wins_in_row = 0;
			into->week_wins_best = 0;
		}
	}
}

/* Runs cannot be added: the longer one stays. */
static void join_runs(struct balance *into, const struct balance *from)
{
	into->wins_in_row = larger(into->wins_in_row, from->wins_in_row);
	into->wins_best = larger(into->wins_best, from->wins_best);
	if (from->week_no == into->week_no) {
		into->week_wins_in_row = larger(into->week_wins_in_row, from->week_wins_in_row);
		into->week_wins_best = larger(into->week_wins_best, from->week_wins_best);
	}
	if (from->last_daily > into->last_daily) {
		into->last_daily = from->last_daily;
		into->daily_streak = from->daily_streak;
	} else if (from->last_daily == into->last_daily) {
		into->daily_streak = larger(into->daily_streak, from->daily_streak);
	}
}

/* What limits or was paid once holds for both sides from now on: no cap is escaped by a merge. */
static void join_marks(struct balance *into, const struct balance *from)
{
	into->links = larger(into->links, from->links);
	into->profile_complete = larger(into->profile_complete, from->profile_complete);
	into->rank_paid = larger(into->rank_paid, from->rank_paid);
	if (from->xp_day_no > into->xp_day_no) {
		into->xp_day_no = from->xp_day_no;
		into->day_message_xp = 0;
		into->day_voice_xp = 0;
	}
	if (from->xp_day_no == into->xp_day_no) {
		into->day_message_xp += from->day_message_xp;
		into->day_voice_xp += from->day_voice_xp;
	}
	if (from->last_message_at > into->last_message_at) {
		into->last_message_at = from->last_message_at;
		into->last_text = from->last_text;
	}
	if (into->voice_session == 0) {
		into->voice_session = from->voice_session;
		into->voice_session_xp = from->voice_session_xp;
	}
}

enum status link_join_sums(struct balance *into, const struct balance *from)
{
	move_on(into, from);
	for (size_t i = 0; i < BALANCE_SUMS; i++) {
		int64_t *sum = balance_sum(into, &balance_sums[i]);

		if (same_period(*into, *from, balance_sums[i].period) &&
		    __builtin_add_overflow(*sum, balance_sum_of(from, &balance_sums[i]), sum)) {
			return OVERFLOWN;
		}
	}
	into->voice_rest += from->voice_rest;
	join_runs(into, from);
	join_marks(into, from);
	return OK;
}

void link_take_sums(struct balance *from, const struct balance *part)
{
	for (size_t i = 0; i < BALANCE_SUMS; i++) {
		*balance_sum(from, &balance_sums[i]) -= balance_sum_of(part, &balance_sums[i]);
	}
}

void link_undo_runs(const struct link_merge *merge, int64_t keep_us, struct balance *holder)
{
	struct balance joined = {.daily_streak = merge->kept_runs.streak, .last_daily = merge->kept_runs.last_daily,
	                         .wins_in_row = merge->kept_runs.wins};
	const struct balance brought = {.daily_streak = merge->brought_runs.streak, .last_daily = merge->brought_runs.last_daily,
	                                .wins_in_row = merge->brought_runs.wins};

	if (!merge->runs_known) {
		return;
	}
	join_runs(&joined, &brought);
	if (holder->daily_streak >= joined.daily_streak) {
		holder->daily_streak += streak_alive(&merge->kept_runs, holder, keep_us) - joined.daily_streak;
	}
	if (holder->wins_in_row >= joined.wins_in_row) {
		holder->wins_in_row += merge->kept_runs.wins - joined.wins_in_row;
	}
}

enum unlink_verdict unlink_decide(const struct member *member, int64_t identity_id, bool by_staff, const struct identity **ret_leaving)
{
	const struct identity *chosen = NULL;

	if (member->identity_count < 2) {
		return UNLINK_NOT_LINKED;
	}
	if (identity_id == 0) {
		if (member->identity_count > 2) {
			return UNLINK_ASK;
		}
		*ret_leaving = &member->identities[1];
		return UNLINK_ALLOWED;
	}
	chosen = member_identity_by_id(member, identity_id);
	if (chosen == NULL) {
		return UNLINK_FOREIGN;
	}
	if (chosen == &member->identities[0] && !by_staff) {
		return UNLINK_OLDEST;
	}
	*ret_leaving = chosen;
	return UNLINK_ALLOWED;
}
