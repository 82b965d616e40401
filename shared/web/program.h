/*
 * program - main() of a FastCGI program: opens what its options say, serves its routes, closes.
 */
#ifndef TRIVET_WEB_PROGRAM_H
#define TRIVET_WEB_PROGRAM_H

#include "io/app.h"
#include "web/web.h"

/*
 * program_run - the whole life of a FastCGI program.
 *
 * ready   called when the app is open and before anything is served: what this program checks of its settings and adds to the app, in
 *         an arena that lives as long as the program; NULL: nothing.
 *         On INVALID *ret_error is the one line to print.
 * Returns app_exit_status(); what kept it from starting is one line on standard error.
 */
int program_run(const struct app_options *options, const struct route *routes, size_t route_count,
                enum status (*ready)(struct app *app, struct arena *arena, struct str *ret_error));

#endif
