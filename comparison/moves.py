"""Detection of moves and renames, among the items whose name exists in only one data set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Most trailing parts of two names to compare. Longer tails do not distinguish more.
_LONGEST_TAIL = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item whose name exists in only one data set.

    Attributes:
        subject: Its kind. Only items of one kind are paired.
        extension: The extension of the item.
        name: Its full name.
        marks: Its identifying marks, most reliable first: the kind of the mark, and its digest.
    """

    subject: str
    extension: str
    name: str
    marks: tuple[tuple[str, bytes], ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """A key that is unique in its data set."""
        return self.subject, self.extension, self.name


def digest(text: str) -> bytes:
    """Return a short digest of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def pairs(removed: Iterable[Candidate], added: Iterable[Candidate]) -> Iterator[tuple[Candidate, Candidate]]:
    """Yield the pairs of equal items in both data sets, in an order that depends only on the names.

    Two items are a pair if they have the same importable name, or a mark that no third item has. If several items have
    the mark, the last parts of their names decide, as many as are needed. A remaining item is paired by its expected
    name: if its module or class has moved, the item has moved too, and has changed. The time is linear in the number of
    candidates.

    Args:
        removed: Items of only the old data set.
        added: Items of only the new data set.
    """
    removed, added = (sorted(side, key=lambda one: one.key) for side in (removed, added))
    before, after = {one.key: one for one in removed}, {one.key: one for one in added}
    kinds = dict.fromkeys(word for one in (*before.values(), *after.values()) for word, _ in one.marks)
    passes: list[tuple[str, int]] = [("", 0)]
    passes += [(word, tail) for word in sorted(kinds, key=_ORDER.index) for tail in range(_LONGEST_TAIL, -1, -1)]
    places: dict[str, Counter[str]] = {}
    for word, tail in passes:
        if not before or not after:
            return
        # A mark must be unique among all candidates. If it is not, the last unpaired item with it stays ambiguous.
        there = _unique(added, word, tail)
        for key, one in _unique(removed, word, tail).items():
            other = there.get(key)
            if one is not None and other is not None and one.key in before and other.key in after:
                del before[one.key], after[other.key]
                _record_move(places, one, other)
                yield one, other
    named = _unique(after.values(), "", 0)
    for one in list(before.values()):
        other = next((named[key] for key in _expected(places, one) if named.get(key)), None)
        if other is not None and other.key in after:
            del after[other.key]
            yield one, other


def _record_move(places: dict[str, Counter[str]], one: Candidate, other: Candidate) -> None:
    """Record the move of a module or class that a pair implies: the two names without their common end."""
    before, after = one.name.split("."), other.name.split(".")
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    if before and after and len(before) < one.name.count(".") + 1:
        places.setdefault(".".join(before), Counter())[".".join(after)] += 1


def _expected(places: dict[str, Counter[str]], one: Candidate) -> Iterator[tuple[object, ...]]:
    """Yield the possible keys of an item that moved together with its module or class, most likely first."""
    place = one.name
    while "." in place:
        place = place.rpartition(".")[0]
        for to, _ in sorted(places.get(place, Counter()).items(), key=lambda item: (-item[1], item[0])):
            yield one.subject, to + one.name[len(place) :]


_ORDER = ("code", "members", "docstring", "signature")


def _unique(candidates: Iterable[Candidate], word: str, tail: int) -> dict[tuple[object, ...], Candidate | None]:
    """Return candidates by subject, mark and last parts of the name; None for ambiguous keys."""
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
