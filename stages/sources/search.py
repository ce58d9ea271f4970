"""Search the folders of all sources for extensions and apps, zip archives included."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.sources import zip_archive
from stages.sources.discovery import Found, find_apps, find_extensions
from stages.sources.manifest import Candidate, read_candidate
from stages.sources.notes import Notes
from stages.sources.walk import Problem


class SourceSearch:
    """One search through the sources of a run.

    Args:
        work_dir: The work directory, absolute; zip archives are unpacked below ``sources/unpacked`` in it.
        sources: The content of ``sources.json``.
        counts: Its ``<kind>s_found`` grow by what is found.
        notes: Gets what is found wrong.

    Attributes:
        work_dir: As given.
        sources: The sources as ``sources.json`` describes them.
        searched: Paths of the folders that were searched.
    """

    def __init__(self, work_dir: Path, sources: dict[str, Any], counts: Counter[str], notes: Notes) -> None:
        self.work_dir = work_dir
        self.searched: list[str] = []
        self.sources: list[dict[str, Any]] = sources["sources"]
        self._limits: dict[str, Any] = sources.get("limits", {})
        self._counts = counts
        self._notes = notes
        self._extensions: list[Candidate] = []
        self._apps: list[Candidate] = []

    def candidates(self) -> tuple[list[Candidate], list[Candidate]]:
        """Return the extensions and the apps, in the order of the sources and paths.

        Raises:
            StageError: The folder of a source is gone, or an archive cannot be unpacked for want of room.
        """
        for number, source in enumerate(self.sources):
            self._search(number, source)
        return self._extensions, self._apps

    def bounds(self, source: int) -> str | None:
        """Return the real path that links of a source may not lead out of; None if they may lead anywhere."""
        if self.sources[source].get("links", "any") != "inside":
            return None
        return os.path.realpath(self._root(source))

    def _root(self, source: int) -> str:
        return os.path.join(self.work_dir, self.sources[source]["root"])

    def _search(self, number: int, source: dict[str, Any]) -> None:
        root = self._root(number)
        if not os.path.isdir(root):
            raise StageError(f"{root}: the folder of source {source['name']!r} is gone; run pull_repo_exts again.")
        inside = self.bounds(number)
        template = source.get("app_template_path")
        # What the pipeline makes is not its own source.
        leave_out = {os.path.realpath(self.work_dir)}
        if template:
            leave_out.add(os.path.realpath(os.path.join(root, template)))
        seen: set[str] = set()
        for path in source["exts_paths"]:
            folder = os.path.normpath(os.path.join(root, path))
            self.searched.append(folder)
            problems: list[Problem] = []
            found = find_extensions(folder, inside=inside, leave_out=leave_out, problems=problems)
            self._notes.add_problems(problems, "", prefix=path)
            self._add(found, number, inside, seen)
        for path in source["apps_paths"]:
            problems = []
            folder = os.path.normpath(os.path.join(root, path))
            found = find_apps(folder, inside=inside, problems=problems)
            self._notes.add_problems(problems, "", prefix=path)
            self._add(found, number, inside, seen)

    def _add(self, found: list[Found], source: int, inside: str | None, seen: set[str]) -> None:
        for item in found:
            real = os.path.realpath(item.path)
            # The folders of a source may lie in one another, or be links to the same.
            if real in seen:
                continue
            seen.add(real)
            self._counts[f"{item.kind}s_found"] += 1
            if item.kind == "archive":
                for unpacked, name in self._unpacked(item):
                    self._read(unpacked, source, name=name)
            else:
                self._read(item, source, name=self._name_of(item, source))

    def _name_of(self, item: Found, source: int) -> str:
        name = os.path.basename(item.path)
        if item.kind in ("kit", "app"):
            return name[: -len(".kit")]
        if os.path.realpath(item.path) == os.path.realpath(self._root(source)):
            # The source is the extension: the folder may be called anything, and of a clone is.
            return ""
        return name

    def _unpacked(self, item: Found) -> list[tuple[Found, str]]:
        """Return the extensions in an archive and their names: its own, if it holds one, at its root or in a folder."""
        name = os.path.basename(item.path)[: -len(".zip")]
        try:
            with open(item.path, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            folder = self.work_dir / "sources" / "unpacked" / f"{name[:150]}-{digest[:16]}"
            if not folder.is_dir():
                zip_archive.unpack(
                    Path(item.path),
                    folder,
                    max_bytes=self._limits.get("max_archive_bytes", zip_archive.DEFAULT_MAX_BYTES),
                    max_files=self._limits.get("max_archive_files", zip_archive.DEFAULT_MAX_FILES),
                )
        except zip_archive.ArchiveError as error:
            self._notes.warn("archive", "", item.relative, f"The zipped extension is left out: {error}.")
            return []
        except OSError as failure:
            reason = failure.strerror or failure
            raise StageError(f"{item.path}: cannot be unpacked to {self.work_dir / 'sources'} ({reason}).") from failure
        problems: list[Problem] = []
        found = find_extensions(str(folder), inside=os.path.realpath(folder), leave_out=set(), problems=problems)
        found = [inner for inner in found if inner.kind == "folder"]
        self._notes.add_problems(problems, "", prefix=item.relative)
        if not found:
            self._notes.warn("archive", "", item.relative, "The archive holds no extension; it is left out.")
        if len(found) == 1 and "/" not in found[0].relative:
            return [(Found("folder", found[0].path, found[0].manifest, item.relative), name)]
        self._counts["folders_found"] += len(found)
        return [
            (
                Found("folder", inner.path, inner.manifest, f"{item.relative}/{inner.relative}"),
                inner.path.split("/")[-1],
            )
            for inner in found
        ]

    def _read(self, item: Found, source: int, *, name: str) -> None:
        fallback = _own_name(self.sources[source])
        candidate = read_candidate(item, source, name=name, fallback_name=fallback, notes=self._notes)
        if candidate is not None:
            (self._apps if item.kind == "app" else self._extensions).append(candidate)


def _own_name(source: dict[str, Any]) -> str:
    """Return what a source that is one extension is called, if its manifest does not say."""
    name: str = source["name"]
    if source["kind"] == "git":
        # The clone's folder: `git-<name of the repository>-<digest>`.
        return os.path.basename(str(source["root"])).removeprefix("git-").rpartition("-")[0]
    return name.partition("==")[0].strip() if source["kind"] == "wheel" else name
