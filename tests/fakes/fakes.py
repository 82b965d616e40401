#!/usr/bin/python3
"""Stand-ins for the Telegram Bot API and the Discord API, and the playground's server, in one process. See README.md beside this file.

    fakes.py --listen 127.0.0.1:PORT --env FILE
"""

import argparse
import asyncio
import base64
import os
import re
import signal
import sys
import time

import control
from discord import Discord
from playground import Playground
from settings import Settings
from telegram import Telegram
from wire import Hangup, Response, Server, json_response

SLEEP_MAX = 600.0


def problem(status, detail):
    return json_response({"error": detail}, status)


class Fakes:
    def __init__(self, env_path):
        self.settings = Settings(env_path)
        self.calls = control.Calls()
        self.rules = control.Rules()
        self.playground = Playground(self.settings)
        self.telegram = Telegram(self.settings, self.playground)
        self.discord = Discord(self.settings, self.playground)
        self.playground.attach(self.telegram, self.discord)

    async def handle(self, request):
        path = request.path
        if path.startswith("/telegram/file/"):
            return self.telegram.deliver_file(path[len("/telegram"):])
        if path.startswith("/telegram/"):
            return await self.platform_call("telegram", self.telegram, request, path[len("/telegram"):])
        if path.startswith("/discord/cdn/"):
            return self.discord_file(path)
        match = re.match(r"/discord(?:/api(?:/v10)?)?(?=/)", path)
        if match:
            return await self.platform_call("discord", self.discord, request, path[match.end():])
        if path.startswith("/control/"):
            return await self.control(request, path[len("/control/"):])
        if path == "/playground" or path.startswith("/playground/"):
            return await self.playground.handle(request)
        return problem(404, "there is /telegram/bot<token>/<method>, /discord/api/v10/..., /control/... and /playground/")

    def discord_file(self, path):
        file = self.discord.state.files.get(path.split("/")[-2])
        return Response(200, file[1], file[0]) if file else problem(404, "no such file")

    # ---- platforms ----------------------------------------------------------------------------------------------------------------

    async def platform_call(self, name, platform, request, path):
        call = platform.read(request, path)
        rule = self.rules.take(name, call.method, call.concrete, call.recipients) or {}
        if "slow" in rule:
            await asyncio.sleep(min(float(rule["slow"]), SLEEP_MAX))
        if "hang" in rule or "close" in rule:
            if rule.get("after_effect"):
                platform.perform(call)
            self.record(name, call, request, None)
            await asyncio.sleep(min(float(rule.get("hang", 0)), SLEEP_MAX))
            raise Hangup
        response = platform.rule_response(rule) if "status" in rule else platform.perform(call)
        self.record(name, call, request, response)
        return response

    def record(self, name, call, request, response):
        answer = response.body.decode("utf-8", "replace") if response and len(response.body) <= 65536 else None
        entry = {"platform": name, "method": call.method, "path": request.path, "body": call.shown, "answer_status": response.status if response else 0,
                 "recipient": call.recipients[0] if call.recipients else None, "channel": call.recipients[-1] if call.recipients else None,
                 "bot": call.bot.name if name == "telegram" and call.bot else None, "answer": answer}
        self.playground.wire_call(name, call, response, answer)
        self.calls.add(entry)

    # ---- control ------------------------------------------------------------------------------------------------------------------

    async def control(self, request, name):
        if request.header("origin"):
            return problem(403, "no page may steer the stand-ins")
        action = {
            ("GET", "calls"): self.get_calls, ("GET", "rules"): self.get_rules, ("POST", "rules"): self.post_rule, ("DELETE", "rules"): self.delete_rules,
            ("POST", "reset"): self.post_reset, ("POST", "limits"): self.post_limits, ("POST", "state"): self.post_state, ("GET", "state"): self.get_state,
            ("POST", "files"): self.post_file,
        }.get((request.method, name))
        if action is None:
            return problem(404, "there is GET calls, GET POST DELETE rules, POST reset, POST limits, GET POST state, POST files")
        try:
            body = request.json() if request.body else {}
            if not isinstance(body, dict):
                raise ValueError("an object is expected")
            return await action(request, body)
        except (ValueError, KeyError, TypeError) as error:
            return problem(400, f"{type(error).__name__}: {error}")

    async def get_calls(self, request, body):
        query = request.query
        wanted = control.call_filter(query.get("platform"), query.get("recipient"), query.get("method"))
        limit = max(1, min(int(query.get("limit", "10000")), 100_000))
        found = await self.calls.wait(int(query.get("since", "0")), wanted, limit, float(query.get("wait", "0")))
        # A cut list is continued after its last entry; a whole one after everything that came so far.
        return json_response({"calls": found, "last": found[-1]["seq"] if len(found) == limit else self.calls.last})

    async def get_rules(self, request, body):
        return json_response({"rules": [rule.shown() for rule in self.rules.rules]})

    async def post_rule(self, request, body):
        return json_response(self.rules.add(body).shown(), 201)

    async def delete_rules(self, request, body):
        self.rules.clear(int(request.query["id"]) if "id" in request.query else None)
        return Response(204)

    async def post_reset(self, request, body):
        self.calls.clear()
        self.rules.clear()
        self.telegram.reset()
        self.discord.reset()
        if body.get("people"):
            self.playground.reset()
        return Response(204)

    async def post_limits(self, request, body):
        """{"telegram": {"per_second", "per_chat_second", "per_group_minute"}, "discord": {"per_second", "per_channel_5s"}}; absent: not enforced."""
        self.telegram.limits = body.get("telegram")
        self.discord.limits = body.get("discord")
        return Response(204)

    async def post_state(self, request, body):
        telegram, discord = body.get("telegram", {}), body.get("discord", {})
        if "blocked" in telegram:
            self.telegram.state.blocked = {("*", int(chat)) for chat in telegram["blocked"]}
        if "closed" in discord:
            closed = discord["closed"]
            self.discord.state.closed = {str(user): int(code) for user, code in closed.items()} if isinstance(closed, dict) else {str(user): 50007 for user in closed}
        if "channels" in discord:
            self.discord.state.channels = {str(channel) for channel in discord["channels"]}
        if "roles" in discord:  # changed by hand
            self.discord.state.roles.update({tuple(key.split("/")): {str(role) for role in roles} for key, roles in discord["roles"].items()})
        if "absent" in discord:
            self.discord.state.absent = {str(user) for user in discord["absent"]}
        if "refused_roles" in discord:
            self.discord.state.refused_roles = {str(role): int(code) for role, code in discord["refused_roles"].items()}
        if "bearers" in discord:  # OAuth2 grants that a test makes up: {access token: {"user", "scope", "refresh", "expires_in"}}
            self.discord.state.bearers.update({access: {"user": str(value["user"]), "scope": value["scope"], "refresh": value["refresh"],
                                                        "expires": time.time() + value.get("expires_in", 604_800)} for access, value in discord["bearers"].items()})
        if "revoked" in discord:  # users who took their consent back
            revoked = {str(user) for user in discord["revoked"]}
            self.discord.state.bearers = {access: value for access, value in self.discord.state.bearers.items() if value["user"] not in revoked}
        if "entitlements" in discord:
            self.discord.state.entitlements = {str(value["id"]): value for value in discord["entitlements"]}
        return Response(204)

    async def get_state(self, request, body):
        discord = self.discord.state
        return json_response({
            "telegram": {"blocked": sorted(chat for _, chat in self.telegram.state.blocked), "webhooks": self.telegram.webhooks,
                         "commands": [{"bot": bot, "scope": scope, "language": language, "commands": commands}
                                      for (bot, scope, language), commands in self.telegram.commands.items()],
                         "refunded": sorted(self.telegram.state.refunded), "subscriptions_canceled": self.telegram.state.subscriptions,
                         "invoices": self.telegram.state.invoices},
            "discord": {"closed": discord.closed, "channels": sorted(discord.channels), "commands": {key or "global": value for key, value in self.discord.commands.items()},
                        "roles": {f"{guild}/{user}": sorted(roles) for (guild, user), roles in discord.roles.items()},
                        "guild_channel": self.discord.guild_channel, "metadata": self.discord.metadata, "connections": discord.connections},
        })

    async def post_file(self, request, body):
        """A file that a pretended person sent: {"platform", "name", "content_type", "content": base64, "file_id"?}."""
        data = base64.b64decode(body["content"], validate=True)
        if body["platform"] == "telegram":
            file_id = self.telegram.add_file("documents/" + os.path.basename(body["name"]), body["content_type"], data, body.get("file_id"))
            return json_response({"file_id": file_id}, 201)
        file_id = body.get("file_id") or self.discord.snowflake()
        self.discord.state.files[file_id] = (body["content_type"], data)
        return json_response({"file_id": file_id, "path": f"/discord/cdn/attachments/0/{file_id}/{os.path.basename(body['name'])}"}, 201)


def listen_address(text):
    host, colon, port = text.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]") or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError("expected a loopback address such as 127.0.0.1:8081 (port 0 chooses one)")
    return host.strip("[]"), int(port)


async def serve(arguments):
    fakes = Fakes(arguments.env)
    server, port = await Server(fakes.handle).start(*arguments.listen)
    print(f"listening on http://{arguments.listen[0]}:{port}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description="stand-ins for the Telegram Bot API and the Discord API")
    parser.add_argument("--listen", type=listen_address, required=True, metavar="127.0.0.1:PORT")
    parser.add_argument("--env", required=True, metavar="FILE", help="the development stack's RUN_DIR/env; read when it is there")
    asyncio.run(serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
