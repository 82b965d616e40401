/*
 * trivet-api - the service API for other bots and programs, under /v1.
 *
 * Who may call what is a column of the route table (main.c); an endpoint finds its key in call->identity.
 */
#ifndef TRIVET_API_H
#define TRIVET_API_H

#include "service/apikeys.h"
#include "web/web.h"

/* api_verify - the key of a request, its scope, and its turn: sets call->identity to a struct apikey. */
MUST_CHECK enum status api_verify(struct route_call *call);

MUST_CHECK enum status get_user(struct route_call *call);
MUST_CHECK enum status post_user(struct route_call *call);
MUST_CHECK enum status post_events(struct route_call *call);
MUST_CHECK enum status get_board(struct route_call *call); /* boards.c */

#endif
