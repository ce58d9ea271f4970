"""The lexer of Kit's TOML: statements, keys, values and comments.

No TOML library accepts the dialect or gives the line of a value. So this module finds the values, and ``tomli`` parses
each of them.
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Any

import tomli

# Far beyond any real file: the largest known .kit file has 60 KB. The limits keep hostile input from exhausting memory
# or the stack, also in recursive readers of the result.
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
# A file with more broken statements than this is not a TOML file.
MAX_ERRORS = 50

_BARE = r"[\w\-]+"
_BASIC = r'"(?:[^"\\\n]|\\[^\n])*"'
_LITERAL = r"'[^'\n]*'"
_PART = rf"(?:{_BARE}|\+\+|{_BASIC}|{_LITERAL})"
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*+")
_KEY_PART = re.compile(_PART)
HEADER = re.compile(rf"(\[\[?)[ \t]*({_KEY.pattern})[ \t]*(\]\]?)[ \t]*(?:#([^\n]*))?(?:\n|\Z)")
ASSIGN = re.compile(rf"({_KEY.pattern})[ \t]*(\+\+=|\+\+[ \t]*=|\+=|=)[ \t]*")
# Matches most lines of real files. Other lines take a slower path, so this affects only speed.
SIMPLE = re.compile(
    r'([A-Za-z0-9_\-]+|"[^"\\\n]*")[ \t]*=[ \t]*'
    r'(?:"([^"\\\x00-\x1f\x7f]*)"|(true|false)|([+-]?(?:0|[1-9][0-9]{0,17}))|(\{\}))[ \t]*(?:#([^\n]*))?(?:\n|\Z)'
)
COMMENT = re.compile(r"#([^\n]*)")
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"""(?:"{0,2})'
    r"|'''(?:[^']|'{1,2}(?!'))*+'''(?:'{0,2})"
    rf"|{_BASIC}|{_LITERAL}|#[^\n]*|[\[\]{{}}\n\"']",
    re.DOTALL,
)
_NEXT_HEADER = re.compile(r"^[ \t]*\[\[?[ \t]*[\w\"'\-]", re.MULTILINE)
_NEXT_STATEMENT = re.compile(
    rf"^[ \t]*(?:\[\[?[ \t]*{_KEY.pattern}[ \t]*\]|{_KEY.pattern}[ \t]*(?:\+\+)?\+?=)", re.MULTILINE
)
_DECORATION = re.compile(r"[#\-=*_~+/\s]*")


class Broken(Exception):
    """A statement that cannot be read.

    Attributes:
        header: True for a table header. The table of the following statements is then unknown.
    """

    def __init__(self, reason: str, *, header: bool = False) -> None:
        super().__init__(reason)
        self.header = header


def decode(data: bytes) -> tuple[str, str]:
    r"""Return the text of a file, with ``\n`` as its only line end, and the name of its encoding."""
    text, encoding = "", "utf-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text, encoding = data.decode("utf-16", "replace"), "utf-16"
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            encoding = "cp1252"
            try:
                text = data.decode("cp1252")
            except UnicodeDecodeError:
                # Five bytes are undefined in Windows-1252.
                text = data.decode("latin-1")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, encoding


def resume(text: str, start: int, *, after_header: bool) -> int:
    """Return the index of the line where reading resumes after the broken statement at ``start``."""
    newline = text.find("\n", start)
    if newline < 0:
        return len(text)
    match = (_NEXT_HEADER if after_header else _NEXT_STATEMENT).search(text, newline + 1)
    return match.start() if match else len(text)


@lru_cache(maxsize=4096)
def key_parts(source: str) -> tuple[str, ...] | str:
    """Return the parts of a dotted key, or an error message."""
    parts = []
    for part in _KEY_PART.findall(source):
        if part[0] == "'":
            part = part[1:-1]
        elif part[0] == '"':
            if "\\" in part:
                try:
                    part = tomli.loads(f"v={part}")["v"]
                except (tomli.TOMLDecodeError, ValueError):
                    return f"an invalid escape in the key {part}"
            else:
                part = part[1:-1]
        parts.append(part)
    return tuple(parts)


def scan_value(text: str, start: int) -> tuple[str, int, str]:
    """Find the end of the value that begins at ``start``.

    Returns:
        The value's text without comments, the start of the line after it, and the comment behind its last line (or
        else the one behind its first line).
    """
    depth, position, kept = 0, start, start
    pieces: list[str] = []
    comment, line_ended = "", False
    while True:
        match = _TOKEN.search(text, position)
        end = match.start() if match else len(text)
        found = match[0] if match else "\n"
        position = match.end() if match else end
        if found == "\n":
            line_ended = True
            if not depth:
                pieces.append(text[kept:end])
                return "".join(pieces).rstrip(" \t"), position, comment
            if match is None:
                raise Broken("an unclosed array or inline table")
        elif found[0] == "#":
            # Comments are dropped: tomli refuses control characters even in comments.
            pieces.append(text[kept:end])
            kept = position
            if not depth or not line_ended:
                comment = found[1:]
        elif found in ('"', "'"):
            raise Broken("an unclosed string")
        else:
            depth += _NESTING.get(found, 0)
            if depth < 0:
                raise Broken(f"an extra `{found}`")
            if depth > MAX_DEPTH:
                raise Broken(f"nested deeper than {MAX_DEPTH} arrays")


_NESTING = {"[": 1, "{": 1, "]": -1, "}": -1}


def plain_value(source: str) -> Any:
    """Return the value of a text, with JSON types only.

    Raises:
        Broken: The text is not a TOML value.
    """
    try:
        value = tomli.loads(f"v={source}")
    except tomli.TOMLDecodeError as error:
        raise Broken(f"an invalid value ({str(error).split(' (at ')[0]})") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise Broken(f"an invalid value ({error})") from None
    if len(value) != 1:
        raise Broken("an invalid value")
    return json_types(value["v"])


def json_types(value: Any) -> Any:
    """Return a copy of a value with JSON types only. Dates become strings.

    Raises:
        Broken: An integer has more than 64 bits.
    """
    kind = type(value)
    if kind is str or kind is float or kind is bool:
        return value
    if kind is int:
        if not -(2**63) <= value < 2**64:
            raise Broken("an integer of more than 64 bits")
        return value
    if kind is list:
        return [json_types(item) for item in value]
    if kind is dict:
        return {key: json_types(item) for key, item in value.items()}
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise Broken(f"a value of the unknown type {kind.__name__}")


def comment_text(lines: list[str]) -> str:
    """Return the text of a comment's lines, without ``#`` and decoration."""
    texts = [line.lstrip("#").strip() for line in lines]
    return "\n".join(text for text in texts if not _DECORATION.fullmatch(text))
