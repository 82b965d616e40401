"""What tests steer: the record of every call, and rules that make the stand-ins misbehave."""

import asyncio
import json
import re
import sys
import time

CALLS_MAX = 200_000
CALLS_BYTES_MAX = 256 << 20
RULES_MAX = 10_000
WAIT_MAX = 60.0


class Calls:
    """Every call that came, the refused ones too, oldest dropped first. Sequence numbers start at 1 and never start again."""

    def __init__(self):
        self.entries = []
        self.bytes = 0
        self.last = 0
        self.arrived = asyncio.Event()

    def add(self, entry):
        """Kept as JSON: a quarter of what the objects take."""
        self.last += 1
        text = json.dumps({"seq": self.last, "at": time.time(), **entry}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        keys = tuple(sys.intern(entry[name]) if entry[name] else None for name in ("platform", "method", "recipient", "channel"))
        self.entries.append((keys, text))
        self.bytes += len(text)
        if len(self.entries) > CALLS_MAX + CALLS_MAX // 10 or self.bytes > CALLS_BYTES_MAX:
            self.trim()
        self.arrived.set()
        self.arrived = asyncio.Event()

    def trim(self):
        drop = max(len(self.entries) - CALLS_MAX, len(self.entries) // 10)
        self.bytes -= sum(len(text) for _, text in self.entries[:drop])
        del self.entries[:drop]

    def clear(self):
        self.entries.clear()
        self.bytes = 0

    def select(self, since, wanted, limit):
        first = self.last - len(self.entries) + 1
        found = []
        for keys, text in self.entries[max(0, since - first + 1):]:
            if wanted(*keys):
                found.append(json.loads(text))
                if len(found) == limit:
                    break
        return found

    async def wait(self, since, wanted, limit, seconds):
        """At once when there is one, else when the first arrives, else empty after the given time."""
        end = time.monotonic() + min(seconds, WAIT_MAX)
        while True:
            arrived = self.arrived
            found = self.select(since, wanted, limit)
            left = end - time.monotonic()
            if found or left <= 0:
                return found
            try:
                await asyncio.wait_for(arrived.wait(), left)
            except asyncio.TimeoutError:
                pass


def call_filter(platform, recipient, method):
    def wanted(its_platform, its_method, its_recipient, its_channel):
        return ((not platform or its_platform == platform) and (not method or its_method == method)
                and (not recipient or recipient in (its_recipient, its_channel)))
    return wanted


class RuleError(ValueError):
    pass


ANSWER_KINDS = ("status", "hang", "close", "slow")


class Rule:
    def __init__(self, number, value):
        if not isinstance(value, dict):
            raise RuleError("a rule is an object")
        unknown = set(value) - {"platform", "method", "recipient", "answer", "times"}
        if unknown:
            raise RuleError(f"unknown field {sorted(unknown)[0]}: platform, method, recipient, answer, times")
        if value.get("platform") not in ("telegram", "discord"):
            raise RuleError('platform: "telegram" or "discord"')
        self.answer = value.get("answer")
        if not isinstance(self.answer, dict) or sum(kind in self.answer for kind in ANSWER_KINDS) != 1:
            raise RuleError("answer: an object with exactly one of " + ", ".join(ANSWER_KINDS))
        times = value.get("times")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise RuleError("times: a positive integer; without it the rule stays until it is deleted")
        self.id = number
        self.platform = value["platform"]
        self.method = value.get("method")
        self.recipient = str(value["recipient"]) if value.get("recipient") is not None else None
        self.left = times
        self.used = 0
        pattern = re.escape(self.method or "").replace(r"\{\}", "[^/]+")
        self.pattern = re.compile(pattern, re.IGNORECASE) if self.method else None

    def matches(self, platform, method, concrete, recipients):
        return (self.platform == platform
                and (self.pattern is None or bool(self.pattern.fullmatch(method)) or bool(self.pattern.fullmatch(concrete)))
                and (self.recipient is None or self.recipient in recipients))

    def shown(self):
        return {"id": self.id, "platform": self.platform, "method": self.method, "recipient": self.recipient, "answer": self.answer,
                "left": self.left, "used": self.used}


class Rules:
    def __init__(self):
        self.rules = []
        self.numbers = 0

    def add(self, value):
        if len(self.rules) >= RULES_MAX:
            raise RuleError("too many rules")
        rule = Rule(self.numbers + 1, value)
        self.numbers += 1
        self.rules.append(rule)
        return rule

    def clear(self, number=None):
        self.rules = [rule for rule in self.rules if number is not None and rule.id != number]

    def take(self, platform, method, concrete, recipients):
        """The answer of the oldest rule that matches, used once; None when none does."""
        for rule in self.rules:
            if rule.matches(platform, method, concrete, recipients):
                rule.used += 1
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left == 0:
                        self.rules.remove(rule)
                return rule.answer
        return None


class Window:
    """At most `limit` events in any `seconds`; how long to wait for the next."""

    def __init__(self):
        self.times = {}

    def take(self, key, limit, seconds):
        now = time.monotonic()
        times = [at for at in self.times.get(key, ()) if at > now - seconds]
        wait = times[0] + seconds - now if len(times) >= limit else 0.0
        if not wait:
            times.append(now)
        self.times[key] = times
        if len(self.times) > 100_000:
            self.times.clear()
        return wait, max(0, limit - len(times)), (times[0] + seconds - now if times else seconds)
