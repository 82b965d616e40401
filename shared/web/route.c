#include "web/route.h"

#include <string.h>

static bool is_param(struct str segment)
{
	return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

static size_t param_count(struct str pattern)
{
	size_t count = 0;

	for (size_t i = 0; i < pattern.len; i++) {
		count += pattern.ptr[i] == '{';
	}
	return count;
}

/* Segment by segment; both begin with '/'. */
static bool matches(struct str pattern, struct str path, struct str *ret_params)
{
	struct str params[ROUTE_PARAMS_MAX] = {STR_ABSENT};
	size_t count = 0;

	while (str_present(pattern) && str_present(path)) {
		struct str wanted = str_split(&pattern, '/');
		struct str got = str_split(&path, '/');

		if (is_param(wanted) && count < ROUTE_PARAMS_MAX) {
			if (got.len == 0) {
				return false;
			}
			params[count++] = got;
		} else if (!str_eq(wanted, got)) {
			return false;
		}
	}
	if (str_present(pattern) || str_present(path)) {
		return false;
	}
	memcpy(ret_params, params, sizeof(params));
	return true;
}

static bool answers(const struct route *route, enum method method)
{
	return route->method == method || (method == METHOD_HEAD && route->method == METHOD_GET);
}

enum status route_find(const struct route *routes, size_t count, enum method method, struct str path, size_t *ret_row,
	struct str *ret_params)
{
	struct str params[ROUTE_PARAMS_MAX];
	size_t found = SIZE_MAX;
	bool found_literal = false;
	bool path_known = false;

	for (size_t row = 0; row < count && !found_literal; row++) {
		struct str pattern = str_from_z(routes[row].path);
		bool literal = param_count(pattern) == 0;

		if ((found != SIZE_MAX && !literal) || !matches(pattern, path, params)) {
			continue;
		}
		path_known = true;
		if (answers(&routes[row], method)) {
			found = row;
			found_literal = literal;
			memcpy(ret_params, params, sizeof(params));
		}
	}
	if (found == SIZE_MAX) {
		return path_known ? CONFLICT : NOT_FOUND;
	}
	*ret_row = found;
	return OK;
}

struct str route_allow(struct arena *arena, const struct route *routes, size_t count, struct str path)
{
	struct buf allow = buf_init(arena, 128);
	struct str params[ROUTE_PARAMS_MAX];

	for (int method = METHOD_GET; method < METHOD_OTHER; method++) {
		for (size_t row = 0; row < count; row++) {
			if (answers(&routes[row], (enum method)method) && matches(str_from_z(routes[row].path), path, params)) {
				buf_add(&allow, allow.len > 0 ? STR(", ") : STR(""));
				buf_add(&allow, str_from_z(method_name((enum method)method)));
				break;
			}
		}
	}
	return buf_str(&allow);
}

static bool needs_verify(enum route_access access)
{
	return access == ROUTE_SIGNED || access == ROUTE_API_KEY;
}

static bool path_well_formed(struct str pattern)
{
	struct str rest = pattern;

	if (pattern.len == 0 || pattern.ptr[0] != '/' || param_count(pattern) > ROUTE_PARAMS_MAX) {
		return false;
	}
	while (str_present(rest)) {
		struct str segment = str_split(&rest, '/');
		bool braces = str_find(segment, '{') != SIZE_MAX || str_find(segment, '}') != SIZE_MAX;

		if (braces && (!is_param(segment) || param_count(segment) != 1)) {
			return false;
		}
	}
	return true;
}

/* Other programs build on key rows, by what the document says of them. */
static const char *words_fault(const struct route *route)
{
	if (route->access != ROUTE_API_KEY) {
		return NULL;
	}
	if (route->summary == NULL) {
		return "a key row needs a summary";
	}
	if ((route->takes != NULL) != (route->body_limit > 0)) {
		return "takes names the schema of a body: for key rows with a body_limit, and those need one";
	}
	if (route->gives == NULL && route->statuses == NULL) {
		return "a key row gives an answer of some schema, or says by its statuses that it is empty";
	}
	return NULL;
}

/* NULL when the row is well. */
static const char *row_fault(const struct route *route)
{
	if (route->method == METHOD_UNSET || route->method >= METHOD_OTHER) {
		return "no method";
	}
	if (route->path == NULL || !path_well_formed(str_from_z(route->path))) {
		return "a path begins with '/', and a {name} fills its segment";
	}
	if (route->access == ROUTE_ACCESS_UNSET || route->access >= ROUTE_ACCESS_COUNT) {
		return "no access";
	}
	if (needs_verify(route->access) != (route->verify != NULL)) {
		return "verify is for signed and key rows, and those need one";
	}
	if (route->scope != NULL && route->access != ROUTE_API_KEY) {
		return "scope is for key rows";
	}
	if (route->run == NULL) {
		return "no run";
	}
	if (route->deadline_us <= 0) {
		return "no deadline";
	}
	if (route->body_limit == 0 && (route->body_json || route->body_cut)) {
		return "body_json and body_cut need a body_limit";
	}
	if (route->body_limit >= ARENA_REQUEST_LIMIT) {
		return "a body_limit must leave room in the request's arena";
	}
	return words_fault(route);
}

enum status routes_check(const struct route *routes, size_t count, size_t *ret_row, const char **ret_reason)
{
	const char *fault = NULL;

	if (count > ROUTES_MAX) {
		*ret_row = ROUTES_MAX;
		*ret_reason = "more rows than the metrics have places: raise METRIC_ROUTES";
		return TOO_LARGE;
	}
	for (size_t row = 0; row < count; row++) {
		fault = row_fault(&routes[row]);
		for (size_t other = 0; other < row && fault == NULL; other++) {
			if (routes[row].method == routes[other].method &&
			    str_eq(str_from_z(routes[row].path), str_from_z(routes[other].path))) {
				fault = "this method and path have a row already";
			}
		}
		if (fault != NULL) {
			*ret_row = row;
			*ret_reason = fault;
			return INVALID;
		}
	}
	return OK;
}
