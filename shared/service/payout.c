#include "service/payout.h"

#include <stdlib.h>
#include <string.h>

#include "core/reply.h"
#include "service/catalogue.h"
#include "service/notify.h"
#include "service/periods.h"

#define ROOM_FIRST 64

enum status payout_begin(struct tx *tx, struct payout *ret_payout)
{
	struct payout payout = {0};
	enum status status = catalogue_get(tx, &payout.economy);

	if (status == OK) {
		status = periods_running(tx, payout.economy, &payout.running);
	}
	if (status == OK) {
		*ret_payout = payout;
	}
	return status;
}

struct economy_turn payout_turn(struct tx *tx, struct payout *payout, struct str key, struct economy_account *account)
{
	economy_effects_begin(&payout->effects, tx->ctx->arena);
	payout->chat_id = 0;
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

/* Few accounts of a batch reach anything. */
static struct payout_news *find_news(struct payout *payout, int64_t account_id)
{
	for (size_t i = 0; i < payout->news_count; i++) {
		if (payout->news[i].account_id == account_id) {
			return &payout->news[i];
		}
	}
	return NULL;
}

/* Of that account; a new one when it has none yet. NULL: the arena failed. */
static struct payout_news *news_of(struct arena *arena, struct payout *payout, int64_t account_id)
{
	struct payout_news *news = find_news(payout, account_id);

	if (news != NULL) {
		return news;
	}
	news = with_room(arena, payout->news, payout->news_count, &payout->news_room, sizeof(*news));
	if (news == NULL) {
		return NULL;
	}
	payout->news = news;
	news = &payout->news[payout->news_count++];
	*news = (struct payout_news){.account_id = account_id};
	return news;
}

static bool is_empty(const struct economy_set *set)
{
	static const struct economy_set nothing;

	return memcmp(set, &nothing, sizeof(nothing)) == 0;
}

static void unite(struct economy_set *into, const struct economy_set *more)
{
	for (size_t i = 0; i < ARRAY_LEN(into->words); i++) {
		into->words[i] |= more->words[i];
	}
}

static enum status take_news(struct arena *arena, struct payout *payout, int64_t account_id, struct str source)
{
	const struct economy_effects *effects = &payout->effects;

	if (effects->rank_reached == 0 && is_empty(&effects->badges) && is_empty(&effects->missions)) {
		return OK;
	}
	struct payout_news *news = news_of(arena, payout, account_id);

	if (news == NULL) {
		return TOO_LARGE;
	}
	news->source = source;
	unite(&news->badges, &effects->badges);
	unite(&news->missions, &effects->missions);
	if (effects->rank_reached != 0) {
		news->rank_reached = effects->rank_reached;
		news->rank_coins += effects->rank_coins;
		news->rank_source = source;
		news->rank_chat_id = payout->chat_id;
	}
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

/* ---- what is told of it ---- */

/* A jump over several ranks is one notice. */
static void say_rank(struct reply *reply, const struct economy *economy, const struct payout_news *news)
{
	REPLY_SAY(reply, MSG_RANK_REACHED, TEXT_STR(rank_name(economy, news->rank_reached)));
	if (news->rank_coins > 0) {
		REPLY_SAY(reply, MSG_RANK_REWARD, TEXT_INT(news->rank_coins));
	}
}

/* More of one kind are not named: a message must stay readable, and the command shows them all. */
#define NAMED_MAX 10

/* A line for each of a set, or how many more there are. */
struct listing {
	struct reply *reply;
	size_t count;
	enum message one;
	enum message more;
};

static void list_one(struct listing *listing, struct str name_ru, struct str name_en, int64_t xp, int64_t coins)
{
	if (listing->count++ < NAMED_MAX) {
		REPLY_SAY(listing->reply, listing->one, TEXT_WORDS(name_ru, name_en));
		if (xp > 0 || coins > 0) {
			REPLY_SAY(listing->reply, xp > 0 && coins > 0 ? MSG_REWARD_BOTH : xp > 0 ? MSG_REWARD_XP : MSG_REWARD_COINS, TEXT_INT(xp),
			          TEXT_INT(coins));
		}
	}
}

static void list_end(struct listing *listing)
{
	if (listing->count > NAMED_MAX) {
		REPLY_SAY(listing->reply, listing->more, TEXT_INT((int64_t)(listing->count - NAMED_MAX)));
	}
}

static void say_badges(struct reply *reply, const struct economy *economy, const struct payout_news *news)
{
	struct listing listing = {.reply = reply, .one = MSG_BADGE_EARNED, .more = MSG_BADGES_MORE};

	for (size_t i = 0; i < economy->badge_count; i++) {
		const struct badge *badge = &economy->badges[i];

		if (economy_has(&news->badges, i)) {
			list_one(&listing, badge->name_ru, badge->name_en, badge->xp, badge->coins);
		}
	}
	list_end(&listing);
}

/* One that is done once is paid already; the others wait to be claimed. */
static void say_missions(struct reply *reply, const struct economy *economy, const struct payout_news *news)
{
	struct listing listing = {.reply = reply, .one = MSG_MISSION_COMPLETED, .more = MSG_MISSIONS_MORE};
	bool claimable = false;

	for (size_t i = 0; i < economy->mission_count; i++) {
		const struct mission *mission = &economy->missions[i];

		if (economy_has(&news->missions, i)) {
			list_one(&listing, mission->name_ru, mission->name_en, mission->xp, mission->coins);
			claimable = claimable || mission->period != BALANCE_EVER;
		}
	}
	list_end(&listing);
	if (claimable) {
		reply_say(reply, MSG_MISSION_CLAIM, NULL, 0);
	}
}

static bool has_rank(const struct payout_news *news)
{
	return news->rank_reached != 0;
}

static bool has_badges(const struct payout_news *news)
{
	return !is_empty(&news->badges);
}

static bool has_missions(const struct payout_news *news)
{
	return !is_empty(&news->missions);
}

struct topic {
	struct str name;
	bool (*has)(const struct payout_news *news);
	void (*say)(struct reply *reply, const struct economy *economy, const struct payout_news *news);
};

static const struct topic topics[] = {
	{STR_INIT("rank"), has_rank, say_rank},
	{STR_INIT("badge"), has_badges, say_badges},
	{STR_INIT("mission"), has_missions, say_missions},
};

static struct reply *write_notice(struct arena *arena, const void *context, const struct person_notice *notice)
{
	struct reply *reply = reply_new(arena);

	for (size_t i = 0; i < ARRAY_LEN(topics) && reply != NULL; i++) {
		if (str_eq(topics[i].name, notice->topic)) {
			reply->private = true;
			topics[i].say(reply, context, notice->about);
		}
	}
	return reply;
}

static struct person_notice notice_of(const struct payout_news *news, const struct topic *topic)
{
	struct str bot = news->source;
	struct str platform = str_split(&bot, ':');
	struct person_notice notice = {.account_id = news->account_id, .topic = topic->name, .prefer_bot = bot, .about = news};

	if (platform_from_name(platform, &notice.prefer_platform) != OK) {
		notice.prefer_platform = PLATFORM_UNSET; /* it began elsewhere: a program, the operator, a link */
	}
	return notice;
}

static enum status tell_people(struct tx *tx, const struct payout *payout)
{
	struct person_notice *notices = arena_array(tx->ctx->arena, payout->news_count * ARRAY_LEN(topics), sizeof(*notices));
	const struct notice_writer writer = {.write = write_notice, .context = payout->economy};
	size_t count = 0;

	if (notices == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < payout->news_count; i++) {
		for (size_t j = 0; j < ARRAY_LEN(topics); j++) {
			if (topics[j].has(&payout->news[i])) {
				notices[count++] = notice_of(&payout->news[i], &topics[j]);
			}
		}
	}
	return notify_many(tx, notices, count, &writer);
}

/* Only a bot of ours that heard the message is known to be in its chat. */
static enum status tell_groups(struct tx *tx, const struct payout *payout)
{
	struct group_news *news = arena_array(tx->ctx->arena, payout->news_count, sizeof(*news));
	size_t count = 0;

	if (news == NULL) {
		return TOO_LARGE;
	}
	for (size_t i = 0; i < payout->news_count; i++) {
		const struct payout_news *one = &payout->news[i];
		struct str bot = one->rank_source;

		if (one->rank_chat_id != 0 && str_eq(str_split(&bot, ':'), platform_name(PLATFORM_TELEGRAM)) && !str_empty(bot)) {
			news[count++] = (struct group_news){.account_id = one->account_id, .chat_id = one->rank_chat_id, .bot = bot,
			                                    .rank = rank_name(payout->economy, one->rank_reached)};
		}
	}
	return count > 0 ? notify_groups(tx, news, count) : OK;
}

static enum status tell(struct tx *tx, const struct payout *payout)
{
	enum status status = tell_people(tx, payout);

	return status == OK ? tell_groups(tx, payout) : status;
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
