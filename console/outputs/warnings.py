"""The warnings in the reports of stages, and the local paths of the files they name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoint.progress import LocatedWarning
from stages.failures import StageError
from stages.storage.jsonfile import read_json

if TYPE_CHECKING:
    from stages.failures import StageWarning

# The report of each stage with warnings, below the work directory. Complete stages have one.
_REPORTS = {
    "pull_repo_exts": "sources.json",
    "preparation": "extensions.json",
    "extension_data": "extension_data/extraction_report.json",
    "settings": "settings/settings_report.json",
}


class WarningsOfRun:
    """The warnings of a run, collected by stage. Equal warnings of two stages about the same place count once."""

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._known: set[tuple[Any, ...]] = set()
        self.of_stage: dict[str, list[StageWarning]] = {}

    def read(self, stage: str) -> list[StageWarning]:
        """Return the warnings of a complete stage, without those already reported by an earlier stage."""
        if stage not in _REPORTS:
            return []
        found: list[StageWarning] = []
        try:
            for warning in read_json(self._work_dir / _REPORTS[stage])["warnings"]:
                key = tuple(warning[name] for name in ("kind", "extension", "file", "line", "message"))
                if key not in self._known:
                    self._known.add(key)
                    found.append(warning)
        except (StageError, KeyError, TypeError):
            return []  # the reader that needs the file reports the error
        self.of_stage[stage] = found
        return found

    def located(self, origin: Path) -> list[LocatedWarning]:
        """Return all warnings, in the order of the stages, with the paths of their files.

        Args:
            origin: The folder that paths are relative to, if the files lie in it.
        """
        places = _Places(self._work_dir, origin)
        return [
            LocatedWarning(stage, warning, places.path_of(warning))
            for stage in _REPORTS
            for warning in self.of_stage.get(stage, ())
        ]


class _Places:
    """The folders of extensions, apps and sources."""

    def __init__(self, work_dir: Path, origin: Path) -> None:
        self._work_dir = work_dir
        self._origin = origin
        self._folders: dict[str, list[Path]] = {}
        self._roots: list[Path] = []
        try:
            chosen = read_json(work_dir / "extensions.json")
            for extension in chosen["extensions"]:
                self._folders.setdefault(extension["id"], []).append(work_dir / extension["folder"])
            for app in chosen["apps"]:
                self._folders.setdefault(app["id"], []).append((work_dir / app["path"]).parent)
            self._roots = [work_dir / source["root"] for source in read_json(work_dir / "sources.json")["sources"]]
        except (StageError, KeyError, TypeError):
            return  # the run ended early: the warnings have no paths

    def path_of(self, warning: StageWarning) -> str:
        """Return the path of a warning's file, relative to the origin if inside; empty if not found."""
        if not warning["file"]:
            return ""
        for folder in [*self._folders.get(warning["extension"], ()), *self._roots]:
            path = os.path.abspath(folder / warning["file"])
            if os.path.lexists(path):
                inside = Path(path).is_relative_to(self._origin)
                return Path(os.path.relpath(path, self._origin) if inside else path).as_posix()
        return ""
