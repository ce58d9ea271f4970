"""The extensions, apps and Kit version that the first two stages found, for the task creators."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from stages.failures import StageError
from stages.sources import recorded
from tasks.file_state import Signature, signature

# The stages whose cost grows with the size of an extension's Python files (bytes), and the fixed cost of a task.
_BY_PYTHON = ("extension_data", "code_examples")
_SIZE_OF_ANY = 20_000


class Graph:
    """The extensions and apps of ``extensions.json``. Reloads the file when it changes.

    doit creates the tasks before ``preparation`` runs, and again after it.
    """

    def __init__(self, work_dir: Path) -> None:
        """Read nothing yet. Paths are relative to the current folder if the work directory lies in it."""
        self.work_dir = work_dir
        self._relative = short_path(work_dir)
        self._seen: Signature | None = None
        self._prepared: dict[str, Any] = {}
        self._checked: list[Signature | None] = []
        self._refused = ""

    def path(self, name: str) -> str:
        """Return a path below the work directory, relative to the project if it lies inside, so that both can move.

        Args:
            name: Relative to the work directory, or absolute.
        """
        if not name or name[0] == "." or os.path.isabs(name):
            return short_path(self.work_dir / name)
        return os.path.join(self._relative, name)

    @property
    def extensions(self) -> list[dict[str, Any]]:
        """The selected extensions, largest first, so that the longest task does not start last."""
        found: list[dict[str, Any]] = self._read()["extensions"]
        return found

    @property
    def apps(self) -> list[dict[str, Any]]:
        """The apps. They own settings but are not extensions."""
        found: list[dict[str, Any]] = self._read()["apps"]
        return found

    @property
    def kit_version(self) -> str:
        """The Kit version from ``preparation``; empty if unknown."""
        return self._read().get("kit_version") or ""

    def files_of(self, owner: dict[str, Any], files: Iterable[str]) -> list[str]:
        """Return the paths of an owner's files. ``files`` are relative to the owner's folder."""
        folder = self.path(owner["folder"]) if "folder" in owner else self.path(os.path.dirname(owner["path"]))
        return [f"{folder}/{file}" for file in files]

    def sizes_of(self, stage: str, tasks: Sequence[str]) -> dict[str, int]:
        """Return the approximate cost of each task of a stage, in any unit, to estimate the time left."""
        python = {entry["id"]: entry["size"] for entry in self.extensions} if stage in _BY_PYTHON else {}
        return {task: _SIZE_OF_ANY + python.get(task.partition(":")[2], 0) for task in tasks}

    def refusal(self) -> str:
        """Return why ``extensions.json`` is rejected; empty if it is valid.

        The file may be older than ``sources.json``, or come from someone else. A rejected file counts as missing.
        """
        files = (self.path("extensions.json"), self.path("sources.json"))
        now = [signature(os.stat(path)) if os.path.exists(path) else None for path in files]
        if now != self._checked:
            self._checked, self._refused = now, ""
            sources = None
            if now[1] is not None:
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    sources = orjson.loads(Path(files[1]).read_bytes())["sources"]
            try:
                recorded.check_prepared(self._read(), sources, Path(os.path.abspath(self.work_dir)))
            except StageError as error:
                self._refused = str(error)
        return self._refused

    def pulled(self) -> tuple[str | None, str | None]:
        """Return the Kit cache's absolute path and the Kit version from ``sources.json``; None if unknown."""
        try:
            sources = orjson.loads(Path(self.path("sources.json")).read_bytes())
            path = sources["kit_cache_path"]
            return os.path.abspath(self.work_dir / path) if path else None, sources["kit_version"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, None

    def _read(self) -> dict[str, Any]:
        path = self.path("extensions.json")
        try:
            now = signature(os.stat(path))
            if self._refused and self._checked[0] == now:
                return {"extensions": [], "apps": []}
            if self._seen != now:
                found = orjson.loads(Path(path).read_bytes())
                found["extensions"].sort(key=lambda entry: (-entry["size"], entry["id"]))
                self._seen, self._prepared = now, found
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {"extensions": [], "apps": []}
        return self._prepared


def short_path(path: Path) -> str:
    """Return a path relative to the current folder if it lies inside, else unchanged."""
    relative = os.path.relpath(path)
    return os.path.normpath(path) if relative.startswith("..") else relative
