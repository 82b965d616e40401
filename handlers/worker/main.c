/* trivet-worker - its duties, a thread each, and how they end. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/crypto.h"
#include "io/http_client.h"
#include "store/statements.h"
#include "worker.h"

#define START_ARENA_LIMIT ((size_t)1024 * 1024)
#define UUID_BYTES 16

struct duty {
	const char *name;
	void (*run)(struct worker *worker);
};

/* A new duty is a row here. */
static const struct duty duties[] = {
	{"telegram", send_telegram},
	{"discord", send_discord},
	{"schedule", run_schedule},
	{"upkeep", run_upkeep},
	{"deferred", run_deferred},
	{"boards", keep_boards},
	{"missions", pay_missions},
	{"seasons", close_seasons},
	{"events.1", apply_events},
	{"events.2", apply_events},
};

struct duty_thread {
	pthread_t thread;
	const struct duty *duty;
	struct worker *worker;
};

struct ctx worker_ctx(struct worker *worker, struct arena *arena, int64_t budget_us)
{
	arena_reset(arena);
	return (struct ctx){
		.app = worker->app,
		.arena = arena,
		.now = app_now(worker->app),
		.deadline = clock_monotonic_us() + budget_us,
		.request_id = STR("worker"),
		.language = LANGUAGE_EN,
	};
}

void worker_sleep(struct worker *worker, int64_t us)
{
	struct pollfd stop = {.fd = worker->stop_fd, .events = POLLIN};
	(void)poll(&stop, 1, (int)(us / 1000));
}

/* Version 4: 122 random bits. Source: RFC 9562, 5.4. */
static struct str make_uuid(struct arena *arena)
{
	unsigned char b[UUID_BYTES];
	crypto_random(b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	struct str hex = crypto_hex(arena, b, sizeof b);
	return str_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.ptr, hex.ptr + 8, hex.ptr + 12, hex.ptr + 16, hex.ptr + 20);
}

static void *run_duty(void *arg)
{
	struct duty_thread *thread = arg;
	thread->duty->run(thread->worker);
	return NULL;
}

/* Runs every duty until SIGTERM or SIGINT, which only this thread takes. */
static bool serve(struct worker *worker, const sigset_t *stop_signals)
{
	struct duty_thread threads[ARRAY_LEN(duties)];
	size_t started = 0;
	int signal_number = 0;
	for (; started < ARRAY_LEN(duties); started++) {
		threads[started] = (struct duty_thread){.duty = &duties[started], .worker = worker};
		if (pthread_create(&threads[started].thread, NULL, run_duty, &threads[started]) != 0) {
			break;
		}
	}
	bool ok = started == ARRAY_LEN(duties);
	if (ok) {
		log_message(LOG_INFO, "ready", "worker " STR_FMT, STR_ARG(worker->owner));
		(void)sigwait(stop_signals, &signal_number);
	}
	atomic_store(&worker->stopping, true);
	(void)eventfd_write(worker->stop_fd, 1);
	for (size_t i = 0; i < started; i++) {
		(void)pthread_join(threads[i].thread, NULL);
	}
	log_message(LOG_INFO, "stopped", "signal %d", signal_number);
	return ok;
}

static bool block_signals(sigset_t *ret_stop)
{
	(void)sigemptyset(ret_stop);
	(void)sigaddset(ret_stop, SIGTERM);
	(void)sigaddset(ret_stop, SIGINT);
	return pthread_sigmask(SIG_BLOCK, ret_stop, NULL) == 0;
}

int main(void)
{
	struct arena *arena = arena_new(START_ARENA_LIMIT);
	struct worker worker = {.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	struct app_options options = {
		.program = PROGRAM_WORKER, .name = "trivet-worker", .with_cache = true, .events_statement = SIZE_MAX};
	struct str error = STR_ABSENT;
	sigset_t stop_signals;
	enum status status = UNAVAILABLE;
	if (arena == NULL || worker.stop_fd < 0 || !block_signals(&stop_signals)) {
		error = STR("could not start: the system refuses memory, a descriptor or signals");
		goto out;
	}
	options.statements = store_statements(&options.statement_count);
	if (http_setup() != OK) {
		error = STR("could not start: libcurl cannot be initialised");
		goto out;
	}
	status = app_open(arena, &options, &worker.app, &error);
	if (status != OK) {
		goto out;
	}
	worker.owner = make_uuid(arena);
	status = serve(&worker, &stop_signals) ? OK : UNAVAILABLE;
out:
	if (str_present(error)) {
		(void)fprintf(stderr, "%s: " STR_FMT "\n", options.name, STR_ARG(error));
	}
	if (worker.app != NULL) {
		app_close(worker.app);
	}
	if (worker.stop_fd >= 0) {
		(void)close(worker.stop_fd);
	}
	arena_free(arena);
	return app_exit_status(status);
}
