"""Who is who (domain.md, Identity): one account per person, by the platform's number alone, whatever comes first and however often at once."""
import re
import threading
import time

import pytest

from conftest import wait_for
from linking_test import People
from outside import parse_html

PROFILE = {"id", "xp", "coins", "rank", "identities", "display_name", "language", "badges", "counters", "created_at"}


@pytest.fixture
def people(stack, new_id):
    return People(stack, new_id)


def at_once(count, act):
    """act(n) in so many threads that begin together; what each returned."""
    barrier, found = threading.Barrier(count), [None] * count

    def run(number):
        barrier.wait()
        found[number] = act(number)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return found


def accounts(db, platform, number):
    with db.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT id) FROM public.unified_users WHERE CASE %s WHEN 'telegram' THEN telegram_id ELSE discord_id END = %s", (platform, number))
        return cursor.fetchone()[0]


def people_count(db):
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.unified_users")
        return cursor.fetchone()[0]


def create(stack, platform, number, **more):
    answer = stack.api("POST", "/v1/users", {"platform": platform, "platform_id": str(number), **more})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def say(stack, number, text, bot="main", chat=None, **who):
    """A Telegram message by a person with this profile; None takes a member away."""
    update = stack.telegram_update(number, text, chat=chat)
    update["message"]["from"] = {key: value for key, value in {**update["message"]["from"], **who}.items() if value is not None}
    answer = stack.post_telegram(bot, update)
    assert answer.status_code == 200, answer.text
    return parse_html(answer.json()["text"])[0] if answer.content else None


def ask(stack, number, name, username="tester", shown="Test", **options):
    """A Discord command by a person with this profile."""
    interaction = stack.discord_interaction(number, 2, {"id": "1", "name": name, "type": 1, "options": [{"name": key, "type": 3, "value": value} for key, value in options.items()]})
    interaction["member"]["user"].update(username=username, global_name=shown)
    answer = stack.post_discord(interaction)
    assert answer.status_code == 200
    return answer.json()["data"]["content"]


# ---- one person, one account ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["/start", "/help", "/profile", "/lang ru", "/getcode", "/start ref_ABCDEFGH"])
def test_twenty_first_updates_of_one_person_make_one_account(stack, db, new_id, text):
    number, before = new_id(), people_count(db)
    found = at_once(20, lambda _: post_until_answered(stack, stack.telegram_update(number, text)))
    assert set(found) == {200}
    if text != "/help":
        assert accounts(db, "telegram", number) == 1 and people_count(db) == before + 1
    assert people_count(db) <= before + 1


def post_until_answered(stack, update):
    """As Telegram does: what is not a 2xx is sent again."""
    return wait_for(lambda: (lambda status: status == 200 and status)(stack.post_telegram("main", update).status_code), 20, "an answer")


def test_first_contact_by_every_door_at_once_makes_one_account(stack, db, new_id):
    number, before = new_id(), people_count(db)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
    doors = [
        lambda key: post_until_answered(stack, stack.telegram_update(number, "/profile")), lambda key: post_until_answered(stack, stack.telegram_update(number, "/lang ru")),
        lambda key: create(stack, "telegram", number) and 200,
        lambda key: stack.api("POST", "/v1/events", {"events": [{"platform": "telegram", "platform_id": str(number), "type": "xp_change", "data": {"xp": 1, "reason": "x"}, "at": at,
                                                                "idempotency_key": f"door:{number}:{key}"}]}).status_code,
    ]
    assert set(at_once(20, lambda key: doors[key % 4](key))) == {200}
    assert accounts(db, "telegram", number) == 1 and people_count(db) == before + 1
    wait_for(lambda: stack.api("GET", f"/v1/users/telegram/{number}").json()["xp"] == 5, 10, "five points")


def test_first_contact_on_discord_at_once_makes_one_account(stack, db, new_id):
    number, before = new_id(), people_count(db)
    answers = at_once(20, lambda _: stack.command_discord(number, "profile")["data"]["content"])
    assert all("Rank" in answer or "busy" in answer for answer in answers) and any("Rank" in answer for answer in answers)
    assert accounts(db, "discord", number) == 1 and people_count(db) == before + 1


@pytest.mark.parametrize("first", ["/start", "/profile", "/checklink", "/getcode", "/lang ru", "/code ABCDEF", "/unlink"])
def test_any_command_is_a_first_contact(stack, db, new_id, first):
    number = new_id()
    assert say(stack, number, first)
    assert accounts(db, "telegram", number) == 1


def test_who_does_not_speak_to_us_gets_no_account(stack, db, new_id):
    number, before = new_id(), people_count(db)
    say(stack, number, "hello all", chat=-1001999999999)
    say(stack, number, "/start@otherbot", chat=-1001999999999)
    assert stack.api("GET", f"/v1/users/telegram/{number}").status_code == 404
    assert people_count(db) == before


# ---- by number alone --------------------------------------------------------------------------------------------------------------------


def test_one_number_on_two_platforms_is_two_people(people, stack, new_id):
    number = new_id()
    say(stack, number, "/lang ru", first_name="Anna", username="same")
    ask(stack, number, "lang", "same", "Anna", lang="en")
    telegram, discord = people.account("telegram", number), people.account("discord", number)
    assert telegram["id"] != discord["id"] and telegram["language"] == "ru" and discord["language"] == "en"
    assert telegram["identities"]["discord"] is None and discord["identities"]["telegram"] is None
    people.earn("telegram", number, 10, 1)
    assert people.balance("telegram", number) == (10, 1) and people.balance("discord", number) == (0, 0)


def test_who_takes_anothers_username_gets_nothing_of_his(people, stack, new_id):
    victim, thief = new_id(), new_id()
    name = f"famous{victim}"
    say(stack, victim, "/start", username=name, first_name="Victim")
    people.earn("telegram", victim, 50, 5)
    say(stack, victim, "/start", username=None, first_name="Victim")  # gives it up
    say(stack, thief, "/start", username=name, first_name="Victim")
    ask(stack, new_id(), "profile", name, "Victim")
    create(stack, "telegram", new_id(), username=name, name="Victim")
    assert people.balance("telegram", thief) == (0, 0) and people.balance("telegram", victim) == (50, 5)
    assert people.account("telegram", thief)["id"] != people.account("telegram", victim)["id"]
    assert stack.api("GET", f"/v1/users/telegram/{name}").status_code in (400, 404)
    assert stack.api("GET", f"/v1/users/telegram/@{name}").status_code in (400, 404)


@pytest.mark.parametrize("platform_id", ["0", "-1", "01", "1.0", "1e3", " 1", "1 ", "+1", "9223372036854775808", "99999999999999999999", "", "x", "٣", "0x10", "1\u0000", None, 1, True, [], {}])
def test_a_number_is_a_number(stack, db, platform_id):
    """contract.md 3: an integer from 1 to 2^63-1, as a string."""
    before = people_count(db)
    answer = stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": platform_id})
    assert answer.status_code == 400 and answer.headers["Content-Type"].startswith("application/problem+json"), answer.text
    assert people_count(db) == before


@pytest.mark.parametrize("number", [2**63 - 1, 2**53 + 1, 1152921504606846977])
def test_large_numbers_keep_every_digit(stack, number):
    for platform in ("telegram", "discord"):
        create(stack, platform, number)
        assert stack.api("GET", f"/v1/users/{platform}/{number}").json()["identities"][platform]["id"] == str(number)
        assert stack.api("GET", f"/v1/users/{platform}/{number - 1}").status_code == 404
    assert "Test" in say(stack, number, "/profile") and ask(stack, number, "profile")
    wait_for(lambda: stack.api("GET", f"/v1/users/telegram/{number}").json()["identities"]["telegram"]["username"] == f"tester{number}", what="the username")


# ---- what is shown follows ----------------------------------------------------------------------------------------------------------------


def shown(stack, platform, number):
    return stack.api("GET", f"/v1/users/{platform}/{number}").json()["identities"][platform]


def test_names_and_usernames_follow_the_platform(stack, new_id):
    number = new_id()
    say(stack, number, "/start", first_name="Anna", last_name=None, username="anna_old")
    assert shown(stack, "telegram", number) == {"id": str(number), "username": "anna_old", "name": "Anna"}
    say(stack, number, "/lang en", first_name="Anna", last_name="Kim", username="anna_new")
    wait_for(lambda: shown(stack, "telegram", number) == {"id": str(number), "username": "anna_new", "name": "Anna Kim"}, what="the new names")
    say(stack, number, "/lang en", first_name="Anna", last_name="Kim", username="anna_newer")
    wait_for(lambda: shown(stack, "telegram", number)["username"] == "anna_newer", what="a new username alone")
    say(stack, number, "/lang en", first_name="Anna", last_name=None, username=None)
    wait_for(lambda: shown(stack, "telegram", number) == {"id": str(number), "username": None, "name": "Anna"}, what="the end of the username")
    discord = new_id()
    ask(stack, discord, "lang", "bob", "Bob", lang="en")
    ask(stack, discord, "lang", "bob.b", "Bobby", lang="en")
    wait_for(lambda: shown(stack, "discord", discord) == {"id": str(discord), "username": "bob.b", "name": "Bobby"}, what="the new names")


def test_a_name_is_new_in_the_very_answer(stack, new_id):
    number = new_id()
    say(stack, number, "/start", first_name="Anna")
    assert say(stack, number, "/profile", first_name="Clara").startswith("Clara")
    assert ask(stack, new_id(), "profile", "bob", "Bob").startswith("**Bob**")


def test_reading_alone_brings_a_new_name_too(stack, new_id):
    """decisions.md 7: a command that only reads sends what changed as an event."""
    number = new_id()
    say(stack, number, "/profile", first_name="Anna", username="anna_old")
    say(stack, number, "/profile", first_name="Clara", username="clara_new")
    wait_for(lambda: shown(stack, "telegram", number) == {"id": str(number), "username": "clara_new", "name": "Clara"}, 5, "the new names")


def test_what_another_says_of_a_name_does_not_last(stack, new_id):
    """POST /v1/users may name a person; the person's own platform knows better."""
    number = new_id()
    create(stack, "telegram", number, username="guessed", name="Guessed")
    assert shown(stack, "telegram", number)["name"] == "Guessed"
    say(stack, number, "/lang en", first_name="Anna", username="anna_k")
    wait_for(lambda: shown(stack, "telegram", number) == {"id": str(number), "username": "anna_k", "name": "Anna"}, what="the person's own names")


def test_created_by_the_api_then_started_is_one_account(people, stack, db, new_id):
    number = new_id()
    made = create(stack, "telegram", number)
    people.earn("telegram", number, 20, 2)
    assert "Welcome" in say(stack, number, "/start")
    again = create(stack, "telegram", number)
    assert again["id"] == made["id"] == people.account("telegram", number)["id"]
    assert again["xp"] == 20 and again["created_at"] == made["created_at"] and accounts(db, "telegram", number) == 1
    assert "XP: 20" in say(stack, number, "/profile")


def test_one_person_at_two_bots_is_one_account(stack, db, new_id):
    number = new_id()
    for bot in ("main", "quiz"):
        say(stack, number, "/start", bot=bot)
    assert accounts(db, "telegram", number) == 1


# ---- the shape --------------------------------------------------------------------------------------------------------------------------


def check_shape(profile):
    assert PROFILE <= set(profile), profile
    assert isinstance(profile["xp"], int) and isinstance(profile["coins"], int)
    assert set(profile["rank"]) == {"id", "name", "xp", "next_name", "next_xp"}
    assert set(profile["identities"]) == {"telegram", "discord", "website"}
    for platform in ("telegram", "discord"):
        identity = profile["identities"][platform]
        assert identity is None or (set(identity) == {"id", "username", "name"} and re.fullmatch("[1-9][0-9]*", identity["id"]))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", profile["created_at"])
    assert profile["language"] in ("ru", "en", None) and isinstance(profile["badges"], list) and isinstance(profile["counters"], dict)


def test_the_unified_profile_has_its_shape(people, stack, new_id):
    number = new_id()
    made = create(stack, "telegram", number, username="ann_k", name="Ann")
    check_shape(made)
    assert made["identities"] == {"telegram": {"id": str(number), "username": "ann_k", "name": "Ann"}, "discord": None, "website": None}
    assert made["rank"] == {"id": 1, "name": "F I", "xp": 0, "next_name": "F II", "next_xp": 500}
    assert (made["xp"], made["coins"], made["badges"], made["display_name"]) == (0, 0, [], "Ann")
    assert {key: value for key, value in stack.api("GET", f"/v1/users/telegram/{number}").json().items() if key in PROFILE} == {key: made[key] for key in PROFILE}
    discord = new_id()
    people.discord(discord, "code", code=people.code_from_telegram(number))
    both = [people.account("telegram", number), people.account("discord", discord)]
    assert both[0] == both[1]
    check_shape(both[0])
    assert both[0]["identities"]["telegram"]["id"] == str(number) and both[0]["identities"]["discord"]["id"] == str(discord)


def test_ranks_follow_from_xp(people, stack, new_id):
    for xp, rank in ((499, (1, "F I", "F II", 500)), (500, (2, "F II", "F III", 1250)), (52250, (20, "S II", None, None))):
        number = new_id()
        create(stack, "telegram", number)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
        stack.api("POST", "/v1/events", {"events": [{"platform": "telegram", "platform_id": str(number), "type": "xp_change", "data": {"xp": xp, "reason": "x"}, "at": at,
                                                    "idempotency_key": f"rank:{number}"}]})
        profile = wait_for(lambda: (lambda p: p["xp"] >= xp and p)(people.account("telegram", number)), 10, "the points")
        check_shape(profile)
        assert (profile["rank"]["id"], profile["rank"]["name"], profile["rank"]["next_name"], profile["rank"]["next_xp"]) == rank


def test_an_unknown_person_is_404_of_its_own_type(stack, new_id):
    answer = stack.api("GET", f"/v1/users/telegram/{new_id()}")
    assert answer.status_code == 404 and answer.json()["type"].endswith("user-unknown")
    for path in ("/v1/users/icq/5", "/v1/users/Telegram/5", "/v1/users/website/x"):
        assert stack.api("GET", path).status_code in (400, 404), path
    answer = stack.api("POST", "/v1/users", {"platform": "icq", "platform_id": "5"})
    assert answer.status_code == 400 and answer.json().get("field") in ("platform", None)
