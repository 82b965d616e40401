"""POST /discord/interactions and /discord/events as Discord, and those who pretend to be it, meet them (contract.md 3, platforms.md 2)."""
import itertools
import json
import re
import threading
import time

import pytest
from nacl.signing import SigningKey

from conftest import INTERACTION_IDS, wait_for
from linking_test import CODE, People, the_code
from outside import HOSTILE, ISOLATED, RIGHT_TO_LEFT, send

SIGNATURE, STAMP = "X-Signature-Ed25519", "X-Signature-Timestamp"
JSON = ("Content-Type", "application/json")
MIB = 1 << 20
EPHEMERAL = 64
PLACES = {"guild": {"guild": True}, "direct": {"guild": False}}
ENDPOINTS = ["/discord/interactions", "/discord/events"]


@pytest.fixture
def people(stack, new_id):
    return People(stack, new_id)


@pytest.fixture(autouse=True)
def same_process(stack):
    """Whatever came, the program that read it lives."""
    before = stack.pid("trivet-discord")
    yield
    assert stack.pid("trivet-discord") == before


def signed(stack, body, stamp=None, key=None):
    stamp = str(int(time.time())) if stamp is None else stamp
    key = key or SigningKey(bytes.fromhex(stack.env["DISCORD_PRIVATE_KEY"]))
    return key.sign(stamp.encode() + body).signature.hex(), stamp


def ping(stack):
    return {"id": str(next(INTERACTION_IDS)), "application_id": stack.env["DISCORD_APPLICATION_ID"], "token": "aW50", "type": 1, "version": 1, "entitlements": [],
            "user": {"id": "643945264868098049", "username": "discord", "discriminator": "0", "avatar": None}, "authorizing_integration_owners": {}}


def command(stack, user, name, options=(), kind=1, **where):
    return stack.discord_interaction(user, 2, {"id": "1", "name": name, "type": kind, "options": list(options)}, **where)


def option(name, value, kind=3):
    return {"name": name, "type": kind, "value": value}


def ask(stack, interaction):
    """The answer's data; a sentence in any case."""
    answer = stack.post_discord(interaction)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json"), (answer.status_code, answer.text)
    return answer.json()


def message(stack, interaction):
    answer = ask(stack, interaction)
    assert answer["type"] == 4 and answer["data"]["allowed_mentions"] == {"parse": []} and answer["data"]["content"], answer
    return answer["data"]


def known(stack, number):
    return stack.api("GET", f"/v1/users/discord/{number}").status_code == 200


# ---- who may ---------------------------------------------------------------------------------------------------------------------


def body_for(stack, path):
    return json.dumps(ping(stack) if path == ENDPOINTS[0] else {"version": 1, "application_id": stack.env["DISCORD_APPLICATION_ID"], "type": 0}).encode()


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_request_without_a_right_signature_is_refused(stack, path):
    body = body_for(stack, path)
    right, stamp = signed(stack, body)
    other, _ = signed(stack, body, key=SigningKey.generate())
    for headers in (
        [], [(STAMP, stamp)], [(SIGNATURE, right)], [(SIGNATURE, ""), (STAMP, stamp)], [(SIGNATURE, right), (STAMP, "")],
        [(SIGNATURE, right[:-2]), (STAMP, stamp)], [(SIGNATURE, right + "00"), (STAMP, stamp)], [(SIGNATURE, right[:-1]), (STAMP, stamp)], [(SIGNATURE, "0x" + right), (STAMP, stamp)],
        [(SIGNATURE, "g" + right[1:]), (STAMP, stamp)], [(SIGNATURE, "0" * 128), (STAMP, stamp)], [(SIGNATURE, other), (STAMP, stamp)], [(SIGNATURE, right[64:] + right[:64]), (STAMP, stamp)],
        [(SIGNATURE, right), (SIGNATURE, right), (STAMP, stamp)], [(SIGNATURE, right), (STAMP, stamp), (STAMP, stamp)], [(SIGNATURE, other), (SIGNATURE, right), (STAMP, stamp)],
        [(SIGNATURE, right), (SIGNATURE.lower(), other), (STAMP, stamp)], [(SIGNATURE, right), (STAMP, stamp + "0")], [(SIGNATURE, right), (STAMP, "+" + stamp)], [(SIGNATURE, right), (STAMP, stamp + ".0")],
        [(SIGNATURE, right), (STAMP, "0" + stamp)], [(SIGNATURE, f"{right}, {right}"), (STAMP, stamp)], [(SIGNATURE.replace("-", "_"), right), (STAMP, stamp)],
    ):
        status, heads, answer = send(stack, "POST", path, [JSON, *headers], body)
        assert status == 401, (headers, status, answer)
        assert heads["Content-Type"].startswith("application/problem+json") and json.loads(answer)["status"] == 401
    assert send(stack, "POST", path, [JSON, (SIGNATURE, right), (STAMP, stamp)], body)[0] in (200, 204), "the unchanged request was not accepted: this test shows nothing"
    assert send(stack, "POST", path, [JSON, (SIGNATURE.lower(), right), (STAMP.upper(), stamp)], body)[0] in (200, 204), "the name of a header has no case"


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_changed_body_is_refused(stack, path):
    body = body_for(stack, path)
    right, stamp = signed(stack, body)
    for changed in (body + b" ", body[:-1], b" " + body, body.replace(b'"version": 1', b'"version": 2'), b"", body + b"\0"):
        assert changed != body
        assert send(stack, "POST", path, [JSON, (SIGNATURE, right), (STAMP, stamp)], changed)[0] == 401


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("seconds, status", [(-310, 401), (-10**6, 401), (310, 401), (10**9, 401), (-290, 200), (290, 200)])
def test_a_signature_lives_five_minutes(stack, path, seconds, status):
    body = body_for(stack, path)
    right, stamp = signed(stack, body, str(int(time.time()) + seconds))
    given = send(stack, "POST", path, [JSON, (SIGNATURE, right), (STAMP, stamp)], body)[0]
    assert given == 401 if status == 401 else given in (200, 204)


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", "9" * 20, "9" * 21, "0x5f5e100", " 1", "1 ", "٣", "99999999999999999999999999"])
def test_an_odd_timestamp_is_refused_however_it_is_signed(stack, stamp):
    body = json.dumps(ping(stack)).encode()
    right, _ = signed(stack, body, stamp)
    assert send(stack, "POST", ENDPOINTS[0], [JSON, (SIGNATURE, right), (STAMP, stamp.encode())], body)[0] in (400, 401)


def test_the_development_clock_does_not_move_signatures(stack):
    """contract.md 1: platform signatures run by real time."""
    stack.set_clock(86400)
    try:
        assert ask(stack, ping(stack)) == {"type": 1}
    finally:
        stack.set_clock(0)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_only_post(stack, path, method):
    status, heads, _ = send(stack, method, path)
    assert status == 405 and heads["Allow"] == "POST"


def test_a_forged_flood_does_not_hurt(stack):
    """Discord itself sends forged requests and removes an endpoint that does not answer them 401."""
    body, seen, lock = json.dumps(ping(stack)).encode(), {}, threading.Lock()

    def forge():
        for _ in range(20):
            status, _, _ = send(stack, "POST", ENDPOINTS[0], [JSON, (SIGNATURE, "00" * 64), (STAMP, str(int(time.time())))], body)
            with lock:
                seen[status] = seen.get(status, 0) + 1
    threads = [threading.Thread(target=forge) for _ in range(16)]
    [thread.start() for thread in threads]
    assert ask(stack, ping(stack)) == {"type": 1}
    [thread.join() for thread in threads]
    assert seen == {401: 320}


# ---- sizes and shapes ------------------------------------------------------------------------------------------------------------


def test_ping_is_answered_with_pong(stack):
    answer = stack.post_discord(ping(stack))
    assert answer.status_code == 200 and answer.json() == {"type": 1} and answer.headers["Content-Type"].startswith("application/json")
    assert ask(stack, {"type": 1}) == {"type": 1}


def test_a_mebibyte_is_taken_and_more_is_413(stack, new_id):
    interaction = command(stack, new_id(), "help")
    bare = len(json.dumps({**interaction, "x": []}).encode())
    piece = '"' + "x" * 996 + '"'
    interaction["x"] = ["x" * 996] * ((MIB - bare) // (len(piece) + 2))
    assert MIB - 2000 < len(json.dumps(interaction).encode()) <= MIB
    assert "Commands" in message(stack, interaction)["content"]
    for path in ENDPOINTS:
        answer = stack.post_discord(b"x" * (MIB + 1), path=path)
        assert answer.status_code == 413 and answer.headers["Content-Type"] == "application/problem+json" and answer.json()["status"] == 413


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("body", [
    b"", b"x", b"[]", b"{}", b"null", b'{"type":1', b'{"type":"x"}', b'{"type":1.5}', b'{"type":-1}', b'{"type":9223372036854775808}', b'{"type":2,"type":1}', b"\xff", b'{"type":2}',
    b'{"type":2,"data":null}', b'{"type":3,"data":[]}', b'{"type":1,"x":' + b"[" * 70 + b"]" * 70 + b"}", b'{"type":1,"x":' + b"[" * 20000 + b"}", b'{"type":1,"x":"\\u0000"}',
    b'{"type":1,"x":"\\ud800"}', b'{"type":1}\0'], ids=lambda body: repr(body[:20]))
def test_a_signed_body_of_no_known_shape_is_a_clear_refusal(stack, path, body):
    answer = stack.post_discord(body, path=path)
    assert answer.status_code == 400 and answer.headers["Content-Type"].startswith("application/problem+json") and answer.json()["detail"], answer.text


@pytest.mark.parametrize("value", [5, None, {}, [], {"type": 5}, {"type": "X"}, {"type": "APPLICATION_AUTHORIZED", "timestamp": "x", "data": {}},
                                   {"type": "APPLICATION_AUTHORIZED", "timestamp": "x", "data": {"user": {"id": "x"}}}], ids=str)
def test_a_signed_event_of_no_known_shape_is_a_clear_refusal(stack, value):
    answer = stack.post_discord({"version": 1, "type": 1, "event": value}, path="/discord/events")
    assert answer.status_code == 400 and answer.json()["detail"], answer.text


@pytest.mark.parametrize("piece", ["[],", "{},", '"",'])
def test_a_body_that_takes_more_memory_than_a_request_may_is_refused(stack, new_id, piece):
    body = json.dumps(command(stack, new_id(), "help"))[:-1] + ', "x": [' + piece * (900_000 // len(piece)) + "0]}"
    assert stack.post_discord(body.encode()).status_code in (400, 413)
    assert ask(stack, ping(stack)) == {"type": 1}


def test_another_applications_interaction_is_refused(stack, new_id):
    interaction = {**command(stack, new_id(), "lang", [option("lang", "ru")]), "application_id": "123456789012345678"}
    user = interaction["member"]["user"]["id"]
    answer = stack.post_discord(interaction)
    assert 400 <= answer.status_code < 500 and answer.headers["Content-Type"].startswith("application/problem+json")
    assert not known(stack, user)


@pytest.mark.parametrize("kind", [6, 7, 99, 2**31 - 1])
def test_an_interaction_of_a_kind_to_come_gets_a_sentence(stack, new_id, kind):
    data = message(stack, stack.discord_interaction(new_id(), kind, {"custom_id": "x", "name": "x"}))
    assert data["flags"] & EPHEMERAL


@pytest.mark.parametrize("kind, name", [(2, "Profile"), (3, "Report this"), (4, "launch"), (9, "x"), (2, "lang")])
def test_a_command_from_a_menu_that_we_do_not_have_gets_a_sentence(stack, new_id, kind, name):
    user = new_id()
    interaction = command(stack, user, name, kind=kind)
    interaction["data"]["target_id"] = "5"
    assert message(stack, interaction)["flags"] & EPHEMERAL
    assert not known(stack, user)


@pytest.mark.parametrize("name", ["nosuch", "x" * 32, "привет", "start", "/help", "help help", "<b>", "@everyone", "link_yes"])
def test_an_unknown_command_gets_a_sentence_for_its_person_alone(stack, new_id, name):
    data = message(stack, command(stack, new_id(), name))
    assert data["flags"] & EPHEMERAL and "/help" in data["content"] and "everyone" not in data["content"]


@pytest.mark.parametrize("where", [{"guild": True}, {"guild": False}, {"context": 2}, {"context": "0"}, {"context": None}, {"context": 7}], ids=str)
def test_a_command_works_wherever_it_is_typed(stack, new_id, where):
    interaction = command(stack, new_id(), "help", guild=where.get("guild", where.get("context") in (0, "0")))
    if "context" in where:
        interaction["context"] = where["context"]
    assert "Commands" in message(stack, interaction)["content"]


@pytest.mark.parametrize("name", ["getcode", "checklink", "unlink", "lang"])
@pytest.mark.parametrize("context", [0, 1, 2])
def test_private_matters_are_seen_by_their_person_alone(stack, new_id, name, context):
    interaction = command(stack, new_id(), name, guild=context == 0)
    interaction["context"] = context
    assert message(stack, interaction)["flags"] & EPHEMERAL
    assert message(stack, command(stack, new_id(), "code", [option("code", "ABCDEF")], guild=context == 0))["flags"] & EPHEMERAL


def test_option_types_may_be_words(stack, new_id):
    user = new_id()
    message(stack, command(stack, user, "lang", [option("lang", "ru", "3")]))
    assert stack.api("GET", f"/v1/users/discord/{user}").json()["language"] == "ru"


@pytest.mark.parametrize("options", [
    [option("lang", "de")], [option("lang", 5, 4)], [option("lang", True, 5)], [option("lang", 1.5, 10)], [option("lang", "")], [option("lang", None)], [option("lang", [])], [{"name": "lang", "type": 3}],
    [option("other", "ru")], [option("lang", "x" * 6000)], [option("lang", "ru", 1)], [option("lang", "ru", 99)], [{"type": 3, "value": "ru"}], [option("", "ru")], [option("x", "y")] * 25, [5], ["ru"]],
    ids=lambda options: str(options)[:40])
def test_options_of_any_shape_harm_nobody(stack, new_id, options):
    answer = stack.post_discord(command(stack, new_id(), "lang", options))
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["data"]["content"]


def test_a_code_is_read_as_people_type_it(people, stack, new_id):
    code = people.code_from_telegram(new_id())
    assert "Done!" in message(stack, command(stack, new_id(), "code", [option("code", f" {code[:3].lower()}-{code[3:]} ")]))["content"]


def test_autocomplete_is_answered_with_choices(stack, new_id):
    user = new_id()
    interaction = stack.discord_interaction(user, 4, {"id": "1", "name": "lang", "type": 1, "options": [{**option("lang", "r"), "focused": True}]})
    answer = ask(stack, interaction)
    assert answer["type"] == 8 and len(answer["data"]["choices"]) <= 25
    assert not known(stack, user)
    assert ask(stack, stack.discord_interaction(user, 4, {"id": "1", "name": "nosuch", "type": 1}))["type"] == 8


@pytest.mark.parametrize("custom_id", ["", "x", ":", "lang_set", "lang_set:", "lang_set:de", "link_yes:", "link_undo:1", "link_undo:-1", "link_undo:99999999999999999999", "unlink_yes:x", "x" * 100, "😀" * 100,
                                       "getcode", "/lang ru", "@everyone"])
def test_a_button_that_nobody_made_is_stale(stack, new_id, custom_id):
    user = new_id()
    for place in (True, False):
        interaction = stack.discord_interaction(user, 3, {"custom_id": custom_id, "component_type": 2}, guild=place)
        interaction["message"] = {"id": "1", "content": "", "flags": 0}
        answer = ask(stack, interaction)
        assert answer["type"] in (4, 6, 7) and "Done" not in str(answer) and "everyone" not in str(answer)
        assert answer["type"] == 6 or answer["data"]["allowed_mentions"] == {"parse": []}
    interaction = stack.discord_interaction(user, 3, {"custom_id": custom_id, "component_type": 2})  # no message in it
    assert ask(stack, interaction)["type"] in (4, 6, 7)


@pytest.mark.parametrize("kind, values", [(3, ["a", "b"]), (5, ["1"]), (8, []), (99, None)])
def test_a_choice_in_a_menu_that_nobody_made_is_stale(stack, new_id, kind, values):
    interaction = stack.discord_interaction(new_id(), 3, {"custom_id": "x", "component_type": kind, "values": values})
    interaction["message"] = {"id": "1", "content": ""}
    assert ask(stack, interaction)["type"] in (4, 6, 7)


MODALS = {
    "label": [{"type": 18, "id": 1, "component": {"type": 4, "id": 2, "custom_id": "text", "value": "hello"}}],
    "row": [{"type": 1, "id": 1, "components": [{"type": 4, "id": 2, "custom_id": "text", "value": "hello"}]}],
    "menus": [{"type": 18, "component": {"type": 3, "custom_id": "m", "values": ["a"]}}, {"type": 18, "component": {"type": 19, "custom_id": "f", "values": ["1"]}}, {"type": 10}],
    "no value": [{"type": 18, "component": {"type": 4, "custom_id": "text"}}], "empty": [], "a word": "x", "words": ["x", 5, None],
    "long": [{"type": 18, "component": {"type": 4, "custom_id": "text", "value": "😀" * 4000}}],
    "too many": [{"type": 18, "component": {"type": 4, "custom_id": f"c{i}", "value": "x"}} for i in range(30)],
}


@pytest.mark.parametrize("name", MODALS)
def test_a_form_that_nobody_opened_is_stale(stack, new_id, name):
    for custom_id in ("x", "ticket", "link_yes:1"):
        answer = stack.post_discord(stack.discord_interaction(new_id(), 5, {"custom_id": custom_id, "components": MODALS[name]}))
        assert answer.status_code in (200, 400) and (name not in ("label", "row", "menus", "empty", "no value", "long") or answer.status_code == 200)
        assert answer.status_code == 400 or answer.json()["type"] in (4, 6, 7)


def test_a_bots_or_nobodys_interaction_does_nothing(stack, new_id):
    user = new_id()
    interaction = command(stack, user, "lang", [option("lang", "ru")])
    interaction["member"]["user"]["bot"] = True
    assert stack.post_discord(interaction).status_code == 200
    assert not known(stack, user)
    for cut in (("member",), ("member", "user"), ("member", "user", "id"), ("id",), ("token",), ("data",), ("application_id",)):
        interaction = command(stack, user, "lang", [option("lang", "ru")])
        inside = interaction
        for name in cut[:-1]:
            inside = inside[name]
        del inside[cut[-1]]
        assert 400 <= stack.post_discord(interaction).status_code < 500, cut
    assert not known(stack, user)


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "x", "", "1.0", "01", " 5", 5])
def test_an_id_is_a_snowflake(stack, number):
    interaction = command(stack, 5, "help")
    interaction["member"]["user"]["id"] = number
    assert stack.post_discord(interaction).status_code == 400


# ---- repeats -----------------------------------------------------------------------------------------------------------------------


def test_a_repeat_has_no_second_effect_and_the_same_answer(people, stack, new_id):
    user = new_id()
    interaction = command(stack, user, "lang", [option("lang", "ru")])
    first = message(stack, interaction)
    people.discord(user, "lang", lang="en")
    assert message(stack, interaction) == first
    assert stack.api("GET", f"/v1/users/discord/{user}").json()["language"] == "en"
    interaction = command(stack, user, "getcode")
    assert the_code(message(stack, interaction)["content"]) == the_code(message(stack, interaction)["content"])


def test_one_person_has_four_interactions_in_work_and_reads_that_he_must_wait(people, stack, new_id):
    """decisions.md 3 and 4: a sentence within Discord's three seconds in any case. Here the person's own row is locked by somebody else."""
    user, answers = new_id(), []
    people.discord(user, "lang", lang="en")

    def press():
        began = time.monotonic()
        data = message(stack, command(stack, user, "lang", [option("lang", "ru")]))
        answers.append((data["content"], data["flags"], time.monotonic() - began))
    locker = stack.connect()
    locker.autocommit = False
    try:
        with locker.cursor() as cursor:
            cursor.execute("SELECT 1 FROM public.account a JOIN public.identity i ON i.account_id = a.id WHERE i.platform = 'discord' AND i.platform_id = %s FOR UPDATE OF a", (user,))
            threads = [threading.Thread(target=press) for _ in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        locker.rollback()
    finally:
        locker.close()
    assert len(answers) == 8 and all(flags & EPHEMERAL and seconds < 2.5 for _, flags, seconds in answers), answers
    assert sum("busy, try again" in words for words, _, _ in answers) >= 1
    assert all(re.search("busy, try again|Could not confirm|Не удалось подтвердить", words) for words, _, _ in answers), answers
    assert "по-русски" in people.discord(user, "lang", lang="ru")


# ---- what is shown ---------------------------------------------------------------------------------------------------------------


def shown(content):
    """What a reader sees of Discord's Markdown, by line: a backslash before punctuation goes, and raw[i] says whether symbol i stood without one."""
    text, raw, at = "", [], 0
    while at < len(content):
        escaped = content[at] == "\\" and at + 1 < len(content) and re.match(r"[!-/:-@\[-`{-~]", content[at + 1])
        at += 1 if escaped else 0
        text += content[at]
        raw.append(not escaped)
        at += 1
    return text, raw


def markup_in(content, words):
    """The places in `words`, as they stand in a message, where Discord would see more than the symbols."""
    text, raw = shown(content)
    start = text.find(words)
    assert start >= 0, f"{words!r} is not shown in {content!r}"
    live = "".join(symbol if is_raw else "\0" for symbol, is_raw in zip(text, raw))
    part = live[start:start + len(words)]
    found = [symbol for symbol in part if symbol in "*_~|`\\"]
    found += re.findall(r"<(?:@|#|:|a:|t:|/|id:|https?:)|\[[^\0\]]*\]\(|https?://|discord\.gg/", part)
    line_start = live.rfind("\n", 0, start) + 1
    if not live[line_start:start].strip():
        found += re.findall(r"^(?:#{1,3} |-# |>>? |[-*+] |\d+\. )", part)
    return found + (["@everyone"] if "@everyone" in part or "@here" in part else [])


def test_the_reader_of_markdown_sees_markup():
    """Of the test's own: it must be able to fail."""
    for words in ("*a*", "__a__", "[x](https://e.example)", "<@1>", "@everyone", "<t:0:R>", "https://e.example", "`a`", "> a", "# a", "a\\b"):
        assert markup_in("\n" + words, words if words != "a\\b" else "a\\b"), words
    assert markup_in(r"**\*a\*** \<@1> x", "*a*") == [] and markup_in(r"\<@1>", "<@1>") == [] and markup_in(r"\@everyone", "@everyone") == []


def with_name(interaction, name, username="tester"):
    person = interaction["member"]["user"] if "member" in interaction else interaction["user"]
    person.update(global_name=name, username=username)
    return interaction


@pytest.mark.parametrize("field", ["global_name", "option"])
def test_hostile_words_are_shown_as_they_are_written(stack, new_id, field):
    for words in HOSTILE:
        plain = words.replace("\u2028", " ").replace("\u2029", " ").replace("\u200b", "")
        if field == "global_name":
            data = message(stack, with_name(command(stack, new_id(), "profile"), words))
            assert markup_in(data["content"], plain) == [], (words, data["content"])
        else:
            for name, key in (("code", "code"), ("lang", "lang")):
                content = message(stack, command(stack, new_id(), name, [option(key, words)]))["content"]
                if words in shown(content)[0] and len(words) > 3:
                    assert markup_in(content, words) == [], (words, content)


def test_hostile_names_are_escaped_in_notices(people, stack, fakes, new_id):
    for words in ("*b* @everyone", "<@1> [x](https://e.example)", "`code` ||s||", "# head"):
        issuer, redeemer = new_id(), new_id()
        code = people.code_from_discord(issuer)
        update = stack.telegram_update(redeemer, f"/code {code}")
        update["message"]["from"]["first_name"] = words
        assert "Done!" in stack.post_telegram("main", update).json()["text"]
        told = wait_for(lambda: [c for c in fakes.calls(platform="discord", recipient=issuer) if "Not me" in str(c["body"])], what="the notice")[0]["body"]
        assert told["allowed_mentions"] == {"parse": []} and markup_in(told["content"], words) == []


@pytest.mark.parametrize("name", [RIGHT_TO_LEFT, ISOLATED, "a\u202b\u202d\u2066b"])
def test_a_name_cannot_turn_the_text_round(stack, new_id, name):
    content = message(stack, with_name(command(stack, new_id(), "profile"), name))["content"]
    for begins, end in (("\u202a\u202b\u202d\u202e", "\u202c"), ("\u2066\u2067\u2068", "\u2069")):
        assert sum(symbol in begins for symbol in content) == content.count(end), ascii(content)


@pytest.mark.parametrize("name", [None, "", "\u200b", "\u2800", " "])
def test_who_has_no_visible_name_is_shown_by_his_username(stack, new_id, name):
    assert "ann_lee" in shown(message(stack, with_name(command(stack, new_id(), "profile"), name, "ann_lee"))["content"])[0]


@pytest.mark.parametrize("locale, russian", [("ru", True), ("en-US", False), ("de", False), ("", False), (None, False), ("x" * 500, False), ("RU", True), ("<b>", False), (5, False)])
def test_any_locale_is_read(stack, new_id, locale, russian):
    interaction = command(stack, new_id(), "help")
    interaction["locale"] = locale
    assert ("Команды" in message(stack, interaction)["content"]) == russian


def test_a_group_of_people_reads_no_code(people, stack, new_id):
    data = message(stack, command(stack, new_id(), "getcode", guild=True))
    assert CODE.findall(data["content"]) and data["flags"] & EPHEMERAL


# ---- webhook events -----------------------------------------------------------------------------------------------------------------

TIMES = itertools.count()


def event(stack, kind, data, stamp=None):
    stamp = stamp or f"2026-10-18T14:42:{next(TIMES) % 60:02d}.{next(TIMES):06d}"
    return {"version": 1, "application_id": stack.env["DISCORD_APPLICATION_ID"], "type": 1, "event": {"type": kind, "timestamp": stamp, "data": data}}


def person(number):
    return {"id": str(number), "username": f"tester{number}", "discriminator": "0", "global_name": "Ann", "avatar": None}


def post_event(stack, value):
    answer = stack.post_discord(value, path="/discord/events")
    assert answer.status_code == 204 and answer.content == b"", (answer.status_code, answer.text)


def reach(db, number):
    with db.cursor() as cursor:
        cursor.execute("SELECT can_message FROM public.identity_reach r JOIN public.identity i ON i.id = r.identity_id"
                       " WHERE i.platform = 'discord' AND i.platform_id = %s", (number,))
        return [row[0] for row in cursor.fetchall()]


def test_the_ping_of_events_is_type_0(stack):
    post_event(stack, {"version": 1, "application_id": stack.env["DISCORD_APPLICATION_ID"], "type": 0})
    post_event(stack, {"type": 0})


def test_who_adds_and_removes_the_application_is_noted(stack, db, new_id):
    number = new_id()
    post_event(stack, event(stack, "APPLICATION_AUTHORIZED", {"integration_type": 1, "scopes": ["applications.commands"], "user": person(number)}))
    wait_for(lambda: reach(db, number) == [True], what="the permission")
    gone = event(stack, "APPLICATION_DEAUTHORIZED", {"user": person(number)})
    for _ in range(3):  # an event may come more than once
        post_event(stack, gone)
        wait_for(lambda: reach(db, number) == [False], what="its end")
    post_event(stack, event(stack, "APPLICATION_AUTHORIZED", {"scopes": [], "user": person(number), "guild": {"id": "5", "name": "x"}}))
    wait_for(lambda: reach(db, number) == [True], what="the permission again")


def test_who_removed_the_application_gets_no_notice(people, stack, db, fakes, new_id):
    gone, there = new_id(), new_id()
    codes = [people.code_from_discord(number) for number in (gone, there)]
    for number, code in zip((gone, there), codes):  # it also comes as a direct message
        wait_for(lambda: [c for c in fakes.calls(platform="discord", recipient=number) if code in str(c["body"])], what="the code")
    post_event(stack, event(stack, "APPLICATION_DEAUTHORIZED", {"user": person(gone)}))
    wait_for(lambda: reach(db, gone) == [False], what="the end of the permission")
    fakes.reset()
    for code in codes:
        assert "Done!" in people.telegram(new_id(), f"/code {code}")
    wait_for(lambda: fakes.calls(platform="discord", recipient=there), what="the notice to the other")
    assert fakes.calls(platform="discord", recipient=gone) == []


@pytest.mark.parametrize("kind, data", [
    ("ENTITLEMENT_CREATE", {"id": "1", "sku_id": "2", "application_id": "3", "user_id": "4", "type": 8, "deleted": False}), ("ENTITLEMENT_UPDATE", {"id": "1"}), ("ENTITLEMENT_DELETE", {"id": "1"}),
    ("QUEST_USER_ENROLLMENT", {}), ("LOBBY_MESSAGE_CREATE", {"id": "1", "content": "<b>"}), ("GAME_DIRECT_MESSAGE_CREATE", {"id": "1"}), ("SOMETHING_NEW", {"x": [1, 2]}), ("SOMETHING_NEW", None)])
def test_other_events_are_acknowledged(stack, kind, data):
    post_event(stack, event(stack, kind, data))


@pytest.mark.parametrize("stamp", ["2024-10-18T14:42:53.064834", "2024-10-18T14:42:53Z", "2024-10-18T14:42:53.064834+00:00", "later"])
def test_the_time_of_an_event_may_lack_its_zone(stack, db, new_id, stamp):
    number = new_id()
    post_event(stack, event(stack, "APPLICATION_AUTHORIZED", {"user": person(number)}, stamp))
    wait_for(lambda: reach(db, number) == [True], what="the permission")


def test_a_forged_event_changes_nothing(stack, db, new_id):
    number = new_id()
    value = event(stack, "APPLICATION_AUTHORIZED", {"user": person(number)})
    assert stack.post_discord(value, path="/discord/events", key=SigningKey.generate()).status_code == 401
    assert reach(db, number) == [] and not known(stack, number)
