/*
 * cmd_link - what other commands use of linking: a deep link is /start with a payload. Private to shared/command.
 */
#ifndef TRIVET_COMMAND_CMD_LINK_H
#define TRIVET_COMMAND_CMD_LINK_H

#include "command/command.h"

/* https://t.me/<bot>?start=link_<token> arrives as "/start link_<token>". */
#define LINK_PAYLOAD "link_"

/* cmd_redeem - /code with `typed`, whichever way it came. */
MUST_CHECK enum status cmd_redeem(struct command_call *call, struct str typed, struct reply **ret_reply);

/* cmd_kill - `typed` as a code that others have read: it works no more, and its message is deleted where the bot may. */
MUST_CHECK enum status cmd_kill(struct command_call *call, struct str typed, struct reply **ret_reply);

#endif
