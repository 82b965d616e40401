/*
 * update - what a platform told us, as one neutral value. Adapters make it, dispatch reads it.
 *
 * "Update" is Telegram's word, "interaction" and "webhook event" are Discord's; here all three are updates.
 */
#ifndef TRIVET_CORE_UPDATE_H
#define TRIVET_CORE_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/platform_id.h"

enum update_kind {
	UPDATE_UNSET = 0,
	UPDATE_IGNORED,      /* of a kind that we do not use, or from a bot: acknowledged, nothing done */
	UPDATE_PING,         /* Discord's endpoint check */
	UPDATE_COMMAND,      /* command and text or options are set */
	UPDATE_TEXT,         /* plain text in a private chat */
	UPDATE_MESSAGE,      /* a message in a group: counts for activity */
	UPDATE_BUTTON,       /* action is set */
	UPDATE_FORM,         /* a submitted modal: action and options are set */
	UPDATE_AUTOCOMPLETE, /* command, options; the one with focused */
	UPDATE_REACHABLE,    /* the person unblocked the bot, or authorised the application */
	UPDATE_UNREACHABLE,  /* the person blocked the bot, or took the authorisation back */
	UPDATE_COUNT
};

enum place {
	PLACE_UNSET = 0,
	PLACE_PRIVATE, /* only the person reads the answer without further care */
	PLACE_GROUP,   /* others read along; private answers are ephemeral (Discord) or a pointer (Telegram) */
	PLACE_COUNT
};

/* The limit of Discord: 25 options of a command; we use at most 5. */
#define UPDATE_OPTIONS_MAX 8

struct update_option {
	struct str name;
	struct str value; /* integers and booleans in their decimal or true/false form */
	bool focused;     /* autocomplete: the one being typed */
};

struct update {
	enum platform platform;
	enum update_kind kind;
	struct str bot; /* configured name of the bot ("main"); Discord: "discord" */
	/* Unique for ever among all updates: "telegram:main:12345", "discord:1234". The idempotency key. */
	struct str key;
	struct person actor;
	enum place place;
	int64_t chat_id;    /* Telegram chat, Discord channel; 0 when there is none */
	int64_t message_id; /* of the message, or of the message whose button was pressed; 0 when none */
	int64_t sent_at;    /* microseconds UTC by the platform's word; 0 when it gives none */
	struct str command; /* lower case, without slash and @bot */
	struct str text;    /* what follows the command, trimmed; or the whole text */
	struct update_option options[UPDATE_OPTIONS_MAX];
	size_t option_count;
	struct str action; /* of a button or form, as we wrote it: "verb" or "verb:argument", at most 64 bytes */
	/* UPDATE_MESSAGE: why it is no activity: forwarded, sent as a channel, automatic, edited (domain.md, XP rates). */
	bool not_own_words;
	/* Handles for the answer. */
	struct str callback_id;       /* Telegram callback_query id */
	struct str interaction_token; /* Discord, lives 15 min; never logged */
	int64_t application_id;       /* Discord */
};

/* update_option_value - the value of an option by name; absent when it was not given. */
struct str update_option_value(const struct update *update, struct str name);

#endif
