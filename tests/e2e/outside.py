"""What outside programs can do that `requests` cannot: doubled headers, raw bytes; and texts that people send to break things."""
import http.client
import os
import socket
import sys
import urllib.parse

from conftest import ROOT

sys.path.append(os.path.join(ROOT, "tests", "fakes"))
from telegram_html import parse_html  # noqa: E402,F401  (what Telegram makes of a text; ParseError where it refuses)

# Each is shown as it is typed, or the page, the chat or the log is somebody else's. 64 symbols at most: a name takes no more.
HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "\"><script>alert(1)</script>", "'><img src=x>",
    "</title><script>alert(1)</script>", "<b>bold</b>", "<b>", "</b>", "<i>x</b></i>", "<code>", "</code>x", "</pre></code></b>", "<a href=\"tg://user?id=1\">x</a>",
    "<a href='javascript:alert(1)'>x</a>", "<tg-spoiler>x</tg-spoiler>", "<blockquote>", "<br>", "<!-- x", "-->", "<![CDATA[x]]>", "<?xml?>", "<>", "< b>", "<<b>>",
    "&lt;b&gt;", "&amp;", "&amp;lt;", "&", "&;", "&#60;b&#62;", "&#x3c;b&#x3e;", "&nbsp;", "&quot;", "&copy", "a & b < c > d", "\"quoted\"", "it's",
    "javascript:alert(1)", "data:text/html,<b>x", "{{7*7}}", "${7*7}", "{0}", "{1}", "{0|a|b|c}", "%n%s%x", "%s%s%s%s%n", "\\u003cb\\u003e", "\\", "\\\\",
    "'; DROP TABLE account; --", "1' OR '1'='1", "$(id)", "`id`", "| id", "=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "-2+3",
    "*bold*", "**bold**", "__under__", "_it_", "~~strike~~", "||spoiler||", "`code`", "```code```", "> quote", "# head", "- list", "1. list", "[x](https://evil.example)",
    "[x](<https://evil.example>)", "<https://evil.example>", "https://evil.example", "@everyone", "@here", "<@1>", "<@!1>", "<@&1>", "<#1>", "<:a:1>", "<a:a:1>",
    "<t:0:R>", "</help:1>", "<id:home>", "@\u200beveryone", "\\*bold\\*", "\\`", ":smile:", "x\u2028y", "x\u2029y",
]
RIGHT_TO_LEFT = "\u202egnp.exe"
ISOLATED = "\u2067x"
ZERO_WIDTH = "a\u200b\u200c\u200d\u2060\ufeffb"


def send(stack, method, path, headers=(), body=b""):
    """One request with exactly these headers, in this order, doubled ones twice: (status, headers, body)."""
    parts = urllib.parse.urlsplit(stack.env["BASE_URL"])
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=15)
    try:
        link.putrequest(method, path, skip_host=any(name.lower() == "host" for name, _ in headers), skip_accept_encoding=True)
        for name, value in headers:
            link.putheader(name, value)
        if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
            link.putheader("Content-Length", str(len(body)))
        link.endheaders(body)
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        link.close()


def raw(stack, data, timeout=5.0, pieces=None, port=None):
    """Bytes to nginx as they are; all that comes back until it closes or falls silent for `timeout`."""
    parts = urllib.parse.urlsplit(stack.env["BASE_URL"])
    with socket.create_connection((parts.hostname, port or parts.port), timeout) as link:
        for piece in pieces or [data]:
            link.sendall(piece)
        link.settimeout(timeout)
        heard = b""
        try:
            while piece := link.recv(65536):
                heard += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return heard
