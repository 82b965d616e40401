/*
 * platform - what Telegram and Discord have in common for those above: the one interface with two implementations (house.md).
 *
 * An adapter turns bytes into a struct update and a neutral reply into bytes; escaping happens here and only here. It does no I/O: requests
 * and responses are values, the handler and the worker move them.
 */
#ifndef TRIVET_PLATFORM_PLATFORM_H
#define TRIVET_PLATFORM_PLATFORM_H

#include "base/rawreq.h"
#include "core/reply.h"
#include "core/update.h"
#include "io/config.h"
#include "io/http_client.h"

/* One message to be sent by the worker. */
struct outgoing {
	const struct config *config;
	struct str bot; /* configured name; "discord" */
	int64_t recipient; /* Telegram chat id, Discord user id */
	int64_t channel_id; /* Discord: the direct channel; 0: not known yet */
	enum language language;
	const struct reply *reply; /* with its secrets filled in */
	bool plain; /* without markup */
	int64_t nonce; /* the outbox row's id: Discord de-duplicates by it */
};

enum delivery {
	DELIVERY_UNSET = 0,
	DELIVERY_SENT, /* message_id is set when the platform told it */
	DELIVERY_CHANNEL_KNOWN, /* the direct channel is open: channel_id is set, send again with it */
	DELIVERY_WAIT, /* 429: wait_us for this chat, or for the whole bot when `global`; does not count */
	DELIVERY_AS_PLAIN, /* the platform could not parse the markup: once more as plain text */
	DELIVERY_MOVED, /* the chat became another: new_chat_id is set, send again */
	DELIVERY_FAILED, /* answered about this message (4xx, 5xx): counts, may be tried again */
	DELIVERY_NOT_SENT, /* no connection: does not count */
	DELIVERY_UNCERTAIN, /* sent, no answer: it may have arrived; once more */
	DELIVERY_UNREACHABLE, /* blocked, deactivated, no shared server: permanent, and the person cannot be messaged */
	DELIVERY_PERMANENT, /* will never be accepted (malformed, chat unknown) */
	DELIVERY_BOT_REFUSED, /* 401: the bot's token is wrong; all of this bot waits, does not count */
	DELIVERY_COUNT
};

struct delivery_result {
	enum delivery delivery;
	int64_t wait_us;
	bool global;
	int64_t message_id;
	int64_t channel_id;
	int64_t new_chat_id;
	int64_t bucket_remaining; /* -1: not told */
	int64_t bucket_reset_us;
	struct str error; /* the platform's words, clipped to 200 points, for the outbox row; never a URL */
};

struct platform_ops {
	enum platform platform;
	/*
	 * read - an authentic body as an update; strings borrowed from body or arena.
	 * OK, INVALID (not readable: the handler sets it aside or answers 400), TOO_LARGE.
	 */
	enum status (*read)(struct arena *arena, const struct config *config, struct str bot, struct str body, struct update *ret_update);
	/*
	 * answer - the response body for an update; absent: an empty body is the answer (or the arena failed: ask it).
	 *
	 * reply NULL or silent: what acknowledges this kind of update. A private reply is never shown to others, whatever the place:
	 * Discord makes it ephemeral, Telegram sends it to the person's private chat when the update came from a group. What shall be
	 * read in the group (a pointer to the private chat) must not be marked private.
	 *
	 * A button on Telegram: `replace` edits the message; one short line without buttons and secrets is a notice over the chat; all
	 * else is a new message. Only one call fits a response, so in the first and the last case nothing ends the button's spinner but
	 * the client's own clock.
	 */
	struct str (*answer)(struct arena *arena, const struct config *config, const struct update *update, enum language language,
		const struct reply *reply);
	/* send_request - the HTTP call that delivers `outgoing`. OK, TOO_LARGE, INVALID (no such bot in the settings, nothing to say). */
	enum status (*send_request)(struct arena *arena, const struct outgoing *outgoing, struct http_request *ret_request);
	/* send_result - what the platform's answer to it means. */
	struct delivery_result (*send_result)(struct arena *arena, const struct outgoing *outgoing, const struct http_response *response);
};

extern const struct platform_ops telegram_ops;
extern const struct platform_ops discord_ops;

/*
 * telegram_verify - header X-Telegram-Bot-Api-Secret-Token exactly once and equal to the bot's secret, in constant time.
 * OK, DENIED.
 */
MUST_CHECK enum status telegram_verify(const struct config_bot *bot, const struct rawreq *request);

/*
 * discord_verify - X-Signature-Ed25519 (128 hex digits) and X-Signature-Timestamp (decimal, <= 20 digits), each exactly once;
 * |now - timestamp| <= 300 s (our own rule, by real time); Ed25519 over timestamp and raw body. wall_now: clock_wall_us().
 *
 * OK, DENIED, TOO_LARGE (timestamp and body, side by side, do not fit the arena).
 */
MUST_CHECK enum status discord_verify(struct arena *arena, const unsigned char key[32], const struct rawreq *request, int64_t wall_now);

/*
 * discord_read_event - a webhook event (POST /discord/events): type 0 is UPDATE_PING; APPLICATION_AUTHORIZED and _DEAUTHORIZED become
 * UPDATE_REACHABLE and UPDATE_UNREACHABLE; all else UPDATE_IGNORED. Key: type, id, timestamp. OK, INVALID.
 */
MUST_CHECK enum status discord_read_event(struct arena *arena, struct str body, struct update *ret_update);

/*
 * discord_deferred - the type 5 answer of a deferred command. discord_edit - the call that later edits it; what came of it is read by
 * discord_ops.send_result with an outgoing whose channel_id is not 0. OK, INVALID (no token of the documented letters), TOO_LARGE.
 */
struct str discord_deferred(struct arena *arena, bool ephemeral);
MUST_CHECK enum status discord_edit(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply, struct http_request *ret_request);

/*
 * Registration, from the command table. telegram_commands - body of setMyCommands for one language (LANGUAGE_UNSET: the default
 * list, in English); discord_commands - body of the bulk overwrite (with ru localizations).
 */
struct str telegram_commands(struct arena *arena, enum language language);
struct str discord_commands(struct arena *arena);

/*
 * telegram_call - a Bot API call by method with a JSON body (absent: none), for the operator's command. discord_call - method and
 * path below DISCORD_API_URL, authorised as the bot.
 */
MUST_CHECK enum status telegram_call(struct arena *arena, const struct config *config, struct str bot, const char *method, struct str body,
	struct http_request *ret_request);
MUST_CHECK enum status discord_call(struct arena *arena, const struct config *config, const char *method, struct str path, struct str body,
	struct http_request *ret_request);

#endif
