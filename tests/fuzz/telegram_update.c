/*
 * Telegram's webhook: any body is read or refused, and whatever was read can be answered with a body that is JSON and names one of our
 * methods. The person's own words go back into the reply, so that escaping is tried too.
 */
#include <assert.h>

#include "base/utf.h"
#include "io/json.h"
#include "platform/platform.h"

static const struct config config = {
	.webapp_url = STR_INIT("https://app.example"),
	.telegram_api_url = STR_INIT("https://api.telegram.org"),
	.bots = {{.name = STR_INIT("main"), .token = {STR_INIT("1:t")}, .secret = {STR_INIT("s")}, .username = STR_INIT("TrivetBot")}},
	.bot_count = 1,
};

static void check_update(const struct update *update)
{
	const struct str texts[] = {update->key, update->actor.name, update->actor.username, update->command, update->text, update->action};

	assert(update->platform == PLATFORM_TELEGRAM && update->kind > UPDATE_UNSET && update->kind < UPDATE_COUNT);
	assert(update->action.len <= REPLY_ACTION_MAX);
	assert(update->kind == UPDATE_IGNORED || update->actor.platform_id > 0);
	assert(update->kind != UPDATE_COMMAND || update->command.len > 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert(utf_valid(texts[i]));
	}
}

static void check_answer(struct arena *arena, const struct update *update, const struct reply *reply)
{
	static const struct str methods[] = {
		STR_INIT("sendMessage"), STR_INIT("editMessageText"), STR_INIT("answerCallbackQuery")};
	struct str body = telegram_ops.answer(arena, &config, update, LANGUAGE_RU, reply);
	const struct json *root = NULL;
	struct str method;
	bool known = false;

	if (!str_present(body)) {
		return;
	}
	assert(json_read(arena, body, &root) == OK || arena_failed(arena));
	if (root == NULL) {
		return;
	}
	assert(json_get_str(root, "method", &method) == OK);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		known = known || str_eq(method, methods[i]);
	}
	assert(known);
}

static void answer_all_ways(struct arena *arena, const struct update *update)
{
	struct reply *reply = reply_new(arena);

	check_answer(arena, update, NULL);
	if (reply == NULL) {
		return;
	}
	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(str_present(update->text) ? update->text : update->actor.name));
	check_answer(arena, update, reply);
	reply_line(reply, REPLY_TITLE, MSG_PLAIN, (const struct text_arg[]){TEXT_STR(update->actor.name)}, 1);
	reply_button(reply, MSG_BUTTON_CANCEL, STR("x"), REPLY_STYLE_DANGER);
	reply->private = true;
	check_answer(arena, update, reply);
	reply->replace = true;
	check_answer(arena, update, reply);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_setup();
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	struct update update = {0};

	json_bind_arena(arena);
	if (telegram_ops.read(arena, &config, STR("main"), (struct str){(const char *)data, size}, &update) == OK) {
		check_update(&update);
		answer_all_ways(arena, &update);
	}
	json_bind_arena(NULL);
	arena_free(arena);
	return 0;
}
