"""Proof: over any sequence of links, merges, undos and unlinks the totals of XP and coins are constant, but for what is earned by the way.

usage: linking.py [OPERATIONS]   (10,000; make prove-linking)

200 people, half on each platform, each with XP and coins. Eight of them act at a time, at random; the clock is moved between them. Prints
how many of what were done and refused, by reason; ends 1 when a total moved or `trivet verify` disagrees.
"""
import asyncio
import collections
import random
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 2)[0] + "/e2e"]
from conftest import temporary_stack, wait_for  # noqa: E402
from crowd import Crowd  # noqa: E402

PEOPLE = 200
AT_A_TIME = 8
CLOCK_EVERY = 40  # operations
REASONS = {"unknown or expired": "code unknown", "already used": "code used", "your own code": "own code", "both accounts already have": "same platform",
           "left another account recently": "recently unlinked", "After an unlink": "recently unlinked", "Too many wrong codes": "too many attempts", "At most 3 accounts": "too many merges",
           "linked already": "nothing left to link", "nothing to unlink": "not linked", "too late": "undo too late", "Only the owner": "undo foreign",
           "Undone already": "undone before", "nothing to undo": "undo empty", "was the first": "oldest stays", "not for you": "foreign question",
           "not linked any more": "unlinked before", "time to answer": "question expired", "stay separate": "declined", "has changed since then": "sides changed", "busy": "busy"}


def reason(text):
    return next((name for words, name in REASONS.items() if words in text), "?? " + text[:60])


class Proof:
    def __init__(self, stack, crowd, seed):
        self.stack, self.crowd, self.random = stack, crowd, random.Random(seed)
        self.people = [(("telegram", "discord")[n % 2], 5_000_000_000 + n) for n in range(PEOPLE)]
        self.done, self.refused, self.seconds = collections.Counter(), collections.Counter(), 0

    def totals(self):
        """All that is held, less what the rows of rewards have brought: badges, missions, ranks."""
        with self.stack.connect() as connection, connection.cursor() as cursor:
            cursor.execute("""SELECT sum(b.xp)::bigint - (SELECT coalesce(sum(xp), 0) FROM ledger WHERE kind IN ('badge', 'mission_completed', 'rank_up', 'season_reward'))::bigint,
                sum(b.coins)::bigint - (SELECT coalesce(sum(coins), 0) FROM ledger WHERE kind IN ('badge', 'mission_completed', 'rank_up', 'season_reward'))::bigint,
                count(*) FROM account_balance b""")
            return cursor.fetchone()

    def flaws(self):
        """What may never be, whatever people did: a joining that made or lost something, a reward twice to one account."""
        with self.stack.connect() as connection, connection.cursor() as cursor:
            cursor.execute("""SELECT kind, sum(xp)::bigint, sum(coins)::bigint FROM ledger WHERE kind IN ('merge', 'unmerge') GROUP BY kind
                HAVING sum(xp) <> 0 OR sum(coins) <> 0""")
            moved = cursor.fetchall()
            cursor.execute("""SELECT user_id, kind, reason FROM ledger WHERE kind IN ('badge', 'mission_completed', 'rank_up', 'season_reward')
                GROUP BY user_id, kind, reason HAVING count(*) > 1""")
            return moved + cursor.fetchall()

    async def give_history(self):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        events = [{"platform": platform, "platform_id": str(user), "type": kind, "data": {unit: self.random.randint(1, 5000), "reason": "seed"},
                   "at": at, "idempotency_key": f"seed:{user}:{kind}"}
                  for platform, user in self.people for kind, unit in (("xp_change", "xp"), ("coins_change", "coins"))]
        answer = self.stack.api("POST", "/v1/events", {"events": events})
        assert answer.status_code == 200 and answer.json()["accepted"] == len(events), answer.text

    def count(self, name, text, good):
        if good in text:
            self.done[name] += 1
        else:
            self.refused[reason(text)] += 1

    async def link(self):
        issuer, redeemer = self.random.sample(self.people, 2)
        while issuer[0] == redeemer[0] and self.random.random() < 0.8:  # mostly people who can be linked
            redeemer = self.random.choice(self.people)
        code = await self.crowd.code_of(issuer)
        if code is None:
            self.refused["nothing left to link"] += 1
            return
        text, buttons = await self.crowd.say(redeemer, "code", code)
        if "Yes, join them" not in buttons:
            self.count("link", text, "Done!")
            return
        yes = self.random.random() < 0.9
        text, _ = await self.crowd.say(redeemer, "", action=buttons["Yes, join them" if yes else "Cancel"])
        self.count("merge of two histories", text, "Done!")

    def one_row(self, sql):
        """One of the rows at random; None when there is none."""
        with self.stack.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
        return self.random.choice(rows) if rows else None

    async def undo(self):
        """Mostly of what can be undone, by the issuer or by the oldest identity of the other side."""
        alive = "WHERE m.undone_at IS NULL" if self.random.random() < 0.8 else ""
        merge = await asyncio.to_thread(self.one_row, f"""SELECT m.id, i.platform::text, i.platform_id FROM merge m JOIN identity i
            ON i.id = CASE WHEN random() < 0.7 THEN m.issuer_identity_id ELSE m.loser_oldest_id END {alive} ORDER BY m.id DESC LIMIT 20""")
        if merge is None:
            return
        text, _ = await self.crowd.say((merge[1], merge[2]), "", action=f"link_undo:{merge[0]}")
        self.count("undo", text, "Undone: ")

    async def unlink(self):
        linked = await asyncio.to_thread(self.one_row, """SELECT platform::text, platform_id FROM identity WHERE account_id IN
            (SELECT account_id FROM identity GROUP BY account_id HAVING count(*) > 1)""")
        who = linked if linked and self.random.random() < 0.8 else self.random.choice(self.people)
        text, buttons = await self.crowd.say(who, "unlink")
        if "Unlink" in buttons:
            text, _ = await self.crowd.say(who, "", action=buttons["Unlink"])
        self.count("unlink", text, "account of its own")

    async def step(self):
        await self.random.choices([self.link, self.undo, self.unlink], [5, 2, 3])[0]()

    async def move_clock(self):
        self.seconds += self.random.choice([60, 3600, 86400, 2 * 86400, 3 * 86400])
        self.stack.write_clock(self.seconds)

    async def run(self, operations):
        await self.give_history()
        wait_for(lambda: self.totals()[2] >= PEOPLE and self.stack_settled(), 30, "the seed")
        before = self.totals()
        for first in range(0, operations, CLOCK_EVERY):
            batch = min(CLOCK_EVERY, operations - first)
            for at in range(0, batch, AT_A_TIME):
                await asyncio.gather(*(self.step() for _ in range(min(AT_A_TIME, batch - at))))
            after = self.totals()
            assert after[:2] == before[:2], f"after {first + batch} operations the totals are {after}, not {before}"
            assert not self.flaws(), self.flaws()
            await self.move_clock()
        return before, self.totals()

    def stack_settled(self):
        with self.stack.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM event_queue")
            return cursor.fetchone()[0] == 0


async def prove(stack, operations, seed):
    async with Crowd(stack.env) as crowd:
        proof = Proof(stack, crowd, seed)
        before, after = await proof.run(operations)
        return proof, before, after


def main(operations, seed):
    with temporary_stack() as stack:
        stack.up()
        proof, before, after = asyncio.run(prove(stack, operations, seed))
        print(f"{operations} operations over {PEOPLE} people, {proof.seconds // 86400} days of clock, seed {seed}")
        print("done:", sum(proof.done.values()), dict(proof.done))
        print("refused:", sum(proof.refused.values()), dict(proof.refused))
        print(f"totals without rewards before: XP {before[0]}, coins {before[1]}; after: XP {after[0]}, coins {after[1]}")
        verify = stack.trivet("verify", check=False)
        print(verify.stdout.strip())
        unexplained = [name for name in proof.refused if name.startswith("??")]
        if unexplained:
            print(*[line for program in ("trivet-discord", "trivet-telegram", "postgres") for line in stack.log(program).splitlines()
                    if "_failed" in line or "ERROR" in line or " 503 " in line], sep="\n")
        return verify.returncode or int(before[:2] != after[:2]) or int(bool(unexplained))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())))
