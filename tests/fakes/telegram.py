"""A stand-in for the Telegram Bot API server: the methods we call, with the shapes, checks and refusals of the real one.

Where it is laxer on purpose: a chat or message that this process never heard of is taken on trust (tests make up both), and loopback
addresses count as HTTPS. Any method that is not listed answers 404, as Telegram does.
"""

import json
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from control import Window
from telegram_html import ParseError, parse_html, utf16_length
from wire import Response, Upload, json_response, parse_multipart

GROUP_ID = -1001234567890
GROUP_TITLE = "Trivet club"
TEXT_MAX = 4096
CAPTION_MAX = 1024
MESSAGES_KEPT = 20_000
PHOTO_MAX = 10 << 20
DOCUMENT_MAX = 50 << 20
FORBIDDEN_IN_REPLY = ("", "setwebhook", "deletewebhook", "close", "logout")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class TelegramError(Exception):
    def __init__(self, code, description, parameters=None):
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad(description):
    return TelegramError(400, "Bad Request: " + description)


def too_many(seconds):
    seconds = max(1, int(seconds + 0.999))
    return TelegramError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


@dataclass
class Call:
    """One call as it came."""
    method: str
    concrete: str  # what a rule may also name: the method again
    bot: object
    params: dict
    recipients: tuple
    shown: object  # the parameters as the record shows them
    error: TelegramError = None


@dataclass
class State:
    """What lasts between calls; all of it goes at a reset except commands and webhooks."""
    messages: OrderedDict = field(default_factory=OrderedDict)  # (bot, chat, id) -> message
    deleted: OrderedDict = field(default_factory=OrderedDict)
    blocked: set = field(default_factory=set)  # (bot name or "*", chat id)
    refunded: set = field(default_factory=set)
    subscriptions: dict = field(default_factory=dict)
    invoices: dict = field(default_factory=dict)  # slug -> parameters
    pre_checkouts: dict = field(default_factory=dict)  # query id -> asyncio future of the playground
    files: dict = field(default_factory=OrderedDict)  # file id -> (path, content type, bytes)
    window: Window = field(default_factory=Window)


def as_int(params, name, required=True):
    value = params.get(name)
    if isinstance(value, bool) or value is None or value == "":
        if required:
            raise bad(f"parameter {name} is required" if value is None else f"invalid {name} specified")
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise bad(f"invalid {name} specified") from error


def as_bool(params, name):
    return params.get(name) in (True, 1, "true", "True", "1", "yes")


def as_json(params, name, kind, what):
    """A parameter that is JSON: an object or list in a JSON body, a string elsewhere."""
    value = params.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value) if value else None
        except ValueError as error:
            raise bad(f"can't parse {what} JSON object") from error
    if value is not None and not isinstance(value, kind):
        raise bad(f"object expected as {what}" if kind is dict else f"{what} must be an array")
    return value


def loopback(url):
    return (urlsplit(url).hostname or "") in LOOPBACK


class Telegram:
    def __init__(self, settings, world):
        """world: the playground, told what happens in its chats; knows the people there."""
        self.settings = settings
        self.world = world
        self.state = State()
        self.webhooks = {}
        self.menu_buttons = {}  # (bot, chat or None)
        self.commands = {}  # (bot, scope, language) -> list
        self.limits = None
        # Ids grow over restarts, as the platform's do: others keep them for ever.
        self.next_message = int(time.time()) - 1_500_000_000
        self.next_update = int(time.time())

    def reset(self):
        self.state = State()
        self.limits = None

    def message_id(self):
        self.next_message += 1
        return self.next_message

    def update_id(self):
        self.next_update += 1
        return self.next_update

    # ---- the call -----------------------------------------------------------------------------------------------------------------

    def read(self, request, path):
        """A call from its request; what is wrong with it already is in call.error."""
        match = re.fullmatch(r"/bot([^/]+)/([^/]+)", path)
        if not match:
            return Call("", "", None, {}, (), None, TelegramError(404, "Not Found"))
        token, method = match.groups()
        bot = self.settings.bot_by_token(token)
        error = None
        if bot is None:
            well_formed = re.fullmatch(r"\d{1,15}:[A-Za-z0-9_-]{3,}", token)
            error = TelegramError(401, "Unauthorized" if well_formed else "Unauthorized: invalid token specified")
        elif request.method not in ("GET", "POST"):
            error = TelegramError(405, "Method Not Allowed")
        try:
            params = self.parameters(request)
        except TelegramError as caught:
            error, params = error or caught, {}
        name = next((known for known in METHODS if known.lower() == method.lower()), method)
        recipient = params.get("chat_id", params.get("user_id"))
        shown = {key: value.summary() if isinstance(value, Upload) else value for key, value in params.items()}
        return Call(name, name, bot, params, (str(recipient),) if recipient is not None else (), shown, error)

    def parameters(self, request):
        params = dict(request.query)
        kind = request.header("content-type").split(";")[0].strip().lower()
        try:
            if not request.body:
                return params
            if kind == "application/json":
                body = request.json()
                if not isinstance(body, dict):
                    raise bad("object expected")
                json.dumps(body, ensure_ascii=False).encode("utf-8")
                params.update(body)
            elif kind == "multipart/form-data":
                params.update(parse_multipart(request.body, request.header("content-type")))
            else:
                params.update(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
        except UnicodeError as error:
            raise bad("strings must be encoded in UTF-8") from error
        except ValueError as error:
            raise bad("can't parse the body of the request") from error
        return params

    def perform(self, call):
        """Does what the call asks for. The answer of the API."""
        try:
            if call.error:
                raise call.error
            result = self.run(call.bot, call.method, call.params)
        except TelegramError as error:
            return self.error_response(error)
        return json_response({"ok": True, "result": result})

    def run(self, bot, method, params):
        function = METHODS.get(method)
        if function is None:
            raise TelegramError(404, "Not Found")
        return function(self, bot, params)

    def run_reply(self, bot, body):
        """A call in the answer to a webhook. (method, error or None); None when there is none."""
        try:
            params = json.loads(body.decode("utf-8"))
        except ValueError:
            return "", "the body is no JSON"
        method = str(params.pop("method", "")) if isinstance(params, dict) else ""
        if method.lower() in FORBIDDEN_IN_REPLY or method.lower().startswith("get"):
            return method, "Telegram ignores this method in an answer"
        name = next((known for known in METHODS if known.lower() == method.lower()), method)
        try:
            self.run(bot, name, params)
        except TelegramError as error:
            return name, f"{error.code} {error.description}"
        return name, None

    def error_response(self, error):
        value = {"ok": False, "error_code": error.code, "description": error.description}
        headers = {}
        if error.parameters:
            value["parameters"] = error.parameters
            if "retry_after" in error.parameters:
                headers["Retry-After"] = str(error.parameters["retry_after"])
        return json_response(value, error.code, headers)

    def rule_response(self, answer):
        status = answer["status"]
        if "body" in answer:
            return json_response(answer["body"], status, answer.get("headers"))
        if status == 429:
            return self.error_response(too_many(answer.get("retry_after", 1)))
        words = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden: bot was blocked by the user", 404: "Not Found", 409: "Conflict"}
        if status >= 500 and "description" not in answer:
            return Response(status, b"<html><head><title>%d</title></head></html>" % status, "text/html")
        return self.error_response(TelegramError(status, answer.get("description", words.get(status, "Error")), answer.get("parameters")))

    # ---- chats --------------------------------------------------------------------------------------------------------------------

    def chat(self, chat_id):
        if chat_id == GROUP_ID:
            return {"id": chat_id, "title": GROUP_TITLE, "type": "supergroup"}
        if chat_id < 0:
            return {"id": chat_id, "title": f"Chat {chat_id}", "type": "supergroup" if chat_id < -1_000_000_000_000 else "group"}
        return self.world.telegram_chat(chat_id) or {"id": chat_id, "first_name": f"User {chat_id}", "type": "private"}

    def target(self, bot, params):
        """chat_id, when the bot may write there now."""
        if params.get("chat_id") in (None, ""):
            raise bad("chat_id is empty")
        value = params["chat_id"]
        if isinstance(value, str) and value.startswith("@"):
            raise bad("chat not found")
        chat_id = as_int(params, "chat_id")
        if chat_id == 0 or abs(chat_id) >= 1 << 52:
            raise bad("chat not found")
        if chat_id == bot.id:
            raise TelegramError(403, "Forbidden: bot can't send messages to the bot")
        if {(bot.name, chat_id), ("*", chat_id)} & self.state.blocked or self.world.telegram_blocked(bot.name, chat_id):
            raise TelegramError(403, "Forbidden: bot was blocked by the user" if chat_id > 0
                                else "Forbidden: bot was kicked from the supergroup chat")
        return chat_id

    def limit(self, bot, chat_id):
        """The platform's own limits, enforced only after POST /control/limits."""
        limits = self.limits or {}
        for name, key, seconds in (("per_second", bot.name, 1.0), ("per_chat_second", (bot.name, chat_id), 1.0),
                                   ("per_group_minute", (bot.name, chat_id, "m"), 60.0)):
            if limits.get(name) and (name != "per_group_minute" or chat_id < 0):
                wait, _, _ = self.state.window.take((name, key), limits[name], seconds)
                if wait:
                    raise too_many(wait)

    def keep(self, bot, message):
        key = (bot.name, message["chat"]["id"], message["message_id"])
        self.state.messages[key] = message
        self.state.messages.move_to_end(key)
        while len(self.state.messages) > MESSAGES_KEPT:
            self.state.messages.popitem(last=False)
        return key

    def known(self, bot, params, what):
        """The key and the message named by the parameters. A message that was deleted is an error, one never seen a guess."""
        chat_id = self.target(bot, params)
        message_id = as_int(params, "message_id", required=False)
        if not message_id:
            raise bad("message identifier is not specified")
        key = (bot.name, chat_id, message_id)
        if key in self.state.deleted:
            raise bad(f"message to {what} not found")
        return key, self.state.messages.get(key)

    # ---- contents -----------------------------------------------------------------------------------------------------------------

    def formatted(self, params, name, limit, empty):
        raw = params.get(name)
        if raw is not None and not isinstance(raw, str):
            raise bad(f"field \"{name}\" must be of type String")
        if not raw:
            raise bad(empty)
        mode = params.get("parse_mode") or ""
        entities = as_json(params, "entities" if name == "text" else "caption_entities", list, "entities") or []
        if mode.lower() == "html":
            try:
                text, entities = parse_html(raw)
            except ParseError as error:
                raise bad(f"can't parse entities: {error}") from error
        elif mode:
            raise bad("unsupported parse_mode")
        else:
            text = raw.strip()
        if not text:
            raise bad("text must be non-empty" if name == "text" else empty)
        if utf16_length(text) > limit:
            raise bad("message is too long" if name == "text" else "message caption is too long")
        return text, entities

    def button(self, button):
        if not isinstance(button, dict) or not isinstance(button.get("text"), str):
            raise bad("can't parse inline keyboard button: Can't find field \"text\"")
        if not button["text"].strip():
            raise bad("inline keyboard button text must be non-empty")
        kinds = [kind for kind in ("url", "callback_data", "web_app", "login_url", "pay", "copy_text", "switch_inline_query") if kind in button]
        if not kinds:
            raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if "callback_data" in button and not 1 <= len(str(button["callback_data"]).encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
        for name, url, words in (("URL", button.get("url"), "Wrong HTTP URL"),
                                 ("Web App URL", (button.get("web_app") or {}).get("url"), "Only HTTPS links are allowed")):
            if url is None:
                continue
            parts = urlsplit(url)
            good = parts.scheme in (("http", "https", "tg", "mailto", "tel") if name == "URL" else ("https",)) or loopback(url)
            if not good or (parts.scheme in ("http", "https") and not parts.hostname):
                raise bad(f"inline keyboard button {name} '{url}' is invalid: {words}")
        return button

    def keyboard(self, params):
        markup = as_json(params, "reply_markup", dict, "reply keyboard markup")
        if not markup or "inline_keyboard" not in markup:
            return None
        rows = markup["inline_keyboard"]
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise bad("field \"inline_keyboard\" must be of type Array")
        rows = [[self.button(button) for button in row] for row in rows if row]
        if sum(len(row) for row in rows) > 100:
            raise bad("reply markup is too long")
        return {"inline_keyboard": rows} if rows else None

    def new_message(self, bot, chat_id, params, contents):
        message = {"message_id": self.message_id(), "from": bot.user(), "chat": self.chat(chat_id), "date": int(time.time()), **contents}
        if params.get("message_thread_id"):
            message["message_thread_id"] = as_int(params, "message_thread_id")
            message["is_topic_message"] = True
        markup = self.keyboard(params)
        if markup:
            message["reply_markup"] = markup
        reply = as_json(params, "reply_parameters", dict, "reply parameters") or {}
        if reply.get("message_id"):
            key = (bot.name, chat_id, int(reply["message_id"]))
            if key in self.state.deleted and not reply.get("allow_sending_without_reply"):
                raise bad("message to be replied not found")
            if key in self.state.messages:
                message["reply_to_message"] = self.state.messages[key]
        self.limit(bot, chat_id)
        self.keep(bot, message)
        self.world.telegram_message(bot.name, message)
        return message

    def file(self, name, upload_or_id, limit):
        """file_id of an upload, of a file that is known, or of any other that is named."""
        if isinstance(upload_or_id, Upload):
            if not upload_or_id.data:
                raise bad("file must be non-empty")
            if len(upload_or_id.data) > limit:
                raise TelegramError(413, "Request Entity Too Large")
            return self.add_file(f"{name}s/{upload_or_id.name}", upload_or_id.content_type, upload_or_id.data)
        if not isinstance(upload_or_id, str) or not upload_or_id:
            raise bad(f"there is no {name} in the request")
        return upload_or_id

    def add_file(self, path, content_type, data, file_id=None):
        file_id = file_id or "AgACAgIAAxkB" + secrets.token_urlsafe(24)
        self.state.files[file_id] = (path, content_type, data)
        while len(self.state.files) > 200:
            self.state.files.popitem(last=False)
        return file_id

    def deliver_file(self, path):
        """GET /file/bot<token>/<path>."""
        match = re.fullmatch(r"/file/bot([^/]+)/(.+)", path)
        if not match or not self.settings.bot_by_token(match.group(1)):
            return self.error_response(TelegramError(404 if not match else 401, "Not Found" if not match else "Unauthorized"))
        for known, content_type, data in self.state.files.values():
            if known == match.group(2):
                return Response(200, data, content_type)
        return self.error_response(TelegramError(404, "Not Found"))


# ---- the methods ------------------------------------------------------------------------------------------------------------------------


def get_me(self, bot, params):
    return {**bot.user(), "can_join_groups": True, "can_read_all_group_messages": True, "supports_inline_queries": False,
            "can_connect_to_business": False, "has_main_web_app": True}


def set_webhook(self, bot, params):
    url = params.get("url") or ""
    if not url:
        return delete_webhook(self, bot, params)
    secret = params.get("secret_token") or ""
    if not url.startswith("https://") and not loopback(url):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if urlsplit(url).port not in (None, 443, 80, 88, 8443) and not loopback(url):
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", secret):
        raise bad("secret token contains unallowed characters")
    connections = as_int(params, "max_connections", required=False) or 40
    if not 1 <= connections <= 100:
        raise bad("max_connections must be between 1 and 100")
    allowed = as_json(params, "allowed_updates", list, "allowed updates")
    old = self.webhooks.get(bot.name, {})
    self.webhooks[bot.name] = {"url": url, "secret": secret, "max_connections": connections,
                               "allowed_updates": old.get("allowed_updates", []) if allowed is None else allowed}
    return True


def delete_webhook(self, bot, params):
    self.webhooks.pop(bot.name, None)
    return True


def get_webhook_info(self, bot, params):
    webhook = self.webhooks.get(bot.name)
    info = {"url": webhook["url"] if webhook else "", "has_custom_certificate": False, "pending_update_count": 0}
    if webhook:
        info.update(max_connections=webhook["max_connections"], ip_address="127.0.0.1")
        if webhook["allowed_updates"]:
            info["allowed_updates"] = webhook["allowed_updates"]
        info.update(self.world.last_webhook_error(bot.name))
    return info


def get_updates(self, bot, params):
    if bot.name in self.webhooks:
        raise TelegramError(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
    return []


def send_message(self, bot, params):
    chat_id = self.target(bot, params)
    text, entities = self.formatted(params, "text", TEXT_MAX, "message text is empty")
    return self.new_message(bot, chat_id, params, {"text": text, **({"entities": entities} if entities else {})})


def captioned(self, params):
    if not params.get("caption"):
        return {}
    caption, entities = self.formatted(params, "caption", CAPTION_MAX, "message caption is empty")
    return {"caption": caption, **({"caption_entities": entities} if entities else {})}


def send_photo(self, bot, params):
    chat_id = self.target(bot, params)
    file_id = self.file("photo", params.get("photo"), PHOTO_MAX)
    size = len(self.state.files[file_id][2]) if file_id in self.state.files else 1000
    photo = {"file_id": file_id, "file_unique_id": file_id[-15:], "width": 512, "height": 512, "file_size": size}
    return self.new_message(bot, chat_id, params, {"photo": [photo], **captioned(self, params)})


def send_document(self, bot, params):
    chat_id = self.target(bot, params)
    file_id = self.file("document", params.get("document"), DOCUMENT_MAX)
    path, content_type, data = self.state.files.get(file_id, ("documents/file", "application/octet-stream", b""))
    document = {"file_id": file_id, "file_unique_id": file_id[-15:], "file_name": path.split("/")[-1], "mime_type": content_type, "file_size": len(data)}
    return self.new_message(bot, chat_id, params, {"document": document, **captioned(self, params)})


def edited(self, bot, params, change):
    key, old = self.known(bot, params, "edit")
    markup = self.keyboard(params)
    base = old or {"message_id": key[2], "from": bot.user(), "chat": self.chat(key[1]), "date": int(time.time()) - 1}
    if old is not None and old["from"]["id"] != bot.id:
        raise bad("message can't be edited")
    message = {name: value for name, value in base.items() if name != "reply_markup" and (name != "entities" or "text" not in change)}
    message.update(change)
    if markup:
        message["reply_markup"] = markup
    same = ("text", "entities", "caption", "reply_markup")
    if old is not None and all(old.get(name) == message.get(name) for name in same):
        raise bad("message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")
    message["edit_date"] = int(time.time())
    self.keep(bot, message)
    self.world.telegram_message(bot.name, message)
    return message


def edit_message_text(self, bot, params):
    text, entities = self.formatted(params, "text", TEXT_MAX, "message text is empty")
    return edited(self, bot, params, {"text": text, **({"entities": entities} if entities else {})})


def edit_message_caption(self, bot, params):
    return edited(self, bot, params, captioned(self, params))


def edit_message_reply_markup(self, bot, params):
    return edited(self, bot, params, {})


def delete_message(self, bot, params):
    key, _ = self.known(bot, params, "delete")
    self.state.messages.pop(key, None)
    self.state.deleted[key] = True
    while len(self.state.deleted) > MESSAGES_KEPT:
        self.state.deleted.popitem(last=False)
    self.world.telegram_deleted(bot.name, key[1], key[2])
    return True


def delete_messages(self, bot, params):
    ids = as_json(params, "message_ids", list, "message identifiers") or []
    if not 1 <= len(ids) <= 100:
        raise bad("message identifiers are not specified" if not ids else "too many messages to delete")
    for message_id in ids:
        try:
            delete_message(self, bot, {**params, "message_id": message_id})
        except TelegramError:
            continue  # Telegram skips those that it cannot find
    return True


def answer_callback_query(self, bot, params):
    query_id = params.get("callback_query_id")
    if not query_id:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    text = params.get("text") or ""
    if len(text) > 200:
        raise bad("MESSAGE_TOO_LONG")
    self.world.telegram_toast(str(query_id), text, as_bool(params, "show_alert"))
    return True


def scope_of(params):
    scope = as_json(params, "scope", dict, "BotCommandScope") or {"type": "default"}
    if scope.get("type") not in ("default", "all_private_chats", "all_group_chats", "all_chat_administrators", "chat", "chat_administrators", "chat_member"):
        raise bad("can't parse BotCommandScope: Unsupported type specified")
    language = params.get("language_code") or ""
    if not re.fullmatch(r"([a-z]{2})?", language):
        raise bad("invalid language code specified")
    return json.dumps(scope, sort_keys=True), language


def set_my_commands(self, bot, params):
    commands = as_json(params, "commands", list, "commands")
    if commands is None:
        raise bad("can't parse commands: expected an Array of BotCommand")
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not isinstance(command, dict) or not re.fullmatch(r"[a-z0-9_]{1,32}", str(command.get("command", "")).removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    self.commands[(bot.name, *scope_of(params))] = commands
    self.world.commands_changed()
    return True


def get_my_commands(self, bot, params):
    return self.commands.get((bot.name, *scope_of(params)), [])


def delete_my_commands(self, bot, params):
    self.commands.pop((bot.name, *scope_of(params)), None)
    self.world.commands_changed()
    return True


def set_chat_menu_button(self, bot, params):
    button = as_json(params, "menu_button", dict, "MenuButton") or {"type": "default"}
    if button.get("type") not in ("commands", "web_app", "default"):
        raise bad("can't parse MenuButton: Unsupported type specified")
    if button["type"] == "web_app" and (not button.get("text") or not (button.get("web_app") or {}).get("url")):
        raise bad("can't parse MenuButton: Can't find field \"web_app\"")
    self.menu_buttons[(bot.name, params.get("chat_id"))] = button
    return True


def get_chat_menu_button(self, bot, params):
    buttons = self.menu_buttons
    return buttons.get((bot.name, params.get("chat_id"))) or buttons.get((bot.name, None)) or {"type": "commands"}


def get_file(self, bot, params):
    file_id = params.get("file_id")
    if not file_id:
        raise bad("file_id not specified")
    if file_id not in self.state.files:
        raise bad("wrong file_id or the file is temporarily unavailable")
    path, _, data = self.state.files[file_id]
    if len(data) > 20 << 20:
        raise bad("file is too big")
    return {"file_id": file_id, "file_unique_id": file_id[-15:], "file_size": len(data), "file_path": path}


def create_invoice_link(self, bot, params):
    for name, low, high in (("title", 1, 32), ("description", 1, 255)):
        if not low <= len(str(params.get(name) or "")) <= high:
            raise bad(f"INVOICE_{name.upper()}_INVALID" if params.get(name) else f"invoice {name} must be non-empty")
    if not 1 <= len(str(params.get("payload") or "").encode()) <= 128:
        raise bad("INVOICE_PAYLOAD_INVALID" if params.get("payload") else "invoice payload must be non-empty")
    if params.get("currency") != "XTR":
        raise bad("PAYMENT_PROVIDER_INVALID" if not params.get("provider_token") else "CURRENCY_INVALID")
    prices = as_json(params, "prices", list, "prices") or []
    if len(prices) != 1 or not isinstance(prices[0], dict) or not prices[0].get("label"):
        raise bad("STARS_INVOICE_INVALID")
    amount = as_int(prices[0], "amount")
    period = as_int(params, "subscription_period", required=False)
    if not 1 <= amount <= (10_000 if period else 100_000):
        raise bad("CURRENCY_TOTAL_AMOUNT_INVALID")
    if period not in (None, 2_592_000):
        raise bad("SUBSCRIPTION_PERIOD_INVALID")
    slug = secrets.token_urlsafe(12)
    self.state.invoices[slug] = {"bot": bot.name, "title": params["title"], "description": params["description"], "payload": params["payload"],
                                 "amount": amount, "period": period}
    return f"https://t.me/${slug}"


def send_invoice(self, bot, params):
    chat_id = self.target(bot, params)
    slug = create_invoice_link(self, bot, {**params, "subscription_period": None}).rsplit("$", 1)[1]
    invoice = self.state.invoices[slug]
    contents = {"title": invoice["title"], "description": invoice["description"], "start_parameter": "", "currency": "XTR", "total_amount": invoice["amount"]}
    return self.new_message(bot, chat_id, params, {"invoice": contents})


def answer_pre_checkout_query(self, bot, params):
    query_id = params.get("pre_checkout_query_id")
    if not query_id:
        raise bad("QUERY_ID_INVALID")
    good = as_bool(params, "ok")
    if not good and not params.get("error_message"):
        raise bad("ERROR_TEXT_EMPTY")
    waiting = self.state.pre_checkouts.pop(str(query_id), None)
    if waiting is not None and not waiting.done():
        waiting.set_result((good, params.get("error_message") or ""))
    return True


def refund_star_payment(self, bot, params):
    as_int(params, "user_id")
    charge = params.get("telegram_payment_charge_id")
    if not charge:
        raise bad("CHARGE_ID_EMPTY")
    if charge in self.state.refunded:
        raise bad("CHARGE_ALREADY_REFUNDED")
    self.state.refunded.add(charge)
    return True


def edit_user_star_subscription(self, bot, params):
    as_int(params, "user_id")
    if not params.get("telegram_payment_charge_id"):
        raise bad("CHARGE_ID_EMPTY")
    if "is_canceled" not in params:
        raise bad("parameter is_canceled is required")
    self.state.subscriptions[params["telegram_payment_charge_id"]] = as_bool(params, "is_canceled")
    return True


def get_star_transactions(self, bot, params):
    return {"transactions": []}


def get_my_star_balance(self, bot, params):
    return {"amount": 0}


def get_chat(self, bot, params):
    return {**self.chat(self.target(bot, params)), "accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": {}}


def get_chat_member(self, bot, params):
    chat_id, user_id = self.target(bot, params), as_int(params, "user_id")
    user = self.world.telegram_user(user_id) or {"id": user_id, "is_bot": False, "first_name": f"User {user_id}"}
    return {"status": "administrator" if user_id == bot.id and chat_id < 0 else "member", "user": user}


def get_user_profile_photos(self, bot, params):
    as_int(params, "user_id")
    return {"total_count": 0, "photos": []}


def send_chat_action(self, bot, params):
    self.target(bot, params)
    return True


def create_forum_topic(self, bot, params):
    self.target(bot, params)
    name = params.get("name") or ""
    if not 1 <= len(name) <= 128:
        raise bad("TOPIC_TITLE_EMPTY" if not name else "TOPIC_TITLE_INVALID")
    return {"message_thread_id": self.message_id(), "name": name, "icon_color": 0x6FB9F0}


def change_forum_topic(self, bot, params):
    self.target(bot, params)
    as_int(params, "message_thread_id")
    return True


METHODS = {
    "getMe": get_me, "setWebhook": set_webhook, "deleteWebhook": delete_webhook, "getWebhookInfo": get_webhook_info, "getUpdates": get_updates,
    "sendMessage": send_message, "sendPhoto": send_photo, "sendDocument": send_document, "sendChatAction": send_chat_action,
    "editMessageText": edit_message_text, "editMessageCaption": edit_message_caption, "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message, "deleteMessages": delete_messages, "answerCallbackQuery": answer_callback_query,
    "setMyCommands": set_my_commands, "getMyCommands": get_my_commands, "deleteMyCommands": delete_my_commands,
    "setChatMenuButton": set_chat_menu_button, "getChatMenuButton": get_chat_menu_button, "getFile": get_file, "getChat": get_chat,
    "getChatMember": get_chat_member, "getUserProfilePhotos": get_user_profile_photos,
    "createInvoiceLink": create_invoice_link, "sendInvoice": send_invoice, "answerPreCheckoutQuery": answer_pre_checkout_query,
    "refundStarPayment": refund_star_payment, "editUserStarSubscription": edit_user_star_subscription,
    "getStarTransactions": get_star_transactions, "getMyStarBalance": get_my_star_balance,
    "createForumTopic": create_forum_topic, "editForumTopic": change_forum_topic, "closeForumTopic": change_forum_topic,
    "reopenForumTopic": change_forum_topic,
}
