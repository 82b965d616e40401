/* trivet badge list|new|grant: what people can earn, and what staff give them. */
#include "base/parse.h"
#include "core/economy.h"
#include "core/event.h"
#include "ctl.h"
#include "service/badges.h"
#include "service/catalogue.h"
#include "service/operator.h"

#define CODE_MAX 40
#define NAME_MAX_POINTS 64
#define ABOUT_MAX_POINTS 255 /* a line for people, as reasons are */
#define REWARD_MAX 1000000
#define AT_LEAST_MAX INT64_C(1000000000000)

/* What a counter counts, as the list says it. */
static const char *const counted[COUNTER_COUNT] = {
	[COUNTER_XP] = "XP",
	[COUNTER_COINS] = "coins",
	[COUNTER_MESSAGES_SENT] = "messages sent",
	[COUNTER_VOICE_SECONDS] = "seconds of voice",
	[COUNTER_GAMES_PLAYED] = "games played",
	[COUNTER_GAMES_WON] = "games won",
	[COUNTER_WINS_BEST] = "wins in a row",
	[COUNTER_ACHIEVEMENTS] = "badges held",
	[COUNTER_DAILIES] = "daily rewards taken",
	[COUNTER_DAILY_STREAK] = "days in a row with a daily reward",
	[COUNTER_TICKETS_OPENED] = "tickets opened",
	[COUNTER_PROMOS_USED] = "promo codes used",
	[COUNTER_REFERRALS] = "people invited who qualified",
	[COUNTER_LINKS] = "platforms linked",
	[COUNTER_PROFILE_COMPLETE] = "profile complete",
};

static struct str earned_words(struct ctl *ctl, struct str counter, int64_t at_least)
{
	if (!str_present(counter)) {
		return STR("granted by staff, a season or a bot");
	}
	const char *known = counted[counter_from_name(counter)];
	struct str what = known != NULL ? str_from_z(known) : counter;

	return str_printf(ctl->ctx.arena, STR_FMT ": at least %lld", STR_ARG(what), (long long)at_least);
}

/* ---- list ---------------------------------------------------------------------------------------------------------------------- */

enum { COLUMN_COUNTER = 5, COLUMN_AT_LEAST };

static const struct ctl_column list_columns[] = {
	{"code", CTL_TEXT},
	{"name_en", CTL_TEXT},
	{"name_ru", CTL_TEXT},
	{"about_en", CTL_TEXT},
	{"about_ru", CTL_TEXT},
	[COLUMN_COUNTER] = {"counter", CTL_TEXT},
	[COLUMN_AT_LEAST] = {"at_least", CTL_NUMBER},
	{"xp", CTL_NUMBER},
	{"coins", CTL_NUMBER},
	{"held", CTL_NUMBER},
	{NULL, CTL_KIND_UNSET},
};

enum ctl_exit run_badge_list(struct ctl *ctl)
{
	static const char *const shown[] = {"code", "name_en", "name_ru", "earned", "xp", "coins", "held", NULL};
	struct pg_params none = pg_params(ctl->ctx.arena);
	struct pg_rows *rows = NULL;
	struct json *list = json_array();
	enum status status = operator_report(&ctl->ctx, SQL_OPERATOR_BADGE_LIST, &none, &rows);

	for (int row = 0; status == OK && row < pg_row_count(rows); row++) {
		struct str earned = earned_words(ctl, pg_str(rows, row, COLUMN_COUNTER), pg_i64(rows, row, COLUMN_AT_LEAST));

		list = json_append(list, json_set_str(ctl_row(ctl, rows, row, list_columns), "earned", earned));
	}
	return status == OK ? ctl_list(ctl, shown, list) : ctl_status(ctl, "the badges", status);
}

/* ---- new ----------------------------------------------------------------------------------------------------------------------- */

struct draft {
	struct str code;
	struct str name_en;
	struct str name_ru;
	struct str about_en;
	struct str about_ru;
	enum counter counter; /* UNSET: granted */
	int64_t at_least;
	int64_t xp;
	int64_t coins;
};

static bool is_code(struct str code)
{
	for (size_t i = 0; i < code.len; i++) {
		char c = code.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_') {
			return false;
		}
	}
	return code.len >= 1 && code.len <= CODE_MAX;
}

static enum ctl_exit take_text(struct ctl *ctl, const char *option, int64_t max, struct str *ret_text)
{
	const struct event_field field = {.name = option, .kind = EVENT_FIELD_TEXT, .required = true, .min = 1, .max = max};
	struct str text = str_trim(ctl_value(ctl, option));
	struct str detail = STR("is missing: people read every badge in both languages");

	if (!str_present(text) || event_value_check(ctl->ctx.arena, &field, &(struct event_value){.present = true, .text = text}, &detail) != OK) {
		return ctl_misused(ctl, "%s: " STR_FMT, option, STR_ARG(detail));
	}
	*ret_text = text;
	return CTL_DONE;
}

static enum ctl_exit take_texts(struct ctl *ctl, struct draft *draft)
{
	enum ctl_exit taken = take_text(ctl, "--name-en", NAME_MAX_POINTS, &draft->name_en);

	taken = taken == CTL_DONE ? take_text(ctl, "--name-ru", NAME_MAX_POINTS, &draft->name_ru) : taken;
	taken = taken == CTL_DONE ? take_text(ctl, "--about-en", ABOUT_MAX_POINTS, &draft->about_en) : taken;
	return taken == CTL_DONE ? take_text(ctl, "--about-ru", ABOUT_MAX_POINTS, &draft->about_ru) : taken;
}

/* 0 when it was not given. */
static enum ctl_exit take_reward(struct ctl *ctl, const char *option, int64_t *ret_reward)
{
	struct str text = ctl_value(ctl, option);

	if (str_present(text) && parse_i64(text, 0, REWARD_MAX, ret_reward) != OK) {
		return ctl_misused(ctl, "%s is a whole number from 0 to %d: a badge takes nothing away", option, REWARD_MAX);
	}
	return CTL_DONE;
}

static struct str known_counters(struct arena *arena)
{
	struct buf names = buf_init(arena, 512);

	for (int c = COUNTER_UNSET + 1; c < COUNTER_COUNT; c++) {
		buf_add(&names, c > COUNTER_UNSET + 1 ? STR(", ") : STR(""));
		buf_add(&names, counter_name((enum counter)c));
	}
	return buf_str(&names);
}

/* "games_won >= 10", with or without the blanks. */
static enum ctl_exit take_condition(struct ctl *ctl, struct draft *draft)
{
	struct str text = ctl_value(ctl, "--when");
	size_t at = str_find(text, '>');

	if (!str_present(text)) {
		return CTL_DONE;
	}
	if (at == SIZE_MAX || !str_starts(str_cut(text, at, text.len), STR(">="))) {
		return ctl_misused(ctl, "--when is COUNTER >= N, as in \"games_won >= 10\"");
	}
	struct str name = str_trim(str_cut(text, 0, at));
	struct str number = str_trim(str_cut(text, at + 2, text.len));

	draft->counter = counter_from_name(name);
	if (draft->counter == COUNTER_UNSET) {
		return ctl_misused(ctl, "--when: there is no counter \"" STR_FMT "\"; known are " STR_FMT, STR_ARG(name),
		                   STR_ARG(known_counters(ctl->ctx.arena)));
	}
	if (parse_i64(number, 1, AT_LEAST_MAX, &draft->at_least) != OK) {
		return ctl_misused(ctl, "--when: \"" STR_FMT "\" is no whole number from 1 to %lld", STR_ARG(number), (long long)AT_LEAST_MAX);
	}
	return CTL_DONE;
}

static enum ctl_exit take_draft(struct ctl *ctl, struct draft *draft)
{
	draft->code = ctl->words[0];
	if (!is_code(draft->code)) {
		return ctl_misused(ctl, "a code is 1 to %d of a to z, 0 to 9 and _", CODE_MAX);
	}
	enum ctl_exit taken = take_texts(ctl, draft);

	taken = taken == CTL_DONE ? take_reward(ctl, "--xp", &draft->xp) : taken;
	taken = taken == CTL_DONE ? take_reward(ctl, "--coins", &draft->coins) : taken;
	return taken == CTL_DONE ? take_condition(ctl, draft) : taken;
}

static struct pg_params draft_params(struct ctl *ctl, const struct draft *draft)
{
	struct pg_params params = pg_params(ctl->ctx.arena);

	pg_add_str(&params, draft->code);
	pg_add_str(&params, draft->name_en);
	pg_add_str(&params, draft->name_ru);
	pg_add_str(&params, draft->about_en);
	pg_add_str(&params, draft->about_ru);
	pg_add_str(&params, draft->counter != COUNTER_UNSET ? counter_name(draft->counter) : STR_ABSENT);
	pg_add_i64(&params, draft->at_least);
	pg_add_i64(&params, draft->xp);
	pg_add_i64(&params, draft->coins);
	pg_add_i64(&params, ECONOMY_BADGES_MAX);
	return params;
}

static struct str draft_json(struct ctl *ctl, const struct draft *draft)
{
	struct json *json = json_set_str(json_object(), "code", draft->code);

	json = json_set_i64(json_set_i64(json, "xp", draft->xp), "coins", draft->coins);
	if (draft->counter != COUNTER_UNSET) {
		json = json_set_i64(json_set_str(json, "counter", counter_name(draft->counter)), "at_least", draft->at_least);
	}
	return json_write(ctl->ctx.arena, json);
}

static enum ctl_exit tell_new(struct ctl *ctl, const struct draft *draft)
{
	int seconds = (int)(CATALOGUE_FRESH_US / SECOND_US);

	if (draft->counter == COUNTER_UNSET) {
		return ctl_done(ctl, "made; running programs know " STR_FMT " within %d seconds. To give it: trivet badge grant " STR_FMT " WHO",
		                STR_ARG(draft->code), seconds, STR_ARG(draft->code));
	}
	struct str earned = earned_words(ctl, counter_name(draft->counter), draft->at_least);

	return ctl_done(ctl, "made; running programs know " STR_FMT " within %d seconds. Earned by " STR_FMT
	                "; who has as many already gets it with what he does next", STR_ARG(draft->code), seconds, STR_ARG(earned));
}

enum ctl_exit run_badge_new(struct ctl *ctl)
{
	struct draft draft = {0};
	enum ctl_exit taken = take_draft(ctl, &draft);

	if (taken != CTL_DONE) {
		return taken;
	}
	struct pg_params params = draft_params(ctl, &draft);
	struct operator_change change = {.statement = SQL_OPERATOR_BADGE_NEW, .params = &params, .action = "badge.new",
	                                 .after = draft_json(ctl, &draft)};
	enum status status = operator_change(&ctl->ctx, &change, NULL);

	if (status == CONFLICT) {
		return ctl_fail(ctl, "there is a badge " STR_FMT " already, and it stays as it is: see trivet badge list", STR_ARG(draft.code));
	}
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "there are %d badges, and programs read no more", ECONOMY_BADGES_MAX);
	}
	return status == OK ? tell_new(ctl, &draft) : ctl_status(ctl, "the badge", status);
}

/* ---- grant --------------------------------------------------------------------------------------------------------------------- */

static enum ctl_exit tell_granted(struct ctl *ctl, const struct badge_granted *granted)
{
	struct json *changed = json_set_i64(json_set_i64(json_object(), "xp", granted->xp), "coins", granted->coins);
	struct json *json = json_set_i64(json_set_str(json_object(), "badge", ctl->words[0]), "id", granted->account_id);
	bool held = granted->verdict == BADGE_HELD;
	struct str since = format_rfc3339(ctl->ctx.arena, granted->at);

	if (!ctl->json && held) {
		return ctl_done(ctl, STR_FMT " holds " STR_FMT " already, since " STR_FMT ": nothing has changed", STR_ARG(ctl->words[1]),
		                STR_ARG(ctl->words[0]), STR_ARG(since));
	}
	json = json_set_i64(json_set_i64(json, "xp", granted->xp_after), "coins", granted->coins_after);
	json = json_set_str(json_set(json, "changed", changed), "at", since);
	return ctl_object(ctl, json_set_bool(json, "repeated", held));
}

static enum ctl_exit tell_verdict(struct ctl *ctl, const struct badge_granted *granted)
{
	switch (granted->verdict) {
	case BADGE_GRANTED:
	case BADGE_HELD:
		return tell_granted(ctl, granted);
	case BADGE_UNKNOWN:
		return ctl_fail(ctl, "there is no badge " STR_FMT ": trivet badge list has those that there are", STR_ARG(ctl->words[0]));
	case BADGE_NOBODY:
		return ctl_fail(ctl, STR_FMT " is no living account: see trivet user show", STR_ARG(ctl->words[1]));
	case BADGE_OVERFLOW:
		return ctl_fail(ctl, "a sum of " STR_FMT " would leave 64 bits: see trivet user show", STR_ARG(ctl->words[1]));
	case BADGE_VERDICT_UNSET:
	case BADGE_VERDICT_COUNT:
		break;
	}
	return ctl_status(ctl, "the badge", INTERNAL);
}

enum ctl_exit run_badge_grant(struct ctl *ctl)
{
	struct ctl_whom whom = {0};
	struct badge_granted granted = {0};
	enum ctl_exit found = ctl_whom(ctl, ctl->words[1], false, &whom);

	if (found != CTL_DONE) {
		return found;
	}
	struct badge_order order = {.platform = whom.platform, .platform_id = whom.platform_id, .account_id = whom.account,
	                            .code = ctl->words[0], .source = STR("operator")};
	enum status status = badges_grant(&ctl->ctx, &order, &granted);

	return status == OK ? tell_verdict(ctl, &granted) : ctl_status(ctl, "the badge", status);
}
