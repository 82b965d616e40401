"""Linked Roles: Discord is told rank, XP and days as the person; tokens are refreshed, sealed, and wiped when the consent ends."""
import hashlib
import hmac
import json
import os
import signal
import time

import pytest
from conftest import wait_for
from nacl.secret import SecretBox
from nacl.utils import random as nacl_random
from roles_test import XP, Roles

SHOW = "PUT /users/@me/applications/{}/role-connection"
TOKEN = "POST /oauth2/token"
SCOPE = "identify role_connections.write"


def sealed(stack, *texts):
    """As sealed_texts_make() does: each text behind its length, in a secretbox under a key derived from TRIVET_KEY."""
    key = hmac.new(stack.env["TRIVET_KEY"].encode(), b"seal", hashlib.sha256).digest()
    plain = b"".join(len(text).to_bytes(4, "big") + text.encode() for text in texts)
    return bytes(SecretBox(key).encrypt(plain, nacl_random(SecretBox.NONCE_SIZE)))


class Grants(Roles):
    """People who consented, as the website's callback will write them."""

    def person(self, xp):
        user, = self.crowd(1)
        self.move(user, xp)
        wait_for(lambda: self.query("SELECT xp >= %s FROM unified_users WHERE discord_id = %s", xp, user) == [(True,)], what="the XP")
        return user

    def grant(self, user, expires_in=604_800, known=True):
        access, refresh = f"access-{user}-{self.new_id()}", f"refresh-{user}-{self.new_id()}"
        if known:
            self.fakes.post("state", {"discord": {"bearers": {access: {"user": user, "scope": SCOPE, "refresh": refresh, "expires_in": expires_in}}}})
        self.query("INSERT INTO linked_role (identity_id, sealed, expires_at, granted_at, version)"
                   " SELECT id, %s, now() + %s * interval '1 second', now(), pg_current_xact_id() FROM identity WHERE platform = 'discord' AND platform_id = %s",
                   sealed(self.stack, access, refresh), expires_in, user)
        return access, refresh

    def shown(self, user):
        return self.fakes.state()["discord"]["connections"].get(str(user))

    def wait_shown(self, user, timeout=10, **values):
        def right():
            shown = (self.shown(user) or {}).get("metadata", {})
            return all(shown.get(name) == str(value) for name, value in values.items()) and shown
        return wait_for(right, timeout, f"{values} as shown, it is {self.shown(user)}")

    def row(self, user):
        names = ("sealed", "generation", "ended", "error", "attempts", "pushed_xp")
        return dict(zip(names, self.query(f"SELECT {', '.join('g.' + name for name in names)} FROM linked_role g JOIN identity i ON i.id = g.identity_id"
                                          " WHERE i.platform = 'discord' AND i.platform_id = %s", user)[0]))

    def shows(self, token):
        """Calls with that access token; the record has no headers, so by what the stand-in knows of it."""
        return [call for call in self.fakes.calls(platform="discord") if call["method"] == SHOW]


@pytest.fixture
def grants(stack, db, fakes, new_id):
    made = Grants(stack, db, fakes, new_id)
    made.log_from = len(stack.log("trivet-worker"))
    yield made
    tokens = ("access-", "refresh-")
    assert not any(token in stack.log("trivet-worker")[made.log_from:] for token in tokens), "never a token in a log"
    made.query("DELETE FROM linked_role")


def test_the_records_are_registered_with_the_commands(stack, fakes):
    lines = stack.trivet_json("commands", "sync", "--dry-run")
    body = json.loads(next(line["words"] for line in lines if line["where"] == "discord, linked roles"))
    assert [(record["key"], record["type"]) for record in body] == [("rank", 2), ("xp", 2), ("days", 2)]
    assert body[0]["name"] == "Rank at least" and body[0]["name_localizations"] == {"ru": "Ранг не ниже"}
    assert all(record["description"] and record["description_localizations"]["ru"] for record in body)
    stack.trivet("commands", "sync")
    assert fakes.state()["discord"]["metadata"] == body


def test_a_consent_is_told_at_once_and_a_rank_too(grants, fakes):
    user = grants.person(XP["E I"])
    grants.grant(user)
    grants.wait_shown(user, rank=4, xp=XP["E I"], days=0)
    assert grants.shown(user)["platform_name"] == "Trivet" and grants.shown(user)["platform_username"] == "E I"
    grants.move(user, XP["E II"] - XP["E I"])
    grants.wait_shown(user, rank=5, xp=XP["E II"])
    grants.move(user, -XP["E II"])
    grants.wait_shown(user, rank=1, xp=0)
    assert len(grants.shows(user)) == 3
    assert not [call for call in fakes.calls(platform="discord") if call["method"] == TOKEN]


def test_xp_is_told_once_in_five_minutes_and_days_once_a_day(grants, stack):
    user = grants.person(XP["E I"])
    grants.grant(user)
    grants.wait_shown(user, xp=XP["E I"])
    for _ in range(3):
        grants.move(user, 1)
    wait_for(lambda: grants.query("SELECT xp FROM unified_users WHERE discord_id = %s", user) == [(XP["E I"] + 3,)], what="the XP")
    time.sleep(2.5)
    assert len(grants.shows(user)) == 1
    try:
        stack.set_clock(301)
        grants.wait_shown(user, xp=XP["E I"] + 3)
        assert len(grants.shows(user)) == 2
        stack.set_clock(86400 + 60)
        grants.wait_shown(user, days=1, xp=XP["E I"] + 3)
        assert len(grants.shows(user)) == 3
    finally:
        stack.set_clock(0)


def test_a_token_that_is_over_is_refreshed_before_it_is_used(grants, fakes):
    user = grants.person(XP["E I"])
    access, refresh = grants.grant(user, expires_in=30)
    before = grants.row(user)
    grants.wait_shown(user, rank=4)
    assert [call["method"] for call in fakes.calls(platform="discord") if call["method"] in (SHOW, TOKEN)] == [TOKEN, SHOW]
    after = grants.row(user)
    assert after["generation"] == before["generation"] + 1 and after["sealed"] != before["sealed"]
    assert access.encode() not in bytes(after["sealed"]) and b"refresh" not in bytes(after["sealed"])
    assert grants.query("SELECT expires_at > now() + interval '6 days' FROM linked_role") == [(True,)]


def test_a_refused_token_is_refreshed_once(grants, fakes):
    user = grants.person(XP["E I"])
    grants.grant(user)
    fakes.rule("discord", {"status": 401}, method=SHOW, times=1)
    grants.wait_shown(user, rank=4)
    assert [call["method"] for call in fakes.calls(platform="discord") if call["method"] in (SHOW, TOKEN)] == [SHOW, TOKEN, SHOW]


def test_refused_again_with_a_new_token_it_is_over(grants, fakes):
    user = grants.person(XP["E I"])
    grants.grant(user)
    fakes.rule("discord", {"status": 401}, method=SHOW)
    row = wait_for(lambda: grants.row(user)["ended"] and grants.row(user), what="the end")
    assert row["sealed"] is None and "new token" in row["ended"]
    assert [call["method"] for call in fakes.calls(platform="discord") if call["method"] in (SHOW, TOKEN)] == [SHOW, TOKEN, SHOW]


def test_who_took_the_consent_back_is_left_alone_and_his_tokens_are_wiped(grants, stack, fakes):
    user = grants.person(XP["E I"])
    grants.grant(user)
    grants.wait_shown(user, rank=4)
    fakes.post("state", {"discord": {"revoked": [user]}})
    grants.move(user, XP["E II"] - XP["E I"])
    row = wait_for(lambda: grants.row(user)["ended"] and grants.row(user), what="the end")
    assert row["sealed"] is None and row["ended"] == "invalid_grant"
    calls = len(grants.shows(user))
    grants.move(user, XP["D I"] - XP["E II"])
    time.sleep(2)
    assert len(grants.shows(user)) == calls == 2 and len([call for call in fakes.calls(platform="discord") if call["method"] == TOKEN]) == 1


def test_a_wrong_client_secret_ends_nobodys_consent_and_is_told_once(grants, stack, fakes):
    users = [grants.person(XP["E I"]) for _ in range(4)]
    fakes.rule("discord", {"status": 401, "body": {"error": "invalid_client"}}, method=TOKEN)
    for user in users[:3]:
        grants.grant(user, expires_in=30)
        wait_for(lambda who=user: grants.row(who)["error"], what="the reason")
    grants.grant(users[3])
    grants.wait_shown(users[3], rank=4)  # whose token is good does not wait for the others
    assert all(grants.row(user)["sealed"] and grants.row(user)["ended"] is None and grants.row(user)["attempts"] == 0 for user in users)
    assert stack.log("trivet-worker")[grants.log_from:].count("linked_client_refused") == 1
    assert len([call for call in fakes.calls(platform="discord") if call["method"] == TOKEN]) == 1
    old = stack.pid("trivet-worker")
    os.kill(old, signal.SIGTERM)  # what a mended secret needs: the next worker asks at once
    wait_for(lambda: stack.pid("trivet-worker") not in (None, old), 15, "another worker")


def test_429_and_a_failure_are_tried_again(grants, fakes):
    user = grants.person(XP["E I"])
    fakes.rule("discord", {"status": 429, "retry_after": 1.5}, method=SHOW, times=1)
    fakes.rule("discord", {"status": 503}, method=SHOW, times=1)
    grants.grant(user)
    grants.wait_shown(user, rank=4, timeout=15)
    times = [call["at"] for call in grants.shows(user)]
    assert len(times) == 3 and times[1] - times[0] >= 1.4 and grants.row(user)["attempts"] == 0


def test_a_kill_after_the_refresh_loses_no_consent(grants, stack, fakes):
    """The new pair is written before it is used: the next worker shows with it, and refreshes nothing."""
    user = grants.person(XP["E I"])
    fakes.rule("discord", {"slow": 2}, method=SHOW, times=1)
    grants.grant(user, expires_in=30)
    wait_for(lambda: grants.row(user)["generation"] == 2, what="the new pair")
    os.kill(stack.pid("trivet-worker"), signal.SIGKILL)
    grants.wait_shown(user, rank=4, timeout=20)
    wait_for(lambda: grants.row(user)["pushed_xp"] == XP["E I"], 20, "what is shown as written")
    assert len([call for call in fakes.calls(platform="discord") if call["method"] == TOKEN]) == 1


def test_tokens_that_cannot_be_opened_end_the_consent(grants):
    user = grants.person(XP["E I"])
    grants.query("INSERT INTO linked_role (identity_id, sealed, expires_at, granted_at, version)"
                 " SELECT id, %s, now() + interval '1 day', now(), pg_current_xact_id() FROM identity WHERE platform = 'discord' AND platform_id = %s", b"x" * 90, user)
    row = wait_for(lambda: grants.row(user)["ended"] and grants.row(user), what="the end")
    assert row["sealed"] is None and "TRIVET_KEY" in row["ended"]
