/*
 * micro - what the parts of a request cost alone: reading, verifying, rendering, a durable append.
 *
 *     make bench-micro
 *
 * One thread of one core for the first three, best of ROUNDS rounds (what the machine can do when nothing else runs); for appends 1, 8 and
 * 64 threads, beside the same rows with a transaction each on 8 connections, in turns. Figures of one run compare with each other only.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/clock.h"
#include "io/app.h"
#include "io/crypto.h"
#include "platform/platform.h"
#include "service/activity.h"
#include "store/statements.h"
#include "support/testdb.h"

#define ROUNDS 7
#define ROUND_US (200 * 1000)
#define ARENA_LIMIT ((size_t)4 * 1024 * 1024)
#define APPEND_ROUNDS 3
#define APPEND_US (2 * SECOND_US)
#define THREADS_MAX 64
#define ONE_EACH_CONNECTIONS 8
#define SIGNED_BYTES 600 /* of an ordinary interaction */

static const struct config config = {
	.webapp_url = STR_INIT("https://app.example"),
	.base_url = STR_INIT("https://trivet.example"),
	.telegram_api_url = STR_INIT("https://api.telegram.org"),
	.discord_api_url = STR_INIT("https://discord.com/api/v10"),
	.discord_application_id = 5,
	.bots = {{.name = STR_INIT("main"), .token = {STR_INIT("1:t")}, .secret = {STR_INIT("s")}, .username = STR_INIT("TrivetBot")}},
	.bot_count = 1,
};

/* ---- one thread ---- */

struct bench {
	struct arena *arena;
	struct str telegram; /* bodies as the platforms send them */
	struct str discord;
	struct update command;
	struct reply *reply;
	unsigned char key[crypto_sign_PUBLICKEYBYTES];
	unsigned char signature[crypto_sign_BYTES];
	unsigned char message[SIGNED_BYTES];
};

static bool read_telegram(struct bench *bench)
{
	struct update update;
	return telegram_ops.read(bench->arena, &config, STR("main"), bench->telegram, &update) == OK;
}

static bool read_discord(struct bench *bench)
{
	struct update update;
	return discord_ops.read(bench->arena, &config, STR("discord"), bench->discord, &update) == OK;
}

static bool verify_signature(struct bench *bench)
{
	return crypto_ed25519_verify(bench->key, bench->signature, (struct str){(const char *)bench->message, SIGNED_BYTES}) == OK;
}

static bool render_telegram(struct bench *bench)
{
	return str_present(telegram_ops.answer(bench->arena, &config, &bench->command, LANGUAGE_RU, bench->reply));
}

static bool render_discord(struct bench *bench)
{
	return str_present(discord_ops.answer(bench->arena, &config, &bench->command, LANGUAGE_RU, bench->reply));
}

static bool encode_reply(struct bench *bench)
{
	return str_present(reply_encode(bench->arena, bench->reply));
}

static const struct part {
	const char *name;
	bool (*run)(struct bench *bench);
} parts[] = {
	{"read a Telegram update", read_telegram},
	{"read a Discord interaction", read_discord},
	{"verify Ed25519, 600 bytes", verify_signature},
	{"render a profile for Telegram", render_telegram},
	{"render a profile for Discord", render_discord},
	{"encode a reply for the inbox", encode_reply},
};

/* Nanoseconds of one, in the round with the least. */
static double measure(struct bench *bench, const struct part *part)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_monotonic_us();
		int64_t took = 0;
		int64_t count = 0;

		do {
			arena_reset(bench->arena);
			assert_true(part->run(bench));
			count++;
			took = clock_monotonic_us() - start;
		} while (took < ROUND_US);
		double each = (double)took * 1000 / (double)count;
		best = round == 0 || each < best ? each : best;
	}
	return best;
}

static struct str read_file(struct arena *arena, const char *path)
{
	FILE *file = fopen(path, "rb");
	char *bytes = arena_alloc(arena, ARENA_LIMIT / 4);

	if (file == NULL || bytes == NULL) {
		fail_msg("%s: cannot be read: run it from the top of the tree", path);
	}
	size_t len = fread(bytes, 1, ARENA_LIMIT / 4, file);
	(void)fclose(file);
	return (struct str){bytes, len};
}

static void run_parts(struct arena *kept)
{
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	struct bench bench = {.arena = arena_new(ARENA_LIMIT), .reply = reply_new(kept)};

	bench.telegram = read_file(kept, "tests/fuzz/corpus/telegram_update/text.json");
	bench.discord = read_file(kept, "tests/fuzz/corpus/discord_interaction/command.json");
	bench.command = (struct update){.kind = UPDATE_COMMAND, .place = PLACE_PRIVATE, .chat_id = 5, .interaction_token = STR("t")};
	crypto_random(bench.message, sizeof(bench.message));
	assert_int_equal(crypto_sign_keypair(bench.key, secret), 0);
	assert_int_equal(crypto_sign_detached(bench.signature, NULL, bench.message, sizeof(bench.message), secret), 0);
	reply_line(bench.reply, REPLY_TITLE, MSG_PROFILE_TITLE, (const struct text_arg[]){TEXT_STR(STR("Anna <3"))}, 1);
	REPLY_SAY(bench.reply, MSG_PROFILE_RANK, TEXT_STR(STR("F II")));
	REPLY_SAY(bench.reply, MSG_PROFILE_XP, TEXT_INT(12345));
	REPLY_SAY(bench.reply, MSG_PROFILE_COINS, TEXT_INT(22));

	printf("| part of a request, one thread | us |\n|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		printf("| %s | %.2f |\n", parts[i].name, measure(&bench, &parts[i]) / 1000);
		(void)fflush(stdout);
	}
	arena_free(bench.arena);
}

/* ---- durable appends ---- */

struct appender {
	struct app *app;
	struct group *group; /* NULL: a transaction each */
	int number;
	int64_t until;
	int64_t count;
};

static struct gather_row make_row(struct arena *arena, const struct appender *appender)
{
	struct str at = str_printf(arena, "%lld", (long long)clock_wall_us());
	struct str key = str_printf(arena, "%p:%d:%lld", (const void *)appender->group, appender->number, (long long)clock_monotonic_us());
	struct str lane = str_printf(arena, "%d", appender->number);

	return (struct gather_row){
		.columns = {key, lane, STR("telegram"), str_printf(arena, "%d", 1000 + appender->number), STR("telegram:main"),
	                    STR("{\"length\": 42, \"chat\": \"-100\"}"), at, at}};
}

static enum status append_alone(struct appender *appender, struct arena *arena, const struct gather_row *row)
{
	struct pg_conn *conn = NULL;
	struct pg_params params = pg_params(arena);
	enum status status = pg_take(appender->app->pg, clock_monotonic_us() + 10 * SECOND_US, &conn);

	if (status != OK) {
		return status;
	}
	for (size_t i = 0; i < ACTIVITY_COLUMNS; i++) {
		/* No column holds what an array would have to escape but data. */
		pg_add_str(&params, i == 5 ? STR("{\"{\\\"length\\\": 42, \\\"chat\\\": \\\"-100\\\"}\"}")
		                           : str_printf(arena, "{\"" STR_FMT "\"}", STR_ARG(row->columns[i])));
	}
	status = pg_run(conn, arena, SQL_ACTIVITY_APPEND, &params, NULL);
	pg_give(conn);
	return status;
}

static void *append(void *arg)
{
	struct appender *appender = arg;
	struct arena *arena = arena_new(ARENA_LIMIT);

	while (arena != NULL && clock_monotonic_us() < appender->until) {
		arena_reset(arena);
		struct gather_row row = make_row(arena, appender);
		enum status status = appender->group != NULL ? group_commit_append(appender->group, &row, clock_monotonic_us() + 10 * SECOND_US)
		                                             : append_alone(appender, arena, &row);
		appender->count += status == OK;
	}
	arena_free(arena);
	return NULL;
}

/* Rows a second. */
static int64_t append_for_a_while(struct app *app, struct group *group, int threads)
{
	struct appender appenders[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	int64_t total = 0;

	for (int i = 0; i < threads; i++) {
		appenders[i] = (struct appender){.app = app, .group = group, .number = i, .until = clock_monotonic_us() + APPEND_US};
		assert_int_equal(pthread_create(&ids[i], NULL, append, &appenders[i]), 0);
	}
	for (int i = 0; i < threads; i++) {
		assert_int_equal(pthread_join(ids[i], NULL), 0);
		total += appenders[i].count;
	}
	return total * SECOND_US / APPEND_US;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a;
	const int64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static void run_appends(void)
{
	static const int threads[] = {1, 8, THREADS_MAX};
	struct app *app = testdb_app(ONE_EACH_CONNECTIONS);
	struct group *group = NULL;

	testdb_exec("SELECT public.make_partitions(current_date)");
	assert_int_equal(group_commit_open(app->pg, SQL_ACTIVITY_APPEND, ACTIVITY_COLUMNS, 1, &group), OK);
	printf("\n| threads | group commit, rows/s | a commit each on %d connections, rows/s | ratio |\n|---|---|---|---|\n",
	       ONE_EACH_CONNECTIONS);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		int64_t together[APPEND_ROUNDS];
		int64_t alone[APPEND_ROUNDS];

		for (int round = 0; round < APPEND_ROUNDS; round++) {
			together[round] = append_for_a_while(app, group, threads[i]);
			alone[round] = append_for_a_while(app, NULL, threads[i]);
		}
		qsort(together, APPEND_ROUNDS, sizeof(together[0]), compare);
		qsort(alone, APPEND_ROUNDS, sizeof(alone[0]), compare);
		int64_t middle = together[APPEND_ROUNDS / 2];
		int64_t other = alone[APPEND_ROUNDS / 2];

		printf("| %d | %lld | %lld | %.2f |\n", threads[i], (long long)middle, (long long)other,
		       (double)middle / (double)(other > 0 ? other : 1));
		(void)fflush(stdout);
	}
	group_close(group);
	testdb_app_close(app);
}

int main(void)
{
	struct arena *kept = arena_new(ARENA_LIMIT);

	(void)testdb_setup(NULL);
	assert_int_equal(crypto_setup(), OK);
	run_parts(kept);
	run_appends();
	arena_free(kept);
	return testdb_teardown(NULL);
}
