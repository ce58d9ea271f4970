"""Find all extensions and apps below the folders of a source."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import total_ordering

from stages.product_facts import INSTALLED_PACKAGES
from stages.sources import zip_archive as archives
from stages.sources.walk import Folder, Problem, printable, walk

MANIFESTS = ("config/extension.toml", "extension.toml")
_LONGEST_REMARK = 4096
# The version in a folder's name follows a `-`. Ids may have dashes as well (`omni.kit.loop-isaac`).
_NAME = re.compile(r"(?P<id>.+?)-(?P<version>[0-9]+(?:\.[0-9].*|[-+].*)?)", re.DOTALL)
_VERSION = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)(?:[-._]?([0-9A-Za-z][0-9A-Za-z.\-_]*))?(?:\+.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """An extension or app that was found.

    Attributes:
        kind: ``folder``, ``kit`` (a single ``.kit`` file), ``archive`` (a zip file), or ``app``.
        path: Path of the folder or file.
        manifest: The manifest's path relative to the folder; for a file its name.
        relative: Path relative to the searched folder, with ``/``; empty for that folder itself.
        archived: True if it is in a zip archive.
    """

    kind: str
    path: str
    manifest: str
    relative: str
    archived: bool = False


def split_name(name: str) -> tuple[str, str]:
    """Split a folder's or file's name into id and version: ``omni.ui-2.26.1+8131b85d.lx64.r.cp311``.

    Returns:
        The id and the version without build metadata (``2.26.1``), which is empty where the name has none.
    """
    match = _NAME.fullmatch(name)
    return (match["id"], match["version"].split("+")[0]) if match else (name, "")


@total_ordering
class VersionKey:
    """Sort key for versions in the order of Semantic Versioning. Accepts partial and malformed versions.

    ``1.0`` equals ``1.0.0``; a pre-release is lower than its release; build metadata does not count; a text that is
    not a version is lower than any version.
    """

    def __init__(self, version: str) -> None:
        match = _VERSION.fullmatch(version.strip())
        if match is None:
            self.key: tuple[object, ...] = (False, (), True, (), version)
            return
        # Longer numbers than any real one would cost quadratic time to convert.
        numbers = [int(part[:18]) for part in match[1].split(".")]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        parts = tuple(
            (not part.isdigit(), int(part[:18]) if part.isdigit() else 0, part)
            for part in (match[2] or "").replace("_", ".").split(".")
        )
        self.key = (True, tuple(numbers), match[2] is None, parts, "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionKey) and self.key == other.key

    def __lt__(self, other: VersionKey) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)


def manifest_in(folder: Folder, problems: list[Problem]) -> str:
    """Return the path of a folder's manifest, relative to the folder; empty if the folder is not an extension.

    Args:
        folder: The folder.
        problems: Receives manifests without content.
    """
    found = []
    if "config" in folder.folders and os.path.isfile(f"{folder.path}/{MANIFESTS[0]}"):
        found.append(MANIFESTS[0])
    if any(entry.name == MANIFESTS[1] for entry in folder.files):
        found.append(MANIFESTS[1])
    for manifest in found:
        if _has_content(f"{folder.path}/{manifest}"):
            return manifest
        message = "the manifest is empty, so the folder does not count as an extension"
        problem = Problem("empty-manifest", folder.below(manifest), message)
        if problem not in problems:  # the walk also visits `config` itself
            problems.append(problem)
    return ""


def _has_content(manifest: str) -> bool:
    """Return True if a file contains more than comments, such as "this is not an extension"."""
    try:
        with open(manifest, "rb") as stream:
            start = stream.read(_LONGEST_REMARK + 1)
    except OSError:
        return True  # reported when it is read
    lines = start.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return len(start) > _LONGEST_REMARK or any(line.strip() and not line.strip().startswith(b"#") for line in lines)


def find_extensions(
    root: str, *, inside: str | None, leave_out: Collection[str], problems: list[Problem]
) -> list[Found]:
    """Return the extensions at and below a folder, in a fixed order.

    Inside an extension only its folders named ``exts`` are searched. A ``.kit`` file is an extension, or an app if it
    is in a folder named ``apps``.

    Args:
        root: The folder to search.
        inside: See `stages.sources.walk.walk`.
        leave_out: Real paths of folders that are not searched, not even through links.
        problems: Receives the problems found.
    """
    found: list[Found] = []
    seen = len(problems)
    for folder in walk(root, inside=inside, problems=problems, leave_out=leave_out):
        new, seen = problems[seen:], len(problems)
        manifest = manifest_in(folder, problems)
        if manifest:
            # Problems in an extension's folder are reported when its files are listed.
            own = printable(folder.relative)
            problems[seen - len(new) :] = [problem for problem in new if problem.path.rpartition("/")[0] != own]
            seen = len(problems)
            found.append(Found("folder", folder.path, manifest, folder.relative))
            folder.folders[:] = [name for name in folder.folders if name == "exts"]
            continue
        folder.folders[:] = [name for name in folder.folders if name not in INSTALLED_PACKAGES]
        for entry in folder.files:
            suffix = entry.name[-4:].lower()
            if suffix == ".kit":
                kind = "app" if "apps" in folder.relative.split("/") else "kit"
                found.append(Found(kind, entry.path, entry.name, folder.below(entry.name)))
            elif suffix == ".zip":
                _add_archive(entry, folder.below(entry.name), found, problems)
    return found


def _add_archive(entry: os.DirEntry[str], relative: str, found: list[Found], problems: list[Problem]) -> None:
    try:
        names = archives.names(entry)
    except (archives.ArchiveError, OSError) as error:
        problems.append(Problem("archive", relative, f"the archive is not read: {error}"))
        return
    if any(name.rpartition("/")[2] == MANIFESTS[1] for name in names):
        found.append(Found("archive", entry.path, "", relative))
    elif any(name.lower().endswith(".zip") for name in names):
        problems.append(Problem("archive", relative, "the archive contains archives, which are not read; unpack it"))


def find_apps(
    root: str, *, inside: str | None, problems: list[Problem], leave_out: Collection[str] = ()
) -> list[Found]:
    """Return the ``.kit`` files at and below a folder, the least nested first; see `find_extensions`."""
    found = [
        Found("app", entry.path, entry.name, folder.below(entry.name))
        for folder in walk(root, inside=inside, problems=problems, leave_out=leave_out)
        for entry in folder.files
        if entry.name.lower().endswith(".kit")
    ]
    return sorted(found, key=lambda app: (app.relative.count("/"), app.relative))
