#include "web/openapi.h"

#include "io/json.h"
#include "web/problem.h"

struct writing {
	struct arena *arena;
	const struct json *components; /* of the frame */
	struct str reason;             /* the first thing that is wrong; absent: nothing */
};

static void wrong(struct writing *writing, struct str reason)
{
	if (!str_present(writing->reason)) {
		writing->reason = reason;
	}
}

/* {"$ref": "#/components/<kind>/<name>"}, which must be there. */
static struct json *reference(struct writing *writing, const char *kind, struct str name)
{
	const char *key = str_z(writing->arena, name);

	if (key != NULL && json_get(json_get(writing->components, kind), key) == NULL) {
		wrong(writing, str_printf(writing->arena, "components.%s lacks \"%s\", which a route names", kind, key));
	}
	return json_set_str(json_object(), "$ref", str_printf(writing->arena, "#/components/%s/" STR_FMT, kind, STR_ARG(name)));
}

static struct json *content(const char *type, struct json *schema)
{
	return json_set(json_object(), type, json_set(json_object(), "schema", schema));
}

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

static void add_raised(struct buf *name, struct str word)
{
	bool raise = true;

	for (size_t i = 0; i < word.len; i++) {
		char byte = word.ptr[i];
		bool lower = byte >= 'a' && byte <= 'z';

		if (!lower && !(byte >= 'A' && byte <= 'Z') && !(byte >= '0' && byte <= '9')) {
			raise = true;
			continue;
		}
		buf_add_byte(name, raise && lower ? (char)(byte - 'a' + 'A') : byte);
		raise = false;
	}
}

/* GET /v1/users/{platform}/{id} as getUsersPlatformId: what generated clients call it. The first segment is the version. */
static struct str operation_id(struct arena *arena, const struct route *route)
{
	struct buf name = buf_init(arena, 128);
	struct str rest = str_from_z(route->path);

	buf_add(&name, str_lower(arena, str_from_z(method_name(route->method))));
	(void)str_split(&rest, '/');
	(void)str_split(&rest, '/');
	while (str_present(rest)) {
		add_raised(&name, str_split(&rest, '/'));
	}
	return buf_str(&name);
}

/* ---- parameters ----------------------------------------------------------------------------------------------------------------- */

static struct json *parameters(struct writing *writing, const struct route *route)
{
	struct json *list = json_array();
	struct str rest = str_from_z(route->path);
	struct str named = route->parameters != NULL ? str_from_z(route->parameters) : STR_ABSENT;

	while (str_present(rest)) {
		struct str segment = str_split(&rest, '/');

		if (str_starts(segment, STR("{"))) {
			struct str name = str_cut(segment, 1, segment.len - 2);

			list = json_append(list, reference(writing, "parameters", str_printf(writing->arena, "path-" STR_FMT, STR_ARG(name))));
		}
	}
	while (str_present(named)) {
		list = json_append(list, reference(writing, "parameters", str_split(&named, ' ')));
	}
	return list;
}

/* ---- answers -------------------------------------------------------------------------------------------------------------------- */

/* A refusal with its types, if it has some of its own. */
struct refusal {
	int status;
	struct str types[8];
	size_t type_count;
	bool retry;
};

static struct json *refusal_schema(struct writing *writing, const struct refusal *refusal)
{
	struct json *types = json_array();
	struct json *problem = reference(writing, "schemas", STR("Problem"));

	if (refusal->type_count == 0) {
		return problem;
	}
	for (size_t i = 0; i < refusal->type_count; i++) {
		types = json_append(types, json_str(str_printf(writing->arena, "/problems/" STR_FMT, STR_ARG(refusal->types[i]))));
	}
	types = json_append(types, json_str(STR("about:blank")));
	struct json *type = json_set(json_object(), "type", json_set(json_object(), "enum", types));

	return json_set(json_object(), "allOf", json_append(json_append(json_array(), problem), json_set(json_object(), "properties", type)));
}

static struct json *refusal_json(struct writing *writing, const struct refusal *refusal)
{
	struct json *json = json_set_str(json_object(), "description", str_from_z(status_phrase(refusal->status)));

	if (refusal->retry) {
		json = json_set(json, "headers", json_set(json_object(), "Retry-After", reference(writing, "headers", STR("RetryAfter"))));
	}
	return json_set(json, "content", content("application/problem+json", refusal_schema(writing, refusal)));
}

static struct json *success_json(struct writing *writing, const struct route *route, int status)
{
	struct json *json = json_set_str(json_object(), "description", str_from_z(status_phrase(status)));
	struct str named = route->headers != NULL ? str_from_z(route->headers) : STR_ABSENT;
	struct json *headers = json_object();

	while (str_present(named)) {
		struct str name = str_split(&named, ' ');
		const char *key = str_z(writing->arena, name);

		headers = key != NULL ? json_set(headers, key, reference(writing, "headers", name)) : NULL;
	}
	json = route->headers != NULL ? json_set(json, "headers", headers) : json;
	if (route->gives == NULL || status == 204 || status == 304) {
		return json;
	}
	return json_set(json, "content", content("application/json", reference(writing, "schemas", str_from_z(route->gives))));
}

static struct json *with_status(struct writing *writing, struct json *answers, int status, struct json *answer)
{
	const char *key = str_z(writing->arena, str_printf(writing->arena, "%d", status));

	return key != NULL ? json_set(answers, key, answer) : NULL;
}

/* Three digits at the beginning of a word; 0 when they are none of ours, which is wrong. */
static int status_of(struct writing *writing, const struct route *route, struct str word)
{
	int status = 0;

	for (size_t i = 0; i < 3 && i < word.len && word.ptr[i] >= '0' && word.ptr[i] <= '9'; i++) {
		status = status * 10 + (word.ptr[i] - '0');
	}
	if (str_eq(str_from_z(status_phrase(status)), STR("Status"))) {
		wrong(writing, str_printf(writing->arena, "%s: \"" STR_FMT "\" is no status of ours", route->path, STR_ARG(word)));
		return 0;
	}
	return status;
}

static size_t word_count(const char *words)
{
	struct str rest = words != NULL ? str_from_z(words) : STR_ABSENT;
	size_t count = 0;

	while (str_present(rest)) {
		(void)str_split(&rest, ' ');
		count++;
	}
	return count;
}

/* What the row says of one status, added to what is said of every row. Returns how many of its words. */
static size_t add_types(struct writing *writing, const struct route *route, struct refusal *refusal)
{
	struct str rest = route->problems != NULL ? str_from_z(route->problems) : STR_ABSENT;
	size_t count = 0;

	while (str_present(rest)) {
		struct str word = str_split(&rest, ' ');

		if (status_of(writing, route, word) != refusal->status) {
			continue;
		}
		count++;
		if (word.len <= 4) {
			continue;
		}
		if (refusal->type_count == ARRAY_LEN(refusal->types)) {
			wrong(writing, str_printf(writing->arena, "%s: more types of one status than struct refusal has room for", route->path));
			continue;
		}
		refusal->types[refusal->type_count++] = str_cut(word, 4, word.len);
	}
	return count;
}

/* In the order of their numbers; a row has those whose `when` holds, and those that it names. */
static struct json *refusals(struct writing *writing, const struct route *route, struct json *answers)
{
	bool key = route->access == ROUTE_API_KEY;
	bool body = route->body_limit > 0;
	bool asked = body || route->parameters != NULL || str_find(str_from_z(route->path), '{') != SIZE_MAX;
	const struct {
		int status;
		bool when;
		const char *type;
	} rows[] = {
		{400, asked, NULL},
		{401, key, NULL},
		{403, key && route->scope != NULL, "no-scope"},
		{404, false, NULL},
		{409, false, NULL},
		{412, false, NULL},
		{413, body, NULL},
		{415, route->body_json, NULL},
		{422, false, NULL},
		{428, false, NULL},
		{429, true, NULL},
		{503, true, "try-later"},
	};

	size_t named = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct refusal refusal = {.status = rows[i].status, .retry = rows[i].status == 429 || rows[i].status == 503};
		bool there = rows[i].when;

		if (rows[i].when && rows[i].type != NULL) {
			refusal.types[refusal.type_count++] = str_from_z(rows[i].type);
		}
		size_t types = add_types(writing, route, &refusal);

		named += types;
		if (there || types > 0) {
			answers = with_status(writing, answers, refusal.status, refusal_json(writing, &refusal));
		}
	}
	if (named != word_count(route->problems)) {
		wrong(writing, str_printf(writing->arena, "%s: problems name a status that refusals() does not know", route->path));
	}
	return answers;
}

static struct json *answers_json(struct writing *writing, const struct route *route)
{
	struct json *answers = json_object();
	struct str rest = route->statuses != NULL ? str_from_z(route->statuses) : STR("200");

	while (str_present(rest)) {
		int status = status_of(writing, route, str_split(&rest, ' '));

		answers = with_status(writing, answers, status, success_json(writing, route, status));
	}
	return refusals(writing, route, answers);
}

/* ---- the document --------------------------------------------------------------------------------------------------------------- */

static struct json *security(const struct route *route)
{
	struct json *list = json_array();

	return route->access != ROUTE_API_KEY ? list : json_append(list, json_set(json_object(), "key", json_array()));
}

static struct json *operation(struct writing *writing, const struct route *route)
{
	struct json *json = json_set_str(json_object(), "operationId", operation_id(writing->arena, route));
	struct str scope = route->scope != NULL ? str_printf(writing->arena, "Scope of the key: %s.", route->scope)
	                   : route->access == ROUTE_API_KEY ? STR("Any key.")
	                                                    : STR("No key.");

	json = json_set_str(json, "summary", str_from_z(route->summary != NULL ? route->summary : ""));
	json = json_set_str(json, "description", scope);
	json = json_set(json, "security", security(route));
	struct json *list = parameters(writing, route);

	json = json_array_size(list) > 0 ? json_set(json, "parameters", list) : json;
	if (route->takes != NULL) {
		struct json *body = json_set_bool(json_object(), "required", true);

		body = json_set(body, "content", content("application/json", reference(writing, "schemas", str_from_z(route->takes))));
		json = json_set(json, "requestBody", body);
	}
	return json_set(json, "responses", answers_json(writing, route));
}

/* Rows of one path stand under it together, in the order of the table. */
static struct json *paths_json(struct writing *writing, const struct route *routes, size_t count)
{
	struct json *paths = json_object();

	for (size_t i = 0; i < count; i++) {
		struct json *item = json_object();
		bool first = true;

		for (size_t j = 0; j < count; j++) {
			if (!str_eq(str_from_z(routes[j].path), str_from_z(routes[i].path))) {
				continue;
			}
			first = first && j >= i;
			const char *method =
				str_z(writing->arena, str_lower(writing->arena, str_from_z(method_name(routes[j].method))));

			item = method != NULL ? json_set(item, method, operation(writing, &routes[j])) : NULL;
		}
		paths = first ? json_set(paths, routes[i].path, item) : paths;
	}
	return paths;
}

enum status openapi_text(struct arena *arena, const struct route *routes, size_t count, struct json *frame, struct str *ret_text,
                         struct str *ret_reason)
{
	struct writing writing = {.arena = arena, .components = json_get(frame, "components")};
	struct json *paths = paths_json(&writing, routes, count);
	struct str text = json_write_lines(arena, json_set(frame, "paths", paths));

	if (str_present(writing.reason)) {
		*ret_reason = writing.reason;
		return INVALID;
	}
	if (!str_present(text)) {
		return TOO_LARGE;
	}
	*ret_text = text;
	return OK;
}
