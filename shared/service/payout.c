#include "service/payout.h"

#include <string.h>

#include "service/catalogue.h"

#define ROOM_FIRST 64

enum status payout_begin(struct tx *tx, struct payout *ret_payout)
{
	struct payout payout = {0};
	enum status status = catalogue_get(tx, &payout.economy);

	if (status == OK) {
		payout.running = economy_periods(payout.economy, tx->ctx->now);
		*ret_payout = payout;
	}
	return status;
}

struct economy_turn payout_turn(struct tx *tx, struct payout *payout, struct str key, struct economy_account *account)
{
	economy_effects_begin(&payout->effects, tx->ctx->arena);
	return (struct economy_turn){.economy = payout->economy, .running = payout->running, .key = key, .account = account,
	                             .effects = &payout->effects};
}

/* The list with room for one more; NULL: the arena failed. */
static void *with_room(struct arena *arena, void *list, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room == 0 ? ROOM_FIRST : 2 * *room;
	void *larger = NULL;

	if (count < *room) {
		return list;
	}
	larger = arena_array(arena, wanted, size);
	if (larger == NULL) {
		return NULL;
	}
	if (count > 0) {
		memcpy(larger, list, count * size);
	}
	*room = wanted;
	return larger;
}

static enum status take_rows(struct arena *arena, struct payout *payout, int64_t account_id, struct str source)
{
	for (size_t i = 0; i < payout->effects.row_count; i++) {
		const struct economy_row *row = &payout->effects.rows[i];
		struct event_posting *list = with_room(arena, payout->postings, payout->posting_count, &payout->posting_room, sizeof(*list));

		if (list == NULL) {
			return TOO_LARGE;
		}
		payout->postings = list;
		list[payout->posting_count++] = (struct event_posting){.account_id = account_id, .key = row->key, .source = source,
			.kind = row->kind, .reason = str_empty(row->reason) ? STR_ABSENT : row->reason, .entry = row->entry};
	}
	return OK;
}

static enum status take_badges(struct arena *arena, struct payout *payout, int64_t account_id, struct str source)
{
	for (size_t i = 0; i < payout->economy->badge_count; i++) {
		struct badge_gain *list = NULL;

		if (!economy_has(&payout->effects.badges, i)) {
			continue;
		}
		list = with_room(arena, payout->badges, payout->badge_count, &payout->badge_room, sizeof(*list));
		if (list == NULL) {
			return TOO_LARGE;
		}
		payout->badges = list;
		list[payout->badge_count++] =
			(struct badge_gain){.account_id = account_id, .badge_id = payout->economy->badges[i].id, .source = source};
	}
	return OK;
}

static enum status take_missions(struct arena *arena, struct payout *payout, int64_t account_id)
{
	for (size_t i = 0; i < payout->economy->mission_count; i++) {
		const struct mission *mission = &payout->economy->missions[i];
		struct mission_gain *list = NULL;

		if (!economy_has(&payout->effects.missions, i)) {
			continue;
		}
		list = with_room(arena, payout->missions, payout->mission_count, &payout->mission_room, sizeof(*list));
		if (list == NULL) {
			return TOO_LARGE;
		}
		payout->missions = list;
		list[payout->mission_count++] = (struct mission_gain){
			.account_id = account_id, .mission_id = mission->id, .period_no = economy_period_no(mission, &payout->running)};
	}
	return OK;
}

/* Few accounts of a batch reach a rank. */
static struct payout_news *news_of(struct payout *payout, int64_t account_id)
{
	for (size_t i = 0; i < payout->news_count; i++) {
		if (payout->news[i].account_id == account_id) {
			return &payout->news[i];
		}
	}
	return NULL;
}

static enum status take_news(struct arena *arena, struct payout *payout, int64_t account_id)
{
	struct payout_news *news = news_of(payout, account_id);

	if (payout->effects.rank_reached == 0) {
		return OK;
	}
	if (news == NULL) {
		news = with_room(arena, payout->news, payout->news_count, &payout->news_room, sizeof(*news));
		if (news == NULL) {
			return TOO_LARGE;
		}
		payout->news = news;
		news = &payout->news[payout->news_count++];
		*news = (struct payout_news){.account_id = account_id};
	}
	news->rank_reached = payout->effects.rank_reached;
	news->rank_coins += payout->effects.rank_coins;
	return OK;
}

enum status payout_take(struct tx *tx, struct payout *payout, int64_t account_id, struct str source)
{
	struct arena *arena = tx->ctx->arena;
	enum status status = take_rows(arena, payout, account_id, source);

	if (status == OK) {
		status = take_badges(arena, payout, account_id, source);
	}
	if (status == OK) {
		status = take_missions(arena, payout, account_id);
	}
	return status == OK ? take_news(arena, payout, account_id) : status;
}

enum status payout_write(struct tx *tx, const struct payout *payout)
{
	enum status status = OK;

	if (payout->posting_count > 0) {
		status = ledger_insert_many(tx, payout->postings, payout->posting_count);
	}
	if (status == OK && payout->badge_count > 0) {
		status = badges_earn(tx, payout->badges, payout->badge_count);
	}
	if (status == OK && payout->mission_count > 0) {
		status = missions_complete(tx, payout->missions, payout->mission_count);
	}
	return status;
}
