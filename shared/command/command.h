/*
 * command - the one command table and its dispatch.
 *
 * commands.def has a row per command and per action (what a button or form sends); policy is in its columns: where it may be used, who
 * may, whether it has an effect, how often, whether Discord's answer is deferred. The table feeds dispatch, Telegram setMyCommands, Discord
 * registration, /help, docs/COMMANDS.md, access, rate class and the metrics label.
 */
#ifndef TRIVET_COMMAND_COMMAND_H
#define TRIVET_COMMAND_COMMAND_H

#include "base/ctx.h"
#include "core/reply.h"
#include "core/update.h"

enum command_access {
	COMMAND_ACCESS_UNSET = 0,
	COMMAND_ANYONE, /* any person; an account is made at first contact */
	COMMAND_ACCESS_COUNT
};

enum command_effect {
	COMMAND_EFFECT_UNSET = 0,
	COMMAND_READ, /* one SELECT, no inbox; a repeated update is computed again */
	COMMAND_ONCE, /* inbox row first, then the work, then the stored reply: one transaction */
	COMMAND_EFFECT_COUNT
};

enum command_place {
	COMMAND_PLACE_UNSET = 0,
	COMMAND_ANYWHERE,     /* answered in the open */
	COMMAND_PRIVATELY,    /* ephemeral on Discord; in a Telegram group a pointer to the private chat, nothing is run */
	COMMAND_PRIVATE_KILLS, /* the same, and what was typed is run as a leak: the code is killed, the message deleted */
	COMMAND_PLACE_COUNT
};

enum command_rate {
	COMMAND_RATE_UNSET = 0,
	COMMAND_RATE_LIGHT, /* COMMANDS_PER_MINUTE of one person */
	COMMAND_RATE_HEAVY, /* a third of that */
	COMMAND_RATE_COUNT
};

enum command_platforms {
	COMMAND_ON_TELEGRAM = 1 << PLATFORM_TELEGRAM,
	COMMAND_ON_DISCORD = 1 << PLATFORM_DISCORD,
	COMMAND_ON_CHATS = COMMAND_ON_TELEGRAM | COMMAND_ON_DISCORD
};

enum command_answer {
	COMMAND_ANSWER_UNSET = 0,
	COMMAND_AT_ONCE,  /* in the body of the webhook's response */
	COMMAND_DEFERRED, /* Discord: type 5, the worker runs it and edits the reply; Telegram: the worker sends it */
	COMMAND_ANSWER_COUNT
};

enum command_kind {
	COMMAND_KIND_UNSET = 0,
	COMMAND_TYPED,  /* shown in menus and help */
	COMMAND_ACTION, /* a button's or form's verb: not shown */
	COMMAND_KIND_COUNT
};

/* One typed argument. A choice list is a string "ru en" of the values that are accepted; NULL: free text. */
struct command_arg {
	const char *name; /* Discord option name (contract.md) */
	enum message description;
	bool required;
	const char *choices;
	size_t max_points;
	const char *example; /* for the refusal that shows how */
};

#define COMMAND_ARGS_MAX 2

struct command_call {
	struct ctx *ctx;
	const struct update *update;
	const struct command *command;
	struct str args[COMMAND_ARGS_MAX]; /* by position of the row's args; absent when not given */
	struct str action_argument;        /* of an action: what follows ':' */
};

struct command {
	const char *name;
	enum command_kind kind;
	int platforms;
	enum command_place place;
	enum command_access access;
	enum command_effect effect;
	enum command_rate rate;
	enum command_answer answer;
	enum message description; /* for menus; MESSAGE_NONE for actions */
	struct command_arg args[COMMAND_ARGS_MAX];
	size_t arg_count;
	/* The use case: makes the reply. Runs its own transaction through service (ONCE: by once() under update->key). */
	enum status (*run)(struct command_call *call, struct reply **ret_reply);
	/* COMMAND_PRIVATE_KILLS: run instead in a Telegram group; others have read what was typed. */
	enum status (*leaked)(struct command_call *call, struct reply **ret_reply);
};

/* The table, in the order of menus. */
const struct command *command_table(size_t *ret_count);
const struct command *command_find(enum platform platform, struct str name);
const struct command *command_find_action(struct str verb);

/*
 * command_dispatch - row (of this platform), rate, arguments, place, run; or what plain text, group messages and (un)reachable updates do.
 *
 * Sets ctx->language to the person's hint first and to his own choice once the account is known.
 * ret_reply   NULL: nothing is to be said (a group message, an ignored update)
 * OK: also for every refusal that a person shall read (unknown command, wrong argument, too often).
 * TOO_MANY: this person has four requests in flight already (decisions.md 3).
 * UNAVAILABLE, TIMED_OUT, RETRY, INTERNAL: nothing can be said of the outcome; the program answers 503 (Telegram sends again) or
 * command_trouble() (Discord does not).
 */
MUST_CHECK enum status command_dispatch(struct ctx *ctx, const struct update *update, struct reply **ret_reply);

/* command_trouble - the sentence for a failure of command_dispatch() where the platform will not ask again. NULL: arena. */
struct reply *command_trouble(struct ctx *ctx, enum status status);

/* command_answers_privately - whether its row answers only the person who asks; for what is said before it has run. */
bool command_answers_privately(const struct update *update);

/* command_is_deferred - whether the row of this update says so; decided before anything runs (decisions.md 4). */
bool command_is_deferred(const struct update *update);

#endif
