"""POST /v1/users/{platform}/{id}/adjust and `trivet user adjust`: at once, once per key, and never below zero."""
import concurrent.futures
import json
import re
import time
import uuid

import pytest

from api_test import assert_problem, key_of, killed  # noqa: F401
from conftest import wait_for
from outside import send

LIMIT = 2**53


@pytest.fixture
def person(stack, new_id):
    """Somebody with an account: his id on Telegram."""
    number = new_id()
    stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(number)})
    return number


def new_key():
    return uuid.uuid4().hex


def adjust(stack, person, key=None, api_key=None, platform="telegram", reason="test", **change):
    headers = {"Idempotency-Key": new_key() if key is None else key}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    return stack.api("POST", f"/v1/users/{platform}/{person}/adjust", {"reason": reason, **change}, **headers)


def done(stack, person, **more):
    answer = adjust(stack, person, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def held(stack, person, platform="telegram"):
    body = stack.api("GET", f"/v1/users/{platform}/{person}").json()
    return body["xp"], body["coins"]


def rows(db, key):
    """Of the ledger, by the end of their key."""
    with db.cursor() as cursor:
        cursor.execute("SELECT kind, source, xp, coins, reason FROM public.ledger WHERE idempotency_key LIKE %s ORDER BY id", ("%:" + key,))
        return cursor.fetchall()


# ---- what it does


def test_it_gives_and_takes_at_once(stack, db, person):
    key = new_key()
    given = done(stack, person, key=key, xp=40, coins=30, reason="quiz 17, second place")
    assert (given["xp"], given["coins"], given["changed"]) == (40, 30, {"xp": 40, "coins": 30}) and held(stack, person) == (40, 30)
    assert rows(db, key) == [("adjust", "api:development", 40, 30, "quiz 17, second place")]
    taken = done(stack, person, xp=-40, coins=-29)
    assert (taken["xp"], taken["coins"]) == (0, 1) and held(stack, person) == (0, 1)
    assert done(stack, person, coins=5, xp=None)["coins"] == 6
    with db.cursor() as cursor:
        cursor.execute("""SELECT actor, before, after, reason FROM public.audit_log WHERE action = 'user.adjust' AND account_id = %s
                          ORDER BY id LIMIT 1""", (given["id"],))
        assert cursor.fetchone() == ("api:development", {"xp": 0, "coins": 0}, {"xp": 40, "coins": 30}, "quiz 17, second place")


def test_what_follows_is_in_the_answer_and_boards_of_a_period_stand_still(stack, db, person):
    """domain.md's example: one change of 52,250 XP ends at 53,750 XP and 56,000 coins."""
    answer = done(stack, person, xp=52250)
    assert (answer["xp"], answer["coins"]) == (53750, 56000) == held(stack, person)
    with db.cursor() as cursor:
        cursor.execute("SELECT season_xp, week_xp, rank_paid FROM public.account_balance WHERE account_id = %s", (answer["id"],))
        # of badges, which are earned; not of the order
        assert cursor.fetchone() == (1500, 1500, 20)
    assert stack.trivet("verify").stdout.endswith("0 differences\n")


def test_the_operator_does_the_same(stack, db, person):
    key = new_key()
    words = ("user", "adjust", f"telegram:{person}", "--xp", "50", "--coins=0", "--reason", "a prize", "--key", key, "--json")
    first = json.loads(stack.trivet(*words).stdout)
    assert (first["xp"], first["changed"], first["repeated"]) == (50, {"xp": 50, "coins": 0}, False)
    again = json.loads(stack.trivet(*words).stdout)
    assert again == {**first, "repeated": True} and held(stack, person) == (50, 0)
    assert rows(db, key) == [("adjust", "operator", 50, 0, "a prize")]
    assert "what differs: xp" in stack.trivet(*["51" if word == "50" else word for word in words[:-1]], check=False).stderr
    # without a key each call is an order of its own
    for total in (49, 48):
        shown = stack.trivet("user", "adjust", str(first["id"]), "--xp", "-1", "--reason", "slow").stdout
        assert re.search(rf"^xp: {total}$", shown, re.M)
    short = stack.trivet("user", "adjust", f"telegram:{person}", "--coins", "-1", "--reason", "x", check=False)
    assert short.returncode == 1 and "48 XP and 0 coins" in short.stderr
    assert "no living account" in stack.trivet("user", "adjust", "999999999", "--coins", "1", "--reason", "x", check=False).stderr
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.audit_log WHERE action = 'user.adjust' AND actor = 'operator' AND account_id = %s", (first["id"],))
        assert cursor.fetchone()[0] == 3


@pytest.mark.parametrize("words", [("--xp", "5"), ("--reason", "x"), ("--xp", "0", "--reason", "x"), ("--xp", "1.0", "--reason", "x"), ("--xp", "5", "--reason", ""),
                                   ("--xp", str(LIMIT + 1), "--reason", "x"), ("--coins", "5", "--reason", "a\nb"), ("--coins", "5", "--reason", "x", "--key", ""),
                                   ("--coins", "5", "--reason", "x", "--key", "ключ")])
def test_the_operator_is_told_what_is_wrong(stack, person, words):
    refused = stack.trivet("user", "adjust", f"telegram:{person}", *words, check=False)
    assert refused.returncode == 2 and "usage: trivet" in refused.stderr and held(stack, person) == (0, 0)


# ---- keys


def test_a_repeat_changes_nothing_and_is_answered_alike(stack, db, person):
    key = new_key()
    first = adjust(stack, person, key=key, coins=30)
    assert "Idempotent-Replayed" not in first.headers
    done(stack, person, coins=-30)
    # what it gave is spent, and time has passed: the answer is that of then
    for _ in range(2):
        again = adjust(stack, person, key=key, coins=30, xp=0)
        assert again.status_code == 200 and again.content == first.content and again.headers["Idempotent-Replayed"] == "true"
    assert held(stack, person) == (0, 0) and len(rows(db, key)) == 1


def test_a_repeat_of_what_used_everything_up_is_no_shortage(stack, person):
    done(stack, person, coins=30)
    key = new_key()
    first = adjust(stack, person, key=key, coins=-30)
    assert first.status_code == 200 and adjust(stack, person, key=key, coins=-30).content == first.content


@pytest.mark.parametrize("change, differs", [({"xp": 2}, "xp"), ({"coins": 1}, "coins"), ({"reason": "other"}, "reason"), ({"xp": -1, "reason": "x"}, "xp, reason")])
def test_a_key_with_another_content_is_refused(stack, person, change, differs):
    key = new_key()
    done(stack, person, key=key, xp=1)
    refused = adjust(stack, person, key=key, **{"xp": 1, **change})
    assert_problem(refused, 409, "key-reused", "Idempotency-Key")
    assert refused.json()["detail"].endswith("what differs: " + differs) and held(stack, person) == (1, 0)


def test_a_key_with_another_person_is_refused(stack, person, new_id):
    key, other = new_key(), new_id()
    done(stack, person, key=key, xp=1)
    # even one who is not known: the key is looked at first
    for _ in range(2):
        assert adjust(stack, other, key=key, xp=1).json()["detail"].endswith("what differs: platform_id")
        stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(other)})
    assert held(stack, other) == (0, 0)


def test_keys_of_one_program_are_not_another_programs(stack, key_of, person):  # noqa: F811
    key = new_key()
    (one, _), (other, _) = key_of("ledger"), key_of("ledger")
    assert done(stack, person, key=key, api_key=one, xp=1)["xp"] == 1
    # neither a repeat nor a reuse, and nothing told of the other's
    assert done(stack, person, key=key, api_key=other, xp=2)["xp"] == 3
    assert stack.trivet_json("user", "adjust", f"telegram:{person}", "--xp", "3", "--reason", "x", "--key", key)["xp"] == 6
    event = {"platform": "telegram", "platform_id": str(person), "type": "xp_change", "data": {"xp": 4, "reason": "x"}, "idempotency_key": key,
             "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    assert stack.api("POST", "/v1/events", {"events": [event]}).json()["accepted"] == 1
    wait_for(lambda: held(stack, person) == (10, 0), what="the event's XP")


@pytest.mark.parametrize("keys", [[], [""], ["a", "a"], ["a", "b"], ["x" * 201], ["ключ".encode().decode("latin-1")], ["a\tb"]], ids=repr)
def test_a_key_is_there_once_and_printable(stack, person, keys):
    heads = [("Authorization", "Bearer " + stack.env["API_KEY"]), ("Content-Type", "application/json"), *(("Idempotency-Key", key) for key in keys)]
    status, _, body = send(stack, "POST", f"/v1/users/telegram/{person}/adjust", heads, b'{"xp": 1, "reason": "x"}')
    assert status == 400 and held(stack, person) == (0, 0)
    assert json.loads(body)["field"] == "Idempotency-Key"


def test_the_longest_key_is_taken_and_nothing_of_it_is_cut(stack, person):
    assert done(stack, person, key="k" * 199 + "1", xp=1)["xp"] == 1
    assert done(stack, person, key="k" * 199 + "2", xp=1)["xp"] == 2


def test_of_thirty_at_once_under_one_key_one_is_carried_out(stack, db, person):
    key = new_key()
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: adjust(stack, person, key=key, coins=7), range(30)))
    told = [answer for answer in answers if answer.status_code == 200]
    # one that waited too long for the others is told to come again
    assert {answer.status_code for answer in answers} <= {200, 503} and len({answer.content for answer in told}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in told) <= 1
    assert held(stack, person) == (0, 7) and len(rows(db, key)) == 1


def test_thirty_at_once_with_keys_of_their_own_all_count(stack, person):
    done(stack, person, coins=100)

    def spend(number):
        key = new_key()
        return wait_for(lambda: (status := adjust(stack, person, key=key, coins=-10).status_code) != 503 and status, 15, "an answer")

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(spend, range(30)))
    assert sorted(answers) == [200] * 10 + [409] * 20 and held(stack, person) == (0, 0)


def test_a_repeat_stays_one_when_accounts_are_joined_and_parted(stack, new_id):
    """The key names whom the order named; whose account that is may change."""
    one, other = new_id(), new_id()
    for platform, number in (("telegram", one), ("discord", other)):
        stack.api("POST", "/v1/users", {"platform": platform, "platform_id": str(number)})
    key = new_key()
    first = adjust(stack, other, platform="discord", key=key, xp=5)
    words = ("user", "adjust", f"discord:{other}", "--xp", "2", "--reason", "x", "--key", key, "--json")
    ordered = json.loads(stack.trivet(*words).stdout)
    merge = re.search(r"unmerge (\d+)", stack.trivet("user", "merge", f"telegram:{one}", f"discord:{other}").stdout).group(1)
    assert adjust(stack, other, platform="discord", key=key, xp=5).content == first.content
    assert adjust(stack, one, key=key, xp=5).status_code == 409
    assert json.loads(stack.trivet(*words).stdout) == {**ordered, "repeated": True}
    total = done(stack, one, xp=1)["xp"]
    stack.trivet("user", "unmerge", merge)
    assert adjust(stack, other, platform="discord", key=key, xp=5).content == first.content
    assert held(stack, one)[0] + held(stack, other, "discord")[0] == total


def test_orders_survive_the_death_of_the_program(stack, person):
    """It is killed while orders come; each is sent until it is answered, and counts once."""
    def order(number):
        key = new_key()

        def answered():
            try:
                return adjust(stack, person, key=key, coins=1).status_code == 200
            except OSError:
                return False
        wait_for(answered, 30, "an answer")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(order, number) for number in range(120)]
        for _ in range(4):
            time.sleep(0.15)
            wait_for(lambda: killed(stack.pid("trivet-api")), 10, "a program to kill")
        [one.result() for one in sent]
    assert held(stack, person) == (0, 120)


# ---- refusals


def test_too_little_is_refused_whole(stack, person):
    done(stack, person, xp=10, coins=10)
    for change, field in (({"coins": -11}, "coins"), ({"xp": -11}, "xp"), ({"xp": 5, "coins": -11}, "coins"), ({"xp": -LIMIT}, "xp")):
        key = new_key()
        refused = adjust(stack, person, key=key, **change)
        assert_problem(refused, 409, "insufficient", field)
        assert "10 XP and 10 coins" in refused.json()["detail"] and held(stack, person) == (10, 10)
    # a refusal takes no key
    done(stack, person, coins=1)
    assert done(stack, person, key=key, coins=-11)["coins"] == 0


@pytest.mark.parametrize("body, status, kind, field", [
    ({}, 400, None, "reason"), ({"xp": 1}, 400, None, "reason"), ({"xp": 1, "reason": ""}, 400, None, "reason"), ({"xp": 1, "reason": 5}, 400, None, "reason"),
    ({"xp": 1, "reason": "x" * 256}, 400, None, "reason"), ({"xp": 1, "reason": "a\nb"}, 400, None, "reason"), ({"xp": "1", "reason": "x"}, 400, None, "xp"),
    ({"xp": 1.0, "reason": "x"}, 400, None, "xp"), ({"coins": True, "reason": "x"}, 400, None, "coins"), ({"coins": [], "reason": "x"}, 400, None, "coins"),
    ({"xp": 1, "coin": 1, "reason": "x"}, 400, None, None), ({"xp": 2**63, "reason": "x"}, 400, None, None),
    ({"reason": "x"}, 422, "out-of-range", None), ({"xp": 0, "coins": 0, "reason": "x"}, 422, "out-of-range", None), ({"xp": LIMIT + 1, "reason": "x"}, 422, "out-of-range", "xp"),
    ({"xp": -LIMIT - 1, "reason": "x"}, 422, "out-of-range", "xp"), ({"coins": 2**63 - 1, "reason": "x"}, 422, "out-of-range", None), ({"coins": -2**63, "reason": "x"}, 422, "out-of-range", None),
    ({"xp": -2**63, "reason": "x"}, 422, "out-of-range", "xp"),
    ({"xp": 1, "coins": LIMIT + 1, "reason": "x"}, 422, "out-of-range", "coins")])
def test_what_is_no_order_is_refused(stack, person, body, status, kind, field):
    answer = stack.api("POST", f"/v1/users/telegram/{person}/adjust", body, **{"Idempotency-Key": new_key()})
    assert_problem(answer, status, kind, field)
    assert held(stack, person) == (0, 0)


def test_a_sum_does_not_leave_its_range(stack, db, person):
    done(stack, person, coins=1)
    with db.cursor() as cursor:  # as 1,024 orders of the largest size would make it
        cursor.execute("""UPDATE public.account_balance SET coins = 9223372036854775807 - 5 WHERE account_id =
                          (SELECT account_id FROM public.identity WHERE platform = 'telegram' AND platform_id = %s)""", (person,))
    try:
        assert_problem(adjust(stack, person, coins=LIMIT), 422, "overflow")
    finally:
        with db.cursor() as cursor:
            cursor.execute("UPDATE public.account_balance SET coins = 1 WHERE coins > 9223372036854775000")


def test_nobody_is_made_by_it(stack, db, new_id):
    stranger = new_id()
    assert_problem(adjust(stack, stranger, xp=1), 404, "user-unknown")
    assert stack.api("GET", f"/v1/users/telegram/{stranger}").status_code == 404
    for path in (f"website/{stranger}", "telegram/0", "telegram/05", "telegram/x", "telegram/9223372036854775808"):
        assert_problem(stack.api("POST", f"/v1/users/{path}/adjust", {"xp": 1, "reason": "x"}, **{"Idempotency-Key": new_key()}), 400)


def test_it_wants_its_own_scope(stack, key_of, person):  # noqa: F811
    key, _ = key_of("users", "events")
    assert_problem(adjust(stack, person, api_key=key, xp=1), 403, "no-scope")
    assert held(stack, person) == (0, 0)
