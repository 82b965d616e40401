/*
 * handlers - the functions that commands.def names; and what they share. Private to shared/command.
 */
#ifndef TRIVET_COMMAND_HANDLERS_H
#define TRIVET_COMMAND_HANDLERS_H

#include "command/command.h"
#include "service/contact.h"
#include "service/once.h"
#include "store/store.h"

#define COMMAND(name, platforms, place, access, effect, rate, answer, menu, args, run, leaked) \
	enum status run(struct command_call *call, struct reply **ret_reply);
#define ACTION(name, place, access, effect, rate, run) enum status run(struct command_call *call, struct reply **ret_reply);
#include "command/commands.def"
#undef COMMAND
#undef ACTION
enum status cmd_code_leaked(struct command_call *call, struct reply **ret_reply);
enum status cmd_start_leaked(struct command_call *call, struct reply **ret_reply);

/* The work of a command with an effect, in its transaction; the acting person is resolved already. */
struct command_work {
	struct command_call *call;
	enum status (*step)(struct tx *tx, struct command_work *work, struct contact *actor, struct once_result *result);
	void *arg;
};

/* command_once - runs work->step once under the update's key; a repeat gets the stored reply. */
MUST_CHECK enum status command_once(struct command_work *work, struct once_result *ret_result);

/* command_answer_once - the same for a work whose reply is all that the command needs of it. */
MUST_CHECK enum status command_answer_once(struct command_call *call,
                                           enum status (*step)(struct tx *tx, struct command_work *work, struct contact *actor,
                                                               struct once_result *result),
                                           void *arg, struct reply **ret_reply);

/* command_member - the acting person's account for a command that only reads; made at first contact. Sets ctx->language. */
MUST_CHECK enum status command_member(struct command_call *call, struct member *ret_member);

/*
 * command_read - one SELECT about the acting person, who is made at first contact; notes that he was seen. Sets ctx->language.
 *
 * read     by the actor's platform id; fills *viewer, or answers NOT_FOUND
 */
MUST_CHECK enum status command_read(struct command_call *call, enum status (*read)(struct tx *tx, void *arg), void *arg,
                                    const struct viewer *viewer);

/* command_profile - the same for how he stands, read together with others' (service/profile.h). */
MUST_CHECK enum status command_profile(struct command_call *call, struct profile *ret_profile);

/* command_name - what somebody is called in the open: the name that he chose, else the platform's, else his number; not too long. */
struct str command_name(struct command_call *call, struct str display_name);

/* command_reply - a reply with one line, private; NULL when the arena failed. */
struct reply *command_reply(struct ctx *ctx, enum message message);

/* command_point_to_private - what a group reads instead of a personal answer: where to ask. OK, TOO_LARGE. */
MUST_CHECK enum status command_point_to_private(struct command_call *call, struct reply **ret_reply);

/* command_actor - "telegram:5", for records. */
struct str command_actor(const struct command_call *call);

/* command_source - "telegram:main": who says so in ledger rows, and the bot that had better tell what follows. */
struct str command_source(const struct command_call *call);

/* command_add_pages - which page of several this is (from 1), and the buttons to its neighbours: "verb:page". One page: nothing. */
void command_add_pages(struct arena *arena, struct reply *reply, const char *verb, int64_t page, int64_t pages);

/* command_say_gain - what was just earned, as a line. */
void command_say_gain(struct reply *reply, int64_t xp, int64_t coins);

#endif
