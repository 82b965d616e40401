"""What a key may send in a minute, and what it was used for."""
import concurrent.futures
import os
import signal
import time

import pytest

from api_test import assert_problem, key_of  # noqa: F401
from conftest import wait_for

PERIOD = 5  # seconds between two writings (service/apikey_uses.h)
PATIENCE = 2 * PERIOD + 5
DAY = 86400
PROFILE = "GET /v1/users/{platform}/{id}"


def ask(stack, key, path="/v1/users/telegram/1"):
    return stack.request("GET", path, headers={"Authorization": f"Bearer {key}"})


def listed(stack, name):
    return next(row for row in stack.trivet_json("apikey", "list") if row["name"] == name)


def used(stack, name):
    """{(day's place, route): (requests, refused)}, the latest day first."""
    rows = stack.trivet_json("apikey", "usage", name)
    days = sorted({row["day"] for row in rows}, reverse=True)
    return {(days.index(row["day"]), row["route"]): (row["requests"], row["refused"]) for row in rows}


def counted(stack, name, days_30):
    return wait_for(lambda: (row := listed(stack, name))["days_30"] == days_30 and row, PATIENCE, f"{days_30} counted requests")


# ---- rates


def test_a_key_has_its_rate_and_another_key_is_not_held_up(stack, key_of):  # noqa: F811
    key, name = key_of("users", per_minute=3)
    other, _ = key_of("users", per_minute=3)
    assert [ask(stack, key).status_code for _ in range(3)] == [404] * 3
    refused = ask(stack, key)
    assert_problem(refused, 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 20 and "3 requests a minute" in refused.json()["detail"]
    assert ask(stack, other).status_code == 404
    row = counted(stack, name, 4)
    assert (row["today"], row["refused_30"]) == (4, 1) and used(stack, name) == {(0, PROFILE): (4, 1)}


def test_a_rate_fills_again(stack, key_of):  # noqa: F811
    key, _ = key_of("users", per_minute=60)
    codes = [ask(stack, key).status_code for _ in range(70)]
    assert set(codes) == {404, 429}
    wait = int(next(answer.headers["Retry-After"] for _ in range(200) if (answer := ask(stack, key)).status_code == 429))
    assert wait == 1
    time.sleep(wait)
    assert ask(stack, key).status_code == 404


def test_a_rate_is_asked_before_the_scope(stack, key_of):  # noqa: F811
    key, _ = key_of(per_minute=1)
    assert_problem(ask(stack, key), 403, "no-scope")
    assert_problem(ask(stack, key), 429)
    assert_problem(ask(stack, key + "x"), 401)


def test_the_stacks_own_key_has_none_that_64_connections_reach(stack):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        codes = list(pool.map(lambda _: ask(stack, stack.env["API_KEY"]).status_code, range(1500)))
    assert set(codes) == {404}
    assert listed(stack, "development")["per_minute"] is None


def test_the_operator_sets_limits(stack):
    made = stack.trivet_json("apikey", "new", f"limited-{time.time_ns()}", "--scope", "users", "--per-minute", "2", "--in-flight", "7")
    assert (made["per_minute"], made["in_flight"]) == (2, 7)
    assert [ask(stack, made["key"]).status_code for _ in range(3)] == [404, 404, 429]
    stack.trivet("apikey", "limit", made["name"], "--per-minute", "none")
    assert [ask(stack, made["key"]).status_code for _ in range(5)] == [404] * 5
    assert (lambda row: (row["per_minute"], row["in_flight"]))(listed(stack, made["name"])) == (None, 7)
    stack.trivet("apikey", "limit", made["name"], "--in-flight", "8")
    assert (lambda row: (row["per_minute"], row["in_flight"]))(listed(stack, made["name"])) == (None, 8)
    stack.trivet("apikey", "revoke", made["name"])
    assert stack.trivet("apikey", "limit", made["name"], "--in-flight", "9", check=False).returncode == 1


@pytest.mark.parametrize("words", [("--per-minute", "0"), ("--per-minute", "x"), ("--per-minute", "60000001"), ("--in-flight", "0"), ("--in-flight", "1025"), ()])
def test_limits_out_of_range_are_wrong_usage(stack, words):
    assert stack.trivet("apikey", "limit", "development", *words, check=False).returncode == 2
    assert not words or stack.trivet("apikey", "new", "never-made", *words, check=False).returncode == 2


# ---- usage


def test_requests_are_counted_by_day_and_route(stack, key_of):  # noqa: F811
    key, name = key_of("users")
    assert (lambda row: (row["last_used_at"], row["today"], row["days_30"]))(listed(stack, name)) == (None, 0, 0)
    for _ in range(3):
        ask(stack, key)
    # every request with a good key counts, whatever it was told
    ask(stack, key, "/v1/leaderboard?limit=0")
    assert_problem(stack.request("POST", "/v1/events", json={}, headers={"Authorization": f"Bearer {key}"}), 403, "no-scope")
    ask(stack, "wrong")
    assert counted(stack, name, 5)["last_used_at"] is not None
    assert used(stack, name) == {(0, PROFILE): (3, 0), (0, "GET /v1/leaderboard"): (1, 0), (0, "POST /v1/events"): (1, 0)}


def test_days_end_and_are_forgotten_by_the_list(stack, key_of):  # noqa: F811
    key, name = key_of("users")
    ask(stack, key)
    counted(stack, name, 1)
    try:
        stack.set_clock(DAY)
        ask(stack, key)
        ask(stack, key)
        assert counted(stack, name, 3)["today"] == 2
        assert used(stack, name) == {(0, PROFILE): (2, 0), (1, PROFILE): (1, 0)}
        stack.set_clock(30 * DAY)
        row = listed(stack, name)
        assert (row["today"], row["days_30"]) == (0, 2)
    finally:
        stack.set_clock(0)


def test_a_stop_writes_what_was_counted(stack, key_of):  # noqa: F811
    key, name = key_of("users")
    for _ in range(7):
        ask(stack, key)
    pid = stack.pid("trivet-api")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: stack.pid("trivet-api") not in (None, pid), 10, "the next process")
    assert listed(stack, name)["days_30"] == 7


def test_what_cannot_be_written_now_is_written_later_and_no_request_waits(stack, db, key_of):  # noqa: F811
    key, name = key_of("users")
    db.autocommit = False
    with db.cursor() as cursor:
        cursor.execute("LOCK TABLE public.api_key_usage IN ACCESS EXCLUSIVE MODE")
        before = stack.log("trivet-api").count("event=key_usage")
        assert [ask(stack, key).status_code for _ in range(5)] == [404] * 5
        wait_for(lambda: stack.log("trivet-api").count("event=key_usage") > before, PATIENCE, "a failed writing")
        assert ask(stack, key).status_code == 404
        db.rollback()
    db.autocommit = True
    counted(stack, name, 6)
