"""Filters of a search: by extension and by prefix of the name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple


class Facets(NamedTuple):
    """The filterable attributes of a document.

    Attributes:
        name: An extension's id, the full name of an example or node, a setting's path.
        extensions: Ids of its extensions and apps.
    """

    name: str
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class Filter:
    """A condition on the documents of a search.

    Attributes:
        extensions: Ids or patterns (``omni.ui*``). One of them must match; empty for every extension.
        prefix: The beginning of the document's name; the ``/`` at the beginning of a setting's path is optional.
    """

    extensions: tuple[str, ...] = ()
    prefix: str = ""

    def __bool__(self) -> bool:
        return bool(self.extensions or self.prefix)

    def passes(self, facets: Facets) -> bool:
        """Return True if a document passes the filter."""
        name, prefix = facets.name, self.prefix
        if prefix and not name.startswith((prefix, f"/{prefix}")):
            return False
        if not self.extensions or not self._ids.isdisjoint(facets.extensions):
            return True
        return any(fnmatchcase(extension, pattern) for pattern in self._patterns for extension in facets.extensions)

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self.extensions)

    @cached_property
    def _patterns(self) -> list[str]:
        return [pattern for pattern in self.extensions if any(character in pattern for character in "*?[")]

    def no_match_message(self, documents: Sequence[Facets]) -> str:
        """Return a sentence that names the part of the filter without matches, and the closest existing names."""
        known = sorted({extension for facets in documents for extension in facets.extensions})
        for pattern in self.extensions:
            if not any(fnmatchcase(extension, pattern) for extension in known):
                return f'No extension matches "{pattern}"{_nearest(pattern, known)}.'
        names = {facets.name for facets in documents}
        if self.prefix and not any(name.startswith((self.prefix, f"/{self.prefix}")) for name in names):
            roots = sorted({_shortened(name, self.prefix) for name in names})
            return f'No name begins with "{self.prefix}"{_nearest(self.prefix, roots)}.'
        return f'No name in {", ".join(self.extensions)} begins with "{self.prefix}".'


def _shortened(name: str, prefix: str) -> str:
    """Return a name shortened to the number of parts of a prefix, for comparison."""
    mark = "/" if name.startswith("/") else "."
    inner = prefix.removeprefix(mark).rstrip(mark)
    parts = name.removeprefix(mark).split(mark)[: inner.count(mark) + 1]
    return (mark if mark == "/" else "") + mark.join(parts)


def _nearest(word: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, known, n=3)
    return f"; did you mean {' or '.join(found)}?"[:-1] if found else ""
