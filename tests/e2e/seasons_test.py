"""The change of season in whole stacks: the clock is moved, workers close, are killed, are late; boards, people and the operator see it."""
import os
import random
import signal
import subprocess
import time
import uuid

from conftest import ROOT, Fakes, execute, wait_for

DAY = 86400
SEASON = 30 * DAY
PEOPLE = 1500


def earn(stack, people, xp, offset=0):
    """people: {person: XP}, or a list of whom each gets xp."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))
    events = [{"platform": "telegram", "platform_id": str(person), "type": "xp_change", "data": {"xp": xp(person), "reason": "test"},
               "idempotency_key": uuid.uuid4().hex, "at": stamp} for person in people]
    for first in range(0, len(events), 1000):
        answer = stack.api("POST", "/v1/events", {"events": events[first:first + 1000]})
        assert answer.status_code == 200 and answer.json()["rejected"] == 0, answer.text[:300]


def one(database, sql):
    return execute(database, sql)[0][0]


def settle(database):
    wait_for(lambda: one(database, "SELECT (SELECT count(*) FROM event_queue) + (SELECT count(*) FROM board_dirty)") == 0, 30, "the worker")


def season_board(stack):
    answer = stack.request("GET", "/v1/leaderboard", params={"board": "season", "limit": 100}, headers={"Authorization": "Bearer " + stack.env["API_KEY"]})
    assert answer.status_code == 200, answer.text
    return [(item["place"], item["display_name"], item["value"]) for item in answer.json()["items"]]


def test_a_season_ends_by_itself_and_the_next_one_begins(another_stack):
    stack = another_stack(WORKERS="2")
    stack.up()
    fakes, database = Fakes(stack), stack.connect()
    for person, name in ((1, "Ada"), (2, "Bo"), (3, "Cy")):
        stack.command_telegram(person, "/start")
        stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(person), "name": name})
    earn(stack, [1, 2, 3], lambda person: 100 * person)
    settle(database)
    assert [(place, value) for place, _, value in season_board(stack)] == [(1, 300), (2, 200), (3, 100)]
    nothing = stack.trivet_json("season", "close")["done"]
    assert nothing.startswith("no season is due: season 0 runs until ") and nothing.endswith("T00:00:00Z")
    assert one(database, "SELECT count(*) FROM season") == 0

    start = one(database, "SELECT extract(epoch FROM season_start)::bigint FROM economy_setting")
    stack.set_clock(start + SEASON + 600 - int(time.time()))
    wait_for(lambda: one(database, "SELECT count(*) FROM season WHERE closed_at IS NOT NULL") == 1, 15, "the close")
    assert execute(database, "SELECT user_id, xp, place FROM season_result JOIN identity ON account_id = user_id ORDER BY place") == \
        [(person_account(database, 3), 300, 1), (person_account(database, 2), 200, 2), (person_account(database, 1), 100, 3)]
    assert execute(database, "SELECT coins FROM ledger WHERE kind = 'season_reward' ORDER BY id") == [(1000,), (500,), (500,)]
    told = wait_for(lambda: (calls := [call for call in fakes.calls(method="sendMessage") if "season" in str(call["body"])]) and len(calls) == 3 and calls,
                    10, "the notices")
    assert sorted(call["body"]["chat_id"] for call in told) == [1, 2, 3]
    assert all("is over: you took place" in call["body"]["text"] and "New badge" in call["body"]["text"] for call in told)

    # the new season begins with what the prizes gave, on the board and in reports alike
    settle(database)
    after = {row[0]: row[1] for row in execute(database, "SELECT telegram_id, season_xp FROM unified_users")}
    assert after == {1: 1600, 2: 1600, 3: 5100}
    assert [value for _, _, value in season_board(stack)] == [5100, 1600, 1600]
    earn(stack, [1], lambda person: 9000, start + SEASON + 600 - time.time())
    settle(database)
    assert [(place, value) for place, _, value in season_board(stack)] == [(1, 11600), (2, 5100), (3, 1600)]
    text = stack.command_telegram(1, "/top season")["text"]
    assert "11600" in text.replace(" ", "").replace(",", "").replace(" ", "") and "300" not in [word.strip(".") for word in text.split()]
    listed = stack.trivet_json("season", "list")
    assert [(row["season"], row["participants"], row["placed"], row["winners"], row["winners_xp"]) for row in listed] == [(0, 3, 3, 1, 300)]
    assert stack.trivet("verify").stdout.endswith("0 differences\n")
    assert "season 0 is closed: 3 took part, 3 have a place" in stack.log("trivet-worker") + log_of(stack, "trivet-worker.2")


def log_of(stack, name):
    path = f"{stack.run_dir}/log/{name}.log"
    return open(path).read() if os.path.exists(path) else ""


def person_account(database, person):
    return one(database, f"SELECT account_id FROM identity WHERE platform_id = {person}")


def test_closers_that_are_killed_and_late_lose_nothing_and_pay_nothing_twice(another_stack):
    """No worker runs over two ends of seasons; then closers are killed again and again."""
    stack = another_stack()
    stack.up()
    database = stack.connect()
    earn(stack, range(1, PEOPLE + 1), lambda person: 1 + person % 700)
    settle(database)
    stack.command("stop", "trivet-worker")
    start = one(database, "SELECT extract(epoch FROM season_start)::bigint FROM economy_setting")
    stack.set_clock(start + 2 * SEASON + 3 * 3600 - int(time.time()))
    doctor = stack.trivet_json("doctor", check=False)
    line = next(line for line in doctor if line["check"] == "season")
    assert line["verdict"] == "wrong" and "season 0 is over since" in line["words"] and "trivet season close" in line["words"]

    program = [os.path.join(ROOT, "build", stack.settings["V"], "trivet"), "season", "close", "--json"]
    generator, killed = random.Random(11), 0
    for _ in range(12):
        closers = [subprocess.Popen(program, env={**os.environ, **stack.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
        time.sleep(generator.uniform(0.02, 0.15))
        for closer in closers:
            killed += closer.poll() is None
            closer.send_signal(signal.SIGKILL)
            closer.wait()
    last = stack.trivet_json("season", "close")
    print(f"{killed} closers killed; the last one said {last}")
    assert killed > 0
    assert execute(database, "SELECT no, participants, placed, closed_at IS NOT NULL FROM season ORDER BY no") == [(0, PEOPLE, PEOPLE, True), (1, 0, 0, True)]
    assert one(database, "SELECT count(*) FROM season_result r JOIN (SELECT user_id, rank() OVER (ORDER BY xp DESC) AS place FROM season_result) w"
                         " USING (user_id) WHERE r.place = w.place AND r.season_no = 0") == PEOPLE
    assert execute(database, "SELECT count(*), count(DISTINCT user_id), min(coins), max(coins) FROM ledger WHERE kind = 'season_reward'") == \
        execute(database, "SELECT count(*), count(*), 150::bigint, 1000::bigint FROM season_result WHERE place <= 50")
    assert one(database, "SELECT count(*) FROM badge_user_association a JOIN badges b ON b.id = a.badge_id WHERE b.code = 'season_participant'") == PEOPLE
    assert stack.trivet("verify").stdout.endswith("0 differences\n")
    line = next(line for line in stack.trivet_json("doctor", check=False) if line["check"] == "season")
    assert line["verdict"] == "ok" and line["words"].startswith("season 2 runs until ")
    stack.command("start", "trivet-worker")
