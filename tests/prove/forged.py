"""Proof: of many mutated signed requests none is accepted.

usage: forged.py [REQUESTS]   (10,000; make prove-forged)

Each is a right signed interaction with one thing changed: a bit of the body, of the signature or of the timestamp, another key, a cut or longer
signature, an old or future timestamp, a header missing, doubled or empty.
"""
import asyncio
import collections
import json
import random
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 2)[0] + "/e2e"]
from conftest import temporary_stack  # noqa: E402
from crowd import Crowd  # noqa: E402
from nacl.signing import SigningKey  # noqa: E402

SIGNATURE, STAMP = "X-Signature-Ed25519", "X-Signature-Timestamp"


def flip(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1:]


def other_digit(rng, text, digits):
    at = rng.randrange(len(text))
    return text[:at] + rng.choice([d for d in digits if d != text[at].lower()]) + text[at + 1:]


def mutations(crowd, rng):
    """Name -> function(body, stamp, signature) giving (body, [(header, value)])."""
    def headers(signature, stamp):
        return [(SIGNATURE, signature), (STAMP, stamp)]

    def resigned(body, stamp):
        return body, headers(crowd.key.sign(stamp.encode() + body).signature.hex(), stamp)

    return {
        "body bit": lambda b, t, s: (flip(rng, b), headers(s, t)),
        "body longer": lambda b, t, s: (b + b" ", headers(s, t)),
        "body cut": lambda b, t, s: (b[:-1], headers(s, t)),
        "signature digit": lambda b, t, s: (b, headers(other_digit(rng, s, "0123456789abcdef"), t)),
        "signature cut": lambda b, t, s: (b, headers(s[:-2], t)),
        "signature longer": lambda b, t, s: (b, headers(s + "00", t)),
        "signature empty": lambda b, t, s: (b, headers("", t)),
        "signature zero": lambda b, t, s: (b, headers("00" * 64, t)),
        "timestamp digit": lambda b, t, s: (b, headers(s, other_digit(rng, t, "0123456789"))),
        "timestamp old": lambda b, t, s: resigned(b, str(int(t) - 301 - rng.randrange(10**6))),
        "timestamp ahead": lambda b, t, s: resigned(b, str(int(t) + 310 + rng.randrange(10**6))),
        "timestamp no number": lambda b, t, s: resigned(b, t + rng.choice([" ", ".0", "e0", "x", "-"])[:1] + "1"),
        "other key": lambda b, t, s: (b, headers(SigningKey.generate().sign(t.encode() + b).signature.hex(), t)),
        "no signature": lambda b, t, s: (b, [(STAMP, t)]),
        "no timestamp": lambda b, t, s: (b, [(SIGNATURE, s)]),
        "doubled signature": lambda b, t, s: (b, [(SIGNATURE, s), (SIGNATURE, s), (STAMP, t)]),
        "doubled timestamp": lambda b, t, s: (b, [(SIGNATURE, s), (STAMP, t), (STAMP, t)]),
        "doubled, wrong first": lambda b, t, s: (b, [(SIGNATURE, "00" * 64), (SIGNATURE, s), (STAMP, t)]),
    }


async def prove(stack, requests, seed):
    """Statuses by mutation."""
    from multidict import CIMultiDict

    rng, seen = random.Random(seed), collections.defaultdict(collections.Counter)
    async with Crowd(stack.env) as crowd:
        table = mutations(crowd, rng)
        names = list(table)

        async def one(number):
            body = json.dumps(crowd.interaction(8_000_000_000 + number, "profile")).encode()
            stamp = str(int(time.time()))
            signature = crowd.key.sign(stamp.encode() + body).signature.hex()
            name = names[number % len(names)]
            changed, headers = table[name](body, stamp, signature)
            async with crowd.http.post(crowd.env["BASE_URL"] + "/discord/interactions", data=changed,
                                       headers=CIMultiDict([("Content-Type", "application/json"), *headers])) as answer:
                seen[name][answer.status] += 1

        for first in range(0, requests, 200):
            await asyncio.gather(*(one(number) for number in range(first, min(first + 200, requests))))
        right = await crowd.send_discord(crowd.interaction(8_000_000_000, "profile"))
        assert right["type"] == 4, "the unchanged request was not accepted: this proof shows nothing"
    return seen


def main(requests, seed):
    with temporary_stack() as stack:
        stack.up()
        seen = asyncio.run(prove(stack, requests, seed))
        total = collections.Counter()
        for name, statuses in seen.items():
            print(f"{name:22}", dict(statuses))
            total.update(statuses)
        accepted = sum(count for status, count in total.items() if status != 401)
        print(f"{sum(total.values())} mutated requests, {accepted} not answered 401; seed {seed}")
        return int(accepted > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())))
