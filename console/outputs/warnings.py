"""The warnings that stages wrote into their reports, and where on this machine the files are that they speak of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoint.progress import LocatedWarning
from stages.failures import StageError
from stages.storage.jsonfile import read_json

if TYPE_CHECKING:
    from stages.failures import StageWarning

# The file that each of these stages writes its warnings into when it is complete, below the work directory.
_REPORTS = {
    "pull_repo_exts": "sources.json",
    "preparation": "extensions.json",
    "extension_data": "extension_data/extraction_report.json",
    "settings": "settings/settings_report.json",
}


class WarningsOfRun:
    """Collects the warnings stage by stage; what two stages say of the same place in the same words counts once."""

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._known: set[tuple[Any, ...]] = set()
        self.of_stage: dict[str, list[StageWarning]] = {}

    def read(self, stage: str) -> list[StageWarning]:
        """Return the warnings of a stage that is complete, those aside that an earlier stage gave."""
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
            return []  # whoever needs that file says what is wrong with it
        self.of_stage[stage] = found
        return found

    def located(self, origin: Path) -> list[LocatedWarning]:
        """Return all warnings, in the order of the stages, with the paths of their files.

        Args:
            origin: The folder that paths are relative to, where the files are in it.
        """
        places = _Places(self._work_dir, origin)
        return [
            LocatedWarning(stage, warning, places.path_of(warning))
            for stage in _REPORTS
            for warning in self.of_stage.get(stage, ())
        ]


class _Places:
    """Where the files of extensions, apps and sources are."""

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
            return  # a run that ended early: the warnings stand without paths

    def path_of(self, warning: StageWarning) -> str:
        """Return where a warning's file is, relative to the origin if it is in it; empty if it is not found."""
        if not warning["file"]:
            return ""
        for folder in [*self._folders.get(warning["extension"], ()), *self._roots]:
            path = os.path.abspath(folder / warning["file"])
            if os.path.lexists(path):
                inside = Path(path).is_relative_to(self._origin)
                return Path(os.path.relpath(path, self._origin) if inside else path).as_posix()
        return ""
