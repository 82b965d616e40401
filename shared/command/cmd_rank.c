/* /rank, /top */
#include "base/utf.h"
#include "command/handlers.h"
#include "service/boards.h"
#include "store/store.h"

/* Who hides is shown his place, and nobody else is (domain.md, Leaderboards). */
static bool may_be_shown(const struct command_call *call, bool hidden)
{
	return !hidden || call->update->place != PLACE_GROUP;
}

/* ---- /rank ---- */

static void say_progress(struct arena *arena, struct reply *reply, const struct profile *profile)
{
	const struct rank *next = profile->next_rank;

	REPLY_SAY(reply, MSG_PROFILE_XP, TEXT_INT(profile->xp));
	if (next == NULL) {
		reply_say(reply, MSG_RANK_HIGHEST, NULL, 0);
		return;
	}
	struct str bar = text_bar(arena, profile->xp - profile->rank->xp, next->xp - profile->rank->xp);

	REPLY_SAY(reply, MSG_RANK_NEXT, TEXT_STR(bar), TEXT_STR(next->name), TEXT_INT(next->xp - profile->xp));
}

/* The boards live in another store: without it all else is still worth reading. */
static void say_place(struct ctx *ctx, struct reply *reply, const struct profile *profile)
{
	const struct board_values values = {.xp = profile->xp, .coins = profile->coins};
	int64_t place = 0;

	if (boards_place(ctx, BOARD_XP, profile->viewer.account_id, &values, &place) == OK) {
		REPLY_SAY(reply, MSG_RANK_PLACE, TEXT_INT(place));
	} else {
		reply_say(reply, MSG_RANK_PLACE_LATER, NULL, 0);
	}
}

enum status cmd_rank(struct command_call *call, struct reply **ret_reply)
{
	struct ctx *ctx = call->ctx;
	struct profile profile = {0};
	enum status status = command_profile(call, &profile);
	struct reply *reply = reply_new(ctx->arena);

	if (status != OK || reply == NULL) {
		return status != OK ? status : TOO_LARGE;
	}
	reply_line(reply, REPLY_TITLE, MSG_RANK_TITLE,
	           (struct text_arg[]){TEXT_STR(command_name(call, profile.display_name)), TEXT_STR(profile.rank->name)}, 2);
	say_progress(ctx->arena, reply, &profile);
	if (may_be_shown(call, profile.hidden)) {
		say_place(ctx, reply, &profile);
	}
	*ret_reply = reply;
	return OK;
}

/* ---- /top ---- */

#define TOP_ROWS 10
#define TOP_NAME_POINTS 32

struct board_words {
	struct str name;
	enum message words;
};

static const struct board_words periods[BOARD_PERIOD_COUNT] = {
	[BOARD_PERIOD_UNSET] = {STR_INIT(""), MESSAGE_NONE},
	[BOARD_ALL] = {STR_INIT("all"), MSG_TOP_ALL},
	[BOARD_SEASON] = {STR_INIT("season"), MSG_TOP_SEASON},
	[BOARD_WEEK] = {STR_INIT("week"), MSG_TOP_WEEK},
};

static const struct board_words sums[BOARD_BY_COUNT] = {
	[BOARD_BY_UNSET] = {STR_INIT(""), MESSAGE_NONE},
	[BOARD_XP] = {STR_INIT("xp"), MSG_TOP_XP},
	[BOARD_COINS] = {STR_INIT("coins"), MSG_TOP_COINS},
};

/* Index of a word from 1 on; 0: none of them. */
static size_t find_words(const struct board_words *words, size_t count, struct str name)
{
	for (size_t i = 1; i < count; i++) {
		if (str_eq_nocase(words[i].name, name)) {
			return i;
		}
	}
	return 0;
}

static void add_board_button(struct arena *arena, struct reply *reply, enum message label, enum board_period period, enum board_by by)
{
	struct str action = str_printf(arena, "top_show:" STR_FMT ":" STR_FMT, STR_ARG(periods[period].name), STR_ARG(sums[by].name));

	reply_button(reply, label, action, REPLY_STYLE_UNSET);
}

/* The other two periods, and the other sum. */
static void add_buttons(struct arena *arena, struct reply *reply, const struct board_wish *wish)
{
	for (int period = BOARD_ALL; period < BOARD_PERIOD_COUNT; period++) {
		if (period != (int)wish->period) {
			add_board_button(arena, reply, periods[period].words, (enum board_period)period, wish->by);
		}
	}
	if (wish->by == BOARD_XP) {
		add_board_button(arena, reply, MSG_BUTTON_TOP_COINS, wish->period, BOARD_COINS);
	} else {
		add_board_button(arena, reply, MSG_BUTTON_TOP_XP, wish->period, BOARD_XP);
	}
}

static void say_item(struct reply *reply, const struct board_item *item)
{
	struct str name = item->name.display_name;

	if (str_empty(name)) {
		REPLY_SAY(reply, MSG_TOP_ROW_NAMELESS, TEXT_INT(item->place), TEXT_INT(item->name.account_id), TEXT_STR(item->name.rank),
		          TEXT_INT(item->value));
	} else {
		REPLY_SAY(reply, MSG_TOP_ROW, TEXT_INT(item->place), TEXT_STR(utf_clip_points(name, TOP_NAME_POINTS)), TEXT_STR(item->name.rank),
		          TEXT_INT(item->value));
	}
}

/* By name: in a group several people press the buttons of one message. */
static void say_me(struct command_call *call, struct reply *reply, const struct member *member, const struct board_item *me)
{
	struct str name = command_name(call, member->account.display_name);

	if (!may_be_shown(call, member->account.hidden)) {
		return;
	}
	reply_line(reply, REPLY_GAP, MESSAGE_NONE, NULL, 0);
	if (me->value > 0) {
		REPLY_SAY(reply, MSG_TOP_ME, TEXT_STR(name), TEXT_INT(me->place), TEXT_INT(me->value));
	} else {
		REPLY_SAY(reply, MSG_TOP_ME_NONE, TEXT_STR(name));
	}
	if (member->account.hidden) {
		reply_say(reply, MSG_TOP_ME_HIDDEN, NULL, 0);
	}
}

static struct reply *top_reply(struct command_call *call, const struct member *member, const struct board_wish *wish,
                               const struct board_page *page)
{
	struct reply *reply = reply_new(call->ctx->arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->replace = call->update->kind == UPDATE_BUTTON;
	reply_line(reply, REPLY_TITLE, MSG_TOP_TITLE,
	           (struct text_arg[]){TEXT_MESSAGE(periods[wish->period].words), TEXT_MESSAGE(sums[wish->by].words)}, 2);
	for (size_t i = 0; i < page->count; i++) {
		say_item(reply, &page->items[i]);
	}
	if (page->count == 0) {
		reply_say(reply, MSG_TOP_EMPTY, NULL, 0);
	}
	say_me(call, reply, member, &page->me);
	add_buttons(call->ctx->arena, reply, wish);
	return reply;
}

static struct reply *later_reply(struct command_call *call)
{
	struct reply *reply = command_reply(call->ctx, MSG_TOP_LATER);

	if (reply != NULL) {
		reply->private = call->update->kind == UPDATE_BUTTON; /* a command was asked in the open; a press has changed nothing for others */
	}
	return reply;
}

/* Read with the member: boards need not ask again. */
static struct board_person known_person(const struct member *member)
{
	const struct balance *balance = &member->balance;

	return (struct board_person){
		.name = {.account_id = member->account.id, .display_name = member->account.display_name},
		.hidden = member->account.hidden,
		.values = {.xp = balance->xp, .coins = balance->coins, .season_no = balance->season_no, .season_xp = balance->season_xp,
		           .season_coins = balance->season_coins, .week_no = balance->week_no, .week_xp = balance->week_xp,
		           .week_coins = balance->week_coins},
	};
}

static enum status show_top(struct command_call *call, enum board_period period, enum board_by by, struct reply **ret_reply)
{
	struct board_page page = {0};
	struct member member = {0};
	enum status status = command_member(call, &member);

	if (status != OK) {
		return status;
	}
	struct board_person known = known_person(&member);
	struct board_wish wish = {.period = period, .by = by, .limit = TOP_ROWS, .platform = call->update->actor.platform,
	                          .platform_id = call->update->actor.platform_id, .known = &known};

	status = boards_read(call->ctx, &wish, &page);
	if (status != OK && status != UNAVAILABLE) {
		return status;
	}
	*ret_reply = status == OK ? top_reply(call, &member, &wish, &page) : later_reply(call);
	return *ret_reply != NULL ? OK : TOO_LARGE;
}

enum status cmd_top(struct command_call *call, struct reply **ret_reply)
{
	struct str board = call->args[0];
	size_t period = str_present(board) ? find_words(periods, BOARD_PERIOD_COUNT, board) : BOARD_ALL;

	return show_top(call, (enum board_period)period, BOARD_XP, ret_reply);
}

enum status cmd_top_show(struct command_call *call, struct reply **ret_reply)
{
	struct str sum = call->action_argument;
	struct str period_name = str_split(&sum, ':');
	size_t period = find_words(periods, BOARD_PERIOD_COUNT, period_name);
	size_t by = find_words(sums, BOARD_BY_COUNT, sum);

	if (period == 0 || by == 0) {
		*ret_reply = command_reply(call->ctx, MSG_BUTTON_STALE);
		return *ret_reply != NULL ? OK : TOO_LARGE;
	}
	return show_top(call, (enum board_period)period, (enum board_by)by, ret_reply);
}
