/*
 * roles - Discord's calls about roles of servers and Linked Roles: requests, and what the answers mean. Values in, values out, no I/O.
 *
 * Facts: platforms.md 2.5 to 2.8.
 */
#ifndef TRIVET_PLATFORM_ROLES_H
#define TRIVET_PLATFORM_ROLES_H

#include "io/config.h"
#include "io/http_client.h"

enum role_act {
	ROLE_ACT_UNSET = 0,
	ROLE_LOOK, /* what a member holds */
	ROLE_GIVE,
	ROLE_TAKE,
	ROLE_ACT_COUNT
};

struct role_call {
	enum role_act act;
	int64_t guild_id;
	int64_t user_id;
	int64_t role_id; /* not of ROLE_LOOK */
};

enum role_answer {
	ROLE_ANSWER_UNSET = 0,
	ROLE_DONE,          /* of ROLE_LOOK: roles are set */
	ROLE_NO_MEMBER,     /* he is not on the server: nothing to do, and no error */
	ROLE_REFUSED,       /* of this role, whoever it is for: the bot may not, or there is no such role */
	ROLE_GUILD_REFUSED, /* of the whole server: the bot is not there */
	ROLE_WAIT,          /* 429: wait_us, for all calls of the bot when `global` */
	ROLE_FAILED,        /* answered otherwise: counts, may be tried again */
	ROLE_UNHEARD,       /* no answer: whether it took effect is seen by looking */
	ROLE_BOT_REFUSED,   /* 401: the bot's token is wrong */
	ROLE_ANSWER_COUNT
};

struct role_result {
	enum role_answer answer;
	int64_t wait_us;
	bool global;
	int64_t bucket_remaining; /* -1: not told */
	int64_t bucket_reset_us;
	const int64_t *roles;
	size_t role_count;
	struct str error; /* Discord's words, clipped */
};

/* discord_role_request - OK, INVALID (no token in the settings), TOO_LARGE. */
MUST_CHECK enum status discord_role_request(struct arena *arena, const struct config *config, const struct role_call *call,
	struct http_request *ret_request);

struct role_result discord_role_result(struct arena *arena, const struct role_call *call, const struct http_response *response);

/* ---- Linked Roles ---- */

/* discord_linked_records - body of PUT /applications/{id}/role-connections/metadata: rank, xp, days; with ru localizations. */
struct str discord_linked_records(struct arena *arena);

/* What is shown of a person, under the records' keys. */
struct linked_profile {
	struct str rank_name;
	int64_t rank;
	int64_t xp;
	int64_t days;
};

/* discord_linked_show - PUT /users/@me/applications/{id}/role-connection as the person. OK, INVALID (no such token), TOO_LARGE. */
MUST_CHECK enum status discord_linked_show(struct arena *arena, const struct config *config, struct str access,
	const struct linked_profile *profile, struct http_request *ret_request);

/* discord_linked_refresh - POST /oauth2/token. OK, INVALID (no DISCORD_CLIENT_SECRET), TOO_LARGE. */
MUST_CHECK enum status discord_linked_refresh(struct arena *arena, const struct config *config, struct str refresh,
	struct http_request *ret_request);

enum linked_answer {
	LINKED_ANSWER_UNSET = 0,
	LINKED_DONE,           /* of a refresh: the tokens are set */
	LINKED_TOKEN_REFUSED,  /* 401 of showing: refresh once */
	LINKED_ENDED,          /* the person took his consent back: of a refresh invalid_grant, of showing 403 */
	LINKED_CLIENT_REFUSED, /* of a refresh: DISCORD_APPLICATION_ID and DISCORD_CLIENT_SECRET are not what Discord knows */
	LINKED_WAIT,
	LINKED_FAILED,
	LINKED_UNHEARD,
	LINKED_ANSWER_COUNT
};

struct linked_result {
	enum linked_answer answer;
	int64_t wait_us;
	int64_t bucket_remaining; /* -1: not told */
	int64_t bucket_reset_us;
	struct str access; /* borrowed from the arena; never logged */
	struct str refresh;
	int64_t expires_in_us;
	struct str error; /* Discord's words, clipped; never a token */
};

struct linked_result discord_linked_show_result(struct arena *arena, const struct http_response *response);
struct linked_result discord_linked_refresh_result(struct arena *arena, const struct http_response *response);

#endif
