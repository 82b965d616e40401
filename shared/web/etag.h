/*
 * etag - conditional requests (RFC 9110, 13.1): the headers If-Match and If-None-Match as values.
 */
#ifndef TRIVET_WEB_ETAG_H
#define TRIVET_WEB_ETAG_H

#include <stdbool.h>

#include "base/rawreq.h"
#include "base/status.h"

/* Entity tags in one header; no client needs more for one resource. */
#define ETAG_LIST_MAX 16

struct etag {
	struct str text; /* between the quotes */
	bool weak;
};

struct etag_list {
	bool given;
	bool any; /* "*": whatever there is */
	struct etag tags[ETAG_LIST_MAX];
	size_t count;
};

/*
 * etag_list_read - a conditional header of a request; one that did not come is a list that is not given.
 *
 * name   as CGI names it: "IF_MATCH"
 * OK, INVALID (tags without quotes, an empty list, more than ETAG_LIST_MAX, or the header came twice).
 */
MUST_CHECK enum status etag_list_read(const struct rawreq *request, struct str name, struct etag_list *ret_list);

/* etag_list_has - weak comparison (RFC 9110, 8.8.3.2): for If-None-Match of GET. `text` is without quotes. */
bool etag_list_has(const struct etag_list *list, struct str text);

#endif
