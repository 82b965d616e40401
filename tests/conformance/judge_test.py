"""The judge accepts what we mean to send and rejects what the platforms would."""

import copy

import pytest

import judge

pytestmark = pytest.mark.skipif(not judge.available(), reason="the platforms' descriptions are not there (../shared/specs)")

MESSAGE = {
    "chat_id": 42,
    "text": "<b>Ann &amp; Bob</b>",
    "parse_mode": "HTML",
    "link_preview_options": {"is_disabled": True},
    "reply_parameters": {"message_id": 9, "allow_sending_without_reply": True},
    "reply_markup": {"inline_keyboard": [[
        {"text": "Yes", "callback_data": "join:yes", "style": "primary"},
        {"text": "Page", "web_app": {"url": "https://app.example/"}},
    ]]},
}
DISCORD = {
    "content": "x",
    "allowed_mentions": {"parse": []},
    "components": [{"type": 1, "components": [
        {"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"},
        {"type": 2, "style": 5, "label": "Page", "url": "https://app.example/"},
    ]}],
}
COMMAND = {
    "type": 1,
    "name": "code",
    "description": "Enter a code",
    "description_localizations": {"ru": "Ввести код"},
    "options": [{"type": 3, "name": "code", "description": "The code", "required": True},
                {"type": 3, "name": "lang", "description": "ru or en", "choices": [{"name": "ru", "value": "ru"}]}],
    "contexts": [0, 1, 2],
    "integration_types": [0, 1],
}
MODAL = {"type": 9, "data": {"custom_id": "ticket", "title": "New ticket", "components": [
    {"type": 18, "label": "Text", "component": {"type": 4, "custom_id": "text", "style": 2, "max_length": 4000, "required": True}}]}}


def changed(value, path, new):
    """A deep copy with one place changed; new is `del`: taken away."""
    result = copy.deepcopy(value)
    node = result
    for key in path[:-1]:
        node = node[key]
    if new is del_:
        del node[path[-1]]
    else:
        node[path[-1]] = new
    return result


del_ = object()


@pytest.mark.parametrize("method, body", [
    ("sendMessage", MESSAGE),
    ("SENDMESSAGE", {"chat_id": 42, "text": "я" * 4096}),
    (None, {**MESSAGE, "method": "sendMessage"}),
    ("sendMessage", {"chat_id": -100, "text": "&lt;" * 4096, "parse_mode": "HTML"}),
    ("editMessageText", {"chat_id": 42, "message_id": 9, "text": "x"}),
    ("deleteMessage", {"chat_id": 42, "message_id": 9}),
    ("answerCallbackQuery", {"callback_query_id": "77", "text": "x" * 200}),
    ("setMyCommands", {"commands": [{"command": "profile", "description": "Profile"}], "language_code": "ru"}),
    ("getMe", None),
    ("setWebhook", {"url": "https://trivet.example/telegram/main", "secret_token": "x", "max_connections": 40, "allowed_updates": ["message"]}),
])
def test_accepts_telegram(method, body):
    assert judge.judge_telegram(method, body) == []


@pytest.mark.parametrize("path, new", [
    (["chat_id"], del_),
    (["chat_id"], True),
    (["chat_id"], 4.5),
    (["chat_id"], None),
    (["text"], del_),
    (["text"], ""),
    (["text"], "<b></b>"),
    (["text"], 5),
    (["text"], "x" * 4097),
    (["text"], "🐸" * 2049),
    (["text"], "<b>open"),
    (["text"], "<b><i>x</b></i>"),
    (["text"], "<script>x</script>"),
    (["text"], "a & b"),
    (["text"], "a &nbsp; b"),
    (["text"], "1 < 2"),
    (["parse_mode"], "Html"),
    (["typo"], 1),
    (["link_preview_options", "is_disabled"], "yes"),
    (["reply_parameters", "message_id"], "9"),
    (["reply_parameters", "message_id"], 9.5),
    (["reply_markup", "inline_keyboard", 0, 0, "callback_data"], "x" * 65),
    (["reply_markup", "inline_keyboard", 0, 0, "callback_data"], "я" * 33),
    (["reply_markup", "inline_keyboard", 0, 0, "callback_data"], ""),
    (["reply_markup", "inline_keyboard", 0, 0, "callback_data"], del_),
    (["reply_markup", "inline_keyboard", 0, 0, "url"], "https://x.example"),
    (["reply_markup", "inline_keyboard", 0, 0, "text"], del_),
    (["reply_markup", "inline_keyboard", 0, 0, "text"], ""),
    (["reply_markup", "inline_keyboard", 0, 0, "style"], "pink"),
    (["reply_markup", "inline_keyboard", 0], {"text": "no row"}),
    (["chat_id"], -100),  # a web app outside a private chat
])
def test_rejects_telegram_messages(path, new):
    assert judge.judge_telegram("sendMessage", changed(MESSAGE, path, new)) != []


@pytest.mark.parametrize("method, body", [
    ("sendMesage", MESSAGE),
    (None, MESSAGE),
    ("sendMessage", []),
    ("sendMessage", None),
    ("getMe", {"chat_id": 1}),
    ("deleteMessage", {"chat_id": 42}),
    ("deleteMessage", {"chat_id": 42, "message_id": "9"}),
    ("editMessageText", {"chat_id": 42, "message_id": 9}),
    ("answerCallbackQuery", {}),
    ("answerCallbackQuery", {"callback_query_id": 77}),
    ("answerCallbackQuery", {"callback_query_id": "77", "text": "x" * 201}),
    ("setMyCommands", {"commands": [{"command": "Profile", "description": "x"}]}),
    ("setMyCommands", {"commands": [{"command": "profile", "description": ""}]}),
    ("setMyCommands", {"commands": [{"command": "profile"}]}),
    ("setMyCommands", {"commands": [{"command": "a", "description": "x"}] * 101}),
    ("setMyCommands", {"commands": [], "language_code": "ru-RU"}),
])
def test_rejects_telegram_calls(method, body):
    assert judge.judge_telegram(method, body) != []


@pytest.mark.parametrize("body", [
    {"type": 1},
    {"type": 4, "data": DISCORD},
    {"type": 4, "data": {**DISCORD, "flags": 64}},
    {"type": 5, "data": {"flags": 64}},
    {"type": 5},
    {"type": 6},
    {"type": 7, "data": {**DISCORD, "components": []}},
    {"type": 8, "data": {"choices": []}},
    {"type": 8, "data": {"choices": [{"name": "week", "value": "week"}]}},
    MODAL,
])
def test_accepts_interaction_responses(body):
    assert judge.judge_interaction_response(body) == []


ROW = ["data", "components", 0, "components"]


@pytest.mark.parametrize("path, new", [
    (["type"], del_),
    (["type"], "4"),
    (["type"], 2),
    (["type"], 99),
    (["typo"], 1),
    (["data"], del_),
    (["data", "content"], ""),
    (["data", "content"], del_),
    (["data", "content"], 5),
    (["data", "content"], "x" * 2001),
    (["data", "flags"], "64"),
    (["data", "ephemeral"], True),
    (["data", "allowed_mentions"], del_),
    (["data", "allowed_mentions"], {"parse": ["everyone"]}),
    (["data", "components"], {}),
    (["data", "components", 0, "type"], 2),
    (["data", "components", 0, "components"], [{"type": 2, "style": 1, "label": "x", "custom_id": str(i)} for i in range(6)]),
    (ROW + [0, "custom_id"], "x" * 101),
    (ROW + [0, "custom_id"], ""),
    (ROW + [0, "custom_id"], del_),
    (ROW + [0, "label"], "x" * 81),
    (ROW + [0, "label"], del_),
    (ROW + [0, "style"], 9),
    (ROW + [0, "style"], 5),
    (ROW + [1, "url"], "https://x.example/" + "x" * 512),
    (ROW + [1, "url"], "javascript:alert(1)"),
    (ROW + [1, "custom_id"], "both"),
    (ROW + [1], {"type": 2, "style": 1, "label": "x", "custom_id": "yes"}),
])
def test_rejects_message_responses(path, new):
    assert judge.judge_interaction_response(changed({"type": 4, "data": DISCORD}, path, new)) != []


INPUT = ["data", "components", 0, "component"]


@pytest.mark.parametrize("body", [
    None,
    [],
    {},
    {"type": 1, "data": {}},
    {"type": 5, "data": {"content": "x"}},
    {"type": 5, "data": {"flags": 4}},
    {"type": 6, "data": {"content": "x"}},
    {"type": 7},
    {"type": 8},
    {"type": 8, "data": {"choices": [{"name": str(i), "value": str(i)} for i in range(26)]}},
    {"type": 8, "data": {"choices": [{"name": "x"}]}},
    changed(MODAL, ["data", "title"], "x" * 46),
    changed(MODAL, ["data", "title"], ""),
    changed(MODAL, ["data", "custom_id"], del_),
    changed(MODAL, ["data", "components"], []),
    changed(MODAL, ["data", "components", 0, "label"], "x" * 46),
    changed(MODAL, INPUT + ["type"], 99),
    changed(MODAL, INPUT + ["max_length"], 4001),
    changed(MODAL, INPUT + ["style"], 3),
    changed(MODAL, INPUT + ["custom_id"], del_),
])
def test_rejects_other_responses(body):
    assert judge.judge_interaction_response(body) != []


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/channels/5/messages", {**DISCORD, "nonce": "123", "enforce_nonce": True}),
    ("POST", "/discord/api/v10/channels/5/messages", DISCORD),
    ("DELETE", "/channels/5/messages/6", None),
    ("POST", "/users/@me/channels", {"recipient_id": "53908232506183680"}),
    ("PATCH", "/webhooks/5/token/messages/@original", DISCORD),
    ("PUT", "/applications/5/commands", [COMMAND]),
    ("PUT", "/applications/5/guilds/6/commands", [COMMAND]),
    ("GET", "/applications/@me", None),
    ("GET", "/channels/5/messages?limit=5", None),
])
def test_accepts_discord(method, path, body):
    assert judge.judge_discord(method, path, body) == []


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/chanels/5/messages", DISCORD),
    ("PUT", "/channels/5/messages", DISCORD),
    ("POST", "/channels/5/messages", {**DISCORD, "content": "x" * 2001}),
    ("POST", "/channels/5/messages", {**DISCORD, "nonce": "x" * 26}),
    ("POST", "/channels/5/messages", {**DISCORD, "nonce": 1.5}),
    ("POST", "/channels/5/messages", {**DISCORD, "parse_mode": "HTML"}),
    ("POST", "/channels/5/messages", {"content": "x"}),
    ("POST", "/channels/5/messages", None),
    ("POST", "/channels/5/messages", {"allowed_mentions": {"parse": []}}),
    ("DELETE", "/channels/5/messages/6", {"content": "x"}),
    ("POST", "/users/@me/channels", {}),
    ("POST", "/users/@me/channels", {"recipient_id": 53908232506183680}),
    ("POST", "/users/@me/channels", {"recipient_id": "someone"}),
    ("PATCH", "/webhooks/5/token/messages/@original", {"content": "x"}),
    ("PUT", "/applications/5/commands", COMMAND),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["name"], del_)]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["name"], "Code")]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["name"], "x" * 33)]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["name"], "a b")]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["description"], del_)]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["description"], "x" * 101)]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["contexts"], [7])]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["options"], COMMAND["options"][::-1])]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["options", 0, "type"], "3")]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["options", 1, "choices"], [{"name": "x" * 101, "value": "x"}])]),
    ("PUT", "/applications/5/commands", [changed(COMMAND, ["options", 0, "description"], del_)]),
    ("PUT", "/applications/5/commands", [COMMAND, COMMAND]),
])
def test_rejects_discord(method, path, body):
    assert judge.judge_discord(method, path, body) != []


def test_judges_recorded_lines(tmp_path, capsys):
    good = tmp_path / "good.jsonl"
    good.write_text('{"platform": "telegram", "kind": "answer", "body": null}\n'
                    '{"platform": "telegram", "kind": "answer", "body": {"method": "deleteMessage", "chat_id": 1, "message_id": 2}}\n'
                    '{"platform": "telegram", "kind": "call", "method": "getMe", "body": null}\n\n'
                    '{"platform": "discord", "kind": "answer", "body": {"type": 1}}\n'
                    '{"platform": "discord", "kind": "call", "method": "DELETE", "path": "/channels/1/messages/2", "body": null}\n')
    assert judge.main([str(good)]) == 0
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"platform": "discord", "kind": "answer", "body": {"type": 1}}\n{"platform": "icq", "body": {}}\n')
    assert judge.main([str(bad)]) == 1
    assert "bad.jsonl:2:" in capsys.readouterr().out
    assert judge.main([]) == 2
