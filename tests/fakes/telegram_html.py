"""Telegram's parse_mode HTML: text and entities, or the error in Telegram's words.

Follows do_parse_html of tdlib's td/telegram/MessageEntity.cpp: offsets of errors are bytes of the UTF-8 text, offsets and lengths of
entities UTF-16 code units.
"""

TAGS = {
    "a": "text_link", "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "s": "strikethrough", "strike": "strikethrough",
    "del": "strikethrough", "u": "underline", "ins": "underline", "tg-spoiler": "spoiler", "tg-emoji": "custom_emoji", "span": "spoiler",
    "pre": "pre", "code": "code", "blockquote": "blockquote",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
SPACES = b" \t\r\n\0\v"


class ParseError(ValueError):
    pass


def utf16_length(text):
    return sum(2 if ord(char) > 0xFFFF else 1 for char in text)


def decode_entity(text, at):
    """The character that the & at this byte begins and the byte after it; None when it begins none."""
    end = at + 1
    if text[end:end + 1] == b"#":
        end += 1
        base, digits = 10, b"0123456789"
        if text[end:end + 1] == b"x":
            end, base, digits = end + 1, 16, b"0123456789abcdefABCDEF"
        begin = end
        while end < len(text) and text[end] in digits:
            end += 1
        if end == begin or end - begin > 8:
            return None
        code = int(text[begin:end], base)
        if code == 0 or code >= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            return None
        char = chr(code)
    else:
        begin = end
        while end < len(text) and text[end:end + 1].isalpha():
            end += 1
        char = NAMED.get(text[begin:end].decode())
        if char is None:
            return None
    return char, end + (text[end:end + 1] == b";")


class Parser:
    def __init__(self, html):
        self.text = html.encode("utf-8")
        self.at = 0
        self.out = []
        self.units = 0
        self.open = []
        self.entities = []

    def peek(self):
        return self.text[self.at:self.at + 1]

    def skip_spaces(self):
        while self.peek() and self.peek() in SPACES:
            self.at += 1

    def word(self, stop):
        begin = self.at
        while self.peek() and self.peek() not in SPACES and self.peek() not in stop:
            self.at += 1
        return self.text[begin:self.at].decode("utf-8", "replace")

    def put(self, char):
        self.out.append(char)
        self.units += utf16_length(char)

    def parse(self):
        while self.at < len(self.text):
            if self.peek() == b"&":
                decoded = decode_entity(self.text, self.at)
                if decoded:
                    char, self.at = decoded
                    self.put(char)
                    continue
            if self.peek() == b"<":
                self.tag()
                continue
            end = self.at + 1
            while end < len(self.text) and self.text[end] not in b"<&":
                end += 1
            self.put(self.text[self.at:end].decode("utf-8"))
            self.at = end
        if self.open:
            raise ParseError(f"Can't find end tag corresponding to start tag \"{self.open[-1][0]}\"")
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.out), self.entities

    def tag(self):
        begin = self.at
        self.at += 1
        if self.peek() == b"/":
            self.end_tag(begin)
        else:
            self.start_tag(begin)

    def start_tag(self, begin):
        name = self.word(b">").lower()
        if not self.peek():
            raise ParseError(f"Unclosed start tag at byte offset {begin}")
        if name not in TAGS:
            raise ParseError(f"Unsupported start tag \"{name}\" at byte offset {begin}")
        attributes = {}
        while True:
            self.skip_spaces()
            if self.peek() == b">":
                break
            key, value = self.attribute(name, begin)
            attributes[key.lower()] = value
        self.at += 1
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise ParseError(f"Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}")
        self.open.append((name, attributes, self.units, len(self.out)))

    def attribute(self, name, begin):
        key = self.word(b">=")
        if not key:
            raise ParseError(f"Empty attribute name in the tag \"{name}\" at byte offset {begin}" if self.peek()
                             else f"Unclosed start tag \"{name}\" at byte offset {begin}")
        self.skip_spaces()
        if self.peek() != b"=":
            return key, ""
        self.at += 1
        self.skip_spaces()
        quote = self.peek()
        if quote not in (b"'", b'"') or not quote:
            token = self.at
            value = self.word(b">")
            if not value or not all(char.isalnum() or char in ".-" for char in value):
                raise ParseError(f"Unexpected end of name token at byte offset {token}")
            return key, value.lower()
        self.at += 1
        value = []
        while self.peek() and self.peek() != quote:
            decoded = decode_entity(self.text, self.at) if self.peek() == b"&" else None
            if decoded:
                value.append(decoded[0].encode())
                self.at = decoded[1]
            else:
                value.append(self.peek())
                self.at += 1
        if not self.peek():
            raise ParseError(f"Unclosed start tag at byte offset {begin}")
        self.at += 1
        return key, b"".join(value).decode("utf-8", "replace")

    def end_tag(self, begin):
        if not self.open:
            raise ParseError(f"Unexpected end tag at byte offset {begin}")
        self.at += 1
        name = self.word(b">").lower()
        self.skip_spaces()
        if self.peek() != b">":
            raise ParseError(f"Unclosed end tag at byte offset {begin}")
        self.at += 1
        expected, attributes, offset, first = self.open.pop()
        if name and name != expected:
            raise ParseError(f"Unmatched end tag at byte offset {begin}, expected \"</{expected}>\", found \"</{name}>\"")
        if self.units > offset:
            self.close(expected, attributes, offset, "".join(self.out[first:]))

    def close(self, name, attributes, offset, inner):
        entity = {"type": TAGS[name], "offset": offset, "length": self.units - offset}
        if name == "a":
            url = attributes.get("href") or inner
            if not url.lower().startswith(("http://", "https://", "tg://", "mailto:", "tel:")):
                if "." not in url or " " in url:
                    return  # Telegram drops links that it cannot read
                url = "http://" + url
            entity["url"] = url
        elif name == "tg-emoji":
            entity["custom_emoji_id"] = attributes.get("emoji-id", "")
        elif name == "code" and attributes.get("class", "").startswith("language-") and self.open and self.open[-1][0] == "pre":
            self.open[-1][1]["language"] = attributes["class"][9:]
            return
        elif name == "pre" and attributes.get("language"):
            entity["language"] = attributes["language"]
        elif name == "blockquote" and "expandable" in attributes:
            entity["type"] = "expandable_blockquote"
        self.entities.append(entity)


def parse_html(html):
    """(text, entities); ParseError holds what Telegram writes after "can't parse entities: "."""
    text, entities = Parser(html).parse()
    trimmed = text.rstrip()
    lead = len(trimmed) - len(trimmed.lstrip())
    shift = utf16_length(trimmed[:lead])
    total = utf16_length(trimmed) - shift
    kept = []
    for entity in entities:
        begin = max(0, entity["offset"] - shift)
        end = min(total, entity["offset"] + entity["length"] - shift)
        if end > begin:
            kept.append({**entity, "offset": begin, "length": end - begin})
    return trimmed[lead:], kept
