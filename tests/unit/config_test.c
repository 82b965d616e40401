/* config: where settings come from, what each has to look like, and that a refusal never shows a secret. */
#include "io/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/texts.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define SECRET "Secret_0123456789-abcdefghijklmnopq"
#define PUBLIC_KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static char directory[] = "/tmp/trivet-config-XXXXXX";
static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(ARENA_REQUEST_LIMIT);
	return arena == NULL || crypto_setup() != OK || mkdtemp(directory) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return rmdir(directory);
}

static const char *path_of(const char *name)
{
	return str_z(arena, str_printf(arena, "%s/%s", directory, name));
}

static void write_file(const char *name, struct str text)
{
	FILE *file = fopen(path_of(name), "w");
	assert_non_null(file);
	if (text.len > 0) {
		assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
	}
	assert_int_equal(fclose(file), 0);
}

/* Before each test: nothing but what every program needs. */
static int bare(void **state)
{
	(void)state;
	arena_reset(arena);
	(void)clearenv();
	(void)setenv("DATABASE_URL", "postgresql:///trivet", 1);
	(void)setenv("REDIS_URL", "redis://127.0.0.1:6379/0", 1);
	(void)setenv("TRIVET_KEY", KEY, 1);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	static const char *const names[] = {"trivet.conf", "BOT_TOKEN", "QUIZ_BOT_SECRET", "TRIVET_KEY", "SOMETHING", "LOG_LEVEL"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)unlink(path_of(names[i]));
	}
	(void)rmdir(path_of("THREADS"));
	return 0;
}

static struct config *load_ok(enum config_program program)
{
	struct config *config = NULL;
	struct str error = STR_ABSENT;
	enum status status = config_load(arena, program, &config, &error);
	if (status != OK) {
		fail_msg("refused: " STR_FMT, STR_ARG(error));
	}
	assert_non_null(config);
	return config;
}

/* The load is refused with a single line that begins so and holds `part`. */
static void check_refused(enum config_program program, const char *start, const char *part)
{
	struct config *config = NULL;
	struct str error = STR_ABSENT;
	assert_int_equal(config_load(arena, program, &config, &error), INVALID);
	assert_null(config);
	assert_true(str_present(error));
	assert_int_equal(str_find(error, '\n'), SIZE_MAX);
	if (!str_starts(error, str_from_z(start)) || memmem(error.ptr, error.len, part, strlen(part)) == NULL) {
		fail_msg("wanted \"%s...%s\", got: " STR_FMT, start, part, STR_ARG(error));
	}
}

static void use_file(const char *text)
{
	write_file("trivet.conf", str_from_z(text));
	(void)setenv("TRIVET_CONF", path_of("trivet.conf"), 1);
}

static void test_defaults(void **state)
{
	(void)state;
	struct config *config = load_ok(PROGRAM_CTL);
	assert_str(config->database_url.bytes, "postgresql:///trivet");
	assert_str(config->telegram_api_url, "https://api.telegram.org");
	assert_str(config->discord_api_url, "https://discord.com/api/v10");
	assert_str(config->run_dir, "/run/trivet");
	assert_int_equal(config->threads, 0);
	assert_true(config_threads(config) >= 2 && config_threads(config) <= CONFIG_THREADS_MAX);
	assert_int_equal(config->requests, 128);
	assert_int_equal(config->pg_connections, 8);
	assert_int_equal(config->redis_connections, 8);
	assert_int_equal(config->log_level, LOG_INFO);
	assert_false(config->development);
	assert_false(str_present(config->base_url));
	assert_false(str_present(config->listen));
	assert_int_equal(config->discord_guild_id, 0);
	assert_int_equal(config->bot_count, 0);
	config_close(config);
	config_close(NULL);
}

static void test_everything_from_the_environment(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{"BASE_URL", "http://127.0.0.1:8080/"}, {"WEBAPP_URL", "https://example.org/app//"}, {"TELEGRAM_API_URL", "http://localhost:9/tg/"},
		{"DISCORD_API_URL", "http://[::1]:9/api"}, {"BOT_TOKEN", "12345:AAbb_-9"}, {"BOT_SECRET", SECRET}, {"BOT_USERNAME", "trivet_bot"},
		{"QUIZ_BOT_TOKEN", "777:q"}, {"QUIZ_BOT_SECRET", SECRET "2"}, {"DISCORD_PUBLIC_KEY", PUBLIC_KEY}, {"DISCORD_BOT_TOKEN", "a.b-c_d"},
		{"DISCORD_APPLICATION_ID", "1152921504606846977"}, {"DISCORD_CLIENT_SECRET", "cs"}, {"DISCORD_GUILD_ID", "42"}, {"RUN_DIR", "/tmp/r"},
		{"LISTEN", "/tmp/s.sock"}, {"THREADS", "64"}, {"REQUESTS", "4096"},
		{"PG_CONNECTIONS", "64"}, {"REDIS_CONNECTIONS", "1"}, {"LOG_LEVEL", "debug"},
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		(void)setenv(pairs[i][0], pairs[i][1], 1);
	}
	struct config *config = load_ok(PROGRAM_TELEGRAM);
	assert_str(config->master_key.bytes, KEY);
	assert_str(config->base_url, "http://127.0.0.1:8080");
	assert_str(config->webapp_url, "https://example.org/app");
	assert_str(config->telegram_api_url, "http://localhost:9/tg");
	assert_str(config->discord_api_url, "http://[::1]:9/api");
	assert_int_equal(config->discord_public_key[0], 0xD7);
	assert_int_equal(config->discord_public_key[31], 0x1A);
	assert_str(config->discord_bot_token.bytes, "a.b-c_d");
	assert_true(config->discord_application_id == INT64_C(1152921504606846977));
	/* Left out, it is the application's. */
	assert_str(config->discord_client_id, "1152921504606846977");
	assert_str(config->discord_client_secret.bytes, "cs");
	assert_int_equal(config->discord_guild_id, 42);
	assert_str(config->run_dir, "/tmp/r");
	assert_str(config->listen, "/tmp/s.sock");
	assert_int_equal(config_threads(config), 64);
	assert_int_equal(config->requests, 4096);
	assert_int_equal(config->pg_connections, 64);
	assert_int_equal(config->redis_connections, 1);
	assert_int_equal(config->log_level, LOG_DEBUG);
	assert_int_equal(config->bot_count, 2);
	const struct config_bot *bot = config_bot_by_name(config, STR("main"));
	assert_non_null(bot);
	assert_str(bot->token.bytes, "12345:AAbb_-9");
	assert_str(bot->secret.bytes, SECRET);
	assert_str(bot->username, "trivet_bot");
	bot = config_bot_by_name(config, STR("quiz"));
	assert_non_null(bot);
	assert_str(bot->secret.bytes, SECRET "2");
	assert_false(str_present(bot->username));
	assert_null(config_bot_by_name(config, STR("discord")));
	assert_null(config_bot_by_name(config, STR("QUIZ")));
	config_close(config);
}

/* A key of the environment and what it must not be; the line must begin with the key and never show a secret. */
static void test_forms_refused(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
		bool shown;
	} rows[] = {
		{"DATABASE_URL", "mysql://hunter2@db/x", false}, {"DATABASE_URL", "postgresql://hunter2 @db/x", false},
		{"REDIS_URL", "http://hunter2@db/x", false}, {"REDIS_URL", "unix://relative/hunter2", false},
		{"TRIVET_KEY", "hunter2", false}, {"TRIVET_KEY", "hunter2-23456789012345678901234", false},
		{"BASE_URL", "example.org", true}, {"BASE_URL", "ftp://example.org", true}, {"BASE_URL", "https://", true},
		{"BASE_URL", "https:///x", true}, {"BASE_URL", "https://user@example.org", true}, {"BASE_URL", "https://example.org?x=1", true},
		{"BASE_URL", "https://example.org#x", true}, {"BASE_URL", "https://example.org:0", true}, {"BASE_URL", "https://example.org:65536", true},
		{"BASE_URL", "https://example.org:", true}, {"BASE_URL", "https://exam ple.org", true}, {"BASE_URL", "https://example.org/\"", true},
		{"BASE_URL", "https://[::1", true}, {"BASE_URL", "https://[::1]x", true}, {"BASE_URL", "HTTPS://example.org", true},
		{"WEBAPP_URL", "http://example.org", true}, {"WEBAPP_URL", "http://127.0.0.1.example.org", true},
		{"WEBAPP_URL", "http://localhost.example.org", true}, {"WEBAPP_URL", "http://localhost@example.org", true},
		{"WEBAPP_URL", "http://128.0.0.1", true}, {"WEBAPP_URL", "http://127.1", true}, {"WEBAPP_URL", "http://127.0.0.256", true},
		{"TELEGRAM_API_URL", "http://api.telegram.org", true}, {"DISCORD_API_URL", "http://discord.com/api/v10", true},
		{"DISCORD_PUBLIC_KEY", "d75a", true}, {"DISCORD_PUBLIC_KEY", PUBLIC_KEY "0", true},
		{"DISCORD_PUBLIC_KEY", "0000000000000000000000000000000000000000000000000000000000000000", true},
		{"DISCORD_PUBLIC_KEY", "0100000000000000000000000000000000000000000000000000000000000000", true},
		{"DISCORD_BOT_TOKEN", "hunter2 x", false}, {"DISCORD_BOT_TOKEN", "hunter2\r\nX-Evil: 1", false},
		{"DISCORD_APPLICATION_ID", "0", true}, {"DISCORD_APPLICATION_ID", "12x", true}, {"DISCORD_APPLICATION_ID", "9223372036854775808", true},
		{"DISCORD_CLIENT_ID", "-1", true}, {"DISCORD_CLIENT_SECRET", "hunter2\x7F", false}, {"DISCORD_GUILD_ID", "1.0", true},
		{"THREADS", "-1", true}, {"THREADS", "65", true}, {"THREADS", "many", true}, {"THREADS", "+1", true}, {"THREADS", " 1", false},
		{"REQUESTS", "0", true}, {"REQUESTS", "4097", true},
		{"PG_CONNECTIONS", "0", true}, {"PG_CONNECTIONS", "65", true}, {"REDIS_CONNECTIONS", "0", true}, {"REDIS_CONNECTIONS", "65", true},
		{"LOG_LEVEL", "loud", true}, {"LOG_LEVEL", "INFO", true}, {"DEVELOPMENT", "perhaps", true},
		{"BOT_TOKEN", "hunter2", false}, {"BOT_TOKEN", "12345:hunter2/../x", false}, {"BOT_TOKEN", "0:hunter2", false},
		{"BOT_TOKEN", "12345:", false}, {"BOT_SECRET", "hunter2", false}, {"BOT_SECRET", "hunter2 0123456789 0123456789 012345", false},
		{"BOT_USERNAME", "@trivet", true}, {"BOT_USERNAME", "a b", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)bare(NULL);
		(void)setenv("BOT_TOKEN", "12345:AA", 1);
		(void)setenv("BOT_SECRET", SECRET, 1);
		(void)setenv(rows[i].key, rows[i].value, 1);
		struct config *config = NULL;
		struct str error = STR_ABSENT;
		if (config_load(arena, PROGRAM_CTL, &config, &error) != INVALID) {
			fail_msg("%s=%s was taken", rows[i].key, rows[i].value);
		}
		assert_null(config);
		assert_true(str_starts(error, str_printf(arena, "%s: ", rows[i].key)));
		assert_int_equal(str_find(error, '\n'), SIZE_MAX);
		assert_non_null(memmem(error.ptr, error.len, "environment", 11));
		bool shown = memmem(error.ptr, error.len, rows[i].value, strlen(rows[i].value)) != NULL;
		assert_int_equal(shown, rows[i].shown);
		assert_null(memmem(error.ptr, error.len, "hunter2", 7));
	}
}

static void test_a_foreign_line_cannot_be_forged(void **state)
{
	(void)state;
	(void)setenv("THREADS", "1\nTRIVET_KEY: all is well\x1B[2J", 1);
	check_refused(PROGRAM_CTL, "THREADS: \"1 TRIVET_KEY: all is well[2J\"", "from 0 to 64");
}

static void test_lengths_of_the_key(void **state)
{
	(void)state;
	char key[300];
	for (size_t len = 31; len <= 257; len += len == 32 ? 224 : 1) {
		memset(key, 'k', sizeof(key));
		key[len] = '\0';
		(void)setenv("TRIVET_KEY", key, 1);
		if (len >= 32 && len <= 256) {
			config_close(load_ok(PROGRAM_CTL));
		} else {
			check_refused(PROGRAM_CTL, "TRIVET_KEY: the value (environment) is not", "openssl rand");
		}
	}
}

static bool is_of_a_bot(const char *key)
{
	static const char *const keys[] = {"BOT_TOKEN", "BOT_SECRET", "BOT_USERNAME", "QUIZ_BOT_TOKEN"};
	for (size_t i = 0; i < ARRAY_LEN(keys) && key != NULL; i++) {
		if (strcmp(key, keys[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void test_what_each_program_needs(void **state)
{
	(void)state;
	static const struct {
		enum config_program program;
		const char *missing; /* NULL: starts */
		const char *unset;
		const char *key, *value;
	} rows[] = {
		{PROGRAM_CTL, NULL, "REDIS_URL", NULL, NULL},
		{PROGRAM_CTL, "DATABASE_URL: missing: ", "DATABASE_URL", NULL, NULL},
		{PROGRAM_CTL, "TRIVET_KEY: missing: ", "TRIVET_KEY", NULL, NULL},
		{PROGRAM_API, NULL, NULL, NULL, NULL},
		{PROGRAM_API, "REDIS_URL: missing: ", "REDIS_URL", NULL, NULL},
		{PROGRAM_TELEGRAM, "BOT_SECRET: missing: ", NULL, NULL, NULL},
		{PROGRAM_TELEGRAM, "BOT_SECRET: missing, so bot \"main\" cannot start: ", NULL, "BOT_TOKEN", "1:a"},
		/* It receives only: the token is the worker's. */
		{PROGRAM_TELEGRAM, NULL, NULL, "BOT_SECRET", SECRET},
		{PROGRAM_WORKER, "BOT_TOKEN: missing, so bot \"main\" cannot start: ", NULL, "BOT_SECRET", SECRET},
		{PROGRAM_CTL, "BOT_SECRET: missing, so bot \"main\" cannot start: ", NULL, "BOT_TOKEN", "1:a"},
		{PROGRAM_TELEGRAM, "QUIZ_BOT_SECRET: missing, so bot \"quiz\" cannot start: ", NULL, "QUIZ_BOT_TOKEN", "1:a"},
		{PROGRAM_WORKER, NULL, NULL, "QUIZ_BOT_TOKEN", "1:a"},
		/* A program that writes only links to a bot needs its username alone. */
		{PROGRAM_DISCORD, "DISCORD_PUBLIC_KEY: missing: ", NULL, "BOT_USERNAME", "trivet_bot"},
		{PROGRAM_API, NULL, NULL, "BOT_USERNAME", "trivet_bot"},
		{PROGRAM_API, NULL, NULL, "BOT_TOKEN", "1:a"},
		{PROGRAM_WORKER, NULL, NULL, NULL, NULL},
		{PROGRAM_WORKER, "DISCORD_BOT_TOKEN: missing while DISCORD_APPLICATION_ID is set: ", NULL, "DISCORD_APPLICATION_ID", "5"},
		{PROGRAM_SITE, "BASE_URL: missing: ", NULL, NULL, NULL},
		{PROGRAM_DESK, "BASE_URL: missing: ", NULL, NULL, NULL},
		{PROGRAM_SITE, NULL, NULL, "BASE_URL", "https://example.org"},
		{PROGRAM_DISCORD, "DISCORD_PUBLIC_KEY: missing: ", NULL, "DISCORD_APPLICATION_ID", "5"},
		{PROGRAM_DISCORD, "DISCORD_APPLICATION_ID: missing: ", NULL, "DISCORD_PUBLIC_KEY", PUBLIC_KEY},
		/* Empty counts as not given: nothing fails open on `BOT_SECRET=`. */
		{PROGRAM_CTL, "TRIVET_KEY: missing: ", NULL, "TRIVET_KEY", ""},
		{PROGRAM_TELEGRAM, "BOT_SECRET: missing: ", NULL, "BOT_SECRET", ""},
		{PROGRAM_CTL, NULL, NULL, "THREADS", ""},
		/* Not ours, however it ends. */
		{PROGRAM_CTL, NULL, NULL, "slack_BOT_TOKEN", "x"},
		{PROGRAM_CTL, NULL, NULL, "XBOT_TOKEN", "x"},
		{PROGRAM_CTL, NULL, NULL, "DISCORD_BOT_SECRET", "x"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)bare(NULL);
		if (rows[i].unset != NULL) {
			(void)unsetenv(rows[i].unset);
		}
		if (rows[i].key != NULL) {
			(void)setenv(rows[i].key, rows[i].value, 1);
		}
		if (rows[i].missing != NULL) {
			check_refused(rows[i].program, rows[i].missing, "");
			continue;
		}
		struct config *config = load_ok(rows[i].program);
		assert_int_equal(config->bot_count, is_of_a_bot(rows[i].key) ? 1 : 0);
		config_close(config);
	}
}

static void test_development(void **state)
{
	(void)state;
	(void)setenv("DEVELOPMENT", "yes", 1);
#ifdef TRIVET_DEVELOPMENT
	struct config *config = load_ok(PROGRAM_CTL);
	assert_true(config->development);
	config_close(config);
#else
	check_refused(PROGRAM_CTL, "DEVELOPMENT: \"yes\" (environment) is not no", "");
	(void)setenv("DEVELOPMENT", "no", 1);
	config_close(load_ok(PROGRAM_CTL));
#endif
}

static void test_file(void **state)
{
	(void)state;
	use_file("\xEF\xBB\xBF# a comment\n; another\n\n[trivet]\nthreads = 7\r\nlog_level: error\nredis_url =redis://h:1/0?x=a;b "
	         ";c\nrun_dir = /a b\n"
	         "bot_username = main_bot\n"
	         "[telegram.main]\ntoken = 1:a\nsecret = " SECRET "\n"
	         "[telegram.quiz_2]\ntoken = 2:b\nsecret = " SECRET "\nusername = q\n[trivet]\nlisten = /s\n  pg_connections = 3");
	(void)unsetenv("REDIS_URL");
	/* The environment has the last word. */
	(void)setenv("LOG_LEVEL", "warning", 1);
	(void)setenv("QUIZ_2_BOT_TOKEN", "3:c", 1);
	struct config *config = NULL;
	struct str error = STR_ABSENT;
	/* " ;c" is not cut off as a comment: the value is refused for its space instead of being silently another. */
	assert_int_equal(config_load(arena, PROGRAM_TELEGRAM, &config, &error), INVALID);
	assert_true(str_starts(error, STR("REDIS_URL: the value (line 7 of ")));
	(void)setenv("REDIS_URL", "redis://h:1/0", 1);
	config = load_ok(PROGRAM_TELEGRAM);
	assert_int_equal(config->threads, 7);
	/* Indented, it is still a setting and not a second line of the one above. */
	assert_str(config->listen, "/s");
	assert_int_equal(config->pg_connections, 3);
	assert_int_equal(config->log_level, LOG_WARNING);
	assert_str(config->run_dir, "/a b");
	assert_int_equal(config->bot_count, 2);
	assert_str(config_bot_by_name(config, STR("main"))->username, "main_bot");
	assert_str(config_bot_by_name(config, STR("quiz_2"))->token.bytes, "3:c");
	assert_str(config_bot_by_name(config, STR("quiz_2"))->secret.bytes, SECRET);
	config_close(config);
}

static void test_long_values(void **state)
{
	(void)state;
	/* libinih's own buffer ends at 200 bytes: a longer key must come through whole, or be refused. */
	struct str key = str_printf(arena, "%0256d", 7);
	use_file(str_z(arena, str_printf(arena, "[trivet]\ntrivet_key = " STR_FMT "\n", STR_ARG(key))));
	(void)unsetenv("TRIVET_KEY");
	struct config *config = load_ok(PROGRAM_CTL);
	assert_true(str_eq(config->master_key.bytes, key));
	config_close(config);
	use_file(str_z(arena, str_printf(arena, "[trivet]\n\nrun_dir = %05000d\n", 7)));
	check_refused(PROGRAM_CTL, "TRIVET_CONF: line 3 of ", "is longer than");
}

static void test_file_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"threads = 1\n", "line 1 of "},
		{"[trivet]\n\nthread = 1\n", "line 3 of "},
		{"[trivet]\nthread = 1\n", "unknown key \"thread\" in [trivet]"},
		{"[trivet]\nTHREADS = 1\n", "unknown key \"THREADS\""},
		{"[trivet]\nquiz_bot_token = 1:a\n", "unknown key"},
		{"[trivat]\nthreads = 1\n", "unknown section [trivat]"},
		{"[telegram]\ntoken = 1:a\n", "unknown section [telegram]"},
		{"[telegram.]\ntoken = 1:a\n", "unknown section"},
		{"[telegram.Quiz]\ntoken = 1:a\n", "unknown section"},
		{"[telegram.a-b]\ntoken = 1:a\n", "unknown section"},
		{"[telegram.a23456789012345678901234567890123]\ntoken = 1:a\n", "unknown section"},
		{"[telegram.main]\npassword = x\n", "unknown key \"password\" in [telegram.main]"},
		{"[trivet]\nthreads = 1\nthreads = 1\n", "line 3 of "},
		{"[trivet]\nthreads = 1\nthreads = 2\n", "gives \"threads\" again, after line 2"},
		{"[trivet]\nthreads\n", "line 2 of "},
		{"[trivet\nthreads = 1\n", "line 1 of "},
		{"[trivet]\nrun_dir = a\xFF\n", "is not UTF-8"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		use_file(rows[i].text);
		check_refused(PROGRAM_CTL, "TRIVET_CONF: ", rows[i].part);
	}
	write_file("trivet.conf", STR("[trivet]\nrun_dir = a\0b\n"));
	check_refused(PROGRAM_CTL, "TRIVET_CONF: ", "is not UTF-8");
	/* A wrong value names its line. */
	use_file("[trivet]\nthreads = 999\n");
	check_refused(PROGRAM_CTL, "THREADS: \"999\" (line 2 of ", "from 0 to 64");
}

static void test_file_missing(void **state)
{
	(void)state;
	(void)setenv("TRIVET_CONF", path_of("none.conf"), 1);
	check_refused(PROGRAM_CTL, "TRIVET_CONF: ", "does not exist");
	(void)setenv("TRIVET_CONF", directory, 1);
	check_refused(PROGRAM_CTL, "TRIVET_CONF: ", "cannot be read");
	/* Too large to be settings. */
	struct buf text = buf_init(arena, (size_t)1024 * 1024);
	while (text.len < (size_t)300 * 1024) {
		buf_add(&text, STR("# comment comment comment comment comment\n"));
	}
	write_file("trivet.conf", buf_str(&text));
	(void)setenv("TRIVET_CONF", path_of("trivet.conf"), 1);
	check_refused(PROGRAM_CTL, "TRIVET_CONF: ", "shorten it");
}

static void test_too_many_bots(void **state)
{
	(void)state;
	struct buf text = buf_init(arena, (size_t)64 * 1024);
	for (int i = 0; i < CONFIG_BOTS_MAX; i++) {
		buf_printf(&text, "[telegram.b%d]\ntoken = 1:a\nsecret = " SECRET "\n", i);
	}
	use_file(str_z(arena, buf_str(&text)));
	struct config *config = load_ok(PROGRAM_TELEGRAM);
	assert_int_equal(config->bot_count, CONFIG_BOTS_MAX);
	config_close(config);
	buf_add(&text, STR("[telegram.more]\ntoken = 1:a\n"));
	use_file(str_z(arena, buf_str(&text)));
	check_refused(PROGRAM_TELEGRAM, "BOT_TOKEN: more than 32", "");
}

static void test_credentials(void **state)
{
	(void)state;
	(void)setenv("CREDENTIALS_DIRECTORY", directory, 1);
	(void)unsetenv("TRIVET_KEY");
	use_file("[telegram.main]\ntoken = 1:fromfile\nsecret = " SECRET "\n[telegram.quiz]\ntoken = 2:b\n");
	/* One newline is the editor's, a second one is the operator's mistake and part of the value. */
	write_file("TRIVET_KEY", STR(KEY "\n"));
	write_file("BOT_TOKEN", STR("1:fromcredential\n"));
	write_file("QUIZ_BOT_SECRET", STR(SECRET));
	write_file("SOMETHING", STR("else"));
	struct config *config = load_ok(PROGRAM_TELEGRAM);
	assert_str(config->master_key.bytes, KEY);
	assert_str(config_bot_by_name(config, STR("main"))->token.bytes, "1:fromcredential");
	assert_str(config_bot_by_name(config, STR("quiz"))->secret.bytes, SECRET);
	config_close(config);
	(void)setenv("BOT_TOKEN", "1:fromenvironment", 1);
	config = load_ok(PROGRAM_TELEGRAM);
	assert_str(config_bot_by_name(config, STR("main"))->token.bytes, "1:fromenvironment");
	config_close(config);
	(void)unsetenv("BOT_TOKEN");
	write_file("BOT_TOKEN", STR("1:hunter2\n\n"));
	check_refused(PROGRAM_TELEGRAM, "BOT_TOKEN: the value (credential) is not", "");
}

static void test_credentials_refused(void **state)
{
	(void)state;
	(void)setenv("CREDENTIALS_DIRECTORY", directory, 1);
	assert_int_equal(mkdir(path_of("THREADS"), 0700), 0);
	check_refused(PROGRAM_CTL, "THREADS: the credential cannot be read", "LoadCredential");
	assert_int_equal(rmdir(path_of("THREADS")), 0);
	write_file("LOG_LEVEL", str_printf(arena, "%020000d", 1));
	check_refused(PROGRAM_CTL, "LOG_LEVEL: the credential is over", "");
	(void)setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
	check_refused(PROGRAM_CTL, "CREDENTIALS_DIRECTORY: ", "LoadCredential");
}

static bool contains(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void test_print(void **state)
{
	(void)state;
	use_file("[trivet]\nthreads = 7\n[telegram.quiz]\ntoken = 2:hunter2\nsecret = " SECRET "\n");
	(void)setenv("DATABASE_URL", "postgresql://trivet:hunter2@db/x", 1);
	struct config *config = load_ok(PROGRAM_TELEGRAM);
	struct str text = config_print(arena, config);
	assert_true(contains(text, "THREADS=7  # file\n"));
	assert_true(contains(text, "DATABASE_URL=(set)  # environment\n"));
	assert_true(contains(text, "LOG_LEVEL=info  # default\n"));
	assert_true(contains(text, "BASE_URL=  # not set\n"));
	assert_true(contains(text, "QUIZ_BOT_TOKEN=(set)  # file\n"));
	assert_true(contains(text, "QUIZ_BOT_USERNAME=  # not set\n"));
	assert_false(contains(text, "hunter2"));
	assert_false(contains(text, KEY));
	assert_false(contains(text, SECRET));
	config_close(config);
}

static void test_sample_can_be_loaded(void **state)
{
	(void)state;
	/* As it is, and with every default uncommented: what the sample shows is a file that the program takes. */
	struct str sample = config_document_sample(arena);
	use_file(str_z(arena, sample));
	config_close(load_ok(PROGRAM_CTL));
	struct buf open = buf_init(arena, (size_t)64 * 1024);
	struct str rest = sample;
	while (str_present(rest)) {
		struct str line = str_split(&rest, '\n');
		bool setting = str_starts(line, STR("#")) && !str_starts(line, STR("# ")) && !str_starts(line, STR("#[telegram"));
		bool bot = str_starts(line, STR("#token")) || str_starts(line, STR("#secret")) || str_starts(line, STR("#username"));
		buf_add(&open, setting && !bot ? str_cut(line, 1, SIZE_MAX) : line);
		buf_add_byte(&open, '\n');
	}
	use_file(str_z(arena, buf_str(&open)));
	config_close(load_ok(PROGRAM_CTL));
	struct str markdown = config_document_markdown(arena);
	assert_true(contains(markdown, "| `THREADS` | a whole number from 0 to 64 | `0` |"));
	assert_true(contains(markdown, "| `BOT_SECRET` | `secret` |"));
}

static void test_out_of_memory_for_the_words(void **state)
{
	(void)state;
	(void)unsetenv("TRIVET_KEY");
	struct arena *small = arena_new(8);
	struct config *config = NULL;
	struct str error = STR_ABSENT;
	assert_int_equal(config_load(small, PROGRAM_CTL, &config, &error), TOO_LARGE);
	assert_null(config);
	assert_false(str_present(error));
	arena_free(small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bare, remove_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_everything_from_the_environment),
		TEST(test_forms_refused),
		TEST(test_a_foreign_line_cannot_be_forged),
		TEST(test_lengths_of_the_key),
		TEST(test_what_each_program_needs),
		TEST(test_development),
		TEST(test_file),
		TEST(test_long_values),
		TEST(test_file_refused),
		TEST(test_file_missing),
		TEST(test_too_many_bots),
		TEST(test_credentials),
		TEST(test_credentials_refused),
		TEST(test_print),
		TEST(test_sample_can_be_loaded),
		TEST(test_out_of_memory_for_the_words),
	};
	return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
