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

# Kind of a warning about a source -> a description of the subjects of such warnings.
_DESCRIPTIONS = {
    "app-shadowed": "apps with the id of another app",
    "archive": "broken zip archives, and zip archives without extensions",
    "build-incomplete": "incomplete builds, completed from their source tree",
    "extension-id": "invalid extension ids",
    "extension-twice": "ids found twice in one version with different content",
    "file-name": "file names that are not valid text",
    "link-followed": "links out of a source, followed",
    "link-loop": "links that form a loop",
    "link-outside": "links out of a source, not followed",
    "not-a-file": "pipes, sockets and devices",
    "template": "templates",
    "too-deep": "folders nested too deeply",
    "unreadable": "unreadable folders or manifests",
}
_ELSEWHERE = "zip archives"
# Most lines for folders. If there are more folders, the last line combines the rest.
_SHOWN_FOLDERS = 8
_SHOWN_NAMES = 3
_WIDEST = 60


@dataclass(frozen=True)
class SourceFolder:
    """A searched folder of a source, with the number of its selected extensions and apps.

    Attributes:
        source: Name of the source in messages.
        folder: Relative to the source; ``.`` for all of it.
        extensions: Number of selected extensions in the folder.
        apps: Number of apps in the folder.
    """

    source: str
    folder: str
    extensions: int
    apps: int


@dataclass(frozen=True)
class SourceTable:
    """The table.

    Attributes:
        folders: The searched folders, by source.
        left_out: Skipped and noteworthy items: their number, their description, and their names.
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
        width = max(map(len, [*places, "source folder"]))
        lines = [f"  {'source folder':<{width}}  extensions  apps"]
        lines += [
            f"  {place:<{width}}  {row.extensions or '-':>10}  {row.apps or '-':>4}"
            for place, row in zip(places, shown, strict=True)
        ]
        for number, description, names in self.left_out:
            lines.append(f"  {description}: {number:,}{_some(names)}")
        return lines


def source_table(work_dir: Path) -> SourceTable:
    """Return the table of the last ``preparation``; an empty table if its files cannot be read."""
    try:
        sources, prepared = read_json(work_dir / "sources.json"), read_json(work_dir / "extensions.json")
        return SourceTable(_folders(work_dir, sources["sources"], prepared), _left_out(sources, prepared))
    except (StageError, KeyError, TypeError, IndexError, AttributeError):
        return SourceTable((), ())  # the reader that needs these files reports the error


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
    # Lists folders without results as well: the user configured them, and expects extensions there.
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
        found.append((sum(map(len, others.values())), "lower versions of selected extensions", sorted(others)))
    for reason, number in sorted(Counter(prepared["excluded"].values()).items()):
        ids = sorted(id_ for id_, why in prepared["excluded"].items() if why == reason)
        found.append((number, f"left out by {reason}", ids))
    warnings = [*sources.get("warnings", ()), *prepared["warnings"]]
    for kind, description in _DESCRIPTIONS.items():
        names = [warning["extension"] or warning["file"] for warning in warnings if warning["kind"] == kind]
        if names:
            found.append((len(names), description, names))
    return found


def _sum(rows: Iterable[SourceFolder], name: str) -> int:
    return sum(getattr(row, name) for row in rows)


def _some(names: Sequence[str]) -> str:
    some = [name for name in dict.fromkeys(names) if name]
    return f" ({', '.join(some[:_SHOWN_NAMES])}{', …' if len(some) > _SHOWN_NAMES else ''})" if some else ""


def _shortened(place: str) -> str:
    return place if len(place) <= _WIDEST else f"…{place[1 - _WIDEST :]}"
