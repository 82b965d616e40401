#include "core/platform_id.h"

struct platform_words {
	struct str name;
	struct str title;
	enum message message;
};

static const struct platform_words platform_words[PLATFORM_COUNT] = {
	[PLATFORM_UNSET] = {STR_INIT("unset"), STR_INIT("?"), MESSAGE_NONE},
	[PLATFORM_TELEGRAM] = {STR_INIT("telegram"), STR_INIT("Telegram"), MSG_PLATFORM_TELEGRAM},
	[PLATFORM_DISCORD] = {STR_INIT("discord"), STR_INIT("Discord"), MSG_PLATFORM_DISCORD},
	[PLATFORM_WEBSITE] = {STR_INIT("website"), STR_INIT("Website"), MSG_PLATFORM_WEBSITE},
};

static const struct str language_codes[LANGUAGE_COUNT] = {
	[LANGUAGE_RU] = STR_INIT("ru"),
	[LANGUAGE_EN] = STR_INIT("en"),
};

struct str platform_name(enum platform platform)
{
	return platform_words[platform].name;
}

struct str platform_title(enum platform platform)
{
	return platform_words[platform].title;
}

enum message platform_message(enum platform platform)
{
	return platform_words[platform].message;
}

enum status platform_from_name(struct str name, enum platform *ret_platform)
{
	for (int p = PLATFORM_UNSET + 1; p < PLATFORM_COUNT; p++) {
		if (str_eq(name, platform_words[p].name)) {
			*ret_platform = (enum platform)p;
			return OK;
		}
	}
	return NOT_FOUND;
}

struct str language_code(enum language language)
{
	return language_codes[language];
}

enum language language_from_code(struct str code)
{
	if (code.len > 2 && code.ptr[2] != '-' && code.ptr[2] != '_') {
		return LANGUAGE_UNSET;
	}
	for (int l = LANGUAGE_UNSET + 1; l < LANGUAGE_COUNT; l++) {
		if (str_eq_nocase(str_cut(code, 0, 2), language_codes[l])) {
			return (enum language)l;
		}
	}
	return LANGUAGE_UNSET;
}

enum language language_choose(enum language own, struct str hint)
{
	enum language hinted = language_from_code(hint);

	if (own != LANGUAGE_UNSET) {
		return own;
	}
	return hinted != LANGUAGE_UNSET ? hinted : LANGUAGE_EN;
}
