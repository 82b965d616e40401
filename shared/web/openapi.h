/*
 * openapi - a program's route table as an OpenAPI document, for those who build on it.
 *
 * The frame (info, servers, components) is written by hand as JSON; the paths come from the rows (route.h, the columns behind summary), so
 * an endpoint cannot stand in the table and lack in the document. What a row names and the frame lacks is refused; what the frame holds
 * and nobody names is found by the linter (make lint-openapi).
 */
#ifndef TRIVET_WEB_OPENAPI_H
#define TRIVET_WEB_OPENAPI_H

#include "web/route.h"

struct json; /* io/json.h */

/*
 * openapi_text - the whole document, a member a line.
 *
 * frame        an OpenAPI 3.1 document without paths; of the bound arena, is built on. Its components must have: the schema Problem, the
 *              header RetryAfter, the security scheme key, and a parameter "path-<name>" for each {name} of a path
 * ret_text     lives in the arena, whose limit it wants: some MiB for a hundred rows
 * ret_reason   on INVALID: what is wrong with which row or component
 * OK, INVALID, TOO_LARGE (arena).
 */
MUST_CHECK enum status openapi_text(struct arena *arena, const struct route *routes, size_t count, struct json *frame, struct str *ret_text,
                                    struct str *ret_reason);

#endif
