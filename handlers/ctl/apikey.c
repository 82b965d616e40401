/* trivet apikey new|list|usage|limit|revoke */
#include "base/parse.h"
#include "core/bot.h"
#include "ctl.h"
#include "io/crypto.h"
#include "service/operator.h"

#define KEY_PREFIX "trivet_"
#define KEY_BYTES 32

/* As the table's checks and defaults have it. */
#define PER_MINUTE 6000
#define PER_MINUTE_MAX 60000000
#define IN_FLIGHT 64
#define IN_FLIGHT_MAX 1024

/* What a key may do; the /v1 routes name one each (contract.md 3). */
static const struct str scopes[] = {
	STR_INIT("events"), STR_INIT("users"), STR_INIT("ledger"), STR_INIT("sessions"), STR_INIT("link"),
	STR_INIT("promo"), STR_INIT("access"), STR_INIT("trainings"), STR_INIT("tickets"),
};

/* Whoever holds a key with it speaks for people, so it is of one platform's people alone. */
#define SCOPE_LINK STR("link")

static bool has_scope(const struct str *list, size_t count, struct str scope)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(list[i], scope)) {
			return true;
		}
	}
	return false;
}

/* When --scope was not given. */
static size_t take_all(bool may_link, struct str *ret_scopes)
{
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		if (may_link || !str_eq(scopes[i], SCOPE_LINK)) {
			ret_scopes[count++] = scopes[i];
		}
	}
	return count;
}

/* The words of --scope, each once. Returns 0 and what is wrong. */
static size_t take_scopes(struct str rest, struct str *ret_scopes, struct str *ret_wrong)
{
	size_t count = 0;
	while (str_present(rest)) {
		struct str word = str_trim(str_split(&rest, ','));
		if (!has_scope(scopes, ARRAY_LEN(scopes), word) || has_scope(ret_scopes, count, word)) {
			*ret_wrong = word;
			return 0;
		}
		ret_scopes[count++] = word;
	}
	return count;
}

struct apikey {
	struct str name;
	struct str scopes[ARRAY_LEN(scopes)];
	size_t scope_count;
	struct str bot;      /* absent: bound to none; BOT_EVERY */
	struct str platform; /* absent: bound to none */
	struct str trust;
	int64_t per_minute; /* 0: as many as come */
	int64_t in_flight;
};

/* --per-minute N|none and --in-flight N, where they are given; refusals are said here. */
static enum ctl_exit take_limits(struct ctl *ctl, int64_t *per_minute, int64_t *in_flight)
{
	struct str rate = ctl_value(ctl, "--per-minute");
	struct str flight = ctl_value(ctl, "--in-flight");
	if (str_eq(rate, STR("none"))) {
		*per_minute = 0;
	} else if (str_present(rate) && parse_i64(rate, 1, PER_MINUTE_MAX, per_minute) != OK) {
		return ctl_misused(ctl, "--per-minute is a number of requests from 1 to %d, or none", PER_MINUTE_MAX);
	}
	if (str_present(flight) && parse_i64(flight, 1, IN_FLIGHT_MAX, in_flight) != OK) {
		return ctl_misused(ctl, "--in-flight is a number of requests at once from 1 to %d", IN_FLIGHT_MAX);
	}
	return CTL_DONE;
}

/* --platform and --scope, of which one may need the other; refusals are said here. */
static enum ctl_exit take_powers(struct ctl *ctl, struct apikey *key)
{
	struct str wrong = STR_ABSENT;
	struct str words = ctl_value(ctl, "--scope");
	enum platform platform = PLATFORM_UNSET;
	if (str_present(key->platform) && platform_from_name(key->platform, &platform) != OK) {
		return ctl_misused(ctl, "a platform is telegram, discord or website");
	}
	/* People of the website prove their addresses themselves. */
	bool may_link = platform == PLATFORM_TELEGRAM || platform == PLATFORM_DISCORD;
	key->scope_count = str_present(words) ? take_scopes(words, key->scopes, &wrong) : take_all(may_link, key->scopes);
	if (key->scope_count == 0) {
		return ctl_misused(
			ctl,
			"\"" STR_FMT
			"\" is no scope, or stands twice: events, users, ledger, sessions, link, promo, access, trainings, tickets",
			STR_ARG(wrong));
	}
	if (!may_link && has_scope(key->scopes, key->scope_count, SCOPE_LINK)) {
		return ctl_misused(ctl, "scope link needs --platform telegram or --platform discord: such a key links people of one platform only");
	}
	return CTL_DONE;
}

/* The words of the command line as a key's row; refusals are said here. */
static enum ctl_exit take_key(struct ctl *ctl, struct apikey *ret_key)
{
	struct apikey key = {.name = ctl->words[0],
	                     .bot = ctl_value(ctl, "--bot"),
	                     .platform = ctl_value(ctl, "--platform"),
	                     .trust = ctl_value(ctl, "--trust"),
	                     .per_minute = PER_MINUTE,
	                     .in_flight = IN_FLIGHT};
	key.trust = str_present(key.trust) ? key.trust : STR("full");
	if (!bot_name_ok(key.name)) { /* of the same form */
		return ctl_misused(ctl, "a key's name is 1 to %d letters, digits and _ . -", BOT_NAME_MAX);
	}
	if (str_present(key.bot) && !bot_name_ok(key.bot) && !str_eq(key.bot, BOT_EVERY)) {
		return ctl_misused(ctl, "a bot's name is 1 to %d letters, digits and _ . -, or '*' for every bot", BOT_NAME_MAX);
	}
	if (!str_eq(key.trust, STR("full")) && !str_eq(key.trust, STR("counters"))) {
		return ctl_misused(ctl, "--trust is full or counters");
	}
	enum ctl_exit taken = take_powers(ctl, &key);
	if (taken == CTL_DONE) {
		taken = take_limits(ctl, &key.per_minute, &key.in_flight);
	}
	if (taken == CTL_DONE) {
		*ret_key = key;
	}
	return taken;
}

static struct json *key_json(const struct apikey *key)
{
	struct json *list = json_array();
	for (size_t i = 0; i < key->scope_count; i++) {
		list = json_append(list, json_str(key->scopes[i]));
	}
	struct json *object = json_set_str(json_object(), "name", key->name);
	object = json_set(object, "scopes", list);
	object = json_set_str(object, "bot", key->bot);
	object = json_set_str(object, "platform", key->platform);
	object = json_set_str(object, "trust", key->trust);
	object = json_set(object, "per_minute", key->per_minute == 0 ? json_null() : json_i64(key->per_minute));
	return json_set_i64(object, "in_flight", key->in_flight);
}

/* 0 is NULL: none, or not said. */
static void add_limit(struct pg_params *params, int64_t limit)
{
	if (limit == 0) {
		pg_add_null(params);
	} else {
		pg_add_i64(params, limit);
	}
}

static enum status store_key(struct ctl *ctl, const struct apikey *key, struct str secret)
{
	unsigned char hash[CRYPTO_HASH_BYTES];
	struct pg_params params = pg_params(ctl->ctx.arena);
	crypto_sha256(secret, hash);
	pg_add_str(&params, key->name);
	pg_add_bytes(&params, (struct str){(const char *)hash, sizeof hash});
	pg_add_str_array(&params, key->scopes, key->scope_count);
	pg_add_str(&params, key->bot);
	pg_add_str(&params, key->platform);
	pg_add_str(&params, key->trust);
	pg_add_time(&params, ctl->ctx.now);
	add_limit(&params, key->per_minute);
	pg_add_i64(&params, key->in_flight);
	struct operator_change change = {
		.statement = SQL_OPERATOR_APIKEY_NEW,
		.params = &params,
		.action = "apikey.new",
		.after = json_write(ctl->ctx.arena, key_json(key)),
	};
	return operator_change(&ctl->ctx, &change, NULL);
}

enum ctl_exit run_apikey_new(struct ctl *ctl)
{
	struct apikey key = {0};
	unsigned char random[KEY_BYTES];
	enum ctl_exit taken = take_key(ctl, &key);
	if (taken != CTL_DONE) {
		return taken;
	}
	crypto_random(random, sizeof random);
	struct str secret =
		str_printf(ctl->ctx.arena, KEY_PREFIX STR_FMT, STR_ARG(crypto_base64url(ctl->ctx.arena, random, sizeof random)));
	crypto_wipe(random, sizeof random);
	if (!str_present(secret)) {
		return ctl_fail(ctl, "out of memory");
	}
	enum status status = store_key(ctl, &key, secret);
	if (status == CONFLICT) {
		return ctl_fail(
			ctl, "a key named " STR_FMT " exists already, or existed: choose another name",
			STR_ARG(key.name));
	}
	if (status != OK) {
		return ctl_status(ctl, "the key", status);
	}
	/* The only time it is shown: the database holds its hash. */
	return ctl_object(ctl, json_set_str(key_json(&key), "key", secret));
}

enum ctl_exit run_apikey_list(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"name", CTL_TEXT}, {"scopes", CTL_WORDS}, {"bot", CTL_TEXT}, {"platform", CTL_TEXT}, {"trust", CTL_TEXT},
		{"per_minute", CTL_NUMBER}, {"in_flight", CTL_NUMBER}, {"created_at", CTL_TIME}, {"last_used_at", CTL_TIME},
		{"revoked_at", CTL_TIME}, {"today", CTL_NUMBER}, {"days_30", CTL_NUMBER}, {"refused_30", CTL_NUMBER}, {NULL, CTL_KIND_UNSET},
	};
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_time(&params, ctl->ctx.now);
	return ctl_report(ctl, SQL_OPERATOR_APIKEY_LIST, &params, columns);
}

enum ctl_exit run_apikey_usage(struct ctl *ctl)
{
	static const struct ctl_column columns[] = {
		{"day", CTL_TEXT}, {"route", CTL_TEXT}, {"requests", CTL_NUMBER}, {"refused", CTL_NUMBER}, {NULL, CTL_KIND_UNSET},
	};
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, ctl->words[0]);
	pg_add_time(&params, ctl->ctx.now);
	return ctl_report(ctl, SQL_OPERATOR_APIKEY_USAGE, &params, columns);
}

static struct json *limits_json(struct ctl *ctl, int64_t per_minute, int64_t in_flight)
{
	struct json *json = json_set_str(json_object(), "name", ctl->words[0]);
	if (ctl_given(ctl, "--per-minute")) {
		json = json_set(json, "per_minute", per_minute == 0 ? json_null() : json_i64(per_minute));
	}
	return in_flight != 0 ? json_set_i64(json, "in_flight", in_flight) : json;
}

enum ctl_exit run_apikey_limit(struct ctl *ctl)
{
	int64_t per_minute = 0;
	int64_t in_flight = 0;
	enum ctl_exit taken = take_limits(ctl, &per_minute, &in_flight);
	if (taken != CTL_DONE) {
		return taken;
	}
	if (!ctl_given(ctl, "--per-minute") && in_flight == 0) {
		return ctl_misused(ctl, "nothing changes: say --per-minute or --in-flight");
	}
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, ctl->words[0]);
	pg_add_bool(&params, ctl_given(ctl, "--per-minute"));
	add_limit(&params, per_minute);
	add_limit(&params, in_flight);
	struct operator_change change = {
		.statement = SQL_OPERATOR_APIKEY_LIMIT, .params = &params, .action = "apikey.limit",
		.after = json_write(ctl->ctx.arena, limits_json(ctl, per_minute, in_flight)),
	};
	enum status status = operator_change(&ctl->ctx, &change, NULL);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "no live key is named " STR_FMT, STR_ARG(ctl->words[0]));
	}
	return status == OK ? ctl_done(ctl, "the limits of " STR_FMT " hold from its next request on", STR_ARG(ctl->words[0]))
	                    : ctl_status(ctl, "the key", status);
}

enum ctl_exit run_apikey_revoke(struct ctl *ctl)
{
	struct pg_params params = pg_params(ctl->ctx.arena);
	pg_add_str(&params, ctl->words[0]);
	pg_add_time(&params, ctl->ctx.now);
	struct operator_change change = {
		.statement = SQL_OPERATOR_APIKEY_REVOKE, .params = &params, .action = "apikey.revoke",
		.after = json_write(ctl->ctx.arena, json_set_str(json_object(), "name", ctl->words[0])),
	};
	enum status status = operator_change(&ctl->ctx, &change, NULL);
	if (status == NOT_FOUND) {
		return ctl_fail(ctl, "no live key is named " STR_FMT, STR_ARG(ctl->words[0]));
	}
	return status == OK ? ctl_done(ctl, "the key " STR_FMT " works no more", STR_ARG(ctl->words[0]))
	                    : ctl_status(ctl, "the key", status);
}
