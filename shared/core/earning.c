/* What one event does to an account: counters, and the XP that activity earns. */
#include <assert.h>

#include "core/economy.h"

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t number_of(const struct event *event, size_t field)
{
	return event->values[field].present ? event->values[field].number : 0;
}

/* The caps of a day go by the events' own time; what arrives late counts for the later day that has begun, so no cap is escaped. */
static void begin_day_of_caps(struct balance *balance, int64_t at)
{
	int64_t day = counter_day(at);

	if (day > balance->xp_day_no) {
		balance->xp_day_no = day;
		balance->day_message_xp = 0;
		balance->day_voice_xp = 0;
	}
}

/* What is left of a cap; marks of two accounts may have joined to more than it. */
static int64_t left(int64_t cap, int64_t used)
{
	return cap > used ? cap - used : 0;
}

static int64_t xp_of_length(const struct economy *economy, int64_t length)
{
	int64_t xp = 0;

	for (size_t i = 0; i < economy->length_count && economy->lengths[i].length <= length; i++) {
		xp = economy->lengths[i].xp;
	}
	return xp;
}

static enum status apply_message(const struct economy_turn *turn, const struct event *event)
{
	const struct economy_rates *rates = &turn->economy->rates;
	struct balance *balance = &turn->account->balance;
	int64_t text = number_of(event, EVENT_MESSAGE_TEXT);
	bool repeated = text != 0 && text == balance->last_text;
	int64_t percent = event->values[EVENT_MESSAGE_MULTIPLIER].present ? event->values[EVENT_MESSAGE_MULTIPLIER].number : 100;
	int64_t xp = xp_of_length(turn->economy, number_of(event, EVENT_MESSAGE_LENGTH)) * percent / 100;

	if (__builtin_add_overflow(balance->messages_sent, 1, &balance->messages_sent)) {
		return OVERFLOWN;
	}
	balance->last_text = text != 0 ? text : balance->last_text;
	if (!event_pays(event) || repeated || (balance->last_message_at != 0 && event->at < balance->last_message_at + rates->message_gap_us)) {
		return OK;
	}
	begin_day_of_caps(balance, event->at);
	xp = smaller(xp, left(rates->message_xp_day, balance->day_message_xp));
	if (xp == 0) {
		return OK;
	}
	balance->day_message_xp += xp;
	balance->last_message_at = event->at;
	return economy_post(turn, LEDGER_MESSAGE_SENT, xp, 0, STR_ABSENT);
}

/* XP that the session has brought already: a session in parts is known by its name. */
static int64_t *session_xp(struct balance *balance, const struct event *event, int64_t *fresh)
{
	int64_t session = 0;

	if (!event->values[EVENT_VOICE_SESSION].present) {
		return fresh;
	}
	session = event_text_number(event->values[EVENT_VOICE_SESSION].text);
	if (session != balance->voice_session) {
		balance->voice_session = session;
		balance->voice_session_xp = 0;
	}
	return &balance->voice_session_xp;
}

static enum status apply_voice(const struct economy_turn *turn, const struct event *event)
{
	const struct economy_rates *rates = &turn->economy->rates;
	struct balance *balance = &turn->account->balance;
	int64_t alone = number_of(event, EVENT_VOICE_MUTED) + number_of(event, EVENT_VOICE_ALONE);
	int64_t heard = left(number_of(event, EVENT_VOICE_SECONDS), alone);
	int64_t fresh = 0;
	int64_t *brought = NULL;
	int64_t xp = 0;

	if (__builtin_add_overflow(balance->voice_seconds, heard, &balance->voice_seconds)) {
		return OVERFLOWN;
	}
	if (!event_pays(event)) {
		return OK;
	}
	balance->voice_rest += heard;
	xp = balance->voice_rest / rates->voice_step;
	balance->voice_rest %= rates->voice_step;
	begin_day_of_caps(balance, event->at);
	brought = session_xp(balance, event, &fresh);
	xp = smaller(xp, left(rates->voice_xp_session, *brought));
	xp = smaller(xp, left(rates->voice_xp_day, balance->day_voice_xp));
	if (xp == 0) {
		return OK;
	}
	*brought += xp;
	balance->day_voice_xp += xp;
	return economy_post(turn, LEDGER_VOICE_TIME, xp, 0, STR_ABSENT);
}

static enum status apply_game(const struct economy_turn *turn, const struct event *event)
{
	struct balance *balance = &turn->account->balance;
	int64_t won = number_of(event, EVENT_GAME_WON);

	/* No more games are won than played, so only this sum can overflow. */
	if (__builtin_add_overflow(balance->games_played, 1, &balance->games_played)) {
		return OVERFLOWN;
	}
	balance->games_won += won;
	balance->day_games_played++;
	balance->day_games_won += won;
	balance->week_games_played++;
	balance->week_games_won += won;
	balance->wins_in_row = won != 0 ? balance->wins_in_row + 1 : 0;
	balance->week_wins_in_row = won != 0 ? balance->week_wins_in_row + 1 : 0;
	balance->wins_best = balance->wins_in_row > balance->wins_best ? balance->wins_in_row : balance->wins_best;
	balance->week_wins_best = balance->week_wins_in_row > balance->week_wins_best ? balance->week_wins_in_row : balance->week_wins_best;
	return OK;
}

static enum status apply_event(const struct economy_turn *turn, const struct event *event)
{
	switch (event->type) {
	case EVENT_XP_CHANGE:
		return economy_post(turn, LEDGER_XP_CHANGE, event->values[EVENT_CHANGE_AMOUNT].number, 0, event->values[EVENT_CHANGE_REASON].text);
	case EVENT_COINS_CHANGE:
		return economy_post(turn, LEDGER_COINS_CHANGE, 0, event->values[EVENT_CHANGE_AMOUNT].number,
		                    event->values[EVENT_CHANGE_REASON].text);
	case EVENT_MESSAGE_SENT:
		return apply_message(turn, event);
	case EVENT_VOICE_TIME:
		return apply_voice(turn, event);
	case EVENT_GAME_PLAYED:
		return apply_game(turn, event);
	case EVENT_ACHIEVEMENT_UNLOCK:
		return economy_grant(turn, economy_badge_by_code(turn->economy, event->values[EVENT_BADGE_CODE].text));
	case EVENT_UNSET:
	case EVENT_TYPE_COUNT:
		break;
	}
	assert(false);
	return INTERNAL;
}

enum status economy_apply(const struct economy_turn *turn, const struct event *event, struct str *ret_rejected)
{
	struct economy_account account = *turn->account;
	struct economy_effects effects = *turn->effects;
	enum status status = OK;

	if (event->type == EVENT_ACHIEVEMENT_UNLOCK &&
	    economy_badge_by_code(turn->economy, event->values[EVENT_BADGE_CODE].text) == SIZE_MAX) {
		*ret_rejected = STR("badge-unknown");
		return OK;
	}
	economy_begin_periods(&turn->account->balance, &turn->running);
	status = apply_event(turn, event);
	if (status == OK && event_pays(event)) {
		status = economy_settle(turn);
	}
	if (status == OK) {
		*ret_rejected = STR_ABSENT;
		return OK;
	}
	*turn->account = account;
	*turn->effects = effects;
	if (status == INSUFFICIENT || status == OVERFLOWN) {
		*ret_rejected = status == INSUFFICIENT ? STR("insufficient") : STR("overflow");
		return OK;
	}
	return status;
}
