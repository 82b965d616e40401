#include "io/config_table.h"

#include <string.h>

#include "base/parse.h"

#define MASTER_KEY_MIN 32
#define BOT_SECRET_MIN 32
#define SECRET_MAX 256

#define PROGRAMS_WITH_REDIS (PROGRAM_ALL & ~PROGRAM_CTL)
#define PROGRAMS_WITH_PAGES (PROGRAM_SITE | PROGRAM_DESK)

/* ---- forms --------------------------------------------------------------------------------------------------------------------- */

static bool is_letter_or_digit(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* Whether all bytes are letters, digits or one of `others`. */
static bool consists_of(struct str text, const char *others)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_letter_or_digit(text.ptr[i]) && str_find(str_from_z(others), text.ptr[i]) == SIZE_MAX) {
			return false;
		}
	}
	return true;
}

static bool is_printable(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7F) {
			return false;
		}
	}
	return true;
}

static bool is_length(struct str text, size_t min, size_t max)
{
	return text.len >= min && text.len <= max;
}

static bool is_loopback(struct str host)
{
	if (str_eq(host, STR("localhost")) || str_eq(host, STR("[::1]"))) {
		return true;
	}
	/* 127.x.x.x written out: "127.0.0.1.example.org" is somebody else. */
	int64_t octets[4] = {0};
	for (size_t i = 0; i < ARRAY_LEN(octets); i++) {
		if (!str_present(host) || parse_i64(str_split(&host, '.'), 0, 255, &octets[i]) != OK) {
			return false;
		}
	}
	return !str_present(host) && octets[0] == 127;
}

/* "example.org:8443", "[::1]:8080". */
static bool is_authority(struct str authority, struct str *ret_host)
{
	struct str host;
	struct str port;
	if (str_starts(authority, STR("["))) {
		size_t end = str_find(authority, ']');
		if (end == SIZE_MAX || !consists_of(str_cut(authority, 1, end - 1), ":.")) {
			return false;
		}
		host = str_cut(authority, 0, end + 1);
		port = str_cut(authority, end + 1, SIZE_MAX);
		if (!str_empty(port) && port.ptr[0] != ':') {
			return false;
		}
		port = str_empty(port) ? STR_ABSENT : str_cut(port, 1, SIZE_MAX);
	} else {
		port = authority;
		host = str_split(&port, ':');
		if (!is_length(host, 1, 253) || !consists_of(host, ".-")) {
			return false;
		}
	}
	int64_t number = 0;
	if (str_present(port) && parse_i64(port, 1, 65535, &number) != OK) {
		return false;
	}
	*ret_host = host;
	return true;
}

/* An address that others are appended to: no user, query, fragment or escape in it; its ending slashes are dropped. */
static bool read_url(struct str text, bool plain_anywhere, struct str *ret_url)
{
	bool plain = str_starts(text, STR("http://"));
	if (!plain && !str_starts(text, STR("https://"))) {
		return false;
	}
	while (str_ends(text, STR("/"))) {
		text.len--;
	}
	struct str path = str_cut(text, plain ? 7 : 8, SIZE_MAX);
	struct str authority = str_split(&path, '/');
	struct str host = STR_ABSENT;
	if (text.len > 512 || !is_authority(authority, &host) || !consists_of(path, "/._~-")) {
		return false;
	}
	if (plain && !plain_anywhere && !is_loopback(host)) {
		return false;
	}
	*ret_url = text;
	return true;
}

static bool read_any_url(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	return read_url(text, true, ret_field);
}

static bool read_safe_url(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	return read_url(text, false, ret_field);
}

static bool keep_secret(struct str text, void *ret_field)
{
	struct secret *secret = ret_field;
	secret->bytes = text;
	return true;
}

static bool read_database_url(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	bool known = str_starts(text, STR("postgresql://")) || str_starts(text, STR("postgres://"));
	return known && is_printable(text) && keep_secret(text, ret_field);
}

static bool read_redis_url(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	bool known = str_starts(text, STR("redis://")) || str_starts(text, STR("unix:///"));
	return known && is_printable(text) && keep_secret(text, ret_field);
}

static bool read_master_key(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	return is_length(text, MASTER_KEY_MIN, SECRET_MAX) && keep_secret(text, ret_field);
}

/* What travels in a header line: no space, no control character. */
static bool read_header_secret(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	return is_length(text, 1, SECRET_MAX) && is_printable(text) && keep_secret(text, ret_field);
}

static bool read_public_key(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	unsigned char key[32];
	if (parse_hex(text, key, sizeof(key)) != OK || !crypto_ed25519_key_ok(key)) {
		return false;
	}
	memcpy(ret_field, key, sizeof(key));
	return true;
}

static bool read_id(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	return parse_platform_id(text, ret_field) == OK;
}

static bool read_id_text(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	int64_t id = 0;
	if (parse_platform_id(text, &id) != OK) {
		return false;
	}
	*(struct str *)ret_field = text;
	return true;
}

/* row->max: the longest path in bytes. */
static bool read_path(const struct setting *row, struct str text, void *ret_field)
{
	if (!is_length(text, 1, (size_t)row->max) || str_find(text, '\0') != SIZE_MAX) {
		return false;
	}
	*(struct str *)ret_field = text;
	return true;
}

static bool read_number(const struct setting *row, struct str text, void *ret_field)
{
	return parse_i64(text, row->min, row->max, ret_field) == OK;
}

static bool read_log_level(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	static const struct {
		struct str word;
		enum log_level level;
	} levels[] = {
		{STR_INIT("debug"), LOG_DEBUG},
		{STR_INIT("info"), LOG_INFO},
		{STR_INIT("warning"), LOG_WARNING},
		{STR_INIT("error"), LOG_ERROR},
	};
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (str_eq(text, levels[i].word)) {
			*(enum log_level *)ret_field = levels[i].level;
			return true;
		}
	}
	return false;
}

static bool read_development(const struct setting *row, struct str text, void *ret_field)
{
	(void)row;
	bool wanted = false;
	if (parse_bool(text, &wanted) != OK) {
		return false;
	}
#ifndef TRIVET_DEVELOPMENT
	/* An installed build has no clock to set. */
	if (wanted) {
		return false;
	}
#endif
	*(bool *)ret_field = wanted;
	return true;
}

static bool fits_bot_token(struct str text)
{
	/* It becomes a part of URLs. */
	struct str rest = text;
	int64_t id = 0;
	return parse_platform_id(str_split(&rest, ':'), &id) == OK && is_length(rest, 1, SECRET_MAX) && consists_of(rest, "_-");
}

static bool fits_bot_secret(struct str text)
{
	return is_length(text, BOT_SECRET_MIN, SECRET_MAX) && consists_of(text, "_-");
}

static bool fits_bot_username(struct str text)
{
	return is_length(text, 1, CONFIG_BOT_NAME_MAX) && consists_of(text, "_");
}

bool config_is_bot_name(struct str name)
{
	if (!is_length(name, 1, CONFIG_BOT_NAME_MAX) || !consists_of(name, "_")) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z') {
			return false;
		}
	}
	return true;
}

/* ---- the tables ---------------------------------------------------------------------------------------------------------------- */

#define FIELD(name) .offset = offsetof(struct config, name)

const struct setting config_settings[] = {
	{
		.key = "DATABASE_URL",
		FIELD(database_url),
		.read = read_database_url,
		.needed_by = PROGRAM_ALL,
		.secret = true,
		.form = "a postgresql:// URL",
		.remedy = "as postgresql://trivet@/trivet?host=/run/postgresql",
		.what = "PostgreSQL, where everything lives that must last.",
	},
	{
		.key = "REDIS_URL",
		FIELD(redis_url),
		.read = read_redis_url,
		.needed_by = PROGRAMS_WITH_REDIS,
		.secret = true,
		.form = "a redis:// or unix:// URL",
		.remedy = "as unix:///run/redis/redis.sock?db=0",
		.what = "Redis, where codes and boards live.",
	},
	{
		.key = "TRIVET_KEY",
		FIELD(master_key),
		.read = read_master_key,
		.needed_by = PROGRAM_ALL,
		.secret = true,
		.form = "32 to 256 bytes long",
		.remedy = "make one with `openssl rand -hex 32` and keep it: sealed columns are lost with it",
		.what = "The installation's master secret; every other key is derived from it.",
	},
	{
		.key = "BASE_URL",
		FIELD(base_url),
		.read = read_any_url,
		.needed_by = PROGRAMS_WITH_PAGES,
		.form = "an http:// or https:// address without query",
		.remedy = "as https://trivet.example.org",
		.what = "Where members reach the site; links and redirects begin with it. An ending slash is dropped.",
	},
	{
		.key = "WEBAPP_URL",
		FIELD(webapp_url),
		.read = read_safe_url,
		.form = "an https:// address (http:// only on loopback) without query",
		.remedy = "as https://trivet.example.org/app",
		.what = "The Mini App that bots open. An ending slash is dropped.",
	},
	{
		.key = "TELEGRAM_API_URL",
		FIELD(telegram_api_url),
		.read = read_safe_url,
		.fallback = "https://api.telegram.org",
		.form = "an https:// address (http:// only on loopback) without query",
		.remedy = "leave it out for the real one",
		.what = "Telegram's Bot API, or a stand-in for it.",
	},
	{
		.key = "DISCORD_API_URL",
		FIELD(discord_api_url),
		.read = read_safe_url,
		.fallback = "https://discord.com/api/v10",
		.form = "an https:// address (http:// only on loopback) without query",
		.remedy = "leave it out for the real one",
		.what = "Discord's API with its version, or a stand-in for it.",
	},
	{
		.key = "DISCORD_PUBLIC_KEY",
		FIELD(discord_public_key),
		.read = read_public_key,
		.needed_by = PROGRAM_DISCORD,
		.form = "64 hexadecimal digits of an Ed25519 key",
		.remedy = "copy it from the developer portal, General Information",
		.what = "What Discord's requests are verified with.",
	},
	{
		.key = "DISCORD_BOT_TOKEN",
		FIELD(discord_bot_token),
		.read = read_header_secret,
		.secret = true,
		.form = "1 to 256 printable characters",
		.remedy = "copy it from the developer portal, Bot",
		.what = "Sends messages and registers commands; the worker needs it once DISCORD_APPLICATION_ID is set.",
	},
	{
		.key = "DISCORD_APPLICATION_ID",
		FIELD(discord_application_id),
		.read = read_id,
		.needed_by = PROGRAM_DISCORD,
		.form = "a Discord id (digits)",
		.remedy = "copy it from the developer portal, General Information",
		.what = "The application that owns the commands.",
	},
	{
		.key = "DISCORD_CLIENT_ID",
		FIELD(discord_client_id),
		.read = read_id_text,
		.form = "a Discord id (digits)",
		.remedy = "leave it out: it is the application's id",
		.what = "Sign-in with Discord; DISCORD_APPLICATION_ID when left out.",
	},
	{
		.key = "DISCORD_CLIENT_SECRET",
		FIELD(discord_client_secret),
		.read = read_header_secret,
		.secret = true,
		.form = "1 to 256 printable characters",
		.remedy = "copy it from the developer portal, OAuth2",
		.what = "Sign-in with Discord and Linked Roles; without it neither is offered.",
	},
	{
		.key = "DISCORD_GUILD_ID",
		FIELD(discord_guild_id),
		.read = read_id,
		.form = "a Discord id (digits)",
		.remedy = "leave it out to register commands globally",
		.what = "The one server that commands are registered for; left out: all.",
	},
	{
		.key = "RUN_DIR",
		FIELD(run_dir),
		.read = read_path,
		.fallback = "/run/trivet",
		.min = 1,
		.max = 400,
		.form = "a path of at most 400 bytes",
		.remedy = "leave it out for /run/trivet",
		.what = "Metrics of this host; in development also the clock.",
	},
	{
		.key = "LISTEN",
		FIELD(listen),
		.read = read_path,
		.min = 1,
		.max = 107,
		.form = "a path of at most 107 bytes",
		.remedy = "leave it out where systemd hands over the socket",
		.what = "The socket to listen on when none is inherited.",
	},
	{
		.key = "THREADS",
		FIELD(threads),
		.read = read_number,
		.fallback = "0",
		.min = 0,
		.max = 64,
		.remedy = "leave it out for one per processor",
		.what = "Threads that serve requests, each many at once. 0: one per processor, at least 2.",
	},
	{
		.key = "REQUESTS",
		FIELD(requests),
		.read = read_number,
		.fallback = "128",
		.min = 1,
		.max = 4096,
		.remedy = "leave it out for 128",
		.what = "Requests that one process serves at once, those that wait for a store included; shared out evenly among THREADS, rounded up.",
	},
	{
		.key = "COMMANDS_PER_MINUTE",
		FIELD(commands_per_minute),
		.read = read_number,
		.fallback = "30",
		.min = 1,
		.max = 1000000,
		.remedy = "leave it out for 30",
		.what = "Light commands that one person may send in a minute; heavy ones may come a third as often.",
	},
	{
		.key = "PG_CONNECTIONS",
		FIELD(pg_connections),
		.read = read_number,
		.fallback = "8",
		.min = 1,
		.max = 64,
		.remedy = "leave it out for 8",
		.what = "Most connections in a process's pool to PostgreSQL; trivet-discord has one, trivet-telegram two for each thread beside it.",
	},
	{
		.key = "REDIS_CONNECTIONS",
		FIELD(redis_connections),
		.read = read_number,
		.fallback = "8",
		.min = 1,
		.max = 64,
		.remedy = "leave it out for 8",
		.what = "Connections of one process to Redis.",
	},
	{
		.key = "LOG_LEVEL",
		FIELD(log_level),
		.read = read_log_level,
		.fallback = "info",
		.form = "debug, info, warning or error",
		.remedy = "leave it out for info",
		.what = "Lines below this level are not written.",
	},
	{
		.key = "DEVELOPMENT",
		FIELD(development),
		.read = read_development,
		.fallback = "no",
		.form = "no (yes only in a build for development)",
		.remedy = "leave it out",
		.what = "A stack on loopback: a clock that can be set. Installed builds refuse it.",
	},
};

_Static_assert(ARRAY_LEN(config_settings) == CONFIG_SETTINGS, "config_table.h says how many there are");

const struct bot_part_row config_bot_parts[BOT_PART_COUNT] = {
	[BOT_PART_TOKEN] = {
		.suffix = "BOT_TOKEN",
		.key = "token",
		.needed_by = PROGRAM_WORKER | PROGRAM_CTL,
		.secret = true,
		.fits = fits_bot_token,
		.form = "a bot token (digits, a colon, letters)",
		.remedy = "copy it from @BotFather",
		.what = "The bot's token, from @BotFather.",
	},
	[BOT_PART_SECRET] = {
		.suffix = "BOT_SECRET",
		.key = "secret",
		.needed_by = PROGRAM_TELEGRAM | PROGRAM_CTL,
		.secret = true,
		.fits = fits_bot_secret,
		.form = "32 to 256 of A-Z a-z 0-9 _ -",
		.remedy = "make one with `openssl rand -hex 32`",
		.what = "What Telegram sends with every webhook call; a bot without it never starts.",
	},
	[BOT_PART_USERNAME] = {
		.suffix = "BOT_USERNAME",
		.key = "username",
		.fits = fits_bot_username,
		.form = "1 to 32 letters, digits and underscores",
		.remedy = "write it without @",
		.what = "The bot's name in links, without @.",
	},
};
