#include "io/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf.h"
#include "io/config_table.h"

#define FILE_MAX ((size_t)256 * 1024)
#define CREDENTIAL_MAX ((size_t)16 * 1024)
/* A line of the file; libinih would silently cut it elsewhere. */
#define LINE_MAX_BYTES 4096
/* All texts of one process; the file is read into it as well. */
#define SETTINGS_MAX ((size_t)2 * 1024 * 1024)
#define ERROR_MAX 2048
#define SHOWN_POINTS 80

enum source {
	SOURCE_NONE = 0,
	SOURCE_DEFAULT,
	SOURCE_FILE,
	SOURCE_CREDENTIAL,
	SOURCE_ENVIRONMENT,
	SOURCE_COUNT
};

/* One setting as it was found, before it is judged. */
struct value {
	struct str text;
	enum source source;
	int line; /* of the file */
};

/* ---- what was found -------------------------------------------------------------------------------------------------------------- */

struct bot_found {
	struct str name;
	struct value parts[BOT_PART_COUNT];
};

/* What config_load() gives out is the first member; the rest is for printing and wiping. */
struct found {
	struct config config;
	struct arena *arena;
	struct value values[CONFIG_SETTINGS];
	struct bot_found bots[CONFIG_BOTS_MAX];
	size_t bot_count;
};

/* One run of config_load(). */
struct loading {
	struct found *found;
	struct arena *errors; /* the caller's */
	struct str error;
	struct str path; /* of the file */
	struct str text; /* what is left of it */
	int line;
};

/* Keeps the first complaint. Always INVALID, so that it can be returned; TOO_LARGE when there is no room even for that. */
static enum status complain(struct loading *loading, const char *format, ...) PRINTF_LIKE(2, 3);

static enum status complain(struct loading *loading, const char *format, ...)
{
	if (str_present(loading->error)) {
		return INVALID;
	}
	char text[ERROR_MAX];
	va_list args;
	va_start(args, format);
	int needed = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t len = needed < 0 ? 0 : (size_t)needed;
	loading->error = str_dup(loading->errors, (struct str){text, len < sizeof(text) ? len : sizeof(text) - 1});
	return str_present(loading->error) ? INVALID : TOO_LARGE;
}

static const char *source_name(enum source source)
{
	switch (source) {
	case SOURCE_NONE:
		return "not set";
	case SOURCE_DEFAULT:
		return "default";
	case SOURCE_FILE:
		return "file";
	case SOURCE_CREDENTIAL:
		return "credential";
	case SOURCE_ENVIRONMENT:
		return "environment";
	case SOURCE_COUNT:
		break;
	}
	return "unknown";
}

/* "DATABASE_URL: the value (environment) is not a postgresql:// URL: as postgresql://..." */
static enum status complain_form(struct loading *loading, struct str key, const struct value *value, bool secret, const char *form,
                                 const char *remedy)
{
	struct str shown = STR("the value");
	if (!secret) {
		struct str clean = utf_display(loading->errors, value->text, SHOWN_POINTS);
		shown = str_printf(loading->errors, "\"" STR_FMT "\"", STR_ARG(clean));
	}
	struct str place = str_from_z(source_name(value->source));
	if (value->source == SOURCE_FILE) {
		place = str_printf(loading->errors, "line %d of " STR_FMT, value->line, STR_ARG(loading->path));
	}
	return complain(loading, STR_FMT ": " STR_FMT " (" STR_FMT ") is not %s: %s", STR_ARG(key), STR_ARG(shown), STR_ARG(place), form,
	                remedy);
}

static void wipe(struct str text)
{
	if (!str_empty(text)) {
		/* Our own copy in our own arena: const is only how strings are lent out. */
		crypto_wipe((void *)(uintptr_t)text.ptr, text.len);
	}
}

/* Puts a value in its place, over one of an earlier source. An empty one counts as not given. OK, TOO_LARGE. */
static enum status put(struct loading *loading, struct value *value, struct str text, enum source source)
{
	if (str_empty(text)) {
		return OK;
	}
	struct str copy = str_dup(loading->found->arena, text);
	if (!str_present(copy)) {
		return TOO_LARGE;
	}
	wipe(value->text);
	*value = (struct value){copy, source, source == SOURCE_FILE ? loading->line : 0};
	return OK;
}

static struct value *value_of_key(struct found *found, struct str key)
{
	for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
		if (str_eq(key, str_from_z(config_settings[i].key))) {
			return &found->values[i];
		}
	}
	return NULL;
}

/* The bot of that name, added when it is new. NULL when there are CONFIG_BOTS_MAX, or no memory. */
static struct bot_found *bot_named(struct found *found, struct str name)
{
	for (size_t i = 0; i < found->bot_count; i++) {
		if (str_eq(found->bots[i].name, name)) {
			return &found->bots[i];
		}
	}
	struct str copy = found->bot_count < CONFIG_BOTS_MAX ? str_dup(found->arena, name) : STR_ABSENT;
	if (!str_present(copy)) {
		return NULL;
	}
	struct bot_found *bot = &found->bots[found->bot_count++];
	bot->name = copy;
	return bot;
}

static enum status complain_bots(struct loading *loading)
{
	if (arena_failed(loading->found->arena)) {
		return TOO_LARGE;
	}
	return complain(loading, "BOT_TOKEN: more than %d Telegram bots: run another installation for the others", CONFIG_BOTS_MAX);
}

/*
 * Reads "BOT_TOKEN" as the token of bot "main", "QUIZ_BOT_TOKEN" as that of "quiz". NOT_FOUND for other names, among them
 * DISCORD_BOT_*, which speak of another platform.
 */
static enum status find_bot_part(struct loading *loading, struct str key, struct value **ret_value)
{
	for (size_t i = 0; i < BOT_PART_COUNT; i++) {
		struct str suffix = str_from_z(config_bot_parts[i].suffix);
		if (!str_ends(key, suffix)) {
			continue;
		}
		struct str prefix = str_cut(key, 0, key.len - suffix.len);
		struct str name = STR("main");
		if (!str_empty(prefix)) {
			name = str_lower(loading->found->arena, str_cut(prefix, 0, prefix.len - 1));
			/* Written in capitals throughout, else it is no setting of ours. */
			bool capitals = str_eq(str_upper(loading->found->arena, prefix), prefix);
			if (!str_ends(prefix, STR("_")) || !capitals || !config_is_bot_name(name) || str_eq(name, STR("discord"))) {
				return NOT_FOUND;
			}
		}
		struct bot_found *bot = bot_named(loading->found, name);
		if (bot == NULL) {
			return complain_bots(loading);
		}
		*ret_value = &bot->parts[i];
		return OK;
	}
	return NOT_FOUND;
}

/* A value under its name in capitals. OK, NOT_FOUND (no setting of ours), INVALID, TOO_LARGE. */
static enum status put_named(struct loading *loading, struct str key, struct str text, enum source source)
{
	struct value *value = value_of_key(loading->found, key);
	/* An empty BOT_TOKEN must not bring a bot into being. */
	if (value == NULL && !str_empty(text)) {
		enum status status = find_bot_part(loading, key, &value);
		if (status != OK) {
			return status;
		}
	}
	return value == NULL ? NOT_FOUND : put(loading, value, text, source);
}

/* ---- sources ------------------------------------------------------------------------------------------------------------------- */

/* A whole file into the settings' arena. OK, NOT_FOUND, UNAVAILABLE (errno says why), TOO_LARGE. */
static enum status read_file(struct arena *arena, int directory, const char *path, size_t max, struct str *ret_text)
{
	enum status status = UNAVAILABLE;
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		return errno == ENOENT || errno == ENOTDIR ? NOT_FOUND : UNAVAILABLE;
	}
	struct stat file = {0};
	if (fstat(fd, &file) != 0) {
		goto out;
	}
	if (!S_ISREG(file.st_mode)) {
		errno = EINVAL;
		goto out;
	}
	if (file.st_size > (off_t)max) {
		status = TOO_LARGE;
		goto out;
	}
	size_t size = (size_t)file.st_size;
	char *text = arena_alloc(arena, size);
	if (text == NULL) {
		status = TOO_LARGE;
		goto out;
	}
	size_t len = 0;
	ssize_t got = 1;
	while (len < size && got > 0) {
		got = read(fd, text + len, size - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (got >= 0) {
		*ret_text = (struct str){text, len};
		status = OK;
	}
out:
	(void)close(fd);
	return status;
}

/* Gives libinih the next line, and counts it. */
static char *next_line(char *room, int size, void *data)
{
	struct loading *loading = data;
	if (!str_present(loading->text) || str_present(loading->error)) {
		/* Its buffer held secrets and goes back to the heap as it is. */
		crypto_wipe(room, (size_t)size);
		return NULL;
	}
	loading->line++;
	struct str line = str_split(&loading->text, '\n');
	if (line.len >= (size_t)size) {
		(void)complain(loading, "TRIVET_CONF: line %d of " STR_FMT " is longer than %d bytes: shorten it", loading->line,
		               STR_ARG(loading->path), size - 1);
		crypto_wipe(room, (size_t)size);
		return NULL;
	}
	if (line.len > 0) {
		memcpy(room, line.ptr, line.len);
	}
	room[line.len] = '\0';
	return room;
}

/* The value that `name` of `section` stands for; NULL after a complaint. */
static struct value *value_of_line(struct loading *loading, struct str section, struct str name)
{
	struct found *found = loading->found;
	struct str path = loading->path;
	struct str bot_name = str_cut(section, sizeof("telegram.") - 1, SIZE_MAX);
	if (str_eq(section, STR("trivet"))) {
		struct str key = str_upper(found->arena, name);
		struct value *value = str_eq(str_lower(found->arena, name), name) ? value_of_key(found, key) : NULL;
		/* bot_token and its like are those of "main"; of any other bot the section is the only place. */
		bool of_main = str_eq(name, STR("bot_token")) || str_eq(name, STR("bot_secret")) || str_eq(name, STR("bot_username"));
		if (of_main) {
			(void)find_bot_part(loading, key, &value);
		}
		if (value == NULL) {
			(void)complain(loading,
			               "TRIVET_CONF: line %d of " STR_FMT " has an unknown key \"%.50s\" in [trivet]: see docs/CONFIG.md",
			               loading->line, STR_ARG(path), name.ptr);
		}
		return value;
	}
	if (!str_starts(section, STR("telegram.")) || !config_is_bot_name(bot_name)) {
		(void)complain(loading,
		               "TRIVET_CONF: line %d of " STR_FMT " is in an unknown section [%.50s]: there are [trivet], [telegram.<bot>]",
		               loading->line, STR_ARG(path), section.ptr);
		return NULL;
	}
	for (size_t i = 0; i < BOT_PART_COUNT; i++) {
		if (!str_eq(name, str_from_z(config_bot_parts[i].key))) {
			continue;
		}
		struct bot_found *bot = bot_named(found, bot_name);
		if (bot == NULL) {
			(void)complain_bots(loading);
			return NULL;
		}
		return &bot->parts[i];
	}
	(void)complain(loading,
	               "TRIVET_CONF: line %d of " STR_FMT " has an unknown key \"%.50s\" in [%.50s]: there are token, secret, username",
	               loading->line, STR_ARG(path), name.ptr, section.ptr);
	return NULL;
}

/* libinih's handler: 1 goes on, 0 is an error. */
static int take_line(void *data, const char *section, const char *name, const char *text)
{
	struct loading *loading = data;
	struct value *value = value_of_line(loading, str_from_z(section), str_from_z(name));
	if (value == NULL) {
		return 0;
	}
	if (value->source == SOURCE_FILE) {
		(void)complain(loading, "TRIVET_CONF: line %d of " STR_FMT " gives \"%.50s\" again, after line %d: keep one", loading->line,
		               STR_ARG(loading->path), name, value->line);
		return 0;
	}
	return put(loading, value, str_from_z(text), SOURCE_FILE) == OK;
}

/* Debian's libinih is set up by variables of its own; what they are at first would cut a line at 200 bytes. */
static void set_up_ini(void)
{
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_max_line = LINE_MAX_BYTES;
	ini_initial_alloc = LINE_MAX_BYTES;
	/* What is written is the value: a secret may hold a semicolon, and no line goes on in the next. */
	ini_allow_inline_comments = false;
	ini_allow_multiline = false;
}

static enum status load_file(struct loading *loading)
{
	const char *named = getenv("TRIVET_CONF");
	const char *path = named == NULL || named[0] == '\0' ? CONFIG_FILE : named;
	loading->path = utf_display(loading->errors, str_from_z(path), 200);
	struct str text = STR_ABSENT;
	enum status status = read_file(loading->found->arena, AT_FDCWD, path, FILE_MAX, &text);
	if (status == NOT_FOUND && path != named) {
		return OK;
	}
	if (status == TOO_LARGE) {
		return complain(loading, "TRIVET_CONF: " STR_FMT " is over %zu bytes: shorten it", STR_ARG(loading->path), FILE_MAX);
	}
	if (status != OK) {
		const char *why = status == NOT_FOUND ? "does not exist" : "cannot be read";
		return complain(loading, "TRIVET_CONF: " STR_FMT " %s: make it a file that user %d may read, or leave TRIVET_CONF out",
		                STR_ARG(loading->path), why, (int)geteuid());
	}
	if (!utf_valid(text)) {
		wipe(text);
		return complain(loading, "TRIVET_CONF: " STR_FMT " is not UTF-8 text: write it anew", STR_ARG(loading->path));
	}
	loading->text = text;
	set_up_ini();
	int bad_line = ini_parse_stream(next_line, loading, take_line, loading);
	wipe(text);
	/* libinih goes on after a line that it cannot read; what was complained of later is only its consequence. */
	if (str_present(loading->error) && (bad_line <= 0 || bad_line >= loading->line)) {
		return INVALID;
	}
	loading->error = STR_ABSENT;
	if (arena_failed(loading->found->arena) || bad_line < 0) {
		return TOO_LARGE;
	}
	if (bad_line > 0) {
		return complain(loading, "TRIVET_CONF: line %d of " STR_FMT " is neither [section], key = value nor # comment: correct it",
		                bad_line, STR_ARG(loading->path));
	}
	return OK;
}

/* One credential, its last newline dropped: editors and `echo` leave one. */
static enum status load_credential(struct loading *loading, int directory, const char *name)
{
	struct str text = STR_ABSENT;
	enum status status = read_file(loading->found->arena, directory, name, CREDENTIAL_MAX, &text);
	if (status == TOO_LARGE) {
		return complain(loading, "%s: the credential is over %zu bytes: shorten it", name, CREDENTIAL_MAX);
	}
	if (status != OK) {
		return complain(loading, "%s: the credential cannot be read: check LoadCredential= in the unit", name);
	}
	struct str value = str_ends(text, STR("\n")) ? str_cut(text, 0, text.len - 1) : text;
	status = put_named(loading, str_from_z(name), value, SOURCE_CREDENTIAL);
	wipe(text);
	return status == NOT_FOUND ? OK : status;
}

/* Whether a name could be a setting; others' credentials are not even read. */
static bool may_be_setting(struct loading *loading, struct str name)
{
	if (value_of_key(loading->found, name) != NULL) {
		return true;
	}
	for (size_t i = 0; i < BOT_PART_COUNT; i++) {
		if (str_ends(name, str_from_z(config_bot_parts[i].suffix))) {
			return true;
		}
	}
	return false;
}

static enum status load_credentials(struct loading *loading)
{
	const char *path = getenv("CREDENTIALS_DIRECTORY");
	if (path == NULL || path[0] == '\0') {
		return OK;
	}
	DIR *directory = opendir(path);
	if (directory == NULL) {
		return complain(loading, "CREDENTIALS_DIRECTORY: it cannot be opened: check LoadCredential= in the unit");
	}
	enum status status = OK;
	for (const struct dirent *entry = readdir(directory); entry != NULL && status == OK; entry = readdir(directory)) {
		if (may_be_setting(loading, str_from_z(entry->d_name))) {
			status = load_credential(loading, dirfd(directory), entry->d_name);
		}
	}
	(void)closedir(directory);
	return status;
}

static enum status load_environment(struct loading *loading)
{
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		struct str text = str_from_z(*entry);
		struct str key = str_split(&text, '=');
		enum status status = may_be_setting(loading, key) ? put_named(loading, key, text, SOURCE_ENVIRONMENT) : OK;
		if (status != OK && status != NOT_FOUND) {
			return status;
		}
	}
	return OK;
}

/* ---- judging ------------------------------------------------------------------------------------------------------------------- */

static enum status judge_setting(struct loading *loading, enum config_program program, size_t index)
{
	const struct setting *row = &config_settings[index];
	struct value *value = &loading->found->values[index];
	if (!str_present(value->text) && row->fallback != NULL) {
		*value = (struct value){str_from_z(row->fallback), SOURCE_DEFAULT, 0};
	}
	if (!str_present(value->text)) {
		if ((row->needed_by & (int)program) != 0) {
			return complain(loading, "%s: missing: %s", row->key, row->remedy);
		}
		return OK;
	}
	if (row->read(row, value->text, (char *)&loading->found->config + row->offset)) {
		return OK;
	}
	char number_form[80];
	(void)snprintf(number_form, sizeof(number_form), "a whole number from %" PRId64 " to %" PRId64, row->min, row->max);
	return complain_form(loading, str_from_z(row->key), value, row->secret, row->form == NULL ? number_form : row->form, row->remedy);
}

/* "BOT_TOKEN", "QUIZ_BOT_TOKEN". */
static struct str bot_key(struct arena *arena, struct str name, size_t part)
{
	if (str_eq(name, STR("main"))) {
		return str_from_z(config_bot_parts[part].suffix);
	}
	struct str prefix = str_upper(arena, name);
	return str_printf(arena, STR_FMT "_%s", STR_ARG(prefix), config_bot_parts[part].suffix);
}

static enum status judge_bot(struct loading *loading, enum config_program program, const struct bot_found *bot)
{
	for (size_t i = 0; i < BOT_PART_COUNT; i++) {
		const struct bot_part_row *row = &config_bot_parts[i];
		const struct value *value = &bot->parts[i];
		struct str key = bot_key(loading->errors, bot->name, i);
		if (!str_present(value->text) && (row->needed_by & (int)program) != 0) {
			return complain(loading, STR_FMT ": missing, so bot \"" STR_FMT "\" cannot start: %s", STR_ARG(key),
			                STR_ARG(bot->name), row->remedy);
		}
		if (str_present(value->text) && !row->fits(value->text)) {
			return complain_form(loading, key, value, row->secret, row->form, row->remedy);
		}
	}
	return OK;
}

static enum status judge_bots(struct loading *loading, enum config_program program)
{
	struct found *found = loading->found;
	struct config *config = &found->config;
	for (size_t i = 0; i < found->bot_count; i++) {
		const struct bot_found *bot = &found->bots[i];
		enum status status = judge_bot(loading, program, bot);
		if (status != OK) {
			return status;
		}
		config->bots[config->bot_count++] = (struct config_bot){
			.name = bot->name,
			.token = {bot->parts[BOT_PART_TOKEN].text},
			.secret = {bot->parts[BOT_PART_SECRET].text},
			.username = bot->parts[BOT_PART_USERNAME].text,
		};
	}
	if (program == PROGRAM_TELEGRAM && config->bot_count == 0) {
		return complain(loading, "BOT_SECRET: missing: %s", config_bot_parts[BOT_PART_SECRET].remedy);
	}
	return OK;
}

/* What only makes sense together. */
static enum status judge_together(struct loading *loading, enum config_program program)
{
	struct config *config = &loading->found->config;
	if (program == PROGRAM_WORKER && config->discord_application_id != 0 && !str_present(config->discord_bot_token.bytes)) {
		return complain(loading,
		                "DISCORD_BOT_TOKEN: missing while DISCORD_APPLICATION_ID is set: copy it from the developer portal, Bot");
	}
	if (!str_present(config->discord_client_id)) {
		config->discord_client_id = value_of_key(loading->found, STR("DISCORD_APPLICATION_ID"))->text;
	}
	return OK;
}

static enum status load_all(struct loading *loading, enum config_program program)
{
	enum status status = load_file(loading);
	if (status == OK) {
		status = load_credentials(loading);
	}
	if (status == OK) {
		status = load_environment(loading);
	}
	for (size_t i = 0; i < CONFIG_SETTINGS && status == OK; i++) {
		status = judge_setting(loading, program, i);
	}
	if (status == OK) {
		status = judge_bots(loading, program);
	}
	return status == OK ? judge_together(loading, program) : status;
}

size_t config_threads(const struct config *config)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (config->threads > 0) {
		return (size_t)config->threads;
	}
	return processors < 2 ? 2 : processors > CONFIG_THREADS_MAX ? CONFIG_THREADS_MAX : (size_t)processors;
}

enum status config_load(struct arena *arena, enum config_program program, struct config **ret_config, struct str *ret_error)
{
	struct arena *own = arena_new(SETTINGS_MAX);
	if (own == NULL) {
		return TOO_LARGE;
	}
	struct found *found = arena_alloc(own, sizeof(*found));
	if (found == NULL) {
		arena_free(own);
		return TOO_LARGE;
	}
	found->arena = own;
	struct loading loading = {.found = found, .errors = arena};
	enum status status = load_all(&loading, program);
	if (status != OK) {
		config_close(&found->config);
		if (status == INVALID) {
			*ret_error = loading.error;
		}
		return status;
	}
	*ret_config = &found->config;
	return OK;
}

_Static_assert(offsetof(struct found, config) == 0, "config_close() goes back from the config to what holds it");

void config_close(struct config *config)
{
	if (config == NULL) {
		return;
	}
	struct found *found = (struct found *)config;
	for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
		/* Defaults are constants of the program. */
		if (found->values[i].source != SOURCE_DEFAULT) {
			wipe(found->values[i].text);
		}
	}
	for (size_t i = 0; i < found->bot_count; i++) {
		for (size_t part = 0; part < BOT_PART_COUNT; part++) {
			wipe(found->bots[i].parts[part].text);
		}
	}
	struct arena *arena = found->arena;
	crypto_wipe(found, sizeof(*found));
	arena_free(arena);
}

const struct config_bot *config_bot_by_name(const struct config *config, struct str name)
{
	for (size_t i = 0; i < config->bot_count; i++) {
		if (str_eq(config->bots[i].name, name)) {
			return &config->bots[i];
		}
	}
	return NULL;
}

/* ---- printing ------------------------------------------------------------------------------------------------------------------ */

static void print_value(struct arena *arena, struct buf *out, struct str key, const struct value *value, bool secret)
{
	struct str shown = str_empty(value->text) ? STR("") : secret ? STR("(set)") : utf_display(arena, value->text, SIZE_MAX);
	buf_printf(out, STR_FMT "=" STR_FMT "  # %s\n", STR_ARG(key), STR_ARG(shown), source_name(value->source));
}

struct str config_print(struct arena *arena, const struct config *config)
{
	const struct found *found = (const struct found *)config;
	struct buf out = buf_init(arena, SETTINGS_MAX);
	for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
		print_value(arena, &out, str_from_z(config_settings[i].key), &found->values[i], config_settings[i].secret);
	}
	for (size_t i = 0; i < found->bot_count; i++) {
		for (size_t part = 0; part < BOT_PART_COUNT; part++) {
			struct str key = bot_key(arena, found->bots[i].name, part);
			print_value(arena, &out, key, &found->bots[i].parts[part], config_bot_parts[part].secret);
		}
	}
	return buf_str(&out);
}
