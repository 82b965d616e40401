"""Messages of registered chats are counted once, durably, before they are acknowledged."""
import asyncio
import signal
import os
import time

import oracle
import pytest

from conftest import wait_for
from crowd import Crowd

CHAT = -1001234567890


def counted(stack, user):
    answer = stack.api("GET", f"/v1/users/telegram/{user}")
    return answer.json()["counters"]["messages_sent"] if answer.status_code == 200 else 0


def shown(stack, user):
    answer = stack.api("GET", f"/v1/users/telegram/{user}")
    return answer.json()["identities"]["telegram"] if answer.status_code == 200 else None


def settled(db):
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM event_queue WHERE attempts < 5")
        return cursor.fetchone()[0] == 0


def test_a_message_counts_once_however_often_and_by_whichever_bot_it_comes(stack, new_id, db):
    user = new_id()
    update = stack.telegram_update(user, "hello there, dear friends", chat=CHAT)
    for bot, number in (("main", 0), ("main", 0), ("quiz", 1)):
        again = {**update, "update_id": update["update_id"] + number}
        # As Telegram does: until it is acknowledged. A build of sanitizers may outlast the first request's deadline.
        answer = wait_for(lambda: (lambda a: a.status_code == 200 and a)(stack.post_telegram(bot, again)), 20, "the acknowledgement")
        assert not answer.content
    wait_for(lambda: counted(stack, user) == 1, 5, "the count")
    wait_for(lambda: settled(db), 5, "the queue")
    assert counted(stack, user) == 1


def test_who_only_writes_in_a_group_has_his_name_and_loses_an_old_one(stack, new_id):
    """Boards and other bots show him by it."""
    user = new_id()
    for name in ("Ann of the group", "Anna"):
        update = stack.telegram_update(user, f"hello there, says {name}", chat=CHAT)
        update["message"]["from"].update(first_name=name, username="annie")
        assert stack.post_telegram("main", update).status_code == 200
        wait_for(lambda: shown(stack, user) == {"id": str(user), "username": "annie", "name": name}, 5, "the name")


@pytest.mark.parametrize("change", [
    {"edited": True}, {"from": {"id": 5, "is_bot": True, "first_name": "Bot"}}, {"sender_chat": {"id": CHAT, "type": "supergroup", "title": "T"}},
    {"is_automatic_forward": True}, {"text": "/nosuch"}], ids=lambda change: next(iter(change)))
def test_what_is_no_persons_own_message_makes_no_event(stack, new_id, db, change):
    user = new_id()
    update = stack.telegram_update(user, "hello there, dear friends", chat=CHAT)
    message = {**update["message"], **{key: value for key, value in change.items() if key != "edited"}}
    if "text" in change:
        message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(change["text"])}]
    answer = stack.post_telegram("main", {"update_id": update["update_id"], "edited_message" if "edited" in change else "message": message})
    assert answer.status_code == 200
    wait_for(lambda: settled(db), 5, "the queue")
    assert counted(stack, user) == 0


def test_a_chat_that_is_not_registered_is_told_once_and_counts_nothing(stack, new_id, db):
    user, chat = new_id(), -new_id()
    first, second = (stack.post_telegram("main", stack.telegram_update(user, "hello everybody here", chat=chat)) for _ in range(2))
    assert first.json()["chat_id"] == chat and f"trivet chat add telegram:{chat}" in first.json()["text"]
    assert second.status_code == 200 and not second.content
    assert counted(stack, user) == 0


def test_a_chat_counts_soon_after_it_was_registered_and_stops_when_it_is_ignored(stack, new_id):
    user, chat = new_id(), -new_id()

    def grows():
        before = counted(stack, user)
        stack.post_telegram("main", stack.telegram_update(user, "hello everybody here", chat=chat))
        time.sleep(0.3)  # nothing outside shows that a message was not counted
        return counted(stack, user) > before

    stack.trivet("chat", "add", f"telegram:{chat}")
    wait_for(grows, 15, "counting")
    stack.trivet("chat", "ignore", f"telegram:{chat}")
    wait_for(lambda: not grows(), 15, "silence")


def test_a_message_older_than_a_week_is_acknowledged_and_not_counted(stack, new_id, db):
    user = new_id()
    update = stack.telegram_update(user, "hello there, dear friends", chat=CHAT)
    update["message"]["date"] -= 8 * 86400
    assert stack.post_telegram("main", update).status_code == 200
    wait_for(lambda: settled(db), 5, "the queue")
    assert counted(stack, user) == 0


def test_a_message_of_a_day_without_partition_is_counted_nonetheless(stack, new_id, db):
    """The worker makes them ahead; where it was away for days, who needs one makes it."""
    user, ago = new_id(), 6 * 86400 + 3600
    with db.cursor() as cursor:
        cursor.execute("""SELECT name FROM public.day_partitions('event_key_recent')
                          WHERE day = (to_timestamp(%s) AT TIME ZONE 'UTC')::date""", (time.time() + stack.clock() - ago,))
        cursor.execute(f"DROP TABLE public.{cursor.fetchone()[0]}")
    say(stack, user, "hello there, dear friends", ago)
    wait_for(lambda: counted(stack, user) == 1, 5, "the count")


def say(stack, user, text, ago, chat=CHAT, **more):
    update = stack.telegram_update(user, text, chat=chat)
    update["message"].update(date=update["message"]["date"] - ago, **more)
    assert stack.post_telegram("main", update).status_code == 200


def earned(stack, user, messages):
    """XP once so many messages are counted."""
    wait_for(lambda: counted(stack, user) == messages, 5, "the count")
    return stack.api("GET", f"/v1/users/telegram/{user}").json()["xp"]


def test_messages_give_xp_by_length_once_in_thirty_seconds_and_not_for_repeats(stack, new_id):
    user = new_id()
    words = iter(f"{n} " + "word " * n for n in (40, 30, 20, 10, 5, 3, 2))
    say(stack, user, next(words), 600)                    # 203 characters: 4
    say(stack, user, next(words), 580)                    # within 30 s
    say(stack, user, next(words), 560)                    # 103: 3
    say(stack, user, next(words), 700)                    # older than the last that counted
    say(stack, user, "  the same words again  ", 500)     # 20: 1
    say(stack, user, "the same words again", 400)         # a repeat
    say(stack, user, "", 380, sticker={"file_id": "S"})   # no words at all, so the next is still a repeat
    say(stack, user, "the same words again", 340)
    say(stack, user, "word " * 30, 300, forward_date=1, forward_sender_name="Somebody")  # another's words
    say(stack, user, "short", 200)
    say(stack, user, "word " * 101, 100)                  # 504: 5
    assert earned(stack, user, 11) == 4 + 3 + 1 + 5


def test_a_chat_multiplies_what_its_messages_give(stack, new_id, db):
    user, chat = new_id(), -new_id()
    stack.trivet("chat", "add", f"telegram:{chat}")
    stack.trivet("chat", "multiply", f"telegram:{chat}", "250")
    wait_for(lambda: say(stack, user, "word " * 101, 3600, chat=chat) or time.sleep(0.3) or counted(stack, user) > 0, 15, "the chat")
    wait_for(lambda: settled(db), 5, "the queue")
    before, xp = counted(stack, user), stack.api("GET", f"/v1/users/telegram/{user}").json()["xp"]
    say(stack, user, "other " * 101, 60, chat=chat)
    assert earned(stack, user, before + 1) == xp + 12


def test_a_new_rank_is_told_once_in_private(stack, fakes, new_id):
    user = new_id()
    stack.command_telegram(user, "/start")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    answer = stack.api("POST", "/v1/events", {"events": [{"platform": "telegram", "platform_id": str(user), "type": "xp_change", "at": at,
                       "data": {"xp": 3600, "reason": "test"}, "idempotency_key": f"rank:{user}"}]})
    assert answer.json()["accepted"] == 1
    told = lambda: [c["body"] for c in fakes.calls(platform="telegram") if c["method"] == "sendMessage" and "New rank" in str(c["body"])]
    wait_for(told, 5, "the notice")
    time.sleep(0.5)
    assert len(told()) == 1 and told()[0]["chat_id"] == user and "E II" in told()[0]["text"] and "500 coins" in told()[0]["text"]


def give_xp(stack, amounts, at=None):
    """One xp_change each: {telegram id: XP}. The same again, at the same time, is a duplicate."""
    at = at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    answer = stack.api("POST", "/v1/events", {"events": [
        {"platform": "telegram", "platform_id": str(user), "type": "xp_change", "at": at, "data": {"xp": xp, "reason": "test"},
         "idempotency_key": f"xp:{user}:{xp}"} for user, xp in amounts.items()]})
    assert answer.json()["rejected"] == 0


def test_every_threshold_one_below_exact_and_one_above(stack, new_id, db):
    amounts = {new_id(): least + more for least, _ in oracle.RANKS for more in (-1, 0, 1) if least + more > 0}
    give_xp(stack, amounts)
    wait_for(lambda: settled(db), 10, "the queue")
    for user, xp in amounts.items():
        wanted = oracle.Person()
        wanted.apply("xp_change", {"xp": xp}, 0)
        found = stack.api("GET", f"/v1/users/telegram/{user}").json()
        assert (found["xp"], found["coins"], found["rank"]["id"]) == (wanted.xp, wanted.coins, wanted.rank()), xp


def test_the_whole_way_at_once_pays_every_reward_once(stack, new_id, db):
    user, at = new_id(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for _ in range(2):
        give_xp(stack, {user: 52250}, at)
        wait_for(lambda: settled(db), 5, "the queue")
        found = stack.api("GET", f"/v1/users/telegram/{user}").json()
        assert (found["xp"], found["coins"], found["rank"]["name"]) == (53750, 56000, "S II")
    with db.cursor() as cursor:
        cursor.execute("SELECT kind, count(*), sum(xp)::bigint, sum(coins)::bigint FROM ledger WHERE user_id = %s GROUP BY 1 ORDER BY 1", (found["id"],))
        assert cursor.fetchall() == [("badge", 2, 1500, 1500), ("rank_up", 19, 0, 54500), ("xp_change", 1, 52250, 0)]


async def send_many(stack, messages, disturb=None):
    """Each until it is acknowledged, as Telegram does; how many updates were."""
    async with Crowd(stack.env, connections=64) as crowd:
        places = asyncio.Semaphore(64)  # who waits for a connection must not run out of time

        async def one(user):
            async with places:
                await one_now(user)

        async def one_now(user):
            update = crowd.telegram_update(user, "/x")
            del update["message"]["entities"]
            update["message"].update(chat={"id": CHAT, "type": "supergroup", "title": "The Community"}, text="words of a message, long enough")
            assert await crowd.send_telegram(update) is None

        tasks = [asyncio.create_task(one(user)) for user in messages]
        if disturb:
            disturbing = asyncio.create_task(disturb())
        await asyncio.gather(*tasks)
        if disturb:
            disturbing.cancel()
        return len(messages)


def total(db):
    with db.cursor() as cursor:
        cursor.execute("SELECT sum(messages_sent)::bigint FROM account_balance")
        return cursor.fetchone()[0] or 0


def test_every_acknowledged_message_is_counted_exactly(stack, new_id, db):
    before, users = total(db), [new_id() for _ in range(40)]
    sent = asyncio.run(send_many(stack, [user for user in users for _ in range(50)]))
    wait_for(lambda: settled(db), 20, "the queue")
    assert total(db) - before == sent == 2000


def test_killed_programs_lose_no_acknowledged_message(stack, new_id, db):
    before, users = total(db), [new_id() for _ in range(40)]
    # Each twice of it: not the supervisor's longest pause, or a program that starts slowly is killed each time before it serves.
    every = 0.4 if stack.settings["V"] == "release" else 1.0

    async def kill():
        for number in range(1000):
            await asyncio.sleep(every)
            pid = stack.pid(("trivet-telegram", "trivet-worker")[number % 2])
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    sent = asyncio.run(send_many(stack, [user for user in users for _ in range(50)], kill))
    wait_for(lambda: settled(db), 30, "the queue")
    assert total(db) - before == sent == 2000
