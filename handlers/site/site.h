/*
 * trivet-site - members' endpoints, under /api.
 */
#ifndef TRIVET_SITE_H
#define TRIVET_SITE_H

#include "web/web.h"

MUST_CHECK enum status get_leaderboard(struct route_call *call); /* leaderboard.c */

#endif
