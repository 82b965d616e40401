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

struct balance link_undo_return(const struct link_merge *merge, const struct balance *holder)
{
	const struct balance *brought = &merge->brought;
	bool same_season = brought->season_no == holder->season_no;
	bool same_week = brought->week_no == holder->week_no;

	assert(brought->xp >= 0 && brought->coins >= 0);
	return (struct balance){
		.xp = smaller(brought->xp, holder->xp),
		.coins = smaller(brought->coins, holder->coins),
		.season_no = holder->season_no,
		.season_xp = same_season ? smaller(brought->season_xp, holder->season_xp) : 0,
		.season_coins = same_season ? smaller(brought->season_coins, holder->season_coins) : 0,
		.week_no = holder->week_no,
		.week_xp = same_week ? smaller(brought->week_xp, holder->week_xp) : 0,
		.week_coins = same_week ? smaller(brought->week_coins, holder->week_coins) : 0,
		.messages_sent = smaller(brought->messages_sent, holder->messages_sent),
		.voice_seconds = smaller(brought->voice_seconds, holder->voice_seconds),
		.games_played = smaller(brought->games_played, holder->games_played),
		.games_won = smaller(brought->games_won, holder->games_won),
		.achievements = smaller(brought->achievements, holder->achievements),
	};
}

/* One pair of sums of a period: those of an older period are worth nothing now. */
static void join_period(int64_t *no, int64_t *xp, int64_t *coins, int64_t from_no, int64_t from_xp, int64_t from_coins)
{
	if (from_no > *no) {
		*no = from_no;
		*xp = from_xp;
		*coins = from_coins;
	} else if (from_no == *no) {
		*xp += from_xp;
		*coins += from_coins;
	}
}

void link_join_sums(struct balance *into, const struct balance *from)
{
	join_period(&into->season_no, &into->season_xp, &into->season_coins, from->season_no, from->season_xp, from->season_coins);
	join_period(&into->week_no, &into->week_xp, &into->week_coins, from->week_no, from->week_xp, from->week_coins);
	into->messages_sent += from->messages_sent;
	into->voice_seconds += from->voice_seconds;
	into->games_played += from->games_played;
	into->games_won += from->games_won;
	into->achievements += from->achievements;
	if (from->last_daily > into->last_daily) {
		into->last_daily = from->last_daily;
		into->daily_streak = from->daily_streak;
	}
}

void link_take_sums(struct balance *from, const struct balance *part)
{
	from->season_xp -= part->season_xp;
	from->season_coins -= part->season_coins;
	from->week_xp -= part->week_xp;
	from->week_coins -= part->week_coins;
	from->messages_sent -= part->messages_sent;
	from->voice_seconds -= part->voice_seconds;
	from->games_played -= part->games_played;
	from->games_won -= part->games_won;
	from->achievements -= part->achievements;
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
