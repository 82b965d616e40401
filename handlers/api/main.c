/* trivet-api - who may call which endpoint of the service API. */
#include <stdio.h>

#include "api.h"
#include "base/log.h"
#include "core/bot.h"
#include "io/json.h"
#include "store/statements.h"
#include "web/program.h"

/* 1000 events of ordinary size and a good deal more. */
#define EVENTS_BODY_LIMIT ((size_t)2 * 1024 * 1024)
#define BODY_LIMIT ((size_t)16 * 1024)
/* Two documents of a session and their names; one training's details and the rest of it. */
#define SESSION_BODY_LIMIT (2 * BOT_DATA_MAX + 1024)
#define TRAINING_BODY_LIMIT (BOT_DETAILS_MAX + 4096)
#define EVENTS_DEADLINE_US (10 * SECOND_US)
#define DEADLINE_US (5 * SECOND_US)

static const struct route routes[] = {
	ROUTE(METHOD_GET, "/v1/users/{platform}/{id}", ROUTE_API_KEY, .scope = "users", .deadline_us = DEADLINE_US, .verify = api_verify,
	      .run = get_user, .summary = "The unified profile of a person", .gives = "User", .problems = "404:user-unknown"),
	ROUTE(METHOD_POST, "/v1/users", ROUTE_API_KEY, .scope = "users", .body_limit = BODY_LIMIT, .body_json = true, .deadline_us = DEADLINE_US,
	      .verify = api_verify, .run = post_user, .summary = "The unified profile of a person, who is made when he is new",
	      .takes = "Person", .gives = "User", .statuses = "200 201"),
	ROUTE(METHOD_POST, "/v1/users/{platform}/{id}/adjust", ROUTE_API_KEY, .scope = "ledger", .body_limit = BODY_LIMIT, .body_json = true,
	      .deadline_us = DEADLINE_US, .verify = api_verify, .run = post_adjust, .summary = "Gives or takes XP and coins at once, once per key",
	      .takes = "Adjustment", .gives = "Adjusted", .parameters = "IdempotencyKey", .headers = "Idempotent-Replayed",
	      .problems = "404:user-unknown 409:key-reused 409:insufficient 422:out-of-range 422:overflow"),
	ROUTE(METHOD_POST, "/v1/events", ROUTE_API_KEY, .scope = "events", .body_limit = EVENTS_BODY_LIMIT, .body_json = true,
	      .deadline_us = EVENTS_DEADLINE_US, .verify = api_verify, .run = post_events, .summary = "1 to 1000 events, each judged alone",
	      .takes = "Events", .gives = "EventsAnswer"),
	ROUTE(METHOD_GET, "/v1/leaderboard", ROUTE_API_KEY, .deadline_us = DEADLINE_US, .verify = api_verify, .run = get_board,
	      .summary = "Places by XP or coins, and somebody's own", .gives = "Board", .parameters = "Board By Limit Cursor Around Platform Id",
	      .problems = "404:user-unknown"),
	ROUTE(METHOD_GET, "/v1/sessions/{bot}/{platform}/{id}", ROUTE_API_KEY, .scope = "sessions", .deadline_us = DEADLINE_US,
	      .verify = api_verify, .run = get_session, .summary = "What a bot keeps of a person", .gives = "Session", .statuses = "200 304",
	      .parameters = "IfNoneMatch", .headers = "ETag",
	      .problems = "403:other-bot 404:user-unknown 404:session-unknown 404:bot-unknown"),
	ROUTE(METHOD_PUT, "/v1/sessions/{bot}/{platform}/{id}", ROUTE_API_KEY, .scope = "sessions", .body_limit = SESSION_BODY_LIMIT,
	      .body_json = true, .deadline_us = DEADLINE_US, .verify = api_verify, .run = put_session,
	      .summary = "Begins or changes what a bot keeps of a person, by the version that it has read", .takes = "SessionChange",
	      .gives = "Session", .statuses = "200 201", .parameters = "IfMatch IfNoneMatch", .headers = "ETag",
	      .problems = "403:other-bot 404:user-unknown 404:bot-unknown 412:session-changed 412:session-exists 428:precondition-required"),
	ROUTE(METHOD_POST, "/v1/trainings", ROUTE_API_KEY, .scope = "trainings", .body_limit = TRAINING_BODY_LIMIT, .body_json = true,
	      .deadline_us = DEADLINE_US, .verify = api_verify, .run = post_training, .summary = "A finished training, kept once",
	      .takes = "Training", .gives = "TrainingAnswer", .statuses = "200 201", .problems = "403:other-bot 404:bot-unknown 409:key-reused"),
	ROUTE(METHOD_POST, "/v1/link/code", ROUTE_API_KEY, .scope = "link", .body_limit = BODY_LIMIT, .body_json = true,
	      .deadline_us = DEADLINE_US, .verify = api_verify, .run = post_link_code,
	      .summary = "A code that links a person's account with one of another platform", .takes = "Person", .gives = "LinkCode",
	      .problems = "403:other-platform 409:nothing-to-link"),
	ROUTE(METHOD_POST, "/v1/link/redeem", ROUTE_API_KEY, .scope = "link", .body_limit = BODY_LIMIT, .body_json = true,
	      .deadline_us = DEADLINE_US, .verify = api_verify, .run = post_link_redeem,
	      .summary = "Links a person by a code from another platform, or asks him first", .takes = "LinkRedeem", .gives = "LinkAnswer",
	      .problems = "403:other-platform 404:code-unknown 409:code-used 409:code-own 409:same-platform 409:recently-unlinked "
	                  "409:too-many-merges 429:too-many-attempts"),
	ROUTE(METHOD_POST, "/v1/link/confirm", ROUTE_API_KEY, .scope = "link", .body_limit = BODY_LIMIT, .body_json = true,
	      .deadline_us = DEADLINE_US, .verify = api_verify, .run = post_link_confirm, .summary = "What the person said when he was asked",
	      .takes = "LinkConfirm", .gives = "LinkAnswer",
	      .problems = "403:other-platform 404:confirmation-unknown 409:confirmation-answered 409:confirmation-expired "
	                  "409:confirmation-changed 409:code-own 409:same-platform 409:recently-unlinked 409:too-many-merges"),
	ROUTE(METHOD_GET, "/v1/openapi.json", ROUTE_PUBLIC, .deadline_us = DEADLINE_US, .run = get_openapi,
	      .summary = "This document: what trivet-api takes and answers", .gives = "Document"),
};

/* What the document's tree takes while it is made, and the text that stays. */
#define DOCUMENT_ARENA ((size_t)16 * 1024 * 1024)

/* ret_text, or ret_error on failure: in `keep`, an arena that stays. */
static enum status make_document(struct arena *keep, struct str *ret_text, struct str *ret_error)
{
	struct arena *arena = arena_new(DOCUMENT_ARENA);
	struct str text = STR_ABSENT;
	struct str reason = STR("out of memory");
	enum status status = arena == NULL ? TOO_LARGE : api_document(arena, routes, ARRAY_LEN(routes), &text, &reason);

	if (status == OK) {
		*ret_text = str_dup(keep, text);
		status = str_present(*ret_text) ? OK : TOO_LARGE;
	}
	*ret_error = str_printf(keep, "the OpenAPI document: " STR_FMT, STR_ARG(reason));
	arena_free(arena);
	return status;
}

static void write_uses(struct ctx *ctx, void *arg)
{
	enum status status = apikey_uses_write(ctx, arg);

	if (status != OK) {
		log_message(LOG_WARNING, "key_usage", "not written now, kept for the next time: %s", status_name(status));
	}
}

static enum status ready(struct app *app, struct arena *arena, struct str *ret_error)
{
	struct api *api = arena_alloc(arena, sizeof(*api));
	struct apikey_uses *uses = apikey_uses_new(arena);

	*ret_error = STR("could not start: out of memory");
	if (api == NULL || uses == NULL) {
		return TOO_LARGE;
	}
	*api = (struct api){.uses = uses};
	app->own = api;
	app_add_chore(app, (struct chore){.every_us = APIKEY_USES_PERIOD_US, .run = write_uses, .arg = uses});
	return make_document(arena, &api->document, ret_error);
}

/* For `make docs`: needs no settings. Returns the exit status. */
static int print_document(void)
{
	struct arena *arena = arena_new(DOCUMENT_ARENA);
	struct str text = STR_ABSENT;
	struct str error = STR("out of memory");
	bool made = false;

	json_setup();
	made = arena != NULL && make_document(arena, &text, &error) == OK;
	if (made) {
		(void)fwrite(text.ptr, 1, text.len, stdout);
		(void)fputc('\n', stdout);
	} else {
		(void)fprintf(stderr, "trivet-api: " STR_FMT "\n", STR_ARG(error));
	}
	arena_free(arena);
	return made && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	size_t count = 0;
	const struct pg_statement *statements = store_statements(&count);

	if (argc == 2 && str_eq(str_from_z(argv[1]), STR("--openapi"))) {
		return print_document();
	}
	return program_run(&(struct app_options){.program = PROGRAM_API, .name = "trivet-api", .statements = statements, .statement_count = count,
	                                         .with_cache = true, .events_statement = SIZE_MAX},
	                   routes, ARRAY_LEN(routes), ready);
}
