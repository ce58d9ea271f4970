"""The model of a file in Kit's TOML: its values with their locations, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class KitTomlError(ValueError):
    """The text is neither TOML nor Kit's dialect of TOML.

    Attributes:
        name: The name of the file, as given by the caller.
        line: 1-based line of the broken statement.
        reason: The error, without the location.
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
    """One value of a file and its location.

    Attributes:
        path: The parts of its key, without filters and the append operator. An element of an array of tables is a part
            by its 0-based index in digits, as in Kit's setting paths.
        value: A str, int, float, bool, list, or ``{}`` for an empty inline table. Inline tables with content are split
            into leaves; tables inside an array are not.
        line: 1-based line of its key.
        comment: The comment block directly above that line, without ``#``, lines joined by newlines; else empty.
        trailing_comment: The comment behind the value on its line; else empty.
        filters: Pairs such as ``("platform", "windows-x86_64")``; empty for an unconditional value.
        append: True if the value is appended to the array at that path, False if it replaces the array.
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
    """The contents of a file.

    Attributes:
        values: The merged view described in `stages.kit_toml.document`, with JSON types only.
        leaves: Every value in the order of the file, including values overridden by a later line or a filter.
        errors: The broken statements that `parse_lenient` skipped; empty after `parse`.
        notes: ``(line, text)`` for each value that replaced a different one, and for an encoding other than UTF-8
            (line 0).
    """

    values: dict[str, Any]
    leaves: tuple[Leaf, ...]
    errors: tuple[KitTomlError, ...]
    notes: tuple[tuple[int, str], ...]
