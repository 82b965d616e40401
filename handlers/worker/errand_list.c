/* The tasks of one kind of errand: taken, begun, written, freed. */
#include "errand_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf.h"

/* While there is no room, or more to be found. */
#define POLL_BUSY_US (50 * 1000)
#define ERROR_POINTS_MAX 200

struct errand_list {
	struct errands *errands;
	const struct errand_kind *kind;
	struct errand *tasks[ERRAND_TASKS_MAX]; /* the kind's own structs, of kind->tasks_max */
	int64_t due_at; /* the next look into the database; monotonic */
	bool refused; /* said in the log, once */
};

/* ---- tasks ------------------------------------------------------------------------------------------------------------------- */

static struct errand *task_new(struct errand_list *list)
{
	struct errand *task = calloc(1, list->kind->task_size);
	struct arena *arena = arena_new(list->kind->arena_limit);
	if (task == NULL || arena == NULL) {
		arena_free(arena);
		free(task);
		return NULL;
	}
	task->list = list;
	task->arena = arena;
	errand_clear(task);
	return task;
}

static void task_free(struct errand *task)
{
	if (task != NULL) {
		arena_free(task->arena);
	}
	free(task);
}

struct errand_list *errand_list_new(struct errands *errands, const struct errand_kind *kind)
{
	assert(kind->tasks_max >= 1 && kind->tasks_max <= ERRAND_TASKS_MAX && kind->task_size >= sizeof(struct errand));
	struct errand_list *list = calloc(1, sizeof *list);
	if (list == NULL) {
		return NULL;
	}
	list->errands = errands;
	list->kind = kind;
	for (size_t i = 0; i < kind->tasks_max; i++) {
		list->tasks[i] = task_new(list);
		if (list->tasks[i] == NULL) {
			errand_list_free(list);
			return NULL;
		}
	}
	return list;
}

void errand_list_free(struct errand_list *list)
{
	if (list == NULL) {
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(list->tasks); i++) {
		task_free(list->tasks[i]);
	}
	free(list);
}

size_t errand_list_count(const struct errand_list *list, enum errand_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < list->kind->tasks_max; i++) {
		count += list->tasks[i]->state == state ? 1 : 0;
	}
	return count;
}

int64_t errand_list_due(const struct errand_list *list)
{
	return list->due_at;
}

struct errand *errand_list_at(const struct errand_list *list, size_t i)
{
	return i < list->kind->tasks_max ? list->tasks[i] : NULL;
}

struct errand *errand_list_vacant(const struct errand_list *list)
{
	for (size_t i = 0; i < list->kind->tasks_max; i++) {
		if (list->tasks[i]->state == ERRAND_FREE) {
			return list->tasks[i];
		}
	}
	return NULL;
}

bool errand_list_note_refused(struct errand_list *list, bool refused)
{
	bool news = refused && !list->refused;
	list->refused = refused;
	return news;
}

void errand_clear(struct errand *task)
{
	struct errand_list *list = task->list;
	struct arena *arena = task->arena;
	arena_reset(arena);
	memset(task, 0, list->kind->task_size); /* what the kind keeps behind the first member goes too */
	task->list = list;
	task->arena = arena;
	task->flight =
		(struct errand_flight){.errands = list->errands, .by_bot = list->kind->by_bot, .heard = list->kind->heard, .arg = task};
}

struct app *errand_app(const struct errand *task)
{
	return errands_worker(task->list->errands)->app;
}

struct str errand_why(const struct errand *task, struct str why)
{
	return str_dup(task->arena, utf_clip_points(why, ERROR_POINTS_MAX));
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------- */

void errand_list_settle(struct errand_list *list)
{
	for (size_t i = 0; i < list->kind->tasks_max; i++) {
		if (list->tasks[i]->state != ERRAND_DONE) {
			continue;
		}
		struct ctx ctx = errands_ctx(list->errands);
		enum status status = list->kind->settle(list->tasks[i], &ctx);
		if (!errands_worked(list->errands, list->kind->writing, status)) {
			return; /* written at the next turn */
		}
		list->due_at = 0;
	}
}

/* Whom the tasks are about that are not free. */
static size_t in_work(const struct errand_list *list, int64_t *ret_ids)
{
	size_t count = 0;
	for (size_t i = 0; i < list->kind->tasks_max; i++) {
		if (list->tasks[i]->state != ERRAND_FREE) {
			ret_ids[count++] = list->tasks[i]->who;
		}
	}
	return count;
}

void errand_list_claim(struct errand_list *list)
{
	const struct errand_kind *kind = list->kind;
	int64_t mono = clock_monotonic_us();
	if (mono < list->due_at) {
		return;
	}
	int64_t ids[ERRAND_TASKS_MAX];
	size_t busy = in_work(list, ids);
	list->due_at = mono + (busy == kind->tasks_max ? POLL_BUSY_US : kind->poll_us);
	if (busy == kind->tasks_max) {
		return;
	}
	struct ctx ctx = errands_ctx(list->errands);
	struct errand_room room = {errands_owner(list->errands), ids, busy, kind->tasks_max - busy};
	size_t count = 0;
	enum status status = kind->claim(list, &ctx, &room, &count);
	if (errands_worked(list->errands, kind->looking, status) && count > 0 && kind->looks_on) {
		list->due_at = clock_monotonic_us() + POLL_BUSY_US;
	}
}

void errand_list_start(struct errand_list *list)
{
	for (size_t i = 0; i < list->kind->tasks_max; i++) {
		struct errand *task = list->tasks[i];
		int64_t mono = clock_monotonic_us();
		if (task->state != ERRAND_WAITING) {
			continue;
		}
		int64_t wait = errand_wait(&task->flight, mono);
		if (wait > ERRAND_WAIT_MAX_US) {
			list->kind->postpone(task, wait);
		} else if (errand_may_call(&task->flight, mono)) {
			list->kind->call(task);
		}
	}
}

void errand_list_drop(struct errand_list *list)
{
	for (size_t i = 0; i < list->kind->tasks_max; i++) {
		if (list->tasks[i]->state == ERRAND_WAITING) {
			errand_clear(list->tasks[i]);
		}
	}
}
