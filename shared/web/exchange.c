#include "web/exchange.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/offload.h"
#include "io/crypto.h"
#include "io/json.h"
#include "web/request.h"

struct exchange {
	const struct exchange_room *room;
	struct request request;
	struct ctx ctx;
	struct route_call call;
	struct response response;
	size_t row; /* of the route; route_count when there is none */
	int64_t began; /* monotonic */
	uint64_t bytes_in; /* of the body */
	bool whole; /* the request lay there: the connection may be kept */
	bool sent; /* the whole answer got out */
	bool kept; /* the connection */
};

static void refuse(struct exchange *exchange, int status, const char *detail)
{
	problem(&exchange->call, status, NULL, detail, NULL);
}

/* A request id is nginx's, or, when nginx gave none, made here: never the client's. */
static struct str request_id_of(struct arena *arena, struct str told)
{
	unsigned char bytes[REQUEST_ID_LEN / 2];

	if (str_present(told)) {
		return told;
	}
	crypto_random(bytes, sizeof(bytes));
	return crypto_hex(arena, bytes, sizeof(bytes));
}

static void begin(struct exchange *exchange, const struct exchange_room *room)
{
	*exchange = (struct exchange){.room = room, .row = room->options->route_count, .began = clock_monotonic_us()};
	exchange->ctx = (struct ctx){
		.app = room->options->app,
		.arena = room->arena,
		.now = app_now(room->options->app),
		.deadline = exchange->began,
	};
	exchange->call = (struct route_call){
		.ctx = &exchange->ctx,
		.request = &exchange->request.raw,
		.wall_now = clock_wall_us(),
		.response = &exchange->response,
	};
}

static bool parse(struct exchange *exchange)
{
	struct arena *arena = exchange->room->arena;
	const char *detail = NULL;
	enum status status = request_parse(arena, fcgi_params(exchange->room->fcgi), &exchange->request, &detail);

	exchange->ctx.request_id = request_id_of(arena, exchange->request.request_id);
	if (status != OK) {
		refuse(exchange, status == TOO_LARGE ? 431 : 400, detail);
		return false;
	}
	return true;
}

static bool find_route(struct exchange *exchange)
{
	const struct web_options *options = exchange->room->options;
	const struct rawreq *raw = &exchange->request.raw;
	enum status status = route_find(options->routes, options->route_count, raw->method, raw->path, &exchange->row,
		exchange->call.params);

	if (status == NOT_FOUND) {
		refuse(exchange, 404, "no such path");
		return false;
	}
	if (status != OK) {
		refuse(exchange, 405, "this path does not take this method: see Allow");
		response_header(&exchange->call, STR("Allow"),
			route_allow(exchange->room->arena, options->routes, options->route_count, raw->path));
		return false;
	}
	exchange->call.route = &options->routes[exchange->row];
	return true;
}

/* Deadlines count from nginx's receipt, so what waited in the backlog too long is refused before any work (decisions.md 2). */
static bool in_time(struct exchange *exchange)
{
	int64_t wall = exchange->call.wall_now;
	int64_t sent = exchange->request.sent;

	if (sent == 0 || sent > wall) {
		sent = wall;
	}
	exchange->ctx.deadline = exchange->began + (sent - wall) + exchange->call.route->deadline_us;
	if (exchange->ctx.deadline <= exchange->began) {
		problem(&exchange->call, 503, "try-later", "the service is overloaded and nothing was changed: ask again", NULL);
		response_header(&exchange->call, STR("Retry-After"), STR("1"));
		return false;
	}
	return true;
}

/* All that the row says and the body is not needed for. */
static bool admitted(struct exchange *exchange)
{
	const struct route *route = exchange->call.route;
	const struct request *request = &exchange->request;

	if (route->access == ROUTE_LOOPBACK && !request_is_loopback(request->raw.remote_addr)) {
		refuse(exchange, 403, "this path answers this host only");
		return false;
	}
	if (request->content_length > route->body_limit && !route->body_cut) {
		refuse(exchange, 413, route->body_limit == 0 ? "this path takes no body" : "the body is larger than this path takes");
		return false;
	}
	return true;
}

/* After verify: who does not show who he is learns nothing else about the path. */
static bool of_its_type(struct exchange *exchange)
{
	if (exchange->call.route->body_json && !request_is_json(exchange->request.raw.content_type)) {
		refuse(exchange, 415, "the body must be JSON: send Content-Type: application/json");
		return false;
	}
	return true;
}

/* Counts what follows the part that is kept. A row that keeps a part was promised the true size. */
static enum status count_rest(struct exchange *exchange, uint64_t most, uint64_t *ret_rest)
{
	char scrap[8192];
	uint64_t rest = 0;
	size_t len = sizeof(scrap);

	while (len == sizeof(scrap) && rest <= most) {
		enum status status = fcgi_read(exchange->room->fcgi, scrap, sizeof(scrap), &len);

		if (status != OK) {
			return status;
		}
		rest += len;
	}
	*ret_rest = rest;
	return OK;
}

/* The body is read to its end, and a truncated one looks like a shorter one: only the announced length tells. */
static bool read_body(struct exchange *exchange)
{
	uint64_t announced = exchange->request.content_length;
	size_t limit = exchange->call.route->body_limit;
	size_t size = announced < limit ? (size_t)announced : limit;
	char *body = arena_alloc(exchange->room->arena, size);
	uint64_t rest = 0;
	size_t len = 0;

	if (body == NULL) {
		return false; /* the arena failed: the answer is the 413 */
	}
	if (fcgi_read(exchange->room->fcgi, body, size, &len) != OK || len < size ||
		count_rest(exchange, announced - size, &rest) != OK || rest != announced - size) {
		exchange->bytes_in = len + rest;
		refuse(exchange, 400, "the body is not as long as Content-Length says: send the request again");
		return false;
	}
	exchange->bytes_in = announced;
	exchange->call.body_size = announced;
	exchange->request.raw.body = (struct str){body, size};
	return true;
}

/* An endpoint that said itself what is wrong is not overruled. */
static void settle_failure(struct exchange *exchange, enum status status)
{
	if (status != OK && exchange->response.status < 400) {
		problem_of_status(&exchange->call, status);
	}
}

static bool verified(struct exchange *exchange)
{
	const struct route *route = exchange->call.route;
	enum status status = route->verify != NULL ? route->verify(&exchange->call) : OK;

	if (status == DENIED && exchange->response.status < 400) {
		refuse(exchange, 401, "the proof of who sends this is missing, doubled or wrong");
		if (route->access == ROUTE_API_KEY) {
			response_header(&exchange->call, STR("WWW-Authenticate"), STR("Bearer"));
		}
		return false;
	}
	settle_failure(exchange, status);
	return status == OK;
}

static void decide(struct exchange *exchange)
{
	if (parse(exchange) && find_route(exchange) && in_time(exchange) && admitted(exchange) && read_body(exchange) &&
		verified(exchange) && of_its_type(exchange)) {
		settle_failure(exchange, exchange->call.route->run(&exchange->call));
	}
	if (exchange->response.failed || arena_failed(exchange->room->arena)) {
		problem_last_resort(&exchange->response, arena_failed(exchange->room->arena));
	}
	if (exchange->response.status == 0) {
		exchange->response.status = 200;
	}
}

static bool has_header(const struct response *response, struct str name)
{
	for (size_t i = 0; i < response->header_count; i++) {
		if (str_eq_nocase(response->headers[i].name, name)) {
			return true;
		}
	}
	return false;
}

/* Written piece by piece into libfcgi's own buffer; a failure of one piece fails the rest too. */
static enum status write_pieces(struct fcgi *fcgi, const struct str *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum status status = fcgi_write(fcgi, pieces[i]);

		if (status != OK) {
			return status;
		}
	}
	return OK;
}

static enum status write_header(struct fcgi *fcgi, struct str name, struct str value)
{
	const struct str pieces[] = {name, STR(": "), value, STR("\r\n")};

	return write_pieces(fcgi, pieces, ARRAY_LEN(pieces));
}

static enum status write_head(const struct exchange *exchange, bool bodiless)
{
	const struct response *response = &exchange->response;
	struct fcgi *fcgi = exchange->room->fcgi;
	char number[STR_I64_BYTES];
	enum status status = write_pieces(fcgi, (const struct str[]){
		STR("Status: "), str_of_i64(number, response->status), STR(" "), str_from_z(status_phrase(response->status)), STR("\r\n")}, 5);

	if (status == OK && str_present(response->content_type) && !bodiless) {
		status = write_header(fcgi, STR("Content-Type"), response->content_type);
	}
	if (status == OK && !bodiless) {
		status = write_header(fcgi, STR("Content-Length"), str_of_i64(number, (int64_t)response->body.len));
	}
	if (status == OK && !has_header(response, STR("Cache-Control"))) {
		status = write_header(fcgi, STR("Cache-Control"), STR("no-store"));
	}
	if (status == OK && !str_empty(exchange->ctx.request_id)) {
		status = write_header(fcgi, STR("X-Request-Id"), exchange->ctx.request_id);
	}
	for (size_t i = 0; i < response->header_count && status == OK; i++) {
		status = write_header(fcgi, response->headers[i].name, response->headers[i].value);
	}
	return status == OK ? fcgi_write(fcgi, STR("\r\n")) : status;
}

static void write_answer(void *arg)
{
	struct exchange *exchange = arg;
	int code = exchange->response.status;
	enum status status = write_head(exchange, code == 204 || code == 304);

	if (status == OK && exchange->request.raw.method != METHOD_HEAD && code != 204 && code != 304) {
		status = fcgi_write(exchange->room->fcgi, exchange->response.body);
	}
	exchange->sent = fcgi_end(exchange->room->fcgi, exchange->whole && status == OK ? &exchange->kept : NULL) == OK && status == OK;
}

static int64_t io_timeout(const struct exchange_room *room)
{
	return room->options->io_timeout_us > 0 ? room->options->io_timeout_us : WEB_IO_TIMEOUT_US;
}

static void answer(struct exchange *exchange)
{
	bool fits = exchange->response.body.len <= FCGI_ANSWER_MAX;

	if (!exchange->whole || fits || fcgi_set_blocking(fcgi_fd(exchange->room->fcgi), io_timeout(exchange->room)) != OK) {
		write_answer(exchange);
		return;
	}
	exchange->whole = false;
	offload(exchange->room->helpers, write_answer, exchange);
}

static const char *route_path(const struct exchange *exchange)
{
	return exchange->call.route != NULL ? exchange->call.route->path : "(none)";
}

static void count(const struct exchange *exchange, int64_t duration)
{
	const char *method = exchange->call.route != NULL ? method_name(exchange->call.route->method) : "any";

	metric_route(exchange->row, method, route_path(exchange), exchange->response.status, duration);
}

static void write_log(const struct exchange *exchange, int64_t duration)
{
	struct log_line line;

	log_begin(&line, exchange->response.status >= 500 ? LOG_WARNING : LOG_INFO, "request");
	log_str(&line, "program", str_from_z(exchange->room->options->program));
	log_str(&line, "route", str_from_z(route_path(exchange)));
	log_str(&line, "method", str_from_z(method_name(exchange->request.raw.method)));
	log_i64(&line, "status", exchange->response.status);
	log_i64(&line, "ms", duration / 1000);
	log_i64(&line, "bytes_in", (int64_t)exchange->bytes_in);
	log_i64(&line, "bytes_out", (int64_t)exchange->response.body.len);
	log_str(&line, "request_id", exchange->ctx.request_id);
	if (!exchange->sent) {
		log_str(&line, "answer", STR("lost"));
	}
	log_end(&line);
}

/* From the first byte to the log line. True: the connection was kept. */
static bool run(const struct exchange_room *room, int fd, bool whole)
{
	struct exchange exchange;
	int64_t duration = 0;

	if (fcgi_begin(room->fcgi, fd, whole) != OK) {
		return false;
	}
	json_bind_arena(room->arena);
	begin(&exchange, room);
	exchange.whole = whole;
	decide(&exchange);
	answer(&exchange);
	duration = clock_monotonic_us() - exchange.began;
	count(&exchange, duration);
	write_log(&exchange, duration);
	json_bind_arena(NULL);
	arena_reset(room->arena);
	return exchange.kept;
}

void exchange_run(const struct exchange_room *room, int fd)
{
	if (fcgi_set_blocking(fd, io_timeout(room)) == OK) {
		(void)run(room, fd, false);
	} else {
		(void)close(fd);
	}
}

struct arrival {
	const struct exchange_room *room;
	int fd;
};

static void run_blocking(void *arg)
{
	const struct arrival *arrival = arg;

	exchange_run(arrival->room, arrival->fd);
}

enum exchange_end exchange_run_in_fiber(const struct exchange_room *room, int fd, bool waits)
{
	enum status status = fcgi_await(fd, waits ? clock_monotonic_us() + io_timeout(room) : 0);

	if (status == NOT_FOUND && !waits) {
		return EXCHANGE_SILENT;
	}
	if (status == OK) {
		return run(room, fd, true) ? EXCHANGE_KEPT : EXCHANGE_CLOSED;
	}
	if (status == TOO_LARGE) {
		offload(room->helpers, run_blocking, &(struct arrival){.room = room, .fd = fd});
	} else {
		(void)close(fd);
	}
	return EXCHANGE_CLOSED;
}
