"""A short table of the extensions that stage 2 selected and skipped, by source and folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.storage.jsonfile import read_json

# Kind of a warning about a source -> the outcome of the thing it is about.
_LEFT_OUT = {
    "app-shadowed": "apps of an id that another app has",
    "archive": "zip archives that are broken or hold none",
    "build-incomplete": "builds that lack extensions of their source tree, which are taken from there",
    "extension-id": "ids that cannot be one",
    "extension-twice": "ids found twice in one version with different content",
    "file-name": "names that cannot be read",
    "link-followed": "links out of a source, followed",
    "link-loop": "links that lead into themselves",
    "link-outside": "links out of a source, not followed",
    "not-a-file": "things that are no files",
    "template": "templates",
    "too-deep": "folders too deep",
    "unreadable": "folders or manifests that cannot be read",
}
_ELSEWHERE = "zip archives"
# So many folders have a line of their own; the rest share one.
_SHOWN_FOLDERS = 8
_SHOWN_NAMES = 3
_WIDEST = 60


@dataclass(frozen=True)
class SourceFolder:
    """A folder of a source that was searched, and how much was taken from it.

    Attributes:
        source: What messages call the source.
        folder: Relative to the source; ``.`` for all of it.
        extensions: How many of the chosen extensions lie in it.
        apps: How many of the apps.
    """

    source: str
    folder: str
    extensions: int
    apps: int


@dataclass(frozen=True)
class SourcesTold:
    """The table.

    Attributes:
        folders: The folders that were searched, by source.
        left_out: What was left out or is noteworthy: how many, what, and the first few of them.
    """

    folders: Sequence[SourceFolder]
    left_out: Sequence[tuple[int, str, Sequence[str]]]

    def lines(self) -> list[str]:
        """Return the table as lines of text; empty if nothing is known."""
        if not self.folders:
            return []
        shown = list(self.folders)
        if len(shown) > _SHOWN_FOLDERS:
            rest = shown[_SHOWN_FOLDERS - 1 :]
            more = SourceFolder("", f"{len(rest)} more folders", _sum(rest, "extensions"), _sum(rest, "apps"))
            shown = [*shown[: _SHOWN_FOLDERS - 1], more]
        places = [_shortened(": ".join(filter(None, (row.source, row.folder)))) for row in shown]
        width = max(map(len, [*places, "taken from"]))
        lines = [f"  {'taken from':<{width}}  extensions  apps"]
        lines += [
            f"  {place:<{width}}  {row.extensions or '-':>10}  {row.apps or '-':>4}"
            for place, row in zip(places, shown, strict=True)
        ]
        for number, what, names in self.left_out:
            lines.append(f"  {what}: {number:,}{_some(names)}")
        return lines


def sources_told(work_dir: Path) -> SourcesTold:
    """Return the table of the sources that ``preparation`` last looked through; an empty one if it cannot be read."""
    try:
        sources, prepared = read_json(work_dir / "sources.json"), read_json(work_dir / "extensions.json")
        return SourcesTold(_folders(work_dir, sources["sources"], prepared), _left_out(sources, prepared))
    except (StageError, KeyError, TypeError, IndexError, AttributeError):
        return SourcesTold((), ())  # the reader that needs these files reports the error


def _folders(work_dir: Path, sources: Sequence[dict[str, Any]], prepared: dict[str, Any]) -> list[SourceFolder]:
    extensions, apps = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    searched: list[tuple[int, str]] = []
    for number, source in enumerate(sources):
        paths = [*source["exts_paths"], *source["apps_paths"], *source.get("unbuilt_paths", ())]
        searched += [(number, path) for path in dict.fromkeys(paths)]
    for counted, found, key in ((extensions, prepared["extensions"], "folder"), (apps, prepared["apps"], "path")):
        for one in found:
            root = os.path.join(work_dir, sources[one["source"]]["root"])
            below = os.path.relpath(os.path.join(work_dir, one[key]), root)
            counted[one["source"], _longest(below, (path for at, path in searched if at == one["source"]))] += 1
    # Folders that gave nothing are told as well: they were searched for something.
    places = sorted({*searched, *extensions, *apps}, key=lambda place: (place[0], place[1] == _ELSEWHERE, place[1]))
    return [
        SourceFolder(str(sources[number]["name"]), path or ".", extensions[number, path], apps[number, path])
        for number, path in places
    ]


def _longest(below: str, folders: Iterable[str]) -> str:
    inside = [path for path in folders if not path or below == path or below.startswith(f"{path}/")]
    return max(inside, key=len) if inside and not below.startswith("..") else _ELSEWHERE


def _left_out(sources: dict[str, Any], prepared: dict[str, Any]) -> list[tuple[int, str, list[str]]]:
    found: list[tuple[int, str, list[str]]] = []
    others = prepared["other_versions"]
    if others:
        found.append((sum(map(len, others.values())), "lower versions of what is taken", sorted(others)))
    for reason, number in sorted(Counter(prepared["excluded"].values()).items()):
        ids = sorted(id_ for id_, why in prepared["excluded"].items() if why == reason)
        found.append((number, f"left out by {reason}", ids))
    warnings = [*sources.get("warnings", ()), *prepared["warnings"]]
    for kind, what in _LEFT_OUT.items():
        names = [warning["extension"] or warning["file"] for warning in warnings if warning["kind"] == kind]
        if names:
            found.append((len(names), what, names))
    return found


def _sum(rows: Iterable[SourceFolder], name: str) -> int:
    return sum(getattr(row, name) for row in rows)


def _some(names: Sequence[str]) -> str:
    some = [name for name in dict.fromkeys(names) if name]
    return f" ({', '.join(some[:_SHOWN_NAMES])}{', …' if len(some) > _SHOWN_NAMES else ''})" if some else ""


def _shortened(place: str) -> str:
    return place if len(place) <= _WIDEST else f"…{place[1 - _WIDEST :]}"
