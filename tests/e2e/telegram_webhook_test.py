"""POST /telegram/{bot} as Telegram, and those who pretend to be it, meet it (contract.md 3, decisions.md 26)."""
import itertools
import json
import threading
import time
import unicodedata

import pytest

from conftest import UPDATE_IDS, wait_for
from linking_test import CODE, People, buttons, the_code
from outside import HOSTILE, ISOLATED, RIGHT_TO_LEFT, ZERO_WIDTH, parse_html, send

SECRET = "X-Telegram-Bot-Api-Secret-Token"
JSON = ("Content-Type", "application/json")
GROUP = -1001234567890
MIB = 1 << 20
HEAD_KEPT = 256  # of what is set aside, at least so much is there to be looked at


@pytest.fixture
def people(stack, new_id):
    return People(stack, new_id)


@pytest.fixture(autouse=True)
def same_process(stack):
    """Whatever came, the program that read it lives."""
    before = stack.pid("trivet-telegram")
    yield
    assert stack.pid("trivet-telegram") == before


def update_of(kind, value):
    return {"update_id": next(UPDATE_IDS), kind: value}


def user(number, **more):
    return {"id": number, "is_bot": False, "first_name": "Ann", "username": f"ann{number}", "language_code": "en", **more}


def private(number):
    return {"id": number, "type": "private", "first_name": "Ann"}


def named(stack, number, text, **who):
    """A private message of a person with this profile."""
    update = stack.telegram_update(number, text)
    update["message"]["from"] = {key: value for key, value in user(number, **who).items() if value is not None}
    return update


def known(stack, number):
    return stack.api("GET", f"/v1/users/telegram/{number}").status_code == 200


# ---- who may ---------------------------------------------------------------------------------------------------------------------


def refused(stack, headers, bot="main", body=None):
    text = json.dumps(stack.telegram_update(5, "/help") if body is None else body).encode()
    status, heads, answer = send(stack, "POST", f"/telegram/{bot}", [JSON, *headers], text)
    assert status == 401, (status, answer)
    assert heads["Content-Type"].startswith("application/problem+json") and json.loads(answer)["status"] == 401
    return answer


def test_a_wrong_secret_is_refused(stack):
    right = stack.env["BOT_SECRET"]
    for wrong in ("", " ", right[:-1], right + "x", right[1:], right.swapcase(), right[::-1], right + "," + right, right + ", " + right, f'"{right}"',
                  "null", "x" * 256, "x" * 4000, stack.env["QUIZ_BOT_SECRET"], stack.env["BOT_TOKEN"]):
        assert right.encode() not in refused(stack, [(SECRET, wrong)])


def test_a_secret_is_there_exactly_once(stack):
    right = stack.env["BOT_SECRET"]
    refused(stack, [])
    for name in (SECRET, SECRET.lower(), SECRET.upper()):
        refused(stack, [(SECRET, right), (name, right)])
        refused(stack, [(SECRET, right), (name, "wrong")])
        refused(stack, [(SECRET, "wrong"), (name, right)])
        refused(stack, [(SECRET, ""), (name, right)])
    for name in (SECRET.replace("-", "_"), "X-Telegram-Bot-Api-Secret", "Authorization", "HTTP-" + SECRET):
        refused(stack, [(name, right)])


def test_the_name_of_a_header_has_no_case(stack, new_id):
    for name in (SECRET, SECRET.lower(), SECRET.upper()):
        body = json.dumps(stack.telegram_update(new_id(), "/help")).encode()
        assert send(stack, "POST", "/telegram/main", [JSON, (name, stack.env["BOT_SECRET"])], body)[0] == 200


def test_the_secret_counts_in_the_header_alone(stack):
    for path in ("main?secret=", "main?X-Telegram-Bot-Api-Secret-Token=", "main?secret_token="):
        refused(stack, [], bot=path + stack.env["BOT_SECRET"])
    refused(stack, [], body={"secret_token": stack.env["BOT_SECRET"], **stack.telegram_update(5, "/help")})
    refused(stack, [("Cookie", f"{SECRET}={stack.env['BOT_SECRET']}")])


@pytest.mark.parametrize("bot", ["nosuch", "MAIN", "Main", "main2", "mai", "main%20", "%6dain2", "telegram", "x" * 200, "main.quiz"])
def test_an_unknown_bot_is_404(stack, bot):
    status, heads, answer = send(stack, "POST", f"/telegram/{bot}", [JSON, (SECRET, stack.env["BOT_SECRET"])], b"{}")
    assert status == 404 and heads["Content-Type"].startswith("application/problem+json"), answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_only_post(stack, method):
    status, heads, answer = send(stack, method, "/telegram/main", [(SECRET, stack.env["BOT_SECRET"])])
    assert status == 405 and heads["Allow"] == "POST" and (method == "HEAD" or json.loads(answer)["status"] == 405)


# ---- every kind of update ----------------------------------------------------------------------------------------------------------

ONES = itertools.count(1)


def plausible(kind, number):
    """A minimal body of each kind of Bot API 10.3."""
    who, now, chat = user(number), int(time.time()), {"id": GROUP, "type": "supergroup", "title": "Club"}
    message = {"message_id": next(ONES), "date": now, "chat": private(number), "from": who, "text": "hello"}
    post = {"message_id": next(ONES), "date": now, "chat": {"id": -1005, "type": "channel", "title": "News"}, "text": "news", "sender_chat": {"id": -1005, "type": "channel"}}
    member = {"chat": chat, "from": who, "date": now, "old_chat_member": {"status": "left", "user": who}, "new_chat_member": {"status": "member", "user": who}}
    boost = {"boost_id": "b", "add_date": now, "expiration_date": now + 9, "source": {"source": "premium", "user": who}}
    return {
        "message": message, "edited_message": {**message, "edit_date": now}, "channel_post": post, "edited_channel_post": {**post, "edit_date": now},
        "business_connection": {"id": "c", "user": who, "user_chat_id": number, "date": now, "is_enabled": True},
        "business_message": {**message, "business_connection_id": "c"}, "edited_business_message": {**message, "business_connection_id": "c", "edit_date": now},
        "deleted_business_messages": {"business_connection_id": "c", "chat": private(number), "message_ids": [1, 2]},
        "guest_message": {**message, "guest_query_id": "g"},
        "message_reaction": {"chat": chat, "message_id": 1, "user": who, "date": now, "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}]},
        "message_reaction_count": {"chat": chat, "message_id": 1, "date": now, "reactions": [{"type": {"type": "emoji", "emoji": "👍"}, "total_count": 3}]},
        "inline_query": {"id": "1", "from": who, "query": "x", "offset": ""}, "chosen_inline_result": {"result_id": "1", "from": who, "query": "x"},
        "callback_query": {"id": str(next(ONES)), "from": who, "message": message, "chat_instance": "1", "data": "x"},
        "shipping_query": {"id": "1", "from": who, "invoice_payload": "p", "shipping_address": {
            "country_code": "DE", "state": "", "city": "x", "street_line1": "x", "street_line2": "", "post_code": "1"}},
        "pre_checkout_query": {"id": "1", "from": who, "currency": "XTR", "total_amount": 1, "invoice_payload": "p"},
        "purchased_paid_media": {"from": who, "paid_media_payload": "p"},
        "poll": {"id": "1", "question": "?", "options": [], "total_voter_count": 0, "is_closed": False, "is_anonymous": True, "type": "regular", "allows_multiple_answers": False},
        "poll_answer": {"poll_id": "1", "user": who, "option_ids": [0]},
        "my_chat_member": member, "chat_member": member, "chat_join_request": {"chat": chat, "from": who, "user_chat_id": number, "date": now},
        "chat_boost": {"chat": chat, "boost": boost}, "removed_chat_boost": {"chat": chat, "boost_id": "b", "remove_date": now, "source": boost["source"]},
        "managed_bot": {"user": who, "bot": {"id": 6, "is_bot": True, "first_name": "B", "username": "b_bot"}},
        "subscription": {"user": who, "invoice_payload": "p", "state": "active"},
        "stopped_message_generation": {"chat": private(number), "user": who},
    }[kind]


KINDS = """message edited_message channel_post edited_channel_post business_connection business_message edited_business_message deleted_business_messages
guest_message message_reaction message_reaction_count inline_query chosen_inline_result callback_query shipping_query pre_checkout_query purchased_paid_media
poll poll_answer my_chat_member chat_member chat_join_request chat_boost removed_chat_boost managed_bot subscription stopped_message_generation""".split()


def kept(db, bot="main"):
    """What was set aside, oldest first: (reason, size, head)."""
    with db.cursor() as cursor:
        cursor.execute("SELECT reason, size, head FROM public.update_aside WHERE platform = 'telegram' AND bot = %s ORDER BY id", (bot,))
        return [(reason, size, bytes(head)) for reason, size, head in cursor.fetchall()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_update_is_acknowledged(stack, db, new_id, kind):
    before, number = len(kept(db)), new_id()
    answer = stack.post_telegram("main", update_of(kind, plausible(kind, number)))
    assert answer.status_code == 200, answer.text
    assert kind in ("message", "callback_query") or answer.content == b"", answer.text
    assert len(kept(db)) == before, "what we do not use is no unreadable update"


def test_there_are_27_kinds_and_any_later_one_is_acknowledged_too(stack, db, new_id):
    assert len(set(KINDS)) == 27
    before = len(kept(db))
    for update in (update_of("telepathy", {"from": user(new_id()), "thought": ["?"]}), {"update_id": next(UPDATE_IDS)},
                   {**stack.telegram_update(new_id(), "/help"), "telepathy_hint": None}):
        assert stack.post_telegram("main", update).status_code == 200
    assert len(kept(db)) == before


@pytest.mark.parametrize("content", [
    {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}], "caption": "x"}, {"sticker": {"file_id": "f"}}, {"voice": {"file_id": "f"}},
    {"contact": {"phone_number": "1", "first_name": "x"}}, {"location": {"latitude": 1.5, "longitude": -1.5}}, {"dice": {"emoji": "🎲", "value": 3}},
    {"new_chat_members": [{"id": 6, "is_bot": False, "first_name": "x"}]}, {"left_chat_member": {"id": 6, "is_bot": False, "first_name": "x"}}, {"pinned_message": {}},
    {"successful_payment": {"currency": "XTR", "total_amount": 1, "invoice_payload": "?", "telegram_payment_charge_id": "c", "provider_payment_charge_id": "p"}},
    {"rich_message": {"blocks": [{"type": "paragraph", "text": {"text": "x"}}]}}, {"web_app_data": {"data": "<b>", "button_text": "x"}}, {"telepathy": True}, {}],
    ids=lambda content: next(iter(content), "nothing"))
def test_every_content_of_a_message_is_acknowledged(stack, db, new_id, content):
    before, update = len(kept(db)), stack.telegram_update(new_id(), "x")
    del update["message"]["text"]
    update["message"].update(content)
    assert stack.post_telegram("main", update).status_code == 200
    assert len(kept(db)) == before


# ---- what cannot be read ----------------------------------------------------------------------------------------------------------


def with_text(number, inner):
    """A readable message whose text is these bytes of JSON."""
    return (b'{"update_id":%d,"message":{"message_id":1,"date":1,"chat":{"id":5,"type":"private"},"from":{"id":5,"is_bot":false,"first_name":"A"},"text":%s}}' % (number, inner))


def unreadable(number):
    good = with_text(number, b'"/help"')
    return {
        "empty": b"", "space": b" ", "no JSON": b"hello", "cut": good[:-1], "more behind": good + b"x", "two": good + good, "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"), "NUL byte": good.replace(b"/help", b"/he\0lp"), "NUL behind": good + b"\0", "NUL escape": with_text(number, rb'"a\u0000b"'),
        "lone surrogate": with_text(number, rb'"\ud800"'), "bad UTF-8": with_text(number, b'"\xff"'), "overlong": with_text(number, b'"\xc0\xaf"'),
        "raw newline": with_text(number, b'"a\nb"'), "doubled key": good.replace(b'"update_id"', b'"update_id":1,"update_id"'),
        "doubled key inside": good.replace(b'"id":5,', b'"id":5,"id":6,', 1), "65 deep": good[:-1] + b',"x":' + b"[" * 64 + b"]" * 64 + b"}",
        "20,000 deep": b"[" * 20000, "array": b"[" + good + b"]", "string": b'"x"', "number": b"5", "null": b"null", "NaN": with_text(number, b"NaN"),
        "no id": good.replace(b"update_id", b"update_ix"), "id as text": good.replace(b'"update_id":%d' % number, b'"update_id":"%d"' % number),
        "id 1.0": good.replace(b'"update_id":%d' % number, b'"update_id":1.0'), "id 1e3": good.replace(b'"update_id":%d' % number, b'"update_id":1e3'),
        "id 2^63": good.replace(b'"update_id":%d' % number, b'"update_id":9223372036854775808'), "id true": good.replace(b'"update_id":%d' % number, b'"update_id":true'),
        "person 2^63": good.replace(b'"from":{"id":5', b'"from":{"id":9223372036854775808'), "person 1.0": good.replace(b'"from":{"id":5', b'"from":{"id":5.0'),
        "person as text": good.replace(b'"from":{"id":5', b'"from":{"id":"5"'), "message as text": b'{"update_id":%d,"message":"x"}' % number,
        "message as list": b'{"update_id":%d,"message":[]}' % number, "person as list": good.replace(b'{"id":5,"is_bot":false,"first_name":"A"}', b"[]"),
    }


@pytest.mark.parametrize("name", list(unreadable(1)))
def test_what_cannot_be_read_is_kept_and_acknowledged(stack, db, name):
    body, before = unreadable(next(UPDATE_IDS))[name], len(kept(db))
    answer = stack.post_telegram("main", body)
    assert (answer.status_code, answer.content) == (200, b"")
    rows = kept(db)[before:]
    assert len(rows) == 1 and rows[0][1] == len(body)
    assert body.startswith(rows[0][2]) and len(rows[0][2]) >= min(len(body), HEAD_KEPT), rows


@pytest.mark.parametrize("name, inner", [("text as number", b"5"), ("text as list", b"[]"), ("text null", b"null")])
def test_a_text_of_another_type_is_no_command(stack, name, inner):
    assert stack.post_telegram("main", with_text(next(UPDATE_IDS), inner)).status_code == 200


def test_a_forged_unreadable_body_leaves_nothing(stack, db):
    before = len(kept(db))
    assert stack.post_telegram("main", b"hello", headers={SECRET: "wrong"}).status_code == 401
    assert len(kept(db)) == before


def padded(update, size):
    """The update with a long member that nobody knows."""
    body = json.dumps({**update, "pad": []}).encode()
    piece = b'"' + b"x" * 1000 + b'",'
    room = size - len(body) - 2
    pad = piece * (room // len(piece))
    return body.replace(b'"pad": []', b'"pad": [' + pad + b'"' + b"x" * (room - len(pad)) + b'"]')


def test_one_mebibyte_is_read_and_one_byte_more_is_set_aside(stack, db, new_id):
    body = padded(stack.telegram_update(new_id(), "/help"), MIB)
    assert len(body) == MIB and "Commands" in stack.post_telegram("main", body).json()["text"]
    body, before = padded(stack.telegram_update(new_id(), "/help"), MIB + 1), len(kept(db))
    answer = stack.post_telegram("main", body)
    assert (answer.status_code, answer.content) == (200, b"")
    (_, size, head), = kept(db)[before:]
    assert size == MIB + 1 and len(head) >= HEAD_KEPT and body.startswith(head)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'"",', b"0.5,"])
def test_what_takes_more_memory_than_a_request_may_is_kept_all_the_same(stack, db, piece):
    """Small on the wire, large as a tree. It was answered 413 and not kept: Telegram sends that again for a day, and the chat's others wait."""
    number = next(UPDATE_IDS)
    body = b'{"update_id":%d,"message":{"message_id":1,"x":[%s0]}}' % (number, piece * (1_000_000 // len(piece)))
    before, answer = len(kept(db)), stack.post_telegram("main", body)
    assert (answer.status_code, answer.content) == (200, b"")
    (_, size, head), = kept(db)[before:]
    assert size == len(body) and len(head) >= HEAD_KEPT and body.startswith(head)


def test_a_forged_mebibyte_is_refused(stack, db):
    before = len(kept(db))
    assert stack.post_telegram("main", b"x" * (MIB + 1), headers={SECRET: "wrong"}).status_code == 401
    assert len(kept(db)) == before


def test_eight_mebibytes_are_taken_and_more_is_413(stack):
    assert stack.post_telegram("main", b"x" * (8 * MIB)).status_code == 200
    answer = stack.post_telegram("main", b"x" * (8 * MIB + 1))
    assert answer.status_code == 413 and answer.headers["Content-Type"] == "application/problem+json" and answer.json()["status"] == 413


def test_the_content_type_is_telegrams_business(stack, new_id):
    """It promises one; a proxy that loses it shall not lose the update."""
    for kind in ("application/json; charset=utf-8", "text/plain"):
        body = json.dumps(stack.telegram_update(new_id(), "/help")).encode()
        assert send(stack, "POST", "/telegram/main", [("Content-Type", kind), (SECRET, stack.env["BOT_SECRET"])], body)[0] == 200


# ---- two bots ---------------------------------------------------------------------------------------------------------------------


def test_each_bot_has_its_own_path_and_secret(stack, new_id):
    assert "Commands" in stack.command_telegram(new_id(), "/help", bot="quiz")["text"]
    refused(stack, [(SECRET, stack.env["BOT_SECRET"])], bot="quiz")
    refused(stack, [(SECRET, stack.env["QUIZ_BOT_SECRET"])], bot="main")


def test_one_number_at_two_bots_is_two_updates(stack, new_id):
    person = new_id()
    update = stack.telegram_update(person, "/lang ru")
    assert "по-русски" in stack.post_telegram("main", update).json()["text"]
    update["message"]["text"] = "/lang en"
    assert "English" in stack.post_telegram("quiz", update).json()["text"]
    update["message"]["text"] = "/lang ru"
    assert "по-русски" in stack.post_telegram("main", update).json()["text"], "the repeat at the first bot gets the first's reply"
    assert stack.api("GET", f"/v1/users/telegram/{person}").json()["language"] == "en"


def test_a_command_for_another_bot_is_not_ours(stack, new_id):
    ours, quiz = stack.env["BOT_USERNAME"], stack.env["QUIZ_BOT_USERNAME"]
    for name in ("otherbot", quiz, ours + "x", ours[:-1], ""):
        person = new_id()
        update = stack.telegram_update(person, f"/help@{name}", chat=GROUP)
        assert stack.post_telegram("main", update).content == b"" or name == "", name
    for name in (ours, ours.upper()):
        assert "Commands" in stack.command_telegram(new_id(), f"/help@{name}", chat=GROUP)["text"]
    assert "Commands" in stack.command_telegram(new_id(), f"/help@{quiz}", chat=GROUP, bot="quiz")["text"]
    assert "Welcome" in stack.command_telegram(new_id(), f"/start@{ours} ref_ABCDEFGH")["text"]


def test_a_command_has_no_case(stack, new_id):
    assert "Commands" in stack.command_telegram(new_id(), "/HELP")["text"]


# ---- what is a command ---------------------------------------------------------------------------------------------------------------


def entity_at(stack, number, text, offset, length):
    update = stack.telegram_update(number, text)
    update["message"]["entities"] = [{"type": "bot_command", "offset": offset, "length": length}]
    return update


def test_offsets_are_utf16_units(stack, new_id):
    answer = stack.post_telegram("main", entity_at(stack, new_id(), "/help🙂", 0, 5)).json()["text"]
    assert "Commands" in answer, "the command ends where its entity does"
    answer = stack.post_telegram("main", entity_at(stack, new_id(), "🙂🙂 /help", 5, 5)).json()["text"]
    assert "no such command" not in answer and "/help" in answer
    answer = stack.post_telegram("main", entity_at(stack, new_id(), "/code 🙂🙂🙂", 0, 5)).json()["text"]
    assert "unknown or expired" in answer


@pytest.mark.parametrize("offset, length", [(0, 6), (0, 1000), (3, 5), (-1, 5), (0, 0), (0, -1), (2**31, 1), (0, 2**53), (2**53, 2**53), ("0", "5"), (0.5, 1), (None, None)])
def test_offsets_that_lie_harm_nobody(stack, new_id, offset, length):
    for text in ("/help", "🙂🙂🙂", "é"):
        assert stack.post_telegram("main", entity_at(stack, new_id(), text, offset, length)).status_code == 200


@pytest.mark.parametrize("change", [
    {"forward_origin": {"type": "user", "date": 1, "sender_user": {"id": 9, "is_bot": False, "first_name": "x"}}},
    {"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "x"}},
    {"sender_chat": {"id": GROUP, "type": "supergroup", "title": "Club"}}, {"sender_chat": {"id": -1005, "type": "channel", "title": "News"}}, {"is_automatic_forward": True}], ids=lambda change: next(iter(change)))
def test_a_command_that_its_sender_did_not_type_does_nothing(stack, new_id, change):
    for chat in (None, GROUP):
        person = new_id()
        update = stack.telegram_update(person, "/lang ru", chat=chat)
        update["message"].update(change)
        answer = stack.post_telegram("main", update)
        # In private a forwarded text may be answered as any text is.
        assert answer.status_code == 200 and (answer.content == b"" or (chat is None and "I understand commands" in answer.text))
        # In a chat that counts, what a person passes on is a message of his.
        assert not known(stack, person) or stack.api("GET", f"/v1/users/telegram/{person}").json()["language"] != "ru"


@pytest.mark.parametrize("kind", ["edited_message", "channel_post", "edited_channel_post", "business_message", "edited_business_message", "guest_message"])
def test_a_command_in_anything_but_a_message_does_nothing(stack, new_id, kind):
    person = new_id()
    update = stack.telegram_update(person, "/lang ru")
    answer = stack.post_telegram("main", update_of(kind, update["message"]))
    assert (answer.status_code, answer.content) == (200, b"")
    assert not known(stack, person)


def test_a_command_of_a_bot_or_of_telegram_does_nothing(stack, new_id):
    for number, change in ((new_id(), {"is_bot": True}), (777000, {}), (1087968824, {"is_bot": True}), (136817688, {"is_bot": True})):
        for chat in (None, GROUP):
            update = stack.telegram_update(number, "/lang ru", chat=chat)
            update["message"]["from"].update(change)
            answer = stack.post_telegram("main", update)
            assert (answer.status_code, answer.content) == (200, b""), number
        assert not known(stack, number), number


# ---- buttons -------------------------------------------------------------------------------------------------------------------------


def press(stack, number, message, **more):
    return stack.post_telegram("main", update_of("callback_query", {"id": str(next(UPDATE_IDS)), "from": user(number), "message": message, "chat_instance": "1", **more}))


def test_a_button_of_a_message_that_is_gone_still_works(stack, new_id):
    person = new_id()
    action = buttons(stack.command_telegram(person, "/lang")["reply_markup"])["Русский"]
    answer = press(stack, person, {"chat": private(person), "message_id": 7, "date": 0}, data=action)
    assert answer.status_code == 200 and "по-русски" in answer.text or answer.json()["method"] in ("sendMessage", "answerCallbackQuery", "editMessageText")
    assert stack.api("GET", f"/v1/users/telegram/{person}").json()["language"] == "ru"


@pytest.mark.parametrize("more", [{}, {"game_short_name": "g"}, {"data": ""}, {"data": "x" * 64}, {"data": ":"}, {"data": "lang_set"}, {"data": "lang_set:"}, {"data": "lang_set:de"},
                                  {"data": "lang_set:ru:ru"}, {"data": "link_yes:"}, {"data": "link_yes:-1"}, {"data": "link_undo:99999999999999999999"}, {"data": "link_undo:1"},
                                  {"data": "unlink_yes:<b>"}, {"data": "😀" * 16}, {"data": "start"}, {"data": "/lang ru"}], ids=str)
def test_a_button_that_nobody_made_is_stale(stack, db, new_id, more):
    """callback_data comes from the person's client, who may send anything."""
    person, before = new_id(), len(kept(db))
    message = {"message_id": 7, "date": int(time.time()), "chat": private(person), "text": "x"}
    for place in ({"message": message}, {"message": {"chat": private(person), "message_id": 7, "date": 0}}, {"message": None, "inline_message_id": "i"}):
        answer = press(stack, person, **{**place, **more})
        assert answer.status_code == 200
        assert "Done" not in answer.text and (not answer.content or answer.json()["method"] in ("answerCallbackQuery", "editMessageText", "sendMessage"))
    assert not known(stack, person) or stack.api("GET", f"/v1/users/telegram/{person}").json()["language"] in (None, "en")
    assert len(kept(db)) == before


# ---- who may be messaged ----------------------------------------------------------------------------------------------------------------


def member_change(number, status, old, chat=None):
    bot = {"id": 7000000001, "is_bot": True, "first_name": "Trivet"}
    return update_of("my_chat_member", {"chat": chat or private(number), "from": user(number), "date": int(time.time()),
                                        "old_chat_member": {"status": old, "user": bot}, "new_chat_member": {"status": status, "user": bot, "until_date": 0}})


def reach(db, number):
    with db.cursor() as cursor:
        cursor.execute("SELECT bot, can_message FROM public.identity_reach r JOIN public.identity i ON i.id = r.identity_id"
                       " WHERE i.platform = 'telegram' AND i.platform_id = %s", (number,))
        return dict(cursor.fetchall())


def told(fakes, number):
    return [(call["bot"], call["body"]["text"]) for call in fakes.calls(platform="telegram", recipient=number, method="sendMessage")]


def test_a_block_and_its_end_are_noted_for_that_bot_alone(stack, db, new_id):
    person = new_id()
    for bot in ("main", "quiz"):
        stack.command_telegram(person, "/start", bot=bot)
    wait_for(lambda: reach(db, person) == {"main": True, "quiz": True}, what="both bots may write")
    assert stack.post_telegram("main", member_change(person, "kicked", "member")).content == b""
    wait_for(lambda: reach(db, person) == {"main": False, "quiz": True}, what="the block")
    stack.post_telegram("main", member_change(person, "member", "kicked"))
    wait_for(lambda: reach(db, person)["main"], what="the unblock")
    stack.post_telegram("main", member_change(person, "kicked", "member", {"id": GROUP, "type": "supergroup", "title": "Club"}))
    stack.post_telegram("main", member_change(person, "left", "administrator", {"id": GROUP, "type": "supergroup", "title": "Club"}))
    assert reach(db, person) == {"main": True, "quiz": True}, "who takes the bot out of a group has not blocked it"


def test_who_blocked_the_bot_gets_no_notice_by_it(people, stack, db, fakes, new_id):
    person = new_id()
    people.telegram(person, "/start")
    code = people.code_from_telegram(person)
    stack.post_telegram("main", member_change(person, "kicked", "member"))
    wait_for(lambda: reach(db, person).get("main") is False, what="the block")
    assert "Done!" in people.discord(new_id(), "code", code=code)
    other = new_id()
    assert "Done!" in people.discord(new_id(), "code", code=people.code_from_telegram(other))
    wait_for(lambda: told(fakes, other), what="the notice to one who did not block")
    assert told(fakes, person) == []


def test_a_notice_goes_by_another_bot_that_may(people, stack, db, fakes, new_id):
    person = new_id()
    for bot in ("quiz", "main"):
        stack.command_telegram(person, "/start", bot=bot)
    code = people.code_from_telegram(person)
    stack.post_telegram("main", member_change(person, "kicked", "member"))
    wait_for(lambda: reach(db, person).get("main") is False, what="the block")
    assert "Done!" in people.discord(new_id(), "code", code=code)
    notices = wait_for(lambda: told(fakes, person), what="the notice")
    assert [bot for bot, _ in notices] == ["quiz"] and "linked" in notices[0][1]


def test_after_an_unblock_notices_come_again(people, stack, db, fakes, new_id):
    person = new_id()
    people.telegram(person, "/start")
    for status, old in (("kicked", "member"), ("member", "kicked")):
        stack.post_telegram("main", member_change(person, status, old))
        wait_for(lambda: reach(db, person).get("main") is (status == "member"), what=status)
    assert "Done!" in people.discord(new_id(), "code", code=people.code_from_telegram(person))
    assert "linked" in wait_for(lambda: told(fakes, person), what="the notice")[0][1]


# ---- names and texts ------------------------------------------------------------------------------------------------------------------


def read(answer):
    """Text and entity types as Telegram shows them; its parser refuses what is not escaped."""
    assert answer["parse_mode"] == "HTML"
    text, entities = parse_html(answer["text"])
    return text, [entity["type"] for entity in entities]


def test_names_are_shown_as_they_are_written(stack, new_id):
    assert len(HOSTILE) >= 60
    _, plain = read(stack.post_telegram("main", named(stack, new_id(), "/profile", first_name="Ann")).json())
    for name in HOSTILE:
        text, entities = read(stack.post_telegram("main", named(stack, new_id(), "/profile", first_name=name)).json())
        assert name.replace("\u2028", " ").replace("\u2029", " ").replace("\u200b", "") in text, (name, text)
        assert entities == plain, (name, text, entities)


def test_arguments_come_back_escaped_or_not_at_all(stack, new_id):
    for argument in HOSTILE:
        for command in ("/code", "/lang", "/start", "/nosuch"):
            answer = stack.command_telegram(new_id(), f"{command} {argument}")
            text, entities = read(answer)
            assert text and set(entities) <= {"bold", "code", "bot_command"}, (command, argument, answer)


def test_names_in_notices_are_escaped(people, stack, fakes, new_id):
    """All the way to the platform, which refuses a text that it cannot parse."""
    for name in ("<b>", "</code>", "&lt;", "*_`[x](y)<@1>", "a & b"):
        issuer, redeemer = new_id(), new_id()
        stack.post_telegram("main", named(stack, issuer, "/start"))
        code = people.code_from_telegram(issuer)
        interaction = stack.discord_interaction(redeemer, 2, {"id": "1", "name": "code", "type": 1, "options": [{"name": "code", "type": 3, "value": code}]})
        interaction["member"]["user"]["global_name"] = name
        assert "Done!" in stack.post_discord(interaction).json()["data"]["content"]
        call = fakes.calls(wait=5, platform="telegram", recipient=issuer, method="sendMessage")[0]
        assert call["answer_status"] == 200 and name in parse_html(call["body"]["text"])[0]


@pytest.mark.parametrize("name", [RIGHT_TO_LEFT, ISOLATED, "a\u202b\u202d\u2066b"])
def test_a_name_cannot_turn_the_text_round(stack, new_id, name):
    """Whatever direction a name begins it also ends, or does not begin it."""
    text, _ = read(stack.post_telegram("main", named(stack, new_id(), "/profile", first_name=name)).json())
    embeddings, isolates = 0, 0
    for line in text.split("\n"):
        for symbol in line:
            embeddings += (symbol in "\u202a\u202b\u202d\u202e") - (symbol == "\u202c")
            isolates += (symbol in "\u2066\u2067\u2068") - (symbol == "\u2069")
        assert (embeddings, isolates) == (0, 0), ascii(text)


@pytest.mark.parametrize("name", ["\u200b", "\u200b\u200d\ufeff", " ", "\u2800", "\u3164", "", None, "\u00a0", "\u202e"])
def test_a_name_that_nobody_sees_still_gives_a_text(stack, new_id, name):
    for command in ("/profile", "/checklink", "/start"):
        answer = stack.post_telegram("main", named(stack, new_id(), command, first_name=name, username=None)).json()
        assert read(answer)[0]


@pytest.mark.parametrize("name", [ZERO_WIDTH, "😀" * 64, "👨‍👩‍👧‍👦" * 9, "é" * 64, "e\u0301" * 32, "字" * 64, "Z\u0335\u0336\u0337" * 16, "🏳️‍🌈", "x" * 64])
def test_long_and_odd_names_are_cut_between_symbols(stack, new_id, name):
    person = new_id()
    answer = stack.post_telegram("main", named(stack, person, "/profile", first_name=name, last_name=name)).json()
    text, _ = read(answer)
    assert "\ufffd" not in text and len(text.encode("utf-16-le")) // 2 <= 4096
    shown = stack.api("GET", f"/v1/users/telegram/{person}").json()["display_name"]
    plain = "".join(symbol for symbol in f"{name} {name}" if unicodedata.category(symbol) != "Cf" and symbol != "\ufe0f")
    assert 1 <= len(shown) <= 64 and plain.startswith("".join(symbol for symbol in shown if unicodedata.category(symbol) != "Cf" and symbol != "\ufe0f"))


@pytest.mark.parametrize("name", ["🏳️‍🌈 Anna", "👨‍👩‍👧‍👦", "❤️", "Anna ❤️ Kim", "👍🏽", "می‌خواهم", "क्‍ष"])
def test_signs_of_several_parts_stay_whole(stack, new_id, name):
    """They came apart: a family was four people, and Persian words were joined to others."""
    text, _ = read(stack.post_telegram("main", named(stack, new_id(), "/profile", first_name=name)).json())
    assert text.startswith(name + "\n"), ascii(text)


def test_a_name_comes_from_both_its_parts(stack, new_id):
    text, _ = read(stack.post_telegram("main", named(stack, new_id(), "/profile", first_name="Анна", last_name="Ким")).json())
    assert "Анна Ким" in text


@pytest.mark.parametrize("text", ["x" * 4096, "😀" * 4096, "/code " + "x" * 4090, "/code " + "😀" * 4090, "/" + "x" * 4095, "/lang " + "<" * 4000, "/start " + "&" * 4000, "/", "//", "/ help",
                                  "/@", "/@trivet_dev_bot", "\u200b", "\n/help", "/help\n/lang ru", "/lang\tru", "/lang\u00a0ru", "%s%n" * 900])
def test_any_text_gets_an_answer_that_telegram_takes(stack, new_id, text):
    answer = stack.post_telegram("main", stack.telegram_update(new_id(), text))
    assert answer.status_code == 200
    shown, _ = read(answer.json())
    assert 1 <= len(shown.encode("utf-16-le")) // 2 <= 4096


@pytest.mark.parametrize("code, russian", [("ru", True), ("ru-RU", True), ("RU", True), ("ru-Cyrl-RU", True), ("en", False), ("EN-us", False), ("de", False), ("be", False),
                                           ("", False), (None, False), ("r", False), ("rus", False), ("rue", False), ("ру", False), ("-", False), ("x" * 1000, False),
                                           ("zh-hans", False), ("ru'--", False), ("<b>", False), ("ru\n", False)])
def test_any_language_code_is_read(stack, db, new_id, code, russian):
    before = len(kept(db))
    answer = stack.post_telegram("main", named(stack, new_id(), "/help", language_code=code)).json()["text"]
    if code != "ru\n":
        assert ("Команды" in answer) == russian, answer
    assert len(kept(db)) == before


# ---- repeats and crowds --------------------------------------------------------------------------------------------------------------------


def test_a_repeat_is_answered_as_the_first_time_whatever_it_says_now(stack, new_id):
    person = new_id()
    update = stack.telegram_update(person, "/lang ru")
    first = stack.post_telegram("main", update)
    for _ in range(3):
        assert stack.post_telegram("main", update).text == first.text
    assert stack.command_telegram(person, "/lang en")["text"] == "Done, I answer in English."
    assert stack.post_telegram("main", update).status_code == 200
    assert stack.api("GET", f"/v1/users/telegram/{person}").json()["language"] == "en", "an old update that comes again changes nothing"


def test_a_code_asked_for_in_a_group_is_not_shown_there(people, stack, new_id):
    person = new_id()
    answer = stack.command_telegram(person, "/getcode", chat=GROUP)
    assert answer["chat_id"] == GROUP and not CODE.findall(answer["text"].replace("PRIVATE", ""))
    assert the_code(people.telegram(person, "/getcode"))


def test_one_person_has_four_updates_in_work_and_holds_nobody_up(stack, new_id):
    """decisions.md 3: the fifth waits its turn for 250 ms, then Telegram is told to come again. Here the person's own row is locked by somebody else."""
    busy, other = new_id(), new_id()
    for person in (busy, other):
        stack.command_telegram(person, "/lang en")
    updates, found = [stack.telegram_update(busy, "/lang ru") for _ in range(12)], {}

    def post(number):
        began = time.monotonic()
        answer = stack.post_telegram("main", updates[number])
        found[number] = (answer.status_code, answer.headers.get("Retry-After"), time.monotonic() - began)
    locker = stack.connect()
    locker.autocommit = False
    try:
        with locker.cursor() as cursor:
            cursor.execute("SELECT 1 FROM public.account a JOIN public.identity i ON i.account_id = a.id WHERE i.platform = 'telegram' AND i.platform_id = %s FOR UPDATE OF a", (busy,))
            threads = [threading.Thread(target=post, args=(number,)) for number in range(12)]
            [thread.start() for thread in threads]
            wait_for(lambda: [status for status, _, _ in found.values() if status == 429], what="a 429")
            began = time.monotonic()
            assert "English" in stack.command_telegram(other, "/lang en")["text"] and time.monotonic() - began < 0.5
            [thread.join() for thread in threads]
        locker.rollback()
    finally:
        locker.close()
    assert {status for status, _, _ in found.values()} <= {429, 503} and all(after and int(after) >= 1 for _, after, _ in found.values()), found
    assert all(seconds < 1.0 for status, _, seconds in found.values() if status == 429), found
    for update in updates:  # what Telegram sends again takes effect
        assert "по-русски" in wait_for(lambda: (lambda a: a.status_code == 200 and a.json()["text"])(stack.post_telegram("main", update)), what="the effect")


def test_a_hundred_updates_at_once_all_get_their_own_answer(stack, new_id):
    names = {new_id(): f"Person{index}x" for index in range(100)}
    wrong = []

    def ask(number, name):
        answer = stack.post_telegram("main", named(stack, number, "/profile", first_name=name))
        if answer.status_code != 200 or name not in answer.text or answer.json()["chat_id"] != number:
            wrong.append((name, answer.status_code, answer.text[:200]))
    threads = [threading.Thread(target=ask, args=item) for item in names.items()]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []
