#include "web/program.h"

#include "base/clock.h"
#include "base/log.h"
#include "web/chores.h"

#define PROGRAM_START_ARENA ((size_t)1024 * 1024)
/* Requests wait meanwhile: well below their deadline. */
#define WARM_US (SECOND_US / 2)

/* Serves until it is told to stop, with the chores beside. */
static enum status serve(const struct app_options *options, const struct route *routes, size_t route_count, struct app *app)
{
	struct chores *chores = NULL;
	enum status status = chores_start(app, &chores);

	if (status != OK) {
		log_message(LOG_ERROR, "start_failed", "no memory or thread for what is done beside requests");
		return status;
	}
	pg_pool_warm(app->pg, clock_monotonic_us() + WARM_US);
	status = web_serve(&(struct web_options){.app = app, .program = options->name, .routes = routes, .route_count = route_count});
	chores_stop(chores);
	return status;
}

int program_run(const struct app_options *options, const struct route *routes, size_t route_count,
                enum status (*ready)(struct app *app, struct arena *arena, struct str *ret_error))
{
	struct arena *arena = arena_new(PROGRAM_START_ARENA);
	struct str error = STR("could not start: out of memory");
	struct app *app = NULL;
	enum status status = arena != NULL ? app_open(arena, options, &app, &error) : TOO_LARGE;

	if (status == OK && ready != NULL) {
		status = ready(app, arena, &error);
	}
	if (status != OK) {
		(void)fprintf(stderr, "%s: " STR_FMT "\n", options->name, STR_ARG(error));
	} else {
		status = serve(options, routes, route_count, app);
	}
	app_close(app);
	arena_free(arena);
	return app_exit_status(status);
}
