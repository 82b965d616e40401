#include "base/rawreq.h"

enum status rawreq_header_once(const struct rawreq *request, struct str name, struct str *ret_value)
{
	const struct header *found = NULL;
	for (size_t i = 0; i < request->header_count; i++) {
		if (!str_eq(request->headers[i].name, name)) {
			continue;
		}
		if (found != NULL) {
			return CONFLICT;
		}
		found = &request->headers[i];
	}
	if (found == NULL) {
		return NOT_FOUND;
	}
	*ret_value = found->value;
	return OK;
}

const char *method_name(enum method method)
{
	switch (method) {
	case METHOD_GET:
		return "GET";
	case METHOD_HEAD:
		return "HEAD";
	case METHOD_POST:
		return "POST";
	case METHOD_PUT:
		return "PUT";
	case METHOD_PATCH:
		return "PATCH";
	case METHOD_DELETE:
		return "DELETE";
	case METHOD_UNSET:
	case METHOD_OTHER:
	case METHOD_COUNT:
		break;
	}
	return "OTHER";
}
