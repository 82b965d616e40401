"""The examples of the documents, run as they stand there: docs/examples/*.py."""
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from bots_test import bot  # noqa: F401
from conftest import ROOT, wait_for

EXAMPLES = os.path.join(ROOT, "docs", "examples")
VOICE = os.path.join(EXAMPLES, "discord_voice.py")
CODE = re.compile(r"(?<![A-Z0-9])[A-HJKMNP-Z2-9]{6}(?![A-Z0-9])")

# As much of discord.py as the example uses. run() lives through an evening: comes, mutes himself, unmutes, moves, leaves; clock by hand.
DISCORD = '''
import asyncio, os, sys, time, types

class Intents:
    def __init__(self, guilds, voice_states):
        assert guilds and voice_states

class Client:
    def __init__(self, intents):
        assert isinstance(intents, Intents)

    def event(self, function):
        self.heard = function
        return function

    def run(self, token):
        assert token == "a token"
        state = lambda channel, mute=False: types.SimpleNamespace(channel=channel and types.SimpleNamespace(id=channel), self_mute=mute)
        member, now = types.SimpleNamespace(id=int(os.environ["MEMBER"])), time.time() - 7200
        states = [(0, state(None)), (0, state(77)), (900, state(77, True)), (3600, state(77)), (600, state(78)), (310, state(None)), (5, state(None))]
        for (_, before), (seconds, after) in zip(states, states[1:]):
            now += seconds
            time.time = lambda: now
            asyncio.run(self.heard(member, before, after))
'''


def run(stack, *words, **more):
    env = {**os.environ, "BASE_URL": stack.env["BASE_URL"], "API_KEY": stack.env["API_KEY"], "DISCORD_BOT_TOKEN": "a token", **more}
    done = subprocess.run([sys.executable, "-B", VOICE, *words], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def profile(stack, platform, person):
    answer = stack.api("GET", f"/v1/users/{platform}/{person}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def linked(stack, new_id):
    """Somebody who is on Telegram and on Discord."""
    telegram, discord = new_id(), new_id()
    code = CODE.search(stack.command_discord(discord, "getcode")["data"]["content"]).group()
    stack.command_telegram(telegram, f"/code {code}")
    assert profile(stack, "telegram", telegram)["id"] == profile(stack, "discord", discord)["id"]
    return telegram, discord


def test_voice_in_discord_is_xp_in_telegram(stack, new_id):
    """Seed 001, scenario 3; the reporting part as it runs without discord.py and a token."""
    telegram, discord = linked(stack, new_id)
    before = profile(stack, "telegram", telegram)["xp"]  # for linking
    shown = stack.command_telegram(telegram, "/profile")["text"]
    said = run(stack, str(discord), "3000", DISCORD_BOT_TOKEN="")
    assert "'status': 'accepted'" in said
    after = wait_for(lambda: (lambda got: got if got["xp"] > before else None)(profile(stack, "telegram", telegram)), 5, "the XP of voice")
    assert (after["xp"], after["counters"]["voice_seconds"]) == (before + 10, 3000)  # 1 for 5 minutes
    now_shown = stack.command_telegram(telegram, "/profile")["text"]
    assert now_shown != shown and str(before + 10) in now_shown and str(before + 10) not in shown


def test_the_whole_bot_reports_what_was_said_aloud(stack, new_id, tmp_path):
    """The same file as discord.py runs it, by a stand-in for that: muted time is not reported, each stretch counts once."""
    telegram, discord = linked(stack, new_id)
    before = profile(stack, "telegram", telegram)["xp"]
    (tmp_path / "discord.py").write_text(DISCORD)
    run(stack, PYTHONPATH=str(tmp_path), MEMBER=str(discord))
    got = wait_for(lambda: (lambda got: got if got["counters"]["voice_seconds"] >= 1810 else None)(profile(stack, "telegram", telegram)), 5, "voice")
    assert (got["counters"]["voice_seconds"], got["xp"]) == (900 + 600 + 310, before + 6)


def test_it_waits_and_sends_again_what_was_not_heard(stack, new_id, tmp_path):
    """No answer at first, then 503, then the API: one event."""
    import http.server
    import threading
    asked = []

    class Away(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(body)
            if len(asked) == 1:
                return  # closes without a word
            answer = stack.request("POST", self.path, data=body, headers={name: self.headers[name] for name in ("Authorization", "Content-Type")}) \
                if len(asked) > 2 else None
            self.send_response(answer.status_code if answer else 503)
            self.end_headers()
            self.wfile.write(answer.content if answer else b"")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Away)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        said = run(stack, str(new_id()), "600", BASE_URL=f"http://127.0.0.1:{server.server_port}", no_proxy="127.0.0.1")
    finally:
        server.shutdown()
        server.server_close()
    assert "'status': 'accepted'" in said and len(asked) == 3 and len(set(asked)) == 1


def test_a_wrong_key_is_told_at_once(stack, new_id):
    env = {**os.environ, "BASE_URL": stack.env["BASE_URL"], "API_KEY": "wrong"}
    done = subprocess.run([sys.executable, "-B", VOICE, str(new_id()), "600"], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "401" in done.stderr


@pytest.fixture
def session_example(stack, bot, monkeypatch):  # noqa: F811
    """docs/examples/bot_session.py, as a bot named `quiz` imports it."""
    monkeypatch.setenv("BASE_URL", stack.env["BASE_URL"])
    monkeypatch.setenv("API_KEY", bot("quiz", scope="sessions,users").key)
    spec = importlib.util.spec_from_file_location("bot_session", os.path.join(EXAMPLES, "bot_session.py"))
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(module)
    return module


def test_a_bot_keeps_its_session(session_example, stack, new_id):
    example, person = session_example, new_id()
    assert example.get_user_session(person) == ({}, {}, None)
    first = example.save_session(person, {"question": 3, "score": 120}, {"quizzes_completed": 5}, None)
    assert example.get_user_session(person) == ({"question": 3, "score": 120}, {"quizzes_completed": 5}, first)
    second = example.save_session(person, {"question": 4}, {"quizzes_completed": 6}, first)
    for stale in (first, None):
        with pytest.raises(example.Changed):
            example.save_session(person, {"question": 0}, {}, stale)
    assert example.get_user_session(person) == ({"question": 4}, {"quizzes_completed": 6}, second)
    assert profile(stack, "telegram", person)["xp"] == 0
