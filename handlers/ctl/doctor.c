/* trivet doctor: a line per check, in words that say the remedy (contract.md 5). */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "ctl.h"
#include "io/cache.h"
#include "io/crypto.h"
#include "platform/platform.h"
#include "service/applying.h"
#include "service/migration.h"
#include "service/operator.h"
#include "service/seasons.h"
#include "store/statements.h"

#define HTTP_OK 200
#define HTTP_FORBIDDEN 403
#define CHECK_US (5 * SECOND_US)
/* More than this from the database's clock and codes expire at the wrong time. */
#define CLOCK_SKEW_MAX_US (5 * SECOND_US)
/* A worker closes a season within seconds; a large one within minutes. */
#define SEASON_OVERDUE_MAX_US HOUR_US
/* Events wait a second at most; a minute means that nobody applies them. */
#define LAG_MAX_US MINUTE_US

enum verdict {
	VERDICT_UNSET = 0,
	VERDICT_OK,
	VERDICT_WARNING, /* works, but not as it should */
	VERDICT_WRONG,
	VERDICT_COUNT
};

struct doctor {
	struct ctl *ctl;
	struct json *lines;
	bool wrong;
};

static void tell(struct doctor *doctor, struct str check, enum verdict verdict, struct str words)
{
	static const struct str names[VERDICT_COUNT] = {
		[VERDICT_UNSET] = STR_INIT("?"),
		[VERDICT_OK] = STR_INIT("ok"),
		[VERDICT_WARNING] = STR_INIT("warning"),
		[VERDICT_WRONG] = STR_INIT("wrong"),
	};
	struct json *line = json_set_str(json_object(), "check", check);
	line = json_set_str(line, "verdict", names[verdict]);
	doctor->lines = json_append(doctor->lines, json_set_str(line, "words", words));
	doctor->wrong = doctor->wrong || verdict == VERDICT_WRONG;
}

static int64_t soon(void)
{
	return clock_monotonic_us() + CHECK_US;
}

/* ---- stores ------------------------------------------------------------------------------------------------------------------ */

static void check_database(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct pg_conn *conn = NULL;
	struct pg_rows *rows;
	struct pg_params none = pg_params(ctl->ctx.arena);
	if (pg_take(ctl->app->pg, soon(), &conn) != OK) {
		struct str why = pg_pool_error(ctl->app->pg, ctl->ctx.arena);
		tell(doctor, STR("database"), VERDICT_WRONG,
		     str_printf(ctl->ctx.arena, "could not connect (" STR_FMT "): start PostgreSQL and look at DATABASE_URL",
		                STR_ARG(why)));
		return;
	}
	enum status status = pg_query(conn, ctl->ctx.arena,
	                              "SELECT pg_catalog.clock_timestamp(), pg_catalog.current_setting('server_version')", &none, &rows);
	int64_t skew = status == OK ? pg_time(rows, 0, 0) - clock_wall_us() : 0;
	struct str version = status == OK ? pg_str(rows, 0, 1) : STR_ABSENT;
	pg_give(conn);
	if (status != OK) {
		tell(doctor, STR("database"), VERDICT_WRONG, STR("connected, but it does not answer a query: look at its log"));
		return;
	}
	tell(doctor, STR("database"), VERDICT_OK, str_printf(ctl->ctx.arena, "PostgreSQL " STR_FMT, STR_ARG(version)));
	bool apart = skew > CLOCK_SKEW_MAX_US || skew < -CLOCK_SKEW_MAX_US;
	tell(doctor, STR("clock"), apart ? VERDICT_WRONG : VERDICT_OK,
	     apart ? str_printf(ctl->ctx.arena,
	                        "the database's clock is %lld s apart from this host's: run chrony or systemd-timesyncd on both",
	                        (long long)(skew / SECOND_US))
	           : STR("within 5 s of the database's"));
}

static void check_migrations(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct migration_row *rows;
	size_t count;
	size_t known;
	size_t pending = 0;
	size_t edited = 0;
	const struct migration *table = migration_table(&known);
	ctl->ctx.deadline = soon();
	if (migration_status(&ctl->ctx, table, known, &rows, &count) != OK) {
		tell(doctor, STR("migrations"), VERDICT_WRONG, STR("could not be read: mend the database first"));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		pending += rows[i].state == MIGRATION_PENDING ? 1 : 0;
		edited += rows[i].state == MIGRATION_EDITED ? 1 : 0;
	}
	if (edited > 0) {
		tell(doctor, STR("migrations"), VERDICT_WRONG, STR("an applied file was edited: see trivet migrate --status, restore it"));
	} else if (pending > 0) {
		tell(doctor, STR("migrations"), VERDICT_WRONG, str_printf(ctl->ctx.arena, "%zu are pending: run trivet migrate", pending));
	} else {
		tell(doctor, STR("migrations"), VERDICT_OK, str_printf(ctl->ctx.arena, "%zu applied", count));
	}
}

static void check_season(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct season_now season = {0};

	ctl->ctx.deadline = soon();
	if (seasons_now(&ctl->ctx, &season) != OK) {
		tell(doctor, STR("season"), VERDICT_WRONG, STR("could not be read: mend the database first"));
		return;
	}
	struct str ended = format_rfc3339(ctl->ctx.arena, season.ends_at);

	if (season.overdue > SEASON_OVERDUE_MAX_US) {
		tell(doctor, STR("season"), VERDICT_WRONG,
		     str_printf(ctl->ctx.arena,
		                "season %lld is over since " STR_FMT " and not closed: start trivet-worker, or run trivet season close",
		                (long long)season.no, STR_ARG(ended)));
	} else if (season.overdue > 0) {
		tell(doctor, STR("season"), VERDICT_OK, str_printf(ctl->ctx.arena, "season %lld is being closed", (long long)season.no));
	} else {
		tell(doctor, STR("season"), VERDICT_OK,
		     str_printf(ctl->ctx.arena, "season %lld runs until " STR_FMT, (long long)season.no, STR_ARG(ended)));
	}
}

static void check_redis(struct doctor *doctor)
{
	struct cache *cache = NULL;
	struct str url = doctor->ctl->app->config->redis_url.bytes;
	if (str_empty(url)) {
		tell(doctor, STR("redis"), VERDICT_WRONG, STR("REDIS_URL is not set: link codes cannot be issued"));
		return;
	}
	bool ready = cache_open(url, 1, &cache) == OK && cache_ready(cache, soon()) == OK;
	cache_close(cache);
	tell(doctor, STR("redis"), ready ? VERDICT_OK : VERDICT_WRONG,
	     ready ? STR("answers")
	           : STR("does not answer: start it and look at REDIS_URL; until then codes are neither issued nor redeemed"));
}

/* ---- what grows -------------------------------------------------------------------------------------------------------------- */

static struct str partition_words(struct arena *arena, struct str parent, struct str fault, struct str detail)
{
	if (str_eq(fault, STR("missing"))) {
		return str_printf(arena, STR_FMT " has no partition for " STR_FMT ": run trivet migrate, and see whether a worker runs",
		                  STR_ARG(parent), STR_ARG(detail));
	}
	if (str_eq(fault, STR("default"))) {
		return str_printf(arena, STR_FMT " has a default partition, " STR_FMT ": what is in it is never folded or dropped; move its rows, "
		                         "detach it", STR_ARG(parent), STR_ARG(detail));
	}
	return str_printf(arena, STR_FMT " still has the day " STR_FMT " as it was: does a worker run? Its log says event=upkeep and why",
	                  STR_ARG(parent), STR_ARG(detail));
}

static void check_partitions(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct pg_params params = pg_params(ctl->ctx.arena);
	struct pg_rows *rows;
	pg_add_time(&params, ctl->ctx.now);
	ctl->ctx.deadline = soon();
	if (operator_report(&ctl->ctx, SQL_UPKEEP_FAULTS, &params, &rows) != OK) {
		tell(doctor, STR("partitions"), VERDICT_WRONG, STR("could not be read: run trivet migrate"));
		return;
	}
	for (int i = 0; i < pg_row_count(rows); i++) {
		struct str fault = pg_str(rows, i, 1);
		tell(doctor, STR("partitions"), str_eq(fault, STR("missing")) ? VERDICT_WRONG : VERDICT_WARNING,
		     partition_words(ctl->ctx.arena, pg_str(rows, i, 0), fault, pg_str(rows, i, 2)));
	}
	if (pg_row_count(rows) == 0) {
		tell(doctor, STR("partitions"), VERDICT_OK, STR("made ahead; old days are folded and dropped"));
	}
}

static void check_lag(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct applying_load load = {0};
	ctl->ctx.deadline = soon();
	if (applying_look(&ctl->ctx, &load) != OK) {
		tell(doctor, STR("events"), VERDICT_WRONG, STR("the queue could not be read: run trivet migrate"));
		return;
	}
	bool late = load.lag > LAG_MAX_US;
	tell(doctor, STR("events"), late ? VERDICT_WRONG : VERDICT_OK,
	     late ? str_printf(ctl->ctx.arena, "the oldest waits for %lld s: does a worker run? systemctl status trivet-worker",
	                       (long long)(load.lag / SECOND_US))
	          : STR("are applied as they come"));
	if (load.aside > 0) {
		tell(doctor, STR("events set aside"), VERDICT_WARNING,
		     str_printf(ctl->ctx.arena, "%lld failed five times: trivet outbox list --events says why; when that is mended, "
		                                "trivet outbox retry --events --all", (long long)load.aside));
	}
}

static void tell_count(struct doctor *doctor, struct str check, int64_t count, const char *words)
{
	if (count > 0) {
		tell(doctor, check, VERDICT_WARNING, str_printf(doctor->ctl->ctx.arena, "%lld since yesterday: %s", (long long)count, words));
	}
}

static void check_troubles(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct pg_params params = pg_params(ctl->ctx.arena);
	struct pg_rows *rows;
	pg_add_time(&params, ctl->ctx.now - DAY_US);
	ctl->ctx.deadline = soon();
	if (operator_report(&ctl->ctx, SQL_UPKEEP_TROUBLES, &params, &rows) != OK) {
		return; /* check_partitions() has said so */
	}
	tell_count(doctor, STR("events rejected"), pg_i64(rows, 0, 0),
	           "they changed nothing; trivet outbox list --events says why; send right ones under new keys");
	tell_count(doctor, STR("updates set aside"), pg_i64(rows, 0, 1), "trivet outbox list --updates says why");
	bool seen = pg_bool(rows, 0, 3);
	tell(doctor, STR("deadlock_timeout"), seen ? VERDICT_OK : VERDICT_WRONG,
	     seen ? STR("below our lock_timeout")
	          : str_printf(ctl->ctx.arena, "is " STR_FMT ", and our sessions wait 500 ms for a lock: a deadlock looks like a wait and is not "
	                                       "run again; set it to 200ms in postgresql.conf and reload", STR_ARG(pg_str(rows, 0, 2))));
}

/* ---- platforms --------------------------------------------------------------------------------------------------------------- */

static void check_token(struct doctor *doctor, const struct config_bot *bot)
{
	struct arena *arena = doctor->ctl->ctx.arena;
	struct str check = str_printf(arena, "telegram " STR_FMT " token", STR_ARG(bot->name));
	struct ctl_answer answer = ctl_telegram(doctor->ctl, bot->name, "getMe", STR_ABSENT);
	struct str username;
	if (!answer.answered) {
		tell(doctor, check, VERDICT_WRONG, str_printf(arena, "getMe: " STR_FMT, STR_ARG(answer.words)));
	} else if (json_get_str(json_get(answer.body, "result"), "username", &username) != OK) {
		tell(doctor, check, VERDICT_WRONG,
		     str_printf(arena, "getMe refuses the token (" STR_FMT "): take it from @BotFather again", STR_ARG(answer.words)));
	} else if (!str_empty(bot->username) && !str_eq_nocase(username, bot->username)) {
		tell(doctor, check, VERDICT_WRONG,
		     str_printf(arena, "the token is @" STR_FMT "'s, but the settings say @" STR_FMT, STR_ARG(username),
		                STR_ARG(bot->username)));
	} else {
		tell(doctor, check, VERDICT_OK, str_printf(arena, "accepted by getMe: @" STR_FMT, STR_ARG(username)));
	}
}

static void check_webhook(struct doctor *doctor, const struct config_bot *bot)
{
	struct arena *arena = doctor->ctl->ctx.arena;
	struct str check = str_printf(arena, "telegram " STR_FMT " webhook", STR_ARG(bot->name));
	struct str wanted =
		str_printf(arena, STR_FMT "/telegram/" STR_FMT, STR_ARG(doctor->ctl->app->config->base_url), STR_ARG(bot->name));
	struct ctl_answer answer = ctl_telegram(doctor->ctl, bot->name, "getWebhookInfo", STR_ABSENT);
	const struct json *info = json_get(answer.body, "result");
	struct str url;
	struct str error;
	if (json_get_str(info, "url", &url) != OK) {
		tell(doctor, check, VERDICT_WRONG, str_printf(arena, "getWebhookInfo: " STR_FMT, STR_ARG(answer.words)));
	} else if (!str_eq(url, wanted)) {
		tell(doctor, check, VERDICT_WRONG,
		     str_printf(arena, "is %s, not " STR_FMT ": run trivet webhook set " STR_FMT,
		                url.len == 0 ? "not set" : "another address", STR_ARG(wanted), STR_ARG(bot->name)));
	} else if (json_get_str(info, "last_error_message", &error) == OK && error.len > 0) {
		tell(doctor, check, VERDICT_WARNING, str_printf(arena, "is set; its last error was: " STR_FMT, STR_ARG(error)));
	} else {
		tell(doctor, check, VERDICT_OK, STR("is set, no error"));
	}
}

static void check_discord_commands(struct doctor *doctor)
{
	const struct config *config = doctor->ctl->app->config;
	struct arena *arena = doctor->ctl->ctx.arena;
	long long application = (long long)config->discord_application_id;
	struct str path = config->discord_guild_id == 0 ? str_printf(arena, "/applications/%lld/commands", application)
	                                                : str_printf(arena, "/applications/%lld/guilds/%lld/commands", application,
	                                                             (long long)config->discord_guild_id);
	struct ctl_answer answer = ctl_discord(doctor->ctl, "GET", path, STR_ABSENT);
	if (answer.status == HTTP_FORBIDDEN) {
		tell(doctor, STR("discord commands"), VERDICT_WRONG,
		     STR("Missing Access (403, 50001): the application is not in the server DISCORD_GUILD_ID, or was added without the "
		         "scope applications.commands: invite it again with that scope"));
	} else if (answer.status != HTTP_OK) {
		tell(doctor, STR("discord commands"), VERDICT_WRONG, answer.words);
	} else if (json_array_size(answer.body) == 0) {
		tell(doctor, STR("discord commands"), VERDICT_WRONG, STR("none are registered: run trivet commands sync"));
	} else {
		tell(doctor, STR("discord commands"), VERDICT_OK, str_printf(arena, "%zu registered", json_array_size(answer.body)));
	}
}

/* What the worker was refused, each role once. */
static void check_roles(struct doctor *doctor)
{
	struct arena *arena = doctor->ctl->ctx.arena;
	struct pg_params none = pg_params(arena);
	struct pg_rows *rows = NULL;
	doctor->ctl->ctx.deadline = soon();
	if (operator_report(&doctor->ctl->ctx, SQL_OPERATOR_ROLE_LIST, &none, &rows) != OK) {
		return; /* told by "database" or "migrations" */
	}
	size_t refused = 0;
	for (int row = 0; row < pg_row_count(rows); row++) {
		struct str why = pg_str(rows, row, 5);
		if (str_present(why)) {
			refused++;
			tell(doctor, STR("discord roles"), VERDICT_WRONG,
			     str_printf(arena, "role " STR_FMT " of server " STR_FMT ": " STR_FMT ": put the bot's own role above it, give that one Manage "
			                "Roles, then run trivet role map again", STR_ARG(pg_str(rows, row, 1)), STR_ARG(pg_str(rows, row, 0)), STR_ARG(why)));
		}
	}
	if (refused == 0 && pg_row_count(rows) > 0) {
		tell(doctor, STR("discord roles"), VERDICT_OK, str_printf(arena, "%d are mapped, none is refused", pg_row_count(rows)));
	}
}

static void check_discord(struct doctor *doctor)
{
	const struct config *config = doctor->ctl->app->config;
	static const unsigned char none[sizeof config->discord_public_key] = {0};
	bool key = crypto_ed25519_key_ok(config->discord_public_key);
	if (memcmp(config->discord_public_key, none, sizeof none) == 0 && config->discord_application_id == 0 &&
	    str_empty(config->discord_bot_token.bytes)) {
		tell(doctor, STR("discord"), VERDICT_WARNING,
		     STR("DISCORD_APPLICATION_ID is not set: no Discord application is configured"));
		return;
	}
	tell(doctor, STR("discord key"), key ? VERDICT_OK : VERDICT_WRONG,
	     key ? STR("well formed")
	         : STR("DISCORD_PUBLIC_KEY is missing or no public key: copy it from the application's page, General Information"));
	if (str_empty(config->discord_bot_token.bytes)) {
		tell(doctor, STR("discord token"), VERDICT_WRONG, STR("DISCORD_BOT_TOKEN is not set: nobody on Discord can be written to"));
		return;
	}
	struct ctl_answer answer = ctl_discord(doctor->ctl, "GET", STR("/users/@me"), STR_ABSENT);
	bool ok = answer.status == HTTP_OK;
	const char *remedy = answer.answered ? ": reset it on the application's page, Bot" : "";
	tell(doctor, STR("discord token"), ok ? VERDICT_OK : VERDICT_WRONG,
	     ok ? STR("accepted") : str_printf(doctor->ctl->ctx.arena, STR_FMT "%s", STR_ARG(answer.words), remedy));
	if (ok && config->discord_application_id != 0) {
		check_discord_commands(doctor);
	}
	check_roles(doctor);
}

/* ---- this host --------------------------------------------------------------------------------------------------------------- */

static void check_addresses(struct doctor *doctor)
{
	const struct config *config = doctor->ctl->app->config;
	bool loopback = config->development;
	struct str webapp = config->webapp_url;
	bool good = str_starts(webapp, STR("https://")) || (loopback && str_starts(webapp, STR("http://")));
	if (str_empty(webapp)) {
		tell(doctor, STR("WEBAPP_URL"), VERDICT_WARNING, STR("is not set: bots show no buttons that open the web app"));
	} else {
		tell(doctor, STR("WEBAPP_URL"), good ? VERDICT_OK : VERDICT_WRONG,
		     good ? STR("well formed") : STR("must begin with https://: Telegram opens web apps over nothing else"));
	}
	good = str_starts(config->base_url, STR("https://")) || (loopback && str_starts(config->base_url, STR("http://")));
	tell(doctor, STR("BASE_URL"), good ? VERDICT_OK : VERDICT_WRONG,
	     good ? STR("well formed") : STR("must begin with https://: the platforms send to nothing else"));
}

static bool connects(struct str path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (path.len == 0 || path.len >= sizeof address.sun_path) {
		return false;
	}
	memcpy(address.sun_path, path.ptr, path.len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
	if (fd >= 0) {
		(void)close(fd);
	}
	return ok;
}

static void check_socket(struct doctor *doctor, struct str program)
{
	const struct config *config = doctor->ctl->app->config;
	struct arena *arena = doctor->ctl->ctx.arena;
	struct str path = config->development
	                          ? str_printf(arena, STR_FMT "/sock/" STR_FMT ".sock", STR_ARG(config->run_dir), STR_ARG(program))
	                          : str_printf(arena, "/run/trivet/" STR_FMT ".sock", STR_ARG(program));
	bool ok = connects(path);
	tell(doctor, str_printf(arena, "socket " STR_FMT, STR_ARG(program)), ok ? VERDICT_OK : VERDICT_WRONG,
	     ok ? STR("accepts")
	        : str_printf(arena, "nobody listens at " STR_FMT ": systemctl start " STR_FMT ".socket", STR_ARG(path), STR_ARG(program)));
}

/* Of a platform that is not configured nobody has to listen. */
static void check_sockets(struct doctor *doctor)
{
	const struct config *config = doctor->ctl->app->config;
	if (config->bot_count > 0) {
		check_socket(doctor, STR("trivet-telegram"));
	}
	if (config->discord_application_id != 0) {
		check_socket(doctor, STR("trivet-discord"));
	}
	check_socket(doctor, STR("trivet-site"));
	check_socket(doctor, STR("trivet-api"));
}

enum ctl_exit run_doctor(struct ctl *ctl)
{
	static const char *const columns[] = {"check", "verdict", "words", NULL};
	struct doctor doctor = {.ctl = ctl, .lines = json_array()};
	struct str error = STR_ABSENT;
	if (ctl_open(ctl, &error) != OK) {
		tell(&doctor, STR("settings"), VERDICT_WRONG, error);
		(void)ctl_list(ctl, columns, doctor.lines);
		return CTL_FAILED;
	}
	const struct config *config = ctl->app->config;
	tell(&doctor, STR("settings"), VERDICT_OK, STR("complete and well formed"));
	check_database(&doctor);
	check_migrations(&doctor);
	check_season(&doctor);
	check_redis(&doctor);
	check_partitions(&doctor);
	check_lag(&doctor);
	check_troubles(&doctor);
	if (config->bot_count == 0) {
		tell(&doctor, STR("telegram"), VERDICT_WARNING, STR("BOT_TOKEN is not set: no Telegram bot is configured"));
	}
	for (size_t i = 0; i < config->bot_count; i++) {
		check_token(&doctor, &config->bots[i]);
		check_webhook(&doctor, &config->bots[i]);
	}
	check_discord(&doctor);
	check_addresses(&doctor);
	check_sockets(&doctor);
	enum ctl_exit printed = ctl_list(ctl, columns, doctor.lines);
	return printed == CTL_DONE && doctor.wrong ? CTL_FAILED : printed;
}
