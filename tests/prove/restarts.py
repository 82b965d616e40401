"""Proof: programs may be stopped or killed at any moment under load, and nothing that was acknowledged is lost or done twice.

usage: restarts.py term|kill [SECONDS [RATE [AT_ONCE]]]   (120 500 200; make prove-term, make prove-kill, PROVE_ARGS="60 150 24")

RATE requests a second of commands with an effect, while every half second the next program gets SIGTERM (or -9): three in four are /lang of people
who were there before, on both platforms, the others /getcode and /code (twice) of people who are new.
term: every answer is 200. kill: every request is answered 200 or, sent again as Telegram would, takes effect once.
"""
import asyncio
import collections
import json
import os
import signal
import sys
import time

import aiohttp

sys.path[:0] = [__file__.rsplit("/", 2)[0] + "/e2e"]
from conftest import temporary_stack, wait_for  # noqa: E402
from crowd import CODE, Crowd  # noqa: E402

RATE = 500
AT_ONCE = 200  # Telegram opens 100 connections for a bot at most
EVERY = 0.5


class Load:
    def __init__(self, stack, crowd):
        self.stack, self.crowd = stack, crowd
        self.first, self.languages, self.redeemers, self.problems = collections.Counter(), {}, [], []
        self.kills = self.settings = 0
        # So many that one is free whenever another request may begin. Who is at it is not here: his next setting follows his last.
        self.free = {platform: collections.deque(first + i for i in range(crowd.connections))
                     for platform, first in (("telegram", 9_900_000_000), ("discord", 9_800_000_000))}

    async def meet(self):
        """Everybody says something once, before it counts."""
        waiting = [(platform, user) for platform, users in self.free.items() for user in users]

        async def say():
            while waiting:
                platform, user = waiting.pop()
                await (self.telegram(self.crowd.telegram_update(user, "/lang en")) if platform == "telegram" else self.interaction(user, "lang", lang="en"))

        await asyncio.gather(*(say() for _ in range(16)))
        self.first.clear()

    async def telegram(self, update):
        """Sent until it is acknowledged; the first answer is counted by its status. The answer's text, maybe None; "" when it never was."""
        body, first, end = json.dumps(update), True, time.monotonic() + 60
        while time.monotonic() < end:
            try:
                status, text = await self.crowd.post("/telegram/main", body, {"X-Telegram-Bot-Api-Secret-Token": self.crowd.env["BOT_SECRET"]})
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                status, text = type(error).__name__, ""
            if first:
                self.first[status] += 1
                first = False
            if status == 200:
                return json.loads(text)["text"] if text else None
            await asyncio.sleep(0.1)
        self.problems.append(f"never acknowledged: {body[:200]}")
        return ""

    async def pair(self, number):
        """A code that Discord answered with, redeemed on Telegram: linked once, and the update sent again gets the same words."""
        issuer, redeemer = 9_000_000_000 + number, 9_500_000_000 + number
        codes = CODE.findall(await self.interaction(issuer, "getcode"))
        if len(codes) != 1:
            return  # Discord does not ask again: its user was told to try later, or lost his answer with the program
        update = self.crowd.telegram_update(redeemer, f"/code {codes[0]}")
        texts = {await self.telegram(update) for _ in range(2)}  # and once more after it was acknowledged
        if "" in texts:
            return
        if len(texts) != 1 or not all(text and "Done!" in text for text in texts):
            self.problems.append(f"{number}: {texts}")
        self.redeemers.append(redeemer)

    async def language(self, number):
        user = self.free["telegram"].popleft()
        wanted = ("en", "ru")[number // 2 % 2]
        if await self.telegram(self.crowd.telegram_update(user, f"/lang {wanted}")) != "":
            self.languages[user] = wanted
            self.settings += 1
            self.free["telegram"].append(user)

    async def interaction(self, user, name, **options):
        """The answer's text; empty when there was none."""
        body = json.dumps(self.crowd.interaction(user, name, **options)).encode()
        try:
            status, text = await self.crowd.post("/discord/interactions", body, self.crowd.signed(body))
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            status, text = type(error).__name__, ""
        self.first[status] += 1
        return text if status == 200 else ""

    async def discord_language(self, number):
        user = self.free["discord"].popleft()
        await self.interaction(user, "lang", lang=("en", "ru")[number // 2 % 2])
        self.free["discord"].append(user)

    async def disturb(self, signal_number, end):
        programs = [name for name in self.stack.programs()]
        while time.monotonic() < end:
            name = programs[self.kills % len(programs)]
            pid = self.stack.pid(name)
            if pid:
                try:
                    os.kill(pid, signal_number)
                    self.kills += 1
                except ProcessLookupError:
                    pass
            await asyncio.sleep(EVERY)

    async def run(self, signal_number, seconds, rate, at_once):
        await self.meet()
        end, started, number, tasks = time.monotonic() + seconds, time.monotonic(), 0, set()
        disturbing = asyncio.create_task(self.disturb(signal_number, end))
        kinds = (self.language, self.discord_language) * 4 + (self.language, self.pair)
        while time.monotonic() < end:
            # a pair is three requests, the others one
            due = int((time.monotonic() - started) * rate / 1.2)
            while number < due and len(tasks) < at_once:
                task = asyncio.create_task(kinds[number % len(kinds)](number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                number += 1
            await asyncio.sleep(0.01)
        await disturbing
        await asyncio.gather(*tasks)
        return time.monotonic() - started


def check_effects(stack, load):
    """Acknowledged languages that are not there, and redeemers who were not linked exactly once."""
    with stack.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT i.platform_id, a.language FROM identity i JOIN account a ON a.id = i.account_id WHERE i.platform = 'telegram'"
                       " AND i.platform_id >= 9900000000")
        held = dict(cursor.fetchall())
        cursor.execute("SELECT i.platform_id, count(*) FROM merge m JOIN identity i ON i.id = m.redeemer_identity_id GROUP BY 1")
        merges = dict(cursor.fetchall())
    return [user for user, wanted in load.languages.items() if held.get(user) != wanted], [user for user in load.redeemers if merges.get(user) != 1]


async def prove(stack, signal_number, seconds, rate=RATE, at_once=AT_ONCE):
    """`at_once` are in flight: past it fewer are sent than `rate` a second, so that a slow machine is not asked for more than it can."""
    async with Crowd(stack.env, connections=at_once) as crowd:
        load = Load(stack, crowd)
        took = await load.run(signal_number, seconds, rate, at_once)
        return load, took


def main(kind, seconds=120, rate=RATE, at_once=AT_ONCE):
    with temporary_stack() as stack:
        stack.up()
        load, took = asyncio.run(prove(stack, signal.SIGTERM if kind == "term" else signal.SIGKILL, seconds, rate, at_once))
        wait_for(lambda: stack.request("GET", "/readyz").status_code == 200, 10, "readiness")
        lost, wrong = check_effects(stack, load)
        total = sum(load.first.values())
        print(f"{kind}: {load.kills} signals in {took:.0f} s, {total} requests ({total / took:.0f}/s), first answers {dict(load.first)}")
        print(f"acknowledged settings {load.settings} of {len(load.languages)} people, lost {len(lost)}; links {len(load.redeemers)}, not exactly once {len(wrong)}; problems {len(load.problems)} {load.problems[:3]}")
        verify = stack.trivet("verify", check=False)
        print(verify.stdout.strip())
        strict = kind == "term" and set(load.first) != {200}
        return int(bool(lost or wrong or load.problems or strict or verify.returncode))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
