"""Proof: events that eight clients deliver again and again, out of order, while programs are killed, are each counted once and rightly.

usage: events.py [--events N] [--kills N] [--seed N]   (1,000,000 and 200; make prove-events)

N events over N/20 accounts: all six types, persons on either platform, one in ten on both. Bodies of up to 1,000 go to POST /v1/events by eight
clients; 3 of 10 events come again: whole bodies at the same time by another client, whole bodies later, single events in other clients' bodies.
Among them are events that must be refused alone. Meanwhile trivet-api and two workers get SIGKILL in turn, as the work goes on, so that the last
kill meets the last batches; what was not acknowledged is sent again. Then the sums of every account are compared with tests/prove/oracle.py.

So that one outcome is right:
- every identity speaks through one client, which sends a body only after the one before was acknowledged; repeats by others are of bodies under way
  (whole, so they are one transaction) or acknowledged. Hence the order of acceptance per identity is that of the plan.
- of a person on both platforms only one identity plays, only one talks and only one is heard, each its own order; what both do only adds. Nobody of
  them loses XP or coins: what a peak has paid would depend on the order between the two.
- the clock stands at noon, and all events are of the hours before it: no day, week or season changes, whichever time counts for what.
"""
import argparse
import asyncio
import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.parse

sys.path[:0] = [__file__.rsplit("/", 2)[0] + "/e2e"]
from conftest import temporary_stack, wait_for  # noqa: E402
import oracle  # noqa: E402
from crowd import Crowd  # noqa: E402

CLIENTS, BODY_MAX, REPEATED = 8, 1000, 0.3
PER_ACCOUNT = 20
LINKED = 0.1
VICTIMS = ("trivet-api", "trivet-worker", "trivet-worker.2")
FIRST_ID = {"telegram": 3_000_000_000, "discord": 4_000_000_000_000_000_000}
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
# Of a hundred events of somebody without a leaning.
MIXED = (["message_sent"] * 35 + ["game_played"] * 20 + ["voice_time"] * 13 + ["xp_change"] * 15 + ["coins_change"] * 12 + ["achievement_unlock"] * 5)
# Leanings reach what twenty mixed events do not: share of the accounts, events, kind.
LEANINGS = ((0.001, 520, "game_played"), (0.02, 110, "game_played"), (0.01, 150, "message_sent"), (0.01, 12, "voice_time"))
STEPS = [least - before for (before, _), (least, _) in zip(oracle.RANKS, oracle.RANKS[1:])]
BADGES = sorted(oracle.BADGES) + ["no_such_badge", "winner_5"]
# An event that must be refused alone: the member that is wrong, its value, and the end of the problem's type.
BAD = (("type", "jackpot"), ("type", "rank_up"), ("platform_id", "0"), ("platform_id", "9223372036854775808"), ("platform_id", 7), ("platform", "icq"),
       ("data", {"xp": 0, "reason": "nothing"}), ("data", {"xp": 1_000_001, "reason": "too much"}), ("data", {"xp": 1.5, "reason": "part"}),
       ("data", {"reason": "none"}), ("at", "2020-01-01T00:00:00Z"), ("at", "2099-01-01T00:00:00Z"), ("at", "yesterday"), ("idempotency_key", ""))


class Identity:
    """One sender. `does`: the types it may send; `single`: its account has no other."""

    __slots__ = ("platform", "platform_id", "person", "does", "single", "at", "voice_session")

    def __init__(self, platform, number, person, does, single, at):
        self.platform, self.platform_id, self.person = platform, FIRST_ID[platform] + number, person
        self.does, self.single, self.at, self.voice_session = does, single, at, 0

    def next(self, rng):
        """(type, data, at in microseconds) of its next event."""
        kind = rng.choice(self.does)
        self.at += rng.choice((rng.randrange(SECOND, 90 * SECOND, 1000), 30 * SECOND, 30 * SECOND - 1000, 5 * SECOND))
        at = self.at - (rng.randrange(10 * MINUTE) // 1000 * 1000 if rng.random() < 0.05 else 0)  # one in twenty comes late
        return kind, getattr(self, kind)(rng), at

    def change(self, rng, most):
        amount = rng.choice((rng.randint(1, 60), rng.randint(1, most), rng.choice(STEPS) + rng.randint(-1, 1), 52250 if rng.random() < 0.02 else 7))
        return -amount if self.single and rng.random() < 0.2 else amount

    def xp_change(self, rng):
        return {"xp": self.change(rng, 900), "reason": "quiz"}

    def coins_change(self, rng):
        return {"coins": self.change(rng, 3000), "reason": "shop"}

    def message_sent(self, rng):
        return {"length": rng.choice((0, 9, 10, 49, 50, 99, 100, 199, 200, 499, 500, 10000, rng.randint(0, 700)))}

    def voice_time(self, rng):
        data = {"seconds": rng.choice((1, 299, 300, 301, rng.randint(1, 4000), rng.randint(3600, 20000), 86400 if rng.random() < 0.1 else 60))}
        if rng.random() < 0.3:
            data["muted_seconds"] = rng.randint(0, data["seconds"])
        if rng.random() < 0.2:
            data["alone_seconds"] = rng.randint(0, data["seconds"])
        if rng.random() < 0.5:
            self.voice_session += rng.random() < 0.6
            data["session"] = f"call-{self.voice_session}"
        else:
            self.voice_session += 1  # a session once left does not come back
        return data

    def game_played(self, rng):
        return {"game": "go", "won": rng.random() < (0.75 if self.person % 2 else 0.45)}

    def achievement_unlock(self, rng):
        return {"badge": rng.choice(BADGES)}


class Plan:
    """Who sends how much through which client. The senders' turns are shuffled, so each body holds events of hundreds of accounts."""

    def __init__(self, events, seed, midnight):
        self.rng, self.events, self.seed = random.Random(seed), events, seed
        self.accounts, self.linked, self.people = max(1, events // PER_ACCOUNT), [], []
        self.turns = [[] for _ in range(CLIENTS)]
        ordinary = []
        for number in range(self.accounts):
            at = midnight + self.rng.randrange(HOUR) // 1000 * 1000
            many, does = self.leaning(number)
            identities = self.identities(number, does, at)
            if not many:
                ordinary.append(identities)
            for turn in range(many or PER_ACCOUNT // 2):
                self.turn(identities, turn)
        left = events - sum(map(len, self.turns))
        for turn in range(max(0, left)):
            self.turn(self.rng.choice(ordinary), self.rng.randrange(2))
        for turns in self.turns:
            self.rng.shuffle(turns)
        self.events = sum(map(len, self.turns))
        self.body = min(BODY_MAX, self.events // 40)  # so that a small run has several, too

    def leaning(self, number):
        """(events, types) of one account: the first ones lean, and those of each leaning are 1 in 10 on both platforms like all others."""
        edge = 0
        for share, many, kind in LEANINGS:
            edge += share
            if number < edge * self.accounts:
                return many, [kind]
        return 0, MIXED

    def identities(self, number, does, at):
        """One sender, or two that share the account by now. The types whose order matters are the one's or the other's."""
        if number % 10 < LINKED * 10:
            first, second = Identity("telegram", number, number, [], False, at), Identity("discord", number, number, [], False, at)
            ordered = {kind: self.rng.choice((first, second)) for kind in ("game_played", "message_sent", "voice_time")}
            for identity in (first, second):
                identity.does = [kind for kind in does if ordered.get(kind, identity) is identity]
            self.linked.append((first, second))
            self.people.append(oracle.Person(linked=True))
            return [identity for identity in (first, second) if identity.does]
        self.people.append(oracle.Person())
        return [Identity(("telegram", "discord")[number % 2], number, number, does, True, at)]

    def turn(self, identities, number):
        identity = identities[number % len(identities)]
        # Two of a pair are other clients' business: platform and id decide.
        self.turns[(identity.platform_id + (identity.platform == "discord") * 3) % CLIENTS].append(identity)


def rfc3339(at):
    seconds, rest = divmod(at, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + (f".{rest // 1000:03}Z" if rest else "Z")


class Body:
    """Texts of events, and what each must be answered: "new" (accepted, or duplicate when it was sent before), "again" or "bad"."""

    def __init__(self, items):
        self.items, self.wanted = [item for item, _ in items], [wanted for _, wanted in items]
        self.bytes = ('{"events":[' + ",".join(self.items) + "]}").encode()
        self.firsts = self.wanted.count("new")

    def copy(self, new):
        """The same bytes once more, none of them first; what was "new" is to be answered as `new`."""
        copy = object.__new__(Body)
        copy.items, copy.bytes, copy.firsts = self.items, self.bytes, 0
        copy.wanted = [new if wanted == "new" else wanted for wanted in self.wanted]
        return copy


FITTING = {"new": ("accepted", "duplicate"), "again": ("duplicate",), "bad": ("rejected",)}


class Client(threading.Thread):
    """Sends its senders' events in their order, and what others gave it to send at the same time."""

    def __init__(self, delivery, number):
        super().__init__(daemon=True)
        self.delivery, self.number, self.rng = delivery, number, random.Random(delivery.plan.seed * 31 + number)
        self.turns, self.made, self.bad, self.repeated = delivery.plan.turns[number], 0, 0, 0
        self.given, self.past = collections.deque(), collections.deque(maxlen=8)
        self.link, self.count, self.slowest = None, collections.Counter(), 0.0

    # ---- what is sent

    def event(self):
        """The next event, as text; the oracle hears of it at once."""
        identity = self.turns[self.made]
        kind, data, at = identity.next(self.rng)
        refused = self.delivery.plan.people[identity.person].apply(kind, data, at)
        if refused:
            self.count["oracle:" + refused] += 1
        self.made += 1
        return (f'{{"platform":"{identity.platform}","platform_id":"{identity.platform_id}","type":"{kind}","at":"{rfc3339(at)}",'
                f'"idempotency_key":"p:{self.number}:{self.made}","data":{json.dumps(data)}}}')

    def bad_event(self):
        """One that stands for itself, or a key of old with other content."""
        self.bad += 1
        singles = self.delivery.singles
        if singles and self.rng.random() < 0.3:
            event = json.loads(self.rng.choice(singles))
            event["data"] = {**event["data"], "reason": "another"} if "reason" in event["data"] else {"length": 77, "chat": "another"}
            return json.dumps(event)
        event = {"platform": "telegram", "platform_id": "3000000000", "type": "xp_change", "data": {"xp": 5, "reason": "bad"},
                 "at": rfc3339(self.delivery.noon - HOUR), "idempotency_key": f"bad:{self.number}:{self.bad}"}
        member, value = self.rng.choice(BAD)
        return json.dumps({**event, member: value})

    def body(self):
        """Own events, single repeats of anybody's, now and then a bad one; repeats and bad ones stand anywhere between."""
        most = self.delivery.plan.body
        size = self.rng.choice((most, most, most, most, self.rng.randint(1, most)))
        singles = list(itertools.islice(self.delivery.singles, 5000))
        again = min(int(size * REPEATED / 2 / (1 + REPEATED / 2)), len(singles))
        bad = sum(self.rng.random() < 0.003 for _ in range(size // 10)) if size > 10 else 0
        own = [(self.event(), "new") for _ in range(min(size - again - bad, len(self.turns) - self.made))]
        others = [(self.rng.choice(singles), "again") for _ in range(again)] + [(self.bad_event(), "bad") for _ in range(bad)]
        for item in others:
            own.insert(self.rng.randrange(len(own) + 1), item)
        return Body(own)

    # ---- sending

    def post(self, body):
        """The answer as an object; None when there was none, or it said not now."""
        asked = time.monotonic()
        try:
            if self.link is None:
                self.link = http.client.HTTPConnection(*self.delivery.address, timeout=20)
            self.link.request("POST", "/v1/events", body.bytes, self.delivery.headers)
            answer = self.link.getresponse()
            text = answer.read()
            self.slowest = max(self.slowest, time.monotonic() - asked)
            self.count[f"http {answer.status}"] += 1
            if answer.status not in (200, 429, 502, 503, 504):
                self.delivery.wrong.append(f"{answer.status} {text[:200]}")
            return json.loads(text) if answer.status == 200 else None
        except (OSError, http.client.HTTPException) as error:
            self.count[f"http {type(error).__name__}"] += 1
            self.link = None
            return None

    def send(self, body):
        """Until it is acknowledged."""
        self.count["bodies"] += 1
        while (answer := self.post(body)) is None and not self.delivery.gave_up:
            self.count["sent again"] += 1
            time.sleep(0.05)
        if answer is None:
            return
        for name in ("accepted", "duplicates", "rejected"):
            self.count[name] += answer[name]
        self.count["repeats"] += len(body.items) - body.firsts - body.wanted.count("bad")
        results = answer["results"]
        if len(results) != len(body.wanted):
            self.delivery.wrong.append(f"{len(results)} results for {len(body.wanted)} events")
        for item, wanted, result in zip(body.items, body.wanted, results):
            if result["status"] not in FITTING[wanted]:
                self.delivery.wrong.append(f"wanted {wanted}, got {result}: {item}")
        self.delivery.acknowledged[self.number] += body.firsts

    def send_given(self):
        while self.given:
            self.send(self.given.popleft())

    def send_next(self):
        body = self.body()
        if self.may_repeat():  # a whole one at the same time, through another client
            twin = body.copy("new")
            self.repeated += len(twin.items)
            self.delivery.clients[(self.number + self.rng.randrange(1, CLIENTS)) % CLIENTS].given.append(twin)
        self.send(body)
        self.delivery.singles.extend(self.rng.sample([item for item, wanted in zip(body.items, body.wanted) if wanted == "new"],
                                                     min(body.firsts, 300)))
        self.past.append(body)
        if self.may_repeat():  # a whole one later
            body = self.rng.choice(self.past).copy("again")
            self.repeated += len(body.items)
            self.send(body)

    def may_repeat(self):
        """Whole bodies are half of what comes again, whatever sizes chance gave them."""
        return self.rng.random() < 0.5 and self.repeated + self.delivery.plan.body / 2 < self.made * REPEATED / 2

    def run(self):
        try:
            while self.made < len(self.turns) and not self.delivery.gave_up:
                self.send_given()
                self.send_next()
            self.delivery.done[self.number] = True
            while not all(self.delivery.done) and not self.delivery.gave_up:
                self.send_given()
                time.sleep(0.01)
            self.send_given()
        except Exception as error:  # a client that dies silently would look like silence of the product
            self.delivery.wrong.append(f"client {self.number}: {type(error).__name__}: {error}")
            self.delivery.gave_up = True


class Delivery:
    """The eight clients, what they share, and who is killed meanwhile."""

    def __init__(self, stack, plan, noon, kills):
        self.stack, self.plan, self.noon, self.kills_wanted = stack, plan, noon, kills
        parts = urllib.parse.urlsplit(stack.env["BASE_URL"])
        self.address = (parts.hostname, parts.port)
        self.headers = {"Authorization": "Bearer " + stack.env["API_KEY"], "Content-Type": "application/json"}
        self.singles, self.wrong, self.gave_up = collections.deque(maxlen=5000), [], False
        self.acknowledged, self.done = [0] * CLIENTS, [False] * CLIENTS
        self.clients = [Client(self, number) for number in range(CLIENTS)]
        self.kills, self.delivered_after = collections.Counter(), None

    def waiting(self, cursor):
        cursor.execute("SELECT count(*) FROM event_queue")
        return cursor.fetchone()[0]

    def applied(self, cursor):
        """Roughly, from the statistics: counting the queue itself would be work for the database that is to be watched."""
        cursor.execute("SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'event_queue'")
        return cursor.fetchone()[0]

    def kill(self):
        victim = VICTIMS[sum(self.kills.values()) % len(VICTIMS)]
        pid = wait_for(lambda: self.stack.pid(victim), 10, victim)
        try:
            os.kill(pid, signal.SIGKILL)
            self.kills[victim] += 1
        except ProcessLookupError:
            pass

    def run(self, seconds):
        """Kills as the work goes on; returns when all is delivered and applied."""
        started = time.monotonic()
        # Not `with connection`: that would be one transaction, in which statistics stand still.
        with contextlib.closing(self.stack.connect()) as connection, connection.cursor() as cursor:
            before = self.applied(cursor)
            for client in self.clients:
                client.start()
            while True:
                work = sum(self.acknowledged) + self.applied(cursor) - before
                due = min(self.kills_wanted, self.kills_wanted * work // (2 * self.plan.events) + 1)
                if sum(self.kills.values()) < due:
                    self.kill()
                alive = any(client.is_alive() for client in self.clients)
                if not alive and self.delivered_after is None:
                    self.delivered_after = time.monotonic() - started
                if not alive and self.waiting(cursor) == 0:
                    if sum(self.kills.values()) >= self.kills_wanted:
                        return time.monotonic() - started
                    self.kill()  # the statistics lag a little behind
                if time.monotonic() - started > seconds:
                    self.gave_up = True
                    self.wrong.append(f"not done within {seconds} s: {self.waiting(cursor)} events wait")
                    return time.monotonic() - started
                time.sleep(random.uniform(0.02, 0.1))

    def count(self):
        return sum((client.count for client in self.clients), collections.Counter())


# ---- the outcome


def rows(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchall()


def held(cursor):
    """Account by telegram or discord id -> sums in the form of oracle.Person.sums()."""
    gathered = [collections.defaultdict(list) for _ in range(2)]
    for sets, sql in zip(gathered, (
            "SELECT a.user_id, b.code FROM badge_user_association a JOIN badges b ON b.id = a.badge_id ORDER BY 2",
            "SELECT p.user_id, m.code FROM mission_progress p JOIN missions m ON m.id = p.mission_id WHERE m.period = 'once' ORDER BY 2")):
        for user, code in rows(cursor, sql):
            sets[user].append(code)
    badges, missions = gathered
    rank_coins = dict(rows(cursor, "SELECT user_id, sum(coins)::bigint FROM ledger WHERE kind = 'rank_up' GROUP BY 1"))
    found = {}
    for user, telegram, discord, *sums in rows(cursor, "SELECT id, telegram_id, discord_id, xp, coins, rank_id, messages_sent, total_voice_time,"
                                               " games_played, games_won, achievements FROM unified_users"):
        person = (*sums[:3], rank_coins.get(user, 0), *sums[3:], tuple(badges[user]), tuple(missions[user]))
        found["telegram", telegram], found["discord", discord] = person, person
    return found


def differences(plan, found):
    """[(identity, name of the sum, wanted, found)] over every account that was to have events."""
    wrong, seen = [], set()
    for identity in itertools.chain(*plan.turns):
        if identity.person in seen:
            continue
        seen.add(identity.person)
        wanted, got = plan.people[identity.person].sums(), found.get((identity.platform, identity.platform_id))
        if got is None:
            wrong.append((identity.platform, identity.platform_id, "account", "one", None))
        elif wanted != got:
            wrong += [(identity.platform, identity.platform_id, *row) for row in zip(oracle.SUMS, wanted, got) if row[1] != row[2]]
    return wrong, len(seen)


async def link_pairs(stack, pairs):
    """Persons of both platforms join them as people do: /getcode on Discord, /code on Telegram."""
    async with Crowd(stack.env, connections=16) as crowd:
        places = asyncio.Semaphore(16)

        async def link(first, second):
            async with places:
                code, tries = None, 0
                while code is None and tries < 20:  # Discord's users are told to try later when a machine is too busy
                    code, tries = await crowd.code_of(("discord", second.platform_id)), tries + 1
                text, _ = await crowd.say(("telegram", first.platform_id), "code", code)
                assert "Done!" in text, text

        await asyncio.gather(*(link(*pair) for pair in pairs))


def set_noon(stack):
    """Puts the stack's clock to the next noon, in microseconds since 1970."""
    now = time.time()
    noon = (int(now) // 86400) * 86400 + 43200
    noon += 86400 if noon < now else 0
    stack.set_clock(noon - int(now))
    return noon * SECOND


def prove(stack, events, kills, seed, seconds):
    """The finished delivery, its account of differences and the figures of the tables."""
    assert oracle.example(), "the oracle does not know the rules' own example"
    noon = set_noon(stack)
    plan = Plan(events, seed, noon - DAY // 2)
    asyncio.run(link_pairs(stack, plan.linked))
    delivery = Delivery(stack, plan, noon, kills)
    delivery.seconds = delivery.run(seconds)
    with stack.connect() as connection, connection.cursor() as cursor:
        delivery.differences, delivery.compared = differences(plan, held(cursor))
        applied, distinct, foreign = rows(cursor, "SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE key NOT LIKE 'p:%%') FROM event"
                                          " WHERE type IN ('xp_change', 'coins_change', 'message_sent', 'voice_time', 'game_played',"
                                          " 'achievement_unlock')")[0]
        delivery.lost, delivery.twice, delivery.foreign = plan.events - distinct, applied - distinct, foreign
        delivery.refused = dict(rows(cursor, "SELECT rejected, count(*) FROM event WHERE rejected IS NOT NULL GROUP BY 1"))
        delivery.rows_twice = rows(cursor, "SELECT count(*) FROM (SELECT idempotency_key FROM ledger GROUP BY 1 HAVING count(*) > 1) r")[0][0]
    return delivery


def faults(delivery):
    """What does not hold, in words; empty when all does."""
    expected = {key[7:]: count for key, count in delivery.count().items() if key.startswith("oracle:")}
    claims = (("answers that were wrong", delivery.wrong), ("differences", delivery.differences), ("lost", delivery.lost), ("twice", delivery.twice),
              ("ledger keys twice", delivery.rows_twice), ("applied though refused", delivery.foreign),
              ("refused when applied, not as the oracle", (expected, delivery.refused) if expected != delivery.refused else 0),
              ("kills", f"{sum(delivery.kills.values())}" if sum(delivery.kills.values()) != delivery.kills_wanted else 0))
    return [f"{name}: {str(what)[:600]}" for name, what in claims if what]


def report(delivery):
    count, plan = delivery.count(), delivery.plan
    print(f"{plan.events} events over {plan.accounts} accounts ({len(plan.linked)} on both platforms), {CLIENTS} clients, seed {plan.seed}")
    print(f"{count['bodies']} bodies, sent again after no answer {count['sent again']}; repeats on purpose {count['repeats']}"
          f" ({count['repeats'] / plan.events:.1%}); answers " + ", ".join(f"{k[5:]}: {v}" for k, v in sorted(count.items()) if k.startswith("http ")) +
          f", slowest {max(client.slowest for client in delivery.clients):.1f} s")
    print(f"acknowledged: accepted {count['accepted']}, duplicates {count['duplicates']}, rejected {count['rejected']}; refused when applied {delivery.refused}")
    print(f"{sum(delivery.kills.values())} kills {dict(delivery.kills)} in {delivery.seconds:.0f} s; delivered after {delivery.delivered_after or 0:.0f} s,"
          f" {plan.events / delivery.seconds:.0f} events/s to the last one applied")
    print(f"lost {delivery.lost}, twice {delivery.twice}, ledger keys twice {delivery.rows_twice};"
          f" {delivery.compared} accounts compared in {len(oracle.SUMS)} sums, differences {len(delivery.differences)}")


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--events", type=int, default=1_000_000)
    words.add_argument("--kills", type=int, default=200)
    words.add_argument("--seed", type=int, default=int(time.time()))
    words.add_argument("--seconds", type=int, default=3600, help="give up after")
    asked = words.parse_args()
    with temporary_stack(WORKERS="2") as stack:
        stack.up()
        delivery = prove(stack, asked.events, asked.kills, asked.seed, asked.seconds)
        report(delivery)
        verify = stack.trivet("verify", check=False)
        print(verify.stdout.strip())
        found = faults(delivery)
        print("\n".join(found) or "all holds")
        return int(bool(found or verify.returncode))


if __name__ == "__main__":
    sys.exit(main())
