"""What people and platforms are told while a store is away, and that all recovers by itself."""
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import wait_for
from linking_test import People, the_code


@pytest.fixture
def people(stack, new_id):
    return People(stack, new_id)


@pytest.fixture
def without_redis(stack):
    stack.command("stop", "redis")
    yield
    stack.command("start", "redis")


def postgres_processes(stack):
    with open(os.path.join(stack.run_dir, "pg", "postmaster.pid")) as file:
        first = int(file.readline())
    with open(f"/proc/{first}/task/{first}/children") as file:
        return [first, *map(int, file.read().split())]


def timed(call):
    started = time.monotonic()
    return call(), time.monotonic() - started


def recovers(stack, new_id, seconds=5):
    """/readyz is 200 again, and a command with an effect works on both platforms: each program has a breaker of its own."""
    wait_for(lambda: stack.request("GET", "/readyz").status_code == 200, seconds, "readiness")
    wait_for(lambda: stack.post_telegram("main", stack.telegram_update(new_id(), "/lang en")).status_code == 200, seconds, "an effect")
    wait_for(lambda: "English" in stack.command_discord(new_id(), "lang", lang="en")["data"]["content"], seconds, "an effect on Discord")


def test_without_redis_linking_says_try_again_later_and_all_else_works(people, stack, new_id, without_redis):
    user = new_id()
    assert "Try again later" in people.telegram(user, "/code ABCDEF")
    assert "try again later" in people.discord(new_id(), "getcode")
    assert stack.post_telegram("main", stack.telegram_update(new_id(), "/getcode")).status_code == 503
    assert "Rank" in people.telegram(user, "/profile") and "Rank" in people.discord(user, "profile")
    assert "English" in people.telegram(user, "/lang en")
    ready = stack.request("GET", "/readyz")
    assert ready.status_code == 200 and ready.json() == {"degraded": ["redis"]} or "redis" in ready.text


def test_a_getcode_that_redis_missed_is_published_by_the_next_try(people, stack, new_id):
    update = stack.telegram_update(new_id(), "/getcode")
    stack.command("stop", "redis")
    try:
        assert stack.post_telegram("main", update).status_code == 503
    finally:
        stack.command("start", "redis")
    answer = wait_for(lambda: (lambda a: a.status_code == 200 and a)(stack.post_telegram("main", update)), 5, "the answer")
    assert "Done!" in people.discord(new_id(), "code", code=the_code(answer.json()["text"]))


def test_a_restart_of_redis_loses_codes_and_revives_none(people, stack, new_id):
    used, live = people.code_from_discord(new_id()), people.code_from_discord(new_id())
    people.telegram(new_id(), f"/code {used}")
    stack.command("stop", "redis")
    stack.command("start", "redis")
    wait_for(lambda: "try again later" not in people.telegram(new_id(), "/code ABCDEF").lower(), 5, "Redis")
    assert "already used" in people.telegram(new_id(), f"/code {used}")
    assert "unknown or expired" in people.telegram(new_id(), f"/code {live}")


def check_answers_without_postgres(stack, new_id, telegram_seconds, discord_seconds):
    """Both platforms ask at once; then PING, a forged request and an unknown path, which need no store."""
    with ThreadPoolExecutor(2) as both:
        telegram = both.submit(timed, lambda: stack.post_telegram("main", stack.telegram_update(new_id(), "/lang en")))
        discord = both.submit(timed, lambda: stack.command_discord(new_id(), "lang", lang="en"))
    answer, seconds = telegram.result()
    assert answer.status_code == 503 and answer.headers["Retry-After"] and seconds < telegram_seconds
    answer, seconds = discord.result()
    assert answer["type"] == 4 and answer["data"]["flags"] & 64 and "Could not confirm" in answer["data"]["content"] and seconds < discord_seconds
    ping = stack.discord_interaction(1, 1, None)
    answer, seconds = timed(lambda: stack.post_discord(ping))
    assert answer.json() == {"type": 1} and seconds < 0.5
    assert stack.post_discord(ping, timestamp=1).status_code == 401
    assert stack.post_telegram("main", {}, headers={}).status_code == 401
    assert stack.request("GET", "/healthz").status_code == 200


def test_postgres_refusing_connections(people, stack, new_id):
    stack.command("stop", "postgres")
    try:
        check_answers_without_postgres(stack, new_id, 1.0, 2.5)
        assert wait_for(lambda: stack.request("GET", "/readyz").status_code == 503, 2, "unreadiness")
    finally:
        stack.command("start", "postgres")
    recovers(stack, new_id)


def test_a_hung_postgres_costs_the_deadline_once_and_then_nothing(people, stack, new_id):
    people.telegram(new_id(), "/lang en")
    stopped = postgres_processes(stack)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        check_answers_without_postgres(stack, new_id, 2.5, 2.5)
        for _ in range(3):  # until the breakers of both programs are open
            stack.post_telegram("main", stack.telegram_update(new_id(), "/lang en"))
        answer, seconds = timed(lambda: stack.post_telegram("main", stack.telegram_update(new_id(), "/lang en")))
        assert answer.status_code == 503 and seconds < 1.0
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    recovers(stack, new_id)


def test_backends_killed_in_mid_work_cost_no_answer_that_telegram_gets_again(people, stack, new_id, db):
    """An administrator ends every session while updates come in; each is acknowledged in the end, once."""
    code, users = people.code_from_discord(new_id()), [new_id() for _ in range(8)]
    updates = [stack.telegram_update(user, f"/code {code}") for user in users]
    with ThreadPoolExecutor(8) as many:
        texts = [many.submit(post_until_acknowledged, stack, update) for update in updates]
        for _ in range(5):
            with db.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'trivet-%'")
            time.sleep(0.02)
        texts = [text.result() for text in texts]
    assert sum("Done!" in text for text in texts) == 1
    assert all("already used" in text for text in texts if "Done!" not in text)


def post_until_acknowledged(stack, update):
    return wait_for(lambda: (lambda a: a.status_code == 200 and a.json()["text"])(stack.post_telegram("main", update)), 20, "an answer")
