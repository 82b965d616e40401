/* trivet webhook set|info|delete BOT: where the platforms send what happens. */
#include "ctl.h"
#include "platform/platform.h"

#define HTTP_OK 200
#define DISCORD_PATH STR("/applications/@me")
/* Discord's event_webhooks_status. Source: platforms.md 2.6. */
#define EVENTS_OFF 1
#define EVENTS_ON 2

static bool is_discord(const struct ctl *ctl)
{
	return str_eq(ctl->words[0], STR("discord"));
}

static enum ctl_exit unknown_bot(struct ctl *ctl)
{
	return ctl_fail(ctl, "no bot is named " STR_FMT ": see trivet bot list, or add a section [telegram." STR_FMT "] to the settings",
	                STR_ARG(ctl->words[0]), STR_ARG(ctl->words[0]));
}

/* Telegram takes https on the open network only; a stand-in on plain HTTP takes what it is given. */
static bool url_fits(const struct config *config)
{
	return str_starts(config->base_url, STR("https://")) || str_starts(config->telegram_api_url, STR("http://"));
}

/* The kinds of updates that we read; all else is not even sent to us (platforms.md 1.4). */
static struct json *allowed_updates(void)
{
	static const struct str kinds[] = {STR_INIT("message"), STR_INIT("callback_query"), STR_INIT("my_chat_member")};
	struct json *array = json_array();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		array = json_append(array, json_str(kinds[i]));
	}
	return array;
}

static enum ctl_exit telegram_said(struct ctl *ctl, const struct ctl_answer *answer, const char *done)
{
	bool ok = false;
	if (!answer->answered || json_get_bool(answer->body, "ok", &ok) != OK || !ok) {
		return ctl_fail(ctl, "Telegram: " STR_FMT, STR_ARG(answer->words));
	}
	return ctl_done(ctl, "%s", done);
}

static enum ctl_exit set_telegram(struct ctl *ctl, const struct config_bot *bot)
{
	const struct config *config = ctl->app->config;
	struct arena *arena = ctl->ctx.arena;
	if (!url_fits(config)) {
		return ctl_fail(ctl,
		                "BASE_URL is " STR_FMT
		                ", but Telegram only sends to https://: set BASE_URL to the address that nginx serves",
		                STR_ARG(config->base_url));
	}
	struct json *body = json_set_str(json_object(), "url",
	                                 str_printf(arena, STR_FMT "/telegram/" STR_FMT, STR_ARG(config->base_url), STR_ARG(bot->name)));
	body = json_set_str(body, "secret_token", bot->secret.bytes);
	body = json_set(body, "allowed_updates", allowed_updates());
	struct ctl_answer answer = ctl_telegram(ctl, bot->name, "setWebhook", json_write(arena, body));
	return telegram_said(ctl, &answer, "the webhook is set");
}

static enum ctl_exit discord_said(struct ctl *ctl, const struct ctl_answer *answer, const char *done)
{
	if (answer->status != HTTP_OK) {
		return ctl_fail(ctl,
		                "Discord: " STR_FMT ". It calls the new address before it accepts it: nginx and trivet-discord must "
		                                    "answer there with the right DISCORD_PUBLIC_KEY",
		                STR_ARG(answer->words));
	}
	return ctl_done(ctl, "%s", done);
}

static enum ctl_exit set_discord(struct ctl *ctl)
{
	struct str base = ctl->app->config->base_url;
	struct arena *arena = ctl->ctx.arena;
	struct json *types = json_append(json_array(), json_str(STR("APPLICATION_AUTHORIZED")));
	struct json *body = json_set_str(json_object(), "interactions_endpoint_url",
	                                 str_printf(arena, STR_FMT "/discord/interactions", STR_ARG(base)));
	body = json_set_str(body, "event_webhooks_url", str_printf(arena, STR_FMT "/discord/events", STR_ARG(base)));
	body = json_set_i64(body, "event_webhooks_status", EVENTS_ON);
	body = json_set(body, "event_webhooks_types", json_append(types, json_str(STR("APPLICATION_DEAUTHORIZED"))));
	struct ctl_answer answer = ctl_discord(ctl, "PATCH", DISCORD_PATH, json_write(arena, body));
	return discord_said(ctl, &answer, "the interactions endpoint and the event webhook are set");
}

enum ctl_exit run_webhook_set(struct ctl *ctl)
{
	const struct config_bot *bot = config_bot_by_name(ctl->app->config, ctl->words[0]);
	if (bot != NULL) {
		return set_telegram(ctl, bot);
	}
	return is_discord(ctl) ? set_discord(ctl) : unknown_bot(ctl);
}

/* Only what helps an operator; nothing in it is secret. */
static void copy_str(struct json **object, const struct json *from, const char *name)
{
	struct str text;
	*object = json_set_str(*object, name, json_get_str(from, name, &text) == OK ? text : STR_ABSENT);
}

static void copy_i64(struct json **object, const struct json *from, const char *name)
{
	int64_t number;
	if (json_get_i64(from, name, INT64_MIN, INT64_MAX, &number) == OK) {
		*object = json_set_i64(*object, name, number);
	}
}

static enum ctl_exit info_telegram(struct ctl *ctl, const struct config_bot *bot)
{
	struct ctl_answer answer = ctl_telegram(ctl, bot->name, "getWebhookInfo", STR_ABSENT);
	const struct json *result = json_get(answer.body, "result");
	int64_t error_date;
	if (!answer.answered || result == NULL) {
		return ctl_fail(ctl, "Telegram: " STR_FMT, STR_ARG(answer.words));
	}
	struct json *info = json_set_str(json_object(), "bot", bot->name);
	copy_str(&info, result, "url");
	copy_i64(&info, result, "pending_update_count");
	copy_str(&info, result, "last_error_message");
	if (json_get_i64(result, "last_error_date", 1, INT32_MAX, &error_date) == OK) {
		info = json_set_time(ctl->ctx.arena, info, "last_error_at", error_date * SECOND_US);
	}
	copy_i64(&info, result, "max_connections");
	return ctl_object(ctl, info);
}

static enum ctl_exit info_discord(struct ctl *ctl)
{
	struct ctl_answer answer = ctl_discord(ctl, "GET", DISCORD_PATH, STR_ABSENT);
	if (answer.status != HTTP_OK) {
		return ctl_fail(ctl, "Discord: " STR_FMT, STR_ARG(answer.words));
	}
	struct json *info = json_set_str(json_object(), "bot", STR("discord"));
	copy_str(&info, answer.body, "name");
	copy_str(&info, answer.body, "interactions_endpoint_url");
	copy_str(&info, answer.body, "event_webhooks_url");
	copy_i64(&info, answer.body, "event_webhooks_status");
	return ctl_object(ctl, info);
}

enum ctl_exit run_webhook_info(struct ctl *ctl)
{
	const struct config_bot *bot = config_bot_by_name(ctl->app->config, ctl->words[0]);
	if (bot != NULL) {
		return info_telegram(ctl, bot);
	}
	return is_discord(ctl) ? info_discord(ctl) : unknown_bot(ctl);
}

enum ctl_exit run_webhook_delete(struct ctl *ctl)
{
	const struct config_bot *bot = config_bot_by_name(ctl->app->config, ctl->words[0]);
	if (bot != NULL) {
		struct ctl_answer answer = ctl_telegram(ctl, bot->name, "deleteWebhook", STR_ABSENT);
		return telegram_said(ctl, &answer, "the webhook is gone; Telegram keeps what happens for 24 h");
	}
	if (!is_discord(ctl)) {
		return unknown_bot(ctl);
	}
	struct json *body = json_set_str(json_object(), "interactions_endpoint_url", STR_ABSENT);
	body = json_set_i64(body, "event_webhooks_status", EVENTS_OFF);
	struct ctl_answer answer = ctl_discord(ctl, "PATCH", DISCORD_PATH, json_write(ctl->ctx.arena, body));
	return discord_said(ctl, &answer, "the interactions endpoint and the event webhook are gone");
}
