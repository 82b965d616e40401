#!/usr/bin/python3
"""Judges what we send to Telegram and Discord by the platforms' own machine-readable descriptions.

    judge.py FILE...        JSON lines {"platform", "kind", "method", "path", "body"}; kind "call", or "answer" for the body of a webhook's response
    judge_telegram(method, body), judge_discord(method, path, body), judge_interaction_response(body)
                            -> list of error strings, empty when all is well

The descriptions are read from ../shared/specs beside the repository, or from $TRIVET_SPECS; available() says whether they are there.
They are judged strictly: a member that a schema does not name is an error. What the schemas leave out and the documents say (lengths in UTF-16
units and bytes, well-formed HTML, one use per button) and our own rule that nobody is mentioned are checked beside them.
"""

import functools
import html.parser
import json
import os
import pathlib
import re
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECS = pathlib.Path(os.environ.get("TRIVET_SPECS", ROOT.parent / "shared" / "specs"))
TELEGRAM_FILE = SPECS / "gramio-10.3-MethodParams.schema.json"
DISCORD_FILE = SPECS / "discord-openapi.json"

# Methods without parameters, which the schema of parameters does not list.
TELEGRAM_BARE = {
    "close", "getavailablegifts", "getforumtopiciconstickers", "getme", "getmystarbalance", "getwebhookinfo", "logout",
}
TELEGRAM_TAGS = {
    "b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "tg-emoji", "tg-time", "code", "pre", "blockquote",
}
TELEGRAM_ENTITIES = re.compile(r"&(?!(?:lt|gt|amp|quot|#[0-9]+|#x[0-9a-fA-F]+);)")
BUTTON_USES = {
    "url", "callback_data", "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat", "copy_text", "callback_game", "pay",
}
DISCORD_NAME = re.compile(r"[-_'\w]{1,32}")
DISCORD_LINK = 5


def available():
    """Whether the descriptions are there."""
    return TELEGRAM_FILE.is_file() and DISCORD_FILE.is_file()


def units16(text):
    return len(text.encode("utf-16-le")) // 2


def closed(node):
    """A copy of a schema in which objects have no members but the named ones."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {key: closed(value) for key, value in node.items()}
    if isinstance(copy.get("properties"), dict) and copy.get("type") == "object":
        copy.setdefault("additionalProperties", False)
    return copy


@functools.lru_cache(maxsize=None)
def telegram():
    document = json.loads(TELEGRAM_FILE.read_text(encoding="utf-8"))
    methods = {name.lower(): (name, schema["$ref"]) for name, schema in document["definitions"]["AllParams"]["properties"].items()}
    return document, methods


@functools.lru_cache(maxsize=None)
def discord():
    document = json.loads(DISCORD_FILE.read_text(encoding="utf-8"))
    document["components"]["schemas"] = closed(document["components"]["schemas"])
    return document


def describe(error):
    """The most telling error inside a union, with its place."""
    inner = jsonschema.exceptions.best_match([error]) or error
    place = "/".join(str(part) for part in inner.absolute_path) or "body"
    return f"{place}: {inner.message[:200]}"


def by_schema(validator, body):
    return [describe(error) for error in validator.iter_errors(body)]


# ---- Telegram


class TelegramHtml(html.parser.HTMLParser):
    """Telegram's HTML: listed tags, properly nested; collects the text that remains."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.text = []
        self.errors = []

    def handle_starttag(self, tag, attrs):
        if tag not in TELEGRAM_TAGS:
            self.errors.append(f"text: tag <{tag}> is not one of Telegram's")
        self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"text: </{tag}> closes nothing")

    def handle_data(self, data):
        self.text.append(data)


def parse_telegram_html(text):
    """The text without its markup, and what is wrong with the markup."""
    parser = TelegramHtml()
    parser.feed(text)
    parser.close()
    errors = parser.errors + [f"text: <{tag}> is not closed" for tag in parser.open]
    if TELEGRAM_ENTITIES.search(text):
        errors.append("text: a bare & or an entity that Telegram does not know")
    if re.search(r"<(?![a-zA-Z/])", text):
        errors.append("text: a bare <")
    return "".join(parser.text), errors


def judge_text(body, key, low, high):
    text = body.get(key)
    if not isinstance(text, str):
        return []
    errors = []
    if body.get("parse_mode") == "HTML":
        text, errors = parse_telegram_html(text)
    if not low <= units16(text) <= high:
        errors.append(f"{key}: {units16(text)} UTF-16 units, not {low} to {high}")
    return errors


def judge_keyboard(body):
    markup = body.get("reply_markup")
    rows = markup.get("inline_keyboard", []) if isinstance(markup, dict) else []
    errors = []
    for button in [button for row in rows if isinstance(row, list) for button in row if isinstance(button, dict)]:
        uses = BUTTON_USES & button.keys()
        if len(uses) != 1:
            errors.append(f"reply_markup: a button has {len(uses)} uses, not one: {sorted(uses)}")
        data = button.get("callback_data")
        if isinstance(data, str) and not 1 <= len(data.encode()) <= 64:
            errors.append("reply_markup: callback_data is not 1 to 64 bytes")
        if button.get("text") == "":
            errors.append("reply_markup: a button without a label")
        if "web_app" in button and isinstance(body.get("chat_id"), int) and body["chat_id"] < 0:
            errors.append("reply_markup: web_app buttons exist in private chats only")
    return errors


def judge_menu(body):
    commands = body.get("commands") if isinstance(body.get("commands"), list) else []
    errors = ["commands: more than 100"] if len(commands) > 100 else []
    for command in [command for command in commands if isinstance(command, dict)]:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", str(command.get("command"))):
            errors.append(f"commands: name {command.get('command')!r}")
        if not 1 <= units16(str(command.get("description"))) <= 256:
            errors.append(f"commands: description of {command.get('command')!r} is not 1 to 256 characters")
    if body.get("language_code") not in (None, "") and not re.fullmatch("[a-z]{2}", str(body["language_code"])):
        errors.append("language_code: not two letters")
    return errors


def judge_ids(node, place=""):
    """The schema says "number" of ids; a fraction is none."""
    if isinstance(node, list):
        return [error for index, item in enumerate(node) for error in judge_ids(item, f"{place}/{index}")]
    if not isinstance(node, dict):
        return []
    errors = [f"{place}/{key}: an id is no fraction" for key, value in node.items() if key.endswith("_id") and isinstance(value, float)]
    return errors + [error for key, value in node.items() for error in judge_ids(value, f"{place}/{key}")]


def judge_telegram(method, body):
    """Errors of a Bot API call. method None: a call in a webhook's response, whose body names it."""
    body = {} if body is None else body
    if not isinstance(body, dict):
        return ["body: not an object"]
    named = body.get("method")
    if method is None and not isinstance(named, str):
        return ["method: missing"]
    if method is None:
        method, body = named, {key: value for key, value in body.items() if key != "method"}
    document, methods = telegram()
    if method.lower() in TELEGRAM_BARE:
        return ["body: the method takes no parameters"] if body else []
    if method.lower() not in methods:
        return [f"method: {method} is unknown"]
    name, reference = methods[method.lower()]
    resolver = jsonschema.RefResolver("", document)
    errors = by_schema(jsonschema.Draft7Validator({"$ref": reference}, resolver=resolver), body) + judge_ids(body)
    if name in ("sendMessage", "editMessageText"):
        if not {"text", "rich_message"} & body.keys():
            errors.append("text: missing")
        errors += judge_text(body, "text", 1, 4096)
    if name == "answerCallbackQuery":
        errors += judge_text(body, "text", 0, 200)
    if name == "setMyCommands":
        errors += judge_menu(body)
    return errors + judge_keyboard(body)


# ---- Discord


def discord_validator(schema):
    return jsonschema.Draft202012Validator(schema, resolver=jsonschema.RefResolver("", discord()))


def find_operation(method, path):
    """The operation whose path template fits; the one with the most literal parts wins."""
    wanted = path.split("?")[0].strip("/").split("/")
    best, best_literals = None, -1
    for template, operations in discord()["paths"].items():
        parts = template.strip("/").split("/")
        if len(parts) != len(wanted) or method.lower() not in operations:
            continue
        literals = sum(part == have for part, have in zip(parts, wanted))
        if literals > best_literals and all(part == have or (part.startswith("{") and have) for part, have in zip(parts, wanted)):
            best, best_literals = operations[method.lower()], literals
    return best


def judge_buttons(components):
    errors, seen = [], set()
    rows = [row for row in components or [] if isinstance(row, dict)]
    if len(rows) > 5:
        errors.append("components: more than 5 rows")
    for row in rows:
        buttons = [button for button in row.get("components") or [] if isinstance(button, dict) and button.get("type") == 2]
        if len(buttons) > 5:
            errors.append("components: more than 5 buttons in a row")
        for button in buttons:
            link = button.get("style") == DISCORD_LINK
            if link != ("url" in button) or link == ("custom_id" in button):
                errors.append("components: a link has a url and no custom_id, any other button the reverse")
            if not button.get("label") and not button.get("emoji"):
                errors.append("components: a button without label and emoji")
            if "url" in button and not re.match(r"(https?|discord)://", str(button["url"])):
                errors.append("components: scheme of a url")
            if button.get("custom_id") in seen:
                errors.append(f"components: custom_id {button['custom_id']!r} twice")
            if "custom_id" in button:
                seen.add(button["custom_id"])
    return errors


def judge_message(data):
    """What every message of ours keeps: it is not empty, not too long, and mentions nobody."""
    errors = judge_buttons(data.get("components"))
    content = data.get("content")
    if isinstance(content, str) and len(content) > 2000:
        errors.append("content: more than 2000 characters")
    if not content and not data.get("embeds") and not data.get("attachments"):
        errors.append("content: an empty message")
    if data.get("allowed_mentions") != {"parse": []}:
        errors.append('allowed_mentions: not {"parse": []}')
    return errors


def judge_command(command):
    errors = []
    if command.get("type", 1) != 1:
        return errors
    name = command.get("name")
    if not isinstance(name, str) or not DISCORD_NAME.fullmatch(name) or name != name.lower():
        errors.append(f"name: {name!r}")
    if not command.get("description"):
        errors.append(f"description: missing of {name!r}")
    optional = False
    for option in [option for option in command.get("options") or [] if isinstance(option, dict)]:
        if option.get("required") and optional:
            errors.append(f"options: required {option.get('name')!r} after an optional one")
        optional = optional or not option.get("required")
        if option.get("choices") and option.get("autocomplete"):
            errors.append(f"options: choices and autocomplete of {option.get('name')!r}")
        if len(option.get("choices") or []) > 25:
            errors.append(f"options: more than 25 choices of {option.get('name')!r}")
        if not DISCORD_NAME.fullmatch(str(option.get("name"))) or str(option.get("name")) != str(option.get("name")).lower():
            errors.append(f"options: name {option.get('name')!r}")
    return errors


def judge_commands(commands):
    typed = [command for command in commands if isinstance(command, dict)]
    names = [(command.get("type", 1), command.get("name")) for command in typed]
    errors = [error for command in typed for error in judge_command(command)]
    if len(set(names)) != len(names):
        errors.append("commands: a name twice")
    if sum(kind == 1 for kind, _ in names) > 100:
        errors.append("commands: more than 100")
    return errors


def judge_refresh(form):
    """Of a token request, which is a form and not in the description. Source: RFC 6749, section 6; Discord's documents, "OAuth2"."""
    wanted = {"grant_type", "refresh_token", "client_id", "client_secret"}
    if not isinstance(form, dict) or set(form) != wanted or form["grant_type"] != "refresh_token":
        return [f"form: not {sorted(wanted)} of a refresh"]
    return [f"form: {name} is empty" for name in sorted(wanted) if not form[name]]


def judge_discord(method, path, body):
    """Errors of a REST call; path below .../api/v10, with or without query."""
    path = re.sub(r"^.*/api/v[0-9]+(?=/)", "", path)
    if method == "POST" and path == "/oauth2/token":
        return judge_refresh(body)
    operation = find_operation(method, path)
    if operation is None:
        return [f"path: {method} {path} is unknown"]
    if "requestBody" not in operation:
        return ["body: the call takes none"] if body not in (None, "") else []
    schema = operation["requestBody"]["content"].get("application/json", {}).get("schema")
    if schema is None:
        return ["body: the call takes no JSON"]
    errors = by_schema(discord_validator(closed(schema)), body)
    bare = path.split("?")[0].strip("/")
    if re.fullmatch(r"channels/[0-9]+/messages(/[0-9]+)?", bare) or re.fullmatch(r"webhooks/[0-9]+/[^/]+(/messages/[^/]+)?", bare):
        if isinstance(body, dict):
            errors += judge_message(body)
    if re.fullmatch(r"applications/[0-9]+(/guilds/[0-9]+)?/commands", bare) and isinstance(body, list):
        errors += judge_commands(body)
    if bare == "users/@me/channels" and isinstance(body, dict) and "recipient_id" not in body:
        errors.append("recipient_id: missing")
    return errors


def judge_interaction_response(body):
    """Errors of the body that answers an interaction."""
    operation = discord()["paths"]["/interactions/{interaction_id}/{interaction_token}/callback"]["post"]
    schema = closed(operation["requestBody"]["content"]["application/json"]["schema"])
    errors = by_schema(discord_validator(schema), body)
    if not isinstance(body, dict):
        return errors
    data = body.get("data")
    if body.get("type") in (4, 7):
        errors += judge_message(data) if isinstance(data, dict) else ["data: missing"]
    if body.get("type") == 5 and isinstance(data, dict) and (data.keys() - {"flags"} or data.get("flags") not in (None, 0, 64)):
        errors.append("data: a deferred answer takes only the flag EPHEMERAL")
    if body.get("type") in (1, 6) and data is not None:
        errors.append("data: takes none")
    return errors


def judge_line(line):
    """Errors of one recorded line."""
    platform, kind, body = line.get("platform"), line.get("kind", "call"), line.get("body")
    if platform == "telegram" and kind == "answer":
        return judge_telegram(None, body) if body not in (None, "") else []
    if platform == "telegram":
        return judge_telegram(line.get("method", ""), body)
    if platform == "discord" and kind == "answer":
        return judge_interaction_response(body)
    if platform == "discord":
        return judge_discord(line.get("method", ""), line.get("path", ""), body)
    return [f"platform: {platform!r}"]


def main(names):
    if not names:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    if not available():
        print(f"skipped: no descriptions in {SPECS}")
        return 0
    wrong = 0
    for name in names:
        for number, text in enumerate(pathlib.Path(name).read_text(encoding="utf-8").splitlines(), 1):
            for error in judge_line(json.loads(text)) if text.strip() else []:
                print(f"{name}:{number}: {error}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
