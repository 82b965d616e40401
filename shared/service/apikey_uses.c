#include "service/apikey_uses.h"

#include <pthread.h>
#include <stdlib.h>

#include "service/tx.h"
#include "store/apikey.h"

/* Beyond it a place is looked for too long. */
#define FULL (APIKEY_USES_MAX / 4 * 3)

struct place {
	int64_t key_id; /* 0: free */
	const char *path;
	enum method method;
	int64_t day;
	int64_t last_at;
	int64_t requests;
	int64_t refused;
};

struct apikey_uses {
	pthread_mutex_t mutex;
	size_t count;
	struct place places[APIKEY_USES_MAX];
};

_Static_assert((APIKEY_USES_MAX & (APIKEY_USES_MAX - 1)) == 0, "places are found by a mask");

struct apikey_uses *apikey_uses_new(struct arena *arena)
{
	struct apikey_uses *uses = arena_alloc(arena, sizeof(*uses));

	if (uses != NULL) {
		(void)pthread_mutex_init(&uses->mutex, NULL);
	}
	return uses;
}

/* Nobody outside chooses any of these, so a plain mixing does. */
static size_t first_place(const struct place *wanted)
{
	uint64_t mixed = (uint64_t)wanted->key_id * UINT64_C(0x9e3779b97f4a7c15);

	mixed ^= (uint64_t)(uintptr_t)wanted->path + (uint64_t)wanted->day + (uint64_t)wanted->method;
	mixed *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(mixed >> 32) & (APIKEY_USES_MAX - 1);
}

static bool same(const struct place *a, const struct place *b)
{
	return a->key_id == b->key_id && a->path == b->path && a->method == b->method && a->day == b->day;
}

/* Adds to the place of the same, or to a free one. There is one: FULL is below the size. */
static void add(struct apikey_uses *uses, const struct place *more)
{
	size_t at = first_place(more);

	while (uses->places[at].key_id != 0 && !same(&uses->places[at], more)) {
		at = (at + 1) & (APIKEY_USES_MAX - 1);
	}
	struct place *place = &uses->places[at];

	if (place->key_id == 0) {
		*place = *more;
		uses->count++;
		return;
	}
	place->requests += more->requests;
	place->refused += more->refused;
	place->last_at = place->last_at > more->last_at ? place->last_at : more->last_at;
}

/* Whether there was room. */
static bool try_add(struct apikey_uses *uses, const struct place *more)
{
	bool room = false;

	(void)pthread_mutex_lock(&uses->mutex);
	room = uses->count < FULL;
	if (room) {
		add(uses, more);
	}
	(void)pthread_mutex_unlock(&uses->mutex);
	return room;
}

void apikey_uses_count(struct ctx *ctx, struct apikey_uses *uses, const struct apikey_use *use)
{
	struct place one = {.key_id = use->key_id, .path = use->path, .method = use->method, .day = ctx->now / DAY_US, .last_at = ctx->now,
	                    .requests = 1, .refused = use->refused ? 1 : 0};

	if (!try_add(uses, &one)) {
		enum status written = apikey_uses_write(ctx, uses);
		bool counted = try_add(uses, &one);

		/* What cannot be counted is still served. */
		(void)written;
		(void)counted;
	}
}

/* ---- writing ---- */

static int compare(const void *left, const void *right)
{
	const struct apikey_usage *a = left;
	const struct apikey_usage *b = right;

	return (a->key_id > b->key_id) - (a->key_id < b->key_id);
}

/* All that was counted so far: ret_places is a copy, and the table is empty. OK, TOO_LARGE. */
static enum status take_all(struct arena *arena, struct apikey_uses *uses, struct place **ret_places, size_t *ret_count)
{
	struct place *taken = arena_array(arena, FULL, sizeof(*taken));
	size_t count = 0;

	if (taken == NULL) {
		return TOO_LARGE;
	}
	(void)pthread_mutex_lock(&uses->mutex);
	for (size_t i = 0; i < APIKEY_USES_MAX && uses->count > 0; i++) {
		if (uses->places[i].key_id != 0) {
			taken[count++] = uses->places[i];
			uses->places[i] = (struct place){0};
		}
	}
	uses->count = 0;
	(void)pthread_mutex_unlock(&uses->mutex);
	*ret_places = taken;
	*ret_count = count;
	return OK;
}

/* What could not be written comes with the next; that there is room is the header's second invariant. */
static void put_back(struct apikey_uses *uses, const struct place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool kept = try_add(uses, &places[i]);

		(void)kept;
	}
}

struct writing {
	struct apikey_usage *rows;
	size_t count;
};

static enum status write_rows(struct tx *tx, void *arg)
{
	const struct writing *writing = arg;

	return apikey_usage_add(tx, writing->rows, writing->count);
}

static enum status write_places(struct ctx *ctx, const struct place *places, size_t count)
{
	struct writing writing = {.rows = arena_array(ctx->arena, count, sizeof(*writing.rows)), .count = count};

	if (writing.rows == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		writing.rows[i] = (struct apikey_usage){.key_id = places[i].key_id, .last_at = places[i].last_at,
		                                        .requests = places[i].requests, .refused = places[i].refused,
		                                        .route = str_printf(ctx->arena, "%s %s", method_name(places[i].method),
		                                                            places[i].path)};
	}
	qsort(writing.rows, count, sizeof(*writing.rows), compare);
	return arena_failed(ctx->arena) ? TOO_LARGE : tx_run(ctx, write_rows, &writing);
}

enum status apikey_uses_write(struct ctx *ctx, struct apikey_uses *uses)
{
	struct place *places = NULL;
	size_t count = 0;
	enum status status = take_all(ctx->arena, uses, &places, &count);

	if (status != OK || count == 0) {
		return status;
	}
	status = write_places(ctx, places, count);
	if (status != OK) {
		put_back(uses, places, count);
	}
	return status;
}
