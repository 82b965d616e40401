#include "support/testdb.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>

#include "base/clock.h"
#include "base/parse.h"
#include "io/app.h"
#include "store/statements.h"

#define URL_TEXT_MAX 512
#define NAME_TEXT_MAX 64
#define REDIS_DATABASES 1024
#define STATEMENT_MAX 2048

static struct {
	char name[NAME_TEXT_MAX];
	char url[URL_TEXT_MAX];
	char redis_url[URL_TEXT_MAX];
	char text[1024];
	PGconn *maintenance; /* where databases are made */
	PGconn *link;        /* the program's own database */
} own;

static const char *need(const char *name)
{
	const char *value = getenv(name);
	if (value == NULL) {
		fprintf(stderr, "%s is not set: run this program as `tests/support/with_stores <program>`, or `make check-store`\n", name);
		exit(1);
	}
	return value;
}

static PGconn *connect_or_die(const char *url)
{
	PGconn *link = PQconnectdb(url);
	if (PQstatus(link) != CONNECTION_OK) {
		fprintf(stderr, "testdb: %s", PQerrorMessage(link));
		exit(1);
	}
	return link;
}

static void ignore_notice(void *arg UNUSED, const PGresult *result UNUSED)
{
}

/* The maintenance URL with another database: postgresql://<authority>/<database>?<parameters>. */
static void make_url(const char *url, const char *database)
{
	struct str rest = str_from_z(url);
	struct str query = STR_ABSENT;
	size_t mark = str_find(rest, '?');
	if (mark != SIZE_MAX) {
		query = str_cut(rest, mark, rest.len);
		rest = str_cut(rest, 0, mark);
	}
	size_t slash = rest.len;
	while (slash > 0 && rest.ptr[slash - 1] != '/') {
		slash--;
	}
	snprintf(own.url, sizeof(own.url), STR_FMT "%s" STR_FMT, STR_ARG(str_cut(rest, 0, slash)), database, STR_ARG(query));
}

static void exec_on(PGconn *link, const char *sql)
{
	PGresult *result = PQexec(link, sql);
	ExecStatusType said = PQresultStatus(result);
	if (said != PGRES_COMMAND_OK && said != PGRES_TUPLES_OK) {
		print_error("testdb: %s\n%s\n", PQerrorMessage(link), sql);
		PQclear(result);
		fail();
	}
	PQclear(result);
}

int testdb_setup(void **state UNUSED)
{
	const char *url = need("TEST_DATABASE_URL");
	const char *redis_url = need("TEST_REDIS_URL");
	const char *template = need("TEST_DATABASE_TEMPLATE");
	char sql[256];
	/* hiredis writes to sockets that may be closed; programs ignore the signal too (io/app.c). */
	(void)signal(SIGPIPE, SIG_IGN);
	snprintf(own.name, sizeof(own.name), "test_%d", (int)getpid());
	make_url(url, own.name);
	struct str redis = str_from_z(redis_url);
	size_t mark = str_find(redis, '?');
	snprintf(own.redis_url, sizeof(own.redis_url), STR_FMT "?db=%d", STR_ARG(str_cut(redis, 0, mark)), (int)getpid() % REDIS_DATABASES);
	own.maintenance = connect_or_die(url);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s", own.name, template);
	exec_on(own.maintenance, sql);
	own.link = connect_or_die(own.url);
	PQsetNoticeReceiver(own.link, ignore_notice, NULL);
	return 0;
}

int testdb_teardown(void **state UNUSED)
{
	char sql[256];
	PQfinish(own.link);
	own.link = NULL;
	snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", own.name);
	exec_on(own.maintenance, sql);
	PQfinish(own.maintenance);
	own.maintenance = NULL;
	return 0;
}

struct str testdb_url(void)
{
	return str_from_z(own.url);
}

struct str testdb_redis_url(void)
{
	return str_from_z(own.redis_url);
}

void testdb_exec(const char *sql)
{
	exec_on(own.link, sql);
}

const char *testdb_text(const char *sql)
{
	PGresult *result = PQexec(own.link, sql);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
		print_error("testdb: not one row: %s%s\n", PQerrorMessage(own.link), sql);
		PQclear(result);
		fail();
	}
	snprintf(own.text, sizeof(own.text), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return own.text;
}

int64_t testdb_i64(const char *sql)
{
	struct str text = str_from_z(testdb_text(sql));
	int64_t value = 0;
	if (text.len > 0) {
		assert_int_equal(parse_i64(text, INT64_MIN, INT64_MAX, &value), OK);
	}
	return value;
}

PRINTF_LIKE(3, 0)
static void say(char *sql, size_t size, const char *format, va_list args)
{
	int length = vsnprintf(sql, size, format, args);
	assert_true(length >= 0 && (size_t)length < size);
}

void testdb_execf(const char *format, ...)
{
	char sql[STATEMENT_MAX];
	va_list args;
	va_start(args, format);
	say(sql, sizeof(sql), format, args);
	va_end(args);
	testdb_exec(sql);
}

int64_t testdb_i64f(const char *format, ...)
{
	char sql[STATEMENT_MAX];
	va_list args;
	va_start(args, format);
	say(sql, sizeof(sql), format, args);
	va_end(args);
	return testdb_i64(sql);
}

static pid_t need_pid(const char *name)
{
	int64_t pid = 0;
	assert_int_equal(parse_i64(str_from_z(need(name)), 2, INT32_MAX, &pid), OK);
	return (pid_t)pid;
}

pid_t testdb_server_pid(void)
{
	return need_pid("TEST_DATABASE_PID");
}

pid_t testdb_redis_pid(void)
{
	return need_pid("TEST_REDIS_PID");
}

/* The parent of a process, from the fourth word of /proc/<pid>/stat; the second may hold anything, in brackets. 0: none. */
static pid_t parent_of(const char *pid)
{
	char path[64];
	char text[512];
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		return 0;
	}
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	int parent = 0;
	const char *end = strrchr(text, ')');
	return end != NULL && sscanf(end + 1, " %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

void testdb_signal_server(int signal_number)
{
	pid_t server = testdb_server_pid();
	/* The postmaster first, so that it makes no child meanwhile. */
	kill(server, signal_number);
	DIR *processes = opendir("/proc");
	assert_non_null(processes);
	for (struct dirent *entry = readdir(processes); entry != NULL; entry = readdir(processes)) {
		int64_t pid;
		if (parse_i64(str_from_z(entry->d_name), 2, INT32_MAX, &pid) == OK && parent_of(entry->d_name) == server) {
			kill((pid_t)pid, signal_number);
		}
	}
	closedir(processes);
}

struct app *testdb_app(int connections)
{
	struct app *app = calloc(1, sizeof(*app));
	assert_non_null(app);
	size_t count;
	const struct pg_statement *statements = store_statements(&count);
	struct pg_pool_options options = {
		.url = testdb_url(),
		.connections = connections,
		.statements = statements,
		.statement_count = count,
		.application_name = "trivet-test",
	};
	assert_int_equal(crypto_setup(), OK);
	assert_int_equal(pg_pool_open(&options, &app->pg), OK);
	assert_int_equal(cache_open(testdb_redis_url(), connections, &app->cache), OK);
	struct secret master = {STR("a master key of the tests, 32 bytes and more")};
	crypto_derive(master, "link-code", app->key_link);
	crypto_derive(master, "seal", app->key_seal);
	app->catalogue = snapshot_slot_new();
	assert_non_null(app->catalogue);
	return app;
}

void testdb_app_close(struct app *app)
{
	cache_close(app->cache);
	pg_pool_close(app->pg);
	snapshot_slot_free(app->catalogue);
	free(app);
}

struct ctx testdb_ctx(struct app *app, struct arena *arena, int64_t now, double seconds)
{
	return (struct ctx){
		.app = app,
		.arena = arena,
		.now = now,
		.deadline = clock_monotonic_us() + (int64_t)(seconds * 1e6),
		.request_id = STR("test"),
		.language = LANGUAGE_EN,
	};
}
