/*
 * seasons_pay - places and prizes of a season that is counted, a portion at a time. For seasons.c.
 */
#ifndef TRIVET_SERVICE_SEASONS_PAY_H
#define TRIVET_SERVICE_SEASONS_PAY_H

#include "store/season.h"

/*
 * seasons_pay - step: the next results from the top down get their places, their people what these earn, and the winners are told.
 *
 * Everything that leads to XP or coins goes by the season's own keys: "season:<no>:<account of the result>". A prize that does not fit into
 * an account (OVERFLOWN) is not paid; the rest is.
 * ret_count   results that were looked at; 0: that was all
 * OK, CONFLICT (a key is taken: a defect), RETRY (somebody joined or parted meanwhile), statuses of pg_run().
 */
MUST_CHECK enum status seasons_pay(struct tx *tx, const struct season_row *row, size_t *ret_count);

#endif
