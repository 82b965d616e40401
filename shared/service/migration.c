#include "service/migration.h"

#include <assert.h>

#include "io/app.h"
#include "io/crypto.h"
#include "io/pg.h"

/* Any number that nothing else locks: "trivet" as bytes. */
#define LOCK_SQL "SELECT pg_catalog.pg_advisory_xact_lock(128034708432244)"

#define TABLE_SQL \
	"CREATE TABLE IF NOT EXISTS public.schema_migrations (" \
	"version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL)"

/* Room for those that a newer program applied. */
#define APPLIED_MAX 4096

/* ISO C promises 4095 bytes for a literal; gcc and clang take a whole file. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
static const struct migration embedded[] = {
#include "migrations_table.h"
};
#pragma GCC diagnostic pop

const struct migration *migration_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(embedded);
	return embedded;
}

struct str migration_state_name(enum migration_state state)
{
	static const struct str names[MIGRATION_STATE_COUNT] = {
		[MIGRATION_UNSET] = STR_INIT("unset"),     [MIGRATION_APPLIED] = STR_INIT("applied"),
		[MIGRATION_PENDING] = STR_INIT("pending"), [MIGRATION_EDITED] = STR_INIT("edited"),
		[MIGRATION_UNKNOWN] = STR_INIT("unknown"),
	};
	assert(state >= 0 && state < MIGRATION_STATE_COUNT);
	return names[state];
}

static struct str checksum(struct arena *arena, const struct migration *migration)
{
	unsigned char hash[CRYPTO_HASH_BYTES];
	crypto_sha256(str_from_z(migration->text), hash);
	return crypto_hex(arena, hash, sizeof hash);
}

enum status migration_check(struct arena *arena, const struct migration *table, size_t count, struct str *ret_error)
{
	for (size_t i = 0; i < count; i++) {
		const struct migration *m = &table[i];
		struct str statement = STR_ABSENT;
		if (m->version < 1 || (i > 0 && m->version <= table[i - 1].version)) {
			*ret_error = str_printf(
				arena, "migration %04d_%s: its number does not follow the one before it: give it the next free number",
				m->version, m->name);
			return INVALID;
		}
		if (migration_destructive(str_from_z(m->text), &statement)) {
			*ret_error = str_printf(
				arena, "migration %04d_%s: `" STR_FMT "` destroys data: say why in a line `-- destructive: why` above it",
				m->version, m->name, STR_ARG(str_cut(statement, 0, 100)));
			return INVALID;
		}
	}
	return OK;
}

/* ---- what the database has --------------------------------------------------------------------------------------------------- */

struct applied {
	int version;
	struct str name;
	struct str checksum;
	int64_t at;
};

struct history {
	struct applied *rows; /* by version */
	size_t count;
};

static enum status read_history(struct pg_conn *conn, struct arena *arena, struct history *ret_history)
{
	struct history history = {0};
	struct pg_params none = pg_params(arena);
	struct pg_rows *rows = NULL;
	enum status status = pg_query(conn, arena, "SELECT pg_catalog.to_regclass('public.schema_migrations') IS NOT NULL", &none, &rows);
	if (status != OK) {
		return status;
	}
	if (!pg_bool(rows, 0, 0)) {
		*ret_history = history;
		return OK;
	}
	none = pg_params(arena);
	status = pg_query(conn, arena, "SELECT version, name, checksum, applied_at FROM public.schema_migrations ORDER BY version", &none,
	                  &rows);
	if (status != OK) {
		return status;
	}
	int count = pg_row_count(rows);
	if (count > APPLIED_MAX) {
		return TOO_LARGE;
	}
	history.rows = arena_array(arena, (size_t)count, sizeof *history.rows);
	if (history.rows == NULL) {
		return TOO_LARGE;
	}
	for (int i = 0; i < count; i++) {
		history.rows[i] = (struct applied){(int)pg_i64(rows, i, 0), pg_str(rows, i, 1), pg_str(rows, i, 2), pg_time(rows, i, 3)};
	}
	history.count = (size_t)count;
	*ret_history = history;
	return OK;
}

static const struct applied *find_applied(const struct history *history, int version)
{
	for (size_t i = 0; i < history->count; i++) {
		if (history->rows[i].version == version) {
			return &history->rows[i];
		}
	}
	return NULL;
}

static int latest(const struct history *history)
{
	return history->count == 0 ? 0 : history->rows[history->count - 1].version;
}

static bool in_table(const struct migration *table, size_t count, int version)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].version == version) {
			return true;
		}
	}
	return false;
}

enum status migration_status(struct ctx *ctx, const struct migration *table, size_t count, struct migration_row **ret_rows,
                             size_t *ret_count)
{
	struct pg_conn *conn = NULL;
	struct history history;
	enum status status = pg_take(ctx->app->pg, ctx->deadline, &conn);
	if (status != OK) {
		return status;
	}
	status = read_history(conn, ctx->arena, &history);
	pg_give(conn);
	if (status != OK) {
		return status;
	}
	struct migration_row *rows = arena_array(ctx->arena, count + history.count, sizeof *rows);
	if (rows == NULL) {
		return TOO_LARGE;
	}
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		const struct applied *done = find_applied(&history, table[i].version);
		enum migration_state state = MIGRATION_PENDING;
		if (done != NULL) {
			state = str_eq(done->checksum, checksum(ctx->arena, &table[i])) ? MIGRATION_APPLIED : MIGRATION_EDITED;
		}
		rows[used++] = (struct migration_row){table[i].version, str_from_z(table[i].name), state, done != NULL ? done->at : 0};
	}
	for (size_t i = 0; i < history.count; i++) {
		if (!in_table(table, count, history.rows[i].version)) {
			rows[used++] = (struct migration_row){history.rows[i].version, history.rows[i].name, MIGRATION_UNKNOWN,
			                                      history.rows[i].at};
		}
	}
	*ret_rows = rows;
	*ret_count = used;
	return OK;
}

/* ---- applying ---------------------------------------------------------------------------------------------------------------- */

/* Whether the history allows this migration, and whether it is still to be done. */
static enum status weigh(struct arena *arena, const struct history *history, const struct migration *m, bool *ret_pending,
                         struct str *ret_error)
{
	const struct applied *done = find_applied(history, m->version);
	if (done == NULL && m->version < latest(history)) {
		*ret_error = str_printf(arena,
		                        "migration %04d_%s: %04d has been applied already, and migrations only go forward: give the new "
		                        "file the next number",
		                        m->version, m->name, latest(history));
		return CONFLICT;
	}
	if (done != NULL && !str_eq(done->checksum, checksum(arena, m))) {
		*ret_error = str_printf(arena,
		                        "migration %04d_%s was edited after it had been applied: restore the file and put the change "
		                        "into a new migration",
		                        m->version, m->name);
		return CONFLICT;
	}
	*ret_pending = done == NULL;
	return OK;
}

static enum status record(struct pg_conn *conn, struct arena *arena, const struct migration *m, int64_t now)
{
	struct pg_params params = pg_params(arena);
	pg_add_i64(&params, m->version);
	pg_add_str(&params, str_from_z(m->name));
	pg_add_str(&params, checksum(arena, m));
	pg_add_time(&params, now);
	return pg_query(conn, arena, "INSERT INTO public.schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
	                &params, NULL);
}

/* Locks out every other migrator until the end of this transaction; then the history cannot change under us. */
static enum status begin_locked(struct pg_conn *conn)
{
	enum status status = pg_begin(conn);
	if (status == OK) {
		status = pg_script(
			conn, "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL client_min_messages = warning");
	}
	return status == OK ? pg_script(conn, LOCK_SQL) : status;
}

/* One transaction: the lock, a fresh look at the history, the script, its row. */
static enum status apply_one(struct pg_conn *conn, struct ctx *ctx, const struct migration *m, bool *ret_applied, struct str *ret_error)
{
	struct history history;
	bool pending = false;
	enum status status = begin_locked(conn);
	if (status == OK) {
		status = pg_script(conn, TABLE_SQL);
	}
	if (status == OK) {
		status = read_history(conn, ctx->arena, &history);
	}
	if (status == OK) {
		status = weigh(ctx->arena, &history, m, &pending, ret_error);
	}
	if (status == OK && pending) {
		status = pg_script(conn, m->text);
	}
	if (status == OK && pending) {
		status = record(conn, ctx->arena, m, ctx->now);
	}
	if (status == OK) {
		status = pg_commit(conn);
	}
	if (status != OK) {
		if (!str_present(*ret_error)) {
			*ret_error = str_printf(ctx->arena, "migration %04d_%s failed and was undone: " STR_FMT " (SQLSTATE " STR_FMT ")",
			                        m->version, m->name, STR_ARG(pg_error(conn)), STR_ARG(pg_sqlstate(conn)));
		}
		pg_rollback(conn);
		return status == INTERNAL ? INVALID : status;
	}
	*ret_applied = pending;
	return OK;
}

static enum status make_partitions(struct pg_conn *conn, struct ctx *ctx, int64_t *ret_made, struct str *ret_error)
{
	struct pg_rows *rows = NULL;
	struct pg_params params = pg_params(ctx->arena);
	pg_add_time(&params, ctx->now);
	enum status status = begin_locked(conn);
	if (status == OK) {
		status = pg_query(conn, ctx->arena, "SELECT public.make_partitions(($1::timestamptz AT TIME ZONE 'UTC')::date)", &params,
		                  &rows);
	}
	int64_t made = status == OK ? pg_i64(rows, 0, 0) : 0;
	if (status == OK) {
		status = pg_commit(conn);
	}
	if (status != OK) {
		*ret_error = str_printf(ctx->arena, "could not make the partitions: " STR_FMT, STR_ARG(pg_error(conn)));
		pg_rollback(conn);
		return status;
	}
	*ret_made = made;
	return OK;
}

/* Refuses the whole run before anything is changed, however late in the table the fault stands. */
static enum status weigh_all(struct pg_conn *conn, struct ctx *ctx, const struct migration *table, size_t count, struct str *ret_error)
{
	struct history history;
	bool pending;
	enum status status = read_history(conn, ctx->arena, &history);
	if (status != OK) {
		*ret_error = str_printf(ctx->arena, "could not read public.schema_migrations: " STR_FMT, STR_ARG(pg_error(conn)));
		return status;
	}
	for (size_t i = 0; i < count && status == OK; i++) {
		if (find_applied(&history, table[i].version) != NULL || table[i].version < latest(&history)) {
			status = weigh(ctx->arena, &history, &table[i], &pending, ret_error);
		}
	}
	return status;
}

enum status migration_apply(struct ctx *ctx, const struct migration *table, size_t count, struct migration_report *ret_report)
{
	struct migration_report report = {0};
	struct pg_conn *conn = NULL;
	enum status status = migration_check(ctx->arena, table, count, &report.error);
	if (status != OK) {
		goto out;
	}
	status = pg_take(ctx->app->pg, ctx->deadline, &conn);
	if (status != OK) {
		report.error = STR("could not connect to PostgreSQL: is it running, and is DATABASE_URL right?");
		goto out;
	}
	status = weigh_all(conn, ctx, table, count, &report.error);
	for (size_t i = 0; i < count && status == OK; i++) {
		bool applied = false;
		status = apply_one(conn, ctx, &table[i], &applied, &report.error);
		report.applied += applied ? 1 : 0;
	}
	if (status == OK) {
		status = make_partitions(conn, ctx, &report.partitions, &report.error);
	}
out:
	pg_give(conn);
	*ret_report = report;
	return status;
}
