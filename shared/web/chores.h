/*
 * chores - what a program does beside its requests (io/app.h, struct chore): one thread, from before it serves until after.
 */
#ifndef TRIVET_WEB_CHORES_H
#define TRIVET_WEB_CHORES_H

#include "io/app.h"

struct chores;

/*
 * chores_start - the thread, with no signal open. ret_chores: NULL when the app has none.
 *
 * OK, UNAVAILABLE (no memory or thread).
 */
MUST_CHECK enum status chores_start(struct app *app, struct chores **ret_chores);

/* chores_stop - every chore runs once more, then the thread ends. chores_stop(NULL) is fine. */
void chores_stop(struct chores *chores);

#endif
