/*
 * Discord's two endpoints: any body is read or refused as an interaction and as a webhook event; whatever was read is answered with a
 * body that has a type and mentions nobody. The person's own words go back into the reply, so that escaping is tried too.
 */
#include <assert.h>

#include "base/utf.h"
#include "io/json.h"
#include "platform/platform.h"

static const struct config config = {
	.base_url = STR_INIT("https://trivet.example"),
	.discord_api_url = STR_INIT("https://discord.com/api/v10"),
	.discord_application_id = 5,
};

static void check_update(const struct update *update)
{
	assert(update->platform == PLATFORM_DISCORD && update->kind > UPDATE_UNSET && update->kind < UPDATE_COUNT);
	assert(update->action.len <= REPLY_ACTION_MAX && update->option_count <= UPDATE_OPTIONS_MAX);
	assert(utf_valid(update->key) && utf_valid(update->actor.name) && utf_valid(update->command));
	for (size_t i = 0; i < update->option_count; i++) {
		assert(update->options[i].name.len > 0 && str_present(update->options[i].value));
	}
}

static void check_answer(struct arena *arena, const struct update *update, const struct reply *reply)
{
	struct str body = discord_ops.answer(arena, &config, update, LANGUAGE_EN, reply);
	const struct json *root = NULL;
	const struct json *data;
	int64_t type;

	/* An interaction is never left without an answer. */
	assert(str_present(body) || arena_failed(arena));
	if (!str_present(body) || json_read(arena, body, &root) != OK) {
		assert(arena_failed(arena));
		return;
	}
	data = json_get(root, "data");
	assert(json_get_i64(root, "type", 1, 9, &type) == OK);
	if (type == 4 || type == 7) {
		struct str content;

		assert(json_get_str(data, "content", &content) == OK);
		assert(content.len > 0 && utf_points(content) <= 2000);
		assert(json_is_array(json_get(json_get(data, "allowed_mentions"), "parse")));
	}
}

static void answer_all_ways(struct arena *arena, const struct update *update)
{
	struct reply *reply = reply_new(arena);
	struct str words = update->option_count > 0 ? update->options[0].value : update->actor.name;
	struct http_request request;

	check_answer(arena, update, NULL);
	if (reply == NULL) {
		return;
	}
	REPLY_SAY(reply, MSG_PLAIN, TEXT_STR(words));
	check_answer(arena, update, reply);
	REPLY_SAY(reply, MSG_CODE_SHOW, TEXT_STR(words));
	reply_button(reply, MSG_BUTTON_CANCEL, STR("x"), REPLY_STYLE_DANGER);
	reply->private = true;
	check_answer(arena, update, reply);
	reply->replace = true;
	check_answer(arena, update, reply);
	if (discord_edit(arena, &config, update, LANGUAGE_RU, reply, &request) == OK) {
		assert(str_find(request.url, ' ') == SIZE_MAX && str_find(request.url, '?') == SIZE_MAX);
	}
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
	struct str body = {(const char *)data, size};
	struct update update = {0};

	json_bind_arena(arena);
	if (discord_ops.read(arena, &config, STR("discord"), body, &update) == OK) {
		check_update(&update);
		answer_all_ways(arena, &update);
	}
	if (discord_read_event(arena, body, &update) == OK) {
		check_update(&update);
	}
	json_bind_arena(NULL);
	arena_free(arena);
	return 0;
}
