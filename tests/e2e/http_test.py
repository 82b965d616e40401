"""What holds for every path (contract.md 3, pitfalls.md 2.1 and 2.2): methods, paths, hosts, headers, message borders, slow clients, logs without secrets."""
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import plans, wait_for
from linking_test import CODE, People
from outside import HOSTILE, raw, send

ROUTES = {
    "/telegram/main": {"POST"}, "/discord/interactions": {"POST"}, "/discord/events": {"POST"}, "/v1/events": {"POST"}, "/v1/users": {"POST"},
    "/v1/users/telegram/5": {"GET", "HEAD"}, "/healthz": {"GET", "HEAD"}, "/readyz": {"GET", "HEAD"}, "/metrics": {"GET", "HEAD"},
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "LINK", "FOO", "get", "G" * 300]
NOWHERE = ["/telegram", "/discord", "/v1", "/api", "/auth", "/desk/api",
           "/nosuch", "/api/nosuch", "/v1/nosuch", "/v1/", "/telegram/", "/telegram/main/", "/telegram/main/x", "/discord/", "/discord/nosuch", "/auth/nosuch",
           "/healthz/", "/HEALTHZ", "/healthz.", "/readyz/x", "/metrics/", "/.git/config", "/.env", "/nginx/trivet.conf", "/index.php", "/favicon.ico/x", "/v1/users/telegram",
           "/v1/users/telegram/", "/v1/users/telegram/5/", "/v1//users/telegram/5/x", "/" + "x" * 2000, "/%ff%fe", "/%0a", "/a%0d%0aSet-Cookie:x=y", "/%1b[31mred", "/<script>", "/%3Cscript%3E"]


def refused(answer, status):
    """A refusal in the one form of contract.md 3."""
    given, heads, body = answer
    assert given == status, (given, body[:300])
    assert heads["Content-Type"].startswith("application/problem+json"), (heads["Content-Type"], body[:200])
    told = json.loads(body)
    assert told["status"] == status and told["type"] and told["title"] and told["detail"]
    return told


# ---- methods and paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
def test_a_path_takes_its_methods_and_no_other(stack, path):
    for method in METHODS:
        if method == "CONNECT":
            continue  # no path: in the corpus below
        status, heads, body = send(stack, method, path)
        if method in ROUTES[path]:
            assert status not in (404, 405, 501) and status < 500, (method, status)
        elif method in ("get", "G" * 300):
            assert status in (400, 405), (method, status)
        else:
            assert status == 405, (method, status)
            if method != "HEAD":
                assert heads["Content-Type"].startswith("application/problem+json") and json.loads(body)["status"] == 405
        if status == 405:
            # nginx refuses TRACE itself and knows only what this kind of path takes
            told = set(heads["Allow"].split(", "))
            assert (told >= ROUTES[path] if method == "TRACE" else told == ROUTES[path]) and len(heads.get_all("Allow")) == 1, method
        assert b"TRIVET" not in body and "Secret" not in body.decode()


def test_trace_echoes_nothing(stack):
    status, heads, body = send(stack, "TRACE", "/", [("X-Canary", "canary"), ("Cookie", "trivet=canary")])
    assert status == 405 and b"canary" not in body and heads["Allow"] == "GET, HEAD"


def test_what_is_no_405_names_no_methods(stack):
    for path in ("/healthz", "/nosuch", "/v1/events"):
        assert "Allow" not in send(stack, "GET" if path != "/v1/events" else "POST", path)[1]


@pytest.mark.parametrize("path", NOWHERE, ids=lambda path: path[:30])
def test_what_is_not_there_is_404_in_the_form_of_all_errors(stack, path):
    _, heads, _ = send(stack, "GET", path)
    refused(send(stack, "GET", path), 404)
    assert "Set-Cookie" not in heads


@pytest.mark.parametrize("path", ["/%2e%2e/etc/passwd", "/x/..%2f..%2f..%2fetc/passwd", "/%00", "/healthz%00", "/telegram/main%00", "/%", "/%zz", "/%2", "/" + "x" * 40000],
                         ids=lambda path: path[:30])
def test_a_path_that_is_none_is_refused(stack, path):
    status = send(stack, "GET", path)[0]
    assert status in (400, 404, 414)
    refused(send(stack, "GET", path), status)


@pytest.mark.parametrize("path", ["/telegram%2fmain", "/telegram/%6dain", "//telegram/main", "/telegram//main", "/x/../telegram/main", "/x/%2e%2e/telegram/main", "/%2e/telegram/./main", "/telegram/x/..%2fmain",
                                  "/discord%2finteractions", "/DISCORD/../discord/interactions", "/healthz/../discord/events", "/v1/../v1/events", "/healthz/..%2fv1%2fevents", "/v1/events?x=/healthz"])
def test_a_path_in_another_spelling_opens_nothing(stack, path):
    status, heads, body = send(stack, "POST", path, [("Content-Type", "application/json")], b"{}")
    assert status in (401, 404), (status, body)
    assert heads["Content-Type"].startswith("application/problem+json")


def test_spellings_of_one_path_are_one_path(stack):
    for path in ("/healthz", "//healthz", "/./healthz", "/x/../healthz", "/%68ealthz", "/healthz?", "/healthz?x=%00%0a", "/healthz#x"):
        assert send(stack, "GET", path)[0] in (200, 400), path
    assert send(stack, "GET", "/%68ealthz")[0] == 200


# ---- hosts and headers that claim something ----------------------------------------------------------------------------------------


def lines(*parts):
    return "\r\n".join(parts).encode("latin-1") + b"\r\n\r\n"


def statuses(heard):
    """The status of every answer in what was heard."""
    return [int(found) for found in re.findall(rb"(?:^|(?<=[\n\}>]))HTTP/1\.[01] (\d{3})", heard)]


def test_only_our_host_is_answered(stack):
    port = stack.settings["PORT"]
    for host in (f"127.0.0.1:{port}", "127.0.0.1", f"localhost:{port}", "LocalHost"):
        assert send(stack, "GET", "/healthz", [("Host", host)])[0] == 200, host
    for host in ("evil.example", "", "127.0.0.1.evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.2", "trivet_site", "a@127.0.0.1@b", "127.0.0.1/x", "[::1]"):
        heard = raw(stack, lines("GET /healthz HTTP/1.1", f"Host: {host}", "Connection: close"), 1)
        assert statuses(heard) in ([], [400]) and b"evil" not in heard, (host, heard)
    for request in (lines("GET /healthz HTTP/1.1", "Connection: close"), lines("GET /healthz HTTP/1.0"), lines("GET http://evil.example/healthz HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"),
                    lines("GET /healthz HTTP/1.1", f"Host: 127.0.0.1:{port}", "Host: evil.example", "Connection: close"), lines("CONNECT evil.example:443 HTTP/1.1", "Host: evil.example:443")):
        assert statuses(raw(stack, request, 1)) in ([], [400], [405]), request


@pytest.mark.parametrize("claims", [[("X-Real-IP", "8.8.8.8")], [("X-Forwarded-For", "8.8.8.8, 1.1.1.1")], [("X-Forwarded-For", "127.0.0.1")], [("Forwarded", "for=8.8.8.8;proto=https;host=evil.example")],
                                    [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")], [("Proxy", "http://evil.example:1")], [("X_Real_IP", "8.8.8.8"), ("REMOTE_ADDR", "8.8.8.8")],
                                    [("X-User-ID", "1"), ("X-Remote-User", "root")], [("X-Original-URL", "/metrics"), ("X-Rewrite-URL", "/metrics")], [("X-HTTP-Method-Override", "DELETE")],
                                    [("Cookie", "trivet=x; trivet=y"), ("Cookie", "z")], [("X-Long", "x" * 7000)]],
                         ids=lambda claims: claims[0][0])
def test_headers_claim_nothing(stack, new_id, claims):
    """Neither who asks nor what is asked for; nor where the programs connect to (httpoxy)."""
    for path in ("/healthz", "/metrics"):
        status, heads, body = send(stack, "GET", path, claims)
        assert status == 200 and b"evil.example" not in body and "evil.example" not in str(heads.items()), path
    for path in ("/telegram/main", "/discord/interactions", "/v1/events"):
        status, _, body = send(stack, "POST", path, [("Content-Type", "application/json"), *claims], b"{}")
        assert status == 401 and b"evil.example" not in body, (path, body)


def test_too_many_or_too_long_headers_are_refused(stack):
    for claims in ([("X-Long", "x" * 40000)], [(f"X-{number}", "y" * 100) for number in range(1000)]):
        status = send(stack, "GET", "/healthz", claims)[0]
        assert status in (400, 431)
        refused(send(stack, "GET", "/healthz", claims), status)
    assert send(stack, "GET", "/healthz", [(f"X-{number}", "y") for number in range(60)])[0] == 200


EVERYWHERE = [("GET", "/healthz", 200), ("GET", "/readyz", 200), ("GET", "/metrics", 200), ("GET", "/nosuch", 404), ("GET", "/v1/nosuch", 404), ("POST", "/telegram/main", 401), ("POST", "/telegram/nosuch", 404),
              ("POST", "/discord/interactions", 401), ("GET", "/telegram/main", 405), ("OPTIONS", "/healthz", 405), ("POST", "/v1/events", 401), ("HEAD", "/healthz", 200), ("POST", "/healthz", 405)]


@pytest.mark.parametrize("method, path, status", EVERYWHERE)
def test_every_answer_carries_what_protects_its_reader(stack, method, path, status):
    given, heads, _ = send(stack, method, path, [("Content-Type", "application/json")])
    assert given == status
    for name, value in (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Server", "nginx")):
        assert heads.get_all(name) == [value], name
    assert "default-src" in heads["Content-Security-Policy"] and len(heads.get_all("Content-Security-Policy")) == 1
    assert "frame-ancestors 'none'" in heads["Content-Security-Policy"] and "unsafe" not in heads["Content-Security-Policy"]
    assert "X-Powered-By" not in heads and "Access-Control-Allow-Origin" not in heads
    assert len(heads.get_all("X-Request-Id")) == 1 and re.fullmatch("[0-9a-f]{32}", heads["X-Request-Id"])
    if status in (401, 405) and path != "/healthz" or path.startswith("/v1"):
        assert heads["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_no_other_site_may_read_our_answers(stack, origin):
    for method, path, _ in EVERYWHERE:
        _, heads, _ = send(stack, method, path, [("Origin", origin), ("Access-Control-Request-Method", "POST")])
        assert not [name for name in heads if name.lower().startswith("access-control")]


def test_the_id_of_a_request_is_ours_and_stands_in_the_log(stack):
    seen = set()
    for _ in range(5):
        status, heads, _ = send(stack, "GET", "/v1/nosuch", [("X-Request-Id", "f" * 32), ("Request-Id", "e" * 32)])
        seen.add(heads["X-Request-Id"])
        wait_for(lambda: f"request_id={heads['X-Request-Id']}" in stack.log("trivet-api"), 2, "the line")
    assert len(seen) == 5 and "f" * 32 not in seen and "e" * 32 not in stack.log("trivet-api") + "".join(seen)


def test_head_is_get_without_the_body(stack):
    for path in ("/healthz", "/readyz", "/v1/nosuch", "/v1/users/telegram/5"):
        get, head = send(stack, "GET", path), send(stack, "HEAD", path)
        assert head[0] == get[0] and head[2] == b"" and head[1]["Content-Type"] == get[1]["Content-Type"]
        assert head[1]["Content-Length"] == get[1]["Content-Length"] == str(len(get[2]))


# ---- the borders of messages -----------------------------------------------------------------------------------------------------------

SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def post(*heads, body=""):
    return ("\r\n".join(["POST /discord/interactions HTTP/1.1", "Host: 127.0.0.1", *heads]) + "\r\n\r\n" + body).encode("latin-1")


CHUNKED = "0\r\n\r\n" + SMUGGLED
LENGTH = f"Content-Length: {len(CHUNKED)}"
BORDERS = {
    # Both lengths, or an encoding that not everybody reads alike: what follows must not become a request of its own.
    "both": post(LENGTH, "Transfer-Encoding: chunked", body=CHUNKED), "both, the other way": post("Transfer-Encoding: chunked", LENGTH, body=CHUNKED),
    "two encodings": post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=CHUNKED), "list": post("Transfer-Encoding: gzip, chunked", body=CHUNKED),
    "chunked twice": post("Transfer-Encoding: chunked, chunked", body=CHUNKED), "xchunked": post("Transfer-Encoding: xchunked", body=CHUNKED), "quoted": post('Transfer-Encoding: "chunked"', body=CHUNKED),
    "space in the name": post("Transfer-Encoding : chunked", LENGTH, body=CHUNKED), "tab in the name": post("Transfer-Encoding\t: chunked", LENGTH, body=CHUNKED),
    "underscore": post("Transfer_Encoding: chunked", LENGTH, body=CHUNKED), "folded": post("Transfer-Encoding:", " chunked", LENGTH, body=CHUNKED),
    "vertical tab": post("Transfer-Encoding: \x0bchunked", LENGTH, body=CHUNKED),
    "NUL": post("Transfer-Encoding: chunked\0", LENGTH, body=CHUNKED),
    "bare CR": post("X: y\rTransfer-Encoding: chunked", LENGTH, body=CHUNKED), "HTTP/1.0": post("Transfer-Encoding: chunked", body=CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "two lengths": post("Content-Length: 5", LENGTH, body=CHUNKED), "two equal lengths": post(LENGTH, LENGTH, body=CHUNKED), "list of lengths": post(LENGTH + ", 5", body=CHUNKED),
    "plus": post("Content-Length: +5", body="hello" + SMUGGLED), "minus": post("Content-Length: -5", body="hello" + SMUGGLED), "hex": post("Content-Length: 0x5", body="hello" + SMUGGLED),
    "words": post("Content-Length: 5 5", body="hello" + SMUGGLED),
    "no length": post("Content-Length:", body=SMUGGLED), "huge": post("Content-Length: 99999999999999999999", body=SMUGGLED), "fraction": post("Content-Length: 5.0", body="hello" + SMUGGLED),
    "chunk size 0x": post("Transfer-Encoding: chunked", body="0x5\r\nhello\r\n" + CHUNKED), "chunk size -1": post("Transfer-Encoding: chunked", body="-1\r\n" + CHUNKED),
    "chunk size huge": post("Transfer-Encoding: chunked", body="fffffffffffffffff\r\n" + CHUNKED),
    "chunk too short": post("Transfer-Encoding: chunked", body="3\r\nhello\r\n" + CHUNKED), "chunk without end": post("Transfer-Encoding: chunked", body="5\r\nhelloX" + CHUNKED),
    "GET with a body": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + LENGTH.encode() + b"\r\n\r\n" + CHUNKED.encode(), "version 9": post(LENGTH, body=CHUNKED).replace(b"HTTP/1.1", b"HTTP/9.1", 1),
    "no version": b"GET /healthz\r\n" + SMUGGLED.encode(), "space before": b" " + post(LENGTH, body=CHUNKED),
    "FastCGI record": post("Content-Length: 24", body="\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + "\x01\x04\x00\x01\x00\x00\x00\x00"),
}
# Here what follows is a request by everybody's reading: two answers.
TWO = {
    "length": post("Content-Length: 5", body="hello" + SMUGGLED), "chunked": post("Transfer-Encoding: chunked", body="5\r\nhello\r\n" + CHUNKED),
    "chunked with words": post("Transfer-Encoding: Chunked", body="5;a=b\r\nhello\r\n" + CHUNKED),
    "trailer": post("Transfer-Encoding: chunked", body="5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n" + SMUGGLED), "two gets": SMUGGLED.encode() * 2,
}


def test_no_request_hides_in_another(stack):
    with ThreadPoolExecutor(24) as many:
        heard = dict(zip(BORDERS, many.map(lambda data: raw(stack, data, 1.5), BORDERS.values())))
    wrong = {name: answer for name, answer in heard.items() if len(statuses(answer)) > 1 or b'"up"' in answer and not name.startswith("GET")}
    assert wrong == {}
    assert all(400 <= status < 600 for name, answer in heard.items() for status in statuses(answer) if name not in ("GET with a body", "no version")), heard


def test_two_plain_requests_get_two_answers(stack):
    """Of the test's own: it counts answers."""
    with ThreadPoolExecutor(8) as many:
        for name, answer in zip(TWO, many.map(lambda data: raw(stack, data, 1.5), TWO.values())):
            assert len(statuses(answer)) == 2 and statuses(answer)[1] == 200, (name, answer)


def test_bodies_that_nobody_read_are_no_requests_to_the_programs(stack):
    """pitfalls.md 0.1: the rest of a refused body was read as FastCGI records; each record here would ask for /healthz."""
    before = stack.log("trivet-site").count("route=/healthz")
    record = b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x01\x04\x00\x01\x00\x1e\x00\x00\x0e\x03REQUEST_METHODGET\x0c\x08DOCUMENT_URI/healthz"
    for size in (1, 16, 4096, 100_000):
        body = b"\x00" * (size % 16) + record * (size // len(record) + 1)
        for path in ("/nosuch", "/v1/nosuch", "/telegram/nosuch", "/telegram/main", "/discord/interactions"):
            assert send(stack, "POST", path, [], body)[0] in (401, 404, 405, 413)
    assert stack.log("trivet-site").count("route=/healthz") == before


# ---- slow clients ---------------------------------------------------------------------------------------------------------------------


def connections(stack, count, data, port=None):
    parts = urllib.parse.urlsplit(stack.env["BASE_URL"])
    opened = []
    for _ in range(count):
        link = socket.create_connection((parts.hostname, port or parts.port), 5)
        link.sendall(data)
        opened.append(link)
    return opened


@pytest.mark.parametrize("data", [b"", b"GET /hea", b"POST /telegram/main HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf of it",
                                  b"POST /discord/interactions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"], ids=["silent", "in the line", "in the body", "in a chunk"])
def test_two_hundred_slow_clients_hold_nobody_up(stack, new_id, data):
    opened = connections(stack, 200, data)
    try:
        began = time.monotonic()
        for _ in range(5):
            assert stack.request("GET", "/healthz").status_code == 200
            assert "Commands" in stack.command_telegram(new_id(), "/help")["text"]
            assert "Commands" in stack.command_discord(new_id(), "help")["data"]["content"]
        assert time.monotonic() - began < 2.5, "15 requests"
    finally:
        for link in opened:
            link.close()


def test_a_body_in_small_pieces_is_read_whole(stack, new_id):
    body = json.dumps(stack.telegram_update(new_id(), "/help")).encode()
    head = (f"POST /telegram/main HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: {stack.env['BOT_SECRET']}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()

    def pieces():
        yield head
        for at in range(0, len(body), 60):
            time.sleep(0.05)
            yield body[at:at + 60]
    heard = raw(stack, b"", pieces=pieces())
    assert statuses(heard) == [200] and b"Commands" in heard


def test_who_hangs_up_in_the_middle_leaves_no_trace(stack, new_id):
    for link in connections(stack, 50, b"POST /telegram/main HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"):
        link.close()
    assert stack.request("GET", "/readyz").status_code == 200


@pytest.fixture
def as_a_stranger(stack, tmp_path):
    """The address of another nginx before the same programs, to which this host is no better than any other (limits.conf spares loopback)."""
    data = os.path.dirname(os.path.realpath(os.path.join(stack.run_dir, plans.PLAN)))
    with open(os.path.join(data, "nginx", "nginx.conf")) as file:
        text = file.read()
    limits = re.search("include (.*/limits.conf);", text)[1]
    with open(limits) as file:
        (tmp_path / "limits.conf").write_text(file.read().replace("127.0.0.0/8 0;", "127.0.0.0/8 1;"))
    port = plans.free_ports(1, set())[0]
    text = text.replace(f"127.0.0.1:{stack.settings['PORT']}", f"127.0.0.1:{port}").replace(limits, str(tmp_path / "limits.conf"))
    text = re.sub(r"(\w+_temp_path|pid|error_log) \S+/([\w.]+)", rf"\1 {tmp_path}/\2", text)
    (tmp_path / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + text)
    process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error")])
    try:
        wait_for(lambda: process.poll() is not None or not plans.port_free(port), 5, "nginx")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_a_platform_may_open_more_connections_than_a_person(stack, as_a_stranger):
    """Telegram opens up to 100 for each bot, and Discord removes an endpoint that answers a forged probe with anything but 401. Both got 429."""
    def status(path, *heads):
        return statuses(raw(stack, lines(f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 0", "Connection: close", *heads), 2, port=as_a_stranger))
    waiting = lines("POST {} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 1000").decode()
    opened = connections(stack, 250, waiting.format("/telegram/main").encode(), port=as_a_stranger)
    try:
        assert status("/telegram/main") == status("/discord/interactions") == [401]
        # Of the test's own: a person's limit is felt.
        wait_for(lambda: status("/v1/events") == [429], 5, "a person's limit")
    finally:
        for link in opened:
            link.close()


# ---- what watches the house ------------------------------------------------------------------------------------------------------------


def test_health_and_readiness(stack):
    answer = stack.request("GET", "/healthz")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json") and isinstance(answer.json(), dict)
    answer = stack.request("GET", "/readyz")
    assert answer.status_code == 200 and answer.json().get("degraded", []) == []


def test_readiness_without_redis_names_it(stack):
    stack.command("stop", "redis")
    try:
        answer = wait_for(lambda: (lambda a: a.json().get("degraded") and a)(stack.request("GET", "/readyz")), what="the news")
        assert answer.status_code == 200 and answer.json()["degraded"] == ["redis"]
        assert stack.request("GET", "/healthz").status_code == 200
    finally:
        stack.command("start", "redis")
    wait_for(lambda: not stack.request("GET", "/readyz").json().get("degraded"), what="the end of it")


def test_metrics_are_prometheus_text_of_every_program(stack, new_id):
    stack.command_telegram(new_id(), "/help")
    stack.command_discord(new_id(), "help")
    assert stack.post_telegram("main", {}, headers={}).status_code == 401
    answer = stack.request("GET", "/metrics")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    types, samples, programs = {}, set(), set()
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("counter", "gauge", "histogram") and name not in types
            types[name] = kind
        elif not line.startswith("#"):
            found = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*)\})? ([0-9.e+-]+|\+Inf|NaN)', line)
            assert found, line
            assert re.sub("_(bucket|sum|count)$", "", found[1]) in types or found[1] in types, line
            assert (found[1], found[2]) not in samples, f"twice: {line}"
            samples.add((found[1], found[2]))
            programs |= set(re.findall(r'program="([^"]*)"', found[2] or ""))
    assert {"trivet-telegram", "trivet-discord", "trivet-site", "trivet-api", "trivet-worker"} <= programs
    assert "/telegram/{bot}" in answer.text and str(new_id())[:6] not in answer.text, "labels are routes, never what a person sent"


def test_counters_count(stack):
    def refusals():
        return sum(float(line.rsplit(" ", 1)[1]) for line in stack.request("GET", "/metrics").text.splitlines() if line.startswith("trivet_signature_refused_total"))
    before = refusals()
    for _ in range(3):
        stack.post_telegram("main", {}, headers={})
    assert refusals() == before + 3


# ---- logs and answers hold no secret, and one line is one event -----------------------------------------------------------------------------


def log_files(stack):
    folder = os.path.join(stack.run_dir, "log")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            yield name, file.read()


def traffic_full_of_secrets(stack, people, fakes, new_id):
    """Codes, links and tokens, in all the places where something could write them down: also where something goes wrong. Returns what must not be found."""
    env, tokens = stack.env, []
    for right in (env["BOT_SECRET"], env["API_KEY"], env["DISCORD_BOT_TOKEN"], env["BOT_TOKEN"]):
        for path in ("/healthz", "/nosuch", "/v1/nosuch", "/telegram/" + right, "/telegram/main", "/v1/users/telegram/" + right):
            everywhere = [(name, right) for name in ("X-Telegram-Bot-Api-Secret-Token", "Cookie", "User-Agent", "Referer")]
            send(stack, "POST", f"{path}?token={right}&code={right}", [*everywhere, ("Authorization", "Bearer " + right)], right.encode())
    issuer, redeemer = new_id(), new_id()
    code = people.code_from_discord(issuer)
    people.telegram(redeemer, f"/code {code}")
    people.telegram(redeemer, f"/code {code}")
    people.telegram(new_id(), f"/start link_{code}")
    stack.post_telegram("main", b'{"update_id": 1, "message": {"text": "/code ' + code.encode() + b'"')  # cannot be read
    other = people.code_from_telegram(new_id())
    stack.command_telegram(new_id(), f"/code {other}", chat=-1001234567890)
    send(stack, "GET", f"/auth/code?code={other}")
    fakes.rule("discord", {"status": 500}, times=2)
    fakes.rule("discord", {"hang": 0.5}, times=1)
    third = people.code_from_discord(new_id())  # its direct message fails and comes again
    wait_for(lambda: [call for call in fakes.calls(platform="discord", method="POST /channels/{}/messages") if third in str(call["body"]) and call["answer_status"] == 200], 20, "the code")
    interaction = stack.discord_interaction(new_id(), 2, {"id": "1", "name": "help", "type": 1})
    tokens.append(interaction["token"])
    stack.post_discord(interaction)
    tokens.append("brokeninteractiontoken")
    stack.post_discord({**interaction, "id": "x", "token": tokens[-1]})
    return tokens


def test_no_log_and_no_answer_holds_a_secret(stack, new_id, fakes):
    people = People(stack, new_id)
    tokens = traffic_full_of_secrets(stack, people, fakes, new_id)
    said = "\n".join(json.dumps(answer, ensure_ascii=False) for _, answer in stack.answers)
    codes = {code for answer in re.findall(r"(?:Your link code|Код для привязки).*", said) for code in CODE.findall(answer)}
    links = set(re.findall(r"link_([0-9a-f]{32})", said))
    assert len(codes) >= 3 and links
    env = stack.env
    secrets = {key: value for key, value in env.items() if re.search("TOKEN|SECRET|KEY", key) and key != "DISCORD_PUBLIC_KEY"}
    secrets.update(database=urllib.parse.urlsplit(env["DATABASE_URL"]).password, redis=urllib.parse.urlsplit(env["REDIS_URL"]).password)
    assert len(secrets) >= 11
    everything = {**secrets, **{f"code {code}": code for code in codes}, **{f"link {link}": link for link in links}, **{f"token {token}": token for token in tokens}}
    found = {(name, key) for name, text in log_files(stack) for key, value in everything.items() if value.encode() in text}
    assert found == set()
    assert {key for key, value in secrets.items() if value in said} == set()
    for program in stack.programs():
        with open(f"/proc/{stack.pid(program)}/cmdline", "rb") as file:
            line = file.read()
        assert not [key for key, value in secrets.items() if value.encode() in line], "everybody on the host reads command lines"


def test_nothing_that_people_send_makes_a_line_or_a_colour_in_a_log(stack, new_id):
    evil = ["a\r\nlevel=error event=forged", "a\nlevel=error event=forged", "\x1b[31mred\x1b[0m", "\x07\x08\x7f", "\u2028forged", "a\" event=\"forged", "\x9b31m"] + HOSTILE[:10]
    for words in evil:
        quoted = urllib.parse.quote(words, safe="")
        for path in (f"/nosuch/{quoted}", f"/telegram/{quoted}", f"/v1/users/{quoted}/{quoted}", f"/discord/{quoted}", f"/healthz?{quoted}"):
            send(stack, "GET", path, [("User-Agent", words.replace("\r", "").replace("\n", "").encode()), ("Referer", quoted)])
        update = stack.telegram_update(new_id(), f"/{words}")
        update["message"]["from"].update(first_name=words, username=words, language_code=words)
        stack.post_telegram("main", update)
        stack.post_telegram("main", words.encode())
        interaction = stack.discord_interaction(new_id(), 2, {"id": "1", "name": words, "type": 1, "options": [{"name": words, "type": 3, "value": words}]}, language=words)
        interaction["member"]["user"].update(username=words, global_name=words)
        stack.post_discord(interaction)
    for name, text in log_files(stack):
        if not name.startswith("trivet-"):
            continue
        for line in text.decode("ascii").splitlines():
            assert re.fullmatch(r"level=(debug|info|warning|error) at=[0-9T:.Z-]+ event=[a-z_]+( [a-z_]+=([^\s\"=]*|\"([^\"\\]|\\.)*\"))*", line), (name, line)
            assert "event=forged" not in re.sub(r'"([^"\\]|\\.)*"', "", line)
            assert all(0x20 <= ord(symbol) < 0x7f for symbol in line), ascii(line)


def test_sessions_that_the_database_ends_make_no_foreign_lines(stack, db, new_id):
    """libpq printed "FATAL: terminating connection ..." between our lines when a session was ended while it began."""
    over = threading.Event()

    def work():
        while not over.is_set():
            stack.post_telegram("main", stack.telegram_update(new_id(), "/lang en"))
    threads = [threading.Thread(target=work) for _ in range(16)]
    [thread.start() for thread in threads]
    end = time.monotonic() + 2
    with db.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()")
    over.set()
    [thread.join() for thread in threads]
    wait_for(lambda: stack.post_telegram("main", stack.telegram_update(new_id(), "/lang en")).status_code == 200, what="the database's return")
    foreign = [line for program in ("trivet-telegram", "trivet-worker") for line in stack.log(program).splitlines() if not line.startswith("level=")]
    assert foreign == []


def test_one_request_is_one_line(stack, new_id):
    before = stack.log("trivet-telegram").count("event=request")
    for _ in range(20):
        stack.command_telegram(new_id(), "/help")
    wait_for(lambda: stack.log("trivet-telegram").count("event=request") >= before + 20, 2, "the lines")
    assert stack.log("trivet-telegram").count("event=request") == before + 20


def test_many_at_once_get_their_own_answers(stack, new_id):
    """64 threads, three programs: no answer goes to another's request."""
    wrong = []

    def create(number):
        return stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(number), "name": f"N{number}"})

    def ask(number):
        for _ in range(3):
            answer = create(number)
            while answer.status_code == 503 and stack.settings["V"] != "release":  # a build of sanitizers may be too slow for so many
                answer = create(number)
            if answer.status_code != 200 and answer.status_code != 201 or answer.json()["identities"]["telegram"]["id"] != str(number):
                wrong.append((number, answer.status_code, answer.text[:200]))
            answer = stack.request("GET", f"/v1/nosuch/{number}")
            if answer.status_code != 404:
                wrong.append((number, answer.status_code))
    threads = [threading.Thread(target=ask, args=(new_id(),)) for _ in range(64)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []
