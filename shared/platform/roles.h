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

#endif
