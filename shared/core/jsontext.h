/*
 * jsontext - the grammar of JSON (RFC 8259) over text, without a tree: which bytes are one element of a list.
 *
 * A list whose elements are each judged alone must not be refused whole because one of them has a number or an escape that our
 * reader does not take (io/json.h). So the grammar is checked here over the whole text, and each element is read by itself.
 */
#ifndef TRIVET_CORE_JSONTEXT_H
#define TRIVET_CORE_JSONTEXT_H

#include "base/status.h"
#include "base/str.h"

/* Levels that the scanner follows; deeper text is INVALID as a whole, since its end cannot be found safely. */
#define JSONTEXT_DEPTH_MAX 128

/*
 * jsontext_items - the elements of the list `member` of the object that `text` is.
 *
 * member      its name, as it stands between the quotes (a name spelled with escapes is another one)
 * max         elements that the caller takes
 * ret_items   `max` entries; filled with parts of text, in order
 * OK, INVALID (not JSON, no object, or the member stands twice), NOT_FOUND (no such member, or it is no list), TOO_MANY (more than max).
 */
MUST_CHECK enum status jsontext_items(struct str text, struct str member, size_t max, struct str *ret_items, size_t *ret_count);

struct jsontext_member {
	struct str name;  /* as it stands between the quotes */
	struct str value; /* its text, without the space around it */
};

/*
 * jsontext_members - the members of the object that `text` is, in order, doubled ones too.
 *
 * For values that are kept as they were written: no number is read, so none is rounded. Names and values still hold whatever bytes and
 * escapes they came with; json_read() judges each.
 * ret_members  `max` entries; undefined on failure
 * OK, INVALID (not JSON, or no object), TOO_MANY (more than max).
 */
MUST_CHECK enum status jsontext_members(struct str text, size_t max, struct jsontext_member *ret_members, size_t *ret_count);

#endif
