"""Validation of ``extensions.json`` before a run uses it. A work directory may come from someone else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.artifacts.preparation import Extension, Extensions, Owner
from stages.artifacts.pull_repo_exts import Source
from stages.failures import StageError
from stages.sources.manifest import id_error, is_version
from stages.sources.walk import is_within

# Folder of the archives unpacked by preparation.
_UNPACKED = "sources/unpacked"


def is_inner_path(path: Any) -> bool:
    """Return True if a path is relative and stays in its base folder."""
    return isinstance(path, str) and not path.startswith("/") and "\0" not in path and ".." not in path.split("/")


def _are_inner_paths(paths: list[str]) -> bool:
    """Return True if all paths are relative and stay in their base folder."""
    text = "\n".join(paths)  # looking through all of them at once is several times as fast
    if not text.startswith("/") and not any(part in text for part in ("\n/", "\0", "..")):
        return True
    return all(map(is_inner_path, paths))


def check_prepared(prepared: Extensions, sources: list[Source] | None, work_dir: Path) -> None:
    """Require that extensions and apps lie in their sources, and that their ids and versions can be file names.

    Args:
        prepared: The content of ``extensions.json``.
        sources: The ``sources`` of ``sources.json``; None without such a file: then only names are checked.
        work_dir: The work directory, absolute.

    Raises:
        StageError: A path or name is invalid; the message names the extension and the path or name.
    """
    for extension in prepared.extensions:
        if id_error(extension.id) or not is_version(extension.id, extension.version):
            raise _refused(work_dir, extension, "its id or version cannot be part of a file name")
        _check_owner(extension, extension.folder, _files_of(extension), sources, work_dir)
    for app in prepared.apps:
        if id_error(app.id):
            raise _refused(work_dir, app, "its id cannot be part of a file name")
        _check_owner(app, os.path.dirname(app.path), [app.file], sources, work_dir)


def _files_of(extension: Extension) -> list[str]:
    metadata = extension.metadata
    documents = [path for path in (metadata.readme, metadata.changelog) if path]
    return [extension.manifest, *extension.files.all(), *documents]


def _check_owner(owner: Owner, folder: str, files: list[str], sources: list[Source] | None, work_dir: Path) -> None:
    if not _are_inner_paths(files):
        file = next(file for file in files if not is_inner_path(file))
        raise _refused(work_dir, owner, f"{file} lies outside of its folder")
    if sources is None:
        return
    if owner.source >= len(sources):
        raise _refused(work_dir, owner, f"there is no source {owner.source}")
    source = sources[owner.source]
    path = os.path.normpath(os.path.join(work_dir, folder))
    root = os.path.normpath(os.path.join(work_dir, source.root))
    if not is_within(path, root) and not is_within(path, os.path.join(work_dir, _UNPACKED)):
        raise _refused(work_dir, owner, f"{folder} lies outside of its source {root}")
    if source.links == "inside":
        _check_links(owner, path, files, os.path.realpath(root), work_dir)


def _check_links(owner: Owner, path: str, files: Iterable[str], root: str, work_dir: Path) -> None:
    """Require that no link leads out of a fetched source. Such a link was added after the fetch."""
    unpacked = os.path.realpath(work_dir / _UNPACKED)
    folders: dict[str, bool] = {}
    for file in files:
        folder, _, name = f"{path}/{file}".rpartition("/")
        if folder not in folders:
            real = os.path.realpath(folder)
            folders[folder] = is_within(real, root) or is_within(real, unpacked)
        inside = folders[folder]
        if inside and os.path.islink(f"{folder}/{name}"):
            real = os.path.realpath(f"{folder}/{name}")
            inside = is_within(real, root) or is_within(real, unpacked)
        if not inside:
            raise _refused(work_dir, owner, f"{file} is behind a link that leads out of its source")


def _refused(work_dir: Path, owner: Owner, why: str) -> StageError:
    return StageError(f"{work_dir / 'extensions.json'}: {owner.id!r}: {why}; the file is not used.")
