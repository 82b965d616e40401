/*
 * errands - what the sender does on Discord beside messages: roles that follow ranks, and Linked Roles.
 *
 * They run on the sender's thread, under its lease, through its curl_multi, and every call of the bot is counted by its pace, so limits are
 * shared (decisions.md 21). All errands together make at most ERRANDS_PER_SECOND calls. Nothing is claimed in the database: what is to be
 * done is marked there until it is written that it was done, so a kill at any moment loses none.
 */
#ifndef TRIVET_WORKER_ERRANDS_H
#define TRIVET_WORKER_ERRANDS_H

#include "io/http_client.h"
#include "pace.h"
#include "service/delivery.h"
#include "service/roles.h"
#include "worker.h"

#define ERRANDS_PER_SECOND 5

struct errands;

/* errands_new - borrows the batch and the bot's pace. NULL: no memory. */
struct errands *errands_new(struct worker *worker, struct http_batch *batch, struct pace *bot);
/* errands_free - calls in flight must have ended, or their batch must be gone. errands_free(NULL) is fine. */
void errands_free(struct errands *errands);

/* errands_turn - writes what was done, looks for more, starts calls. held: the bot's lease is ours; else what has not begun is left. */
void errands_turn(struct errands *errands, bool held);

/* errands_wake - when the next turn has something to do, by the monotonic clock. */
int64_t errands_wake(const struct errands *errands, int64_t mono);

/* errands_flying - how many calls are on their way. errands_drain - after SIGTERM: writes what was done, begins nothing. */
size_t errands_flying(const struct errands *errands);
void errands_drain(struct errands *errands);

/* ---- for the kinds of errands (errand_list.h) -------------------------------------------------------------------------------- */

/* A call on its way. */
struct errand_flight {
	struct errands *errands;
	int64_t key; /* of its bucket at Discord */
	bool by_bot; /* counts against the bot's own limit */
	void (*heard)(void *arg, const struct http_response *response, int64_t mono);
	void *arg;
};

/* Who must wait longer goes back, so that another finds room. */
#define ERRAND_WAIT_MAX_US (15 * SECOND_US)

/* errand_wait - how long the flight's bucket is held; 0: it is not. */
int64_t errand_wait(const struct errand_flight *flight, int64_t mono);

/* errand_may_call - whether the flight's call may begin now. errand_call - begins it. OK, INVALID, TOO_LARGE. */
bool errand_may_call(const struct errand_flight *flight, int64_t mono);
MUST_CHECK enum status errand_call(struct errand_flight *flight, const struct http_request *request);

/* errand_hold - no call of this bucket for `us`; errand_hold_bot - none of the bot at all, messages too. */
void errand_hold(const struct errand_flight *flight, int64_t mono, int64_t us);
void errand_hold_bot(const struct errand_flight *flight, int64_t mono, int64_t us);

/* errand_mind_bucket - what the headers of an answer say of its bucket. */
void errand_mind_bucket(const struct errand_flight *flight, int64_t mono, int64_t remaining, int64_t reset_us);

struct worker *errands_worker(const struct errands *errands);

/* errands_ctx - a turn's context. errands_owner - who we are, for claims. errands_worked - says once that the database is away or back. */
struct ctx errands_ctx(struct errands *errands);
struct delivery_owner errands_owner(const struct errands *errands);
bool errands_worked(struct errands *errands, const char *what, enum status status);

#endif
