"""What end-to-end tests stand on: a whole stack of their own (tests/dev/stack.py) on a random port in a temporary folder.

Fixtures: `stack` (one for the session; V chooses the build), `db` (a connection to its database), `fakes` (its stand-ins, reset),
`new_id` (platform ids that no other test uses), `another_stack` (makes further stacks for tests about stacks).
"""
import contextlib
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg2
import pytest
import requests
from nacl.signing import SigningKey

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STACK = ["/usr/bin/python3", "-B", os.path.join(ROOT, "tests", "dev", "stack.py")]
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tests", room) for room in ("dev", "conformance", "prove")]
import judge  # noqa: E402
import openapi  # noqa: E402
import plan as plans  # noqa: E402

UP_SECONDS = 120
CLOCK_STALE = 1.0  # contract.md 1: programs may follow $RUN_DIR/clock that late
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: ")
UPDATE_IDS = itertools.count(int(time.time()) % 1_000_000_000)
INTERACTION_IDS = itertools.count((int(time.time() * 1000) - 1420070400000) << 22)


def wait_for(condition, timeout=5.0, what="the condition"):
    """The first true value of condition(); fails the test when none comes in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {timeout} s"
        time.sleep(0.02)


def execute(db, statement, *values):
    """The rows of a statement; None when it has none to give."""
    with db.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


def pytest_terminal_summary(terminalreporter):
    """The line that all kinds of tests end with, and the same in the file that TOTAL names (tests/support/run_tests --sum)."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    total = (count["passed"], count["failed"] + count["error"], count["skipped"])
    if os.environ.get("TOTAL"):
        os.makedirs(os.path.dirname(os.path.abspath(os.environ["TOTAL"])), exist_ok=True)
        with open(os.environ["TOTAL"], "w") as file:
            file.write("{} {} {}\n".format(*total))
    terminalreporter.write_line("{} passed, {} failed, {} skipped".format(*total))


BODYLESS = ("PUT /guilds/{}/members/{}/roles/{}",)  # beside GET and DELETE


def discord_body(call):
    """The body of a recorded call as it was sent: the record writes none as {} and a list as {"list": [...]}."""
    body = call["body"]
    if set(body or {}) == {"list"}:
        return body["list"]
    return None if not body and (call["method"].split()[0] in ("GET", "DELETE") or call["method"] in BODYLESS) else body


class Fakes:
    """The stand-ins' control (tests/fakes/README.md)."""

    def __init__(self, stack):
        self.stack, self.url, self.since = stack, stack.env["FAKE_URL"], 0

    def post(self, what, body):
        answer = requests.post(f"{self.url}/control/{what}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def calls(self, wait=0, **wanted):
        """Every call since the last reset, the refused ones too; waits up to `wait` seconds for the first."""
        answer = requests.get(f"{self.url}/control/calls", params={"since": self.since, "wait": wait, **wanted}, timeout=wait + 10)
        answer.raise_for_status()
        return answer.json()["calls"]

    def state(self):
        return requests.get(f"{self.url}/control/state", timeout=10).json()

    def rule(self, platform, answer, **which):
        return self.post("rules", {"platform": platform, "answer": answer, **which})

    def reset(self):
        self.stack.keep_calls()
        self.post("reset", {})
        self.since = requests.get(f"{self.url}/control/calls", params={"since": 2**53}, timeout=10).json()["last"]


class Stack:
    """A stack that runs: its addresses and secrets, and how platforms and people speak to it."""

    def __init__(self, run_dir, settings):
        self.run_dir, self.settings, self.env = run_dir, settings, {}
        self.answers, self.calls = [], []  # (platform, body) of every webhook that was answered with one; what the programs called
        self.openapi = openapi.Judge(openapi.load())  # of every answer of the service API
        self.http = requests.Session()
        self.http.trust_env = False

    # ---- life

    def command(self, *words, check=True):
        """Runs stack.py with this stack's settings."""
        done = subprocess.run([*STACK, *words], env={**os.environ, **self.settings}, capture_output=True, text=True, timeout=UP_SECONDS)
        assert not check or done.returncode == 0, f"stack.py {' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def up(self):
        done = self.command("up")
        with open(os.path.join(self.run_dir, "env")) as file:
            lines = [line.rstrip("\n").partition("=") for line in file]
        self.env = {key: "".join(shlex.split(value)) for key, _, value in lines}
        return done

    def down(self):
        return self.command("down")

    def pid(self, program):
        """The number in a program's pid file; None while there is none."""
        try:
            with open(os.path.join(self.run_dir, program + ".pid")) as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None

    def programs(self):
        return sorted(name[:-4] for name in os.listdir(self.run_dir) if name.endswith(".pid"))

    def log(self, program):
        with open(os.path.join(self.run_dir, "log", program + ".log"), errors="replace") as file:
            return file.read()

    def sanitizer_reports(self):
        """What AddressSanitizer and its kin said of the programs, which may have been started again since. Stops them: leaks are told at the end."""
        for program in self.programs():
            self.command("stop", program)
        texts = {program: self.log(program) for program in (*plans.SERVED, plans.WORKER) if os.path.exists(f"{self.run_dir}/log/{program}.log")}
        return {program: text[found.start():][:2000] for program, text in texts.items() if (found := SANITIZER.search(text))}

    def connect(self):
        connection = psycopg2.connect(self.env["DATABASE_URL"], connect_timeout=5)
        connection.autocommit = True
        return connection

    def trivet(self, *words, check=True):
        """The operator's command; it needs nothing but the variables of $RUN_DIR/env."""
        done = subprocess.run([os.path.join(ROOT, "build", self.settings["V"], "trivet"), *words], env={**os.environ, **self.env},
                              capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"trivet {' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def trivet_json(self, *words, check=True):
        """What the operator's command says with --json."""
        return json.loads(self.trivet(*words, "--json", check=check).stdout)

    def clock(self):
        """The development clock's offset in seconds."""
        try:
            with open(os.path.join(self.run_dir, "clock")) as file:
                return int(file.read())
        except FileNotFoundError:
            return 0

    def set_clock(self, seconds):
        """Sets the development clock's offset, and waits as long as programs may be behind: nothing outside shows when they read it."""
        self.write_clock(seconds)
        time.sleep(CLOCK_STALE + 0.1)

    def write_clock(self, seconds):
        """By a rename: who read an empty file would be back in the present."""
        path = os.path.join(self.run_dir, "clock")
        with open(path + ".new", "w") as file:
            file.write(f"{seconds}\n")
        os.replace(path + ".new", path)

    # ---- the website and the service API

    def request(self, method, path, **more):
        answer = self.http.request(method, self.env["BASE_URL"] + path, timeout=15, allow_redirects=False, **more)
        if path.startswith("/v1/") and method != "HEAD":
            kind = answer.headers.get("Content-Type", "")
            self.openapi.hear(method, path, more.get("json"), answer.status_code, kind, answer.json() if "json" in kind else None)
        return answer

    def api(self, method, path, body=None, **headers):
        """A call of the service API with the stack's own key."""
        return self.request(method, path, json=body, headers={"Authorization": "Bearer " + self.env["API_KEY"], **headers})

    def heard(self, platform, answer):
        if answer.status_code == 200 and answer.content:
            self.answers.append((platform, answer.json()))
        return answer

    def keep_calls(self):
        """Notes every call that the stand-ins hold, before they forget them."""
        self.calls += requests.get(self.env["FAKE_URL"] + "/control/calls", params={"since": 0}, timeout=60).json()["calls"]

    def judged(self):
        """What the platforms' own descriptions find wrong in all that was answered and called; and how much was judged."""
        if not judge.available():
            return {}, 0
        self.keep_calls()
        said = [(answer, judge.judge_telegram(None, answer) if platform == "telegram" else judge.judge_interaction_response(answer))
                for platform, answer in self.answers]
        said += [(call, judge.judge_telegram(call["method"], call["body"]) if call["platform"] == "telegram" else
                  judge.judge_discord(call["method"].split()[0], call["path"], discord_body(call))) for call in self.calls]
        return {json.dumps(what, ensure_ascii=False)[:600]: errors for what, errors in said if errors}, len(said)

    # ---- Telegram

    def post_telegram(self, bot, update, headers=None):
        """An update as Telegram posts it. `update` may be bytes, and `headers` replaces the secret's."""
        secret = self.env.get("BOT_SECRET" if bot == "main" else f"{bot.upper()}_BOT_SECRET", "")
        body = update if isinstance(update, bytes) else json.dumps(update).encode()
        own = {"X-Telegram-Bot-Api-Secret-Token": secret} if headers is None else headers
        return self.heard("telegram", self.request("POST", f"/telegram/{bot}", data=body, headers={"Content-Type": "application/json", **own}))

    def telegram_update(self, user, text, chat=None, language="en"):
        """A private message of a person, or one in a group (chat id below 0)."""
        number = next(UPDATE_IDS)
        place = {"id": chat, "title": "The Community", "type": "supergroup"} if chat and chat < 0 else {"id": user, "first_name": "Test", "type": "private"}
        message = {"message_id": number, "date": int(time.time()), "chat": place, "text": text,
                   "from": {"id": user, "is_bot": False, "first_name": "Test", "username": f"tester{user}", "language_code": language}}
        if text.startswith("/"):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        return {"update_id": number, "message": message}

    def command_telegram(self, user, text, bot="main", **more):
        """What a person who writes `text` gets in the webhook's own answer: a method call as a dict, None when it is empty."""
        answer = self.post_telegram(bot, self.telegram_update(user, text, **more))
        assert answer.status_code == 200, f"{text}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    # ---- Discord

    def post_discord(self, interaction, path="/discord/interactions", key=None, timestamp=None):
        """An interaction as Discord posts it, signed with the application's key or another."""
        body = interaction if isinstance(interaction, bytes) else json.dumps(interaction).encode()
        stamp = str(int(time.time())) if timestamp is None else str(timestamp)
        signature = (key or SigningKey(bytes.fromhex(self.env["DISCORD_PRIVATE_KEY"]))).sign(stamp.encode() + body).signature.hex()
        headers = {"Content-Type": "application/json", "X-Signature-Ed25519": signature, "X-Signature-Timestamp": stamp}
        return self.heard("discord", self.request("POST", path, data=body, headers=headers))

    def discord_interaction(self, user, kind, data, language="en-US", guild=True):
        person = {"id": str(user), "username": f"tester{user}", "discriminator": "0", "avatar": None, "global_name": "Test"}
        interaction = {"id": str(next(INTERACTION_IDS)), "application_id": self.env["DISCORD_APPLICATION_ID"], "type": kind, "version": 1,
                       "token": f"token-{user}-{next(INTERACTION_IDS)}", "locale": language, "channel_id": "645027906669510667", "entitlements": [],
                       "context": 0 if guild else 1, "authorizing_integration_owners": {"0": self.env["DISCORD_GUILD_ID"]}, "data": data}
        if guild:
            interaction["guild_id"] = self.env["DISCORD_GUILD_ID"]
            interaction["member"] = {"user": person, "roles": [], "permissions": "2147483647", "joined_at": "2024-01-01T00:00:00+00:00",
                                     "deaf": False, "mute": False}
        else:
            interaction["user"] = person
        return interaction

    def command_discord(self, user, name, **options):
        """The answer to a slash command, as a dict. Options are named as Discord names them; language= and guild= are the interaction's."""
        about = {key: options.pop(key) for key in ("language", "guild") if key in options}
        kinds = {bool: 5, int: 4, str: 3}
        data = {"id": "866818195033292850", "name": name, "type": 1,
                "options": [{"name": key, "type": kinds[type(value)], "value": value} for key, value in options.items()]}
        answer = self.post_discord(self.discord_interaction(user, 2, data, **about))
        assert answer.status_code == 200, f"/{name}: {answer.status_code} {answer.text[:300]}"
        return answer.json()


@contextlib.contextmanager
def temporary_stack(mode=0o755, **settings):
    """A stack in a folder of its own, not yet up; down and gone at the end, whatever happened. `mode` 0o700: its user cannot reach it."""
    folder = tempfile.mkdtemp(prefix="trivet-e2e-", dir="/tmp")
    os.chmod(folder, mode)
    run_dir = os.path.join(folder, "run")
    chosen = {"V": os.environ.get("V") or "release", "PORT": str(plans.free_ports(1, set())[0]), "RUN_DIR": run_dir, "WORKERS": "",
              "TELEGRAM_API_URL": "", "DISCORD_API_URL": ""}
    stack = Stack(run_dir, {**chosen, **settings})
    try:
        yield stack
    finally:
        stack.command("down", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack():
    with temporary_stack() as made:
        made.up()
        yield made
        wrong, count = made.judged()
        print(f"{count} answers and calls judged by the platforms' descriptions, {len(wrong)} found wrong")
        print(f"{sum(made.openapi.heard.values())} answers of the service API judged by docs/openapi.json, {len(made.openapi.wrong)} found wrong")
        assert wrong == {} and made.openapi.wrong == {}
        assert made.sanitizer_reports() == {}


@pytest.fixture
def another_stack():
    """another_stack(**settings) -> a further stack, not yet up."""
    with contextlib.ExitStack() as made:
        yield lambda **settings: made.enter_context(temporary_stack(**settings))


@pytest.fixture
def db(stack):
    connection = stack.connect()
    yield connection
    connection.close()


@pytest.fixture
def fakes(stack):
    control = Fakes(stack)
    control.reset()
    yield control
    control.reset()


@pytest.fixture(scope="session")
def new_id():
    """new_id() -> a platform id that no test of this session had before."""
    numbers = itertools.count(10**9 + int(time.time()) % 10**6 * 1000)
    return lambda: next(numbers)
