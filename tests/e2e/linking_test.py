"""One person, two platforms: codes, the dialogue, undoing, unlinking, as a person meets them in a chat."""
import json
import re
import threading
import time

import pytest
import redis

from conftest import wait_for

CODE = re.compile(r"(?<![A-Z0-9])[A-HJKMNP-Z2-9]{6}(?![A-Z0-9])")
DAY = 86400


class People:
    """Pretended people of one stack, and what they read."""

    def __init__(self, stack, new_id):
        self.stack, self.new_id = stack, new_id

    def telegram(self, user, text, **more):
        answer = self.stack.command_telegram(user, text, **more)
        return answer["text"] if answer else None

    def discord(self, user, name, **options):
        answer = self.stack.command_discord(user, name, **options)
        assert answer["type"] == 4, answer
        return answer["data"]["content"]

    def code_from_discord(self, user):
        return the_code(self.discord(user, "getcode"))

    def code_from_telegram(self, user):
        return the_code(self.telegram(user, "/getcode"))

    def press_telegram(self, user, action):
        """A button of an inline keyboard; the whole answer."""
        update = self.stack.telegram_update(user, "x")
        message = {**update["message"], "from": {"id": 1, "is_bot": True, "first_name": "Bot"}}
        answer = self.stack.post_telegram("main", {"update_id": update["update_id"], "callback_query": {
            "id": str(update["update_id"]), "from": update["message"]["from"], "message": message, "chat_instance": "1", "data": action}})
        assert answer.status_code == 200
        return answer.json()

    def press_discord(self, user, action):
        interaction = self.stack.discord_interaction(user, 3, {"custom_id": action, "component_type": 2}, guild=False)
        interaction["message"] = {"id": "1", "content": ""}
        answer = self.stack.post_discord(interaction)
        assert answer.status_code == 200
        return answer.json()

    def earn(self, platform, user, xp=0, coins=0):
        """History: XP and coins through the service API, applied by the worker."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.stack.clock() - 1))
        events = [{"platform": platform, "platform_id": str(user), "type": kind, "data": {unit: amount, "reason": "test"}, "at": at,
                   "idempotency_key": f"{platform}:{user}:{kind}:{self.new_id()}"}
                  for kind, unit, amount in (("xp_change", "xp", xp), ("coins_change", "coins", coins)) if amount]
        before = self.balance(platform, user)
        answer = self.stack.api("POST", "/v1/events", {"events": events})
        assert answer.status_code == 200 and answer.json()["accepted"] == len(events), answer.text
        wanted = (before[0] + xp, before[1] + coins)
        wait_for(lambda: self.balance(platform, user) == wanted, 10, "the balance")

    def balance(self, platform, user):
        answer = self.stack.api("GET", f"/v1/users/{platform}/{user}")
        return (answer.json()["xp"], answer.json()["coins"]) if answer.status_code == 200 else (0, 0)

    def account(self, platform, user):
        answer = self.stack.api("GET", f"/v1/users/{platform}/{user}")
        assert answer.status_code == 200, answer.text
        return answer.json()


def the_code(text):
    found = CODE.findall(text)
    assert len(found) == 1, f"one code was expected in {text!r}"
    return found[0]


def buttons(markup):
    """Actions by label, of either platform."""
    if "inline_keyboard" in markup:
        rows = [(b["text"], b.get("callback_data") or b.get("url")) for row in markup["inline_keyboard"] for b in row]
    else:
        rows = [(b["label"], b.get("custom_id") or b.get("url")) for row in markup["components"] for b in row["components"]]
    return dict(rows)


def told_on_discord(fakes, user):
    """The message with "Not me" that this person gets; those of earlier tests may still be on their way."""
    return wait_for(lambda: [c for c in fakes.calls(platform="discord", recipient=user) if "Not me" in str(c["body"])], 10, "the message to the issuer")


@pytest.fixture
def people(stack, new_id):
    stack.set_clock(0) if stack.clock() else None
    return People(stack, new_id)


def test_a_code_from_discord_links_on_telegram_and_both_sides_agree(people, new_id):
    discord, telegram = new_id(), new_id()
    code = people.code_from_discord(discord)
    assert "Done!" in people.telegram(telegram, f"/code {code}")
    assert people.account("telegram", telegram)["id"] == people.account("discord", discord)["id"]
    for text in (people.telegram(telegram, "/checklink"), people.discord(discord, "checklink")):
        assert "✅ Telegram" in text and "✅ Discord" in text


def test_a_code_from_telegram_links_on_discord(people, new_id):
    discord, telegram = new_id(), new_id()
    code = people.code_from_telegram(telegram)
    assert "Done!" in people.discord(discord, "code", code=code)
    assert people.account("telegram", telegram)["id"] == people.account("discord", discord)["id"]


@pytest.mark.parametrize("typed", ["{lower}", " {first}-{second} ", "{first} {second}"])
def test_a_code_is_read_as_people_type_it(people, new_id, typed):
    code = people.code_from_discord(new_id())
    text = typed.format(lower=code.lower(), first=code[:3], second=code[3:])
    assert "Done!" in people.telegram(new_id(), f"/code {text}")


def test_the_code_again_says_already_used_whoever_asks(people, new_id):
    telegram, code = new_id(), people.code_from_discord(new_id())
    people.telegram(telegram, f"/code {code}")
    assert "already used" in people.telegram(telegram, f"/code {code}")
    assert "already used" in people.telegram(new_id(), f"/code {code}")


def test_after_180_seconds_the_code_is_unknown_or_expired(people, stack, new_id):
    used, live = people.code_from_discord(new_id()), people.code_from_discord(new_id())
    assert "Done!" in people.telegram(new_id(), f"/code {used}")
    stack.set_clock(181)
    try:
        assert "unknown or expired" in people.telegram(new_id(), f"/code {live}")
        assert "unknown or expired" in people.telegram(new_id(), f"/code {used}")
    finally:
        stack.set_clock(0)


def test_a_new_code_makes_the_old_one_unknown(people, new_id):
    discord = new_id()
    old, new = people.code_from_discord(discord), people.code_from_discord(discord)
    assert old != new
    assert "unknown or expired" in people.telegram(new_id(), f"/code {old}")
    assert "Done!" in people.telegram(new_id(), f"/code {new}")


def test_the_sixth_wrong_code_must_wait_and_no_right_one_counts(people, stack, new_id):
    telegram = new_id()
    people.telegram(telegram, "/start")
    own = people.code_from_telegram(telegram)
    assert "your own code" in people.telegram(telegram, f"/code {own}")  # refused, but no wrong guess
    for _ in range(5):
        assert "unknown or expired" in people.telegram(telegram, "/code AAAAAA")
    right = people.code_from_discord(new_id())
    refusal = people.telegram(telegram, f"/code {right}")
    assert "too many attempts" in refusal
    seconds = int(re.search(r"\((\d+) s\)", refusal).group(1))
    assert 500 < seconds <= 600
    stack.set_clock(seconds + 1)
    try:
        assert "Done!" in people.telegram(telegram, f"/code {people.code_from_discord(new_id())}")
    finally:
        stack.set_clock(0)


def test_ones_own_code_stays_alive(people, new_id):
    telegram = new_id()
    code = people.code_from_telegram(telegram)
    assert "your own code" in people.telegram(telegram, f"/code {code}")
    assert "Done!" in people.discord(new_id(), "code", code=code)


def test_two_accounts_of_one_platform_never_merge(people, new_id):
    code = people.code_from_telegram(new_id())
    assert "both accounts already have Telegram" in people.telegram(new_id(), f"/code {code}")
    assert "Done!" in people.discord(new_id(), "code", code=code)  # the refusal left the code alive


def test_five_copies_of_one_update_have_one_effect_and_one_reply(people, stack, new_id, db):
    telegram, code = new_id(), people.code_from_discord(new_id())
    update = stack.telegram_update(telegram, f"/code {code}")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post_until_answered(stack, update))) for _ in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(answers) == 5 and len(set(answers)) == 1 and "Done!" in answers[0]
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM merge m JOIN identity i ON i.id = m.redeemer_identity_id WHERE i.platform_id = %s", (telegram,))
        assert cursor.fetchone()[0] == 1


def post_until_answered(stack, update):
    """As Telegram does: what is not a 2xx is sent again."""
    while True:
        answer = stack.post_telegram("main", update)
        if answer.status_code == 200:
            return answer.text
        assert answer.status_code in (429, 503), answer.text


def test_a_repeated_getcode_shows_the_same_code(people, stack, new_id):
    update = stack.telegram_update(new_id(), "/getcode")
    first, second = (stack.post_telegram("main", update).json()["text"] for _ in range(2))
    assert the_code(first) == the_code(second)
    assert "Done!" in people.discord(new_id(), "code", code=the_code(second))


def test_no_live_code_stands_in_either_store(people, stack, new_id, db):
    code = people.code_from_discord(new_id())
    with db.cursor() as cursor:
        for table in ("inbox", "outbox", "account_code", "code_used"):
            cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s OR position(convert_to(%s, 'UTF8') IN coalesce(to_jsonb(t)->>'reply', '')::bytea) > 0",
                           (f"%{code}%", code))
            assert cursor.fetchone()[0] == 0, table
    cache = redis.Redis.from_url(stack.env["REDIS_URL"])
    assert code.encode() not in b"".join(key + (cache.get(key) or b"") for key in cache.keys("link:*"))


def test_a_code_typed_in_a_group_is_refused_killed_and_deleted(people, stack, fakes, new_id):
    code, group = people.code_from_discord(new_id()), -1001234567890
    update = stack.telegram_update(new_id(), f"/code {code}", chat=group)
    answer = stack.post_telegram("main", update).json()
    assert answer["chat_id"] == group and "private" in answer["text"] and code not in answer["text"]
    assert "unknown or expired" in people.telegram(new_id(), f"/code {code}")
    deleted = wait_for(lambda: [c for c in fakes.calls(platform="telegram") if c["method"] == "deleteMessage"], 15, "the deletion")
    assert deleted[0]["body"]["message_id"] == update["message"]["message_id"]


def test_the_token_of_a_link_is_killed_in_a_group_too(people, stack, new_id):
    """/start link_<token> was only pointed to the private chat; whoever read it could use it."""
    answer = stack.command_discord(new_id(), "getcode")["data"]
    token = buttons(answer)["Link Telegram"].partition("?start=")[2]
    refused = stack.command_telegram(new_id(), f"/start {token}", chat=-1001234567890)
    assert refused["chat_id"] == -1001234567890 and "no longer works" in refused["text"] and token not in refused["text"]
    assert "unknown or expired" in people.telegram(new_id(), f"/start {token}")
    assert "unknown or expired" in people.telegram(new_id(), f"/code {the_code(answer['content'])}")
    plain = stack.command_telegram(new_id(), "/start", chat=-1001234567890)
    assert "private chat" in plain["text"]


def test_getcode_in_a_group_points_to_the_private_chat(people, stack, new_id):
    answer = stack.command_telegram(new_id(), "/getcode", chat=-1001234567890)
    assert not CODE.findall(answer["text"]) and "private chat" in answer["text"]


def test_the_issuer_is_told_and_can_say_not_me(people, stack, fakes, new_id):
    discord, telegram = new_id(), new_id()
    people.telegram(telegram, f"/code {people.code_from_discord(discord)}")
    told = told_on_discord(fakes, discord)
    action = buttons(told[0]["body"])["Not me"]
    assert "Undone" in people.press_discord(discord, action)["data"]["content"]
    assert people.account("telegram", telegram)["id"] != people.account("discord", discord)["id"]
    assert "Undone already" in people.press_discord(discord, action)["data"]["content"]


def test_not_me_is_not_for_strangers_and_ends_after_a_day(people, stack, fakes, new_id):
    discord, telegram = new_id(), new_id()
    people.telegram(telegram, f"/code {people.code_from_discord(discord)}")
    told = told_on_discord(fakes, discord)
    action = buttons(told[0]["body"])["Not me"]
    assert "Only the owner" in people.press_discord(new_id(), action)["data"]["content"]
    stack.set_clock(DAY + 60)
    try:
        assert "too late" in people.press_discord(discord, action)["data"]["content"]
    finally:
        stack.set_clock(0)
    assert people.account("telegram", telegram)["id"] == people.account("discord", discord)["id"]


# What a first link earns: the badge, and the mission to link a second platform.
LINK_XP, LINK_COINS = 100, 100 + 150


def linked_with_history(people, new_id, xp=(100, 40), coins=(7, 5)):
    """Two accounts with a history, and the redeemer's question."""
    discord, telegram = new_id(), new_id()
    people.discord(discord, "checklink")
    people.telegram(telegram, "/start")
    people.earn("discord", discord, xp[0], coins[0])
    people.earn("telegram", telegram, xp[1], coins[1])
    answer = people.stack.command_telegram(telegram, f"/code {people.code_from_discord(discord)}")
    return discord, telegram, answer


def test_two_histories_are_joined_only_after_a_yes(people, stack, new_id):
    discord, telegram, question = linked_with_history(people, new_id)
    for words in ("Join the two accounts?", "40 XP", "100 XP", "140 XP", "12 coins", "spend your coins and read your tickets"):
        assert words in question["text"]
    labels = [b["text"] for row in question["reply_markup"]["inline_keyboard"] for b in row]
    assert labels == ["Yes, join them", "Cancel"]
    assert people.balance("telegram", telegram) == (40, 5)
    answer = people.press_telegram(telegram, buttons(question["reply_markup"])["Yes, join them"])
    assert answer["method"] == "editMessageText" and "Done!" in answer["text"]
    assert people.balance("telegram", telegram) == people.balance("discord", discord) == (140 + LINK_XP, 12 + LINK_COINS)


def test_a_no_changes_nothing_and_the_question_is_answered_once(people, new_id):
    discord, telegram, question = linked_with_history(people, new_id)
    actions = buttons(question["reply_markup"])
    assert "stay separate" in people.press_telegram(telegram, actions["Cancel"])["text"]
    assert "answered this question" in people.press_telegram(telegram, actions["Yes, join them"])["text"]
    assert people.balance("telegram", telegram) == (40, 5) and people.balance("discord", discord) == (100, 7)


def test_the_question_is_the_redeemers_alone_and_lives_ten_minutes(people, stack, new_id):
    discord, telegram, question = linked_with_history(people, new_id)
    yes = buttons(question["reply_markup"])["Yes, join them"]
    assert "not for you" in people.press_telegram(new_id(), yes)["text"]
    assert "not for you" in people.press_discord(discord, yes)["data"]["content"]
    stack.set_clock(601)
    try:
        assert "time to answer is over" in people.press_telegram(telegram, yes)["text"]
    finally:
        stack.set_clock(0)
    assert people.balance("telegram", telegram) == (40, 5)


def test_an_undone_merge_gives_both_back_what_they_brought(people, stack, fakes, new_id):
    discord, telegram, question = linked_with_history(people, new_id)
    people.press_telegram(telegram, buttons(question["reply_markup"])["Yes, join them"])
    told = told_on_discord(fakes, discord)
    stack.set_clock(6 * DAY)
    try:
        assert "Undone" in people.press_discord(discord, buttons(told[0]["body"])["Not me"])["data"]["content"]
    finally:
        stack.set_clock(0)
    # what the link itself earned stays with the survivor
    assert people.balance("telegram", telegram) == (40, 5) and people.balance("discord", discord) == (100 + LINK_XP, 7 + LINK_COINS)
    assert stack.trivet("verify").returncode == 0


def test_unlink_asks_then_separates_and_the_data_stay_with_the_older(people, stack, new_id):
    discord, telegram = new_id(), new_id()
    people.discord(discord, "checklink")
    people.earn("discord", discord, 30, 3)
    people.telegram(telegram, f"/code {people.code_from_discord(discord)}")
    question = stack.command_discord(discord, "unlink")["data"]
    action = buttons(question)["Unlink"]
    assert people.account("telegram", telegram)["id"] == people.account("discord", discord)["id"]
    assert "account of its own" in people.press_discord(discord, action)["data"]["content"]
    assert people.balance("discord", discord) == (30 + LINK_XP, 3 + LINK_COINS) and people.balance("telegram", telegram) == (0, 0)
    assert "nothing to unlink" in people.press_discord(discord, action)["data"]["content"]


def test_after_an_unlink_only_the_old_account_may_be_linked_for_a_day(people, stack, new_id):
    discord, telegram = new_id(), new_id()
    people.telegram(telegram, f"/code {people.code_from_discord(discord)}")
    action = buttons(stack.command_telegram(telegram, "/unlink")["reply_markup"])["Unlink"]
    people.press_telegram(telegram, action)
    assert "in 1 d" in people.telegram(telegram, f"/code {people.code_from_discord(new_id())}")
    assert "Done!" in people.telegram(telegram, f"/code {people.code_from_discord(discord)}")


def test_unlink_with_one_platform_has_nothing_to_do(people, new_id):
    assert "nothing to unlink" in people.telegram(new_id(), "/unlink")


def test_a_deep_link_redeems_like_a_code(people, stack, new_id):
    answer = stack.command_discord(new_id(), "getcode")["data"]
    link = buttons(answer)["Link Telegram"]
    token = link.partition("?start=")[2]
    assert re.fullmatch(r"link_[0-9a-f]{32}", token)
    assert "Done!" in people.telegram(new_id(), f"/start {token}")
    assert "already used" in people.telegram(new_id(), f"/code {the_code(answer['content'])}")


def test_the_code_also_goes_to_direct_messages_on_discord(people, stack, fakes, new_id):
    discord = new_id()
    code = people.code_from_discord(discord)
    sent = wait_for(lambda: [c for c in fakes.calls(platform="discord") if code in str(c["body"])], 5, "the direct message")
    assert "/messages" in sent[0]["path"]


def test_the_language_is_the_persons_own_choice(people, stack, new_id):
    telegram = new_id()
    assert "Команды" in people.telegram(telegram, "/help", language="ru")
    assert "English" in people.telegram(telegram, "/lang en", language="ru")
    assert "Commands" in people.telegram(telegram, "/help", language="ru")
    assert "по-русски" in people.telegram(telegram, "/lang ru", language="en")
    assert "Команды" in people.telegram(telegram, "/help", language="en")
    assert "does not fit" in people.telegram(new_id(), "/lang de")


def test_refusals_are_in_the_persons_own_language(people, new_id):
    telegram = new_id()
    people.telegram(telegram, "/lang en", language="ru")
    assert "There is no such command" in people.telegram(telegram, "/nosuch", language="ru")
    assert "I understand commands" in people.telegram(telegram, "hello", language="ru")
    assert "is missing" in people.telegram(telegram, "/code", language="ru")


def test_the_redeemer_of_two_histories_may_undo_and_others_read_what_unlink_does(people, stack, new_id):
    """The reply said that /unlink undoes; it leaves all to the oldest identity."""
    discord, telegram, question = linked_with_history(people, new_id)
    answer = people.press_telegram(telegram, buttons(question["reply_markup"])["Yes, join them"])
    assert "7 days" in answer["text"] and "/unlink" not in answer["text"]
    assert "Undone" in people.press_telegram(telegram, buttons(answer["reply_markup"])["Undo the merge"])["text"]
    # what the link itself earned stays with the survivor
    assert people.balance("telegram", telegram) == (40, 5) and people.balance("discord", discord) == (100 + LINK_XP, 7 + LINK_COINS)
    first, second = new_id(), new_id()
    linked = people.telegram(second, f"/code {people.code_from_discord(first)}")
    assert "/unlink separates" in linked and "stay here: Discord" in linked and "undo" not in linked.lower()


def test_help_is_answered_where_it_was_asked(people, stack, new_id):
    """Its row says in the open, but the reply was private: in a group it went to a chat that many have never opened."""
    assert stack.command_telegram(new_id(), "/help", chat=-1001234567890)["chat_id"] == -1001234567890


def test_a_refusal_in_a_group_is_said_there(people, stack, new_id):
    """Many have never opened the private chat: what is sent there they would not see."""
    group = -1001234567890
    wrong = stack.command_telegram(new_id(), "/top nonsense", chat=group)
    assert wrong["chat_id"] == group and "all season week" in wrong["text"]
    for words in ("/code", "/lang klingon", "/code " + "A" * 65):
        pointer = stack.command_telegram(new_id(), words, chat=group)
        assert pointer["chat_id"] == group and "https://t.me/" in json.dumps(pointer), words


def test_bad_commands_say_the_remedy(people, new_id):
    telegram = new_id()
    assert "/code ABC234" in people.telegram(telegram, "/code")
    assert "/help" in people.telegram(telegram, "/nosuch")
    assert "/help" in people.telegram(telegram, "hello")
    assert people.telegram(telegram, "/nosuch", chat=-1001234567890) is None


def test_fifty_redeemers_of_one_code_have_one_winner(people, stack, new_id):
    code, wins, refusals = people.code_from_discord(new_id()), [], []
    barrier = threading.Barrier(50)

    def redeem(user):
        update = stack.telegram_update(user, f"/code {code}")
        barrier.wait()
        text = post_until_answered(stack, update)
        (wins if "Done!" in text else refusals).append(text)

    threads = [threading.Thread(target=redeem, args=(new_id(),)) for _ in range(50)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(wins) == 1 and len(refusals) == 49
    assert all("already used" in text for text in refusals)
