"""Proof: of 50 who redeem one code at the same instant exactly one succeeds.

usage: redeem.py [ROUNDS]   (1,000; make prove-redeem)
"""
import asyncio
import collections
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 2)[0] + "/e2e"]
from conftest import temporary_stack  # noqa: E402
from crowd import Crowd  # noqa: E402

REDEEMERS = 50


async def prove(stack, rounds):
    """How often each number of winners came, and what the losers read."""
    winners, losers = collections.Counter(), collections.Counter()
    async with Crowd(stack.env, connections=REDEEMERS) as crowd:
        for number in range(rounds):
            platform, other = (("discord", "telegram"), ("telegram", "discord"))[number % 2]
            code = await crowd.code_of((platform, 6_000_000_000 + number))
            people = [(other, 7_000_000_000 + number * REDEEMERS + n) for n in range(REDEEMERS)]
            texts = [text for text, _ in await asyncio.gather(*(crowd.say(who, "code", code) for who in people))]
            winners[sum("Done!" in text for text in texts)] += 1
            losers.update("already used" if "already used" in text else text[:60] for text in texts if "Done!" not in text)
    return winners, losers


def main(rounds):
    with temporary_stack() as stack:
        stack.up()
        started = time.monotonic()
        winners, losers = asyncio.run(prove(stack, rounds))
        print(f"{rounds} rounds of {REDEEMERS} concurrent redeemers in {time.monotonic() - started:.1f} s")
        print("rounds by number of winners:", dict(winners))
        print("what the others read:", dict(losers))
        return int(winners != {1: rounds} or set(losers) != {"already used"})


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
