/* Reading boards: places from Redis, names from PostgreSQL, one after the other and never both at once. */
#include "service/boards.h"

#include "core/counter.h"
#include "io/app.h"
#include "service/tx.h"

static const char *const period_words[BOARD_PERIOD_COUNT] = {
	[BOARD_PERIOD_UNSET] = "", [BOARD_ALL] = "all", [BOARD_SEASON] = "season", [BOARD_WEEK] = "week"};
static const char *const by_words[BOARD_BY_COUNT] = {[BOARD_BY_UNSET] = "", [BOARD_XP] = "xp", [BOARD_COINS] = "coins"};

struct str boards_key(struct arena *arena, enum board_period period, int64_t number, enum board_by by)
{
	if (period == BOARD_ALL) {
		return str_printf(arena, "board:all:%s", by_words[by]);
	}
	return str_printf(arena, "board:%s:%lld:%s", period_words[period], (long long)number, by_words[by]);
}

int64_t boards_value(const struct board_values *values, enum board_period period, int64_t number, enum board_by by)
{
	bool xp = by == BOARD_XP;

	switch (period) {
	case BOARD_ALL:
		return xp ? values->xp : values->coins;
	case BOARD_SEASON:
		return values->season_no != number ? 0 : xp ? values->season_xp : values->season_coins;
	case BOARD_WEEK:
		return values->week_no != number ? 0 : xp ? values->week_xp : values->week_coins;
	case BOARD_PERIOD_UNSET:
	case BOARD_PERIOD_COUNT:
		break;
	}
	return 0;
}

/* ---- a read on its way ---- */

struct reading {
	struct ctx *ctx;
	const struct board_wish *wish;
	struct board_season season;
	struct board_person person;
	struct str key;
	int64_t number;            /* of the period */
	struct cache_ranked *rows; /* from Redis */
	size_t row_count;
	int64_t first; /* index of rows[0] */
	int64_t *ids;
	struct board_name *names;
	size_t name_count;
};

static enum status read_season(struct tx *tx, void *arg)
{
	struct reading *reading = arg;

	return board_season(tx, &reading->season);
}

static enum status read_person(struct tx *tx, void *arg)
{
	struct reading *reading = arg;

	return board_person(tx, reading->wish->platform, reading->wish->platform_id, &reading->person);
}

static enum status read_names(struct tx *tx, void *arg)
{
	struct reading *reading = arg;

	return board_names(tx, reading->ids, reading->row_count, reading->names, &reading->name_count);
}

/* Which set, and who asks. */
static enum status begin(struct reading *reading)
{
	const struct board_wish *wish = reading->wish;
	enum status status = wish->period == BOARD_SEASON ? service_read(reading->ctx, read_season, reading) : OK;

	if (status == OK && wish->known != NULL) {
		reading->person = *wish->known;
	} else if (status == OK && wish->platform != PLATFORM_UNSET) {
		status = service_read(reading->ctx, read_person, reading);
	}
	if (status != OK) {
		return status;
	}
	reading->number = wish->period == BOARD_SEASON ? reading->season.number : wish->period == BOARD_WEEK ? counter_week(reading->ctx->now) : 0;
	reading->key = boards_key(reading->ctx->arena, wish->period, reading->number, wish->by);
	return str_present(reading->key) ? OK : TOO_LARGE;
}

static enum status fetch(struct reading *reading, int64_t from, int64_t count)
{
	struct ctx *ctx = reading->ctx;
	enum status status = cache_ranked_page(ctx->app->cache, ctx->arena, ctx->deadline, BOARDS_READY, reading->key, from, count, &reading->rows,
	                                       &reading->row_count);

	reading->first = from;
	return status == NOT_FOUND ? UNAVAILABLE : status; /* being made anew */
}

static enum status count_above(struct reading *reading, int64_t value, int64_t *ret_above)
{
	return cache_ranked_above(reading->ctx->app->cache, reading->ctx->deadline, reading->key, value, ret_above);
}

/*
 * The own place. What the board says of somebody counts before his balance, which may be a moment ahead of it: he must not stand above
 * himself. ret_index: his own, or where he would stand.
 */
static enum status place_me(struct reading *reading, struct board_page *page, int64_t *ret_index, bool *ret_listed)
{
	struct ctx *ctx = reading->ctx;
	int64_t value = boards_value(&reading->person.values, reading->wish->period, reading->number, reading->wish->by);
	int64_t above = 0;
	int64_t index = 0;
	enum status status = cache_ranked_find(ctx->app->cache, ctx->deadline, reading->key, reading->person.name.account_id, &value, &index);
	bool listed = status == OK;

	if (status == OK || status == NOT_FOUND) {
		status = count_above(reading, value, &above);
	}
	if (status != OK) {
		return status;
	}
	page->has_me = true;
	page->me = (struct board_item){.name = reading->person.name, .place = above + 1, .value = value};
	*ret_index = listed ? index : above;
	*ret_listed = listed;
	return OK;
}

static const struct board_name *find_name(const struct reading *reading, int64_t id)
{
	for (size_t i = 0; i < reading->name_count; i++) {
		if (reading->names[i].account_id == id) {
			return &reading->names[i];
		}
	}
	return NULL;
}

/* Rows with their places and names; who may not be seen any more is left out, and nobody moves up for that. */
static enum status name_rows(struct reading *reading, struct board_page *page)
{
	struct ctx *ctx = reading->ctx;
	size_t count = reading->row_count;
	int64_t place = 0;
	int64_t above = 0;

	page->items = arena_array(ctx->arena, count + 1, sizeof(*page->items)); /* one more: around a person who is not listed */
	reading->ids = arena_array(ctx->arena, count, sizeof(*reading->ids));
	reading->names = arena_array(ctx->arena, count, sizeof(*reading->names));
	if (page->items == NULL || reading->ids == NULL || reading->names == NULL) {
		return TOO_LARGE;
	}
	if (count == 0) {
		return OK;
	}
	for (size_t i = 0; i < count; i++) {
		reading->ids[i] = reading->rows[i].member;
	}
	enum status status = reading->first > 0 ? count_above(reading, reading->rows[0].score, &above) : OK;

	if (status == OK) {
		status = service_read(ctx, read_names, reading);
	}
	for (size_t i = 0; i < count && status == OK; i++) {
		const struct board_name *name = find_name(reading, reading->ids[i]);
		int64_t value = reading->rows[i].score;
		bool tied = i > 0 && value == reading->rows[i - 1].score;

		place = i == 0 ? above + 1 : tied ? place : reading->first + (int64_t)i + 1;
		if (name != NULL) {
			page->items[page->count++] = (struct board_item){.name = *name, .place = place, .value = value};
		}
	}
	return status;
}

/* Puts somebody who is hidden among his neighbours, in front of the first who has no more than he. */
static void insert_me(struct board_page *page)
{
	size_t at = 0;

	while (at < page->count && page->items[at].value > page->me.value) {
		at++;
	}
	for (size_t i = page->count; i > at; i--) {
		page->items[i] = page->items[i - 1];
	}
	page->items[at] = page->me;
	page->count++;
}

static enum status read_around(struct reading *reading, struct board_page *page)
{
	int64_t index = 0;
	bool listed = false;
	enum status status = place_me(reading, page, &index, &listed);
	int64_t from = index > BOARDS_AROUND ? index - BOARDS_AROUND : 0;

	if (status == OK) {
		status = fetch(reading, from, index - from + BOARDS_AROUND + (listed ? 1 : 0));
	}
	if (status == OK) {
		status = name_rows(reading, page);
	}
	if (status == OK && !listed) {
		insert_me(page);
	}
	return status;
}

static enum status read_page(struct reading *reading, struct board_page *page)
{
	const struct board_wish *wish = reading->wish;
	int64_t index = 0;
	bool listed = false;
	/* One more than is asked for: whether there is a next page. */
	enum status status = fetch(reading, wish->from, wish->limit + 1);

	if (status == OK && reading->row_count > (size_t)wish->limit) {
		reading->row_count = (size_t)wish->limit;
		page->next = wish->from + wish->limit;
	}
	if (status == OK) {
		status = name_rows(reading, page);
	}
	return status == OK && wish->platform != PLATFORM_UNSET ? place_me(reading, page, &index, &listed) : status;
}

enum status boards_read(struct ctx *ctx, const struct board_wish *wish, struct board_page *ret_page)
{
	struct reading reading = {.ctx = ctx, .wish = wish};
	struct board_page page = {0};
	enum status status = begin(&reading);

	if (status == OK) {
		status = wish->around ? read_around(&reading, &page) : read_page(&reading, &page);
	}
	if (status == OK) {
		*ret_page = page;
	}
	return status;
}

enum status boards_place(struct ctx *ctx, enum board_by by, int64_t account_id, const struct board_values *values, int64_t *ret_place)
{
	const struct board_wish wish = {.period = BOARD_ALL, .by = by};
	struct reading reading = {.ctx = ctx, .wish = &wish, .key = boards_key(ctx->arena, BOARD_ALL, 0, by),
	                          .person = {.name.account_id = account_id, .values = *values}};
	struct board_page page = {0};
	int64_t index = 0;
	bool listed = false;
	enum status status = fetch(&reading, 0, 1); /* also says whether the sets are to be believed */

	if (status == OK) {
		status = place_me(&reading, &page, &index, &listed);
	}
	if (status == OK) {
		*ret_place = page.me.place;
	}
	return status;
}
