/* Fuzzes the settings file: a load succeeds with a config that holds its promises, or complains in one clean line. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/utf.h"
#include "io/config.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file, in memory; made once. */
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	char path[64];
	file = memfd_create("settings", MFD_CLOEXEC);
	if (file < 0 || crypto_setup() != OK) {
		abort();
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	(void)setenv("TRIVET_CONF", path, 1);
	(void)setenv("DATABASE_URL", "postgresql:///trivet", 1);
	(void)setenv("TRIVET_KEY", "0123456789abcdef0123456789abcdef", 1);
	return 0;
}

static void check_config(struct arena *arena, const struct config *config)
{
	assert(config->threads >= 0 && config->threads <= CONFIG_THREADS_MAX);
	assert(config->requests >= 1 && config->requests <= 4096);
	assert(config->pg_connections >= 1 && config->pg_connections <= 64);
	assert(config->bot_count <= CONFIG_BOTS_MAX);
	for (size_t i = 0; i < config->bot_count; i++) {
		const struct config_bot *bot = &config->bots[i];
		/* A bot without its secret would take anybody's webhook. */
		assert(bot->secret.bytes.len >= 32 && bot->secret.bytes.len <= 256 && bot->token.bytes.len > 0);
		assert(config_bot_by_name(config, bot->name) == bot);
	}
	assert(str_present(config_print(arena, config)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) {
		abort();
	}
	struct arena *arena = arena_new(ARENA_REQUEST_LIMIT);
	assert(arena != NULL);
	struct config *config = NULL;
	struct str error = STR_ABSENT;
	enum status status = config_load(arena, PROGRAM_CTL, &config, &error);
	if (status == OK) {
		check_config(arena, config);
		config_close(config);
	} else {
		assert(status == INVALID && config == NULL);
		assert(str_present(error) && str_find(error, '\n') == SIZE_MAX && str_find(error, ':') != SIZE_MAX);
	}
	arena_free(arena);
	return 0;
}
