"""A load of requests over kept connections, as fast as one process of Python can: no library between it and the socket.

Used by the proofs about messages and lag. Requests are numbered; each number is one distinct request, and its answer's status is kept.
"""
import asyncio
import collections
import json
import time
import urllib.parse

CHAT = -1001234567890  # registered in development stacks


def request(path, body, headers):
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode() + body


class Messages:
    """Distinct messages of a registered group, one per number, by `people` in turn. The same number is the same message, by whichever bot."""

    def __init__(self, env, people, first_id, date, first_person=None):
        self.people, self.first_id, self.date, self.first_person = people, first_id, date, first_person or first_id
        self.bots = {"main": env["BOT_SECRET"], "quiz": env["QUIZ_BOT_SECRET"]}

    def request(self, number, bot="main"):
        person = self.first_person + number % self.people
        body = (f'{{"update_id":{self.first_id % 10**8 + number},"message":{{"message_id":{self.first_id % 10**8 + number},"date":{self.date},'
                f'"chat":{{"id":{CHAT},"title":"The Community","type":"supergroup"}},'
                f'"from":{{"id":{person},"is_bot":false,"first_name":"P{number % self.people}"}},"text":"message number {number} of many"}}}}').encode()
        return request(f"/telegram/{bot}", body, {"X-Telegram-Bot-Api-Secret-Token": self.bots[bot]})


class Bodies:
    """Numbers are bodies of `size` message_sent events of `people` to the service API."""

    def __init__(self, env, people, first_id, at, size, first_person):
        self.people, self.first_id, self.at, self.size, self.first_person, self.key = people, first_id, at, size, first_person, env["API_KEY"]

    def request(self, number):
        events = [{"platform": "telegram", "platform_id": str(self.first_person + index % self.people), "type": "message_sent", "at": self.at,
                   "idempotency_key": f"lag:{self.first_id}:{index}", "data": {"length": 42}}
                  for index in range(number * self.size, (number + 1) * self.size)]
        return request("/v1/events", json.dumps({"events": events}).encode(), {"Authorization": "Bearer " + self.key})


class Connection(asyncio.Protocol):
    """One request at a time. Ends with a status, or 0 when the connection broke before the answer's end."""

    def __init__(self, load):
        self.load, self.transport, self.number, self.heard = load, None, None, b""

    def connection_made(self, transport):
        self.transport = transport

    def send(self, number, data):
        self.number, self.heard = number, b""
        self.transport.write(data)

    def data_received(self, data):
        self.heard += data
        end = self.heard.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.heard[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.heard) >= end + 4 + length:
            number, self.number = self.number, None
            self.load.answered(self, number, int(head[9:12]))

    def connection_lost(self, _):
        number, self.number, self.transport = self.number, None, None
        self.load.lost(self, number)


class Load:
    """Runs numbers from `first` on: as fast as answers come, or `rate` a second. `of(number)` gives the request's bytes."""

    def __init__(self, env, of, connections=64, rate=None):
        parts = urllib.parse.urlsplit(env["BASE_URL"])
        self.address, self.of, self.wanted, self.rate = (parts.hostname, parts.port), of, connections, rate
        self.statuses, self.acknowledged, self.unanswered = collections.Counter(), set(), []
        self.idle, self.broken, self.open, self.next, self.end = [], 0, 0, 0, None

    # ---- from connections

    def answered(self, connection, number, status):
        self.statuses[status] += 1
        if status == 200:
            self.acknowledged.add(number)
        else:
            self.unanswered.append(number)
        self.idle.append(connection)
        self.turn()

    def lost(self, connection, number):
        self.open -= 1
        if number is None:
            self.idle = [other for other in self.idle if other is not connection]
        else:
            self.statuses["broken"] += 1
            self.unanswered.append(number)

    # ---- the next ones

    def due(self):
        """How many numbers may have been sent by now."""
        if self.numbers is not None:
            return len(self.numbers)
        if time.monotonic() >= self.end:
            return self.next
        return int((time.monotonic() - self.started) * self.rate) if self.rate else self.next + self.wanted

    def turn(self):
        due = self.due()
        while self.idle and self.next < due:
            connection = self.idle.pop()
            if connection.transport is None or connection.transport.is_closing():
                continue
            number = self.numbers[self.next] if self.numbers is not None else self.first + self.next
            self.next += 1
            connection.send(number, self.of(number))

    async def connect(self):
        while self.open < self.wanted:
            try:
                _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(self), *self.address)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self.open += 1
            self.idle.append(connection)

    async def run(self, seconds=None, numbers=None, first=0):
        """For so many seconds, or until each of `numbers` was answered once. Returns the seconds that it took."""
        self.started, self.first, self.numbers, self.next = time.monotonic(), first, numbers, 0
        self.end = self.started + (seconds or 10**6)
        while True:
            await self.connect()
            self.turn()
            await asyncio.sleep(0.002)
            finished = self.next >= len(numbers) if numbers is not None else time.monotonic() >= self.end
            if finished and len(self.idle) >= self.open:
                break
        took = time.monotonic() - self.started
        for connection in self.idle:
            connection.transport.abort()
        await asyncio.sleep(0)
        self.idle = []
        return took


async def until_acknowledged(env, of, numbers, connections=64):
    """Each number until it is answered 200, as Telegram does; the statuses by the way."""
    statuses, left, end = collections.Counter(), list(numbers), time.monotonic() + 300
    while left:
        load = Load(env, of, connections)
        await load.run(numbers=left)
        statuses += load.statuses
        left = [number for number in left if number not in load.acknowledged]
        assert time.monotonic() < end, f"{len(left)} requests were never acknowledged: {statuses}"
        await asyncio.sleep(0.1 if left else 0)
    return statuses
