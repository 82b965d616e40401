"""What the development stack wrote into $RUN_DIR/env: tokens, secrets, addresses. Read when first needed and again when it changes."""

import os
import shlex
import time
from dataclasses import dataclass

LOOK_EVERY = 0.1  # seconds


@dataclass(frozen=True)
class Bot:
    name: str
    token: str
    secret: str
    username: str

    @property
    def id(self):
        return int(self.token.split(":")[0]) if self.token.split(":")[0].isdigit() else 0

    def user(self):
        return {"id": self.id, "is_bot": True, "first_name": "Trivet" if self.name == "main" else f"Trivet {self.name.title()}", "username": self.username}


def parse(text):
    """Lines KEY=value that a shell can source; anything else in them is skipped."""
    values = {}
    for line in text.splitlines():
        line = line.strip().removeprefix("export ")
        key, equals, value = line.partition("=")
        if equals and key.isidentifier():
            try:
                words = shlex.split(value)
            except ValueError:
                continue
            values[key] = words[0] if words else ""
    return values


def bots_of(values):
    """BOT_TOKEN is the bot `main`, QUIZ_BOT_TOKEN the bot `quiz`, and so on."""
    bots = {}
    for key, token in values.items():
        if token and (key == "BOT_TOKEN" or key.endswith("_BOT_TOKEN")) and not key.startswith("DISCORD_"):
            prefix = key[: -len("BOT_TOKEN")]
            name = prefix.rstrip("_").lower() or "main"
            username = values.get(prefix + "BOT_USERNAME") or f"trivet_{name}_bot"
            bots[name] = Bot(name, token, values.get(prefix + "BOT_SECRET", ""), username)
    return bots


class Settings:
    def __init__(self, path):
        self.path = path
        self.values = {}
        self.bots = {}
        self.stamp = None
        self.looked = 0.0

    def refresh(self):
        now = time.monotonic()
        if now - self.looked < LOOK_EVERY:
            return
        self.looked = now
        try:
            status = os.stat(self.path)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self.stamp:
                return
            with open(self.path, encoding="utf-8") as file:
                self.values = parse(file.read())
        except OSError:
            stamp, self.values = None, {}
        self.stamp = stamp
        self.bots = bots_of(self.values)

    def get(self, key, default=""):
        self.refresh()
        return self.values.get(key) or default

    def bot_by_token(self, token):
        self.refresh()
        return next((bot for bot in self.bots.values() if bot.token == token), None)

    def bot_by_name(self, name):
        self.refresh()
        return self.bots.get(name)

    def bot_by_username(self, username):
        self.refresh()
        return next((bot for bot in self.bots.values() if bot.username.lower() == username.lower()), None)

    @property
    def run_dir(self):
        return os.path.dirname(os.path.abspath(self.path))
