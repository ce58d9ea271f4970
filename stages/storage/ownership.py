"""Ownership of files in a work directory: the pipeline writes and removes only its own."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from stages.failures import StageError

# Any of these marks a folder as a work directory.
_MARKS = (".pipeline_lock", ".doit.db", ".pipeline_checkpoint.json")
# The pipeline's names at the top of a work directory, except names with a leading dot.
_FILES = ("sources.json", "extensions.json")
INTERMEDIATE_FOLDERS = (
    "sources",
    "extension_data",
    "code_examples",
    "settings",
    "nodes",
    "embeddings",
    "faiss_databases",
    "final_assembly",
)
_LOCKS = (".pipeline_lock", ".pipeline_lock.json")
# Names of the pipeline's folders in work_dir/sources: clones, wheels, archives.
_FETCHED = re.compile(r"(git|wheel)-.+-[0-9a-f]{12,16}(\.json)?|.+-[0-9a-f]{16}|\.tmp-.*\.part")


def check_work_dir(work_dir: Path) -> None:
    """Check that using a folder as the work directory harms no foreign files.

    A new work directory must not contain any name that the pipeline uses. None of the pipeline's paths may be a
    symbolic link or a special file: a copied or restored work directory may come from someone else.

    Raises:
        StageError: The folder fails the check. The message names the offending path.
    """
    if work_dir.is_symlink():
        raise StageError(f"{work_dir}: work_dir is a symbolic link. Name the folder that it leads to.")
    for name in _LOCKS:
        _check(work_dir / name, stat.S_ISREG, stat.S_ISDIR)
    if not any(os.path.lexists(work_dir / mark) for mark in _MARKS):
        for name in (*_FILES, *INTERMEDIATE_FOLDERS):
            # The stage reports a plain file in place of a folder.
            if os.path.lexists(work_dir / name) and (name in _FILES or not _is_plain_file(work_dir / name)):
                raise StageError(
                    f"{work_dir / name}: not made by the pipeline, which would overwrite or remove it. "
                    "Choose another output.work_dir."
                )
        return
    for name in _FILES:
        _check(work_dir / name, stat.S_ISREG, stat.S_ISDIR)
    for name in (*INTERMEDIATE_FOLDERS, "logs"):
        if _check(work_dir / name, stat.S_ISREG, stat.S_ISDIR) and (work_dir / name).is_dir():
            _check_below(work_dir / name)


def _check(path: Path, *kinds: Callable[[int], bool]) -> bool:
    """Return True if a path exists and is of one of the given kinds."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    if not any(kind(mode) for kind in kinds):
        raise _foreign(path)
    return True


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _check_below(folder: Path) -> None:
    deep, prefix = folder.name != "sources", "build-" if folder.name == "logs" else ""
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as scan:
            for entry in scan:
                if not entry.name.startswith(prefix):
                    continue  # a logs folder may hold foreign files
                if entry.is_dir(follow_symlinks=False):
                    # A fetched source may contain links. Nothing is written to it.
                    if deep or entry.name == "unpacked":
                        pending.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    raise _foreign(Path(entry.path))


def _foreign(path: Path) -> StageError:
    return StageError(
        f"{path}: expected a file or folder of the pipeline's, found a symbolic link or something else. Delete it."
    )


def remove_made(folder: Path) -> None:
    """Remove the pipeline's entries from a folder: fetched sources, or data sets with a manifest.

    Other entries stay, and so does a folder that contains them. Links are not followed.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if folder.is_symlink():
        return
    for entry in entries:
        path = Path(entry.path)
        if not entry.is_dir(follow_symlinks=False):
            if _FETCHED.fullmatch(entry.name):
                path.unlink(missing_ok=True)
        elif entry.name == "unpacked" and folder.name == "sources":
            remove_made(path)
        elif _FETCHED.fullmatch(entry.name) or (path / "MANIFEST.json").is_file():
            shutil.rmtree(path, ignore_errors=True)
    if not any(os.scandir(folder)):
        folder.rmdir()
