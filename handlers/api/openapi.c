/* The OpenAPI document: a frame written by hand (openapi.json), the route table's paths, and the events' shapes from their own table. */
#include "web/openapi.h"

#include "api.h"
#include "core/event.h"
#include "io/json.h"

/* C17 promises literals of 4095 bytes only; gcc and clang take any. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
static const char frame_text[] =
#include "openapi_frame.h"
	;
#pragma GCC diagnostic pop

/* As event_value_check() has it: no C0, DEL or C1. */
#define NO_CONTROL STR("^[^\\u0000-\\u001f\\u007f-\\u009f]*$")

static struct json *text_schema(const struct event_field *field)
{
	struct json *schema = json_set_str(json_object(), "type", STR("string"));

	schema = json_set_i64(schema, "minLength", field->min);
	schema = json_set_i64(schema, "maxLength", field->max);
	return json_set_str(schema, "pattern", NO_CONTROL);
}

static struct json *integer_schema(const struct event_field *field)
{
	struct json *schema = json_set_str(json_object(), "type", STR("integer"));

	schema = json_set_i64(schema, "minimum", field->min);
	schema = json_set_i64(schema, "maximum", field->max);
	return field->not_zero ? json_set(schema, "not", json_set_i64(json_object(), "const", 0)) : schema;
}

static struct json *field_schema(const struct event_field *field)
{
	switch (field->kind) {
	case EVENT_FIELD_INTEGER:
		return integer_schema(field);
	case EVENT_FIELD_TEXT:
		return text_schema(field);
	case EVENT_FIELD_FLAG:
		return json_set_str(json_object(), "type", STR("boolean"));
	case EVENT_FIELD_UNSET:
	case EVENT_FIELD_KIND_COUNT:
		break;
	}
	return NULL;
}

/* {"properties": {"type": {"const": "xp_change"}, "data": {...}}}; own fields are not for programs. */
static struct json *event_schema(const struct event_shape *shape)
{
	struct json *members = json_object();
	struct json *required = json_array();
	struct json *data = json_set_str(json_object(), "type", STR("object"));

	for (size_t i = 0; i < shape->field_count; i++) {
		members = json_set(members, shape->fields[i].name, field_schema(&shape->fields[i]));
		if (shape->fields[i].required) {
			required = json_append(required, json_str(str_from_z(shape->fields[i].name)));
		}
	}
	data = json_set(data, "required", required);
	data = json_set(data, "properties", members);
	data = json_set_bool(data, "additionalProperties", false);
	struct json *both = json_set(json_object(), "type", json_set_str(json_object(), "const", shape->name));

	return json_set(json_set_str(json_object(), "title", shape->name), "properties", json_set(both, "data", data));
}

static struct json *with_events(struct json *frame)
{
	const struct json *schemas = json_get(json_get(frame, "components"), "schemas");
	struct json *event = json_copy_of(json_get(schemas, "Event"));
	struct json *kinds = json_array();
	struct json *all = json_copy_of(schemas);

	for (int type = EVENT_UNSET + 1; type < EVENT_TYPE_COUNT; type++) {
		kinds = json_append(kinds, event_schema(event_shape((enum event_type)type)));
	}
	all = json_set(all, "Event", json_set(event, "oneOf", kinds));
	return json_set(frame, "components", json_set(json_copy_of(json_get(frame, "components")), "schemas", all));
}

enum status api_document(struct arena *arena, const struct route *routes, size_t count, struct str *ret_text, struct str *ret_reason)
{
	const struct json *read = NULL;
	enum status status = json_read(arena, str_from_z(frame_text), &read);

	*ret_reason = STR("could not be made: out of memory");
	if (status == INVALID) {
		*ret_reason = STR("handlers/api/openapi.json is not JSON, or has a member twice");
	}
	if (status != OK) {
		return status;
	}
	json_bind_arena(arena);
	status = openapi_text(arena, routes, count, with_events(json_copy_of(read)), ret_text, ret_reason);
	json_bind_arena(NULL);
	return status;
}

enum status get_openapi(struct route_call *call)
{
	const struct api *api = call->ctx->app->own;

	response_json(call, api->document);
	response_header(call, STR("Cache-Control"), STR("public, max-age=300"));
	return OK;
}
