"""trivet badge list|new|grant: a catalogue that staff add to while programs run, and badges that they give. In a stack of its own: it adds badges."""
import re
import time

import pytest
from conftest import execute, temporary_stack, wait_for

KNOWN_WITHIN = 20  # seconds; programs read the catalogue again after 10


@pytest.fixture(scope="module")
def stack():
    with temporary_stack() as made:
        made.up()
        yield made
        assert made.sanitizer_reports() == {}


@pytest.fixture
def person(stack, new_id):
    """person(xp=0, coins=0) -> "telegram:5", known and with that much."""
    def known(xp=0, coins=0):
        number = new_id()
        assert stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(number)}).status_code == 201
        if xp or coins:
            stack.trivet("user", "adjust", f"telegram:{number}", "--xp", str(xp), "--coins", str(coins), "--reason", "to begin with")
        return f"telegram:{number}"
    return known


def new(stack, code, *more, check=True):
    return stack.trivet("badge", "new", code, "--name-en", f"The {code}", "--name-ru", f"Знак {code}", "--about-en", "Be there", "--about-ru", "Будьте там",
                        *more, check=check)


def held(stack, who):
    platform, number = who.split(":")
    return stack.api("GET", f"/v1/users/{platform}/{number}").json()["badges"]


def ledger(stack, who):
    return [(row["kind"], row["reason"], row["source"], row["xp"], row["coins"]) for row in reversed(stack.trivet_json("user", "show", who)["ledger"])]


# ---- list and new ------------------------------------------------------------------------------------------------------------------


def test_the_list_says_how_a_badge_is_earned_and_what_it_pays(stack, person):
    rows = {row["code"]: row for row in stack.trivet_json("badge", "list")}
    assert len(rows) == 18
    assert rows["winner_10"] == {
        "code": "winner_10", "name_en": "Winner", "name_ru": "Победитель", "about_en": "Win 10 games", "about_ru": "Победите в 10 играх",
        "counter": "games_won", "at_least": 10, "xp": 200, "coins": 100, "held": 0, "earned": "games won: at least 10"}
    assert rows["season_champion"]["counter"] is None and rows["season_champion"]["earned"] == "granted by staff, a season or a bot"
    assert all(re.fullmatch(r"[A-Za-z ]+: at least \d+|granted by .*", row["earned"]) for row in rows.values())
    person(xp=10_000)
    assert next(row for row in stack.trivet_json("badge", "list") if row["code"] == "experienced")["held"] == 1
    text = stack.trivet("badge", "list").stdout
    assert re.search(r"winner_10 +Winner +Победитель +games won: at least 10 +200 +100 +0\n", text)


def test_a_new_badge_is_listed_and_recorded(stack, db):
    done = new(stack, "granted_one", "--xp", "7", "--coins", "1000000")
    assert "within 10 seconds" in done.stdout and "trivet badge grant granted_one" in done.stdout
    done = new(stack, "earned_one", "--when", " messages_sent>=1000000000000 ")
    assert "within 10 seconds" in done.stdout and "messages sent: at least 1000000000000" in done.stdout
    rows = {row["code"]: row for row in stack.trivet_json("badge", "list")}
    assert (rows["granted_one"]["xp"], rows["granted_one"]["coins"], rows["granted_one"]["counter"]) == (7, 1_000_000, None)
    assert (rows["granted_one"]["name_ru"], rows["granted_one"]["about_en"]) == ("Знак granted_one", "Be there")
    assert (rows["earned_one"]["counter"], rows["earned_one"]["at_least"], rows["earned_one"]["xp"]) == ("messages_sent", 10**12, 0)
    assert execute(db, "SELECT actor, after FROM audit_log WHERE action = 'badge.new' ORDER BY id") == [
        ("operator", {"code": "granted_one", "xp": 7, "coins": 1_000_000}),
        ("operator", {"code": "earned_one", "xp": 0, "coins": 0, "counter": "messages_sent", "at_least": 10**12})]


def test_a_code_is_taken_once(stack, db):
    new(stack, "taken_one", "--xp", "1")
    again = new(stack, "taken_one", "--xp", "2", check=False)
    assert again.returncode == 1 and "taken_one" in again.stderr and "already" in again.stderr and "trivet badge list" in again.stderr
    assert new(stack, "rich", check=False).returncode == 1
    assert execute(db, "SELECT xp FROM badges WHERE code = 'taken_one'") == [(1,)]
    assert execute(db, "SELECT count(*) FROM audit_log WHERE action = 'badge.new' AND after->>'code' IN ('taken_one', 'rich')") == [(1,)]


def test_more_badges_than_programs_read_are_refused(stack, db):
    execute(db, "INSERT INTO badges (code, name, name_ru, description, description_ru) SELECT 'filler_' || g, '-', '-', '-', '-' FROM generate_series(1, 256 - "
                "(SELECT count(*) FROM badges)) g")
    try:
        done = new(stack, "one_too_many", check=False)
        assert done.returncode == 1 and "256" in done.stderr
    finally:
        execute(db, "DELETE FROM badges WHERE code ~ '^filler_'")


NAMES = ("--name-en", "A", "--name-ru", "Б", "--about-en", "C", "--about-ru", "Г")


@pytest.mark.parametrize("words, said", [
    (("new",), "usage"),
    (("new", "no_names"), "--name-en"),
    (("new", "no_about", *NAMES[:6]), "--about-ru"),
    (("new", "Upper", *NAMES), "a to z"),
    (("new", "кириллица", *NAMES), "a to z"),
    (("new", "with-dash", *NAMES), "a to z"),
    (("new", "x" * 41, *NAMES), "40"),
    (("new", "", *NAMES), "a to z"),
    (("new", "long_name", "--name-en", "n" * 65, *NAMES[2:]), "64"),
    (("new", "blank_name", "--name-en", "  ", *NAMES[2:]), "--name-en"),
    (("new", "long_about", *NAMES[:6], "--about-ru", "г" * 256), "255"),
    (("new", "escape", "--name-en", "a\x1b[31m", *NAMES[2:]), "control"),
    (("new", "xp_below", *NAMES, "--xp", "-1"), "0 to 1000000"),
    (("new", "xp_above", *NAMES, "--xp", "1000001"), "0 to 1000000"),
    (("new", "coins_above", *NAMES, "--coins", "1000001"), "0 to 1000000"),
    (("new", "coins_odd", *NAMES, "--coins", "1.5"), "0 to 1000000"),
    (("new", "when_odd", *NAMES, "--when", "games_won"), "COUNTER >= N"),
    (("new", "when_less", *NAMES, "--when", "games_won <= 5"), "COUNTER >= N"),
    (("new", "when_none", *NAMES, "--when", "games_won >="), "1000000000000"),
    (("new", "when_zero", *NAMES, "--when", "games_won >= 0"), "1000000000000"),
    (("new", "when_two", *NAMES, "--when", "games_won >= 5 >= 6"), "1000000000000"),
    (("new", "when_huge", *NAMES, "--when", "games_won >= 1000000000001"), "1000000000000"),
    (("grant",), "usage"),
    (("grant", "rich"), "usage"),
    (("grant", "rich", "somebody"), "PLATFORM:ID"),
    (("list", "more"), "usage"),
])
def test_wrong_usage_is_2_and_says_why(stack, words, said):
    before = len(stack.trivet_json("badge", "list"))
    done = stack.trivet("badge", *words, check=False)
    assert done.returncode == 2 and said in done.stderr and done.stdout == "", done.stderr
    assert len(stack.trivet_json("badge", "list")) == before


def test_an_unknown_counter_is_answered_with_the_known_ones(stack, db):
    done = new(stack, "when_unknown", "--when", "goals >= 5", check=False)
    assert done.returncode == 2 and '"goals"' in done.stderr
    known = re.search(r"known are (.*)", done.stderr).group(1).split(", ")
    assert len(known) == 15 and {"xp", "coins", "games_won", "profile_complete"} <= set(known)
    for number, counter in enumerate(known):  # each of them is one that the database takes
        new(stack, f"when_{number}", "--when", f"{counter} >= 1000000000")
    execute(db, "DELETE FROM badges WHERE code ~ '^when_[0-9]+$'")


# ---- grant -------------------------------------------------------------------------------------------------------------------------


def test_a_badge_is_granted_once_and_paid_at_once(stack, person, db):
    new(stack, "founder", "--xp", "100", "--coins", "50")
    who = person()
    done = stack.trivet_json("badge", "grant", "founder", who)
    assert (done["badge"], done["xp"], done["coins"], done["changed"], done["repeated"]) == ("founder", 100, 50, {"xp": 100, "coins": 50}, False)
    assert held(stack, who) == ["founder"]
    assert ledger(stack, who) == [("badge", "founder", "operator", 100, 50)]
    again = stack.trivet_json("badge", "grant", "founder", who)
    assert (again["xp"], again["coins"], again["changed"], again["repeated"], again["at"]) == (100, 50, {"xp": 0, "coins": 0}, True, done["at"])
    words = stack.trivet("badge", "grant", "founder", str(done["id"]))  # by the account's number it is the same person
    assert words.returncode == 0 and "already" in words.stdout
    assert len(ledger(stack, who)) == 1
    assert execute(db, "SELECT actor, before, after FROM audit_log WHERE action = 'badge.grant' AND account_id = %s", done["id"]) == [
        ("operator", {"xp": 0, "coins": 0}, {"badge": "founder", "xp": 100, "coins": 50})]
    assert next(row for row in stack.trivet_json("badge", "list") if row["code"] == "founder")["held"] == 1


def test_what_a_granted_badge_leads_to_is_paid_with_it(stack, person):
    new(stack, "patron", "--xp", "1000000", "--coins", "1")
    who = person()
    done = stack.trivet_json("badge", "grant", "patron", who)
    # 54,500 for the ranks; experienced 1,000 XP and 500 coins; rich 500 and 1,000
    assert (done["xp"], done["coins"]) == (1_001_500, 56_001)
    assert done["changed"] == {"xp": 1_001_500, "coins": 56_001}
    assert set(held(stack, who)) == {"patron", "experienced", "rich"}
    assert stack.trivet("verify").returncode == 0


def test_a_badge_that_pays_nothing_is_held_without_a_row(stack, person):
    new(stack, "honour")
    who = person()
    assert stack.trivet_json("badge", "grant", "honour", who)["changed"] == {"xp": 0, "coins": 0}
    assert held(stack, who) == ["honour"] and ledger(stack, who) == []
    assert "already" in stack.trivet("badge", "grant", "honour", who).stdout


def test_a_badge_with_a_condition_can_be_granted_too(stack, person):
    who = person()
    stack.trivet("badge", "grant", "first_win", who)
    assert held(stack, who) == ["first_win"] and ledger(stack, who) == [("badge", "first_win", "operator", 100, 50)]


def test_nobody_gets_it_twice_by_parting_and_joining(stack, person, new_id):
    new(stack, "pioneer", "--coins", "10")
    who, number = person(), new_id()
    stack.api("POST", "/v1/users", {"platform": "discord", "platform_id": str(number)})
    other = f"discord:{number}"
    stack.trivet("user", "merge", who, other)
    stack.trivet("badge", "grant", "pioneer", who)
    assert "already" in stack.trivet("badge", "grant", "pioneer", other).stdout
    stack.trivet("user", "unlink", other)
    before = stack.trivet_json("user", "show", other)["coins"]
    assert "already" in stack.trivet("badge", "grant", "pioneer", other).stdout
    assert stack.trivet_json("user", "show", other)["coins"] == before == 0
    assert "pioneer" in held(stack, other)
    stack.trivet("user", "merge", who, other)
    assert "already" in stack.trivet("badge", "grant", "pioneer", other).stdout
    assert [row for row in ledger(stack, who) if row[1] == "pioneer"] == [("badge", "pioneer", "operator", 0, 10)]
    assert stack.trivet("verify").returncode == 0


def test_who_wants_to_hear_of_badges_is_told(stack, fakes, db, new_id):
    new(stack, "loud", "--xp", "500")
    number = new_id()
    stack.command_telegram(number, "/start")
    execute(db, "UPDATE account SET notify_badges = true WHERE id = (SELECT account_id FROM identity WHERE platform_id = %s)", number)
    stack.trivet("badge", "grant", "loud", f"telegram:{number}")
    told = wait_for(lambda: (lambda calls: len(calls) >= 2 and calls)(fakes.calls(method="sendMessage", recipient=number)), 10, "a notice of the rank, one of the badge")
    words = " ".join(call["body"]["text"] for call in told)
    assert "The loud" in words and "F II" in words
    stack.trivet("badge", "grant", "loud", f"telegram:{number}")
    assert len(fakes.calls(method="sendMessage", recipient=number)) == len(told)


def test_what_cannot_be_granted_says_why(stack, person, new_id):
    unknown = stack.trivet("badge", "grant", "no_such_badge", person(), check=False)
    assert unknown.returncode == 1 and "no_such_badge" in unknown.stderr and "trivet badge list" in unknown.stderr
    nobody = stack.trivet("badge", "grant", "rich", f"telegram:{new_id()}", check=False)
    assert nobody.returncode == 1 and "nobody is known" in nobody.stderr
    none = stack.trivet("badge", "grant", "rich", "999999999999", check=False)
    assert none.returncode == 1 and "trivet user show" in none.stderr
    who, number = person(), new_id()
    stack.api("POST", "/v1/users", {"platform": "discord", "platform_id": str(number)})
    gone = stack.trivet_json("user", "show", f"discord:{number}")["id"]
    stack.trivet("user", "merge", who, f"discord:{number}")
    merged = stack.trivet("badge", "grant", "rich", str(gone), check=False)
    assert merged.returncode == 1 and "no living account" in merged.stderr


# ---- programs that run -------------------------------------------------------------------------------------------------------------


def test_running_programs_learn_of_a_new_badge(stack, person, new_id):
    """Who meets the condition already earns it with what happens to him next; a program can give a new one by an event."""
    who = person(xp=7)
    new(stack, "lucky_seven", "--when", "xp >= 7", "--coins", "3")
    new(stack, "by_event", "--coins", "5")
    assert held(stack, who) == []  # nothing has happened since

    def gets(code, kind, data):
        event = {"platform": "telegram", "platform_id": who.split(":")[1], "type": kind, "idempotency_key": f"badge-{new_id()}", "data": data,
                 "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))}
        assert stack.api("POST", "/v1/events", {"events": [event]}).json()["accepted"] == 1
        time.sleep(0.2)
        return code in held(stack, who)

    wait_for(lambda: gets("lucky_seven", "coins_change", {"coins": 1, "reason": "next"}), KNOWN_WITHIN, "the badge of who had it")
    wait_for(lambda: gets("by_event", "achievement_unlock", {"badge": "by_event"}), KNOWN_WITHIN, "the badge that a program gave")
    assert [row[4] for row in ledger(stack, who) if row[1] == "by_event"] == [5]
    assert stack.trivet("verify").returncode == 0
