/* /daily, /missions and their buttons */
#include "base/parse.h"
#include "command/handlers.h"
#include "service/daily.h"
#include "service/missions.h"

/* Rows of one page: all that the default catalogue has, and short enough for either platform's message. */
#define MISSIONS_PER_PAGE 20

/* Room that claims leave for the buttons to a page's neighbours. */
#define PAGE_BUTTONS 2

/* Nobody is told to come back a second too early. */
static struct text_arg rounded_up(int64_t us)
{
	return TEXT_DURATION(seconds_to_wait(us));
}

static size_t count_ready(const struct mission_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		count += list->views[i].state == MISSION_READY ? 1 : 0;
	}
	return count;
}

/* ---- /daily ---- */

static void say_daily(struct reply *reply, const struct daily_claimed *claimed, size_t ready)
{
	const struct daily *daily = &claimed->daily;

	if (daily->wait_us > 0) {
		REPLY_SAY(reply, MSG_DAILY_WAIT, rounded_up(daily->wait_us));
		return;
	}
	reply_line(reply, REPLY_TITLE, MSG_DAILY_TITLE, NULL, 0);
	command_say_gain(reply, daily->xp, daily->coins);
	REPLY_SAY(reply, MSG_DAILY_STREAK, TEXT_INT(daily->streak));
	if (claimed->badges > 0) {
		REPLY_SAY(reply, MSG_DAILY_BADGE, TEXT_INT(claimed->badges));
	}
	if (ready > 0) {
		REPLY_SAY(reply, MSG_MISSIONS_WAIT, TEXT_INT((int64_t)ready));
	}
	REPLY_SAY(reply, MSG_DAILY_NEXT, rounded_up(claimed->again_us), rounded_up(claimed->keep_us));
}

/* The update's own key: should it come again when the inbox has forgotten it, the ledger still knows. */
static enum status claim_daily(struct tx *tx, const struct command_work *work, const struct contact *actor, struct daily_claimed *claimed)
{
	struct str key = str_printf(tx->ctx->arena, "daily:" STR_FMT, STR_ARG(work->call->update->key));
	enum status status = contact_lock(tx, actor);

	return status == OK ? daily_claim(tx, actor->member.account.id, key, command_source(work->call), claimed) : status;
}

static enum status come_back(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct daily_claimed claimed = {0};
	struct mission_list list = {0};
	struct reply *reply = reply_new(tx->ctx->arena);
	enum status status = reply != NULL ? claim_daily(tx, work, actor, &claimed) : TOO_LARGE;

	if (status == OVERFLOWN) { /* nothing was written */
		reply_say(reply, MSG_ACCOUNT_FULL, NULL, 0);
		result->reply = reply;
		return OK;
	}
	if (status == OK) {
		status = missions_list(tx, actor->member.account.id, &list);
	}
	if (status == OK) {
		say_daily(reply, &claimed, count_ready(&list));
		result->reply = reply;
	}
	return status;
}

enum status cmd_daily(struct command_call *call, struct reply **ret_reply)
{
	return command_answer_once(call, come_back, NULL, ret_reply);
}

/* ---- /missions ---- */

static struct str icon_of(enum mission_state state)
{
	switch (state) {
	case MISSION_READY:
		return STR("🎁");
	case MISSION_PAID:
		return STR("✅");
	case MISSION_OPEN:
	case MISSION_STATE_UNSET:
	case MISSION_STATE_COUNT:
		break;
	}
	return STR("▫️");
}

static struct text_arg named(const struct mission_view *view)
{
	return TEXT_WORDS(view->mission.name_ru, view->mission.name_en);
}

static void say_mission(struct reply *reply, const struct mission_view *view)
{
	const struct mission *mission = &view->mission;
	bool both = mission->xp != 0 && mission->coins != 0;
	enum message message = both ? MSG_MISSION_BOTH : mission->xp != 0 ? MSG_MISSION_XP : mission->coins != 0 ? MSG_MISSION_COINS
		: MSG_MISSION_PLAIN;
	struct text_arg args[] = {TEXT_STR(icon_of(view->state)), named(view), TEXT_INT(view->progress), TEXT_INT(mission->goal),
	                          TEXT_INT(mission->xp != 0 ? mission->xp : mission->coins), TEXT_INT(mission->coins)};

	reply_say(reply, message, args, both ? 6 : message == MSG_MISSION_PLAIN ? 4 : 5);
}

static void say_period(struct reply *reply, enum balance_period period, int64_t now)
{
	if (period == BALANCE_DAY || period == BALANCE_WEEK) {
		REPLY_SAY(reply, period == BALANCE_DAY ? MSG_MISSIONS_DAY : MSG_MISSIONS_WEEK, rounded_up(mission_ends_at(period, now) - now));
	} else {
		reply_say(reply, MSG_MISSIONS_ONCE, NULL, 0);
	}
}

static void add_claims(struct arena *arena, struct reply *reply, const struct mission_list *list, size_t room)
{
	size_t ready = count_ready(list);

	if (ready > 1) {
		reply_button(reply, MSG_BUTTON_CLAIM_ALL, STR("missions_claim_all"), REPLY_STYLE_PRIMARY);
	}
	for (size_t i = 0; i < list->count && reply->button_count < room; i++) {
		const struct mission_view *view = &list->views[i];

		if (view->state == MISSION_READY) {
			struct str action = str_printf(arena, "mission_claim:%lld:%lld", (long long)view->mission.id, (long long)view->period_no);

			reply_button_about(reply, MSG_BUTTON_CLAIM, named(view), action, ready > 1 ? REPLY_STYLE_UNSET : REPLY_STYLE_PRIMARY);
		}
	}
}

/* A page of the list, from 1; one behind the last is the last. Claims can be made from any page. */
static void say_list(struct ctx *ctx, struct reply *reply, const struct mission_list *list, int64_t wanted)
{
	int64_t pages = ((int64_t)list->count + MISSIONS_PER_PAGE - 1) / MISSIONS_PER_PAGE;
	int64_t page = wanted < pages ? wanted : pages;
	size_t first = page > 0 ? (size_t)(page - 1) * MISSIONS_PER_PAGE : 0;

	reply->private = true;
	reply_line(reply, REPLY_TITLE, MSG_MISSIONS_TITLE, NULL, 0);
	if (list->count == 0) {
		reply_say(reply, MSG_MISSIONS_NONE, NULL, 0);
	}
	for (size_t i = first; i < list->count && i < first + MISSIONS_PER_PAGE; i++) {
		if (i == first || list->views[i].mission.period != list->views[i - 1].mission.period) {
			say_period(reply, list->views[i].mission.period, ctx->now);
		}
		say_mission(reply, &list->views[i]);
	}
	add_claims(ctx->arena, reply, list, pages > 1 ? REPLY_BUTTONS_MAX - PAGE_BUTTONS : REPLY_BUTTONS_MAX);
	command_add_pages(ctx->arena, reply, "missions_page", page, pages);
}

static enum status show_page(struct command_call *call, int64_t page, struct reply **ret_reply)
{
	struct member member = {0};
	struct mission_list list = {0};
	struct reply *reply = reply_new(call->ctx->arena);
	enum status status = command_member(call, &member);

	if (status == OK) {
		status = missions_read(call->ctx, member.account.id, &list);
	}
	if (status != OK || reply == NULL) {
		return status != OK ? status : TOO_LARGE;
	}
	reply->replace = call->update->kind == UPDATE_BUTTON;
	say_list(call->ctx, reply, &list, page);
	*ret_reply = reply;
	return OK;
}

enum status cmd_missions(struct command_call *call, struct reply **ret_reply)
{
	return show_page(call, 1, ret_reply);
}

enum status cmd_missions_page(struct command_call *call, struct reply **ret_reply)
{
	int64_t page = 1;

	if (parse_i64(call->action_argument, 1, ECONOMY_MISSIONS_MAX, &page) != OK) {
		*ret_reply = command_reply(call->ctx, MSG_BUTTON_STALE);
		return *ret_reply != NULL ? OK : TOO_LARGE;
	}
	return show_page(call, page, ret_reply);
}

/* ---- claiming ---- */

static const enum message refusal_words[MISSION_VERDICT_COUNT] = {
	[MISSION_UNKNOWN] = MSG_MISSION_UNKNOWN,
	[MISSION_NOT_REACHED] = MSG_MISSION_NOT_REACHED,
	[MISSION_BEFORE] = MSG_MISSION_BEFORE,
	[MISSION_OVER] = MSG_MISSION_OVER,
	[MISSION_NOTHING] = MSG_MISSION_NOTHING,
	[MISSION_FULL] = MSG_ACCOUNT_FULL,
};

/* What came of it, above the list as it is now. */
static struct reply *claimed_reply(struct ctx *ctx, const struct mission_claimed *claimed)
{
	struct reply *reply = reply_new(ctx->arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->replace = true;
	if (claimed->verdict == MISSION_CLAIMABLE) {
		command_say_gain(reply, claimed->xp, claimed->coins);
	} else {
		reply_say(reply, refusal_words[claimed->verdict], NULL, 0);
	}
	say_list(ctx, reply, &claimed->list, 1);
	return reply;
}

static enum status claim(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result)
{
	struct mission_claim *asked = work->arg;
	struct mission_claimed claimed = {0};
	enum status status = contact_lock(tx, actor);

	asked->account_id = actor->member.account.id;
	if (status == OK) {
		status = missions_claim(tx, asked, &claimed);
	}
	if (status != OK) {
		return status;
	}
	result->reply = claimed_reply(tx->ctx, &claimed);
	return result->reply != NULL ? OK : TOO_LARGE;
}

enum status cmd_mission_claim(struct command_call *call, struct reply **ret_reply)
{
	struct mission_claim asked = {.source = command_source(call)};
	struct str rest = call->action_argument;
	struct str id = str_split(&rest, ':');

	if (parse_i64(id, 1, INT64_MAX, &asked.mission_id) != OK || parse_i64(rest, 0, INT64_MAX, &asked.period_no) != OK) {
		*ret_reply = command_reply(call->ctx, MSG_BUTTON_STALE);
		return *ret_reply != NULL ? OK : TOO_LARGE;
	}
	return command_answer_once(call, claim, &asked, ret_reply);
}

enum status cmd_missions_claim_all(struct command_call *call, struct reply **ret_reply)
{
	struct mission_claim asked = {.source = command_source(call)};

	return command_answer_once(call, claim, &asked, ret_reply);
}
