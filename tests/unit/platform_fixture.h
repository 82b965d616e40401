/*
 * platform_fixture - what the adapters' tests share: an arena bound to the thread, settings with one bot, comparison of JSON.
 */
#ifndef TRIVET_TESTS_PLATFORM_FIXTURE_H
#define TRIVET_TESTS_PLATFORM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/json.h"
#include "platform/platform.h"
#include "support/texts.h"

#define TEST_BOT STR("main")
#define TEST_APPLICATION INT64_C(845027738276462632)

struct fixture {
	struct arena *arena;
	struct config config;
};

static UNUSED int fixture_group(void **state)
{
	(void)state;
	json_setup();
	return 0;
}

static UNUSED int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->arena = arena_new(ARENA_REQUEST_LIMIT);
	json_bind_arena(f->arena);
	f->config.base_url = STR("https://trivet.example");
	f->config.webapp_url = STR("https://app.example");
	f->config.telegram_api_url = STR("https://api.telegram.org");
	f->config.discord_api_url = STR("https://discord.com/api/v10");
	f->config.discord_bot_token.bytes = STR("discord-token");
	f->config.discord_application_id = TEST_APPLICATION;
	f->config.bots[0] = (struct config_bot){
		.name = TEST_BOT,
		.token = {STR("123456:token")},
		.secret = {STR("0123456789abcdef0123456789abcdef")},
		.username = STR("TrivetBot"),
	};
	f->config.bot_count = 1;
	*state = f;
	return 0;
}

static UNUSED int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	json_bind_arena(NULL);
	arena_free(f->arena);
	free(f);
	return 0;
}

static UNUSED const char *canonical(struct fixture *f, struct str text)
{
	const struct json *value = NULL;
	const char *z = NULL;

	if (!str_present(text)) {
		return "(absent)";
	}
	if (json_read(f->arena, text, &value) != OK) {
		z = str_z(f->arena, text);
		return z != NULL ? z : "(unreadable)";
	}
	z = str_z(f->arena, json_write_canonical(f->arena, value));
	return z != NULL ? z : "(no memory)";
}

/* Whole bodies: a member too many is a difference too. */
static UNUSED void assert_body(struct fixture *f, struct str actual, const char *expected)
{
	assert_string_equal(canonical(f, actual), canonical(f, str_from_z(expected)));
}

static UNUSED struct reply *new_reply(struct fixture *f)
{
	struct reply *reply = reply_new(f->arena);

	assert_non_null(reply);
	return reply;
}

/* Absent: there is none of this name. */
static UNUSED struct str header_of(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (str_eq(request->headers[i].name, str_from_z(name))) {
			return request->headers[i].value;
		}
	}
	return STR_ABSENT;
}

/* A string of `count` times one character, for limits. */
static UNUSED struct str repeated(struct fixture *f, const char *character, size_t count)
{
	struct buf out = buf_init(f->arena, 1 << 20);

	for (size_t i = 0; i < count; i++) {
		buf_add(&out, str_from_z(character));
	}
	return buf_str(&out);
}

#endif
