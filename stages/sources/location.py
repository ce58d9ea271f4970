"""The folders of extensions and apps in a source."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import NamedTuple

from stages.failures import StageError
from stages.sources import git as source_git
from stages.sources import kit_detection
from stages.sources.configured import ConfiguredSource, GitSource, WheelSource
from stages.sources.walk import is_within


class Places(NamedTuple):
    """The locations of extensions and apps in a source, relative to its root, with ``/``.

    Attributes:
        exts: Folders of extensions.
        apps: Folders of apps.
        unbuilt: Folders of the source tree, used for extensions that the build lacks.
    """

    exts: list[str]
    apps: list[str]
    unbuilt: list[str]

    @property
    def all(self) -> list[str]:
        """All folders."""
        return [*self.exts, *self.apps, *self.unbuilt]


def locate(source: ConfiguredSource, root: Path) -> Places:
    """Return the folders of extensions and apps in a source: the configured ones, or else the usual ones of a Kit.

    Args:
        source: One of the ``[[input.sources]]``.
        root: Its folder.

    Raises:
        StageError: A configured folder does not exist, or leads out of the source.
    """
    name = str(root)
    if isinstance(source, WheelSource):
        name = source.requirement
    elif isinstance(source, GitSource):
        name = source_git.masked(source.url)
    exts, apps = source.exts_path, source.apps_path
    found_exts, found_apps = kit_detection.kit_folders(root) if not exts else ([], [])
    return Places(
        resolve_folders(root, "exts_path", exts, name) if exts else found_exts,
        resolve_folders(root, "apps_path", apps, name) if apps else found_apps,
        [] if exts else kit_detection.unbuilt_folders(root),
    )


def resolve_folders(root: Path, key: str, patterns: list[str], name: str) -> list[str]:
    """Return the folders that match some patterns, below the source or else below the platform folder of its build."""
    found: list[str] = []
    for pattern in patterns:
        check_pattern(key, pattern)
        matches = _matches(root, pattern)
        if not matches:
            build = kit_detection.built_folder(root)
            if build is not None:
                matches = [f"{build.relative_to(root).as_posix()}/{match}" for match in _matches(build, pattern)]
        if not matches:
            existing = ", ".join(sorted(child.name for child in root.iterdir() if child.is_dir())[:20]) or "no folders"
            raise StageError(
                f"input.sources: {name}: {key}: there is no folder {pattern!r} in it. Correct {key}, or build the"
                f" source (build_command). It has: {existing}."
            )
        found += [match for match in matches if match not in found]
    return found


def _matches(root: Path, pattern: str) -> list[str]:
    plain = os.path.normpath(pattern)
    if (root / plain).is_dir():
        return ["" if plain == "." else plain.replace(os.sep, "/")]
    matches = sorted(glob.glob(pattern, root_dir=root, recursive=True))
    matches = [os.path.normpath(match).replace(os.sep, "/") for match in matches if (root / match).is_dir()]
    return list(dict.fromkeys("" if match == "." else match for match in matches))


def check_pattern(key: str, pattern: str) -> None:
    """Require that a configured path or glob stays below its source.

    Raises:
        StageError: It leads out of the source.
    """
    parts = pattern.replace("\\", "/").split("/")
    if os.path.isabs(pattern) or pattern.startswith("~") or ".." in parts or "\0" in pattern:
        raise StageError(f"input.sources: {key}: {pattern!r} leads out of the source; give a path below it.")


def detected_kit(search_from: list[Path]) -> Path:
    """Return the folder of a built Kit near some folders.

    Raises:
        StageError: There is none; the message lists the searched places.
    """
    found, searched = kit_detection.detect([Path(os.path.abspath(folder)) for folder in search_from])
    if found is None:
        places = "\n".join(f"    {place}" for place in searched)
        raise StageError(
            "No source is configured and no built Kit was found. Name one with --kit-cache PATH or [[input.sources]]."
            f" Searched:\n{places}"
        )
    return found


def recorded_root(root: Path, work_dir: Path, project: Path | None) -> str:
    """Return a source's resolved folder in the form of ``sources.json``.

    It is relative to the work directory if it lies in it, or if both lie in the project, so that the project can be
    moved. Otherwise it is absolute.
    """
    real, work = os.path.realpath(root), os.path.realpath(work_dir)
    inside = project is not None and all(is_within(path, os.path.realpath(project)) for path in (real, work))
    if inside or is_within(real, work):
        return Path(os.path.relpath(real, work)).as_posix()
    return Path(real).as_posix()
