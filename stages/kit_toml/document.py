"""Kit's dialect of TOML: ``extension.toml`` and ``.kit`` files, with the place and the comment of every value.

Kit reads TOML more freely than TOML 1.1 allows, and real files rely on it. On top of plain TOML this module takes:

- a table that is declared twice, or that continues a dotted key or an inline table: the parts merge;
- a key that is given twice: the later value wins, as it does in Kit (noted in `Document.notes` if the values differ);
- the append operator: ``folders.'++' = [...]``, ``folders.++ = [...]``, ``folders ++= [...]``, and a ``'++'`` key in
  the table of the array's own name;
- configuration filters: ``"filter:platform"."linux-x86_64"`` and ``"filter:config"."release"`` anywhere in a key;
- a byte order mark (UTF-8 or UTF-16), any kind of line end, control characters in comments, and files that are not
  UTF-8 (read as Windows-1252, of which Latin-1's printable characters are a part).

Tokens such as ``${kit}`` are left as they are. Dates, which Kit's settings do not have, become strings.

How filters combine. `Document.leaves` holds every value under its own filters. `Document.values` is one merged view:
what is given without a filter; over it, in the order of the file, what is filtered for `DEFAULT_PLATFORM` and
`DEFAULT_CONFIG`; and where neither gives a value, what any other filter gives. So nothing is lost for being meant for
another platform, and where platforms differ the view is that of a release build on Linux.

The lines are split here, since no TOML library tells where a value stands and every one of them refuses the dialect;
each value is then read by ``tomli``.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, TypeGuard

import tomli

DEFAULT_PLATFORM = "linux-x86_64"
DEFAULT_CONFIG = "release"

_TARGET = {"platform": DEFAULT_PLATFORM, "config": DEFAULT_CONFIG}

# Far beyond any real file (the largest known .kit file has 60 KB); both keep hostile input from exhausting the stack
# or the memory, and every reader of the result may recurse.
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
# A file with more broken statements than this is not TOML at all.
MAX_ERRORS = 50

FILTER = "filter:"
_APPEND = "++"
# Where the plain value of a key is kept beside its filtered ones, in the tree before the filters are applied.
_UNFILTERED = "filter:"


class KitTomlError(ValueError):
    """The text is not TOML, nor Kit's dialect of it.

    Attributes:
        name: The name of the file, as the caller gave it.
        line: 1-based line of the statement that is broken.
        reason: What is wrong with it.
    """

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(f"{name}:{line}: {reason}")
        self.name = name
        self.line = line
        self.reason = reason

    def __reduce__(self) -> tuple[type[KitTomlError], tuple[str, int, str]]:
        return type(self), (self.name, self.line, self.reason)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a file, in the place where it is given.

    Attributes:
        path: The parts of its key, without filters and the append operator. The element of an array of tables is a
            part of its own, its 0-based index in digits, as in Kit's setting paths.
        value: A str, int, float, bool, list, or ``{}`` for an empty inline table. Inline tables with content are taken
            apart into leaves; tables inside an array are not.
        line: 1-based line on which its key stands.
        comment: The comment block directly above that line, without ``#``, lines joined by newlines; else empty.
        trailing_comment: The comment behind the value on its line; else empty.
        filters: ``(("platform", "windows-x86_64"),)`` and the like; empty for a value that always holds.
        append: Whether the value is appended to the array of that path rather than replacing it.
    """

    path: tuple[str, ...]
    value: Any
    line: int
    comment: str
    trailing_comment: str
    filters: tuple[tuple[str, str], ...]
    append: bool


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says.

    Attributes:
        values: The merged view described at the top of the module, of JSON types alone.
        leaves: Every value in the order of the file, also those that a later line or a filter overrides.
        errors: The broken statements that `salvage` left out; `parse` never returns any.
        notes: ``(line, text)`` for each value that contradicts an earlier one and replaced it, and for an encoding
            other than UTF-8 (line 0).
    """

    values: dict[str, Any]
    leaves: tuple[Leaf, ...]
    errors: tuple[KitTomlError, ...]
    notes: tuple[tuple[int, str], ...]


def loads(data: bytes, *, name: str) -> dict[str, Any]:
    """Return the merged values of a file's content (see `Document.values`).

    Raises:
        KitTomlError: The content cannot be read as Kit's TOML.
    """
    return parse(data, name=name).values


def parse(data: bytes, *, name: str) -> Document:
    """Return the values of a file's content and where each of them stands.

    Args:
        data: The bytes of the file.
        name: What error messages call the file.

    Raises:
        KitTomlError: The content cannot be read as Kit's TOML; it names the first broken line.
    """
    reader = _Reader(name, lenient=False)
    reader.read(data)
    return reader.document()


def salvage(data: bytes, *, name: str) -> Document:
    """Return what can be read of a file's content, however broken it is, with an error for each part left out.

    A broken key or value is left out alone; after a broken table header everything up to the next header is, since
    nothing tells where it belongs. Never raises `KitTomlError`.
    """
    reader = _Reader(name, lenient=True)
    reader.read(data)
    return reader.document()


_BARE = r"[\w\-]+"
_BASIC = r'"(?:[^"\\\n]|\\[^\n])*"'
_LITERAL = r"'[^'\n]*'"
_PART = rf"(?:{_BARE}|\+\+|{_BASIC}|{_LITERAL})"
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*+")
_KEY_PART = re.compile(_PART)
_HEADER = re.compile(rf"(\[\[?)[ \t]*({_KEY.pattern})[ \t]*(\]\]?)[ \t]*(?:#([^\n]*))?(?:\n|\Z)")
_ASSIGN = re.compile(rf"({_KEY.pattern})[ \t]*(\+\+=|\+\+[ \t]*=|\+=|=)[ \t]*")
# Most lines of real files; what does not match takes the long way, so this decides about speed alone.
_SIMPLE = re.compile(
    r'([A-Za-z0-9_\-]+|"[^"\\\n]*")[ \t]*=[ \t]*'
    r'(?:"([^"\\\x00-\x1f\x7f]*)"|(true|false)|([+-]?(?:0|[1-9][0-9]{0,17}))|(\{\}))[ \t]*(?:#([^\n]*))?(?:\n|\Z)'
)
_COMMENT = re.compile(r"#([^\n]*)")
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


class _Broken(Exception):
    def __init__(self, reason: str, *, header: bool = False) -> None:
        super().__init__(reason)
        self.header = header


class _Reader:
    """One pass over one file, statement by statement."""

    def __init__(self, name: str, *, lenient: bool) -> None:
        self.name = name
        self.lenient = lenient
        self.root: dict[str, Any] = {}
        self.leaves: list[Leaf] = []
        self.errors: list[KitTomlError] = []
        self.notes: list[tuple[int, str]] = []
        self.filtered = False
        # The key of the table that the last header opened, filters and all.
        self.table: tuple[str, ...] = ()
        self.comment: list[str] = []

    def document(self) -> Document:
        values = self.root
        if self.filtered:
            values = _settled(_without_filters(self.root))
        return Document(values, tuple(self.leaves), tuple(self.errors), tuple(self.notes))

    def fail(self, line: int, reason: str) -> None:
        error = KitTomlError(self.name, line, reason)
        if not self.lenient:
            raise error
        self.errors.append(error)

    def read(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:
            self.fail(1, f"the file has {len(data):,} bytes; a TOML file of more than {MAX_BYTES:,} is not read")
            return
        text, encoding = _decode(data)
        if encoding not in ("utf-8", "utf-16"):
            self.notes.append((0, "not UTF-8: read as Windows-1252"))
        nul = text.find("\0")
        if nul >= 0:
            self.fail(text.count("\n", 0, nul) + 1, "a NUL byte: this is not a text file")
            text = text[: text.rfind("\n", 0, nul) + 1]
        self.statements(text)

    def statements(self, text: str) -> None:
        position, line, end = 0, 1, len(text)
        while position < end:
            start = position
            while start < end and text[start] in " \t":
                start += 1
            if start == end:
                return
            character = text[start]
            if character == "\n":
                position, line = start + 1, line + 1
                self.comment.clear()
                continue
            if character == "#":
                match = _COMMENT.match(text, start)
                assert match is not None  # noqa: S101 - it begins with "#"
                self.comment.append(match[1])
                position, line = match.end() + 1, line + 1
                continue
            try:
                position = self.header(text, start, line) if character == "[" else self.assignment(text, start, line)
            except _Broken as broken:
                self.fail(line, str(broken))
                if len(self.errors) >= MAX_ERRORS:
                    self.errors.append(KitTomlError(self.name, line, "too many errors; the rest was not read"))
                    return
                position = _resume(text, start, after_header=broken.header)
            line += text.count("\n", start, position)
            self.comment.clear()

    def header(self, text: str, start: int, line: int) -> int:
        match = _HEADER.match(text, start)
        if match is None or len(match[1]) != len(match[3]):
            raise _Broken("a table header that is not closed or has a wrong key", header=True)
        key = _key(match[2])
        if isinstance(key, str):
            raise _Broken(key, header=True)
        if len(key) >= MAX_DEPTH:
            raise _Broken(f"nested deeper than {MAX_DEPTH} tables", header=True)
        self.filtered = self.filtered or FILTER in match[2]
        self.open_table(key, line, array=len(match[1]) == 2)
        self.table = key
        return match.end()

    def open_table(self, key: tuple[str, ...], line: int, *, array: bool) -> None:
        node = self.root
        for index, part in enumerate(key):
            last = index == len(key) - 1
            child = node.get(part)
            if array and last:
                self.add_table(node, part, key, line)
                return
            if child is None:
                child = node[part] = {}
            elif _is_array_of_tables(child):
                child = child[-1]
            elif last and isinstance(child, list):
                # `[a.b]` over an array `a.b`: the append operator may follow.
                return
            elif not isinstance(child, dict):
                self.conflict(line, key[: index + 1])
                child = node[part] = {}
            node = child

    def add_table(self, node: dict[str, Any], part: str, key: tuple[str, ...], line: int) -> None:
        existing = node.get(part)
        if _is_array_of_tables(existing):
            existing.append({})
            return
        if existing:
            self.conflict(line, key)
        node[part] = [existing, {}] if isinstance(existing, dict) and existing else [{}]

    def assignment(self, text: str, start: int, line: int) -> int:
        simple = _SIMPLE.match(text, start)
        value: Any
        if simple is not None:
            name, string, boolean, number, _table, trailing = simple.groups()
            key: tuple[str, ...] | str = (name[1:-1],) if name[0] == '"' else (name,)
            if string is not None:
                value = string
            elif boolean is not None:
                value = boolean == "true"
            elif number is not None:
                value = int(number)
            else:
                value = {}
            position, append = simple.end(), False
        else:
            match = _ASSIGN.match(text, start)
            if match is None:
                raise _Broken("neither a table header nor `key = value`")
            key = _key(match[1])
            append = match[2] != "="
            source, position, trailing = _scan_value(text, match.end())
            if not source:
                raise _Broken("a key without a value")
            value = _plain_value(source)
        if isinstance(key, str):
            raise _Broken(key)
        if len(self.table) + len(key) >= MAX_DEPTH:
            raise _Broken(f"nested deeper than {MAX_DEPTH} tables")
        if simple is None or '"' in simple[1]:
            self.filtered = self.filtered or FILTER in text[start:position]
        self.assign(key, value, line, trailing or "", append=append)
        return position

    def assign(self, key: tuple[str, ...], value: Any, line: int, trailing: str, *, append: bool) -> None:
        full = self.table + key
        if full[-1] == _APPEND and len(full) > 1:
            full, append = full[:-1], True
        elif isinstance(value, dict) and set(value) == {_APPEND}:
            value, append = value[_APPEND], True
        node: Any = self.root
        place: list[str] = []
        for index, part in enumerate(full[:-1]):
            child = node.get(part)
            place.append(part)
            if child is None:
                child = node[part] = {}
            elif _is_array_of_tables(child) and index < len(self.table):
                place.append(str(len(child) - 1))
                child = child[-1]
            elif not isinstance(child, dict):
                if full[index + 1].startswith(FILTER):
                    child = node[part] = {_UNFILTERED: child}
                else:
                    self.conflict(line, full[: index + 1])
                    child = node[part] = {}
            node = child
        place.append(full[-1])
        comment, trailing = _comment_text(self.comment), _comment_text([trailing]) if trailing else ""
        filters, path = _split_filters(tuple(place))
        self.leaves.extend(
            Leaf(leaf_path, leaf_value, line, comment, trailing, leaf_filters, append)
            for leaf_path, leaf_value, leaf_filters in _leaves(path, value, filters)
        )
        self.store(node, full, value, line, append=append)

    def store(self, node: dict[str, Any], full: tuple[str, ...], value: Any, line: int, *, append: bool) -> None:
        last = full[-1]
        existing = node.get(last)
        if (
            not isinstance(value, dict)
            and isinstance(existing, dict)
            and any(key.startswith(FILTER) for key in existing)
        ):
            node, last, existing = existing, _UNFILTERED, existing.get(_UNFILTERED)
        if append:
            addition = value if isinstance(value, list) else [value]
            if self.filtered and any(part.startswith(FILTER) for part in full):
                # What it is appended to is known only when the filters are applied.
                earlier = existing.get(_APPEND, []) if isinstance(existing, dict) else existing
                node[last] = {_APPEND: [*earlier, *addition] if isinstance(earlier, list) else addition}
            elif existing is None:
                node[last] = addition
            elif isinstance(existing, list):
                # A new list: the old one is the value of an earlier leaf.
                node[last] = existing + addition
            else:
                # `++` in a table that was opened by the array's own name finds an empty table.
                if existing != {}:
                    self.conflict(line, full)
                node[last] = addition
        elif existing is None:
            node[last] = value
        elif isinstance(existing, dict) and isinstance(value, dict):
            self.merge(existing, value, full, line)
        else:
            if existing != value or type(existing) is not type(value):
                self.conflict(line, full)
            node[last] = value

    def merge(self, into: dict[str, Any], new: dict[str, Any], path: tuple[str, ...], line: int) -> None:
        for key, value in new.items():
            self.store(into, (*path, key), value, line, append=False)

    def conflict(self, line: int, path: Sequence[str]) -> None:
        self.notes.append((line, f"`{'.'.join(path)}` is given again with another value; the later one is used"))


def _decode(data: bytes) -> tuple[str, str]:
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
                # Five bytes have no meaning in Windows-1252.
                text = data.decode("latin-1")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, encoding


def _resume(text: str, start: int, *, after_header: bool) -> int:
    """Return where reading goes on after the broken statement at ``start``: the start of a later line."""
    newline = text.find("\n", start)
    if newline < 0:
        return len(text)
    match = (_NEXT_HEADER if after_header else _NEXT_STATEMENT).search(text, newline + 1)
    return match.start() if match else len(text)


@lru_cache(maxsize=4096)
def _key(source: str) -> tuple[str, ...] | str:
    """Return the parts of a dotted key, or what is wrong with it."""
    parts = []
    for part in _KEY_PART.findall(source):
        if part[0] == "'":
            part = part[1:-1]
        elif part[0] == '"':
            if "\\" in part:
                try:
                    part = tomli.loads(f"v={part}")["v"]
                except (tomli.TOMLDecodeError, ValueError):
                    return f"a wrong escape in the key {part}"
            else:
                part = part[1:-1]
        parts.append(part)
    return tuple(parts)


def _scan_value(text: str, start: int) -> tuple[str, int, str]:
    """Find the end of the value that begins at ``start``.

    Returns:
        The value's text without the comments in it, the start of the line after it, and the comment behind it (or
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
                raise _Broken("an array or inline table that is not closed")
        elif found[0] == "#":
            # Dropped here, since tomli refuses control characters even in comments.
            pieces.append(text[kept:end])
            kept = position
            if not depth or not line_ended:
                comment = found[1:]
        elif found in ('"', "'"):
            raise _Broken("a string that is not closed")
        else:
            depth += _NESTING.get(found, 0)
            if depth < 0:
                raise _Broken(f"a `{found}` too many")
            if depth > MAX_DEPTH:
                raise _Broken(f"nested deeper than {MAX_DEPTH} arrays")


_NESTING = {"[": 1, "{": 1, "]": -1, "}": -1}


def _plain_value(source: str) -> Any:
    try:
        value = tomli.loads(f"v={source}")
    except tomli.TOMLDecodeError as error:
        raise _Broken(f"a wrong value ({str(error).split(' (at ')[0]})") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise _Broken(f"a wrong value ({error})") from None
    if len(value) != 1:
        raise _Broken("a wrong value")
    return _json_types(value["v"])


def _json_types(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is float or kind is bool:
        return value
    if kind is int:
        if not -(2**63) <= value < 2**64:
            raise _Broken("an integer of more than 64 bits")
        return value
    if kind is list:
        return [_json_types(item) for item in value]
    if kind is dict:
        return {key: _json_types(item) for key, item in value.items()}
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise _Broken(f"a value of the unknown type {kind.__name__}")


def _is_array_of_tables(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and isinstance(value[-1], dict)


def _split_filters(key: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    if not any(part.startswith(FILTER) for part in key):
        return (), key
    filters, path, index = [], [], 0
    while index < len(key):
        part = key[index]
        if part.startswith(FILTER) and index + 1 < len(key):
            filters.append((part[len(FILTER) :], key[index + 1]))
            index += 2
        else:
            path.append(part)
            index += 1
    return tuple(filters), tuple(path)


def _leaves(
    path: tuple[str, ...], value: Any, filters: tuple[tuple[str, str], ...]
) -> Iterator[tuple[tuple[str, ...], Any, tuple[tuple[str, str], ...]]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if path and path[-1].startswith(FILTER):
                inner = (*filters, (path[-1][len(FILTER) :], key))
                yield from _leaves(path[:-1], item, inner)
            else:
                yield from _leaves((*path, key), item, filters)
    else:
        # A copy: a later line may add to what the tree holds.
        yield path, {} if value == {} else _json_types(value), filters


def _comment_text(lines: list[str]) -> str:
    texts = [line.lstrip("#").strip() for line in lines]
    return "\n".join(text for text in texts if not _DECORATION.fullmatch(text))


def _without_filters(node: Any) -> Any:
    """Return a tree in which the filters are applied, as described at the top of the module."""
    if isinstance(node, list):
        return [_without_filters(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain: Any = {}
    matching: list[Any] = []
    others: list[Any] = []
    for key, value in node.items():
        if key == _UNFILTERED:
            matching.insert(0, _without_filters(value))
        elif key.startswith(FILTER) and isinstance(value, dict):
            for wanted, content in value.items():
                (matching if matches_target([(key[len(FILTER) :], wanted)]) else others).append(
                    _without_filters(content)
                )
        else:
            plain[key] = _without_filters(value)
    result: Any = plain
    for content in matching:
        result = _overlay(result, content)
    for content in others:
        result = _overlay(content, result)
    return result


def matches_target(filters: Iterable[tuple[str, str]]) -> bool:
    """Return whether all filters are those of the target that values are taken for: a release build on Linux."""
    return all(name in _TARGET and fnmatchcase(_TARGET[name], wanted) for name, wanted in filters)


def _overlay(lower: Any, upper: Any) -> Any:
    """Return ``upper`` laid over ``lower``: tables merge, appended items follow, else ``upper`` wins."""
    if not isinstance(upper, dict):
        return upper
    if not isinstance(lower, dict):
        return [*lower, *upper[_APPEND]] if _is_append(upper) and isinstance(lower, list) else upper or lower
    if _is_append(upper) and _is_append(lower):
        return {_APPEND: [*lower[_APPEND], *upper[_APPEND]]}
    result = dict(lower)
    for key, value in upper.items():
        result[key] = _overlay(result[key], value) if key in result else value
    return result


def _is_append(node: dict[str, Any]) -> bool:
    return len(node) == 1 and isinstance(node.get(_APPEND), list)


def _settled(node: Any) -> Any:
    """Turn what was appended to nothing into the array that it is."""
    if isinstance(node, list):
        return [_settled(item) for item in node]
    if isinstance(node, dict):
        return _settled(node[_APPEND]) if _is_append(node) else {key: _settled(item) for key, item in node.items()}
    return node
