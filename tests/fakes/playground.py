"""The playground's side of the stand-ins: pretended people, their chats, and the webhooks that their words become.

Everything lives in memory. The page asks for the state once, then follows a stream of changes; what a visitor does comes back as an
action, becomes a signed webhook through nginx, and its answer shows in the chat, as it would on the platform.
"""

import asyncio
import json
import mimetypes
import os
import re
import secrets
import time
from collections import OrderedDict, deque
from urllib.parse import urlsplit

import people
from commands import BUILT_IN_DISCORD, BUILT_IN_TELEGRAM
from discord import Call as DiscordCall
from discord import DiscordError, EPHEMERAL, check_modal
from signing import sign
from telegram import GROUP_ID, GROUP_TITLE, LOOPBACK
from wire import Response, Upload, fetch, json_response, parse_multipart

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dev", "playground")
CHAT_KEPT = 300
WIRE_KEPT = 200
EVENTS_KEPT = 3000
TEXT_SHOWN = 32 << 10
INTERACTION_SECONDS = 3.0  # Discord's patience
TELEGRAM_SECONDS = 60.0
TELEGRAM_ATTEMPTS = 4
CHECKOUT_SECONDS = 10.0
HEARTBEAT = 15.0
LOADING = 128
CLOCK_MAX = 3_650 * 86_400
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
PAGE_HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}


class Refused(ValueError):
    """An action that cannot be done; the words are shown on the page."""


class Playground:
    def __init__(self, settings):
        self.settings = settings
        self.boot = secrets.token_hex(8)
        self.events = deque(maxlen=EVENTS_KEPT)
        self.last_event = 0
        self.changed = asyncio.Event()
        self.wire_number = 0
        self.locks = {}
        self.tasks = set()
        self.webhook_errors = {}
        self.telegram = self.discord = None
        self.forget()

    def forget(self):
        self.people = OrderedDict()
        self.people_made = 0
        self.chats = {}
        self.wire = deque(maxlen=WIRE_KEPT)
        self.queries = {}  # callback query -> person's key
        self.tokens = OrderedDict()  # interaction token -> (person's key, place, chat)
        self.modals = OrderedDict()  # number of an open form -> (token's place, what it belongs to, the form)
        for languages in (("en", "en"), ("ru", "ru")):
            self.add_person("", *languages)

    def attach(self, telegram, discord):
        self.telegram = telegram
        self.discord = discord

    def reset(self):
        self.forget()
        self.emit({"kind": "reload"})

    # ---- the stream ---------------------------------------------------------------------------------------------------------------

    def emit(self, event):
        self.last_event += 1
        self.events.append((self.last_event, event))
        self.changed.set()
        self.changed = asyncio.Event()

    async def stream(self, boot, since):
        yield b"retry: 1000\n\n"
        if boot != self.boot or since > self.last_event or (self.events and since < self.events[0][0] - 1):
            yield b'data: {"kind":"reload"}\n\n'
            return
        while True:
            changed = self.changed
            for number, event in [pair for pair in self.events if pair[0] > since]:
                yield f"id: {number}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
                since = number
            try:
                await asyncio.wait_for(changed.wait(), HEARTBEAT)
            except asyncio.TimeoutError:
                yield b": still here\n\n"

    def state(self):
        ready = bool(self.settings.get("BASE_URL"))
        return {"boot": self.boot, "last": self.last_event, "ready": ready, "people": [person.shown() for person in self.people.values()],
                "chats": self.chats, "wire": list(self.wire), "commands": self.command_lists(), "clock": self.clock_offset(),
                "bots": self.bots(), "group": GROUP_TITLE, "base_url": self.settings.get("BASE_URL")}

    def bots(self):
        self.settings.refresh()
        return [{"name": bot.name, "username": bot.username, "title": bot.user()["first_name"]} for bot in self.settings.bots.values()]

    def command_lists(self):
        lists = {"discord": self.discord_commands(), "telegram": {}}
        for bot in self.bots():
            lists["telegram"][bot["name"]] = {language: self.telegram_commands(bot["name"], language) for language in ("en", "ru")}
        return lists

    def telegram_commands(self, bot, language):
        for scope in ('{"type": "all_private_chats"}', '{"type": "default"}'):
            for code in (language, ""):
                if self.telegram.commands.get((bot, scope, code)):
                    return self.telegram.commands[(bot, scope, code)]
        return [{"command": row["command"], "description": row["description"][language]} for row in BUILT_IN_TELEGRAM]

    def discord_commands(self):
        registered = self.discord.commands.get(self.settings.get("DISCORD_GUILD_ID"), []) + self.discord.commands.get(None, [])
        seen = {command["name"]: command for command in reversed(registered) if command["type"] == 1}
        return sorted(seen.values(), key=lambda command: command["name"]) if seen else BUILT_IN_DISCORD

    def commands_changed(self):
        self.emit({"kind": "commands", "commands": self.command_lists()})

    # ---- people and chats ---------------------------------------------------------------------------------------------------------

    def add_person(self, name, telegram_language, discord_language):
        if len(self.people) >= people.PEOPLE_MAX:
            raise Refused("enough people")
        self.people_made += 1
        person = people.new_person(self.people_made, name, telegram_language, discord_language)
        self.people[person.key] = person
        return person

    def person(self, key):
        if key not in self.people:
            raise Refused("no such person")
        return self.people[key]

    def by_telegram(self, user_id):
        return next((person for person in self.people.values() if person.telegram_id == user_id), None)

    def by_discord(self, user_id):
        return next((person for person in self.people.values() if person.discord_id == user_id), None)

    def people_changed(self):
        self.emit({"kind": "people", "people": [person.shown() for person in self.people.values()]})

    def put(self, chat, message):
        """Shows a message, or what it became."""
        messages = self.chats.setdefault(chat, [])
        for number, old in enumerate(messages):
            if old["id"] == message["id"]:
                messages[number] = {**message, "at": old["at"]}
                break
        else:
            messages.append(message)
            del messages[:-CHAT_KEPT]
        self.emit({"kind": "message", "chat": chat, "message": next(shown for shown in messages if shown["id"] == message["id"])})

    def drop(self, chat, message_id):
        self.chats[chat] = [message for message in self.chats.get(chat, []) if message["id"] != message_id]
        self.emit({"kind": "delete", "chat": chat, "id": message_id})

    # ---- what the stand-ins ask and tell: Telegram --------------------------------------------------------------------------------

    def telegram_user(self, user_id):
        person = self.by_telegram(user_id)
        return person.telegram_user() if person else None

    def telegram_chat(self, chat_id):
        person = self.by_telegram(chat_id)
        return person.telegram_chat() if person else None

    def telegram_blocked(self, bot, chat_id):
        person = self.by_telegram(chat_id)
        return bool(person and bot in person.blocked)

    def telegram_place(self, bot, chat_id):
        if chat_id == GROUP_ID:
            return "telegram/group"
        return f"telegram/{bot}/{chat_id}" if self.by_telegram(chat_id) else None

    def telegram_message(self, bot, message):
        chat = self.telegram_place(bot, message["chat"]["id"])
        if chat:
            self.put(chat, self.shown_telegram(bot, message))

    def shown_telegram(self, bot, message):
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        file_id = message["photo"][-1]["file_id"] if "photo" in message else message.get("document", {}).get("file_id")
        text = message.get("text", message.get("caption", ""))
        if "invoice" in message:
            text = f"{message['invoice']['title']}\n{message['invoice']['total_amount']} ⭐"
        return {"id": str(message["message_id"]), "at": time.time(), "bot": bot, "text": text,
                "entities": message.get("entities", message.get("caption_entities", [])),
                "buttons": [[self.shown_button(button) for button in row] for row in rows],
                "image": f"api/file?telegram={file_id}" if "photo" in message else None,
                "file": {"name": message["document"]["file_name"], "url": f"api/file?telegram={file_id}"} if "document" in message else None,
                "edited": "edit_date" in message}

    @staticmethod
    def shown_button(button):
        url = button.get("url") or (button.get("web_app") or button.get("login_url") or {}).get("url")
        return {"label": button["text"], "kind": "url" if url else "action", "url": url, "web_app": "web_app" in button}

    def telegram_deleted(self, bot, chat_id, message_id):
        chat = self.telegram_place(bot, chat_id)
        if chat:
            self.drop(chat, str(message_id))

    def telegram_toast(self, query_id, text, alert):
        key = self.queries.pop(query_id, None)
        if key:
            self.emit({"kind": "toast", "person": key, "platform": "telegram", "text": text, "alert": alert})

    def last_webhook_error(self, bot):
        return self.webhook_errors.get(bot, {})

    # ---- what the stand-ins ask and tell: Discord ---------------------------------------------------------------------------------

    def discord_user(self, user_id):
        person = self.by_discord(user_id)
        return person.discord_user() if person else None

    def first_discord_user(self):
        return next(iter(self.people.values())).discord_id

    def discord_closed(self, user_id):
        person = self.by_discord(user_id)
        return bool(person and person.dm_closed)

    def discord_token_user(self, token):
        known = self.tokens.get(token)
        return self.people[known[0]].discord_id if known and known[0] in self.people else None

    def discord_token_channel(self, token):
        known = self.tokens.get(token)
        return known[1].channel_id if known else None

    def discord_place(self, channel_id):
        user = self.discord.direct_user(channel_id)
        if user:
            return f"discord/dm/{user}" if self.by_discord(user) else None
        return "discord/guild" if channel_id == self.discord.guild_channel else None

    def discord_message(self, channel_id, message, token):
        if token is not None and token not in self.tokens:
            return  # a test's interaction, nobody's here
        chat = self.discord_place(channel_id)
        if chat:
            only = self.tokens[token][0] if token and message["flags"] & EPHEMERAL else None
            shown = self.shown_discord(message, only, token)
            old = next((each for each in self.chats.get(chat, []) if each["id"] == message["id"]), {})
            self.put(chat, {**shown, **{name: old[name] for name in ("only", "used", "user") if name in old}})

    def shown_discord(self, message, only, token):
        files = [{"name": file["filename"], "url": f"api/file?discord={file['id']}", "image": (file.get("content_type") or "").startswith("image/")}
                 for file in message["attachments"]]
        rows = [[self.shown_component(part) for part in row.get("components", [])] for row in message["components"] if row.get("type") == 1]
        return {"id": message["id"], "at": time.time(), "bot": "discord", "content": message["content"], "embeds": message["embeds"],
                "buttons": rows, "files": files, "only": only, "loading": bool(message["flags"] & LOADING), "edited": bool(message["edited_timestamp"]),
                "used": self.tokens[token][3] if token else None, "user": self.tokens[token][0] if token else None}

    @staticmethod
    def shown_component(part):
        if part.get("type") == 2:
            emoji = (part.get("emoji") or {}).get("name") or ""
            return {"label": f"{emoji} {part.get('label') or ''}".strip(), "kind": "url" if part.get("style") == 5 else "action", "url": part.get("url"),
                    "style": part.get("style"), "disabled": bool(part.get("disabled"))}
        return {"kind": "select", "placeholder": part.get("placeholder") or "", "disabled": bool(part.get("disabled")),
                "options": [{"label": option.get("label"), "value": option.get("value"), "description": option.get("description"),
                             "default": bool(option.get("default"))} for option in part.get("options") or []]}

    def discord_deleted(self, channel_id, message_id):
        chat = self.discord_place(channel_id)
        if chat:
            self.drop(chat, message_id)

    def discord_callback(self, token, body):
        """POST /interactions/{id}/{token}/callback instead of an answer."""
        if token in self.tokens:
            self.apply(token, body, [], None)

    def roles_changed(self, user_id):
        pass  # roles ride in the next interaction's member

    # ---- the wire -----------------------------------------------------------------------------------------------------------------

    def wire_add(self, platform, direction, title, status, milliseconds, sent, answer, note=""):
        self.wire_number += 1
        entry = {"id": self.wire_number, "at": time.time(), "platform": platform, "direction": direction, "title": title, "status": status,
                 "ms": None if milliseconds is None else round(milliseconds, 1), "sent": sent[:TEXT_SHOWN], "answer": answer[:TEXT_SHOWN], "note": note}
        self.wire.append(entry)
        self.emit({"kind": "wire", "entry": entry})

    def wire_call(self, platform, call, response, answer):
        """A call that Trivet made about somebody here."""
        known = any(self.by_discord(each) if platform == "discord" else each.lstrip("-").isdigit() and self.telegram_place("main", int(each))
                    for each in call.recipients)
        if known or (platform == "discord" and self.discord.guild_channel in call.recipients):
            sent = json.dumps(call.shown, ensure_ascii=False)
            self.wire_add(platform, "out", call.method, response.status if response else 0, None, sent, answer or "")

    def lock(self, name):
        return self.locks.setdefault(name, asyncio.Lock())

    def later(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def post(self, platform, title, path, value, headers, timeout):
        """One webhook through nginx. (answer or None, what went wrong)."""
        base = self.settings.get("BASE_URL")
        if not base:
            raise Refused("the stack is not up yet: its env file is not there")
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        if callable(headers):
            headers = headers(body)
        began = time.monotonic()
        try:
            answer = await fetch(base + path, body, {"Content-Type": "application/json", **headers}, timeout)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            words = f"no answer within {timeout:g} s" if isinstance(error, asyncio.TimeoutError) else f"no answer: {error or type(error).__name__}"
            self.wire_add(platform, "in", title, 0, (time.monotonic() - began) * 1000, body.decode(), "", words)
            return None, words
        self.wire_add(platform, "in", title, answer.status, answer.milliseconds, body.decode(), answer.body.decode("utf-8", "replace"))
        return answer, ""

    # ---- Telegram's webhooks ------------------------------------------------------------------------------------------------------

    async def update(self, bot, queue, title, update):
        """Delivers an update as Telegram does: one at a time per queue, again when it fails, and the answer carried out."""
        value = {"update_id": self.telegram.update_id(), **update}
        headers = {"Accept-Encoding": "gzip, deflate", "X-Telegram-Bot-Api-Secret-Token": bot.secret}
        async with self.lock(queue):
            for attempt in range(TELEGRAM_ATTEMPTS):
                answer, words = await self.post("telegram", title, f"/telegram/{bot.name}", value, headers, TELEGRAM_SECONDS)
                if answer and 200 <= answer.status <= 299:
                    self.webhook_errors.pop(bot.name, None)
                    self.carry_out(bot, answer)
                    return
                retry = dict(answer.headers).get("retry-after", "") if answer else ""
                words = words or f"Wrong response from the webhook: {answer.status}"
                self.webhook_errors[bot.name] = {"last_error_date": int(time.time()), "last_error_message": words}
                await asyncio.sleep(min(int(retry), 60) if retry.isdigit() else 2 * attempt)

    def carry_out(self, bot, answer):
        kind = dict(answer.headers).get("content-type", "").split(";")[0]
        if not answer.body.strip() or kind != "application/json":
            return
        method, error = self.telegram.run_reply(bot, answer.body)
        if error:
            self.wire_add("telegram", "reply", method or "?", 0, None, answer.body.decode("utf-8", "replace"), "", error)

    def now(self):
        """The platform's clock runs along with the development clock."""
        return int(time.time()) + self.clock_offset()

    def bot(self, name):
        bot = self.settings.bot_by_name(name)
        if bot is None:
            raise Refused("no such bot, or the stack is not up yet")
        return bot

    async def act_telegram_send(self, body):
        person = self.person(body.get("person"))
        text = str(body.get("text", "")).strip()
        if not text or len(text.encode("utf-16-le")) // 2 > 4096:
            raise Refused("a message has 1 to 4096 characters")
        group = body.get("chat") == "group"
        bot = self.bot("main" if group else body.get("chat"))
        if group:
            named = re.search(r"(?<!\S)/\w+@(\w+)", text)
            bot = (self.settings.bot_by_username(named.group(1)) if named else None) or bot
        elif bot.name in person.blocked:
            raise Refused("unblock the bot first")
        chat_id = GROUP_ID if group else person.telegram_id
        message_id = self.telegram.message_id()
        self.put(self.telegram_place(bot.name, chat_id), {"id": str(message_id), "at": time.time(), "person": person.key, "text": text})
        message = people.text_message(person, self.telegram.chat(chat_id), message_id, self.now(), text)
        self.later(self.update(bot, (bot.name, chat_id), text.split("\n")[0][:40], {"message": message}))
        return {}

    async def act_telegram_link(self, body):
        """A deep link was followed: the person presses Start."""
        bot = self.settings.bot_by_username(str(body.get("username", "")))
        payload = str(body.get("payload", ""))
        if bot is None or not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", payload):
            raise Refused("this link leads to no bot here")
        await self.act_telegram_send({"person": body.get("person"), "chat": bot.name, "text": f"/start {payload}".strip()})
        return {"chat": bot.name}

    async def act_telegram_button(self, body):
        person = self.person(body.get("person"))
        chat = body.get("chat")
        group = chat == "group"
        chat_id = GROUP_ID if group else person.telegram_id
        message_id = int(body.get("message", 0))
        found = next(((name, message) for (name, place, number), message in reversed(self.telegram.state.messages.items())
                      if place == chat_id and number == message_id and (group or name == chat)), None)
        if found is None:
            raise Refused("this message is gone")
        bot, message = self.bot(found[0]), found[1]
        try:
            button = message["reply_markup"]["inline_keyboard"][int(body["row"])][int(body["column"])]
            data = button["callback_data"]
        except (KeyError, IndexError) as error:
            raise Refused("no such button") from error
        query_id = str(secrets.randbelow(1 << 62))
        self.queries[query_id] = person.key
        query = people.callback_query(person, query_id, message, data)
        self.later(self.update(bot, (bot.name, "callback", person.telegram_id), f"[{button['text']}]", {"callback_query": query}))
        return {}

    async def act_telegram_block(self, body):
        person, bot, blocked = self.person(body.get("person")), self.bot(body.get("bot")), bool(body.get("blocked"))
        (person.blocked.add if blocked else person.blocked.discard)(bot.name)
        self.people_changed()
        change = people.chat_member(person, bot.user(), self.now(), blocked)
        self.later(self.update(bot, (bot.name, person.telegram_id), "my_chat_member", {"my_chat_member": change}))
        return {}

    async def act_telegram_pay(self, body):
        """Pays an invoice link in pretended Stars: pre_checkout_query, its answer, then successful_payment."""
        person = self.person(body.get("person"))
        invoice = self.telegram.state.invoices.get(str(body.get("slug", "")))
        if invoice is None:
            raise Refused("this invoice is unknown here")
        bot = self.bot(invoice["bot"])
        query_id = str(secrets.randbelow(1 << 62))
        waiting = asyncio.get_running_loop().create_future()
        self.telegram.state.pre_checkouts[query_id] = waiting
        query = people.pre_checkout(person, query_id, invoice)
        self.later(self.update(bot, (bot.name, "checkout", person.telegram_id), "pre_checkout_query", {"pre_checkout_query": query}))
        try:
            good, words = await asyncio.wait_for(waiting, CHECKOUT_SECONDS)
        except asyncio.TimeoutError as error:
            raise Refused("the bot did not answer the pre-checkout query within 10 s") from error
        if not good:
            raise Refused(words)
        message_id = self.telegram.message_id()
        payment = people.successful_payment(person, message_id, self.now(), invoice)
        self.put(self.telegram_place(bot.name, person.telegram_id), {"id": str(message_id), "at": time.time(), "person": person.key,
                                                                     "service": True, "text": f"⭐ {invoice['amount']} · {invoice['title']}"})
        self.later(self.update(bot, (bot.name, person.telegram_id), "successful_payment", {"message": payment}))
        return {"chat": bot.name}

    # ---- Discord's webhooks -------------------------------------------------------------------------------------------------------

    def place(self, person, where):
        if where not in ("guild", "dm"):
            raise Refused("where: guild or dm")
        if not self.discord.application_id:
            raise Refused("the stack is not up yet: its env file is not there")
        guild = where == "guild"
        return people.Place(self.discord.guild_channel if guild else self.discord.direct_channel(person.discord_id), self.discord.guild_id if guild else "")

    async def interact(self, person, place, kind, title, data, extra=None):
        """Sends one interaction. What the page must know at once: a form to show, choices, an error."""
        token = secrets.token_urlsafe(40)
        chat = self.discord_place(place.channel_id)
        self.tokens[token] = (person.key, place, chat, title.split(" ")[0] if kind == 2 else None)
        while len(self.tokens) > 2000:
            self.tokens.popitem(last=False)
        roles = sorted(self.discord.state.roles.get((place.guild_id, person.discord_id), ()))
        value = people.interaction(person, place, kind, self.discord.snowflake(), token, self.discord.application_id, data, roles)
        value.update(extra or {})
        answer, words = await self.post("discord", title, "/discord/interactions", value, self.signature, INTERACTION_SECONDS)
        if answer is None or answer.status not in (200, 202):
            return {"failed": True, "words": words or f"HTTP {answer.status}"}
        if answer.status == 202:
            return {}
        try:
            body, files = self.callback(answer)
            return self.apply(token, body, files, extra)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.wire_add("discord", "reply", title, 0, None, answer.body.decode("utf-8", "replace"), "", f"not a valid answer: {error}")
        except DiscordError as error:
            self.wire_add("discord", "reply", title, error.status, None, answer.body.decode("utf-8", "replace"), json.dumps(error.value), "Discord refuses this answer")
        return {"failed": True, "words": "the answer is not valid"}

    def signature(self, body):
        stamp = str(int(time.time()))
        seed = self.settings.get("DISCORD_PRIVATE_KEY")
        try:
            signed = sign(seed, stamp.encode() + body)
        except ValueError as error:
            raise Refused("DISCORD_PRIVATE_KEY is missing or no key") from error
        return {"X-Signature-Ed25519": signed, "X-Signature-Timestamp": stamp, "User-Agent": "Discord-Interactions/1.0 (+https://discord.com)"}

    @staticmethod
    def callback(answer):
        kind = dict(answer.headers).get("content-type", "")
        if kind.startswith("multipart/form-data"):
            fields = parse_multipart(answer.body, kind)
            return json.loads(fields["payload_json"]), [value for value in fields.values() if isinstance(value, Upload)]
        return json.loads(answer.body), []

    def apply(self, token, body, files, extra):
        """Carries out an interaction's answer by its type."""
        key, place, *_ = self.tokens[token]
        kind, data = body["type"], body.get("data") or {}
        if kind in (4, 5, 7):
            call = DiscordCall("", "", (), None, "", data, {}, files=files)
            old = (extra or {}).get("message") if kind == 7 else None
            contents = self.discord.check_content(call, old) if kind != 5 else {"content": "", "embeds": [], "components": []}
            if old is not None:
                kept = self.discord.state.messages.get((self.component_place(old["id"]), old["id"]), old)
                kept.update(contents)
                self.discord.remember_original(token, kept)
                self.discord_message(place.channel_id, kept, token)
                return {}
            message = self.discord.message(call, place.channel_id, contents)
            message["flags"] |= LOADING if kind == 5 else 0
            self.discord.remember_original(token, message)
            self.discord_message(place.channel_id, message, token)
            return {}
        if kind == 8:
            return {"choices": data.get("choices") or []}
        if kind == 9:
            check_modal(data)
            return {"modal": self.open_modal(key, place, data, extra)}
        if kind != 6:
            raise ValueError(f"type {kind}")
        self.discord.state.originals[token] = ((extra or {}).get("message") or {}).get("id")
        return {}

    def component_place(self, message_id):
        """The key under which a message is kept: its channel, or the interaction that made it."""
        return next((place for place, number in self.discord.state.messages if number == message_id), "")

    def open_modal(self, key, place, data, extra):
        number = secrets.token_hex(6)
        self.modals[number] = (key, place, data, extra)
        while len(self.modals) > 200:
            self.modals.popitem(last=False)
        fields = []
        for part in data["components"]:
            inner = part.get("component") if part["type"] == 18 else (part.get("components") or [None])[0] if part["type"] == 1 else None
            if inner and inner.get("type") == 4:
                fields.append({"id": inner["custom_id"], "label": part.get("label") or inner.get("label") or "", "description": part.get("description") or "",
                               "long": inner.get("style") == 2, "required": inner.get("required", True), "min": inner.get("min_length") or 0,
                               "max": inner.get("max_length") or 4000, "value": inner.get("value") or "", "placeholder": inner.get("placeholder") or ""})
        return {"number": number, "title": data["title"], "fields": fields}

    async def act_discord_command(self, body, kind=2):
        person = self.person(body.get("person"))
        place = self.place(person, body.get("where"))
        command = next((row for row in self.discord_commands() if row["name"] == body.get("name")), None)
        if command is None:
            raise Refused("no such command")
        given = body.get("options") or {}
        options = []
        for option in command.get("options") or []:
            value = given.get(option["name"])
            if value not in (None, ""):
                converted = {4: int, 10: float, 5: lambda text: str(text).lower() == "true"}.get(option["type"], str)(value)
                options.append({"name": option["name"], "type": option["type"], "value": converted})
                if kind == 4 and option["name"] == body.get("focused"):
                    options[-1].update(focused=True, value=str(value))
            elif kind == 4 and option["name"] == body.get("focused"):
                options.append({"name": option["name"], "type": option["type"], "value": "", "focused": True})
            elif option.get("required") and kind == 2:
                raise Refused(f"{option['name']} is required")
        data = {"id": command["id"], "name": command["name"], "type": 1, "options": options}
        if self.settings.get("DISCORD_GUILD_ID") in self.discord.commands and place.guild_id:
            data["guild_id"] = place.guild_id
        title = "/" + " ".join([command["name"], *(f"{option['name']}:{option['value']}" for option in options)])
        async with self.lock(("discord", person.key, kind)):
            return await self.interact(person, place, kind, title[:80], data)

    async def act_discord_autocomplete(self, body):
        return await self.act_discord_command(body, kind=4)

    def component(self, body):
        """(person, place, the raw message, the component pressed)."""
        person = self.person(body.get("person"))
        place = self.place(person, body.get("where"))
        message_id = str(body.get("message"))
        message = self.discord.state.messages.get((self.component_place(message_id), message_id))
        if message is None:
            raise Refused("this message is gone")
        try:
            part = message["components"][int(body["row"])]["components"][int(body["column"])]
        except (KeyError, IndexError) as error:
            raise Refused("no such component") from error
        return person, place, message, part

    async def act_discord_button(self, body):
        person, place, message, part = self.component(body)
        if part.get("disabled") or "custom_id" not in part:
            raise Refused("this button does nothing")
        data = {"id": part.get("id", 1), "custom_id": part["custom_id"], "component_type": part["type"]}
        if part["type"] != 2:
            data["values"] = [str(value) for value in body.get("values") or []]
        title = f"[{part.get('label') or part['custom_id']}]"
        return await self.interact(person, place, 3, title, data, {"message": message})

    async def act_discord_modal(self, body):
        key, place, form, extra = self.modals.get(body.get("modal"), (None, None, None, None))
        if key is None or key != body.get("person"):
            raise Refused("this form is gone")
        values = body.get("values") or {}
        components = []
        for number, part in enumerate(form["components"]):
            if part["type"] == 10:
                continue
            inner = part["component"] if part["type"] == 18 else part["components"][0]
            answer = {"type": inner["type"], "id": number * 2 + 2, "custom_id": inner["custom_id"], "value": str(values.get(inner["custom_id"], ""))[:4000]}
            if inner.get("required", True) and not answer["value"].strip():
                raise Refused("fill in every field")
            components.append({"type": 18, "id": number * 2 + 1, "component": answer} if part["type"] == 18
                              else {"type": 1, "id": number * 2 + 1, "components": [answer]})
        data = {"custom_id": form["custom_id"], "components": components, "resolved": {}}
        result = await self.interact(self.person(key), place, 5, f"«{form['title']}»", data, {"message": extra["message"]} if extra else None)
        if not result.get("failed"):
            self.modals.pop(body["modal"], None)
        return result

    async def act_discord_say(self, body):
        """Plain words: others read them, an application without a gateway never does."""
        person = self.person(body.get("person"))
        place = self.place(person, body.get("where"))
        text = str(body.get("text", "")).strip()
        if not text or len(text) > 2000:
            raise Refused("a message has 1 to 2000 characters")
        self.put(self.discord_place(place.channel_id), {"id": self.discord.snowflake(), "at": time.time(), "person": person.key, "content": text, "unheard": True})
        return {}

    async def act_discord_direct(self, body):
        person = self.person(body.get("person"))
        person.dm_closed = bool(body.get("closed"))
        self.people_changed()
        return {}

    # ---- people, clock ------------------------------------------------------------------------------------------------------------

    async def act_people_new(self, body):
        language = body.get("language") if body.get("language") in ("en", "ru") else "en"
        person = self.add_person(str(body.get("name") or "").strip(), language, language)
        self.people_changed()
        return {"key": person.key, "people": [each.shown() for each in self.people.values()]}

    async def act_people_change(self, body):
        person = self.person(body.get("person"))
        if "name" in body:
            name = str(body["name"]).strip()
            if not 1 <= len(name) <= people.NAME_MAX:
                raise Refused(f"a name has 1 to {people.NAME_MAX} characters")
            person.name = name
        for field in ("telegram_language", "discord_language"):
            if field in body:
                if body[field] not in ("en", "ru"):
                    raise Refused("languages: en, ru")
                setattr(person, field, body[field])
        self.people_changed()
        return {}

    def clock_offset(self):
        try:
            with open(os.path.join(self.settings.run_dir, "clock"), encoding="ascii") as file:
                return int(file.read().strip() or "0")
        except (OSError, ValueError):
            return 0

    async def act_clock(self, body):
        offset = body.get("offset")
        if isinstance(offset, bool) or not isinstance(offset, int) or abs(offset) > CLOCK_MAX:
            raise Refused("offset: whole seconds, at most ten years")
        path = os.path.join(self.settings.run_dir, "clock")
        try:
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(f"{offset}\n")
            os.replace(path + ".new", path)
        except OSError as error:
            raise Refused(f"the clock could not be set: {error.strerror}") from error
        self.emit({"kind": "clock", "clock": offset})
        return {"clock": offset}

    # ---- HTTP ---------------------------------------------------------------------------------------------------------------------

    async def handle(self, request):
        path = request.path.removeprefix("/playground")
        if path == "":
            return Response(302, b"", "", {"Location": "/playground/"})
        if path.startswith("/api/"):
            return await self.api(request, path[len("/api/"):])
        return self.page_file(path.lstrip("/") or "index.html") if request.method in ("GET", "HEAD") else json_response({"error": "GET only"}, 405)

    def page_file(self, name):
        if not re.fullmatch(r"[a-z_]+\.(html|css|js|svg)", name):
            return json_response({"error": "no such file"}, 404)
        try:
            with open(os.path.join(PAGE, name), "rb") as file:
                body = file.read()
        except OSError:
            return json_response({"error": "no such file"}, 404)
        kind = {"js": "text/javascript", "html": "text/html", "css": "text/css", "svg": "image/svg+xml"}[name.rsplit(".", 1)[1]]
        return Response(200, body, kind + "; charset=utf-8", dict(PAGE_HEADERS))

    async def api(self, request, name):
        if request.method == "GET":
            return self.api_get(request, name)
        if not self.own_page(request.header("origin")):
            return json_response({"error": "asked from another page"}, 403)
        if request.header("content-type").split(";")[0] != "application/json":
            return json_response({"error": "JSON only"}, 415)
        action = ACTIONS.get(name)
        if action is None or request.method != "POST":
            return json_response({"error": "no such action"}, 404)
        try:
            body = request.json()
            if not isinstance(body, dict):
                raise Refused("an object is expected")
            return json_response(await action(self, body), headers={"Cache-Control": "no-store"})
        except (ValueError, TypeError) as error:
            return json_response({"error": str(error)}, 400)

    def own_page(self, origin):
        """Whether an action comes from our page (or from no page at all): nginx may have dropped the port from Host, so BASE_URL's counts."""
        parts, base = urlsplit(origin), urlsplit(self.settings.get("BASE_URL"))
        return not origin or (parts.hostname in LOOPBACK and (not base.port or parts.port == base.port))

    def api_get(self, request, name):
        if name == "state":
            return json_response(self.state(), headers={"Cache-Control": "no-store"})
        if name == "stream":
            since = request.header("last-event-id") or request.query.get("since", "0")
            return Response(200, content_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
                            stream=self.stream(request.query.get("boot"), int(since) if since.isdigit() else 0))
        if name == "file":
            return self.file(request.query)
        return json_response({"error": "no such thing"}, 404)

    def file(self, query):
        """A picture that was sent; anything else only as a download, so that nothing sent can run on this page."""
        if "telegram" in query:
            name, kind, data = self.telegram.state.files.get(query["telegram"], (None, None, None))
        else:
            kind, data = self.discord.state.files.get(query.get("discord", ""), (None, None))
            name = "file" + (mimetypes.guess_extension(kind or "") or "")
        if data is None:
            return json_response({"error": "no such file"}, 404)
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
        if kind not in ("image/png", "image/jpeg", "image/webp", "image/gif"):
            safe = re.sub(r"[^A-Za-z0-9._-]", "_", name.rsplit("/", 1)[-1])
            kind, headers["Content-Disposition"] = "application/octet-stream", f'attachment; filename="{safe}"'
        return Response(200, data, kind, headers)


ACTIONS = {
    "people/new": Playground.act_people_new, "people/change": Playground.act_people_change, "clock": Playground.act_clock,
    "telegram/send": Playground.act_telegram_send, "telegram/link": Playground.act_telegram_link, "telegram/button": Playground.act_telegram_button,
    "telegram/block": Playground.act_telegram_block, "telegram/pay": Playground.act_telegram_pay,
    "discord/command": Playground.act_discord_command, "discord/autocomplete": Playground.act_discord_autocomplete,
    "discord/button": Playground.act_discord_button, "discord/modal": Playground.act_discord_modal, "discord/say": Playground.act_discord_say,
    "discord/direct": Playground.act_discord_direct,
}
