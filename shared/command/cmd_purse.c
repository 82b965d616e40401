/* /balance, /badges */
#include "base/parse.h"
#include "base/utf.h"
#include "command/handlers.h"
#include "store/store.h"

/* ---- /balance ---- */

#define HISTORY_LINES 8
/* Small sums of one kind in a row make one line, so more rows than lines are read. */
#define HISTORY_ROWS 50
#define REASON_POINTS 40

static const enum message kind_words[LEDGER_KIND_COUNT] = {
	[LEDGER_UNSET] = MSG_KIND_OTHER,
	[LEDGER_XP_CHANGE] = MSG_KIND_XP_CHANGE,
	[LEDGER_COINS_CHANGE] = MSG_KIND_COINS_CHANGE,
	[LEDGER_MESSAGE_SENT] = MSG_KIND_MESSAGE_SENT,
	[LEDGER_VOICE_TIME] = MSG_KIND_VOICE_TIME,
	[LEDGER_RANK_UP] = MSG_KIND_RANK_UP,
	[LEDGER_BADGE] = MSG_KIND_BADGE,
	[LEDGER_MISSION_COMPLETED] = MSG_KIND_MISSION_COMPLETED,
	[LEDGER_DAILY] = MSG_KIND_DAILY,
	[LEDGER_SEASON_REWARD] = MSG_KIND_SEASON_REWARD,
	[LEDGER_PROMO_REDEEMED] = MSG_KIND_PROMO_REDEEMED,
	[LEDGER_REFERRAL_QUALIFIED] = MSG_KIND_REFERRAL_QUALIFIED,
	[LEDGER_PAYMENT] = MSG_KIND_PAYMENT,
	[LEDGER_ADJUST] = MSG_KIND_ADJUST,
	[LEDGER_IMPORT] = MSG_KIND_IMPORT,
	[LEDGER_MERGE] = MSG_KIND_MERGE,
	[LEDGER_UNMERGE] = MSG_KIND_UNMERGE,
};

/* Kinds whose reason is words for the person: a program's or staff's own, or a rank's name. Of the others it is a code of ours. */
static bool reason_is_words(enum ledger_kind kind)
{
	return kind == LEDGER_XP_CHANGE || kind == LEDGER_COINS_CHANGE || kind == LEDGER_ADJUST || kind == LEDGER_RANK_UP;
}

static bool is_activity(enum ledger_kind kind)
{
	return kind == LEDGER_MESSAGE_SENT || kind == LEDGER_VOICE_TIME;
}

struct history_arg {
	const struct person *actor;
	struct history history;
};

static enum status read_history(struct tx *tx, void *arg)
{
	struct history_arg *a = arg;

	return history_read(tx, a->actor->platform, a->actor->platform_id, HISTORY_ROWS, &a->history);
}

/* What it was about: a badge's or mission's name, or the reason; UNSET: nothing. */
static struct text_arg about(struct arena *arena, const struct history_row *row)
{
	struct text_arg nothing = {0};

	if (str_present(row->name_en)) {
		return TEXT_WORDS(row->name_ru, row->name_en);
	}
	if (!reason_is_words(row->kind) || str_empty(row->reason)) {
		return nothing;
	}
	struct str reason = utf_display(arena, row->reason, REASON_POINTS);

	return str_empty(reason) ? nothing : TEXT_STR(reason);
}

static enum message history_message(const struct history_row *row, bool named)
{
	static const enum message words[2][2][2] = {/* named, with XP, with coins; a row without either is not written */
		{{MSG_HISTORY_BOTH, MSG_HISTORY_COINS}, {MSG_HISTORY_XP, MSG_HISTORY_BOTH}},
		{{MSG_HISTORY_BOTH_OF, MSG_HISTORY_COINS_OF}, {MSG_HISTORY_XP_OF, MSG_HISTORY_BOTH_OF}},
	};

	return words[named][row->xp != 0][row->coins != 0];
}

static void say_history_row(struct arena *arena, struct reply *reply, const struct history_row *row)
{
	struct text_arg of = about(arena, row);

	REPLY_SAY(reply, history_message(row, of.kind != TEXT_ARG_UNSET), TEXT_DATE(row->at), TEXT_MESSAGE(kind_words[row->kind]), of,
	          TEXT_SIGNED(row->xp), TEXT_SIGNED(row->coins));
}

/* Takes the row at *at and those behind it that belong to the same line. */
static struct history_row next_line(const struct history *history, size_t *at)
{
	struct history_row line = history->rows[(*at)++];

	while (*at < history->count && is_activity(line.kind) && history->rows[*at].kind == line.kind &&
	       history->rows[*at].at / DAY_US == line.at / DAY_US) {
		line.xp += history->rows[*at].xp; /* few, each of a message's or a session's size: far from overflow */
		line.coins += history->rows[*at].coins;
		(*at)++;
	}
	return line;
}

static void say_history(struct arena *arena, struct reply *reply, const struct history *history)
{
	size_t at = 0;

	reply_line(reply, REPLY_GAP, MESSAGE_NONE, NULL, 0);
	if (history->count == 0) {
		reply_say(reply, MSG_BALANCE_NOTHING, NULL, 0);
		return;
	}
	reply_say(reply, MSG_BALANCE_LAST, NULL, 0);
	for (int lines = 0; lines < HISTORY_LINES && at < history->count; lines++) {
		struct history_row line = next_line(history, &at);

		say_history_row(arena, reply, &line);
	}
}

enum status cmd_balance(struct command_call *call, struct reply **ret_reply)
{
	struct arena *arena = call->ctx->arena;
	struct history_arg arg = {.actor = &call->update->actor};
	enum status status = command_read(call, read_history, &arg, &arg.history.viewer);
	struct reply *reply = reply_new(arena);

	if (status != OK || reply == NULL) {
		return status != OK ? status : TOO_LARGE;
	}
	reply->private = true;
	REPLY_SAY(reply, MSG_PROFILE_COINS, TEXT_INT(arg.history.coins));
	say_history(arena, reply, &arg.history);
	*ret_reply = reply;
	return OK;
}

/* ---- /badges ---- */

#define BADGES_PER_PAGE 6

struct badges_arg {
	const struct person *actor;
	struct badge_states states;
};

static enum status read_badges(struct tx *tx, void *arg)
{
	struct badges_arg *a = arg;

	return badge_states_read(tx, a->actor->platform, a->actor->platform_id, &a->states);
}

static void say_badge(struct arena *arena, struct reply *reply, const struct badge_state *badge, const struct balance *balance)
{
	struct text_arg name = TEXT_WORDS(badge->name_ru, badge->name_en);
	int64_t done = counter_value(balance, badge->counter, BALANCE_EVER, NULL);

	if (badge->earned_at != 0) {
		REPLY_SAY(reply, MSG_BADGES_HELD, name, TEXT_DATE(badge->earned_at));
	} else if (badge->counter == COUNTER_UNSET) {
		REPLY_SAY(reply, MSG_BADGES_GRANTED, name);
	} else {
		REPLY_SAY(reply, MSG_BADGES_OPEN, name, TEXT_STR(text_bar(arena, done, badge->at_least)),
		          TEXT_INT(done < badge->at_least ? done : badge->at_least), TEXT_INT(badge->at_least));
	}
	REPLY_SAY(reply, MSG_BADGES_ABOUT, TEXT_WORDS(badge->description_ru, badge->description_en));
}

static size_t count_held(const struct badge_states *states)
{
	size_t held = 0;

	while (held < states->count && states->rows[held].earned_at != 0) {
		held++;
	}
	return held;
}

static struct reply *badges_reply(struct command_call *call, const struct badge_states *states, int64_t wanted)
{
	struct arena *arena = call->ctx->arena;
	struct reply *reply = reply_new(arena);
	int64_t pages = ((int64_t)states->count + BADGES_PER_PAGE - 1) / BADGES_PER_PAGE;
	int64_t page = wanted < pages ? wanted : pages; /* staff may have taken some away since */

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	reply->replace = call->update->kind == UPDATE_BUTTON;
	if (states->count == 0) {
		reply_say(reply, MSG_BADGES_NONE, NULL, 0);
		return reply;
	}
	reply_line(reply, REPLY_TITLE, MSG_BADGES_TITLE,
	           (struct text_arg[]){TEXT_INT((int64_t)count_held(states)), TEXT_INT((int64_t)states->count)}, 2);
	for (size_t i = (size_t)(page - 1) * BADGES_PER_PAGE; i < states->count && i < (size_t)page * BADGES_PER_PAGE; i++) {
		say_badge(arena, reply, &states->rows[i], &states->balance);
	}
	command_add_pages(arena, reply, "badges_page", page, pages);
	return reply;
}

static enum status show_badges(struct command_call *call, int64_t page, struct reply **ret_reply)
{
	struct badges_arg arg = {.actor = &call->update->actor};
	enum status status = command_read(call, read_badges, &arg, &arg.states.viewer);

	if (status != OK) {
		return status;
	}
	*ret_reply = badges_reply(call, &arg.states, page);
	return *ret_reply != NULL ? OK : TOO_LARGE;
}

enum status cmd_badges(struct command_call *call, struct reply **ret_reply)
{
	return show_badges(call, 1, ret_reply);
}

enum status cmd_badges_page(struct command_call *call, struct reply **ret_reply)
{
	int64_t page = 1;

	if (parse_i64(call->action_argument, 1, ECONOMY_BADGES_MAX, &page) != OK) {
		*ret_reply = command_reply(call->ctx, MSG_BUTTON_STALE);
		return *ret_reply != NULL ? OK : TOO_LARGE;
	}
	return show_badges(call, page, ret_reply);
}
