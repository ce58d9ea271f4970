"""One pass over one file of Kit's TOML, statement by statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from stages.kit_toml.filters import APPEND, FILTER, UNFILTERED, leaves, resolve_appends, split_filters, without_filters
from stages.kit_toml.lexer import (
    ASSIGN,
    COMMENT,
    HEADER,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ERRORS,
    SIMPLE,
    Broken,
    comment_text,
    decode,
    key_parts,
    plain_value,
    resume,
    scan_value,
)
from stages.kit_toml.model import Document, KitTomlError, Leaf


class Reader:
    """One pass over one file.

    Args:
        name: Name of the file in error messages.
        lenient: True to skip broken statements, False to raise an error.

    Attributes:
        filtered: True if the file has a configuration filter.
    """

    def __init__(self, name: str, *, lenient: bool) -> None:
        self.name = name
        self.lenient = lenient
        self.root: dict[str, Any] = {}
        self.leaves: list[Leaf] = []
        self.errors: list[KitTomlError] = []
        self.notes: list[tuple[int, str]] = []
        self.filtered = False
        # The key of the table that the last header opened, with its filters.
        self.table: tuple[str, ...] = ()
        self.comment: list[str] = []

    def document(self) -> Document:
        """Return the document read so far."""
        values = self.root
        if self.filtered:
            values = resolve_appends(without_filters(self.root))
        return Document(values, tuple(self.leaves), tuple(self.errors), tuple(self.notes))

    def _fail(self, line: int, reason: str) -> None:
        error = KitTomlError(self.name, line, reason)
        if not self.lenient:
            raise error
        self.errors.append(error)

    def read(self, data: bytes) -> None:
        """Read the content of a file.

        Raises:
            KitTomlError: The content cannot be read, and the reader is not lenient.
        """
        if len(data) > MAX_BYTES:
            self._fail(1, f"the file has {len(data):,} bytes; a TOML file of more than {MAX_BYTES:,} is not read")
            return
        text, encoding = decode(data)
        if encoding not in ("utf-8", "utf-16"):
            self.notes.append((0, "not UTF-8: read as Windows-1252"))
        nul = text.find("\0")
        if nul >= 0:
            self._fail(text.count("\n", 0, nul) + 1, "a NUL byte: this is not a text file")
            text = text[: text.rfind("\n", 0, nul) + 1]
        self._statements(text)

    def _statements(self, text: str) -> None:
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
                match = COMMENT.match(text, start)
                assert match is not None  # noqa: S101 - it begins with "#"
                self.comment.append(match[1])
                position, line = match.end() + 1, line + 1
                continue
            try:
                position = self._header(text, start, line) if character == "[" else self._assignment(text, start, line)
            except Broken as broken:
                self._fail(line, str(broken))
                if len(self.errors) >= MAX_ERRORS:
                    self.errors.append(KitTomlError(self.name, line, "too many errors; the rest was not read"))
                    return
                position = resume(text, start, after_header=broken.header)
            line += text.count("\n", start, position)
            self.comment.clear()

    def _header(self, text: str, start: int, line: int) -> int:
        match = HEADER.match(text, start)
        if match is None or len(match[1]) != len(match[3]):
            raise Broken("an unclosed table header or an invalid key in it", header=True)
        key = key_parts(match[2])
        if isinstance(key, str):
            raise Broken(key, header=True)
        if len(key) >= MAX_DEPTH:
            raise Broken(f"nested deeper than {MAX_DEPTH} tables", header=True)
        self.filtered = self.filtered or FILTER in match[2]
        self._open_table(key, line, array=len(match[1]) == 2)
        self.table = key
        return match.end()

    def _open_table(self, key: tuple[str, ...], line: int, *, array: bool) -> None:
        node = self.root
        for index, part in enumerate(key):
            last = index == len(key) - 1
            child = node.get(part)
            if array and last:
                self._add_table(node, part, key, line)
                return
            if child is None:
                child = node[part] = {}
            elif _is_array_of_tables(child):
                child = child[-1]
            elif last and isinstance(child, list):
                # `[a.b]` over an array `a.b`: the append operator may follow.
                return
            elif not isinstance(child, dict):
                self._conflict(line, key[: index + 1])
                child = node[part] = {}
            node = child

    def _add_table(self, node: dict[str, Any], part: str, key: tuple[str, ...], line: int) -> None:
        existing = node.get(part)
        if _is_array_of_tables(existing):
            existing.append({})
            return
        if existing:
            self._conflict(line, key)
        node[part] = [existing, {}] if isinstance(existing, dict) and existing else [{}]

    def _assignment(self, text: str, start: int, line: int) -> int:
        simple = SIMPLE.match(text, start)
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
            match = ASSIGN.match(text, start)
            if match is None:
                raise Broken("neither a table header nor `key = value`")
            key = key_parts(match[1])
            append = match[2] != "="
            source, position, trailing = scan_value(text, match.end())
            if not source:
                raise Broken("a key without a value")
            value = plain_value(source)
        if isinstance(key, str):
            raise Broken(key)
        if len(self.table) + len(key) >= MAX_DEPTH:
            raise Broken(f"nested deeper than {MAX_DEPTH} tables")
        if simple is None or '"' in simple[1]:
            self.filtered = self.filtered or FILTER in text[start:position]
        self.assign(key, value, line, trailing or "", append=append)
        return position

    def assign(self, key: tuple[str, ...], value: Any, line: int, trailing: str, *, append: bool) -> None:
        """Add one statement.

        Args:
            key: The parts of its key, below the open table.
            value: Its value.
            line: 1-based line of the key.
            trailing: The comment behind the value.
            append: True if the value is appended to the array of that key.
        """
        full = self.table + key
        if full[-1] == APPEND and len(full) > 1:
            full, append = full[:-1], True
        elif isinstance(value, dict) and set(value) == {APPEND}:
            value, append = value[APPEND], True
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
                    child = node[part] = {UNFILTERED: child}
                else:
                    self._conflict(line, full[: index + 1])
                    child = node[part] = {}
            node = child
        place.append(full[-1])
        comment, trailing = comment_text(self.comment), comment_text([trailing]) if trailing else ""
        filters, path = split_filters(tuple(place))
        self.leaves.extend(
            Leaf(leaf_path, leaf_value, line, comment, trailing, leaf_filters, append)
            for leaf_path, leaf_value, leaf_filters in leaves(path, value, filters)
        )
        self._store(node, full, value, line, append=append)

    def _store(self, node: dict[str, Any], full: tuple[str, ...], value: Any, line: int, *, append: bool) -> None:
        last = full[-1]
        existing = node.get(last)
        if (
            not isinstance(value, dict)
            and isinstance(existing, dict)
            and any(key.startswith(FILTER) for key in existing)
        ):
            node, last, existing = existing, UNFILTERED, existing.get(UNFILTERED)
        if append:
            addition = value if isinstance(value, list) else [value]
            if self.filtered and any(part.startswith(FILTER) for part in full):
                # The array to append to is known only when the filters are applied.
                earlier = existing.get(APPEND, []) if isinstance(existing, dict) else existing
                node[last] = {APPEND: [*earlier, *addition] if isinstance(earlier, list) else addition}
            elif existing is None:
                node[last] = addition
            elif isinstance(existing, list):
                # A new list: the old one is the value of an earlier leaf.
                node[last] = existing + addition
            else:
                # `++` in a table with the array's own name: the table is still empty.
                if existing != {}:
                    self._conflict(line, full)
                node[last] = addition
        elif existing is None:
            node[last] = value
        elif isinstance(existing, dict) and isinstance(value, dict):
            self._merge(existing, value, full, line)
        else:
            if existing != value or type(existing) is not type(value):
                self._conflict(line, full)
            node[last] = value

    def _merge(self, into: dict[str, Any], new: dict[str, Any], path: tuple[str, ...], line: int) -> None:
        for key, value in new.items():
            self._store(into, (*path, key), value, line, append=False)

    def _conflict(self, line: int, path: Sequence[str]) -> None:
        self.notes.append((line, f"`{'.'.join(path)}` is given again with another value; the later one is used"))


def _is_array_of_tables(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and isinstance(value[-1], dict)
