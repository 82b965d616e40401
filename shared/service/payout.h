/*
 * payout - what turns of the economy lead to, collected over accounts and written by one statement per table. For ledger.c and applying.c.
 */
#ifndef TRIVET_SERVICE_PAYOUT_H
#define TRIVET_SERVICE_PAYOUT_H

#include "core/economy.h"
#include "store/catalogue.h"
#include "store/event.h"

/* To be told to one person: the whole of a batch in one notice per switch. */
struct payout_news {
	int64_t account_id;
	struct str source;           /* where it began: "telegram:<bot>" names the bot that had better tell it */
	int64_t rank_reached;        /* the highest; an id; 0: none */
	int64_t rank_coins;          /* of all that were passed */
	struct str rank_source;      /* what led to that rank, and in which chat; 0: in none */
	int64_t rank_chat_id;
	struct economy_set badges;   /* earned */
	struct economy_set missions; /* completed */
};

struct payout {
	const struct economy *economy;
	struct periods running;
	struct economy_effects effects; /* of the turn that is being taken */
	int64_t chat_id;                /* of that turn: where it happened, set by who knows it; 0: in no chat */
	struct event_posting *postings;
	size_t posting_count;
	size_t posting_room;
	struct badge_gain *badges;
	size_t badge_count;
	size_t badge_room;
	struct mission_gain *missions;
	size_t mission_count;
	size_t mission_room;
	struct payout_news *news;
	size_t news_count;
	size_t news_room;
};

/* payout_begin - nothing yet; reads the catalogue. Statuses of catalogue_get(). */
MUST_CHECK enum status payout_begin(struct tx *tx, struct payout *ret_payout);

/* payout_turn - the next turn, of `account`; to be given to economy_apply() and its like. */
struct economy_turn payout_turn(struct tx *tx, struct payout *payout, struct str key, struct economy_account *account);

/* payout_take - the effects of the turn that was taken. OK, TOO_LARGE. */
MUST_CHECK enum status payout_take(struct tx *tx, struct payout *payout, int64_t account_id, struct str source);

/* payout_write - everything but the balances: rows, badges, missions, notices. Statuses of pg_run(). */
MUST_CHECK enum status payout_write(struct tx *tx, const struct payout *payout);

#endif
