"""Proof: every acknowledged message of a group is counted, each exactly once.

usage: messages.py [SECONDS]   (20; make prove-messages)

64 connections post distinct messages of 10,000 people to POST /telegram/main as fast as they are answered, three times:
quiet   messages_sent over all accounts rises by exactly the number of acknowledged updates.
killed  trivet-telegram and trivet-worker get SIGKILL in turn, every half second: it rises by at least the acknowledged number. Then all distinct
        updates are sent once more, as Telegram would: it has risen by exactly their number.
bots    half as long; both bots of the group post each message: it rises by the number of messages.
fsync and synchronous_commit are on.
"""
import asyncio
import os
import signal
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 2)[0] + "/e2e"]
from conftest import temporary_stack, wait_for  # noqa: E402
import load  # noqa: E402

PEOPLE, CONNECTIONS, EVERY = 10_000, 64, 0.5
VICTIMS = ("trivet-telegram", "trivet-worker")


def one(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchone()[0]


class Proof:
    def __init__(self, stack, cursor, seconds):
        self.stack, self.cursor, self.seconds, self.faults, self.kills = stack, cursor, seconds, [], 0
        self.first = int(time.time()) * 100_000 % 10**15

    def claim(self, holds, what):
        if not holds:
            self.faults.append(what)

    def messages(self):
        """Those of one part of the proof: nobody else's numbers."""
        self.first += 10**7
        return load.Messages(self.stack.env, PEOPLE, self.first, int(time.time()))

    def settle(self):
        """Seconds until the queue was empty."""
        started = time.monotonic()
        wait_for(lambda: one(self.cursor, "SELECT count(*) FROM event_queue") == 0, 600, "the empty queue")
        return time.monotonic() - started

    def total(self):
        return one(self.cursor, "SELECT coalesce(sum(messages_sent), 0)::bigint FROM account_balance")

    def tell(self, name, seconds, of, rose, more=""):
        count = len(of.acknowledged)
        print(f"{name}: {of.next} distinct updates in {seconds:.1f} s, acknowledged {count} ({count / seconds:.0f}/s), answers {dict(of.statuses)};"
              f" messages_sent rose by {rose}{more}", flush=True)

    def durable(self):
        names = ("fsync", "synchronous_commit", "full_page_writes")
        held = {name: one(self.cursor, f"SHOW {name}") for name in names}
        print(", ".join(f"{name} {value}" for name, value in held.items()))
        self.claim(set(held.values()) == {"on"}, f"not durable: {held}")

    async def quiet(self):
        messages, before = self.messages(), self.total()
        of = load.Load(self.stack.env, messages.request, CONNECTIONS)
        seconds = await of.run(self.seconds)
        waited = self.settle()
        rose = self.total() - before
        self.tell("quiet", seconds, of, rose, f", queue empty {waited:.1f} s later")
        self.claim(set(of.statuses) == {200}, f"answers {of.statuses}")
        self.claim(rose == len(of.acknowledged) > 0, f"quiet: {len(of.acknowledged)} acknowledged, {rose} counted")

    async def kill(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() + EVERY < end:
            await asyncio.sleep(EVERY)
            pid = self.stack.pid(VICTIMS[self.kills % 2])
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.kills += 1
                except ProcessLookupError:
                    pass

    async def killed(self):
        messages, before = self.messages(), self.total()
        of = load.Load(self.stack.env, messages.request, CONNECTIONS)
        killing = asyncio.create_task(self.kill())
        seconds = await of.run(self.seconds)
        await killing
        self.settle()
        rose = self.total() - before
        self.tell(f"killed {self.kills} times", seconds, of, rose)
        self.claim(self.kills > 0 and of.acknowledged, "nothing was killed, or nothing acknowledged")
        self.claim(len(of.acknowledged) <= rose <= of.next, f"killed: {len(of.acknowledged)} acknowledged of {of.next}, {rose} counted")
        statuses = await load.until_acknowledged(self.stack.env, messages.request, range(of.next))
        self.settle()
        rose = self.total() - before
        print(f"all {of.next} once more, answers {dict(statuses)}: risen by {rose}", flush=True)
        self.claim(rose == of.next, f"sent again: {of.next} distinct updates, {rose} counted")

    async def bots(self):
        messages, before = self.messages(), self.total()
        of = load.Load(self.stack.env, lambda number: messages.request(number // 2, ("main", "quiz")[number % 2]), CONNECTIONS)
        seconds = await of.run(self.seconds / 2)
        self.settle()
        rose, wanted = self.total() - before, (of.next + 1) // 2
        self.tell(f"two bots, {wanted} messages", seconds, of, rose)
        self.claim(set(of.statuses) == {200}, f"two bots: answers {of.statuses}")
        self.claim(rose == wanted > 0, f"two bots: {wanted} messages, {rose} counted")


async def prove(stack, seconds):
    """What does not hold, in words; empty when all does."""
    connection = stack.connect()
    with connection.cursor() as cursor:
        proof = Proof(stack, cursor, seconds)
        proof.durable()
        await proof.quiet()
        await proof.killed()
        await proof.bots()
    connection.close()
    return proof


def main(seconds):
    with temporary_stack() as stack:
        stack.up()
        proof = asyncio.run(prove(stack, seconds))
        verify = stack.trivet("verify", check=False)
        print(verify.stdout.strip())
        print("\n".join(proof.faults) or "all holds")
        return int(bool(proof.faults or verify.returncode))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
