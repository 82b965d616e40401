"""The service API as other programs see it: keys, people, events and what becomes of them."""
import concurrent.futures
import datetime
import hashlib
import itertools
import json
import os
import signal
import socket
import time
import uuid

import pytest

from conftest import wait_for

KEYS = itertools.count(1)
RUN = uuid.uuid4().hex[:8]


def at(seconds=0):
    """A time RFC 3339 has, `seconds` from now."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(person, kind="xp_change", data=None, key=None, when=None, platform="telegram"):
    shapes = {"xp_change": {"xp": 10, "reason": "test"}, "coins_change": {"coins": 10, "reason": "test"}, "message_sent": {"length": 20},
              "voice_time": {"seconds": 600}, "game_played": {"game": "go", "won": True}, "achievement_unlock": {"badge": "first_win"}}
    return {"platform": platform, "platform_id": str(person), "type": kind, "data": shapes[kind] if data is None else data,
            "idempotency_key": key or f"{RUN}-{next(KEYS)}", "at": when or at()}


def post(stack, *events):
    answer = stack.api("POST", "/v1/events", {"events": list(events)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def profile(stack, person, platform="telegram"):
    answer = stack.api("GET", f"/v1/users/{platform}/{person}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def applied(stack, person, condition, platform="telegram"):
    return wait_for(lambda: (lambda got: got if condition(got) else None)(profile(stack, person, platform)), what="the events' effect")


@pytest.fixture
def key_of(stack, db):
    """key_of(scopes, **columns) -> the text of a new key, and its name."""
    def make(*scopes, **columns):
        text, name = uuid.uuid4().hex * 2, f"test-{uuid.uuid4().hex[:8]}"
        with db.cursor() as cursor:
            cursor.execute("INSERT INTO public.api_key (name, hash, scopes, in_flight, trust, per_minute, created_at) VALUES (%s, %s, %s, %s, %s, %s, now())",
                           (name, hashlib.sha256(text.encode()).digest(), list(scopes), columns.get("in_flight", 64), columns.get("trust", "full"), columns.get("per_minute", 6000)))
        return text, name
    return make


def assert_problem(answer, status, kind=None, field=None):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["detail"]
    assert kind is None or body["type"].endswith("/" + kind), body
    assert field is None or body["field"] == field, body


# ---- keys


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic {key}"},
                                     {"Authorization": "{key}"}, {"Authorization": "Bearer {key}x"}, {"X-Api-Key": "{key}"}])
@pytest.mark.parametrize("path", ["/v1/users/telegram/1", "/v1/users", "/v1/events"])
def test_without_a_key_nothing_is_told(stack, headers, path):
    shown = {name: value.format(key=stack.env["API_KEY"]) for name, value in headers.items()}
    answer = stack.request("GET" if path.endswith("/1") else "POST", path, headers=shown, **({} if path.endswith("/1") else {"json": {}}))
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_doubled_authorization_is_refused(stack):
    host, port = stack.env["BASE_URL"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as link:
        bearer = f"Authorization: Bearer {stack.env['API_KEY']}\r\n"
        link.sendall(f"GET /v1/users/telegram/1 HTTP/1.1\r\nHost: {host}:{port}\r\n{bearer}{bearer}Connection: close\r\n\r\n".encode())
        # nginx 1.22 refuses some doubled headers itself; either way it is no access
        assert link.recv(100).split()[1] in (b"400", b"401")


def test_a_scope_is_asked_of_each_path(stack, key_of):
    users, _ = key_of("users")
    events, _ = key_of("events")
    none, _ = key_of()
    asked = {"users": lambda key: stack.request("GET", "/v1/users/telegram/1", headers={"Authorization": f"Bearer {key}"}),
             "events": lambda key: stack.request("POST", "/v1/events", json={}, headers={"Authorization": f"Bearer {key}"})}
    assert asked["users"](users).status_code in (200, 404)
    assert_problem(asked["events"](events), 400)
    for key, path in ((events, "users"), (users, "events"), (none, "users"), (none, "events")):
        assert_problem(asked[path](key), 403, "no-scope")


def test_a_revoked_key_is_refused_at_once(stack, db, key_of):
    key, name = key_of("users")
    ask = lambda: stack.request("GET", "/v1/users/telegram/1", headers={"Authorization": f"Bearer {key}"}).status_code
    assert ask() == 404
    with db.cursor() as cursor:
        cursor.execute("UPDATE public.api_key SET revoked_at = now() WHERE name = %s", (name,))
    assert ask() == 401


def test_a_key_has_its_own_number_of_requests_in_flight(stack, key_of, new_id):
    key, _ = key_of("events", in_flight=1)
    body = json.dumps({"events": [event(new_id()) for _ in range(1000)]})

    def ask(_):
        answer = stack.request("POST", "/v1/events", data=body, headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        return answer.status_code, answer.headers.get("Retry-After")

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = set(pool.map(ask, range(30)))
    assert (200, None) in answers and (429, "1") in answers and len(answers) == 2


# ---- people


def test_a_person_is_got_or_created(stack, new_id):
    person = new_id()
    assert_problem(stack.api("GET", f"/v1/users/telegram/{person}"), 404, "user-unknown")
    made = stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(person), "username": "@ann", "name": "Ann"})
    assert made.status_code == 201
    body = made.json()
    assert {name: body[name] for name in ("xp", "coins", "display_name", "language", "badges")} == \
        {"xp": 0, "coins": 0, "display_name": "Ann", "language": "en", "badges": []}
    assert body["rank"] == {"id": 1, "name": "F I", "xp": 0, "next_name": "F II", "next_xp": 500}
    assert body["identities"] == {"telegram": {"id": str(person), "username": "ann", "name": "Ann"}, "discord": None, "website": None}
    assert isinstance(body["id"], int)
    assert body["counters"].items() >= {"messages_sent": 0, "voice_seconds": 0, "games_played": 0, "games_won": 0, "achievements": 0}.items()
    assert abs(datetime.datetime.fromisoformat(body["created_at"].replace("Z", "+00:00")).timestamp() - time.time()) < 60
    again = stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(person)})
    assert again.status_code == 200 and again.json() == body == profile(stack, person)
    # the same number elsewhere is somebody else
    assert_problem(stack.api("GET", f"/v1/users/discord/{person}"), 404, "user-unknown")


@pytest.mark.parametrize("path", ["website/1", "website/a@example.org", "matrix/1", "Telegram/1", "telegram/0", "telegram/-1", "telegram/1.0", "telegram/abc",
                                  "telegram/9223372036854775808", "telegram/%201", "telegram/01"])
def test_bad_ids_are_refused(stack, path):
    assert_problem(stack.api("GET", f"/v1/users/{path}"), 400, field="platform" if path.split("/")[0] not in ("telegram", "discord") else "id")


@pytest.mark.parametrize("body,field", [({}, "platform"), ({"platform": "website", "platform_id": "1"}, "platform"), ({"platform": 1, "platform_id": "1"}, "platform"),
                                        ({"platform": "telegram"}, "platform_id"), ({"platform": "telegram", "platform_id": 1}, "platform_id"),
                                        ({"platform": "telegram", "platform_id": "0"}, "platform_id"), ([], None),
                                        ({"platform": "telegram", "platform_id": "1", "name": 7}, "name"),
                                        ({"platform": "telegram", "platform_id": "1", "username": []}, "username")])
def test_bad_people_are_not_made(stack, body, field):
    assert_problem(stack.api("POST", "/v1/users", body), 400, field=field)


def test_twenty_first_contacts_at_once_make_one_account(stack, db, new_id):
    person = new_id()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: stack.api("POST", "/v1/users", {"platform": "discord", "platform_id": str(person)}), range(20)))
    assert sorted({answer.status_code for answer in answers}) in ([200, 201], [200, 201, 503])
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers if answer.ok}) == 1


# ---- events


def test_events_take_effect(stack, db, new_id):
    person = new_id()
    events = [event(person, "xp_change", {"xp": 600, "reason": "a"}), event(person, "coins_change"), event(person, "message_sent"),
              event(person, "voice_time", {"seconds": 100, "muted_seconds": 30}), event(person, "game_played"),
              event(person, "game_played", {"game": "go", "won": False}), event(person, "xp_change", {"xp": -702, "reason": "too much"})]
    answer = post(stack, *events)
    assert answer == {"accepted": 7, "duplicates": 0, "rejected": 0,
                      "results": [{"idempotency_key": one["idempotency_key"], "status": "accepted"} for one in events]}
    got = applied(stack, person, lambda got: got["counters"]["games_played"] == 2)
    # 600, a message of 20 characters, the badge for a first win; 10, the rank, the badge, the first game and the first win
    assert got["xp"] == 600 + 1 + 100 and got["rank"]["name"] == "F II" and got["coins"] == 10 + 50 + 50 + 50 + 75
    assert got["counters"].items() >= {"messages_sent": 1, "voice_seconds": 70, "games_played": 2, "games_won": 1, "achievements": 1}.items()
    assert got["badges"] == ["first_win"]
    with db.cursor() as cursor:
        wait_for(lambda: cursor.execute("SELECT count(*) FROM public.cross_platform_events WHERE processed AND user_id = %s", (got["id"],))
                 or cursor.fetchone()[0] == 7, what="the archive")
        cursor.execute("SELECT idempotency_key, kind, source, xp, coins, reason FROM public.ledger WHERE user_id = %s ORDER BY id", (got["id"],))
        keys = [one["idempotency_key"] for one in events]
        assert cursor.fetchall() == [(keys[0], "xp_change", "api:development", 600, 0, "a"),
                                     (keys[0] + ":rank:2", "rank_up", "api:development", 0, 50, "F II"),
                                     (keys[1], "coins_change", "api:development", 0, 10, "test"),
                                     (keys[2], "message_sent", "api:development", 1, 0, None),
                                     (keys[4] + ":badge:first_win", "badge", "api:development", 100, 50, "first_win"),
                                     (keys[4] + ":mission:once_play_1", "mission_completed", "api:development", 0, 50, "once_play_1"),
                                     (keys[4] + ":mission:once_win_1", "mission_completed", "api:development", 0, 75, "once_win_1")]
        cursor.execute("SELECT sum(xp), sum(coins) FROM public.ledger WHERE user_id = %s", (got["id"],))
        assert cursor.fetchone() == (got["xp"], got["coins"])


def test_a_key_that_is_trusted_to_count_moves_counters_and_gives_nothing(stack, key_of, new_id):
    key, _ = key_of("events", trust="counters")
    person = new_id()
    events = [event(person, "message_sent", {"length": 500}), event(person, "voice_time", {"seconds": 6000}), event(person, "game_played")]
    answer = stack.request("POST", "/v1/events", data=json.dumps({"events": events}),
                           headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    assert answer.status_code == 200 and answer.json()["accepted"] == 3
    got = applied(stack, person, lambda got: got["counters"]["games_played"] == 1)
    assert got["counters"].items() >= {"messages_sent": 1, "voice_seconds": 6000, "games_won": 1}.items()
    assert (got["xp"], got["coins"]) == (0, 0)
    # what only our own programs add is refused from all others
    assert post(stack, event(person, "message_sent", {"length": 500, "give_xp": True}))["rejected"] == 1


def test_events_are_applied_within_a_second(stack, new_id):
    person = new_id()
    post(stack, event(person))
    start = time.monotonic()
    applied(stack, person, lambda got: got["xp"] == 10)
    assert time.monotonic() - start < 1


def test_a_repeat_counts_once(stack, new_id):
    person = new_id()
    events = [event(person), event(person, "message_sent")]
    assert post(stack, *events)["accepted"] == 2
    again = post(stack, *events)
    assert (again["accepted"], again["duplicates"]) == (0, 2)
    assert [one["status"] for one in again["results"]] == ["duplicate"] * 2
    applied(stack, person, lambda got: got["counters"]["messages_sent"] == 1)
    assert post(stack, *events)["duplicates"] == 2
    time.sleep(0.5)
    got = profile(stack, person)
    assert got["xp"] == 10 + 1 and got["counters"]["messages_sent"] == 1


@pytest.mark.parametrize("change,differs", [({"data": {"xp": 11, "reason": "test"}}, "data"), ({"platform_id": "77"}, "platform_id"),
                                            ({"platform": "discord"}, "platform"), ({"at": at(-3600)}, "at"),
                                            ({"type": "coins_change", "data": {"coins": 10, "reason": "test"}}, "type")])
def test_a_key_with_another_content_is_refused(stack, new_id, change, differs):
    first = event(new_id())
    second = {**first, **change}
    answer = post(stack, first, second)
    assert [one["status"] for one in answer["results"]] == ["accepted", "rejected"]
    for answer in (answer, post(stack, second)):
        error = answer["results"][-1]["error"]
        assert error["type"].endswith("/key-reused") and differs in error["detail"] and error["field"] == "idempotency_key"


def test_one_bad_event_spoils_no_other(stack, new_id):
    person = new_id()
    good = [event(person) for _ in range(3)]
    bad = [event(person, data={"xp": 0, "reason": ""}), event(person, when=at(120)), event(person, when=at(-31 * 86400)),
           event(person, "message_sent", when=at(-8 * 86400)), event(person, data={"xp": 1, "reason": "", "more": 1}), {}, 7, None,
           event(person, key="x" * 201), {**event(person), "platform_id": 5}, event(person, data={"xp": 2**70, "reason": ""}),
           event(person, data={"xp": 1, "reason": "\0"})]
    answer = post(stack, *bad[:6], *good, *bad[6:])
    assert (answer["accepted"], answer["rejected"], answer["duplicates"]) == (3, len(bad), 0)
    assert [one["status"] for one in answer["results"]] == ["rejected"] * 6 + ["accepted"] * 3 + ["rejected"] * (len(bad) - 6)
    assert answer["results"][0]["error"] == {"type": "/problems/event-invalid", "field": "data.xp",
                                             "detail": "a change of 0 changes nothing: leave the event out"}
    assert all(set(one["error"]) >= {"type", "detail"} for one in answer["results"] if one["status"] == "rejected")


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", "null", '{"events":[]}', '{"events":{}}', '{"events":[{}]} x', '{"events":[{},]}', '{"events":[1],"events":[2]}'])
def test_a_body_that_is_no_list_of_events(stack, body):
    answer = stack.request("POST", "/v1/events", data=body, headers={"Authorization": "Bearer " + stack.env["API_KEY"], "Content-Type": "application/json"})
    assert_problem(answer, 400)


def test_limits_of_a_request(stack, new_id):
    person = new_id()
    assert_problem(stack.api("POST", "/v1/events", {"events": [event(person) for _ in range(1001)]}), 400, field="events")
    big = json.dumps({"events": [event(person)], "padding": "x" * (2 * 1024 * 1024)})
    headers = {"Authorization": "Bearer " + stack.env["API_KEY"], "Content-Type": "application/json"}
    assert stack.request("POST", "/v1/events", data=big, headers=headers).status_code == 413
    assert stack.request("POST", "/v1/events", data="{}", headers={**headers, "Content-Type": "text/plain"}).status_code == 415
    assert stack.api("PUT", "/v1/events", {}).status_code == 405
    start = time.monotonic()
    assert post(stack, *[event(person) for _ in range(1000)])["accepted"] == 1000
    assert time.monotonic() - start < 1
    assert applied(stack, person, lambda got: got["xp"] == 10000 + 1000)  # and the badge for 10,000


def test_what_was_taken_is_never_told_to_be_too_large(stack, new_id):
    """A thousand events with the longest keys took so much memory that no answer fitted any more: 413, though they were accepted."""
    person = new_id()
    for reason in ("x" * 20, "x" * 120, "\u042f" * 120, "\u042f" * 255):
        events = [event(person, "xp_change", {"xp": 1, "reason": reason}, f"{RUN}-{next(KEYS)}-".ljust(200, "k")) for _ in range(1000)]
        answer = stack.api("POST", "/v1/events", {"events": events})
        # Too large is for what was not taken.
        assert (answer.status_code, stack.api("POST", "/v1/events", {"events": events[:1]}).json()["duplicates"]) in ((200, 1), (413, 0)), reason
        assert answer.status_code == 200 or len(reason) > 100


def test_events_of_many_senders_equal_their_sum(stack, new_id):
    people = [new_id() for _ in range(5)]

    def send(number):
        events = [event(people[i % 5], platform="discord") for i in range(20)]
        while True:  # 503 says: ask again; the keys see to it that nothing counts twice
            answer = stack.api("POST", "/v1/events", {"events": events})
            if answer.status_code == 200:
                return answer.json()["rejected"]
            assert answer.status_code in (429, 503)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(send, range(32))) == {0}
    for person in people:
        applied(stack, person, lambda got: got["xp"] == 32 * 4 * 10, platform="discord")


def killed(pid):
    """Whether there was such a process to kill: a pid file may be of one that was killed before."""
    try:
        return pid is not None and os.kill(pid, signal.SIGKILL) is None
    except ProcessLookupError:
        return False


def test_events_survive_the_death_of_worker_and_api(stack, new_id):
    """Both are killed while events come in; every event counts exactly once in the end."""
    person = new_id()
    for turn in range(6):
        events = [event(person) for _ in range(100)]
        victim = "trivet-worker" if turn % 2 else "trivet-api"
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(lambda: stack.api("POST", "/v1/events", {"events": events}))
            time.sleep(0.01 * turn)
            wait_for(lambda: killed(stack.pid(victim)), 10, "a program to kill")
            try:
                sending.result()
            except OSError:
                pass
        # its sender does not know what became of it, and repeats
        wait_for(lambda: stack.api("POST", "/v1/events", {"events": events}).status_code == 200, timeout=10)
    applied(stack, person, lambda got: got["xp"] == 6 * 1000)
    time.sleep(0.5)
    assert profile(stack, person)["xp"] == 6 * 1000
