/* The URL that says where Redis is and who we are there. */
#include "base/parse.h"
#include "io/cache_internal.h"

#define DB_MAX 65535
#define PORT_DEFAULT 6379

/* Undoes percent-encoding of a user, a password or a path. OK, INVALID (bad escape, NUL), TOO_LARGE. */
static enum status decode(struct arena *arena, struct str text, struct str *ret_decoded)
{
	char *out = arena_alloc(arena, text.len + 1);
	if (out == NULL) {
		return TOO_LARGE;
	}
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (byte == '%') {
			if (text.len - i < 3 || parse_hex(str_cut(text, i + 1, 2), &byte, 1) != OK) {
				return INVALID;
			}
			i += 2;
		}
		if (byte == '\0') {
			return INVALID;
		}
		out[len++] = (char)byte;
	}
	*ret_decoded = (struct str){out, len};
	return OK;
}

/* "user:password", "user", ":password". */
static enum status read_user(struct arena *arena, struct str text, struct place *place)
{
	struct str user = str_split(&text, ':');
	enum status status = OK;
	if (user.len > 0) {
		status = decode(arena, user, &place->user);
	}
	place->password = STR(""); /* AUTH <user> "" is how a user without a password signs in */
	if (status == OK && str_present(text)) {
		status = decode(arena, text, &place->password);
	}
	return status == OK && str_empty(place->user) && str_empty(place->password) ? INVALID : status;
}

/* "host", "host:port", "[::1]:port". */
static enum status read_host(struct arena *arena, struct str text, struct place *place)
{
	struct str host;
	if (str_starts(text, STR("["))) {
		text = str_cut(text, 1, text.len);
		host = str_split(&text, ']');
		if (!str_present(text) || (text.len > 0 && text.ptr[0] != ':')) {
			return INVALID;
		}
		text = text.len > 0 ? str_cut(text, 1, text.len) : STR_ABSENT;
	} else {
		host = str_split(&text, ':');
	}
	int64_t port = PORT_DEFAULT;
	if (str_empty(host) || (str_present(text) && parse_i64(text, 1, 65535, &port) != OK)) {
		return INVALID;
	}
	place->host = str_z(arena, host);
	place->port = (int)port;
	return place->host != NULL ? OK : INVALID;
}

static enum status read_tcp_url(struct arena *arena, struct str rest, struct place *place)
{
	if (str_find(rest, '?') != SIZE_MAX || str_find(rest, '#') != SIZE_MAX) {
		return INVALID;
	}
	struct str authority = str_split(&rest, '/');
	size_t at = str_find(authority, '@');
	if (at != SIZE_MAX) {
		enum status status = read_user(arena, str_cut(authority, 0, at), place);
		if (status != OK) {
			return status;
		}
		authority = str_cut(authority, at + 1, authority.len);
	}
	if (!str_empty(rest) && parse_i64(rest, 0, DB_MAX, &place->db) != OK) {
		return INVALID;
	}
	return read_host(arena, authority, place);
}

static enum status read_unix_url(struct arena *arena, struct str rest, struct place *place)
{
	struct str path = str_split(&rest, '?');
	struct str decoded;
	enum status status = decode(arena, path, &decoded);
	if (status != OK) {
		return status;
	}
	place->socket_path = str_z(arena, decoded);
	if (place->socket_path == NULL || place->socket_path[0] != '/') {
		return INVALID;
	}
	/* Parameters as they stand: a name that is unknown or stands twice is a mistake that would otherwise stay unseen. */
	while (str_present(rest)) {
		struct str value = str_split(&rest, '&');
		struct str name = str_split(&value, '=');
		if (!str_present(value)) {
			return INVALID;
		}
		if (str_eq(name, STR("user")) && !str_present(place->user)) {
			status = decode(arena, value, &place->user);
		} else if (str_eq(name, STR("password")) && !str_present(place->password)) {
			status = decode(arena, value, &place->password);
		} else if (str_eq(name, STR("db"))) {
			status = parse_i64(value, 0, DB_MAX, &place->db);
		} else {
			status = INVALID;
		}
		if (status != OK) {
			return INVALID;
		}
	}
	if (str_present(place->user) && !str_present(place->password)) {
		place->password = STR("");
	}
	return OK;
}

enum status cache_url_read(struct arena *arena, struct str url, struct place *place)
{
	static const struct str tcp = STR_INIT("redis://");
	static const struct str local = STR_INIT("unix://");
	if (str_starts(url, tcp)) {
		return read_tcp_url(arena, str_cut(url, tcp.len, url.len), place);
	}
	if (str_starts(url, local)) {
		return read_unix_url(arena, str_cut(url, local.len, url.len), place);
	}
	return INVALID;
}
