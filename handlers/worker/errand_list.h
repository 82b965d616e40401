/*
 * errand_list - the tasks of one kind of errand: a few people at a time, each with an arena of his own.
 *
 * A task is FREE; its kind's claim() makes it WAIT for its first call; call() makes it FLY; heard() leads to the next call or to DONE, and
 * settle(), once that is written, frees it or has it wait again. A person who is in work is not claimed a second time. What differs between
 * kinds stands in their rows (struct errand_kind) and behind `struct errand`, the first member of their tasks.
 *
 * Everything runs on the sender's thread. The list owns its tasks and their arenas; errands.c owns the lists.
 */
#ifndef TRIVET_WORKER_ERRAND_LIST_H
#define TRIVET_WORKER_ERRAND_LIST_H

#include "errands.h"

enum errand_state {
	ERRAND_FREE = 0,
	ERRAND_WAITING, /* its next call begins when there is room */
	ERRAND_FLYING,
	ERRAND_DONE, /* to be written */
	ERRAND_STATE_COUNT
};

/* Of a kind at once; none has more. */
#define ERRAND_TASKS_MAX 4

struct errand_list;

/* What every task begins with. */
struct errand {
	struct errand_list *list;
	enum errand_state state;
	struct arena *arena; /* of this person, reset when he is written: what is known of him lives nowhere else */
	int64_t who;         /* whom claim() is not to give again; set before the task waits */
	struct errand_flight flight; /* of the call that waits or flies; a kind sets its key */
};

/* What a look into the database may ask for. */
struct errand_room {
	struct delivery_owner owner;
	const int64_t *in_work; /* `who` of the tasks that are not free */
	size_t in_work_count;
	size_t room; /* how many more; at least one */
};

/* The row of a kind. */
struct errand_kind {
	size_t task_size;   /* of the struct that begins with struct errand */
	size_t tasks_max;   /* 1..ERRAND_TASKS_MAX */
	size_t arena_limit; /* bytes for each task */
	int64_t poll_us;    /* from one look into the database to the next */
	bool looks_on;      /* where somebody was found there are more: the next look is soon */
	bool by_bot;        /* calls count against the bot's own limit */
	const char *looking; /* for the log, when the database is away */
	const char *writing;

	/* claim - gives tasks of errand_list_vacant() to at most `room` people. ret_count: those found; untouched unless OK. */
	enum status (*claim)(struct errand_list *list, struct ctx *ctx, const struct errand_room *room, size_t *ret_count);
	/* call - begins the call that waits, or is done with the task. */
	void (*call)(struct errand *task);
	/* heard - the answer; arg is the task. */
	void (*heard)(void *arg, const struct http_response *response, int64_t mono);
	/* postpone - the call would wait for `us`: the task is done, for now. */
	void (*postpone)(struct errand *task, int64_t us);
	/* settle - writes what a done task came to; on OK it is free or waits again, else it is written at the next turn. */
	enum status (*settle)(struct errand *task, struct ctx *ctx);
};

extern const struct errand_kind role_errands; /* roles.c */
extern const struct errand_kind link_errands; /* links.c */

/* errand_list_new - borrows both; `errands` may still be under way itself. NULL: no memory. */
struct errand_list *errand_list_new(struct errands *errands, const struct errand_kind *kind);
/* errand_list_free - calls in flight must have ended, or their batch must be gone. errand_list_free(NULL) is fine. */
void errand_list_free(struct errand_list *list);

size_t errand_list_count(const struct errand_list *list, enum errand_state state);
/* errand_list_due - when the next look into the database is, by the monotonic clock. */
int64_t errand_list_due(const struct errand_list *list);

/*
 * The parts of a turn. errand_list_settle - writes what is done. errand_list_claim - looks for more when it is time. errand_list_start -
 * begins the calls that have room. errand_list_drop - leaves those that wait: their marks stay.
 */
void errand_list_settle(struct errand_list *list);
void errand_list_claim(struct errand_list *list);
void errand_list_start(struct errand_list *list);
void errand_list_drop(struct errand_list *list);

/* ---- for the kinds ----------------------------------------------------------------------------------------------------------- */

/* errand_list_at - the task at `i`, free or not, borrowed; NULL behind the last. errand_list_vacant - a free one; NULL: there is none. */
struct errand *errand_list_at(const struct errand_list *list, size_t i);
struct errand *errand_list_vacant(const struct errand_list *list);

/* errand_list_note_refused - notes that our settings are refused, or no longer; true: that they are is new, and for the log. */
bool errand_list_note_refused(struct errand_list *list, bool refused);

/* errand_clear - the task is free and knows nothing any more. */
void errand_clear(struct errand *task);

/* errand_app - borrowed. errand_why - a reason as the database keeps it: clipped, in the task's arena; absent stays absent. */
struct app *errand_app(const struct errand *task);
struct str errand_why(const struct errand *task, struct str why);

#endif
