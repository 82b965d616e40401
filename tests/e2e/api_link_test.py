"""POST /v1/link/code, /redeem and /confirm: linking for bots that are not ours, by the rules of /getcode and /code."""
import concurrent.futures
import hashlib
import re
import threading
import time
import uuid

import pytest
import redis

from api_test import assert_problem, key_of  # noqa: F401
from conftest import wait_for
from linking_test import CODE, LINK_COINS, LINK_XP, People, buttons, people, told_on_discord  # noqa: F401

DAY = 86400
UNKNOWN = "AAAAAA"


@pytest.fixture
def program(stack, db):
    """program(platform, scopes) -> a foreign bot: its key is bound to that platform; None: to none."""
    class Program:
        def __init__(self, platform, scopes=("link",), bot=None):
            text, self.name = uuid.uuid4().hex * 2, f"link-{uuid.uuid4().hex[:8]}"
            self.platform = platform
            self.headers = {"Authorization": "Bearer " + text}
            with db.cursor() as cursor:
                cursor.execute("INSERT INTO public.api_key (name, hash, scopes, platform, bot, in_flight, created_at) VALUES (%s, %s, %s, %s, %s, 64, now())",
                               (self.name, hashlib.sha256(text.encode()).digest(), list(scopes), platform, bot))

        def post(self, what, person, **more):
            body = {"platform": self.platform, "platform_id": str(person), **more}
            return stack.request("POST", "/v1/link/" + what, json=body, headers=self.headers)

        def code(self, person, **more):
            answer = self.post("code", person, **more)
            assert answer.status_code == 200, answer.text
            assert CODE.fullmatch(answer.json()["code"]) and 170 < answer.json()["expires_in"] <= 180
            return answer.json()["code"]

        def redeem(self, person, code, **more):
            return self.post("redeem", person, code=code, **more)

        def confirm(self, person, confirmation, accept, **more):
            return self.post("confirm", person, confirmation=confirmation, accept=accept, **more)
    return Program


@pytest.fixture
def telegram(program):
    return program("telegram")


@pytest.fixture
def discord(program):
    return program("discord")


def linked(answer):
    assert answer.status_code == 200 and answer.json()["status"] == "linked", answer.text
    return answer.json()["with"]


def same(people, one, other):  # noqa: F811
    return people.account("telegram", one)["id"] == people.account("discord", other)["id"]


# ---- what it does


def test_a_code_of_the_api_is_redeemed_in_a_chat(people, discord, new_id):  # noqa: F811
    issuer, redeemer = new_id(), new_id()
    assert "Done!" in people.telegram(redeemer, f"/code {discord.code(issuer)}")
    assert same(people, redeemer, issuer)


def test_a_code_of_a_chat_is_redeemed_by_the_api(people, telegram, new_id):  # noqa: F811
    issuer, redeemer = new_id(), new_id()
    other = linked(telegram.redeem(redeemer, people.code_from_discord(issuer)))
    assert (other["platform"], other["name"]) == ("discord", "Test") and re.match(r"\d{4}-\d\d-\d\dT", other["first_seen"])
    assert same(people, redeemer, issuer) and "✅ Discord" in people.telegram(redeemer, "/checklink")


def test_two_foreign_bots_link_their_people(people, telegram, discord, new_id):  # noqa: F811
    issuer, redeemer = new_id(), new_id()
    assert linked(discord.redeem(redeemer, telegram.code(issuer, name="Mira")))["name"] == "Mira"
    assert same(people, issuer, redeemer)


@pytest.mark.parametrize("typed", ["{lower}", " {first}-{second} ", "{first} {second}"])
def test_a_code_is_read_as_people_type_it(telegram, discord, new_id, typed):
    code = discord.code(new_id())
    linked(telegram.redeem(new_id(), typed.format(lower=code.lower(), first=code[:3], second=code[3:])))


def test_the_first_contact_makes_the_account_and_keeps_the_names_clean(people, telegram, discord, new_id):  # noqa: F811
    """As POST /v1/users does it, which tells what is kept."""
    issuer, redeemer = new_id(), new_id()
    code = discord.code(issuer, username="@mira", name="Mi\u202era\n" + "x" * 80)
    shown = people.account("discord", issuer)["identities"]["discord"]
    assert shown["username"] == "mira" and shown["name"].startswith("Mira") and len(shown["name"]) <= 64
    telegram.redeem(redeemer, code, name="Ann")
    telegram.redeem(redeemer, code, username="ann")
    assert people.account("telegram", redeemer)["identities"]["telegram"] == {"id": str(redeemer), "username": "ann", "name": "Ann"}


def test_the_issuer_is_told_by_one_of_our_bots_and_can_say_not_me(people, stack, fakes, telegram, new_id):  # noqa: F811
    issuer, redeemer = new_id(), new_id()
    code = people.code_from_discord(issuer)
    linked(telegram.redeem(redeemer, code, name="Somebody Else"))
    told = told_on_discord(fakes, issuer)[0]
    assert "Somebody Else" in str(told["body"]) and "Telegram" in str(told["body"])
    people.press_discord(issuer, buttons(told["body"])["Not me"])
    assert not same(people, redeemer, issuer)


@pytest.mark.parametrize("bot, reached", [("quiz", "quiz"), ("main", "main"), ("nobody-has-this", "quiz"), (None, "quiz"), ("*", "quiz")])
def test_who_issues_by_a_foreign_bot_is_told_by_a_bot_that_may(people, stack, db, program, new_id, bot, reached):  # noqa: F811
    """The key's own bot where it is one of ours and may write, else another; in the language that he has chosen. It says who spoke."""
    issuer, redeemer = new_id(), new_id()
    people.telegram(issuer, "/lang ru", bot="main")
    people.telegram(issuer, "/start", bot="quiz")
    code = program("telegram", bot=bot).code(issuer)
    there = program("discord")
    linked(there.redeem(redeemer, code, name="Ann"))
    with db.cursor() as cursor:
        cursor.execute("""SELECT bot, platform::text FROM public.outbox WHERE topic = 'link' AND recipient = %s""", (issuer,))
        assert cursor.fetchall() == [(reached, "telegram")]
        cursor.execute("SELECT actor FROM public.audit_log WHERE action = 'link' AND account_id = %s", (people.account("telegram", issuer)["id"],))
        assert cursor.fetchall() == [("api:" + there.name,)]


def test_the_issuers_message_is_in_the_language_of_his_choice(people, fakes, telegram, discord, new_id):  # noqa: F811
    issuer = new_id()
    people.telegram(issuer, "/lang ru")
    linked(discord.redeem(new_id(), telegram.code(issuer), name="Ann"))
    calls = wait_for(lambda: [c for c in fakes.calls(platform="telegram", recipient=issuer) if "Ann" in str(c["body"])], 10, "the message")
    assert "Это не я" in str(calls[0]["body"])


def test_who_can_be_reached_by_nobody_is_linked_all_the_same(people, db, telegram, discord, new_id):  # noqa: F811
    """Somebody whom none of our bots has ever met on Telegram: his own bot must tell him."""
    issuer, redeemer = new_id(), new_id()
    linked(discord.redeem(redeemer, telegram.code(issuer)))
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.outbox WHERE recipient = %s", (issuer,))
        assert cursor.fetchone()[0] == 0


# ---- refusals of a code


def test_the_code_again_says_already_used_whoever_asks(telegram, discord, new_id):
    redeemer, code = new_id(), discord.code(new_id())
    linked(telegram.redeem(redeemer, code))
    for person in (redeemer, new_id()):
        assert_problem(telegram.redeem(person, code), 409, "code-used", "code")


def test_after_180_seconds_the_code_is_unknown(stack, people, telegram, discord, new_id):  # noqa: F811
    code = discord.code(new_id())
    stack.set_clock(181)
    try:
        assert_problem(telegram.redeem(new_id(), code), 404, "code-unknown", "code")
    finally:
        stack.set_clock(0)


def test_a_new_code_makes_the_old_one_unknown(people, telegram, discord, new_id):  # noqa: F811
    """Whichever way the two were made."""
    issuer = new_id()
    first, second = people.code_from_discord(issuer), discord.code(issuer)
    assert_problem(telegram.redeem(new_id(), first), 404, "code-unknown")
    third = people.code_from_discord(issuer)
    assert_problem(telegram.redeem(new_id(), second), 404, "code-unknown")
    linked(telegram.redeem(new_id(), third))


def test_ones_own_code_is_refused_and_stays_alive(telegram, discord, new_id):
    issuer = new_id()
    code = telegram.code(issuer)
    assert_problem(telegram.redeem(issuer, code), 409, "code-own")
    linked(discord.redeem(new_id(), code))


def test_two_accounts_of_one_platform_never_merge_and_the_code_stays_alive(telegram, discord, new_id):
    code = telegram.code(new_id())
    assert_problem(telegram.redeem(new_id(), code), 409, "same-platform")
    linked(discord.redeem(new_id(), code))


def test_after_an_unlink_another_account_waits_for_a_day(stack, telegram, discord, new_id):
    issuer, redeemer = new_id(), new_id()
    linked(telegram.redeem(redeemer, discord.code(issuer)))
    stack.trivet("user", "unlink", f"telegram:{redeemer}")
    refused = telegram.redeem(redeemer, discord.code(new_id()))
    assert_problem(refused, 409, "recently-unlinked")
    assert DAY - 60 < int(re.search(r"\((\d+) s\)", refused.json()["detail"]).group(1)) <= DAY
    linked(telegram.redeem(redeemer, discord.code(issuer)))


def test_the_fourth_joining_of_histories_in_a_month_is_refused(stack, people, db, telegram, discord, new_id):  # noqa: F811
    """Three that were undone: the account is alone again, and has had its number."""
    person = new_id()
    people.telegram(person, "/start")
    people.earn("telegram", person, 10)
    for number in range(4):
        other = new_id()
        discord.code(other)
        people.earn("discord", other, 10)
        answer = telegram.redeem(person, discord.code(other))
        if number == 3:
            assert_problem(answer, 409, "too-many-merges")
            break
        linked(telegram.confirm(person, answer.json()["confirmation"], True))
        with db.cursor() as cursor:
            cursor.execute("SELECT max(id) FROM public.merge")
            stack.trivet("user", "unmerge", str(cursor.fetchone()[0]))
            # staff have parted them; who was parted may link again with others after a day, which is not what is looked at here
            cursor.execute("UPDATE public.identity SET detached_at = NULL, detached_from = NULL WHERE platform = 'telegram' AND platform_id = %s", (person,))


def test_the_sixth_wrong_code_must_wait_wherever_it_is_entered(people, stack, telegram, discord, new_id):  # noqa: F811
    person = new_id()
    own = telegram.code(person)
    assert_problem(telegram.redeem(person, own), 409, "code-own")  # refused, but no wrong guess
    for _ in range(4):
        assert_problem(telegram.redeem(person, UNKNOWN), 404, "code-unknown")
    assert "unknown or expired" in people.telegram(person, f"/code {UNKNOWN}")
    right = discord.code(new_id())
    refused = telegram.redeem(person, right)
    assert_problem(refused, 429, "too-many-attempts")
    seconds = int(refused.headers["Retry-After"])
    assert 500 < seconds <= 600 and "too many attempts" in people.telegram(person, f"/code {right}")
    linked(telegram.redeem(new_id(), right))  # another's attempts are his own
    stack.set_clock(seconds + 1)
    try:
        linked(telegram.redeem(person, discord.code(new_id())))
    finally:
        stack.set_clock(0)


def test_right_codes_and_refusals_of_another_reason_take_no_attempt(telegram, discord, new_id):
    person = new_id()
    own = telegram.code(person)
    for _ in range(7):
        assert_problem(telegram.redeem(person, own), 409, "code-own")


def test_a_flood_of_wrong_codes_holds_up_new_people_only(stack, people, telegram, discord, new_id):  # noqa: F811
    known = new_id()
    people.telegram(known, "/start")
    cache = redis.Redis.from_url(stack.env["REDIS_URL"])
    stack.set_clock(3601)
    try:
        now = int((time.time() + stack.clock()) * 10**6)
        cache.zadd("guess:all", {f"flood:{number}": now for number in range(1001)})
        code = discord.code(new_id())
        refused = telegram.redeem(new_id(), code)
        assert_problem(refused, 503, "try-later")
        assert refused.headers["Retry-After"] == "60"
        linked(telegram.redeem(known, code))
    finally:
        cache.delete("guess:all")
        stack.set_clock(0)


@pytest.fixture
def no_redis(stack, telegram, new_id):
    stack.command("stop", "redis")
    yield
    stack.command("start", "redis")
    wait_for(lambda: telegram.post("code", new_id()).status_code == 200, 10, "a code again")


def test_without_redis_linking_fails_closed(telegram, discord, new_id, no_redis):
    for answer in (discord.post("code", new_id()), telegram.redeem(new_id(), UNKNOWN)):
        assert_problem(answer, 503, "try-later")
        assert "nothing was linked" in answer.json()["detail"]
        assert int(answer.headers["Retry-After"]) >= 1


def test_an_account_with_every_platform_is_given_no_code(people, db, telegram, discord, new_id):  # noqa: F811
    issuer, redeemer = new_id(), new_id()
    linked(telegram.redeem(redeemer, discord.code(issuer)))
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO public.identity (account_id, platform, email, first_seen, last_seen, attached_at) VALUES (%s, 'website', %s, now(), now(), now())",
                       (people.account("telegram", redeemer)["id"], f"{redeemer}@example.com"))
    assert_problem(telegram.post("code", redeemer), 409, "nothing-to-link")


# ---- the question


@pytest.fixture
def asked(people, telegram, discord, new_id):  # noqa: F811
    """asked() -> two people with a history, and the question to the one on Telegram."""
    def make():
        issuer, redeemer = new_id(), new_id()
        discord.code(issuer, name="Mira")
        people.telegram(redeemer, "/start")
        people.earn("discord", issuer, 100, 7)
        people.earn("telegram", redeemer, 40, 5)
        answer = telegram.redeem(redeemer, discord.code(issuer))
        assert answer.status_code == 200, answer.text
        return issuer, redeemer, answer.json()
    return make


def test_two_histories_are_joined_only_after_a_yes(people, telegram, asked):  # noqa: F811
    issuer, redeemer, question = asked()
    assert question["status"] == "needs_confirmation" and 590 < question["expires_in"] <= 600
    assert (question["with"]["platform"], question["with"]["name"]) == ("discord", "Mira")
    assert (question["mine"], question["theirs"], question["result"]) == ({"xp": 40, "coins": 5}, {"xp": 100, "coins": 7}, {"xp": 140, "coins": 12})
    assert people.balance("telegram", redeemer) == (40, 5)
    assert linked(telegram.confirm(redeemer, question["confirmation"], True))["name"] == "Mira"
    assert people.balance("telegram", redeemer) == people.balance("discord", issuer) == (140 + LINK_XP, 12 + LINK_COINS)
    assert_problem(telegram.confirm(redeemer, question["confirmation"], True), 409, "confirmation-answered", "confirmation")


def test_a_no_changes_nothing_and_the_question_is_answered_once(people, telegram, asked):  # noqa: F811
    issuer, redeemer, question = asked()
    declined = telegram.confirm(redeemer, question["confirmation"], False)
    assert declined.status_code == 200 and declined.json() == {"status": "declined"}
    assert_problem(telegram.confirm(redeemer, question["confirmation"], True), 409, "confirmation-answered", "confirmation")
    assert people.balance("telegram", redeemer) == (40, 5) and people.balance("discord", issuer) == (100, 7)


def test_the_question_is_the_redeemers_alone_and_lives_ten_minutes(stack, people, telegram, discord, asked, new_id):  # noqa: F811
    issuer, redeemer, question = asked()
    for answer in (telegram.confirm(new_id(), question["confirmation"], True), discord.confirm(issuer, question["confirmation"], True),
                   telegram.confirm(redeemer, question["confirmation"][:-1], True)):
        assert_problem(answer, 404, "confirmation-unknown", "confirmation")
    stack.set_clock(601)
    try:
        assert_problem(telegram.confirm(redeemer, question["confirmation"], True), 409, "confirmation-expired", "confirmation")
    finally:
        stack.set_clock(0)
    assert people.balance("telegram", redeemer) == (40, 5)


def test_a_yes_is_to_the_people_that_were_shown(stack, people, telegram, asked):  # noqa: F811
    issuer, redeemer, question = asked()
    third = people.new_id()
    people.telegram(third, "/start")
    stack.trivet("user", "merge", f"discord:{issuer}", f"telegram:{third}")
    assert_problem(telegram.confirm(redeemer, question["confirmation"], True), 409, "confirmation-changed", "confirmation")


def test_a_question_of_a_chat_is_answered_by_the_api_and_the_reverse(people, stack, telegram, discord, asked, new_id):  # noqa: F811
    _, redeemer, question = asked()
    assert "Done!" in people.press_telegram(redeemer, "link_yes:" + question["confirmation"])["text"]
    issuer, redeemer = new_id(), new_id()
    people.telegram(redeemer, "/start")
    people.earn("telegram", redeemer, 1)
    shown = stack.command_telegram(redeemer, f"/code {discord.code(issuer)}")
    linked(telegram.confirm(redeemer, buttons(shown["reply_markup"])["Yes, join them"].removeprefix("link_yes:"), True))


def test_fifty_answers_at_once_are_one(people, telegram, asked):  # noqa: F811
    issuer, redeemer, question = asked()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: until_answered(lambda: telegram.confirm(redeemer, question["confirmation"], True)), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49
    assert people.balance("telegram", redeemer) == (140 + LINK_XP, 12 + LINK_COINS)


# ---- races


def until_answered(call):
    """429 and 503 say that it was not this request's turn."""
    while (answer := call()).status_code in (429, 503):
        time.sleep(0.05)
    return answer


def test_fifty_redeemers_of_one_code_have_one_winner(people, telegram, discord, new_id):  # noqa: F811
    issuer, redeemers = new_id(), [new_id() for _ in range(50)]
    code, barrier = discord.code(issuer), threading.Barrier(50)

    def redeem(person):
        barrier.wait()
        return until_answered(lambda: telegram.redeem(person, code))

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(redeem, redeemers))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49
    assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {"/problems/code-used"}
    winner = next(person for person, answer in zip(redeemers, answers) if answer.status_code == 200)
    assert same(people, winner, issuer)
    assert len({people.account("telegram", person)["id"] for person in redeemers}) == 50


def test_guesses_at_once_are_counted_each(telegram, new_id):
    person = new_id()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: telegram.redeem(person, UNKNOWN), range(20)))
    codes = [answer.status_code for answer in answers]
    assert codes.count(404) <= 5 and set(codes) <= {404, 429, 503}


# ---- who may


PATHS = ["code", "redeem", "confirm"]
REST = {"code": {}, "redeem": {"code": UNKNOWN}, "confirm": {"confirmation": "x" * 22, "accept": True}}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("bound, asked_for", [("telegram", "discord"), ("discord", "telegram"), ("website", "telegram")])
def test_a_key_links_people_of_its_own_platform_only(stack, program, new_id, path, bound, asked_for):
    person = new_id()
    refused = program(bound).post(path, person, **{**REST[path], "platform": asked_for})
    assert_problem(refused, 403, "other-platform", "platform")
    assert "--platform" in refused.json()["detail"]
    assert stack.api("GET", f"/v1/users/{asked_for}/{person}").status_code == 404


def test_the_development_key_links_people_of_every_platform(stack, new_id):
    code = stack.api("POST", "/v1/link/code", {"platform": "discord", "platform_id": str(new_id())}).json()["code"]
    linked(stack.api("POST", "/v1/link/redeem", {"platform": "telegram", "platform_id": str(new_id()), "code": code}))


def test_a_key_of_the_operators_making_links(stack, telegram, new_id):
    key = stack.trivet_json("apikey", "new", f"link-{uuid.uuid4().hex[:8]}", "--scope", "link", "--platform", "discord")["key"]
    answer = stack.api("POST", "/v1/link/code", {"platform": "discord", "platform_id": str(new_id())}, Authorization=f"Bearer {key}")
    linked(telegram.redeem(new_id(), answer.json()["code"]))


@pytest.mark.parametrize("path", PATHS)
def test_the_scope_is_asked_for(program, new_id, path):
    refused = program("telegram", scopes=("users", "events", "ledger")).post(path, new_id(), **REST[path])
    assert_problem(refused, 403, "no-scope")


# ---- bodies


@pytest.mark.parametrize("path, change, field", [
    *((path, change, field) for path in PATHS for change, field in [
        ({"platform": "website"}, "platform"), ({"platform": None}, "platform"), ({"platform": 5}, "platform"), ({"platform_id": "0"}, "platform_id"),
        ({"platform_id": 5}, "platform_id"), ({"platform_id": str(2**63)}, "platform_id"), ({"platform_id": None}, "platform_id"),
        ({"username": 5}, "username"), ({"name": []}, "name")]),
    ("redeem", {"code": None}, "code"), ("redeem", {"code": 5}, "code"), ("redeem", {"code": ""}, "code"),
    ("confirm", {"confirmation": None}, "confirmation"), ("confirm", {"confirmation": 5}, "confirmation"), ("confirm", {"confirmation": ""}, "confirmation"),
    ("confirm", {"accept": None}, "accept"), ("confirm", {"accept": "yes"}, "accept"), ("confirm", {"accept": 1}, "accept")])
def test_bad_bodies_are_refused_with_the_member(telegram, new_id, path, change, field):
    answer = telegram.post(path, new_id(), **{**REST[path], **change})
    assert_problem(answer, 400, None, field)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{", b'{"platform": "telegram", "platform": "telegram"}', b'{"platform": "telegram", "platform_id": "5", "code": "\\u0000"}'])
def test_what_is_no_object_is_refused(stack, telegram, path, body):
    answer = stack.request("POST", "/v1/link/" + path, data=body, headers={**telegram.headers, "Content-Type": "application/json"})
    assert_problem(answer, 400)


@pytest.mark.parametrize("typed", ["' OR 1=1 --", "<b>", "ключик", "x" * 10000, "\u2028", "AAAAA", "AAAAAAA", "😀" * 6], ids=lambda typed: ascii(typed)[:12])
def test_whatever_is_no_code_is_an_unknown_one(telegram, new_id, typed):
    person = new_id()
    assert_problem(telegram.redeem(person, typed), 404, "code-unknown", "code")
    assert_problem(telegram.confirm(person, typed, True), 404, "confirmation-unknown", "confirmation")


def test_the_answer_is_kept_by_nobody_on_its_way_and_the_code_stands_in_no_log(stack, discord, new_id):
    answer = discord.post("code", new_id())
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["code"] not in stack.log("trivet-api")
