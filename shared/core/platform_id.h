/*
 * platform_id - who somebody is on a platform: (platform, the platform's own id). Nothing else decides identity;
 * usernames, names and avatars are display only (domain.md, Identity; pitfalls.md 0.10).
 */
#ifndef TRIVET_CORE_PLATFORM_ID_H
#define TRIVET_CORE_PLATFORM_ID_H

#include <stdint.h>

#include "base/ctx.h"
#include "base/status.h"
#include "base/str.h"
#include "core/text.h"

enum platform {
	PLATFORM_UNSET = 0,
	PLATFORM_TELEGRAM,
	PLATFORM_DISCORD,
	PLATFORM_WEBSITE,
	PLATFORM_COUNT
};

/* platform_name - "telegram", "discord", "website": the words of the contract, the database and the settings. */
struct str platform_name(enum platform platform);

/* platform_title - "Telegram", "Discord", "Website", for the operator. */
struct str platform_title(enum platform platform);

/* platform_message - the same in the reader's language, for TEXT_MESSAGE(): "Telegram", "Discord", "Сайт" or "Website". */
enum message platform_message(enum platform platform);

/* platform_from_name - OK, NOT_FOUND. */
MUST_CHECK enum status platform_from_name(struct str name, enum platform *ret_platform);

/* language_code - "ru", "en"; language_from_code takes "ru", "ru-RU", "en-GB" ...; all else is LANGUAGE_UNSET. */
struct str language_code(enum language language);
enum language language_from_code(struct str code);

/*
 * language_choose - the person's own choice, else the platform's hint, else English (domain.md, Identity).
 *
 * Languages close to Russian in use (be, kk, uk, uz ...) are not guessed: a hint that is not ru is English.
 */
enum language language_choose(enum language own, struct str hint);

/* An acting or addressed person as a platform shows him. Borrowed strings; names already passed utf_display(). */
struct person {
	enum platform platform;
	int64_t platform_id;      /* 1..2^63-1; 0 for a website identity */
	struct str email;         /* website only */
	struct str username;      /* without '@'; absent when none */
	struct str name;          /* display name; absent when none */
	struct str language_hint; /* the platform's language code; absent when none */
};

#endif
