"""Notices from what people do to what people read: in their language, in order, at the platforms' pace, once (domain.md, Notifications; worker_test.py has the rows)."""
import os
import re
import signal
import time

import pytest

from conftest import wait_for
from linking_test import People, buttons, the_code
from worker_test import Outbox, outbox, sent_to, texts  # noqa: F401  (a fixture)

CODE_LIFE = 180
ATTEMPTS = 8
CALLS = {"telegram": "sendMessage", "discord": "POST /channels/{}/messages"}


@pytest.fixture
def people(stack, new_id):
    return People(stack, new_id)


@pytest.fixture
def worker_away(stack):
    """What is done meanwhile is sent when the worker is back: back()."""
    stack.command("stop", "trivet-worker")
    done = []

    def back():
        if not done:
            done.append(True)
            stack.command("start", "trivet-worker")
    yield back
    back()


def redeem_as(stack, user, name, code):
    """On Discord, by a person of this name."""
    interaction = stack.discord_interaction(user, 2, {"id": "1", "name": "code", "type": 1, "options": [{"name": "code", "type": 3, "value": code}]})
    interaction["member"]["user"]["global_name"] = name
    answer = stack.post_discord(interaction)
    assert answer.status_code == 200 and "Done!" in answer.json()["data"]["content"], answer.text


def link(people, telegram, discord, name="Bob"):
    """The Telegram side issued the code, so it gets the notice."""
    redeem_as(people.stack, discord, name, people.code_from_telegram(telegram))


def notices(fakes, telegram):
    return texts(sent_to(fakes, telegram, platform="telegram"))


# ---- what is said ------------------------------------------------------------------------------------------------------------------


def test_a_notice_is_in_the_language_its_reader_has_when_it_is_sent(people, stack, fakes, new_id, worker_away):
    hinted, changed = new_id(), new_id()
    for person in (hinted, changed):
        people.telegram(person, "/start", language="ru")
        redeem_as(stack, new_id(), "Bob", the_code(people.telegram(person, "/getcode", language="ru")))
    people.telegram(changed, "/lang en", language="ru")
    worker_away()
    for person in (hinted, changed):
        wait_for(lambda: notices(fakes, person), 10, "the notice")
    russian, english = notices(fakes, hinted)[0], notices(fakes, changed)[0]
    assert "Discord" in russian and "Bob" in russian and re.search("[а-яё]", russian)
    assert "Discord" in english and "Bob" in english and not re.search("[а-яё]", english)


def test_what_happens_in_turn_is_told_in_turn(people, stack, fakes, new_id, worker_away):
    telegram, discord = new_id(), new_id()
    link(people, telegram, discord, "Test")
    people.press_discord(discord, buttons(stack.command_discord(discord, "unlink")["data"])["Unlink"])
    link(people, telegram, discord, "Test")
    worker_away()
    told = wait_for(lambda: (lambda words: len(words) >= 3 and words)(notices(fakes, telegram)), 10, "three notices")
    assert len(told) == 3 and ["Not me" in words for words in told] == [True, False, True] and "unlinked" in told[1], told


def test_a_dropped_code_is_sent_to_nobody_and_wiped(people, stack, db, fakes, new_id):
    """The direct message with the code fails until the code has ended: its text goes, and no one gets a dead code."""
    person = new_id()
    fakes.rule("discord", {"status": 500}, recipient=person)
    code = people.code_from_discord(person)
    query = Outbox(db).query
    wait_for(lambda: fakes.calls(platform="discord", recipient=person), what="the first try")
    assert query("SELECT sealed IS NOT NULL FROM outbox WHERE recipient = %s", person) == [(True,)]
    stack.set_clock(CODE_LIFE + 1)
    try:
        wait_for(lambda: query("SELECT status::text, body, sealed FROM outbox WHERE recipient = %s", person) == [("permanent", None, None)], 20, "the end of the row")
        calls = len(fakes.calls(recipient=person))
    finally:
        stack.set_clock(0)
    assert len(fakes.calls(recipient=person)) == calls and not [c for c in fakes.calls(recipient=person) if code in str(c["body"]) and c["answer_status"] == 200]


# ---- when a platform says no ----------------------------------------------------------------------------------------------------------


def test_a_person_who_must_wait_waits_alone_and_in_order(outbox, fakes, new_id):
    slow, others = new_id(), [new_id() for _ in range(10)]
    fakes.rule("telegram", {"status": 429, "retry_after": 3}, recipient=slow, times=1)
    rows = [outbox.add(slow, f"m{number}") for number in range(3)]
    wait_for(lambda: sent_to(fakes, slow), what="the refusal")
    began = time.time()
    for number in [outbox.add(person) for person in others]:
        outbox.wait_status(number, "sent", 2)
    assert time.time() - began < 2
    outbox.wait_status(rows[-1], "sent", 8)
    calls = sent_to(fakes, slow)
    assert texts(calls) == ["m0", "m0", "m1", "m2"] and calls[1]["at"] - calls[0]["at"] >= 2.9
    assert [outbox.row(number)["attempts"] for number in rows] == [0, 0, 0]


def open_channels(outbox, new_id, count):
    """People on Discord who have been written to."""
    found = [new_id() for _ in range(count)]
    for person in found:
        outbox.account("discord", person, bot="discord")
    for number in [outbox.add(person, "hello", "discord", "discord") for person in found]:
        outbox.wait_status(number, "sent", 10)
    return found


def test_a_global_429_stops_that_bot_and_no_other(outbox, fakes, new_id):
    first, second = open_channels(outbox, new_id, 2)
    fakes.reset()
    fakes.rule("discord", {"status": 429, "retry_after": 2, "global": True}, method=CALLS["discord"], times=1)
    rows = [outbox.add(first, "one", "discord", "discord")]
    refused = wait_for(lambda: sent_to(fakes, first), what="the refusal")[0]
    rows.append(outbox.add(second, "two", "discord", "discord"))
    other = new_id()
    outbox.wait_status(outbox.add(other), "sent", 1.5)
    assert sent_to(fakes, other)[0]["at"] - refused["at"] < 1.5, "Telegram does not wait for Discord"
    for number in rows:
        outbox.wait_status(number, "sent", 8)
    for person in (first, second):
        assert sent_to(fakes, person)[-1]["at"] - refused["at"] >= 1.9
    assert len(sent_to(fakes, first)) == 2 and len(sent_to(fakes, second)) == 1


def test_a_429_without_a_body_is_waited_for(outbox, fakes, new_id):
    person, = open_channels(outbox, new_id, 1)
    fakes.reset()
    fakes.rule("discord", {"status": 429, "retry_after": 2, "plain": True}, method=CALLS["discord"], times=1)
    number = outbox.add(person, "one", "discord", "discord")
    outbox.wait_status(number, "sent", 8)
    first, second = sent_to(fakes, person)
    assert second["at"] - first["at"] >= 1.9 and outbox.row(number)["attempts"] == 0


def test_refusals_of_a_message_are_counted_and_the_eighth_is_the_last(outbox, fakes, new_id):
    person = new_id()
    fakes.rule("telegram", {"status": 500}, recipient=person)
    number = outbox.add(person)
    wait_for(lambda: outbox.row(number)["attempts"] == 2, 10, "two attempts")
    first, second = sent_to(fakes, person)[:2]
    assert 0.5 <= second["at"] - first["at"] <= 3, "the waiting begins with about a second"
    outbox.query("UPDATE outbox SET attempts = %s, due_at = now() WHERE id = %s AND status = 'pending'", ATTEMPTS - 1, number)  # the rest would take minutes
    outbox.wait_status(number, "failed", 15)
    assert outbox.row(number)["attempts"] == ATTEMPTS
    calls = len(sent_to(fakes, person))
    after = new_id()
    outbox.wait_status(outbox.add(after), "sent")
    assert len(sent_to(fakes, person)) == calls


@pytest.mark.parametrize("description", ["Forbidden: bot was blocked by the user", "Forbidden: user is deactivated", "Forbidden: bot can't initiate conversation with a user"])
def test_who_cannot_be_reached_is_written_to_elsewhere_from_then_on(people, stack, db, fakes, new_id, description):
    telegram, discord = new_id(), new_id()
    people.telegram(telegram, "/start")
    fakes.rule("telegram", {"status": 403, "description": description}, recipient=telegram)
    link(people, telegram, discord)
    query = Outbox(db).query
    wait_for(lambda: query("SELECT status::text FROM outbox WHERE recipient = %s", telegram) == [("permanent",)], what="the end of the row")
    reach = "SELECT can_message FROM identity_reach r JOIN identity i ON i.id = r.identity_id WHERE i.platform = 'telegram' AND i.platform_id = %s"
    assert query(reach, telegram) == [(False,)] and len(sent_to(fakes, telegram)) == 1
    people.press_telegram(telegram, buttons(stack.command_telegram(telegram, "/unlink")["reply_markup"])["Unlink"])
    wait_for(lambda: "unlinked" in str(texts(sent_to(fakes, discord, platform="discord"))), what="the notice on the other platform")
    assert len(sent_to(fakes, telegram)) == 1


def test_a_platform_that_is_away_costs_no_attempt(another_stack):
    """No connection: nothing was refused, so nothing is counted, and all is sent when it is back."""
    stack = another_stack(TELEGRAM_API_URL="http://127.0.0.1:9/telegram")
    stack.up()
    connection = stack.connect()
    box = Outbox(connection)
    number = box.add(5)
    wait_for(lambda: box.row(number)["error"], 10, "a try")
    row = box.row(number)
    assert row["status"] in ("pending", "processing") and row["attempts"] == 0 and row["doubts"] == 0, row
    assert stack.request("GET", "/readyz").status_code == 200
    connection.close()


# ---- pace --------------------------------------------------------------------------------------------------------------------------------


def test_one_chat_gets_about_one_a_second(outbox, fakes, new_id):
    person = new_id()
    rows = [outbox.add(person, f"m{number}") for number in range(7)]
    outbox.wait_status(rows[-1], "sent", 12)
    calls = sent_to(fakes, person)
    assert texts(calls) == [f"m{number}" for number in range(7)]
    times = [call["at"] for call in calls]
    for start in times:
        for seconds in (1, 2, 3, 4):
            assert sum(1 for at in times if start <= at < start + seconds - 0.1) <= seconds + 2, "a burst of three, then one a second"
    assert times[-1] - times[0] >= 3.8


def test_all_chats_together_get_at_most_thirty_a_second(people, stack, fakes, new_id, worker_away):
    """Real notices, all due at once."""
    issuers = [new_id() for _ in range(70)]
    for person in issuers:
        link(people, person, new_id())
    worker_away()
    wait_for(lambda: all(notices(fakes, person) for person in issuers), 15, "all notices")
    times = sorted(call["at"] for call in fakes.calls(platform="telegram", method="sendMessage"))
    assert len(times) == 70
    assert max(sum(1 for at in times if start <= at < start + 0.9) for start in times) <= 30
    assert times[-1] - times[0] < 6, "and not much slower"


def test_a_lost_answer_on_discord_shows_one_message(outbox, fakes, new_id):
    """The second sending carries the same nonce, so Discord keeps the first."""
    person, = open_channels(outbox, new_id, 1)
    fakes.reset()
    fakes.rule("discord", {"close": True, "after_effect": True}, method=CALLS["discord"], times=1)
    number = outbox.add(person, "once", "discord", "discord")
    outbox.wait_status(number, "sent", 8)
    calls = sent_to(fakes, person)
    assert len(calls) == 2 and len({call["body"]["nonce"] for call in calls}) == 1 and all(call["body"]["enforce_nonce"] is True and len(call["body"]["nonce"]) <= 25 for call in calls)
    assert outbox.row(number)["doubts"] == 1 and outbox.row(number)["attempts"] == 0


# ---- deaths and company ------------------------------------------------------------------------------------------------------------------


def in_flight(db):
    return Outbox(db).query("SELECT count(*) FROM outbox WHERE status = 'processing'")[0][0]


def test_fifty_notices_survive_the_workers_death(people, stack, db, fakes, new_id, worker_away):
    pairs = {new_id(): f"Friend{number}x" for number in range(50)}
    for person, name in pairs.items():
        link(people, person, new_id(), name)
    fakes.rule("telegram", {"slow": 0.4}, method="sendMessage", times=25)
    worker_away()
    wait_for(lambda: in_flight(db) >= 10, 10, "notices in work")
    os.kill(stack.pid("trivet-worker"), signal.SIGKILL)
    lost = in_flight(db)
    wait_for(lambda: all(notices(fakes, person) for person in pairs), 25, "all notices")
    wait_for(lambda: in_flight(db) == 0 and not Outbox(db).query("SELECT 1 FROM outbox WHERE status IN ('pending', 'uncertain')"), 15, "an empty queue")
    told = {person: notices(fakes, person) for person in pairs}
    assert all(set(words) == {words[0]} and name in words[0] for (person, name), words in zip(pairs.items(), told.values())), "each reads of his own friend"
    assert max(map(len, told.values())) <= 2
    assert sum(map(len, told.values())) - 50 <= lost


def test_two_workers_send_nothing_twice(people, stack, fakes, new_id):
    stack.command("start", "trivet-worker.2")
    try:
        issuers = [new_id() for _ in range(40)]
        for number, person in enumerate(issuers):
            link(people, person, new_id())
            if number == 20:  # the one that sends goes in peace, the other follows
                os.kill(stack.pid("trivet-worker"), signal.SIGTERM)
        wait_for(lambda: all(notices(fakes, person) for person in issuers), 15, "all notices")
    finally:
        stack.command("stop", "trivet-worker.2")
    last = new_id()
    link(people, last, new_id())
    wait_for(lambda: notices(fakes, last), 10, "a notice by the one that is left")
    assert [len(notices(fakes, person)) for person in issuers] == [1] * 40
