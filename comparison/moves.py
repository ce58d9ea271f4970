"""Finds what was moved or renamed among what one data set has and the other has not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# So many parts of two names may have to be the same at the end; a longer tail tells no more apart.
_LONGEST_TAIL = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A thing that only one data set has under its name.

    Attributes:
        subject: What it is; things of two kinds are never paired.
        extension: The extension it is of.
        name: Its full name.
        marks: What it can be known by, the surest first: for each a word that says what it is, and its digest.
    """

    subject: str
    extension: str
    name: str
    marks: tuple[tuple[str, bytes], ...]


def digest(text: str) -> bytes:
    """Return a short digest of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def pairs(removed: Iterable[Candidate], added: Iterable[Candidate]) -> Iterator[tuple[Candidate, Candidate]]:
    """Yield what is the same thing in both data sets, in an order that depends on nothing but the names.

    Two things are the same if their importable name is the same, or if a mark is the same that no third thing has.
    Where several have the mark, the ends of their names decide: as many parts of them as it takes. It is linear in the
    number of candidates.

    Args:
        removed: What the old data set alone has.
        added: What the new data set alone has.
    """
    before = {(one.subject, one.extension, one.name): one for one in removed}
    after = {(one.subject, one.extension, one.name): one for one in added}
    kinds = dict.fromkeys(word for one in (*before.values(), *after.values()) for word, _ in one.marks)
    passes: list[tuple[str, int]] = [("", 0)]
    passes += [(word, tail) for word in sorted(kinds, key=_ORDER.index) for tail in range(_LONGEST_TAIL, -1, -1)]
    for word, tail in passes:
        if not before or not after:
            return
        there = _alone(after.values(), word, tail)
        for key, one in _alone(before.values(), word, tail).items():
            other = there.get(key)
            if one is not None and other is not None:
                del before[(one.subject, one.extension, one.name)]
                del after[(other.subject, other.extension, other.name)]
                yield one, other


_ORDER = ("code", "members", "docstring", "signature")


def _alone(candidates: Iterable[Candidate], word: str, tail: int) -> dict[tuple[object, ...], Candidate | None]:
    """Return candidates by subject, mark and the end of the name; None where several have the same."""
    found: dict[tuple[object, ...], Candidate | None] = {}
    for one in candidates:
        if not word:
            key: tuple[object, ...] = (one.subject, one.name)
        else:
            mark = next((mark for kind, mark in one.marks if kind == word), None)
            if mark is None:
                continue
            parts = one.name.split(".")
            key = (one.subject, mark, *(parts[-tail:] if tail else ()))
        found[key] = None if key in found else one
    return found
