/* One connection to PostgreSQL: made, asked and answered without ever blocking past its deadline. */
#include <assert.h>
#include <poll.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/offload.h"
#include "io/pg.h"
#include "io/pg_internal.h"

/*
 * What every session pins. search_path: statements are schema-qualified, nothing else is looked up. The formats are those that
 * pg_value.c reads. client_connection_check_interval: how the server notices that we closed a connection whose statement still runs.
 */
#define SESSION_OPTIONS \
	"-c search_path=pg_catalog -c timezone=UTC -c datestyle=ISO -c bytea_output=hex -c lock_timeout=500ms -c statement_timeout=5s" \
	" -c idle_in_transaction_session_timeout=10s -c client_connection_check_interval=500ms"

/*
 * On a reserved connection, whose one statement takes arrays: the server reckons with ten rows for an array that it does not know yet, so
 * for fewer it would plan anew each time, for longer than the statement runs. Planned while its tables were small it must not be ruinous
 * once they have grown: by indexes, whatever the statistics say.
 */
#define PLANNED_ONCE " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off"

static const char durability_sql[] = "SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'"
                                     " AND current_setting('synchronous_commit') IN ('on', 'remote_apply')";

static const char begin_sql[] = "BEGIN ISOLATION LEVEL READ COMMITTED";

static const char commit_sql[] = "COMMIT";

/* What may go out beside a statement in one message, saving a round trip each; in this order. */
enum part {
	PART_UNSET = 0,
	PART_BEGIN,
	PART_PREPARE,
	PART_RUN,
	PART_COMMIT,
	PART_COUNT
};

struct message {
	enum part parts[PART_COUNT - 1];
	int count; /* 0: no pipeline, the last result counts */
	size_t statement;
	bool committed;
};

/* SQLSTATE, whole or its beginning, to status; the first row that fits decides. `breaks`: the session is of no use any more. */
static const struct {
	const char *sqlstate;
	const char *function; /* the server's function that raised it, where the state alone is ambiguous; NULL: any */
	enum status status;
	bool breaks;
} verdicts[] = {
	{"23505", NULL, CONFLICT, false},
	{"23503", NULL, CONFLICT, false},
	{"23P01", NULL, CONFLICT, false},
	{"23514", "ExecFindPartition", NOT_FOUND, false},
	{"23", NULL, INVALID, false},
	{"22", NULL, INVALID, false},
	{"40001", NULL, RETRY, false},
	{"40P01", NULL, RETRY, false},
	{"0A000", "RevalidateCachedQuery", RETRY, true},
	{"26000", NULL, RETRY, true},
	{"55P03", NULL, UNAVAILABLE, false},
	{"57014", NULL, TIMED_OUT, false},
	{"57P", NULL, UNAVAILABLE, true},
	{"25P03", NULL, UNAVAILABLE, true},
	{"25006", NULL, UNAVAILABLE, true}, /* read-only: after a failover this is not the primary any more */
	{"53", NULL, UNAVAILABLE, false},
	{"08", NULL, UNAVAILABLE, true},
};

static void set_error(struct pg_conn *conn, const char *text, const char *sqlstate)
{
	(void)snprintf(conn->error, sizeof(conn->error), "%s", text != NULL ? text : "no message");
	/* libpq ends its own messages in a newline. */
	size_t len = strlen(conn->error);
	while (len > 0 && conn->error[len - 1] == '\n') {
		conn->error[--len] = '\0';
	}
	(void)snprintf(conn->sqlstate, sizeof(conn->sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
}

void pg_conn_close(struct pg_conn *conn)
{
	PQfinish(conn->link);
	conn->link = NULL;
	conn->begin_due = false;
	if (conn->prepared != NULL) {
		memset(conn->prepared, 0, conn->pool->prepared_words * sizeof(*conn->prepared));
	}
}

/* The connection is gone, or what it says makes no sense: whether the question took effect is known only when it could not. */
static enum status lost(struct pg_conn *conn)
{
	conn->broken = true;
	return conn->in_doubt ? TIMED_OUT : UNAVAILABLE;
}

/* Our deadline passed. The server notices the closed connection and stops; an answer that came later must not meet the next question. */
static enum status expired(struct pg_conn *conn)
{
	set_error(conn, "no answer before the deadline", NULL);
	conn->broken = true;
	conn->timed_out = true;
	pg_conn_close(conn);
	return TIMED_OUT;
}

/* Waits until the socket can do one of `events` (poll(2)). OK, TIMED_OUT. */
static enum status wait_for(const struct pg_conn *conn, short events, short *ret_ready)
{
	return fiber_wait_fd(PQsocket(conn->link), events, conn->deadline, ret_ready);
}

/* Sends what libpq holds back and reads meanwhile, so that neither side waits for the other to read. */
static enum status flush_out(struct pg_conn *conn)
{
	int left;
	while ((left = PQflush(conn->link)) > 0) {
		short ready;
		if (wait_for(conn, POLLIN | POLLOUT, &ready) != OK) {
			return expired(conn);
		}
		if ((ready & POLLIN) != 0 && PQconsumeInput(conn->link) == 0) {
			break; /* the server may have said why: collect() reads it */
		}
	}
	/* A failed send is no verdict either: the reason may be waiting to be read. */
	return OK;
}

static bool is_copy(const PGresult *result)
{
	ExecStatusType said = PQresultStatus(result);
	return said == PGRES_COPY_IN || said == PGRES_COPY_OUT || said == PGRES_COPY_BOTH;
}

/* Notes what one result says; keeps the first error, else that of the statement, else the last. */
static PGresult *sift(struct pg_conn *conn, struct message *message, enum part part, PGresult *kept, PGresult *result)
{
	bool failed = kept != NULL && PQresultStatus(kept) == PGRES_FATAL_ERROR;
	bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (part == PART_PREPARE && done) {
		conn->prepared[message->statement / 64] |= UINT64_C(1) << (message->statement % 64);
	}
	if (part == PART_COMMIT && done) {
		/* A transaction that failed before answers COMMIT with success and ROLLBACK: somebody overlooked a status. */
		message->committed = strcmp(PQcmdStatus(result), commit_sql) == 0;
	}
	if (failed || (part == PART_COMMIT && done && kept != NULL)) {
		PQclear(result);
		return kept;
	}
	PQclear(kept);
	return result;
}

/* Reads all results of the question and sifts them. OK (maybe with an error result), TIMED_OUT. */
static enum status collect(struct pg_conn *conn, struct message *message, PGresult **ret_result)
{
	PGresult *kept = NULL;
	int at = 0; /* each part ends with a NULL of PQgetResult() */
	for (;;) {
		while (PQisBusy(conn->link) != 0) {
			short ready;
			if (wait_for(conn, POLLIN, &ready) != OK) {
				PQclear(kept);
				return expired(conn);
			}
			if (PQconsumeInput(conn->link) == 0) {
				break; /* end of file: PQgetResult() gives what the server said last without waiting */
			}
		}
		PGresult *result = PQgetResult(conn->link);
		if (result == NULL && at < message->count && PQstatus(conn->link) == CONNECTION_OK) {
			at++;
			continue;
		}
		if (result == NULL || PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			break;
		}
		bool copy = is_copy(result);
		kept = sift(conn, message, at < message->count ? message->parts[at] : PART_UNSET, kept, result);
		if (copy) {
			break; /* libpq would give it for ever */
		}
	}
	*ret_result = kept;
	return OK;
}

/* The session is over, or the whole server: of a commit that was on its way nobody knows. */
static bool ended_session(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static enum status judge_error(struct pg_conn *conn, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
	if (sqlstate == NULL || strlen(sqlstate) != PG_SQLSTATE_LEN) {
		set_error(conn, PQerrorMessage(conn->link), NULL);
		return lost(conn);
	}
	set_error(conn, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), sqlstate);
	if (ended_session(result)) {
		return lost(conn);
	}
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		bool fits = strncmp(sqlstate, verdicts[i].sqlstate, strlen(verdicts[i].sqlstate)) == 0 &&
		            (verdicts[i].function == NULL || (function != NULL && strcmp(function, verdicts[i].function) == 0));
		if (!fits) {
			continue;
		}
		conn->missing_partition = verdicts[i].status == NOT_FOUND;
		conn->broken = conn->broken || verdicts[i].breaks;
		return verdicts[i].status == UNAVAILABLE && verdicts[i].breaks ? lost(conn) : verdicts[i].status;
	}
	return INTERNAL;
}

static enum status judge(struct pg_conn *conn, const PGresult *result)
{
	ExecStatusType said = PQresultStatus(result);
	if (said == PGRES_TUPLES_OK || said == PGRES_COMMAND_OK || said == PGRES_EMPTY_QUERY) {
		return OK;
	}
	if (is_copy(result)) {
		set_error(conn, "COPY is not used here", NULL);
		conn->broken = true;
		return INTERNAL;
	}
	if (result == NULL) {
		set_error(conn, PQerrorMessage(conn->link), NULL);
		return lost(conn);
	}
	return judge_error(conn, result);
}

/* Tells the breaker of a deadline that passed: unless others were answered meanwhile (slow, but there), or it was short anyway. */
static void report_silence(struct pg_conn *conn)
{
	uint64_t answers = atomic_load_explicit(&conn->pool->answers, memory_order_relaxed);
	if (answers == conn->answers && clock_monotonic_us() - conn->asked_at >= PG_PATIENCE_US) {
		pg_pool_timed_out(conn->pool);
	}
}

/* Whether a question may be asked now. `in_doubt`: it may commit something. */
static enum status ask_begin(struct pg_conn *conn, bool in_doubt)
{
	if (conn->broken || conn->link == NULL) {
		return conn->timed_out ? TIMED_OUT : UNAVAILABLE;
	}
	conn->asked_at = clock_monotonic_us();
	if (conn->asked_at >= conn->deadline) {
		set_error(conn, "deadline passed before the statement", NULL);
		return TIMED_OUT;
	}
	conn->in_doubt = in_doubt;
	conn->answers = atomic_load_explicit(&conn->pool->answers, memory_order_relaxed);
	return OK;
}

/* The rest of a question that libpq accepted (`sent`) or not: out, in, judged. *ret_result is set only on OK. */
static enum status ask_end(struct pg_conn *conn, int sent, struct message *message, PGresult **ret_result)
{
	if (sent == 0) {
		set_error(conn, PQerrorMessage(conn->link), NULL);
		conn->in_doubt = false;
		return lost(conn);
	}
	PGresult *result = NULL;
	enum status status = flush_out(conn);
	if (status == OK) {
		status = collect(conn, message, &result);
	}
	if (status != OK) {
		report_silence(conn);
		return status;
	}
	status = judge(conn, result);
	if (PQexitPipelineMode(conn->link) == 0) {
		conn->broken = true; /* something is left that nobody asked for */
	}
	if (!conn->broken) {
		pg_pool_answered(conn);
	}
	if (status != OK) {
		PQclear(result);
		return status;
	}
	*ret_result = result;
	return OK;
}

/* A question that is sent by itself. */
static enum status ask_end_alone(struct pg_conn *conn, int sent, PGresult **ret_result)
{
	struct message message = {.count = 0};
	return ask_end(conn, sent, &message, ret_result);
}

/* A statement without rows that matter. */
static enum status ask_plain(struct pg_conn *conn, const char *sql, bool in_doubt)
{
	enum status status = ask_begin(conn, in_doubt);
	if (status != OK) {
		return status;
	}
	PGresult *result;
	status = ask_end_alone(conn, PQsendQuery(conn->link, sql), &result);
	if (status == OK) {
		PQclear(result);
	}
	return status;
}

/* ---- making a connection ---- */

static void ignore_notice(void *arg UNUSED, const PGresult *result UNUSED)
{
	/* libpq's default writes to standard error; notices are for psql. */
}

static enum status check_durability(struct pg_conn *conn)
{
	enum status status = ask_begin(conn, false);
	if (status != OK) {
		return status;
	}
	PGresult *result;
	status = ask_end_alone(conn, PQsendQuery(conn->link, durability_sql), &result);
	if (status != OK) {
		return status;
	}
	bool durable = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
	PQclear(result);
	if (!durable) {
		set_error(conn, "the server would lose what it confirmed: fsync, full_page_writes and synchronous_commit must be on", NULL);
		return UNAVAILABLE;
	}
	return OK;
}

/*
 * Where a host's name is looked up, which blocks and has no deadline: an address or a socket's directory is better. Of several hosts the
 * later ones are looked up on the way.
 */
static void call_libpq(const struct pg_conn *conn, void (*call)(void *arg), void *arg)
{
	offload(conn->pool->has_names ? fiber_helpers() : NULL, call, arg);
}

struct polling {
	PGconn *link;
	PostgresPollingStatusType wanted;
};

static void poll_connect(void *arg)
{
	struct polling *polling = arg;
	polling->wanted = PQconnectPoll(polling->link);
}

static enum status drive_connect(struct pg_conn *conn)
{
	PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
	while (PQstatus(conn->link) != CONNECTION_BAD) {
		short ready;
		if (wait_for(conn, wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, &ready) != OK) {
			return expired(conn);
		}
		struct polling polling = {.link = conn->link};
		call_libpq(conn, poll_connect, &polling);
		wanted = polling.wanted;
		if (wanted == PGRES_POLLING_OK) {
			return OK;
		}
		if (wanted == PGRES_POLLING_FAILED) {
			break;
		}
	}
	set_error(conn, PQerrorMessage(conn->link), NULL);
	return UNAVAILABLE;
}

static void begin_connect(void *arg)
{
	struct pg_conn *conn = arg;
	/*
	 * What stands before dbname the URL may override, what stands after it may not. tcp_user_timeout and keepalives find peers that
	 * vanished; on unix sockets they do nothing, there our own deadlines do.
	 */
	static const char *const keywords[] = {
		"gssencmode", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", "application_name", "client_encoding", "options", NULL,
	};
	const char *const values[] = {
		"disable", "30", "10", "3", "10000",
		conn->pool->url, conn->pool->application_name, "UTF8", conn->reserved ? SESSION_OPTIONS PLANNED_ONCE : SESSION_OPTIONS, NULL,
	};
	static_assert(ARRAY_LEN(keywords) == ARRAY_LEN(values), "a value for each keyword");
	conn->link = PQconnectStartParams(keywords, values, 1);
}

enum status pg_conn_connect(struct pg_conn *conn)
{
	assert(conn->link == NULL);
	conn->broken = false;
	conn->timed_out = false;
	conn->generation = atomic_load(&conn->pool->generation);
	call_libpq(conn, begin_connect, conn);
	conn->asked_at = clock_monotonic_us();
	conn->answers = atomic_load_explicit(&conn->pool->answers, memory_order_relaxed);
	if (conn->link == NULL) {
		set_error(conn, "out of memory", NULL);
		return UNAVAILABLE;
	}
	/* Already now: a server that ends the session while it begins says so by a notice, and libpq would print it between our lines. */
	PQsetNoticeReceiver(conn->link, ignore_notice, NULL);
	enum status status = drive_connect(conn);
	if (status == TIMED_OUT) {
		report_silence(conn);
	}
	if (status == OK) {
		status = PQsetnonblocking(conn->link, 1) == 0 ? check_durability(conn) : UNAVAILABLE;
	}
	if (status != OK) {
		pg_conn_close(conn);
		conn->broken = true;
	}
	return status;
}

bool pg_conn_stale(const struct pg_conn *conn)
{
	if (conn->generation != atomic_load(&conn->pool->generation)) {
		return true;
	}
	/* A free connection hears nothing unless the server closes it or sends a notice of its end. */
	struct pollfd socket = {.fd = PQsocket(conn->link), .events = POLLIN};
	return poll(&socket, 1, 0) != 0;
}

/* ---- statements ---- */

static bool is_prepared(const struct pg_conn *conn, size_t statement)
{
	return (conn->prepared[statement / 64] >> (statement % 64) & 1) != 0;
}

static enum status hand_over(struct arena *arena, PGresult *result, struct pg_rows **ret_rows)
{
	if (ret_rows == NULL) {
		PQclear(result);
		return OK;
	}
	return pg_rows_take(arena, result, ret_rows);
}

static enum status refuse_params(struct pg_conn *conn)
{
	set_error(conn, "a parameter cannot be sent: NUL byte, out of range or out of memory", NULL);
	return INVALID;
}

static struct message message_of(const struct pg_conn *conn, size_t statement, bool commits)
{
	struct message message = {.statement = statement};
	if (conn->begin_due) {
		message.parts[message.count++] = PART_BEGIN;
	}
	if (!is_prepared(conn, statement)) {
		message.parts[message.count++] = PART_PREPARE;
	}
	message.parts[message.count++] = PART_RUN;
	if (commits) {
		message.parts[message.count++] = PART_COMMIT;
	}
	return message;
}

static int send_part(struct pg_conn *conn, enum part part, const struct pg_statement *row, const struct pg_params *params)
{
	switch (part) {
	case PART_BEGIN:
		conn->begin_due = false;
		return PQsendQueryParams(conn->link, begin_sql, 0, NULL, NULL, NULL, NULL, 0);
	case PART_PREPARE:
		return PQsendPrepare(conn->link, row->name, row->sql, 0, NULL);
	case PART_RUN:
		return PQsendQueryPrepared(conn->link, row->name, params->count, params->values, params->lengths, params->formats, 0);
	case PART_COMMIT:
		return PQsendQueryParams(conn->link, commit_sql, 0, NULL, NULL, NULL, NULL, 0);
	case PART_UNSET:
	case PART_COUNT:
		break;
	}
	return 0;
}

/* The answers are told apart by libpq. */
static int send_message(struct pg_conn *conn, const struct message *message, const struct pg_statement *row, const struct pg_params *params)
{
	int sent = PQenterPipelineMode(conn->link);
	for (int i = 0; i < message->count && sent != 0; i++) {
		sent = send_part(conn, message->parts[i], row, params);
	}
	return sent != 0 ? PQpipelineSync(conn->link) : 0;
}

static enum status judge_commit(struct pg_conn *conn, const struct message *message)
{
	if (!message->committed) {
		set_error(conn, "committed a transaction that had failed", NULL);
		return INTERNAL;
	}
	return OK;
}

static enum status run(struct pg_conn *conn, struct arena *arena, size_t statement, const struct pg_params *params, bool commits,
                       struct pg_rows **ret_rows)
{
	assert(statement < conn->pool->statement_count);
	const struct pg_statement *row = &conn->pool->statements[statement];
	const struct pg_params none = {.count = 0};
	params = params != NULL ? params : &none;
	if (params->failed) {
		return refuse_params(conn);
	}
	assert(params->count == row->param_count);
	enum status status = ask_begin(conn, commits || !pg_in_transaction(conn));
	if (status != OK) {
		return status;
	}
	struct message message = message_of(conn, statement, commits);
	PGresult *result;
	status = ask_end(conn, send_message(conn, &message, row, params), &message, &result);
	if (status == OK && commits) {
		status = judge_commit(conn, &message);
		if (status != OK) {
			PQclear(result);
		}
	}
	return status == OK ? hand_over(arena, result, ret_rows) : status;
}

enum status pg_run(struct pg_conn *conn, struct arena *arena, size_t statement, const struct pg_params *params,
                   struct pg_rows **ret_rows)
{
	return run(conn, arena, statement, params, false, ret_rows);
}

enum status pg_run_last(struct pg_conn *conn, size_t statement, const struct pg_params *params)
{
	assert(conn->broken || pg_in_transaction(conn));
	return run(conn, NULL, statement, params, true, NULL);
}

/* For what does not go out together with it. */
static enum status begin_now(struct pg_conn *conn)
{
	if (!conn->begin_due) {
		return OK;
	}
	conn->begin_due = false;
	return ask_plain(conn, begin_sql, false);
}

enum status pg_query(struct pg_conn *conn, struct arena *arena, const char *sql, const struct pg_params *params,
                     struct pg_rows **ret_rows)
{
	const struct pg_params none = {.count = 0};
	params = params != NULL ? params : &none;
	if (params->failed) {
		return refuse_params(conn);
	}
	enum status status = begin_now(conn);
	if (status == OK) {
		status = ask_begin(conn, !pg_in_transaction(conn));
	}
	if (status != OK) {
		return status;
	}
	PGresult *result;
	int sent = PQsendQueryParams(conn->link, sql, params->count, NULL, params->values, params->lengths, params->formats, 0);
	status = ask_end_alone(conn, sent, &result);
	return status == OK ? hand_over(arena, result, ret_rows) : status;
}

enum status pg_script(struct pg_conn *conn, const char *sql)
{
	enum status status = begin_now(conn);
	return status == OK ? ask_plain(conn, sql, true) : status;
}

/* ---- transactions ---- */

enum status pg_begin(struct pg_conn *conn)
{
	assert(!pg_in_transaction(conn));
	conn->missing_partition = false;
	enum status status = ask_begin(conn, false);
	conn->begin_due = status == OK;
	return status;
}

enum status pg_commit(struct pg_conn *conn)
{
	assert(conn->broken || pg_in_transaction(conn));
	if (conn->begin_due) {
		conn->begin_due = false; /* nothing was done */
		return OK;
	}
	enum status status = ask_begin(conn, true);
	if (status != OK) {
		return status;
	}
	struct message message = {.parts = {PART_COMMIT}, .count = 1};
	PGresult *result;
	status = ask_end(conn, send_message(conn, &message, NULL, NULL), &message, &result);
	if (status != OK) {
		return status;
	}
	PQclear(result);
	return judge_commit(conn, &message);
}

void pg_rollback(struct pg_conn *conn)
{
	if (conn->begin_due || !pg_in_transaction(conn)) {
		conn->begin_due = false;
		return;
	}
	/* The reason of the rollback is what the log wants to know, not the rollback's. */
	char error[PG_ERROR_MAX];
	char sqlstate[PG_SQLSTATE_LEN + 1];
	memcpy(error, conn->error, sizeof(error));
	memcpy(sqlstate, conn->sqlstate, sizeof(sqlstate));
	bool missing_partition = conn->missing_partition;
	if (ask_plain(conn, "ROLLBACK", false) != OK) {
		conn->broken = true;
	}
	memcpy(conn->error, error, sizeof(error));
	memcpy(conn->sqlstate, sqlstate, sizeof(sqlstate));
	conn->missing_partition = missing_partition;
}

bool pg_in_transaction(const struct pg_conn *conn)
{
	if (conn->link == NULL) {
		return false;
	}
	PGTransactionStatusType state = PQtransactionStatus(conn->link);
	return conn->begin_due || state == PQTRANS_INTRANS || state == PQTRANS_INERROR || state == PQTRANS_ACTIVE;
}

bool pg_conn_broken(const struct pg_conn *conn)
{
	return conn->broken;
}

bool pg_missing_partition(const struct pg_conn *conn)
{
	return conn->missing_partition;
}

struct str pg_error(const struct pg_conn *conn)
{
	return str_from_z(conn->error);
}

struct str pg_sqlstate(const struct pg_conn *conn)
{
	return str_from_z(conn->sqlstate);
}
