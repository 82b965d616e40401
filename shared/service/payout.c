#include "service/payout.h"

#include <stdlib.h>
#include <string.h>

#include "core/reply.h"
#include "service/catalogue.h"
#include "service/notify.h"

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

static enum status take_news(struct arena *arena, struct payout *payout, int64_t account_id, struct str source)
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
	news->source = source;
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
	return status == OK ? take_news(arena, payout, account_id, source) : status;
}

static struct str rank_name(const struct economy *economy, int64_t id)
{
	for (size_t i = 0; i < economy->rank_count; i++) {
		if (economy->ranks[i].id == id) {
			return economy->ranks[i].name;
		}
	}
	return STR("");
}

/* A jump over several ranks is one notice. */
static struct reply *rank_reply(struct arena *arena, const struct economy *economy, const struct payout_news *news)
{
	struct reply *reply = reply_new(arena);

	if (reply == NULL) {
		return NULL;
	}
	reply->private = true;
	REPLY_SAY(reply, MSG_RANK_REACHED, TEXT_STR(rank_name(economy, news->rank_reached)));
	if (news->rank_coins > 0) {
		REPLY_SAY(reply, MSG_RANK_REWARD, TEXT_INT(news->rank_coins));
	}
	return reply;
}

static int compare_notices(const void *left, const void *right)
{
	int64_t a = ((const struct person_notice *)left)->account_id;
	int64_t b = ((const struct person_notice *)right)->account_id;

	return (a > b) - (a < b);
}

static enum status tell(struct tx *tx, const struct payout *payout)
{
	struct person_notice *notices = arena_array(tx->ctx->arena, payout->news_count, sizeof(*notices));

	if (notices == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < payout->news_count; i++) {
		struct str bot = payout->news[i].source;
		struct str platform = str_split(&bot, ':');

		notices[i] = (struct person_notice){.account_id = payout->news[i].account_id, .prefer_bot = bot,
		                                    .reply = rank_reply(tx->ctx->arena, payout->economy, &payout->news[i])};
		if (platform_from_name(platform, &notices[i].prefer_platform) != OK) {
			notices[i].prefer_platform = PLATFORM_UNSET; /* it began elsewhere: a program, the operator, a link */
		}
		if (notices[i].reply == NULL) {
			return TOO_LARGE;
		}
	}
	qsort(notices, payout->news_count, sizeof(*notices), compare_notices);
	return notify_ranks(tx, notices, payout->news_count);
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
	return status == OK && payout->news_count > 0 ? tell(tx, payout) : status;
}
