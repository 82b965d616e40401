"""/daily and /missions as people meet them on both platforms: what they say, what they pay once, and what a period's end pays by itself."""
import contextlib
import os
import re
import signal
import time

import pytest

from conftest import wait_for
from identity_test import at_once
from linking_test import People, buttons
from outside import parse_html

HOUR, DAY = 3600, 86400
# A Wednesday at noon, a good while after today: far from midnight and Monday whatever the hour is that the tests run at.
NOON = (int(time.time()) // (7 * DAY) + 2) * 7 * DAY + 6 * DAY + 12 * HOUR


class Calendar:
    """The stack's clock, set to instants."""

    def __init__(self, stack):
        self.stack = stack

    def now(self):
        return int(time.time()) + self.stack.clock()

    def set(self, instant):
        self.stack.set_clock(int(instant - time.time()))

    def move(self, seconds):
        self.stack.set_clock(self.stack.clock() + seconds)


@pytest.fixture
def clock(stack, new_id):
    calendar_of_stack = Calendar(stack)
    calendar_of_stack.set(NOON)
    # As play() does.
    wait_for(lambda: stack.post_telegram("main", stack.telegram_update(new_id(), "/daily")).status_code == 200, 20, "the ledger of that day")
    yield calendar_of_stack
    stack.set_clock(0)


@pytest.fixture
def people(stack, new_id):
    return People(stack, new_id)


def plain(text):
    """What a person reads: without Telegram's and Discord's marks of emphasis and escaping."""
    return parse_html(text)[0] if "<b>" in text else re.sub(r"\\(.)", r"\1", text.replace("**", ""))


def durations(text):
    """The same with every duration as T: they depend on the second."""
    return re.sub(r"\d+ (?:d|h|min|s|д|ч|мин|с)\b(?: \d+ (?:h|min|s|ч|мин|с)\b)?", "T", text)


def play(stack, users, won=True, platform="telegram", games=1):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(Calendar(stack).now() - 1))
    events = [{"platform": platform, "platform_id": str(user), "type": "game_played", "data": {"game": "go", "won": won}, "at": at,
               "idempotency_key": f"game:{platform}:{user}:{number}:{time.time_ns()}"} for user in users for number in range(games)]
    # Weeks ahead no partition is there yet: who comes while they are made may be asked to come again, with the same keys.
    answer = wait_for(lambda: (lambda a: a.status_code != 503 and a)(stack.api("POST", "/v1/events", {"events": events})), 20, "the answer")
    assert answer.status_code == 200 and answer.json()["accepted"] + answer.json()["duplicates"] == len(events), answer.text


def played(people, user, platform="telegram"):
    answer = people.stack.api("GET", f"/v1/users/{platform}/{user}")
    return answer.json()["counters"]["games_played"] if answer.status_code == 200 else 0


def dailies(db, platform, user):
    with db.cursor() as cursor:
        cursor.execute("SELECT b.dailies, b.daily_streak FROM account_balance b JOIN identity i USING (account_id) WHERE i.platform = %s AND i.platform_id = %s",
                       (platform, user))
        return cursor.fetchone()


def rows(db, user, kind, platform="telegram"):
    with db.cursor() as cursor:
        cursor.execute("SELECT l.xp, l.coins, l.reason, l.source FROM ledger l JOIN identity i ON i.account_id = l.user_id"
                       " WHERE i.platform = %s AND i.platform_id = %s AND l.kind = %s ORDER BY l.id", (platform, user, kind))
        return cursor.fetchall()


def link(people, telegram, discord):
    assert "Done!" in people.discord(discord, "code", code=people.code_from_telegram(telegram))


def claims(answer):
    """Labels and actions of the claim buttons."""
    markup = answer.get("reply_markup") or (answer["data"] if "data" in answer else answer)
    return {label: action for label, action in buttons(markup).items() if "claim" in action} if "inline_keyboard" in markup or "components" in markup else {}


# ---- /daily -----------------------------------------------------------------------------------------------------------------------------

DAILY_EN = """Your daily reward
🎉 You got 50 XP and 100 coins.
Streak: 1 day in a row.
🎁 1 reward waits in /missions
The next reward is in T. Come back within T and the streak goes on."""
DAILY_RU = """Награда за день
🎉 Получено: 50 XP и 100 монет.
Серия: 1 день подряд.
🎁 Ждёт 1 награда за задания: /missions
Следующая награда — через T. Вернитесь в течение T, и серия продолжится."""


def test_the_first_daily_in_both_languages_on_both_platforms(people, clock, new_id, db):
    for language, golden in (("en", DAILY_EN), ("ru", DAILY_RU)):
        telegram, discord = new_id(), new_id()
        assert durations(plain(people.telegram(telegram, "/daily", language=language))) == golden
        assert durations(plain(people.discord(discord, "daily", language=language))) == golden
        for platform, user in (("telegram", telegram), ("discord", discord)):
            assert people.balance(platform, user) == (50, 100)
            assert rows(db, user, "daily", platform) == [(50, 100, None, "telegram:main" if platform == "telegram" else "discord:discord")]


def test_too_early_says_how_long_to_wait(people, clock, new_id, db):
    user = new_id()
    people.telegram(user, "/daily")
    clock.move(19 * HOUR + 1800)
    assert re.search(r"You have this reward already\. The next one is in (29|30) min", people.telegram(user, "/daily"))
    assert re.search(r"Эту награду вы уже забрали\. Следующая — через (29|30) мин", people.telegram(user, "/daily", language="ru"))
    assert len(rows(db, user, "daily")) == 1
    clock.move(1800)
    assert "2 days in a row" in people.telegram(user, "/daily")
    assert [row[:2] for row in rows(db, user, "daily")] == [(50, 100), (55, 110)]


def test_a_doubled_update_has_one_effect_and_the_same_reply(people, stack, clock, new_id, db):
    user = new_id()
    update = stack.telegram_update(user, "/daily")
    found = at_once(5, lambda _: wait_for(lambda: (lambda a: a.status_code == 200 and a)(stack.post_telegram("main", update)), 20, "the answer").text)
    assert len(set(found)) == 1 and "You got" in found[0]
    interaction = stack.discord_interaction(user, 2, {"id": "1", "name": "daily", "type": 1, "options": []})
    found = at_once(5, lambda _: stack.post_discord(interaction).text)
    assert len([text for text in found if "You got" in text]) >= 1
    assert dailies(db, "telegram", user) == (1, 1) and dailies(db, "discord", user) == (1, 1)


def test_two_linked_platforms_at_the_same_instant_are_one_daily(people, clock, new_id, db):
    telegram, discord = new_id(), new_id()
    link(people, telegram, discord)
    before = people.balance("telegram", telegram)
    found = at_once(6, lambda n: people.telegram(telegram, "/daily") if n % 2 else people.discord(discord, "daily"))
    assert len([text for text in found if "You got" in text]) == 1 and len([text for text in found if "already" in text]) == 5
    assert dailies(db, "telegram", telegram) == (1, 1)
    assert people.balance("discord", discord) == (before[0] + 50, before[1] + 100)


def test_a_streak_grows_brings_its_badge_and_ends_after_48_hours(people, clock, new_id, db):
    user = new_id()
    for day, (xp, coins) in enumerate([(50, 100), (55, 110), (60, 120)], 1):
        text = plain(people.telegram(user, "/daily"))
        assert f"You got {xp} XP and {coins} coins." in text and f"Streak: {day} day" in text
        assert ("A new badge for your streak: /badges" in text) == (day == 3)
        clock.move(DAY if day < 3 else 47 * HOUR + 3500)
    assert "streak_3" in people.account("telegram", user)["badges"]
    assert "Streak: 4 days" in plain(people.telegram(user, "/daily"))
    clock.move(48 * HOUR + 60)
    assert "Streak: 1 day in a row" in plain(people.telegram(user, "/daily"))
    assert dailies(db, "telegram", user) == (5, 1)


def test_who_unlinks_cannot_take_it_a_second_time(people, clock, new_id):
    telegram, discord = new_id(), new_id()
    link(people, telegram, discord)
    people.telegram(telegram, "/daily")
    question = people.stack.command_discord(discord, "unlink")
    people.press_discord(discord, next(action for action in buttons(question["data"]).values() if action.startswith("unlink_yes")))
    assert people.account("discord", discord)["id"] != people.account("telegram", telegram)["id"]
    assert "already" in people.discord(discord, "daily")
    assert people.balance("discord", discord) == (0, 0)
    # Nor is there a mission to claim that the other side has.
    assert "already have the reward" in people.press_discord(discord, f"mission_claim:3:{clock.now() // DAY}")["data"]["content"]


def test_in_a_group_everybody_may_see_it(people, clock, new_id):
    answer = people.stack.command_telegram(new_id(), "/daily", chat=-1001234567890)
    assert answer["chat_id"] == -1001234567890 and "You got" in answer["text"]
    assert "flags" not in people.stack.command_discord(new_id(), "daily")["data"]


# ---- /missions --------------------------------------------------------------------------------------------------------------------------

MISSIONS_EN = """Missions
Today (T left)
▫️ Play 3 games: 1/3 — 50 coins
🎁 Win a game: 1/1 — 100 coins
▫️ Come back today (/daily): 0/1 — 10 coins
This week (T left)
▫️ Play 20 games: 1/20 — 500 coins
▫️ Win 10 games: 1/10 — 1000 coins
▫️ Win 5 games in a row: 1/5 — 1500 coins
Once
✅ Play your first game: 1/1 — 50 coins
▫️ Play 5 games: 1/5 — 100 coins
✅ Win your first game: 1/1 — 75 coins
▫️ Win 3 games in a row: 1/3 — 200 coins
▫️ Play 10 games: 1/10 — 250 coins
▫️ Play 50 games: 1/50 — 1000 coins
▫️ Play 100 games: 1/100 — 2500 coins
▫️ Link a second platform: 0/2 — 150 coins
▫️ Complete your profile: 0/1 — 150 coins
▫️ Use your first promo code: 0/1 — 150 coins
▫️ Invite a friend who qualifies: 0/1 — 200 coins
▫️ Win 25 games: 1/25 — 2500 coins
▫️ Win 10 games in a row: 1/10 — 5000 coins"""
MISSIONS_RU = """Задания
Сегодня (осталось T)
▫️ Сыграйте 3 игры: 1/3 — 50 монет
🎁 Победите в игре: 1/1 — 100 монет
▫️ Загляните сегодня (/daily): 0/1 — 10 монет
На этой неделе (осталось T)
▫️ Сыграйте 20 игр: 1/20 — 500 монет
▫️ Победите в 10 играх: 1/10 — 1000 монет
▫️ Победите 5 раз подряд: 1/5 — 1500 монет
Один раз
✅ Сыграйте первую игру: 1/1 — 50 монет
▫️ Сыграйте 5 игр: 1/5 — 100 монет
✅ Победите впервые: 1/1 — 75 монет"""


@pytest.fixture
def winners(stack, people, clock, new_id):
    """A person of each platform who has won one game: its mission of the day waits to be claimed."""
    telegram, discord = new_id(), new_id()
    play(stack, [telegram])
    play(stack, [discord], platform="discord")
    wait_for(lambda: played(people, telegram) == 1 and played(people, discord, "discord") == 1, 10, "the games")
    return telegram, discord


def test_the_list_in_both_languages_on_both_platforms(people, winners):
    telegram, discord = winners
    assert durations(plain(people.telegram(telegram, "/missions"))) == MISSIONS_EN
    assert durations(plain(people.discord(discord, "missions"))) == MISSIONS_EN
    assert durations(plain(people.telegram(telegram, "/missions", language="ru"))).startswith(MISSIONS_RU)
    assert durations(plain(people.discord(discord, "missions", language="ru"))).startswith(MISSIONS_RU)
    assert list(claims(people.stack.command_telegram(telegram, "/missions"))) == ["Claim: Win a game"]
    assert list(claims(people.stack.command_discord(discord, "missions", language="ru"))) == ["Забрать: Победите в игре"]


def test_a_button_pays_once_and_shows_the_list_anew(people, stack, winners, clock, db):
    telegram, discord = winners
    action = f"mission_claim:2:{clock.now() // DAY}"
    assert claims(stack.command_telegram(telegram, "/missions")) == {"Claim: Win a game": action}
    before = people.balance("telegram", telegram)
    edited = people.press_telegram(telegram, action)
    assert edited["method"] == "editMessageText" and claims(edited) == {}
    assert plain(edited["text"]).startswith("🎉 You got 100 coins.\nMissions\n") and "✅ Win a game: 1/1" in plain(edited["text"])
    assert people.balance("telegram", telegram) == (before[0], before[1] + 100)
    again = people.press_telegram(telegram, action)
    assert again["text"].startswith("You already have the reward of this mission.")
    updated = people.press_discord(discord, action)
    assert updated["type"] == 7 and updated["data"]["content"].startswith("🎉 You got **100** coins.") and claims(updated) == {}
    assert people.press_discord(discord, action)["data"]["content"].startswith("You already have the reward")
    assert rows(db, telegram, "mission_completed")[-1] == (0, 100, "daily_win_1", "telegram:main")
    assert people.balance("telegram", telegram) == (before[0], before[1] + 100)


def test_five_copies_of_a_claim_at_once_pay_once_and_read_alike(people, stack, winners, clock, db):
    telegram, _ = winners
    update = stack.telegram_update(telegram, "x")
    message = {**update["message"], "from": {"id": 1, "is_bot": True, "first_name": "Bot"}}
    press = {"update_id": update["update_id"], "callback_query": {"id": "1", "from": update["message"]["from"], "message": message, "chat_instance": "1",
                                                                 "data": f"mission_claim:2:{clock.now() // DAY}"}}
    found = at_once(5, lambda _: wait_for(lambda: (lambda a: a.status_code == 200 and a)(stack.post_telegram("main", press)), 20, "the answer").text)
    assert len(set(found)) == 1 and "You got" in found[0]
    assert len([row for row in rows(db, telegram, "mission_completed") if row[2] == "daily_win_1"]) == 1


def test_five_presses_at_once_pay_once(people, winners, clock, db):
    telegram, _ = winners
    found = at_once(4, lambda _: people.press_telegram(telegram, f"mission_claim:2:{clock.now() // DAY}")["text"])
    assert len([text for text in found if "You got" in text]) == 1 and len([text for text in found if "already have" in text]) == 3
    assert len([row for row in rows(db, telegram, "mission_completed") if row[2] == "daily_win_1"]) == 1


def test_all_that_wait_are_claimed_by_one_button(people, stack, clock, new_id):
    user = new_id()
    play(stack, [user], games=5)
    wait_for(lambda: played(people, user) == 5, 10, "the games")
    people.telegram(user, "/daily")
    listed = claims(stack.command_telegram(user, "/missions"))
    assert list(listed) == ["Claim all", "Claim: Play 3 games", "Claim: Win a game", "Claim: Come back today (/daily)", "Claim: Win 5 games in a row"]
    before = people.balance("telegram", user)
    assert "You got 1660 coins." in plain(people.press_telegram(user, listed["Claim all"])["text"])
    assert people.balance("telegram", user) == (before[0], before[1] + 50 + 100 + 10 + 1500)
    assert people.press_telegram(user, listed["Claim all"])["text"].startswith("There is nothing to claim yet.")


@pytest.mark.parametrize("argument, words", [("77:0", "There is no such mission any more."), ("1:0", "This mission is not completed yet."),
                                             ("8:0", "This mission is not completed yet."), ("2:1", "The time of this mission is over."),
                                             ("x", "This button no longer works."), ("2", "This button no longer works."), ("2:-1", "This button no longer works."),
                                             ("2:99999999999999999999", "This button no longer works."), ("", "This button no longer works.")])
def test_each_refusal_has_its_words(people, clock, new_id, argument, words):
    user = new_id()
    assert people.press_telegram(user, f"mission_claim:{argument}")["text"].startswith(words)
    assert people.press_discord(user, f"mission_claim:{argument}")["data"]["content"].startswith(words)
    assert people.balance("telegram", user) == (0, 0)


def test_in_a_group_it_is_private(people, clock, new_id):
    answer = people.stack.command_telegram(new_id(), "/missions", chat=-1001234567890)
    assert "private chat" in answer["text"]
    assert people.stack.command_discord(new_id(), "missions")["data"]["flags"] == 64


def test_more_missions_than_a_page_holds_are_paged(people, stack, clock, new_id, db):
    user = new_id()
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO missions (code, period, name, name_ru, counter, goal, coins) SELECT 'paged_' || n, 'once', 'Paged ' || n, 'Лист ' || n,"
                       " 'messages_sent', 1000000 + n, n FROM generate_series(1, 30) AS n")
    try:
        first = stack.command_telegram(user, "/missions")
        assert "Paged 1:" in first["text"] and "Paged 2:" not in first["text"]
        assert buttons(first["reply_markup"]) == {"Next ▶": "missions_page:2"}
        second = people.press_telegram(user, "missions_page:2")
        assert second["method"] == "editMessageText" and "Paged 2:" in second["text"] and "Paged 21:" in second["text"] and "Paged 22:" not in second["text"]
        assert buttons(second["reply_markup"]) == {"◀ Back": "missions_page:1", "Next ▶": "missions_page:3"}
        last = people.press_discord(user, "missions_page:200")
        assert "Paged 30:" in last["data"]["content"] and buttons(last["data"]) == {"◀ Back": "missions_page:2"}
        assert "Page 3 of 3" in last["data"]["content"]
        for wrong in ("x", "0", ""):
            assert people.press_telegram(user, f"missions_page:{wrong}")["text"] == "This button no longer works."
    finally:
        with db.cursor() as cursor:
            cursor.execute("DELETE FROM missions WHERE code LIKE 'paged%'")


# ---- the end of a period ----------------------------------------------------------------------------------------------------------------


def test_what_nobody_claimed_is_paid_when_the_day_and_the_week_are_over(people, stack, clock, new_id, db):
    user = new_id()
    play(stack, [user], games=5)
    wait_for(lambda: played(people, user) == 5, 10, "the games")
    before = people.balance("telegram", user)
    day = clock.now() // DAY
    time.sleep(6)  # a look of the worker: nothing outside shows that nothing was due
    assert people.balance("telegram", user) == before
    clock.move(12 * HOUR)
    wait_for(lambda: people.balance("telegram", user) == (before[0], before[1] + 150), 10, "the day's reward")
    assert people.press_telegram(user, f"mission_claim:2:{day}")["text"].startswith("The time of this mission is over.")
    clock.move(4 * DAY)
    wait_for(lambda: people.balance("telegram", user) == (before[0], before[1] + 1650), 10, "the week's reward")
    assert sorted(row[2:] for row in rows(db, user, "mission_completed") if row[3] == "missions") == [
        ("daily_play_3", "missions"), ("daily_win_1", "missions"), ("weekly_row_5", "missions")]


def test_a_merged_accounts_mission_pays_the_survivor(people, stack, winners, clock):
    telegram, discord = winners
    assert "1/1" in people.discord(discord, "missions")
    code = people.code_from_telegram(telegram)
    question = stack.command_discord(discord, "code", code=code)
    people.press_discord(discord, next(iter(buttons(question["data"]).values())))
    assert people.account("discord", discord)["id"] == people.account("telegram", telegram)["id"]
    before = people.balance("telegram", telegram)
    clock.move(DAY)
    wait_for(lambda: people.balance("telegram", telegram) == (before[0], before[1] + 100), 10, "the reward, once for both")


def test_two_workers_killed_again_and_again_pay_each_once(another_stack, new_id):
    stack = another_stack(WORKERS="2")
    stack.up()
    Calendar(stack).set(NOON)
    people, users, left = People(stack, new_id), [new_id() for _ in range(1000)], []
    play(stack, users)
    with stack.connect() as db, db.cursor() as cursor:
        db.autocommit = True

        def unclaimed():
            cursor.execute("SELECT count(*) FROM mission_progress WHERE claimed_at IS NULL")
            return cursor.fetchone()[0]

        wait_for(lambda: unclaimed() == 1000, 30, "the games")
        offset = Calendar(stack).now() + DAY - int(time.time())
        with open(stack.run_dir + "/clock", "w") as file:  # without waiting: the payment begins within a second, and is to be met
            file.write(f"{offset}\n")
        for wanted in (999, 700, 400, 100):
            wait_for(lambda: unclaimed() <= wanted, 30, "a portion")
            for name in ("trivet-worker", "trivet-worker.2"):
                if pid := stack.pid(name):
                    with contextlib.suppress(ProcessLookupError):  # it is being started again
                        os.kill(pid, signal.SIGKILL)
            left.append(unclaimed())
        assert any(0 < count < 1000 for count in left), f"no kill met the payment: {left} were left"
        wait_for(lambda: unclaimed() == 0, 60, "the rewards")
        cursor.execute("SELECT count(*), count(DISTINCT user_id), sum(coins) FROM ledger WHERE reason = 'daily_win_1'")
        assert cursor.fetchone() == (1000, 1000, 100000)
    assert people.balance("telegram", users[0]) == (100, 275)  # 100 of the mission, 175 of the badge and missions that came with the first game
    assert "0 differences" in stack.trivet("verify").stdout


def test_nothing_of_all_this_is_missing_in_the_ledger(stack):
    assert "0 differences" in stack.trivet("verify").stdout
