"""Discord roles follow ranks: given, taken, put back after a change by hand, and what Discord refuses is told once."""
import os
import signal
import time

import pytest
from conftest import execute, wait_for
from linking_test import buttons, people  # noqa: F401 (a fixture)
from worker_test import outbox, second_worker  # noqa: F401 (fixtures)

E1, E2, LETTER_E, D1, LETTER_D, F = "9001", "9002", "9003", "9004", "9005", "9006"
FOREIGN = "9999"
XP = {"E I": 2250, "E II": 3500, "D I": 6750}
CHANGES = ("PUT /guilds/{}/members/{}/roles/{}", "DELETE /guilds/{}/members/{}/roles/{}")
LOOK = "GET /guilds/{}/members/{}"
LEASE = 5.0


class Roles:
    """The mapping of one server, and what its members hold there."""

    def __init__(self, stack, db, fakes, new_id):
        self.stack, self.db, self.fakes, self.new_id, self.guild = stack, db, fakes, new_id, stack.env["DISCORD_GUILD_ID"]

    def query(self, sql, *values):
        return execute(self.db, sql, *values)

    def map(self, **roles):
        """As the operator's command does, but without its sweep, which would look at the people of other tests too."""
        self.query("INSERT INTO role_guild (guild_id, sweep_at) VALUES (%s, 'infinity')", self.guild)
        for name, role in roles.items():
            self.query("INSERT INTO role_map (guild_id, role_id, rank_id, letter, changed_at)"
                       " SELECT %s, %s, (SELECT id FROM rank WHERE name = w.name), CASE WHEN length(w.name) = 1 THEN w.name END, now()"
                       " FROM (SELECT %s AS name) AS w", self.guild, role, name.replace("_", " "))

    def move(self, user, xp, platform="discord"):
        """XP up or down through the service API."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.stack.clock() - 1))
        answer = self.stack.api("POST", "/v1/events", {"events": [{"platform": platform, "platform_id": str(user), "type": "xp_change",
                                                                   "data": {"xp": xp, "reason": "test"}, "at": at, "idempotency_key": f"roles:{self.new_id()}"}]})
        assert answer.status_code == 200 and answer.json()["accepted"] == 1, answer.text

    def crowd(self, count):
        """People who are known already: first contact is a change of its own."""
        made = [self.new_id() for _ in range(count)]
        for user in made:
            assert self.stack.api("POST", "/v1/users", {"platform": "discord", "platform_id": str(user)}).status_code in (200, 201)
        return made

    def held(self, user):
        state = self.fakes.state()
        return set(state["discord"]["roles"].get(f"{self.guild}/{user}", []))

    def by_hand(self, user, *roles):
        self.fakes.post("state", {"discord": {"roles": {f"{self.guild}/{user}": roles}}})

    def wait_held(self, user, *roles, timeout=10):
        wait_for(lambda: self.held(user) == set(roles), timeout, f"the roles {roles} of {user}, who has {self.held(user)}")
        self.settled(user)

    def settled(self, user, timeout=10):
        wait_for(lambda: not self.query("SELECT 1 FROM role_member WHERE user_id = %s AND mark IS NOT NULL", user), timeout, f"the mark of {user} as gone")

    def changes(self, user=None):
        calls = [call for call in self.fakes.calls(platform="discord", **({"recipient": user} if user else {})) if call["method"] in CHANGES]
        return [(call["method"].split()[0], call["path"].split("/")[-1]) for call in calls]

    def listed(self, role):

        rows = self.stack.trivet_json("role", "list")
        return next(row for row in rows if row["role"] == role)


@pytest.fixture
def roles(stack, db, fakes, new_id):
    made = Roles(stack, db, fakes, new_id)
    yield made
    for (role,) in made.query("SELECT role_id FROM role_map"):
        stack.trivet("role", "unmap", str(role))
    assert made.query("SELECT 1 FROM role_guild UNION ALL SELECT 1 FROM role_member") == []


def test_a_rank_up_gives_its_role_and_a_jump_gives_the_last_one_only(roles, new_id):
    roles.map(E_I=E1, E_II=E2, E=LETTER_E, D_I=D1)
    person = new_id()
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1, LETTER_E)
    roles.move(person, XP["E II"] - XP["E I"])
    roles.wait_held(person, E2, LETTER_E)
    assert roles.changes(person) == [("PUT", E1), ("PUT", LETTER_E), ("PUT", E2), ("DELETE", E1)], "given before taken, and nothing twice"
    jumper = new_id()
    roles.move(jumper, XP["D I"])
    roles.wait_held(jumper, D1)
    assert roles.changes(jumper) == [("PUT", D1)]
    assert roles.query("SELECT wanted, applied, absent FROM role_member WHERE user_id = %s", jumper) == [([int(D1)], [int(D1)], False)]
    assert (roles.listed(D1)["held"], roles.listed(D1)["missing"], roles.listed(D1)["rank"]) == (1, 0, "D I")


def test_within_a_rank_nothing_is_asked(roles, fakes, new_id):
    roles.map(E_I=E1)
    person = new_id()
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1)
    calls = len(fakes.calls(platform="discord", recipient=person))
    roles.move(person, 5)
    wait_for(lambda: roles.query("SELECT xp >= 2255 FROM unified_users WHERE discord_id = %s", person) == [(True,)], what="the XP")
    time.sleep(1)
    assert len(fakes.calls(platform="discord", recipient=person)) == calls


def test_a_lowered_rank_takes_its_role_away(roles, new_id):
    roles.map(E_I=E1, F=F)
    person = new_id()
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1)
    roles.move(person, -100)
    roles.wait_held(person, F)


def test_roles_that_are_not_mapped_are_nobodys_business(roles, new_id):
    roles.map(E_I=E1)
    person = new_id()
    roles.by_hand(person, FOREIGN)
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1, FOREIGN)
    roles.stack.trivet("role", "unmap", E1)
    roles.move(person, XP["E II"] - XP["E I"])
    time.sleep(1)
    assert roles.held(person) == {E1, FOREIGN}, "who holds an unmapped role keeps it"


def test_what_was_changed_by_hand_is_put_back_at_the_next_rank_change(roles, new_id):
    roles.map(E_I=E1, E_II=E2, D_I=D1)
    person = new_id()
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1)
    roles.by_hand(person, D1, FOREIGN)
    roles.move(person, XP["E II"] - XP["E I"])
    roles.wait_held(person, E2, FOREIGN)


def test_what_was_changed_by_hand_is_put_back_at_the_next_command(roles, stack, new_id):
    roles.map(E_I=E1, D_I=D1)
    person = new_id()
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1)
    roles.by_hand(person, D1)
    stack.command_discord(person, "profile")
    roles.wait_held(person, E1)


def test_the_operator_maps_and_everybody_is_looked_at(roles, stack, new_id):
    person = new_id()
    roles.move(person, XP["E I"])
    wait_for(lambda: roles.query("SELECT xp >= 2250 FROM unified_users WHERE discord_id = %s", person) == [(True,)], what="the XP")
    assert "goes to e i" in stack.trivet("role", "map", E1, "e i").stdout
    stack.trivet("role", "map", LETTER_E, "E", "--guild", roles.guild)
    roles.query("UPDATE role_guild SET swept_to = %s", person - 1)  # else the people of other tests come first
    roles.wait_held(person, E1, LETTER_E, timeout=40)
    assert [roles.listed(role)["rank"] for role in (E1, LETTER_E)] == ["E I", "E"]
    assert roles.query("SELECT action, after ->> 'rank' FROM audit_log WHERE action LIKE 'role.%%' ORDER BY id DESC LIMIT 2") == [("role.map", "E"), ("role.map", "e i")]


def test_the_sweep_puts_back_what_was_changed_by_hand(roles):
    roles.map(E_I=E1, D_I=D1)
    # Behind the people of all other tests: the round ends with them.
    (highest,), = roles.query("SELECT max(platform_id) FROM identity WHERE platform = 'discord' AND platform_id < 9000000000000000000")
    first, last = highest + 1, highest + 2
    for person in (first, last):
        roles.move(person, XP["E I"])
        roles.wait_held(person, E1)
        roles.by_hand(person, D1)
    roles.query("UPDATE role_guild SET swept_to = %s, sweep_at = '-infinity'", first - 1)
    for person in (first, last):
        roles.wait_held(person, E1)
    wait_for(lambda: roles.query("SELECT 1 FROM role_guild WHERE isfinite(sweep_at)"), 10, "the end of the round")
    (to, pause), = roles.query("SELECT swept_to, extract(epoch FROM sweep_at - now())::int FROM role_guild")
    assert to == 0 and 3500 < pause <= 3600, "the round is over, the next begins in an hour"


def test_at_most_five_calls_a_second(roles, fakes):
    crowd = roles.crowd(8)
    roles.map(E_I=E1)
    for person in crowd:
        roles.move(person, XP["E I"])
    for person in crowd:
        roles.wait_held(person, E1, timeout=20)
    times = sorted(call["at"] for call in fakes.calls(platform="discord") if call["method"] in (LOOK, *CHANGES))
    assert len(times) == 16
    assert max(sum(1 for at in times if start <= at < start + 0.9) for start in times) <= 5


def test_who_is_not_on_the_server_is_no_error(roles, fakes, new_id):
    roles.map(E_I=E1)
    person = new_id()
    fakes.post("state", {"discord": {"absent": [person]}})
    roles.move(person, XP["E I"])
    wait_for(lambda: roles.query("SELECT mark IS NULL, absent, error FROM role_member WHERE user_id = %s", person) == [(True, True, None)], what="the end")
    assert [call["method"] for call in fakes.calls(platform="discord", recipient=person) if "guilds" in call["path"]] == [LOOK]
    assert roles.listed(E1)["refused"] is None and roles.listed(E1)["missing"] == 0


@pytest.mark.parametrize("code, words", [(50013, "Missing Permissions"), (10011, "Unknown Role"), (50001, "Missing Access")])
def test_a_role_that_is_refused_is_told_once_and_the_others_are_given(roles, stack, fakes, new_id, code, words):
    roles.map(E_I=E1, E=LETTER_E)
    fakes.post("state", {"discord": {"refused_roles": {E1: code}}})
    log_before = len(stack.log("trivet-worker"))
    crowd = [new_id() for _ in range(3)]
    for person in crowd:
        roles.move(person, XP["E I"])
        roles.wait_held(person, LETTER_E)
    assert [change for change in roles.changes() if change == ("PUT", E1)] == [("PUT", E1)], "asked once"
    assert stack.log("trivet-worker")[log_before:].count("role_refused") == 1
    row = roles.listed(E1)
    assert words in row["refused"] and (row["held"], row["missing"]) == (0, 3)
    doctor = stack.trivet("doctor", check=False).stdout
    assert f"role {E1} of server {roles.guild}: {words}" in doctor and "Manage Roles" in doctor
    fakes.post("state", {"discord": {"refused_roles": {}}})
    stack.trivet("role", "map", E1, "E I")
    roles.query("UPDATE role_guild SET swept_to = %s, sweep_at = '-infinity'", crowd[0] - 1)
    for person in crowd:
        roles.wait_held(person, E1, LETTER_E)
    assert roles.listed(E1)["refused"] is None


def test_a_server_without_the_bot_is_asked_once_a_day(roles, stack, fakes, new_id):
    roles.map(E_I=E1)
    fakes.rule("discord", {"status": 403, "code": 50001}, method=LOOK)
    person, other = new_id(), new_id()
    log_before = len(stack.log("trivet-worker"))
    roles.move(person, XP["E I"])
    wait_for(lambda: "Missing Access" in (roles.listed(E1)["refused"] or ""), what="the refusal")
    looks = lambda: [call["path"] for call in fakes.calls(platform="discord") if call["method"] == LOOK]
    before = looks()  # people of other tests may have been asked for at the same moment
    roles.move(other, XP["E I"])
    time.sleep(2)
    assert looks() == before
    fakes.reset()
    stack.set_clock(86400 + 5)
    try:
        for who in (person, other):
            roles.wait_held(who, E1, timeout=15)
    finally:
        stack.set_clock(0)
    log = stack.log("trivet-worker")[log_before:]
    assert log.count("role_refused") == 1 and log.count("role_accepted") == 1


def test_429_is_waited_for_and_messages_are_not_held(roles, fakes, new_id):
    roles.map(E_I=E1)
    person = new_id()
    fakes.rule("discord", {"status": 429, "retry_after": 2}, method=CHANGES[0], times=1)
    roles.move(person, XP["E I"])
    roles.wait_held(person, E1)
    first, second = [call["at"] for call in fakes.calls(platform="discord", recipient=person) if call["method"] == CHANGES[0]]
    assert second - first >= 1.9
    roles.fakes.rule("discord", {"status": 500}, method=LOOK, times=1)
    roles.move(person, -100)
    roles.wait_held(person)


def test_roles_that_hang_hold_no_message_up(roles, outbox, fakes, new_id):  # noqa: F811
    """Unheard looks made the bot silent: its messages were tried one at a time, with pauses of many seconds."""
    roles.map(E_I=E1)
    fakes.rule("discord", {"hang": 12}, method=LOOK, times=5)
    crowd = roles.crowd(4)
    for person in crowd:
        roles.move(person, XP["E I"])
    wait_for(lambda: len([call for call in fakes.calls(platform="discord") if call["method"] == LOOK]) > 4, 20, "looks that were given up")
    for _ in range(5):
        person = new_id()
        outbox.account("discord", person, bot="discord")
        outbox.wait_status(outbox.add(person, platform="discord", bot="discord"), "sent", 2)
    for person in crowd:
        roles.wait_held(person, E1, timeout=30)


def test_the_buckets_headers_are_minded(roles, fakes, new_id):
    """A stand-in that enforces five calls in five seconds per route and server never says 429."""
    fakes.post("limits", {"discord": {"per_second": 50, "per_channel_5s": 5}})
    roles.map(E_I=E1)
    crowd = [new_id() for _ in range(7)]
    for person in crowd:
        roles.move(person, XP["E I"])
    for person in crowd:
        roles.wait_held(person, E1, timeout=25)
    assert {call["answer_status"] for call in fakes.calls(platform="discord") if call["method"] in (LOOK, *CHANGES)} <= {200, 204}


def test_a_kill_in_between_leaves_nothing_undone(roles, stack, fakes, new_id):
    roles.map(E_I=E1, E_II=E2)
    crowd = [new_id() for _ in range(6)]
    fakes.rule("discord", {"slow": 0.3}, method=CHANGES[0])
    for person in crowd:
        roles.move(person, XP["E I"])
    wait_for(lambda: roles.changes(), what="the first role")
    os.kill(stack.pid("trivet-worker"), signal.SIGKILL)
    for person in crowd:
        roles.wait_held(person, E1, timeout=30)
    assert all(1 <= roles.changes(person).count(("PUT", E1)) <= 2 for person in crowd)


def test_of_two_workers_one_changes_roles(roles, fakes, second_worker):  # noqa: F811
    crowd = roles.crowd(4)
    roles.map(E_I=E1, E=LETTER_E)
    time.sleep(2)  # more than a renewal: the second has asked
    for person in crowd:
        roles.move(person, XP["E I"])
    for person in crowd:
        roles.wait_held(person, E1, LETTER_E, timeout=20)
        assert sorted(roles.changes(person)) == [("PUT", E1), ("PUT", LETTER_E)]
    assert len([call for call in fakes.calls(platform="discord") if call["method"] == LOOK]) == len(crowd)


def test_linking_gives_the_survivors_role_and_unlinking_takes_it(roles, people, stack, new_id):  # noqa: F811
    roles.map(E_I=E1, E_II=E2)
    telegram, discord = new_id(), new_id()
    roles.move(telegram, XP["E II"], platform="telegram")
    wait_for(lambda: people.balance("telegram", telegram)[0] >= XP["E II"], what="the XP")
    question = stack.command_telegram(telegram, f"/code {people.code_from_discord(discord)}")
    assert roles.held(discord) == set()
    assert "Done!" in people.press_telegram(telegram, buttons(question["reply_markup"])["Yes, join them"])["text"]
    roles.wait_held(discord, E2)
    people.press_discord(discord, buttons(stack.command_discord(discord, "unlink")["data"])["Unlink"])
    roles.wait_held(discord)


@pytest.mark.parametrize("words, status, says", [
    (("map", "x", "E"), 2, "no id of a role"), (("map", "9001", "Q"), 1, "no rank and no letter"), (("map", "9001", "E", "--guild", "y"), 2, "no id of a server"),
    (("map", "7", "E", "--guild", "7"), 2, "@everyone"), (("unmap", "9001"), 1, "not mapped"), (("map", "9001"), 2, "a word is missing")])
def test_the_operator_is_told_what_is_wrong(stack, words, status, says):
    done = stack.trivet("role", *words, check=False)
    assert done.returncode == status and says in done.stderr, done.stderr
