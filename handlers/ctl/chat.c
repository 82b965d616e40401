/* trivet chat add|list|ignore|multiply|announce: which chats give activity, and which are told of ranks. */
#include "base/parse.h"
#include "base/utf.h"
#include "ctl.h"
#include "service/operator.h"

#define MULTIPLIER_MAX 1000
#define TITLE_POINTS_MAX 255

static enum ctl_exit take_chat(struct ctl *ctl, struct ctl_person *ret_chat)
{
	if (ctl_person(ctl->words[0], ret_chat) != OK || ret_chat->platform == PLATFORM_WEBSITE) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no chat: write telegram:-1001234567890 or discord:1234567890",
		                   STR_ARG(ctl->words[0]));
	}
	return CTL_DONE;
}

static struct json *chat_json(const struct ctl_person *chat)
{
	struct json *object = json_set_str(json_object(), "platform", platform_name(chat->platform));
	return json_set_id(object, "chat_id", chat->id);
}

static struct pg_params chat_params(struct ctl *ctl, const struct ctl_person *chat)
{
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, platform_name(chat->platform));
	pg_add_i64(&params, chat->id);
	return params;
}

static enum ctl_exit change_chat(struct ctl *ctl, enum sql statement, struct pg_params *params, const char *action, struct json *after,
                                 const char *said)
{
	pg_add_time(params, ctl->ctx.now);
	struct operator_change change = {
		.statement = statement, .params = params, .action = action, .after = json_write(ctl->ctx.arena, after)};
	enum status status = operator_change(&ctl->ctx, &change, NULL);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "the chat " STR_FMT " is not known: trivet chat add it first", STR_ARG(ctl->words[0]));
	}
	return status == OK ? ctl_done(ctl, "the chat " STR_FMT " %s", STR_ARG(ctl->words[0]), said) : ctl_status(ctl, "the chat", status);
}

enum ctl_exit run_chat_add(struct ctl *ctl)
{
	struct ctl_person chat;
	enum ctl_exit taken = take_chat(ctl, &chat);
	if (taken != CTL_DONE) {
		return taken;
	}
	struct str title = ctl_value(ctl, "--title");
	if (str_present(title) && !utf_valid(title)) {
		return ctl_misused(ctl, "the title is not UTF-8");
	}
	struct pg_params params = chat_params(ctl, &chat);
	pg_add_str(&params, str_present(title) ? utf_display(ctl->ctx.arena, title, TITLE_POINTS_MAX) : STR_ABSENT);
	return change_chat(ctl, SQL_OPERATOR_CHAT_ADD, &params, "chat.add", json_set_str(chat_json(&chat), "title", title),
	                   "gives activity from now on");
}

enum ctl_exit run_chat_ignore(struct ctl *ctl)
{
	struct ctl_person chat;
	enum ctl_exit taken = take_chat(ctl, &chat);
	if (taken != CTL_DONE) {
		return taken;
	}
	struct pg_params params = chat_params(ctl, &chat);
	return change_chat(ctl, SQL_OPERATOR_CHAT_IGNORE, &params, "chat.ignore", chat_json(&chat), "gives no activity from now on");
}

enum ctl_exit run_chat_multiply(struct ctl *ctl)
{
	struct ctl_person chat;
	int64_t percent = 0;
	enum ctl_exit taken = take_chat(ctl, &chat);
	if (taken != CTL_DONE) {
		return taken;
	}
	if (parse_i64(ctl->words[1], 0, MULTIPLIER_MAX, &percent) != OK) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is no percentage from 0 to %d", STR_ARG(ctl->words[1]), MULTIPLIER_MAX);
	}
	struct pg_params params = chat_params(ctl, &chat);
	pg_add_i64(&params, percent);
	return change_chat(ctl, SQL_OPERATOR_CHAT_MULTIPLY, &params, "chat.multiply",
	                   json_set_i64(chat_json(&chat), "multiplier", percent), "weighs differently now");
}

enum ctl_exit run_chat_announce(struct ctl *ctl)
{
	struct ctl_person chat;
	struct str language = ctl_value(ctl, "--language");
	bool on = str_eq(ctl->words[1], STR("on"));
	enum ctl_exit taken = take_chat(ctl, &chat);
	if (taken != CTL_DONE) {
		return taken;
	}
	if (chat.platform != PLATFORM_TELEGRAM) {
		return ctl_misused(ctl, "only groups on Telegram are told of ranks");
	}
	if (!on && !str_eq(ctl->words[1], STR("off"))) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is neither on nor off", STR_ARG(ctl->words[1]));
	}
	if (str_present(language) && !str_eq(language, STR("ru")) && !str_eq(language, STR("en"))) {
		return ctl_misused(ctl, "\"" STR_FMT "\" is neither ru nor en", STR_ARG(language));
	}
	struct pg_params params = chat_params(ctl, &chat);
	pg_add_bool(&params, on);
	pg_add_str(&params, language);
	struct json *after = json_set_str(json_set_bool(chat_json(&chat), "announce", on), "language", language);
	return change_chat(ctl, SQL_OPERATOR_CHAT_ANNOUNCE, &params, "chat.announce", after,
	                   on ? "is told of new ranks from now on" : "is told of no ranks from now on");
}

enum ctl_exit run_chat_list(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"platform", CTL_TEXT},     {"chat_id", CTL_TEXT},    {"title", CTL_TEXT},    {"state", CTL_TEXT},
		{"multiplier", CTL_NUMBER}, {"announce", CTL_TRUTH},  {"language", CTL_TEXT}, {"changed_at", CTL_TIME},
		{NULL, CTL_KIND_UNSET},
	};
	struct pg_params none = pg_params(ctl->ctx.arena);
	return ctl_report(ctl, SQL_OPERATOR_CHAT_LIST, &none, columns);
}
