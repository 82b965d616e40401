"""A stand-in for Discord's REST API v10: the calls we make, with the shapes, checks and refusals of the real one.

Where it is laxer on purpose: interaction tokens and users that this process never heard of are taken on trust (tests make up both). The
id of a direct channel is computed from its user's, so channels outlive a restart of the stand-in, as they do at Discord.
"""

import base64
import hashlib
import json
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from control import Window
from wire import Response, Upload, json_response, parse_multipart

EPOCH_MS = 1_420_070_400_000
DIRECT_BIT = 1 << 61  # no real snowflake has it before the year 2032
CONTENT_MAX = 2000
MESSAGES_KEPT = 20_000
NONCE_SECONDS = 180
EPHEMERAL = 64
COMPONENTS_V2 = 32768
WINDOW_SECONDS = 5.0
CHANNEL_LIMIT = 5

ERRORS = {
    10002: (404, "Unknown Application"), 10003: (404, "Unknown Channel"), 10004: (404, "Unknown Guild"), 10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"), 10011: (404, "Unknown Role"), 10013: (404, "Unknown User"), 10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"), 10063: (404, "Unknown application command"), 30034: (429, "Max number of daily application command creates has been reached (200)"),
    50028: (400, "Invalid role"), 40003: (400, "You are opening direct messages too fast"), 40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached the limit of 5 follow-up messages"), 40333: (403, "internal network error"), 50001: (403, "Missing Access"),
    50006: (400, "Cannot send an empty message"), 50007: (403, "Cannot send messages to this user"), 50013: (403, "Missing Permissions"),
    50005: (403, "Cannot edit a message authored by another user"), 50027: (401, "Invalid Webhook Token"), 50033: (400, "Invalid Recipient(s)"),
    50109: (400, "The request body contains invalid JSON."), 50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
}


class DiscordError(Exception):
    def __init__(self, status, value, headers=None):
        super().__init__(str(value))
        self.status = status
        self.value = value
        self.headers = headers or {}


def error(code):
    status, message = ERRORS[code]
    return DiscordError(status, {"message": message, "code": code})


def plain_error(status, message):
    return DiscordError(status, {"message": f"{status}: {message}", "code": 0})


def invalid(path, code, message):
    """50035 with the nested `errors` of the field at path, such as "components.0.label"."""
    value = {"_errors": [{"code": code, "message": message}]}
    for name in reversed(path.split(".")) if path else ():
        value = {name: value}
    return DiscordError(400, {"message": "Invalid Form Body", "code": 50035, "errors": value})


def too_long(path, limit):
    return invalid(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def required(path):
    return invalid(path, "BASE_TYPE_REQUIRED", "This field is required")


def rate_limited(seconds, is_global=False, scope=None):
    headers = {"Retry-After": str(max(1, int(seconds + 0.999))), "X-RateLimit-Scope": scope or ("global" if is_global else "user")}
    if is_global:
        headers["X-RateLimit-Global"] = "true"
    return DiscordError(429, {"message": "You are being rate limited.", "retry_after": round(seconds, 3), "global": is_global}, headers)


def is_snowflake(text):
    return isinstance(text, str) and re.fullmatch(r"\d{1,20}", text) is not None and 0 < int(text) < 1 << 63


def timestamp(seconds=None):
    seconds = time.time() if seconds is None else seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}+00:00"


@dataclass
class Call:
    method: str  # such as "POST /channels/{}/messages"
    concrete: str
    recipients: tuple
    shown: object
    path: str
    body: dict
    query: dict
    ids: tuple = ()
    route: object = None
    files: list = field(default_factory=list)
    bearer: object = None
    client: tuple = ("", "")  # OAuth2: id and secret
    wait: float = 0.0  # seconds until the bucket has room
    error: DiscordError = None


@dataclass
class State:
    messages: OrderedDict = field(default_factory=OrderedDict)  # (channel or "webhook:token", id) -> message
    originals: OrderedDict = field(default_factory=OrderedDict)  # interaction token -> message id
    nonces: dict = field(default_factory=OrderedDict)  # (channel, nonce) -> (time, message)
    closed: dict = field(default_factory=dict)  # user id -> error code: direct messages are refused
    channels: set = field(default_factory=set)
    roles: dict = field(default_factory=dict)  # (guild, user) -> set of role ids
    absent: set = field(default_factory=set)  # users who left the server
    refused_roles: dict = field(default_factory=dict)  # role id -> error code: 50013 above the bot's own, 10011 deleted
    acknowledged: set = field(default_factory=set)
    codes: dict = field(default_factory=dict)  # OAuth2
    bearers: dict = field(default_factory=dict)
    files: dict = field(default_factory=OrderedDict)
    entitlements: dict = field(default_factory=OrderedDict)
    connections: dict = field(default_factory=dict)
    window: Window = field(default_factory=Window)


class Discord:
    def __init__(self, settings, world):
        self.settings = settings
        self.world = world
        self.state = State()
        self.commands = {}  # guild id or None -> list
        self.metadata = []
        self.application_settings = {}
        self.limits = None
        self.counter = 0

    def reset(self):
        self.state = State()
        self.limits = None

    def snowflake(self):
        self.counter = (self.counter + 1) & 0xFFF
        return str(((int(time.time() * 1000) - EPOCH_MS) << 22) | (1 << 17) | self.counter)

    # ---- whom and where -----------------------------------------------------------------------------------------------------------

    @property
    def application_id(self):
        return self.settings.get("DISCORD_APPLICATION_ID")

    @property
    def guild_id(self):
        return self.settings.get("DISCORD_GUILD_ID")

    @property
    def guild_channel(self):
        return str(int(self.guild_id) + 1) if is_snowflake(self.guild_id) else "0"

    def direct_channel(self, user_id):
        return str(int(user_id) | DIRECT_BIT)

    def direct_user(self, channel_id):
        """The user of a direct channel; None for any other channel."""
        return str(int(channel_id) & ~DIRECT_BIT) if is_snowflake(channel_id) and int(channel_id) & DIRECT_BIT else None

    def bot_user(self):
        return {"id": self.application_id, "username": "Trivet", "discriminator": "0", "global_name": None, "avatar": None, "bot": True, "public_flags": 0}

    def user(self, user_id):
        return self.world.discord_user(user_id) or {"id": user_id, "username": f"user{user_id[-6:]}", "discriminator": "0",
                                                    "global_name": None, "avatar": None, "public_flags": 0}

    # ---- the call -----------------------------------------------------------------------------------------------------------------

    def read(self, request, path):
        call = Call("", "", (), None, path, {}, dict(request.query))
        call.method = call.concrete = f"{request.method} {path}"
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match and route.verb == request.method:
                call.route, call.ids, call.method = route, match.groups(), f"{route.verb} {route.template}"
                break
        try:
            self.authorise(call, request)
            call.body = self.parse_body(call, request)
            call.client = client_of(call, request)
        except DiscordError as caught:
            call.error = caught
        call.shown = {**call.body, "files": [file.summary() for file in call.files]} if call.files else call.body
        call.recipients = self.recipients(call)
        return call

    def recipients(self, call):
        """Whom a call is for: the user of a direct channel first, then the channel (or guild member) itself."""
        if call.method == "POST /users/@me/channels":
            return (str(call.body.get("recipient_id", "")),)
        if call.route and "members" in call.route.template:
            return (call.ids[1],)
        if call.route and call.route.template.startswith("/channels"):
            user = self.direct_user(call.ids[0])
            return (user, call.ids[0]) if user else (call.ids[0],)
        if call.route and call.route.template.startswith("/webhooks"):
            user = self.world.discord_token_user(call.ids[1])
            return (user,) if user else ()
        return ()

    def authorise(self, call, request):
        if call.route is None:
            known = any(route.pattern.fullmatch(call.path) for route in ROUTES)
            raise plain_error(405, "Method Not Allowed") if known else plain_error(404, "Not Found")
        authorization = request.header("authorization")
        scheme, _, token = authorization.partition(" ")
        if call.route.access == "client":
            return
        agent = request.header("user-agent")
        if scheme == "Bot" and not agent.startswith("DiscordBot ("):
            raise error(40333)  # what the real one's front does with an unknown User-Agent
        if call.route.access == "token":
            if call.ids[0] != self.application_id:
                raise error(10015)
            if len(call.ids[1]) < 4:
                raise error(50027)
            return
        if scheme == "Bot" and token and token == self.settings.get("DISCORD_BOT_TOKEN") and call.route.access in ("bot", "any"):
            return
        if scheme == "Bearer" and call.route.access in ("bearer", "any"):
            call.bearer = self.state.bearers.get(token)
            if call.bearer and call.bearer["expires"] > time.time():
                return
        raise plain_error(401, "Unauthorized")

    def parse_body(self, call, request):
        kind = request.header("content-type").split(";")[0].strip().lower()
        if not request.body:
            return {}
        try:
            if kind == "application/json":
                body = request.json()
                if call.method.startswith("PUT") and isinstance(body, list):
                    return {"list": body}
                if isinstance(body, dict):
                    return body
                raise invalid("", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
            if kind == "multipart/form-data":
                fields = parse_multipart(request.body, request.header("content-type"))
                call.files = [value for value in fields.values() if isinstance(value, Upload)]
                return json.loads(fields.get("payload_json", "{}"))
            if kind == "application/x-www-form-urlencoded" and call.route.access == "client":
                return dict(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
        except UnicodeError as caught:
            raise error(50109) from caught
        except ValueError as caught:
            raise error(50109) from caught
        raise invalid("_misc", "CONTENT_TYPE_INVALID", "Expected \"Content-Type\" header to be one of {'application/json'}.")

    def perform(self, call):
        headers = self.bucket(call)
        try:
            if call.error:
                raise call.error
            self.limit(call, headers)
            result = call.route.function(self, call)
        except DiscordError as caught:
            return json_response(caught.value, caught.status, {**headers, **caught.headers})
        if isinstance(result, Response):
            result.headers.update(headers)
            return result
        status, value = result if isinstance(result, tuple) else (200, result)
        return Response(204, headers=headers) if value is None else json_response(value, status, headers)

    def bucket(self, call):
        """The rate-limit headers; truthful about the window, which is enforced only after POST /control/limits."""
        if call.route is None or call.route.access == "client":
            return {}
        key = (call.method, call.ids[0] if call.ids else "")
        limit = (self.limits or {}).get("per_channel_5s") or CHANNEL_LIMIT
        wait, remaining, reset = self.state.window.take(key, limit, WINDOW_SECONDS)
        call.wait = wait
        name = hashlib.sha256(call.method.encode()).hexdigest()[:32]
        return {"X-RateLimit-Bucket": name, "X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining if self.limits else max(1, remaining)),
                "X-RateLimit-Reset": f"{time.time() + reset:.3f}", "X-RateLimit-Reset-After": f"{reset:.3f}"}

    def limit(self, call, headers):
        if not self.limits:
            return
        if self.limits.get("per_second") and call.route.access != "token":
            wait, _, _ = self.state.window.take("global", self.limits["per_second"], 1.0)
            if wait:
                raise rate_limited(wait, is_global=True)
        if self.limits.get("per_channel_5s") and call.wait:
            raise rate_limited(call.wait)

    def rule_response(self, answer):
        status = answer["status"]
        if "body" in answer:
            return json_response(answer["body"], status, answer.get("headers"))
        if status == 429:
            caught = rate_limited(float(answer.get("retry_after", 1)), bool(answer.get("global")), answer.get("scope"))
            if answer.get("plain"):  # as Cloudflare answers: no JSON, no bucket
                return Response(429, b"error code: 1015", "text/plain", {"Retry-After": caught.headers["Retry-After"]})
            return json_response(caught.value, 429, caught.headers)
        code = answer.get("code", 50007 if status == 403 else 0)
        words = ERRORS[code][1] if code in ERRORS else f"{status}: " + {401: "Unauthorized", 404: "Not Found"}.get(status, "Internal Server Error")
        return json_response({"message": answer.get("description", words), "code": code}, status)

    # ---- messages -----------------------------------------------------------------------------------------------------------------

    def check_content(self, call, old=None):
        body = call.body
        content = body.get("content", (old or {}).get("content", ""))
        if content is not None and not isinstance(content, str):
            raise invalid("content", "BASE_TYPE_BAD_TYPE", "Field is not a string")
        if len(content or "") > CONTENT_MAX:
            raise too_long("content", CONTENT_MAX)
        embeds = body.get("embeds") if "embeds" in body else (old or {}).get("embeds")
        components = body.get("components") if "components" in body else (old or {}).get("components")
        check_embeds(embeds or [])
        check_components(components or [], bool(int(body.get("flags") or 0) & COMPONENTS_V2))
        check_mentions(body.get("allowed_mentions"))
        if not (content or "").strip() and not embeds and not components and not call.files and not body.get("sticker_ids"):
            raise error(50006)
        return {"content": content or "", "embeds": embeds or [], "components": components or []}

    def message(self, call, channel_id, contents, **more):
        attachments = []
        for file in call.files:
            file_id = self.snowflake()
            self.state.files[file_id] = (file.content_type, file.data)
            while len(self.state.files) > 200:
                self.state.files.popitem(last=False)
            attachments.append({"id": file_id, "filename": file.name, "size": len(file.data), "content_type": file.content_type,
                                "url": f"/discord/cdn/attachments/{channel_id}/{file_id}/{file.name}"})
        return {"id": self.snowflake(), "type": 0, "channel_id": channel_id, "author": self.bot_user(), "timestamp": timestamp(), "edited_timestamp": None,
                "tts": False, "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": attachments, "pinned": False,
                "flags": int(call.body.get("flags") or 0), **contents, **more}

    def keep(self, place, message):
        self.state.messages[(place, message["id"])] = message
        while len(self.state.messages) > MESSAGES_KEPT:
            self.state.messages.popitem(last=False)

    def reachable(self, channel_id):
        """Refuses a channel that is unknown, and the direct channel of a user who takes no messages."""
        user = self.direct_user(channel_id)
        if user is None:
            if channel_id != self.guild_channel and channel_id not in self.state.channels:
                raise error(10003)
            return
        code = self.state.closed.get(user) or (50007 if self.world.discord_closed(user) else None)
        if code:
            raise error(code)

    def remember_original(self, token, message):
        """The first answer of an interaction: what @original means from now on."""
        self.state.originals[token] = message["id"]
        while len(self.state.originals) > MESSAGES_KEPT:
            self.state.originals.popitem(last=False)
        self.keep("webhook:" + token, message)

    def find(self, place, message_id):
        message = self.state.messages.get((place, message_id))
        if message is None:
            raise error(10008)
        return message


# ---- checks -----------------------------------------------------------------------------------------------------------------------------


def check_embeds(embeds):
    if not isinstance(embeds, list) or len(embeds) > 10:
        raise invalid("embeds", "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 10 in length.")
    total = 0
    for number, embed in enumerate(embeds):
        if not isinstance(embed, dict):
            raise invalid(f"embeds.{number}", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        texts = [("title", embed.get("title"), 256), ("description", embed.get("description"), 4096),
                 ("footer.text", (embed.get("footer") or {}).get("text"), 2048), ("author.name", (embed.get("author") or {}).get("name"), 256)]
        fields = embed.get("fields") or []
        if len(fields) > 25:
            raise invalid(f"embeds.{number}.fields", "BASE_TYPE_BAD_LENGTH", "Must be 25 or fewer in length.")
        for index, item in enumerate(fields):
            for name, limit in (("name", 256), ("value", 1024)):
                if not item.get(name):
                    raise required(f"embeds.{number}.fields.{index}.{name}")
                texts.append((f"fields.{index}.{name}", item[name], limit))
        for name, text, limit in texts:
            if text and len(text.strip()) > limit:
                raise too_long(f"embeds.{number}.{name}", limit)
            total += len((text or "").strip())
    if total > 6000:
        raise invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def check_mentions(mentions):
    if mentions is None:
        return
    if not isinstance(mentions, dict):
        raise invalid("allowed_mentions", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    parse = mentions.get("parse") or []
    for name in ("users", "roles"):
        if name in parse and mentions.get(name):
            raise invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f"parse:[\"{name}\"] and {name}: [ids...] are mutually exclusive.")
        if len(mentions.get(name) or []) > 100:
            raise invalid(f"allowed_mentions.{name}", "BASE_TYPE_BAD_LENGTH", "Must be 100 or fewer in length.")


def check_button(button, path, ids):
    style = button.get("style")
    if style not in (1, 2, 3, 4, 5, 6):
        raise invalid(path + ".style", "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5, 6}.")
    if len(button.get("label") or "") > 80:
        raise too_long(path + ".label", 80)
    if style == 5:
        if "custom_id" in button:
            raise invalid(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A custom id and url cannot both be specified")
        url = button.get("url") or ""
        if len(url) > 512:
            raise too_long(path + ".url", 512)
        if urlsplit(url).scheme not in ("http", "https", "discord"):
            raise invalid(path + ".url", "URL_TYPE_INVALID_SCHEME", f"Scheme \"{urlsplit(url).scheme}\" is not supported. Scheme must be one of ('http', 'https', 'discord').")
    elif style != 6:
        check_custom_id(button, path, ids)
    if not button.get("label") and not button.get("emoji") and style != 6:
        raise required(path + ".label")


def check_custom_id(component, path, ids):
    custom_id = component.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise required(path + ".custom_id")
    if len(custom_id) > 100:
        raise too_long(path + ".custom_id", 100)
    if custom_id in ids:
        raise invalid(path + ".custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    ids.add(custom_id)


def check_components(components, version_2=False):
    """Classic rows of a message: at most 5 rows of at most 5 buttons or one select."""
    if not isinstance(components, list):
        raise invalid("components", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    if version_2:
        return
    if len(components) > 5:
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Must be 5 or fewer in length.")
    ids = set()
    for row_number, row in enumerate(components):
        path = f"components.{row_number}"
        if not isinstance(row, dict) or row.get("type") != 1:
            raise invalid(path + ".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,).")
        inner = row.get("components")
        if not isinstance(inner, list) or not 1 <= len(inner) <= 5:
            raise invalid(path + ".components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        for number, component in enumerate(inner):
            at = f"{path}.components.{number}"
            if component.get("type") == 2:
                check_button(component, at, ids)
            elif component.get("type") in (3, 5, 6, 7, 8):
                check_custom_id(component, at, ids)
                if len(component.get("options") or []) > 25:
                    raise invalid(at + ".options", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length.")
            else:
                raise invalid(at + ".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (2, 3, 5, 6, 7, 8).")


def check_modal(modal):
    """What a type 9 answer must hold."""
    for name, limit in (("title", 45), ("custom_id", 100)):
        if not modal.get(name):
            raise required("data." + name)
        if len(modal[name]) > limit:
            raise too_long("data." + name, limit)
    components = modal.get("components")
    if not isinstance(components, list) or not 1 <= len(components) <= 5:
        raise invalid("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    for number, component in enumerate(components):
        if component.get("type") not in (1, 10, 18):
            raise invalid(f"data.components.{number}.type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1, 10, 18).")


def check_command(command, path, names):
    if not isinstance(command, dict):
        raise invalid(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    kind, name = command.get("type", 1), command.get("name")
    if not name:
        raise required(path + ".name")
    if not re.fullmatch(r"[-_'\w]{1,32}" if kind == 1 else r".{1,32}", name) or (kind == 1 and name != name.lower()):
        raise invalid(path + ".name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if (kind, name) in names:
        raise invalid(path + ".name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
    names.add((kind, name))
    if kind == 1:
        check_description(command, path)
        check_options(command.get("options") or [], path + ".options")


def check_description(item, path):
    if not item.get("description"):
        raise required(path + ".description")
    if len(item["description"]) > 100:
        raise invalid(path + ".description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    for language, text in (item.get("description_localizations") or {}).items():
        if language not in LOCALES:
            raise invalid(f"{path}.description_localizations.{language}", "BASE_TYPE_CHOICES", "Not a valid locale.")
        if not 1 <= len(text) <= 100:
            raise invalid(f"{path}.description_localizations.{language}", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")


def check_options(options, path):
    if len(options) > 25:
        raise invalid(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names, optional_seen = set(), False
    for number, option in enumerate(options):
        at = f"{path}.{number}"
        if not re.fullmatch(r"[-_'\w]{1,32}", str(option.get("name", ""))) or option["name"] != option["name"].lower():
            raise invalid(at + ".name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
        if option["name"] in names:
            raise invalid(at + ".name", "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option names must be unique")
        names.add(option["name"])
        if option.get("type") not in range(1, 12):
            raise invalid(at + ".type", "BASE_TYPE_CHOICES", "Value must be one of {1, ..., 11}.")
        check_description(option, at)
        if option.get("required") and optional_seen:
            raise invalid(at, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options must be placed before non-required options")
        optional_seen = optional_seen or not option.get("required")
        choices = option.get("choices") or []
        if len(choices) > 25 or (choices and option.get("autocomplete")):
            raise invalid(at + ".choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length, and not together with autocomplete.")
        for index, choice in enumerate(choices):
            if not 1 <= len(str(choice.get("name", ""))) <= 100 or len(str(choice.get("value", ""))) > 100:
                raise invalid(f"{at}.choices.{index}", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")


LOCALES = set("id da de en-GB en-US es-ES es-419 fr hr it lt hu nl no pl pt-BR ro fi sv-SE vi tr cs el bg ru uk hi th zh-CN ja zh-TW ko".split())


# ---- the calls --------------------------------------------------------------------------------------------------------------------------


def get_me(self, call):
    if call.bearer:
        user = dict(self.user(call.bearer["user"]))
        if "email" in call.bearer["scope"].split():
            user.update(email=f"{user['username']}@example.org", verified=True)
        return user
    return {**self.bot_user(), "verified": True, "mfa_enabled": True, "flags": 0, "locale": "en-US"}


def get_user(self, call):
    if not is_snowflake(call.ids[0]):
        raise invalid("user_id", "NUMBER_TYPE_COERCE", f"Value \"{call.ids[0]}\" is not snowflake.")
    return self.user(call.ids[0])


def get_application(self, call):
    return {"id": self.application_id, "name": "Trivet", "description": "", "icon": None, "bot_public": True, "bot_require_code_grant": False,
            "verify_key": self.settings.get("DISCORD_PUBLIC_KEY"), "flags": 0, "owner": None, "team": None, "hook": True,
            "bot": self.bot_user(), "interactions_endpoint_url": None, "role_connections_verification_url": None, "event_webhooks_url": None,
            "event_webhooks_status": 1, "event_webhooks_types": [], **self.application_settings}


def patch_application(self, call):
    allowed = ("interactions_endpoint_url", "role_connections_verification_url", "event_webhooks_url", "event_webhooks_status", "event_webhooks_types", "description")
    self.application_settings.update({name: call.body[name] for name in allowed if name in call.body})
    return get_application(self, call)


def open_direct(self, call):
    user = call.body.get("recipient_id")
    if user is None:
        raise required("recipient_id")
    if not is_snowflake(str(user)):
        raise invalid("recipient_id", "NUMBER_TYPE_COERCE", f"Value \"{user}\" is not snowflake.")
    user = str(user)
    if user == self.application_id or int(user) & DIRECT_BIT:
        raise error(50033)
    return {"id": self.direct_channel(user), "type": 1, "last_message_id": None, "flags": 0, "recipients": [self.user(user)]}


def get_channel(self, call):
    channel_id = call.ids[0]
    user = self.direct_user(channel_id)
    if user:
        return {"id": channel_id, "type": 1, "last_message_id": None, "flags": 0, "recipients": [self.user(user)]}
    self.reachable(channel_id)
    return {"id": channel_id, "type": 0, "guild_id": self.guild_id, "name": "general", "position": 0, "flags": 0}


def create_message(self, call):
    channel_id = call.ids[0]
    if not is_snowflake(channel_id):
        raise invalid("channel_id", "NUMBER_TYPE_COERCE", f"Value \"{channel_id}\" is not snowflake.")
    nonce = call.body.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        raise too_long("nonce", 25)
    contents = self.check_content(call)
    self.reachable(channel_id)
    key = (channel_id, str(nonce))
    if nonce is not None and call.body.get("enforce_nonce"):
        at, message = self.state.nonces.get(key, (0, None))
        if message and at > time.time() - NONCE_SECONDS:
            return message
    more = {"nonce": nonce} if nonce is not None else {}
    reference = call.body.get("message_reference")
    if reference:
        more["message_reference"] = {"channel_id": channel_id, **reference}
    message = self.message(call, channel_id, contents, **more)
    if nonce is not None and call.body.get("enforce_nonce"):
        self.state.nonces[key] = (time.time(), message)
        while len(self.state.nonces) > MESSAGES_KEPT:
            self.state.nonces.popitem(last=False)
    self.keep(channel_id, message)
    self.world.discord_message(channel_id, message, None)
    return message


def get_message(self, call):
    return self.find(call.ids[0], call.ids[1])


def edit_message(self, call):
    message = self.find(call.ids[0], call.ids[1])
    message.update(self.check_content(call, message), edited_timestamp=timestamp())
    self.world.discord_message(call.ids[0], message, None)
    return message


def remove_message(self, call):
    self.find(call.ids[0], call.ids[1])
    del self.state.messages[(call.ids[0], call.ids[1])]
    self.world.discord_deleted(call.ids[0], call.ids[1])
    return 204, None


def list_messages(self, call):
    self.reachable(call.ids[0])
    found = [message for (place, _), message in self.state.messages.items() if place == call.ids[0]]
    return found[::-1][:min(100, int(call.query.get("limit", "50")))]


def follow_up(self, call):
    contents = self.check_content(call)
    token = call.ids[1]
    channel_id = self.world.discord_token_channel(token) or self.guild_channel
    message = self.message(call, channel_id, contents, application_id=self.application_id, webhook_id=self.application_id)
    self.keep("webhook:" + token, message)
    self.world.discord_message(channel_id, message, token)
    return message


def original(self, token, message_id):
    """The real id behind @original; None when the first answer of that interaction is not ours to know."""
    return self.state.originals.get(token) if message_id == "@original" else message_id


def get_webhook_message(self, call):
    return self.find("webhook:" + call.ids[1], original(self, call.ids[1], call.ids[2]) or "")


def edit_webhook_message(self, call):
    token = call.ids[1]
    message_id = original(self, token, call.ids[2])
    old = self.state.messages.get(("webhook:" + token, message_id))
    if old is None and call.ids[2] != "@original":
        raise error(10008)
    contents = self.check_content(call, old)
    channel_id = self.world.discord_token_channel(token) or self.guild_channel
    if old is None:  # the interaction's first answer went to a test, not through us
        old = self.message(call, channel_id, contents, application_id=self.application_id, webhook_id=self.application_id)
        self.remember_original(token, old)
    else:
        attachments = self.message(call, channel_id, contents)["attachments"]
        flags = old["flags"] & ~128  # no longer loading
        old.update(contents, edited_timestamp=timestamp(), flags=flags, attachments=old["attachments"] + attachments)
    self.world.discord_message(channel_id, old, token)
    return old


def remove_webhook_message(self, call):
    message_id = original(self, call.ids[1], call.ids[2])
    self.find("webhook:" + call.ids[1], message_id or "")
    del self.state.messages[("webhook:" + call.ids[1], message_id)]
    self.world.discord_deleted(self.world.discord_token_channel(call.ids[1]) or self.guild_channel, message_id)
    return 204, None


def interaction_callback(self, call):
    if call.ids[0] in self.state.acknowledged:
        raise error(40060)
    if call.body.get("type") not in (1, 4, 5, 6, 7, 8, 9, 12):
        raise invalid("type", "BASE_TYPE_CHOICES", "Value must be one of {1, 4, 5, 6, 7, 8, 9, 12}.")
    self.state.acknowledged.add(call.ids[0])
    self.world.discord_callback(call.ids[1], call.body)
    return 204, None


def scope_of(self, call):
    if call.ids[0] != self.application_id:
        raise error(10002)
    if len(call.ids) > 1 and call.ids[1] != self.guild_id:
        raise error(50001)
    return call.ids[1] if len(call.ids) > 1 else None


def stored_command(self, command, guild, old):
    same = next((known for known in old if known["name"] == command["name"] and known["type"] == command.get("type", 1)), None)
    stored = {"id": same["id"] if same else self.snowflake(), "application_id": self.application_id, "version": self.snowflake(), "type": 1,
              "default_member_permissions": None, "nsfw": False, "description": "", "options": [], **command}
    if guild:
        stored["guild_id"] = guild
    else:
        stored.setdefault("integration_types", [0])
        stored.setdefault("contexts", None)
        stored.setdefault("dm_permission", True)
    return stored


def put_commands(self, call):
    guild = scope_of(self, call)
    commands = call.body.get("list", [] if not call.body else None)
    if commands is None:
        raise invalid("", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    if len(commands) > 131:
        raise invalid("", "MAX_ITEMS", "Too many commands")
    names = set()
    for number, command in enumerate(commands):
        check_command(command, str(number), names)
    self.commands[guild] = [stored_command(self, command, guild, self.commands.get(guild, [])) for command in commands]
    self.world.commands_changed()
    return self.commands[guild]


def get_commands(self, call):
    return self.commands.get(scope_of(self, call), [])


def post_command(self, call):
    guild = scope_of(self, call)
    check_command(call.body, "", set())
    old = self.commands.get(guild, [])
    stored = stored_command(self, call.body, guild, old)
    rest = [command for command in old if command["id"] != stored["id"]]
    self.commands[guild] = rest + [stored]
    self.world.commands_changed()
    return (200 if len(rest) < len(old) else 201), stored


def remove_command(self, call):
    guild = call.ids[1] if len(call.ids) == 3 else None
    old = self.commands.get(guild, [])
    rest = [command for command in old if command["id"] != call.ids[-1]]
    if len(rest) == len(old):
        raise error(10063)
    self.commands[guild] = rest
    self.world.commands_changed()
    return 204, None


def guild_of(self, call):
    if call.ids[0] != self.guild_id:
        raise error(10004)
    return call.ids[0]


def get_guild(self, call):
    return {"id": guild_of(self, call), "name": "Trivet club", "icon": None, "owner_id": "1", "roles": get_roles(self, call), "features": [], "preferred_locale": "en-US"}


def get_roles(self, call):
    guild = guild_of(self, call)
    known = sorted({role for (_, _), roles in self.state.roles.items() for role in roles})
    return [{"id": role, "name": "@everyone" if role == guild else f"role {role}", "color": 0, "position": 0, "permissions": "0", "managed": False}
            for role in [guild] + known]


def member_of(self, call):
    """The server and a user who is on it."""
    guild = guild_of(self, call)
    if not is_snowflake(call.ids[1]):
        raise invalid("user_id", "NUMBER_TYPE_COERCE", f"Value \"{call.ids[1]}\" is not snowflake.")
    if call.ids[1] in self.state.absent:
        raise error(10007)
    return guild, call.ids[1]


def get_member(self, call):
    guild, _ = member_of(self, call)
    return {"user": self.user(call.ids[1]), "roles": sorted(self.state.roles.get((guild, call.ids[1]), ())), "nick": None, "joined_at": timestamp(0), "flags": 0,
            "deaf": False, "mute": False}


def role_of(self, call):
    """The member's key and a role that the bot may give and take."""
    key, role = member_of(self, call), call.ids[2]
    if not is_snowflake(role):
        raise error(10011)
    if role == key[0]:
        raise error(50028)  # @everyone
    if role in self.state.refused_roles:
        raise error(self.state.refused_roles[role])
    return key, role


def put_role(self, call):
    key, role = role_of(self, call)
    self.state.roles.setdefault(key, set()).add(role)
    self.world.roles_changed(call.ids[1])
    return 204, None


def remove_role(self, call):
    key, role = role_of(self, call)
    self.state.roles.get(key, set()).discard(role)
    self.world.roles_changed(call.ids[1])
    return 204, None


def put_metadata(self, call):
    records = call.body.get("list", [])
    if len(records) > 5:
        raise invalid("", "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length.")
    for number, record in enumerate(records):
        if not re.fullmatch(r"[a-z0-9_]{1,50}", str(record.get("key", ""))):
            raise invalid(f"{number}.key", "STRING_TYPE_REGEX", "String value did not match validation regex.")
        for name, limit in (("name", 100), ("description", 200)):
            if not 1 <= len(record.get(name) or "") <= limit:
                raise invalid(f"{number}.{name}", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {limit} in length.")
        if record.get("type") not in range(1, 9):
            raise invalid(f"{number}.type", "BASE_TYPE_CHOICES", "Value must be one of {1, ..., 8}.")
    self.metadata = records
    return records


def get_metadata(self, call):
    return self.metadata


def put_connection(self, call):
    if call.ids[0] != self.application_id:
        raise error(10002)
    if "role_connections.write" not in call.bearer["scope"].split():
        raise error(50001)
    for name, limit in (("platform_name", 50), ("platform_username", 100)):
        if len(call.body.get(name) or "") > limit:
            raise too_long(name, limit)
    for key, value in (call.body.get("metadata") or {}).items():
        if not isinstance(value, str) or not 1 <= len(value) <= 100:
            raise invalid(f"metadata.{key}", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    self.state.connections[call.bearer["user"]] = call.body
    return call.body


def get_connection(self, call):
    return self.state.connections.get(call.bearer["user"], {"metadata": {}})


def get_entitlements(self, call):
    user = call.query.get("user_id")
    return [value for value in self.state.entitlements.values() if user in (None, value.get("user_id"))]


def consume_entitlement(self, call):
    value = self.state.entitlements.get(call.ids[1])
    if value is None:
        raise plain_error(404, "Not Found")
    value["consumed"] = True
    return 204, None


# ---- OAuth2 -----------------------------------------------------------------------------------------------------------------------------


def authorize(self, call):
    """GET /oauth2/authorize: agrees at once as the user named by `as` (a parameter of ours), else the playground's first person."""
    redirect = call.query.get("redirect_uri", "")
    if call.query.get("client_id") != (self.settings.get("DISCORD_CLIENT_ID") or self.application_id) or not redirect:
        return json_response({"message": "Invalid client or redirect_uri", "code": 0}, 400)
    user = call.query.get("as") or self.world.first_discord_user()
    code = secrets.token_urlsafe(20)
    self.state.codes[code] = {"user": user, "redirect_uri": redirect, "scope": call.query.get("scope", "identify"),
                              "challenge": call.query.get("code_challenge"), "expires": time.time() + 600}
    glue = "&" if urlsplit(redirect).query else "?"
    state = call.query.get("state", "")
    return Response(302, b"", "", {"Location": f"{redirect}{glue}code={code}&state={state}"})


def client_of(call, request):
    basic = request.header("authorization")
    if basic.startswith("Basic "):
        try:
            return tuple(base64.b64decode(basic[6:]).decode().split(":", 1))
        except ValueError:
            return "", ""
    return call.body.get("client_id", ""), call.body.get("client_secret", "")


def oauth_error(words, description="", status=400):
    return json_response({"error": words, **({"error_description": description} if description else {})}, status)


def token(self, call):
    client = (self.settings.get("DISCORD_CLIENT_ID") or self.application_id, self.settings.get("DISCORD_CLIENT_SECRET"))
    if call.client != client:
        return oauth_error("invalid_client", status=401)
    kind = call.body.get("grant_type")
    if kind == "refresh_token":
        access, old = next(((access, value) for access, value in self.state.bearers.items() if value["refresh"] == call.body.get("refresh_token")), (None, None))
        if old is None:
            return oauth_error("invalid_grant")
        del self.state.bearers[access]  # a refresh token is good for one use
        return issue(self, old["user"], old["scope"])
    if kind != "authorization_code":
        return oauth_error("unsupported_grant_type")
    grant = self.state.codes.pop(call.body.get("code", ""), None)
    if not grant or grant["expires"] < time.time():
        return oauth_error("invalid_grant", 'Invalid "code" in request.')
    if grant["redirect_uri"] != call.body.get("redirect_uri"):
        return oauth_error("invalid_grant", 'Invalid "redirect_uri" in request.')
    if grant["challenge"]:
        digest = hashlib.sha256(call.body.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != grant["challenge"]:
            return oauth_error("invalid_grant", 'Invalid "code_verifier" in request.')
    return issue(self, grant["user"], grant["scope"])


def issue(self, user, scope):
    access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    self.state.bearers[access] = {"user": user, "scope": scope, "refresh": refresh, "expires": time.time() + 604_800}
    return {"access_token": access, "token_type": "Bearer", "expires_in": 604_800, "refresh_token": refresh, "scope": scope}


def revoke(self, call):
    known = call.body.get("token")
    self.state.bearers = {access: value for access, value in self.state.bearers.items() if known not in (access, value["refresh"])}
    return {}


# ---- routes -----------------------------------------------------------------------------------------------------------------------------


class Route:
    """access: bot, bearer, any (either), token (the interaction's own, in the path), client (OAuth2)."""

    def __init__(self, verb, template, access, function):
        self.verb = verb
        self.template = template
        self.access = access
        self.function = function
        self.pattern = re.compile(re.escape(template).replace(r"\{\}", "([^/]+)"))


APP, GUILD_APP = "/applications/{}/commands", "/applications/{}/guilds/{}/commands"
ROUTES = [Route(*row) for row in (
    ("GET", "/users/@me", "any", get_me),
    ("POST", "/users/@me/channels", "bot", open_direct),
    ("GET", "/users/{}", "bot", get_user),
    ("GET", "/applications/@me", "bot", get_application),
    ("PATCH", "/applications/@me", "bot", patch_application),
    ("GET", "/oauth2/applications/@me", "bot", get_application),
    ("GET", "/channels/{}", "bot", get_channel),
    ("GET", "/channels/{}/messages", "bot", list_messages),
    ("POST", "/channels/{}/messages", "bot", create_message),
    ("GET", "/channels/{}/messages/{}", "bot", get_message),
    ("PATCH", "/channels/{}/messages/{}", "bot", edit_message),
    ("DELETE", "/channels/{}/messages/{}", "bot", remove_message),
    ("POST", "/webhooks/{}/{}", "token", follow_up),
    ("GET", "/webhooks/{}/{}/messages/{}", "token", get_webhook_message),
    ("PATCH", "/webhooks/{}/{}/messages/{}", "token", edit_webhook_message),
    ("DELETE", "/webhooks/{}/{}/messages/{}", "token", remove_webhook_message),
    ("POST", "/interactions/{}/{}/callback", "client", interaction_callback),
    ("PUT", APP, "bot", put_commands), ("GET", APP, "bot", get_commands), ("POST", APP, "bot", post_command),
    ("DELETE", APP + "/{}", "bot", remove_command),
    ("PUT", GUILD_APP, "bot", put_commands), ("GET", GUILD_APP, "bot", get_commands), ("POST", GUILD_APP, "bot", post_command),
    ("DELETE", GUILD_APP + "/{}", "bot", remove_command),
    ("PUT", "/applications/{}/role-connections/metadata", "bot", put_metadata),
    ("GET", "/applications/{}/role-connections/metadata", "bot", get_metadata),
    ("PUT", "/users/@me/applications/{}/role-connection", "bearer", put_connection),
    ("GET", "/users/@me/applications/{}/role-connection", "bearer", get_connection),
    ("GET", "/applications/{}/entitlements", "bot", get_entitlements),
    ("POST", "/applications/{}/entitlements/{}/consume", "bot", consume_entitlement),
    ("GET", "/guilds/{}", "bot", get_guild),
    ("GET", "/guilds/{}/roles", "bot", get_roles),
    ("GET", "/guilds/{}/members/{}", "bot", get_member),
    ("PUT", "/guilds/{}/members/{}/roles/{}", "bot", put_role),
    ("DELETE", "/guilds/{}/members/{}/roles/{}", "bot", remove_role),
    ("GET", "/oauth2/authorize", "client", authorize),
    ("POST", "/oauth2/token", "client", token),
    ("POST", "/oauth2/token/revoke", "client", revoke),
)]
