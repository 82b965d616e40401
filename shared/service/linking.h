/*
 * linking - one person, several platforms: codes, joining two accounts, undoing, unlinking.
 *
 * A code is issued on one platform and redeemed on another. Redis only says that a code exists; whether it is used, whose it is, and
 * whether it is the newest of its account is decided in PostgreSQL (decisions.md 10). So each use case has three parts, composed by the
 * command or endpoint that needs it: what is asked of Redis before the transaction, the step inside it, what is told to Redis after.
 *
 *     issue     once { linking_issue }              -> linking_publish
 *     redeem    linking_look_up -> once { linking_redeem } -> linking_settle
 *     confirm, decline, undo, unlink                   one step each
 */
#ifndef TRIVET_SERVICE_LINKING_H
#define TRIVET_SERVICE_LINKING_H

#include "core/link.h"
#include "core/reply.h"
#include "core/update.h"
#include "service/contact.h"
#include "store/tx.h"

/* ---- issuing ---- */

struct link_code {
	struct str code;  /* six symbols */
	struct str token; /* for a deep link: 32 hexadecimal digits */
	int64_t expires_at;
};

/*
 * linking_issue - step: a new code for the actor's account; the one before is forgotten.
 *
 * OK, CONFLICT (every platform is linked already: nothing to link), RETRY (the account changed hands meanwhile), statuses of pg_run().
 */
MUST_CHECK enum status linking_issue(struct tx *tx, const struct contact *actor, struct str bot, struct link_code *ret_code);

/*
 * linking_publish - after the commit and before the answer: makes the code known to Redis with its remaining time; also for a repeated
 * update, as long as the account still names it. Past its end there is nothing to do.
 *
 * OK, UNAVAILABLE (Redis is away: the platform's next try does it).
 */
MUST_CHECK enum status linking_publish(struct ctx *ctx, enum platform platform, const struct link_code *code, bool repeated);

/* ---- redeeming ---- */

enum link_outcome {
	LINK_OUTCOME_UNSET = 0,
	LINK_LINKED,
	LINK_NEEDS_CONFIRMATION,
	LINK_UNKNOWN,        /* unknown or expired: the only one that counts as an attempt */
	LINK_USED,
	LINK_REFUSED_OWN,
	LINK_REFUSED_PLATFORM,
	LINK_REFUSED_RECENT,
	LINK_REFUSED_MERGES,
	LINK_ATTEMPTS,       /* too many wrong codes: wait_us */
	LINK_FLOODED,        /* too many wrong codes of all, and this person is new */
	LINK_AWAY,           /* Redis is away: fail closed */
	LINK_OUTCOME_COUNT
};

/* What Redis said, and what it will have to be told. */
struct link_attempt {
	struct str key;      /* idempotency key of the update: one attempt however often it comes */
	struct str hash;     /* keyed hash of what was typed */
	struct str guess_key;
	enum link_outcome refusal; /* ATTEMPTS, FLOODED, AWAY; UNSET: go on */
	int64_t wait_us;
	bool known;          /* Redis knows the code */
	bool entered;        /* the attempt was counted and must be taken out again if it was not a wrong guess */
};

/*
 * linking_look_up - counts the attempt and asks Redis for the code. Redis away is a refusal (LINK_AWAY), not a failure.
 *
 * typed   as the person typed it; normalised here. A deep link's token goes the same way.
 * OK, UNAVAILABLE, TIMED_OUT (PostgreSQL), TOO_LARGE (arena).
 */
MUST_CHECK enum status linking_look_up(struct ctx *ctx, const struct person *actor, struct str key, struct str typed,
                                       struct link_attempt *ret_attempt);

struct link_result {
	enum link_outcome outcome;
	int64_t wait_us;            /* ATTEMPTS, REFUSED_RECENT */
	enum platform platform;     /* REFUSED_PLATFORM */
	struct identity other;      /* LINKED, NEEDS_CONFIRMATION: the issuer's identity, for the redeemer */
	struct str confirmation;    /* NEEDS_CONFIRMATION: token of 22 characters */
	int64_t confirm_until;
	struct balance mine;        /* NEEDS_CONFIRMATION: both sides before, for the dialogue */
	struct balance theirs;
	int64_t merge_id;           /* LINKED */
	bool may_undo;              /* LINKED: who reads the reply may undo it for LINK_UNDO_US; else /unlink separates */
	struct identity keeper;     /* LINKED: with whom the data stay after /unlink */
	struct str used_code_hash;  /* to be deleted from Redis; absent: none */
	struct str used_token_hash;
};

/*
 * linking_redeem - step: decides what the code does for the actor, and does it. Every refusal is a result with OK.
 *
 * Both sides are told of a link: the redeemer by the reply that the caller makes, the issuer by an outbox row with "Not me", sent to one of
 * the issuer's own people.
 * RETRY when an account changed hands between reading and locking; statuses of pg_run().
 */
MUST_CHECK enum status linking_redeem(struct tx *tx, const struct contact *actor, const struct link_attempt *attempt,
                                      struct link_result *ret_result);

/* linking_say_undo - how a link is undone, as a line and, where it can be, a button. result: LINKED. */
void linking_say_undo(struct arena *arena, struct reply *reply, const struct link_result *result);

/*
 * linking_settle - after the commit: deletes used codes, takes attempts out that were not wrong, counts wrong ones. Failures are harmless.
 * Not called for a repeated update: the first one has settled.
 */
void linking_settle(struct ctx *ctx, const struct link_attempt *attempt, const struct link_result *result);

/*
 * linking_kill - step for a code that was typed where others read along: it works no more. Unknown codes are ignored.
 */
MUST_CHECK enum status linking_kill(struct tx *tx, struct str typed);

/* ---- the dialogue ---- */

enum link_answer {
	LINK_ANSWER_UNSET = 0,
	LINK_ANSWER_LINKED,
	LINK_ANSWER_DECLINED,
	LINK_ANSWER_FOREIGN,  /* not this person's question, or unknown */
	LINK_ANSWER_BEFORE,   /* answered before */
	LINK_ANSWER_EXPIRED,
	LINK_ANSWER_CHANGED,  /* the people of a side are not those that were shown: nothing was done */
	LINK_ANSWER_REFUSED,  /* another rule forbids it by now: result.outcome says which */
	LINK_ANSWER_COUNT
};

/* linking_answer - step: the redeemer's yes or no. A yes is to the two sides that he was shown. */
MUST_CHECK enum status linking_answer(struct tx *tx, const struct contact *actor, struct str token, bool accept,
                                      enum link_answer *ret_answer, struct link_result *ret_result);

/* ---- undoing and unlinking ---- */

/*
 * linking_undo - step: "Not me", or staff (actor NULL). ret_verdict says what happened; ALLOWED means it was done.
 *
 * by   for the record: "discord:5", "operator"
 */
MUST_CHECK enum status linking_undo(struct tx *tx, const struct contact *actor, int64_t merge_id, struct str by,
                                    enum link_undo_verdict *ret_verdict);

/*
 * linking_merge_by_staff - step: joins two accounts on the operator's word; the older survives, both sides are told.
 *
 * result.outcome as for redeem. OK, NOT_FOUND (one of them is merged, erased or unknown), statuses of pg_run().
 */
MUST_CHECK enum status linking_merge_by_staff(struct tx *tx, int64_t a, int64_t b, struct str by, struct link_result *ret_result);

/*
 * linking_unlink - step: the identity leaves the account and starts a new one; the side that did not ask is told.
 *
 * actor         who asks, on account_id; NULL: staff, who may choose any identity
 * identity_id   which one leaves; 0: the later of two
 * ret_left      set when the verdict is ALLOWED, as it was before leaving
 * OK (look at the verdict), NOT_FOUND (staff named an account that does not live), RETRY (the actor is no longer on it), statuses of
 * pg_run().
 */
MUST_CHECK enum status linking_unlink(struct tx *tx, const struct contact *actor, int64_t account_id, int64_t identity_id, struct str by,
                                      enum unlink_verdict *ret_verdict, struct identity *ret_left);

/* linking_record_numbers - "[5,7]": identities in a record, which outlives the people. */
struct str linking_record_numbers(struct arena *arena, const int64_t *ids, size_t count);

#endif
