"""The extensions, apps and Kit version that the first two stages found, for the task creators."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages import artifacts
from stages.artifacts.preparation import EXTENSIONS, Extension, Extensions, Owner
from stages.artifacts.pull_repo_exts import SOURCES, Sources
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
        self._prefix = os.path.join(short_path(work_dir), "")
        self._folders: dict[str, str] = {}
        self._seen: Signature | None = None
        self._prepared: Extensions | None = None
        self._by_size: list[Extension] = []
        self._checked: list[Signature | None] = []
        self._refused = ""

    def path(self, name: str) -> str:
        """Return a path below the work directory, relative to the project if it lies inside, so that both can move.

        Args:
            name: Relative to the work directory, or absolute.
        """
        if not name or name[0] in "./":
            return short_path(self.work_dir / name)
        return self._prefix + name

    @property
    def extensions(self) -> list[Extension]:
        """The selected extensions, largest first, so that the longest task does not start last."""
        self._read()
        return self._by_size

    @property
    def owners(self) -> list[Owner]:
        """Everything that may have settings: the extensions, largest first, and the apps."""
        prepared = self._read()
        return [*self._by_size, *prepared.apps] if prepared else []

    @property
    def kit_version(self) -> str:
        """The Kit version from ``preparation``; empty if unknown."""
        prepared = self._read()
        return prepared.kit_version if prepared else ""

    def files_of(self, owner: Owner, files: Iterable[str]) -> list[str]:
        """Return the paths of an owner's files. ``files`` are relative to the owner's folder."""
        name = owner.folder if isinstance(owner, Extension) else os.path.dirname(owner.path)
        folder = self._folders.get(name)
        if folder is None:
            folder = self._folders[name] = self.path(name)
        return [f"{folder}/{file}" for file in files]

    def sizes_of(self, stage: str, tasks: Sequence[str]) -> dict[str, int]:
        """Return the approximate cost of each task of a stage, in any unit, to estimate the time left."""
        python = {extension.id: extension.size for extension in self.extensions} if stage in _BY_PYTHON else {}
        return {task: _SIZE_OF_ANY + python.get(task.partition(":")[2], 0) for task in tasks}

    def refusal(self) -> str:
        """Return why ``extensions.json`` is rejected; empty if it is valid.

        The file may be older than ``sources.json``, or come from someone else. A rejected file counts as missing.
        """
        files = (self.path(EXTENSIONS), self.path(SOURCES))
        now = [signature(os.stat(path)) if os.path.exists(path) else None for path in files]
        if now != self._checked:
            self._checked, self._refused = now, ""
            sources = None
            with contextlib.suppress(StageError):
                sources = artifacts.read(Path(files[1]), Sources).sources
            try:
                if now[0] is not None:
                    prepared = self._read() or artifacts.read(Path(files[0]), Extensions)
                    recorded.check_prepared(prepared, sources, Path(os.path.abspath(self.work_dir)))
            except StageError as error:
                self._refused = str(error).removesuffix(" Delete it and run again.")
        return self._refused

    def pulled(self) -> tuple[str | None, str | None]:
        """Return the Kit cache's absolute path and the Kit version from ``sources.json``; None if unknown."""
        try:
            sources = artifacts.read(Path(self.path(SOURCES)), Sources)
        except StageError:
            return None, None
        return os.path.abspath(self.work_dir / sources.kit_cache_path), sources.kit_version

    def _read(self) -> Extensions | None:
        path = self.path(EXTENSIONS)
        try:
            now = signature(os.stat(path))
            if self._refused and self._checked[0] == now:
                self._seen, self._prepared, self._by_size = None, None, []
                return None
            if self._seen != now:
                self._prepared = artifacts.read(Path(path), Extensions)
                self._by_size = sorted(self._prepared.extensions, key=lambda item: (-item.size, item.id))
                self._seen = now
        except (OSError, StageError):
            self._seen, self._prepared, self._by_size = None, None, []
        return self._prepared


def short_path(path: Path) -> str:
    """Return a path relative to the current folder if it lies inside, else unchanged."""
    plain, here = os.path.normpath(path), os.getcwd()
    if plain == here:
        return "."
    return plain.removeprefix(os.path.join(here, ""))
