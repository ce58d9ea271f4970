"""Detection of moved and renamed things among those that only one data set has."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Most trailing parts of two names to compare. Longer tails do not distinguish more.
_LONGEST_TAIL = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A thing that only one data set has under its name.

    Attributes:
        subject: Its kind. Only things of one kind are paired.
        extension: The extension it is of.
        name: Its full name.
        marks: Its identifying marks, surest first: the kind of the mark, and its digest.
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
    """Yield the pairs of equal things in both data sets, in an order that depends only on the names.

    Two things are the same if their importable name is the same, or if a mark is the same that no third thing has.
    Where several have the mark, the ends of their names decide: as many parts of them as it takes. What is left is the
    same as what has its name in the place that the things around it have moved to: it has moved with them, and changed.
    It is linear in the number of candidates.

    Args:
        removed: Things that only the old data set has.
        added: Things that only the new data set has.
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
        # Unique among all, not among the rest: the last of several remains ambiguous.
        there = _alone(added, word, tail)
        for key, one in _alone(removed, word, tail).items():
            other = there.get(key)
            if one is not None and other is not None and one.key in before and other.key in after:
                del before[one.key], after[other.key]
                _note(places, one, other)
                yield one, other
    named = _alone(after.values(), "", 0)
    for one in list(before.values()):
        other = next((named[key] for key in _expected(places, one) if named.get(key)), None)
        if other is not None and other.key in after:
            del after[other.key]
            yield one, other


def _note(places: dict[str, Counter[str]], one: Candidate, other: Candidate) -> None:
    """Record the move of a module or class that a pair implies: the two names without their common end."""
    before, after = one.name.split("."), other.name.split(".")
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    if before and after and len(before) < one.name.count(".") + 1:
        places.setdefault(".".join(before), Counter())[".".join(after)] += 1


def _expected(places: dict[str, Counter[str]], one: Candidate) -> Iterator[tuple[object, ...]]:
    """Yield the possible keys of a thing that moved together with its surroundings, most likely first."""
    place = one.name
    while "." in place:
        place = place.rpartition(".")[0]
        for to, _ in sorted(places.get(place, Counter()).items(), key=lambda item: (-item[1], item[0])):
            yield one.subject, to + one.name[len(place) :]


_ORDER = ("code", "members", "docstring", "signature")


def _alone(candidates: Iterable[Candidate], word: str, tail: int) -> dict[tuple[object, ...], Candidate | None]:
    """Return candidates by subject, mark and the end of the name; None for ambiguous ones."""
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
