"""The worker: what stands in the outbox arrives, in order, at the platforms' pace, whatever dies on the way."""
import os
import signal
import subprocess
import time

import pytest
from conftest import ROOT, execute, wait_for

LEASE = 5.0  # seconds until a dead owner is followed (decisions.md 21)


def field(value):
    """A field of an encoded reply (core/reply.c, version 1)."""
    data = b"" if value is None else str(value).encode()
    return b"-:" if value is None else b"%d:%s" % (len(data), data)


def encoded(message, *words):
    """A reply of one line: the message by its name, its arguments as foreign words."""
    args = b"".join(field(2) + field(0) + field(word) + field("NONE") for word in words)
    head = field(1) + field(0) * 4 + field(0)  # version; private, replace, silent, delete; target
    form = field("NONE") * 2 + field(None) * 2 + field(0) * 2
    return head + field(1) + field(2) + field(message) + field(len(words)) + args + field(0) + form


class Outbox:
    def __init__(self, db):
        self.db = db

    def query(self, sql, *values):
        return execute(self.db, sql, *values)

    def add(self, recipient, words="hello", platform="telegram", bot="main", message="PLAIN", account=None, urgent=False, expires=None):
        """One row as notify_add() writes it; returns its number."""
        body = encoded(message, *([words] if message == "PLAIN" else []))
        return self.query(
            "INSERT INTO outbox (platform, bot, account_id, recipient, urgent, topic, body, created_at, due_at, expires_at, give_up_at)"
            " VALUES (%s, %s, %s, %s, %s, 'test', %s, now(), now(), now() + %s::interval, now() + interval '1 day') RETURNING id",
            platform, bot, account, recipient, urgent, body, expires)[0][0]

    def row(self, number):
        names = ("status", "attempts", "doubts", "error", "plain", "recipient", "message_id", "body", "sealed")
        return dict(zip(names, self.query(f"SELECT {', '.join(names)} FROM outbox WHERE id = %s", number)[0]))

    def status(self, number):
        return self.row(number)["status"]

    def wait_status(self, number, status, timeout=10):
        wait_for(lambda: self.status(number) == status, timeout, f"row {number} as {status}, it is {self.row(number)}")

    def account(self, platform, platform_id, language=None, hint=None, bot="main"):
        return self.query(
            "WITH a AS (INSERT INTO account (created_at, language) VALUES (now(), %s) RETURNING id),"
            " b AS (INSERT INTO account_balance (account_id) SELECT id FROM a),"
            " i AS (INSERT INTO identity (account_id, platform, platform_id, first_seen, last_seen, attached_at, language_hint)"
            "       SELECT id, %s, %s, now(), now(), now(), %s FROM a RETURNING id, account_id),"
            " r AS (INSERT INTO identity_reach (identity_id, bot, can_message, changed_at) SELECT id, %s, true, now() FROM i)"
            " SELECT account_id FROM i", language, platform, platform_id, hint, bot)[0][0]


@pytest.fixture
def outbox(db, fakes):
    made = Outbox(db)
    yield made
    made.query("DELETE FROM outbox WHERE status <> 'processing'")
    fakes.reset()  # the rules of this test: what hangs still ends by itself
    wait_for(lambda: not made.query("SELECT 1 FROM outbox WHERE status = 'processing'"), 35, "the calls in flight as ended")
    made.query("DELETE FROM outbox")


def texts(calls):
    return [call["body"].get("text", call["body"].get("content")) for call in calls]


def sent_to(fakes, recipient, **more):
    return [call for call in fakes.calls(recipient=recipient, **more) if call["method"] in ("sendMessage", "POST /channels/{}/messages")]


def test_a_row_arrives_once_escaped_and_by_its_own_bot(outbox, fakes, new_id, stack):
    person = new_id()
    number = outbox.add(person, "1 < 2 & <b>", bot="quiz")
    outbox.wait_status(number, "sent")
    calls = sent_to(fakes, person)
    assert texts(calls) == ["1 &lt; 2 &amp; &lt;b&gt;"]
    assert stack.env["QUIZ_BOT_TOKEN"] in calls[0]["path"]
    row = outbox.row(number)
    assert row["message_id"] and not row["sealed"] and row["error"] is None and row["attempts"] == 0


@pytest.mark.parametrize("own, hint, words", [("ru", "en", "Такой команды"), ("en", "ru", "There is no"), (None, "ru", "Такой команды"), (None, "be", "There is no")])
def test_words_are_in_the_language_of_the_recipient(outbox, fakes, new_id, own, hint, words):
    person = new_id()
    outbox.wait_status(outbox.add(person, message="UNKNOWN_COMMAND", account=outbox.account("telegram", person, own, hint)), "sent")
    assert texts(sent_to(fakes, person))[0].startswith(words)


def test_discord_opens_a_channel_once_and_sends_with_a_nonce(outbox, fakes, new_id):
    person = new_id()
    outbox.account("discord", person, bot="discord")
    first = outbox.add(person, "one", "discord", "discord")
    outbox.wait_status(first, "sent")
    second = outbox.add(person, "two", "discord", "discord")
    outbox.wait_status(second, "sent")
    methods = [call["method"] for call in fakes.calls(recipient=person)]
    assert methods == ["POST /users/@me/channels", "POST /channels/{}/messages", "POST /channels/{}/messages"]
    assert [(call["body"]["nonce"], call["body"]["enforce_nonce"]) for call in sent_to(fakes, person)] == [(str(first), True), (str(second), True)]
    assert outbox.query("SELECT channel_id FROM identity_reach r JOIN identity i ON i.id = r.identity_id WHERE i.platform_id = %s", person)[0][0]


def test_rows_of_one_recipient_arrive_in_order(outbox, fakes, new_id):
    person = new_id()
    fakes.rule("telegram", {"status": 500}, recipient=person, times=1)
    numbers = [outbox.add(person, f"m{i}") for i in range(4)]
    outbox.wait_status(numbers[-1], "sent")
    assert texts(sent_to(fakes, person)) == ["m0", "m0", "m1", "m2", "m3"]
    assert outbox.row(numbers[0])["attempts"] == 1


def test_a_sick_chat_delays_no_other(outbox, fakes, new_id):
    sick, hanging, well = new_id(), new_id(), new_id()
    fakes.rule("telegram", {"status": 502}, recipient=sick)
    fakes.rule("telegram", {"hang": 3}, recipient=hanging)
    for _ in range(5):
        outbox.add(sick)
        outbox.add(hanging)
    began = time.monotonic()
    outbox.wait_status(outbox.add(well), "sent", 2)
    assert time.monotonic() - began < 1


def test_a_hanging_platform_delays_not_the_other(outbox, fakes, new_id):
    person = new_id()
    fakes.rule("telegram", {"hang": 3}, method="sendMessage")
    for _ in range(10):
        outbox.add(new_id())
    wait_for(lambda: fakes.calls(method="sendMessage"), what="a hanging call")
    outbox.wait_status(outbox.add(person, platform="discord", bot="discord"), "sent", 2)


def test_urgent_rows_overtake_a_backlog(outbox, fakes, new_id):
    for _ in range(90):
        outbox.add(new_id(), "slow")
    wait_for(lambda: len(fakes.calls(method="sendMessage")) >= 30, what="the backlog's beginning")
    person = new_id()
    outbox.wait_status(outbox.add(person, "now", urgent=True), "sent", 3)
    assert texts(fakes.calls(method="sendMessage")).index("now") <= 65  # of 91: the first in the next second's thirty


def test_an_urgent_row_leaves_within_200_ms(outbox, fakes, new_id):
    delays = []
    for _ in range(5):
        person, began = new_id(), time.time()
        outbox.add(person, urgent=True)
        delays.append(fakes.calls(wait=5, recipient=person)[0]["at"] - began)
    assert sorted(delays)[2] < 0.2, delays


def test_the_pace_is_the_platforms(outbox, fakes, new_id):
    """Thirty a second over all and three at once, then one a second, to one chat: a stand-in that enforces it never says 429."""
    fakes.post("limits", {"telegram": {"per_second": 30, "per_group_minute": 20}})
    numbers = [outbox.add(new_id()) for _ in range(70)]
    group = [outbox.add(-1_000_000_000_000 - new_id(), f"g{i}") for i in range(3)]
    for number in numbers + group:
        outbox.wait_status(number, "sent", 15)
    calls = fakes.calls(method="sendMessage")
    assert {call["answer_status"] for call in calls} == {200}
    times = sorted(call["at"] for call in calls)
    # Counted where they arrive: the way there adds some jitter to the second.
    assert max(sum(1 for t in times if start <= t < start + 0.9) for start in times) <= 30


def test_429_is_waited_for_and_does_not_count(outbox, fakes, new_id):
    person, other = new_id(), new_id()
    fakes.rule("telegram", {"status": 429, "retry_after": 2}, recipient=person, times=1)
    number = outbox.add(person)
    wait_for(lambda: sent_to(fakes, person), what="the first call")
    outbox.wait_status(outbox.add(other), "sent", 1.5)
    outbox.wait_status(number, "sent", 5)
    first, second = (call["at"] for call in sent_to(fakes, person))
    assert second - first >= 1.9
    assert outbox.row(number)["attempts"] == 0


def test_a_block_is_permanent_and_remembered(outbox, fakes, new_id):
    person = new_id()
    account = outbox.account("telegram", person)
    fakes.post("state", {"telegram": {"blocked": [person]}})
    number = outbox.add(person, account=account)
    outbox.wait_status(number, "permanent")
    assert "blocked by the user" in outbox.row(number)["error"]
    assert outbox.query("SELECT can_message FROM identity_reach r JOIN identity i ON i.id = r.identity_id WHERE i.platform_id = %s", person) == [(False,)]
    assert len(sent_to(fakes, person)) == 1


def test_a_person_without_direct_messages_on_discord_is_remembered(outbox, fakes, new_id):
    person = new_id()
    outbox.account("discord", person, bot="discord")
    fakes.post("state", {"discord": {"closed": [person]}})
    outbox.wait_status(outbox.add(person, platform="discord", bot="discord"), "permanent")
    assert outbox.query("SELECT can_message FROM identity_reach r JOIN identity i ON i.id = r.identity_id WHERE i.platform_id = %s", person) == [(False,)]


def test_what_cannot_be_parsed_goes_again_as_plain_text(outbox, fakes, new_id):
    person = new_id()
    fakes.rule("telegram", {"status": 400, "description": "Bad Request: can't parse entities: x"}, recipient=person, times=1)
    number = outbox.add(person, "a < b")
    outbox.wait_status(number, "sent")
    first, second = (call["body"] for call in sent_to(fakes, person))
    assert first["parse_mode"] == "HTML" and "parse_mode" not in second and second["text"] == "a < b"
    assert outbox.row(number)["plain"]


def test_a_group_that_moved_is_followed_by_all_its_rows(outbox, fakes, new_id):
    old, new = -new_id(), -1_000_000_000_000 - new_id()
    fakes.rule("telegram", {"status": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
                            "parameters": {"migrate_to_chat_id": new}}, recipient=old)
    numbers = [outbox.add(old, f"m{i}") for i in range(2)]
    for number in numbers:
        outbox.wait_status(number, "sent")
        assert outbox.row(number)["recipient"] == new
    assert texts(sent_to(fakes, new)) == ["m0", "m1"]
    assert len(sent_to(fakes, old)) == 1


def test_no_answer_is_uncertain_and_sent_once_more(outbox, fakes, new_id):
    person, lost = new_id(), new_id()
    fakes.rule("telegram", {"close": True, "after_effect": True}, recipient=person, times=1)
    fakes.rule("telegram", {"close": True, "after_effect": True}, recipient=lost)
    number, never = outbox.add(person), outbox.add(lost)
    outbox.wait_status(number, "sent")
    assert len(sent_to(fakes, person)) == 2
    assert outbox.row(number)["doubts"] == 1 and outbox.row(number)["attempts"] == 0
    outbox.wait_status(never, "failed")
    assert len(sent_to(fakes, lost)) == 2
    assert outbox.row(never)["error"] == "no answer twice: it may have arrived"


def test_what_expired_is_dropped_and_wiped(outbox, fakes, new_id):
    person = new_id()
    number = outbox.add(person, expires="-1 second")
    outbox.wait_status(number, "permanent")
    row = outbox.row(number)
    assert (row["error"], row["body"], row["sealed"]) == ("expired", None, None)
    assert sent_to(fakes, person) == []


def test_what_cannot_be_read_is_set_aside(outbox, fakes, new_id):
    number = outbox.add(new_id())
    bad = outbox.query("INSERT INTO outbox (platform, bot, recipient, topic, body, created_at, due_at, give_up_at) VALUES"
                       " ('telegram', 'main', %s, 'test', 'rubbish', now(), now(), now() + interval '1 day') RETURNING id", new_id())[0][0]
    outbox.wait_status(number, "sent")
    outbox.wait_status(bad, "permanent")


# ---- deaths --------------------------------------------------------------------------------------------------------------------


def test_a_kill_loses_nothing_and_repeats_at_most_what_was_in_flight(outbox, fakes, new_id, stack):
    people = [new_id() for _ in range(40)]
    fakes.rule("telegram", {"slow": 0.5}, method="sendMessage", times=30)
    numbers = [outbox.add(person) for person in people]
    wait_for(lambda: outbox.query("SELECT count(*) FROM outbox WHERE status = 'processing'")[0][0] >= 10, what="calls in flight")
    old = stack.pid("trivet-worker")
    os.kill(old, signal.SIGKILL)
    in_flight = outbox.query("SELECT count(*) FROM outbox WHERE status = 'processing'")[0][0]
    for number in numbers:
        outbox.wait_status(number, "sent", 25)
    counts = [len(sent_to(fakes, person)) for person in people]
    assert min(counts) == 1 and max(counts) <= 2
    assert sum(counts) - len(people) <= in_flight
    assert stack.pid("trivet-worker") != old


def test_a_stop_lets_what_is_in_flight_end(outbox, fakes, new_id, stack):
    person, later = new_id(), new_id()
    fakes.rule("telegram", {"slow": 1.5}, recipient=person, times=1)
    number = outbox.add(person)
    wait_for(lambda: sent_to(fakes, person) or outbox.status(number) == "processing", what="the call")
    time.sleep(0.2)  # the call is on its way: the stand-in records it when it answers
    began = time.monotonic()
    os.kill(stack.pid("trivet-worker"), signal.SIGTERM)
    outbox.wait_status(number, "sent", 5)
    assert time.monotonic() - began < 5
    outbox.wait_status(outbox.add(later), "sent", 10)  # the next worker need not wait for a lease: it was given back
    assert time.monotonic() - began < LEASE
    assert len(sent_to(fakes, person)) == 1


@pytest.fixture
def second_worker(stack):
    """A second trivet-worker of this stack, out of its supervisor's hands."""
    program = os.path.join(ROOT, "build", stack.settings["V"], "trivet-worker")
    process = subprocess.Popen([program], env={**os.environ, **stack.env}, stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=10)


def test_of_two_workers_one_sends_and_the_other_follows(outbox, fakes, new_id, stack, second_worker):
    def owners():
        return outbox.query("SELECT DISTINCT owner FROM sender_lease")

    before = wait_for(owners, what="leases")
    time.sleep(2)  # more than a renewal: the second has asked
    assert owners() == before
    people = [new_id() for _ in range(20)]
    for person in people:
        outbox.add(person)
    wait_for(lambda: outbox.query("SELECT count(*) FROM outbox WHERE status <> 'sent'")[0][0] == 0, what="all sent")
    assert [len(sent_to(fakes, person)) for person in people] == [1] * 20
    first = stack.pid("trivet-worker")
    os.kill(first, signal.SIGSTOP)
    try:
        person = new_id()
        number = outbox.add(person)
        outbox.wait_status(number, "sent", LEASE + 3)
        assert owners() != before
    finally:
        os.kill(first, signal.SIGCONT)
    time.sleep(0.5)  # awake again, the first believes that it is the owner until it asks
    person = new_id()
    outbox.wait_status(outbox.add(person), "sent", 5)
    assert len(sent_to(fakes, person)) == 1


def test_a_restart_of_the_database_is_survived(outbox, fakes, new_id, stack):
    outbox.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trivet-worker'")
    person = new_id()
    outbox.wait_status(outbox.add(person), "sent", 10)
    assert len(sent_to(fakes, person)) == 1
