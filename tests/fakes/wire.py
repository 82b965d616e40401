"""A small HTTP/1.1 server and client on asyncio: just what the stand-ins need, nothing but the standard library.

Bodies come by Content-Length or chunked, connections are kept open, an answer may be a stream (server-sent events) or no answer
at all (Hangup: the connection closes, as when a platform breaks down).
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

HEAD_MAX = 64 << 10
BODY_MAX = 60 << 20  # Telegram takes uploads of 50 MB
IDLE_SECONDS = 300

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 302: "Found", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 413: "Payload Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
}


class Hangup(Exception):
    """Raised by a handler: close the connection without an answer."""


class BadRequest(Exception):
    """What came is not HTTP, or is larger than we read."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


@dataclass
class Request:
    method: str
    target: str
    headers: list  # of (lower-case name, value), doubled ones kept
    body: bytes = b""
    path: str = field(init=False)  # decoded, without the query
    query: dict = field(init=False)  # the last one of a name wins

    def __post_init__(self):
        parts = urlsplit(self.target if self.target.startswith("/") else "/")
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    def header(self, name, default=""):
        return next((value for key, value in self.headers if key == name), default)

    def json(self):
        """The body as JSON; ValueError when it is none."""
        return json.loads(self.body.decode("utf-8"))


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict = field(default_factory=dict)
    stream: object = None  # an asynchronous iterator of bytes instead of a body


def json_response(value, status=200, headers=None):
    return Response(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), headers=headers or {})


async def read_head(reader):
    """The request line and the headers; None at the end of the connection."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_SECONDS)
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest(413, "the head is too large") from error
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400, "no HTTP/1 request line")
    headers = []
    for line in lines[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise BadRequest(400, "a malformed header")
            headers.append((name.lower(), value.strip()))
    return parts[0], parts[1], headers


async def read_chunked(reader):
    body = bytearray()
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return bytes(body)
        if len(body) + size > BODY_MAX:
            raise BadRequest(413, "the body is too large")
        body += await reader.readexactly(size)
        await reader.readexactly(2)


async def read_body(reader, writer, request_or_answer_headers):
    headers = dict(request_or_answer_headers)
    if writer is not None and headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await read_chunked(reader)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest(400, "a malformed Content-Length")
    if int(length) > BODY_MAX:
        raise BadRequest(413, "the body is too large")
    return await reader.readexactly(int(length)) if int(length) else b""


def head_of(response, keep):
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    bodiless = response.status in (204, 304)
    if response.stream is None and not bodiless:
        lines.append(f"Content-Length: {len(response.body)}")
    if response.content_type and not bodiless:
        lines.append(f"Content-Type: {response.content_type}")
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines.append("Connection: " + ("keep-alive" if keep else "close"))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Server:
    """handler(request) -> Response, or raises Hangup."""

    def __init__(self, handler):
        self.handler = handler
        self.connections = set()

    async def start(self, host, port):
        server = await asyncio.start_server(self.connection, host, port, limit=HEAD_MAX, backlog=1024)
        return server, server.sockets[0].getsockname()[1]

    async def connection(self, reader, writer):
        self.connections.add(writer)
        try:
            while await self.exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, Hangup, ValueError):
            pass
        except BadRequest as error:
            writer.write(head_of(Response(error.status), keep=False))
        finally:
            self.connections.discard(writer)
            writer.close()

    async def exchange(self, reader, writer):
        head = await read_head(reader)
        if head is None:
            return False
        method, target, headers = head
        request = Request(method, target, headers, await read_body(reader, writer, headers))
        response = await self.handler(request)
        keep = response.stream is None and request.header("connection").lower() != "close"
        writer.write(head_of(response, keep) + (b"" if request.method == "HEAD" or response.status in (204, 304) else response.body))
        await writer.drain()
        if response.stream is not None:
            async for piece in response.stream:
                writer.write(piece)
                await writer.drain()
        return keep


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes
    milliseconds: float


async def fetch(url, body, headers, timeout):
    """POSTs to one of our own loopback addresses. OSError, asyncio.TimeoutError or ValueError when there is no answer."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("only loopback addresses are called")
    return await asyncio.wait_for(exchange_once(parts, body, headers), timeout)


async def exchange_once(parts, body, headers):
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=HEAD_MAX)
    try:
        lines = [f"POST {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        await writer.drain()
        status_line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        answer_headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest if line)]
        names = dict(answer_headers)
        if "content-length" in names or "chunked" in names.get("transfer-encoding", ""):
            answer_body = await read_body(reader, None, answer_headers)
        else:
            answer_body = await reader.read(BODY_MAX)
        return Answer(int(status_line.split(" ")[1]), answer_headers, answer_body, (time.monotonic() - began) * 1000)
    finally:
        writer.close()


@dataclass
class Upload:
    name: str
    content_type: str
    data: bytes

    def summary(self):
        return {"file": self.name, "content_type": self.content_type, "size": len(self.data)}


def parse_multipart(body, content_type):
    """multipart/form-data as {name: text or Upload}; ValueError when it is malformed."""
    boundary = next((part.strip()[9:].strip('"') for part in content_type.split(";") if part.strip().lower().startswith("boundary=")), "")
    if not boundary:
        raise ValueError("multipart without a boundary")
    fields = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"))[1:]:
        if part.startswith(b"--"):
            return fields
        head, blank, data = part.partition(b"\r\n\r\n")
        if not blank:
            raise ValueError("a part without a blank line")
        headers = {}
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        words = dict(word.strip().partition("=")[::2] for word in headers.get("content-disposition", "").split(";")[1:])
        name = words.get("name", "").strip('"')
        if "filename" in words:
            fields[name] = Upload(words["filename"].strip('"'), headers.get("content-type", "application/octet-stream"), data)
        else:
            fields[name] = data.decode("utf-8", "replace")
    raise ValueError("multipart without its end")
