"""People who only read: their names and last seen reach the database without a write on the way of the answer."""
import os
import signal

from conftest import wait_for


def shown(db, user):
    with db.cursor() as cursor:
        cursor.execute("SELECT i.name, i.username, extract(epoch FROM i.last_seen), r.can_message FROM identity i"
                       " LEFT JOIN identity_reach r ON r.identity_id = i.id AND r.bot = 'main' WHERE platform = 'telegram' AND platform_id = %s", (user,))
        return cursor.fetchone()


def profile(stack, user, name, username):
    update = stack.telegram_update(user, "/profile")
    update["message"]["from"].update(first_name=name, username=username)
    answer = stack.post_telegram("main", update)
    assert answer.status_code == 200
    return answer.json()["text"]


def test_a_new_name_is_shown_at_once_and_stored_soon(stack, new_id, db):
    user = new_id()
    profile(stack, user, "Before", "before_name")
    assert "After" in profile(stack, user, "After", "after_name")
    wait_for(lambda: shown(db, user)[:2] == ("After", "after_name"), 5, "the name")


def test_last_seen_moves_when_it_is_older_than_an_hour_and_not_before(stack, new_id, db):
    user = new_id()
    profile(stack, user, "Reader", "reader_name")
    first = shown(db, user)[2]
    stack.set_clock(1800)
    try:
        profile(stack, user, "Reader", "reader_name")
        stack.set_clock(3700)
        profile(stack, user, "Reader", "reader_name")
        wait_for(lambda: shown(db, user)[2] - first > 3600, 5, "last seen")
    finally:
        stack.set_clock(0)


def test_who_reads_in_a_private_chat_may_be_written_to_again(stack, new_id, db):
    user = new_id()
    profile(stack, user, "Reader", "reader_name")
    with db.cursor() as cursor:
        cursor.execute("UPDATE identity_reach SET can_message = false FROM identity i WHERE i.id = identity_id AND i.platform_id = %s", (user,))
    stack.set_clock(3700)
    try:
        profile(stack, user, "Reader", "reader_name")
        wait_for(lambda: shown(db, user)[3] is True, 5, "reach")
    finally:
        stack.set_clock(0)


def test_what_was_seen_is_stored_when_the_program_is_told_to_stop(stack, new_id, db):
    users = [new_id() for _ in range(5)]
    for user in users:
        profile(stack, user, "Before", "before_name")
    for user in users:
        profile(stack, user, "Last", "last_name")
    pid = stack.pid("trivet-telegram")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: stack.pid("trivet-telegram") not in (pid, None), 5, "the next program")
    assert [shown(db, user)[0] for user in users] == ["Last"] * len(users)
