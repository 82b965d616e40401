#include "service/sighting.h"

#include <pthread.h>
#include <string.h>

#include "base/log.h"
#include "io/app.h"
#include "service/tx.h"
#include "store/event.h"

/* Username (32), name (64 code points), language hint and bot, one after the other: longer ones do not come from the adapters. */
#define PLACE_TEXT 384

/* One person; platform UNSET: free. */
struct sighted {
	enum platform platform;
	bool private;
	int64_t platform_id;
	int64_t at;
	int lengths[4]; /* -1: absent */
	char text[PLACE_TEXT];
};

/* Each person has one place; where another one stands there he waits for his next sight. */
struct sightings {
	pthread_mutex_t mutex;
	size_t count;
	struct sighted places[SIGHTING_PLACES];
};

static void store_chore(struct ctx *ctx, void *arg UNUSED)
{
	size_t count = 0;
	enum status status = sightings_store(ctx, &count);

	if (status != OK) {
		log_message(LOG_DEBUG, "sightings", "%s: what was seen is noted again at its next sight", status_name(status));
	}
}

enum status sightings_begin(struct app *app, struct arena *arena)
{
	struct sightings *sightings = arena_alloc(arena, sizeof(*sightings));

	if (sightings == NULL) {
		return UNAVAILABLE;
	}
	(void)pthread_mutex_init(&sightings->mutex, NULL);
	sightings->count = 0;
	for (size_t i = 0; i < SIGHTING_PLACES; i++) {
		sightings->places[i].platform = PLATFORM_UNSET;
	}
	app->sightings = sightings;
	app_add_chore(app, (struct chore){.every_us = SIGHTING_EVERY_US, .run = store_chore});
	return OK;
}

/* Fibonacci hashing: ids that follow each other fall apart. */
static struct sighted *place_of(struct sightings *sightings, const struct person *person)
{
	uint64_t hash = ((uint64_t)person->platform_id * 8 + (uint64_t)person->platform) * UINT64_C(0x9e3779b97f4a7c15);

	return &sightings->places[(hash >> 32) % SIGHTING_PLACES];
}

/* False: the texts do not fit. */
static bool fill(struct sighted *place, const struct update *update, int64_t now)
{
	const struct person *actor = &update->actor;
	const struct str texts[] = {actor->username, actor->name, actor->language_hint, update->bot};
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].len > PLACE_TEXT - used) {
			return false;
		}
		place->lengths[i] = str_present(texts[i]) ? (int)texts[i].len : -1;
		if (texts[i].len > 0) {
			memcpy(place->text + used, texts[i].ptr, texts[i].len);
		}
		used += texts[i].len;
	}
	place->platform_id = actor->platform_id;
	place->private = update->place == PLACE_PRIVATE;
	place->at = now;
	return true;
}

void sighting_note(struct ctx *ctx, const struct update *update)
{
	struct sightings *sightings = ctx->app->sightings;

	if (sightings == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&sightings->mutex);
	struct sighted *place = place_of(sightings, &update->actor);
	bool free_place = place->platform == PLATFORM_UNSET;
	bool own = place->platform == update->actor.platform && place->platform_id == update->actor.platform_id;

	if (free_place || own) {
		bool filled = fill(place, update, ctx->now);

		place->platform = filled ? update->actor.platform : PLATFORM_UNSET;
		sightings->count += (size_t)(filled && free_place);
		sightings->count -= (size_t)(!filled && own);
	}
	(void)pthread_mutex_unlock(&sightings->mutex);
}

/* The columns of the statement. */
struct columns {
	struct event_person *people;
	struct str *platforms;
	int64_t *ids;
	struct str *texts[4];
	struct str *privates;
	int64_t *ats;
	size_t count;
};

static bool make_room(struct arena *arena, size_t count, struct columns *ret_columns)
{
	ret_columns->people = arena_array(arena, count, sizeof(struct event_person));
	ret_columns->platforms = arena_array(arena, count, sizeof(struct str));
	ret_columns->privates = arena_array(arena, count, sizeof(struct str));
	ret_columns->ids = arena_array(arena, count, sizeof(int64_t));
	ret_columns->ats = arena_array(arena, count, sizeof(int64_t));
	for (size_t i = 0; i < ARRAY_LEN(ret_columns->texts); i++) {
		ret_columns->texts[i] = arena_array(arena, count, sizeof(struct str));
	}
	return !arena_failed(arena);
}

static void take_place(struct arena *arena, struct sighted *place, struct columns *columns)
{
	size_t used = 0;
	size_t row = columns->count++;

	columns->people[row] = (struct event_person){place->platform, place->platform_id};
	columns->platforms[row] = platform_name(place->platform);
	columns->ids[row] = place->platform_id;
	columns->privates[row] = place->private ? STR("true") : STR("false");
	columns->ats[row] = place->at;
	for (size_t i = 0; i < ARRAY_LEN(place->lengths); i++) {
		size_t len = place->lengths[i] >= 0 ? (size_t)place->lengths[i] : 0;

		columns->texts[i][row] = place->lengths[i] >= 0 ? str_dup(arena, (struct str){place->text + used, len}) : STR_ABSENT;
		used += len;
	}
	place->platform = PLATFORM_UNSET;
}

/* All that was noted; the places are free again. */
static bool take(struct arena *arena, struct sightings *sightings, struct columns *ret_columns)
{
	struct columns columns = {0};

	(void)pthread_mutex_lock(&sightings->mutex);
	bool taken = sightings->count == 0 || make_room(arena, sightings->count, &columns);

	for (size_t i = 0; taken && i < SIGHTING_PLACES && sightings->count > 0; i++) {
		if (sightings->places[i].platform != PLATFORM_UNSET) {
			take_place(arena, &sightings->places[i], &columns);
			sightings->count--;
		}
	}
	(void)pthread_mutex_unlock(&sightings->mutex);
	*ret_columns = columns;
	return taken;
}

static enum status mark_roles(struct tx *tx, const struct columns *columns)
{
	struct pg_params params = tx_params(tx);

	pg_add_str_array(&params, columns->platforms, columns->count);
	pg_add_i64_array(&params, columns->ids, columns->count);
	return tx_query(tx, SQL_SIGHTING_MARK_ROLES, &params, NULL);
}

static enum status store(struct tx *tx, void *arg)
{
	const struct columns *columns = arg;
	struct pg_params params = tx_params(tx);

	pg_add_str_array(&params, columns->platforms, columns->count);
	pg_add_i64_array(&params, columns->ids, columns->count);
	for (size_t i = 0; i < ARRAY_LEN(columns->texts); i++) {
		pg_add_str_array(&params, columns->texts[i], columns->count);
	}
	pg_add_str_array(&params, columns->privates, columns->count);
	pg_add_time_array(&params, columns->ats, columns->count);
	enum status status = identities_ensure(tx, columns->people, columns->count);

	if (status == OK) {
		status = tx_query(tx, SQL_SIGHTING_STORE, &params, NULL);
	}
	return status == OK ? mark_roles(tx, columns) : status;
}

enum status sightings_store(struct ctx *ctx, size_t *ret_count)
{
	struct columns columns;

	if (!take(ctx->arena, ctx->app->sightings, &columns)) {
		return TOO_LARGE;
	}
	*ret_count = columns.count;
	return columns.count > 0 ? tx_run(ctx, store, &columns) : OK;
}
