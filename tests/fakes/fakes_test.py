"""The stand-ins refuse what the platforms refuse, record every call, and misbehave when told to."""
import base64
import contextlib
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time

import pytest
import requests
from nacl.signing import SigningKey, VerifyKey

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
from telegram_html import ParseError, parse_html  # noqa: E402
from signing import sign  # noqa: E402
import people  # noqa: E402

SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # RFC 8032, 7.1, test 1
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
APP, GUILD = "1100000000000000001", "1100000000000000100"
ENV = {
    "BOT_TOKEN": "123456:AA-main-token", "BOT_USERNAME": "trivet_dev_bot", "BOT_SECRET": "main-secret", "QUIZ_BOT_TOKEN": "123457:AA-quiz-token",
    "QUIZ_BOT_SECRET": "quiz-secret", "DISCORD_APPLICATION_ID": APP, "DISCORD_BOT_TOKEN": "discord-token", "DISCORD_GUILD_ID": GUILD,
    "DISCORD_PRIVATE_KEY": SEED, "DISCORD_PUBLIC_KEY": PUBLIC, "DISCORD_CLIENT_ID": APP, "DISCORD_CLIENT_SECRET": "client-secret",
}
BOT = {"Authorization": "Bot discord-token", "User-Agent": "DiscordBot (https://example.org, 1)"}


class Service:
    def __init__(self, url, env_file):
        self.url, self.env_file = url, env_file
        self.session = requests.Session()
        self.session.trust_env = False

    def telegram(self, method, token=ENV["BOT_TOKEN"], **params):
        return self.session.post(f"{self.url}/telegram/bot{token}/{method}", json=params, timeout=10)

    def discord(self, verb, path, body=None, headers=BOT, **more):
        return self.session.request(verb, f"{self.url}/discord/api/v10{path}", json=body, headers=headers, timeout=10, **more)

    def control(self, verb, path, body=None):
        answer = self.session.request(verb, f"{self.url}/control/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def calls(self, query=""):
        return self.control("GET", "calls" + query)["calls"]

    def direct(self, user="77"):
        return self.discord("POST", "/users/@me/channels", {"recipient_id": user}).json()["id"]

    def play(self, action, expect=200, **body):
        answer = self.session.post(f"{self.url}/playground/api/{action}", json=body, timeout=20)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def state(self):
        return self.session.get(f"{self.url}/playground/api/state", timeout=10).json()


@contextlib.contextmanager
def running(env_file):
    process = subprocess.Popen(["/usr/bin/python3", "-B", os.path.join(HERE, "fakes.py"), "--listen", "127.0.0.1:0", "--env", str(env_file)],
                               stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        yield Service(line.split()[-1], env_file)
    finally:
        process.terminate()
        assert process.wait(timeout=5) == 0


def write_env(path, **more):
    path.write_text("".join(f"{key}={value}\n" for key, value in {**ENV, **more}.items()))


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    env_file = tmp_path_factory.mktemp("run") / "env"
    write_env(env_file)
    with running(env_file) as service:
        yield service


@pytest.fixture
def fakes(process):
    process.control("POST", "reset", {"people": True})
    return process


def refused(answer, code, description):
    body = answer.json()
    assert (answer.status_code, body["ok"], body["error_code"]) == (code, False, code)
    assert description in body["description"], body


# ---- Telegram ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("html, text, entities", [
    ("a <b>b &amp; <i>c</i></b>", "a b & c", [("bold", 2, 5), ("italic", 6, 1)]),
    ("😀<code>x</code>", "😀x", [("code", 2, 1)]),
    ("  <u>trimmed</u>  ", "trimmed", [("underline", 0, 7)]),
    ("&lt;b&gt; &#65;&#x42; &copy; & &", "<b> AB &copy; & &", []),
    ('<a href="https://e.org/?a=1&amp;b=2">x</a>', "x", [("text_link", 0, 1)]),
    ("<b></b>x", "x", []),
    ("<B>x</B >", "x", [("bold", 0, 1)]),
    ('<span class="tg-spoiler">x</span>', "x", [("spoiler", 0, 1)]),
])
def test_html_becomes_text_and_entities(html, text, entities):
    got, made = parse_html(html)
    assert (got, [(entity["type"], entity["offset"], entity["length"]) for entity in made]) == (text, entities)


@pytest.mark.parametrize("html, words", [
    ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
    ("<b>x</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
    ("я</b>", "Unexpected end tag at byte offset 2"),
    ("1 < 2", "Unsupported start tag \"\" at byte offset 2"),
    ("<script>x</script>", "Unsupported start tag \"script\" at byte offset 0"),
    ("<b", "Unclosed start tag at byte offset 0"),
    ("<b>x</b", "Unclosed end tag at byte offset 4"),
    ("<a href=\"x>y</a>", "Unclosed start tag at byte offset 0"),
    ("<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
])
def test_bad_html_is_refused_in_telegrams_words(fakes, html, words):
    with pytest.raises(ParseError):
        parse_html(html)
    refused(fakes.telegram("sendMessage", chat_id=5, text=html, parse_mode="HTML"), 400, "Bad Request: can't parse entities: " + words)


def test_a_message_is_sent_edited_and_deleted(fakes):
    sent = fakes.telegram("sendMessage", chat_id=5, text="<b>hi</b>", parse_mode="HTML", reply_markup={"inline_keyboard": [[{"text": "x", "callback_data": "y"}]]}).json()["result"]
    assert sent["text"] == "hi" and sent["chat"]["id"] == 5 and sent["entities"] == [{"type": "bold", "offset": 0, "length": 2}]
    same = {"chat_id": 5, "message_id": sent["message_id"]}
    refused(fakes.telegram("editMessageText", text="<b>hi</b>", parse_mode="HTML", reply_markup=sent["reply_markup"], **same), 400, "message is not modified")
    edited = fakes.telegram("editMessageText", text="bye", **same).json()["result"]
    assert edited["text"] == "bye" and "entities" not in edited and "reply_markup" not in edited
    assert fakes.telegram("deleteMessage", **same).json()["result"] is True
    refused(fakes.telegram("deleteMessage", **same), 400, "message to delete not found")
    refused(fakes.telegram("editMessageText", text="again", **same), 400, "message to edit not found")


def test_form_query_and_multipart_are_read(fakes):
    url = f"{fakes.url}/telegram/bot{ENV['BOT_TOKEN']}/"
    assert requests.get(url + "sendmessage?chat_id=5&text=a", timeout=5).json()["result"]["text"] == "a"
    markup = json.dumps({"inline_keyboard": [[{"text": "x", "url": "https://e.org"}]]})
    assert requests.post(url + "sendMessage", data={"chat_id": 5, "text": "b", "reply_markup": markup}, timeout=5).json()["result"]["reply_markup"]
    photo = requests.post(url + "sendPhoto", data={"chat_id": 5, "caption": "c"}, files={"photo": ("q.png", b"\x89PNG", "image/png")}, timeout=5).json()["result"]
    file = fakes.telegram("getFile", file_id=photo["photo"][0]["file_id"]).json()["result"]
    got = requests.get(f"{fakes.url}/telegram/file/bot{ENV['BOT_TOKEN']}/{file['file_path']}", timeout=5)
    assert (got.content, photo["caption"]) == (b"\x89PNG", "c")


@pytest.mark.parametrize("method, params, description", [
    ("sendMessage", {"text": "x"}, "chat_id is empty"),
    ("sendMessage", {"chat_id": "@name", "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": 1 << 53, "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": 5}, "message text is empty"),
    ("sendMessage", {"chat_id": 5, "text": " \n"}, "text must be non-empty"),
    ("sendMessage", {"chat_id": 5, "text": "<b></b>", "parse_mode": "HTML"}, "text must be non-empty"),
    ("sendMessage", {"chat_id": 5, "text": "x" * 4097}, "message is too long"),
    ("sendMessage", {"chat_id": 5, "text": "😀" * 2049}, "message is too long"),
    ("sendMessage", {"chat_id": 5, "text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_markup": "{"}, "can't parse reply keyboard markup JSON object"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "x", "callback_data": "я" * 33}]]}}, "BUTTON_DATA_INVALID"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "x"}]]}}, "Text buttons are unallowed"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "x", "url": "javascript:1"}]]}}, "Wrong HTTP URL"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "x", "web_app": {"url": "http://e.org"}}]]}}, "Only HTTPS"),
    ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "MESSAGE_TOO_LONG"),
    ("setWebhook", {"url": "http://e.org"}, "An HTTPS URL must be provided"),
    ("setWebhook", {"url": "https://e.org:444"}, "only on ports"),
    ("setWebhook", {"url": "https://e.org", "secret_token": "a b"}, "unallowed characters"),
    ("setWebhook", {"url": "https://e.org", "secret_token": "a" * 257}, "secret token is too long"),
    ("setMyCommands", {"commands": [{"command": "Ünicode", "description": "x"}]}, "BOT_COMMAND_INVALID"),
    ("setMyCommands", {"commands": [{"command": "x", "description": ""}]}, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ("setMyCommands", {"commands": [], "language_code": "eng"}, "invalid language code"),
    ("getFile", {"file_id": "nope"}, "wrong file_id"),
    ("createInvoiceLink", {"title": "x" * 33, "description": "d", "payload": "p", "currency": "XTR", "prices": [{"label": "x", "amount": 1}]}, "INVOICE_TITLE_INVALID"),
    ("createInvoiceLink", {"title": "t", "description": "d", "payload": "p", "currency": "XTR", "prices": []}, "STARS_INVOICE_INVALID"),
    ("createInvoiceLink", {"title": "t", "description": "d", "payload": "p", "currency": "EUR", "prices": []}, "PAYMENT_PROVIDER_INVALID"),
    ("createInvoiceLink", {"title": "t", "description": "d", "payload": "p", "currency": "XTR", "prices": [{"label": "x", "amount": 1}], "subscription_period": 5}, "SUBSCRIPTION_PERIOD"),
    ("answerPreCheckoutQuery", {"pre_checkout_query_id": "1", "ok": False}, "ERROR_TEXT_EMPTY"),
])
def test_telegram_refuses(fakes, method, params, description):
    refused(fakes.telegram(method, **params), 400, description)


def test_telegram_knows_its_bots_and_methods(fakes):
    assert fakes.telegram("getMe").json()["result"]["username"] == "trivet_dev_bot"
    assert fakes.telegram("getMe", token=ENV["QUIZ_BOT_TOKEN"]).json()["result"]["id"] == 123457
    refused(fakes.telegram("getMe", token="123456:wrong"), 401, "Unauthorized")
    refused(fakes.telegram("getMe", token="nonsense"), 401, "Unauthorized: invalid token specified")
    refused(fakes.telegram("sendFax"), 404, "Not Found")


def test_webhook_commands_and_money_are_remembered(fakes):
    fakes.telegram("setWebhook", url="http://127.0.0.1:8080/telegram/main", secret_token="s", allowed_updates=["message"])
    info = fakes.telegram("getWebhookInfo").json()["result"]
    assert (info["url"], info["allowed_updates"]) == ("http://127.0.0.1:8080/telegram/main", ["message"])
    refused(fakes.telegram("getUpdates"), 409, "can't use getUpdates method while webhook is active")
    fakes.telegram("deleteWebhook")
    assert fakes.telegram("getWebhookInfo").json()["result"]["url"] == ""
    fakes.telegram("setMyCommands", commands=[{"command": "a", "description": "б"}], language_code="ru")
    assert fakes.telegram("getMyCommands", language_code="ru").json()["result"] == [{"command": "a", "description": "б"}]
    assert fakes.telegram("getMyCommands").json()["result"] == []
    fakes.telegram("deleteMyCommands", language_code="ru")
    assert fakes.telegram("refundStarPayment", user_id=5, telegram_payment_charge_id="c").json()["result"] is True
    refused(fakes.telegram("refundStarPayment", user_id=5, telegram_payment_charge_id="c"), 400, "CHARGE_ALREADY_REFUNDED")


def test_telegrams_own_limits_when_asked_for(fakes):
    fakes.control("POST", "limits", {"telegram": {"per_chat_second": 1}})
    assert fakes.telegram("sendMessage", chat_id=5, text="x").ok
    answer = fakes.telegram("sendMessage", chat_id=5, text="x")
    refused(answer, 429, "Too Many Requests: retry after 1")
    assert answer.headers["Retry-After"] == "1" and answer.json()["parameters"] == {"retry_after": 1}
    assert fakes.telegram("sendMessage", chat_id=6, text="x").ok


def test_a_blocked_chat(fakes):
    fakes.control("POST", "state", {"telegram": {"blocked": [5, -100]}})
    refused(fakes.telegram("sendMessage", chat_id=5, text="x"), 403, "Forbidden: bot was blocked by the user")
    refused(fakes.telegram("sendMessage", chat_id=-100, text="x"), 403, "bot was kicked")


# ---- Discord ----------------------------------------------------------------------------------------------------------------------------


def error_of(answer):
    return answer.status_code, answer.json()["code"]


def test_discord_asks_who_calls(fakes):
    assert fakes.discord("GET", "/users/@me").json()["id"] == APP
    for headers in ({}, {"Authorization": "Bot wrong", "User-Agent": BOT["User-Agent"]}, {"Authorization": "Bearer x"}):
        answer = fakes.discord("GET", "/users/@me", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"message": "401: Unauthorized", "code": 0})
    assert error_of(fakes.discord("GET", "/users/@me", headers={**BOT, "User-Agent": "curl"})) == (403, 40333)
    assert error_of(fakes.discord("GET", "/nothing/here")) == (404, 0)
    assert error_of(fakes.discord("DELETE", "/users/@me")) == (405, 0)


def test_discord_direct_messages(fakes):
    channel = fakes.direct("77")
    assert fakes.direct("77") == channel
    sent = fakes.discord("POST", f"/channels/{channel}/messages", {"content": "hi", "nonce": "7", "enforce_nonce": True})
    again = fakes.discord("POST", f"/channels/{channel}/messages", {"content": "hi", "nonce": "7", "enforce_nonce": True})
    assert sent.json()["id"] == again.json()["id"]
    other = fakes.discord("POST", f"/channels/{channel}/messages", {"content": "hi", "nonce": "8", "enforce_nonce": True})
    assert other.json()["id"] != sent.json()["id"]
    assert float(sent.headers["X-RateLimit-Reset-After"]) > 0 and sent.headers["X-RateLimit-Bucket"] and int(sent.headers["X-RateLimit-Remaining"]) >= 1
    message = f"/channels/{channel}/messages/{sent.json()['id']}"
    assert fakes.discord("PATCH", message, {"content": "ho"}).json()["content"] == "ho"
    assert fakes.discord("GET", message).json()["edited_timestamp"]
    assert fakes.discord("DELETE", message).status_code == 204
    assert error_of(fakes.discord("GET", message)) == (404, 10008)
    recipients = [call["recipient"] for call in fakes.calls("?platform=discord&recipient=77")]
    assert recipients and set(recipients) == {"77"}
    fakes.control("POST", "state", {"discord": {"closed": {"77": 50278}}})
    assert error_of(fakes.discord("POST", f"/channels/{channel}/messages", {"content": "x"})) == (403, 50278)


@pytest.mark.parametrize("body, path", [
    ({"content": "x" * 2001}, ["content"]),
    ({"content": "x", "nonce": "1" * 26}, ["nonce"]),
    ({"content": "x", "embeds": [{"title": "x" * 257}]}, ["embeds", "0", "title"]),
    ({"content": "x", "embeds": [{"fields": [{"name": "n", "value": ""}]}]}, ["embeds", "0", "fields", "0", "value"]),
    ({"content": "x", "embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, ["embeds"]),
    ({"content": "x", "components": [{"type": 1, "components": []}]}, ["components", "0", "components"]),
    ({"content": "x", "components": [{"type": 2}]}, ["components", "0", "type"]),
    ({"content": "x", "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x" * 81, "custom_id": "a"}]}]}, ["components", "0", "components", "0", "label"]),
    ({"content": "x", "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x"}]}]}, ["components", "0", "components", "0", "custom_id"]),
    ({"content": "x", "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "a"}] * 2}]}, ["components", "0", "components", "1", "custom_id"]),
    ({"content": "x", "components": [{"type": 1, "components": [{"type": 2, "style": 5, "label": "x", "url": "ftp://x"}]}]}, ["components", "0", "components", "0", "url"]),
    ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, ["allowed_mentions"]),
])
def test_discord_refuses_a_form(fakes, body, path):
    answer = fakes.discord("POST", f"/channels/{fakes.direct()}/messages", body)
    assert error_of(answer) == (400, 50035)
    errors = answer.json()["errors"]
    for name in path:
        errors = errors[name]
    assert errors["_errors"][0]["code"]


def test_discord_refuses_the_rest(fakes):
    channel = fakes.direct()
    assert error_of(fakes.discord("POST", f"/channels/{channel}/messages", {"content": " "})) == (400, 50006)
    assert error_of(fakes.discord("POST", "/channels/1234567/messages", {"content": "x"})) == (404, 10003)
    assert error_of(fakes.discord("POST", "/users/@me/channels", {"recipient_id": "x"})) == (400, 50035)
    assert error_of(fakes.discord("POST", "/users/@me/channels", {"recipient_id": APP})) == (400, 50033)
    raw = {"headers": {**BOT, "Content-Type": "application/json"}, "timeout": 5}
    assert error_of(requests.post(f"{fakes.url}/discord/api/v10/users/@me/channels", data=b"{", **raw)) == (400, 50109)
    raw["headers"]["Content-Type"] = "text/plain"
    assert error_of(requests.post(f"{fakes.url}/discord/api/v10/users/@me/channels", data=b"{}", **raw)) == (400, 50035)
    fakes.control("POST", "state", {"discord": {"channels": ["1234567"]}})
    assert fakes.discord("POST", "/channels/1234567/messages", {"content": "x"}).ok


def test_discord_interaction_tokens(fakes):
    path = f"/webhooks/{APP}/some-token"
    assert fakes.discord("PATCH", path + "/messages/@original", {"content": "done"}, headers={}).json()["content"] == "done"
    assert fakes.discord("GET", path + "/messages/@original", headers={}).json()["content"] == "done"
    assert fakes.discord("POST", path, {"content": "more", "flags": 64}, headers={}).json()["flags"] == 64
    assert fakes.discord("DELETE", path + "/messages/@original", headers={}).status_code == 204
    assert error_of(fakes.discord("PATCH", "/webhooks/1/some-token/messages/@original", {"content": "x"}, headers={})) == (404, 10015)
    assert error_of(fakes.discord("PATCH", path + "/messages/123", {"content": "x"}, headers={})) == (404, 10008)
    assert fakes.discord("POST", "/interactions/5/tok/callback", {"type": 4}, headers={}).status_code == 204
    assert error_of(fakes.discord("POST", "/interactions/5/tok/callback", {"type": 4}, headers={})) == (400, 40060)


@pytest.mark.parametrize("command, code", [
    ({"name": "Upper", "description": "x"}, "APPLICATION_COMMAND_INVALID_NAME"),
    ({"name": "x" * 33, "description": "x"}, "APPLICATION_COMMAND_INVALID_NAME"),
    ({"name": "x", "description": "x" * 101}, "BASE_TYPE_BAD_LENGTH"),
    ({"name": "x", "description": "x", "description_localizations": {"xx": "x"}}, "BASE_TYPE_CHOICES"),
    ({"name": "x", "description": "x", "options": [{"type": 3, "name": "a", "description": "x"}, {"type": 3, "name": "b", "description": "x", "required": True}]},
     "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"),
    ({"name": "x", "description": "x", "options": [{"type": 3, "name": "a", "description": "x", "autocomplete": True, "choices": [{"name": "a", "value": "a"}]}]},
     "BASE_TYPE_MAX_LENGTH"),
])
def test_discord_refuses_a_command(fakes, command, code):
    answer = fakes.discord("PUT", f"/applications/{APP}/commands", [command])
    assert error_of(answer) == (400, 50035) and code in answer.text


def test_discord_commands_and_roles(fakes):
    put = fakes.discord("PUT", f"/applications/{APP}/guilds/{GUILD}/commands", [{"name": "код", "description": "x"}])
    assert put.status_code == 200 and put.json()[0]["guild_id"] == GUILD
    again = fakes.discord("PUT", f"/applications/{APP}/guilds/{GUILD}/commands", [{"name": "код", "description": "y"}])
    assert again.json()[0]["id"] == put.json()[0]["id"]
    assert fakes.discord("GET", f"/applications/{APP}/guilds/{GUILD}/commands").json()[0]["description"] == "y"
    assert error_of(fakes.discord("PUT", f"/applications/{APP}/guilds/55/commands", [])) == (403, 50001)
    assert error_of(fakes.discord("PUT", "/applications/55/commands", [])) == (404, 10002)
    fakes.discord("PUT", f"/applications/{APP}/guilds/{GUILD}/commands", [])
    assert fakes.discord("PUT", f"/guilds/{GUILD}/members/77/roles/900").status_code == 204
    assert fakes.discord("GET", f"/guilds/{GUILD}/members/77").json()["roles"] == ["900"]
    assert fakes.discord("DELETE", f"/guilds/{GUILD}/members/77/roles/900").status_code == 204
    assert error_of(fakes.discord("PUT", "/guilds/1/members/77/roles/900")) == (404, 10004)


def test_discord_roles_that_cannot_be_given(fakes):
    path = f"/guilds/{GUILD}/members/77"
    assert error_of(fakes.discord("PUT", f"{path}/roles/x")) == (404, 10011)
    assert error_of(fakes.discord("PUT", f"{path}/roles/{GUILD}")) == (400, 50028), "@everyone is nobody's to give"
    fakes.control("POST", "state", {"discord": {"refused_roles": {"901": 50013, "902": 10011}, "roles": {f"{GUILD}/77": ["901", "903"]}}})
    assert error_of(fakes.discord("DELETE", f"{path}/roles/901")) == (403, 50013)
    assert error_of(fakes.discord("PUT", f"{path}/roles/902")) == (404, 10011)
    assert fakes.discord("DELETE", f"{path}/roles/903").status_code == 204
    assert fakes.discord("GET", path).json()["roles"] == ["901"]
    fakes.control("POST", "state", {"discord": {"absent": [77]}})
    assert error_of(fakes.discord("GET", path)) == error_of(fakes.discord("PUT", f"{path}/roles/903")) == (404, 10007)
    fakes.control("POST", "reset")
    assert fakes.discord("GET", path).json()["roles"] == []


def test_discord_oauth2_with_pkce(fakes):
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"client_id": APP, "redirect_uri": "http://127.0.0.1/cb", "state": "s", "scope": "identify email", "code_challenge": challenge, "as": "77"}

    def code():
        answer = requests.get(f"{fakes.url}/discord/oauth2/authorize", params=asked, allow_redirects=False, timeout=5)
        return answer.headers["Location"].split("code=")[1].split("&")[0]

    def token(**fields):
        form = {"grant_type": "authorization_code", "redirect_uri": asked["redirect_uri"], "code_verifier": verifier, **fields}
        return requests.post(f"{fakes.url}/discord/api/oauth2/token", data=form, auth=(APP, fields.pop("secret", "client-secret")), timeout=5)

    first = code()
    assert token(code=first, code_verifier="wrong").json()["error"] == "invalid_grant"
    assert token(code=first).json()["error"] == "invalid_grant", "a code is good for one try"
    assert token(code=code(), secret="wrong").status_code == 401
    assert token(code=code(), redirect_uri="http://evil/").json()["error"] == "invalid_grant"
    pair = token(code=code()).json()
    refreshed = token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()
    assert token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()["error"] == "invalid_grant", "good for one use"
    assert fakes.discord("GET", "/users/@me", headers={"Authorization": f"Bearer {pair['access_token']}"}).status_code == 401
    bearer = refreshed["access_token"]
    me = fakes.discord("GET", "/users/@me", headers={"Authorization": f"Bearer {bearer}"}).json()
    assert me["id"] == "77" and me["verified"] is True


def test_discord_role_connections(fakes):
    path = f"/users/@me/applications/{APP}/role-connection"
    fakes.control("POST", "state", {"discord": {"bearers": {"one": {"user": 77, "scope": "identify role_connections.write", "refresh": "r"},
                                                            "other": {"user": 78, "scope": "identify", "refresh": "s"}}}})

    def put(bearer, body):
        return fakes.discord("PUT", path, body, headers={"Authorization": f"Bearer {bearer}"})

    shown = {"platform_name": "Trivet", "platform_username": "E I", "metadata": {"rank": "4"}}
    assert put("one", shown).json() == shown
    assert fakes.control("GET", "state")["discord"]["connections"] == {"77": shown}
    assert error_of(put("other", shown)) == (403, 50001)
    assert error_of(put("one", {"platform_username": "x" * 101})) == error_of(put("one", {"metadata": {"rank": 4}})) == (400, 50035)
    fakes.control("POST", "state", {"discord": {"revoked": [77]}})
    assert put("one", shown).status_code == 401
    record = {"type": 2, "key": "rank", "name": "Rank", "description": "x"}
    assert fakes.discord("PUT", f"/applications/{APP}/role-connections/metadata", [record]).json() == [record]
    assert error_of(fakes.discord("PUT", f"/applications/{APP}/role-connections/metadata", [{**record, "name": ""}])) == (400, 50035)


def test_discords_own_limits_when_asked_for(fakes):
    fakes.control("POST", "limits", {"discord": {"per_channel_5s": 1}})
    channel = fakes.direct("78")
    assert fakes.discord("POST", f"/channels/{channel}/messages", {"content": "x"}).headers["X-RateLimit-Remaining"] == "0"
    answer = fakes.discord("POST", f"/channels/{channel}/messages", {"content": "x"})
    assert answer.status_code == 429 and 0 < answer.json()["retry_after"] <= 5 and answer.json()["global"] is False
    assert answer.headers["X-RateLimit-Scope"] == "user" and int(answer.headers["Retry-After"]) >= 1


# ---- control ----------------------------------------------------------------------------------------------------------------------------


def test_every_call_is_recorded_and_numbers_go_on(fakes):
    before = fakes.control("GET", "calls")["last"]
    fakes.telegram("sendMessage", chat_id=5, text="x")
    fakes.telegram("sendMessage", token="1:bad", chat_id=6, text="x")
    first, second = fakes.calls(f"?since={before}")
    assert (first["seq"], first["platform"], first["method"], first["recipient"], first["body"]["text"], first["answer_status"]) == (before + 1, "telegram", "sendMessage", "5", "x", 200)
    assert second["answer_status"] == 401
    assert [call["seq"] for call in fakes.calls(f"?since={before}&recipient=6")] == [before + 2]
    assert len(fakes.calls(f"?since={before}&limit=1")) == 1
    fakes.control("POST", "reset")
    assert fakes.control("GET", "calls") == {"calls": [], "last": before + 2}


def test_waiting_for_a_call(fakes):
    last = fakes.control("GET", "calls")["last"]
    timer = threading.Timer(0.2, fakes.telegram, ["sendMessage"], {"chat_id": 9, "text": "later"})
    timer.start()
    began = time.monotonic()
    found = fakes.calls(f"?since={last}&recipient=9&wait=5")
    assert found[0]["body"]["text"] == "later" and time.monotonic() - began < 2
    assert fakes.calls(f"?since={last}&recipient=404&wait=0.1") == []
    timer.join()


def test_rules(fakes):
    fakes.control("POST", "rules", {"platform": "telegram", "method": "sendMessage", "recipient": 5, "answer": {"status": 429, "retry_after": 3}, "times": 1})
    fakes.control("POST", "rules", {"platform": "telegram", "method": "sendMessage", "answer": {"status": 403, "description": "Forbidden: user is deactivated"}})
    assert fakes.telegram("sendMessage", chat_id=5, text="x").json()["parameters"] == {"retry_after": 3}
    refused(fakes.telegram("sendMessage", chat_id=5, text="x"), 403, "user is deactivated")
    assert fakes.telegram("getMe").ok
    assert [rule["used"] for rule in fakes.control("GET", "rules")["rules"]] == [1]
    fakes.control("DELETE", "rules")
    assert fakes.telegram("sendMessage", chat_id=5, text="x").ok


def test_rules_for_discord_by_template(fakes):
    channel = fakes.direct("77")
    fakes.control("POST", "rules", {"platform": "discord", "method": "POST /channels/{}/messages", "recipient": "77", "answer": {"status": 429, "retry_after": 0.5, "global": True}, "times": 1})
    answer = fakes.discord("POST", f"/channels/{channel}/messages", {"content": "x"})
    assert (answer.json()["global"], answer.headers["X-RateLimit-Global"], answer.headers["X-RateLimit-Scope"]) == (True, "true", "global")
    fakes.control("POST", "rules", {"platform": "discord", "answer": {"status": 403, "code": 50007}, "times": 1})
    assert fakes.discord("POST", f"/channels/{channel}/messages", {"content": "x"}).json() == {"message": "Cannot send messages to this user", "code": 50007}
    fakes.control("POST", "rules", {"platform": "discord", "answer": {"status": 500}, "times": 1})
    assert fakes.discord("POST", f"/channels/{channel}/messages", {"content": "x"}).status_code == 500


def test_a_connection_that_breaks_before_and_after_the_effect(fakes):
    fakes.control("POST", "rules", {"platform": "discord", "answer": {"close": True}, "times": 1})
    channel = str(77 | 1 << 61)
    with pytest.raises(requests.ConnectionError):
        fakes.discord("POST", f"/channels/{channel}/messages", {"content": "lost"})
    assert fakes.discord("GET", f"/channels/{channel}/messages").json() == []
    fakes.control("POST", "rules", {"platform": "discord", "answer": {"close": True, "after_effect": True}, "times": 1})
    with pytest.raises(requests.ConnectionError):
        fakes.discord("POST", f"/channels/{channel}/messages", {"content": "came"})
    assert [message["content"] for message in fakes.discord("GET", f"/channels/{channel}/messages").json()] == ["came"]
    assert [call["answer_status"] for call in fakes.calls("?method=POST%20/channels/{}/messages")] == [0, 0]


def test_a_slow_answer_and_none_at_all(fakes):
    fakes.control("POST", "rules", {"platform": "telegram", "answer": {"slow": 0.3}, "times": 1})
    began = time.monotonic()
    assert fakes.telegram("getMe").ok and time.monotonic() - began >= 0.3
    fakes.control("POST", "rules", {"platform": "telegram", "answer": {"hang": 5}, "times": 1})
    with pytest.raises(requests.Timeout):
        fakes.session.get(f"{fakes.url}/telegram/bot{ENV['BOT_TOKEN']}/getMe", timeout=0.3)
    assert fakes.telegram("getMe").ok, "others are served meanwhile"


@pytest.mark.parametrize("rule", [
    {}, {"platform": "icq", "answer": {"status": 500}}, {"platform": "telegram"}, {"platform": "telegram", "answer": {"status": 500, "slow": 1}},
    {"platform": "telegram", "answer": {"status": 500}, "times": 0}, {"platform": "telegram", "answer": {"status": 500}, "tiems": 1},
])
def test_a_malformed_rule_is_refused(fakes, rule):
    assert fakes.session.post(f"{fakes.url}/control/rules", json=rule, timeout=5).status_code == 400


def test_no_page_steers_the_stand_ins(fakes):
    answer = fakes.session.post(f"{fakes.url}/control/reset", headers={"Origin": "https://evil.example"}, timeout=5)
    assert answer.status_code == 403


def test_the_settings_file_may_come_late_and_change(tmp_path):
    env_file = tmp_path / "env"
    with running(env_file) as fakes:
        refused(fakes.telegram("getMe"), 401, "Unauthorized")
        write_env(env_file)
        time.sleep(0.15)
        assert fakes.telegram("getMe").ok
        write_env(env_file, BOT_TOKEN="'999:other'")
        time.sleep(0.15)
        refused(fakes.telegram("getMe"), 401, "Unauthorized")
        assert fakes.telegram("getMe", token="999:other").ok


@pytest.mark.parametrize("address", ["0.0.0.0:0", "127.0.0.1", "127.0.0.1:99999", "example.org:80"])
def test_only_loopback_is_listened_on(address):
    done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(HERE, "fakes.py"), "--listen", address, "--env", "/nonexistent"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "loopback" in done.stderr


# ---- the playground's server side -------------------------------------------------------------------------------------------------------


class Webhooks(http.server.BaseHTTPRequestHandler):
    """What nginx and Trivet would be: records webhooks, answers with what the test put into `answers`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        status, answer = self.server.answers.pop(0) if self.server.answers else (200, b"")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass


@pytest.fixture
def stage(fakes):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhooks)
    server.got, server.answers = [], []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    write_env(fakes.env_file, BASE_URL=f"http://127.0.0.1:{server.server_port}")
    time.sleep(0.15)
    server.answer = lambda value, status=200: server.answers.append((status, json.dumps(value).encode() if value is not None else b""))
    yield server
    server.shutdown()
    server.server_close()


def eventually(condition, seconds=3):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return value


def test_signatures_are_ed25519(fakes):
    assert sign(SEED, b"") == SigningKey(bytes.fromhex(SEED)).sign(b"").signature.hex()
    with pytest.raises(ValueError):
        sign("abcd", b"")


@pytest.mark.parametrize("text, found", [
    ("/start", [(0, 6)]), ("😀 /code@trivet_bot X", [(3, 16)]), ("a/b /c", [(4, 2)]), ("see /etc/passwd", []), ("/" + "x" * 33, []),
])
def test_commands_are_marked_in_utf16(text, found):
    assert [(entity["offset"], entity["length"]) for entity in people.command_entities(text)] == found


def test_words_become_a_telegram_webhook_and_the_answer_shows(fakes, stage):
    stage.answer({"method": "sendMessage", "chat_id": 0, "text": "refused"})
    one = fakes.state()["people"][0]
    fakes.play("telegram/send", person="p1", chat="main", text="/start now")
    path, headers, body = eventually(lambda: stage.got)[0]
    update = json.loads(body)
    assert (path, headers["X-Telegram-Bot-Api-Secret-Token"]) == ("/telegram/main", "main-secret")
    assert update["message"]["entities"] == [{"offset": 0, "length": 6, "type": "bot_command"}] and str(update["message"]["from"]["id"]) == one["telegram_id"]
    note = eventually(lambda: [entry for entry in fakes.state()["wire"] if entry["direction"] == "reply"])
    assert "400 Bad Request: chat not found" in note[0]["note"], "a call in the answer is checked as any other"
    stage.answer({"method": "sendMessage", "chat_id": int(one["telegram_id"]), "text": "<b>hi</b>", "parse_mode": "HTML",
                  "reply_markup": {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}})
    fakes.play("telegram/send", person="p1", chat="main", text="again")
    chat = f"telegram/main/{one['telegram_id']}"
    shown = eventually(lambda: [message for message in fakes.state()["chats"][chat] if message.get("bot")])[0]
    assert (shown["text"], shown["entities"]) == ("hi", [{"type": "bold", "offset": 0, "length": 2}])
    fakes.play("telegram/button", person="p1", chat="main", message=shown["id"], row=0, column=0)
    pressed = json.loads(eventually(lambda: len(stage.got) == 3 and stage.got)[2][2])["callback_query"]
    assert pressed["data"] == "go" and pressed["message"]["message_id"] == int(shown["id"])
    assert fakes.telegram("deleteMessage", chat_id=one["telegram_id"], message_id=shown["id"]).ok
    assert not [message for message in fakes.state()["chats"][chat] if message.get("bot")]
    assert fakes.play("telegram/button", 400, person="p1", chat="main", message=shown["id"], row=0, column=0)["error"] == "this message is gone"


def test_a_failing_webhook_is_sent_again_as_it_was(fakes, stage):
    stage.answer(None, 503)
    fakes.play("telegram/send", person="p1", chat="main", text="x")
    eventually(lambda: len(stage.got) == 2)
    assert stage.got[0][2] == stage.got[1][2]


def test_blocking_a_bot(fakes, stage):
    one = fakes.state()["people"][0]
    fakes.play("telegram/block", person="p1", bot="quiz", blocked=True)
    path, headers, body = eventually(lambda: stage.got)[0]
    assert (path, json.loads(body)["my_chat_member"]["new_chat_member"]["status"]) == ("/telegram/quiz", "kicked")
    assert headers["X-Telegram-Bot-Api-Secret-Token"] == "quiz-secret"
    refused(fakes.telegram("sendMessage", token=ENV["QUIZ_BOT_TOKEN"], chat_id=one["telegram_id"], text="x"), 403, "blocked by the user")
    assert fakes.telegram("sendMessage", chat_id=one["telegram_id"], text="x").ok
    assert "unblock" in fakes.play("telegram/send", 400, person="p1", chat="quiz", text="x")["error"]


def test_a_command_becomes_a_signed_interaction(fakes, stage):
    stage.answer({"type": 4, "data": {"content": "**hi**", "flags": 64, "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}]}})
    assert fakes.play("discord/command", person="p1", where="guild", name="code", options={"code": "ABC"}) == {}
    path, headers, body = stage.got[0]
    VerifyKey(bytes.fromhex(PUBLIC)).verify(headers["X-Signature-Timestamp"].encode() + body, bytes.fromhex(headers["X-Signature-Ed25519"]))
    sent = json.loads(body)
    assert (path, sent["type"], sent["data"]["options"]) == ("/discord/interactions", 2, [{"name": "code", "type": 3, "value": "ABC"}])
    assert sent["guild_id"] == GUILD and sent["member"]["user"]["id"] == fakes.state()["people"][0]["discord_id"] and "user" not in sent
    shown = fakes.state()["chats"]["discord/guild"][-1]
    assert (shown["content"], shown["only"], shown["used"]) == ("**hi**", "p1", "/code")
    stage.answer({"type": 7, "data": {"content": "done", "components": []}})
    fakes.play("discord/button", person="p1", where="guild", message=shown["id"], row=0, column=0)
    assert json.loads(stage.got[1][2])["data"] == {"id": 1, "custom_id": "go", "component_type": 2}
    after = fakes.state()["chats"]["discord/guild"]
    assert [message["content"] for message in after] == ["done"] and after[0]["only"] == "p1"


def test_a_deferred_answer_is_filled_in_later(fakes, stage):
    stage.answer({"type": 5, "data": {"flags": 64}})
    fakes.play("discord/command", person="p1", where="dm", name="mydata")
    sent = json.loads(stage.got[0][2])
    chat = "discord/dm/" + fakes.state()["people"][0]["discord_id"]
    assert fakes.state()["chats"][chat][0]["loading"] is True and "user" in sent and "member" not in sent
    assert fakes.discord("PATCH", f"/webhooks/{APP}/{sent['token']}/messages/@original", {"content": "ready"}, headers={}).ok
    shown = fakes.state()["chats"][chat][0]
    assert (shown["content"], shown["loading"], shown["only"]) == ("ready", False, "p1")


def test_a_form_opens_and_is_sent(fakes, stage):
    form = {"title": "T", "custom_id": "f", "components": [{"type": 18, "label": "L", "component": {"type": 4, "custom_id": "text", "style": 2}}]}
    stage.answer({"type": 9, "data": form})
    modal = fakes.play("discord/command", person="p1", where="guild", name="ticket")["modal"]
    assert modal["fields"][0]["label"] == "L"
    assert "every field" in fakes.play("discord/modal", 400, person="p1", modal=modal["number"], values={"text": " "})["error"]
    stage.answer({"type": 4, "data": {"content": "ok"}})
    assert fakes.play("discord/modal", person="p1", modal=modal["number"], values={"text": "words"}) == {}
    sent = json.loads(stage.got[1][2])
    assert sent["type"] == 5 and sent["data"]["components"][0]["component"] == {"type": 4, "id": 2, "custom_id": "text", "value": "words"}
    assert "gone" in fakes.play("discord/modal", 400, person="p1", modal=modal["number"], values={"text": "words"})["error"]


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"type": 4, "data": {"content": ""}}', b'{"type": 4, "data": "x"}', b'{"type": 9, "data": {"title": "T"}}', b'{"type": 99}'])
def test_an_answer_that_discord_would_refuse(fakes, stage, answer):
    stage.answers.append((200, answer))
    assert fakes.play("discord/command", person="p1", where="guild", name="help")["failed"] is True
    assert fakes.state()["chats"].get("discord/guild", []) == []


def test_closed_direct_messages(fakes, stage):
    user = fakes.state()["people"][0]["discord_id"]
    fakes.play("discord/direct", person="p1", closed=True)
    assert error_of(fakes.discord("POST", f"/channels/{fakes.direct(user)}/messages", {"content": "x"})) == (403, 50007)


def test_stars_are_paid_after_the_check(fakes, stage):
    link = fakes.telegram("createInvoiceLink", title="t", description="d", payload="p", currency="XTR", prices=[{"label": "x", "amount": 50}]).json()["result"]
    result = {}
    payer = threading.Thread(target=lambda: result.update(fakes.play("telegram/pay", person="p1", slug=link.split("$")[1])))
    payer.start()
    query = json.loads(eventually(lambda: stage.got)[0][2])["pre_checkout_query"]
    assert (query["total_amount"], query["invoice_payload"]) == (50, "p")
    fakes.telegram("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
    payment = json.loads(eventually(lambda: len(stage.got) == 2 and stage.got)[1][2])["message"]["successful_payment"]
    payer.join()
    assert payment["telegram_payment_charge_id"] and result == {"chat": "main"}


def test_the_clock_is_written_whole(fakes, stage):
    assert fakes.play("clock", offset=86400) == {"clock": 86400}
    assert (fakes.env_file.parent / "clock").read_text() == "86400\n"
    for offset in (1.5, "1", True, 10**12):
        assert "whole seconds" in fakes.play("clock", 400, offset=offset)["error"]
    fakes.play("telegram/send", person="p1", chat="main", text="x")
    assert json.loads(eventually(lambda: stage.got)[0][2])["message"]["date"] > time.time() + 86000, "the platform's clock runs along"
    fakes.play("clock", offset=0)


def test_the_page_is_served_under_a_strict_policy(fakes):
    page = fakes.session.get(f"{fakes.url}/playground/", timeout=5)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"] and "<script type=\"module\" src=" in page.text
    for name in ("../fakes/fakes.py", "%2e%2e/fakes/fakes.py", "nothing.js", "index.html/"):
        assert fakes.session.get(f"{fakes.url}/playground/{name}", timeout=5).status_code == 404
    foreign = fakes.session.post(f"{fakes.url}/playground/api/people/new", json={}, headers={"Origin": "https://evil.example"}, timeout=5)
    assert foreign.status_code == 403
    assert fakes.session.post(f"{fakes.url}/playground/api/people/new", data={}, timeout=5).status_code == 415
    assert fakes.session.post(f"{fakes.url}/playground/api/nothing", json={}, timeout=5).status_code == 404


def test_the_stream_tells_of_changes(fakes):
    state = fakes.state()
    with fakes.session.get(f"{fakes.url}/playground/api/stream?boot={state['boot']}&since={state['last']}", stream=True, timeout=5) as stream:
        lines = stream.iter_lines(chunk_size=1)
        assert next(lines) == b"retry: 1000"
        fakes.play("people/new", name="Zoë", language="ru")
        told = next(line for line in lines if line.startswith(b"data: "))
    event = json.loads(told[6:])
    assert event["kind"] == "people" and event["people"][-1]["name"] == "Zoë" and event["people"][-1]["telegram_language"] == "ru"
    with fakes.session.get(f"{fakes.url}/playground/api/stream?boot=another&since=0", stream=True, timeout=5) as stream:
        assert next(line for line in stream.iter_lines(chunk_size=1) if line.startswith(b"data: ")) == b'data: {"kind":"reload"}'
