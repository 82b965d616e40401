/* One blocking call to a platform, for commands that set something up there. */
#include "ctl.h"
#include "platform/platform.h"

static struct ctl_answer call(struct ctl *ctl, const struct http_request *request)
{
	struct ctl_answer answer = {.words = STR("could not connect: is the API's URL right, and does this host reach it?")};
	struct http_response response;
	if (http_call(ctl->ctx.arena, request, &response) != OK) {
		answer.words = STR("the API's URL in the settings is not one that may be called");
		return answer;
	}
	if (response.outcome != HTTP_ANSWERED) {
		answer.words = response.outcome == HTTP_NOT_SENT
		                       ? answer.words
		                       : STR("no answer in time: it may have taken effect; look before you repeat it");
		return answer;
	}
	answer.answered = true;
	answer.status = response.status;
	if (json_read(ctl->ctx.arena, response.body, &answer.body) != OK) {
		answer.body = NULL;
	}
	answer.words = str_printf(ctl->ctx.arena, "HTTP status %d", response.status);
	return answer;
}

struct ctl_answer ctl_telegram(struct ctl *ctl, struct str bot, const char *method, struct str body)
{
	struct http_request request;
	if (telegram_call(ctl->ctx.arena, ctl->app->config, bot, method, body, &request) != OK) {
		return (struct ctl_answer){.words = STR("this bot has no token in the settings")};
	}
	struct ctl_answer answer = call(ctl, &request);
	struct str words;
	if (json_get_str(answer.body, "description", &words) == OK) {
		answer.words = words;
	}
	return answer;
}

struct ctl_answer ctl_discord(struct ctl *ctl, const char *method, struct str path, struct str body)
{
	struct http_request request;
	if (discord_call(ctl->ctx.arena, ctl->app->config, method, path, body, &request) != OK) {
		return (struct ctl_answer){.words = STR("DISCORD_BOT_TOKEN is not set")};
	}
	struct ctl_answer answer = call(ctl, &request);
	struct str words;
	int64_t code = 0;
	if (json_get_str(answer.body, "message", &words) == OK) {
		if (json_get_i64(answer.body, "code", 0, INT64_MAX, &code) != OK) {
			code = 0;
		}
		answer.words = str_printf(ctl->ctx.arena, STR_FMT " (code %lld)", STR_ARG(words), (long long)code);
	}
	return answer;
}
