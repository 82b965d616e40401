/* What programs write and read of boards: a query as a wish, a page as JSON. */
#include "base/parse.h"
#include "io/json.h"
#include "service/boards.h"

/* An index that is far beyond any board and far below what would overflow. */
#define FROM_MAX INT64_C(1000000000000)

static const struct str period_names[BOARD_PERIOD_COUNT] = {
	[BOARD_PERIOD_UNSET] = STR_INIT(""), [BOARD_ALL] = STR_INIT("all"), [BOARD_SEASON] = STR_INIT("season"), [BOARD_WEEK] = STR_INIT("week")};
static const struct str by_names[BOARD_BY_COUNT] = {
	[BOARD_BY_UNSET] = STR_INIT(""), [BOARD_XP] = STR_INIT("xp"), [BOARD_COINS] = STR_INIT("coins")};

/* Index of a word from 1 on; 0: none of them. */
static size_t find_word(const struct str *words, size_t count, struct str word)
{
	for (size_t i = 1; i < count; i++) {
		if (str_eq(words[i], word)) {
			return i;
		}
	}
	return 0;
}

static enum status read_board(struct str value, struct board_wish *wish)
{
	wish->period = (enum board_period)find_word(period_names, BOARD_PERIOD_COUNT, value);
	return wish->period != BOARD_PERIOD_UNSET ? OK : INVALID;
}

static enum status read_by(struct str value, struct board_wish *wish)
{
	wish->by = (enum board_by)find_word(by_names, BOARD_BY_COUNT, value);
	return wish->by != BOARD_BY_UNSET ? OK : INVALID;
}

static enum status read_limit(struct str value, struct board_wish *wish)
{
	return parse_i64(value, 1, BOARDS_LIMIT_MAX, &wish->limit);
}

static enum status read_cursor(struct str value, struct board_wish *wish)
{
	return parse_i64(value, 1, FROM_MAX, &wish->from);
}

static enum status read_around(struct str value, struct board_wish *wish)
{
	wish->around = str_eq(value, STR("me"));
	return wish->around ? OK : INVALID;
}

/* Website identities are e-mail addresses, which programs do not ask by. */
static enum status read_platform(struct str value, struct board_wish *wish)
{
	enum status status = platform_from_name(value, &wish->platform);

	return status == OK && wish->platform != PLATFORM_WEBSITE ? OK : INVALID;
}

static enum status read_id(struct str value, struct board_wish *wish)
{
	return parse_platform_id(value, &wish->platform_id);
}

struct parameter {
	const char *name;
	bool people; /* only where people may be asked for */
	enum status (*read)(struct str value, struct board_wish *wish);
	const char *detail;
};

static const struct parameter parameters[] = {
	{"board", false, read_board, "must be all, season or week, once"},
	{"by", false, read_by, "must be xp or coins, once"},
	{"limit", false, read_limit, "must be an integer from 1 to 100, once"},
	{"cursor", false, read_cursor, "must be what next_cursor said, once"},
	{"around", false, read_around, "must be me, once, or be left out"},
	{"platform", true, read_platform, "must be telegram or discord, once"},
	{"id", true, read_id, "must be the platform's id, an integer from 1 to 9223372036854775807, once"},
};

static enum status read_parameter(struct arena *arena, struct str query, const struct parameter *parameter, struct board_wish *wish)
{
	struct str value = STR_ABSENT;
	enum status status = parse_query_value(arena, query, str_from_z(parameter->name), &value);

	if (status == NOT_FOUND) {
		return OK; /* left out */
	}
	if (status == OK) {
		status = parameter->read(value, wish);
	}
	return status == OK || status == TOO_LARGE ? status : INVALID;
}

static enum status fault(const char *field, const char *detail, struct board_fault *ret_fault)
{
	*ret_fault = (struct board_fault){field, detail};
	return INVALID;
}

enum status boards_wish(struct arena *arena, struct str query, bool people, struct board_wish *ret_wish, struct board_fault *ret_fault)
{
	struct board_wish wish = {.period = BOARD_ALL, .by = BOARD_XP, .limit = BOARDS_LIMIT};

	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		const struct parameter *parameter = &parameters[i];
		enum status status = people || !parameter->people ? read_parameter(arena, query, parameter, &wish) : OK;

		if (status == INVALID) {
			return fault(parameter->name, parameter->detail, ret_fault);
		}
		if (status != OK) {
			return status;
		}
	}
	if (wish.around && wish.from > 0) {
		return fault("cursor", "around=me is one page: leave the cursor out", ret_fault);
	}
	if ((wish.platform == PLATFORM_UNSET) != (wish.platform_id == 0)) {
		bool nobody = wish.platform == PLATFORM_UNSET;

		return fault(nobody ? "platform" : "id", "platform and id name a person together", ret_fault);
	}
	*ret_wish = wish;
	return OK;
}

/* ---- as JSON ---- */

static struct json *item_json(struct arena *arena, const struct board_item *item)
{
	struct json *json = json_object();
	struct str name = item->name.display_name;

	if (!str_present(name)) {
		name = str_printf(arena, "Player %lld", (long long)item->name.account_id);
	}
	json = json_set_i64(json, "place", item->place);
	json = json_set_str(json, "display_name", name);
	json = json_set_str(json, "rank", item->name.rank);
	return json_set_i64(json, "value", item->value);
}

struct json *boards_json(struct arena *arena, const struct board_wish *wish, const struct board_page *page)
{
	struct json *json = json_object();
	struct json *items = json_array();

	for (size_t i = 0; i < page->count; i++) {
		items = json_append(items, item_json(arena, &page->items[i]));
	}
	json = json_set_str(json, "board", period_names[wish->period]);
	json = json_set_str(json, "by", by_names[wish->by]);
	json = json_set(json, "items", items);
	json = json_set_str(json, "next_cursor", page->next > 0 ? str_printf(arena, "%lld", (long long)page->next) : STR_ABSENT);
	return page->has_me ? json_set(json, "me", item_json(arena, &page->me)) : json;
}
