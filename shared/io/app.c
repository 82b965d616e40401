/* The handles of one process. */
#include "io/app.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/parse.h"
#include "io/json.h"

/* The contract allows 1 s. */
#define CLOCK_STALE_US (250 * 1000)
/* A hundred years either way: the sum stays far from the ends of int64_t. */
#define CLOCK_OFFSET_MAX_S (INT64_C(100) * 366 * 86400)
#define PATH_TEXT_MAX 512
/* Identities that act within a minute; past it a rate errs by letting in. About 1 MiB. */
#define LIMIT_SLOTS 8192

struct app_clock {
	char path[PATH_TEXT_MAX];
	pthread_mutex_t reading;
	atomic_int_fast64_t offset_us;
	atomic_int_fast64_t read_at; /* monotonic; written after offset_us */
};

#ifdef TRIVET_DEVELOPMENT

static struct app_clock *clock_new(struct str run_dir)
{
	struct app_clock *clock = calloc(1, sizeof(*clock));
	if (clock == NULL) {
		return NULL;
	}
	int len = snprintf(clock->path, sizeof(clock->path), STR_FMT "/clock", STR_ARG(run_dir));
	if (len < 0 || (size_t)len >= sizeof(clock->path)) {
		free(clock);
		return NULL;
	}
	if (pthread_mutex_init(&clock->reading, NULL) != 0) {
		free(clock);
		return NULL;
	}
	return clock;
}

/* The seconds in the file; none when it is missing or is not one whole number. */
static int64_t read_offset_us(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	char text[64];
	ssize_t len = read(fd, text, sizeof(text));
	close(fd);
	int64_t seconds = 0;
	if (len <= 0 ||
	    parse_i64(str_trim((struct str){text, (size_t)len}), -CLOCK_OFFSET_MAX_S, CLOCK_OFFSET_MAX_S, &seconds) != OK) {
		return 0;
	}
	return seconds * SECOND_US;
}

static bool clock_is_stale(struct app_clock *clock)
{
	return clock_monotonic_us() - atomic_load(&clock->read_at) >= CLOCK_STALE_US;
}

static int64_t clock_offset_us(struct app_clock *clock)
{
	/* One thread reads and the others wait for it: what was there may be as old as the process's last request. */
	if (clock_is_stale(clock)) {
		pthread_mutex_lock(&clock->reading);
		if (clock_is_stale(clock)) {
			int64_t now = clock_monotonic_us();

			atomic_store(&clock->offset_us, read_offset_us(clock->path));
			atomic_store(&clock->read_at, now);
		}
		pthread_mutex_unlock(&clock->reading);
	}
	return atomic_load(&clock->offset_us);
}

#endif

int64_t app_now(const struct app *app)
{
	int64_t now = clock_wall_us();
#ifdef TRIVET_DEVELOPMENT
	if (app->clock != NULL) {
		now += clock_offset_us(app->clock);
	}
#else
	(void)app;
#endif
	return now;
}

/* What can fail, one after the other; on failure *ret_error says what, and app_close() undoes the rest. */
static enum status set_up_libraries(struct str *ret_error)
{
	/* hiredis writes to sockets that may be closed: that shall be an error of the call, not the end of the program. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (crypto_setup() != OK) {
		*ret_error = STR("could not start: the system gives no random numbers");
		return UNAVAILABLE;
	}
	json_setup();
	return OK;
}

static enum status open_stores(struct app *app, const struct app_options *options, struct str *ret_error)
{
	const struct config *config = app->config;
	struct pg_pool_options pool = {
		.url = config->database_url.bytes,
		.connections = (int)config->pg_connections,
		/* One waits for the disk while the others compute. The worker's duties are threads of their own, each with one. */
		.ready = options->program == PROGRAM_WORKER ? 0 : (int)config_threads(config) + 1,
		.statements = options->statements,
		.statement_count = options->statement_count,
		.application_name = options->name,
	};
	enum status status = pg_pool_open(&pool, &app->pg);
	if (status != OK) {
		*ret_error = status == INVALID ? STR("DATABASE_URL: is not a PostgreSQL URL: write postgresql://user@host/database")
		                               : STR("could not start: no memory or thread for the PostgreSQL pool");
		return status;
	}
	if (options->with_cache) {
		status = cache_open(config->redis_url.bytes, (int)config->redis_connections, &app->cache);
		if (status != OK) {
			*ret_error = status == INVALID
			                     ? STR("REDIS_URL: is not a Redis URL: write redis://host:6379/0 or unix:///path?db=0")
			                     : STR("could not start: no memory for the Redis pool");
			return status;
		}
	}
	if (options->events_statement != SIZE_MAX) {
		status = group_commit_open(app->pg, options->events_statement, options->events_columns, config_threads(config), &app->events);
	}
	if (status != OK) {
		*ret_error = STR("could not start: no memory for appends");
	}
	return status;
}

static enum status open_rest(struct app *app, const struct app_options *options, struct str *ret_error)
{
	const struct config *config = app->config;
	app->limits = limit_table_new(LIMIT_SLOTS);
	app->catalogue = snapshot_slot_new();
	if (app->limits == NULL || app->catalogue == NULL) {
		*ret_error = STR("could not start: out of memory");
		return UNAVAILABLE;
	}
	crypto_derive(config->master_key, "link-code", app->key_link);
	crypto_derive(config->master_key, "seal", app->key_seal);
#ifdef TRIVET_DEVELOPMENT
	if (config->development && !str_empty(config->run_dir)) {
		app->clock = clock_new(config->run_dir);
		if (app->clock == NULL) {
			*ret_error = STR("RUN_DIR: is too long for the development clock: choose a shorter path");
			return INVALID;
		}
	}
#endif
	/* The operator's command is no process that anybody watches: what it counts is gone with it. */
	if (metric_open(options->program == PROGRAM_CTL ? STR_ABSENT : config->run_dir, options->name) != OK) {
		*ret_error = STR("RUN_DIR: metrics cannot be written there: make the directory writable for this program");
		return UNAVAILABLE;
	}
	return OK;
}

enum status app_open(struct arena *arena, const struct app_options *options, struct app **ret_app, struct str *ret_error)
{
	assert(options->statements != NULL && options->name != NULL);
	struct config *config = NULL;
	enum status status = config_load(arena, options->program, &config, ret_error);
	if (status != OK) {
		return status;
	}
	struct app *app = calloc(1, sizeof(*app));
	if (app == NULL) {
		config_close(config);
		*ret_error = STR("could not start: out of memory");
		return UNAVAILABLE;
	}
	app->config = config;
	log_set_level(config->log_level);
	status = set_up_libraries(ret_error);
	if (status == OK) {
		status = open_stores(app, options, ret_error);
	}
	if (status == OK) {
		status = open_rest(app, options, ret_error);
	}
	if (status != OK) {
		app_close(app);
		return status;
	}
	*ret_app = app;
	return OK;
}

void app_close(struct app *app)
{
	if (app == NULL) {
		return;
	}
	group_close(app->events);
	group_close(app->profiles);
	cache_close(app->cache);
	pg_pool_close(app->pg);
	limit_table_free(app->limits);
	snapshot_slot_free(app->catalogue);
	if (app->clock != NULL) {
		pthread_mutex_destroy(&app->clock->reading);
		free(app->clock);
	}
	config_close(app->config);
	crypto_wipe(app->key_link, sizeof(app->key_link));
	crypto_wipe(app->key_seal, sizeof(app->key_seal));
	free(app);
}

int app_exit_status(enum status status)
{
	if (status == INVALID) {
		return 2;
	}
	return status == OK ? 0 : 1;
}

void app_add_chore(struct app *app, struct chore chore)
{
	assert(app->chore_count < APP_CHORES_MAX && chore.every_us > 0);
	app->chores[app->chore_count++] = chore;
}
