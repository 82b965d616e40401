"""What keeps the tables bounded, and how an operator sees trouble: events that stand aside, the lag, folded days, what `trivet verify` notices."""
import contextlib
import datetime
import itertools
import json
import os
import re
import signal
import time
import uuid

import pytest
from conftest import wait_for

KEYS = itertools.count(1)
UPKEEP_TIME = 150  # a step that met somebody's lock is tried again a minute later (handlers/worker/schedule.c); twice is room enough
RUN = uuid.uuid4().hex[:8]


def event(person, kind, **data):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"platform": "telegram", "platform_id": str(person), "type": kind, "data": data, "idempotency_key": f"upkeep-{RUN}-{next(KEYS)}",
            "at": now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def post(stack, *events):
    answer = stack.api("POST", "/v1/events", {"events": list(events)})
    assert answer.status_code == 200 and answer.json()["accepted"] == len(events), answer.text
    return [event["idempotency_key"] for event in events]


def profile(stack, person):
    return stack.api("GET", f"/v1/users/telegram/{person}").json()


def doctor(stack):
    return {line["check"]: (line["verdict"], line["words"]) for line in stack.trivet_json("doctor", check=False)}


def metric(stack, name):
    return sum(float(value) for value in re.findall(rf"^{name}{{[^}}]*}} (\S+)$", stack.request("GET", "/metrics").text, re.M))


def shown_events(stack):
    return {row["key"]: row for row in stack.trivet_json("outbox", "list", "--events", "--limit", "10000")}


@contextlib.contextmanager
def lanes_held(stack):
    """Nothing is applied meanwhile: another holds all lanes."""
    connection = stack.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; SELECT lane FROM event_lane FOR UPDATE")
            yield
            cursor.execute("COMMIT")
    finally:
        connection.close()


@contextlib.contextmanager
def unguarded(cursor):
    """The ledger's owner can do what he wants: he takes the guard away, in one transaction."""
    cursor.execute("BEGIN; ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
    yield
    cursor.execute("ALTER TABLE ledger ENABLE TRIGGER ledger_append_only; COMMIT")


# ---- events that fail


def test_a_poisoned_event_stands_aside_is_shown_and_tried_again(stack, db, new_id):
    person = new_id()
    with lanes_held(stack):
        keys = post(stack, event(person, "xp_change", xp=10, reason=""), event(person, "coins_change", coins=10, reason=""),
                    event(person, "xp_change", xp=5, reason=""))
        with db.cursor() as cursor:
            cursor.execute("UPDATE event_queue SET data = '{\"coins\": \"many\", \"reason\": \"\"}' WHERE key = %s RETURNING id", (keys[1],))
            number = cursor.fetchone()[0]
    # Those before and after it are applied, in time; it does not come back by itself.
    wait_for(lambda: profile(stack, person)["xp"] == 15, 10, "the healthy events")
    row = wait_for(lambda: shown_events(stack).get(keys[1]), 20, "the event as set aside")
    assert (row["id"], row["state"], row["platform_id"]) == (number, "set aside", str(person)) and row["error"]
    assert profile(stack, person)["coins"] == 0
    wait_for(lambda: metric(stack, "trivet_event_set_aside") >= 1, 5, "the metric")
    verdict, words = doctor(stack)["events set aside"]
    assert verdict == "warning" and "trivet outbox retry --events" in words
    # Tried again without a remedy it comes back here; with one it is applied.
    stack.trivet("outbox", "retry", "--events", str(number))
    assert stack.trivet("outbox", "retry", "--events", str(number), check=False).returncode == 1  # it is in its lane
    wait_for(lambda: shown_events(stack).get(keys[1]), 20, "the event as set aside again")
    with db.cursor() as cursor:
        cursor.execute("UPDATE event_queue SET data = '{\"coins\": 10, \"reason\": \"\"}' WHERE id = %s", (number,))
        assert "back in their lanes" in stack.trivet("outbox", "retry", "--events", "--all").stdout
        wait_for(lambda: profile(stack, person)["coins"] == 10, 10, "the mended event")
        assert keys[1] not in shown_events(stack)
        cursor.execute("SELECT count(*) FROM audit_log WHERE action = 'event.retry' AND after->>'id' = %s", (str(number),))
        assert cursor.fetchone() == (1,)
    assert stack.trivet("outbox", "retry", "--events", "999999999999", check=False).returncode == 1
    assert stack.trivet_json("verify")["differences"] == 0


def test_a_rejected_event_is_shown_and_counted(stack, new_id):
    person = new_id()
    before = metric(stack, "trivet_event_rejected_total")
    key, _ = post(stack, event(person, "coins_change", coins=-5, reason=""), event(person, "xp_change", xp=1, reason=""))
    wait_for(lambda: profile(stack, person)["xp"] == 1, 10, "the one after it")
    row = shown_events(stack)[key]
    assert (row["state"], row["error"]) == ("rejected", "insufficient")
    wait_for(lambda: metric(stack, "trivet_event_rejected_total") >= before + 1, 5, "the metric")
    verdict, words = doctor(stack)["events rejected"]
    assert verdict == "warning" and "trivet outbox list --events" in words


def test_the_lag_is_measured_and_told(stack, db, new_id):
    assert doctor(stack)["events"][0] == "ok"
    with lanes_held(stack):
        key, = post(stack, event(new_id(), "xp_change", xp=1, reason=""))
        wait_for(lambda: metric(stack, "trivet_event_lag_ms") > 1000, 10, "the lag as a metric")
        assert doctor(stack)["events"][0] == "ok"  # a minute is not over
        with db.cursor() as cursor:
            cursor.execute("UPDATE event_queue SET accepted_at = accepted_at - interval '61 seconds' WHERE key = %s", (key,))
        verdict, words = doctor(stack)["events"]
        assert verdict == "wrong" and "trivet-worker" in words
    wait_for(lambda: metric(stack, "trivet_event_lag_ms") == 0, 10, "the lag's end")


def test_an_update_that_nobody_could_read_is_listed(stack, new_id):
    update = {"update_id": new_id(), "message": {"message_id": "odd"}}
    assert stack.post_telegram("main", update).status_code == 200
    row = stack.trivet_json("outbox", "list", "--updates", "--limit", "1")[0]
    assert (row["platform"], row["bot"]) == ("telegram", "main") and row["size"] > 0 and row["reason"]
    assert "head" not in row
    assert doctor(stack)["updates set aside"][0] == "warning"


@pytest.mark.parametrize("words", [("list", "--events", "--updates"), ("list", "--updates", "--status", "sent"), ("retry", "--events"),
                                   ("retry", "--events", "5", "--all"), ("retry", "--events", "x")])
def test_wrong_usage(stack, words):
    assert stack.trivet("outbox", *words, check=False).returncode == 2


# ---- partitions and deadlocks


def test_doctor_looks_after_partitions_and_deadlocks(stack, db):
    lines = doctor(stack)
    assert lines["partitions"][0] == lines["deadlock_timeout"][0] == "ok"
    with db.cursor() as cursor:
        cursor.execute("SELECT to_char(timezone('UTC', now()) + interval '2 days', 'YYYYMMDD')")
        name = "event_key_recent_" + cursor.fetchone()[0]
        cursor.execute(f"DROP TABLE {name}")
        verdict, words = doctor(stack)["partitions"]
        assert verdict == "wrong" and "trivet migrate" in words and "event_key_recent" in words
        assert stack.trivet_json("migrate")["partitions"] == 1
        assert doctor(stack)["partitions"][0] == "ok"
        cursor.execute("CREATE TABLE stray PARTITION OF event DEFAULT")
        verdict, words = doctor(stack)["partitions"]
        assert verdict == "warning" and "stray" in words
        cursor.execute("DROP TABLE stray")


# ---- the proof


def test_verify_sees_a_changed_row(stack, db, new_id):
    person = new_id()
    post(stack, event(person, "xp_change", xp=10, reason=""))
    wait_for(lambda: profile(stack, person)["xp"] == 10, 10, "the event")
    account = profile(stack, person)["id"]
    with db.cursor() as cursor:
        with pytest.raises(Exception, match="append-only"):
            cursor.execute("UPDATE ledger SET xp = 11 WHERE user_id = %s", (account,))
        with unguarded(cursor):
            cursor.execute("UPDATE ledger SET xp = 11 WHERE user_id = %s", (account,))
        try:
            done = stack.trivet("verify", "--json", check=False)
            assert done.returncode == 1 and [(row["account"], row["wrong"]) for row in json.loads(done.stdout)["list"]] == [(int(account), "balance")]
            assert stack.trivet("verify", "--quick", check=False).returncode == 1
            assert "differ from the ledger" in stack.trivet("verify", check=False).stderr
        finally:
            with unguarded(cursor):
                cursor.execute("UPDATE ledger SET xp = 10 WHERE user_id = %s", (account,))
    assert stack.trivet("verify", "--quick").returncode == 0


# ---- folding


def test_days_are_folded_after_35_days_whoever_is_killed(another_stack):
    stack = another_stack(WORKERS="2")
    stack.up()
    connection = stack.connect()
    with connection.cursor() as cursor:
        def one(sql):
            cursor.execute(sql)
            return cursor.fetchone()

        for person in range(1, 21):
            post(stack, *(event(person, "voice_time", seconds=600) for _ in range(4)), event(person, "xp_change", xp=3, reason="gift"))
        wait_for(lambda: one("SELECT count(*) FROM event_queue") == (0,), 20, "the events")
        # Of the season that ends on the way they get something, too; that is not of these kinds.
        earned = "SELECT json_agg((user_id, xp) ORDER BY user_id) FROM (SELECT user_id, sum(xp) AS xp FROM ledger WHERE kind IN ('voice_time', 'xp_change') GROUP BY 1) s"
        before = one(earned)
        rows, = one("SELECT count(*) FROM ledger WHERE kind = 'voice_time' AND user_id IN (SELECT account_id FROM identity WHERE platform_id <= 20)")
        assert rows == 80 and profile(stack, 7)["xp"] >= 11
        # While the worker folds it is killed, again and again.
        stack.set_clock(37 * 86400)
        for _ in range(4):
            for name in ("trivet-worker", "trivet-worker.2"):
                pid = stack.pid(name)
                if pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.7)
        folded = ("SELECT count(*), sum(sealed) FROM ledger WHERE kind = 'voice_time' AND user_id IN"
                  " (SELECT account_id FROM identity WHERE platform_id <= 20)")
        wait_for(lambda: one(folded) == (20, 80), UPKEEP_TIME, "the folded day")
        assert one("SELECT count(*) FROM ledger WHERE reason = 'gift' AND sealed = 1 AND user_id IN (SELECT account_id FROM identity WHERE platform_id <= 20)") == (20,)
        wait_for(lambda: one("SELECT count(*) FROM event WHERE type = 'voice_time'") == (0,), UPKEEP_TIME, "the archive without voice")
        assert one("SELECT count(*) FROM event WHERE type = 'xp_change' AND user_id IN (SELECT account_id FROM identity WHERE platform_id <= 20)") == (20,)
        answer = stack.trivet_json("verify")
        assert answer["differences"] == 0 and answer["days"] == [] and answer["sealed_days"] > 0
        assert stack.trivet("verify", "--quick").returncode == 0
        assert one(earned) == before
        # What is sealed is looked at, too.
        with unguarded(cursor):
            cursor.execute("UPDATE ledger SET reason = 'theft' WHERE reason = 'gift' AND user_id = (SELECT account_id FROM identity WHERE platform_id = 7)")
        done = stack.trivet("verify", "--json", check=False)
        assert done.returncode == 1 and len(json.loads(done.stdout)["days"]) == 1
        with unguarded(cursor):
            cursor.execute("UPDATE ledger SET reason = 'gift' WHERE reason = 'theft'")
        # The clock goes back, and life goes on.
        stack.set_clock(0)
        xp = profile(stack, 7)["xp"]
        post(stack, event(7, "xp_change", xp=3, reason="late"))
        wait_for(lambda: profile(stack, 7)["xp"] >= xp + 3, 20, "an event of today")
        assert stack.trivet_json("verify")["differences"] == 0
        assert stack.trivet("verify", "--quick").returncode == 0
    connection.close()
