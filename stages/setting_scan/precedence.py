"""Merged record of a setting; precedence of definitions, documentation and types."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from stages.artifacts.settings import Definition, OtherValue, ResolvedUse, SettingType
from stages.kit_toml import Statement, combine
from stages.setting_scan.paths import value_type

_USAGES = frozenset({"read", "write", "subscribe", "argument"})
_SENTENCE = re.compile(r"[.!?](?=\s+[A-Z])")
_ABBREVIATIONS = frozenset({"approx.", "cf.", "def.", "esp.", "etc.", "fig.", "incl.", "max.", "min.", "no.", "vs."})
_EXTENSION_OF = re.compile(r"/(?:persistent/|defaults/)?exts/([^/]+)/")


class Setting:
    """The record of a setting while the owners are read. Kept small: a full Kit has tens of thousands of settings."""

    __slots__ = (
        "default",
        "documentation",
        "documented_by",
        "dynamic",
        "found_in",
        "others",
        "owners",
        "rank",
        "type",
        "types",
        "uses",
    )

    def __init__(self) -> None:
        self.rank: tuple[Any, ...] | None = None  # rank of the definition of the default
        self.default: Any = None
        self.type: SettingType | None = None
        self.documented_by: tuple[Any, ...] | None = None
        self.documentation = ""
        self.owners: set[str] = set()
        self.found_in: list[str] = []
        self.uses = 0
        self.types: Counter[SettingType] | None = None
        self.others: list[tuple[tuple[Any, ...], str, Any]] = []
        self.dynamic = False

    def offer(self, rank: tuple[Any, ...], place: str, value: Any, type_: SettingType) -> None:
        """Add a definition. It becomes the default if its rank is the lowest so far."""
        if self.rank is None or rank < self.rank:
            if self.rank is not None:
                self.others.append((self.rank, self.rank[-1], self.default))
            self.rank, self.default, self.type = (*rank, place), value, type_
        else:
            self.others.append(((*rank, place), place, value))


def add_use(use: ResolvedUse, owner: str, setting: Setting) -> None:
    """Add a use in an owner's code to the record of a setting."""
    place = f"{owner}/{use.file}:{use.line}"
    setting.owners.add(owner)
    setting.found_in.append(place)
    setting.dynamic = setting.dynamic or use.dynamic
    setting.uses += use.kind in _USAGES
    if use.kind == "default" and use.default is not None:
        rank = (1 if names_extension(use.path, owner) else 3, owner, use.file, use.line)
        setting.offer(rank, place, use.default, use.type or value_type(use.default) or "unknown")
    elif use.type:
        setting.types = setting.types or Counter()
        # A default with an unknown value says more about the type than a read.
        setting.types[use.type] += 1000 if use.kind == "default" else 1


def names_extension(path: str, owner: str) -> bool:
    """Return True if a path names an extension: ``/exts/omni.ui/x`` names ``omni.ui``."""
    match = _EXTENSION_OF.match(path)
    return match is not None and match[1] == owner


def owner_value(definitions: list[Definition]) -> tuple[Any, Definition]:
    """Return the combined value of one owner's definitions, and the decisive definition; see `kit_toml.combine`."""
    if len(definitions) == 1 and not definitions[0].append:
        return definitions[0].value, definitions[0]
    statements = [
        Statement(item.value, tuple(_filter(text) for text in item.filters), item.append) for item in definitions
    ]
    value, decisive = combine(statements)
    return value, definitions[decisive]


def _filter(text: str) -> tuple[str, str]:
    name, _, pattern = text.partition("=")
    return name, pattern


def other_values(setting: Setting) -> list[OtherValue]:
    """Return the overridden defaults with another value, each with its location, by rank."""
    return [
        OtherValue(found_in=place, value=value)
        for _, place, value in sorted(setting.others, key=lambda item: item[0])
        if value != setting.default or type(value) is not type(setting.default)
    ]


def contradicts(setting: Setting) -> bool:
    """Return True if two definitions of equal precedence have different defaults."""
    rank = setting.rank
    return (
        rank is not None
        and rank[0] < 4
        and any(other[0] == rank[0] and value != setting.default for other, _, value in setting.others)
    )


def type_of(setting: Setting) -> SettingType:
    """Return the type of the default, or else the most frequent type in calls."""
    if setting.type is not None and setting.type != "unknown":
        return setting.type
    if setting.types:
        return min((-count, word) for word, count in setting.types.items())[1]
    return "unknown"


def describe(path: str, documentation: str) -> str:
    """Return a one-line description: the first sentence of the documentation, else the path in words."""
    text = " ".join(documentation.split())
    if text:
        return text[: _end_of_sentence(text)]
    parts = path.strip("/").split("/")
    scope: list[str] = []
    while len(parts) > 1 and parts[0] in {"persistent", "defaults"}:
        scope.append(parts.pop(0))
    if len(parts) > 2 and parts[0] == "exts":
        parts.pop(0)
    owner = parts.pop(0) if len(parts) > 1 else ""
    words = " ".join(_words(part) for part in parts)
    subject = f"{owner} setting" if owner else "Setting"
    return f"{' '.join([*scope, subject])}: {words}".replace("defaults ", "default ", 1)


def _end_of_sentence(text: str) -> int:
    """Return the index of the end of the first sentence. ``e.g. Xyz`` and ``vs. Xyz`` do not end a sentence."""
    for match in _SENTENCE.finditer(text):
        word = text[: match.end()].rsplit(" ", 1)[-1].lstrip("(\"'").lower()
        if match[0] != "." or not (word in _ABBREVIATIONS or re.fullmatch(r"(?:\w\.)+", word)):
            return match.end()
    return len(text)


def _words(part: str) -> str:
    """Split a name into words: ``windowMenu.entry_count`` → ``window menu entry count``. Keeps abbreviations."""
    pieces = re.findall(r"\{\w*\}|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+", part)
    return " ".join(piece if piece.isupper() and len(piece) > 1 else piece.lower() for piece in pieces) or part
