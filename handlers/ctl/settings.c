/* trivet config, clock, bot list */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/parse.h"
#include "ctl.h"

/* A hundred years either way. */
#define OFFSET_MAX (INT64_C(100) * 366 * 86400)

static enum ctl_exit print_document(struct ctl *ctl, struct str form)
{
	struct str text;
	if (str_eq(form, STR("markdown"))) {
		text = config_document_markdown(ctl->ctx.arena);
	} else if (str_eq(form, STR("sample"))) {
		text = config_document_sample(ctl->ctx.arena);
	} else {
		return ctl_misused(ctl, "a document is markdown or sample, not \"" STR_FMT "\"", STR_ARG(form));
	}
	ctl_print(text);
	return str_present(text) ? CTL_DONE : ctl_fail(ctl, "out of memory");
}

/* Takes "  # source" off the end of a line; absent when there is none. */
static struct str take_source(struct str *value)
{
	struct str mark = STR("  # ");
	for (size_t at = value->len; at-- > 0;) {
		if (str_starts(str_cut(*value, at, mark.len), mark)) {
			struct str source = str_cut(*value, at + mark.len, value->len);
			*value = str_cut(*value, 0, at);
			return source;
		}
	}
	return STR_ABSENT;
}

/* `KEY=value  # source` lines as a list for --json. */
static enum ctl_exit print_settings(struct ctl *ctl, struct str lines)
{
	static const char *const columns[] = {"key", "value", "source", NULL};
	struct json *array = json_array();
	if (!ctl->json) {
		ctl_print(lines);
		return CTL_DONE;
	}
	while (str_present(lines)) {
		struct str value = str_split(&lines, '\n');
		struct str key = str_split(&value, '=');
		if (key.len > 0 && str_present(value)) {
			struct json *row = json_set_str(json_object(), "key", key);
			struct str source = take_source(&value);
			row = json_set_str(row, "value", value);
			array = json_append(array, json_set_str(row, "source", source));
		}
	}
	return ctl_list(ctl, columns, array);
}

enum ctl_exit run_config(struct ctl *ctl)
{
	struct str form = ctl_value(ctl, "--document");
	struct config *config = NULL;
	struct str error = STR_ABSENT;
	if (str_present(form)) {
		return print_document(ctl, form);
	}
	if (config_load(ctl->ctx.arena, ctl_given(ctl, "--check") ? PROGRAM_ALL : PROGRAM_CTL, &config, &error) != OK) {
		return ctl_fail(ctl, STR_FMT, STR_ARG(error));
	}
	enum ctl_exit answer = ctl_given(ctl, "--check") ? ctl_done(ctl, "the settings are complete and well formed")
	                                                  : print_settings(ctl, config_print(ctl->ctx.arena, config));
	config_close(config);
	return answer;
}

/* ---- the development clock --------------------------------------------------------------------------------------------------- */

static enum ctl_exit write_offset(struct ctl *ctl, int64_t seconds)
{
	struct str run_dir = ctl->app->config->run_dir;
	struct str text = str_printf(ctl->ctx.arena, "%lld\n", (long long)seconds);
	const char *path = str_z(ctl->ctx.arena, str_printf(ctl->ctx.arena, STR_FMT "/clock", STR_ARG(run_dir)));
	const char *fresh = str_z(ctl->ctx.arena, str_printf(ctl->ctx.arena, STR_FMT "/clock.new", STR_ARG(run_dir)));
	int fd = path == NULL || fresh == NULL ? -1 : open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		return ctl_fail(ctl, "could not write the clock's file in RUN_DIR: is RUN_DIR right, and may you write there?");
	}
	/* Renamed into place: a program that reads meanwhile sees the old number or the new one. */
	bool written = write(fd, text.ptr, text.len) == (ssize_t)text.len;
	written = close(fd) == 0 && written;
	if (!written || rename(fresh, path) != 0) {
		return ctl_fail(ctl, "could not write the clock's file in RUN_DIR: is the disk full?");
	}
	return CTL_DONE;
}

enum ctl_exit run_clock(struct ctl *ctl)
{
#ifdef TRIVET_DEVELOPMENT
	bool development = ctl->app->config->development;
#else
	bool development = false;
#endif
	int64_t seconds = 0;
	if (!development || str_empty(ctl->app->config->run_dir)) {
		return ctl_fail(ctl, "the clock can only be moved in a development stack (make up)");
	}
	if (ctl->word_count == 1) {
		struct str word = ctl->words[0];
		struct str digits = str_starts(word, STR("+")) ? str_cut(word, 1, word.len) : word;
		if (parse_i64(digits, -OFFSET_MAX, OFFSET_MAX, &seconds) != OK) {
			return ctl_misused(ctl, "\"" STR_FMT "\" is no number of seconds", STR_ARG(word));
		}
		enum ctl_exit written = write_offset(ctl, seconds);
		if (written != CTL_DONE) {
			return written;
		}
	}
	struct app *app = ctl->app;
	int64_t now = ctl->word_count == 1 ? ctl->wall_now + seconds * SECOND_US : app_now(app);
	struct json *answer = json_set_i64(json_object(), "offset", (now - ctl->wall_now) / SECOND_US);
	return ctl_object(ctl, json_set_time(ctl->ctx.arena, answer, "now", now));
}

/* ---- bots -------------------------------------------------------------------------------------------------------------------- */

enum ctl_exit run_bot_list(struct ctl *ctl)
{
	static const char *const columns[] = {"platform", "bot", "username", "token", "webhook", NULL};
	const struct config *config = ctl->app->config;
	struct arena *arena = ctl->ctx.arena;
	struct json *array = json_array();
	for (size_t i = 0; i < config->bot_count; i++) {
		const struct config_bot *bot = &config->bots[i];
		struct json *row = json_set_str(json_object(), "platform", STR("telegram"));
		row = json_set_str(row, "bot", bot->name);
		row = json_set_str(row, "username", bot->username);
		row = json_set_str(row, "token", str_empty(bot->token.bytes) ? STR("missing") : STR("set"));
		array = json_append(array, json_set_str(row, "webhook",
		                                        str_printf(arena, STR_FMT "/telegram/" STR_FMT, STR_ARG(config->base_url),
		                                                   STR_ARG(bot->name))));
	}
	if (config->discord_application_id != 0 || !str_empty(config->discord_bot_token.bytes)) {
		struct json *row = json_set_str(json_object(), "platform", STR("discord"));
		row = json_set_str(row, "bot", STR("discord"));
		row = json_set_str(row, "username", STR_ABSENT);
		row = json_set_str(row, "token", str_empty(config->discord_bot_token.bytes) ? STR("missing") : STR("set"));
		array = json_append(array, json_set_str(row, "webhook",
		                                        str_printf(arena, STR_FMT "/discord/interactions", STR_ARG(config->base_url))));
	}
	return ctl_list(ctl, columns, array);
}
