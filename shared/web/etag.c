#include "web/etag.h"

/* RFC 9110, 8.8.3: etagc is %x21, %x23-7E or obs-text. */
static bool is_etagc(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

/* Takes one entity tag off the beginning of *rest. */
static bool take_tag(struct str *rest, struct etag *ret_tag)
{
	struct etag tag = {.weak = str_starts(*rest, STR("W/"))};
	struct str text = tag.weak ? str_cut(*rest, 2, rest->len) : *rest;
	size_t len = 0;

	if (!str_starts(text, STR("\""))) {
		return false;
	}
	text = str_cut(text, 1, text.len);
	while (len < text.len && is_etagc(text.ptr[len])) {
		len++;
	}
	if (len == text.len || text.ptr[len] != '"') {
		return false;
	}
	tag.text = str_cut(text, 0, len);
	*rest = str_cut(text, len + 1, text.len);
	*ret_tag = tag;
	return true;
}

/* Tags, a comma between each two, with or without space around it. */
static bool take_list(struct str value, struct etag_list *list)
{
	struct str rest = str_trim(value);

	for (;;) {
		if (list->count == ETAG_LIST_MAX || !take_tag(&rest, &list->tags[list->count])) {
			return false;
		}
		list->count++;
		rest = str_trim(rest);
		if (str_empty(rest)) {
			return true;
		}
		if (rest.ptr[0] != ',') {
			return false;
		}
		rest = str_trim(str_cut(rest, 1, rest.len));
	}
}

enum status etag_list_read(const struct rawreq *request, struct str name, struct etag_list *ret_list)
{
	struct etag_list list = {0};
	struct str value = STR_ABSENT;
	enum status status = rawreq_header_once(request, name, &value);

	if (status == CONFLICT) {
		return INVALID;
	}
	if (status == OK) {
		list.given = true;
		list.any = str_eq(str_trim(value), STR("*"));
		if (!list.any && !take_list(value, &list)) {
			return INVALID;
		}
	}
	*ret_list = list;
	return OK;
}

bool etag_list_has(const struct etag_list *list, struct str text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (str_eq(list->tags[i].text, text)) {
			return true;
		}
	}
	return list->any;
}
