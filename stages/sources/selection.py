"""Select extensions and apps by version, exclusion and number."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

from stages.sources.discovery import VersionKey
from stages.sources.manifest import Candidate
from stages.sources.notes import Notes
from stages.sources.walk import printable, walk

_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)+")


class Choice(NamedTuple):
    """The selected extensions.

    Attributes:
        chosen: The selected extensions, by id.
        other_versions: The unselected versions of each, descending.
        left_out: Excluded ids, each with the configuration key that excludes it.
        usable: Number of extensions after exclusions, before ``max_extensions`` applies.
    """

    chosen: list[Candidate]
    other_versions: dict[str, list[str]]
    left_out: dict[str, str]
    usable: int


def choose_extensions(candidates: list[Candidate], excluded: list[str], max_extensions: int, notes: Notes) -> Choice:
    """Select the highest version of each extension that the configuration does not exclude.

    Args:
        candidates: All that were found, in the order of their sources and paths.
        excluded: Ids or globs of extensions to leave out.
        max_extensions: Number of extensions to select; -1 for all.
        notes: Receives patterns without matches, and extensions with unusable ids.
    """
    chosen, others = highest(candidates, notes, check=_warn_about_copies)
    left_out: dict[str, str] = {}
    for pattern in sorted(set(excluded)):
        matched = [candidate.id for candidate in chosen if fnmatchcase(candidate.id, pattern)]
        if not matched:
            notes.warn("excluded-unknown", "", "", f"input.excluded_extensions: no extension matches {pattern!r}.")
        for id_ in matched:
            left_out.setdefault(id_, f"input.excluded_extensions: {pattern}")
    chosen = [candidate for candidate in chosen if candidate.id not in left_out]
    usable = len(chosen)
    if max_extensions >= 0:
        left_out.update(
            (candidate.id, f"processing.max_extensions: {max_extensions}") for candidate in chosen[max_extensions:]
        )
        chosen = chosen[:max_extensions]
    other_versions: dict[str, list[str]] = {}
    taken = {candidate.id for candidate in chosen}
    for candidate in others:
        if candidate.id in taken:
            other_versions.setdefault(candidate.id, []).append(candidate.version)
    return Choice(chosen, other_versions, left_out, usable)


def choose_apps(candidates: list[Candidate], notes: Notes) -> list[Candidate]:
    """Return the highest version of each app, by id.

    Args:
        candidates: All that were found, in the order of their sources and paths.
        notes: Receives the apps replaced by another with the same id.
    """
    apps, others = highest(candidates, notes)
    for app in others:
        winner = next(kept for kept in apps if kept.id == app.id)
        message = f"The app is left out: {winner.found.relative} has the same id, and version {winner.version}."
        notes.warn("app-shadowed", app.id, app.found.relative, message)
    return apps


def highest(
    candidates: list[Candidate], notes: Notes, *, check: Callable[[list[Candidate], Notes], None] | None = None
) -> tuple[list[Candidate], list[Candidate]]:
    """Return the winners by id, and the losers: same order, versions descending.

    Args:
        candidates: All that were found, in the order of their sources and paths.
        notes: Receives ids that differ only in case.
        check: Called with all versions of an id, the winner first.
    """
    by_id: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_id.setdefault(candidate.id, []).append(candidate)
    winners, losers = [], []
    folded: dict[str, str] = {}
    for id_ in sorted(by_id):
        # Sorting is stable: of equal versions the first stays first.
        versions = sorted(by_id[id_], key=lambda candidate: (candidate.source, candidate.found.archived))
        versions = _newer_kit_first(versions)
        versions.sort(key=lambda candidate: VersionKey(candidate.version), reverse=True)
        known = folded.setdefault(id_.casefold(), id_)
        if known != id_:
            message = f"The id differs from {known!r} only in case; it is left out."
            notes.warn("extension-id", id_, versions[0].found.relative, message)
            continue
        winners.append(versions[0])
        losers += versions[1:]
        notes.warnings += versions[0].warnings
        if check is not None:
            check(versions, notes)
    return winners, losers


def _newer_kit_first(candidates: list[Candidate]) -> list[Candidate]:
    """Sort candidates of one source and one form by the Kit version in the path, newest first, then by path."""
    groups: dict[tuple[int, bool], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault((candidate.source, candidate.found.archived), []).append(candidate)
    ordered = []
    for group in groups.values():
        ordered += sorted(group, key=lambda candidate: _kit_of(candidate.place), reverse=True)
    return ordered


def _kit_of(place: str) -> tuple[tuple[int, ...], ...]:
    """Return the version numbers in a path: in folders (``isaac_6.0``), and of the target Kit (``a-1.0.0+107.3``)."""
    *folders, name = place.split("/")
    texts = [*folders, name.partition("+")[2]]
    return tuple(
        tuple(int(part[:9]) for part in match.split(".")) for text in texts for match in _NUMBERS.findall(text)
    )


def _warn_about_copies(versions: list[Candidate], notes: Notes) -> None:
    """Warn about copies of the winner's version that differ from it."""
    winner = versions[0]
    same = [other for other in versions[1:] if VersionKey(other.version) == VersionKey(winner.version)]
    different = [other for other in same if not _same_content(winner, other)]
    if different:
        message = (
            f"Version {winner.version} exists more than once with different content. Taken from {_where(winner)}, not"
            f" from {', '.join(map(_where, different))}: folders come before archives, then the newer Kit, then the"
            " first path."
        )
        notes.warn("extension-twice", winner.id, "", printable(message))


def _where(candidate: Candidate) -> str:
    return candidate.place or "the source's own folder"


def _same_content(one: Candidate, other: Candidate) -> bool:
    if one.found.kind != "folder" or other.found.kind != "folder":
        return one.found.kind == other.found.kind and _same_file(one.found.path, other.found.path)
    files, others = _files_below(one.folder), _files_below(other.folder)
    return files.keys() == others.keys() and all(_same_file(path, others[name]) for name, path in files.items())


def _files_below(folder: str) -> dict[str, str]:
    return {
        inner.below(entry.name): entry.path for inner in walk(folder, inside=None, problems=[]) for entry in inner.files
    }


def _same_file(one: str, other: str) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
