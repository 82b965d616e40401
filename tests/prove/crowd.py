"""A crowd that speaks to a stack as both platforms do: many requests at once, each answered or sent again as Telegram would.

The proofs (tests/prove/*.py) and their short forms in the end-to-end tests share it. Asynchronous, by python3-aiohttp.
"""
import asyncio
import itertools
import json
import re
import time

import aiohttp
from nacl.signing import SigningKey

CODE = re.compile(r"(?<![A-Z0-9])[A-HJKMNP-Z2-9]{6}(?![A-Z0-9])")
AGAIN = (429, 502, 503, 504)


# One row of numbers for all crowds of a process: of two that came within a second the later one's messages would be the earlier one's again.
UPDATES = itertools.count(int(time.time() * 10) % 1_000_000_000)


class Crowd:
    """One session of HTTP. Counts every status; `lost` are answers that no platform would get again."""

    def __init__(self, env, connections=64, first_update=None):
        self.env, self.connections = env, connections
        self.key = SigningKey(bytes.fromhex(env["DISCORD_PRIVATE_KEY"]))
        self.updates = itertools.count(first_update) if first_update else UPDATES
        self.interactions = itertools.count((int(time.time() * 1000) - 1420070400000) << 22)
        self.statuses = {}

    async def __aenter__(self):
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=self.connections), timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_):
        await self.http.close()

    async def post(self, path, body, headers):
        async with self.http.post(self.env["BASE_URL"] + path, data=body, headers={"Content-Type": "application/json", **headers}) as answer:
            text = await answer.text()
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            return answer.status, text

    async def get(self, path):
        async with self.http.get(self.env["BASE_URL"] + path, headers={"Authorization": "Bearer " + self.env["API_KEY"]}) as answer:
            return answer.status, await answer.json()

    # ---- updates

    def telegram_update(self, user, text=None, action=None):
        number = next(self.updates)
        person = {"id": user, "is_bot": False, "first_name": f"P{user}", "language_code": "en"}
        chat = {"id": user, "type": "private", "first_name": f"P{user}"}
        if action is None:
            message = {"message_id": number, "date": int(time.time()), "chat": chat, "from": person, "text": text,
                       "entities": [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]}
            return {"update_id": number, "message": message}
        message = {"message_id": 1, "date": int(time.time()), "chat": chat, "from": {"id": 1, "is_bot": True, "first_name": "Bot"}, "text": "?"}
        return {"update_id": number, "callback_query": {"id": str(number), "from": person, "message": message, "chat_instance": "1", "data": action}}

    def interaction(self, user, name=None, action=None, **options):
        number = next(self.interactions)
        body = {"id": str(number), "application_id": self.env["DISCORD_APPLICATION_ID"], "token": f"t{number}", "version": 1, "locale": "en-US",
                "context": 1, "channel_id": "1", "entitlements": [], "authorizing_integration_owners": {},
                "user": {"id": str(user), "username": f"p{user}", "discriminator": "0", "global_name": f"P{user}"}}
        if action is None:
            given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
            return {**body, "type": 2, "data": {"id": "1", "name": name, "type": 1, "options": given}}
        return {**body, "type": 3, "data": {"custom_id": action, "component_type": 2}, "message": {"id": "1"}}

    # ---- sending

    async def send_telegram(self, update):
        """As Telegram: until a 2xx comes, or 60 s have passed. The answer's body as an object, None when empty."""
        end = time.monotonic() + 60
        while True:
            try:
                status, text = await self.post("/telegram/main", json.dumps(update), {"X-Telegram-Bot-Api-Secret-Token": self.env["BOT_SECRET"]})
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                status, text = 502, str(error)
            if 200 <= status < 300:
                return json.loads(text) if text else None
            if status not in AGAIN or time.monotonic() > end:
                raise AssertionError(f"{status} {text[:300]}")
            await asyncio.sleep(0.05)

    def signed(self, body, stamp=None):
        stamp = stamp or str(int(time.time()))
        return {"X-Signature-Timestamp": stamp, "X-Signature-Ed25519": self.key.sign(stamp.encode() + body).signature.hex()}

    async def send_discord(self, interaction):
        body = json.dumps(interaction).encode()
        status, text = await self.post("/discord/interactions", body, self.signed(body))
        if status != 200:
            raise AssertionError(f"{status} {text[:300]}")
        return json.loads(text)

    # ---- what people do; each gives the text that they read

    async def say(self, who, command, argument=None, action=None):
        """`who`: (platform, id). A command, or with `action` a button. Gives (text, {label: action})."""
        platform, user = who
        if platform == "telegram":
            text = f"/{command}" + (f" {argument}" if argument else "")
            answer = await self.send_telegram(self.telegram_update(user, text, action))
            rows = (answer.get("reply_markup") or {}).get("inline_keyboard", [])
            return answer["text"], {b["text"]: b.get("callback_data") for row in rows for b in row}
        options = {"code": argument} if argument else {}
        answer = (await self.send_discord(self.interaction(user, command, action, **options)))["data"]
        return answer["content"], {b["label"]: b.get("custom_id") for row in answer.get("components", []) for b in row["components"]}

    async def code_of(self, who):
        text, _ = await self.say(who, "getcode")
        found = CODE.findall(text)
        return found[0] if len(found) == 1 else None
