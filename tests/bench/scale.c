/*
 * scale - how long one's own place, the neighbours and the first 20 take with ten thousand, a million and ten million accounts.
 *
 *     make bench-scale                       10000, 1000000 and 10000000 accounts: some ten minutes, 10 GB of disk and 3 GB of memory
 *     make bench-scale SIZES='10000 100000'
 *
 * The tables are filled directly; the boards are made from them as after a loss (service/boards_keep.c), which is timed too, and a few
 * places are compared with what PostgreSQL counts. Every reading is the whole use case: Redis and PostgreSQL, by one thread over sockets of
 * this host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/parse.h"
#include "io/app.h"
#include "service/boards.h"
#include "support/testdb.h"

#define READINGS 5000
#define WARM_UP 1000
#define COMPARED 3
#define SIZES_MAX 8
#define SIZE_LIMIT INT64_C(100000000)
#define TURN_ARENA ((size_t)16 * 1024 * 1024)

static const int64_t now = INT64_C(1763645064) * SECOND_US; /* 2025-11-20T13:24:24Z: season 10, week 2916 */

struct bench {
	struct app *app;
	struct arena *arena;
	int64_t size;
	uint64_t random;
};

/* Steele and Vigna's splitmix64: the same people in every run. */
static int64_t random_person(struct bench *bench)
{
	uint64_t z = bench->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((z ^ (z >> 31)) % (uint64_t)bench->size) + 1;
}

/* Many have little and few have much; one in ten was here this week. Without the triggers: nothing is marked, everything is new. */
static void fill_tables(const struct bench *bench)
{
	static const char *const statements[] = {
		"SET session_replication_role = replica; SET synchronous_commit = off; SELECT setseed(0.5)",
		"TRUNCATE public.identity, public.account_balance, public.account, public.board_dirty CASCADE",
		"INSERT INTO public.account (id, created_at) SELECT n, '2025-11-20Z' FROM generate_series(1, current_setting('bench.size')::bigint) AS n",
		"INSERT INTO public.account_balance (account_id, xp, coins, season_no, season_xp, season_coins, week_no, week_xp, week_coins)"
		" SELECT n, 1 + (random() ^ 4 * 60000)::bigint, 1 + (random() ^ 4 * 20000)::bigint, 10, n % 10 / 9, n % 10 / 9,"
		" 2916, n % 10 / 9, n % 10 / 9 FROM generate_series(1, current_setting('bench.size')::bigint) AS n",
		"INSERT INTO public.identity (account_id, platform, platform_id, name, first_seen, last_seen, attached_at)"
		" SELECT n, 'telegram', n, 'Person ' || n, '2025-11-20Z', '2025-11-20Z', '2025-11-20Z'"
		" FROM generate_series(1, current_setting('bench.size')::bigint) AS n",
		/* As autovacuum leaves them: else the first reader of each page would write it. */
		"VACUUM (ANALYZE) public.account, public.account_balance, public.identity",
		"CHECKPOINT",
	};
	char sql[100];

	(void)snprintf(sql, sizeof(sql), "SELECT set_config('bench.size', '%lld', false)", (long long)bench->size);
	testdb_exec(sql);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		testdb_exec(statements[i]);
	}
}

static void make_boards(struct bench *bench)
{
	struct board_keeper keeper = {.owner = STR("00000000-0000-4000-8000-00000000000a")};
	struct ctx ctx = testdb_ctx(bench->app, bench->arena, now, 10);
	struct board_kept kept = {0};
	int64_t asked = 0;

	assert_int_equal(boards_rebuild(&ctx, &asked), OK);
	do {
		arena_reset(bench->arena);
		ctx = testdb_ctx(bench->app, bench->arena, now, 10);
		enum status status = boards_keep(&ctx, &keeper, clock_wall_us(), &kept);
		assert_int_equal(status, OK);
	} while (!kept.rebuilt);
}

static void read_once(struct bench *bench, const struct board_wish *wish, struct board_page *ret_page)
{
	arena_reset(bench->arena);
	struct ctx ctx = testdb_ctx(bench->app, bench->arena, now, 10);
	assert_int_equal(boards_read(&ctx, wish, ret_page), OK);
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a;
	const int64_t *y = b;

	return (*x > *y) - (*x < *y);
}

/* Half and all but a hundredth of the readings take no longer; microseconds. */
struct times {
	int64_t p50;
	int64_t p99;
};

static struct times measure(struct bench *bench, struct board_wish wish)
{
	static int64_t took[READINGS];
	struct board_page page;

	for (int i = -WARM_UP; i < READINGS; i++) {
		wish.platform_id = wish.platform != PLATFORM_UNSET ? random_person(bench) : 0;
		int64_t start = clock_monotonic_us();
		read_once(bench, &wish, &page);
		if (i >= 0) {
			took[i] = clock_monotonic_us() - start;
		}
	}
	qsort(took, READINGS, sizeof(took[0]), compare);
	return (struct times){took[READINGS / 2], took[READINGS * 99 / 100]};
}

static void compare_places(struct bench *bench)
{
	for (int i = 0; i < COMPARED; i++) {
		struct board_wish wish = {.period = BOARD_ALL, .by = BOARD_XP, .limit = 1, .platform = PLATFORM_TELEGRAM};
		struct board_page page;
		char sql[200];

		wish.platform_id = random_person(bench);
		read_once(bench, &wish, &page);
		(void)snprintf(sql, sizeof(sql), "SELECT 1 + count(*) FROM public.account_balance WHERE xp > (SELECT xp FROM public.account_balance"
		               " WHERE account_id = %lld)", (long long)wish.platform_id);
		assert_int_equal(page.me.place, testdb_i64(sql));
	}
}

static void run_size(struct bench *bench)
{
	static const struct board_wish own = {.period = BOARD_ALL, .by = BOARD_XP, .limit = 1, .platform = PLATFORM_TELEGRAM};
	static const struct board_wish around = {.period = BOARD_ALL, .by = BOARD_XP, .around = true, .platform = PLATFORM_TELEGRAM};
	static const struct board_wish top = {.period = BOARD_ALL, .by = BOARD_XP, .limit = 20};
	int64_t start = clock_monotonic_us();

	fill_tables(bench);
	int64_t filled = clock_monotonic_us();
	make_boards(bench);
	int64_t made = clock_monotonic_us();
	compare_places(bench);
	struct times t[] = {measure(bench, own), measure(bench, around), measure(bench, top)};

	printf("| %9lld | %5lld s | %5lld s | %5lld / %5lld us | %5lld / %5lld us | %5lld / %5lld us |\n", (long long)bench->size,
	       (long long)((filled - start) / SECOND_US), (long long)((made - filled) / SECOND_US), (long long)t[0].p50, (long long)t[0].p99,
	       (long long)t[1].p50, (long long)t[1].p99, (long long)t[2].p50, (long long)t[2].p99);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	int64_t sizes[SIZES_MAX] = {10000, 1000000, 10000000};
	int count = argc > 1 ? argc - 1 : 3;

	for (int i = 1; i < argc; i++) {
		if (i > SIZES_MAX || parse_i64(str_from_z(argv[i]), 1, SIZE_LIMIT, &sizes[i - 1]) != OK) {
			(void)fprintf(stderr, "usage: scale [ACCOUNTS...]: at most %d numbers from 1 to %lld\n", SIZES_MAX, (long long)SIZE_LIMIT);
			return 2;
		}
	}
	(void)testdb_setup(NULL);
	struct bench bench = {.app = testdb_app(2), .arena = arena_new(TURN_ARENA)};
	printf("|  accounts | tables  | boards  | own place, p50/p99  | neighbours, p50/p99 | first 20, p50/p99   |\n");
	printf("|-----------|---------|---------|---------------------|---------------------|---------------------|\n");
	(void)fflush(stdout);
	for (int i = 0; i < count; i++) {
		bench.size = sizes[i];
		run_size(&bench);
	}
	arena_free(bench.arena);
	testdb_app_close(bench.app);
	return testdb_teardown(NULL);
}
