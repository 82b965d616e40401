"""Many bots on one base: what other bots keep of people and report of them, through the service API."""
import concurrent.futures
import json
import uuid

import pytest

from api_test import assert_problem, at
from conftest import wait_for

DAY = 86400
BEGIN = {"If-None-Match": "*"}


@pytest.fixture
def bot(stack):
    """Calls with a key of one bot: bot.get(person), bot.put(person, body, headers)."""
    class Bot:
        def __init__(self, name, scope="sessions,trainings", bound=None):
            self.name = name
            words = ["--bot", bound or name] if bound != "" else []
            made = stack.trivet("apikey", "new", f"bots-{uuid.uuid4().hex[:8]}", "--scope", scope, *words, "--json")
            self.key = json.loads(made.stdout)["key"]

        def call(self, method, path, body=None, headers=None, data=None):
            about = {"Authorization": f"Bearer {self.key}", **(headers or {})}
            if data is not None:
                about["Content-Type"] = "application/json"
                return stack.request(method, path, data=data, headers=about)
            return stack.request(method, path, json=body, headers=about)

        def path(self, person, platform="telegram"):
            return f"/v1/sessions/{self.name}/{platform}/{person}"

        def get(self, person, headers=None, platform="telegram"):
            return self.call("GET", self.path(person, platform), headers=headers)

        def put(self, person, body, headers, platform="telegram"):
            return self.call("PUT", self.path(person, platform), body, headers)
    return Bot


@pytest.fixture
def quiz(bot):
    return bot("quiz")


@pytest.fixture
def known(stack, new_id):
    """known(platform) -> the id of somebody who has an account."""
    def make(platform="telegram"):
        person = new_id()
        assert stack.api("POST", "/v1/users", {"platform": platform, "platform_id": str(person)}).status_code == 201
        return person
    return make


# ---- one session


def test_a_session_is_begun_changed_and_read(quiz, known):
    person = known()
    assert_problem(quiz.get(person), 404, "session-unknown")
    made = quiz.put(person, {"session_data": {"question": 3, "score": 120}, "stats_data": {"quizzes": 5}}, BEGIN)
    assert made.status_code == 201
    body = made.json()
    assert {name: body[name] for name in ("bot", "session_data", "stats_data", "merged_data", "merged_earlier")} == \
        {"bot": "quiz", "session_data": {"question": 3, "score": 120}, "stats_data": {"quizzes": 5}, "merged_data": None, "merged_earlier": []}
    assert made.headers["ETag"] == f'"{body["version"]}"'
    read = quiz.get(person)
    assert (read.status_code, read.json(), read.headers["ETag"]) == (200, body, made.headers["ETag"])
    known_already = quiz.get(person, {"If-None-Match": f'"x", W/{read.headers["ETag"]}'})
    assert (known_already.status_code, known_already.content, known_already.headers["ETag"]) == (304, b"", read.headers["ETag"])
    assert quiz.get(person, {"If-None-Match": '"0"'}).status_code == 200
    # what is left out stays
    changed = quiz.put(person, {"session_data": {"question": 4}}, {"If-Match": made.headers["ETag"]})
    assert changed.status_code == 200 and changed.headers["ETag"] != made.headers["ETag"]
    assert (changed.json()["session_data"], changed.json()["stats_data"]) == ({"question": 4}, {"quizzes": 5})
    assert quiz.get(person, {"If-None-Match": made.headers["ETag"]}).status_code == 200
    head = quiz.call("HEAD", quiz.path(person))
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", changed.headers["ETag"])


def test_who_has_not_read_it_does_not_change_it(quiz, known):
    person = known()
    body = {"session_data": {"n": 1}}
    assert_problem(quiz.put(person, body, {}), 428, "precondition-required")
    assert_problem(quiz.put(person, body, {"If-Match": '"1"'}), 412, "session-changed")
    assert_problem(quiz.put(person, body, {"If-Match": "*"}), 412, "session-changed")
    first = quiz.put(person, body, BEGIN).headers["ETag"]
    assert_problem(quiz.put(person, {"session_data": {"n": 0}}, BEGIN), 412, "session-exists")
    second = quiz.put(person, {"session_data": {"n": 2}}, {"If-Match": first}).headers["ETag"]
    for stale in (first, f"W/{second}", '"0"', '"9223372036854775808"', '""', '"x"', '"+1"'):
        assert_problem(quiz.put(person, {"session_data": {"n": 0}}, {"If-Match": stale}), 412, "session-changed")
    assert_problem(quiz.put(person, {"session_data": {"n": 0}}, {"If-Match": second, **BEGIN}), 412)
    for wrong in (second.strip('"'), "", f"{second},", f"{second} {second}"):
        assert_problem(quiz.put(person, {"session_data": {"n": 0}}, {"If-Match": wrong}), 400, field="If-Match")
    assert_problem(quiz.put(person, {"session_data": {"n": 0}}, {"If-None-Match": '"1"'}), 400, field="If-None-Match")
    assert_problem(quiz.get(person, {"If-None-Match": "x"}), 400, field="If-None-Match")
    assert quiz.get(person).json()["session_data"] == {"n": 2}
    assert quiz.put(person, {"session_data": {"n": 3}}, {"If-Match": f'{first}, {second}'}).status_code == 200
    assert quiz.put(person, {"session_data": {"n": 4}}, {"If-Match": "*"}).status_code == 200


def test_of_many_changes_with_one_version_exactly_one_is_made(quiz, known):
    person = known()
    tag = quiz.put(person, {"session_data": {"by": None}}, BEGIN).headers["ETag"]
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: quiz.put(person, {"session_data": {"by": number}}, {"If-Match": tag}), range(8)))
        won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
        assert len(won) == 1 and {answer.status_code for answer in answers} == {200, 412}
        tag = answers[won[0]].headers["ETag"]
        assert quiz.get(person).json()["session_data"] == {"by": won[0]}


def test_a_text_comes_back_as_it_was_written(quiz, known):
    person = known()
    text = '{ "id":9007199254740993, "n" :[1.10,1e2,-0.0,0.1000000000000000055511151231257827, 9223372036854775807],\n "é":"\\u00e9\U0001f600"}'
    assert quiz.call("PUT", quiz.path(person), data=f' {{"session_data" : {text} }} '.encode(), headers=BEGIN).status_code == 201
    assert f'"session_data":{text},"stats_data":{{}}' in quiz.get(person).content.decode()


BAD_BODIES = ['[]', '', '{}', 'null', '{"session_data":null}', '{"session_data":{},"session_data":{}}', '{"session_data":[]}', '{"session_data":7}',
              '{"session_data":{"a":1,"a":2}}', '{"session_data":{"a":9223372036854775808}}', '{"session_data":{"a":1e999}}', '{"session_data":{"a":1e-100000}}',
              '{"session_data":{"a":"\\u0000"}}', '{"session_data":{}} x', '{"session_data":{},"stat_data":{}}', '{"session\\u005fdata":{}}',
              '{"stats_data":' + '{"a":' * 64 + '{}' + '}' * 64 + '}']


@pytest.mark.parametrize("text", BAD_BODIES)
def test_what_is_no_session_is_refused(quiz, known, text):
    person = known()
    assert_problem(quiz.call("PUT", quiz.path(person), data=text.encode(), headers=BEGIN), 400)
    assert_problem(quiz.get(person), 404, "session-unknown")


def test_a_session_has_a_size(quiz, known):
    person = known()
    def text(size): return '{"a":"' + "x" * (size - 8) + '"}'
    def send(first, second): return quiz.call("PUT", quiz.path(person), data=f'{{"session_data":{first},"stats_data":{second}}}'.encode(), headers=BEGIN)
    assert_problem(send(text(65537), "{}"), 413, field="session_data")
    assert_problem(send("{}", text(65537)), 413, field="stats_data")
    assert send(text(65536), text(65536) + " " * 1000).status_code == 413
    assert send(text(65536), text(65536)).status_code == 201
    assert len(quiz.get(person).content) > 131072
    assert quiz.call("PUT", quiz.path(person), data=b"{}", headers={**BEGIN, "Content-Type": "text/plain"}).status_code in (400, 415)
    assert_problem(quiz.call("POST", quiz.path(person), {}), 405)
    assert_problem(quiz.call("DELETE", quiz.path(person)), 405)


# ---- who may


def test_a_key_acts_for_its_bot_only(stack, bot, quiz, known):
    person = known()
    assert quiz.put(person, {"session_data": {"of": "quiz"}}, BEGIN).status_code == 201
    spin = bot("spin_bot")
    assert_problem(spin.get(person), 404, "session-unknown")
    assert spin.put(person, {"session_data": {"of": "spin"}}, BEGIN).status_code == 201
    assert quiz.get(person).json()["session_data"] == {"of": "quiz"}
    for path in (spin.path(person), f"/v1/sessions/Quiz/telegram/{person}", f"/v1/sessions/quiz2/telegram/{person}"):
        assert_problem(quiz.call("GET", path), 403, "other-bot", "bot")
        assert_problem(quiz.call("PUT", path, {"session_data": {}}, {"If-Match": "*"}), 403, "other-bot", "bot")
    # a key that is bound to none has no bot; one that is bound to '*' has all, as that of a development stack
    assert_problem(bot("quiz", bound="").get(person), 403, "other-bot", "bot")
    assert bot("quiz", bound="*").get(person).json() == stack.api("GET", quiz.path(person)).json() == quiz.get(person).json()
    assert stack.api("GET", spin.path(person)).json()["session_data"] == {"of": "spin"}
    assert_problem(bot("quiz", scope="users,events").get(person), 403, "no-scope")
    assert stack.request("GET", quiz.path(person)).status_code == 401


@pytest.mark.parametrize("name", ["a%20b", "*", "a%2Fb", "x" * 65, "%C3%A9", "a'b", "{bot}"])
def test_bots_have_plain_names(stack, known, name):
    assert stack.api("GET", f"/v1/sessions/{name}/telegram/{known()}").status_code == 404


def test_strangers_are_not_made_by_asking(stack, quiz, new_id):
    person = new_id()
    assert_problem(quiz.get(person), 404, "user-unknown")
    assert_problem(quiz.put(person, {"session_data": {}}, BEGIN), 404, "user-unknown")
    assert stack.api("GET", f"/v1/users/telegram/{person}").status_code == 404
    assert_problem(quiz.get("0"), 400, field="id")
    assert_problem(quiz.get(person, platform="website"), 400, field="platform")


@pytest.mark.parametrize("words", [("--bot", "a b"), ("--bot", ""), ("--bot", "**"), ("--bot", "x" * 65)])
def test_keys_are_bound_to_plain_names(stack, words):
    assert stack.trivet("apikey", "new", f"bots-{uuid.uuid4().hex[:8]}", *words, check=False).returncode == 2


# ---- accounts are joined


def test_after_joining_the_later_one_stays_and_the_other_is_shown_for_30_days(stack, quiz, known):
    telegram, discord = known("telegram"), known("discord")
    mine = quiz.put(telegram, {"session_data": {"n": 1}, "stats_data": {"all": 7}}, BEGIN)
    other = quiz.put(discord, {"session_data": {"n": 2}}, BEGIN, platform="discord")
    accounts = [str(stack.api("GET", f"/v1/users/{name}/{person}").json()["id"]) for name, person in (("telegram", telegram), ("discord", discord))]
    merge = stack.trivet_json("user", "merge", *accounts)
    got = quiz.get(telegram)
    assert got.json() == quiz.get(discord, platform="discord").json()
    assert got.json()["session_data"] == {"n": 2} and got.json()["merged_earlier"] == []
    assert {name: got.json()["merged_data"][name] for name in ("session_data", "stats_data", "updated_at")} == \
        {"session_data": {"n": 1}, "stats_data": {"all": 7}, "updated_at": mine.json()["updated_at"]}
    # both ETags are stale: what either knew is not all there is
    assert_problem(quiz.put(telegram, {"session_data": {}}, {"If-Match": mine.headers["ETag"]}), 412, "session-changed")
    assert_problem(quiz.put(discord, {"session_data": {}}, {"If-Match": other.headers["ETag"]}, platform="discord"), 412, "session-changed")
    merged = quiz.put(telegram, {"stats_data": {"all": 9}}, {"If-Match": got.headers["ETag"]})
    assert merged.status_code == 200 and merged.json()["merged_data"]["stats_data"] == {"all": 7}
    shown = stack.trivet_json("user", "show", accounts[0])["sessions"]
    assert [(row["bot"], row["aside_at"] is None) for row in shown] == [("quiz", True), ("quiz", False)]
    assert shown[0]["version"] == merged.json()["version"] and shown[0]["bytes"] > 0
    # undone: each side has its own again
    number = stack.trivet_json("user", "show", accounts[0])["history"][0]["merge"]
    assert merge and stack.trivet("user", "unmerge", str(number)).returncode == 0
    assert (quiz.get(telegram).json()["session_data"], quiz.get(telegram).json()["merged_data"]) == ({"n": 1}, None)
    assert (quiz.get(discord, platform="discord").json()["stats_data"]) == {"all": 9}


def test_what_was_set_aside_goes_after_30_days(another_stack):
    """In a stack of its own: its clock is set on."""
    stack = another_stack()
    stack.up()
    key = {"Authorization": "Bearer " + stack.env["API_KEY"]}
    for platform, number in (("telegram", 5), ("discord", 6)):
        stack.api("POST", "/v1/users", {"platform": platform, "platform_id": str(number)})
        body = {"session_data": {"of": platform}}
        assert stack.request("PUT", f"/v1/sessions/quiz/{platform}/{number}", json=body, headers={**key, **BEGIN}).status_code == 201
    stack.trivet("user", "merge", "telegram:5", "discord:6")
    get = lambda: stack.api("GET", "/v1/sessions/quiz/telegram/5")
    before = get()
    assert before.json()["merged_data"]["session_data"] == {"of": "telegram"}
    stack.set_clock(30 * DAY - 600)
    assert get().json() == before.json()
    stack.set_clock(30 * DAY + 3700)
    wait_for(lambda: get().json()["merged_data"] is None, 10, "the worker's cleaning")
    assert get().json()["session_data"] == {"of": "discord"} and get().headers["ETag"] != before.headers["ETag"]


# ---- trainings


def training(person, **more):
    return {"platform": "telegram", "platform_id": str(person), "kind": "spin", "score": 87.5, "details": {"clarity": 75}, "at": at(),
            "idempotency_key": f"training-{uuid.uuid4().hex}", **more}


def test_a_training_is_kept_once(stack, db, quiz, new_id):
    person = new_id()
    sent = training(person)
    first = quiz.call("POST", "/v1/trainings", sent)
    assert first.status_code == 201
    assert first.json() == {"id": first.json()["id"], "bot": "quiz", "idempotency_key": sent["idempotency_key"], "status": "accepted"}
    again = quiz.call("POST", "/v1/trainings", sent)
    assert (again.status_code, again.json()) == (200, {**first.json(), "status": "duplicate"})
    reused = quiz.call("POST", "/v1/trainings", {**sent, "score": 88, "kind": "other"})
    assert_problem(reused, 409, "key-reused", "idempotency_key")
    assert "kind, score" in reused.json()["detail"]
    account = stack.api("GET", f"/v1/users/telegram/{person}").json()  # his first contact
    assert account["xp"] == 0
    with db.cursor() as cursor:
        cursor.execute("SELECT user_id, bot_name, kind, score::text, details::text, source LIKE 'api:bots-%%' FROM public.training_history"
                       " WHERE platform_id = %s", (person,))
        assert cursor.fetchall() == [(account["id"], "quiz", "spin", "87.5", '{"clarity": 75}', True)]


def test_a_training_names_its_bot(stack, bot, quiz, known):
    person = known()
    assert quiz.call("POST", "/v1/trainings", training(person, bot="quiz")).json()["bot"] == "quiz"
    assert_problem(quiz.call("POST", "/v1/trainings", training(person, bot="spin_bot")), 403, "other-bot", "bot")
    free = bot("none", bound="")
    assert_problem(free.call("POST", "/v1/trainings", training(person)), 400, field="bot")
    assert free.call("POST", "/v1/trainings", training(person, bot="spin_bot")).json()["bot"] == "spin_bot"
    assert_problem(stack.api("POST", "/v1/trainings", training(person)), 400, field="bot")
    assert stack.api("POST", "/v1/trainings", training(person, bot_name="spin_bot")).json()["bot"] == "spin_bot"
    assert_problem(stack.api("POST", "/v1/trainings", training(person, bot="a b")), 404, "bot-unknown", "bot")
    assert_problem(bot("quiz", scope="sessions").call("POST", "/v1/trainings", training(person)), 403, "no-scope")


@pytest.mark.parametrize("change,status,field", [
    ({"kind": None}, 400, "kind"), ({"kind": ""}, 400, "kind"), ({"kind": "x" * 65}, 400, "kind"), ({"kind": "a\nb"}, 400, "kind"), ({"kind": 7}, 400, "kind"),
    ({"score": "7"}, 400, "score"), ({"score": 2**53 + 1}, 400, "score"), ({"score": 0.1234567}, 400, "score"), ({"score": 1e22}, 400, "score"),
    ({"score": True}, 400, "score"), ({"details": []}, 400, "details"), ({"details": "x"}, 400, "details"), ({"details": {"a": "x" * 16384}}, 413, "details"),
    ({"at": None}, 400, "at"), ({"at": "yesterday"}, 400, "at"), ({"at": at(3600)}, 400, "at"), ({"at": at(-30 * DAY - 60)}, 400, "at"),
    ({"idempotency_key": None}, 400, "idempotency_key"), ({"idempotency_key": ""}, 400, "idempotency_key"), ({"idempotency_key": "é"}, 400, "idempotency_key"),
    ({"idempotency_key": "x" * 201}, 400, "idempotency_key"), ({"platform": "website"}, 400, "platform"), ({"platform_id": 5}, 400, "platform_id"),
    ({"bot": 7}, 400, "bot"), ({"grade": 5}, 400, None), ({"details": {"a": "x" * 30000}}, 413, None)])
def test_bad_trainings_are_refused(quiz, db, new_id, change, status, field):
    person = new_id()
    assert_problem(quiz.call("POST", "/v1/trainings", training(person, **change)), status, field=field)
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.identity WHERE platform_id = %s", (person,))
        assert cursor.fetchone() == (0,)


def test_what_may_be_left_out(quiz, db, new_id):
    person = new_id()
    for change in ({"score": None, "details": None, "at": at(-30 * DAY + 600)}, {"score": -0.5}, {"score": 2**53}, {"kind": "é" * 64}):
        sent = {name: value for name, value in training(person, **change).items() if value is not None}
        assert quiz.call("POST", "/v1/trainings", sent).status_code == 201, change
    with db.cursor() as cursor:
        cursor.execute("SELECT score::text, details::text FROM public.training_history WHERE platform_id = %s ORDER BY id LIMIT 1", (person,))
        assert cursor.fetchall() == [(None, "{}")]
