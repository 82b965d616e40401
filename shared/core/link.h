/*
 * link - the rules of linking, merging, undoing and unlinking. Pure: values in, decisions out.
 *
 * Source: docs/ARCHITECTURE.md, "Linking"; the numbers below are the product's defaults.
 */
#ifndef TRIVET_CORE_LINK_H
#define TRIVET_CORE_LINK_H

#include "core/account.h"

/* No look-alikes: no I, L, O, 0, 1. 31 symbols, six of them: 887 million codes. */
#define LINK_CODE_ALPHABET "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
#define LINK_CODE_SYMBOLS 31
#define LINK_CODE_LENGTH 6
/* Deep links carry 128 bits as hexadecimal digits, so that nothing in them looks like a typed code. */
#define LINK_TOKEN_BYTES 16
#define LINK_CODE_LIFE_US (180 * SECOND_US)

#define LINK_GUESSES 5
#define LINK_GUESS_WINDOW_US (600 * SECOND_US)
#define LINK_FLOOD_PER_MINUTE 1000 /* wrong codes of all people, above which new identities wait */
#define LINK_FLOOD_NEW_US HOUR_US

#define LINK_CONFIRM_LIFE_US (10 * MINUTE_US)
#define LINK_NOT_ME_US DAY_US              /* the issuer's "Not me" */
#define LINK_UNDO_US (7 * DAY_US)          /* a merge of two histories */
#define LINK_RELINK_WAIT_US DAY_US         /* a detached identity, to another account than it left */
#define LINK_MERGES_MAX 3                  /* of two histories per account */
#define LINK_MERGES_WINDOW_US (30 * DAY_US)

/*
 * link_code_normalise - what a person typed as a code: ASCII letters raised, spaces and dashes dropped.
 *
 * Anything else stays, so that it matches no code; at most 64 bytes are kept. Lives in the arena.
 */
struct str link_code_normalise(struct arena *arena, struct str typed);

enum link_verdict {
	LINK_UNSET = 0,
	LINK_JOIN,              /* may be joined at once */
	LINK_CONFIRM,           /* the redeemer has a history: he must agree first */
	LINK_OWN,               /* his own code, or both are one person already */
	LINK_SAME_PLATFORM,     /* both sides hold an identity of one platform */
	LINK_RECENTLY_UNLINKED, /* an identity left another account less than 24 h ago; wait_us is set */
	LINK_TOO_MANY_MERGES,   /* more than LINK_MERGES_MAX of two histories */
	LINK_VERDICT_COUNT
};

struct link_side {
	const struct member *member;
	bool has_other_history; /* tickets, payments, badges of its own */
	int64_t recent_merges;  /* of two histories within LINK_MERGES_WINDOW_US */
};

struct link_decision {
	enum link_verdict verdict;
	int64_t wait_us;          /* RECENTLY_UNLINKED: until it may link */
	enum platform platform;   /* SAME_PLATFORM: which */
	bool issuer_survives;     /* JOIN, CONFIRM: the older account */
	int histories;            /* 0..2: sides with a history */
};

/* link_has_history - any XP, coins, tickets, payments, badges. */
bool link_has_history(const struct link_side *side);

/* link_shown_sum - what both sides come to, for the question. A sum that does not fit is shown as the largest; the joining refuses it. */
int64_t link_shown_sum(int64_t mine, int64_t theirs);

/*
 * link_decide - whether redeemer's account may join issuer's now.
 *
 * confirmed   the redeemer has said yes: CONFIRM is then JOIN
 * by_staff    staff may: no limit of merges, no wait after an unlink
 */
struct link_decision link_decide(const struct link_side *issuer, const struct link_side *redeemer, int64_t now, bool confirmed,
                                 bool by_staff);

/* What one side had that cannot be added up: of both sides the joining keeps the later streak and the longer run of wins. */
struct link_runs {
	int64_t streak;     /* days of /daily */
	int64_t last_daily; /* microseconds UTC; 0: never */
	int64_t wins;       /* in a row */
};

struct link_runs link_runs_of(const struct balance *balance);

/* A joining as it was recorded (migrations/0003 and 0020, merge). */
struct link_merge {
	int64_t id;
	int64_t survivor_id;
	int64_t loser_id;
	int64_t issuer_identity_id;
	int64_t redeemer_identity_id;
	int64_t survivor_oldest_id;
	int64_t loser_oldest_id;
	int64_t identity_ids[ACCOUNT_IDENTITIES_MAX];
	size_t identity_count;
	int histories;
	struct balance brought; /* by the loser, as far as it has not gone back and was not spent before a later joining carried it on */
	bool runs_known;               /* false: joined before migration 0020 */
	struct link_runs brought_runs; /* the loser's */
	struct link_runs kept_runs;    /* the survivor's */
	int64_t at;
	int64_t undone_at;
};

enum link_undo_verdict {
	LINK_UNDO_UNSET = 0,
	LINK_UNDO_ALLOWED,
	LINK_UNDO_DONE,    /* it was undone before */
	LINK_UNDO_FOREIGN, /* this identity may not */
	LINK_UNDO_LATE,    /* its time is over: /unlink separates */
	LINK_UNDO_EMPTY,   /* nothing of the other side is on the account any more, or the asking identity is not */
	LINK_UNDO_COUNT
};

/*
 * link_undo_decide - whether a joining may be undone: by the issuer's side within 24 h (whichever of its people reads "Not me"); by the
 * oldest identity of either side of two histories within 7 days; by staff always. An identity must still be on the account; any other one
 * does not learn whether there was such a joining.
 *
 * identity_id   the identity that asks; 0: staff
 * holder        the account that holds the joined data now
 */
enum link_undo_verdict link_undo_decide(const struct link_merge *merge, const struct member *holder, int64_t identity_id, int64_t now);

/*
 * link_marks - what an identity takes along when it leaves an account: that which was paid once, and every limit that runs. All else is 0.
 *
 * Nothing is printed by leaving and coming back, and no cap is escaped (domain.md, "Unlinking").
 */
struct balance link_marks(const struct balance *balance);

/*
 * link_undo_return - what an undo gives back: each sum that was brought, no more than is left (sums of a period only within it); the
 * streak and the run of wins that were brought; and the holder's marks, which stay with both.
 *
 * keep_us   within which of the last /daily a streak goes on (economy_rates): one that was over by then is not given back
 */
struct balance link_undo_return(const struct link_merge *merge, const struct balance *holder, int64_t keep_us);

/*
 * link_join_sums - adds everything but XP and coins (those go by ledger rows) and the number of badges (they are united) of `from`.
 *
 * Sums of a period count only when it is the later one of both; of runs the longer stays; the later last_daily comes with its streak; the
 * caps of a day add up; of both sides' paid ranks the higher counts.
 * OK, OVERFLOWN (a sum does not fit; `into` is of no use then).
 */
MUST_CHECK enum status link_join_sums(struct balance *into, const struct balance *from);

/* link_take_sums - the reverse for an undo; `part` came from link_undo_return(). */
void link_take_sums(struct balance *from, const struct balance *part);

/*
 * link_undo_runs - the runs that an undo leaves to the holder: those that the survivor had, and what came on top since the joining. Runs
 * that broke since and began anew are the holder's.
 */
void link_undo_runs(const struct link_merge *merge, int64_t keep_us, struct balance *holder);

enum unlink_verdict {
	UNLINK_UNSET = 0,
	UNLINK_ALLOWED,
	UNLINK_NOT_LINKED, /* one identity only: nothing to separate */
	UNLINK_ASK,        /* three identities: which one leaves? */
	UNLINK_OLDEST,     /* only staff detach the one that is longest on the account */
	UNLINK_FOREIGN,    /* not an identity of this account */
	UNLINK_COUNT
};

/*
 * unlink_decide - which identity leaves the account.
 *
 * identity_id   the chosen one; 0: none chosen yet (with two, the later one leaves)
 * ret_leaving   set on ALLOWED; borrowed from member
 */
enum unlink_verdict unlink_decide(const struct member *member, int64_t identity_id, bool by_staff, const struct identity **ret_leaving);

#endif
