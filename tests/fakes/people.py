"""Pretended people: what the two platforms say about them, and the updates and interactions that their doings become."""

import random
import re
import secrets
import time
from dataclasses import dataclass, field

NAMES = ("Alice", "Борис", "Clara", "Даша", "Emil", "Фёдор", "Grace", "Ирина", "Jonas", "Ксения")
NAME_MAX = 32
PEOPLE_MAX = 50
LATIN = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh sch _ y _ e yu ya".split()))
DISCORD_LOCALES = {"en": "en-US", "ru": "ru"}


def handle_of(name):
    """A user name that both platforms would take."""
    latin = "".join(LATIN.get(char, char) for char in name.lower())
    return (re.sub(r"[^a-z0-9]+", "", latin) or "person")[:16]


@dataclass
class Person:
    key: str
    name: str
    telegram_id: int
    discord_id: str
    handle: str
    telegram_language: str
    discord_language: str
    blocked: set = field(default_factory=set)  # names of bots
    dm_closed: bool = False

    def shown(self):
        return {"key": self.key, "name": self.name, "telegram_id": str(self.telegram_id), "discord_id": self.discord_id, "handle": self.handle,
                "telegram_language": self.telegram_language, "discord_language": self.discord_language, "blocked": sorted(self.blocked),
                "dm_closed": self.dm_closed}

    def telegram_user(self):
        return {"id": self.telegram_id, "is_bot": False, "first_name": self.name, "username": self.handle, "language_code": self.telegram_language}

    def telegram_chat(self):
        return {"id": self.telegram_id, "first_name": self.name, "username": self.handle, "type": "private"}

    def discord_user(self):
        return {"id": self.discord_id, "username": self.handle, "discriminator": "0", "global_name": self.name, "avatar": None,
                "avatar_decoration_data": None, "banner": None, "clan": None, "primary_guild": None, "public_flags": 0}


def new_person(number, name, telegram_language, discord_language):
    name = (name or NAMES[(number - 1) % len(NAMES)])[:NAME_MAX]
    # A snowflake of some moment in the last years; a Telegram id of today's range.
    discord_id = (int((time.time() - random.uniform(1, 6) * 31_000_000) * 1000) - 1_420_070_400_000) << 22 | secrets.randbelow(1 << 22)
    return Person(f"p{number}", name, 5_000_000_000 + secrets.randbelow(3_000_000_000), str(discord_id),
                  handle_of(name) + f"{secrets.randbelow(900) + 100}", telegram_language, discord_language)


# ---- Telegram ---------------------------------------------------------------------------------------------------------------------------


def command_entities(text):
    """The bot_command entities of a text, in UTF-16 units."""
    entities = []
    for match in re.finditer(r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@[A-Za-z0-9_]{3,32})?(?![A-Za-z0-9_@/])", text):
        offset = len(text[:match.start()].encode("utf-16-le")) // 2
        entities.append({"offset": offset, "length": len(match.group()), "type": "bot_command"})
    return entities


def text_message(person, chat, message_id, date, text, reply_to=None):
    message = {"message_id": message_id, "from": person.telegram_user(), "chat": chat, "date": date, "text": text}
    entities = command_entities(text)
    if entities:
        message["entities"] = entities
    if reply_to:
        message["reply_to_message"] = reply_to
    return message


def chat_member(person, bot_user, date, blocked):
    member, kicked = {"user": bot_user, "status": "member"}, {"user": bot_user, "status": "kicked", "until_date": 0}
    return {"chat": person.telegram_chat(), "from": person.telegram_user(), "date": date,
            "old_chat_member": member if blocked else kicked, "new_chat_member": kicked if blocked else member}


def callback_query(person, query_id, message, data):
    return {"id": query_id, "from": person.telegram_user(), "message": message, "chat_instance": str(hash(query_id) & 0x7FFFFFFFFFFFFFF), "data": data}


def pre_checkout(person, query_id, invoice):
    return {"id": query_id, "from": person.telegram_user(), "currency": "XTR", "total_amount": invoice["amount"], "invoice_payload": invoice["payload"]}


def successful_payment(person, message_id, date, invoice):
    payment = {"currency": "XTR", "total_amount": invoice["amount"], "invoice_payload": invoice["payload"],
               "telegram_payment_charge_id": "stx" + secrets.token_urlsafe(40), "provider_payment_charge_id": f"{person.telegram_id}_{message_id}"}
    if invoice.get("period"):
        payment.update(is_recurring=True, is_first_recurring=True, subscription_expiration_date=date + invoice["period"])
    return {"message_id": message_id, "from": person.telegram_user(), "chat": person.telegram_chat(), "date": date, "successful_payment": payment}


# ---- Discord ----------------------------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """Where an interaction happens."""
    channel_id: str
    guild_id: str  # empty: a direct channel

    def channel(self):
        return {"id": self.channel_id, "type": 0, "name": "general", "guild_id": self.guild_id, "flags": 0} if self.guild_id else {
            "id": self.channel_id, "type": 1, "flags": 0}


def interaction(person, place, kind, interaction_id, token, application_id, data, roles=()):
    """kind: 2 command, 3 component, 4 autocomplete, 5 modal."""
    value = {"version": 1, "id": interaction_id, "application_id": application_id, "type": kind, "token": token, "data": data,
             "channel_id": place.channel_id, "channel": place.channel(), "locale": DISCORD_LOCALES[person.discord_language],
             "app_permissions": "2222085186636353", "entitlements": [], "entitlement_sku_ids": [], "attachment_size_limit": 10_485_760,
             "context": 0 if place.guild_id else 1, "authorizing_integration_owners": {"0": place.guild_id or "0"}}
    if place.guild_id:
        value.update(guild_id=place.guild_id, guild_locale="en-US", guild={"id": place.guild_id, "locale": "en-US", "features": []})
        value["member"] = {"user": person.discord_user(), "roles": list(roles), "permissions": "2248473465835073", "nick": None, "avatar": None,
                           "joined_at": "2025-01-10T09:00:00.000000+00:00", "premium_since": None, "pending": False, "deaf": False, "mute": False,
                           "flags": 0, "communication_disabled_until": None, "unusual_dm_activity_until": None}
    else:
        value["user"] = person.discord_user()
    return value
