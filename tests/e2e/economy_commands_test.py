"""What members read of the economy in their chats, what they choose there, and what they are told."""
import datetime
import itertools
import re
import time

import pytest
import redis

from boards_test import settled  # noqa: F401 (a fixture)
from conftest import execute, wait_for
from linking_test import buttons, people  # noqa: F401 (a fixture)

GROUP = -1001234567890  # registered by `make up`
EPHEMERAL = 64
DAY = 86400


def today(language="en"):
    return datetime.datetime.now(datetime.timezone.utc).strftime("%d.%m.%Y" if language == "ru" else "%Y-%m-%d")


def place(stack, platform, number, **query):
    """As the service API knows it."""
    answer = stack.request("GET", "/v1/leaderboard", params={"platform": platform, "id": str(number), **query}, headers={"Authorization": "Bearer " + stack.env["API_KEY"]})
    assert answer.status_code == 200, answer.text
    return answer.json()["me"]["place"]


def event(number, kind, data, platform="telegram", keys=itertools.count(time.time_ns())):
    return {"platform": platform, "platform_id": str(number), "type": kind, "data": data, "idempotency_key": f"economy-commands:{next(keys)}",
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))}


def send_events(stack, *events):
    answer = stack.api("POST", "/v1/events", {"events": list(events)})
    assert answer.status_code == 200 and answer.json()["accepted"] == len(events), answer.text


def counter(stack, platform, number, name):
    return stack.api("GET", f"/v1/users/{platform}/{number}").json()["counters"][name]


def account_of(db, number):
    return execute(db, "SELECT account_id FROM identity WHERE platform_id = %s", number)[0][0]


def people_earn_at_once(people, person, xp, platform="telegram"):
    """Without a look at the coins: ranks and badges add to them."""
    send_events(people.stack, event(person, "xp_change", {"xp": xp, "reason": "test"}, platform))
    wait_for(lambda: people.balance(platform, person)[0] >= xp, 10, "the XP")


# ---- /help ------------------------------------------------------------------------------------------------------------------------------


def test_help_names_every_command_whole_on_both_platforms(stack, new_id):
    told = stack.command_telegram(new_id(), "/help")["text"]
    shown = stack.command_discord(new_id(), "help")["data"]["content"]
    for text in (told, shown):
        assert "…" not in text
        for name in ("rank", "top", "balance", "badges", "notify", "name", "lang"):
            assert f"/{name} — " in text, text
    russian = stack.command_discord(new_id(), "help", language="ru")["data"]["content"]
    assert "…" not in russian and "/rank — Ранг, опыт и место" in russian


# ---- /rank ------------------------------------------------------------------------------------------------------------------------------


def test_rank_as_it_is_read_on_each_platform(people, stack, settled, new_id):
    telegram, discord = new_id(), new_id()
    people_earn_at_once(people, telegram, 750)
    people_earn_at_once(people, discord, 2250, "discord")
    settled()
    assert people.telegram(telegram, "/rank") == f"<b>Test — F II</b>\nXP: <b>750</b>\n▰▰▰▱▱▱▱▱▱▱ to rank F III: 500 XP more\nPlace among all: <b>{place(stack, 'telegram', telegram)}</b>"
    assert people.telegram(telegram, "/rank", language="ru") == \
        f"<b>Test — F II</b>\nОпыт: <b>750</b>\n▰▰▰▱▱▱▱▱▱▱ до ранга F III: ещё 500 XP\nМесто среди всех: <b>{place(stack, 'telegram', telegram)}</b>"
    assert people.discord(discord, "rank") == f"**Test — E I**\nXP: **2250**\n▱▱▱▱▱▱▱▱▱▱ to rank E II: 1250 XP more\nPlace among all: **{place(stack, 'discord', discord)}**"
    assert people.discord(discord, "rank", language="ru") == \
        f"**Test — E I**\nОпыт: **2250**\n▱▱▱▱▱▱▱▱▱▱ до ранга E II: ещё 1250 XP\nМесто среди всех: **{place(stack, 'discord', discord)}**"


def test_the_highest_rank_has_nothing_above_it(people, settled, new_id):
    person = new_id()
    people_earn_at_once(people, person, 60_000)
    settled()
    assert "This is the highest rank." in people.telegram(person, "/rank") and "Test — S II" in people.telegram(person, "/rank")


def test_rank_is_answered_in_the_open_and_first_contact_makes_the_account(people, stack, new_id):
    person = new_id()
    answer = stack.command_telegram(person, "/rank", chat=GROUP)
    assert answer["chat_id"] == GROUP and "F I" in answer["text"]
    assert people.balance("telegram", person) == (0, 0) and people.account("telegram", person)["rank"]["name"] == "F I"
    assert "flags" not in stack.command_discord(new_id(), "rank")["data"]


def test_rank_without_redis_leaves_out_the_place_alone(people, stack, new_id):
    person = new_id()
    people.earn("telegram", person, xp=100)
    stack.command("stop", "redis")
    try:
        text = people.telegram(person, "/rank")
        assert "XP: <b>100</b>" in text and "Place among all: a little later" in text
        assert "counted anew" in people.telegram(person, "/top") and "пересчитываются" in people.discord(new_id(), "top", language="ru")
        assert "coins" in people.telegram(person, "/balance") and "Badges" in people.telegram(person, "/badges")
    finally:
        stack.command("start", "redis")
    wait_for(lambda: "Place among all: <b>" in people.telegram(person, "/rank"), 20, "the boards")


def test_while_the_boards_are_made_anew_all_but_places_is_told(people, stack, settled, new_id):
    person = new_id()
    people.earn("telegram", person, xp=100)
    settled()
    stack.command("stop", "trivet-worker")
    try:
        redis.Redis.from_url(stack.env["REDIS_URL"]).flushall()
        assert "a little later" in people.telegram(person, "/rank")
        later = stack.command_telegram(person, "/top week", chat=GROUP)
        assert later["chat_id"] == GROUP and later["text"] == "The places are being counted anew. Try again later."
        pressed = people.press_telegram(person, "top_show:week:xp")
        assert pressed["method"] == "answerCallbackQuery" and pressed["text"] == later["text"]
        pressed = people.press_discord(person, "top_show:week:xp")
        assert pressed["type"] == 4 and pressed["data"]["flags"] & EPHEMERAL and "counted anew" in pressed["data"]["content"]
    finally:
        stack.command("start", "trivet-worker")
    wait_for(lambda: "Place among all: <b>" in people.telegram(person, "/rank"), 20, "the boards")


# ---- /top -------------------------------------------------------------------------------------------------------------------------------


def give_much(people, person, coins=0, xp=0):
    events = [event(person, "xp_change", {"xp": 1_000_000, "reason": "t"}) for _ in range(xp)] + [event(person, "coins_change", {"coins": 1_000_000, "reason": "t"}) for _ in range(coins)]
    send_events(people.stack, *events)
    wait_for(lambda: people.balance("telegram", person)[0] >= xp * 1_000_000 and people.balance("telegram", person)[1] >= coins * 1_000_000, 10, "the sums")
    return people.balance("telegram", person)


def test_top_shows_the_first_ten_and_ones_own_place(people, stack, settled, new_id):
    first, nobody = new_id(), new_id()
    stack.command_telegram(first, "/name <b>Max</b> *bold* _x_")
    xp, coins = give_much(people, first, coins=9, xp=9)
    settled()
    answer = stack.command_telegram(nobody, "/top")
    lines = answer["text"].split("\n")
    assert lines[0] == "<b>🏆 All time: XP</b>"
    assert lines[1] == f"1. &lt;b&gt;Max&lt;/b&gt; *bold* _x_ (S II) — <b>{xp}</b>"
    assert lines[-2:] == ["", "Test: no place yet"] and len(lines) <= 1 + 10 + 2
    assert buttons(answer["reply_markup"]) == {"Season": "top_show:season:xp", "Week": "top_show:week:xp", "By coins": "top_show:all:coins"}
    own = people.telegram(first, "/top season").split("\n")
    assert own[0] == "<b>🏆 Season: XP</b>" and re.fullmatch(r"&lt;b&gt;Max&lt;/b&gt; \*bold\* _x_: place <b>1</b> \(\d+\)", own[-1])
    shown = stack.command_discord(nobody, "top", board="all", language="ru")["data"]
    lines = shown["content"].split("\n")
    assert lines[0] == "**🏆 За всё время: опыт**" and lines[1] == f"1\\. \\<b>Max\\</b> \\*bold\\* \\_x\\_ (S II) — **{xp}**" and lines[-1] == "Test: пока без места"
    assert "flags" not in shown and list(buttons(shown)) == ["Сезон", "Неделя", "По монетам"]
    # a button changes the message that held it
    pressed = people.press_telegram(nobody, "top_show:all:coins")
    assert pressed["method"] == "editMessageText" and pressed["text"].startswith("<b>🏆 All time: coins</b>\n1. ") and str(coins) in pressed["text"]
    assert set(buttons(pressed["reply_markup"])) == {"Season", "Week", "By XP"}
    pressed = people.press_discord(nobody, "top_show:week:coins")
    assert pressed["type"] == 7 and "**🏆 Week: coins**" in pressed["data"]["content"]


@pytest.mark.parametrize("action", ["top_show", "top_show:", "top_show:year:xp", "top_show:all:level", "top_show:all", "top_show:all:xp:1", "badges_page:0", "badges_page:x", "badges_page:",
                                    "notify_set:rank", "notify_set:rank:maybe", "notify_set:sound:on", "notify_set::on"])
def test_a_button_that_we_never_made_does_nothing(people, new_id, action):
    person = new_id()
    assert people.press_telegram(person, action)["text"] == "This button no longer works."
    assert "no longer works" in people.press_discord(new_id(), action)["data"]["content"]


@pytest.mark.parametrize("board,language,words", [("year", "en", "“year” does not fit. Possible: all season week"), ("год", "ru", "«год» не подходит. Можно: all season week")])
def test_a_board_that_is_none_is_refused(people, new_id, board, language, words):
    assert people.telegram(new_id(), f"/top {board}", language=language) == words
    assert people.discord(new_id(), "top", board=board, language=language) == words


def test_who_hides_is_told_his_place_and_nobody_else_is(people, stack, db, settled, new_id):
    person = new_id()
    give_much(people, person, coins=5)
    settled()
    execute(db, "UPDATE account SET hidden = true WHERE id = %s", account_of(db, person))
    settled()
    mine = people.press_telegram(person, "top_show:all:coins")["text"].split("\n")
    assert mine[-1] == "You are hidden: others do not see you here." and re.match(r"Test: place <b>\d+</b> \(5\d{6}\)", mine[-2])
    assert not any("(5" in line for line in mine[1:-2]) and "Place among all" in people.telegram(person, "/rank")
    in_group = stack.command_telegram(person, "/top", chat=GROUP)["text"]
    assert "Test: " not in in_group and "hidden" not in in_group
    assert "Place" not in stack.command_telegram(person, "/rank", chat=GROUP)["text"]


# ---- /balance ---------------------------------------------------------------------------------------------------------------------------


def test_balance_before_anything_happened(people, stack, new_id):
    assert people.telegram(new_id(), "/balance") == "Balance: <b>0</b> coins\n\nNothing has happened yet. Messages, games and missions bring XP and coins."
    shown = stack.command_discord(new_id(), "balance", language="ru")["data"]
    assert shown["flags"] & EPHEMERAL and shown["content"] == "Баланс: **0** монет\n\nПока ничего не было. Опыт и монеты приносят сообщения, игры и задания."


def test_balance_says_where_coins_came_from_in_words(people, stack, new_id):
    person = new_id()
    people.earn("telegram", person, coins=700)
    people.earn("telegram", person, coins=-21)
    send_events(stack, event(person, "achievement_unlock", {"badge": "season_champion"}))
    wait_for(lambda: people.balance("telegram", person)[0] == 5000, 10, "the badge")
    coins = people.balance("telegram", person)[1]
    lines = people.telegram(person, "/balance").split("\n")
    assert lines[:3] == [f"Balance: <b>{coins}</b> coins", "", "Latest:"]
    assert f"{today()} · Badge “Season champion”: +5000 XP, +2500 coins" in lines and f"{today()} · New rank “E III”: +300 coins" in lines
    assert lines[-2:] == [f"{today()} · Coins “test”: −21 coins", f"{today()} · Coins “test”: +700 coins"] and len(lines) <= 3 + 8
    lines = people.telegram(person, "/balance", language="ru").split("\n")
    assert f"{today('ru')} · Значок «Чемпион сезона»: +5000 XP, +2500 монет" in lines and lines[-2] == f"{today('ru')} · Монеты «test»: −21 монета"


def test_balance_adds_up_messages_and_escapes_reasons(people, stack, db, new_id):
    person = new_id()
    send_events(stack, event(person, "coins_change", {"coins": 1, "reason": "<i>quiz</i> & " + "x" * 60}))
    send_events(stack, *[event(person, "voice_time", {"seconds": 600}) for _ in range(5)])
    wait_for(lambda: people.balance("telegram", person) == (10, 1), 10, "the events")
    assert people.telegram(person, "/balance").split("\n")[3:] == [
        f"{today()} · Voice chat: +10 XP", f"{today()} · Coins “&lt;i&gt;quiz&lt;/i&gt; &amp; " + "x" * 26 + "”: +1 coin"]


def test_balance_tells_what_both_halves_of_a_joined_account_did(people, stack, new_id):
    one, two = new_id(), new_id()
    people.earn("telegram", one, coins=3)
    people.earn("discord", two, coins=40)
    stack.trivet("user", "merge", f"telegram:{one}", f"discord:{two}")
    assert people.telegram(one, "/balance") and people.telegram(one, "/balance") == people.telegram(one, "/balance")
    text = people.discord(two, "balance")
    assert "Coins “test”: +3 coins" in text and "Coins “test”: +40 coins" in text and "Accounts joined: " in text and "Badge “Linked”: +100 XP, +100 coins" in text


def test_private_matters_point_to_the_private_chat_in_a_group(stack, new_id):
    for name in ("balance", "badges", "notify", "name"):
        answer = stack.command_telegram(new_id(), f"/{name}", chat=GROUP)
        assert answer["chat_id"] == GROUP and answer["text"] == "This is private. Write to me in the private chat."
        assert stack.command_discord(new_id(), name)["data"]["flags"] & EPHEMERAL


# ---- /badges ----------------------------------------------------------------------------------------------------------------------------


def test_badges_with_dates_and_progress_page_by_page(people, stack, new_id):
    person = new_id()
    send_events(stack, *[event(person, "game_played", {"game": "chess", "won": n < 3}) for n in range(7)])
    wait_for(lambda: counter(stack, "telegram", person, "games_played") == 7, 10, "the games")
    answer = stack.command_telegram(person, "/badges")
    total = int(re.match(r"<b>Badges: 1 of (\d+)</b>", answer["text"]).group(1))
    pages = (total + 5) // 6
    lines = answer["text"].split("\n")
    assert total >= 18 and lines[1:5] == [f"🏅 <b>First win</b> — {today()}", "<i>Win a game</i>", "▫️ <b>Winner</b> ▰▰▰▱▱▱▱▱▱▱ 3/10", "<i>Win 10 games</i>"]
    assert lines[-1] == f"Page 1 of {pages}" and buttons(answer["reply_markup"]) == {"Next ▶": "badges_page:2"}
    seen = set()
    for page in range(1, pages + 1):
        pressed = people.press_telegram(person, f"badges_page:{page}")
        assert pressed["method"] == "editMessageText"
        seen |= set(re.findall(r"(?:🏅|▫️) <b>(.*?)</b>", pressed["text"]))
        assert ("◀ Back" in str(pressed["reply_markup"])) == (page > 1) and ("Next ▶" in str(pressed["reply_markup"])) == (page < pages)
    assert len(seen) == total and "Season champion" in seen
    assert people.press_telegram(person, "badges_page:99")["text"].endswith(f"Page {pages} of {pages}")
    shown = people.press_discord(person, "badges_page:2")
    assert shown["type"] == 7 and "**Badges: 0 of " in shown["data"]["content"]
    russian = stack.command_discord(new_id(), "badges", language="ru")["data"]["content"].split("\n")
    assert russian[1:3] == ["▫️ **Первая победа** ▱▱▱▱▱▱▱▱▱▱ 0/1", "*Победите в игре*"]


# ---- /notify, and what is told -----------------------------------------------------------------------------------------------------------


def test_notify_shows_and_switches_each_notice(people, stack, db, new_id):
    person = new_id()
    answer = stack.command_telegram(person, "/notify")
    assert answer["text"] == "<b>Notices</b>\n✅ New rank\n▫️ Badges\n▫️ Missions\n✅ Reminders\nPress to switch on or off."
    assert buttons(answer["reply_markup"]) == {"✅ New rank": "notify_set:rank:off", "▫️ Badges": "notify_set:badges:on", "▫️ Missions": "notify_set:missions:on",
                                               "✅ Reminders": "notify_set:reminders:off"}
    pressed = people.press_telegram(person, "notify_set:badges:on")
    assert pressed["method"] == "editMessageText" and "✅ Badges" in pressed["text"] and buttons(pressed["reply_markup"])["✅ Badges"] == "notify_set:badges:off"
    assert "▫️ New rank" in people.press_telegram(person, "notify_set:rank:off")["text"]
    assert "✅ Missions" in people.press_telegram(person, "notify_set:missions:on")["text"]
    assert "▫️ Reminders" in people.press_telegram(person, "notify_set:reminders:off")["text"]
    assert execute(db, "SELECT notify_rank, notify_badges, notify_missions, notify_reminders FROM account WHERE id = %s", account_of(db, person)) == [(False, True, True, False)]
    assert people.telegram(person, "/notify", language="ru") == \
        "<b>Уведомления</b>\n▫️ Новый ранг\n✅ Значки\n✅ Задания\n▫️ Напоминания\nНажмите, чтобы включить или выключить."
    other = new_id()
    pressed = people.press_discord(other, "notify_set:badges:on")
    assert pressed["type"] == 7 and pressed["data"]["content"] == "**Notices**\n✅ New rank\n✅ Badges\n▫️ Missions\n✅ Reminders\nPress to switch on or off."


def told(fakes, number, platform="telegram"):
    """What was sent to somebody's chat, by the text."""
    calls = [c["body"] for c in fakes.calls(platform=platform)]
    return [str(body.get("text") or body.get("content")) for body in calls if str(body.get("chat_id")) == str(number)]


def test_badges_and_missions_are_told_to_those_who_want_to_hear(people, stack, fakes, new_id):
    wants, quiet = new_id(), new_id()
    for person in (wants, quiet):
        stack.command_telegram(person, "/start")
        stack.command_telegram(person, "/lang ru")
    people.press_telegram(wants, "notify_set:badges:on")
    people.press_telegram(wants, "notify_set:missions:on")
    send_events(stack, *[event(person, "game_played", {"game": "chess", "won": True}) for person in (quiet, wants)])
    wait_for(lambda: len(told(fakes, wants)) >= 2, 10, "the notices")
    badge, mission = sorted(told(fakes, wants), key=lambda text: "Задание" in text)
    assert badge == "🏅 Новый значок: <b>Первая победа</b>\nНаграда: 100 XP и 50 монет."
    assert mission == "\n".join(["🎯 Задание выполнено: <b>Победите в игре</b>", "Награда: 100 монет.", "🎯 Задание выполнено: <b>Сыграйте первую игру</b>", "Награда: 50 монет.",
                                 "🎯 Задание выполнено: <b>Победите впервые</b>", "Награда: 75 монет.", "Забрать награду: /missions"])
    assert told(fakes, quiet) == []


def test_a_jump_over_ranks_is_one_notice_and_none_for_who_wants_none(people, stack, fakes, new_id):
    wants, quiet = new_id(), new_id()
    for person in (wants, quiet):
        stack.command_telegram(person, "/start")
    people.press_telegram(quiet, "notify_set:rank:off")
    send_events(stack, event(quiet, "xp_change", {"xp": 52_250, "reason": "t"}), event(wants, "xp_change", {"xp": 52_250, "reason": "t"}))
    wait_for(lambda: told(fakes, wants), 10, "the notice")
    time.sleep(0.5)
    assert told(fakes, wants) == ["🎉 New rank: <b>S II</b>!\nYour reward: 54500 coins."] and told(fakes, quiet) == []


def say(stack, number, text, chat=GROUP):
    assert stack.post_telegram("main", stack.telegram_update(number, text, chat=chat)).status_code == 200


def bring_near(people, db, number, xp=499):
    """One message away from F II."""
    people.stack.command_telegram(number, "/start")
    people.earn("telegram", number, xp=xp)


@pytest.fixture
def announcing(stack):
    stack.trivet("chat", "announce", f"telegram:{GROUP}", "on", "--language", "ru")
    yield
    stack.trivet("chat", "announce", f"telegram:{GROUP}", "off")


def test_a_group_hears_of_a_rank_that_was_reached_there(people, stack, db, fakes, announcing, new_id):
    person, hidden, silent = new_id(), new_id(), new_id()
    for number in (person, hidden, silent):
        bring_near(people, db, number)
    stack.command_telegram(person, "/name Anna & Co")
    execute(db, "UPDATE account SET hidden = true WHERE id = %s", account_of(db, hidden))
    people.press_telegram(silent, "notify_set:rank:off")
    for number in (hidden, silent, person):
        say(stack, number, f"words enough to count for one point {number}")
    wait_for(lambda: told(fakes, GROUP), 10, "the announcement")
    wait_for(lambda: told(fakes, person), 10, "the notice")
    time.sleep(0.5)
    assert told(fakes, GROUP) == ["🎉 Anna &amp; Co теперь в ранге <b>F II</b>!"]
    assert told(fakes, person) == ["🎉 New rank: <b>F II</b>!\nYour reward: 50 coins."] and told(fakes, silent) == [] and len(told(fakes, hidden)) == 1


def test_no_group_hears_anything_before_it_wants_to_nor_of_what_happened_elsewhere(people, stack, db, fakes, new_id):
    person = new_id()
    bring_near(people, db, person)
    say(stack, person, f"words enough to count for one point {person}")
    wait_for(lambda: told(fakes, person), 10, "the notice")
    stack.trivet("chat", "announce", f"telegram:{GROUP}", "on")
    try:
        people_earn_at_once(people, person, 800)
        wait_for(lambda: len(told(fakes, person)) == 2, 10, "the notice")
        time.sleep(0.5)
        assert told(fakes, GROUP) == []
    finally:
        stack.trivet("chat", "announce", f"telegram:{GROUP}", "off")


@pytest.mark.parametrize("words,status,said", [
    (("telegram:-5", "on"), 1, "is not known"), (("discord:5", "on"), 2, "only groups on Telegram"), ((f"telegram:{GROUP}", "yes"), 2, "neither on nor off"),
    ((f"telegram:{GROUP}", "on", "--language", "de"), 2, "neither ru nor en")])
def test_announcements_that_cannot_be_are_refused(stack, words, status, said):
    done = stack.trivet("chat", "announce", *words, check=False)
    assert done.returncode == status and said in done.stderr


# ---- names, and the profile that is complete ---------------------------------------------------------------------------------------------


def test_a_name_is_shown_chosen_and_refused(people, stack, new_id):
    person = new_id()
    answer = stack.command_telegram(person, "/name")
    assert answer["text"] == "You have not chosen a name: you are seen as <b>Test</b>.\nTo change: <code>/name New name</code>"
    assert buttons(answer["reply_markup"]) == {"Keep Test": "name_keep"}
    kept = people.press_telegram(person, "name_keep")
    assert kept["method"] == "editMessageText" and kept["text"] == "Done, you are <b>Test</b> now."
    assert people.telegram(person, "/name  Anna\u202e   Maria \u200b") == "Done, you are <b>Anna Maria</b> now."
    assert people.telegram(person, "/name", language="ru") == "Ваше имя в сообществе: <b>Anna Maria</b>\nСменить: <code>/name Новое имя</code>"
    assert people.account("telegram", person)["display_name"] == "Anna Maria"
    assert people.telegram(person, "/name \u200b\u202e") == "There is nothing to show in this name. Use letters or digits."
    assert people.telegram(person, "/name " + "x" * 33) == "Too long: at most 32 characters."
    assert people.account("telegram", person)["display_name"] == "Anna Maria"
    assert people.discord(new_id(), "name", text="@everyone") == "Done, you are **\\@everyone** now."


def missions_paid(db, number):
    return [row[0] for row in execute(db, "SELECT reason FROM ledger WHERE user_id = %s AND kind = 'mission_completed' ORDER BY id", account_of(db, number))]


def link(people, telegram, discord):
    assert "Done!" in people.telegram(telegram, f"/code {people.code_from_discord(discord)}")


@pytest.mark.parametrize("last", ["lang", "name", "keep", "link"])
def test_a_complete_profile_pays_its_mission_once_whatever_came_last(people, stack, db, new_id, last):
    telegram, discord = new_id(), new_id()
    steps = {"link": lambda: link(people, telegram, discord), "lang": lambda: people.telegram(telegram, "/lang en"),
             "name": lambda: people.telegram(telegram, "/name Anna"), "keep": lambda: people.press_telegram(telegram, "name_keep")}
    before = [name for name in ("lang", "name", "link") if name != last and not (last == "keep" and name == "name")]
    people.telegram(telegram, "/start")  # the older of the two: what was chosen here stays
    for name in before:
        steps[name]()
    assert "once_profile" not in missions_paid(db, telegram) and counter_of(db, telegram) == 0
    steps[last]()
    assert missions_paid(db, telegram).count("once_profile") == 1 and counter_of(db, telegram) == 1
    coins = people.balance("telegram", telegram)[1]
    people.telegram(telegram, "/lang ru")
    people.telegram(telegram, "/name Другая")
    assert people.balance("telegram", telegram)[1] == coins and missions_paid(db, telegram).count("once_profile") == 1
    assert ", 0 differences" in stack.trivet("verify").stdout


def counter_of(db, number):
    return execute(db, "SELECT profile_complete FROM account_balance WHERE account_id = %s", account_of(db, number))[0][0]


def test_a_repeated_update_changes_a_name_once(stack, people, new_id):
    person = new_id()
    update = stack.telegram_update(person, "/name First")
    first = stack.post_telegram("main", update).json()
    people.telegram(person, "/name Second")
    assert stack.post_telegram("main", update).json() == first
    assert people.account("telegram", person)["display_name"] == "Second"
