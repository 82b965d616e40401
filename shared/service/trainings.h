/*
 * trainings - what bots report of finished trainings (domain.md, Many bots on one base): kept, and never changed. They pay nothing; a bot
 * whose trainings earn XP says so by an event.
 */
#ifndef TRIVET_SERVICE_TRAININGS_H
#define TRIVET_SERVICE_TRAININGS_H

#include "store/bots.h"

/*
 * trainings_add - use case: keeps one training; the person's account is made at his first contact.
 *
 * training       checked: names, score, details, time, key
 * ret_id         of the training, also of a repeated one
 * ret_repeated   the bot has reported it before under this key
 * ret_differs    on CONFLICT: what was another then
 * OK, CONFLICT (the bot has used this key for another training), INVALID (a number that PostgreSQL cannot hold), statuses of tx_run().
 */
MUST_CHECK enum status trainings_add(struct ctx *ctx, const struct bot_training *training, int64_t *ret_id, bool *ret_repeated,
                                     struct str *ret_differs);

#endif
