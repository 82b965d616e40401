#include "web/request.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/parse.h"
#include "base/utf.h"

enum param {
	PARAM_METHOD = 0,
	PARAM_PATH,
	PARAM_QUERY,
	PARAM_CONTENT_TYPE,
	PARAM_CONTENT_LENGTH,
	PARAM_REMOTE_ADDR,
	PARAM_REQUEST_ID,
	PARAM_SENT,
	PARAM_COUNT
};

static const struct str param_names[PARAM_COUNT] = {
	[PARAM_METHOD] = STR_INIT("REQUEST_METHOD"),
	[PARAM_PATH] = STR_INIT("DOCUMENT_URI"),
	[PARAM_QUERY] = STR_INIT("QUERY_STRING"),
	[PARAM_CONTENT_TYPE] = STR_INIT("CONTENT_TYPE"),
	[PARAM_CONTENT_LENGTH] = STR_INIT("CONTENT_LENGTH"),
	[PARAM_REMOTE_ADDR] = STR_INIT("REMOTE_ADDR"),
	[PARAM_REQUEST_ID] = STR_INIT("REQUEST_ID"),
	[PARAM_SENT] = STR_INIT("TRIVET_SENT"),
};

struct parsing {
	struct arena *arena;
	struct str values[PARAM_COUNT];
	struct header *headers;
	size_t header_count;
	const char *detail;
};

static enum status refuse(struct parsing *parsing, enum status status, const char *detail)
{
	parsing->detail = detail;
	return status;
}

static enum status take_header(struct parsing *parsing, struct str name, struct str value)
{
	if (parsing->header_count == REQUEST_HEADERS_MAX) {
		return refuse(parsing, TOO_LARGE, "too many headers: send at most 100");
	}
	parsing->headers[parsing->header_count++] = (struct header){.name = name, .value = value};
	return OK;
}

static enum status take_param(struct parsing *parsing, struct str text)
{
	const struct str header = STR("HTTP_");
	struct str value = text;
	struct str name = str_split(&value, '=');

	if (!str_present(value)) {
		return refuse(parsing, INVALID, "a FastCGI parameter has no '=': check nginx/fastcgi.conf");
	}
	if (str_starts(name, header)) {
		return take_header(parsing, str_cut(name, header.len, name.len), value);
	}
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		if (!str_eq(name, param_names[i])) {
			continue;
		}
		if (str_present(parsing->values[i])) {
			return refuse(parsing, INVALID, "a FastCGI parameter came twice: check nginx/fastcgi.conf");
		}
		parsing->values[i] = value;
		return OK;
	}
	return OK; /* one of nginx's that nobody here reads */
}

/* One copy of all parameters: libfcgi's own strings die with the connection, before the log line is written. */
static enum status take_params(struct parsing *parsing, char *const *params)
{
	size_t size = 0;
	char *copy = NULL;

	for (char *const *param = params; *param != NULL; param++) {
		size += strlen(*param);
	}
	copy = arena_alloc(parsing->arena, size);
	parsing->headers = arena_array(parsing->arena, REQUEST_HEADERS_MAX, sizeof(parsing->headers[0]));
	if (copy == NULL || parsing->headers == NULL) {
		return refuse(parsing, TOO_LARGE, "the headers are too large: send fewer or shorter ones");
	}
	for (char *const *param = params; *param != NULL; param++) {
		struct str text = {copy, strlen(*param)};
		enum status status = OK;

		memcpy(copy, *param, text.len);
		copy += text.len;
		status = take_param(parsing, text);
		if (status != OK) {
			return status;
		}
	}
	return OK;
}

static enum method method_of(struct str name)
{
	for (int method = METHOD_GET; method < METHOD_OTHER; method++) {
		if (str_eq(name, str_from_z(method_name((enum method)method)))) {
			return (enum method)method;
		}
	}
	return METHOD_OTHER;
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char byte = (unsigned char)s.ptr[i];

		if (byte < 0x20 || byte == 0x7f) {
			return true;
		}
	}
	return false;
}

static enum status check_path(struct parsing *parsing, struct str path)
{
	if (path.len == 0 || path.ptr[0] != '/') {
		return refuse(parsing, INVALID, "DOCUMENT_URI is missing or no path: check nginx/fastcgi.conf");
	}
	if (path.len > REQUEST_PATH_MAX) {
		return refuse(parsing, TOO_LARGE, "the path is too long: at most 2048 bytes");
	}
	if (has_control(path) || !utf_valid(path)) {
		return refuse(parsing, INVALID, "the path has control characters or is not UTF-8");
	}
	return OK;
}

static enum status read_length(struct parsing *parsing, struct str text, uint64_t *ret_length)
{
	int64_t length = 0;

	if (!str_empty(text) && parse_i64(text, 0, INT64_MAX, &length) != OK) {
		return refuse(parsing, INVALID, "Content-Length is not a number of bytes");
	}
	*ret_length = (uint64_t)length;
	return OK;
}

/* nginx's $msec: seconds, a point, exactly three digits. Anything else counts as not told. */
static int64_t read_sent(struct str text)
{
	struct str fraction = text;
	struct str whole = str_split(&fraction, '.');
	int64_t seconds = 0;
	int64_t millis = 0;

	if (fraction.len != 3 || parse_i64(whole, 1, INT64_C(99999999999), &seconds) != OK) {
		return 0;
	}
	for (size_t i = 0; i < fraction.len; i++) {
		if (fraction.ptr[i] < '0' || fraction.ptr[i] > '9') {
			return 0;
		}
		millis = millis * 10 + (fraction.ptr[i] - '0');
	}
	return seconds * 1000000 + millis * 1000;
}

static struct str read_request_id(struct str text)
{
	if (text.len != REQUEST_ID_LEN) {
		return STR_ABSENT;
	}
	for (size_t i = 0; i < text.len; i++) {
		bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';

		if (!digit && (text.ptr[i] < 'a' || text.ptr[i] > 'f')) {
			return STR_ABSENT;
		}
	}
	return text;
}

static enum status fill(struct parsing *parsing, struct request *request)
{
	const struct str *values = parsing->values;
	enum status status = check_path(parsing, values[PARAM_PATH]);

	if (status != OK) {
		return status;
	}
	status = read_length(parsing, values[PARAM_CONTENT_LENGTH], &request->content_length);
	if (status != OK) {
		return status;
	}
	if (str_empty(values[PARAM_METHOD])) {
		return refuse(parsing, INVALID, "REQUEST_METHOD is missing: check nginx/fastcgi.conf");
	}
	request->raw = (struct rawreq){
		.method = method_of(values[PARAM_METHOD]),
		.path = values[PARAM_PATH],
		.query = values[PARAM_QUERY],
		.content_type = values[PARAM_CONTENT_TYPE],
		.remote_addr = values[PARAM_REMOTE_ADDR],
		.headers = parsing->headers,
		.header_count = parsing->header_count,
	};
	request->sent = read_sent(values[PARAM_SENT]);
	request->request_id = read_request_id(values[PARAM_REQUEST_ID]);
	return OK;
}

enum status request_parse(struct arena *arena, char *const *params, struct request *ret_request, const char **ret_detail)
{
	struct parsing parsing = {.arena = arena};
	struct request request = {.content_length = 0};
	enum status status = take_params(&parsing, params);

	if (status == OK) {
		status = fill(&parsing, &request);
	}
	if (status != OK) {
		*ret_detail = parsing.detail;
		return status;
	}
	*ret_request = request;
	return OK;
}

bool request_is_json(struct str content_type)
{
	struct str rest = content_type;

	return str_eq_nocase(str_trim(str_split(&rest, ';')), STR("application/json"));
}

bool request_is_loopback(struct str remote_addr)
{
	char text[INET6_ADDRSTRLEN] = {0};
	struct in_addr v4;
	struct in6_addr v6;

	if (remote_addr.len == 0 || remote_addr.len >= sizeof(text)) {
		return false;
	}
	memcpy(text, remote_addr.ptr, remote_addr.len);
	if (inet_pton(AF_INET, text, &v4) == 1) {
		return ntohl(v4.s_addr) >> 24 == 127;
	}
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
