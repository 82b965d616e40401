/*
 * The sender: one thread per platform with many calls in flight (decisions.md 21).
 *
 * A turn: renew leases, write what became of the last calls, claim rows that may go now, start their calls, wait until one ends. A row is
 * marked in the database before its call and settled after it, so a kill at any moment loses none and repeats at most those in flight.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/utf.h"
#include "decide.h"
#include "errands.h"
#include "io/crypto.h"
#include "io/json.h"
#include "pace.h"
#include "service/notify.h"
#include "worker.h"

/* Calls in flight per platform: at 30 a second and a usual answer in 100 ms three are; the rest is for slow ones. */
#define TASKS_MAX 64
#define TASK_ARENA_LIMIT ((size_t)512 * 1024)
/* Idle look-out; an urgent row leaves within two of these. */
#define POLL_US (100 * 1000)
/* While rows keep coming. */
#define POLL_BUSY_US (10 * 1000)
#define SWEEP_US SECOND_US
/* Looking through all that waits: patience, metrics, rows whose claim nobody heard of. */
#define DEEP_SWEEP_US (15 * SECOND_US)
/* A claimed row that may not go goes back, so that another's urgent one finds room. */
#define WAITING_MAX_US (2 * SECOND_US)
#define TURN_BUDGET_US (2 * SECOND_US)
#define HELD_MAX 4096
#define ERROR_POINTS_MAX 200

enum task_state {
	TASK_FREE = 0,
	TASK_WAITING, /* claimed; its next call starts when its bot and its recipient have room */
	TASK_FLYING,
	TASK_DONE, /* outcome and lesson are to be written */
	TASK_STATE_COUNT
};

struct bot {
	struct str name;
	struct pace *pace;
	bool held;          /* the lease is ours */
	int64_t held_until; /* real time; past it another may have had it, even when we get it back */
	bool recover;       /* look for rows in work that are not here: a claim's commit may not have been heard of */
};

struct task {
	struct sender *sender;
	enum task_state state;
	struct arena *arena; /* of this row, reset when it is settled */
	struct bot *bot;
	struct outbox_row row;
	struct outgoing outgoing;
	int64_t claimed_at; /* monotonic */
	int64_t repeats;
	struct outbox_outcome outcome;
	struct delivery_lesson lesson;
	bool learned;
};

struct sender {
	struct worker *worker;
	const struct platform_ops *ops;
	struct arena *arena; /* of one turn */
	struct http_batch *batch;
	struct errands *errands; /* Discord: what is done beside messages; else NULL */
	struct bot bots[QUEUE_BOTS_MAX];
	size_t bot_count;
	int64_t renew_at, poll_at, sweep_at, deep_sweep_at; /* monotonic */
	int64_t opening_until;               /* Discord: no direct channels are opened before; monotonic */
	bool database_away;                  /* said in the log once */
	struct task tasks[TASKS_MAX];
};

static const struct pace_rules telegram_rules = {
	.all_count = 30,
	.all_window_us = SECOND_US,
	.urgent_count = 2,
	.chat_every_us = SECOND_US,
	.chat_burst = 3,
	.group_count = 20,
	.group_window_us = MINUTE_US,
};
static const struct pace_rules discord_rules = {.all_count = 50, .all_window_us = SECOND_US, .urgent_count = 2};

static struct delivery_owner owner_of(const struct sender *sender)
{
	return (struct delivery_owner){sender->ops->platform, sender->worker->owner, clock_wall_us()};
}

static struct ctx turn_ctx(struct sender *sender)
{
	return worker_ctx(sender->worker, sender->arena, TURN_BUDGET_US);
}

/* Says once that the database is away, and once that it is back. */
static bool worked(struct sender *sender, const char *what, enum status status)
{
	if (status == OK && sender->database_away) {
		log_message(LOG_INFO, "sender_back", "%s works again", what);
	}
	if (status != OK && !sender->database_away) {
		log_message(LOG_WARNING, "sender_waits", "%s: %s", what, status_name(status));
	}
	sender->database_away = status != OK;
	return status == OK;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------------------- */

static size_t count_tasks(const struct sender *sender, enum task_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		count += sender->tasks[i].state == state ? 1 : 0;
	}
	return count;
}

static struct task *free_task(struct sender *sender)
{
	for (size_t i = 0; i < TASKS_MAX; i++) {
		if (sender->tasks[i].state == TASK_FREE) {
			return &sender->tasks[i];
		}
	}
	return NULL;
}

static void task_free(struct task *task)
{
	arena_reset(task->arena);
	task->state = TASK_FREE;
	task->outcome = (struct outbox_outcome){0};
	task->lesson = (struct delivery_lesson){0};
	task->learned = false;
	task->repeats = 0;
}

static void task_done(struct task *task, struct outbox_outcome outcome)
{
	task->outcome = outcome;
	task->outcome.bot = task->bot->name;
	task->outcome.error = str_dup(task->arena, utf_clip_points(outcome.error, ERROR_POINTS_MAX));
	task->state = TASK_DONE;
	metric_add(outcome.status == OUTBOX_SENT ? METRIC_OUTBOX_SENT
	           : outcome.status == OUTBOX_FAILED || outcome.status == OUTBOX_PERMANENT ? METRIC_OUTBOX_PERMANENT
	                                                                                   : METRIC_OUTBOX_RETRY, 1);
}

/* A later lesson adds to an earlier one of the same row (channel known, then unreachable). */
static void task_learn(struct task *task, const struct delivery_lesson *lesson)
{
	if (lesson->recipient == 0) {
		return;
	}
	task->learned = true;
	task->lesson.bot = task->bot->name;
	task->lesson.recipient = lesson->recipient;
	task->lesson.unreachable = task->lesson.unreachable || lesson->unreachable;
	task->lesson.channel_id = lesson->channel_id != 0 ? lesson->channel_id : task->lesson.channel_id;
	task->lesson.moved_to = lesson->moved_to != 0 ? lesson->moved_to : task->lesson.moved_to;
}

/* Rate-limit headers: of the direct channel they hold its person, of opening channels they hold whoever has none yet. */
static void mind_bucket(struct task *task, const struct delivery_result *result, int64_t mono)
{
	if (result->bucket_remaining != 0 || result->bucket_reset_us <= 0) {
		return;
	}
	if (task->outgoing.channel_id == 0 && task->sender->ops->platform == PLATFORM_DISCORD) {
		int64_t until = mono + result->bucket_reset_us;
		task->sender->opening_until = until > task->sender->opening_until ? until : task->sender->opening_until;
	} else {
		pace_hold(task->bot->pace, task->row.recipient, mono, result->bucket_reset_us);
	}
}

static void mind_decision(struct task *task, const struct decision *decision, int64_t mono)
{
	struct pace *pace = task->bot->pace;
	if (decision->failed) {
		pace_failed(pace, task->row.recipient, mono);
	} else if (decision->outcome.status == OUTBOX_SENT) {
		pace_succeeded(pace, task->row.recipient);
	}
	if (decision->hold_us > 0) {
		pace_hold(pace, task->row.recipient, mono, decision->hold_us);
	}
	if (decision->hold_all_us > 0) {
		pace_hold_all(pace, mono, decision->hold_all_us);
	}
	task_learn(task, &decision->lesson);
}

/* What the first answer changed; the next call begins when the bot has room. */
static void task_again(struct task *task, const struct decision *decision, int64_t mono)
{
	task->repeats++;
	task->row.plain = decision->outcome.plain;
	task->row.recipient = decision->outcome.recipient;
	task->outgoing.plain = decision->outcome.plain;
	task->outgoing.recipient = decision->outcome.recipient;
	task->outgoing.channel_id = task->lesson.channel_id != 0 ? task->lesson.channel_id : task->outgoing.channel_id;
	task->state = TASK_WAITING;
	task->claimed_at = mono;
}

static void call_done(void *arg, const struct http_response *response)
{
	struct task *task = arg;
	int64_t mono = clock_monotonic_us();
	json_bind_arena(task->arena);
	struct delivery_result result = task->sender->ops->send_result(task->arena, &task->outgoing, response);
	struct decide_input input = {
		.row = &task->row,
		.result = &result,
		.failures = pace_failures(task->bot->pace, task->row.recipient) + 1,
		.repeats = task->repeats,
		.chance = crypto_random_below(1000),
		.now = app_now(task->sender->worker->app),
	};
	struct decision decision = decide(&input);
	pace_end(task->bot->pace, decision.heard, mono);
	mind_bucket(task, &result, mono);
	mind_decision(task, &decision, mono);
	if (result.delivery == DELIVERY_BOT_REFUSED) {
		log_message(LOG_ERROR, "bot_refused", "the token of bot " STR_FMT " is refused: see trivet doctor",
		            STR_ARG(task->bot->name));
	}
	if (decision.again) {
		task_again(task, &decision, mono);
	} else {
		task_done(task, decision.outcome);
	}
}

/* Starts the next call of a claimed row. */
static void task_call(struct task *task)
{
	struct sender *sender = task->sender;
	struct http_request request;
	json_bind_arena(task->arena);
	enum status status = sender->ops->send_request(task->arena, &task->outgoing, &request);
	if (status == OK) {
		status = http_batch_add(sender->batch, &request, call_done, task);
	}
	if (status != OK) {
		task_done(task, decide_unsendable(&task->row, STR("cannot be written as a message of this platform")));
		return;
	}
	pace_start(task->bot->pace, task->row.recipient, clock_monotonic_us());
	task->state = TASK_FLYING;
}

/* ---- claiming ---------------------------------------------------------------------------------------------------------------- */

static struct bot *find_bot(struct sender *sender, struct str name)
{
	for (size_t i = 0; i < sender->bot_count; i++) {
		if (str_eq(sender->bots[i].name, name)) {
			return &sender->bots[i];
		}
	}
	return NULL;
}

/* A claimed row's own copy, its reply with secrets, and whether it can be sent at all. */
static void task_take(struct task *task, struct ctx *ctx, const struct outbox_row *row)
{
	struct arena *arena = task->arena;
	struct ctx own = *ctx;
	struct reply *reply = NULL;
	own.arena = arena;
	task->row = *row;
	task->row.body = str_dup(arena, row->body);
	task->row.sealed = str_present(row->sealed) ? str_dup(arena, row->sealed) : STR_ABSENT;
	enum language language = language_choose(language_from_code(row->language), row->language_hint);
	bool readable = delivery_reply(&own, &task->row, &reply) == OK;
	task->outgoing = (struct outgoing){
		.config = ctx->app->config, .bot = task->bot->name, .recipient = row->recipient, .channel_id = row->channel_id,
		.language = language, .reply = reply, .plain = row->plain, .nonce = row->id,
	};
	if (row->expires_at != 0 && row->expires_at <= ctx->now) {
		task_done(task, decide_unsendable(&task->row, STR("expired")));
	} else if (!readable) {
		task_done(task, decide_unsendable(&task->row, STR("the stored message cannot be read")));
	} else {
		task->state = TASK_WAITING;
		task->claimed_at = clock_monotonic_us();
	}
}

/* Of a bot's room: what its claimed rows do not take already, and no more than its share of the tasks. */
static size_t room_left(const struct sender *sender, const struct bot *bot, bool urgent, size_t share, int64_t mono)
{
	size_t room = pace_room(bot->pace, mono, urgent);
	size_t waiting = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		waiting += sender->tasks[i].state == TASK_WAITING && sender->tasks[i].bot == bot ? 1 : 0;
	}
	room = room > waiting ? room - waiting : 0;
	return room < share ? room : share;
}

/* Room per bot, shared fairly when there are fewer tasks than wishes. Returns whether any may be claimed. */
static bool make_wish(struct sender *sender, struct outbox_wish *wish, int64_t mono)
{
	size_t tasks = count_tasks(sender, TASK_FREE);
	for (size_t i = 0; i < sender->bot_count; i++) {
		struct bot *bot = &sender->bots[i];
		size_t share = (tasks + sender->bot_count - 1 - i) / (sender->bot_count - i);
		size_t room = bot->held && !bot->recover ? room_left(sender, bot, true, share, mono) : 0;
		if (room > 0) {
			wish->bots[wish->bot_count] = bot->name;
			wish->ordinary_rooms[wish->bot_count] = (int64_t)room_left(sender, bot, false, share, mono);
			wish->rooms[wish->bot_count++] = (int64_t)room;
			tasks -= room;
		}
	}
	wish->may_open = mono >= sender->opening_until;
	return wish->bot_count > 0;
}

static bool add_held(struct sender *sender, struct arena *arena, struct outbox_wish *wish, int64_t mono)
{
	struct str *bots = arena_array(arena, HELD_MAX, sizeof *bots);
	int64_t *recipients = arena_array(arena, HELD_MAX, sizeof *recipients);
	if (bots == NULL || recipients == NULL) {
		return false;
	}
	for (size_t i = 0; i < sender->bot_count; i++) {
		size_t found = pace_held(sender->bots[i].pace, mono, recipients + wish->held_count, HELD_MAX - wish->held_count);
		for (size_t k = 0; k < found; k++) {
			bots[wish->held_count + k] = sender->bots[i].name;
		}
		wish->held_count += found;
	}
	wish->held_bots = bots;
	wish->held_recipients = recipients;
	return true;
}

static void claim(struct sender *sender)
{
	int64_t mono = clock_monotonic_us();
	struct outbox_wish wish = {0};
	struct outbox_row *rows = NULL;
	size_t count = 0;
	bool more = false;
	sender->poll_at = mono + POLL_US;
	if (!make_wish(sender, &wish, mono)) {
		return;
	}
	struct ctx ctx = turn_ctx(sender);
	struct delivery_owner owner = owner_of(sender);
	enum status status = add_held(sender, ctx.arena, &wish, mono) ? delivery_claim(&ctx, &owner, &wish, &rows, &count, &more) : TOO_LARGE;
	if (!worked(sender, "claiming messages", status)) {
		for (size_t i = 0; i < sender->bot_count; i++) {
			sender->bots[i].recover = sender->bots[i].held;
		}
		sender->renew_at = mono + POLL_US;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct task *task = free_task(sender);
		assert(task != NULL);
		task->bot = find_bot(sender, rows[i].bot);
		assert(task->bot != NULL);
		task_take(task, &ctx, &rows[i]);
	}
	if (count > 0 || more) {
		sender->poll_at = mono + POLL_BUSY_US;
	}
	/* A slow look-out shall not keep the database busy all the time. */
	int64_t took = clock_monotonic_us() - mono;
	sender->poll_at = sender->poll_at > mono + 2 * took ? sender->poll_at : mono + 2 * took;
}

/* A claimed row goes back unsent, with what is known by now about how to send it. */
static void give_back(struct task *task, struct str why)
{
	task_done(task, (struct outbox_outcome){.id = task->row.id, .status = OUTBOX_PENDING, .recipient = task->row.recipient,
	                                        .plain = task->row.plain, .error = why});
}

/* Starts the calls that may start now, urgent ones first. */
static void start_calls(struct sender *sender)
{
	for (int urgent = 1; urgent >= 0; urgent--) {
		for (size_t i = 0; i < TASKS_MAX; i++) {
			struct task *task = &sender->tasks[i];
			int64_t mono = clock_monotonic_us();
			if (task->state != TASK_WAITING || task->row.urgent != (urgent == 1)) {
				continue;
			}
			if (pace_room(task->bot->pace, mono, task->row.urgent) > 0 && pace_wait(task->bot->pace, task->row.recipient, mono) == 0) {
				task_call(task);
			} else if (mono - task->claimed_at > WAITING_MAX_US) {
				give_back(task, STR("waiting"));
			}
		}
	}
}

/* ---- leases and outcomes ----------------------------------------------------------------------------------------------------- */

static size_t own_rows(const struct sender *sender, int64_t *ret_ids)
{
	size_t count = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		if (sender->tasks[i].state != TASK_FREE) {
			ret_ids[count++] = sender->tasks[i].row.id;
		}
	}
	return count;
}

/* Rows marked as in work that we do not work on: a dead owner's, or of our own claim that nobody heard of. */
static bool recover(struct sender *sender, struct bot *bot, enum outbox_status as)
{
	int64_t ids[TASKS_MAX];
	int64_t count = 0;
	struct ctx ctx = turn_ctx(sender);
	struct delivery_owner owner = owner_of(sender);
	enum status status = delivery_recover(&ctx, &owner, bot->name, as, ids, own_rows(sender, ids), &count);
	if (status == OK && count > 0) {
		log_message(LOG_WARNING, "outbox_recovered", "bot " STR_FMT ": %lld messages were in work and are %s now",
		            STR_ARG(bot->name), (long long)count, as == OUTBOX_UNCERTAIN ? "uncertain" : "pending");
	}
	return worked(sender, "recovering messages", status);
}

/* Whether a bot's lease is ours now; what was in work without us is recovered first. */
static void take_bot(struct sender *sender, struct bot *bot, bool ours, int64_t wall)
{
	bool over = ours && (!bot->held || wall > bot->held_until);
	if (ours != bot->held) {
		log_message(LOG_INFO, "lease", "bot " STR_FMT " is %s", STR_ARG(bot->name), ours ? "ours" : "another worker's");
	}
	if (over) {
		/* Its last owner may have sent them: once more. If that cannot be written now, the lease counts as not taken. */
		ours = recover(sender, bot, OUTBOX_UNCERTAIN);
	} else if (ours && bot->recover) {
		/* No call was made for them. */
		bot->recover = !recover(sender, bot, OUTBOX_PENDING);
	}
	bot->held = ours;
	bot->held_until = wall + DELIVERY_LEASE_US;
}

static void renew(struct sender *sender)
{
	struct str names[QUEUE_BOTS_MAX];
	bool held[QUEUE_BOTS_MAX] = {false};
	struct ctx ctx = turn_ctx(sender);
	struct delivery_owner owner = owner_of(sender);
	for (size_t i = 0; i < sender->bot_count; i++) {
		names[i] = sender->bots[i].name;
	}
	enum status status = delivery_lease(&ctx, &owner, names, sender->bot_count, held);
	if (!worked(sender, "leases", status)) {
		sender->renew_at = clock_monotonic_us() + POLL_US; /* the claim itself looks at the lease row */
		return;
	}
	sender->renew_at = clock_monotonic_us() + DELIVERY_RENEW_US;
	for (size_t i = 0; i < sender->bot_count; i++) {
		take_bot(sender, &sender->bots[i], held[i], owner.wall_now);
	}
}

static void settle(struct sender *sender)
{
	struct outbox_outcome outcomes[TASKS_MAX];
	struct delivery_lesson lessons[TASKS_MAX];
	size_t count = 0;
	size_t learned = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct task *task = &sender->tasks[i];
		if (task->state == TASK_DONE) {
			outcomes[count++] = task->outcome;
			if (task->learned) {
				lessons[learned++] = task->lesson;
			}
		}
	}
	if (count == 0) {
		return;
	}
	struct ctx ctx = turn_ctx(sender);
	struct delivery_owner owner = owner_of(sender);
	if (!worked(sender, "settling messages", delivery_settle(&ctx, &owner, outcomes, count, lessons, learned))) {
		return; /* they stay here and are written at the next turn */
	}
	for (size_t i = 0; i < TASKS_MAX; i++) {
		if (sender->tasks[i].state == TASK_DONE) {
			task_free(&sender->tasks[i]);
		}
	}
}

static void sweep(struct sender *sender)
{
	int64_t mono = clock_monotonic_us();
	bool deep = mono >= sender->deep_sweep_at;
	sender->sweep_at = mono + SWEEP_US;
	if (deep) {
		sender->deep_sweep_at = mono + DEEP_SWEEP_US;
		for (size_t i = 0; i < sender->bot_count; i++) {
			struct bot *bot = &sender->bots[i];
			bot->recover = bot->held && !recover(sender, bot, OUTBOX_PENDING);
		}
	}
	struct ctx ctx = turn_ctx(sender);
	(void)worked(sender, "dropping what expired", delivery_sweep(&ctx, deep));
}

/* ---- life -------------------------------------------------------------------------------------------------------------------- */

static int64_t next_wake(const struct sender *sender, int64_t mono)
{
	int64_t at = sender->poll_at < sender->renew_at ? sender->poll_at : sender->renew_at;
	at = at < sender->sweep_at ? at : sender->sweep_at;
	if (count_tasks(sender, TASK_WAITING) > 0) {
		at = at < mono + POLL_BUSY_US ? at : mono + POLL_BUSY_US;
	}
	if (count_tasks(sender, TASK_DONE) > 0) {
		at = sender->database_away ? mono + POLL_US : mono;
	}
	if (sender->errands != NULL && errands_wake(sender->errands, mono) < at) {
		at = errands_wake(sender->errands, mono);
	}
	return at > mono ? (at - mono + 999) / 1000 : 0;
}

static void turn(struct sender *sender)
{
	int64_t mono = clock_monotonic_us();
	if (mono >= sender->renew_at) {
		renew(sender);
	}
	settle(sender);
	if (mono >= sender->sweep_at) {
		sweep(sender);
	}
	if (clock_monotonic_us() >= sender->poll_at) {
		claim(sender);
	}
	start_calls(sender);
	if (sender->errands != NULL) {
		errands_turn(sender->errands, sender->bots[0].held && clock_wall_us() < sender->bots[0].held_until);
	}
	(void)http_batch_run(sender->batch, sender->worker->stop_fd, next_wake(sender, clock_monotonic_us()));
}

static size_t count_flying(const struct sender *sender)
{
	return count_tasks(sender, TASK_FLYING) + (sender->errands != NULL ? errands_flying(sender->errands) : 0);
}

static void drain_errands(struct sender *sender)
{
	if (sender->errands != NULL) {
		errands_drain(sender->errands);
	}
}

/* After SIGTERM: nothing new; what is in flight may end; what has not is uncertain; the leases are free. */
static void drain(struct sender *sender)
{
	int64_t until = clock_monotonic_us() + WORKER_DRAIN_US - SECOND_US;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct task *task = &sender->tasks[i];
		if (task->state == TASK_WAITING) {
			give_back(task, STR("waiting"));
		}
	}
	drain_errands(sender);
	while (count_flying(sender) > 0 && clock_monotonic_us() < until) {
		(void)http_batch_run(sender->batch, -1, 50);
		settle(sender);
		drain_errands(sender);
	}
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct task *task = &sender->tasks[i];
		if (task->state == TASK_WAITING) {
			give_back(task, STR("waiting"));
		} else if (task->state == TASK_FLYING) {
			task_done(task, (struct outbox_outcome){.id = task->row.id,
			                                        .status = OUTBOX_UNCERTAIN,
			                                        .doubt = true,
			                                        .recipient = task->row.recipient,
			                                        .plain = task->row.plain,
			                                        .error = STR("no answer before the worker stopped")});
		}
	}
	settle(sender);
	struct ctx ctx = turn_ctx(sender);
	struct delivery_owner owner = owner_of(sender);
	(void)worked(sender, "giving the leases back", delivery_release(&ctx, &owner));
}

static bool add_bot(struct sender *sender, struct str name, const struct pace_rules *rules)
{
	struct bot *bot = &sender->bots[sender->bot_count];
	*bot = (struct bot){.name = name, .pace = pace_new(rules)};
	sender->bot_count++;
	return bot->pace != NULL;
}

static bool sender_open(struct sender *sender, struct worker *worker, const struct platform_ops *ops)
{
	const struct config *config = worker->app->config;
	bool ok = true;
	sender->worker = worker;
	sender->ops = ops;
	sender->arena = arena_new(WORKER_ARENA_LIMIT);
	sender->batch = http_batch_new();
	for (size_t i = 0; i < config->bot_count && ops->platform == PLATFORM_TELEGRAM; i++) {
		ok = ok && add_bot(sender, config->bots[i].name, &telegram_rules);
	}
	if (ops->platform == PLATFORM_DISCORD && str_present(config->discord_bot_token.bytes)) {
		ok = ok && add_bot(sender, STR(NOTIFY_BOT_DISCORD), &discord_rules);
		sender->errands = ok ? errands_new(worker, sender->batch, sender->bots[0].pace) : NULL;
		ok = ok && sender->errands != NULL;
	}
	for (size_t i = 0; i < TASKS_MAX; i++) {
		sender->tasks[i].sender = sender;
		sender->tasks[i].arena = arena_new(TASK_ARENA_LIMIT);
		ok = ok && sender->tasks[i].arena != NULL;
	}
	return ok && sender->arena != NULL && sender->batch != NULL;
}

static void sender_close(struct sender *sender)
{
	http_batch_free(sender->batch);
	errands_free(sender->errands);
	json_bind_arena(NULL);
	for (size_t i = 0; i < TASKS_MAX; i++) {
		arena_free(sender->tasks[i].arena);
	}
	for (size_t i = 0; i < sender->bot_count; i++) {
		pace_free(sender->bots[i].pace);
	}
	arena_free(sender->arena);
	free(sender);
}

static void send_for(struct worker *worker, const struct platform_ops *ops)
{
	struct sender *sender = calloc(1, sizeof *sender);
	if (sender == NULL) {
		log_message(LOG_ERROR, "sender", "no memory");
		return;
	}
	if (!sender_open(sender, worker, ops)) {
		log_message(LOG_ERROR, "sender", "no memory");
	} else if (sender->bot_count == 0) {
		log_message(LOG_INFO, "sender", "no bot of " STR_FMT " is configured: nothing to send",
		            STR_ARG(platform_title(ops->platform)));
	} else {
		while (!atomic_load(&worker->stopping)) {
			turn(sender);
		}
		drain(sender);
	}
	sender_close(sender);
}

void send_telegram(struct worker *worker)
{
	send_for(worker, &telegram_ops);
}

void send_discord(struct worker *worker)
{
	send_for(worker, &discord_ops);
}
