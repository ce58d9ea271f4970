"""The files of an extension by kind, and other contents of its folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from stages.sources import premake
from stages.sources.discovery import find_extensions
from stages.sources.manifest import Candidate, declared_documents
from stages.sources.notes import Notes
from stages.sources.walk import Folder, Problem, walk

_KINDS = {
    "py": "python",
    "pyi": "stubs",
    "kit": "toml",
    "ogn": "ogn",
    **dict.fromkeys(["c", "cc", "cpp", "cxx", "cu", "cuh", "h", "hh", "hpp", "hxx", "inl", "ipp"], "cpp"),
}
_DOC_NAMES = ("readme", "overview", "changelog")
_COMPILED = re.compile(r"^([^.]+)(?:\..+)?\.(?:so|pyd)$")
# The folders that `python setup.py build` and `pip wheel` leave in `build`.
_BUILD_COPIES = re.compile(r"lib(?:\.[^/]+)?|bdist\.[^/]+")
# No extension has more files. A folder that has more contains a stray link.
_MAX_FILES = 200_000


@dataclass(slots=True)
class Listing:
    """The contents of an extension's folder.

    Attributes:
        files: Paths of its files by kind (``python``, ``stubs``, ``toml``, ``cpp``, ``docs``, ``ogn``), relative to the
            extension with ``/``, sorted.
        folders: Paths of all its folders, ``""`` for the extension's own.
        modules: Paths of its Python, stub and compiled files without suffixes.
        size: Bytes of its Python files.
        build_file: True if it has a build file, see `premake`.
    """

    files: dict[str, list[str]] = field(
        default_factory=lambda: {"python": [], "stubs": [], "toml": [], "cpp": [], "docs": [], "ogn": []}
    )
    folders: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    size: int = 0
    build_file: bool = False


def list_files(
    candidate: Candidate, *, inside: str | None, leave_out: Collection[str], counts: Counter[str], notes: Notes
) -> Listing:
    """Walk an extension's folder.

    Args:
        candidate: An extension that is a folder.
        inside: See `stages.sources.walk.walk`.
        leave_out: See `stages.sources.walk.walk`.
        counts: Its ``files_<kind>`` are increased by the number of files.
        notes: Receives the problems found.
    """
    listing = Listing()
    files = listing.files
    problems: list[Problem] = []
    total = 0
    declared = declared_documents(candidate.values)
    for folder in walk(candidate.folder, inside=inside, problems=problems, leave_out=leave_out):
        if not folder.relative:
            _prune_nested(candidate, folder.folders, inside)
        _prune_build_copies(folder)
        listing.folders.add(folder.relative)
        for entry in folder.files:
            kind = _classify(folder.relative, entry.name)
            if kind == "other" and folder.below(entry.name) in declared.values():
                kind = "docs"
            counts[f"files_{kind}"] += 1
            if kind == "other":
                compiled = _COMPILED.match(entry.name)
                if compiled:
                    listing.modules.add(folder.below(compiled[1]))
                elif entry.name == premake.FILE and not folder.relative:
                    listing.build_file = True
                continue
            files[kind].append(folder.below(entry.name))
            if kind == "python":
                listing.size += _size(entry)
        total += len(folder.files)
        if total > _MAX_FILES:
            message = f"More than {_MAX_FILES:,} files; the rest is not read."
            notes.warn("too-many-files", candidate.id, folder.relative, message)
            break
    for names in files.values():
        names.sort()
    listing.modules.update(name.rsplit(".", 1)[0] for name in (*files["python"], *files["stubs"]))
    notes.add_problems(problems, candidate.id)
    readme = declared.get("readme")
    if readme is not None and readme not in files["docs"] and " " not in readme:
        message = f"The readme {readme!r} is missing or not a text file. Correct `readme` in [package]."
        notes.warn("readme-missing", candidate.id, candidate.found.manifest, message)
    return listing


def _prune_build_copies(folder: Folder) -> None:
    """Exclude the copies that setuptools made in a ``build`` folder from the walk."""
    if os.path.basename(folder.relative) == "build" and not any(entry.name == "__init__.py" for entry in folder.files):
        folder.folders[:] = [name for name in folder.folders if not _BUILD_COPIES.fullmatch(name)]


def _prune_nested(candidate: Candidate, folders: list[str], inside: str | None) -> None:
    """Exclude an ``exts`` folder with nested extensions, which are found separately."""
    if "exts" in folders and find_extensions(
        os.path.join(candidate.folder, "exts"), inside=inside, leave_out=set(), problems=[]
    ):
        folders.remove("exts")


def _classify(folder: str, name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    suffix, stem = suffix.lower(), stem.lower()
    kind = _KINDS.get(suffix, "other")
    if suffix == "toml" and (
        folder == "config" or folder.startswith("config/") or (not folder and stem.startswith("extension"))
    ):
        # Only the manifest and the files that Kit merges into it contain settings. Other TOML files are for tools.
        kind = "toml"
    elif (suffix in ("md", "rst") and (not folder or folder.lower().split("/")[0] == "docs")) or (
        suffix in ("md", "rst", "txt") and stem.startswith(_DOC_NAMES)
    ):
        kind = "docs"
    return kind


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0  # deleted since the listing; the stage that reads it reports that
